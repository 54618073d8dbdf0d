//! Certificates: issuing, signing, refusing and correcting, revoking; and where private keys appear.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::Command,
};

use crate::{
    client::Client,
    world::World,
    x509::{WEAK_REQUEST, facts, has_signed, request},
};

/// A PKI mount with a root and the role `web`, for names below `example.com`, up to 100 h.
async fn mount(world: &World, path: &str) {
    world.pki_with_root(path).await;
    let role = json!({
        "allowed_domains": ["example.com"], "allow_subdomains": true, "allow_ip_sans": false, "max_ttl": "100h",
        "allow_wildcard_certificates": false,
    });
    world.write(&format!("{path}/roles/web"), role).await;
}

fn issue(mount: &str, common_name: &str, more: Value) -> Value {
    let mut arguments = json!({ "mount": mount, "role": "web", "common_name": common_name });
    arguments
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    arguments
}

fn sign(mount: &str, csr: &str) -> Value {
    json!({ "mount": mount, "role": "web", "csr": csr })
}

pub(crate) async fn a_certificate_is_issued_with_all_that_was_asked_for(world: &World) {
    mount(world, "pc-all").await;
    let role = json!({ "allow_any_name": true, "key_type": "ec", "key_bits": 256 });
    world.write("pc-all/roles/web", role).await;
    let mut client = world.root().await;
    let more = json!({ "alt_names": ["b.test", "mail@c.test"], "ip_sans": ["10.0.0.1", "::1"], "ttl": "72h" });
    let issued = client
        .call("issue_pki_certificate", issue("pc-all", "a.test", more))
        .await
        .unwrap();
    let (subject, mut names, hours) = facts(&issued["certificate"]);
    names.sort();
    let expected = [
        "[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]",
        "[10, 0, 0, 1]",
        "a.test",
        "b.test",
        "mail@c.test",
    ];
    assert_eq!((subject.as_str(), hours), ("CN=a.test", 72));
    assert_eq!(names, expected);
    assert!(has_signed(&issued["issuing_ca"], &issued["certificate"]));
    assert_eq!(issued["ca_chain"], json!([issued["issuing_ca"]]));
    assert_eq!(issued["notes"], json!([]));
    assert_eq!(issued["private_key_type"], "ec");
    assert!(
        issued["private_key"]
            .as_str()
            .unwrap()
            .starts_with("-----BEGIN EC PRIVATE KEY-----")
    );
    let serial = issued["serial_number"].as_str().unwrap();
    let stored = world.read(&format!("pc-all/cert/{serial}")).await;
    assert_eq!(
        crate::x509::pem(&stored["certificate"]),
        crate::x509::pem(&issued["certificate"])
    );
    let list = client
        .call("list_pki_certificates", json!({ "mount": "pc-all" }))
        .await
        .unwrap();
    assert!(
        list["serial_numbers"]
            .as_array()
            .unwrap()
            .contains(&json!(serial))
    );
}

pub(crate) async fn an_intermediate_issues_with_the_chain_to_the_root(world: &World) {
    world.pki_with_root("pc-chain/top").await;
    world.pki("pc-chain/int").await;
    let mut client = world.root().await;
    let make = json!({
        "mount": "pc-chain/int", "kind": "intermediate", "issuer": "int", "common_name": "Int",
        "root_mount": "pc-chain/top",
    });
    let int = client.call("create_pki_issuer", make).await.unwrap();
    world
        .write("pc-chain/int/roles/web", json!({ "allow_any_name": true }))
        .await;
    let issued = client
        .call(
            "issue_pki_certificate",
            issue("pc-chain/int", "a.test", json!({ "ttl": "1h" })),
        )
        .await
        .unwrap();
    let chain = issued["ca_chain"].as_array().unwrap();
    assert_eq!(chain.len(), 2);
    assert!(has_signed(&chain[0], &issued["certificate"]) && has_signed(&chain[1], &chain[0]));
    assert_eq!(
        crate::x509::pem(&chain[0]),
        crate::x509::pem(&int["certificate"])
    );
    assert!(has_signed(
        &world.read("pc-chain/top/cert/ca").await["certificate"],
        &chain[1]
    ));
}

