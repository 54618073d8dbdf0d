//! Servers whose Vault presents a certificate made by the suite: the right one, or one that the server must not accept.

use super::certificate;
use crate::{
    adapter::launch::Mode,
    certificate::{Authority, Flaw, ServerCertificate},
    instance::setup::Setup,
    scenario::Scenario,
    tap::tls::TlsIdentity,
    verdict::{StepEnd, StepResult},
};

/// The certificate that Vault presents to the server.
#[derive(Default)]
pub(crate) struct VaultFront(pub(crate) Option<TlsIdentity>);

/// What Vault presents, in the words of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A certificate of the CA that the server trusts.
    Right,
    /// A certificate of that CA, with a flaw.
    Flawed(Flaw),
    /// A certificate of another CA with the same name.
    OfAnother,
}

impl Shown {
    pub(crate) fn named(words: &str) -> StepResult<Self> {
        Ok(match words {
            "of another authority" => Self::OfAnother,
            "for another name" => Self::Flawed(Flaw::OtherName),
            "whose time is over" => Self::Flawed(Flaw::Expired),
            _ => {
                return Err(StepEnd::blocked(format!(
                    "the step does not support {words:?}"
                )));
            }
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

/// Starts a server that trusts the CA of Vault's certificate.
///
/// # Errors
/// If it does not start.
pub(crate) async fn start_with_authority(scenario: &mut Scenario) -> StepResult {
    let setup = before_vault(scenario, Setup::of(Mode::VaultCa), Shown::Right);
    let setup = setup.await?;
    scenario.start_server(setup).await
}

/// A Vault that presents this, and the file with the CA of the right certificate.
pub(crate) async fn before_vault(
    scenario: &mut Scenario,
    setup: Setup,
    shown: Shown,
) -> StepResult<Setup> {
    let unmade = |error: rcgen::Error| StepEnd::blocked(error);
    let authority = Authority::new().map_err(unmade)?;
    let right = authority.sign(None).map_err(unmade)?;
    let front = TlsIdentity::new(shown.sign(&authority).map_err(unmade)?, right);
    let file = certificate::keep_file(scenario, authority.certificate().to_owned());
    let mut setup = setup.with("vault_ca", file.await?);
    setup.front = Some(front.clone());
    scenario.state_mut::<VaultFront>().0 = Some(front);
    Ok(setup)
}
