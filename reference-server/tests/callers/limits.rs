//! Rate limits over HTTP. The rates are so low that no call becomes available while a test runs.

use futures::future::join_all;
use serde_json::json;

use crate::{
    OWN,
    server::{Headers, Server},
    start,
};

const A: Headers = &[("x-vault-token", "hvs.a")];
const B: Headers = &[("x-vault-token", "hvs.b")];
const NONE: Headers = &[];

/// Makes this many concurrent calls in a session; returns how many were executed.
async fn carried_out(server: &Server, session: &str, headers: Headers<'_>, calls: usize) -> usize {
    let calls = (0..calls).map(|_| server.call(session, "list_mounts", json!({}), headers));
    let kinds: Vec<_> = join_all(calls)
        .await
        .iter()
        .map(|reply| reply.kind())
        .collect();
    assert!(
        kinds
            .iter()
            .all(|kind| kind == "ok" || kind == "rate_limited"),
        "{kinds:?}"
    );
    kinds.iter().filter(|kind| *kind == "ok").count()
}

async fn carried_out_stateless(server: &Server, headers: Headers<'_>, calls: usize) -> usize {
    let calls = (0..calls).map(|_| server.call_stateless("list_mounts", json!({}), headers));
    let kinds: Vec<_> = join_all(calls)
        .await
        .iter()
        .map(|reply| reply.kind())
        .collect();
    kinds.iter().filter(|kind| *kind == "ok").count()
}

#[tokio::test]
async fn each_session_has_a_limit_of_its_own_and_the_excess_never_reaches_vault() {
    let env = [("VAULT_TOKEN", OWN), ("MCP_RATE_LIMIT_SESSION", "0.001:4")];
    let (_mock, vault, server) = start(&env).await;
    let (greedy, other) = (server.session(NONE).await, server.session(NONE).await);
    assert_eq!(carried_out(&server, &greedy, NONE, 30).await, 4);
    assert_eq!(vault.take().len(), 4);
    assert_eq!(carried_out(&server, &other, NONE, 4).await, 4);
    assert_eq!(vault.take().len(), 4);
    // The session that exceeded its limit still works.
    let ping = json!({ "jsonrpc": "2.0", "id": 9, "method": "ping" });
    let reply = server.in_session(&greedy, &ping, NONE).await;
    assert_eq!(reply.message()["result"], json!({}));
}

#[tokio::test]
async fn new_sessions_do_not_evade_the_limit_of_all() {
    let env = [
        ("VAULT_TOKEN", OWN),
        ("MCP_RATE_LIMIT_SESSION", "0.001:4"),
        ("MCP_RATE_LIMIT_GLOBAL", "0.001:10"),
    ];
    let (_mock, vault, server) = start(&env).await;
    let mut done = 0;
    for _ in 0..10 {
        let session = server.session(NONE).await;
        done += carried_out(&server, &session, NONE, 4).await;
    }
    assert_eq!(done, 10);
    assert_eq!(vault.take().len(), 10);
    let reply = server.call_stateless("list_mounts", json!({}), A).await;
    let error = reply.outcome().unwrap_err();
    assert_eq!(error["kind"], "rate_limited");
    assert!(error["retry_after_ms"].as_u64() > Some(0), "{error}");
    assert!(vault.take().is_empty());
}

#[tokio::test]
async fn without_sessions_each_credential_has_a_limit() {
    let env = [("VAULT_TOKEN", OWN), ("MCP_RATE_LIMIT_SESSION", "0.001:4")];
    let (_mock, vault, server) = start(&env).await;
    for headers in [A, B, NONE] {
        assert_eq!(carried_out_stateless(&server, headers, 20).await, 4);
        assert_eq!(vault.take().len(), 4);
    }
    // Neither another namespace nor a session id, real or invented, circumvents the limit.
    let elsewhere = [&[("x-vault-namespace", "team")], A].concat();
    assert_eq!(carried_out_stateless(&server, &elsewhere, 20).await, 0);
    let session = server.session(A).await;
    for id in ["invented", &session] {
        let headers = [&[("mcp-session-id", id)], A].concat();
        assert_eq!(carried_out_stateless(&server, &headers, 20).await, 0);
    }
    assert!(vault.take().is_empty());
}
