//! What the agent must receive.

use std::{sync::LazyLock, time::Duration};

use http::{Method, StatusCode};
use regex::Regex;
use serde_json::{Map, Value, json};

use super::{
    about::{self, contradiction},
    kv::{KvState, kv},
};
use crate::{
    engines::{Operation, kv::Kv},
    instance::answer::{Answer, Data, Facts, Success},
    mcp::{
        inbox::{NoReply, Reply},
        transcript::Speaker,
    },
    scenario::{Scenario, calls::CallRecord},
    vault::oracle::SecretData,
    verdict::{StepEnd, StepResult},
};

/// Words of a success that mean that something does not exist any more, because the call removed it.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static AFTERWARDS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)\bany ?more\b|\bno longer\b").unwrap());

/// Words that mean that something does not exist.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static ABSENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)not[ _-]?found|\bno (such|secret|mount|key|data|value|version|mounted|entry)|(not|n't) (there|exist|present|have|contain|mounted)|already (deleted|gone)|nothing|absent|missing|unknown|\b404\b",
    )
    .unwrap()
});

/// A date with a time, at least to the second.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static TIME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?").unwrap());

/// Whether the next call is the control: the same call, after the policy was changed to allow everything.
#[derive(Default)]
pub(crate) struct Control {
    pub(crate) is_due: bool,
}

/// The agent must have received a success.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_success(scenario: &Scenario) -> StepResult<&Success> {
    match &scenario.last()?.answer {
        Answer::Success(success) => Ok(success),
        denial if denial.is_denial() && was_denied_a_patch(scenario)? => {
            Err(StepEnd::precondition(
                "the server writes with HTTP PATCH, for which the policy lacks the capability `patch`",
            ))
        }
        other => {
            let expected = match scenario.state::<Control>().is_due {
                true => "the same call reports success once the policy allows everything",
                false => "an answer that reports success",
            };
            Err(scenario.failed(expected, &other.describe()))
        }
    }
}

/// Whether Vault denied a PATCH of the agent's last call in the mount that the call is about. Vault documents it for changing one key of a secret, but the
/// sources' policies do not grant it.
fn was_denied_a_patch(scenario: &Scenario) -> StepResult<bool> {
    let Some(tap) = &scenario.slot()?.tap else {
        return Ok(false);
    };
    let last = scenario.last()?;
    // Elsewhere the server has nothing to change, whatever a policy grants.
    let below = format!("/v1/{}/", last.act.text("mount"));
    let exchanges = tap.exchanges();
    let mut since = exchanges.iter().skip(last.passed);
    Ok(since.any(|exchange| {
        exchange.method == Method::PATCH
            && exchange.status == StatusCode::FORBIDDEN
            && exchange.path.starts_with(&below)
    }))
}

/// The agent must have received an error.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_error(scenario: &Scenario) -> StepResult<&str> {
    match &scenario.last()?.answer {
        Answer::Error(text) => Ok(text),
        other => Err(scenario.failed("an error", &other.describe_unmarked())),
    }
}

/// The agent must have received an answer, whatever it says.
///
/// # Errors
/// If it received none.
pub(crate) fn expect_answer(scenario: &Scenario) -> StepResult {
    match &scenario.last()?.answer {
        Answer::Success(_) | Answer::Error(_) => Ok(()),
        nothing @ Answer::Nothing(_) => Err(scenario.failed("an answer", &nothing.describe())),
    }
}

/// The agent must have received an error which says that permission was denied.
///
/// # Errors
/// If the agent received no error, or another one.
pub(crate) fn expect_denial(scenario: &Scenario) -> StepResult {
    let answer = &scenario.last()?.answer;
    if answer.is_denial() {
        return Ok(());
    }
    let expected = "an error that says that permission was denied, as Vault did";
    Err(scenario.failed(expected, &answer.describe_unmarked()))
}

/// Ends the scenario as not applicable if the agent's last call failed: another requirement is about that.
///
/// # Errors
/// If it failed.
pub(crate) fn need_success(scenario: &Scenario) -> StepResult {
    match &scenario.last()?.answer {
        Answer::Success(_) => Ok(()),
        other => Err(StepEnd::precondition(format!(
            "the call before failed: {}",
            scenario.secrets().redact(&other.describe())
        ))),
    }
}

