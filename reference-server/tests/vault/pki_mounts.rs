//! PKI mounts: creating one, and that the tools accept no other engine.

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{client::Client, world::World};

fn with_mount(mount: &str, more: &Value) -> Value {
    let mut arguments = json!({ "mount": mount });
    arguments
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    arguments
}

/// Every tool for PKI mounts, with valid arguments.
fn tools() -> Vec<(&'static str, Value)> {
    let root = json!({ "kind": "root", "issuer": "web", "common_name": "Web" });
    let intermediate = json!({ "kind": "intermediate", "issuer": "web", "common_name": "Web", "root_mount": "a-root" });
    let import = json!({ "kind": "import", "bundle": crate::x509::ca("Web").pem() });
    let serial = json!({ "serial_number": "01:02" });
    let request = crate::x509::request("web.test");
    vec![
        ("create_pki_issuer", root),
        ("create_pki_issuer", intermediate),
        ("create_pki_issuer", import),
        ("list_pki_issuers", json!({})),
        ("read_pki_issuer", json!({ "issuer": "web" })),
        ("create_pki_role", json!({ "role": "web" })),
        ("list_pki_roles", json!({})),
        ("read_pki_role", json!({ "role": "web" })),
        ("delete_pki_role", json!({ "role": "web" })),
        (
            "issue_pki_certificate",
            json!({ "role": "web", "common_name": "web.test" }),
        ),
        (
            "sign_pki_certificate",
            json!({ "role": "web", "csr": request }),
        ),
        ("revoke_pki_certificate", serial.clone()),
        ("list_pki_certificates", json!({})),
        ("read_pki_certificate", serial),
    ]
}

pub(crate) async fn a_pki_mount_is_made_with_its_longest_lifetime(world: &World) {
    let mut client = world.root().await;
    for (arguments, seconds) in [
        (json!({ "mount": "pm/a" }), 315_360_000),
        (
            json!({ "mount": "pm/b/", "max_ttl": "30d", "description": "of the tests" }),
            2_592_000,
        ),
    ] {
        let path = arguments["mount"]
            .as_str()
            .unwrap()
            .trim_end_matches('/')
            .to_owned();
        let answer = client.call("enable_pki", arguments.clone()).await.unwrap();
        assert_eq!(
            answer,
            json!({ "path": path, "max_ttl": seconds, "notes": [] })
        );
        let mount = world.read(&format!("sys/mounts/{path}")).await;
        assert_eq!(mount["type"], "pki");
        assert_eq!(mount["config"]["max_lease_ttl"], seconds);
        let description = arguments["description"].as_str().unwrap_or_default();
        assert_eq!(mount["description"], description);
    }
}

pub(crate) async fn a_path_in_use_stays_as_it_is(world: &World) {
    world.pki_with_root("pm-used").await;
    let before = world.read("sys/mounts/pm-used").await;
    let issuers = world.names("pm-used/issuers").await;
    let mut client = world.root().await;
    for (arguments, named) in [
        (json!({ "mount": "pm-used", "max_ttl": "1h" }), "mount"),
        (json!({ "mount": "pm-used/below" }), "mount"),
        (json!({ "mount": "sys/pki" }), "mount"),
        (json!({ "mount": "pm-used/tune" }), "mount"),
        (json!({ "mount": "pm-no", "max_ttl": "1y" }), "max_ttl"),
        (json!({ "mount": "pm-no", "max_ttl": "-1h" }), "max_ttl"),
        (json!({ "mount": "pm-no", "max_ttl": "0" }), "max_ttl"),
        (json!({ "mount": "pm-no", "max_ttl": "" }), "max_ttl"),
    ] {
        let error = client.call("enable_pki", arguments).await.unwrap_err();
        let message = error["message"].as_str().unwrap();
        // The error about `tune` is the same for every kind of mount.
        assert!(
            message.contains(&format!("`{named}`")) || message.contains("tune"),
            "{error}"
        );
    }
    assert_eq!(world.read("sys/mounts/pm-used").await, before);
    assert_eq!(world.names("pm-used/issuers").await, issuers);
    assert_eq!(world.read("sys/mounts/pm-no").await, Value::Null);
}

