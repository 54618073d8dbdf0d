//! A dev Vault as a child process: the `vault` or `bao` on PATH, a program that the user names, or one that the suite
//! built.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use tokio::io::{AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{
    api::{ApiError, RootApi},
    audit::Records,
    notes::{HOME_PREFIX, note_process},
};
use crate::{lines::each_line, ports::free_port_pair, process_group::ProcessGroup};

const READY: Duration = Duration::from_secs(10);
const STOP: Duration = Duration::from_secs(10);
const LAST_OUTPUT: Duration = Duration::from_secs(1);
/// The configuration of a dev Vault, besides its flags. By default, Vault keeps summaries of some 100 kB for each mount
/// for a day: thousands of mounts need gigabytes. OpenBao reads its audit devices here, and from nowhere else; Vault
/// ignores that part, and gets the same device through its API.
pub(super) const DEV_CONFIG: &str = r#"telemetry {
  prometheus_retention_time = "0s"
}
audit "file" "conformance" {
  description = "read by the conformance suite"
  options {
    file_path     = "stdout"
    hmac_accessor = "false"
  }
}
"#;
/// Another program may take a port between the suite's check and Vault's bind.
pub(super) const PORT_ATTEMPTS: usize = 5;
const KEPT_LINES: usize = 20;

/// Why a Vault binary cannot be found or run.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// Not on PATH.
    #[error("no `vault` on PATH")]
    NotFound,
    /// There is no Vault on PATH, but OpenBao, which was not asked for.
    #[error("no `vault` on PATH; there is OpenBao, which is not used unless you ask for it: {bao}", bao = .bao.display())]
    OnlyOpenBao {
        /// The `bao` on PATH.
        bao: PathBuf,
    },
    /// The named program is not executable.
    #[error("{program} is no program", program = .program.display())]
    NoProgram {
        /// The path that the user gave.
        program: PathBuf,
    },
    /// No two adjacent free ports.
    #[error("no two neighbouring free ports on 127.0.0.1: {0}")]
    Ports(#[source] io::Error),
    /// No temporary directory for its home.
    #[error("cannot make a temporary directory: {0}")]
    Home(#[source] io::Error),
    /// It cannot be executed.
    #[error("cannot run {program}: {source}", program = .program.display())]
    Spawn {
        /// The binary.
        program: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The process ended instead of serving.
    #[error("{program} server -dev ended at once ({status}):\n{output}", program = .program.display())]
    Ended {
        /// The binary.
        program: PathBuf,
        /// The exit status.
        status: String,
        /// Its last lines.
        output: String,
    },
    /// The process runs, but does not serve.
    #[error("{program} server -dev does not answer after {} s:\n{output}", READY.as_secs(), program = .program.display())]
    NotReady {
        /// The binary.
        program: PathBuf,
        /// Its last lines.
        output: String,
    },
    /// The suite cannot send requests to it.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl BinaryError {
    pub(super) fn fix(&self) -> String {
        match self {
            Self::NotFound => {
                "install Vault (https://developer.hashicorp.com/vault/install) so that `vault` is on PATH".to_owned()
            }
            Self::OnlyOpenBao { .. } => "install Vault, or test with OpenBao: --vault binary".to_owned(),
            Self::NoProgram { .. } => "correct --vault-binary".to_owned(),
            Self::Ports(_) => "stop the programs that use the ports".to_owned(),
            Self::Home(_) => "set TMPDIR to a folder to write to".to_owned(),
            Self::Spawn { program, .. } | Self::Ended { program, .. } | Self::NotReady { program, .. } => {
                format!("see what `{} server -dev` says, or remove it", program.display())
            }
            Self::Api(_) => "use another Vault: see --vault".to_owned(),
        }
    }
}

/// The program with this name on PATH.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&std::env::var_os("PATH")?)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(&file))
        .find(|path| is_executable(path))
}

pub(crate) fn is_executable(path: &Path) -> bool {
    let Ok(metadata) = path.metadata() else {
        return false;
    };
    #[cfg(unix)]
    let executable = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let executable = true;
    metadata.is_file() && executable
}

/// A dev Vault that is a child of this process.
#[derive(Debug)]
pub(super) struct DevProcess {
    program: PathBuf,
    group: Arc<sync::Mutex<ProcessGroup>>,
    output: Output,
    /// The home and working directory, removed with the process.
    _home: TempDir,
}

/// What is left of a dev Vault that ends before it is stopped.
#[derive(Clone, Debug)]
pub(super) struct Remains {
    group: Weak<sync::Mutex<ProcessGroup>>,
    output: Output,
}

impl Remains {
    /// How the process ended, and its last output, if it has ended.
    pub(super) async fn examine(&self) -> Option<(String, String)> {
        let group = self.group.upgrade()?;
        // The process may have closed its port without having ended.
        let ended = timeout(LAST_OUTPUT, async { group.lock().await.wait().await });
        let status = ended.await.ok()?;
        Some((status_text(status), self.output.text()))
    }
}

impl DevProcess {
    /// Starts Vault on a free port and waits until it serves; its audit log goes to `records`.
    pub(super) async fn start(
        program: &Path,
        token: &SecretString,
        records: &Records,
    ) -> Result<(Self, RootApi), BinaryError> {
        let mut attempts = 1;
        loop {
            match Self::start_once(program, token, records).await {
                Err(BinaryError::Ended { output, .. })
                    if output.contains("address already in use") && attempts < PORT_ATTEMPTS =>
                {
                    attempts += 1;
                }
                result => return result,
            }
        }
    }

    async fn start_once(
        program: &Path,
        token: &SecretString,
        records: &Records,
    ) -> Result<(Self, RootApi), BinaryError> {
        // A Vault on port P uses P+1 for its cluster.
        let port = free_port_pair().map_err(BinaryError::Ports)?;
        let home = new_home()?;
        let config = home.path().join("dev.hcl");
        tokio::fs::write(&config, DEV_CONFIG)
            .await
            .map_err(BinaryError::Home)?;
        let mut command = server_command(program, home.path());
        command
            .args(["-dev", "-dev-no-store-token"])
            .arg(format!("-config={}", config.display()))
            .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
            // An argument could be read by every user of the machine.
            .env("VAULT_DEV_ROOT_TOKEN_ID", token.expose_secret());
        let address = format!("http://127.0.0.1:{port}");
        note_process(&address, home.path());
        let mut group = ProcessGroup::spawn(&mut command).map_err(|source| BinaryError::Spawn {
            program: program.to_owned(),
            source,
        })?;

        let output = Output::default();
        let (records, lines) = (records.clone(), output.clone());
        let readers = [
            read(group.child.stdout.take(), move |line| {
                records.line(line);
                // The audit log is not part of the last output.
                if !line.starts_with('{') {
                    lines.push(line);
                }
            }),
            read(group.child.stderr.take(), output.taker()),
        ];
        let api = RootApi::new(&address, token.clone())?;
        let program = program.to_owned();
        tokio::select! {
            () = api.ready() => {
                let group = Arc::new(sync::Mutex::new(group));
                Ok((Self { program, group, output, _home: home }, api))
            }
            status = group.wait() => Err(BinaryError::Ended {
                program,
                status: status_text(status),
                output: {
                    finish(readers).await;
                    output.text()
                },
            }),
            () = sleep(READY) => Err(BinaryError::NotReady { program, output: output.text() }),
        }
    }

    /// What shows how the process ended, if it ends unexpectedly.
    pub(super) fn remains(&self) -> Remains {
        Remains {
            group: Arc::downgrade(&self.group),
            output: self.output.clone(),
        }
    }

    /// Kills the process. Nothing is lost, because a dev Vault lives in memory.
    pub(super) async fn stop(self) -> Result<(), String> {
        let mut group = self.group.lock().await;
        group.kill();
        match timeout(STOP, group.child.wait()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(format!("cannot wait for its process: {error}")),
            Err(_) => Err(format!(
                "process {} of {} still runs {} s after it was killed",
                group.child.id().unwrap_or_default(),
                self.program.display(),
                STOP.as_secs()
            )),
        }
    }
}

/// A home and working directory for a server.
pub(super) fn new_home() -> Result<TempDir, BinaryError> {
    let home = tempfile::Builder::new().prefix(HOME_PREFIX).tempdir();
    home.map_err(BinaryError::Home)
}

/// The command `server` of this program, in its home and with its output piped.
pub(super) fn server_command(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .arg("server")
        // An exported VAULT_* variable would change what is tested.
        .env_clear()
        .env("HOME", home)
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(system_root) = std::env::var_os("SystemRoot") {
        command.env("SystemRoot", system_root); // sockets on Windows need it
    }
    command
}

/// The last lines that a program printed, for an error message about its end.
#[derive(Clone, Debug, Default)]
pub(super) struct Output(Arc<Mutex<VecDeque<String>>>);

impl Output {
    pub(super) fn push(&self, line: &str) {
        // The banner of a dev Vault contains both.
        if line.starts_with("Root Token:") || line.starts_with("Unseal Key:") {
            return;
        }
        let mut lines = self.0.lock();
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(line.trim_end().to_owned());
    }

    pub(super) fn taker(&self) -> impl FnMut(&str) + Send + 'static {
        let output = self.clone();
        move |line| output.push(line)
    }

    /// The lines, indented.
    pub(super) fn text(&self) -> String {
        let lines = self.0.lock();
        let lines: Vec<_> = lines.iter().map(|line| format!("    | {line}")).collect();
        lines.join("\n")
    }
}

/// Reads a child's output to its end in a task, so that the child never blocks.
pub(super) fn read(
    stream: Option<impl AsyncRead + Send + Unpin + 'static>,
    mut take: impl FnMut(&str) + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        if let Some(stream) = stream {
            // A caller that waits for more than could be read has a time limit of its own.
            let _ = each_line(BufReader::new(stream), |line| take(&line.text())).await;
        }
    })
}

/// Reads the last output of an ended child. Does not wait for a grandchild that keeps the pipe open.
pub(super) async fn finish(readers: impl IntoIterator<Item = JoinHandle<()>>) {
    for reader in readers {
        // If not everything was read, only the error text is shorter.
        drop(timeout(LAST_OUTPUT, reader).await);
    }
}

pub(super) fn status_text(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_the_secrets_of_the_banner_are_not() {
        let output = Output::default();
        output.push("too old");
        output.push("Unseal Key: abc");
        output.push("Root Token: def");
        for number in 1..=KEPT_LINES {
            output.push(&number.to_string());
        }
        let text = output.text();
        assert!(
            text.starts_with("    | 1\n") && text.ends_with("    | 20"),
            "{text}"
        );
    }
}
