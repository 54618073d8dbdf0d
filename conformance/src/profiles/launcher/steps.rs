//! Steps about a command that the server runs in a session.

use cucumber::{then, when};

use super::run;
use crate::{verdict::StepResult, world::World};

#[when(
    regex = "^the launcher runs a command in a session( whose token Vault refuses to revoke)?, and (.+)$"
)]
async fn session(world: &mut World, is_refused: String, end: String) -> StepResult {
    let is_refused = !is_refused.is_empty();
    run::run_session(world.scenario()?, &end, is_refused).await
}

#[when("the launcher is asked to run a command in a session with a root token")]
async fn root_session(world: &mut World) -> StepResult {
    run::run_root_session(world.scenario()?).await
}

#[then("Vault no longer has the session's token")]
fn token_gone(world: &mut World) -> StepResult {
    run::expect_token_gone(world.scenario()?)
}

#[then("the command has the session's token in its environment")]
fn token_given(world: &mut World) -> StepResult {
    run::expect_token_given(world.scenario()?)
}

#[then("the session's output does not contain its token")]
fn token_unsaid(world: &mut World) -> StepResult {
    run::expect_token_unsaid(world.scenario()?)
}

#[then("the session reports that its token was not revoked")]
fn failed_revocation_told(world: &mut World) -> StepResult {
    run::expect_failed_revocation_told(world.scenario()?)
}

#[then("the session fails too")]
fn session_failed(world: &mut World) -> StepResult {
    run::expect_session_failed(world.scenario()?)
}

#[then("the command was not run")]
fn command_not_run(world: &mut World) -> StepResult {
    run::expect_command_not_run(world.scenario()?)
}

#[then("the session reports the policies of its token")]
fn policies_told(world: &mut World) -> StepResult {
    run::expect_policies_told(world.scenario()?)
}
