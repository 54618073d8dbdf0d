//! The tool call of an operation, and what its answer says.

use std::{sync::LazyLock, time::Duration};

use regex::Regex;
use serde_json::{Map, Value, json};

use super::Instance;
use crate::{
    adapter::{
        Adapter,
        mapping::{Mapping, NextPage, ResultPart, ResultShape},
    },
    engines::{Operation, Parameters},
    mcp::{
        connection::Connection,
        http_message::{HttpAnswer, NoHttp},
        inbox::{NoReply, Reply},
    },
    verdict::{StepEnd, StepResult},
};

/// The answer of a target to an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The target reports success.
    Success(Success),
    /// The target reports a failure: `isError`, or a JSON-RPC error.
    Error(String),
    /// The target did not answer.
    Nothing(NoReply),
}

/// A successful answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Success {
    /// The operation's data.
    pub data: Data,
    /// The facts to which the adapter points and that exist, by name.
    pub facts: Facts,
    /// For lists: the items, with their facts.
    pub items: Vec<Item>,
    /// The whole result as JSON, in which anything can be looked for; of a list in pages all results, one a line.
    pub whole: String,
}

impl Success {
    /// This list with its next page.
    fn with_page(mut self, page: Self) -> Self {
        self.data = match (self.data, page.data) {
            (Data::Json(Value::Array(mut names)), Data::Json(Value::Array(further))) => {
                names.extend(further);
                Data::Json(Value::Array(names))
            }
            (Data::Prose(text), Data::Prose(further)) => Data::Prose(format!("{text}\n{further}")),
            (unusable @ Data::Unusable(_), _) | (_, unusable) => unusable,
        };
        self.items.extend(page.items);
        self.whole = format!("{}\n{}", self.whole, page.whole);
        self
    }

    /// The last result as JSON.
    fn last_page(&self) -> &str {
        self.whole.lines().next_back().unwrap_or_default()
    }
}

/// Facts, besides the data, by name.
pub type Facts = Map<String, Value>;

/// An item of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Its name.
    pub name: String,
    /// Its facts.
    pub facts: Facts,
    /// The whole item, as JSON.
    pub whole: String,
}

/// The data in a successful answer, at the place that the adapter names.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// As JSON; for a list, the names.
    Json(Value),
    /// As prose, in which values can be searched.
    Prose(String),
    /// Not at the place that the adapter names: why, and what was there.
    Unusable(String),
}

/// After how many pages a list is taken to have no end.
const MOST_PAGES: usize = 1000;

/// Words that tell a reader that permission was denied, whatever else is said. The number is
/// a word of its own: in a random name or a port it means nothing.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static DENIAL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)(permission|access)[ _-]?(was |is )?denied|\b403\b|forbid|(not|un)[ -]?authori[sz]ed|(not|insufficient)[ _-](permitted|permission)",
    )
    .unwrap()
});

impl Answer {
    /// Whether the answer is an error which says that permission was denied.
    #[must_use]
    pub fn is_denial(&self) -> bool {
        matches!(self, Self::Error(text) if tells_of_denial(text))
    }

    /// The data of a success.
    #[must_use]
    pub fn data(&self) -> Option<&Data> {
        match self {
            Self::Success(success) => Some(&success.data),
            Self::Error(_) | Self::Nothing(_) => None,
        }
    }

    /// The answer on one line, for the report of a failure; secrets are not redacted yet.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Success(success) => match &success.data {
                Data::Json(value) => format!("a success: {value}"),
                Data::Prose(text) => format!("a success: {text}"),
                Data::Unusable(why) => format!("a success, but {why}"),
            },
            Self::Error(text) => format!("an error: {text}"),
            Self::Nothing(why) => why.to_string(),
        }
    }
}

