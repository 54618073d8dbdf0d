//! Sends HTTP requests that no well-behaved client sends: any method, header or body, and a body that never ends. Each
//! is limited in time and size, and recorded in the transcript.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use reqwest::{
    Body, Method,
    header::{ACCEPT, HeaderMap, HeaderName, HeaderValue},
};

use super::{
    http::{EventReader, HttpWire},
    http_message::{HttpAnswer, HttpAsk, NoHttp},
    inbox::{Inbox, SentRequest},
    pace::Pace,
    transcript::{Speaker, written},
};
use crate::error_chain::error_chain;

/// How many bytes of the body of an answer are kept.
const MAX_BODY: usize = 8 << 20;
/// How many bytes of a request are recorded.
const SHOWN: usize = 4 << 10;

/// The endpoint of a target.
pub struct RawHttp {
    client: reqwest::Client,
    url: String,
    headers: HeaderMap,
    inbox: Arc<Inbox>,
    paces: Vec<Arc<Pace>>,
}

impl RawHttp {
    /// The endpoint of this wire. Everything is recorded in the inbox's transcript.
    #[must_use]
    pub fn new(wire: &HttpWire, inbox: Arc<Inbox>, paces: Vec<Arc<Pace>>) -> Self {
        let (url, headers) = wire.endpoint();
        Self {
            client: wire.plain_client(),
            url: url.to_owned(),
            headers: headers.clone(),
            inbox,
            paces,
        }
    }

    /// Sends a request on a connection of its own, and reads the answer. A stream of events is read up to the first
    /// answer in it; the stream of a request that only listens is not read.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn send(&self, asked: &HttpAsk, patience: Duration) -> Result<HttpAnswer, NoHttp> {
        let body = String::from_utf8_lossy(&asked.body);
        for pace in &self.paces {
            pace.wait(&body).await;
        }
        self.write_down(asked);
        let exchange = self.exchange(asked);
        let answer = tokio::time::timeout(patience, exchange).await;
        let answer = answer.unwrap_or(Err(NoHttp::Hung));
        let answer = match self.inbox.filter() {
            Some(filter) => filter.http(asked, answer),
            None => answer,
        };
        let transcript = self.inbox.transcript();
        match &answer {
            Ok(answer) => {
                let headers = shown(&answer.headers);
                let status = answer.status;
                transcript.record(Speaker::Log, format!("HTTP {status}\n{headers}"));
                if answer.messages.is_empty() && !answer.body.is_empty() {
                    transcript.record(Speaker::Log, answer.body.clone());
                }
            }
            Err(why) => transcript.record(Speaker::Note, why.to_string()),
        }
        answer
    }

    fn write_down(&self, asked: &HttpAsk) {
        let transcript = self.inbox.transcript();
        let query = asked.query.as_ref().map(|query| format!(" ?{query}"));
        let query = query.unwrap_or_default();
        let head = format!("HTTP {}{query}\n{}", asked.method, shown(&asked.headers));
        transcript.record(Speaker::Note, head.chars().take(SHOWN).collect::<String>());
        if !asked.body.is_empty() {
            let body = String::from_utf8_lossy(&asked.body);
            transcript.record(Speaker::Suite, written(&body));
        }
    }

    async fn exchange(&self, asked: &HttpAsk) -> Result<HttpAnswer, NoHttp> {
        let text = String::from_utf8_lossy(&asked.body);
        let altered = self.inbox.sent(&text).map(Bytes::from);
        let body = altered.unwrap_or_else(|| asked.body.clone());
        let mut headers = self.headers.clone();
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        for (name, value) in &asked.headers {
            match asked.headers.get_all(name).iter().count() {
                1 => drop(headers.insert(name, value.clone())),
                _ => drop(headers.append(name, value.clone())),
            }
        }
        let mut query = asked.query.clone();
        if let Some(filter) = self.inbox.filter() {
            filter.head(&mut headers, &mut query);
        }
        let url = match query {
            Some(query) => format!("{}?{query}", self.url),
            None => self.url.clone(),
        };
        let body = match asked.endless.clone() {
            Some(begun) => {
                let beginning = stream::iter([Ok::<_, std::io::Error>(body)]);
                let never = stream::once(async move {
                    begun.add_permits(1);
                    std::future::pending().await
                });
                Body::wrap_stream(beginning.chain(never))
            }
            None => Body::from(body),
        };
        let request = self.client.request(asked.method.clone(), &url);
        let sent = request.headers(headers).body(body).send().await;
        let response = sent.map_err(closed)?;
        let mut answer = HttpAnswer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            ..HttpAnswer::default()
        };
        let streams = answer.kind() == "text/event-stream";
        if streams && asked.method == Method::GET {
            return Ok(answer);
        }
        let mut events = EventReader::default();
        let mut chunks = response.bytes_stream();
        let mut body = Vec::new();
        let asked = SentRequest::of(&text);
        while let Some(chunk) = chunks.next().await {
            // What arrived before the end counts.
            let Ok(chunk) = chunk else { break };
            body.extend_from_slice(&chunk);
            if streams {
                for data in events.read(&chunk) {
                    answer.messages.extend(self.inbox.arriving(&asked, &data));
                }
                let mut answers = answer.messages.iter();
                if answers.any(|message| message["method"].is_null()) {
                    break;
                }
            }
            if body.len() > MAX_BODY {
                break;
            }
        }
        answer.body = String::from_utf8_lossy(&body).into_owned();
        // The body of an HTTP error may be a JSON-RPC error, or anything else.
        let is_message = answer.status < 400 || answer.body.contains("\"jsonrpc\"");
        if !streams && is_message {
            answer.messages = self.inbox.arriving(&asked, &answer.body);
        }
        Ok(answer)
    }
}

