//! The report: one value that the console, `report.json` and `junit.xml` all show.
//!
//! The types here are the contract with whoever reads `report.json`; its JSON Schema is
//! committed as `docs/report.schema.json`. Fields are only ever added.

pub mod console;
pub mod json;
pub mod junit;
mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    exit::Exit,
    verdict::{Level, Verdict},
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
    /// One entry a profile, in the order of the features.
    pub profiles: Vec<ProfileResult>,
    /// One entry a scenario, transport, revision and row, sorted by key.
    pub scenarios: Vec<ScenarioResult>,
    /// Latency per operation; may be empty.
    pub latency: Vec<Latency>,
    /// Tools of the target that no operation of its adapter maps, sorted.
    pub unmapped_tools: Vec<String>,
    /// What the suite made and could not remove again.
    pub cleanup_errors: Vec<String>,
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
    /// The scenario's title.
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
    /// The sources that demand it.
    pub sources: Vec<String>,
    /// How long it took, milliseconds.
    pub duration_ms: u64,
    /// Requests that the target made to Vault meanwhile.
    pub vault_requests: usize,
    /// What was expected and seen, where the verdict is `fail` or `warn`.
    pub failure: Option<Failure>,
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

/// The latency of one operation on one transport.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// The operation's name.
    pub operation: String,
    /// `stdio` or `http`.
    pub transport: String,
    /// How many calls were measured.
    pub samples: usize,
    /// Median through the target, milliseconds.
    pub p50_ms: f64,
    /// 95th percentile through the target, milliseconds.
    pub p95_ms: f64,
    /// 99th percentile through the target, milliseconds.
    pub p99_ms: f64,
    /// Median of the same request made directly, milliseconds.
    pub direct_p50_ms: f64,
    /// 95th percentile of the same request made directly, milliseconds.
    pub direct_p95_ms: f64,
    /// Requests to Vault per call, on average.
    pub vault_requests_per_call: f64,
    /// The budget that the sources give, milliseconds.
    pub budget_ms: Option<f64>,
}

/// Scenarios per verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Passed.
    pub pass: usize,
    /// Failed a MUST.
    pub fail: usize,
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
            unproven |= scenario.verdict == Verdict::Blocked
                || scenario.reason.as_deref().is_some_and(|reason| {
                    reason.starts_with(&crate::verdict::NotApplicable::NoEvidence.to_string())
                });
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
        if self.summary.fail > 0 {
            exit = exit.worse(Exit::Nonconformant);
        }
        if self.interrupted {
            exit = exit.worse(Exit::Interrupted);
        }
        exit
    }
}
