//! Where in the result of a tool that stands which Vault is known to hold: the data, and the facts beside it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    name::spaced,
    words::{each, of_fact, position},
};
use crate::{
    adapter::mapping::{ResultPart, ResultShape},
    engines::Operation,
    instance::answer::{root, text_of},
};

/// How deep in an answer facts are looked for.
const DEEPEST: usize = 6;

/// What is known of a fact.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fact {
    /// Its value; a number can also be text.
    Is(Value),
    /// It is PEM of this kind, or a list of it.
    Pem(&'static str),
    /// It is a list or a table with this name in it.
    Has(&'static str),
    /// It is text that begins like a date.
    Time,
    /// It is false, or a word for the state of something that is there.
    State,
    /// Only its name.
    Named,
}

/// The facts that are known, by name.
pub(crate) type Facts = Vec<(&'static str, Fact)>;

/// What Vault holds, and the answer to an operation must therefore contain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    /// The data: keys and values; of a list the names, of which each has one; null if the operation has no data.
    pub(crate) data: Value,
    pub(crate) facts: Facts,
}

/// The shapes with which the data is found in a result, the best first.
pub(crate) fn shapes(operation: Operation, result: &Value, expected: &Value) -> Vec<ResultShape> {
    let mut found = Vec::new();
    for (shape, root) in roots(result) {
        if !operation.has_data() {
            found.push(shape);
        } else if let Some((at, each)) = place_of(operation, &root, expected, "") {
            found.push(ResultShape { at, each, ..shape });
        }
    }
    if found.is_empty() {
        found.extend(as_prose(operation, &text_of(result), expected));
    }
    found
}

/// The JSON that a result contains, each with the shape that leads to it.
fn roots(result: &Value) -> Vec<(ResultShape, Value)> {
    let text = text_of(result);
    let structured = result
        .get("structuredContent")
        .filter(|content| !content.is_null());
    let mut roots = Vec::new();
    if let Some(content) = structured {
        roots.push((ResultShape::default(), content.clone()));
    }
    let from = match structured {
        Some(_) => ResultPart::TextJson,
        None => ResultPart::Auto,
    };
    match serde_json::from_str::<Value>(&text) {
        Ok(parsed) => roots.push((
            ResultShape {
                from,
                ..ResultShape::default()
            },
            parsed,
        )),
        Err(_) => {
            let follows = after_prose(&text).map(|(marker, json)| {
                let shape = ResultShape {
                    from: ResultPart::TextJson,
                    after: Some(marker),
                    ..ResultShape::default()
                };
                (shape, json)
            });
            roots.extend(follows);
        }
    }
    let within: Vec<_> = roots
        .iter()
        .filter_map(|(shape, root)| {
            let (pointer, inner) = json_within(root, "")?;
            Some((
                ResultShape {
                    json_at: Some(pointer),
                    ..shape.clone()
                },
                inner,
            ))
        })
        .collect();
    roots.extend(within);
    roots
}

/// A shape for a result without JSON.
fn as_prose(operation: Operation, text: &str, expected: &Value) -> Option<ResultShape> {
    let shape = |from| ResultShape {
        from,
        ..ResultShape::default()
    };
    if !operation.has_data() {
        return Some(shape(ResultPart::Text));
    }
    if operation.lists() {
        let lines: Vec<_> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        let is_name = |line: &&str| !line.contains(' ') && !line.ends_with(':');
        if lines.iter().all(is_name)
            && lines
                .iter()
                .any(|line| is_expected(Some(line.trim_matches('/')), expected))
        {
            return Some(shape(ResultPart::TextLines));
        }
        let mut names = expected.as_array().into_iter().flatten().filter_map(bare);
        return names
            .any(|name| text.contains(name))
            .then(|| shape(ResultPart::Text));
    }
    let mut values = expected.as_object()?.values().filter_map(Value::as_str);
    values
        .all(|value| text.contains(value))
        .then(|| shape(ResultPart::Text))
}

/// The JSON after prose, and the prose's last words, after which it stands.
fn after_prose(text: &str) -> Option<(String, Value)> {
    const MOST_WORDS: usize = 3;
    let begin = text.find(['{', '['])?;
    let (prose, rest) = text.split_at(begin);
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
    let json = values.next()?.ok()?;
    let line = prose.trim_end().lines().next_back()?.trim();
    // Words with digits, slashes or quotes name what was asked for.
    let is_fixed = |word: &&str| {
        !word.contains(|letter: char| letter.is_ascii_digit() || "/\"'`".contains(letter))
    };
    let words: Vec<_> = line
        .split(' ')
        .rev()
        .take(MOST_WORDS)
        .take_while(is_fixed)
        .collect();
    let marker = words.into_iter().rev().collect::<Vec<_>>().join(" ");
    // The marker must not stand there before.
    (!marker.is_empty() && prose.matches(&marker).count() == 1).then_some((marker, json))
}

/// The pointer to what Vault holds, and for a list also the pointer from an item to its name.
fn place_of(
    operation: Operation,
    value: &Value,
    expected: &Value,
    at: &str,
) -> Option<(String, String)> {
    let is_name = |name: &Value| is_expected(bare(name), expected);
    let found = match value {
        _ if !operation.lists() => (value == expected).then(String::new),
        Value::Array(items) => items.iter().find_map(|item| match item {
            Value::Object(fields) => {
                // The names that are expected first are the better ones.
                let mut expected = expected.as_array().into_iter().flatten();
                let name = expected.find_map(|expected| {
                    let is_it = |(_, field): &(&String, &Value)| {
                        bare(field).is_some() && bare(field) == bare(expected)
                    };
                    fields.iter().find(is_it).map(|(name, _)| name)
                })?;
                Some(format!("/{}", escaped(name)))
            }
            item => is_name(item).then(String::new),
        }),
        Value::Object(fields) => {
            let mut names = fields.keys().map(|name| name.trim_matches('/'));
            (names.any(|name| is_expected(Some(name), expected))).then(String::new)
        }
        _ => None,
    };
    if let Some(each) = found {
        return Some((at.to_owned(), each));
    }
    let below = |name: &str, inner| place_of(operation, inner, expected, &format!("{at}/{name}"));
    match value {
        Value::Object(fields) => {
            let mut fields = fields.iter();
            fields.find_map(|(name, field)| below(&escaped(name), field))
        }
        _ => None,
    }
}

/// The facts that are found in a result of this shape, each with its pointer.
pub(crate) fn facts(
    operation: Operation,
    shape: &ResultShape,
    result: &Value,
    expected: &Expected,
) -> BTreeMap<String, String> {
    let Some(root) = root(shape, result).ok().flatten() else {
        return BTreeMap::new();
    };
    let whole = match operation.lists() {
        false => Some(root),
        true => item(shape, &root, &expected.data),
    };
    let Some(whole) = whole else {
        return BTreeMap::new();
    };
    let mut nodes = Vec::new();
    collect(&whole, "", 0, &mut nodes);
    // The data of a secret can have keys that are called like facts.
    let is_data = |pointer: &str| {
        let at = (operation.has_data() && !operation.lists() && !shape.at.is_empty())
            .then_some(shape.at.as_str());
        at.is_some_and(|at| pointer == at || pointer.starts_with(&format!("{at}/")))
    };
    let known = operation.facts().iter().filter_map(|fact| {
        let (_, known) = expected.facts.iter().find(|(name, _)| name == fact)?;
        let fitting = nodes
            .iter()
            .filter(|node| !is_data(&node.pointer) && fits(known, node.value));
        let ranked = fitting.filter_map(|node| Some((rank(fact, known, node)?, node)));
        let (_, best) = ranked.min_by_key(|(rank, node)| (*rank, node.depth))?;
        Some(((*fact).to_owned(), best.pointer.clone()))
    });
    known.collect()
}

/// The item of a list that has one of the expected names.
fn item(shape: &ResultShape, root: &Value, expected: &Value) -> Option<Value> {
    let part = root.pointer(&shape.at)?;
    match part {
        Value::Array(items) => {
            let named =
                |item: &&Value| is_expected(item.pointer(&shape.each).and_then(bare), expected);
            items.iter().find(named).cloned()
        }
        Value::Object(fields) => {
            let named =
                |(name, _): &(&String, &Value)| is_expected(Some(name.trim_matches('/')), expected);
            fields.iter().find(named).map(|(_, item)| item.clone())
        }
        _ => None,
    }
}

/// A place in an answer.
struct Node<'v> {
    pointer: String,
    /// The words of its name.
    named: String,
    depth: usize,
    value: &'v Value,
}

