//! Tests of guesses from names and schemas alone: servers that call the same things differently.

use serde_json::{Value, json};

use super::{CLEAR, Candidate, candidates};
use crate::{
    engines::Operation,
    init::{arguments::Placing, tools::forms},
};

fn text() -> Value {
    json!({ "type": "string" })
}

/// A tool with these arguments; those that do not end in `?` are required.
fn tool(name: &str, arguments: &[(&str, Value)]) -> Value {
    let properties: serde_json::Map<_, _> = arguments
        .iter()
        .map(|(name, schema)| (name.trim_end_matches('?').to_owned(), schema.clone()))
        .collect();
    let required: Vec<_> = arguments
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !name.ends_with('?'))
        .collect();
    json!({ "name": name, "inputSchema": { "type": "object", "properties": properties, "required": required } })
}

fn best(tools: &[Value], operation: &str) -> Option<Candidate> {
    let operation = Operation::named(operation).unwrap();
    candidates(operation, &forms(tools))
        .into_iter()
        .find(|candidate| candidate.points >= CLEAR)
}

/// The tool for an operation with the arguments that are sent to it.
fn call(tools: &[Value], operation: &str) -> (String, Value) {
    let best = best(tools, operation).unwrap_or_else(|| panic!("no tool for {operation}"));
    (best.form.tool, best.draft.mapping.arguments)
}

fn calls(tools: &[Value], expected: &[(&str, &str, Value)]) {
    for (operation, tool, arguments) in expected {
        assert_eq!(
            call(tools, operation),
            ((*tool).to_owned(), arguments.clone()),
            "{operation}"
        );
    }
}

#[test]
fn the_same_operation_is_found_under_other_names_and_arguments() {
    let secret = |name: &str, more: &[(&str, Value)]| {
        let place = [("mountPath", text()), ("secretPath", text())];
        tool(name, &[place.as_slice(), more].concat())
    };
    let tools = [
        secret("getSecret", &[("revision?", json!({ "type": "integer" }))]),
        secret("saveSecret", &[("values", json!({ "type": "object" }))]),
        secret("updateSecretField", &[("field", text()), ("value", text())]),
        secret("removeSecret", &[]),
        secret(
            "restoreSecret",
            &[(
                "versions",
                json!({ "type": "array", "items": { "type": "integer" } }),
            )],
        ),
        secret("describeSecret", &[]),
        tool(
            "browseSecrets",
            &[("mountPath", text()), ("prefix?", text())],
        ),
        tool("listEngines", &[]),
        tool(
            "enableEngine",
            &[
                ("name", text()),
                (
                    "engineType",
                    json!({ "type": "string", "enum": ["kv-v1", "kv-v2", "pki"] }),
                ),
            ],
        ),
    ];
    let place = json!({ "mountPath": "{mount}", "secretPath": "{path}" });
    let and = |name: &str, value: Value| {
        let mut all = place.clone();
        all[name] = value;
        all
    };
    calls(
        &tools,
        &[
            ("kv.read", "getSecret", place.clone()),
            (
                "kv.read_version",
                "getSecret",
                and("revision", json!("{version}")),
            ),
            ("kv.write", "saveSecret", and("values", json!("{data}"))),
            ("kv.delete", "removeSecret", place.clone()),
            (
                "kv.undelete",
                "restoreSecret",
                and("versions", json!(["{version}"])),
            ),
            ("kv.metadata", "describeSecret", place.clone()),
            (
                "kv.list",
                "browseSecrets",
                json!({ "mountPath": "{mount}", "prefix": "{path}" }),
            ),
            ("mounts.list", "listEngines", json!({})),
            (
                "mounts.create",
                "enableEngine",
                json!({ "name": "{mount}", "engineType": "{version}" }),
            ),
            (
                "pki.enable",
                "enableEngine",
                json!({ "name": "{mount}", "engineType": "pki" }),
            ),
        ],
    );
    let (_, arguments) = call(&tools, "kv.write_key");
    assert_eq!(arguments["value"], "{value}");
    assert!(best(&tools, "pki.issue").is_none() && best(&tools, "kv.purge").is_none());
}

#[test]
fn a_tool_that_dispatches_is_found_by_its_values_whether_listed_or_described() {
    let listed = json!({ "type": "string", "enum": ["list", "read", "write"] });
    let described = json!({ "type": "string", "description": "list, read or write (all keys)" });
    for action in [listed, described] {
        let tools = [tool(
            "vault_kv",
            &[
                ("action", action),
                ("mount", text()),
                ("path", text()),
                ("data?", json!({ "type": "object" })),
            ],
        )];
        let sent = |action: &str| json!({ "action": action, "mount": "{mount}", "path": "{path}" });
        calls(
            &tools,
            &[
                ("kv.read", "vault_kv", sent("read")),
                ("kv.list", "vault_kv", sent("list")),
            ],
        );
        assert_eq!(call(&tools, "kv.write").1["data"], "{data}");
        assert_eq!(call(&tools, "kv.write").1["action"], "write");
    }
}

