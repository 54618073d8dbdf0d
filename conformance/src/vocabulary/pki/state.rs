//! What a scenario keeps about PKI mounts, and how settings and lifetimes are compared.

use std::time::Duration;

use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::{
    act::{Act, pki::Wanted},
    certificate::{Certificate, Request, duration},
    engines::Parameters,
    scenario::Scenario,
    verdict::{StepEnd, StepResult},
};

/// How much a lifetime may differ from the request, because of clocks and the duration of the call.
const TOLERANCE: Duration = Duration::from_secs(300);

/// A PKI mount of the scenario.
#[derive(Clone, Debug, Default)]
pub(crate) struct PkiMount {
    /// Its path in Vault, which no other scenario uses.
    pub path: String,
    /// The certificate of the CA that the suite made in it.
    pub root: Option<Certificate>,
    /// The role that the scenario is about.
    pub role: String,
    /// The certificate that the agent requested last.
    pub wanted: Wanted,
    /// The certificate signing request, with its key.
    pub request: Option<Request>,
    /// The certificate that was issued earlier.
    pub earlier: Option<Certificate>,
    /// The correction of the role.
    pub repair: Repair,
}

/// The PKI mount that the scenario made last.
///
/// # Errors
/// If it has made none.
pub(crate) fn pki(scenario: &Scenario) -> StepResult<&PkiMount> {
    let missing = || StepEnd::blocked("the scenario gave no PKI mount");
    scenario.state::<Vec<PkiMount>>().last().ok_or_else(missing)
}

pub(crate) fn pki_mut(scenario: &mut Scenario) -> StepResult<&mut PkiMount> {
    let missing = || StepEnd::blocked("the scenario gave no PKI mount");
    scenario
        .state_mut::<Vec<PkiMount>>()
        .last_mut()
        .ok_or_else(missing)
}

/// The first certificate in an answer of Vault.
pub(super) fn parsed(text: &str) -> StepResult<Certificate> {
    let missing = || StepEnd::blocked("Vault gave no certificate that can be read");
    Certificate::first_in(text).ok_or_else(missing)
}

/// The correction of a role.
#[derive(Clone, Debug, Default)]
pub(crate) struct Repair {
    /// What was drawn at random, for the report of a failure.
    pub(super) drawn: String,
    /// The certificate that was drawn.
    pub(super) wanted: Wanted,
    /// The name that the scenario says the role should allow.
    pub(super) allows: Option<String>,
    /// The role as it was in Vault.
    pub(super) before: Option<Map<String, Value>>,
    /// The agent's refused act, which it repeats.
    pub(super) asking: Option<Act>,
    /// How many calls the agent has made.
    pub(super) calls: usize,
    /// What the agent knows of the role's settings.
    pub(super) known: Option<Parameters>,
    /// The settings that the target showed to the agent.
    pub(super) shown: Vec<String>,
    /// The act with which the agent created the role last.
    pub(super) made: Option<Act>,
}

/// Whether the lifetime of a new certificate is as requested.
pub(super) fn lasts(certificate: &Certificate, asked: Duration) -> bool {
    let lasts = certificate.not_after() - OffsetDateTime::now_utc();
    (lasts - asked).unsigned_abs() <= TOLERANCE
}

/// Whether a setting equals what was sent; Vault returns durations in seconds.
pub(super) fn same(sent: &Value, has: &Value) -> bool {
    let seconds = |value: &Value| match value {
        Value::String(text) => duration(text).map(|length| length.as_secs()),
        other => other.as_u64(),
    };
    let sorted = |list: &Vec<Value>| {
        let mut list: Vec<_> = list.iter().map(Value::to_string).collect();
        list.sort();
        list
    };
    let nothing = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        other => other.as_u64() == Some(0),
    };
    match (sent, has) {
        (Value::Array(sent), Value::Array(has)) => sorted(sent) == sorted(has),
        (Value::String(names), Value::Array(_)) => {
            let names = names
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty());
            same(&names.collect(), has)
        }
        (one, other) if nothing(one) && nothing(other) => true,
        _ => sent == has || (seconds(sent).is_some() && seconds(sent) == seconds(has)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::same;

    #[test]
    fn a_setting_is_the_same_in_another_notation() {
        assert!(same(&json!("72h"), &json!(259_200)));
        assert!(same(&json!(["a", "b"]), &json!(["b", "a"])));
        assert!(same(&json!("a, b"), &json!(["b", "a"])));
        for nothing in [json!([]), json!(false), json!(0), json!("")] {
            assert!(same(&json!(null), &nothing) && same(&nothing, &json!(null)));
        }
        assert!(!same(&json!(true), &json!(false)));
        assert!(!same(&json!("72h"), &json!(0)));
        assert!(!same(&json!(null), &json!(true)));
        assert!(!same(&json!("a"), &json!(["b", "a"])));
    }
}
