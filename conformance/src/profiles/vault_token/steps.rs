//! Steps about whose token a server acts with, and about whom it takes for Vault.

use std::time::Duration;

use cucumber::{given, then, when};

use crate::{
    profiles::vault_token::{self, own, requests},
    verdict::StepResult,
    vocabulary::{start, token_use},
    world::World,
};

// Each request brings its own.

#[given("a server to which each request brings its own token")]
async fn per_request(world: &mut World) -> StepResult {
    requests::start_per_request(world.scenario()?).await
}

#[given(expr = "another client, whose token may do all but read the secret {string}")]
async fn another_client(world: &mut World, path: String) -> StepResult {
    requests::let_other_come(world.scenario()?, &path).await
}

#[when(
    expr = "the agent reads the secret {string} and the other client the secret {string}, at once and again and again"
)]
async fn both_read(world: &mut World, agents: String, others: String) -> StepResult {
    requests::let_both_read(world.scenario()?, &agents, &others).await
}

#[when(expr = "the other client reads the secret {string}")]
async fn other_reads(world: &mut World, path: String) -> StepResult {
    requests::let_other_read(world.scenario()?, &path).await
}

#[when(regex = r#"^the secret "([^"]+)" is asked for in the agent's session with (.+)$"#)]
async fn asked_in_session(world: &mut World, path: String, with: String) -> StepResult {
    requests::ask_in_session(world.scenario()?, &path, &with).await
}

#[when(expr = "the secret {string} is asked for without a token")]
async fn asked_without(world: &mut World, path: String) -> StepResult {
    requests::ask_without_token(world.scenario()?, &path, None).await
}

#[when(
    expr = "the secret {string} is asked for with the agent's token in the address, as {string}"
)]
async fn asked_by_address(world: &mut World, path: String, parameter: String) -> StepResult {
    let scenario = world.scenario()?;
    requests::ask_without_token(scenario, &path, Some(&parameter)).await
}

#[when(expr = "the agent asks for the secret {string} with its token in the address besides")]
async fn asked_by_both(world: &mut World, path: String) -> StepResult {
    requests::ask_with_token_in_address(world.scenario()?, &path).await
}

#[when("the agent and the other client list the tools")]
async fn both_list(world: &mut World) -> StepResult {
    requests::let_both_list(world.scenario()?).await
}

#[then("each is given what Vault holds, asked for with its own token")]
fn each_with_its_own(world: &mut World) -> StepResult {
    requests::expect_each_with_its_own(world.scenario()?)
}

#[then("that is an error, for which the agent's token was not used")]
fn agents_token_unused(world: &mut World) -> StepResult {
    vault_token::expect_agents_token_unused(world.scenario()?)
}

#[then("that is an error, for which no token was used")]
fn no_token_used(world: &mut World) -> StepResult {
    token_use::expect_no_token_used(world.scenario()?)
}

#[then("that is refused, as addresses are written to logs")]
fn address_refused(world: &mut World) -> StepResult {
    requests::expect_address_refused(world.scenario()?)
}

#[then("a list that differs between them is not for everybody to keep")]
fn lists_private(world: &mut World) -> StepResult {
    requests::expect_lists_private(world.scenario()?)
}

// A token of the server's own.

#[given("a server whose token is in a file")]
async fn token_file(world: &mut World) -> StepResult {
    own::start_with_token_file(world.scenario()?).await
}

#[when(regex = "^a server is started whose token file (.+)$")]
async fn odd_token_file(world: &mut World, words: String) -> StepResult {
    own::start_with_odd_token_file(world.scenario()?, &words).await
}

#[when("another token is put into the file, and the one before is revoked")]
async fn changed_token_file(world: &mut World) -> StepResult {
    own::change_token_file(world.scenario()?).await
}

#[then(expr = "the agent is soon given the secret {string}, with the other token")]
async fn soon_given(world: &mut World, path: String) -> StepResult {
    own::expect_soon_given(world.scenario()?, &path).await
}

#[then("the server says so, and does not say it of a file that they cannot read")]
async fn exposure_told(world: &mut World) -> StepResult {
    own::expect_exposure_told(world.scenario()?).await
}

#[given(expr = "a server that renews its token, which lasts {int} seconds")]
async fn renewing(world: &mut World, seconds: u64) -> StepResult {
    start::start_renewing(world.scenario()?, Duration::from_secs(seconds)).await
}

#[when(expr = "Vault has ended a token that lasts {int} seconds, is younger, and is not renewed")]
async fn outlived(world: &mut World, seconds: u64) -> StepResult {
    own::outlive_token(world.scenario()?, Duration::from_secs(seconds)).await
}

// Vault's certificate.