#[test]
fn parameters_in_a_text_of_json_are_named_as_the_suite_names_them() {
    let action = json!({ "type": "string", "enum": ["read_secret", "list_mounts"] });
    let tools = [tool("vault", &[("action", action), ("params", text())])];
    let (_, arguments) = call(&tools, "kv.read");
    assert_eq!(
        arguments,
        json!({ "action": "read_secret", "params": { "mount": "{mount}", "path": "{path}" } })
    );
    assert_eq!(
        best(&tools, "kv.read")
            .unwrap()
            .draft
            .mapping
            .json_arguments,
        ["params"]
    );
}

#[test]
fn arguments_within_an_argument_keep_their_places() {
    let mut tool = tool(
        "read_secret",
        &[("params", json!({ "$ref": "#/$defs/Read" }))],
    );
    tool["inputSchema"]["$defs"] = json!({ "Read": {
        "type": "object",
        "properties": { "mount_point": text(), "path": { "anyOf": [text(), { "type": "null" }] } },
        "required": ["mount_point", "path"],
    } });
    calls(
        &[tool],
        &[(
            "kv.read",
            "read_secret",
            json!({ "params": { "mount_point": "{mount}", "path": "{path}" } }),
        )],
    );
}

#[test]
fn without_an_argument_for_the_mount_the_path_begins_with_it_or_there_is_only_one() {
    let tools = [tool("read_secret", &[("path", text())])];
    let all = candidates(Operation::named("kv.read").unwrap(), &forms(&tools));
    let paths: Vec<_> = all
        .iter()
        .map(|found| {
            (
                found.draft.placing,
                found.draft.mapping.arguments["path"].clone(),
            )
        })
        .collect();
    assert_eq!(
        paths,
        [
            (Placing::Together, json!("{mount}/{path}")),
            (Placing::AsInVault, json!("{mount}/data/{path}")),
            (Placing::PathAlone, json!("{path}")),
        ]
    );
}

#[test]
fn a_value_of_another_type_is_sent_as_the_schema_wants_it() {
    let tools = [
        tool(
            "write_secret",
            &[("mount", text()), ("path", text()), ("secret_json", text())],
        ),
        tool(
            "read_secret_version",
            &[("mount", text()), ("path", text()), ("version", text())],
        ),
        tool(
            "create_pki_role",
            &[
                ("mount", text()),
                ("name", text()),
                ("allowed_domains?", text()),
            ],
        ),
    ];
    let mapping = |operation| best(&tools, operation).unwrap().draft.mapping;
    assert_eq!(mapping("kv.write").json_arguments, ["secret_json"]);
    assert_eq!(mapping("kv.read_version").text_arguments, ["version"]);
    assert_eq!(
        mapping("pki.create_role").comma_arguments,
        ["allowed_domains"]
    );
}

#[test]
fn a_required_argument_that_nothing_fills_is_kept_for_the_reader() {
    let reason = json!({ "type": "string", "description": "Why it is deleted" });
    let tools = [tool(
        "delete_secret",
        &[
            ("mount", text()),
            ("path", text()),
            ("reason", reason),
            ("confirm", json!({ "type": "boolean" })),
        ],
    )];
    let all = candidates(Operation::named("kv.delete").unwrap(), &forms(&tools));
    let draft = &all[0].draft;
    assert_eq!(draft.open[0].about(), "reason (text): Why it is deleted");
    assert_eq!(draft.mapping.arguments["confirm"], true);
}

#[test]
fn tools_that_are_called_after_what_they_show_are_found() {
    let on_mount = [("mount", text())];
    let tools = [
        tool("pki_issuers", &on_mount),
        tool("pki_issuer", &[("mount", text()), ("issuer", text())]),
        tool("pki_certificates", &on_mount),
        tool("vault_mounts", &[]),
    ];
    for (operation, expected) in [
        ("pki.list_issuers", "pki_issuers"),
        ("pki.read_issuer", "pki_issuer"),
        ("pki.list_certs", "pki_certificates"),
        ("mounts.list", "vault_mounts"),
    ] {
        assert_eq!(call(&tools, operation).0, expected, "{operation}");
    }
}

#[test]
fn a_tool_that_says_that_it_only_reads_performs_no_write() {
    let mut reads = tool(
        "update_secret",
        &[
            ("mount", text()),
            ("path", text()),
            ("data", json!({ "type": "object" })),
        ],
    );
    reads["annotations"] = json!({ "readOnlyHint": true });
    assert!(best(&[reads], "kv.write").is_none());
}
