//! Steps about secrets in KV mounts that no other profile uses.

use std::time::Duration;

use cucumber::{given, then, when};

use crate::{
    act::Act,
    engines::{Operation, kv::Kv},
    verdict::{StepEnd, StepResult},
    vocabulary::{
        about, answered, effect, given,
        kv::{secret_paths, writing},
        kv_steps::{CONTROL, quoted},
    },
    world::World,
};

#[given(expr = "the mount {string} requires check-and-set")]
async fn a_strict_mount(world: &mut World, name: String) -> StepResult {
    given::demand_check_and_set(world.scenario()?, &name).await
}

#[given(expr = "versions in the mount {string} are deleted after {int} days")]
async fn expiring_in_mount(world: &mut World, name: String, days: u64) -> StepResult {
    given::delete_versions_after(world.scenario()?, &name, in_days(days)).await
}

#[given(expr = "versions of the secret {string} are deleted after {int} days")]
async fn expiring_secret(world: &mut World, path: String, days: u64) -> StepResult {
    given::delete_versions_of_secret_after(world.scenario()?, &path, in_days(days)).await
}

fn in_days(days: u64) -> Duration {
    Duration::from_secs(days.saturating_mul(24 * 60 * 60))
}

#[given(expr = "the mount {string} keeps {int} version(s) of each secret")]
async fn few_versions(world: &mut World, name: String, count: u32) -> StepResult {
    given::keep_versions(world.scenario()?, &name, count).await
}

#[given(expr = "the mount {string} was deleted and recreated with KV version {int}")]
async fn a_mount_again(world: &mut World, name: String, version: u8) -> StepResult {
    given::make_mount_again(world.scenario()?, &name, version).await
}

#[given(expr = "the secret {string} has the custom metadata {string}")]
async fn custom_metadata(world: &mut World, path: String, key: String) -> StepResult {
    given::set_custom_metadata(world.scenario()?, &path, &key).await
}

#[given(
    expr = "another Vault client sets the key {string} of the secret {string} just before the agent's write reaches Vault"
)]
async fn a_write_in_between(world: &mut World, key: String, path: String) -> StepResult {
    given::write_in_between(world.scenario()?, &path, &key)
}

#[given("the suite delays the first write to the mount")]
async fn a_slow_write(world: &mut World) -> StepResult {
    given::delay_first_write(world.scenario()?)
}

#[given("Vault answers the next read in the mount with the error that the mount is being upgraded")]
async fn an_upgrade(world: &mut World) -> StepResult {
    given::pretend_to_upgrade(world.scenario()?)
}

#[given(
    regex = r#"^the secret "([^"]+)" that (never existed|is not deleted|was deleted|was destroyed)$"#
)]
async fn an_ended_secret(world: &mut World, path: String, end: String) -> StepResult {
    let scenario = world.scenario()?;
    if end == "never existed" {
        return about::expect_never_made(scenario, &path);
    }
    given::make_secret(scenario, &path, &["username", "password"]).await?;
    match end.strip_prefix("was ") {
        Some(end) => given::end_secret(scenario, &path, request_for(end)).await,
        None => Ok(()),
    }
}

#[given(regex = r#"^the latest version of the secret "([^"]+)" was (deleted|destroyed)$"#)]
async fn an_ended_version(world: &mut World, path: String, end: String) -> StepResult {
    given::end_secret(world.scenario()?, &path, request_for(&end)).await
}

/// The request to Vault after which a version is deleted or destroyed.
fn request_for(end: &str) -> &'static str {
    match end {
        "deleted" => "delete",
        _ => "destroy",
    }
}

