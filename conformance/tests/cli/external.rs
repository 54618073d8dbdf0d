//! An external Vault: used only on request, and unchanged afterwards.

use std::{collections::BTreeMap, fs, net::TcpListener, path::Path, process::Stdio};

use reqwest::Method;
use rustix::process::Signal;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::process::Command;
use vault_mcp_conformance::{
    cache::Cache,
    ports::{free_port, free_port_pair},
    progress::Progress,
    vault::{
        build,
        external::POLICY,
        provider::{self, Vault, VaultOptions},
    },
};

use crate::{
    own_vault::story,
    trial::{FAKE_TARGET, Trial, adapter, run},
};

const TOKEN_VARIABLE: &str = "VAULT_CONFORMANCE_TOKEN";

/// An external Vault with mounts, secrets, policies and tokens of its owner.
struct Theirs {
    vault: Vault,
    /// The token for the suite.
    token: SecretString,
}

impl Theirs {
    async fn start() -> Self {
        let vault = provider::start(&VaultOptions::default(), &Progress::silent())
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let mut theirs = Self {
            vault,
            token: "".into(),
        };
        for (mount, version) in [("team", "1"), ("vmc", "2"), ("vmc-conformance", "2")] {
            let body = json!({ "type": "kv", "options": { "version": version } });
            theirs.put(&format!("sys/mounts/{mount}"), &body).await;
        }
        theirs
            .put("team/app/database", &json!({ "password": "theirs" }))
            .await;
        for path in [
            "secret/data/app",
            "vmc/data/app",
            "vmc-conformance/data/deep/app",
        ] {
            theirs
                .put(path, &json!({ "data": { "password": "theirs" } }))
                .await;
        }
        for (name, text) in [
            ("theirs", "path \"team/*\" { capabilities = [\"read\"] }"),
            ("suite", POLICY),
        ] {
            theirs
                .put(
                    &format!("sys/policies/acl/{name}"),
                    &json!({ "policy": text }),
                )
                .await;
        }
        theirs
            .put("sys/auth/approle", &json!({ "type": "approle" }))
            .await;
        theirs
            .put("auth/token/create", &json!({ "policies": ["theirs"] }))
            .await;
        theirs.token = theirs.token_with("suite").await;
        theirs
    }

    /// A token with only this policy.
    async fn token_with(&self, policy: &str) -> SecretString {
        let body = json!({ "policies": [policy], "no_default_policy": true });
        let made = self.put("auth/token/create", &body).await;
        made["auth"]["client_token"].as_str().unwrap().into()
    }

    async fn put(&self, path: &str, body: &Value) -> Value {
        self.ask(Method::PUT, path, body).await
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client
            .request(method, format!("{}/v1/{path}", self.vault.address()))
            .header("X-Vault-Token", self.vault.root_token().expose_secret())
            .json(body);
        let answer = request.send().await.unwrap();
        let status = answer.status();
        assert!(status.is_success() || status == 404, "{path}: {status}");
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default()
    }

    async fn get(&self, path: &str) -> Value {
        self.ask(Method::GET, path, &Value::Null).await["data"].take()
    }

    async fn list(&self, path: &str) -> Vec<String> {
        let list = Method::from_bytes(b"LIST").unwrap();
        let keys = self.ask(list, path, &Value::Null).await["data"]["keys"].take();
        let mut keys: Vec<String> = serde_json::from_value(keys).unwrap_or_default();
        keys.sort();
        keys
    }

    /// The content of the Vault: by path, what Vault returns for it.
    async fn picture(&self) -> BTreeMap<String, Value> {
        let mut picture = BTreeMap::new();
        for table in ["sys/mounts", "sys/auth", "sys/audit"] {
            picture.insert(table.to_owned(), self.get(table).await);
        }
        for name in self.list("sys/policies/acl").await {
            let path = format!("sys/policies/acl/{name}");
            picture.insert(path.clone(), self.get(&path).await);
        }
        let accessors = self.list("auth/token/accessors").await;
        picture.insert("tokens".to_owned(), json!(accessors));
        let mounts = picture["sys/mounts"].as_object().unwrap().clone();
        for (mount, about) in mounts.iter().filter(|(_, about)| about["type"] == "kv") {
            let (list, data) = match about["options"]["version"].as_str() {
                Some("2") => (format!("{mount}metadata/"), format!("{mount}data/")),
                _ => (mount.clone(), mount.clone()),
            };
            let mut folders = vec![String::new()];
            while let Some(folder) = folders.pop() {
                for name in self.list(&format!("{list}{folder}")).await {
                    let path = format!("{folder}{name}");
                    if path.ends_with('/') {
                        folders.push(path);
                    } else {
                        let held = [
                            self.get(&format!("{data}{path}")).await,
                            self.get(&format!("{list}{path}")).await,
                        ];
                        picture.insert(format!("{mount}{path}"), json!(held));
                    }
                }
            }
        }
        picture
    }

