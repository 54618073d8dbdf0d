//! Running a plan: the only place that knows cucumber's runner.
//!
//! Cucumber matches steps and runs scenarios side by side; it is handed the planned
//! scenarios from memory, and what it tells of them becomes the suite's own results.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use cucumber::{
    Event as CucumberEvent, cli, event as told, event::StepError, parser, runner,
    writer::Normalized,
};
use futures::{FutureExt as _, stream};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{
    baseline::Baseline,
    event::{Event, Reporter},
    instance::{locate::checkout, setup::Setup},
    invariants::{Evidence, InvariantMonitor},
    latency::Measurements,
    mcp::transcript::{Line, Speaker, json_lines},
    mutation::aim::Aim,
    panic_hook::PanicHookGuard,
    plan::Planned,
    profiles::policy::matrix,
    redact::Secrets,
    report::{Failure, ScenarioResult},
    scenario::{Scenario, agents::Agent},
    slot::{Slot, Slots},
    tap::{Exchange, Tap},
    target::Target,
    vault::{audit::AuditLog, dedicated::DedicatedVaults, health::HealthMonitor, oracle::Oracle},
    verdict::{Level, NotApplicable, StepEnd, StepResult, Verdict},
    world::World,
};

/// The tag that tells cucumber's scenarios apart: one is run on several transports.
const KEY_TAG: &str = "key:";

/// A run under way.
pub struct Run {
    /// The privileged view of Vault.
    pub oracle: Arc<Oracle>,
    /// What Vault says it was asked.
    pub audit: Option<AuditLog>,
    /// Where that log stood when the run began: many runs may share a Vault.
    pub audited_from: u64,
    /// Whether Vault is still there.
    pub pulse: HealthMonitor,
    /// The server under test.
    pub target: Arc<Target>,
    /// What scenarios are run on.
    pub slots: Arc<Slots>,
    /// Vaults that one scenario has to itself.
    pub own_vaults: Arc<DedicatedVaults>,
    /// The seed of all random names and values.
    pub seed: u64,
    /// How many scenarios run side by side.
    pub jobs: usize,
    /// Where transcripts are written; none are without it.
    pub output: Option<PathBuf>,
    /// What is seen in every scenario.
    pub watch: Arc<InvariantMonitor>,
    /// Who is told of events.
    pub reporters: Mutex<Vec<Box<dyn Reporter>>>,
    /// What has been judged so far.
    pub results: Mutex<Vec<ScenarioResult>>,
    /// What could not be removed, or not be written.
    pub troubles: Mutex<Vec<String>>,
    /// Failures that are known.
    pub baseline: Option<Baseline>,
    /// What a run on a mutant is to show. Scenarios that can add nothing to it are skipped.
    pub(crate) aim: Option<Aim>,
    /// What the first failure that is not known cancels, and the run with it.
    pub fail_fast: Option<CancellationToken>,
    /// How long calls took.
    pub(crate) measurements: Arc<Mutex<Measurements>>,
    pub(crate) aftermaths: Mutex<HashMap<String, Aftermath>>,
    /// The scenario whose result says how Vault was lost.
    pub(crate) loss_told_by: Mutex<Option<String>>,
    pub(crate) planned: HashMap<String, Arc<Planned>>,
}

/// What remains of a scenario once its scene is taken down.
#[derive(Debug, Default)]
pub(crate) struct Aftermath {
    vault_requests: usize,
    transcript: Option<String>,
    /// How the Vault that was its own ended, if it did.
    own_vault_lost: Option<String>,
}

impl Run {
    /// Tells the reporters.
    pub fn tell(&self, event: &Event) {
        for reporter in self.reporters.lock().iter_mut() {
            if let Err(error) = reporter.on(event) {
                self.troubles
                    .lock()
                    .push(format!("a report could not be written: {error}"));
            }
        }
    }

