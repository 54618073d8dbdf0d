//! Issuers: roots, intermediates, imported CAs, and what is left after a failure.

use serde_json::{Value, json};

use crate::{
    world::World,
    x509::{ca, facts, has_signed},
};

fn root(mount: &str, issuer: &str) -> Value {
    json!({ "mount": mount, "kind": "root", "issuer": issuer, "common_name": "Example Root", "ttl": "2400h" })
}

fn intermediate(mount: &str, root_mount: &str) -> Value {
    json!({
        "mount": mount, "kind": "intermediate", "issuer": "int", "common_name": "Example Intermediate",
        "ttl": "1200h", "root_mount": root_mount,
    })
}

fn import(mount: &str, bundle: &str) -> Value {
    json!({ "mount": mount, "kind": "import", "bundle": bundle })
}

/// The number of issuers and of keys in a mount.
async fn counts(world: &World, mount: &str) -> (usize, usize) {
    let issuers = world.names(&format!("{mount}/issuers")).await.len();
    (issuers, world.names(&format!("{mount}/keys")).await.len())
}

pub(crate) async fn a_root_is_made_and_read_back(world: &World) {
    world.pki("pi-root").await;
    let mut client = world.root().await;
    let made = client
        .call("create_pki_issuer", root("pi-root", "root-2026"))
        .await
        .unwrap();
    let (subject, _, hours) = facts(&made["certificate"]);
    assert_eq!((subject.as_str(), hours), ("CN=Example Root", 2400));
    assert!(has_signed(&made["certificate"], &made["certificate"]));
    assert_eq!(made["ca_chain"], json!([made["certificate"]]));
    assert!(!made["notes"].to_string().contains("shorter"), "{made}");
    assert_eq!(made["issuers"][0]["issuer"], "root-2026");
    let id = &made["issuers"][0]["issuer_id"];

    let list = client
        .call("list_pki_issuers", json!({ "mount": "pi-root" }))
        .await
        .unwrap();
    let listed = json!([{ "issuer_id": id, "issuer": "root-2026", "is_default": true, "has_private_key": true }]);
    assert_eq!(list["issuers"], listed);
    for issuer in [json!("root-2026"), json!("default"), id.clone()] {
        let read = json!({ "mount": "pi-root", "issuer": issuer });
        let read = client.call("read_pki_issuer", read).await.unwrap();
        assert_eq!(&read["issuer_id"], id);
        for fact in ["serial_number", "not_before", "not_after"] {
            assert_eq!(read[fact], made[fact]);
        }
        assert_eq!(
            (&read["has_private_key"], &read["revoked"]),
            (&json!(true), &json!(false))
        );
    }
}

pub(crate) async fn a_root_that_vault_cuts_short_is_told(world: &World) {
    world
        .write("sys/mounts/pi-untuned", json!({ "type": "pki" }))
        .await;
    let mut client = world.root().await;
    let made = client
        .call("create_pki_issuer", root("pi-untuned", "root"))
        .await
        .unwrap();
    assert_eq!(facts(&made["certificate"]).2, 768);
    let note = made["notes"][0].as_str().unwrap();
    assert!(
        note.contains("asked for 2400h, vault gave 768h, until "),
        "{note}"
    );
    assert!(
        note.ends_with(made["not_after"].as_str().unwrap()),
        "{note}"
    );
}

pub(crate) async fn an_intermediate_is_signed_by_the_issuer_that_is_named(world: &World) {
    world.pki("pi-top").await;
    let mut client = world.root().await;
    let first = client
        .call("create_pki_issuer", root("pi-top", "first"))
        .await
        .unwrap();
    let second = client
        .call("create_pki_issuer", root("pi-top", "second"))
        .await
        .unwrap();
    for (mount, root_issuer, signer) in [
        ("pi-int/1", None, &first),
        ("pi-int/2", Some("second"), &second),
    ] {
        world.pki(mount).await;
        let mut arguments = intermediate(mount, "pi-top");
        if let Some(root_issuer) = root_issuer {
            arguments["root_issuer"] = json!(root_issuer);
        }
        let made = client.call("create_pki_issuer", arguments).await.unwrap();
        let (subject, _, hours) = facts(&made["certificate"]);
        assert_eq!((subject.as_str(), hours), ("CN=Example Intermediate", 1200));
        assert!(has_signed(&signer["certificate"], &made["certificate"]));
        assert_eq!(
            made["ca_chain"],
            json!([made["certificate"], signer["certificate"]])
        );
        assert_eq!(made["issuers"][0]["issuer"], "int");

        let read = json!({ "mount": mount, "issuer": "int" });
        let read = client.call("read_pki_issuer", read).await.unwrap();
        assert_eq!(read["issuer_id"], made["issuers"][0]["issuer_id"]);
        assert_eq!(read["ca_chain"].as_array().unwrap().len(), 2);
        let list = client
            .call("list_pki_issuers", json!({ "mount": mount }))
            .await
            .unwrap();
        let of_int = list["issuers"]
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["issuer"] == "int");
        assert_eq!(of_int.unwrap()["is_default"], true);
    }
    // A CA does not outlast its own issuer; Vault does not report that.
    world.pki("pi-int/3").await;
    let mut arguments = intermediate("pi-int/3", "pi-top");
    arguments["ttl"] = json!("9000h");
    let made = client.call("create_pki_issuer", arguments).await.unwrap();
    let note = made["notes"][0].as_str().unwrap();
    assert!(note.contains("asked for 9000h"), "{made}");
}

