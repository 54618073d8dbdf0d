//! The two eras of the protocol, over HTTP and over stdio: sessions that `initialize` opens, and requests that stand
//! alone.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    TOKEN,
    client::Client,
    connect,
    harness::FakeVault,
    http::{Answer, HttpServer, Post, alone, hello, in_session, meta},
};

const SESSION_REVISIONS: [&str; 2] = ["2025-06-18", "2025-11-25"];
const VERSION: &str = "/params/_meta/io.modelcontextprotocol~1protocolVersion";
const CAPABILITIES: &str = "/params/_meta/io.modelcontextprotocol~1clientCapabilities";
/// Ends a test that hangs. The server's timeout for requests to Vault is longer.
const PATIENCE: Duration = Duration::from_secs(5);

fn read_secret() -> Value {
    json!({ "name": "read_secret", "arguments": { "mount": "secret", "path": "app" } })
}

/// Whether a result has the form of 2026-07-28 and not that of a session.
fn is_stateless(result: &Value) -> bool {
    let name = &result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"];
    result["resultType"] == "complete" && name == "vault-mcp-reference"
}

#[tokio::test]
async fn a_session_is_answered_in_the_revision_that_it_asked_for() {
    let (vault, state) = FakeVault::start(2).await;
    state.store("app", 1, json!({ "key": "value" }));
    let server = HttpServer::start(&vault.uri()).await;
    for revision in SESSION_REVISIONS {
        let (id, answer) = server.initialize(revision).await;
        let result = answer.result();
        assert_eq!(result["protocolVersion"], revision);
        assert_eq!(result["capabilities"], json!({ "tools": {} }));
        assert!(id.bytes().all(|byte| byte.is_ascii_graphic()));

        let mut initialized = in_session(&id, revision, "notifications/initialized", json!({}));
        initialized.body.as_object_mut().unwrap().remove("id");
        let answer = server.post(&initialized).await;
        assert_eq!((answer.status, answer.body.as_str()), (202, ""));

        for (method, params) in [("tools/list", json!({})), ("tools/call", read_secret())] {
            let answer = server
                .post(&in_session(&id, revision, method, params))
                .await;
            assert_eq!((answer.status, &answer.message()["id"]), (200, &json!("a")));
            for only_later in ["resultType", "ttlMs", "cacheScope", "_meta"] {
                assert_eq!(answer.result().get(only_later), None, "{}", answer.shown());
            }
        }
        let ping = in_session(&id, revision, "ping", json!({}));
        assert_eq!(server.post(&ping).await.result(), &json!({}));
        // Without a revision header the session's own revision applies.
        let answer = server
            .post(&ping.header("mcp-protocol-version", None))
            .await;
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn another_revision_is_offered_where_the_one_asked_for_is_not_spoken() {
    let (vault, _state) = FakeVault::start(2).await;
    let server = HttpServer::start(&vault.uri()).await;
    for asked in ["2024-11-05", "2025-03-26", "2026-07-28", "1.0.0", ""] {
        let (_, answer) = server.initialize(asked).await;
        assert_eq!(answer.result()["protocolVersion"], "2025-11-25", "{asked}");
        let mut client = Client::open(&vault.uri(), TOKEN);
        let params = hello(asked).body["params"].clone();
        let answer = client.request("initialize", params).await;
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "{asked}");
    }
}

#[tokio::test]
async fn an_ended_session_is_not_found_and_an_invented_one_never_was() {
    let (vault, _state) = FakeVault::start(2).await;
    let server = HttpServer::start(&vault.uri()).await;
    let (id, _) = server.initialize("2025-11-25").await;
    let list = in_session(&id, "2025-11-25", "tools/list", json!({}));
    assert_eq!(server.post(&list).await.status, 200);
    assert!(
        server
            .send(Method::DELETE, &list)
            .await
            .status()
            .is_success()
    );
    assert_eq!(server.post(&list).await.status, 404);
    let invented = list.header("mcp-session-id", Some("1"));
    assert_eq!(server.post(&invented).await.status, 404);
}

#[tokio::test]
async fn what_belongs_to_no_session_is_told_how_to_begin() {
    let (vault, _state) = FakeVault::start(2).await;
    let server = HttpServer::start(&vault.uri()).await;
    let list =
        in_session("none", "2025-11-25", "tools/list", json!({})).header("mcp-session-id", None);
    for (request, code) in [
        (list.clone(), -32600),
        (list.clone().header("mcp-protocol-version", None), -32020),
        (list.clone().body("/id", None), -32600),
        (hello("2025-11-25").body("/params", None), -32602),
        (
            hello("2025-11-25").body("/params/protocolVersion", None),
            -32602,
        ),
    ] {
        let answer = server.post(&request).await;
        assert_eq!(answer.refusal(), (400, code), "{}", request.body);
        let message = &answer.message()["error"]["message"];
        assert!(
            message.as_str().unwrap().contains("initialize"),
            "{message}"
        );
        assert_eq!(answer.message().get("id"), request.body.get("id"));
    }
}

#[tokio::test]
async fn a_revision_that_is_not_spoken_is_refused_whatever_asks_for_it() {
    let (vault, _state) = FakeVault::start(2).await;
    let server = HttpServer::start(&vault.uri()).await;
    let (id, _) = server.initialize("2025-11-25").await;
    for version in ["1999-01-01", "2024-11-05", "2025-03-26", "2027-01-01", "v9"] {
        let list = in_session(&id, version, "tools/list", json!({}));
        let mut requests = vec![
            list.clone(),
            list.clone().body("/id", None),
            list.clone().header("mcp-session-id", None),
            hello("2025-11-25").header("mcp-protocol-version", Some(version)),
            alone("server/discover", json!({}))
                .header("mcp-protocol-version", Some(version))
                .body(VERSION, Some(json!(version))),
        ];
        let call = alone("tools/call", read_secret());
        let call = call.header("mcp-protocol-version", Some(version));
        let call = call.body(VERSION, Some(json!(version)));
        requests.push(call.clone());
        // This error takes precedence over all others.
        requests.push(call.body(CAPABILITIES, None).header("mcp-method", None));
        for request in requests {
            let answer = server.post(&request).await;
            assert_eq!(answer.refusal(), (400, -32022), "{}", request.body);
            let data = &answer.message()["error"]["data"];
            assert_eq!(data["requested"], version);
            let spoken = json!(["2025-06-18", "2025-11-25", "2026-07-28"]);
            assert_eq!(data["supported"], spoken);
        }
        let answer = Answer::read(server.send(Method::DELETE, &list).await).await;
        assert_eq!(answer.refusal(), (400, -32022), "{version}");
    }
}

#[tokio::test]
async fn a_request_of_2026_stands_for_itself() {
    let (vault, state) = FakeVault::start(2).await;
    state.store("app", 1, json!({ "key": "value" }));
    // Each request goes to another server, as behind a load balancer.
    let servers = [
        HttpServer::start(&vault.uri()).await,
        HttpServer::start(&vault.uri()).await,
    ];
    let mut answers = Vec::new();
    for (number, server) in servers.iter().cycle().take(6).enumerate() {
        let (method, params) = [
            ("server/discover", json!({})),
            ("tools/list", json!({})),
            ("tools/call", read_secret()),
        ][number / 2]
            .clone();
        // Headers that an older client would send change nothing.
        let request = alone(method, params)
            .header("mcp-session-id", Some("left-over"))
            .header("last-event-id", Some("0/0"));
        let answer = server.post(&request).await;
        assert_eq!((answer.status, &answer.message()["id"]), (200, &json!(7)));
        assert!(is_stateless(answer.result()), "{}", answer.shown());
        assert!(!answer.headers.contains_key("mcp-session-id"));
        if method != "tools/call" {
            assert!(answer.result()["ttlMs"].is_u64());
            assert_eq!(answer.result()["cacheScope"], "private");
        }
        answers.push(answer.result().clone());
    }
    for same in answers.chunks(2) {
        assert_eq!(same[0], same[1]);
    }
    assert_eq!(
        answers[0]["supportedVersions"],
        json!(["2025-06-18", "2025-11-25", "2026-07-28"])
    );
    assert_eq!(answers[0]["capabilities"], json!({ "tools": {} }));
    assert_eq!(answers[4]["structuredContent"]["data"]["key"], "value");
}

#[tokio::test]
async fn a_request_of_2026_is_refused_for_its_headers_and_its_metadata() {
    let (vault, state) = FakeVault::start(2).await;
    let server = HttpServer::start(&vault.uri()).await;
    let call = || alone("tools/call", read_secret());
    let list = || alone("tools/list", json!({}));
    let refused: Vec<(&str, Post, i64)> = vec![
        (
            "no revision in the header",
            call().header("mcp-protocol-version", None),
            -32020,
        ),
        (
            "another in the header than in the body",
            call().header("mcp-protocol-version", Some("2025-11-25")),
            -32020,
        ),
        (
            "another in the body than in the header",
            call().body(VERSION, Some(json!("2025-11-25"))),
            -32020,
        ),
        (
            "an unknown one in the body",
            call().body(VERSION, Some(json!("1900-01-01"))),
            -32020,
        ),
        (
            "two revisions in the headers",
            call().header("mcp-protocol-version", Some("2026-07-28, 2026-07-28")),
            -32020,
        ),
        ("no method", call().header("mcp-method", None), -32020),
        (
            "another method",
            call().header("mcp-method", Some("tools/list")),
            -32020,
        ),
        (
            "the method in another case",
            call().header("mcp-method", Some("Tools/Call")),
            -32020,
        ),
        ("no name", call().header("mcp-name", None), -32020),
        (
            "another name",
            call().header("mcp-name", Some("write_secret")),
            -32020,
        ),
        (
            "a name that is no base64",
            call().header("mcp-name", Some("=?base64?cmVh!?=")),
            -32020,
        ),
        ("no metadata", call().body("/params/_meta", None), -32602),
        (
            "no metadata in a list",
            list().body("/params", None),
            -32602,
        ),
        (
            "no revision in the metadata",
            call().body(VERSION, None),
            -32602,
        ),
        (
            "a revision that is no text",
            call().body(VERSION, Some(json!(20260728))),
            -32602,
        ),
        (
            "no capabilities in the metadata",
            call().body(CAPABILITIES, None),
            -32602,
        ),
        (
            "capabilities that are no object",
            call().body(CAPABILITIES, Some(json!([]))),
            -32602,
        ),
    ];
    for (why, request, code) in refused {
        let answer = server.post(&request).await;
        assert_eq!(answer.refusal(), (400, code), "{why}: {}", answer.shown());
        assert_eq!(answer.message()["id"], 7, "{why}");
    }
    assert_eq!(state.take_requests(), Vec::<String>::new());

    let accepted = [
        call().header("mcp-name", Some("=?base64?cmVhZF9zZWNyZXQ=?=")),
        call().body("/params/_meta/io.modelcontextprotocol~1clientInfo", None),
    ];
    for request in accepted {
        assert_eq!(server.post(&request).await.status, 200, "{}", request.body);
    }
}

#[tokio::test]
async fn what_an_era_does_not_have_is_not_found_in_it() {
    let (vault, _state) = FakeVault::start(2).await;
    let server = HttpServer::start(&vault.uri()).await;
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/list",
        "resources/subscribe",
        "resources/templates/list",
        "prompts/list",
        "completion/complete",
        "tasks/list",
        "no/such",
    ] {
        let answer = server.post(&alone(method, json!({}))).await;
        assert_eq!(answer.refusal(), (404, -32601), "{method}");
    }
    for revision in SESSION_REVISIONS {
        let (id, _) = server.initialize(revision).await;
        for (method, params) in [
            ("logging/setLevel", json!({ "level": "info" })),
            ("prompts/list", json!({})),
            (
                "subscriptions/listen",
                json!({ "notifications": { "toolsListChanged": true } }),
            ),
            ("no/such", json!({})),
        ] {
            let answer = server
                .post(&in_session(&id, revision, method, params))
                .await;
            assert_eq!(answer.refusal(), (200, -32601), "{method}");
        }
    }
}

