//! Several servers that are started alike, as a balancer has them behind it.

use serde_json::json;

use super::{not_claimed, request, tools::name_of};
use crate::{
    mcp::{connection::Said, http_message::HttpAsk},
    scene::{Agent, Scene},
    target::setup::Setup,
    verdict::{StepResult, Stop},
};

impl Scene {
    /// Starts more servers like the agent's, with the same token, until there are this many; from now on each
    /// act goes to the next.
    ///
    /// # Errors
    /// Not applicable where only one can run at a time.
    pub async fn add_replicas(&mut self, count: usize) -> StepResult {
        let kind = self.kind(Setup::default());
        if self.slots.take_turns(kind.transport) {
            return Err(not_claimed("of a server on a fixed port only one can run"));
        }
        let token = self.token()?.clone();
        while self.agents.len() < count {
            let slot = self.slots.make_on(&self.oracle, &kind, token.clone()).await;
            self.agents.push(Agent {
                name: String::new(),
                slot: slot.map_err(Stop::blocked)?,
            });
        }
        self.in_turn = true;
        Ok(())
    }

    /// Every server must have been asked something that it had to ask Vault for.
    ///
    /// # Errors
    /// When one has not.
    pub fn expect_all_asked(&self) -> StepResult {
        let taps = self.agents.iter().map(|agent| agent.slot.tap.as_ref());
        let idle = taps.flatten().filter(|tap| tap.passed() == 0).count();
        match idle {
            0 => Ok(()),
            _ => Err(self.failed(
                "requests to Vault from each server",
                &format!("none from {idle} of {}", self.agents.len()),
            )),
        }
    }

    /// Lists the tools of another server in the session of the first.
    ///
    /// # Errors
    /// Not applicable where there are no sessions.
    pub async fn list_in_foreign_session(&mut self) -> StepResult {
        self.need_session()?;
        let headers = self.connection()?.session_headers();
        let missing = || Stop::blocked("there is no other server");
        let other = &self.agents.last().ok_or_else(missing)?.slot.instance;
        let endpoint = other.endpoint().ok_or_else(missing)?;
        let listing = request(&json!("list-1"), "tools/list", json!({}));
        let asked = HttpAsk::post(&listing).with_all(headers);
        let said = Said::over_http(endpoint.send(&asked, self.patience()).await);
        self.heard(said);
        Ok(())
    }

    /// The session must be none there, or be shared.
    ///
    /// # Errors
    /// When it is neither.
    pub fn expect_no_foreign_session(&self) -> StepResult {
        let said = self.said()?;
        if said.status == Some(404) {
            return Ok(());
        }
        let listed = said.success().and_then(|page| page["tools"].as_array());
        let known = &self.instance()?.tool_names;
        let is_known = |tool| known.iter().any(|name| name == name_of(tool));
        match listed {
            Some(tools) if tools.iter().all(is_known) => Ok(()),
            _ => Err(self.failed("HTTP 404, or the same tools", &said.describe())),
        }
    }
}
