//! A mount that is re-created in the other version while the server runs: Vault silently accepts a write in the wrong
//! shape.

use serde_json::{Value, json};

use crate::world::{World, app};

/// All tools that write, with their arguments.
fn writes() -> [(&'static str, Value); 7] {
    [
        ("write_secret", json!({ "key": "k", "value": "new" })),
        ("put_secret", json!({ "data": { "k": "new" } })),
        ("delete_secret", json!({})),
        ("delete_secret", json!({ "key": "k" })),
        ("undelete_secret", json!({ "versions": [1] })),
        ("destroy_secret_versions", json!({ "versions": [1] })),
        ("purge_secret", json!({})),
    ]
}

pub(crate) async fn a_mount_that_became_v1_is_never_written_in_the_shape_of_v2(world: &World) {
    let mount = "became-v1";
    for (tool, arguments) in writes() {
        world.remount(mount, 2).await;
        world.versions(mount, 1).await;
        let mut client = world.root().await;
        client
            .call("read_secret", app(mount, json!({})))
            .await
            .unwrap();
        world.remount(mount, 1).await;
        // Secrets that a v2-shaped request would hit.
        let decoys = ["data/app", "metadata/app", "undelete/app", "destroy/app"];
        for decoy in decoys {
            world
                .write(&format!("{mount}/{decoy}"), json!({ "decoy": decoy }))
                .await;
        }
        let outcome = client.call(tool, app(mount, arguments)).await;
        for decoy in decoys {
            let stored = world.read(&format!("{mount}/{decoy}")).await;
            assert_eq!(stored, json!({ "decoy": decoy }), "{tool}");
        }
        let stored = world.read(&format!("{mount}/app")).await;
        match tool {
            "write_secret" | "put_secret" => {
                outcome.unwrap();
                assert_eq!(stored, json!({ "k": "new" }));
            }
            _ => {
                outcome.unwrap_err();
                assert_eq!(stored, Value::Null);
            }
        }
    }
}

pub(crate) async fn a_mount_that_became_v2_is_never_written_in_the_shape_of_v1(world: &World) {
    let mount = "became-v2";
    for path in ["app", "data/app", "metadata/app"] {
        for (tool, mut arguments) in writes() {
            world.remount(mount, 1).await;
            world
                .write(&format!("{mount}/{path}"), json!({ "k": "old" }))
                .await;
            let mut client = world.root().await;
            let address = json!({ "mount": mount, "path": path });
            client.call("read_secret", address.clone()).await.unwrap();
            world.remount(mount, 2).await;
            world.versions(mount, 1).await;
            let before = world.read(&format!("{mount}/metadata/app")).await;
            arguments["mount"] = address["mount"].clone();
            arguments["path"] = address["path"].clone();
            let outcome = client.call(tool, arguments).await;
            let shown = format!("{tool} {path}: {outcome:?}");
            // Only calls that name `app` may change it.
            if path != "app" {
                assert_eq!(
                    world.read(&format!("{mount}/metadata/app")).await,
                    before,
                    "{shown}"
                );
            }
            let after = world.read(&format!("{mount}/data/{path}")).await;
            match tool {
                "write_secret" | "put_secret" => {
                    outcome.unwrap();
                    assert_eq!(after["data"], json!({ "k": "new" }), "{shown}");
                }
                // The call was to delete this secret.
                _ if path == "app" => {
                    outcome.unwrap();
                }
                _ => {
                    outcome.unwrap_err();
                    assert_eq!(after, Value::Null, "{shown}");
                }
            }
        }
    }
}

pub(crate) async fn a_v1_secret_that_looks_like_an_answer_of_v2_is_not_taken_for_one(
    world: &World,
) {
    let mount = "looks-like-v2";
    world.mount(mount, 2).await;
    world.versions(mount, 1).await;
    let mut client = world.root().await;
    client
        .call("read_secret", app(mount, json!({})))
        .await
        .unwrap();
    let like_v2 = world.read(&format!("{mount}/data/app")).await;
    world.remount(mount, 1).await;
    world
        .write(&format!("{mount}/data/app"), like_v2.clone())
        .await;
    let write = app(mount, json!({ "key": "k", "value": "new" }));
    client.call("write_secret", write).await.unwrap();
    assert_eq!(world.read(&format!("{mount}/data/app")).await, like_v2);
    assert_eq!(
        world.read(&format!("{mount}/app")).await,
        json!({ "k": "new" })
    );
}