    /// Runs all scenarios of a plan; those that judge what was seen in the others run last.
    ///
    /// Once `fail_fast` is cancelled, the scenarios under way are dropped and no other is
    /// begun, but what was seen so far is judged.
    pub async fn execute(self: &Arc<Self>, plan: &[Arc<Planned>]) {
        for planned in plan
            .iter()
            .filter(|planned| planned.not_applicable.is_some())
        {
            self.conclude(planned, 0, None);
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
        // Given up only when cucumber has put back what it found.
        let quiet = Arc::new(PanicHookGuard::hold());
        let quiet_again = Arc::clone(&quiet);
        let (before, after) = (Arc::clone(self), Arc::clone(self));
        <World as cucumber::World>::cucumber::<PathBuf>()
            .with_parser(InMemory)
            .with_writer(Recorder {
                run: Arc::clone(self),
                begun: HashMap::new(),
                stops: HashMap::new(),
            })
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
                async move { run.set(scenario, world).await }.boxed_local()
            })
            .after(move |_, _, scenario, end, world| {
                let run = Arc::clone(&after);
                async move { run.take_down(scenario, end, world).await }.boxed_local()
            })
            .run(features(wave))
            .await;
    }

    fn planned(&self, scenario: &gherkin::Scenario) -> Option<&Arc<Planned>> {
        let key = scenario
            .tags
            .iter()
            .find_map(|tag| tag.strip_prefix(KEY_TAG))?;
        self.planned.get(key)
    }

    async fn set(&self, scenario: &gherkin::Scenario, world: &mut World) {
        let Some(planned) = self.planned(scenario) else {
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
                detail: "what the run on this mutant is to show has been shown on this transport"
                    .to_owned(),
            }));
        }
        let scene = match planned.requirement.has_own_vault() {
            true => self.scene_on_own(planned).await,
            false => self.scene(planned).await,
        };
        world.set_scenario(scene);
    }

    async fn scene(&self, planned: &Arc<Planned>) -> StepResult<Scenario> {
        let mut scene = Scenario::new(
            Arc::clone(planned),
            Arc::clone(&self.target),
            Arc::clone(&self.slots),
            Arc::clone(&self.oracle),
            self.seed,
        );
        scene.audit.clone_from(&self.audit);
        // One that is about modes starts the target itself, in these.
        if planned.requirement.modes.is_empty() {
            scene.start_server(Setup::default()).await?;
        }
        Ok(scene)
    }

    async fn scene_on_own(&self, planned: &Arc<Planned>) -> StepResult<Scenario> {
        let vault = self.own_vaults.lease().await.map_err(StepEnd::blocked)?;
        let (slots, target) = (Arc::clone(&self.slots), Arc::clone(&self.target));
        let planned = Arc::clone(planned);
        Ok(Scenario::new_on_own(
            planned, vault, target, slots, self.seed,
        ))
    }

    async fn take_down(
        &self,
        scenario: &gherkin::Scenario,
        end: &told::ScenarioFinished,
        world: Option<&mut World>,
    ) {
        let scene = world.and_then(World::take_scenario);
        let Some(planned) = self.planned(scenario) else {
            return;
        };
        let failed = !matches!(end, told::ScenarioFinished::StepPassed);
        if failed || scene.is_some() {
            // Before anything is blamed on the target.
            self.pulse.lost().await;
        }
        let Some(mut scene) = scene else { return };
        if self.pulse.known_lost().is_some() {
            return self.take_away(scene, false).await;
        }
        for call in scene.calls.take_measured() {
            self.measurements.lock().add(planned.transport, &call);
        }
        self.watch
            .note_policy_cells(planned.way(), matrix::take_cells(&mut scene));
        let mut aftermath = Aftermath::default();
        if let Some(own) = &scene.own {
            if let Some(story) = own.pulse.lost().await {
                aftermath.own_vault_lost = Some(story.to_owned());
                self.aftermaths
                    .lock()
                    .insert(planned.key.clone(), aftermath);
                return self.take_away(scene, false).await;
            }
        } else if let Err(error) = self.oracle.remove_mounts(&scene.prefix).await {
            self.troubles
                .lock()
                .push(format!("after {}: {error}", planned.key));
        }
        let mut found = self.examine_own_audit(planned, &scene).await;
        let (tokens, secrets) = (scene.agents.tokens(), scene.secrets());
        let (unasked, values) = (scene.ledger.unasked(), scene.ledger.all());
        let further = scene.agents.further_tokens.clone();
        let gone = std::mem::take(&mut scene.agents.ended);
        let prefix = scene.prefix.clone();
        let of_all = Evidence {
            scenario: &planned.key,
            prefix: &prefix,
            accessors: Vec::new(),
            lines: &[],
            dropped: gone.dropped,
            tokens: &tokens,
            unasked: &unasked,
            values: &values,
            secrets: &secrets,
            ended: None,
        };
        for lines in &gone.said {
            let evidence = Evidence {
                lines,
                ..of_all.clone()
            };
            found |= self.watch.examine(planned.way(), &evidence);
        }
        found |= (self.watch).note_refusals(planned.way(), &planned.key, gone.told_token);
        for Agent { slot, .. } in &mut scene.agents.all {
            let transcript = slot.instance.connection.transcript();
            let (lines, dropped) = (transcript.examine(), transcript.dropped());
            let ended = match scene.calls.is_unanswered() {
                true => slot.instance.ends().await,
                false => slot.instance.ended(),
            };
            // Whose requests they are in a Vault of the scenario's own was just seen.
            let accessors = (slot.token.iter().chain(&further))
                .filter(|_| scene.own.is_none())
                .map(|token| token.accessor.as_str());
            let evidence = Evidence {
                lines: &lines,
                dropped,
                accessors: accessors.collect(),
                ended: ended.map(|status| status.to_string()),
                ..of_all.clone()
            };
            found |= self.watch.examine(planned.way(), &evidence);
            aftermath.vault_requests += exchanges(slot).len();
        }
        if (failed || found)
            && let Some(output) = &self.output
        {
            let slots = scene.agents.all.iter().map(|agent| &agent.slot);
            let gone = gone.said.iter().map(|lines| json_lines(lines, &secrets));
            let text: String = gone
                .chain(slots.map(|slot| transcript(slot, &secrets)))
                .collect();
            match write_transcript(output, &planned.key, &text).await {
                Ok(path) => aftermath.transcript = Some(path),
                Err(error) => self.troubles.lock().push(error),
            }
        }
        self.aftermaths
            .lock()
            .insert(planned.key.clone(), aftermath);
        let worn = scene.calls.is_unanswered() || planned.requirement.own_target;
        let reusable = !worn && scene.own.is_none();
        self.take_away(scene, reusable).await;
    }

    /// Looks through the audit log of a scene's own Vault; returns whether it found anything.
    async fn examine_own_audit(&self, planned: &Planned, scene: &Scenario) -> bool {
        let own = scene.own.as_ref();
        let Some((own, audit)) = own.and_then(|own| Some((own, own.audit.as_ref()?))) else {
            return false;
        };
        if let Err(error) = audit.settle().await {
            self.troubles
                .lock()
                .push(format!("after {}: {error}", planned.key));
            return false;
        }
        let tokens = (scene.agents.all.iter()).filter_map(|agent| agent.slot.token.as_ref());
        let accessors: Vec<_> = tokens.map(|token| token.accessor.as_str()).collect();
        let since = audit.entries_since(own.leased_at, |_| true);
        (self.watch).examine_own_audit(planned.way(), &planned.key, &since, &accessors)
    }

    /// Gives back what a scene had, or ends it.
    async fn take_away(&self, mut scene: Scenario, reusable: bool) {
        for connection in std::mem::take(&mut scene.agents.connections) {
            if let Err(error) = connection.stop().await {
                self.troubles.lock().push(error);
            }
        }
        for Agent { slot, .. } in scene.agents.all {
            let left = match reusable {
                true => self.slots.give_back(slot).await,
                false => self.slots.end(slot).await,
            };
            if let Err(error) = left {
                self.troubles.lock().push(error);
            }
        }
        if let Some(own) = scene.own
            && let Err(error) = self.own_vaults.give_back(own).await
        {
            self.troubles.lock().push(error);
        }
    }

    /// Why this could not be judged, now that Vault is lost. The whole story is told once.
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

    /// Turns what is known of an ended scenario into its result, and tells of it.
    fn conclude(&self, planned: &Planned, duration_ms: u64, stop: Option<(String, StepEnd)>) {
        let aftermath = self
            .aftermaths
            .lock()
            .remove(&planned.key)
            .unwrap_or_default();
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
            // Whatever the target did then, it did without a Vault.
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
                failure = Some(Failure {
                    step,
                    expected,
                    actual,
                    transcript: aftermath.transcript,
                    reproduce: self.reproduce(planned),
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

    fn reproduce(&self, planned: &Planned) -> String {
        let target = match &self.target.file {
            Some(file) => file.display().to_string(),
            None => self.target.adapter.name.clone(),
        };
        let scenario = if planned.is_ambient() {
            String::new()
        } else {
            format!(" --scenario {}", planned.requirement.id)
        };
        let program = match checkout() {
            Some(_) => "cargo conformance",
            None => "vault-mcp-conformance",
        };
        format!(
            "{program} run --target {target}{scenario} --transport {} --seed {}",
            planned.transport, self.seed
        )
    }
}

fn exchanges(slot: &Slot) -> Vec<Exchange> {
    slot.tap.as_ref().map(Tap::exchanges).unwrap_or_default()
}

/// What crossed the wire of a slot, and what it asked of Vault.
fn transcript(slot: &Slot, secrets: &Secrets) -> String {
    let transcript = slot.instance.connection.transcript();
    let tapped = exchanges(slot).into_iter().map(|exchange| Line {
        at_ms: transcript.millis(exchange.at),
        speaker: Speaker::Vault,
        text: exchange.to_string(),
    });
    transcript.to_json_lines(tapped.collect(), secrets)
}

/// The result of one planned scenario.
#[must_use]
pub fn result_of(
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
        title: requirement.scenario.name.clone(),
        profile: requirement.profile.clone(),
        level: requirement.level,
        transport: planned.transport.to_string(),
        revision: planned.revision.to_string(),
        verdict,
        reason,
        sources: requirement
            .source_names()
            .into_iter()
            .map(str::to_owned)
            .collect(),
        duration_ms,
        vault_requests,
        failure,
        known: None,
    }
}

async fn write_transcript(output: &Path, key: &str, text: &str) -> Result<String, String> {
    let folder = output.join("transcripts");
    let name = format!("{}.jsonl", key.replace('#', "-"));
    let path = folder.join(&name);
    let written = async {
        tokio::fs::create_dir_all(&folder).await?;
        tokio::fs::write(&path, text).await
    };
    written
        .await
        .map_err(|error| format!("{} could not be written: {error}", path.display()))?;
    Ok(format!("transcripts/{name}"))
}

/// The features that cucumber is to run: each planned scenario with its key for a tag, as a
/// feature of its own, so that they run in this order.
fn features(wave: &[&Arc<Planned>]) -> Vec<gherkin::Feature> {
    let feature = |planned: &Arc<Planned>| {
        let mut scenario = planned.requirement.scenario.clone();
        scenario.tags.push(format!("{KEY_TAG}{}", planned.key));
        let mut feature = gherkin::Feature::clone(&planned.requirement.feature);
        feature.scenarios.push(scenario);
        feature
    };
    spread(wave).into_iter().map(feature).collect()
}

/// The same, with those that wait for a Vault of their own to start spread evenly among the
/// others.
fn spread<'p>(wave: &[&'p Arc<Planned>]) -> Vec<&'p Arc<Planned>> {
    let (own, mut spread): (Vec<_>, Vec<_>) =
        (wave.iter().copied()).partition(|planned| planned.requirement.has_own_vault());
    let others = spread.len();
    for (index, planned) in own.iter().enumerate().rev() {
        spread.insert(index * others / own.len(), planned);
    }
    spread
}

