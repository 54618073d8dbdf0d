//! Steps about servers that are started in a mode.

use std::time::Duration;

use cucumber::{given, then, when};

use crate::{
    mcp::hello::Version,
    scene::limits::Allowance,
    target::{launch::Mode, operation::Operation, setup::Setup},
    verdict::{StepResult, Stop},
    world::World,
};

fn operation(name: &str) -> StepResult<Operation> {
    let unknown = || Stop::blocked(format!("no operation is called {name:?}"));
    Operation::named(name).ok_or_else(unknown)
}

// Any mode.

#[given(regex = "^a server in the mode ([a-z_]+)$")]
async fn in_mode(world: &mut World, name: String) -> StepResult {
    let unknown = || Stop::blocked(format!("there is no mode {name:?}"));
    let mode = Mode::named(&name).ok_or_else(unknown)?;
    crate::scene::talk::modes::start_in_mode(world.scene()?, mode).await
}

#[then("two clients connect to it, and list its tools")]
async fn clients_connect(world: &mut World) -> StepResult {
    crate::scene::talk::modes::expect_clients_connect(world.scene()?).await
}

// Read-only.

#[given("a server that is told to change nothing")]
async fn read_only(world: &mut World) -> StepResult {
    let setup = Setup::of(Mode::ReadOnly);
    world.scene()?.start_server(setup).await
}

#[when(expr = "the agent insists on {word}")]
async fn insists(world: &mut World, name: String) -> StepResult {
    let operation = operation(&name)?;
    crate::scene::read_only::let_agent_insist(world.scene()?, operation).await
}

#[when(expr = "the agent does {word}")]
async fn does(world: &mut World, name: String) -> StepResult {
    let operation = operation(&name)?;
    crate::scene::stage::let_agent_do(world.scene()?, operation).await
}

#[then("it is told of an error each time")]
fn errors_throughout(world: &mut World) -> StepResult {
    crate::scene::read_only::expect_errors_throughout(world.scene()?)
}

#[then("it is told each time that the server changes nothing, or has no such tool")]
fn plain_refusals(world: &mut World) -> StepResult {
    crate::scene::read_only::expect_plain_refusals(world.scene()?)
}

#[then("no write has reached Vault")]
fn no_write(world: &mut World) -> StepResult {
    crate::scene::read_only::expect_no_write_at_vault(world.scene()?)
}

// Limits.

#[given(
    expr = "a server that lets each client through {int} times a second, and {int} times at once"
)]
async fn limits_each(world: &mut World, rate: u32, burst: u32) -> StepResult {
    let setup = Setup::of(Mode::RateLimit);
    let allowance = Allowance { rate, burst };
    crate::scene::limits::start_limited(world.scene()?, setup, allowance).await
}

#[given(
    expr = "a server that lets all clients through {int} times a second, and {int} times at once"
)]
async fn limits_all(world: &mut World, rate: u32, burst: u32) -> StepResult {
    let setup = Setup::of(Mode::GlobalLimit);
    let allowance = Allowance { rate, burst };
    crate::scene::limits::start_limited(world.scene()?, setup, allowance).await
}

#[when(regex = r#"^the agent reads the secret "([^"]+)" at full speed for (\d+) seconds?$"#)]
async fn rushes(world: &mut World, path: String, seconds: u64) -> StepResult {
    let length = Duration::from_secs(seconds);
    crate::scene::limits::let_agent_rush(world.scene()?, &path, length, None).await
}

#[when(
    expr = "the agent reads the secret {string} at full speed for {int} seconds, and another one {int} times a second"
)]
async fn rushes_beside(world: &mut World, path: String, seconds: u64, times: u32) -> StepResult {
    let (length, every) = (
        Duration::from_secs(seconds),
        Duration::from_secs(1) / times.max(1),
    );
    crate::scene::limits::let_agent_rush(world.scene()?, &path, length, Some(every)).await
}

#[when(expr = "clients come, read the secret {string} and go for {int} second(s)")]
async fn come_and_go(world: &mut World, path: String, seconds: u64) -> StepResult {
    let length = Duration::from_secs(seconds);
    crate::scene::limits::let_clients_come_and_go(world.scene()?, &path, length).await
}

#[when(expr = "clients that make up sessions read the secret {string} for {int} second(s)")]
async fn make_up_sessions(world: &mut World, path: String, seconds: u64) -> StepResult {
    let length = Duration::from_secs(seconds);
    crate::scene::limits::let_clients_make_up_sessions(world.scene()?, &path, length).await
}

#[when(expr = "{int} clients at once read a secret each, again and again for {int} second(s)")]
async fn crowd(world: &mut World, count: usize, seconds: u64) -> StepResult {
    let length = Duration::from_secs(seconds);
    crate::scene::limits::let_clients_crowd(world.scene()?, count, length).await
}

#[then("for none of them more reads have reached Vault than were to be let through")]
fn each_within_limit(world: &mut World) -> StepResult {
    crate::scene::limits::expect_each_within_limit(world.scene()?)
}

