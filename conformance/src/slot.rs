//! Slots: what one running scenario needs, leased to it alone.
//!
//! A slot has a token and a policy of its own, a tap, and a running target. It is reused by
//! one scenario after the other, since a target may take seconds to start; the policy's text
//! and the mounts are new for each.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    mcp::connection::AnswerFilter,
    mutation::sabotage::Sabotage,
    tap::{Tap, VaultFilter},
    target::{
        Target,
        instance::{Instance, Surroundings},
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
    /// The token that the target acts with.
    pub token: Token,
    /// What stands between target and Vault.
    pub tap: Tap,
    /// The running target.
    pub instance: Instance,
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
        Self {
            oracle,
            target,
            programs,
            revision,
            sabotage,
            made: AtomicUsize::new(0),
            free: Mutex::default(),
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
        let free = {
            let mut free = self.free();
            let index = free.iter().position(|slot| slot.transport == transport);
            index.map(|index| free.swap_remove(index))
        };
        match free {
            Some(slot) => Ok(slot),
            None => self.make(transport).await,
        }
    }

    async fn make(&self, transport: TransportKind) -> Result<Slot, String> {
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
        let sabotage = self.sabotage.as_ref().map(|sabotage| {
            Arc::new(sabotage.for_slot(&self.target.adapter, &token.secret, oracle.root_token()))
        });
        let vault_filter = sabotage.clone().map(|s| s as Arc<dyn VaultFilter>);
        let tap = Tap::start(oracle.endpoint(), vault_filter).await?;
        let surroundings = Surroundings {
            vault_addr: tap.address().to_owned(),
            token: token.secret.clone(),
            started_by: self
                .sabotage
                .as_ref()
                .map(Sabotage::started_by)
                .unwrap_or_default(),
            filter: sabotage.map(|s| s as Arc<dyn AnswerFilter>),
        };
        let program = self
            .programs
            .get(&transport)
            .cloned()
            .ok_or_else(|| format!("the target does not offer {transport}"))?;
        let instance = Instance::start(
            &self.target.adapter,
            program,
            transport,
            self.revision,
            &surroundings,
        )
        .await
        .map_err(|error| error.to_string())?;
        Ok(Slot {
            transport,
            token,
            tap,
            instance,
        })
    }

    /// Takes a slot back for the next scenario; one whose target has ended is not reused.
    pub fn give_back(&self, mut slot: Slot) {
        if slot.instance.ended().is_none() {
            self.free().push(slot);
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
