//! Steps about the protocol itself.

use cucumber::{given, then, when};
use serde_json::json;

use crate::{
    scene::talk::deeds::Hint,
    schema::Fault,
    verdict::{StepResult, Stop},
    world::World,
};

#[then("the server has told its name, its version and that it has tools")]
fn identity(world: &mut World) -> StepResult {
    crate::scene::talk::opening::expect_identity(world.scene()?)
}

#[when("clients ask for each revision that there is, and for one that there is not")]
async fn ask_for_revisions(world: &mut World) -> StepResult {
    crate::scene::talk::opening::ask_for_revisions(world.scene()?).await
}

#[then("every revision that was offered is agreed to when it is asked for")]
fn offers_kept(world: &mut World) -> StepResult {
    crate::scene::talk::opening::expect_offers_kept(world.scene()?)
}

#[when(expr = "a client asks for the revision {string}")]
async fn ask_for_revision(world: &mut World, revision: String) -> StepResult {
    crate::scene::talk::opening::ask_for_revision(world.scene()?, &revision).await
}

#[then("that revision is not agreed to")]
fn not_agreed(world: &mut World) -> StepResult {
    crate::scene::talk::opening::expect_not_agreed(world.scene()?)
}

#[then("another revision is offered")]
fn other_offered(world: &mut World) -> StepResult {
    crate::scene::talk::opening::expect_other_offered(world.scene()?)
}

#[then("every capability that the server has told of works")]
async fn capabilities(world: &mut World) -> StepResult {
    crate::scene::talk::opening::expect_capabilities_work(world.scene()?).await
}

#[then("the server has said nothing that was not agreed on")]
fn only_agreed(world: &mut World) -> StepResult {
    crate::scene::talk::messages::expect_only_agreed(world.scene()?)
}

#[then("a ping is answered with nothing but that")]
async fn ping(world: &mut World) -> StepResult {
    crate::scene::talk::opening::expect_ping(world.scene()?).await
}

#[then(
    regex = r#"^a request with the (number|text) "?([^"]+)"? for its id is answered with the same$"#
)]
async fn id_kept(world: &mut World, kind: String, id: String) -> StepResult {
    let id = match kind.as_str() {
        "number" => json!(id.parse::<u64>().map_err(Stop::blocked)?),
        _ => json!(id),
    };
    crate::scene::talk::messages::expect_id_kept(world.scene()?, &id).await
}

#[when("the client opens the connection once more")]
async fn open_again(world: &mut World) -> StepResult {
    crate::scene::talk::opening::open_again(world.scene()?).await
}

#[when(regex = "^the client writes (.+), Vault changes only if success is told$")]
async fn write_out_of_turn(world: &mut World, when: String) -> StepResult {
    crate::scene::talk::messages::write_out_of_turn(world.scene()?, &when).await
}

#[then("the next call works")]
async fn next_call_works(world: &mut World) -> StepResult {
    crate::scene::talk::expect_next_call_works(world.scene()?).await
}

#[when(
    regex = r"^the client sends (an? (?:method|tool|call|message (?:with|that does|of JSON|whose)|text$|number$|empty|answer).*|half a message|text that is no JSON|JSON that .+|control characters)$"
)]
async fn say_odd(world: &mut World, what: String) -> StepResult {
    crate::scene::talk::messages::say_odd(world.scene()?, &what).await
}

#[then("that is answered with an error")]
fn refused(world: &mut World) -> StepResult {
    crate::scene::talk::messages::expect_refused_message(world.scene()?, false)
}

#[then("that has no result")]
fn no_result(world: &mut World) -> StepResult {
    crate::scene::talk::messages::expect_refused_message(world.scene()?, true)
}

#[then(expr = "that is answered with the JSON-RPC error {int}")]
fn error_code(world: &mut World, code: i64) -> StepResult {
    crate::scene::talk::messages::expect_error_code(world.scene()?, code)
}

#[when("the client tells what no revision knows")]
async fn tell_unknown(world: &mut World) -> StepResult {
    crate::scene::talk::messages::tell_unknown(world.scene()?).await
}

#[then("that is not answered")]
fn unanswered(world: &mut World) -> StepResult {
    crate::scene::talk::messages::expect_unanswered(world.scene()?)
}

#[when("the client cancels a call that there is not, one that has ended, and nothing at all")]
async fn cancel_nothing(world: &mut World) -> StepResult {
    crate::scene::talk::messages::cancel_nothing(world.scene()?).await
}

