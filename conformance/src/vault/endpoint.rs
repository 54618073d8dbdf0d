//! Where a Vault is, and which certificates it may present: one address and one TLS configuration for all requests that
//! the suite sends there, its own and those of a target that pass the tap.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http::{Uri, uri::Authority};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use rustls_platform_verifier::BuilderVerifierExt as _;

/// The address of a Vault, and how its certificate is verified.
#[derive(Clone, Debug)]
pub struct Endpoint {
    address: String,
    authority: Authority,
    tls: Arc<ClientConfig>,
}

/// Why an address or a CA file is invalid.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The address is invalid.
    #[error(
        "{address:?} is not a valid Vault address: {problem}; it looks like https://vault.example.org:8200"
    )]
    Address {
        /// The given address.
        address: String,
        /// The problem.
        problem: &'static str,
    },
    /// The CA file is not usable.
    #[error("cannot read the certificate authority in {file}: {reason}", file = .file.display())]
    Authority {
        /// The file.
        file: PathBuf,
        /// The cause.
        reason: String,
    },
    /// The CAs of this machine are not usable.
    #[error("cannot use the certificate authorities of this machine: {0}")]
    Tls(#[from] rustls::Error),
}

impl Endpoint {
    /// A Vault at `http://` or `https://HOST[:PORT]`. Its certificate must come from a CA in the PEM file `ca`, or
    /// without a file from a CA that this machine trusts.
    ///
    /// # Errors
    /// [`EndpointError`]
    pub fn new(address: &str, ca: Option<&Path>) -> Result<Self, EndpointError> {
        let wrong = |problem| EndpointError::Address {
            // The text before an @ may be a password.
            address: address.rsplit('@').next().unwrap_or_default().to_owned(),
            problem,
        };
        let (scheme, _) = address.split_once("://").unwrap_or_default();
        if !["http", "https"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
        {
            return Err(wrong("it begins with neither http:// nor https://"));
        }
        let uri: Uri = address.parse().map_err(|_| wrong("it is no valid URL"))?;
        let authority = uri.authority().ok_or_else(|| wrong("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("it contains credentials"));
        }
        if uri.path() != "/" || uri.query().is_some() {
            return Err(wrong("it has a path or a query"));
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?;
        let tls = match (uri.scheme_str(), ca) {
            (Some("http"), _) => builder
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth(),
            (_, Some(file)) => builder
                .with_root_certificates(authorities(file)?)
                .with_no_client_auth(),
            (_, None) => builder.with_platform_verifier()?.with_no_client_auth(),
        };
        Ok(Self {
            address: address.trim_end_matches('/').to_owned(),
            authority: authority.clone(),
            tls: Arc::new(tls),
        })
    }

    /// `http://HOST:PORT`, without a trailing slash.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `HOST:PORT`.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.address.split(':').next().unwrap_or_default()
    }

    /// A client for requests with a privileged token. It follows no redirect, and uses no proxy of the environment.
    ///
    /// # Errors
    /// If the client cannot be made.
    pub fn client(&self, budget: Duration) -> Result<reqwest::Client, reqwest::Error> {
        reqwest::Client::builder()
            .tls_backend_preconfigured(ClientConfig::clone(&self.tls))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(budget)
            .build()
    }

    /// A connector for the connections of a proxy.
    #[must_use]
    pub fn connector(&self) -> HttpsConnector<HttpConnector> {
        HttpsConnectorBuilder::new()
            .with_tls_config(ClientConfig::clone(&self.tls))
            .https_or_http()
            .enable_http1()
            .build()
    }
}

fn authorities(file: &Path) -> Result<RootCertStore, EndpointError> {
    let wrong = |reason: String| EndpointError::Authority {
        file: file.to_owned(),
        reason,
    };
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("it holds no PEM certificate".to_owned()));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_and_a_host_and_nothing_more() {
        for right in [
            "http://127.0.0.1:8200",
            "http://vault:8200/",
            "http://[::1]:8200",
        ] {
            let endpoint = Endpoint::new(right, None).unwrap();
            assert_eq!(endpoint.address(), right.trim_end_matches('/'));
        }
        for wrong in [
            "",
            "vault:8200",
            "127.0.0.1",
            "ftp://vault",
            "http://vault/ui",
            "http://vault?x",
            "http://me:secret@vault",
        ] {
            let error = Endpoint::new(wrong, None).unwrap_err().to_string();
            assert!(error.contains("is not a valid Vault address"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for file in [file.path(), Path::new("/no/such/file")] {
            let error = Endpoint::new("https://vault", Some(file)).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(&file.display().to_string()), "{error}");
        }
    }
}
