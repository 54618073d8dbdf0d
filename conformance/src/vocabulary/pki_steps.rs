//! Steps about PKI mounts: issuers, roles, certificates.

use cucumber::{given, then, when};

use super::pki::role_settings;
use crate::{
    act::{
        Act,
        pki::{PkiEffect, Wanted},
    },
    engines::{Operation, Pki},
    verdict::StepResult,
    vocabulary::{
        about,
        pki::{self, answered, repair},
    },
    world::World,
};

#[given(expr = "a PKI mount {string} with a root CA")]
async fn a_mount_with_a_root(world: &mut World, name: String) -> StepResult {
    pki::make_authority(world.scenario()?, &name).await
}

#[given(regex = r#"^the role "([^"]+)" that allows (.+)$"#)]
async fn a_role(world: &mut World, role: String, text: String) -> StepResult {
    let settings = role_settings(&text)?;
    pki::make_role(world.scenario()?, &role, settings).await
}

// Mounts and issuers.

#[when(expr = "the agent enables PKI at {string} for certificates of up to {int} hours")]
async fn enables(world: &mut World, name: String, hours: u32) -> StepResult {
    let scenario = world.scenario()?;
    let act = Act::enable_pki(&scenario.path_of(&name), &format!("{hours}h"));
    scenario.let_agent(act).await
}

#[when(
    expr = "the agent creates a root CA {string} with the common name {string} valid for {int} hours"
)]
async fn makes_a_root(world: &mut World, issuer: String, name: String, hours: u32) -> StepResult {
    let scenario = world.scenario()?;
    let act = Act::create_root(
        &pki::pki(scenario)?.path,
        &issuer,
        &name,
        &format!("{hours}h"),
    );
    scenario.let_agent(act).await
}

#[when(regex = "^the agent lists the (issuers|roles|certificates)$")]
async fn lists(world: &mut World, what: String) -> StepResult {
    let (operation, effect) = match what.as_str() {
        "issuers" => (Operation::Pki(Pki::ListIssuers), PkiEffect::IssuersListed),
        "roles" => (Operation::Pki(Pki::ListRoles), PkiEffect::RolesListed),
        _ => (
            Operation::Pki(Pki::ListCerts),
            PkiEffect::CertificatesListed,
        ),
    };
    let scenario = world.scenario()?;
    let act = Act::on_pki(operation, &pki::pki(scenario)?.path, effect);
    scenario.let_agent(act).await
}

// Roles.

#[when(regex = r#"^the agent creates the role "([^"]+)" that allows (.+)$"#)]
async fn makes_a_role(world: &mut World, role: String, text: String) -> StepResult {
    let scenario = world.scenario()?;
    let settings = role_settings(&text)?;
    pki::let_agent_make_role(scenario, &role, settings).await
}

#[when(expr = "the agent reads the role {string}")]
async fn looks_at_a_role(world: &mut World, role: String) -> StepResult {
    let scenario = world.scenario()?;
    let (read, path) = (
        Operation::Pki(Pki::ReadRole),
        pki::pki(scenario)?.path.clone(),
    );
    let act = Act::on_role(read, &path, &role, PkiEffect::RoleShown);
    scenario.let_agent(act).await
}

// Certificates.

#[when(expr = "the agent requests a certificate for {string} valid for {int} hours")]
async fn asks_for_a_certificate(world: &mut World, name: String, hours: u32) -> StepResult {
    let wanted = Wanted {
        common_name: name,
        ttl: format!("{hours}h"),
        ..Wanted::default()
    };
    pki::let_agent_ask_for(world.scenario()?, wanted).await
}

#[when(expr = "the agent submits a certificate signing request for {string} valid for {int} hours")]
async fn signs(world: &mut World, name: String, hours: u32) -> StepResult {
    pki::let_agent_sign_new(world.scenario()?, &name, &format!("{hours}h")).await
}

// Correcting a role.

#[given(regex = r#"^the role "([^"]+)" that should allow "([^"]+)" but (.+)$"#)]
async fn a_faulty_role(world: &mut World, role: String, name: String, fault: String) -> StepResult {
    let scenario = world.scenario()?;
    repair::make_faulty_role(scenario, &role, &name, &fault).await
}

#[then("the server refuses the request, as Vault itself refuses it")]
async fn refused(world: &mut World) -> StepResult {
    repair::expect_refused(world.scenario()?).await
}

#[when("the agent repairs the role using only what the server returned")]
async fn repairs(world: &mut World) -> StepResult {
    repair::let_agent_repair(world.scenario()?).await
}

#[when("the agent requests the same certificate again")]
async fn asks_again(world: &mut World) -> StepResult {
    repair::let_agent_ask_again(world.scenario()?).await
}

#[then("the certificate verifies against the mount's CA and has the requested lifetime")]
fn certificate_as_asked(world: &mut World) -> StepResult {
    repair::expect_certificate_as_asked(world.scenario()?)
}

#[then("the role allows what it allowed before and what was requested, and nothing else")]
async fn least_role(world: &mut World) -> StepResult {
    repair::expect_least_role(world.scenario()?).await
}

// Expectations.

#[then("the server returns the certificate with its chain, its serial number and its private key")]
fn complete(world: &mut World) -> StepResult {
    let scenario = world.scenario()?;
    about::expect_last_is(scenario, &[Operation::Pki(Pki::Issue)])?;
    answered::expect_own_key(scenario)?;
    answered::expect_complete(scenario)
}

#[then(expr = "the error names {string}")]
fn names_argument(world: &mut World, word: String) -> StepResult {
    answered::expect_error_names(world.scenario()?, &[word])
}
