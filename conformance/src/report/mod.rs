//! The report: one value that the console, `report.json` and `junit.xml` all show.
//!
//! The types here are the contract with programs that read `report.json`. The JSON Schema is committed as
//! `docs/report.schema.json`. Fields are only ever added.

pub mod console;
pub(crate) mod file;
pub mod github;
pub mod json;
pub mod junit;
mod policy_matrix;
mod text;

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    sync::Arc,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    cause::{Cause, CauseKind},
    coverage::Coverage,
    exit::Exit,
    latency::Latency,
    plan::Planned,
    policy_matrix::PolicyCell,
    requirement::AMBIENT,
    source::Citation,
    verdict::{Level, NotApplicable, Verdict},
};

/// The version of the format of `report.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// The result of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Vault MCP conformance report")]
pub struct Report {
    /// The version of this format.
    #[schemars(extend("const" = SCHEMA_VERSION))]
    pub schema_version: u32,
    /// The suite that ran.
    pub suite: SuiteInfo,
    /// The server under test.
    pub target: TargetInfo,
    /// The Vault that was used.
    pub vault: VaultInfo,
    /// The seed of all random names and values of this run.
    pub seed: u64,
    /// When the run started, RFC 3339, UTC.
    pub started_at: String,
    /// How long the run took after Vault had started, in milliseconds.
    pub duration_ms: u64,
    /// Whether Ctrl-C ended the run before all scenarios had run.
    pub interrupted: bool,
    /// Whether `--fail-fast` ended the run at the first failure that is not known.
    #[serde(default)]
    pub stopped_early: bool,
    /// The number of planned scenarios that did not run because the run ended early. No count includes them.
    #[serde(default)]
    pub not_run: usize,
    /// One entry for each profile, in the order of the features.
    pub profiles: Vec<ProfileResult>,
    /// How much of the specification was tested.
    #[serde(default)]
    pub coverage: Coverage,
    /// What the user demands of the run, besides that no MUST fails.
    #[serde(default)]
    pub demanded: Demands,
    /// One entry for each scenario, transport, revision and row, sorted by key.
    pub scenarios: Vec<ScenarioResult>,
    /// The failures and warnings, grouped by cause: crashes first, then the causes of most failures.
    #[serde(default)]
    pub causes: Vec<CauseResult>,
    /// The texts of the places in sources that the scenarios cite.
    #[serde(default)]
    pub sources: BTreeMap<String, Citation>,
    /// How long tool calls took, by operation and transport. Only successful calls count that a scenario made one at a
    /// time and that nothing delayed. Other scenarios run at the same time.
    pub latency: Vec<Latency>,
    /// Whether a missed budget fails the run (`--strict-latency`).
    #[serde(default)]
    pub strict_latency: bool,
    /// The policy matrix: one entry for each operation, transport and policy, in the order of the features. Empty if it
    /// was not checked.
    #[serde(default)]
    pub policy_matrix: Vec<PolicyCell>,
    /// Tools of the target that no operation of its adapter maps, sorted.
    pub unmapped_tools: Vec<String>,
    /// What the suite made and could not remove.
    pub cleanup_errors: Vec<String>,
    /// The result of the comparison with the baseline, if there is one.
    pub baseline: Option<BaselineResult>,
    /// The number of scenarios for each verdict.
    pub summary: Summary,
}

/// The suite that ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SuiteInfo {
    /// Its version.
    pub version: String,
    /// The commit that it was built from, if known.
    pub commit: Option<String>,
}

/// The server under test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TargetInfo {
    /// The adapter's name for the server.
    pub name: String,
    /// The adapter's title for the server.
    pub title: String,
    /// The name that the server reports (`serverInfo.name`).
    pub server_name: Option<String>,
    /// The version that the server reports (`serverInfo.version`).
    pub server_version: Option<String>,
    /// The program that was started, as found on this machine.
    pub program: Option<String>,
    /// The transports that were tested.
    pub transports: Vec<String>,
    /// The protocol revisions that were tested.
    pub revisions: Vec<String>,
    /// SHA-256 of the adapter file, lower-case hex.
    pub adapter_sha256: String,
}

/// The Vault that was used. The fields are empty if no usable Vault was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VaultInfo {
    /// The product: `Vault` or `OpenBao`.
    pub product: String,
    /// Its version.
    pub version: String,
    /// How the suite got it: `container`, `binary`, `build` or `external`.
    pub provider: String,
    /// The image, the path of the binary, or the address of an external Vault.
    pub detail: String,
}

impl VaultInfo {
    /// Product and version: `Vault 1.21.1`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.product, self.version)
    }
}

