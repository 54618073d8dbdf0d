//! The requests of the KV tools to a Vault that changes, refuses or misbehaves.

use serde_json::{Value, json};
use vault_mcp_conformance::ports::free_port;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::{TOKEN, connect, harness::FakeVault};

fn app() -> Value {
    json!({ "mount": "secret", "path": "app" })
}

fn app_with(more: Value) -> Value {
    let mut arguments = app();
    arguments
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    arguments
}

fn write(key: &str, value: &str) -> Value {
    app_with(json!({ "key": key, "value": value }))
}

/// The secret `app` and its version.
fn stored(vault: &FakeVault) -> (u64, Value) {
    vault.with(|state| state.secrets["app"].clone())
}

#[tokio::test]
async fn a_key_is_merged_and_values_that_are_no_strings_are_kept() {
    let (server, vault) = FakeVault::start(2).await;
    vault.store(
        "app",
        3,
        json!({ "n": 1.10, "deep": { "a": [1, null, true] }, "k": "old" }),
    );
    let mut client = connect(&server.uri()).await;
    let written = client
        .call("write_secret", write("k", "new"))
        .await
        .unwrap();
    assert_eq!(
        written,
        json!({ "mount": "secret", "path": "app", "key": "k", "version": 4 })
    );
    assert_eq!(
        stored(&vault),
        (
            4,
            json!({ "n": 1.10, "deep": { "a": [1, null, true] }, "k": "new" })
        )
    );
}

#[tokio::test]
async fn numbers_beyond_every_machine_type_survive_a_merge() {
    let server = MockServer::start().await;
    let number = "123456789012345678901234567890.10";
    let read = format!(
        r#"{{"data":{{"data":{{"n":{number}}},"metadata":{{"version":1,"created_time":""}}}}}}"#
    );
    let mount =
        json!({ "data": { "path": "secret/", "type": "kv", "options": { "version": "2" } } });
    Mock::given(wiremock::matchers::path(
        "/v1/sys/internal/ui/mounts/secret",
    ))
    .respond_with(ResponseTemplate::new(200).set_body_json(mount))
    .mount(&server)
    .await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_string(read))
        .mount(&server)
        .await;
    let mut client = connect(&server.uri()).await;
    let _ = client.call("write_secret", write("k", "new")).await;
    let requests = server.received_requests().await.unwrap();
    let body = String::from_utf8(requests.last().unwrap().body.clone()).unwrap();
    assert!(body.contains(number), "{body}");
}

#[tokio::test]
async fn a_conflict_is_read_again_and_retried() {
    let (server, vault) = FakeVault::start(2).await;
    vault.store("app", 1, json!({ "k": "old" }));
    vault.with(|state| state.writes_between = 3);
    let mut client = connect(&server.uri()).await;
    let written = client
        .call("write_secret", write("mine", "new"))
        .await
        .unwrap();
    assert_eq!(written["version"], 5);
    assert_eq!(stored(&vault), (5, json!({ "k": "old", "mine": "new" })));
}

#[tokio::test]
async fn a_conflict_that_does_not_end_is_reported_and_writes_nothing() {
    let (server, vault) = FakeVault::start(2).await;
    vault.store("app", 1, json!({ "k": "old" }));
    vault.with(|state| state.writes_between = usize::MAX);
    let mut client = connect(&server.uri()).await;
    let error = client
        .call("write_secret", write("mine", "new"))
        .await
        .unwrap_err();
    assert_eq!(error["kind"], "conflict");
    assert_eq!(stored(&vault).1, json!({ "k": "old" }));
}

#[tokio::test]
async fn concurrent_writes_of_different_keys_lose_nothing() {
    for kv_version in [1, 2] {
        let (server, vault) = FakeVault::start(kv_version).await;
        let mut client = connect(&server.uri()).await;
        client
            .call("write_secret", write("first", "value"))
            .await
            .unwrap();
        for key in 0..20 {
            client.start("tools/call", json!({ "name": "write_secret", "arguments": write(&key.to_string(), "value") })).await;
        }
        for _ in 0..20 {
            client.answer().await;
        }
        assert_eq!(stored(&vault).1.as_object().unwrap().len(), 21);
    }
}

