//! The server's own token: read from a file, renewed in time, revoked by others.

use std::{fs, os::unix::fs::PermissionsExt};

use futures::future::join_all;
use serde_json::{Value, json};
use vault_mcp_conformance::vault::audit::AuditKind;

use crate::{
    server::Server,
    world::{World, app},
};

/// The lifetime of a token whose end the test awaits. The renewal happens when a third of it is left, and a busy
/// Vault must answer within that time.
const SHORT: &str = "12s";

/// A KV mount with one secret, and a policy that allows reading it.
async fn stage(world: &World, mount: &str) {
    world.mount(mount, 2).await;
    world
        .write(
            &format!("{mount}/data/app"),
            json!({ "data": { "k": "v" } }),
        )
        .await;
    let rule = format!("path \"{mount}/*\" {{ capabilities = [\"read\"] }}");
    world
        .write(
            &format!("sys/policies/acl/{mount}"),
            json!({ "policy": rule }),
        )
        .await;
}

async fn read(server: &mut Server, mount: &str) -> Result<Value, Value> {
    server.call("read_secret", app(mount, json!({}))).await
}

pub(crate) async fn a_token_file_is_read_again(world: &World) {
    stage(world, "token-file").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let [few, more] = [json!(["default"]), json!(["token-file"])];
    let (few, _) = world.make_token(json!({ "policies": few })).await;
    let (more, accessor) = world.make_token(json!({ "policies": more })).await;
    fs::write(&file, &few).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let mut server = Server::start(world, &[("VAULT_TOKEN_FILE", file.to_str().unwrap())]).await;
    let denied = read(&mut server, "token-file").await.unwrap_err();
    assert_eq!(denied["kind"], "permission_denied");

    fs::write(&file, format!("{more}\n")).unwrap();
    read(&mut server, "token-file").await.unwrap();
    fs::remove_file(&file).unwrap();
    read(&mut server, "token-file").await.unwrap();

    world.revoke(&accessor).await;
    let ended = read(&mut server, "token-file").await.unwrap_err();
    let message = ended["message"].as_str().unwrap();
    assert!(message.contains("does not accept the token"), "{message}");
    let (again, _) = world
        .make_token(json!({ "policies": ["token-file"] }))
        .await;
    fs::write(&file, &again).unwrap();
    read(&mut server, "token-file").await.unwrap();

    server.says("can be read by others").await;
    server.says("has another token").await;
    server.says("cannot be read").await;
    server.says("has another token").await;
    let log = server.end().await.join("\n");
    assert!([few, more, again].iter().all(|token| !log.contains(token)));
}

pub(crate) async fn a_renewable_token_is_renewed_before_it_ends(world: &World) {
    stage(world, "renewed").await;
    let (token, accessor) = world
        .make_token(json!({ "policies": ["renewed"], "ttl": SHORT }))
        .await;
    let mut server = renewing(world, &token).await;
    // The second renewal is later than the first expiry time.
    for _ in 0..2 {
        let renewed = server
            .logged(|line| line["vault_path"] == "auth/token/renew-self")
            .await;
        assert_eq!(renewed["outcome"], "ok");
    }
    let facts = world.facts(&accessor).await.unwrap();
    assert!(facts["last_renewal_time"].as_u64().is_some(), "{facts}");
    read(&mut server, "renewed").await.unwrap();
    assert!(!server.end().await.join("\n").contains(&token));
    let looked_up = world
        .audited(|entry| {
            entry.kind == AuditKind::Request
                && entry.accessor.as_deref() == Some(&accessor)
                && entry.path == "auth/token/lookup-self"
        })
        .await;
    assert_eq!(looked_up.len(), 1);
}

