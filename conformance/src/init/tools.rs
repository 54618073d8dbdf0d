//! What a server's tools offer, in the form in which operations are looked for: a tool that dispatches is one form for
//! each thing that it can do.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    name::{spaced, words},
    words::{ACTIONS, DISPATCHES, ENGINE_TYPES, ENVELOPES, has, is_verb},
};

/// How many forms of one tool are considered.
const MOST_FORMS: usize = 100;
/// How many values an argument has at most that selects what a tool does.
const MOST_VALUES: usize = 40;
/// How deep arguments within arguments are looked at.
const DEEPEST: usize = 2;

/// One thing that a tool can do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Form {
    /// The name of the tool.
    pub(crate) tool: String,
    /// The arguments that select it, by their places, with their values.
    pub(crate) constants: Vec<(Vec<String>, Value)>,
    /// The words of the tool's name and of the selecting values.
    pub(crate) named: BTreeSet<String>,
    /// The words of the title and of the first sentence of the description.
    pub(crate) described: BTreeSet<String>,
    /// Its arguments, without those that select it.
    pub(crate) arguments: Vec<Argument>,
    /// An argument that holds the others, of which the schema says nothing.
    pub(crate) envelope: Option<Argument>,
    /// Whether the server says that it only reads.
    pub(crate) only_reads: Option<bool>,
    /// The fields of its structured answer.
    pub(crate) answers: Vec<String>,
}

/// An argument of a tool.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Argument {
    /// Its name, below the names of the arguments in which it lies.
    pub(crate) place: Vec<String>,
    /// The words of its name, with blanks between them.
    pub(crate) named: String,
    pub(crate) kind: Kind,
    pub(crate) is_required: bool,
    /// Whether null can be sent.
    pub(crate) is_nullable: bool,
    /// Whether an empty text, list or table is against the schema.
    pub(crate) not_empty: bool,
    pub(crate) default: Option<Value>,
    /// The only values that it can have; empty if there are others.
    pub(crate) allowed: Vec<Value>,
    pub(crate) description: String,
}

/// What an argument takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Boolean,
    Table,
    /// A list of texts, or of anything.
    Texts,
    Numbers,
    /// The schema does not say.
    Any,
}

impl Kind {
    /// The kind in words.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Table => "a table",
            Self::Texts => "a list",
            Self::Numbers => "a list of numbers",
            Self::Any => "any value",
        }
    }
}

impl Argument {
    /// Its own name.
    pub(crate) fn name(&self) -> &str {
        self.place.last().map_or("", String::as_str)
    }

    /// What the schema says of it, for readers.
    pub(crate) fn about(&self) -> String {
        let name = self.place.join(".");
        let mut about = format!("{name} ({}", self.kind.words());
        if !self.allowed.is_empty() {
            let allowed: Vec<_> = self.allowed.iter().map(Value::to_string).collect();
            about += &format!(", one of {}", allowed.join(", "));
        }
        about += ")";
        let description = one_line(&self.description);
        if !description.is_empty() {
            about += &format!(": {description}");
        }
        about
    }
}

/// The beginning of a text, on one line.
pub(crate) fn one_line(text: &str) -> String {
    const ENOUGH: usize = 160;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|letter| !letter.is_control()).collect();
    match line.char_indices().nth(ENOUGH) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line,
    }
}

/// The forms of all listed tools.
pub(crate) fn forms(tools: &[Value]) -> Vec<Form> {
    tools.iter().flat_map(forms_of).collect()
}

