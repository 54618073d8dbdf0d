//! Which token a server uses, if any, for a call that it must reject.

use secrecy::SecretString;

use super::about;
use crate::{
    instance::{StartError, answer::Answer},
    mcp::connection::Said,
    scenario::Scenario,
    tap::{Exchange, Tap, TokenPrint},
    verdict::{StepEnd, StepResult},
};

/// The results of requests that the server must reject.
#[derive(Default)]
pub(crate) struct TokenUse {
    /// The answer to the other client, or to a request without a token.
    pub(crate) told: Option<Told>,
    /// Why the last server did not start, if it did not.
    refusal: Option<String>,
}

/// Why the last server did not start, if it did not.
pub(crate) fn refusal(scenario: &Scenario) -> Option<&String> {
    scenario.state::<TokenUse>().refusal.as_ref()
}

/// Keeps the reason why a server did not start, if it did not.
pub(crate) fn note_refusal(scenario: &mut Scenario, refusal: Option<StartError>) {
    scenario.state_mut::<TokenUse>().refusal = refusal.map(|refusal| refusal.to_string());
}

/// The result of a request for a secret.
pub(crate) struct Told {
    pub(crate) answer: Heard,
    /// How many requests had passed the tap before it.
    pub(crate) passed: usize,
}

pub(crate) enum Heard {
    /// The answer to a request as clients send it.
    Plainly(Answer),
    /// The answer to a request that no client sends.
    Raw(Said),
}

impl Heard {
    pub(crate) fn is_success(&self) -> bool {
        match self {
            Self::Plainly(answer) => matches!(answer, Answer::Success(_)),
            Self::Raw(said) => said.success().is_some(),
        }
    }

    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Plainly(answer) => answer.describe(),
            Self::Raw(said) => said.describe(),
        }
    }
}

pub(crate) fn passed(scenario: &Scenario) -> usize {
    scenario.tap().map_or(0, Tap::passed)
}

/// The requests about the scenario's mounts after the first `passed` ones.
pub(crate) fn asked_since(scenario: &Scenario, passed: usize) -> StepResult<Vec<Exchange>> {
    let exchanges = scenario.tap()?.exchanges().into_iter().skip(passed);
    Ok(exchanges
        .filter(|exchange| exchange.path.contains(&scenario.prefix))
        .collect())
}

/// The first request after the first `passed` ones with this token, or with any token if none is given.
pub(crate) fn brought_since(
    scenario: &Scenario,
    passed: usize,
    token: Option<&SecretString>,
) -> StepResult<Option<Exchange>> {
    let wanted = token.map(TokenPrint::of);
    let brought = |exchange: &Exchange| match wanted {
        Some(_) => exchange.token == wanted,
        None => exchange.token.is_some(),
    };
    Ok(asked_since(scenario, passed)?.into_iter().find(brought))
}

/// The request for a secret must have returned an error, without a value.
pub(crate) fn expect_not_given(scenario: &Scenario) -> StepResult<&Told> {
    let missing = || StepEnd::blocked("no client has requested the secret yet");
    let told = scenario
        .state::<TokenUse>()
        .told
        .as_ref()
        .ok_or_else(missing)?;
    let seen = told.answer.describe();
    if told.answer.is_success() {
        return Err(scenario.failed("an error", &seen));
    }
    if let Some(label) = scenario.ledger.all().found_in(&seen) {
        return Err(scenario.failed("an error without a value", &format!("the {label}")));
    }
    Ok(told)
}

/// The request for a secret must have returned an error, and no token may have been used for it.
///
/// # Errors
/// If it returned no error, or a token was used.
pub(crate) fn expect_no_token_used(scenario: &Scenario) -> StepResult {
    let told = expect_not_given(scenario)?;
    let used = brought_since(scenario, told.passed, None)?;
    expect_unused(scenario, used, "no request to Vault with any token")
}

pub(crate) fn expect_unused(
    scenario: &Scenario,
    used: Option<Exchange>,
    expected: &str,
) -> StepResult {
    match used {
        None => Ok(()),
        Some(Exchange {
            method,
            path,
            status,
            ..
        }) => {
            let seen = format!("{method} {path}, which Vault answered with {status}");
            Err(scenario.failed(expected, &seen))
        }
    }
}

/// The server must not have started, or the agent must receive an error for which no token is used.
///
/// # Errors
/// If the server performs the call; blocked if the scenario made no such secret.
pub(crate) async fn expect_refusal_or_error(scenario: &mut Scenario, path: &str) -> StepResult {
    let act = about::reading(scenario, path)?;
    if scenario.state::<TokenUse>().refusal.is_some() {
        return Ok(());
    }
    let passed = passed(scenario);
    scenario.let_agent(act).await?;
    let answer = Heard::Plainly(scenario.last()?.answer.clone());
    scenario.state_mut::<TokenUse>().told = Some(Told { answer, passed });
    expect_no_token_used(scenario)
}