/// The result of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProfileVerdict {
    /// Every MUST that applies passed, all evidence was available, and the adapter maps the core operations.
    Conformant,
    /// No MUST failed, but some could not be checked, or a core operation is not mapped.
    Partial,
    /// A MUST failed.
    Nonconformant,
    /// No requirement of the profile applies to this target.
    NotApplicable,
}

impl fmt::Display for ProfileVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Conformant => "conformant",
            Self::Partial => "partial",
            Self::Nonconformant => "nonconformant",
            Self::NotApplicable => "not applicable",
        })
    }
}

/// The result of one profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProfileResult {
    /// The profile's name: its folder under `features/`.
    pub name: String,
    /// The result.
    pub result: ProfileVerdict,
    /// Scenarios of level MUST.
    pub must: Tally,
    /// Scenarios of level SHOULD; `fail` counts the warnings.
    pub should: Tally,
    /// Core operations of the profile that the adapter does not map. With one of them missing, the profile is partial
    /// at best.
    #[serde(default)]
    pub missing_operations: Vec<String>,
}

/// What the user demands of a run, besides that no MUST fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Demands {
    /// The profiles that must be conformant (`--require`).
    pub conformant: Vec<String>,
    /// The percentage of the requirements that must be tested at least (`--min-coverage`).
    pub min_coverage: Option<u8>,
}

/// `kv: conformant, MUST 128 of 128, SHOULD 30 of 32`
impl fmt::Display for ProfileResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.result)?;
        for (level, tally) in [(Level::Must, self.must), (Level::Should, self.should)] {
            let asked = tally.pass + tally.fail + tally.blocked;
            if asked > 0 {
                write!(f, ", {level} {} of {asked}", tally.pass)?;
            }
        }
        Ok(())
    }
}

/// The counts of the scenarios of one level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// Passed.
    pub pass: usize,
    /// Failed.
    pub fail: usize,
    /// Not applicable.
    pub not_applicable: usize,
    /// Blocked: the suite or its environment failed.
    pub blocked: usize,
}

/// The result of one scenario on one transport and revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioResult {
    /// `id@transport@revision#row`; only outlines have a row.
    pub key: String,
    /// The requirement that it checks.
    pub id: String,
    /// The requirement: one sentence with the keyword of its level.
    #[serde(default)]
    pub demand: String,
    /// The title of the scenario: the case that it checks.
    pub title: String,
    /// The profile of the requirement.
    pub profile: String,
    /// The level of the requirement.
    pub level: Level,
    /// `stdio` or `http`.
    pub transport: String,
    /// The protocol revision in use.
    pub revision: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is not applicable or blocked.
    pub reason: Option<String>,
    /// The places in sources that demand the requirement, such as `TUT:create-a-policy`: see [`Report::sources`].
    pub sources: Vec<String>,
    /// How long the scenario took, in milliseconds.
    pub duration_ms: u64,
    /// The number of requests that the target made to Vault during the scenario.
    pub vault_requests: usize,
    /// What was expected and seen, if the verdict is `fail` or `warn`.
    pub failure: Option<Failure>,
    /// Why the failure is accepted, if the verdict is `fail` and the baseline lists it.
    pub known: Option<String>,
}

impl ScenarioResult {
    /// Whether the target passed or failed it.
    #[must_use]
    pub fn is_tested(&self) -> bool {
        matches!(self.verdict, Verdict::Pass | Verdict::Fail | Verdict::Warn)
    }

    /// Whether the scenario is not applicable for this reason.
    #[must_use]
    pub fn lacks(&self, what: NotApplicable) -> bool {
        let reason = self.reason.as_deref();
        self.verdict == Verdict::NotApplicable
            && reason.is_some_and(|reason| reason.starts_with(&what.to_string()))
    }
}

/// What was expected and what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// The step that failed, as in the feature.
    pub step: String,
    /// What the requirement demands.
    pub expected: String,
    /// What was seen instead, with secrets redacted.
    pub actual: String,
    /// What the server did, as far as the evidence shows it. Failures with the same cause are one entry of
    /// [`Report::causes`].
    #[serde(default = "Cause::unknown")]
    pub cause: Cause,
    /// The key of another failure, if this one only follows from it.
    #[serde(default)]
    pub caused_by: Option<String>,
    /// The path of the transcript, relative to the output folder.
    pub transcript: Option<String>,
    /// The command that reruns this scenario.
    pub reproduce: String,
}

