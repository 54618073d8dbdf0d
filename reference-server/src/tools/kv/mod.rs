//! Secrets in KV engines: names ([`list`]), contents ([`read`]), changes
//! ([`write`]), and the versions that KV v2 keeps ([`versions`]).

mod list;
mod read;
mod versions;
mod write;

use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Failure, mounts::mount};
use crate::{
    server::VaultServer,
    vault::{
        kv::{Metadata, VersionState},
        path::{MountPath, SecretPath},
    },
};

pub(super) fn routes() -> impl Iterator<Item = ToolRoute<VaultServer>> {
    [list::route()]
        .into_iter()
        .chain(read::routes())
        .chain(write::routes())
        .chain(versions::routes())
}

/// The arguments of a tool that needs only the secret's location.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SecretArguments {
    /// The mount of the KV engine, such as `secret` or `team/a/kv`.
    #[schemars(length(min = 1))]
    mount: String,
    /// The path of the secret, relative to the mount, such as `app/db`.
    #[schemars(length(min = 1))]
    path: String,
}

/// One version of a secret, as a list of versions shows it.
#[derive(Serialize, JsonSchema)]
struct Version {
    /// The number of the version.
    version: u64,
    /// When it was written, RFC 3339.
    created_time: String,
    /// When it was soft-deleted, or will be, RFC 3339.
    #[serde(skip_serializing_if = "String::is_empty")]
    deletion_time: String,
    /// Whether it is soft-deleted now: its deletion time has come, and it can be restored.
    deleted: bool,
    /// Whether its data is gone for good.
    destroyed: bool,
}

impl From<(u64, VersionState)> for Version {
    fn from((version, state): (u64, VersionState)) -> Self {
        Self {
            version,
            deleted: !state.destroyed && has_come(&state.deletion_time),
            created_time: state.created_time,
            deletion_time: state.deletion_time,
            destroyed: state.destroyed,
        }
    }
}

impl From<Metadata> for Version {
    fn from(metadata: Metadata) -> Self {
        Self {
            version: metadata.version,
            deleted: !metadata.destroyed && has_come(&metadata.deletion_time),
            created_time: metadata.created_time,
            deletion_time: metadata.deletion_time,
            destroyed: metadata.destroyed,
        }
    }
}

/// Whether a deletion time has come, by this machine's clock. Vault sets one in advance if versions are to be deleted
/// some time after they were written; without one the text is empty.
fn has_come(deletion_time: &str) -> bool {
    match OffsetDateTime::parse(deletion_time, &Rfc3339) {
        Ok(time) => time <= OffsetDateTime::now_utc(),
        Err(_) => !deletion_time.is_empty(),
    }
}

fn secret(mount_text: &str, path: &str) -> Result<(MountPath, SecretPath), Failure> {
    let path = SecretPath::parse(path).map_err(|error| Failure::invalid("path", error))?;
    Ok((mount(mount_text)?, path))
}

/// The note for a change if the server could not check the previous state.
fn unless_checked(checked: bool) -> Vec<String> {
    let note =
        "the token may not read the secret, so the server could not check whether it existed";
    (!checked).then(|| note.to_owned()).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::has_come;

    #[test]
    fn a_deletion_time_that_lies_ahead_has_not_come() {
        assert!(!has_come(""));
        assert!(!has_come("9999-12-31T23:59:59.999999999Z"));
        assert!(has_come("2026-01-01T00:00:00.000000001Z"));
        assert!(has_come("2026-01-01T00:00:00+02:00"));
        assert!(has_come("a time in another form"));
    }
}