#[when(expr = "the agent cancels a reading of the secret {string} that Vault keeps waiting")]
async fn cancel_slow(world: &mut World, path: String) -> StepResult {
    crate::scene::talk::messages::cancel_slow_reading(world.scene()?, &path).await
}

#[then("no answer to the reading has come")]
fn cancelled(world: &mut World) -> StepResult {
    crate::scene::talk::messages::expect_cancelled(world.scene()?)
}

#[when("the agent lists everything, once without and once with a wish for progress")]
async fn list_with_progress(world: &mut World) -> StepResult {
    crate::scene::talk::messages::list_all_with_progress(world.scene()?).await
}

#[then("no progress was told but what was wished for")]
fn progress_as_wished(world: &mut World) -> StepResult {
    crate::scene::talk::messages::expect_progress_as_wished(world.scene()?)
}

#[then("progress was told")]
fn progress(world: &mut World) -> StepResult {
    crate::scene::talk::messages::expect_progress(world.scene()?)
}

// The era without sessions.

#[then("the server tells the revision in use among those that it speaks, and that it has tools")]
async fn discovery(world: &mut World) -> StepResult {
    crate::scene::talk::stateless::expect_discovery(world.scene()?).await
}

#[when("a client that has said nothing yet lists the tools")]
async fn list_alone(world: &mut World) -> StepResult {
    crate::scene::talk::stateless::list_alone(world.scene()?).await
}

#[then(regex = "^it is given the same tools, in (whatever|the same) order$")]
fn tools_of_the_others(world: &mut World, order: String) -> StepResult {
    crate::scene::talk::stateless::expect_tools_of_the_others(world.scene()?, order == "the same")
}

#[when(regex = "^the client asks without telling (.+)$")]
async fn ask_without(world: &mut World, what: String) -> StepResult {
    crate::scene::talk::stateless::ask_without(world.scene()?, &what).await
}

#[when("the client asks in a revision that there is not")]
async fn ask_in_no_revision(world: &mut World) -> StepResult {
    crate::scene::talk::stateless::ask_in_no_revision(world.scene()?).await
}

#[when(regex = "^the client asks for (a .+)$")]
async fn ask_for_nothing(world: &mut World, what: String) -> StepResult {
    crate::scene::talk::stateless::ask_for_nothing(world.scene()?, &what).await
}

#[when(regex = "^a request is sent to be routed (.+)$")]
async fn ask_with_headers(world: &mut World, what: String) -> StepResult {
    crate::scene::talk::stateless::ask_with_headers(world.scene()?, &what).await
}

#[then(regex = r"^that is answered with the JSON-RPC error (-\d+), over HTTP with status (\d+)$")]
fn error_and_status(world: &mut World, code: i64, status: u16) -> StepResult {
    crate::scene::talk::stateless::expect_error_and_status(world.scene()?, code, status)
}

#[then("the error tells the revision that was asked for and those that are spoken")]
fn revisions_told(world: &mut World) -> StepResult {
    crate::scene::talk::stateless::expect_revisions_told(world.scene()?)
}

#[then("that is no mismatch of headers")]
fn no_mismatch(world: &mut World) -> StepResult {
    crate::scene::talk::stateless::expect_no_mismatch(world.scene()?)
}

// Several servers.

#[given("three servers in turn")]
async fn replicas(world: &mut World) -> StepResult {
    crate::scene::talk::replicas::add_replicas(world.scene()?, 3).await
}

#[then("each of the servers has asked Vault")]
fn all_asked(world: &mut World) -> StepResult {
    crate::scene::talk::replicas::expect_all_asked(world.scene()?)
}

#[when("a client lists the tools of one server in the session of another")]
async fn list_in_foreign_session(world: &mut World) -> StepResult {
    crate::scene::talk::replicas::list_in_foreign_session(world.scene()?).await
}

#[then("it is told that there is no such session, or is given the same tools")]
fn no_foreign_session(world: &mut World) -> StepResult {
    crate::scene::talk::replicas::expect_no_foreign_session(world.scene()?)
}

// Tools.

#[then("the arguments of every tool are described by valid JSON Schema")]
fn input_schemas(world: &mut World) -> StepResult {
    crate::scene::talk::tools::expect_input_schemas(world.scene()?)
}

#[then("the results of tools are described by valid JSON Schema")]
fn output_schemas(world: &mut World) -> StepResult {
    crate::scene::talk::tools::expect_output_schemas(world.scene()?)
}

