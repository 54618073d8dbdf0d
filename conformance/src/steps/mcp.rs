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
    world.scene()?.expect_identity()
}

#[when("clients ask for each revision that there is, and for one that there is not")]
async fn ask_for_revisions(world: &mut World) -> StepResult {
    world.scene()?.ask_for_revisions().await
}

#[then("every revision that was offered is agreed to when it is asked for")]
fn offers_kept(world: &mut World) -> StepResult {
    world.scene()?.expect_offers_kept()
}

#[when(expr = "a client asks for the revision {string}")]
async fn ask_for_revision(world: &mut World, revision: String) -> StepResult {
    world.scene()?.ask_for_revision(&revision).await
}

#[then("that revision is not agreed to")]
fn not_agreed(world: &mut World) -> StepResult {
    world.scene()?.expect_not_agreed()
}

#[then("another revision is offered")]
fn other_offered(world: &mut World) -> StepResult {
    world.scene()?.expect_other_offered()
}

#[then("every capability that the server has told of works")]
async fn capabilities(world: &mut World) -> StepResult {
    world.scene()?.expect_capabilities_work().await
}

#[then("the server has said nothing that was not agreed on")]
fn only_agreed(world: &mut World) -> StepResult {
    world.scene()?.expect_only_agreed()
}

#[then("a ping is answered with nothing but that")]
async fn ping(world: &mut World) -> StepResult {
    world.scene()?.expect_ping().await
}

#[then(
    regex = r#"^a request with the (number|text) "?([^"]+)"? for its id is answered with the same$"#
)]
async fn id_kept(world: &mut World, kind: String, id: String) -> StepResult {
    let id = match kind.as_str() {
        "number" => json!(id.parse::<u64>().map_err(Stop::blocked)?),
        _ => json!(id),
    };
    world.scene()?.expect_id_kept(&id).await
}

#[when("the client opens the connection once more")]
async fn open_again(world: &mut World) -> StepResult {
    world.scene()?.open_again().await
}

#[when(regex = "^the client writes (.+), Vault changes only if success is told$")]
async fn write_out_of_turn(world: &mut World, when: String) -> StepResult {
    world.scene()?.write_out_of_turn(&when).await
}

#[then("the next call works")]
async fn next_call_works(world: &mut World) -> StepResult {
    world.scene()?.expect_next_call_works().await
}

#[when(
    regex = r"^the client sends (an? (?:method|tool|call|message (?:with|that does|of JSON|whose)|text$|number$|empty|answer).*|half a message|text that is no JSON|JSON that .+|control characters)$"
)]
async fn say_odd(world: &mut World, what: String) -> StepResult {
    world.scene()?.say_odd(&what).await
}

#[then("that is answered with an error")]
fn refused(world: &mut World) -> StepResult {
    world.scene()?.expect_refused_message(false)
}

#[then("that has no result")]
fn no_result(world: &mut World) -> StepResult {
    world.scene()?.expect_refused_message(true)
}

#[then(expr = "that is answered with the JSON-RPC error {int}")]
fn error_code(world: &mut World, code: i64) -> StepResult {
    world.scene()?.expect_error_code(code)
}

#[when("the client tells what no revision knows")]
async fn tell_unknown(world: &mut World) -> StepResult {
    world.scene()?.tell_unknown().await
}

#[then("that is not answered")]
fn unanswered(world: &mut World) -> StepResult {
    world.scene()?.expect_unanswered()
}

#[when("the client cancels a call that there is not, one that has ended, and nothing at all")]
async fn cancel_nothing(world: &mut World) -> StepResult {
    world.scene()?.cancel_nothing().await
}

#[when(expr = "the agent cancels a reading of the secret {string} that Vault keeps waiting")]
async fn cancel_slow(world: &mut World, path: String) -> StepResult {
    world.scene()?.cancel_slow_reading(&path).await
}

#[then("no answer to the reading has come")]
fn cancelled(world: &mut World) -> StepResult {
    world.scene()?.expect_cancelled()
}

#[when("the agent lists everything, once without and once with a wish for progress")]
async fn list_with_progress(world: &mut World) -> StepResult {
    world.scene()?.list_all_with_progress().await
}

#[then("no progress was told but what was wished for")]
fn progress_as_wished(world: &mut World) -> StepResult {
    world.scene()?.expect_progress_as_wished()
}

#[then("progress was told")]
fn progress(world: &mut World) -> StepResult {
    world.scene()?.expect_progress()
}

// The era without sessions.

#[then("the server tells the revision in use among those that it speaks, and that it has tools")]
async fn discovery(world: &mut World) -> StepResult {
    world.scene()?.expect_discovery().await
}

#[when("a client that has said nothing yet lists the tools")]
async fn list_alone(world: &mut World) -> StepResult {
    world.scene()?.list_alone().await
}

#[then(regex = "^it is given the same tools, in (whatever|the same) order$")]
fn tools_of_the_others(world: &mut World, order: String) -> StepResult {
    world
        .scene()?
        .expect_tools_of_the_others(order == "the same")
}

