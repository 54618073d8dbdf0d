//! A read-only server, by every route: each revision, batches, and names that resemble a tool's.

use serde_json::{Value, json};

use crate::{
    OWN,
    server::{Reply, Server, hello},
    start,
};

const READ_ONLY: &[(&str, &str)] = &[("VAULT_TOKEN", OWN), ("ENABLE_VAULT_OPERATIONS", "false")];

fn write(tool: &str) -> Value {
    let arguments = json!({ "mount": "secret", "path": "app", "key": "k", "value": "v" });
    let params = json!({ "name": tool, "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params })
}

/// Opens a session in this revision, and sends a message in it.
async fn in_revision(server: &Server, revision: &str, message: &Value) -> Reply {
    let mut hello = hello();
    hello["params"]["protocolVersion"] = revision.into();
    let begun = server.post(&hello, &[]).await;
    assert_eq!(begun.message()["result"]["protocolVersion"], revision);
    let id = begun.headers["mcp-session-id"].to_str().unwrap();
    let of_session = [("mcp-session-id", id), ("mcp-protocol-version", revision)];
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(server.post(&initialized, &of_session).await.status, 202);
    server.post(message, &of_session).await
}

#[tokio::test]
async fn a_change_is_refused_in_every_revision() {
    let (_mock, vault, server) = start(READ_ONLY).await;
    for revision in ["2025-06-18", "2025-11-25"] {
        let reply = in_revision(&server, revision, &write("write_secret")).await;
        assert_eq!(reply.kind(), "read_only", "{revision}");
    }
    let arguments = write("write_secret")["params"]["arguments"].clone();
    let reply = server.call_stateless("write_secret", arguments, &[]).await;
    assert_eq!(reply.kind(), "read_only");
    assert!(vault.take().is_empty());
}

#[tokio::test]
async fn a_batch_or_another_spelling_is_no_way_around() {
    let (_mock, vault, server) = start(READ_ONLY).await;
    for message in [
        json!([write("write_secret")]),
        json!([hello(), write("write_secret")]),
        write("Write_Secret"),
        write("write_secret "),
        write("vault_write_secret"),
    ] {
        let reply = in_revision(&server, "2025-06-18", &message).await;
        let is_error = reply.status == 400 || reply.message().get("error").is_some();
        assert!(is_error, "{message}: {reply:?}");
    }
    assert!(vault.take().is_empty());
}

#[tokio::test]
async fn the_tools_that_are_listed_change_nothing_in_every_revision() {
    let (_mock, _vault, server) = start(READ_ONLY).await;
    let list = json!({ "jsonrpc": "2.0", "id": 8, "method": "tools/list" });
    for revision in ["2025-06-18", "2025-11-25"] {
        let listed = in_revision(&server, revision, &list).await.message();
        let tools = listed["result"]["tools"].as_array().unwrap();
        assert!(!tools.is_empty());
        for tool in tools {
            assert_eq!(tool["annotations"]["readOnlyHint"], true, "{tool}");
        }
    }
}
