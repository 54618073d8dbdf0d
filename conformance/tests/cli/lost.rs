//! Faults in the suite's environment: a Vault that dies during a run, for which no target is blamed; a killed run; an
//! unwritable cache.

use std::os::unix::fs::symlink;

use rustix::process::Signal;

use crate::trial::{Ended, adapter, fake, has_containers, is_left, run};

/// The target refuses a call, which is usually a failure; but Vault has just died.
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
        stories[0].contains(how) && stories[0].contains("its last output:\n    | "),
        "{}",
        stories[0]
    );
    let others = reasons
        .iter()
        .filter(|reason| reason.starts_with("Vault is lost: see "));
    assert!(others.count() > 1, "{reasons:#?}");
    assert_eq!(report["cleanup_errors"], serde_json::json!([]));
}

#[tokio::test]
async fn a_vault_process_that_is_killed_blocks_what_follows_and_fails_nothing() {
    let trial = fake("kill").with(&["--vault", "binary"]);

    let ended = trial.killing_its_vault_process().await.ended().await;

    is_blamed_on_nobody(&ended, "signal: 9");
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_vault_that_is_killed_while_the_adapter_is_tried_out_blocks_everything() {
    let trial = fake("kill-early").with(&["--vault", "binary"]);

    let ended = trial.killing_its_vault_process().await.ended().await;

    ended
        .exits_with(3)
        .says(&["Vault ended in the middle of the run", "signal: 9"])
        .is_all_blocked();
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_vault_container_that_is_killed_blocks_what_follows_and_fails_nothing() {
    if !has_containers().await {
        return;
    }
    let trial = fake("kill").with(&["--vault", "container"]);
    let noted = trial.path("cache").join("runs");
    let kill = format!(
        "docker kill $(sed -n 's/^container //p' {}/*)",
        noted.display()
    );

    let ended = trial.killing_with(&kill).ended().await;

    is_blamed_on_nobody(&ended, "exit status: 137");
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn the_vault_process_of_a_run_that_was_killed_in_the_middle_goes_with_the_next_run() {
    the_next_run_cleans_up_after_a_killed_one("build", "process").await;
}

#[tokio::test]
async fn the_vault_container_of_a_run_that_was_killed_in_the_middle_goes_with_the_next_run() {
    if !has_containers().await {
        return;
    }
    the_next_run_cleans_up_after_a_killed_one("container", "container").await;
}

async fn the_next_run_cleans_up_after_a_killed_one(choice: &str, kind: &str) {
    let trial = fake("hang").with(&["--vault", choice]);
    let killed = trial.interrupted_by(Signal::KILL).await;
    let notes = killed.noted();
    let (vault, _): (Vec<_>, Vec<_>) = notes.iter().partition(|note| note.starts_with(kind));
    assert!(is_left(vault[0]), "{notes:?}");

    let next = fake("")
        .with(&["--vault", choice])
        .after(&killed)
        .ended()
        .await;

    next.exits_with(1)
        .says(&[&format!("removed what a killed run left: {}", vault[0])]);
    for note in notes {
        assert!(!is_left(&note), "left behind: {note}");
    }
    killed.has_no_target_running().await;
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_is_named_where_a_run_needs_it() {
    let text = adapter("stdio", &["/bin/sh"]);
    let trial = run(&text).without_vault().with(&["--vault", "build"]);
    let go = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vault_providers/fake-go");
    symlink(go, trial.path("empty").join("go")).unwrap();
    let trial = trial.with_env("VAULT_MCP_CONFORMANCE_CACHE", "/dev/null/cache");
    let ended = trial.ended().await;
    ended
        .exits_with(3)
        .says(&["/dev/null/cache", "set VAULT_MCP_CONFORMANCE_CACHE"])
        .is_all_blocked();
}
