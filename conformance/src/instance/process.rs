//! The process of a target: starts it, notes it for clean-up, and ends it.

use std::{io, process::ExitStatus, time::Duration};

use rustix::process::Signal;
use tokio::{process::Command, time::timeout};

use super::sockets;
use crate::{
    process_group::ProcessGroup,
    vault::notes::{RUN_VARIABLE, note_target, run_id},
};

/// How long a target may take to end after a request to end.
const GRACE: Duration = Duration::from_secs(2);
/// How long the system may take to end a killed process.
const KILLED: Duration = Duration::from_secs(10);

/// A process of the target.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) group: ProcessGroup,
}

impl Process {
    /// Starts the process, and notes it so that a later run can end it if the suite is killed.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        let group = ProcessGroup::spawn(command.env(RUN_VARIABLE, run_id()))?;
        if let Some(id) = group.id() {
            note_target(id.as_raw_nonzero().get());
        }
        Ok(Self { group })
    }

    /// The exit status, if the process has ended.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.group.ended()
    }

    /// The exit status, if the process ends within this time.
    pub(super) async fn ends_within(&mut self, time: Duration) -> Option<ExitStatus> {
        timeout(time, self.group.wait()).await.ok()?.ok()
    }

    /// Ends the process: sends SIGTERM, waits a little, then kills it.
    ///
    /// # Errors
    /// If it cannot be ended.
    pub(crate) async fn end(&mut self) -> Result<(), String> {
        let Some(id) = self.group.id() else {
            return Ok(());
        };
        self.terminate();
        if self.ends_within(GRACE).await.is_some() {
            return Ok(());
        }
        self.group.signal(Signal::KILL);
        match self.ends_within(KILLED).await {
            Some(_) => Ok(()),
            None => Err(format!(
                "its process {} could not be ended",
                id.as_raw_nonzero()
            )),
        }
    }

    /// Sends SIGTERM, as a supervisor does.
    pub(super) fn terminate(&self) {
        self.group.signal(Signal::TERM);
    }

    /// The TCP ports on which the process and its children listen; `None` if they cannot be seen.
    pub(super) async fn listens_on(&self) -> Option<Vec<u16>> {
        let group = self.group.id()?.as_raw_nonzero().get();
        let looking = tokio::task::spawn_blocking(move || sockets::listening(group));
        looking.await.ok()?
    }
}
