//! The signals that a session catches and forwards to its command.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use rustix::{
    process::{Pid, Signal, getpgrp, kill_process},
    termios::tcgetpgrp,
};
use tokio::{
    process::Child,
    signal::unix::{self, SignalKind},
};

/// Signals that would otherwise end this process.
pub(super) struct Signals {
    hangup: unix::Signal,
    interrupt: unix::Signal,
    quit: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    /// From now on none of these signals ends this process.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: unix::signal(SignalKind::hangup())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            quit: unix::signal(SignalKind::quit())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::HUP,
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.quit.recv() => Signal::QUIT,
            _ = self.terminate.recv() => Signal::TERM,
        }
    }
}

/// The number of a signal.
pub(super) fn number(signal: Signal) -> u8 {
    u8::try_from(signal.as_raw()).unwrap_or(0)
}

/// Sends a signal to the command, unless the terminal has already done so.
pub(super) fn pass_on(command: &Child, signal: Signal) {
    if [Signal::INT, Signal::QUIT].contains(&signal) && is_in_the_foreground() {
        return;
    }
    // Without an id the command has ended and was waited for.
    let id = command.id().and_then(|id| i32::try_from(id).ok());
    if let Some(id) = id.and_then(Pid::from_raw) {
        // It fails only if the command is just ending.
        let _ = kill_process(id, signal);
    }
}

/// Whether a key such as Ctrl-C signals both this process and its command: the terminal sends the signal to the whole
/// process group in the foreground.
fn is_in_the_foreground() -> bool {
    let own = |terminal: BorrowedFd<'_>| tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp());
    own(io::stdin().as_fd()) || own(io::stderr().as_fd())
}