/// A cause, with the scenarios that show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CauseResult {
    /// The cause.
    #[serde(flatten)]
    pub cause: Cause,
    /// The keys of the scenarios that failed for it and that no baseline lists, sorted.
    pub failures: Vec<String>,
    /// The keys of the scenarios that failed for it as the baseline says, sorted.
    pub known: Vec<String>,
    /// The keys of the scenarios that warned for it, sorted.
    pub warnings: Vec<String>,
    /// The key of the failure that shows it best: one that does not follow from another.
    #[serde(default)]
    pub example: Option<String>,
}

impl CauseResult {
    /// Groups failures and warnings by cause.
    #[must_use]
    pub fn of(scenarios: &[ScenarioResult]) -> Vec<Self> {
        let mut causes: BTreeMap<&Cause, Self> = BTreeMap::new();
        for scenario in scenarios {
            let Some(failure) = &scenario.failure else {
                continue;
            };
            let group = causes.entry(&failure.cause).or_insert_with(|| Self {
                cause: failure.cause.clone(),
                failures: Vec::new(),
                known: Vec::new(),
                warnings: Vec::new(),
                example: None,
            });
            let is_listed = scenario.known.is_some() || scenario.verdict == Verdict::Warn;
            if failure.caused_by.is_none() && !is_listed {
                group.example.get_or_insert_with(|| scenario.key.clone());
            }
            let keys = match scenario.verdict {
                Verdict::Warn => &mut group.warnings,
                _ if scenario.known.is_some() => &mut group.known,
                _ => &mut group.failures,
            };
            keys.push(scenario.key.clone());
        }
        let mut causes: Vec<_> = causes.into_values().collect();
        let severity = |cause: &Self| {
            let is_crash = cause.cause.kind == CauseKind::Crash;
            (is_crash, cause.failures.len(), cause.known.len())
        };
        causes.sort_by_key(|cause| std::cmp::Reverse(severity(cause)));
        causes
    }
}

/// The result of the comparison with a baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineResult {
    /// The path of the baseline.
    pub file: String,
    /// The number of failures of this run that the baseline lists.
    pub known: usize,
    /// The number of its keys that this run did not check: not selected, blocked, or not reached.
    pub not_judged: usize,
    /// Its keys that no longer fail.
    pub stale: Vec<StaleKey>,
    /// Its keys that match no scenario for this target.
    pub unknown: Vec<UnknownKey>,
    /// Its keys that fail in some runs only, with the outcome in this run.
    #[serde(default)]
    pub intermittent: Vec<IntermittentKey>,
    /// The result of the update of the file, if an update was requested.
    pub update: Option<BaselineUpdate>,
}

impl BaselineResult {
    /// Whether the baseline has entries that do not apply, and was not updated.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        let lists_what_is_so = self.stale.is_empty() && self.unknown.is_empty();
        !lists_what_is_so && !self.is_updated()
    }

    /// Whether the file now contains what this run saw.
    #[must_use]
    pub fn is_updated(&self) -> bool {
        let update = self.update.as_ref();
        update.is_some_and(|update| update.refused.is_none())
    }
}

/// A baseline entry whose scenario no longer fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StaleKey {
    /// Its key.
    pub key: String,
    /// Why the failure was accepted.
    pub reason: String,
    /// The present verdict: `pass`, `warn` or `not_applicable`.
    pub now: Verdict,
}

/// A baseline entry for a failure that occurs in some runs only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IntermittentKey {
    /// Its key.
    pub key: String,
    /// Why the failure is accepted.
    pub reason: String,
    /// The verdict in this run.
    pub now: Verdict,
}

/// A key that matches no scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnknownKey {
    /// The key.
    pub key: String,
    /// The key that was likely meant.
    pub closest: Option<String>,
}

/// The result of updating a baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineUpdate {
    /// Keys that were added; each still needs a reason.
    pub added: Vec<String>,
    /// Keys that were removed.
    pub removed: Vec<String>,
    /// Why the file was not changed.
    pub refused: Option<String>,
}

/// The number of scenarios for each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Passed.
    pub pass: usize,
    /// Failed a MUST.
    pub fail: usize,
    /// Failed a MUST, and the baseline lists the failure. `fail` counts these, too.
    #[serde(default)]
    pub known: usize,
    /// Failed a SHOULD.
    pub warn: usize,
    /// Not applicable.
    pub not_applicable: usize,
    /// Blocked.
    pub blocked: usize,
}

impl Summary {
    /// Counts the verdicts.
    #[must_use]
    pub fn of(scenarios: &[ScenarioResult]) -> Self {
        let mut summary = Self::default();
        for scenario in scenarios {
            *match scenario.verdict {
                Verdict::Pass => &mut summary.pass,
                Verdict::Fail => &mut summary.fail,
                Verdict::Warn => &mut summary.warn,
                Verdict::NotApplicable => &mut summary.not_applicable,
                Verdict::Blocked => &mut summary.blocked,
            } += 1;
            summary.known += usize::from(scenario.known.is_some());
        }
        summary
    }
}

