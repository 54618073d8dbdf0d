//! The policy matrix: each operation under each policy, with Vault's answer and the server's. This module defines a
//! cell and decides its value. The profile ([`crate::profiles::policy::matrix`]) makes the calls, and the reports show
//! the result.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What Vault says to the requests of an operation, made directly with the target's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// It lets all of them through.
    Allowed,
    /// It answers one of them with 403.
    Denied,
}

/// What the target made of the same operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It told of success, and the effect shows.
    Allowed,
    /// It told that permission was denied; no value was shown and nothing changed.
    Denied,
    /// It was denied for the sake of a further request, which the operation does not need.
    NeedsMore,
    /// It gave the right answer by another request, which Vault allows to this very token.
    OtherWay,
    /// It told of success, and the effect does not show.
    NoEffect,
    /// It told of an error that does not say that permission was denied.
    OtherError,
    /// It told of an error, and changed something.
    Changed,
    /// It told of an error, and showed a value in it.
    ShowedValue,
    /// It did not answer.
    NoAnswer,
}

impl Outcome {
    /// Its name for people.
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
    /// What Vault itself says.
    pub vault: Ruling,
    /// What the target made of it.
    pub target: Outcome,
    /// Whether the target did what Vault says. Where it does not, the requirement
    /// `policy.matrix` is not met, unless the target only `needs_more`: that is judged by
    /// `policy.nothing-more`.
    pub agrees: bool,
    /// The request that made the difference, or what was seen instead; without the names and
    /// values of the run.
    pub note: Option<String>,
}

impl PolicyCell {
    /// Whether `policy.matrix` is met here.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.agrees || self.target == Outcome::NeedsMore
    }
}

/// What the agent was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Of success.
    Success,
    /// That permission was denied.
    Denial,
    /// Of another error.
    OtherError,
    /// Nothing.
    Nothing,
}

/// What was seen of the target in one cell.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// What Vault said to the same.
    pub ruling: Ruling,
    /// What the agent was told.
    pub told: Told,
    /// Whether a success shows its effect, in Vault or in the answer.
    pub effect: bool,
    /// Whether something changed in Vault; where it is allowed, what the operation is not about.
    pub changed: bool,
    /// Whether an error showed a value.
    pub value_shown: bool,
    /// Whether Vault denied a further request of the target, and none of the operation's own.
    pub further_request_denied: bool,
    /// Whether the operation reads only, and what served the agent were other requests, which
    /// Vault allows to the target's token.
    pub other_way: bool,
}

/// What the target made of an operation.
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

/// Whether an outcome is what Vault says.
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

    /// Every outcome of every combination of what can be seen, as a table: Vault, told, effect,
    /// changed, value shown, further request denied, other way.
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
