//! Decides from the calls that the suite made whether a server keeps a limit on calls.
//!
//! A server that is called less often than its limit allows shows nothing. So a limit counts as kept only if the suite
//! would have caught a server without it. Otherwise the limit is unproven, whatever has reached Vault. This module
//! neither waits nor measures: it only compares numbers.

use std::time::Duration;

/// How far a limit may be missed, because of clocks and calls in flight.
pub const TOLERANCE: f64 = 0.2;
/// How many calls the suite makes before a limit counts as kept, as a multiple of what the limit allows. It is clearly
/// more than [`TOLERANCE`].
const PRESSURE: f64 = 1.5;

/// How many calls a server should let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Calls a second.
    pub rate: u32,
    /// Calls at once.
    pub burst: u32,
}

impl Allowance {
    /// The number of calls allowed in this time.
    #[must_use]
    pub fn in_all(self, time: Duration) -> f64 {
        f64::from(self.burst) + f64::from(self.rate) * time.as_secs_f64()
    }

    /// The number of calls in this time that prove that the limit is kept.
    #[must_use]
    pub fn to_offer(self, time: Duration) -> f64 {
        self.in_all(time) * PRESSURE
    }

    /// Whether this many calls in this time would have caught a server without the limit.
    #[must_use]
    pub fn is_pressed(self, offered: usize, time: Duration) -> bool {
        count(offered) >= self.to_offer(time)
    }

    /// Whether no more calls reached Vault than are allowed, of those `offered` in the same time. Too many calls fail
    /// even if few were offered.
    #[must_use]
    pub fn at_most(self, offered: usize, reached: usize, time: Duration) -> Finding {
        if count(reached) > self.in_all(time) * (1.0 + TOLERANCE) {
            Finding::Missed
        } else if self.is_pressed(offered, time) {
            Finding::Kept
        } else {
            Finding::Unproven
        }
    }

    /// Whether hardly fewer calls reached Vault than are allowed. If fewer did, the server is at fault only if its own
    /// refusals show that it was called more often than the limit allows.
    #[must_use]
    pub fn at_least(self, calls: &[Call], reached: usize, time: Duration) -> Finding {
        let enough = |granted: f64| count(reached) >= granted * (1.0 - TOLERANCE);
        if enough(self.in_all(time)) {
            return Finding::Kept;
        }
        match self.granted(calls) {
            Some(granted) if enough(granted) => Finding::Kept,
            Some(_) => Finding::Missed,
            None => Finding::Unproven,
        }
    }

    /// How many calls a server with this limit must have let through, given that it refused some of these. `None` if
    /// the refusals cover less than a second.
    ///
    /// A refusal shows that the token bucket was empty at some time between the call and its answer. So between
    /// two refusals the server let through whatever flowed into the bucket in that time. If they may have been so
    /// far apart that the bucket was full, what overflowed is deducted.
    #[must_use]
    pub fn granted(self, calls: &[Call]) -> Option<f64> {
        /// The time that the refusals have to cover, seconds.
        const SHOWN: f64 = 1.0;
        let (rate, burst) = (f64::from(self.rate), f64::from(self.burst));
        let mut refused: Vec<_> = calls.iter().filter(|call| call.refused).collect();
        refused.sort_by_key(|call| call.answered);
        let (first, last) = (refused.first()?, refused.last()?);
        let apart =
            |one: &Call, other: &Call| rate * other.answered.saturating_sub(one.sent).as_secs_f64();
        let lost: f64 = refused
            .windows(2)
            .map(|pair| (apart(pair[0], pair[1]) - (burst - 1.0)).max(0.0))
            .sum();
        let between = rate * last.sent.saturating_sub(first.answered).as_secs_f64() - lost;
        // The bucket was full at the start, and empty at the first refusal.
        (between >= rate * SHOWN).then_some(burst + between - 1.0)
    }
}

/// Whether a server kept a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The server kept it. A server that does not keep it would have been caught.
    Kept,
    /// The server did not keep it.
    Missed,
    /// There were too few calls to decide.
    Unproven,
}

