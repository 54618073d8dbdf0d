//! The policy matrix: each operation under each policy, with Vault's answer and the server's. This module defines a
//! cell and decides its value. The profile ([`crate::profiles::policy::matrix`]) makes the calls, and the reports show
//! the result.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engines::{Operation, kv::Kv};

/// Vault's answer to the requests of an operation, made directly with the target's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// Vault allows all of them.
    Allowed,
    /// Vault answers one of them with 403.
    Denied,
}

/// The result of the same operation through the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The target returned a success, and Vault shows the effect.
    Allowed,
    /// The target returned a denial, with no value in it, and nothing changed.
    Denied,
    /// The target made an additional request that Vault denied, and that the operation does not need.
    NeedsMore,
    /// The target returned the right answer by another request that Vault allows to the same token.
    OtherWay,
    /// The target returned a success, and the effect is missing.
    NoEffect,
    /// The target returned an error that is no denial.
    OtherError,
    /// The target returned an error, and something changed.
    Changed,
    /// The target returned an error that contains a value.
    ShowedValue,
    /// The target did not answer.
    NoAnswer,
}

impl Outcome {
    /// The name for readers.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::NeedsMore => "needs more",
            Self::OtherWay => "other way",
            Self::NoEffect => "no effect",
            Self::OtherError => "other error",
            Self::Changed => "changed",
            Self::ShowedValue => "value shown",
            Self::NoAnswer => "no answer",
        }
    }
}

/// An operation under a policy, on one transport.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyCell {
    /// The operation.
    pub operation: String,
    /// The policy, by the name of its file; `none` grants nothing.
    pub policy: String,
    /// `stdio` or `http`.
    pub transport: String,
    /// Vault's answer.
    pub vault: Ruling,
    /// The result through the target.
    pub target: Outcome,
    /// Whether target and Vault agree. If not, the requirement `policy.matrix` fails. The exception is `needs_more`,
    /// which `policy.nothing-more` checks.
    pub agrees: bool,
    /// The request that made the difference, or what was seen instead, without the names and values of the run.
    pub note: Option<String>,
}

impl PolicyCell {
    /// Whether this cell passes `policy.matrix`.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.agrees || self.target == Outcome::NeedsMore
    }

    /// Whether Vault denied a PATCH with which the target changes one key of a secret. That is the operation's own
    /// request in another form, and no additional one.
    #[must_use]
    pub fn is_denied_patch(&self) -> bool {
        let changes_a_key = [Kv::WriteKey, Kv::DeleteKey].map(|kv| Operation::Kv(kv).name());
        let request = self.note.as_deref().unwrap_or_default();
        changes_a_key.contains(&self.operation.as_str()) && request.starts_with("PATCH ")
    }
}

/// What the agent received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A success.
    Success,
    /// A denial: an error which says that permission was denied.
    Denial,
    /// Another error.
    OtherError,
    /// No answer.
    Nothing,
}

/// What was seen in one cell.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Vault's answer to the same requests.
    pub ruling: Ruling,
    /// What the agent received.
    pub told: Told,
    /// Whether a success shows its effect, in Vault or in the answer.
    pub effect: bool,
    /// Whether something changed in Vault; if Vault allows the operation, something that the operation is not about.
    pub changed: bool,
    /// Whether an error contained a value.
    pub value_shown: bool,
    /// Whether Vault denied an additional request of the target, but none of the operation's own.
    pub further_request_denied: bool,
    /// Whether the operation only reads, and the answer came from other requests that Vault allows to the target's
    /// token.
    pub other_way: bool,
}

/// Decides the result through the target.
#[must_use]
pub fn judge(seen: &Seen) -> Outcome {
    match (seen.told, seen.ruling) {
        (Told::Nothing, _) => Outcome::NoAnswer,
        (Told::Success, _) if !seen.effect => Outcome::NoEffect,
        (Told::Success, Ruling::Allowed) => Outcome::Allowed,
        (Told::Success, Ruling::Denied) if seen.other_way && !seen.changed => Outcome::OtherWay,
        (Told::Success, Ruling::Denied) => Outcome::Allowed,
        (Told::Denial | Told::OtherError, _) if seen.value_shown => Outcome::ShowedValue,
        (Told::Denial | Told::OtherError, _) if seen.changed => Outcome::Changed,
        (Told::OtherError, _) => Outcome::OtherError,
        (Told::Denial, Ruling::Allowed) if seen.further_request_denied => Outcome::NeedsMore,
        (Told::Denial, _) => Outcome::Denied,
    }
}

