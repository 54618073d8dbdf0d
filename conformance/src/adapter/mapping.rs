//! The tool call that performs an operation, as an adapter describes it: the tool, its arguments, and where in the
//! result the data is.

use std::collections::BTreeMap;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor, value::SeqAccessDeserializer},
};
use serde_json::{Map, Value};

use super::template;
use crate::{
    engines::{Operation, Parameters},
    suggest::did_you_mean,
};

/// The tool call that performs an operation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The name of the tool. If there are several, the first one that the target lists is used.
    #[serde(rename = "tool", deserialize_with = "one_or_more")]
    pub tools: Vec<String>,
    /// Whether the tool can be called although `tools/list` does not contain it.
    #[serde(default)]
    pub hidden: bool,
    /// The arguments of the call, with the operation's parameters as placeholders.
    #[serde(default)]
    pub arguments: Value,
    /// Replacements for the values of parameters: by parameter, then by value as text.
    #[serde(default)]
    pub values: BTreeMap<String, BTreeMap<String, Value>>,
    /// Arguments, at any depth, that are omitted if they are empty: an empty string, list or object, or null.
    #[serde(default)]
    pub omit_when_empty: Vec<String>,
    /// Arguments, at any depth, that are sent as a JSON string.
    #[serde(default)]
    pub json_arguments: Vec<String>,
    /// Arguments, at any depth, that are lists and are sent as comma-separated text.
    #[serde(default)]
    pub comma_arguments: Vec<String>,
    /// Arguments, at any depth, that are sent as text although they are numbers or booleans.
    #[serde(default)]
    pub text_arguments: Vec<String>,
    /// Where in the result the data is.
    #[serde(default)]
    pub result: Shapes,
    /// For lists: how to ask for the next page.
    pub next: Option<NextPage>,
    /// For writes: whether the tool only creates secrets, and refuses to change one that exists.
    #[serde(default)]
    pub create_only: bool,
    /// For writes: whether the tool only changes secrets that exist, and refuses to create one.
    #[serde(default)]
    pub existing_only: bool,
}

/// How a tool gives a list in pages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextPage {
    /// The argument that asks for the page after another.
    pub argument: String,
    /// A JSON pointer, from where `at` starts, to the value of that argument; on the last page there is nothing, null,
    /// `false` or an empty text.
    pub at: String,
}

/// Where in a tool's result the data of an operation is, for each version of the KV engine.
#[derive(Clone, Debug)]
pub struct Shapes {
    v1: ResultShape,
    /// Of all engines but KV version 1.
    v2: ResultShape,
}

/// Where in a tool's result the data of an operation is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResultShape {
    /// Which part of the result has the data.
    pub from: ResultPart,
    /// A text after which the JSON begins: the first place where it stands counts.
    pub after: Option<String>,
    /// For lists: the text of a result, as a whole, that stands for a list without names.
    pub empty: Option<String>,
    /// A JSON pointer (RFC 6901) to a string that is itself JSON; `at` starts within it.
    pub json_at: Option<String>,
    /// A JSON pointer to the data; empty for the whole. For lists, it points to an array of items, or to an object
    /// whose keys are the names.
    pub at: String,
    /// For lists: a JSON pointer from an item to its name; empty if the items are names.
    pub each: String,
    /// Further facts, by name: a JSON pointer from where `at` starts, or from an item of a list.
    pub facts: BTreeMap<String, String>,
}

/// The part of a tool's result that has its data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResultPart {
    /// `structuredContent` if it exists, otherwise the text as JSON.
    #[default]
    Auto,
    /// `structuredContent`.
    Structured,
    /// The text, which is JSON.
    TextJson,
    /// The text, with one name a line.
    TextLines,
    /// The text, which is prose.
    Text,
}

/// What is wrong with a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// The invalid field of the mapping.
    pub(super) field: &'static str,
    /// The invalid text within the field; empty for the whole.
    pub(super) text: String,
    /// What is wrong, and what was likely meant.
    pub(super) what: String,
}

impl Mapping {
    /// The tool to call, given those that the target lists; `None` if it is not listed and not hidden.
    #[must_use]
    pub fn tool(&self, listed: &[String]) -> Option<&str> {
        let shown = self.tools.iter().find(|tool| listed.contains(tool));
        let hidden = self.hidden.then(|| self.tools.first()).flatten();
        shown.or(hidden).map(String::as_str)
    }

