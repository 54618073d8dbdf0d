//! Steps about the protocol itself.

use cucumber::{given, then, when};
use serde_json::json;

use super::{
    arguments, defaults, http, messages, modes, opening, process, replicas, stateless,
    tool_hints::{self, Hint},
    tools,
};
use crate::{
    adapter::launch::Mode,
    schema::ArgumentFault,
    verdict::{StepEnd, StepResult},
    vocabulary::start,
    world::World,
};

#[then("the server reports its name, its version and the tools capability")]
fn identity(world: &mut World) -> StepResult {
    opening::expect_identity(world.scenario()?)
}

#[when(
    "clients request every revision that the suite supports or the server offers, and one that does not exist"
)]
async fn ask_for_revisions(world: &mut World) -> StepResult {
    opening::ask_for_revisions(world.scenario()?).await
}

#[then("the server agrees to every revision that it offered")]
fn offers_kept(world: &mut World) -> StepResult {
    opening::expect_offers_kept(world.scenario()?)
}

#[when(expr = "a client requests the revision {string}")]
async fn ask_for_revision(world: &mut World, revision: String) -> StepResult {
    opening::ask_for_revision(world.scenario()?, &revision).await
}

#[then("the server does not agree to the revision")]
fn not_agreed(world: &mut World) -> StepResult {
    opening::expect_not_agreed(world.scenario()?)
}

#[then("the server offers another revision")]
fn other_offered(world: &mut World) -> StepResult {
    opening::expect_other_offered(world.scenario()?)
}

#[then("every capability that the server declares works")]
async fn capabilities(world: &mut World) -> StepResult {
    opening::expect_capabilities_work(world.scenario()?).await
}

#[then("the server answers a ping with an empty result")]
async fn ping(world: &mut World) -> StepResult {
    opening::expect_ping(world.scenario()?).await
}

#[then(
    regex = r#"^the server answers a request with the (number|text) "?([^"]+)"? as its id with the same id$"#
)]
async fn id_kept(world: &mut World, kind: String, id: String) -> StepResult {
    let id = match kind.as_str() {
        "number" => json!(id.parse::<u64>().map_err(StepEnd::blocked)?),
        _ => json!(id),
    };
    messages::expect_id_kept(world.scenario()?, &id).await
}

#[when("the client initializes the open connection again")]
async fn open_again(world: &mut World) -> StepResult {
    opening::open_again(world.scenario()?).await
}

#[when(
    regex = "^the client writes to a secret (.+), and Vault changes only if the server reports success$"
)]
async fn write_out_of_turn(world: &mut World, when: String) -> StepResult {
    messages::write_out_of_turn(world.scenario()?, &when).await
}

#[when(
    regex = r"^the client sends (an? (?:unknown method|unknown tool|method|tool|call|message (?:with|without|that does|of JSON|whose)|text$|number$|empty|answer).*|half a message|text that is no JSON|JSON that .+|control characters)$"
)]
async fn say_odd(world: &mut World, what: String) -> StepResult {
    messages::say_odd(world.scenario()?, &what).await
}

#[then("the server answers the message with an error")]
fn refused(world: &mut World) -> StepResult {
    messages::expect_refused_message(world.scenario()?, false)
}

#[then("the server answers the message with an error or not at all")]
fn no_result(world: &mut World) -> StepResult {
    messages::expect_refused_message(world.scenario()?, true)
}

#[then("the next call works, over stdio perhaps only after the server was started again")]
async fn served_or_ended(world: &mut World) -> StepResult {
    messages::expect_served_or_ended(world.scenario()?).await
}

#[then(expr = "the server answers the message with the JSON-RPC error {int}")]
fn error_code(world: &mut World, code: i64) -> StepResult {
    messages::expect_error_code(world.scenario()?, code)
}

#[when("the client sends a notification that no revision defines")]
async fn tell_unknown(world: &mut World) -> StepResult {
    messages::tell_unknown(world.scenario()?).await
}

#[then("the server does not answer the notification")]
fn unanswered(world: &mut World) -> StepResult {
    messages::expect_unanswered(world.scenario()?)
}

#[when(
    "the client cancels an unknown call and a completed call, and sends cancellations without a valid id"
)]
async fn cancel_nothing(world: &mut World) -> StepResult {
    messages::cancel_nothing(world.scenario()?).await
}

