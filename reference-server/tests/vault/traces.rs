//! One log line for each call, with the id of its requests in Vault's audit log.

use serde_json::{Value, json};

use crate::{
    server::Server,
    world::{World, app},
};

/// The entries of Vault's audit log with this id: path, and whether it was denied.
async fn audited(world: &World, line: &Value) -> Vec<(String, bool)> {
    let id = line["correlation_id"].as_str().unwrap().to_owned();
    world
        .audited(|entry| entry.correlation_id.as_deref() == Some(&id))
        .await
        .into_iter()
        .map(|entry| (entry.path.clone(), entry.error.is_some()))
        .collect()
}

pub(crate) async fn each_call_is_found_in_the_audit_log_denials_too(world: &World) {
    world.mount("traced", 2).await;
    let canary = "canary-value-4711";
    world
        .write("traced/data/app", json!({ "data": { "k": canary } }))
        .await;
    let token = world.token("traced", &[("traced/data/app", "read")]).await;
    let token = secrecy::ExposeSecret::expose_secret(&token).to_owned();
    let mut server = Server::start(world, &[("VAULT_TOKEN", &token)]).await;
    let app = app("traced", json!({}));

    server.call("read_secret", app.clone()).await.unwrap();
    let read = server.says("call").await;
    assert_eq!(read["tool"], "read_secret");
    assert_eq!(read["outcome"], "ok");
    assert_eq!(read["vault_path"], "traced/data/app");
    assert!(read["timestamp"].is_string() && read["duration_ms"].is_u64());
    let requests = audited(world, &read).await;
    assert!(requests.contains(&("traced/data/app".to_owned(), false)));
    // The audit log has a request and a response for each.
    assert_eq!(
        requests.len() as u64,
        2 * read["vault_requests"].as_u64().unwrap()
    );

    let denied = server.call("purge_secret", app.clone()).await.unwrap_err();
    let purge = server.says("call").await;
    assert_eq!(purge["outcome"], "permission_denied");
    assert_eq!(purge["status"], 403);
    assert_eq!(purge["correlation_id"], denied["correlation_id"]);
    let requests = audited(world, &purge).await;
    let path = purge["vault_path"].as_str().unwrap().to_owned();
    assert!(requests.contains(&(path, true)), "{requests:?}");

    let wrong = json!({ "mount": "traced", "path": "a/../b" });
    let refused = server.call("read_secret", wrong).await.unwrap_err();
    let line = server.says("call").await;
    assert_eq!(line["correlation_id"], refused["correlation_id"]);
    assert_eq!(line["vault_requests"], 0);

    let lines = [&read, &purge, &line];
    assert!(lines.iter().all(|line| {
        let line = line.to_string();
        !line.contains(canary) && !line.contains(&token)
    }));
}
