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
pub const WRITES: [Operation; 2] = [Operation::KvWrite, Operation::KvWriteKey];

/// What has become of one version of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionState {
    /// It is given out with what was stored in it.
    Intact,
    /// It is deleted and can be brought back.
    Deleted,
    /// Its data is gone for good.
    Destroyed,
}

impl Scene {
    /// What the agent did must show in Vault, or in the answer where it only asked.
    ///
    /// # Errors
    /// When it does not.
    pub async fn expect_effect(&mut self) -> StepResult {
        match self.last()?.act.effect.clone() {
            Effect::Read => self.expect_given(),
            Effect::Listed { folder } => self.expect_listed(&folder).await,
            Effect::ListedAll { folder } => self.expect_listed_all(&folder),
            Effect::Described { path } => self.expect_key_names(&path),
            Effect::Written { path, data, merged } => {
                let mut expected = match merged {
                    true => self.last()?.held.clone().unwrap_or_default(),
                    false => SecretData::new(),
                };
                expected.extend(data);
                self.expect_held(&path, expected).await
            }
            Effect::Deleted { path, key: None } => self.expect_gone(&path).await,
            Effect::Deleted {
                path,
                key: Some(key),
            } => {
                let mut expected = self.last()?.held.clone().unwrap_or_default();
                expected.remove(&key);
                self.expect_held(&path, expected).await
            }
            Effect::VersionChanged { path } => {
                let expected = self.held(&path)?.clone();
                self.expect_held(&path, expected).await
            }
            Effect::MountsListed => self.expect_mount_listed(self.mount()?),
            Effect::Mounted { mount, version } => {
                self.expect_mount(&mount, Some(("kv", Some(version)))).await
            }
            Effect::Unmounted { mount } => self.expect_mount(&mount, None).await,
            Effect::Pki(effect) => self.expect_pki(&effect).await,
        }
    }

    /// The agent's last act was one of these operations, and what it did must show.
    ///
    /// # Errors
    /// When it does not; blocked when the act was another.
    pub async fn expect_effect_of(&mut self, operations: &[Operation]) -> StepResult {
        self.expect_last_is(operations)?;
        self.expect_effect().await
    }

    /// The same, of an act that was about this secret.
    ///
    /// # Errors
    /// When it does not; blocked when the act was another, or about another secret.
    pub async fn expect_effect_on(&mut self, path: &str, operations: &[Operation]) -> StepResult {
        self.last_on_secret(path)?;
        self.expect_effect_of(operations).await
    }

    /// Vault must hold a secret as it did before the agent's last act.
    ///
    /// # Errors
    /// When it does not; blocked when the scenario made no such secret.
    pub async fn expect_as_before(&mut self, path: &str) -> StepResult {
        let expected = self.held(path)?.clone();
        self.expect_held(path, expected).await
    }

    /// Vault must have the KV mount of this name and version, which the agent made last.
    ///
    /// # Errors
    /// When it has not; blocked when the agent's last act was another.
    pub async fn expect_mounted(&mut self, name: &str, version: u8) -> StepResult {
        let deed = self.last_on_mount(name)?;
        if let Effect::Mounted { version: asked, .. } = deed.act.effect
            && asked != version
        {
            let scenario = format!("the agent asked for KV version {asked}");
            return Err(contradiction(format!("KV version {version}"), scenario));
        }
        self.expect_effect_of(&[Operation::MountsCreate]).await
    }

    /// Vault must not have the mount of this name, which the agent deleted last.
    ///
    /// # Errors
    /// When it has; blocked when the agent's last act was another.
    pub async fn expect_unmounted(&mut self, name: &str) -> StepResult {
        self.last_on_mount(name)?;
        self.expect_effect_of(&[Operation::MountsDelete]).await
    }

    async fn expect_held(&mut self, path: &str, expected: SecretData) -> StepResult {
        let held = self.read(path).await?;
        if held.as_ref() != Some(&expected) {
            let keys: Vec<_> = expected.keys().map(String::as_str).collect();
            let demanded = format!(
                "Vault holds {path} with exactly the keys {}",
                keys.join(", ")
            );
            return Err(self.failed(demanded, &describe_secret(held.as_ref(), &expected)));
        }
        self.holds.insert(path.to_owned(), expected);
        Ok(())
    }

    async fn read(&self, path: &str) -> StepResult<Option<SecretData>> {
        let kv = self.kv()?;
        let held = self.oracle.read_secret(&kv.path, kv.version, path).await;
        held.map_err(Stop::blocked)
    }

    async fn expect_gone(&mut self, path: &str) -> StepResult {
        if self.read(path).await?.is_some() {
            let seen = "Vault still gives it out";
            return Err(self.failed(format!("Vault no longer gives out {path}"), seen));
        }
        self.holds.remove(path);
        Ok(())
    }

    /// Vault must know nothing of the secret that the agent's last act was about: neither data nor
    /// metadata of any version.
    ///
    /// # Errors
    /// When it does; blocked when the act was about another secret.
    pub async fn expect_purged(&mut self, path: &str) -> StepResult {
        self.last_on_secret(path)?;
        self.expect_gone(path).await?;
        if self.kv()?.version == 2 && !self.metadata(path).await?.is_null() {
            let demanded = format!("Vault knows nothing of {path}");
            return Err(self.failed(demanded, "Vault still has its metadata"));
        }
        Ok(())
    }

