//! The expected effect on Vault after the agent has acted.

use serde_json::Value;

use super::{
    about::{self, contradiction},
    answered,
    kv::{KvState, kv},
    lists,
    pki::effect,
    unchanged::expect_unchanged,
};
use crate::{
    act::Effect,
    cause::unexpected,
    engines::{Operation, kv::Kv, mounts::Mounts},
    instance::answer::Answer,
    scenario::Scenario,
    vault::oracle::SecretData,
    verdict::{StepEnd, StepResult},
};

/// The operations that write keys of a secret.
pub(crate) const WRITES: [Operation; 2] = [Operation::Kv(Kv::Write), Operation::Kv(Kv::WriteKey)];

/// The state of one version of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VersionState {
    /// Vault returns it with the data that was stored in it.
    Intact,
    /// It is deleted and can be restored.
    Deleted,
    /// Its data is permanently removed.
    Destroyed,
}

/// The effect of the agent's act must be in Vault, or in the answer if the act only reads.
///
/// # Errors
/// If this is not the case.
pub(crate) async fn expect_effect(scenario: &mut Scenario) -> StepResult {
    match scenario.last()?.act.effect.clone() {
        Effect::Read => answered::expect_given(scenario),
        Effect::Listed { folder } => lists::expect_listed(scenario, &folder).await,
        Effect::ListedAll { folder } => lists::expect_listed_all(scenario, &folder),
        Effect::Described { path } => answered::expect_key_names(scenario, &path),
        Effect::Written { path, data, merged } => {
            let mut expected = match merged {
                true => scenario.last()?.held.clone().unwrap_or_default(),
                false => SecretData::new(),
            };
            expected.extend(data);
            expect_held(scenario, &path, expected).await
        }
        Effect::Deleted { path, key: None } => expect_gone(scenario, &path).await,
        Effect::Deleted {
            path,
            key: Some(key),
        } => {
            let mut expected = scenario.last()?.held.clone().unwrap_or_default();
            expected.remove(&key);
            expect_held(scenario, &path, expected).await
        }
        Effect::VersionChanged { path } => {
            let expected = scenario.held(&path)?.clone();
            expect_held(scenario, &path, expected).await
        }
        Effect::MountsListed => lists::expect_mount_listed(scenario, scenario.mount()?),
        Effect::Mounted { mount, version } => {
            expect_mount(scenario, &mount, Some(("kv", Some(version)))).await
        }
        Effect::Unmounted { mount } => expect_mount(scenario, &mount, None).await,
        Effect::Pki(effect) => effect::expect_pki(scenario, &effect).await,
    }
}

/// Like [`expect_effect`]; for operations on one version, or on all that Vault has of a secret, also that effect.
///
/// # Errors
/// If this is not the case.
pub(crate) async fn expect_whole_effect(scenario: &mut Scenario) -> StepResult {
    expect_effect(scenario).await?;
    let act = &scenario.last()?.act;
    let (Operation::Kv(operation), Some(path)) = (act.operation, act.secret()) else {
        return Ok(());
    };
    let path = path.to_owned();
    let version = act.parameters.get("version").and_then(Value::as_u64);
    let version = version.unwrap_or(1);
    match operation {
        Kv::Undelete => expect_version(scenario, &path, version, VersionState::Intact).await,
        Kv::Destroy => expect_version(scenario, &path, version, VersionState::Destroyed).await,
        Kv::Purge => expect_purged(scenario, &path).await,
        Kv::List
        | Kv::ListAll
        | Kv::Read
        | Kv::ReadVersion
        | Kv::Metadata
        | Kv::Write
        | Kv::WriteKey
        | Kv::Delete
        | Kv::DeleteKey => Ok(()),
    }
}

/// The agent's last act was one of these operations, and its effect must be in Vault.
///
/// # Errors
/// If it is not; blocked if the act was another.
pub(crate) async fn expect_effect_of(
    scenario: &mut Scenario,
    operations: &[Operation],
) -> StepResult {
    about::expect_last_is(scenario, operations)?;
    expect_effect(scenario).await
}

/// Like [`expect_effect_of`], for an act about this secret.
///
/// # Errors
/// If it is not; blocked if the act was another, or about another secret.
pub(crate) async fn expect_effect_on(
    scenario: &mut Scenario,
    path: &str,
    operations: &[Operation],
) -> StepResult {
    about::last_on_secret(scenario, path)?;
    expect_effect_of(scenario, operations).await
}

