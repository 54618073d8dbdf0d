//! What all HTTP clients that call a target have in common.

use std::sync::{Arc, LazyLock};

use reqwest::{Certificate, Client, ClientBuilder};
use rustls::{ClientConfig, crypto::ring};
use rustls_platform_verifier::BuilderVerifierExt as _;

/// The authorities that this machine trusts, more than a hundred, read once: each target that a
/// scenario starts is asked by clients of its own.
static OF_THIS_MACHINE: LazyLock<Result<ClientConfig, rustls::Error>> = LazyLock::new(|| {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?;
    Ok(builder.with_platform_verifier()?.with_no_client_auth())
});

/// A client that no proxy of the environment stands before, for a target that shows a certificate of
/// this authority or of one that this machine trusts.
pub(crate) fn trusting(ca: Option<Certificate>) -> ClientBuilder {
    let builder = Client::builder().no_proxy();
    match (ca, &*OF_THIS_MACHINE) {
        (None, Ok(tls)) => builder.tls_backend_preconfigured(tls.clone()),
        // What is wrong with the machine's authorities is told when the client is built.
        (ca, _) => builder.tls_certs_merge(ca),
    }
}
