//! Servers that are odd in what they send over stdio or HTTP: the server is blamed for what it does, and only for that.

use crate::{
    odd_targets::{adapter, counts, started_by, with_programs},
    trial::{Ended, run},
};

async fn judged(adapter: &str, scenario: &str) -> Ended {
    let trial = run(adapter).with_vault().with(&["--scenario", scenario]);
    trial.ended().await
}

/// Fails this requirement and no other, with this in what is shown.
async fn fails_for_that_alone(oddity: &str, requirement: &str, shown: &str) {
    let ended = judged(&adapter(oddity), "kv.read-exact").await;
    ended.exits_with(1);
    assert_eq!(ended.verdict_of(requirement), "fail");
    let (pass, fail, blocked) = counts(&ended);
    assert!(pass > 0, "{}", ended.stdout);
    assert_eq!((fail, blocked), (1, 0), "{}", ended.stdout);
    assert!(ended.stdout.contains(shown), "{}", ended.stdout);
    // The scenario that showed it is enough to see it again.
    let report = ended.report();
    let failures = report["scenarios"].as_array().unwrap().iter();
    let failure = failures.map(|s| &s["failure"]).find(|f| f.is_object());
    let rerun = failure.unwrap()["reproduce"].as_str().unwrap();
    assert!(rerun.contains(" --scenario kv.read-exact@"), "{rerun}");
    let transcript = failure.unwrap()["transcript"].as_str().unwrap();
    let messages = ended.read(&format!("output/{transcript}"));
    assert!(messages.contains("tools/call"), "{messages}");
    ended.leaves_nothing_behind().await;
}

// Over stdio.

#[tokio::test]
async fn a_banner_before_the_first_message_is_a_failure_of_the_server() {
    let line = "vault-mcp 1.0 is ready";
    fails_for_that_alone("banner", "ambient.stdout-clean", line).await;
}

#[tokio::test]
async fn json_log_lines_on_stdout_are_a_failure_of_the_server() {
    let line = r#""level":"info","msg":"started""#;
    fails_for_that_alone("json-logs", "ambient.stdout-clean", line).await;
}

