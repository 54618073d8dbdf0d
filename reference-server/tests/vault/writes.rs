//! Writing and deleting secrets.

use serde_json::{Map, Value, json};

use crate::world::{World, app};

pub(crate) async fn put_replaces_the_secret_as_a_whole_and_keeps_json(world: &World) {
    let data = json!({
        "n": -42, "large": (1_u64 << 53) - 1, "f": 0.1, "t": true, "nil": null,
        "deep": { "a": [1, "zwei", { "b": [] }], "": {} }, "ünï\u{1F600}": "\u{0}\n\"x\\",
    });
    for (mount, version) in [("put-v1", 1), ("put-v2", 2)] {
        world.mount(mount, version).await;
        let mut client = world.root().await;
        for (made, data) in [(1, json!({ "old": "gone" })), (2, data.clone())] {
            let answer = client
                .call("put_secret", app(mount, json!({ "data": data })))
                .await
                .unwrap();
            let expected = (version == 2).then_some(&json!(made)).cloned();
            assert_eq!(answer.get("version").cloned(), expected);
        }
        let stored = match version {
            1 => world.read(&format!("{mount}/app")).await,
            _ => world.read(&format!("{mount}/data/app")).await["data"].clone(),
        };
        assert_eq!(stored, data);
        let read = client
            .call("read_secret", app(mount, json!({})))
            .await
            .unwrap();
        assert_eq!(read["data"], data);
    }
}

pub(crate) async fn a_number_that_vault_would_round_is_refused(world: &World) {
    world.mount("round", 2).await;
    let mut client = world.root().await;
    for number in [
        json!(9_007_199_254_740_993_u64),
        json!(i64::MIN),
        json!(1e30),
    ] {
        let put = app("round", json!({ "data": { "deep": [number] } }));
        let error = client.call("put_secret", put).await.unwrap_err();
        assert_eq!(error["kind"], "invalid_argument");
    }
    assert!(world.names("round/metadata").await.is_empty());
}

pub(crate) async fn put_checks_the_version_that_it_is_given(world: &World) {
    world.mount("check", 2).await;
    world.mount("check-v1", 1).await;
    let mut client = world.root().await;
    let put = |version: u64| {
        app(
            "check",
            json!({ "data": { "k": "v" }, "check_version": version }),
        )
    };
    for (given, outcome) in [
        (1, None),
        (0, Some(1)),
        (0, None),
        (1, Some(2)),
        (1, None),
        (7, None),
    ] {
        let answer = client.call("put_secret", put(given)).await;
        match outcome {
            Some(made) => assert_eq!(answer.unwrap()["version"], made),
            None => assert_eq!(answer.unwrap_err()["kind"], "conflict"),
        }
    }
    // A deleted version counts, as in Vault's own check-and-set.
    world.ask("DELETE", "check/data/app", Value::Null).await;
    assert_eq!(
        client.call("put_secret", put(0)).await.unwrap_err()["kind"],
        "conflict"
    );
    assert_eq!(
        client.call("put_secret", put(2)).await.unwrap()["version"],
        3
    );
    let v1 = app(
        "check-v1",
        json!({ "data": { "k": "v" }, "check_version": 0 }),
    );
    let error = client.call("put_secret", v1).await.unwrap_err();
    assert_eq!(error["kind"], "invalid_argument");
    assert!(world.names("check-v1").await.is_empty());
}

pub(crate) async fn put_and_write_work_where_check_and_set_is_required(world: &World) {
    world.mount("cas", 2).await;
    world
        .write("cas/config", json!({ "cas_required": true }))
        .await;
    let mut client = world.root().await;
    let put = app("cas", json!({ "data": { "k": "v" } }));
    for version in [1, 2] {
        assert_eq!(
            client.call("put_secret", put.clone()).await.unwrap()["version"],
            version
        );
    }
    let write = app("cas", json!({ "key": "other", "value": "v" }));
    assert_eq!(
        client.call("write_secret", write).await.unwrap()["version"],
        3
    );
    assert_eq!(
        world.read("cas/data/app").await["data"],
        json!({ "k": "v", "other": "v" })
    );
}

