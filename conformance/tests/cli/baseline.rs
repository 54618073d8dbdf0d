//! Known failures, on a target that rejects every call: both scenarios of `kv.read-exact` fail.

use crate::trial::{Trial, fake, fake_from_call};

const FIRST: &str = "kv.read-exact@stdio@2025-11-25#1-6b86b2";
const SECOND: &str = "kv.read-exact@stdio@2025-11-25#2-d4735e";

fn known(keys: &[&str]) -> String {
    format!(
        "target = \"trial\"\n\n[[known]]\nkeys = {keys:?}\nreason = \"it refuses everything\"\n"
    )
}

fn updating(text: &str) -> Trial {
    fake("").with_baseline(text).with(&["--update-baseline"])
}

#[tokio::test]
async fn a_run_whose_failures_are_all_known_ends_with_0_and_is_still_called_nonconformant() {
    let ended = fake("")
        .with_baseline(&known(&[FIRST, SECOND]))
        .ended()
        .await;
    ended.exits_with(0);
    let report = ended.report();
    assert_eq!(report["baseline"]["known"], 2);
    assert_eq!(report["summary"]["known"], 2);
    let scenarios = report["scenarios"].as_array().unwrap();
    let first = scenarios.iter().find(|s| s["key"] == FIRST).unwrap();
    assert_eq!(first["verdict"], "fail");
    assert_eq!(first["known"], "it refuses everything");
    let profiles = report["profiles"].as_array().unwrap();
    assert!(
        profiles
            .iter()
            .any(|p| p["name"] == "kv" && p["result"] == "nonconformant")
    );
    let line = "KNOWN  kv.read-exact (2)  it refuses everything\n";
    assert!(ended.stdout.contains(line), "{}", ended.stdout);
    assert!(ended.stdout.contains("(2 known)"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("FAIL"), "{}", ended.stdout);
}

#[tokio::test]
async fn a_failure_that_is_not_listed_ends_with_1() {
    let ended = fake("").with_baseline(&known(&[FIRST])).ended().await;
    ended.exits_with(1);
    let failure = format!("1 failure: {SECOND}\n");
    assert!(ended.stdout.contains(&failure), "{}", ended.stdout);
    assert!(!ended.stdout.contains(FIRST), "{}", ended.stdout);
}

#[tokio::test]
async fn a_listed_key_that_no_longer_fails_or_that_nothing_has_ends_with_5() {
    let stale = "kv.list-level@stdio@2025-11-25#1-whole-mount-f7e5f2";
    let unknown = "kv.read-exact@http@2025-11-25#1-6b86b2";
    let text = known(&[FIRST, SECOND, stale, unknown]);
    let trial = fake("")
        .with_baseline(&text)
        .with(&["--scenario", "kv.list-level"]);
    let ended = trial.ended().await;
    ended.exits_with(5);
    let baseline = &ended.report()["baseline"];
    assert_eq!(baseline["stale"][0]["key"], stale);
    assert_eq!(baseline["stale"][0]["now"], "not_applicable");
    assert_eq!(baseline["unknown"][0]["key"], unknown);
    assert_eq!(baseline["unknown"][0]["closest"], FIRST);
    for part in [
        format!("STALE  {stale}  does not apply any more"),
        format!("UNKNOWN  {unknown}  no scenario has this key; did you mean {FIRST}?"),
        "--update-baseline".to_owned(),
    ] {
        assert!(
            ended.stdout.contains(&part),
            "{part:?} is not in:\n{}",
            ended.stdout
        );
    }
}

#[tokio::test]
async fn what_this_run_is_not_about_is_not_judged() {
    let elsewhere = [
        FIRST,
        SECOND,
        "kv.list-level@stdio@2025-11-25#1-whole-mount-f7e5f2", // not selected
        "kv.read-exact@stdio@2025-06-18#1-6b86b2",             // another revision than is spoken
        "ambient.alive@stdio@2025-11-25",                      // not looked for in all scenarios
    ];
    let ended = fake("").with_baseline(&known(&elsewhere)).ended().await;
    ended.exits_with(0);
    assert_eq!(ended.report()["baseline"]["not_judged"], 3);
}

#[tokio::test]
async fn an_interrupted_run_makes_nothing_stale_and_leaves_the_file_as_it_is() {
    let text = known(&["kv.list-level@stdio@2025-11-25#1-whole-mount-f7e5f2"]);
    let trial = fake_from_call(2, "hang").with_baseline(&text);
    let trial = trial.with(&["--update-baseline", "--scenario", "kv.list-level"]);
    let ended = trial.interrupted_by(rustix::process::Signal::INT).await;
    ended.exits_with(130);
    assert_eq!(ended.read("known.toml"), text);
    let baseline = &ended.report()["baseline"];
    assert_eq!(baseline["stale"].as_array().unwrap().len(), 0);
    assert_eq!(baseline["update"]["refused"], "the run ended early");
    assert!(
        ended.stdout.contains("was not updated: the run ended"),
        "{}",
        ended.stdout
    );
}

#[tokio::test]
async fn fail_fast_passes_over_what_is_known() {
    let trial = fake("").with_baseline(&known(&[FIRST, SECOND]));
    let ended = trial.with(&["--fail-fast"]).ended().await;
    ended.exits_with(0);
    assert_eq!(ended.report()["stopped_early"], false);
}

#[tokio::test]
async fn a_new_baseline_lists_all_failures_and_is_refused_until_each_has_a_reason() {
    let trial = fake("");
    let file = trial.path("new/known.toml").display().to_string();
    let trial = trial.with(&["--update-baseline", "--baseline", &file]);
    let ended = trial.ended().await;
    ended.exits_with(0);
    assert!(
        ended
            .stdout
            .contains("2 added, 0 removed; write the reason"),
        "{}",
        ended.stdout
    );
    let text = ended.read("new/known.toml");
    assert!(
        text.contains("target = \"trial\"") && text.contains(FIRST) && text.contains(SECOND),
        "{text}"
    );

    let ended = fake("").with_baseline(&text).ended().await;
    ended
        .exits_with(2)
        .says(&["known.toml:9: ", FIRST, "still has the placeholder TODO"]);

    let text = text.replace(
        "TODO: say why this failure is accepted",
        "it refuses everything",
    );
    fake("").with_baseline(&text).ended().await.exits_with(0);
}

#[tokio::test]
async fn an_update_keeps_reasons_and_what_was_not_judged_and_drops_what_is_not_so() {
    let text = "# Ours.\ntarget = \"trial\"\n\n# Told upstream.\n[[known]]\nkey = \"kv.read-exact@stdio@2025-11-25#2-d4735e\"\nreason = \"slow\"\n\n\
        [[known]]\nkey = \"kv.list-level@stdio@2025-11-25#1-whole-mount-f7e5f2\"\nreason = \"gone\"\n\n\
        [[known]]\nkey = \"kv.read-latest@stdio@2025-11-25\"\nreason = \"not judged\"\n";
    let ended = updating(text)
        .with(&["--scenario", "kv.list-level"])
        .ended()
        .await;
    ended.exits_with(0);
    let gone = "\n[[known]]\nkey = \"kv.list-level@stdio@2025-11-25#1-whole-mount-f7e5f2\"\nreason = \"gone\"\n";
    let new = format!(
        "\n[[known]]\nkey = {FIRST:?}\nreason = \"TODO: say why this failure is accepted\"\n"
    );
    assert_eq!(ended.read("known.toml"), text.replace(gone, "") + &new);
    assert!(
        ended.stdout.contains("1 added, 1 removed"),
        "{}",
        ended.stdout
    );
}

#[tokio::test]
async fn a_run_in_which_nothing_was_judged_leaves_the_file_as_it_is() {
    let text = known(&[FIRST]);
    let ended = updating(&text).without_vault().ended().await;
    ended.exits_with(3).says(&["was not updated"]);
    assert_eq!(ended.read("known.toml"), text);
}

#[tokio::test]
async fn a_baseline_that_is_wrong_or_of_another_target_is_a_usage_error_with_its_line() {
    for (from, to, told) in [
        ("reason = \"it refuses everything\"", "", "known.toml:3: "),
        ("reason", "raeson", "known.toml:5: "),
        ("\"trial\"", "\"other\"", "known.toml:1: "),
    ] {
        let trial = fake("").with_baseline(&known(&[FIRST]).replace(from, to));
        let ended = trial.without_vault().ended().await;
        ended.exits_with(2).says(&[told]);
    }
    let ended = fake("")
        .with(&["--baseline", "no/such.toml"])
        .without_vault()
        .ended()
        .await;
    ended
        .exits_with(2)
        .says(&["no/such.toml", "--update-baseline"]);
    let ended = fake("")
        .with(&["--update-baseline"])
        .without_vault()
        .ended()
        .await;
    ended.exits_with(2).says(&["--baseline"]);
}
