//! The scene: what one running scenario has set up, done and seen.
//!
//! This is the vocabulary that the steps speak. It makes what it needs through the oracle
//! ([`given`]) and lets the agent act through the target; what the agent was told is judged
//! in [`answered`], what has become of Vault in [`effect`], both for lists in [`lists`]. Whether a step
//! names what the scenario is about is checked in [`about`].
//! A row of the policy matrix is brought about in [`matrix`]; what an operation is about is made
//! in [`stage`]. What is about the protocol and not about Vault is in [`talk`], what is about the tokens
//! themselves in [`custody`].

pub(crate) mod about;
pub(crate) mod answered;
pub(crate) mod browser;
pub(crate) mod custody;
pub(crate) mod effect;
pub(crate) mod given;
pub(crate) mod gone;
pub(crate) mod leak;
pub(crate) mod limits;
pub(crate) mod lists;
pub(crate) mod matrix;
pub(crate) mod namespace;
pub(crate) mod own;
pub(crate) mod pki;
pub(crate) mod read_only;
#[cfg(test)]
mod rehearsal;
pub(crate) mod session;
pub(crate) mod stage;
mod state;
pub(crate) mod talk;
pub(crate) mod tls;
pub(crate) mod traces;
pub(crate) mod vault_tls;
pub(crate) mod wording;

use std::{collections::HashMap, sync::Arc, time::Duration};

use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use self::gone::Gone;
use crate::{
    act::{Act, Effect},
    latency::Call,
    mcp::transcript::most_open,
    plan::Planned,
    redact::Secrets,
    scene::state::States,
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
        direct,
        oracle::{Oracle, SecretData, Snapshot, Token},
        own::OwnVault,
    },
    verdict::{StepResult, Stop},
};

/// A KV mount of the scene.
#[derive(Clone, Debug)]
pub struct KvMount {
    /// Its path in Vault, which no other scenario uses.
    pub path: String,
    /// The version of the KV engine.
    pub version: u8,
}

/// What a scenario has of KV mounts and secrets, besides what its secrets should hold.
#[derive(Debug, Default)]
struct KvState {
    /// The KV mount that it made last.
    mount: Option<KvMount>,
    /// Where the first write of calls that are made at once is held back, if it is to be.
    delayed: Option<String>,
    /// What somebody else has written, by secret.
    elsewhere: HashMap<String, SecretData>,
    /// The secret that has custom metadata, and their value.
    custom: Option<(String, String)>,
    /// A mount that Vault itself refuses to make, and why.
    refused_mount: Option<(String, String)>,
}

/// A random value that the scene put somewhere, and whether the agent may know it.
#[derive(Clone, Debug)]
struct Canary {
    label: String,
    value: SecretString,
    known_to_agent: bool,
}

/// An agent, and the slot whose target acts for it.
pub struct Agent {
    /// What the scenario calls it; empty where there is only one.
    name: String,
    /// What it runs on.
    pub slot: Slot,
}

/// One running scenario.
pub struct Scene {
    /// What is running.
    pub planned: Arc<Planned>,
    /// Who acts: one agent, and in a Vault of its own as many as the scenario gave itself.
    pub agents: Vec<Agent>,
    /// What is left of servers that are no longer there.
    pub(crate) gone: Gone,
    /// Which of them acts now.
    acting: usize,
    /// Whether each act is the next one's.
    in_turn: bool,
    /// The Vault that it has to itself, if it has one.
    pub own: Option<OwnVault>,
    /// What the run's Vault says it was asked.
    pub audit: Option<AuditLog>,
    target: Arc<Target>,
    /// Where servers come from.
    slots: Arc<Slots>,
    oracle: Arc<Oracle>,
    random: StdRng,
    /// What all names of this scene in Vault begin with; empty in a Vault of its own.
    pub prefix: String,
    mount: Option<String>,
    /// What each secret of the scene's last KV mount should hold now, by path.
    holds: HashMap<String, SecretData>,
    /// What a secret held in its first version.
    first: HashMap<String, SecretData>,
    /// Whether there is so much in Vault that it is not compared before and after.
    vast: bool,
    canaries: Vec<Canary>,
    acts: HashMap<String, Act>,
    last: Option<Deed>,
    /// What came of several calls, at once or one after the other, each with what it asked for.
    volley: Vec<Deed>,
    /// Connections besides the agents' own, each to be stopped.
    further: Vec<Bare>,
    /// Tokens that a server may act with, besides the one that it has.
    further_tokens: Vec<Token>,
    /// What the steps of a profile keep.
    states: States,
    /// Whether a call had no answer: one may still come, into the next scenario.
    pub unanswered: bool,
    /// How long calls took, of those that succeeded with nothing in their way.
    pub calls: Vec<Call>,
}

