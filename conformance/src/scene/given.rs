//! What a scenario is given: policies, mounts and secrets, made with the suite's own token.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::{Method, Response, StatusCode};
use serde_json::{Map, json};

use super::{KvMount, Scene, about::contradiction};
use crate::{
    scene::{KvState, pki::PkiMount},
    tap::trap::{Springs, Trap},
    vault::{
        oracle::{SecretData, VaultRequest},
        policy,
    },
    verdict::{StepResult, Stop},
};

/// How many secrets are made at once.
const MAKERS: usize = 16;
/// For how long a write is held back at the least.
const HELD_BACK: Duration = Duration::from_millis(300);
/// And at the most.
const HELD_BACK_LONGEST: Duration = Duration::from_secs(10);
/// From how many secrets on Vault is not compared before and after.
const VAST: usize = 500;

/// Gives the agent's token all rights within the scene.
///
/// # Errors
/// When Vault refuses; so have the others.
pub(crate) async fn allow_all(scene: &Scene) -> StepResult {
    set_policy(scene, &policy::sufficient(&scene.prefix)).await
}

/// Gives the agent's token policies of the sources, made to fit the scene's mounts; in a Vault of its
/// own it gives the agent a server whose token has them as they are. `none` grants nothing.
///
/// # Errors
/// When there is no such policy, or Vault refuses.
pub(crate) async fn use_policies(scene: &mut Scene, names: &[&str]) -> StepResult {
    if scene.own.is_some() {
        return crate::scene::own::add_agent(scene, "", names).await;
    }
    let texts: StepResult<Vec<_>> = names.iter().map(|name| policy::known(name)).collect();
    let hcl = policy::for_prefix(&texts?.join("\n"), &scene.prefix);
    set_policy(scene, &hcl).await
}

/// Takes all rights of its own from the agent's token.
///
/// # Errors
/// When Vault refuses.
pub(crate) async fn use_no_policy(scene: &Scene) -> StepResult {
    set_policy(scene, policy::NONE).await
}

/// Lets the agent's token use the secrets of the KV mount of this name, and nothing else.
///
/// # Errors
/// When Vault refuses, or the scenario's KV mount is another.
pub(crate) async fn allow_secrets_alone(scene: &Scene, name: &str) -> StepResult {
    let kv = crate::scene::about::kv_named(scene, name)?;
    set_policy(scene, &policy::secrets_alone(&kv.path, kv.version)).await
}

/// Lets the agent's token read the metadata of the KV version 2 mount of this name, and nothing else.
///
/// # Errors
/// When Vault refuses, or the scenario's KV mount is another.
pub(crate) async fn allow_metadata_alone(scene: &Scene, name: &str) -> StepResult {
    set_policy(
        scene,
        &policy::metadata_alone(&crate::scene::about::kv_named(scene, name)?.path),
    )
    .await
}

/// Lets the agent's token make a mount at exactly this path, besides all within the scene.
///
/// # Errors
/// When Vault refuses.
pub(crate) async fn allow_mount_at(scene: &Scene, path: &str) -> StepResult {
    let hcl = format!(
        "{}path \"sys/mounts/{path}\" {{ capabilities = [\"create\", \"read\", \"update\"] }}\n",
        policy::sufficient(&scene.prefix)
    );
    set_policy(scene, &hcl).await
}

async fn set_policy(scene: &Scene, hcl: &str) -> StepResult {
    let policy = &scene.token()?.policy;
    let written = scene.oracle.write_policy(policy, hcl).await;
    written.map_err(Stop::blocked)
}

/// Makes a KV mount.
///
/// # Errors
/// When Vault refuses.
pub(crate) async fn make_mount(scene: &mut Scene, name: &str, version: u8) -> StepResult {
    let path = scene.path_of(name);
    let made = scene.oracle.make_kv_mount(&path, version).await;
    made.map_err(Stop::blocked)?;
    scene.mount = Some(path.clone());
    scene.state_mut::<KvState>().mount = Some(KvMount { path, version });
    forget_secrets(scene);
    Ok(())
}

/// Deletes the KV mount and makes it again, empty, in another version.
///
/// # Errors
/// When Vault refuses, or the scenario's KV mount is another.
pub(crate) async fn make_mount_again(scene: &mut Scene, name: &str, version: u8) -> StepResult {
    let removed = scene
        .oracle
        .remove_mount(&crate::scene::about::kv_named(scene, name)?.path)
        .await;
    removed.map_err(Stop::blocked)?;
    forget_mounts(scene);
    make_mount(scene, name, version).await
}

/// Removes all mounts of the scene.
pub(super) async fn remove_mounts(scene: &mut Scene) -> StepResult {
    let removed = scene.oracle.remove_mounts(&scene.prefix).await;
    forget_mounts(scene);
    removed.map_err(Stop::blocked)
}

