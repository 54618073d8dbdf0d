//! Steps about PKI mounts that no other profile uses.

use cucumber::{given, then, when};

use super::expired;
use crate::{
    act::{
        Act,
        pki::{PkiEffect, Wanted},
    },
    engines::{Operation, Pki},
    verdict::{StepEnd, StepResult},
    vocabulary::{
        about,
        pki::{self, ROOT, answered, effect, repair},
    },
    world::World,
};

#[given(expr = "a PKI mount {string}")]
async fn a_mount(world: &mut World, name: String) -> StepResult {
    pki::make_pki_mount(world.scenario()?, &name, true).await
}

#[given(expr = "a PKI mount {string} with Vault's default maximum TTL")]
async fn an_untuned_mount(world: &mut World, name: String) -> StepResult {
    pki::make_pki_mount(world.scenario()?, &name, false).await
}

#[given(expr = "a certificate for {string}")]
async fn a_certificate(world: &mut World, name: String) -> StepResult {
    pki::issue(world.scenario()?, &name, None).await
}

#[given(expr = "a certificate for {string} that has expired")]
async fn an_expired_certificate(world: &mut World, name: String) -> StepResult {
    let scenario = world.scenario()?;
    pki::issue(scenario, &name, Some("1s")).await?;
    expired::wait_for_end(scenario).await
}

#[then("the server does not report that the certificate was revoked")]
fn not_told_as_revoked(world: &mut World) -> StepResult {
    expired::expect_not_told_as_revoked(world.scenario()?)
}

#[when(expr = "the agent enables PKI at {string} for certificates of up to {string}")]
async fn enables_for(world: &mut World, name: String, ttl: String) -> StepResult {
    let scenario = world.scenario()?;
    pki::requires(scenario, Operation::Pki(Pki::Enable), "max_ttl")?;
    let act = Act::enable_pki(&scenario.path_of(&name), &ttl);
    scenario.let_agent(act).await
}

#[when(expr = "the agent creates a root CA with the issuer name {string}")]
async fn takes_a_name(world: &mut World, issuer: String) -> StepResult {
    let scenario = world.scenario()?;
    pki::requires(scenario, Operation::Pki(Pki::CreateRoot), "issuer")?;
    let act = Act::create_root(&pki::pki(scenario)?.path, &issuer, "Internal Root", "2400h");
    scenario.let_agent(act).await
}

#[when(
    expr = "the agent creates an intermediate CA {string} with the common name {string} valid for {int} hours in the mount {string}, signed by the root CA"
)]
async fn makes_an_intermediate(
    world: &mut World,
    issuer: String,
    name: String,
    hours: u32,
    mount: String,
) -> StepResult {
    let scenario = world.scenario()?;
    let root = pki::pki(scenario)?.path.clone();
    let act = Act::create_intermediate(
        &scenario.path_of(&mount),
        &issuer,
        &name,
        &format!("{hours}h"),
        (&root, ROOT),
    );
    scenario.let_agent(act).await
}

#[when(regex = "^the agent imports (a CA|half of a CA)$")]
async fn imports(world: &mut World, what: String) -> StepResult {
    pki::let_agent_import(world.scenario()?, &what).await
}

#[when(
    regex = "^the agent (creates a role|creates a root CA|requests a certificate) in the KV mount$"
)]
async fn misplaces(world: &mut World, what: String) -> StepResult {
    pki::let_agent_misplace(world.scenario()?, &what).await
}

#[when(expr = "the agent reads the issuer {string}")]
async fn looks_at_an_issuer(world: &mut World, issuer: String) -> StepResult {
    let scenario = world.scenario()?;
    let act = Act::read_issuer(&pki::pki(scenario)?.path, &issuer);
    scenario.let_agent(act).await
}

#[when(expr = "the agent creates the role {string} with only the required arguments")]
async fn makes_a_bare_role(world: &mut World, role: String) -> StepResult {
    pki::let_agent_make_bare_role(world.scenario()?, &role).await
}

#[when(expr = "the agent deletes the role {string}")]
async fn deletes_a_role(world: &mut World, role: String) -> StepResult {
    let scenario = world.scenario()?;
    let (delete, path) = (
        Operation::Pki(Pki::DeleteRole),
        pki::pki(scenario)?.path.clone(),
    );
    let act = Act::on_role(delete, &path, &role, PkiEffect::RoleGone);
    scenario.let_agent(act).await
}

#[when(expr = "the agent requests a certificate for {string} with the TTL {string}")]
async fn asks_for_a_lifetime(world: &mut World, name: String, ttl: String) -> StepResult {
    let wanted = Wanted {
        common_name: name,
        ttl,
        ..Wanted::default()
    };
    pki::let_agent_ask_for(world.scenario()?, wanted).await
}

#[when(
    regex = r#"^the agent requests a certificate for "([^"]+)" and (the name|the address) "([^"]+)"$"#
)]
async fn asks_for_more(world: &mut World, name: String, kind: String, more: String) -> StepResult {
    let mut wanted = Wanted {
        common_name: name,
        ttl: "72h".to_owned(),
        ..Wanted::default()
    };
    match kind.as_str() {
        "the name" => wanted.alt_names.push(more),
        _ => wanted.ip_sans.push(more),
    }
    pki::let_agent_ask_for(world.scenario()?, wanted).await
}

