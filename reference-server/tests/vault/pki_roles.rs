//! Roles: creating, reading, replacing, deleting.

use serde_json::{Value, json};

use crate::world::World;

fn role(mount: &str, role: &str) -> Value {
    json!({ "mount": mount, "role": role })
}

pub(crate) async fn a_role_is_made_with_its_name_alone(world: &World) {
    world.pki_with_root("pr-least").await;
    let mut client = world.root().await;
    let made = client
        .call("create_pki_role", role("pr-least", "web"))
        .await
        .unwrap();
    let expected = json!({
        "role": "web", "allowed_domains": [], "allow_subdomains": false, "allow_bare_domains": false,
        "allow_glob_domains": false, "allow_any_name": false, "allow_ip_sans": true,
        "key_type": "rsa", "key_bits": 2048, "ttl": 0, "max_ttl": 0, "notes": [],
    });
    assert_eq!(made, expected);
    let list = client
        .call("list_pki_roles", json!({ "mount": "pr-least" }))
        .await
        .unwrap();
    assert_eq!(list, json!({ "roles": ["web"] }));
}

pub(crate) async fn a_role_is_read_back_as_it_was_made(world: &World) {
    world.pki("pr-back").await;
    let mut client = world.root().await;
    let settings = json!({
        "mount": "pr-back", "role": "web.prod-1_a", "allowed_domains": ["example.com", "*.internal"],
        "allow_subdomains": true, "allow_bare_domains": true, "allow_glob_domains": true,
        "allow_any_name": true, "allow_ip_sans": false, "key_type": "ec", "key_bits": 384,
        "ttl": "72h", "max_ttl": "30d",
    });
    let made = client
        .call("create_pki_role", settings.clone())
        .await
        .unwrap();
    let read = client
        .call("read_pki_role", role("pr-back", "web.prod-1_a"))
        .await
        .unwrap();
    let stored = world.read("pr-back/roles/web.prod-1_a").await;
    for (key, asked) in settings.as_object().unwrap() {
        let expected = match key.as_str() {
            "mount" | "role" => continue,
            "ttl" => &json!(259_200),
            "max_ttl" => &json!(2_592_000),
            _ => asked,
        };
        for told in [&made, &read, &stored] {
            assert_eq!(&told[key], expected, "{key}");
        }
    }
    assert_eq!(read["role"], "web.prod-1_a");
}

pub(crate) async fn a_role_is_replaced_wholly(world: &World) {
    world.pki("pr-replace").await;
    let mut client = world.root().await;
    let mut settings = role("pr-replace", "web");
    settings["allow_any_name"] = json!(true);
    settings["ttl"] = json!("1h");
    client.call("create_pki_role", settings).await.unwrap();
    let made = client
        .call("create_pki_role", role("pr-replace", "web"))
        .await
        .unwrap();
    assert_eq!(
        (&made["allow_any_name"], &made["ttl"]),
        (&json!(false), &json!(0))
    );
}

pub(crate) async fn settings_that_are_lost_with_the_old_role_are_told(world: &World) {
    world.pki_with_root("pr-lost").await;
    let strict =
        json!({ "allow_wildcard_certificates": false, "organization": ["Example"], "ttl": "1h" });
    world.write("pr-lost/roles/web", strict).await;
    let mut client = world.root().await;
    let made = client
        .call("create_pki_role", role("pr-lost", "web"))
        .await
        .unwrap();
    let note = made["notes"][0].as_str().unwrap();
    let expected = r#"`allow_wildcard_certificates` was false, `organization` was ["Example"];"#;
    assert!(note.contains(expected), "{note}");
    let again = client
        .call("create_pki_role", role("pr-lost", "web"))
        .await
        .unwrap();
    assert_eq!(again["notes"], json!([]));
}

