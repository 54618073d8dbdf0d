//! Steps about servers that are started in a mode.

use std::time::Duration;

use cucumber::{given, then, when};

use super::limits::load::Allowance;
use crate::{
    mcp::hello::Version,
    profiles::{limits::load, mcp::modes, read_only::insist, session::run, tls::server},
    target::{launch::Mode, operation::Operation, setup::Setup},
    verdict::{StepEnd, StepResult},
    vocabulary::{about, stage},
    world::World,
};

fn operation(name: &str) -> StepResult<Operation> {
    let unknown = || StepEnd::blocked(format!("no operation is called {name:?}"));
    Operation::named(name).ok_or_else(unknown)
}

// Any mode.

#[given(regex = "^a server in the mode ([a-z_]+)$")]
async fn in_mode(world: &mut World, name: String) -> StepResult {
    let unknown = || StepEnd::blocked(format!("there is no mode {name:?}"));
    let mode = Mode::named(&name).ok_or_else(unknown)?;
    modes::start_in_mode(world.scenario()?, mode).await
}

#[then("two clients connect to it, and list its tools")]
async fn clients_connect(world: &mut World) -> StepResult {
    modes::expect_clients_connect(world.scenario()?).await
}

// Read-only.

#[given("a server that is told to change nothing")]
async fn read_only(world: &mut World) -> StepResult {
    let setup = Setup::of(Mode::ReadOnly);
    world.scenario()?.start_server(setup).await
}

#[when(expr = "the agent insists on {word}")]
async fn insists(world: &mut World, name: String) -> StepResult {
    let operation = operation(&name)?;
    insist::let_agent_insist(world.scenario()?, operation).await
}

#[when(expr = "the agent does {word}")]
async fn does(world: &mut World, name: String) -> StepResult {
    let operation = operation(&name)?;
    stage::let_agent_do(world.scenario()?, operation).await
}

#[then("it is told of an error each time")]
fn errors_throughout(world: &mut World) -> StepResult {
    insist::expect_errors_throughout(world.scenario()?)
}

#[then("it is told each time that the server changes nothing, or has no such tool")]
fn plain_refusals(world: &mut World) -> StepResult {
    insist::expect_plain_refusals(world.scenario()?)
}

#[then("no write has reached Vault")]
fn no_write(world: &mut World) -> StepResult {
    insist::expect_no_write_at_vault(world.scenario()?)
}

// Limits.

#[given(
    expr = "a server that lets each client through {int} times a second, and {int} times at once"
)]
async fn limits_each(world: &mut World, rate: u32, burst: u32) -> StepResult {
    let setup = Setup::of(Mode::RateLimit);
    let allowance = Allowance { rate, burst };
    load::start_limited(world.scenario()?, setup, allowance).await
}

#[given(
    expr = "a server that lets all clients through {int} times a second, and {int} times at once"
)]
async fn limits_all(world: &mut World, rate: u32, burst: u32) -> StepResult {
    let setup = Setup::of(Mode::GlobalLimit);
    let allowance = Allowance { rate, burst };
    load::start_limited(world.scenario()?, setup, allowance).await
}

#[when(regex = r#"^the agent reads the secret "([^"]+)" at full speed for (\d+) seconds?$"#)]
async fn rushes(world: &mut World, path: String, seconds: u64) -> StepResult {
    let length = Duration::from_secs(seconds);
    load::let_agent_rush(world.scenario()?, &path, length, None).await
}

#[when(
    expr = "the agent reads the secret {string} at full speed for {int} seconds, and another one {int} times a second"
)]
async fn rushes_beside(world: &mut World, path: String, seconds: u64, times: u32) -> StepResult {
    let (length, every) = (
        Duration::from_secs(seconds),
        Duration::from_secs(1) / times.max(1),
    );
    load::let_agent_rush(world.scenario()?, &path, length, Some(every)).await
}

#[when(expr = "clients come, read the secret {string} and go for {int} second(s)")]
async fn come_and_go(world: &mut World, path: String, seconds: u64) -> StepResult {
    let length = Duration::from_secs(seconds);
    load::let_clients_come_and_go(world.scenario()?, &path, length).await
}

#[when(expr = "clients that make up sessions read the secret {string} for {int} second(s)")]
async fn make_up_sessions(world: &mut World, path: String, seconds: u64) -> StepResult {
    let length = Duration::from_secs(seconds);
    load::let_clients_make_up_sessions(world.scenario()?, &path, length).await
}

#[when(expr = "{int} clients at once read a secret each, again and again for {int} second(s)")]
async fn crowd(world: &mut World, count: usize, seconds: u64) -> StepResult {
    let length = Duration::from_secs(seconds);
    load::let_clients_crowd(world.scenario()?, count, length).await
}