/// Vault must hold a secret as before the agent's last act.
///
/// # Errors
/// If it does not; blocked if the scenario made no such secret.
pub(crate) async fn expect_as_before(scenario: &mut Scenario, path: &str) -> StepResult {
    let expected = scenario.held(path)?.clone();
    expect_held(scenario, path, expected).await
}

/// Vault must have the KV mount with this name and version, which the agent created last.
///
/// # Errors
/// If it has not; blocked if the agent's last act was another.
pub(crate) async fn expect_mounted(scenario: &mut Scenario, name: &str, version: u8) -> StepResult {
    let deed = about::last_on_mount(scenario, name)?;
    if let Effect::Mounted { version: asked, .. } = deed.act.effect
        && asked != version
    {
        let scenario = format!("the agent asked for KV version {asked}");
        return Err(contradiction(format!("KV version {version}"), scenario));
    }
    expect_effect_of(scenario, &[Operation::Mounts(Mounts::Create)]).await
}

/// Vault must not have the mount with this name, which the agent deleted last.
///
/// # Errors
/// If it has; blocked if the agent's last act was another.
pub(crate) async fn expect_unmounted(scenario: &mut Scenario, name: &str) -> StepResult {
    about::last_on_mount(scenario, name)?;
    expect_effect_of(scenario, &[Operation::Mounts(Mounts::Delete)]).await
}

async fn expect_held(scenario: &mut Scenario, path: &str, expected: SecretData) -> StepResult {
    let held = read(scenario, path).await?;
    if held.as_ref() != Some(&expected) {
        let keys: Vec<_> = expected.keys().map(String::as_str).collect();
        let demanded = format!(
            "Vault holds {path} with exactly the keys {}",
            keys.join(", ")
        );
        return Err(scenario.failed(demanded, &describe_secret(held.as_ref(), &expected)));
    }
    scenario.ledger.holds.insert(path.to_owned(), expected);
    Ok(())
}

async fn read(scenario: &Scenario, path: &str) -> StepResult<Option<SecretData>> {
    let kv = kv(scenario)?;
    let held = scenario
        .oracle
        .read_secret(&kv.path, kv.version, path)
        .await;
    held.map_err(StepEnd::blocked)
}

async fn expect_gone(scenario: &mut Scenario, path: &str) -> StepResult {
    if read(scenario, path).await?.is_some() {
        let seen = "Vault still returns it";
        return Err(scenario.failed(format!("Vault no longer returns {path}"), seen));
    }
    scenario.ledger.holds.remove(path);
    Ok(())
}

/// Vault must have nothing of the secret that the agent's last act was about: no data and no metadata of any version.
///
/// # Errors
/// If it has; blocked if the act was about another secret.
pub(crate) async fn expect_purged(scenario: &mut Scenario, path: &str) -> StepResult {
    about::last_on_secret(scenario, path)?;
    expect_gone(scenario, path).await?;
    if kv(scenario)?.version == 2 && !answered::metadata(scenario, path).await?.is_null() {
        let demanded = format!("nothing at {path} in Vault");
        return Err(scenario.failed(demanded, "Vault still has its metadata"));
    }
    Ok(())
}

/// Several clients wrote to a secret. Vault must hold every key whose write was reported to the agent as a success,
/// every key that another client wrote, and all earlier keys.
///
/// # Errors
/// If one is lost or has another value; blocked if another client wrote to another secret.
pub(crate) async fn expect_no_key_lost(scenario: &Scenario, path: &str) -> StepResult {
    let mut expected = scenario.held(path)?.clone();
    let mut refusal = None;
    let mut any_success = false;
    let is_about = |written: &str, by: &str| match written == path {
        true => Ok(()),
        false => {
            let scenario = format!("{by} wrote to {written:?}");
            Err(contradiction(format!("the secret {path:?}"), scenario))
        }
    };
    for (written, data) in &scenario.state::<KvState>().elsewhere {
        is_about(written, "somebody else")?;
        expected.extend(data.clone());
    }
    for deed in scenario.calls.several.iter().chain(&scenario.calls.last) {
        if let Effect::Written {
            path: written,
            data,
            ..
        } = &deed.act.effect
        {
            is_about(written, "the agent")?;
            match &deed.answer {
                Answer::Success(_) => {
                    any_success = true;
                    expected.extend(data.clone());
                }
                other => refusal = refusal.or(Some(other)),
            }
        }
    }
    // A server that refuses all of several writes loses nothing, and shows nothing. One that refuses a single write may
    // do so because somebody else has written meanwhile.
    let several = scenario.calls.several.len() > 1;
    if let Some(refusal) = refusal.filter(|_| several && !any_success) {
        return Err(scenario.failed("at least one write succeeds", &refusal.describe()));
    }
    let held = read(scenario, path).await?.unwrap_or_default();
    let lost = |(key, value): &(&String, &Value)| held.get(*key) != Some(*value);
    let lost: Vec<_> = expected.iter().filter(lost).map(|(key, _)| key).collect();
    match lost.first() {
        None => Ok(()),
        Some(key) => {
            let seen = format!("{key} is lost or altered, one of {}", lost.len());
            Err(scenario.failed(
                "every key whose write was reported as a success is there",
                &seen,
            ))
        }
    }
}

