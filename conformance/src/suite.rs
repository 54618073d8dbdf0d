//! The suite as a library: choose, run, get the report as a value.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio_util::sync::CancellationToken;

use crate::{
    event::{Event, Reporter},
    exit::Exit,
    mutation::sabotage::Sabotage,
    plan::{Planned, Selection, plan},
    progress::Progress,
    report::{
        ProfileResult, Report, SCHEMA_VERSION, ScenarioResult, SuiteInfo, Summary, TargetInfo,
        VaultInfo,
    },
    requirement::{self, FeatureError, Requirement},
    run::{Run, result_of},
    slot::Slots,
    target::{
        Target,
        adapter::AdapterError,
        locate::{self, Build},
        transport::{Revision, TransportKind},
    },
    vault::{
        oracle::Oracle,
        provider::{self, Vault, VaultOptions},
    },
    verdict::Verdict,
};

/// The conformance suite.
#[derive(Debug)]
pub struct Suite;

impl Suite {
    /// Begins to choose what is run; unless told otherwise everything is, on the reference
    /// server, without a word on the terminal.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }
}

/// A run that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// The adapter is wrong.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// The choice names something that there is not.
    #[error("{0}")]
    Usage(String),
    /// The choice leaves nothing to run.
    #[error("nothing to run: {0}")]
    NothingSelected(String),
    /// No Vault, or no target.
    #[error("{problem}")]
    Environment {
        /// What was tried and what to do.
        problem: String,
        /// The report of a run in which everything was blocked.
        report: Box<Report>,
    },
    /// Ended before the first scenario.
    #[error("interrupted before the first scenario")]
    Interrupted {
        /// The report of a run in which nothing was judged.
        report: Box<Report>,
    },
    /// The suite's own features are wrong.
    #[error(transparent)]
    Features(#[from] FeatureError),
}

impl SuiteError {
    /// The exit code that it stands for.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Adapter(_) | Self::Usage(_) => Exit::Usage,
            Self::NothingSelected(_) => Exit::NothingApplicable,
            Self::Environment { .. } => Exit::Environment,
            Self::Interrupted { .. } => Exit::Interrupted,
            Self::Features(_) => Exit::Internal,
        }
    }

    /// Adds what could not be cleaned up to the report that was made all the same.
    fn add_troubles(&mut self, troubles: impl IntoIterator<Item = String>) {
        if let Self::Environment { report, .. } | Self::Interrupted { report } = self {
            report.cleanup_errors.extend(troubles);
        }
    }

    /// The report that was made all the same.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Environment { report, .. } | Self::Interrupted { report } => Some(report),
            _ => None,
        }
    }
}

/// What to run, and how.
pub struct Builder {
    target: Option<Target>,
    profiles: Vec<String>,
    scenario: Option<String>,
    transports: Vec<TransportKind>,
    revision: Option<Revision>,
    vault: VaultOptions,
    seed: Option<u64>,
    jobs: Option<usize>,
    output: Option<PathBuf>,
    build: Build,
    progress: Progress,
    reporters: Vec<Box<dyn Reporter>>,
    interrupt: CancellationToken,
    sabotage: Option<Sabotage>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            target: None,
            profiles: Vec::new(),
            scenario: None,
            transports: Vec::new(),
            revision: None,
            vault: VaultOptions::default(),
            seed: None,
            jobs: None,
            output: None,
            build: Build::default(),
            progress: Progress::silent(),
            reporters: Vec::new(),
            interrupt: CancellationToken::new(),
            sabotage: None,
        }
    }
}

impl Builder {
    /// The server to judge; the reference server unless given.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// Only these profiles.
    #[must_use]
    pub fn profiles<P: Into<String>>(mut self, profiles: impl IntoIterator<Item = P>) -> Self {
        self.profiles = profiles.into_iter().map(Into::into).collect();
        self
    }

    /// Only the scenarios of this requirement, or the one with this key.
    #[must_use]
    pub fn scenario(mut self, id_or_key: impl Into<String>) -> Self {
        self.scenario = Some(id_or_key.into());
        self
    }