/// Speaks of no mount any more, nor of what was in one.
pub(super) fn forget_mounts(scene: &mut Scene) {
    scene.mount = None;
    scene.state_mut::<KvState>().mount = None;
    scene.state_mut::<Vec<PkiMount>>().clear();
    forget_secrets(scene);
}

/// Speaks of no secret any more: those that it made are not in the mount that it speaks of now.
fn forget_secrets(scene: &mut Scene) {
    scene.holds.clear();
    scene.first.clear();
}

/// Makes a transit mount with a key.
///
/// # Errors
/// When Vault refuses.
pub(crate) async fn make_transit_mount(scene: &mut Scene, name: &str, key: &str) -> StepResult {
    let path = scene.path_of(name);
    let made = scene.oracle.make_mount(&path, "transit", json!({})).await;
    made.map_err(Stop::blocked)?;
    let made = scene.oracle.make_transit_key(&path, key).await;
    made.map_err(Stop::blocked)?;
    scene.mount = Some(path);
    Ok(())
}

/// Lets the KV mount of this name demand check-and-set.
///
/// # Errors
/// When Vault refuses, or the scenario's KV mount is another.
pub(crate) async fn demand_check_and_set(scene: &Scene, name: &str) -> StepResult {
    let mount = &crate::scene::about::kv_named(scene, name)?.path;
    let demanded = scene.oracle.demand_check_and_set(mount).await;
    demanded.map_err(Stop::blocked)
}

/// Stores a secret with these keys and random values.
///
/// # Errors
/// When Vault refuses.
pub(crate) async fn make_secret(scene: &mut Scene, path: &str, keys: &[&str]) -> StepResult {
    let data = random_data(scene, keys, false);
    store(scene, path, data).await
}

/// Keys with new random values.
pub(crate) fn random_data(scene: &mut Scene, keys: &[&str], known_to_agent: bool) -> SecretData {
    let mut data = Map::new();
    for key in keys {
        let value = scene.canary(&format!("value of {key}"), known_to_agent);
        data.insert((*key).to_owned(), json!(value));
    }
    data
}

/// Stores this many secrets of one key, evenly in this many folders.
///
/// # Errors
/// When Vault refuses.
pub(crate) async fn make_many_secrets(
    scene: &mut Scene,
    count: usize,
    folders: usize,
) -> StepResult {
    scene.vast = count > VAST;
    // One value for all of them, each with its number: thousands to look for in every
    // line would take longer than all the rest.
    let value = scene.canary("value of many secrets", false);
    let secrets: Vec<_> = (0..count)
        .map(|number| {
            let path = format!("folder-{}/secret-{number}", number % folders);
            let value = json!(format!("{value}-{number}"));
            (path, SecretData::from_iter([("content".to_owned(), value)]))
        })
        .collect();
    let kv = scene.kv()?;
    let writes = secrets
        .iter()
        .map(|(path, data)| scene.oracle.write_secret(&kv.path, kv.version, path, data));
    let written = stream::iter(writes).buffer_unordered(MAKERS);
    written.try_collect::<()>().await.map_err(Stop::blocked)?;
    scene.holds.extend(secrets);
    Ok(())
}

/// Gives every key of a secret a new random value, in a new version where there are any.
///
/// # Errors
/// When Vault refuses, or there is no such secret.
pub(crate) async fn change_secret(scene: &mut Scene, path: &str) -> StepResult {
    let data = scene.held(path)?.clone();
    let keys: Vec<_> = data.keys().map(String::as_str).collect();
    make_secret(scene, path, &keys).await
}

pub(super) async fn store(scene: &mut Scene, path: &str, data: SecretData) -> StepResult {
    let kv = scene.kv()?;
    let stored = scene
        .oracle
        .write_secret(&kv.path, kv.version, path, &data)
        .await;
    stored.map_err(Stop::blocked)?;
    scene
        .first
        .entry(path.to_owned())
        .or_insert_with(|| data.clone());
    scene.holds.insert(path.to_owned(), data);
    Ok(())
}

/// Deletes or destroys (`how`) the only version of a secret.
///
/// # Errors
/// When Vault refuses.
pub(crate) async fn end_secret(scene: &mut Scene, path: &str, how: &str) -> StepResult {
    let kv = scene.kv()?;
    let ended = scene.oracle.end_version(&kv.path, how, path).await;
    scene.holds.remove(path);
    ended.map_err(Stop::blocked)
}

/// Gives a secret custom metadata with a random value.
///
/// # Errors
/// When Vault refuses.
pub(crate) async fn set_custom_metadata(scene: &mut Scene, path: &str, key: &str) -> StepResult {
    let value = scene.canary("custom metadata", true);
    let custom = json!({ key: value });
    let kv = scene.kv()?;
    let set = scene
        .oracle
        .set_custom_metadata(&kv.path, path, &custom)
        .await;
    set.map_err(Stop::blocked)?;
    scene.state_mut::<KvState>().custom = Some((path.to_owned(), value));
    Ok(())
}

