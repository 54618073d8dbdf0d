//! Finds out which tools of a server perform which operation, by calls on a Vault of the suite's own.

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc};

use serde_json::{Value, json};

use super::{
    Builder, SuiteError,
    prepared::Prepared,
    probes::{is_somebodys, own_mount},
    samples::{Sample, Samples, grant, remove_own_mounts},
};
use crate::{
    act::Act,
    adapter::mapping::{Mapping, ResultShape, Shapes},
    cause::tells_of_limit,
    engines::{Kv, Operation, Parameters, Pki},
    init::{
        draft::TOKEN,
        findings::{Entry, Findings, Miss, State, names},
        guess::{Candidate, candidates},
        pages,
        pointers::{Expected, Fact, facts, shapes},
        tools::{Form, forms},
    },
    instance::{
        answer::{Answer, Arguments, Data, ToolCall, read, text_of},
        setup::Setup,
    },
    mcp::inbox::Reply,
    plan::Spoken,
    rate::Rate,
    redact::Secrets,
    scenario::Scenario,
    slot::{Slot, SlotError, Slots, reach},
    target::Target,
    vault::{
        dedicated::DedicatedVaults,
        oracle::{Oracle, OracleError},
        provider::{Vault, VaultChoice},
    },
    verdict::{StepEnd, StepResult},
    vocabulary::{
        answered,
        effect::{self, WRITES},
        given,
        kv::kv,
        stage,
    },
};

/// How many calls are tried for one operation.
const MOST_CALLS: usize = 8;
/// How many facts of a role must be found in an answer that is about one.
const ENOUGH_SETTINGS: usize = 3;
/// The headers in which a server may expect the token, one after the other.
const TOKEN_HEADERS: [(&str, &str); 2] = [
    ("X-Vault-Token", "{vault_token}"),
    ("Authorization", "Bearer {vault_token}"),
];
/// The limits on calls to which the suite keeps if a server rejects calls as too many, one after the other.
const LIMITS: [(u32, u32); 3] = [(5, 10), (2, 4), (1, 1)];
/// The mount of a server that works on one mount only, if its configuration does not name it: the one of a new Vault.
const USUAL_MOUNT: &str = "secret";

/// How an attempt differs from the draft.
#[derive(Clone, Default)]
struct Attempt {
    headers: BTreeMap<String, String>,
    limit: Option<Rate>,
}

/// The result of an attempt.
enum Attempted {
    Found(Box<Findings>),
    /// The server rejected a call as one too many.
    Limited,
}

/// What trying the candidates of one operation showed.
enum Tried {
    Entry(Box<Entry>),
    /// None performs it.
    None(Vec<Miss>),
    Limited,
}

impl Builder {
    /// Starts the target, and finds out which of its tools perform which operation.
    ///
    /// # Errors
    /// As [`Builder::check`].
    pub async fn draft(self) -> Result<Findings, SuiteError> {
        let mut prepared = self.prepare().await?;
        let is_remote = prepared.target.adapter.remote.is_some();
        if is_remote && prepared.vault.choice != VaultChoice::External {
            return prepared.list_tools().await;
        }
        let vault = prepared.start_vault().await?;
        let found = prepared.draft_on(&vault).await;
        let stopped = vault.stop().await;
        stopped.map_err(|error| prepared.unusable(&error))?;
        found
    }
}

impl Prepared {
    /// What the names of the tools show, without a call: the Vault of the server is not known.
    async fn list_tools(&self) -> Result<Findings, SuiteError> {
        let transport = self.transports.first().copied();
        let transport = transport.ok_or_else(|| self.unusable(&"the draft has no transport"))?;
        let reached = reach(&self.target.adapter, transport, None, None);
        let reached = self.interrupt.run_until_cancelled(reached).await;
        let slot = match reached {
            None => return Err(self.interrupted()),
            Some(Err(problem)) => return Err(self.unusable(&problem)),
            Some(Ok(slot)) => slot,
        };
        let tools = &slot.instance.tools;
        let forms = forms(tools);
        let guessed = Operation::ALL.into_iter().filter_map(|operation| {
            Entry::unconfirmed(operation, &candidates(operation, &forms), &[])
        });
        Ok(Findings {
            tools: names(tools),
            entries: guessed.collect(),
            untried: Some(
                "the server already runs, with a Vault that is not known: nothing was called"
                    .to_owned(),
            ),
            ..Findings::default()
        })
    }

