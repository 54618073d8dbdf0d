//! Everything that crossed the wire between suite and target, in order.

use std::{collections::BTreeSet, time::Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::redact::Secrets;

/// The limit of one transcript for lines that are no protocol messages. Later lines are dropped and counted.
const MAX_LOG_BYTES: usize = 64 << 20;
/// The limit for all other lines. It is separate, so that no log can displace a message.
const MAX_MESSAGE_BYTES: usize = 256 << 20;

/// The range of request ids of each connection; no scenario makes so many requests on one.
pub const IDS_OF_A_CONNECTION: u64 = 1_000_000;

/// The origin of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The suite, to the target.
    Suite,
    /// The target, in a protocol message.
    Target,
    /// The target, on standard output, but not a protocol message.
    Noise,
    /// The target, on standard error or in an HTTP header.
    Log,
    /// The tap, about a request that the target made to Vault.
    Vault,
    /// The suite, about an event.
    Note,
}

impl Speaker {
    /// Whether the line comes from the target.
    #[must_use]
    pub const fn is_target(self) -> bool {
        matches!(self, Self::Target | Self::Noise | Self::Log)
    }

    /// The name in transcripts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Suite => "suite",
            Self::Target => "target",
            Self::Noise => "target stdout",
            Self::Log => "target log",
            Self::Vault => "tap",
            Self::Note => "note",
        }
    }
}

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Milliseconds since the connection was opened.
    pub at_ms: u128,
    /// The origin.
    pub speaker: Speaker,
    /// The text, not redacted.
    pub text: String,
}

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<Line>,
    /// How many of the lines belong to the start of the connection, not to a scenario.
    prelude: usize,
    /// How many of the lines have been returned for examination.
    examined: usize,
    /// Lines that arrived between the examination of one scenario and the beginning of the next.
    late: Vec<Line>,
    log_bytes: usize,
    message_bytes: usize,
    /// How many lines were dropped.
    dropped: usize,
    /// How many dropped lines belong to the start of the connection.
    dropped_in_prelude: usize,
}

impl Lines {
    fn bytes(&mut self, speaker: Speaker) -> (&mut usize, usize) {
        match speaker {
            Speaker::Log | Speaker::Noise => (&mut self.log_bytes, MAX_LOG_BYTES),
            _ => (&mut self.message_bytes, MAX_MESSAGE_BYTES),
        }
    }

    /// The target's lines that have not been examined yet.
    fn take_unexamined(&mut self) -> Vec<Line> {
        let mut lines = std::mem::take(&mut self.late);
        let since = self.lines.iter().skip(self.examined);
        lines.extend(since.filter(|line| line.speaker.is_target()).cloned());
        self.examined = self.lines.len();
        lines
    }
}

/// The lines of one connection: its beginning, and the scenario that now uses it.
#[derive(Debug)]
pub struct Transcript {
    start: Instant,
    inner: Mutex<Lines>,
}

impl Default for Transcript {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            inner: Mutex::default(),
        }
    }
}

impl Transcript {
    /// Adds a line.
    pub fn record(&self, speaker: Speaker, text: impl Into<String>) {
        let (text, at_ms) = (text.into(), self.start.elapsed().as_millis());
        let mut inner = self.inner.lock();
        let (bytes, most) = inner.bytes(speaker);
        if *bytes + text.len() > most {
            inner.dropped += 1;
            return;
        }
        *bytes += text.len();
        inner.lines.push(Line {
            at_ms,
            speaker,
            text,
        });
    }

    /// Marks all lines so far as the beginning, which every scenario's transcript contains.
    pub fn end_prelude(&self) {
        let mut inner = self.inner.lock();
        inner.prelude = inner.lines.len();
        inner.dropped_in_prelude = inner.dropped;
    }

    /// Drops the lines of the last scenario, except lines of the target that were not examined.
    pub fn begin_scenario(&self) {
        let mut inner = self.inner.lock();
        if inner.examined > inner.prelude {
            inner.late = inner.take_unexamined();
        }
        let prelude = inner.prelude;
        inner.lines.truncate(prelude);
        inner.examined = prelude;
        (inner.log_bytes, inner.message_bytes) = (0, 0);
        let kept = inner.lines.iter().chain(&inner.late);
        let kept: Vec<_> = kept.map(|line| (line.speaker, line.text.len())).collect();
        for (speaker, bytes) in kept {
            *inner.bytes(speaker).0 += bytes;
        }
        inner.dropped = inner.dropped_in_prelude;
    }

    /// All lines of the present scenario and the beginning, for examination, after those that arrived too late for the
    /// previous scenario.
    #[must_use]
    pub fn examine(&self) -> Vec<Line> {
        let mut inner = self.inner.lock();
        let mut lines = std::mem::take(&mut inner.late);
        lines.extend(inner.lines.iter().cloned());
        inner.examined = inner.lines.len();
        lines
    }

