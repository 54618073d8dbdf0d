//! One running scenario: who acts, what was said and done, and which secrets exist. It knows no profile.
//!
//! [`agents`] starts and ends servers, [`calls`] makes the tool calls, and [`ledger`] remembers which secret values
//! exist. The [`state`](Scenario::state) is what the steps of a profile keep while the scenario runs, by its type.

pub(crate) mod agents;
pub(crate) mod calls;
mod end;
pub(crate) mod ledger;
mod state;

use std::sync::Arc;

use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};
use sha2::{Digest as _, Sha256};

use self::{agents::Agents, calls::Calls, ledger::Ledger, state::States};
use crate::{
    plan::Planned,
    redact::Secrets,
    slot::Slots,
    target::Target,
    vault::{
        audit::AuditLog,
        cluster::Cluster,
        dedicated::DedicatedVault,
        oracle::{Oracle, SecretData},
    },
    verdict::{StepEnd, StepResult},
};

/// One running scenario.
pub struct Scenario {
    /// The planned scenario.
    pub planned: Arc<Planned>,
    /// The agents, and the servers that they use.
    pub agents: Agents,
    /// The Vault that the scenario has to itself, if it has one.
    pub own: Option<DedicatedVault>,
    /// The cluster of Vaults that the scenario has to itself, if it has one.
    pub(crate) cluster: Option<Cluster>,
    /// The audit log of the run's Vault.
    pub audit: Option<AuditLog>,
    pub(crate) target: Arc<Target>,
    /// The source of servers.
    pub(crate) slots: Arc<Slots>,
    pub(crate) oracle: Arc<Oracle>,
    pub(crate) random: StdRng,
    /// The prefix of all names of this scenario in Vault; empty in a Vault of its own.
    pub prefix: String,
    /// The mount that the scenario made last.
    pub(crate) mount: Option<String>,
    /// What the scenario calls the only KV mount on which the target works, once it has made it.
    pub(crate) fixed_mount: Option<String>,
    pub(crate) ledger: Ledger,
    pub(crate) calls: Calls,
    /// What the steps of the profiles keep.
    states: States,
}

impl Scenario {
    /// A scenario in which no agent acts yet.
    #[must_use]
    pub fn new(
        planned: Arc<Planned>,
        target: Arc<Target>,
        slots: Arc<Slots>,
        oracle: Arc<Oracle>,
        seed: u64,
    ) -> Self {
        let mut scenario = Self::empty(planned, target, slots, oracle, seed);
        let number = scenario.random.next_u32();
        scenario.prefix = format!("{}{number:08x}-", scenario.oracle.prefix());
        scenario
    }

    /// A scenario in a Vault of its own, in which no agent acts yet.
    #[must_use]
    pub fn new_on_own(
        planned: Arc<Planned>,
        vault: DedicatedVault,
        target: Arc<Target>,
        slots: Arc<Slots>,
        seed: u64,
    ) -> Self {
        let oracle = Arc::clone(&vault.oracle);
        let mut scenario = Self::empty(planned, target, slots, oracle, seed);
        scenario.own = Some(vault);
        scenario
    }

    /// Moves a scenario in which no agent acts yet to a cluster of its own.
    ///
    /// # Errors
    /// Blocked if the suite cannot send requests to it.
    pub(crate) fn use_cluster(&mut self, cluster: Cluster) -> StepResult {
        self.oracle = Arc::new(self.oracle_of(&cluster)?);
        self.cluster = Some(cluster);
        Ok(())
    }

    /// The suite's access to the active node of a cluster.
    ///
    /// # Errors
    /// Blocked if the suite cannot send requests to it.
    pub(crate) fn oracle_of(&self, cluster: &Cluster) -> StepResult<Oracle> {
        let prefix = self.oracle.prefix();
        let oracle = Oracle::new(cluster.active(), cluster.root_token(), prefix);
        oracle.map_err(StepEnd::blocked)
    }

    fn empty(
        planned: Arc<Planned>,
        target: Arc<Target>,
        slots: Arc<Slots>,
        oracle: Arc<Oracle>,
        seed: u64,
    ) -> Self {
        let digest = Sha256::digest(format!("{seed} {}", planned.key));
        Self {
            planned,
            agents: Agents::default(),
            own: None,
            cluster: None,
            audit: None,
            target,
            slots,
            oracle,
            random: StdRng::from_seed(digest.into()),
            prefix: String::new(),
            mount: None,
            fixed_mount: None,
            ledger: Ledger::default(),
            calls: Calls::default(),
            states: States::default(),
        }
    }

    /// What the steps of a profile keep in this type; initially its default value.
    #[must_use]
    pub fn state<T: Default + Send + Sync + 'static>(&self) -> &T {
        self.states.get()
    }

    /// Like [`Scenario::state`], but mutable.
    pub fn state_mut<T: Default + Send + Sync + 'static>(&mut self) -> &mut T {
        self.states.get_mut()
    }

    /// The name in Vault of what the scenario calls `name`.
    #[must_use]
    pub fn path_of(&self, name: &str) -> String {
        match (&self.target.adapter.mount, &self.fixed_mount) {
            // A name can also be of something below the mount.
            (Some(path), Some(fixed)) if is_at_or_below(name, fixed) => {
                format!("{path}{}", &name[fixed.len()..])
            }
            _ => format!("{}{name}", self.prefix),
        }
    }

    /// What the scenario calls the object with this name in Vault.
    pub(crate) fn name_of<'p>(&'p self, path: &'p str) -> &'p str {
        match (&self.target.adapter.mount, &self.fixed_mount) {
            (Some(mount), Some(fixed)) if mount == path => fixed,
            _ => path.strip_prefix(&self.prefix).unwrap_or(path),
        }
    }

    /// The mount that the scenario made last.
    ///
    /// # Errors
    /// If the scenario has made none.
    pub fn mount(&self) -> StepResult<&str> {
        let missing = || StepEnd::blocked("the scenario gave no mount");
        self.mount.as_deref().ok_or_else(missing)
    }

    /// The expected contents of a secret.
    ///
    /// # Errors
    /// If the scenario has made no secret with this path.
    pub(crate) fn held(&self, path: &str) -> StepResult<&SecretData> {
        let missing = || StepEnd::blocked(format!("the scenario made no secret {path:?}"));
        self.ledger.holds.get(path).ok_or_else(missing)
    }

    /// A new random value that is unique in this run.
    pub fn canary(&mut self, label: &str, known_to_agent: bool) -> String {
        const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzACDEFGHJKLMNPQRTUVWXY34679";
        let letters = std::iter::repeat_with(|| {
            let index = self.random.random_range(0..LETTERS.len());
            char::from(LETTERS[index])
        });
        let value: String = letters.take(24).collect();
        self.ledger.remember(label, &value, known_to_agent);
        value
    }

    /// A failure of the target, with secrets redacted.
    #[must_use]
    pub fn failed(&self, expected: impl Into<String>, actual: &str) -> StepEnd {
        StepEnd::failed(expected, self.secrets().redact(actual))
    }

    /// All values that must never be written out.
    #[must_use]
    pub fn secrets(&self) -> Secrets {
        let mut secrets = self.ledger.all();
        secrets.extend(self.agents.tokens());
        secrets.extend(self.agents.credentials());
        secrets
    }
}

/// Whether a path is this one, or lies below it.
fn is_at_or_below(path: &str, other: &str) -> bool {
    path.strip_prefix(other)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