    async fn draft_on(&mut self, vault: &Vault) -> Result<Findings, SuiteError> {
        let plain = Arc::clone(&self.target);
        let mut attempt = Attempt::default();
        let mut limits = LIMITS.into_iter().filter_map(|(per_second, burst)| {
            let (per_second, burst) = (NonZeroU32::new(per_second)?, NonZeroU32::new(burst)?);
            Some(Rate { per_second, burst })
        });
        let mut headers = TOKEN_HEADERS.iter();
        loop {
            self.target = Arc::new(attempt.apply(&plain));
            let (oracle, slots) = self.stage(vault)?;
            let work = self.attempt(vault, &oracle, &slots);
            let looked = self.interrupt.run_until_cancelled(work).await;
            let mut left = slots.close().await;
            left.extend(oracle.clean_up().await);
            let looked = looked.ok_or_else(|| self.interrupted())?;
            if !left.is_empty() {
                return Err(self.unusable(&left.join("\n")));
            }
            let takes_headers = self.target.adapter.http.is_some();
            let (is_limited, is_refused) = match &looked {
                Ok(Attempted::Limited) => (true, false),
                Ok(Attempted::Found(found)) => {
                    (false, found.uses_token != Some(true) && takes_headers)
                }
                Err(problem) => (
                    false,
                    takes_headers && ["401", "403"].iter().any(|status| problem.contains(status)),
                ),
            };
            if is_limited && let Some(limit) = limits.next() {
                attempt.limit = Some(limit);
                continue;
            }
            if is_refused && let Some((name, value)) = headers.next() {
                attempt.headers = BTreeMap::from([((*name).to_owned(), (*value).to_owned())]);
                continue;
            }
            return match looked {
                Err(problem) => Err(self.unusable(&problem)),
                Ok(Attempted::Limited) => {
                    Err(self.unusable(&"the server rejects even one call a second as too many"))
                }
                Ok(Attempted::Found(mut found)) => {
                    found.limit = attempt.limit;
                    if found.uses_token == Some(true) {
                        found.headers = attempt.headers;
                    }
                    Ok(*found)
                }
            };
        }
    }

    /// Starts the target, lists its tools, and tries them out.
    async fn attempt(
        &self,
        vault: &Vault,
        oracle: &Arc<Oracle>,
        slots: &Arc<Slots>,
    ) -> Result<Attempted, String> {
        let Some(&transport) = self.transports.first() else {
            return Err("the draft has no transport".to_owned());
        };
        let slot = match slots.try_out(transport, None).await {
            Ok(slot) => slot,
            Err(SlotError::Target(problem)) => return Err(problem.to_string()),
            Err(problem) => return Err(problem.to_string()),
        };
        let _step = self.progress.step("trying out the tools".to_owned());
        let tools = slot.instance.tools.clone();
        let forms = forms(&tools);
        let mut drafting = Drafting {
            prepared: self,
            oracle,
            slots,
            forms: &forms,
            mount: None,
            found: Findings {
                tools: names(&tools),
                ..Findings::default()
            },
            is_closed: is_somebodys(vault),
        };
        let revision = slot.kind.revision;
        let outcome = drafting.reads(slot).await?;
        let Some(slot) = outcome else {
            return Ok(Attempted::Limited);
        };
        drafting.found.uses_token = slot.uses_its_token();
        slots.give_back(slot).await?;
        if drafting.is_closed {
            drafting.found.untried =
                Some("somebody else runs this Vault: tools that write were not called".to_owned());
        }
        let plan = self.plan(&[Spoken::alone(transport, revision)]);
        if let Some(planned) = plan.first() {
            let own_vaults = DedicatedVaults::like(vault);
            for operation in Operation::ALL
                .into_iter()
                .filter(|operation| !operation.reads())
            {
                let all = drafting.candidates(operation);
                let mut misses = Vec::new();
                for candidate in all.iter().take(MOST_CALLS).filter(|_| !drafting.is_closed) {
                    let target = drafting.target_with(operation, &candidate.draft.mapping);
                    let mut scenario = Scenario::new(
                        Arc::clone(planned),
                        target,
                        Arc::clone(slots),
                        Arc::clone(oracle),
                        self.seed,
                    );
                    scenario.prefix = format!("{}-", own_mount(oracle));
                    let mut outcome = try_write(&mut scenario, operation, candidate).await;
                    if WRITES.contains(&operation) {
                        outcome = try_new(&mut scenario, candidate, outcome).await;
                    }
                    let last = scenario.calls.last.as_ref();
                    let succeeded =
                        last.is_some_and(|last| matches!(last.answer, Answer::Success(_)));
                    let removed = oracle.remove_mounts(&scenario.prefix).await;
                    let reusable = !scenario.calls.is_unanswered();
                    let not_released = scenario.release(&own_vaults, reusable).await;
                    removed.map_err(|error| error.to_string())?;
                    if !not_released.is_empty() {
                        return Err(not_released.join("; "));
                    }
                    match outcome {
                        Ok(entry) => {
                            drafting.found.entries.push(entry);
                            break;
                        }
                        Err(why) if tells_of_limit(&why) => return Ok(Attempted::Limited),
                        Err(why) => misses.push(Miss {
                            tool: candidate.form.tool.clone(),
                            why,
                            succeeded,
                        }),
                    }
                }
                if drafting
                    .found
                    .entries
                    .iter()
                    .all(|entry| entry.operation != operation)
                {
                    drafting
                        .found
                        .entries
                        .extend(Entry::unconfirmed(operation, &all, &misses));
                }
            }
        }
        let mut found = drafting.found;
        found.mount = drafting.mount;
        found.entries.sort_by_key(|entry| entry.operation);
        Ok(Attempted::Found(Box::new(found)))
    }
}