#[tokio::test]
async fn wrong_parameters_of_a_method_are_told_from_an_unknown_method() {
    let (vault, state) = FakeVault::start(2).await;
    let server = HttpServer::start(&vault.uri()).await;
    let (id, _) = server.initialize("2025-11-25").await;
    let mut client = connect(&vault.uri()).await;
    for (method, params) in [
        ("tools/call", json!({})),
        ("tools/call", json!({ "name": 5 })),
        ("tools/call", json!({ "name": "no_such_tool" })),
        (
            "tools/call",
            json!({ "name": "list_mounts", "arguments": [] }),
        ),
        ("tools/list", json!({ "cursor": 5 })),
        ("tools/list", json!({ "cursor": "" })),
        ("tools/list", json!({ "cursor": "bogus" })),
    ] {
        let session = in_session(&id, "2025-11-25", method, params.clone());
        assert_eq!(server.post(&session).await.refusal().1, -32602, "{params}");
        let request = alone(method, params.clone());
        assert_eq!(server.post(&request).await.refusal().1, -32602, "{params}");
        let answer = client.request(method, params.clone()).await;
        assert_eq!(answer["error"]["code"], -32602, "{params}");
    }
    let list = alone("tools/list", json!({})).body("/params", Some(json!([])));
    assert_eq!(server.post(&list).await.refusal(), (400, -32602));
    assert_eq!(state.take_requests(), Vec::<String>::new());
}