#[when(regex = "^the client asks without telling (.+)$")]
async fn ask_without(world: &mut World, what: String) -> StepResult {
    world.scene()?.ask_without(&what).await
}

#[when("the client asks in a revision that there is not")]
async fn ask_in_no_revision(world: &mut World) -> StepResult {
    world.scene()?.ask_in_no_revision().await
}

#[when(regex = "^the client asks for (a .+)$")]
async fn ask_for_nothing(world: &mut World, what: String) -> StepResult {
    world.scene()?.ask_for_nothing(&what).await
}

#[when(regex = "^a request is sent to be routed (.+)$")]
async fn ask_with_headers(world: &mut World, what: String) -> StepResult {
    world.scene()?.ask_with_headers(&what).await
}

#[then(regex = r"^that is answered with the JSON-RPC error (-\d+), over HTTP with status (\d+)$")]
fn error_and_status(world: &mut World, code: i64, status: u16) -> StepResult {
    world.scene()?.expect_error_and_status(code, status)
}

#[then("the error tells the revision that was asked for and those that are spoken")]
fn revisions_told(world: &mut World) -> StepResult {
    world.scene()?.expect_revisions_told()
}

#[then("that is no mismatch of headers")]
fn no_mismatch(world: &mut World) -> StepResult {
    world.scene()?.expect_no_mismatch()
}

// Several servers.

#[given("three servers in turn")]
async fn replicas(world: &mut World) -> StepResult {
    world.scene()?.add_replicas(3).await
}

#[then("each of the servers has asked Vault")]
fn all_asked(world: &mut World) -> StepResult {
    world.scene()?.expect_all_asked()
}

#[when("a client lists the tools of one server in the session of another")]
async fn list_in_foreign_session(world: &mut World) -> StepResult {
    world.scene()?.list_in_foreign_session().await
}

#[then("it is told that there is no such session, or is given the same tools")]
fn no_foreign_session(world: &mut World) -> StepResult {
    world.scene()?.expect_no_foreign_session()
}

// Tools.

#[then("the arguments of every tool are described by valid JSON Schema")]
fn input_schemas(world: &mut World) -> StepResult {
    world.scene()?.expect_input_schemas()
}

#[then("the results of tools are described by valid JSON Schema")]
fn output_schemas(world: &mut World) -> StepResult {
    world.scene()?.expect_output_schemas()
}

#[then("the results of every tool are described")]
fn output_declared(world: &mut World) -> StepResult {
    world.scene()?.expect_output_declared()
}

#[then("every tool has a usual name of its own")]
fn tool_names(world: &mut World) -> StepResult {
    world.scene()?.expect_tool_names()
}

#[when("the agent carries out every operation")]
async fn do_everything(world: &mut World) -> StepResult {
    world.scene()?.do_everything().await
}

#[when("the agent carries out what writes though its tool says that it only reads")]
async fn do_read_only(world: &mut World) -> StepResult {
    world.scene()?.do_hinted(Hint::ReadOnly).await
}

#[when("the agent carries out twice what writes and whose tool says that once is enough")]
async fn do_idempotent(world: &mut World) -> StepResult {
    world.scene()?.do_hinted(Hint::Idempotent).await
}

#[then("every result fits what its tool says of results")]
fn results_fit(world: &mut World) -> StepResult {
    world.scene()?.expect_results_fit()
}

#[then("every result that has a structure says the same in its text")]
fn text_says_the_same(world: &mut World) -> StepResult {
    world.scene()?.expect_text_says_the_same()
}

#[then("that changes nothing in Vault")]
#[then("the second time changes nothing in Vault")]
fn hints_true(world: &mut World) -> StepResult {
    world.scene()?.expect_hints_true()
}

#[then("every tool that only reads says so")]
fn readers_marked(world: &mut World) -> StepResult {
    world.scene()?.expect_readers_marked()
}

#[when("the client lists the tools again")]
async fn list_tools_again(world: &mut World) -> StepResult {
    world.scene()?.list_tools_again().await
}

#[then("the tools are the same as at first")]
fn same_tools(world: &mut World) -> StepResult {
    world.scene()?.expect_same_tools()
}

#[then("the tools are in the same order as at first")]
fn same_order(world: &mut World) -> StepResult {
    world.scene()?.expect_same_order()
}

#[then("what is said of the tools has nothing of Vault in it")]
fn tools_without_data(world: &mut World) -> StepResult {
    world.scene()?.expect_tools_without_data()
}

#[then("the pages of the list of tools end, and have each tool once")]
async fn pages_end(world: &mut World) -> StepResult {
    world.scene()?.expect_pages_end().await
}

#[then("a place in the list of tools that was never given out is refused")]
async fn cursor_refused(world: &mut World) -> StepResult {
    world.scene()?.expect_cursor_refused().await
}

// Arguments.

