//! Whether a target that was started over HTTP accepts requests.

use std::{error::Error, io, net::Ipv4Addr, time::Duration};

use reqwest::{Certificate, Client};
use tokio::net::TcpStream;

use crate::{error_chain::error_chain, http_client};

/// What is said of a target that was to use TLS.
pub(super) const NO_TLS: &str = "it serves plain HTTP there, without TLS";
/// The time limit for one request.
const PATIENCE: Duration = Duration::from_secs(5);

/// Checks whether a target is ready: at the address that its adapter names for this, or otherwise at its port.
pub(super) struct Probe {
    client: Client,
    port: u16,
    url: Option<String>,
}

/// Why a target is not ready.
pub(super) enum NotReady {
    /// It may be ready soon.
    Yet(String),
    /// It will never be ready.
    Ever(String),
}

impl Probe {
    /// Sends requests to this address, if there is one, and accepts a certificate of this CA or of a public one.
    /// Otherwise connects to the port.
    pub(super) fn new(
        port: u16,
        url: Option<String>,
        ca: Option<Certificate>,
    ) -> Result<Self, String> {
        let client = http_client::trusting(ca)
            .timeout(PATIENCE)
            .build()
            .map_err(|error| format!("no HTTP client: {}", error_chain(&error)))?;
        Ok(Self { client, port, url })
    }

    /// The address or port that is checked.
    pub(super) fn place(&self) -> String {
        (self.url.clone()).unwrap_or_else(|| format!("port {}", self.port))
    }

    pub(super) async fn ask(&self) -> Result<(), NotReady> {
        let Some(url) = &self.url else {
            let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await;
            return connected
                .map(drop)
                .map_err(|error| NotReady::Yet(error.to_string()));
        };
        match self.client.get(url).send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => {
                let why = format!("the last answer was HTTP {}", answer.status().as_u16());
                Err(NotReady::Yet(why))
            }
            // A port that serves something else will not start to use TLS.
            Err(error) if is_no_tls(&error) => Err(NotReady::Ever(format!(
                "{url} did not answer: the server started, but {NO_TLS}"
            ))),
            Err(error) => Err(NotReady::Yet(error_chain(&error.without_url()))),
        }
    }
}

/// Whether the answer to a handshake was not TLS.
fn is_no_tls(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if matches!(tls_error(error), Some(rustls::Error::InvalidMessage(_))) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The TLS error within the I/O errors that wrap it, because they do not return it as their source.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    match error.downcast_ref::<io::Error>() {
        Some(wrapping) => tls_error(wrapping.get_ref()?),
        None => error.downcast_ref(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::{NO_TLS, NotReady, Probe};
    use crate::ports::free_port;

    fn probe(port: u16, url: Option<String>) -> Probe {
        // The suite does this when it starts its first Vault.
        drop(rustls::crypto::ring::default_provider().install_default());
        Probe::new(port, url, None).unwrap()
    }

    /// Probes a server that gives each connection this answer.
    async fn asked(scheme: &str, answer: &'static [u8]) -> Result<(), NotReady> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("{scheme}://127.0.0.1:{port}/health");
        let serving = async {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut question = [0; 4096];
                assert!(stream.read(&mut question).await.unwrap() > 0);
                stream.write_all(answer).await.unwrap();
            }
        };
        let probe = probe(port, Some(url));
        tokio::select! {
            answer = probe.ask() => answer,
            () = serving => unreachable!(),
        }
    }

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    const BUSY: &[u8] = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";

    #[tokio::test]
    async fn a_target_that_speaks_no_tls_is_not_waited_for() {
        let Err(NotReady::Ever(why)) = asked("https", OK).await else {
            panic!("it is waited for");
        };
        assert!(why.contains(NO_TLS), "{why}");
    }

    #[tokio::test]
    async fn a_target_that_is_busy_hangs_up_or_does_not_listen_is_waited_for_and_told_why() {
        assert!(asked("http", OK).await.is_ok());
        let silent = probe(free_port().unwrap(), None).ask().await;
        for (answer, expected) in [
            (asked("http", BUSY).await, "HTTP 503"),
            (asked("https", b"").await, "eof"),
            (silent, "refused"),
        ] {
            let Err(NotReady::Yet(why)) = answer else {
                panic!("it is not waited for");
            };
            assert!(why.contains(expected), "{why}");
        }
    }
}
