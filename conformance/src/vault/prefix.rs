//! The prefix of all names that one run makes in Vault. It is drawn anew for each run, so that two runs on one Vault do
//! not conflict. It is the only mark that distinguishes what a run made from what belongs to somebody else.

use std::fmt;

use rand::RngExt as _;

/// `vmc-`, eight random letters or digits, and a dash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunPrefix(String);

const BEGINNING: &str = "vmc-";
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const LENGTH: usize = 8;

impl RunPrefix {
    /// Draws a prefix that no other run has.
    #[must_use]
    pub fn draw() -> Self {
        let mut random = rand::rng();
        let letter = move || char::from(LETTERS[random.random_range(0..LETTERS.len())]);
        let letters: String = std::iter::repeat_with(letter).take(LENGTH).collect();
        Self(format!("{BEGINNING}{letters}-"))
    }

    /// Parses a prefix. It is strict, because everything with the prefix is removed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let letters = text.strip_prefix(BEGINNING)?.strip_suffix('-')?;
        let right = letters.len() == LENGTH && letters.bytes().all(|byte| LETTERS.contains(&byte));
        right.then(|| Self(text.to_owned()))
    }

    /// The prefix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a name in Vault belongs to this run.
    #[must_use]
    pub fn owns(&self, name: &str) -> bool {
        name.starts_with(&self.0)
    }
}

impl fmt::Display for RunPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::RunPrefix;

    #[test]
    fn a_prefix_is_read_back_and_nothing_shorter_is_one() {
        let prefix = RunPrefix::draw();
        assert_eq!(RunPrefix::parse(prefix.as_str()), Some(prefix));
        for wrong in [
            "",
            "v",
            "vmc-",
            "vmc--",
            "vmc-1234567-",
            "vmc-12345678",
            "vmc-1234567/-",
        ] {
            assert_eq!(RunPrefix::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn two_runs_have_two_prefixes() {
        assert_ne!(RunPrefix::draw(), RunPrefix::draw());
    }
}