#[when(expr = "the agent cancels a read of the secret {string} while Vault has not answered it")]
async fn cancel_slow(world: &mut World, path: String) -> StepResult {
    messages::cancel_slow_reading(world.scenario()?, &path).await
}

#[then("the server does not answer the cancelled read")]
fn cancelled(world: &mut World) -> StepResult {
    messages::expect_cancelled(world.scenario()?)
}

#[when("the agent lists all secrets twice, without and then with a progress token")]
async fn list_with_progress(world: &mut World) -> StepResult {
    messages::list_all_with_progress(world.scenario()?).await
}

#[then(
    "the server reports progress only for the progress token, in rising order and before the result"
)]
fn progress_as_wished(world: &mut World) -> StepResult {
    messages::expect_progress_as_wished(world.scenario()?)
}

#[then("the server reports progress")]
fn progress(world: &mut World) -> StepResult {
    messages::expect_progress(world.scenario()?)
}

// The era without sessions.

#[then("the server's discovery response contains the revision in use and the tools capability")]
async fn discovery(world: &mut World) -> StepResult {
    stateless::expect_discovery(world.scenario()?).await
}

#[when("a client lists the tools with its first request")]
async fn list_alone(world: &mut World) -> StepResult {
    stateless::list_alone(world.scenario()?).await
}

#[then(regex = "^the server returns the same tools, in (any|the same) order$")]
fn tools_of_the_others(world: &mut World, order: String) -> StepResult {
    stateless::expect_tools_of_the_others(world.scenario()?, order == "the same")
}

#[when(regex = "^the client sends a request without (.+)$")]
async fn ask_without(world: &mut World, what: String) -> StepResult {
    stateless::ask_without(world.scenario()?, &what).await
}

#[when("the client sends a request in a revision that does not exist")]
async fn ask_in_no_revision(world: &mut World) -> StepResult {
    stateless::ask_in_no_revision(world.scenario()?).await
}

#[when(regex = "^the client requests (an? .+)$")]
async fn ask_for_nothing(world: &mut World, what: String) -> StepResult {
    stateless::ask_for_nothing(world.scenario()?, &what).await
}

#[when(regex = "^the client posts a tool call (.+)$")]
async fn ask_with_headers(world: &mut World, what: String) -> StepResult {
    stateless::ask_with_headers(world.scenario()?, &what).await
}

#[then(
    regex = r"^the server answers the message with the JSON-RPC error (-\d+), over HTTP with status (\d+)$"
)]
fn error_and_status(world: &mut World, code: i64, status: u16) -> StepResult {
    stateless::expect_error_and_status(world.scenario()?, code, status)
}

#[then("the error names the requested revision and the supported revisions")]
fn revisions_told(world: &mut World) -> StepResult {
    stateless::expect_revisions_told(world.scenario()?)
}

#[then("the server answers without reporting a header mismatch")]
fn no_mismatch(world: &mut World) -> StepResult {
    stateless::expect_no_mismatch(world.scenario()?)
}

// Several servers.

#[given("three server replicas that receive the agent's calls in turn")]
async fn replicas(world: &mut World) -> StepResult {
    replicas::add_replicas(world.scenario()?, 3).await
}

#[then("each replica has sent a request to Vault")]
fn all_asked(world: &mut World) -> StepResult {
    replicas::expect_all_asked(world.scenario()?)
}

#[when("a client lists the tools of one replica in the session of another")]
async fn list_in_foreign_session(world: &mut World) -> StepResult {
    replicas::list_in_foreign_session(world.scenario()?).await
}

#[then("the replica reports that the session does not exist, or returns the same tools")]
fn no_foreign_session(world: &mut World) -> StepResult {
    replicas::expect_no_foreign_session(world.scenario()?)
}

// Tools.

#[then("every tool has a valid JSON Schema for its arguments")]
fn input_schemas(world: &mut World) -> StepResult {
    tools::expect_input_schemas(world.scenario()?)
}

#[then("every result schema is a valid JSON Schema")]
fn output_schemas(world: &mut World) -> StepResult {
    tools::expect_output_schemas(world.scenario()?)
}

