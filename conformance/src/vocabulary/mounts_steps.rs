//! Steps about mounts.

use cucumber::{given, then, when};

use crate::{
    act::Act,
    verdict::StepResult,
    vocabulary::{effect, given},
    world::World,
};

#[given(expr = "a transit mount {string} with the key {string}")]
async fn a_transit_mount(world: &mut World, name: String, key: String) -> StepResult {
    given::make_transit_mount(world.scenario()?, &name, &key).await
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
