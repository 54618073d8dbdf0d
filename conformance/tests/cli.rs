//! The program as users run it: exit codes, output, and files and processes that it leaves behind.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "cli/adapters.rs"]
mod adapters;
#[path = "cli/baseline.rs"]
mod baseline;
#[path = "cli/designs.rs"]
mod designs;
#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/external.rs"]
mod external;
#[path = "cli/gates.rs"]
mod gates;
#[path = "cli/init.rs"]
mod init;
#[path = "cli/lost.rs"]
mod lost;
#[path = "cli/odd_messages.rs"]
mod odd_messages;
#[path = "cli/odd_targets.rs"]
mod odd_targets;
#[path = "cli/output.rs"]
mod output;
#[path = "cli/own_vault.rs"]
mod own_vault;
#[path = "cli/trial.rs"]
mod trial;
#[path = "cli/wrong_adapters.rs"]
mod wrong_adapters;

use rustix::process::Signal;
use serde_json::Value;

use trial::{
    FAKE_TARGET, HANGING, adapter, fake, fake_from_call, files, pids, program, run, started_by,
};

// The command line.

#[tokio::test]
async fn help_tells_the_exit_codes_and_the_flags() {
    let ended = program(["--help"]).ended().await;
    ended.exits_with(0);
    for part in [
        "Exit codes:",
        "0  conformant",
        "1  a MUST failed",
        "5  the baseline",
        "130  interrupted",
        "targets",
    ] {
        assert!(
            ended.stdout.contains(part),
            "{part:?} is not in:\n{}",
            ended.stdout
        );
    }
    let ended = program(["run", "--help"]).ended().await;
    ended.exits_with(0);
    for flag in [
        "--target",
        "--build",
        "--transport",
        "--scenario",
        "--vault",
        "--output",
        "--seed",
        "--tags",
        "--baseline",
        "--update-baseline",
        "--fail-fast",
    ] {
        assert!(
            ended.stdout.contains(flag),
            "{flag:?} is not in:\n{}",
            ended.stdout
        );
    }
}

#[tokio::test]
async fn the_known_targets_are_listed_with_their_transports() {
    let ended = program(["targets"]).ended().await;
    ended.exits_with(0);
    for name in ["reference", "hashicorp"] {
        let line = ended
            .stdout
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        assert!(line.unwrap().contains("stdio http"), "{}", ended.stdout);
    }
}

#[tokio::test]
async fn an_unknown_flag_is_a_usage_error() {
    let ended = program(["run", "--frobnicate"])
        .without_vault()
        .ended()
        .await;
    ended.exits_with(2).says(&["--frobnicate"]);
}

#[tokio::test]
async fn an_unknown_target_is_a_usage_error_that_names_the_known_ones() {
    let ended = program(["run", "--target", "hashicrop"])
        .without_vault()
        .ended()
        .await;
    ended
        .exits_with(2)
        .says(&["\"hashicrop\"", "hashicorp", "reference", "adapter file"]);
}

#[tokio::test]
async fn an_adapter_that_does_not_exist_is_a_usage_error_that_names_the_file() {
    let ended = program(["run", "--target", "no/such.toml"])
        .without_vault()
        .ended()
        .await;
    ended.exits_with(2).says(&["no/such.toml", "No such file"]);
}

#[tokio::test]
async fn an_unknown_key_of_an_adapter_is_a_usage_error_with_its_line_and_what_was_meant() {
    let text = adapter("stdio", &["sh"]).replace("command", "comand");
    let ended = run(&text).without_vault().ended().await;
    ended
        .exits_with(2)
        .says(&["target.toml:3: ", "comand", "did you mean \"command\"?"]);
}

#[tokio::test]
async fn an_unknown_operation_is_a_usage_error_with_its_line_and_what_was_meant() {
    let text = adapter("stdio", &["sh"]).replace("kv.read", "kv.raed");
    let ended = run(&text).without_vault().ended().await;
    ended
        .exits_with(2)
        .says(&["target.toml:6: ", "kv.raed", "did you mean \"kv.read\"?"]);
}

#[tokio::test]
async fn an_unknown_profile_is_a_usage_error_that_names_the_known_ones() {
    let trial = run(&adapter("stdio", &["sh"])).with(&["--profile", "kb"]);
    let ended = trial.without_vault().ended().await;
    ended
        .exits_with(2)
        .says(&["\"kb\"", "ambient", "kv", "policy"]);
}