pub(crate) async fn a_token_that_may_write_but_not_read_can_put(world: &World) {
    for (mount, version, path) in [
        ("blind-v1", 1, "blind-v1/app"),
        ("blind", 2, "blind/data/app"),
    ] {
        world.mount(mount, version).await;
        let mut client = world.client(mount, &[(path, "create update")]).await;
        let put = app(mount, json!({ "data": { "k": "v" } }));
        client.call("put_secret", put).await.unwrap();
        let stored = world.read(path).await;
        let stored = if version == 2 {
            stored["data"].clone()
        } else {
            stored
        };
        assert_eq!(stored, json!({ "k": "v" }));
        if version == 2 {
            let put = app(mount, json!({ "data": { "k": "v" }, "check_version": 7 }));
            assert_eq!(
                client.call("put_secret", put).await.unwrap_err()["kind"],
                "conflict"
            );
        }
    }
}

pub(crate) async fn a_key_is_merged_where_the_secret_may_not_be_read(world: &World) {
    world.mount("merged", 2).await;
    let others = json!({ "n": 1.5, "deep": { "a": [null] } });
    for path in ["app", "deleted"] {
        let at = format!("merged/data/{path}");
        world.write(&at, json!({ "data": others })).await;
    }
    world
        .ask("DELETE", "merged/data/deleted", Value::Null)
        .await;
    let grants = [("merged/data/*", "create update patch")];
    let mut client = world.client("merged", &grants).await;
    for (path, version) in [("app", 2), ("deleted", 2), ("new", 1), ("new", 2)] {
        let key = format!("k{version}");
        let write = json!({ "mount": "merged", "path": path, "key": key, "value": "{\"x\":null}" });
        let answer = client.call("write_secret", write).await.unwrap();
        assert_eq!(answer["version"], version, "{path}");
    }
    let value = "{\"x\":null}";
    for (path, data) in [
        (
            "app",
            json!({ "n": 1.5, "deep": { "a": [null] }, "k2": value }),
        ),
        ("deleted", json!({ "k2": value })),
        ("new", json!({ "k1": value, "k2": value })),
    ] {
        let stored = world.read(&format!("merged/data/{path}")).await;
        assert_eq!(stored["data"], data, "{path}");
    }
}

pub(crate) async fn a_key_is_denied_where_neither_read_nor_patch_is_granted(world: &World) {
    world.mount("blind-key", 2).await;
    world.mount("blind-key-v1", 1).await;
    world.mount("blind-key-cas", 2).await;
    let cas = json!({ "cas_required": true });
    for (mount, path, grants) in [
        ("blind-key", "blind-key/data/app", "create update"),
        (
            "blind-key-v1",
            "blind-key-v1/app",
            "create update patch delete list",
        ),
        (
            "blind-key-cas",
            "blind-key-cas/data/app",
            "create update patch",
        ),
    ] {
        let data = json!({ "other": "v" });
        let body = match mount {
            "blind-key-v1" => data.clone(),
            _ => json!({ "data": data }),
        };
        world.write(path, body).await;
        if mount == "blind-key-cas" {
            world.write("blind-key-cas/config", cas.clone()).await;
        }
        let before = world.read(path).await;
        let mut client = world.client(mount, &[(path, grants)]).await;
        let write = app(mount, json!({ "key": "k", "value": "v" }));
        let error = client.call("write_secret", write).await.unwrap_err();
        assert_eq!(error["kind"], "permission_denied", "{mount}: {error}");
        let missing = json!({ "capability": "read", "path": path });
        assert_eq!(error["missing_capability"], missing, "{mount}");
        assert_eq!(world.read(path).await, before, "{mount}");
    }
}

