//! The schemas of a target's tools: whether they are valid, and valid arguments or arguments with one mistake made from
//! them.

use jsonschema::Validator;
use rand::{Rng, seq::SliceRandom as _};
use serde_json::{Map, Value, json};

use crate::transport::Revision;

/// The maximum depth of a generated value.
const DEPTH: usize = 6;
/// The length of a long text, in bytes.
const LONG: usize = 1 << 20;
/// How many objects and how many lists deep JSON is nested: usual parsers accept this, including the message around it.
const DEEP: usize = 50;

/// The problem with a schema, if there is one. It must describe an object, if so demanded, and be valid in its dialect,
/// which is JSON Schema 2020-12 unless it names another. The revision 2025-06-18 does not specify a dialect, so draft 7 is accepted
/// there, too.
#[must_use]
pub fn problem(schema: &Value, revision: Revision, is_object: bool) -> Option<String> {
    if !schema.is_object() {
        return Some("it is no JSON object".to_owned());
    }
    if is_object && schema["type"] != "object" {
        return Some(format!("its type is {}, not \"object\"", schema["type"]));
    }
    let dialect = schema["$schema"].as_str();
    if dialect.is_some_and(|dialect| !dialect.contains("json-schema.org/")) {
        // The suite does not know the dialect.
        return None;
    }
    let invalid = jsonschema::meta::validate(schema).err()?.to_string();
    let other = revision == Revision::R2025_06_18 && dialect.is_none();
    if other && jsonschema::draft7::meta::is_valid(schema) {
        return None;
    }
    Some(invalid)
}

/// A validator of values for a schema.
///
/// # Errors
/// If the schema is unusable: a reference leads nowhere, or a pattern is not a regular expression.
pub fn validator(schema: &Value) -> Result<Validator, String> {
    jsonschema::validator_for(schema).map_err(|error| error.to_string())
}

/// The arguments that a tool's schema does not require, and for which it declares a default.
#[must_use]
pub fn defaults(schema: &Value) -> Vec<(String, Value)> {
    let required = schema["required"].as_array().into_iter().flatten();
    let required: Vec<_> = required.filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let declared = properties.filter_map(|(name, about)| Some((name, about.get("default")?)));
    declared
        .filter(|(name, default)| !default.is_null() && !required.contains(&name.as_str()))
        .map(|(name, default)| (name.clone(), default.clone()))
        .collect()
}

/// The arguments of a call that a tool's schema declares and does not require.
#[must_use]
pub fn optional_arguments(schema: &Value, arguments: &Value) -> Vec<String> {
    let required = schema["required"].as_array();
    let is_required = |name: &String| required.is_some_and(|all| all.contains(&json!(name)));
    let given = arguments.as_object().into_iter().flat_map(Map::keys);
    let declared = given.filter(|name| schema["properties"].get(name).is_some());
    declared
        .filter(|name| !is_required(name))
        .cloned()
        .collect()
}

/// Only the arguments that a tool's schema requires; `text` is the value wherever any text is valid.
#[must_use]
pub fn required_arguments(schema: &Value, text: &str) -> Value {
    object(schema, schema, text, DEPTH)
}

fn object(schema: &Value, root: &Value, text: &str, depth: usize) -> Value {
    let required = schema["required"].as_array().into_iter().flatten();
    let fields = required.filter_map(Value::as_str).map(|name| {
        let about = &schema["properties"][name];
        (name.to_owned(), example(about, root, text, depth))
    });
    Value::Object(fields.collect())
}

