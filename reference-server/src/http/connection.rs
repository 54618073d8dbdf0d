//! Accepts connections. Limits their number, and how long each client can keep the server waiting.

use std::{pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::Semaphore,
    time::timeout,
};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::tls::Tls;

/// Maximum number of connections; the server closes further ones. A process may usually have 1,024 open files, and
/// each call also has a connection to Vault.
const MAX_CONNECTIONS: usize = 480;
/// Timeout of a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Timeout for the head of a request, and for an idle connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// Maximum size of a request's head: a token, one or two certificates, and spare room. It can have 100 headers.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Timeout for a client that reads nothing of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until `stop` is cancelled. Returns the connections that are still open then. Each of them ends
/// after the answer to its current request.
pub(super) async fn accept(
    listener: TcpListener,
    app: Router,
    tls: Option<&Tls>,
    stop: &CancellationToken,
) -> TaskTracker {
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let serving = Serving::new(app, tls, stop.clone());
    let mut is_told = false;
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // The client has disconnected, or too many files are open.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = stop.cancelled() => break,
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            if !is_told {
                tracing::warn!("there are {MAX_CONNECTIONS} connections, more are closed");
            }
            is_told = true;
            continue;
        };
        // Warns once, until the number of connections has dropped to half.
        is_told &= places.available_permits() < MAX_CONNECTIONS / 2;
        // Answers are small, and a client waits for each. A failure here costs only time.
        let _ = stream.set_nodelay(true);
        let serving = serving.clone();
        connections.spawn(async move {
            serving.connection(stream).await;
            drop(place);
        });
    }
    connections.close();
    connections
}

/// How a connection is served.
#[derive(Clone)]
struct Serving {
    app: TowerToHyperService<Router>,
    http: http1::Builder,
    tls: Option<TlsAcceptor>,
    stop: CancellationToken,
}

impl Serving {
    fn new(app: Router, tls: Option<&Tls>, stop: CancellationToken) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_header_size(MAX_HEAD_BYTES);
        Self {
            app: TowerToHyperService::new(app),
            http,
            tls: tls.map(Tls::acceptor),
            stop,
        }
    }

    async fn connection<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(WRITE_TIMEOUT));
        let stream = Box::pin(stream);
        let Some(tls) = &self.tls else {
            return self.requests(stream).await;
        };
        tokio::select! {
            shaken = timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)) => match shaken {
                Ok(Ok(stream)) => self.requests(stream).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            },
            () = self.stop.cancelled() => {}
        }
    }

    async fn requests<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connection = self
            .http
            .serve_connection(TokioIo::new(stream), self.app.clone());
        let mut connection = pin!(connection);
        tokio::select! {
            // Errors of a connection concern its client only.
            _ = connection.as_mut() => {}
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        time::Instant,
    };

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

    /// The client's end of a connection that the server serves.
    fn connect(tls: Option<&Tls>) -> DuplexStream {
        let (ours, theirs) = duplex(1 << 20);
        tokio::spawn(serve(theirs, tls));
        ours
    }

    fn serve(stream: DuplexStream, tls: Option<&Tls>) -> impl Future<Output = ()> + use<> {
        let app = Router::new().route("/", get(async || "served"));
        let serving = Serving::new(app, tls, CancellationToken::new());
        async move { serving.connection(stream).await }
    }

    /// Both ends of a connection whose buffer is smaller than an answer.
    fn narrow() -> (DuplexStream, DuplexStream) {
        duplex(8)
    }

    /// What the server answers before it closes the connection, and after how long it closes it.
    async fn answer(mut client: DuplexStream, sent: &[u8]) -> (String, Duration) {
        let start = Instant::now();
        client.write_all(sent).await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        (
            String::from_utf8_lossy(&answer).into_owned(),
            start.elapsed(),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_come_to_an_end_is_not_waited_for() {
        for sent in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: localhost\r\n"] {
            let (answer, after) = answer(connect(None), sent.as_bytes()).await;
            assert_eq!(answer, "", "{sent}");
            assert_eq!(after, HEAD_TIMEOUT, "{sent}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_closed() {
        let (answer, after) = answer(connect(None), REQUEST).await;
        assert!(answer.ends_with("served"), "{answer}");
        assert_eq!(after, HEAD_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_of_its_answer_loses_the_connection() {
        let (mut client, stream) = narrow();
        let serving = tokio::spawn(serve(stream, None));
        client.write_all(REQUEST).await.unwrap();
        let start = Instant::now();
        serving.await.unwrap();
        assert_eq!(start.elapsed(), WRITE_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_its_answer_slowly_gets_all_of_it() {
        let (mut client, stream) = narrow();
        tokio::spawn(serve(stream, None));
        client.write_all(REQUEST).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"served") {
            tokio::time::sleep(WRITE_TIMEOUT - Duration::from_secs(1)).await;
            let mut part = [0; 8];
            let length = client.read(&mut part).await.unwrap();
            assert_ne!(length, 0, "the connection was closed");
            answer.extend_from_slice(&part[..length]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_headers_is_refused() {
        let many = "a: b\r\n".repeat(101);
        let long = format!("a: {}\r\n", "b".repeat(MAX_HEAD_BYTES));
        for headers in [many, long.clone(), long.trim_end().to_owned()] {
            let request = format!("GET / HTTP/1.1\r\n{headers}\r\n");
            let (answer, _) = answer(connect(None), request.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_handshake_that_does_not_come_to_an_end_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("cert"), folder.path().join("key"));
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        fs::write(&certificate, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let tls = Tls::load(&certificate, &key).unwrap();
        // Nothing at all, or the beginning of a TLS record.
        for sent in [&b""[..], &b"\x16\x03\x01\x02"[..]] {
            let (answer, after) = answer(connect(Some(&tls)), sent).await;
            assert_eq!(answer, "");
            assert_eq!(after, HANDSHAKE_TIMEOUT);
        }
    }
}