    /// The target's lines since its lines were examined.
    #[must_use]
    pub fn unexamined(&self) -> Vec<Line> {
        self.inner.lock().take_unexamined()
    }

    /// How many lines of the present scenario and of the beginning were dropped.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.inner.lock().dropped
    }

    /// The beginning and the lines of the present scenario.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.inner.lock().lines.clone()
    }

    /// The lines of the present scenario alone.
    #[must_use]
    pub fn scenario_lines(&self) -> Vec<Line> {
        let inner = self.inner.lock();
        inner.lines.iter().skip(inner.prelude).cloned().collect()
    }

    /// The last lines of the target that are no protocol messages, for an error message.
    #[must_use]
    pub fn last_words(&self, speaker: Speaker, count: usize) -> Vec<String> {
        let inner = self.inner.lock();
        let mut last: Vec<_> = inner
            .lines
            .iter()
            .rev()
            .filter(|line| line.speaker == speaker)
            .take(count)
            .map(|line| line.text.clone())
            .collect();
        last.reverse();
        last
    }

    /// The time on this transcript's clock, in milliseconds.
    #[must_use]
    pub fn millis(&self, at: Instant) -> u128 {
        at.saturating_duration_since(self.start).as_millis()
    }

    /// The lines as [`json_lines`], together with lines from elsewhere, in the order of time.
    #[must_use]
    pub fn to_json_lines(&self, seen_elsewhere: Vec<Line>, secrets: &Secrets) -> String {
        let inner = self.inner.lock();
        let mut lines: Vec<_> = inner.lines.iter().chain(&seen_elsewhere).collect();
        lines.sort_by_key(|line| line.at_ms);
        let mut out = json_lines(lines, secrets);
        if inner.dropped > 0 {
            let note = format!("{} further lines were not kept", inner.dropped);
            out.push_str(&json!({ "who": Speaker::Note.name(), "text": note }).to_string());
            out.push('\n');
        }
        out
    }
}

/// Requests that were open at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// The maximum number of requests.
    pub requests: usize,
    /// The maximum number of connections with such requests.
    pub connections: usize,
}

/// How many requests of the suite were open at the same time, in the order of the lines.
#[must_use]
pub fn most_open(lines: &[Line]) -> Open {
    let (mut open, mut most) = (BTreeSet::new(), Open::default());
    for line in lines {
        let message: Value = match line.speaker {
            Speaker::Suite | Speaker::Target => {
                serde_json::from_str(&line.text).unwrap_or_default()
            }
            _ => continue,
        };
        let Some(id) = message["id"].as_u64() else {
            continue;
        };
        match (line.speaker, message["method"].is_string()) {
            (Speaker::Suite, true) => open.insert(id),
            (Speaker::Target, false) => open.remove(&id),
            _ => continue,
        };
        most.requests = most.requests.max(open.len());
        let connections: BTreeSet<_> = open.iter().map(|id| id / IDS_OF_A_CONNECTION).collect();
        most.connections = most.connections.max(connections.len());
    }
    most
}

/// These lines as JSON Lines, with secrets replaced: `{"at_ms", "who", "text" | "message"}`.
pub fn json_lines<'l>(lines: impl IntoIterator<Item = &'l Line>, secrets: &Secrets) -> String {
    let mut out = String::new();
    for line in lines {
        let text = secrets.redact(&written(&line.text));
        let entry = match serde_json::from_str::<Value>(&text) {
            Ok(message) if message.is_object() || message.is_array() => {
                json!({ "at_ms": line.at_ms, "who": line.speaker.name(), "message": message })
            }
            _ => json!({ "at_ms": line.at_ms, "who": line.speaker.name(), "text": text }),
        };
        out.push_str(&entry.to_string());
        out.push('\n');
    }
    out
}

