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

#[then("the server has told its name, its version and that it has tools")]
fn identity(world: &mut World) -> StepResult {
    opening::expect_identity(world.scenario()?)
}

#[when("clients ask for each revision that there is, and for one that there is not")]
async fn ask_for_revisions(world: &mut World) -> StepResult {
    opening::ask_for_revisions(world.scenario()?).await
}

#[then("every revision that was offered is agreed to when it is asked for")]
fn offers_kept(world: &mut World) -> StepResult {
    opening::expect_offers_kept(world.scenario()?)
}

#[when(expr = "a client asks for the revision {string}")]
async fn ask_for_revision(world: &mut World, revision: String) -> StepResult {
    opening::ask_for_revision(world.scenario()?, &revision).await
}

#[then("that revision is not agreed to")]
fn not_agreed(world: &mut World) -> StepResult {
    opening::expect_not_agreed(world.scenario()?)
}

#[then("another revision is offered")]
fn other_offered(world: &mut World) -> StepResult {
    opening::expect_other_offered(world.scenario()?)
}

#[then("every capability that the server has told of works")]
async fn capabilities(world: &mut World) -> StepResult {
    opening::expect_capabilities_work(world.scenario()?).await
}

#[then("the server has said nothing that was not agreed on")]
fn only_agreed(world: &mut World) -> StepResult {
    messages::expect_only_agreed(world.scenario()?)
}

#[then("a ping is answered with nothing but that")]
async fn ping(world: &mut World) -> StepResult {
    opening::expect_ping(world.scenario()?).await
}

#[then(
    regex = r#"^a request with the (number|text) "?([^"]+)"? for its id is answered with the same$"#
)]
async fn id_kept(world: &mut World, kind: String, id: String) -> StepResult {
    let id = match kind.as_str() {
        "number" => json!(id.parse::<u64>().map_err(StepEnd::blocked)?),
        _ => json!(id),
    };
    messages::expect_id_kept(world.scenario()?, &id).await
}

#[when("the client opens the connection once more")]
async fn open_again(world: &mut World) -> StepResult {
    opening::open_again(world.scenario()?).await
}

#[when(regex = "^the client writes (.+), Vault changes only if success is told$")]
async fn write_out_of_turn(world: &mut World, when: String) -> StepResult {
    messages::write_out_of_turn(world.scenario()?, &when).await
}

#[when(
    regex = r"^the client sends (an? (?:method|tool|call|message (?:with|that does|of JSON|whose)|text$|number$|empty|answer).*|half a message|text that is no JSON|JSON that .+|control characters)$"
)]
async fn say_odd(world: &mut World, what: String) -> StepResult {
    messages::say_odd(world.scenario()?, &what).await
}

#[then("that is answered with an error")]
fn refused(world: &mut World) -> StepResult {
    messages::expect_refused_message(world.scenario()?, false)
}

#[then("that has no result")]
fn no_result(world: &mut World) -> StepResult {
    messages::expect_refused_message(world.scenario()?, true)
}

#[then(expr = "that is answered with the JSON-RPC error {int}")]
fn error_code(world: &mut World, code: i64) -> StepResult {
    messages::expect_error_code(world.scenario()?, code)
}

#[when("the client tells what no revision knows")]
async fn tell_unknown(world: &mut World) -> StepResult {
    messages::tell_unknown(world.scenario()?).await
}

#[then("that is not answered")]
fn unanswered(world: &mut World) -> StepResult {
    messages::expect_unanswered(world.scenario()?)
}

#[when("the client cancels a call that there is not, one that has ended, and nothing at all")]
async fn cancel_nothing(world: &mut World) -> StepResult {
    messages::cancel_nothing(world.scenario()?).await
}

#[when(expr = "the agent cancels a reading of the secret {string} that Vault keeps waiting")]
async fn cancel_slow(world: &mut World, path: String) -> StepResult {
    messages::cancel_slow_reading(world.scenario()?, &path).await
}

#[then("no answer to the reading has come")]
fn cancelled(world: &mut World) -> StepResult {
    messages::expect_cancelled(world.scenario()?)
}

#[when("the agent lists everything, once without and once with a wish for progress")]
async fn list_with_progress(world: &mut World) -> StepResult {
    messages::list_all_with_progress(world.scenario()?).await
}

#[then("no progress was told but what was wished for")]
fn progress_as_wished(world: &mut World) -> StepResult {
    messages::expect_progress_as_wished(world.scenario()?)
}

#[then("progress was told")]
fn progress(world: &mut World) -> StepResult {
    messages::expect_progress(world.scenario()?)
}

// The era without sessions.

#[then("the server tells the revision in use among those that it speaks, and that it has tools")]
async fn discovery(world: &mut World) -> StepResult {
    stateless::expect_discovery(world.scenario()?).await
}

#[when("a client that has said nothing yet lists the tools")]
async fn list_alone(world: &mut World) -> StepResult {
    stateless::list_alone(world.scenario()?).await
}

