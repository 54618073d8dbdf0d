//! A Vault that dies in the middle of a run: nothing is blamed on the target, and nothing hangs.

use std::{fs, os::unix::fs::PermissionsExt as _};

use vault_mcp_conformance::{cache::Cache, progress::Progress, vault::build};

use crate::trial::{Ended, Trial, fake};

/// The target is shown to refuse a call, which is a failure as a rule; but Vault died just before.
fn is_blamed_on_nobody(ended: &Ended, how: &str) {
    ended.exits_with(3);
    let report = ended.report();
    let summary = &report["summary"];
    assert_eq!(
        (&summary["fail"], &summary["warn"]),
        (&0.into(), &0.into()),
        "{report:#}"
    );
    let scenarios = report["scenarios"].as_array().unwrap();
    let reasons: Vec<_> = scenarios
        .iter()
        .filter_map(|s| s["reason"].as_str())
        .collect();
    let stories: Vec<_> = reasons
        .iter()
        .filter(|reason| reason.contains("Vault ended in the middle of the run"))
        .collect();
    assert_eq!(stories.len(), 1, "told once: {reasons:#?}");
    assert!(
        stories[0].contains(how) && stories[0].contains("its last words:\n    | "),
        "{}",
        stories[0]
    );
    let others = reasons
        .iter()
        .filter(|reason| reason.starts_with("Vault is lost: see "));
    assert!(others.count() > 1, "{reasons:#?}");
    assert_eq!(report["cleanup_errors"], serde_json::json!([]));
}

fn killing(trial: Trial, command: &str) -> Trial {
    fs::write(trial.path("notes").join("kill"), command).unwrap();
    trial
}

#[tokio::test]
async fn a_vault_process_that_is_killed_blocks_what_follows_and_fails_nothing() {
    let vault = build::get(&Cache::locate().unwrap(), &Progress::stderr())
        .await
        .unwrap();
    let trial = fake("kill").with(&["--vault", "binary"]);
    // A `vault` that leaves its process id.
    let (program, noted) = (
        trial.path("empty").join("vault"),
        trial.path("notes").join("vault"),
    );
    let script = format!(
        "#!/bin/sh\necho $$ > {}\nexec {} \"$@\"\n",
        noted.display(),
        vault.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!(
        "{}:{}",
        trial.path("empty").display(),
        std::env::var("PATH").unwrap()
    );
    let trial = killing(trial, &format!("kill -9 $(cat {})", noted.display()));

    let ended = trial.with_variable("PATH", &path).ended().await;

    is_blamed_on_nobody(&ended, "signal: 9");
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_vault_container_that_is_killed_blocks_what_follows_and_fails_nothing() {
    let docker = std::process::Command::new("docker").arg("info").output();
    if !docker.is_ok_and(|docker| docker.status.success()) {
        return eprintln!("not run: no docker");
    }
    let trial = fake("kill").with(&["--vault", "container"]);
    let noted = trial.path("cache").join("runs");
    let kill = format!(
        "docker kill $(sed -n 's/^container //p' {}/*)",
        noted.display()
    );

    let ended = killing(trial, &kill).ended().await;

    is_blamed_on_nobody(&ended, "exit status: 137");
    ended.leaves_nothing_behind().await;
}
