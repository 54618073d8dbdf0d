//! The streamable HTTP transport: one POST for each message, answered with JSON or with a stream of events.

use std::time::Duration;

use data_encoding::BASE64;
use futures::StreamExt as _;
use parking_lot::Mutex;
use rand::{RngExt as _, rngs::StdRng};
use reqwest::{
    Certificate,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};
use serde_json::Value;

use super::{
    inbox::{Inbox, NoReply},
    transcript::Speaker,
};
use crate::{
    http_client,
    transport::{Era, Revision},
};

/// The maximum size of a body from a target.
const MAX_BODY: usize = 32 << 20;
/// How much of the body of a refusal is shown, in characters.
const SHOWN_OF_BODY: usize = 300;
/// The header that names the session.
pub const SESSION: &str = "mcp-session-id";
/// The header that names the revision.
pub const VERSION: &str = "mcp-protocol-version";

/// An endpoint, and the session that it issued.
#[derive(Debug)]
pub struct HttpWire {
    client: reqwest::Client,
    /// A client that opens a connection for each request, and adds nothing to it.
    plain: reqwest::Client,
    url: String,
    headers: HeaderMap,
    session: Mutex<Session>,
}

#[derive(Debug, Default)]
struct Session {
    id: Option<HeaderValue>,
    revision: Option<Revision>,
}

impl HttpWire {
    /// A wire to the endpoint at `url`, with these headers in every request; `ca` may sign the endpoint's certificate.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn new(
        url: String,
        headers: HeaderMap,
        ca: Option<Certificate>,
    ) -> Result<Self, reqwest::Error> {
        let client = || {
            http_client::trusting(ca.clone())
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(Duration::from_secs(5))
        };
        Ok(Self {
            client: client().default_headers(headers.clone()).build()?,
            plain: client().pool_max_idle_per_host(0).build()?,
            url,
            headers,
            session: Mutex::default(),
        })
    }

    /// The address of the endpoint, and the headers of every request to it.
    #[must_use]
    pub fn endpoint(&self) -> (&str, &HeaderMap) {
        (&self.url, &self.headers)
    }

    /// A client that opens a connection for each request, and adds nothing to it.
    pub(super) fn plain_client(&self) -> reqwest::Client {
        self.plain.clone()
    }

    /// The headers of a request of the session: the session id, if there is one, and the revision.
    #[must_use]
    pub fn session_headers(&self) -> HeaderMap {
        let session = self.session.lock();
        let id = session.id.clone().map(|id| (SESSION, id));
        let revision = session.revision.map(|revision| {
            let name = HeaderValue::from_static(revision.name());
            (VERSION, name)
        });
        let headers = id.into_iter().chain(revision);
        headers
            .map(|(name, value)| (HeaderName::from_static(name), value))
            .collect()
    }

    /// Sends the negotiated revision in every later request.
    pub fn use_revision(&self, revision: Revision) {
        self.session.lock().revision = Some(revision);
    }

    /// Sends one message, and passes everything that arrives to `inbox`.
    ///
    /// # Errors
    /// If the HTTP response to a request ends without its answer.
    pub async fn exchange(&self, message: &Value, inbox: &Inbox) -> Result<(), NoReply> {
        let mut headers = self.session_headers();
        let stateless = self.session.lock().revision.map(Revision::era) == Some(Era::Stateless);
        for (name, value) in routing_headers(message).into_iter().filter(|_| stateless) {
            // The value consists of characters that a header permits.
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        if let Some(filter) = inbox.filter() {
            let mut all = self.headers.clone();
            all.extend(headers);
            filter.head(&mut all, &mut None);
            headers = all;
        }
        let post = self
            .client
            .post(&self.url)
            .header(ACCEPT, "application/json, text/event-stream")
            .headers(headers)
            .json(message);
        let answer = post.send().await.map_err(closed)?;
        let status = answer.status();
        let headers: String = answer
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        inbox
            .transcript()
            .record(Speaker::Log, format!("HTTP {status}\n{headers}"));
        if let Some(id) = answer.headers().get(SESSION) {
            let mut session = self.session.lock();
            let stateless = session.revision.is_some_and(|r| r.era() == Era::Stateless);
            session.id = Some(id.clone()).filter(|_| !stateless);
        }
        let kind = answer.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let seen = format!("HTTP {status}, content type {kind:?}");
        let retry_after = answer.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|after| after.to_str().ok());
        let retry_after =
            retry_after.map_or(String::new(), |after| format!(" Retry-After: {after}"));
        let mut body = String::new();

        match kind {
            "text/event-stream" => {
                let mut events = EventReader::default();
                let mut body = answer.bytes_stream();
                while let Some(chunk) = body.next().await {
                    for data in events.read(&chunk.map_err(closed)?) {
                        inbox.receive(&data);
                    }
                    if events.buffered() > MAX_BODY {
                        return Err(NoReply::Unanswered(format!("{seen}, an endless event")));
                    }
                }
            }
            "application/json" => {
                body = body_of(answer).await?;
                inbox.receive(&body);
            }
            _ => {
                body = body_of(answer).await?;
                if !body.is_empty() {
                    inbox.transcript().record(Speaker::Log, body.clone());
                }
            }
        }
        if status.is_client_error() || status.is_server_error() {
            // A caller that already has its answer is not affected.
            let begins: String = body.chars().take(SHOWN_OF_BODY).collect();
            let text = format!("HTTP {status} {begins}{retry_after}");
            return Err(NoReply::Refused(status.as_u16(), text));
        }
        let is_request = message["id"].is_u64() && message["method"].is_string();
        if is_request || !status.is_success() {
            // A caller that already has its answer is not affected.
            return Err(NoReply::Unanswered(seen));
        }
        Ok(())
    }
}

