//! Rate limits for tool calls: one for each client, and one for all clients together.
//!
//! A client is a session. In the era without sessions it is a credential, and over stdio it is the process. A call
//! that exceeds its client's limit does not count against the global limit, so a greedy client cannot use up the
//! global limit. A client that opens new sessions is bounded by the global limit.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use thiserror::Error;

/// Calls a second, and calls at once: `5:10`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// From [`Self::SLOWEST`] to [`Self::FASTEST`].
    per_second: f64,
    /// Up to [`Self::MOST_AT_ONCE`].
    at_once: NonZeroU32,
}

/// A text that is not a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "`5:10` lets 5 calls a second through, and 10 at once; the first number is from 0.001 to 1000000, the second from \
     1 to 1000000"
)]
pub struct RateError;

impl Rate {
    const SLOWEST: f64 = 0.001;
    const FASTEST: f64 = 1e6;
    const MOST_AT_ONCE: u32 = 1_000_000;

    /// Creates a rate within the bounds.
    ///
    /// # Errors
    /// [`RateError`] if it is out of bounds.
    pub fn new(per_second: f64, at_once: u32) -> Result<Self, RateError> {
        let within =
            (Self::SLOWEST..=Self::FASTEST).contains(&per_second) && at_once <= Self::MOST_AT_ONCE;
        let at_once = NonZeroU32::new(at_once).filter(|_| within);
        let at_once = at_once.ok_or(RateError)?;
        Ok(Self {
            per_second,
            at_once,
        })
    }

    fn bucket(self) -> Bucket {
        // Within the bounds this is between a microsecond and a quarter of an hour.
        let interval = Duration::from_secs_f64(self.per_second.recip());
        let quota = Quota::with_period(interval).unwrap_or(Quota::per_second(NonZeroU32::MIN));
        Bucket(RateLimiter::direct(quota.allow_burst(self.at_once)))
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (per_second, at_once) = text.split_once(':').ok_or(RateError)?;
        // Rust would also parse `1e3`, `+5` and `infinity`.
        let plain = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
        };
        if !plain(per_second) || !plain(at_once) {
            return Err(RateError);
        }
        Self::new(
            per_second.parse().map_err(|_| RateError)?,
            at_once.parse().map_err(|_| RateError)?,
        )
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.per_second, self.at_once)
    }
}

/// The configured limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// For each client.
    pub session: Rate,
    /// For all of them together.
    pub global: Rate,
}

/// The state of one limit. Its size does not depend on the number of calls.
pub struct Bucket(DefaultDirectRateLimiter);

impl Bucket {
    fn take(&self, limit: Limit, rate: Rate) -> Result<(), Exceeded> {
        self.0.check().map_err(|refusal| Exceeded {
            limit,
            rate,
            retry_after: refusal.wait_time_from(DefaultClock::default().now()),
        })
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").finish_non_exhaustive()
    }
}

/// Which limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The limit of one client.
    Session,
    /// The global limit.
    Global,
}

/// A call that exceeds a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exceeded {
    /// The kind of the limit.
    pub limit: Limit,
    /// The limit.
    pub rate: Rate,
    /// After this time the next call is allowed, unless other calls come first.
    pub retry_after: Duration,
}

/// The limits of one server.
#[derive(Debug)]
pub struct Limits {
    rates: Rates,
    global: Bucket,
}

impl Limits {
    /// Unused limits.
    pub fn new(rates: Rates) -> Self {
        Self {
            rates,
            global: rates.global.bucket(),
        }
    }

    /// The limit of a new client.
    pub fn client(&self) -> Bucket {
        self.rates.session.bucket()
    }

