//! Carrying out an operation: the tool call, and what its answer says.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::{
    adapter::{Adapter, Mapping, ResultPart, ResultShape},
    operation::{Operation, Parameters},
    template,
};
use crate::{
    mcp::connection::{Connection, NoReply, Reply},
    verdict::{NotApplicable, StepResult, Stop},
};

/// What a target answered to an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It says that it succeeded.
    Success(Data),
    /// It says that it failed: `isError`, or a JSON-RPC error.
    Error(String),
    /// It did not answer.
    Nothing(NoReply),
}

/// The data in a successful answer, where the adapter says that it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// As JSON.
    Json(Value),
    /// As prose, in which values can be looked for.
    Prose(String),
    /// Not as the adapter says: why, and what came.
    Unusable(String),
}

/// Words that tell a reader that permission was denied, whatever else is said. The number is
/// a word of its own: in a random name or a port it means nothing.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static DENIAL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)(permission|access)[ _-]?(was |is )?denied|\b403\b|forbid|(not|un)[ -]?authori[sz]ed|(not|insufficient)[ _-](permitted|permission)",
    )
    .unwrap()
});

impl Answer {
    /// Whether it is an error that says that permission was denied.
    #[must_use]
    pub fn is_denial(&self) -> bool {
        matches!(self, Self::Error(text) if DENIAL.is_match(text))
    }

    /// The answer in a line, for what a failure says was seen; secrets not yet redacted.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Success(Data::Json(value)) => format!("a success: {value}"),
            Self::Success(Data::Prose(text)) => format!("a success: {text}"),
            Self::Success(Data::Unusable(why)) => format!("a success, but {why}"),
            Self::Error(text) => format!("an error: {text}"),
            Self::Nothing(why) => why.to_string(),
        }
    }
}

/// Makes the tool call that carries an operation.
///
/// # Errors
/// Not applicable where the adapter does not map the operation; failed where it maps it to
/// a tool that the target does not have.
pub async fn perform(
    adapter: &Adapter,
    tools: &[String],
    connection: &Connection,
    operation: Operation,
    parameters: &Parameters,
) -> StepResult<Answer> {
    let mapping = adapter
        .operations
        .get(&operation)
        .ok_or_else(|| Stop::NotApplicable {
            reason: NotApplicable::NotClaimed,
            detail: format!("the adapter maps no tool to {operation}"),
        })?;
    if !tools.contains(&mapping.tool) {
        return Err(Stop::failed(
            format!(
                "the tool {:?}, to which the adapter maps {operation}",
                mapping.tool
            ),
            format!("tools/list has {}", tools.join(", ")),
        ));
    }
    let arguments = match template::fill_value(&mapping.arguments, parameters) {
        Value::Null => json!({}),
        arguments => arguments,
    };
    let params = json!({ "name": mapping.tool, "arguments": arguments });
    Ok(match connection.request("tools/call", params).await {
        Ok(reply) => read(mapping, &reply),
        Err(why) => Answer::Nothing(why),
    })
}

fn read(mapping: &Mapping, reply: &Reply) -> Answer {
    let result = match reply {
        Reply::Result(result) => result,
        Reply::Error { code, message } => return Answer::Error(format!("{code} {message}")),
    };
    if result["isError"] == true {
        return Answer::Error(text_of(result));
    }
    Answer::Success(data_of(&mapping.result, result))
}

fn data_of(shape: &ResultShape, result: &Value) -> Data {
    let structured = result.get("structuredContent");
    let whole = match (shape.from, structured) {
        (ResultPart::Text, _) => return Data::Prose(text_of(result)),
        (ResultPart::Structured, None) => {
            return Data::Unusable("it has no structuredContent".to_owned());
        }
        (ResultPart::Structured | ResultPart::Auto, Some(content)) => content.clone(),
        (ResultPart::Auto, None) | (ResultPart::TextJson, _) => {
            let text = text_of(result);
            match serde_json::from_str(&text) {
                Ok(value) => value,
                Err(error) => {
                    return Data::Unusable(format!("its text is not JSON ({error}): {text}"));
                }
            }
        }
    };
    let Some(part) = whole.pointer(&shape.at) else {
        return Data::Unusable(format!("there is nothing at {:?} in {whole}", shape.at));
    };
    match part {
        Value::Array(items) if !shape.each.is_empty() => items
            .iter()
            .map(|item| item.pointer(&shape.each).cloned())
            .collect::<Option<Vec<_>>>()
            .map_or_else(
                || Data::Unusable(format!("an item of {part} has nothing at {:?}", shape.each)),
                |names| Data::Json(Value::Array(names)),
            ),
        part => Data::Json(part.clone()),
    }
}

fn text_of(result: &Value) -> String {
    let items = result["content"].as_array().into_iter().flatten();
    let texts: Vec<_> = items.filter_map(|item| item["text"].as_str()).collect();
    texts.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Answer, Data, read};
    use crate::{
        mcp::connection::Reply,
        target::adapter::{Mapping, ResultShape},
    };

    fn read_as(shape: Value, result: Value) -> Answer {
        let mapping = Mapping {
            tool: "t".to_owned(),
            arguments: Value::Null,
            result: serde_json::from_value::<ResultShape>(shape).unwrap(),
        };
        read(&mapping, &Reply::Result(result))
    }

    fn text(text: &str) -> Value {
        json!({ "content": [{ "type": "text", "text": text }] })
    }

    #[test]
    fn data_is_found_in_structured_content_or_in_text_that_is_json() {
        let expected = Answer::Success(Data::Json(json!(["a", "b/"])));
        let shape = json!({ "at": "/entries", "each": "/name" });
        let data = json!({ "entries": [{ "name": "a" }, { "name": "b/" }] });
        let structured = json!({ "content": [], "structuredContent": data });
        assert_eq!(read_as(shape.clone(), structured), expected);
        assert_eq!(read_as(shape, text(&data.to_string())), expected);
    }

    #[test]
    fn text_that_should_be_json_and_is_not_is_unusable_not_an_error() {
        let answer = read_as(json!({ "from": "text-json" }), text("done"));
        assert!(
            matches!(answer, Answer::Success(Data::Unusable(_))),
            "{answer:?}"
        );
    }

    #[test]
    fn a_denial_is_told_by_its_words_and_not_by_a_number_in_a_name() {
        for text in [
            "Code: 403. Errors: permission denied",
            r#"{"kind":"permission_denied"}"#,
            "Vault forbids this",
            "you are not authorized to read it",
            "Access denied",
            "insufficient permissions",
        ] {
            assert!(Answer::Error(text.to_owned()).is_denial(), "{text}");
        }
        for text in [
            "no secret exists in mount 't4403ab-other' at 127.0.0.1:40312",
            "not found",
            "404",
            "",
        ] {
            assert!(!Answer::Error(text.to_owned()).is_denial(), "{text}");
        }
        let success = Answer::Success(Data::Prose("permission denied".to_owned()));
        assert!(!success.is_denial());
    }

    #[test]
    fn an_error_is_an_error_in_either_form() {
        let mut failed = text("no");
        failed["isError"] = json!(true);
        assert_eq!(read_as(json!({}), failed), Answer::Error("no".to_owned()));
    }
}
