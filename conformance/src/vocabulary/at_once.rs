//! Calls that an agent makes at the same time.

use std::time::Instant;

use super::given::held_back;
use crate::{
    act::Act,
    scenario::{Scenario, calls::CallOptions},
    tap::fault::{Fault, FaultAction},
    verdict::StepResult,
    vocabulary::kv::KvState,
};

/// Lets the agent make several calls at the same time on its one connection.
///
/// # Errors
/// As for one call; blocked if they were made one after the other.
pub(crate) async fn let_agent_at_once(scenario: &mut Scenario, acts: Vec<Act>) -> StepResult {
    // Calls that a limit spreads out are not concurrent.
    scenario.connection()?.rest().await;
    hold_write_back(scenario, acts.len())?;
    let calls = acts
        .into_iter()
        .map(|act| scenario.call(act, CallOptions::default()));
    scenario.calls.several = futures::future::try_join_all(calls).await?;
    scenario.expect_made_at_once(1)
}

/// Sets the fault that holds back the first write of these calls. The delay grows with the time that the write took to
/// arrive, and with the number of calls: on a busy machine the others take longer, too.
pub(crate) fn hold_write_back(scenario: &mut Scenario, calls: usize) -> StepResult {
    let Some(part) = scenario.state_mut::<KvState>().delayed.take() else {
        return Ok(());
    };
    let begun = Instant::now();
    let springs = FaultAction::First(Box::pin(async move {
        tokio::time::sleep(held_back(begun.elapsed(), calls)).await;
    }));
    scenario.tap()?.set(Fault::for_write(part, springs));
    Ok(())
}
