//! Workflows in a Vault of their own: no such Vault is left, however the run ends, and no target is blamed for a lost
//! one.

use rustix::process::Signal;

use crate::trial::{Ended, FAKE_TARGET, Trial, adapter, has_containers, is_left, run};

const STORY: &str = "workflows.environment-bootstrap";

/// A run of one workflow and of a scenario on the run's own Vault, on the fake target.
pub(crate) fn story(behaviour: &str) -> Trial {
    let list = r#"
[operations."kv.list"]
tool = "read_secret"
arguments = { mount = "{mount}", path = "{path}" }
"#;
    let text = adapter("stdio", &["sh", FAKE_TARGET, behaviour]) + list;
    run(&text).with(&["--scenario", STORY, "--scenario", "kv.read-exact"])
}

fn vaults(ended: &Ended) -> Vec<String> {
    let is_vault = |note: &String| note.starts_with("process ") || note.starts_with("container ");
    ended.noted().into_iter().filter(is_vault).collect()
}

async fn goes_with_the_run(choice: &str) {
    let failed = story("")
        .with_vault()
        .with(&["--vault", choice])
        .ended()
        .await;
    failed.exits_with(1);
    assert_eq!(failed.verdict_of(STORY), "fail");
    assert_eq!(failed.report()["cleanup_errors"], serde_json::json!([]));
    assert_eq!(vaults(&failed).len(), 2, "{:?}", failed.noted());
    failed.leaves_nothing_behind().await;

    let trial = story("hang").with_vault().with(&["--vault", choice]);
    let interrupted = trial.interrupted_by(Signal::INT).await;
    interrupted.exits_with(130);
    assert_eq!(vaults(&interrupted).len(), 2, "{:?}", interrupted.noted());
    interrupted.leaves_nothing_behind().await;
}

#[tokio::test]
async fn the_vault_process_of_a_story_goes_when_it_fails_and_with_ctrl_c() {
    goes_with_the_run("build").await;
}

#[tokio::test]
async fn the_vault_container_of_a_story_goes_when_it_fails_and_with_ctrl_c() {
    if !has_containers().await {
        return;
    }
    goes_with_the_run("container").await;
}

#[tokio::test]
async fn the_vault_of_a_story_goes_with_the_run_after_one_that_was_killed() {
    let trial = story("hang").with_vault().with(&["--vault", "build"]);
    let killed = trial.interrupted_by(Signal::KILL).await;
    let left = vaults(&killed);
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.iter().all(|note| is_left(note)), "{left:?}");

    let next = story("").with(&["--vault", "build"]).after(&killed);
    next.ended().await.exits_with(1);
    for note in killed.noted() {
        assert!(!is_left(&note), "left behind: {note}");
    }
}

#[tokio::test]
async fn a_story_whose_vault_is_killed_is_blocked_and_the_others_are_judged() {
    let trial = story("kill").with_vault().with(&["--vault", "binary"]);

    // The Vault that was started last is the workflow's.
    let ended = trial.killing_its_vault_process().await.ended().await;

    ended.exits_with(1);
    assert_eq!(ended.verdict_of(STORY), "blocked");
    assert_eq!(ended.verdict_of("kv.read-exact"), "fail");
    let report = ended.report();
    let scenarios = report["scenarios"].as_array().unwrap();
    let story = scenarios.iter().find(|s| s["id"] == STORY).unwrap();
    let reason = story["reason"].as_str().unwrap();
    assert!(
        reason.contains("Vault ended in the middle of the run (signal: 9"),
        "{reason}"
    );
    assert_eq!(report["cleanup_errors"], serde_json::json!([]));
    ended.leaves_nothing_behind().await;
}
