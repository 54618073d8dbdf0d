//! The operations: canonical things to do, which an adapter maps to tool calls.

use std::fmt;

use serde_json::{Map, Value};

/// The values that an operation is carried out with, by parameter name.
pub type Parameters = Map<String, Value>;

/// A canonical thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// List the mounts that the token may see.
    MountsList,
    /// Make a KV mount.
    MountsCreate,
    /// Remove a mount with all that it holds.
    MountsDelete,
    /// List one level of a KV mount.
    KvList,
    /// List all secrets below a folder of a KV mount.
    KvListAll,
    /// Read the latest version of a secret.
    KvRead,
    /// Read one version of a secret.
    KvReadVersion,
    /// Tell the key names, versions and times of a secret, without its values.
    KvMetadata,
    /// Replace a secret as a whole.
    KvWrite,
    /// Set one key of a secret and keep the others.
    KvWriteKey,
    /// Delete a secret: in KV version 2 its latest version.
    KvDelete,
    /// Delete one key of a secret and keep the others.
    KvDeleteKey,
    /// Bring back a deleted version.
    KvUndelete,
    /// Remove the data of a version for good.
    KvDestroy,
    /// Remove a secret with all its versions and metadata.
    KvPurge,
    /// Enable the PKI engine.
    PkiEnable,
    /// Make a self-signed issuer.
    PkiCreateRoot,
    /// Make an issuer that an issuer of another mount has signed.
    PkiCreateIntermediate,
    /// Make an issuer of a certificate and its key that exist.
    PkiImportBundle,
    /// List the issuers.
    PkiListIssuers,
    /// Show an issuer.
    PkiReadIssuer,
    /// Make a role, or replace it as a whole.
    PkiCreateRole,
    /// List the roles.
    PkiListRoles,
    /// Show a role.
    PkiReadRole,
    /// Remove a role.
    PkiDeleteRole,
    /// Issue a certificate with a new key.
    PkiIssue,
    /// Sign a certificate for a key that the caller has.
    PkiSign,
    /// Revoke a certificate.
    PkiRevoke,
    /// List the certificates by serial number.
    PkiListCerts,
    /// Show a certificate.
    PkiReadCert,
}

/// What is fixed about an operation.
struct About {
    name: &'static str,
    parameters: &'static [&'static str],
    facts: &'static [&'static str],
}