/// Hands cucumber features that are in memory already.
struct InMemory;

impl cucumber::Parser<Vec<gherkin::Feature>> for InMemory {
    type Cli = cli::Empty;
    type Output = stream::Iter<std::vec::IntoIter<parser::Result<gherkin::Feature>>>;

    fn parse(self, features: Vec<gherkin::Feature>, _: Self::Cli) -> Self::Output {
        stream::iter(features.into_iter().map(Ok).collect::<Vec<_>>())
    }
}

/// Listens to cucumber and turns what it tells into results.
struct Recorder {
    run: Arc<Run>,
    begun: HashMap<String, Instant>,
    /// The step that ended each scenario early, and how.
    stops: HashMap<String, (String, StepEnd)>,
}

impl Normalized for Recorder {}

impl cucumber::Writer<World> for Recorder {
    type Cli = cli::Empty;

    async fn handle_event(
        &mut self,
        event: parser::Result<CucumberEvent<told::Cucumber<World>>>,
        _: &Self::Cli,
    ) {
        if let Ok(event) = event
            && let told::Cucumber::Feature(_, told::Feature::Scenario(scenario, event)) =
                event.into_inner()
        {
            let run = Arc::clone(&self.run);
            if let Some(planned) = run.planned(&scenario) {
                self.note(planned, event.event);
            }
        }
    }
}

