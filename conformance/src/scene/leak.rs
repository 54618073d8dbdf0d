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

impl Scene {
    /// Lets the agent know the value of a key of a secret, and not where it is.
    ///
    /// # Errors
    /// When there is no such key.
    pub fn leak(&mut self, path: &str, key: &str) -> StepResult {
        let missing = || Stop::blocked(format!("the secret {path:?} has no key {key:?}"));
        let value = self.held(path)?.get(key).ok_or_else(missing)?.clone();
        let known = SecretData::from_iter([(key.to_owned(), value.clone())]);
        disclose(&mut self.canaries, Some(&known));
        *self.state_mut::<Option<Leak>>() = Some(Leak {
            path: path.to_owned(),
            value,
            found: Vec::new(),
        });
        Ok(())
    }

    fn leaked(&self) -> StepResult<&Leak> {
        let missing = || Stop::blocked("in this scenario nothing has leaked");
        self.state::<Option<Leak>>().as_ref().ok_or_else(missing)
    }

    /// Lets the agent list a folder and all below it, and read every secret there.
    ///
    /// # Errors
    /// When the target does not show what there is; not applicable where it shows it as prose.
    pub async fn look_for_leak(&mut self, folder: &str) -> StepResult {
        let leaked = self.leaked()?.value.clone();
        let mut found = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            self.let_agent(Act::list(self.mount()?, &folder)).await?;
            let Value::Array(names) = self.shown()? else {
                return Err(self.failed("a list of names", "something else"));
            };
            for name in names.iter().filter_map(Value::as_str) {
                let path = format!("{folder}/{name}");
                if let Some(deeper) = path.strip_suffix('/') {
                    folders.push(deeper.to_owned());
                    continue;
                }
                self.let_agent(Act::read(self.mount()?, &path)).await?;
                let Value::Object(data) = self.shown()? else {
                    return Err(self.failed("the keys of a secret", "something else"));
                };
                let keys = data.into_iter().filter(|(_, value)| *value == leaked);
                found.extend(keys.map(|(key, _)| (path.clone(), key)));
            }
        }
        if let Some(leak) = &mut self.state_mut::<Option<Leak>>() {
            leak.found = found;
        }
        Ok(())
    }

    /// What the last answer shows, as JSON.
    fn shown(&self) -> StepResult<Value> {
        match &self.expect_success()?.data {
            Data::Json(value) => Ok(value.clone()),
            Data::Prose(_) => Err(Stop::NotApplicable {
                reason: NotApplicable::NotClaimed,
                detail: "the adapter finds no names or keys in what is prose".to_owned(),
            }),
            Data::Unusable(why) => Err(self.failed("names or keys", why)),
        }
    }

    /// The agent must have found it in exactly these keys, each with its secret.
    ///
    /// # Errors
    /// When it has not.
    pub fn expect_leak_found(&self, expected: &[(String, String)]) -> StepResult {
        let found = &self.leaked()?.found;
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
        Err(self.failed(demanded, &say(found)))
    }

    /// Vault must give it out in no version of the secret that it was of.
    ///
    /// # Errors
    /// When it does; blocked when it was of another secret.
    pub async fn expect_leak_gone(&self, path: &str) -> StepResult {
        let leak = self.leaked()?;
        if leak.path != path {
            let scenario = format!("the leaked value was of {:?}", leak.path);
            return Err(contradiction(format!("the secret {path:?}"), scenario));
        }
        let leaked = &leak.value;
        let metadata = self.metadata(path).await?;
        let versions = metadata["versions"].as_object();
        let numbers = versions.into_iter().flat_map(|versions| versions.keys());
        for number in numbers.filter_map(|number| number.parse().ok()) {
            let held = self
                .oracle
                .read_version(&self.kv()?.path, path, number)
                .await;
            let held = json!(held.map_err(Stop::blocked)?);
            if held
                .as_object()
                .is_some_and(|held| held.values().any(|v| v == leaked))
            {
                let demanded = format!("no version of {path} gives the leaked value out");
                return Err(self.failed(demanded, &format!("version {number} does")));
            }
        }
        Ok(())
    }
}
