//! Steps about mounts.

use cucumber::{given, then, when};

use crate::{
    act::Act,
    verdict::{StepEnd, StepResult},
    vocabulary::{effect, given, lists},
    world::World,
};

#[given(expr = "a transit mount {string} with the key {string}")]
async fn a_transit_mount(world: &mut World, name: String, key: String) -> StepResult {
    given::make_transit_mount(world.scenario()?, &name, &key).await
}

#[given(expr = "the mount {string} was deleted")]
async fn deleted(world: &mut World, name: String) -> StepResult {
    let scenario = world.scenario()?;
    let removed = scenario.oracle.remove_mount(&scenario.path_of(&name)).await;
    removed.map_err(StepEnd::blocked)
}

#[then(expr = "the server does not list the mount {string}")]
fn not_listed(world: &mut World, name: String) -> StepResult {
    lists::expect_mount_not_listed(world.scenario()?, &name)
}

#[when("the agent lists the mounts")]
async fn lists(world: &mut World) -> StepResult {
    world.scenario()?.let_agent(Act::list_mounts()).await
}

#[when(expr = "the agent creates a mount {string} of KV version {int}")]
async fn creates(world: &mut World, name: String, version: u8) -> StepResult {
    let scenario = world.scenario()?;
    let act = Act::create_mount(scenario.path_of(&name), version);
    scenario.let_agent(act).await
}

#[then(expr = "Vault has the mount {string} of KV version {int}")]
async fn vault_has(world: &mut World, name: String, version: u8) -> StepResult {
    effect::expect_mounted(world.scenario()?, &name, version).await
}