#[tokio::test]
async fn there_is_nothing_to_get() {
    let (vault, _state) = FakeVault::start(2).await;
    let server = HttpServer::start(&vault.uri()).await;
    let (id, _) = server.initialize("2025-11-25").await;
    let list = alone("tools/list", json!({}));
    for request in [in_session(&id, "2025-11-25", "x", json!({})), list.clone()] {
        for method in [Method::GET, Method::PUT] {
            let answer = server.send(method, &request).await;
            assert_eq!(answer.status(), 405);
            let allowed = answer.headers()["allow"].to_str().unwrap();
            assert_eq!(allowed.replace(' ', ""), "POST,DELETE");
        }
    }
    // In the newer era there is nothing to delete, either.
    assert_eq!(server.send(Method::DELETE, &list).await.status(), 405);
}

#[tokio::test]
async fn no_event_id_comes_twice_in_a_session() {
    let (vault, _state) = FakeVault::start(2).await;
    let server = HttpServer::start(&vault.uri()).await;
    let (id, answer) = server.initialize("2025-11-25").await;
    let mut events = answer.body;
    for _ in 0..3 {
        let list = in_session(&id, "2025-11-25", "tools/list", json!({}));
        events += &server.post(&list).await.body;
    }
    let mut ids: Vec<&str> = events
        .lines()
        .filter_map(|line| line.strip_prefix("id:"))
        .collect();
    let all = ids.len();
    assert!(all > 3);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "{ids:?}");
}

