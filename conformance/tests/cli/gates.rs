//! What decides on a run's end besides the verdicts: demands on coverage, the folder of the reports, and `clean`.

use std::fs::{self, File};

use rustix::process::Signal;

use crate::trial::{adapter, fake, fake_from_call, program, run};

const FIRST: &str = "kv.read-exact@stdio@2025-11-25#1-6b86b2";
const SECOND: &str = "kv.read-exact@stdio@2025-11-25#2-d4735e";

pub(crate) fn known() -> String {
    format!("[[known]]\nkeys = [{FIRST:?}, {SECOND:?}]\nreason = \"it refuses everything\"\n")
}

#[tokio::test]
async fn a_required_profile_that_is_not_conformant_ends_with_1_though_its_failures_are_known() {
    let trial = fake("").with_baseline(&known());
    let ended = trial.with(&["--require", "kv,pki"]).ended().await;
    ended.exits_with(1);
    for part in [
        "missed: the profile kv is nonconformant, and --require demands that it is conformant",
        "missed: the profile pki was not tested",
        "tested: 1 of ",
    ] {
        assert!(ended.stdout.contains(part), "{part:?}: {}", ended.stdout);
    }
    let junit = ended.read("output/junit.xml");
    assert!(junit.contains("--require demands"), "{junit}");
}

#[tokio::test]
async fn too_little_coverage_ends_with_1() {
    let trial = fake("").with_baseline(&known());
    let ended = trial.with(&["--min-coverage", "90"]).ended().await;
    ended.exits_with(1);
    let part = "requirements were tested (";
    assert!(ended.stdout.contains(part), "{}", ended.stdout);
    assert_eq!(ended.report()["demanded"]["min_coverage"], 90);
}

#[tokio::test]
async fn demands_that_cannot_be_met_are_usage_errors() {
    let cases: [(&[&str], &[&str]); 5] = [
        (
            &["--call-unmapped-tools"],
            &["--call-unmapped-tools needs --vault external"],
        ),
        (&["--require", "kb"], &["there is no profile \"kb\""]),
        (
            &["--min-coverage", "101"],
            &["a whole number from 0 to 100"],
        ),
        (
            &["--vault", "binary", "--vault-image", "hashicorp/vault:1.20"],
            &["--vault-image needs --vault auto or --vault container"],
        ),
        (
            &["--vault", "build", "--vault-binary", "/usr/bin/bao"],
            &["--vault-binary needs --vault auto or --vault binary"],
        ),
    ];
    for (wrong, said) in cases {
        let ended = program(["run"]).with(wrong).without_vault().ended().await;
        ended.exits_with(2).says(said);
    }
}

#[tokio::test]
async fn an_adapter_without_operations_is_a_usage_error() {
    let text = adapter("stdio", &["sh"]);
    let without = text.split("[operations").next().unwrap();
    let ended = run(without).without_vault().ended().await;
    ended
        .exits_with(2)
        .says(&["maps no operation", "[operations.\"kv.read\"]", "`check`"]);
}

#[tokio::test]
async fn a_profile_whose_core_operations_are_not_mapped_is_partial_at_best() {
    let trial = fake("").with_baseline(&known());
    let ended = trial.ended().await;
    let report = ended.report();
    let profiles = report["profiles"].as_array().unwrap();
    let kv = profiles.iter().find(|profile| profile["name"] == "kv");
    let missing = &kv.unwrap()["missing_operations"];
    assert_eq!(
        *missing,
        serde_json::json!([
            "kv.list",
            "kv.write or kv.write_key",
            "kv.delete or kv.delete_key"
        ])
    );
}

