//! The stdio transport: one client, on stdin and stdout, until it closes stdin
//! or the process is told to end.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use rmcp::{ServiceExt, service::ServerInitializeError, transport::io::stdio_pipes};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::sync::CancellationToken;

use crate::server::VaultServer;

/// How long calls may go on after the client left or the server was told to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// Serves one client until it closes stdin, or `shutdown` is cancelled.
///
/// # Errors
/// An I/O error if the first message of the client opens no MCP connection.
pub async fn serve(server: VaultServer, shutdown: CancellationToken) -> io::Result<()> {
    let (stdin, stdout) = stdio_pipes();
    let closed = CancellationToken::new();
    let stdin = NoticeEnd {
        stream: stdin,
        ended: closed.clone(),
    };
    let serving = async {
        match server
            .serve_with_ct((stdin, stdout), shutdown.clone())
            .await
        {
            Ok(service) => {
                // How it ended makes no difference: the client is gone.
                let _ = service.waiting().await;
                Ok(())
            }
            Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => {
                Ok(())
            }
            Err(error) => Err(io::Error::other(error.to_string())),
        }
    };
    let overdue = async {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = closed.cancelled() => {}
        }
        tokio::time::sleep(SHUTDOWN_GRACE).await;
    };
    tokio::select! {
        served = serving => served,
        () = overdue => Ok(()),
    }
}

/// Tells when a stream has ended; rmcp tells only after it has waited for the calls in hand.
struct NoticeEnd<S> {
    stream: S,
    ended: CancellationToken,
}

impl<S: AsyncRead + Unpin> AsyncRead for NoticeEnd<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        if result.is_err() || (buffer.filled().len() == before && buffer.remaining() > 0) {
            self.ended.cancel();
        }
        Poll::Ready(result)
    }
}
