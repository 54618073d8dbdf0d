//! Messages that no well-behaved client sends, and the expected answers.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use super::McpState;
use crate::{
    act::Act,
    cause,
    engines::{Kv, Operation},
    instance::setup::Setup,
    mcp::{
        connection::{Connection, Said},
        request::request,
        transcript::Speaker,
        wire,
    },
    profiles::mcp,
    scenario::{Scenario, calls::CallOptions},
    tap::fault::{Fault, FaultAction},
    transport::TransportKind,
    vault::oracle::Snapshot,
    verdict::{StepEnd, StepResult},
    vocabulary::{about, answered, kv::writing},
};

/// How long Vault delays a read at most that is to be cancelled.
const HELD: Duration = Duration::from_secs(10);
/// The minimum time to wait for an answer that must not arrive.
const MOMENT: Duration = Duration::from_millis(200);
/// How long the suite waits for an answer that explains a change in Vault.
const LATE: Duration = Duration::from_secs(10);
/// The interval between two looks.
const GLANCE: Duration = Duration::from_millis(20);
/// The id of a call that is sent too early or in a batch.
const EARLY: &str = "early-1";
/// The name of a tool that no server has.
const NO_TOOL: &str = "no_such_tool_6f1d";
/// The token of a call for which progress is requested.
const PROGRESS: &str = "progress-of-the-list";

/// A progress notification.
pub(crate) struct Progress {
    /// Whether the call had a progress token.
    wished: bool,
    /// Whether it arrived after the call's answer.
    late: bool,
    params: Value,
}