impl Answer {
    /// Like [`Answer::describe`], where an error is expected: a success may be an error that is not marked.
    #[must_use]
    pub fn describe_unmarked(&self) -> String {
        match self {
            Self::Success(success) => {
                let result: Value = serde_json::from_str(&success.whole).unwrap_or_default();
                format!(
                    "an answer that is not marked with isError: {}",
                    text_of(&result)
                )
            }
            other => other.describe(),
        }
    }

    /// All that was answered, secrets included.
    #[must_use]
    pub fn describe_whole(&self) -> String {
        match self {
            Self::Success(success) => success.whole.clone(),
            Self::Error(text) => text.clone(),
            Self::Nothing(why) => why.to_string(),
        }
    }
}

/// Whether a text says that permission was denied.
#[must_use]
pub fn tells_of_denial(text: &str) -> bool {
    DENIAL.is_match(text)
}

/// The arguments for a tool call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arguments<'n> {
    /// All arguments of the adapter.
    #[default]
    All,
    /// Only the arguments that the tool's schema requires, and those that identify the object.
    RequiredOnly,
    /// All arguments except the one with this name.
    Without(&'n str),
    /// All arguments, with this name of the tool, whether the target lists it or not.
    Named(&'n str),
}

/// The tool call that performs an operation.
#[derive(Clone, Debug)]
pub struct ToolCall<'a> {
    operation: Operation,
    /// The version of the KV mount that it is about; 2 if it is about none.
    kv_version: u8,
    /// How the adapter carries the operation out.
    pub mapping: &'a Mapping,
    /// The parameters of `tools/call`.
    pub params: Value,
}

impl<'a> ToolCall<'a> {
    /// The call for this operation. What it is about lies in a KV mount of this version, if in any.
    ///
    /// # Errors
    /// Not applicable if the adapter does not map the operation; failed if it maps the operation to a tool that the
    /// target does not have.
    pub fn new(
        adapter: &'a Adapter,
        instance: &Instance,
        operation: Operation,
        parameters: &Parameters,
        kv_version: u8,
        arguments: Arguments<'_>,
    ) -> StepResult<Self> {
        let (mapping, tool) = match arguments {
            Arguments::Named(name) => (mapping(adapter, operation)?, name),
            Arguments::All | Arguments::RequiredOnly | Arguments::Without(_) => {
                carrier(adapter, instance, operation)?
            }
        };
        let mut values = mapping.arguments(parameters);
        match arguments {
            Arguments::All | Arguments::Named(_) => {}
            Arguments::RequiredOnly => {
                let about = instance.tools.iter().find(|about| about["name"] == tool);
                leave_required(&mut values, mapping, about)?;
            }
            Arguments::Without(name) => {
                values.as_object_mut().map(|values| values.remove(name));
            }
        }
        Ok(Self {
            operation,
            kv_version,
            mapping,
            params: json!({ "name": tool, "arguments": values }),
        })
    }

    /// Makes it; returns what was answered, and how long that took. A list that comes in pages is
    /// asked for to its end, in one call a page.
    pub async fn make(&self, connection: &Connection) -> (Answer, Duration) {
        let (mut answer, mut took) = self.make_with(connection, self.params.clone()).await;
        let Some(next) = &self.mapping.next else {
            return (answer, took);
        };
        let mut asked = Vec::new();
        while let Answer::Success(so_far) = &mut answer {
            let Some(page) = self.page_after(next, so_far) else {
                break;
            };
            if asked.contains(&page) || asked.len() == MOST_PAGES {
                let pages = asked.len() + 1;
                so_far.data = Data::Unusable(format!(
                    "it has no end: after {pages} pages the next one is {page}"
                ));
                break;
            }
            let mut params = self.params.clone();
            params["arguments"][&next.argument] = page.clone();
            asked.push(page);
            let (further, took_further) = self.make_with(connection, params).await;
            took += took_further;
            answer = match (answer, further) {
                (Answer::Success(so_far), Answer::Success(further)) => {
                    Answer::Success(so_far.with_page(further))
                }
                (_, failed) => failed,
            };
        }
        (answer, took)
    }