/// What the agent did last, and what came of it.
#[derive(Clone, Debug)]
struct Deed {
    act: Act,
    answer: Answer,
    /// How long the answer took.
    took: Duration,
    before: Snapshot,
    /// What the secret that it is about held before.
    held: Option<SecretData>,
    /// How many requests had passed the tap before.
    passed: usize,
}

/// What came of the requests of an act when the suite made them with the agent's token.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// Whether Vault let all of them through.
    allowed: bool,
    /// Whether it let one through that may have changed something.
    touched: bool,
}

fn disclose(canaries: &mut [Canary], data: Option<&SecretData>) {
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

impl Scene {
    /// A scene in which nobody acts yet.
    #[must_use]
    pub fn new(
        planned: Arc<Planned>,
        target: Arc<Target>,
        slots: Arc<Slots>,
        oracle: Arc<Oracle>,
        seed: u64,
    ) -> Self {
        let mut scene = Self::empty(planned, target, slots, oracle, seed);
        let number = scene.random.next_u32();
        scene.prefix = format!("{}{number:08x}-", scene.oracle.prefix());
        scene
    }

    /// Gives the agent a server that is set up so, whose token has a policy that allows everything
    /// in the scene; that agent acts from now on.
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
    async fn try_to_start_server(&mut self, setup: Setup) -> StepResult<Option<StartError>> {
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
            crate::scene::given::allow_all(self).await?;
        }
        Ok(None)
    }

    /// What slots this scenario uses.
    fn kind(&self, setup: Setup) -> SlotKind {
        SlotKind {
            transport: self.planned.transport,
            revision: self.planned.revision,
            setup,
        }
    }

    /// A scene in a Vault of its own, where nobody acts yet.
    #[must_use]
    pub fn new_on_own(
        planned: Arc<Planned>,
        vault: OwnVault,
        target: Arc<Target>,
        slots: Arc<Slots>,
        seed: u64,
    ) -> Self {
        let oracle = Arc::clone(&vault.oracle);
        let mut scene = Self::empty(planned, target, slots, oracle, seed);
        scene.own = Some(vault);
        scene
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

    fn slot(&self) -> StepResult<&Slot> {
        let missing = || Stop::blocked("the scenario gave the agent no server");
        let agent = self.agents.get(self.acting).ok_or_else(missing)?;
        Ok(&agent.slot)
    }

    fn token(&self) -> StepResult<&Token> {
        let unknown =
            || Stop::blocked("the suite knows no token of a server that it did not start");
        self.slot()?.token.as_ref().ok_or_else(unknown)
    }

    fn tap(&self) -> StepResult<&Tap> {
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

    fn remember(&mut self, label: &str, value: &str, known_to_agent: bool) {
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

    async fn let_agent_with(&mut self, act: Act, manner: Manner<'_>) -> StepResult {
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
        crate::scene::pki::take_note(self, &deed.answer);
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

    /// Lets the agent do several things at once on its one connection.
    ///
    /// # Errors
    /// As for one; blocked where they were done one after the other.
    pub async fn let_agent_at_once(&mut self, acts: Vec<Act>) -> StepResult {
        for act in &acts {
            self.let_know(act);
        }
        // Calls that a limit spreads out are not made at once.
        self.slot()?.instance.connection.rest().await;
        crate::scene::given::hold_write_back(self, acts.len())?;
        let deeds = acts
            .into_iter()
            .map(|act| self.carry_out(act, Snapshot::new(), 0, Manner::Whole));
        let deeds = futures::future::try_join_all(deeds).await?;
        let silent = |deed: &Deed| matches!(deed.answer, Answer::Nothing(_));
        self.unanswered |= deeds.iter().any(silent);
        self.volley = deeds;
        self.expect_made_at_once(1)
    }

    /// What was meant to be made at once was under way at once, on so many connections.
    ///
    /// # Errors
    /// Blocked when it was not: then nothing was seen of what becomes of calls that meet.
    fn expect_made_at_once(&self, connections: usize) -> StepResult {
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

    async fn carry_out(
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
    fn let_know(&mut self, act: &Act) {
        if matches!(act.operation, Operation::KvRead | Operation::KvReadVersion) {
            for secrets in [&self.holds, &self.first] {
                let held = act.secret().and_then(|path| secrets.get(path)).cloned();
                disclose(&mut self.canaries, held.as_ref());
            }
        }
    }

    /// Whoever calls tools in whatever way may come to know any value.
    fn let_know_all(&mut self) {
        for canary in &mut self.canaries {
            canary.known_to_agent = true;
        }
    }

    /// Asks Vault for the same with the agent's token.
    ///
    /// # Errors
    /// When Vault gives no clear answer.
    async fn ask_vault(&self, act: &Act) -> StepResult<Asked> {
        let version = self
            .state::<KvState>()
            .mount
            .as_ref()
            .map_or(2, |kv| kv.version);
        let mut asked = Asked {
            allowed: true,
            touched: false,
        };
        let mut before = Value::Null;
        for request in direct::requests(act.operation, &act.parameters, version) {
            let request = direct::continued(request, &before);
            let answer = self.oracle.ask(&self.token()?.secret, &request).await;
            let answer = answer.map_err(Stop::blocked)?;
            if answer.denied() {
                asked.allowed = false;
                return Ok(asked);
            }
            if !answer.allowed() {
                let why = format!(
                    "Vault answered {} to {}: {}",
                    answer.status, request.path, answer.body
                );
                return Err(Stop::blocked(why));
            }
            asked.touched |= !request.reads();
            before = answer.body;
        }
        Ok(asked)
    }

    /// Asks Vault for the same with the agent's token, and undoes what that changed. Whether
    /// Vault allowed it.
    ///
    /// # Errors
    /// When Vault gives no clear answer.
    pub async fn vault_allows(&mut self, act: &Act) -> StepResult<bool> {
        if !self.ask_vault(act).await?.allowed {
            return Ok(false);
        }
        if let Effect::Written { path, .. } | Effect::Deleted { path, .. } = &act.effect {
            match self.holds.get(path).cloned() {
                Some(data) => crate::scene::given::store(self, path, data).await?,
                None => {
                    let kv = self.kv()?;
                    let purged = self.oracle.purge_secret(&kv.path, kv.version, path).await;
                    purged.map_err(Stop::blocked)?;
                }
            }
        }
        Ok(true)
    }

    fn last(&self) -> StepResult<&Deed> {
        let missing = || Stop::blocked("the scenario let the agent do nothing yet");
        self.last.as_ref().ok_or_else(missing)
    }

    fn held(&self, path: &str) -> StepResult<&SecretData> {
        let missing = || Stop::blocked(format!("the scenario made no secret {path:?}"));
        self.holds.get(path).ok_or_else(missing)
    }

    /// A failure of the target, with secrets redacted.
    #[must_use]
    pub fn failed(&self, expected: impl Into<String>, actual: &str) -> Stop {
        Stop::failed(expected, self.secrets().redact(actual))
    }

    async fn snapshot(&self) -> StepResult<Snapshot> {
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
        for token in crate::scene::custody::further_tokens(self) {
            tokens.add("other Vault token", token.secret.clone());
        }
        tokens
    }

    fn values(&self, wanted: impl Fn(&Canary) -> bool) -> Secrets {
        let mut values = Secrets::default();
        for canary in self.canaries.iter().filter(|canary| wanted(canary)) {
            values.add(&canary.label, canary.value.clone());
        }
        values
    }

    /// All values of the scene.
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