#[tokio::test]
async fn a_transport_that_the_target_does_not_offer_leaves_nothing_to_run() {
    let trial = run(&adapter("stdio", &["sh"])).with(&["--transport", "http"]);
    let ended = trial.without_vault().ended().await;
    ended.exits_with(4).says(&["nothing to run", "only stdio"]);
}

#[tokio::test]
async fn an_unknown_scenario_leaves_nothing_to_run() {
    let trial = run(&adapter("stdio", &["sh"])).with(&["--scenario", "kv.read-exct"]);
    let ended = trial.without_vault().ended().await;
    ended.exits_with(4).says(&[
        "nothing to run",
        "kv.read-exct",
        "did you mean kv.read-exact",
    ]);
}

#[tokio::test]
async fn one_unknown_scenario_among_known_ones_is_told_all_the_same() {
    let wanted = [
        "--scenario",
        "kv.read-exact",
        "--scenario",
        "kv.read-exact@stdio@2025-11-25#99",
    ];
    let trial = run(&adapter("stdio", &["sh"])).with(&wanted);
    let ended = trial.without_vault().ended().await;
    ended
        .exits_with(4)
        .says(&["#99", "did you mean kv.read-exact@stdio@2025-11-25#"]);
}

#[tokio::test]
async fn a_scenario_in_a_revision_that_is_not_spoken_leaves_nothing_to_run() {
    let trial = run(&adapter("stdio", &["sh", FAKE_TARGET])).with_vault();
    let key = "kv.read-exact@stdio@2025-06-18#1-6b86b2";
    let ended = trial.with(&["--scenario", key]).ended().await;
    ended
        .exits_with(4)
        .says(&["nothing to run", "trial supports 2025-11-25 on stdio"]);
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_wrong_tag_expression_is_a_usage_error() {
    let trial = run(&adapter("stdio", &["sh"])).with(&["--tags", "@must and"]);
    let ended = trial.without_vault().ended().await;
    ended
        .exits_with(2)
        .says(&["--tags", "@must and", "missing at its end"]);
}

#[tokio::test]
async fn tags_that_no_scenario_has_leave_nothing_to_run() {
    let trial = run(&adapter("stdio", &["sh"])).with(&["--tags", "@must and @source:BLGO"]);
    let ended = trial.without_vault().ended().await;
    ended
        .exits_with(4)
        .says(&["nothing to run", "did you mean @source:BLOG?"]);
}

#[tokio::test]
async fn an_invalid_value_is_a_usage_error_that_says_what_is_valid() {
    let cases: [(&[&str], &[&str]); 6] = [
        (&["--jobs", "0"], &["--jobs", "a whole number from 1 on"]),
        (&["--jobs", "many"], &["--jobs", "a whole number from 1 on"]),
        (&["--seed", "1e3"], &["--seed", "a whole number from 0 to"]),
        (&["--transport", "stdoi"], &["stdio, http or all"]),
        (
            &["--target", "hashicrop"],
            &["did you mean \"hashicorp\"?", "reference"],
        ),
        (
            &["--vault", "external", "--vault-addr", "vault:8200"],
            &[
                "\"vault:8200\"",
                "http:// nor https://",
                "https://vault.example.org:8200",
            ],
        ),
    ];
    for (wrong, said) in cases {
        let trial = program(["run"]).with(wrong);
        let ended = trial.without_vault().ended().await;
        ended.exits_with(2).says(said);
    }
}

#[tokio::test]
async fn an_output_folder_that_cannot_be_made_is_told_before_anything_is_judged() {
    let output = "/dev/null/reports";
    let ended = program(["run", "--output", output])
        .without_vault()
        .ended()
        .await;
    ended.exits_with(2).says(&["--output", output]);
    assert!(!ended.stderr.contains("Vault"), "{}", ended.stderr);
}

// No usable target or Vault.

#[tokio::test]
async fn a_program_that_is_missing_is_told_with_where_it_was_looked_for() {
    let ended = run(&adapter("stdio", &["no-such-server"]))
        .without_vault()
        .ended()
        .await;
    let empty = ended.folder.path().join("empty").display().to_string();
    ended
        .exits_with(3)
        .says(&["\"no-such-server\"", &empty, "install it"])
        .is_all_blocked();
    assert!(!ended.stderr.contains("--build"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_program_that_is_missing_and_can_be_built_is_told_with_how() {
    let text = format!(
        "build = 'make it'\n{}",
        adapter("stdio", &["no-such-server"])
    );
    let ended = run(&text).without_vault().ended().await;
    ended
        .exits_with(3)
        .says(&["\"no-such-server\"", "--build", "make it"]);
}

#[tokio::test]
async fn a_build_that_fails_is_told_with_its_last_lines() {
    let build = "build = 'echo first >&2; echo no compiler >&2; exit 9'\n";
    let text = format!("{build}{}", adapter("stdio", &["no-such-server"]));
    let ended = run(&text).with(&["--build"]).ended().await;
    ended
        .exits_with(3)
        .says(&["building target", "exit status: 9", "no compiler"])
        .is_all_blocked();
}

#[tokio::test]
async fn a_target_is_built_in_the_folder_of_its_adapter_and_judged() {
    let build = format!(
        "build = 'mkdir built && cp {FAKE_TARGET} built/server && chmod +x built/server'\n"
    );
    let text = format!("{build}{}", adapter("stdio", &["built/server"]));
    let trial = run(&text)
        .with_vault()
        .with(&["--build", "--scenario", "kv.read-exact"]);
    let ended = trial.ended().await;
    ended.exits_with(1);
    assert_eq!(ended.report()["target"]["server_name"], "fake");
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn no_vault_at_all_is_one_error_that_names_each_thing_tried() {
    let ended = run(&adapter("stdio", &["/bin/sh"]))
        .without_vault()
        .ended()
        .await;
    ended.exits_with(3).is_all_blocked();
    ended.says(&[
        "error: no usable Vault found",
        "  container: ",
        "  binary: ",
        "  build: ",
        "    fix: ",
    ]);
    assert_eq!(
        ended.stderr.matches("error: ").count(),
        1,
        "{}",
        ended.stderr
    );
}

// A target that does not start.

#[tokio::test]
async fn a_target_that_ends_at_once_is_told_with_its_exit_code_and_its_last_words() {
    let script = r#": > "$NOTES/$$.pid"; echo nope >&2; exit 7"#;
    let ended = started_by("stdio", script).ended().await;
    ended
        .exits_with(3)
        .says(&["ended at once", "exit status: 7", "stderr    nope"])
        .is_all_blocked();
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_target_that_never_answers_is_given_its_budget_and_ended_with_its_children() {
    let ended = started_by("stdio", HANGING).ended().await;
    ended
        .exits_with(3)
        .says(&["did not answer initialize within 2 s", "sh"])
        .is_all_blocked();
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_target_that_logs_to_stdout_and_never_answers_is_told_what_stdout_is_for() {
    let ended = started_by("stdio", &format!("echo listening on stdio; {HANGING}"))
        .ended()
        .await;
    ended.exits_with(3).is_all_blocked();
    ended.says(&[
        "within 2 s",
        "stdout    listening on stdio",
        "send logs to standard error",
    ]);
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_target_that_never_listens_is_given_its_budget_and_ended_with_its_children() {
    let ended = started_by("http", &format!("echo no port >&2; {HANGING}"))
        .ended()
        .await;
    ended
        .exits_with(3)
        .says(&["did not answer within 2 s", "stderr    no port"])
        .is_all_blocked();
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_target_that_ends_before_it_listens_is_told_with_its_exit_code_and_its_last_words() {
    let script = r#": > "$NOTES/$$.pid"; echo port in use >&2; exit 7"#;
    let ended = started_by("http", script).ended().await;
    ended
        .exits_with(3)
        .says(&["ended at once", "exit status: 7", "stderr    port in use"]);
    ended.is_all_blocked().leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_child_that_outlives_a_target_which_ended_at_once_is_ended_too() {
    for section in ["stdio", "http"] {
        let script = r#"sleep 600 & : > "$NOTES/$!.pid"; exit 7"#;
        let ended = started_by(section, script).ended().await;
        ended.exits_with(3).leaves_nothing_behind().await;
    }
}

#[tokio::test]
async fn a_token_in_the_last_words_of_a_target_is_not_shown() {
    let script =
        r#"echo "$VAULT_TOKEN" > "$NOTES/tokens"; echo "bad token $VAULT_TOKEN" >&2; exit 7"#;
    let ended = started_by("stdio", script).ended().await;
    ended
        .exits_with(3)
        .says(&["stderr    bad token ["])
        .shows_no_token();
}

#[tokio::test]
async fn a_blocked_run_gives_its_report_to_whoever_asks_for_json() {
    let trial = run(&adapter("stdio", &["no-such-server"])).with(&["--format", "json"]);
    let ended = trial.without_vault().ended().await;
    let told: Value = serde_json::from_str(&ended.exits_with(3).stdout).unwrap();
    assert_eq!(told, ended.report());
}

// Interrupted runs.

#[tokio::test]
async fn ctrl_c_while_a_target_hangs_ends_the_run_with_a_report_and_nothing_left() {
    interrupted("stdio", Signal::INT).await;
}

#[tokio::test]
async fn sigterm_while_a_target_hangs_ends_the_run_with_a_report_and_nothing_left() {
    interrupted("http", Signal::TERM).await;
}

#[tokio::test]
async fn ctrl_c_in_the_middle_of_a_call_ends_the_run_with_a_report_and_nothing_left() {
    let ended = fake("hang").interrupted_by(Signal::INT).await;
    ended.exits_with(130).says(&["interrupted"]);
    let report = ended.report();
    assert_eq!(report["interrupted"], true);
    assert_eq!(report["target"]["server_name"], "fake");
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_run_that_is_interrupted_reports_what_was_judged_before() {
    let trial = fake_from_call(2, "hang");
    let ended = trial.interrupted_by(Signal::INT).await;
    ended.exits_with(130);
    let report = ended.report();
    assert_eq!(report["interrupted"], true);
    assert_eq!(report["summary"]["fail"], 1, "{report:#}");
    assert!(report["not_run"].as_u64() > Some(0), "{report:#}");
    let junit = ended.read("output/junit.xml");
    assert!(
        junit.contains("the run was interrupted") && junit.contains("<failure"),
        "{junit}"
    );
    ended.leaves_nothing_behind().await;
}

async fn interrupted(section: &str, signal: Signal) {
    let text = adapter(section, &["sh", "-c", HANGING]);
    let ended = run(&text).with_vault().interrupted_by(signal).await;
    ended.exits_with(130).says(&["interrupted"]);
    assert_eq!(ended.report()["interrupted"], true);
    ended.leaves_nothing_behind().await;
}

// Runs that test a target.

#[tokio::test]
async fn a_target_that_refuses_everything_fails_and_its_manners_pass() {
    let ended = fake("").ended().await;
    ended.exits_with(1);
    assert_eq!(ended.verdict_of("kv.read-exact"), "fail");
    for manners in ["token-unseen", "messages-valid", "stdout-clean", "alive"] {
        assert_eq!(
            ended.verdict_of(&format!("ambient.{manners}")),
            "pass",
            "{manners}"
        );
    }
    assert!(
        !format!("{}{}", ended.stdout, ended.stderr).contains('\x1b'),
        "colours in a pipe"
    );
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn tools_that_the_adapter_maps_to_nothing_are_named_in_the_report() {
    let ended = fake("").with(&["--format", "json"]).ended().await;
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(told["unmapped_tools"], serde_json::json!(["spare"]));
    assert_eq!(told, ended.report());
}

#[tokio::test]
async fn a_target_without_a_mapped_tool_fails_and_the_tool_is_named() {
    let text = adapter("stdio", &["sh", FAKE_TARGET]).replace("read_secret", "get_secret");
    let ended = run(&text)
        .with_vault()
        .with(&["--scenario", "kv.read-exact"])
        .ended()
        .await;
    ended.exits_with(1);
    assert_eq!(ended.verdict_of("kv.read-exact"), "fail");
    assert!(ended.stdout.contains("get_secret"), "{}", ended.stdout);
}

#[tokio::test]
async fn a_target_that_dies_in_a_call_fails_and_the_next_scenario_has_a_new_one() {
    let ended = fake("die").ended().await;
    ended.exits_with(1);
    assert_eq!(ended.verdict_of("kv.read-exact"), "fail");
    assert_eq!(ended.verdict_of("ambient.alive"), "fail");
    assert_eq!(
        pids(ended.folder.path()).len(),
        2,
        "one process for each of two scenarios"
    );
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_target_that_dies_in_a_later_call_leaves_a_whole_report_and_nothing_else() {
    let ended = fake_from_call(2, "die").ended().await;
    ended.exits_with(1);
    let report = ended.report();
    assert_eq!(report["summary"]["blocked"], 0, "{report:#}");
    assert_eq!(report["not_run"], 0);
    assert_eq!(ended.verdict_of("ambient.alive"), "fail");
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn fail_fast_ends_the_run_at_the_first_failure() {
    let ended = fake("").with(&["--fail-fast"]).ended().await;
    ended.exits_with(1);
    let report = ended.report();
    assert_eq!(report["stopped_early"], true);
    assert_eq!(report["summary"]["fail"], 1, "{report:#}");
    assert_eq!(report["not_run"], 1);
    assert_eq!(ended.verdict_of("ambient.stdout-clean"), "pass");
    let profiles = report["profiles"].as_array().unwrap();
    let ambient = profiles.iter().find(|profile| profile["name"] == "ambient");
    assert_eq!(ambient.unwrap()["result"], "partial");
    assert!(ended.stdout.contains("1 not run"), "{}", ended.stdout);
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn the_seed_is_in_the_report_and_makes_the_names_the_same_again_but_for_the_runs_prefix() {
    let calls = async |seed: &str| {
        let ended = fake("").with(&["--seed", seed]).ended().await;
        assert_eq!(ended.report()["seed"].to_string(), seed);
        let transcript = "output/transcripts/kv.read-exact@stdio@2025-11-25-1-6b86b2.jsonl";
        let lines = ended.read(transcript);
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let calls = lines.filter(|line| line["message"]["method"] == "tools/call");
        let arguments: Vec<_> = calls
            .map(|line| {
                let arguments = &line["message"]["params"]["arguments"];
                let mount = arguments["mount"].as_str().unwrap();
                let of_the_seed = mount["vmc-12345678-".len()..].to_owned();
                (of_the_seed, arguments["path"].clone())
            })
            .collect();
        assert!(!arguments.is_empty());
        arguments
    };
    assert_eq!(calls("4711").await, calls("4711").await);
    assert_ne!(calls("4711").await, calls("4712").await);
}

#[tokio::test]
async fn colours_are_for_whoever_asks_for_them() {
    let forced = fake("").with_env("CLICOLOR_FORCE", "1").ended().await;
    assert!(forced.stdout.contains('\x1b'), "{}", forced.stdout);
    let plain = fake("")
        .with_env("CLICOLOR_FORCE", "1")
        .with_env("NO_COLOR", "1");
    let plain = plain.ended().await;
    assert!(!plain.stdout.contains('\x1b'), "{}", plain.stdout);
}

#[tokio::test]
async fn quiet_prints_what_explains_the_exit_code_and_nothing_else() {
    let ended = fake("").with(&["--format", "quiet"]).ended().await;
    ended.exits_with(1);
    assert_eq!(ended.stderr, "");
    assert!(
        ended
            .stdout
            .starts_with("FAIL  `read_secret` returns an error"),
        "{}",
        ended.stdout
    );
    assert!(!ended.stdout.contains("report: "), "{}", ended.stdout);
}

#[tokio::test]
async fn a_job_on_github_gets_a_summary_without_secrets() {
    let trial = fake("leak");
    std::fs::create_dir(trial.path("output")).unwrap();
    let file = trial.path("output/summary.md");
    let trial = trial.with_env("GITHUB_ACTIONS", "true");
    let ended = trial.with_env("GITHUB_STEP_SUMMARY", file).ended().await;
    let summary = ended.exits_with(1).read("output/summary.md");
    assert!(
        summary.contains("### Failed") && summary.contains("kv.read-exact"),
        "{summary}"
    );
    ended.shows_no_token();
}

#[tokio::test]
async fn a_job_summary_that_cannot_be_written_is_a_warning() {
    let trial = fake("").with_env("GITHUB_ACTIONS", "true");
    let folder = trial.path("notes");
    let ended = trial.with_env("GITHUB_STEP_SUMMARY", folder).ended().await;
    ended.exits_with(1).says(&["warning: the job summary"]);
}

#[tokio::test]
async fn a_target_that_prints_between_messages_fails_for_it() {
    let ended = fake("noise").ended().await;
    ended.exits_with(1);
    assert_eq!(ended.verdict_of("ambient.stdout-clean"), "fail");
    assert!(
        ended.stdout.contains("looking for the secret"),
        "{}",
        ended.stdout
    );
}

#[tokio::test]
async fn a_target_that_says_its_token_fails_for_it_and_no_file_carries_the_token() {
    let ended = fake("leak").ended().await;
    ended.exits_with(1);
    assert_eq!(ended.verdict_of("ambient.token-unseen"), "fail");
    ended.shows_no_token();
    let transcripts = files(&ended.folder.path().join("output/transcripts"));
    assert!(
        transcripts
            .iter()
            .any(|(_, text)| text.contains("permission denied for ["))
    );
}
