//! A server that is odd in one way, for the suite's own tests. It forwards messages to a real server on that server's
//! standard streams.
//!
//! `fake_target ODDITY PROGRAM ARGUMENT...`

use std::{
    collections::HashMap,
    env,
    io::{self, BufRead as _, BufReader, Write as _},
    process::{Command, ExitCode, Stdio, exit},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde_json::{Value, json};

/// Requests that a limited server accepts a second, and at once.
const PER_SECOND: f64 = 5.0;
const BURST: f64 = 10.0;
/// How long a tardy server delays an answer, and a sluggish one.
const TARDINESS: Duration = Duration::from_millis(90);
const SLUGGISHNESS: Duration = Duration::from_secs(3);

/// The oddity of the server.
#[derive(Clone, Copy, PartialEq)]
enum Oddity {
    /// Takes 3 seconds to start.
    Slow,
    /// Lists only a tool to search for tools, but accepts calls of all.
    Hidden,
    /// Has one tool, with the operation as an argument, and with parameters and results as strings of JSON.
    Dispatch,
    /// Exits at the fifth call.
    Dies,
    /// Answers concurrent calls in another order.
    OutOfOrder,
    /// Prints lines that are not messages.
    Rubbish,
    /// Answers no call.
    Hangs,
    /// Delays each answer to a call for longer than the budget of a read.
    Tardy,
    /// Delays each answer to a call like a machine that is far too busy.
    Sluggish,
    /// Accepts 5 requests a second, and 10 at once.
    Limited,
    /// Logs bytes that are not UTF-8, and then a line for each call.
    Garbled,
    /// The same, with its token in the line for each call.
    GarbledLeak,
    /// Prints a banner before its first message.
    Banner,
    /// Logs JSON to standard output, before its first message and before each answer.
    JsonLogs,
    /// Lists 200 further tools.
    Crowded,
    /// Asks the user before each answer to a call, and does not wait for the answer.
    Asks,
    /// Answers no call before the user has agreed.
    NeedsConsent,
}

/// How many tools a crowded server lists besides the real ones.
const CROWD: usize = 200;

impl Oddity {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "slow" => Self::Slow,
            "hidden" => Self::Hidden,
            "dispatch" => Self::Dispatch,
            "dies" => Self::Dies,
            "out-of-order" => Self::OutOfOrder,
            "rubbish" => Self::Rubbish,
            "hangs" => Self::Hangs,
            "tardy" => Self::Tardy,
            "sluggish" => Self::Sluggish,
            "limited" => Self::Limited,
            "garbled" => Self::Garbled,
            "garbled-leak" => Self::GarbledLeak,
            "banner" => Self::Banner,
            "json-logs" => Self::JsonLogs,
            "crowded" => Self::Crowded,
            "asks" => Self::Asks,
            "needs-consent" => Self::NeedsConsent,
            _ => return None,
        })
    }

    /// The delay of an answer to a call.
    fn keeps_back(self) -> Option<Duration> {
        match self {
            Self::Tardy => Some(TARDINESS),
            Self::Sluggish => Some(SLUGGISHNESS),
            _ => None,
        }
    }

    /// Whether it asks the user.
    fn asks(self) -> bool {
        matches!(self, Self::Asks | Self::NeedsConsent)
    }

    /// The message to the real server, if any.
    fn request(self, mut message: Value, calls: usize) -> Option<Value> {
        if message["method"] != "tools/call" {
            return Some(message);
        }
        match self {
            Self::Dies if calls == 5 => exit(9),
            Self::Hangs => None,
            Self::Dispatch => {
                let parameters = &mut message["params"];
                let asked = &parameters["arguments"];
                let text = asked["params"].as_str().unwrap_or_default();
                // The real server rejects calls of other tools.
                if parameters["name"] == "vault"
                    && asked["action"].is_string()
                    && let Ok(arguments @ Value::Object(_)) = serde_json::from_str(text)
                {
                    parameters["name"] = asked["action"].clone();
                    parameters["arguments"] = arguments;
                }
                Some(message)
            }
            _ => Some(message),
        }
    }

    /// The answer in place of the real server's answer to a request of this method.
    fn answer(self, method: &str, mut message: Value) -> Value {
        if !message["error"].is_null() {
            return message;
        }
        let text = json!({ "type": "string" });
        match (self, method) {
            (Self::Hidden, "tools/list") => {
                message["result"]["tools"] = json!([{
                    "name": "search_tools",
                    "inputSchema": { "type": "object", "properties": { "query": text } },
                }]);
            }
            (Self::Dispatch, "tools/list") => {
                message["result"]["tools"] = json!([{
                    "name": "vault",
                    "inputSchema": {
                        "type": "object",
                        "properties": { "action": text, "params": text },
                        "required": ["action", "params"],
                    },
                }]);
            }
            (Self::Crowded, "tools/list") => {
                if let Some(tools) = message["result"]["tools"].as_array_mut() {
                    let spare = (1..=CROWD).map(|number| {
                        let schema = json!({ "type": "object" });
                        json!({ "name": format!("spare_{number}"), "inputSchema": schema })
                    });
                    tools.extend(spare);
                }
            }
            // The suite's clients declare no elicitation, so the user never agrees.
            (Self::NeedsConsent, "tools/call") => {
                let text = json!({ "type": "text", "text": "the user did not agree" });
                message["result"] = json!({ "content": [text], "isError": true });
            }
            (Self::Dispatch, "tools/call") if message["result"]["isError"] != true => {
                let result = &mut message["result"];
                let data = result["structuredContent"].take().to_string();
                let text = json!({ "result": data }).to_string();
                result["content"] = json!([{ "type": "text", "text": text }]);
                if let Some(result) = result.as_object_mut() {
                    result.remove("structuredContent");
                }
            }
            _ => {}
        }
        message
    }
}

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let oddity = arguments.next().and_then(|name| Oddity::named(&name));
    let (Some(oddity), Some(program)) = (oddity, arguments.next()) else {
        eprintln!("usage: fake_target ODDITY PROGRAM ARGUMENT...");
        return ExitCode::from(2);
    };
    match oddity {
        Oddity::Slow => thread::sleep(Duration::from_secs(3)),
        Oddity::Garbled | Oddity::GarbledLeak => {
            // If this write fails, the line is missing from the log, where a test looks for it.
            let _ = io::stderr().write_all(b"started \xff\xfe\n");
        }
        Oddity::Banner => println!("vault-mcp 1.0 is ready"),
        Oddity::JsonLogs => println!("{}", log_line("started")),
        _ => {}
    }
    match pass_on(oddity, Command::new(program).args(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn log_line(text: &str) -> Value {
    json!({ "time": "2026-01-01T00:00:00Z", "level": "info", "msg": text })
}

/// A request to the client, which has declared no such capability.
fn question(number: usize) -> Value {
    let schema = json!({ "type": "object", "properties": {} });
    let params = json!({ "message": "Shall I?", "requestedSchema": schema });
    json!({ "jsonrpc": "2.0", "id": format!("ask-{number}"), "method": "elicitation/create", "params": params })
}

fn pass_on(oddity: Oddity, server: &mut Command) -> io::Result<()> {
    let mut server = server
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (Some(mut to_server), Some(from_server)) = (server.stdin.take(), server.stdout.take())
    else {
        return Err(io::Error::other("the server has no standard streams"));
    };
    // The methods of the open requests.
    let open = Arc::new(Mutex::new(HashMap::<String, String>::new()));
    let (answered, answers) = mpsc::channel();
    let asked = Arc::clone(&open);
    let refused = answered.clone();
    thread::spawn(move || {
        for line in BufReader::new(from_server).lines().map_while(Result::ok) {
            let Ok(message) = serde_json::from_str::<Value>(&line) else {
                continue;
            };
            let method = {
                let mut open = asked.lock();
                open.remove(&message["id"].to_string())
            };
            let method = method.unwrap_or_default();
            if method == "tools/call"
                && let Some(time) = oddity.keeps_back()
            {
                let answered = answered.clone();
                thread::spawn(move || {
                    thread::sleep(time);
                    // The receiver may be gone.
                    let _ = answered.send(message);
                });
                continue;
            }
            if answered.send(oddity.answer(&method, message)).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || tell(oddity, &answers));

    let mut calls = 0;
    let (mut room, mut since) = (BURST, Instant::now());
    for line in io::stdin().lock().split(b'\n') {
        let line = line?;
        let message = match serde_json::from_slice::<Value>(&line) {
            // The answer to a question.
            Ok(message) if oddity.asks() && message["method"].is_null() => continue,
            Ok(message) if message.is_object() => message,
            // The real server rejects invalid messages.
            _ => {
                to_server.write_all(&line)?;
                writeln!(to_server)?;
                to_server.flush()?;
                continue;
            }
        };
        if oddity == Oddity::Limited {
            room = (room + since.elapsed().as_secs_f64() * PER_SECOND).min(BURST) - 1.0;
            since = Instant::now();
            if room < 0.0 {
                room += 1.0;
                let error = json!({ "code": -32000, "message": "rate limit exceeded" });
                let refusal = json!({ "jsonrpc": "2.0", "id": message["id"], "error": error });
                // The receiver may be gone.
                let _ = refused.send(refusal);
                continue;
            }
        }
        if let Some(method) = message["method"].as_str() {
            calls += usize::from(method == "tools/call");
            match oddity {
                Oddity::Garbled => eprintln!("{method}"),
                Oddity::GarbledLeak => {
                    eprintln!(
                        "{method} as {}",
                        env::var("VAULT_TOKEN").unwrap_or_default()
                    );
                }
                _ if oddity.asks() && method == "tools/call" => {
                    // The receiver may be gone.
                    let _ = refused.send(question(calls));
                }
                _ => {}
            }
            let mut open = open.lock();
            open.insert(message["id"].to_string(), method.to_owned());
        }
        if let Some(message) = oddity.request(message, calls) {
            writeln!(to_server, "{message}")?;
            to_server.flush()?;
        }
    }
    drop((to_server, refused));
    server.wait().map(drop)
}

/// Prints the answers; out of order, those that are ready within a moment in reverse order.
fn tell(oddity: Oddity, answers: &mpsc::Receiver<Value>) {
    const MOMENT: Duration = Duration::from_millis(20);
    while let Ok(first) = answers.recv() {
        let mut ready = vec![first];
        if oddity == Oddity::OutOfOrder {
            while let Ok(next) = answers.recv_timeout(MOMENT) {
                ready.push(next);
            }
        }
        let mut out = io::stdout().lock();
        for answer in ready.iter().rev() {
            if oddity == Oddity::Rubbish {
                // The reader may be gone; the same below.
                let _ = writeln!(out, "looking it up ...");
            }
            if oddity == Oddity::JsonLogs {
                let _ = writeln!(out, "{}", log_line("answered"));
            }
            let _ = writeln!(out, "{answer}");
        }
        let _ = out.flush();
    }
}
