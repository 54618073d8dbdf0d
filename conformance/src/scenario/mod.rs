//! One running scenario: what it has set up, done and seen. It knows no profile.
//!
//! It leases servers ([`agents`]), makes the tool calls, and remembers which secret values there are ([`ledger`]). What
//! the steps of a profile keep while it runs is its [`state`](Scenario::state), by type.

pub(crate) mod agents;
pub(crate) mod ledger;
#[cfg(test)]
mod rehearsal;
mod state;

use std::{collections::HashMap, sync::Arc, time::Duration};

use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use self::agents::Gone;
use crate::{
    act::Act,
    latency::Call,
    mcp::transcript::most_open,
    plan::Planned,
    redact::Secrets,
    scenario::state::States,
    slot::{Slot, SlotKind, Slots},
    tap::Tap,
    target::{
        Target,
        answer::{Answer, Manner, perform},
        instance::{Bare, StartError},
        operation::Operation,
        setup::Setup,
    },
    vault::{
        audit::AuditLog,
        oracle::{Oracle, SecretData, Snapshot, Token},
        own::OwnVault,
    },
    verdict::{StepResult, Stop},
};

/// A KV mount of the scenario.
#[derive(Clone, Debug)]
pub struct KvMount {
    /// Its path in Vault, which no other scenario uses.
    pub path: String,
    /// The version of the KV engine.
    pub version: u8,
}

/// What a scenario has of KV mounts and secrets, besides what its secrets should hold.
#[derive(Debug, Default)]
pub(crate) struct KvState {
    /// The KV mount that it made last.
    pub(crate) mount: Option<KvMount>,
    /// Where the first write of calls that are made at once is held back, if it is to be.
    pub(crate) delayed: Option<String>,
    /// What somebody else has written, by secret.
    pub(crate) elsewhere: HashMap<String, SecretData>,
    /// The secret that has custom metadata, and their value.
    pub(crate) custom: Option<(String, String)>,
    /// A mount that Vault itself refuses to make, and why.
    pub(crate) refused_mount: Option<(String, String)>,
}

/// A random value that the scenario put somewhere, and whether the agent may know it.
#[derive(Clone, Debug)]
pub(crate) struct Canary {
    pub(crate) label: String,
    pub(crate) value: SecretString,
    known_to_agent: bool,
}

/// An agent, and the slot whose target acts for it.
pub struct Agent {
    /// What the scenario calls it; empty where there is only one.
    pub(crate) name: String,
    /// What it runs on.
    pub slot: Slot,
}

/// One running scenario.
pub struct Scenario {
    /// What is running.
    pub planned: Arc<Planned>,
    /// Who acts: one agent, and in a Vault of its own as many as the scenario gave itself.
    pub agents: Vec<Agent>,
    /// What is left of servers that are no longer there.
    pub(crate) gone: Gone,
    /// Which of them acts now.
    pub(crate) acting: usize,
    /// Whether each act is the next one's.
    pub(crate) in_turn: bool,
    /// The Vault that it has to itself, if it has one.
    pub own: Option<OwnVault>,
    /// What the run's Vault says it was asked.
    pub audit: Option<AuditLog>,
    pub(crate) target: Arc<Target>,
    /// Where servers come from.
    pub(crate) slots: Arc<Slots>,
    pub(crate) oracle: Arc<Oracle>,
    pub(crate) random: StdRng,
    /// What all names of this scenario in Vault begin with; empty in a Vault of its own.
    pub prefix: String,
    pub(crate) mount: Option<String>,
    /// What each secret of the scenario's last KV mount should hold now, by path.
    pub(crate) holds: HashMap<String, SecretData>,
    /// What a secret held in its first version.
    pub(crate) first: HashMap<String, SecretData>,
    /// Whether there is so much in Vault that it is not compared before and after.
    pub(crate) vast: bool,
    pub(crate) canaries: Vec<Canary>,
    pub(crate) acts: HashMap<String, Act>,
    pub(crate) last: Option<Deed>,
    /// What came of several calls, at once or one after the other, each with what it asked for.
    pub(crate) volley: Vec<Deed>,
    /// Connections besides the agents' own, each to be stopped.
    pub(crate) further: Vec<Bare>,
    /// Tokens that a server may act with, besides the one that it has.
    pub(crate) further_tokens: Vec<Token>,
    /// What the steps of a profile keep.
    states: States,
    /// Whether a call had no answer: one may still come, into the next scenario.
    pub unanswered: bool,
    /// How long calls took, of those that succeeded with nothing in their way.
    pub calls: Vec<Call>,
}

