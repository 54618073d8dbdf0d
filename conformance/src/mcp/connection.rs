//! One connection to a target: sends requests and returns each reply to its caller.

use std::{
    fmt,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::{Either, select};
use http::HeaderMap;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    hello::Version,
    http::HttpWire,
    http_message::{HttpAnswer, HttpAsk, NoHttp},
    pace::Pace,
    raw::RawHttp,
    request::{self, initialize_params},
    stdio::StdioWire,
    transcript::{Speaker, Transcript, written},
};
use crate::{
    mcp::inbox::{AnswerFilter, Inbox, NoReply, Reply},
    transport::{Era, Revision},
};

// The key in the `_meta` of results under which a server of the stateless era reports itself (2026-07-28, schema,
// `ResultMetaObject`).
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// How many answers to a target's own requests may wait to be sent.
const MAX_ANSWERS: usize = 64;

/// The time limit for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The limit.
    pub time: Duration,
    /// The setting of the adapter that defines it, for messages.
    pub set_by: &'static str,
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.time.as_secs_f64() * 10.0).round() / 10.0;
        write!(f, "{tenths} s ({})", self.set_by)
    }
}

/// The time limits for answers on a connection.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the first answer: the target may have to start before it.
    pub first: Budget,
    /// For each later answer.
    pub call: Budget,
}

/// Why a connection was not opened.
#[derive(Debug)]
enum NotOpened {
    /// The target sent nothing before the time limit.
    Silent(String),
    /// The target sent something unusable, or the connection has ended.
    Unusable(String),
}

impl From<NotOpened> for String {
    fn from(why: NotOpened) -> Self {
        match why {
            NotOpened::Silent(problem) | NotOpened::Unusable(problem) => problem,
        }
    }
}

/// What the target reports about itself at the beginning of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// The negotiated revision.
    pub revision: Revision,
    /// `serverInfo.name`
    pub name: Option<String>,
    /// `serverInfo.version`
    pub version: Option<String>,
}

impl ServerInfo {
    fn new(revision: Revision, info: &Value) -> Self {
        let told = |field: &str| Some(info[field].as_str()?.to_owned());
        Self {
            revision,
            name: told("name"),
            version: told("version"),
        }
    }
}

/// The answer to a text that the suite sent unchanged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// The HTTP status, if the transport is HTTP.
    pub status: Option<u16>,
    /// The messages; those of a batch are listed one by one.
    pub messages: Vec<Value>,
    /// Why there are no further messages, if something went wrong.
    pub problem: Option<String>,
}

impl Said {
    /// The answer from an HTTP response.
    #[must_use]
    pub fn over_http(answer: Result<HttpAnswer, NoHttp>) -> Self {
        let mut said = Self::default();
        match answer {
            Ok(answer) => {
                said.status = Some(answer.status);
                answer.messages.into_iter().for_each(|m| said.hears(m));
            }
            Err(why) => said.problem = Some(why.to_string()),
        }
        said
    }

    fn hears(&mut self, message: Value) {
        match message {
            Value::Array(messages) => self.messages.extend(messages),
            message => self.messages.push(message),
        }
    }

    /// The first successful result.
    #[must_use]
    pub fn success(&self) -> Option<&Value> {
        let results = self.messages.iter().map(|message| &message["result"]);
        let mut successes = results.filter(|result| !result.is_null() && result["isError"] != true);
        successes.next()
    }

    /// The first JSON-RPC error.
    #[must_use]
    pub fn error(&self) -> Option<&Value> {
        let mut errors = self.messages.iter().map(|message| &message["error"]);
        errors.find(|error| !error.is_null())
    }

    /// Whether the answer is an error: of JSON-RPC, of a tool, or of HTTP.
    #[must_use]
    pub fn refuses(&self) -> bool {
        let mut results = self.messages.iter().map(|message| &message["result"]);
        self.error().is_some()
            || results.any(|result| result["isError"] == true)
            || self.status.is_some_and(|status| status >= 400)
    }