const fn about(
    name: &'static str,
    parameters: &'static [&'static str],
    facts: &'static [&'static str],
) -> About {
    About {
        name,
        parameters,
        facts,
    }
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 30] = [
        Self::MountsList,
        Self::MountsCreate,
        Self::MountsDelete,
        Self::KvList,
        Self::KvListAll,
        Self::KvRead,
        Self::KvReadVersion,
        Self::KvMetadata,
        Self::KvWrite,
        Self::KvWriteKey,
        Self::KvDelete,
        Self::KvDeleteKey,
        Self::KvUndelete,
        Self::KvDestroy,
        Self::KvPurge,
        Self::PkiEnable,
        Self::PkiCreateRoot,
        Self::PkiCreateIntermediate,
        Self::PkiImportBundle,
        Self::PkiListIssuers,
        Self::PkiReadIssuer,
        Self::PkiCreateRole,
        Self::PkiListRoles,
        Self::PkiReadRole,
        Self::PkiDeleteRole,
        Self::PkiIssue,
        Self::PkiSign,
        Self::PkiRevoke,
        Self::PkiListCerts,
        Self::PkiReadCert,
    ];

    const fn about(self) -> About {
        const SECRET: &[&str] = &["mount", "path"];
        const VERSION: &[&str] = &["mount", "path", "version"];
        const METADATA: &[&str] = &["keys", "version", "created", "updated", "custom"];
        const ROLE: &[&str] = &["mount", "role"];
        const SETTINGS: &[&str] = &[
            "mount",
            "role",
            "allowed_domains",
            "allow_subdomains",
            "allow_bare_domains",
            "allow_glob_domains",
            "allow_any_name",
            "allow_ip_sans",
            "key_type",
            "key_bits",
            "ttl",
            "max_ttl",
        ];
        match self {
            Self::MountsList => about("mounts.list", &[], &["type", "version", "description"]),
            Self::MountsCreate => about("mounts.create", &["mount", "version", "description"], &[]),
            Self::MountsDelete => about("mounts.delete", &["mount"], &[]),
            Self::KvList => about("kv.list", SECRET, &[]),
            Self::KvListAll => about("kv.list_all", SECRET, &[]),
            Self::KvRead => about("kv.read", SECRET, &["version"]),
            Self::KvReadVersion => about("kv.read_version", VERSION, &["version"]),
            Self::KvMetadata => about("kv.metadata", SECRET, METADATA),
            Self::KvWrite => about("kv.write", &["mount", "path", "data"], &["version"]),
            Self::KvWriteKey => about(
                "kv.write_key",
                &["mount", "path", "key", "value"],
                &["version"],
            ),
            Self::KvDelete => about("kv.delete", SECRET, &[]),
            Self::KvDeleteKey => about("kv.delete_key", &["mount", "path", "key"], &["version"]),
            Self::KvUndelete => about("kv.undelete", VERSION, &[]),
            Self::KvDestroy => about("kv.destroy", VERSION, &[]),
            Self::KvPurge => about("kv.purge", SECRET, &[]),
            Self::PkiEnable => about("pki.enable", &["mount", "max_ttl"], &[]),
            Self::PkiCreateRoot => about(
                "pki.create_root",
                &["mount", "issuer", "common_name", "ttl"],
                &["certificate"],
            ),
            Self::PkiCreateIntermediate => about(
                "pki.create_intermediate",
                &[
                    "mount",
                    "issuer",
                    "common_name",
                    "ttl",
                    "root_mount",
                    "root_issuer",
                ],
                &["certificate"],
            ),
            Self::PkiImportBundle => about("pki.import_bundle", &["mount", "bundle"], &[]),
            Self::PkiListIssuers => about("pki.list_issuers", &["mount"], &["name"]),
            Self::PkiReadIssuer => about(
                "pki.read_issuer",
                &["mount", "issuer"],
                &["certificate", "name"],
            ),
            Self::PkiCreateRole => about("pki.create_role", SETTINGS, &[]),
            Self::PkiListRoles => about("pki.list_roles", &["mount"], &[]),
            // All that a role is made with, besides where it is.
            Self::PkiReadRole => about("pki.read_role", ROLE, SETTINGS.split_at(ROLE.len()).1),
            Self::PkiDeleteRole => about("pki.delete_role", ROLE, &[]),
            Self::PkiIssue => about(
                "pki.issue",
                &[
                    "mount",
                    "role",
                    "common_name",
                    "alt_names",
                    "ip_sans",
                    "ttl",
                ],
                &["certificate", "serial", "private_key"],
            ),
            Self::PkiSign => about(
                "pki.sign",
                &["mount", "role", "common_name", "csr", "ttl"],
                &["certificate", "serial"],
            ),
            Self::PkiRevoke => about("pki.revoke", &["mount", "serial"], &[]),
            Self::PkiListCerts => about("pki.list_certs", &["mount"], &[]),
            Self::PkiReadCert => about("pki.read_cert", &["mount", "serial"], &["certificate"]),
        }
    }

    /// Its name in adapters, features and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.about().name
    }

    /// The parameters that an adapter's arguments may name.
    ///
    /// `mount` and `path` are strings without leading or trailing slash (`path` is empty
    /// for the root of a mount), `key`, `value` and `description` strings, `data` an object,
    /// `version` a number (of the secret, or of the KV engine for `mounts.create`). Of PKI,
    /// `allowed_domains`, `alt_names` and `ip_sans` are lists of strings, `allow_*` booleans,
    /// `key_bits` a number, `ttl` and `max_ttl` durations as Vault reads them (`72h`),
    /// `bundle` and `csr` PEM, the rest strings.
    #[must_use]
    pub const fn parameters(self) -> &'static [&'static str] {
        self.about().parameters
    }

    /// The facts, besides its data, that an adapter may point to in its result.
    ///
    /// `type`, `version` (of the KV engine) and `description` of each mount; `version` of a
    /// secret that was read or written; of metadata the `keys` (names, or an object by name),
    /// the latest `version`, the time when it was `created`, and the `custom` metadata; `name`
    /// of an issuer; `certificate`, `chain` and `private_key` as PEM or lists of it, and the
    /// `serial` number; the settings of a role by their names in Vault.
    #[must_use]
    pub const fn facts(self) -> &'static [&'static str] {
        self.about().facts
    }

    /// Whether it is about a PKI mount.
    #[must_use]
    pub fn is_pki(self) -> bool {
        self.name().starts_with("pki.")
    }

    /// Whether its result is a list of names.
    #[must_use]
    pub const fn lists(self) -> bool {
        matches!(
            self,
            Self::MountsList
                | Self::KvList
                | Self::KvListAll
                | Self::PkiListIssuers
                | Self::PkiListRoles
                | Self::PkiListCerts
        )
    }

    /// Whether its result carries data: names, or keys and values.
    #[must_use]
    pub const fn has_data(self) -> bool {
        self.lists() || matches!(self, Self::KvRead | Self::KvReadVersion)
    }

    /// Whether it changes nothing in Vault.
    #[must_use]
    pub const fn reads(self) -> bool {
        self.has_data()
            || matches!(
                self,
                Self::KvMetadata | Self::PkiReadIssuer | Self::PkiReadRole | Self::PkiReadCert
            )
    }

    /// The operation of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.name() == name)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Operation;

    #[test]
    fn the_page_on_adapters_has_every_operation_with_its_parameters_and_facts() {
        let page = include_str!("../../../docs/writing-an-adapter.md");
        for operation in Operation::ALL {
            let begin = format!("| `{operation}` | ");
            let row = page.lines().find(|line| line.starts_with(&begin));
            let row = row.unwrap_or_else(|| panic!("there is no row of {operation}"));
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            let list = |names: &[&str], wrap: fn(&str) -> String| {
                names
                    .iter()
                    .copied()
                    .map(wrap)
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            let parameters = list(operation.parameters(), |name| format!("`{{{name}}}`"));
            assert_eq!(cells[2], parameters, "{operation}");
            let facts = list(operation.facts(), |name| format!("`{name}`"));
            assert_eq!(cells[4], facts, "{operation}");
        }
    }
}