pub(crate) async fn a_lifetime_that_vault_shortens_is_told(world: &World) {
    mount(world, "pc-short").await;
    let mut client = world.root().await;
    let asked = json!({ "ttl": "200h" });
    for (tool, arguments) in [
        (
            "issue_pki_certificate",
            issue("pc-short", "a.example.com", asked.clone()),
        ),
        ("sign_pki_certificate", {
            world
                .write(
                    "pc-short/roles/any",
                    json!({ "allow_any_name": true, "key_type": "any", "max_ttl": "100h" }),
                )
                .await;
            let mut arguments = sign("pc-short", &request("a.example.com"));
            arguments["role"] = json!("any");
            arguments["ttl"] = json!("200h");
            arguments
        }),
    ] {
        let issued = client.call(tool, arguments).await.unwrap();
        let notes = issued["notes"].as_array().unwrap();
        assert!(
            notes[0]
                .as_str()
                .unwrap()
                .contains("asked for 200h, vault gave 100h, until "),
            "{notes:?}"
        );
        // Vault has the warning twice.
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(
            notes[1]
                .as_str()
                .unwrap()
                .contains("longer than permitted maxTTL"),
            "{notes:?}"
        );
    }
}

pub(crate) async fn a_refusal_names_the_argument_and_says_what_helps(world: &World) {
    mount(world, "pc-no").await;
    let open = json!({ "allow_any_name": true, "max_ttl": "87600h" });
    world.write("pc-no/roles/open", open).await;
    world
        .write(
            "pc-no/roles/keyless",
            json!({ "allow_any_name": true, "key_type": "any" }),
        )
        .await;
    let before = world.names("pc-no/certs").await;
    let mut client = world.root().await;
    let good = "a.example.com";
    for (common_name, more, named, helps) in [
        ("a.other.com", json!({}), "common_name", "allowed_domains"),
        (
            "example.com",
            json!({}),
            "common_name",
            "allow_bare_domains",
        ),
        ("*.example.com", json!({}), "common_name", "read_pki_role"),
        ("", json!({}), "common_name", ""),
        (
            good,
            json!({ "alt_names": ["b.other.com"] }),
            "alt_names",
            "allowed_domains",
        ),
        (
            good,
            json!({ "alt_names": ["mail@a.other.com"] }),
            "alt_names",
            "read_pki_role",
        ),
        (
            good,
            json!({ "alt_names": ["b.example.com,c.example.com"] }),
            "alt_names",
            "",
        ),
        (
            good,
            json!({ "alt_names": "b.example.com" }),
            "alt_names",
            "",
        ),
        (
            good,
            json!({ "ip_sans": ["10.0.0.1"] }),
            "ip_sans",
            "allow_ip_sans",
        ),
        (good, json!({ "ip_sans": ["10.0.0"] }), "ip_sans", ""),
        (good, json!({ "ttl": "-1h" }), "ttl", ""),
        (good, json!({ "ttl": "1y" }), "ttl", ""),
        (good, json!({ "ttl": "" }), "ttl", ""),
        (
            good,
            json!({ "ttl": "80000h", "role": "open" }),
            "ttl",
            "shorter",
        ),
        (
            good,
            json!({ "role": "keyless" }),
            "role",
            "sign_pki_certificate",
        ),
        (good, json!({ "role": "absent" }), "role", "list_pki_roles"),
        (good, json!({ "role": "a/b" }), "role", ""),
        (good, json!({ "role": "../sign/web" }), "role", ""),
    ] {
        let arguments = issue("pc-no", common_name, more);
        let error = client
            .call("issue_pki_certificate", arguments.clone())
            .await
            .unwrap_err();
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains(&format!("`{named}")),
            "{arguments}: {error}"
        );
        assert!(
            error["next_step"].as_str().unwrap().contains(helps),
            "{arguments}: {error}"
        );
        assert_eq!(
            (&error["mount"], &error["role"]),
            (&arguments["mount"], &arguments["role"])
        );
        if error["kind"] != "invalid_argument" {
            assert_eq!(error["status"], 400, "{error}");
            assert!(
                !error["vault_messages"].as_array().unwrap().is_empty(),
                "{error}"
            );
        }
    }
    assert_eq!(world.names("pc-no/certs").await, before);

    world.pki("pc-none").await;
    world
        .write("pc-none/roles/web", json!({ "allow_any_name": true }))
        .await;
    let error = client
        .call("issue_pki_certificate", issue("pc-none", good, json!({})))
        .await
        .unwrap_err();
    assert!(
        error["next_step"]
            .as_str()
            .unwrap()
            .contains("create_pki_issuer"),
        "{error}"
    );
}

