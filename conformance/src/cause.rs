//! The causes of failures: what the server did in the call that failed, as far as the evidence of a scenario shows it.
//! Many scenarios can fail for one cause, so reports group failures by it.

use std::{collections::BTreeSet, sync::LazyLock};

use percent_encoding::percent_decode_str;
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    instance::{
        NOT_STARTED,
        answer::{is_question, text_of},
    },
    mcp::{
        inbox::NoReply,
        transcript::{Line, Speaker},
    },
    redact::Secrets,
};

/// The maximum length of a text of the target in a cause, in characters.
const LONGEST: usize = 140;

/// The kind of a cause. The order is that of reports: the most severe first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CauseKind {
    /// The server panicked, or its process ended, in a call.
    Crash,
    /// The server did not start, or was not reachable.
    NoStart,
    /// The server did not answer a call.
    NoAnswer,
    /// The server rejected a call because of its rate limit, which the adapter does not declare.
    RateLimit,
    /// The server made a request to Vault that its token does not allow.
    Denied,
    /// The server asked the client for input, for which no capability was declared.
    Question,
    /// The server changed an argument before it sent it to Vault.
    Argument,
    /// The server wrote the request body of KV version 2 to a mount of version 1.
    KvVersion,
    /// The server returned an error as an ordinary result, without `isError`.
    Unmarked,
    /// The server returned a success without any request to Vault.
    Memory,
    /// The server returned an error instead of a success.
    Error,
    /// None of these: what the requirement demands is not met.
    Requirement,
}

/// The cause of a failure.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Cause {
    /// Its kind.
    pub kind: CauseKind,
    /// What the server did, as a sentence without a full stop and with secrets redacted; for
    /// [`CauseKind::Requirement`], the requirement. Failures with the same text have the same cause.
    pub what: String,
}

impl Cause {
    /// The cause of a failure about which the evidence says no more: what a requirement demands is not met.
    #[must_use]
    pub fn of_requirement(demand: &str) -> Self {
        Self {
            kind: CauseKind::Requirement,
            what: demand.to_owned(),
        }
    }

    /// What the server did, if a reader of the requirement does not know it yet.
    #[must_use]
    pub fn beside_the_demand(&self) -> Option<&str> {
        (self.kind != CauseKind::Requirement).then_some(&self.what)
    }

    /// The cause in a report that names none.
    pub(crate) fn unknown() -> Self {
        Self::of_requirement("unknown")
    }

    /// The same, without secrets.
    pub(crate) fn redacted(self, secrets: &Secrets) -> Self {
        Self {
            what: secrets.redact(&self.what),
            ..self
        }
    }
}

/// The evidence of a scenario about the causes of its failure.
pub(crate) struct CauseEvidence<'e> {
    /// The messages, logs and requests of all its servers, in the order of time for each server.
    pub(crate) lines: Vec<Line>,
    /// How the process of a server ended, if one has.
    pub(crate) ended: Option<&'e str>,
    /// Whether requests to Vault would be seen.
    pub(crate) has_tap: bool,
    /// Whether the adapter declares a limit on calls.
    pub(crate) declares_limit: bool,
    /// The prefix of the scenario's random names. Causes do not contain it.
    pub(crate) prefix: &'e str,
}

/// A request of the suite, with what followed it.
struct Call<'l> {
    id: Value,
    /// The tool that it calls, or else its method.
    name: String,
    /// Whether it calls a tool.
    is_tool: bool,
    /// The texts in its arguments, by name, the longest first.
    arguments: Vec<(String, String)>,
    reply: Option<Value>,
    /// The requests to Vault that followed it, as the tap notes them.
    requests: Vec<&'l str>,
}

