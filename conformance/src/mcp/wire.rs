//! Checks that what the target sends is valid for the revision in use.
//!
//! The envelope is checked here. The contents are checked by decoding them with the types of the `rust-mcp-schema`
//! crate, which are generated from the specification's schema and which no server SDK uses.

use std::collections::HashMap;

use mcp_schema_2025_11_25 as r2025_11_25;
use mcp_schema_2026_07_28 as r2026_07_28;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::transcript::{Line, Speaker};
use crate::transport::{Era, Revision};

/// The error codes that the revision 2026-07-28 defines in the range that it reserves.
const DEFINED_CODES: [i64; 3] = [-32020, -32021, -32022];

/// The problem with the first invalid message, if there is one.
#[must_use]
pub fn first_problem(lines: &[Line], revision: Revision) -> Option<String> {
    let mut asked = Open::default();
    lines.iter().find_map(|line| match line.speaker {
        Speaker::Suite => {
            asked.note(&line.text);
            None
        }
        Speaker::Target => problem(&line.text, revision.era(), &mut asked),
        Speaker::Noise | Speaker::Log | Speaker::Vault | Speaker::Note => None,
    })
}

/// The first request or notification for which neither side declared a capability. The suite's clients declare none.
#[must_use]
pub fn first_not_negotiated(lines: &[Line]) -> Option<String> {
    let said = lines.iter().filter(|line| line.speaker == Speaker::Target);
    let messages: Vec<Value> = said
        .filter_map(|line| serde_json::from_str(&line.text).ok())
        .collect();
    let greetings = messages.iter().map(|message| &message["result"]);
    let offers: Vec<_> = greetings
        .filter(|result| result["protocolVersion"].is_string())
        .map(|result| &result["capabilities"])
        .collect();
    let offered = |wanted: &dyn Fn(&Value) -> bool| {
        // A connection that was opened before shows no capabilities.
        offers.is_empty() || offers.iter().any(|offer| wanted(offer))
    };
    let is_agreed = |message: &Value| {
        let Some(method) = message["method"].as_str() else {
            // From 2026-07-28 on, a request to the client is a result.
            return message["result"]["resultType"] != "input_required";
        };
        if !message["id"].is_null() {
            return method == "ping";
        }
        match method {
            "notifications/progress" | "notifications/cancelled" => true,
            "notifications/message" => offered(&|offer| offer["logging"].is_object()),
            _ => match method
                .strip_prefix("notifications/")
                .and_then(|rest| rest.split_once('/'))
            {
                Some((what, "list_changed")) => {
                    offered(&|offer| offer[what]["listChanged"] == true)
                }
                Some((what, "updated")) => offered(&|offer| offer[what]["subscribe"] == true),
                Some(("tasks", "status")) => offered(&|offer| offer["tasks"].is_object()),
                Some(("subscriptions", _)) => true,
                _ => false,
            },
        }
    };
    let stray = messages.iter().find(|message| !is_agreed(message));
    stray.map(Value::to_string)
}

/// Whether a text is a message as every revision allows it: one JSON-RPC 2.0 request, notification or response.
#[must_use]
pub fn is_message(text: &str) -> bool {
    let Ok(Value::Object(message)) = serde_json::from_str::<Value>(text) else {
        return false;
    };
    let id = message.get("id");
    let has_id = id.is_none_or(|id| id.is_string() || id.is_i64() || id.is_u64());
    let has_kind = match message.get("method") {
        Some(method) => method.is_string(),
        None => message.contains_key("result") || message.contains_key("error"),
    };
    has_id
        && has_kind
        && message
            .get("jsonrpc")
            .is_some_and(|version| version == "2.0")
}

/// The open requests: their methods, by their ids as JSON.
#[derive(Default)]
struct Open {
    methods: HashMap<String, String>,
    /// Whether a batch was sent. A server that supports batches may answer with one.
    batch: bool,
    /// What was sent that is no JSON. It can begin with a request that a server answers.
    unreadable: Vec<String>,
}

impl Open {
    fn note(&mut self, text: &str) {
        match serde_json::from_str::<Value>(text) {
            Ok(Value::Array(messages)) => {
                self.batch = true;
                messages.iter().for_each(|message| self.note_one(message));
            }
            Ok(message) => self.note_one(&message),
            Err(_) => self.unreadable.push(text.to_owned()),
        }
    }

    /// Whether something that is no JSON has this id in it.
    fn may_have(&self, id: &str) -> bool {
        self.unreadable.iter().any(|text| text.contains(id))
    }

    fn note_one(&mut self, message: &Value) {
        if let (Some(id), Some(method)) = (message.get("id"), message["method"].as_str()) {
            self.methods.insert(id.to_string(), method.to_owned());
        }
    }
}

