//! What the agent must have been told.

use std::{sync::LazyLock, time::Duration};

use regex::Regex;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{Deed, Scene, about::contradiction};
use crate::{
    scene::KvState,
    target::{
        answer::{Answer, Data, Facts, Success},
        operation::Operation,
    },
    vault::oracle::SecretData,
    verdict::{NotApplicable, StepResult, Stop},
};

/// Words that tell a reader that what was asked for is not there.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static ABSENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)not[ _-]?found|\bno (such|secret|mount|key|data|value|version|mounted|entry)|(not|n't) (there|exist|present|have|contain|mounted)|already (deleted|gone)|nothing|absent|missing|unknown|\b404\b",
    )
    .unwrap()
});

/// A date with a time to the second or further.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static TIME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?").unwrap());

impl Scene {
    /// The agent must have been told of success.
    ///
    /// # Errors
    /// When it was not.
    pub fn expect_success(&self) -> StepResult<&Success> {
        match &self.last()?.answer {
            Answer::Success(success) => Ok(success),
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

    /// The agent must have been told, in an error or a note, that what it meant is not there.
    ///
    /// # Errors
    /// When it was not.
    pub fn expect_absence_told(&self) -> StepResult {
        let answer = &self.last()?.answer;
        let told = match answer {
            Answer::Success(success) => ABSENCE.is_match(&success.whole),
            Answer::Error(text) => ABSENCE.is_match(text),
            Answer::Nothing(_) => false,
        };
        if told {
            return Ok(());
        }
        let expected = "an error or a note that says that there is no such thing";
        Err(self.failed(expected, &answer.describe()))
    }

    /// The agent must have been shown no name, or have been told that there is none.
    ///
    /// # Errors
    /// When it was shown one, or was told something else.
    pub fn expect_nothing_listed(&self) -> StepResult {
        match &self.last()?.answer {
            Answer::Success(success) if success.data == Data::Json(json!([])) => Ok(()),
            _ => self.expect_absence_told(),
        }
    }

    /// What was done one after the other must have been errors that do not say the same, the secrets'
    /// names aside.
    ///
    /// # Errors
    /// When two of them do, or a call was no error; blocked when there were fewer than two.
    pub fn expect_errors_differ(&self) -> StepResult {
        if self.volley.len() < 2 {
            return Err(Stop::blocked("the agent did not do several things in turn"));
        }
        let secrets = self.volley.iter().filter_map(|deed| deed.act.secret());
        let mut paths: Vec<_> = secrets.collect();
        // One may be the beginning of another.
        paths.sort_by_key(|path| std::cmp::Reverse(path.len()));
        let mut texts = Vec::new();
        for deed in &self.volley {
            let Answer::Error(text) = &deed.answer else {
                return Err(self.failed("an error each time", &deed.answer.describe()));
            };
            let nameless = |text: String, path: &&str| text.replace(*path, "");
            texts.push(paths.iter().fold(text.clone(), nameless));
        }
        texts.sort();
        match texts.windows(2).find(|pair| pair[0] == pair[1]) {
            None => Ok(()),
            Some(pair) => {
                let seen = format!("the same of two of them: {}", pair[0]);
                Err(self.failed("an error of its own for each", &seen))
            }
        }
    }

    /// The agent must have been told of an error, with the reason for which Vault itself refuses the mount.
    ///
    /// # Errors
    /// When it was not; blocked when the agent's last act was about another mount.
    pub fn expect_vaults_reason(&self) -> StepResult {
        let missing = || Stop::blocked("in this scenario Vault refused no mount");
        let (mount, reason) = self
            .state::<KvState>()
            .refused_mount
            .as_ref()
            .ok_or_else(missing)?;
        let asked = self.last()?.act.text("mount");
        if asked != mount {
            let scenario = format!("the agent's last act was about {asked:?}");
            return Err(contradiction(format!("the mount {mount:?}"), scenario));
        }
        self.expect_told_reason(reason)
    }

    /// The agent must have been told of an error, with this reason.
    pub(super) fn expect_told_reason(&self, reason: &str) -> StepResult {
        // Quotes may be escaped once or twice on their way.
        let plain = |text: &str| text.replace(['\\', '"', '\''], "");
        let error = self.expect_error()?;
        if plain(error).contains(&plain(reason)) {
            return Ok(());
        }
        let expected = format!("an error with Vault's reason: {reason}");
        Err(self.failed(expected, &format!("an error: {error}")))
    }

    /// The last answer must show no value of the scene but those that the agent just handed in.
    ///
    /// # Errors
    /// When it does.
    pub fn expect_no_value(&self) -> StepResult {
        let deed = self.last()?;
        let own: Vec<_> = deed.act.values().collect();
        let shown = match &deed.answer {
            Answer::Success(success) => &success.whole,
            Answer::Error(text) => text,
            Answer::Nothing(_) => return Ok(()),
        };
        // Custom metadata is no secret value.
        let custom = self
            .state::<KvState>()
            .custom
            .as_ref()
            .map(|(_, value)| value.as_str());
        let values = self.values(|canary| {
            let value = canary.value.expose_secret();
            !own.contains(&value) && custom != Some(value)
        });
        match values.found_in(shown) {
            None => Ok(()),
            Some(label) => Err(self.failed("no value in the answer", &format!("the {label}"))),
        }
    }

    /// The answer must be what Vault holds in a secret.
    ///
    /// # Errors
    /// When it is not.
    pub fn expect_given(&self) -> StepResult {
        let expected = self.held(self.last_secret()?)?;
        self.expect_data(&self.last()?.answer, expected)
    }

    /// The answer must be what Vault held in this version of a secret.
    ///
    /// # Errors
    /// When it is not; blocked when the agent read another version.
    pub fn expect_given_version(&self, version: u64) -> StepResult {
        self.expect_last_is(&[Operation::KvReadVersion])?;
        let deed = self.last()?;
        let asked = deed.act.parameters.get("version").and_then(Value::as_u64);
        if asked != Some(version) {
            let asked = asked.map_or("none".to_owned(), |asked| asked.to_string());
            let scenario = format!("the agent asked for version {asked}");
            return Err(contradiction(format!("version {version}"), scenario));
        }
        let expected = self.held_in(self.last_secret()?, version)?;
        self.expect_data(&deed.answer, expected)
    }

    /// Each of the readings that were made at once must have been given its own secret.
    ///
    /// # Errors
    /// When one was not.
    pub fn expect_each_given(&self) -> StepResult {
        if self.volley.is_empty() {
            return Err(Stop::blocked("the agent read nothing at once"));
        }
        let (succeeded, failed): (Vec<_>, Vec<_>) =
            (self.volley.iter()).partition(|deed| matches!(deed.answer, Answer::Success(_)));
        // What is wrong in an answer is wrong however long Vault took.
        for deed in &succeeded {
            self.expect_given_to(deed)?;
        }
        if !failed.is_empty() {
            self.expect_vault_in_time()?;
        }
        failed
            .iter()
            .try_for_each(|deed| self.expect_given_to(deed))
    }

    fn expect_given_to(&self, deed: &Deed) -> StepResult {
        let path = deed.act.secret().unwrap_or_default();
        self.expect_data(&deed.answer, self.held(path)?)
    }

    /// Vault answered every request of the calls made at once before any server gives up.
    ///
    /// # Errors
    /// Blocked when it did not. A server that made many more requests than calls has slowed Vault itself: no error.
    fn expect_vault_in_time(&self) -> StepResult {
        /// Less than servers wait for Vault. Some of what they wait for happens before the tap sees the request.
        const SOON: Duration = Duration::from_secs(2);
        const REQUESTS_A_CALL: usize = 10;
        let Some(tap) = &self.slot()?.tap else {
            return Ok(());
        };
        let (waited, requests) = (tap.longest_wait(), tap.passed());
        if waited <= SOON || requests > REQUESTS_A_CALL * self.volley.len() {
            return Ok(());
        }
        Err(Stop::blocked(format!(
            "Vault took {:.1} s to answer a request of the server, and a call failed: run the suite on a less busy \
             machine, or with a faster Vault",
            waited.as_secs_f64()
        )))
    }

    pub(super) fn expect_data(&self, answer: &Answer, expected: &SecretData) -> StepResult {
        let given = match answer.data() {
            Some(Data::Json(Value::Object(given))) => given == expected,
            Some(Data::Prose(text)) => expected.iter().all(|(key, value)| {
                text.contains(key) && value.as_str().is_none_or(|value| text.contains(value))
            }),
            _ => false,
        };
        if given {
            return Ok(());
        }
        let keys: Vec<_> = expected.keys().map(String::as_str).collect();
        let keys = keys.join(", ");
        let demanded = format!("the keys {keys} with the values that Vault holds");
        Err(self.failed(demanded, &answer.describe()))
    }

    /// The version that the answer tells must be the secret's latest in Vault.
    ///
    /// # Errors
    /// When it is not; not applicable where the adapter points to none.
    pub async fn expect_latest_version_told(&self) -> StepResult {
        let success = self.expect_success()?;
        let told = self.fact(&success.facts, "version")?;
        let latest = self.metadata_of_subject().await?["current_version"].clone();
        if number_in(told) == latest.as_u64() {
            return Ok(());
        }
        Err(self.failed(format!("version {latest}"), &format!("version {told}")))
    }

    /// The answer must tell the names of the secret's keys.
    ///
    /// # Errors
    /// When one is missing, or one is there that the secret does not have.
    pub fn expect_key_names(&self, path: &str) -> StepResult {
        let success = self.expect_success()?;
        let mut expected: Vec<_> = self.held(path)?.keys().map(String::as_str).collect();
        expected.sort_unstable();
        let keys = self.fact_if_pointed_to(success, "keys")?;
        let told = match keys {
            Some(Value::Array(names)) => {
                let mut names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
                names.sort_unstable();
                names == expected
            }
            Some(Value::Object(names)) => {
                let mut names: Vec<_> = names.keys().map(String::as_str).collect();
                names.sort_unstable();
                names == expected
            }
            _ => expected.iter().all(|name| success.whole.contains(name)),
        };
        if told {
            return Ok(());
        }
        let demanded = format!("the key names {}", expected.join(", "));
        Err(self.failed(demanded, &format!("a success: {}", success.whole)))
    }

    /// The answer must tell the latest version in Vault, and when it was made.
    ///
    /// # Errors
    /// When it does not.
    pub async fn expect_version_and_time(&self) -> StepResult {
        self.expect_version_of_subject().await?;
        let success = self.expect_success()?;
        let metadata = self.metadata_of_subject().await?;
        let latest = metadata["current_version"].to_string();
        let told = self.fact_if_pointed_to(success, "created")?;
        let told = told.map_or(success.whole.clone(), Value::to_string);
        // Of the secret, of its last change or of its latest version; to the second, with
        // whatever stands between date and time.
        let times = [
            &metadata["created_time"],
            &metadata["updated_time"],
            &metadata["versions"][&latest]["created_time"],
        ];
        let tells = |time: &&Value| {
            let time = time.as_str().unwrap_or_default();
            let (day, rest) = time.split_once('T').unwrap_or_default();
            let time = rest.get(..8).unwrap_or_default();
            !time.is_empty() && told.contains(day) && told.contains(time)
        };
        if times.iter().any(tells) {
            return Ok(());
        }
        let demanded = format!("a time that Vault has for it, such as {}", times[2]);
        Err(self.failed(demanded, &format!("a success: {}", success.whole)))
    }

    /// The answer must tell when the secret was last updated, to whatever part of a second.
    ///
    /// # Errors
    /// When it does not.
    pub async fn expect_update_time(&self) -> StepResult {
        let success = self.expect_success()?;
        let told = self.fact_if_pointed_to(success, "updated")?;
        let told = told.map_or(success.whole.clone(), Value::to_string);
        let metadata = self.metadata_of_subject().await?;
        let updated = metadata["updated_time"].as_str().unwrap_or_default();
        let mut times = TIME.find_iter(&told);
        if times.any(|time| updated.starts_with(&time.as_str().replacen(' ', "T", 1))) {
            return Ok(());
        }
        let demanded = format!("the time of the last update, {updated}");
        Err(self.failed(demanded, &format!("a success: {}", success.whole)))
    }

    async fn expect_version_of_subject(&self) -> StepResult {
        let success = self.expect_success()?;
        let latest = self.metadata_of_subject().await?["current_version"].clone();
        let told = match self.fact_if_pointed_to(success, "version")? {
            Some(told) => number_in(told) == latest.as_u64(),
            None => numbers(&success.whole).any(|number| Some(number) == latest.as_u64()),
        };
        if told {
            return Ok(());
        }
        let demanded = format!("version {latest}");
        Err(self.failed(demanded, &format!("a success: {}", success.whole)))
    }

    /// The answer must tell the version in Vault, or that permission was denied.
    ///
    /// # Errors
    /// When it tells of another error, or of success without the version.
    pub async fn expect_version_or_denial(&self) -> StepResult {
        match &self.last()?.answer {
            answer if answer.is_denial() => Ok(()),
            Answer::Success(_) => self.expect_version_of_subject().await,
            other => {
                let demanded = "the version, or that permission was denied";
                Err(self.failed(demanded, &other.describe()))
            }
        }
    }

    /// The answer must tell the secret's custom metadata.
    ///
    /// # Errors
    /// When it does not; blocked when the agent's last act was about another secret.
    pub fn expect_custom_metadata(&self) -> StepResult {
        let missing = || Stop::blocked("in this scenario no secret has custom metadata");
        let (path, custom) = self
            .state::<KvState>()
            .custom
            .as_ref()
            .ok_or_else(missing)?;
        self.last_on_secret(path)?;
        let success = self.expect_success()?;
        let told = self.fact_if_pointed_to(success, "custom")?;
        let told = told.map(Value::to_string);
        if told
            .as_ref()
            .unwrap_or(&success.whole)
            .contains(custom.as_str())
        {
            return Ok(());
        }
        let demanded = "the custom metadata that the secret has in Vault";
        Err(self.failed(demanded, &format!("a success: {}", success.whole)))
    }

    /// Whether the adapter points to a fact in the result of the last deed.
    pub(super) fn points_to(&self, fact: &str) -> StepResult<bool> {
        let operation = self.last()?.act.operation;
        let mapping = self.target.adapter.operations.get(&operation);
        Ok(mapping.is_some_and(|mapping| mapping.result.facts.contains_key(fact)))
    }

    /// A fact that the adapter points to in the result of the last deed.
    ///
    /// # Errors
    /// When it is not there; not applicable where the adapter points to none.
    pub(super) fn fact<'f>(&self, facts: &'f Facts, name: &str) -> StepResult<&'f Value> {
        let operation = self.last()?.act.operation;
        match facts.get(name) {
            Some(fact) => Ok(fact),
            None if self.points_to(name)? => {
                let demanded = format!("the {name}, where the adapter says that it is");
                Err(self.failed(demanded, "nothing there"))
            }
            None => Err(Stop::NotApplicable {
                reason: NotApplicable::NotClaimed,
                detail: format!("the adapter points to no {name} in the result of {operation}"),
            }),
        }
    }

