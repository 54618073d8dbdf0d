//! The server's description of itself and its answers as an MCP server, apart from its tools.

use std::time::Duration;

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::{connect, harness::FakeVault};

#[tokio::test]
async fn the_tools_are_those_of_the_snapshot() {
    let (server, _vault) = FakeVault::start(2).await;
    let mut client = connect(&server.uri()).await;
    let answer = client.request("tools/list", json!({})).await;
    insta::assert_json_snapshot!(answer["result"]["tools"]);
}

#[tokio::test]
async fn wrong_arguments_are_an_error_that_names_them_and_reach_no_vault() {
    let (server, vault) = FakeVault::start(2).await;
    let mut client = connect(&server.uri()).await;
    for (tool, arguments, named) in [
        ("read_secret", json!({ "mount": "secret" }), "path"),
        (
            "read_secret",
            json!({ "mount": "secret", "path": "" }),
            "path",
        ),
        (
            "read_secret",
            json!({ "mount": "secret", "path": "a/../../sys" }),
            "path",
        ),
        (
            "read_secret",
            json!({ "mount": "../sys", "path": "a" }),
            "mount",
        ),
        (
            "read_secret",
            json!({ "mount": "secret", "path": ["canary"] }),
            "path",
        ),
        (
            "read_secret",
            json!({ "mount": "secret", "path": "a", "version": "canary" }),
            "version",
        ),
        (
            "read_secret",
            json!({ "mount": "secret", "path": "a", "version": 0 }),
            "version",
        ),
        (
            "read_secret",
            json!({ "mount": "secret", "path": "a", "verison": "canary" }),
            "verison",
        ),
        ("list_mounts", json!({ "mount": "secret" }), "mount"),
        (
            "write_secret",
            json!({ "mount": "secret", "path": "a", "key": "", "value": "canary" }),
            "key",
        ),
        (
            "delete_secret",
            json!({ "mount": "secret", "path": "a", "key": "" }),
            "key",
        ),
    ] {
        let error = client.call(tool, arguments).await.unwrap_err();
        assert_eq!(
            (&error["kind"], &error["operation"]),
            (&json!("invalid_argument"), &json!(tool))
        );
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .contains(&format!("`{named}`")),
            "{error}"
        );
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    assert_eq!(vault.take_requests(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_not_offered_is_a_protocol_error() {
    let (server, _vault) = FakeVault::start(2).await;
    let mut client = connect(&server.uri()).await;
    for (method, params, code) in [
        (
            "tools/call",
            json!({ "name": "no_such_tool", "arguments": {} }),
            -32602,
        ),
        ("tools/list", json!({ "cursor": "bogus" }), -32602),
        ("prompts/list", json!({}), -32601),
        ("resources/list", json!({}), -32601),
        ("resources/templates/list", json!({}), -32601),
        ("no/such/method", json!({}), -32601),
    ] {
        assert_eq!(
            client.request(method, params).await["error"]["code"],
            code,
            "{method}"
        );
    }
}

#[tokio::test]
async fn a_cancelled_call_is_not_answered_and_the_next_one_is() {
    let (server, vault) = FakeVault::start(2).await;
    let never = ResponseTemplate::new(200).set_delay(Duration::from_secs(3600));
    vault.with(|state| state.interruptions.push(("GET", never)));
    let mut client = connect(&server.uri()).await;
    let id = client
        .start(
            "tools/call",
            json!({ "name": "list_mounts", "arguments": {} }),
        )
        .await;
    while vault.with(|state| state.requests.is_empty()) {
        tokio::task::yield_now().await;
    }
    let cancelled = json!({ "requestId": id });
    client
        .send(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled }))
        .await;
    // The answer to `ping` is the next message.
    assert_eq!(client.request("ping", json!({})).await["result"], json!({}));
    let listed: Result<Value, Value> = client
        .call("list_secrets", json!({ "mount": "secret", "path": "no" }))
        .await;
    assert_eq!(listed.unwrap_err()["kind"], "not_found");
}

#[tokio::test]
async fn a_listing_that_is_cancelled_on_its_way_is_not_answered() {
    let (server, vault) = FakeVault::start(2).await;
    let mut client = connect(&server.uri()).await;
    let read = json!({ "mount": "secret", "path": "app" });
    let _ = client.call("read_secret", read).await;
    let folders = json!({ "data": { "keys": ["a/", "b/"] }, "mount_type": "kv" });
    let never = ResponseTemplate::new(200).set_delay(Duration::from_secs(3600));
    vault.with(|state| {
        state.interruptions = vec![
            ("GET", ResponseTemplate::new(200).set_body_json(folders)),
            ("GET", never),
        ];
    });
    let params = json!({
        "name": "list_secrets",
        "arguments": { "mount": "secret", "recursive": true },
        "_meta": { "progressToken": "p" },
    });
    let id = client.start("tools/call", params).await;
    assert_eq!(client.answer().await["method"], "notifications/progress");
    client
        .send(json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id },
        }))
        .await;
    // The answer to `ping` is the next message.
    assert_eq!(client.request("ping", json!({})).await["result"], json!({}));
}