pub(crate) async fn a_role_that_cannot_be_is_refused_by_name(world: &World) {
    world.pki("pr-bad").await;
    let mut client = world.root().await;
    for (argument, value) in [
        ("role", json!("a/b")),
        ("role", json!("../a")),
        ("role", json!("a b")),
        ("role", json!("")),
        ("role", json!("-a")),
        ("ttl", json!("-1h")),
        ("ttl", json!("1y")),
        ("ttl", json!("")),
        ("ttl", json!("0")),
        ("ttl", json!("101h")),
        ("max_ttl", json!("forever")),
        ("max_ttl", json!(3600)),
        ("key_type", json!("dsa")),
        ("key_bits", json!(1024)),
        ("key_bits", json!(3000)),
        ("key_bits", json!(-1)),
        ("allowed_domains", json!(["a.test,b.test"])),
        ("allowed_domains", json!("a.test")),
        ("allowed_domains", json!([""])),
        ("allow_subdomains", json!("yes")),
        ("allow_wildcards", json!(true)),
    ] {
        let mut arguments = json!({ "mount": "pr-bad", "role": "bad", "max_ttl": "100h" });
        arguments[argument] = value;
        let error = client
            .call("create_pki_role", arguments.clone())
            .await
            .unwrap_err();
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains(&format!("`{argument}")),
            "{arguments}: {error}"
        );
    }
    assert!(world.names("pr-bad/roles").await.is_empty());
}

pub(crate) async fn an_absent_role_is_told(world: &World) {
    world.pki_with_root("pr-absent").await;
    let mut client = world.root().await;
    client
        .call("create_pki_role", role("pr-absent", "there"))
        .await
        .unwrap();
    for (tool, more) in [
        ("read_pki_role", json!({})),
        ("delete_pki_role", json!({})),
        ("issue_pki_certificate", json!({ "common_name": "a.test" })),
        (
            "sign_pki_certificate",
            json!({ "csr": crate::x509::request("a.test") }),
        ),
    ] {
        let mut arguments = role("pr-absent", "absent");
        arguments
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let error = client.call(tool, arguments).await.unwrap_err();
        assert_eq!(
            (&error["kind"], &error["role"]),
            (&json!("not_found"), &json!("absent")),
            "{tool}"
        );
        assert!(
            error["message"].as_str().unwrap().contains("`role`"),
            "{error}"
        );
        assert!(
            error["next_step"]
                .as_str()
                .unwrap()
                .contains("list_pki_roles"),
            "{error}"
        );
    }
    let deleted = client
        .call("delete_pki_role", role("pr-absent", "there"))
        .await
        .unwrap();
    assert_eq!(
        deleted,
        json!({ "mount": "pr-absent", "role": "there", "notes": [] })
    );
    assert!(world.names("pr-absent/roles").await.is_empty());
}

pub(crate) async fn a_token_that_may_write_but_not_read_a_role_is_told_what_is_not_known(
    world: &World,
) {
    world.pki("pr-blind").await;
    let grants = [("pr-blind/roles/*", "update delete")];
    let mut client = world.client("pr-blind", &grants).await;
    // Vault returns the role to the client that wrote it.
    let made = client
        .call("create_pki_role", role("pr-blind", "web"))
        .await
        .unwrap();
    assert_eq!(made["key_bits"], 2048);
    let error = client
        .call("read_pki_role", role("pr-blind", "web"))
        .await
        .unwrap_err();
    let missing = json!({ "capability": "read", "path": "pr-blind/roles/web" });
    assert_eq!(error["missing_capability"], missing);
    for _ in 0..2 {
        let deleted = client
            .call("delete_pki_role", role("pr-blind", "web"))
            .await
            .unwrap();
        assert!(
            deleted["notes"][0]
                .as_str()
                .unwrap()
                .contains("could not check"),
            "{deleted}"
        );
        assert!(world.names("pr-blind/roles").await.is_empty());
    }
    let mut client = world
        .client("pr-reads", &[("pr-blind/roles/*", "read")])
        .await;
    let error = client
        .call("create_pki_role", role("pr-blind", "web"))
        .await
        .unwrap_err();
    let missing = json!({ "capability": "update", "path": "pr-blind/roles/web" });
    assert_eq!(error["missing_capability"], missing);
}
