//! The stage of an operation: the objects that it acts on, made through the oracle. With it, each operation can be
//! called where all of them are checked. Each engine is one module.

mod engine;
mod kv;
mod mounts;
mod pki;

use self::engine::Stage as _;
pub(crate) use self::mounts::NEW_MOUNTS;
use crate::{
    act::Act,
    engines::Operation,
    scenario::Scenario,
    verdict::{StepEnd, StepResult},
    vocabulary::given,
};

/// Prepares the stage of an operation, and lets the agent perform it.
///
/// # Errors
/// If Vault rejects a request.
pub(crate) async fn let_agent_do(scenario: &mut Scenario, operation: Operation) -> StepResult {
    let act = set_stage(scenario, operation, "pki").await?;
    scenario.let_agent(act).await
}

/// Prepares the stage of an operation, and nothing else. The mounts have the names in the policies of the sources.
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

/// Prepares one stage for all operations, on which the agent may do everything.
///
/// # Errors
/// If Vault rejects a request.
pub(crate) async fn make_shared_stage(scenario: &mut Scenario) -> StepResult {
    given::make_mount(scenario, mounts::SPARE, 2).await?;
    pki::make(scenario, "pki").await?;
    kv::make(scenario).await
}

/// An act on the shared stage.
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

/// The operation with this name in features.
///
/// # Errors
/// Blocked if there is none.
pub(crate) fn operation(name: &str) -> StepResult<Operation> {
    let unknown = || StepEnd::blocked(format!("no operation is called {name:?}"));
    Operation::named(name).ok_or_else(unknown)
}
