//! Parts of an adapter as TOML on one line, as people write them.

use serde_json::Value;

use super::mapping::{ResultPart, ResultShape};

/// A value; a table is written inline, its fields in the order given by `rank`, smallest first.
pub(crate) fn value(value: &Value, rank: &impl Fn(&str, &Value) -> usize) -> String {
    match value {
        // TOML has no null.
        Value::Null => "\"\"".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => self::text(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| self::value(item, rank)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, field)| rank(name, field));
            let fields = fields
                .into_iter()
                .map(|(name, field)| (name.as_str(), self::value(field, rank)));
            table(fields)
        }
    }
}

/// An inline table of fields that are TOML already.
pub(crate) fn table<'n>(fields: impl IntoIterator<Item = (&'n str, String)>) -> String {
    let fields = fields
        .into_iter()
        .map(|(name, field)| format!("{} = {field}", key(name)));
    let fields: Vec<_> = fields.collect();
    match fields.is_empty() {
        true => "{}".to_owned(),
        false => format!("{{ {} }}", fields.join(", ")),
    }
}

/// A list of texts.
pub(crate) fn list(texts: &[String]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| self::text(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// A text in quotes.
pub(crate) fn text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            letter if letter.is_control() => {
                quoted.push_str(&format!("\\u{:04X}", u32::from(letter)))
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// A key, in quotes if it needs them.
pub(crate) fn key(name: &str) -> String {
    let is_bare = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    match !name.is_empty() && name.chars().all(is_bare) {
        true => name.to_owned(),
        false => text(name),
    }
}

/// The fields of a `result` that differ from their defaults, without the facts.
pub(crate) fn fields(shape: &ResultShape) -> Vec<(&'static str, String)> {
    let from = match shape.from {
        ResultPart::Auto => None,
        ResultPart::Structured => Some("structured"),
        ResultPart::TextJson => Some("text-json"),
        ResultPart::TextLines => Some("text-lines"),
        ResultPart::Text => Some("text"),
    };
    let pointer = |pointer: &str| (!pointer.is_empty()).then(|| text(pointer));
    let fields = [
        ("from", from.map(text)),
        ("after", shape.after.as_deref().map(text)),
        ("empty", shape.empty.as_deref().map(text)),
        ("json_at", shape.json_at.as_deref().map(text)),
        ("at", pointer(&shape.at)),
        ("each", pointer(&shape.each)),
    ];
    fields
        .into_iter()
        .filter_map(|(name, field)| Some((name, field?)))
        .collect()
}

/// A `result` as an inline table.
pub(crate) fn shape(shape: &ResultShape, facts_in_order: &[&str]) -> String {
    let mut fields = fields(shape);
    if !shape.facts.is_empty() {
        fields.push(("facts", facts(shape, facts_in_order)));
    }
    table(fields)
}

/// The facts of a `result` as an inline table.
fn facts(shape: &ResultShape, in_order: &[&str]) -> String {
    let known = in_order
        .iter()
        .filter_map(|fact| Some((*fact, text(shape.facts.get(*fact)?))));
    table(known)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{key, shape, text, value};
    use crate::adapter::mapping::ResultShape;

    #[test]
    fn a_shape_is_written_as_people_write_it() {
        let written: ResultShape = serde_json::from_value(json!({
            "from": "text-json", "after": "Secret:", "at": "/data", "facts": { "version": "/v" },
        }))
        .unwrap();
        assert_eq!(
            shape(&written, &["version"]),
            r#"{ from = "text-json", after = "Secret:", at = "/data", facts = { version = "/v" } }"#
        );
        assert_eq!(shape(&ResultShape::default(), &[]), "{}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(written in "\\PC{0,20}", name in "\\PC{0,8}") {
            let line = format!("{} = {}", key(&name), text(&written));
            let table: toml::Table = line.parse().unwrap();
            prop_assert_eq!(table[&name].as_str(), Some(written.as_str()));
            let whole = json!({ name.clone(): [written.clone(), 1, true] });
            let line = format!("x = {}", value(&whole, &|_, _| 0));
            let table: toml::Table = line.parse().unwrap();
            prop_assert_eq!(table["x"][&name][0].as_str(), Some(written.as_str()));
        }
    }
}
