//! Opens pages of the suite in a real browser.

use std::collections::BTreeMap;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use super::Page;
use crate::{
    act::Act,
    browser::{Attempt, Browser, FOREIGN, LISTED, PageServer, Plan, Step},
    instance::answer::Answer,
    mcp::{
        http::{SESSION, VERSION},
        http_message::HttpAsk,
        inbox::Reply,
        request::initialize,
        transcript::Speaker,
    },
    scenario::{Scenario, calls::CallOptions},
    transport::Era,
    verdict::{StepEnd, StepResult},
    vocabulary::{start, wording},
};

/// The name of the step that performs an act.
const CALL: &str = "tools/call";

/// Serves a page, and starts a server for which this page is allowed.
///
/// # Errors
/// If either does not start.
pub(crate) async fn start_for_own_page(scenario: &mut Scenario) -> StepResult {
    let served = PageServer::start().await;
    let served = served.map_err(|error| StepEnd::blocked(format!("no page is served: {error}")))?;
    let origin = served.origin(LISTED);
    scenario.state_mut::<Page>().served = Some(served);
    start::start_for_pages(scenario, &[&origin]).await
}

/// Lets a browser open the page that may call the server. The page acts like an agent, in a session of its own if the
/// server has sessions.
///
/// # Errors
/// Blocked if the browser fails.
pub(crate) async fn let_listed_page(scenario: &mut Scenario, text: &str) -> StepResult {
    let act = wording::act(scenario, text)?;
    let own = scenario.instance()?.headers();
    let mut steps = beginning(scenario, &own);
    steps.push(Step {
        in_session: true,
        ..step(CALL, &call_out_of_session(scenario, &act)?, &own)
    });
    open(scenario, act, LISTED, steps).await
}

/// Lets a browser open a page that may not call the server, but tries to: in the agent's session, in a session of its
/// own, and with requests for which browsers send no preflight request.
///
/// # Errors
/// Blocked if the browser fails.
pub(crate) async fn let_foreign_page(scenario: &mut Scenario, text: &str) -> StepResult {
    let act = wording::act(scenario, text)?;
    let own = scenario.instance()?.headers();
    let in_session = "tools/call in the agent's session";
    let mut steps = vec![step(
        in_session,
        &scenario
            .posted(&act, "page-1")?
            .post(scenario.connection()?.session_headers()),
        &own,
    )];
    steps.extend(beginning(scenario, &own));
    let call = step(CALL, &call_out_of_session(scenario, &act)?, &own);
    steps.push(Step {
        name: "tools/call as a form",
        mode: "no-cors",
        headers: BTreeMap::from([(CONTENT_TYPE.to_string(), "text/plain".to_owned())]),
        ..call.clone()
    });
    steps.push(Step {
        in_session: true,
        ..call
    });
    open(scenario, act, FOREIGN, steps).await
}

/// The first messages of a client.
fn beginning(scenario: &Scenario, own: &HeaderMap) -> Vec<Step> {
    let revision = scenario.planned.revision;
    if revision.era() == Era::Stateless {
        return Vec::new();
    }
    let opening = HttpAsk::post(&initialize("page-0", revision.name()));
    let opened = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let opened = HttpAsk::post(&opened.to_string()).with(VERSION, revision.name());
    vec![
        step("initialize", &opening, own),
        Step {
            in_session: true,
            ..step("notifications/initialized", &opened, own)
        },
    ]
}

/// The tool call that performs an act, without the agent's session.
fn call_out_of_session(scenario: &Scenario, act: &Act) -> StepResult<HttpAsk> {
    let mut session = scenario.connection()?.session_headers();
    session.remove(SESSION);
    Ok(scenario.posted(act, "page-1")?.post(session))
}

async fn open(scenario: &mut Scenario, act: Act, host: &str, steps: Vec<Step>) -> StepResult {
    let browser = Browser::find().map_err(StepEnd::blocked)?;
    let url = scenario.instance()?.url().unwrap_or_default().to_owned();
    let options = CallOptions::WITH_SNAPSHOT;
    let call = scenario.begin_call(act.clone(), options).await?;
    let missing = || StepEnd::blocked("the scenario serves no page");
    let served = scenario
        .state_mut::<Page>()
        .served
        .as_mut()
        .ok_or_else(missing)?;
    let seen = browser.visit(served, host, &Plan { url, steps }).await;
    let seen = seen.map_err(StepEnd::blocked)?;
    let answer = answer_to_page(scenario, &act, &seen)?;
    let transcript = scenario.instance()?.connection.transcript();
    for attempt in &seen {
        let note = format!("a page of {host} in a browser, {}", attempt.describe());
        transcript.record(Speaker::Note, note);
    }
    scenario.state_mut::<Page>().seen = seen;
    scenario.calls.last = Some(scenario.end_call(call, answer));
    Ok(())
}

/// The part of the answer to an act that the page could read.
fn answer_to_page(scenario: &Scenario, act: &Act, seen: &[Attempt]) -> StepResult<Answer> {
    let carrier = scenario.tool_call(act)?;
    let call = seen.iter().find(|attempt| attempt.name == CALL);
    let messages = call.map(Attempt::messages).unwrap_or_default();
    let mut messages = messages.iter();
    Ok(match messages.find(|message| message["method"].is_null()) {
        Some(message) => carrier.read(&Reply::of(message)),
        None => {
            let told: Vec<_> = seen.iter().map(Attempt::describe).collect();
            Answer::Error(format!("in the page: {}", told.join("; ")))
        }
    })
}

/// The page must have been able to read only errors.
///
/// # Errors
/// If it could read more.
pub(crate) fn expect_page_given_nothing(scenario: &Scenario) -> StepResult {
    let seen = &scenario.state::<Page>().seen;
    if seen.is_empty() {
        return Err(StepEnd::blocked("no page was opened"));
    }
    let values = scenario.ledger.all();
    let given = |attempt: &&Attempt| {
        (200..300).contains(&attempt.status) || values.found_in(&attempt.body).is_some()
    };
    match seen.iter().find(given) {
        None => Ok(()),
        Some(attempt) => {
            let seen = attempt.describe();
            Err(scenario.failed("nothing but refusals for the page", &seen))
        }
    }
}

/// A post of a page, with the headers of a client; `own` are those of every request.
fn step(name: &'static str, asked: &HttpAsk, own: &HeaderMap) -> Step {
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    let mut headers: BTreeMap<_, _> = own.iter().chain(&asked.headers).filter_map(text).collect();
    let accept = "application/json, text/event-stream";
    headers.insert(ACCEPT.to_string(), accept.to_owned());
    Step {
        name,
        mode: "cors",
        headers,
        in_session: false,
        body: String::from_utf8_lossy(&asked.body).into_owned(),
    }
}