impl ProfileResult {
    /// Counts the scenarios of one profile.
    #[must_use]
    pub fn of(name: &str, scenarios: &[ScenarioResult], missing_operations: &[String]) -> Self {
        let (mut must, mut should) = (Tally::default(), Tally::default());
        let mut unproven = false;
        for scenario in scenarios.iter().filter(|s| s.profile == name) {
            let tally = match scenario.level {
                Level::Must => &mut must,
                Level::Should => &mut should,
            };
            *match scenario.verdict {
                Verdict::Pass => &mut tally.pass,
                Verdict::Fail | Verdict::Warn => &mut tally.fail,
                Verdict::NotApplicable => &mut tally.not_applicable,
                Verdict::Blocked => &mut tally.blocked,
            } += 1;
            unproven |=
                scenario.verdict == Verdict::Blocked || scenario.lacks(NotApplicable::NoEvidence);
        }
        let result = if must.fail > 0 {
            ProfileVerdict::Nonconformant
        } else if must.pass + should.pass + should.fail + must.blocked + should.blocked == 0
            && !unproven
        {
            ProfileVerdict::NotApplicable
        } else if unproven || !missing_operations.is_empty() {
            ProfileVerdict::Partial
        } else {
            ProfileVerdict::Conformant
        };
        Self {
            name: name.to_owned(),
            result,
            must,
            should,
            missing_operations: missing_operations.to_vec(),
        }
    }
}

impl Report {
    /// The places that a scenario cites: the text of each, and its address if it has one.
    pub(crate) fn cited_by(&self, scenario: &ScenarioResult) -> Vec<(String, Option<&str>)> {
        let cited = |place: &String| match self.sources.get(place) {
            Some(citation) => {
                let name = place.split(':').next().unwrap_or_default();
                let Citation { section, quote, .. } = citation;
                let said = format!("{name}, {section}: \u{201c}{quote}\u{201d}");
                (said, citation.address_in(&scenario.revision))
            }
            None => (place.clone(), None),
        };
        scenario.sources.iter().map(cited).collect()
    }

    /// The three causes of most failures that no baseline lists: without them, most scenarios would pass.
    pub fn fix_first(&self) -> impl Iterator<Item = &CauseResult> {
        let mut causes: Vec<_> = (self.causes.iter())
            .filter(|cause| !cause.failures.is_empty())
            .collect();
        causes.sort_by_key(|cause| std::cmp::Reverse(cause.failures.len()));
        causes.into_iter().take(3)
    }

