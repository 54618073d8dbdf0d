//! Slots: what one running scenario needs, leased to it alone.
//!
//! A slot has a token, a policy, a tap, and a running target. Scenarios reuse it one after the other, since a target
//! may take seconds to start. The policy's text and the mounts are new for each.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use secrecy::SecretString;
use tokio::sync::{Mutex as Turn, OnceCell, OwnedMutexGuard};

use crate::{
    adapter::{Adapter, launch::HttpLaunch},
    instance::{Instance, LaunchContext, Launched, StartError, container, setup::Setup},
    mcp::{inbox::AnswerFilter, pace::Pace},
    mutation::sabotage::Sabotage,
    redact::Secrets,
    tap::{Tap, TokenPrint, VaultFilter, tls::TlsIdentity},
    target::Target,
    transport::{Revision, TransportKind},
    vault::{
        oracle::{Oracle, OracleError, Token},
        policy,
    },
};

/// Slots of the same kind are interchangeable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotKind {
    /// The transport.
    pub transport: TransportKind,
    /// The revision.
    pub revision: Revision,
    /// How the target is set up.
    pub setup: Setup,
}

/// Why there is no slot.
#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    /// Vault or this machine does not provide what a slot needs.
    #[error("{0}")]
    LaunchContext(String),
    /// The adapter names a program for a mode that is not on this machine.
    #[error("the program {0:?} of the adapter was not found: install it, or give its path")]
    NoProgram(String),
    /// The target does not answer, or its process has ended.
    #[error(transparent)]
    Target(#[from] StartError),
}

/// What one scenario uses exclusively.
#[derive(Debug)]
pub struct Slot {
    /// The kind of this slot.
    pub kind: SlotKind,
    /// The token of the target; `None` if the target already ran, because its token is not known.
    pub token: Option<Token>,
    /// The tap between target and Vault, if the suite started the target.
    pub tap: Option<Tap>,
    /// The running target.
    pub instance: Instance,
    /// Held while no other scenario may use the transport.
    turn: Option<OwnedMutexGuard<()>>,
}

impl Slot {
    /// Whether a request of its target to Vault had the token that the target was given; `None` if there was no request,
    /// or none can be seen.
    pub(crate) fn uses_its_token(&self) -> Option<bool> {
        let (token, tap) = (self.token.as_ref()?, self.tap.as_ref()?);
        let given = Some(TokenPrint::of(&token.secret));
        let exchanges = tap.exchanges();
        let uses = exchanges.iter().any(|exchange| exchange.token == given);
        (!exchanges.is_empty()).then_some(uses)
    }

    /// The secrets that its target must not reveal.
    pub(crate) fn secrets(&self) -> Secrets {
        let mut secrets = Secrets::default();
        if let Some(token) = &self.token {
            secrets.add("server's Vault token", token.secret.clone());
        }
        for credential in &self.instance.credentials {
            secrets.add("client's credential", credential.clone());
        }
        secrets
    }
}

/// All slots of a run.
pub struct Slots {
    oracle: Arc<Oracle>,
    target: Arc<Target>,
    programs: HashMap<String, PathBuf>,
    sabotage: Option<Sabotage>,
    made: AtomicUsize,
    free: Mutex<Vec<Slot>>,
    leaks_at_end: Mutex<Vec<((TransportKind, Revision), String)>>,
    /// If a target has a fixed port, only one instance can run at a time.
    turn: Arc<Turn<()>>,
    /// The address at which containers reach this machine.
    host: OnceCell<Ipv4Addr>,
    /// Keeps all connections together to a target that already runs within its limit on calls.
    pace: Option<Arc<Pace>>,
}

impl Slots {
    /// Slots for a target whose programs have been located.
    pub fn new(
        oracle: Arc<Oracle>,
        target: Arc<Target>,
        programs: HashMap<String, PathBuf>,
        sabotage: Option<Sabotage>,
    ) -> Self {
        let adapter = &target.adapter;
        let global = adapter.limits.global_pace();
        Self {
            pace: global.filter(|_| adapter.remote.is_some()),
            oracle,
            target,
            programs,
            sabotage,
            made: AtomicUsize::new(0),
            free: Mutex::default(),
            leaks_at_end: Mutex::default(),
            turn: Arc::default(),
            host: OnceCell::new(),
        }
    }

