//! The launcher: however the command ends, its token is revoked in Vault.

use std::process::Output;

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

use crate::{server::program, world::World};

/// A session with this token and this shell script.
fn session(world: &World, token: &str, script: &str) -> Child {
    let arguments = ["session", "--", "sh", "-c", script];
    program(world, &arguments, &[("VAULT_MCP_TOKEN", token)])
        .spawn()
        .unwrap()
}

async fn outcome(world: &World, arguments: &[&str], env: &[(&str, &str)]) -> Output {
    program(world, arguments, env).output().await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits for the script's first line.
async fn ready(child: &mut Child) {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("ready"));
}

pub(crate) async fn a_command_is_given_the_token_and_the_token_ends_with_it(world: &World) {
    let facts = json!({ "policies": ["developer"], "display_name": "agent", "ttl": "8h" });
    let (token, accessor) = world.make_token(facts).await;
    let script = "echo ready; read line; test \"$VAULT_TOKEN\" = \"$VAULT_MCP_TOKEN\" || exit 1; \
        test -z \"$VAULT_TOKEN_FILE\" && test -n \"$VAULT_ADDR\" || exit 2; exit 7";
    let arguments = ["session", "--", "sh", "-c", script];
    let env = [
        ("VAULT_MCP_TOKEN", token.as_str()),
        ("VAULT_TOKEN", "hvs.of-somebody-else"),
        ("VAULT_TOKEN_FILE", "/nowhere"),
    ];
    let mut child = program(world, &arguments, &env).spawn().unwrap();
    ready(&mut child).await;
    assert!(world.facts(&accessor).await.is_some());
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"go on\n").await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(world.facts(&accessor).await, None);
    let said = text(&output.stderr);
    for expected in [
        "token-agent",
        "default, developer",
        "ends in",
        "the token is revoked",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!said.contains(&token), "{said}");
}

pub(crate) async fn a_session_that_ends_well_ends_with_0(world: &World) {
    let (token, accessor) = world.make_token(json!({})).await;
    let child = session(world, &token, "echo out; echo err >&2");
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    // The launcher writes nothing to the command's standard output.
    assert_eq!(text(&output.stdout), "out\n");
    assert_eq!(world.facts(&accessor).await, None);
}

pub(crate) async fn a_signal_to_the_session_ends_command_and_token(world: &World) {
    for (signal, number) in [("-HUP", 1), ("-INT", 2), ("-QUIT", 3), ("-TERM", 15)] {
        let (token, accessor) = world.make_token(json!({})).await;
        let mut child = session(world, &token, "ulimit -c 0; echo ready; exec sleep 1000");
        ready(&mut child).await;
        let id = child.id().unwrap().to_string();
        let mut kill = Command::new("kill");
        assert!(kill.args([signal, &id]).status().await.unwrap().success());
        let output = child.wait_with_output().await.unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(128 + number), "{said}");
        assert_eq!(world.facts(&accessor).await, None, "{signal}");
    }
}

pub(crate) async fn a_terminal_that_is_gone_does_not_keep_the_token(world: &World) {
    let (token, accessor) = world.make_token(json!({})).await;
    let mut child = session(world, &token, "echo ready; read line; exit 7");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("ready"));
    drop((child.stderr.take(), lines, child.stdin.take()));
    assert_eq!(child.wait().await.unwrap().code(), Some(7));
    assert_eq!(world.facts(&accessor).await, None);
}

pub(crate) async fn a_signal_to_the_command_ends_the_token(world: &World) {
    let (token, accessor) = world.make_token(json!({})).await;
    let child = session(world, &token, "kill -KILL $$");
    assert_eq!(
        child.wait_with_output().await.unwrap().status.code(),
        Some(137)
    );
    assert_eq!(world.facts(&accessor).await, None);
}

pub(crate) async fn a_command_that_cannot_be_started_ends_the_token(world: &World) {
    let folder = tempfile::tempdir().unwrap();
    let no_program = folder.path().to_str().unwrap();
    for (command, code) in [("no-such-command-4711", 127), (no_program, 126)] {
        let (token, accessor) = world.make_token(json!({})).await;
        let env = [("VAULT_MCP_TOKEN", token.as_str())];
        let output = outcome(world, &["session", "--", command], &env).await;
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(command), "{said}");
        assert_eq!(world.facts(&accessor).await, None);
    }
}

pub(crate) async fn a_root_token_is_refused_unless_it_is_asked_for(world: &World) {
    let root = json!({ "policies": ["root"], "ttl": "1h" });
    let (token, accessor) = world.make_token(root).await;
    let env = [("VAULT_MCP_TOKEN", token.as_str())];
    let output = outcome(world, &["session", "--", "echo", "started"], &env).await;
    assert_eq!(output.status.code(), Some(125));
    assert!(output.stdout.is_empty());
    assert!(text(&output.stderr).contains("--allow-root"));
    assert!(world.facts(&accessor).await.is_some());

    let arguments = ["session", "--allow-root", "--", "echo", "started"];
    let output = outcome(world, &arguments, &env).await;
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "started\n");
    assert_eq!(world.facts(&accessor).await, None);
}

pub(crate) async fn a_token_that_vault_does_not_know_starts_nothing(world: &World) {
    let env = [("VAULT_MCP_TOKEN", "hvs.canary-wrong")];
    let output = outcome(world, &["session", "--", "echo", "started"], &env).await;
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{said}");
    assert!(output.stdout.is_empty());
    assert!(
        said.contains("VAULT_MCP_TOKEN") && said.contains("403"),
        "{said}"
    );
    assert!(!said.contains("canary"), "{said}");
}

pub(crate) async fn a_token_of_your_own_is_never_taken(world: &World) {
    let (token, accessor) = world.make_token(json!({})).await;
    let env = [("VAULT_TOKEN", token.as_str())];
    let output = outcome(world, &["session", "--", "echo", "started"], &env).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("VAULT_MCP_TOKEN is not set"));
    assert!(world.facts(&accessor).await.is_some());
}

pub(crate) async fn a_token_that_could_not_be_revoked_is_told(world: &World) {
    let rule = "path \"auth/token/revoke-self\" { capabilities = [\"deny\"] }";
    world
        .write("sys/policies/acl/stays", json!({ "policy": rule }))
        .await;
    let (token, accessor) = world.make_token(json!({ "policies": ["stays"] })).await;
    let env = [("VAULT_MCP_TOKEN", token.as_str())];
    let output = outcome(world, &["session", "--", "true"], &env).await;
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{said}");
    for expected in [
        "STILL VALID",
        "vault token revoke \"$VAULT_MCP_TOKEN\"",
        &accessor,
    ] {
        assert!(said.contains(expected), "{said}");
    }
    assert!(!said.contains(&token), "{said}");
    assert!(world.facts(&accessor).await.is_some());
}

pub(crate) async fn a_token_that_is_gone_already_is_as_good_as_revoked(world: &World) {
    let (token, accessor) = world.make_token(json!({})).await;
    let mut child = session(world, &token, "echo ready; read line");
    ready(&mut child).await;
    world.revoke(&accessor).await;
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"go on\n").await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("not valid any more"));
}
