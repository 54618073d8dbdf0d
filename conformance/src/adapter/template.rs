//! Placeholders in the strings of an adapter: `{name}` and `{env:NAME}`.

use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

use crate::engines::Parameters;

#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static PLACEHOLDER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{([a-z_]+|env:[A-Za-z_][A-Za-z0-9_]*)\}").unwrap());

/// The names of the placeholders in a text, in order.
pub fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    PLACEHOLDER
        .captures_iter(text)
        .filter_map(|found| found.get(1).map(|name| name.as_str()))
}

/// The text with its placeholders replaced in one pass: placeholders within a value are not replaced.
pub fn fill<'v>(text: &str, value_of: impl Fn(&str) -> Option<&'v str>) -> String {
    replace(text, |name| value_of(name).map(str::to_owned))
}

fn replace(text: &str, value_of: impl Fn(&str) -> Option<String>) -> String {
    PLACEHOLDER
        .replace_all(text, |found: &Captures<'_>| {
            value_of(&found[1]).unwrap_or_else(|| found[0].to_owned())
        })
        .into_owned()
}

/// A value as it appears within a text.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The arguments of a tool, with the operation's parameters filled in.
///
/// A string that consists of one placeholder becomes the parameter's value with its type. Within a longer string, a
/// parameter appears as text.
pub fn fill_value(template: &Value, parameters: &Parameters) -> Value {
    match template {
        Value::String(text) => match whole(text).and_then(|name| parameters.get(name)) {
            Some(value) => value.clone(),
            None => Value::String(replace(text, |name| parameters.get(name).map(self::text))),
        },
        Value::Array(items) => items
            .iter()
            .map(|item| fill_value(item, parameters))
            .collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| (name.clone(), fill_value(field, parameters)))
            .collect(),
        other => other.clone(),
    }
}

fn whole(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    (placeholders(text).next() == Some(inner)).then_some(inner)
}

/// The strings within a value, at any depth.
pub fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(fields) => fields.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

/// The names of the fields within a value, at any depth.
pub fn names(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(items) => items.iter().flat_map(names).collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, field)| std::iter::once(name.as_str()).chain(names(field)))
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{fill, fill_value};

    #[test]
    fn a_whole_placeholder_keeps_the_type_of_its_value() {
        let parameters = json!({ "version": 2, "mount": "team" });
        let filled = fill_value(
            &json!({ "v": "{version}", "p": "{mount}/x", "n": [{ "m": "{mount}" }], "t": "v{version}" }),
            parameters.as_object().unwrap(),
        );
        assert_eq!(
            filled,
            json!({ "v": 2, "p": "team/x", "n": [{ "m": "team" }], "t": "v2" })
        );
    }

    proptest! {
        #[test]
        fn a_value_that_looks_like_a_placeholder_is_data(value in "[{}a-z_]{0,20}") {
            let parameters = json!({ "value": value, "a": "other" });
            let parameters = parameters.as_object().unwrap();
            prop_assert_eq!(
                fill_value(&json!("{value}"), parameters),
                Value::String(value.clone())
            );
            prop_assert_eq!(
                fill("<{value}>", |_| Some(value.as_str())),
                format!("<{value}>")
            );
        }
    }
}