/// Either Vault holds what the agent wrote to this secret, or the agent received an error and nothing changed.
///
/// # Errors
/// If neither is the case; blocked if the agent's last act was another.
pub(crate) async fn expect_written_or_refused(scenario: &mut Scenario, path: &str) -> StepResult {
    expect_written_or(scenario, path, |scenario| {
        answered::expect_error(scenario).map(drop)
    })
    .await
}

/// Either Vault holds what the agent wrote to this secret, or the agent learned that permission was denied, and nothing
/// changed.
///
/// # Errors
/// If neither is the case; blocked if the agent's last act was another.
pub(crate) async fn expect_written_or_denied(scenario: &mut Scenario, path: &str) -> StepResult {
    expect_written_or(scenario, path, answered::expect_denial).await
}

async fn expect_written_or(
    scenario: &mut Scenario,
    path: &str,
    refused: impl FnOnce(&Scenario) -> StepResult,
) -> StepResult {
    about::expect_last_is(scenario, &WRITES)?;
    about::last_on_secret(scenario, path)?;
    expect_effect_or(scenario, refused).await
}

/// Either the agent's last act had its expected effect, or the agent received an error and nothing changed.
///
/// # Errors
/// If neither is the case.
pub(crate) async fn expect_effect_or_refusal(scenario: &mut Scenario) -> StepResult {
    expect_effect_or(scenario, |scenario| {
        answered::expect_error(scenario).map(drop)
    })
    .await
}

async fn expect_effect_or(
    scenario: &mut Scenario,
    refused: impl FnOnce(&Scenario) -> StepResult,
) -> StepResult {
    match scenario.last()?.answer {
        Answer::Success(_) => expect_effect(scenario).await,
        _ => {
            refused(scenario)?;
            expect_unchanged(scenario, false).await
        }
    }
}

/// A version of a secret that the scenario made must be in this state. An intact version must be the one first stored.
///
/// # Errors
/// If it is not; blocked if the suite does not know its contents.
pub(crate) async fn expect_version(
    scenario: &Scenario,
    path: &str,
    version: u64,
    state: VersionState,
) -> StepResult {
    let first = about::held_in(scenario, path, 1)?;
    if state == VersionState::Intact {
        about::held_in(scenario, path, version)?;
    }
    let about = answered::metadata(scenario, path).await?["versions"][version.to_string()].take();
    // A deletion time can lie ahead; what is deleted, Vault does not return.
    let timed = about["deletion_time"]
        .as_str()
        .is_some_and(|t| !t.is_empty());
    let kv = kv(scenario)?;
    let held = scenario.oracle.read_version(&kv.path, path, version).await;
    let held = held.map_err(StepEnd::blocked)?;
    let deleted = timed && held.is_none();
    let seen = match (about["destroyed"] == true, deleted) {
        _ if about.is_null() => None,
        (true, _) => Some(VersionState::Destroyed),
        (false, true) => Some(VersionState::Deleted),
        (false, false) => Some(VersionState::Intact),
    };
    let demanded = format!("version {version} of {path} is {state:?}").to_lowercase();
    if seen != Some(state) {
        let seen = seen.map_or("unknown to Vault".to_owned(), |seen| format!("{seen:?}"));
        return Err(scenario.failed(demanded, &format!("it is {}", seen.to_lowercase())));
    }
    if state == VersionState::Intact && held.as_ref() != Some(first) {
        return Err(scenario.failed(demanded, "it holds something else"));
    }
    Ok(())
}

