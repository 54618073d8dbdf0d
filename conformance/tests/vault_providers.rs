//! How the suite gets a Vault: with real ones if available, and with a fake Go for builds.
//!
//! Tests that depend on a process's environment use a separate process: see [`vault_start`].
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "vault_providers/openbao.rs"]
mod openbao;

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tempfile::TempDir;
use vault_mcp_conformance::cache::Cache;
use vault_mcp_conformance::progress::Progress;
use vault_mcp_conformance::vault::audit::AuditKind;
use vault_mcp_conformance::vault::container::ContainerError;
use vault_mcp_conformance::vault::provider::{
    Problem, Vault, VaultChoice, VaultError, VaultOptions, VaultProvider, start,
};
use vault_mcp_conformance::vault::{build, image};

const DEADLINE: Duration = Duration::from_secs(30);

fn choice(choice: VaultChoice) -> VaultOptions {
    VaultOptions {
        choice,
        ..VaultOptions::default()
    }
}

/// Any Vault.
async fn a_vault() -> Vault {
    start(&VaultOptions::default(), &Progress::stderr())
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

/// A Vault in a container, from an image that is built here if none can be pulled. Without Docker none, and the
/// reason on stderr.
async fn a_container() -> Option<Vault> {
    let progress = Progress::stderr();
    let options = choice(VaultChoice::Container);
    let error = match start(&options, &progress).await {
        Ok(vault) => return Some(vault),
        Err(error) => error,
    };
    let VaultError::Unavailable(attempt) = &error else {
        panic!("{error}");
    };
    match &attempt.problem {
        Problem::Container(ContainerError::NoDocker { .. }) => {
            not_run(&error);
            None
        }
        Problem::Container(ContainerError::NoImage { .. }) => {
            let cache = Cache::locate().unwrap();
            image::pack(&cache, &progress).await.unwrap();
            Some(start(&options, &progress).await.unwrap())
        }
        _ => panic!("{error}"),
    }
}

/// Bypasses libtest, which hides the output of passing tests.
fn not_run(reason: &dyn std::fmt::Display) {
    let mut stderr = io::stderr();
    writeln!(stderr, "NOT RUN, for want of a container: {reason}").unwrap();
}

/// A request to Vault with the root token, or with none.
async fn request(vault: &Vault, method: Method, path: &str, root: bool, body: &Value) -> u16 {
    let url = format!("{}/v1/{path}", vault.address());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.request(method, url).json(body).timeout(DEADLINE);
    if root {
        request = request.header("X-Vault-Token", vault.root_token().expose_secret());
    }
    request.send().await.unwrap().status().as_u16()
}

async fn sees_requests(vault: &Vault) {
    let none = Value::Null;
    let status = request(vault, Method::GET, "secret/data/seen", true, &none).await;
    assert_eq!(status, 404);
    let status = request(vault, Method::GET, "secret/data/denied", false, &none).await;
    assert_eq!(status, 403);
    // Longer than the pieces in which Docker and pipes deliver output.
    let keys = (0..2000).map(|number| (number.to_string(), json!("value")));
    let wide = json!({ "data": keys.collect::<serde_json::Map<_, _>>() });
    let status = request(vault, Method::POST, "secret/data/wide", true, &wide).await;
    assert_eq!(status, 200);
    let audit = vault.audit().unwrap();
    audit.settle().await.unwrap();

    let seen = audit.entries(|entry| entry.path == "secret/data/seen");
    let kinds: Vec<_> = seen.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [AuditKind::Request, AuditKind::Response]);
    assert_eq!(seen[0].operation, "read");
    assert_eq!(seen[0].request_id, seen[1].request_id);
    let accessor = seen[0].accessor.as_deref().unwrap();
    assert!(!accessor.starts_with("hmac-"), "{accessor}");

    let denied = audit.entries(|entry| entry.path == "secret/data/denied");
    assert!(
        denied[1]
            .error
            .as_deref()
            .unwrap()
            .contains("permission denied")
    );
    assert_eq!(denied[1].accessor, None);

    let wide = audit.entries(|entry| entry.path == "secret/data/wide");
    let keys = &wide[0].raw()["request"]["data"]["data"];
    assert_eq!(keys.as_object().unwrap().len(), 2000);
    assert_eq!(audit.lost(), 0);
}

