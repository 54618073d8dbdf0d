//! A run whose choice was checked: it can begin as soon as there is a Vault.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio_util::sync::CancellationToken;

use super::SuiteError;
use crate::{
    event::{Event, Reporter},
    mutation::sabotage::Sabotage,
    plan::{Planned, Selection, plan},
    progress::Progress,
    report::{
        ProfileResult, Report, SCHEMA_VERSION, ScenarioResult, SuiteInfo, Summary, TargetInfo,
        VaultInfo,
    },
    requirement::Requirement,
    run::{Run, result_of},
    slot::Slots,
    target::{
        Target,
        locate::{self, Build},
        transport::{Revision, TransportKind},
    },
    vault::{
        oracle::Oracle,
        provider::{Vault, VaultChoice, VaultOptions},
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
    pub(super) programs: HashMap<TransportKind, PathBuf>,
    pub(super) vault: VaultOptions,
    pub(super) seed: u64,
    pub(super) jobs: usize,
    pub(super) output: Option<PathBuf>,
    pub(super) progress: Progress,
    pub(super) reporters: Mutex<Vec<Box<dyn Reporter>>>,
    pub(super) interrupt: CancellationToken,
    pub(super) sabotage: Option<Sabotage>,
    pub(super) started_at: String,
}

/// A run that is over, and whoever is to be told so.
pub(crate) struct Judged {
    pub(crate) report: Report,
    reporters: Vec<Box<dyn Reporter>>,
}

impl Judged {
    /// Tells that the run is over.
    pub(super) fn finish(&mut self) {
        let event = Event::Finished(Box::new(self.report.clone()));
        for reporter in &mut self.reporters {
            if let Err(error) = reporter.on(&event) {
                let trouble = format!("a report could not be written: {error}");
                self.report.cleanup_errors.push(trouble);
            }
        }
    }
}

impl Prepared {
    /// A target that runs already does not know a Vault that is only just started.
    pub(super) fn check_vault(&self) -> Result<(), SuiteError> {
        use VaultChoice::{Auto, Binary, Build, Container};
        match (&self.target.adapter.remote, self.vault.choice) {
            (Some(_), Auto | Binary | Build | Container) => Err(SuiteError::Usage(format!(
                "the target {:?} runs already, on a Vault that runs already: name that with --vault external",
                self.target.adapter.name
            ))),
            _ => Ok(()),
        }
    }

    pub(super) async fn find_programs(&mut self, build: Build) -> Result<(), SuiteError> {
        let built = locate::build(&self.target, build, &self.progress).await;
        built.map_err(|error| self.unusable(&error))?;
        for &transport in &self.transports {
            let adapter = &self.target.adapter;
            let command = match transport {
                TransportKind::Stdio => adapter.stdio.as_ref().map(|launch| &launch.command),
                TransportKind::Http => adapter.http.as_ref().map(|launch| &launch.command),
            };
            if let Some(command) = command.and_then(|command| command.first()) {
                let program = locate::locate(&self.target, command, build);
                let program = program.map_err(|error| self.unusable(&error))?;
                self.programs.insert(transport, program);
            }
        }
        Ok(())
    }

    /// The view of a Vault that is up, and the slots on it.
    pub(super) fn stage(&self, vault: &Vault) -> Result<(Arc<Oracle>, Arc<Slots>), SuiteError> {
        let oracle = Oracle::new(vault.address(), vault.root_token())
            .map(Arc::new)
            .map_err(|error| self.unusable(&error))?;
        let slots = Slots::new(
            Arc::clone(&oracle),
            vault.address().to_owned(),
            Arc::clone(&self.target),
            self.programs.clone(),
            self.revision,
            self.sabotage.clone(),
            format!("conformance-{:x}", self.seed),
        );
        Ok((oracle, Arc::new(slots)))
    }

    /// Runs the plan on a Vault that is up.
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
        let learnt = match begun {
            Some(Ok(learnt)) => learnt,
            failed => {
                let mut error = match failed {
                    Some(Err(problem)) => self.unusable(&problem),
                    _ => self.interrupted(),
                };
                error.add_troubles(slots.close().await);
                error.add_troubles(oracle.clean_up().await);
                return Err(error);
            }
        };
        let plan = self.plan(&learnt.revisions);
        let run = Arc::new(Run::new(
            Arc::clone(&oracle),
            vault.audit().clone(),
            Arc::clone(&self.target),
            Arc::clone(&slots),
            self.seed,
            self.jobs,
            self.output.clone(),
            std::mem::take(&mut *lock(&self.reporters)),
            &plan,
        ));
        run.tell(&Event::Started {
            headline: self.headline(&vault_info, &learnt),
            scenarios: plan.len(),
        });
        let executed = self.interrupt.run_until_cancelled(run.execute(&plan)).await;
        let mut troubles = slots.close().await;
        troubles.extend(oracle.clean_up().await);
        troubles.append(&mut lock(&run.troubles));
        let scenarios = std::mem::take(&mut *lock(&run.results));
        let mut report = self.report(scenarios, vault_info, learnt);
        report.duration_ms = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        report.cleanup_errors = troubles;
        report.interrupted = executed.is_none();
        Ok(Judged {
            report,
            reporters: std::mem::take(&mut *lock(&run.reporters)),
        })
    }

    /// Starts the target once on each transport, so that one that cannot be used is told at
    /// once, and learns what it says of itself.
    async fn begin(&self, slots: &Slots) -> Result<Learnt, String> {
        let _step = self
            .progress
            .step(format!("starting {}", self.target.adapter.title));
        let leases = self
            .transports
            .iter()
            .map(|&transport| slots.lease(transport));
        let mut learnt = Learnt::default();
        for slot in futures::future::try_join_all(leases).await? {
            let server = &slot.instance.server;
            learnt.revisions.push((slot.transport, server.revision));
            learnt.name.clone_from(&server.name);
            learnt.version.clone_from(&server.version);
            learnt
                .unmapped_tools
                .extend(slot.instance.tool_names.clone());
            slots.give_back(slot);
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

    fn plan(&self, revisions: &[(TransportKind, Revision)]) -> Vec<Arc<Planned>> {
        let selection = Selection {
            transports: revisions.to_vec(),
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
            "{} {} ({})   target {}   {}   seed {}",
            vault.product,
            vault.version,
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
        let mut revisions: Vec<_> = learnt
            .revisions
            .iter()
            .map(|(_, r)| r.to_string())
            .collect();
        revisions.sort();
        revisions.dedup();
        let adapter = &self.target.adapter;
        let program = self.programs.values().next();
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
            profiles: profiles
                .iter()
                .map(|name| ProfileResult::of(name, &scenarios))
                .collect(),
            summary: Summary::of(&scenarios),
            scenarios,
            latency: Vec::new(),
            unmapped_tools: learnt.unmapped_tools,
            cleanup_errors: Vec::new(),
        }
    }

    /// A run in which nothing could be judged, because of this.
    pub(super) fn unusable(&self, problem: &dyn std::fmt::Display) -> SuiteError {
        let problem = problem.to_string();
        let blocked = |planned: &Arc<Planned>| {
            result_of(planned, Verdict::Blocked, Some(problem.clone()), None, 0, 0)
        };
        let plan = self.plan(&self.selection.transports);
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

/// What was learnt of a target when it was started.
#[derive(Debug, Default)]
struct Learnt {
    name: Option<String>,
    version: Option<String>,
    revisions: Vec<(TransportKind, Revision)>,
    unmapped_tools: Vec<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
