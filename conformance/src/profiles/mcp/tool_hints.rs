//! Performs operations one by one and compares their effects with what the server declares about their tools.

use serde_json::{Map, Value};

use super::{
    McpState,
    tools::{self, name_of},
};
use crate::{
    act::Act,
    engines::Operation,
    instance::answer::{Answer, Arguments},
    scenario::{Scenario, calls::CallOptions},
    schema,
    verdict::{StepEnd, StepResult},
    vocabulary::{given, stage},
};

/// An operation that was performed.
pub(crate) struct HintedCall {
    operation: Operation,
    /// Its tool, as listed.
    tool: Value,
    /// The result of a success.
    result: Option<Value>,
    /// Whether Vault had changed after it, if this was checked; if it was performed twice, after the second time.
    changed: bool,
}

/// A hint of a tool that can be compared with Vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// It only reads.
    ReadOnly,
    /// Calling it twice is like calling it once.
    Idempotent,
}

impl Hint {
    fn given_by(self, tool: &Value) -> bool {
        let name = match self {
            Self::ReadOnly => "readOnlyHint",
            Self::Idempotent => "idempotentHint",
        };
        tool["annotations"][name] == true
    }
}

/// Lets the agent perform every operation that the target offers, each in mounts of its own.
///
/// # Errors
/// If Vault fails.
pub(crate) async fn do_everything(scenario: &mut Scenario) -> StepResult {
    do_all(scenario, |_, _| true, None).await
}

/// Lets the agent perform every operation that writes and whose tool has this hint, and checks whether Vault changes.
///
/// # Errors
/// If Vault fails.
pub(crate) async fn do_hinted(scenario: &mut Scenario, hint: Hint) -> StepResult {
    let wanted = |operation: Operation, tool: &Value| !operation.reads() && hint.given_by(tool);
    do_all(scenario, wanted, Some(hint)).await
}

async fn do_all(
    scenario: &mut Scenario,
    wanted: impl Fn(Operation, &Value) -> bool,
    hint: Option<Hint>,
) -> StepResult {
    let prefix = scenario.prefix.clone();
    let mut outcome = Ok(());
    for (number, operation) in Operation::ALL.into_iter().enumerate() {
        let tool = tools::tool_of(scenario, operation).filter(|tool| wanted(operation, tool));
        let Some(tool) = tool.cloned() else {
            continue;
        };
        scenario.prefix = format!("{prefix}{number}-");
        match do_one(scenario, operation, tool, hint).await {
            Ok(done) => scenario.state_mut::<McpState>().hinted.push(done),
            // Other requirements check that the operation works.
            Err(StepEnd::Failed { .. } | StepEnd::NotApplicable { .. }) => {}
            Err(stop) => outcome = Err(stop),
        }
        if scenario.calls.is_unanswered() || outcome.is_err() {
            break;
        }
    }
    scenario.prefix = prefix;
    outcome
}

async fn do_one(
    scenario: &mut Scenario,
    operation: Operation,
    tool: Value,
    hint: Option<Hint>,
) -> StepResult<HintedCall> {
    given::forget_mounts(scenario);
    let act = stage::set_stage(scenario, operation, "pki").await?;
    let before = match hint {
        Some(Hint::ReadOnly) => Some(scenario.snapshot().await?),
        _ => None,
    };
    let answer = perform(scenario, &act, Arguments::All).await?;
    let result = match &answer {
        Answer::Success(success) => serde_json::from_str(&success.whole).ok(),
        _ => None,
    };
    let before = match hint {
        Some(Hint::Idempotent) if result.is_some() => {
            let between = scenario.snapshot().await?;
            perform(scenario, &act, Arguments::All).await?;
            Some(between)
        }
        _ => before,
    };
    let changed = match before {
        Some(before) => scenario.snapshot().await? != before,
        None => false,
    };
    Ok(HintedCall {
        operation,
        tool,
        result,
        changed,
    })
}

/// Performs an act without a snapshot.
async fn perform(scenario: &Scenario, act: &Act, arguments: Arguments<'_>) -> StepResult<Answer> {
    let options = CallOptions {
        arguments,
        ..CallOptions::default()
    };
    Ok(scenario.call(act.clone(), options).await?.answer)
}

/// Some operations that the target offers must have succeeded.
fn successes(scenario: &Scenario) -> StepResult<Vec<(&HintedCall, &Value)>> {
    let deeds = scenario.state::<McpState>().hinted.iter();
    let successes: Vec<_> = deeds
        .filter_map(|done| Some((done, done.result.as_ref()?)))
        .collect();
    match successes.is_empty() {
        true => Err(StepEnd::no_evidence("no operation succeeded")),
        false => Ok(successes),
    }
}

