//! Vaults that one scenario has to itself, because the published workflows use the original names `secret/` and `pki/`.
//! Each is started like the run's own Vault, and leased to one scenario after the other. After each, it is reset to the
//! state of a new one; if that fails, it is ended. All are listed here until they are gone, so that any end of a run
//! ends them.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    audit::AuditLog,
    cluster::{Cluster, ClusterError},
    health::HealthMonitor,
    inventory::Inventory,
    oracle::Oracle,
    provider::{Another, Vault},
};

/// The maximum number at the same time. Each takes some 100 MB.
pub const AT_ONCE: usize = 2;

/// All such Vaults of a run.
#[derive(Debug)]
pub struct DedicatedVaults {
    another: Option<Another>,
    places: Arc<Semaphore>,
    leased: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Reset Vaults, for the next scenario.
    idle: Vec<Running>,
    /// Leased Vaults, by the number of the lease.
    leased: HashMap<usize, (Running, OwnedSemaphorePermit)>,
}

/// A running Vault.
#[derive(Debug)]
struct Running {
    vault: Vault,
    oracle: Arc<Oracle>,
    at_first: Inventory,
}

/// A Vault that is leased to a scenario.
#[derive(Debug)]
pub struct DedicatedVault {
    /// The suite's privileged access to it.
    pub oracle: Arc<Oracle>,
    /// Its audit log.
    pub audit: Option<AuditLog>,
    /// The position in the audit log at which the lease began.
    pub leased_at: u64,
    /// Monitors whether it still answers.
    pub pulse: HealthMonitor,
    number: usize,
}

impl DedicatedVaults {
    /// Vaults that are started like this one.
    #[must_use]
    pub fn like(vault: &Vault) -> Self {
        Self {
            another: vault.another(),
            places: Arc::new(Semaphore::new(AT_ONCE)),
            leased: AtomicUsize::new(0),
            state: Mutex::default(),
        }
    }

    /// Leases a new or reset Vault, once fewer than the maximum are leased.
    ///
    /// # Errors
    /// If it does not start, or the run's Vault is an external one.
    pub async fn lease(&self) -> Result<DedicatedVault, String> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|error| error.to_string())?;
        let idle = self.state.lock().idle.pop();
        let running = match idle {
            Some(running) => running,
            None => self.start().await?,
        };
        let audit = running.vault.audit();
        let number = self.leased.fetch_add(1, Ordering::Relaxed);
        let own = DedicatedVault {
            oracle: Arc::clone(&running.oracle),
            leased_at: audit.map_or(0, AuditLog::next_sequence),
            audit: audit.cloned(),
            pulse: running.vault.pulse(),
            number,
        };
        self.state.lock().leased.insert(number, (running, place));
        Ok(own)
    }

    async fn start(&self) -> Result<Running, String> {
        let another = self
            .another
            .as_ref()
            .ok_or("the suite cannot start another Vault like an external one")?;
        let vault = another.start().await.map_err(|error| error.to_string())?;
        let oracle = Oracle::new(vault.endpoint(), vault.root_token(), vault.prefix());
        let oracle = oracle.map_err(|error| error.to_string())?;
        let at_first = oracle.inventory().await;
        Ok(Running {
            vault,
            oracle: Arc::new(oracle),
            at_first: at_first.map_err(|error| error.to_string())?,
        })
    }

    /// Starts a cluster of Vaults like these; `None` if the run's Vault is no process.
    ///
    /// # Errors
    /// [`ClusterError`]
    pub async fn cluster(&self) -> Result<Option<Cluster>, ClusterError> {
        match self.another.as_ref().and_then(Another::program) {
            Some(program) => Cluster::start(program).await.map(Some),
            None => Ok(None),
        }
    }

    /// Returns a Vault, which is then reset or ended.
    ///
    /// # Errors
    /// If something may be left behind.
    pub async fn give_back(&self, own: DedicatedVault) -> Result<(), String> {
        let Some((running, place)) = self.state.lock().leased.remove(&own.number) else {
            return Ok(());
        };
        let as_new = running.oracle.reset(&running.at_first).await;
        let settled = match &own.audit {
            Some(audit) => audit.settle().await.is_ok(),
            None => true,
        };
        let stopped = match as_new {
            Ok(true) if settled => {
                self.state.lock().idle.push(running);
                Ok(())
            }
            _ => stop(running).await,
        };
        drop(place);
        stopped
    }

    /// Ends all of them; returns what may be left behind.
    pub async fn close(&self) -> Vec<String> {
        let state = std::mem::take(&mut *self.state.lock());
        let leased = state.leased.into_values().map(|(running, _)| running);
        let all = state.idle.into_iter().chain(leased);
        let ended = futures::future::join_all(all.map(stop)).await;
        ended.into_iter().filter_map(Result::err).collect()
    }
}

async fn stop(running: Running) -> Result<(), String> {
    let stopped = running.vault.stop().await;
    stopped.map_err(|error| error.to_string())
}
