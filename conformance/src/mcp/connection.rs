//! One connection to a target: requests go out, replies come back to whoever asked.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::{
    http::HttpWire,
    pace::Pace,
    stdio::StdioWire,
    transcript::{Speaker, Transcript},
};
use crate::target::transport::{Era, Revision};

/// What the stateless era writes into the `_meta` of requests and results (2026-07-28, schema,
/// `RequestMetaObject` and `ResultMetaObject`).
const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// How many answers to a target's own requests may wait to be sent.
const MAX_ANSWERS: usize = 64;

/// What a target answered to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The result.
    Result(Value),
    /// The JSON-RPC error.
    Error {
        /// Its code.
        code: i64,
        /// Its message.
        message: String,
    },
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoReply {
    /// The time was up.
    #[error("no answer within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// The connection is gone.
    #[error("the connection ended before an answer: {0}")]
    Closed(String),
    /// HTTP gave something, but not the answer.
    #[error("no answer in what came back over HTTP: {0}")]
    Unanswered(String),
}

/// What the target says of itself when it is first spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// The revision that is spoken.
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

/// Something between target and suite that changes what the target says.
pub trait AnswerFilter: Send + Sync {
    /// What arrives instead of `message`, which answers a request of this method and tool.
    fn filter(&self, method: &str, tool: Option<&str>, message: Value) -> Vec<String>;
}

/// A request that waits for its reply.
struct Pending {
    method: String,
    tool: Option<String>,
    reply: oneshot::Sender<(Result<Reply, NoReply>, Instant)>,
}

impl Pending {
    /// Tells the one who waits, who may have given up, what came and when. When, since that
    /// one may get to look at it only later: many scenarios share one thread.
    fn answer(self, answer: Result<Reply, NoReply>) {
        let _ = self.reply.send((answer, Instant::now()));
    }
}

/// Where everything that the target says arrives.
pub struct Inbox {
    transcript: Arc<Transcript>,
    pending: Mutex<HashMap<u64, Pending>>,
    /// Why nothing arrives any more, once that is so.
    closed: OnceLock<String>,
    filter: Option<Arc<dyn AnswerFilter>>,
    /// Answers to what the target asked of the suite.
    to_target: mpsc::Sender<Value>,
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

impl Inbox {
    fn pending(&self) -> MutexGuard<'_, HashMap<u64, Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where what is said is written down.
    #[must_use]
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Takes one message, as it came.
    pub fn receive(&self, raw: &str) {
        let Some(filter) = &self.filter else {
            return self.deliver(raw);
        };
        let Ok(message) = serde_json::from_str::<Value>(raw) else {
            return self.deliver(raw);
        };
        let asked = message["id"].as_u64().and_then(|id| {
            let pending = self.pending();
            let asked = pending.get(&id)?;
            Some((asked.method.clone(), asked.tool.clone()))
        });
        match asked {
            Some((method, tool)) => {
                for altered in filter.filter(&method, tool.as_deref(), message) {
                    self.deliver(&altered);
                }
            }
            None => self.deliver(raw),
        }
    }

    fn deliver(&self, raw: &str) {
        let message = match serde_json::from_str::<Value>(raw) {
            Ok(message) if message.is_object() || message.is_array() => message,
            _ => return self.transcript.record(Speaker::Noise, raw),
        };
        self.transcript.record(Speaker::Target, raw);
        let id = message["id"].as_u64();
        if let Some(method) = message["method"].as_str() {
            if !message["id"].is_null() {
                // A target that asks faster than it reads gets no further answers, and one
                // whose connection is closed none at all.
                let _ = self.to_target.try_send(answer_to(method, &message["id"]));
            }
            return;
        }
        let Some(waiting) = id.and_then(|id| self.pending().remove(&id)) else {
            return;
        };
        let reply = match (&message["result"], &message["error"]) {
            (result, Value::Null) if !result.is_null() => Reply::Result(result.clone()),
            (_, error) => Reply::Error {
                code: error["code"].as_i64().unwrap_or_default(),
                message: error["message"].as_str().unwrap_or_default().to_owned(),
            },
        };
        waiting.answer(Ok(reply));
    }

    /// Tells the one who waits for `id` that no answer comes.
    pub fn fail(&self, id: u64, why: NoReply) {
        if let Some(waiting) = self.pending().remove(&id) {
            waiting.answer(Err(why));
        }
    }

