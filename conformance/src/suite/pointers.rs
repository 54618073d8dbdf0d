//! Whether the pointers of an adapter find in an answer what Vault holds, and which pointers would.

use serde_json::Value;

use crate::{
    adapter::{inline, mapping::ResultShape},
    check::Fault,
    engines::Operation,
    init::pointers::{bare, is_expected, json_within, shapes},
    instance::answer::{Answer, Data, Success, root},
};

/// What an adapter does not find in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    /// What is in its place, and what was likely meant.
    pub(super) text: String,
    /// What is to blame.
    pub(super) fault: Fault,
    /// Whether this proves that the adapter is wrong: it points to nothing, or to something else, while the value in
    /// Vault stands elsewhere in the answer.
    pub(super) is_proof: bool,
    /// The fields of a `result` that would find what Vault holds, as an inline table of TOML.
    pub(super) proposal: Option<String>,
}

/// Describes what an adapter finds in an answer. `expected` is what Vault holds: a value that contains `canary`, which
/// is random, unless it is empty. `has_facts` is whether Vault has what the adapter points to as facts.
///
/// # Errors
/// If the data or one of the facts is not found.
pub(super) fn judge(
    operation: Operation,
    shape: &ResultShape,
    answer: &Answer,
    (expected, canary): (&Value, &str),
    has_facts: bool,
) -> Result<String, Lost> {
    let Answer::Success(success) = answer else {
        return Err(Lost {
            text: format!("the server returned {}", answer.describe()),
            fault: Fault::Server,
            is_proof: false,
            proposal: None,
        });
    };
    let result = serde_json::from_str(&success.whole).unwrap_or_default();
    let root = root(shape, &result).ok().flatten();
    let within = root.as_ref().filter(|_| shape.json_at.is_none());
    let advice = within
        .and_then(|root| json_within(root, ""))
        .map(|(pointer, _)| {
            format!("; the text at {pointer:?} is JSON itself: set json_at = {pointer:?}")
        });
    let told = |problem: String| format!("{problem}{}", advice.as_deref().unwrap_or_default());
    let lost = |problem: String| Lost {
        text: told(problem),
        fault: Fault::Adapter,
        is_proof: false,
        proposal: None,
    };
    find_data(operation, success, expected).map_err(|problem| {
        let has_data = operation.has_data();
        let shapes = has_data.then(|| shapes(operation, &result, expected));
        let best = shapes.unwrap_or_default().into_iter().next();
        let proposal = best.map(|shape| inline::shape(&shape, &[]));
        let problem = match &proposal {
            Some(_) => problem,
            None => format!("{problem}; the whole result is {}", clip(&success.whole)),
        };
        let is_there = !canary.is_empty() && success.whole.contains(canary);
        Lost {
            text: told(problem),
            fault: match is_there || canary.is_empty() {
                true => Fault::Adapter,
                false => Fault::Server,
            },
            is_proof: is_there && !is_in_data(&success.data, canary),
            proposal,
        }
    })?;
    let known = facts(success, expected);
    let mut missing = shape.facts.iter().filter(|(name, _)| !known.contains(name));
    if has_facts && let Some((name, pointer)) = missing.next() {
        let whole = root.map_or_else(|| success.whole.clone(), |root| root.to_string());
        let whole = clip(&whole);
        return Err(lost(format!(
            "the fact {name:?} points to {pointer:?}, where there is nothing in {whole}"
        )));
    }
    let data = operation.has_data().then(|| "the data".to_owned());
    let noun = if known.len() == 1 { "fact" } else { "facts" };
    let listed: Vec<_> = known.iter().map(|name| name.as_str()).collect();
    let facts = (!known.is_empty()).then(|| format!("the {noun} {}", listed.join(", ")));
    let prose = matches!(success.data, Data::Prose(_)).then(|| "a text".to_owned());
    match data.or(prose).into_iter().chain(facts).collect::<Vec<_>>() {
        found if found.is_empty() && matches!(operation, Operation::Pki(_)) => {
            Ok("the whole result is searched: the adapter points to no fact".to_owned())
        }
        found if found.is_empty() => {
            let known = operation.facts().join(", ");
            let whole = clip(&success.whole);
            let problem = format!(
                "the adapter points to none of its facts ({known}); the whole result is {whole}"
            );
            Err(lost(problem))
        }
        found => Ok(format!("the adapter finds {}", found.join(" and "))),
    }
}