fn collect<'v>(value: &'v Value, at: &str, depth: usize, nodes: &mut Vec<Node<'v>>) {
    let Value::Object(fields) = value else {
        return;
    };
    // What is below a number is about one version, or about one of several.
    let is_number = |name: &String| name.chars().all(|letter| letter.is_ascii_digit());
    for (name, field) in fields.iter().filter(|(name, _)| !is_number(name)) {
        let pointer = format!("{at}/{}", escaped(name));
        nodes.push(Node {
            pointer: pointer.clone(),
            named: spaced(name),
            depth,
            value: field,
        });
        if depth < DEEPEST {
            collect(field, &pointer, depth + 1, nodes);
        }
    }
}

/// How well the name of a place fits a fact, the best first; `None` if it does not.
fn rank(fact: &str, known: &Fact, node: &Node<'_>) -> Option<usize> {
    let names = of_fact(fact);
    let exact = position(names, &node.named);
    let in_part = || {
        let is_part = |name: &str| {
            node.named.ends_with(&format!(" {name}")) || node.named.starts_with(&format!("{name} "))
        };
        each(names)
            .take(3)
            .position(is_part)
            .map(|index| 20 + index)
    };
    // A value that is random, or of a form of its own, is found under any name.
    let anywhere = match known {
        Fact::Is(Value::Object(_)) => Some(50),
        Fact::Pem(_) => Some(60),
        _ => None,
    };
    exact.or_else(in_part).or(anywhere)
}