/// The agent must have received an error or a note that the object of the act does not exist.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_absence_told(scenario: &Scenario) -> StepResult {
    let answer = &scenario.last()?.answer;
    let told = match answer {
        Answer::Success(success) => {
            ABSENCE.is_match(&success.whole) && !AFTERWARDS.is_match(&success.whole)
        }
        Answer::Error(text) => ABSENCE.is_match(text),
        Answer::Nothing(_) => false,
    };
    if told {
        return Ok(());
    }
    let expected = "an error or a note that it does not exist";
    Err(scenario.failed(expected, &answer.describe()))
}

/// The agent must have received no name, or a message that there is none.
///
/// # Errors
/// If it received a name or another message.
pub(crate) fn expect_nothing_listed(scenario: &Scenario) -> StepResult {
    match &scenario.last()?.answer {
        Answer::Success(success) if success.data == Data::Json(json!([])) => Ok(()),
        _ => expect_absence_told(scenario),
    }
}

/// Several acts in turn must have returned errors that differ, apart from the secrets' names.
///
/// # Errors
/// If two of them are equal, or a call was no error; blocked if there were fewer than two.
pub(crate) fn expect_errors_differ(scenario: &Scenario) -> StepResult {
    if scenario.calls.several.len() < 2 {
        return Err(StepEnd::blocked(
            "the agent did not make several calls in turn",
        ));
    }
    let secrets = scenario
        .calls
        .several
        .iter()
        .filter_map(|deed| deed.act.secret());
    let mut paths: Vec<_> = secrets.collect();
    // One path may be the beginning of another.
    paths.sort_by_key(|path| std::cmp::Reverse(path.len()));
    let mut texts = Vec::new();
    for deed in &scenario.calls.several {
        let Answer::Error(text) = &deed.answer else {
            return Err(scenario.failed("an error each time", &deed.answer.describe()));
        };
        let nameless = |text: String, path: &&str| text.replace(*path, "");
        texts.push(paths.iter().fold(text.clone(), nameless));
    }
    texts.sort();
    match texts.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => {
            let seen = format!("two equal errors: {}", pair[0]);
            Err(scenario.failed("a different error for each", &seen))
        }
    }
}

/// The agent must have received an error with the reason for which Vault itself rejects the mount.
///
/// # Errors
/// If not; blocked if the agent's last act was about another mount.
pub(crate) fn expect_vaults_reason(scenario: &Scenario) -> StepResult {
    let missing = || StepEnd::blocked("in this scenario Vault refused no mount");
    let (mount, reason) = scenario
        .state::<KvState>()
        .refused_mount
        .as_ref()
        .ok_or_else(missing)?;
    let asked = scenario.last()?.act.text("mount");
    if asked != mount {
        let scenario = format!("the agent's last act was about {asked:?}");
        return Err(contradiction(format!("the mount {mount:?}"), scenario));
    }
    expect_told_reason(scenario, reason)
}

/// The agent must have received an error with this reason.
pub(super) fn expect_told_reason(scenario: &Scenario, reason: &str) -> StepResult {
    // Quotes may have been escaped once or twice.
    let plain = |text: &str| text.replace(['\\', '"', '\''], "");
    let error = expect_error(scenario)?;
    if plain(error).contains(&plain(reason)) {
        return Ok(());
    }
    let expected = format!("an error with Vault's reason: {reason}");
    Err(scenario.failed(expected, &format!("an error: {error}")))
}

/// The last answer must contain no value of the scenario, except those that the agent has just passed in.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_no_value(scenario: &Scenario) -> StepResult {
    let deed = scenario.last()?;
    let own: Vec<_> = deed.act.values().collect();
    let shown = match &deed.answer {
        Answer::Success(success) => &success.whole,
        Answer::Error(text) => text,
        Answer::Nothing(_) => return Ok(()),
    };
    // Custom metadata is not a secret value.
    let custom = scenario
        .state::<KvState>()
        .custom
        .as_ref()
        .map(|(_, value)| value.as_str());
    let values =
        (scenario.ledger).matching(|_, value| !own.contains(&value) && custom != Some(value));
    match values.found_in(shown) {
        None => Ok(()),
        Some(label) => Err(scenario.failed("no value in the answer", &format!("the {label}"))),
    }
}

/// The answer must contain what Vault holds in a secret.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_given(scenario: &Scenario) -> StepResult {
    let expected = scenario.held(about::last_secret(scenario)?)?;
    expect_data(scenario, &scenario.last()?.answer, expected)
}

