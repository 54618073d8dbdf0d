//! The verdicts on a scenario, and how a step returns them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The result of one scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The target did what the requirement demands.
    Pass,
    /// A MUST was not met.
    Fail,
    /// A SHOULD was not met.
    Warn,
    /// The requirement does not apply to this target, or cannot be checked here.
    NotApplicable,
    /// The suite or its environment failed. This never counts as the target's fault.
    Blocked,
}

/// The name of the verdict in reports.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::NotApplicable => "not_applicable",
            Self::Blocked => "blocked",
        })
    }
}

/// Why a requirement is not applicable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NotApplicable {
    /// The target's adapter does not map the operation, or does not claim the mode.
    NotClaimed,
    /// The suite lacks the evidence that the scenario needs.
    NoEvidence,
    /// What the requirement builds on has failed. Another requirement is about that.
    Precondition,
    /// The run on a mutant has already shown on this transport what it can show.
    AlreadyShown,
}

impl fmt::Display for NotApplicable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotClaimed => "not_claimed",
            Self::NoEvidence => "no_evidence",
            Self::Precondition => "precondition",
            Self::AlreadyShown => "already_shown",
        })
    }
}

/// The level of a requirement.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Level {
    /// Required: a target that does not meet it is nonconformant.
    #[serde(rename = "MUST")]
    Must,
    /// Recommended: a target that does not meet it gets a warning.
    #[serde(rename = "SHOULD")]
    Should,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
        })
    }
}

/// Why a step ends its scenario before the end.
///
/// Cucumber carries a step's error as text. A `StepEnd` is therefore displayed as JSON and parsed again by the runner,
/// so that the report gets typed values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stop", rename_all = "snake_case")]
pub enum StepEnd {
    /// The target did not do what was expected.
    Failed {
        /// What the requirement demands, as text.
        expected: String,
        /// What was seen instead, with secrets redacted.
        actual: String,
    },
    /// The requirement turned out not to apply.
    NotApplicable {
        /// Why.
        reason: NotApplicable,
        /// What exactly is missing.
        detail: String,
    },
    /// The suite or its environment failed.
    Blocked {
        /// What failed, and what to do.
        why: String,
    },
}

/// What a step returns.
pub type StepResult<T = ()> = Result<T, StepEnd>;

impl StepEnd {
    /// The target did not do what was expected.
    pub fn failed(expected: impl Into<String>, actual: impl Into<String>) -> Self {
        Self::Failed {
            expected: expected.into(),
            actual: actual.into(),
        }
    }

    /// The adapter does not map or claim what the requirement is about.
    pub fn not_claimed(detail: impl Into<String>) -> Self {
        Self::NotApplicable {
            reason: NotApplicable::NotClaimed,
            detail: detail.into(),
        }
    }

    /// The evidence does not suffice for a verdict.
    pub fn no_evidence(detail: impl Into<String>) -> Self {
        Self::NotApplicable {
            reason: NotApplicable::NoEvidence,
            detail: detail.into(),
        }
    }

    /// What the requirement builds on has failed.
    pub fn precondition(detail: impl Into<String>) -> Self {
        Self::NotApplicable {
            reason: NotApplicable::Precondition,
            detail: detail.into(),
        }
    }

    /// The suite or its environment failed.
    pub fn blocked(why: impl fmt::Display) -> Self {
        Self::Blocked {
            why: why.to_string(),
        }
    }

    /// Parses what [`fmt::Display`] wrote. Anything else is a fault of the suite.
    #[must_use]
    pub fn from_message(message: &str) -> Self {
        Self::said_by(message).unwrap_or_else(|| Self::Blocked {
            why: format!("a step of the suite failed: {message}"),
        })
    }

    /// Parses what [`fmt::Display`] wrote; `None` for any other text.
    pub(crate) fn said_by(message: &str) -> Option<Self> {
        serde_json::from_str(message).ok()
    }
}

impl fmt::Display for StepEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::{StepEnd, Verdict};

    #[test]
    fn a_stop_survives_its_way_through_text() {
        let stop = StepEnd::failed("a \"denial\"", "nothing\nat all");
        assert_eq!(StepEnd::from_message(&stop.to_string()), stop);
    }

    #[test]
    fn a_panic_of_a_step_is_blocked_and_not_a_failure_of_the_target() {
        assert!(matches!(
            StepEnd::from_message("index out of bounds"),
            StepEnd::Blocked { why } if why.contains("index out of bounds")
        ));
    }

    #[test]
    fn a_verdict_is_shown_by_its_name_in_reports() {
        for verdict in [
            Verdict::Pass,
            Verdict::Fail,
            Verdict::Warn,
            Verdict::NotApplicable,
            Verdict::Blocked,
        ] {
            assert_eq!(serde_json::json!(verdict), verdict.to_string());
        }
    }
}
