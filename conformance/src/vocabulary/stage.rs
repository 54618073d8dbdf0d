//! The stage of an operation: what it is about, made through the oracle, so that any operation can be
//! asked for wherever all of them are.

use super::pki::{ROOT, role_settings};
use crate::{
    act::{
        Act,
        pki::{PkiEffect, Wanted, strict_role},
    },
    certificate::Request,
    scenario::Scenario,
    target::operation::Operation,
    verdict::{StepEnd, StepResult},
    vocabulary::{given, pki},
};

/// The secret that the operations on KV are about, and the folder that it is in.
pub(crate) const SECRET: &str = "myapp/database";
const FOLDER: &str = "myapp";
/// The mounts that operations make on the stage that they share.
pub(crate) const NEW_MOUNTS: [&str; 2] = ["extra", "more"];
/// The role that the operations on PKI are about, what it allows, and a name within that.
const ROLE: &str = "inventory";
const DOMAINS: &str = r#"subdomains of "inventory.internal""#;
const NAME: &str = "prod.inventory.internal";
/// A lifetime within that of the suite's authorities.
const LIFETIME: &str = "72h";
/// The longest lifetime in a PKI mount that the agent enables.
const LONGEST: &str = "2400h";

/// Lets the agent do an operation on what it is about.
///
/// # Errors
/// When Vault refuses.
pub(crate) async fn let_agent_do(scenario: &mut Scenario, operation: Operation) -> StepResult {
    let act = set_stage(scenario, operation, "pki").await?;
    scenario.let_agent(act).await
}

/// Makes what an operation is about, and nothing else, in mounts that are called as the
/// policies of the sources call them.
///
/// # Errors
/// When Vault refuses.
pub(crate) async fn set_stage(
    scenario: &mut Scenario,
    operation: Operation,
    pki: &str,
) -> StepResult<Act> {
    let pki_path = scenario.path_of(pki);
    match operation {
        Operation::MountsList => {
            given::make_mount(scenario, "secret", 2).await?;
            Ok(Act::list_mounts())
        }
        Operation::MountsCreate => Ok(Act::create_mount(scenario.path_of("extra"), 2)),
        Operation::MountsDelete => {
            pki::make_pki_mount(scenario, pki, true).await?;
            Ok(Act::delete_mount(pki_path))
        }
        Operation::PkiEnable => Ok(Act::enable_pki(&pki_path, LONGEST)),
        Operation::PkiCreateRoot => {
            pki::make_pki_mount(scenario, pki, true).await?;
            Ok(Act::create_root(&pki_path, "new-root", "New Root", LONGEST))
        }
        Operation::PkiImportBundle => {
            pki::make_pki_mount(scenario, pki, true).await?;
            pki::importing(scenario, "a CA")
        }
        _ if operation.is_pki() => {
            make_pki_stage(scenario, pki).await?;
            pki_act(scenario, operation).await
        }
        _ => {
            make_kv_stage(scenario).await?;
            kv_act(scenario, operation).await
        }
    }
}

/// A stage on which the agent can do everything, made once for all operations.
pub(crate) async fn make_shared_stage(scenario: &mut Scenario) -> StepResult {
    given::make_mount(scenario, "spare", 2).await?;
    make_pki_stage(scenario, "pki").await?;
    make_kv_stage(scenario).await
}

/// An operation on the stage that is shared.
pub(crate) async fn act_on_shared_stage(
    scenario: &mut Scenario,
    operation: Operation,
) -> StepResult<Act> {
    let pki = pki::pki(scenario)?.path.clone();
    let [kv, more] = NEW_MOUNTS;
    match operation {
        Operation::MountsList => Ok(Act::list_mounts()),
        Operation::MountsCreate => Ok(Act::create_mount(scenario.path_of(kv), 2)),
        Operation::MountsDelete => Ok(Act::delete_mount(scenario.path_of("spare"))),
        Operation::PkiEnable => Ok(Act::enable_pki(&scenario.path_of(more), LONGEST)),
        Operation::PkiCreateRoot => Ok(Act::create_root(&pki, "new-root", "New Root", LONGEST)),
        Operation::PkiImportBundle => pki::importing(scenario, "a CA"),
        _ if operation.is_pki() => pki_act(scenario, operation).await,
        _ => kv_act(scenario, operation).await,
    }
}

/// A secret with two versions.
async fn make_kv_stage(scenario: &mut Scenario) -> StepResult {
    given::make_mount(scenario, "secret", 2).await?;
    for _ in 0..2 {
        given::make_secret(scenario, SECRET, &["username", "password"]).await?;
    }
    Ok(())
}

