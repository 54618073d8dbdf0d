//! The tools, and how the server answers each call.
//!
//! A tool is a typed function from arguments to a result; [`router`] lists them. [`route`] does what is common to all
//! tools. It rejects calls that exceed a limit or are not permitted, validates arguments, enforces the timeout, and
//! handles cancellation. It also turns panics into errors, formats failures, and logs one line for each call.

mod arguments;
pub mod failure;
mod kv;
mod mounts;
mod pki;
mod progress;
mod session;

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::FutureExt;
use rmcp::{
    ErrorData,
    handler::server::tool::{
        ToolCallContext, ToolRoute, ToolRouter, schema_for_output, schema_for_type,
    },
    model::{CallToolResult, ContentBlock, JsonObject, Tool, ToolAnnotations},
};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use self::{failure::Failure, progress::Progress};
use crate::{
    redact::Redactor,
    server::VaultServer,
    trace::Trace,
    vault::{Vault, access::Access},
};

/// Timeout of one call, regardless of its requests to Vault.
const CALL_TIMEOUT: Duration = Duration::from_secs(9);
/// Arguments that are secret and must not appear in a message. A certificate request is not secret, but a caller may
/// send a private key in its place.
const SECRET_ARGUMENTS: [&str; 4] = ["bundle", "csr", "data", "value"];
/// Arguments that a failure repeats, so that it says what it concerns.
const SHOWN_ARGUMENTS: [&str; 5] = ["mount", "path", "role", "issuer", "serial_number"];
/// A line of at least this length, in bytes, is redacted on its own: Vault may quote a part of a PEM text.
const SECRET_LINE_BYTES: usize = 24;
/// Maximum length of an argument that a failure repeats, in bytes.
const MAX_ECHO_BYTES: usize = 1024;

/// All tools.
pub fn router() -> ToolRouter<VaultServer> {
    let mut router = ToolRouter::new();
    for route in mounts::routes()
        .into_iter()
        .chain(kv::routes())
        .chain(pki::routes())
    {
        router.add_route(route);
    }
    router
}

/// Whether the server lists a tool; an unlisted tool can be called, and returns an error.
pub fn is_permitted(tool: &Tool, access: Access) -> bool {
    // The hint comes from `Effect`.
    let hint = tool.annotations.as_ref().and_then(|it| it.read_only_hint);
    access == Access::ReadWrite || hint == Some(true)
}

/// The effect of a tool on Vault; the client sees it as annotations. A read-only server executes only tools that
/// read.
#[derive(Clone, Copy)]
enum Effect {
    /// Changes nothing.
    Reads,
    /// Replaces an object; a repetition makes another version.
    Replaces,
    /// Adds a new object and touches nothing else; a repetition finds the object.
    Adds,
    /// Sets an object, new or old, to the requested state; a repetition changes nothing.
    Sets,
    /// Adds a new object each time and touches nothing else.
    Makes,
    /// Removes an object; a repetition finds nothing to remove.
    Removes,
}

impl Effect {
    fn is_permitted(self, access: Access) -> bool {
        access == Access::ReadWrite || matches!(self, Self::Reads)
    }

    fn annotations(self, title: &str) -> ToolAnnotations {
        ToolAnnotations::with_title(title)
            .read_only(self.is_permitted(Access::ReadOnly))
            .destructive(matches!(self, Self::Replaces | Self::Sets | Self::Removes))
            .idempotent(!matches!(self, Self::Replaces | Self::Makes))
            .open_world(false)
    }
}

/// Makes a tool from a function.
fn route<A, T, F, R>(
    name: &'static str,
    title: &'static str,
    effect: Effect,
    description: &'static str,
    function: F,
) -> ToolRoute<VaultServer>
where
    A: DeserializeOwned + JsonSchema + Send + 'static,
    T: Serialize + JsonSchema + 'static,
    F: Fn(Arc<Vault>, A) -> R + Copy + Send + Sync + 'static,
    R: Future<Output = Result<T, Failure>> + Send + 'static,
{
    let function = move |vault, _: Progress, arguments| function(vault, arguments);
    route_with_progress(name, title, effect, description, function)
}

