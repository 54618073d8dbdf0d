//! The callers: which credential a call acts with, and the state that the server keeps for each credential.
//!
//! A caller is a credential: from a request, or the server's own. The server caches mounts for each caller
//! separately, because Vault can answer another token or namespace differently.

use std::{fmt, num::NonZeroUsize, sync::Arc};

use lru::LruCache;
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use crate::{
    keyed_hash::{Fingerprint, KeyedHasher, NoRandomness},
    limits::{Bucket, Limits, Rates},
    redact::Redactor,
    token::{NotAToken, Token, TokenSource},
    vault::{
        Vault,
        access::Access,
        client::{VaultAddress, VaultClient},
        credential::Credential,
        kv::WriteLocks,
        namespace::Namespace,
    },
};

/// Maximum number of callers with kept state. For an evicted caller the server asks Vault again, and the caller's
/// rate limit starts anew. The global rate limit is not affected.
const MAX_STATES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);

/// The credential that a request acts with.
#[derive(Debug, Clone)]
pub struct Caller {
    credential: Credential,
    /// Of the token only.
    token: Fingerprint,
    /// Of the token and the namespace.
    fingerprint: Fingerprint,
}

/// Why the server cannot determine the caller of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CallerError {
    /// The request has no token, and the server has none of its own.
    #[error(
        "this server has no Vault token of its own: send yours with each request, in the header X-Vault-Token"
    )]
    NoToken,
    /// The token of the request is invalid.
    #[error("the header X-Vault-Token cannot be used: {0}")]
    Token(#[from] NotAToken),
    /// The server's own token is only for its namespace and the namespaces below.
    #[error(
        "the token of this server is not used in that namespace: send a token of your own in the header X-Vault-Token"
    )]
    Namespace,
}

/// The state that the server keeps for one caller.
pub struct CredentialState {
    /// Vault with the caller's credential.
    pub vault: Arc<Vault>,
    /// Knows the caller's token and the server's token, including earlier ones.
    pub redactor: Redactor,
    /// The caller's rate limit outside of sessions, in all namespaces.
    pub bucket: Arc<Bucket>,
}

/// All callers.
pub struct Callers {
    address: VaultAddress,
    own: Option<TokenSource>,
    namespace: Option<Namespace>,
    limits: Limits,
    write_locks: Arc<WriteLocks>,
    hasher: KeyedHasher,
    states: Mutex<LruCache<Fingerprint, Arc<CredentialState>>>,
    buckets: Mutex<LruCache<Fingerprint, Arc<Bucket>>>,
}

impl fmt::Debug for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callers").finish_non_exhaustive()
    }
}

impl Callers {
    /// Creates the callers of the Vault at this address. If the server has no token of its `own`, each request must
    /// bring one. `namespace` is the default for requests that name none.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn new(
        address: VaultAddress,
        own: Option<TokenSource>,
        namespace: Option<Namespace>,
        rates: Rates,
    ) -> Result<Self, NoRandomness> {
        Ok(Self {
            address,
            own,
            namespace,
            limits: Limits::new(rates),
            write_locks: Arc::default(),
            hasher: KeyedHasher::new()?,
            states: Mutex::new(LruCache::new(MAX_STATES)),
            buckets: Mutex::new(LruCache::new(MAX_STATES)),
        })
    }

    /// Whether the server may change Vault.
    pub fn access(&self) -> Access {
        self.address.access()
    }

    /// The rate limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The caller of a request with this token and this namespace.
    ///
    /// # Errors
    /// [`CallerError`] if the request has no usable credential.
    pub fn caller(
        &self,
        token: Option<SecretString>,
        namespace: Option<Namespace>,
    ) -> Result<Caller, CallerError> {
        let Some(token) = token else {
            return self.own(namespace);
        };
        let token = Token::new(token)?;
        let text = token.expose_secret().as_bytes();
        let fingerprint = self.hasher.fingerprint(&[b"token", text]);
        let namespace = namespace.or_else(|| self.namespace.clone());
        let credential = Credential::new(TokenSource::fixed(token), namespace);
        Ok(self.known(fingerprint, credential))
    }

    /// The server itself as caller. Renewing or replacing the server's token does not change the caller.
    ///
    /// # Errors
    /// [`CallerError`] if the server has no token, or none for this namespace.
    pub fn own(&self, namespace: Option<Namespace>) -> Result<Caller, CallerError> {
        let tokens = self.own.clone().ok_or(CallerError::NoToken)?;
        let namespace = match (namespace, &self.namespace) {
            (Some(named), Some(own)) if !own.contains(&named) => {
                return Err(CallerError::Namespace);
            }
            (named, own) => named.or_else(|| own.clone()),
        };
        let credential = Credential::new(tokens, namespace);
        Ok(self.known(self.hasher.fingerprint(&[b"own"]), credential))
    }

    fn known(&self, token: Fingerprint, credential: Credential) -> Caller {
        let namespace = credential.namespace().map_or("", Namespace::as_str);
        let fingerprint = self
            .hasher
            .fingerprint(&[b"caller", &token, namespace.as_bytes()]);
        Caller {
            credential,
            token,
            fingerprint,
        }
    }

    /// The keyed hash that binds a session to the caller.
    pub fn session_fingerprint(&self, caller: &Caller, session: &str) -> Fingerprint {
        self.hasher.fingerprint(&session_parts(caller, session))
    }

    /// Whether the session belongs to the caller.
    pub fn owns_session(&self, caller: &Caller, session: &str, fingerprint: &[u8]) -> bool {
        self.hasher
            .verify(fingerprint, &session_parts(caller, session))
    }

    /// The state that is kept for the caller. If there are too many, the least recently used one is dropped.
    pub fn state(&self, caller: &Caller) -> Arc<CredentialState> {
        let mut states = self.states.lock();
        Arc::clone(states.get_or_insert(caller.fingerprint, || Arc::new(self.new_state(caller))))
    }

    fn new_state(&self, caller: &Caller) -> CredentialState {
        let client = VaultClient::new(self.address.clone(), caller.credential.clone());
        let known = self.own.iter().chain([caller.credential.tokens()]);
        let mut buckets = self.buckets.lock();
        CredentialState {
            vault: Arc::new(Vault::new(client, Arc::clone(&self.write_locks))),
            redactor: Redactor::new(known.cloned()),
            bucket: Arc::clone(
                buckets.get_or_insert(caller.token, || Arc::new(self.limits.client())),
            ),
        }
    }
}

