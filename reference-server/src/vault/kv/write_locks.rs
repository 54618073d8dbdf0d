//! Serialises the changes of each secret. Concurrent calls of all callers on this server therefore cannot conflict
//! with each other. KV v1 has no check-and-set, so a conflict would lose a change there.

use std::hash::{BuildHasher, RandomState};

use tokio::sync::{Mutex, MutexGuard};

use crate::vault::path::{MountPath, SecretPath};

/// Enough that two secrets rarely share a lock.
const LOCKS: usize = 64;

/// The locks of all secrets in one Vault. They ignore namespaces: a shared lock costs only time.
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
    /// Waits for the lock of this secret; the guard holds it.
    pub(super) async fn take(&self, mount: &MountPath, path: &SecretPath) -> MutexGuard<'_, ()> {
        let hash = self.hasher.hash_one((mount, path));
        // The remainder is less than 64 and fits any usize.
        self.locks[(hash % LOCKS as u64) as usize].lock().await
    }
}
