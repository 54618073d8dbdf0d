//! Steps about TLS: certificates that the server shows, and certificates that Vault shows.

use cucumber::{given, then, when};

use super::{server, vault};
use crate::{
    mcp::hello::Version,
    verdict::{StepEnd, StepResult},
    vocabulary::start::{certificate, vault_certificate},
    world::World,
};

#[given("a server with a certificate")]
async fn certificate(world: &mut World) -> StepResult {
    certificate::start_with_certificate(world.scenario()?).await
}

#[given("a server with a certificate that listens on all addresses")]
async fn exposed_with_certificate(world: &mut World) -> StepResult {
    certificate::start_exposed_with_certificate(world.scenario()?).await
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

#[given("a server that was told the authority of Vault's certificate")]
async fn with_authority(world: &mut World) -> StepResult {
    vault_certificate::start_with_authority(world.scenario()?).await
}

#[given(
    expr = "a server that was told the authority of Vault's certificate, and reads the secret {string}"
)]
async fn right_certificate(world: &mut World, path: String) -> StepResult {
    vault::show_right_certificate(world.scenario()?, &path).await
}

#[when(regex = "^it is started again, and Vault shows a certificate (.+)$")]
async fn wrong_certificate(world: &mut World, words: String) -> StepResult {
    vault::start_before_wrong_certificate(world.scenario()?, &words).await
}

#[when("the server is started again, and nobody told it the authority of Vault's certificate")]
async fn unknown_certificate(world: &mut World) -> StepResult {
    vault::start_before_unknown_certificate(world.scenario()?).await
}

#[then("Vault was asked nothing by it")]
fn vault_unasked(world: &mut World) -> StepResult {
    vault::expect_vault_unasked(world.scenario()?)
}