    fn judged_by(&self, trial: Trial) -> Trial {
        let trial = trial.with(&["--vault", "external", "--vault-addr", self.vault.address()]);
        trial.with_env(TOKEN_VARIABLE, self.token.expose_secret())
    }

    /// Checks that the picture has one of each kind, so that comparing it is meaningful.
    #[track_caller]
    fn is_furnished(picture: &BTreeMap<String, Value>) {
        for path in [
            "secret/app",
            "team/app/database",
            "vmc-conformance/deep/app",
            "sys/policies/acl/theirs",
        ] {
            assert!(picture.contains_key(path), "{path} is not in {picture:#?}");
        }
        assert!(picture["tokens"].as_array().unwrap().len() >= 3);
        assert!(picture["sys/auth"]["approle/"].is_object());
    }
}

/// A run on the fake target, with its own cache.
fn fake(behaviour: &str) -> Trial {
    let text = adapter("stdio", &["sh", FAKE_TARGET, behaviour]);
    let trial = run(&text).with(&["--scenario", "kv.read-exact"]);
    let cache = trial.path("cache").display().to_string();
    trial.with_env("VAULT_MCP_CONFORMANCE_CACHE", &cache)
}

// What the run leaves behind.

#[tokio::test]
async fn a_run_leaves_an_external_vault_as_it_was() {
    let theirs = Theirs::start().await;
    let before = theirs.picture().await;
    Theirs::is_furnished(&before);

    let ended = theirs.judged_by(fake("")).ended().await;

    ended.exits_with(1);
    let report = ended.report();
    assert_eq!(report["vault"]["provider"], "external");
    assert_eq!(report["vault"]["detail"], theirs.vault.address());
    assert_eq!(ended.verdict_of("ambient.own-token"), "not_applicable");
    assert_eq!(ended.verdict_of("ambient.token-unseen"), "pass");
    let profiles = report["profiles"].as_array().unwrap();
    let ambient = profiles.iter().find(|profile| profile["name"] == "ambient");
    assert_eq!(ambient.unwrap()["result"], "partial");
    assert_eq!(theirs.picture().await, before);
    theirs.vault.stop().await.unwrap();
}

#[tokio::test]
async fn a_story_that_takes_a_vault_of_its_own_is_not_judged_beside_an_external_one() {
    let theirs = Theirs::start().await;
    let before = theirs.picture().await;

    let trial = story("");
    let cache = trial.path("cache").display().to_string();
    let trial = trial.with_env("VAULT_MCP_CONFORMANCE_CACHE", &cache);
    let ended = theirs.judged_by(trial).ended().await;

    ended.exits_with(1);
    let report = ended.report();
    let scenarios = report["scenarios"].as_array().unwrap();
    let stories = scenarios.iter().filter(|s| s["profile"] == "workflows");
    let reasons: Vec<_> = stories.map(|s| (&s["verdict"], &s["reason"])).collect();
    let [(verdict, reason)] = reasons.as_slice() else {
        panic!("{reasons:?}");
    };
    assert_eq!(*verdict, "not_applicable");
    let reason = reason.as_str().unwrap();
    assert!(reason.starts_with("no_evidence: own-vault: "), "{reason}");
    assert_eq!(theirs.picture().await, before);
    theirs.vault.stop().await.unwrap();
}

#[tokio::test]
async fn ctrl_c_leaves_an_external_vault_as_it_was() {
    let theirs = Theirs::start().await;
    let before = theirs.picture().await;

    let trial = theirs.judged_by(fake("hang"));
    let ended = trial.interrupted_by(Signal::INT).await;

    ended.exits_with(130);
    assert_eq!(theirs.picture().await, before);
    theirs.vault.stop().await.unwrap();
}

