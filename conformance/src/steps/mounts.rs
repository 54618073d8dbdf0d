//! Steps about mounts.

use cucumber::{given, then, when};

use crate::{act::Act, verdict::StepResult, world::World};

#[given(expr = "a transit mount {string} with the key {string}")]
async fn a_transit_mount(world: &mut World, name: String, key: String) -> StepResult {
    world.scene()?.make_transit_mount(&name, &key).await
}

#[given(expr = "the agent's token may make mounts at {string}")]
async fn may_mount(world: &mut World, path: String) -> StepResult {
    world.scene()?.allow_mount_at(&path).await
}

#[given(expr = "Vault refuses the same token a mount at {string}")]
async fn vault_refuses(world: &mut World, path: String) -> StepResult {
    world.scene()?.learn_refusal_of_mount(&path).await
}

#[when("the agent lists the mounts")]
async fn lists(world: &mut World) -> StepResult {
    world.scene()?.let_agent(Act::list_mounts()).await
}

#[when(expr = "the agent creates a mount {string} of KV version {int}")]
async fn creates(world: &mut World, name: String, version: u8) -> StepResult {
    let scene = world.scene()?;
    let act = Act::create_mount(scene.path_of(&name), version);
    scene.let_agent(act).await
}

#[when(expr = "the agent creates a mount at exactly {string}")]
async fn creates_exactly(world: &mut World, path: String) -> StepResult {
    let act = Act::create_mount(path, 2);
    world.scene()?.let_agent(act).await
}

#[when(expr = "the agent deletes the mount {string}")]
async fn deletes(world: &mut World, name: String) -> StepResult {
    let scene = world.scene()?;
    let act = Act::delete_mount(scene.path_of(&name));
    scene.let_agent(act).await
}

#[then("the agent is given each of the mounts with its type")]
async fn given_each(world: &mut World) -> StepResult {
    world.scene()?.expect_mounts_with_type().await
}

#[then(regex = "^the agent is given the (KV version|description) of each mount$")]
async fn given_detail(world: &mut World, detail: String) -> StepResult {
    world.scene()?.expect_mount_detail(&detail).await
}

#[then(expr = "Vault has the mount {string} of KV version {int}")]
async fn vault_has(world: &mut World, name: String, version: u8) -> StepResult {
    world.scene()?.expect_mounted(&name, version).await
}

#[then(expr = "Vault has no mount {string}")]
async fn vault_has_no(world: &mut World, name: String) -> StepResult {
    world.scene()?.expect_unmounted(&name).await
}

#[then("the agent is told Vault's reason")]
fn told_the_reason(world: &mut World) -> StepResult {
    world.scene()?.expect_vaults_reason()
}

#[then(expr = "no write of the agent has reached the mount {string}")]
fn no_write(world: &mut World, name: String) -> StepResult {
    world.scene()?.expect_no_write(&name)
}
