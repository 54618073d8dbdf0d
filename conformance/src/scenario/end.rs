//! The end of a scenario: gathers its evidence, and returns what it leased.

use super::{Scenario, agents::Agent};
use crate::{
    invariants::{DedicatedRequests, Evidence, ServerEvidence},
    mcp::transcript::{Line, Speaker, json_lines},
    redact::Secrets,
    slot::Slot,
    tap::{Exchange, Tap},
    transport::TransportKind,
    vault::{dedicated::DedicatedVaults, oracle::OracleError},
};

/// The result of a scenario that has ended.
pub(crate) struct Finish {
    /// The evidence about its servers.
    pub(crate) evidence: Evidence,
    /// The number of requests that its servers made to Vault.
    pub(crate) vault_requests: usize,
    /// Why some of the evidence is missing.
    pub(crate) problem: Option<String>,
}

impl Scenario {
    /// Removes the mounts and namespaces of the scenario. Those in a cluster of its own end with that.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub(crate) async fn remove_objects(&self) -> Result<(), OracleError> {
        if self.cluster.is_some() {
            return Ok(());
        }
        self.oracle.remove_inner_namespaces().await?;
        self.oracle.remove_mounts(&self.prefix).await
    }

    /// Gathers the evidence. The scenario must do nothing afterwards.
    pub(crate) async fn finish(&mut self) -> Finish {
        let (dedicated, problem) = match self.dedicated_requests().await {
            Ok(requests) => (requests, None),
            Err(problem) => (None, Some(problem)),
        };
        let mut vault_requests = 0;
        let mut servers = self.ended_servers();
        for Agent { slot, .. } in &mut self.agents.all {
            let transcript = slot.instance.connection.transcript();
            let (lines, dropped) = (transcript.examine(), transcript.dropped());
            let ended = match self.calls.is_unanswered() {
                true => slot.instance.ends().await,
                false => slot.instance.ended(),
            };
            // Requests to a Vault of the scenario's own are examined separately.
            let tokens = slot.token.iter().chain(&self.agents.further_tokens);
            let accessors = tokens.filter(|_| self.own.is_none());
            servers.push(ServerEvidence {
                lines,
                dropped,
                accessors: accessors.map(|token| token.accessor.clone()).collect(),
                ended: ended.map(|status| status.to_string()),
                is_on_stdio: self.planned.transport == TransportKind::Stdio,
            });
            vault_requests += exchanges(slot).len();
        }
        Finish {
            evidence: Evidence {
                scenario: self.planned.key.clone(),
                prefix: self.prefix.clone(),
                servers,
                refusals_with_token: self.agents.ended.told_token,
                dedicated,
                tokens: self.agents.tokens(),
                unasked: self.ledger.unasked(),
                values: self.ledger.all(),
                secrets: self.secrets(),
                crash: None,
            },
            vault_requests,
            problem,
        }
    }

    /// The messages, logs and requests of all its servers, in the order of time for each server.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let mut lines: Vec<_> = self.agents.ended.said.iter().flatten().cloned().collect();
        for Agent { slot, .. } in &self.agents.all {
            let mut of_server = slot.instance.connection.transcript().lines();
            of_server.extend(tapped(slot));
            of_server.sort_by_key(|line| line.at_ms);
            lines.extend(of_server);
        }
        lines
    }

    fn ended_servers(&self) -> Vec<ServerEvidence> {
        let ended = &self.agents.ended;
        let evidence = |lines: &Vec<Line>| ServerEvidence {
            lines: lines.clone(),
            dropped: ended.dropped,
            ..ServerEvidence::default()
        };
        ended.said.iter().map(evidence).collect()
    }

    /// The requests to the Vault that the scenario has to itself, if it has one and its audit log is readable.
    async fn dedicated_requests(&self) -> Result<Option<DedicatedRequests>, String> {
        let own = self.own.as_ref();
        let Some((own, audit)) = own.and_then(|own| Some((own, own.audit.as_ref()?))) else {
            return Ok(None);
        };
        audit.settle().await.map_err(|error| error.to_string())?;
        let agents = self.agents.all.iter();
        let tokens = agents.filter_map(|agent| agent.slot.token.as_ref());
        let tokens = tokens.chain(&self.agents.further_tokens);
        Ok(Some(DedicatedRequests {
            entries: audit.entries_since(own.leased_at, |_| true),
            accessors: tokens.map(|token| token.accessor.clone()).collect(),
        }))
    }

    /// All messages and log lines of the servers, and their requests to Vault: lines of JSON, with secrets redacted.
    pub(crate) fn transcript(&self) -> String {
        let secrets = self.secrets();
        let ended = (self.agents.ended.said.iter()).map(|lines| json_lines(lines, &secrets));
        let agents = self.agents.all.iter();
        ended
            .chain(agents.map(|agent| transcript(&agent.slot, &secrets)))
            .collect()
    }

    /// Returns or ends what the scenario leased; returns what could not be ended.
    pub(crate) async fn release(
        mut self,
        dedicated_vaults: &DedicatedVaults,
        reusable: bool,
    ) -> Vec<String> {
        let mut problems = Vec::new();
        for connection in std::mem::take(&mut self.agents.connections) {
            problems.extend(connection.stop().await.err());
        }
        for Agent { slot, .. } in self.agents.all {
            let released = match reusable {
                true => self.slots.give_back(slot).await,
                false => self.slots.end(slot).await,
            };
            problems.extend(released.err());
        }
        if let Some(cluster) = self.cluster {
            problems.extend(cluster.stop().await.err());
        }
        if let Some(own) = self.own {
            problems.extend(dedicated_vaults.give_back(own).await.err());
        }
        problems
    }
}

fn exchanges(slot: &Slot) -> Vec<Exchange> {
    slot.tap.as_ref().map(Tap::exchanges).unwrap_or_default()
}

fn transcript(slot: &Slot, secrets: &Secrets) -> String {
    let transcript = slot.instance.connection.transcript();
    transcript.to_json_lines(tapped(slot), secrets)
}

/// The requests of a server to Vault, on the clock of its transcript.
fn tapped(slot: &Slot) -> Vec<Line> {
    let transcript = slot.instance.connection.transcript();
    let line = |exchange: Exchange| Line {
        at_ms: transcript.millis(exchange.at),
        speaker: Speaker::Vault,
        text: exchange.to_string(),
    };
    exchanges(slot).into_iter().map(line).collect()
}
