//! The signals that end a program of the suite early: Ctrl-C, SIGTERM, and SIGHUP of a terminal that is closed.

use tokio::signal::unix::{SignalKind, signal};

/// Returns on the next Ctrl-C, SIGTERM or SIGHUP. After this call, none of them ends the process any more.
pub async fn signalled() {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = received(SignalKind::terminate()) => {}
        () = received(SignalKind::hangup()) => {}
    }
}

async fn received(kind: SignalKind) {
    match signal(kind) {
        Ok(mut signal) => _ = signal.recv().await,
        Err(_) => std::future::pending().await,
    }
}