fn fits(known: &Fact, value: &Value) -> bool {
    match known {
        Fact::Is(expected) => {
            value == expected || value.is_string() && value.as_str() == Some(&bare_text(expected))
        }
        Fact::Pem(kind) => {
            let is_pem = |value: &Value| {
                let text = value.as_str().unwrap_or_default();
                text.trim_start().starts_with("-----BEGIN")
                    && text.lines().next().is_some_and(|line| line.contains(kind))
            };
            is_pem(value)
        }
        Fact::Has(name) => match value {
            Value::Array(items) => items.iter().any(|item| item == name),
            Value::Object(fields) => fields.contains_key(*name),
            _ => false,
        },
        Fact::Time => value.as_str().is_some_and(|text| {
            let digits = text.chars().take(4).filter(char::is_ascii_digit).count();
            digits == 4 && text.get(4..5) == Some("-")
        }),
        Fact::State => {
            value == false
                || value
                    .as_str()
                    .is_some_and(|word| !word.is_empty() && !word.contains(' '))
        }
        Fact::Named => !value.is_null() && !value.is_object(),
    }
}

fn bare_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A field's name in a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Whether a name is one of the expected names in a list.
pub(crate) fn is_expected(name: Option<&str>, expected: &Value) -> bool {
    let names = expected.as_array().into_iter().flatten();
    name.is_some() && names.into_iter().any(|expected| bare(expected) == name)
}

/// A name without the slashes of a folder or a mount.
pub(crate) fn bare(name: &Value) -> Option<&str> {
    Some(name.as_str()?.trim_matches('/'))
}

/// The first text that is itself a JSON object or list, with its pointer.
pub(crate) fn json_within(value: &Value, pointer: &str) -> Option<(String, Value)> {
    match value {
        Value::String(text) => {
            let inner: Value = serde_json::from_str(text).ok()?;
            (inner.is_object() || inner.is_array()).then(|| (pointer.to_owned(), inner))
        }
        Value::Object(fields) => fields
            .iter()
            .find_map(|(name, field)| json_within(field, &format!("{pointer}/{}", escaped(name)))),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