#[when("every tool is called with nothing but the arguments that it requires")]
async fn call_barely(world: &mut World) -> StepResult {
    world.scene()?.call_barely().await
}

#[then("what only reads works with nothing but the arguments that it requires")]
async fn read_with_required_alone(world: &mut World) -> StepResult {
    world.scene()?.read_with_required_alone().await
}

#[then("an argument that is left out and one that is given as its default come to the same")]
async fn expect_defaults_applied(world: &mut World) -> StepResult {
    world.scene()?.expect_defaults_applied().await
}

#[when(regex = "^every tool is called with each of its arguments (.+)$")]
async fn call_with(world: &mut World, how: String) -> StepResult {
    let unknown = || Stop::blocked(format!("no argument is worded {how:?}"));
    let fault = Fault::worded(&how).ok_or_else(unknown)?;
    world.scene()?.call_with(fault).await
}

#[when("every tool that only reads is called with an argument that it does not have")]
async fn call_with_unknown(world: &mut World) -> StepResult {
    world.scene()?.call_with_unknown_argument().await
}

#[then("every call is answered")]
fn all_answered(world: &mut World) -> StepResult {
    world.scene()?.expect_all_answered()
}

#[then("those that the tool's own schema does not allow are errors")]
fn bad_refused(world: &mut World) -> StepResult {
    world.scene()?.expect_bad_refused()
}

#[then("nothing was written outside of the agent's mounts")]
fn nothing_outside(world: &mut World) -> StepResult {
    world.scene()?.expect_nothing_written_outside()
}

#[then("each error about an argument names it")]
fn argument_named(world: &mut World) -> StepResult {
    world.scene()?.expect_argument_named()
}

#[then("every call is an error")]
fn all_refused(world: &mut World) -> StepResult {
    world.scene()?.expect_all_refused()
}

// Standard streams.

#[when(regex = "^the server is started once more and (its input ends|it is told to end)$")]
async fn start_and_end(world: &mut World, how: String) -> StepResult {
    world.scene()?.start_and_end(&how).await
}

#[then("its process ends")]
fn ended(world: &mut World) -> StepResult {
    world.scene()?.expect_ended()
}

#[then("the server's process has no socket that listens")]
async fn no_listener(world: &mut World) -> StepResult {
    world.scene()?.expect_no_listener().await
}

#[when(expr = "the client sends a message of {int} MiB")]
async fn long_line(world: &mut World, size: usize) -> StepResult {
    world.scene()?.say_long_line(size << 20).await
}

// HTTP.

#[when("the client tells something over HTTP")]
async fn tell_over_http(world: &mut World) -> StepResult {
    world.scene()?.tell_over_http().await
}

#[then("that is accepted and nothing more is said")]
fn accepted(world: &mut World) -> StepResult {
    world.scene()?.expect_accepted()
}

#[when(regex = "^the client lists the tools ((?:in|without) .+)$")]
async fn list_over_http(world: &mut World, how: String) -> StepResult {
    world.scene()?.list_over_http(&how).await
}

#[then(expr = "that is answered with HTTP {int}")]
fn has_status(world: &mut World, status: u16) -> StepResult {
    world.scene()?.expect_status(status)
}

#[when("the client wants to listen")]
async fn listen_over_http(world: &mut World) -> StepResult {
    world.scene()?.listen_over_http().await
}

#[then("it is given a stream of events or refused")]
fn stream_or_refusal(world: &mut World) -> StepResult {
    world.scene()?.expect_stream_or_refusal()
}

#[when("a client opens a session, ends it, and lists the tools in it")]
async fn list_in_ended_session(world: &mut World) -> StepResult {
    world.scene()?.list_in_ended_session().await
}

#[when("clients open sessions one after the other")]
async fn open_sessions(world: &mut World) -> StepResult {
    world.scene()?.open_sessions().await
}

#[then("the ids of the sessions are visible ASCII")]
fn visible_ids(world: &mut World) -> StepResult {
    world.scene()?.expect_visible_ids()
}

#[then("the ids of the sessions cannot be guessed")]
fn unguessable_ids(world: &mut World) -> StepResult {
    world.scene()?.expect_unguessable_ids()
}

#[then("that is refused over HTTP")]
fn refused_over_http(world: &mut World) -> StepResult {
    world.scene()?.expect_http_refused()
}

#[when(regex = "^the client sends a request ((?:of|by|with) .+)$")]
async fn send_odd(world: &mut World, what: String) -> StepResult {
    world.scene()?.send_odd(&what).await
}

#[then("that does not hang")]
fn no_hang(world: &mut World) -> StepResult {
    world.scene()?.expect_no_hang()
}

#[when(expr = "{int} requests never end, and another one is made beside them")]
async fn beside_endless(world: &mut World, count: usize) -> StepResult {
    world.scene()?.ask_beside_endless(count).await
}

#[when("the client sends a request that never ends")]
async fn send_endless(world: &mut World) -> StepResult {
    world.scene()?.send_endless().await
}