#[tokio::test]
async fn what_a_killed_run_left_in_an_external_vault_the_next_one_removes() {
    let theirs = Theirs::start().await;
    let before = theirs.picture().await;

    let trial = theirs.judged_by(fake("hang"));
    let killed = trial.interrupted_by(Signal::KILL).await;
    killed.end_targets();

    let left = theirs.picture().await;
    let mounts = left["sys/mounts"].as_object().unwrap();
    let left_mount = mounts.iter().find(|(path, _)| path.ends_with("-team/"));
    let (path, about) = left_mount.unwrap();
    let run = &path[.."vmc-12345678-".len()];
    assert_eq!(
        about["description"],
        format!("made by vault-mcp-conformance: {}", path.trim_matches('/'))
    );
    assert!(left.contains_key(&format!("sys/policies/acl/{run}suite")));
    assert!(left["tokens"].as_array().unwrap().len() > before["tokens"].as_array().unwrap().len());
    let noted = killed.noted().join("\n");
    assert!(
        noted.contains(&format!("external {} {run}", theirs.vault.address())),
        "{noted}"
    );
    assert!(!noted.contains("hvs."), "{noted}");

    // Without the token the suite cleans up nothing, and keeps the notes.
    let other = fake("").without_vault().after(&killed).ended().await;
    other.exits_with(3);
    assert!(killed.noted().join("\n").contains(run));

    let next = theirs.judged_by(fake("")).after(&killed).ended().await;
    next.exits_with(1).says(&[&format!(
        "removed what a killed run left: external {}",
        theirs.vault.address()
    )]);
    assert_eq!(theirs.picture().await, before);
    assert_eq!(
        killed.noted().join("\n").matches("external").count(),
        2,
        "those of the last run"
    );
    theirs.vault.stop().await.unwrap();
}

#[tokio::test]
async fn two_runs_at_once_on_one_external_vault_do_not_meet() {
    let theirs = Theirs::start().await;
    let before = theirs.picture().await;
    let seeded = || theirs.judged_by(fake("").with(&["--seed", "7"]));
    let (one, other) = tokio::join!(seeded().ended(), seeded().ended());
    for ended in [one, other] {
        ended.exits_with(1);
        assert_eq!(ended.report()["summary"]["blocked"], 0);
    }
    assert_eq!(theirs.picture().await, before);
    theirs.vault.stop().await.unwrap();
}

#[tokio::test]
async fn an_exported_vault_addr_is_not_looked_at() {
    let somebody = TcpListener::bind("127.0.0.1:0").unwrap();
    somebody.set_nonblocking(true).unwrap();
    let address = format!("http://{}", somebody.local_addr().unwrap());
    let trial = crate::trial::fake("")
        .with_env("VAULT_ADDR", &address)
        .with_env("VAULT_TOKEN", "theirs")
        .with_env(TOKEN_VARIABLE, "theirs");
    let ended = trial.ended().await;
    ended.exits_with(1);
    assert_ne!(ended.report()["vault"]["provider"], "external");
    assert!(somebody.accept().is_err(), "somebody's Vault was asked");
}

// Errors for a Vault that the suite cannot use.

fn external(arguments: &[&str]) -> Trial {
    fake("").with(&["--vault", "external"]).with(arguments)
}

#[tokio::test]
async fn an_external_vault_without_address_or_token_is_a_usage_error() {
    let ended = external(&[])
        .with_env("VAULT_ADDR", "http://127.0.0.1:1")
        .ended()
        .await;
    ended
        .exits_with(2)
        .says(&["--vault-addr", "VAULT_ADDR is ignored"]);
    let here = ["--vault-addr", "http://127.0.0.1:1"];
    let ended = external(&here)
        .with_env("VAULT_TOKEN", "theirs")
        .ended()
        .await;
    ended.exits_with(2).says(&[
        "--vault-token-file",
        TOKEN_VARIABLE,
        "VAULT_TOKEN is ignored",
    ]);
    let ended = external(&here)
        .with(&["--vault-token-file", "/no/such/file"])
        .ended()
        .await;
    ended.exits_with(2).says(&["/no/such/file"]);
    let ended = external(&here)
        .with(&["--vault-token-file", "/dev/null"])
        .ended()
        .await;
    ended.exits_with(2).says(&["no token in /dev/null"]);
    let ended = external(&["--vault-addr", "localhost:8200"]).ended().await;
    ended
        .exits_with(2)
        .says(&["localhost:8200", "is not a valid Vault address"]);
}

#[tokio::test]
async fn an_address_without_external_is_a_usage_error() {
    let ended = fake("")
        .with(&["--vault-addr", "http://127.0.0.1:1"])
        .ended()
        .await;
    ended
        .exits_with(2)
        .says(&["--vault-addr needs --vault external"]);
}

#[tokio::test]
async fn mutants_and_vault_start_do_not_take_an_external_vault() {
    for command in [&["mutants"][..], &["vault", "start"]] {
        let trial = crate::trial::program(command).with(&["--vault", "external"]);
        trial.ended().await.exits_with(2).says(&["external"]);
    }
}

#[tokio::test]
async fn an_external_vault_that_is_not_there_is_told_with_its_address() {
    let address = format!("http://127.0.0.1:{}", free_port().unwrap());
    let trial = external(&["--vault-addr", &address]).with_env(TOKEN_VARIABLE, "hvs.x");
    let ended = trial.ended().await;
    ended
        .exits_with(3)
        .says(&[&format!("no answer from {address}"), "refused", "fix: "])
        .is_all_blocked();
}

