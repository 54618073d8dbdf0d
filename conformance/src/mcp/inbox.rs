//! Received messages, for the callers that wait for them.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use http::HeaderMap;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::{
    hello::Version,
    http_message::{HttpAnswer, HttpAsk, NoHttp},
    transcript::{Speaker, Transcript},
};

/// A target's reply to a request.
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

impl Reply {
    /// Reads the reply in a message.
    #[must_use]
    pub fn of(message: &Value) -> Self {
        match (&message["result"], &message["error"]) {
            (result, Value::Null) if !result.is_null() => Self::Result(result.clone()),
            (_, error) => Self::Error {
                code: error["code"].as_i64().unwrap_or_default(),
                message: message_of(error),
            },
        }
    }
}

/// The message of a JSON-RPC error with its data, if it has any.
fn message_of(error: &Value) -> String {
    let message = error["message"].as_str().unwrap_or_default();
    match &error["data"] {
        Value::Null => message.to_owned(),
        data => format!("{message} {data}"),
    }
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoReply {
    /// The time limit passed.
    #[error("no answer within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// The connection has ended.
    #[error("the connection ended before an answer: {0}")]
    Closed(String),
    /// The HTTP response did not contain the answer.
    #[error("the HTTP response contains no answer: {0}")]
    Unanswered(String),
    /// The HTTP response rejects the request by its status, with this description.
    #[error("{1}")]
    Refused(u16, String),
}

/// What a request returned, for the report of a failure; secrets are not redacted yet.
pub(crate) fn describe(reply: &Result<Reply, NoReply>) -> String {
    match reply {
        Ok(Reply::Result(result)) => format!("the result {result}"),
        Ok(Reply::Error { code, message }) => format!("the error {code}: {message}"),
        Err(why) => why.to_string(),
    }
}

impl NoReply {
    /// Whether a text of the suite says that a request has no answer.
    pub(crate) fn is_told_in(text: &str) -> bool {
        [
            "no answer within ",
            "the connection ended before an answer: ",
            "the HTTP response contains no answer: ",
        ]
        .iter()
        .any(|told| text.contains(told))
    }
}

/// The request that an answer belongs to, as the suite sent it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SentRequest {
    /// The method; empty if there is none.
    pub method: String,
    /// The tool that it calls.
    pub tool: Option<String>,
    /// The whole text.
    pub text: String,
}

impl SentRequest {
    /// Parses the text of a request.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        Self {
            method: message["method"].as_str().unwrap_or_default().to_owned(),
            tool: message["params"]["name"].as_str().map(str::to_owned),
            text: text.to_owned(),
        }
    }

    /// Whether it calls this tool.
    #[must_use]
    pub fn calls(&self, tool: &str) -> bool {
        self.tool.as_deref() == Some(tool)
    }
}

/// Changes messages between target and suite, in both directions.
pub trait AnswerFilter: Send + Sync {
    /// The text to send instead of this one; `None` to leave it unchanged.
    fn sent(&self, text: &str) -> Option<String>;

    /// Changes the headers and the query of an HTTP request.
    fn head(&self, headers: &mut HeaderMap, query: &mut Option<String>);

    /// The messages that arrive instead of `message`, the answer to `asked`.
    fn filter(&self, asked: &SentRequest, message: Value) -> Vec<String>;

    /// The answer to a TLS handshake instead of this one.
    fn hello(&self, version: Version, answer: Vec<u8>) -> Vec<u8>;

    /// The HTTP response instead of the answer to this request.
    ///
    /// # Errors
    /// If nothing arrives.
    fn http(
        &self,
        asked: &HttpAsk,
        answer: Result<HttpAnswer, NoHttp>,
    ) -> Result<HttpAnswer, NoHttp>;
}

/// A request that waits for its reply.
pub(super) struct Pending {
    /// Only known if there is a filter for answers.
    asked: Option<SentRequest>,
    reply: oneshot::Sender<(Result<Reply, NoReply>, Instant)>,
}