    async fn make_with(&self, connection: &Connection, params: Value) -> (Answer, Duration) {
        let (reply, took) = connection.timed_request("tools/call", params).await;
        let answer = match reply {
            Ok(reply) => self.read(&reply),
            Err(why) => Answer::Nothing(why),
        };
        (answer, took)
    }

    /// What asks for the page after this one, if there is one.
    fn page_after(&self, next: &NextPage, page: &Success) -> Option<Value> {
        let result: Value = serde_json::from_str(page.last_page()).ok()?;
        let root = root(self.shape(), &result).ok().flatten()?;
        let page = root.pointer(&next.at)?;
        let is_last = page.is_null() || page.as_str() == Some("") || *page == false;
        (!is_last).then(|| page.clone())
    }

    /// Where the data of its result is.
    #[must_use]
    pub fn shape(&self) -> &'a ResultShape {
        self.mapping.result.of(self.kv_version)
    }

    /// What a reply to it says.
    #[must_use]
    pub fn read(&self, reply: &Reply) -> Answer {
        read(self.operation, self.shape(), reply)
    }

    /// Reads an answer over HTTP that the suite waited for this long.
    #[must_use]
    pub fn read_http(&self, answer: &Result<HttpAnswer, NoHttp>, patience: Duration) -> Answer {
        match answer {
            Err(NoHttp::Hung) => Answer::Nothing(NoReply::TimedOut(patience)),
            Err(NoHttp::Closed(why)) => Answer::Nothing(NoReply::Closed(why.clone())),
            Ok(answer) => {
                let mut messages = answer.messages.iter();
                match messages.find(|message| message["method"].is_null()) {
                    Some(message) => self.read(&Reply::of(message)),
                    None => Answer::Error(answer.describe()),
                }
            }
        }
    }
}

/// The adapter's mapping of an operation.
fn mapping(adapter: &Adapter, operation: Operation) -> StepResult<&Mapping> {
    let mapping = adapter.operations.get(&operation);
    mapping.ok_or_else(|| StepEnd::not_claimed(format!("the adapter maps no tool to {operation}")))
}

/// The adapter's mapping of an operation, and the tool to call.
///
/// # Errors
/// As [`ToolCall::new`].
pub(crate) fn carrier<'a>(
    adapter: &'a Adapter,
    instance: &Instance,
    operation: Operation,
) -> StepResult<(&'a Mapping, &'a str)> {
    let mapping = mapping(adapter, operation)?;
    let tools = &instance.tool_names;
    let tool = mapping.tool(tools).ok_or_else(|| {
        let wanted = mapping.tools.join(" or ");
        StepEnd::failed(
            format!("the tool {wanted:?}, to which the adapter maps {operation}"),
            format!(
                "tools/list has {}; for a tool that can be called although it is not listed, set hidden = true",
                tools.join(", ")
            ),
        )
    })?;
    Ok((mapping, tool))
}

/// Keeps only the arguments that the tool's schema requires, and those that identify the object.
fn leave_required(arguments: &mut Value, mapping: &Mapping, about: Option<&Value>) -> StepResult {
    const IDENTITY: [&str; 5] = ["{mount}", "{path}", "{role}", "{issuer}", "{serial}"];
    let schema = about.map(|about| &about["inputSchema"]);
    let required = schema.and_then(|schema| schema["required"].as_array());
    let (Some(arguments), Some(required)) = (arguments.as_object_mut(), required) else {
        return Err(StepEnd::not_claimed(
            "the tool's schema does not list the arguments that it requires",
        ));
    };
    arguments.retain(|name, _| {
        let identity = mapping.arguments[name].as_str();
        required.contains(&Value::from(name.as_str()))
            || identity.is_some_and(|template| IDENTITY.contains(&template))
    });
    Ok(())
}

