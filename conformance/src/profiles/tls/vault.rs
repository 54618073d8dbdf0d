//! Servers whose Vault shows a certificate that the suite has made: the right one, or one that must not be
//! taken for it.

use super::server::Tls;
use crate::{
    act::Act,
    certificate::{Authority, Flaw, ServerCertificate},
    profiles::custody::Custody,
    scenario::Scenario,
    tap::tls::TlsIdentity,
    target::{answer::Answer, launch::Mode, setup::Setup},
    verdict::{StepEnd, StepResult},
};

/// What Vault shows, as a feature words it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// A certificate of the authority that the server may be told.
    Right,
    /// One of that authority, with a flaw.
    Flawed(Flaw),
    /// One of an authority of the same name.
    OfAnother,
}

impl Shown {
    fn named(words: &str) -> StepResult<Self> {
        Ok(match words {
            "of another authority" => Self::OfAnother,
            "for another name" => Self::Flawed(Flaw::OtherName),
            "whose time is over" => Self::Flawed(Flaw::Expired),
            _ => return Err(StepEnd::blocked(format!("no certificate is one {words:?}"))),
        })
    }

    fn sign(self, authority: &Authority) -> Result<ServerCertificate, rcgen::Error> {
        match self {
            Self::Right => authority.sign(None),
            Self::Flawed(flaw) => authority.sign(Some(flaw)),
            Self::OfAnother => Authority::new()?.sign(None),
        }
    }
}

/// Starts a server that was told the authority of Vault's certificate.
///
/// # Errors
/// When it does not start.
pub(crate) async fn start_with_authority(scenario: &mut Scenario) -> StepResult {
    let setup = before_vault(scenario, Setup::of(Mode::VaultCa), Shown::Right);
    let setup = setup.await?;
    scenario.start_server(setup).await
}

/// The same, and lets it read a secret: without that, what it refuses shows nothing.
///
/// # Errors
/// Not applicable when it takes not even the right certificate.
pub(crate) async fn show_right_certificate(scenario: &mut Scenario, path: &str) -> StepResult {
    start_with_authority(scenario).await?;
    let act = Act::read(scenario.mount()?, path);
    scenario.let_agent(act).await?;
    match &scenario.last()?.answer {
        Answer::Success(_) => Ok(()),
        other => Err(StepEnd::no_evidence(scenario.secrets().redact(&format!(
            "with the right certificate it reads nothing either: {}",
            other.describe()
        )))),
    }
}

/// Starts a server that was told the authority, and whose Vault shows a certificate which is to be refused.
///
/// # Errors
/// Blocked when no certificate is worded so.
pub(crate) async fn start_before_wrong_certificate(
    scenario: &mut Scenario,
    words: &str,
) -> StepResult {
    let shown = Shown::named(words)?;
    start_before(scenario, Setup::of(Mode::VaultCa), shown).await
}

/// Starts a server that nobody told the authority of Vault's certificate.
///
/// # Errors
/// When Vault refuses what it needs.
pub(crate) async fn start_before_unknown_certificate(scenario: &mut Scenario) -> StepResult {
    start_before(scenario, Setup::default(), Shown::Right).await
}

async fn start_before(scenario: &mut Scenario, setup: Setup, shown: Shown) -> StepResult {
    scenario.end_servers().await?;
    let setup = before_vault(scenario, setup, shown).await?;
    let refusal = scenario.try_to_start_server(setup).await?;
    scenario.state_mut::<Custody>().refusal = refusal.map(|refusal| refusal.to_string());
    Ok(())
}

/// A Vault that shows this, and the file with the authority that would be the right one.
async fn before_vault(scenario: &mut Scenario, setup: Setup, shown: Shown) -> StepResult<Setup> {
    let unmade = |error: rcgen::Error| StepEnd::blocked(error);
    let authority = Authority::new().map_err(unmade)?;
    let right = authority.sign(None).map_err(unmade)?;
    let front = TlsIdentity::new(shown.sign(&authority).map_err(unmade)?, right);
    let file = scenario
        .state_mut::<Tls>()
        .keep_file(authority.certificate().to_owned());
    let mut setup = setup.with("vault_ca", file.await?);
    setup.front = Some(front.clone());
    scenario.state_mut::<Tls>().front = Some(front);
    Ok(setup)
}

/// Vault must not have been asked anything, nor shown a token.
///
/// # Errors
/// When it was.
pub(crate) fn expect_vault_unasked(scenario: &Scenario) -> StepResult {
    let missing = || StepEnd::blocked("the scenario gave Vault no certificate");
    let front = scenario.state::<Tls>().front.as_ref().ok_or_else(missing)?;
    match front.asked() {
        0 => Ok(()),
        count => {
            let seen = format!("{count} requests, with all that they carry");
            Err(scenario.failed("no request to who shows that certificate", &seen))
        }
    }
}