#[then("no more reads have reached Vault than were to be let through")]
fn within_limit(world: &mut World) -> StepResult {
    crate::scene::limits::expect_within_limit(world.scene()?)
}

#[then("hardly fewer reads have reached Vault than were to be let through")]
fn limit_used(world: &mut World) -> StepResult {
    crate::scene::limits::expect_limit_used(world.scene()?)
}

#[then("every read that has not reached Vault is told as an error")]
fn excess_refused(world: &mut World) -> StepResult {
    crate::scene::limits::expect_excess_refused(world.scene()?)
}

#[then("after a second the next read succeeds")]
async fn goes_on(world: &mut World) -> StepResult {
    let scene = world.scene()?;
    let path = crate::scene::about::only_secret(scene)?;
    crate::scene::limits::expect_goes_on(scene, &path).await
}

#[then("every refusal tells when to try again")]
fn retry_told(world: &mut World) -> StepResult {
    crate::scene::limits::expect_retry_told(world.scene()?)
}

#[then("all reads of the other one succeed")]
fn modest_served(world: &mut World) -> StepResult {
    crate::scene::limits::expect_modest_served(world.scene()?)
}

#[then(expr = "a server whose limit is {string} for each client does not start")]
async fn nonsense_refused(world: &mut World, nonsense: String) -> StepResult {
    let setup = Setup::of(Mode::RateLimit);
    crate::scene::limits::expect_limit_refused(world.scene()?, setup, &nonsense).await
}

// TLS.

#[given("a server with a certificate")]
async fn certificate(world: &mut World) -> StepResult {
    crate::scene::tls::start_with_certificate(world.scene()?).await
}

#[given("a server with a certificate that listens on all addresses")]
async fn exposed_with_certificate(world: &mut World) -> StepResult {
    crate::scene::tls::start_exposed_with_certificate(world.scene()?).await
}

#[when("a server is started that listens on all addresses, without a certificate")]
async fn exposed(world: &mut World) -> StepResult {
    crate::scene::tls::try_to_start_exposed(world.scene()?).await
}

#[when(regex = "^a server is started with (.+)$")]
async fn started_with(world: &mut World, what: String) -> StepResult {
    crate::scene::tls::try_to_start_with(world.scene()?, &what).await
}

#[then("a client that speaks no TLS is told nothing")]
async fn nothing_without_tls(world: &mut World) -> StepResult {
    crate::scene::tls::expect_nothing_without_tls(world.scene()?).await
}

#[then(regex = r"^a handshake of TLS (1\.[01]) is refused, and one of TLS 1\.2 is not$")]
async fn handshake_refused(world: &mut World, version: String) -> StepResult {
    let unknown = || Stop::blocked(format!("there is no TLS {version}"));
    let version = Version::named(&version).ok_or_else(unknown)?;
    crate::scene::tls::expect_handshake_refused(world.scene()?, version).await
}

#[then("it ends and does not serve")]
fn refused_to_start(world: &mut World) -> StepResult {
    crate::scene::tls::expect_refused_to_start(world.scene()?)
}

#[then("it says that its certificate or its key cannot be used")]
fn certificate_blamed(world: &mut World) -> StepResult {
    crate::scene::tls::expect_certificate_blamed(world.scene()?)
}

// The launcher.

#[when(regex = "^a command is run in a session( that Vault does not let end)?, and (.+)$")]
async fn session(world: &mut World, is_refused: String, end: String) -> StepResult {
    let is_refused = !is_refused.is_empty();
    crate::scene::session::run_session(world.scene()?, &end, is_refused).await
}

#[when("a command is to be run in a session with a root token")]
async fn root_session(world: &mut World) -> StepResult {
    crate::scene::session::run_root_session(world.scene()?).await
}

#[then("Vault has the token of the session no more")]
fn token_gone(world: &mut World) -> StepResult {
    crate::scene::session::expect_token_gone(world.scene()?)
}

#[then("the command was given the token of the session")]
fn token_given(world: &mut World) -> StepResult {
    crate::scene::session::expect_token_given(world.scene()?)
}

#[then("the session has not said its token")]
fn token_unsaid(world: &mut World) -> StepResult {
    crate::scene::session::expect_token_unsaid(world.scene()?)
}

#[then("the session says that its token was not revoked")]
fn failed_revocation_told(world: &mut World) -> StepResult {
    crate::scene::session::expect_failed_revocation_told(world.scene()?)
}

#[then("the session fails too")]
fn session_failed(world: &mut World) -> StepResult {
    crate::scene::session::expect_session_failed(world.scene()?)
}

#[then("the command was not run")]
fn command_not_run(world: &mut World) -> StepResult {
    crate::scene::session::expect_command_not_run(world.scene()?)
}

#[then("the session has told the policies of its token")]
fn policies_told(world: &mut World) -> StepResult {
    crate::scene::session::expect_policies_told(world.scene()?)
}