#[then("for none of them more reads have reached Vault than were to be let through")]
fn each_within_limit(world: &mut World) -> StepResult {
    load::expect_each_within_limit(world.scenario()?)
}

#[then("no more reads have reached Vault than were to be let through")]
fn within_limit(world: &mut World) -> StepResult {
    load::expect_within_limit(world.scenario()?)
}

#[then("hardly fewer reads have reached Vault than were to be let through")]
fn limit_used(world: &mut World) -> StepResult {
    load::expect_limit_used(world.scenario()?)
}

#[then("every read that has not reached Vault is told as an error")]
fn excess_refused(world: &mut World) -> StepResult {
    load::expect_excess_refused(world.scenario()?)
}

#[then("after a second the next read succeeds")]
async fn goes_on(world: &mut World) -> StepResult {
    let scenario = world.scenario()?;
    let path = about::only_secret(scenario)?;
    load::expect_goes_on(scenario, &path).await
}

#[then("every refusal tells when to try again")]
fn retry_told(world: &mut World) -> StepResult {
    load::expect_retry_told(world.scenario()?)
}

#[then("all reads of the other one succeed")]
fn modest_served(world: &mut World) -> StepResult {
    load::expect_modest_served(world.scenario()?)
}

#[then(expr = "a server whose limit is {string} for each client does not start")]
async fn nonsense_refused(world: &mut World, nonsense: String) -> StepResult {
    let setup = Setup::of(Mode::RateLimit);
    load::expect_limit_refused(world.scenario()?, setup, &nonsense).await
}

// TLS.

#[given("a server with a certificate")]
async fn certificate(world: &mut World) -> StepResult {
    server::start_with_certificate(world.scenario()?).await
}

#[given("a server with a certificate that listens on all addresses")]
async fn exposed_with_certificate(world: &mut World) -> StepResult {
    server::start_exposed_with_certificate(world.scenario()?).await
}

#[when("a server is started that listens on all addresses, without a certificate")]
async fn exposed(world: &mut World) -> StepResult {
    server::try_to_start_exposed(world.scenario()?).await
}

#[when(regex = "^a server is started with (.+)$")]
async fn started_with(world: &mut World, what: String) -> StepResult {
    server::try_to_start_with(world.scenario()?, &what).await
}

#[then("a client that speaks no TLS is told nothing")]
async fn nothing_without_tls(world: &mut World) -> StepResult {
    server::expect_nothing_without_tls(world.scenario()?).await
}

#[then(regex = r"^a handshake of TLS (1\.[01]) is refused, and one of TLS 1\.2 is not$")]
async fn handshake_refused(world: &mut World, version: String) -> StepResult {
    let unknown = || StepEnd::blocked(format!("there is no TLS {version}"));
    let version = Version::named(&version).ok_or_else(unknown)?;
    server::expect_handshake_refused(world.scenario()?, version).await
}

#[then("it ends and does not serve")]
fn refused_to_start(world: &mut World) -> StepResult {
    server::expect_refused_to_start(world.scenario()?)
}

#[then("it says that its certificate or its key cannot be used")]
fn certificate_blamed(world: &mut World) -> StepResult {
    server::expect_certificate_blamed(world.scenario()?)
}

// The launcher.

#[when(regex = "^a command is run in a session( that Vault does not let end)?, and (.+)$")]
async fn session(world: &mut World, is_refused: String, end: String) -> StepResult {
    let is_refused = !is_refused.is_empty();
    run::run_session(world.scenario()?, &end, is_refused).await
}

#[when("a command is to be run in a session with a root token")]
async fn root_session(world: &mut World) -> StepResult {
    run::run_root_session(world.scenario()?).await
}

#[then("Vault has the token of the session no more")]
fn token_gone(world: &mut World) -> StepResult {
    run::expect_token_gone(world.scenario()?)
}

#[then("the command was given the token of the session")]
fn token_given(world: &mut World) -> StepResult {
    run::expect_token_given(world.scenario()?)
}

#[then("the session has not said its token")]
fn token_unsaid(world: &mut World) -> StepResult {
    run::expect_token_unsaid(world.scenario()?)
}

#[then("the session says that its token was not revoked")]
fn failed_revocation_told(world: &mut World) -> StepResult {
    run::expect_failed_revocation_told(world.scenario()?)
}

#[then("the session fails too")]
fn session_failed(world: &mut World) -> StepResult {
    run::expect_session_failed(world.scenario()?)
}

#[then("the command was not run")]
fn command_not_run(world: &mut World) -> StepResult {
    run::expect_command_not_run(world.scenario()?)
}

#[then("the session has told the policies of its token")]
fn policies_told(world: &mut World) -> StepResult {
    run::expect_policies_told(world.scenario()?)
}