    /// Whether the run ended early.
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        self.interrupted || self.stopped_early
    }

    /// Records the planned scenarios that have no result. A profile with such a scenario is not conformant, and neither
    /// is one that needs all scenarios.
    pub(crate) fn note_not_run(&mut self, plan: &[Arc<Planned>]) {
        let judged: HashSet<&str> = self.scenarios.iter().map(|s| s.key.as_str()).collect();
        let missing = plan.iter().filter(|p| !judged.contains(p.key.as_str()));
        let mut profiles: Vec<&str> = missing.map(|p| p.requirement.profile.as_str()).collect();
        self.not_run = profiles.len();
        if profiles.is_empty() {
            return;
        }
        profiles.push(AMBIENT);
        for name in profiles {
            match self
                .profiles
                .iter_mut()
                .find(|profile| profile.name == name)
            {
                Some(profile) if profile.result == ProfileVerdict::Nonconformant => {}
                Some(profile) => profile.result = ProfileVerdict::Partial,
                None => self.profiles.push(ProfileResult {
                    name: name.to_owned(),
                    result: ProfileVerdict::Partial,
                    must: Tally::default(),
                    should: Tally::default(),
                    missing_operations: Vec::new(),
                }),
            }
        }
        self.profiles.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// The one reason for which every scenario is blocked, if there is one.
    #[must_use]
    pub fn blocked_as_a_whole(&self) -> Option<&str> {
        let first = self.scenarios.first()?.reason.as_deref()?;
        let mut scenarios = self.scenarios.iter();
        let is_common =
            scenarios.all(|s| s.verdict == Verdict::Blocked && s.reason.as_deref() == Some(first));
        (is_common && self.scenarios.len() > 1).then_some(first)
    }

    /// The failures that no baseline lists.
    pub fn unlisted_failures(&self) -> impl Iterator<Item = &ScenarioResult> {
        let scenarios = self.scenarios.iter();
        scenarios.filter(|s| s.verdict == Verdict::Fail && s.known.is_none())
    }

    /// Passes if the run ended as [`Exit::Conformant`]; for use in a server's own tests.
    ///
    /// # Panics
    /// If the run ended otherwise. The message lists the profiles that are not conformant, each failure that no
    /// baseline lists, and all other reasons.
    #[track_caller]
    pub fn assert_conformant(&self) {
        assert!(self.exit() == Exit::Conformant, "{}", self.shortcomings());
    }

    /// Why the run did not end as [`Exit::Conformant`], one reason a line.
    fn shortcomings(&self) -> String {
        let open = |profile: &&ProfileResult| {
            matches!(
                profile.result,
                ProfileVerdict::Nonconformant | ProfileVerdict::Partial
            )
        };
        let mut lines = vec![format!("{} is not conformant", self.target.name)];
        lines.extend(self.profiles.iter().filter(open).map(ToString::to_string));
        for scenario in self.unlisted_failures() {
            lines.push(format!("FAIL {}: {}", scenario.key, scenario.demand));
            if let Some(failure) = &scenario.failure {
                lines.push(format!("  expected {}", failure.expected));
                lines.push(format!("  saw {}", failure.actual));
            }
        }
        let mut blocked: Vec<_> = (self.scenarios.iter())
            .filter(|scenario| scenario.verdict == Verdict::Blocked)
            .filter_map(|scenario| scenario.reason.as_deref())
            .collect();
        // One cause can block many scenarios.
        blocked.sort_unstable();
        blocked.dedup();
        lines.extend(
            blocked
                .into_iter()
                .map(|reason| format!("BLOCKED {reason}")),
        );
        lines.extend(self.missed_demands());
        for missed in self.missed_budgets() {
            lines.push(format!(
                "LATENCY {} on {}",
                missed.operation, missed.transport
            ));
        }
        lines.extend(
            self.cleanup_errors
                .iter()
                .map(|error| format!("NOT REMOVED {error}")),
        );
        if self.baseline.as_ref().is_some_and(BaselineResult::is_stale) {
            lines.push("the baseline has entries that do not apply".to_owned());
        }
        if self.interrupted {
            lines.push("the run was interrupted".to_owned());
        }
        if lines.len() == 1 {
            lines.push("nothing was applicable".to_owned());
        }
        lines.join("\n")
    }

    /// What the user demanded and the run did not show, one sentence each.
    #[must_use]
    pub fn missed_demands(&self) -> Vec<String> {
        let mut missed = Vec::new();
        for name in &self.demanded.conformant {
            let profile = self.profiles.iter().find(|profile| profile.name == *name);
            match profile.map(|profile| profile.result) {
                Some(ProfileVerdict::Conformant) => {}
                Some(result) => missed.push(format!(
                    "the profile {name} is {result}, and --require demands that it is conformant"
                )),
                None => missed.push(format!(
                    "the profile {name} was not tested, and --require demands that it is conformant"
                )),
            }
        }
        let tested = self.coverage.requirements;
        if let Some(least) = self.demanded.min_coverage
            && tested.percent() < usize::from(least)
        {
            missed.push(format!(
                "{tested} requirements were tested ({} %), and --min-coverage demands {least} %",
                tested.percent()
            ));
        }
        missed
    }

    /// The missed budgets that fail the run: none without `--strict-latency`.
    pub fn missed_budgets(&self) -> impl Iterator<Item = &Latency> {
        let entries = self.latency.iter().filter(|_| self.strict_latency);
        entries.filter(|latency| latency.keeps_budget() == Some(false))
    }

    /// The exit code for this report.
    #[must_use]
    pub fn exit(&self) -> Exit {
        let mut exit = Exit::Conformant;
        if self.summary.pass + self.summary.fail + self.summary.warn + self.summary.blocked == 0 {
            exit = exit.worse(Exit::NothingApplicable);
        }
        if self.summary.blocked > 0 || !self.cleanup_errors.is_empty() {
            exit = exit.worse(Exit::Environment);
        }
        let updated = self
            .baseline
            .as_ref()
            .is_some_and(BaselineResult::is_updated);
        let failed = self.summary.fail > self.summary.known && !updated;
        let is_missed = self.missed_budgets().next().is_some() || !self.missed_demands().is_empty();
        if failed || is_missed {
            exit = exit.worse(Exit::Nonconformant);
        }
        if self.baseline.as_ref().is_some_and(BaselineResult::is_stale) {
            exit = exit.worse(Exit::StaleBaseline);
        }
        if self.interrupted {
            exit = exit.worse(Exit::Interrupted);
        }
        exit
    }
}
