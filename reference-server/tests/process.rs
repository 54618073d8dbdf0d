//! The program as users start it: exit codes, output streams, the HTTP transport.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "shared/program.rs"]
mod program;

use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

use crate::program::program;

fn server(arguments: &[&str], env: &[(&str, &str)]) -> Command {
    program(arguments, &[&[("VAULT_TOKEN", "hvs.canary")], env].concat())
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
            ("VAULT_TOKEN_FILE", "/nowhere"),
            "both VAULT_TOKEN and",
        ),
        (&[], ("VAULT_TOKEN_RENEW", "perhaps"), "VAULT_TOKEN_RENEW"),
        (&[], ("VAULT_CACERT", "/nowhere/ca.pem"), "/nowhere/ca.pem"),
        (&[], ("VAULT_CACERT", "/dev/null"), "VAULT_CACERT"),
        (&[], ("MCP_LOG_FORMAT", "xml"), "MCP_LOG_FORMAT"),
        (&[], ("MCP_LOG_FILE", "/nowhere/log"), "/nowhere/log"),
        (&["--log-file", "/"], ("A", "b"), "--log-file"),
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
async fn a_token_file_without_a_token_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "\n").unwrap();
    let empty = empty.to_str().unwrap();
    for (arguments, file) in [
        (&["http", "--vault-token-file", empty][..], ""),
        (&[], empty),
        (&[], "/nowhere/token"),
    ] {
        let env = [("VAULT_TOKEN", ""), ("VAULT_TOKEN_FILE", file)];
        let output = outcome(arguments, &env).await;
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("VAULT_TOKEN_FILE: /"), "{stderr}");
    }
}

#[tokio::test]
async fn a_machine_that_trusts_nobody_is_enough_for_a_vault_without_tls() {
    for (vault, expected) in [
        ("http://vault.test:8200", 0),
        ("https://vault.test:8200", 2),
    ] {
        let env = [
            ("VAULT_ADDR", vault),
            ("SSL_CERT_FILE", "/nowhere"),
            ("SSL_CERT_DIR", "/nowhere"),
        ];
        let output = outcome(&["stdio"], &env).await;
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(expected), "{vault}: {stderr}");
    }
}

#[tokio::test]
async fn a_certificate_cannot_go_unverified() {
    let env = [
        ("VAULT_ADDR", "https://vault.test:8200"),
        ("VAULT_SKIP_VERIFY", "true"),
    ];
    let output = outcome(&[], &env).await;
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("VAULT_CACERT"), "{stderr}");
}

#[tokio::test]
async fn a_log_file_takes_the_place_of_stderr_and_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.log");
    let env = [
        ("MCP_LOG_FILE", file.to_str().unwrap()),
        ("MCP_LOG_FORMAT", "json"),
    ];
    for runs in 1..=2 {
        let output = outcome(&["stdio"], &env).await;
        assert!(output.status.success());
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        let log = std::fs::read_to_string(&file).unwrap();
        assert_eq!(log.matches("vault is http://127.0.0.1:8200").count(), runs);
        for line in log.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert!(line["timestamp"].is_string(), "{line}");
            assert_eq!(line["level"], "INFO");
        }
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;

        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let text = outcome(&["stdio", "--log-format", "text"], &env[..1]).await;
    assert!(text.status.success());
    let log = std::fs::read_to_string(&file).unwrap();
    assert!(!log.lines().last().unwrap().starts_with('{'), "{log}");
}

#[tokio::test]
async fn help_teaches_the_environment_and_the_policy() {
    let help = String::from_utf8(outcome(&["--help"], &[]).await.stdout).unwrap();
    for expected in [
        "VAULT_ADDR",
        "VAULT_TOKEN",
        "VAULT_TOKEN_FILE",
        "VAULT_CACERT",
        "session",
        "TRANSPORT_PORT",
        "MCP_ALLOWED_ORIGINS",
        "MCP_CORS_MODE",
        "MCP_ALLOWED_HOSTS",
        "MCP_TLS_CERT_FILE",
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

#[tokio::test]
async fn a_call_that_is_cancelled_is_logged_too() {
    let vault = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", vault.local_addr().unwrap());
    let mut child = server(&["--log-format", "json"], &[("VAULT_ADDR", &address)])
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let call = json!({
        "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "list_mounts" },
    });
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    stdin
        .write_all(format!("{}\n{ready}\n{call}\n", hello()).as_bytes())
        .await
        .unwrap();
    // Vault has received the request, and never answers.
    let _connection = vault.accept().await.unwrap();
    let cancelled = json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 2 },
    });
    stdin
        .write_all(format!("{cancelled}\n").as_bytes())
        .await
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = loop {
        let line = log.next_line().await.unwrap().unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["message"] == "call" {
            break line;
        }
    };
    assert_eq!(line["outcome"], "cancelled");
    assert_eq!(line["vault_requests"], 1);
}

