//! What must have become of Vault once the agent has acted.

use serde_json::Value;

use super::{Scene, about::contradiction};
use crate::{
    act::Effect,
    scene::KvState,
    target::{answer::Answer, operation::Operation},
    vault::oracle::SecretData,
    verdict::{StepResult, Stop},
};

/// The operations that write keys of a secret.
pub(crate) const WRITES: [Operation; 2] = [Operation::KvWrite, Operation::KvWriteKey];

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
/// When it does not.
pub(crate) async fn expect_effect(scene: &mut Scene) -> StepResult {
    match scene.last()?.act.effect.clone() {
        Effect::Read => crate::scene::answered::expect_given(scene),
        Effect::Listed { folder } => crate::scene::lists::expect_listed(scene, &folder).await,
        Effect::ListedAll { folder } => crate::scene::lists::expect_listed_all(scene, &folder),
        Effect::Described { path } => crate::scene::answered::expect_key_names(scene, &path),
        Effect::Written { path, data, merged } => {
            let mut expected = match merged {
                true => scene.last()?.held.clone().unwrap_or_default(),
                false => SecretData::new(),
            };
            expected.extend(data);
            expect_held(scene, &path, expected).await
        }
        Effect::Deleted { path, key: None } => expect_gone(scene, &path).await,
        Effect::Deleted {
            path,
            key: Some(key),
        } => {
            let mut expected = scene.last()?.held.clone().unwrap_or_default();
            expected.remove(&key);
            expect_held(scene, &path, expected).await
        }
        Effect::VersionChanged { path } => {
            let expected = scene.held(&path)?.clone();
            expect_held(scene, &path, expected).await
        }
        Effect::MountsListed => crate::scene::lists::expect_mount_listed(scene, scene.mount()?),
        Effect::Mounted { mount, version } => {
            expect_mount(scene, &mount, Some(("kv", Some(version)))).await
        }
        Effect::Unmounted { mount } => expect_mount(scene, &mount, None).await,
        Effect::Pki(effect) => crate::scene::pki::effect::expect_pki(scene, &effect).await,
    }
}

/// The agent's last act was one of these operations, and what it did must show.
///
/// # Errors
/// When it does not; blocked when the act was another.
pub(crate) async fn expect_effect_of(scene: &mut Scene, operations: &[Operation]) -> StepResult {
    crate::scene::about::expect_last_is(scene, operations)?;
    expect_effect(scene).await
}

/// The same, of an act that was about this secret.
///
/// # Errors
/// When it does not; blocked when the act was another, or about another secret.
pub(crate) async fn expect_effect_on(
    scene: &mut Scene,
    path: &str,
    operations: &[Operation],
) -> StepResult {
    crate::scene::about::last_on_secret(scene, path)?;
    expect_effect_of(scene, operations).await
}

/// Vault must hold a secret as it did before the agent's last act.
///
/// # Errors
/// When it does not; blocked when the scenario made no such secret.
pub(crate) async fn expect_as_before(scene: &mut Scene, path: &str) -> StepResult {
    let expected = scene.held(path)?.clone();
    expect_held(scene, path, expected).await
}

/// Vault must have the KV mount of this name and version, which the agent made last.
///
/// # Errors
/// When it has not; blocked when the agent's last act was another.
pub(crate) async fn expect_mounted(scene: &mut Scene, name: &str, version: u8) -> StepResult {
    let deed = crate::scene::about::last_on_mount(scene, name)?;
    if let Effect::Mounted { version: asked, .. } = deed.act.effect
        && asked != version
    {
        let scenario = format!("the agent asked for KV version {asked}");
        return Err(contradiction(format!("KV version {version}"), scenario));
    }
    expect_effect_of(scene, &[Operation::MountsCreate]).await
}

/// Vault must not have the mount of this name, which the agent deleted last.
///
/// # Errors
/// When it has; blocked when the agent's last act was another.
pub(crate) async fn expect_unmounted(scene: &mut Scene, name: &str) -> StepResult {
    crate::scene::about::last_on_mount(scene, name)?;
    expect_effect_of(scene, &[Operation::MountsDelete]).await
}