/// The answer must contain what Vault held in this version of a secret.
///
/// # Errors
/// If not; blocked if the agent read another version.
pub(crate) fn expect_given_version(scenario: &Scenario, version: u64) -> StepResult {
    about::expect_last_is(scenario, &[Operation::Kv(Kv::ReadVersion)])?;
    let deed = scenario.last()?;
    let asked = deed.act.parameters.get("version").and_then(Value::as_u64);
    if asked != Some(version) {
        let asked = asked.map_or("none".to_owned(), |asked| asked.to_string());
        let scenario = format!("the agent asked for version {asked}");
        return Err(contradiction(format!("version {version}"), scenario));
    }
    let expected = about::held_in(scenario, about::last_secret(scenario)?, version)?;
    expect_data(scenario, &deed.answer, expected)
}

/// Each of the concurrent reads must have returned its own secret.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_each_given(scenario: &Scenario) -> StepResult {
    if scenario.calls.several.is_empty() {
        return Err(StepEnd::blocked("the agent made no concurrent reads"));
    }
    let (succeeded, failed): (Vec<_>, Vec<_>) =
        (scenario.calls.several.iter()).partition(|deed| matches!(deed.answer, Answer::Success(_)));
    // A wrong answer is wrong however long Vault took.
    for deed in &succeeded {
        expect_given_to(scenario, deed)?;
    }
    if !failed.is_empty() {
        expect_vault_in_time(scenario)?;
    }
    let is_silent =
        |deed: &&CallRecord| matches!(deed.answer, Answer::Nothing(NoReply::TimedOut(_)));
    if failed.iter().any(is_silent) {
        expect_no_answers_under_way(scenario)?;
    }
    failed
        .iter()
        .try_for_each(|deed| expect_given_to(scenario, deed))
}

fn expect_given_to(scenario: &Scenario, deed: &CallRecord) -> StepResult {
    let path = deed.act.secret().unwrap_or_default();
    expect_data(scenario, &deed.answer, scenario.held(path)?)
}

/// A server that answers one call after the other may not have finished when the time for one call is over.
///
/// # Errors
/// Blocked if its answers were still arriving then.
fn expect_no_answers_under_way(scenario: &Scenario) -> StepResult {
    let lines = scenario.connection()?.transcript().scenario_lines();
    let at = |speaker| lines.iter().rev().find(|line| line.speaker == speaker);
    let (Some(asked), Some(answered)) = (at(Speaker::Suite), at(Speaker::Target)) else {
        return Ok(());
    };
    // A server that loses an answer is silent for nearly all of this time.
    let patience = scenario.patience().as_millis();
    match answered.at_ms.saturating_sub(asked.at_ms) > patience / 2 {
        false => Ok(()),
        true => Err(StepEnd::blocked(format!(
            "the server was still answering the concurrent calls after {} s, the time for one call: give it more time \
             (call_seconds in [budgets])",
            scenario.patience().as_secs()
        ))),
    }
}

/// Vault must have answered every request of the concurrent calls before any server gives up.
///
/// # Errors
/// Blocked if it did not. A server that makes many more requests than calls can slow Vault down, which is no error.
fn expect_vault_in_time(scenario: &Scenario) -> StepResult {
    /// Shorter than servers wait for Vault. Some of their waiting time passes before the tap sees the request.
    const SOON: Duration = Duration::from_secs(2);
    const REQUESTS_A_CALL: usize = 10;
    let Some(tap) = &scenario.slot()?.tap else {
        return Ok(());
    };
    let (waited, requests) = (tap.longest_wait(), tap.passed());
    if waited <= SOON || requests > REQUESTS_A_CALL * scenario.calls.several.len() {
        return Ok(());
    }
    Err(StepEnd::blocked(format!(
        "Vault took {:.1} s to answer a request of the server, and a call failed: run the suite on a less busy \
         machine, or with a faster Vault",
        waited.as_secs_f64()
    )))
}

pub(crate) fn expect_data(
    scenario: &Scenario,
    answer: &Answer,
    expected: &SecretData,
) -> StepResult {
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
    let seen = match answer.data() {
        Some(Data::Json(Value::Object(given))) => difference(scenario, given, expected),
        _ => answer.describe(),
    };
    Err(scenario.failed(demanded, &seen))
}

