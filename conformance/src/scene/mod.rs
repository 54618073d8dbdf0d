//! The scene: what one running scenario has set up, done and seen.
//!
//! This is the vocabulary that the steps speak. It makes what it needs through the oracle,
//! and lets the agent act through the target; [`expect`] judges by what Vault then shows.

pub mod expect;

use std::{collections::HashMap, sync::Arc};

use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    act::{Act, Effect},
    plan::Planned,
    redact::Secrets,
    slot::Slot,
    target::{
        Target,
        answer::{Answer, perform},
        operation::Operation,
    },
    vault::{
        direct,
        oracle::{Oracle, SecretData, Snapshot, Token},
        policy,
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

/// A random value that the scene put somewhere, and whether the agent may know it.
#[derive(Clone, Debug)]
struct Canary {
    label: String,
    value: SecretString,
    known_to_agent: bool,
}

/// One running scenario.
pub struct Scene {
    /// What is running.
    pub planned: Arc<Planned>,
    /// What it runs on.
    pub slot: Slot,
    target: Arc<Target>,
    oracle: Arc<Oracle>,
    random: StdRng,
    /// What all names of this scene in Vault begin with.
    pub prefix: String,
    kv: Option<KvMount>,
    /// What each secret of the scene should hold now, by path.
    holds: HashMap<String, SecretData>,
    /// What a secret held in its first version.
    first: HashMap<String, SecretData>,
    canaries: Vec<Canary>,
    acts: HashMap<String, Act>,
    last: Option<Deed>,
    /// Whether a call had no answer: one may still come, into the next scenario.
    pub unanswered: bool,
}

/// What the agent did last, and what came of it.
#[derive(Clone, Debug)]
struct Deed {
    act: Act,
    answer: Answer,
    before: Snapshot,
    /// What the secret that it is about held before.
    held: Option<SecretData>,
}

impl Scene {
    /// Sets a scene with a policy that allows everything in it.
    ///
    /// # Errors
    /// When Vault refuses.
    pub async fn set(
        planned: Arc<Planned>,
        slot: Slot,
        target: Arc<Target>,
        oracle: Arc<Oracle>,
        seed: u64,
    ) -> StepResult<Self> {
        let digest = Sha256::digest(format!("{seed} {}", planned.key));
        let mut random = StdRng::from_seed(digest.into());
        let remote = target.adapter.remote.as_ref();
        let usable = remote.map_or("", |remote| remote.mount_prefix.as_str());
        let prefix = format!("{usable}t{:08x}-", random.next_u32());
        slot.instance.connection.transcript().begin_scenario();
        if let Some(tap) = &slot.tap {
            tap.forget();
        }
        let scene = Self {
            planned,
            slot,
            target,
            oracle,
            random,
            prefix,
            kv: None,
            holds: HashMap::new(),
            first: HashMap::new(),
            canaries: Vec::new(),
            acts: HashMap::new(),
            last: None,
            unanswered: false,
        };
        if scene.slot.token.is_some() {
            scene.allow_all().await?;
        }
        Ok(scene)
    }

    // What is given.

    /// Gives the agent's token all rights within the scene.
    ///
    /// # Errors
    /// When Vault refuses.
    pub async fn allow_all(&self) -> StepResult {
        self.set_policy(&policy::sufficient(&self.prefix)).await
    }

    /// Gives the agent's token a source's policy, made to fit the scene's mounts.
    ///
    /// # Errors
    /// When there is no such policy, or Vault refuses.
    pub async fn use_policy(&self, name: &str) -> StepResult {
        let hcl = policy::named(name)
            .ok_or_else(|| Stop::blocked(format!("no policy is called {name:?}")))?;
        self.set_policy(&policy::for_prefix(hcl, &self.prefix))
            .await
    }

    /// Takes all rights of its own from the agent's token.
    ///
    /// # Errors
    /// When Vault refuses.
    pub async fn use_no_policy(&self) -> StepResult {
        self.set_policy(policy::NONE).await
    }

    async fn set_policy(&self, hcl: &str) -> StepResult {
        let policy = &self.token()?.policy;
        let written = self.oracle.write_policy(policy, hcl).await;
        written.map_err(Stop::blocked)
    }

    fn token(&self) -> StepResult<&Token> {
        let unknown =
            || Stop::blocked("the suite knows no token of a server that it did not start");
        self.slot.token.as_ref().ok_or_else(unknown)
    }

    /// Makes the scene's KV mount.
    ///
    /// # Errors
    /// When Vault refuses.
    pub async fn make_mount(&mut self, name: &str, version: u8) -> StepResult {
        let path = self.path_of(name);
        let made = self.oracle.make_kv_mount(&path, version).await;
        made.map_err(Stop::blocked)?;
        self.kv = Some(KvMount { path, version });
        Ok(())
    }

    /// The name in Vault of what the scenario calls `name`.
    #[must_use]
    pub fn path_of(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The scene's KV mount.
    ///
    /// # Errors
    /// When the scenario gave none.
    pub fn kv(&self) -> StepResult<&KvMount> {
        let missing = || Stop::blocked("the scenario gave no KV mount");
        self.kv.as_ref().ok_or_else(missing)
    }

    /// Stores a secret with these keys and random values.
    ///
    /// # Errors
    /// When Vault refuses.
    pub async fn make_secret(&mut self, path: &str, keys: &[&str]) -> StepResult {
        let mut data = Map::new();
        for key in keys {
            let value = self.canary(&format!("value of {key}"), false);
            data.insert((*key).to_owned(), json!(value));
        }
        self.store(path, data).await
    }

    /// Gives every key of a secret a new random value, in a new version where there are any.
    ///
    /// # Errors
    /// When Vault refuses, or there is no such secret.
    pub async fn change_secret(&mut self, path: &str) -> StepResult {
        let data = self.held(path)?.clone();
        let keys: Vec<_> = data.keys().map(String::as_str).collect();
        self.make_secret(path, &keys).await
    }

    async fn store(&mut self, path: &str, data: SecretData) -> StepResult {
        let kv = self.kv()?;
        let stored = self
            .oracle
            .write_secret(&kv.path, kv.version, path, &data)
            .await;
        stored.map_err(Stop::blocked)?;
        self.first
            .entry(path.to_owned())
            .or_insert_with(|| data.clone());
        self.holds.insert(path.to_owned(), data);
        Ok(())
    }

    /// Deletes or destroys (`how`) the only version of a secret.
    ///
    /// # Errors
    /// When Vault refuses.
    pub async fn end_secret(&mut self, path: &str, how: &str) -> StepResult {
        let kv = self.kv()?;
        let ended = self.oracle.end_version(&kv.path, how, path).await;
        self.holds.remove(path);
        ended.map_err(Stop::blocked)
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

    /// The act that a scenario names by this text; the same text is the same act.
    ///
    /// # Errors
    /// When the text names none.
    pub fn act(&mut self, text: &str) -> StepResult<Act> {
        if let Some(act) = self.acts.get(text) {
            return Ok(act.clone());
        }
        let act = Act::parse(text, self)?;
        self.acts.insert(text.to_owned(), act.clone());
        Ok(act)
    }

    /// Lets the agent do something, with Vault looked at before.
    ///
    /// # Errors
    /// Not applicable where the target offers no tool for it; blocked where Vault fails.
    pub async fn let_agent(&mut self, act: Act) -> StepResult {
        let before = self.snapshot().await?;
        let held = act.secret().and_then(|path| self.holds.get(path)).cloned();
        if matches!(act.operation, Operation::KvRead | Operation::KvReadVersion) {
            self.disclose(&held);
            let first = act.secret().and_then(|path| self.first.get(path)).cloned();
            self.disclose(&first);
        }
        let answer = perform(
            &self.target.adapter,
            &self.slot.instance.tool_names,
            &self.slot.instance.connection,
            act.operation,
            &act.parameters,
        )
        .await?;
        self.unanswered |= matches!(answer, Answer::Nothing(_));
        self.last = Some(Deed {
            act,
            answer,
            before,
            held,
        });
        Ok(())
    }

    fn disclose(&mut self, data: &Option<SecretData>) {
        let values: Vec<_> = data
            .iter()
            .flat_map(Map::values)
            .filter_map(Value::as_str)
            .collect();
        for canary in &mut self.canaries {
            canary.known_to_agent |= values.contains(&canary.value.expose_secret());
        }
    }

    /// Asks Vault for the same with the agent's token, and undoes what that changed. Whether
    /// Vault allowed it.
    ///
    /// # Errors
    /// When Vault gives no clear answer.
    pub async fn vault_allows(&mut self, act: &Act) -> StepResult<bool> {
        let version = self.kv()?.version;
        let request = direct::request(act.operation, &act.parameters, version);
        let answer = self.oracle.ask(&self.token()?.secret, &request).await;
        let answer = answer.map_err(Stop::blocked)?;
        if answer.denied() {
            return Ok(false);
        }
        if !answer.allowed() {
            let why = format!(
                "Vault answered {} to {}: {}",
                answer.status, request.path, answer.body
            );
            return Err(Stop::blocked(why));
        }
        if let Effect::Written { path, .. } | Effect::Deleted { path } = &act.effect {
            match self.holds.get(path).cloned() {
                Some(data) => self.store(path, data).await?,
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
        let snapshot = self.oracle.snapshot(&self.prefix).await;
        snapshot.map_err(Stop::blocked)
    }

    // What must not be said or shown.

    /// The target's token and the suite's own.
    #[must_use]
    pub fn tokens(&self) -> Secrets {
        let mut tokens = Secrets::default();
        if let Some(token) = &self.slot.token {
            tokens.add("server's Vault token", token.secret.clone());
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
        if let Some(token) = &self.slot.token {
            secrets.add("server's Vault token", token.secret.clone());
        }
        for credential in &self.slot.instance.credentials {
            secrets.add("client's credential", credential.clone());
        }
        secrets
    }
}