/// Sends the message that a feature names, and collects the answer.
///
/// # Errors
/// Blocked if the feature's words are unknown.
pub(crate) async fn say_odd(scenario: &mut Scenario, what: &str) -> StepResult {
    let id = json!("odd-1");
    let ask = |method: &str, params: Value| (request(&id, method, params), true);
    let any = scenario.instance()?.tool_names.first().cloned();
    let any = any.unwrap_or_else(|| NO_TOOL.to_owned());
    let call = |params: Value| ask("tools/call", params);
    let raw = |message: Value| (message.to_string(), false);
    let whole = request(&id, "tools/list", json!({}));
    let (text, is_request) = match what {
        "an unknown method" => ask("no/such/method", json!({})),
        "an unknown tool" => call(json!({ "name": NO_TOOL, "arguments": {} })),
        "a call that names no tool" => call(json!({ "arguments": {} })),
        "a call whose tool is a number" => call(json!({ "name": 7, "arguments": {} })),
        "a call whose arguments are a list" => call(json!({ "name": any, "arguments": [] })),
        "a call whose arguments are text" => call(json!({ "name": any, "arguments": "x" })),
        "a call without parameters" => {
            raw(json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call" }))
        }
        "text that is no JSON" => ("{ this is no JSON".to_owned(), false),
        "half a message" => (whole[..whole.len() / 2].to_owned(), false),
        "a message with something behind it" => (format!("{whole} x"), false),
        "JSON that is nested 20,000 deep" => ("[".repeat(20_000), false),
        "control characters" => (format!("{{\"\u{1}\u{7f}{whole}"), false),
        "a text" => raw(json!("tools/list")),
        "a number" => raw(json!(42)),
        "an empty object" => raw(json!({})),
        "an empty list" => raw(json!([])),
        "a message without its version" => raw(json!({ "id": id, "method": "tools/list" })),
        "a message of JSON-RPC 1.0" => {
            raw(json!({ "jsonrpc": "1.0", "id": id, "method": "tools/list" }))
        }
        "a message whose method is a number" => {
            raw(json!({ "jsonrpc": "2.0", "id": id, "method": 7 }))
        }
        "a message whose id is a list" => {
            raw(json!({ "jsonrpc": "2.0", "id": [1], "method": "tools/list" }))
        }
        "an answer to nothing" => raw(json!({ "jsonrpc": "2.0", "id": id, "result": {} })),
        _ => {
            return Err(StepEnd::blocked(format!(
                "the step does not support {what:?}"
            )));
        }
    };
    say(scenario, &text, is_request).await
}

async fn say(scenario: &mut Scenario, text: &str, is_request: bool) -> StepResult {
    let said = scenario.connection()?.say(text, is_request).await;
    heard(scenario, said);
    Ok(())
}

pub(super) fn heard(scenario: &mut Scenario, said: Said) {
    scenario.calls.note_unanswered(said.problem.is_some());
    scenario.state_mut::<McpState>().said = Some(said);
}

pub(super) fn said(scenario: &Scenario) -> StepResult<&Said> {
    let missing = || StepEnd::blocked("the scenario has sent no message yet");
    scenario
        .state::<McpState>()
        .said
        .as_ref()
        .ok_or_else(missing)
}

/// The message must have returned an error; a message that is no request may also have no answer.
///
/// # Errors
/// If it succeeded, or a request has no answer.
pub(crate) fn expect_refused_message(scenario: &Scenario, may_be_silent: bool) -> StepResult {
    let said = said(scenario)?;
    if said.success().is_none() && (may_be_silent || said.refuses()) {
        return Ok(());
    }
    let expected = match may_be_silent {
        true => "an error, or no answer",
        false => "an error",
    };
    Err(scenario.failed(expected, &said.describe()))
}

/// None of the further servers may have crashed.
async fn expect_no_crash(scenario: &mut Scenario) -> StepResult {
    let mut crashes = Vec::new();
    for further in &mut scenario.agents.connections {
        if let Some(status) = further.ends_within(MOMENT).await {
            let lines = further.connection.transcript().lines();
            crashes.extend(cause::is_crash(&status.to_string(), &lines).then_some(status));
        }
    }
    match crashes.first() {
        None => Ok(()),
        Some(status) => {
            let seen = format!("its process ended: {status}");
            Err(scenario.failed("the server does not crash", &seen))
        }
    }
}

/// The next call must work. Over stdio, the server may also have ended without a crash: the only client that it serves
/// has sent what the protocol forbids. Then the call must work when the server is started again.
///
/// # Errors
/// If it does not.
pub(crate) async fn expect_served_or_ended(scenario: &mut Scenario) -> StepResult {
    let failure = match answered::expect_next_call_works(scenario).await {
        Err(failure @ StepEnd::Failed { .. }) => failure,
        other => return other,
    };
    let is_stdio = scenario.planned.transport == TransportKind::Stdio;
    let Some(slot) = scenario.agents.acting_mut().filter(|_| is_stdio) else {
        return Err(failure);
    };
    let ended = slot.instance.ends().await;
    let lines = slot.instance.connection.transcript().lines();
    let mut sent = lines.iter().filter(|line| line.speaker == Speaker::Suite);
    let is_excused = sent.any(|line| !wire::is_message(&line.text));
    if !is_excused || ended.is_none_or(|status| cause::is_crash(&status.to_string(), &lines)) {
        return Err(failure);
    }
    scenario.end_servers().await?;
    scenario.start_server(Setup::default()).await?;
    answered::expect_next_call_works(scenario).await
}

/// The answer must be this JSON-RPC error. For a message that cannot be read, an HTTP error without a message will do:
/// the transport requires the status, and allows the error.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_error_code(scenario: &Scenario, code: i64) -> StepResult {
    const UNREADABLE: [i64; 2] = [-32700, -32600];
    let said = said(scenario)?;
    let is_refused = said.messages.is_empty()
        && said
            .status
            .is_some_and(|status| (400..500).contains(&status) && status != 404);
    match said.error().map(|error| &error["code"]) {
        Some(seen) if *seen == code => Ok(()),
        None if is_refused && UNREADABLE.contains(&code) => Ok(()),
        _ => Err(scenario.failed(format!("the JSON-RPC error {code}"), &said.describe())),
    }
}

/// Sends a notification that no revision defines.
///
/// # Errors
/// If there is no connection.
pub(crate) async fn tell_unknown(scenario: &mut Scenario) -> StepResult {
    let text = json!({ "jsonrpc": "2.0", "method": "notifications/no_such", "params": {} });
    say(scenario, &text.to_string(), false).await
}

/// The notification must have no answer; an HTTP error may contain an explanation.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_unanswered(scenario: &Scenario) -> StepResult {
    let said = said(scenario)?;
    let refused = said.status.is_some_and(|status| status >= 400);
    let answers = said
        .messages
        .iter()
        .filter(|message| message["method"].is_null());
    let mut answers = answers.filter(|answer| !(refused && answer["id"].is_null()));
    match answers.next() {
        None => Ok(()),
        Some(_) => Err(scenario.failed("no answer to a message that needs none", &said.describe())),
    }
}

/// Sends a request with this id. The answer must have the same id.
///
/// # Errors
/// If it has another one.
pub(crate) async fn expect_id_kept(scenario: &mut Scenario, id: &Value) -> StepResult {
    say(scenario, &request(id, "tools/list", json!({})), true).await?;
    let said = said(scenario)?;
    match said.messages.iter().any(|message| message["id"] == *id) {
        true => Ok(()),
        false => Err(scenario.failed(format!("an answer with the id {id}"), &said.describe())),
    }
}

