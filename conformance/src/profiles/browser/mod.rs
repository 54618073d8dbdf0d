//! Requests that web pages make to the server, sent by the suite: requests with an `Origin`, and the preflight requests
//! that a browser sends for a page (CORS, in the Fetch standard). [`real`] sends them with a real browser.

pub(crate) mod real;
mod steps;

use reqwest::{
    Method,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, CONTENT_TYPE, HOST,
        HeaderName, HeaderValue, ORIGIN, VARY,
    },
};
use serde_json::{Value, json};

use crate::{
    browser::{Attempt, PageServer},
    mcp::{
        http::{METHOD, NAME, SESSION, VERSION},
        http_message::{HttpAnswer, HttpAsk, NoHttp},
        request::{Request, initialize},
    },
    scenario::{Scenario, calls::CallOptions},
    transport::{Era, Revision},
    verdict::{StepEnd, StepResult},
    vocabulary::{about, over_http, wording},
};

/// A page that calls the server, or for which a browser sends a preflight request.
#[derive(Default)]
pub(crate) struct Page {
    /// Its origin.
    origin: String,
    /// The server of the suite's own page for a real browser.
    served: Option<PageServer>,
    /// What that page saw.
    seen: Vec<Attempt>,
}

/// The origin of a request, and the name that it uses for the server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RequestOrigin<'a> {
    /// A page of this origin.
    Page(&'a str),
    /// A page of this origin, which sends a body of this type.
    Form(&'a str, &'a str),
    /// A page of this host, whose name resolves to the server.
    Rebound(&'a str),
    /// Not a page, but a client that uses this name for the server.
    Named(&'a str),
}

/// Lets a page or a client perform an agent's act, in the session of the agent if there is one.
///
/// # Errors
/// If the act is unknown.
pub(crate) async fn let_page(
    scenario: &mut Scenario,
    guise: RequestOrigin<'_>,
    text: &str,
) -> StepResult {
    let act = wording::act(scenario, text)?;
    let call = scenario.posted(&act, "page-1")?;
    let session = scenario.connection()?.session_headers();
    let asked = guised(scenario, guise, call.post(session))?;
    let endpoint = scenario.endpoint()?;
    let calling = scenario.call_over_http(act, CallOptions::WITH_SNAPSHOT, &endpoint, &asked);
    let (record, answer) = calling.await?;
    over_http::heard(scenario, answer);
    scenario.calls.last = Some(record);
    Ok(())
}

fn guised(
    scenario: &mut Scenario,
    guise: RequestOrigin<'_>,
    asked: HttpAsk,
) -> StepResult<HttpAsk> {
    let by_name = |host: &str| -> StepResult<String> {
        let authority = scenario.instance()?.authority().unwrap_or_default();
        let port = authority.rsplit_once(':').map(|(_, port)| port);
        Ok(port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    };
    let asked = match guise {
        RequestOrigin::Page(origin) => asked.with(ORIGIN.as_str(), origin),
        RequestOrigin::Form(origin, kind) => asked
            .with(ORIGIN.as_str(), origin)
            .with(CONTENT_TYPE.as_str(), kind),
        RequestOrigin::Rebound(host) => {
            let host = by_name(host)?;
            asked
                .with(HOST.as_str(), &host)
                .with(ORIGIN.as_str(), &format!("http://{host}"))
        }
        RequestOrigin::Named(host) => asked.with(HOST.as_str(), &by_name(host)?),
    };
    let origin = asked.headers.get(ORIGIN).and_then(|o| o.to_str().ok());
    scenario.state_mut::<Page>().origin = origin.unwrap_or_default().to_owned();
    Ok(asked)
}

/// A request as a client posts it: in its session, or complete in itself.
fn post(scenario: &Scenario, method: &str, params: Value) -> StepResult<HttpAsk> {
    let request = Request::new(scenario.planned.revision, "page-1", method, params);
    Ok(request.post(scenario.connection()?.session_headers()))
}

/// Lets a page do something else than call tools, as a feature names it.
///
/// # Errors
/// Blocked if the feature's words are unknown.
pub(crate) async fn let_page_do(scenario: &mut Scenario, origin: &str, what: &str) -> StepResult {
    let asked = match what {
        "lists the tools" => post(scenario, "tools/list", json!({}))?,
        "opens a session" => HttpAsk::post(&initialize("page-1", scenario.planned.revision.name())),
        "wants to listen" => HttpAsk::new(Method::GET)
            .with_all(over_http::session(scenario)?)
            .with("accept", "text/event-stream"),
        "ends the session" => HttpAsk::new(Method::DELETE).with_all(over_http::session(scenario)?),
        _ => {
            return Err(StepEnd::blocked(format!(
                "the step does not support {what:?}"
            )));
        }
    };
    let asked = guised(scenario, RequestOrigin::Page(origin), asked)?;
    over_http::send(scenario, &asked).await
}

/// Sends the preflight request that a browser sends before a page's call.
///
/// # Errors
/// If there is no connection.
pub(crate) async fn ask_for_page(scenario: &mut Scenario, origin: &str) -> StepResult {
    let asked = HttpAsk::new(Method::OPTIONS)
        .with(ACCESS_CONTROL_REQUEST_METHOD.as_str(), "POST")
        .with(
            ACCESS_CONTROL_REQUEST_HEADERS.as_str(),
            &client_headers(scenario)?.join(","),
        );
    let asked = guised(scenario, RequestOrigin::Page(origin), asked)?;
    over_http::send(scenario, &asked).await
}

/// The headers of a client's calls for which a browser sends a preflight request, in order.
fn client_headers(scenario: &Scenario) -> StepResult<Vec<String>> {
    let mut headers = vec![CONTENT_TYPE.as_str(), VERSION];
    match scenario.planned.revision.era() {
        Era::Stateless => headers.extend([METHOD, NAME]),
        Era::Session if over_http::session(scenario)?.contains_key(SESSION) => {
            headers.push(SESSION)
        }
        Era::Session => {}
    }
    let mut headers: Vec<_> = headers.into_iter().map(str::to_owned).collect();
    let own = scenario.instance()?.headers();
    headers.extend(own.keys().map(ToString::to_string));
    headers.sort();
    Ok(headers)
}

/// The server must have rejected the page: with 403 in the revisions that require it, and in any way in earlier ones.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_page_refused(scenario: &Scenario) -> StepResult {
    let by_status = scenario.planned.revision >= Revision::R2025_11_25;
    let refused = match over_http::http_answer(scenario)? {
        Ok(answer) if by_status => answer.status == 403,
        Ok(answer) => refuses(answer),
        Err(NoHttp::Closed(_)) => !by_status,
        Err(NoHttp::Hung) => false,
    };
    let expected = match by_status {
        true => "HTTP 403",
        false => "a refusal",
    };
    match refused {
        true => Ok(()),
        false => Err(failed_for_page(scenario, expected)),
    }
}

/// No request for a secret may have reached Vault since the page called.
///
/// # Errors
/// If one has; blocked if the page requested another secret.
pub(crate) fn expect_not_asked_for(scenario: &Scenario, path: &str) -> StepResult {
    let passed = about::last_on_secret(scenario, path)?.passed;
    let exchanges = scenario.tap()?.exchanges();
    let mut since = exchanges.iter().skip(passed);
    match since.find(|exchange| exchange.path.contains(path)) {
        None => Ok(()),
        Some(made) => {
            let expected = format!("no request to Vault for {path}");
            let seen = format!("{} {} -> {}", made.method, made.path, made.status);
            Err(scenario.failed(expected, &seen))
        }
    }
}

/// The answer must contain no value of a secret.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_no_value_in_answer(scenario: &Scenario) -> StepResult {
    let Ok(answer) = over_http::http_answer(scenario)? else {
        return Ok(());
    };
    match scenario.ledger.all().found_in(&answer.body) {
        None => Ok(()),
        Some(label) => {
            let seen = format!("the {label}");
            Err(scenario.failed("an answer without values", &seen))
        }
    }
}

/// The server must have issued no session.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_no_session(scenario: &Scenario) -> StepResult {
    match over_http::http_answer(scenario)? {
        Ok(answer) if answer.headers.contains_key(SESSION) => {
            Err(failed_for_page(scenario, "no session"))
        }
        _ => Ok(()),
    }
}

