//! The stage of an engine's operations: the objects that they act on.

use crate::{act::Act, scenario::Scenario, verdict::StepResult};

/// The maximum lifetime in a PKI mount that the agent creates.
pub(super) const LONGEST: &str = "2400h";

/// The stage of an engine's operations.
pub(super) trait Stage {
    /// Prepares the stage of the operation, and nothing else; `pki` is the name of the PKI mount.
    async fn set(self, scenario: &mut Scenario, pki: &str) -> StepResult<Act>;

    /// The operation on the stage that all operations share.
    async fn on_shared(self, scenario: &mut Scenario) -> StepResult<Act>;
}
