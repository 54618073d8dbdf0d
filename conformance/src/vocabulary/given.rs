//! Policies, mounts and secrets that a scenario starts with, made with the suite's own token.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::{Method, Response, StatusCode};
use serde_json::{Map, json};

use super::{
    about::{self, contradiction},
    own_vault,
    pki::state::PkiMount,
};
use crate::{
    scenario::Scenario,
    tap::fault::{Fault, FaultAction},
    vault::{
        oracle::{SecretData, VaultRequest},
        policy,
    },
    verdict::{StepEnd, StepResult},
    vocabulary::kv::{KvMount, KvState, kv, secret_paths},
};

/// How many secrets are made at the same time.
const MAKERS: usize = 16;
/// The minimum delay of a write that is held back.
const HELD_BACK: Duration = Duration::from_millis(300);
/// The maximum delay.
const HELD_BACK_LONGEST: Duration = Duration::from_secs(10);
/// With this number of secrets or more, Vault is not compared before and after.
const VAST: usize = 500;

/// Whether the agent's token has policies of the sources.
#[derive(Default)]
struct SourcePolicies {
    are_used: bool,
}

/// Gives the agent's token policies of the sources, adapted to the scenario's mounts. In a Vault of its own, the agent
/// gets a server whose token has the unchanged policies. `none` grants nothing.
///
/// # Errors
/// If a policy does not exist, or Vault rejects a request.
pub(crate) async fn use_policies(scenario: &mut Scenario, names: &[&str]) -> StepResult {
    scenario.state_mut::<SourcePolicies>().are_used = true;
    if scenario.planned.requirement.has_own_vault() {
        return own_vault::add_agent(scenario, "", names).await;
    }
    let texts: StepResult<Vec<_>> = names.iter().map(|name| policy::known(name)).collect();
    let hcl = policy::for_prefix(&texts?.join("\n"), &scenario.prefix);
    scenario.set_policy(&hcl).await
}

/// Removes all rights from the agent's token.
///
/// # Errors
/// If Vault rejects a request.
pub(crate) async fn use_no_policy(scenario: &Scenario) -> StepResult {
    scenario.set_policy(policy::NONE).await
}

/// Gives the agent's token rights on the secrets of the KV mount with this name, and no others.
///
/// # Errors
/// If Vault rejects a request; blocked if the scenario's KV mount is another.
pub(crate) async fn allow_secrets_alone(scenario: &Scenario, name: &str) -> StepResult {
    let kv = about::kv_named(scenario, name)?;
    scenario
        .set_policy(&policy::secrets_alone(&kv.path, kv.version))
        .await
}

/// Lets the agent's token read the metadata of the KV version 2 mount with this name, and gives it no other rights.
///
/// # Errors
/// If Vault rejects a request; blocked if the scenario's KV mount is another.
pub(crate) async fn allow_metadata_alone(scenario: &Scenario, name: &str) -> StepResult {
    scenario
        .set_policy(&policy::metadata_alone(
            &about::kv_named(scenario, name)?.path,
        ))
        .await
}

/// Lets the agent's token write the secrets of the KV version 2 mount with this name, but not read them, and gives it no
/// other rights.
///
/// # Errors
/// If Vault rejects a request; blocked if the scenario's KV mount is another.
pub(crate) async fn allow_writes_alone(scenario: &Scenario, name: &str) -> StepResult {
    scenario
        .set_policy(&policy::writes_alone(
            &about::kv_named(scenario, name)?.path,
        ))
        .await
}

/// Lets the agent's token create a mount at exactly this path, in addition to all rights within the scenario.
///
/// # Errors
/// If Vault rejects a request.
pub(crate) async fn allow_mount_at(scenario: &Scenario, path: &str) -> StepResult {
    let hcl = format!(
        "{}path \"sys/mounts/{path}\" {{ capabilities = [\"create\", \"read\", \"update\"] }}\n",
        policy::sufficient(&scenario.prefix)
    );
    scenario.set_policy(&hcl).await
}

/// Creates a KV mount.
///
/// # Errors
/// If Vault rejects a request.
pub(crate) async fn make_mount(scenario: &mut Scenario, name: &str, version: u8) -> StepResult {
    take_fixed_mount(scenario, name).await?;
    let path = scenario.path_of(name);
    let made = scenario.oracle.make_kv_mount(&path, version).await;
    made.map_err(StepEnd::blocked)?;
    scenario.mount = Some(path.clone());
    scenario.ledger.kv_versions.insert(path.clone(), version);
    scenario.state_mut::<KvState>().mount = Some(KvMount { path, version });
    forget_secrets(scenario);
    Ok(())
}