/// Whether the place to which the adapter points has the canary, or may have it.
fn is_in_data(data: &Data, canary: &str) -> bool {
    match data {
        Data::Json(part) => part.to_string().contains(canary),
        Data::Prose(text) => text.contains(canary),
        Data::Unusable(_) => false,
    }
}

/// Checks that the data of an answer equals what Vault holds, if the operation has data.
fn find_data(operation: Operation, success: &Success, expected: &Value) -> Result<(), String> {
    let right = match &success.data {
        Data::Unusable(why) => return Err(clip(&format!("the adapter finds nothing: {why}"))),
        _ if !operation.has_data() => true,
        Data::Json(Value::Array(names)) if operation.lists() => {
            names.iter().any(|name| is_expected(bare(name), expected))
        }
        Data::Prose(text) if operation.lists() => {
            let mut names = expected.as_array().into_iter().flatten();
            names.any(|name| bare(name).is_some_and(|name| text.contains(name)))
        }
        Data::Json(data) => data == expected,
        Data::Prose(text) => expected
            .as_object()
            .into_iter()
            .flat_map(serde_json::Map::values)
            .filter_map(Value::as_str)
            .all(|value| text.contains(value)),
    };
    if right {
        return Ok(());
    }
    let found = clip(&Answer::Success(success.clone()).describe());
    Err(format!(
        "the adapter finds {found} where Vault holds {expected}"
    ))
}

/// The names of the facts that were found. In a list these are the facts of the expected item.
fn facts<'a>(success: &'a Success, expected: &Value) -> Vec<&'a String> {
    let item = success
        .items
        .iter()
        .find(|item| is_expected(Some(item.name.trim_matches('/')), expected));
    item.map_or(&success.facts, |item| &item.facts)
        .keys()
        .collect()
}

