//! HTTP requests that no well-behaved client sends, and the sessions of a server.

use std::{collections::BTreeSet, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::{Either, select, try_join_all};
use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::json;
use tokio::{sync::Semaphore, time::timeout};

use super::McpState;
use crate::{
    mcp::{
        http::{SESSION, VERSION, made_up_session},
        http_message::{HttpAsk, NoHttp},
        inbox::NoReply,
        request::{initialize, request},
    },
    scenario::Scenario,
    verdict::{StepEnd, StepResult},
    vocabulary::over_http::{heard, http_answer, http_seen, send, session},
};

/// A revision that does not exist.
const NO_REVISION: &str = "1999-01-01";
/// How many sessions are opened to examine their ids.
const SAMPLES: usize = 12;
/// The minimum variation of an id over these samples, in bits: less than that of any random id, and more than that of a
/// counter or a clock.
const VARIETY: f64 = 40.0;
/// How long the endless requests may take to begin.
const BEGUN: Duration = Duration::from_secs(10);
/// How long another request may take at the same time.
const SERVED: Duration = Duration::from_secs(10);
/// How long a server should accept a request that never ends.
const BORNE: Duration = Duration::from_secs(45);

/// Lists the tools as a client with these headers: in a session, in another revision, without a session although the
/// server has sessions, or in a session that the server never issued.
///
/// # Errors
/// Not applicable if a session is needed and the server issues none.
pub(crate) async fn list_over_http(scenario: &mut Scenario, how: &str) -> StepResult {
    let listing = HttpAsk::post(&request(&json!("list-1"), "tools/list", json!({})));
    let mut headers = session(scenario)?;
    let has_sessions = headers.contains_key(SESSION);
    if how.contains("session") && !has_sessions {
        return Err(StepEnd::not_claimed("the server issues no sessions"));
    }
    let asked = match how {
        "in a revision that does not exist" => listing.with_all(headers).with(VERSION, NO_REVISION),
        "without its session" => {
            headers.remove(SESSION);
            listing.with_all(headers)
        }
        "in a session that the server never created" => {
            let id = headers.get(SESSION).and_then(|id| id.to_str().ok());
            let other = made_up_session(id.unwrap_or_default(), &mut scenario.random);
            listing.with_all(headers).with(SESSION, &other)
        }
        _ => {
            return Err(StepEnd::blocked(format!(
                "the step does not support {how:?}"
            )));
        }
    };
    send(scenario, &asked).await
}

/// Sends a notification.
///
/// # Errors
/// If there is no connection.
pub(crate) async fn tell_over_http(scenario: &mut Scenario) -> StepResult {
    let text = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let asked = HttpAsk::post(&text.to_string()).with_all(session(scenario)?);
    send(scenario, &asked).await
}

/// Requests the stream for messages from the server.
///
/// # Errors
/// If there is no connection.
pub(crate) async fn listen_over_http(scenario: &mut Scenario) -> StepResult {
    let asked = HttpAsk::new(Method::GET).with_all(session(scenario)?);
    let asked = asked.with("accept", "text/event-stream");
    send(scenario, &asked).await
}

/// The response must have this status.
///
/// # Errors
/// If it has another one.
pub(crate) fn expect_status(scenario: &Scenario, status: u16) -> StepResult {
    match http_answer(scenario)? {
        Ok(answer) if answer.status == status => Ok(()),
        _ => Err(scenario.failed(format!("HTTP {status}"), &http_seen(scenario)?)),
    }
}

/// The server must accept a notification, and answer nothing else.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_accepted(scenario: &Scenario) -> StepResult {
    match http_answer(scenario)? {
        Ok(answer) if answer.status == 202 && answer.body.is_empty() => Ok(()),
        _ => Err(scenario.failed("HTTP 202 without a body", &http_seen(scenario)?)),
    }
}

/// The stream must be a stream of events, or the server must reject it: it has none, or not for this client.
///
/// # Errors
/// If it is something else.
pub(crate) fn expect_stream_or_refusal(scenario: &Scenario) -> StepResult {
    match http_answer(scenario)? {
        Ok(answer) if answer.status == 200 && answer.kind() == "text/event-stream" => Ok(()),
        Ok(answer) if answer.refuses() => Ok(()),
        _ => {
            let expected = "a stream of events, or HTTP 405";
            Err(scenario.failed(expected, &http_seen(scenario)?))
        }
    }
}

/// The server must have answered the request, or closed its connection.
///
/// # Errors
/// If it hangs.
pub(crate) fn expect_no_hang(scenario: &Scenario) -> StepResult {
    match http_answer(scenario)? {
        Err(NoHttp::Hung) => {
            let expected = "an answer or a closed connection";
            Err(scenario.failed(expected, &http_seen(scenario)?))
        }
        _ => Ok(()),
    }
}