    /// The answer as text.
    #[must_use]
    pub fn describe(&self) -> String {
        let status = self.status.map(|status| format!("HTTP {status}"));
        let messages = self.messages.iter().map(Value::to_string);
        let said: Vec<_> = status
            .into_iter()
            .chain(messages)
            .chain(self.problem.clone())
            .collect();
        match said.is_empty() {
            true => "nothing came back".to_owned(),
            false => said.join(", "),
        }
    }
}

/// How messages are sent.
#[derive(Debug)]
pub enum Wire {
    /// Lines over a process's standard input and output.
    Stdio(StdioWire),
    /// POSTs to an endpoint.
    Http(HttpWire),
}

/// One connection to a target.
#[derive(Debug)]
pub struct Connection {
    wire: Arc<Wire>,
    inbox: Arc<Inbox>,
    next_id: AtomicU64,
    patience: Patience,
    paces: Vec<Arc<Pace>>,
    /// The negotiated revision, once it is known.
    revision: Mutex<Option<Revision>>,
}

impl Connection {
    /// Opens a connection whose wire is made by `connect`, which receives the inbox to fill.
    ///
    /// All messages of the suite keep to the `paces`.
    pub fn open(
        transcript: Arc<Transcript>,
        filter: Option<Arc<dyn AnswerFilter>>,
        patience: Patience,
        paces: Vec<Arc<Pace>>,
        connect: impl FnOnce(Arc<Inbox>) -> Wire,
    ) -> Self {
        let (to_target, mut answers) = mpsc::channel::<Value>(MAX_ANSWERS);
        let inbox = Arc::new(Inbox::new(transcript, filter, to_target));
        let wire = Arc::new(connect(Arc::clone(&inbox)));
        let (answer_wire, answer_inbox) = (Arc::downgrade(&wire), Arc::downgrade(&inbox));
        tokio::spawn(async move {
            while let Some(answer) = answers.recv().await {
                let (Some(wire), Some(inbox)) = (answer_wire.upgrade(), answer_inbox.upgrade())
                else {
                    return;
                };
                inbox
                    .transcript()
                    .record(Speaker::Suite, answer.to_string());
                send(&wire, &inbox, None, &answer).await;
            }
        });
        Self {
            wire,
            inbox,
            next_id: AtomicU64::new(1),
            patience,
            paces,
            revision: Mutex::default(),
        }
    }

    /// The answer to the hello of a TLS version.
    #[must_use]
    pub fn hello(&self, version: Version, answer: Vec<u8>) -> Vec<u8> {
        match self.inbox.filter() {
            Some(filter) => filter.hello(version, answer),
            None => answer,
        }
    }

    /// The transcript of the connection.
    #[must_use]
    pub fn transcript(&self) -> &Transcript {
        self.inbox.transcript()
    }

    /// The time limit for the next answer.
    fn budget(&self) -> Budget {
        match self.inbox.has_answered() {
            true => self.patience.call,
            false => self.patience.first,
        }
    }

    /// Begins the connection in the revision `wanted`. Without it, in the newest of the era of sessions that both sides
    /// speak, or without a session if the target supports none.
    ///
    /// # Errors
    /// If the target gives no usable answer in time; the text says what it sent instead.
    pub async fn begin(&self, wanted: Option<Revision>) -> Result<ServerInfo, String> {
        let begun = match wanted.map(|wanted| (wanted, wanted.era())) {
            Some((revision, Era::Stateless)) => self.discover(revision).await,
            Some((revision, Era::Session)) => self.initialize(revision, true).await,
            None => match self.initialize(Revision::NEWEST_OF_SESSIONS, false).await {
                Err(NotOpened::Unusable(problem)) => {
                    let discovered = self
                        .discover(Revision::R2026_07_28)
                        .await
                        .map_err(String::from);
                    return discovered.map_err(|other| format!("{problem}; {other}"));
                }
                begun => begun,
            },
        };
        Ok(begun?)
    }

