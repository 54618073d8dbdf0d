//! Pacing: a target that limits the rate of requests gets no more than it takes, so that its
//! limit does not fail a scenario which is about something else.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use crate::target::launch::Rate;

/// A token bucket: it lets `burst` requests pass at once, and then `per_second`.
#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    /// How far ahead of its time a request may come.
    ahead: Duration,
    /// When the next request would be due if they came evenly.
    due: Mutex<Option<Instant>>,
}

impl Pace {
    /// Keeps within a limit, and one request below its burst: requests that left evenly may
    /// arrive closer together.
    #[must_use]
    pub fn within(limit: Rate) -> Self {
        let interval = Duration::from_secs(1) / limit.per_second.get();
        Self {
            interval,
            ahead: interval * limit.burst.get().saturating_sub(2),
            due: Mutex::default(),
        }
    }

    /// Waits until one more request may be sent.
    pub async fn wait(&self) {
        let at = self.reserve(Instant::now());
        sleep_until(at).await;
    }

    /// Waits until as many requests may be sent at once as ever.
    pub async fn rest(&self) {
        let due = *self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(due) = due {
            sleep_until(due).await;
        }
    }

    fn reserve(&self, now: Instant) -> Instant {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let on_time = due.map_or(now, |due| due.max(now));
        *due = Some(on_time + self.interval);
        on_time
            .checked_sub(self.ahead)
            .map_or(now, |at| at.max(now))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::time::Instant;

    use super::{Pace, Rate};

    proptest! {
        #[test]
        fn no_span_of_time_has_more_requests_than_the_limit_allows(
            per_second in 1_u32..50,
            burst in 1_u32..20,
            pauses in proptest::collection::vec(0_u64..400, 1..60),
        ) {
            let rate = Rate {
                per_second: per_second.try_into().unwrap(),
                burst: burst.try_into().unwrap(),
            };
            let pace = Pace::within(rate);
            let mut now = Instant::now();
            // The target's own bucket, full at first.
            let (mut level, mut last) = (f64::from(burst), now);
            for pause in pauses {
                now += Duration::from_millis(pause);
                now = pace.reserve(now);
                let refill = (now - last).as_secs_f64() * f64::from(per_second);
                level = (level + refill).min(f64::from(burst)) - 1.0;
                last = now;
                prop_assert!(level > -1e-6, "{level}");
            }
        }
    }
}
