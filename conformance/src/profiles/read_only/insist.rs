//! A read-only server that is asked to write: the calls, and the expected answers.

use std::sync::LazyLock;

use http::Method;
use regex::Regex;
use serde_json::json;

use crate::{
    engines::Operation,
    instance::answer::{Answer, Arguments},
    mcp::connection::Said,
    scenario::{
        Scenario,
        calls::{CallOptions, CallRecord},
    },
    tap::Tap,
    verdict::{StepEnd, StepResult},
    vocabulary::stage,
};

/// Requests that write to Vault's API, but change nothing that a client of the server can see.
const NO_WRITES: [&str; 3] = [
    "/v1/sys/capabilities-self",
    "/v1/auth/token/lookup-self",
    "/v1/auth/token/renew-self",
];

/// Words that mean that the mode prevents the call, or that there is no such tool.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static PLAIN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)read[ _-]?only|disabled|(not|never|un)[ _-]?(be )?(enabled|allowed|permitted|available|found|known|supported)|unknown|no such|invalid tool",
    )
    .unwrap()
});

/// The results of calls in batches.
#[derive(Default)]
struct Batches(Vec<Said>);

/// Lets the agent call an operation by the name of its tool, by similar names, and in a batch.
///
/// # Errors
/// If Vault rejects a request that prepares the operation.
pub(crate) async fn let_agent_insist(scenario: &mut Scenario, operation: Operation) -> StepResult {
    let act = stage::set_stage(scenario, operation, "pki").await?;
    let (before, passed) = (scenario.snapshot().await?, scenario.tap()?.passed());
    let target = scenario.target.clone();
    let mapping = target.adapter.operations.get(&operation);
    for tool in mapping.iter().flat_map(|mapping| &mapping.tools) {
        for name in spellings(tool) {
            let options = CallOptions {
                arguments: Arguments::Named(&name),
                ..CallOptions::default()
            };
            let record = CallRecord {
                before: before.clone(),
                passed,
                ..scenario.call(act.clone(), options).await?
            };
            scenario.calls.last.get_or_insert_with(|| record.clone());
            scenario.calls.several.push(record);
            if scenario.calls.is_unanswered() {
                return Ok(());
            }
        }
        let arguments = mapping.map(|mapping| mapping.arguments(&act.parameters));
        let said = scenario.call_in_batch(tool, &json!(arguments)).await?;
        scenario.state_mut::<Batches>().0.push(said);
    }
    Ok(())
}

/// Every call must have returned an error.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_errors_throughout(scenario: &Scenario) -> StepResult {
    let succeeded = |said: &&Said| said.success().is_some();
    if let Some(said) = scenario.state::<Batches>().0.iter().find(succeeded) {
        return Err(scenario.failed("an error to a call in a batch, too", &said.describe()));
    }
    let other = |answer: &&Answer| !matches!(answer, Answer::Error(_));
    match scenario
        .calls
        .several
        .iter()
        .map(|deed| &deed.answer)
        .find(other)
    {
        None if scenario.calls.several.is_empty() => Err(StepEnd::blocked("nothing was asked for")),
        None => Ok(()),
        Some(answer) => Err(scenario.failed("an error to each call", &answer.describe())),
    }
}

/// Every error must say that the server is read-only, or that it has no such tool.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_plain_refusals(scenario: &Scenario) -> StepResult {
    let answers = scenario.calls.several.iter().map(|record| &record.answer);
    let errors: Vec<_> = answers
        .filter_map(|answer| match answer {
            Answer::Error(text) => Some(text),
            _ => None,
        })
        .collect();
    if errors.is_empty() {
        let why = "no call returned an error (read_only.no-write is about that)";
        return Err(StepEnd::precondition(why));
    }
    let demanded = "an error which says that the server is read-only, or has no such tool";
    match errors.into_iter().find(|text| !PLAIN.is_match(text)) {
        None => Ok(()),
        Some(text) => Err(scenario.failed(demanded, &format!("an error: {text}"))),
    }
}

/// No request that writes may have passed the tap since the agent acted.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_no_write_at_vault(scenario: &Scenario) -> StepResult {
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS];
    let exchanges = scenario.slot()?.tap.as_ref().map(Tap::exchanges);
    let write = exchanges.into_iter().flatten().find(|exchange| {
        !reads.contains(&exchange.method)
            && exchange.method.as_str() != "LIST"
            && !NO_WRITES.contains(&exchange.path.as_str())
    });
    match write {
        None => Ok(()),
        Some(write) => {
            let seen = format!("{} {} -> {}", write.method, write.path, write.status);
            Err(scenario.failed("no request to Vault but reads", &seen))
        }
    }
}

/// A tool's name, and names that a careless comparison accepts for it.
fn spellings(tool: &str) -> Vec<String> {
    let words: Vec<_> = tool.split(['_', '-', '.']).collect();
    let camel: String = (words.iter().enumerate())
        .map(|(number, word)| match (number, word.chars().next()) {
            (1.., Some(first)) => first.to_uppercase().to_string() + &word[first.len_utf8()..],
            _ => (*word).to_owned(),
        })
        .collect();
    let mut spellings = vec![
        tool.to_owned(),
        tool.to_uppercase(),
        camel,
        words.join("-"),
        format!("{tool} "),
        format!("vault_{tool}"),
    ];
    let mut seen = Vec::new();
    spellings.retain(|name| {
        let new = !seen.contains(name);
        seen.push(name.clone());
        new
    });
    spellings
}

#[cfg(test)]
mod tests {
    use super::{PLAIN, spellings};

    #[test]
    fn a_tool_is_asked_for_by_names_that_mean_the_same() {
        assert_eq!(
            spellings("write_secret"),
            [
                "write_secret",
                "WRITE_SECRET",
                "writeSecret",
                "write-secret",
                "write_secret ",
                "vault_write_secret"
            ]
        );
        assert_eq!(spellings("put"), ["put", "PUT", "put ", "vault_put"]);
    }

    #[test]
    fn a_refusal_is_plain_if_it_tells_of_the_mode_or_of_the_tool() {
        for text in [
            "this server is read-only",
            "unknown tool \"write_secret\"",
            "tool 'x' not found: tool not found",
            "-32602 tool not found",
            "write operations are disabled",
        ] {
            assert!(PLAIN.is_match(text), "{text}");
        }
        for text in ["internal error", "failed to write secret", ""] {
            assert!(!PLAIN.is_match(text), "{text}");
        }
    }
}