#[then(regex = "^it is given the same tools, in (whatever|the same) order$")]
fn tools_of_the_others(world: &mut World, order: String) -> StepResult {
    stateless::expect_tools_of_the_others(world.scenario()?, order == "the same")
}

#[when(regex = "^the client asks without telling (.+)$")]
async fn ask_without(world: &mut World, what: String) -> StepResult {
    stateless::ask_without(world.scenario()?, &what).await
}

#[when("the client asks in a revision that there is not")]
async fn ask_in_no_revision(world: &mut World) -> StepResult {
    stateless::ask_in_no_revision(world.scenario()?).await
}

#[when(regex = "^the client asks for (a .+)$")]
async fn ask_for_nothing(world: &mut World, what: String) -> StepResult {
    stateless::ask_for_nothing(world.scenario()?, &what).await
}

#[when(regex = "^a request is sent to be routed (.+)$")]
async fn ask_with_headers(world: &mut World, what: String) -> StepResult {
    stateless::ask_with_headers(world.scenario()?, &what).await
}

#[then(regex = r"^that is answered with the JSON-RPC error (-\d+), over HTTP with status (\d+)$")]
fn error_and_status(world: &mut World, code: i64, status: u16) -> StepResult {
    stateless::expect_error_and_status(world.scenario()?, code, status)
}

#[then("the error tells the revision that was asked for and those that are spoken")]
fn revisions_told(world: &mut World) -> StepResult {
    stateless::expect_revisions_told(world.scenario()?)
}

#[then("that is no mismatch of headers")]
fn no_mismatch(world: &mut World) -> StepResult {
    stateless::expect_no_mismatch(world.scenario()?)
}

// Several servers.

#[given("three servers in turn")]
async fn replicas(world: &mut World) -> StepResult {
    replicas::add_replicas(world.scenario()?, 3).await
}

#[then("each of the servers has asked Vault")]
fn all_asked(world: &mut World) -> StepResult {
    replicas::expect_all_asked(world.scenario()?)
}

#[when("a client lists the tools of one server in the session of another")]
async fn list_in_foreign_session(world: &mut World) -> StepResult {
    replicas::list_in_foreign_session(world.scenario()?).await
}

#[then("it is told that there is no such session, or is given the same tools")]
fn no_foreign_session(world: &mut World) -> StepResult {
    replicas::expect_no_foreign_session(world.scenario()?)
}

// Tools.

#[then("the arguments of every tool are described by valid JSON Schema")]
fn input_schemas(world: &mut World) -> StepResult {
    tools::expect_input_schemas(world.scenario()?)
}

#[then("the results of tools are described by valid JSON Schema")]
fn output_schemas(world: &mut World) -> StepResult {
    tools::expect_output_schemas(world.scenario()?)
}

#[then("the results of every tool are described")]
fn output_declared(world: &mut World) -> StepResult {
    tools::expect_output_declared(world.scenario()?)
}

#[then("every tool has a usual name of its own")]
fn tool_names(world: &mut World) -> StepResult {
    tools::expect_tool_names(world.scenario()?)
}

#[when("the agent carries out every operation")]
async fn do_everything(world: &mut World) -> StepResult {
    tool_hints::do_everything(world.scenario()?).await
}

#[when("the agent carries out what writes though its tool says that it only reads")]
async fn do_read_only(world: &mut World) -> StepResult {
    tool_hints::do_hinted(world.scenario()?, Hint::ReadOnly).await
}

#[when("the agent carries out twice what writes and whose tool says that once is enough")]
async fn do_idempotent(world: &mut World) -> StepResult {
    tool_hints::do_hinted(world.scenario()?, Hint::Idempotent).await
}

#[then("every result fits what its tool says of results")]
fn results_fit(world: &mut World) -> StepResult {
    tool_hints::expect_results_fit(world.scenario()?)
}

#[then("every result that has a structure says the same in its text")]
fn text_says_the_same(world: &mut World) -> StepResult {
    tool_hints::expect_text_says_the_same(world.scenario()?)
}

#[then("that changes nothing in Vault")]
#[then("the second time changes nothing in Vault")]
fn hints_true(world: &mut World) -> StepResult {
    tool_hints::expect_hints_true(world.scenario()?)
}

#[then("every tool that only reads says so")]
fn readers_marked(world: &mut World) -> StepResult {
    tools::expect_readers_marked(world.scenario()?)
}

#[when("the client lists the tools again")]
async fn list_tools_again(world: &mut World) -> StepResult {
    tools::list_tools_again(world.scenario()?).await
}

#[then("the tools are the same as at first")]
fn same_tools(world: &mut World) -> StepResult {
    tools::expect_same_tools(world.scenario()?)
}

#[then("the tools are in the same order as at first")]
fn same_order(world: &mut World) -> StepResult {
    tools::expect_same_order(world.scenario()?)
}

#[then("what is said of the tools has nothing of Vault in it")]
fn tools_without_data(world: &mut World) -> StepResult {
    tools::expect_tools_without_data(world.scenario()?)
}