pub(crate) async fn an_intermediate_that_is_not_finished_leaves_nothing_behind(world: &World) {
    world.pki_with_root("pi-half/top").await;
    world.pki("pi-half/empty").await;
    world.mount("pi-half/kv", 1).await;
    world.pki_with_root("pi-half/int").await;
    let before = counts(world, "pi-half/int").await;
    let mut client = world.root().await;
    let cases = [
        ("root_mount", json!("pi-half/empty"), "root_mount"),
        ("root_mount", json!("pi-half/kv"), "root_mount"),
        ("root_mount", json!("pi-half/nowhere"), "root_mount"),
        ("root_mount", json!("a//b"), "root_mount"),
        ("root_issuer", json!("nobody"), "root_issuer"),
        ("root_issuer", json!("a/b"), "root_issuer"),
        ("issuer", json!("root"), "issuer"),
        ("ttl", json!("1y"), "ttl"),
    ];
    for (argument, value, named) in cases {
        let mut arguments = intermediate("pi-half/int", "pi-half/top");
        arguments[argument] = value;
        let error = client
            .call("create_pki_issuer", arguments.clone())
            .await
            .unwrap_err();
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains(&format!("`{named}`")),
            "{arguments}: {error}"
        );
        assert_eq!(counts(world, "pi-half/int").await, before, "{arguments}");
    }
    assert!(world.names("pi-half/kv").await.is_empty());
    let signed_before = world.names("pi-half/top/certs").await.len();
    let whole = [
        "intermediate/generate/internal",
        "intermediate/set-signed",
        "issuer/*",
        "key/*",
    ];
    // Each policy lacks one right, but can remove what was created.
    for (index, missing) in [
        "intermediate/generate/internal",
        "intermediate/set-signed",
        "issuer/*",
    ]
    .into_iter()
    .enumerate()
    {
        let grants: Vec<_> = whole
            .iter()
            .map(|path| {
                let capabilities = if *path == missing {
                    "delete"
                } else {
                    "update delete"
                };
                (format!("pi-half/int/{path}"), capabilities)
            })
            .chain([("pi-half/top/root/sign-intermediate".to_owned(), "update")])
            .collect();
        let grants: Vec<_> = grants
            .iter()
            .map(|(path, it)| (path.as_str(), *it))
            .collect();
        let mut client = world.client(&format!("pi-half-{index}"), &grants).await;
        let arguments = intermediate("pi-half/int", "pi-half/top");
        let error = client
            .call("create_pki_issuer", arguments)
            .await
            .unwrap_err();
        assert_eq!(error["kind"], "permission_denied", "{error}");
        let denied = error["missing_capability"]["path"].as_str().unwrap();
        assert!(
            denied.starts_with(&format!("pi-half/int/{}", missing.trim_end_matches('*'))),
            "{error}"
        );
        let message = error["message"].as_str().unwrap();
        assert_eq!(message.contains("was removed again"), index > 0, "{error}");
        assert_eq!(message.contains("stays on record"), index > 0, "{error}");
        assert_eq!(counts(world, "pi-half/int").await, before, "{missing}");
    }
    // The signed certificate is in no mount as an issuer.
    assert_eq!(
        world.names("pi-half/top/certs").await.len(),
        signed_before + 2
    );
    assert_eq!(world.names("pi-half/top/issuers").await.len(), 1);
}

pub(crate) async fn what_could_not_be_removed_again_is_told(world: &World) {
    world.pki("pi-left").await;
    world.pki("pi-left-top").await;
    let grants = [
        ("pi-left/intermediate/*", "update"),
        ("pi-left-top/root/*", "update"),
    ];
    let mut client = world.client("pi-left", &grants).await;
    let arguments = intermediate("pi-left", "pi-left-top");
    let error = client
        .call("create_pki_issuer", arguments)
        .await
        .unwrap_err();
    let keys = world.names("pi-left/keys").await;
    assert_eq!(keys.len(), 1);
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains(&format!("pi-left/key/{}", keys[0])),
        "{error}"
    );
}