pub(crate) async fn a_token_that_may_not_look_is_told_what_was_asked_for(world: &World) {
    let grants = [("sys/mounts/pm-blind", "update")];
    let mut client = world.client("pm-blind", &grants).await;
    let enable = json!({ "mount": "pm-blind", "max_ttl": "100h" });
    let answer = client.call("enable_pki", enable).await.unwrap();
    assert_eq!(answer["max_ttl"], 360_000);
    assert!(
        answer["notes"][0]
            .as_str()
            .unwrap()
            .contains("may not look"),
        "{answer}"
    );
    assert_eq!(
        world.read("sys/mounts/pm-blind").await["config"]["max_lease_ttl"],
        360_000
    );

    let enable = json!({ "mount": "pm-other" });
    let error = client.call("enable_pki", enable).await.unwrap_err();
    let missing = json!({ "capability": "update", "path": "sys/mounts/pm-other" });
    assert_eq!(error["missing_capability"], missing);
}

pub(crate) async fn the_policy_of_the_tutorial_allows_what_it_grants(world: &World) {
    let policy = include_str!("../../../fixtures/policies/vault-mcp-developer.hcl");
    let token = world.token_with("pm-tutorial", policy).await;
    let mut client = Client::connect(world.address(), token.expose_secret()).await;
    let enabled = client
        .call("enable_pki", json!({ "mount": "pki" }))
        .await
        .unwrap();
    assert_eq!(enabled["notes"], json!([]));
    for (tool, arguments) in [
        (
            "create_pki_issuer",
            json!({ "kind": "root", "issuer": "root", "common_name": "Root", "ttl": "8760h" }),
        ),
        ("list_pki_issuers", json!({})),
        (
            "create_pki_role",
            json!({ "role": "web", "allowed_domains": ["test"], "allow_subdomains": true, "key_type": "ec" }),
        ),
        ("read_pki_role", json!({ "role": "web" })),
        ("list_pki_roles", json!({})),
        (
            "sign_pki_certificate",
            json!({ "role": "web", "csr": crate::x509::request("a.test"), "ttl": "72h" }),
        ),
        ("delete_pki_role", json!({ "role": "web" })),
    ] {
        let arguments = with_mount("pki", &arguments);
        client.call(tool, arguments).await.unwrap();
    }
    for (tool, arguments, path) in [
        (
            "issue_pki_certificate",
            json!({ "role": "web", "common_name": "a.test" }),
            "pki/issue/web",
        ),
        (
            "read_pki_issuer",
            json!({ "issuer": "root" }),
            "pki/issuer/root",
        ),
        ("list_pki_certificates", json!({}), "pki/certs/"),
        (
            "revoke_pki_certificate",
            json!({ "serial_number": "01:02" }),
            "pki/revoke",
        ),
    ] {
        let arguments = with_mount("pki", &arguments);
        let error = client.call(tool, arguments).await.unwrap_err();
        assert_eq!(error["kind"], "permission_denied", "{error}");
        assert_eq!(error["missing_capability"]["path"], path);
    }
    let error = client
        .call("enable_pki", json!({ "mount": "pki-internal" }))
        .await
        .unwrap_err();
    assert_eq!(
        error["missing_capability"]["path"],
        "sys/mounts/pki-internal"
    );
}

pub(crate) async fn an_empty_mount_lists_as_empty(world: &World) {
    world.pki("pm-empty").await;
    let mut client = world.root().await;
    for (tool, list) in [
        ("list_pki_issuers", "issuers"),
        ("list_pki_roles", "roles"),
        ("list_pki_certificates", "serial_numbers"),
    ] {
        for _ in 0..2 {
            let answer = client
                .call(tool, json!({ "mount": "pm-empty" }))
                .await
                .unwrap();
            assert_eq!(answer, json!({ list: [] }));
        }
    }
}