#[then("every tool name is unique and follows the recommended format")]
fn tool_names(world: &mut World) -> StepResult {
    tools::expect_tool_names(world.scenario()?)
}

#[when("the agent performs every operation")]
async fn do_everything(world: &mut World) -> StepResult {
    tool_hints::do_everything(world.scenario()?).await
}

#[when("the agent performs every write operation whose tool declares that it only reads")]
async fn do_read_only(world: &mut World) -> StepResult {
    tool_hints::do_hinted(world.scenario()?, Hint::ReadOnly).await
}

#[when("the agent performs twice every write operation whose tool declares that it is idempotent")]
async fn do_idempotent(world: &mut World) -> StepResult {
    tool_hints::do_hinted(world.scenario()?, Hint::Idempotent).await
}

#[then("every result matches the result schema of its tool")]
fn results_fit(world: &mut World) -> StepResult {
    tool_hints::expect_results_fit(world.scenario()?)
}

#[then("every structured result has the same content as text")]
fn text_says_the_same(world: &mut World) -> StepResult {
    tool_hints::expect_text_says_the_same(world.scenario()?)
}

#[then("those operations change nothing in Vault")]
#[then("the second call of each operation changes nothing in Vault")]
fn hints_true(world: &mut World) -> StepResult {
    tool_hints::expect_hints_true(world.scenario()?)
}

#[then("every tool that only reads declares that it only reads")]
fn readers_marked(world: &mut World) -> StepResult {
    tools::expect_readers_marked(world.scenario()?)
}

#[when("the client lists the tools again")]
async fn list_tools_again(world: &mut World) -> StepResult {
    tools::list_tools_again(world.scenario()?).await
}

#[then("the tools are the same as in the first list")]
fn same_tools(world: &mut World) -> StepResult {
    tools::expect_same_tools(world.scenario()?)
}

#[then("the tools are in the same order as in the first list")]
fn same_order(world: &mut World) -> StepResult {
    tools::expect_same_order(world.scenario()?)
}

#[then("the tool definitions contain no data from Vault")]
fn tools_without_data(world: &mut World) -> StepResult {
    tools::expect_tools_without_data(world.scenario()?)
}

#[then("the pages of the tool list end and contain each tool once")]
async fn pages_end(world: &mut World) -> StepResult {
    tools::expect_pages_end(world.scenario()?).await
}

#[then("the server refuses a cursor of the tool list that it never issued")]
async fn cursor_refused(world: &mut World) -> StepResult {
    tools::expect_cursor_refused(world.scenario()?).await
}

// Arguments.

#[when("the client calls every tool with only its required arguments")]
async fn call_barely(world: &mut World) -> StepResult {
    arguments::call_barely(world.scenario()?).await
}

#[when("the agent performs every operation without each of its optional arguments in turn")]
async fn call_without_each_optional(world: &mut World) -> StepResult {
    arguments::call_without_each_optional(world.scenario()?).await
}

#[then(
    "every read operation works without each of its optional arguments, and without all of them"
)]
async fn read_without_optionals(world: &mut World) -> StepResult {
    tool_hints::read_without_optionals(world.scenario()?).await
}

#[then("omitting an argument has the same result as passing its declared default")]
async fn expect_defaults_applied(world: &mut World) -> StepResult {
    defaults::expect_defaults_applied(world.scenario()?).await
}

#[when(regex = "^the client calls every tool with each of its arguments (.+)$")]
async fn call_with(world: &mut World, how: String) -> StepResult {
    let unknown = || StepEnd::blocked(format!("the step does not support {how:?}"));
    let fault = ArgumentFault::worded(&how).ok_or_else(unknown)?;
    arguments::call_with(world.scenario()?, fault).await
}

#[when("the client calls every tool that reads with an unknown argument")]
async fn call_with_unknown(world: &mut World) -> StepResult {
    arguments::call_with_unknown_argument(world.scenario()?).await
}

#[then("the server answers every call")]
fn all_answered(world: &mut World) -> StepResult {
    arguments::expect_all_answered(world.scenario()?)
}

#[then("the server reports an error for every call that the tool's own schema does not allow")]
fn bad_refused(world: &mut World) -> StepResult {
    arguments::expect_bad_refused(world.scenario()?)
}