pub(crate) async fn names_that_are_taken_reserved_or_malformed_are_refused(world: &World) {
    world.pki_with_root("pi-names").await;
    let id = world.names("pi-names/issuers").await[0].clone();
    let mut client = world.root().await;
    for issuer in [
        "root",
        "default",
        id.as_str(),
        "a/b",
        "a b",
        "../a",
        "-a",
        "",
        "ä",
    ] {
        for arguments in [
            root("pi-names", issuer),
            {
                let mut arguments = intermediate("pi-names", "pi-names");
                arguments["issuer"] = json!(issuer);
                arguments
            },
            {
                let mut arguments = import("pi-names", &ca("Names").pem());
                arguments["issuer"] = json!(issuer);
                arguments
            },
        ] {
            let error = client
                .call("create_pki_issuer", arguments)
                .await
                .unwrap_err();
            assert!(
                error["message"].as_str().unwrap().contains("`issuer`"),
                "{error}"
            );
            assert_eq!(counts(world, "pi-names").await, (1, 1), "{issuer}");
        }
    }
}

pub(crate) async fn arguments_have_to_fit_the_kind(world: &World) {
    world.pki("pi-kind").await;
    let mut client = world.root().await;
    for (arguments, named) in [
        (json!({}), "kind"),
        (json!({ "kind": "leaf" }), "kind"),
        (json!({ "kind": "root", "common_name": "a" }), "issuer"),
        (json!({ "kind": "root", "issuer": "a" }), "common_name"),
        (
            json!({ "kind": "root", "issuer": "a", "common_name": "a", "bundle": "canary" }),
            "bundle",
        ),
        (
            json!({ "kind": "root", "issuer": "a", "common_name": "a", "root_mount": "b" }),
            "root_mount",
        ),
        (
            json!({ "kind": "root", "issuer": "a", "common_name": "a", "ttl": "-1h" }),
            "ttl",
        ),
        (
            json!({ "kind": "intermediate", "issuer": "a", "common_name": "a" }),
            "root_mount",
        ),
        (json!({ "kind": "import" }), "bundle"),
        (
            json!({ "kind": "import", "bundle": "canary", "ttl": "1h" }),
            "ttl",
        ),
        (json!({ "kind": "import", "bundle": "canary" }), "bundle"),
    ] {
        let mut arguments = arguments;
        arguments["mount"] = json!("pi-kind");
        let error = client
            .call("create_pki_issuer", arguments.clone())
            .await
            .unwrap_err();
        assert_eq!(error["kind"], "invalid_argument");
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .contains(&format!("`{named}`")),
            "{arguments}: {error}"
        );
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    assert_eq!(counts(world, "pi-kind").await, (0, 0));
}

pub(crate) async fn a_bundle_is_imported_with_its_key(world: &World) {
    world.pki("pi-import").await;
    let (with_key, without_key) = (ca("With Key"), ca("Without Key"));
    let key = with_key.key().serialize_pem();
    let bundle = [without_key.pem(), with_key.pem(), key].concat();
    let mut client = world.root().await;
    let mut arguments = import("pi-import", &bundle);
    arguments["issuer"] = json!("taken-in");
    let made = client
        .call("create_pki_issuer", arguments.clone())
        .await
        .unwrap();
    assert_eq!(facts_of_import(&made), "CN=With Key");
    assert_eq!(made["issuers"].as_array().unwrap().len(), 2);
    assert_eq!(made["issuers"][0]["issuer"], "taken-in");
    let without = made["issuers"][1]["issuer_id"].as_str().unwrap();
    assert!(
        made["notes"]
            .to_string()
            .contains(&format!("cannot sign: {without}")),
        "{made}"
    );
    assert!(!made.to_string().contains("PRIVATE KEY"));
    assert_eq!(counts(world, "pi-import").await, (2, 1));

    // The imported issuer signs.
    world
        .write("pi-import/roles/web", json!({ "allow_any_name": true }))
        .await;
    let issue =
        json!({ "mount": "pi-import", "role": "web", "common_name": "a.test", "ttl": "1h" });
    let issued = client.call("issue_pki_certificate", issue).await.unwrap();
    assert!(has_signed(&made["certificate"], &issued["certificate"]));

    // Several keys, with the blocks that OpenSSL puts before them.
    let (first, second) = (ca("First"), ca("Second"));
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let key = |ca: &rcgen::CertifiedIssuer<'_, rcgen::KeyPair>| {
        parameters.to_owned() + &ca.key().serialize_pem()
    };
    let two = [first.pem(), key(&first), second.pem(), key(&second)].concat();
    let both = client
        .call("create_pki_issuer", import("pi-import", &two))
        .await
        .unwrap();
    assert_eq!(both["issuers"].as_array().unwrap().len(), 2);
    assert!(!both["notes"].to_string().contains("cannot sign"), "{both}");
    assert_eq!(counts(world, "pi-import").await, (4, 3));

    // A repetition changes nothing.
    let before = world.ask("LIST", "pi-import/issuers", Value::Null).await.1["data"].clone();
    arguments.as_object_mut().unwrap().remove("issuer");
    let again = client.call("create_pki_issuer", arguments).await.unwrap();
    assert!(
        again["notes"]
            .to_string()
            .contains("had these issuers already"),
        "{again}"
    );
    assert_eq!(again["issuers"], made["issuers"]);
    assert_eq!(
        world.ask("LIST", "pi-import/issuers", Value::Null).await.1["data"],
        before
    );
}