/// What a reply to this operation says, with its data where the shape says.
pub(crate) fn read(operation: Operation, shape: &ResultShape, reply: &Reply) -> Answer {
    let result = match reply {
        Reply::Result(result) => result,
        Reply::Error { code, message } => return Answer::Error(format!("{code} {message}")),
    };
    if result["isError"] == true {
        return Answer::Error(text_of(result));
    }
    if is_question(result) {
        return Answer::Error(
            "the server asks the client for input, which the client did not offer".to_owned(),
        );
    }
    let mut success = Success {
        data: Data::Json(Value::Null),
        facts: Facts::new(),
        items: Vec::new(),
        whole: result.to_string(),
    };
    success.data = data_of(operation, shape, result, &mut success).unwrap_or_else(Data::Unusable);
    Answer::Success(success)
}

/// Whether a result is a request to the client, as revision 2026-07-28 makes it.
pub(crate) fn is_question(result: &Value) -> bool {
    result["resultType"] == "input_required"
}

/// Finds the data, and fills in facts and items.
fn data_of(
    operation: Operation,
    shape: &ResultShape,
    result: &Value,
    success: &mut Success,
) -> Result<Data, String> {
    if operation.lists() && is_empty(shape, result) {
        return Ok(Data::Json(json!([])));
    }
    let Some(whole) = root(shape, result)? else {
        return Ok(Data::Prose(text_of(result)));
    };
    let nothing = || format!("there is nothing at {:?} in {whole}", shape.at);
    let part = whole.pointer(&shape.at).ok_or_else(nothing)?;
    if !operation.lists() {
        success.facts = facts_of(shape, &whole);
        return Ok(Data::Json(part.clone()));
    }
    success.items = items_of(shape, part)?;
    let names = success.items.iter().map(|item| item.name.as_str());
    Ok(Data::Json(names.collect()))
}

/// Whether a result begins with the adapter's words for a list without names. A name in a list can contain them, too.
fn is_empty(shape: &ResultShape, result: &Value) -> bool {
    let is_of_name = |letter: char| letter.is_alphanumeric() || "-_/".contains(letter);
    let text = text_of(result);
    let empty = shape.empty.as_ref().map(|empty| empty.trim());
    let rest = empty.and_then(|empty| text.trim_start().strip_prefix(empty));
    rest.is_some_and(|rest| !rest.starts_with(is_of_name))
}

/// The JSON of a result in which an adapter's pointers begin; `None` if the result is prose.
///
/// # Errors
/// If the JSON does not exist: why, and what was there.
pub fn root(shape: &ResultShape, result: &Value) -> Result<Option<Value>, String> {
    let structured = result.get("structuredContent");
    let whole = match (shape.from, structured) {
        (ResultPart::Text, _) => return Ok(None),
        (ResultPart::TextLines, _) => {
            let text = text_of(result);
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            lines.collect()
        }
        (ResultPart::Structured, None) => return Err("it has no structuredContent".to_owned()),
        (ResultPart::Structured | ResultPart::Auto, Some(content)) => content.clone(),
        (ResultPart::Auto, None) | (ResultPart::TextJson, _) => {
            let text = text_of(result);
            match &shape.after {
                None => parse(&text, "its text")?,
                Some(marker) => {
                    let missing = || format!("its text does not have {marker:?}: {text}");
                    let (_, rest) = text.split_once(marker.as_str()).ok_or_else(missing)?;
                    begins_with(rest, marker)?
                }
            }
        }
    };
    match &shape.json_at {
        None => Ok(Some(whole)),
        Some(pointer) => match whole.pointer(pointer) {
            Some(Value::String(text)) => parse(text, "what it has there").map(Some),
            _ => Err(format!("there is no string at {pointer:?} in {whole}")),
        },
    }
}