#[tokio::test]
async fn a_read_is_one_request_once_the_mount_is_known() {
    for kv_version in [1, 2] {
        let (server, vault) = FakeVault::start(kv_version).await;
        vault.store("app", 1, json!({ "k": "v" }));
        let mut client = connect(&server.uri()).await;
        client.call("read_secret", app()).await.unwrap();
        vault.take_requests();
        client.call("read_secret", app()).await.unwrap();
        let expected = if kv_version == 1 {
            "GET secret/app"
        } else {
            "GET secret/data/app"
        };
        assert_eq!(vault.take_requests(), [expected]);
    }
}

#[tokio::test]
async fn a_mount_that_was_replaced_is_written_in_its_own_shape() {
    for (before, after) in [(2, 1), (1, 2)] {
        let (server, vault) = FakeVault::start(before).await;
        let mut client = connect(&server.uri()).await;
        for path in ["app", "data/app"] {
            let arguments = json!({ "mount": "secret", "path": path, "key": "k", "value": "old" });
            client.call("write_secret", arguments).await.unwrap();
        }
        vault.recreate(after);
        for path in ["app", "data/app"] {
            let arguments = json!({ "mount": "secret", "path": path, "key": "k", "value": "new" });
            client.call("write_secret", arguments).await.unwrap();
            let read = client
                .call("read_secret", json!({ "mount": "secret", "path": path }))
                .await
                .unwrap();
            assert_eq!(
                (&read["kv_version"], &read["data"]),
                (&json!(after), &json!({ "k": "new" }))
            );
        }
        let paths = vault.with(|state| state.secrets.keys().cloned().collect::<Vec<_>>());
        assert_eq!(paths, ["app", "data/app"]);
    }
}

#[tokio::test]
async fn a_secret_of_a_replaced_mount_is_not_read_in_the_wrong_shape() {
    let (server, vault) = FakeVault::start(1).await;
    vault.store("data/app", 0, json!({ "k": "v" }));
    let mut client = connect(&server.uri()).await;
    client
        .call(
            "read_secret",
            json!({ "mount": "secret", "path": "data/app" }),
        )
        .await
        .unwrap();
    vault.recreate(2);
    vault.store("app", 1, json!({ "k": "v" }));
    let error = client
        .call(
            "read_secret",
            json!({ "mount": "secret", "path": "data/app" }),
        )
        .await
        .unwrap_err();
    assert_eq!(error["kind"], "not_found");
}

#[tokio::test]
async fn a_write_that_is_answered_in_the_wrong_shape_is_an_error() {
    let (server, vault) = FakeVault::start(2).await;
    vault.store("app", 1, json!({ "k": "v" }));
    vault.with(|state| {
        state
            .interruptions
            .push(("POST", ResponseTemplate::new(204)))
    });
    let mut client = connect(&server.uri()).await;
    let error = client
        .call("write_secret", write("k", "new"))
        .await
        .unwrap_err();
    assert_eq!(error["kind"], "unexpected_answer");
    vault.take_requests();
    client.call("read_secret", app()).await.unwrap();
    assert_eq!(
        vault.take_requests()[0],
        "GET sys/internal/ui/mounts/secret"
    );
}

#[tokio::test]
async fn an_answer_of_another_engine_is_not_a_secret() {
    let (server, vault) = FakeVault::start(1).await;
    vault.store("app", 0, json!({ "k": "v" }));
    let mut client = connect(&server.uri()).await;
    client.call("read_secret", app()).await.unwrap();
    let of_pki = json!({ "data": { "allow_any_name": true }, "mount_type": "pki" });
    vault.with(|state| {
        state
            .interruptions
            .push(("GET", ResponseTemplate::new(200).set_body_json(of_pki)))
    });
    let error = client.call("read_secret", app()).await.unwrap_err();
    assert_eq!(error["kind"], "unexpected_answer");
}