fn session_parts<'a>(caller: &'a Caller, session: &'a str) -> [&'a [u8]; 3] {
    [b"session", &caller.fingerprint, session.as_bytes()]
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::vault::tls::Authorities;

    /// Callers of a server with this token and an unreachable Vault.
    pub(crate) fn callers(token: Option<&str>, namespace: Option<&str>) -> Callers {
        let url = "http://127.0.0.1:1".parse().unwrap();
        let authorities = Authorities::of_this_machine();
        let rate = "5:10".parse().unwrap();
        Callers::new(
            VaultAddress::new(url, Access::ReadWrite, &authorities).unwrap(),
            token.map(|token| TokenSource::fixed(Token::new(token.into()).unwrap())),
            namespace.map(|namespace| namespace.parse().unwrap()),
            Rates {
                session: rate,
                global: rate,
            },
        )
        .unwrap()
    }

    fn fingerprint(callers: &Callers, token: Option<&str>, namespace: Option<&str>) -> Fingerprint {
        let caller = callers.caller(
            token.map(SecretString::from),
            namespace.map(|namespace| namespace.parse().unwrap()),
        );
        caller.unwrap().fingerprint
    }

    #[test]
    fn a_caller_is_a_token_in_a_namespace() {
        let callers = callers(Some("hvs.own"), None);
        let fingerprints = [
            fingerprint(&callers, None, None),
            fingerprint(&callers, None, Some("team")),
            fingerprint(&callers, Some("hvs.own"), None),
            fingerprint(&callers, Some("hvs.own"), Some("team")),
            fingerprint(&callers, Some("hvs.other"), None),
            fingerprint(&callers, Some("hvs.other"), Some("team")),
            fingerprint(&callers, Some("hvs.other"), Some("team/a")),
        ];
        for (at, one) in fingerprints.iter().enumerate() {
            assert!(!fingerprints[at + 1..].contains(one), "{at}");
        }
        assert_eq!(
            fingerprint(&callers, Some("hvs.other"), Some("/team/")),
            fingerprints[5]
        );
    }

    #[test]
    fn who_names_no_namespace_works_in_that_of_the_server() {
        let callers = callers(Some("hvs.own"), Some("team"));
        let named = |token| fingerprint(&callers, token, Some("team"));
        assert_eq!(fingerprint(&callers, None, None), named(None));
        assert_eq!(
            fingerprint(&callers, Some("hvs.a"), None),
            named(Some("hvs.a"))
        );
    }

    #[test]
    fn the_token_of_the_server_stays_below_its_namespace_and_others_may_go_where_they_can() {
        let callers = callers(Some("hvs.own"), Some("team"));
        let asked = |token: Option<&str>, namespace: &str| {
            let namespace = Some(namespace.parse().unwrap());
            callers
                .caller(token.map(SecretString::from), namespace)
                .map(drop)
        };
        assert_eq!(asked(None, "team/a"), Ok(()));
        assert_eq!(asked(None, "teams"), Err(CallerError::Namespace));
        assert_eq!(asked(Some("hvs.a"), "teams"), Ok(()));
    }

    #[test]
    fn without_a_token_of_the_server_a_request_has_to_bring_one() {
        let callers = callers(None, None);
        let asked = |token: Option<&str>| callers.caller(token.map(SecretString::from), None);
        assert_eq!(asked(None).map(drop), Err(CallerError::NoToken));
        assert_eq!(asked(Some("hvs.a")).map(drop), Ok(()));
        assert_eq!(
            asked(Some("")).map(drop),
            Err(CallerError::Token(NotAToken))
        );
    }

    #[test]
    fn what_vault_told_one_caller_is_kept_apart_and_the_limit_is_that_of_the_token() {
        let callers = callers(Some("hvs.own"), None);
        let state = |token: &str, namespace: &str| {
            let namespace = Some(namespace.parse().unwrap());
            let caller = callers.caller(Some(SecretString::from(token)), namespace);
            callers.state(&caller.unwrap())
        };
        let (one, again) = (state("hvs.a", "team"), state("hvs.a", "team"));
        assert!(Arc::ptr_eq(&one.vault, &again.vault));
        let (elsewhere, other) = (state("hvs.a", "other"), state("hvs.b", "team"));
        assert!(!Arc::ptr_eq(&one.vault, &elsewhere.vault));
        assert!(!Arc::ptr_eq(&one.vault, &other.vault));
        assert!(Arc::ptr_eq(&one.bucket, &elsewhere.bucket));
        assert!(!Arc::ptr_eq(&one.bucket, &other.bucket));
    }

    #[test]
    fn the_redactor_of_a_caller_knows_the_token_of_the_server_too() {
        let callers = callers(Some("hvs.own"), None);
        let caller = callers.caller(Some(SecretString::from("hvs.brought")), None);
        let state = callers.state(&caller.unwrap());
        let clean = state.redactor.scrub("hvs.own hvs.brought", &[]);
        assert_eq!(clean, "[redacted] [redacted]");
    }
}
