//! Steps about what the agent's token may do, compared with Vault's answers to direct requests.

use cucumber::{gherkin::Step, given, then, when};

use super::matrix::PolicyOn;
use crate::{
    engines::Operation,
    policy_matrix::Ruling,
    profiles::policy::matrix,
    verdict::{StepEnd, StepResult},
    vocabulary::{answered::Control, given},
    world::World,
};

#[given("the agent's token has no policy of its own")]
async fn no_policy(world: &mut World) -> StepResult {
    given::use_no_policy(world.scenario()?).await
}

#[when("the suite takes all rights from the agent's token")]
async fn denied_now(world: &mut World) -> StepResult {
    given::use_no_policy(world.scenario()?).await
}

#[when("the suite changes the token's policy to allow everything")]
async fn allowed_now(world: &mut World) -> StepResult {
    let scenario = world.scenario()?;
    scenario.state_mut::<Control>().is_due = true;
    scenario.allow_all().await
}

#[when(
    expr = "the suite requests {word} from Vault under each of these policies, and then the agent performs it"
)]
async fn asked_under_each(world: &mut World, step: &Step, operation: String) -> StepResult {
    let unknown = || StepEnd::blocked(format!("no operation is called {operation:?}"));
    let operation = Operation::named(&operation).ok_or_else(unknown)?;
    let rows = step
        .table
        .iter()
        .flat_map(|table| table.rows.iter().skip(1));
    let policies = rows.map(|row| match row.as_slice() {
        [name, pki] => Ok(PolicyOn {
            name: name.clone(),
            pki: pki.clone(),
        }),
        _ => Err(StepEnd::blocked(format!(
            "no policy and its PKI mount: {row:?}"
        ))),
    });
    let policies = policies.collect::<StepResult<Vec<_>>>()?;
    matrix::ask_under_each(world.scenario()?, operation, &policies).await
}

#[then("every call that Vault allows succeeds and has the requested effect")]
fn allowed_succeeds(world: &mut World) -> StepResult {
    matrix::expect_as_ruled(world.scenario()?, Ruling::Allowed)
}

#[then(
    "for every call that Vault denies, the server reports a denial, returns no secret value and changes nothing"
)]
fn denied_is_told(world: &mut World) -> StepResult {
    matrix::expect_as_ruled(world.scenario()?, Ruling::Denied)
}

#[then("no call that Vault allows failed because of an additional request that Vault denied")]
fn nothing_more_needed(world: &mut World) -> StepResult {
    world.expect_nothing_more_needed()
}
