//! Redacts tokens and the values of a call in output.
//!
//! The server puts no secrets into messages itself. But it passes on Vault's messages, which may quote them.

use std::{cmp::Reverse, fmt};

use secrecy::ExposeSecret;

use crate::token::TokenSource;

/// The replacement for redacted text.
const MARK: &str = "[redacted]";
/// Values shorter than this are not redacted: they reveal nothing, and without them a message would be unreadable.
const SHORTEST_VALUE: usize = 4;

/// Redacts tokens and the values of a call in texts.
pub struct Redactor {
    sources: Vec<TokenSource>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

impl Redactor {
    /// A redactor for the current and earlier tokens of these sources.
    pub fn new(sources: impl IntoIterator<Item = TokenSource>) -> Self {
        let sources = sources.into_iter().collect();
        Self { sources }
    }

    /// The text without the tokens and the values, in plain and in JSON-escaped form.
    pub fn scrub(&self, text: &str, values: &[&str]) -> String {
        let mut clean = text.to_owned();
        let mut tokens: Vec<_> = self.sources.iter().flat_map(TokenSource::known).collect();
        // Longest first, because one token can be a prefix of another.
        tokens.sort_by_key(|token| Reverse(token.expose_secret().len()));
        for token in tokens {
            clean = replace(&clean, token.expose_secret());
        }
        for value in values.iter().filter(|value| value.len() >= SHORTEST_VALUE) {
            clean = replace(&clean, value);
            let quoted = serde_json::Value::from(*value).to_string();
            clean = replace(&clean, quoted.trim_matches('"'));
        }
        clean
    }
}

fn replace(text: &str, secret: &str) -> String {
    if secret.is_empty() {
        text.to_owned()
    } else {
        text.replace(secret, MARK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Token;

    fn redactor() -> Redactor {
        Redactor::new(["hvs.token", "hvs.token-of-another"].map(|text| {
            let token = Token::new(text.into()).unwrap();
            TokenSource::fixed(token)
        }))
    }

    #[test]
    fn a_token_that_begins_like_another_leaves_nothing_of_it() {
        assert_eq!(
            redactor().scrub("hvs.token-of-another, hvs.token", &[]),
            "[redacted], [redacted]"
        );
    }

    #[test]
    fn the_token_and_the_values_are_removed() {
        assert_eq!(
            redactor().scrub(
                "token hvs.token may not write pa\"ss, that is pa\\\"ss",
                &["pa\"ss"]
            ),
            "token [redacted] may not write [redacted], that is [redacted]"
        );
    }

    #[test]
    fn a_value_too_short_to_be_a_secret_leaves_the_message_readable() {
        assert_eq!(
            redactor().scrub("permission denied", &["e", ""]),
            "permission denied"
        );
    }

    #[test]
    fn the_token_is_not_printed_by_debug() {
        assert!(!format!("{:?}", redactor()).contains("hvs"));
    }
}
