//! Steps about secrets in KV mounts.

use cucumber::{given, then, when};

use crate::{
    act::Act,
    verdict::{StepResult, Stop},
    world::World,
};

/// A secret that is there whatever the scenario does, for positive controls.
const WITNESS: &str = "witness";

#[given(expr = "a KV version {int} mount {string}")]
async fn a_mount(world: &mut World, version: u8, name: String) -> StepResult {
    world.scene()?.make_mount(&name, version).await
}

#[given(expr = "the secret {string} with the key(s) {string}")]
async fn a_secret(world: &mut World, path: String, keys: String) -> StepResult {
    let keys: Vec<_> = keys.split(", ").collect();
    world.scene()?.make_secret(&path, &keys).await
}

#[given(regex = r#"^the secrets ("[^"]+"(?:, "[^"]+")*)$"#)]
async fn some_secrets(world: &mut World, paths: String) -> StepResult {
    for path in paths.split(", ") {
        world
            .scene()?
            .make_secret(path.trim_matches('"'), &["content"])
            .await?;
    }
    Ok(())
}

#[given(expr = "the secret {string} was changed since")]
async fn a_changed_secret(world: &mut World, path: String) -> StepResult {
    world.scene()?.change_secret(&path).await
}

#[given(regex = r#"^the secret "([^"]+)" that (never existed|was deleted|was destroyed)$"#)]
async fn an_ended_secret(world: &mut World, path: String, end: String) -> StepResult {
    let scene = world.scene()?;
    let how = match end.as_str() {
        "was deleted" => "delete",
        "was destroyed" => "destroy",
        _ => return Ok(()),
    };
    scene.make_secret(&path, &["username", "password"]).await?;
    scene.end_secret(&path, how).await
}

#[when(expr = "the agent writes the key {string} of the secret {string}")]
async fn writes_a_key(world: &mut World, key: String, path: String) -> StepResult {
    let scene = world.scene()?;
    let value = scene.canary("value that the agent writes", true);
    let act = Act::write(scene, &path, &key, value)?;
    scene.let_agent(act).await
}

#[when(
    regex = r#"^the agent writes a value of (.+) as the key "([^"]+)" of the secret "([^"]+)"$"#
)]
async fn writes_a_value(world: &mut World, kind: String, key: String, path: String) -> StepResult {
    let scene = world.scene()?;
    let core = scene.canary("value that the agent writes", true);
    let value = match kind.as_str() {
        "letters of many scripts" => format!("{core} Grüße Ωμέγα Привет 你好 नमस्ते 🔐"),
        "several lines" => format!("-----BEGIN-----\n{core}\r\n\tindented\n-----END-----\n"),
        "quotes and backslashes" => format!(r#"{{"a":"{core}"}} 'b' \n \\ \u0041 "#),
        "what looks like a template" => format!("%s %d {{{{{core}}}}} ${{HOME}} $(id) <%= 1 %>"),
        "leading and trailing spaces" => format!("  {core}\t "),
        "100 KiB" => core.repeat(100 * 1024 / core.len() + 1),
        _ => return Err(Stop::blocked(format!("no value is called {kind:?}"))),
    };
    let act = Act::write(scene, &path, &key, value)?;
    scene.let_agent(act).await
}

#[when(expr = "the agent reads the secret {string}")]
async fn reads(world: &mut World, path: String) -> StepResult {
    let scene = world.scene()?;
    let act = Act::read(scene, &path)?;
    scene.let_agent(act).await
}

#[when(expr = "the agent reads version {int} of the secret {string}")]
async fn reads_a_version(world: &mut World, version: u64, path: String) -> StepResult {
    let scene = world.scene()?;
    let act = Act::read_version(scene, &path, version)?;
    scene.let_agent(act).await
}

#[when("the agent lists the whole mount")]
async fn lists_the_mount(world: &mut World) -> StepResult {
    let scene = world.scene()?;
    let act = Act::list(scene, "")?;
    scene.let_agent(act).await
}

#[when(expr = "the agent lists the folder {string}")]
async fn lists_a_folder(world: &mut World, folder: String) -> StepResult {
    let scene = world.scene()?;
    let act = Act::list(scene, &folder)?;
    scene.let_agent(act).await
}

#[when(expr = "the agent deletes the secret {string}")]
async fn deletes(world: &mut World, path: String) -> StepResult {
    let scene = world.scene()?;
    let act = Act::delete(scene, &path)?;
    scene.let_agent(act).await
}

#[then(expr = "Vault holds the secret {string} exactly as written")]
#[then(expr = "Vault no longer gives out the secret {string}")]
async fn the_effect_shows(world: &mut World, _path: String) -> StepResult {
    world.scene()?.expect_effect().await
}

#[then("the agent is given exactly what Vault holds")]
fn given_what_vault_holds(world: &mut World) -> StepResult {
    world.scene()?.expect_given(false)
}

#[then("the agent is given exactly what Vault held in version 1")]
fn given_the_first_version(world: &mut World) -> StepResult {
    world.scene()?.expect_given(true)
}

#[then("the agent is given exactly the names that Vault lists, folders marked")]
async fn given_the_names(world: &mut World) -> StepResult {
    world.scene()?.expect_effect().await
}

#[then("a secret that exists can still be read")]
async fn another_can_be_read(world: &mut World) -> StepResult {
    let scene = world.scene()?;
    scene.make_secret(WITNESS, &["key"]).await?;
    let act = Act::read(scene, WITNESS)?;
    scene.let_agent(act).await?;
    scene.expect_given(false)
}