pub(crate) async fn public_lists_need_no_right(world: &World) {
    world.pki("pm-public/empty").await;
    world.pki_with_root("pm-public/full").await;
    let mut client = world.client("pm-public", &[("nothing", "read")]).await;
    let list = |mount: &str| json!({ "mount": mount });
    let answer = client
        .call("list_pki_issuers", list("pm-public/full"))
        .await
        .unwrap();
    assert_eq!(answer["issuers"][0]["issuer"], "root");
    assert_eq!(answer["issuers"][0]["is_default"], true);
    let answer = client
        .call("list_pki_issuers", list("pm-public/empty"))
        .await
        .unwrap();
    assert_eq!(answer["issuers"], json!([]));
    for (tool, mount, path) in [
        (
            "list_pki_issuers",
            "pm-public/none",
            "pm-public/none/issuers/",
        ),
        ("list_pki_roles", "pm-public/full", "pm-public/full/roles/"),
        (
            "list_pki_certificates",
            "pm-public/full",
            "pm-public/full/certs/",
        ),
    ] {
        let error = client.call(tool, list(mount)).await.unwrap_err();
        assert_eq!(error["kind"], "permission_denied");
        assert_eq!(
            error["missing_capability"],
            json!({ "capability": "list", "path": path })
        );
    }
}

pub(crate) async fn pki_tools_refuse_other_engines_and_change_nothing(world: &World) {
    world.mount("pm-kv/1", 1).await;
    world.mount("pm-kv/2", 2).await;
    world
        .write("sys/mounts/pm-transit", json!({ "type": "transit" }))
        .await;
    world
        .write(
            "pm-kv/1/roles/web",
            json!({ "canary": "a value that nobody asked for" }),
        )
        .await;
    let mut client = world.root().await;
    for (mount, engine) in [
        ("pm-kv/1", Some("kv")),
        ("pm-kv/2", Some("kv")),
        ("pm-transit", Some("transit")),
        ("cubbyhole", Some("cubbyhole")),
        ("identity", Some("identity")),
        ("sys", Some("system")),
        ("auth/token", None),
        ("pm-kv/1/below", None),
        ("pm-nowhere", None),
    ] {
        for (tool, more) in tools() {
            let error = client
                .call(tool, with_mount(mount, &more))
                .await
                .unwrap_err();
            let kind = error["kind"].as_str().unwrap();
            match engine {
                Some(engine) => {
                    let message = error["message"].as_str().unwrap();
                    assert!(
                        message.contains(&format!("`{engine}`")) && message.contains("`mount`"),
                        "{tool}: {error}"
                    );
                    assert_eq!(kind, "invalid_argument");
                }
                // Vault does not distinguish a missing mount from one without rights for this token.
                None => assert!(
                    ["not_found", "invalid_argument", "permission_denied"].contains(&kind),
                    "{error}"
                ),
            }
            assert!(!error.to_string().contains("nobody asked for"), "{error}");
        }
    }
    assert_eq!(world.names("pm-kv/1").await, ["roles/"]);
    assert_eq!(world.names("pm-kv/1/roles").await, ["web"]);
    assert!(world.names("pm-kv/2/metadata").await.is_empty());
    assert!(
        !world
            .names("cubbyhole")
            .await
            .iter()
            .any(|name| name == "roles/")
    );
}

pub(crate) async fn a_mount_that_was_replaced_is_never_written(world: &World) {
    let mut client = world.root().await;
    for (tool, more) in tools() {
        world.pki_with_root("pm-replaced").await;
        let list = json!({ "mount": "pm-replaced" });
        client.call("list_pki_issuers", list).await.unwrap();
        world.remount("pm-replaced", 1).await;
        world
            .write("pm-replaced/roles/web", json!({ "canary": "a value" }))
            .await;
        let arguments = with_mount("pm-replaced", &more);
        let error = client.call(tool, arguments).await.unwrap_err();
        assert_eq!(error["kind"], "invalid_argument", "{tool}: {error}");
        assert_eq!(world.names("pm-replaced").await, ["roles/"], "{tool}");
        assert_eq!(
            world.read("pm-replaced/roles/web").await,
            json!({ "canary": "a value" })
        );
        world
            .ask("DELETE", "sys/mounts/pm-replaced", Value::Null)
            .await;
    }
}
