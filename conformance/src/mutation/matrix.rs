//! The kill matrix: mutations run against the whole specification, or what must catch them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{definition::Mutation, sabotage::Sabotage};
use crate::{
    progress::Progress,
    report::Report,
    requirement::{self, AMBIENT},
    suite::{Suite, SuiteError},
    target::{
        Target,
        locate::{self, Build, LocateError},
    },
    vault::provider::{self, VaultError, VaultOptions},
    verdict::{NotApplicable, Verdict},
};

/// What became of every mutant and variant.
#[derive(Clone, Debug, Serialize)]
pub struct Matrix {
    /// One entry a mutation, by name.
    pub mutations: Vec<Row>,
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
    /// What must catch it, and for a variant all of it: enough to prove that the suite bites.
    WhatMustCatch,
}

/// The profile in whose scenarios what is ambient is looked for.
const SHOWN_IN: &str = "kv";

/// Runs mutations on a conforming target, all on one Vault.
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
    let vault = provider::start(vault, progress).await?;
    let mut rows = Vec::new();
    let mut outcome = Ok(());
    for mutation in mutations {
        let step = progress.step(mutation.name.clone());
        match judge(target, &mutation, scope, &vault).await {
            Ok(report) => {
                let row = row(&mutation, &report);
                step.done(verdict_of(&row));
                rows.push(row);
            }
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    vault.stop().await?;
    outcome?;
    Ok(Matrix { mutations: rows })
}

async fn judge(
    target: &Target,
    mutation: &Mutation,
    scope: Scope,
    vault: &provider::Vault,
) -> Result<Report, SuiteError> {
    let mut builder = Suite::builder();
    if scope == Scope::WhatMustCatch {
        for id in &mutation.killed_by {
            builder = match id.starts_with(AMBIENT) {
                // It can show in any scenario.
                true => (requirement::all()?.iter())
                    .filter(|requirement| requirement.profile == SHOWN_IN)
                    .fold(builder, |builder, shown| builder.scenario(&shown.id)),
                false => builder.scenario(id),
            };
        }
    }
    let prepared = builder
        .target(target.clone())
        .build(Build::Never)
        .transports(mutation.transports.clone())
        .sabotage(Sabotage::new(mutation.clone()))
        .prepare()
        .await?;
    Ok(prepared.run_on(vault).await?.report)
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
                    Some(reason) => format!("{id} could not be asked on {transport}: {reason}"),
                    None => format!("it survives {id} on {transport}"),
                },
            );
        }
    }
    Row {
        name: mutation.name.clone(),
        does: mutation.does.clone(),
        variant: mutation.is_variant(),
        failed,
        wrong,
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
    match (row.wrong.is_empty(), row.variant) {
        (true, true) => "passes".to_owned(),
        (true, false) => format!("killed by {}", by()),
        (false, true) => format!("WRONGED: {}", row.wrong.join("; ")),
        (false, false) => format!("SURVIVED: {}", row.wrong.join("; ")),
    }
}