impl Recorder {
    fn note(&mut self, planned: &Planned, event: told::Scenario<World>) {
        let key = &planned.key;
        match event {
            told::Scenario::Started => {
                self.begun.insert(key.clone(), Instant::now());
                self.run.tell(&Event::ScenarioStarted { key: key.clone() });
            }
            told::Scenario::Background(step, event) | told::Scenario::Step(step, event) => {
                let stop = match event {
                    told::Step::Failed(_, _, _, error) => stop_of(&error),
                    told::Step::Skipped => StepEnd::blocked("no step of the suite is worded so"),
                    told::Step::Started | told::Step::Passed(..) => return,
                };
                let step = format!("{} {}", step.keyword.trim(), step.value);
                self.stops.entry(key.clone()).or_insert((step, stop));
            }
            told::Scenario::Hook(kind, told::Hook::Failed(_, info)) => {
                let stop =
                    StepEnd::blocked(format!("the suite failed {kind} it: {}", text_of(&info)));
                self.stops
                    .entry(key.clone())
                    .or_insert((String::new(), stop));
            }
            told::Scenario::Finished => {
                let begun = self.begun.remove(key);
                let duration = begun.map_or(0, |begun| begun.elapsed().as_millis());
                let stop = self.stops.remove(key);
                let duration = u64::try_from(duration).unwrap_or(u64::MAX);
                self.run.conclude(planned, duration, stop);
            }
            told::Scenario::Hook(..) | told::Scenario::Log(_) => {}
        }
    }
}

fn stop_of(error: &StepError) -> StepEnd {
    match error {
        StepError::Panic(info) => StepEnd::from_message(&text_of(info)),
        other => StepEnd::blocked(other),
    }
}

fn text_of(info: &told::Info) -> String {
    let text = info.downcast_ref::<String>().cloned();
    text.or_else(|| info.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