/// Sets a key of a secret with the suite's own token as soon as a request of the target
/// that writes to it arrives, before that request goes on.
///
/// # Errors
/// When the scene has no such secret.
pub(crate) fn write_in_between(scene: &mut Scene, path: &str, key: &str) -> StepResult {
    let value = scene.canary("value that somebody else writes", false);
    let mut data = scene.held(path)?.clone();
    data.insert(key.to_owned(), json!(value));
    let elsewhere = scene
        .state_mut::<KvState>()
        .elsewhere
        .entry(path.to_owned())
        .or_default();
    elsewhere.insert(key.to_owned(), json!(value));
    let (kv, oracle) = (scene.kv()?.clone(), Arc::clone(&scene.oracle));
    let (part, path) = (format!("{}/data/{path}", kv.path), path.to_owned());
    let happens = async move {
        // A Vault that refuses shows when the secret is looked at.
        let _ = oracle
            .write_secret(&kv.path, kv.version, &path, &data)
            .await;
    };
    let springs = Springs::First(Box::pin(happens));
    scene.tap()?.set(Trap::for_write(part, springs));
    Ok(())
}

/// Holds the first request back that writes to the mount, of calls that are then made at once: whoever
/// read before and writes without a check then overwrites what came in between, every time.
///
/// # Errors
/// When the scene has no mount.
pub(crate) fn delay_first_write(scene: &mut Scene) -> StepResult {
    scene.state_mut::<KvState>().delayed = Some(format!("{}/", scene.mount()?));
    Ok(())
}

/// Sets the trap for the write that is to be held back, of so many calls that are about to be made. It is held
/// for as long as they would take one after the other, as it has taken itself to get there: on a
/// busy machine the others take their time, too.
pub(super) fn hold_write_back(scene: &mut Scene, calls: usize) -> StepResult {
    let Some(part) = scene.state_mut::<KvState>().delayed.take() else {
        return Ok(());
    };
    let begun = Instant::now();
    let springs = Springs::First(Box::pin(async move {
        tokio::time::sleep(held_back(begun.elapsed(), calls)).await;
    }));
    scene.tap()?.set(Trap::for_write(part, springs));
    Ok(())
}

/// Lets the next request for the mount's secrets be answered as by a mount that is still
/// upgrading from version 1.
///
/// # Errors
/// When the scene has no KV mount of version 2.
pub(crate) fn pretend_to_upgrade(scene: &Scene) -> StepResult {
    let kv = scene.kv()?;
    if kv.version != 2 {
        let scenario = format!("the scenario's KV mount is of version {}", kv.version);
        return Err(contradiction("an upgrade to version 2", scenario));
    }
    let why = "Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief period and will resume service shortly.";
    let mut answer = Response::new(Bytes::from(json!({ "errors": [why] }).to_string()));
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    let part = format!("{}/data/", kv.path);
    let springs = Springs::Answer(Box::new(answer));
    scene.tap()?.set(Trap::new([Method::GET], part, springs));
    Ok(())
}

/// Asks Vault with the agent's token for a mount at this path, which it must refuse.
///
/// # Errors
/// Blocked when it does not, or refuses for lack of rights.
pub(crate) async fn learn_refusal_of_mount(scene: &mut Scene, path: &str) -> StepResult {
    let body = json!({ "type": "kv", "options": { "version": "2" } });
    let request = VaultRequest::new("POST", format!("sys/mounts/{path}")).with(body);
    let answer = scene.oracle.ask(&scene.token()?.secret, &request).await;
    let answer = answer.map_err(Stop::blocked)?;
    let reason = answer.body["errors"][0].as_str();
    match (answer.status, reason) {
        (400, Some(reason)) => {
            scene.state_mut::<KvState>().refused_mount = Some((path.to_owned(), reason.to_owned()));
            Ok(())
        }
        (status, _) => {
            let why = format!("this Vault answers {status} to a mount at {path}");
            Err(Stop::blocked(why))
        }
    }
}

/// How long a write is held back that took so long to get to Vault, the first of so many calls.
fn held_back(took: Duration, calls: usize) -> Duration {
    let calls = u32::try_from(calls).unwrap_or(u32::MAX);
    let all = took.saturating_mul(calls);
    all.clamp(HELD_BACK, HELD_BACK_LONGEST)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::held_back;

    #[test]
    fn a_write_is_held_back_longer_where_calls_take_longer_but_not_for_ever() {
        let millis = Duration::from_millis;
        assert_eq!(held_back(millis(5), 10), millis(300));
        assert_eq!(held_back(millis(200), 10), millis(2_000));
        assert_eq!(held_back(millis(5_000), 10), millis(10_000));
    }
}