    /// The arguments of the call, with the operation's parameters filled in.
    #[must_use]
    pub fn arguments(&self, parameters: &Parameters) -> Value {
        let mut parameters = parameters.clone();
        for (name, words) in &self.values {
            if let Some(value) = parameters.get_mut(name)
                && let Some(word) = words.get(&template::text(value))
            {
                *value = word.clone();
            }
        }
        match template::fill_value(&self.arguments, &parameters) {
            Value::Null => Value::Object(Map::new()),
            filled => self.finish(filled),
        }
    }

    /// Omits what is empty, and turns into strings what is sent as JSON or with commas, innermost first.
    fn finish(&self, value: Value) -> Value {
        match value {
            Value::Array(items) => items.into_iter().map(|item| self.finish(item)).collect(),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(name, field)| (name, self.finish(field)))
                .filter(|(name, field)| !(self.omit_when_empty.contains(name) && is_empty(field)))
                .map(|(name, field)| match field {
                    field if self.json_arguments.contains(&name) => {
                        (name, Value::String(field.to_string()))
                    }
                    field @ (Value::Number(_) | Value::Bool(_))
                        if self.text_arguments.contains(&name) =>
                    {
                        (name, Value::String(field.to_string()))
                    }
                    Value::Array(items) if self.comma_arguments.contains(&name) => {
                        let items: Vec<_> = items.iter().map(template::text).collect();
                        (name, Value::String(items.join(",")))
                    }
                    field => (name, field),
                })
                .collect(),
            other => other,
        }
    }

    /// What is wrong with it as a mapping of this operation.
    pub(super) fn problems(&self, operation: Operation) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut at = |field, text: &str, what| {
            problems.push(Problem {
                field,
                text: text.to_owned(),
                what,
            });
        };
        if self.tools.is_empty() || self.tools.iter().any(String::is_empty) {
            at("tool", "", format!("{operation} names no tool"));
        }
        for tool in &self.tools {
            if let Some(name) = template::alike(tool).next() {
                let what = format!(
                    "the name of a tool of {operation} has no placeholders, but {{{name}}}"
                );
                at("tool", tool, what);
            }
        }
        if !self.arguments.is_null() && !self.arguments.is_object() {
            let what = format!("the arguments of {operation} are not a table");
            at("arguments", "", what);
        }
        if self.result.differ() && !matches!(operation, Operation::Kv(_)) {
            let what =
                format!("{operation} is not about KV: give one shape, without `v1` and `v2`");
            at("result", "", what);
        }
        for shape in self.result.all() {
            for (text, what) in shape.problems(operation) {
                at("result", &text, what);
            }
        }
        if let Some(next) = &self.next {
            if !operation.lists() {
                at("next", "", format!("{operation} is no list: remove `next`"));
            }
            if next.argument.is_empty() || template::alike(&next.argument).next().is_some() {
                let what =
                    format!("the `next` of {operation} names one argument, without placeholders");
                at("next", &next.argument, what);
            }
            if let Some(what) = no_pointer(operation, &next.at) {
                at("next", &next.at, what);
            }
        }
        let known = operation.parameters();
        if let Some(name) = self.values.keys().find(|n| !known.contains(&n.as_str())) {
            let guess = did_you_mean(name, known);
            let what = format!("{operation} has no parameter {name:?}{guess}");
            at("values", name, what);
        }
        let names = template::names(&self.arguments);
        for (field, wanted) in [
            ("omit_when_empty", &self.omit_when_empty),
            ("json_arguments", &self.json_arguments),
            ("comma_arguments", &self.comma_arguments),
            ("text_arguments", &self.text_arguments),
        ] {
            let foreign = wanted.iter().find(|name| !names.contains(&name.as_str()));
            if let Some(name) = foreign {
                let guess = did_you_mean(name, &names);
                let what = format!("the arguments of {operation} have no {name:?}{guess}");
                at(field, name, what);
            }
        }
        problems
    }
}

impl ResultShape {
    /// Whether a fact can be found.
    #[must_use]
    pub fn points_to(&self, fact: &str) -> bool {
        self.facts.contains_key(fact)
    }