#[then("the pages of the list of tools end, and have each tool once")]
async fn pages_end(world: &mut World) -> StepResult {
    tools::expect_pages_end(world.scenario()?).await
}

#[then("a place in the list of tools that was never given out is refused")]
async fn cursor_refused(world: &mut World) -> StepResult {
    tools::expect_cursor_refused(world.scenario()?).await
}

// Arguments.

#[when("every tool is called with nothing but the arguments that it requires")]
async fn call_barely(world: &mut World) -> StepResult {
    arguments::call_barely(world.scenario()?).await
}

#[then("what only reads works with nothing but the arguments that it requires")]
async fn read_with_required_alone(world: &mut World) -> StepResult {
    tool_hints::read_with_required_alone(world.scenario()?).await
}

#[then("an argument that is left out and one that is given as its default come to the same")]
async fn expect_defaults_applied(world: &mut World) -> StepResult {
    defaults::expect_defaults_applied(world.scenario()?).await
}

#[when(regex = "^every tool is called with each of its arguments (.+)$")]
async fn call_with(world: &mut World, how: String) -> StepResult {
    let unknown = || StepEnd::blocked(format!("no argument is worded {how:?}"));
    let fault = ArgumentFault::worded(&how).ok_or_else(unknown)?;
    arguments::call_with(world.scenario()?, fault).await
}

#[when("every tool that only reads is called with an argument that it does not have")]
async fn call_with_unknown(world: &mut World) -> StepResult {
    arguments::call_with_unknown_argument(world.scenario()?).await
}

#[then("every call is answered")]
fn all_answered(world: &mut World) -> StepResult {
    arguments::expect_all_answered(world.scenario()?)
}

#[then("those that the tool's own schema does not allow are errors")]
fn bad_refused(world: &mut World) -> StepResult {
    arguments::expect_bad_refused(world.scenario()?)
}

#[then("nothing was written outside of the agent's mounts")]
fn nothing_outside(world: &mut World) -> StepResult {
    arguments::expect_nothing_written_outside(world.scenario()?)
}

#[then("each error about an argument names it")]
fn argument_named(world: &mut World) -> StepResult {
    arguments::expect_argument_named(world.scenario()?)
}

#[then("every call is an error")]
fn all_refused(world: &mut World) -> StepResult {
    arguments::expect_all_refused(world.scenario()?)
}

// Standard streams.

#[when(regex = "^the server is started once more and (its input ends|it is told to end)$")]
async fn start_and_end(world: &mut World, how: String) -> StepResult {
    process::start_and_end(world.scenario()?, &how).await
}

#[then("its process ends")]
fn ended(world: &mut World) -> StepResult {
    process::expect_ended(world.scenario()?)
}

#[then("the server's process has no socket that listens")]
async fn no_listener(world: &mut World) -> StepResult {
    process::expect_no_listener(world.scenario()?).await
}

#[when(expr = "the client sends a message of {int} MiB")]
async fn long_line(world: &mut World, size: usize) -> StepResult {
    process::say_long_line(world.scenario()?, size << 20).await
}

// HTTP.

#[when("the client tells something over HTTP")]
async fn tell_over_http(world: &mut World) -> StepResult {
    http::tell_over_http(world.scenario()?).await
}

#[then("that is accepted and nothing more is said")]
fn accepted(world: &mut World) -> StepResult {
    http::expect_accepted(world.scenario()?)
}

#[when(regex = "^the client lists the tools ((?:in|without) .+)$")]
async fn list_over_http(world: &mut World, how: String) -> StepResult {
    http::list_over_http(world.scenario()?, &how).await
}

#[then(expr = "that is answered with HTTP {int}")]
fn has_status(world: &mut World, status: u16) -> StepResult {
    http::expect_status(world.scenario()?, status)
}

#[when("the client wants to listen")]
async fn listen_over_http(world: &mut World) -> StepResult {
    http::listen_over_http(world.scenario()?).await
}

#[then("it is given a stream of events or refused")]
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

#[then("the ids of the sessions are visible ASCII")]
fn visible_ids(world: &mut World) -> StepResult {
    http::expect_visible_ids(world.scenario()?)
}

#[then("the ids of the sessions cannot be guessed")]
fn unguessable_ids(world: &mut World) -> StepResult {
    http::expect_unguessable_ids(world.scenario()?)
}

#[when(regex = "^the client sends a request ((?:of|by|with) .+)$")]
async fn send_odd(world: &mut World, what: String) -> StepResult {
    http::send_odd(world.scenario()?, &what).await
}

#[then("that does not hang")]
fn no_hang(world: &mut World) -> StepResult {
    http::expect_no_hang(world.scenario()?)
}

#[when(expr = "{int} requests never end, and another one is made beside them")]
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

#[then("two clients connect to it, and list its tools")]
async fn clients_connect(world: &mut World) -> StepResult {
    modes::expect_clients_connect(world.scenario()?).await
}