/// Receives messages for which no request of the suite waits, after a text was sent unchanged.
pub(super) struct Listener {
    asked: SentRequest,
    to: mpsc::UnboundedSender<Value>,
}

impl Pending {
    /// Passes the reply and its arrival time to the caller, who may no longer wait. The time is included because the
    /// caller may read the reply later: many scenarios share one thread.
    fn answer(self, answer: Result<Reply, NoReply>) {
        let _ = self.reply.send((answer, Instant::now()));
    }
}

/// Receives all messages of the target.
pub struct Inbox {
    transcript: Arc<Transcript>,
    pending: Mutex<HashMap<u64, Pending>>,
    listener: Mutex<Option<Listener>>,
    /// Why no message can arrive any more, once that is so.
    closed: OnceLock<String>,
    filter: Option<Arc<dyn AnswerFilter>>,
    /// Answers to the target's own requests.
    to_target: mpsc::Sender<Value>,
    /// Whether the target has answered anything yet.
    answered: AtomicBool,
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

/// The reply to a request, and its arrival time.
pub(super) type Answered = oneshot::Receiver<(Result<Reply, NoReply>, Instant)>;

impl Inbox {
    /// An empty inbox. It records messages in a transcript, and passes answers to the target's own requests to
    /// `to_target`.
    pub(super) fn new(
        transcript: Arc<Transcript>,
        filter: Option<Arc<dyn AnswerFilter>>,
        to_target: mpsc::Sender<Value>,
    ) -> Self {
        Self {
            transcript,
            pending: Mutex::default(),
            listener: Mutex::default(),
            closed: OnceLock::new(),
            filter,
            to_target,
            answered: AtomicBool::new(false),
        }
    }

    /// Registers the request `id` with this text; returns its future reply.
    pub(super) fn expect(&self, id: u64, text: &str) -> Answered {
        let (reply, answered) = oneshot::channel();
        let asked = self.filter.as_ref().map(|_| SentRequest::of(text));
        self.pending.lock().insert(id, Pending { asked, reply });
        if let Some(why) = self.closed.get() {
            self.fail(id, NoReply::Closed(why.clone()));
        }
        answered
    }

    /// Stops waiting for the reply to the request `id`.
    pub(super) fn forget(&self, id: u64) {
        self.pending.lock().remove(&id);
    }

    /// From now on, collects messages for which no request of the suite waits, as answers to this text.
    pub(super) fn listen(&self, text: &str) -> mpsc::UnboundedReceiver<Value> {
        let (to, heard) = mpsc::unbounded_channel();
        let asked = SentRequest::of(text);
        *self.listener.lock() = Some(Listener { asked, to });
        heard
    }

    /// Stops collecting them.
    pub(super) fn stop_listening(&self) {
        self.listener.lock().take();
    }

    /// Why no message can arrive any more, once that is so.
    pub(super) fn closed(&self) -> Option<&str> {
        self.closed.get().map(String::as_str)
    }

    /// Whether the target has answered anything yet.
    pub(super) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// The filter, if there is one.
    #[must_use]
    pub fn filter(&self) -> Option<&Arc<dyn AnswerFilter>> {
        self.filter.as_ref()
    }

    /// The text to send instead of this one.
    #[must_use]
    pub fn sent(&self, text: &str) -> Option<String> {
        self.filter.as_ref()?.sent(text)
    }

    /// Filters a message that answers a text which the suite sent unchanged. Returns the messages that arrive; none if
    /// the text is no message.
    #[must_use]
    pub fn arriving(&self, asked: &SentRequest, raw: &str) -> Vec<Value> {
        let message: Value = match serde_json::from_str(raw) {
            Ok(message @ (Value::Object(_) | Value::Array(_))) => message,
            _ => return Vec::new(),
        };
        let texts = match &self.filter {
            Some(filter) if message["method"].is_null() => filter.filter(asked, message),
            _ => vec![raw.to_owned()],
        };
        let record = |text: String| {
            let message = serde_json::from_str(&text).ok();
            self.transcript.record(Speaker::Target, text);
            message
        };
        texts.into_iter().filter_map(record).collect()
    }