/// The server's CORS headers must let the page call, or must not.
///
/// # Errors
/// If it is the other way round.
pub(crate) fn expect_page_let_call(scenario: &Scenario, wanted: bool) -> StepResult {
    let (granted, expected) = match over_http::http_answer(scenario)? {
        // An ok status for browsers (Fetch, CORS-preflight fetch, step 7).
        Ok(answer) => (
            (200..300).contains(&answer.status)
                && lets_read(answer, &scenario.state::<Page>().origin),
            match wanted {
                true => "a grant for this page",
                false => "no grant for this page",
            },
        ),
        Err(NoHttp::Closed(_)) if !wanted => return Ok(()),
        Err(_) => (!wanted, "an answer"),
    };
    match granted == wanted {
        true => Ok(()),
        false => Err(failed_for_page(scenario, expected)),
    }
}

/// The server's CORS headers must let the page read the answer.
///
/// # Errors
/// If they do not.
pub(crate) fn expect_page_lets_read(scenario: &Scenario) -> StepResult {
    match over_http::http_answer(scenario)? {
        Ok(answer) if lets_read(answer, &scenario.state::<Page>().origin) => Ok(()),
        _ => {
            let origin = &scenario.state::<Page>().origin;
            let expected = format!("Access-Control-Allow-Origin: {origin}");
            Err(failed_for_page(scenario, &expected))
        }
    }
}

