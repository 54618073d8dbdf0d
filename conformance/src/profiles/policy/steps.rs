//! Steps about what the agent's token may do, with Vault asked in parallel.

use cucumber::{gherkin::Step, given, then, when};

use super::matrix::PolicyOn;
use crate::{
    policy_matrix::Ruling,
    profiles::policy::matrix,
    target::operation::Operation,
    verdict::{StepEnd, StepResult},
    vocabulary::{given, wording},
    world::World,
};

#[given(
    regex = r#"^the agent's token has the polic(?:y|ies) "([^"]+)" (?:of the \w+|scoped to this work)$"#
)]
async fn policies(world: &mut World, names: String) -> StepResult {
    let names: Vec<_> = names.split(", ").collect();
    given::use_policies(world.scenario()?, &names).await
}

#[given("the agent's token has no policy of its own")]
async fn no_policy(world: &mut World) -> StepResult {
    given::use_no_policy(world.scenario()?).await
}

#[given(
    expr = "the agent's token has rights to the secrets of the mount {string} and to nothing else"
)]
async fn secrets_alone(world: &mut World, mount: String) -> StepResult {
    given::allow_secrets_alone(world.scenario()?, &mount).await
}

#[given(expr = "the agent's token may read the metadata of the mount {string} and nothing else")]
async fn metadata_alone(world: &mut World, mount: String) -> StepResult {
    given::allow_metadata_alone(world.scenario()?, &mount).await
}

#[given(regex = "^Vault (allows|denies) the same token to (.+)$")]
async fn vault_decides(world: &mut World, decision: String, act: String) -> StepResult {
    let scenario = world.scenario()?;
    let asked = wording::act(scenario, &act)?;
    let allows = crate::vocabulary::allowed::vault_allows(scenario, &asked).await?;
    if allows == (decision == "allows") {
        return Ok(());
    }
    let other = if allows { "allows" } else { "denies" };
    Err(StepEnd::blocked(format!(
        "this Vault {other} the token to {act}"
    )))
}

#[when(regex = "^the agent asks to (.+)$")]
async fn asks_to(world: &mut World, act: String) -> StepResult {
    let scenario = world.scenario()?;
    let act = wording::act(scenario, &act)?;
    scenario.let_agent(act).await
}

#[when("the policy is changed to allow it")]
async fn allowed_now(world: &mut World) -> StepResult {
    world.scenario()?.allow_all().await
}

#[when(expr = "under each of these policies Vault and the agent are asked for {word}")]
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

#[then("what Vault allows succeeds and shows its effect")]
fn allowed_succeeds(world: &mut World) -> StepResult {
    matrix::expect_as_ruled(world.scenario()?, Ruling::Allowed)
}

#[then("what Vault denies is told as a denial, shows no value and changes nothing")]
fn denied_is_told(world: &mut World) -> StepResult {
    matrix::expect_as_ruled(world.scenario()?, Ruling::Denied)
}

#[then("no call that Vault allows was denied for the sake of another request")]
fn nothing_more_needed(world: &mut World) -> StepResult {
    world.expect_nothing_more_needed()
}