/// Writes in a way in which no client would: before the connection is opened, or in a batch. The answer must agree with
/// the effect on Vault.
///
/// # Errors
/// If Vault has changed without a success in the answer. Blocked if the feature's words are unknown, or if the scenario
/// did not make exactly one secret.
pub(crate) async fn write_out_of_turn(scenario: &mut Scenario, when: &str) -> StepResult {
    let in_batch = match when {
        "before the connection is opened" => false,
        "in a batch" => true,
        _ => {
            return Err(StepEnd::blocked(format!(
                "the step does not support {when:?}"
            )));
        }
    };
    let value = scenario.canary("value that the agent writes", true);
    let act = writing(scenario, &about::only_secret(scenario)?, "token", &value)?;
    let call = request(
        &json!(EARLY),
        "tools/call",
        scenario.tool_call(&act)?.params,
    );
    let before = scenario.snapshot().await?;
    let (connection, text) = match in_batch {
        true => (scenario.connection()?, format!("[{call}]")),
        false => {
            scenario.connect_again().await?;
            (scenario.further_connection()?, call)
        }
    };
    let (said, changed) = match connection.http() {
        Some(_) => {
            let said = connection.say(&text, false).await;
            (said, scenario.snapshot().await? != before)
        }
        None => {
            let mut changed = Ok(false);
            let settling = async { changed = has_changed(scenario, &before, connection).await };
            let said = connection.say_until(&text, settling).await;
            (said, changed?)
        }
    };
    expect_no_crash(scenario).await?;
    scenario.disconnect().await?;
    let told = said.success().is_some();
    scenario.state_mut::<McpState>().said = Some(said);
    if changed && !told {
        let seen = format!("Vault has changed; {}", self::said(scenario)?.describe());
        return Err(scenario.failed("nothing changes, because no call succeeded", &seen));
    }
    Ok(())
}

/// Whether Vault has changed after the server had time to answer the call. If Vault has changed, the suite waits for
/// the answer, because a late report of success is still a report.
async fn has_changed(
    scenario: &Scenario,
    before: &Snapshot,
    connection: &Connection,
) -> StepResult<bool> {
    let moment = connection.ping_for_a_moment().await;
    wait_for_answer(scenario, EARLY, moment).await?;
    let changed = scenario.snapshot().await? != *before;
    if changed {
        wait_for_answer(scenario, EARLY, LATE).await?;
    }
    Ok(changed)
}

/// Waits this long for an answer to the request with this id, which can also be an error without an id.
async fn wait_for_answer(scenario: &Scenario, id: &str, patience: Duration) -> StepResult {
    let begun = Instant::now();
    let answers = |message: &Value| {
        message["id"] == id || (message["id"].is_null() && message["method"].is_null())
    };
    while begun.elapsed() < patience
        && !mcp::messages_of_target(scenario, false)?
            .iter()
            .any(answers)
    {
        sleep(GLANCE).await;
    }
    Ok(())
}

// Cancellation.

/// Sends cancellations with nothing to cancel: for a call that does not exist, for one that has ended, and without an
/// id.
///
/// # Errors
/// If there is no connection.
pub(crate) async fn cancel_nothing(scenario: &mut Scenario) -> StepResult {
    const METHOD: &str = "notifications/cancelled";
    let ended = json!("ended-1");
    say(scenario, &request(&ended, "tools/list", json!({})), true).await?;
    let connection = scenario.connection()?;
    for params in [
        json!({ "requestId": 999_999, "reason": "no longer needed" }),
        json!({ "requestId": ended }),
        json!({ "requestId": { "no": "id" } }),
        json!({}),
    ] {
        connection.notify(METHOD, params).await;
    }
    Ok(())
}