    /// The transcript.
    #[must_use]
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Handles one message, as received.
    pub fn receive(&self, raw: &str) {
        let Some(filter) = &self.filter else {
            return self.deliver(raw);
        };
        let Ok(message) = serde_json::from_str::<Value>(raw) else {
            return self.deliver(raw);
        };
        let asked = message["id"]
            .as_u64()
            .and_then(|id| self.pending.lock().get(&id)?.asked.clone());
        let overheard = || {
            let listener = self.listener.lock();
            let listener = listener.as_ref().filter(|_| message["method"].is_null());
            listener.map(|listener| listener.asked.clone())
        };
        match asked.or_else(overheard) {
            Some(asked) => {
                for altered in filter.filter(&asked, message) {
                    self.deliver(&altered);
                }
            }
            None => self.deliver(raw),
        }
    }

    /// Records what arrived instead of a message.
    pub fn receive_noise(&self, text: &str) {
        self.transcript.record(Speaker::Noise, text);
    }

    fn deliver(&self, raw: &str) {
        let message = match serde_json::from_str::<Value>(raw) {
            Ok(message) if message.is_object() || message.is_array() => message,
            _ => return self.receive_noise(raw),
        };
        self.transcript.record(Speaker::Target, raw);
        let id = message["id"].as_u64();
        if let Some(method) = message["method"].as_str() {
            if !message["id"].is_null() {
                // If a target sends requests faster than it reads, it gets no further answers. A closed connection gets
                // none either.
                let _ = self.to_target.try_send(answer_to(method, &message["id"]));
            }
            return;
        }
        self.answered.store(true, Ordering::Relaxed);
        let Some(waiting) = id.and_then(|id| self.pending.lock().remove(&id)) else {
            if let Some(listener) = self.listener.lock().as_ref() {
                // The receiver may have been dropped.
                let _ = listener.to.send(message);
            }
            return;
        };
        waiting.answer(Ok(Reply::of(&message)));
    }

    /// Ends the wait for `id` without a reply.
    pub fn fail(&self, id: u64, why: NoReply) {
        if let Some(waiting) = self.pending.lock().remove(&id) {
            waiting.answer(match why {
                NoReply::Refused(status, message) => Ok(Reply::Error {
                    code: i64::from(status),
                    message,
                }),
                why => Err(why),
            });
        }
    }

    /// Ends all waits without a reply.
    pub fn close(&self, why: &str) {
        self.transcript
            .record(Speaker::Note, format!("the connection ended: {why}"));
        // This comes first, so that a request that is sent now fails, too.
        let _ = self.closed.set(why.to_owned());
        self.listener.lock().take();
        for (_, waiting) in self.pending.lock().drain() {
            waiting.answer(Err(NoReply::Closed(why.to_owned())));
        }
    }
}

/// The suite's answer to a server's request. The suite offers the server no capability.
fn answer_to(method: &str, id: &Value) -> Value {
    if method == "ping" {
        json!({ "jsonrpc": "2.0", "id": id, "result": {} })
    } else {
        json!({ "jsonrpc": "2.0", "id": id, "error": {
            "code": -32601, "message": "the client declared no such capability"
        } })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::NoReply;

    #[test]
    fn a_text_about_a_missing_answer_is_recognised_and_a_refusal_is_an_answer() {
        for (why, is_missing) in [
            (NoReply::TimedOut(Duration::from_secs(3)), true),
            (NoReply::Closed("end of file".to_owned()), true),
            (NoReply::Unanswered("no body".to_owned()), true),
            (NoReply::Refused(413, "too large".to_owned()), false),
        ] {
            let told = format!("under a: {why}");
            assert_eq!(NoReply::is_told_in(&told), is_missing, "{told}");
        }
    }
}
