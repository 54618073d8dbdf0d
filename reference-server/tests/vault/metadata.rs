//! Reading a secret without its values.

use serde_json::{Value, json};

use crate::world::{World, app};

fn notes(answer: &Value) -> String {
    answer["notes"].to_string()
}

pub(crate) async fn key_names_and_versions_are_told_and_no_value(world: &World) {
    world.mount("meta", 2).await;
    world.versions("meta", 2).await;
    let data = json!({ "user": "canary-user", "password": "canary-password" });
    world.write("meta/data/app", json!({ "data": data })).await;
    world
        .write(
            "meta/metadata/app",
            json!({ "custom_metadata": { "owner": "payments" } }),
        )
        .await;
    let mut client = world.root().await;
    let answer = client
        .call("read_secret_metadata", app("meta", json!({})))
        .await
        .unwrap();
    let vault = world.read("meta/metadata/app").await;
    assert_eq!(answer["keys"], json!(["password", "user"]));
    assert_eq!(answer["kv_version"], 2);
    for field in [
        "current_version",
        "created_time",
        "updated_time",
        "custom_metadata",
    ] {
        assert_eq!(answer[field], vault[field], "{field}");
    }
    let versions = answer["versions"].as_array().unwrap();
    assert_eq!(versions.len(), 3);
    for version in versions {
        let of_vault = &vault["versions"][version["version"].to_string()];
        assert_eq!(version["created_time"], of_vault["created_time"]);
        assert_eq!(version["destroyed"], false);
    }
    assert_eq!(answer["notes"], json!([]));
    assert!(!answer.to_string().contains("canary"), "{answer}");
}

pub(crate) async fn data_rights_alone_tell_key_names(world: &World) {
    world.mount("meta-data", 2).await;
    world.versions("meta-data", 2).await;
    let grants = [("meta-data/data/*", "read")];
    let mut client = world.client("meta-data", &grants).await;
    let answer = client
        .call("read_secret_metadata", app("meta-data", json!({})))
        .await
        .unwrap();
    let latest = world.read("meta-data/data/app").await["metadata"].clone();
    assert_eq!(answer["keys"], json!(["k"]));
    assert_eq!(answer["current_version"], 2);
    assert_eq!(answer["updated_time"], latest["created_time"]);
    assert_eq!(answer["versions"][0]["version"], 2);
    assert_eq!(answer.get("created_time"), None);
    assert!(
        notes(&answer).contains("`read` on `meta-data/metadata/app`"),
        "{answer}"
    );
    assert!(!answer.to_string().contains("canary"), "{answer}");
}

pub(crate) async fn metadata_rights_alone_tell_versions(world: &World) {
    world.mount("meta-only", 2).await;
    world.versions("meta-only", 2).await;
    let grants = [("meta-only/metadata/*", "read")];
    let mut client = world.client("meta-only", &grants).await;
    let answer = client
        .call("read_secret_metadata", app("meta-only", json!({})))
        .await
        .unwrap();
    assert_eq!(answer.get("keys"), None);
    assert_eq!(answer["current_version"], 2);
    assert_eq!(answer["versions"].as_array().unwrap().len(), 2);
    assert!(
        notes(&answer).contains("`read` on `meta-only/data/app`"),
        "{answer}"
    );
}

pub(crate) async fn no_rights_are_a_denial(world: &World) {
    world.mount("meta-none", 2).await;
    world.versions("meta-none", 1).await;
    let grants = [("meta-none/metadata/", "list")];
    let mut client = world.client("meta-none", &grants).await;
    let error = client
        .call("read_secret_metadata", app("meta-none", json!({})))
        .await
        .unwrap_err();
    assert_eq!(
        (&error["kind"], &error["status"]),
        (&json!("permission_denied"), &json!(403))
    );
    assert_eq!(error["missing_capability"]["path"], "meta-none/data/app");
}