/// The first difference between the data in an answer and what Vault holds.
fn difference(scenario: &Scenario, given: &Facts, expected: &SecretData) -> String {
    for (key, value) in expected {
        match given.get(key) {
            None => return format!("the answer lacks the key {key}"),
            Some(other) if other == value => {}
            Some(Value::String(other)) if scenario.ledger.is_canary(other) => {
                return format!(
                    "the answer holds an older value of {key}, or one of another secret"
                );
            }
            Some(other) => return format!("the answer holds another value of {key}: {other}"),
        }
    }
    let further = given.keys().find(|key| !expected.contains_key(*key));
    let further = further.map_or("", String::as_str);
    format!("the answer holds the key {further}, which Vault does not hold")
}

/// The version in the answer must be the secret's latest version in Vault.
///
/// # Errors
/// If it is not; not applicable if the adapter points to none.
pub(crate) async fn expect_latest_version_told(scenario: &Scenario) -> StepResult {
    let success = expect_success(scenario)?;
    let told = fact(scenario, &success.facts, "version")?;
    let latest = metadata_of_subject(scenario).await?["current_version"].clone();
    if number_in(told) == latest.as_u64() {
        return Ok(());
    }
    Err(scenario.failed(format!("version {latest}"), &format!("version {told}")))
}

/// The answer must contain the names of the secret's keys.
///
/// # Errors
/// If one is missing, or if the secret does not have one of them.
pub(crate) fn expect_key_names(scenario: &Scenario, path: &str) -> StepResult {
    let success = expect_success(scenario)?;
    let mut expected: Vec<_> = scenario.held(path)?.keys().map(String::as_str).collect();
    expected.sort_unstable();
    // Vault's own metadata has no key names.
    let Some(keys) = fact_if_pointed_to(scenario, success, "keys")? else {
        return Ok(());
    };
    let told = match keys {
        Value::Array(names) => {
            let mut names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
            names.sort_unstable();
            names == expected
        }
        Value::Object(names) => {
            let mut names: Vec<_> = names.keys().map(String::as_str).collect();
            names.sort_unstable();
            names == expected
        }
        _ => false,
    };
    if told {
        return Ok(());
    }
    let demanded = format!("the key names {}", expected.join(", "));
    Err(scenario.failed(demanded, &format!("a success: {}", success.whole)))
}

/// The answer must contain the latest version in Vault, and the time when it was made.
///
/// # Errors
/// If this is not the case.
pub(crate) async fn expect_version_and_time(scenario: &Scenario) -> StepResult {
    expect_version_of_subject(scenario).await?;
    let success = expect_success(scenario)?;
    let metadata = metadata_of_subject(scenario).await?;
    let latest = metadata["current_version"].to_string();
    let told = fact_if_pointed_to(scenario, success, "created")?;
    let told = told.map_or(success.whole.clone(), Value::to_string);
    // Times of the secret, of its last change or of its latest version; to the second, with any text between date and
    // time.
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
    Err(scenario.failed(demanded, &format!("a success: {}", success.whole)))
}

/// The answer must contain the time when the secret was last updated, to any part of a second.
///
/// # Errors
/// If this is not the case.
pub(crate) async fn expect_update_time(scenario: &Scenario) -> StepResult {
    let success = expect_success(scenario)?;
    let told = fact_if_pointed_to(scenario, success, "updated")?;
    let told = told.map_or(success.whole.clone(), Value::to_string);
    let metadata = metadata_of_subject(scenario).await?;
    let updated = metadata["updated_time"].as_str().unwrap_or_default();
    let mut times = TIME.find_iter(&told);
    if times.any(|time| updated.starts_with(&time.as_str().replacen(' ', "T", 1))) {
        return Ok(());
    }
    let demanded = format!("the time of the last update, {updated}");
    Err(scenario.failed(demanded, &format!("a success: {}", success.whole)))
}

async fn expect_version_of_subject(scenario: &Scenario) -> StepResult {
    let success = expect_success(scenario)?;
    let latest = metadata_of_subject(scenario).await?["current_version"].clone();
    let told = match fact_if_pointed_to(scenario, success, "version")? {
        Some(told) => number_in(told) == latest.as_u64(),
        None => numbers(&success.whole).any(|number| Some(number) == latest.as_u64()),
    };
    if told {
        return Ok(());
    }
    let demanded = format!("version {latest}");
    Err(scenario.failed(demanded, &format!("a success: {}", success.whole)))
}

