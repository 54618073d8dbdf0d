//! Steps about mounts that no other profile uses.

use cucumber::{given, then, when};

use crate::{
    act::Act,
    verdict::StepResult,
    vocabulary::{answered, effect, given, lists},
    world::World,
};

#[given(expr = "the agent's token may create a mount at {string}")]
async fn may_mount(world: &mut World, path: String) -> StepResult {
    given::allow_mount_at(world.scenario()?, &path).await
}

#[given(expr = "Vault refuses to create a mount at {string} for the same token")]
async fn vault_refuses(world: &mut World, path: String) -> StepResult {
    given::learn_refusal_of_mount(world.scenario()?, &path).await
}

#[when(expr = "the agent creates a mount at exactly {string}")]
async fn creates_exactly(world: &mut World, path: String) -> StepResult {
    let act = Act::create_mount(path, 2);
    world.scenario()?.let_agent(act).await
}

#[when(expr = "the agent deletes the mount {string}")]
async fn deletes(world: &mut World, name: String) -> StepResult {
    let scenario = world.scenario()?;
    let act = Act::delete_mount(scenario.path_of(&name));
    scenario.let_agent(act).await
}

#[then("the server returns each mount with its type")]
async fn given_each(world: &mut World) -> StepResult {
    lists::expect_mounts_with_type(world.scenario()?).await
}

#[then(regex = "^the server returns the (KV version|description) of each mount$")]
async fn given_detail(world: &mut World, detail: String) -> StepResult {
    lists::expect_mount_detail(world.scenario()?, &detail).await
}

#[then(expr = "Vault has no mount {string}")]
async fn vault_has_no(world: &mut World, name: String) -> StepResult {
    effect::expect_unmounted(world.scenario()?, &name).await
}

#[then("the server reports Vault's reason for refusing the mount")]
fn told_the_reason(world: &mut World) -> StepResult {
    answered::expect_vaults_reason(world.scenario()?)
}