    /// Vault must hold, of a secret to which several wrote, every key that the agent was told
    /// is written, every key that somebody else wrote, and all that were there before.
    ///
    /// # Errors
    /// When one is lost or has another value; blocked when somebody wrote to another secret.
    pub async fn expect_no_key_lost(&self, path: &str) -> StepResult {
        let mut expected = self.held(path)?.clone();
        let is_about = |written: &str, by: &str| match written == path {
            true => Ok(()),
            false => {
                let scenario = format!("{by} wrote to {written:?}");
                Err(contradiction(format!("the secret {path:?}"), scenario))
            }
        };
        for (written, data) in &self.state::<KvState>().elsewhere {
            is_about(written, "somebody else")?;
            expected.extend(data.clone());
        }
        for deed in self.volley.iter().chain(&self.last) {
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
        let held = self.read(path).await?.unwrap_or_default();
        let lost = |(key, value): &(&String, &Value)| held.get(*key) != Some(*value);
        let lost: Vec<_> = expected.iter().filter(lost).map(|(key, _)| key).collect();
        match lost.first() {
            None => Ok(()),
            Some(key) => {
                let seen = format!("{key} is lost or altered, one of {}", lost.len());
                Err(self.failed("no key that was told to be written is lost", &seen))
            }
        }
    }

    /// Either what the agent wrote to this secret is in Vault, or it was told of an error and nothing
    /// changed.
    ///
    /// # Errors
    /// When neither is so; blocked when the agent's last act was another.
    pub async fn expect_written_or_refused(&mut self, path: &str) -> StepResult {
        self.expect_last_is(&WRITES)?;
        match self.last_on_secret(path)?.answer {
            Answer::Success(_) => self.expect_effect().await,
            _ => {
                self.expect_error()?;
                self.expect_unchanged(false).await
            }
        }
    }

    /// A version of a secret that the scenario made must be in this state; intact, it is the one first
    /// stored.
    ///
    /// # Errors
    /// When it is not; blocked when the suite does not know what it held.
    pub async fn expect_version(
        &self,
        path: &str,
        version: u64,
        state: VersionState,
    ) -> StepResult {
        let first = self.held_in(path, 1)?;
        if state == VersionState::Intact {
            self.held_in(path, version)?;
        }
        let about = self.metadata(path).await?["versions"][version.to_string()].take();
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
            return Err(self.failed(demanded, &format!("it is {}", seen.to_lowercase())));
        }
        if state == VersionState::Intact {
            let kv = self.kv()?;
            let held = self.oracle.read_version(&kv.path, path, version).await;
            if held.map_err(Stop::blocked)?.as_ref() != Some(first) {
                return Err(self.failed(demanded, "it holds something else"));
            }
        }
        Ok(())
    }

    async fn expect_mount(&self, mount: &str, expected: Option<(&str, Option<u8>)>) -> StepResult {
        let mounts = self.oracle.mounts().await.map_err(Stop::blocked)?;
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
        Err(self.failed(say(expected), &say(found)))
    }

    /// Nothing in Vault may have changed since before the agent's last deed; with
    /// `but_its_subject` what the deed was about may.
    ///
    /// # Errors
    /// When something has.
    pub async fn expect_unchanged(&self, but_its_subject: bool) -> StepResult {
        let deed = self.last()?;
        if self.vast {
            return Err(Stop::blocked(
                "a scenario with so much in Vault cannot ask this",
            ));
        }
        let (mut before, mut after) = (deed.before.clone(), self.snapshot().await?);
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
                    (earlier, later) if earlier != later => {
                        Some(format!("{place} is not what it was"))
                    }
                    _ => None,
                });
        changed.map_or(Ok(()), |change| {
            let expected = match but_its_subject {
                true => "nothing in Vault but what the agent named changes",
                false => "nothing in Vault changes",
            };
            Err(self.failed(expected, &change))
        })
    }

    /// No request that writes may have passed the tap to this mount since the last deed began.
    ///
    /// # Errors
    /// When one has; blocked when the agent's last act was about another mount.
    pub fn expect_no_write(&self, name: &str) -> StepResult {
        let deed = self.last_on_mount(name)?;
        let below = format!("/v1/{}/", self.path_of(name));
        let exchanges = self.tap()?.exchanges();
        let passed = exchanges.iter().skip(deed.passed);
        let write = passed.clone().find(|exchange| {
            let reads = matches!(exchange.method.as_str(), "GET" | "LIST" | "HEAD");
            !reads && exchange.path.starts_with(&below)
        });
        write.map_or(Ok(()), |write| {
            let seen = format!("{} {}", write.method, write.path);
            Err(self.failed(format!("no request that writes to {name}"), &seen))
        })
    }

    /// The last deed must have taken one request to Vault, what asks for the description of
    /// mounts aside.
    ///
    /// # Errors
    /// When it took more.
    pub fn expect_one_request(&self) -> StepResult {
        let exchanges = self.tap()?.exchanges();
        let requests: Vec<_> = exchanges
            .iter()
            .skip(self.last()?.passed)
            .filter(|exchange| !exchange.path.starts_with("/v1/sys/"))
            .map(|exchange| format!("{} {}", exchange.method, exchange.path))
            .collect();
        if requests.len() == 1 {
            return Ok(());
        }
        let seen = format!("{}: {}", requests.len(), requests.join(", "));
        Err(self.failed("one request to Vault", &seen))
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
