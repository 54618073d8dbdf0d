//! Steps about what calls leave in logs.

use cucumber::{given, then, when};

use crate::{
    log_line::LogFact,
    profiles::audit_trail::log,
    verdict::{StepEnd, StepResult},
    vocabulary::{given, start::log_file},
    world::World,
};

#[given("a server that logs to a file")]
async fn log_file(world: &mut World) -> StepResult {
    log_file::start_with_log_file(world.scenario()?).await
}

#[given(regex = "^the agent's token may do (everything|nothing)$")]
async fn may_do(world: &mut World, what: String) -> StepResult {
    let scenario = world.scenario()?;
    match what.as_str() {
        "everything" => scenario.allow_all().await,
        _ => given::use_no_policy(scenario).await,
    }
}

#[when(
    regex = r#"^the agent writes a value to the secret "([^"]+)" in a call that (?:(Vault denies|lacks an argument|has an argument of another kind|names no tool))$"#
)]
async fn fails_to_write(world: &mut World, path: String, why: String) -> StepResult {
    log::let_agent_fail_to_write(world.scenario()?, &path, &why).await
}

#[then(regex = "^one line of the server's log is about the call and records (.+)$")]
async fn logged(world: &mut World, words: String) -> StepResult {
    let unknown = || StepEnd::blocked(format!("the step does not support {words:?}"));
    let fact = LogFact::named(&words).ok_or_else(unknown)?;
    log::expect_logged(world.scenario()?, fact, &words).await
}

#[then("an id of the call in Vault's audit log is in the server's log or answer")]
async fn audited(world: &mut World) -> StepResult {
    log::expect_audited(world.scenario()?).await
}

#[then("the server's log contains no secret value and no private key")]
async fn no_values_logged(world: &mut World) -> StepResult {
    log::expect_no_values_logged(world.scenario()?).await
}

#[then("the server's log does not contain the server's token")]
async fn no_token_logged(world: &mut World) -> StepResult {
    log::expect_no_token_logged(world.scenario()?).await
}