fn forms_of(tool: &Value) -> Vec<Form> {
    let Some(name) = tool["name"].as_str() else {
        return Vec::new();
    };
    let schema = &tool["inputSchema"];
    let mut arguments = Vec::new();
    flatten(schema, schema, &[], true, &mut arguments);
    let description = tool["description"].as_str().unwrap_or_default();
    let title = tool["title"]
        .as_str()
        .or(tool["annotations"]["title"].as_str());
    let first = first_sentence(description);
    let whole = Form {
        tool: name.to_owned(),
        constants: Vec::new(),
        named: words(name).into_iter().collect(),
        described: words(title.unwrap_or_default())
            .into_iter()
            .chain(words(first))
            .collect(),
        arguments,
        envelope: None,
        only_reads: tool["annotations"]["readOnlyHint"].as_bool(),
        answers: fields_of(&tool["outputSchema"]),
    };
    let mut forms = vec![whole];
    let selecting: Vec<Argument> = forms[0]
        .arguments
        .iter()
        .filter(|argument| selects(argument))
        .cloned()
        .collect();
    for argument in selecting {
        let values = values_of(&argument);
        let mut selected = Vec::new();
        for form in &forms {
            if !argument.is_required || values.is_empty() {
                selected.push(form.clone());
            }
            for value in &values {
                let mut form = form.clone();
                form.arguments.retain(|other| other.place != argument.place);
                form.constants
                    .push((argument.place.clone(), Value::from(value.as_str())));
                form.named.extend(words(value));
                selected.push(form);
            }
        }
        selected.truncate(MOST_FORMS);
        forms = selected;
    }
    for form in &mut forms {
        wrap(form);
        // A tool may be called after what it shows: roles are listed, a role is read.
        match is_plural(name) {
            true => _ = form.described.insert("list".to_owned()),
            false if !form.named.iter().any(|word| is_verb(word)) => {
                _ = form.described.insert("read".to_owned())
            }
            false => {}
        }
    }
    forms
}

/// Sets the argument that holds the others, if it is the only one that is left and its schema says nothing.
fn wrap(form: &mut Form) {
    let is_envelope = |argument: &Argument| {
        matches!(argument.kind, Kind::Table | Kind::Text | Kind::Any)
            && has(ENVELOPES, &argument.named)
    };
    if !form.constants.is_empty()
        && form.arguments.len() == 1
        && form.arguments.iter().all(is_envelope)
    {
        form.envelope = form.arguments.pop();
    }
}

/// Whether an argument selects what a tool does.
fn selects(argument: &Argument) -> bool {
    // The engine of a new mount is an argument like others.
    let is_engine = |value: &Value| {
        let value = value.as_str().unwrap_or_default();
        ENGINE_TYPES.iter().any(|(name, _)| *name == value)
    };
    argument.kind == Kind::Text
        && has(DISPATCHES, &argument.named)
        && argument.allowed.len() != 1
        && argument.allowed.len() <= MOST_VALUES
        && !argument.allowed.iter().any(is_engine)
}

/// The values of a selecting argument, as its schema lists them, or else the verbs in its description.
fn values_of(argument: &Argument) -> Vec<String> {
    let listed = argument.allowed.iter().filter_map(Value::as_str);
    let listed: Vec<_> = listed.map(str::to_owned).collect();
    if !listed.is_empty() || !has(ACTIONS, &argument.named) {
        return listed;
    }
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    let described = argument.description.split(|letter| !is_part(letter));
    let described = described.map(|word| word.trim_matches('.'));
    let is_action = |word: &&str| words(word).iter().any(|word| is_verb(word));
    let mut actions: Vec<String> = Vec::new();
    for action in described.filter(is_action) {
        if !actions.iter().any(|known| known == action) {
            actions.push(action.to_owned());
        }
    }
    actions.truncate(MOST_VALUES);
    actions
}

/// The names of the fields of a schema.
fn fields_of(schema: &Value) -> Vec<String> {
    let fields = schema["properties"].as_object().into_iter().flatten();
    fields.map(|(name, _)| name.clone()).collect()
}

fn is_plural(name: &str) -> bool {
    name.ends_with(['s', 'S']) && words(name).last().is_some_and(|last| !last.ends_with('s'))
}

fn first_sentence(text: &str) -> &str {
    let end = text.find(". ").or_else(|| text.find('\n'));
    end.map_or(text, |end| &text[..end])
}

