//! Servers with designs of their own: for one KV mount, with tools that only create.

use serde_json::Value;

use crate::{
    odd_targets::with_programs,
    trial::{Ended, Trial, run},
};

/// An adapter of the reference server over stdio, with these lines in front and this text at the end.
fn reference(front: &str, end: &str) -> Trial {
    let text = with_programs(&format!(
        r#"name = "trial"
extends = "reference"
{front}
[stdio]
command = ["REFERENCE_SERVER", "stdio"]
env = {{ VAULT_ADDR = "{{vault_addr}}", VAULT_TOKEN = "{{vault_token}}", MCP_RATE_LIMIT_SESSION = "10000:10000", MCP_RATE_LIMIT_GLOBAL = "10000:10000" }}
{end}"#
    ));
    run(&text).with_vault()
}

/// The verdicts of a requirement, each with the reason.
fn verdicts(ended: &Ended, id: &str) -> Vec<(String, String)> {
    let report = ended.report();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let scenarios = report["scenarios"].as_array().unwrap().iter();
    let of_id = scenarios.filter(|scenario| scenario["id"] == id);
    of_id
        .map(|scenario| (text(&scenario["verdict"]), text(&scenario["reason"])))
        .collect()
}

#[tokio::test]
async fn a_server_for_one_mount_gets_a_vault_for_each_scenario() {
    let names = [
        (
            "kv.list",
            "list_secrets",
            r#"path = "{path}""#,
            r#"result = { at = "/entries", each = "/name" }"#,
        ),
        (
            "kv.read",
            "read_secret",
            r#"path = "{path}""#,
            r#"result = { at = "/data" }"#,
        ),
        (
            "kv.write_key",
            "write_secret",
            r#"path = "{path}", key = "{key}", value = "{value}""#,
            "",
        ),
    ];
    let operations = names.map(|(operation, tool, arguments, result)| {
        format!(
            "[operations.\"{operation}\"]\ntool = \"{tool}\"\narguments = {{ mount = \"secret\", {arguments} }}\n{result}\n"
        )
    });
    let selected = [
        "kv.read-exact",
        "kv.write-merges",
        "kv.only-kv",
        "policy.allowed",
        "policy.denied",
        "pki.role-elsewhere",
        "mcp.tools-carry-no-data",
    ];
    let arguments = selected.iter().flat_map(|id| ["--scenario", *id]);
    let trial =
        reference("mount = \"secret\"", &operations.concat()).with(&arguments.collect::<Vec<_>>());
    let ended = trial.ended().await;
    ended.exits_with(0);
    for id in [
        "kv.read-exact",
        "kv.write-merges",
        "policy.allowed",
        "pki.role-elsewhere",
    ] {
        let all = verdicts(&ended, id);
        assert!(
            all.iter().any(|(verdict, _)| verdict == "pass"),
            "{id}: {all:?}"
        );
    }
    for (id, why) in [
        ("kv.only-kv", "not on a mount of another type"),
        (
            "policy.denied",
            "the policy of the scenario is about \"other\"",
        ),
    ] {
        let all = verdicts(&ended, id);
        assert!(
            all.iter().any(|(_, reason)| reason.contains(why)),
            "{id}: {all:?}"
        );
    }
}

#[tokio::test]
async fn a_tool_that_only_creates_or_only_changes_is_not_blamed_for_the_other() {
    let write = r#"[operations."kv.write_key"]
tool = "write_secret"
arguments = { mount = "{mount}", path = "{path}", key = "{key}", value = "{value}" }
create_only = true
"#;
    let changes_only = write.replace("create_only", "existing_only");
    let trial = reference("", write).with(&["--scenario", "kv.write-overwrites"]);
    let ended = trial.ended().await;
    let all = verdicts(&ended, "kv.write-overwrites");
    assert!(
        all.iter()
            .any(|(verdict, reason)| verdict == "not_applicable" && reason.contains("create_only")),
        "{all:?}"
    );
    assert!(all.iter().all(|(verdict, _)| verdict != "fail"), "{all:?}");
    let trial = reference("", &changes_only).with(&[
        "--scenario",
        "kv.write-exact",
        "--scenario",
        "kv.write-key-renews",
        "--scenario",
        "kv.write-overwrites",
    ]);
    let ended = trial.ended().await;
    ended.exits_with(0);
    // The tool that replaces a secret also creates one.
    let all = verdicts(&ended, "kv.write-exact");
    assert!(all.iter().all(|(verdict, _)| verdict == "pass"), "{all:?}");
    let all = verdicts(&ended, "kv.write-key-renews");
    let is_left_out = |(verdict, reason): &(String, String)| {
        verdict == "not_applicable" && reason.contains("existing_only")
    };
    assert!(all.iter().any(is_left_out), "{all:?}");
    let all = verdicts(&ended, "kv.write-overwrites");
    assert!(all.iter().all(|(verdict, _)| verdict == "pass"), "{all:?}");
}

#[tokio::test]
async fn check_names_a_fixed_mount_that_the_server_does_not_use() {
    let mapping = r#"
[operations."kv.read"]
tool = "read_secret"
arguments = { mount = "team", path = "{path}" }
result = { at = "/data" }
"#;
    let text = with_programs(&format!(
        r#"name = "trial"
mount = "secret"
[stdio]
command = ["REFERENCE_SERVER", "stdio"]
env = {{ VAULT_ADDR = "{{vault_addr}}", VAULT_TOKEN = "{{vault_token}}" }}
{mapping}"#
    ));
    let ended = run(&text).checking().with_vault().ended().await;
    ended.exits_with(2);
    let said =
        "no request to Vault was about the mount \"secret\" (mount = \"secret\"), but about team";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);
    assert!(!ended.stdout.contains("defect"), "{}", ended.stdout);
}

#[tokio::test]
async fn check_names_a_token_that_is_not_passed_on_before_all_else() {
    let text = with_programs(
        r#"name = "trial"
[stdio]
command = ["REFERENCE_SERVER", "stdio"]
env = { VAULT_ADDR = "{vault_addr}", VAULT_TOKEN = "hvs.somebody-elses" }
[operations."kv.read"]
tool = "read_secret"
arguments = { mount = "{mount}", path = "{path}" }
result = { at = "/data" }
"#,
    );
    let ended = run(&text).checking().with_vault().ended().await;
    ended.exits_with(2);
    let said = "error     no request to Vault had the token that the suite made for the server";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);
    assert!(!ended.stdout.contains("defect"), "{}", ended.stdout);
}

#[tokio::test]
async fn each_mapped_write_is_tried_in_a_mount_of_a_version_without_support() {
    let trial = reference("kv_versions = [2]", "").with(&["--scenario", "kv.unsupported-version"]);
    let ended = trial.ended().await;
    ended.exits_with(0);
    let all = verdicts(&ended, "kv.unsupported-version");
    let passed = all.iter().filter(|(verdict, _)| verdict == "pass").count();
    // Six operations in a mount of version 1, each in every revision.
    assert!(passed >= 6 && passed.is_multiple_of(6), "{all:?}");
}
