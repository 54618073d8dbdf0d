//! Tests of reading configurations of clients: those that the sources print, literally, and made-up ones.

use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::{ConfigError, plain_json, read};
use crate::{
    adapter::{Adapter, launch::Launch},
    init::{
        draft,
        launch::{LaunchDraft, Section},
    },
};

/// The configurations that the sources print.
const BLOG: &str = include_str!("../../../tests/client-configs/vscode-blog.json");
const TUTORIAL: &str = include_str!("../../../tests/client-configs/vscode-tutorial.json");
const DOCS: &str = include_str!("../../../tests/client-configs/mcp-servers-docs.json");

fn draft_of(text: &str) -> LaunchDraft {
    read(text, None, Path::new("/work")).unwrap()
}

fn stdio(text: &str) -> Launch {
    match draft_of(text).section {
        Section::Stdio(launch) => launch,
        other => panic!("{other:?}"),
    }
}

/// The adapter that is written for a configuration.
fn written(text: &str) -> String {
    let written = draft::text(&draft_of(text), None, None);
    Adapter::parse("draft.toml", &written, |_| panic!()).unwrap();
    written
}

#[test]
fn the_configurations_of_the_sources_start_a_container_with_the_token_of_the_suite() {
    for (text, secret, has_namespace) in [
        (BLOG, "vault-token-from-previous-step", true),
        (TUTORIAL, "VAULT_MCP_TOKEN", false),
        (DOCS, "your-vault-token", true),
    ] {
        let launch = stdio(text);
        assert!(launch.container);
        assert_eq!(
            launch.command[..6],
            [
                "docker",
                "run",
                "-i",
                "--rm",
                "--add-host",
                "host.docker.internal:host-gateway"
            ]
        );
        assert_eq!(launch.command.last().unwrap(), "hashicorp/vault-mcp-server");
        assert_eq!(launch.env["VAULT_ADDR"], "{vault_addr}");
        assert_eq!(launch.env["VAULT_TOKEN"], "{vault_token}");
        assert_eq!(launch.env.len(), 2);
        let written = written(text);
        assert!(!written.contains(secret), "{written}");
        let mode = "[modes.namespace]\nenv = { VAULT_NAMESPACE = \"{namespace}\" }\n";
        assert_eq!(written.contains(mode), has_namespace, "{written}");
    }
}

#[test]
fn comments_and_commas_at_the_end_are_read_as_vs_code_reads_them() {
    let text = r#"// Servers, with "quotes".
    {
        /* several
           lines, } */
        "servers": { "my//vault": { "command": "prog", "args": ["a,]", "b\"//", ], }, },
    }"#;
    let launch = stdio(text);
    assert_eq!(launch.command, ["prog", "a,]", "b\"//"]);
    assert_eq!(draft_of(text).name, "my--vault");
}

#[test]
fn of_several_servers_the_one_about_vault_is_meant_or_the_named_one() {
    let servers = |names: &[&str]| {
        let all: serde_json::Map<_, _> = names
            .iter()
            .map(|name| ((*name).to_owned(), json!({ "command": "prog" })))
            .collect();
        json!({ "mcpServers": all }).to_string()
    };
    assert_eq!(
        draft_of(&servers(&["github", "hc-vault", "files"])).name,
        "hc-vault"
    );
    assert_eq!(draft_of(&servers(&["secrets"])).name, "secrets");
    let read =
        |names, wanted| read(&servers(names), wanted, Path::new("/")).map(|draft| draft.name);
    let several = read(&["a", "b"], None).unwrap_err();
    assert_eq!(several, ConfigError::Several("a, b".to_owned()));
    assert!(several.to_string().contains("--server NAME"), "{several}");
    assert_eq!(read(&["a", "b"], Some("b")).unwrap(), "b");
    let unknown = read(&["vault-one", "vault-two"], Some("vault-tow")).unwrap_err();
    assert!(
        unknown.to_string().contains("did you mean \"vault-two\"?"),
        "{unknown}"
    );
}

#[test]
fn an_address_becomes_a_remote_server_with_headers_from_the_environment() {
    let text = json!({ "servers": { "vault": {
        "type": "http",
        "url": "https://user:pw@mcp.example.com/mcp?key=abc",
        "headers": { "Authorization": "Bearer abcdef0123456789", "X-Vault-Token": "${env:TEAM_TOKEN}", "X-Mode": "fast" },
    } } });
    let written = written(&text.to_string());
    for line in [
        "url = \"https://mcp.example.com/mcp\"",
        r#"headers = { Authorization = "Bearer {env:MCP_HEADER_AUTHORIZATION}", X-Mode = "fast", X-Vault-Token = "{env:TEAM_TOKEN}" }"#,
    ] {
        assert!(written.contains(line), "{written}");
    }
    assert!(!written.contains("abcdef"), "{written}");
}