async fn expect_held(scene: &mut Scene, path: &str, expected: SecretData) -> StepResult {
    let held = read(scene, path).await?;
    if held.as_ref() != Some(&expected) {
        let keys: Vec<_> = expected.keys().map(String::as_str).collect();
        let demanded = format!(
            "Vault holds {path} with exactly the keys {}",
            keys.join(", ")
        );
        return Err(scene.failed(demanded, &describe_secret(held.as_ref(), &expected)));
    }
    scene.holds.insert(path.to_owned(), expected);
    Ok(())
}

async fn read(scene: &Scene, path: &str) -> StepResult<Option<SecretData>> {
    let kv = scene.kv()?;
    let held = scene.oracle.read_secret(&kv.path, kv.version, path).await;
    held.map_err(Stop::blocked)
}

async fn expect_gone(scene: &mut Scene, path: &str) -> StepResult {
    if read(scene, path).await?.is_some() {
        let seen = "Vault still gives it out";
        return Err(scene.failed(format!("Vault no longer gives out {path}"), seen));
    }
    scene.holds.remove(path);
    Ok(())
}

/// Vault must know nothing of the secret that the agent's last act was about: neither data nor
/// metadata of any version.
///
/// # Errors
/// When it does; blocked when the act was about another secret.
pub(crate) async fn expect_purged(scene: &mut Scene, path: &str) -> StepResult {
    crate::scene::about::last_on_secret(scene, path)?;
    expect_gone(scene, path).await?;
    if scene.kv()?.version == 2
        && !crate::scene::answered::metadata(scene, path)
            .await?
            .is_null()
    {
        let demanded = format!("Vault knows nothing of {path}");
        return Err(scene.failed(demanded, "Vault still has its metadata"));
    }
    Ok(())
}

/// Vault must hold, of a secret to which several wrote, every key that the agent was told
/// is written, every key that somebody else wrote, and all that were there before.
///
/// # Errors
/// When one is lost or has another value; blocked when somebody wrote to another secret.
pub(crate) async fn expect_no_key_lost(scene: &Scene, path: &str) -> StepResult {
    let mut expected = scene.held(path)?.clone();
    let is_about = |written: &str, by: &str| match written == path {
        true => Ok(()),
        false => {
            let scenario = format!("{by} wrote to {written:?}");
            Err(contradiction(format!("the secret {path:?}"), scenario))
        }
    };
    for (written, data) in &scene.state::<KvState>().elsewhere {
        is_about(written, "somebody else")?;
        expected.extend(data.clone());
    }
    for deed in scene.volley.iter().chain(&scene.last) {
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
    let held = read(scene, path).await?.unwrap_or_default();
    let lost = |(key, value): &(&String, &Value)| held.get(*key) != Some(*value);
    let lost: Vec<_> = expected.iter().filter(lost).map(|(key, _)| key).collect();
    match lost.first() {
        None => Ok(()),
        Some(key) => {
            let seen = format!("{key} is lost or altered, one of {}", lost.len());
            Err(scene.failed("no key that was told to be written is lost", &seen))
        }
    }
}

/// Either what the agent wrote to this secret is in Vault, or it was told of an error and nothing
/// changed.
///
/// # Errors
/// When neither is so; blocked when the agent's last act was another.
pub(crate) async fn expect_written_or_refused(scene: &mut Scene, path: &str) -> StepResult {
    crate::scene::about::expect_last_is(scene, &WRITES)?;
    match crate::scene::about::last_on_secret(scene, path)?.answer {
        Answer::Success(_) => expect_effect(scene).await,
        _ => {
            crate::scene::answered::expect_error(scene)?;
            expect_unchanged(scene, false).await
        }
    }
}

/// A version of a secret that the scenario made must be in this state; intact, it is the one first
/// stored.
///
/// # Errors
/// When it is not; blocked when the suite does not know what it held.
pub(crate) async fn expect_version(
    scene: &Scene,
    path: &str,
    version: u64,
    state: VersionState,
) -> StepResult {
    let first = crate::scene::about::held_in(scene, path, 1)?;
    if state == VersionState::Intact {
        crate::scene::about::held_in(scene, path, version)?;
    }
    let about = crate::scene::answered::metadata(scene, path).await?["versions"]
        [version.to_string()]
    .take();
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
        return Err(scene.failed(demanded, &format!("it is {}", seen.to_lowercase())));
    }
    if state == VersionState::Intact {
        let kv = scene.kv()?;
        let held = scene.oracle.read_version(&kv.path, path, version).await;
        if held.map_err(Stop::blocked)?.as_ref() != Some(first) {
            return Err(scene.failed(demanded, "it holds something else"));
        }
    }
    Ok(())
}

