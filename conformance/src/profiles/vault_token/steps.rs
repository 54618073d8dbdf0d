//! Steps about the token that a server uses, and about which server it accepts as Vault.

use std::time::Duration;

use cucumber::{given, then, when};

use crate::{
    profiles::vault_token::{self, own, requests},
    verdict::StepResult,
    vocabulary::{start, token_use},
    world::World,
};

// Tokens of requests.

#[given("a server that takes the Vault token from each request")]
async fn per_request(world: &mut World) -> StepResult {
    requests::start_per_request(world.scenario()?).await
}

#[given(expr = "another client whose token may do everything except read the secret {string}")]
async fn another_client(world: &mut World, path: String) -> StepResult {
    requests::let_other_come(world.scenario()?, &path).await
}

#[when(
    expr = "the agent repeatedly reads the secret {string} while the other client repeatedly reads the secret {string}"
)]
async fn both_read(world: &mut World, agents: String, others: String) -> StepResult {
    requests::let_both_read(world.scenario()?, &agents, &others).await
}

#[when(expr = "the other client reads the secret {string}")]
async fn other_reads(world: &mut World, path: String) -> StepResult {
    requests::let_other_read(world.scenario()?, &path).await
}

#[when(regex = r#"^a client requests the secret "([^"]+)" in the agent's session with (.+)$"#)]
async fn asked_in_session(world: &mut World, path: String, with: String) -> StepResult {
    requests::ask_in_session(world.scenario()?, &path, &with).await
}

#[when(expr = "a client requests the secret {string} without a token")]
async fn asked_without(world: &mut World, path: String) -> StepResult {
    requests::ask_without_token(world.scenario()?, &path, None).await
}

#[when(
    expr = "a client requests the secret {string} with the agent's token in the URL, as the parameter {string}"
)]
async fn asked_by_address(world: &mut World, path: String, parameter: String) -> StepResult {
    let scenario = world.scenario()?;
    requests::ask_without_token(scenario, &path, Some(&parameter)).await
}

#[when(
    expr = "the agent requests the secret {string} with its token also in the URL, as the parameter {string}"
)]
async fn asked_by_both(world: &mut World, path: String, parameter: String) -> StepResult {
    requests::ask_with_token_in_address(world.scenario()?, &path, &parameter).await
}

#[when("the agent and the other client list the tools")]
async fn both_list(world: &mut World) -> StepResult {
    requests::let_both_list(world.scenario()?).await
}

#[then(
    "the server returns to each client exactly the data that Vault holds, using that client's token"
)]
fn each_with_its_own(world: &mut World) -> StepResult {
    requests::expect_each_with_its_own(world.scenario()?)
}

#[then("the server reports an error and does not use the agent's token")]
fn agents_token_unused(world: &mut World) -> StepResult {
    vault_token::expect_agents_token_unused(world.scenario()?)
}

#[then("the server reports an error and uses no token")]
fn no_token_used(world: &mut World) -> StepResult {
    token_use::expect_no_token_used(world.scenario()?)
}

#[then("the server refuses a request that has a token in the URL")]
fn address_refused(world: &mut World) -> StepResult {
    requests::expect_address_refused(world.scenario()?)
}

#[then("a tool list that differs between the clients is not marked as publicly cacheable")]
fn lists_private(world: &mut World) -> StepResult {
    requests::expect_lists_private(world.scenario()?)
}

// The server's own token.

#[given(regex = "^a server whose token is (.+)$")]
async fn token_form(world: &mut World, words: String) -> StepResult {
    own::start_with_token_of(world.scenario()?, &words).await
}

#[given("a server that reads its token from a file")]
async fn token_file(world: &mut World) -> StepResult {
    own::start_with_token_file(world.scenario()?).await
}

#[when(regex = "^the suite starts a server whose token file (.+)$")]
async fn odd_token_file(world: &mut World, words: String) -> StepResult {
    own::start_with_odd_token_file(world.scenario()?, &words).await
}

#[when("the suite replaces the token in the file and revokes the previous token")]
async fn changed_token_file(world: &mut World) -> StepResult {
    own::change_token_file(world.scenario()?).await
}

#[then(expr = "the server soon returns the secret {string}, using the new token")]
async fn soon_given(world: &mut World, path: String) -> StepResult {
    own::expect_soon_given(world.scenario()?, &path).await
}

#[then("the server warns that others can read the file, and does not warn if they cannot")]
async fn exposure_told(world: &mut World) -> StepResult {
    own::expect_exposure_told(world.scenario()?).await
}

#[given(expr = "a server that renews its token, which has a TTL of {int} seconds")]
async fn renewing(world: &mut World, seconds: u64) -> StepResult {
    start::start_renewing(world.scenario()?, Duration::from_secs(seconds)).await
}

#[when(
    expr = "a newer token with a TTL of {int} seconds, which is not renewed, has expired in Vault"
)]
async fn outlived(world: &mut World, seconds: u64) -> StepResult {
    own::outlive_token(world.scenario()?, Duration::from_secs(seconds)).await
}

// Vault's certificate.
