//! Steps about a server that is told to change nothing.

use cucumber::{given, then, when};

use super::insist;
use crate::{
    adapter::launch::Mode, instance::setup::Setup, verdict::StepResult, vocabulary::stage,
    world::World,
};

#[given("a server that is told to change nothing")]
async fn read_only(world: &mut World) -> StepResult {
    let setup = Setup::of(Mode::ReadOnly);
    world.scenario()?.start_server(setup).await
}

#[when(expr = "the agent insists on {word}")]
async fn insists(world: &mut World, name: String) -> StepResult {
    let operation = stage::operation(&name)?;
    insist::let_agent_insist(world.scenario()?, operation).await
}

#[then("it is told of an error each time")]
fn errors_throughout(world: &mut World) -> StepResult {
    insist::expect_errors_throughout(world.scenario()?)
}

#[then("it is told each time that the server changes nothing, or has no such tool")]
fn plain_refusals(world: &mut World) -> StepResult {
    insist::expect_plain_refusals(world.scenario()?)
}

#[then("no write has reached Vault")]
fn no_write(world: &mut World) -> StepResult {
    insist::expect_no_write_at_vault(world.scenario()?)
}