/// Lets the only KV mount on which the target works stand for the mount with this name, and removes what is there.
///
/// # Errors
/// If Vault rejects a request; not applicable if the scenario has another KV mount, or if a policy of the sources is
/// about the name.
async fn take_fixed_mount(scenario: &mut Scenario, name: &str) -> StepResult {
    let Some(path) = scenario.target.adapter.mount.clone() else {
        return Ok(());
    };
    let only = |why: &str| {
        StepEnd::not_claimed(format!(
            "the server works on the KV mount {path:?} alone, and {why}"
        ))
    };
    if scenario
        .fixed_mount
        .as_deref()
        .is_some_and(|taken| taken != name)
    {
        return Err(only("the scenario needs a second one"));
    }
    let has_policies =
        scenario.planned.requirement.has_own_vault() || scenario.state::<SourcePolicies>().are_used;
    if has_policies && name != path {
        return Err(only(&format!(
            "the policy of the scenario is about {name:?}"
        )));
    }
    scenario.fixed_mount = Some(name.to_owned());
    let mounts = scenario.oracle.mounts().await.map_err(StepEnd::blocked)?;
    if mounts.contains_key(&path) {
        let removed = scenario.oracle.remove_mount(&path).await;
        removed.map_err(StepEnd::blocked)?;
    }
    Ok(())
}

/// Deletes the KV mount and creates it again, empty, in another version.
///
/// # Errors
/// If Vault rejects a request; blocked if the scenario's KV mount is another.
pub(crate) async fn make_mount_again(
    scenario: &mut Scenario,
    name: &str,
    version: u8,
) -> StepResult {
    let removed = scenario
        .oracle
        .remove_mount(&about::kv_named(scenario, name)?.path)
        .await;
    removed.map_err(StepEnd::blocked)?;
    forget_mounts(scenario);
    make_mount(scenario, name, version).await
}

/// Removes all mounts of the scenario.
pub(crate) async fn remove_mounts(scenario: &mut Scenario) -> StepResult {
    let removed = scenario.oracle.remove_mounts(&scenario.prefix).await;
    forget_mounts(scenario);
    removed.map_err(StepEnd::blocked)
}

/// Forgets all mounts and their contents.
pub(crate) fn forget_mounts(scenario: &mut Scenario) {
    scenario.mount = None;
    scenario.fixed_mount = None;
    scenario.state_mut::<KvState>().mount = None;
    scenario.state_mut::<Vec<PkiMount>>().clear();
    forget_secrets(scenario);
}

/// Forgets all secrets, because they are not in the present mount.
fn forget_secrets(scenario: &mut Scenario) {
    scenario.ledger.holds.clear();
    scenario.ledger.first.clear();
}

/// Creates a transit mount with a key.
///
/// # Errors
/// If Vault rejects a request.
pub(crate) async fn make_transit_mount(
    scenario: &mut Scenario,
    name: &str,
    key: &str,
) -> StepResult {
    if let Some(fixed) = &scenario.target.adapter.mount {
        return Err(StepEnd::not_claimed(format!(
            "the server works on the KV mount {fixed:?} alone, not on a mount of another type"
        )));
    }
    let path = scenario.path_of(name);
    let made = scenario
        .oracle
        .make_mount(&path, "transit", json!({}))
        .await;
    made.map_err(StepEnd::blocked)?;
    let made = scenario.oracle.make_transit_key(&path, key).await;
    made.map_err(StepEnd::blocked)?;
    scenario.mount = Some(path);
    Ok(())
}

/// Makes the KV mount with this name require check-and-set.
///
/// # Errors
/// If Vault rejects a request; blocked if the scenario's KV mount is another.
pub(crate) async fn demand_check_and_set(scenario: &Scenario, name: &str) -> StepResult {
    let mount = &about::kv_named(scenario, name)?.path;
    let demanded = scenario.oracle.demand_check_and_set(mount).await;
    demanded.map_err(StepEnd::blocked)
}

/// Makes Vault delete each version in the KV mount with this name this long after it was written.
///
/// # Errors
/// If Vault rejects a request; blocked if the scenario's KV mount is another, or already has secrets, whose versions
/// have no deletion time.
pub(crate) async fn delete_versions_after(
    scenario: &Scenario,
    name: &str,
    time: Duration,
) -> StepResult {
    let mount = &about::kv_named(scenario, name)?.path;
    expect_no_secrets(scenario)?;
    let set = scenario.oracle.delete_versions_after(mount, None, time);
    set.await.map_err(StepEnd::blocked)
}