/// The server should permit the page to send the headers that clients send.
///
/// # Errors
/// If a header is missing.
pub(crate) fn expect_client_headers_granted(scenario: &Scenario) -> StepResult {
    let granted = match over_http::http_answer(scenario)? {
        Ok(answer) => listed(answer, &ACCESS_CONTROL_ALLOW_HEADERS),
        Err(_) => Vec::new(),
    };
    let needed = client_headers(scenario)?;
    let mut missing = needed.iter().filter(|name| !names(&granted, name));
    match missing.next() {
        None => Ok(()),
        Some(name) => {
            let expected = format!("{name} in Access-Control-Allow-Headers");
            Err(failed_for_page(scenario, &expected))
        }
    }
}

/// The server should let the page read the id of its session.
///
/// # Errors
/// Not applicable if there are no sessions.
pub(crate) fn expect_session_exposed(scenario: &Scenario) -> StepResult {
    let Ok(answer) = over_http::http_answer(scenario)? else {
        return Err(failed_for_page(scenario, "an answer"));
    };
    if answer.status == 200 && !answer.headers.contains_key(SESSION) {
        return Err(StepEnd::not_claimed("the server issues no sessions"));
    }
    match names(&listed(answer, &ACCESS_CONTROL_EXPOSE_HEADERS), SESSION) {
        true => Ok(()),
        false => {
            let expected = format!("{SESSION} in Access-Control-Expose-Headers");
            Err(failed_for_page(scenario, &expected))
        }
    }
}

/// The answer should say that it depends on the origin, unless it is the same for all origins.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_vary(scenario: &Scenario) -> StepResult {
    let Ok(answer) = over_http::http_answer(scenario)? else {
        return Err(failed_for_page(scenario, "an answer"));
    };
    let for_all = listed(answer, &ACCESS_CONTROL_ALLOW_ORIGIN) == ["*"];
    match for_all || names(&listed(answer, &VARY), ORIGIN.as_str()) {
        true => Ok(()),
        false => Err(failed_for_page(scenario, "Vary: Origin")),
    }
}

/// A failure about the answer to a page.
fn failed_for_page(scenario: &Scenario, expected: &str) -> StepEnd {
    match over_http::http_answer(scenario) {
        Ok(Ok(answer)) => {
            let seen = format!("{}\n{}", told_to_browsers(answer), answer.describe());
            scenario.failed(expected, seen.trim_start())
        }
        Ok(Err(why)) => scenario.failed(expected, &why.to_string()),
        Err(stop) => stop,
    }
}

