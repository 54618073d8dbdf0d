//! Keyed hashes. The key is generated at start-up and exists only in this process.
//!
//! With them the server recognises a credential without storing it, and binds a session id to a credential.

use std::fmt;

use ring::{hmac, rand::SystemRandom};
use subtle::ConstantTimeEq;
use thiserror::Error;

/// A keyed hash.
pub type Fingerprint = [u8; 32];

/// The key.
pub struct KeyedHasher(hmac::Key);

/// The operating system provides no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the operating system provides no random numbers, which session ids need")]
pub struct NoRandomness;

impl fmt::Debug for KeyedHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal").finish_non_exhaustive()
    }
}

impl KeyedHasher {
    /// Generates a random key.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn new() -> Result<Self, NoRandomness> {
        hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map(Self)
            .map_err(|_| NoRandomness)
    }

    /// The keyed hash of a list of texts. Another list, or the same text divided differently, has another hash.
    pub fn fingerprint(&self, parts: &[&[u8]]) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut fingerprint = Fingerprint::default();
        // Both have the length of a SHA-256 hash.
        for (to, from) in fingerprint.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        fingerprint
    }

    /// Whether this is the keyed hash of the list; compares in constant time.
    pub fn verify(&self, fingerprint: &[u8], parts: &[&[u8]]) -> bool {
        self.fingerprint(parts).ct_eq(fingerprint).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_print_depends_on_each_part_on_their_division_and_on_the_key() {
        let (hasher, other) = (KeyedHasher::new().unwrap(), KeyedHasher::new().unwrap());
        let fingerprint = hasher.fingerprint(&[b"ab", b"c"]);
        assert_eq!(fingerprint, hasher.fingerprint(&[b"ab", b"c"]));
        assert_ne!(fingerprint, hasher.fingerprint(&[b"a", b"bc"]));
        assert_ne!(fingerprint, hasher.fingerprint(&[b"abc"]));
        assert_ne!(fingerprint, hasher.fingerprint(&[b"ab", b"c", b""]));
        assert_ne!(fingerprint, other.fingerprint(&[b"ab", b"c"]));
        assert!(hasher.verify(&fingerprint, &[b"ab", b"c"]));
        assert!(!hasher.verify(&fingerprint[1..], &[b"ab", b"c"]));
        assert!(!hasher.verify(&fingerprint, &[b"ab", b"d"]));
    }
}