    /// Counts a call of this client.
    ///
    /// # Errors
    /// [`Exceeded`] if the call must not be executed.
    pub fn admit(&self, client: &Bucket) -> Result<(), Exceeded> {
        client.take(Limit::Session, self.rates.session)?;
        self.global.take(Limit::Global, self.rates.global)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    /// So slow that no call becomes available while a test runs.
    fn slow(at_once: u32) -> Rate {
        Rate::new(Rate::SLOWEST, at_once).unwrap()
    }

    fn limits(session: u32, global: u32) -> Limits {
        Limits::new(Rates {
            session: slow(session),
            global: slow(global),
        })
    }

    fn admitted(limits: &Limits, client: &Bucket, calls: u32) -> usize {
        (0..calls).filter(|_| limits.admit(client).is_ok()).count()
    }

    #[test]
    fn a_client_is_let_through_as_often_at_once_as_its_limit_says() {
        let limits = limits(3, 100);
        let (one, other) = (limits.client(), limits.client());
        assert_eq!(admitted(&limits, &one, 10), 3);
        let exceeded = limits.admit(&one).unwrap_err();
        assert_eq!(exceeded.limit, Limit::Session);
        assert_eq!(exceeded.rate.to_string(), "0.001:3");
        assert!((990..=1000).contains(&exceeded.retry_after.as_secs()));
        assert_eq!(admitted(&limits, &other, 10), 3);
    }

    #[test]
    fn new_clients_do_not_evade_the_limit_of_all() {
        let limits = limits(3, 10);
        let calls = (0..100).map(|_| limits.admit(&limits.client()));
        let (admitted, refused): (Vec<_>, Vec<_>) = calls.partition(Result::is_ok);
        assert_eq!(admitted.len(), 10);
        assert!(
            refused
                .iter()
                .all(|refused| refused.unwrap_err().limit == Limit::Global)
        );
    }

    #[test]
    fn what_a_greedy_client_is_refused_costs_the_others_nothing() {
        let limits = limits(5, 10);
        assert_eq!(admitted(&limits, &limits.client(), 1000), 5);
        assert_eq!(admitted(&limits, &limits.client(), 1000), 5);
    }

    #[test]
    fn what_is_used_up_comes_back() {
        let rate = Rate::new(1000.0, 1).unwrap();
        let limits = Limits::new(Rates {
            session: rate,
            global: rate,
        });
        let client = limits.client();
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut admitted = 0;
        while admitted < 3 {
            assert!(Instant::now() < deadline, "{admitted} of 3 came through");
            admitted += usize::from(limits.admit(&client).is_ok());
            std::thread::yield_now();
        }
    }

    #[test]
    fn nonsense_is_no_rate() {
        for text in [
            "",
            ":",
            "5",
            "5:",
            ":10",
            "5:10:15",
            "0:10",
            "5:0",
            "-5:10",
            "5:-10",
            "5:1.5",
            "five:ten",
            "5 : 10",
            "5:10 ",
            "nan:10",
            "infinity:10",
            "1e3:10",
            "+5:10",
            "0.0001:1",
            "1000001:1",
            "1:1000001",
            "5,10",
            ".:1",
            "1.2.3:4",
            "4294967296:4294967296",
        ] {
            assert_eq!(text.parse::<Rate>(), Err(RateError), "{text:?}");
        }
    }

    #[test]
    fn the_bounds_of_a_rate_can_be_used() {
        for text in [
            "0.001:1",
            "0.001:1000000",
            "1000000:1",
            "1000000:1000000",
            "0.5:5",
            "5:10",
        ] {
            let rate: Rate = text.parse().unwrap();
            assert!(rate.bucket().0.check().is_ok(), "{text}");
            assert_eq!(rate.to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn a_rate_within_the_bounds_is_read_as_it_is_written(
            thousandths in 1_u32..=1_000_000_000,
            at_once in 1..=Rate::MOST_AT_ONCE,
        ) {
            let rate = Rate::new(f64::from(thousandths) / 1000.0, at_once).unwrap();
            prop_assert_eq!(rate.to_string().parse(), Ok(rate));
        }

        #[test]
        fn no_text_is_a_rate_beyond_the_bounds(text in "[0-9.:e+-]{0,12}|\\PC{0,20}") {
            if let Ok(rate) = text.parse::<Rate>() {
                prop_assert!((Rate::SLOWEST..=Rate::FASTEST).contains(&rate.per_second));
                prop_assert!(rate.at_once.get() <= Rate::MOST_AT_ONCE);
                prop_assert!(rate.bucket().0.check().is_ok());
            }
        }
    }
}