pub(crate) async fn names_that_sound_like_arguments_mislead_nobody(world: &World) {
    mount(world, "pc-sound").await;
    world
        .write(
            "pc-sound/roles/any",
            json!({ "allowed_domains": ["other.com"], "key_type": "any" }),
        )
        .await;
    let mut client = world.root().await;
    for role in ["csr", "common_name", "ttl", "not_found"] {
        let mut issue = issue("pc-sound", "csr.example.com", json!({}));
        issue["role"] = json!(role);
        let mut sign = sign("pc-sound", &request("csr.example.com"));
        sign["role"] = json!(role);
        for (tool, arguments) in [
            ("issue_pki_certificate", issue),
            ("sign_pki_certificate", sign),
        ] {
            let error = client.call(tool, arguments).await.unwrap_err();
            assert!(
                error["message"]
                    .as_str()
                    .unwrap()
                    .starts_with("argument `role`"),
                "{error}"
            );
        }
    }
    for name in ["csr.test", "csr", "unknown-role", "PEM"] {
        let mut sign = sign("pc-sound", &request(name));
        sign["role"] = json!("any");
        let error = client.call("sign_pki_certificate", sign).await.unwrap_err();
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .starts_with("argument `common_name`"),
            "{error}"
        );
    }
}

pub(crate) async fn a_refused_certificate_is_put_right_with_the_tools_alone(world: &World) {
    mount(world, "pc-repair").await;
    let mut client = world.root().await;
    let name = "prod-inventory-service.prod.inventory.internal";
    let arguments = issue("pc-repair", name, json!({ "ttl": "72h" }));
    let error = client
        .call("issue_pki_certificate", arguments.clone())
        .await
        .unwrap_err();
    let said = format!("common name {name} not allowed by this role");
    assert_eq!(error["vault_messages"], json!([said]));
    assert_eq!(error["status"], 400);

    let role = json!({ "mount": error["mount"], "role": error["role"] });
    let before = client.call("read_pki_role", role.clone()).await.unwrap();
    let mut repaired = role;
    repaired["allowed_domains"] = json!([before["allowed_domains"][0], "prod.inventory.internal"]);
    repaired["allow_subdomains"] = before["allow_subdomains"].clone();
    client.call("create_pki_role", repaired).await.unwrap();
    let issued = client
        .call("issue_pki_certificate", arguments)
        .await
        .unwrap();
    assert_eq!(facts(&issued["certificate"]).2, 72);
    assert!(has_signed(&issued["issuing_ca"], &issued["certificate"]));
}

pub(crate) async fn a_request_is_signed_where_issuing_is_denied(world: &World) {
    mount(world, "pc-sign").await;
    world
        .write(
            "pc-sign/roles/web",
            json!({ "allow_any_name": true, "key_type": "ec" }),
        )
        .await;
    let grants = [("pc-sign/sign/*", "create update")];
    let mut client = world.client("pc-sign", &grants).await;
    let error = client
        .call(
            "issue_pki_certificate",
            issue("pc-sign", "a.test", json!({})),
        )
        .await
        .unwrap_err();
    assert_eq!(error["kind"], "permission_denied");
    let missing = json!({ "capability": "update", "path": "pc-sign/issue/web" });
    assert_eq!(error["missing_capability"], missing);
    assert!(
        error["next_step"]
            .as_str()
            .unwrap()
            .contains("`pc-sign/sign/web`"),
        "{error}"
    );

    let mut arguments = sign("pc-sign", &request("a.test"));
    arguments["ttl"] = json!("72h");
    let signed = client
        .call("sign_pki_certificate", arguments)
        .await
        .unwrap();
    let (subject, names, hours) = facts(&signed["certificate"]);
    assert_eq!((subject.as_str(), hours), ("CN=a.test", 72));
    assert_eq!(names, ["a.test"]);
    assert!(has_signed(&signed["issuing_ca"], &signed["certificate"]));
    assert_eq!(signed["notes"], json!([]));
    assert_eq!(signed.get("private_key"), None);
}

