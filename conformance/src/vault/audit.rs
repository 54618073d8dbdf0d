//! Vault's audit log: which requests Vault received, and what it answered. A file audit device writes to stdout. The
//! suite collects the lines there and keeps the newest ones, so no file has to be shared with Vault.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::distr::{Alphanumeric, SampleString};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::Notify;

use super::api::{ApiError, RootApi};

/// The path of the suite's audit device, below `sys/audit/`; also in [`super::binary::DEV_CONFIG`].
pub const AUDIT_DEVICE: &str = "conformance";

const MAX_ENTRIES: usize = 200_000;
const MAX_BYTES: usize = 256 * 1024 * 1024;
const SETTLE: Duration = Duration::from_secs(20);

/// The audit log of one running Vault. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AuditLog {
    records: Records,
    api: RootApi,
}

/// Which part of an exchange an entry records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditKind {
    /// Written before Vault acts.
    Request,
    /// Written before Vault answers.
    Response,
}

/// One line of the audit log. Vault hashes strings in the data of requests and answers (HMAC). The fields here are
/// plain.
#[derive(Debug)]
pub struct AuditEntry {
    /// A number that increases by one with each entry of this Vault, in the order of the log.
    pub sequence: u64,
    /// Request or response.
    pub kind: AuditKind,
    /// When Vault wrote it.
    pub time: OffsetDateTime,
    /// The id that a request and its response share.
    pub request_id: String,
    /// The accessor of the token; `None` if the token was missing or unknown.
    pub accessor: Option<String>,
    /// `read`, `update`, `create`, `delete`, `list`, `patch`, ... as Vault saw it.
    pub operation: String,
    /// The path, without `/v1/`.
    pub path: String,
    /// The path of the namespace; empty in the root namespace.
    pub namespace: String,
    /// The `X-Correlation-Id` of the client.
    pub correlation_id: Option<String>,
    /// The error, such as a denial.
    pub error: Option<String>,
    raw: Box<str>,
}

impl AuditEntry {
    /// The whole entry as Vault wrote it.
    pub fn raw(&self) -> Value {
        // The line was parsed as JSON when it was collected.
        serde_json::from_str(&self.raw).unwrap_or(Value::Null)
    }
}

/// Why the audit log cannot be enabled or read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Vault rejected the audit device.
    #[error("cannot enable the audit device: {0}")]
    Enable(#[source] ApiError),
    /// The request that marks a point in the log failed.
    #[error("cannot mark a point in the audit log: {0}")]
    Mark(#[source] ApiError),
    /// A marked request did not appear in the log.
    #[error(
        "the audit log did not catch up within {} s: is Vault's stdout still read?",
        SETTLE.as_secs()
    )]
    Behind,
}

impl AuditLog {
    /// Enables the audit device, unless Vault has it from its configuration. `records` must already receive Vault's
    /// stdout.
    pub(super) async fn enable(api: RootApi, records: Records) -> Result<Self, AuditError> {
        let log = Self { records, api };
        if !log.is_enabled().await? {
            log.enable_by_request().await?;
        }
        log.show_correlation_ids().await?;
        log.settle().await?;
        Ok(log)
    }

    async fn is_enabled(&self) -> Result<bool, AuditError> {
        let devices = self.api.ask(Method::GET, "sys/audit", None).await;
        let devices: Value = devices.map_err(AuditError::Enable)?;
        Ok(devices["data"].get(format!("{AUDIT_DEVICE}/")).is_some())
    }

    async fn enable_by_request(&self) -> Result<(), AuditError> {
        // Accessors are no secrets, and they identify the token of a request.
        let device = serde_json::json!({
            "type": "file",
            "description": "read by the conformance suite",
            "options": { "file_path": "stdout", "hmac_accessor": "false" },
        });
        let path = format!("sys/audit/{AUDIT_DEVICE}");
        let enabled = self.api.put(&path, &device).await;
        enabled.map_err(AuditError::Enable)
    }

    /// Lets the log have the header by which the suite's requests are known; Vault 1.17 and later do so by default.
    async fn show_correlation_ids(&self) -> Result<(), AuditError> {
        let path = "sys/config/auditing/request-headers/x-correlation-id";
        let plain = serde_json::json!({ "hmac": false });
        let shown = self.api.put(path, &plain).await;
        shown.map_err(AuditError::Enable)
    }

