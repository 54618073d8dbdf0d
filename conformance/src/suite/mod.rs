//! The suite as a library: select requirements, run them, and get the report as a value.

mod checking;
mod drafting;
mod pointers;
mod prepared;
mod probes;
mod samples;

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    path::PathBuf,
    sync::Arc,
};

use parking_lot::Mutex;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio_util::sync::CancellationToken;

use self::prepared::Prepared;
use crate::{
    adapter::AdapterError,
    baseline::{Baseline, BaselineError},
    browser::Browser,
    event::Reporter,
    evidence::Evidence,
    exit::Exit,
    instance::locate::Build,
    mutation::{aim::Aim, sabotage::Sabotage},
    plan::{Revisions, Selection, Spoken, keys, plan, tags::Tags},
    progress::Progress,
    report::{Demands, Report},
    requirement::{self, FeatureError, Requirement},
    suggest,
    target::Target,
    transport::{Revision, TransportKind},
    vault::provider::{Vault, VaultChoice, VaultOptions},
};

/// The conformance suite.
#[derive(Debug)]
pub struct Suite;

impl Suite {
    /// Begins to select what runs. By default, everything runs on the reference server, and nothing is printed.
    ///
    /// ```no_run
    /// use vault_mcp_conformance::{Suite, baseline::Baseline, exit::Exit, target::Target};
    ///
    /// # async fn check() -> Result<(), Box<dyn std::error::Error>> {
    /// let report = Suite::builder()
    ///     .target(Target::from_file("my-server.toml".as_ref())?)
    ///     .profiles(["kv", "policy"])
    ///     .tags("@must and not @source:BLOG".parse()?)
    ///     .baseline(Baseline::from_file("known.toml")?)
    ///     .seed(4711)
    ///     .run()
    ///     .await?;
    /// for failure in report.unlisted_failures() {
    ///     println!("{}: {}", failure.key, failure.title);
    /// }
    /// assert_eq!(report.exit(), Exit::Conformant);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }
}

/// Why a run was not possible.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SuiteError {
    /// The adapter is invalid.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// Calls prove that the adapter does not match the server.
    #[error("the adapter {name} does not match the server, so nothing was tested:\n  {}\n`check` shows more", proofs.join("\n  "))]
    WrongAdapter {
        /// The adapter's name for the server.
        name: String,
        /// What proves it, one sentence each.
        proofs: Vec<String>,
    },
    /// The baseline is invalid.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    /// The selection names something that does not exist.
    #[error("{0}")]
    Usage(String),
    /// Nothing is left to run after the selection.
    #[error("nothing to run: {0}")]
    NothingSelected(String),
    /// There is no usable Vault or target.
    #[error("{problem}")]
    Environment {
        /// What was tried and what to do.
        problem: String,
        /// The report of a run in which everything was blocked.
        report: Box<Report>,
    },
    /// The run was interrupted before the first scenario.
    #[error("interrupted before the first scenario")]
    Interrupted {
        /// The report of a run in which nothing was checked.
        report: Box<Report>,
    },
    /// The suite's own features are invalid.
    #[error(transparent)]
    Features(#[from] FeatureError),
}

/// The message on one line, because a test that ends with `?` prints this.
impl fmt::Debug for SuiteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.to_string();
        let lines: Vec<_> = lines.lines().map(str::trim).collect();
        f.write_str(&lines.join("; "))
    }
}

