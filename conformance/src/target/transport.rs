//! The two transports of the protocol, and the revisions of it that the suite speaks.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How messages reach the target.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum TransportKind {
    /// Standard input and output of a process that the suite starts.
    Stdio,
    /// Streamable HTTP.
    Http,
}

impl TransportKind {
    /// Both, in the order in which they are judged.
    pub const ALL: [Self; 2] = [Self::Stdio, Self::Http];

    /// The transport of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Its name in keys, reports and adapters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Http => "http",
        }
    }
}

impl fmt::Display for TransportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A revision of the protocol, of the era that begins with `initialize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub enum Revision {
    /// 2025-06-18
    #[value(name = "2025-06-18")]
    R2025_06_18,
    /// 2025-11-25
    #[value(name = "2025-11-25")]
    R2025_11_25,
}

impl Revision {
    /// The newest revision that the suite speaks.
    pub const NEWEST: Self = Self::R2025_11_25;

    /// The revision of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::R2025_06_18, Self::R2025_11_25]
            .into_iter()
            .find(|revision| revision.name() == name)
    }

    /// The date that names it on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::R2025_06_18 => "2025-06-18",
            Self::R2025_11_25 => "2025-11-25",
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
