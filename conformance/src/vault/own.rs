//! Vaults that one scenario has to itself: the sources' stories name `secret/` and `pki/`, and there they are
//! called so. Each is new, started like the run's own Vault, and known here until it is gone, so that the end
//! of a run, however it comes, ends all of them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    audit::AuditLog,
    oracle::Oracle,
    provider::{Another, Vault},
    pulse::Pulse,
};

/// How many there are at once. Each takes some 100 MB.
pub const AT_ONCE: usize = 2;

/// All of a run.
#[derive(Debug)]
pub struct OwnVaults {
    another: Option<Another>,
    places: Arc<Semaphore>,
    started: AtomicUsize,
    running: Mutex<HashMap<usize, Running>>,
}

/// One that runs; it gives its place back only when it is gone.
#[derive(Debug)]
struct Running {
    vault: Vault,
    _place: OwnedSemaphorePermit,
}

/// One that is leased to a scenario.
#[derive(Debug)]
pub struct OwnVault {
    /// The privileged view of it.
    pub oracle: Arc<Oracle>,
    /// What it says it was asked.
    pub audit: Option<AuditLog>,
    /// Whether it is still there.
    pub pulse: Pulse,
    number: usize,
}

impl OwnVaults {
    /// Vaults like this one.
    #[must_use]
    pub fn like(vault: &Vault) -> Self {
        Self {
            another: vault.another(),
            places: Arc::new(Semaphore::new(AT_ONCE)),
            started: AtomicUsize::new(0),
            running: Mutex::default(),
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<usize, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new Vault, once there are not too many.
    ///
    /// # Errors
    /// When it does not start, or the run's is somebody else's.
    pub async fn lease(&self) -> Result<OwnVault, String> {
        let another = self
            .another
            .as_ref()
            .ok_or("there is no starting another Vault like one that somebody else runs")?;
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|error| error.to_string())?;
        let vault = another.start().await.map_err(|error| error.to_string())?;
        let oracle = Oracle::new(vault.endpoint(), vault.root_token(), vault.prefix());
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let own = OwnVault {
            oracle: Arc::new(oracle.map_err(|error| error.to_string())?),
            audit: vault.audit().cloned(),
            pulse: vault.pulse(),
            number,
        };
        let running = Running {
            vault,
            _place: place,
        };
        self.running().insert(number, running);
        Ok(own)
    }

    /// Ends one, with all that is in it.
    ///
    /// # Errors
    /// When something of it may be left behind.
    pub async fn end(&self, own: OwnVault) -> Result<(), String> {
        let running = self.running().remove(&own.number);
        match running {
            Some(running) => stop(running).await,
            None => Ok(()),
        }
    }

    /// Ends those whose scenarios were given up; returns what may be left behind.
    pub async fn close(&self) -> Vec<String> {
        let running: Vec<_> = self.running().drain().map(|(_, running)| running).collect();
        let ended = futures::future::join_all(running.into_iter().map(stop)).await;
        ended.into_iter().filter_map(Result::err).collect()
    }
}

async fn stop(running: Running) -> Result<(), String> {
    let stopped = running.vault.stop().await;
    stopped.map_err(|error| error.to_string())
}