impl CauseEvidence<'_> {
    /// Why a check with this expectation failed; `None` if the evidence shows none of the known causes.
    pub(crate) fn cause_of(&self, expected: &str, actual: &str) -> Option<Cause> {
        if actual.starts_with(NOT_STARTED) {
            return Some(self.cause(CauseKind::NoStart, &start_failure(actual)));
        }
        let calls = calls(&self.lines);
        let last = last_of(&calls);
        let panicked = last.is_some_and(|call| call.reply.is_none() || call.is_error());
        if panicked && let Some(crash) = self.crash_in(&calls) {
            return Some(crash);
        }
        let call = last?;
        if calls.iter().any(Call::is_question) {
            let what = "the server asks the client for input that it did not offer (elicitation)";
            return Some(self.cause(CauseKind::Question, what));
        }
        let unmarked = || self.cause(CauseKind::Unmarked, "errors are not marked with `isError`");
        let is_row_of_matrix = actual.starts_with("under ");
        if call.hides_a_failure() || is_row_of_matrix && calls.iter().any(Call::hides_a_failure) {
            return Some(unmarked());
        }
        if calls.iter().any(Call::misencodes_an_argument) {
            let what = "arguments are not percent-encoded in paths, or are decoded twice";
            return Some(self.cause(CauseKind::Argument, what));
        }
        // No secret of the suite has a key of this name.
        if actual.contains(&unexpected("data")) {
            let is_in_version_2 =
                |request: &&str| is_accepted_write(request) && request.contains("/data/");
            let what = match call.requests.iter().any(is_in_version_2) {
                true => "the data of a secret is wrapped in `data` twice",
                false => "the request body of KV version 2 is written to a mount of version 1",
            };
            return Some(self.cause(CauseKind::KvVersion, what));
        }
        if NoReply::is_told_in(actual) {
            let what = format!("a call of `{}` is not answered", call.name);
            return Some(self.cause(CauseKind::NoAnswer, &what));
        }
        let is_from_memory =
            |call: &Call<'_>| self.has_tap && call.is_success() && call.requests.is_empty();
        if is_from_memory(call) || is_row_of_matrix && calls.iter().any(is_from_memory) {
            let what = "calls succeed without a request to Vault";
            return Some(self.cause(CauseKind::Memory, what));
        }
        // A row of the policy matrix has many calls, and its last one may have been right.
        if is_row_of_matrix {
            return None;
        }
        let wants_error = expected.starts_with("an error");
        let reply = call.reply.as_ref()?;
        if !call.is_error() {
            // A server that did what it was asked for is not wrong about how it says so.
            let mut requests = call.requests.iter();
            let did_it = requests.any(|request| is_accepted_write(request));
            let says_so = ERROR.is_match(&text_of(&reply["result"]));
            return (wants_error && !did_it && says_so).then(unmarked);
        }
        if wants_error || !actual.contains("an error: ") {
            return None;
        }
        if !self.declares_limit && tells_of_limit(&call.error()) {
            let what =
                "the server limits the rate of calls: declare its limit in [limits] of the adapter";
            return Some(self.cause(CauseKind::RateLimit, what));
        }
        let denied = call.requests.iter().rev().find_map(|request| {
            let (request, status) = request.split_once(" -> ")?;
            status.starts_with("403").then_some(request)
        });
        Some(match denied {
            Some(request) => {
                let request = call.without_arguments(request);
                let what = format!("the server requests {request}, which Vault denies");
                self.cause(CauseKind::Denied, &what)
            }
            None => {
                let error = call.without_arguments(&call.error());
                let what = format!("`{}` returns an error: {error}", call.name);
                self.cause(CauseKind::Error, &what)
            }
        })
    }

    /// The crash in a call, if there was one.
    pub(crate) fn crash(&self) -> Option<Cause> {
        self.crash_in(&calls(&self.lines))
    }

    fn crash_in(&self, calls: &[Call<'_>]) -> Option<Cause> {
        let unanswered = calls.iter().filter(|call| call.reply.is_none());
        let unanswered: BTreeSet<_> = unanswered.map(|call| call.name.as_str()).collect();
        let panic = logs(&self.lines).into_iter().find_map(panic_in);
        if (panic.is_some() || self.ended.is_some()) && unanswered.len() > 1 {
            let what = "several calls end the server or the connection";
            return Some(self.cause(CauseKind::Crash, what));
        }
        let name = last_of(calls).map_or("initialize", |call| call.name.as_str());
        let what = match (panic, self.ended) {
            (Some(panic), _) => format!("`{name}` panics: {panic}"),
            (None, Some(how)) => {
                let exception =
                    exception_in(&logs(&self.lines)).map(|exception| format!(": {exception}"));
                let exception = exception.unwrap_or_default();
                format!("the process ends in a call of `{name}`: {how}{exception}")
            }
            (None, None) => return None,
        };
        Some(self.cause(CauseKind::Crash, &what))
    }

    fn cause(&self, kind: CauseKind, what: &str) -> Cause {
        let what = what.replace(self.prefix, "");
        let what = VARIABLE.replace_all(what.lines().next().unwrap_or_default(), "…");
        let mut shown: String = what.chars().take(LONGEST).collect();
        if shown.len() < what.len() {
            shown.push('…');
        }
        Cause { kind, what: shown }
    }
}

