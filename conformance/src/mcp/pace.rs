//! Keeps to the limits on calls that an adapter declares, so that a target's rate limit fails no scenario about
//! something else.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::rate::{Counted, Rate};

/// A token bucket that is smaller than the target's: it fills at nine tenths of the rate, and holds one request less.
///
/// Requests that left evenly may arrive closer together, and the target's clock may be slower than the suite's.
/// A target with a bucket of its own refuses nothing as long as each request arrives at most this much later than
/// it was sent, and in order: 11/9 of the time between two requests at the target's rate, such as 244 ms at
/// 5 requests a second. Where the target takes one request at once there is no request to hold back, and it is 1/9 of
/// that time.
#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    counted: Counted,
    /// How far ahead of its time a request may come.
    ahead: Duration,
    /// The time of the next request if all were sent at regular intervals.
    due: Mutex<Option<Instant>>,
}

impl Pace {
    /// Keeps within a limit, with a margin.
    #[must_use]
    pub fn within(limit: Rate, counted: Counted) -> Self {
        let interval = Duration::from_secs(1) / limit.per_second.get() * 10 / 9;
        Self {
            interval,
            counted,
            ahead: interval * limit.burst.get().saturating_sub(2),
            due: Mutex::default(),
        }
    }

    /// Waits until this message, as JSON or as its method, may be sent.
    pub async fn wait(&self, message: &str) {
        if self.counted == Counted::Calls && !message.contains("tools/call") {
            return;
        }
        let at = self.reserve(Instant::now());
        sleep_until(at).await;
    }

    /// Waits until the full number of simultaneous requests may be sent.
    pub async fn rest(&self) {
        let due = *self.due.lock();
        if let Some(due) = due {
            sleep_until(due).await;
        }
    }

    fn reserve(&self, now: Instant) -> Instant {
        let mut due = self.due.lock();
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

    use super::{Counted, Pace, Rate};

    fn rate(per_second: u32, burst: u32) -> Rate {
        Rate {
            per_second: per_second.try_into().unwrap(),
            burst: burst.try_into().unwrap(),
        }
    }

    /// How much later than it was sent a request to a target with this limit may arrive.
    fn most_jitter(limit: Rate) -> Duration {
        let interval = Duration::from_secs(1) / limit.per_second.get();
        match limit.burst.get() {
            1 => interval / 9,
            _ => interval * 11 / 9,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn where_calls_are_counted_other_messages_wait_for_nothing() {
        let pace = Pace::within(rate(1, 1), Counted::Calls);
        let begun = Instant::now();
        for _ in 0..5 {
            pace.wait("tools/list").await;
        }
        pace.wait("tools/call").await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        pace.wait(r#"{"method":"tools/call"}"#).await;
        assert!(begun.elapsed() > Duration::from_secs(1));
    }

    proptest! {
        #[test]
        fn no_request_is_too_much_for_the_target_though_each_is_late_by_some_jitter(
            (per_second, burst) in (1_u32..50, 1_u32..20),
            waits_for_its_turn: bool,
            requests in proptest::collection::vec((0_u64..400, 0.0..=1.0_f64), 1..60),
        ) {
            let limit = rate(per_second, burst);
            let pace = Pace::within(limit, Counted::Messages);
            let mut now = Instant::now();
            // The target's own bucket, initially full.
            let (mut level, mut last) = (f64::from(burst), now);
            for (pause, late) in requests {
                now += Duration::from_millis(pause);
                let sent = pace.reserve(now);
                if waits_for_its_turn {
                    now = sent;
                }
                let arrived = (sent + most_jitter(limit).mul_f64(late)).max(last);
                let refill = (arrived - last).as_secs_f64() * f64::from(per_second);
                level = (level + refill).min(f64::from(burst)) - 1.0;
                last = arrived;
                prop_assert!(level > -1e-6, "{level}");
            }
        }

        #[test]
        fn keeping_the_margin_takes_little_longer_than_the_limit_demands(
            (per_second, burst) in (1_u32..50, 1_u32..20),
            requests in 1_u32..200,
        ) {
            let pace = Pace::within(rate(per_second, burst), Counted::Messages);
            let begun = Instant::now();
            let ended = (0..requests).map(|_| pace.reserve(begun)).last();
            let took = ended.map(|ended| (ended - begun).as_secs_f64());
            // All requests except those of the burst, which is one request smaller than the limit.
            let demanded = f64::from(requests.saturating_sub(burst) + 1) / f64::from(per_second);
            prop_assert!(took <= Some(demanded / 0.9 + 1e-6), "{took:?}");
        }
    }
}
