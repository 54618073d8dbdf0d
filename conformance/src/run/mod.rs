//! Runs a plan. This is the only place that knows cucumber's runner.
//!
//! Cucumber matches steps and runs scenarios side by side. It gets the planned scenarios from memory ([`cucumber`]),
//! and [`result`] turns what it reports into the suite's own results.

mod cucumber;
mod links;
mod result;

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use ::cucumber::{World as _, cli, event as told, runner};
use futures::FutureExt as _;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

pub(crate) use self::result::{Running, result_of};
use self::{
    cucumber::{InMemory, Recorder, failure_of, features, key_of},
    result::Aftermath,
};
use crate::{
    baseline::Baseline,
    cause::{Cause, CauseEvidence},
    event::{Event, Reporter},
    evidence,
    instance::setup::Setup,
    invariants::{Evidence, InvariantMonitor},
    latency::Measurements,
    mutation::aim::Aim,
    panic_hook::PanicHookGuard,
    plan::Planned,
    profiles::policy::matrix,
    report::ScenarioResult,
    scenario::Scenario,
    slot::Slots,
    target::Target,
    vault::{audit::AuditLog, dedicated::DedicatedVaults, health::HealthMonitor, oracle::Oracle},
    verdict::{NotApplicable, StepEnd, StepResult},
    world::World,
};

/// A run in progress.
pub struct Run {
    /// The suite's privileged access to Vault.
    pub oracle: Arc<Oracle>,
    /// Vault's audit log.
    pub audit: Option<AuditLog>,
    /// The position in that log at which the run began, because several runs can share a Vault.
    pub audited_from: u64,
    /// Monitors whether Vault still answers.
    pub pulse: HealthMonitor,
    /// The server under test.
    pub target: Arc<Target>,
    /// The slots for scenarios.
    pub slots: Arc<Slots>,
    /// The Vaults that one scenario has to itself.
    pub own_vaults: Arc<DedicatedVaults>,
    /// The seed of all random names and values.
    pub seed: u64,
    /// How many scenarios run at the same time.
    pub jobs: usize,
    /// The folder for transcripts; without it, none are written.
    pub output: Option<PathBuf>,
    /// What was seen in every scenario.
    pub watch: Arc<InvariantMonitor>,
    /// Receive the events of the run.
    pub reporters: Mutex<Vec<Box<dyn Reporter>>>,
    /// The results so far.
    pub results: Mutex<Vec<ScenarioResult>>,
    /// What could not be removed or written.
    pub troubles: Mutex<Vec<String>>,
    /// The known failures.
    pub baseline: Option<Baseline>,
    /// What a run on a mutant has to show. Scenarios that can add nothing to it are skipped.
    pub(crate) aim: Option<Aim>,
    /// Cancelled by the first failure that is not known; this ends the run.
    pub fail_fast: Option<CancellationToken>,
    /// How long calls took.
    pub(crate) measurements: Arc<Mutex<Measurements>>,
    /// The scenario whose result says how Vault was lost.
    pub(crate) loss_told_by: Mutex<Option<String>>,
    /// The scenarios, by key.
    pub(crate) running: HashMap<String, Running>,
}

impl Run {
    /// Sends an event to the reporters.
    pub fn tell(&self, event: &Event) {
        for reporter in self.reporters.lock().iter_mut() {
            if let Err(error) = reporter.on(event) {
                self.troubles
                    .lock()
                    .push(format!("a report could not be written: {error}"));
            }
        }
    }

    /// Runs all scenarios of a plan. Scenarios that check what was seen in the others run last.
    ///
    /// Once `fail_fast` is cancelled, running scenarios are dropped and no other begins. What was seen so far is still
    /// checked.
    pub async fn execute(self: &Arc<Self>, plan: &[Arc<Planned>]) {
        let not_applicable = plan.iter().filter(|plan| plan.not_applicable.is_some());
        for running in not_applicable.filter_map(|plan| self.running.get(&plan.key)) {
            self.conclude(running);
        }
        for last in [false, true] {
            let wave: Vec<_> = plan
                .iter()
                .filter(|planned| {
                    planned.not_applicable.is_none() && planned.is_judged_last() == last
                })
                .collect();
            if last {
                let left = self.slots.close().await;
                self.troubles.lock().extend(left);
                for (way, said) in self.slots.take_leaks_at_end() {
                    self.watch.note_leak_at_end(way, &said);
                }
            }
            if last
                && self.pulse.lost().await.is_none()
                && let Some(audit) = &self.audit
            {
                match audit.settle().await {
                    Ok(()) => self.watch.examine_audit(audit, self.audited_from),
                    Err(error) => self.troubles.lock().push(error.to_string()),
                }
            }
            if wave.is_empty() {
                continue;
            }
            let wave = self.execute_wave(&wave);
            match &self.fail_fast {
                Some(failed) if !last => failed.run_until_cancelled(wave).await.unwrap_or(()),
                _ => wave.await,
            }
        }
    }