impl Call<'_> {
    fn is_error(&self) -> bool {
        let reply = self.reply.as_ref();
        reply.is_some_and(|reply| !reply["error"].is_null() || reply["result"]["isError"] == true)
    }

    /// Whether it is a tool call that was reported as a success.
    fn is_success(&self) -> bool {
        let result = self.reply.as_ref().map(|reply| &reply["result"]);
        self.is_tool && result.is_some_and(Value::is_object) && !self.is_error()
    }

    /// Whether its answer is a request to the client.
    fn is_question(&self) -> bool {
        let reply = self.reply.as_ref();
        reply.is_some_and(|reply| is_question(&reply["result"]))
    }

    /// Whether it failed, and the server says so in an ordinary result: Vault refused it, or the text begins as that of an
    /// error does.
    fn hides_a_failure(&self) -> bool {
        let mut statuses = self.requests.iter().filter_map(|r| r.split_once(" -> "));
        let last = statuses.next_back().map_or("", |(_, status)| status);
        let is_refused = last.starts_with("400") || last.starts_with("403");
        let text = self.reply.as_ref().map(|reply| text_of(&reply["result"]));
        let says_so = |text: &str| is_refused && ERROR.is_match(text) || begins_with_error(text);
        let mut requests = self.requests.iter();
        self.is_success()
            && !requests.any(|request| is_accepted_write(request))
            && text.is_some_and(|text| says_so(&text))
    }

    /// Whether a request to Vault has an argument of this call as it is although it needs percent-encoding, or decoded once
    /// more, and none has the argument as Vault should read it.
    fn misencodes_an_argument(&self) -> bool {
        const ENCODED: [char; 4] = ['%', '#', '?', ' '];
        let has_raw = |text: &str| {
            let mut paths = self.requests.iter().filter_map(|r| r.split(' ').nth(1));
            paths.any(|path| path.contains(text))
        };
        self.arguments.iter().any(|(_, text)| {
            let decoded = percent_decode_str(text).decode_utf8_lossy();
            let is_decoded = decoded != *text && self.requests_path(&decoded);
            let is_raw = text.contains(ENCODED) && has_raw(text);
            (is_decoded || is_raw) && !self.requests_path(text)
        })
    }

    /// Whether the path of a request to Vault has this text in it, as Vault reads it.
    fn requests_path(&self, text: &str) -> bool {
        self.requests.iter().any(|request| {
            let path = request.split(' ').nth(1).unwrap_or_default();
            percent_decode_str(path).decode_utf8_lossy().contains(text)
        })
    }

    /// A text with the call's own arguments replaced by their names: they differ from scenario to scenario.
    fn without_arguments(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.arguments {
            text = text.replace(value, &format!("{{{name}}}"));
        }
        text
    }

    fn error(&self) -> String {
        let reply = self.reply.as_ref();
        reply.map_or_else(String::new, |reply| {
            match reply["error"]["message"].as_str() {
                Some(message) => message.to_owned(),
                None => text_of(&reply["result"]),
            }
        })
    }
}