/// The answer must contain the version in Vault, or say that permission was denied.
///
/// # Errors
/// If it is another error, or a success without the version.
pub(crate) async fn expect_version_or_denial(scenario: &Scenario) -> StepResult {
    match &scenario.last()?.answer {
        answer if answer.is_denial() => Ok(()),
        Answer::Success(_) => expect_version_of_subject(scenario).await,
        other => {
            let demanded = "the version, or that permission was denied";
            Err(scenario.failed(demanded, &other.describe()))
        }
    }
}

/// The answer must contain the secret's custom metadata.
///
/// # Errors
/// If it does not; blocked if the agent's last act was about another secret.
pub(crate) fn expect_custom_metadata(scenario: &Scenario) -> StepResult {
    let missing = || StepEnd::blocked("in this scenario no secret has custom metadata");
    let (path, custom) = scenario
        .state::<KvState>()
        .custom
        .as_ref()
        .ok_or_else(missing)?;
    about::last_on_secret(scenario, path)?;
    let success = expect_success(scenario)?;
    let told = fact_if_pointed_to(scenario, success, "custom")?;
    let told = told.map(Value::to_string);
    if told
        .as_ref()
        .unwrap_or(&success.whole)
        .contains(custom.as_str())
    {
        return Ok(());
    }
    let demanded = "the custom metadata that the secret has in Vault";
    Err(scenario.failed(demanded, &format!("a success: {}", success.whole)))
}

/// If the answer says whether the only version of the secret is deleted, that must be so in Vault now. A deletion time
/// is no such statement: it can lie ahead.
///
/// # Errors
/// If Vault says otherwise; not applicable if the answer does not say it; blocked if the agent's last act was about
/// another secret, or the secret has several versions.
pub(crate) async fn expect_state(scenario: &Scenario, path: &str) -> StepResult {
    about::last_on_secret(scenario, path)?;
    let metadata = metadata(scenario, path).await?;
    let versions = metadata["versions"].as_object().map_or(0, Map::len);
    if versions != 1 {
        let scenario = format!("{path:?} has {versions}");
        return Err(contradiction("the only version of a secret", scenario));
    }
    let mount = &kv(scenario)?.path;
    let held = scenario.oracle.read_version(mount, path, 1).await;
    let is_deleted = held.map_err(StepEnd::blocked)?.is_none();
    let success = match (&scenario.last()?.answer, is_deleted) {
        (Answer::Error(_), true) => return Ok(()),
        _ => expect_success(scenario)?,
    };
    let told = match fact_if_pointed_to(scenario, success, "deleted")? {
        Some(told) => state_in(told),
        None => state_in_all(&success.whole),
    };
    let words = |deleted| match deleted {
        true => "deleted",
        false => "not deleted",
    };
    match told {
        None => Err(StepEnd::not_claimed(
            "the answer does not say whether the version is deleted",
        )),
        Some(told) if told == is_deleted => Ok(()),
        Some(told) => {
            let demanded = format!(
                "no other state of the version than Vault's: {}",
                words(is_deleted)
            );
            let seen = format!("it is reported as {}: {}", words(told), success.whole);
            Err(scenario.failed(demanded, &seen))
        }
    }
}

/// Whether a value says that a version is deleted.
fn state_in(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(deleted) => Some(*deleted),
        Value::String(text) => match text.to_lowercase().as_str() {
            "true" | "deleted" | "soft-deleted" | "soft_deleted" | "destroyed" => Some(true),
            "" => None,
            _ => Some(false),
        },
        _ => None,
    }
}

/// Whether a JSON text says that a version is deleted: in a field `deleted` or `is_deleted`, or in a state or status
/// that is called deleted. In other words it would be a guess. One that says so counts more than others that do not.
fn state_in_all(text: &str) -> Option<bool> {
    let value: Value = serde_json::from_str(text).ok()?;
    state_below(&value)
}

fn state_below(value: &Value) -> Option<bool> {
    let (mut deleted, mut below) = (None, Vec::new());
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                deleted = match name.to_lowercase().as_str() {
                    "deleted" | "is_deleted" | "isdeleted" => deleted.max(state_in(field)),
                    "state" | "status" => deleted.max(state_in(field).filter(|is| *is)),
                    _ => deleted,
                };
                below.push(field);
            }
        }
        Value::Array(items) => below.extend(items),
        // The texts of a result can be JSON, too.
        Value::String(text) if text.trim_start().starts_with(['{', '[']) => {
            return state_in_all(text);
        }
        _ => {}
    }
    below.into_iter().map(state_below).fold(deleted, Ord::max)
}