async fn kv_act(scenario: &mut Scenario, operation: Operation) -> StepResult<Act> {
    let mount = scenario.mount()?.to_owned();
    let act = match operation {
        Operation::KvList => Act::list(&mount, FOLDER),
        Operation::KvListAll => Act::list_all(&mount, FOLDER),
        Operation::KvReadVersion => Act::read_version(&mount, SECRET, 2),
        Operation::KvMetadata => Act::describe(&mount, SECRET),
        Operation::KvWrite => {
            let data = given::random_data(scenario, &["username", "password"], true);
            Act::replace(&mount, SECRET, data)
        }
        Operation::KvWriteKey => {
            let value = scenario.canary("value that the agent writes", true);
            Act::write(&mount, SECRET, "password", &value)
        }
        Operation::KvDelete => Act::delete(&mount, SECRET),
        Operation::KvDeleteKey => Act::delete_key(&mount, SECRET, "username"),
        Operation::KvUndelete => {
            let ended = scenario.oracle.end_version(&mount, "delete", SECRET).await;
            ended.map_err(StepEnd::blocked)?;
            Act::on_version(&mount, operation, SECRET, 1)
        }
        Operation::KvDestroy => Act::on_version(&mount, operation, SECRET, 1),
        Operation::KvPurge => Act::purge(&mount, SECRET),
        _ => Act::read(&mount, SECRET),
    };
    Ok(act)
}

/// An authority with a role.
async fn make_pki_stage(scenario: &mut Scenario, pki: &str) -> StepResult {
    pki::make_authority(scenario, pki).await?;
    pki::make_role(scenario, ROLE, role_settings(DOMAINS)?).await?;
    pki::state::pki_mut(scenario)?.wanted = Wanted {
        common_name: NAME.to_owned(),
        ttl: LIFETIME.to_owned(),
        ..Wanted::default()
    };
    Ok(())
}

/// An operation on it; where it is about a certificate there is one.
async fn pki_act(scenario: &mut Scenario, operation: Operation) -> StepResult<Act> {
    let mount = pki::pki(scenario)?.path.clone();
    let on_role = |effect| Act::on_role(operation, &mount, ROLE, effect);
    Ok(match operation {
        // No policy of the sources speaks of two PKI mounts: one can hold both authorities.
        Operation::PkiCreateIntermediate => {
            let root = (mount.as_str(), ROOT);
            Act::create_intermediate(&mount, "new-intermediate", "New CA", LONGEST, root)
        }
        Operation::PkiReadIssuer => Act::read_issuer(&mount, ROOT),
        Operation::PkiCreateRole => {
            let mut settings = strict_role();
            settings.extend(role_settings(DOMAINS)?);
            Act::create_role(&mount, "new-role", settings)
        }
        Operation::PkiListRoles => Act::on_pki(operation, &mount, PkiEffect::RolesListed),
        Operation::PkiReadRole => on_role(PkiEffect::RoleShown),
        Operation::PkiDeleteRole => on_role(PkiEffect::RoleGone),
        Operation::PkiIssue => Act::issue(&mount, ROLE, &pki::pki(scenario)?.wanted),
        Operation::PkiSign => {
            let request = Request::ec(NAME, &[NAME]).map_err(StepEnd::blocked)?;
            let act = Act::sign(&mount, ROLE, NAME, &request.to_pem(), LIFETIME);
            pki::state::pki_mut(scenario)?.request = Some(request);
            act
        }
        Operation::PkiRevoke | Operation::PkiReadCert => {
            pki::issue(scenario, NAME).await?;
            let issued = pki::pki(scenario)?.earlier.as_ref();
            let missing = || StepEnd::blocked("Vault issued no certificate");
            let serial = issued.ok_or_else(missing)?.serial();
            let effect = match operation {
                Operation::PkiRevoke => PkiEffect::Revoked,
                _ => PkiEffect::CertificateShown,
            };
            Act::on_certificate(operation, &mount, &serial, effect)
        }
        Operation::PkiListCerts => Act::on_pki(operation, &mount, PkiEffect::CertificatesListed),
        _ => Act::on_pki(operation, &mount, PkiEffect::IssuersListed),
    })
}

/// The operation that a feature calls so.
///
/// # Errors
/// Blocked when none is called so.
pub(crate) fn operation(name: &str) -> StepResult<Operation> {
    let unknown = || StepEnd::blocked(format!("no operation is called {name:?}"));
    Operation::named(name).ok_or_else(unknown)
}
