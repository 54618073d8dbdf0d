//! The stage of an operation: the objects that it acts on, made through the oracle. With it, each operation can be
//! called where all of them are checked. Each engine is one module.

mod engine;
mod kv;
mod mounts;
mod pki;

use self::engine::Stage as _;
pub(crate) use self::{kv::SECRET, mounts::NEW_MOUNTS};
use crate::{
    act::Act,
    engines::Operation,
    scenario::Scenario,
    verdict::{StepEnd, StepResult},
    vocabulary::given,
};

/// Lets the agent do an operation on what it is about.
///
/// # Errors
/// If Vault rejects a request.
pub(crate) async fn let_agent_do(scenario: &mut Scenario, operation: Operation) -> StepResult {
    let act = set_stage(scenario, operation, "pki").await?;
    scenario.let_agent(act).await
}

/// Makes what an operation is about, and nothing else, in mounts that are called as the
/// policies of the sources call them.
///
/// # Errors
/// If Vault rejects a request.
pub(crate) async fn set_stage(
    scenario: &mut Scenario,
    operation: Operation,
    pki: &str,
) -> StepResult<Act> {
    match operation {
        Operation::Mounts(operation) => operation.set(scenario, pki).await,
        Operation::Kv(operation) => operation.set(scenario, pki).await,
        Operation::Pki(operation) => operation.set(scenario, pki).await,
    }
}

/// A stage on which the agent can do everything, made once for all operations.
///
/// # Errors
/// If Vault rejects a request.
pub(crate) async fn make_shared_stage(scenario: &mut Scenario) -> StepResult {
    given::make_mount(scenario, mounts::SPARE, 2).await?;
    pki::make(scenario, "pki").await?;
    kv::make(scenario).await
}

/// An operation on the stage that is shared.
///
/// # Errors
/// If Vault rejects a request.
pub(crate) async fn act_on_shared_stage(
    scenario: &mut Scenario,
    operation: Operation,
) -> StepResult<Act> {
    match operation {
        Operation::Mounts(operation) => operation.on_shared(scenario).await,
        Operation::Kv(operation) => operation.on_shared(scenario).await,
        Operation::Pki(operation) => operation.on_shared(scenario).await,
    }
}

/// The operation that a feature calls so.
///
/// # Errors
/// Blocked when none is called so.
pub(crate) fn operation(name: &str) -> StepResult<Operation> {
    let unknown = || StepEnd::blocked(format!("no operation is called {name:?}"));
    Operation::named(name).ok_or_else(unknown)
}