/// Vault keeps metrics of each mount for a day; after hundreds of mounts they use most of its memory.
async fn keeps_no_metrics(vault: &Vault) {
    let metrics = "sys/metrics?format=prometheus";
    let status = request(vault, Method::GET, metrics, true, &Value::Null).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn any_vault_is_ready_for_requests_and_its_audit_log_shows_them() {
    let vault = a_vault().await;
    assert!(vault.is_alive().await);
    assert!(!vault.identity().version.is_empty());
    sees_requests(&vault).await;
    vault.stop().await.unwrap();
}

#[tokio::test]
async fn a_container_serves_on_loopback_shows_its_audit_log_and_is_gone_after_stop() {
    let Some(vault) = a_container().await else {
        return;
    };
    assert_eq!(vault.identity().provider, VaultProvider::Container);
    assert!(
        vault.address().starts_with("http://127.0.0.1:"),
        "{}",
        vault.address()
    );
    sees_requests(&vault).await;
    keeps_no_metrics(&vault).await;
    let address = vault.address().to_owned();
    vault.stop().await.unwrap();
    assert!(!accepts_connections(&address));
}

#[test]
fn a_container_that_outlives_its_runtime_is_removed_on_drop() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(vault) = runtime.block_on(a_container()) else {
        return;
    };
    let address = vault.address().to_owned();
    drop(runtime);
    drop(vault);
    assert!(!accepts_connections(&address));
}

#[tokio::test]
async fn an_image_that_is_nowhere_is_reported_with_the_pull_command() {
    let options = VaultOptions {
        choice: VaultChoice::Auto,
        image: Some("vault-mcp-conformance/nowhere:0".to_owned()),
        ..VaultOptions::default()
    };
    let error = start(&options, &Progress::silent()).await.unwrap_err();
    if let VaultError::Unavailable(attempt) = &error
        && matches!(
            attempt.problem,
            Problem::Container(ContainerError::NoDocker { .. })
        )
    {
        return not_run(&error);
    }
    let text = error.to_string();
    assert!(
        text.contains("docker pull vault-mcp-conformance/nowhere:0"),
        "{text}"
    );
}

#[tokio::test]
async fn a_process_is_gone_after_stop_and_after_drop() {
    for stop in [true, false] {
        let options = choice(VaultChoice::Build);
        let vault = start(&options, &Progress::stderr()).await.unwrap();
        assert_eq!(vault.identity().provider, VaultProvider::Build);
        keeps_no_metrics(&vault).await;
        let address = vault.address().to_owned();
        if stop {
            vault.stop().await.unwrap();
            assert!(!accepts_connections(&address));
        } else {
            drop(vault);
            until(|| !accepts_connections(&address)).await;
        }
    }
}

#[tokio::test]
async fn many_at_once_get_a_vault_each() {
    let options = choice(VaultChoice::Build);
    let progress = Progress::silent();
    let (one, two, three) = tokio::join!(
        start(&options, &progress),
        start(&options, &progress),
        start(&options, &progress)
    );
    let vaults = [one.unwrap(), two.unwrap(), three.unwrap()];
    let mut addresses: Vec<_> = vaults.iter().map(Vault::address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 3);
    for vault in vaults {
        sees_requests(&vault).await;
        vault.stop().await.unwrap();
    }
}

#[test]
fn without_docker_binary_and_go_one_error_names_them_all_and_what_to_do() {
    let empty = TempDir::new().unwrap();
    let error = failure_of(&mut vault_start_without_docker(
        "auto",
        empty.path(),
        empty.path(),
    ));
    for choice in ["container", "binary", "build"] {
        assert!(
            error.contains(&format!("no Vault with {choice}: ")),
            "{error}"
        );
    }
    for part in [
        "no usable Vault found; tried in this order:",
        "container: docker does not answer at unix:///nowhere/docker.sock",
        "fix: start docker",
        "binary: no `vault` on PATH",
        "fix: install Vault",
        "build: no Vault built before in ",
        "no `go` on PATH",
        "fix: install Go 1.",
    ] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
}