/// A session whose Vault answers the revocation this many times with 503.
#[cfg(unix)]
async fn session(refusals: u64) -> Output {
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

    let vault = MockServer::start().await;
    let facts = json!({
        "accessor": "acc-4711", "display_name": "agent", "policies": ["default"], "ttl": 60,
        "expire_time": "2026-01-01T00:00:00Z",
    });
    let facts = ResponseTemplate::new(200).set_body_json(json!({ "data": facts }));
    let revoke = || Mock::given(path("/v1/auth/token/revoke-self"));
    Mock::given(path("/v1/auth/token/lookup-self"))
        .respond_with(facts)
        .mount(&vault)
        .await;
    if refusals > 0 {
        revoke()
            .respond_with(ResponseTemplate::new(503))
            .up_to_n_times(refusals)
            .mount(&vault)
            .await;
    }
    revoke()
        .respond_with(ResponseTemplate::new(204))
        .mount(&vault)
        .await;
    let address = vault.uri();
    let env = [
        ("VAULT_ADDR", address.as_str()),
        ("VAULT_MCP_TOKEN", "hvs.canary"),
        ("PATH", "/usr/bin:/bin"),
    ];
    outcome(&["session", "--", "sh", "-c", "exit 3"], &env).await
}

#[cfg(unix)]
#[tokio::test]
async fn a_token_is_revoked_again_and_again_while_vault_does_not_answer() {
    for (refusals, code, told) in [
        (2, 3, "the token is revoked"),
        (100, 125, "THE TOKEN IS STILL VALID"),
    ] {
        let output = session(refusals).await;
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(told), "{stderr}");
        assert_eq!(stderr.contains("acc-4711"), code == 125, "{stderr}");
        assert!(!stderr.contains("canary"), "{stderr}");
    }
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

/// Starts the HTTP transport on a free port; returns the address from its log.
async fn http_server() -> (Child, String) {
    let mut child = server(&["streamable-http", "--transport-port", "0"], &[])
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    while let Some(line) = log.next_line().await.unwrap() {
        if let Some((_, url)) = line.split_once("serving ") {
            let base = url.strip_suffix("/mcp").unwrap().to_owned();
            // The pipe must be read, or the server's writes to its log fail.
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
async fn a_call_over_http_is_logged_with_the_beginning_of_its_session() {
    let mut child = server(&["http", "-p", "0", "--log-format", "json"], &[])
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut logged = async |wanted: &str| loop {
        let line = log.next_line().await.unwrap().unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["message"].as_str().unwrap().starts_with(wanted) {
            return line;
        }
    };
    let serving = logged("serving ").await["message"]
        .as_str()
        .unwrap()
        .to_owned();
    let base = serving.strip_prefix("serving ").unwrap();
    let base = base.strip_suffix("/mcp").unwrap();
    let opened = post(base, hello()).send().await.unwrap();
    let id = opened.headers()["mcp-session-id"]
        .to_str()
        .unwrap()
        .to_owned();
    for message in [
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({
            "jsonrpc": "2.0", "id": 2, "method": "tools/call",
            "params": { "name": "list_mounts", "arguments": { "no": "such argument" } },
        }),
    ] {
        let request = post(base, message.to_string()).header("mcp-session-id", &id);
        assert!(request.send().await.unwrap().status().is_success());
    }
    let call = logged("call").await;
    assert_eq!(call["session"], id[..8]);
    assert_eq!(call["outcome"], "invalid_argument");
    assert!(!call.to_string().contains(&id));
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