/// What is said of a key that a secret should not have.
pub(crate) fn unexpected(key: &str) -> String {
    format!("{key} unexpected")
}

/// How a server that does not start ended, with the last line of its standard error if its process ended.
fn start_failure(actual: &str) -> String {
    let how = actual.lines().next().unwrap_or_default();
    let how = how.split("; ").next().unwrap_or_default();
    if !how.contains("ended") {
        return how.to_owned();
    }
    let stderr = actual
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("  stderr    "));
    match stderr {
        Some(said) => format!("{how}: {said}"),
        None => how.to_owned(),
    }
}

fn calls(lines: &[Line]) -> Vec<Call<'_>> {
    let mut calls: Vec<Call<'_>> = Vec::new();
    for line in lines {
        let message = || serde_json::from_str::<Value>(&line.text).ok();
        match line.speaker {
            Speaker::Suite => {
                if let Some(message) = message()
                    && let Some(method) = message["method"].as_str()
                    && !message["id"].is_null()
                {
                    let tool = message["params"]["name"].as_str();
                    calls.push(Call {
                        id: message["id"].clone(),
                        name: tool.unwrap_or(method).to_owned(),
                        is_tool: tool.is_some(),
                        arguments: texts_of(&message["params"]["arguments"]),
                        reply: None,
                        requests: Vec::new(),
                    });
                }
            }
            Speaker::Target => {
                if let Some(message) = message()
                    && message["method"].is_null()
                    && let Some(call) = calls.iter_mut().rev().find(|c| c.id == message["id"])
                {
                    call.reply = Some(message);
                }
            }
            Speaker::Vault => {
                if let Some(call) = calls.last_mut() {
                    call.requests.push(&line.text);
                }
            }
            Speaker::Noise | Speaker::Log | Speaker::Note => {}
        }
    }
    calls
}

/// The texts in arguments, by name, the longest first. A short text can stand anywhere by chance.
fn texts_of(arguments: &Value) -> Vec<(String, String)> {
    const SHORT: usize = 3;
    let fields = arguments.as_object().into_iter().flatten();
    let mut texts: Vec<_> = fields
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .filter(|(_, text)| text.len() > SHORT)
        .collect();
    texts.sort_by_key(|(_, text)| std::cmp::Reverse(text.len()));
    texts
}

/// The call that has no reply, or else the last one.
fn last_of<'c, 'l>(calls: &'c [Call<'l>]) -> Option<&'c Call<'l>> {
    let unanswered = calls.iter().rev().find(|call| call.reply.is_none());
    unanswered.or(calls.last())
}

/// Whether this request, as the tap notes it, changed something in Vault.
fn is_accepted_write(request: &str) -> bool {
    let reads = request.starts_with("GET ") || request.starts_with("LIST ");
    let status = request.split_once(" -> ").map(|(_, status)| status);
    !reads && status.is_some_and(|status| status.starts_with('2'))
}

/// Whether a text says that the rate of calls is limited.
pub(crate) fn tells_of_limit(text: &str) -> bool {
    LIMITED.is_match(text)
}

/// The message of a panic in a log, as Go and Rust write it.
fn panic_in(log: &str) -> Option<String> {
    let found = PANIC.captures(log)?;
    let message = found.get(1).or(found.get(2)).or(found.get(3))?;
    Some(message.as_str().to_owned())
}

/// Whether a process that ended like this crashed: by a signal, or with a failure after a panic or an exception in its log.
pub(crate) fn is_crash(how: &str, lines: &[Line]) -> bool {
    /// A shell reports the signal of its command with this and a higher status.
    const SIGNALLED: i32 = 128;
    let status = how
        .strip_prefix("exit status: ")
        .and_then(|status| status.parse().ok());
    match status {
        Some(0) => false,
        Some(SIGNALLED..) | None => true,
        Some(_) => shows_crash(lines),
    }
}

