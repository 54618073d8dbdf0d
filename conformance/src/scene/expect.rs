//! What must be seen once the agent has acted: in the answer, and in Vault.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::Scene;
use crate::{
    act::Effect,
    target::answer::{Answer, Data},
    vault::oracle::SecretData,
    verdict::{StepResult, Stop},
};

impl Scene {
    /// The agent must have been told of success.
    ///
    /// # Errors
    /// When it was not.
    pub fn expect_success(&self) -> StepResult {
        match &self.last()?.answer {
            Answer::Success(_) => Ok(()),
            other => Err(self.failed("an answer that tells of success", &other.describe())),
        }
    }

    /// The agent must have been told of an error.
    ///
    /// # Errors
    /// When it was not.
    pub fn expect_error(&self) -> StepResult<&str> {
        match &self.last()?.answer {
            Answer::Error(text) => Ok(text),
            other => Err(self.failed("an error", &other.describe())),
        }
    }

    /// The agent must have been told that permission was denied.
    ///
    /// # Errors
    /// When it was not told of an error, or of another one.
    pub fn expect_denial(&self) -> StepResult {
        let answer = &self.last()?.answer;
        if answer.is_denial() {
            return Ok(());
        }
        let expected = "an error that says that permission was denied, as Vault did";
        Err(self.failed(expected, &answer.describe()))
    }

    /// The last answer must show no value of the scene.
    ///
    /// # Errors
    /// When it does.
    pub fn expect_no_value(&self) -> StepResult {
        let deed = self.last()?;
        let own = deed.act.value();
        let shown = match &deed.answer {
            Answer::Success(success) => &success.whole,
            Answer::Error(text) => text,
            Answer::Nothing(_) => return Ok(()),
        };
        let values = self.values(|canary| own != Some(canary.value.expose_secret()));
        match values.found_in(shown) {
            None => Ok(()),
            Some(label) => Err(self.failed("no value in the answer", &format!("the {label}"))),
        }
    }

    /// The answer must be what Vault holds in a secret: in its latest or in its first version.
    ///
    /// # Errors
    /// When it is not.
    pub fn expect_given(&self, first_version: bool) -> StepResult {
        let deed = self.last()?;
        let path = deed.act.secret().unwrap_or_default();
        let expected = match (first_version, self.first.get(path)) {
            (true, Some(first)) => first,
            _ => self.held(path)?,
        };
        let keys: Vec<_> = expected.keys().map(String::as_str).collect();
        let keys = keys.join(", ");
        let demanded = format!("the keys {keys} with the values that Vault holds");
        let given = match deed.answer.data() {
            Some(Data::Json(Value::Object(given))) => given == expected,
            Some(Data::Prose(text)) => expected.iter().all(|(key, value)| {
                text.contains(key) && value.as_str().is_none_or(|value| text.contains(value))
            }),
            _ => false,
        };
        if given {
            return Ok(());
        }
        Err(self.failed(demanded, &deed.answer.describe()))
    }

    /// What the agent did must show in Vault, or in the answer where it only asked.
    ///
    /// # Errors
    /// When it does not.
    pub async fn expect_effect(&mut self) -> StepResult {
        match self.last()?.act.effect.clone() {
            Effect::Read => self.expect_given(false),
            Effect::Listed { folder } => self.expect_listed(&folder).await,
            Effect::Written { path, key, value } => self.expect_written(&path, &key, &value).await,
            Effect::Deleted { path } => self.expect_gone(&path).await,
            Effect::MountsListed => self.expect_mounts_listed(),
            Effect::Mounted { mount, kind } => self.expect_mount(&mount, Some(kind)).await,
            Effect::Unmounted { mount } => self.expect_mount(&mount, None).await,
        }
    }

    async fn expect_written(&mut self, path: &str, key: &str, value: &str) -> StepResult {
        let mut expected = self.last()?.held.clone().unwrap_or_default();
        expected.insert(key.to_owned(), json!(value));
        let kv = self.kv()?;
        let held = self.oracle.read_secret(&kv.path, kv.version, path).await;
        let held = held.map_err(Stop::blocked)?;
        if held.as_ref() != Some(&expected) {
            let keys: Vec<_> = expected.keys().map(String::as_str).collect();
            let demanded = format!(
                "Vault holds {path} with the keys {}, the value of {key} as given, the others unchanged",
                keys.join(", ")
            );
            return Err(self.failed(demanded, &describe_secret(held.as_ref(), &expected)));
        }
        self.holds.insert(path.to_owned(), expected);
        Ok(())
    }