    /// A slot of this kind: a free one, or a new one.
    ///
    /// # Errors
    /// If Vault rejects a request that prepares the slot, or the target does not start.
    pub async fn lease(&self, kind: &SlotKind) -> Result<Slot, SlotError> {
        let turn = self.turn(kind.transport).await;
        let free = self.take_free(|slot| slot.kind == *kind);
        let mut slot = match free {
            Some(slot) => slot,
            None => {
                self.make_room(turn.is_some()).await?;
                self.make(kind.transport, Some(kind.revision), &kind.setup)
                    .await?
            }
        };
        slot.turn = turn;
        Ok(slot)
    }

    /// A new slot of this kind on another Vault, with a token that has no rights yet.
    ///
    /// # Errors
    /// As [`Slots::lease`].
    pub(crate) async fn lease_on(
        &self,
        oracle: &Oracle,
        kind: &SlotKind,
    ) -> Result<Slot, SlotError> {
        let turn = self.free_turn(kind.transport).await?;
        let token = self.token(oracle, &kind.setup).await?;
        self.start_in(turn, oracle, kind, token).await
    }

    /// A slot in the requested revision, or in any revision that the target speaks.
    ///
    /// # Errors
    /// If Vault rejects a request that prepares the slot, or if the target does not start or does not speak the
    /// revision.
    pub async fn try_out(
        &self,
        transport: TransportKind,
        revision: Option<Revision>,
    ) -> Result<Slot, SlotError> {
        let turn = self.free_turn(transport).await?;
        let mut slot = self.make(transport, revision, &Setup::default()).await?;
        slot.turn = turn;
        Ok(slot)
    }

    /// A slot on a scenario's own Vault, for a target with this token.
    ///
    /// # Errors
    /// If the target does not start.
    pub async fn make_on(
        &self,
        oracle: &Oracle,
        kind: &SlotKind,
        token: Token,
    ) -> Result<Slot, SlotError> {
        let turn = self.free_turn(kind.transport).await?;
        self.start_in(turn, oracle, kind, token).await
    }

    async fn start_in(
        &self,
        turn: Option<OwnedMutexGuard<()>>,
        oracle: &Oracle,
        kind: &SlotKind,
        token: Token,
    ) -> Result<Slot, SlotError> {
        let revision = Some(kind.revision);
        let mut slot = self
            .start(oracle, kind.transport, revision, &kind.setup, token)
            .await?;
        slot.turn = turn;
        Ok(slot)
    }

    /// Waits until a new instance can run on this transport.
    async fn free_turn(
        &self,
        transport: TransportKind,
    ) -> Result<Option<OwnedMutexGuard<()>>, SlotError> {
        let turn = self.turn(transport).await;
        self.make_room(turn.is_some()).await?;
        Ok(turn)
    }

    /// Ends the free instance of a target with a fixed port, if the port is needed.
    async fn make_room(&self, is_needed: bool) -> Result<(), SlotError> {
        let fixed = |slot: &Slot| is_needed && self.take_turns(slot.kind.transport);
        match self.take_free(fixed) {
            Some(slot) => self.end(slot).await.map_err(SlotError::LaunchContext),
            None => Ok(()),
        }
    }

    /// Whether only one instance of the target can run at a time.
    #[must_use]
    pub fn take_turns(&self, transport: TransportKind) -> bool {
        transport == TransportKind::Http && self.target.adapter.fixed_port().is_some()
    }

    /// Waits until no other instance runs, if only one can.
    async fn turn(&self, transport: TransportKind) -> Option<OwnedMutexGuard<()>> {
        match self.take_turns(transport) {
            true => Some(Arc::clone(&self.turn).lock_owned().await),
            false => None,
        }
    }

    fn take_free(&self, is_wanted: impl Fn(&Slot) -> bool) -> Option<Slot> {
        let mut free = self.free.lock();
        let index = free.iter().position(is_wanted)?;
        Some(free.swap_remove(index))
    }