#[test]
fn a_server_over_sse_is_refused_with_the_reason() {
    let text = json!({ "servers": { "vault": { "type": "sse", "url": "http://h/sse" } } });
    let error = read(&text.to_string(), None, Path::new("/")).unwrap_err();
    assert!(error.to_string().contains("HTTP+SSE"), "{error}");
}

#[test]
fn variables_are_recognised_by_their_names_and_by_what_they_hold() {
    let text = json!({ "mcpServers": { "vault": { "command": "./bin/serve", "args": ["--token", "abc", "--vault-addr=http://v:8200", "--log-level", "debug"], "env": {
        "BACKEND_URL": "http://10.0.0.1:8200", "CREDENTIAL": "hvs.CAESIJabcdefghijklmnop", "LOG_LEVEL": "debug",
        "VAULT_SKIP_VERIFY": "true", "VAULT_CACERT": "/ca.pem", "API_KEY": "Zm9vYmFyYmF6", "SAME": "${input:vault_token}",
    } } } });
    let launch = stdio(&text.to_string());
    assert_eq!(
        launch.command,
        [
            "./bin/serve",
            "--token",
            "{vault_token}",
            "--vault-addr={vault_addr}",
            "--log-level",
            "debug"
        ]
    );
    let env: Vec<_> = launch
        .env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        env,
        [
            ("BACKEND_URL", "{vault_addr}"),
            ("CREDENTIAL", "{vault_token}"),
            ("LOG_LEVEL", "debug"),
            ("SAME", "{vault_token}"),
        ]
    );
    let written = written(&text.to_string());
    assert!(
        written.contains("[modes.vault_ca]\nenv = { VAULT_CACERT = \"{vault_ca}\" }"),
        "{written}"
    );
    assert!(
        written.contains("API_KEY is left out") && !written.contains("Zm9v"),
        "{written}"
    );
}

#[test]
fn a_value_in_a_docker_line_moves_to_the_environment() {
    let text = json!({ "servers": { "vault": { "command": "docker", "args": [
        "run", "--rm", "-i", "--env", "VAULT_TOKEN=hvs.literal", "--env=VAULT_ADDR=http://h:8200", "image",
    ] } } });
    let launch = stdio(&text.to_string());
    assert_eq!(
        launch.command,
        [
            "docker",
            "run",
            "--rm",
            "-i",
            "--add-host",
            "host.docker.internal:host-gateway",
            "-e",
            "VAULT_TOKEN",
            "-e",
            "VAULT_ADDR",
            "image",
        ]
    );
    assert_eq!(launch.env["VAULT_TOKEN"], "{vault_token}");
}

#[test]
fn a_command_with_a_port_is_http() {
    let command = ["target/debug/vault-server", "--port", "{port}"].map(str::to_owned);
    let draft = LaunchDraft::command(&command);
    assert_eq!(draft.name, "vault-server");
    let Section::Http(http) = draft.section else {
        panic!("{draft:?}");
    };
    assert_eq!(http.url, "http://127.0.0.1:{port}/mcp");
}

/// What a person may write as a token.
fn token() -> impl Strategy<Value = String> {
    "(hvs\\.)?[A-Z][A-Za-z0-9]{11}-[A-Za-z0-9]{12}"
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,80}", json in "[\\[\\]{}\",:/*\\\\a\n ]{0,60}") {
        let _ = read(&text, None, Path::new("/"));
        let _ = read(&json, None, Path::new("/"));
        prop_assert_eq!(plain_json(&json).lines().count(), json.lines().count());
    }

    #[test]
    fn json_without_comments_stays_as_it_is(key in "[a-z/*,]{1,8}", text in "\\PC{0,20}", number in any::<i32>()) {
        let value = json!({ key: [text, number, { "a": null }] });
        for written in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            prop_assert_eq!(&plain_json(&written), &written);
        }
    }

    #[test]
    fn no_token_is_copied_wherever_it_stands(
        token in token(),
        name in "(VAULT_TOKEN|TOKEN|MY_SECRET|X|vaultToken|AUTH|PASSPHRASE)",
        flag in "(--token|--vault-token|-t|--secret-id|--api-key)",
    ) {
        let with_equals = format!("{flag}={token}");
        let inline = format!("{name}={token}");
        let address = format!("https://u:{token}@h.example/mcp?t={token}");
        let started = |command: &str, args: &[&str]| json!({ "servers": { "vault": {
            "command": command, "args": args, "env": { &name: &token, "VAULT_TOKEN": &token, "Z": format!("a {token}") },
        } } });
        for server in [
            started("prog", &[&flag, &token]),
            started("prog", &[&with_equals, "serve", &token]),
            started("docker", &["run", "-i", "-e", &inline, "image", &flag, &token]),
            json!({ "servers": { "vault": { "url": address, "headers": { "Authorization": format!("Bearer {token}"), &name: &token } } } }),
        ] {
            let text = written(&server.to_string());
            prop_assert!(!text.contains(&token), "{}", text);
        }
    }
}