#[when(expr = "the agent requests a certificate for {string} from the role {string}")]
async fn asks_another_role(world: &mut World, name: String, role: String) -> StepResult {
    let scenario = world.scenario()?;
    pki::speak_of_role(scenario, &role)?;
    let wanted = Wanted {
        common_name: name,
        ttl: "72h".to_owned(),
        ..Wanted::default()
    };
    pki::let_agent_ask_for(scenario, wanted).await
}

#[when(regex = "^the agent submits (a broken request|a request for a weak key) for signing$")]
async fn signs_rubbish(world: &mut World, what: String) -> StepResult {
    pki::let_agent_sign_rubbish(world.scenario()?, &what).await
}

#[when(regex = "^the agent (revokes|reads) the certificate$")]
async fn on_the_certificate(world: &mut World, what: String) -> StepResult {
    let scenario = world.scenario()?;
    let earlier = pki::pki(scenario)?.earlier.as_ref();
    let missing = || StepEnd::blocked("the scenario made no certificate");
    let serial = earlier.ok_or_else(missing)?.serial();
    let (operation, effect) = match what.as_str() {
        "revokes" => (Operation::Pki(Pki::Revoke), PkiEffect::Revoked),
        _ => (Operation::Pki(Pki::ReadCert), PkiEffect::CertificateShown),
    };
    let act = Act::on_certificate(operation, &pki::pki(scenario)?.path, &serial, effect);
    scenario.let_agent(act).await
}

#[when(regex = r#"^the agent (revokes|reads) a certificate with the serial number "([^"]+)"$"#)]
async fn on_a_serial(world: &mut World, what: String, serial: String) -> StepResult {
    let scenario = world.scenario()?;
    let (operation, effect) = match what.as_str() {
        "revokes" => (Operation::Pki(Pki::Revoke), PkiEffect::Revoked),
        _ => (Operation::Pki(Pki::ReadCert), PkiEffect::CertificateShown),
    };
    let act = Act::on_certificate(operation, &pki::pki(scenario)?.path, &serial, effect);
    scenario.let_agent(act).await
}

#[given("a random certificate request and a random role that wrongly refuses it")]
async fn a_drawn_role(world: &mut World) -> StepResult {
    repair::draw_faulty_role(world.scenario()?).await
}

#[when("the agent requests that certificate")]
async fn asks_for_drawn(world: &mut World) -> StepResult {
    repair::let_agent_ask_for_drawn(world.scenario()?).await
}

#[then("Vault has the root CA as requested, or the server reports an error or the actual lifetime")]
async fn issuer_or_word(world: &mut World) -> StepResult {
    let scenario = world.scenario()?;
    pki::requires(scenario, Operation::Pki(Pki::CreateRoot), "ttl")?;
    effect::expect_issuer_or_word(scenario).await
}

#[then("Vault has the role as requested, or the server reports an error and changes nothing")]
async fn role_or_word(world: &mut World) -> StepResult {
    effect::expect_role_or_word(world.scenario()?).await
}

#[then("Vault has the role")]
async fn role_there(world: &mut World) -> StepResult {
    effect::expect_role_there(world.scenario()?).await
}

#[then("the new issuer has the requested name")]
async fn issuer_named(world: &mut World) -> StepResult {
    effect::expect_issuer_named(world.scenario()?).await
}

#[then("the role does not allow every name")]
async fn safe_role(world: &mut World) -> StepResult {
    effect::expect_safe_role(world.scenario()?).await
}

#[then("the server returns a certificate signed by the mount's CA")]
fn verifies(world: &mut World) -> StepResult {
    answered::expect_certificate_verifies(world.scenario()?)
}

#[then("the certificate contains every requested name and address")]
fn names(world: &mut World) -> StepResult {
    answered::expect_names_on_certificate(world.scenario()?)
}

#[then("the certificate has the requested lifetime, or the server reports the actual lifetime")]
fn lifetime(world: &mut World) -> StepResult {
    answered::expect_lifetime_as_asked(world.scenario()?)
}

#[then(
    "the certificate has the requested lifetime, or the server reports an error or the actual lifetime"
)]
fn lifetime_or_word(world: &mut World) -> StepResult {
    answered::expect_lifetime_or_word(world.scenario()?)
}

#[then("the certificate matches the returned private key")]
fn own_key(world: &mut World) -> StepResult {
    let scenario = world.scenario()?;
    about::expect_last_is(scenario, &[Operation::Pki(Pki::Issue)])?;
    answered::expect_own_key(scenario)
}

#[then("the certificate matches the key of the signing request")]
fn key_of_request(world: &mut World) -> StepResult {
    let scenario = world.scenario()?;
    about::expect_last_is(scenario, &[Operation::Pki(Pki::Sign)])?;
    answered::expect_own_key(scenario)
}

#[then("the private key appears in exactly one message of the server and in no log")]
fn key_seen_once(world: &mut World) -> StepResult {
    answered::expect_keys_seen_once(world.scenario()?)
}

#[then("the server reports Vault's reason for refusing the request")]
async fn vaults_words(world: &mut World) -> StepResult {
    answered::expect_vaults_refusal(world.scenario()?).await
}

#[then("the error names the role and the mount, or the argument")]
fn names_role_and_mount(world: &mut World) -> StepResult {
    let scenario = world.scenario()?;
    let argument = ["common_name".to_owned()];
    if answered::expect_error_names(scenario, &argument).is_ok() {
        return Ok(());
    }
    let pki = pki::pki(scenario)?;
    let words = [pki.role.clone(), pki.path.clone()];
    answered::expect_error_names(scenario, &words)
}
