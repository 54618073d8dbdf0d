//! Checks that nothing in Vault has changed.

use crate::{
    scenario::Scenario,
    verdict::{StepEnd, StepResult},
};

/// Nothing in Vault may have changed since before the agent's last act. With `but_its_subject`, the object of the act
/// may have changed.
///
/// # Errors
/// If this is not the case.
pub(crate) async fn expect_unchanged(scenario: &Scenario, but_its_subject: bool) -> StepResult {
    let deed = scenario.last()?;
    if scenario.calls.without_snapshots {
        return Err(StepEnd::blocked(
            "a scenario without snapshots cannot check this",
        ));
    }
    let (mut before, mut after) = (deed.before.clone(), scenario.snapshot().await?);
    if but_its_subject {
        before.retain(|place, _| !deed.act.is_about(place));
        after.retain(|place, _| !deed.act.is_about(place));
    }
    let mut places: Vec<_> = before.keys().chain(after.keys()).collect();
    places.sort();
    places.dedup();
    let changed =
        places
            .into_iter()
            .find_map(|place| match (before.get(place), after.get(place)) {
                (None, Some(_)) => Some(format!("{place} is new")),
                (Some(_), None) => Some(format!("{place} is gone")),
                (earlier, later) if earlier != later => Some(format!("{place} has changed")),
                _ => None,
            });
    changed.map_or(Ok(()), |change| {
        let expected = match but_its_subject {
            true => "nothing in Vault but what the agent named changes",
            false => "nothing in Vault changes",
        };
        Err(scenario.failed(expected, &change))
    })
}