/// Operations whose tools have a hint must have changed Vault only as the hint says.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_hints_true(scenario: &Scenario) -> StepResult {
    let wrong = scenario
        .state::<McpState>()
        .hinted
        .iter()
        .filter(|done| done.changed);
    let wrong: Vec<_> = wrong
        .map(|done| format!("{} ({})", name_of(&done.tool), done.operation))
        .collect();
    match wrong.is_empty() {
        true => Ok(()),
        false => {
            let expected = "no change in Vault by a tool that is declared as read-only";
            Err(scenario.failed(expected, &wrong.join(", ")))
        }
    }
}

/// Each successful result of a tool with an output schema must be valid for it.
///
/// # Errors
/// If one is not; not applicable if no tool has an output schema.
pub(crate) fn expect_results_fit(scenario: &Scenario) -> StepResult {
    let mut judged = false;
    for (done, result) in successes(scenario)? {
        let Some(schema) = done.tool.get("outputSchema") else {
            continue;
        };
        judged = true;
        let expected = format!(
            "structuredContent that fits the schema of {}",
            name_of(&done.tool)
        );
        let Some(content) = result.get("structuredContent") else {
            return Err(scenario.failed(expected, &result.to_string()));
        };
        // Another requirement checks that the schema is valid.
        let Ok(validator) = schema::validator(schema) else {
            continue;
        };
        if let Err(error) = validator.validate(content) {
            let seen = format!(
                "{} at {:?}: {error}",
                done.operation,
                error.instance_path().as_str()
            );
            return Err(scenario.failed(expected, &seen));
        }
    }
    match judged {
        true => Ok(()),
        false => Err(StepEnd::not_claimed("no tool has an output schema")),
    }
}

/// The text in an object that holds nothing else. SDKs make such objects of the text that a tool returns, so the text
/// says all that the object does.
fn wrapped(content: &Value) -> Option<&str> {
    let fields = content.as_object().filter(|fields| fields.len() == 1)?;
    fields.values().next()?.as_str()
}

/// If a result has structured content, its text should have the same content.
///
/// # Errors
/// If it has not; not applicable if no result has structured content.
pub(crate) fn expect_text_says_the_same(scenario: &Scenario) -> StepResult {
    let mut judged = false;
    for (done, result) in successes(scenario)? {
        let Some(content) = result.get("structuredContent") else {
            continue;
        };
        judged = true;
        let mut texts = result["content"].as_array().into_iter().flatten();
        let says_it = |item: &Value| {
            let text = item["text"].as_str().unwrap_or_default();
            serde_json::from_str::<Value>(text).is_ok_and(|said| said == *content)
                || wrapped(content) == Some(text)
        };
        if !texts.any(says_it) {
            let expected = format!(
                "a text with the same content as the structuredContent of {}",
                name_of(&done.tool)
            );
            return Err(scenario.failed(expected, &result.to_string()));
        }
    }
    match judged {
        true => Ok(()),
        false => Err(StepEnd::not_claimed("no result has structuredContent")),
    }
}

/// Performs operations that only read: with all arguments, only with those that the tool's schema requires or that
/// identify the object, and without each of the others. What works with all must work with these.
///
/// # Errors
/// If this is not the case.
pub(crate) async fn read_without_optionals(scenario: &mut Scenario) -> StepResult {
    stage::make_shared_stage(scenario).await?;
    scenario.ledger.disclose_all();
    let mut judged = 0;
    for operation in Operation::ALL
        .into_iter()
        .filter(|operation| operation.reads())
    {
        if tools::tool_of(scenario, operation).is_none() {
            continue;
        }
        let act = stage::act_on_shared_stage(scenario, operation).await?;
        if !matches!(
            perform(scenario, &act, Arguments::All).await?,
            Answer::Success(_)
        ) {
            // Other requirements check this.
            continue;
        }
        let answer = match perform(scenario, &act, Arguments::RequiredOnly).await {
            Err(StepEnd::NotApplicable { .. }) => continue,
            other => other?,
        };
        let expect_success = |answer: &Answer, with: &str| match answer {
            Answer::Success(_) => Ok(()),
            other => {
                let expected = format!("{operation} works {with}, as it does with all arguments");
                Err(scenario.failed(expected, &other.describe()))
            }
        };
        expect_success(&answer, "with the arguments that its tool requires")?;
        let names = |arguments| -> StepResult<Vec<String>> {
            let call = scenario.tool_call_with(&act, arguments)?;
            let arguments = call.params["arguments"].as_object();
            Ok(arguments.into_iter().flat_map(Map::keys).cloned().collect())
        };
        let required = names(Arguments::RequiredOnly)?;
        for optional in names(Arguments::All)? {
            if !required.contains(&optional) {
                let answer = perform(scenario, &act, Arguments::Without(&optional)).await?;
                expect_success(&answer, &format!("without its argument {optional:?}"))?;
            }
        }
        judged += 1;
    }
    match judged {
        0 => Err(StepEnd::no_evidence(
            "no operation that only reads could be called both ways",
        )),
        _ => Ok(()),
    }
}
