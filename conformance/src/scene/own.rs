//! What is there only in a Vault of a scenario's own: its default mount, policies under their own names, and
//! as many servers as the scenario says.

use serde_json::Value;

use super::{Agent, KvMount, Scene};
use crate::{
    scene::KvState,
    target::setup::Setup,
    vault::{oracle::Token, own::OwnVault, policy},
    verdict::{NotApplicable, StepResult, Stop},
};

impl Scene {
    fn own(&self) -> StepResult<&OwnVault> {
        let missing = || Stop::blocked("the scenario has no Vault of its own: it lacks @own-vault");
        self.own.as_ref().ok_or_else(missing)
    }

    /// There must be a Vault of the scenario's own.
    ///
    /// # Errors
    /// Blocked when there is none.
    pub fn expect_own_vault(&self) -> StepResult {
        self.own().map(drop)
    }

    /// Turns to a KV mount that a new Vault has.
    ///
    /// # Errors
    /// Blocked when this Vault does not have it in that version.
    pub async fn find_mount(&mut self, path: &str, version: u8) -> StepResult {
        self.own()?;
        let mounts = self.oracle.mounts().await.map_err(Stop::blocked)?;
        let about = mounts.get(path).unwrap_or(&Value::Null);
        let found = about["options"]["version"].as_str();
        if about["type"] != "kv" || found != Some(&version.to_string()) {
            let why = format!("this new Vault has no KV version {version} mount {path:?}");
            return Err(Stop::blocked(why));
        }
        let ready = self.oracle.await_kv_mount(path, version).await;
        ready.map_err(Stop::blocked)?;
        self.mount = Some(path.to_owned());
        self.state_mut::<KvState>().mount = Some(KvMount {
            path: path.to_owned(),
            version,
        });
        Ok(())
    }

    /// Gives an agent a server, whose token has these policies, verbatim and under their own names; that
    /// agent acts from now on.
    ///
    /// # Errors
    /// When Vault refuses or the server does not start; not applicable where it is to be the second one of a
    /// server on a fixed port.
    pub async fn add_agent(&mut self, name: &str, policies: &[&str]) -> StepResult {
        self.own()?;
        let kind = self.kind(Setup::default());
        if self.slots.take_turns(kind.transport) && !self.agents.is_empty() {
            return Err(Stop::NotApplicable {
                reason: NotApplicable::NotClaimed,
                detail: "of a server on a fixed port only one can run".to_owned(),
            });
        }
        let token = self.make_token(policies).await?;
        let slot = self.slots.make_on(&self.oracle, &kind, token).await;
        self.acting = self.agents.len();
        self.agents.push(Agent {
            name: name.to_owned(),
            slot: slot.map_err(Stop::blocked)?,
        });
        Ok(())
    }

    async fn make_token(&self, policies: &[&str]) -> StepResult<Token> {
        for name in policies {
            let written = self.oracle.write_policy(name, policy::known(name)?).await;
            written.map_err(Stop::blocked)?;
        }
        let token = self.oracle.make_token_with(policies).await;
        token.map_err(Stop::blocked)
    }

    /// Turns to the agent of this name.
    ///
    /// # Errors
    /// When the scenario has none.
    pub fn turn_to(&mut self, name: &str) -> StepResult {
        let found = self.agents.iter().position(|agent| agent.name == name);
        let unknown = || Stop::blocked(format!("the scenario has no agent of the {name}"));
        self.acting = found.ok_or_else(unknown)?;
        Ok(())
    }

    /// Gives a policy that tokens have the text of another.
    ///
    /// # Errors
    /// When there is no such text, or Vault refuses.
    pub async fn change_policy(&self, name: &str, other: &str) -> StepResult {
        self.own()?;
        let written = self.oracle.write_policy(name, policy::known(other)?).await;
        written.map_err(Stop::blocked)
    }
}
