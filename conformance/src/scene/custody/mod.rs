//! Whose token acts: tokens that each request brings in [`requests`], tokens in files and tokens that are
//! renewed in [`own`].

pub(crate) mod own;
pub(crate) mod requests;

use secrecy::SecretString;

use super::Scene;
use crate::{
    mcp::connection::Said,
    tap::{Exchange, Tap, TokenPrint},
    target::{answer::Answer, instance::Bare},
    vault::oracle::Token,
    verdict::{StepResult, Stop},
};

/// Whose tokens there are besides the servers' own, and what came of them.
#[derive(Default)]
pub(crate) struct Custody {
    /// Another client, who brings the last of these tokens.
    other: Option<Bare>,
    /// What came of what both asked at once.
    side_by_side: Option<requests::SideBySide>,
    /// The tools as each of both was told them.
    lists: Vec<serde_json::Value>,
    /// What the other client, or nobody, was told.
    told: Option<Told>,
    /// Why the last server did not start, if it did not.
    pub(super) refusal: Option<String>,
}

/// What came of asking for a secret.
struct Told {
    answer: Asked,
    /// How many requests had passed the tap before.
    passed: usize,
}

enum Asked {
    /// As a client does.
    Plainly(Answer),
    /// As no client does.
    Raw(Said),
}

impl Asked {
    fn is_success(&self) -> bool {
        match self {
            Self::Plainly(answer) => matches!(answer, Answer::Success(_)),
            Self::Raw(said) => said.success().is_some(),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Plainly(answer) => answer.describe(),
            Self::Raw(said) => said.describe(),
        }
    }
}

/// The tokens that a server may act with besides its own.
#[must_use]
pub(crate) fn further_tokens(scene: &Scene) -> &[Token] {
    &scene.further_tokens
}

fn passed(scene: &Scene) -> usize {
    scene.tap().map_or(0, Tap::passed)
}

/// The requests about the scene's mounts since so many had passed.
fn asked_since(scene: &Scene, passed: usize) -> StepResult<Vec<Exchange>> {
    let exchanges = scene.tap()?.exchanges().into_iter().skip(passed);
    Ok(exchanges
        .filter(|exchange| exchange.path.contains(&scene.prefix))
        .collect())
}

/// The first request since so many had passed that brought this token, or any where none is named.
fn brought_since(
    scene: &Scene,
    passed: usize,
    token: Option<&SecretString>,
) -> StepResult<Option<Exchange>> {
    let wanted = token.map(TokenPrint::of);
    let brought = |exchange: &Exchange| match wanted {
        Some(_) => exchange.token == wanted,
        None => exchange.token.is_some(),
    };
    Ok(asked_since(scene, passed)?.into_iter().find(brought))
}

/// A secret was asked for: that must have been an error, without a value.
fn expect_not_given(scene: &Scene) -> StepResult<&Told> {
    let missing = || Stop::blocked("nobody asked for the secret yet");
    let told = scene.state::<Custody>().told.as_ref().ok_or_else(missing)?;
    let seen = told.answer.describe();
    if told.answer.is_success() {
        return Err(scene.failed("an error", &seen));
    }
    if let Some(label) = scene.all_values().found_in(&seen) {
        return Err(scene.failed("an error without a value", &format!("the {label}")));
    }
    Ok(told)
}

/// A secret was asked for: that must have been an error, for which no token was used.
///
/// # Errors
/// When it was none, or one was.
pub(crate) fn expect_no_token_used(scene: &Scene) -> StepResult {
    let told = expect_not_given(scene)?;
    let used = brought_since(scene, told.passed, None)?;
    expect_unused(scene, used, "no request to Vault with any token")
}

/// A secret was asked for: that must have been an error, for which the agent's token was not used.
///
/// # Errors
/// When it was none, or that token was used.
pub(crate) fn expect_agents_token_unused(scene: &Scene) -> StepResult {
    let told = expect_not_given(scene)?;
    let used = brought_since(scene, told.passed, Some(&scene.token()?.secret))?;
    expect_unused(scene, used, "no request to Vault with the agent's token")
}

fn expect_unused(scene: &Scene, used: Option<Exchange>, expected: &str) -> StepResult {
    match used {
        None => Ok(()),
        Some(Exchange {
            method,
            path,
            status,
            ..
        }) => {
            let seen = format!("{method} {path}, which Vault answered with {status}");
            Err(scene.failed(expected, &seen))
        }
    }
}

/// The server must not have started, or the agent be told of an error for which no token was used.
///
/// # Errors
/// When it acts; blocked when the scenario made no such secret.
pub(crate) async fn expect_refusal_or_error(scene: &mut Scene, path: &str) -> StepResult {
    let act = crate::scene::about::reading(scene, path)?;
    if scene.state::<Custody>().refusal.is_some() {
        return Ok(());
    }
    let passed = passed(scene);
    scene.let_agent(act).await?;
    let answer = Asked::Plainly(scene.last()?.answer.clone());
    scene.state_mut::<Custody>().told = Some(Told { answer, passed });
    expect_no_token_used(scene)
}
