//! The expected effect on PKI mounts in Vault after the agent has acted.

use serde_json::{Map, Value};

use super::{
    PkiMount, Scenario,
    answered::{expect_lifetime, subject},
    state::same,
};
use crate::{
    act::{Act, pki::PkiEffect},
    certificate::{Certificate, RevocationList, duration},
    engines::{Operation, Pki},
    instance::answer::Answer,
    vault::pki::Issuer,
    verdict::{StepEnd, StepResult},
    vocabulary::{pki, unchanged},
};

pub(crate) async fn expect_pki(scenario: &mut Scenario, effect: &PkiEffect) -> StepResult {
    match effect {
        PkiEffect::Enabled => expect_enabled(scenario).await,
        PkiEffect::IssuerMade => expect_issuer(scenario).await,
        PkiEffect::IssuersListed => {
            crate::vocabulary::pki::answered::expect_issuers_listed(scenario).await
        }
        PkiEffect::IssuerShown => {
            crate::vocabulary::pki::answered::expect_issuer_shown(scenario).await
        }
        PkiEffect::RoleMade => expect_role_of(scenario, &scenario.last()?.act).await,
        PkiEffect::RolesListed => {
            crate::vocabulary::pki::answered::expect_roles_listed(scenario).await
        }
        PkiEffect::RoleShown => crate::vocabulary::pki::answered::expect_role_shown(scenario).await,
        PkiEffect::RoleGone => expect_no_role(scenario).await,
        PkiEffect::Certified => {
            crate::vocabulary::pki::answered::expect_certificate_verifies(scenario)?;
            crate::vocabulary::pki::answered::expect_names_on_certificate(scenario)?;
            crate::vocabulary::pki::answered::expect_lifetime_as_asked(scenario)?;
            crate::vocabulary::pki::answered::expect_own_key(scenario)
        }
        PkiEffect::Revoked => expect_revoked(scenario).await,
        PkiEffect::CertificatesListed => {
            crate::vocabulary::pki::answered::expect_certificates_listed(scenario).await
        }
        PkiEffect::CertificateShown => {
            crate::vocabulary::pki::answered::expect_certificate_shown(scenario).await
        }
    }
}

async fn expect_enabled(scenario: &Scenario) -> StepResult {
    let act = &scenario.last()?.act;
    let mount = act.text("mount");
    let mounts = scenario.oracle.mounts().await.map_err(StepEnd::blocked)?;
    let kind = mounts.get(mount).and_then(|about| about["type"].as_str());
    if kind != Some("pki") {
        let seen = kind.map_or("no mount there".to_owned(), |kind| {
            format!("a {kind} mount there")
        });
        return Err(scenario.failed(format!("a pki mount at {mount}"), &seen));
    }
    if !pki::sends(scenario, Operation::Pki(Pki::Enable), "max_ttl") {
        return Ok(());
    }
    let asked = duration(act.text("max_ttl")).unwrap_or_default().as_secs();
    let has = scenario
        .oracle
        .max_ttl(mount)
        .await
        .map_err(StepEnd::blocked)?;
    if has == asked {
        return Ok(());
    }
    let demanded = format!("certificates of {mount} may last {asked} s");
    Err(scenario.failed(demanded, &format!("{has} s")))
}

/// The issuers that were added to the mount since before the last act.
async fn new_issuers(scenario: &Scenario) -> StepResult<Vec<Issuer>> {
    let deed = scenario.last()?;
    let mount = deed.act.text("mount");
    let issuers = scenario
        .oracle
        .issuers(mount)
        .await
        .map_err(StepEnd::blocked)?;
    let known = |issuer: &Issuer| {
        let place = format!("{mount}:issuers/{}", issuer.id);
        deed.before.contains_key(&place)
    };
    Ok(issuers
        .into_iter()
        .filter(|issuer| !known(issuer))
        .collect())
}

/// The certificate of the new issuer. Other new issuers may lead from it to the root, so that its chain is complete.
async fn new_issuer_certificate(scenario: &Scenario) -> StepResult<(Issuer, Certificate)> {
    let mount = scenario.last()?.act.text("mount");
    let roots: Vec<_> = (scenario.state::<Vec<PkiMount>>().iter())
        .filter_map(|pki| pki.root.as_ref())
        .collect();
    let mut certified = Vec::new();
    for issuer in new_issuers(scenario).await? {
        let pem = scenario.oracle.issuer_certificate(mount, &issuer.id).await;
        let certificate = Certificate::first_in(&pem.map_err(StepEnd::blocked)?);
        let own = certificate.filter(|certificate| !roots.contains(&certificate));
        certified.extend(own.map(|certificate| (issuer, certificate)));
    }
    match certified.len() {
        1 => Ok(certified.remove(0)),
        count => {
            let demanded = format!("one new issuer with a certificate in {mount}");
            Err(scenario.failed(demanded, &format!("{count} of them")))
        }
    }
}

