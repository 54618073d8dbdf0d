//! Durations as Vault writes and reads them.

use std::time::Duration;

/// Parses a duration in Vault's format: `72h`, `1h30m`, `45s`, days alone (`30d`), or plain seconds (`3600`). Returns
/// `None` for any other text, including fractions and milliseconds.
/// [Source](https://developer.hashicorp.com/vault/docs/concepts/duration-format).
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    if let Some(days) = text.strip_suffix('d') {
        return seconds(days, 24 * 60 * 60);
    }
    if !text.ends_with(['h', 'm', 's']) {
        return seconds(text, 1);
    }
    text.split_inclusive(['h', 'm', 's'])
        .try_fold(Duration::ZERO, |sum, part| {
            let unit = part.chars().next_back()?;
            let each = match unit {
                'h' => 60 * 60,
                'm' => 60,
                _ => 1,
            };
            sum.checked_add(seconds(part.trim_end_matches(unit), each)?)
        })
}

fn seconds(digits: &str, each: u64) -> Option<Duration> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = plain.then(|| digits.parse().ok())??;
    number.checked_mul(each).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::duration;

    #[test]
    fn a_number_without_a_unit_is_in_seconds() {
        assert_eq!(duration("3600"), Some(Duration::from_secs(3600)));
    }

    #[test]
    fn days_stand_alone() {
        assert_eq!(duration("30d"), Some(Duration::from_secs(2_592_000)));
        assert_eq!(duration("1d12h"), None);
    }

    #[test]
    fn what_is_no_duration_is_none() {
        for text in [
            "",
            "h",
            "-5s",
            "+5",
            "1.5h",
            "5 s",
            "1hm",
            "72hh",
            "ten",
            "99999999999999999h",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn hours_minutes_and_seconds_add_up(h in 0..9000_u64, m in 0..900_u64, s in 0..9000_u64) {
            let sum = Some(Duration::from_secs(h * 3600 + m * 60 + s));
            prop_assert_eq!(duration(&format!("{h}h{m}m{s}s")), sum);
            prop_assert_eq!(duration(&format!("{}", h * 3600 + m * 60 + s)), sum);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "([0-9hmsd.]|\\PC){0,24}") {
            let _ = duration(&text);
        }
    }
}
