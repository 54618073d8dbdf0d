//! The signals that end a program of the suite early: Ctrl-C and SIGTERM.

/// Returns on the next Ctrl-C or SIGTERM. After this call, neither ends the process any more.
pub async fn signalled() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated => {}
    }
}
