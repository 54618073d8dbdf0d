//! What the suite monitors in every scenario, for the requirements that apply whatever the agent does.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::{
    cause::{Cause, is_crash},
    engines::Operation,
    mcp::{
        inbox::SentRequest,
        transcript::{Line, Speaker},
        wire,
    },
    policy_matrix::PolicyCell,
    redact::{Searchable, Secrets},
    transport::{Revision, TransportKind},
    vault::{
        audit::{AuditEntry, AuditLog},
        oracle::CORRELATION_ID,
    },
};

/// What the suite monitors in every scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invariant {
    /// The target sent or logged its Vault token.
    TokenSaid,
    /// The target sent or logged a value that the agent did not request.
    ValueSaid,
    /// The target sent an invalid message.
    InvalidMessage,
    /// The target sent a request or a notification for which no capability was declared.
    NotNegotiated,
    /// Standard output contains something other than messages.
    Noise,
    /// The target's process ended.
    Ended,
    /// A request to Vault had another token than the target's own.
    ForeignToken,
}

impl Invariant {
    /// The invariant that the requirement with this id checks, if it applies to every scenario.
    #[must_use]
    pub fn of_requirement(id: &str) -> Option<Self> {
        Some(match id {
            "ambient.token-unseen" => Self::TokenSaid,
            "ambient.values-unseen" => Self::ValueSaid,
            "ambient.messages-valid" => Self::InvalidMessage,
            "ambient.only-agreed" => Self::NotNegotiated,
            "ambient.stdout-clean" => Self::Noise,
            "ambient.alive" => Self::Ended,
            "ambient.own-token" => Self::ForeignToken,
            _ => return None,
        })
    }

    /// Whether it is checked in what the target sends and logs.
    #[must_use]
    pub const fn shows_in_lines(self) -> bool {
        match self {
            Self::TokenSaid
            | Self::ValueSaid
            | Self::InvalidMessage
            | Self::NotNegotiated
            | Self::Noise => true,
            Self::Ended | Self::ForeignToken => false,
        }
    }
}

/// One violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The violated invariant.
    pub concern: Invariant,
    /// The key of the scenario.
    pub scenario: String,
    /// What was seen, with secrets redacted.
    pub what: String,
    /// The crash, if the process ended in one.
    pub crash: Option<Cause>,
}

impl Finding {
    fn foreign_token(scenario: &str, entry: &AuditEntry) -> Self {
        Self {
            concern: Invariant::ForeignToken,
            scenario: scenario.to_owned(),
            what: format!("{} {} with another token", entry.operation, entry.path),
            crash: None,
        }
    }
}

/// What was seen on one transport and revision.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// How many scenarios were monitored.
    pub scenarios: usize,
    /// The violations.
    pub findings: Vec<Finding>,
    /// The first scenario of which some lines were not kept, and how many.
    pub dropped: Option<(String, usize)>,
    /// The decided cells of the policy matrix.
    pub cells: Vec<PolicyCell>,
    /// The owners of the scenarios' names in Vault.
    owners: Vec<Owner>,
}

/// A request to Vault about a name with this prefix must have the token of one of these accessors.
#[derive(Clone, Debug)]
struct Owner {
    scenario: String,
    prefix: String,
    accessors: Vec<String>,
}

impl Watched {
    /// The scenarios that show a violation of an invariant, by key.
    pub(crate) fn scenarios_with(&self, concern: Invariant) -> impl Iterator<Item = &str> {
        let found = (self.findings.iter()).filter(move |finding| finding.concern == concern);
        found.map(|finding| finding.scenario.as_str())
    }

    /// The cause of all violations of an invariant, if it is one and the same, and the first scenario that shows it.
    pub(crate) fn cause_of(&self, concern: Invariant) -> (Option<Cause>, Option<String>) {
        let mut found = (self.findings.iter()).filter(|finding| finding.concern == concern);
        let Some(first) = found.next() else {
            return (None, None);
        };
        let is_common = first.crash.is_some() && found.all(|other| other.crash == first.crash);
        let cause = first.crash.clone().filter(|_| is_common);
        let caused_by = first.crash.as_ref().map(|_| first.scenario.clone());
        (cause, caused_by)
    }
}

/// The monitor of a whole run.
#[derive(Debug, Default)]
pub struct InvariantMonitor {
    seen: Mutex<HashMap<Binding, Watched>>,
}

/// The transport and revision of a target.
pub type Binding = (TransportKind, Revision);

