//! Steps of the sources' stories, each told in a Vault of its own.

use cucumber::{given, then, when};

use crate::{
    verdict::{StepResult, Stop},
    world::World,
};

#[given("a new Vault")]
async fn a_new_vault(world: &mut World) -> StepResult {
    crate::scene::own::expect_own_vault(world.scene()?)
}

#[given(expr = "a new Vault with its KV version {int} mount {string}")]
async fn a_new_vault_with_its_mount(world: &mut World, version: u8, path: String) -> StepResult {
    crate::scene::own::find_mount(world.scene()?, &path, version).await
}

#[given(regex = r#"^a server of the (\w+) whose token has the polic(?:y|ies) "([^"]+)"$"#)]
async fn a_server_of(world: &mut World, group: String, policies: String) -> StepResult {
    let policies: Vec<_> = policies.split(", ").collect();
    crate::scene::own::add_agent(world.scene()?, &group, &policies).await
}

#[given(regex = r"^Vault denies the token of the (\w+) to (.+)$")]
async fn vault_denies(world: &mut World, group: String, act: String) -> StepResult {
    let scene = world.scene()?;
    crate::scene::own::turn_to(scene, &group)?;
    let asked = crate::scene::wording::act(scene, &act)?;
    if scene.vault_allows(&asked).await? {
        let why = format!("this Vault allows the token of the {group} to {act}");
        return Err(Stop::blocked(why));
    }
    Ok(())
}

#[when(regex = r"^the agent of the (\w+) asks to (.+)$")]
async fn agent_of_asks(world: &mut World, group: String, act: String) -> StepResult {
    let scene = world.scene()?;
    crate::scene::own::turn_to(scene, &group)?;
    let act = crate::scene::wording::act(scene, &act)?;
    scene.let_agent(act).await
}

#[when(expr = "an operator changes the policy {string} to {string}")]
async fn policy_changed(world: &mut World, name: String, other: String) -> StepResult {
    crate::scene::own::change_policy(world.scene()?, &name, &other).await
}

#[when(expr = "an operator writes the secret {string} with the keys {string}")]
async fn operator_writes(world: &mut World, path: String, keys: String) -> StepResult {
    let keys: Vec<_> = keys.split(", ").collect();
    crate::scene::given::make_secret(world.scene()?, &path, &keys).await
}

#[given(
    expr = "a secret scanner found the value of the key {string} of the secret {string} in a repository"
)]
async fn a_leak(world: &mut World, key: String, path: String) -> StepResult {
    crate::scene::leak::leak(world.scene()?, &path, &key)
}

#[when(expr = "the agent looks for the leaked value in the folder {string}")]
async fn looks_for_the_leak(world: &mut World, folder: String) -> StepResult {
    crate::scene::leak::look_for_leak(world.scene()?, &folder).await
}

#[then(expr = "the agent has found it in the key {string} of the secret {string} alone")]
async fn found_in(world: &mut World, key: String, path: String) -> StepResult {
    crate::scene::leak::expect_leak_found(world.scene()?, &[(path, key)])
}

#[then("the agent has found it nowhere")]
async fn found_nowhere(world: &mut World) -> StepResult {
    crate::scene::leak::expect_leak_found(world.scene()?, &[])
}

#[then(expr = "no version that Vault gives out of the secret {string} has the leaked value")]
async fn leak_gone(world: &mut World, path: String) -> StepResult {
    crate::scene::leak::expect_leak_gone(world.scene()?, &path).await
}