    async fn initialize(&self, asked: Revision, only: bool) -> Result<ServerInfo, NotOpened> {
        let params = initialize_params("vault-mcp-conformance", asked.name());
        let result = self.opened_by("initialize", params).await?;
        let offered = result["protocolVersion"].as_str().unwrap_or_default();
        let revision = Revision::named(offered)
            .filter(|offered| offered.era() == Era::Session && (!only || *offered == asked))
            .ok_or_else(|| {
                let problem = match Revision::named(offered) {
                    None if !offered.is_empty() && !only => format!(
                        "it only speaks revision {offered}, which the suite does not support"
                    ),
                    _ => {
                        format!("the client requested revision {asked}, and it offers {offered:?}")
                    }
                };
                NotOpened::Unusable(problem)
            })?;
        self.use_revision(revision);
        // Without parameters, as most clients send it.
        self.notify("notifications/initialized", Value::Null).await;
        Ok(ServerInfo::new(revision, &result["serverInfo"]))
    }

    async fn discover(&self, revision: Revision) -> Result<ServerInfo, NotOpened> {
        self.use_revision(revision);
        let result = self.opened_by("server/discover", json!({})).await?;
        let offered = &result["supportedVersions"];
        let offers = |version: &Value| *version == revision.name();
        if !offered.as_array().is_some_and(|all| all.iter().any(offers)) {
            let problem =
                format!("the client requested revision {revision}, and it offers {offered}");
            return Err(NotOpened::Unusable(problem));
        }
        Ok(ServerInfo::new(revision, &result["_meta"][SERVER_INFO]))
    }

    /// The result of the request that opens the connection.
    async fn opened_by(&self, method: &str, params: Value) -> Result<Value, NotOpened> {
        let budget = self.budget();
        match self.request(method, params).await {
            Err(NoReply::TimedOut(_)) => {
                let problem = format!("it did not answer {method} within {budget}");
                Err(NotOpened::Silent(problem))
            }
            reply => result_in(method, reply).map_err(NotOpened::Unusable),
        }
    }

    async fn result_of(&self, method: &str, params: Value) -> Result<Value, String> {
        result_in(method, self.request(method, params).await)
    }

    fn use_revision(&self, revision: Revision) {
        *self.revision.lock() = Some(revision);
        if let Wire::Http(wire) = &*self.wire {
            wire.use_revision(revision);
        }
    }

    /// Sends a request, and waits for the answer.
    ///
    /// # Errors
    /// If no answer arrives within the budget, or none can arrive any more.
    pub async fn request(&self, method: &str, params: Value) -> Result<Reply, NoReply> {
        self.timed_request(method, params).await.0
    }

    /// Like [`Connection::request`], and returns how long the answer took. The time begins when the request was sent,
    /// so it does not include waiting for the target's limits.
    pub async fn timed_request(
        &self,
        method: &str,
        params: Value,
    ) -> (Result<Reply, NoReply>, Duration) {
        self.keep_pace(method).await;
        let patience = self.budget().time;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let revision = *self.revision.lock();
        let message = request::message(revision, &json!(id), method, params);
        let text = message.to_string();
        let answered = self.inbox.expect(id, &text);
        self.inbox
            .transcript()
            .record(Speaker::Suite, written(&text));
        let sent = Instant::now();
        let (wire, inbox) = (Arc::clone(&self.wire), Arc::clone(&self.inbox));
        let exchange = tokio::spawn(async move { send(&wire, &inbox, Some(id), &message).await });
        match tokio::time::timeout(patience, answered).await {
            Ok(Ok((answer, came))) => (answer, came.saturating_duration_since(sent)),
            Ok(Err(_)) => {
                let why = NoReply::Closed("the suite closed it".to_owned());
                (Err(why), sent.elapsed())
            }
            Err(_) => {
                exchange.abort();
                self.inbox.forget(id);
                (Err(NoReply::TimedOut(patience)), patience)
            }
        }
    }

