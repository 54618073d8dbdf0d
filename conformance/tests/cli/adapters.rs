//! How an adapter launches a target: fixed ports, token files, containers, servers that already run.

use std::{fs, net::TcpListener, process::Stdio, time::Duration};

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use vault_mcp_conformance::{
    Suite,
    ports::free_port,
    progress::Progress,
    report::{ProfileVerdict, Report},
    target::Target,
    vault::provider::{self, VaultOptions},
    verdict::Verdict,
};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_partial_json, header},
};

use crate::{
    odd_targets::{programs, with_programs},
    trial::{files, run},
};

/// An adapter of the reference server on this port.
fn on_port(port: u16) -> String {
    with_programs(&format!(
        r#"name = "fixed"
extends = "reference"

[stdio]
command = ["REFERENCE_SERVER", "stdio"]
env = {{ VAULT_ADDR = "{{vault_addr}}", VAULT_TOKEN = "{{vault_token}}", MCP_RATE_LIMIT_SESSION = "10000:10000", MCP_RATE_LIMIT_GLOBAL = "10000:10000" }}

[http]
command = ["REFERENCE_SERVER", "streamable-http", "--transport-port", "{port}"]
url = "http://127.0.0.1:{port}/mcp"
env = {{ VAULT_ADDR = "{{vault_addr}}", VAULT_TOKEN = "{{vault_token}}", MCP_RATE_LIMIT_SESSION = "10000:10000", MCP_RATE_LIMIT_GLOBAL = "10000:10000" }}
"#
    ))
}

#[tokio::test]
async fn a_server_on_a_fixed_port_is_judged_by_one_scenario_after_the_other() {
    let target = Target::parse("fixed.toml", &on_port(free_port().unwrap())).unwrap();
    let chosen = ["kv.read-exact", "kv.write-exact", "kv.read-missing"];
    let judged = Suite::builder().target(target).jobs(4);
    let judged = chosen
        .into_iter()
        .fold(judged, |judged, id| judged.scenario(id));
    let report = judged.run().await.unwrap();
    assert_eq!(
        (report.summary.fail, report.summary.blocked),
        (0, 0),
        "{report:#?}"
    );
    assert!(report.summary.pass > 12, "{report:#?}");
}

#[tokio::test]
async fn a_fixed_port_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let ended = run(&on_port(port)).with_vault().ended().await;
    let told = format!("port {port}, which its adapter names, cannot be used");
    ended.exits_with(3).says(&[&told]).is_all_blocked();
}

