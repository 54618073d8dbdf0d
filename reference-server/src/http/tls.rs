//! The server's certificate and key, and TLS 1.2 and 1.3 with them.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    InconsistentKeys, ServerConfig,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    version::{TLS12, TLS13},
};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Maximum size of a file: a chain of certificates, and spare room.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Why a certificate and its key are unusable.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A file is empty.
    #[error("{} is empty", .0.display())]
    Empty(PathBuf),
    /// A file is not valid PEM.
    #[error("{} is not a valid PEM file: {source}", file.display())]
    Pem {
        /// The file.
        file: PathBuf,
        /// The error.
        source: pem::Error,
    },
    /// The certificate file contains no certificate.
    #[error(
        "{} holds no certificate: it has to be a PEM file with the server's certificate (`-----BEGIN CERTIFICATE-----`), followed by those that link it to its CA",
        .0.display()
    )]
    NoCertificate(PathBuf),
    /// The key file contains no private key.
    #[error(
        "{} holds no private key: it has to be a PEM file with the certificate's key (`-----BEGIN PRIVATE KEY-----`)",
        .0.display()
    )]
    NoKey(PathBuf),
    /// The key needs a passphrase.
    #[error(
        "the key in {} is encrypted, and the server cannot ask for its passphrase: store it decrypted, readable by the server's user alone",
        .0.display()
    )]
    EncryptedKey(PathBuf),
    /// The key belongs to another certificate.
    #[error("the key in {} does not belong to the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// The server does not support this kind of certificate or key.
    #[error("the certificate in {} with the key in {} cannot be used: {source}", certificate.display(), key.display())]
    Unusable {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// The reason.
        source: rustls::Error,
    },
}

/// TLS with a certificate and its key.
#[derive(Clone)]
pub struct Tls(Arc<ServerConfig>);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads a certificate with its chain, and the key that belongs to it. Blocks.
    ///
    /// # Errors
    /// [`TlsError`] names the invalid file and the reason.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = certificates(certificate)?;
        let leaf = chain.first().map(|leaf| X509Certificate::from_der(leaf));
        if let Some(Ok((_, leaf))) = leaf
            && !leaf.validity().is_valid()
        {
            tracing::warn!(
                "the certificate in {} is valid from {} to {}: clients will refuse it now",
                certificate.display(),
                leaf.validity().not_before,
                leaf.validity().not_after,
            );
        }
        let private_key = private_key(key)?;
        let unusable = |source| match source {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::Mismatch {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
            },
            source => TlsError::Unusable {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
                source,
            },
        };
        let mut config = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, private_key)
            .map_err(unusable)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.0.clone().into()
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(file)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|source| broken(file, source))?;
    match chain.is_empty() {
        true => Err(TlsError::NoCertificate(file.to_owned())),
        false => Ok(chain),
    }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(file)?;
    // PKCS#8 has it in the label, the older format in a header.
    let is_encrypted = [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----",
        "Proc-Type: 4,ENCRYPTED",
    ]
    .iter()
    .any(|mark| text.windows(mark.len()).any(|part| part == mark.as_bytes()));
    if is_encrypted {
        return Err(TlsError::EncryptedKey(file.to_owned()));
    }
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => Err(TlsError::NoKey(file.to_owned())),
        Err(source) => Err(broken(file, source)),
    }
}

fn broken(file: &Path, source: pem::Error) -> TlsError {
    TlsError::Pem {
        file: file.to_owned(),
        source,
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |source| TlsError::Unreadable {
        file: file.to_owned(),
        source,
    };
    let mut text = Vec::new();
    File::open(file)
        .and_then(|open| open.take(MAX_FILE_BYTES + 1).read_to_end(&mut text))
        .map_err(unreadable)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(unreadable(io::Error::other("it is larger than 1 MiB")));
    }
    if text.trim_ascii().is_empty() {
        return Err(TlsError::Empty(file.to_owned()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertifiedKey, KeyPair, PKCS_ECDSA_P384_SHA384, generate_simple_self_signed};
    use tempfile::TempDir;

    use super::*;

    struct Files {
        folder: TempDir,
        certificate: String,
        key: String,
    }

    impl Files {
        fn new() -> Self {
            let CertifiedKey { cert, signing_key } =
                generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
            Self {
                folder: tempfile::tempdir().unwrap(),
                certificate: cert.pem(),
                key: signing_key.serialize_pem(),
            }
        }

        /// The result of loading these two files; the message does not contain the folder.
        fn load(&self, certificate: &str, key: &str) -> Result<Tls, String> {
            let file = |name: &str, text: &str| {
                let path = self.folder.path().join(name);
                fs::write(&path, text).unwrap();
                path
            };
            let loaded = Tls::load(&file("cert.pem", certificate), &file("key.pem", key));
            let folder = format!("{}/", self.folder.path().display());
            loaded.map_err(|error| error.to_string().replace(&folder, ""))
        }
    }

    #[test]
    fn a_chain_and_its_key_are_loaded_and_not_shown() {
        let files = Files::new();
        let chain = format!("leaf\n{}{}", files.certificate, Files::new().certificate);
        let tls = files.load(&chain, &files.key).unwrap();
        assert_eq!(format!("{tls:?}"), "Tls { .. }");
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_with_its_name() {
        let files = Files::new();
        let (certificate, key) = (files.certificate.as_str(), files.key.as_str());
        let other = KeyPair::generate().unwrap().serialize_pem();
        let other_kind = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let other_kind = other_kind.serialize_pem();
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let old_encrypted = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        let cut = &certificate[..certificate.len() / 2];
        let cut_key = &key[..key.len() / 2];
        let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (certificate, key, expected) in [
            ("", key, "cert.pem is empty"),
            (certificate, " \n", "key.pem is empty"),
            ("hello", key, "cert.pem holds no certificate"),
            (key, key, "cert.pem holds no certificate"),
            (certificate, certificate, "key.pem holds no private key"),
            (certificate, &encrypted, "the key in key.pem is encrypted"),
            (
                certificate,
                old_encrypted,
                "the key in key.pem is encrypted",
            ),
            (cut, key, "cert.pem is not a valid PEM file"),
            (certificate, cut_key, "key.pem is not a valid PEM file"),
            (
                certificate,
                &other,
                "the key in key.pem does not belong to the certificate in cert.pem",
            ),
            (
                certificate,
                &other_kind,
                "the key in key.pem does not belong to the certificate in cert.pem",
            ),
            (not_der, key, "the certificate in cert.pem with the key"),
        ] {
            let error = files.load(certificate, key).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
            assert!(
                !error.contains(key.lines().nth(1).unwrap_or("-")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("absent.pem");
        for (file, reason) in [
            (absent.as_path(), "No such file"),
            (folder.path(), "directory"),
        ] {
            let error = Tls::load(file, file).unwrap_err().to_string();
            assert!(error.contains(&file.display().to_string()), "{error}");
            assert!(error.contains(reason), "{error}");
        }
        let large = folder.path().join("large.pem");
        fs::write(&large, vec![b'x'; 2 << 20]).unwrap();
        let error = Tls::load(&large, &large).unwrap_err().to_string();
        assert!(error.contains("larger than 1 MiB"), "{error}");
    }
}
