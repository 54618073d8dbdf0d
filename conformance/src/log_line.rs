//! Parses a line of a server's log: one JSON object, or `key=value` pairs as in logfmt. The suite prescribes no field
//! names: it recognises a field by its value, or by the names that are common for it.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::instance::answer::tells_of_denial;

/// Constant expressions, which the tests compile.
mod expressions {
    use super::{LazyLock, Regex};

    macro_rules! expression {
        ($name:ident, $text:expr) => {
            pub(super) static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($text).unwrap());
        };
    }

    expression!(COLOURS, r"\x1b\[[0-9;]*m");
    expression!(
        PAIR,
        r#"(?:^|[\s{,(])([A-Za-z_@][\w.@-]*)=("(?:[^"\\]|\\.)*"|[^\s,})]*)"#
    );
    expression!(TIME, r"\b\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d");
    expression!(TIME_KEY, r"(?i)^(@?t(s|ime(stamp)?)?|date(time)?)$");
    expression!(SESSION_KEY, r"(?i)session");
    expression!(
        OUTCOME_KEY,
        r"(?i)^(outcome|result|status|state|verdict|success|succeeded|ok|err(or)?|is_?error)$"
    );
    expression!(
        OUTCOME,
        r"(?i)\b(ok|success\w*|succe\w+ed|fail\w*|error|denied|complet\w+|done)\b"
    );
    expression!(
        DURATION_KEY,
        r"(?i)duration|elapsed|latency|took|seconds|milli|micro|(^|[._])(ms|us|ns|dur)$|time_?taken"
    );
    expression!(
        CORRELATION_KEY,
        r"(?i)(correlation|trace|request|call)[._-]?id"
    );
    expression!(CODE, r"\b403\b");
}

/// A fact about a call that a line can contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFact {
    /// The time of the call.
    Time,
    /// The session.
    Session,
    /// The tool.
    Tool,
    /// The path in Vault.
    Path,
    /// The outcome.
    Outcome,
    /// That Vault denied it.
    Denial,
    /// The duration.
    Duration,
    /// The id with which it is found elsewhere.
    Correlation,
}

impl LogFact {
    /// All facts.
    const ALL: [Self; 8] = [
        Self::Time,
        Self::Session,
        Self::Tool,
        Self::Path,
        Self::Outcome,
        Self::Denial,
        Self::Duration,
        Self::Correlation,
    ];

    /// The fact with this name in features.
    #[must_use]
    pub fn named(words: &str) -> Option<Self> {
        Some(match words {
            "the time" => Self::Time,
            "its session" => Self::Session,
            "the tool" => Self::Tool,
            "the path in Vault" => Self::Path,
            "how it ended" => Self::Outcome,
            "that Vault has denied it" => Self::Denial,
            "how long it took" => Self::Duration,
            "a correlation id" => Self::Correlation,
            _ => return None,
        })
    }
}

/// What other evidence shows about a call.
#[derive(Clone, Debug, Default)]
pub struct KnownCall {
    /// The tool that was called.
    pub tool: String,
    /// The paths of its requests to Vault, without `/v1/` and query.
    pub paths: Vec<String>,
    /// The object of the call, as the agent names it: a mount, and a path in it.
    pub about: Vec<String>,
    /// The correlation ids of its requests to Vault.
    pub correlation_ids: Vec<String>,
}

/// A line with fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    text: String,
    fields: Vec<(String, String)>,
}