fn closed(error: reqwest::Error) -> NoHttp {
    NoHttp::Closed(error_chain(&error.without_url()))
}

fn shown(headers: &HeaderMap) -> String {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()))
    };
    headers.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use reqwest::{Method, header::HeaderMap};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        sync::Semaphore,
    };

    use crate::mcp::{
        connection::{Budget, Connection, Patience, Wire},
        http::HttpWire,
        http_message::{HttpAnswer, HttpAsk, NoHttp},
        transcript::Speaker,
    };

    /// Sends a request to a server with this answer. `None` keeps the connection open, and an empty answer closes it.
    async fn asked(
        asked: HttpAsk,
        answer: Option<&str>,
        patience: Duration,
    ) -> (Result<HttpAnswer, NoHttp>, Connection) {
        drop(rustls::crypto::ring::default_provider().install_default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let wire = HttpWire::new(url, HeaderMap::new(), None).unwrap();
        let call = Budget {
            time: Duration::from_secs(5),
            set_by: "call_seconds",
        };
        let always = Patience { first: call, call };
        let connection = Connection::open(Arc::default(), None, always, Vec::new(), |_| {
            Wire::Http(wire)
        });
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await.unwrap();
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                None => std::future::pending().await,
            }
        };
        let http = connection.http().unwrap();
        let answered = tokio::select! {
            answered = http.send(&asked, patience) => answered,
            () = async { serving.await; std::future::pending().await } => unreachable!(),
        };
        (answered, connection)
    }

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn an_answer_is_read_with_its_messages_and_written_down() {
        let body = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let (answered, connection) = asked(HttpAsk::post("{}"), Some(&answer), LONG).await;
        let answered = answered.unwrap();
        assert_eq!(
            (answered.status, answered.kind()),
            (200, "application/json")
        );
        assert_eq!(answered.messages.len(), 1);
        let said = connection.transcript().last_words(Speaker::Target, 1);
        assert_eq!(said, [body]);
    }

    #[tokio::test]
    async fn a_stream_that_goes_on_is_read_up_to_the_answer() {
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n\
                      data: {\"method\":\"notifications/progress\"}\n\n\
                      data: {\"id\":1,\"result\":{}}\n\n";
        let (answered, _) = asked(HttpAsk::post("{}"), Some(answer), LONG).await;
        assert_eq!(answered.unwrap().messages.len(), 2);
    }

    #[tokio::test]
    async fn a_stream_that_is_only_listened_to_is_not_waited_for() {
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        let (answered, _) = asked(HttpAsk::new(Method::GET), Some(answer), LONG).await;
        assert_eq!(answered.unwrap().status, 200);
    }

    #[tokio::test]
    async fn who_never_answers_is_told_from_who_closes_the_connection() {
        let patience = Duration::from_millis(50);
        let (answered, _) = asked(HttpAsk::new(Method::PUT), None, patience).await;
        assert_eq!(answered, Err(NoHttp::Hung));
        let (answered, _) = asked(HttpAsk::new(Method::PUT), Some(""), LONG).await;
        assert!(matches!(answered, Err(NoHttp::Closed(_))), "{answered:?}");
    }

    #[tokio::test]
    async fn a_request_that_never_ends_tells_once_it_is_under_way() {
        let begun = Arc::new(Semaphore::new(0));
        let mut endless = HttpAsk::post("{");
        endless.endless = Some(Arc::clone(&begun));
        tokio::select! {
            _ = asked(endless, None, LONG) => panic!("it has ended"),
            under_way = begun.acquire() => assert!(under_way.is_ok()),
        }
    }

    #[test]
    fn a_request_says_what_is_in_its_headers_and_in_its_body() {
        let asked = HttpAsk::post("{\"a\":1}").with("x-b", "two");
        assert!(asked.says("\"a\":1") && asked.says("x-b: \"two\"") && !asked.says("three"));
    }
}