pub(crate) async fn what_the_role_takes_from_the_request_is_told(world: &World) {
    mount(world, "pc-taken").await;
    world
        .write(
            "pc-taken/roles/web",
            json!({ "allow_any_name": true, "key_type": "ec" }),
        )
        .await;
    let mut client = world.root().await;
    let mut arguments = sign("pc-taken", &request("a.test"));
    arguments["common_name"] = json!("A.TEST");
    arguments["alt_names"] = json!(["b.test"]);
    arguments["ip_sans"] = json!(["10.0.0.1"]);
    let signed = client
        .call("sign_pki_certificate", arguments)
        .await
        .unwrap();
    let notes = signed["notes"].as_array().unwrap();
    let own = notes[0].as_str().unwrap();
    assert!(own.ends_with("missing: b.test, 10.0.0.1"), "{notes:?}");
    // Vault itself names the domains, but not the addresses.
    assert!(
        notes[1..]
            .iter()
            .all(|note| note.as_str().unwrap().contains("use_csr_")),
        "{notes:?}"
    );
}

pub(crate) async fn a_request_that_is_broken_or_weak_is_refused_by_name(world: &World) {
    mount(world, "pc-broken").await;
    let before = world.names("pc-broken/certs").await;
    let mut client = world.root().await;
    let good = request("a.example.com");
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let secret = key.lines().nth(1).unwrap();
    for csr in [
        "garbage".to_owned(),
        good[..150].to_owned(),
        good.repeat(2),
        crate::x509::ca("A").pem(),
        key.clone(),
        good.clone() + &key,
        // Of the wrong type for the role, and too short.
        good.clone(),
        WEAK_REQUEST.to_owned(),
    ] {
        let error = client
            .call("sign_pki_certificate", sign("pc-broken", &csr))
            .await
            .unwrap_err();
        assert!(
            error["message"].as_str().unwrap().contains("`csr`"),
            "{csr}: {error}"
        );
        assert!(!error.to_string().contains(secret), "{error}");
    }
    world
        .write(
            "pc-broken/roles/web",
            json!({ "allowed_domains": ["other.com"], "key_type": "any" }),
        )
        .await;
    for (csr, named) in [(good.as_str(), "common_name"), (WEAK_REQUEST, "csr")] {
        let error = client
            .call("sign_pki_certificate", sign("pc-broken", csr))
            .await
            .unwrap_err();
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .contains(&format!("`{named}`")),
            "{error}"
        );
    }
    assert_eq!(world.names("pc-broken/certs").await, before);
}

pub(crate) async fn a_certificate_is_revoked_and_read_back(world: &World) {
    mount(world, "pc-revoke").await;
    let mut client = world.root().await;
    let issued = client
        .call(
            "issue_pki_certificate",
            issue("pc-revoke", "a.example.com", json!({})),
        )
        .await
        .unwrap();
    let serial = issued["serial_number"].as_str().unwrap();
    let arguments = |serial: &str| json!({ "mount": "pc-revoke", "serial_number": serial });
    let read = client
        .call("read_pki_certificate", arguments(serial))
        .await
        .unwrap();
    assert_eq!(read["serial_number"], issued["serial_number"]);
    assert_eq!(
        crate::x509::pem(&read["certificate"]),
        crate::x509::pem(&issued["certificate"])
    );
    assert_eq!(
        (&read["not_after"], read.get("revocation_time")),
        (&issued["not_after"], None)
    );

    let revoked = client
        .call("revoke_pki_certificate", arguments(serial))
        .await
        .unwrap();
    assert_eq!(revoked["serial_number"], serial);
    let stored = world.read(&format!("pc-revoke/cert/{serial}")).await;
    assert!(stored["revocation_time"].as_u64().unwrap() > 0);
    // Again, in another notation of the same number.
    let other = serial.to_uppercase().replace(':', "-");
    for tool in ["revoke_pki_certificate", "read_pki_certificate"] {
        let again = client.call(tool, arguments(&other)).await.unwrap();
        for fact in ["revocation_time", "revocation_time_rfc3339"] {
            assert_eq!(again[fact], stored[fact], "{tool}");
        }
        assert_eq!(again["serial_number"], serial);
    }
}