/// Opens a session; returns its id, if it has one.
async fn open_session(scenario: &mut Scenario) -> StepResult<Option<Bytes>> {
    let revision = scenario.instance()?.server.revision;
    let opened = HttpAsk::post(&initialize("probe-1", revision.name()));
    send(scenario, &opened).await?;
    match http_answer(scenario)? {
        Ok(answer) if answer.status == 200 => {
            let id = answer.headers.get(SESSION);
            Ok(id.map(|id| Bytes::copy_from_slice(id.as_bytes())))
        }
        _ => Err(StepEnd::blocked(format!(
            "no session began: {}",
            http_seen(scenario)?
        ))),
    }
}

fn in_session(scenario: &Scenario, asked: HttpAsk, id: &[u8]) -> StepResult<HttpAsk> {
    let mut headers = session(scenario)?;
    let id = http::HeaderValue::from_bytes(id).map_err(StepEnd::blocked)?;
    headers.insert(SESSION, id);
    Ok(asked.with_all(headers))
}

/// Opens a session, ends it, and lists the tools in it.
///
/// # Errors
/// Not applicable if there are no sessions, or clients cannot end them.
pub(crate) async fn list_in_ended_session(scenario: &mut Scenario) -> StepResult {
    let no_sessions = || StepEnd::not_claimed("the server issues no sessions");
    let id = open_session(scenario).await?.ok_or_else(no_sessions)?;
    let ending = in_session(scenario, HttpAsk::new(Method::DELETE), &id)?;
    send(scenario, &ending).await?;
    if !matches!(http_answer(scenario)?, Ok(answer) if answer.status < 300) {
        let seen = http_seen(scenario)?;
        return Err(StepEnd::not_claimed(format!(
            "clients cannot end sessions: {seen}"
        )));
    }
    let listing = HttpAsk::post(&request(&json!("list-1"), "tools/list", json!({})));
    let listing = in_session(scenario, listing, &id)?;
    send(scenario, &listing).await
}

/// Opens sessions, and ends them.
///
/// # Errors
/// Not applicable if there are none.
pub(crate) async fn open_sessions(scenario: &mut Scenario) -> StepResult {
    for _ in 0..SAMPLES {
        let Some(id) = open_session(scenario).await? else {
            return Err(StepEnd::not_claimed("the server issues no sessions"));
        };
        scenario.state_mut::<McpState>().sessions.push(id.to_vec());
        if let Ok(ending) = in_session(scenario, HttpAsk::new(Method::DELETE), &id) {
            send(scenario, &ending).await?;
        }
    }
    Ok(())
}

/// The ids must consist of visible ASCII characters.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_visible_ids(scenario: &Scenario) -> StepResult {
    let visible = |id: &&Vec<u8>| !id.is_empty() && id.iter().all(u8::is_ascii_graphic);
    match scenario
        .state::<McpState>()
        .sessions
        .iter()
        .find(|id| !visible(id))
    {
        None => Ok(()),
        Some(id) => {
            let seen = String::from_utf8_lossy(id).escape_default().to_string();
            Err(scenario.failed("ids of visible ASCII characters", &seen))
        }
    }
}

/// The next id should not be predictable from the earlier ones.
///
/// # Errors
/// If they vary too little.
pub(crate) fn expect_unguessable_ids(scenario: &Scenario) -> StepResult {
    let bits = variety(&scenario.state::<McpState>().sessions);
    if bits >= VARIETY {
        return Ok(());
    }
    let ids = scenario.state::<McpState>().sessions.iter().take(3);
    let ids: Vec<_> = ids.map(|id| String::from_utf8_lossy(id)).collect();
    let expected = "random ids, not from a counter or a clock";
    Err(scenario.failed(expected, &format!("{} and so on", ids.join(", "))))
}

/// Sends the request that a feature names.
///
/// # Errors
/// Blocked if the feature's words are unknown.
pub(crate) async fn send_odd(scenario: &mut Scenario, what: &str) -> StepResult {
    let listing = request(&json!("list-1"), "tools/list", json!({}));
    let listing = HttpAsk::post(&listing).with_all(session(scenario)?);
    let by = |method: Method| HttpAsk {
        method,
        ..listing.clone()
    };
    let asked = match what {
        "of another content type" => listing.with(CONTENT_TYPE.as_str(), "text/plain"),
        "of no content type" => {
            let mut listing = listing;
            listing.headers.remove(CONTENT_TYPE);
            listing
        }
        "by the verb PUT" => by(Method::PUT),
        "by the verb PATCH" => by(Method::PATCH),
        "with a body that is no text" => HttpAsk {
            body: Bytes::from_static(&[0xff, 0xfe, 0x00, 0x80]),
            ..listing
        },
        "with a body of 32 MiB" => HttpAsk {
            body: Bytes::from(vec![b' '; 32 << 20]),
            ..listing
        },
        "with 2 MiB of headers" => {
            let mut listing = listing;
            for number in 0..256 {
                listing = listing.with(&format!("x-flood-{number}"), &"x".repeat(8 << 10));
            }
            listing
        }
        _ => {
            return Err(StepEnd::blocked(format!(
                "the step does not support {what:?}"
            )));
        }
    };
    send(scenario, &asked).await
}