async fn expect_mount(
    scenario: &Scenario,
    mount: &str,
    expected: Option<(&str, Option<u8>)>,
) -> StepResult {
    let mounts = scenario.oracle.mounts().await.map_err(StepEnd::blocked)?;
    let found = mounts.get(mount).map(|about| {
        let version = about["options"]["version"].as_str();
        let kind = about["type"].as_str().unwrap_or_default();
        // A mount without options is version 1.
        let of_kv = (kind == "kv").then(|| version.and_then(|v| v.parse().ok()).unwrap_or(1));
        (kind, of_kv)
    });
    let right = match (found, expected) {
        (Some((kind, version)), Some((wanted, wanted_version))) => {
            kind == wanted && (wanted_version.is_none() || version == wanted_version)
        }
        (None, None) => true,
        _ => false,
    };
    if right {
        return Ok(());
    }
    let say = |what: Option<(&str, Option<u8>)>| match what {
        Some((kind, Some(version))) => {
            format!("a {kind} mount of version {version} at {mount}")
        }
        Some((kind, None)) => format!("a {kind} mount at {mount}"),
        None => format!("no mount at {mount}"),
    };
    Err(scenario.failed(say(expected), &say(found)))
}

/// No request that writes to this mount may have passed the tap since the last act began.
///
/// # Errors
/// If one has; blocked if the agent's last act was about another mount.
pub(crate) fn expect_no_write(scenario: &Scenario, name: &str) -> StepResult {
    let deed = about::last_on_mount(scenario, name)?;
    let below = format!("/v1/{}/", scenario.path_of(name));
    let exchanges = scenario.tap()?.exchanges();
    let passed = exchanges.iter().skip(deed.passed);
    let write = passed.clone().find(|exchange| {
        let reads = matches!(exchange.method.as_str(), "GET" | "LIST" | "HEAD");
        !reads && exchange.status.is_success() && exchange.path.starts_with(&below)
    });
    write.map_or(Ok(()), |write| {
        let seen = format!("{} {}", write.method, write.path);
        Err(scenario.failed(
            format!("no request that writes to {name} and that Vault accepts"),
            &seen,
        ))
    })
}

/// The last act must have made only one request to Vault, besides those for the description of mounts.
///
/// # Errors
/// If it made more.
pub(crate) fn expect_one_request(scenario: &Scenario) -> StepResult {
    let exchanges = scenario.tap()?.exchanges();
    let requests: Vec<_> = exchanges
        .iter()
        .skip(scenario.last()?.passed)
        .filter(|exchange| !exchange.path.starts_with("/v1/sys/"))
        .map(|exchange| format!("{} {}", exchange.method, exchange.path))
        .collect();
    if requests.len() == 1 {
        return Ok(());
    }
    let seen = format!("{}: {}", requests.len(), requests.join(", "));
    Err(scenario.failed("one request to Vault", &seen))
}

/// How a secret differs from the expected contents, without its values.
fn describe_secret(held: Option<&SecretData>, expected: &SecretData) -> String {
    let Some(held) = held else {
        return "Vault returns nothing there".to_owned();
    };
    let of = |value: &Value| match value {
        Value::String(text) => format!("{} characters", text.chars().count()),
        other => other.to_string(),
    };
    let wrong: Vec<_> = held
        .iter()
        .filter_map(|(key, value)| match expected.get(key) {
            Some(right) if right == value => None,
            Some(right) => Some(format!(
                "{key} altered ({} instead of {})",
                of(value),
                of(right)
            )),
            None => Some(unexpected(key)),
        })
        .chain(
            expected
                .keys()
                .filter(|key| !held.contains_key(*key))
                .map(|key| format!("{key} missing")),
        )
        .collect();
    format!("Vault holds {}", wrong.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{SecretData, describe_secret};

    fn data(value: serde_json::Value) -> SecretData {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn a_difference_is_described_without_any_value() {
        let expected = data(json!({ "same": "s3cret", "cut": "s3cret", "lost": "s3cret" }));
        let held = data(json!({ "same": "s3cret", "cut": "s3c", "odd": "s3cret" }));
        assert_eq!(
            describe_secret(Some(&held), &expected),
            "Vault holds cut altered (3 characters instead of 6 characters), odd unexpected, lost missing"
        );
    }
}