#[tokio::test]
async fn check_blames_the_server_for_lines_that_are_no_messages_and_not_the_adapter() {
    let trial = run(&adapter("banner")).checking().with_vault();
    let ended = trial.ended().await;
    ended.exits_with(1);
    for shown in [
        "server    the server writes lines to standard output that are no messages",
        "vault-mcp 1.0 is ready",
        "fits      0 errors",
    ] {
        assert!(ended.stdout.contains(shown), "{shown}: {}", ended.stdout);
    }
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_question_to_a_client_that_declared_no_elicitation_is_a_failure_of_the_server() {
    fails_for_that_alone("asks", "ambient.only-agreed", "elicitation/create").await;
}

#[tokio::test]
async fn a_server_that_answers_only_after_an_elicitation_fails_and_nothing_is_blocked() {
    let ended = judged(&adapter("needs-consent"), "kv.read-exact").await;
    ended.exits_with(1);
    for requirement in ["kv.read-exact", "ambient.only-agreed"] {
        assert_eq!(ended.verdict_of(requirement), "fail");
    }
    assert_eq!(counts(&ended).2, 0, "{}", ended.stdout);
    let shown = "the user did not agree";
    assert!(ended.stdout.contains(shown), "{}", ended.stdout);
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_server_that_lists_hundreds_of_tools_is_conformant() {
    let trial = run(&adapter("crowded")).with_vault();
    // The second calls each of them.
    let scenarios = ["--scenario", "kv.read-exact", "--scenario", "mcp.call-bare"];
    let ended = trial.with(&scenarios).ended().await;
    ended.exits_with(0);
    assert_eq!(ended.verdict_of("mcp.call-bare"), "pass");
    let report = ended.report();
    let spare = report["unmapped_tools"].as_array().unwrap();
    let listed = |number: &str| spare.iter().any(|tool| tool == number);
    assert!(listed("spare_1") && listed("spare_200"), "{report:#}");
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_mapped_tool_that_is_not_listed_fails_unless_the_adapter_says_that_it_is_hidden() {
    let hidden = with_programs(include_str!("../fakes/hidden.toml"));
    let ended = judged(&hidden, "kv.read-exact").await;
    ended.exits_with(0);
    assert_eq!(ended.verdict_of("kv.read-exact"), "pass");
    let ended = judged(&hidden.replace("hidden = true\n", ""), "kv.read-exact").await;
    ended.exits_with(1);
    assert_eq!(ended.verdict_of("kv.read-exact"), "fail");
    assert_eq!(counts(&ended).2, 0, "{}", ended.stdout);
    for shown in ["read_secret", "search_tools", "hidden = true"] {
        assert!(ended.stdout.contains(shown), "{shown}: {}", ended.stdout);
    }
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_server_that_dies_at_initialize_is_told_with_its_exit_code_and_its_last_words() {
    let text = started_by("read -r line; echo no licence >&2; exit 9");
    let ended = judged(&text, "kv.read-exact").await;
    ended
        .exits_with(3)
        .says(&["ended at once (exit status: 9)", "stderr    no licence"])
        .is_all_blocked();
    ended.leaves_nothing_behind().await;
}

// Over HTTP.

/// An endpoint with this oddity and the tools of the reference server.
fn endpoint(oddity: &str) -> String {
    with_programs(&format!(
        r#"name = "endpoint"
extends = "reference"
[http]
command = ["sh", "-c", ': > "$NOTES/$$.pid"; {oddity} {{port}} "$REFERENCE" stdio']
url = "http://127.0.0.1:{{port}}/mcp"
env = {{ VAULT_ADDR = "{{vault_addr}}", VAULT_TOKEN = "{{vault_token}}", NOTES = "NOTES_FOLDER", ENDPOINT = "FAKE_ENDPOINT", REFERENCE = "REFERENCE_SERVER", MCP_RATE_LIMIT_SESSION = "10000:10000", MCP_RATE_LIMIT_GLOBAL = "10000:10000" }}
"#
    ))
}

fn odd(oddity: &str) -> String {
    endpoint(&format!(r#"exec "$ENDPOINT" {oddity}"#))
}

/// Does not start, with this in the error.
async fn is_unusable(oddity: &str, said: &[&str]) {
    let ended = judged(&odd(oddity), "kv.read-exact").await;
    ended.exits_with(3).says(said).is_all_blocked();
    ended.has_errors(1);
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_server_that_is_slower_to_listen_than_a_call_may_take_is_conformant() {
    let text = endpoint(r#"sleep 3; exec "$ENDPOINT" none"#);
    let budgets = "[budgets]\nstart_seconds = 60\ncall_seconds = 2\n";
    let ended = judged(&format!("{text}{budgets}"), "kv.read-exact").await;
    ended.exits_with(0);
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_large_request_that_is_refused_with_413_fails_for_that_alone() {
    let ended = judged(&odd("small"), "kv.write-intact").await;
    ended.exits_with(1);
    let (pass, fail, blocked) = counts(&ended);
    assert!(pass > 5, "{}", ended.stdout);
    assert_eq!((fail, blocked), (1, 0), "{}", ended.stdout);
    for shown in ["100 KiB", "HTTP 413"] {
        assert!(ended.stdout.contains(shown), "{shown}: {}", ended.stdout);
    }
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_page_in_place_of_an_answer_is_a_failure_of_the_server() {
    let ended = judged(&odd("logged-out"), "kv.read-exact").await;
    ended.exits_with(1);
    assert_eq!(ended.verdict_of("kv.read-exact"), "fail");
    assert_eq!(counts(&ended).2, 0, "{}", ended.stdout);
    let report = ended.report().to_string();
    assert!(report.contains(r#"content type \"text/html\""#), "{report}");
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn an_endpoint_that_is_a_web_page_is_told_with_what_it_answers() {
    let said = ["content type \"text/html\"", "Sign in to continue"];
    is_unusable("login", &said).await;
}

#[tokio::test]
async fn a_server_that_refuses_its_token_is_told_with_its_reason_and_what_to_set() {
    let said = [
        "HTTP 401",
        "the Vault token is not valid",
        "{vault_token} in `headers`",
    ];
    is_unusable("refuses", &said).await;
}

#[tokio::test]
async fn an_endpoint_that_takes_no_post_is_told_with_the_transport_that_is_not_supported() {
    is_unusable("event-stream", &["HTTP 405", "HTTP+SSE of 2024-11-05"]).await;
}

#[tokio::test]
async fn an_endpoint_that_dies_at_initialize_is_told_with_its_exit_code_and_its_last_words() {
    is_unusable("dies", &["exit status: 9", "stderr    no licence"]).await;
}