/// A message with its long texts replaced by their length. Long texts do not help a reader, and searching megabytes for
/// secrets delays all scenarios.
pub(super) fn written(text: &str) -> String {
    const LONG: usize = 64 << 10;
    fn shorten(value: &mut Value) {
        match value {
            Value::String(text) if text.len() > LONG => {
                *text = format!("({} bytes of text)", text.len());
            }
            Value::Array(items) => items.iter_mut().for_each(shorten),
            Value::Object(fields) => fields.values_mut().for_each(shorten),
            _ => {}
        }
    }
    if text.len() <= LONG {
        return text.to_owned();
    }
    match serde_json::from_str::<Value>(text) {
        Ok(mut message) => {
            shorten(&mut message);
            message.to_string()
        }
        Err(_) => format!("({} bytes that are no JSON)", text.len()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{IDS_OF_A_CONNECTION, Line, Open, Speaker, Transcript, most_open, written};
    use crate::redact::Secrets;

    #[test]
    fn a_long_text_is_written_down_by_its_length_alone() {
        let long = json!({ "id": 1, "params": { "value": "x".repeat(70_000), "key": "k" } });
        let seen: Value = serde_json::from_str(&written(&long.to_string())).unwrap();
        let expected = json!({ "value": "(70000 bytes of text)", "key": "k" });
        assert_eq!(seen, json!({ "id": 1, "params": expected }));
        assert_eq!(written("{ short"), "{ short");
        assert_eq!(
            written(&"[".repeat(70_000)),
            "(70000 bytes that are no JSON)"
        );
    }

    #[test]
    fn what_is_open_at_once_is_what_was_asked_and_not_yet_answered() {
        let transcript = Transcript::default();
        let ask = |id: u64| {
            let text = json!({ "id": id, "method": "tools/call" }).to_string();
            transcript.record(Speaker::Suite, text);
        };
        let answer = |id: u64| {
            let text = json!({ "id": id, "result": {} }).to_string();
            transcript.record(Speaker::Target, text);
        };
        let seen = |requests, connections| {
            let open = Open {
                requests,
                connections,
            };
            assert_eq!(most_open(&transcript.lines()), open);
        };
        seen(0, 0);
        for id in [1, 2] {
            ask(id);
            answer(id);
        }
        transcript.record(Speaker::Suite, r#"{"method":"notifications/initialized"}"#);
        seen(1, 1);
        ask(3);
        ask(4);
        answer(3);
        ask(IDS_OF_A_CONNECTION + 1);
        seen(2, 2);
        ask(5);
        seen(3, 2);
    }

    #[test]
    fn a_scenario_sees_the_beginning_and_itself_but_not_its_predecessor() {
        let transcript = Transcript::default();
        transcript.record(Speaker::Suite, "initialize");
        transcript.end_prelude();
        transcript.record(Speaker::Suite, "first");
        transcript.begin_scenario();
        transcript.record(Speaker::Suite, "second");
        let texts: Vec<_> = transcript.lines().into_iter().map(|l| l.text).collect();
        assert_eq!(texts, ["initialize", "second"]);
        assert_eq!(transcript.scenario_lines().len(), 1);
    }

    fn said(lines: Vec<Line>) -> Vec<String> {
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn what_comes_after_a_scenario_was_examined_is_examined_with_the_next_one() {
        let transcript = Transcript::default();
        transcript.record(Speaker::Log, "starting");
        transcript.end_prelude();
        transcript.begin_scenario();
        transcript.record(Speaker::Log, "first");
        assert_eq!(said(transcript.examine()), ["starting", "first"]);
        transcript.record(Speaker::Log, "late");
        transcript.record(Speaker::Suite, "of no target");
        transcript.begin_scenario();
        assert_eq!(said(transcript.lines()), ["starting"]);
        transcript.record(Speaker::Log, "second");
        assert_eq!(said(transcript.examine()), ["late", "starting", "second"]);
        assert!(transcript.unexamined().is_empty());
        transcript.record(Speaker::Log, "at the end");
        assert_eq!(said(transcript.unexamined()), ["at the end"]);
        assert!(transcript.unexamined().is_empty());
    }

    #[test]
    fn what_was_never_examined_is_all_unexamined() {
        let transcript = Transcript::default();
        transcript.record(Speaker::Log, "starting");
        transcript.end_prelude();
        transcript.record(Speaker::Log, "ending");
        assert_eq!(said(transcript.unexamined()), ["starting", "ending"]);
    }

    #[test]
    fn a_log_that_is_too_long_to_keep_is_counted_and_hides_no_message() {
        let transcript = Transcript::default();
        let megabyte = "x".repeat(1 << 20);
        for _ in 0..65 {
            transcript.record(Speaker::Log, megabyte.as_str());
        }
        transcript.record(Speaker::Target, "message");
        assert_eq!(transcript.dropped(), 1);
        assert_eq!(said(transcript.lines()).last().unwrap(), "message");
        transcript.begin_scenario();
        assert_eq!(transcript.dropped(), 0);
        transcript.record(Speaker::Log, "short");
        assert_eq!(said(transcript.lines()), ["short"]);
    }

    #[test]
    fn what_is_written_out_carries_no_secret() {
        let transcript = Transcript::default();
        transcript.record(Speaker::Target, r#"{"token":"hvs.0123456789"}"#);
        let mut secrets = Secrets::default();
        secrets.add("vault token", "hvs.0123456789".into());
        let written = transcript.to_json_lines(Vec::new(), &secrets);
        assert!(
            written.contains(r#""message":{"token":"[vault token]"}"#),
            "{written}"
        );
    }
}
