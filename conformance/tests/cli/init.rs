//! Drafts of adapters: from a command, a client's configuration, and an address of a server that already runs.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Stdio, time::Duration};

use vault_mcp_conformance::ports::free_port;

use crate::{
    odd_targets::programs,
    trial::{Ended, Trial, program},
};

/// The configurations that the sources print, literally.
const TUTORIAL: &str = include_str!("../client-configs/vscode-tutorial.json");
const DOCS: &str = include_str!("../client-configs/mcp-servers-docs.json");

/// The operations of the reference server, all that there are.
const OPERATIONS: usize = 30;

/// `init` on a configuration, which is a file in the trial's folder.
fn from_config(text: &str) -> Trial {
    let trial = program(["init", "--from", "mcp.json"]).in_its_folder();
    fs::write(trial.path("mcp.json"), text).unwrap();
    trial
}

fn draft(ended: &Ended, name: &str) -> String {
    fs::read_to_string(ended.folder.path().join(name)).unwrap()
}

/// `check` says that a draft fits.
async fn fits(ended: &Ended, name: &str) {
    let file = ended.folder.path().join(name);
    let trial = program(["check".as_ref(), file.as_os_str()]).with_vault();
    let checked = trial.ended().await;
    checked.exits_with(0);
    assert!(
        checked.stdout.contains("\nfits      0 errors"),
        "{}",
        checked.stdout
    );
}

fn path_with(folder: &Path) -> String {
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

#[tokio::test]
async fn a_draft_of_the_reference_server_has_all_operations_and_fits() {
    let (_, reference) = programs();
    let text = serde_json::json!({ "servers": { "vault": {
        "command": reference,
        "args": ["stdio"],
        "env": {
            "VAULT_ADDR": "http://127.0.0.1:8200",
            "VAULT_TOKEN": "a-literal-token",
            "MCP_RATE_LIMIT_SESSION": "10000:10000",
            "MCP_RATE_LIMIT_GLOBAL": "10000:10000",
        },
    } } });
    let ended = from_config(&text.to_string()).with_vault().ended().await;
    ended.exits_with(0);
    let draft = draft(&ended, "vault.toml");
    assert_eq!(draft.matches("[operations.").count(), OPERATIONS, "{draft}");
    assert!(!draft.contains("a-literal-token"), "{draft}");
    for said in [
        "30 of them confirmed",
        "written    vault.toml",
        "check vault.toml",
    ] {
        assert!(ended.stdout.contains(said), "{}", ended.stdout);
    }
    fits(&ended, "vault.toml").await;
}

#[tokio::test]
async fn a_container_of_a_clients_configuration_is_drafted_with_all_operations() {
    let (_, reference) = programs();
    let trial = from_config(TUTORIAL);
    let (folder, notes) = (trial.path("empty"), trial.path("notes"));
    let script = include_str!("fake-docker.sh")
        .replace("FOLDER", &notes.display().to_string())
        .replace("$CONTAINERS", &notes.display().to_string())
        .replace("$SERVER", &reference.display().to_string())
        .replace(
            "export VAULT_ADDR",
            "export VAULT_ADDR MCP_RATE_LIMIT_SESSION=10000:10000 MCP_RATE_LIMIT_GLOBAL=10000:10000",
        );
    let docker = folder.join("docker");
    fs::write(&docker, script).unwrap();
    fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).unwrap();
    let trial = trial.with_vault().with(&["--vault", "build"]);
    let ended = trial.with_env("PATH", path_with(&folder)).ended().await;
    ended.exits_with(0);
    let draft = draft(&ended, "vault-mcp-server.toml");
    for line in [
        "container = true",
        "\"--add-host\", \"host.docker.internal:host-gateway\",",
        "env = { VAULT_ADDR = \"{vault_addr}\", VAULT_TOKEN = \"{vault_token}\" }",
    ] {
        assert!(draft.contains(line), "{draft}");
    }
    assert_eq!(draft.matches("[operations.").count(), OPERATIONS, "{draft}");
}

#[tokio::test]
async fn without_docker_the_draft_has_the_launch_part_and_says_why() {
    let ended = from_config(DOCS).without_vault().ended().await;
    ended
        .exits_with(3)
        .says(&["docker", "vault.toml has only how the server is started"]);
    let draft = draft(&ended, "vault.toml");
    assert!(draft.contains("[stdio]\ncontainer = true\n"), "{draft}");
    assert!(
        draft.contains("# There are no operations: the tools could not be listed."),
        "{draft}"
    );
    assert!(!draft.contains("your-vault-token"), "{draft}");
}

#[tokio::test]
async fn a_file_that_exists_is_overwritten_only_on_request() {
    let trial = from_config(DOCS);
    fs::write(trial.path("vault.toml"), "mine").unwrap();
    let ended = trial.without_vault().ended().await;
    ended.exits_with(2).says(&["vault.toml exists", "--force"]);
    assert_eq!(draft(&ended, "vault.toml"), "mine");
    let trial = from_config(DOCS).with(&["--force", "-o", "other.toml"]);
    fs::write(trial.path("other.toml"), "mine").unwrap();
    let ended = trial.without_vault().ended().await;
    assert!(draft(&ended, "other.toml").starts_with("name = \"vault\""));
}

#[tokio::test]
async fn a_configuration_with_several_servers_needs_the_name_of_one() {
    let text = r#"{ "mcpServers": { "a": { "command": "x" }, "b": { "command": "y" } } }"#;
    let ended = from_config(text).without_vault().ended().await;
    ended
        .exits_with(2)
        .says(&["mcp.json: it has several servers: a, b; choose one with --server NAME"]);
}

#[tokio::test]
async fn a_server_that_already_runs_is_drafted_from_its_tools_alone() {
    let (_, reference) = programs();
    let port = free_port().unwrap();
    let mut server = tokio::process::Command::new(reference)
        .args(["streamable-http", "--transport-port", &port.to_string()])
        .env("VAULT_ADDR", "http://127.0.0.1:9")
        .env("VAULT_TOKEN", "none")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let ready = async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ready)
        .await
        .unwrap();
    let url = format!("http://127.0.0.1:{port}/mcp");
    let trial = program(["init", "--from", &url, "-o", "-"]).without_vault();
    let ended = trial.ended().await;
    server.kill().await.unwrap();
    ended.exits_with(0).says(&["nothing was called"]);
    let draft = &ended.stdout;
    assert!(
        draft.contains(&format!("[remote]\nurl = \"{url}\"\n")),
        "{draft}"
    );
    assert!(
        draft.contains("[operations.\"kv.read\"]\ntool = \"read_secret\"\n"),
        "{draft}"
    );
}