fn items_of(shape: &ResultShape, part: &Value) -> Result<Vec<Item>, String> {
    match part {
        Value::Array(items) => items
            .iter()
            .map(|item| {
                let name = item.pointer(&shape.each).and_then(Value::as_str);
                let nameless = || format!("an item of {part} has no name at {:?}", shape.each);
                Ok(Item {
                    name: name.ok_or_else(nameless)?.to_owned(),
                    facts: facts_of(shape, item),
                    whole: item.to_string(),
                })
            })
            .collect(),
        Value::Object(items) => Ok(items
            .iter()
            .map(|(name, item)| Item {
                name: name.clone(),
                facts: facts_of(shape, item),
                whole: item.to_string(),
            })
            .collect()),
        // Servers written in Go encode an empty list this way.
        Value::Null => Ok(Vec::new()),
        other => Err(format!("there is no list at {:?} but {other}", shape.at)),
    }
}

fn facts_of(shape: &ResultShape, from: &Value) -> Facts {
    let found = |(name, pointer): (&String, &String)| {
        let fact = from.pointer(pointer).filter(|fact| !fact.is_null())?;
        Some((name.clone(), fact.clone()))
    };
    shape.facts.iter().filter_map(found).collect()
}

/// The JSON with which a text begins, whatever follows it.
fn begins_with(text: &str, marker: &str) -> Result<Value, String> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter();
    let missing = |why: String| format!("no JSON follows {marker:?} ({why}): {text}");
    match values.next() {
        Some(value) => value.map_err(|error: serde_json::Error| missing(error.to_string())),
        None => Err(missing("its text ends".to_owned())),
    }
}

/// What to say if JSON follows prose.
fn after_hint(text: &str) -> &'static str {
    let from = text.find(['{', '[']).filter(|at| *at > 0);
    let json = from.and_then(|at| text.get(at..));
    let follows = json.is_some_and(|json| {
        let mut values = serde_json::Deserializer::from_str(json).into_iter::<Value>();
        values.next().is_some_and(|value| value.is_ok())
    });
    match follows {
        true => "; JSON follows other text: set `after` to the words before it",
        false => "",
    }
}

fn parse(text: &str, what: &str) -> Result<Value, String> {
    serde_json::from_str(text)
        .map_err(|error| format!("{what} is not JSON ({error}){}: {text}", after_hint(text)))
}

/// The text of a tool's result.
pub(crate) fn text_of(result: &Value) -> String {
    let items = result["content"].as_array().into_iter().flatten();
    let texts: Vec<_> = items.filter_map(|item| item["text"].as_str()).collect();
    texts.join("\n")
}

#[cfg(test)]
mod tests {
    use crate::engines::{kv::Kv, mounts::Mounts};
    use serde_json::{Value, json};

    use super::{Answer, Data, Success, read};
    use crate::{engines::Operation, mcp::inbox::Reply};

    fn answer_to(operation: Operation, shape: Value, result: Value) -> Answer {
        let shape = serde_json::from_value(shape).unwrap();
        read(operation, &shape, &Reply::Result(result))
    }

    fn success_of(operation: Operation, shape: Value, result: Value) -> Success {
        match answer_to(operation, shape, result) {
            Answer::Success(success) => success,
            other => panic!("{other:?}"),
        }
    }

    fn text(text: &str) -> Value {
        json!({ "content": [{ "type": "text", "text": text }] })
    }

    #[test]
    fn data_is_found_in_structured_content_or_in_text_that_is_json() {
        let shape = json!({ "at": "/entries", "each": "/name", "facts": { "type": "/kind" } });
        let data = json!({ "entries": [{ "name": "a", "kind": "kv" }, { "name": "b/" }] });
        let structured = json!({ "content": [], "structuredContent": data });
        for result in [structured, text(&data.to_string())] {
            let success = success_of(Operation::Mounts(Mounts::List), shape.clone(), result);
            assert_eq!(success.data, Data::Json(json!(["a", "b/"])));
            assert_eq!(success.items[0].facts["type"], "kv");
            assert!(success.items[1].facts.is_empty());
        }
    }

