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

/// The agents of a scenario: one, or in a Vault of its own as many as the scenario adds.
#[derive(Default)]
pub struct Agents {
    /// All agents.
    pub all: Vec<Agent>,
    /// The agent that acts now, by its position.
    acting: usize,
    /// Whether each act is performed by the next agent.
    pub(crate) in_turn: bool,
    /// What is kept of servers that have ended.
    pub(crate) ended: EndedServers,
    /// Connections in addition to the agents' own; each must be stopped.
    pub(crate) connections: Vec<RawConnection>,
    /// Tokens that a server may use, in addition to its own.
    pub(crate) further_tokens: Vec<Token>,
}

/// An agent, and the slot whose target acts for it.
pub struct Agent {
    /// The name in the scenario; empty if there is only one agent.
    pub(crate) name: String,
    /// The slot.
    pub slot: Slot,
}

/// What is kept of servers that ended before their scenario.
#[derive(Debug, Default)]
pub(crate) struct EndedServers {
    /// The lines of each server that the scenario has ended.
    pub said: Vec<Vec<Line>>,
    /// How many of their lines were dropped.
    pub dropped: usize,
    /// How many servers did not start, and printed their token.
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

    /// Lets the agent with this name act from now on; returns whether it exists.
    pub(crate) fn turn_to(&mut self, name: &str) -> bool {
        let found = self.all.iter().position(|agent| agent.name == name);
        self.acting = found.unwrap_or(self.acting);
        found.is_some()
    }

    /// Lets the next agent act, if they act in turn.
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

    /// The credentials that clients send to the servers.
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
    /// Gives the agent a server with this setup, whose token has all rights in the scenario. That agent acts from now
    /// on.
    ///
    /// # Errors
    /// If Vault rejects a request, or the server does not start. If the server claims the mode, this is a failure.
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

    /// Like [`Scenario::start_server`], for a server that need not start; returns why it does not, if so.
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

    /// The kind of slot that this scenario uses.
    pub(crate) fn kind(&self, setup: Setup) -> SlotKind {
        SlotKind {
            transport: self.planned.transport,
            revision: self.planned.revision,
            setup,
        }
    }

    /// Leases a slot for a server with this setup, or returns why the server does not start.
    pub(crate) async fn lease(&mut self, setup: Setup) -> StepResult<Result<Slot, StartError>> {
        let kind = self.kind(setup);
        let leased = match (&self.own, &self.cluster) {
            (Some(own), _) => self.slots.lease_on(&own.oracle, &kind).await,
            (None, Some(_)) => self.slots.lease_on(&self.oracle, &kind).await,
            (None, None) => self.slots.lease(&kind).await,
        };
        let slot = match leased {
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
        // The output is collected before the end: a message that is cut short by the end is not the server's fault.
        let transcript = slot.instance.connection.transcript();
        let (said, dropped) = (transcript.examine(), transcript.dropped());
        self.agents.ended.dropped += dropped;
        self.agents.ended.said.push(said);
        // The server made its requests to Vault with this token.
        self.agents.further_tokens.extend(slot.token.clone());
        self.slots.end(slot).await.map_err(StepEnd::blocked)
    }

    /// Ends the scenario's servers before another one starts, since some targets can only run once.
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
        self.set_policy(&self.all_rights()).await
    }

    /// The policy with all rights within the scenario.
    pub(crate) fn all_rights(&self) -> String {
        let mut hcl = policy::sufficient(&self.prefix);
        if let Some(mount) = &self.target.adapter.mount {
            hcl += &policy::sufficient(mount);
        }
        hcl
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

    /// The server of the agent that acts.
    pub(crate) fn instance(&self) -> StepResult<&Instance> {
        Ok(&self.slot()?.instance)
    }

    /// The connection of the agent that acts.
    pub(crate) fn connection(&self) -> StepResult<&Connection> {
        Ok(&self.instance()?.connection)
    }

    /// The token of the server of the agent that acts.
    pub(crate) fn token(&self) -> StepResult<&Token> {
        let unknown =
            || StepEnd::blocked("the suite knows no token of a server that it did not start");
        self.slot()?.token.as_ref().ok_or_else(unknown)
    }

    /// The tap of the server of the agent that acts.
    pub(crate) fn tap(&self) -> StepResult<&Tap> {
        let missing = || StepEnd::blocked("the server's requests to Vault do not pass the suite");
        self.slot()?.tap.as_ref().ok_or_else(missing)
    }

    /// The endpoint of the server, for requests that no client makes.
    ///
    /// # Errors
    /// Blocked over stdio.
    pub(crate) fn endpoint(&self) -> StepResult<RawHttp> {
        let missing = || StepEnd::blocked("the transport is not HTTP");
        self.instance()?.endpoint().ok_or_else(missing)
    }

    /// Checks that the connection has a session. Over stdio, the connection is one.
    ///
    /// # Errors
    /// Not applicable if the server issues none.
    pub(crate) fn need_session(&self) -> StepResult {
        let connection = self.connection()?;
        let over_http = matches!(connection.wire(), Wire::Http(_));
        match over_http && !connection.session_headers().contains_key(SESSION) {
            true => Err(StepEnd::not_claimed("the server issues no sessions")),
            false => Ok(()),
        }
    }

    /// Opens a further connection, without any message so far.
    ///
    /// # Errors
    /// Blocked if this is not possible.
    pub(crate) async fn connect_again(&mut self) -> StepResult<&Connection> {
        let another = self.instance()?.another().await;
        self.agents
            .connections
            .push(another.map_err(StepEnd::blocked)?);
        self.further_connection()
    }

    /// The last further connection.
    ///
    /// # Errors
    /// Blocked if there is none.
    pub(crate) fn further_connection(&self) -> StepResult<&Connection> {
        let missing = || StepEnd::blocked("the further connection is gone");
        let last = self.agents.connections.last().ok_or_else(missing)?;
        Ok(&last.connection)
    }

    /// Ends the further connections.
    ///
    /// # Errors
    /// Blocked if one does not end.
    pub(crate) async fn disconnect(&mut self) -> StepResult {
        for connection in std::mem::take(&mut self.agents.connections) {
            connection.stop().await.map_err(StepEnd::blocked)?;
        }
        Ok(())
    }
}