    /// The kept entries that `wanted` selects, oldest first.
    ///
    /// Entries are complete only up to the last [`AuditLog::settle`].
    pub fn entries(&self, wanted: impl Fn(&AuditEntry) -> bool) -> Vec<Arc<AuditEntry>> {
        self.entries_since(0, wanted)
    }

    /// Like [`Self::entries`], from the entry with this sequence number on.
    pub fn entries_since(
        &self,
        sequence: u64,
        wanted: impl Fn(&AuditEntry) -> bool,
    ) -> Vec<Arc<AuditEntry>> {
        let state = self.records.0.state.lock();
        let since = state.since(sequence);
        since.filter(|entry| wanted(entry)).cloned().collect()
    }

    /// The sequence number of the next entry.
    pub fn next_sequence(&self) -> u64 {
        self.records.0.state.lock().next_sequence
    }

    /// How many entries were dropped to limit memory, or could not be parsed. An absence proves something only if this
    /// number stays the same.
    pub fn lost(&self) -> u64 {
        self.records.0.state.lock().lost
    }

    /// Waits until all requests that Vault has answered so far are among the entries.
    ///
    /// Makes one request with the root token, to a random path in its cubbyhole. Vault writes its log in order, so all
    /// earlier entries are present when that request appears.
    ///
    /// # Errors
    /// [`AuditError::Mark`] if Vault does not answer, [`AuditError::Behind`] after 20 s.
    pub async fn settle(&self) -> Result<(), AuditError> {
        let mark = Alphanumeric.sample_string(&mut rand::rng(), 20);
        let path = format!("cubbyhole/audit-mark-{mark}");
        let from = self.next_sequence();
        self.api.get(&path).await.map_err(AuditError::Mark)?;
        let seen = self.records.wait_for(from, |entry| {
            entry.kind == AuditKind::Response && entry.path == path
        });
        tokio::time::timeout(SETTLE, seen)
            .await
            .map_err(|_| AuditError::Behind)
    }
}

/// The collected entries, shared by the log and the task that reads Vault's stdout.
#[derive(Clone, Debug, Default)]
pub(super) struct Records(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    grown: Notify,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Arc<AuditEntry>>,
    bytes: usize,
    next_sequence: u64,
    lost: u64,
}

impl Records {
    /// Handles a line of Vault's stdout. A line that is not JSON does not belong to the audit log.
    pub(super) fn line(&self, line: &str) {
        if !line.starts_with('{') {
            return;
        }
        let parsed = serde_json::from_str::<Line>(line);
        {
            let mut state = self.0.state.lock();
            match parsed {
                Ok(parsed) => state.push(parsed, line, MAX_ENTRIES, MAX_BYTES),
                Err(_) => state.lost += 1,
            }
        }
        self.0.grown.notify_waiters();
    }

    async fn wait_for(&self, from: u64, wanted: impl Fn(&AuditEntry) -> bool) {
        loop {
            let grown = self.0.grown.notified();
            let found = {
                let state = self.0.state.lock();
                let mut newest_first = state.since(from).rev();
                newest_first.any(|entry| wanted(entry))
            };
            if found {
                return;
            }
            grown.await;
        }
    }
}

impl State {
    fn push(&mut self, line: Line, raw: &str, max_entries: usize, max_bytes: usize) {
        let entry = line.into_entry(self.next_sequence, raw);
        self.next_sequence += 1;
        self.bytes += raw.len();
        self.entries.push_back(Arc::new(entry));
        while self.entries.len() > max_entries || self.bytes > max_bytes {
            let Some(oldest) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= oldest.raw.len();
            self.lost += 1;
        }
    }

    fn since(&self, sequence: u64) -> impl DoubleEndedIterator<Item = &Arc<AuditEntry>> {
        let first = (self.entries).partition_point(|entry| entry.sequence < sequence);
        self.entries.range(first..)
    }
}

