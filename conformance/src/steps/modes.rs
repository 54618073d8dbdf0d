//! Steps about servers that are started in a mode.

use cucumber::{given, then, when};

use crate::{
    slot::Setup,
    target::{launch::Mode, operation::Operation},
    verdict::{StepResult, Stop},
    world::World,
};

fn operation(name: &str) -> StepResult<Operation> {
    let unknown = || Stop::blocked(format!("no operation is called {name:?}"));
    Operation::named(name).ok_or_else(unknown)
}

// Read-only.

#[given("a server that is told to change nothing")]
async fn read_only(world: &mut World) -> StepResult {
    let setup = Setup::of(Mode::ReadOnly);
    world.scene()?.start_server(setup).await
}

#[when(expr = "the agent insists on {word}")]
async fn insists(world: &mut World, name: String) -> StepResult {
    let operation = operation(&name)?;
    world.scene()?.let_agent_insist(operation).await
}

#[when(expr = "the agent does {word}")]
async fn does(world: &mut World, name: String) -> StepResult {
    let operation = operation(&name)?;
    world.scene()?.let_agent_do(operation).await
}

#[then("it is told of an error each time")]
fn errors_throughout(world: &mut World) -> StepResult {
    world.scene()?.expect_errors_throughout()
}

#[then("it is told each time that the server changes nothing, or has no such tool")]
fn plain_refusals(world: &mut World) -> StepResult {
    world.scene()?.expect_plain_refusals()
}

#[then("no write has reached Vault")]
fn no_write(world: &mut World) -> StepResult {
    world.scene()?.expect_no_write_at_vault()
}
