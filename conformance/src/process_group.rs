//! A process that the suite starts, with all the processes that it starts: its process group.

use std::{io, process::ExitStatus};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

/// A process that leads a group of its own, so that a terminal's Ctrl-C reaches the suite alone, which then ends
/// its processes in order. The group ends with it: what the process started and left running is killed as soon as
/// its own end is seen, or when this is dropped.
#[derive(Debug)]
pub(crate) struct ProcessGroup {
    pub(crate) child: Child,
    /// None once the group was killed: its id may then be somebody else's.
    id: Option<Pid>,
}

impl ProcessGroup {
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Ok(Self {
            child,
            id: id.and_then(Pid::from_raw),
        })
    }

    /// Its id, as long as it was not killed.
    pub(crate) const fn id(&self) -> Option<Pid> {
        self.id
    }

    /// How the process ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten()?;
        self.kill();
        Some(status)
    }

    /// Waits until the process has ended.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.kill();
        Ok(status)
    }

    /// Sends a signal to all of it.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // A group that is gone already is what is wanted.
            let _ = kill_process_group(id, signal);
        }
    }

    /// Kills what is left of it.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.id = None;
    }
}

impl Drop for ProcessGroup {
    /// The last resort, for a panic or a dropped run: nothing that was started stays.
    fn drop(&mut self) {
        self.kill();
    }
}
