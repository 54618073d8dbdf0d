//! Steps about PKI mounts that no other profile uses.

use cucumber::{given, then, when};

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

#[given(expr = "a PKI mount {string} whose certificates may last as long as Vault's usually do")]
async fn an_untuned_mount(world: &mut World, name: String) -> StepResult {
    pki::make_pki_mount(world.scenario()?, &name, false).await
}

#[given(expr = "a certificate for {string}")]
async fn a_certificate(world: &mut World, name: String) -> StepResult {
    pki::issue(world.scenario()?, &name).await
}

#[when(expr = "the agent enables PKI at {string} for certificates of up to {string}")]
async fn enables_for(world: &mut World, name: String, ttl: String) -> StepResult {
    let scenario = world.scenario()?;
    pki::requires(scenario, Operation::Pki(Pki::Enable), "max_ttl")?;
    let act = Act::enable_pki(&scenario.path_of(&name), &ttl);
    scenario.let_agent(act).await
}

#[when(expr = "the agent makes a root CA that takes the name {string}")]
async fn takes_a_name(world: &mut World, issuer: String) -> StepResult {
    let scenario = world.scenario()?;
    pki::requires(scenario, Operation::Pki(Pki::CreateRoot), "issuer")?;
    let act = Act::create_root(&pki::pki(scenario)?.path, &issuer, "Internal Root", "2400h");
    scenario.let_agent(act).await
}

#[when(
    expr = "the agent makes an intermediate CA {string} called {string} for {int} hours in the mount {string}, signed by the root CA"
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

#[when(regex = "^the agent (makes a role|makes a root CA|asks for a certificate) in the KV mount$")]
async fn misplaces(world: &mut World, what: String) -> StepResult {
    pki::let_agent_misplace(world.scenario()?, &what).await
}

#[when(expr = "the agent looks at the issuer {string}")]
async fn looks_at_an_issuer(world: &mut World, issuer: String) -> StepResult {
    let scenario = world.scenario()?;
    let act = Act::read_issuer(&pki::pki(scenario)?.path, &issuer);
    scenario.let_agent(act).await
}

#[when(expr = "the agent makes the role {string} and says nothing else")]
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

#[when(expr = "the agent asks for a certificate for {string} that lasts {string}")]
async fn asks_for_a_lifetime(world: &mut World, name: String, ttl: String) -> StepResult {
    let wanted = Wanted {
        common_name: name,
        ttl,
        ..Wanted::default()
    };
    pki::let_agent_ask_for(world.scenario()?, wanted).await
}

#[when(
    regex = r#"^the agent asks for a certificate for "([^"]+)" and (the name|the address) "([^"]+)"$"#
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

#[when(expr = "the agent asks for a certificate for {string} from the role {string}")]
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

#[when(regex = "^the agent has (a broken request|a request for a weak key) certified$")]
async fn signs_rubbish(world: &mut World, what: String) -> StepResult {
    pki::let_agent_sign_rubbish(world.scenario()?, &what).await
}

#[when(regex = "^the agent (revokes|looks at) the certificate$")]
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

#[when(regex = r#"^the agent (revokes|looks at) a certificate with the serial number "([^"]+)"$"#)]
async fn on_a_serial(world: &mut World, what: String, serial: String) -> StepResult {
    let scenario = world.scenario()?;
    let (operation, effect) = match what.as_str() {
        "revokes" => (Operation::Pki(Pki::Revoke), PkiEffect::Revoked),
        _ => (Operation::Pki(Pki::ReadCert), PkiEffect::CertificateShown),
    };
    let act = Act::on_certificate(operation, &pki::pki(scenario)?.path, &serial, effect);
    scenario.let_agent(act).await
}

#[given("a role that should allow a certificate but does not, both drawn at random")]
async fn a_drawn_role(world: &mut World) -> StepResult {
    repair::draw_faulty_role(world.scenario()?).await
}

#[when("the agent asks for that certificate")]
async fn asks_for_drawn(world: &mut World) -> StepResult {
    repair::let_agent_ask_for_drawn(world.scenario()?).await
}

#[then("Vault has the authority as asked, or the agent is told that it is not")]
async fn issuer_or_word(world: &mut World) -> StepResult {
    let scenario = world.scenario()?;
    pki::requires(scenario, Operation::Pki(Pki::CreateRoot), "ttl")?;
    effect::expect_issuer_or_word(scenario).await
}

#[then("Vault has the role as asked, or the agent is told that it is not")]
async fn role_or_word(world: &mut World) -> StepResult {
    effect::expect_role_or_word(world.scenario()?).await
}

#[then("Vault has the role")]
async fn role_there(world: &mut World) -> StepResult {
    effect::expect_role_there(world.scenario()?).await
}

#[then("the new issuer has that name")]
async fn issuer_named(world: &mut World) -> StepResult {
    effect::expect_issuer_named(world.scenario()?).await
}

#[then("the role does not allow every name")]
async fn safe_role(world: &mut World) -> StepResult {
    effect::expect_safe_role(world.scenario()?).await
}

#[then("the agent is given a certificate that the mount's CA has signed")]
fn verifies(world: &mut World) -> StepResult {
    answered::expect_certificate_verifies(world.scenario()?)
}

#[then("it is for all that was asked for")]
fn names(world: &mut World) -> StepResult {
    answered::expect_names_on_certificate(world.scenario()?)
}

#[then("it lasts as long as was asked")]
fn lifetime(world: &mut World) -> StepResult {
    answered::expect_lifetime_as_asked(world.scenario()?)
}

#[then("it lasts as long as was asked, or the agent is told that it does not")]
fn lifetime_or_word(world: &mut World) -> StepResult {
    answered::expect_lifetime_or_word(world.scenario()?)
}

#[then("it is for the key that comes with it")]
fn own_key(world: &mut World) -> StepResult {
    let scenario = world.scenario()?;
    about::expect_last_is(scenario, &[Operation::Pki(Pki::Issue)])?;
    answered::expect_own_key(scenario)
}

#[then("it is for the key of the request")]
fn key_of_request(world: &mut World) -> StepResult {
    let scenario = world.scenario()?;
    about::expect_last_is(scenario, &[Operation::Pki(Pki::Sign)])?;
    answered::expect_own_key(scenario)
}

#[then("the key has been seen in the answer that made it and nowhere else")]
fn key_seen_once(world: &mut World) -> StepResult {
    answered::expect_keys_seen_once(world.scenario()?)
}

#[then("the agent is told Vault's own words")]
async fn vaults_words(world: &mut World) -> StepResult {
    answered::expect_vaults_refusal(world.scenario()?).await
}

#[then("the error names the role, the mount and the status")]
fn names_role_and_mount(world: &mut World) -> StepResult {
    let scenario = world.scenario()?;
    let pki = pki::pki(scenario)?;
    let words = [pki.role.clone(), pki.path.clone(), "400".to_owned()];
    answered::expect_error_names(scenario, &words)
}
