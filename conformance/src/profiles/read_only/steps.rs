//! Steps about a read-only server.

use cucumber::{given, then, when};

use super::insist;
use crate::{
    adapter::launch::Mode, instance::setup::Setup, verdict::StepResult, vocabulary::stage,
    world::World,
};

#[given("a server in read-only mode")]
async fn read_only(world: &mut World) -> StepResult {
    let setup = Setup::of(Mode::ReadOnly);
    world.scenario()?.start_server(setup).await
}

#[when(expr = "the agent attempts {word} with every spelling of the tool name and in a batch")]
async fn insists(world: &mut World, name: String) -> StepResult {
    let operation = stage::operation(&name)?;
    insist::let_agent_insist(world.scenario()?, operation).await
}

#[then("the server reports an error for every attempt")]
fn errors_throughout(world: &mut World) -> StepResult {
    insist::expect_errors_throughout(world.scenario()?)
}

#[then("every error says that the server is read-only or does not have the tool")]
fn plain_refusals(world: &mut World) -> StepResult {
    insist::expect_plain_refusals(world.scenario()?)
}

#[then("no write has reached Vault")]
fn no_write(world: &mut World) -> StepResult {
    insist::expect_no_write_at_vault(world.scenario()?)
}
