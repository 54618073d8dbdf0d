//! Responses over HTTP to requests that no MCP client sends.

use reqwest::header::HeaderMap;

use crate::{
    mcp::http_message::{HttpAnswer, HttpAsk, NoHttp},
    scenario::Scenario,
    verdict::{StepEnd, StepResult},
};

/// The last response.
#[derive(Default)]
struct Last(Option<Result<HttpAnswer, NoHttp>>);

/// Sends a request to the server's endpoint, and keeps the response.
///
/// # Errors
/// Blocked over stdio.
pub(crate) async fn send(scenario: &mut Scenario, asked: &HttpAsk) -> StepResult {
    let answer = scenario.endpoint()?.send(asked, scenario.patience()).await;
    heard(scenario, answer);
    Ok(())
}

/// Keeps a response.
pub(crate) fn heard(scenario: &mut Scenario, answer: Result<HttpAnswer, NoHttp>) {
    scenario.state_mut::<Last>().0 = Some(answer);
}

/// The last response.
///
/// # Errors
/// Blocked if no request was sent.
pub(crate) fn http_answer(scenario: &Scenario) -> StepResult<&Result<HttpAnswer, NoHttp>> {
    let missing = || StepEnd::blocked("the scenario has sent no HTTP request yet");
    scenario.state::<Last>().0.as_ref().ok_or_else(missing)
}

/// The last response, as text.
///
/// # Errors
/// Blocked if no request was sent.
pub(crate) fn http_seen(scenario: &Scenario) -> StepResult<String> {
    Ok(match http_answer(scenario)? {
        Ok(answer) => answer.describe(),
        Err(why) => why.to_string(),
    })
}

/// The headers with the agent's session and its revision.
///
/// # Errors
/// Blocked if no agent acts.
pub(crate) fn session(scenario: &Scenario) -> StepResult<HeaderMap> {
    Ok(scenario.connection()?.session_headers())
}

/// The server must have rejected the request, with an error status or by closing the connection.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_http_refused(scenario: &Scenario) -> StepResult {
    match http_answer(scenario)? {
        Ok(answer) if answer.refuses() => Ok(()),
        Err(NoHttp::Closed(_)) => Ok(()),
        _ => {
            let expected = "a 4xx status, or a closed connection";
            Err(scenario.failed(expected, &http_seen(scenario)?))
        }
    }
}
