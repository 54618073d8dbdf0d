//! The program with a real Vault: read-only, and with tokens in requests.

use std::process::Stdio;

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::Command,
};

use crate::{
    http_server::{Server, hello},
    world::{World, app},
};

const GENEROUS: [(&str, &str); 2] = [
    ("MCP_RATE_LIMIT_SESSION", "10000:10000"),
    ("MCP_RATE_LIMIT_GLOBAL", "10000:10000"),
];

/// A change by each tool that can write; each would succeed without read-only mode.
fn changes() -> Vec<(&'static str, Value)> {
    let role =
        json!({ "mount": "read-only/pki", "role": "web", "allowed_domains": ["example.com"] });
    let issue = json!({ "mount": "read-only/pki", "role": "web", "common_name": "a.example.com" });
    let issuer = json!({ "kind": "root", "mount": "read-only/pki", "issuer": "other", "common_name": "Other" });
    vec![
        ("create_mount", json!({ "mount": "read-only/new" })),
        ("delete_mount", json!({ "mount": "read-only/kv" })),
        (
            "write_secret",
            app("read-only/kv", json!({ "key": "k", "value": "new" })),
        ),
        (
            "put_secret",
            app("read-only/kv", json!({ "data": { "k": "new" } })),
        ),
        ("delete_secret", app("read-only/kv", json!({}))),
        (
            "undelete_secret",
            app("read-only/kv", json!({ "versions": [1] })),
        ),
        (
            "destroy_secret_versions",
            app("read-only/kv", json!({ "versions": [1] })),
        ),
        ("purge_secret", app("read-only/kv", json!({}))),
        ("enable_pki", json!({ "mount": "read-only/new-pki" })),
        ("create_pki_issuer", issuer),
        ("create_pki_role", role),
        (
            "delete_pki_role",
            json!({ "mount": "read-only/pki", "role": "web" }),
        ),
        ("issue_pki_certificate", issue.clone()),
        ("sign_pki_certificate", issue),
        (
            "revoke_pki_certificate",
            json!({ "mount": "read-only/pki", "serial_number": "01:02" }),
        ),
    ]
}

/// The state that the changes would affect.
async fn picture(world: &World) -> Value {
    let mut mounts = world.read("sys/mounts").await;
    // Other tests create mounts at the same time; only this test uses this folder.
    mounts
        .as_object_mut()
        .unwrap()
        .retain(|path, _| path.starts_with("read-only/"));
    json!({
        "mounts": mounts,
        "secret": world.read("read-only/kv/metadata/app").await,
        "roles": world.read("read-only/pki/roles/web").await,
        "issuers": world.names("read-only/pki/issuers").await,
        "certificates": world.names("read-only/pki/certs").await,
    })
}

fn kind(message: &Value) -> Value {
    let text = message["result"]["content"][0]["text"].as_str().unwrap();
    serde_json::from_str::<Value>(text).unwrap()["kind"].clone()
}

