//! Verification of Vault's certificate. It cannot be disabled.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
};

use reqwest::{Certificate, ClientBuilder, Url};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// Why a file of CA certificates is unusable.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The file does not exist, or is not readable.
    #[error("VAULT_CACERT: {} cannot be read: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file contains no certificate.
    #[error("VAULT_CACERT: {} holds no certificate in PEM", .0.display())]
    Empty(PathBuf),
    /// The file contains an invalid certificate.
    #[error("VAULT_CACERT: certificate {number} in {} cannot be used: {reason}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Its number, from 1.
        number: usize,
        /// The reason.
        reason: String,
    },
}

/// The CA certificates for verifying Vault's certificate.
pub struct Authorities(Option<Vec<Certificate>>);

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = self.0.as_ref().map(Vec::len);
        f.debug_tuple("Authorities").field(&own).finish()
    }
}

impl Authorities {
    /// The CA certificates of this machine.
    pub fn of_this_machine() -> Self {
        Self(None)
    }

    /// The CA certificates in a PEM file, and no others.
    ///
    /// # Errors
    /// [`AuthorityError`] if the file is unreadable, or contains anything but certificates.
    pub fn in_file(path: &Path) -> Result<Self, AuthorityError> {
        let text = std::fs::read(path).map_err(|source| AuthorityError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let mut certificates = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(&text) {
            let malformed = |reason: String| AuthorityError::Malformed {
                path: path.to_owned(),
                number: certificates.len() + 1,
                reason,
            };
            let der = certificate.map_err(|error| malformed(error.to_string()))?;
            RootCertStore::empty()
                .add(der.clone())
                .map_err(|error| malformed(error.to_string()))?;
            let certificate =
                Certificate::from_der(&der).map_err(|error| malformed(error.to_string()))?;
            certificates.push(certificate);
        }
        if certificates.is_empty() {
            return Err(AuthorityError::Empty(path.to_owned()));
        }
        Ok(Self(Some(certificates)))
    }

    /// A client for the Vault at this address that accepts only certificates of these authorities.
    pub(super) fn apply(&self, client: ClientBuilder, vault: &Url) -> ClientBuilder {
        match &self.0 {
            // Vault shows no certificate over http. Reading the machine's CA certificates would take two fifths of
            // the start-up time, and fail in an image without any.
            _ if vault.scheme() == "http" => client.tls_certs_only([]),
            Some(certificates) => client.tls_certs_only(certificates.iter().cloned()),
            None => client,
        }
    }
}

/// Why the client rejected Vault's certificate, if that is the cause.
pub(super) fn refusal(error: &reqwest::Error) -> Option<String> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(rustls::Error::InvalidCertificate(reason)) = error.downcast_ref() {
            return Some(reason.to_string());
        }
        cause = match error.downcast_ref::<io::Error>().map(io::Error::get_ref) {
            // The source of an I/O error is the source of its inner error, which would be skipped.
            Some(inner) => inner.map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn authority() -> String {
        let mut params = rcgen::CertificateParams::new([]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().pem()
    }

    fn outcome(text: &str) -> Result<usize, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        fs::write(&path, text).unwrap();
        let authorities = Authorities::in_file(&path).map_err(|error| error.to_string())?;
        Ok(authorities.0.unwrap().len())
    }

    #[test]
    fn a_file_may_hold_several_authorities() {
        let (one, other) = (authority(), authority());
        assert_eq!(outcome(&one), Ok(1));
        assert_eq!(outcome(&format!("# ours\n{one}\n\n{other}")), Ok(2));
    }

    #[test]
    fn a_file_without_a_certificate_is_refused_by_name() {
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (text, expected) in [
            ("", "holds no certificate"),
            ("not PEM", "holds no certificate"),
            (&key, "holds no certificate"),
            (broken, "certificate 1"),
            (&format!("{}{broken}", authority()), "certificate 2"),
        ] {
            let message = outcome(text).unwrap_err();
            assert!(message.starts_with("VAULT_CACERT: "), "{message}");
            assert!(message.contains(expected), "{message}");
        }
        let missing = Authorities::in_file(Path::new("/nowhere/ca.pem")).unwrap_err();
        assert!(missing.to_string().contains("cannot be read"), "{missing}");
    }
}
