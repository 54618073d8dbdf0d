//! Servers that are odd in one way: a run of a whole profile reports the correct verdicts.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::trial::{Ended, Trial, run};

/// The odd server of the examples, and the reference server to which it forwards calls.
pub(crate) fn programs() -> (PathBuf, PathBuf) {
    (built("examples/fake_target"), built("vault-mcp-reference"))
}

/// A program of the workspace, which is built first.
fn built(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_BIN_EXE_vault-mcp-conformance"))
            .parent()
            .unwrap();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--workspace"]);
        build.args(["--example", "fake_target", "--example", "fake_endpoint"]);
        build.args(["--bin", "vault-mcp-reference"]);
        if folder.ends_with("release") {
            build.arg("--release");
        }
        for (name, _) in std::env::vars_os() {
            // Cargo's variables for a test would make a nested cargo rebuild everything.
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                build.env_remove(&name);
            }
        }
        assert!(build.status().unwrap().success());
        folder.to_owned()
    });
    let path = folder.join(name);
    assert!(path.is_file(), "{} was not built", path.display());
    path
}

/// The text of an adapter with the programs inserted.
pub(crate) fn with_programs(adapter: &str) -> String {
    [
        ("FAKE_TARGET", "examples/fake_target"),
        ("FAKE_ENDPOINT", "examples/fake_endpoint"),
        ("REFERENCE_SERVER", "vault-mcp-reference"),
    ]
    .into_iter()
    .fold(adapter.to_owned(), |text, (name, program)| {
        text.replace(name, &built(program).display().to_string())
    })
}

/// The adapter of a server with this oddity and the tools of the reference server.
pub(crate) fn adapter(oddity: &str) -> String {
    let hidden = include_str!("../fakes/hidden.toml");
    let launch = hidden.split("[operations").next().unwrap();
    let launch = launch.replace(" hidden ", &format!(" {oddity} "));
    with_programs(&launch.replacen("name =", "extends = \"reference\"\nname =", 1))
}

/// Without scenarios that need thousands of secrets or hundreds of concurrent calls. Only one oddity concerns these,
/// and on a busy machine they are blocked.
fn judged(adapter: &str) -> Trial {
    let tags = "@kv and not (@kv.list-many or @kv.read-at-once)";
    run(adapter).with_vault().with(&["--tags", tags])
}

pub(crate) fn counts(ended: &Ended) -> (u64, u64, u64) {
    let summary = &ended.report()["summary"];
    let count = |name: &str| summary[name].as_u64().unwrap();
    (count("pass"), count("fail"), count("blocked"))
}

pub(crate) async fn is_conformant(adapter: &str) -> Ended {
    let ended = judged(adapter).ended().await;
    ended.exits_with(0);
    let (pass, fail, blocked) = counts(&ended);
    assert!(pass > 20 && fail + blocked == 0, "{}", ended.stdout);
    ended.leaves_nothing_behind().await;
    ended
}

#[tokio::test]
async fn a_server_that_takes_seconds_to_start_is_started_once_and_is_conformant() {
    let ended = is_conformant(&adapter("slow")).await;
    // One more was started to find its revisions.
    assert!(ended.starts() <= 2, "started {} times", ended.starts());
}

/// The adapter of the reference server, started over stdio by this script.
pub(crate) fn started_by(script: &str) -> String {
    let text = adapter("started");
    let (before, after) = text.split_once("command = ").unwrap();
    let (_, after) = after.split_once('\n').unwrap();
    let script = format!(": > \"$NOTES/$$.pid\"; {script}");
    format!("{before}command = ['sh', '-c', '{script}']\n{after}")
}

