//! Tries out the tools that may perform an operation that reads: an answer must contain what Vault holds.

use std::{collections::BTreeMap, iter, sync::Arc};

use serde_json::{Value, json};

use super::MOST_CALLS;
use crate::{
    adapter::mapping::{Mapping, ResultShape, Shapes},
    cause::{begins_with_error, tells_of_limit},
    engines::{Kv, Operation, Parameters, Pki},
    init::{
        findings::{Entry, Findings, Miss, State},
        guess::{Candidate, candidates},
        pages,
        pointers::{Expected, facts, shapes},
        tools::Form,
    },
    instance::answer::{Answer, Arguments, Data, ToolCall, text_of},
    redact::Secrets,
    slot::{Slot, Slots},
    suite::{
        prepared::Prepared,
        probes::own_mount,
        samples::{Sample, Samples, grant, remove_own_mounts},
    },
    target::Target,
    vault::oracle::{Oracle, OracleError},
    verdict::StepEnd,
};

/// How many facts of a role must be found in an answer that is about one.
const ENOUGH_SETTINGS: usize = 3;
/// The mount of a server that works on one mount only, if its configuration does not name it: the one of a new Vault.
const USUAL_MOUNT: &str = "secret";

/// What trying the candidates of one operation showed.
enum Tried {
    Entry(Box<Entry>),
    /// None performs it.
    None(Vec<Miss>),
    Limited,
}

/// One attempt.
pub(super) struct Drafting<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) oracle: &'a Arc<Oracle>,
    pub(super) slots: &'a Arc<Slots>,
    pub(super) forms: &'a [Form],
    /// The only mount of the server, if it seems to have one.
    pub(super) mount: Option<String>,
    pub(super) found: Findings,
    /// Whether somebody else runs the Vault, so that only tools that read are called.
    pub(super) is_closed: bool,
}