#[then("the server wrote nothing outside the agent's mounts")]
fn nothing_outside(world: &mut World) -> StepResult {
    arguments::expect_nothing_written_outside(world.scenario()?)
}

#[then("each error about an argument names the argument")]
fn argument_named(world: &mut World) -> StepResult {
    arguments::expect_argument_named(world.scenario()?)
}

#[then("the server reports an error for every call")]
fn all_refused(world: &mut World) -> StepResult {
    arguments::expect_all_refused(world.scenario()?)
}

// Standard streams.

#[when(regex = "^the suite starts another server process and (closes its input|terminates it)$")]
async fn start_and_end(world: &mut World, how: String) -> StepResult {
    process::start_and_end(world.scenario()?, &how).await
}

#[then("the server's process ends")]
fn ended(world: &mut World) -> StepResult {
    process::expect_ended(world.scenario()?)
}

#[then("the server's process has no listening socket")]
async fn no_listener(world: &mut World) -> StepResult {
    process::expect_no_listener(world.scenario()?).await
}

#[when(expr = "the client sends a message of {int} MiB")]
async fn long_line(world: &mut World, size: usize) -> StepResult {
    process::say_long_line(world.scenario()?, size << 20).await
}

// HTTP.

#[when("the client sends a notification over HTTP")]
async fn tell_over_http(world: &mut World) -> StepResult {
    http::tell_over_http(world.scenario()?).await
}

#[then("the server accepts the notification without a response body")]
fn accepted(world: &mut World) -> StepResult {
    http::expect_accepted(world.scenario()?)
}

#[when(regex = "^the client lists the tools ((?:in|without) .+)$")]
async fn list_over_http(world: &mut World, how: String) -> StepResult {
    http::list_over_http(world.scenario()?, &how).await
}

#[then(expr = "the server answers with HTTP status {int}")]
fn has_status(world: &mut World, status: u16) -> StepResult {
    http::expect_status(world.scenario()?, status)
}

#[when("the client requests the event stream")]
async fn listen_over_http(world: &mut World) -> StepResult {
    http::listen_over_http(world.scenario()?).await
}

#[then("the server returns an event stream or refuses the request")]
fn stream_or_refusal(world: &mut World) -> StepResult {
    http::expect_stream_or_refusal(world.scenario()?)
}

#[when("a client opens a session, ends it, and lists the tools in it")]
async fn list_in_ended_session(world: &mut World) -> StepResult {
    http::list_in_ended_session(world.scenario()?).await
}

#[when("clients open sessions one after the other")]
async fn open_sessions(world: &mut World) -> StepResult {
    http::open_sessions(world.scenario()?).await
}

#[then("the session ids contain only visible ASCII characters")]
fn visible_ids(world: &mut World) -> StepResult {
    http::expect_visible_ids(world.scenario()?)
}

#[then("the session ids are unpredictable")]
fn unguessable_ids(world: &mut World) -> StepResult {
    http::expect_unguessable_ids(world.scenario()?)
}

#[when(regex = "^the client sends a request ((?:of|by|with) .+)$")]
async fn send_odd(world: &mut World, what: String) -> StepResult {
    http::send_odd(world.scenario()?, &what).await
}

#[then("the server answers the request or closes the connection")]
fn no_hang(world: &mut World) -> StepResult {
    http::expect_no_hang(world.scenario()?)
}

#[when(
    expr = "the client keeps {int} unfinished requests open and lists the tools at the same time"
)]
async fn beside_endless(world: &mut World, count: usize) -> StepResult {
    http::ask_beside_endless(world.scenario()?, count).await
}

#[when("the client sends a request that never ends")]
async fn send_endless(world: &mut World) -> StepResult {
    http::send_endless(world.scenario()?).await
}

#[given(regex = "^a server in the mode ([a-z_]+)$")]
async fn in_mode(world: &mut World, name: String) -> StepResult {
    let unknown = || StepEnd::blocked(format!("there is no mode {name:?}"));
    let mode = Mode::named(&name).ok_or_else(unknown)?;
    start::start_in_mode(world.scenario()?, mode).await
}

#[then("two clients connect to the server one after the other and list its tools")]
async fn clients_connect(world: &mut World) -> StepResult {
    modes::expect_clients_connect(world.scenario()?).await
}
