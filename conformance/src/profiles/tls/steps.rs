//! Steps about TLS: the certificates that the server presents, and those that Vault presents.

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

#[given("a server that uses its certificate")]
async fn used_certificate(world: &mut World) -> StepResult {
    certificate::start_using_certificate(world.scenario()?).await
}

#[given("a server that has a certificate and listens on all addresses")]
async fn exposed_with_certificate(world: &mut World) -> StepResult {
    certificate::start_exposed_with_certificate(world.scenario()?).await
}

#[when("the suite starts a server that listens on all addresses without a certificate")]
async fn exposed(world: &mut World) -> StepResult {
    server::try_to_start_exposed(world.scenario()?).await
}

#[when(regex = "^the suite starts a server with (.+)$")]
async fn started_with(world: &mut World, what: String) -> StepResult {
    server::try_to_start_with(world.scenario()?, &what).await
}

#[then("the server does not serve a client that does not use TLS")]
async fn nothing_without_tls(world: &mut World) -> StepResult {
    server::expect_nothing_without_tls(world.scenario()?).await
}

#[then(regex = r"^the server refuses a TLS (1\.[01]) handshake and accepts a TLS 1\.2 handshake$")]
async fn handshake_refused(world: &mut World, version: String) -> StepResult {
    let unknown = || StepEnd::blocked(format!("there is no TLS {version}"));
    let version = Version::named(&version).ok_or_else(unknown)?;
    server::expect_handshake_refused(world.scenario()?, version).await
}

#[then("the server exits without serving")]
fn refused_to_start(world: &mut World) -> StepResult {
    server::expect_refused_to_start(world.scenario()?)
}

#[then("the server reports that its certificate or its key is unusable")]
fn certificate_blamed(world: &mut World) -> StepResult {
    server::expect_certificate_blamed(world.scenario()?)
}

#[given("a server that trusts the CA of Vault's certificate")]
async fn with_authority(world: &mut World) -> StepResult {
    vault_certificate::start_with_authority(world.scenario()?).await
}

#[given(
    expr = "a server that trusts the CA of Vault's certificate and has read the secret {string}"
)]
async fn right_certificate(world: &mut World, path: String) -> StepResult {
    vault::show_right_certificate(world.scenario()?, &path).await
}

#[when(regex = "^the suite restarts the server, and Vault presents a certificate (.+)$")]
async fn wrong_certificate(world: &mut World, words: String) -> StepResult {
    vault::start_before_wrong_certificate(world.scenario()?, &words).await
}

#[when("the suite restarts the server without the CA of Vault's certificate")]
async fn unknown_certificate(world: &mut World) -> StepResult {
    vault::start_before_unknown_certificate(world.scenario()?).await
}

#[then("the restarted server sent no request to Vault")]
fn vault_unasked(world: &mut World) -> StepResult {
    vault::expect_vault_unasked(world.scenario()?)
}