/// Makes a tool from a function that reports its progress.
fn route_with_progress<A, T, F, R>(
    name: &'static str,
    title: &'static str,
    effect: Effect,
    description: &'static str,
    function: F,
) -> ToolRoute<VaultServer>
where
    A: DeserializeOwned + JsonSchema + Send + 'static,
    T: Serialize + JsonSchema + 'static,
    F: Fn(Arc<Vault>, Progress, A) -> R + Copy + Send + Sync + 'static,
    R: Future<Output = Result<T, Failure>> + Send + 'static,
{
    let input_schema = Arc::new(input_schema::<A>());
    let tool = Tool::new(name, description, Arc::clone(&input_schema))
        .with_raw_output_schema(schema_for_output::<T>())
        .with_annotations(effect.annotations(title));
    ToolRoute::new_dyn(tool, move |call: ToolCallContext<'_, VaultServer>| {
        let server = call.service.clone();
        let arguments = call.arguments.unwrap_or_default();
        let cancelled = call.request_context.ct.clone();
        let session = session::shown(&call.request_context.extensions);
        let progress = Progress::of(&call.request_context);
        let input_schema = Arc::clone(&input_schema);
        let state = server.state(&call.request_context.extensions);
        async move {
            let Some(state) = state else {
                return Err(ErrorData::internal_error("the caller is not known", None));
            };
            let rollback = async {
                server.admit(&state)?;
                if !effect.is_permitted(server.callers().access()) {
                    return Err(Failure::read_only());
                }
                arguments::check(&arguments, &input_schema).map_err(Failure::invalid_argument)?;
                // After the validation there is nothing left that an error could name.
                let typed = serde_json::from_value(Value::Object(arguments.clone()))
                    .map_err(|_| Failure::invalid_argument("arguments do not fit the schema"))?;
                let result = function(Arc::clone(&state.vault), progress, typed).await?;
                serde_json::to_value(result).map_err(|_| Failure::internal())
            };
            let call = Call {
                tool: name,
                arguments: &arguments,
                redactor: &state.redactor,
                session,
                trace: Trace::start(),
                started: Instant::now(),
            };
            tokio::select! {
                // The client no longer waits for an answer. Dropping the work ends it.
                () = cancelled.cancelled() => {
                    call.log("cancelled", None);
                    Err(ErrorData::internal_error("cancelled", None))
                }
                answer = call.answer(rollback) => Ok(answer.into()),
            }
        }
        .boxed()
    })
}

/// Without title and description: the name of a Rust type means nothing to a model.
fn input_schema<A: JsonSchema + 'static>() -> JsonObject {
    let mut schema = JsonObject::clone(&schema_for_type::<A>());
    schema.remove("title");
    schema.remove("description");
    schema
}

/// One call of a tool.
struct Call<'a> {
    tool: &'static str,
    arguments: &'a JsonObject,
    redactor: &'a Redactor,
    /// The session of the call, shortened for the log.
    session: Option<String>,
    trace: Arc<Trace>,
    started: Instant,
}

impl Call<'_> {
    /// Runs the work of the call and returns the answer, even after a panic or a timeout.
    async fn answer(
        &self,
        rollback: impl Future<Output = Result<Value, Failure>>,
    ) -> CallToolResult {
        let rollback = self.trace.scope(AssertUnwindSafe(rollback).catch_unwind());
        let result = tokio::time::timeout(CALL_TIMEOUT, rollback)
            .await
            .unwrap_or_else(|_elapsed| Ok(Err(Failure::timeout(CALL_TIMEOUT.as_secs()))))
            .unwrap_or_else(|_panic| Err(Failure::internal()));
        match result {
            Ok(result) => {
                self.log("ok", None);
                CallToolResult::structured(result)
            }
            Err(failure) => {
                self.log(failure.kind.as_str(), failure.status);
                self.failed(failure)
            }
        }
    }

    /// Writes the call's log line.
    fn log(&self, outcome: &str, status: Option<u16>) {
        let asked = self.trace.asked();
        tracing::info!(
            tool = self.tool,
            session = self.session,
            mount = self.shown("mount"),
            path = self.shown("path"),
            role = self.shown("role"),
            issuer = self.shown("issuer"),
            vault_path = asked.path.map(|path| self.redactor.scrub(&path, &[])),
            vault_requests = asked.requests,
            outcome,
            status,
            duration_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            correlation_id = self.trace.correlation_id(),
            "call"
        );
    }

    fn failed(&self, failure: Failure) -> CallToolResult {
        #[derive(Serialize)]
        struct Report<'a> {
            #[serde(flatten)]
            failure: Failure,
            operation: &'static str,
            #[serde(flatten)]
            about: BTreeMap<&'static str, String>,
            correlation_id: &'a str,
        }
        let mut secrets = Vec::new();
        for name in SECRET_ARGUMENTS {
            self.arguments
                .get(name)
                .inspect(|value| collect_texts(value, &mut secrets));
        }
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        let report = Report {
            failure: failure.redacted(self.redactor, &secrets),
            operation: self.tool,
            about: SHOWN_ARGUMENTS
                .into_iter()
                .filter_map(|name| Some((name, self.shown(name)?)))
                .collect(),
            correlation_id: self.trace.correlation_id(),
        };
        let text =
            serde_json::to_string(&report).unwrap_or_else(|_| r#"{"kind":"internal"}"#.to_owned());
        CallToolResult::error(vec![ContentBlock::text(text)])
    }

    /// An argument in the form for an answer or the log.
    fn shown(&self, argument: &str) -> Option<String> {
        let text = self.arguments.get(argument)?.as_str()?;
        (text.len() <= MAX_ECHO_BYTES).then(|| self.redactor.scrub(text, &[]))
    }
}