#[tokio::test]
async fn a_second_initialize_changes_nothing() {
    let (vault, _state) = FakeVault::start(2).await;
    let server = HttpServer::start(&vault.uri()).await;
    let (id, _) = server.initialize("2025-06-18").await;
    let again = |revision| hello(revision).header("mcp-session-id", Some(&id));
    let same = server.post(&again("2025-06-18")).await;
    assert_eq!(same.result()["protocolVersion"], "2025-06-18");
    let other = server.post(&again("2026-07-28")).await;
    assert_eq!(other.message()["error"]["code"], -32600);
    let list = in_session(&id, "2025-06-18", "tools/list", json!({}));
    assert_eq!(server.post(&list).await.result().get("resultType"), None);

    let mut client = connect(&vault.uri()).await;
    let other = hello("2026-07-28").body["params"].clone();
    let answer = client.request("initialize", other).await;
    assert_eq!(answer["error"]["code"], -32600);
    let tools = client.request("tools/list", json!({})).await;
    assert_eq!(tools["result"].get("resultType"), None);
}

/// Closes the client's side; returns what the server sends until it closes its own.
async fn close(mut client: Client) -> Vec<Value> {
    client.writer.shutdown().await.unwrap();
    let mut messages = Vec::new();
    while let Some(line) = client.lines.next_line().await.unwrap() {
        messages.push(serde_json::from_str(&line).unwrap());
    }
    messages
}

