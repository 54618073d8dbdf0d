//! The two transports of the protocol, and the revisions of it that the suite speaks.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A transport: how messages reach the target.
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
    /// Both transports, in the order in which they are tested.
    pub const ALL: [Self; 2] = [Self::Stdio, Self::Http];

    /// The transport with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The name in keys, reports and adapters.
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

/// How a client and a server begin. The protocol has changed this once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Era {
    /// With `initialize`, which begins a session.
    Session,
    /// Without a session: each request contains all that is needed to answer it.
    Stateless,
}

impl Era {
    /// The era with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "session" => Some(Self::Session),
            "stateless" => Some(Self::Stateless),
            _ => None,
        }
    }
}

/// A revision of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub enum Revision {
    /// 2025-06-18
    #[value(name = "2025-06-18")]
    R2025_06_18,
    /// 2025-11-25
    #[value(name = "2025-11-25")]
    R2025_11_25,
    /// 2026-07-28
    #[value(name = "2026-07-28")]
    R2026_07_28,
}

impl Revision {
    /// All revisions that the suite speaks, the oldest first.
    pub const ALL: [Self; 3] = [Self::R2025_06_18, Self::R2025_11_25, Self::R2026_07_28];

    /// The newest revision of the era with sessions. A server that speaks several is tested in this one, except for
    /// what may differ between revisions.
    pub const NEWEST_OF_SESSIONS: Self = Self::R2025_11_25;

    /// The revision with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|revision| revision.name() == name)
    }

    /// The date that names the revision in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::R2025_06_18 => "2025-06-18",
            Self::R2025_11_25 => "2025-11-25",
            Self::R2026_07_28 => "2026-07-28",
        }
    }

    /// How client and server begin in this revision.
    #[must_use]
    pub const fn era(self) -> Era {
        match self {
            Self::R2025_06_18 | Self::R2025_11_25 => Era::Session,
            Self::R2026_07_28 => Era::Stateless,
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
