//! A leaked value: what a secret scanner knows of it, and how an agent uses the target to find it in Vault.

use serde_json::{Value, json};

use crate::{
    act::Act,
    instance::answer::Data,
    scenario::Scenario,
    vault::oracle::SecretData,
    verdict::{StepEnd, StepResult},
    vocabulary::{about::contradiction, answered, kv::kv},
};

/// A leaked value, and where the agent found it.
pub(super) struct Leak {
    /// The secret that contained it.
    path: String,
    value: Value,
    /// Secrets and keys.
    found: Vec<(String, String)>,
}

/// Tells the agent the value of a key of a secret, but not where it is.
///
/// # Errors
/// If the key does not exist.
pub(crate) fn leak(scenario: &mut Scenario, path: &str, key: &str) -> StepResult {
    let missing = || StepEnd::blocked(format!("the secret {path:?} has no key {key:?}"));
    let value = scenario.held(path)?.get(key).ok_or_else(missing)?.clone();
    let known = SecretData::from_iter([(key.to_owned(), value.clone())]);
    scenario.ledger.disclose(&known);
    *scenario.state_mut::<Option<Leak>>() = Some(Leak {
        path: path.to_owned(),
        value,
        found: Vec::new(),
    });
    Ok(())
}

fn leaked(scenario: &Scenario) -> StepResult<&Leak> {
    let missing = || StepEnd::blocked("in this scenario nothing has leaked");
    scenario
        .state::<Option<Leak>>()
        .as_ref()
        .ok_or_else(missing)
}

/// Lets the agent list a folder and everything below it, and read every secret there.
///
/// # Errors
/// If the target does not show what exists; not applicable if it shows it as prose.
pub(crate) async fn look_for_leak(scenario: &mut Scenario, folder: &str) -> StepResult {
    let leaked = leaked(scenario)?.value.clone();
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        scenario
            .let_agent(Act::list(scenario.mount()?, &folder))
            .await?;
        let Value::Array(names) = shown(scenario)? else {
            return Err(scenario.failed("a list of names", "something else"));
        };
        for name in names.iter().filter_map(Value::as_str) {
            let path = format!("{folder}/{name}");
            if let Some(deeper) = path.strip_suffix('/') {
                folders.push(deeper.to_owned());
                continue;
            }
            scenario
                .let_agent(Act::read(scenario.mount()?, &path))
                .await?;
            let Value::Object(data) = shown(scenario)? else {
                return Err(scenario.failed("the keys of a secret", "something else"));
            };
            let keys = data.into_iter().filter(|(_, value)| *value == leaked);
            found.extend(keys.map(|(key, _)| (path.clone(), key)));
        }
    }
    if let Some(leak) = &mut scenario.state_mut::<Option<Leak>>() {
        leak.found = found;
    }
    Ok(())
}

/// The content of the last answer, as JSON.
fn shown(scenario: &Scenario) -> StepResult<Value> {
    match &answered::expect_success(scenario)?.data {
        Data::Json(value) => Ok(value.clone()),
        Data::Prose(_) => Err(StepEnd::not_claimed(
            "the adapter finds no names or keys in prose",
        )),
        Data::Unusable(why) => Err(scenario.failed("names or keys", why)),
    }
}

/// The agent must have found the value in exactly these keys, each with its secret.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_leak_found(scenario: &Scenario, expected: &[(String, String)]) -> StepResult {
    let found = &leaked(scenario)?.found;
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
    Err(scenario.failed(demanded, &say(found)))
}

/// Vault must return the value in no version of the secret that contained it.
///
/// # Errors
/// If Vault does; blocked if the value was in another secret.
pub(crate) async fn expect_leak_gone(scenario: &Scenario, path: &str) -> StepResult {
    let leak = leaked(scenario)?;
    if leak.path != path {
        let scenario = format!("the leaked value was of {:?}", leak.path);
        return Err(contradiction(format!("the secret {path:?}"), scenario));
    }
    let leaked = &leak.value;
    let metadata = answered::metadata(scenario, path).await?;
    let versions = metadata["versions"].as_object();
    let numbers = versions.into_iter().flat_map(|versions| versions.keys());
    for number in numbers.filter_map(|number| number.parse().ok()) {
        let held = scenario
            .oracle
            .read_version(&kv(scenario)?.path, path, number)
            .await;
        let held = json!(held.map_err(StepEnd::blocked)?);
        if held
            .as_object()
            .is_some_and(|held| held.values().any(|v| v == leaked))
        {
            let demanded = format!("no version of {path} contains the leaked value");
            return Err(scenario.failed(demanded, &format!("version {number} does")));
        }
    }
    Ok(())
}
