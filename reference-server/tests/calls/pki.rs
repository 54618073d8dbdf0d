//! The requests of the PKI tools, and how they treat a Vault that is old, slow or another engine.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use crate::connect;

const MOUNT: &str = "GET sys/internal/ui/mounts/pki";

/// A Vault that answers by `METHOD path`, and with 404 otherwise. It gives several answers one after the other, and
/// repeats the last one.
#[derive(Clone, Default)]
struct FakePki {
    answers: Arc<Mutex<BTreeMap<String, Vec<ResponseTemplate>>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl FakePki {
    /// A Vault with an empty PKI mount, `pki`.
    async fn start() -> (MockServer, Self) {
        let vault = Self::default();
        vault.answer(
            MOUNT,
            200,
            json!({ "data": { "path": "pki/", "type": "pki" } }),
        );
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(vault.clone())
            .mount(&server)
            .await;
        (server, vault)
    }

    /// Sets the answer.
    fn answer(&self, request: &str, status: u16, body: Value) {
        self.answer_with(request, ResponseTemplate::new(status).set_body_json(body));
    }

    fn answer_with(&self, request: &str, answer: ResponseTemplate) {
        let mut answers = self.answers.lock().unwrap();
        answers.insert(request.to_owned(), vec![answer]);
    }

    /// Appends an answer to the existing ones.
    fn then_answer(&self, request: &str, status: u16, body: Value) {
        let answer = ResponseTemplate::new(status).set_body_json(body);
        let mut answers = self.answers.lock().unwrap();
        answers.entry(request.to_owned()).or_default().push(answer);
    }

    fn never_answer(&self, request: &str) {
        let never = ResponseTemplate::new(200).set_delay(Duration::from_secs(3600));
        self.answer_with(request, never);
    }

    fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }

    async fn wait_for(&self, request: &str) {
        while !self.requests.lock().unwrap().iter().any(|it| it == request) {
            tokio::task::yield_now().await;
        }
    }
}

impl Respond for FakePki {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let path = request.url.path().trim_start_matches("/v1/");
        let request = format!("{} {path}", request.method);
        self.requests.lock().unwrap().push(request.clone());
        let mut answers = self.answers.lock().unwrap();
        match answers.get_mut(&request) {
            Some(answers) if answers.len() > 1 => answers.remove(0),
            Some(answers) => answers[0].clone(),
            None => ResponseTemplate::new(404).set_body_json(json!({ "errors": [] })),
        }
    }
}

fn of_pki(data: Value) -> Value {
    json!({ "data": data, "mount_type": "pki" })
}

fn role() -> Value {
    json!({
        "allowed_domains": null, "allow_subdomains": false, "allow_bare_domains": false, "allow_glob_domains": false,
        "allow_any_name": false, "allow_ip_sans": true, "key_type": "rsa", "key_bits": 2048, "ttl": 0, "max_ttl": 0,
    })
}

fn web() -> Value {
    json!({ "mount": "pki", "role": "web" })
}

fn intermediate() -> Value {
    json!({
        "mount": "pki", "kind": "intermediate", "issuer": "int", "common_name": "Int", "root_mount": "pki",
    })
}

#[tokio::test]
async fn a_read_takes_one_request_where_the_mount_is_known() {
    let (server, vault) = FakePki::start().await;
    vault.answer("GET pki/roles/web", 200, of_pki(role()));
    let mut client = connect(&server.uri()).await;
    client.call("read_pki_role", web()).await.unwrap();
    assert_eq!(vault.take_requests(), [MOUNT, "GET pki/roles/web"]);
    client.call("read_pki_role", web()).await.unwrap();
    assert_eq!(vault.take_requests(), ["GET pki/roles/web"]);
}