#[tokio::test]
async fn deleting_what_is_not_there_is_told_and_deletes_nothing() {
    for kv_version in [1, 2] {
        let (server, vault) = FakeVault::start(kv_version).await;
        let mut client = connect(&server.uri()).await;
        assert_eq!(
            client.call("delete_secret", app()).await.unwrap_err()["kind"],
            "not_found"
        );
        vault.store("app", 1, json!({ "k": "v" }));
        let error = client
            .call("delete_secret", app_with(json!({ "key": "other" })))
            .await
            .unwrap_err();
        assert_eq!(error["kind"], "not_found");
        assert!(
            vault
                .take_requests()
                .iter()
                .all(|request| request.starts_with("GET "))
        );
        assert_eq!(stored(&vault), (1, json!({ "k": "v" })));
    }
}

#[tokio::test]
async fn a_key_is_deleted_alone_and_the_last_one_takes_the_secret_with_it() {
    let (server, vault) = FakeVault::start(2).await;
    vault.store("app", 1, json!({ "a": "1", "b": 2 }));
    let mut client = connect(&server.uri()).await;
    let deletion = client
        .call("delete_secret", app_with(json!({ "key": "a" })))
        .await
        .unwrap();
    assert_eq!(
        (&deletion["deleted"], &deletion["version"]),
        (&json!("key"), &json!(2))
    );
    assert_eq!(stored(&vault), (2, json!({ "b": 2 })));
    let deletion = client
        .call("delete_secret", app_with(json!({ "key": "b" })))
        .await
        .unwrap();
    assert_eq!(
        (&deletion["deleted"], &deletion["version"]),
        (&json!("latest_version"), &json!(2))
    );
    assert_eq!(
        client.call("read_secret", app()).await.unwrap_err()["kind"],
        "deleted"
    );
    assert_eq!(
        client.call("delete_secret", app()).await.unwrap_err()["kind"],
        "deleted"
    );
    client
        .call("write_secret", write("c", "value"))
        .await
        .unwrap();
    assert_eq!(stored(&vault), (3, json!({ "c": "value" })));
}

#[tokio::test]
async fn a_token_that_may_delete_but_not_read_can_delete() {
    let (server, vault) = FakeVault::start(2).await;
    vault.store("app", 1, json!({ "k": "v" }));
    let mut client = connect(&server.uri()).await;
    client.call("read_secret", app()).await.unwrap();
    let denial =
        ResponseTemplate::new(403).set_body_json(json!({ "errors": ["permission denied"] }));
    vault.with(|state| state.interruptions.push(("GET", denial)));
    let deletion = client.call("delete_secret", app()).await.unwrap();
    assert_eq!(deletion["deleted"], "latest_version");
    assert_eq!(stored(&vault).1, Value::Null);
}

#[tokio::test]
async fn every_refusal_has_its_kind_and_a_denial_says_what_is_missing() {
    for (status, message, kind) in [
        (
            403,
            "1 error occurred:\n\t* permission denied\n\n",
            "permission_denied",
        ),
        (
            429,
            "request path \"secret\": rate limit quota exceeded",
            "rate_limited",
        ),
        (503, "Vault is sealed", "vault_sealed"),
        (503, "backend unavailable", "vault_unavailable"),
        (500, "internal error", "vault_error"),
        (400, "bad request", "vault_error"),
    ] {
        let (server, vault) = FakeVault::start(2).await;
        vault.store("app", 1, json!({ "k": "v" }));
        let refusal = ResponseTemplate::new(status).set_body_json(json!({ "errors": [message] }));
        vault.with(|state| state.interruptions.push(("POST", refusal)));
        let mut client = connect(&server.uri()).await;
        let error = client
            .call("write_secret", write("k", "new"))
            .await
            .unwrap_err();
        assert_eq!(error["kind"], kind);
        assert_eq!(error["status"], status);
        assert_eq!(error["operation"], "write_secret");
        assert_eq!(
            (&error["mount"], &error["path"]),
            (&json!("secret"), &json!("app"))
        );
        assert_eq!(error["vault_messages"], json!([message]));
        let missing = json!({ "capability": "update", "path": "secret/data/app" });
        assert_eq!(
            error.get("missing_capability"),
            (status == 403).then_some(&missing)
        );
        assert_eq!(stored(&vault), (1, json!({ "k": "v" })));
        assert_eq!(
            client.call("read_secret", app()).await.unwrap()["data"],
            json!({ "k": "v" })
        );
    }
}

