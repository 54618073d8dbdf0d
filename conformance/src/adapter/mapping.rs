//! The tool call that performs an operation, as an adapter describes it: the tool, its arguments, and where in the
//! result the data is.

use std::collections::BTreeMap;

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor, value::SeqAccessDeserializer},
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
    /// Where in the result the data is.
    #[serde(default)]
    pub result: ResultShape,
}

/// Where in a tool's result the data of an operation is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResultShape {
    /// Which part of the result has the data.
    pub from: ResultPart,
    /// A JSON pointer (RFC 6901) to a string that contains JSON; `at` starts within it.
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

    /// What is wrong with this mapping for the operation, if anything.
    pub(super) fn problem(&self, operation: Operation) -> Option<Problem> {
        let at = |field, text: &str, what| {
            Some(Problem {
                field,
                text: text.to_owned(),
                what,
            })
        };
        if self.tools.is_empty() || self.tools.iter().any(String::is_empty) {
            return at("tool", "", format!("{operation} names no tool"));
        }
        if !self.arguments.is_null() && !self.arguments.is_object() {
            let what = format!("the arguments of {operation} are not a table");
            return at("arguments", "", what);
        }
        let shape = &self.result;
        let pointers = [&shape.at, &shape.each].into_iter().chain(&shape.json_at);
        for pointer in pointers.chain(shape.facts.values()) {
            if !pointer.is_empty() && !pointer.starts_with('/') {
                let meant = format!("/{pointer}");
                let what = format!(
                    "{operation}: {pointer:?} is not a JSON pointer; did you mean {meant:?}?"
                );
                return at("result", pointer, what);
            }
        }
        let known = operation.facts();
        if let Some(fact) = shape.facts.keys().find(|f| !known.contains(&f.as_str())) {
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
            return at("result", fact, what);
        }
        let known = operation.parameters();
        if let Some(name) = self.values.keys().find(|n| !known.contains(&n.as_str())) {
            let guess = did_you_mean(name, known);
            let what = format!("{operation} has no parameter {name:?}{guess}");
            return at("values", name, what);
        }
        let names = template::names(&self.arguments);
        for (field, wanted) in [
            ("omit_when_empty", &self.omit_when_empty),
            ("json_arguments", &self.json_arguments),
            ("comma_arguments", &self.comma_arguments),
        ] {
            let foreign = wanted.iter().find(|name| !names.contains(&name.as_str()));
            if let Some(name) = foreign {
                let guess = did_you_mean(name, &names);
                let what = format!("the arguments of {operation} have no {name:?}{guess}");
                return at(field, name, what);
            }
        }
        None
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
            let problem = mapping(toml).problem(Operation::Kv(Kv::Read)).unwrap();
            assert!(problem.what.contains(part), "{problem:?}");
        }
        let facts = mapping("tool = 't'\nresult = { facts = { version = '/v' } }");
        let problem = facts.problem(Operation::Kv(Kv::Purge)).unwrap();
        assert_eq!(problem.what, "kv.purge has no facts: remove `facts`");
        let right = "tool = 't'\narguments = { p = '{path}' }\nomit_when_empty = ['p']";
        assert_eq!(mapping(right).problem(Operation::Kv(Kv::Read)), None);
    }
}
