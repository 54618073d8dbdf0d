//! The page that the browser opens: it receives a plan and reports what it saw.

use std::{collections::BTreeMap, convert::Infallible, net::Ipv4Addr, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::mpsc::{self, Receiver, Sender},
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;

use crate::mcp::http::messages_in;

const PAGE: &str = include_str!("page.html");
/// The path that every page may request.
const CONTROL: &str = "/control";
/// The maximum size of a report.
const MAX_REPORT: usize = 4 << 20;

/// What a page has to do.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The address of the endpoint.
    pub url: String,
    /// The posts, one after the other.
    pub steps: Vec<Step>,
}

/// One post.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// The name of the step in the report.
    pub name: &'static str,
    /// `cors` to read the answer, `no-cors` to send the post without a preflight request (Fetch, request mode).
    pub mode: &'static str,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// Whether it includes the session id of an earlier answer, if the page could read that.
    pub in_session: bool,
    /// Its body.
    pub body: String,
}

/// What a page saw of one post. The readable parts may contain secrets.
#[derive(Clone, Default, Deserialize)]
pub struct Attempt {
    /// The name in the plan.
    pub name: String,
    /// The status; 0 if the browser hides the whole answer.
    #[serde(default)]
    pub status: u16,
    /// The content type.
    #[serde(default)]
    pub kind: Option<String>,
    /// The body, as far as the page read it.
    #[serde(default)]
    pub body: String,
    /// Why there is no answer for the page.
    #[serde(default)]
    pub problem: Option<String>,
}

impl Attempt {
    /// The messages in the body.
    #[must_use]
    pub fn messages(&self) -> Vec<Value> {
        messages_in(self.kind.as_deref().unwrap_or_default(), &self.body)
    }

    /// The result as text without secrets.
    #[must_use]
    pub fn describe(&self) -> String {
        match (&self.problem, self.status) {
            (Some(problem), _) => format!("{}: {problem}", self.name),
            (None, 0) => format!("{}: an answer that the browser hides", self.name),
            (None, status) => format!("{}: HTTP {status}", self.name),
        }
    }
}

/// The report of a page.
#[derive(Deserialize)]
pub(super) struct Report {
    /// Why the page cannot reach even [`CONTROL`].
    pub kept: Option<String>,
    /// What the page saw.
    pub seen: Vec<Attempt>,
}

/// Serves the page on a loopback port, until it is dropped.
pub struct PageServer {
    port: u16,
    plan: Arc<Mutex<Bytes>>,
    reports: Receiver<Report>,
    _server: AbortOnDropHandle<()>,
}

impl PageServer {
    /// Starts to serve.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let plan = Arc::new(Mutex::new(Bytes::from_static(b"null")));
        let (told, reports) = mpsc::channel(1);
        let server = tokio::spawn(serve(listener, Arc::clone(&plan), told));
        Ok(Self {
            port,
            plan,
            reports,
            _server: AbortOnDropHandle::new(server),
        })
    }

    /// The origin of the page when it is opened with this name of this machine.
    #[must_use]
    pub fn origin(&self, host: &str) -> String {
        format!("http://{host}:{}", self.port)
    }

    /// Sets the plan for the next page.
    pub(super) fn give(&self, plan: &Plan) {
        let mut plan = serde_json::json!(plan);
        // The address differs from the page's name, so it is another origin for the browser.
        plan["control"] = format!("{}{CONTROL}", self.origin("127.0.0.1")).into();
        let text = plan.to_string();
        *self.plan.lock() = Bytes::from(text);
    }

    /// The report of the page, when it has finished.
    pub(super) async fn report(&mut self) -> Report {
        match self.reports.recv().await {
            Some(report) => report,
            // The sender lives as long as this value.
            None => std::future::pending().await,
        }
    }
}