/// The evidence of one scenario.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The key of the scenario.
    pub scenario: String,
    /// The prefix of its names in Vault.
    pub prefix: String,
    /// The evidence about each of its servers.
    pub servers: Vec<ServerEvidence>,
    /// How many servers did not start and printed their token.
    pub refusals_with_token: usize,
    /// The requests to the Vault that it had to itself.
    pub dedicated: Option<DedicatedRequests>,
    /// The tokens of its servers.
    pub tokens: Secrets,
    /// Values that the agent neither wrote nor requested.
    pub unasked: Secrets,
    /// All values of the scenario; none of them may be in a log.
    pub values: Secrets,
    /// All secrets of the scenario, for redacting.
    pub secrets: Secrets,
    /// The crash of one of its servers.
    pub crash: Option<Cause>,
}

/// The evidence about one server.
#[derive(Clone, Debug, Default)]
pub struct ServerEvidence {
    /// All lines of its transcript.
    pub lines: Vec<Line>,
    /// How many further lines were not kept.
    pub dropped: usize,
    /// The accessors of the tokens that the server may use, if known.
    pub accessors: Vec<String>,
    /// How its process ended, if it has.
    pub ended: Option<String>,
    /// Whether it has one client alone, over stdio.
    pub is_on_stdio: bool,
}

/// The requests to the Vault that one scenario has to itself.
#[derive(Clone, Debug)]
pub struct DedicatedRequests {
    /// The entries of its audit log.
    pub entries: Vec<Arc<AuditEntry>>,
    /// The accessors of the tokens that servers may use.
    pub accessors: Vec<String>,
}

impl DedicatedRequests {
    /// A request that was made neither by the suite nor by a server with one of its tokens.
    fn foreign(&self) -> Option<&AuditEntry> {
        let foreign = self.entries.iter().find(|entry| {
            entry.correlation_id.as_deref() != Some(CORRELATION_ID)
                && (entry.accessor.as_ref()).is_some_and(|a| !self.accessors.contains(a))
        });
        foreign.map(Arc::as_ref)
    }
}

impl InvariantMonitor {
    /// Examines the evidence of one scenario; returns whether there is a violation. `transcript` has the lines of the
    /// scenario's transcript.
    pub fn examine(
        &self,
        way: Binding,
        evidence: &Evidence,
        transcript: impl Fn() -> Vec<Line>,
    ) -> bool {
        let found = findings(way.1, evidence, &transcript);
        let any = !found.is_empty();
        let mut seen = self.seen.lock();
        let watched = seen.entry(way).or_default();
        watched.scenarios += evidence.servers.len() + evidence.refusals_with_token.min(1);
        watched.findings.extend(found);
        for server in &evidence.servers {
            if server.dropped > 0 && watched.dropped.is_none() {
                watched.dropped = Some((evidence.scenario.clone(), server.dropped));
            }
            if !server.accessors.is_empty() {
                watched.owners.push(Owner {
                    scenario: evidence.scenario.clone(),
                    prefix: evidence.prefix.clone(),
                    accessors: server.accessors.clone(),
                });
            }
        }
        any
    }

    /// Records a line, redacted, in which the target logged a token while it was ended.
    pub fn note_leak_at_end(&self, way: Binding, said: &str) {
        let finding = Finding {
            concern: Invariant::TokenSaid,
            scenario: "the end of a server".to_owned(),
            what: format!("a log contains the server's Vault token: {said}"),
            crash: None,
        };
        self.seen
            .lock()
            .entry(way)
            .or_default()
            .findings
            .push(finding);
    }

    /// Records cells of the policy matrix.
    pub fn note_policy_cells(&self, way: Binding, cells: Vec<PolicyCell>) {
        self.seen.lock().entry(way).or_default().cells.extend(cells);
    }

    /// The whole policy matrix, by operation and transport; the policies are in the order in which they were checked.
    #[must_use]
    pub fn policy_matrix(&self) -> Vec<PolicyCell> {
        let seen = self.seen.lock();
        let mut cells: Vec<_> = (seen.values())
            .flat_map(|watched| watched.cells.clone())
            .collect();
        // The sort is stable: the policies of one operation stay in the order in which they were checked.
        cells.sort_by_key(|cell| {
            let transport = TransportKind::named(&cell.transport);
            (Operation::named(&cell.operation), transport)
        });
        cells
    }

    /// Examines Vault's audit log from this entry on. Each request about a scenario's names must come from the suite,
    /// or from the target with its own token.
    pub fn examine_audit(&self, audit: &AuditLog, from: u64) {
        let foreign = audit.entries_since(from, |entry| {
            entry.correlation_id.as_deref() != Some(CORRELATION_ID)
        });
        for watched in self.seen.lock().values_mut() {
            for owner in &watched.owners {
                let other = foreign.iter().find(|entry| {
                    let accessor = entry.accessor.as_ref();
                    entry.path.contains(&owner.prefix)
                        && accessor.is_some_and(|a| !owner.accessors.contains(a))
                });
                if let Some(entry) = other {
                    let finding = Finding::foreign_token(&owner.scenario, entry);
                    watched.findings.push(finding);
                }
            }
        }
    }