/// The problem with one message; an answer is removed from `asked`.
fn problem(text: &str, era: Era, asked: &mut Open) -> Option<String> {
    if asked.batch && text.starts_with('[') {
        return None;
    }
    let Ok(Value::Object(message)) = serde_json::from_str::<Value>(text) else {
        return Some(
            "a message is not a JSON object (revision 2025-06-18 removed JSON-RPC batches)".into(),
        );
    };
    if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Some("a message lacks \"jsonrpc\": \"2.0\"".to_owned());
    }
    let body = Value::Object(message.clone());
    if message.contains_key("method") {
        return match (message.get("id"), era) {
            (Some(_), Era::Stateless) => {
                Some("the server sent a request, which this revision does not allow".to_owned())
            }
            (None, Era::Stateless) => {
                decoded::<r2026_07_28::ServerNotification>(&body, "a notification")
            }
            (Some(Value::Null), Era::Session) => {
                Some("a request of the server has the id null".to_owned())
            }
            (Some(_), Era::Session) => {
                decoded::<r2025_11_25::ServerRequest>(&body, "a request of the server")
            }
            (None, Era::Session) => {
                decoded::<r2025_11_25::ServerNotification>(&body, "a notification")
            }
        };
    }
    match (message.get("result"), message.get("error")) {
        (Some(_), Some(_)) => Some("an answer has both result and error".to_owned()),
        (None, None) => Some("an answer has neither result nor error".to_owned()),
        (None, Some(error)) => {
            if let Some(id) = message.get("id") {
                asked.methods.remove(&id.to_string());
            }
            error_problem(error, era)
        }
        (Some(result), None) => {
            let id = message.get("id").unwrap_or(&Value::Null);
            let Some(method) = asked.methods.remove(&id.to_string()) else {
                let stray = format!("an answer has the id {id}, which no open request has");
                return (!asked.may_have(&id.to_string())).then_some(stray);
            };
            match era {
                Era::Session => result_problem(&method, result),
                Era::Stateless => stateless_result_problem(&method, result),
            }
        }
    }
}

fn error_problem(error: &Value, era: Era) -> Option<String> {
    let Some(code) = error["code"].as_i64() else {
        return Some("an error has no integer code".to_owned());
    };
    let kept = (-32099..=-32020).contains(&code) && !DEFINED_CODES.contains(&code);
    if era == Era::Stateless && (kept || code == -32002) {
        return Some(format!(
            "an error has the code {code}, which must not be used"
        ));
    }
    if !error["message"].is_string() {
        return Some("an error has no message".to_owned());
    }
    None
}

fn result_problem(method: &str, result: &Value) -> Option<String> {
    let what = format!("the result of {method}");
    match method {
        "initialize" => decoded::<r2025_11_25::InitializeResult>(result, &what),
        "tools/list" => decoded::<r2025_11_25::ListToolsResult>(result, &what),
        "tools/call" => decoded::<r2025_11_25::CallToolResult>(result, &what),
        _ if result.is_object() => None,
        _ => Some(format!("{what} is not an object")),
    }
}

fn stateless_result_problem(method: &str, result: &Value) -> Option<String> {
    let what = format!("the result of {method}");
    match (method, result["resultType"].as_str()) {
        ("server/discover", _) => decoded::<r2026_07_28::DiscoverResult>(result, &what),
        ("tools/list", _) => decoded::<r2026_07_28::ListToolsResult>(result, &what),
        ("tools/call", Some("input_required")) => {
            let asks = result["inputRequests"].as_object();
            match asks.is_some_and(|requests| !requests.is_empty()) {
                true => Some(format!(
                    "{what} needs a capability that the client did not declare"
                )),
                false => decoded::<r2026_07_28::InputRequiredResult>(result, &what),
            }
        }
        ("tools/call", _) => decoded::<r2026_07_28::CallToolResult>(result, &what),
        _ => decoded::<r2026_07_28::Result>(result, &what),
    }
}