async fn serve(listener: TcpListener, plan: Arc<Mutex<Bytes>>, told: Sender<Report>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let (plan, told) = (Arc::clone(&plan), told.clone());
                connections.spawn(async move {
                    let service = service_fn(|request| {
                        let plan = plan.lock().clone();
                        let told = told.clone();
                        async move { Ok::<_, Infallible>(answer(request, plan, &told).await) }
                    });
                    // If a browser breaks off its connection, nothing has to be done.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    plan: Bytes,
    told: &Sender<Report>,
) -> Response<Full<Bytes>> {
    let (status, kind, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => (
            StatusCode::OK,
            "text/html",
            Bytes::from_static(PAGE.as_bytes()),
        ),
        (&Method::GET, "/plan") => (StatusCode::OK, "application/json", plan),
        (_, CONTROL) => return for_every_page(),
        (&Method::POST, "/report") => {
            let body = Limited::new(request.into_body(), MAX_REPORT)
                .collect()
                .await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            match serde_json::from_slice(&body) {
                Ok(report) => {
                    // A second report is dropped.
                    let _ = told.try_send(report);
                    (StatusCode::NO_CONTENT, "text/plain", Bytes::new())
                }
                Err(_) => (StatusCode::BAD_REQUEST, "text/plain", Bytes::new()),
            }
        }
        _ => (StatusCode::NOT_FOUND, "text/plain", Bytes::new()),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// A response that every page may request and read.
fn for_every_page() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    for name in [
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::ACCESS_CONTROL_ALLOW_HEADERS,
    ] {
        let all = HeaderValue::from_static("*");
        response.headers_mut().insert(name, all);
    }
    response
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Attempt, PageServer, Plan};

    #[tokio::test]
    async fn a_page_is_given_its_plan_and_what_it_reports_arrives() {
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut server = PageServer::start().await.unwrap();
        let plan = Plan {
            url: "http://127.0.0.1:1/mcp".to_owned(),
            steps: Vec::new(),
        };
        server.give(&plan);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let at = |path: &str| format!("{}{path}", server.origin("127.0.0.1"));
        let page = client.get(at("/")).send().await.unwrap();
        assert!(page.text().await.unwrap().contains("/report"));
        let given = client.get(at("/plan")).send().await.unwrap();
        let given: serde_json::Value = given.json().await.unwrap();
        assert_eq!(given["url"], json!(plan.url));
        assert_eq!(given["steps"], json!([]));
        let control = given["control"].as_str().unwrap();
        let control = client.post(control).send().await.unwrap();
        assert_eq!(control.headers()["access-control-allow-origin"], "*");
        for path in ["/favicon.ico", "/report"] {
            let answer = client.get(at(path)).send().await.unwrap();
            assert_eq!(answer.status(), 404);
        }
        let seen = json!([{ "name": "a", "problem": "TypeError" }, { "name": "b", "status": 200 }]);
        let report = json!({ "kept": null, "seen": seen });
        let refused = client.post(at("/report")).body("no report").send().await;
        assert_eq!(refused.unwrap().status(), 400);
        let answer = client.post(at("/report")).json(&report).send().await;
        assert_eq!(answer.unwrap().status(), 204);
        let report = server.report().await;
        assert_eq!(report.kept, None);
        let seen: Vec<_> = report.seen.iter().map(Attempt::describe).collect();
        assert_eq!(seen, ["a: TypeError", "b: HTTP 200"]);
    }

    #[test]
    fn what_a_page_read_is_messages_whether_in_a_stream_or_not() {
        let read = |kind: &str, body: &str| {
            let attempt = Attempt {
                kind: Some(kind.to_owned()),
                body: body.to_owned(),
                ..Attempt::default()
            };
            attempt.messages()
        };
        let message = json!({ "id": 1, "result": {} });
        let plain = read("application/json; charset=utf-8", &message.to_string());
        assert_eq!(plain.last(), Some(&message));
        let stream = format!("data: {{\"method\":\"x\"}}\n\ndata: {message}\n\n");
        assert_eq!(read("text/event-stream", &stream).last(), Some(&message));
        assert!(read("text/plain", "Origin not allowed").is_empty());
    }
}