/// The beginning of a long text.
fn clip(text: &str) -> String {
    const ENOUGH: usize = 600;
    match text.char_indices().nth(ENOUGH) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::engines::{kv::Kv, mounts::Mounts};
    use serde_json::{Value, json};

    use super::{Fault, Lost, judge};
    use crate::{
        adapter::mapping::ResultShape, engines::Operation, instance::answer::read,
        mcp::inbox::Reply,
    };

    /// What Vault holds.
    const CANARY: &str = "0123456789abcdef";

    fn judged(operation: Operation, shape: Value, text: &Value) -> Result<String, String> {
        judged_as(operation, shape, &text.to_string(), "").map_err(|lost| lost.text)
    }

    fn judged_as(
        operation: Operation,
        shape: Value,
        text: &str,
        canary: &str,
    ) -> Result<String, Lost> {
        let shape: ResultShape = serde_json::from_value(shape).unwrap();
        let result = json!({ "content": [{ "type": "text", "text": text }] });
        let answer = read(operation, &shape, &Reply::Result(result));
        let expected = match operation {
            Operation::Mounts(Mounts::List) => json!(["team/"]),
            Operation::Kv(Kv::Read) => json!({ "k": CANARY }),
            _ => Value::Null,
        };
        judge(operation, &shape, &answer, (&expected, canary), true)
    }

    #[test]
    fn a_pointer_beside_what_vault_holds_proves_that_the_adapter_is_wrong() {
        let read = Operation::Kv(Kv::Read);
        let text = json!({ "data": { "k": CANARY }, "mount": "m" }).to_string();
        for (at, is_proof) in [("/mount", true), ("/zz", true), ("", false)] {
            let lost = judged_as(read, json!({ "at": at }), &text, CANARY).unwrap_err();
            assert_eq!(
                (lost.fault, lost.is_proof),
                (Fault::Adapter, is_proof),
                "{at}"
            );
            assert_eq!(lost.proposal.as_deref(), Some(r#"{ at = "/data" }"#));
        }
    }

    #[test]
    fn a_value_that_is_nowhere_in_the_answer_is_the_servers_fault() {
        let read = Operation::Kv(Kv::Read);
        let text = json!({ "data": { "k": "y" } }).to_string();
        let lost = judged_as(read, json!({ "at": "/data" }), &text, CANARY).unwrap_err();
        assert_eq!((lost.fault, lost.is_proof), (Fault::Server, false));
    }

    #[test]
    fn what_would_find_the_data_is_proposed_whatever_the_form_of_the_answer() {
        let read = Operation::Kv(Kv::Read);
        let prose = format!(
            "Found it.\nSecret:\n{}\nThat is all.",
            json!({ "k": CANARY })
        );
        let lost = judged_as(read, json!({}), &prose, CANARY).unwrap_err();
        assert_eq!(
            lost.proposal.as_deref(),
            Some(r#"{ from = "text-json", after = "Secret:" }"#)
        );
        let list = Operation::Mounts(Mounts::List);
        let text = json!({ "all": { "mounts": [{ "path": "team/", "type": "kv" }] } }).to_string();
        let lost = judged_as(list, json!({}), &text, "team").unwrap_err();
        assert_eq!(
            lost.proposal.as_deref(),
            Some(r#"{ at = "/all/mounts", each = "/path" }"#)
        );
    }

    #[test]
    fn what_is_found_is_told_with_its_facts() {
        let shape = json!({ "at": "/data", "facts": { "version": "/v" } });
        let found = judged(
            Operation::Kv(Kv::Read),
            shape,
            &json!({ "data": { "k": CANARY }, "v": 3 }),
        );
        assert_eq!(
            found.unwrap(),
            "the adapter finds the data and the fact version"
        );
        let shape = json!({ "facts": { "keys": "/k", "version": "/v" } });
        let found = judged(
            Operation::Kv(Kv::Metadata),
            shape,
            &json!({ "k": ["a"], "v": 3 }),
        );
        assert_eq!(found.unwrap(), "the adapter finds the facts keys, version");
    }

    #[test]
    fn a_fact_that_is_not_where_the_adapter_says_is_an_error() {
        let shape = json!({ "at": "/data", "facts": { "version": "/zz" } });
        let lost = judged(
            Operation::Kv(Kv::Read),
            shape,
            &json!({ "data": { "k": CANARY }, "v": 3 }),
        );
        assert_eq!(
            lost.unwrap_err(),
            r#"the fact "version" points to "/zz", where there is nothing in {"data":{"k":"0123456789abcdef"},"v":3}"#
        );
    }

    #[test]
    fn a_fact_of_a_list_is_looked_for_in_the_item_that_is_known() {
        let shape = json!({ "each": "/name", "facts": { "type": "/kind" } });
        let list = json!([{ "name": "team", "kind": "kv" }, { "name": "other" }]);
        let found = judged(Operation::Mounts(Mounts::List), shape.clone(), &list);
        assert_eq!(
            found.unwrap(),
            "the adapter finds the data and the fact type"
        );
        let list = json!([{ "name": "team" }, { "name": "other", "kind": "kv" }]);
        let lost = judged(Operation::Mounts(Mounts::List), shape, &list).unwrap_err();
        assert!(
            lost.starts_with("the fact \"type\" points to \"/kind\""),
            "{lost}"
        );
    }

    #[test]
    fn json_within_a_text_is_told_with_what_finds_it() {
        let text = json!({ "result": json!({ "data": { "k": CANARY } }).to_string() });
        let advice = "; the text at \"/result\" is JSON itself: set json_at = \"/result\"";
        for shape in [json!({ "at": "/data" }), json!({})] {
            let lost = judged(Operation::Kv(Kv::Read), shape, &text).unwrap_err();
            assert!(lost.ends_with(advice), "{lost}");
        }
        let shape = json!({ "facts": { "version": "/v" } });
        let lost = judged(Operation::Kv(Kv::Metadata), shape, &text).unwrap_err();
        assert!(lost.ends_with(advice), "{lost}");
    }
}