#[tokio::test]
async fn a_change_takes_one_request_after_the_mount_was_verified() {
    let (server, vault) = FakePki::start().await;
    let forbidden = json!({ "errors": ["permission denied"] });
    for path in ["issue/web", "revoke", "root/generate/internal"] {
        vault.answer(&format!("POST pki/{path}"), 403, forbidden.clone());
    }
    let mut client = connect(&server.uri()).await;
    for (tool, arguments, path) in [
        (
            "issue_pki_certificate",
            json!({ "mount": "pki", "role": "web", "common_name": "a" }),
            "issue/web",
        ),
        (
            "revoke_pki_certificate",
            json!({ "mount": "pki", "serial_number": "01:02" }),
            "revoke",
        ),
        (
            "create_pki_issuer",
            json!({ "mount": "pki", "kind": "root", "issuer": "a", "common_name": "a" }),
            "root/generate/internal",
        ),
    ] {
        for _ in 0..2 {
            let error = client.call(tool, arguments.clone()).await.unwrap_err();
            let missing = json!({ "capability": "update", "path": format!("pki/{path}") });
            assert_eq!(error["missing_capability"], missing);
            assert_eq!(
                vault.take_requests(),
                [MOUNT.to_owned(), format!("POST pki/{path}")]
            );
        }
    }
}

#[tokio::test]
async fn a_role_is_looked_at_before_it_is_replaced() {
    let (server, vault) = FakePki::start().await;
    vault.answer("POST pki/roles/web", 200, of_pki(role()));
    let mut client = connect(&server.uri()).await;
    for status in [404, 403, 500] {
        vault.answer("GET pki/roles/web", status, json!({ "errors": [] }));
        client.call("create_pki_role", web()).await.unwrap();
        let expected = [MOUNT, "GET pki/roles/web", "POST pki/roles/web"];
        assert_eq!(vault.take_requests(), expected);
    }
}

