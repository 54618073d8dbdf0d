//! An endpoint that is odd in one way, for the suite's own tests. It speaks streamable HTTP on a port, and forwards
//! messages to a real server on that server's standard streams.
//!
//! `fake_endpoint ODDITY PORT PROGRAM ARGUMENT...`

use std::{
    env,
    error::Error,
    io::{self, BufRead as _, BufReader, Write as _},
    net::TcpListener,
    process::{ChildStdin, ChildStdout, Command, Stdio, exit},
};

use parking_lot::Mutex;
use serde_json::Value;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

/// The largest body that a proxy with a limit accepts.
const LIMIT: usize = 64 << 10;
const TOO_LARGE: &str = "<html><head><title>413 Request Entity Too Large</title></head></html>";
const LOGIN: &str = "<!DOCTYPE html><html><title>Sign in to continue</title></html>";

/// The real server's standard streams.
struct Server {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Server {
    fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(stdin), Some(stdout)) => Ok(Self {
                stdin,
                stdout: BufReader::new(stdout),
            }),
            _ => Err(io::Error::other("the server has no standard streams")),
        }
    }

    /// Sends a message, and returns the answer to it if it is a request.
    fn ask(&mut self, message: &Value) -> io::Result<Option<Value>> {
        writeln!(self.stdin, "{message}")?;
        self.stdin.flush()?;
        if message["id"].is_null() || message["method"].is_null() {
            return Ok(None);
        }
        loop {
            let mut line = String::new();
            if self.stdout.read_line(&mut line)? == 0 {
                return Err(io::Error::other("the server has ended"));
            }
            let said: Value = serde_json::from_str(&line).unwrap_or_default();
            if said["id"] == message["id"] && said["method"].is_null() {
                return Ok(Some(said));
            }
        }
    }
}

struct Endpoint {
    oddity: String,
    server: Mutex<Server>,
}

impl Respond for Endpoint {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        if request.method.as_str() != "POST" {
            return ResponseTemplate::new(405);
        }
        let page = |status, page: &str| {
            ResponseTemplate::new(status).set_body_raw(page.to_owned(), "text/html")
        };
        if self.oddity == "event-stream" {
            // The endpoint of HTTP+SSE at which a client listens.
            return ResponseTemplate::new(405).insert_header("allow", "GET");
        }
        let message: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        match (self.oddity.as_str(), message["method"].as_str()) {
            // A proxy in front of the server that limits the size of requests.
            ("small", _) if request.body.len() > LIMIT => return page(413, TOO_LARGE),
            // A proxy that wants a login in a browser: at once, or when the server is called.
            ("login", _) | ("logged-out", Some("tools/call")) => return page(200, LOGIN),
            // A server that does not accept the token that it is given.
            ("refuses", _) => {
                let said = "the Vault token is not valid";
                let challenge = "Bearer error=\"invalid_token\"";
                let answer = ResponseTemplate::new(401).set_body_string(said);
                return answer.insert_header("www-authenticate", challenge);
            }
            ("dies", Some("initialize")) => {
                eprintln!("no licence");
                exit(9)
            }
            _ => {}
        }
        match self.server.lock().ask(&message) {
            Ok(Some(answer)) => ResponseTemplate::new(200).set_body_json(answer),
            Ok(None) => ResponseTemplate::new(202),
            Err(error) => ResponseTemplate::new(500).set_body_string(error.to_string()),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(oddity), Some(port), Some(program)) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: fake_endpoint ODDITY PORT PROGRAM ARGUMENT...".into());
    };
    let server = Server::start(Command::new(program).args(arguments))?;
    let listener = TcpListener::bind(("127.0.0.1", port.parse()?))?;
    let endpoint = MockServer::builder().listener(listener).start().await;
    let respond = Endpoint {
        oddity,
        server: Mutex::new(server),
    };
    Mock::given(any())
        .respond_with(respond)
        .mount(&endpoint)
        .await;
    std::future::pending().await
}
