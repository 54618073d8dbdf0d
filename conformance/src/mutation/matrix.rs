//! The kill matrix: runs each mutant against the whole specification, or only against the requirements that must kill
//! it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::Serialize;

use super::{aim::Aim, definition::Mutation, sabotage::Sabotage};
use crate::{
    instance::locate::{self, Build, LocateError},
    plan::{Planned, Spoken},
    progress::Progress,
    report::Report,
    requirement::{self, AMBIENT},
    suite::{Builder, Suite, SuiteError},
    target::Target,
    vault::provider::{self, Vault, VaultError, VaultOptions},
    verdict::{NotApplicable, Verdict},
};

/// The results of all mutants and variants.
#[derive(Clone, Debug, Serialize)]
pub struct Matrix {
    /// One entry for each mutation, by name.
    pub mutations: Vec<Row>,
}

/// A scenario, whatever its transport and revision: `id` or `id#row`.
fn case_of(key: &str) -> String {
    let id = key.split('@').next().unwrap_or_default();
    match key.split_once('#') {
        Some((_, row)) => format!("{id}#{row}"),
        None => id.to_owned(),
    }
}

impl Row {
    /// The row of a mutation that has not been run yet.
    fn of(mutation: &Mutation) -> Self {
        Self {
            name: mutation.name.clone(),
            does: mutation.does.clone(),
            variant: mutation.is_variant(),
            failed: BTreeMap::new(),
            wrong: Vec::new(),
            not_run: None,
            tested: BTreeSet::new(),
            failed_cases: BTreeSet::new(),
        }
    }
}

/// The result of one mutation.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The mutation's name.
    pub name: String,
    /// What the mutation does to the target.
    pub does: String,
    /// Whether it is a variant, which must pass.
    pub variant: bool,
    /// The requirements that failed, with the transports on which they failed.
    pub failed: BTreeMap<String, Vec<String>>,
    /// What differs from the expected result; empty if nothing does.
    pub wrong: Vec<String>,
    /// Why the mutation was not run.
    pub not_run: Option<String>,
    /// The scenarios that passed or failed, whatever their transport and revision.
    #[serde(skip)]
    tested: BTreeSet<String>,
    /// Those of them that failed.
    #[serde(skip)]
    failed_cases: BTreeSet<String>,
}

impl Matrix {
    /// Whether every mutant was killed by its requirements, and every variant passed.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.mutations.iter().all(|row| row.wrong.is_empty())
    }

    /// The scenarios that were tested and that no mutant failed: `id`, or `id#row` for a row of an outline.
    #[must_use]
    pub fn never_failed(&self) -> Vec<&str> {
        let mutants = || self.mutations.iter().filter(|row| !row.variant);
        let failed: BTreeSet<_> = mutants().flat_map(|row| &row.failed_cases).collect();
        let tested: BTreeSet<_> = mutants().flat_map(|row| &row.tested).collect();
        tested
            .difference(&failed)
            .map(|case| case.as_str())
            .collect()
    }
}

/// Why the matrix could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MatrixError {
    /// The target could not be built.
    #[error(transparent)]
    Target(LocateError),
    /// There is no usable Vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A run was not possible.
    #[error(transparent)]
    Suite(#[from] SuiteError),
}

/// Which requirements a mutant is tested against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them, so that the matrix shows every requirement that detects it.
    Everything,
    /// The requirements that must detect it; for a variant, all of them.
    WhatMustCatch,
}

/// How many scenarios that do not test a variant are listed.
const SHOWN: usize = 5;

/// The profile in whose scenarios ambient violations are searched.
const SHOWN_IN: &str = "kv";

/// How many mutants run at the same time, each on a Vault of its own. The scenarios for one mutant are few and mostly
/// wait. With all requirements, one mutant uses the whole machine.
const MUTANTS_AT_ONCE: usize = 2;

/// Runs mutations on a conforming target.
///
/// # Errors
/// If a run is not possible.
pub async fn run(
    target: &Target,
    vault: &VaultOptions,
    mutations: Vec<Mutation>,
    scope: Scope,
    progress: &Progress,
) -> Result<Matrix, MatrixError> {
    let built = locate::build(target, Build::Automatically, progress).await;
    built.map_err(MatrixError::Target)?;
    let (variants, mutants): (Vec<_>, Vec<_>) =
        mutations.into_iter().partition(Mutation::is_variant);
    let lanes = match (scope, target.adapter.fixed_port()) {
        (Scope::WhatMustCatch, None) => MUTANTS_AT_ONCE.min(mutants.len()),
        _ => 1,
    };
    let bench = Bench {
        target,
        scope,
        progress,
    };
    let vault = provider::start(vault, progress).await?;
    let judged = bench.judge_all(&vault, lanes, mutants, variants).await;
    vault.stop().await?;
    let mut mutations = judged?;
    mutations.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Matrix { mutations })
}