#[then("the results of every tool are described")]
fn output_declared(world: &mut World) -> StepResult {
    crate::scene::talk::tools::expect_output_declared(world.scene()?)
}

#[then("every tool has a usual name of its own")]
fn tool_names(world: &mut World) -> StepResult {
    crate::scene::talk::tools::expect_tool_names(world.scene()?)
}

#[when("the agent carries out every operation")]
async fn do_everything(world: &mut World) -> StepResult {
    crate::scene::talk::deeds::do_everything(world.scene()?).await
}

#[when("the agent carries out what writes though its tool says that it only reads")]
async fn do_read_only(world: &mut World) -> StepResult {
    crate::scene::talk::deeds::do_hinted(world.scene()?, Hint::ReadOnly).await
}

#[when("the agent carries out twice what writes and whose tool says that once is enough")]
async fn do_idempotent(world: &mut World) -> StepResult {
    crate::scene::talk::deeds::do_hinted(world.scene()?, Hint::Idempotent).await
}

#[then("every result fits what its tool says of results")]
fn results_fit(world: &mut World) -> StepResult {
    crate::scene::talk::deeds::expect_results_fit(world.scene()?)
}

#[then("every result that has a structure says the same in its text")]
fn text_says_the_same(world: &mut World) -> StepResult {
    crate::scene::talk::deeds::expect_text_says_the_same(world.scene()?)
}

#[then("that changes nothing in Vault")]
#[then("the second time changes nothing in Vault")]
fn hints_true(world: &mut World) -> StepResult {
    crate::scene::talk::deeds::expect_hints_true(world.scene()?)
}

#[then("every tool that only reads says so")]
fn readers_marked(world: &mut World) -> StepResult {
    crate::scene::talk::tools::expect_readers_marked(world.scene()?)
}

#[when("the client lists the tools again")]
async fn list_tools_again(world: &mut World) -> StepResult {
    crate::scene::talk::tools::list_tools_again(world.scene()?).await
}

#[then("the tools are the same as at first")]
fn same_tools(world: &mut World) -> StepResult {
    crate::scene::talk::tools::expect_same_tools(world.scene()?)
}

#[then("the tools are in the same order as at first")]
fn same_order(world: &mut World) -> StepResult {
    crate::scene::talk::tools::expect_same_order(world.scene()?)
}

#[then("what is said of the tools has nothing of Vault in it")]
fn tools_without_data(world: &mut World) -> StepResult {
    crate::scene::talk::tools::expect_tools_without_data(world.scene()?)
}

#[then("the pages of the list of tools end, and have each tool once")]
async fn pages_end(world: &mut World) -> StepResult {
    crate::scene::talk::tools::expect_pages_end(world.scene()?).await
}

#[then("a place in the list of tools that was never given out is refused")]
async fn cursor_refused(world: &mut World) -> StepResult {
    crate::scene::talk::tools::expect_cursor_refused(world.scene()?).await
}

// Arguments.

#[when("every tool is called with nothing but the arguments that it requires")]
async fn call_barely(world: &mut World) -> StepResult {
    crate::scene::talk::arguments::call_barely(world.scene()?).await
}

#[then("what only reads works with nothing but the arguments that it requires")]
async fn read_with_required_alone(world: &mut World) -> StepResult {
    crate::scene::talk::deeds::read_with_required_alone(world.scene()?).await
}

#[then("an argument that is left out and one that is given as its default come to the same")]
async fn expect_defaults_applied(world: &mut World) -> StepResult {
    crate::scene::talk::defaults::expect_defaults_applied(world.scene()?).await
}

#[when(regex = "^every tool is called with each of its arguments (.+)$")]
async fn call_with(world: &mut World, how: String) -> StepResult {
    let unknown = || Stop::blocked(format!("no argument is worded {how:?}"));
    let fault = Fault::worded(&how).ok_or_else(unknown)?;
    crate::scene::talk::arguments::call_with(world.scene()?, fault).await
}

#[when("every tool that only reads is called with an argument that it does not have")]
async fn call_with_unknown(world: &mut World) -> StepResult {
    crate::scene::talk::arguments::call_with_unknown_argument(world.scene()?).await
}

#[then("every call is answered")]
fn all_answered(world: &mut World) -> StepResult {
    crate::scene::talk::arguments::expect_all_answered(world.scene()?)
}

