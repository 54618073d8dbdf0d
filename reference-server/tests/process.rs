//! The binary as it is started: exit codes, what goes to which stream, the HTTP transport.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

fn server(arguments: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vault-mcp-reference"));
    command
        .args(arguments)
        .env_clear()
        .env("VAULT_TOKEN", "hvs.canary")
        .envs(env.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn outcome(arguments: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = server(arguments, env);
    command.stdin(Stdio::null()).output().await.unwrap()
}

fn hello() -> String {
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "0" },
    });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params }).to_string()
}

#[tokio::test]
async fn a_bad_configuration_is_refused_with_exit_code_2_and_nothing_secret() {
    for (arguments, env, expected) in [
        (&["--no-such-flag"][..], ("A", "b"), "--no-such-flag"),
        (&[], ("VAULT_TOKEN", ""), "VAULT_TOKEN"),
        (&[], ("VAULT_TOKEN", "hvs.canary\nline"), "VAULT_TOKEN"),
        (
            &[],
            ("VAULT_ADDR", "http://user:hvs.canary@vault:99999"),
            "VAULT_ADDR",
        ),
        (
            &["http", "--transport-host", "0.0.0.0"],
            ("A", "b"),
            "loopback",
        ),
        (
            &["http", "--transport-port", "x"],
            ("A", "b"),
            "--transport-port",
        ),
        (
            &[],
            ("ENABLE_VAULT_OPERATIONS", "no"),
            "ENABLE_VAULT_OPERATIONS",
        ),
        (
            &[],
            ("MCP_RATE_LIMIT_SESSION", "five"),
            "MCP_RATE_LIMIT_SESSION",
        ),
        (
            &["http"],
            ("MCP_RATE_LIMIT_GLOBAL", "5:0"),
            "MCP_RATE_LIMIT_GLOBAL",
        ),
        (&[], ("VAULT_NAMESPACE", "a b"), "VAULT_NAMESPACE"),
    ] {
        let output = outcome(arguments, &[env]).await;
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
        assert!(!stderr.contains("hvs.canary"), "{stderr}");
        assert!(output.stdout.is_empty());
    }
}

#[tokio::test]
async fn help_teaches_the_environment_and_the_policy() {
    let help = String::from_utf8(outcome(&["--help"], &[]).await.stdout).unwrap();
    for expected in [
        "VAULT_ADDR",
        "VAULT_TOKEN",
        "TRANSPORT_PORT",
        "ENABLE_VAULT_OPERATIONS",
        "MCP_RATE_LIMIT_SESSION",
        "X-Vault-Token",
        "streamable-http",
        "secret/data/*",
    ] {
        assert!(help.contains(expected), "{expected}");
    }
    assert!(!help.contains("hvs.canary"));
}

#[tokio::test]
async fn stdout_carries_messages_alone_and_the_end_of_stdin_ends_the_server() {
    let mut child = server(&[], &[]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(format!("{}\n", hello()).as_bytes())
        .await
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let answer: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    assert_eq!(
        answer["result"]["serverInfo"]["name"],
        "vault-mcp-reference"
    );
    drop(stdin);
    assert_eq!(lines.next_line().await.unwrap(), None);
    assert!(child.wait().await.unwrap().success());
}

#[cfg(unix)]
#[tokio::test]
async fn sigterm_ends_the_server_in_both_transports() {
    for arguments in [&["stdio"][..], &["http", "-p", "0"]] {
        let mut child = server(arguments, &[]).spawn().unwrap();
        // Both transports write to the log once signals are handled.
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        log.next_line().await.unwrap().unwrap();
        let id = child.id().unwrap().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .await
                .unwrap()
                .success()
        );
        assert!(child.wait().await.unwrap().success());
    }
}

/// Starts the HTTP transport on a free port; returns its address as it logs it.
async fn http_server() -> (Child, String) {
    let mut child = server(&["streamable-http", "--transport-port", "0"], &[])
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    while let Some(line) = log.next_line().await.unwrap() {
        if let Some((_, url)) = line.split_once("serving ") {
            let base = url.strip_suffix("/mcp").unwrap().to_owned();
            // The pipe has to be read on, or the server gets an error on its log.
            tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
            return (child, base);
        }
    }
    panic!("the server did not say where it listens");
}

fn post(base: &str, body: String) -> reqwest::RequestBuilder {
    vault_mcp_reference::vault::client::install_crypto_provider();
    reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(format!("{base}/mcp"))
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(body)
}

#[tokio::test]
async fn http_serves_health_and_the_endpoint_and_refuses_foreign_pages() {
    let (_server, base) = http_server().await;
    let health = post(&base, String::new()).build().unwrap();
    let health = reqwest::Client::new()
        .get(health.url().join("/health").unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(health.status(), 200);
    assert!(health.text().await.unwrap().contains(r#""status":"ok""#));

    let answer = post(&base, hello()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("mcp-session-id"));

    for (header, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("host", "evil.example"),
    ] {
        let answer = post(&base, hello())
            .header(header, value)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 403, "{header}: {value}");
        assert!(!answer.headers().contains_key("mcp-session-id"));
    }
}

#[tokio::test]
async fn http_answers_what_is_malformed_in_json_rpc_and_bounds_the_body() {
    let (_server, base) = http_server().await;
    for (body, code) in [
        ("{bad", -32700),
        ("[]", -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
    ] {
        let answer = post(&base, body.to_owned()).send().await.unwrap();
        assert_eq!(answer.status(), 400);
        let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(answer["error"]["code"], code);
    }
    let answer = post(&base, "x".repeat(5 << 20)).send().await.unwrap();
    assert_eq!(answer.status(), 413);
}
