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
    engines::{Operation, kv::Kv, mounts::Mounts},
    instance::answer::Answer,
    scenario::Scenario,
    vault::oracle::SecretData,
    verdict::{StepEnd, StepResult},
};

/// The operations that write keys of a secret.
pub(crate) const WRITES: [Operation; 2] = [Operation::Kv(Kv::Write), Operation::Kv(Kv::WriteKey)];

/// What has become of one version of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VersionState {
    /// It is given out with what was stored in it.
    Intact,
    /// It is deleted and can be brought back.
    Deleted,
    /// Its data is gone for good.
    Destroyed,
}

/// What the agent did must show in Vault, or in the answer where it only asked.
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

/// The agent's last act was one of these operations, and what it did must show.
///
/// # Errors
/// When it does not; blocked when the act was another.
pub(crate) async fn expect_effect_of(
    scenario: &mut Scenario,
    operations: &[Operation],
) -> StepResult {
    about::expect_last_is(scenario, operations)?;
    expect_effect(scenario).await
}

/// The same, of an act that was about this secret.
///
/// # Errors
/// When it does not; blocked when the act was another, or about another secret.
pub(crate) async fn expect_effect_on(
    scenario: &mut Scenario,
    path: &str,
    operations: &[Operation],
) -> StepResult {
    about::last_on_secret(scenario, path)?;
    expect_effect_of(scenario, operations).await
}

/// Vault must hold a secret as it did before the agent's last act.
///
/// # Errors
/// When it does not; blocked when the scenario made no such secret.
pub(crate) async fn expect_as_before(scenario: &mut Scenario, path: &str) -> StepResult {
    let expected = scenario.held(path)?.clone();
    expect_held(scenario, path, expected).await
}

/// Vault must have the KV mount of this name and version, which the agent made last.
///
/// # Errors
/// When it has not; blocked when the agent's last act was another.
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

/// Vault must not have the mount of this name, which the agent deleted last.
///
/// # Errors
/// When it has; blocked when the agent's last act was another.
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

/// Vault must know nothing of the secret that the agent's last act was about: neither data nor
/// metadata of any version.
///
/// # Errors
/// When it does; blocked when the act was about another secret.
pub(crate) async fn expect_purged(scenario: &mut Scenario, path: &str) -> StepResult {
    about::last_on_secret(scenario, path)?;
    expect_gone(scenario, path).await?;
    if kv(scenario)?.version == 2 && !answered::metadata(scenario, path).await?.is_null() {
        let demanded = format!("nothing at {path} in Vault");
        return Err(scenario.failed(demanded, "Vault still has its metadata"));
    }
    Ok(())
}

/// Vault must hold, of a secret to which several wrote, every key that the agent was told
/// is written, every key that somebody else wrote, and all that were there before.
///
/// # Errors
/// When one is lost or has another value; blocked when somebody wrote to another secret.
pub(crate) async fn expect_no_key_lost(scenario: &Scenario, path: &str) -> StepResult {
    let mut expected = scenario.held(path)?.clone();
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
            if let Answer::Success(_) = deed.answer {
                expected.extend(data.clone());
            }
        }
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

/// Either what the agent wrote to this secret is in Vault, or it was told of an error and nothing
/// changed.
///
/// # Errors
/// When neither is so; blocked when the agent's last act was another.
pub(crate) async fn expect_written_or_refused(scenario: &mut Scenario, path: &str) -> StepResult {
    about::expect_last_is(scenario, &WRITES)?;
    match about::last_on_secret(scenario, path)?.answer {
        Answer::Success(_) => expect_effect(scenario).await,
        _ => {
            answered::expect_error(scenario)?;
            expect_unchanged(scenario, false).await
        }
    }
}

/// A version of a secret that the scenario made must be in this state; intact, it is the one first
/// stored.
///
/// # Errors
/// When it is not; blocked when the suite does not know what it held.
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
    let deleted = about["deletion_time"]
        .as_str()
        .is_some_and(|t| !t.is_empty());
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
    if state == VersionState::Intact {
        let kv = kv(scenario)?;
        let held = scenario.oracle.read_version(&kv.path, path, version).await;
        if held.map_err(StepEnd::blocked)?.as_ref() != Some(first) {
            return Err(scenario.failed(demanded, "it holds something else"));
        }
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
        // Vault calls a mount without options version 1.
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

/// No request that writes may have passed the tap to this mount since the last deed began.
///
/// # Errors
/// When one has; blocked when the agent's last act was about another mount.
pub(crate) fn expect_no_write(scenario: &Scenario, name: &str) -> StepResult {
    let deed = about::last_on_mount(scenario, name)?;
    let below = format!("/v1/{}/", scenario.path_of(name));
    let exchanges = scenario.tap()?.exchanges();
    let passed = exchanges.iter().skip(deed.passed);
    let write = passed.clone().find(|exchange| {
        let reads = matches!(exchange.method.as_str(), "GET" | "LIST" | "HEAD");
        !reads && exchange.path.starts_with(&below)
    });
    write.map_or(Ok(()), |write| {
        let seen = format!("{} {}", write.method, write.path);
        Err(scenario.failed(format!("no request that writes to {name}"), &seen))
    })
}

/// The last deed must have taken one request to Vault, what asks for the description of
/// mounts aside.
///
/// # Errors
/// When it took more.
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

/// How a secret differs from what is expected, without its values.
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
            None => Some(format!("{key} unexpected")),
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
