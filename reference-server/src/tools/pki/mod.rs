//! PKI engines: the mount ([`mount`]), its issuers ([`issuers`]), its roles ([`roles`]), and the certificates
//! ([`certificates`]). [`refusal`] interprets Vault's errors.

mod certificates;
mod issuers;
mod mount;
mod refusal;
mod roles;

use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Failure, mounts::mount as mount_path};
use crate::{
    server::VaultServer,
    vault::pki::{Certificate, Name, Ttl},
};

pub(super) fn routes() -> impl Iterator<Item = ToolRoute<VaultServer>> {
    mount::routes()
        .into_iter()
        .chain(issuers::routes())
        .chain(roles::routes())
        .chain(certificates::routes())
}

/// The arguments of a tool that needs only the mount.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MountArguments {
    /// The mount of the PKI engine, such as `pki` or `team/a/pki`.
    #[schemars(length(min = 1))]
    mount: String,
}

fn name(argument: &str, text: &str) -> Result<Name, Failure> {
    Name::parse(text).map_err(|error| Failure::invalid(argument, error))
}

fn ttl(argument: &str, text: Option<&str>) -> Result<Option<Ttl>, Failure> {
    let parsed = text.map(Ttl::parse).transpose();
    parsed.map_err(|error| Failure::invalid(argument, error))
}

/// The note for a certificate that ends earlier than requested. Vault does not always report that.
fn shortened(asked: Option<&Ttl>, certificate: &Certificate) -> Option<String> {
    // Vault backdates the beginning, by 30 s by default, but counts the end from before it generates the key. That
    // can take some seconds.
    const TOLERANCE: u64 = 30;
    let asked = asked.filter(|asked| asked.seconds() > certificate.lifetime + TOLERANCE)?;
    Some(format!(
        "the lifetime is shorter than asked for: asked for {}, vault gave {}, until {}",
        asked.as_str(),
        span(certificate.lifetime),
        certificate.not_after
    ))
}

/// A duration; in hours if it is at least one.
fn span(seconds: u64) -> String {
    match (seconds / 3600, seconds % 3600 / 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m"),
        (hours, 0) => format!("{hours}h"),
        (hours, minutes) => format!("{hours}h{minutes}m"),
    }
}