/// Adds the arguments of a schema; those within an argument that is a table with known fields in its place.
fn flatten(
    root: &Value,
    schema: &Value,
    above: &[String],
    is_needed: bool,
    found: &mut Vec<Argument>,
) {
    let required = schema["required"].as_array().into_iter().flatten();
    let required: BTreeSet<_> = required.filter_map(Value::as_str).collect();
    for (name, about) in schema["properties"].as_object().into_iter().flatten() {
        let mut place = above.to_vec();
        place.push(name.clone());
        let (about, is_nullable) = resolve(root, about);
        let is_required = is_needed && required.contains(name.as_str());
        let has_fields = about["properties"]
            .as_object()
            .is_some_and(|fields| !fields.is_empty());
        if has_fields && above.len() < DEEPEST {
            flatten(root, &about, &place, is_required, found);
            continue;
        }
        let positive = |key: &str| about[key].as_u64().is_some_and(|least| least > 0);
        found.push(Argument {
            place,
            named: spaced(name),
            kind: kind_of(root, &about),
            is_required,
            is_nullable,
            not_empty: positive("minLength") || positive("minItems"),
            default: about.get("default").cloned(),
            allowed: allowed_by(&about),
            description: about["description"].as_str().unwrap_or_default().to_owned(),
        });
    }
}

/// A schema with its reference followed, and the part of it that is not about null; and whether null is allowed.
fn resolve(root: &Value, schema: &Value) -> (Value, bool) {
    let mut own = schema.clone();
    if let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|name| name.strip_prefix('#'))
        && let Some(Value::Object(target)) = root.pointer(name)
    {
        let mut merged: Map<String, Value> = target.clone();
        if let Value::Object(fields) = schema {
            merged.extend(
                fields
                    .clone()
                    .into_iter()
                    .filter(|(name, _)| name != "$ref"),
            );
        }
        own = Value::Object(merged);
    }
    let kinds = own["type"].as_array().cloned().unwrap_or_default();
    let mut is_nullable = kinds.iter().any(|kind| kind == "null");
    for key in ["anyOf", "oneOf"] {
        let Some(parts) = own[key].as_array().cloned() else {
            continue;
        };
        is_nullable |= parts.iter().any(|part| part["type"] == "null");
        let mut rest = parts.into_iter().filter(|part| part["type"] != "null");
        if let (Some(only), None) = (rest.next(), rest.next()) {
            let (only, _) = resolve(root, &only);
            if let (Value::Object(own), Value::Object(only)) = (&mut own, only) {
                own.remove(key);
                for (name, value) in only {
                    own.entry(name).or_insert(value);
                }
            }
        }
    }
    (own, is_nullable)
}

fn allowed_by(schema: &Value) -> Vec<Value> {
    if let Some(constant) = schema.get("const") {
        return vec![constant.clone()];
    }
    let listed = schema["enum"].as_array().cloned().unwrap_or_default();
    if !listed.is_empty() {
        return listed
            .into_iter()
            .filter(|value| !value.is_null())
            .collect();
    }
    let parts = ["anyOf", "oneOf"]
        .into_iter()
        .flat_map(|key| schema[key].as_array().into_iter().flatten());
    let parts: Vec<_> = parts.filter(|part| part["type"] != "null").collect();
    let constants: Vec<_> = parts
        .iter()
        .filter_map(|part| part.get("const").cloned())
        .collect();
    match constants.len() == parts.len() {
        true => constants,
        false => Vec::new(),
    }
}

fn kind_of(root: &Value, schema: &Value) -> Kind {
    let named = match &schema["type"] {
        Value::String(kind) => kind.as_str(),
        Value::Array(kinds) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null")
            .unwrap_or_default(),
        _ => "",
    };
    match named {
        "string" => Kind::Text,
        "integer" | "number" => Kind::Number,
        "boolean" => Kind::Boolean,
        "object" => Kind::Table,
        "array" => {
            let (items, _) = resolve(root, &schema["items"]);
            match items["type"].as_str() {
                Some("integer" | "number") => Kind::Numbers,
                _ => Kind::Texts,
            }
        }
        _ if schema["properties"].is_object() || schema["additionalProperties"].is_object() => {
            Kind::Table
        }
        _ if allowed_by(schema).iter().any(Value::is_string) => Kind::Text,
        _ => Kind::Any,
    }
}
