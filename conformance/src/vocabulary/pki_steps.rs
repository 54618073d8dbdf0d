//! Steps about PKI mounts: issuers, roles, certificates.

use cucumber::{given, then, when};

use super::pki::{ROOT, role_settings};
use crate::{
    act::{
        Act,
        pki::{PkiEffect, Wanted},
    },
    target::operation::Operation,
    verdict::{StepEnd, StepResult},
    vocabulary::{
        about,
        pki::{self, answered, effect, repair},
    },
    world::World,
};

#[given(expr = "a PKI mount {string}")]
async fn a_mount(world: &mut World, name: String) -> StepResult {
    pki::make_pki_mount(world.scenario()?, &name, true).await
}

#[given(expr = "the PKI mount {string} that the agent has made")]
fn the_agents_mount(world: &mut World, name: String) -> StepResult {
    pki::turn_to_agents_pki_mount(world.scenario()?, &name)
}

#[given(expr = "a PKI mount {string} whose certificates may last as long as Vault's usually do")]
async fn an_untuned_mount(world: &mut World, name: String) -> StepResult {
    pki::make_pki_mount(world.scenario()?, &name, false).await
}

#[given(expr = "a PKI mount {string} with a root CA")]
async fn a_mount_with_a_root(world: &mut World, name: String) -> StepResult {
    pki::make_authority(world.scenario()?, &name).await
}

#[given(regex = r#"^the role "([^"]+)" that allows (.+)$"#)]
async fn a_role(world: &mut World, role: String, text: String) -> StepResult {
    let settings = role_settings(&text)?;
    pki::make_role(world.scenario()?, &role, settings).await
}

#[given(expr = "the role {string}")]
async fn the_role(world: &mut World, role: String) -> StepResult {
    pki::turn_to_role(world.scenario()?, &role).await
}

#[given(expr = "a certificate for {string}")]
async fn a_certificate(world: &mut World, name: String) -> StepResult {
    pki::issue(world.scenario()?, &name).await
}

// Mounts and issuers.

#[when(expr = "the agent enables PKI at {string} for certificates of up to {int} hours")]
async fn enables(world: &mut World, name: String, hours: u32) -> StepResult {
    let scenario = world.scenario()?;
    let act = Act::enable_pki(&scenario.path_of(&name), &format!("{hours}h"));
    scenario.let_agent(act).await
}

#[when(expr = "the agent enables PKI at {string} for certificates of up to {string}")]
async fn enables_for(world: &mut World, name: String, ttl: String) -> StepResult {
    let scenario = world.scenario()?;
    pki::requires(scenario, Operation::PkiEnable, "max_ttl")?;
    let act = Act::enable_pki(&scenario.path_of(&name), &ttl);
    scenario.let_agent(act).await
}

#[when(expr = "the agent makes a root CA {string} called {string} for {int} hours")]
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

