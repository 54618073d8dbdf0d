//! What the suite knows of a scenario while it runs, and how the outcome becomes its result.

use std::{sync::Arc, time::Instant};

use gherkin::StepType;
use parking_lot::Mutex;

use super::{Run, links::link_failures, transcript_name};
use crate::{
    cause::Cause,
    event::Event,
    instance::locate::checkout,
    invariants::{Invariant, Watched},
    plan::Planned,
    report::{Failure, ScenarioResult},
    verdict::{Level, StepEnd, Verdict},
};

/// A planned scenario, with what is known about it so far.
pub(crate) struct Running {
    pub(super) planned: Arc<Planned>,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    begun: Option<Instant>,
    /// The step that ended the scenario early, and why.
    stop: Option<(String, StepEnd)>,
    aftermath: Aftermath,
}

/// What is left of a scenario after its servers are released.
#[derive(Default)]
pub(super) struct Aftermath {
    pub(super) vault_requests: usize,
    pub(super) transcript: Option<String>,
    /// The cause of its failure, if the evidence shows it.
    pub(super) cause: Option<Cause>,
    /// How the scenario's own Vault ended, if it did.
    pub(super) own_vault_lost: Option<String>,
}

impl Running {
    pub(crate) fn new(planned: &Arc<Planned>) -> Self {
        Self {
            planned: Arc::clone(planned),
            progress: Mutex::default(),
        }
    }

    pub(super) fn begin(&self) {
        self.progress.lock().begun = Some(Instant::now());
    }

    /// Records the step that ended the scenario; only the first one counts.
    pub(super) fn stop(&self, step: String, stop: StepEnd) {
        self.progress.lock().stop.get_or_insert((step, stop));
    }

    pub(super) fn note(&self, aftermath: Aftermath) {
        self.progress.lock().aftermath = aftermath;
    }
}

impl Run {
    /// The reason of a scenario that is blocked because Vault is lost. Only the first one has Vault's last output.
    fn blocked_by_loss(&self, key: &str, story: &str) -> String {
        let mut told = self.loss_told_by.lock();
        match told.as_ref() {
            Some(first) => format!("Vault is lost: see {first}"),
            None => {
                *told = Some(key.to_owned());
                story.to_owned()
            }
        }
    }

    /// Turns what is known about an ended scenario into its result, and sends the event.
    pub(super) fn conclude(&self, running: &Running) {
        let planned = &running.planned;
        let Progress {
            begun,
            stop,
            aftermath,
        } = std::mem::take(&mut *running.progress.lock());
        let duration = begun.map_or(0, |begun| begun.elapsed().as_millis());
        let duration_ms = u64::try_from(duration).unwrap_or(u64::MAX);
        let (mut reason, mut failure) = (planned.not_applicable.clone(), None);
        let verdict = match stop {
            None if reason.is_some() => Verdict::NotApplicable,
            None => Verdict::Pass,
            Some((
                _,
                StepEnd::NotApplicable {
                    reason: kind,
                    detail,
                },
            )) => {
                reason = Some(format!("{kind}: {detail}"));
                Verdict::NotApplicable
            }
            // Without Vault, nothing that the target did counts.
            Some(_) if let Some(story) = self.pulse.known_lost() => {
                reason = Some(self.blocked_by_loss(&planned.key, story));
                Verdict::Blocked
            }
            Some(_) if let Some(story) = aftermath.own_vault_lost => {
                reason = Some(story);
                Verdict::Blocked
            }
            Some((step, StepEnd::Blocked { why })) => {
                reason = Some(format!("{why} (at: {step})"));
                Verdict::Blocked
            }
            Some((step, StepEnd::Failed { expected, actual })) => {
                let (cause, caused_by, seen_in) =
                    match Invariant::of_requirement(&planned.requirement.id) {
                        Some(concern) => {
                            let seen = self.watch.seen(planned.way());
                            let (cause, caused_by) = seen.cause_of(concern);
                            (cause, caused_by, self.seen_in(&seen, concern))
                        }
                        None => (aftermath.cause, None, None),
                    };
                let cause =
                    cause.unwrap_or_else(|| Cause::of_requirement(&planned.requirement.demand));
                failure = Some(Failure {
                    step,
                    expected,
                    actual,
                    cause,
                    caused_by,
                    transcript: match &seen_in {
                        Some(first) => self.transcript_of(&first.key),
                        None => aftermath.transcript,
                    },
                    reproduce: self.reproduce(planned, seen_in.as_deref()),
                });
                match planned.requirement.level {
                    Level::Must => Verdict::Fail,
                    Level::Should => Verdict::Warn,
                }
            }
        };
        let mut result = result_of(
            planned,
            verdict,
            reason,
            failure,
            duration_ms,
            aftermath.vault_requests,
        );
        if verdict == Verdict::Fail {
            let baseline = self.baseline.as_ref();
            let known = baseline.and_then(|baseline| baseline.reason(&planned.key));
            result.known = known.map(str::to_owned);
        }
        self.results.lock().push(result.clone());
        if verdict == Verdict::Fail
            && result.known.is_none()
            && let Some(failed) = &self.fail_fast
        {
            failed.cancel();
        }
        self.tell(&Event::ScenarioFinished(Box::new(result)));
    }