async fn expect_mount(
    scene: &Scene,
    mount: &str,
    expected: Option<(&str, Option<u8>)>,
) -> StepResult {
    let mounts = scene.oracle.mounts().await.map_err(Stop::blocked)?;
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
    Err(scene.failed(say(expected), &say(found)))
}

/// Nothing in Vault may have changed since before the agent's last deed; with
/// `but_its_subject` what the deed was about may.
///
/// # Errors
/// When something has.
pub(crate) async fn expect_unchanged(scene: &Scene, but_its_subject: bool) -> StepResult {
    let deed = scene.last()?;
    if scene.vast {
        return Err(Stop::blocked(
            "a scenario with so much in Vault cannot ask this",
        ));
    }
    let (mut before, mut after) = (deed.before.clone(), scene.snapshot().await?);
    if but_its_subject {
        before.retain(|place, _| !deed.act.is_about(place));
        after.retain(|place, _| !deed.act.is_about(place));
    }
    let mut places: Vec<_> = before.keys().chain(after.keys()).collect();
    places.sort();
    places.dedup();
    let changed =
        places
            .into_iter()
            .find_map(|place| match (before.get(place), after.get(place)) {
                (None, Some(_)) => Some(format!("{place} is new")),
                (Some(_), None) => Some(format!("{place} is gone")),
                (earlier, later) if earlier != later => Some(format!("{place} is not what it was")),
                _ => None,
            });
    changed.map_or(Ok(()), |change| {
        let expected = match but_its_subject {
            true => "nothing in Vault but what the agent named changes",
            false => "nothing in Vault changes",
        };
        Err(scene.failed(expected, &change))
    })
}

/// No request that writes may have passed the tap to this mount since the last deed began.
///
/// # Errors
/// When one has; blocked when the agent's last act was about another mount.
pub(crate) fn expect_no_write(scene: &Scene, name: &str) -> StepResult {
    let deed = crate::scene::about::last_on_mount(scene, name)?;
    let below = format!("/v1/{}/", scene.path_of(name));
    let exchanges = scene.tap()?.exchanges();
    let passed = exchanges.iter().skip(deed.passed);
    let write = passed.clone().find(|exchange| {
        let reads = matches!(exchange.method.as_str(), "GET" | "LIST" | "HEAD");
        !reads && exchange.path.starts_with(&below)
    });
    write.map_or(Ok(()), |write| {
        let seen = format!("{} {}", write.method, write.path);
        Err(scene.failed(format!("no request that writes to {name}"), &seen))
    })
}

/// The last deed must have taken one request to Vault, what asks for the description of
/// mounts aside.
///
/// # Errors
/// When it took more.
pub(crate) fn expect_one_request(scene: &Scene) -> StepResult {
    let exchanges = scene.tap()?.exchanges();
    let requests: Vec<_> = exchanges
        .iter()
        .skip(scene.last()?.passed)
        .filter(|exchange| !exchange.path.starts_with("/v1/sys/"))
        .map(|exchange| format!("{} {}", exchange.method, exchange.path))
        .collect();
    if requests.len() == 1 {
        return Ok(());
    }
    let seen = format!("{}: {}", requests.len(), requests.join(", "));
    Err(scene.failed("one request to Vault", &seen))
}

/// How a secret differs from what is expected, without its values.
fn describe_secret(held: Option<&SecretData>, expected: &SecretData) -> String {
    let Some(held) = held else {
        return "Vault gives out nothing there".to_owned();
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
            None => Some(format!("{key} that should not be there")),
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
            "Vault holds cut altered (3 characters instead of 6 characters), odd that should not be there, lost missing"
        );
    }
}
