//! TLS in front of a tap: makes a Vault that presents any certificate of the suite, valid or not, and records whether a
//! request arrived.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use secrecy::ExposeSecret as _;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::certificate::ServerCertificate;

/// The time limit for a handshake.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which certificate Vault presents, and how many requests arrived after its handshakes. Clones share the count.
#[derive(Clone, Debug)]
pub struct TlsIdentity {
    shown: Arc<ServerCertificate>,
    right: Arc<ServerCertificate>,
    asked: Arc<AtomicUsize>,
}

/// Each front is unique.
impl PartialEq for TlsIdentity {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.asked, &other.asked)
    }
}

impl Eq for TlsIdentity {}

impl TlsIdentity {
    /// A Vault that presents `shown`; `right` is the certificate that it should present.
    #[must_use]
    pub fn new(shown: ServerCertificate, right: ServerCertificate) -> Self {
        Self {
            shown: Arc::new(shown),
            right: Arc::new(right),
            asked: Arc::default(),
        }
    }

    /// The same front as a server sees it that accepts any certificate.
    #[must_use]
    pub fn overlooked(&self) -> Self {
        Self {
            shown: Arc::clone(&self.right),
            ..self.clone()
        }
    }

    /// How many requests arrived. A server that does not accept the certificate sends none.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    pub(super) fn note_request(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn acceptor(&self) -> Result<TlsAcceptor, String> {
        let unusable = |error: String| format!("the tap's certificate is not usable: {error}");
        let chain = CertificateDer::from_pem_slice(self.shown.certificate.as_bytes())
            .map_err(|error| unusable(error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(self.shown.key.expose_secret().as_bytes())
            .map_err(|error| unusable(error.to_string()))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(error.to_string()))?
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .map_err(|error| unusable(error.to_string()))?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// The TLS stream after the handshake; `None` if the other side does not complete it.
pub(super) async fn shake_hands(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
) -> Option<TlsStream<TcpStream>> {
    let shaken = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await;
    shaken.ok()?.ok()
}
