//! The program as its users meet it: the exit code, what it says, and what it leaves behind.
//!
//! Each run has a folder, a cache of notes and a temporary folder of its own, so that what is
//! left behind can be told from what other runs are just using.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{
    ffi::OsStr,
    fs,
    net::TcpStream,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command as Tool, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};
use vault_mcp_conformance::{cache::Cache, report::json};

/// How long anything that is waited for may take.
const DEADLINE: Duration = Duration::from_secs(120);

const FAKE_TARGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/fake-target.sh");

/// Leaves two process ids, its own and a child's, and does nothing ever after.
const HANGING: &str = r#"sleep 600 & : > "$NOTES/$!.pid"; : > "$NOTES/$$.pid"; wait"#;

// What a run is given.

/// One run of the program, in a folder of its own.
struct Trial {
    folder: TempDir,
    command: Command,
}

/// The program with these arguments.
fn program<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Trial {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for name in ["cache", "empty", "notes", "tmp"] {
        fs::create_dir(path.join(name)).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_vault-mcp-conformance"));
    command
        .args(arguments)
        .env("TMPDIR", path.join("tmp"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    Trial { folder, command }
}

/// A run whose adapter file has this text; `NOTES` in it stands for a folder to write to.
fn run(adapter: &str) -> Trial {
    let mut trial = program(["run", "--jobs", "1"]);
    let notes = trial.path("notes").display().to_string();
    fs::write(
        trial.path("target.toml"),
        adapter.replace("NOTES_FOLDER", &notes),
    )
    .unwrap();
    let (target, output) = (trial.path("target.toml"), trial.path("output"));
    trial
        .command
        .arg("--target")
        .arg(target)
        .arg("--output")
        .arg(output);
    trial
}

impl Trial {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn with(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Nowhere to get a Vault from.
    fn without_vault(mut self) -> Self {
        let (empty, cache) = (self.path("empty"), self.path("cache"));
        let docker = format!("unix://{}", self.path("no-docker.sock").display());
        self.command
            .env("PATH", empty)
            .env("VAULT_MCP_CONFORMANCE_CACHE", cache)
            .env("DOCKER_HOST", docker)
            .env_remove("VAULT_IMAGE");
        self
    }

    /// The Vault of this machine, noted in a cache of the run's own.
    fn with_vault(mut self) -> Self {
        let (cache, built) = (
            self.path("cache"),
            Cache::locate().unwrap().create_bin_dir().unwrap(),
        );
        symlink(built, cache.join("bin")).unwrap();
        self.command.env("VAULT_MCP_CONFORMANCE_CACHE", cache);
        self
    }

    async fn ended(self) -> Ended {
        self.interrupted_by(None).await
    }

    /// Signals the program, and nothing else, once a hanging target was started.
    async fn interrupted_by(mut self, signal: Option<Signal>) -> Ended {
        let child = self.command.spawn().unwrap();
        if let Some(signal) = signal {
            eventually("the target to start", || {
                pids(self.folder.path()).len() == 2
            })
            .await;
            kill_process(pid_of(&child), signal).unwrap();
        }
        let output = timeout(DEADLINE, child.wait_with_output())
            .await
            .expect("it ends")
            .unwrap();
        Ended {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            folder: self.folder,
        }
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap()
}

/// The text of an adapter for a target that is started so.
fn adapter(section: &str, command: &[&str]) -> String {
    format!(
        r#"name = "trial"
[{section}]
command = {command:?}
env = {{ VAULT_TOKEN = "{{vault_token}}", NOTES = "NOTES_FOLDER" }}
{url}
[operations."kv.read"]
tool = "read_secret"
arguments = {{ mount = "{{mount}}", path = "{{path}}" }}
"#,
        url = match section {
            "http" => r#"url = "http://127.0.0.1:{port}/mcp""#,
            _ => "",
        }
    )
}

/// A run on a target that is given 2 seconds to start, by a shell's script.
fn started_by(section: &str, script: &str) -> Trial {
    let text = adapter(section, &["sh", "-c", script]);
    run(&format!("{text}\n[budgets]\nstart_seconds = 2\n")).with_vault()
}

/// A run of a few scenarios on the fake target.
fn fake(behaviour: &str) -> Trial {
    run(&adapter("stdio", &["sh", FAKE_TARGET, behaviour]))
        .with_vault()
        .with(&["--scenario", "kv.read-exact"])
}

// What a run ends with.

/// A run that is over.
struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
    folder: TempDir,
}

impl Ended {
    #[track_caller]
    fn exits_with(&self, code: i32) -> &Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }

    #[track_caller]
    fn says(&self, parts: &[&str]) -> &Self {
        for part in parts {
            assert!(
                self.stderr.contains(part),
                "{part:?} is not in:\n{}",
                self.stderr
            );
        }
        self
    }

    fn report(&self) -> Value {
        let file = self.folder.path().join("output/report.json");
        let report = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        jsonschema::validate(&json::schema(), &report).unwrap();
        report
    }

    fn verdict_of(&self, id: &str) -> String {
        let report = self.report();
        let scenario = report["scenarios"]
            .as_array()
            .unwrap()
            .iter()
            .find(|s| s["id"] == id);
        scenario.unwrap()["verdict"].as_str().unwrap().to_owned()
    }

    /// The report and the JUnit file are there, and no scenario was judged.
    #[track_caller]
    fn is_all_blocked(&self) -> &Self {
        let report = self.report();
        let scenarios = report["scenarios"].as_array().unwrap();
        let applicable = scenarios
            .iter()
            .filter(|s| s["verdict"] != "not_applicable");
        assert!(applicable.clone().count() > 0);
        assert!(
            applicable
                .clone()
                .all(|s| s["verdict"] == "blocked" && s["reason"].is_string())
        );
        let junit = fs::read_to_string(self.folder.path().join("output/junit.xml")).unwrap();
        assert!(junit.contains("<error"), "{junit}");
        self
    }

    /// Neither target nor Vault is there any more, and no temporary file.
    async fn leaves_nothing_behind(&self) {
        let path = self.folder.path();
        let pids = pids(path);
        assert!(!pids.is_empty(), "the target noted that it was started");
        eventually("the target's processes to end", || {
            !pids.iter().any(|pid| is_running(pid))
        })
        .await;
        let runs = fs::read_dir(path.join("cache/runs")).unwrap();
        let notes: String = runs
            .map(|run| fs::read_to_string(run.unwrap().path()).unwrap())
            .collect();
        assert!(!notes.is_empty(), "the Vault was noted");
        for line in notes.lines() {
            let (kind, name) = line.split_once(' ').unwrap();
            let is_left = match kind {
                "container" => succeeds("docker", &["container", "inspect", name]),
                "process" => TcpStream::connect(name.trim_start_matches("http://")).is_ok(),
                _ => Path::new(name).exists(),
            };
            assert!(!is_left, "left behind: {line}");
        }
        let temporary: Vec<_> = fs::read_dir(path.join("tmp")).unwrap().collect();
        assert!(temporary.is_empty(), "{temporary:?}");
    }

    /// None of the target's tokens is in anything that the run wrote.
    fn shows_no_token(&self) {
        let tokens = fs::read_to_string(self.folder.path().join("notes/tokens")).unwrap();
        let mut written = files(&self.folder.path().join("output"));
        written.extend([
            ("stdout".into(), self.stdout.clone()),
            ("stderr".into(), self.stderr.clone()),
        ]);
        for token in tokens.lines() {
            assert!(token.starts_with("hvs."), "{token:?} is no token");
            for (file, text) in &written {
                assert!(
                    !text.contains(token),
                    "{} carries the token:\n{text}",
                    file.display()
                );
            }
        }
    }
}

fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| match path.is_dir() {
        true => files(&path),
        false => vec![(path.clone(), fs::read_to_string(path).unwrap())],
    };
    paths.flat_map(read).collect()
}

/// The process ids that targets noted by the names of files.
fn pids(folder: &Path) -> Vec<String> {
    let notes = fs::read_dir(folder.join("notes")).unwrap();
    let names = notes.map(|note| note.unwrap().file_name().into_string().unwrap());
    names
        .filter_map(|name| Some(name.strip_suffix(".pid")?.to_owned()))
        .collect()
}

/// Whether there is such a process, other than a dead one that nobody has asked after yet.
fn is_running(pid: &str) -> bool {
    let told = Tool::new("ps")
        .args(["-o", "stat=", "-p", pid])
        .output()
        .unwrap();
    let state = String::from_utf8(told.stdout).unwrap();
    !state.trim().is_empty() && !state.starts_with('Z')
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let output = Tool::new(program).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(DEADLINE, waiting)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"));
}

// The command line.

#[tokio::test]
async fn help_tells_the_exit_codes_and_the_flags() {
    let ended = program(["--help"]).ended().await;
    ended.exits_with(0);
    for part in [
        "Exit codes:",
        "0  conformant",
        "1  a MUST failed",
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
    let trial = run(&adapter("stdio", &["sh"])).with(&["--scenario", "kv.raed"]);
    let ended = trial.without_vault().ended().await;
    ended.exits_with(4).says(&["nothing to run", "kv.raed"]);
}

// A target or a Vault that cannot be had.

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
async fn a_target_that_can_be_built_is_built_in_its_adapter_s_folder_and_judged() {
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
        "error: no Vault to be had",
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

// Interrupted.

#[tokio::test]
async fn ctrl_c_while_a_target_hangs_ends_the_run_with_a_report_and_nothing_left() {
    interrupted("stdio", Signal::INT).await;
}

#[tokio::test]
async fn sigterm_while_a_target_hangs_ends_the_run_with_a_report_and_nothing_left() {
    interrupted("http", Signal::TERM).await;
}

async fn interrupted(section: &str, signal: Signal) {
    let text = adapter(section, &["sh", "-c", HANGING]);
    let ended = run(&text).with_vault().interrupted_by(Some(signal)).await;
    ended.exits_with(130).says(&["interrupted"]);
    assert_eq!(ended.report()["interrupted"], true);
    ended.leaves_nothing_behind().await;
}

// A target that is judged.

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
