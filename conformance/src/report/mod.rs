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
    exit::Exit,
    latency::Latency,
    plan::Planned,
    policy_matrix::PolicyCell,
    requirement::AMBIENT,
    source::Citation,
    verdict::{Level, NotApplicable, Verdict},
};

/// The version of the shape of `report.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything that one run found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Vault MCP conformance report")]
pub struct Report {
    /// The version of this shape.
    #[schemars(extend("const" = SCHEMA_VERSION))]
    pub schema_version: u32,
    /// The suite that judged.
    pub suite: SuiteInfo,
    /// The server that was judged.
    pub target: TargetInfo,
    /// The Vault that was the oracle.
    pub vault: VaultInfo,
    /// The seed of all random names and values of this run.
    pub seed: u64,
    /// When the run started, RFC 3339, UTC.
    pub started_at: String,
    /// How long it took once Vault was up, milliseconds.
    pub duration_ms: u64,
    /// Whether it was ended by Ctrl-C before all scenarios had run.
    pub interrupted: bool,
    /// Whether it was ended by the first failure that is not known, as `--fail-fast` asks for.
    #[serde(default)]
    pub stopped_early: bool,
    /// Scenarios that were to run and did not, as the run ended early. They are in no count.
    #[serde(default)]
    pub not_run: usize,
    /// One entry a profile, in the order of the features.
    pub profiles: Vec<ProfileResult>,
    /// One entry a scenario, transport, revision and row, sorted by key.
    pub scenarios: Vec<ScenarioResult>,
    /// What the sources say at the places that the scenarios cite.
    #[serde(default)]
    pub sources: BTreeMap<String, Citation>,
    /// How long tool calls took, by operation and transport: those that scenarios made one at a
    /// time, that succeeded, and that nothing held back. Other scenarios run meanwhile.
    pub latency: Vec<Latency>,
    /// Whether a missed budget makes the run fail, as `--strict-latency` asks for.
    #[serde(default)]
    pub strict_latency: bool,
    /// The policy matrix: one entry an operation, transport and policy, in the order of the
    /// features; empty if it was not checked.
    #[serde(default)]
    pub policy_matrix: Vec<PolicyCell>,
    /// Tools of the target that no operation of its adapter maps, sorted.
    pub unmapped_tools: Vec<String>,
    /// What the suite made and could not remove again.
    pub cleanup_errors: Vec<String>,
    /// What the list of known failures came to, if there was one.
    pub baseline: Option<BaselineResult>,
    /// Scenarios per verdict.
    pub summary: Summary,
}

/// The suite that judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SuiteInfo {
    /// Its version.
    pub version: String,
    /// The commit that it was built from, where known.
    pub commit: Option<String>,
}

/// The server that was judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TargetInfo {
    /// The adapter's name for it.
    pub name: String,
    /// The adapter's title for it.
    pub title: String,
    /// What it calls itself (`serverInfo.name`).
    pub server_name: Option<String>,
    /// The version that it reports (`serverInfo.version`).
    pub server_version: Option<String>,
    /// The program that was started, as found on this machine.
    pub program: Option<String>,
    /// The transports that were judged.
    pub transports: Vec<String>,
    /// The protocol revisions that were judged.
    pub revisions: Vec<String>,
    /// SHA-256 of the adapter file, lower-case hex.
    pub adapter_sha256: String,
}

/// The Vault that was the oracle; its fields are empty where none was to be had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VaultInfo {
    /// The product, as a rule `Vault`.
    pub product: String,
    /// Its version.
    pub version: String,
    /// How it was had: `container`, `binary`, `build` or `external`.
    pub provider: String,
    /// The image, the path of the binary, or the address of an external one.
    pub detail: String,
}

/// What a profile amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProfileVerdict {
    /// Every MUST that applies was met, and all evidence was there.
    Conformant,
    /// No MUST failed, but some could not be judged.
    Partial,
    /// A MUST failed.
    Nonconformant,
    /// Nothing of it applies to this target.
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
    /// What it amounts to.
    pub result: ProfileVerdict,
    /// Scenarios of level MUST.
    pub must: Tally,
    /// Scenarios of level SHOULD; `fail` counts the warnings.
    pub should: Tally,
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

/// Scenarios of one level, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// Met.
    pub pass: usize,
    /// Not met.
    pub fail: usize,
    /// Not applicable.
    pub not_applicable: usize,
    /// Could not be judged because the suite or its environment failed.
    pub blocked: usize,
}

/// The result of one scenario on one transport and revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioResult {
    /// `id@transport@revision#row`; the row is there only for outlines.
    pub key: String,
    /// The requirement that it checks.
    pub id: String,
    /// What the requirement demands: one sentence with the keyword of its level.
    #[serde(default)]
    pub demand: String,
    /// The scenario's title: the case in which it is checked.
    pub title: String,
    /// The profile that it belongs to.
    pub profile: String,
    /// How strongly the requirement binds.
    pub level: Level,
    /// `stdio` or `http`.
    pub transport: String,
    /// The protocol revision in use.
    pub revision: String,
    /// The judgement.
    pub verdict: Verdict,
    /// Why it is not applicable or blocked.
    pub reason: Option<String>,
    /// The places in sources that demand it, such as `TUT:create-a-policy`: see [`Report::sources`].
    pub sources: Vec<String>,
    /// How long it took, milliseconds.
    pub duration_ms: u64,
    /// Requests that the target made to Vault meanwhile.
    pub vault_requests: usize,
    /// What was expected and seen, where the verdict is `fail` or `warn`.
    pub failure: Option<Failure>,
    /// Why the failure is accepted, where the verdict is `fail` and the baseline lists it.
    pub known: Option<String>,
}

