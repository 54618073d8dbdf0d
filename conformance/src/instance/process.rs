//! The process of a target: starts it, notes it for clean-up, and ends it.

use std::{io, process::ExitStatus, time::Duration};

use rustix::process::Signal;
use tokio::{process::Command, time::timeout};

use super::sockets;
use crate::{
    process_group::ProcessGroup,
    vault::notes::{RUN_VARIABLE, note_target, run_id},
};

/// How long a target may take to end when it is told to.
const GRACE: Duration = Duration::from_secs(2);
/// How long the system may take to end one that was killed.
const KILLED: Duration = Duration::from_secs(10);

/// A process of the target.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) group: ProcessGroup,
}

impl Process {
    /// Starts it, and notes it for the case that the suite is killed.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        let group = ProcessGroup::spawn(command.env(RUN_VARIABLE, run_id()))?;
        if let Some(id) = group.id() {
            note_target(id.as_raw_nonzero().get());
        }
        Ok(Self { group })
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.group.ended()
    }

    /// How it ended, if it does within this time.
    pub(super) async fn ends_within(&mut self, time: Duration) -> Option<ExitStatus> {
        timeout(time, self.group.wait()).await.ok()?.ok()
    }

    /// Ends it: asks, waits a little, then kills.
    ///
    /// # Errors
    /// When it cannot be ended.
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

    /// Asks it to end, as a supervisor does.
    pub(super) fn terminate(&self) {
        self.group.signal(Signal::TERM);
    }

    /// The TCP ports on which it and what it started listen; none where that cannot be seen.
    pub(super) async fn listens_on(&self) -> Option<Vec<u16>> {
        let group = self.group.id()?.as_raw_nonzero().get();
        let looking = tokio::task::spawn_blocking(move || sockets::listening(group));
        looking.await.ok()?
    }
}
