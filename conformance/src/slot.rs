//! Slots: what one running scenario needs, leased to it alone.
//!
//! A slot has a token and a policy of its own, a tap, and a running target. It is reused by
//! one scenario after the other, since a target may take seconds to start; the policy's text
//! and the mounts are new for each.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use secrecy::SecretString;
use tokio::sync::{Mutex as Turn, OnceCell, OwnedMutexGuard};

use crate::{
    mcp::{connection::AnswerFilter, pace::Pace},
    mutation::sabotage::Sabotage,
    tap::{Tap, VaultFilter},
    target::{
        Target, container,
        instance::{Instance, Surroundings},
        launch::HttpLaunch,
        transport::{Revision, TransportKind},
    },
    vault::{
        oracle::{Oracle, Token},
        policy,
    },
};

/// What one scenario uses, and no other at the same time.
#[derive(Debug)]
pub struct Slot {
    /// How the target is spoken to.
    pub transport: TransportKind,
    /// The token that the target acts with; none is known of one that runs already.
    pub token: Option<Token>,
    /// What stands between target and Vault, where the suite started the target.
    pub tap: Option<Tap>,
    /// The running target.
    pub instance: Instance,
    /// Held while no other scenario may use the transport.
    turn: Option<OwnedMutexGuard<()>>,
}

/// All slots of a run.
pub struct Slots {
    oracle: Arc<Oracle>,
    target: Arc<Target>,
    programs: HashMap<TransportKind, PathBuf>,
    revision: Option<Revision>,
    sabotage: Option<Sabotage>,
    made: AtomicUsize,
    free: Mutex<Vec<Slot>>,
    /// Of a target with a fixed port only one instance can run.
    turn: Arc<Turn<()>>,
    /// Where containers reach this machine.
    host: OnceCell<Ipv4Addr>,
    /// Keeps what all connections to a target that runs already do together within its limit.
    pace: Option<Arc<Pace>>,
}

impl Slots {
    /// Slots for a target whose programs were found.
    pub fn new(
        oracle: Arc<Oracle>,
        target: Arc<Target>,
        programs: HashMap<TransportKind, PathBuf>,
        revision: Option<Revision>,
        sabotage: Option<Sabotage>,
    ) -> Self {
        let adapter = &target.adapter;
        let global = adapter.limits.global.filter(|_| adapter.remote.is_some());
        Self {
            pace: global.map(|limit| Arc::new(Pace::within(limit))),
            oracle,
            target,
            programs,
            revision,
            sabotage,
            made: AtomicUsize::new(0),
            free: Mutex::default(),
            turn: Arc::default(),
            host: OnceCell::new(),
        }
    }