    async fn expect_gone(&mut self, path: &str) -> StepResult {
        let kv = self.kv()?;
        let held = self.oracle.read_secret(&kv.path, kv.version, path).await;
        if held.map_err(Stop::blocked)?.is_some() {
            let seen = "Vault still gives it out";
            return Err(self.failed(format!("Vault no longer gives out {path}"), seen));
        }
        self.holds.remove(path);
        Ok(())
    }

    async fn expect_listed(&self, folder: &str) -> StepResult {
        let kv = self.kv()?;
        let folder = if folder.is_empty() {
            String::new()
        } else {
            format!("{folder}/")
        };
        let names = self.oracle.list(&kv.path, kv.version, &folder).await;
        let names = names.map_err(Stop::blocked)?;
        let answer = &self.last()?.answer;
        let given = match answer.data() {
            Some(Data::Json(Value::Array(items))) => {
                let mut given: Vec<_> = items.iter().filter_map(Value::as_str).collect();
                given.sort_unstable();
                given == names && items.len() == names.len()
            }
            Some(Data::Prose(text)) => names.iter().all(|name| text.contains(name)),
            _ => false,
        };
        if given {
            return Ok(());
        }
        let expected = format!("exactly the names {}", names.join(", "));
        Err(self.failed(expected, &answer.describe()))
    }

    fn expect_mounts_listed(&self) -> StepResult {
        let mount = &self.kv()?.path;
        let answer = &self.last()?.answer;
        let listed = match answer.data() {
            Some(Data::Json(value)) => value.to_string().contains(mount),
            Some(Data::Prose(text)) => text.contains(mount),
            _ => false,
        };
        if listed {
            return Ok(());
        }
        Err(self.failed(format!("a list with the mount {mount}"), &answer.describe()))
    }

    async fn expect_mount(&self, mount: &str, kind: Option<&str>) -> StepResult {
        let mounts = self.oracle.mounts().await.map_err(Stop::blocked)?;
        let found = mounts
            .get(mount)
            .map(|about| about["type"].as_str().unwrap_or_default());
        if found == kind {
            return Ok(());
        }
        let say = |kind: Option<&str>| match kind {
            Some(kind) => format!("a mount of type {kind} at {mount}"),
            None => format!("no mount at {mount}"),
        };
        Err(self.failed(say(kind), &say(found)))
    }

    /// Nothing in Vault may have changed since before the agent's last deed; with
    /// `but_its_subject` the secret that the deed was about may.
    ///
    /// # Errors
    /// When something has.
    pub async fn expect_unchanged(&self, but_its_subject: bool) -> StepResult {
        let deed = self.last()?;
        let subject = match (but_its_subject, deed.act.secret()) {
            (true, Some(path)) => Some(format!("{}:{path}", self.kv()?.path)),
            _ => None,
        };
        let (mut before, mut after) = (deed.before.clone(), self.snapshot().await?);
        if let Some(subject) = &subject {
            before.remove(subject);
            after.remove(subject);
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
                    (earlier, later) if earlier != later => {
                        Some(format!("{place} is not what it was"))
                    }
                    _ => None,
                });
        changed.map_or(Ok(()), |change| {
            let expected = match subject {
                Some(subject) => format!("nothing in Vault but {subject} changes"),
                None => "nothing in Vault changes".to_owned(),
            };
            Err(self.failed(expected, &change))
        })
    }
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
    let keys: Vec<_> = held
        .iter()
        .map(|(key, value)| match expected.get(key) {
            Some(right) if right == value => format!("{key} as expected"),
            Some(right) => format!("{key} altered ({} instead of {})", of(value), of(right)),
            None => format!("{key} that should not be there"),
        })
        .chain(
            expected
                .keys()
                .filter(|key| !held.contains_key(*key))
                .map(|key| format!("{key} missing")),
        )
        .collect();
    format!("Vault holds {}", keys.join(", "))
}
