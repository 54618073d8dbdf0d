//! The order of changes: those of one secret are let through one after the other, so that concurrent calls on
//! this server do not run into conflicts of their own, whoever they act as. KV v1 knows no check-and-set: there a
//! change would be lost.

use std::hash::{BuildHasher, RandomState};

use tokio::sync::{Mutex, MutexGuard};

use crate::vault::path::{MountPath, SecretPath};

/// Two secrets rarely share a lock.
const LOCKS: usize = 64;

/// The locks of all secrets in one Vault. They know nothing of namespaces: a lock that is shared costs a wait.
pub struct WriteLocks {
    locks: [Mutex<()>; LOCKS],
    hasher: RandomState,
}

impl Default for WriteLocks {
    fn default() -> Self {
        Self {
            locks: std::array::from_fn(|_| Mutex::new(())),
            hasher: RandomState::new(),
        }
    }
}

impl WriteLocks {
    /// Waits for the turn of a change of this secret, which lasts as long as the guard.
    pub(super) async fn take(&self, mount: &MountPath, path: &SecretPath) -> MutexGuard<'_, ()> {
        let hash = self.hasher.hash_one((mount, path));
        // The remainder is below 64 and fits any usize.
        self.locks[(hash % LOCKS as u64) as usize].lock().await
    }
}