    async fn make(
        &self,
        transport: TransportKind,
        revision: Option<Revision>,
        setup: &Setup,
    ) -> Result<Slot, SlotError> {
        if self.target.adapter.remote.is_some() {
            let adapter = &self.target.adapter;
            return reach(adapter, transport, revision, self.pace.clone()).await;
        }
        let token = self.token(&self.oracle, setup).await?;
        self.start(&self.oracle, transport, revision, setup, token)
            .await
    }

    /// A new token for a target, with a policy of its own that grants nothing yet.
    async fn token(&self, oracle: &Oracle, setup: &Setup) -> Result<Token, SlotError> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let policy_name = format!("{}slot-{number}", oracle.prefix());
        let refused = |error: OracleError| SlotError::LaunchContext(error.to_string());
        oracle
            .write_policy(&policy_name, policy::NONE)
            .await
            .map_err(refused)?;
        let token = match setup.token_ttl {
            Some(ttl) => oracle.make_renewable_token(&policy_name, ttl).await,
            None => oracle.make_token_of(setup.token_form, &policy_name).await,
        };
        token.map_err(refused)
    }

    /// Starts a target with this token.
    async fn start(
        &self,
        oracle: &Oracle,
        transport: TransportKind,
        revision: Option<Revision>,
        setup: &Setup,
        token: Token,
    ) -> Result<Slot, SlotError> {
        let staged = self.stage(oracle, transport, setup, &token).await?;
        let (adapter, surroundings) = (&staged.adapter, &staged.surroundings);
        let started =
            Instance::start(adapter, staged.program, transport, revision, surroundings).await;
        let instance = started?;
        Ok(Slot {
            kind: SlotKind {
                transport,
                revision: instance.server.revision,
                setup: setup.clone(),
            },
            token: Some(token),
            tap: Some(staged.tap),
            instance,
            turn: None,
        })
    }

    /// Runs a target that, in these modes, is no server but runs a command with this token.
    ///
    /// # Errors
    /// If it cannot be run.
    pub async fn run_with(
        &self,
        setup: &Setup,
        token: &Token,
    ) -> Result<(Tap, Launched), SlotError> {
        let transport = TransportKind::Stdio;
        let staged = self.stage(&self.oracle, transport, setup, token).await?;
        let launched = Launched::start(&staged.adapter, staged.program, staged.surroundings).await;
        Ok((staged.tap, launched.map_err(SlotError::LaunchContext)?))
    }

    /// Prepares what a target is started with: a tap between it and the Vault of the oracle.
    async fn stage(
        &self,
        oracle: &Oracle,
        transport: TransportKind,
        setup: &Setup,
        token: &Token,
    ) -> Result<Staged, SlotError> {
        let sabotage = self.sabotage.as_ref().filter(|s| s.acts_on(setup));
        let saboteur = sabotage.map(|sabotage| {
            Arc::new(sabotage.for_slot(&self.target.adapter, &token.secret, oracle.root_token()))
        });
        let vault_filter = saboteur.clone().map(|s| s as Arc<dyn VaultFilter>);
        let mut adapter = self.target.adapter.in_modes(&setup.modes);
        if setup.front.is_some() {
            adapter.verify_vault();
        }
        if let Some(sabotage) = sabotage {
            adapter.extend_env(&sabotage.env(setup));
        }
        let overlooks = sabotage.is_some_and(Sabotage::overlooks_certificates);
        let front = match &setup.front {
            Some(front) if overlooks => Some(front.overlooked()),
            front => front.clone(),
        };
        let word = adapter.command(transport).and_then(<[String]>::first);
        let program = word.and_then(|word| self.programs.get(word)).cloned();
        if let (Some(word), None) = (word, &program) {
            return Err(SlotError::NoProgram(word.clone()));
        }
        let (tap, vault_addr) = self
            .tap(
                oracle,
                &adapter,
                transport,
                program.as_deref(),
                vault_filter,
                front.as_ref(),
            )
            .await
            .map_err(SlotError::LaunchContext)?;
        let surroundings = LaunchContext {
            vault_addr,
            pace: adapter.limits.global_pace(),
            token: token.secret.clone(),
            setup: setup.clone(),
            started_by: sabotage.map(Sabotage::started_by).unwrap_or_default(),
            filter: saboteur.map(|s| s as Arc<dyn AnswerFilter>),
        };
        Ok(Staged {
            adapter,
            program,
            tap,
            surroundings,
        })
    }

    /// A tap, and the address at which the target reaches it, which differs for a container.
    async fn tap(
        &self,
        oracle: &Oracle,
        adapter: &Adapter,
        transport: TransportKind,
        program: Option<&Path>,
        filter: Option<Arc<dyn VaultFilter>>,
        front: Option<&TlsIdentity>,
    ) -> Result<(Tap, String), String> {
        let endpoint = oracle.endpoint();
        let launch = match transport {
            TransportKind::Stdio => adapter.stdio.clone(),
            TransportKind::Http => adapter.http.as_ref().map(HttpLaunch::launch),
        };
        let contained = launch.filter(|launch| launch.container).zip(program);
        let Some((launch, docker)) = contained else {
            let tap = Tap::start_at(Ipv4Addr::LOCALHOST, endpoint, filter, front).await?;
            let address = tap.address().to_owned();
            return Ok((tap, address));
        };
        let find = || container::host_address(docker, &launch);
        let host = *self.host.get_or_try_init(find).await?;
        let tap = Tap::start_at(host, endpoint, filter, front).await?;
        let address = tap.address().replace(&host.to_string(), container::HOST);
        Ok((tap, address))
    }

    /// Returns a slot for the next scenario. A slot whose target has ended is not reused.
    ///
    /// # Errors
    /// If the remains of such a target cannot be cleaned up.
    pub async fn give_back(&self, mut slot: Slot) -> Result<(), String> {
        if slot.instance.ended().is_some() {
            return self.end(slot).await;
        }
        let turn = slot.turn.take();
        self.free.lock().push(slot);
        drop(turn);
        Ok(())
    }

    /// Ends the target of a slot, and searches its last output for its token.
    ///
    /// # Errors
    /// If it cannot be ended.
    pub async fn end(&self, mut slot: Slot) -> Result<(), String> {
        let ended = slot.instance.stop().await;
        let secrets = slot.secrets();
        let lines = slot.instance.connection.transcript().unexamined();
        let leak = lines
            .iter()
            .find(|line| secrets.found_in(&line.text).is_some());
        if let Some(line) = leak {
            let way = (slot.kind.transport, slot.kind.revision);
            let said = secrets.redact(&line.text).chars().take(200).collect();
            self.leaks_at_end.lock().push((way, said));
        }
        ended
    }

    /// The lines, redacted, in which a target logged its token while it was ended, with transport and revision.
    pub fn take_leaks_at_end(&self) -> Vec<((TransportKind, Revision), String)> {
        std::mem::take(&mut self.leaks_at_end.lock())
    }

    /// Ends the targets of all free slots; returns what could not be ended.
    pub async fn close(&self) -> Vec<String> {
        let free: Vec<_> = self.free.lock().drain(..).collect();
        let ends = free.into_iter().map(|slot| self.end(slot));
        let ended = futures::future::join_all(ends).await;
        ended.into_iter().filter_map(Result::err).collect()
    }
}

/// All that a target is started with.
struct Staged {
    adapter: Adapter,
    program: Option<PathBuf>,
    tap: Tap,
    surroundings: LaunchContext,
}

/// A connection to a target that already runs.
///
/// # Errors
/// If it does not answer.
pub(crate) async fn reach(
    adapter: &Adapter,
    transport: TransportKind,
    revision: Option<Revision>,
    pace: Option<Arc<Pace>>,
) -> Result<Slot, SlotError> {
    let surroundings = LaunchContext {
        vault_addr: String::new(),
        token: SecretString::default(),
        setup: Setup::default(),
        started_by: Vec::new(),
        filter: None,
        pace,
    };
    let reached = Instance::start(adapter, None, transport, revision, &surroundings);
    let instance = reached.await?;
    Ok(Slot {
        kind: SlotKind {
            transport,
            revision: instance.server.revision,
            setup: Setup::default(),
        },
        token: None,
        tap: None,
        instance,
        turn: None,
    })
}