    /// A fact, if the adapter points to it: then it must be there.
    pub(super) fn fact_if_pointed_to<'s>(
        &self,
        success: &'s Success,
        name: &str,
    ) -> StepResult<Option<&'s Value>> {
        match self.points_to(name)? {
            true => self.fact(&success.facts, name).map(Some),
            false => Ok(None),
        }
    }

    async fn metadata_of_subject(&self) -> StepResult<Value> {
        self.metadata(self.last_secret()?).await
    }

    pub(super) async fn metadata(&self, path: &str) -> StepResult<Value> {
        let metadata = self.oracle.metadata(&self.kv()?.path, path).await;
        metadata.map_err(Stop::blocked)
    }
}

/// The number that a value is or, as a text, has in it.
pub(super) fn number_in(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => numbers(text).next(),
        other => other.as_u64(),
    }
}

fn numbers(text: &str) -> impl Iterator<Item = u64> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{ABSENCE, number_in};

    #[test]
    fn absence_is_told_by_its_words() {
        for text in [
            "no secret exists at path 'app' in mount 'team'",
            "secret not found",
            r#"{"kind":"not_found"}"#,
            "key 'x' does not exist in the secret",
            "the secret doesn't have the key",
            "nothing to delete",
            "No value found at team/data/app",
        ] {
            assert!(ABSENCE.is_match(text), "{text}");
        }
        for text in [
            "Successfully deleted secret",
            "deleted",
            "permission denied",
        ] {
            assert!(!ABSENCE.is_match(text), "{text}");
        }
    }

    #[test]
    fn a_version_is_a_number_or_in_a_text() {
        assert_eq!(number_in(&json!(3)), Some(3));
        assert_eq!(number_in(&json!("v12")), Some(12));
        assert_eq!(number_in(&json!("none")), None);
    }
}
