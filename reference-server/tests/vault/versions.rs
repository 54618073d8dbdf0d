//! Restoring, destroying and removing versions.

use serde_json::{Value, json};

use crate::world::{World, app};

fn versions(mount: &str, versions: Value) -> Value {
    app(mount, json!({ "versions": versions }))
}

/// Soft-deletes versions of `app`.
async fn delete(world: &World, mount: &str, versions: Value) {
    world
        .write(
            &format!("{mount}/delete/app"),
            json!({ "versions": versions }),
        )
        .await;
}

pub(crate) async fn undelete_restores_the_versions_that_were_named(world: &World) {
    world.mount("undelete", 2).await;
    world.versions("undelete", 3).await;
    delete(world, "undelete", json!([1, 2, 3])).await;
    let mut client = world.root().await;
    for _ in 0..2 {
        let answer = client
            .call("undelete_secret", versions("undelete", json!([3, 1, 3])))
            .await
            .unwrap();
        assert_eq!(answer["versions"], json!([1, 3]));
        let now = answer["now"].as_array().unwrap();
        assert_eq!(now.len(), 2);
        assert!(
            now.iter()
                .all(|version| version.get("deletion_time").is_none())
        );
    }
    let vault = world.read("undelete/metadata/app").await["versions"].clone();
    assert_eq!(vault["1"]["deletion_time"], "");
    assert_ne!(vault["2"]["deletion_time"], "");
    assert_eq!(
        world.read("undelete/data/app").await["data"]["k"],
        "canary-3"
    );
}

pub(crate) async fn destroy_destroys_the_versions_that_were_named(world: &World) {
    world.mount("destroy", 2).await;
    world.versions("destroy", 3).await;
    let mut client = world.root().await;
    let answer = client
        .call(
            "destroy_secret_versions",
            versions("destroy", json!([1, 2])),
        )
        .await
        .unwrap();
    assert!(
        answer["now"]
            .as_array()
            .unwrap()
            .iter()
            .all(|version| version["destroyed"] == true)
    );
    let vault = world.read("destroy/metadata/app").await["versions"].clone();
    let destroyed: Vec<_> = ["1", "2", "3"]
        .iter()
        .map(|it| vault[it]["destroyed"] == true)
        .collect();
    assert_eq!(destroyed, [true, true, false]);
}

pub(crate) async fn versions_that_do_not_exist_are_an_error_and_nothing_is_done(world: &World) {
    world.mount("missing", 2).await;
    world.versions("missing", 2).await;
    delete(world, "missing", json!([1])).await;
    let before = world.read("missing/metadata/app").await;
    let mut client = world.root().await;
    for tool in ["undelete_secret", "destroy_secret_versions"] {
        let error = client
            .call(tool, versions("missing", json!([1, 7, 9])))
            .await
            .unwrap_err();
        assert_eq!(error["kind"], "not_found");
        assert!(
            error["message"].as_str().unwrap().contains("7, 9"),
            "{error}"
        );
        for (wrong, named) in [
            (json!([]), "versions"),
            (json!([0]), "versions"),
            (json!("1"), "versions"),
        ] {
            let error = client
                .call(tool, versions("missing", wrong))
                .await
                .unwrap_err();
            assert_eq!(error["kind"], "invalid_argument");
            assert!(
                error["message"].as_str().unwrap().contains(named),
                "{error}"
            );
        }
    }
    assert_eq!(world.read("missing/metadata/app").await, before);
}

pub(crate) async fn a_destroyed_version_is_not_undeleted(world: &World) {
    world.mount("destroyed", 2).await;
    world.versions("destroyed", 2).await;
    delete(world, "destroyed", json!([1])).await;
    world
        .write("destroyed/destroy/app", json!({ "versions": [2] }))
        .await;
    let before = world.read("destroyed/metadata/app").await;
    let mut client = world.root().await;
    let error = client
        .call("undelete_secret", versions("destroyed", json!([1, 2])))
        .await
        .unwrap_err();
    assert_eq!(error["kind"], "destroyed");
    assert_eq!(world.read("destroyed/metadata/app").await, before);
}

