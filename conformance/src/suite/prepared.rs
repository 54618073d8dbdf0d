//! A run whose selection was validated: it can begin as soon as there is a Vault.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
    sync::Arc,
    time::Instant,
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::SuiteError;
use crate::{
    baseline::Baseline,
    coverage::{Coverage, MissingOperations},
    event::{Event, Reporter},
    instance::locate::{self, Build},
    latency::direct::DirectRequests,
    mcp::connection::ServerInfo,
    mutation::{aim::Aim, sabotage::Sabotage},
    plan::{Planned, Selection, Spoken, further_revisions, keys, plan},
    progress::Progress,
    report::{
        CauseResult, Demands, ProfileResult, Report, SCHEMA_VERSION, ScenarioResult, SuiteInfo,
        Summary, TargetInfo, VaultInfo,
    },
    requirement::Requirement,
    run::{Run, Running, result_of},
    slot::{SlotError, Slots},
    source::{Citation, Place},
    target::Target,
    transport::{Revision, TransportKind},
    vault::{
        audit::AuditLog,
        dedicated::DedicatedVaults,
        health::HealthMonitor,
        oracle::Oracle,
        provider::{self, Vault, VaultChoice, VaultOptions},
    },
    verdict::Verdict,
};

/// A run that can begin as soon as there is a Vault.
pub(crate) struct Prepared {
    pub(super) target: Arc<Target>,
    pub(super) transports: Vec<TransportKind>,
    pub(super) revision: Option<Revision>,
    pub(super) requirements: Vec<Arc<Requirement>>,
    pub(super) selection: Selection,
    /// The program for each name in the adapter.
    pub(super) programs: HashMap<String, PathBuf>,
    pub(super) vault: VaultOptions,
    pub(super) seed: u64,
    pub(super) jobs: usize,
    pub(super) baseline: Option<Baseline>,
    pub(super) fail_fast: bool,
    pub(super) strict_latency: bool,
    pub(super) demanded: Demands,
    pub(super) output: Option<PathBuf>,
    pub(super) progress: Progress,
    pub(super) reporters: Mutex<Vec<Box<dyn Reporter>>>,
    pub(super) interrupt: CancellationToken,
    pub(super) sabotage: Option<Sabotage>,
    pub(super) aim: Option<Aim>,
    pub(super) started_at: String,
}

/// A finished run, and the reporters that still have to receive its end.
pub(crate) struct Judged {
    pub(crate) report: Report,
    reporters: Vec<Box<dyn Reporter>>,
}

impl Judged {
    /// Sends the end of the run to the reporters.
    pub(super) fn finish(&mut self) {
        tell_end(&mut self.report, &mut self.reporters);
    }
}

fn tell_end(report: &mut Report, reporters: &mut [Box<dyn Reporter>]) {
    for reporter in reporters {
        // A later reporter shows what an earlier one could not write.
        let event = Event::Finished(Box::new(report.clone()));
        if let Err(error) = reporter.on(&event) {
            let trouble = format!("a report could not be written: {error}");
            report.cleanup_errors.push(trouble);
        }
    }
}

impl Prepared {
    /// Starts the selected Vault.
    pub(super) async fn start_vault(&self) -> Result<Vault, SuiteError> {
        // A target that already runs does not know a Vault that is started now.
        if self.target.adapter.remote.is_some() && self.vault.choice != VaultChoice::External {
            return Err(SuiteError::Usage(format!(
                "the target {:?} already runs, with a Vault that already runs: specify that Vault with --vault external",
                self.target.adapter.name
            )));
        }
        let starting = provider::start(&self.vault, &self.progress);
        match self.interrupt.run_until_cancelled(starting).await {
            Some(Ok(vault)) => Ok(vault),
            Some(Err(error)) => Err(self.unusable(&error)),
            None => Err(self.interrupted()),
        }
    }