/// What the agent did last, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    pub(crate) act: Act,
    pub(crate) answer: Answer,
    /// How long the answer took.
    pub(crate) took: Duration,
    pub(crate) before: Snapshot,
    /// What the secret that it is about held before.
    pub(crate) held: Option<SecretData>,
    /// How many requests had passed the tap before.
    pub(crate) passed: usize,
}

pub(crate) fn disclose(canaries: &mut [Canary], data: Option<&SecretData>) {
    let values: Vec<_> = data
        .into_iter()
        .flat_map(Map::values)
        .filter_map(Value::as_str)
        .collect();
    for canary in canaries {
        let carries = |value: &&str| value.contains(canary.value.expose_secret());
        canary.known_to_agent |= values.iter().any(carries);
    }
}

impl Scenario {
    /// A scenario in which nobody acts yet.
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

    /// Gives the agent a server that is set up so, whose token has a policy that allows everything
    /// in the scenario; that agent acts from now on.
    ///
    /// # Errors
    /// When Vault refuses, or the server does not start: for one that is to be started in a mode
    /// that it claims, that is a failure.
    pub async fn start_server(&mut self, setup: Setup) -> StepResult {
        let (claimed, demanded) = (
            !setup.modes.is_empty(),
            format!("the server starts {setup}"),
        );
        match self.try_to_start_server(setup).await? {
            None => Ok(()),
            Some(refusal) if claimed => Err(self.failed(demanded, &refusal.to_string())),
            Some(refusal) => Err(Stop::blocked(refusal)),
        }
    }

    /// The same with a server that may as well not start; returns why it does not, if so.
    ///
    /// # Errors
    /// When Vault refuses.
    pub(crate) async fn try_to_start_server(
        &mut self,
        setup: Setup,
    ) -> StepResult<Option<StartError>> {
        let slot = match self.lease(setup).await? {
            Ok(slot) => slot,
            Err(refusal) => return Ok(Some(refusal)),
        };
        let knows_token = slot.token.is_some();
        self.acting = self.agents.len();
        self.agents.push(Agent {
            name: String::new(),
            slot,
        });
        if knows_token {
            agents::allow_all(self).await?;
        }
        Ok(None)
    }

    /// What slots this scenario uses.
    pub(crate) fn kind(&self, setup: Setup) -> SlotKind {
        SlotKind {
            transport: self.planned.transport,
            revision: self.planned.revision,
            setup,
        }
    }