async fn expect_issuer(scenario: &mut Scenario) -> StepResult {
    let (_, certificate) = new_issuer_certificate(scenario).await?;
    let act = &scenario.last()?.act;
    if !certificate.is_ca() {
        return Err(scenario.failed("the certificate of an authority", &certificate.to_string()));
    }
    if act.operation == Operation::Pki(Pki::ImportBundle) {
        let bundle = act.text("bundle");
        let imported = Certificate::first_in(bundle);
        if imported.as_ref() == Some(&certificate) {
            return Ok(());
        }
        return Err(scenario.failed("the certificate of the bundle", &certificate.to_string()));
    }
    let name = act.text("common_name");
    if certificate.common_name() != Some(name) {
        let demanded = format!("an authority with the common name {name}");
        return Err(scenario.failed(demanded, &certificate.to_string()));
    }
    let signer = match act.operation == Operation::Pki(Pki::CreateIntermediate) {
        true => {
            let (mount, issuer) = (act.text("root_mount"), act.text("root_issuer"));
            let pem = scenario.oracle.issuer_certificate(mount, issuer).await;
            super::parsed(&pem.map_err(StepEnd::blocked)?)?
        }
        false => certificate.clone(),
    };
    if !certificate.signed_by(&signer) {
        let demanded = format!("a certificate that {signer} has signed");
        return Err(scenario.failed(demanded, &certificate.to_string()));
    }
    expect_lifetime(scenario, &certificate)?;
    // Certificates issued in this mount from now on are verified against it.
    let own = act.operation == Operation::Pki(Pki::CreateRoot)
        && act.text("mount") == pki::pki(scenario)?.path;
    if own && pki::pki(scenario)?.root.is_none() {
        pki::state::pki_mut(scenario)?.root = Some(certificate);
    }
    Ok(())
}

/// The requested CA must exist as requested, or the agent must have been informed that it does not.
///
/// # Errors
/// If neither is the case.
pub(crate) async fn expect_issuer_or_word(scenario: &mut Scenario) -> StepResult {
    match scenario.last()?.answer {
        Answer::Success(_) => expect_issuer(scenario).await,
        _ => crate::vocabulary::answered::expect_error(scenario).map(drop),
    }
}

/// An existing role must be as the agent requested; or it must be unchanged, and the agent must have received an error.
///
/// # Errors
/// If neither is the case.
pub(crate) async fn expect_role_or_word(scenario: &Scenario) -> StepResult {
    match scenario.last()?.answer {
        Answer::Success(_) => expect_role_of(scenario, &scenario.last()?.act).await,
        _ => {
            crate::vocabulary::answered::expect_error(scenario)?;
            unchanged::expect_unchanged(scenario, false).await
        }
    }
}

/// Vault must have the role that the agent created.
///
/// # Errors
/// If this is not the case.
pub(crate) async fn expect_role_there(scenario: &Scenario) -> StepResult {
    match role(scenario).await? {
        Some(_) => Ok(()),
        None => Err(scenario.failed("Vault has the role", "there is none")),
    }
}

/// The new issuer must have the requested name.
///
/// # Errors
/// If it has another one.
pub(crate) async fn expect_issuer_named(scenario: &Scenario) -> StepResult {
    let act = &scenario.last()?.act;
    pki::requires(scenario, act.operation, "issuer")?;
    let (issuer, _) = new_issuer_certificate(scenario).await?;
    let wanted = act.text("issuer");
    if issuer.name == wanted {
        return Ok(());
    }
    let demanded = format!("an issuer with the name {wanted:?}");
    Err(scenario.failed(demanded, &format!("the name {:?}", issuer.name)))
}

async fn role(scenario: &Scenario) -> StepResult<Option<Map<String, Value>>> {
    role_of(scenario, &scenario.last()?.act).await
}

async fn role_of(scenario: &Scenario, act: &Act) -> StepResult<Option<Map<String, Value>>> {
    let role = scenario
        .oracle
        .role(act.text("mount"), act.text("role"))
        .await;
    role.map_err(StepEnd::blocked)
}

/// The role in Vault must have all settings that the target received for it.
pub(super) async fn expect_role_of(scenario: &Scenario, act: &Act) -> StepResult {
    let Some(role) = role_of(scenario, act).await? else {
        let demanded = format!("Vault has the role {}", act.text("role"));
        return Err(scenario.failed(demanded, "there is none"));
    };
    for (name, sent) in &act.parameters {
        let told = !["mount", "role"].contains(&name.as_str()) && sent != "";
        if told
            && pki::sends(scenario, Operation::Pki(Pki::CreateRole), name)
            && !same(sent, &role[name])
        {
            let demanded = format!("the role's {name} is {sent}");
            return Err(scenario.failed(demanded, &role[name].to_string()));
        }
    }
    Ok(())
}

/// A role that was created with few settings must not allow every name.
///
/// # Errors
/// If this is not the case.
pub(crate) async fn expect_safe_role(scenario: &Scenario) -> StepResult {
    let role = role(scenario).await?.unwrap_or_default();
    if role.get("allow_any_name") == Some(&Value::Bool(true)) {
        let demanded = "a role without allow_any_name does not allow any name";
        return Err(scenario.failed(demanded, "allow_any_name is true"));
    }
    Ok(())
}

async fn expect_no_role(scenario: &Scenario) -> StepResult {
    match role(scenario).await? {
        None => Ok(()),
        Some(_) => Err(scenario.failed("the role is gone", "Vault still has it")),
    }
}

async fn expect_revoked(scenario: &Scenario) -> StepResult {
    let act = &scenario.last()?.act;
    let mount = act.text("mount");
    let certificate = subject(scenario).await?;
    let list = scenario.oracle.revocation_list(mount).await;
    let list = RevocationList::first_in(&list.map_err(StepEnd::blocked)?);
    let unreadable = || StepEnd::blocked("Vault's revocation list cannot be read");
    if list.ok_or_else(unreadable)?.lists(&certificate) {
        return Ok(());
    }
    let demanded = format!("{certificate} is on the mount's revocation list");
    Err(scenario.failed(demanded, "it is not"))
}
