//! Lifetimes in Vault's syntax.

use thiserror::Error;

const NANOS_A_SECOND: u128 = 1_000_000_000;
/// Vault counts nanoseconds in 64 bits: about 292 years.
const MAX_NANOS: u128 = i64::MAX as u128;
/// Units of Go's durations, and the day that Vault adds, in nanoseconds.
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", NANOS_A_SECOND),
    ("m", 60 * NANOS_A_SECOND),
    ("h", 3600 * NANOS_A_SECOND),
];

/// Why a text is not a lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TtlError {
    /// An unknown unit or another form.
    #[error(
        "is not a duration: write such as `72h`, `90m`, `1h30m`, `30d`, or seconds such as `3600`"
    )]
    Form,
    /// Less than a second, which Vault would replace with its default, or negative.
    #[error("has to be a second or more; leave it out for Vault's default")]
    TooShort,
    /// More than Vault can count.
    #[error("is longer than Vault can count, which is 292 years")]
    TooLong,
}

/// A lifetime of a second or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ttl {
    text: String,
    seconds: u64,
}

impl Ttl {
    /// Parses a duration as Vault does: Go's syntax such as `1h30m` or `1.5h`, whole days such as `30d`, or seconds.
    /// Fractions of a second are dropped.
    ///
    /// # Errors
    /// [`TtlError`] if the text is invalid.
    pub fn parse(text: &str) -> Result<Self, TtlError> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let nanos = match unsigned.strip_suffix('d') {
            Some(days) => whole(days)?.checked_mul(24 * 3600 * NANOS_A_SECOND),
            None if unsigned.bytes().all(|it| it.is_ascii_digit()) => {
                whole(unsigned)?.checked_mul(NANOS_A_SECOND)
            }
            None => go_duration(unsigned)?,
        };
        let nanos = nanos
            .filter(|nanos| *nanos <= MAX_NANOS)
            .ok_or(TtlError::TooLong)?;
        let seconds = u64::try_from(nanos / NANOS_A_SECOND).map_err(|_| TtlError::TooLong)?;
        if seconds == 0 || text.starts_with('-') {
            return Err(TtlError::TooShort);
        }
        Ok(Self {
            text: text.to_owned(),
            seconds,
        })
    }

    /// The original text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The lifetime in seconds, at least 1.
    pub fn seconds(&self) -> u64 {
        self.seconds
    }

    /// In a form that every endpoint of Vault accepts, regardless of the original form.
    pub fn for_vault(&self) -> String {
        format!("{}s", self.seconds)
    }
}

fn whole(digits: &str) -> Result<u128, TtlError> {
    if digits.is_empty() || !digits.bytes().all(|it| it.is_ascii_digit()) {
        return Err(TtlError::Form);
    }
    digits.parse().map_err(|_| TtlError::TooLong)
}

/// A sequence of numbers with units; `None` if it overflows.
fn go_duration(mut rest: &str) -> Result<Option<u128>, TtlError> {
    let mut sum = Some(0_u128);
    while !rest.is_empty() {
        let number_end = rest
            .find(|it: char| !it.is_ascii_digit() && it != '.')
            .ok_or(TtlError::Form)?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after
            .find(|it: char| it.is_ascii_digit() || it == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let (_, nanos) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or(TtlError::Form)?;
        let (integer, fraction) = number.split_once('.').unwrap_or((number, ""));
        if integer.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return Err(TtlError::Form);
        }
        let part = match integer {
            "" => Some(0),
            integer => whole(integer)?.checked_mul(*nanos),
        };
        // Digits after the 18th are less than a nanosecond in every unit; Vault drops them, too.
        let fraction = &fraction[..fraction.len().min(18)];
        let fraction = match fraction {
            "" => 0,
            digits => {
                whole(digits)? * nanos
                    / 10_u128.pow(u32::try_from(digits.len()).map_err(|_| TtlError::Form)?)
            }
        };
        sum = sum.and_then(|sum| sum.checked_add(part?)?.checked_add(fraction));
        rest = after;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(text: &str) -> Result<u64, TtlError> {
        Ttl::parse(text).map(|ttl| ttl.seconds())
    }

    #[test]
    fn what_vault_takes_is_taken() {
        for (text, expected) in [
            ("72h", 259_200),
            ("87600h", 315_360_000),
            ("90m", 5_400),
            ("1h30m", 5_400),
            ("1.5h", 5_400),
            (".5h", 1_800),
            ("30d", 2_592_000),
            ("3600", 3_600),
            ("+3600", 3_600),
            ("1s", 1),
            ("1500ms", 1),
            ("1h0m0s", 3_600),
            ("2562047h", 9_223_369_200),
        ] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_its_reason() {
        for (text, expected) in [
            ("", TtlError::Form),
            ("1y", TtlError::Form),
            ("1w", TtlError::Form),
            ("abc", TtlError::Form),
            ("h", TtlError::Form),
            ("1 h", TtlError::Form),
            ("1h ", TtlError::Form),
            ("1h30", TtlError::Form),
            ("1d12h", TtlError::Form),
            ("1.5d", TtlError::Form),
            ("1..5h", TtlError::Form),
            (".h", TtlError::Form),
            ("1H", TtlError::Form),
            ("--1h", TtlError::Form),
            ("d", TtlError::Form),
            ("-", TtlError::Form),
            ("1e3", TtlError::Form),
            ("-1h", TtlError::TooShort),
            ("-1", TtlError::TooShort),
            ("0", TtlError::TooShort),
            ("0s", TtlError::TooShort),
            ("999ms", TtlError::TooShort),
            ("2562048h", TtlError::TooLong),
            (
                "9999999999999999999999999999999999999999h",
                TtlError::TooLong,
            ),
            ("99999999999999999999", TtlError::TooLong),
        ] {
            assert_eq!(seconds(text), Err(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*", digits in "[0-9.]{0,40}[hmsdnuµ]{0,2}") {
            let _ = (Ttl::parse(&text), Ttl::parse(&digits));
        }

        #[test]
        fn sums_are_sums(hours in 0_u64..1000, minutes in 0_u64..1000, rest in 1_u64..1000) {
            let text = format!("{hours}h{minutes}m{rest}s");
            prop_assert_eq!(seconds(&text), Ok(hours * 3600 + minutes * 60 + rest));
        }

        #[test]
        fn what_goes_to_vault_is_the_same_lifetime(seconds in 1_u64..9_000_000_000) {
            let ttl = Ttl::parse(&seconds.to_string()).unwrap();
            prop_assert_eq!(Ttl::parse(&ttl.for_vault()).unwrap().seconds(), seconds);
        }
    }
}
