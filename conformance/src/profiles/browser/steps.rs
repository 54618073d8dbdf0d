//! Steps about web pages that call the server.

use cucumber::{given, then, when};

use super::RequestOrigin;
use crate::{
    profiles::browser::{self, real},
    verdict::StepResult,
    vocabulary::start,
    world::World,
};

#[given(expr = "a server that allows pages of the origins {string} and {string}")]
async fn may_call(world: &mut World, one: String, other: String) -> StepResult {
    start::start_for_pages(world.scenario()?, &[&one, &other]).await
}

#[when(regex = r#"^a page of the origin "([^"]+)" tries to (.+)$"#)]
async fn tries(world: &mut World, origin: String, act: String) -> StepResult {
    let guise = RequestOrigin::Page(&origin);
    browser::let_page(world.scenario()?, guise, &act).await
}

#[when(
    regex = r#"^a page of the origin "([^"]+)" sends a request of the content type "([^"]+)" to (.+)$"#
)]
async fn sends_a_form(world: &mut World, origin: String, kind: String, act: String) -> StepResult {
    let guise = RequestOrigin::Form(&origin, &kind);
    browser::let_page(world.scenario()?, guise, &act).await
}

#[when(
    regex = r#"^a page of the host "([^"]+)", which now resolves to the server, tries to (.+)$"#
)]
async fn rebound(world: &mut World, host: String, act: String) -> StepResult {
    let guise = RequestOrigin::Rebound(&host);
    browser::let_page(world.scenario()?, guise, &act).await
}

#[when(regex = r#"^a client that addresses the server by the host name "([^"]+)" tries to (.+)$"#)]
async fn named_otherwise(world: &mut World, host: String, act: String) -> StepResult {
    let guise = RequestOrigin::Named(&host);
    browser::let_page(world.scenario()?, guise, &act).await
}

#[when(
    regex = r#"^a page of the origin "([^"]+)" (lists the tools|opens a session|wants to listen|ends the session)$"#
)]
async fn does(world: &mut World, origin: String, what: String) -> StepResult {
    browser::let_page_do(world.scenario()?, &origin, &what).await
}

#[when(expr = "a browser sends a preflight request for a page of the origin {string}")]
async fn asks(world: &mut World, origin: String) -> StepResult {
    browser::ask_for_page(world.scenario()?, &origin).await
}

#[given("a server that allows the origin of the suite's own page")]
async fn own_page_may_call(world: &mut World) -> StepResult {
    real::start_for_own_page(world.scenario()?).await
}

#[when(regex = "^a browser opens the suite's own page, which tries to (.+)$")]
async fn opens_listed(world: &mut World, act: String) -> StepResult {
    real::let_listed_page(world.scenario()?, &act).await
}

#[when(
    regex = "^a browser opens a page of another origin, which tries to (.+) with several kinds of request$"
)]
async fn opens_foreign(world: &mut World, act: String) -> StepResult {
    real::let_foreign_page(world.scenario()?, &act).await
}

#[then("the page can read no successful response and no secret value")]
fn given_nothing(world: &mut World) -> StepResult {
    real::expect_page_given_nothing(world.scenario()?)
}

#[then("the server refuses the page's request")]
fn refused(world: &mut World) -> StepResult {
    browser::expect_page_refused(world.scenario()?)
}

#[then(expr = "no request for the secret {string} has reached Vault")]
fn not_asked_for(world: &mut World, path: String) -> StepResult {
    browser::expect_not_asked_for(world.scenario()?, &path)
}

#[then("the server's response contains no secret value")]
fn no_value(world: &mut World) -> StepResult {
    browser::expect_no_value_in_answer(world.scenario()?)
}

#[then("the server's response contains no session id")]
fn no_session(world: &mut World) -> StepResult {
    browser::expect_no_session(world.scenario()?)
}

#[then("the server does not allow calls from the page")]
fn may_not(world: &mut World) -> StepResult {
    browser::expect_page_let_call(world.scenario()?, false)
}

#[then("the server allows calls from the page")]
fn may(world: &mut World) -> StepResult {
    browser::expect_page_let_call(world.scenario()?, true)
}

#[then("a browser lets the page read the response")]
fn may_read(world: &mut World) -> StepResult {
    browser::expect_page_lets_read(world.scenario()?)
}

#[then("the server allows the page to send every header that a client sends")]
fn may_send_headers(world: &mut World) -> StepResult {
    browser::expect_client_headers_granted(world.scenario()?)
}

#[then("the server's response says that it varies by origin")]
fn varies(world: &mut World) -> StepResult {
    browser::expect_vary(world.scenario()?)
}

#[then("the server allows the page to read the session id")]
fn session_exposed(world: &mut World) -> StepResult {
    browser::expect_session_exposed(world.scenario()?)
}