impl SuiteError {
    /// The exit code for this error.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Adapter(_) | Self::WrongAdapter { .. } | Self::Baseline(_) | Self::Usage(_) => {
                Exit::Usage
            }
            Self::NothingSelected(_) => Exit::NothingApplicable,
            Self::Environment { .. } => Exit::Environment,
            Self::Interrupted { .. } => Exit::Interrupted,
            Self::Features(_) => Exit::Internal,
        }
    }

    /// Adds what could not be cleaned up to the report of this error, if it has one.
    fn add_troubles(&mut self, troubles: impl IntoIterator<Item = String>) {
        if let Self::Environment { report, .. } | Self::Interrupted { report } = self {
            report.cleanup_errors.extend(troubles);
        }
    }

    /// The report of this error, if it has one.
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
    scenarios: Vec<String>,
    tags: Option<Tags>,
    transports: Vec<TransportKind>,
    revision: Option<Revision>,
    vault: VaultOptions,
    seed: Option<u64>,
    jobs: Option<usize>,
    baseline: Option<Baseline>,
    fail_fast: bool,
    strict_latency: bool,
    demanded: Demands,
    call_unmapped_tools: bool,
    output: Option<PathBuf>,
    build: Build,
    progress: Progress,
    reporters: Vec<Box<dyn Reporter>>,
    interrupt: CancellationToken,
    sabotage: Option<Sabotage>,
    aim: Option<Aim>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            target: None,
            profiles: Vec::new(),
            scenarios: Vec::new(),
            tags: None,
            transports: Vec::new(),
            revision: None,
            vault: VaultOptions::default(),
            seed: None,
            jobs: None,
            baseline: None,
            fail_fast: false,
            strict_latency: false,
            demanded: Demands::default(),
            call_unmapped_tools: false,
            output: None,
            build: Build::default(),
            progress: Progress::silent(),
            reporters: Vec::new(),
            interrupt: CancellationToken::new(),
            sabotage: None,
            aim: None,
        }
    }
}

impl Builder {
    /// The server to test. The default is the reference server.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// Runs only these profiles.
    #[must_use]
    pub fn profiles<P: Into<String>>(mut self, profiles: impl IntoIterator<Item = P>) -> Self {
        self.profiles = profiles.into_iter().map(Into::into).collect();
        self
    }

    /// Runs only the scenarios of this requirement, or the scenario with this key. Can be called several times.
    #[must_use]
    pub fn scenario(mut self, id_or_key: impl Into<String>) -> Self {
        self.scenarios.push(id_or_key.into());
        self
    }

    /// Runs only the scenarios that match the tag expression.
    #[must_use]
    pub fn tags(mut self, tags: Tags) -> Self {
        self.tags = Some(tags);
        self
    }

    /// The known failures. A baseline from [`Baseline::to_update`] is updated at the end of the run.
    #[must_use]
    pub fn baseline(mut self, baseline: Baseline) -> Self {
        self.baseline = Some(baseline);
        self
    }

    /// Ends the run at the first failure of a MUST that the baseline does not list.
    #[must_use]
    pub fn fail_fast(mut self, fail_fast: bool) -> Self {
        self.fail_fast = fail_fast;
        self
    }

    /// Fails the run if an operation misses its latency budget. The 95th percentile of at least
    /// [`MIN_SAMPLES`](crate::latency::MIN_SAMPLES) calls decides.
    #[must_use]
    pub fn strict_latency(mut self, strict: bool) -> Self {
        self.strict_latency = strict;
        self
    }

    /// Runs only on these transports. The default is all that the adapter describes.
    #[must_use]
    pub fn transports(mut self, transports: impl IntoIterator<Item = TransportKind>) -> Self {
        self.transports = transports.into_iter().collect();
        self
    }

    /// Runs in this protocol revision only. The default is the main revision, the newest with sessions that the target
    /// speaks. What may depend on the revision then also runs in the others.
    #[must_use]
    pub fn revision(mut self, revision: Revision) -> Self {
        self.revision = Some(revision);
        self
    }

    /// Which Vault to use.
    #[must_use]
    pub fn vault(mut self, options: VaultOptions) -> Self {
        self.vault = options;
        self
    }

    /// The seed of all random names and values. The default is a random one.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Demands more of the run than that no MUST fails.
    #[must_use]
    pub fn demanding(mut self, demanded: Demands) -> Self {
        self.demanded = demanded;
        self
    }