    #[test]
    fn a_list_can_be_an_object_by_name_lines_of_text_or_null() {
        let names = |shape, result| success_of(Operation::Kv(Kv::List), shape, result).data;
        let expected = Data::Json(json!(["a", "b/"]));
        assert_eq!(names(json!({}), text(r#"{ "a": {}, "b/": {} }"#)), expected);
        assert_eq!(
            names(json!({ "from": "text-lines" }), text(" a\n\nb/\n")),
            expected
        );
        assert_eq!(names(json!({}), text("null")), Data::Json(json!([])));
    }

    #[test]
    fn data_can_be_in_a_string_that_is_json() {
        let shape = json!({ "json_at": "/result", "at": "/data", "facts": { "version": "/v" } });
        let inner = json!({ "data": { "k": "x" }, "v": 3 }).to_string();
        let result = text(&json!({ "result": inner }).to_string());
        let success = success_of(Operation::Kv(Kv::Read), shape, result);
        assert_eq!(success.data, Data::Json(json!({ "k": "x" })));
        assert_eq!(success.facts["version"], 3);
    }

    #[test]
    fn a_text_can_stand_for_an_empty_list() {
        let shape = json!({ "after": "Names:", "empty": "The folder is empty." });
        let names = |said| success_of(Operation::Kv(Kv::List), shape.clone(), text(said)).data;
        assert_eq!(names("The folder is empty."), Data::Json(json!([])));
        assert_eq!(names("The folder is empty. (app)"), Data::Json(json!([])));
        assert!(matches!(names("The folder is empty.d"), Data::Unusable(_)));
        assert_eq!(names("Names: [\"a\"]"), Data::Json(json!(["a"])));
        assert!(matches!(names("Nothing here."), Data::Unusable(_)));
    }

    #[test]
    fn json_can_follow_prose_and_be_followed_by_it() {
        let shape = json!({ "after": "data:", "at": "/k" });
        let read = |text_of_result| {
            success_of(Operation::Kv(Kv::Read), shape.clone(), text(text_of_result)).data
        };
        assert_eq!(
            read("Secret data: {\"k\": {\"a\": \"data:\"}}\nDone."),
            Data::Json(json!({ "a": "data:" }))
        );
        for wrong in ["{\"k\": 1}", "data: none", "data:"] {
            assert!(matches!(read(wrong), Data::Unusable(_)), "{wrong}");
        }
    }

    #[test]
    fn text_that_should_be_json_and_is_not_is_unusable_not_an_error() {
        let shape = json!({ "from": "text-json" });
        let success = success_of(Operation::Kv(Kv::Read), shape, text("done"));
        assert!(matches!(success.data, Data::Unusable(_)), "{success:?}");
    }

    #[test]
    fn a_denial_is_told_by_its_words_and_not_by_a_number_in_a_name() {
        for text in [
            "Code: 403. Errors: permission denied",
            r#"{"kind":"permission_denied"}"#,
            "Vault forbids this",
            "you are not authorized to read it",
            "Access denied",
            "insufficient permissions",
        ] {
            assert!(Answer::Error(text.to_owned()).is_denial(), "{text}");
        }
        for text in [
            "no secret exists in mount 't4403ab-other' at 127.0.0.1:40312",
            "not found",
            "404",
            "",
        ] {
            assert!(!Answer::Error(text.to_owned()).is_denial(), "{text}");
        }
        let success = answer_to(
            Operation::Kv(Kv::Read),
            json!({ "from": "text" }),
            text("permission denied"),
        );
        assert!(!success.is_denial());
    }

    #[test]
    fn an_error_is_an_error_in_either_form() {
        let mut failed = text("no");
        failed["isError"] = json!(true);
        let answer = answer_to(Operation::Kv(Kv::Read), json!({}), failed);
        assert_eq!(answer, Answer::Error("no".to_owned()));
    }
}