    /// A scenario in a Vault of its own, where nobody acts yet.
    #[must_use]
    pub fn new_on_own(
        planned: Arc<Planned>,
        vault: OwnVault,
        target: Arc<Target>,
        slots: Arc<Slots>,
        seed: u64,
    ) -> Self {
        let oracle = Arc::clone(&vault.oracle);
        let mut scenario = Self::empty(planned, target, slots, oracle, seed);
        scenario.own = Some(vault);
        scenario
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
            agents: Vec::new(),
            gone: Gone::default(),
            acting: 0,
            in_turn: false,
            own: None,
            audit: None,
            target,
            slots,
            oracle,
            random: StdRng::from_seed(digest.into()),
            prefix: String::new(),
            mount: None,
            vast: false,
            holds: HashMap::new(),
            first: HashMap::new(),
            canaries: Vec::new(),
            acts: HashMap::new(),
            last: None,
            volley: Vec::new(),
            further: Vec::new(),
            further_tokens: Vec::new(),
            states: States::default(),
            unanswered: false,
            calls: Vec::new(),
        }
    }

    /// What the steps of a profile keep in this type; its default value until they change it.
    #[must_use]
    pub fn state<T: Default + Send + Sync + 'static>(&self) -> &T {
        self.states.get()
    }

    /// The same, to change it.
    pub fn state_mut<T: Default + Send + Sync + 'static>(&mut self) -> &mut T {
        self.states.get_mut()
    }

    pub(crate) fn slot(&self) -> StepResult<&Slot> {
        let missing = || Stop::blocked("the scenario gave the agent no server");
        let agent = self.agents.get(self.acting).ok_or_else(missing)?;
        Ok(&agent.slot)
    }

    pub(crate) fn token(&self) -> StepResult<&Token> {
        let unknown =
            || Stop::blocked("the suite knows no token of a server that it did not start");
        self.slot()?.token.as_ref().ok_or_else(unknown)
    }

    pub(crate) fn tap(&self) -> StepResult<&Tap> {
        let missing = || Stop::blocked("the server's requests to Vault do not pass the suite");
        self.slot()?.tap.as_ref().ok_or_else(missing)
    }

    /// The name in Vault of what the scenario calls `name`.
    #[must_use]
    pub fn path_of(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The KV mount that the scenario made last.
    ///
    /// # Errors
    /// When it made none.
    pub fn kv(&self) -> StepResult<&KvMount> {
        let missing = || Stop::blocked("the scenario gave no KV mount");
        self.state::<KvState>().mount.as_ref().ok_or_else(missing)
    }

    /// The paths of all secrets that the scenario made, in order.
    #[must_use]
    pub fn secret_paths(&self) -> Vec<String> {
        let mut paths: Vec<_> = self.holds.keys().cloned().collect();
        paths.sort();
        paths
    }

    /// The mount that the scenario made last.
    ///
    /// # Errors
    /// When it made none.
    pub fn mount(&self) -> StepResult<&str> {
        let missing = || Stop::blocked("the scenario gave no mount");
        self.mount.as_deref().ok_or_else(missing)
    }

    /// A new random value, unlike anything else in this run.
    pub fn canary(&mut self, label: &str, known_to_agent: bool) -> String {
        const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzACDEFGHJKLMNPQRTUVWXY34679";
        let letters = std::iter::repeat_with(|| {
            let index = self.random.random_range(0..LETTERS.len());
            char::from(LETTERS[index])
        });
        let value: String = letters.take(24).collect();
        self.remember(label, &value, known_to_agent);
        value
    }

    pub(crate) fn remember(&mut self, label: &str, value: &str, known_to_agent: bool) {
        self.canaries.push(Canary {
            label: label.to_owned(),
            value: value.into(),
            known_to_agent,
        });
    }

    // What the agent does.

    /// Lets the agent do something, with Vault looked at before.
    ///
    /// # Errors
    /// Not applicable where the target offers no tool for it; blocked where Vault fails.
    pub async fn let_agent(&mut self, act: Act) -> StepResult {
        self.let_agent_with(act, Manner::Whole).await
    }

    pub(crate) async fn let_agent_with(&mut self, act: Act, manner: Manner<'_>) -> StepResult {
        if self.in_turn {
            self.acting = (self.acting + 1) % self.agents.len();
        }
        let before = self.snapshot().await?;
        let tap = self.slot()?.tap.as_ref();
        let passed = tap.map_or(0, Tap::passed);
        let trapped = tap.is_some_and(Tap::has_trap);
        self.let_know(&act);
        let deed = self.carry_out(act, before, passed, manner).await?;
        if matches!(deed.answer, Answer::Success(_)) && !trapped {
            let tap = self.slot()?.tap.as_ref();
            let call = Call {
                operation: deed.act.operation,
                took: deed.took,
                vault_requests: tap.map(|tap| tap.passed() - passed),
            };
            self.calls.push(call);
        }
        ledger::take_note(self, &deed.answer);
        self.unanswered |= matches!(deed.answer, Answer::Nothing(_));
        self.last = Some(deed);
        Ok(())
    }

    /// Lets the agent do several things, one after the other.
    ///
    /// # Errors
    /// As for one.
    pub async fn let_agent_in_turn(&mut self, acts: Vec<Act>) -> StepResult {
        self.volley.clear();
        for act in acts {
            self.let_agent(act).await?;
            self.volley.push(self.last()?.clone());
        }
        Ok(())
    }

    /// What was meant to be made at once was under way at once, on so many connections.
    ///
    /// # Errors
    /// Blocked when it was not: then nothing was seen of what becomes of calls that meet.
    pub(crate) fn expect_made_at_once(&self, connections: usize) -> StepResult {
        let lines = self
            .slot()?
            .instance
            .connection
            .transcript()
            .scenario_lines();
        let open = most_open(&lines);
        match open.requests >= 2 && open.connections >= connections {
            true => Ok(()),
            false => Err(Stop::blocked(format!(
                "at most {} calls on {} connections were under way at once: the limits that the adapter tells \
                 leave no room for more",
                open.requests, open.connections
            ))),
        }
    }

    pub(crate) async fn carry_out(
        &self,
        act: Act,
        before: Snapshot,
        passed: usize,
        manner: Manner<'_>,
    ) -> StepResult<Deed> {
        let held = act.secret().and_then(|path| self.holds.get(path)).cloned();
        let (answer, took) = perform(
            &self.target.adapter,
            &self.slot()?.instance,
            act.operation,
            &act.parameters,
            manner,
        )
        .await?;
        Ok(Deed {
            act,
            answer,
            took,
            before,
            held,
            passed,
        })
    }

    /// Whoever reads a secret may know its values.
    pub(crate) fn let_know(&mut self, act: &Act) {
        if matches!(act.operation, Operation::KvRead | Operation::KvReadVersion) {
            for secrets in [&self.holds, &self.first] {
                let held = act.secret().and_then(|path| secrets.get(path)).cloned();
                disclose(&mut self.canaries, held.as_ref());
            }
        }
    }

    /// Whoever calls tools in whatever way may come to know any value.
    pub(crate) fn let_know_all(&mut self) {
        for canary in &mut self.canaries {
            canary.known_to_agent = true;
        }
    }

    pub(crate) fn last(&self) -> StepResult<&Deed> {
        let missing = || Stop::blocked("the scenario let the agent do nothing yet");
        self.last.as_ref().ok_or_else(missing)
    }

    pub(crate) fn held(&self, path: &str) -> StepResult<&SecretData> {
        let missing = || Stop::blocked(format!("the scenario made no secret {path:?}"));
        self.holds.get(path).ok_or_else(missing)
    }

    /// A failure of the target, with secrets redacted.
    #[must_use]
    pub fn failed(&self, expected: impl Into<String>, actual: &str) -> Stop {
        Stop::failed(expected, self.secrets().redact(actual))
    }

    pub(crate) async fn snapshot(&self) -> StepResult<Snapshot> {
        if self.vast {
            return Ok(Snapshot::new());
        }
        let snapshot = self.oracle.snapshot(&self.prefix).await;
        snapshot.map_err(Stop::blocked)
    }

    // What must not be said or shown.

    /// The target's token and the suite's own.
    #[must_use]
    pub fn tokens(&self) -> Secrets {
        let mut tokens = Secrets::default();
        let slots = self.agents.iter().map(|agent| &agent.slot);
        for token in slots.filter_map(|slot| slot.token.as_ref()) {
            tokens.add("server's Vault token", token.secret.clone());
        }
        for token in &self.further_tokens {
            tokens.add("other Vault token", token.secret.clone());
        }
        tokens
    }

    pub(crate) fn values(&self, wanted: impl Fn(&Canary) -> bool) -> Secrets {
        let mut values = Secrets::default();
        for canary in self.canaries.iter().filter(|canary| wanted(canary)) {
            values.add(&canary.label, canary.value.clone());
        }
        values
    }

    /// All values of the scenario.
    #[must_use]
    pub fn all_values(&self) -> Secrets {
        self.values(|_| true)
    }

    /// The values that the agent neither wrote nor asked for.
    #[must_use]
    pub fn unasked_values(&self) -> Secrets {
        self.values(|canary| !canary.known_to_agent)
    }

    /// Everything that is never written out.
    #[must_use]
    pub fn secrets(&self) -> Secrets {
        let mut secrets = self.all_values();
        secrets.extend(self.tokens());
        for Agent { slot, .. } in &self.agents {
            for credential in &slot.instance.credentials {
                secrets.add("client's credential", credential.clone());
            }
        }
        secrets
    }
}