pub(crate) async fn a_token_is_renewed_where_nothing_else_is_changed(world: &World) {
    stage(world, "renewed-only").await;
    let wanted = json!({ "policies": ["renewed-only"], "ttl": SHORT });
    let (token, accessor) = world.make_token(wanted).await;
    let env = [
        ("VAULT_TOKEN", token.as_str()),
        ("VAULT_TOKEN_RENEW", "true"),
        ("ENABLE_VAULT_OPERATIONS", "false"),
    ];
    let mut server = Server::start(world, &env).await;
    let renewed = server
        .logged(|line| line["vault_path"] == "auth/token/renew-self")
        .await;
    assert_eq!(renewed["outcome"], "ok");
    let write = json!({ "key": "k", "value": "new" });
    let refused = server
        .call("write_secret", app("renewed-only", write))
        .await;
    assert_eq!(refused.unwrap_err()["kind"], "read_only");
    read(&mut server, "renewed-only").await.unwrap();
    let changes = world
        .audited(|entry| {
            entry.kind == AuditKind::Request
                && entry.accessor.as_deref() == Some(&accessor)
                && !["read", "list"].contains(&entry.operation.as_str())
        })
        .await;
    assert!(!changes.is_empty());
    assert!(
        changes
            .iter()
            .all(|entry| entry.path == "auth/token/renew-self")
    );
}

pub(crate) async fn a_token_that_takes_the_place_of_another_is_looked_up_too(world: &World) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let (first, _) = world.make_token(json!({ "ttl": "1h" })).await;
    let (second, _) = world.make_token(json!({ "ttl": "2h" })).await;
    fs::write(&file, first).unwrap();
    let file_name = file.to_str().unwrap();
    let env = [
        ("VAULT_TOKEN_FILE", file_name),
        ("VAULT_TOKEN_RENEW", "true"),
    ];
    let mut server = Server::start(world, &env).await;
    server.says("the token ends in 59m").await;
    fs::write(&file, second).unwrap();
    server.says("the token ends in 1h59m").await;
}

pub(crate) async fn the_end_of_a_token_that_cannot_be_renewed_is_told(world: &World) {
    let told_at_its_end = [
        (json!({ "ttl": "4h", "renewable": false }), "ends in 3h59m"),
        (
            json!({ "ttl": SHORT, "explicit_max_ttl": SHORT }),
            "cannot be renewed and ends in",
        ),
        (
            json!({ "ttl": SHORT, "renewable": false }),
            "the token ends in",
        ),
    ]
    .map(|(wanted, told)| async move {
        let (token, _) = world.make_token(wanted).await;
        let mut server = renewing(world, &token).await;
        let line = server.says(told).await;
        assert_eq!(line["level"], "WARN");
    });
    join_all(told_at_its_end).await;
}

pub(crate) async fn a_token_that_may_not_look_itself_up_still_works(world: &World) {
    stage(world, "lookless").await;
    let (token, _) = world
        .make_token(json!({ "policies": ["lookless"], "no_default_policy": true }))
        .await;
    let mut server = renewing(world, &token).await;
    let line = server.says("the token is not renewed").await;
    assert_eq!(line["level"], "WARN");
    read(&mut server, "lookless").await.unwrap();
}

pub(crate) async fn nothing_is_asked_about_a_token_unless_it_is_to_be_renewed(world: &World) {
    stage(world, "left-alone").await;
    let (token, accessor) = world
        .make_token(json!({ "policies": ["left-alone"] }))
        .await;
    let mut server = Server::start(world, &[("VAULT_TOKEN", &token)]).await;
    read(&mut server, "left-alone").await.unwrap();
    let paths: Vec<_> = world
        .audited(|entry| entry.accessor.as_deref() == Some(&accessor))
        .await
        .into_iter()
        .map(|entry| entry.path.clone())
        .collect();
    assert!(!paths.is_empty());
    assert!(
        !paths.iter().any(|path| path.starts_with("auth/")),
        "{paths:?}"
    );
}

async fn renewing(world: &World, token: &str) -> Server {
    let env = [("VAULT_TOKEN", token), ("VAULT_TOKEN_RENEW", "true")];
    Server::start(world, &env).await
}