impl Attempt {
    fn apply(&self, target: &Target) -> Target {
        let mut target = target.clone();
        if let Some(http) = &mut target.adapter.http {
            http.headers.extend(self.headers.clone());
            if !self.headers.is_empty() {
                http.env.retain(|_, value| value != TOKEN);
            }
        }
        target.adapter.limits.session = self.limit;
        target
    }
}

/// One attempt.
struct Drafting<'a> {
    prepared: &'a Prepared,
    oracle: &'a Arc<Oracle>,
    slots: &'a Arc<Slots>,
    forms: &'a [Form],
    /// The only mount of the server, if it seems to have one.
    mount: Option<String>,
    found: Findings,
    /// Whether somebody else runs the Vault, so that only tools that read are called.
    is_closed: bool,
}

impl Drafting<'_> {
    fn candidates(&self, operation: Operation) -> Vec<Candidate> {
        let is_fixed = self.mount.is_some();
        let mut candidates = candidates(operation, self.forms);
        candidates.retain(|candidate| {
            !matches!(operation, Operation::Kv(_))
                || candidate.draft.placing.is_for_one_mount() == is_fixed
        });
        candidates
    }

    /// The target with this mapping of one operation.
    fn target_with(&self, operation: Operation, mapping: &Mapping) -> Arc<Target> {
        let mut target = (*self.prepared.target).clone();
        target.adapter.operations = BTreeMap::from([(operation, mapping.clone())]);
        target.adapter.mount.clone_from(&self.mount);
        Arc::new(target)
    }

    /// Tries the operations that read, in mounts of both KV versions; `None` if the server limits calls.
    async fn reads(&mut self, mut slot: Slot) -> Result<Option<Slot>, String> {
        let in_vault = |error: OracleError| error.to_string();
        for fixed in [None, Some(USUAL_MOUNT.to_owned())] {
            let is_second = fixed.is_some();
            if is_second && (self.is_closed || self.has(Operation::Kv(Kv::Read))) {
                break;
            }
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
            let mapping = self.found.entries[index].mapping.clone();
            if let Answer::Success(success) = self.call(slot, &sample, &mapping, 2).await?
                && let Data::Unusable(_) = success.data
            {
                let result = serde_json::from_str(&success.whole).unwrap_or_default();
                let words = text_of(&result);
                // Words that name the mount are others for each list.
                if !words.contains(&empty) && !words.is_empty() {
                    let shape = mapping.result.of(2).clone();
                    let shape = ResultShape {
                        empty: Some(words),
                        ..shape
                    };
                    self.found.entries[index].mapping.result = Shapes::from(shape);
                }
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
fn with_most_facts(
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

/// Lets a candidate perform an operation that writes, and looks for the effect in Vault and for the facts in the answer.
///
/// # Errors
/// If the effect is missing: why.
async fn try_write(
    scenario: &mut Scenario,
    operation: Operation,
    candidate: &Candidate,
) -> Result<Entry, String> {
    let words = |end: StepEnd| match end {
        StepEnd::Failed { expected, actual } => format!("expected {expected}, saw {actual}"),
        StepEnd::Blocked { why } => why,
        other => format!("{other:?}"),
    };
    begin(scenario, operation).await.map_err(words)?;
    let shape = find_facts(scenario, operation).await.map_err(words)?;
    answered::expect_success(scenario).map_err(words)?;
    effect::expect_whole_effect(scenario).await.map_err(words)?;
    let mut entry = Entry::of(operation, candidate, State::Confirmed);
    entry.mapping.result = Shapes::from(shape);
    Ok(entry)
}

/// Starts the server, and lets it perform an operation on its stage.
async fn begin(scenario: &mut Scenario, operation: Operation) -> StepResult {
    scenario.start_server(Setup::default()).await?;
    given::forget_mounts(scenario);
    stage::let_agent_do(scenario, operation).await
}

/// The shape with which most facts are found in the last answer. The answer then has them: some effects show in it.
async fn find_facts(scenario: &mut Scenario, operation: Operation) -> StepResult<ResultShape> {
    let Answer::Success(success) = &scenario.last()?.answer else {
        return Ok(ResultShape::default());
    };
    let result: Value = serde_json::from_str(&success.whole).unwrap_or_default();
    let expected = Expected {
        data: Value::Null,
        facts: facts_of_write(scenario, operation).await?,
    };
    let shapes = shapes(operation, &result, &Value::Null);
    let shape = with_most_facts(operation, shapes, &result, &expected).unwrap_or_default();
    let mut target = (*scenario.target).clone();
    if let Some(mapping) = target.adapter.operations.get_mut(&operation) {
        mapping.result = Shapes::from(shape.clone());
    }
    scenario.target = Arc::new(target);
    if let Some(last) = &mut scenario.calls.last {
        last.answer = read(operation, &shape, &Reply::Result(result));
    }
    Ok(shape)
}

/// Lets a candidate write a secret that does not exist, where the one that exists was written or not, as `outcome`
/// says.
///
/// # Errors
/// If it wrote neither: why.
async fn try_new(
    scenario: &mut Scenario,
    candidate: &Candidate,
    outcome: Result<Entry, String>,
) -> Result<Entry, String> {
    let Some(operation) = scenario.target.adapter.operations.keys().next().copied() else {
        return outcome;
    };
    let created = perform_on_new(scenario, operation).await;
    match (outcome, created) {
        (Ok(mut entry), Err(StepEnd::Failed { .. })) => {
            entry.mapping.existing_only = true;
            Ok(entry)
        }
        (Err(_), Ok(())) => {
            let mut entry = Entry::of(operation, candidate, State::Confirmed);
            entry.mapping.create_only = true;
            Ok(entry)
        }
        (outcome, _) => outcome,
    }
}

async fn perform_on_new(scenario: &mut Scenario, operation: Operation) -> StepResult {
    const NEW: &str = "new/secret";
    let mount = scenario.mount()?.to_owned();
    let value = scenario.canary("value that the agent writes", true);
    let act = match operation {
        Operation::Kv(Kv::Write) => {
            let data = given::random_data(scenario, &["password"], true);
            Act::replace(&mount, NEW, data)
        }
        _ => Act::write(&mount, NEW, "password", &value),
    };
    scenario.let_agent(act).await?;
    answered::expect_success(scenario)?;
    effect::expect_effect(scenario).await
}

/// The facts that the answer to a write can have.
async fn facts_of_write(
    scenario: &Scenario,
    operation: Operation,
) -> StepResult<Vec<(&'static str, Fact)>> {
    let facts = operation.facts().iter();
    let version = match (operation, facts.len()) {
        (_, 0) => return Ok(Vec::new()),
        (Operation::Kv(_), _) => {
            let path = scenario.last()?.act.secret().unwrap_or_default().to_owned();
            let mount = kv(scenario)?.path.clone();
            let metadata = scenario.oracle.metadata(&mount, &path).await;
            metadata.map_err(StepEnd::blocked)?["current_version"].clone()
        }
        _ => json!(null),
    };
    let known = |fact: &&'static str| match *fact {
        "version" => (*fact, Fact::Is(version.clone())),
        "certificate" => (*fact, Fact::Pem("CERTIFICATE")),
        "private_key" => (*fact, Fact::Pem("PRIVATE KEY")),
        _ => (*fact, Fact::Named),
    };
    Ok(facts.map(known).collect())
}
