//! Tries out the tools that may perform an operation that writes: Vault must have the effect.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    MOST_CALLS,
    reads::{Drafting, with_most_facts},
};
use crate::{
    act::Act,
    adapter::mapping::{ResultShape, Shapes},
    cause::tells_of_limit,
    engines::{Kv, Operation},
    init::{
        findings::{Entry, Miss, State},
        guess::Candidate,
        pointers::{Expected, Fact, shapes},
    },
    instance::{
        answer::{Answer, read},
        setup::Setup,
    },
    mcp::inbox::Reply,
    plan::Planned,
    scenario::Scenario,
    suite::probes::own_mount,
    vault::dedicated::DedicatedVaults,
    verdict::{StepEnd, StepResult},
    vocabulary::{
        answered,
        effect::{self, WRITES},
        given,
        kv::kv,
        stage,
    },
};

impl Drafting<'_> {
    /// Tries the operations that write; whether the server accepted all calls, rather than reject one as one too many.
    ///
    /// # Errors
    /// If Vault rejects a request of the suite.
    pub(super) async fn writes(
        &mut self,
        planned: &Arc<Planned>,
        own_vaults: &DedicatedVaults,
    ) -> Result<bool, String> {
        for operation in Operation::ALL
            .into_iter()
            .filter(|operation| !operation.reads())
        {
            let all = self.candidates(operation);
            let mut misses = Vec::new();
            for candidate in all.iter().take(MOST_CALLS).filter(|_| !self.is_closed) {
                let target = self.target_with(operation, &candidate.draft.mapping);
                let mut scenario = Scenario::new(
                    Arc::clone(planned),
                    target,
                    Arc::clone(self.slots),
                    Arc::clone(self.oracle),
                    self.prepared.seed,
                );
                scenario.prefix = format!("{}-", own_mount(self.oracle));
                let mut outcome = try_write(&mut scenario, operation, candidate).await;
                if WRITES.contains(&operation) {
                    outcome = try_new(&mut scenario, candidate, outcome).await;
                }
                let last = scenario.calls.last.as_ref();
                let succeeded = last.is_some_and(|last| matches!(last.answer, Answer::Success(_)));
                let removed = self.oracle.remove_mounts(&scenario.prefix).await;
                let reusable = !scenario.calls.is_unanswered();
                let not_released = scenario.release(own_vaults, reusable).await;
                removed.map_err(|error| error.to_string())?;
                if !not_released.is_empty() {
                    return Err(not_released.join("; "));
                }
                match outcome {
                    // A tool that replaces a secret also writes the only key of a new one.
                    Ok(entry) if entry.mapping.create_only && self.replaces_with(&entry) => {
                        misses.push(Miss {
                            tool: candidate.form.tool.clone(),
                            why: "it replaces the secret".to_owned(),
                            succeeded,
                        });
                    }
                    Ok(entry) => {
                        self.found.entries.push(entry);
                        break;
                    }
                    Err(why) if tells_of_limit(&why) => return Ok(false),
                    Err(why) => misses.push(Miss {
                        tool: candidate.form.tool.clone(),
                        why,
                        succeeded,
                    }),
                }
            }
            if self
                .found
                .entries
                .iter()
                .all(|entry| entry.operation != operation)
            {
                self.found
                    .entries
                    .extend(Entry::unconfirmed(operation, &all, &misses));
            }
        }
        Ok(true)
    }
}

impl Drafting<'_> {
    /// Whether the same tool was found to replace secrets.
    fn replaces_with(&self, entry: &Entry) -> bool {
        let mut found = self.found.entries.iter();
        entry.operation == Operation::Kv(Kv::WriteKey)
            && found.any(|other| {
                other.operation == Operation::Kv(Kv::Write)
                    && other.mapping.tools == entry.mapping.tools
            })
    }
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
