//! The stage of the operations on PKI mounts.

use super::{
    engine::{LONGEST, Stage},
    mounts::NEW_MOUNTS,
};
use crate::{
    act::{
        Act,
        pki::{PkiEffect, Wanted, strict_role},
    },
    certificate::Request,
    engines::{Operation, Pki},
    scenario::Scenario,
    verdict::{StepEnd, StepResult},
    vocabulary::pki::{self, ROOT, role_settings, state::pki_mut},
};

/// The role, the domain that it allows, and a name in it.
const ROLE: &str = "inventory";
const DOMAINS: &str = r#"subdomains of "inventory.internal""#;
const NAME: &str = "prod.inventory.internal";
/// A lifetime shorter than that of the suite's CAs.
const LIFETIME: &str = "72h";

/// Creates a CA with a role.
pub(super) async fn make(scenario: &mut Scenario, pki: &str) -> StepResult {
    pki::make_authority(scenario, pki).await?;
    pki::make_role(scenario, ROLE, role_settings(DOMAINS)?).await?;
    pki_mut(scenario)?.wanted = Wanted {
        common_name: NAME.to_owned(),
        ttl: LIFETIME.to_owned(),
        ..Wanted::default()
    };
    Ok(())
}

/// Issues a certificate of that CA; returns its serial number.
async fn issue(scenario: &mut Scenario) -> StepResult<String> {
    pki::issue(scenario, NAME, None).await?;
    let issued = pki::pki(scenario)?.earlier.as_ref();
    let missing = || StepEnd::blocked("Vault issued no certificate");
    Ok(issued.ok_or_else(missing)?.serial())
}

impl Stage for Pki {
    async fn set(self, scenario: &mut Scenario, pki: &str) -> StepResult<Act> {
        match self {
            Self::Enable => Ok(Act::enable_pki(&scenario.path_of(pki), LONGEST)),
            Self::CreateRoot | Self::ImportBundle => {
                pki::make_pki_mount(scenario, pki, true).await?;
                self.on_shared(scenario).await
            }
            Self::CreateIntermediate
            | Self::ListIssuers
            | Self::ReadIssuer
            | Self::CreateRole
            | Self::ListRoles
            | Self::ReadRole
            | Self::DeleteRole
            | Self::Issue
            | Self::Sign
            | Self::Revoke
            | Self::ListCerts
            | Self::ReadCert => {
                make(scenario, pki).await?;
                self.on_shared(scenario).await
            }
        }
    }

    async fn on_shared(self, scenario: &mut Scenario) -> StepResult<Act> {
        let operation = Operation::Pki(self);
        let mount = pki::pki(scenario)?.path.clone();
        let on_mount = |effect| Act::on_pki(operation, &mount, effect);
        let on_role = |effect| Act::on_role(operation, &mount, ROLE, effect);
        Ok(match self {
            Self::Enable => {
                let [_, new] = NEW_MOUNTS;
                Act::enable_pki(&scenario.path_of(new), LONGEST)
            }
            Self::CreateRoot => Act::create_root(&mount, "new-root", "New Root", LONGEST),
            // No policy of the sources has two PKI mounts, so one mount has both CAs.
            Self::CreateIntermediate => {
                let root = (mount.as_str(), ROOT);
                Act::create_intermediate(&mount, "new-intermediate", "New CA", LONGEST, root)
            }
            Self::ImportBundle => pki::importing(scenario, "a CA")?,
            Self::ListIssuers => on_mount(PkiEffect::IssuersListed),
            Self::ReadIssuer => Act::read_issuer(&mount, ROOT),
            Self::CreateRole => {
                let mut settings = strict_role();
                settings.extend(role_settings(DOMAINS)?);
                Act::create_role(&mount, "new-role", settings)
            }
            Self::ListRoles => on_mount(PkiEffect::RolesListed),
            Self::ReadRole => on_role(PkiEffect::RoleShown),
            Self::DeleteRole => on_role(PkiEffect::RoleGone),
            Self::Issue => Act::issue(&mount, ROLE, &pki::pki(scenario)?.wanted),
            Self::Sign => {
                let request = Request::ec(NAME, &[NAME]).map_err(StepEnd::blocked)?;
                let act = Act::sign(&mount, ROLE, NAME, &request.to_pem(), LIFETIME);
                pki_mut(scenario)?.request = Some(request);
                act
            }
            Self::Revoke => {
                let serial = issue(scenario).await?;
                Act::on_certificate(operation, &mount, &serial, PkiEffect::Revoked)
            }
            Self::ListCerts => on_mount(PkiEffect::CertificatesListed),
            Self::ReadCert => {
                let serial = issue(scenario).await?;
                Act::on_certificate(operation, &mount, &serial, PkiEffect::CertificateShown)
            }
        })
    }
}
