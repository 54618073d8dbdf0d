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
    /// Read the latest version of a secret.
    KvRead,
    /// Read one version of a secret.
    KvReadVersion,
    /// Replace a secret as a whole.
    KvWrite,
    /// Set one key of a secret and keep the others.
    KvWriteKey,
    /// Delete a secret: in KV version 2 its latest version.
    KvDelete,
    /// Enable the PKI engine.
    PkiEnable,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::MountsList,
        Self::MountsCreate,
        Self::MountsDelete,
        Self::KvList,
        Self::KvRead,
        Self::KvReadVersion,
        Self::KvWrite,
        Self::KvWriteKey,
        Self::KvDelete,
        Self::PkiEnable,
    ];

    /// Its name in adapters, features and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MountsList => "mounts.list",
            Self::MountsCreate => "mounts.create",
            Self::MountsDelete => "mounts.delete",
            Self::KvList => "kv.list",
            Self::KvRead => "kv.read",
            Self::KvReadVersion => "kv.read_version",
            Self::KvWrite => "kv.write",
            Self::KvWriteKey => "kv.write_key",
            Self::KvDelete => "kv.delete",
            Self::PkiEnable => "pki.enable",
        }
    }

    /// The parameters that an adapter's arguments may name.
    ///
    /// `mount` and `path` are strings without leading or trailing slash (`path` is empty
    /// for the root of a mount), `key` and `value` strings, `data` an object of strings,
    /// `version` a number (of the secret, or of the KV engine for `mounts.create`).
    #[must_use]
    pub const fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::MountsList => &[],
            Self::MountsCreate => &["mount", "version"],
            Self::MountsDelete | Self::PkiEnable => &["mount"],
            Self::KvList | Self::KvRead | Self::KvDelete => &["mount", "path"],
            Self::KvReadVersion => &["mount", "path", "version"],
            Self::KvWrite => &["mount", "path", "data"],
            Self::KvWriteKey => &["mount", "path", "key", "value"],
        }
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