    /// Whether this violation was seen on this transport.
    #[must_use]
    pub fn has_seen(&self, transport: TransportKind, concern: Invariant) -> bool {
        let seen = self.seen.lock();
        let mut on_it = seen.iter().filter(|(way, _)| way.0 == transport);
        on_it.any(|(_, watched)| watched.findings.iter().any(|f| f.concern == concern))
    }

    /// What was seen on this transport and revision.
    #[must_use]
    pub fn seen(&self, way: Binding) -> Watched {
        self.seen.lock().get(&way).cloned().unwrap_or_default()
    }
}

fn findings(
    revision: Revision,
    evidence: &Evidence,
    transcript: &dyn Fn() -> Vec<Line>,
) -> Vec<Finding> {
    let finding = |concern, what: String| Finding {
        concern,
        scenario: evidence.scenario.clone(),
        what,
        crash: (evidence.crash.clone()).filter(|_| concern == Invariant::Ended),
    };
    let mut findings: Vec<_> = (evidence.servers.iter())
        .flat_map(|server| findings_of_server(revision, evidence, server, transcript))
        .map(|(concern, what)| finding(concern, what))
        .collect();
    for _ in 0..evidence.refusals_with_token {
        findings.push(finding(
            Invariant::TokenSaid,
            "the output of a server that does not start contains its Vault token".to_owned(),
        ));
    }
    let foreign = evidence.dedicated.as_ref();
    if let Some(entry) = foreign.and_then(DedicatedRequests::foreign) {
        findings.push(Finding::foreign_token(&evidence.scenario, entry));
    }
    findings
}

fn findings_of_server(
    revision: Revision,
    evidence: &Evidence,
    server: &ServerEvidence,
    transcript: &dyn Fn() -> Vec<Line>,
) -> Vec<(Invariant, String)> {
    let mut findings = Vec::new();
    for line in &server.lines {
        let log = match line.speaker {
            Speaker::Log | Speaker::Noise => true,
            Speaker::Target => false,
            Speaker::Suite | Speaker::Vault | Speaker::Note => continue,
        };
        let place = if log { "a log or header" } else { "a message" };
        let text = Searchable::new(&line.text);
        if let Some(label) = evidence.tokens.found(&text) {
            findings.push((
                Invariant::TokenSaid,
                format!(
                    "{place} contains the {label}{}",
                    place_in(&transcript(), line)
                ),
            ));
        }
        let forbidden = match log {
            true => &evidence.values,
            false => &evidence.unasked,
        };
        if let Some(label) = forbidden.found(&text) {
            findings.push((
                Invariant::ValueSaid,
                format!(
                    "{place} contains the {label}{}",
                    place_in(&transcript(), line)
                ),
            ));
        }
        if line.speaker == Speaker::Noise {
            let shown = evidence.secrets.redact(&line.text);
            findings.push((Invariant::Noise, shown.chars().take(200).collect()));
        }
    }
    if let Some(problem) = wire::first_problem(&server.lines, revision) {
        findings.push((Invariant::InvalidMessage, evidence.secrets.redact(&problem)));
    }
    if let Some(message) = wire::first_not_negotiated(&server.lines) {
        findings.push((Invariant::NotNegotiated, evidence.secrets.redact(&message)));
    }
    if let Some(how) = &server.ended
        && !may_end(server, how)
    {
        findings.push((Invariant::Ended, format!("its process ended: {how}")));
    }
    findings
}

/// Whether a server may end like this: over stdio, without a crash, after its only client sent what the protocol forbids.
fn may_end(server: &ServerEvidence, how: &str) -> bool {
    let mut sent = server
        .lines
        .iter()
        .filter(|line| line.speaker == Speaker::Suite);
    server.is_on_stdio
        && !is_crash(how, &server.lines)
        && sent.any(|line| !wire::is_message(&line.text))
}

/// Where a line is: the call before it, and its number in the transcript. Empty if the transcript does not have it.
fn place_in(transcript: &[Line], line: &Line) -> String {
    let is_it = |other: &Line| other.speaker == line.speaker && other.text == line.text;
    let Some(index) = transcript.iter().position(is_it) else {
        return String::new();
    };
    let before = transcript[..index].iter().rev();
    let mut calls = before
        .filter(|line| line.speaker == Speaker::Suite)
        .filter_map(|line| SentRequest::of(&line.text).tool);
    let call = calls
        .next()
        .map_or_else(String::new, |tool| format!(" in a call of `{tool}`"));
    format!("{call} (line {} of the transcript)", index + 1)
}

#[cfg(test)]
mod tests {
    use super::{Evidence, Invariant, ServerEvidence, findings};
    use crate::{
        mcp::transcript::{Line, Speaker},
        redact::Secrets,
        requirement,
        transport::Revision,
    };