#[when(
    regex = r#"^the agent writes a value of (.+) to the key "([^"]+)" of the secret "([^"]+)"$"#
)]
async fn writes_a_value(world: &mut World, kind: String, key: String, path: String) -> StepResult {
    let scenario = world.scenario()?;
    let core = scenario.canary("value that the agent writes", true);
    let value = match kind.as_str() {
        "letters of many scripts" => format!("{core} Grüße Ωμέγα Привет 你好 नमस्ते 🔐"),
        "several lines" => format!("-----BEGIN-----\n{core}\r\n\tindented\n-----END-----\n"),
        "quotes and backslashes" => format!(r#"{{"a":"{core}"}} 'b' \n \\ \u0041 "#),
        "what looks like a template" => format!("%s %d {{{{{core}}}}} ${{HOME}} $(id) <%= 1 %>"),
        "what looks like an object" => format!(r#"{{"user":  "{core}" , "share":1.50}}"#),
        "what looks like a list" => format!(r#"["{core}", 1]"#),
        "what looks like a number" => "007.50".to_owned(),
        "what looks like null" => "null".to_owned(),
        "leading and trailing spaces" => format!("  {core}\t "),
        "100 KiB" => core.repeat(100 * 1024 / core.len() + 1),
        _ => {
            return Err(StepEnd::blocked(format!(
                "the step does not support {kind:?}"
            )));
        }
    };
    let act = writing(scenario, &path, &key, &value)?;
    scenario.let_agent(act).await
}

#[when(expr = "the agent writes {int} other keys of the secret {string} concurrently")]
async fn writes_at_once(world: &mut World, count: usize, path: String) -> StepResult {
    let scenario = world.scenario()?;
    let mut acts = Vec::new();
    for number in 0..count {
        let value = scenario.canary("value that the agent writes", true);
        acts.push(Act::write(
            scenario.mount()?,
            &path,
            &format!("key-{number}"),
            &value,
        ));
    }
    crate::vocabulary::at_once::let_agent_at_once(scenario, acts).await
}

#[when(regex = r#"^the agent reads the secrets ("[^"]+"(?:, "[^"]+")*) one after the other$"#)]
async fn reads_in_turn(world: &mut World, paths: String) -> StepResult {
    let scenario = world.scenario()?;
    let acts = quoted(&paths).map(|path| Ok(Act::read(scenario.mount()?, path)));
    let acts = acts.collect::<StepResult<Vec<_>>>()?;
    scenario.let_agent_in_turn(acts).await
}

#[when("the agent reads all secrets concurrently")]
async fn reads_at_once(world: &mut World) -> StepResult {
    let scenario = world.scenario()?;
    let acts = secret_paths(scenario).into_iter();
    let acts: StepResult<Vec<_>> = acts
        .map(|path| Ok(Act::read(scenario.mount()?, &path)))
        .collect();
    crate::vocabulary::at_once::let_agent_at_once(scenario, acts?).await
}

#[given("a tool for one key that also creates secrets")]
fn creating_tool(world: &mut World) -> StepResult {
    let operations = &world.scenario()?.target.adapter.operations;
    let mapping = operations.get(&Operation::Kv(Kv::WriteKey));
    match mapping.is_some_and(|mapping| mapping.existing_only) {
        false => Ok(()),
        true => Err(StepEnd::not_claimed(
            "the tool for kv.write_key only changes secrets that exist (existing_only)",
        )),
    }
}

#[when("the agent lists a mount that does not exist")]
async fn lists_no_mount(world: &mut World) -> StepResult {
    let scenario = world.scenario()?;
    if let Some(fixed) = &scenario.target.adapter.mount {
        return Err(StepEnd::not_claimed(format!(
            "the server can only use the mount {fixed:?}"
        )));
    }
    let act = Act::list(&scenario.path_of("missing"), "");
    scenario.let_agent(act).await
}

#[when(expr = "the agent deletes the secret {string}")]
async fn deletes(world: &mut World, path: String) -> StepResult {
    let scenario = world.scenario()?;
    let act = Act::delete(scenario.mount()?, &path);
    scenario.let_agent(act).await
}

#[when(expr = "the agent deletes the key {string} of the secret {string}")]
async fn deletes_a_key(world: &mut World, key: String, path: String) -> StepResult {
    let scenario = world.scenario()?;
    let act = Act::delete_key(scenario.mount()?, &path, &key);
    scenario.let_agent(act).await
}

#[when(expr = "the agent undeletes version {int} of the secret {string}")]
async fn undeletes(world: &mut World, version: u64, path: String) -> StepResult {
    let scenario = world.scenario()?;
    let act = Act::on_version(
        scenario.mount()?,
        Operation::Kv(Kv::Undelete),
        &path,
        version,
    );
    scenario.let_agent(act).await
}

#[when(expr = "the agent purges the secret {string}")]
async fn purges(world: &mut World, path: String) -> StepResult {
    let scenario = world.scenario()?;
    let act = Act::purge(scenario.mount()?, &path);
    scenario.let_agent(act).await
}

#[then(
    expr = "Vault holds the secret {string} without the deleted key and with the other keys unchanged"
)]
async fn held_without_key(world: &mut World, path: String) -> StepResult {
    let deletes = [Operation::Kv(Kv::DeleteKey)];
    effect::expect_effect_on(world.scenario()?, &path, &deletes).await
}

#[then("the server answers the call")]
fn answered_at_all(world: &mut World) -> StepResult {
    answered::expect_answer(world.scenario()?)
}

#[then(expr = "Vault no longer returns the secret {string}")]
async fn given_out_no_more(world: &mut World, path: String) -> StepResult {
    let deletes = [Operation::Kv(Kv::Delete), Operation::Kv(Kv::Purge)];
    effect::expect_effect_on(world.scenario()?, &path, &deletes).await
}

#[then(
    expr = "the server writes the secret {string} exactly as requested, or reports an error and changes nothing"
)]
async fn written_or_refused(world: &mut World, path: String) -> StepResult {
    effect::expect_written_or_refused(world.scenario()?, &path).await
}