#[then("those that the tool's own schema does not allow are errors")]
fn bad_refused(world: &mut World) -> StepResult {
    crate::scene::talk::arguments::expect_bad_refused(world.scene()?)
}

#[then("nothing was written outside of the agent's mounts")]
fn nothing_outside(world: &mut World) -> StepResult {
    crate::scene::talk::arguments::expect_nothing_written_outside(world.scene()?)
}

#[then("each error about an argument names it")]
fn argument_named(world: &mut World) -> StepResult {
    crate::scene::talk::arguments::expect_argument_named(world.scene()?)
}

#[then("every call is an error")]
fn all_refused(world: &mut World) -> StepResult {
    crate::scene::talk::arguments::expect_all_refused(world.scene()?)
}

// Standard streams.

#[when(regex = "^the server is started once more and (its input ends|it is told to end)$")]
async fn start_and_end(world: &mut World, how: String) -> StepResult {
    crate::scene::talk::process::start_and_end(world.scene()?, &how).await
}

#[then("its process ends")]
fn ended(world: &mut World) -> StepResult {
    crate::scene::talk::process::expect_ended(world.scene()?)
}

#[then("the server's process has no socket that listens")]
async fn no_listener(world: &mut World) -> StepResult {
    crate::scene::talk::process::expect_no_listener(world.scene()?).await
}

#[when(expr = "the client sends a message of {int} MiB")]
async fn long_line(world: &mut World, size: usize) -> StepResult {
    crate::scene::talk::process::say_long_line(world.scene()?, size << 20).await
}

// HTTP.

#[when("the client tells something over HTTP")]
async fn tell_over_http(world: &mut World) -> StepResult {
    crate::scene::talk::http::tell_over_http(world.scene()?).await
}

#[then("that is accepted and nothing more is said")]
fn accepted(world: &mut World) -> StepResult {
    crate::scene::talk::http::expect_accepted(world.scene()?)
}

#[when(regex = "^the client lists the tools ((?:in|without) .+)$")]
async fn list_over_http(world: &mut World, how: String) -> StepResult {
    crate::scene::talk::http::list_over_http(world.scene()?, &how).await
}

#[then(expr = "that is answered with HTTP {int}")]
fn has_status(world: &mut World, status: u16) -> StepResult {
    crate::scene::talk::http::expect_status(world.scene()?, status)
}

#[when("the client wants to listen")]
async fn listen_over_http(world: &mut World) -> StepResult {
    crate::scene::talk::http::listen_over_http(world.scene()?).await
}

#[then("it is given a stream of events or refused")]
fn stream_or_refusal(world: &mut World) -> StepResult {
    crate::scene::talk::http::expect_stream_or_refusal(world.scene()?)
}

#[when("a client opens a session, ends it, and lists the tools in it")]
async fn list_in_ended_session(world: &mut World) -> StepResult {
    crate::scene::talk::http::list_in_ended_session(world.scene()?).await
}

#[when("clients open sessions one after the other")]
async fn open_sessions(world: &mut World) -> StepResult {
    crate::scene::talk::http::open_sessions(world.scene()?).await
}

#[then("the ids of the sessions are visible ASCII")]
fn visible_ids(world: &mut World) -> StepResult {
    crate::scene::talk::http::expect_visible_ids(world.scene()?)
}

#[then("the ids of the sessions cannot be guessed")]
fn unguessable_ids(world: &mut World) -> StepResult {
    crate::scene::talk::http::expect_unguessable_ids(world.scene()?)
}

#[then("that is refused over HTTP")]
fn refused_over_http(world: &mut World) -> StepResult {
    crate::scene::talk::http::expect_http_refused(world.scene()?)
}

#[when(regex = "^the client sends a request ((?:of|by|with) .+)$")]
async fn send_odd(world: &mut World, what: String) -> StepResult {
    crate::scene::talk::http::send_odd(world.scene()?, &what).await
}

#[then("that does not hang")]
fn no_hang(world: &mut World) -> StepResult {
    crate::scene::talk::http::expect_no_hang(world.scene()?)
}

#[when(expr = "{int} requests never end, and another one is made beside them")]
async fn beside_endless(world: &mut World, count: usize) -> StepResult {
    crate::scene::talk::http::ask_beside_endless(world.scene()?, count).await
}

#[when("the client sends a request that never ends")]
async fn send_endless(world: &mut World) -> StepResult {
    crate::scene::talk::http::send_endless(world.scene()?).await
}