/// Whether the adapter points to a fact in the result of the last act.
pub(super) fn points_to(scenario: &Scenario, fact: &str) -> StepResult<bool> {
    let call = scenario.tool_call(&scenario.last()?.act)?;
    Ok(call.shape().points_to(fact))
}

/// A fact to which the adapter points in the result of the last act.
///
/// # Errors
/// If it does not exist; not applicable if the adapter does not point to it.
pub(super) fn fact<'f>(scenario: &Scenario, facts: &'f Facts, name: &str) -> StepResult<&'f Value> {
    let operation = scenario.last()?.act.operation;
    match facts.get(name) {
        Some(fact) => Ok(fact),
        None if points_to(scenario, name)? => {
            let demanded = format!("the {name}, at the place that the adapter names");
            Err(scenario.failed(demanded, "nothing there"))
        }
        None => Err(StepEnd::not_claimed(format!(
            "the adapter points to no {name} in the result of {operation}"
        ))),
    }
}

/// A fact that must exist if the adapter points to it.
pub(super) fn fact_if_pointed_to<'s>(
    scenario: &Scenario,
    success: &'s Success,
    name: &str,
) -> StepResult<Option<&'s Value>> {
    match points_to(scenario, name)? {
        true => fact(scenario, &success.facts, name).map(Some),
        false => Ok(None),
    }
}

async fn metadata_of_subject(scenario: &Scenario) -> StepResult<Value> {
    metadata(scenario, about::last_secret(scenario)?).await
}

pub(crate) async fn metadata(scenario: &Scenario, path: &str) -> StepResult<Value> {
    let metadata = scenario.oracle.metadata(&kv(scenario)?.path, path).await;
    metadata.map_err(StepEnd::blocked)
}

/// The number that a value is, or that its text contains.
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

/// The server must be running, and perform the next call.
///
/// # Errors
/// When it is not, or does not.
pub(crate) async fn expect_next_call_works(scenario: &mut Scenario) -> StepResult {
    let slot = scenario.agents.acting_mut();
    if let Some(ended) = slot.and_then(|slot| slot.instance.ended()) {
        let seen = format!("its process ended: {ended}");
        return Err(scenario.failed("the next call works", &seen));
    }
    let seen = match scenario.request("tools/list", json!({})).await? {
        Ok(Reply::Result(page)) if page["tools"].is_array() => return Ok(()),
        Ok(Reply::Result(other)) => format!("tools/list gave {other}"),
        Ok(Reply::Error { code, message }) => {
            format!("tools/list returned the error {code} {message}")
        }
        Err(why) => format!("tools/list was not answered: {why}"),
    };
    Err(scenario.failed("the next call works", &seen))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{ABSENCE, number_in, state_in_all};

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
    fn a_deletion_time_says_no_state_and_a_field_for_it_does() {
        let vaults = json!({ "versions": { "1": { "deletion_time": "2030-01-01T00:00:00Z", "destroyed": false } } });
        for (answer, expected) in [
            (vaults, None),
            (json!({ "status": "ok", "state": "active" }), None),
            (json!({ "note": "deleted: true" }), None),
            (json!({ "versions": [{ "deleted": true }] }), Some(true)),
            (
                json!({ "versions": [{ "is_deleted": "false" }] }),
                Some(false),
            ),
            (
                json!({ "versions": { "1": { "state": "deleted" } } }),
                Some(true),
            ),
            (json!({ "text": r#"{"isDeleted": true}"# }), Some(true)),
            (
                json!({ "deleted": false, "versions": [{ "deleted": true }] }),
                Some(true),
            ),
        ] {
            assert_eq!(state_in_all(&answer.to_string()), expected, "{answer}");
        }
        assert_eq!(state_in_all("the version is deleted"), None);
    }

    #[test]
    fn a_version_is_a_number_or_in_a_text() {
        assert_eq!(number_in(&json!(3)), Some(3));
        assert_eq!(number_in(&json!("v12")), Some(12));
        assert_eq!(number_in(&json!("none")), None);
    }
}
