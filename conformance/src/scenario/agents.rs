//! The servers that are gone before their scenario is, and those that never came: what they have said is
//! watched like what all others say.

use super::{Agent, Scenario};
use crate::{
    mcp::transcript::Line,
    slot::{Slot, SlotError},
    target::{instance::StartError, setup::Setup},
    vault::policy,
    verdict::{StepResult, Stop},
};

/// What is left of them.
#[derive(Debug, Default)]
pub(crate) struct Gone {
    /// What each one said that the scenario has ended.
    pub said: Vec<Vec<Line>>,
    /// How many of their lines were too much to keep.
    pub dropped: usize,
    /// How many did not start, and said their token instead.
    pub told_token: usize,
}

impl Scenario {
    /// A server that is set up so, or why it does not start.
    pub(crate) async fn lease(&mut self, setup: Setup) -> StepResult<Result<Slot, StartError>> {
        let slot = match self.slots.lease(&self.kind(setup)).await {
            Ok(slot) => slot,
            Err(SlotError::Target(refusal)) => {
                self.gone.told_token += usize::from(refusal.said_secret);
                return Ok(Err(refusal));
            }
            Err(problem) => return Err(Stop::blocked(problem)),
        };
        slot.instance.connection.transcript().begin_scenario();
        if let Some(tap) = &slot.tap {
            tap.forget();
        }
        Ok(Ok(slot))
    }

    /// Ends a server.
    pub(crate) async fn end_server(&mut self, slot: Slot) -> StepResult {
        // Before it is ended: what is cut short then is no fault of its own.
        let transcript = slot.instance.connection.transcript();
        let (said, dropped) = (transcript.examine(), transcript.dropped());
        self.gone.dropped += dropped;
        self.gone.said.push(said);
        // What it has asked of Vault was asked with this.
        self.further_tokens.extend(slot.token.clone());
        self.slots.end(slot).await.map_err(Stop::blocked)
    }

    /// Ends the servers that the scenario has, so that it can have another: of some only one can run.
    pub(crate) async fn end_servers(&mut self) -> StepResult {
        for Agent { slot, .. } in std::mem::take(&mut self.agents) {
            self.end_server(slot).await?;
        }
        self.acting = 0;
        Ok(())
    }
}

/// Gives the agent's token all rights within the scenario.
///
/// # Errors
/// When Vault refuses; so have the others.
pub(crate) async fn allow_all(scenario: &Scenario) -> StepResult {
    set_policy(scenario, &policy::sufficient(&scenario.prefix)).await
}

pub(crate) async fn set_policy(scenario: &Scenario, hcl: &str) -> StepResult {
    let policy = &scenario.token()?.policy;
    let written = scenario.oracle.write_policy(policy, hcl).await;
    written.map_err(Stop::blocked)
}
