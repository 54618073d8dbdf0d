//! The stdio transport: one client on stdin and stdout, until it closes stdin or the process is told to stop.

mod lines;

use std::time::Duration;

use rmcp::{RoleServer, service::serve_directly_with_ct, transport::io::stdio_pipes};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use self::lines::Lines;
use crate::server::{TransportKind, VaultServer};

/// Time for running calls after the client has left or shutdown has begun.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// Serves one client until it closes stdin, or `shutdown` is cancelled.
pub async fn serve(server: VaultServer, shutdown: CancellationToken) {
    let (stdin, stdout) = stdio_pipes();
    serve_on(server, stdin, stdout, shutdown).await;
}

/// Serves one client on any pair of streams, as [`serve`] does.
pub async fn serve_on<R, W>(server: VaultServer, reader: R, writer: W, shutdown: CancellationToken)
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let closed = shutdown.child_token();
    let lines = Lines::new(reader, writer, closed.clone());
    // Without rmcp's own handshake: it binds the client to the era of its first request, and ends the connection if
    // that is invalid.
    let service = serve_directly_with_ct::<RoleServer, _, _, _, _>(
        server.over(TransportKind::Stdio).until(closed.clone()),
        lines,
        None,
        shutdown.child_token(),
    );
    let overdue = async {
        closed.cancelled().await;
        tokio::time::sleep(SHUTDOWN_GRACE).await;
    };
    tokio::select! {
        // The reason does not matter: the client is gone.
        _ = service.waiting() => {}
        () = overdue => {}
    }
}
