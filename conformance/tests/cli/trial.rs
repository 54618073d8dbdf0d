//! One run of the program: its input, and checks of the result.
//!
//! Each run has its own folder, its own cache and its own temporary folder, so that its leftovers are distinguishable
//! from the files of other runs.

use std::{
    ffi::OsStr,
    fs,
    net::TcpStream,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command as Tool, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    sync::OnceCell,
    time::{sleep, timeout},
};
use vault_mcp_conformance::{cache::Cache, progress::Progress, report::json, vault::build};

/// Timeout of a run; the first one on a machine may build Vault.
const DEADLINE: Duration = Duration::from_secs(600);

/// Timeout for the end of a killed process.
const GONE: Duration = Duration::from_secs(10);

/// A small MCP server; its source lists the faults that it can have.
pub(crate) const FAKE_TARGET: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/fake-target.sh");

/// Writes two process ids, its own and a child's, and then hangs, and says so.
pub(crate) const HANGING: &str =
    r#"sleep 600 & : > "$NOTES/$!.pid"; : > "$NOTES/$$.pid"; : > "$NOTES/hanging"; wait"#;

// The input of a run.

/// One run of the program, in its own folder.
pub(crate) struct Trial {
    folder: TempDir,
    command: Command,
}

/// The program with these arguments.
pub(crate) fn program<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Trial {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for name in ["cache", "empty", "notes", "tmp"] {
        fs::create_dir(path.join(name)).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_vault-mcp-conformance"));
    command
        .args(arguments)
        .env("TMPDIR", path.join("tmp"))
        .env_remove("CLICOLOR_FORCE")
        .env_remove("NO_COLOR")
        // Otherwise the tests of a job would write to its summary.
        .env_remove("GITHUB_ACTIONS")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    Trial { folder, command }
}

/// A run with an adapter file of this text; `NOTES_FOLDER` in it stands for a writable folder.
pub(crate) fn run(adapter: &str) -> Trial {
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
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn with(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn with_env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// In the trial's own folder, where relative paths begin.
    pub(crate) fn in_its_folder(mut self) -> Self {
        self.command.current_dir(self.folder.path());
        self
    }

    /// With this standard output.
    pub(crate) fn with_stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.command.stdout(stdout);
        self
    }

    /// With this standard error.
    pub(crate) fn with_stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.command.stderr(stderr);
        self
    }

    /// Compares the run with a baseline file of this text.
    pub(crate) fn with_baseline(self, text: &str) -> Self {
        let file = self.path("known.toml");
        fs::write(&file, text).unwrap();
        let file = file.display().to_string();
        self.with(&["--baseline", &file])
    }

    /// The same adapter, validated but not tested.
    pub(crate) fn checking(mut self) -> Self {
        let target = self.path("target.toml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_vault-mcp-conformance"));
        command
            .arg("check")
            .arg(target)
            .env("TMPDIR", self.path("tmp"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        self.command = command;
        self
    }

    /// Without any source of a Vault.
    pub(crate) fn without_vault(mut self) -> Self {
        let (empty, cache) = (self.path("empty"), self.path("cache"));
        let docker = format!("unix://{}", self.path("no-docker.sock").display());
        self.command
            .env("PATH", empty)
            .env("VAULT_MCP_CONFORMANCE_CACHE", cache)
            .env("DOCKER_HOST", docker)
            .env_remove("VAULT_IMAGE");
        self
    }

    /// With the Vault of this machine, noted in the run's own cache.
    pub(crate) fn with_vault(mut self) -> Self {
        let (cache, built) = (
            self.path("cache"),
            Cache::locate().unwrap().create_bin_dir().unwrap(),
        );
        symlink(built, cache.join("bin")).unwrap();
        self.command.env("VAULT_MCP_CONFORMANCE_CACHE", cache);
        self
    }

    /// After a killed run, with the same cache.
    pub(crate) fn after(mut self, killed: &Ended) -> Self {
        let cache = killed.folder.path().join("cache");
        self.command.env("VAULT_MCP_CONFORMANCE_CACHE", cache);
        self
    }

    /// The command that a fake target with the fault `kill` runs.
    pub(crate) fn killing_with(self, command: &str) -> Self {
        fs::write(self.path("notes").join("kill"), command).unwrap();
        self
    }

    /// The same, for the most recent Vault process: the `vault` on PATH writes its process id.
    pub(crate) async fn killing_its_vault_process(self) -> Self {
        let cache = Cache::locate().unwrap();
        let vault = build::get(&cache, &Progress::stderr()).await.unwrap();
        let (empty, noted) = (self.path("empty"), self.path("notes").join("vault"));
        let (vault, noted) = (vault.display(), noted.display());
        let script = format!("#!/bin/sh\necho $$ > {noted}\nexec {vault} \"$@\"\n");
        let program = empty.join("vault");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", empty.display(), std::env::var("PATH").unwrap());
        self.killing_with(&format!("kill -9 $(cat {noted})"))
            .with_env("PATH", path)
    }

    pub(crate) async fn ended(self) -> Ended {
        self.started().end().await
    }

    /// Sends a signal to the program only, once its target hangs.
    pub(crate) async fn interrupted_by(self, signal: Signal) -> Ended {
        self.hanging().await.ended_by(signal).await
    }

    /// A run whose target hangs, or that has ended before.
    pub(crate) async fn hanging(self) -> Running {
        let mut running = self.started();
        eventually("the target to hang", DEADLINE, || {
            running.has_ended() || running.folder.path().join("notes/hanging").exists()
        })
        .await;
        running
    }

    fn started(mut self) -> Running {
        let child = self.command.spawn().unwrap();
        Running {
            child,
            folder: self.folder,
        }
    }
}

/// A run that has not ended.
pub(crate) struct Running {
    child: Child,
    pub(crate) folder: TempDir,
}

impl Running {
    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Ends it with a signal.
    pub(crate) async fn ended_by(mut self, signal: Signal) -> Ended {
        if !self.has_ended() {
            kill_process(pid_of(&self.child), signal).unwrap();
        }
        self.end().await
    }

    async fn end(self) -> Ended {
        let output = timeout(DEADLINE, self.child.wait_with_output())
            .await
            .expect("it ends")
            .unwrap();
        Ended {
            // A killed program has no exit code.
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            folder: self.folder,
        }
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap()
}

/// The text of an adapter for a target with this start command.
pub(crate) fn adapter(section: &str, command: &[&str]) -> String {
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

/// A run on a target that a shell script starts, with a start timeout of 2 seconds.
pub(crate) fn started_by(section: &str, script: &str) -> Trial {
    let text = adapter(section, &["sh", "-c", script]);
    run(&format!("{text}\n[budgets]\nstart_seconds = 2\n")).with_vault()
}

/// A run of a few scenarios on the fake target.
pub(crate) fn fake(behaviour: &str) -> Trial {
    fake_from_call(1, behaviour)
}

/// The same; the target's fault begins at this call of the scenarios.
pub(crate) fn fake_from_call(number: usize, behaviour: &str) -> Trial {
    let number = number.to_string();
    run(&adapter("stdio", &["sh", FAKE_TARGET, behaviour, &number]))
        .with_vault()
        .with(&["--scenario", "kv.read-exact"])
}

// The result of a run.

/// A finished run.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) folder: TempDir,
}

impl Ended {
    #[track_caller]
    pub(crate) fn exits_with(&self, code: i32) -> &Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }

    #[track_caller]
    pub(crate) fn says(&self, parts: &[&str]) -> &Self {
        for part in parts {
            assert!(
                self.stderr.contains(part),
                "{part:?} is not in:\n{}",
                self.stderr
            );
        }
        self
    }

    pub(crate) fn report(&self) -> Value {
        let file = self.folder.path().join("output/report.json");
        let report = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        jsonschema::validate(&json::schema(), &report).unwrap();
        report
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    pub(crate) fn verdict_of(&self, id: &str) -> String {
        let report = self.report();
        let scenario = report["scenarios"]
            .as_array()
            .unwrap()
            .iter()
            .find(|s| s["id"] == id);
        scenario.unwrap()["verdict"].as_str().unwrap().to_owned()
    }

    /// Checks that the report and the JUnit file exist, and that no scenario has run.
    #[track_caller]
    pub(crate) fn is_all_blocked(&self) -> &Self {
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

    /// What the runs with this cache noted about their Vaults.
    pub(crate) fn noted(&self) -> Vec<String> {
        let runs = fs::read_dir(self.folder.path().join("cache/runs")).unwrap();
        runs.flat_map(|run| {
            let notes = fs::read_to_string(run.unwrap().path()).unwrap();
            notes.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
    }

    /// Checks that the targets were started and have ended.
    pub(crate) async fn has_no_target_running(&self) {
        let pids = pids(self.folder.path());
        assert!(!pids.is_empty(), "the target noted that it was started");
        eventually("the target's processes to end", GONE, || {
            !pids.iter().any(|pid| is_running(pid))
        })
        .await;
    }

    /// The number of starts of the target.
    pub(crate) fn starts(&self) -> usize {
        pids(self.folder.path()).len()
    }

    /// Ends the processes that the target of a killed run left running.
    pub(crate) fn end_targets(&self) {
        for pid in pids(self.folder.path()) {
            let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
            // It may already have ended.
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// Checks that neither target nor Vault is running, and that no temporary file is left.
    pub(crate) async fn leaves_nothing_behind(&self) {
        let path = self.folder.path();
        self.has_no_target_running().await;
        let notes = self.noted();
        assert!(!notes.is_empty(), "the Vault was noted");
        for note in notes {
            assert!(!is_left(&note), "left behind: {note}");
        }
        let temporary: Vec<_> = fs::read_dir(path.join("tmp")).unwrap().collect();
        assert!(temporary.is_empty(), "{temporary:?}");
    }

    /// Checks how many errors are on standard error.
    #[track_caller]
    pub(crate) fn has_errors(&self, count: usize) -> &Self {
        let lines = self.stderr.lines();
        let errors = lines.filter(|line| line.starts_with("error")).count();
        assert_eq!(errors, count, "{}", self.stderr);
        self
    }

    /// Checks that the run ended before it made anything.
    pub(crate) fn made_nothing(&self) {
        let path = self.folder.path();
        assert!(!path.join("output").exists());
        for folder in ["cache", "tmp"] {
            let made: Vec<_> = fs::read_dir(path.join(folder)).unwrap().collect();
            assert!(made.is_empty(), "{made:?}");
        }
    }

    /// Checks that no output of the run contains a token of the target.
    pub(crate) fn shows_no_token(&self) {
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

/// Whether a noted Vault is still running.
pub(crate) fn is_left(note: &str) -> bool {
    let (kind, name) = note.split_once(' ').unwrap();
    match kind {
        "container" => succeeds("docker", &["container", "inspect", name]),
        "target" => is_running(name.split(' ').next().unwrap()),
        "process" => TcpStream::connect(name.trim_start_matches("http://")).is_ok(),
        _ => Path::new(name).exists(),
    }
}

pub(crate) fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| match path.is_dir() {
        true => files(&path),
        false => vec![(path.clone(), fs::read_to_string(path).unwrap())],
    };
    paths.flat_map(read).collect()
}

/// The process ids that targets wrote as file names.
pub(crate) fn pids(folder: &Path) -> Vec<String> {
    let notes = fs::read_dir(folder.join("notes")).unwrap();
    let names = notes.map(|note| note.unwrap().file_name().into_string().unwrap());
    names
        .filter_map(|name| Some(name.strip_suffix(".pid")?.to_owned()))
        .collect()
}

/// Whether the process exists and is not a zombie.
fn is_running(pid: &str) -> bool {
    let told = Tool::new("ps")
        .args(["-o", "stat=", "-p", pid])
        .output()
        .unwrap();
    let state = String::from_utf8(told.stdout).unwrap();
    !state.trim().is_empty() && !state.starts_with('Z')
}

/// Whether Vault can run in a container here. If Docker has no image of Vault, one is packed first.
pub(crate) async fn has_containers() -> bool {
    static HAS: OnceCell<bool> = OnceCell::const_new();
    *HAS.get_or_init(|| async {
        if !succeeds("docker", &["info"]) {
            eprintln!("not run: no docker");
            return false;
        }
        program(["vault", "image"]).ended().await.exits_with(0);
        true
    })
    .await
}

pub(crate) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let output = Tool::new(program).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

async fn eventually(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(within, waiting)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"));
}
