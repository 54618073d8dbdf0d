//! The longest time that Vault took to answer the server.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// The longest time that one request has waited for Vault's answer, including the requests that still wait and those
/// that the server gave up.
#[derive(Debug, Default)]
pub(super) struct LongestWait(Mutex<Waits>);

#[derive(Debug, Default)]
struct Waits {
    longest: Duration,
    /// When each waiting request began, by number.
    pending: BTreeMap<u64, Instant>,
    next: u64,
}

impl LongestWait {
    /// Begins a request, which waits until the returned value is dropped.
    pub(super) fn begin(&self) -> Waiting<'_> {
        let mut waits = self.0.lock();
        let number = waits.next;
        waits.next += 1;
        waits.pending.insert(number, Instant::now());
        Waiting {
            number,
            waits: self,
        }
    }

    pub(super) fn so_far(&self) -> Duration {
        let waits = self.0.lock();
        let pending = waits.pending.values().map(Instant::elapsed).max();
        pending.unwrap_or_default().max(waits.longest)
    }

    /// Forgets all waiting times, including those of requests that still wait.
    pub(super) fn forget(&self) {
        let mut waits = self.0.lock();
        waits.longest = Duration::ZERO;
        waits.pending.clear();
    }
}

/// A request that waits for Vault.
pub(super) struct Waiting<'a> {
    number: u64,
    waits: &'a LongestWait,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waits = self.waits.0.lock();
        if let Some(since) = waits.pending.remove(&self.number) {
            waits.longest = waits.longest.max(since.elapsed());
        }
    }
}