/// The environment in which mutations are tested.
struct Bench<'a> {
    target: &'a Target,
    scope: Scope,
    progress: &'a Progress,
}

/// The mutations that are left; each lane takes the next one.
type Queue = RefCell<std::vec::IntoIter<Mutation>>;

impl Bench<'_> {
    /// Tests the mutants in several lanes, one of them on this Vault, and then the variants.
    async fn judge_all(
        &self,
        vault: &Vault,
        lanes: usize,
        mutants: Vec<Mutation>,
        variants: Vec<Mutation>,
    ) -> Result<Vec<Row>, MatrixError> {
        let queue = Queue::new(mutants.into_iter());
        let others = (1..lanes).map(|_| self.lane_on_another(vault, &queue));
        let (first, others) =
            futures::join!(self.lane(vault, &queue), futures::future::join_all(others));
        let mut rows = first?;
        for other in others {
            rows.extend(other?);
        }
        rows.extend(self.variants(vault, variants).await?);
        Ok(rows)
    }

    async fn lane_on_another(&self, vault: &Vault, queue: &Queue) -> Result<Vec<Row>, MatrixError> {
        let Some(another) = vault.another() else {
            return Ok(Vec::new());
        };
        let vault = another.start().await?;
        let judged = self.lane(&vault, queue).await;
        vault.stop().await?;
        judged
    }

    /// Tests mutations one after the other until none is left. If one cannot be tested, the whole matrix fails.
    async fn lane(&self, vault: &Vault, queue: &Queue) -> Result<Vec<Row>, MatrixError> {
        let mut rows = Vec::new();
        loop {
            let next = queue.borrow_mut().next();
            let Some(mutation) = next else {
                return Ok(rows);
            };
            let step = self.progress.step(mutation.name.clone());
            if let Some(row) = self.not_run(&mutation) {
                step.done(verdict_of(&row));
                rows.push(row);
                continue;
            }
            match self.judge(&mutation, vault).await {
                Ok(report) => {
                    let row = row(&mutation, &report);
                    step.done(verdict_of(&row));
                    rows.push(row);
                }
                Err(error) => {
                    queue.borrow_mut().by_ref().for_each(drop);
                    return Err(error.into());
                }
            }
        }
    }

    /// The row of a mutation of transports that the target does not offer.
    fn not_run(&self, mutation: &Mutation) -> Option<Row> {
        let offered = self.target.adapter.transports();
        if mutation
            .transports
            .iter()
            .any(|kind| offered.contains(kind))
        {
            return None;
        }
        let wanted: Vec<_> = mutation.transports.iter().map(|kind| kind.name()).collect();
        Some(Row {
            not_run: Some(format!("the target does not offer {}", wanted.join(" or "))),
            ..Row::of(mutation)
        })
    }

    async fn judge(&self, mutation: &Mutation, vault: &Vault) -> Result<Report, SuiteError> {
        let prepared = self.sabotaged(mutation)?.prepare().await?;
        Ok(prepared.run_on(vault).await?.report)
    }

    /// A run of the suite on the target with this mutation.
    fn sabotaged(&self, mutation: &Mutation) -> Result<Builder, SuiteError> {
        let mut builder = self
            .unchanged()
            .transports(mutation.transports.clone())
            .sabotage(Sabotage::new(mutation.clone()));
        if self.scope == Scope::WhatMustCatch {
            let requirements = requirement::all()?;
            if !mutation.is_variant() {
                builder = builder.aim(Aim::new(&mutation.killed_by, &requirements));
            }
            for id in &mutation.killed_by {
                if !id.starts_with(AMBIENT) {
                    builder = builder.scenario(id);
                } else if mutation.shows_in.is_empty() {
                    // The violation can appear in any scenario.
                    builder = (requirements.iter())
                        .filter(|requirement| requirement.profile == SHOWN_IN)
                        .fold(builder, |builder, shown| builder.scenario(&shown.id));
                } else {
                    builder = (mutation.shows_in.iter()).fold(builder, Builder::scenario);
                }
            }
        }
        Ok(builder)
    }

    /// A run of the suite on the unchanged target.
    fn unchanged(&self) -> Builder {
        Suite::builder()
            .target(self.target.clone())
            .build(Build::Never)
    }

    /// Tests the variants, each on everything that the unchanged target has and that the variant does not drop.
    async fn variants(
        &self,
        vault: &Vault,
        variants: Vec<Mutation>,
    ) -> Result<Vec<Row>, MatrixError> {
        if variants.is_empty() {
            return Ok(Vec::new());
        }
        let unchanged = self.unchanged().prepare().await?;
        let spoken = unchanged.spoken_on(vault).await?;
        let mut judged = Vec::new();
        let mut not_run = Vec::new();
        for variant in variants {
            let step = self.progress.step(variant.name.clone());
            if let Some(row) = self.not_run(&variant) {
                step.done(verdict_of(&row));
                not_run.push(row);
                continue;
            }
            let prepared = self.sabotaged(&variant)?.prepare().await?;
            let wanted = prepared.plan(&variant.drops.keeps_of(&spoken, &variant.transports));
            let report = prepared.run_on(vault).await?.report;
            let row = row(&variant, &report);
            step.done(verdict_of(&row));
            judged.push((row, Coverage::of(&variant, &spoken, &wanted, &report)));
        }
        let unasked = judged.iter().flat_map(|(_, coverage)| &coverage.unasked);
        let unasked: BTreeSet<_> = unasked.map(|row| row.id.clone()).collect();
        let without = self.not_applicable_unchanged(vault, unasked).await?;
        let rows = judged.into_iter().map(|(mut row, coverage)| {
            row.wrong.extend(coverage.wrong(&without));
            row
        });
        Ok(rows.chain(not_run).collect())
    }

    /// The keys of the scenarios of these requirements that do not apply to the unchanged target either.
    async fn not_applicable_unchanged(
        &self,
        vault: &Vault,
        ids: BTreeSet<String>,
    ) -> Result<BTreeSet<String>, MatrixError> {
        if ids.is_empty() {
            return Ok(BTreeSet::new());
        }
        let step = self.progress.step("the unchanged target".to_owned());
        let builder = ids.iter().fold(self.unchanged(), Builder::scenario);
        let report = builder.prepare().await?.run_on(vault).await?.report;
        let scenarios = report.scenarios.into_iter();
        let not_applicable = scenarios.filter(|s| s.verdict == Verdict::NotApplicable);
        let keys: BTreeSet<_> = not_applicable.map(|scenario| scenario.key).collect();
        step.done(format!("{} scenarios do not apply to it", keys.len()));
        Ok(keys)
    }
}

