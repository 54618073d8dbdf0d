//! Builds the pinned Vault with Go, once, into the user's cache. This gives a real Vault to a machine that has neither
//! an image nor a binary, and that reaches only a Go module proxy.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, BufReader};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::binary::{Output, on_path, status_text};
use crate::{
    cache::{Cache, CacheError},
    lines::each_line,
    process_group::ProcessGroup,
    progress::{Progress, Step},
};

/// The version that `fixtures/vault/go.mod` pins.
pub const VAULT_VERSION: &str = "1.21.1";

// Embedded, so that an installed suite needs no checkout.
const GO_MOD: &str = include_str!("../../../fixtures/vault/go.mod");
const GO_SUM: &str = include_str!("../../../fixtures/vault/go.sum");
/// The prefix of the cache folder of a running build.
const WORK_PREFIX: &str = "build-";
const PACKAGE: &str = "github.com/hashicorp/vault";
/// Vault's own build tag for its core: KV, PKI, SSH and transit, without the plugins and storage of cloud providers and
/// databases. The build takes half as long, and the suite needs nothing else.
const TAG: &str = "minimal";

/// A build takes 5 minutes on two cores. This limit ends a build that hangs.
const BUILD: Duration = Duration::from_secs(60 * 60);
const RUN: Duration = Duration::from_secs(20);
const LOCK_POLL: Duration = Duration::from_millis(200);

/// The Go version that the pinned Vault needs: `1.25.3`. Go since 1.21 can fetch it.
pub(crate) fn needed_go() -> &'static str {
    let line = GO_MOD.lines().find_map(|line| line.strip_prefix("go "));
    line.unwrap_or_default().trim()
}

/// Why Vault cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Go is missing.
    #[error("no Vault built before in {cache}, and no `go` on PATH to build one", cache = .cache.display())]
    NoGo {
        /// The place of the built Vault.
        cache: PathBuf,
    },
    /// The cache is not usable.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A file of the build cannot be written, locked or moved.
    #[error("cannot build Vault in {path}: {source}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A Go command failed.
    #[error("`{command}` failed ({status}):\n{output}")]
    Go {
        /// The command.
        command: String,
        /// The exit status.
        status: String,
        /// Its last lines.
        output: String,
    },
    /// Go reported success, but the program does not run.
    #[error("the Vault that go built does not run ({status}):\n{output}")]
    Broken {
        /// The exit status.
        status: String,
        /// The output.
        output: String,
    },
}

impl BuildError {
    pub(super) fn fix(&self) -> String {
        match self {
            Self::NoGo { .. } => {
                let version = GO_MOD
                    .lines()
                    .find_map(|line| line.strip_prefix("go "))
                    .unwrap_or_default();
                format!(
                    "install Go {version} or newer (https://go.dev/dl); the build takes 5 minutes on 2 cores, once"
                )
            }
            Self::Cache(_) | Self::File { .. } => {
                "set VAULT_MCP_CONFORMANCE_CACHE to a folder to write to, with 2 GB free".to_owned()
            }
            Self::Go { .. } => {
                "see what go says, then try again with `vault-mcp-conformance vault build`"
                    .to_owned()
            }
            Self::Broken { .. } => {
                "unset GOFLAGS and the like, then `vault-mcp-conformance vault build`".to_owned()
            }
        }
    }
}

/// The path of the built Vault, whether it exists or not.
pub fn built_path(cache: &Cache) -> PathBuf {
    let file = format!("vault-{VAULT_VERSION}{}", std::env::consts::EXE_SUFFIX);
    cache.bin_dir().join(file)
}

/// The Vault from an earlier build, if there is one.
pub fn cached(cache: &Cache) -> Option<PathBuf> {
    Some(built_path(cache)).filter(|path| path.is_file())
}

/// The Vault from an earlier build, or otherwise one built now with the `go` on PATH.
///
/// # Errors
/// [`BuildError`]. A build that fails or is dropped leaves nothing in the cache.
pub async fn get(cache: &Cache, progress: &Progress) -> Result<PathBuf, BuildError> {
    if let Some(path) = cached(cache) {
        return Ok(path);
    }
    let go = on_path("go").ok_or_else(|| BuildError::NoGo {
        cache: cache.bin_dir(),
    })?;
    build_with(&go, cache, progress).await
}

