//! Steps about what the agent's token may do, with Vault asked in parallel.

use cucumber::{given, when};

use crate::{
    verdict::{StepResult, Stop},
    world::World,
};

#[given(
    regex = r#"^the agent's token has the polic(?:y|ies) "([^"]+)" (?:of the \w+|scoped to this work)$"#
)]
async fn policies(world: &mut World, names: String) -> StepResult {
    let names: Vec<_> = names.split(", ").collect();
    world.scene()?.use_policies(&names).await
}

#[given("the agent's token has no policy of its own")]
async fn no_policy(world: &mut World) -> StepResult {
    world.scene()?.use_no_policy().await
}

#[given(
    expr = "the agent's token has rights to the secrets of the mount {string} and to nothing else"
)]
async fn secrets_alone(world: &mut World, _mount: String) -> StepResult {
    world.scene()?.allow_secrets_alone().await
}

#[given(expr = "the agent's token may read the metadata of the mount {string} and nothing else")]
async fn metadata_alone(world: &mut World, _mount: String) -> StepResult {
    world.scene()?.allow_metadata_alone().await
}

#[given(regex = "^Vault (allows|denies) the same token to (.+)$")]
async fn vault_decides(world: &mut World, decision: String, act: String) -> StepResult {
    let scene = world.scene()?;
    let asked = scene.act(&act)?;
    let allows = scene.vault_allows(&asked).await?;
    if allows == (decision == "allows") {
        return Ok(());
    }
    let other = if allows { "allows" } else { "denies" };
    Err(Stop::blocked(format!(
        "this Vault {other} the token to {act}"
    )))
}

#[when(regex = "^the agent asks to (.+)$")]
async fn asks_to(world: &mut World, act: String) -> StepResult {
    let scene = world.scene()?;
    let act = scene.act(&act)?;
    scene.let_agent(act).await
}

#[when("the policy is changed to allow it")]
async fn allowed_now(world: &mut World) -> StepResult {
    world.scene()?.allow_all().await
}