pub(crate) async fn a_token_without_metadata_can_undelete_and_is_told_what_was_not_checked(
    world: &World,
) {
    world.mount("unchecked", 2).await;
    world.versions("unchecked", 2).await;
    delete(world, "unchecked", json!([1, 2])).await;
    let grants = [
        ("unchecked/undelete/*", "update"),
        ("unchecked/destroy/*", "update"),
        ("unchecked/metadata/*", "delete"),
    ];
    let mut client = world.client("unchecked", &grants).await;
    let answer = client
        .call("undelete_secret", versions("unchecked", json!([2])))
        .await
        .unwrap();
    assert_eq!(answer.get("now"), None);
    assert!(
        answer["notes"][0]
            .as_str()
            .unwrap()
            .contains("could not check")
    );
    assert_eq!(
        world.read("unchecked/data/app").await["data"]["k"],
        "canary-2"
    );
    client
        .call("destroy_secret_versions", versions("unchecked", json!([2])))
        .await
        .unwrap();
    assert_eq!(
        world.read("unchecked/metadata/app").await["versions"]["2"]["destroyed"],
        true
    );
    let answer = client
        .call("purge_secret", app("unchecked", json!({})))
        .await
        .unwrap();
    assert!(
        answer["notes"][0]
            .as_str()
            .unwrap()
            .contains("could not check")
    );
    assert!(world.names("unchecked/metadata").await.is_empty());
}

pub(crate) async fn purge_removes_all_versions(world: &World) {
    world.mount("purge", 2).await;
    world.versions("purge", 3).await;
    world
        .write("purge/data/app/below", json!({ "data": { "k": "v" } }))
        .await;
    let mut client = world.root().await;
    client
        .call("purge_secret", app("purge", json!({})))
        .await
        .unwrap();
    assert_eq!(world.read("purge/metadata/app").await, Value::Null);
    assert_eq!(world.names("purge/metadata").await, ["app/"]);
    let error = client
        .call("purge_secret", app("purge", json!({})))
        .await
        .unwrap_err();
    assert_eq!(error["kind"], "not_found");
}

pub(crate) async fn purge_deletes_in_kv_v1(world: &World) {
    world.mount("purge-v1", 1).await;
    for path in ["app", "metadata/app", "other"] {
        world
            .write(&format!("purge-v1/{path}"), json!({ "k": "v" }))
            .await;
    }
    let mut client = world.root().await;
    let answer = client
        .call("purge_secret", app("purge-v1", json!({})))
        .await
        .unwrap();
    assert_eq!(answer["kv_version"], 1);
    assert_eq!(world.names("purge-v1").await, ["metadata/", "other"]);
    let error = client
        .call("purge_secret", app("purge-v1", json!({})))
        .await
        .unwrap_err();
    assert_eq!(error["kind"], "not_found");
}

pub(crate) async fn kv_v1_has_no_versions_to_deal_with(world: &World) {
    world.mount("versions-v1", 1).await;
    world.write("versions-v1/app", json!({ "k": "v" })).await;
    let mut client = world.root().await;
    for tool in ["undelete_secret", "destroy_secret_versions"] {
        let error = client
            .call(tool, versions("versions-v1", json!([1])))
            .await
            .unwrap_err();
        assert_eq!(error["kind"], "invalid_argument");
        assert!(
            error["message"].as_str().unwrap().contains("KV v1"),
            "{error}"
        );
    }
    assert_eq!(world.names("versions-v1").await, ["app"]);
}

pub(crate) async fn an_absent_secret_is_not_found(world: &World) {
    world.mount("versions-absent", 2).await;
    let mut client = world.root().await;
    for tool in ["undelete_secret", "destroy_secret_versions"] {
        let error = client
            .call(tool, versions("versions-absent", json!([1])))
            .await
            .unwrap_err();
        assert_eq!(error["kind"], "not_found");
    }
    assert!(world.names("versions-absent/metadata").await.is_empty());
}