fn decoded<T: DeserializeOwned>(value: &Value, what: &str) -> Option<String> {
    let error = serde_json::from_value::<T>(value.clone()).err()?;
    Some(format!("{what} does not fit the schema: {error}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::first_problem;
    use crate::{
        mcp::transcript::{Line, Speaker},
        transport::Revision,
    };

    fn problem_of(method: &str, answer: &Value) -> Option<String> {
        problem_in(Revision::R2025_11_25, method, answer)
    }

    fn problem_in(revision: Revision, method: &str, answer: &Value) -> Option<String> {
        let line = |speaker, text: String| Line {
            at_ms: 0,
            speaker,
            text,
        };
        let asked = json!({ "id": 1, "method": method }).to_string();
        let lines = [
            line(Speaker::Suite, asked),
            line(Speaker::Target, answer.to_string()),
        ];
        first_problem(&lines, revision)
    }

    fn call_result(result: Value) -> Option<String> {
        problem_of(
            "tools/call",
            &json!({ "jsonrpc": "2.0", "id": 1, "result": result }),
        )
    }

    #[test]
    fn a_message_is_one_that_every_revision_allows() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":"a","result":{}}"#,
        ] {
            assert!(super::is_message(text), "{text}");
        }
        for text in [
            "{ this is no JSON",
            "42",
            "[]",
            "{}",
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"} x"#,
        ] {
            assert!(!super::is_message(text), "{text}");
        }
    }

    #[test]
    fn what_the_revision_allows_is_valid() {
        for result in [
            json!({ "content": [] }),
            json!({ "content": [{ "type": "text", "text": "x" }], "isError": true }),
            json!({ "content": [], "structuredContent": { "a": 1 }, "_meta": {}, "extra": 1 }),
        ] {
            assert_eq!(call_result(result.clone()), None, "{result}");
        }
    }

    #[test]
    fn what_the_revision_forbids_is_not() {
        for result in [
            json!({}),
            json!({ "content": "text" }),
            json!({ "content": [{ "type": "text" }] }),
            json!({ "content": [], "isError": "yes" }),
        ] {
            assert!(call_result(result.clone()).is_some(), "{result}");
        }
    }

    #[test]
    fn an_envelope_is_held_to_json_rpc() {
        for answer in [
            json!({ "id": 1, "result": { "content": [] } }),
            json!({ "jsonrpc": "2.0", "id": "1", "result": { "content": [] } }),
            json!({ "jsonrpc": "2.0", "id": 2, "result": { "content": [] } }),
            json!({ "jsonrpc": "2.0", "id": 1 }),
            json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": "1", "message": "" } }),
            json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": 1 } }),
            json!([{ "jsonrpc": "2.0", "id": 1, "result": {} }]),
        ] {
            assert!(problem_of("tools/call", &answer).is_some(), "{answer}");
        }
        let error =
            json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32602, "message": "m" } });
        assert_eq!(problem_of("tools/call", &error), None);
    }

    #[test]
    fn a_log_message_is_a_valid_notification() {
        let log = json!({ "jsonrpc": "2.0", "method": "notifications/message",
            "params": { "level": "info", "data": "x" } });
        assert_eq!(problem_of("ping", &log), None);
    }

    fn stateless(method: &str, body: Value) -> Option<String> {
        let mut answer = json!({ "jsonrpc": "2.0", "id": 1 });
        for (member, value) in body.as_object().unwrap() {
            answer[member] = value.clone();
        }
        problem_in(Revision::R2026_07_28, method, &answer)
    }

    #[test]
    fn a_result_of_the_stateless_era_says_of_what_type_it_is() {
        let complete = json!({ "resultType": "complete", "content": [] });
        assert_eq!(stateless("tools/call", json!({ "result": complete })), None);
        let untyped = json!({ "content": [] });
        assert!(stateless("tools/call", json!({ "result": untyped })).is_some());
        let list =
            json!({ "resultType": "complete", "tools": [], "ttlMs": 0, "cacheScope": "private" });
        assert_eq!(stateless("tools/list", json!({ "result": list })), None);
        let uncached = json!({ "resultType": "complete", "tools": [] });
        assert!(stateless("tools/list", json!({ "result": uncached })).is_some());
        let asking = json!({ "resultType": "input_required", "inputRequests": { "a": {} } });
        assert!(stateless("tools/call", json!({ "result": asking })).is_some());
    }

    #[test]
    fn a_server_of_the_stateless_era_asks_nothing_and_keeps_to_the_codes_that_there_are() {
        let asked = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
        assert!(problem_in(Revision::R2026_07_28, "tools/call", &asked).is_some());
        for (code, allowed) in [
            (-32602, true),
            (-32020, true),
            (-32002, false),
            (-32099, false),
        ] {
            let error = json!({ "error": { "code": code, "message": "m" } });
            assert_eq!(stateless("tools/call", error).is_none(), allowed, "{code}");
        }
    }

    proptest! {
        #[test]
        fn no_message_makes_the_check_panic(text in "\\PC{0,80}") {
            let line = Line { at_ms: 0, speaker: Speaker::Target, text };
            for revision in Revision::ALL {
                let _ = first_problem(std::slice::from_ref(&line), revision);
            }
        }
    }
}