    pub(super) async fn find_programs(&mut self, build: Build) -> Result<(), SuiteError> {
        let built = locate::build(&self.target, build, &self.progress).await;
        built.map_err(|error| self.unusable(&error))?;
        let adapter = &self.target.adapter;
        let plain = (self.transports.iter()).filter_map(|&transport| adapter.command(transport));
        for word in plain.filter_map(<[String]>::first) {
            let program = locate::locate(&self.target, word, build);
            let program = program.map_err(|error| self.unusable(&error))?;
            self.programs.insert(word.clone(), program);
        }
        let modes = adapter.modes.values();
        let in_modes = modes.filter_map(|mode| mode.command.as_ref()?.first());
        for word in in_modes {
            // If the program is missing, only the scenarios about its mode need it.
            if let Ok(program) = locate::locate(&self.target, word, build) {
                self.programs.insert(word.clone(), program);
            }
        }
        Ok(())
    }

    /// The oracle of a running Vault, and the slots on it.
    pub(super) fn stage(&self, vault: &Vault) -> Result<(Arc<Oracle>, Arc<Slots>), SuiteError> {
        let oracle = Oracle::new(vault.endpoint(), vault.root_token(), vault.prefix())
            .map(Arc::new)
            .map_err(|error| self.unusable(&error))?;
        let slots = Slots::new(
            Arc::clone(&oracle),
            Arc::clone(&self.target),
            self.programs.clone(),
            self.sabotage.clone(),
        );
        Ok((oracle, Arc::new(slots)))
    }

    /// What the target speaks on each of its transports, found by starting it with a running Vault.
    pub(crate) async fn spoken_on(&self, vault: &Vault) -> Result<Vec<Spoken>, SuiteError> {
        let (oracle, slots) = self.stage(vault)?;
        let learnt = self.begin(&slots).await;
        let pulse = vault.pulse();
        let mut troubles = slots.close().await;
        troubles.extend(clean_up(&oracle, &pulse).await);
        match (learnt, troubles.as_slice()) {
            (Ok(learnt), []) => Ok(learnt.spoken),
            (Ok(_), _) => Err(self.unusable(&troubles.join("; "))),
            (Err(problem), _) => {
                let mut error = self.unusable(&pulse.lost().await.unwrap_or(&problem));
                error.add_troubles(troubles);
                Err(error)
            }
        }
    }

    /// Runs the plan on a running Vault.
    pub(crate) async fn run_on(&self, vault: &Vault) -> Result<Judged, SuiteError> {
        let clock = Instant::now();
        let identity = vault.identity();
        let vault_info = VaultInfo {
            product: identity.product.clone(),
            version: identity.version.clone(),
            provider: identity.provider.to_string(),
            detail: identity.detail.clone(),
        };
        let (oracle, slots) = self.stage(vault)?;
        let begun = self.interrupt.run_until_cancelled(self.begin(&slots)).await;
        let pulse = vault.pulse();
        let planned = match begun {
            Some(Ok(learnt)) => match self.plan(&learnt.spoken) {
                plan if plan.is_empty() => Err(self.not_spoken(&learnt)),
                plan => Ok((learnt, plan)),
            },
            Some(Err(problem)) => Err(self.unusable(&pulse.lost().await.unwrap_or(&problem))),
            None => Err(self.interrupted()),
        };
        let planned = match planned {
            Ok(planned) => {
                let proven = self.proven_wrong(vault, &oracle, &slots).await;
                proven.map(|()| planned)
            }
            Err(error) => Err(error),
        };
        let (learnt, plan) = match planned {
            Ok(planned) => planned,
            Err(mut error) => {
                error.add_troubles(slots.close().await);
                error.add_troubles(clean_up(&oracle, &pulse).await);
                return Err(error);
            }
        };
        let fail_fast = self.fail_fast.then(CancellationToken::new);
        let own_vaults = Arc::new(DedicatedVaults::like(vault));
        let run = Arc::new(Run {
            oracle: Arc::clone(&oracle),
            audit: vault.audit().cloned(),
            audited_from: vault.audit().map_or(0, AuditLog::next_sequence),
            pulse: vault.pulse(),
            target: Arc::clone(&self.target),
            slots: Arc::clone(&slots),
            own_vaults: Arc::clone(&own_vaults),
            seed: self.seed,
            jobs: self.jobs,
            output: self.output.clone(),
            watch: Arc::default(),
            reporters: Mutex::new(std::mem::take(&mut *self.reporters.lock())),
            results: Mutex::default(),
            troubles: Mutex::default(),
            baseline: self.baseline.clone(),
            aim: self.aim.clone(),
            fail_fast: fail_fast.clone(),
            measurements: Arc::default(),
            loss_told_by: Mutex::default(),
            running: (plan.iter())
                .map(|planned| (planned.key.clone(), Running::new(planned)))
                .collect(),
        });
        run.tell(&Event::Started {
            headline: self.headline(&vault_info, &learnt),
            scenarios: plan.len(),
        });
        // The latency of a target with a defect means nothing.
        let direct = self.sabotage.is_none().then(|| {
            DirectRequests::start(
                Arc::clone(&oracle),
                self.target.adapter.operations.keys().copied(),
                Arc::clone(&run.measurements),
            )
        });
        let executed = self.interrupt.run_until_cancelled(run.execute(&plan)).await;
        if let Some(direct) = direct {
            direct.stop().await;
        }
        let mut troubles = slots.close().await;
        troubles.extend(own_vaults.close().await);
        troubles.extend(clean_up(&oracle, &run.pulse).await);
        troubles.append(&mut run.troubles.lock());
        run.link_failures();
        let scenarios = std::mem::take(&mut *run.results.lock());
        let mut report = self.report(scenarios, vault_info, learnt);
        report.latency = run.measurements.lock().entries();
        report.duration_ms = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        report.cleanup_errors = troubles;
        report.policy_matrix = run.watch.policy_matrix();
        report.interrupted = executed.is_none();
        report.note_not_run(&plan);
        // A failure after the last scenario ended nothing.
        let failed = fail_fast.is_some_and(|failed| failed.is_cancelled());
        report.stopped_early = failed && report.not_run > 0 && !report.interrupted;
        Ok(Judged {
            report,
            reporters: std::mem::take(&mut *run.reporters.lock()),
        })
    }

