//! Keyed hashes, with a key that is made at the start and ends with the process.
//!
//! By them a credential can be recognised without being kept, and a session id can say whom it was given to.

use std::fmt;

use ring::{hmac, rand::SystemRandom};
use subtle::ConstantTimeEq;
use thiserror::Error;

/// A keyed hash.
pub type Print = [u8; 32];

/// The key.
pub struct Seal(hmac::Key);

/// The system gave no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the system gives no random numbers, so sessions could not be kept apart")]
pub struct NoRandomness;

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal").finish_non_exhaustive()
    }
}

impl Seal {
    /// A key that nobody knows.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn new() -> Result<Self, NoRandomness> {
        hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map(Self)
            .map_err(|_| NoRandomness)
    }

    /// The keyed hash of a list of texts. No other list has it, nor one that is divided in another way.
    pub fn print(&self, parts: &[&[u8]]) -> Print {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut print = Print::default();
        // Both are as long as SHA-256 is.
        for (to, from) in print.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        print
    }

    /// Whether this is the keyed hash of the list; it takes the same time wherever it is not.
    pub fn made(&self, print: &[u8], parts: &[&[u8]]) -> bool {
        self.print(parts).ct_eq(print).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_print_depends_on_each_part_on_their_division_and_on_the_key() {
        let (seal, other) = (Seal::new().unwrap(), Seal::new().unwrap());
        let print = seal.print(&[b"ab", b"c"]);
        assert_eq!(print, seal.print(&[b"ab", b"c"]));
        assert_ne!(print, seal.print(&[b"a", b"bc"]));
        assert_ne!(print, seal.print(&[b"abc"]));
        assert_ne!(print, seal.print(&[b"ab", b"c", b""]));
        assert_ne!(print, other.print(&[b"ab", b"c"]));
        assert!(seal.made(&print, &[b"ab", b"c"]));
        assert!(!seal.made(&print[1..], &[b"ab", b"c"]));
        assert!(!seal.made(&print, &[b"ab", b"d"]));
    }
}