/// A value that is valid for a schema, as far as common keywords are concerned.
fn example(schema: &Value, root: &Value, text: &str, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else {
        return Value::Null;
    };
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    let choices = schema["enum"]
        .as_array()
        .or_else(|| schema["examples"].as_array());
    if let Some(first) = choices.and_then(|choices| choices.first()) {
        return first.clone();
    }
    if let Some(value) = schema.get("default").filter(|value| !value.is_null()) {
        return value.clone();
    }
    if let Some(place) = schema["$ref"].as_str().and_then(|to| to.strip_prefix('#')) {
        let meant = root.pointer(place).unwrap_or(&Value::Null);
        return example(meant, root, text, depth);
    }
    let alternatives = ["anyOf", "oneOf", "allOf"].map(|kind| schema[kind].as_array());
    if let Some(alternatives) = alternatives.into_iter().flatten().next() {
        let some = alternatives.iter().find(|other| other["type"] != "null");
        return example(some.unwrap_or(&Value::Null), root, text, depth);
    }
    let number = |name: &str| schema[name].as_i64();
    let least = number("minimum").or(number("exclusiveMinimum").map(|least| least + 1));
    match kind_of(schema) {
        "object" => object(schema, root, text, depth),
        "array" => {
            let item = || example(&schema["items"], root, text, depth);
            let least = number("minItems").and_then(|count| usize::try_from(count).ok());
            std::iter::repeat_with(item)
                .take(least.unwrap_or(1))
                .collect()
        }
        "integer" | "number" => json!(
            least
                .unwrap_or(1)
                .min(number("maximum").unwrap_or(i64::MAX))
        ),
        "boolean" => json!(false),
        "null" => Value::Null,
        _ => json!(fitting_text(schema, text)),
    }
}

/// The type of a schema, the first that is not null; a string if it declares none.
fn kind_of(schema: &Value) -> &str {
    let kinds = schema["type"].as_array().into_iter().flatten();
    let mut kinds = kinds
        .filter_map(Value::as_str)
        .filter(|kind| *kind != "null");
    let one = schema["type"].as_str().or_else(|| kinds.next());
    let guessed = || match schema["properties"].is_object() {
        true => "object",
        false => "string",
    };
    one.unwrap_or_else(guessed)
}

fn fitting_text(schema: &Value, text: &str) -> String {
    match schema["format"].as_str() {
        Some("date-time") => return "2030-01-01T00:00:00Z".to_owned(),
        Some("date") => return "2030-01-01".to_owned(),
        Some("email") => return "nobody@example.invalid".to_owned(),
        Some("uri" | "url") => return "https://example.invalid/".to_owned(),
        Some("uuid") => return "00000000-0000-4000-8000-000000000000".to_owned(),
        _ => {}
    }
    let length = |name: &str| schema[name].as_u64().and_then(|n| usize::try_from(n).ok());
    let mut text = text.to_owned();
    while text.chars().count() < length("minLength").unwrap_or(0).min(LONG) {
        text.push('x');
    }
    text.chars()
        .take(length("maxLength").unwrap_or(usize::MAX))
        .collect()
}

/// One way in which an argument is invalid or unusual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentFault {
    /// It has another type than the schema declares.
    WrongType,
    /// It could only be converted with a loss: a fraction for an integer, a number other than 0 and 1 for a boolean.
    NearlyRight,
    /// It is required, but null.
    Null,
    /// It is required, but missing.
    Missing,
    /// It is an empty text.
    Empty,
    /// It is a text of 1 MiB.
    Long,
    /// It is deeply nested JSON.
    Deep,
    /// It contains control characters.
    Control,
    /// It contains letters of many scripts.
    Scripts,
}

/// Arguments of which one has a fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Bad {
    /// The argument with the fault.
    pub argument: String,
    /// All arguments.
    pub arguments: Value,
    /// Whether the schema allows them nevertheless.
    pub fits: bool,
}

impl ArgumentFault {
    /// All faults.
    pub const ALL: [Self; 9] = [
        Self::WrongType,
        Self::NearlyRight,
        Self::Null,
        Self::Missing,
        Self::Empty,
        Self::Long,
        Self::Deep,
        Self::Control,
        Self::Scripts,
    ];