/// The header that repeats the method of a request.
pub const METHOD: &str = "mcp-method";
/// The header that repeats the name of the tool that is called.
pub const NAME: &str = "mcp-name";

/// The values of a message that the stateless era repeats in headers, for routing (2026-07-28, streamable HTTP,
/// "Request Metadata").
#[must_use]
pub fn routing_headers(message: &Value) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    if let Some(method) = message["method"].as_str() {
        headers.push((METHOD, header_text(method)));
        if let Some(name) = message["params"]["name"]
            .as_str()
            .filter(|_| method == "tools/call")
        {
            headers.push((NAME, header_text(name)));
        }
    }
    headers
}

/// A text as a header value: unchanged, or encoded if a header cannot contain it.
fn header_text(text: &str) -> String {
    let plain = text.trim() == text && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    match plain && !text.starts_with("=?") {
        true => text.to_owned(),
        false => format!("=?base64?{}?=", BASE64.encode(text.as_bytes())),
    }
}

/// A session id in the same format that the server never issued.
#[must_use]
pub fn made_up_session(id: &str, random: &mut StdRng) -> String {
    let other: String = id
        .chars()
        .map(|letter| match letter {
            '0'..='9' => char::from(random.random_range(b'0'..=b'9')),
            other => other,
        })
        .collect();
    match other == id {
        true => format!("{id}0"),
        false => other,
    }
}

fn closed(error: reqwest::Error) -> NoReply {
    NoReply::Closed(error.without_url().to_string())
}

async fn body_of(answer: reqwest::Response) -> Result<String, NoReply> {
    let mut body = Vec::new();
    let mut chunks = answer.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        body.extend_from_slice(&chunk.map_err(closed)?);
        if body.len() > MAX_BODY {
            let why = format!("a body of more than {MAX_BODY} bytes");
            return Err(NoReply::Unanswered(why));
        }
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// The messages in a body with this content type: one message, or a stream of events up to the last complete one.
#[must_use]
pub fn messages_in(kind: &str, body: &str) -> Vec<Value> {
    let texts = match kind.trim_start().starts_with("text/event-stream") {
        true => EventReader::default().read(body.as_bytes()),
        false => vec![body.to_owned()],
    };
    let messages = texts
        .iter()
        .filter_map(|text| serde_json::from_str(text).ok());
    messages.filter(Value::is_object).collect()
}

/// Reads server-sent events (WHATWG HTML, section 9.2) and gives the data of each.
#[derive(Debug, Default)]
pub(super) struct EventReader {
    buffer: Vec<u8>,
    data: Option<String>,
}

impl EventReader {
    fn buffered(&self) -> usize {
        self.buffer.len() + self.data.as_ref().map_or(0, String::len)
    }

    /// Reads the next bytes; returns the data of the events that they complete.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Vec<String> {
        self.buffer.extend_from_slice(bytes);
        let mut complete = Vec::new();
        while let Some((line, used)) = next_line(&self.buffer) {
            let line = String::from_utf8_lossy(line).into_owned();
            self.buffer.drain(..used);
            if line.is_empty() {
                complete.extend(self.data.take().filter(|data| !data.is_empty()));
            } else if let Some(value) = line.strip_prefix("data") {
                let value = match value.strip_prefix(':') {
                    Some(value) => value.strip_prefix(' ').unwrap_or(value),
                    None if value.is_empty() => value,
                    None => continue,
                };
                match &mut self.data {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(value);
                    }
                    None => self.data = Some(value.to_owned()),
                }
            }
        }
        complete
    }
}

/// The first line of the buffer, and its length including its end (LF, CR or CR LF).
fn next_line(buffer: &[u8]) -> Option<(&[u8], usize)> {
    let end = buffer.iter().position(|b| *b == b'\n' || *b == b'\r')?;
    let line = &buffer[..end];
    match (buffer[end], buffer.get(end + 1)) {
        (b'\r', Some(b'\n')) => Some((line, end + 2)),
        // A CR at the end may be the first half of CR LF, so the next byte is needed.
        (b'\r', None) => None,
        _ => Some((line, end + 1)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::EventReader;

    #[test]
    fn events_end_with_an_empty_line_and_join_their_data() {
        let mut reader = EventReader::default();
        let text = b": hello\r\nevent: message\r\nid: 1\r\ndata: {\r\ndata:  }\r\n\r\ndata\n\n";
        assert_eq!(reader.read(text), ["{\n }"]);
    }

    #[test]
    fn an_event_without_its_end_is_not_given() {
        assert!(EventReader::default().read(b"data: {}\n").is_empty());
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_changes_nothing(
            events in proptest::collection::vec("[a-z{}:é ]{1,12}", 1..6),
            cut in 0_usize..200,
        ) {
            let text: String = events.iter().map(|e| format!("data: {e}\r\n\r\n")).collect();
            // The last CR LF is complete only after another byte or an LF.
            let bytes = text.as_bytes();
            let cut = cut.min(bytes.len());
            let mut reader = EventReader::default();
            let mut read = reader.read(&bytes[..cut]);
            read.extend(reader.read(&bytes[cut..]));
            prop_assert_eq!(read, events);
        }
    }
}