/// Scenarios of the unchanged target that did not test a variant.
struct Coverage {
    /// What its file lists as dropped, although it exists.
    not_dropped: Vec<String>,
    /// Scenarios that were planned for the unchanged target, and that are not in the report or did not apply.
    unasked: Vec<Unasked>,
}

/// A scenario that did not test a variant.
struct Unasked {
    key: String,
    id: String,
    why: String,
}

impl Coverage {
    /// Compares the report with the plan for a target that speaks these transports and revisions.
    fn of(variant: &Mutation, spoken: &[Spoken], wanted: &[Arc<Planned>], report: &Report) -> Self {
        let drops = &variant.drops;
        let found: BTreeMap<_, _> = (report.scenarios.iter())
            .map(|scenario| (scenario.key.as_str(), scenario))
            .collect();
        let unasked = |planned: &&Arc<Planned>| {
            let why = match found.get(planned.key.as_str()) {
                None => format!("{} was not spoken", planned.revision),
                Some(scenario) if scenario.verdict == Verdict::NotApplicable => {
                    scenario.reason.clone().unwrap_or_default()
                }
                Some(_) => return None,
            };
            Some(Unasked {
                key: planned.key.clone(),
                id: planned.requirement.id.clone(),
                why,
            })
        };
        let (dropped, unasked): (Vec<_>, Vec<_>) = (wanted.iter())
            .filter(|planned| planned.not_applicable.is_none())
            .filter_map(|planned| unasked(&planned))
            .partition(|unasked| drops.requirements.contains(&unasked.id));
        let spoken_anyway = (drops.revisions.iter()).filter(|revision| {
            let never = !spoken.iter().any(|spoken| spoken.speaks(**revision));
            never || report.target.revisions.iter().any(|r| r == revision.name())
        });
        let asked_anyway = (drops.requirements.iter())
            .filter(|id| !dropped.iter().any(|dropped| dropped.id == **id));
        Self {
            not_dropped: (spoken_anyway.map(ToString::to_string))
                .chain(asked_anyway.cloned())
                .collect(),
            unasked,
        }
    }

