//! The namespace of a request to Vault, validated at the boundary.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// Maximum length of a namespace, in bytes.
const MAX_BYTES: usize = 1024;

/// A namespace such as `team/a`: one or more segments of visible ASCII, without leading and trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace(String);

/// Why a namespace is invalid. The error does not quote it, because it may come from any client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "it has to be a path such as `team/a`, of up to 1024 visible ASCII characters, without empty segments, `.`, \
     `..` and any of \\ ? # % ; , \" '"
)]
pub struct NamespaceError;

impl Namespace {
    /// The namespace, in the form for Vault.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the other namespace is this one or below it.
    pub fn contains(&self, other: &Self) -> bool {
        other
            .0
            .strip_prefix(&self.0)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for Namespace {
    type Err = NamespaceError;

    /// A leading or trailing slash, which Vault also accepts, makes no difference.
    fn from_str(text: &str) -> Result<Self, NamespaceError> {
        let path = text.strip_prefix('/').unwrap_or(text);
        let path = path.strip_suffix('/').unwrap_or(path);
        let plain = |segment: &str| {
            let allowed = |byte: u8| byte.is_ascii_graphic() && !b"\\?#%;,\"'".contains(&byte);
            !matches!(segment, "" | "." | "..") && segment.bytes().all(allowed)
        };
        if path.len() > MAX_BYTES || !path.split('/').all(plain) {
            return Err(NamespaceError);
        }
        Ok(Self(path.to_owned()))
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn namespace(text: &str) -> Namespace {
        text.parse().unwrap()
    }

    #[test]
    fn a_slash_around_it_makes_no_difference() {
        for text in ["team/a", "/team/a", "team/a/", "/team/a/"] {
            assert_eq!(namespace(text).as_str(), "team/a");
        }
    }

    #[test]
    fn what_could_mean_something_else_to_somebody_is_refused() {
        for text in [
            "",
            "/",
            "//",
            "a//b",
            "//a",
            ".",
            "a/../b",
            "a b",
            "a\nb",
            "a\r\nX-Vault-Token: b",
            "a%2fb",
            "a,b",
            "a?b",
            "a\\b",
            "größe",
            "a\0b",
        ] {
            assert_eq!(text.parse::<Namespace>(), Err(NamespaceError), "{text:?}");
        }
        assert!("a".repeat(1025).parse::<Namespace>().is_err());
    }

    #[test]
    fn a_namespace_contains_itself_and_what_is_below() {
        let team = namespace("team");
        assert!(team.contains(&namespace("team")));
        assert!(team.contains(&namespace("team/a/b")));
        assert!(!team.contains(&namespace("teams")));
        assert!(!namespace("team/a").contains(&team));
    }

    proptest! {
        #[test]
        fn what_is_accepted_can_stand_in_a_header(text in "\\PC{0,40}") {
            if let Ok(namespace) = text.parse::<Namespace>() {
                prop_assert!(reqwest::header::HeaderValue::from_str(namespace.as_str()).is_ok());
                prop_assert_eq!(namespace.as_str().parse(), Ok(namespace.clone()));
            }
        }
    }
}
