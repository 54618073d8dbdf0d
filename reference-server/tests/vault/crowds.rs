//! Many concurrent calls.

use std::{collections::BTreeMap, process::Stdio};

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

use crate::{
    client::Client,
    world::{World, app},
};

const CALLS: usize = 200;

pub(crate) async fn many_writers_through_two_servers_lose_nothing(world: &World) {
    world.mount("writers", 2).await;
    let clients = [world.root().await, world.root().await];
    write_in_a_crowd(world, "writers", clients).await;
}

pub(crate) async fn many_writers_that_may_not_read_lose_nothing(world: &World) {
    world.mount("blind-writers", 2).await;
    let grants = [("blind-writers/data/app", "create update patch")];
    let clients = [
        world.client("blind-writers", &grants).await,
        world.client("blind-writers", &grants).await,
    ];
    write_in_a_crowd(world, "blind-writers", clients).await;
}

/// Writes many keys of one new secret through two servers at once. All must be there.
async fn write_in_a_crowd(world: &World, mount: &str, mut clients: [Client; 2]) {
    const WRITERS: usize = 40;
    let writes = clients
        .iter_mut()
        .enumerate()
        .map(|(server, client)| async move {
            for n in 0..WRITERS {
                let write = app(
                    mount,
                    json!({ "key": format!("{server}-{n}"), "value": "v" }),
                );
                client
                    .start(
                        "tools/call",
                        json!({ "name": "write_secret", "arguments": write }),
                    )
                    .await;
            }
            for _ in 0..WRITERS {
                let answer = client.answer().await;
                assert_ne!(answer["result"]["isError"], true, "{answer}");
            }
        });
    join_all(writes).await;
    let stored = world.read(&format!("{mount}/data/app")).await;
    assert_eq!(stored["data"].as_object().unwrap().len(), 2 * WRITERS);
    assert_eq!(stored["metadata"]["version"], 2 * WRITERS);
}

fn server(world: &World, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_vault-mcp-reference"))
        .args(arguments)
        .env_clear()
        .env("VAULT_ADDR", world.address())
        .env("VAULT_TOKEN", world.root_token())
        .env("MCP_RATE_LIMIT_SESSION", "10000:10000")
        .env("MCP_RATE_LIMIT_GLOBAL", "10000:10000")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

fn hello() -> Value {
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "0" },
    });
    json!({ "jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": params })
}

/// Call `n` reads the secret `n`, whose value is `n`.
fn call(mount: &str, n: usize) -> Value {
    let arguments = json!({ "mount": mount, "path": n.to_string() });
    let params = json!({ "name": "read_secret", "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": n, "method": "tools/call", "params": params })
}

async fn secrets(world: &World, mount: &str) {
    world.mount(mount, 2).await;
    for n in 0..CALLS {
        world
            .write(&format!("{mount}/data/{n}"), json!({ "data": { "n": n } }))
            .await;
    }
}

fn expect_each_its_own(answers: &[Value]) {
    let answers: BTreeMap<u64, &Value> = answers
        .iter()
        .map(|answer| {
            (
                answer["id"].as_u64().unwrap(),
                &answer["result"]["structuredContent"]["data"]["n"],
            )
        })
        .collect();
    assert_eq!(answers.len(), CALLS);
    assert!(
        answers.iter().all(|(id, n)| **n == json!(id)),
        "{answers:?}"
    );
}

pub(crate) async fn two_hundred_calls_at_once_are_all_answered_over_stdio(world: &World) {
    secrets(world, "crowd-stdio").await;
    let mut child = server(world, &["--log-level", "error"]);
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let mut messages = format!("{}\n{initialized}\n", hello());
    for n in 0..CALLS {
        messages.push_str(&format!("{}\n", call("crowd-stdio", n)));
    }
    stdin.write_all(messages.as_bytes()).await.unwrap();
    let mut answers = Vec::new();
    while answers.len() <= CALLS {
        let line = lines.next_line().await.unwrap().unwrap();
        answers.push(serde_json::from_str::<Value>(&line).unwrap());
    }
    assert_eq!(answers.remove(0)["id"], "hello");
    expect_each_its_own(&answers);
}

/// A session with a server over HTTP.
struct Http {
    _server: Child,
    client: reqwest::Client,
    url: String,
    session: Option<String>,
}

impl Http {
    async fn start(world: &World) -> Self {
        let mut server = server(world, &["http", "-p", "0"]);
        let mut log = BufReader::new(server.stderr.take().unwrap()).lines();
        let url = loop {
            let line = log.next_line().await.unwrap().unwrap();
            if let Some((_, url)) = line.split_once("serving ") {
                break url.to_owned();
            }
        };
        // The pipe must be read, or the server's writes to its log fail.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        let mut http = Self {
            _server: server,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            url,
            session: None,
        };
        let answer = http.post(&hello()).await;
        let session = answer.headers()["mcp-session-id"].to_str().unwrap();
        http.session = Some(session.to_owned());
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(http.post(&initialized).await.status(), 202);
        http
    }

    async fn post(&self, message: &Value) -> reqwest::Response {
        let mut request = self
            .client
            .post(&self.url)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(message.to_string());
        if let Some(session) = &self.session {
            request = request
                .header("mcp-session-id", session)
                .header("mcp-protocol-version", "2025-11-25");
        }
        request.send().await.unwrap()
    }

    /// All messages in the answer to a request.
    async fn messages(&self, request: &Value) -> Vec<Value> {
        let text = self.post(request).await.text().await.unwrap();
        text.lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .filter_map(|data| serde_json::from_str(data).ok())
            .collect()
    }
}

pub(crate) async fn two_hundred_calls_at_once_are_all_answered_over_http(world: &World) {
    secrets(world, "crowd-http").await;
    let http = Http::start(world).await;
    let calls: Vec<Value> = (0..CALLS).map(|n| call("crowd-http", n)).collect();
    let answers = join_all(calls.iter().map(|call| http.messages(call))).await;
    expect_each_its_own(&answers.concat());
}

pub(crate) async fn progress_is_told_over_http(world: &World) {
    world.mount("progress-http", 2).await;
    for n in 0..20 {
        let path = format!("progress-http/data/{n}/s");
        world.write(&path, json!({ "data": { "k": "v" } })).await;
    }
    let params = json!({
        "name": "list_secrets",
        "arguments": { "mount": "progress-http", "recursive": true },
        "_meta": { "progressToken": 7 },
    });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let messages = Http::start(world).await.messages(&call).await;
    let told: Vec<_> = messages
        .iter()
        .filter(|message| message["method"] == "notifications/progress")
        .map(|message| {
            (
                &message["params"]["progressToken"],
                message["params"]["progress"].as_f64(),
            )
        })
        .collect();
    assert_eq!(told, [(&json!(7), Some(1.0)), (&json!(7), Some(17.0))]);
    assert_eq!(messages.last().unwrap()["id"], 1);
}
