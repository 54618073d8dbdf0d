//! Steps about secrets in KV mounts.

use cucumber::{given, then, when};
use serde_json::json;

use super::effect::{VersionState, WRITES};
use crate::{
    act::Act,
    engines::{Operation, kv::Kv},
    verdict::{StepEnd, StepResult},
    vocabulary::{answered, effect, given, kv::writing},
    world::World,
};

/// A secret that always exists, for positive controls.
pub(crate) const CONTROL: &str = "control";

#[given(expr = "a server without support for KV version {int}")]
fn unsupported(world: &mut World, version: u8) -> StepResult {
    let claimed = &world.scenario()?.target.adapter.kv_versions;
    match claimed.contains(&version) {
        false => Ok(()),
        true => Err(StepEnd::not_claimed(format!(
            "the server supports KV version {version}"
        ))),
    }
}

#[given(expr = "a server with support for KV version {int}")]
fn supported(world: &mut World, version: u8) -> StepResult {
    let claimed = &world.scenario()?.target.adapter.kv_versions;
    match claimed.contains(&version) {
        true => Ok(()),
        false => Err(StepEnd::not_claimed(format!(
            "the adapter's kv_versions do not contain {version}"
        ))),
    }
}

#[given(expr = "a KV version {int} mount {string}")]
async fn a_mount(world: &mut World, version: u8, name: String) -> StepResult {
    given::make_mount(world.scenario()?, &name, version).await
}

#[given(expr = "{int} secrets in {int} folder(s)")]
async fn many_secrets(world: &mut World, count: usize, folders: usize) -> StepResult {
    given::make_many_secrets(world.scenario()?, count, folders).await
}

#[given(expr = "the secret {string} with the key(s) {string}")]
async fn a_secret(world: &mut World, path: String, keys: String) -> StepResult {
    let keys: Vec<_> = keys.split(", ").collect();
    given::make_secret(world.scenario()?, &path, &keys).await
}

#[given(regex = r#"^the secrets ("[^"]+"(?:, "[^"]+")*)$"#)]
async fn some_secrets(world: &mut World, paths: String) -> StepResult {
    for path in quoted(&paths) {
        given::make_secret(world.scenario()?, path, &["content"]).await?;
    }
    Ok(())
}

pub(crate) fn quoted(names: &str) -> impl Iterator<Item = &str> {
    names.split(", ").map(|name| name.trim_matches('"'))
}

#[given(expr = "the values of the secret {string} were changed afterwards")]
async fn a_changed_secret(world: &mut World, path: String) -> StepResult {
    given::change_secret(world.scenario()?, &path).await
}

#[when(expr = "the agent writes the key {string} of the secret {string}")]
async fn writes_a_key(world: &mut World, key: String, path: String) -> StepResult {
    let scenario = world.scenario()?;
    let value = scenario.canary("value that the agent writes", true);
    let act = writing(scenario, &path, &key, &value)?;
    scenario.let_agent(act).await
}

#[when(regex = r#"^the agent replaces the secret "([^"]+)" with (.+)$"#)]
async fn replaces(world: &mut World, path: String, what: String) -> StepResult {
    const LABEL: &str = "value that the agent writes";
    let scenario = world.scenario()?;
    let data = match what.as_str() {
        "values of many types" => {
            let text = scenario.canary(LABEL, true);
            json!({
                "text": text, "number": 8200, "negative": -1, "fraction": 0.25, "yes": true, "no": false,
                "list": ["a", 1, true], "object": { "port": 5432, "deep": { "er": [{ "x": "1" }] } },
            })
            .as_object()
            .cloned()
            .unwrap_or_default()
        }
        "200 keys" => {
            let names: Vec<_> = (0..200).map(|number| format!("key-{number}")).collect();
            let value = scenario.canary(LABEL, true);
            let value = |name: &String| (name.clone(), json!(format!("{value}-{name}")));
            names.iter().map(value).collect()
        }
        other => {
            let keys = other.strip_prefix("the keys \"");
            let keys = keys.and_then(|keys| keys.strip_suffix('"'));
            let unknown = || StepEnd::blocked(format!("the step does not support {other:?}"));
            let keys: Vec<_> = keys.ok_or_else(unknown)?.split(", ").collect();
            given::random_data(scenario, &keys, true)
        }
    };
    let act = Act::replace(scenario.mount()?, &path, data);
    scenario.let_agent(act).await
}

