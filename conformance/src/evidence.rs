//! What a requirement can be checked by, besides the server's own answers.

/// What a requirement can be checked by, besides Vault's API and the target's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// The requests between target and Vault.
    Tap,
    /// Vault's audit log.
    Audit,
    /// The suite started the target, and so has its process, its token and that token's policy.
    Launch,
    /// A new Vault that only this scenario uses.
    DedicatedVault,
    /// A new cluster of Vaults that only this scenario uses.
    Cluster,
    /// What a page in a real browser sees.
    Browser,
}

impl Evidence {
    /// All kinds of evidence.
    pub const ALL: [Self; 6] = [
        Self::Tap,
        Self::Audit,
        Self::Launch,
        Self::DedicatedVault,
        Self::Cluster,
        Self::Browser,
    ];

    /// The name in tags.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tap => "tap",
            Self::Audit => "audit",
            Self::Launch => "launch",
            Self::DedicatedVault => "own-vault",
            Self::Cluster => "cluster",
            Self::Browser => "browser",
        }
    }

    /// Why it is missing, for a report that a scenario does not apply.
    #[must_use]
    pub const fn missing(self) -> &'static str {
        match self {
            Self::Tap => "the server's requests to Vault do not pass the suite",
            Self::Audit => "Vault's audit log does not show which requests are the server's",
            Self::Launch => {
                "the suite did not start the server, and has neither its process nor its token"
            }
            Self::DedicatedVault => {
                "own-vault: the suite did not start this Vault, so it cannot start another one for a scenario"
            }
            Self::Cluster => {
                "cluster: the suite does not run this Vault as a process, so it has no program to start a cluster with; --vault binary and --vault build have one"
            }
            Self::Browser => {
                "there is no browser on this machine: install chromium, or name one in VAULT_MCP_CONFORMANCE_BROWSER"
            }
        }
    }

    /// The evidence with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|evidence| evidence.name() == name)
    }
}