    /// What is wrong with it for this operation, each with the text within it that is wrong.
    fn problems(&self, operation: Operation) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let pointers = [&self.at, &self.each].into_iter().chain(&self.json_at);
        for pointer in pointers.chain(self.facts.values()) {
            let what = no_pointer(operation, pointer);
            problems.extend(what.map(|what| (pointer.clone(), what)));
        }
        let is_text = matches!(self.from, ResultPart::Auto | ResultPart::TextJson);
        if self.after.is_some() && !is_text {
            let what = format!(
                "{operation}: `after` is about JSON in the text of a result: from = \"text-json\""
            );
            problems.push((String::new(), what));
        }
        if self.empty.is_some() && !operation.lists() {
            let what = format!("{operation} is no list: remove `empty`");
            problems.push((String::new(), what));
        }
        let known = operation.facts();
        for fact in self.facts.keys().filter(|f| !known.contains(&f.as_str())) {
            let what = match known {
                [] if operation.has_data() => {
                    format!("{operation} has no facts besides its data: remove `facts`")
                }
                [] => format!("{operation} has no facts: remove `facts`"),
                known => format!(
                    "{operation} has no fact {fact:?}{}",
                    did_you_mean(fact, known)
                ),
            };
            problems.push((fact.clone(), what));
        }
        problems
    }
}

/// The message about a text that is not a JSON pointer, if it is not.
fn no_pointer(operation: Operation, pointer: &str) -> Option<String> {
    let is_pointer = pointer.is_empty() || pointer.starts_with('/');
    let meant = format!("/{pointer}");
    (!is_pointer)
        .then(|| format!("{operation}: {pointer:?} is not a JSON pointer; did you mean {meant:?}?"))
}

impl Default for Shapes {
    fn default() -> Self {
        Self::from(ResultShape::default())
    }
}

impl From<ResultShape> for Shapes {
    fn from(shape: ResultShape) -> Self {
        Self {
            v1: shape.clone(),
            v2: shape,
        }
    }
}

impl Shapes {
    /// The shape of a result about a mount of this KV version.
    #[must_use]
    pub fn of(&self, kv_version: u8) -> &ResultShape {
        match kv_version {
            1 => &self.v1,
            _ => &self.v2,
        }
    }

    /// A shape for each version of the KV engine.
    pub(crate) const fn by_version(v1: ResultShape, v2: ResultShape) -> Self {
        Self { v1, v2 }
    }

    /// The shapes that there are.
    pub fn all(&self) -> impl Iterator<Item = &ResultShape> {
        std::iter::once(&self.v2).chain(self.differ().then_some(&self.v1))
    }

    /// Whether they differ by the version of the KV engine.
    pub(crate) fn differ(&self) -> bool {
        self.v1 != self.v2
    }

    /// Whether a fact can be found in each of them.
    #[must_use]
    pub fn point_to(&self, fact: &str) -> bool {
        self.all().all(|shape| shape.points_to(fact))
    }
}

impl<'de> Deserialize<'de> for Shapes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ShapesVisitor;

        impl<'de> Visitor<'de> for ShapesVisitor {
            type Value = Shapes;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                let (mut v1, mut v2) = (None, None);
                let mut fields = Map::new();
                while let Some(key) = entries.next_key::<String>()? {
                    match key.as_str() {
                        "v1" => v1 = Some(entries.next_value()?),
                        "v2" => v2 = Some(entries.next_value()?),
                        _ => _ = fields.insert(key, entries.next_value()?),
                    }
                }
                match (v1, v2) {
                    (None, None) => ResultShape::deserialize(Value::Object(fields))
                        .map(Shapes::from)
                        .map_err(A::Error::custom),
                    (Some(v1), Some(v2)) if fields.is_empty() => Ok(Shapes { v1, v2 }),
                    (Some(_), Some(_)) => Err(A::Error::custom(
                        "`result` has `v1` and `v2`: what else it has belongs into one of these",
                    )),
                    _ => Err(A::Error::custom(
                        "`result` needs both `v1` and `v2` where one of them is given",
                    )),
                }
            }
        }

        deserializer.deserialize_map(ShapesVisitor)
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct OneOrMore;

    impl<'de> Visitor<'de> for OneOrMore {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the name of a tool, or a list of names")
        }

        fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
            Ok(vec![name.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, names: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(names))
        }
    }

    deserializer.deserialize_any(OneOrMore)
}

#[cfg(test)]
mod tests {
    use crate::engines::kv::Kv;
    use serde_json::{Value, json};

    use super::{Mapping, Operation};

    fn mapping(toml: &str) -> Mapping {
        toml::from_str(toml).unwrap()
    }

    fn arguments(toml: &str, parameters: Value) -> Value {
        mapping(toml).arguments(parameters.as_object().unwrap())
    }

