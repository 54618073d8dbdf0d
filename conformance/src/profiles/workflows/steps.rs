//! Steps of the published workflows, each of which runs in a Vault of its own.

use cucumber::{given, then, when};

use super::leak;
use crate::{
    verdict::{StepEnd, StepResult},
    vocabulary::{allowed, answered, given, own_vault, pki, wording},
    world::World,
};

#[given("a new Vault")]
async fn a_new_vault(world: &mut World) -> StepResult {
    own_vault::expect_own_vault(world.scenario()?)
}

#[given(expr = "a new Vault with its KV version {int} mount {string}")]
async fn a_new_vault_with_its_mount(world: &mut World, version: u8, path: String) -> StepResult {
    own_vault::find_mount(world.scenario()?, &path, version).await
}

#[given(regex = r#"^a server of the (\w+) whose token has the polic(?:y|ies) "([^"]+)"$"#)]
async fn a_server_of(world: &mut World, group: String, policies: String) -> StepResult {
    let policies: Vec<_> = policies.split(", ").collect();
    own_vault::add_agent(world.scenario()?, &group, &policies).await
}

#[given(regex = r"^Vault denies the token of the (\w+) to (.+)$")]
async fn vault_denies(world: &mut World, group: String, act: String) -> StepResult {
    let scenario = world.scenario()?;
    own_vault::turn_to(scenario, &group)?;
    let asked = wording::act(scenario, &act)?;
    if allowed::vault_allows(scenario, &asked).await? {
        let why = format!("this Vault allows the token of the {group} to {act}");
        return Err(StepEnd::blocked(why));
    }
    Ok(())
}

#[when(regex = r"^the agent of the (\w+) tries to (.+)$")]
async fn agent_of_asks(world: &mut World, group: String, act: String) -> StepResult {
    let scenario = world.scenario()?;
    own_vault::turn_to(scenario, &group)?;
    let act = wording::act(scenario, &act)?;
    scenario.let_agent(act).await
}

#[when(expr = "an operator changes the policy {string} to {string}")]
async fn policy_changed(world: &mut World, name: String, other: String) -> StepResult {
    own_vault::change_policy(world.scenario()?, &name, &other).await
}

#[when(expr = "an operator writes the secret {string} with the keys {string}")]
async fn operator_writes(world: &mut World, path: String, keys: String) -> StepResult {
    let keys: Vec<_> = keys.split(", ").collect();
    given::make_secret(world.scenario()?, &path, &keys).await
}

#[given(
    expr = "a secret scanner found the value of the key {string} of the secret {string} in a repository"
)]
async fn a_leak(world: &mut World, key: String, path: String) -> StepResult {
    leak::leak(world.scenario()?, &path, &key)
}

#[when(expr = "the agent searches for the leaked value in the folder {string}")]
async fn looks_for_the_leak(world: &mut World, folder: String) -> StepResult {
    leak::look_for_leak(world.scenario()?, &folder).await
}

#[then(expr = "the agent finds the leaked value only in the key {string} of the secret {string}")]
async fn found_in(world: &mut World, key: String, path: String) -> StepResult {
    leak::expect_leak_found(world.scenario()?, &[(path, key)])
}

#[then("the agent does not find the leaked value")]
async fn found_nowhere(world: &mut World) -> StepResult {
    leak::expect_leak_found(world.scenario()?, &[])
}

#[then(expr = "no readable version of the secret {string} in Vault contains the leaked value")]
async fn leak_gone(world: &mut World, path: String) -> StepResult {
    leak::expect_leak_gone(world.scenario()?, &path).await
}

#[then("the server returns an empty list, or reports that there is nothing to list")]
fn told_of_nothing(world: &mut World) -> StepResult {
    answered::expect_nothing_listed(world.scenario()?)
}

#[then("the server reports the time of the secret's last update")]
async fn told_update_time(world: &mut World) -> StepResult {
    answered::expect_update_time(world.scenario()?).await
}

#[given(expr = "the PKI mount {string} that the agent created")]
fn the_agents_mount(world: &mut World, name: String) -> StepResult {
    pki::turn_to_agents_pki_mount(world.scenario()?, &name)
}

#[given(expr = "the role {string}")]
async fn the_role(world: &mut World, role: String) -> StepResult {
    pki::turn_to_role(world.scenario()?, &role).await
}