/// Whether a log shows a panic or an exception.
fn shows_crash(lines: &[Line]) -> bool {
    let logs = logs(lines);
    logs.iter().any(|log| panic_in(log).is_some()) || exception_in(&logs).is_some()
}

/// The lines of the logs, in order.
fn logs(lines: &[Line]) -> Vec<&str> {
    let logs = lines.iter().filter(|line| line.speaker == Speaker::Log);
    logs.map(|line| line.text.as_str()).collect()
}

/// The last exception in a log, as Python and Node.js write it. A server that lives on logs exceptions too, so this alone
/// is no crash.
fn exception_in<'l>(logs: &[&'l str]) -> Option<&'l str> {
    let of_python = |lines: &[&'l str]| {
        let is_stack = lines.first()?.contains("Traceback (most recent call last)");
        let mut after = lines.iter().skip(1);
        let last = after.find(|line| !line.starts_with(char::is_whitespace));
        is_stack.then_some(*last?)
    };
    let of_node = |lines: &[&'l str]| match lines {
        [error, stack, ..] if stack.starts_with("    at ") && EXCEPTION.is_match(error) => {
            Some(*error)
        }
        _ => None,
    };
    let starts = (0..logs.len()).rev();
    let mut tails = starts.map(|start| &logs[start..]);
    tails.find_map(|lines| of_python(lines).or_else(|| of_node(lines)))
}

/// The first line of an error of Node.js.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static EXCEPTION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^(?:Uncaught )?\w*(?:Error|Exception)(?: \[\w+\])?: .").unwrap());

#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static PANIC: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^(?:.*\b)?panic(?: serving \S+)?: (.+?)(?: \[recovered\].*)?$|^thread '.*panicked at (.+)$|^((?:fatal error: |Exception in thread |Unhandled exception).+)$",
    )
    .unwrap()
});

/// Words of a server that limits the rate of calls.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static LIMITED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)rate[ _-]?limit|too many (requests|calls)|\b429\b|retry after").unwrap()
});

/// Whether a text begins as that of an error does, so that it is one whatever it is called.
pub(crate) fn begins_with_error(text: &str) -> bool {
    BEGINNING.is_match(text)
}

/// The beginning of an error.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static BEGINNING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"^[\s\["{*]*(?i:error|failed|failure|exception|unable to|cannot|could not)\b"#)
        .unwrap()
});

/// Words of an error.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static ERROR: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)error|fail|den(y|ied)|forbid|refuse|reject|n't\b|\b(not|no|never|none|cannot|unable|invalid|missing|unknown|deleted|destroyed)\b",
    )
    .unwrap()
});

