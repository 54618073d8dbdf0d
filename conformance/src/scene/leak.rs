//! A value that has leaked: what a secret scanner knows, and how an agent finds it in Vault by what the target
//! shows.

use serde_json::{Value, json};

use super::{Scene, about::contradiction, disclose};
use crate::{
    act::Act,
    target::answer::Data,
    vault::oracle::SecretData,
    verdict::{NotApplicable, StepResult, Stop},
};

/// A value that has leaked, and where the agent has found it.
pub(super) struct Leak {
    /// The secret that it was of.
    path: String,
    value: Value,
    /// Secret and key.
    found: Vec<(String, String)>,
}

/// Lets the agent know the value of a key of a secret, and not where it is.
///
/// # Errors
/// When there is no such key.
pub(crate) fn leak(scene: &mut Scene, path: &str, key: &str) -> StepResult {
    let missing = || Stop::blocked(format!("the secret {path:?} has no key {key:?}"));
    let value = scene.held(path)?.get(key).ok_or_else(missing)?.clone();
    let known = SecretData::from_iter([(key.to_owned(), value.clone())]);
    disclose(&mut scene.canaries, Some(&known));
    *scene.state_mut::<Option<Leak>>() = Some(Leak {
        path: path.to_owned(),
        value,
        found: Vec::new(),
    });
    Ok(())
}

fn leaked(scene: &Scene) -> StepResult<&Leak> {
    let missing = || Stop::blocked("in this scenario nothing has leaked");
    scene.state::<Option<Leak>>().as_ref().ok_or_else(missing)
}

/// Lets the agent list a folder and all below it, and read every secret there.
///
/// # Errors
/// When the target does not show what there is; not applicable where it shows it as prose.
pub(crate) async fn look_for_leak(scene: &mut Scene, folder: &str) -> StepResult {
    let leaked = leaked(scene)?.value.clone();
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        scene.let_agent(Act::list(scene.mount()?, &folder)).await?;
        let Value::Array(names) = shown(scene)? else {
            return Err(scene.failed("a list of names", "something else"));
        };
        for name in names.iter().filter_map(Value::as_str) {
            let path = format!("{folder}/{name}");
            if let Some(deeper) = path.strip_suffix('/') {
                folders.push(deeper.to_owned());
                continue;
            }
            scene.let_agent(Act::read(scene.mount()?, &path)).await?;
            let Value::Object(data) = shown(scene)? else {
                return Err(scene.failed("the keys of a secret", "something else"));
            };
            let keys = data.into_iter().filter(|(_, value)| *value == leaked);
            found.extend(keys.map(|(key, _)| (path.clone(), key)));
        }
    }
    if let Some(leak) = &mut scene.state_mut::<Option<Leak>>() {
        leak.found = found;
    }
    Ok(())
}

/// What the last answer shows, as JSON.
fn shown(scene: &Scene) -> StepResult<Value> {
    match &crate::scene::answered::expect_success(scene)?.data {
        Data::Json(value) => Ok(value.clone()),
        Data::Prose(_) => Err(Stop::NotApplicable {
            reason: NotApplicable::NotClaimed,
            detail: "the adapter finds no names or keys in what is prose".to_owned(),
        }),
        Data::Unusable(why) => Err(scene.failed("names or keys", why)),
    }
}

/// The agent must have found it in exactly these keys, each with its secret.
///
/// # Errors
/// When it has not.
pub(crate) fn expect_leak_found(scene: &Scene, expected: &[(String, String)]) -> StepResult {
    let found = &leaked(scene)?.found;
    if found == expected {
        return Ok(());
    }
    let say = |places: &[(String, String)]| match places {
        [] => "nowhere".to_owned(),
        places => {
            let places = places.iter().map(|(path, key)| format!("{key} of {path}"));
            places.collect::<Vec<_>>().join(", ")
        }
    };
    let demanded = format!("the leaked value is found: {}", say(expected));
    Err(scene.failed(demanded, &say(found)))
}

/// Vault must give it out in no version of the secret that it was of.
///
/// # Errors
/// When it does; blocked when it was of another secret.
pub(crate) async fn expect_leak_gone(scene: &Scene, path: &str) -> StepResult {
    let leak = leaked(scene)?;
    if leak.path != path {
        let scenario = format!("the leaked value was of {:?}", leak.path);
        return Err(contradiction(format!("the secret {path:?}"), scenario));
    }
    let leaked = &leak.value;
    let metadata = crate::scene::answered::metadata(scene, path).await?;
    let versions = metadata["versions"].as_object();
    let numbers = versions.into_iter().flat_map(|versions| versions.keys());
    for number in numbers.filter_map(|number| number.parse().ok()) {
        let held = scene
            .oracle
            .read_version(&scene.kv()?.path, path, number)
            .await;
        let held = json!(held.map_err(Stop::blocked)?);
        if held
            .as_object()
            .is_some_and(|held| held.values().any(|v| v == leaked))
        {
            let demanded = format!("no version of {path} gives the leaked value out");
            return Err(scene.failed(demanded, &format!("version {number} does")));
        }
    }
    Ok(())
}
