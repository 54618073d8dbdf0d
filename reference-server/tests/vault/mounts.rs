//! The table of mounts, and the mounts that the KV tools accept.

use serde_json::{Value, json};

use crate::world::{World, app};

/// Type and options of the mounts that begin with a prefix.
async fn table(world: &World, prefix: &str) -> Vec<(String, String)> {
    let table = world.read("sys/mounts").await;
    let mounts = table.as_object().unwrap().iter();
    mounts
        .filter(|(path, _)| path.starts_with(prefix))
        .map(|(path, mount)| {
            (
                path.clone(),
                mount["options"]["version"]
                    .as_str()
                    .unwrap_or("")
                    .to_owned(),
            )
        })
        .collect()
}

fn mount(path: &str) -> Value {
    json!({ "mount": path })
}

pub(crate) async fn a_mount_is_created_in_either_version_at_nested_paths(world: &World) {
    let mut client = world.root().await;
    for (arguments, version) in [
        (json!({ "mount": "new/a/v2" }), 2),
        (
            json!({ "mount": "new/a/v1/", "version": 1, "description": "of the tests" }),
            1,
        ),
        (json!({ "mount": "new/b c@d", "version": 2 }), 2),
    ] {
        let answer = client
            .call("create_mount", arguments.clone())
            .await
            .unwrap();
        assert_eq!(
            (&answer["version"], &answer["ready"]),
            (&json!(version), &json!(true))
        );
        let put = json!({ "mount": arguments["mount"], "path": "app", "data": { "k": "v" } });
        client.call("put_secret", put).await.unwrap();
    }
    let expected = [("new/a/v1/", "1"), ("new/a/v2/", "2"), ("new/b c@d/", "2")];
    let expected = expected.map(|(path, version)| (path.to_owned(), version.to_owned()));
    assert_eq!(table(world, "new/").await, expected);
    let listed = client.call("list_mounts", json!({})).await.unwrap();
    let listed = listed["mounts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["path"] == "new/a/v1/");
    let expected =
        json!({ "path": "new/a/v1/", "type": "kv", "version": 1, "description": "of the tests" });
    assert_eq!(listed, Some(&expected));
}

pub(crate) async fn settings_are_made_or_there_is_no_mount(world: &World) {
    let settings = json!({ "max_versions": 3, "cas_required": true });
    let arguments = |mount: &str| {
        let mut arguments = settings.clone();
        arguments["mount"] = json!(mount);
        arguments
    };
    let mut client = world.root().await;
    client
        .call("create_mount", arguments("set/yes"))
        .await
        .unwrap();
    let config = world.read("set/yes/config").await;
    assert_eq!(
        (&config["max_versions"], &config["cas_required"]),
        (&json!(3), &json!(true))
    );

    let mut of_v1 = arguments("set/v1");
    of_v1["version"] = json!(1);
    let error = client.call("create_mount", of_v1).await.unwrap_err();
    assert_eq!(error["kind"], "invalid_argument");

    let grants = [("sys/mounts/set/no", "create update delete")];
    let mut client = world.client("settings", &grants).await;
    let error = client
        .call("create_mount", arguments("set/no"))
        .await
        .unwrap_err();
    assert_eq!(error["kind"], "permission_denied");
    assert_eq!(error["missing_capability"]["path"], "set/no/config");
    assert!(
        error["message"].as_str().unwrap().contains("removed again"),
        "{error}"
    );
    assert_eq!(
        table(world, "set/").await,
        [("set/yes/".to_owned(), "2".to_owned())]
    );
}

pub(crate) async fn a_path_in_use_or_reserved_is_refused_in_vaults_words(world: &World) {
    world.mount("used/a/kv", 1).await;
    world.write("used/a/kv/app", json!({ "k": "v" })).await;
    let before = world.read("sys/mounts/used/a/kv").await;
    let mut client = world.root().await;
    for path in ["used/a/kv", "used/a", "used", "used/a/kv/below"] {
        let error = client.call("create_mount", mount(path)).await.unwrap_err();
        assert!(
            error["vault_messages"]
                .to_string()
                .contains("already in use"),
            "{error}"
        );
    }
    for path in [
        "sys",
        "sys/a",
        "identity",
        "identity/a",
        "cubbyhole",
        "auth",
        "auth/a",
    ] {
        let error = client.call("create_mount", mount(path)).await.unwrap_err();
        assert!(
            error["vault_messages"].to_string().contains("cannot mount"),
            "{error}"
        );
    }
    for path in ["sys", "identity", "cubbyhole"] {
        let error = client.call("delete_mount", mount(path)).await.unwrap_err();
        assert!(
            error["vault_messages"]
                .to_string()
                .contains("cannot unmount"),
            "{error}"
        );
    }
    for (prefix, mounts) in [
        ("used", 1),
        ("sys", 1),
        ("identity", 1),
        ("cubbyhole", 1),
        ("auth", 0),
    ] {
        assert_eq!(table(world, prefix).await.len(), mounts, "{prefix}");
    }
    assert_eq!(world.read("sys/mounts/used/a/kv").await, before);
    assert_eq!(world.read("used/a/kv/app").await, json!({ "k": "v" }));
}

pub(crate) async fn tuning_is_not_creating(world: &World) {
    world.mount("tuned", 2).await;
    let before = world.read("sys/mounts/tuned").await;
    let mut client = world.root().await;
    for tool in ["create_mount", "delete_mount"] {
        let error = client
            .call(tool, json!({ "mount": "tuned/tune" }))
            .await
            .unwrap_err();
        assert_eq!(error["kind"], "invalid_argument");
        assert!(
            error["message"].as_str().unwrap().contains("`mount`"),
            "{error}"
        );
    }
    assert_eq!(world.read("sys/mounts/tuned").await, before);
}

pub(crate) async fn a_mount_is_deleted_alone(world: &World) {
    for path in ["del/a/kv", "del/a/kv2", "del/b"] {
        world.mount(path, 2).await;
    }
    let mut client = world.root().await;
    let answer = client
        .call("delete_mount", mount("del/a/kv/"))
        .await
        .unwrap();
    assert_eq!(answer, json!({ "mount": "del/a/kv", "notes": [] }));
    let left: Vec<_> = table(world, "del/")
        .await
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    assert_eq!(left, ["del/a/kv2/", "del/b/"]);
}

pub(crate) async fn an_absent_mount_is_told(world: &World) {
    world.mount("here/a/kv", 2).await;
    let sees_the_table = [("sys/mounts", "read"), ("sys/mounts/*", "delete")];
    let sees_the_mount = [("here/*", "read"), ("sys/mounts/*", "delete")];
    let mut clients = [
        world.root().await,
        world.client("absent-table", &sees_the_table).await,
        world.client("absent-mount", &sees_the_mount).await,
    ];
    for (index, client) in clients.iter_mut().enumerate() {
        // The last one can check only paths in a mount that it sees.
        let paths = ["here/a/kv/app", "here", "here/a", "nowhere"];
        for path in &paths[..if index == 2 { 1 } else { 4 }] {
            let error = client.call("delete_mount", mount(path)).await.unwrap_err();
            assert_eq!(error["kind"], "not_found", "{path}");
        }
    }
    assert_eq!(table(world, "here/").await.len(), 1);
}

pub(crate) async fn a_token_that_sees_no_mounts_can_create_and_delete_one(world: &World) {
    let grants = [("sys/mounts/hidden", "create update delete")];
    let mut client = world.client("hidden", &grants).await;
    let answer = client.call("create_mount", mount("hidden")).await.unwrap();
    assert_eq!(answer["ready"], false);
    assert!(
        answer["notes"][0]
            .as_str()
            .unwrap()
            .contains("could not confirm"),
        "{answer}"
    );
    assert_eq!(table(world, "hidden").await.len(), 1);
    for _ in 0..2 {
        let answer = client.call("delete_mount", mount("hidden")).await.unwrap();
        assert!(
            answer["notes"][0]
                .as_str()
                .unwrap()
                .contains("could not check"),
            "{answer}"
        );
        assert!(table(world, "hidden").await.is_empty());
    }
    let error = client
        .call("delete_mount", mount("secret"))
        .await
        .unwrap_err();
    assert_eq!(
        error["missing_capability"],
        json!({ "capability": "delete", "path": "sys/mounts/secret" })
    );
}

pub(crate) async fn mounts_are_listed_as_far_as_the_token_may_see(world: &World) {
    world.mount("seen/a", 2).await;
    world.mount("unseen/a", 1).await;
    let of_mount = [("seen/a/data/app", "read")];
    let mut of_mount = world.client("sees-mount", &of_mount).await;
    let mut of_table = world.client("sees-table", &[("sys/mounts", "read")]).await;
    for (client, unseen) in [(&mut of_mount, false), (&mut of_table, true)] {
        let answer = client.call("list_mounts", json!({})).await.unwrap();
        let listed = |path: &str| {
            answer["mounts"]
                .as_array()
                .unwrap()
                .iter()
                .any(|it| it["path"] == path)
        };
        assert!(listed("seen/a/"));
        assert_eq!(listed("unseen/a/"), unseen);
        assert_eq!(answer.get("notes").is_some(), !unseen);
    }
}

pub(crate) async fn kv_tools_refuse_other_engines_by_their_type(world: &World) {
    for engine in ["pki", "transit"] {
        world
            .write(
                &format!("sys/mounts/other-{engine}"),
                json!({ "type": engine }),
            )
            .await;
    }
    world.write("cubbyhole/app", json!({ "k": "v" })).await;
    let mut client = world.root().await;
    for (mount, engine) in [
        ("other-pki", "pki"),
        ("other-transit", "transit"),
        ("cubbyhole", "cubbyhole"),
        ("identity", "identity"),
        ("sys", "system"),
    ] {
        for (tool, more) in [
            ("read_secret", json!({})),
            ("read_secret_metadata", json!({})),
            ("put_secret", json!({ "data": { "k": "v" } })),
            ("write_secret", json!({ "key": "k", "value": "v" })),
            ("delete_secret", json!({})),
            ("undelete_secret", json!({ "versions": [1] })),
            ("destroy_secret_versions", json!({ "versions": [1] })),
            ("purge_secret", json!({})),
        ] {
            let error = client.call(tool, app(mount, more)).await.unwrap_err();
            assert_eq!(error["kind"], "invalid_argument");
            assert!(
                error["message"]
                    .as_str()
                    .unwrap()
                    .contains(&format!("`{engine}`")),
                "{error}"
            );
        }
        for recursive in [true, false] {
            let list = json!({ "mount": mount, "recursive": recursive });
            let error = client.call("list_secrets", list).await.unwrap_err();
            assert_eq!(error["kind"], "invalid_argument");
        }
    }
    assert_eq!(world.read("cubbyhole/app").await, json!({ "k": "v" }));
    assert_eq!(world.names("cubbyhole").await, ["app"]);
}