#[tokio::test]
async fn a_token_that_is_logged_while_the_server_is_ended_is_seen() {
    let script = r#"trap "echo bye $VAULT_TOKEN >&2" TERM; "$REFERENCE" stdio"#;
    let trial = run(&started_by(script)).with_vault();
    let ended = trial.with(&["--scenario", "kv.read-exact"]).ended().await;
    ended.exits_with(1);
    assert_eq!(ended.verdict_of("ambient.token-unseen"), "fail");
    assert_eq!(counts(&ended).1, 1, "{}", ended.stdout);
    let told = "in the end of a server";
    assert!(
        ended.report().to_string().contains(told),
        "{}",
        ended.stdout
    );
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_server_that_logs_more_than_can_be_kept_is_not_said_to_leak_nothing() {
    let script =
        r#"head -c 70000000 /dev/zero | tr "\\0" x | fold -w 100000 >&2; exec "$REFERENCE" stdio"#;
    let trial = run(&started_by(script)).with_vault();
    let ended = trial.with(&["--scenario", "kv.read-exact"]).ended().await;
    ended.exits_with(3);
    assert_eq!(ended.verdict_of("kv.read-exact"), "pass");
    assert_eq!(ended.verdict_of("ambient.token-unseen"), "blocked");
    assert_eq!(counts(&ended).1, 0, "{}", ended.stdout);
    assert!(
        ended.stdout.contains("make it log less"),
        "{}",
        ended.stdout
    );
}

/// A server over stdio that takes 3 seconds to start, with this limit for that. A call may take 1 second.
fn slow(start_seconds: u32) -> Trial {
    let budgets = format!("start_seconds = {start_seconds}\ncall_seconds = 1");
    run(&format!("{}\n[budgets]\n{budgets}\n", adapter("slow"))).with_vault()
}

#[tokio::test]
async fn a_server_may_start_for_longer_than_a_call_may_take_on_each_connection() {
    // Each starts the server again: for a further connection, or to end it.
    const STARTS: [&str; 3] = [
        "mcp.revision-unknown",
        "mcp.out-of-turn",
        "mcp.stdio-input-ends",
    ];
    let selected = STARTS.iter().flat_map(|id| ["--scenario", id]);
    let trial = slow(10).with(&selected.collect::<Vec<_>>());
    let ended = trial.ended().await;
    let (pass, _, blocked) = counts(&ended);
    assert!(pass > STARTS.len() as u64, "{}", ended.stdout);
    assert_eq!(blocked, 0, "{}", ended.stdout);
    // On a busy machine a call can take longer than it may, but never the start.
    let report = ended.report().to_string();
    assert!(!report.contains("did not answer initialize"), "{report}");
    assert!(ended.starts() > STARTS.len(), "{}", ended.starts());
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_server_that_takes_longer_to_start_than_its_adapter_says_is_told_by_that_limit() {
    let ended = slow(1).ended().await;
    ended
        .exits_with(3)
        .says(&["it did not answer initialize within 1 s (start_seconds)"])
        .is_all_blocked();
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_server_that_hides_its_tools_is_conformant() {
    is_conformant(&with_programs(include_str!("../fakes/hidden.toml"))).await;
}

#[tokio::test]
async fn a_server_with_one_tool_that_speaks_json_in_strings_is_conformant() {
    let text = with_programs(include_str!("../fakes/dispatch.toml"));
    let ended = run(&text).with_vault().ended().await;
    ended.exits_with(0);
    let (pass, fail, blocked) = counts(&ended);
    assert!(pass > 40 && fail + blocked == 0, "{}", ended.stdout);
    assert_eq!(ended.verdict_of("mounts.list-details"), "pass");
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_server_that_answers_out_of_order_is_conformant() {
    let adapter = adapter("out-of-order");
    is_conformant(&adapter).await;
    let at_once = run(&adapter).with_vault();
    let ended = at_once
        .with(&["--scenario", "kv.read-at-once"])
        .ended()
        .await;
    assert_eq!(counts(&ended).1, 0, "{}", ended.stdout);
}

#[tokio::test]
async fn a_slow_server_fails_where_latency_is_strict_and_for_that_alone() {
    let trial = judged(&adapter("tardy")).with(&["--strict-latency"]);
    let ended = trial.ended().await;
    assert_eq!(counts(&ended).1, 0, "{}", ended.stdout);
    let report = ended.report();
    let latencies = report["latency"].as_array().unwrap();
    let read = latencies.iter().find(|l| l["operation"] == "kv.read");
    let read = |field: &str| read.unwrap()[field].as_f64().unwrap();
    assert!(read("samples") >= 20.0 && read("p50_ms") > 90.0, "{report}");
    // On a machine so busy that Vault itself takes as long, no server is blamed.
    if read("direct_p95_ms") <= 80.0 {
        ended.exits_with(1);
        let told = "SLOW  kv.read  stdio";
        assert!(ended.stdout.contains(told), "{}", ended.stdout);
    }
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_server_that_dies_at_times_is_judged_to_the_end_and_told_to_die() {
    let ended = judged(&adapter("dies")).ended().await;
    ended.exits_with(1);
    let (pass, fail, blocked) = counts(&ended);
    assert!(pass > 0 && fail > 1 && blocked == 0, "{}", ended.stdout);
    assert_eq!(ended.verdict_of("ambient.alive"), "fail");
    assert!(ended.stdout.contains("exit status: 9"), "{}", ended.stdout);
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_server_that_prints_rubbish_fails_for_that_alone() {
    let ended = judged(&adapter("rubbish")).ended().await;
    ended.exits_with(1);
    assert_eq!(ended.verdict_of("ambient.stdout-clean"), "fail");
    assert_eq!(counts(&ended).1, 1, "{}", ended.stdout);
}

#[tokio::test]
async fn a_server_that_logs_bytes_that_are_not_utf_8_is_conformant() {
    is_conformant(&adapter("garbled")).await;
}

#[tokio::test]
async fn a_token_that_is_logged_after_bytes_that_are_not_utf_8_is_seen() {
    let ended = judged(&adapter("garbled-leak")).ended().await;
    ended.exits_with(1);
    assert_eq!(ended.verdict_of("ambient.token-unseen"), "fail");
    assert_eq!(counts(&ended).1, 1, "{}", ended.stdout);
}

#[tokio::test]
async fn a_server_that_never_answers_a_call_is_given_its_budget_each_time() {
    let text = format!("{}\n[budgets]\ncall_seconds = 1\n", adapter("hangs"));
    let trial = run(&text)
        .with_vault()
        .with(&["--scenario", "kv.write-intact"]);
    let ended = trial.ended().await;
    ended.exits_with(1);
    let report = ended.report();
    let unanswered = report["scenarios"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|scenario| {
            let actual = scenario["failure"]["actual"].as_str().unwrap_or_default();
            actual.contains("no answer within 1 s")
        });
    assert!(unanswered.count() > 5, "{}", ended.stdout);
    assert_eq!(counts(&ended).2, 0, "{}", ended.stdout);
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_limit_fails_no_other_scenario_once_the_adapter_tells_it() {
    let text = adapter("limited");
    let ended = judged(&text).ended().await;
    ended.exits_with(1);
    assert!(
        ended.stdout.contains("rate limit exceeded"),
        "{}",
        ended.stdout
    );
    is_conformant(&format!("{text}\n[limits]\nsession = \"5:10\"\n")).await;
}

#[tokio::test]
async fn a_limit_that_could_not_be_put_to_the_test_is_neither_kept_nor_broken() {
    // A server without any limit, which is too slow for the calls that the limit allows.
    let text = adapter("sluggish") + "\n[modes.rate_limit]\nenv = { LIMIT = \"{rate}:{burst}\" }\n";
    let trial = run(&text).with_vault();
    let trial = trial.with(&[
        "--scenario",
        "rate_limits.session",
        "--scenario",
        "rate_limits.refused",
    ]);
    let ended = trial.ended().await;
    ended.exits_with(3);
    for requirement in ["rate_limits.session", "rate_limits.refused"] {
        assert_eq!(ended.verdict_of(requirement), "blocked");
    }
    let (_, fail, blocked) = counts(&ended);
    assert_eq!((fail, blocked), (0, 3), "{}", ended.stdout);
    let told = "the limit was not put to the test";
    assert!(ended.stdout.contains(told), "{}", ended.stdout);
    ended.leaves_nothing_behind().await;
}

// Validating an adapter.

fn check(adapter: &str) -> Trial {
    run(adapter).checking()
}

#[tokio::test]
async fn an_adapter_that_fits_is_told_what_it_finds() {
    let text = with_programs(include_str!("../fakes/dispatch.toml"));
    let ended = check(&text).with_vault().ended().await;
    ended.exits_with(0);
    for part in [
        "ok        kv.list, kv.list_all, kv.read (stdio, KV version 1): the adapter finds the data\n",
        "ok        kv.read, kv.read_version (stdio, KV version 2): the adapter finds the data and the fact version",
        "ok        kv.metadata (stdio, KV version 2): the adapter finds the facts created, custom, keys, version",
        "ok        mounts.create, mounts.delete (stdio): the server reports success, and Vault has the effect",
        "unmapped  pki.enable",
        "fits      0 errors",
    ] {
        assert!(
            ended.stdout.contains(part),
            "{part:?} is not in:\n{}",
            ended.stdout
        );
    }
}

#[tokio::test]
async fn an_adapter_that_does_not_fit_is_told_where_and_shows_no_value() {
    let text = adapter("slow")
        + r#"
[operations."kv.read"]
tool = "read_secret"
arguments = { mount = "{mount}", path = "{path}" }
result = { at = "/secret" }
[operations."kv.list"]
tool = "list_secret"
arguments = { mount = "{mount}" }
[operations."kv.read_version"]
tool = "read_secret"
arguments = { mount = "{mount}", path = "{path}" }
result = { at = "/data", facts = { version = "/metadata/version" } }
[operations."kv.metadata"]
tool = "read_secret_metadata"
arguments = { mount = "{mount}", path = "{path}" }
result = { facts = { version = "/current_version", custom = "/zz" } }
[operations."kv.write_key"]
tool = "write_secret"
arguments = { mount = "{mount}", path = "{path}", kee = "{key}", value = 7 }
"#;
    let trial = check(&text).with_vault().with(&["--format", "json"]);
    let ended = trial.ended().await;
    ended.exits_with(2);
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    for part in [
        "did you mean \\\"list_secrets\\\"?",
        "requires the argument \\\"key\\\"",
        "does not know the argument \\\"kee\\\"; did you mean \\\"key\\\"?",
        "is a number, and should be of type string",
        "there is nothing at \\\"/secret\\\"",
        "[value of password]",
        "where Vault holds {\\\"password\\\":\\\"[value of password in version 1]",
        "the fact \\\"custom\\\" points to \\\"/zz\\\", where there is nothing in {",
        "its parameter {version} is used in no argument",
    ] {
        assert!(
            ended.stdout.contains(part),
            "{part:?} is not in:\n{}",
            ended.stdout
        );
    }
    let trials = told["trials"].as_array().unwrap();
    let found = |operation: &str| {
        let trial = trials.iter().find(|trial| trial["operation"] == operation);
        trial.map(|trial| trial["found"] == true)
    };
    assert_eq!(found("mounts.list"), Some(true));
    // Its arguments are wrong, so it failed for that.
    assert_eq!(found("kv.write_key"), None);
}

#[tokio::test]
async fn a_server_that_ends_is_told_to_have_ended_though_what_it_started_runs_on() {
    let script = "echo no licence >&2; sleep 60 & exit 1";
    let text = crate::trial::adapter("stdio", &["sh", "-c", script]);
    programs();
    let begun = Instant::now();
    let ended = check(&text).with_vault().ended().await;
    ended
        .exits_with(3)
        .says(&["ended at once", "exit status: 1", "no licence"]);
    assert!(!ended.stderr.contains("within 30 s"), "{}", ended.stderr);
    assert!(begun.elapsed() < Duration::from_secs(25));
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told_with_the_whole_path_that_was_looked_at() {
    let trial = check("name = 'x'\n[stdio]\ncommand = ['./bin/x']\n");
    let path = trial.path("bin/x").display().to_string();
    assert!(path.starts_with('/'));
    let ended = trial.with_vault().ended().await;
    ended.exits_with(3).says(&[&path]);
}

#[tokio::test]
async fn an_adapter_whose_server_does_not_start_is_no_wrong_adapter() {
    let text = crate::trial::adapter("stdio", &["sh", "-c", "exit 7"]);
    let ended = check(&text).with_vault().ended().await;
    ended
        .exits_with(3)
        .says(&["ended at once", "exit status: 7"]);
}