pub(crate) async fn serial_numbers_of_nothing_are_told(world: &World) {
    mount(world, "pc-serial").await;
    let mut client = world.root().await;
    let root = world.names("pc-serial/certs").await[0].clone();
    for tool in ["revoke_pki_certificate", "read_pki_certificate"] {
        for (serial, kind) in [
            ("01:02:03", "not_found"),
            ("zz", "invalid_argument"),
            ("010203", "invalid_argument"),
            ("ca", "invalid_argument"),
            ("../issuer/root", "invalid_argument"),
            ("", "invalid_argument"),
        ] {
            let arguments = json!({ "mount": "pc-serial", "serial_number": serial });
            let error = client.call(tool, arguments).await.unwrap_err();
            assert_eq!(error["kind"], kind, "{tool} {serial}: {error}");
            assert!(
                error["message"]
                    .as_str()
                    .unwrap()
                    .contains("`serial_number`"),
                "{error}"
            );
        }
    }
    let arguments = json!({ "mount": "pc-serial", "serial_number": root });
    let error = client
        .call("revoke_pki_certificate", arguments)
        .await
        .unwrap_err();
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("`serial_number`"),
        "{error}"
    );
    assert_eq!(world.read("pc-serial/issuer/root").await["revoked"], false);
}

/// Lines of a private key that are long enough to identify it.
fn secret_lines(key: &Value) -> Vec<String> {
    let lines = key
        .as_str()
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('-'));
    lines
        .filter(|line| line.len() > 30)
        .map(str::to_owned)
        .collect()
}

pub(crate) async fn a_private_key_is_in_its_answer_alone(world: &World) {
    mount(world, "pc-key").await;
    let mut server = Command::new(env!("CARGO_BIN_EXE_vault-mcp-reference"))
        .env_clear()
        .envs([
            ("VAULT_ADDR", world.address()),
            ("VAULT_TOKEN", world.root_token()),
            ("RUST_LOG", "trace"),
        ])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = server.stdin.take().unwrap();
    let mut answers = BufReader::new(server.stdout.take().unwrap()).lines();
    let mut log = server.stderr.take().unwrap();
    let log = tokio::spawn(async move {
        let mut text = String::new();
        log.read_to_string(&mut text).await.unwrap();
        text
    });
    let call = |id: u64, tool: &str, arguments: Value| {
        let params = json!({ "name": tool, "arguments": arguments });
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
    };
    let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "0" } });
    let ca = crate::x509::ca("Imported");
    let bundle = ca.pem() + &ca.key().serialize_pem();
    let import = json!({ "mount": "pc-key", "kind": "import", "bundle": bundle });
    let mut exchange = async |message: Value| {
        stdin
            .write_all(format!("{message}\n").as_bytes())
            .await
            .unwrap();
        let line = answers.next_line().await.unwrap().unwrap();
        serde_json::from_str::<Value>(&line).unwrap()
    };
    exchange(json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello })).await;
    let issued = exchange(call(
        2,
        "issue_pki_certificate",
        issue("pc-key", "a.example.com", json!({})),
    ))
    .await;
    let issued = &issued["result"]["structuredContent"];
    let serial = issued["serial_number"].as_str().unwrap();
    let mut secrets = secret_lines(&issued["private_key"]);
    secrets.extend(secret_lines(&json!(ca.key().serialize_pem())));
    assert!(secrets.len() > 10);
    let mut seen = String::new();
    for (id, (tool, arguments)) in [
        ("create_pki_issuer", import),
        ("list_pki_certificates", json!({ "mount": "pc-key" })),
        (
            "read_pki_certificate",
            json!({ "mount": "pc-key", "serial_number": serial }),
        ),
        ("list_pki_issuers", json!({ "mount": "pc-key" })),
        (
            "read_pki_issuer",
            json!({ "mount": "pc-key", "issuer": "root" }),
        ),
        ("read_pki_role", json!({ "mount": "pc-key", "role": "web" })),
        (
            "revoke_pki_certificate",
            json!({ "mount": "pc-key", "serial_number": serial }),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = exchange(call(id as u64 + 3, tool, arguments)).await;
        assert_ne!(answer["result"]["isError"], true, "{answer}");
        seen.push_str(&answer.to_string());
    }
    drop(stdin);
    assert!(server.wait().await.unwrap().success());
    let log = log.await.unwrap();
    assert!(log.contains("issue_pki_certificate"), "{log}");
    for secret in secrets {
        assert!(!seen.contains(&secret) && !log.contains(&secret));
    }
    // Next time the same server returns another key.
    let mut client = Client::connect(world.address(), world.root_token()).await;
    let other = client
        .call(
            "issue_pki_certificate",
            issue("pc-key", "a.example.com", json!({})),
        )
        .await
        .unwrap();
    assert_ne!(
        secret_lines(&other["private_key"])[1],
        secret_lines(&issued["private_key"])[1]
    );
}