impl Drafting<'_> {
    pub(super) fn candidates(&self, operation: Operation) -> Vec<Candidate> {
        let is_fixed = self.mount.is_some();
        let mut candidates = candidates(operation, self.forms);
        candidates.retain(|candidate| {
            !matches!(operation, Operation::Kv(_))
                || candidate.draft.placing.is_for_one_mount() == is_fixed
        });
        candidates
    }

    /// The target with this mapping of one operation.
    pub(super) fn target_with(&self, operation: Operation, mapping: &Mapping) -> Arc<Target> {
        let mut target = (*self.prepared.target).clone();
        target.adapter.operations = BTreeMap::from([(operation, mapping.clone())]);
        target.adapter.mount.clone_from(&self.mount);
        Arc::new(target)
    }

    /// Tries the operations that read, in mounts of both KV versions; `None` if the server limits calls.
    pub(super) async fn reads(&mut self, mut slot: Slot) -> Result<Option<Slot>, String> {
        let in_vault = |error: OracleError| error.to_string();
        for fixed in [None, Some(USUAL_MOUNT.to_owned())] {
            let is_second = fixed.is_some();
            if is_second && (self.is_closed || self.has(Operation::Kv(Kv::Read))) {
                break;
            }
            let before = self.found.entries.clone();
            let mount = fixed.clone().unwrap_or_else(|| own_mount(self.oracle));
            self.mount = fixed;
            if is_second && self.candidates(Operation::Kv(Kv::Read)).is_empty() {
                self.mount = None;
                break;
            }
            remove_own_mounts(self.oracle, &mount)
                .await
                .map_err(in_vault)?;
            let tried = self.reads_in(&mut slot, &mount).await;
            remove_own_mounts(self.oracle, &mount)
                .await
                .map_err(in_vault)?;
            if !tried? {
                return Ok(None);
            }
            if is_second && !self.has(Operation::Kv(Kv::Read)) {
                self.mount = None;
                self.found.entries = before;
            }
        }
        Ok(Some(slot))
    }

    fn has(&self, operation: Operation) -> bool {
        let mut entries = self.found.entries.iter();
        entries.any(|entry| entry.operation == operation && entry.state == State::Confirmed)
    }

    /// Whether the server accepted all calls, rather than reject one as one too many.
    async fn reads_in(&mut self, slot: &mut Slot, mount: &str) -> Result<bool, String> {
        let in_vault = |error: OracleError| error.to_string();
        grant(self.oracle, slot, mount).await.map_err(in_vault)?;
        let samples = Samples::make(self.oracle, mount, 2)
            .await
            .map_err(in_vault)?;
        let mut secrets = slot.secrets();
        secrets.extend(samples.secrets.clone());
        for sample in samples.all(self.mount.is_some()) {
            if self.has(sample.operation) {
                continue;
            }
            self.found
                .entries
                .retain(|entry| entry.operation != sample.operation);
            match self.read(slot, &sample, &secrets).await? {
                Tried::Limited => return Ok(false),
                Tried::Entry(entry) => self.found.entries.push(*entry),
                Tried::None(misses) => {
                    let all = self.candidates(sample.operation);
                    self.found
                        .entries
                        .extend(Entry::unconfirmed(sample.operation, &all, &misses));
                }
            }
        }
        self.empty_lists(slot, mount).await?;
        remove_own_mounts(self.oracle, mount)
            .await
            .map_err(in_vault)?;
        let samples = Samples::make(self.oracle, mount, 1)
            .await
            .map_err(in_vault)?;
        let mut works = Vec::new();
        for sample in samples.all(self.mount.is_some()) {
            let is_about = matches!(
                sample.operation,
                Operation::Kv(Kv::List | Kv::ListAll | Kv::Read)
            );
            if !is_about || !self.has(sample.operation) {
                continue;
            }
            let Some(index) = self
                .found
                .entries
                .iter()
                .position(|entry| entry.operation == sample.operation)
            else {
                continue;
            };
            let mapping = self.found.entries[index].mapping.clone();
            let answer = self.call(slot, &sample, &mapping, 1).await?;
            let Answer::Success(success) = answer else {
                works.push(false);
                continue;
            };
            let result = serde_json::from_str(&success.whole).unwrap_or_default();
            let own = shapes(sample.operation, &result, &sample.expected.data)
                .into_iter()
                .next();
            works.push(own.is_some());
            let newest = mapping.result.of(2).clone();
            if let Some(own) = own {
                // A fact counts only if both shapes point to it, though KV version 1 may not have it.
                let own = ResultShape {
                    facts: newest.facts.clone(),
                    empty: newest.empty.clone(),
                    ..own
                };
                self.found.entries[index].mapping.result = Shapes::by_version(own, newest);
            }
        }
        if !works.is_empty() && works.iter().all(|works| !works) {
            self.found.kv_versions = Some(2);
        }
        Ok(true)
    }

    /// Finds the words that stand for an empty list, where a tool that lists secrets does not answer with JSON then.
    async fn empty_lists(&mut self, slot: &mut Slot, mount: &str) -> Result<(), String> {
        let in_vault = |error: OracleError| error.to_string();
        if self.mount.is_some() {
            return Ok(());
        }
        let empty = format!("{mount}-empty");
        self.oracle
            .make_kv_mount(&empty, 2)
            .await
            .map_err(in_vault)?;
        for operation in [Operation::Kv(Kv::List), Operation::Kv(Kv::ListAll)] {
            let parameters = Parameters::from_iter([
                ("mount".to_owned(), json!(empty)),
                ("path".to_owned(), json!("")),
            ]);
            let sample = Sample {
                operation,
                parameters,
                expected: Expected::default(),
                canary: String::new(),
            };
            let is_it =
                |entry: &Entry| entry.operation == operation && entry.state == State::Confirmed;
            let Some(index) = self.found.entries.iter().position(is_it) else {
                continue;
            };
            // Some tools take no empty path for the root of a mount, but none at all.
            let sent = self.found.entries[index].mapping.clone();
            let omitted = without_empty_path(&sent);
            for mut mapping in iter::once(sent).chain(omitted) {
                let words = match self.call(slot, &sample, &mapping, 2).await? {
                    Answer::Success(success) if matches!(success.data, Data::Unusable(_)) => {
                        let result = serde_json::from_str(&success.whole).unwrap_or_default();
                        text_of(&result)
                    }
                    Answer::Success(_) => String::new(),
                    _ => continue,
                };
                if begins_with_error(&words) {
                    continue;
                }
                // Words that name the mount are others for each list.
                if !words.contains(&empty) && !words.is_empty() {
                    let shape = ResultShape {
                        empty: Some(words),
                        ..mapping.result.of(2).clone()
                    };
                    mapping.result = Shapes::from(shape);
                }
                self.found.entries[index].mapping = mapping;
                break;
            }
        }
        self.oracle.remove_mount(&empty).await.map_err(in_vault)
    }

    /// Tries the candidates of an operation that reads.
    async fn read(
        &self,
        slot: &mut Slot,
        sample: &Sample,
        secrets: &Secrets,
    ) -> Result<Tried, String> {
        let mut misses = Vec::new();
        let candidates = self.candidates(sample.operation);
        let may_call =
            |candidate: &&Candidate| !self.is_closed || candidate.form.only_reads == Some(true);
        for candidate in candidates.iter().filter(may_call).take(MOST_CALLS) {
            let mapping = &candidate.draft.mapping;
            let answer = self.call(slot, sample, mapping, 2).await?;
            let succeeded = matches!(answer, Answer::Success(_));
            let why = match answer {
                Answer::Success(success) => match confirm(sample, &success.whole, secrets) {
                    Ok(shape) => {
                        let mut entry = Entry::of(sample.operation, candidate, State::Confirmed);
                        entry.mapping.next = pages::next(&candidate.form, &shape, &success.whole);
                        entry.mapping.result = Shapes::from(shape);
                        return Ok(Tried::Entry(Box::new(entry)));
                    }
                    Err(why) => why,
                },
                Answer::Error(text) if tells_of_limit(&text) => return Ok(Tried::Limited),
                other => other.describe(),
            };
            misses.push(Miss {
                tool: candidate.form.tool.clone(),
                why: secrets.redact(&why),
                succeeded,
            });
        }
        Ok(Tried::None(misses))
    }

    /// Makes the tool call of an operation. After one without an answer the server is started anew.
    async fn call(
        &self,
        slot: &mut Slot,
        sample: &Sample,
        mapping: &Mapping,
        version: u8,
    ) -> Result<Answer, String> {
        let target = self.target_with(sample.operation, mapping);
        let arguments = Arguments::All;
        let instance = &slot.instance;
        let call = ToolCall::new(
            &target.adapter,
            instance,
            sample.operation,
            &sample.parameters,
            version,
            arguments,
        );
        let answer = match call {
            Ok(call) => call.make(&instance.connection).await.0,
            Err(StepEnd::Blocked { why }) => return Err(why),
            Err(other) => Answer::Error(format!("{other:?}")),
        };
        if matches!(answer, Answer::Nothing(_)) {
            let transport = slot.kind.transport;
            let fresh = self
                .slots
                .try_out(transport, None)
                .await
                .map_err(|error| error.to_string())?;
            let ended = std::mem::replace(slot, fresh);
            self.slots.end(ended).await?;
            if let Some(mount) = sample.parameters.get("mount").and_then(Value::as_str) {
                let granted = grant(self.oracle, slot, mount.trim_end_matches("-pki")).await;
                granted.map_err(|error| error.to_string())?;
            }
        }
        Ok(answer)
    }
}

