//! What was found out about a server whose adapter is drafted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::guess::{CLEAR, Candidate, SURE};
use crate::{adapter::mapping::Mapping, engines::Operation, rate::Rate};

/// How many candidates are named for one operation.
const MOST_OTHERS: usize = 3;

/// What was found out about a server.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// The names of the tools that the server lists.
    pub tools: Vec<String>,
    /// The operations that a tool performs, or may perform, in the order of documents.
    pub entries: Vec<Entry>,
    /// The versions of the KV engine that work; `None` if both do, or nothing is known.
    pub kv_versions: Option<u8>,
    /// The only mount on which the server works.
    pub mount: Option<String>,
    /// A limit on calls that the server keeps.
    pub limit: Option<Rate>,
    /// Headers without which the server does not act with the token of the suite.
    pub headers: BTreeMap<String, String>,
    /// Why no call was made to find out more.
    pub untried: Option<String>,
    /// Whether a request to Vault had the token of the suite; `None` if that is not known.
    pub uses_token: Option<bool>,
}

/// An operation, and the tool that performs it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The operation.
    pub operation: Operation,
    /// The tool call.
    pub mapping: Mapping,
    /// Whether Vault confirms it.
    pub state: State,
    /// What a reader should know, one sentence each.
    pub notes: Vec<String>,
}

/// A tool call that did not perform an operation.
#[derive(Clone, Debug)]
pub(crate) struct Miss {
    /// The tool.
    pub(crate) tool: String,
    /// Why, with secrets redacted.
    pub(crate) why: String,
    /// Whether it reported success, so that the tool does something else, or is broken.
    pub(crate) succeeded: bool,
}

/// Whether a call has shown that a tool performs an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The answer has what Vault holds, or Vault has the effect.
    Confirmed,
    /// It does not: why.
    Failed(String),
    /// No call was made.
    Untried,
}

impl Entry {
    /// The best of several candidates of which none was confirmed, if its words are clear enough.
    pub(crate) fn unconfirmed(
        operation: Operation,
        candidates: &[Candidate],
        misses: &[Miss],
    ) -> Option<Self> {
        let best = candidates.first()?;
        let miss = misses.iter().find(|miss| miss.tool == best.form.tool);
        let enough = match miss {
            Some(miss) if miss.succeeded => SURE,
            _ => CLEAR,
        };
        if best.points < enough {
            return None;
        }
        let state = match miss {
            Some(miss) => State::Failed(miss.why.clone()),
            None => State::Untried,
        };
        let mut entry = Self::of(operation, best, state);
        let mut seen = BTreeSet::from([best.form.tool.as_str()]);
        for other in candidates.iter().filter(|other| other.points >= CLEAR) {
            if seen.insert(&other.form.tool) && seen.len() <= MOST_OTHERS {
                let why = misses.iter().any(|miss| miss.tool == other.form.tool);
                let why = match why {
                    true => "tried as well".to_owned(),
                    false => other.reason(operation),
                };
                let note = format!("Another candidate: {} ({why}).", other.form.tool);
                entry.notes.push(note);
            }
        }
        Some(entry)
    }

    /// The entry for a candidate.
    pub(crate) fn of(operation: Operation, candidate: &Candidate, state: State) -> Self {
        let draft = &candidate.draft;
        let mut notes = Vec::new();
        if state != State::Confirmed {
            let open = draft.open.iter();
            notes.extend(
                open.map(|argument| format!("Required, and not filled: {}", argument.about())),
            );
            notes.extend(
                draft
                    .assumed
                    .iter()
                    .map(|assumed| format!("Assumed: {assumed}")),
            );
        }
        Self {
            operation,
            mapping: draft.mapping.clone(),
            state,
            notes,
        }
    }
}

impl Findings {
    /// The operations that no tool performs.
    #[must_use]
    pub fn missing(&self) -> Vec<Operation> {
        let is_missing = |operation: &Operation| {
            self.entries
                .iter()
                .all(|entry| entry.operation != *operation)
        };
        Operation::ALL.into_iter().filter(is_missing).collect()
    }

    /// The tools that no operation uses.
    #[must_use]
    pub fn unused(&self) -> Vec<&str> {
        let is_unused = |tool: &&String| {
            let mut mappings = self.entries.iter().map(|entry| &entry.mapping);
            !mappings.any(|mapping| mapping.tools.contains(tool))
        };
        self.tools
            .iter()
            .filter(is_unused)
            .map(String::as_str)
            .collect()
    }

    /// How many operations are confirmed.
    #[must_use]
    pub fn confirmed(&self) -> usize {
        self.entries
            .iter()
            .filter(|entry| entry.state == State::Confirmed)
            .count()
    }
}

/// The names of listed tools.
pub(crate) fn names(tools: &[Value]) -> Vec<String> {
    let names = tools.iter().filter_map(|tool| tool["name"].as_str());
    names.map(str::to_owned).collect()
}
