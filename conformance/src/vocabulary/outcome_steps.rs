//! Steps about what the agent receives, and about the effect on Vault.

use cucumber::{given, then, when};

use crate::{
    verdict::{StepEnd, StepResult},
    vocabulary::{
        allowed, answered, effect, given, over_http, stage, token_use, unchanged, wording,
    },
    world::World,
};

#[given("the call succeeded")]
fn succeeded(world: &mut World) -> StepResult {
    answered::need_success(world.scenario()?)
}

#[then("the server reports success")]
fn told_of_success(world: &mut World) -> StepResult {
    answered::expect_success(world.scenario()?).map(drop)
}

#[then("the server reports an error")]
fn told_of_an_error(world: &mut World) -> StepResult {
    answered::expect_error(world.scenario()?).map(drop)
}

#[then("the server reports that permission was denied")]
fn told_of_a_denial(world: &mut World) -> StepResult {
    answered::expect_denial(world.scenario()?)
}

#[then("the server reports that it does not exist")]
fn told_of_absence(world: &mut World) -> StepResult {
    answered::expect_absence_told(world.scenario()?)
}

#[then("the server reports an error or that it does not exist")]
fn told_of_error_or_absence(world: &mut World) -> StepResult {
    let scenario = world.scenario()?;
    answered::expect_error(scenario)
        .map(drop)
        .or_else(|_| answered::expect_absence_told(scenario))
}

#[then("the server returns no secret value")]
fn shown_no_value(world: &mut World) -> StepResult {
    answered::expect_no_value(world.scenario()?)
}

#[then("the call had the requested effect")]
async fn the_effect_shows(world: &mut World) -> StepResult {
    effect::expect_effect(world.scenario()?).await
}

#[then(
    "the call had exactly the requested effect, or the server reports an error and changes nothing"
)]
async fn effect_or_refusal(world: &mut World) -> StepResult {
    effect::expect_effect_or_refusal(world.scenario()?).await
}

#[then("nothing in Vault has changed")]
async fn nothing_changed(world: &mut World) -> StepResult {
    unchanged::expect_unchanged(world.scenario()?, false).await
}

#[then("nothing else in Vault has changed")]
async fn nothing_else_changed(world: &mut World) -> StepResult {
    unchanged::expect_unchanged(world.scenario()?, true).await
}

#[when(expr = "the agent performs {word}")]
async fn does(world: &mut World, name: String) -> StepResult {
    let operation = stage::operation(&name)?;
    stage::let_agent_do(world.scenario()?, operation).await
}

#[given(
    regex = r#"^the agent's token has the polic(?:y|ies) "([^"]+)" (?:of the \w+|scoped to this work)$"#
)]
async fn policies(world: &mut World, names: String) -> StepResult {
    let names: Vec<_> = names.split(", ").collect();
    given::use_policies(world.scenario()?, &names).await
}

#[given(regex = "^Vault (allows|denies) the same token to (.+)$")]
#[when(regex = "^Vault (allows|denies) the same token to (.+)$")]
async fn vault_decides(world: &mut World, decision: String, act: String) -> StepResult {
    let scenario = world.scenario()?;
    let asked = wording::act(scenario, &act)?;
    let allows = allowed::vault_allows(scenario, &asked).await?;
    if allows == (decision == "allows") {
        return Ok(());
    }
    let other = if allows { "allows" } else { "denies" };
    Err(StepEnd::blocked(format!(
        "this Vault {other} the token to {act}"
    )))
}

#[when(regex = "^the agent tries to (.+)$")]
async fn asks_to(world: &mut World, act: String) -> StepResult {
    let scenario = world.scenario()?;
    let act = wording::act(scenario, &act)?;
    scenario.let_agent(act).await
}

#[then("the next call works")]
async fn next_call_works(world: &mut World) -> StepResult {
    answered::expect_next_call_works(world.scenario()?).await
}

#[then("the server refuses the request over HTTP")]
fn refused_over_http(world: &mut World) -> StepResult {
    over_http::expect_http_refused(world.scenario()?)
}

#[then(
    expr = "the server does not start, or reports an error for the secret {string} and uses no token"
)]
async fn idle(world: &mut World, path: String) -> StepResult {
    token_use::expect_refusal_or_error(world.scenario()?, &path).await
}