    async fn execute_wave(self: &Arc<Self>, wave: &[&Arc<Planned>]) {
        // Released only after cucumber has restored the hook that it found.
        let quiet = Arc::new(PanicHookGuard::hold());
        let quiet_again = Arc::clone(&quiet);
        let (before, after) = (Arc::clone(self), Arc::clone(self));
        World::cucumber::<PathBuf>()
            .with_parser(InMemory)
            .with_writer(Recorder(Arc::clone(self)))
            .with_cli(cli::Opts::<
                cli::Empty,
                runner::basic::Cli,
                cli::Empty,
                cli::Empty,
            >::default())
            .max_concurrent_scenarios(self.jobs)
            .before(move |_, _, scenario, world| {
                quiet_again.renew();
                let run = Arc::clone(&before);
                async move { run.set_up(scenario, world).await }.boxed_local()
            })
            .after(move |_, _, scenario, end, world| {
                let run = Arc::clone(&after);
                async move { run.take_down(scenario, end, world).await }.boxed_local()
            })
            .run(features(wave))
            .await;
    }

    fn running(&self, scenario: &gherkin::Scenario) -> Option<&Running> {
        self.running.get(key_of(scenario)?)
    }

    async fn set_up(&self, described: &gherkin::Scenario, world: &mut World) {
        let Some(Running { planned, .. }) = self.running(described) else {
            return;
        };
        if self.pulse.known_lost().is_some() {
            return world.set_scenario(Err(StepEnd::blocked("Vault is lost")));
        }
        if planned.is_judged_last() {
            return world.set_watch(planned.way(), Arc::clone(&self.watch));
        }
        if let Some(aim) = &self.aim
            && aim.is_reached(planned, &self.results.lock(), &self.watch)
        {
            return world.set_scenario(Err(StepEnd::NotApplicable {
                reason: NotApplicable::AlreadyShown,
                detail:
                    "the run on this mutant has already shown on this transport what it can show"
                        .to_owned(),
            }));
        }
        let requirement = &planned.requirement;
        let is_fixed = self.target.adapter.mount.is_some() && requirement.can_have_kv_mount();
        let scenario = match requirement.has_own_vault() {
            true => self.dedicated_scenario(planned).await,
            false if requirement.has_cluster() => self.scenario_on_cluster(planned).await,
            false if is_fixed => self.scenario_on_fixed_mount(planned).await,
            false => self.new_scenario(planned).await,
        };
        world.set_scenario(scenario);
    }

    fn scenario_without_server(&self, planned: &Arc<Planned>) -> Scenario {
        Scenario::new(
            Arc::clone(planned),
            Arc::clone(&self.target),
            Arc::clone(&self.slots),
            Arc::clone(&self.oracle),
            self.seed,
        )
    }

    /// A scenario with a cluster of its own, to which its server's tap leads.
    async fn scenario_on_cluster(&self, planned: &Arc<Planned>) -> StepResult<Scenario> {
        let started = self.own_vaults.cluster().await.map_err(StepEnd::blocked)?;
        let no_program = || StepEnd::no_evidence(evidence::Evidence::Cluster.missing());
        let mut scenario = self.scenario_without_server(planned);
        scenario.use_cluster(started.ok_or_else(no_program)?)?;
        match scenario.start_server(Setup::default()).await {
            Ok(()) => Ok(scenario),
            Err(stop) => {
                self.release(scenario, false).await;
                Err(stop)
            }
        }
    }

    async fn new_scenario(&self, planned: &Arc<Planned>) -> StepResult<Scenario> {
        let mut scenario = self.scenario_without_server(planned);
        scenario.audit.clone_from(&self.audit);
        // A scenario about modes starts the target itself, in these modes.
        if planned.requirement.modes.is_empty() {
            scenario.start_server(Setup::default()).await?;
        }
        Ok(scenario)
    }

    async fn dedicated_scenario(&self, planned: &Arc<Planned>) -> StepResult<Scenario> {
        let vault = self.own_vaults.lease().await.map_err(StepEnd::blocked)?;
        let (slots, target) = (Arc::clone(&self.slots), Arc::clone(&self.target));
        let planned = Arc::clone(planned);
        Ok(Scenario::new_on_own(
            planned, vault, target, slots, self.seed,
        ))
    }

    /// A scenario for a target that works on one KV mount only, which no other scenario may use.
    async fn scenario_on_fixed_mount(&self, planned: &Arc<Planned>) -> StepResult<Scenario> {
        let mut scenario = self.dedicated_scenario(planned).await?;
        scenario.audit = scenario.own.as_ref().and_then(|own| own.audit.clone());
        if planned.requirement.modes.is_empty()
            && let Err(stop) = scenario.start_server(Setup::default()).await
        {
            self.release(scenario, false).await;
            return Err(stop);
        }
        Ok(scenario)
    }

