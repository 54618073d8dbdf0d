//! The stage of an engine's operations: the objects that they act on.

use crate::{act::Act, scenario::Scenario, verdict::StepResult};

/// The longest lifetime in a PKI mount that the agent makes.
pub(super) const LONGEST: &str = "2400h";

/// What an operation of an engine is about.
pub(super) trait Stage {
    /// Makes what the operation is about, and nothing else; `pki` is what a PKI mount is called.
    async fn set(self, scenario: &mut Scenario, pki: &str) -> StepResult<Act>;

    /// The operation on the stage that all of them share.
    async fn on_shared(self, scenario: &mut Scenario) -> StepResult<Act>;
}