#[when(expr = "the agent reads the secret {string}")]
async fn reads(world: &mut World, path: String) -> StepResult {
    let scenario = world.scenario()?;
    let act = Act::read(scenario.mount()?, &path);
    scenario.let_agent(act).await
}

#[when(expr = "the agent reads version {int} of the secret {string}")]
async fn reads_a_version(world: &mut World, version: u64, path: String) -> StepResult {
    let scenario = world.scenario()?;
    let act = Act::read_version(scenario.mount()?, &path, version);
    scenario.let_agent(act).await
}

#[when(expr = "the agent reads the metadata of the secret {string}")]
async fn asks_for_metadata(world: &mut World, path: String) -> StepResult {
    let scenario = world.scenario()?;
    let act = Act::describe(scenario.mount()?, &path);
    scenario.let_agent(act).await
}

#[when(regex = r#"^the agent lists everything below the (?:whole mount|folder "([^"]+)")$"#)]
async fn lists_everything(world: &mut World, folder: String) -> StepResult {
    let scenario = world.scenario()?;
    let act = Act::list_all(scenario.mount()?, &folder);
    scenario.let_agent(act).await
}

#[when("the agent lists the whole mount")]
async fn lists_the_mount(world: &mut World) -> StepResult {
    let scenario = world.scenario()?;
    let act = Act::list(scenario.mount()?, "");
    scenario.let_agent(act).await
}

#[when(expr = "the agent lists the folder {string}")]
async fn lists_a_folder(world: &mut World, folder: String) -> StepResult {
    let scenario = world.scenario()?;
    let act = Act::list(scenario.mount()?, &folder);
    scenario.let_agent(act).await
}

#[when(expr = "the agent destroys version {int} of the secret {string}")]
async fn destroys(world: &mut World, version: u64, path: String) -> StepResult {
    let scenario = world.scenario()?;
    let act = Act::on_version(
        scenario.mount()?,
        Operation::Kv(Kv::Destroy),
        &path,
        version,
    );
    scenario.let_agent(act).await
}

#[then(expr = "Vault holds the secret {string} exactly as written")]
async fn held_as_written(world: &mut World, path: String) -> StepResult {
    effect::expect_effect_on(world.scenario()?, &path, &WRITES).await
}

#[then(expr = "Vault holds the secret {string} as before")]
async fn held_as_before(world: &mut World, path: String) -> StepResult {
    effect::expect_as_before(world.scenario()?, &path).await
}

#[then(
    regex = r#"^version (\d+) of the secret "([^"]+)" is (as it was|deleted and not destroyed|destroyed)$"#
)]
async fn version_is(world: &mut World, version: u64, path: String, state: String) -> StepResult {
    let state = match state.as_str() {
        "as it was" => VersionState::Intact,
        "destroyed" => VersionState::Destroyed,
        _ => VersionState::Deleted,
    };
    let scenario = world.scenario()?;
    effect::expect_version(scenario, &path, version, state).await
}

#[then("the server reports the key names of the secret")]
async fn told_key_names(world: &mut World) -> StepResult {
    let asks = [Operation::Kv(Kv::Metadata)];
    effect::expect_effect_of(world.scenario()?, &asks).await
}

#[then("the server reports the secret's latest version and a time that Vault has for the secret")]
async fn told_version_and_time(world: &mut World) -> StepResult {
    answered::expect_version_and_time(world.scenario()?).await
}

#[then("the server returns exactly the data that Vault holds")]
fn given_what_vault_holds(world: &mut World) -> StepResult {
    answered::expect_given(world.scenario()?)
}

#[then("the server returns exactly the names that Vault lists, with folders marked")]
async fn given_the_names(world: &mut World) -> StepResult {
    let lists = [Operation::Kv(Kv::List)];
    effect::expect_effect_of(world.scenario()?, &lists).await
}

#[then("the server returns exactly the paths of the secrets that Vault holds there")]
async fn given_the_secrets(world: &mut World) -> StepResult {
    let lists = [Operation::Kv(Kv::ListAll)];
    effect::expect_effect_of(world.scenario()?, &lists).await
}
