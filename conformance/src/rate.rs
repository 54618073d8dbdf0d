//! Rates: a number of requests a second, and a number at once.

use std::{fmt, num::NonZeroU32};

use serde::{Deserialize, Deserializer, de::Error};

/// A number of requests a second, and a number at once: `"5:10"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second.
    pub per_second: NonZeroU32,
    /// Requests at once.
    pub burst: NonZeroU32,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Counted {
    /// Every message of a client.
    #[default]
    Messages,
    /// Tool calls alone.
    Calls,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.per_second, self.burst)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = text.split_once(':').and_then(|(per_second, burst)| {
            Some(Self {
                per_second: per_second.parse().ok()?,
                burst: burst.parse().ok()?,
            })
        });
        parsed.ok_or_else(|| {
            D::Error::custom(format!(
                "{text:?} is not a valid limit; an example is \"5:10\", which is 5 requests a second and 10 at once"
            ))
        })
    }
}