#[tokio::test]
async fn an_intermittent_failure_fails_no_run_and_its_outcome_is_shown() {
    let passing = "ambient.messages-valid@stdio@2025-11-25";
    let text = format!(
        "[[known]]\nkeys = [{FIRST:?}, {passing:?}]\nreason = \"a race\"\nintermittent = true\n\
         [[known]]\nkey = {SECOND:?}\nreason = \"it refuses everything\"\n"
    );
    let ended = fake("").with_baseline(&text).ended().await;
    ended.exits_with(0);
    for line in [
        format!("INTERMITTENT  {FIRST}  failed this time: a race\n"),
        format!("INTERMITTENT  {passing}  did not fail this time: a race\n"),
    ] {
        assert!(ended.stdout.contains(&line), "{line}: {}", ended.stdout);
    }
    let baseline = &ended.report()["baseline"];
    assert_eq!(baseline["intermittent"][1]["now"], "pass");
    assert_eq!(baseline["stale"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn the_report_of_an_earlier_run_is_gone_when_a_run_is_killed() {
    let trial = fake_from_call(2, "hang");
    fs::create_dir_all(trial.path("output")).unwrap();
    for name in ["report.json", "junit.xml"] {
        fs::write(trial.path("output").join(name), "old").unwrap();
    }
    let killed = trial.interrupted_by(Signal::KILL).await;
    for name in ["report.json", "junit.xml"] {
        assert!(
            !killed.folder.path().join("output").join(name).exists(),
            "{name}"
        );
    }
    program(["clean"])
        .after(&killed)
        .ended()
        .await
        .exits_with(0);
}

#[tokio::test]
async fn a_second_run_does_not_write_to_the_folder_of_the_first() {
    let trial = run(&adapter("stdio", &["sh"])).without_vault();
    let output = trial.path("output");
    fs::create_dir_all(&output).unwrap();
    fs::write(output.join("report.json"), "the first run's").unwrap();
    let lock = File::create(output.join(".lock")).unwrap();
    lock.lock().unwrap();
    let ended = trial.ended().await;
    ended.exits_with(2).says(&[
        "another run writes its reports there",
        "choose another folder",
    ]);
    assert_eq!(ended.read("output/report.json"), "the first run's");
}

#[tokio::test]
async fn a_report_that_could_not_be_written_is_an_error_and_not_pointed_to() {
    let trial = fake("").with_baseline(&known());
    // A folder in its place keeps the file from being written, and from being removed.
    let in_its_place = trial.path("output").join("report.json");
    fs::create_dir_all(in_its_place.join("folder")).unwrap();
    let ended = trial.ended().await;
    ended
        .exits_with(3)
        .says(&["a report could not be written", "report.json"]);
    assert!(!ended.stdout.contains("\nreport: "), "{}", ended.stdout);
    assert!(!ended.folder.path().join("output/.lock").exists());
}

#[tokio::test]
async fn without_a_vault_junit_has_one_error() {
    let ended = run(&adapter("stdio", &["/bin/sh"]))
        .without_vault()
        .ended()
        .await;
    ended.exits_with(3);
    let junit = ended.read("output/junit.xml");
    assert_eq!(junit.matches("<error").count(), 1, "{junit}");
    assert!(junit.contains("no usable Vault found"), "{junit}");
}

#[tokio::test]
async fn clean_says_that_nothing_is_left_where_nothing_is() {
    let ended = program(["clean"]).without_vault().ended().await;
    ended.exits_with(0);
    assert_eq!(ended.stdout, "nothing is left of killed runs\n");
}

#[tokio::test]
async fn clean_removes_what_a_killed_run_left() {
    let trial = fake("hang").with(&["--vault", "build"]);
    let killed = trial.interrupted_by(Signal::KILL).await;
    assert!(!killed.noted().is_empty());
    let ended = program(["clean"]).after(&killed).ended().await;
    ended.exits_with(0);
    assert!(ended.stdout.starts_with("removed: "), "{}", ended.stdout);
    for note in killed.noted() {
        assert!(!crate::trial::is_left(&note), "left behind: {note}");
    }
    killed.has_no_target_running().await;
}
