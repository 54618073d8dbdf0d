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
    mcp::{
        connection::{Connection, Said},
        request::request,
    },
    profiles::mcp,
    scenario::{Scenario, calls::CallOptions},
    tap::fault::{Fault, FaultAction},
    vault::oracle::Snapshot,
    verdict::{StepEnd, StepResult},
    vocabulary::{about, answered},
};

/// For how long Vault keeps a reading waiting at the most that is to be cancelled.
const HELD: Duration = Duration::from_secs(10);
/// How long an answer that must not come is waited for at the least.
const MOMENT: Duration = Duration::from_millis(200);
/// How long an answer may take that tells why Vault has changed.
const LATE: Duration = Duration::from_secs(10);
/// How often it is looked for.
const GLANCE: Duration = Duration::from_millis(20);
/// The id of a call that is out of turn.
const EARLY: &str = "early-1";
/// The name of a tool that no server has.
const NO_TOOL: &str = "no_such_tool_6f1d";
/// The token of a call whose progress is wished for.
const PROGRESS: &str = "progress-of-the-list";

/// Progress that was told.
pub(crate) struct Progress {
    /// Whether the call had a token.
    wished: bool,
    /// Whether it came after the call's answer.
    late: bool,
    params: Value,
}

/// Says what a feature words so, and listens.
///
/// # Errors
/// Blocked when no message is worded so.
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
        _ => return Err(StepEnd::blocked(format!("no message is worded {what:?}"))),
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

/// What was said must have been refused: by an error, or where it was no request by
/// silence.
///
/// # Errors
/// When it succeeded, or a request has no answer.
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

/// What was said must have been answered with this JSON-RPC error.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_error_code(scenario: &Scenario, code: i64) -> StepResult {
    let said = said(scenario)?;
    match said.error().map(|error| &error["code"]) {
        Some(seen) if *seen == code => Ok(()),
        _ => Err(scenario.failed(format!("the JSON-RPC error {code}"), &said.describe())),
    }
}

/// Tells the server something that no revision knows.
///
/// # Errors
/// When there is no connection.
pub(crate) async fn tell_unknown(scenario: &mut Scenario) -> StepResult {
    let text = json!({ "jsonrpc": "2.0", "method": "notifications/no_such", "params": {} });
    say(scenario, &text.to_string(), false).await
}

/// What was told must not have been answered; a refusal over HTTP may tell why.
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

/// Asks with this id, and the answer must have the same.
///
/// # Errors
/// When it has another one.
pub(crate) async fn expect_id_kept(scenario: &mut Scenario, id: &Value) -> StepResult {
    say(scenario, &request(id, "tools/list", json!({})), true).await?;
    let said = said(scenario)?;
    match said.messages.iter().any(|message| message["id"] == *id) {
        true => Ok(()),
        false => Err(scenario.failed(format!("an answer with the id {id}"), &said.describe())),
    }
}

/// Writes where no client would: before the connection is opened, or in a batch. What came
/// of it in Vault must be what the client was told.
///
/// # Errors
/// When Vault has changed and no success was told; blocked when no time is worded so, or the scenario
/// did not make one secret.
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
    let act = Act::write(
        scenario.mount()?,
        &about::only_secret(scenario)?,
        "token",
        &value,
    );
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
    scenario.disconnect().await?;
    let told = said.success().is_some();
    scenario.state_mut::<McpState>().said = Some(said);
    if changed && !told {
        let seen = format!("Vault has changed; {}", self::said(scenario)?.describe());
        return Err(scenario.failed("nothing changes, because no call succeeded", &seen));
    }
    Ok(())
}

/// Whether Vault has changed once the server had time to answer what was said out of turn. If Vault has changed, the
/// answer is waited for: a server that tells of success does so, late or not.
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

/// Waits this long until the request with this id is answered, if only by an error that names no id.
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

/// Cancels what cannot be cancelled: a call that there is not, one that has ended, and
/// nothing at all.
///
/// # Errors
/// When there is no connection.
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

/// Cancels a reading that Vault keeps waiting until the server has answered another call that came after
/// that.
///
/// # Errors
/// When the other call is not answered; blocked where the reading does not get to Vault. Not applicable where
/// there are no sessions: nothing joins the cancellation and the call, as another client may have a call of
/// the same id.
pub(crate) async fn cancel_slow_reading(scenario: &mut Scenario, path: &str) -> StepResult {
    scenario.need_session()?;
    let act = Act::read(scenario.mount()?, path);
    scenario.ledger.let_read(&act);
    let id = json!("slow-1");
    let slow = request(&id, "tools/call", scenario.tool_call(&act)?.params);
    let (catch, caught) = oneshot::channel();
    let (release, released) = oneshot::channel::<()>();
    let springs = FaultAction::First(Box::pin(async move {
        // Who waits for either may have given up.
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
        // An answer to the first would come before that to a second one, or soon after.
        let begun = Instant::now();
        outcome = scenario.call(act, CallOptions::default()).await.map(drop);
        sleep(MOMENT.max(begun.elapsed())).await;
    };
    let said = connection.say_until(&slow, cancelling).await;
    scenario.calls.note_unanswered(outcome.is_err());
    heard(scenario, said);
    outcome
}

/// What was cancelled must not have been answered.
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

/// Lists everything twice, the second time with a token for progress.
///
/// # Errors
/// When that is not answered.
pub(crate) async fn list_all_with_progress(scenario: &mut Scenario) -> StepResult {
    let act = Act::list_all(scenario.mount()?, "");
    let mut call = scenario.tool_call(&act)?.params;
    note_progress_of(scenario, call.clone()).await?;
    call["_meta"] = json!({ "progressToken": PROGRESS });
    note_progress_of(scenario, call).await
}

/// Notes what progress is told during a call, and after it.
async fn note_progress_of(scenario: &mut Scenario, call: Value) -> StepResult {
    let wished = call["_meta"].is_object();
    let before = mcp::messages_of_target(scenario, false)?.len();
    if let Err(why) = scenario.request("tools/call", call).await? {
        return Err(scenario.failed("an answer", &why.to_string()));
    }
    // What is told after the answer arrives before that of the next request.
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

/// Progress must have been told only where it was wished for, by its token, rising, and
/// not after the answer.
///
/// # Errors
/// When it was told in another way.
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

/// Progress must have been told.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_progress(scenario: &Scenario) -> StepResult {
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

/// The target asked for nothing, and told nothing, that was not agreed on at the
/// beginning: the suite offers a server nothing.
///
/// # Errors
/// When it did.
pub(crate) fn expect_only_agreed(scenario: &Scenario) -> StepResult {
    let greeting = mcp::greeting(scenario)?;
    let offers = &greeting["capabilities"];
    for message in mcp::messages_of_target(scenario, true)? {
        let Some(method) = message["method"].as_str() else {
            continue;
        };
        let agreed = match method {
            "ping" | "notifications/progress" | "notifications/cancelled" => true,
            "notifications/message" => offers["logging"].is_object(),
            _ => match method
                .strip_prefix("notifications/")
                .and_then(|m| m.split_once('/'))
            {
                Some((what, "list_changed")) => offers[what]["listChanged"] == true,
                Some((what, "updated")) => offers[what]["subscribe"] == true,
                _ => false,
            },
        };
        if !agreed {
            let expected = "only messages for which a capability was declared";
            return Err(scenario.failed(expected, &message.to_string()));
        }
    }
    Ok(())
}