/// Cancels a read while Vault delays it, until the server has answered a later call.
///
/// # Errors
/// If the server does not answer the later call; blocked if the read does not reach Vault. Not applicable if there are
/// no sessions: nothing connects the cancellation with the call, since another client may have a call with the same id.
pub(crate) async fn cancel_slow_reading(scenario: &mut Scenario, path: &str) -> StepResult {
    scenario.need_session()?;
    let act = Act::read(scenario.mount()?, path);
    scenario.ledger.let_read(&act);
    let id = json!("slow-1");
    let slow = request(&id, "tools/call", scenario.tool_call(&act)?.params);
    let (catch, caught) = oneshot::channel();
    let (release, released) = oneshot::channel::<()>();
    let springs = FaultAction::First(Box::pin(async move {
        // Both receivers may have been dropped.
        let _ = catch.send(());
        let _ = timeout(HELD, released).await;
    }));
    let part = format!("{}/", scenario.mount()?);
    scenario
        .tap()?
        .set(Fault::new([Method::GET], part, springs));
    let connection = scenario.connection()?;
    let mut outcome = Ok(());
    let cancelling = async {
        if !matches!(timeout(HELD, caught).await, Ok(Ok(()))) {
            outcome = Err(StepEnd::blocked(format!(
                "the read to be cancelled did not reach Vault within {} s",
                HELD.as_secs()
            )));
            return;
        }
        let params = json!({ "requestId": id, "reason": "no longer needed" });
        connection.notify("notifications/cancelled", params).await;
        let other = connection.request("tools/list", json!({})).await;
        let _ = release.send(());
        if let Err(why) = other {
            let seen = format!("another call was not answered: {why}");
            outcome = Err(scenario.failed("calls that were not cancelled continue", &seen));
            return;
        }
        // An answer to the first call would arrive before that to a second one, or soon after it.
        let begun = Instant::now();
        outcome = scenario.call(act, CallOptions::default()).await.map(drop);
        sleep(MOMENT.max(begun.elapsed())).await;
    };
    let said = connection.say_until(&slow, cancelling).await;
    scenario.calls.note_unanswered(outcome.is_err());
    heard(scenario, said);
    outcome
}

/// The cancelled call must have no answer.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_cancelled(scenario: &Scenario) -> StepResult {
    let said = said(scenario)?;
    match said
        .messages
        .iter()
        .any(|message| message["id"] == "slow-1")
    {
        true => Err(scenario.failed("no answer to the cancelled call", &said.describe())),
        false => Ok(()),
    }
}

// Progress.

/// Lists everything twice, the second time with a progress token.
///
/// # Errors
/// If the server does not answer.
pub(crate) async fn list_all_with_progress(scenario: &mut Scenario) -> StepResult {
    let act = Act::list_all(scenario.mount()?, "");
    let mut call = scenario.tool_call(&act)?.params;
    note_progress_of(scenario, call.clone()).await?;
    call["_meta"] = json!({ "progressToken": PROGRESS });
    note_progress_of(scenario, call).await
}

/// Records the progress notifications during a call, and after it.
async fn note_progress_of(scenario: &mut Scenario, call: Value) -> StepResult {
    let wished = call["_meta"].is_object();
    let before = mcp::messages_of_target(scenario, false)?.len();
    if let Err(why) = scenario.request("tools/call", call).await? {
        return Err(scenario.failed("an answer", &why.to_string()));
    }
    // A notification after the answer arrives before the answer to the next request.
    answered::expect_next_call_works(scenario).await?;
    let mut late = false;
    for mut message in mcp::messages_of_target(scenario, false)?
        .into_iter()
        .skip(before)
    {
        if message["method"] == "notifications/progress" {
            let params = message["params"].take();
            scenario.state_mut::<McpState>().progress.push(Progress {
                wished,
                late,
                params,
            });
        } else {
            late |= message["method"].is_null();
        }
    }
    Ok(())
}

/// Progress must have been reported only if it was requested, with the right token, in rising order, and not after the
/// answer.
///
/// # Errors
/// If it was reported in another way.
pub(crate) fn expect_progress_as_wished(scenario: &Scenario) -> StepResult {
    let mut last = f64::NEG_INFINITY;
    for Progress {
        wished,
        late,
        params,
    } in &scenario.state::<McpState>().progress
    {
        let progress = params["progress"].as_f64().unwrap_or(f64::NEG_INFINITY);
        if !wished || *late || params["progressToken"] != PROGRESS || progress <= last {
            let expected =
                "progress with the token that was sent, in rising order, before the answer";
            return Err(scenario.failed(expected, &params.to_string()));
        }
        last = progress;
    }
    Ok(())
}

/// Progress must have been reported.
///
/// # Errors
/// If this is not the case; not applicable to a tool that lists in pages.
pub(crate) fn expect_progress(scenario: &Scenario) -> StepResult {
    let operation = Operation::Kv(Kv::ListAll);
    let mapping = scenario.target.adapter.operations.get(&operation);
    if mapping.is_some_and(|mapping| mapping.next.is_some()) {
        return Err(StepEnd::not_claimed(
            "the tool lists in pages, so no call of it takes long",
        ));
    }
    match scenario
        .state::<McpState>()
        .progress
        .iter()
        .any(|progress| progress.wished)
    {
        true => Ok(()),
        false => Err(scenario.failed(
            "progress for a long list, with the token that was sent",
            "none",
        )),
    }
}