    fn free(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slot for the transport: a free one, or one made now.
    ///
    /// # Errors
    /// When Vault refuses what it needs or the target does not start.
    pub async fn lease(&self, transport: TransportKind) -> Result<Slot, String> {
        let turn = self.turn(transport).await;
        let mut slot = match self.take_free(transport) {
            Some(slot) => slot,
            None => self.make(transport).await?,
        };
        slot.turn = turn;
        Ok(slot)
    }

    /// A slot on a Vault that is a scenario's own, for a target with this token.
    ///
    /// # Errors
    /// When the target does not start.
    pub async fn make_on(
        &self,
        oracle: &Oracle,
        transport: TransportKind,
        token: Token,
    ) -> Result<Slot, String> {
        let turn = self.turn(transport).await;
        if turn.is_some()
            && let Some(slot) = self.take_free(transport)
        {
            // Its port is needed.
            slot.instance.stop().await?;
        }
        let mut slot = self.start(oracle, transport, token).await?;
        slot.turn = turn;
        Ok(slot)
    }

    /// Whether only one instance of the target can run.
    #[must_use]
    pub fn take_turns(&self, transport: TransportKind) -> bool {
        let http = self.target.adapter.http.as_ref();
        transport == TransportKind::Http && http.and_then(HttpLaunch::fixed_port).is_some()
    }

    /// Waits for the turn, where only one instance of the target can run.
    async fn turn(&self, transport: TransportKind) -> Option<OwnedMutexGuard<()>> {
        match self.take_turns(transport) {
            true => Some(Arc::clone(&self.turn).lock_owned().await),
            false => None,
        }
    }

    fn take_free(&self, transport: TransportKind) -> Option<Slot> {
        let mut free = self.free();
        let index = free.iter().position(|slot| slot.transport == transport)?;
        Some(free.swap_remove(index))
    }

    async fn make(&self, transport: TransportKind) -> Result<Slot, String> {
        if self.target.adapter.remote.is_some() {
            return self.reach(transport).await;
        }
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let policy_name = format!("{}slot-{number}", self.oracle.prefix());
        let oracle = &self.oracle;
        oracle
            .write_policy(&policy_name, policy::NONE)
            .await
            .map_err(|error| error.to_string())?;
        let token = oracle
            .make_token(&policy_name)
            .await
            .map_err(|error| error.to_string())?;
        self.start(oracle, transport, token).await
    }

    /// Starts a target with this token, and a tap between it and the Vault that the oracle
    /// looks into.
    async fn start(
        &self,
        oracle: &Oracle,
        transport: TransportKind,
        token: Token,
    ) -> Result<Slot, String> {
        let sabotage = self.sabotage.as_ref().map(|sabotage| {
            Arc::new(sabotage.for_slot(&self.target.adapter, &token.secret, oracle.root_token()))
        });
        let vault_filter = sabotage.clone().map(|s| s as Arc<dyn VaultFilter>);
        let adapter = &self.target.adapter;
        let program = self.programs.get(&transport).cloned();
        let (tap, vault_addr) = self
            .tap(oracle, transport, program.as_deref(), vault_filter)
            .await?;
        let limit = adapter.limits.global;
        let surroundings = Surroundings {
            vault_addr,
            pace: limit.map(|limit| Arc::new(Pace::within(limit))),
            token: token.secret.clone(),
            started_by: self
                .sabotage
                .as_ref()
                .map(Sabotage::started_by)
                .unwrap_or_default(),
            filter: sabotage.map(|s| s as Arc<dyn AnswerFilter>),
        };
        let instance = Instance::start(adapter, program, transport, self.revision, &surroundings)
            .await
            .map_err(|error| error.to_string())?;
        Ok(Slot {
            transport,
            token: Some(token),
            tap: Some(tap),
            instance,
            turn: None,
        })
    }

    /// A tap, and its address as the target knows it: a container reaches it elsewhere than a
    /// process does.
    async fn tap(
        &self,
        oracle: &Oracle,
        transport: TransportKind,
        program: Option<&Path>,
        filter: Option<Arc<dyn VaultFilter>>,
    ) -> Result<(Tap, String), String> {
        let (adapter, endpoint) = (&self.target.adapter, oracle.endpoint());
        let launch = match transport {
            TransportKind::Stdio => adapter.stdio.clone(),
            TransportKind::Http => adapter.http.as_ref().map(HttpLaunch::launch),
        };
        let contained = launch.filter(|launch| launch.container).zip(program);
        let Some((launch, docker)) = contained else {
            let tap = Tap::start(endpoint, filter).await?;
            let address = tap.address().to_owned();
            return Ok((tap, address));
        };
        let find = || container::host_address(docker, &launch);
        let host = *self.host.get_or_try_init(find).await?;
        let tap = Tap::start_at(host, endpoint, filter).await?;
        let address = tap.address().replace(&host.to_string(), container::HOST);
        Ok((tap, address))
    }

    /// A connection to a target that runs already.
    async fn reach(&self, transport: TransportKind) -> Result<Slot, String> {
        let surroundings = Surroundings {
            vault_addr: String::new(),
            token: SecretString::default(),
            started_by: Vec::new(),
            filter: None,
            pace: self.pace.clone(),
        };
        let adapter = &self.target.adapter;
        let reached = Instance::start(adapter, None, transport, self.revision, &surroundings);
        Ok(Slot {
            transport,
            token: None,
            tap: None,
            instance: reached.await.map_err(|error| error.to_string())?,
            turn: None,
        })
    }

    /// Takes a slot back for the next scenario; one whose target has ended is not reused.
    pub fn give_back(&self, mut slot: Slot) {
        if slot.instance.ended().is_none() {
            let turn = slot.turn.take();
            self.free().push(slot);
            drop(turn);
        }
    }

    /// Ends the targets of all free slots; returns what could not be ended.
    pub async fn close(&self) -> Vec<String> {
        let free: Vec<_> = self.free().drain(..).collect();
        let ends = free.into_iter().map(|slot| slot.instance.stop());
        let ended = futures::future::join_all(ends).await;
        ended.into_iter().filter_map(Result::err).collect()
    }
}