/// Whether an answer with any status is an error.
fn refuses(answer: &HttpAnswer) -> bool {
    let succeeds = |message: &Value| {
        let result = &message["result"];
        !result.is_null() && result["isError"] != true
    };
    answer.status >= 400 || (!answer.messages.is_empty() && !answer.messages.iter().any(succeeds))
}

/// Whether a browser lets a page of this origin read an answer (Fetch, "CORS check", for a request without
/// credentials).
fn lets_read(answer: &HttpAnswer, origin: &str) -> bool {
    let mut allowed = answer.headers.get_all(ACCESS_CONTROL_ALLOW_ORIGIN).iter();
    let (Some(allowed), None) = (allowed.next(), allowed.next()) else {
        return false;
    };
    allowed == "*" || allowed == origin
}

/// The items of a list in a header.
fn listed(answer: &HttpAnswer, name: &HeaderName) -> Vec<String> {
    let values = answer.headers.get_all(name).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let items = values.flat_map(|value| value.split(','));
    items.map(|item| item.trim().to_ascii_lowercase()).collect()
}

/// Whether a list contains this name, or a wildcard.
fn names(list: &[String], name: &str) -> bool {
    list.iter().any(|item| item == name || item == "*")
}

/// The headers for browsers.
fn told_to_browsers(answer: &HttpAnswer) -> String {
    let headers = answer.headers.iter();
    let told = headers
        .filter(|(name, _)| **name == VARY || name.as_str().starts_with("access-control-allow-"));
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
    };
    told.map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{lets_read, listed, names, refuses};
    use crate::mcp::http_message::HttpAnswer;

    fn answer(headers: &[(&'static str, &'static str)]) -> HttpAnswer {
        let mut answer = HttpAnswer::default();
        for (name, value) in headers {
            answer.headers.append(*name, value.parse().unwrap());
        }
        answer
    }

    #[test]
    fn a_browser_compares_the_origin_as_a_text_and_takes_a_star_for_all() {
        const ALLOW: &str = "access-control-allow-origin";
        let origin = "https://app.example.com";
        for allowed in ["https://app.example.com", "*"] {
            assert!(lets_read(&answer(&[(ALLOW, allowed)]), origin), "{allowed}");
        }
        for allowed in [
            "null",
            "https://app.example.com/",
            "https://APP.example.com",
            "https://app.example.com, *",
        ] {
            assert!(
                !lets_read(&answer(&[(ALLOW, allowed)]), origin),
                "{allowed}"
            );
        }
        assert!(!lets_read(&answer(&[]), origin));
        let twice = answer(&[(ALLOW, "*"), (ALLOW, "*")]);
        assert!(!lets_read(&twice, origin));
        assert!(lets_read(&answer(&[(ALLOW, "null")]), "null"));
    }

    #[test]
    fn a_list_may_be_in_several_headers_and_in_any_case() {
        let answer = answer(&[("vary", "Accept, ORIGIN"), ("vary", "Cookie")]);
        let list = listed(&answer, &reqwest::header::VARY);
        assert!(names(&list, "origin") && names(&list, "cookie") && !names(&list, "host"));
        assert!(names(&["*".to_owned()], "host"));
    }

    #[test]
    fn a_refusal_is_a_status_or_an_error_and_silence_is_none() {
        let with = |status: u16, messages: &[serde_json::Value]| {
            refuses(&HttpAnswer {
                status,
                messages: messages.to_vec(),
                ..HttpAnswer::default()
            })
        };
        assert!(with(403, &[]) && with(500, &[]));
        assert!(with(200, &[json!({ "error": { "code": -32600 } })]));
        assert!(with(200, &[json!({ "result": { "isError": true } })]));
        assert!(!with(200, &[json!({ "result": {} })]));
        assert!(!with(202, &[]));
    }
}
