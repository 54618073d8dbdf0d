//! How long Vault has kept the server waiting.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// The longest time that one request waited for Vault's answer, whole milliseconds. It counts requests that the
/// server gave up, too.
#[derive(Debug, Default)]
pub(super) struct LongestWait(AtomicU64);

impl LongestWait {
    /// A request waits until what this returns is dropped.
    pub(super) fn begin(&self) -> Waiting<'_> {
        Waiting {
            since: Instant::now(),
            longest: self,
        }
    }

    pub(super) fn so_far(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    pub(super) fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// A request that waits for Vault.
pub(super) struct Waiting<'a> {
    since: Instant,
    longest: &'a LongestWait,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waited = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.longest.0.fetch_max(waited, Ordering::Relaxed);
    }
}
