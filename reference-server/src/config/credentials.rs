//! Settings of the token, its renewal, and the CA certificates for Vault.

use std::path::PathBuf;

use reqwest::Url;
use secrecy::SecretString;
use thiserror::Error;

use crate::{
    token::{NotAToken, Token, TokenFileError, TokenSource},
    vault::tls::{Authorities, AuthorityError},
};

/// Why one of these settings is invalid.
#[derive(Debug, Error)]
pub enum CredentialsError {
    /// Two sources of the token are set.
    #[error(
        "both VAULT_TOKEN and VAULT_TOKEN_FILE (--vault-token-file) are set: unset the one that the server should not use"
    )]
    TwoTokens,
    /// The token is invalid.
    #[error("VAULT_TOKEN cannot be used: {0}")]
    Token(#[from] NotAToken),
    /// The token file is unusable.
    #[error(transparent)]
    TokenFile(#[from] TokenFileError),
    /// `VAULT_TOKEN_RENEW` is not a boolean.
    #[error("VAULT_TOKEN_RENEW is {0:?}; it can be `true` or `false`")]
    Renew(String),
    /// Renewal is enabled without a token of the server. Clients renew their own tokens.
    #[error(
        "VAULT_TOKEN_RENEW is set, and the server has no token of its own to renew: set VAULT_TOKEN or VAULT_TOKEN_FILE, \
         or unset it"
    )]
    NothingToRenew,
    /// The CA certificates are unusable.
    #[error(transparent)]
    Authorities(#[from] AuthorityError),
    /// Verification is disabled, so a machine in the middle could take the token.
    #[error(
        "VAULT_SKIP_VERIFY is {0:?}, and this server always verifies vault's certificate: unset it, and set VAULT_CACERT \
         to the authority that signed the certificate"
    )]
    SkipVerify(String),
}

/// The source of the token.
pub enum TokenOrigin {
    /// The environment.
    Variable(SecretString),
    /// A file, read again before each request.
    File(PathBuf),
}

impl TokenOrigin {
    /// The source that is set, if any.
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

    /// Reads the token; a file is read for the first time.
    ///
    /// # Errors
    /// [`CredentialsError`] if there is no usable token.
    pub fn open(&self) -> Result<TokenSource, CredentialsError> {
        match self {
            Self::Variable(token) => Ok(TokenSource::fixed(Token::new(token.clone())?)),
            Self::File(path) => Ok(TokenSource::file(path.clone())?),
        }
    }
}

/// Whether the server renews the token. Off by default, because the operator decides how long the token lives.
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

/// The CA certificates for Vault: a file, or those of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthoritySetting(Option<PathBuf>);

impl AuthoritySetting {
    pub(super) fn new(
        env: impl Fn(&str) -> Option<String>,
        vault: &Url,
    ) -> Result<Self, CredentialsError> {
        match env("VAULT_SKIP_VERIFY") {
            // Plain http has no certificate to verify.
            Some(skip)
                if vault.scheme() == "https"
                    && !["0", "f", "false"].contains(&skip.to_lowercase().as_str()) =>
            {
                Err(CredentialsError::SkipVerify(skip))
            }
            _ => Ok(Self(env("VAULT_CACERT").map(PathBuf::from))),
        }
    }

    /// Loads the CA certificates, from the file if one is set.
    ///
    /// # Errors
    /// [`CredentialsError::Authorities`] if the file is unusable.
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