fn facts_of_import(made: &Value) -> String {
    let pem = crate::x509::pem(&made["certificate"]);
    pem.parse_x509().unwrap().subject().to_string()
}

pub(crate) async fn certificates_alone_need_less_of_a_policy_than_keys(world: &World) {
    world.pki("pi-less").await;
    let grants = [("pi-less/issuers/import/cert", "update")];
    let mut client = world.client("pi-less", &grants).await;
    let ca = ca("Less");
    let made = client
        .call("create_pki_issuer", import("pi-less", &ca.pem()))
        .await
        .unwrap();
    assert_eq!(facts_of_import(&made), "CN=Less");
    let key = ca.key().serialize_pem();
    let error = client
        .call("create_pki_issuer", import("pi-less", &(ca.pem() + &key)))
        .await
        .unwrap_err();
    let missing = json!({ "capability": "update", "path": "pi-less/issuers/import/bundle" });
    assert_eq!(error["missing_capability"], missing);
    assert_eq!(counts(world, "pi-less").await, (1, 0));
}

pub(crate) async fn a_bundle_that_is_damaged_changes_nothing(world: &World) {
    world.pki_with_root("pi-damaged").await;
    let (ca, other) = (ca("Damaged"), ca("Other"));
    let key = ca.key().serialize_pem();
    let secret = key.lines().nth(1).unwrap().to_owned();
    let damaged_key = key.replace(&secret, &"A".repeat(secret.len()));
    let mut client = world.root().await;
    for bundle in [
        "garbage".to_owned(),
        ca.pem()[..300].to_owned(),
        key.clone(),
        ca.pem() + &key[..100],
        ca.pem() + "and then some",
        ca.pem().replace("CERTIFICATE", "CERTIFICATE REQUEST"),
        ca.pem() + &damaged_key,
        // Vault accepts the first key of this bundle before it rejects the second.
        ca.pem() + &other.pem() + &other.key().serialize_pem() + &damaged_key,
    ] {
        let error = client
            .call("create_pki_issuer", import("pi-damaged", &bundle))
            .await
            .unwrap_err();
        assert!(
            error["message"].as_str().unwrap().contains("`bundle`"),
            "{error}"
        );
        assert!(
            !error.to_string().contains(&secret) && !error.to_string().contains("AAAAAA"),
            "{error}"
        );
        assert_eq!(counts(world, "pi-damaged").await, (1, 1), "{bundle}");
    }
}

pub(crate) async fn an_absent_issuer_is_told_from_a_denied_one(world: &World) {
    world.pki_with_root("pi-absent").await;
    let mut client = world.root().await;
    let read = |issuer: &str| json!({ "mount": "pi-absent", "issuer": issuer });
    let error = client
        .call("read_pki_issuer", read("nobody"))
        .await
        .unwrap_err();
    assert_eq!(
        (&error["kind"], &error["issuer"]),
        (&json!("not_found"), &json!("nobody"))
    );
    assert!(
        error["message"].as_str().unwrap().contains("`issuer`"),
        "{error}"
    );
    let mut client = world
        .client("pi-absent", &[("pi-absent/roles/*", "read")])
        .await;
    for issuer in ["nobody", "root"] {
        let error = client
            .call("read_pki_issuer", read(issuer))
            .await
            .unwrap_err();
        let missing = json!({ "capability": "read", "path": format!("pi-absent/issuer/{issuer}") });
        assert_eq!(error["missing_capability"], missing);
    }
}