pub(crate) async fn a_deleted_and_a_destroyed_version_still_have_metadata(world: &World) {
    world.mount("meta-gone", 2).await;
    world.versions("meta-gone", 2).await;
    let mut client = world.root().await;
    world.ask("DELETE", "meta-gone/data/app", Value::Null).await;
    let read = app("meta-gone", json!({}));
    let answer = client
        .call("read_secret_metadata", read.clone())
        .await
        .unwrap();
    assert_eq!(answer.get("keys"), None);
    assert_ne!(answer["versions"][1]["deletion_time"], Value::Null);
    assert_eq!(answer["deleted"], true);
    let states = [0, 1].map(|version| answer["versions"][version]["deleted"].clone());
    assert_eq!(states, [false, true]);
    assert!(
        notes(&answer).contains("version, 2, was deleted"),
        "{answer}"
    );
    world
        .write("meta-gone/destroy/app", json!({ "versions": [2] }))
        .await;
    let answer = client.call("read_secret_metadata", read).await.unwrap();
    assert_eq!(answer["versions"][1]["destroyed"], true);
    assert_eq!(answer["deleted"], false);
    assert!(
        notes(&answer).contains("version, 2, was destroyed"),
        "{answer}"
    );
}

pub(crate) async fn metadata_without_a_version_is_told(world: &World) {
    world.mount("meta-empty", 2).await;
    world
        .write(
            "meta-empty/metadata/app",
            json!({ "custom_metadata": { "owner": "me" } }),
        )
        .await;
    let mut client = world.root().await;
    let answer = client
        .call("read_secret_metadata", app("meta-empty", json!({})))
        .await
        .unwrap();
    assert_eq!(
        (&answer["current_version"], &answer["versions"]),
        (&json!(0), &json!([]))
    );
    assert!(
        notes(&answer).contains("no version was ever written"),
        "{answer}"
    );
}

pub(crate) async fn kv_v1_has_key_names_alone(world: &World) {
    world.mount("meta-v1", 1).await;
    world.write("meta-v1/app", json!({ "k": "canary" })).await;
    let mut client = world.root().await;
    let answer = client
        .call("read_secret_metadata", app("meta-v1", json!({})))
        .await
        .unwrap();
    assert_eq!(
        (&answer["keys"], &answer["kv_version"]),
        (&json!(["k"]), &json!(1))
    );
    assert_eq!(answer.get("versions"), None);
    assert!(!answer.to_string().contains("canary"), "{answer}");
}

pub(crate) async fn what_is_not_there_is_not_found(world: &World) {
    world.mount("meta-absent", 2).await;
    world.mount("meta-absent-v1", 1).await;
    for (name, grants) in [
        ("meta-absent-all", [("meta-absent*", "read")]),
        ("meta-absent-data", [("meta-absent/data/*", "read")]),
        ("meta-absent-metadata", [("meta-absent/metadata/*", "read")]),
    ] {
        let mut client = world.client(name, &grants).await;
        let absent = app("meta-absent", json!({}));
        let error = client
            .call("read_secret_metadata", absent)
            .await
            .unwrap_err();
        assert_eq!(error["kind"], "not_found", "{name}");
    }
    let absent = app("meta-absent-v1", json!({}));
    let error = world
        .root()
        .await
        .call("read_secret_metadata", absent)
        .await
        .unwrap_err();
    assert_eq!(error["kind"], "not_found");
}

pub(crate) async fn a_version_that_is_deleted_later_is_not_deleted_yet(world: &World) {
    world.mount("meta-later", 2).await;
    let after = json!({ "delete_version_after": "720h" });
    world.write("meta-later/config", after).await;
    world.versions("meta-later", 1).await;
    let rights: [(&str, &[(&str, &str)]); 2] = [
        ("meta-later-all", &[("meta-later/*", "read")]),
        ("meta-later-times", &[("meta-later/metadata/*", "read")]),
    ];
    for (name, grants) in rights {
        let mut client = world.client(name, grants).await;
        let answer = client
            .call("read_secret_metadata", app("meta-later", json!({})))
            .await
            .unwrap();
        assert_eq!(answer["deleted"], false, "{answer}");
        let version = &answer["versions"][0];
        assert_ne!(version["deletion_time"], Value::Null, "{answer}");
        assert_eq!(version["deleted"], false, "{answer}");
    }
}