    const TOKEN: &str = "hvs.0123456789abcdef";
    const ASKED: &str = "asked-for-0123456789";
    const UNASKED: &str = "unasked-0123456789ab";

    fn seen(speaker: Speaker, text: &str) -> Vec<Invariant> {
        let secrets = |known: &[&str]| {
            let mut secrets = Secrets::default();
            known
                .iter()
                .for_each(|secret| secrets.add("secret", (*secret).into()));
            secrets
        };
        let line = Line {
            at_ms: 0,
            speaker,
            text: text.to_owned(),
        };
        let evidence = Evidence {
            servers: vec![ServerEvidence {
                lines: vec![line],
                ..ServerEvidence::default()
            }],
            tokens: secrets(&[TOKEN]),
            unasked: secrets(&[UNASKED]),
            values: secrets(&[ASKED, UNASKED]),
            secrets: secrets(&[TOKEN, ASKED, UNASKED]),
            ..Evidence::default()
        };
        let findings = findings(Revision::R2025_11_25, &evidence, &Vec::new);
        for finding in &findings {
            for secret in [TOKEN, ASKED, UNASKED] {
                assert!(!finding.what.contains(secret), "{finding:?}");
            }
        }
        findings
            .into_iter()
            .map(|finding| finding.concern)
            .collect()
    }

    fn message(text: &str) -> String {
        serde_json::json!({ "jsonrpc": "2.0", "method": "notifications/message",
            "params": { "level": "info", "data": text } })
        .to_string()
    }

    #[test]
    fn over_stdio_a_server_may_end_without_a_crash_after_what_is_no_message() {
        let line = |speaker, text: &str| Line {
            at_ms: 0,
            speaker,
            text: text.to_owned(),
        };
        let ends = |sent: &str, how: &str, log: &str, is_on_stdio| {
            let server = ServerEvidence {
                lines: vec![line(Speaker::Suite, sent), line(Speaker::Log, log)],
                ended: Some(how.to_owned()),
                is_on_stdio,
                ..ServerEvidence::default()
            };
            super::may_end(&server, how)
        };
        let (odd, exit, log) = ("{ this is no JSON", "exit status: 1", "bad input");
        assert!(ends(odd, exit, log, true));
        let message = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        assert!(!ends(message, exit, log, true));
        assert!(!ends(odd, "signal: 9 (SIGKILL)", log, true));
        assert!(!ends(odd, exit, "panic: bad input", true));
        assert!(!ends(odd, exit, log, false));
    }

    #[test]
    fn every_ambient_requirement_is_about_something_that_is_watched() {
        let requirements = requirement::all().unwrap();
        for ambient in requirements.iter().filter(|r| r.is_ambient()) {
            let concern = Invariant::of_requirement(&ambient.id);
            assert!(concern.is_some(), "{}", ambient.id);
        }
    }

    #[test]
    fn a_leak_is_told_with_its_tool_and_its_line_in_the_transcript() {
        let line = |speaker, text: String| Line {
            at_ms: 0,
            speaker,
            text,
        };
        let call = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "read_secret", "arguments": {} } });
        let lines = vec![
            line(Speaker::Note, "connected".to_owned()),
            line(Speaker::Suite, call.to_string()),
            line(Speaker::Log, format!("using {TOKEN}")),
        ];
        let mut tokens = Secrets::default();
        tokens.add("server's Vault token", TOKEN.into());
        let evidence = Evidence {
            servers: vec![ServerEvidence {
                lines: lines.clone(),
                ..ServerEvidence::default()
            }],
            tokens,
            ..Evidence::default()
        };
        let findings = findings(Revision::R2025_11_25, &evidence, &|| lines.clone());
        let told: Vec<_> = findings
            .iter()
            .map(|finding| finding.what.as_str())
            .collect();
        assert_eq!(
            told,
            [
                "a log or header contains the server's Vault token in a call of `read_secret` (line 3 of the transcript)"
            ]
        );
    }

    #[test]
    fn the_token_is_seen_wherever_the_target_says_it() {
        assert_eq!(
            seen(Speaker::Target, &message(TOKEN)),
            [Invariant::TokenSaid]
        );
        assert_eq!(seen(Speaker::Log, TOKEN), [Invariant::TokenSaid]);
        assert_eq!(
            seen(Speaker::Noise, TOKEN),
            [Invariant::TokenSaid, Invariant::Noise]
        );
        assert_eq!(seen(Speaker::Suite, TOKEN), []);
    }

    #[test]
    fn a_value_that_was_asked_for_belongs_into_the_answer_and_not_into_a_log() {
        assert_eq!(seen(Speaker::Target, &message(ASKED)), []);
        assert_eq!(
            seen(Speaker::Target, &message(UNASKED)),
            [Invariant::ValueSaid]
        );
        assert_eq!(seen(Speaker::Log, ASKED), [Invariant::ValueSaid]);
    }
}