#[tokio::test]
async fn a_token_file_can_be_read_by_its_owner_alone_and_is_removed() {
    let text = with_programs(
        r#"name = "token-file"
extends = "reference"
[stdio]
command = ["sh", "-c", '''
: > "$NOTES/$$.pid"
ls -l {vault_token_file} > "$NOTES/listed"
VAULT_TOKEN=$(cat {vault_token_file}) exec REFERENCE_SERVER stdio
''']
env = { VAULT_ADDR = "{vault_addr}", NOTES = "NOTES_FOLDER", MCP_RATE_LIMIT_SESSION = "10000:10000", MCP_RATE_LIMIT_GLOBAL = "10000:10000" }
"#,
    );
    let trial = run(&text)
        .with_vault()
        .with(&["--scenario", "kv.read-exact"]);
    let ended = trial.ended().await;
    ended.exits_with(0);
    let listed = fs::read_to_string(ended.folder.path().join("notes/listed")).unwrap();
    assert!(listed.starts_with("-rw------- "), "{listed}");
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_container_is_marked_and_removed() {
    let trial = run("");
    let containers = trial.path("notes");
    let docker = trial.path("docker");
    let script =
        include_str!("fake-docker.sh").replace("FOLDER", &containers.display().to_string());
    fs::write(&docker, script).unwrap();
    let (_, reference) = programs();
    let text = format!(
        r#"name = "contained"
extends = "reference"
[stdio]
container = true
command = ["./docker", "run", "-i", "--rm", "image"]
env = {{ VAULT_ADDR = "{{vault_addr}}", VAULT_TOKEN = "{{vault_token}}", CONTAINERS = {containers:?}, SERVER = {reference:?} }}
"#
    );
    fs::write(trial.path("target.toml"), text).unwrap();
    let status = std::process::Command::new("chmod")
        .arg("+x")
        .arg(&docker)
        .status();
    assert!(status.unwrap().success());
    let ended = trial
        .with_vault()
        .with(&["--scenario", "kv.read-exact"])
        .ended()
        .await;
    ended.exits_with(0);
    let run = fs::read_to_string(containers.join("run")).unwrap();
    for part in [
        "run --name vault-mcp-conformance-target-",
        " --label vault-mcp-conformance=",
        " -i --rm image",
    ] {
        assert!(run.contains(part), "{part:?} is not in {run}");
    }
    let left: Vec<_> = files(&containers)
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    assert_eq!(left, [containers.join("run")]);
}

#[tokio::test]
async fn a_container_that_cannot_know_the_host_is_told_what_to_add() {
    let trial = run("");
    let docker = trial.path("docker");
    fs::write(&docker, "#!/bin/sh\necho Linux\n").unwrap();
    let text = "name = 'contained'\n[stdio]\ncontainer = true\ncommand = ['./docker', 'run', 'image']\n[operations.'kv.read']\ntool = 'read'\n";
    fs::write(trial.path("target.toml"), text).unwrap();
    let status = std::process::Command::new("chmod")
        .arg("+x")
        .arg(&docker)
        .status();
    assert!(status.unwrap().success());
    let ended = trial.with_vault().ended().await;
    ended
        .exits_with(3)
        .says(&["--add-host", "host.docker.internal:host-gateway"]);
}

// A server that already runs.

async fn judged_remotely() -> Report {
    let (_, reference) = programs();
    let vault = provider::start(&VaultOptions::default(), &Progress::silent())
        .await
        .unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = |path: &str, body: Value| {
        client
            .post(format!("{}/v1/{path}", vault.address()))
            .header("x-vault-token", vault.root_token().expose_secret())
            .json(&body)
            .send()
    };
    let policy = r#"
        path "vmc-*" { capabilities = ["create", "read", "update", "delete", "list"] }
        path "sys/mounts" { capabilities = ["read"] }
        path "sys/mounts/vmc-*" { capabilities = ["create", "read", "update", "delete"] }
    "#;
    ask("sys/policies/acl/agents", json!({ "policy": policy }))
        .await
        .unwrap();
    let made = ask("auth/token/create", json!({ "policies": ["agents"] }))
        .await
        .unwrap();
    let made: Value = made.json().await.unwrap();
    let port = free_port().unwrap();
    let mut server = tokio::process::Command::new(reference)
        .args(["streamable-http", "--transport-port", &port.to_string()])
        .env("VAULT_ADDR", vault.address())
        .env(
            "VAULT_TOKEN",
            made["auth"]["client_token"].as_str().unwrap(),
        )
        .env("MCP_RATE_LIMIT_SESSION", "10000:10000")
        .env("MCP_RATE_LIMIT_GLOBAL", "10000:10000")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let health = format!("http://127.0.0.1:{port}/health");
    let ready = async {
        while client.get(&health).send().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ready)
        .await
        .unwrap();

    let base = Target::find("reference").unwrap();
    let operations: Vec<_> = base.adapter.operations.keys().copied().collect();
    assert!(!operations.is_empty());
    let text = format!(
        "name = 'remote'\nextends = 'reference'\n[remote]\nurl = 'http://127.0.0.1:{port}/mcp'\nheaders = {{ x-client = '{{env:HOME}}' }}\n"
    );
    let target = Target::parse("remote.toml", &text).unwrap();
    let report = Suite::builder()
        .target(target)
        .run_on(&vault)
        .await
        .unwrap();

    let mounts: Value = client
        .get(format!("{}/v1/sys/mounts", vault.address()))
        .header("x-vault-token", vault.root_token().expose_secret())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert!(!mounts.to_string().contains("vmc-"), "{mounts}");
    assert!(
        server.try_wait().unwrap().is_none(),
        "the server still runs"
    );
    server.kill().await.unwrap();
    vault.stop().await.unwrap();
    report
}

#[tokio::test]
async fn a_server_that_runs_already_is_judged_by_what_there_is_evidence_for() {
    let report = judged_remotely().await;
    assert_eq!(
        (report.summary.fail, report.summary.blocked),
        (0, 0),
        "{report:#?}"
    );
    assert_eq!(report.cleanup_errors, Vec::<String>::new());
    let verdicts = |profile: &str| {
        let of = report.scenarios.iter().filter(|s| s.profile == *profile);
        of.map(|s| (s.verdict, s.reason.clone().unwrap_or_default()))
            .collect::<Vec<_>>()
    };
    assert!(
        verdicts("kv")
            .iter()
            .any(|(verdict, _)| *verdict == Verdict::Pass)
    );
    for (verdict, reason) in verdicts("policy") {
        assert_eq!(verdict, Verdict::NotApplicable);
        assert!(
            reason.starts_with("no_evidence: ") || reason.starts_with("not_claimed: "),
            "{reason}"
        );
    }
    let ambient = report
        .profiles
        .iter()
        .find(|profile| profile.name == "ambient");
    assert_eq!(ambient.unwrap().result, ProfileVerdict::Partial);
}

#[tokio::test]
async fn a_server_that_runs_already_needs_a_vault_that_runs_already() {
    let text = "name = 'r'\nextends = 'reference'\n[remote]\nurl = 'http://127.0.0.1:9/mcp'\n";
    let ended = run(text).without_vault().ended().await;
    ended
        .exits_with(2)
        .says(&["already runs", "--vault external"]);
}

#[tokio::test]
async fn a_variable_that_is_not_set_is_told_by_its_name() {
    let vault = provider::start(&VaultOptions::default(), &Progress::silent())
        .await
        .unwrap();
    let text = "name = 'r'\nextends = 'reference'\n[remote]\nurl = 'http://127.0.0.1:9/mcp'\nheaders = { a = '{env:NO_SUCH_VARIABLE}' }\n";
    let target = Target::parse("r.toml", text).unwrap();
    let error = Suite::builder()
        .target(target)
        .run_on(&vault)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("NO_SUCH_VARIABLE"), "{error}");
    vault.stop().await.unwrap();
}

