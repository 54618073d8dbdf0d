//! Where the token comes from, whether it is renewed, and which authorities vouch for Vault.

use std::path::PathBuf;

use reqwest::Url;
use secrecy::SecretString;
use thiserror::Error;

use crate::{
    token::{NotAToken, Token, TokenFileError, TokenSource},
    vault::tls::{Authorities, AuthorityError},
};

/// What of it is refused.
#[derive(Debug, Error)]
pub enum CredentialsError {
    /// Which of them is meant?
    #[error(
        "both VAULT_TOKEN and VAULT_TOKEN_FILE (--vault-token-file) are set: unset the one that the server should not use"
    )]
    TwoTokens,
    /// The token cannot be one.
    #[error("VAULT_TOKEN cannot be used: {0}")]
    Token(#[from] NotAToken),
    /// The file cannot be used.
    #[error(transparent)]
    TokenFile(#[from] TokenFileError),
    /// `VAULT_TOKEN_RENEW` is neither yes nor no.
    #[error("VAULT_TOKEN_RENEW is {0:?}; it can be `true` or `false`")]
    Renew(String),
    /// Tokens that requests bring are renewed by those whose they are.
    #[error(
        "VAULT_TOKEN_RENEW is set, and the server has no token of its own to renew: set VAULT_TOKEN or VAULT_TOKEN_FILE, \
         or unset it"
    )]
    NothingToRenew,
    /// The authorities cannot be used.
    #[error(transparent)]
    Authorities(#[from] AuthorityError),
    /// Whoever sits between would get the token.
    #[error(
        "VAULT_SKIP_VERIFY is {0:?}, and this server always verifies vault's certificate: unset it, and set VAULT_CACERT \
         to the authority that signed the certificate"
    )]
    SkipVerify(String),
}

/// Where the token comes from.
pub enum TokenOrigin {
    /// The environment.
    Variable(SecretString),
    /// A file, which is read again and again.
    File(PathBuf),
}

impl TokenOrigin {
    /// What is set, if anything is.
    pub(super) fn new(
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, CredentialsError> {
        match (env("VAULT_TOKEN"), env("VAULT_TOKEN_FILE")) {
            (Some(_), Some(_)) => Err(CredentialsError::TwoTokens),
            (Some(token), None) => Ok(Some(Self::Variable(token.into()))),
            (None, Some(file)) => Ok(Some(Self::File(file.into()))),
            (None, None) => Ok(None),
        }
    }

    /// The token; a file is read a first time.
    ///
    /// # Errors
    /// [`CredentialsError`] if there is no token.
    pub fn open(&self) -> Result<TokenSource, CredentialsError> {
        match self {
            Self::Variable(token) => Ok(TokenSource::fixed(Token::new(token.clone())?)),
            Self::File(path) => Ok(TokenSource::file(path.clone())?),
        }
    }
}

/// Whether the token is renewed: only where the operator says so, as how long it
/// lives is the operator's business.
pub(super) fn renewal(
    env: impl Fn(&str) -> Option<String>,
    token: Option<&TokenOrigin>,
) -> Result<bool, CredentialsError> {
    match env("VAULT_TOKEN_RENEW").as_deref() {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1") if token.is_none() => Err(CredentialsError::NothingToRenew),
        Some("true" | "1") => Ok(true),
        Some(other) => Err(CredentialsError::Renew(other.to_owned())),
    }
}

/// The authorities that vouch for Vault, in a file or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthoritySetting(Option<PathBuf>);

impl AuthoritySetting {
    pub(super) fn new(
        env: impl Fn(&str) -> Option<String>,
        vault: &Url,
    ) -> Result<Self, CredentialsError> {
        match env("VAULT_SKIP_VERIFY") {
            // Over plain http there is nothing to verify.
            Some(skip)
                if vault.scheme() == "https"
                    && !["0", "f", "false"].contains(&skip.to_lowercase().as_str()) =>
            {
                Err(CredentialsError::SkipVerify(skip))
            }
            _ => Ok(Self(env("VAULT_CACERT").map(PathBuf::from))),
        }
    }

    /// The authorities; a file is read.
    ///
    /// # Errors
    /// [`CredentialsError::Authorities`] if it cannot be used.
    pub fn open(&self) -> Result<Authorities, CredentialsError> {
        match &self.0 {
            None => Ok(Authorities::of_this_machine()),
            Some(path) => Ok(Authorities::in_file(path)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env<'a>(set: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| {
            let found = set.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn one_token_is_taken_and_two_are_not() {
        let origin = |set| TokenOrigin::new(env(set));
        assert!(matches!(origin(&[]), Ok(None)));
        let variable = origin(&[("VAULT_TOKEN", "hvs.a")]);
        assert!(matches!(variable, Ok(Some(TokenOrigin::Variable(_)))));
        let file = origin(&[("VAULT_TOKEN_FILE", "/run/token")]);
        assert!(matches!(file, Ok(Some(TokenOrigin::File(_)))));
        let both = origin(&[("VAULT_TOKEN", "hvs.a"), ("VAULT_TOKEN_FILE", "/run/token")]);
        assert!(matches!(both, Err(CredentialsError::TwoTokens)));
    }

    #[test]
    fn a_token_is_renewed_only_if_that_is_asked_for() {
        let token = TokenOrigin::Variable("hvs.a".into());
        let renewed = |set| renewal(env(set), Some(&token));
        assert!(!renewed(&[]).unwrap());
        assert!(!renewed(&[("VAULT_TOKEN_RENEW", "false")]).unwrap());
        assert!(renewed(&[("VAULT_TOKEN_RENEW", "true")]).unwrap());
        let message = renewed(&[("VAULT_TOKEN_RENEW", "yes")]).unwrap_err();
        assert!(message.to_string().contains("VAULT_TOKEN_RENEW"));
        let nothing = renewal(env(&[("VAULT_TOKEN_RENEW", "true")]), None);
        assert!(matches!(nothing, Err(CredentialsError::NothingToRenew)));
        assert!(!renewal(env(&[]), None).unwrap());
    }

    #[test]
    fn the_certificate_of_vault_is_always_verified() {
        let asked = |vault: &str, skip| {
            let set = [("VAULT_SKIP_VERIFY", skip)];
            AuthoritySetting::new(env(&set), &vault.parse().unwrap()).map(drop)
        };
        for skip in ["true", "1", "T", "yes"] {
            let message = asked("https://vault.test", skip).unwrap_err().to_string();
            assert!(message.contains("VAULT_CACERT"), "{message}");
        }
        for skip in ["false", "0", "FALSE"] {
            assert!(asked("https://vault.test", skip).is_ok());
        }
        assert!(asked("http://127.0.0.1:8200", "true").is_ok());
    }
}