/// Whether an outcome agrees with Vault's answer.
#[must_use]
pub const fn agrees(ruling: Ruling, outcome: Outcome) -> bool {
    matches!(
        (ruling, outcome),
        (Ruling::Allowed, Outcome::Allowed) | (Ruling::Denied, Outcome::Denied | Outcome::OtherWay)
    )
}

#[cfg(test)]
mod tests {
    use super::{
        Outcome::{self, *},
        Ruling, Seen, Told, agrees, judge,
    };

    /// The outcome of each combination of what can be seen, as a table: Vault, told, effect, changed, value shown,
    /// further request denied, other way.
    fn all() -> Vec<(Seen, Outcome)> {
        let mut all = Vec::new();
        for ruling in [Ruling::Allowed, Ruling::Denied] {
            for told in [Told::Success, Told::Denial, Told::OtherError, Told::Nothing] {
                for bits in 0..32_u8 {
                    let bit = |n: u8| bits & (1 << n) != 0;
                    let seen = Seen {
                        ruling,
                        told,
                        effect: bit(0),
                        changed: bit(1),
                        value_shown: bit(2),
                        further_request_denied: bit(3),
                        other_way: bit(4),
                    };
                    all.push((seen, judge(&seen)));
                }
            }
        }
        all
    }

    fn agreeing() -> impl Iterator<Item = (Seen, Outcome)> {
        all()
            .into_iter()
            .filter(|(seen, outcome)| agrees(seen.ruling, *outcome))
    }

    #[test]
    fn what_vault_allows_agrees_only_if_success_is_told_and_shows() {
        for (seen, outcome) in all() {
            if seen.ruling == Ruling::Allowed {
                let right = seen.told == Told::Success && seen.effect;
                assert_eq!(agrees(seen.ruling, outcome), right, "{seen:?}");
                assert_eq!(outcome == Allowed, right, "{seen:?}");
            }
        }
    }

    #[test]
    fn what_vault_denies_agrees_only_if_a_denial_is_told_and_nothing_changed_or_shown() {
        for (seen, outcome) in agreeing().filter(|(seen, _)| seen.ruling == Ruling::Denied) {
            match seen.told {
                Told::Denial => {
                    assert!(!seen.changed && !seen.value_shown, "{seen:?}");
                    assert_eq!(outcome, Denied);
                }
                Told::Success => {
                    assert!(seen.effect && seen.other_way && !seen.changed, "{seen:?}");
                    assert_eq!(outcome, OtherWay);
                }
                Told::OtherError | Told::Nothing => panic!("{seen:?} agrees"),
            }
        }
    }

    #[test]
    fn a_further_request_excuses_a_denial_of_what_is_allowed_and_nothing_else() {
        for (seen, outcome) in all() {
            let excused = seen.ruling == Ruling::Allowed
                && seen.told == Told::Denial
                && seen.further_request_denied
                && !seen.changed
                && !seen.value_shown;
            assert_eq!(outcome == NeedsMore, excused, "{seen:?}");
        }
    }

    #[test]
    fn a_success_that_does_not_show_is_no_success_whatever_vault_says() {
        for (seen, outcome) in all() {
            let empty = seen.told == Told::Success && !seen.effect;
            assert_eq!(outcome == NoEffect, empty, "{seen:?}");
        }
    }

    #[test]
    fn an_error_is_no_excuse_for_a_change_or_a_value() {
        for (seen, outcome) in all() {
            if matches!(seen.told, Told::Denial | Told::OtherError) {
                assert_eq!(outcome == ShowedValue, seen.value_shown, "{seen:?}");
                let changed = seen.changed && !seen.value_shown;
                assert_eq!(outcome == Changed, changed, "{seen:?}");
            }
        }
    }

    #[test]
    fn no_answer_agrees_with_nothing() {
        for (seen, outcome) in all() {
            assert_eq!(outcome == NoAnswer, seen.told == Told::Nothing, "{seen:?}");
        }
        assert!(agreeing().all(|(_, outcome)| outcome != NoAnswer));
    }
}