/// Makes Vault delete each version of one secret this long after it was written.
///
/// # Errors
/// If Vault rejects a request; blocked if the secret exists, because then its version has no deletion time.
pub(crate) async fn delete_versions_of_secret_after(
    scenario: &Scenario,
    path: &str,
    time: Duration,
) -> StepResult {
    about::expect_never_made(scenario, path)?;
    let mount = &kv(scenario)?.path;
    let set = (scenario.oracle).delete_versions_after(mount, Some(path), time);
    set.await.map_err(StepEnd::blocked)
}

/// Makes the KV mount with this name keep only this many versions of each secret.
///
/// # Errors
/// If Vault rejects a request; blocked if the scenario's KV mount is another.
pub(crate) async fn keep_versions(scenario: &Scenario, name: &str, count: u32) -> StepResult {
    let mount = &about::kv_named(scenario, name)?.path;
    let set = scenario.oracle.keep_versions(mount, count);
    set.await.map_err(StepEnd::blocked)
}

/// What a mount is set to concerns only versions that are written afterwards.
fn expect_no_secrets(scenario: &Scenario) -> StepResult {
    match secret_paths(scenario).as_slice() {
        [] => Ok(()),
        [first, ..] => {
            let scenario = format!("the scenario has already made {first:?}");
            Err(contradiction("versions that are written later", scenario))
        }
    }
}

/// Stores a secret with these keys and random values.
///
/// # Errors
/// If Vault rejects a request.
pub(crate) async fn make_secret(scenario: &mut Scenario, path: &str, keys: &[&str]) -> StepResult {
    let data = random_data(scenario, keys, false);
    store(scenario, path, data).await
}

/// Keys with new random values.
pub(crate) fn random_data(
    scenario: &mut Scenario,
    keys: &[&str],
    known_to_agent: bool,
) -> SecretData {
    let mut data = Map::new();
    for key in keys {
        let value = scenario.canary(&format!("value of {key}"), known_to_agent);
        data.insert((*key).to_owned(), json!(value));
    }
    data
}

/// Stores this many secrets with one key each, evenly in this many folders.
///
/// # Errors
/// If Vault rejects a request.
pub(crate) async fn make_many_secrets(
    scenario: &mut Scenario,
    count: usize,
    folders: usize,
) -> StepResult {
    scenario.calls.without_snapshots = count > VAST;
    // All secrets share one value with a number appended. Searching every line for thousands of values would take
    // longer than everything else.
    let value = scenario.canary("value of many secrets", false);
    let secrets: Vec<_> = (0..count)
        .map(|number| {
            let path = format!("folder-{}/secret-{number}", number % folders);
            let value = json!(format!("{value}-{number}"));
            (path, SecretData::from_iter([("content".to_owned(), value)]))
        })
        .collect();
    let kv = kv(scenario)?;
    let writes = secrets.iter().map(|(path, data)| {
        scenario
            .oracle
            .write_secret(&kv.path, kv.version, path, data)
    });
    let written = stream::iter(writes).buffer_unordered(MAKERS);
    written
        .try_collect::<()>()
        .await
        .map_err(StepEnd::blocked)?;
    scenario.ledger.holds.extend(secrets);
    Ok(())
}

/// Gives every key of a secret a new random value; in KV version 2, in a new version.
///
/// # Errors
/// If Vault rejects a request, or the secret does not exist.
pub(crate) async fn change_secret(scenario: &mut Scenario, path: &str) -> StepResult {
    let data = scenario.held(path)?.clone();
    let keys: Vec<_> = data.keys().map(String::as_str).collect();
    make_secret(scenario, path, &keys).await
}

pub(crate) async fn store(scenario: &mut Scenario, path: &str, data: SecretData) -> StepResult {
    let kv = kv(scenario)?;
    let stored = scenario
        .oracle
        .write_secret(&kv.path, kv.version, path, &data)
        .await;
    stored.map_err(StepEnd::blocked)?;
    scenario
        .ledger
        .first
        .entry(path.to_owned())
        .or_insert_with(|| data.clone());
    scenario.ledger.holds.insert(path.to_owned(), data);
    Ok(())
}

/// Deletes or destroys (`how`) the latest version of a secret.
///
/// # Errors
/// If the scenario has no such secret, or Vault rejects a request.
pub(crate) async fn end_secret(scenario: &mut Scenario, path: &str, how: &str) -> StepResult {
    scenario.held(path)?;
    let (mount, oracle) = (&kv(scenario)?.path, &scenario.oracle);
    let metadata = oracle.metadata(mount, path).await;
    let latest = metadata.map_err(StepEnd::blocked)?["current_version"].as_u64();
    let unversioned = || StepEnd::blocked(format!("Vault has no version of {path:?}"));
    let latest = latest.ok_or_else(unversioned)?;
    let ended = oracle.end_version(mount, how, path, latest).await;
    scenario.ledger.holds.remove(path);
    ended.map_err(StepEnd::blocked)
}

