//! The engines of Vault that the suite knows: their operations, which adapters map to tool calls, and the requests to
//! Vault that each operation consists of. Each engine is one module; to add one, follow CONTRIBUTING.md.

mod engine;
pub mod kv;
pub mod mounts;
pub mod pki;

use std::fmt;

use serde_json::Value;

pub use self::{
    engine::{About, Answers, Engine, Parameters, ROLE, SECRET, WRITTEN, WorkloadMounts},
    kv::Kv,
    mounts::Mounts,
    pki::Pki,
};
use crate::vault::oracle::{Oracle, OracleError, Snapshot, VaultRequest};

/// A canonical operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// On mounts.
    Mounts(Mounts),
    /// On secrets.
    Kv(Kv),
    /// On certificates.
    Pki(Pki),
}

impl Operation {
    /// All operations, in the order of documents and reports.
    pub const ALL: [Self; Mounts::ALL.len() + Kv::ALL.len() + Pki::ALL.len()] = {
        let mut all =
            [Self::Mounts(Mounts::List); Mounts::ALL.len() + Kv::ALL.len() + Pki::ALL.len()];
        let (mut to, mut from) = (0, 0);
        while from < Mounts::ALL.len() {
            all[to] = Self::Mounts(Mounts::ALL[from]);
            (to, from) = (to + 1, from + 1);
        }
        from = 0;
        while from < Kv::ALL.len() {
            all[to] = Self::Kv(Kv::ALL[from]);
            (to, from) = (to + 1, from + 1);
        }
        from = 0;
        while from < Pki::ALL.len() {
            all[to] = Self::Pki(Pki::ALL[from]);
            (to, from) = (to + 1, from + 1);
        }
        all
    };

    fn about(self) -> About {
        match self {
            Self::Mounts(operation) => operation.about(),
            Self::Kv(operation) => operation.about(),
            Self::Pki(operation) => operation.about(),
        }
    }

    /// The name in adapters, features and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
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
    pub fn parameters(self) -> &'static [&'static str] {
        self.about().parameters
    }

    /// The facts, besides the data, to which an adapter may point in the result.
    ///
    /// `type`, `version` (of the KV engine) and `description` of each mount; `version` of a
    /// secret that was read or written; of metadata the `keys` (names, or an object by name),
    /// the latest `version`, the time when it was `created`, and the `custom` metadata; `name`
    /// of an issuer; `certificate`, `chain` and `private_key` as PEM or lists of it, and the
    /// `serial` number; the settings of a role by their names in Vault.
    #[must_use]
    pub fn facts(self) -> &'static [&'static str] {
        self.about().facts
    }

    /// Whether the result is a list of names.
    #[must_use]
    pub fn lists(self) -> bool {
        self.about().answers == Answers::Names
    }

    /// Whether the result has data: names, or keys and values.
    #[must_use]
    pub fn has_data(self) -> bool {
        matches!(self.about().answers, Answers::Names | Answers::Data)
    }

    /// Whether the operation changes nothing in Vault.
    #[must_use]
    pub fn reads(self) -> bool {
        self.about().answers != Answers::Change
    }

    /// The requests to Vault that it consists of: see [`Engine::requests`].
    #[must_use]
    pub fn requests(self, parameters: &Parameters, kv_version: u8) -> Vec<VaultRequest> {
        match self {
            Self::Mounts(operation) => operation.requests(parameters, kv_version),
            Self::Kv(operation) => operation.requests(parameters, kv_version),
            Self::Pki(operation) => operation.requests(parameters, kv_version),
        }
    }

    /// The parameters with which its latency is measured; `None` if it is not measured.
    #[must_use]
    pub fn workload(self, on: &WorkloadMounts) -> Option<Value> {
        match self {
            Self::Mounts(operation) => operation.workload(on),
            Self::Kv(operation) => operation.workload(on),
            Self::Pki(operation) => operation.workload(on),
        }
    }

    /// The operation with this name.
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

/// Everything in the mounts whose names begin with `prefix`: the mounts by path, and their contents by `mount:name`.
///
/// # Errors
/// If Vault rejects a request.
pub async fn snapshot(oracle: &Oracle, prefix: &str) -> Result<Snapshot, OracleError> {
    let mut snapshot = Snapshot::new();
    for (mount, about) in oracle.mounts().await? {
        if mount.starts_with(prefix) {
            Mounts::snapshot(oracle, &mount, &about, &mut snapshot).await?;
            Kv::snapshot(oracle, &mount, &about, &mut snapshot).await?;
            Pki::snapshot(oracle, &mount, &about, &mut snapshot).await?;
        }
    }
    Ok(snapshot)
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
