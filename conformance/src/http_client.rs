//! What all HTTP clients that call a target have in common.

use std::sync::{Arc, LazyLock};

use reqwest::{Certificate, Client, ClientBuilder};
use rustls::{ClientConfig, crypto::ring};
use rustls_platform_verifier::BuilderVerifierExt as _;

/// The CAs that this machine trusts, more than a hundred. They are read once, because each target has HTTP clients of
/// its own.
static OF_THIS_MACHINE: LazyLock<Result<ClientConfig, rustls::Error>> = LazyLock::new(|| {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?;
    Ok(builder.with_platform_verifier()?.with_no_client_auth())
});

/// A client without the proxies of the environment, for a target whose certificate is signed by this CA or by one that
/// this machine trusts.
pub(crate) fn trusting(ca: Option<Certificate>) -> ClientBuilder {
    let builder = Client::builder().no_proxy();
    match (ca, &*OF_THIS_MACHINE) {
        (None, Ok(tls)) => builder.tls_backend_preconfigured(tls.clone()),
        // A problem with the CAs of this machine is reported when the client is built.
        (ca, _) => builder.tls_certs_merge(ca),
    }
}