    /// Sends a notification, and waits only until it has been sent. Parameters that are null are left out.
    pub async fn notify(&self, method: &str, params: Value) {
        self.keep_pace(method).await;
        let mut message = json!({ "jsonrpc": "2.0", "method": method });
        if !params.is_null() {
            message["params"] = params;
        }
        self.inbox
            .transcript()
            .record(Speaker::Suite, message.to_string());
        let patience = self.budget().time;
        let sending = send(&self.wire, &self.inbox, None, &message);
        if tokio::time::timeout(patience, sending).await.is_err() {
            let note = format!(
                "{method} was not accepted within {} s",
                patience.as_secs_f32()
            );
            self.inbox.transcript().record(Speaker::Note, note);
        }
    }

    /// Sends a text unchanged, and collects the answer. If the text is no request, it needs no answer; messages count
    /// that arrive up to a moment after the answer to the next request.
    ///
    /// No other such text may be sent on the connection at the same time.
    pub async fn say(&self, text: &str, is_request: bool) -> Said {
        match &*self.wire {
            Wire::Stdio(wire) => {
                let patience = is_request.then_some(self.budget().time);
                self.say_line(wire, text, patience).await
            }
            Wire::Http(wire) => {
                let asked = HttpAsk::post(text).with_all(wire.session_headers());
                let patience = self.budget().time;
                Said::over_http(self.raw_http(wire).send(&asked, patience).await)
            }
        }
    }

    /// Sends a request unchanged, and collects its answer until another future completes.
    pub async fn say_until(&self, text: &str, over: impl Future<Output = ()>) -> Said {
        match &*self.wire {
            Wire::Stdio(wire) => {
                let (mut heard, mut said) = self.say_and_listen(wire, text).await;
                over.await;
                self.hear_out(&mut heard, &mut said);
                said
            }
            Wire::Http(wire) => {
                let asked = HttpAsk::post(text).with_all(wire.session_headers());
                let http = self.raw_http(wire);
                let (sending, over) = (pin!(http.send(&asked, self.budget().time)), pin!(over));
                match select(sending, over).await {
                    Either::Left((answer, over)) => {
                        over.await;
                        Said::over_http(answer)
                    }
                    Either::Right(_) => Said::default(),
                }
            }
        }
    }

    async fn say_and_listen(
        &self,
        wire: &StdioWire,
        text: &str,
    ) -> (mpsc::UnboundedReceiver<Value>, Said) {
        self.keep_pace(text).await;
        let heard = self.inbox.listen(text);
        self.inbox
            .transcript()
            .record(Speaker::Suite, written(text));
        let altered = self.inbox.sent(text);
        let sent = wire.send_line(altered.as_deref().unwrap_or(text)).await;
        let said = Said {
            problem: sent.err(),
            ..Said::default()
        };
        (heard, said)
    }

    /// Stops collecting; the messages so far count.
    fn hear_out(&self, heard: &mut mpsc::UnboundedReceiver<Value>, said: &mut Said) {
        self.inbox.stop_listening();
        while let Ok(message) = heard.try_recv() {
            said.hears(message);
        }
    }

    /// Pings the target; returns how long an answer to an earlier message may still take. A target that is slow to
    /// answer the ping may be slow with that, too.
    pub async fn ping_for_a_moment(&self) -> Duration {
        /// The minimum.
        const MOMENT: Duration = Duration::from_millis(200);
        // Whether the ping is answered is checked elsewhere.
        let (_, took) = self.timed_request("ping", json!({})).await;
        MOMENT.max(took * 2)
    }