    /// Only these transports; all that the target offers unless given.
    #[must_use]
    pub fn transports(mut self, transports: impl IntoIterator<Item = TransportKind>) -> Self {
        self.transports = transports.into_iter().collect();
        self
    }

    /// The protocol revision; the newest that the target speaks unless given.
    #[must_use]
    pub fn revision(mut self, revision: Revision) -> Self {
        self.revision = Some(revision);
        self
    }

    /// Where the Vault comes from.
    #[must_use]
    pub fn vault(mut self, options: VaultOptions) -> Self {
        self.vault = options;
        self
    }

    /// The seed of all random names and values; drawn unless given.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How many scenarios run side by side.
    #[must_use]
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.jobs = Some(jobs.max(1));
        self
    }

    /// The folder for the transcripts of failed scenarios.
    #[must_use]
    pub fn output(mut self, folder: impl Into<PathBuf>) -> Self {
        self.output = Some(folder.into());
        self
    }

    /// When the adapter's build command is run.
    #[must_use]
    pub fn build(mut self, when: Build) -> Self {
        self.build = when;
        self
    }

    /// Where long work says how far it is.
    #[must_use]
    pub fn progress(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    /// Someone who is told of everything that happens.
    #[must_use]
    pub fn reporter(mut self, reporter: impl Reporter + 'static) -> Self {
        self.reporters.push(Box::new(reporter));
        self
    }

    /// What ends the run early, in order and with a report.
    #[must_use]
    pub fn interrupt(mut self, interrupt: CancellationToken) -> Self {
        self.interrupt = interrupt;
        self
    }

    /// Carries out a mutation on the target.
    #[must_use]
    pub(crate) fn sabotage(mut self, sabotage: Sabotage) -> Self {
        self.sabotage = Some(sabotage);
        self
    }

    /// Starts a Vault, runs the scenarios, ends the Vault.
    ///
    /// # Errors
    /// When the choice is wrong, or there is no Vault or no target to run with. What the
    /// target does wrong is no error but in the report.
    pub async fn run(self) -> Result<Report, SuiteError> {
        let prepared = self.prepare().await?;
        let interrupt = prepared.interrupt.clone();
        let vault = tokio::select! {
            started = provider::start(&prepared.vault, &prepared.progress) => match started {
                Ok(vault) => vault,
                Err(error) => return Err(prepared.unusable(&error)),
            },
            () = interrupt.cancelled() => return Err(prepared.interrupted()),
        };
        let judged = prepared.run_on(&vault).await;
        let trouble = vault.stop().await.err().map(|error| error.to_string());
        match judged {
            Ok(mut run) => {
                run.report.cleanup_errors.extend(trouble);
                run.finish();
                Ok(run.report)
            }
            Err(mut error) => {
                error.add_troubles(trouble);
                Err(error)
            }
        }
    }

    /// Checks the choice and finds the target's programs.
    pub(crate) async fn prepare(self) -> Result<Prepared, SuiteError> {
        let target = match self.target {
            Some(target) => target,
            None => Target::find("reference")?,
        };
        let offered = target.adapter.transports();
        let wanted = if self.transports.is_empty() {
            offered.clone()
        } else {
            self.transports
        };
        let transports: Vec<_> = wanted
            .into_iter()
            .filter(|kind| offered.contains(kind))
            .collect();
        if transports.is_empty() {
            let offered: Vec<_> = offered.iter().map(|kind| kind.name()).collect();
            let offered = offered.join(" and ");
            return Err(SuiteError::NothingSelected(format!(
                "the target offers only {offered}"
            )));
        }
        let requirements: Vec<_> = requirement::all()?.into_iter().map(Arc::new).collect();
        if let Some(profile) = self
            .profiles
            .iter()
            .find(|profile| requirements.iter().all(|r| r.profile != **profile))
        {
            let mut known: Vec<_> = requirements.iter().map(|r| r.profile.as_str()).collect();
            known.dedup();
            let known = known.join(", ");
            return Err(SuiteError::Usage(format!(
                "there is no profile {profile:?}; known are {known}"
            )));
        }
        let selection = Selection {
            profiles: self.profiles,
            scenario: self.scenario,
            // Which revision the target speaks shows when it is started.
            transports: transports
                .iter()
                .map(|kind| (*kind, self.revision.unwrap_or(Revision::NEWEST)))
                .collect(),
        };
        if plan(&requirements, &target.adapter, &selection).is_empty() {
            let wanted = selection.scenario.as_deref().unwrap_or("that choice");
            let why = format!(
                "no scenario matches {wanted}; what is ambient is judged along with any other scenario"
            );
            return Err(SuiteError::NothingSelected(why));
        }
        let mut prepared = Prepared {
            target: Arc::new(target),
            transports,
            revision: self.revision,
            requirements,
            selection,
            programs: HashMap::new(),
            vault: self.vault,
            seed: self
                .seed
                .unwrap_or_else(|| u64::from(rand::random::<u32>())),
            jobs: self.jobs.unwrap_or_else(default_jobs),
            output: self.output,
            progress: self.progress,
            reporters: Mutex::new(self.reporters),
            interrupt: self.interrupt,
            sabotage: self.sabotage,
            begun: Instant::now(),
            started_at: OffsetDateTime::now_utc()
                .format(&Rfc3339)
                .unwrap_or_default(),
        };
        let interrupt = prepared.interrupt.clone();
        match interrupt
            .run_until_cancelled(prepared.find_programs(self.build))
            .await
        {
            Some(found) => found?,
            None => return Err(prepared.interrupted()),
        }
        // Building is not part of what the run takes.
        prepared.begun = Instant::now();
        Ok(prepared)
    }
}