#[tokio::test]
async fn a_listener_is_told_so_first_and_of_the_end_last() {
    let (vault, _state) = FakeVault::start(2).await;
    let server = HttpServer::start(&vault.uri()).await;
    let wanted = json!({ "notifications": { "toolsListChanged": true } });
    let mut answer = server
        .send(Method::POST, &alone("subscriptions/listen", wanted.clone()))
        .await;
    assert_eq!(answer.headers()["x-accel-buffering"], "no");
    let first = timeout(PATIENCE, answer.chunk()).await.unwrap().unwrap();
    let first = String::from_utf8(first.unwrap().to_vec()).unwrap();
    assert!(
        first.contains(r#""method":"notifications/subscriptions/acknowledged""#),
        "{first}"
    );
    assert!(
        first.contains(r#""io.modelcontextprotocol/subscriptionId":7"#),
        "{first}"
    );

    let mut client = Client::open(&vault.uri(), TOKEN);
    let mut params = wanted;
    params["_meta"] = meta();
    let id = client.start("subscriptions/listen", params).await;
    let acknowledged = client.answer().await;
    assert_eq!(
        acknowledged["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"],
        id
    );
    assert_eq!(acknowledged["params"]["notifications"], json!({}));
    let rest = timeout(PATIENCE, close(client)).await.unwrap();
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!(rest[0]["id"], id);
    assert_eq!(rest[0]["result"]["resultType"], "complete");
}

#[cfg(unix)]
#[tokio::test]
async fn a_server_that_is_told_to_stop_ends_listeners_with_a_result_and_answers_calls_in_hand() {
    let (vault, address) = SlowVault::start().await;
    let server = HttpServer::start(&address).await;
    let wanted = json!({ "notifications": {} });
    let listen = alone("subscriptions/listen", wanted);
    let listener = server.send(Method::POST, &listen).await;
    let (id, _) = server.initialize("2025-11-25").await;
    let call = in_session(&id, "2025-11-25", "tools/call", read_secret());
    let call = server.send(Method::POST, &call).await;
    let (_, mut stream) = vault.request().await;
    server.terminate().await;
    let ended = timeout(PATIENCE, Answer::read(listener)).await.unwrap();
    assert!(is_stateless(ended.result()), "{}", ended.shown());
    refuse(&mut stream).await;
    let answered = timeout(PATIENCE, Answer::read(call)).await.unwrap();
    assert_eq!(answered.result()["isError"], true, "{}", answered.shown());
}

#[tokio::test]
async fn what_2026_does_not_have_is_refused_or_ignored() {
    let (vault, state) = FakeVault::start(2).await;
    let server = HttpServer::start(&vault.uri()).await;
    let call = alone("tools/call", read_secret());
    let notification = call.clone().body("/id", None);
    let response = json!({ "jsonrpc": "2.0", "id": 1, "result": {} });
    for (message, statuses) in [
        (notification.body, [202, 400]),
        (response, [400, 400]),
        (json!([call.body.clone()]), [400, 400]),
    ] {
        let request = Post {
            body: message,
            ..call.clone()
        };
        let answer = server.post(&request).await;
        assert!(statuses.contains(&answer.status), "{}", answer.shown());
        assert_eq!(answer.status == 202, answer.body.is_empty());
    }
    assert_eq!(state.take_requests(), Vec::<String>::new());
}

/// A Vault whose answers the test determines.
struct SlowVault {
    listener: TcpListener,
}

impl SlowVault {
    async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        (Self { listener }, address)
    }

    /// Waits for a request; returns its first line and its connection.
    async fn request(&self) -> (String, TcpStream) {
        let (mut stream, _) = timeout(PATIENCE, self.listener.accept())
            .await
            .unwrap()
            .unwrap();
        (head(&mut stream).await.unwrap(), stream)
    }
}

/// The first line of the next request, if there is another.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = timeout(PATIENCE, stream.read_u8()).await.unwrap();
        head.push(byte.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    Some(head.lines().next().unwrap().to_owned())
}

/// Answers a request to Vault with a denial.
async fn refuse(stream: &mut TcpStream) {
    let reply = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 13\r\n\r\n{\"errors\":[]}";
    stream.write_all(reply).await.unwrap();
}

#[tokio::test]
async fn in_2026_closing_the_stream_cancels_the_call() {
    let (vault, address) = SlowVault::start().await;
    let server = HttpServer::start(&address).await;
    let request = alone("tools/call", read_secret());
    let mut call = Box::pin(server.send(Method::POST, &request));
    let mut stream = tokio::select! {
        _ = &mut call => panic!("answered without Vault"),
        (_, stream) = vault.request() => stream,
    };
    drop(call);
    // The server cancels the request to Vault: its connection ends.
    assert_eq!(head(&mut stream).await, None);
}

#[tokio::test]
async fn in_a_session_a_lost_connection_cancels_nothing() {
    let (vault, address) = SlowVault::start().await;
    let server = HttpServer::start(&address).await;
    let (id, _) = server.initialize("2025-11-25").await;
    let request = in_session(&id, "2025-11-25", "tools/call", read_secret());
    let answer = server.send(Method::POST, &request).await;
    let (_, mut stream) = vault.request().await;
    drop(answer);
    // Vault reports the version of the mount, and the server still requests the secret.
    let body = r#"{"data":{"path":"secret/","type":"kv","options":{"version":"2"}}}"#;
    let reply = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(reply.as_bytes()).await.unwrap();
    let next = head(&mut stream).await.unwrap();
    assert!(next.starts_with("GET /v1/secret/data/app"), "{next}");
}

#[tokio::test]
async fn a_session_cancels_by_a_notification() {
    let (vault, address) = SlowVault::start().await;
    let server = HttpServer::start(&address).await;
    for revision in SESSION_REVISIONS {
        let (id, _) = server.initialize(revision).await;
        let request = in_session(&id, revision, "tools/call", read_secret());
        let answer = server.send(Method::POST, &request).await;
        let (_, mut stream) = vault.request().await;
        let params = json!({ "requestId": "a" });
        let cancel = in_session(&id, revision, "notifications/cancelled", params);
        assert_eq!(server.post(&cancel.body("/id", None)).await.status, 202);
        assert_eq!(head(&mut stream).await, None);
        let answer = timeout(PATIENCE, Answer::read(answer)).await.unwrap();
        assert_eq!(answer.messages, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn progress_is_told_to_who_asks_for_it_and_rises() {
    let (vault, state) = FakeVault::start(2).await;
    let server = HttpServer::start(&vault.uri()).await;
    let (id, _) = server.initialize("2025-11-25").await;
    let params = || {
        json!({
            "name": "list_secrets",
            "arguments": { "mount": "secret", "recursive": true },
        })
    };
    let listing = |keys: Value| {
        let body = json!({ "data": { "keys": keys }, "mount_type": "kv" });
        (
            "GET",
            wiremock::ResponseTemplate::new(200).set_body_json(body),
        )
    };
    // From then on the server knows the mount.
    server.post(&alone("tools/call", read_secret())).await;
    for asked in [true, false] {
        for mut request in [
            alone("tools/call", params()),
            in_session(&id, "2025-11-25", "tools/call", params()),
        ] {
            state.with(|state| {
                state.interruptions = vec![
                    listing(json!(["a/", "b/"])),
                    listing(json!(["one"])),
                    listing(json!(["two"])),
                ];
            });
            if asked {
                request = request.body("/params/_meta", Some(json!({ "progressToken": "p" })));
                if request.headers.contains_key("mcp-method") {
                    let mut meta = meta();
                    meta["progressToken"] = json!("p");
                    request = request.body("/params/_meta", Some(meta));
                }
            }
            let answer = server.post(&request).await;
            let (last, told) = answer.messages.split_last().unwrap();
            assert_eq!(last["result"]["isError"], false, "{}", answer.shown());
            assert_eq!(told.is_empty(), !asked, "{}", answer.shown());
            let mut done = -1.0;
            for message in told {
                assert_eq!(message["method"], "notifications/progress");
                assert_eq!(message["params"]["progressToken"], "p");
                let now = message["params"]["progress"].as_f64().unwrap();
                assert!(now > done, "{}", answer.shown());
                done = now;
            }
        }
    }
}

#[tokio::test]
async fn a_line_that_is_no_message_is_told_so_and_the_next_one_is_answered() {
    let (vault, _state) = FakeVault::start(2).await;
    let mut client = connect(&vault.uri()).await;
    let huge = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"x":"{}"}}}}"#,
        "x".repeat(5 << 20)
    );
    for (line, code, id) in [
        ("{bad", -32700, None),
        ("\u{fffd}", -32700, None),
        ("[]", -32600, None),
        (
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            -32600,
            None,
        ),
        (r#"{"id":1,"method":"ping"}"#, -32600, Some(json!(1))),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            -32600,
            None,
        ),
        (r#"{"jsonrpc":"2.0","id":"a"}"#, -32600, Some(json!("a"))),
        (huge.as_str(), -32600, None),
        (
            r#"{"jsonrpc":"2.0","id":"b","method":"no/such"}"#,
            -32601,
            Some(json!("b")),
        ),
    ] {
        client.send_line(line.as_bytes()).await;
        let answer = client.answer().await;
        let shown = &line[..line.len().min(80)];
        assert_eq!(answer["error"]["code"], code, "{shown}");
        assert_eq!(answer.get("id"), id.as_ref(), "{shown}");
        assert_eq!(client.request("ping", json!({})).await["result"], json!({}));
    }
    client.send_line(b"{\"not\": \"utf-8\", \"\xff\": 1}").await;
    assert_eq!(client.answer().await["error"]["code"], -32700);
}

#[tokio::test]
async fn what_is_not_to_be_answered_on_stdio_is_not() {
    let (vault, _state) = FakeVault::start(2).await;
    // It makes no difference that this request comes first.
    let mut client = Client::open(&vault.uri(), TOKEN);
    for line in [
        "",
        "   \r",
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":999}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":5}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/no-such"}"#,
        r#"{"jsonrpc":"2.0","id":5,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":5,"error":5}"#,
        r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"what?"}}"#,
    ] {
        client.send_line(line.as_bytes()).await;
    }
    // The answer to `ping` is the next message.
    client
        .send_line(b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"ping\"}\r")
        .await;
    let answer = client.answer().await;
    assert_eq!((&answer["id"], &answer["result"]), (&json!(0), &json!({})));
}