    /// The name in features.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::WrongType => "of the wrong type",
            Self::NearlyRight => "almost of the right type",
            Self::Null => "null",
            Self::Missing => "left out",
            Self::Empty => "empty",
            Self::Long => "of 1 MiB",
            Self::Deep => "nested deeply",
            Self::Control => "with control characters",
            Self::Scripts => "in letters of many scripts",
        }
    }

    /// The fault with this name in features.
    #[must_use]
    pub fn worded(words: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.words() == words)
    }

    /// These arguments with the fault in one argument, for each argument that can have it.
    pub fn inflict(self, arguments: &Value, schema: &Value, random: &mut impl Rng) -> Vec<Bad> {
        let Some(given) = arguments.as_object() else {
            return Vec::new();
        };
        let required = |name: &String| {
            let required = schema["required"].as_array();
            required.is_some_and(|required| required.contains(&json!(name)))
        };
        let declared = schema["properties"]
            .as_object()
            .into_iter()
            .flat_map(Map::keys);
        let mut names: Vec<_> = declared.chain(given.keys()).cloned().collect();
        names.sort();
        names.dedup();
        let is_text = |name: &String| kind_of(&schema["properties"][name]) == "string";
        let (texts, needed): (Vec<_>, Vec<_>) = (
            names.iter().filter(|name| is_text(name)).cloned().collect(),
            names
                .iter()
                .filter(|name| required(name))
                .cloned()
                .collect(),
        );
        let among = match self {
            Self::WrongType | Self::Deep => names,
            Self::NearlyRight => (names.into_iter())
                .filter(|name| {
                    matches!(kind_of(&schema["properties"][name]), "integer" | "boolean")
                })
                .collect(),
            Self::Null | Self::Missing => needed,
            Self::Empty | Self::Long | Self::Control | Self::Scripts => texts,
        };
        let validator = validator(schema).ok();
        let fits = |arguments: &Value| validator.as_ref().is_none_or(|v| v.is_valid(arguments));
        let trial = |argument: &String, value: Option<Value>| {
            let mut bad = given.clone();
            match value {
                Some(value) => bad.insert(argument.clone(), value),
                None => bad.remove(argument),
            };
            let arguments = Value::Object(bad);
            Bad {
                argument: argument.clone(),
                fits: fits(&arguments),
                arguments,
            }
        };
        let must_not_fit = matches!(self, Self::WrongType | Self::NearlyRight);
        let most = match self {
            Self::NearlyRight => usize::MAX,
            _ => 1,
        };
        let mut trials = Vec::new();
        for argument in &among {
            let values: Vec<_> = match self {
                Self::Missing if !given.contains_key(argument) => continue,
                Self::Missing => vec![None],
                Self::NearlyRight if kind_of(&schema["properties"][argument]) == "boolean" => {
                    vec![Some(json!(2))]
                }
                _ => self.values(random).into_iter().map(Some).collect(),
            };
            let serving = values.into_iter().map(|value| trial(argument, value));
            let serving = serving.filter(|bad| !must_not_fit || !bad.fits);
            trials.extend(serving.take(most));
        }
        trials
    }

    /// Candidates for the argument's value; the first suitable one is used.
    fn values(self, random: &mut impl Rng) -> Vec<Value> {
        match self {
            Self::WrongType => {
                let mut values = vec![
                    json!(true),
                    json!(0.5),
                    json!("~ \u{7f}no such thing"),
                    json!(["x"]),
                    json!({ "x": 1 }),
                ];
                values.shuffle(random);
                values
            }
            Self::NearlyRight => vec![json!(1.5), json!("1.5")],
            Self::Null | Self::Missing => vec![Value::Null],
            Self::Empty => vec![json!("")],
            Self::Long => vec![json!("x".repeat(LONG))],
            Self::Deep => vec![(0..DEEP).fold(json!({}), |inner, _| json!({ "a": [inner] }))],
            Self::Control => vec![json!("a\u{0}b\u{7}\u{1b}[31m\r\nc\u{7f}\u{85}")],
            Self::Scripts => vec![json!("Größe-Ωμέγα-你好-नमस्ते-\u{202e}-🔐-\u{feff}")],
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};
    use serde_json::{Value, json};

    use super::{
        ArgumentFault, Bad, Revision, defaults, optional_arguments, problem, required_arguments,
        validator,
    };

    fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "mount": { "type": "string", "minLength": 1 },
                "count": { "type": ["integer", "null"], "minimum": 2, "maximum": 9 },
                "kind": { "enum": ["a", "b"] },
                "tags": { "type": "array", "items": { "type": "string" }, "minItems": 2 },
                "about": { "$ref": "#/$defs/about" },
                "either": { "anyOf": [{ "type": "null" }, { "type": "boolean" }] },
                "note": { "type": "string" },
            },
            "required": ["mount", "count", "kind", "tags", "about", "either"],
            "additionalProperties": false,
            "$defs": { "about": {
                "type": "object",
                "properties": { "when": { "type": "string", "format": "date" } },
                "required": ["when"],
            } },
        })
    }

    #[test]
    fn what_is_made_after_a_schema_fits_it_and_has_nothing_but_what_is_required() {
        let arguments = required_arguments(&schema(), "name");
        assert!(
            validator(&schema()).unwrap().is_valid(&arguments),
            "{arguments}"
        );
        assert_eq!(arguments["mount"], "name");
        assert!(arguments.get("note").is_none());
    }

    #[test]
    fn a_default_counts_where_the_argument_may_be_left_out() {
        let schema = json!({
            "properties": {
                "deep": { "type": "boolean", "default": false },
                "mount": { "type": "string", "default": "secret" },
                "note": { "type": "string", "default": null },
                "path": { "type": "string" },
            },
            "required": ["mount"],
        });
        assert_eq!(defaults(&schema), [("deep".to_owned(), json!(false))]);
        assert_eq!(defaults(&json!({ "type": "object" })), []);
    }

    #[test]
    fn an_argument_is_optional_if_the_schema_knows_it_and_does_not_require_it() {
        let call = json!({ "mount": "a", "note": "b", "unknown": "c" });
        assert_eq!(optional_arguments(&schema(), &call), ["note"]);
        let open = json!({ "properties": { "note": {} } });
        assert_eq!(optional_arguments(&open, &call), ["note"]);
        assert!(optional_arguments(&schema(), &Value::Null).is_empty());
    }

    #[test]
    fn a_wrong_type_never_fits_and_what_is_optional_is_not_left_out() {
        let arguments = required_arguments(&schema(), "name");
        let validator = validator(&schema()).unwrap();
        let mut random = StdRng::seed_from_u64(7);
        for fault in [
            ArgumentFault::WrongType,
            ArgumentFault::Null,
            ArgumentFault::Missing,
        ] {
            let bad = fault.inflict(&arguments, &schema(), &mut random);
            assert!(bad.len() >= 5, "{fault:?}: {bad:?}");
            for Bad {
                argument,
                arguments,
                fits,
            } in bad
            {
                let nullable =
                    fault == ArgumentFault::Null && ["count", "either"].contains(&&*argument);
                assert_eq!(
                    validator.is_valid(&arguments),
                    nullable,
                    "{fault:?} {argument}"
                );
                assert_eq!(fits, nullable, "{fault:?} {argument}");
            }
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_faults() {
        let arguments = required_arguments(&schema(), "name");
        let made = |seed| {
            let mut random = StdRng::seed_from_u64(seed);
            ArgumentFault::WrongType.inflict(&arguments, &schema(), &mut random)
        };
        assert_eq!(made(1), made(1));
    }

    #[test]
    fn every_fault_has_words_of_its_own() {
        for fault in ArgumentFault::ALL {
            assert_eq!(ArgumentFault::worded(fault.words()), Some(fault));
        }
    }

    #[test]
    fn a_schema_is_held_to_its_own_dialect() {
        let newest = |schema: Value| problem(&schema, Revision::R2025_11_25, true);
        assert_eq!(newest(schema()), None);
        assert_eq!(newest(json!({ "type": "object" })), None);
        assert!(newest(json!({ "type": "string" })).is_some());
        assert!(newest(json!(["object"])).is_some());
        let wrong = json!({ "type": "object", "properties": { "a": { "type": "strnig" } } });
        assert!(newest(wrong).is_some());
        // A list of schemas for `items` is valid in draft 7, and removed in 2020-12.
        let items = json!({ "type": "object", "properties": { "a": { "items": [{}] } } });
        assert!(newest(items.clone()).is_some());
        assert_eq!(problem(&items, Revision::R2025_06_18, true), None);
        let mut draft7 = items;
        draft7["$schema"] = json!("http://json-schema.org/draft-07/schema#");
        assert_eq!(newest(draft7), None);
    }
}
