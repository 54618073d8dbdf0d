//! What the suite knows of an engine of Vault: the trait.

use serde_json::{Map, Value};

use crate::vault::oracle::{Oracle, OracleError, Snapshot, VaultRequest};

/// The values with which an operation is performed, by parameter name.
pub type Parameters = Map<String, Value>;

/// What the suite knows of an engine. The type that implements this is one of its operations.
pub trait Engine: Copy {
    /// The fixed properties of the operation.
    fn about(self) -> About;

    /// The requests to Vault that the operation consists of, and whose rights it therefore needs
    /// (<https://developer.hashicorp.com/vault/api-docs>); `kv_version` is that of the mount.
    ///
    /// A request may need something from the answer to the one before, which is omitted here: see
    /// [`super::pki::continued`].
    fn requests(self, parameters: &Parameters, kv_version: u8) -> Vec<VaultRequest>;

    /// The parameters with which the latency of the operation is measured; `None` if it is not measured.
    fn workload(self, on: &WorkloadMounts) -> Option<Value>;

    /// Adds the contents of a mount to a snapshot, if the mount is of this engine; `about` is its entry in
    /// `sys/mounts`.
    fn snapshot(
        oracle: &Oracle,
        mount: &str,
        about: &Value,
        snapshot: &mut Snapshot,
    ) -> impl Future<Output = Result<(), OracleError>> + Send;
}

/// What the answer to an operation contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// A list of names. The operation only reads.
    Names,
    /// Keys and values. The operation only reads.
    Data,
    /// Facts alone. The operation only reads.
    Facts,
    /// At most facts about what the operation changed.
    Change,
}

/// The fixed properties of an operation.
#[derive(Clone, Copy, Debug)]
pub struct About {
    pub(super) answers: Answers,
    pub(super) name: &'static str,
    pub(super) parameters: &'static [&'static str],
    pub(super) facts: &'static [&'static str],
}

pub(super) const fn about(
    answers: Answers,
    name: &'static str,
    parameters: &'static [&'static str],
    facts: &'static [&'static str],
) -> About {
    About {
        answers,
        name,
        parameters,
        facts,
    }
}

/// A parameter that is text.
pub(super) fn text<'p>(parameters: &'p Parameters, name: &str) -> &'p str {
    let value = parameters.get(name).and_then(Value::as_str);
    value.unwrap_or_default()
}

// The names in the workload whose latency is measured.

/// The secret that is read.
pub const SECRET: &str = "app/database";
/// The secret that is written.
pub const WRITTEN: &str = "app/written";
/// The role that certificates are issued by.
pub const ROLE: &str = "issuer";

/// The mounts on which the latency of operations is measured.
#[derive(Clone, Debug)]
pub struct WorkloadMounts {
    /// A KV version 2 mount with a few secrets.
    pub kv: String,
    /// For certificates, a PKI mount with a CA and a role.
    pub pki: Option<String>,
}
