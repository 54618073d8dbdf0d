//! Validates a call's arguments against the tool's own input schema.
//!
//! Deserialization is not enough: its errors do not name the argument, and they quote the value.

use rmcp::model::JsonObject;
use serde_json::Value;

/// Validates the arguments. The error names the argument and never quotes a value.
///
/// # Errors
/// A description of the problem, as a sentence without a full stop.
pub(super) fn check(arguments: &JsonObject, schema: &JsonObject) -> Result<(), String> {
    let no_properties = JsonObject::new();
    let properties = schema
        .get("properties")
        .and_then(Value::as_object)
        .unwrap_or(&no_properties);
    let required = schema
        .get("required")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    for name in required.iter().filter_map(Value::as_str) {
        if !arguments.contains_key(name) {
            return Err(format!("missing argument `{name}`"));
        }
    }
    for (name, value) in arguments {
        let Some(property) = properties.get(name) else {
            let known = properties
                .keys()
                .map(|known| format!("`{known}`"))
                .collect::<Vec<_>>();
            let name = name.chars().take(64).collect::<String>();
            return Err(match known.as_slice() {
                [] => format!("unknown argument `{name}`: this tool takes none"),
                known => format!(
                    "unknown argument `{name}`: this tool takes {}",
                    known.join(", ")
                ),
            });
        };
        check_value(name, value, property)?;
    }
    Ok(())
}

fn check_value(name: &str, value: &Value, property: &Value) -> Result<(), String> {
    let types: Vec<&str> = match property.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    if !types.iter().any(|expected| has_type(value, expected)) {
        return Err(format!(
            "argument `{name}` must be of type {}",
            types.join(" or ")
        ));
    }
    if let Some(choices) = property.get("enum").and_then(Value::as_array)
        && !choices.contains(value)
    {
        let choices: Vec<_> = choices
            .iter()
            .filter_map(|choice| Some(format!("`{}`", choice.as_str()?)))
            .collect();
        return Err(format!(
            "argument `{name}` must be one of {}",
            choices.join(", ")
        ));
    }
    let bound = |keyword: &str| property.get(keyword).and_then(Value::as_u64);
    if bound("minLength").is_some_and(|least| least > 0) && value.as_str() == Some("") {
        return Err(format!("argument `{name}` is empty"));
    }
    if let (Some(least), Some(number)) = (bound("minimum"), value.as_number())
        && number.as_u64().is_none_or(|number| number < least)
    {
        return Err(format!("argument `{name}` must be at least {least}"));
    }
    if let (Some(most), Some(number)) = (bound("maximum"), value.as_number())
        && number.as_u64().is_none_or(|number| number > most)
    {
        return Err(format!("argument `{name}` must be at most {most}"));
    }
    if let Some(items) = value.as_array() {
        if bound("minItems").is_some_and(|least| least > items.len() as u64) {
            return Err(format!("argument `{name}` is empty"));
        }
        if let Some(schema) = property.get("items") {
            for item in items {
                check_value(&format!("{name}[]"), item, schema)?;
            }
        }
    }
    check_numbers(name, value)
}

/// KV v2 stores numbers as 64-bit floats (seen on Vault 1.21). An integer that would change is rejected.
fn check_numbers(name: &str, value: &Value) -> Result<(), String> {
    /// 2^53: from here on not every integer can be a 64-bit float.
    const FIRST_UNSAFE: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) if number.as_f64().is_none_or(|it| it.abs() >= FIRST_UNSAFE) => {
            Err(format!(
                "argument `{name}` has a number beyond 2^53, which Vault may round: make it a string"
            ))
        }
        Value::Array(items) => items.iter().try_for_each(|item| check_numbers(name, item)),
        Value::Object(members) => members
            .values()
            .try_for_each(|member| check_numbers(name, member)),
        _ => Ok(()),
    }
}

fn has_type(value: &Value, expected: &str) -> bool {
    match expected {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::object;
    use serde_json::json;

    use super::*;

    fn complaint(arguments: Value) -> Result<(), String> {
        let schema = object(json!({
            "properties": {
                "mount": { "type": "string", "minLength": 1 },
                "version": { "type": ["integer", "null"], "minimum": 1, "maximum": 9 },
                "versions": { "type": "array", "minItems": 1, "items": { "type": "integer", "minimum": 1 } },
                "data": { "type": "object" },
                "kind": { "type": ["string", "null"], "enum": ["a", "b", null] },
            },
            "required": ["mount"],
        }));
        check(&object(arguments), &schema)
    }

    #[test]
    fn good_arguments_pass_and_null_is_an_optional_argument_left_out() {
        assert_eq!(complaint(json!({ "mount": "secret" })), Ok(()));
        assert_eq!(
            complaint(json!({ "mount": "secret", "version": 3 })),
            Ok(())
        );
        assert_eq!(
            complaint(json!({ "mount": "secret", "version": null })),
            Ok(())
        );
    }

    #[test]
    fn the_complaint_names_the_argument_and_not_its_value() {
        for (arguments, expected) in [
            (json!({}), "missing argument `mount`"),
            (json!({ "mount": "" }), "argument `mount` is empty"),
            (
                json!({ "mount": null }),
                "argument `mount` must be of type string",
            ),
            (
                json!({ "mount": 471_147 }),
                "argument `mount` must be of type string",
            ),
            (
                json!({ "mount": "a", "version": "471147" }),
                "argument `version` must be of type integer or null",
            ),
            (
                json!({ "mount": "a", "version": 0 }),
                "argument `version` must be at least 1",
            ),
            (
                json!({ "mount": "a", "version": -1 }),
                "argument `version` must be at least 1",
            ),
            (
                json!({ "mount": "a", "version": 471_147 }),
                "argument `version` must be at most 9",
            ),
            (
                json!({ "mount": "a", "versions": [] }),
                "argument `versions` is empty",
            ),
            (
                json!({ "mount": "a", "versions": [1, "471147"] }),
                "argument `versions[]` must be of type integer",
            ),
            (
                json!({ "mount": "a", "data": { "n": [9_007_199_254_740_993_u64] } }),
                "argument `data` has a number beyond 2^53, which Vault may round: make it a string",
            ),
            (
                json!({ "mount": "a", "kind": "471147" }),
                "argument `kind` must be one of `a`, `b`",
            ),
            (
                json!({ "mount": "a", "x": "471147" }),
                "unknown argument `x`: this tool takes `data`, `kind`, `mount`, `version`, `versions`",
            ),
        ] {
            assert_eq!(complaint(arguments), Err(expected.to_owned()));
        }
    }
}