/// A request that never ends, and the semaphore that signals its beginning.
fn endless(scenario: &Scenario) -> StepResult<(HttpAsk, Arc<Semaphore>)> {
    let asked = HttpAsk::post("{\"jsonrpc\":").with_all(session(scenario)?);
    let begun = Arc::new(Semaphore::new(0));
    let endless = Some(Arc::clone(&begun));
    Ok((HttpAsk { endless, ..asked }, begun))
}

/// Sends this many requests that never end, and lists the tools at the same time.
///
/// # Errors
/// If the server does not answer while they are open; blocked if they do not begin.
pub(crate) async fn ask_beside_endless(scenario: &mut Scenario, count: usize) -> StepResult {
    let (endpoint, connection) = (scenario.endpoint()?, scenario.connection()?);
    let under_way = Semaphore::new(0);
    let endless = (0..count).map(|_| async {
        let (asked, begun) = endless(scenario)?;
        let (sending, begun) = (pin!(endpoint.send(&asked, BORNE)), pin!(begun.acquire()));
        let sending = select(begun, sending).await;
        // A request that the server ends at once delays nothing either.
        under_way.add_permits(1);
        if let Either::Left((_, sending)) = sending {
            let _ = sending.await;
        }
        Ok::<_, StepEnd>(())
    });
    let others = async {
        let all = u32::try_from(count).map_err(StepEnd::blocked)?;
        if timeout(BEGUN, under_way.acquire_many(all)).await.is_err() {
            let (begun, seconds) = (under_way.available_permits(), BEGUN.as_secs());
            return Err(StepEnd::blocked(format!(
                "{begun} of {count} requests that never end were under way after {seconds} s"
            )));
        }
        let asked = connection.request("tools/list", json!({}));
        let why = match timeout(SERVED, asked).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(why)) => why,
            Err(_) => NoReply::TimedOut(SERVED),
        };
        let seen = format!("a call beside {count} of them: {why}");
        Err(scenario.failed(
            "other requests are served while requests that never end are open",
            &seen,
        ))
    };
    let answered = match select(pin!(others), pin!(try_join_all(endless))).await {
        Either::Left((answered, _)) => answered,
        Either::Right((ended, others)) => ended.and(others.await),
    };
    scenario.calls.note_unanswered(answered.is_err());
    answered
}

/// Sends a request that never ends, for as long as the server accepts it.
///
/// # Errors
/// If there is no connection.
pub(crate) async fn send_endless(scenario: &mut Scenario) -> StepResult {
    let (asked, _) = endless(scenario)?;
    let answer = scenario.endpoint()?.send(&asked, BORNE).await;
    heard(scenario, answer);
    Ok(())
}

/// The variation of texts in bits: for each position, the logarithm of the number of different bytes.
fn variety(samples: &[Vec<u8>]) -> f64 {
    let places = samples.iter().map(Vec::len).max().unwrap_or(0);
    let seen = |place: usize| {
        let bytes: BTreeSet<_> = samples.iter().map(|sample| sample.get(place)).collect();
        u32::try_from(bytes.len()).unwrap_or(u32::MAX)
    };
    (0..places).map(|place| f64::from(seen(place)).log2()).sum()
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

    use super::{SAMPLES, VARIETY, variety};

    fn bits(sample: impl FnMut(usize) -> String) -> f64 {
        let samples: Vec<_> = (0..SAMPLES).map(sample).map(String::into_bytes).collect();
        variety(&samples)
    }

    #[test]
    fn a_counter_and_a_clock_vary_little_and_what_is_random_much() {
        let mut random = StdRng::seed_from_u64(7);
        assert!(bits(|number| format!("session-{number}")) < VARIETY);
        assert!(bits(|number| format!("{:016x}", 0x1000 + number)) < VARIETY);
        let nanoseconds = 1_790_000_000_000_000_000_u64;
        assert!(bits(|number| format!("{}", nanoseconds + 7_654_321 * number as u64)) < VARIETY);
        assert!(bits(|_| format!("{:016x}", random.random::<u64>())) > VARIETY);
        let mut random = StdRng::seed_from_u64(8);
        assert!(bits(|n| format!("0199{n:04x}-7000-{:016x}", random.random::<u64>())) > VARIETY);
    }
}
