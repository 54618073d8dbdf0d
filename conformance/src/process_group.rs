//! A process that the suite starts, with all the processes that it starts: its process group.

use std::{io, process::ExitStatus};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

/// A process that leads a group of its own. A Ctrl-C at the terminal therefore only reaches the suite, which ends its
/// processes in order. When the process ends, or when this is dropped, the rest of the group is killed.
#[derive(Debug)]
pub(crate) struct ProcessGroup {
    pub(crate) child: Child,
    /// `None` once the group was killed, because its id may then belong to another group.
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

    /// The id of the group, until it was killed.
    pub(crate) const fn id(&self) -> Option<Pid> {
        self.id
    }

    /// The exit status, if the process has ended.
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

    /// Sends a signal to the whole group.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // It does not matter if the group is already gone.
            let _ = kill_process_group(id, signal);
        }
    }

    /// Kills the rest of the group.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.id = None;
    }
}

impl Drop for ProcessGroup {
    /// The last resort, for a panic or a dropped run: no process is left.
    fn drop(&mut self) {
        self.kill();
    }
}
