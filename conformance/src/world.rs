//! The cucumber world: the running scenario, or the monitor over all of them.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::{
    invariants::{Binding, Invariant, InvariantMonitor},
    policy_matrix::Outcome,
    scenario::Scenario,
    verdict::{StepEnd, StepResult},
};

/// The state on which the steps of one scenario work.
#[derive(Default, cucumber::World)]
pub struct World(Stage);

#[derive(Default)]
enum Stage {
    /// Nothing has been prepared yet.
    #[default]
    Empty,
    /// The preparation failed.
    Blocked(StepEnd),
    /// A scenario that acts.
    Scenario(Box<Scenario>),
    /// A scenario that checks what was seen in the others.
    InvariantMonitor(Binding, Arc<InvariantMonitor>),
}

/// Cucumber prints this when a step fails. It is empty because a scenario contains secrets.
impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("World")
    }
}

impl World {
    /// Sets the scenario, or the reason why it could not be prepared.
    pub fn set_scenario(&mut self, scenario: StepResult<Scenario>) {
        self.0 = match scenario {
            Ok(scenario) => Stage::Scenario(Box::new(scenario)),
            Err(stop) => Stage::Blocked(stop),
        };
    }

    /// Gives the scenario what was seen in the others, on this transport and revision.
    pub fn set_watch(&mut self, way: Binding, watch: Arc<InvariantMonitor>) {
        self.0 = Stage::InvariantMonitor(way, watch);
    }

    /// Takes the scenario after its end.
    pub fn take_scenario(&mut self) -> Option<Scenario> {
        match std::mem::take(&mut self.0) {
            Stage::Scenario(scenario) => Some(*scenario),
            _ => None,
        }
    }

    /// The running scenario.
    ///
    /// # Errors
    /// If it could not be prepared.
    pub fn scenario(&mut self) -> StepResult<&mut Scenario> {
        match &mut self.0 {
            Stage::Scenario(scenario) => Ok(scenario),
            Stage::Blocked(stop) => Err(stop.clone()),
            _ => Err(StepEnd::blocked("the scenario was not set up")),
        }
    }

    /// Checks that this invariant was violated in no scenario.
    ///
    /// # Errors
    /// If it was violated, or if no scenario was monitored.
    pub fn expect_unseen(&self, concern: Invariant, expected: &str) -> StepResult {
        let Stage::InvariantMonitor(way, watch) = &self.0 else {
            return Err(StepEnd::blocked("the scenario has nothing to check"));
        };
        let seen = watch.seen(*way);
        if seen.scenarios == 0 {
            return Err(StepEnd::no_evidence(format!(
                "no scenario ran on {} in {}",
                way.0, way.1
            )));
        }
        let mut found = seen
            .findings
            .iter()
            .filter(|finding| finding.concern == concern);
        let Some(first) = found.next() else {
            return match &seen.dropped {
                Some((scenario, lines)) if concern.shows_in_lines() => {
                    Err(StepEnd::blocked(format!(
                        "the server printed more than the suite keeps, and {lines} lines were not examined (first in {scenario}): make it log less"
                    )))
                }
                _ => Ok(()),
            };
        };
        let further = match found.count() {
            0 => String::new(),
            count => format!(", and {count} times more"),
        };
        Err(StepEnd::failed(
            expected,
            format!("{} (in {}{further})", first.what, first.scenario),
        ))
    }

    /// Checks that no call was denied that Vault allows, because of an additional request of the target.
    ///
    /// # Errors
    /// If one was, or if the policy matrix was not checked.
    pub fn expect_nothing_more_needed(&self) -> StepResult {
        let Stage::InvariantMonitor((transport, _), watch) = &self.0 else {
            return Err(StepEnd::blocked("the scenario has nothing to check"));
        };
        let mut cells = watch.policy_matrix();
        cells.retain(|cell| cell.transport == transport.name());
        if cells.is_empty() {
            return Err(StepEnd::no_evidence(format!(
                "no cell of the policy matrix was checked on {transport}"
            )));
        }
        let mut needed: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for cell in cells {
            if cell.target == Outcome::NeedsMore && !cell.is_denied_patch() {
                let request = cell.note.unwrap_or_default();
                let denied = format!("{request}, which Vault denies under {}", cell.policy);
                needed.entry(denied).or_default().push(cell.operation);
            }
        }
        if needed.is_empty() {
            return Ok(());
        }
        let needed = needed
            .iter()
            .map(|(denied, operations)| format!("{denied}: {}", operations.join(", ")));
        Err(StepEnd::failed(
            "calls that Vault allows, without further requests that it denies",
            needed.collect::<Vec<_>>().join("\n"),
        ))
    }
}
