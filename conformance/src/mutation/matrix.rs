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

/// What became of every mutant and variant.
#[derive(Clone, Debug, Serialize)]
pub struct Matrix {
    /// One entry a mutation, by name.
    pub mutations: Vec<Row>,
}

impl Row {
    /// Of a mutation of which nothing is known yet.
    fn of(mutation: &Mutation) -> Self {
        Self {
            name: mutation.name.clone(),
            does: mutation.does.clone(),
            variant: mutation.is_variant(),
            failed: BTreeMap::new(),
            wrong: Vec::new(),
            not_run: None,
        }
    }
}

/// What became of one mutation.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The mutation's name.
    pub name: String,
    /// What it does to the target.
    pub does: String,
    /// Whether it is a variant, which must pass.
    pub variant: bool,
    /// The requirements that failed, with the transports on which they did.
    pub failed: BTreeMap<String, Vec<String>>,
    /// What is not as it must be; empty when all is well.
    pub wrong: Vec<String>,
    /// Why it was not run.
    pub not_run: Option<String>,
}

impl Matrix {
    /// Whether every mutant was killed by the requirements that name it, and every variant
    /// passed.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.mutations.iter().all(|row| row.wrong.is_empty())
    }
}

/// The matrix could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MatrixError {
    /// The target could not be built.
    #[error(transparent)]
    Target(LocateError),
    /// No Vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A run could not be made.
    #[error(transparent)]
    Suite(#[from] SuiteError),
}

/// How much of the suite a mutant is put before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of it, so that the matrix shows whatever catches it.
    Everything,
    /// The requirements that must detect it; for a variant, all of them.
    WhatMustCatch,
}

/// How many scenarios that do not test a variant are named.
const SHOWN: usize = 5;

/// The profile in whose scenarios what is ambient is looked for.
const SHOWN_IN: &str = "kv";

/// How many mutants are put before the suite at once, each on a Vault of its own: what must catch one is a
/// few scenarios, which mostly wait. All of the suite takes what the machine has.
const MUTANTS_AT_ONCE: usize = 2;

/// Runs mutations on a conforming target.
///
/// # Errors
/// When a run cannot be made.
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

/// Where mutations are judged.
struct Bench<'a> {
    target: &'a Target,
    scope: Scope,
    progress: &'a Progress,
}

/// What is still to be judged, for whoever is free.
type Queue = RefCell<std::vec::IntoIter<Mutation>>;

impl Bench<'_> {
    /// The mutants in so many lanes, of which one is on this Vault, and then the variants.
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

    /// Judges one after the other until none is left. If one cannot be judged, none is.
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

    /// What becomes of a mutation of transports that the target does not offer.
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
                    // It can show in any scenario.
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

    /// A run of the suite on the target as it is.
    fn unchanged(&self) -> Builder {
        Suite::builder()
            .target(self.target.clone())
            .build(Build::Never)
    }

    /// Judges the variants, each on all that the unchanged target has and it does not drop.
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

/// What of the unchanged target a variant was not tested on.
struct Coverage {
    /// What its file names as dropped, and is there.
    not_dropped: Vec<String>,
    /// What was planned for the unchanged target and is not in the report, or did not apply.
    unasked: Vec<Unasked>,
}

/// A scenario that did not test a variant.
struct Unasked {
    key: String,
    id: String,
    why: String,
}

impl Coverage {
    /// Compares what was planned, for a target that speaks so, with the report.
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

    /// What is wrong with it, where these keys do not apply to the unchanged target.
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
    for scenario in &report.scenarios {
        match scenario.verdict {
            Verdict::Fail | Verdict::Warn => {
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
        ..Row::of(mutation)
    }
}

/// What became of a mutation, in a few words.
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