/// The answers to these calls over stdio, in order.
async fn over_stdio(env: &[(&str, &str)], calls: &[(&str, Value)]) -> Vec<Value> {
    let mut server = Command::new(env!("CARGO_BIN_EXE_vault-mcp-reference"))
        .env_clear()
        .envs(env.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = server.stdin.take().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let greeting = format!("{}\n{initialized}\n", hello());
    stdin.write_all(greeting.as_bytes()).await.unwrap();
    lines.next_line().await.unwrap().unwrap();
    let mut answers = Vec::new();
    for (tool, arguments) in calls {
        let params = json!({ "name": tool, "arguments": arguments });
        let call = json!({ "jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params });
        stdin
            .write_all(format!("{call}\n").as_bytes())
            .await
            .unwrap();
        let answer = lines.next_line().await.unwrap().unwrap();
        answers.push(serde_json::from_str(&answer).unwrap());
    }
    answers
}

pub(crate) async fn nothing_changes_in_vault_where_the_server_is_read_only(world: &World) {
    world.mount("read-only/kv", 2).await;
    world.versions("read-only/kv", 2).await;
    world.pki_with_root("read-only/pki").await;
    let role = json!({ "allowed_domains": "example.com", "allow_subdomains": true });
    world.write("read-only/pki/roles/web", role).await;
    let before = picture(world).await;
    let own = [
        ("VAULT_ADDR", world.address()),
        ("VAULT_TOKEN", world.root_token()),
        ("ENABLE_VAULT_OPERATIONS", "false"),
    ];
    let env = [&own[..], &GENEROUS].concat();
    let server = Server::start(&env).await;
    let session = server.session(&[]).await;
    for (tool, arguments) in changes() {
        let reply = server.call(&session, tool, arguments.clone(), &[]).await;
        assert_eq!(reply.kind(), "read_only", "{tool}");
        let reply = server.call_stateless(tool, arguments, &[]).await;
        assert_eq!(reply.kind(), "read_only", "{tool}");
    }
    for answer in over_stdio(&env, &changes()).await {
        assert_eq!(kind(&answer), "read_only", "{answer}");
    }
    assert_eq!(picture(world).await, before);

    for (tool, arguments) in [
        ("list_mounts", json!({})),
        (
            "list_secrets",
            json!({ "mount": "read-only/kv", "recursive": true }),
        ),
        ("read_secret", app("read-only/kv", json!({ "version": 1 }))),
        ("read_secret_metadata", app("read-only/kv", json!({}))),
        ("list_pki_issuers", json!({ "mount": "read-only/pki" })),
        (
            "read_pki_issuer",
            json!({ "mount": "read-only/pki", "issuer": "root" }),
        ),
        ("list_pki_roles", json!({ "mount": "read-only/pki" })),
        (
            "read_pki_role",
            json!({ "mount": "read-only/pki", "role": "web" }),
        ),
        ("list_pki_certificates", json!({ "mount": "read-only/pki" })),
    ] {
        let reply = server.call(&session, tool, arguments, &[]).await;
        assert_eq!(reply.kind(), "ok", "{tool}: {reply:?}");
    }
    assert!(
        server.log().contains("outcome=\"read_only\""),
        "{}",
        server.log()
    );
}

pub(crate) async fn each_request_has_the_rights_of_its_own_token(world: &World) {
    world.mount("gates-tokens", 2).await;
    world.versions("gates-tokens", 1).await;
    let reader = [("gates-tokens/data/*", "read")];
    let writer = [("gates-tokens/data/*", "read create update")];
    let reader = world.token("gates-reader", &reader).await;
    let writer = world.token("gates-writer", &writer).await;
    let none = world
        .token("gates-none", &[("gates-nowhere/*", "read")])
        .await;
    let read = || app("gates-tokens", json!({}));
    let write = || app("gates-tokens", json!({ "key": "k", "value": "new" }));
    // The server's own token has all rights: no client may get to use it.
    let own = [
        ("VAULT_ADDR", world.address()),
        ("VAULT_TOKEN", world.root_token()),
    ];
    let server = Server::start(&[&own[..], &GENEROUS].concat()).await;
    for (token, may_read, may_write) in [
        (&reader, "ok", "permission_denied"),
        (&none, "permission_denied", "permission_denied"),
        (&writer, "ok", "ok"),
        (&reader, "ok", "permission_denied"),
    ] {
        let headers = [("x-vault-token", token.expose_secret())];
        let session = server.session(&headers).await;
        for (tool, arguments, expected) in [
            ("read_secret", read(), may_read),
            ("write_secret", write(), may_write),
        ] {
            let reply = server
                .call(&session, tool, arguments.clone(), &headers)
                .await;
            assert_eq!(reply.kind(), expected, "{tool}: {reply:?}");
            let reply = server.call_stateless(tool, arguments, &headers).await;
            assert_eq!(reply.kind(), expected, "{tool}: {reply:?}");
        }
    }
    let stored = world.read("gates-tokens/data/app").await;
    assert_eq!(stored["metadata"]["version"], 3);

    // An unknown token has no rights, and a revoked one stops working at once.
    let headers = [("x-vault-token", "hvs.nobody")];
    let reply = server.call_stateless("read_secret", read(), &headers).await;
    assert_eq!(reply.kind(), "permission_denied");
    let headers = [("x-vault-token", writer.expose_secret())];
    let session = server.session(&headers).await;
    world
        .write(
            "auth/token/revoke",
            json!({ "token": writer.expose_secret() }),
        )
        .await;
    let reply = server.call(&session, "read_secret", read(), &headers).await;
    assert_eq!(reply.kind(), "permission_denied");
}
