//! Who acts in a scenario: agents, each with a server. The module keeps the output of servers that ended before their
//! scenario or that never started, because it is examined like that of all others.

use super::Scenario;
use crate::{
    instance::{Instance, RawConnection, StartError, setup::Setup},
    mcp::{
        connection::{Connection, Wire},
        http::SESSION,
        raw::RawHttp,
        transcript::Line,
    },
    redact::Secrets,
    slot::{Slot, SlotError, SlotKind},
    tap::Tap,
    vault::{oracle::Token, policy},
    verdict::{StepEnd, StepResult},
};

/// The agents of a scenario: one, and in a Vault of its own as many as the scenario gave itself.
#[derive(Default)]
pub struct Agents {
    /// All of them.
    pub all: Vec<Agent>,
    /// Which of them acts now.
    acting: usize,
    /// Whether each act is the next one's.
    pub(crate) in_turn: bool,
    /// What is left of servers that are no longer there.
    pub(crate) ended: EndedServers,
    /// Connections besides the agents' own, each to be stopped.
    pub(crate) connections: Vec<RawConnection>,
    /// Tokens that a server may act with, besides the one that it has.
    pub(crate) further_tokens: Vec<Token>,
}

/// An agent, and the slot whose target acts for it.
pub struct Agent {
    /// What the scenario calls it; empty where there is only one.
    pub(crate) name: String,
    /// What it runs on.
    pub slot: Slot,
}

/// What is left of the servers that ended before their scenario.
#[derive(Debug, Default)]
pub(crate) struct EndedServers {
    /// What each one said that the scenario has ended.
    pub said: Vec<Vec<Line>>,
    /// How many of their lines were too much to keep.
    pub dropped: usize,
    /// How many did not start, and said their token instead.
    pub told_token: usize,
}

impl Agents {
    /// Adds an agent, which acts from now on.
    pub(crate) fn add(&mut self, name: &str, slot: Slot) {
        self.acting = self.all.len();
        self.all.push(Agent {
            name: name.to_owned(),
            slot,
        });
    }

    /// Adds a server for the agent that acts.
    pub(crate) fn add_replica(&mut self, slot: Slot) {
        self.all.push(Agent {
            name: String::new(),
            slot,
        });
    }

    /// Lets the agent of this name act from now on; returns whether there is one.
    pub(crate) fn turn_to(&mut self, name: &str) -> bool {
        let found = self.all.iter().position(|agent| agent.name == name);
        self.acting = found.unwrap_or(self.acting);
        found.is_some()
    }

    /// Lets the next agent act, where they act in turn.
    pub(super) fn take_turn(&mut self) {
        if self.in_turn {
            self.acting = (self.acting + 1) % self.all.len().max(1);
        }
    }

    /// The slot of the agent that acts.
    pub(crate) fn acting_mut(&mut self) -> Option<&mut Slot> {
        Some(&mut self.all.get_mut(self.acting)?.slot)
    }

    /// The tokens of all servers.
    #[must_use]
    pub fn tokens(&self) -> Secrets {
        let mut tokens = Secrets::default();
        for token in self
            .all
            .iter()
            .filter_map(|agent| agent.slot.token.as_ref())
        {
            tokens.add("server's Vault token", token.secret.clone());
        }
        for token in &self.further_tokens {
            tokens.add("other Vault token", token.secret.clone());
        }
        tokens
    }

    /// What clients show to the servers.
    pub(super) fn credentials(&self) -> Secrets {
        let mut secrets = Secrets::default();
        for Agent { slot, .. } in &self.all {
            for credential in &slot.instance.credentials {
                secrets.add("client's credential", credential.clone());
            }
        }
        secrets
    }
}

