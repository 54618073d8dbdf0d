//! How a target is set up for a scenario.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use super::token_file::TokenFileState;
use crate::{adapter::launch::Mode, tap::tls::TlsIdentity};

/// How a target is set up, besides the plain way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// The modes that it is started in.
    pub modes: BTreeSet<Mode>,
    /// What the placeholders of these modes stand for, by name.
    pub values: BTreeMap<&'static str, String>,
    /// The certificate authority that the suite trusts when it speaks to the target, PEM.
    pub trusted_ca: Option<String>,
    /// What its token file is like, where its adapter or a mode names one.
    pub token_file: TokenFileState,
    /// How long its token lives unless it is renewed; without it, longer than a run.
    pub token_ttl: Option<Duration>,
    /// The certificate that Vault shows it; without one Vault speaks no TLS.
    pub front: Option<TlsIdentity>,
}

impl Setup {
    /// A target in one mode.
    #[must_use]
    pub fn of(mode: Mode) -> Self {
        Self::default().and(mode)
    }

    /// In a further mode.
    #[must_use]
    pub fn and(mut self, mode: Mode) -> Self {
        self.modes.insert(mode);
        self
    }

    /// With a value for a placeholder.
    #[must_use]
    pub fn with(mut self, placeholder: &'static str, value: impl Into<String>) -> Self {
        self.values.insert(placeholder, value.into());
        self
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.modes.iter().map(|mode| mode.name()).collect();
        match names.as_slice() {
            [] => f.write_str("as it is"),
            [one] => write!(f, "in the mode {one}"),
            several => write!(f, "in the modes {}", several.join(" and ")),
        }
    }
}
