//! Servers whose Vault presents a certificate made by the suite: the right one, or one that the server must not accept.

use crate::{
    act::Act,
    adapter::launch::Mode,
    instance::{answer::Answer, setup::Setup},
    scenario::Scenario,
    verdict::{StepEnd, StepResult},
    vocabulary::{
        start::vault_certificate::{Shown, VaultFront, before_vault, start_with_authority},
        token_use,
    },
};

/// Starts a server as [`start_with_authority`] does, and lets it read a secret. Without that, a rejected certificate
/// shows nothing.
///
/// # Errors
/// Not applicable if the server does not accept even the right certificate.
pub(crate) async fn show_right_certificate(scenario: &mut Scenario, path: &str) -> StepResult {
    start_with_authority(scenario).await?;
    let act = Act::read(scenario.mount()?, path);
    scenario.let_agent(act).await?;
    match &scenario.last()?.answer {
        Answer::Success(_) => Ok(()),
        other => Err(StepEnd::no_evidence(scenario.secrets().redact(&format!(
            "with the right certificate the read fails, too: {}",
            other.describe()
        )))),
    }
}

/// Starts a server that trusts the CA, and whose Vault presents a certificate that the server must reject.
///
/// # Errors
/// Blocked if the feature's words are unknown.
pub(crate) async fn start_before_wrong_certificate(
    scenario: &mut Scenario,
    words: &str,
) -> StepResult {
    let shown = Shown::named(words)?;
    start_before(scenario, Setup::of(Mode::VaultCa), shown).await
}

/// Starts a server that does not know the CA of Vault's certificate.
///
/// # Errors
/// If Vault rejects a request that prepares the server.
pub(crate) async fn start_before_unknown_certificate(scenario: &mut Scenario) -> StepResult {
    start_before(scenario, Setup::default(), Shown::Right).await
}

async fn start_before(scenario: &mut Scenario, setup: Setup, shown: Shown) -> StepResult {
    scenario.end_servers().await?;
    let setup = before_vault(scenario, setup, shown).await?;
    let refusal = scenario.try_to_start_server(setup).await?;
    token_use::note_refusal(scenario, refusal);
    Ok(())
}

/// The server must have sent Vault no request, and so no token.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_vault_unasked(scenario: &Scenario) -> StepResult {
    let missing = || StepEnd::blocked("the scenario gave Vault no certificate");
    let front = scenario
        .state::<VaultFront>()
        .0
        .as_ref()
        .ok_or_else(missing)?;
    match front.asked() {
        0 => Ok(()),
        count => {
            let seen = format!("{count} requests, with all that they carry");
            Err(scenario.failed(
                "no request to the server that presents that certificate",
                &seen,
            ))
        }
    }
}
