//! What the suite knows of an engine of Vault: the trait.

use serde_json::{Map, Value};

use crate::vault::oracle::{Oracle, OracleError, Snapshot, VaultRequest};

/// The values that an operation is carried out with, by parameter name.
pub type Parameters = Map<String, Value>;

/// What the suite knows of an engine: the type that implements this is one of its operations.
pub trait Engine: Copy {
    /// What is fixed about the operation.
    fn about(self) -> About;

    /// The requests that the operation comes down to, and whose rights it therefore needs
    /// (<https://developer.hashicorp.com/vault/api-docs>); `kv_version` is that of the mount in question.
    ///
    /// What one request takes from the answer to another is left out: see [`super::pki::continued`].
    fn requests(self, parameters: &Parameters, kv_version: u8) -> Vec<VaultRequest>;

    /// The parameters with which the operation is measured; none for one that is not measured.
    fn workload(self, on: &WorkloadMounts) -> Option<Value>;

    /// Adds to a snapshot what a mount holds, if it is one of this engine; `about` is its entry in `sys/mounts`.
    fn snapshot(
        oracle: &Oracle,
        mount: &str,
        about: &Value,
        snapshot: &mut Snapshot,
    ) -> impl Future<Output = Result<(), OracleError>> + Send;
}

/// What the answer to an operation carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// A list of names; it changes nothing.
    Names,
    /// Keys and values; it changes nothing.
    Data,
    /// Facts alone; it changes nothing.
    Facts,
    /// At most facts about what it has changed.
    Change,
}

/// What is fixed about an operation.
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

// What the latency of operations is measured on.

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
    /// Where certificates are asked for, a PKI mount with a CA and a role.
    pub pki: Option<String>,
}
