//! Vault tokens: their validation, their source, and earlier tokens.
//!
//! A token file is read before each request. The file is small, and so no change of it is missed. While the file is
//! unusable, the server continues to use the last token.

mod file;
pub mod renewal;

use std::{collections::VecDeque, fmt, path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

pub use self::file::TokenFileError;

/// Maximum length of a token, in bytes. The longest tokens of Vault, batch tokens with much metadata, are shorter.
const MAX_TOKEN_BYTES: usize = 4096;
/// Number of earlier tokens that are still redacted.
const PAST_TOKENS: usize = 16;

/// A text that cannot be a token. The error does not quote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a token is 1 to 4096 visible ASCII characters, without spaces")]
pub struct NotAToken;

/// A Vault token, which is never printed.
pub struct Token {
    secret: SecretString,
    header: HeaderValue,
}

impl Token {
    /// Parses a token.
    ///
    /// # Errors
    /// [`NotAToken`] if it is empty, too long, or contains anything but visible ASCII.
    pub fn new(secret: SecretString) -> Result<Self, NotAToken> {
        let text = secret.expose_secret();
        let fits = (1..=MAX_TOKEN_BYTES).contains(&text.len());
        if !fits || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NotAToken);
        }
        let mut header = HeaderValue::from_str(text).map_err(|_| NotAToken)?;
        header.set_sensitive(true);
        Ok(Self { secret, header })
    }

    /// The token as a header value, marked as sensitive.
    pub fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

impl ExposeSecret<str> for Token {
    fn expose_secret(&self) -> &str {
        self.secret.expose_secret()
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.expose_secret() == other.expose_secret()
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}

/// The source of the token. Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub struct TokenSource(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: Option<PathBuf>,
    tokens: Mutex<Tokens>,
}

#[derive(Debug)]
struct Tokens {
    current: Arc<Token>,
    past: VecDeque<Arc<Token>>,
    /// Whether the log already has a warning that the file is unusable.
    complained: bool,
}

impl TokenSource {
    /// A token that never changes.
    pub fn fixed(token: Token) -> Self {
        Self::new(None, token)
    }

    /// A file that contains one token, which may change.
    ///
    /// # Errors
    /// [`TokenFileError`] if the file is unreadable, or does not contain exactly one token.
    pub fn file(path: PathBuf) -> Result<Self, TokenFileError> {
        let found = file::read(&path)?;
        found.warn_if_exposed(&path);
        Ok(Self::new(Some(path), found.token))
    }

    fn new(file: Option<PathBuf>, token: Token) -> Self {
        let tokens = Tokens {
            current: Arc::new(token),
            past: VecDeque::new(),
            complained: false,
        };
        Self(Arc::new(Inner {
            file,
            tokens: Mutex::new(tokens),
        }))
    }

    /// The token to send now.
    pub async fn current(&self) -> Arc<Token> {
        if let Some(path) = &self.0.file {
            let path = path.clone();
            // It fails only when the server ends, and then no request needs a token.
            if let Ok(read) = tokio::task::spawn_blocking(move || file::read(&path)).await {
                self.note(read);
            }
        }
        Arc::clone(&self.0.tokens.lock().current)
    }

    /// The tokens to redact: the current one and earlier ones.
    pub fn known(&self) -> Vec<Arc<Token>> {
        let tokens = self.0.tokens.lock();
        let past = tokens.past.iter();
        past.chain([&tokens.current]).map(Arc::clone).collect()
    }

    fn note(&self, read: Result<file::Found, TokenFileError>) {
        let mut tokens = self.0.tokens.lock();
        match read {
            Ok(found) => {
                if tokens.complained {
                    tracing::info!("the token file can be used again");
                }
                tokens.complained = false;
                if found.token != *tokens.current {
                    tracing::info!("the token file has another token, which is used from now on");
                    if let Some(path) = &self.0.file {
                        found.warn_if_exposed(path);
                    }
                    tokens.replace(found.token);
                }
            }
            Err(error) if !tokens.complained => {
                tracing::warn!("{error}; the server keeps using the last token");
                tokens.complained = true;
            }
            Err(_) => {}
        }
    }
}

impl Tokens {
    fn replace(&mut self, token: Token) {
        let past = std::mem::replace(&mut self.current, Arc::new(token));
        if self.past.len() == PAST_TOKENS {
            self.past.pop_front();
        }
        self.past.push_back(past);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn token(text: &str) -> Token {
        Token::new(text.into()).unwrap()
    }

    #[test]
    fn what_cannot_be_sent_is_no_token() {
        for text in [
            "",
            &"x".repeat(MAX_TOKEN_BYTES + 1),
            "hvs.a b",
            "hvs.a\n",
            "hvs.a\r\nx-other: b",
            "hvs.\u{e9}",
        ] {
            assert_eq!(Token::new(text.into()), Err(NotAToken), "{text:?}");
        }
    }

    #[test]
    fn a_token_is_not_printed_by_debug() {
        let source = TokenSource::fixed(token("hvs.canary"));
        let shown = format!("{:?} {source:?}", token("hvs.canary"));
        assert!(!shown.contains("canary"), "{shown}");
        assert!(token("hvs.canary").header().is_sensitive());
    }

    #[tokio::test]
    async fn a_file_is_read_again_and_what_it_held_stays_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "hvs.first\n").unwrap();
        let source = TokenSource::file(path.clone()).unwrap();
        assert_eq!(*source.current().await, token("hvs.first"));
        fs::write(&path, "hvs.later\n").unwrap();
        assert_eq!(*source.current().await, token("hvs.later"));
        let known: Vec<_> = source.known();
        let known: Vec<_> = known.iter().map(|token| token.expose_secret()).collect();
        assert_eq!(known, ["hvs.first", "hvs.later"]);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_used_for_a_while_leaves_its_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "hvs.first").unwrap();
        let source = TokenSource::file(path.clone()).unwrap();
        for text in ["", "two tokens"] {
            fs::write(&path, text).unwrap();
            assert_eq!(*source.current().await, token("hvs.first"));
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(*source.current().await, token("hvs.first"));
        fs::write(&path, "hvs.later").unwrap();
        assert_eq!(*source.current().await, token("hvs.later"));
    }

    #[test]
    fn the_tokens_of_before_are_bounded() {
        let source = TokenSource::fixed(token("hvs.0"));
        for number in 1..=50 {
            source
                .0
                .tokens
                .lock()
                .replace(token(&format!("hvs.{number}")));
        }
        let known = source.known();
        assert_eq!(known.len(), PAST_TOKENS + 1);
        assert_eq!(*known[PAST_TOKENS], token("hvs.50"));
    }
}