impl ScenarioResult {
    /// Whether it is not applicable for this reason.
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
    /// The step that failed, as the feature words it.
    pub step: String,
    /// What the requirement demands.
    pub expected: String,
    /// What was seen instead, secrets redacted.
    pub actual: String,
    /// The transcript's path, relative to the output folder.
    pub transcript: Option<String>,
    /// The command that runs this scenario again.
    pub reproduce: String,
}

/// What a list of known failures came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineResult {
    /// The file.
    pub file: String,
    /// How many failures of this run it lists.
    pub known: usize,
    /// How many of its keys this run did not judge: not selected, blocked, or not reached.
    pub not_judged: usize,
    /// Its keys that no longer fail.
    pub stale: Vec<StaleKey>,
    /// Its keys that no scenario has for this target.
    pub unknown: Vec<UnknownKey>,
    /// What became of the file, if it was to be brought up to date.
    pub update: Option<BaselineUpdate>,
}

impl BaselineResult {
    /// Whether it lists what is not so, and was not brought up to date.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        let lists_what_is_so = self.stale.is_empty() && self.unknown.is_empty();
        !lists_what_is_so && !self.is_updated()
    }

    /// Whether the file now says what this run saw.
    #[must_use]
    pub fn is_updated(&self) -> bool {
        let update = self.update.as_ref();
        update.is_some_and(|update| update.refused.is_none())
    }
}

/// A known failure that is none any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StaleKey {
    /// Its key.
    pub key: String,
    /// Why it was accepted.
    pub reason: String,
    /// Its verdict now: `pass`, `warn` or `not_applicable`.
    pub now: Verdict,
}

/// A key that stands for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnknownKey {
    /// The key.
    pub key: String,
    /// The key that was likely meant.
    pub closest: Option<String>,
}

/// What became of a baseline that was to be brought up to date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineUpdate {
    /// Keys that were added; each needs a reason now.
    pub added: Vec<String>,
    /// Keys that were removed.
    pub removed: Vec<String>,
    /// Why the file was left as it is.
    pub refused: Option<String>,
}

/// Scenarios per verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Passed.
    pub pass: usize,
    /// Failed a MUST.
    pub fail: usize,
    /// Failed a MUST, and the baseline lists it; these are in `fail` as well.
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
    /// Sums up the scenarios of one profile.
    #[must_use]
    pub fn of(name: &str, scenarios: &[ScenarioResult]) -> Self {
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
        } else if unproven {
            ProfileVerdict::Partial
        } else {
            ProfileVerdict::Conformant
        };
        Self {
            name: name.to_owned(),
            result,
            must,
            should,
        }
    }
}

impl Report {
    /// The places that a scenario's requirement is demanded at: each in words, and its address if it has one.
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

    /// Whether the run ended early.
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        self.interrupted || self.stopped_early
    }

    /// Notes what of the plan has no result; a profile of which some is missing is not
    /// conformant, and neither is what was to be seen in all scenarios.
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
                }),
            }
        }
        self.profiles.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// The failures that no baseline lists.
    pub fn unlisted_failures(&self) -> impl Iterator<Item = &ScenarioResult> {
        let scenarios = self.scenarios.iter();
        scenarios.filter(|s| s.verdict == Verdict::Fail && s.known.is_none())
    }

    /// Passes where the run ended as [`Exit::Conformant`]; for a test of one's own server.
    ///
    /// # Panics
    /// When it did not. The message has the profiles that are not conformant, each failure that no baseline lists, and
    /// what else stands in the way.
    #[track_caller]
    pub fn assert_conformant(&self) {
        assert!(self.exit() == Exit::Conformant, "{}", self.shortcomings());
    }

    /// Why the run did not end as [`Exit::Conformant`], in lines.
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
        // One cause blocks many.
        blocked.sort_unstable();
        blocked.dedup();
        lines.extend(
            blocked
                .into_iter()
                .map(|reason| format!("BLOCKED {reason}")),
        );
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
            lines.push("the baseline lists what is not so".to_owned());
        }
        if self.interrupted {
            lines.push("the run was interrupted".to_owned());
        }
        if lines.len() == 1 {
            lines.push("nothing was applicable".to_owned());
        }
        lines.join("\n")
    }

    /// The missed budgets that make the run fail: none unless that was asked for.
    pub fn missed_budgets(&self) -> impl Iterator<Item = &Latency> {
        let entries = self.latency.iter().filter(|_| self.strict_latency);
        entries.filter(|latency| latency.keeps_budget() == Some(false))
    }

    /// The exit code that this report stands for.
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
        if failed || self.missed_budgets().next().is_some() {
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
