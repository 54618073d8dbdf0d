//! Steps about web pages that call the server.

use cucumber::{given, then, when};

use super::RequestOrigin;
use crate::{
    profiles::browser::{self, real},
    verdict::StepResult,
    vocabulary::start,
    world::World,
};

#[given(expr = "a server that pages of {string} and {string} may call")]
async fn may_call(world: &mut World, one: String, other: String) -> StepResult {
    start::start_for_pages(world.scenario()?, &[&one, &other]).await
}

#[when(regex = r#"^a page of "([^"]+)" tries to (.+)$"#)]
async fn tries(world: &mut World, origin: String, act: String) -> StepResult {
    let guise = RequestOrigin::Page(&origin);
    browser::let_page(world.scenario()?, guise, &act).await
}

#[when(regex = r#"^a page of "([^"]+)" sends a form of the type "([^"]+)" that would (.+)$"#)]
async fn sends_a_form(world: &mut World, origin: String, kind: String, act: String) -> StepResult {
    let guise = RequestOrigin::Form(&origin, &kind);
    browser::let_page(world.scenario()?, guise, &act).await
}

#[when(regex = r#"^a page of "([^"]+)", which now leads to the server, tries to (.+)$"#)]
async fn rebound(world: &mut World, host: String, act: String) -> StepResult {
    let guise = RequestOrigin::Rebound(&host);
    browser::let_page(world.scenario()?, guise, &act).await
}

#[when(regex = r#"^somebody who calls the server "([^"]+)" tries to (.+)$"#)]
async fn named_otherwise(world: &mut World, host: String, act: String) -> StepResult {
    let guise = RequestOrigin::Named(&host);
    browser::let_page(world.scenario()?, guise, &act).await
}

#[when(
    regex = r#"^a page of "([^"]+)" (lists the tools|opens a session|wants to listen|ends the session)$"#
)]
async fn does(world: &mut World, origin: String, what: String) -> StepResult {
    browser::let_page_do(world.scenario()?, &origin, &what).await
}

#[when(expr = "a browser asks whether a page of {string} may call")]
async fn asks(world: &mut World, origin: String) -> StepResult {
    browser::ask_for_page(world.scenario()?, &origin).await
}

#[given("a server that a page of the suite's own may call")]
async fn own_page_may_call(world: &mut World) -> StepResult {
    real::start_for_own_page(world.scenario()?).await
}

#[when(regex = "^a browser opens that page, which tries to (.+)$")]
async fn opens_listed(world: &mut World, act: String) -> StepResult {
    real::let_listed_page(world.scenario()?, &act).await
}

#[when(regex = "^a browser opens a page of another origin, which tries to (.+) in every way$")]
async fn opens_foreign(world: &mut World, act: String) -> StepResult {
    real::let_foreign_page(world.scenario()?, &act).await
}

#[then("the page is given nothing")]
fn given_nothing(world: &mut World) -> StepResult {
    real::expect_page_given_nothing(world.scenario()?)
}

#[then("the page is refused")]
fn refused(world: &mut World) -> StepResult {
    browser::expect_page_refused(world.scenario()?)
}

#[then(expr = "no request for the secret {string} has reached Vault")]
fn not_asked_for(world: &mut World, path: String) -> StepResult {
    browser::expect_not_asked_for(world.scenario()?, &path)
}

#[then("the answer has no value of a secret")]
fn no_value(world: &mut World) -> StepResult {
    browser::expect_no_value_in_answer(world.scenario()?)
}

#[then("it is given no session")]
fn no_session(world: &mut World) -> StepResult {
    browser::expect_no_session(world.scenario()?)
}

#[then("the page may not")]
fn may_not(world: &mut World) -> StepResult {
    browser::expect_page_let_call(world.scenario()?, false)
}

#[then("the page may")]
fn may(world: &mut World) -> StepResult {
    browser::expect_page_let_call(world.scenario()?, true)
}

#[then("a browser lets the page read that")]
fn may_read(world: &mut World) -> StepResult {
    browser::expect_page_lets_read(world.scenario()?)
}

#[then("the page may send all headers that a client sends")]
fn may_send_headers(world: &mut World) -> StepResult {
    browser::expect_client_headers_granted(world.scenario()?)
}

#[then("the answer says that it depends on the origin")]
fn varies(world: &mut World) -> StepResult {
    browser::expect_vary(world.scenario()?)
}

#[then("the page may read the id of the session")]
fn session_exposed(world: &mut World) -> StepResult {
    browser::expect_session_exposed(world.scenario()?)
}