    /// Notes which failures only follow from another one.
    pub(crate) fn link_failures(&self) {
        let mut results = self.results.lock();
        link_failures(&mut results, |key, step| self.is_preparation(key, step));
    }

    /// Whether this step of a scenario prepares what the requirement is about.
    fn is_preparation(&self, key: &str, step: &str) -> bool {
        let Some(running) = self.running.get(key) else {
            return false;
        };
        let steps = running.planned.requirement.scenario.steps.iter();
        let mut same = steps.filter(|s| described(s) == step);
        same.next().is_some_and(|step| step.ty == StepType::Given)
    }

    /// The first scenario in which an invariant was violated. Servers can also violate it while they are ended.
    fn seen_in(&self, seen: &Watched, concern: Invariant) -> Option<Arc<Planned>> {
        let first = self.running.get(seen.scenarios_with(concern).next()?)?;
        Some(Arc::clone(&first.planned))
    }

    /// The transcript of a scenario that has ended, if one is written.
    fn transcript_of(&self, key: &str) -> Option<String> {
        self.output.as_ref().map(|_| transcript_name(key))
    }

    fn reproduce(&self, planned: &Planned, seen_in: Option<&Planned>) -> String {
        let target = match &self.target.file {
            Some(file) => file.display().to_string(),
            None => self.target.adapter.name.clone(),
        };
        // An ambient requirement is checked along with any scenario.
        let scenario = match (seen_in, planned.is_ambient()) {
            (Some(first), _) => format!("--scenario {}", first.key),
            (None, true) => format!("--transport {}", planned.transport),
            (None, false) => format!("--scenario {}", planned.key),
        };
        let program = match checkout() {
            Some(_) => "cargo conformance",
            None => "vault-mcp-conformance",
        };
        format!(
            "{program} run --target {target} {scenario} --seed {}",
            self.seed
        )
    }
}

/// A step, as reports show it.
pub(super) fn described(step: &gherkin::Step) -> String {
    format!("{} {}", step.keyword.trim(), step.value)
}

/// The result of one planned scenario.
#[must_use]
pub(crate) fn result_of(
    planned: &Planned,
    verdict: Verdict,
    reason: Option<String>,
    failure: Option<Failure>,
    duration_ms: u64,
    vault_requests: usize,
) -> ScenarioResult {
    let requirement = &planned.requirement;
    ScenarioResult {
        key: planned.key.clone(),
        id: requirement.id.clone(),
        demand: requirement.demand.clone(),
        title: requirement.scenario.name.clone(),
        profile: requirement.profile.clone(),
        level: requirement.level,
        transport: planned.transport.to_string(),
        revision: planned.revision.to_string(),
        verdict,
        reason,
        sources: requirement
            .sources
            .iter()
            .map(ToString::to_string)
            .collect(),
        duration_ms,
        vault_requests,
        failure,
        known: None,
    }
}