impl Scenario {
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
            Some(refusal) => Err(StepEnd::blocked(refusal)),
        }
    }

    /// The same with a server that may as well not start; returns why it does not, if so.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub(crate) async fn try_to_start_server(
        &mut self,
        setup: Setup,
    ) -> StepResult<Option<StartError>> {
        let slot = match self.lease(setup).await? {
            Ok(slot) => slot,
            Err(refusal) => return Ok(Some(refusal)),
        };
        let knows_token = slot.token.is_some();
        self.agents.add("", slot);
        if knows_token {
            self.allow_all().await?;
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

    /// A server that is set up so, or why it does not start.
    pub(crate) async fn lease(&mut self, setup: Setup) -> StepResult<Result<Slot, StartError>> {
        let slot = match self.slots.lease(&self.kind(setup)).await {
            Ok(slot) => slot,
            Err(SlotError::Target(refusal)) => {
                self.agents.ended.told_token += usize::from(refusal.said_secret);
                return Ok(Err(refusal));
            }
            Err(problem) => return Err(StepEnd::blocked(problem)),
        };
        slot.instance.connection.transcript().begin_scenario();
        if let Some(tap) = &slot.tap {
            tap.forget();
        }
        Ok(Ok(slot))
    }

    /// Ends a server.
    pub(crate) async fn end_server(&mut self, slot: Slot) -> StepResult {
        // Before it is ended: what is cut short then is no fault of its own.
        let transcript = slot.instance.connection.transcript();
        let (said, dropped) = (transcript.examine(), transcript.dropped());
        self.agents.ended.dropped += dropped;
        self.agents.ended.said.push(said);
        // What it has asked of Vault was asked with this.
        self.agents.further_tokens.extend(slot.token.clone());
        self.slots.end(slot).await.map_err(StepEnd::blocked)
    }

    /// Ends the servers that the scenario has, so that it can have another: of some only one can run.
    pub(crate) async fn end_servers(&mut self) -> StepResult {
        for Agent { slot, .. } in std::mem::take(&mut self.agents.all) {
            self.end_server(slot).await?;
        }
        self.agents.acting = 0;
        Ok(())
    }

    /// Gives the agent's token all rights within the scenario.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub(crate) async fn allow_all(&self) -> StepResult {
        self.set_policy(&policy::sufficient(&self.prefix)).await
    }

    /// Gives the agent's token these rights.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub(crate) async fn set_policy(&self, hcl: &str) -> StepResult {
        let policy = &self.token()?.policy;
        let written = self.oracle.write_policy(policy, hcl).await;
        written.map_err(StepEnd::blocked)
    }

    /// The slot of the agent that acts.
    pub(crate) fn slot(&self) -> StepResult<&Slot> {
        let missing = || StepEnd::blocked("the scenario gave the agent no server");
        let agent = self.agents.all.get(self.agents.acting);
        Ok(&agent.ok_or_else(missing)?.slot)
    }

    /// Its server.
    pub(crate) fn instance(&self) -> StepResult<&Instance> {
        Ok(&self.slot()?.instance)
    }

    /// Its connection.
    pub(crate) fn connection(&self) -> StepResult<&Connection> {
        Ok(&self.instance()?.connection)
    }

    /// The token of its server.
    pub(crate) fn token(&self) -> StepResult<&Token> {
        let unknown =
            || StepEnd::blocked("the suite knows no token of a server that it did not start");
        self.slot()?.token.as_ref().ok_or_else(unknown)
    }

    /// What its server asks of Vault.
    pub(crate) fn tap(&self) -> StepResult<&Tap> {
        let missing = || StepEnd::blocked("the server's requests to Vault do not pass the suite");
        self.slot()?.tap.as_ref().ok_or_else(missing)
    }

    /// The endpoint of its server, for requests that no client makes.
    ///
    /// # Errors
    /// Blocked over stdio.
    pub(crate) fn endpoint(&self) -> StepResult<RawHttp> {
        let missing = || StepEnd::blocked("the transport is not HTTP");
        self.instance()?.endpoint().ok_or_else(missing)
    }

    /// Over HTTP the connection must have a session; over stdio it is one.
    ///
    /// # Errors
    /// Not applicable where the server gives out none.
    pub(crate) fn need_session(&self) -> StepResult {
        let connection = self.connection()?;
        let over_http = matches!(connection.wire(), Wire::Http(_));
        match over_http && !connection.session_headers().contains_key(SESSION) {
            true => Err(StepEnd::not_claimed("the server issues no sessions")),
            false => Ok(()),
        }
    }

    /// A further connection, on which nothing was said yet.
    ///
    /// # Errors
    /// Blocked when there can be none.
    pub(crate) async fn connect_again(&mut self) -> StepResult<&Connection> {
        let another = self.instance()?.another().await;
        self.agents
            .connections
            .push(another.map_err(StepEnd::blocked)?);
        self.further_connection()
    }

    /// The last of the further connections.
    ///
    /// # Errors
    /// Blocked when there is none.
    pub(crate) fn further_connection(&self) -> StepResult<&Connection> {
        let missing = || StepEnd::blocked("the further connection is gone");
        let last = self.agents.connections.last().ok_or_else(missing)?;
        Ok(&last.connection)
    }

    /// Ends the further connections.
    ///
    /// # Errors
    /// Blocked when one does not end.
    pub(crate) async fn disconnect(&mut self) -> StepResult {
        for connection in std::mem::take(&mut self.agents.connections) {
            connection.stop().await.map_err(StepEnd::blocked)?;
        }
        Ok(())
    }
}