impl LogLine {
    /// Parses a line; `None` if it has no fields.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let text = expressions::COLOURS
            .replace_all(line.trim(), "")
            .into_owned();
        let mut fields = Vec::new();
        match serde_json::from_str::<Value>(&text) {
            Ok(value) if value.is_object() => collect("", &value, &mut fields),
            _ => fields.extend(expressions::PAIR.captures_iter(&text).map(|pair| {
                let value: Option<String> = serde_json::from_str(&pair[2]).ok();
                (
                    pair[1].to_owned(),
                    value.unwrap_or_else(|| pair[2].to_owned()),
                )
            })),
        }
        fields.retain(|(_, value)| !value.is_empty());
        (!fields.is_empty()).then_some(Self { text, fields })
    }

    /// The line.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the line contains this fact about a call.
    #[must_use]
    pub fn tells(&self, fact: LogFact, call: &KnownCall) -> bool {
        let keyed = |expression: &'static Regex| self.keyed(expression);
        match fact {
            LogFact::Time => {
                expressions::TIME.is_match(&self.text)
                    || keyed(&expressions::TIME_KEY).any(starts_with_digit)
            }
            LogFact::Session => keyed(&expressions::SESSION_KEY).next().is_some(),
            LogFact::Tool => self.values().any(|value| has_word(value, &call.tool)),
            LogFact::Path => {
                let has = |path: &String| self.values().any(|value| value.contains(path));
                let has_part =
                    |part: &String| self.values().any(|value| value.trim_matches('/') == part);
                call.paths.iter().any(has)
                    || (!call.about.is_empty() && call.about.iter().all(has_part))
            }
            LogFact::Outcome => {
                keyed(&expressions::OUTCOME_KEY).next().is_some()
                    || self
                        .values()
                        .any(|value| expressions::OUTCOME.is_match(value))
            }
            LogFact::Denial => self
                .values()
                .any(|value| expressions::CODE.is_match(value) || tells_of_denial(value)),
            LogFact::Duration => keyed(&expressions::DURATION_KEY).any(starts_with_digit),
            LogFact::Correlation => {
                let known = |value: &str| call.correlation_ids.iter().any(|id| id == value);
                self.values().any(known) || keyed(&expressions::CORRELATION_KEY).next().is_some()
            }
        }
    }

    fn values(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(_, value)| value.as_str())
    }

    fn keyed(&self, expression: &'static Regex) -> impl Iterator<Item = &str> {
        let fields = self.fields.iter();
        let wanted = fields.filter(move |(key, _)| expression.is_match(key));
        wanted.map(|(_, value)| value.as_str())
    }
}

/// The line with the most facts about a call. It must contain the call's tool or path. Of two equal lines, the one with
/// the wanted fact is chosen.
#[must_use]
pub fn line_of(lines: &[LogLine], call: &KnownCall, wanted: LogFact) -> Option<LogLine> {
    let tells = |line: &LogLine, fact| line.tells(fact, call);
    let told = |line: &&LogLine| {
        let facts = LogFact::ALL.into_iter();
        let count = facts.filter(|fact| tells(line, *fact)).count();
        (count, tells(line, wanted))
    };
    let is_about = |line: &&LogLine| tells(line, LogFact::Tool) || tells(line, LogFact::Path);
    lines.iter().filter(is_about).max_by_key(told).cloned()
}

/// Whether a text contains a name, and not as a part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let is_end = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '-');
    let mut found = text.match_indices(word);
    found.any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        is_end(before.chars().next_back()) && is_end(after.chars().next())
    })
}

fn starts_with_digit(value: &str) -> bool {
    value.starts_with(|first: char| first.is_ascii_digit())
}

