//! Calls that an agent makes at once.

use std::time::Instant;

use crate::{
    act::Act,
    scenario::{Deed, KvState, Scenario},
    tap::trap::{Springs, Trap},
    target::answer::{Answer, Manner},
    vault::oracle::Snapshot,
    verdict::StepResult,
    vocabulary::given::held_back,
};

/// Lets the agent do several things at once on its one connection.
///
/// # Errors
/// As for one; blocked where they were done one after the other.
pub(crate) async fn let_agent_at_once(scenario: &mut Scenario, acts: Vec<Act>) -> StepResult {
    for act in &acts {
        scenario.let_know(act);
    }
    // Calls that a limit spreads out are not made at once.
    scenario.slot()?.instance.connection.rest().await;
    hold_write_back(scenario, acts.len())?;
    let deeds = acts
        .into_iter()
        .map(|act| scenario.carry_out(act, Snapshot::new(), 0, Manner::Whole));
    let deeds = futures::future::try_join_all(deeds).await?;
    let silent = |deed: &Deed| matches!(deed.answer, Answer::Nothing(_));
    scenario.unanswered |= deeds.iter().any(silent);
    scenario.volley = deeds;
    scenario.expect_made_at_once(1)
}

/// Sets the trap for the write that is to be held back, of so many calls that are about to be made. It is held
/// for as long as they would take one after the other, as it has taken itself to get there: on a
/// busy machine the others take their time, too.
pub(crate) fn hold_write_back(scenario: &mut Scenario, calls: usize) -> StepResult {
    let Some(part) = scenario.state_mut::<KvState>().delayed.take() else {
        return Ok(());
    };
    let begun = Instant::now();
    let springs = Springs::First(Box::pin(async move {
        tokio::time::sleep(held_back(begun.elapsed(), calls)).await;
    }));
    scenario.tap()?.set(Trap::for_write(part, springs));
    Ok(())
}