/// What differs from run to run: addresses, long numbers and random ids; and the value on which Go panics.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"interface \{\} is .+, not \S+(?: \{\})?|(?:127\.0\.0\.1|localhost|\[::1\]):\d+|0x[0-9a-f]+|\b[0-9a-f]{8}-[0-9a-f-]{27,}\b|\b[0-9a-fA-F]{12,}\b|\b\d{4,}\b",
    )
    .unwrap()
});

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Cause, CauseEvidence, CauseKind};
    use crate::mcp::transcript::{Line, Speaker};

    const PREFIX: &str = "vmc-12345678-s7-";

    fn line(speaker: Speaker, text: impl ToString) -> Line {
        let text = text.to_string();
        Line {
            at_ms: 0,
            speaker,
            text,
        }
    }

    fn called(id: u64, tool: &str) -> Line {
        let params = json!({ "name": tool, "arguments": {} });
        let call = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
        line(Speaker::Suite, call)
    }

    fn result(id: u64, text: &str, is_error: bool) -> Line {
        let content = json!([{ "type": "text", "text": text }]);
        let result = json!({ "content": content, "isError": is_error });
        line(
            Speaker::Target,
            json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        )
    }

    fn vault(exchange: &str) -> Line {
        line(Speaker::Vault, exchange)
    }

    fn cause(lines: Vec<Line>, ended: Option<&str>, failed: (&str, &str)) -> Option<Cause> {
        let evidence = CauseEvidence {
            lines,
            ended,
            has_tap: true,
            declares_limit: false,
            prefix: PREFIX,
        };
        evidence.cause_of(failed.0, failed.1)
    }

    #[track_caller]
    fn is(cause: Option<Cause>, kind: CauseKind, what: &str) {
        let expected = Cause {
            kind,
            what: what.to_owned(),
        };
        assert_eq!(cause, Some(expected));
    }

    const SUCCESS: &str = "an answer that reports success";
    const CLOSED: &str = "the connection ended before an answer: end of file";

    #[test]
    fn a_panic_is_one_cause_whether_or_not_the_process_survives_it() {
        let panic = "panic: interface conversion: interface {} is nil, not string";
        let what = "`delete` panics: interface conversion: …";
        let killed = vec![called(1, "delete"), line(Speaker::Log, panic)];
        is(
            cause(killed, Some("exit status: 2"), (SUCCESS, CLOSED)),
            CauseKind::Crash,
            what,
        );
        let serving = panic.replace("panic:", "panic serving 127.0.0.1:40312:");
        let log = format!("2026/11/30 13:00:00 http: {serving}");
        let survived = vec![called(1, "delete"), line(Speaker::Log, log)];
        is(
            cause(survived, None, (SUCCESS, CLOSED)),
            CauseKind::Crash,
            what,
        );
    }

    #[test]
    fn a_process_that_ends_silently_is_a_crash_in_the_call_without_answer() {
        is(
            cause(
                vec![called(1, "read"), result(1, "{}", false), called(2, "list")],
                Some("signal: 9 (SIGKILL)"),
                (SUCCESS, CLOSED),
            ),
            CauseKind::Crash,
            "the process ends in a call of `list`: signal: 9 (SIGKILL)",
        );
    }

    #[test]
    fn a_process_that_ends_with_an_exception_is_named_with_it() {
        let python = [
            "Traceback (most recent call last):",
            "  File \"server.py\", line 12, in read",
            "    return data[key]",
            "KeyError: 'value'",
        ];
        let node = [
            "        throw new TypeError(text)",
            "        ^",
            "",
            "TypeError: data is undefined",
            "    at read (server.js:12:15)",
        ];
        for (log, exception) in [(&python[..], "KeyError: 'value'"), (&node, node[3])] {
            let logs = log.iter().map(|text| line(Speaker::Log, text));
            let lines: Vec<_> = [called(1, "read")].into_iter().chain(logs).collect();
            let what = format!("the process ends in a call of `read`: exit status: 1: {exception}");
            is(
                cause(lines, Some("exit status: 1"), (SUCCESS, CLOSED)),
                CauseKind::Crash,
                &what,
            );
        }
    }

    #[test]
    fn a_scenario_in_which_several_calls_crash_has_a_cause_of_its_own() {
        let panic = || line(Speaker::Log, "panic: index out of range");
        is(
            cause(
                vec![called(1, "write"), panic(), called(1, "delete"), panic()],
                Some("exit status: 2"),
                (SUCCESS, CLOSED),
            ),
            CauseKind::Crash,
            "several calls end the server or the connection",
        );
    }

    #[test]
    fn a_log_that_mentions_a_panic_is_no_crash_of_a_call_that_succeeds() {
        let lines = vec![
            line(Speaker::Log, "panic: the handler for panics is installed"),
            called(1, "read"),
            vault("GET /v1/secret/data/x -> 200 OK"),
            result(1, "{}", false),
        ];
        assert_eq!(cause(lines, None, ("the keys a, b", "a success: {}")), None);
    }

    #[test]
    fn a_call_without_answer_of_a_server_that_lives_is_named_by_its_tool() {
        is(
            cause(
                vec![called(1, "read")],
                None,
                (SUCCESS, "no answer within 10 s"),
            ),
            CauseKind::NoAnswer,
            "a call of `read` is not answered",
        );
    }

    #[test]
    fn a_denied_request_is_named_without_random_names() {
        is(
            cause(
                vec![
                    called(1, "read"),
                    vault("GET /v1/sys/mounts/vmc-12345678-s7-team -> 403 Forbidden"),
                    result(1, "no", true),
                ],
                None,
                (SUCCESS, "an error: no"),
            ),
            CauseKind::Denied,
            "the server requests GET /v1/sys/mounts/team, which Vault denies",
        );
    }

    #[test]
    fn a_limit_that_is_not_declared_is_told_with_what_to_do() {
        let error = "rate limit exceeded";
        is(
            cause(
                vec![called(1, "read"), result(1, error, true)],
                None,
                (SUCCESS, "an error: rate limit exceeded"),
            ),
            CauseKind::RateLimit,
            "the server limits the rate of calls: declare its limit in [limits] of the adapter",
        );
    }

    #[test]
    fn a_success_without_a_request_to_vault_is_one_from_memory() {
        let read = |id| [called(id, "read"), result(id, "{}", false)];
        let mut lines = read(1).to_vec();
        lines.insert(1, vault("GET /v1/team/data/app -> 200 OK"));
        lines.extend(read(2));
        let failed = ("the keys a, b", "a success: {}");
        let what = "calls succeed without a request to Vault";
        is(cause(lines, None, failed), CauseKind::Memory, what);
        // Without a tap nothing is known.
        let unseen = CauseEvidence {
            lines: read(1).to_vec(),
            ended: None,
            has_tap: false,
            declares_limit: false,
            prefix: PREFIX,
        };
        assert_eq!(unseen.cause_of(failed.0, failed.1), None);
    }

    #[test]
    fn a_refusal_that_is_not_marked_is_a_cause_whatever_was_expected() {
        let lines = vec![
            called(1, "write"),
            vault("POST /v1/team/data/app -> 400 Bad Request"),
            result(1, "Vault refused it", false),
        ];
        is(
            cause(lines, None, ("every key", "password is lost")),
            CauseKind::Unmarked,
            "errors are not marked with `isError`",
        );
    }

    #[test]
    fn an_error_without_a_request_is_not_marked_rather_than_from_memory() {
        for text in ["Error executing read: bad path", r#"{"error": "bad path"}"#] {
            is(
                cause(
                    vec![called(1, "read"), result(1, text, false)],
                    None,
                    ("the keys a, b", "a success, but its text is not JSON"),
                ),
                CauseKind::Unmarked,
                "errors are not marked with `isError`",
            );
        }
    }

    #[test]
    fn a_question_to_the_client_is_a_cause() {
        let question =
            json!({ "jsonrpc": "2.0", "id": 1, "result": { "resultType": "input_required" } });
        let lines = vec![called(1, "delete"), line(Speaker::Target, question)];
        is(
            cause(lines, None, (SUCCESS, "an error: x")),
            CauseKind::Question,
            "the server asks the client for input that it did not offer (elicitation)",
        );
    }

    #[test]
    fn an_argument_that_is_decoded_once_more_is_one_cause_for_all_tools() {
        let requested = |argument: &str, path: &str| {
            let params = json!({ "name": "read", "arguments": { "path": argument } });
            let call =
                json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
            let lines = vec![
                line(Speaker::Suite, call),
                vault(&format!("GET /v1/team/data/{path} -> 200 OK")),
                result(1, "{}", false),
            ];
            cause(lines, None, ("the keys a, b", "a success: {}"))
        };
        for path in ["app/cards/old", "app/cards%2Fold"] {
            is(
                requested("app/cards%2Fold", path),
                CauseKind::Argument,
                "arguments are not percent-encoded in paths, or are decoded twice",
            );
        }
        assert_eq!(requested("app/cards%2Fold", "app/cards%252Fold"), None);
        assert_eq!(requested("app/50%", "app/50%25"), None);
    }

    #[test]
    fn a_body_of_version_2_in_a_mount_of_version_1_is_a_cause() {
        let lines = vec![called(1, "write"), result(1, "done", false)];
        let actual = "Vault holds data unexpected, options unexpected, password missing";
        is(
            cause(lines, None, ("the key password", actual)),
            CauseKind::KvVersion,
            "the request body of KV version 2 is written to a mount of version 1",
        );
    }

    #[test]
    fn a_server_that_does_not_start_is_named_with_its_last_words() {
        let actual = "the server does not start: it ended at once (exit status: 1); initialize was not answered\n  \
                      serve --x\n  stderr    reading\n  stderr    VAULT_TOKEN has an invalid format";
        is(
            cause(Vec::new(), None, ("a server that starts", actual)),
            CauseKind::NoStart,
            "the server does not start: it ended at once (exit status: 1): VAULT_TOKEN has an invalid format",
        );
    }

    #[test]
    fn a_denial_that_was_asked_for_is_no_cause() {
        let lines = vec![
            called(1, "read"),
            vault("GET /v1/secret/data/x -> 403 Forbidden"),
            result(1, "no such secret", true),
        ];
        let expected = "an error that says that permission was denied, as Vault did";
        assert_eq!(
            cause(lines, None, (expected, "an error: no such secret")),
            None
        );
    }

    #[test]
    fn an_error_without_is_error_is_one_cause_for_all_tools() {
        let failed = ("an error", "a success, but its text is not JSON");
        for tool in ["read", "write"] {
            let lines = vec![
                called(1, tool),
                vault("GET /v1/secret/data/x -> 404 Not Found"),
                result(1, "Error: not found", false),
            ];
            is(
                cause(lines, None, failed),
                CauseKind::Unmarked,
                "errors are not marked with `isError`",
            );
        }
        let lies = vec![
            called(1, "write"),
            vault("POST /v1/secret/data/x -> 403 Forbidden"),
            result(1, "done", false),
        ];
        assert_eq!(cause(lies, None, failed), None);
    }

    #[test]
    fn what_is_done_without_is_error_is_no_unmarked_error() {
        let lines = vec![
            called(1, "delete"),
            vault("DELETE /v1/secret/app -> 204 No Content"),
            result(1, "deleted, it is not there any more", false),
        ];
        assert_eq!(cause(lines, None, ("an error", "a success")), None);
    }

    #[test]
    fn a_row_of_many_calls_has_no_cause_of_its_last_call() {
        let lines = vec![
            called(1, "read"),
            vault("GET /v1/5-secret/data/x -> 403 Forbidden"),
            result(1, "no", true),
        ];
        let failed = (
            "success with its effect under a, b",
            "under a: other error: an error: no",
        );
        assert_eq!(cause(lines, None, failed), None);
    }

    #[test]
    fn the_arguments_of_a_call_are_named_in_its_error() {
        let arguments = json!({ "mount": "vmc-12345678-s7-team", "path": "app/database" });
        let params = json!({ "name": "read", "arguments": arguments });
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let error = "cannot read app/database in vmc-12345678-s7-team: trace 20debaca9f3e4d2a";
        is(
            cause(
                vec![line(Speaker::Suite, call), result(1, error, true)],
                None,
                (SUCCESS, "an error: cannot read"),
            ),
            CauseKind::Error,
            "`read` returns an error: cannot read {path} in {mount}: trace …",
        );
    }

    #[test]
    fn an_error_is_shown_without_what_differs_between_runs() {
        is(
            cause(
                vec![
                    called(1, "list"),
                    result(1, "dial 127.0.0.1:45671: vmc-12345678-s7-pki/roles", true),
                ],
                None,
                ("the names", "an error: dial"),
            ),
            CauseKind::Error,
            "`list` returns an error: dial …: pki/roles",
        );
    }
}