    #[test]
    fn the_first_tool_that_is_listed_is_called_and_a_hidden_one_though_it_is_not() {
        let several = mapping(r#"tool = ["read", "get"]"#);
        let listed = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert_eq!(several.tool(&listed(&["x", "get"])), Some("get"));
        assert_eq!(several.tool(&listed(&["get", "read"])), Some("read"));
        assert_eq!(several.tool(&listed(&["x"])), None);
        let hidden = mapping("tool = 'read'\nhidden = true");
        assert_eq!(hidden.tool(&listed(&["search"])), Some("read"));
    }

    #[test]
    fn a_dispatching_tool_gets_its_action_and_a_string_of_json() {
        let toml = r#"
            tool = "vault"
            arguments = { action = "read", params = { mount = "{mount}", path = "{path}", n = "{version}" } }
            json_arguments = ["params"]
        "#;
        let sent = arguments(toml, json!({ "mount": "a", "path": "b\"c", "version": 3 }));
        assert_eq!(sent["action"], "read");
        let inner: Value = serde_json::from_str(sent["params"].as_str().unwrap()).unwrap();
        assert_eq!(inner, json!({ "mount": "a", "path": "b\"c", "n": 3 }));
    }

    #[test]
    fn a_list_is_sent_with_commas_where_the_adapter_says_so() {
        let toml = "tool = 'r'\narguments = { domains = '{allowed_domains}' }";
        let parameters = json!({ "allowed_domains": ["a.example", "b.example"] });
        let as_list = json!({ "domains": ["a.example", "b.example"] });
        assert_eq!(arguments(toml, parameters.clone()), as_list);
        let toml = format!("{toml}\ncomma_arguments = ['domains']");
        let as_text = json!({ "domains": "a.example,b.example" });
        assert_eq!(arguments(&toml, parameters), as_text);
        let none = json!({ "allowed_domains": [] });
        assert_eq!(arguments(&toml, none), json!({ "domains": "" }));
    }

    #[test]
    fn a_number_is_sent_as_text_where_the_adapter_says_so() {
        let toml =
            "tool = 'r'\narguments = { version = '{version}' }\ntext_arguments = ['version']";
        let sent = arguments(toml, json!({ "version": 2 }));
        assert_eq!(sent, json!({ "version": "2" }));
    }

    #[test]
    fn what_is_empty_is_left_out_only_where_the_adapter_says_so() {
        let toml = r#"
            tool = "list"
            arguments = { mount = "{mount}", path = "{path}", filter = "", in = { path = "{path}" } }
            omit_when_empty = ["path"]
        "#;
        assert_eq!(
            arguments(toml, json!({ "mount": "a", "path": "" })),
            json!({ "mount": "a", "filter": "", "in": {} })
        );
    }

    #[test]
    fn a_parameter_can_have_another_word_in_the_targets_language() {
        let toml = r#"
            tool = "create"
            arguments = { type = "{version}", path = "{mount}", label = "version {version}" }
            values.version = { 1 = "kv", 2 = "kv-v2" }
        "#;
        assert_eq!(
            arguments(toml, json!({ "mount": "a", "version": 2 })),
            json!({ "type": "kv-v2", "path": "a", "label": "version kv-v2" })
        );
    }

    #[test]
    fn what_makes_no_sense_for_the_operation_is_a_problem() {
        for (toml, part) in [
            ("tool = []", "names no tool"),
            (
                "tool = 't'\nresult = { at = 'data' }",
                "did you mean \"/data\"?",
            ),
            (
                "tool = 't'\nresult = { facts = { versoin = '/v' } }",
                "did you mean \"version\"?",
            ),
            ("tool = 't'\nvalues.pth = {}", "did you mean \"path\"?"),
            ("tool = 't'\nomit_when_empty = ['path']", "have no \"path\""),
        ] {
            let problems = mapping(toml).problems(Operation::Kv(Kv::Read));
            assert!(problems[0].what.contains(part), "{problems:?}");
        }
        let facts = mapping("tool = 't'\nresult = { facts = { version = '/v' } }");
        let problems = facts.problems(Operation::Kv(Kv::Purge));
        assert_eq!(problems[0].what, "kv.purge has no facts: remove `facts`");
        let right = "tool = 't'\narguments = { p = '{path}' }\nomit_when_empty = ['p']";
        assert_eq!(mapping(right).problems(Operation::Kv(Kv::Read)), []);
    }
}