    async fn take_down(
        &self,
        described: &gherkin::Scenario,
        end: &told::ScenarioFinished,
        world: Option<&mut World>,
    ) {
        let scenario = world.and_then(World::take_scenario);
        let Some(running) = self.running(described) else {
            return;
        };
        let planned = &running.planned;
        let failed = !matches!(end, told::ScenarioFinished::StepPassed);
        if failed || scenario.is_some() {
            // Checked before any failure counts against the target.
            self.pulse.lost().await;
        }
        let Some(mut scenario) = scenario else { return };
        if self.pulse.known_lost().is_some() {
            return self.release(scenario, false).await;
        }
        // A cluster writes to a disk, so its times cannot be compared with those of the run's Vault.
        if scenario.cluster.is_none() {
            for call in scenario.calls.take_measured() {
                self.measurements.lock().add(planned.transport, &call);
            }
        }
        self.watch
            .note_policy_cells(planned.way(), matrix::take_cells(&mut scenario));
        if let Some(own) = &scenario.own {
            if let Some(story) = own.pulse.lost().await {
                let own_vault_lost = Some(story.to_owned());
                let aftermath = Aftermath {
                    own_vault_lost,
                    ..Aftermath::default()
                };
                running.note(aftermath);
                return self.release(scenario, false).await;
            }
        } else if let Err(error) = scenario.remove_objects().await {
            self.note_problem(planned, &error);
        }
        let mut finish = scenario.finish().await;
        if let Some(problem) = finish.problem.take() {
            self.note_problem(planned, &problem);
        }
        let cause = cause_of(
            end,
            &scenario,
            &mut finish.evidence,
            self.target.adapter.limits.are_declared(),
        );
        let found = self
            .watch
            .examine(planned.way(), &finish.evidence, || scenario.lines());
        let mut aftermath = Aftermath {
            vault_requests: finish.vault_requests,
            cause,
            ..Aftermath::default()
        };
        if (failed || found)
            && let Some(output) = &self.output
        {
            match write_transcript(output, &planned.key, &scenario.transcript()).await {
                Ok(path) => aftermath.transcript = Some(path),
                Err(error) => self.troubles.lock().push(error),
            }
        }
        running.note(aftermath);
        let worn = scenario.calls.is_unanswered() || planned.requirement.own_target;
        let elsewhere = scenario.own.is_some()
            || scenario.cluster.is_some()
            || scenario.oracle.namespace().is_some();
        let reusable = !worn && !elsewhere;
        self.release(scenario, reusable).await;
    }

    async fn release(&self, scenario: Scenario, reusable: bool) {
        let problems = scenario.release(&self.own_vaults, reusable).await;
        self.troubles.lock().extend(problems);
    }

    fn note_problem(&self, planned: &Planned, problem: &dyn fmt::Display) {
        let problem = format!("after {}: {problem}", planned.key);
        self.troubles.lock().push(problem);
    }
}

/// The cause of a scenario's failure, if it failed and the evidence shows it. A crash is also noted in the evidence.
fn cause_of(
    end: &told::ScenarioFinished,
    scenario: &Scenario,
    evidence: &mut Evidence,
    declares_limit: bool,
) -> Option<Cause> {
    let ended = (evidence.servers.iter()).find_map(|server| server.ended.clone());
    let failure = failure_of(end);
    if ended.is_none() && failure.is_none() {
        return None;
    }
    let shown = CauseEvidence {
        lines: scenario.lines(),
        ended: ended.as_deref(),
        has_tap: scenario.slot().is_ok_and(|slot| slot.tap.is_some()),
        declares_limit,
        prefix: &evidence.prefix,
    };
    let redacted = |cause: Cause| cause.redacted(&evidence.secrets);
    let crash = shown.crash().map(redacted);
    let cause = failure.and_then(|(expected, actual)| shown.cause_of(&expected, &actual));
    let cause = cause.map(redacted);
    evidence.crash = crash;
    cause
}

async fn write_transcript(output: &Path, key: &str, text: &str) -> Result<String, String> {
    let name = transcript_name(key);
    let path = output.join(&name);
    let written = async {
        tokio::fs::create_dir_all(output.join(TRANSCRIPTS)).await?;
        tokio::fs::write(&path, text).await
    };
    written
        .await
        .map_err(|error| format!("{} could not be written: {error}", path.display()))?;
    Ok(name)
}

/// The folder of the transcripts in the output folder.
const TRANSCRIPTS: &str = "transcripts";

/// The path of a scenario's transcript, relative to the output folder.
fn transcript_name(key: &str) -> String {
    format!("{TRANSCRIPTS}/{}.jsonl", key.replace('#', "-"))
}