fn default_jobs() -> usize {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    (2 * cores).clamp(2, 8)
}

/// A run that can begin as soon as there is a Vault.
pub(crate) struct Prepared {
    target: Arc<Target>,
    transports: Vec<TransportKind>,
    revision: Option<Revision>,
    requirements: Vec<Arc<Requirement>>,
    selection: Selection,
    programs: HashMap<TransportKind, PathBuf>,
    pub(crate) vault: VaultOptions,
    seed: u64,
    jobs: usize,
    output: Option<PathBuf>,
    progress: Progress,
    reporters: Mutex<Vec<Box<dyn Reporter>>>,
    interrupt: CancellationToken,
    sabotage: Option<Sabotage>,
    begun: Instant,
    started_at: String,
}

/// A run that is over, and whoever is to be told so.
pub(crate) struct Judged {
    pub(crate) report: Report,
    reporters: Vec<Box<dyn Reporter>>,
}

impl Judged {
    /// Tells that the run is over.
    fn finish(&mut self) {
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
    async fn find_programs(&mut self, build: Build) -> Result<(), SuiteError> {
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

    /// Runs the plan on a Vault that is up.
    pub(crate) async fn run_on(&self, vault: &Vault) -> Result<Judged, SuiteError> {
        let identity = vault.identity();
        let vault_info = VaultInfo {
            product: identity.product.clone(),
            version: identity.version.clone(),
            provider: identity.provider.to_string(),
            detail: identity.detail.clone(),
        };
        let oracle = Oracle::new(vault.address(), vault.root_token())
            .map(Arc::new)
            .map_err(|error| self.unusable(&error))?;
        let slots = Arc::new(Slots::new(
            Arc::clone(&oracle),
            vault.address().to_owned(),
            Arc::clone(&self.target),
            self.programs.clone(),
            self.revision,
            self.sabotage.clone(),
            format!("conformance-{:x}", self.seed),
        ));
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
                .all(|m| m.tool != *tool)
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
            duration_ms: u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
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
    fn unusable(&self, problem: &dyn std::fmt::Display) -> SuiteError {
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

    fn interrupted(&self) -> SuiteError {
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
