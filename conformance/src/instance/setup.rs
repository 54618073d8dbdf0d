//! How a target is set up for a scenario.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use super::token_file::TokenFileState;
use crate::{adapter::launch::Mode, tap::tls::TlsIdentity, vault::token_form::TokenForm};

/// How a target is set up for a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// The modes in which it is started.
    pub modes: BTreeSet<Mode>,
    /// The values of the placeholders of these modes, by name.
    pub values: BTreeMap<&'static str, String>,
    /// The CA that the suite trusts for connections to the target, in PEM.
    pub trusted_ca: Option<String>,
    /// The state of its token file, if its adapter or a mode uses one.
    pub token_file: TokenFileState,
    /// The TTL of its token if it is not renewed; by default longer than a run.
    pub token_ttl: Option<Duration>,
    /// The form of its token.
    pub token_form: TokenForm,
    /// The certificate that Vault presents to the target; without it, the connection does not use TLS.
    pub front: Option<TlsIdentity>,
}

impl Setup {
    /// A target in one mode.
    #[must_use]
    pub fn of(mode: Mode) -> Self {
        Self::default().and(mode)
    }

    /// Adds a mode.
    #[must_use]
    pub fn and(mut self, mode: Mode) -> Self {
        self.modes.insert(mode);
        self
    }

    /// Sets the value of a placeholder.
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
            [] => f.write_str("without a mode"),
            [one] => write!(f, "in the mode {one}"),
            several => write!(f, "in the modes {}", several.join(" and ")),
        }
    }
}