/// The fields of a line that the suite needs.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: AuditKind,
    #[serde(with = "time::serde::rfc3339")]
    time: OffsetDateTime,
    #[serde(default)]
    auth: Auth,
    request: Request,
    error: Option<String>,
}

#[derive(Default, Deserialize)]
struct Auth {
    accessor: Option<String>,
}

#[derive(Deserialize)]
struct Request {
    id: String,
    operation: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    namespace: Namespace,
    #[serde(default)]
    headers: Headers,
}

#[derive(Default, Deserialize)]
struct Namespace {
    #[serde(default)]
    path: String,
}

#[derive(Default, Deserialize)]
struct Headers {
    #[serde(default, rename = "x-correlation-id")]
    correlation_id: Vec<String>,
}

impl Line {
    fn into_entry(self, sequence: u64, raw: &str) -> AuditEntry {
        AuditEntry {
            sequence,
            kind: self.kind,
            time: self.time,
            request_id: self.request.id,
            accessor: self.auth.accessor.filter(|accessor| !accessor.is_empty()),
            operation: self.request.operation,
            path: self.request.path,
            namespace: self.request.namespace.path,
            correlation_id: self.request.headers.correlation_id.into_iter().next(),
            error: self.error.filter(|error| !error.is_empty()),
            raw: raw.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENIED: &str = r#"{"auth":{"accessor":"acc-1"},"error":"permission denied","request":{"headers":{"x-correlation-id":["corr-3"]},"id":"281beb40","namespace":{"id":"root"},"operation":"read","path":"secret/data/nope"},"time":"2026-11-21T10:35:06.711938644Z","type":"request"}"#;

    fn line(path: &str) -> String {
        DENIED.replace("secret/data/nope", path)
    }

    #[test]
    fn an_entry_says_who_asked_for_what_and_what_went_wrong() {
        let records = Records::default();
        records.line(DENIED);
        let state = records.0.state.lock();
        let entry = &state.entries[0];
        assert_eq!(entry.kind, AuditKind::Request);
        assert_eq!(entry.request_id, "281beb40");
        assert_eq!(entry.accessor.as_deref(), Some("acc-1"));
        assert_eq!(entry.operation, "read");
        assert_eq!(entry.path, "secret/data/nope");
        assert_eq!(entry.namespace, "");
        assert_eq!(entry.correlation_id.as_deref(), Some("corr-3"));
        assert_eq!(entry.error.as_deref(), Some("permission denied"));
        assert_eq!(entry.raw()["request"]["namespace"]["id"], "root");
    }

    #[test]
    fn the_banner_of_a_dev_vault_is_no_entry_and_no_loss() {
        let records = Records::default();
        records.line("==> Vault server configuration:");
        records.line("");
        let state = records.0.state.lock();
        assert_eq!((state.entries.len(), state.lost), (0, 0));
    }

    #[test]
    fn a_line_that_cannot_be_read_counts_as_lost() {
        let records = Records::default();
        records.line(r#"{"type":"request","request":"#);
        assert_eq!(records.0.state.lock().lost, 1);
    }

    #[test]
    fn the_oldest_entries_go_first_and_are_counted() {
        for (entries, bytes) in [(2, usize::MAX), (usize::MAX, 2 * line("a").len())] {
            let mut state = State::default();
            for path in ["a", "b", "c"] {
                let raw = line(path);
                state.push(serde_json::from_str(&raw).unwrap(), &raw, entries, bytes);
            }
            let kept: Vec<_> = state.entries.iter().map(|entry| &entry.path).collect();
            assert_eq!(kept, ["b", "c"]);
            assert_eq!((state.lost, state.next_sequence), (1, 3));
        }
    }

    #[test]
    fn what_came_since_is_found_however_much_of_what_was_before_is_kept() {
        let raw = line("a");
        let mut state = State::default();
        for _ in 0..5 {
            state.push(serde_json::from_str(&raw).unwrap(), &raw, 3, usize::MAX);
        }
        for (since, expected) in [(0, &[2, 3, 4][..]), (3, &[3, 4]), (5, &[]), (9, &[])] {
            let found: Vec<_> = state.since(since).map(|entry| entry.sequence).collect();
            assert_eq!(found, expected);
        }
    }
}