pub(crate) async fn a_new_secret_is_created_only_with_the_right_to_create(world: &World) {
    world.mount("no-create", 2).await;
    let grants = [("no-create/data/app", "update patch")];
    let mut client = world.client("no-create", &grants).await;
    let write = app("no-create", json!({ "key": "k", "value": "v" }));
    let error = client.call("write_secret", write).await.unwrap_err();
    assert_eq!(error["kind"], "permission_denied");
    assert_eq!(error["missing_capability"]["capability"], "create");
    assert!(world.names("no-create/metadata").await.is_empty());
}

pub(crate) async fn large_values_and_many_keys_arrive_intact(world: &World) {
    world.mount("large", 2).await;
    let mut client = world.root().await;
    let long = "ä€\u{1F600}\"\\".repeat(10_000);
    assert!(long.len() > 100 << 10);
    let data: Map<String, Value> = (0..200)
        .map(|key| (format!("key {key}"), json!(format!("value {key}"))))
        .collect();
    for (path, data) in [("many", Value::from(data)), ("long", json!({ "k": long }))] {
        let put = json!({ "mount": "large", "path": path, "data": data });
        client.call("put_secret", put).await.unwrap();
        assert_eq!(
            world.read(&format!("large/data/{path}")).await["data"],
            data
        );
    }
    let write = json!({ "mount": "large", "path": "long", "key": "other", "value": long });
    client.call("write_secret", write).await.unwrap();
    let read = json!({ "mount": "large", "path": "long" });
    let read = client.call("read_secret", read).await.unwrap();
    assert_eq!(read["data"], json!({ "k": long, "other": long }));
}

pub(crate) async fn a_key_is_deleted_and_the_others_are_kept(world: &World) {
    world.mount("keys-v1", 1).await;
    world.mount("keys", 2).await;
    let mut client = world.root().await;
    for (mount, path) in [("keys-v1", "keys-v1/app"), ("keys", "keys/data/app")] {
        let data = json!({ "gone": 1, "kept": { "deep": [1.5, null] } });
        client
            .call("put_secret", app(mount, json!({ "data": data })))
            .await
            .unwrap();
        let answer = client
            .call("delete_secret", app(mount, json!({ "key": "gone" })))
            .await
            .unwrap();
        assert_eq!(answer["deleted"], "key");
        let stored = world.read(path).await;
        let stored = if mount == "keys" {
            stored["data"].clone()
        } else {
            stored
        };
        assert_eq!(stored, json!({ "kept": { "deep": [1.5, null] } }));
    }
}

pub(crate) async fn deleting_what_is_not_there_makes_no_version(world: &World) {
    world.mount("absent", 2).await;
    world.versions("absent", 2).await;
    let before = world.read("absent/metadata/app").await;
    let mut client = world.root().await;
    for arguments in [
        app("absent", json!({ "key": "other" })),
        json!({ "mount": "absent", "path": "other" }),
        json!({ "mount": "absent", "path": "other", "key": "k" }),
    ] {
        let error = client.call("delete_secret", arguments).await.unwrap_err();
        assert_eq!(error["kind"], "not_found");
    }
    assert_eq!(world.read("absent/metadata/app").await, before);
    assert_eq!(world.names("absent/metadata").await, ["app"]);
}

pub(crate) async fn values_are_not_in_errors(world: &World) {
    world.mount("quiet", 2).await;
    let mut client = world.client("quiet", &[("quiet/data/app", "read")]).await;
    let data = json!({ "k": "s3cr3t-canary", "deep": [{ "n": 471_147 }] });
    for (tool, arguments) in [
        ("put_secret", app("quiet", json!({ "data": data }))),
        (
            "put_secret",
            app("quiet", json!({ "data": ["s3cr3t-canary"] })),
        ),
        (
            "write_secret",
            app("quiet", json!({ "key": "k", "value": "s3cr3t-canary" })),
        ),
    ] {
        let error = client.call(tool, arguments).await.unwrap_err().to_string();
        assert!(
            !error.contains("s3cr3t-canary") && !error.contains("471147"),
            "{error}"
        );
    }
}