    /// In a Vault that the suite did not start, also calls tools that no operation of the adapter maps.
    #[must_use]
    pub fn call_unmapped_tools(mut self, call: bool) -> Self {
        self.call_unmapped_tools = call;
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

    /// When to run the adapter's build command.
    #[must_use]
    pub fn build(mut self, when: Build) -> Self {
        self.build = when;
        self
    }

    /// Where the progress of long work is shown.
    #[must_use]
    pub fn progress(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    /// Adds a reporter, which receives all events.
    #[must_use]
    pub fn reporter(mut self, reporter: impl Reporter + 'static) -> Self {
        self.reporters.push(Box::new(reporter));
        self
    }

    /// A token that ends the run early, in order and with a report.
    #[must_use]
    pub fn interrupt(mut self, interrupt: CancellationToken) -> Self {
        self.interrupt = interrupt;
        self
    }

    /// Applies a mutant to the target.
    #[must_use]
    pub(crate) fn sabotage(mut self, sabotage: Sabotage) -> Self {
        self.sabotage = Some(sabotage);
        self
    }

    /// Skips scenarios that can add nothing to the result of a mutant's run.
    #[must_use]
    pub(crate) fn aim(mut self, aim: Aim) -> Self {
        self.aim = Some(aim);
        self
    }

    /// Starts a Vault, runs the scenarios, and stops the Vault.
    ///
    /// # Errors
    /// If the selection is invalid, or if there is no usable Vault or target. A failure of the target is no error: the
    /// report has it.
    pub async fn run(self) -> Result<Report, SuiteError> {
        self.need_operations()?;
        let prepared = self.prepare().await?;
        let vault = match prepared.start_vault().await {
            Ok(vault) => vault,
            Err(error) => return Err(prepared.end(error, None)),
        };
        let judged = prepared.run_on(&vault).await;
        let trouble = vault.stop().await.err().map(|error| error.to_string());
        prepared.conclude(judged, trouble)
    }

    /// Runs the scenarios on a running Vault, and leaves it running.
    ///
    /// # Errors
    /// As [`Builder::run`].
    pub async fn run_on(self, vault: &Vault) -> Result<Report, SuiteError> {
        self.need_operations()?;
        let prepared = self.prepare().await?;
        let judged = prepared.run_on(vault).await;
        prepared.conclude(judged, None)
    }

    /// Without an operation nothing of what the target does with Vault can be tested.
    fn need_operations(&self) -> Result<(), SuiteError> {
        match &self.target {
            Some(target) if target.adapter.operations.is_empty() => {
                Err(SuiteError::Usage(format!(
                    "the adapter of {:?} maps no operation, so nothing that the server does with Vault can be tested: \
                     add [operations.\"kv.read\"] or others, and check the adapter with `check`",
                    target.adapter.name
                )))
            }
            _ => Ok(()),
        }
    }

    /// Validates the selection and finds the target's programs.
    pub(crate) async fn prepare(self) -> Result<Prepared, SuiteError> {
        let mut target = match self.target {
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
        let claimed = self.sabotage.as_ref().and_then(Sabotage::kv_versions);
        if let Some(versions) = claimed {
            target.adapter.kv_versions.clone_from(versions);
        }
        // In somebody else's Vault a tool that nobody described could do anything.
        target.calls_unmapped_tools =
            self.vault.choice != VaultChoice::External || self.call_unmapped_tools;
        let requirements: Vec<_> = requirement::all()?.into_iter().map(Arc::new).collect();
        if let Some(profile) = (self.profiles.iter())
            .chain(&self.demanded.conformant)
            .find(|profile| requirements.iter().all(|r| r.profile != **profile))
        {
            let mut known: Vec<_> = requirements.iter().map(|r| r.profile.as_str()).collect();
            known.dedup();
            let guess = suggest::did_you_mean(profile, &known);
            return Err(SuiteError::Usage(format!(
                "there is no profile {profile:?}{guess}"
            )));
        }
        if let Some(baseline) = &self.baseline {
            baseline.check_target(&target.adapter.name)?;
        }
        let selection = Selection {
            profiles: self.profiles,
            scenarios: self.scenarios,
            tags: self.tags,
            // The kill matrix runs a target with many defects.
            costly: self
                .sabotage
                .as_ref()
                .map(|sabotage| sabotage.killed_by().to_vec()),
            revisions: match &self.sabotage {
                None => Revisions::Each,
                Some(sabotage) if sabotage.is_variant() => Revisions::InTurn,
                Some(_) => Revisions::Main,
            },
            // Which revision the target speaks is known only after it has started.
            spoken: transports
                .iter()
                .map(|kind| {
                    let main = self.revision.unwrap_or(Revision::NEWEST_OF_SESSIONS);
                    Spoken::alone(*kind, main)
                })
                .collect(),
            evidence: match target.adapter.remote {
                Some(_) => BTreeSet::new(),
                None => evidence(&self.vault),
            },
        };
        check_selection(&selection, &requirements, &target, self.revision)?;
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
            baseline: self.baseline,
            fail_fast: self.fail_fast,
            strict_latency: self.strict_latency,
            demanded: self.demanded,
            output: self.output,
            progress: self.progress,
            reporters: Mutex::new(self.reporters),
            interrupt: self.interrupt,
            sabotage: self.sabotage,
            aim: self.aim,
            started_at: OffsetDateTime::now_utc()
                .format(&Rfc3339)
                .unwrap_or_default(),
        };
        let interrupt = prepared.interrupt.clone();
        match interrupt
            .run_until_cancelled(prepared.find_programs(self.build))
            .await
        {
            Some(Ok(())) => Ok(prepared),
            Some(Err(error)) => Err(prepared.end(error, None)),
            None => Err(prepared.end(prepared.interrupted(), None)),
        }
    }
}

/// Validates that the names in the selection exist, and that something is left to run in a revision that the target may
/// speak.
fn check_selection(
    selection: &Selection,
    requirements: &[Arc<Requirement>],
    target: &Target,
    revision: Option<Revision>,
) -> Result<(), SuiteError> {
    let keys = keys(requirements, &target.adapter.transports());
    let ids = requirements.iter().map(|requirement| &requirement.id);
    let known: Vec<_> = ids.chain(&keys).map(String::as_str).collect();
    let wanted = &selection.scenarios;
    if let Some(wanted) = wanted.iter().find(|w| !known.contains(&w.as_str())) {
        let hint = match suggest::closest(wanted, known) {
            Some(closest) => format!("did you mean {closest}?"),
            None => "`requirements` lists the ids".to_owned(),
        };
        return Err(SuiteError::NothingSelected(format!(
            "no requirement has the id, and no scenario the key, {wanted:?}; {hint}"
        )));
    }
    let revisions = match &revision {
        Some(revision) => std::slice::from_ref(revision),
        None => &Revision::ALL,
    };
    let any = Selection {
        spoken: (selection.spoken.iter())
            .flat_map(|spoken| {
                revisions
                    .iter()
                    .map(|r| Spoken::alone(spoken.transport, *r))
            })
            .collect(),
        ..selection.clone()
    };
    if !plan(requirements, &target.adapter, &any).is_empty() {
        return Ok(());
    }
    let why = match &selection.tags {
        Some(tags) if !requirements.iter().any(|r| tags.match_of(r)) => {
            tags.unmatched(requirements.iter().map(Arc::as_ref))
        }
        _ => "no scenario matches the selection".to_owned(),
    };
    Err(SuiteError::NothingSelected(format!(
        "{why}; ambient requirements are checked during every other scenario"
    )))
}

/// The evidence that is available for a target that the suite starts.
fn evidence(vault: &VaultOptions) -> BTreeSet<Evidence> {
    let mut evidence = vault.evidence();
    if Browser::find().is_err() {
        evidence.remove(&Evidence::Browser);
    }
    evidence
}

fn default_jobs() -> usize {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    (2 * cores).clamp(2, 8)
}