    /// Ends the run if calls prove that the adapter is wrong.
    async fn proven_wrong(
        &self,
        vault: &Vault,
        oracle: &Oracle,
        slots: &Slots,
    ) -> Result<(), SuiteError> {
        let _step = self.progress.step("trying out the adapter".to_owned());
        let disproof = self.disproof(vault, oracle, slots);
        match self.interrupt.run_until_cancelled(disproof).await {
            None => Err(self.interrupted()),
            Some(Err(problem)) => {
                let pulse = vault.pulse();
                Err(self.unusable(&pulse.lost().await.unwrap_or(&problem)))
            }
            Some(Ok(proofs)) if proofs.is_empty() => Ok(()),
            Some(Ok(proofs)) => Err(SuiteError::WrongAdapter {
                name: self.target.adapter.name.clone(),
                proofs,
            }),
        }
    }

    /// Starts the target once on each transport, so that an unusable target is reported at once. Returns what the
    /// target reports about itself.
    async fn begin(&self, slots: &Slots) -> Result<Learnt, String> {
        let _step = self
            .progress
            .step(format!("starting {}", self.target.adapter.title));
        let transports = self.transports.iter();
        let tries = transports.map(|&transport| self.try_out(transport, slots));
        let mut learnt = Learnt::default();
        for (spoken, server, tools) in futures::future::try_join_all(tries).await? {
            learnt.spoken.push(spoken);
            learnt.name = server.name;
            learnt.version = server.version;
            learnt.unmapped_tools.extend(tools);
        }
        let tools = &mut learnt.unmapped_tools;
        tools.sort();
        tools.dedup();
        tools.retain(|tool| {
            self.target
                .adapter
                .operations
                .values()
                .all(|m| !m.tools.contains(tool))
        });
        Ok(learnt)
    }