/// A call that was answered. Times count from just before the first call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The client that made it.
    pub client: usize,
    /// When it was sent.
    pub sent: Duration,
    /// When it was answered.
    pub answered: Duration,
    /// Whether it was refused.
    pub refused: bool,
}

fn count(calls: usize) -> f64 {
    f64::from(u32::try_from(calls).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{Allowance, Call, Finding};

    /// A token bucket, as servers use: which of the calls with these arrival times it lets through.
    fn let_through(allowance: Allowance, arrivals: &[Duration]) -> Vec<bool> {
        let burst = f64::from(allowance.burst);
        let (mut level, mut last) = (burst, Duration::ZERO);
        let admit = |at: &Duration| {
            let refill = (*at - last).as_secs_f64() * f64::from(allowance.rate);
            level = (level + refill).min(burst);
            last = *at;
            let admitted = level >= 1.0;
            level -= f64::from(u8::from(admitted));
            admitted
        };
        arrivals.iter().map(admit).collect()
    }

    /// Calls with these arrival times, the times before from the request, and the times after to the answer.
    fn calls(allowance: Allowance, arrivals: &[(Duration, Duration, Duration)]) -> Vec<Call> {
        let times: Vec<_> = arrivals.iter().map(|(at, ..)| *at).collect();
        let admitted = let_through(allowance, &times).into_iter();
        let call =
            |(admitted, (at, before, after)): (bool, &(Duration, Duration, Duration))| Call {
                client: 0,
                sent: at.saturating_sub(*before),
                answered: *at + *after,
                refused: !admitted,
            };
        admitted.zip(arrivals).map(call).collect()
    }

    /// Calls at regular intervals, which take no time.
    fn evenly(allowance: Allowance, every: Duration, count: u32) -> Vec<Call> {
        let zero = Duration::ZERO;
        let arrivals: Vec<_> = (0..count).map(|n| (every * n, zero, zero)).collect();
        calls(allowance, &arrivals)
    }

    fn admitted(calls: &[Call]) -> usize {
        calls.iter().filter(|call| !call.refused).count()
    }

    fn end(calls: &[Call]) -> Duration {
        calls.iter().map(|call| call.answered).max().unwrap()
    }

    const TEN: Duration = Duration::from_millis(10);

    #[test]
    fn a_server_that_was_offered_no_more_than_its_limit_has_proven_nothing() {
        let allowance = Allowance { rate: 5, burst: 10 };
        let time = Duration::from_secs(2);
        assert_eq!(allowance.at_most(8, 8, time), Finding::Unproven);
        assert_eq!(allowance.at_most(29, 20, time), Finding::Unproven);
        assert_eq!(allowance.at_most(30, 20, time), Finding::Kept);
        assert_eq!(allowance.at_most(0, 0, time), Finding::Unproven);
    }

    #[test]
    fn more_than_a_limit_lets_through_is_more_however_few_were_offered() {
        let allowance = Allowance { rate: 5, burst: 10 };
        let time = Duration::from_secs(2);
        assert_eq!(allowance.at_most(25, 25, time), Finding::Missed);
        assert_eq!(allowance.at_most(0, 25, time), Finding::Missed);
        assert_eq!(allowance.at_most(100, 24, time), Finding::Kept);
    }

    #[test]
    fn a_client_that_is_held_back_gets_all_that_it_may_have() {
        let allowance = Allowance {
            rate: 20,
            burst: 20,
        };
        let calls = evenly(allowance, TEN, 200);
        let (reached, time) = (admitted(&calls), end(&calls));
        assert_eq!(allowance.at_least(&calls, reached, time), Finding::Kept);
        assert_eq!(allowance.at_least(&calls, 40, time), Finding::Missed);
    }

    #[test]
    fn a_server_that_lets_half_through_is_found_out() {
        let allowance = Allowance {
            rate: 20,
            burst: 20,
        };
        let stricter = Allowance { rate: 10, burst: 2 };
        let calls = evenly(stricter, TEN, 200);
        let (reached, time) = (admitted(&calls), end(&calls));
        assert_eq!(allowance.at_least(&calls, reached, time), Finding::Missed);
    }

    #[test]
    fn a_suite_that_asks_for_too_little_blames_nobody() {
        let allowance = Allowance {
            rate: 20,
            burst: 20,
        };
        let calls = evenly(allowance, Duration::from_millis(200), 20);
        let (reached, time) = (admitted(&calls), end(&calls));
        assert_eq!(allowance.at_least(&calls, reached, time), Finding::Unproven);
        assert_eq!(allowance.at_least(&[], 0, time), Finding::Unproven);
    }

    #[test]
    fn what_is_lost_while_the_suite_stands_still_is_not_the_servers_fault() {
        let allowance = Allowance {
            rate: 20,
            burst: 20,
        };
        let zero = Duration::ZERO;
        // Three seconds without calls in the middle: two of them are lost.
        let arrivals: Vec<_> = (0..400_u32)
            .map(|n| TEN * n + Duration::from_secs(if n < 200 { 0 } else { 3 }))
            .map(|at| (at, zero, zero))
            .collect();
        let calls = calls(allowance, &arrivals);
        let (reached, time) = (admitted(&calls), end(&calls));
        let in_all = allowance.in_all(time) * 0.8;
        assert!((reached as f64) < in_all, "{reached} of {in_all}");
        assert_eq!(allowance.at_least(&calls, reached, time), Finding::Kept);
    }

    fn any_allowance() -> impl Strategy<Value = Allowance> {
        (1_u32..40, 1_u32..30).prop_map(|(rate, burst)| Allowance { rate, burst })
    }

    /// Arrival times in order, each with the time since the request and the time until the answer.
    fn any_arrivals() -> impl Strategy<Value = Vec<(Duration, Duration, Duration)>> {
        let millis = |most: u64| (0..most).prop_map(Duration::from_millis);
        let gap = prop_oneof![8 => millis(60), 1 => millis(2_500)];
        proptest::collection::vec((gap, millis(300), millis(300)), 1..300).prop_map(|gaps| {
            let mut at = Duration::ZERO;
            let arrival = |(gap, before, after)| {
                at += gap;
                (at, before, after)
            };
            gaps.into_iter().map(arrival).collect()
        })
    }

    proptest! {
        #[test]
        fn no_server_without_a_limit_is_said_to_keep_one(
            allowance in any_allowance(),
            offered in 0_usize..2_000,
            time in 0_u64..20_000,
        ) {
            let time = Duration::from_millis(time);
            prop_assert_ne!(allowance.at_most(offered, offered, time), Finding::Kept);
        }

        #[test]
        fn no_server_that_lets_twice_as_much_through_is_said_to_keep_its_limit(
            allowance in any_allowance(),
            offered in 0_usize..2_000,
            time in 0_u64..20_000,
        ) {
            let time = Duration::from_millis(time);
            let twice = (allowance.rate * 2, allowance.burst * 2);
            let twice = Allowance { rate: twice.0, burst: twice.1 };
            let most = (0..offered).take_while(|n| (*n as f64) < twice.in_all(time)).count();
            prop_assert_ne!(allowance.at_most(offered, most, time), Finding::Kept);
        }

        #[test]
        fn no_server_that_keeps_its_limit_is_blamed_whatever_the_times(
            allowance in any_allowance(),
            arrivals in any_arrivals(),
        ) {
            let calls = calls(allowance, &arrivals);
            let (offered, reached, time) = (calls.len(), admitted(&calls), end(&calls));
            prop_assert_ne!(allowance.at_most(offered, reached, time), Finding::Missed);
            prop_assert_ne!(allowance.at_least(&calls, reached, time), Finding::Missed);
            if let Some(granted) = allowance.granted(&calls) {
                prop_assert!(reached as f64 >= granted - 1e-6, "{reached} of {granted}");
            }
        }

        #[test]
        fn what_was_offered_alone_decides_whether_a_limit_that_was_kept_is_proven(
            allowance in any_allowance(),
            arrivals in any_arrivals(),
        ) {
            let calls = calls(allowance, &arrivals);
            let (offered, reached, time) = (calls.len(), admitted(&calls), end(&calls));
            let proven = allowance.at_most(offered, reached, time) == Finding::Kept;
            prop_assert_eq!(proven, allowance.is_pressed(offered, time));
        }
    }
}