/// All texts and numbers in a value, at any depth.
fn collect_texts(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            texts.push(text.clone());
            let lines = text.lines().map(str::trim);
            let lines = lines.filter(|line| (SECRET_LINE_BYTES..text.len()).contains(&line.len()));
            texts.extend(lines.map(str::to_owned));
        }
        Value::Number(number) => texts.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(members) => members.values().for_each(|it| collect_texts(it, texts)),
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::object;
    use serde_json::json;

    use super::*;
    use crate::token::{Token, TokenSource};

    async fn failed(
        arguments: Value,
        rollback: impl Future<Output = Result<Value, Failure>>,
    ) -> Value {
        let token = Token::new("hvs.canary".into()).unwrap();
        let redactor = Redactor::new([TokenSource::fixed(token)]);
        let call = Call {
            tool: "write_secret",
            arguments: &object(arguments),
            redactor: &redactor,
            session: None,
            trace: Trace::start(),
            started: Instant::now(),
        };
        let result = call.answer(rollback).await;
        assert_eq!(result.is_error, Some(true));
        assert_eq!(result.structured_content, None);
        assert_eq!(result.content.len(), 1);
        serde_json::from_str(&result.content[0].as_text().unwrap().text).unwrap()
    }

    #[tokio::test]
    async fn a_panic_becomes_a_tool_error() {
        let answer = failed(json!({ "mount": "secret" }), async { panic!("on purpose") }).await;
        assert_eq!(answer["kind"], "internal");
        assert_eq!(answer["operation"], "write_secret");
        assert!(!answer.to_string().contains("on purpose"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_never_ends_is_answered() {
        let answer = failed(json!({}), futures::future::pending()).await;
        assert_eq!(answer["kind"], "vault_unavailable");
    }

    #[tokio::test]
    async fn a_part_of_a_secret_of_many_lines_is_removed_too() {
        let line = "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQC5";
        let bundle =
            format!("-----BEGIN PRIVATE KEY-----\n{line}\n{line}AB\n-----END PRIVATE KEY-----\n");
        let refusal = crate::vault::error::Refusal {
            status: 400,
            messages: vec![format!("cannot parse\n{line}AB\n-----END")],
            retry_after: None,
            capability: crate::vault::error::Capability::Update,
            path: "pki/issuers/import/bundle".to_owned(),
        };
        let error = crate::vault::error::VaultError::Refused(refusal);
        let answer = failed(json!({ "bundle": bundle }), async { Err(error.into()) }).await;
        assert!(!answer.to_string().contains(line), "{answer}");
        assert!(answer.to_string().contains("cannot parse"), "{answer}");
    }

    #[tokio::test]
    async fn the_token_and_the_value_are_removed_from_what_vault_said() {
        let arguments = json!({ "mount": "secret", "path": "hvs.canary", "value": "s3cr3t" });
        let refusal = crate::vault::error::Refusal {
            status: 400,
            messages: vec!["cannot store s3cr3t for hvs.canary".to_owned()],
            retry_after: None,
            capability: crate::vault::error::Capability::Update,
            path: "secret/data/app".to_owned(),
        };
        let error = crate::vault::error::VaultError::Refused(refusal);
        let answer = failed(arguments, async { Err(error.into()) }).await;
        assert_eq!(
            answer["vault_messages"],
            json!(["cannot store [redacted] for [redacted]"])
        );
        assert_eq!(answer["path"], "[redacted]");
        assert!(!answer.to_string().contains("s3cr3t"));
    }
}