    async fn say_line(&self, wire: &StdioWire, text: &str, patience: Option<Duration>) -> Said {
        let (mut heard, mut said) = self.say_and_listen(wire, text).await;
        let listens = match patience {
            Some(patience) => patience,
            None => self.ping_for_a_moment().await,
        };
        match tokio::time::timeout(listens, heard.recv()).await {
            Ok(Some(message)) => said.hears(message),
            Ok(None) => said.problem = self.inbox.closed().map(str::to_owned),
            Err(_) => {
                said.problem = patience.map(|time| NoReply::TimedOut(time).to_string());
            }
        }
        self.hear_out(&mut heard, &mut said);
        said
    }

    /// The endpoint, for requests that no client makes; `None` over stdio.
    #[must_use]
    pub fn http(&self) -> Option<RawHttp> {
        match &*self.wire {
            Wire::Stdio(_) => None,
            Wire::Http(wire) => Some(self.raw_http(wire)),
        }
    }

    /// The headers with the session and the revision; `None` over stdio.
    #[must_use]
    pub fn session_headers(&self) -> HeaderMap {
        match &*self.wire {
            Wire::Stdio(_) => HeaderMap::new(),
            Wire::Http(wire) => wire.session_headers(),
        }
    }

    fn raw_http(&self, wire: &HttpWire) -> RawHttp {
        RawHttp::new(wire, Arc::clone(&self.inbox), self.paces.clone())
    }

    /// The wire.
    #[must_use]
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Whether no message can arrive any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inbox.closed().is_some()
    }

    /// Numbers its requests from this number on, so that they differ from those of another connection in the same
    /// transcript.
    pub fn count_from(&self, first: u64) {
        self.next_id.store(first, Ordering::Relaxed);
    }

    /// Waits until the target's limits allow the full number of simultaneous calls.
    pub async fn rest(&self) {
        for pace in &self.paces {
            pace.rest().await;
        }
    }

    async fn keep_pace(&self, message: &str) {
        for pace in &self.paces {
            pace.wait(message).await;
        }
    }

    /// All tools that the target lists, over all pages.
    ///
    /// # Errors
    /// If the target returns an error for a page, or does not answer.
    pub async fn list_tools(&self) -> Result<Vec<Value>, String> {
        const MAX_PAGES: usize = 100;
        let mut tools = Vec::new();
        let mut params = json!({});
        for _ in 0..MAX_PAGES {
            let page = self.result_of("tools/list", params).await?;
            tools.extend(page["tools"].as_array().cloned().unwrap_or_default());
            match page["nextCursor"].as_str() {
                Some(cursor) => params = json!({ "cursor": cursor }),
                None => return Ok(tools),
            }
        }
        Err(format!("tools/list has more than {MAX_PAGES} pages"))
    }
}

/// The result in a reply to this method, or why the reply has no result.
fn result_in(method: &str, reply: Result<Reply, NoReply>) -> Result<Value, String> {
    match reply {
        Ok(Reply::Result(result)) => Ok(result),
        Ok(Reply::Error { code, message }) => {
            Err(format!("{method} returned the error {code} {message}"))
        }
        Err(why) => Err(format!("{method} was not answered: {why}")),
    }
}