/// The same mapping, with the path left out where it is empty; `None` if no argument is the path alone.
fn without_empty_path(mapping: &Mapping) -> Option<Mapping> {
    let arguments = mapping.arguments.as_object()?;
    let (name, _) = arguments.iter().find(|(_, value)| **value == "{path}")?;
    let mut omitted = mapping.clone();
    omitted.omit_when_empty.push(name.clone());
    (!mapping.omit_when_empty.contains(name)).then_some(omitted)
}

/// The shape with which a result contains what Vault holds.
///
/// # Errors
/// If it does not: what it contains.
fn confirm(sample: &Sample, whole: &str, secrets: &Secrets) -> Result<ResultShape, String> {
    let operation = sample.operation;
    let result: Value = serde_json::from_str(whole).unwrap_or_default();
    if operation == Operation::Kv(Kv::Metadata) && secrets.found_in(whole).is_some() {
        return Err("its answer has the values of the secret".to_owned());
    }
    let shapes = shapes(operation, &result, &sample.expected.data);
    let found = with_most_facts(operation, shapes, &result, &sample.expected);
    let missing = || {
        let shown: String = whole.chars().take(300).collect();
        format!("its answer does not have what Vault holds: {shown}")
    };
    let shape = found.ok_or_else(missing)?;
    let enough = match operation {
        _ if operation.has_data() => 0,
        Operation::Pki(Pki::ReadRole) => ENOUGH_SETTINGS,
        _ => 1,
    };
    match shape.facts.len() >= enough {
        true => Ok(shape),
        false => Err(missing()),
    }
}

/// The first of the shapes in which most facts are found, with them.
pub(super) fn with_most_facts(
    operation: Operation,
    shapes: Vec<ResultShape>,
    result: &Value,
    expected: &Expected,
) -> Option<ResultShape> {
    let with_facts = shapes.into_iter().map(|shape| {
        let facts = facts(operation, &shape, result, expected);
        ResultShape { facts, ..shape }
    });
    // Of equal ones `max_by_key` returns the last.
    with_facts.rev().max_by_key(|shape| shape.facts.len())
}