#[test]
fn without_docker_the_vault_on_path_is_used_and_it_is_said_why() {
    let built = built_vault();
    let path = folder_with("vault", &built);
    let cache = TempDir::new().unwrap();
    let command = &mut vault_start_without_docker("auto", path.path(), cache.path());
    let (address, told) = start_and_interrupt(command);
    assert!(
        told.contains("no Vault with container: docker does not answer"),
        "{told}"
    );
    let detail = path.path().join("vault");
    let used = format!("(binary {}) at {address}", detail.display());
    assert!(told.contains(&used), "{told}");
}

#[test]
fn a_vault_that_does_not_start_is_reported_with_its_last_words() {
    let path = folder_with("vault", &fake("failing-vault"));
    let error = failure_of(&mut vault_start_without_docker(
        "binary",
        path.path(),
        path.path(),
    ));
    assert!(error.contains("exit status: 3"), "{error}");
    assert!(
        error.contains("| Error parsing listener configuration."),
        "{error}"
    );
}

#[test]
fn a_port_that_somebody_took_meanwhile_is_left_to_them() {
    let (path, cache) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (program, tried) = (path.path().join("vault"), path.path().join("tried"));
    // At the first start its port is already in use.
    let script = format!(
        "#!/bin/sh\n[ -e {tried} ] && exec {vault} \"$@\"\n: > {tried}\n\
         echo 'Error initializing listener of type tcp: bind: address already in use' >&2\nexit 1\n",
        tried = tried.display(),
        vault = built_vault().display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(
        &program,
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let command = &mut vault_start_without_docker("binary", path.path(), cache.path());
    let (address, told) = start_and_interrupt(command);
    assert!(tried.exists() && told.contains(&address), "{told}");
}

#[tokio::test]
async fn a_failed_build_shows_what_go_said_and_what_to_run() {
    let cache = TempDir::new().unwrap();
    let cache = Cache::at(cache.path());
    let error = build::build_with(&fake("failing-go"), &cache, &Progress::silent())
        .await
        .unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("CGO_ENABLED=0 go list -tags minimal -deps github.com/hashicorp/vault"),
        "{error}"
    );
    assert!(error.contains("no such host"), "{error}");
    assert_eq!(build::cached(&cache), None);
}

#[tokio::test]
async fn a_build_of_the_wrong_version_does_not_reach_the_cache() {
    let folder = TempDir::new().unwrap();
    let cache = Cache::at(folder.path());
    let error = build::build_with(&fake("wrong-go"), &cache, &Progress::silent())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("Vault v0.1.0 (fake)"), "{error}");
    assert_eq!(build::cached(&cache), None);
    assert_eq!(left_in(folder.path()), ["bin"]);
}

#[tokio::test]
async fn two_builders_build_once_and_the_second_says_that_it_waits() {
    let folder = TempDir::new().unwrap();
    let cache = Cache::at(folder.path());
    let hold = folder.path().join("hold");
    fs::write(&hold, "").unwrap();
    let go = fake("fake-go");
    let said = Said::default();

    let progress = Progress::silent();
    let first = build::build_with(&go, &cache, &progress);
    let progress = Progress::lines(said.clone());
    let second = async {
        until(|| folder.path().join("builds").exists()).await;
        build::build_with(&go, &cache, &progress).await
    };
    let release = async {
        until(|| said.text().contains("another run is building Vault")).await;
        fs::remove_file(&hold).unwrap();
    };
    let (first, second, ()) = tokio::join!(first, second, release);
    assert_eq!(first.unwrap(), second.unwrap());
    assert!(build::cached(&cache).is_some());
    let builds = fs::read_to_string(folder.path().join("builds")).unwrap();
    assert_eq!(builds, "build\n");
}

#[tokio::test]
async fn a_build_that_is_given_up_ends_go_and_leaves_nothing_in_the_cache() {
    let folder = TempDir::new().unwrap();
    let cache = Cache::at(folder.path());
    fs::write(folder.path().join("hold"), "").unwrap();
    let (go, progress) = (fake("fake-go"), Progress::silent());
    let builds = folder.path().join("builds");
    tokio::select! {
        result = build::build_with(&go, &cache, &progress) => panic!("{result:?}"),
        () = until(|| builds.exists()) => {}
    }
    assert_eq!(build::cached(&cache), None);
    assert_eq!(left_in(folder.path()), ["bin", "builds", "hold"]);
    // The next build is not locked out.
    fs::remove_file(folder.path().join("hold")).unwrap();
    build::build_with(&go, &cache, &progress).await.unwrap();
}