async fn send(wire: &Wire, inbox: &Arc<Inbox>, id: Option<u64>, message: &Value) {
    let altered = inbox.filter().and_then(|filter| {
        let text = filter.sent(&message.to_string())?;
        serde_json::from_str(&text).ok()
    });
    let message = altered.as_ref().unwrap_or(message);
    let sent = match wire {
        Wire::Stdio(wire) => wire.send(message).await.map_err(NoReply::Closed),
        Wire::Http(wire) => wire.exchange(message, inbox).await,
    };
    match (sent, id) {
        (Err(why), Some(id)) => inbox.fail(id, why),
        (Err(why), None) => inbox.transcript().record(Speaker::Note, why.to_string()),
        (Ok(()), _) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use http::HeaderMap;
    use serde_json::{Value, json};
    use wiremock::{
        Mock, MockServer, ResponseTemplate,
        matchers::{any, body_partial_json},
    };

    use super::{Budget, Connection, HttpWire, Patience, Revision, Said, Wire};
    use crate::mcp::inbox::{NoReply, SentRequest};

    /// Longer than any test waits.
    const FOR_EVER: Duration = Duration::from_secs(600);

    /// A server that answers `initialize` after this time, and no other request.
    async fn answering_after(delay: Duration) -> MockServer {
        let server = MockServer::start().await;
        let result = json!({ "protocolVersion": "2025-11-25", "serverInfo": { "name": "slow" } });
        let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": result });
        for (method, answer) in [
            (
                "initialize",
                ResponseTemplate::new(200)
                    .set_body_json(answer)
                    .set_delay(delay),
            ),
            ("notifications/initialized", ResponseTemplate::new(202)),
        ] {
            let about = body_partial_json(json!({ "method": method }));
            Mock::given(about).respond_with(answer).mount(&server).await;
        }
        let never = ResponseTemplate::new(200).set_delay(FOR_EVER);
        Mock::given(any()).respond_with(never).mount(&server).await;
        server
    }

    /// A connection with limits in milliseconds for the first answer and for each later one.
    fn connected(server: &MockServer, first: u64, call: u64) -> Connection {
        drop(rustls::crypto::ring::default_provider().install_default());
        let budget = |millis, set_by| Budget {
            time: Duration::from_millis(millis),
            set_by,
        };
        let patience = Patience {
            first: budget(first, "start_seconds"),
            call: budget(call, "call_seconds"),
        };
        let wire = HttpWire::new(server.uri(), HeaderMap::new(), None).unwrap();
        Connection::open(Arc::default(), None, patience, Vec::new(), |_| {
            Wire::Http(wire)
        })
    }

    #[tokio::test]
    async fn the_first_answer_alone_may_take_as_long_as_the_start() {
        let server = answering_after(Duration::from_millis(400)).await;
        let connection = connected(&server, 60_000, 200);
        let told = connection.begin(Some(Revision::R2025_11_25)).await.unwrap();
        assert_eq!(told.name.as_deref(), Some("slow"));
        let reply = connection.request("ping", json!({})).await;
        assert_eq!(reply, Err(NoReply::TimedOut(Duration::from_millis(200))));
    }

    #[tokio::test]
    async fn who_does_not_answer_in_time_is_told_by_the_limit_and_asked_nothing_else() {
        let server = answering_after(FOR_EVER).await;
        let connection = connected(&server, 200, 60_000);
        let problem = connection.begin(None).await.unwrap_err();
        let told = "it did not answer initialize within 0.2 s (start_seconds)";
        assert_eq!(problem, told);
        // On a busy machine, not even the first one may have arrived.
        assert!(server.received_requests().await.unwrap().len() <= 1);
    }

    #[test]
    fn what_a_text_asks_is_found_where_there_is_anything() {
        let call = r#"{"method":"tools/call","params":{"name":"t"}}"#;
        assert!(SentRequest::of(call).calls("t"));
        assert_eq!(SentRequest::of("{ no json").method, "");
    }

    #[test]
    fn a_result_is_a_success_and_an_error_is_a_refusal_in_each_of_its_forms() {
        let said = |message: Value| {
            let mut said = Said::default();
            said.hears(message);
            (said.success().is_some(), said.refuses())
        };
        assert_eq!(said(json!({ "id": 1, "result": {} })), (true, false));
        assert_eq!(said(json!([{ "id": 1, "result": {} }])), (true, false));
        assert_eq!(
            said(json!({ "id": 1, "error": { "code": -32600 } })),
            (false, true)
        );
        assert_eq!(
            said(json!({ "id": 1, "result": { "isError": true } })),
            (false, true)
        );
        let refused = Said {
            status: Some(400),
            ..Said::default()
        };
        assert!(refused.refuses() && refused.success().is_none());
        assert_eq!(Said::default().describe(), "nothing came back");
    }
}
