//! The exit codes of the command line: one type documents them all.

use std::process::ExitCode;

/// How a command ended. If several apply, [`Exit::worse`] decides which one is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// 0: conformant; warnings are allowed.
    Conformant,
    /// 1: a MUST failed that no baseline lists, or a budget was missed under `--strict-latency`.
    Nonconformant,
    /// 2: the command line or the adapter file is invalid.
    Usage,
    /// 3: no usable Vault, the target does not start, or something was blocked or could not be cleaned up.
    Environment,
    /// 4: no scenario was selected, or none was applicable.
    NothingApplicable,
    /// 5: the baseline has entries that do not apply.
    StaleBaseline,
    /// 70: a fault of the suite itself.
    Internal,
    /// 130: interrupted by Ctrl-C.
    Interrupted,
}

impl Exit {
    /// The exit code of the process.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Conformant => 0,
            Self::Nonconformant => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::NothingApplicable => 4,
            Self::StaleBaseline => 5,
            Self::Internal => 70,
            Self::Interrupted => 130,
        }
    }

    /// The more severe of the two, which is returned if both apply.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if self.rank() <= other.rank() {
            self
        } else {
            other
        }
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Interrupted => 0,
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Nonconformant => 3,
            Self::Environment => 4,
            Self::StaleBaseline => 5,
            Self::NothingApplicable => 6,
            Self::Conformant => 7,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn a_failed_must_outranks_a_blocked_scenario() {
        assert_eq!(
            Exit::Environment.worse(Exit::Nonconformant),
            Exit::Nonconformant
        );
    }

    #[test]
    fn of_all_codes_the_gravest_is_told() {
        use Exit::*;
        let order = [
            Interrupted,
            Internal,
            Usage,
            Nonconformant,
            Environment,
            StaleBaseline,
            NothingApplicable,
            Conformant,
        ];
        let codes = order.map(Exit::code);
        assert_eq!(codes, [130, 70, 2, 1, 3, 5, 4, 0]);
        for pair in order.windows(2) {
            assert_eq!(pair[1].worse(pair[0]), pair[0]);
        }
    }

    #[test]
    fn anything_outranks_conformant() {
        assert_eq!(
            Exit::Conformant.worse(Exit::NothingApplicable),
            Exit::NothingApplicable
        );
    }
}