#[test]
fn the_next_run_removes_the_process_of_a_run_that_was_killed() {
    let path = folder_with("vault", &built_vault());
    let cache = TempDir::new().unwrap();
    the_next_run_removes_what_a_killed_run_left("binary", |command| {
        command.env("PATH", path.path());
        without_docker(command, cache.path());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_run_removes_the_container_of_a_run_that_was_killed() {
    let Some(vault) = a_container().await else {
        return;
    };
    let image = &vault.identity().detail;
    let cache = TempDir::new().unwrap();
    the_next_run_removes_what_a_killed_run_left("container", |command| {
        command
            .env("VAULT_IMAGE", image)
            .env("VAULT_MCP_CONFORMANCE_CACHE", cache.path());
    });
    vault.stop().await.unwrap();
}

fn the_next_run_removes_what_a_killed_run_left(asked: &str, prepare: impl Fn(&mut Command)) {
    let mut first = vault_start(asked);
    prepare(&mut first);
    let (mut first, address) = started(&mut first);
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(accepts_connections(&address));

    let mut second = vault_start(asked);
    prepare(&mut second);
    let (_, told) = start_and_interrupt(&mut second);
    assert!(
        told.contains(&format!(
            "removed what a killed run left: {}",
            if asked == "binary" {
                "process"
            } else {
                "container"
            }
        )),
        "{told}"
    );
    assert!(!accepts_connections(&address));
}

/// `vault start` without Docker, with this PATH and this cache, and with the variables that Vault users usually set.
fn vault_start_without_docker(asked: &str, path: &Path, cache: &Path) -> Command {
    let mut command = vault_start(asked);
    without_docker(&mut command, cache);
    command
        .env("PATH", path)
        .env("VAULT_ADDR", "http://127.0.0.1:1")
        .env("VAULT_TOKEN", "somebody's")
        .env("VAULT_LOG_LEVEL", "nonsense");
    command
}

fn vault_start(asked: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vault-mcp-conformance"));
    command
        .args(["vault", "start", "--vault", asked])
        .env_remove("VAULT_IMAGE");
    command
}

/// The error of `vault start`.
fn failure_of(command: &mut Command) -> String {
    let ended = command.output().unwrap();
    assert_eq!(ended.status.code(), Some(3));
    assert!(ended.stdout.is_empty());
    String::from_utf8(ended.stderr).unwrap()
}

/// Starts a Vault; returns its process and its address.
fn started(command: &mut Command) -> (Child, String) {
    let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let address = lines
        .find_map(|line| Some(line.unwrap().strip_prefix("export VAULT_ADDR=")?.to_owned()))
        .unwrap();
    (process, address)
}

/// Starts a Vault and ends it with Ctrl-C; returns its address and the output.
fn start_and_interrupt(command: &mut Command) -> (String, String) {
    let (process, address) = started(command.stderr(Stdio::piped()));
    let pid = rustix::process::Pid::from_raw(process.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ended = process.wait_with_output().unwrap();
    assert!(!accepts_connections(&address));
    (address, String::from_utf8(ended.stderr).unwrap())
}

fn without_docker(command: &mut Command, cache: &Path) {
    command
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .env("VAULT_MCP_CONFORMANCE_CACHE", cache);
}

/// The Vault that the suite builds; the first build takes minutes.
fn built_vault() -> PathBuf {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cache = Cache::locate().unwrap();
    runtime
        .block_on(build::get(&cache, &Progress::stderr()))
        .unwrap()
}

fn fake(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vault_providers")
        .join(name)
}

fn folder_with(name: &str, program: &Path) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::os::unix::fs::symlink(program, folder.path().join(name)).unwrap();
    folder
}

fn left_in(folder: &Path) -> Vec<OsString> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort_unstable();
    names
}

fn accepts_connections(address: &str) -> bool {
    TcpStream::connect(address.trim_start_matches("http://")).is_ok()
}

async fn until(condition: impl Fn() -> bool) {
    let met = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, met).await.unwrap();
}

/// The output of progress.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