    /// Tells all who wait that no answer comes.
    pub fn close(&self, why: &str) {
        self.transcript
            .record(Speaker::Note, format!("the connection ended: {why}"));
        // Before those who wait are told: who comes later sees it.
        let _ = self.closed.set(why.to_owned());
        for (_, waiting) in self.pending().drain() {
            waiting.answer(Err(NoReply::Closed(why.to_owned())));
        }
    }
}

/// What the suite, which offers a server nothing, answers to a server's request.
fn answer_to(method: &str, id: &Value) -> Value {
    if method == "ping" {
        json!({ "jsonrpc": "2.0", "id": id, "result": {} })
    } else {
        json!({ "jsonrpc": "2.0", "id": id, "error": {
            "code": -32601, "message": "the client declared no such capability"
        } })
    }
}

fn client_info() -> Value {
    json!({ "name": "vault-mcp-conformance", "version": env!("CARGO_PKG_VERSION") })
}

/// How messages travel.
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
    budget: Duration,
    paces: Vec<Arc<Pace>>,
    /// What is spoken, once that is known.
    revision: Mutex<Option<Revision>>,
}

impl Connection {
    /// A connection whose wire is made by `connect`, which is given the inbox to fill.
    ///
    /// `budget` is what a call may take; `paces` are kept by all that the suite says.
    pub fn open(
        transcript: Arc<Transcript>,
        filter: Option<Arc<dyn AnswerFilter>>,
        budget: Duration,
        paces: Vec<Arc<Pace>>,
        connect: impl FnOnce(Arc<Inbox>) -> Wire,
    ) -> Self {
        let (to_target, mut answers) = mpsc::channel::<Value>(MAX_ANSWERS);
        let inbox = Arc::new(Inbox {
            transcript,
            pending: Mutex::default(),
            closed: OnceLock::new(),
            filter,
            to_target,
        });
        let wire = Arc::new(connect(Arc::clone(&inbox)));
        let (answer_wire, answer_inbox) = (Arc::downgrade(&wire), Arc::downgrade(&inbox));
        tokio::spawn(async move {
            while let Some(answer) = answers.recv().await {
                let (Some(wire), Some(inbox)) = (answer_wire.upgrade(), answer_inbox.upgrade())
                else {
                    return;
                };
                inbox.transcript.record(Speaker::Suite, answer.to_string());
                send(&wire, &inbox, None, &answer).await;
            }
        });
        Self {
            wire,
            inbox,
            next_id: AtomicU64::new(1),
            budget,
            paces,
            revision: Mutex::default(),
        }
    }

    /// What was said on it.
    #[must_use]
    pub fn transcript(&self) -> &Transcript {
        &self.inbox.transcript
    }

    /// Comes together with the target, in the revision that is wanted, or else in the newest of
    /// the era of sessions that both sides speak; with a target that knows no sessions, without.
    ///
    /// # Errors
    /// When the target gives no usable answer; the text says what came instead.
    pub async fn begin(&self, wanted: Option<Revision>) -> Result<ServerInfo, String> {
        match wanted.map(|wanted| (wanted, wanted.era())) {
            Some((revision, Era::Stateless)) => self.discover(revision).await,
            Some((revision, Era::Session)) => self.initialize(revision, true).await,
            None => {
                let problem = match self.initialize(Revision::NEWEST_OF_SESSIONS, false).await {
                    Ok(server) => return Ok(server),
                    Err(problem) => problem,
                };
                let discovered = self.discover(Revision::R2026_07_28).await;
                discovered.map_err(|other| format!("{problem}; {other}"))
            }
        }
    }

    async fn initialize(&self, asked: Revision, only: bool) -> Result<ServerInfo, String> {
        let params = json!({
            "protocolVersion": asked.name(),
            "capabilities": {},
            "clientInfo": client_info(),
        });
        let result = self.result_of("initialize", params).await?;
        let offered = result["protocolVersion"].as_str().unwrap_or_default();
        let revision = Revision::named(offered)
            .filter(|offered| offered.era() == Era::Session && (!only || *offered == asked))
            .ok_or_else(|| format!("it was asked for revision {asked} and offers {offered:?}"))?;
        self.use_revision(revision);
        self.notify("notifications/initialized", json!({})).await;
        Ok(ServerInfo::new(revision, &result["serverInfo"]))
    }