#[tokio::test]
async fn a_mount_that_is_being_upgraded_is_tried_again() {
    let (server, vault) = FakeVault::start(2).await;
    vault.store("app", 1, json!({ "k": "v" }));
    let message = "Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief period.";
    let upgrading = ResponseTemplate::new(400).set_body_json(json!({ "errors": [message] }));
    vault.with(|state| state.interruptions.push(("POST", upgrading)));
    let mut client = connect(&server.uri()).await;
    client
        .call("write_secret", write("k", "new"))
        .await
        .unwrap();
    assert_eq!(stored(&vault), (2, json!({ "k": "new" })));
}

#[tokio::test]
async fn a_mount_that_stays_in_its_upgrade_is_told() {
    let (server, vault) = FakeVault::start(2).await;
    let message = "Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief period.";
    let mut client = connect(&server.uri()).await;
    for tool in ["read_secret", "read_secret_metadata"] {
        let upgrading = ResponseTemplate::new(400).set_body_json(json!({ "errors": [message] }));
        vault.with(|state| {
            let refusals = std::iter::repeat_n(("GET", upgrading), 5);
            state.interruptions = refusals.collect();
            // The first GET is the lookup of the mount.
            if tool == "read_secret" {
                let options = json!({ "version": "2" });
                let mount =
                    json!({ "data": { "path": "secret/", "type": "kv", "options": options } });
                state
                    .interruptions
                    .insert(0, ("GET", ResponseTemplate::new(200).set_body_json(mount)));
            }
        });
        let error = client.call(tool, app()).await.unwrap_err();
        assert_eq!(error["kind"], "vault_unavailable", "{error}");
        assert!(error["message"].as_str().unwrap().contains("upgrading"));
        assert!(error["next_step"].as_str().unwrap().contains("wait"));
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_mount_that_is_not_kv() {
    let (server, vault) = FakeVault::start(2).await;
    vault.with(|state| state.engine = Some("pki"));
    let mut client = connect(&server.uri()).await;
    for (tool, arguments) in [
        ("list_secrets", json!({ "mount": "secret" })),
        (
            "list_secrets",
            json!({ "mount": "secret", "recursive": true }),
        ),
        ("read_secret", app()),
        ("read_secret_metadata", app()),
        ("write_secret", write("k", "value")),
        ("put_secret", app_with(json!({ "data": {} }))),
        ("delete_secret", app()),
        ("delete_secret", app_with(json!({ "key": "k" }))),
        ("undelete_secret", app_with(json!({ "versions": [1] }))),
        (
            "destroy_secret_versions",
            app_with(json!({ "versions": [1] })),
        ),
        ("purge_secret", app()),
    ] {
        let error = client.call(tool, arguments).await.unwrap_err();
        assert_eq!(error["kind"], "invalid_argument");
        assert!(
            error["message"].as_str().unwrap().contains("`pki`"),
            "{error}"
        );
        assert_eq!(vault.take_requests(), ["GET sys/internal/ui/mounts/secret"]);
    }
}

#[tokio::test]
async fn a_list_of_more_names_than_one_answer_holds_is_cut_and_told() {
    let (server, vault) = FakeVault::start(2).await;
    let mut client = connect(&server.uri()).await;
    let _ = client.call("read_secret", app()).await;
    let names: Vec<_> = (0..50_001).map(|n| format!("s{n}")).collect();
    let listing = json!({ "data": { "keys": names }, "mount_type": "kv" });
    let listing = ResponseTemplate::new(200).set_body_json(listing);
    vault.with(|state| state.interruptions.push(("GET", listing)));
    let arguments = json!({ "mount": "secret", "recursive": true });
    let answer = client.call("list_secrets", arguments).await.unwrap();
    assert_eq!(answer["entries"].as_array().unwrap().len(), 50_000);
    assert_eq!(answer["truncated"], true);
    assert!(!answer["notes"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn what_vault_quotes_of_the_token_and_the_value_is_not_passed_on() {
    let (server, vault) = FakeVault::start(2).await;
    let quoting = json!({ "errors": [format!("{TOKEN} must not store s3cr3t-canary")] });
    vault.with(|state| {
        state
            .interruptions
            .push(("POST", ResponseTemplate::new(400).set_body_json(quoting)))
    });
    let mut client = connect(&server.uri()).await;
    let error = client
        .call("write_secret", write("k", "s3cr3t-canary"))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("[redacted] must not store [redacted]"),
        "{error}"
    );
    assert!(!error.contains(TOKEN) && !error.contains("s3cr3t-canary"));
}

#[tokio::test]
async fn an_answer_that_is_not_vaults_is_an_error_and_the_next_call_works() {
    let (server, vault) = FakeVault::start(2).await;
    vault.store("app", 1, json!({ "k": "v" }));
    let mut client = connect(&server.uri()).await;
    client.call("read_secret", app()).await.unwrap();
    for body in [
        "<html>gateway</html>",
        "",
        "[]",
        "null",
        r#"{"data":{"data":{"k":"v"}}}"#,
        r#"{"data":null}"#,
    ] {
        vault.with(|state| {
            state
                .interruptions
                .push(("GET", ResponseTemplate::new(200).set_body_string(body)))
        });
        assert_eq!(
            client.call("read_secret", app()).await.unwrap_err()["kind"],
            "unexpected_answer",
            "{body}"
        );
        assert_eq!(
            client.call("read_secret", app()).await.unwrap()["data"],
            json!({ "k": "v" })
        );
    }
    let huge = ResponseTemplate::new(200).set_body_bytes(vec![b' '; 33 << 20]);
    vault.with(|state| state.interruptions.push(("GET", huge)));
    assert_eq!(
        client.call("read_secret", app()).await.unwrap_err()["kind"],
        "unexpected_answer"
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200))
        .mount(&elsewhere)
        .await;
    let server = MockServer::start().await;
    let redirect = ResponseTemplate::new(307).insert_header("location", elsewhere.uri());
    Mock::given(any())
        .respond_with(redirect)
        .mount(&server)
        .await;
    let mut client = connect(&server.uri()).await;
    let error = client.call("read_secret", app()).await.unwrap_err();
    assert_eq!(
        (&error["kind"], &error["status"]),
        (&json!("unexpected_answer"), &json!(307))
    );
    assert_eq!(elsewhere.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn every_request_carries_the_token_and_the_namespace_and_stays_below_a_path_prefix() {
    let (server, vault) = FakeVault::start(2).await;
    let mut client = connect(&format!("{}/prefix/", server.uri())).await;
    let _ = client.call("read_secret", app()).await;
    let requests = server.received_requests().await.unwrap();
    assert_eq!(
        vault.take_requests(),
        ["GET /prefix/v1/sys/internal/ui/mounts/secret"]
    );
    for header in [
        ("x-vault-token", TOKEN),
        ("x-vault-request", "true"),
        ("x-vault-namespace", "team/a"),
    ] {
        assert_eq!(requests[0].headers[header.0], header.1);
    }
}

#[tokio::test]
async fn vault_that_is_down_is_an_error() {
    let nobody = free_port().unwrap();
    let mut client = connect(&format!("http://user:pa55@127.0.0.1:{nobody}")).await;
    let error = client.call("list_mounts", json!({})).await.unwrap_err();
    assert_eq!(error["kind"], "vault_unavailable");
    assert!(!error.to_string().contains("pa55"));
}