#[when(expr = "the agent makes a root CA that takes the name {string}")]
async fn takes_a_name(world: &mut World, issuer: String) -> StepResult {
    let scenario = world.scenario()?;
    pki::requires(scenario, Operation::PkiCreateRoot, "issuer")?;
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

#[when(regex = "^the agent lists the (issuers|roles|certificates)$")]
async fn lists(world: &mut World, what: String) -> StepResult {
    let (operation, effect) = match what.as_str() {
        "issuers" => (Operation::PkiListIssuers, PkiEffect::IssuersListed),
        "roles" => (Operation::PkiListRoles, PkiEffect::RolesListed),
        _ => (Operation::PkiListCerts, PkiEffect::CertificatesListed),
    };
    let scenario = world.scenario()?;
    let act = Act::on_pki(operation, &pki::pki(scenario)?.path, effect);
    scenario.let_agent(act).await
}

#[when(expr = "the agent looks at the issuer {string}")]
async fn looks_at_an_issuer(world: &mut World, issuer: String) -> StepResult {
    let scenario = world.scenario()?;
    let act = Act::read_issuer(&pki::pki(scenario)?.path, &issuer);
    scenario.let_agent(act).await
}

// Roles.

#[when(regex = r#"^the agent makes the role "([^"]+)" that allows (.+)$"#)]
async fn makes_a_role(world: &mut World, role: String, text: String) -> StepResult {
    let scenario = world.scenario()?;
    let settings = role_settings(&text)?;
    pki::let_agent_make_role(scenario, &role, settings).await
}

#[when(expr = "the agent makes the role {string} and says nothing else")]
async fn makes_a_bare_role(world: &mut World, role: String) -> StepResult {
    pki::let_agent_make_bare_role(world.scenario()?, &role).await
}

#[when(expr = "the agent looks at the role {string}")]
async fn looks_at_a_role(world: &mut World, role: String) -> StepResult {
    let scenario = world.scenario()?;
    let (read, path) = (Operation::PkiReadRole, pki::pki(scenario)?.path.clone());
    let act = Act::on_role(read, &path, &role, PkiEffect::RoleShown);
    scenario.let_agent(act).await
}

#[when(expr = "the agent deletes the role {string}")]
async fn deletes_a_role(world: &mut World, role: String) -> StepResult {
    let scenario = world.scenario()?;
    let (delete, path) = (Operation::PkiDeleteRole, pki::pki(scenario)?.path.clone());
    let act = Act::on_role(delete, &path, &role, PkiEffect::RoleGone);
    scenario.let_agent(act).await
}

// Certificates.

#[when(expr = "the agent asks for a certificate for {string} for {int} hours")]
async fn asks_for_a_certificate(world: &mut World, name: String, hours: u32) -> StepResult {
    let wanted = Wanted {
        common_name: name,
        ttl: format!("{hours}h"),
        ..Wanted::default()
    };
    pki::let_agent_ask_for(world.scenario()?, wanted).await
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

#[when(expr = "the agent has its own key certified for {string} for {int} hours")]
async fn signs(world: &mut World, name: String, hours: u32) -> StepResult {
    pki::let_agent_sign_new(world.scenario()?, &name, &format!("{hours}h")).await
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
        "revokes" => (Operation::PkiRevoke, PkiEffect::Revoked),
        _ => (Operation::PkiReadCert, PkiEffect::CertificateShown),
    };
    let act = Act::on_certificate(operation, &pki::pki(scenario)?.path, &serial, effect);
    scenario.let_agent(act).await
}

#[when(regex = r#"^the agent (revokes|looks at) a certificate with the serial number "([^"]+)"$"#)]
async fn on_a_serial(world: &mut World, what: String, serial: String) -> StepResult {
    let scenario = world.scenario()?;
    let (operation, effect) = match what.as_str() {
        "revokes" => (Operation::PkiRevoke, PkiEffect::Revoked),
        _ => (Operation::PkiReadCert, PkiEffect::CertificateShown),
    };
    let act = Act::on_certificate(operation, &pki::pki(scenario)?.path, &serial, effect);
    scenario.let_agent(act).await
}

// Putting a role right.

#[given(regex = r#"^the role "([^"]+)" that should allow "([^"]+)" but (.+)$"#)]
async fn a_faulty_role(world: &mut World, role: String, name: String, fault: String) -> StepResult {
    let scenario = world.scenario()?;
    repair::make_faulty_role(scenario, &role, &name, &fault).await
}

#[given("a role that should allow a certificate but does not, both drawn at random")]
async fn a_drawn_role(world: &mut World) -> StepResult {
    repair::draw_faulty_role(world.scenario()?).await
}

#[when("the agent asks for that certificate")]
async fn asks_for_drawn(world: &mut World) -> StepResult {
    repair::let_agent_ask_for_drawn(world.scenario()?).await
}

#[then("it is refused, as Vault itself would refuse it")]
async fn refused(world: &mut World) -> StepResult {
    repair::expect_refused(world.scenario()?).await
}

#[when("the agent repairs the role from that error alone")]
async fn repairs(world: &mut World) -> StepResult {
    repair::let_agent_repair(world.scenario()?).await
}

#[when("asks for the same certificate again")]
async fn asks_again(world: &mut World) -> StepResult {
    repair::let_agent_ask_again(world.scenario()?).await
}

#[then("the certificate verifies against the mount's CA and lasts as long as was asked")]
fn certificate_as_asked(world: &mut World) -> StepResult {
    repair::expect_certificate_as_asked(world.scenario()?)
}

#[then("the role allows what it did, what was asked for, and nothing else")]
async fn least_role(world: &mut World) -> StepResult {
    repair::expect_least_role(world.scenario()?).await
}

// What must be seen.

#[then("Vault has the authority as asked, or the agent is told that it is not")]
async fn issuer_or_word(world: &mut World) -> StepResult {
    let scenario = world.scenario()?;
    pki::requires(scenario, Operation::PkiCreateRoot, "ttl")?;
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
    about::expect_last_is(scenario, &[Operation::PkiIssue])?;
    answered::expect_own_key(scenario)
}

#[then("it is for the key of the request")]
fn key_of_request(world: &mut World) -> StepResult {
    let scenario = world.scenario()?;
    about::expect_last_is(scenario, &[Operation::PkiSign])?;
    answered::expect_own_key(scenario)
}

#[then("it comes with its chain, its serial number and its key")]
fn complete(world: &mut World) -> StepResult {
    let scenario = world.scenario()?;
    about::expect_last_is(scenario, &[Operation::PkiIssue])?;
    answered::expect_own_key(scenario)?;
    answered::expect_complete(scenario)
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

#[then(expr = "the error names {string}")]
fn names_argument(world: &mut World, word: String) -> StepResult {
    answered::expect_error_names(world.scenario()?, &[word])
}