#[tokio::test]
async fn what_is_no_vault_is_told_so() {
    let web = wiremock::MockServer::start().await;
    let trial = external(&["--vault-addr", &web.uri()]).with_env(TOKEN_VARIABLE, "hvs.x");
    trial
        .ended()
        .await
        .exits_with(3)
        .says(&["is not a Vault", "404"]);
    let asked = web.received_requests().await.unwrap();
    assert!(
        asked
            .iter()
            .all(|request| request.headers["x-vault-token"].is_empty())
    );
}

#[tokio::test]
async fn a_token_that_is_refused_or_lacks_rights_is_told_with_what_is_missing() {
    let theirs = Theirs::start().await;
    let before = theirs.picture().await;
    let here = ["--vault-addr", theirs.vault.address()];
    let ended = external(&here)
        .with_env(TOKEN_VARIABLE, "hvs.wrong")
        .ended()
        .await;
    ended
        .exits_with(3)
        .says(&["rejects the token", "wrong, revoked or expired", "fix: "]);

    for line in POLICY.lines().filter(|line| line.starts_with("path")) {
        let less = POLICY.replace(line, "");
        theirs
            .put("sys/policies/acl/less", &json!({ "policy": less }))
            .await;
        let token = theirs.token_with("less").await;
        let trial = external(&here).with_env(TOKEN_VARIABLE, token.expose_secret());
        let path = line.split('"').nth(1).unwrap();
        let ended = trial.ended().await;
        ended
            .exits_with(3)
            .says(&["lacks rights", &format!("path \"{path}\""), "external.hcl"]);
        assert!(!ended.stderr.contains(token.expose_secret()));
        let revoke = json!({ "token": token.expose_secret() });
        theirs.put("auth/token/revoke", &revoke).await;
    }
    theirs
        .ask(Method::DELETE, "sys/policies/acl/less", &Value::Null)
        .await;
    assert_eq!(theirs.picture().await, before);
    theirs.vault.stop().await.unwrap();
}

#[tokio::test]
async fn a_sealed_vault_is_told_so() {
    let theirs = Theirs::start().await;
    theirs.put("sys/seal", &Value::Null).await;
    let ended = theirs.judged_by(fake("")).ended().await;
    ended
        .exits_with(3)
        .says(&["is sealed", "vault operator unseal"]);
    theirs.vault.stop().await.unwrap();
}

#[tokio::test]
async fn an_external_vault_with_tls_is_judged_by_with_its_authority_and_refused_without() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::locate().unwrap();
    let program = build::get(&cache, &Progress::stderr()).await.unwrap();
    let port = free_port_pair().unwrap();
    let mut vault = Command::new(program)
        .args([
            "server",
            "-dev-tls",
            "-dev-no-store-token",
            "-dev-root-token-id=theirs",
        ])
        .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
        .arg(format!("-dev-tls-cert-dir={}", folder.path().display()))
        .env_clear()
        .env("HOME", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let ca = folder.path().join("vault-ca.pem");
    let trial = |address: &str, ca: Option<&Path>| {
        let trial = external(&["--vault-addr", address]).with_env(TOKEN_VARIABLE, "theirs");
        match ca {
            Some(ca) => trial.with(&["--vault-ca", ca.to_str().unwrap()]),
            None => trial,
        }
    };
    let https = format!("https://127.0.0.1:{port}");
    let mut tries = 0;
    let judged = loop {
        let ended = trial(&https, Some(&ca)).ended().await;
        if ended.code != 3 || tries == 100 {
            break ended;
        }
        tries += 1; // it is still starting
    };
    judged.exits_with(1);
    assert_eq!(judged.verdict_of("kv.read-exact"), "fail");

    let ended = trial(&https, None).ended().await;
    ended
        .exits_with(3)
        .says(&["TLS handshake with", "--vault-ca"]);
    let ended = trial(&format!("http://127.0.0.1:{port}"), None)
        .ended()
        .await;
    ended.exits_with(3).says(&["requires TLS", "use https://"]);
    let ended = trial(&https, Some(Path::new("/no/such.pem"))).ended().await;
    ended.exits_with(3).says(&["/no/such.pem", "--vault-ca"]);
    vault.kill().await.unwrap();
}

#[test]
fn the_readme_shows_the_policy_that_suffices() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/external-vault.md");
    let rules: String = POLICY
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect::<Vec<_>>()
        .join("\n");
    assert!(fs::read_to_string(readme).unwrap().contains(&rules));
}
