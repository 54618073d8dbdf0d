//! A process that the suite starts, with all that it starts itself: its process group.

use std::{io, process::ExitStatus, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use super::sockets;
use crate::vault::leftovers::{RUN_VARIABLE, note_target, run_id};

/// How long a target may take to end when it is told to.
const GRACE: Duration = Duration::from_secs(2);
/// How long the system may take to end one that was killed.
const KILLED: Duration = Duration::from_secs(10);

/// A process that leads a group of its own, which ends with it: what a target started and
/// left running is ended as soon as the target's own end is seen.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) child: Child,
    /// None once the group was killed: its id may then be somebody else's.
    group: Option<Pid>,
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = command
            .env(RUN_VARIABLE, run_id())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid {
            note_target(pid);
        }
        Ok(Self {
            child,
            group: pid.and_then(Pid::from_raw),
        })
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten()?;
        self.kill_group();
        Some(status)
    }

    /// How it ended, if it does within this time.
    pub(super) async fn ends_within(&mut self, time: Duration) -> Option<ExitStatus> {
        let status = timeout(time, self.child.wait()).await.ok()?.ok()?;
        self.kill_group();
        Some(status)
    }

    /// Ends it: asks, waits a little, then kills.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub(crate) async fn end(&mut self) -> Result<(), String> {
        let Some(group) = self.group else {
            return Ok(());
        };
        signal_group(group, Signal::TERM);
        if self.ends_within(GRACE).await.is_some() {
            return Ok(());
        }
        signal_group(group, Signal::KILL);
        match self.ends_within(KILLED).await {
            Some(_) => Ok(()),
            None => Err(format!(
                "its process {} could not be ended",
                group.as_raw_nonzero()
            )),
        }
    }

    /// Asks it to end, as a supervisor does.
    pub(super) fn terminate(&self) {
        if let Some(group) = self.group {
            signal_group(group, Signal::TERM);
        }
    }

    /// The TCP ports on which the group listens; none where that cannot be seen.
    pub(super) async fn listens_on(&self) -> Option<Vec<u16>> {
        let group = self.group?.as_raw_nonzero().get();
        let looking = tokio::task::spawn_blocking(move || sockets::listening(group));
        looking.await.ok()?
    }

    fn kill_group(&mut self) {
        if let Some(group) = self.group.take() {
            signal_group(group, Signal::KILL);
        }
    }
}

impl Drop for Process {
    /// The last resort, for a panic or a dropped run: nothing that was started stays.
    fn drop(&mut self) {
        self.kill_group();
    }
}

fn signal_group(group: Pid, signal: Signal) {
    // A group that is gone already is what is wanted.
    let _ = kill_process_group(group, signal);
}
