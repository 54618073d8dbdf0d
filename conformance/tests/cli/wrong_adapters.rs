//! Adapters that are wrong: a run ends with 2, names every mistake with its line and what was meant, and tests nothing.

use std::fs;

use crate::{
    odd_targets::started_by,
    trial::{Ended, Trial, program, run},
};

/// A whole adapter; each test changes one thing.
const RIGHT: &str = r#"name = "mine"
[stdio]
command = ["sh"]
env = { VAULT_TOKEN = "{vault_token}" }
[operations."kv.read"]
tool = "read"
arguments = { mount = "{mount}", path = "{path}" }
"#;

/// A mistake in the file is found before anything is made.
async fn is_rejected(adapter: &str, said: &[&str]) -> Ended {
    let ended = run(adapter).without_vault().ended().await;
    ended.exits_with(2).says(said).made_nothing();
    assert_eq!(ended.stdout, "");
    ended
}

#[tokio::test]
async fn an_operation_without_quotes_is_rejected_with_how_it_is_written() {
    let text = RIGHT.replace("[operations.\"kv.read\"]", "[operations.kv.read]");
    is_rejected(
        &text,
        &[
            "target.toml:5: ",
            "needs quotes",
            "[operations.\"kv.read\"]",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_command_as_one_text_is_rejected_with_the_list_of_its_words() {
    let text = RIGHT.replace("[\"sh\"]", "\"prog stdio\"");
    is_rejected(&text, &["target.toml:3: ", "[\"prog\", \"stdio\"]"]).await;
}

#[tokio::test]
async fn a_placeholder_that_does_not_exist_is_rejected_with_the_one_that_was_meant() {
    let text = RIGHT.replace("{vault_token}", "{token}");
    is_rejected(&text, &["target.toml:4: ", "{token} has no meaning here"]).await;
    let text = RIGHT.replace("{path}", "{pth}");
    let said = ["target.toml:7: ", "{pth}", "did you mean \"path\"?"];
    is_rejected(&text, &said).await;
}

#[tokio::test]
async fn a_placeholder_with_a_dollar_sign_is_rejected() {
    let text = RIGHT.replace("{path}", "${path}");
    is_rejected(&text, &["target.toml:7: ", "write {path}", "${path}"]).await;
}

#[tokio::test]
async fn http_with_sse_is_rejected_however_it_is_written() {
    let section = "[sse]\nurl = \"http://127.0.0.1:{port}/sse\"\n";
    for text in [
        RIGHT.replace("[stdio]", &format!("{section}[stdio]")),
        format!("transport = \"sse\"\n{RIGHT}"),
    ] {
        is_rejected(&text, &["HTTP+SSE of 2024-11-05 is not supported"]).await;
    }
}

#[tokio::test]
async fn several_mistakes_are_listed_at_once_in_the_order_of_the_file() {
    let text = RIGHT
        .replace("name =", "nmae =")
        .replace("[\"sh\"]", "\"sh -c x\"")
        .replace("{mount}", "{mont}");
    let ended = is_rejected(&text, &[]).await;
    let lines = ended.stderr.lines();
    let lines: Vec<_> = lines.filter(|line| line.contains("target.toml:")).collect();
    let said = [
        "\"nmae\"",
        "\"name\" is missing",
        "[\"sh\", \"-c\", \"x\"]",
        "{mont}",
    ];
    assert_eq!(lines.len(), said.len(), "{}", ended.stderr);
    for (line, said) in lines.iter().zip(said) {
        assert!(line.contains(said), "{said:?} is not in {line}");
    }
}

#[tokio::test]
async fn two_adapters_that_extend_each_other_are_rejected() {
    let trial = run("name = \"mine\"\nextends = \"other.toml\"\n");
    let other = "name = \"other\"\nextends = \"target.toml\"\n";
    fs::write(trial.path("other.toml"), other).unwrap();
    let ended = trial.without_vault().ended().await;
    ended.exits_with(2).made_nothing();
    ended.says(&[
        "target.toml:2: ",
        "\"other.toml\" itself extends \"target.toml\"",
        "remove `extends` from one of them",
    ]);
}

#[tokio::test]
async fn a_clients_configuration_is_rejected_with_how_an_adapter_begins() {
    let started = r#"{ "mcpServers": { "vault": { "command": "prog", "args": ["stdio"] } } }"#;
    let remote = r#"{ "servers": { "vault": { "type": "sse", "url": "http://h/sse" } } }"#;
    for (text, said) in [
        (started, "[stdio] with command = [\"prog\", \"stdio\"]"),
        (remote, "HTTP+SSE of 2024-11-05 is not supported"),
    ] {
        // By its name alone, as one is in the folder of an editor.
        let trial = program(["run", "--target", "mcp.json"]).in_its_folder();
        fs::write(trial.path("mcp.json"), text).unwrap();
        let ended = trial.without_vault().ended().await;
        ended.exits_with(2).made_nothing();
        ended.says(&["mcp.json:1: ", "the configuration of an MCP client", said]);
    }
}

// Adapters that only the running server proves wrong.

/// A run of one requirement with the adapter of the reference server and another mapping.
fn mapped(mapping: &str) -> Trial {
    let text = started_by(r#"exec "$REFERENCE" stdio"#) + mapping;
    run(&text)
        .with_vault()
        .with(&["--scenario", "kv.read-exact"])
}

/// The server proves this mapping wrong.
async fn is_proven_wrong(mapping: &str, said: &[&str]) {
    let trial = mapped(mapping);
    let output = trial.path("output");
    fs::create_dir_all(&output).unwrap();
    for name in ["report.json", "junit.xml"] {
        fs::write(output.join(name), "an earlier run's").unwrap();
    }
    let ended = trial.ended().await;
    ended.exits_with(2).says(said).says(&[
        "does not match the server, so nothing was tested",
        "`check` shows more",
    ]);
    let left: Vec<_> = fs::read_dir(&output).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn a_pointer_to_nothing_ends_the_run_with_the_one_that_finds_the_data() {
    let mapping = r#"
[operations."kv.read"]
tool = "read_secret"
arguments = { mount = "{mount}", path = "{path}" }
result = { at = "/secret" }
"#;
    let said = [
        "kv.read: the adapter finds nothing: there is nothing at \"/secret\"",
        "would be found by result.v2 = { at = \"/data\" }",
        "[value of password]",
    ];
    is_proven_wrong(mapping, &said).await;
}

#[tokio::test]
async fn a_pointer_to_nothing_in_an_answer_without_the_value_is_left_to_the_scenarios() {
    // The tool answers without values, as a server does that reads nothing.
    let mapping = r#"
[operations."kv.read"]
tool = "read_secret_metadata"
arguments = { mount = "{mount}", path = "{path}" }
result = { at = "/data" }
"#;
    let ended = mapped(mapping).ended().await;
    ended.exits_with(1);
    assert_eq!(ended.verdict_of("kv.read-exact"), "fail");
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn an_argument_that_the_tools_schema_lacks_ends_the_run() {
    let mapping = r#"
[operations."kv.write_key"]
tool = "write_secret"
arguments = { mount = "{mount}", path = "{path}", kee = "{key}", key = "{key}", value = "{value}" }
"#;
    let said =
        "kv.write_key: write_secret does not know the argument \"kee\"; did you mean \"key\"?";
    is_proven_wrong(mapping, &[said]).await;
}

#[tokio::test]
async fn a_required_argument_that_is_never_sent_ends_the_run() {
    let mapping = r#"
[operations."kv.write_key"]
tool = "write_secret"
arguments = { mount = "{mount}", path = "{path}", value = "{value}" }
"#;
    let said = "kv.write_key: write_secret requires the argument \"key\", which is never sent";
    is_proven_wrong(mapping, &[said]).await;
}
