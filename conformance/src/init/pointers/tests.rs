//! Tests of where the data and the facts are found in answers of many forms.

use serde_json::{Value, json};

use super::{Expected, Fact, facts, shapes};
use crate::{
    adapter::{inline, mapping::ResultShape},
    engines::{Kv, Mounts, Operation, Pki},
};

const READ: Operation = Operation::Kv(Kv::Read);
const LIST: Operation = Operation::Kv(Kv::List);

fn text(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }] })
}

/// The best shape, as an adapter has it.
fn best(operation: Operation, result: &Value, expected: &Value) -> Option<String> {
    let found = shapes(operation, result, expected);
    found.first().map(|shape| inline::shape(shape, &[]))
}

#[test]
fn the_data_is_found_in_each_form_of_an_answer() {
    let data = json!({ "k": "0123abcd" });
    let names = json!(["one"]);
    let inner = json!({ "data": data }).to_string();
    for (operation, result, expected, shape) in [
        (READ, text(&data.to_string()), &data, "{}"),
        (
            READ,
            json!({ "structuredContent": { "s": { "d": data } } }),
            &data,
            r#"{ at = "/s/d" }"#,
        ),
        (
            READ,
            text(&format!(
                "The secret 'app/x1' in mount vmc-1 as JSON: {inner}"
            )),
            &data,
            r#"{ from = "text-json", after = "as JSON:", at = "/data" }"#,
        ),
        (
            READ,
            text(&json!({ "result": inner }).to_string()),
            &data,
            r#"{ json_at = "/result", at = "/data" }"#,
        ),
        (READ, text("k is 0123abcd"), &data, r#"{ from = "text" }"#),
        (
            LIST,
            text("one\ntwo/"),
            &names,
            r#"{ from = "text-lines" }"#,
        ),
        (
            LIST,
            text("Secrets:\n- one"),
            &names,
            r#"{ from = "text" }"#,
        ),
        (
            LIST,
            text(r#"{"list":[{"n":"one"}]}"#),
            &names,
            r#"{ at = "/list", each = "/n" }"#,
        ),
        (LIST, text(r#"{"one":{},"two/":{}}"#), &names, "{}"),
    ] {
        assert_eq!(
            best(operation, &result, expected).as_deref(),
            Some(shape),
            "{result}"
        );
    }
    assert_eq!(best(READ, &text("nothing"), &data), None);
}

#[test]
fn facts_are_found_by_their_names_and_by_what_they_hold() {
    let answer = json!({
        "data": { "version": "7", "k": "v" },
        "versions": { "2": { "state": "active", "version": 2 } },
        "metadata": { "current_version": 2, "createdTime": "2026-01-01T00:00:00Z", "labels": { "made-by": "x" } },
        "state": "active",
    });
    let result = text(&answer.to_string());
    let expected = Expected {
        data: Value::Null,
        facts: vec![
            ("version", Fact::Is(json!(2))),
            ("created", Fact::Time),
            ("custom", Fact::Is(json!({ "made-by": "x" }))),
            ("deleted", Fact::State),
            ("keys", Fact::Has("k")),
        ],
    };
    let found = facts(
        Operation::Kv(Kv::Metadata),
        &ResultShape::default(),
        &result,
        &expected,
    );
    let found: Vec<_> = found
        .iter()
        .map(|(fact, pointer)| (fact.as_str(), pointer.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("created", "/metadata/createdTime"),
            ("custom", "/metadata/labels"),
            ("deleted", "/state"),
            ("version", "/metadata/current_version"),
        ]
    );
}

#[test]
fn a_key_of_the_secret_is_no_fact() {
    let answer = json!({ "data": { "version": 1 }, "meta": { "version": 1 } });
    let expected = Expected {
        data: json!({ "version": 1 }),
        facts: vec![("version", Fact::Is(json!(1)))],
    };
    let shape = ResultShape {
        at: "/data".to_owned(),
        ..ResultShape::default()
    };
    let found = facts(READ, &shape, &text(&answer.to_string()), &expected);
    assert_eq!(found["version"], "/meta/version");
}

#[test]
fn the_certificate_itself_is_preferred_to_those_above_it() {
    let pem = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----";
    let answer = json!({ "ca_chain": [pem], "certificate": pem, "issuing_ca": pem, "serial_number": "1a:2b" });
    let expected = Expected {
        data: Value::Null,
        facts: vec![
            ("certificate", Fact::Pem("CERTIFICATE")),
            ("serial", Fact::Named),
            ("private_key", Fact::Pem("PRIVATE KEY")),
        ],
    };
    let found = facts(
        Operation::Pki(Pki::Issue),
        &ResultShape::default(),
        &text(&answer.to_string()),
        &expected,
    );
    assert_eq!(found.len(), 2);
    assert_eq!(
        (found["certificate"].as_str(), found["serial"].as_str()),
        ("/certificate", "/serial_number")
    );
}

#[test]
fn facts_of_a_list_are_those_of_the_item_that_is_known() {
    let answer = json!({ "all": [{ "path": "sys/", "type": "system" }, { "path": "team/", "type": "kv", "options": { "version": "2" } }] });
    let expected = Expected {
        data: json!(["team/"]),
        facts: vec![("type", Fact::Named), ("version", Fact::Is(json!(2)))],
    };
    let operation = Operation::Mounts(Mounts::List);
    let result = text(&answer.to_string());
    let shape = shapes(operation, &result, &expected.data).remove(0);
    let found = facts(operation, &shape, &result, &expected);
    assert_eq!(
        (found["type"].as_str(), found["version"].as_str()),
        ("/type", "/options/version")
    );
}