    async fn discover(&self, revision: Revision) -> Result<ServerInfo, String> {
        self.use_revision(revision);
        let result = self.result_of("server/discover", json!({})).await?;
        let offered = &result["supportedVersions"];
        let offers = |version: &Value| *version == revision.name();
        if !offered.as_array().is_some_and(|all| all.iter().any(offers)) {
            return Err(format!(
                "it was asked for revision {revision} and offers {offered}"
            ));
        }
        Ok(ServerInfo::new(revision, &result["_meta"][SERVER_INFO]))
    }

    async fn result_of(&self, method: &str, params: Value) -> Result<Value, String> {
        match self.request(method, params).await {
            Ok(Reply::Result(result)) => Ok(result),
            Ok(Reply::Error { code, message }) => {
                Err(format!("{method} was refused: {code} {message}"))
            }
            Err(why) => Err(format!("{method} was not answered: {why}")),
        }
    }

    fn use_revision(&self, revision: Revision) {
        *self.revision() = Some(revision);
        if let Wire::Http(wire) = &*self.wire {
            wire.use_revision(revision);
        }
    }

    fn revision(&self) -> MutexGuard<'_, Option<Revision>> {
        self.revision.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// When none comes within the budget, or none can come any more.
    pub async fn request(&self, method: &str, params: Value) -> Result<Reply, NoReply> {
        self.timed_request(method, params).await.0
    }

    /// Asks as [`Connection::request`] does, and tells how long the answer took from when the
    /// request was sent: waiting for the target's limits is not in it.
    pub async fn timed_request(
        &self,
        method: &str,
        params: Value,
    ) -> (Result<Reply, NoReply>, Duration) {
        self.keep_pace().await;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (reply, answered) = oneshot::channel();
        let waiting = Pending {
            method: method.to_owned(),
            tool: params["name"].as_str().map(str::to_owned),
            reply,
        };
        self.inbox.pending().insert(id, waiting);
        if let Some(why) = self.inbox.closed.get() {
            self.inbox.fail(id, NoReply::Closed(why.clone()));
        }
        let params = self.with_meta(params);
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.inbox
            .transcript
            .record(Speaker::Suite, message.to_string());
        let sent = Instant::now();
        let (wire, inbox) = (Arc::clone(&self.wire), Arc::clone(&self.inbox));
        let exchange = tokio::spawn(async move { send(&wire, &inbox, Some(id), &message).await });
        match tokio::time::timeout(self.budget, answered).await {
            Ok(Ok((answer, came))) => (answer, came.saturating_duration_since(sent)),
            Ok(Err(_)) => {
                let why = NoReply::Closed("the suite closed it".to_owned());
                (Err(why), sent.elapsed())
            }
            Err(_) => {
                exchange.abort();
                self.inbox.pending().remove(&id);
                (Err(NoReply::TimedOut(self.budget)), self.budget)
            }
        }
    }

    /// The parameters of a request, with what every request of the stateless era carries.
    fn with_meta(&self, mut params: Value) -> Value {
        if let Some(revision) = *self.revision()
            && revision.era() == Era::Stateless
        {
            for (key, value) in [
                (PROTOCOL_VERSION, json!(revision.name())),
                (CLIENT_CAPABILITIES, json!({})),
                (CLIENT_INFO, client_info()),
            ] {
                params["_meta"][key] = value;
            }
        }
        params
    }

    /// Tells, and waits for nothing but the message's way out.
    pub async fn notify(&self, method: &str, params: Value) {
        self.keep_pace().await;
        let message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        self.inbox
            .transcript
            .record(Speaker::Suite, message.to_string());
        send(&self.wire, &self.inbox, None, &message).await;
    }

    /// Waits until the target's limits let as many calls through at once as ever.
    pub async fn rest(&self) {
        for pace in &self.paces {
            pace.rest().await;
        }
    }

    async fn keep_pace(&self) {
        for pace in &self.paces {
            pace.wait().await;
        }
    }

    /// All tools that the target lists, over all pages.
    ///
    /// # Errors
    /// When a page is refused or not answered.
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

async fn send(wire: &Wire, inbox: &Arc<Inbox>, id: Option<u64>, message: &Value) {
    let sent = match wire {
        Wire::Stdio(wire) => wire.send(message).await.map_err(NoReply::Closed),
        Wire::Http(wire) => wire.exchange(message, inbox).await,
    };
    match (sent, id) {
        (Err(why), Some(id)) => inbox.fail(id, why),
        (Err(why), None) => inbox.transcript.record(Speaker::Note, why.to_string()),
        (Ok(()), _) => {}
    }
}
