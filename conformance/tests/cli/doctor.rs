//! `doctor`: its findings on a machine, and that it changes nothing there.

use std::{fs, os::unix::fs::symlink};

use serde_json::Value;

use crate::trial::{Ended, fake, program};

fn check(ended: &Ended, name: &str) -> Value {
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    let mut checks = told["checks"].as_array().unwrap().iter();
    checks.find(|check| check["name"] == name).unwrap().clone()
}

#[tokio::test]
async fn a_machine_without_anything_is_told_what_is_missing_and_how_to_get_it() {
    let ended = program(["doctor"]).without_vault().ended().await;
    ended.exits_with(3);
    for part in [
        "docker does not answer at unix://",
        "fix: start docker",
        "no `vault` on PATH",
        "fix: install Vault",
        "no `bao` on PATH",
        "no `go` on PATH",
        "fix: install Go 1.",
        "--vault auto",
        "no provider is usable",
        "a run with default options cannot work",
    ] {
        assert!(
            ended.stdout.contains(part),
            "{part:?} is not in:\n{}",
            ended.stdout
        );
    }
    assert!(!ended.stdout.contains('\x1b'), "colours in a pipe");
    assert_eq!(
        fs::read_dir(ended.folder.path().join("cache"))
            .unwrap()
            .count(),
        0
    );
    assert_eq!(
        fs::read_dir(ended.folder.path().join("tmp"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn the_vault_that_auto_would_take_is_named_for_programs_too() {
    let trial = program(["doctor", "--format", "json"]).without_vault();
    let vault = trial.path("empty").join("vault");
    // The doctor accepts any program that prints a version as `vault`.
    symlink("/bin/echo", &vault).unwrap();
    let bao = trial.path("empty").join("bao");
    symlink("/bin/echo", &bao).unwrap();
    let ended = trial.ended().await;
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(told["auto"], "binary on PATH");
    let found = check(&ended, "vault on PATH");
    assert_eq!(found["state"], "ok");
    assert_eq!(found["detail"], format!("version ({})", vault.display()));
    assert_eq!(found["fix"], Value::Null);
    let found = check(&ended, "bao on PATH");
    assert_eq!(found["detail"], format!("version ({})", bao.display()));
    let can_run = told["can_run"].as_bool().unwrap();
    ended.exits_with(if can_run { 0 } else { 3 });
}

#[tokio::test]
async fn a_target_in_a_container_is_not_called_fine_where_docker_does_not_answer() {
    // Its command is there, but the service behind it is not.
    let trial = program(["doctor", "--format", "json"]).without_vault();
    symlink("/bin/echo", trial.path("empty").join("docker")).unwrap();
    for trial in [
        trial,
        program(["doctor", "--format", "json"]).without_vault(),
    ] {
        let ended = trial.ended().await;
        let target = check(&ended, "target hashicorp-docker");
        assert_eq!(target["state"], "missing");
        let detail = target["detail"].as_str().unwrap();
        let told = "it runs in a container: docker does not answer at unix://";
        assert!(detail.starts_with(told), "{detail}");
        assert!(target["fix"].as_str().unwrap().contains("start docker"));
    }
}

#[tokio::test]
async fn an_image_that_was_asked_for_rules_a_vault_on_path_out() {
    let trial = program(["doctor", "--format", "json"]).without_vault();
    symlink("/bin/echo", trial.path("empty").join("vault")).unwrap();
    let ended = trial.with_env("VAULT_IMAGE", "team/vault:1").ended().await;
    ended.exits_with(3);
    assert_eq!(check(&ended, "--vault auto")["state"], "bad");
    let image = check(&ended, "image")["detail"].to_string();
    assert!(image.contains("team/vault:1"), "{image}");
}

#[tokio::test]
async fn variables_that_are_not_used_are_named_without_their_values() {
    let trial = program(["doctor", "--format", "json"]).without_vault();
    let trial = trial
        .with_env("VAULT_TOKEN", "hvs.secret")
        .with_env("VAULT_CONFORMANCE_TOKEN", "hvs.other-secret");
    let ended = trial.ended().await;
    let variables = check(&ended, "variables");
    assert_eq!(variables["state"], "note");
    let detail = variables["detail"].as_str().unwrap();
    assert!(
        detail.contains("VAULT_TOKEN") && !detail.contains("VAULT_CONFORMANCE"),
        "{detail}"
    );
    assert!(!ended.stdout.contains("secret"), "{}", ended.stdout);
}

#[tokio::test]
async fn a_browser_that_is_named_and_is_none_is_told_and_keeps_no_run_from_working() {
    let trial = program(["doctor", "--format", "json"]).without_vault();
    let ended = trial
        .with_env("VAULT_MCP_CONFORMANCE_BROWSER", "/no/such/browser")
        .ended()
        .await;
    let browser = check(&ended, "browser");
    assert_eq!(browser["state"], "missing");
    let (detail, fix) = (browser["detail"].to_string(), browser["fix"].to_string());
    assert!(detail.contains("/no/such/browser"), "{detail}");
    assert!(fix.contains("install chromium"), "{fix}");
    assert_eq!(check(&ended, "variables")["state"], "ok");
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_is_named_with_the_variable_to_set() {
    let trial = program(["doctor", "--format", "json"]).without_vault();
    let ended = trial
        .with_env("VAULT_MCP_CONFORMANCE_CACHE", "/dev/null/cache")
        .ended()
        .await;
    let folder = check(&ended, "cache folder");
    assert_eq!(folder["state"], "missing");
    assert!(
        folder["detail"]
            .as_str()
            .unwrap()
            .contains("/dev/null/cache")
    );
    assert!(
        folder["fix"]
            .as_str()
            .unwrap()
            .contains("VAULT_MCP_CONFORMANCE_CACHE")
    );
}

#[tokio::test]
async fn what_a_killed_run_left_is_told_of_and_still_there_after() {
    let killed = fake("hang")
        .interrupted_by(rustix::process::Signal::KILL)
        .await;
    killed.end_targets();
    let doctor = || {
        program(["doctor", "--format", "json"])
            .after(&killed)
            .ended()
    };
    for _ in 0..2 {
        let leftovers = check(&doctor().await, "leftovers");
        assert_eq!(leftovers["state"], "note", "{leftovers}");
    }
    let next = fake("").after(&killed).ended().await;
    next.exits_with(1)
        .says(&["removed what a killed run left: "]);
    let leftovers = check(&doctor().await, "leftovers");
    assert_eq!(leftovers["state"], "ok", "{leftovers}");
}