#[tokio::test]
async fn one_stdio_connection_serves_both_eras() {
    let (vault, state) = FakeVault::start(2).await;
    state.store("app", 1, json!({ "key": "value" }));
    let mut client = Client::open(&vault.uri(), TOKEN);
    let alone = |method, params| alone(method, params).body["params"].clone();
    let found = client
        .request("server/discover", alone("server/discover", json!({})))
        .await;
    assert!(is_stateless(&found["result"]), "{found}");
    let called = client
        .request("tools/call", alone("tools/call", read_secret()))
        .await;
    assert!(is_stateless(&called["result"]), "{called}");

    let hello = hello("2025-06-18").body["params"].clone();
    let opened = client.request("initialize", hello).await;
    assert_eq!(opened["result"]["protocolVersion"], "2025-06-18");
    let called = client.request("tools/call", read_secret()).await;
    assert!(!is_stateless(&called["result"]), "{called}");
    assert_eq!(
        called["result"]["structuredContent"]["data"]["key"],
        "value"
    );

    let listed = client
        .request("tools/list", alone("tools/list", json!({})))
        .await;
    assert!(is_stateless(&listed["result"]), "{listed}");
    assert_eq!(listed["result"]["cacheScope"], "private");
}

#[tokio::test]
async fn a_request_of_2026_is_refused_on_stdio_for_its_metadata() {
    let (vault, _state) = FakeVault::start(2).await;
    let mut client = Client::open(&vault.uri(), TOKEN);
    let list = || alone("tools/list", json!({}));
    for (why, request, code) in [
        ("no capabilities", list().body(CAPABILITIES, None), -32602),
        (
            "an unknown revision",
            list().body(VERSION, Some(json!("1900-01-01"))),
            -32022,
        ),
        (
            "no metadata",
            alone("server/discover", json!({})).body("/params/_meta", None),
            -32602,
        ),
        ("a method of sessions", alone("ping", json!({})), -32601),
        ("an unknown method", alone("no/such", json!({})), -32601),
    ] {
        let method = request.body["method"].as_str().unwrap();
        let answer = client.request(method, request.body["params"].clone()).await;
        assert_eq!(answer["error"]["code"], code, "{why}: {answer}");
    }
    let list = list().body["params"].clone();
    assert!(is_stateless(
        &client.request("tools/list", list).await["result"]
    ));
}

#[tokio::test]
async fn the_tools_are_the_same_in_the_same_order_in_every_era_and_on_every_transport() {
    let (vault, _state) = FakeVault::start(2).await;
    let server = HttpServer::start(&vault.uri()).await;
    let tools = server.post(&alone("tools/list", json!({}))).await;
    let tools = &tools.result()["tools"];
    assert!(tools.as_array().unwrap().len() > 10);
    for revision in SESSION_REVISIONS {
        let (id, _) = server.initialize(revision).await;
        let listed = server
            .post(&in_session(&id, revision, "tools/list", json!({})))
            .await;
        assert_eq!(&listed.result()["tools"], tools);
    }
    let mut client = connect(&vault.uri()).await;
    let listed = client.request("tools/list", json!({})).await;
    assert_eq!(&listed["result"]["tools"], tools);
}