/// Sets custom metadata with a random value on a secret.
///
/// # Errors
/// If Vault rejects a request.
pub(crate) async fn set_custom_metadata(
    scenario: &mut Scenario,
    path: &str,
    key: &str,
) -> StepResult {
    let value = scenario.canary("custom metadata", true);
    let custom = json!({ key: value });
    let kv = kv(scenario)?;
    let set = scenario
        .oracle
        .set_custom_metadata(&kv.path, path, &custom)
        .await;
    set.map_err(StepEnd::blocked)?;
    scenario.state_mut::<KvState>().custom = Some((path.to_owned(), value));
    Ok(())
}

/// Sets a key of a secret with the suite's own token when a request of the target that writes to the secret arrives at
/// the tap, before the tap forwards that request.
///
/// # Errors
/// If the scenario has no such secret.
pub(crate) fn write_in_between(scenario: &mut Scenario, path: &str, key: &str) -> StepResult {
    let value = scenario.canary("value that somebody else writes", false);
    let mut data = scenario.held(path)?.clone();
    data.insert(key.to_owned(), json!(value));
    let elsewhere = scenario
        .state_mut::<KvState>()
        .elsewhere
        .entry(path.to_owned())
        .or_default();
    elsewhere.insert(key.to_owned(), json!(value));
    let (kv, oracle) = (kv(scenario)?.clone(), Arc::clone(&scenario.oracle));
    let (part, path) = (format!("{}/data/{path}", kv.path), path.to_owned());
    let happens = async move {
        // If Vault rejects this, the check of the secret shows it.
        let _ = oracle
            .write_secret(&kv.path, kv.version, &path, &data)
            .await;
    };
    let springs = FaultAction::First(Box::pin(happens));
    scenario.tap()?.set(Fault::for_write(part, springs));
    Ok(())
}

/// Holds back the first request that writes to the mount, for calls that are then made at the same time. A server that
/// reads before, and writes without a check, then always overwrites what was written in between.
///
/// # Errors
/// If the scenario has no mount.
pub(crate) fn delay_first_write(scenario: &mut Scenario) -> StepResult {
    scenario.state_mut::<KvState>().delayed = Some(format!("{}/", scenario.mount()?));
    Ok(())
}

/// Makes the tap answer the next request for the mount's secrets like a mount that is still upgrading from version 1.
///
/// # Errors
/// If the scenario has no KV mount of version 2.
pub(crate) fn pretend_to_upgrade(scenario: &Scenario) -> StepResult {
    let kv = kv(scenario)?;
    if kv.version != 2 {
        let scenario = format!("the scenario's KV mount is of version {}", kv.version);
        return Err(contradiction("an upgrade to version 2", scenario));
    }
    let why = "Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief period and will resume service shortly.";
    let mut answer = Response::new(Bytes::from(json!({ "errors": [why] }).to_string()));
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    let part = format!("{}/data/", kv.path);
    let springs = FaultAction::Answer(Box::new(answer));
    scenario
        .tap()?
        .set(Fault::new([Method::GET], part, springs));
    Ok(())
}

/// Requests a mount at this path from Vault with the agent's token, which Vault must reject.
///
/// # Errors
/// Blocked if Vault does not, or rejects it for lack of rights.
pub(crate) async fn learn_refusal_of_mount(scenario: &mut Scenario, path: &str) -> StepResult {
    let body = json!({ "type": "kv", "options": { "version": "2" } });
    let request = VaultRequest::new("POST", format!("sys/mounts/{path}")).with(body);
    let answer = scenario
        .oracle
        .ask(&scenario.token()?.secret, &request)
        .await;
    let answer = answer.map_err(StepEnd::blocked)?;
    let reason = answer.body["errors"][0].as_str();
    match (answer.status, reason) {
        (400, Some(reason)) => {
            scenario.state_mut::<KvState>().refused_mount =
                Some((path.to_owned(), reason.to_owned()));
            Ok(())
        }
        (status, _) => {
            let why = format!("this Vault answers {status} to a mount at {path}");
            Err(StepEnd::blocked(why))
        }
    }
}

/// The delay of a write that took this long to reach Vault, as the first of this many calls.
pub(super) fn held_back(took: Duration, calls: usize) -> Duration {
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