/// Builds Vault with this `go`, unless another process has just built it.
///
/// # Errors
/// As [`get`].
pub async fn build_with(
    go: &Path,
    cache: &Cache,
    progress: &Progress,
) -> Result<PathBuf, BuildError> {
    let target = built_path(cache);
    let _lock = lock(cache, "building Vault", progress).await?;
    if let Some(path) = cached(cache) {
        return Ok(path);
    }
    sweep(cache);

    let step = progress.step(format!("building Vault {VAULT_VERSION}"));
    // The work folder is next to the target, because a rename is atomic only within one file system.
    let work = tempfile::Builder::new()
        .prefix(WORK_PREFIX)
        .tempdir_in(cache.root())
        .map_err(file_error(cache.root()))?;
    for (name, text) in [("go.mod", GO_MOD), ("go.sum", GO_SUM)] {
        let path = work.path().join(name);
        std::fs::write(&path, text).map_err(file_error(&path))?;
    }
    let built = work.path().join("vault");
    let go = Go {
        program: go,
        directory: work.path(),
        step: &step,
    };
    // Downloads all modules, and prints the number of packages.
    let list = ["list", "-tags", TAG, "-deps", PACKAGE];
    let total = go.run(&list, None).await?;
    // Without this flag Vault reports a development version.
    let flags = format!("-s -w -X {PACKAGE}/version.fullVersion={VAULT_VERSION}");
    let build = [
        "build", "-v", "-tags", TAG, "-ldflags", &flags, "-o", "vault", PACKAGE,
    ];
    go.run(&build, Some(total)).await?;
    check_runs(&built).await?;
    std::fs::rename(&built, &target).map_err(file_error(&target))?;
    step.done(target.display());
    Ok(target)
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> BuildError {
    let path = path.to_owned();
    move |source| BuildError::File { path, source }
}

/// Waits until no other run does this work. The lock is held during the work, and the system releases it when the
/// process dies.
///
/// This polls, because a thread that blocks on the lock would outlive an interrupted run.
pub(super) async fn lock(
    cache: &Cache,
    work: &str,
    progress: &Progress,
) -> Result<File, BuildError> {
    let path = cache.create_bin_dir()?.join("vault.lock");
    let file = File::create(&path).map_err(file_error(&path))?;
    let mut waiting = None;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                waiting.get_or_insert_with(|| {
                    progress.say(format_args!("another run is {work}: waiting for it"));
                    progress.step(format!("waiting for another run {work}"))
                });
                sleep(LOCK_POLL).await;
            }
            Err(TryLockError::Error(source)) => return Err(file_error(&path)(source)),
        }
    }
}

/// Removes what killed builds left. No other build runs while the lock is held.
fn sweep(cache: &Cache) {
    let Ok(entries) = std::fs::read_dir(cache.root()) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(WORK_PREFIX) {
            // A folder that cannot be removed only takes space.
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}

/// Runs Go for one build.
struct Go<'a> {
    program: &'a Path,
    directory: &'a Path,
    step: &'a Step,
}

impl Go<'_> {
    /// Runs a Go command; `packages` is the number of packages to compile, if known. Returns the number of lines on
    /// stdout.
    async fn run(&self, arguments: &[&str], packages: Option<usize>) -> Result<usize, BuildError> {
        let mut command = Command::new(self.program);
        command
            .args(arguments)
            .current_dir(self.directory)
            .env("CGO_ENABLED", "0")
            .env("GOWORK", "off")
            // Builds for this machine, even if the shell is set up for cross-compilation.
            .env_remove("GOOS")
            .env_remove("GOARCH")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut group = ProcessGroup::spawn(&mut command).map_err(file_error(self.program))?;

        let mut printed = 0;
        let stdout = lines_of(group.child.stdout.take(), |_| printed += 1);
        let output = Output::default();
        let (mut downloaded, mut compiled) = (0_usize, 0_usize);
        let stderr = lines_of(group.child.stderr.take(), |line| {
            if line.starts_with("go: downloading ") {
                downloaded += 1;
            } else if line.contains(' ') {
                return output.push(line);
            } else {
                compiled += 1; // `go build -v` names each package
            }
            self.step.note(match packages {
                None => format!("{downloaded} modules downloaded"),
                Some(all) => format!("{compiled} of {all} packages compiled"),
            });
        });
        let work = async { tokio::join!(stdout, stderr, group.wait()) };
        let status = match timeout(BUILD, work).await {
            Ok(((), (), Ok(status))) if status.success() => return Ok(printed),
            Ok(((), (), status)) => status_text(status),
            Err(_) => format!("still running after {} min", BUILD.as_secs() / 60),
        };
        Err(BuildError::Go {
            command: shell_text(arguments),
            status,
            output: output.text(),
        })
    }
}

async fn lines_of(stream: Option<impl AsyncRead + Unpin>, mut take: impl FnMut(&str)) {
    if let Some(stream) = stream {
        // The exit status says whether the build worked.
        let _ = each_line(BufReader::new(stream), |line| take(&line.text())).await;
    }
}

/// The command as typed in a shell.
fn shell_text(arguments: &[&str]) -> String {
    let quoted = arguments.iter().map(|argument| {
        if argument.contains(' ') {
            format!("\"{argument}\"")
        } else {
            (*argument).to_owned()
        }
    });
    format!("CGO_ENABLED=0 go {}", quoted.collect::<Vec<_>>().join(" "))
}

/// A broken program must not reach the cache, where every later run would find it.
async fn check_runs(program: &Path) -> Result<(), BuildError> {
    let mut command = Command::new(program);
    command
        .arg("version")
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let broken = |status, output| BuildError::Broken { status, output };
    let ended = match timeout(RUN, command.output()).await {
        Ok(Ok(ended)) => ended,
        Ok(Err(error)) => return Err(broken(error.to_string(), String::new())),
        Err(_) => {
            let status = format!("no answer after {} s", RUN.as_secs());
            return Err(broken(status, String::new()));
        }
    };
    let output = String::from_utf8_lossy(&ended.stdout).into_owned();
    if ended.status.success() && output.contains(VAULT_VERSION) {
        Ok(())
    } else {
        let errors = String::from_utf8_lossy(&ended.stderr);
        Err(broken(
            ended.status.to_string(),
            format!("{output}{errors}"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_of_an_error_can_be_pasted_into_a_shell() {
        assert_eq!(
            shell_text(&["build", "-ldflags", "-s -w"]),
            "CGO_ENABLED=0 go build -ldflags \"-s -w\""
        );
    }

    #[test]
    fn the_pinned_module_is_the_version_that_the_binary_is_named_after() {
        assert!(GO_MOD.contains(&format!("{PACKAGE} v{VAULT_VERSION}")));
    }
}
