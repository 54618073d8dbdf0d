//! Placeholders in the strings of an adapter: `{name}` and `{env:NAME}`.

use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

use crate::engines::Parameters;

#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static PLACEHOLDER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{([a-z_]+|env:[A-Za-z_][A-Za-z0-9_]*)\}").unwrap());

/// Whatever looks like a placeholder. `${NAME}` is a variable of a shell.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static ALIKE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(\$?)\{( *[A-Za-z][A-Za-z0-9_:. -]*)\}").unwrap());

/// What stands in braces in a text like the name of a placeholder, in order, blanks included.
pub fn alike(text: &str) -> impl Iterator<Item = &str> {
    ALIKE
        .captures_iter(text)
        .filter(|found| found[1].is_empty())
        .filter_map(|found| found.get(2).map(|name| name.as_str()))
}

/// The names that stand in braces after a dollar sign, as in a shell.
pub fn shell_variables(text: &str) -> impl Iterator<Item = &str> {
    ALIKE
        .captures_iter(text)
        .filter(|found| !found[1].is_empty())
        .filter_map(|found| found.get(2).map(|name| name.as_str()))
}

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
/// A string that is one placeholder becomes the parameter's value with its type; within
/// a longer string, and in the name of a field, a parameter appears as text.
pub fn fill_value(template: &Value, parameters: &Parameters) -> Value {
    let as_text = |text: &str| replace(text, |name| parameters.get(name).map(self::text));
    match template {
        Value::String(text) => match whole(text).and_then(|name| parameters.get(name)) {
            Some(value) => value.clone(),
            None => Value::String(as_text(text)),
        },
        Value::Array(items) => items
            .iter()
            .map(|item| fill_value(item, parameters))
            .collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| (as_text(name), fill_value(field, parameters)))
            .collect(),
        other => other.clone(),
    }
}

fn whole(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    (placeholders(text).next() == Some(inner)).then_some(inner)
}

/// The strings and the names of fields within a value, at any depth: all that can have placeholders.
pub fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, field)| std::iter::once(name.as_str()).chain(texts(field)))
            .collect(),
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

    use super::{alike, fill, fill_value};

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

    #[test]
    fn the_name_of_a_field_can_have_a_placeholder() {
        let parameters = json!({ "key": "{value}", "value": { "a": 1 } });
        let template = json!({ "data": { "{key}": "{value}", "x-{key}": 2 } });
        assert_eq!(
            fill_value(&template, parameters.as_object().unwrap()),
            json!({ "data": { "{value}": { "a": 1 }, "x-{value}": 2 } })
        );
    }

    #[test]
    fn what_looks_like_a_placeholder_is_found_and_a_shells_variable_is_none() {
        let found = |text| alike(text).collect::<Vec<_>>();
        assert_eq!(found("{mount}/{ Path }"), ["mount", " Path "]);
        assert_eq!(found(r#"{"mount": "{mount}"}"#), ["mount"]);
        assert_eq!(found("{vault-addr}{env:A}"), ["vault-addr", "env:A"]);
        for other in ["${HOME}", "{.Names}", "{}", "{\"a\":1}", "{1}"] {
            assert!(found(other).is_empty(), "{other}");
        }
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