    /// Starts the target on one transport, and again for each other revision that the selection needs. Returns what the
    /// target speaks there, what it reports about itself, and its tools.
    async fn try_out(
        &self,
        transport: TransportKind,
        slots: &Slots,
    ) -> Result<(Spoken, ServerInfo, Vec<String>), String> {
        let first = slots.try_out(transport, self.revision).await;
        let first = first.map_err(|error| error.to_string())?;
        let (server, tools) = (
            first.instance.server.clone(),
            first.instance.tool_names.clone(),
        );
        slots.give_back(first).await?;
        let mut spoken = Spoken::alone(transport, server.revision);
        if self.revision.is_some() {
            return Ok((spoken, server, tools));
        }
        let (requirements, adapter) = (&self.requirements, &self.target.adapter);
        let others = further_revisions(
            requirements,
            adapter,
            &self.selection,
            transport,
            spoken.main,
        );
        for revision in others {
            match slots.try_out(transport, Some(revision)).await {
                Ok(slot) => {
                    spoken.others.push(revision);
                    slots.give_back(slot).await?;
                }
                Err(SlotError::Target(why)) => {
                    let why = why.to_string();
                    let why = why.lines().next().unwrap_or_default().to_owned();
                    spoken.not_spoken.push((revision, why));
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok((spoken, server, tools))
    }

    /// The error for a selection that needs a revision that the target does not speak.
    fn not_spoken(&self, learnt: &Learnt) -> SuiteError {
        let spoken = learnt.spoken.iter();
        let spoken: Vec<_> = (spoken.map(|s| format!("{} on {}", s.main, s.transport))).collect();
        SuiteError::NothingSelected(format!(
            "no selected scenario applies to a revision that the server supports: {} supports {}",
            self.target.adapter.title,
            spoken.join(" and ")
        ))
    }

    /// Compares the report with the baseline, and sends the end of the run to the reporters.
    pub(super) fn conclude(
        &self,
        judged: Result<Judged, SuiteError>,
        trouble: Option<String>,
    ) -> Result<Report, SuiteError> {
        match judged {
            Ok(mut run) => {
                run.report.cleanup_errors.extend(trouble);
                self.hold_against_baseline(&mut run.report);
                run.finish();
                Ok(run.report)
            }
            Err(error) => Err(self.end(error, trouble)),
        }
    }

    /// Sends the end of the run to the reporters, although no scenario has run.
    pub(super) fn end(&self, mut error: SuiteError, trouble: Option<String>) -> SuiteError {
        error.add_troubles(trouble);
        if let SuiteError::Environment { report, .. } | SuiteError::Interrupted { report } =
            &mut error
        {
            tell_end(report, &mut self.reporters.lock());
        }
        error
    }

    /// Compares the report with the baseline, and updates the baseline if requested.
    pub(super) fn hold_against_baseline(&self, report: &mut Report) {
        let Some(baseline) = &self.baseline else {
            return;
        };
        let catalogue = keys(&self.requirements, &self.target.adapter.transports());
        match baseline.hold(report, &catalogue, self.selection.is_narrowed()) {
            Ok(result) => report.baseline = Some(result),
            Err(error) => report
                .cleanup_errors
                .push(format!("the baseline could not be updated: {error}")),
        }
    }

    /// The selected scenarios for a target that speaks these transports and revisions.
    pub(crate) fn plan(&self, spoken: &[Spoken]) -> Vec<Arc<Planned>> {
        let selection = Selection {
            spoken: spoken.to_vec(),
            ..self.selection.clone()
        };
        let plan = plan(&self.requirements, &self.target.adapter, &selection);
        plan.into_iter().map(Arc::new).collect()
    }

    fn headline(&self, vault: &VaultInfo, learnt: &Learnt) -> String {
        let transports: Vec<_> = self.transports.iter().map(|kind| kind.name()).collect();
        let (target, version) = (&self.target.adapter.name, learnt.version.as_deref());
        let target = [Some(target.as_str()), version]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>();
        format!(
            "{} ({})   target {}   {}   seed {}",
            vault.name(),
            vault.provider,
            target.join(" "),
            transports.join(" + "),
            self.seed
        )
    }

    fn report(
        &self,
        mut scenarios: Vec<ScenarioResult>,
        vault: VaultInfo,
        learnt: Learnt,
    ) -> Report {
        scenarios.sort_by(|a, b| a.key.cmp(&b.key));
        let mut profiles: Vec<_> = scenarios.iter().map(|s| s.profile.clone()).collect();
        profiles.sort();
        profiles.dedup();
        let spoken = learnt.spoken.iter();
        let mut revisions: Vec<_> = spoken
            .flat_map(|spoken| std::iter::once(&spoken.main).chain(&spoken.others))
            .map(ToString::to_string)
            .collect();
        revisions.sort();
        revisions.dedup();
        let adapter = &self.target.adapter;
        let missing = MissingOperations::of(adapter, profiles.iter().map(String::as_str));
        let command = (self.transports.iter()).find_map(|&transport| adapter.command(transport));
        let word = command.and_then(<[String]>::first);
        let program = word.and_then(|word| self.programs.get(word));
        Report {
            schema_version: SCHEMA_VERSION,
            suite: SuiteInfo {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                commit: option_env!("VAULT_MCP_CONFORMANCE_COMMIT").map(str::to_owned),
            },
            target: TargetInfo {
                name: adapter.name.clone(),
                title: adapter.title.clone(),
                server_name: learnt.name,
                server_version: learnt.version,
                program: program.map(|program| program.display().to_string()),
                transports: self.transports.iter().map(ToString::to_string).collect(),
                revisions,
                adapter_sha256: self.target.adapter_sha256.clone(),
            },
            vault,
            seed: self.seed,
            started_at: self.started_at.clone(),
            duration_ms: 0,
            interrupted: false,
            stopped_early: false,
            not_run: 0,
            profiles: profiles
                .iter()
                .map(|name| ProfileResult::of(name, &scenarios, missing.for_profile(name)))
                .collect(),
            coverage: Coverage::of(
                adapter,
                self.requirements.iter().map(Arc::as_ref),
                scenarios
                    .iter()
                    .filter(|s| s.is_tested())
                    .map(|s| s.id.as_str()),
            ),
            demanded: self.demanded.clone(),
            summary: Summary::of(&scenarios),
            causes: CauseResult::of(&scenarios),
            sources: citations(&scenarios),
            scenarios,
            latency: Vec::new(),
            strict_latency: self.strict_latency,
            policy_matrix: Vec::new(),
            unmapped_tools: learnt.unmapped_tools,
            cleanup_errors: Vec::new(),
            baseline: None,
        }
    }

    /// The error for a run in which this problem prevented all checks.
    pub(super) fn unusable(&self, problem: &dyn std::fmt::Display) -> SuiteError {
        let problem = problem.to_string();
        let blocked = |planned: &Arc<Planned>| {
            result_of(planned, Verdict::Blocked, Some(problem.clone()), None, 0, 0)
        };
        let plan = self.plan(&self.selection.spoken);
        let scenarios = plan.iter().map(blocked).collect();
        let report = self.report(scenarios, VaultInfo::default(), Learnt::default());
        SuiteError::Environment {
            problem,
            report: Box::new(report),
        }
    }

    pub(super) fn interrupted(&self) -> SuiteError {
        let mut report = self.report(Vec::new(), VaultInfo::default(), Learnt::default());
        report.interrupted = true;
        SuiteError::Interrupted {
            report: Box::new(report),
        }
    }
}

/// Removes what the suite made. A lost Vault has nothing left to remove, or is reported as a whole.
async fn clean_up(oracle: &Oracle, pulse: &HealthMonitor) -> Vec<String> {
    if pulse.lost().await.is_some() {
        oracle.forget_all();
    }
    oracle.clean_up().await
}

/// The texts of the places in sources that these scenarios cite.
fn citations(scenarios: &[ScenarioResult]) -> BTreeMap<String, Citation> {
    let places: BTreeSet<_> = scenarios.iter().flat_map(|s| &s.sources).collect();
    let cited = |place: &String| Place::of_tag(place).ok()?.citation().cloned();
    (places.into_iter())
        .filter_map(|place| Some((place.clone(), cited(place)?)))
        .collect()
}

/// What a target reported when it was started.
#[derive(Debug, Default)]
struct Learnt {
    name: Option<String>,
    version: Option<String>,
    spoken: Vec<Spoken>,
    unmapped_tools: Vec<String>,
}
