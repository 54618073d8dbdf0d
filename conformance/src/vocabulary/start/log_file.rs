//! A server that logs to a file.

use std::path::PathBuf;

use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;

use crate::{
    adapter::launch::Mode,
    instance::setup::Setup,
    scenario::Scenario,
    transport::TransportKind,
    vault::notes::{HOME_PREFIX, note_home},
    verdict::{StepEnd, StepResult},
};
/// How many bytes of the file are read.
const MAX_LOG: u64 = 32 << 20;

/// The file to which a server logs.
pub(crate) struct LogFile {
    /// Removed with the scenario.
    _folder: TempDir,
    path: PathBuf,
}

impl LogFile {
    fn new() -> std::io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(HOME_PREFIX).tempdir()?;
        note_home(folder.path());
        Ok(Self {
            path: folder.path().join("server.log"),
            _folder: folder,
        })
    }

    /// The lines of the file; empty if it does not exist.
    pub(crate) async fn lines(&self) -> Vec<String> {
        let mut bytes = Vec::new();
        if let Ok(file) = tokio::fs::File::open(&self.path).await {
            // What cannot be read yet is read the next time.
            drop(file.take(MAX_LOG).read_to_end(&mut bytes).await);
        }
        let text = String::from_utf8_lossy(&bytes);
        text.lines().map(str::to_owned).collect()
    }
}

/// Starts a server that logs to a file.
///
/// # Errors
/// If it does not start; not applicable if its files are not on this machine.
pub(crate) async fn start_with_log_file(scenario: &mut Scenario) -> StepResult {
    let adapter = &scenario.target.adapter;
    let contained = match scenario.planned.transport {
        TransportKind::Stdio => adapter.stdio.as_ref().map(|launch| launch.container),
        TransportKind::Http => adapter.http.as_ref().map(|launch| launch.container),
    };
    if contained == Some(true) {
        return Err(StepEnd::no_evidence("it logs to a file in its container"));
    }
    let made = tokio::task::spawn_blocking(LogFile::new).await;
    let made = made.map_err(StepEnd::blocked)?;
    let log =
        made.map_err(|error| StepEnd::blocked(format!("there is no place to log to: {error}")))?;
    let path = log.path.display().to_string();
    *scenario.state_mut::<Option<LogFile>>() = Some(log);
    let setup = Setup::of(Mode::LogFile).with("log_file", path);
    scenario.start_server(setup).await
}