#[then(
    expr = "the server writes the secret {string} exactly as requested, or reports that permission was denied and changes nothing"
)]
async fn written_or_denied(world: &mut World, path: String) -> StepResult {
    effect::expect_written_or_denied(world.scenario()?, &path).await
}

#[then(
    expr = "Vault holds every key of the secret {string} that existed before or was reported as written"
)]
async fn no_key_lost(world: &mut World, path: String) -> StepResult {
    effect::expect_no_key_lost(world.scenario()?, &path).await
}

#[then(expr = "Vault holds no data and no metadata of the secret {string}")]
async fn purged(world: &mut World, path: String) -> StepResult {
    effect::expect_purged(world.scenario()?, &path).await
}

#[then("the server reports the secret's latest version")]
async fn told_the_latest_version(world: &mut World) -> StepResult {
    answered::expect_latest_version_told(world.scenario()?).await
}

#[then("the server reports the secret's latest version, or that permission was denied")]
async fn told_version_or_denial(world: &mut World) -> StepResult {
    answered::expect_version_or_denial(world.scenario()?).await
}

#[then("the server reports the secret's custom metadata")]
fn told_custom_metadata(world: &mut World) -> StepResult {
    answered::expect_custom_metadata(world.scenario()?)
}

#[then(expr = "the server does not misreport whether the secret {string} is deleted")]
async fn told_state(world: &mut World, path: String) -> StepResult {
    answered::expect_state(world.scenario()?, &path).await
}

#[then("the server returns for each read exactly the data that Vault holds")]
fn each_is_given(world: &mut World) -> StepResult {
    answered::expect_each_given(world.scenario()?)
}

#[then("the server reports a different error message for each secret")]
fn errors_differ(world: &mut World) -> StepResult {
    answered::expect_errors_differ(world.scenario()?)
}

#[then("the server made one request to Vault for the last call, apart from requests below sys")]
fn one_request(world: &mut World) -> StepResult {
    effect::expect_one_request(world.scenario()?)
}

#[then(expr = "the server returns exactly the data that Vault held in version {int}")]
fn given_a_version(world: &mut World, version: u64) -> StepResult {
    answered::expect_given_version(world.scenario()?, version)
}

#[then("the agent can still read a secret that exists")]
async fn another_can_be_read(world: &mut World) -> StepResult {
    let scenario = world.scenario()?;
    given::make_secret(scenario, CONTROL, &["key"]).await?;
    let act = Act::read(scenario.mount()?, CONTROL);
    scenario.let_agent(act).await?;
    answered::expect_given(scenario)
}

#[then(expr = "no write of the server has reached the mount {string}")]
fn no_write(world: &mut World, name: String) -> StepResult {
    effect::expect_no_write(world.scenario()?, &name)
}

#[given(expr = "the agent's token may access the secrets of the mount {string} and nothing else")]
async fn secrets_alone(world: &mut World, mount: String) -> StepResult {
    given::allow_secrets_alone(world.scenario()?, &mount).await
}

#[given(expr = "the agent's token may read the metadata of the mount {string} and nothing else")]
async fn metadata_alone(world: &mut World, mount: String) -> StepResult {
    given::allow_metadata_alone(world.scenario()?, &mount).await
}

#[given(
    expr = "the agent's token may create, update and patch the secrets of the mount {string} and nothing else"
)]
async fn writes_alone(world: &mut World, mount: String) -> StepResult {
    given::allow_writes_alone(world.scenario()?, &mount).await
}