    /// The problems, given the keys that do not apply to the unchanged target.
    fn wrong(&self, not_applicable_unchanged: &BTreeSet<String>) -> Vec<String> {
        let kept = (self.not_dropped.iter())
            .map(|what| format!("its file declares that it drops {what}, but it does not"));
        let missing: Vec<_> = (self.unasked.iter())
            .filter(|unasked| !not_applicable_unchanged.contains(&unasked.key))
            .collect();
        let further = missing.len().saturating_sub(SHOWN);
        let further = (further > 0).then(|| format!("and {further} more scenarios do not test it"));
        let missing = (missing.into_iter().take(SHOWN))
            .map(|unasked| {
                format!(
                    "{} tests the unchanged target and not this variant ({}); its file does not say that it drops that",
                    unasked.key, unasked.why
                )
            });
        kept.chain(missing).chain(further).collect()
    }
}

fn row(mutation: &Mutation, report: &Report) -> Row {
    let mut failed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    let (mut tested, mut failed_cases) = (BTreeSet::new(), BTreeSet::new());
    for scenario in &report.scenarios {
        if scenario.is_tested() {
            tested.insert(case_of(&scenario.key));
        }
        match scenario.verdict {
            Verdict::Fail | Verdict::Warn => {
                failed_cases.insert(case_of(&scenario.key));
                let transports = failed.entry(scenario.id.clone()).or_default();
                if !transports.contains(&scenario.transport) {
                    transports.push(scenario.transport.clone());
                }
            }
            Verdict::Blocked => {
                let reason = scenario.reason.as_deref().unwrap_or_default();
                wrong.push(format!("{} was blocked: {reason}", scenario.key));
            }
            Verdict::Pass | Verdict::NotApplicable => {}
        }
    }
    if mutation.is_variant() {
        let unexpected = failed
            .iter()
            .filter(|(id, _)| !mutation.warned_by.contains(id));
        for (id, transports) in unexpected {
            wrong.push(format!(
                "{id} fails a variant that conforms, on {}",
                transports.join(" and ")
            ));
        }
    }
    for id in &mutation.killed_by {
        for transport in &report.target.transports {
            if failed.get(id).is_some_and(|on| on.contains(transport)) {
                continue;
            }
            let mut asked = report.scenarios.iter();
            let not_asked = asked.find(|scenario| {
                scenario.id == *id
                    && scenario.transport == *transport
                    && scenario.lacks(NotApplicable::NoEvidence)
            });
            wrong.push(
                match not_asked.and_then(|scenario| scenario.reason.as_deref()) {
                    Some(reason) => format!("{id} could not be checked on {transport}: {reason}"),
                    None => format!("it survives {id} on {transport}"),
                },
            );
        }
    }
    Row {
        failed,
        wrong,
        tested,
        failed_cases,
        ..Row::of(mutation)
    }
}

/// The result of a mutation, in a few words.
#[must_use]
pub fn verdict_of(row: &Row) -> String {
    let by = || {
        row.failed
            .keys()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    };
    if let Some(why) = &row.not_run {
        return format!("not run: {why}");
    }
    match (row.wrong.is_empty(), row.variant) {
        (true, true) => "passes".to_owned(),
        (true, false) => format!("killed by {}", by()),
        (false, true) => format!("WRONGED: {}", row.wrong.join("; ")),
        (false, false) => format!("SURVIVED: {}", row.wrong.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Matrix, Row, case_of};

    fn row(variant: bool, tested: &[&str], failed: &[&str]) -> Row {
        let cases = |keys: &[&str]| keys.iter().map(|key| case_of(key)).collect::<BTreeSet<_>>();
        Row {
            name: "some".to_owned(),
            does: "something".to_owned(),
            variant,
            failed: [].into(),
            wrong: Vec::new(),
            not_run: None,
            tested: cases(tested),
            failed_cases: cases(failed),
        }
    }

    #[test]
    fn a_row_that_fails_on_one_transport_of_one_mutant_is_not_listed() {
        let rows = [
            "kv.read@stdio@2025-11-25#1",
            "kv.read@http@2025-11-25#2",
            "kv.list@stdio@2025-11-25",
        ];
        let matrix = Matrix {
            mutations: vec![
                row(false, &rows, &["kv.read@http@2025-11-25#1"]),
                row(true, &rows, &["kv.list@stdio@2025-11-25"]),
            ],
        };
        assert_eq!(matrix.never_failed(), ["kv.list", "kv.read#2"]);
    }
}