#[tokio::test]
async fn wrong_arguments_reach_no_vault() {
    let (server, vault) = FakePki::start().await;
    let mut client = connect(&server.uri()).await;
    for (tool, arguments, named) in [
        (
            "enable_pki",
            json!({ "mount": "pki", "max_ttl": "canary" }),
            "max_ttl",
        ),
        ("list_pki_roles", json!({ "mount": "../canary" }), "mount"),
        (
            "create_pki_role",
            json!({ "mount": "pki", "role": "canary/.." }),
            "role",
        ),
        (
            "sign_pki_certificate",
            json!({ "mount": "pki", "role": "web", "csr": "canary" }),
            "csr",
        ),
        (
            "issue_pki_certificate",
            json!({ "mount": "pki", "role": "web", "common_name": "a", "ip_sans": ["canary"] }),
            "ip_sans",
        ),
        (
            "create_pki_issuer",
            json!({ "mount": "pki", "kind": "import", "bundle": "canary" }),
            "bundle",
        ),
        (
            "revoke_pki_certificate",
            json!({ "mount": "pki", "serial_number": "not a number" }),
            "serial_number",
        ),
    ] {
        let error = client.call(tool, arguments).await.unwrap_err();
        assert_eq!(error["kind"], "invalid_argument");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(&format!("`{named}`")), "{error}");
        assert!(!message.contains("canary"), "{error}");
    }
    assert_eq!(vault.take_requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_vault_that_does_not_answer_with_the_role_is_asked_for_it() {
    let (server, vault) = FakePki::start().await;
    vault.answer_with("POST pki/roles/web", ResponseTemplate::new(204));
    vault.answer("GET pki/roles/web", 200, of_pki(role()));
    let mut client = connect(&server.uri()).await;
    let made = client.call("create_pki_role", web()).await.unwrap();
    assert_eq!(made["key_bits"], 2048);

    vault.answer(
        "GET pki/roles/web",
        403,
        json!({ "errors": ["permission denied"] }),
    );
    let made = client.call("create_pki_role", web()).await.unwrap();
    assert_eq!((&made["role"], made.get("key_bits")), (&json!("web"), None));
    assert!(
        made["notes"][0]
            .as_str()
            .unwrap()
            .contains("may not read it"),
        "{made}"
    );
}

#[tokio::test]
async fn an_answer_of_another_engine_is_not_shown() {
    let (server, vault) = FakePki::start().await;
    let mut client = connect(&server.uri()).await;
    for body in [
        json!({ "data": role(), "mount_type": "kv" }),
        json!({ "data": { "password": "canary" } }),
        json!({ "canary": true }),
    ] {
        vault.answer("GET pki/roles/web", 200, body);
        for _ in 0..2 {
            let error = client.call("read_pki_role", web()).await.unwrap_err();
            assert_eq!(error["kind"], "unexpected_answer");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
        vault.answer(
            MOUNT,
            200,
            json!({ "data": { "path": "pki/", "type": "kv" } }),
        );
        let error = client.call("read_pki_role", web()).await.unwrap_err();
        assert_eq!(error["kind"], "invalid_argument");
        vault.answer(
            MOUNT,
            200,
            json!({ "data": { "path": "pki/", "type": "pki" } }),
        );
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_is_an_error_without_its_key() {
    let (server, vault) = FakePki::start().await;
    let made = json!({ "certificate": "garbage", "issuing_ca": "", "private_key": "canary", "private_key_type": "ec" });
    vault.answer("POST pki/issue/web", 200, of_pki(made));
    let mut client = connect(&server.uri()).await;
    let issue = json!({ "mount": "pki", "role": "web", "common_name": "a" });
    let error = client
        .call("issue_pki_certificate", issue)
        .await
        .unwrap_err();
    assert_eq!(error["kind"], "unexpected_answer");
    assert!(!error.to_string().contains("canary"), "{error}");
}

#[tokio::test]
async fn what_a_cancelled_call_had_made_is_removed() {
    let (server, vault) = FakePki::start().await;
    let made = json!({ "csr": "a request", "key_id": "1b2c" });
    vault.answer("POST pki/intermediate/generate/internal", 200, of_pki(made));
    vault.never_answer("POST pki/root/sign-intermediate");
    let mut client = connect(&server.uri()).await;
    let params = json!({ "name": "create_pki_issuer", "arguments": intermediate() });
    let id = client.start("tools/call", params).await;
    vault.wait_for("POST pki/root/sign-intermediate").await;
    let cancelled = json!({ "requestId": id });
    client
        .send(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled }))
        .await;
    vault.wait_for("DELETE pki/key/1b2c").await;
}

#[tokio::test]
async fn an_id_that_leaves_its_place_is_asked_for_nowhere() {
    let (server, vault) = FakePki::start().await;
    let made = json!({ "csr": "a request", "key_id": "../../sys/mounts/pki" });
    vault.answer("POST pki/intermediate/generate/internal", 200, of_pki(made));
    let mut client = connect(&server.uri()).await;
    let error = client
        .call("create_pki_issuer", intermediate())
        .await
        .unwrap_err();
    assert_eq!(error["kind"], "unexpected_answer");
    assert!(
        !vault
            .take_requests()
            .iter()
            .any(|request| request.starts_with("DELETE"))
    );
}

#[tokio::test]
async fn what_vault_kept_of_a_bundle_that_it_refused_is_removed_or_told() {
    let (server, vault) = FakePki::start().await;
    let mut params = rcgen::CertificateParams::new([]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.serial_number = Some(vec![0x01, 0x02].into());
    let key = rcgen::KeyPair::generate().unwrap();
    let bundle = params.self_signed(&key).unwrap().pem();
    let list = |issuers: &[(&str, &str, &str)]| {
        let ids: Vec<_> = issuers.iter().map(|(id, ..)| id).collect();
        let infos = issuers.iter().map(|(id, serial, key)| {
            (
                (*id).to_owned(),
                json!({ "serial_number": serial, "key_id": key }),
            )
        });
        json!({ "data": { "keys": ids, "key_info": Value::Object(infos.collect()) } })
    };
    let before = [("was-there", "01:02", "")];
    let after = [
        before[0],
        ("kept", "01:02", ""),
        ("kept-by-others", "01:02", "a-key"),
        ("of-others", "03:04", ""),
    ];
    vault.answer("GET pki/issuers/", 200, list(&before));
    vault.then_answer("GET pki/issuers/", 200, list(&after));
    let refusal = json!({ "errors": ["Error parsing issuer 1: canary"] });
    vault.answer("POST pki/issuers/import/cert", 400, refusal);
    let mut client = connect(&server.uri()).await;
    let import = json!({ "mount": "pki", "kind": "import", "bundle": bundle });
    let error = client.call("create_pki_issuer", import).await.unwrap_err();
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("`bundle`"), "{error}");
    assert!(message.ends_with("pki/issuer/kept-by-others"), "{error}");
    let mut requests = vault.take_requests();
    requests.retain(|request| request.starts_with("DELETE"));
    assert_eq!(requests, ["DELETE pki/issuer/kept"]);
}
