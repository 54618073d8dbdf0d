//! The program as users start it, and a client on its standard streams.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
};

use crate::{program, world::World};

/// A timeout far longer than any step here.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program with only these variables in its environment.
pub(crate) fn program(world: &World, arguments: &[&str], env: &[(&str, &str)]) -> Command {
    let env = [&[("VAULT_ADDR", world.address())], env].concat();
    let mut command = program::program(arguments, &env);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

pub(crate) struct Server {
    child: Child,
    stdin: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    log: Lines<BufReader<ChildStderr>>,
}

impl Server {
    /// A server over stdio whose log is JSON.
    pub(crate) async fn start(world: &World, env: &[(&str, &str)]) -> Self {
        let mut child = program(world, &["--log-format", "json"], env)
            .spawn()
            .unwrap();
        let mut server = Self {
            stdin: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()).lines(),
            log: BufReader::new(child.stderr.take().unwrap()).lines(),
            child,
        };
        let hello = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "test", "version": "0" },
        });
        server.request("initialize", hello).await;
        server
            .send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
            .await;
        server
    }

    async fn send(&mut self, message: Value) {
        let line = format!("{message}\n");
        self.stdin.write_all(line.as_bytes()).await.unwrap();
    }

    async fn request(&mut self, method: &str, params: Value) -> Value {
        self.send(json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }))
            .await;
        let line = tokio::time::timeout(PATIENCE, self.answers.next_line()).await;
        serde_json::from_str(&line.unwrap().unwrap().unwrap()).unwrap()
    }

    /// Calls a tool: its result, or the JSON object of its error.
    pub(crate) async fn call(&mut self, tool: &str, arguments: Value) -> Result<Value, Value> {
        let params = json!({ "name": tool, "arguments": arguments });
        let answer = self.request("tools/call", params).await;
        let result = &answer["result"];
        match result["isError"] == true {
            true => {
                Err(serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap())
            }
            false => Ok(result["structuredContent"].clone()),
        }
    }

    /// The next matching line of the log; the test fails without one.
    pub(crate) async fn logged(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        let search = async {
            loop {
                let line = self.log.next_line().await.unwrap();
                let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
                if fits(&line) {
                    return line;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.unwrap()
    }

    /// The next line of the log whose message contains this text.
    pub(crate) async fn says(&mut self, words: &str) -> Value {
        self.logged(|line| {
            line["message"]
                .as_str()
                .is_some_and(|it| it.contains(words))
        })
        .await
    }

    /// Stops the server; returns the rest of its log.
    pub(crate) async fn end(mut self) -> Vec<String> {
        drop(self.stdin);
        let mut rest = Vec::new();
        while let Some(line) = self.log.next_line().await.unwrap() {
            rest.push(line);
        }
        assert!(self.child.wait().await.unwrap().success());
        rest
    }
}