#[tokio::test]
async fn the_headers_of_an_adapter_are_in_every_request() {
    let vault = provider::start(&VaultOptions::default(), &Progress::silent())
        .await
        .unwrap();
    let server = MockServer::start().await;
    let answer = |id: u32, result: Value| {
        ResponseTemplate::new(200)
            .set_body_json(json!({ "jsonrpc": "2.0", "id": id, "result": result }))
    };
    for (method, response) in [
        (
            "initialize",
            answer(
                1,
                json!({
                    "protocolVersion": "2025-11-25",
                    "capabilities": { "tools": {} },
                    "serverInfo": { "name": "mock", "version": "1" },
                }),
            ),
        ),
        ("notifications/initialized", ResponseTemplate::new(202)),
        ("tools/list", answer(2, json!({ "tools": [] }))),
    ] {
        Mock::given(header("x-client", std::env::var("HOME").unwrap().as_str()))
            .and(body_partial_json(json!({ "method": method })))
            .respond_with(response)
            .expect(1..)
            .mount(&server)
            .await;
    }
    let text = format!(
        "name = 'r'\nextends = 'reference'\n[remote]\nurl = '{}/mcp'\nheaders = {{ x-client = '{{env:HOME}}' }}\n",
        server.uri()
    );
    let target = Target::parse("r.toml", &text).unwrap();
    let judged = Suite::builder().target(target).scenario("kv.read-exact");
    let report = judged.run_on(&vault).await.unwrap();
    assert_eq!(report.target.server_name.as_deref(), Some("mock"));
    vault.stop().await.unwrap();
}