/// All values in an object at any depth, by the last part of their key.
fn collect(key: &str, value: &Value, into: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                collect(key, field, into);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(key, item, into)),
        Value::String(text) => into.push((key.to_owned(), text.clone())),
        Value::Null => {}
        other => into.push((key.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::{KnownCall, LogFact, LogLine, line_of};

    const ID: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
    const TEXT: &str = "2026-11-22T00:01:02.345678Z  INFO server::tools: call tool=\"read_secret\" \
        session=\"01234567\" vault_path=\"team/data/app/database\" vault_requests=1 outcome=\"ok\" duration_ms=3 \
        correlation_id=\"0f1e2d3c4b5a69788796a5b4c3d2e1f0\"";
    const JSON: &str = r#"{"ts":1795305662.3,"level":"info","msg":"call","fields":{"tool_name":"read_secret","session_id":"01234567","request":{"path":"/v1/team/data/app/database"},"ok":true,"elapsed":"3.1ms","cid":"0f1e2d3c4b5a69788796a5b4c3d2e1f0"}}"#;
    const DENIED: &str = r#"{"time":"2026-11-22T00:01:02Z","tool":"read_secret","status":403}"#;

    fn call() -> KnownCall {
        KnownCall {
            tool: "read_secret".to_owned(),
            paths: vec!["team/data/app/database".to_owned()],
            about: vec!["team".to_owned(), "app/database".to_owned()],
            correlation_ids: vec![ID.to_owned()],
        }
    }

    fn tells(line: &str, fact: LogFact) -> bool {
        LogLine::parse(line).is_some_and(|line| line.tells(fact, &call()))
    }

    #[test]
    fn a_line_of_text_and_one_of_json_tell_the_same() {
        for line in [TEXT, JSON] {
            for fact in LogFact::ALL {
                let is_told = fact != LogFact::Denial;
                assert_eq!(tells(line, fact), is_told, "{fact:?} in {line}");
            }
        }
    }

    #[test]
    fn what_is_left_out_is_not_told() {
        for (part, fact) in [
            ("2026-11-22T00:01:02.345678Z", LogFact::Time),
            ("session=\"01234567\"", LogFact::Session),
            ("tool=\"read_secret\"", LogFact::Tool),
            ("vault_path=\"team/data/app/database\"", LogFact::Path),
            ("outcome=\"ok\"", LogFact::Outcome),
            ("duration_ms=3", LogFact::Duration),
            (
                "correlation_id=\"0f1e2d3c4b5a69788796a5b4c3d2e1f0\"",
                LogFact::Correlation,
            ),
        ] {
            assert!(TEXT.contains(part), "{part}");
            let without = TEXT.replace(part, "");
            for other in LogFact::ALL {
                let is_told = other != fact && other != LogFact::Denial;
                assert_eq!(tells(&without, other), is_told, "{other:?} in {without}");
            }
        }
    }

    #[test]
    fn a_denial_is_told_by_its_status_or_in_words() {
        assert!(tells(DENIED, LogFact::Denial));
        assert!(tells(
            r#"msg="failed" error="permission denied""#,
            LogFact::Denial
        ));
        assert!(!tells(
            r#"{"tool":"read_secret","port":40312}"#,
            LogFact::Denial
        ));
    }

    #[test]
    fn prose_has_no_fields_and_quoted_values_are_read_whole() {
        assert_eq!(LogLine::parse("serving http://127.0.0.1:8080/mcp"), None);
        assert_eq!(LogLine::parse(""), None);
        let line = LogLine::parse(r#"msg="a \"b\" c=d" x=1"#).unwrap();
        let fields = [("msg", r#"a "b" c=d"#), ("x", "1")];
        let fields = fields.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(line.fields, fields);
    }

    #[test]
    fn a_tool_is_named_within_a_sentence_and_a_path_in_two_parts() {
        assert!(tells(
            r#"msg="Handling read_secret request""#,
            LogFact::Tool
        ));
        assert!(!tells(
            r#"msg="Handling read_secret_metadata request""#,
            LogFact::Tool
        ));
        assert!(tells("mount=team/ path=app/database", LogFact::Path));
        assert!(!tells("mount=team path=app", LogFact::Path));
    }

    #[test]
    fn the_line_of_a_call_is_the_one_that_tells_most() {
        let lines = [DENIED, TEXT, "a=b"].map(|line| LogLine::parse(line).unwrap());
        let of = |lines, fact| line_of(lines, &call(), fact);
        assert_eq!(of(&lines, LogFact::Denial), Some(lines[1].clone()));
        assert_eq!(of(&lines[2..], LogFact::Time), None);
    }

    #[test]
    fn of_two_lines_that_tell_as_much_the_one_that_tells_what_is_looked_for_counts() {
        let lines = [
            "tool=read_secret took=1ms",
            "tool=read_secret ok=true",
            "tool=read_secret",
        ];
        let lines = lines.map(|line| LogLine::parse(line).unwrap());
        let of = |fact| line_of(&lines, &call(), fact);
        assert_eq!(of(LogFact::Duration), Some(lines[0].clone()));
        assert_eq!(of(LogFact::Outcome), Some(lines[1].clone()));
    }
}
