//! The correction of a role in a scenario: its fault, the agent of [`crate::repair`] with the target's tools, and what
//! the role must and must not allow afterwards.

use std::time::Duration;

use rand::RngExt as _;
use serde_json::{Map, Value, json};

use super::{
    Scenario,
    state::{lasts, same},
};
use crate::{
    act::{
        Act,
        pki::{PkiEffect, Wanted, strict_role},
    },
    certificate::{Request, duration},
    engines::{Operation, Pki},
    instance::answer::Answer,
    repair::{self, CertificateAsked, Impossible, MAX_CALLS, Refusal},
    verdict::{StepEnd, StepResult},
    vocabulary::{about::contradiction, pki, unchanged},
};

/// The maximum lifetime of certificates of a role with a fault, which a correction must keep.
const MAX_TTL: &str = "720h";
/// A domain for which no scenario requests a certificate.
const ELSEWHERE: &str = "elsewhere.example";
/// The faults of a role because of which a certificate's name is rejected.
const FAULTS: [&str; 4] = [
    "allows another domain",
    "does not allow subdomains",
    "allows only what is below it",
    "does not exist",
];

/// The settings, besides a strict role's, of a role with a fault; `None` if the role does not exist.
fn faulty(fault: &str, name: &str) -> StepResult<Option<Map<String, Value>>> {
    let parent = name.split_once('.').map_or(name, |(_, parent)| parent);
    let (domain, more) = match fault {
        "does not exist" => return Ok(None),
        "allows another domain" => (ELSEWHERE, json!({ "allow_subdomains": true })),
        "does not allow subdomains" => (parent, json!({})),
        "allows only what is below it" => (name, json!({ "allow_subdomains": true })),
        "does not allow addresses" | "allows it" => (parent, json!({ "allow_subdomains": true })),
        "is for keys of another type" => (
            parent,
            json!({ "allow_subdomains": true, "key_type": "rsa", "key_bits": 2048 }),
        ),
        _ => {
            return Err(StepEnd::blocked(format!(
                "the step does not support {fault:?}"
            )));
        }
    };
    let mut settings = more.as_object().cloned().unwrap_or_default();
    settings.insert("allowed_domains".to_owned(), json!([domain]));
    settings.insert("max_ttl".to_owned(), json!(MAX_TTL));
    Ok(Some(settings))
}

/// Creates a role that should allow a name, but has a fault, named by these words, that prevents it.
///
/// # Errors
/// If the words are unknown, or Vault rejects a request. This applies to all functions below.
pub(crate) async fn make_faulty_role(
    scenario: &mut Scenario,
    role: &str,
    name: &str,
    fault: &str,
) -> StepResult {
    make_role_or_none(scenario, role, faulty(fault, name)?).await?;
    pki::state::pki_mut(scenario)?.repair.allows = Some(name.to_owned());
    Ok(())
}

async fn make_role_or_none(
    scenario: &mut Scenario,
    role: &str,
    settings: Option<Map<String, Value>>,
) -> StepResult {
    match settings {
        Some(settings) => pki::make_role(scenario, role, settings).await?,
        None => pki::speak_of_role(scenario, role)?,
    }
    let path = &pki::pki(scenario)?.path;
    let before = scenario
        .oracle
        .role(path, role)
        .await
        .map_err(StepEnd::blocked)?;
    pki::state::pki_mut(scenario)?.repair.before = before;
    Ok(())
}

fn maps(scenario: &Scenario, operation: Operation) -> bool {
    scenario.target.adapter.operations.contains_key(&operation)
}

fn one_of<T: Copy>(scenario: &mut Scenario, several: &[T]) -> T {
    several[scenario.random.random_range(0..several.len())]
}

/// A random word, as a label of a DNS name or as the name of a role.
fn label(scenario: &mut Scenario) -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let length = scenario.random.random_range(0..12);
    let letters: String = (0..length)
        .map(|_| char::from(one_of(scenario, LETTERS)))
        .collect();
    format!("n{letters}")
}

/// A random DNS name whose domain is deep enough to belong to one owner.
fn name(scenario: &mut Scenario) -> String {
    let depth = scenario.random.random_range(3..=5);
    let labels: Vec<_> = (0..depth).map(|_| label(scenario)).collect();
    labels.join(".")
}

/// Draws a certificate and a role that does not allow it, for one reason or for two. It only uses what the target lets
/// an agent request and correct.
///
/// # Errors
/// If Vault rejects a request.
pub(crate) async fn draw_faulty_role(scenario: &mut Scenario) -> StepResult {
    let settles = |setting| pki::sends(scenario, Operation::Pki(Pki::CreateRole), setting);
    let mut second = vec!["nothing else"];
    if pki::sends(scenario, Operation::Pki(Pki::Issue), "ip_sans") && settles("allow_ip_sans") {
        second.push("an address");
    }
    if pki::sends(scenario, Operation::Pki(Pki::Issue), "alt_names") {
        second.push("another name");
    }
    if maps(scenario, Operation::Pki(Pki::Sign)) && settles("key_type") && settles("key_bits") {
        second.push("a key of its own");
    }
    let second = one_of(scenario, &second);
    let fault = match scenario.random.random_range(0..=FAULTS.len()) {
        beyond if beyond == FAULTS.len() && second != "nothing else" => "allows it",
        index => FAULTS[index % FAULTS.len()],
    };
    let (role, name) = (label(scenario), name(scenario));
    let mut settings = faulty(fault, &name)?;
    let mut wanted = Wanted {
        ttl: format!("{}h", scenario.random.random_range(1..=720)),
        ..Wanted::default()
    };
    let mut drawn = format!("the role {role} that {fault}, for {name} and {second}");
    match second {
        "an address" => {
            let last: u8 = scenario.random.random_range(1..255);
            wanted.ip_sans.push(format!("192.0.2.{last}"));
        }
        "another name" => wanted.alt_names.push(self::name(scenario)),
        "a key of its own" => {
            let (own, kind, bits) = one_of(
                scenario,
                &[
                    (Request::ec as fn(_, &[_]) -> _, "rsa", 2048),
                    (Request::ec, "ec", 384),
                    (Request::rsa, "ec", 256),
                    (Request::rsa, "rsa", 4096),
                ],
            );
            let request = own(&name, &[&name]).map_err(StepEnd::blocked)?;
            drawn = format!(
                "{drawn} ({}), of a role for {kind} {bits}",
                request.key_kind()
            );
            pki::state::pki_mut(scenario)?.request = Some(request);
            if let Some(settings) = &mut settings {
                settings.insert("key_type".to_owned(), json!(kind));
                settings.insert("key_bits".to_owned(), json!(bits));
            }
        }
        _ => {}
    }
    wanted.common_name = name;
    make_role_or_none(scenario, &role, settings).await?;
    let repair = &mut pki::state::pki_mut(scenario)?.repair;
    (repair.drawn, repair.wanted) = (drawn, wanted);
    Ok(())
}

/// Lets the agent request the certificate that was drawn.
///
/// # Errors
/// If none was drawn.
pub(crate) async fn let_agent_ask_for_drawn(scenario: &mut Scenario) -> StepResult {
    let pki = pki::pki(scenario)?;
    let (wanted, request) = (pki.repair.wanted.clone(), pki.request.clone());
    match request {
        Some(request) => {
            let (name, ttl) = (&wanted.common_name, &wanted.ttl);
            pki::let_agent_sign(scenario, request, name, ttl).await
        }
        None => pki::let_agent_ask_for(scenario, wanted).await,
    }
}

/// Lets the agent correct the role from the error that it has just received, and from nothing else.
///
/// # Errors
/// If the error is not sufficient, or the role cannot be created. Not applicable if the target does not offer the
/// necessary setting. Blocked if the role should allow another name.
pub(crate) async fn let_agent_repair(scenario: &mut Scenario) -> StepResult {
    let error = crate::vocabulary::answered::expect_error(scenario)?.to_owned();
    let asking = scenario.last()?.act.clone();
    let repair = &mut pki::state::pki_mut(scenario)?.repair;
    let asked = asking.text("common_name");
    if let Some(allows) = repair.allows.as_ref().filter(|allows| *allows != asked) {
        let scenario = format!("the role should allow {allows:?}");
        return Err(contradiction(
            format!("a certificate for {asked:?}"),
            scenario,
        ));
    }
    (repair.asking, repair.calls) = (Some(asking), 1);
    put_right(scenario, &error).await
}

/// Lets the agent request the certificate again, and correct the role as long as it may make calls.
///
/// # Errors
/// If the certificate is still refused at the end.
pub(crate) async fn let_agent_ask_again(scenario: &mut Scenario) -> StepResult {
    let missing = || StepEnd::blocked("the agent has requested nothing yet");
    let asking = pki::pki(scenario)?
        .repair
        .asking
        .clone()
        .ok_or_else(missing)?;
    loop {
        let_repairer(scenario, asking.clone()).await?;
        let Answer::Error(error) = &scenario.last()?.answer else {
            return Ok(());
        };
        let error = error.clone();
        // The correction and the new request are two more calls.
        if pki::pki(scenario)?.repair.calls + 2 > MAX_CALLS {
            // If the role differs from what the agent created, this is a better explanation than the refusal.
            if let Some(made) = pki::pki(scenario)?.repair.made.clone() {
                pki::effect::expect_role_of(scenario, &made).await?;
            }
            let demanded = format!("a certificate in {MAX_CALLS} calls{}", drawn(scenario)?);
            return Err(scenario.failed(demanded, &format!("still an error: {error}")));
        }
        put_right(scenario, &error).await?;
    }
}

async fn let_repairer(scenario: &mut Scenario, act: Act) -> StepResult {
    pki::state::pki_mut(scenario)?.repair.calls += 1;
    scenario.let_agent(act).await
}

fn drawn(scenario: &Scenario) -> StepResult<String> {
    let drawn = &pki::pki(scenario)?.repair.drawn;
    Ok(match drawn.is_empty() {
        true => String::new(),
        false => format!(", of {drawn}"),
    })
}

async fn put_right(scenario: &mut Scenario, error: &str) -> StepResult {
    let asked = asked(scenario)?;
    if pki::pki(scenario)?.repair.known.is_none() {
        look_at_role(scenario, error).await?;
    }
    let pki = pki::pki(scenario)?;
    let (operation, known) = (Operation::Pki(Pki::CreateRole), pki.repair.known.as_ref());
    let offered: Vec<_> = operation
        .parameters()
        .iter()
        .copied()
        .filter(|setting| pki::sends(scenario, operation, setting))
        .collect();
    let settings = match repair::put_right(error, known, &asked, &offered) {
        Ok(settings) => settings,
        Err(why @ Impossible::NotOffered(_)) => {
            return Err(StepEnd::not_claimed(format!(
                "{why}: the adapter has no argument for it"
            )));
        }
        Err(why) => {
            let demanded = format!("an error with Vault's own reason{}", drawn(scenario)?);
            return Err(scenario.failed(demanded, &format!("{why}: {error}")));
        }
    };
    let act = Act::create_role(&pki.path, &pki.role, settings.clone());
    let_repairer(scenario, act.clone()).await?;
    if let Answer::Error(_) | Answer::Nothing(_) = &scenario.last()?.answer {
        let demanded = format!("the role can be created again{}", drawn(scenario)?);
        return Err(scenario.failed(demanded, &scenario.last()?.answer.describe()));
    }
    let repair = &mut pki::state::pki_mut(scenario)?.repair;
    (repair.known, repair.made) = (Some(settings), Some(act));
    Ok(())
}

/// Lets the agent read the role, if the target shows it and the error does not say that it does not exist.
async fn look_at_role(scenario: &mut Scenario, error: &str) -> StepResult {
    let refusals = Refusal::all_in(error);
    let missing = |refusal: &Refusal| matches!(refusal, Refusal::UnknownRole(_));
    let read = Operation::Pki(Pki::ReadRole);
    if refusals.is_empty() || refusals.iter().any(missing) || !maps(scenario, read) {
        return Ok(());
    }
    let pki = pki::pki(scenario)?;
    let act = Act::on_role(read, &pki.path, &pki.role, PkiEffect::RoleShown);
    let_repairer(scenario, act).await?;
    if let Answer::Success(success) = &scenario.last()?.answer
        && !success.facts.is_empty()
    {
        let told = success.facts.clone();
        let repair = &mut pki::state::pki_mut(scenario)?.repair;
        repair.known = Some(repair::settings_told(&told));
        repair.shown = told.into_iter().map(|(name, _)| name).collect();
    }
    Ok(())
}

fn asked(scenario: &Scenario) -> StepResult<CertificateAsked> {
    let pki = pki::pki(scenario)?;
    let signs = pki.repair.asking.as_ref();
    let signs = signs.is_some_and(|act| act.operation == Operation::Pki(Pki::Sign));
    let wanted = &pki.wanted;
    let mut names = vec![wanted.common_name.clone()];
    names.extend(wanted.alt_names.iter().cloned());
    Ok(CertificateAsked {
        role: pki.role.clone(),
        names,
        addresses: !wanted.ip_sans.is_empty(),
        ttl: wanted.ttl.clone(),
        key: pki
            .request
            .as_ref()
            .filter(|_| signs)
            .map(Request::key_kind),
    })
}

/// The target must have refused what Vault itself rejects, and Vault must be unchanged.
///
/// # Errors
/// If not; blocked if Vault does not reject it.
pub(crate) async fn expect_refused(scenario: &mut Scenario) -> StepResult {
    crate::vocabulary::answered::expect_error(scenario)?;
    crate::vocabulary::pki::answered::vaults_refusal(scenario).await?;
    unchanged::expect_unchanged(scenario, false).await
}

/// The certificate must be exactly as requested, including its lifetime.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_certificate_as_asked(scenario: &Scenario) -> StepResult {
    crate::vocabulary::answered::expect_success(scenario)?;
    crate::vocabulary::pki::answered::expect_certificate_verifies(scenario)?;
    crate::vocabulary::pki::answered::expect_names_on_certificate(scenario)?;
    crate::vocabulary::pki::answered::expect_own_key(scenario)?;
    let certificate = crate::vocabulary::pki::answered::certificate_given(scenario)?;
    let asked = duration(scenario.last()?.act.text("ttl")).unwrap_or(Duration::ZERO);
    if lasts(&certificate, asked) {
        return Ok(());
    }
    let demanded = format!("a certificate that lasts {} h", asked.as_secs() / 3600);
    Err(scenario.failed(demanded, &certificate.to_string()))
}

/// The role must have all settings that the agent gave it. It must have kept its earlier settings, and must allow only
/// these and the request. The suite requests certificates from Vault that the role must not allow.
///
/// # Errors
/// When it is not so.
pub(crate) async fn expect_least_role(scenario: &mut Scenario) -> StepResult {
    let pki = pki::pki(scenario)?;
    let missing = || StepEnd::blocked("the agent has corrected no role");
    let made = pki.repair.made.clone().ok_or_else(missing)?;
    pki::effect::expect_role_of(scenario, &made).await?;
    let role = scenario.oracle.role(&pki.path, &pki.role).await;
    let role = role.map_err(StepEnd::blocked)?.unwrap_or_default();
    for setting in Operation::Pki(Pki::ReadRole).facts() {
        expect_least(scenario, setting, &role[*setting])?;
    }
    expect_strangers_refused(scenario).await
}

fn expect_least(scenario: &Scenario, setting: &str, now: &Value) -> StepResult {
    let (repair, asked) = (&pki::pki(scenario)?.repair, asked(scenario)?);
    let sent = pki::sends(scenario, Operation::Pki(Pki::CreateRole), setting);
    // A setting that the target does not accept has Vault's default, except for the permission of all names.
    if !sent && setting != "allow_any_name" {
        return Ok(());
    }
    let strict = strict_role();
    let before = repair.before.as_ref().and_then(|role| role.get(setting));
    let kept = repair.shown.iter().any(|shown| shown == setting);
    let was = before.unwrap_or(&strict[setting]);
    if is_least(setting, (was, now), kept, &asked) {
        return Ok(());
    }
    let demanded = format!(
        "a role that keeps its {setting}, {was}, and adds only what was requested{}",
        drawn(scenario)?
    );
    Err(scenario.failed(demanded, &format!("{setting} is {now}")))
}

/// With the role as it is now, Vault must not issue certificates for names of other domains, or for addresses if none
/// were requested.
async fn expect_strangers_refused(scenario: &mut Scenario) -> StepResult {
    let asked = asked(scenario)?;
    let own = asked.names.first().map(String::as_str).unwrap_or_default();
    let stranger = label(scenario);
    let grandparent = own.splitn(3, '.').nth(2).unwrap_or("example");
    let mut strangers = vec![
        json!({ "common_name": format!("{stranger}.example") }),
        json!({ "common_name": format!("{stranger}.{grandparent}") }),
    ];
    if !asked.addresses && pki::sends(scenario, Operation::Pki(Pki::CreateRole), "allow_ip_sans") {
        strangers.push(json!({ "common_name": own, "ip_sans": "192.0.2.1" }));
    }
    let pki = pki::pki(scenario)?;
    for wanted in strangers {
        let issues = scenario.oracle.issues(&pki.path, &pki.role, &wanted).await;
        if issues.map_err(StepEnd::blocked)? {
            let demanded = format!(
                "a role that allows what was requested, but not {wanted}{}",
                drawn(scenario)?
            );
            return Err(scenario.failed(demanded, "Vault issues the certificate"));
        }
    }
    Ok(())
}

/// Whether a setting of a corrected role allows no more than before and what was requested, and, if the agent could
/// know it, no less than before.
fn is_least(
    setting: &str,
    (was, now): (&Value, &Value),
    known: bool,
    asked: &CertificateAsked,
) -> bool {
    match setting {
        "allowed_domains" => {
            let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
            let (was, now) = (list(was), list(now));
            let own: Vec<_> = asked.names.iter().flat_map(|name| around(name)).collect();
            now.iter()
                .all(|domain| was.contains(domain) || own.contains(domain))
                && (!known || was.iter().all(|domain| now.contains(domain)))
        }
        "allow_any_name" => now == was || *now == json!(false),
        "allow_ip_sans" => now == was || asked.addresses,
        // With a domain of its own, each flag may be what permits the name.
        "allow_subdomains" | "allow_bare_domains" | "allow_glob_domains" => {
            !known || *now == json!(true) || *was == json!(false)
        }
        "key_type" | "key_bits" => !known || asked.key.is_some() || same(was, now),
        _ => !known || same(was, now),
    }
}

/// What a role for a name may list: the name, its domain, and the names of that domain.
fn around(name: &str) -> Vec<Value> {
    let parent = name.split_once('.').map_or(name, |(_, parent)| parent);
    vec![json!(name), json!(parent), json!(format!("*.{parent}"))]
}

#[cfg(test)]
mod tests {
    use super::let_agent_repair;
    use crate::vocabulary::{
        pki,
        rehearsal::{pretend, rehearsal},
    };
    use serde_json::json;

    use super::{FAULTS, faulty, is_least};
    use crate::{
        act::{Act, pki::Wanted},
        repair::CertificateAsked,
        verdict::StepEnd,
    };

    const NAME: &str = "api.prod.inventory.internal";

    #[test]
    fn every_fault_that_is_drawn_is_one_that_a_scenario_can_word() {
        for fault in FAULTS {
            assert!(faulty(fault, NAME).is_ok(), "{fault}");
        }
        assert!(faulty("is too old", NAME).is_err());
    }

    #[tokio::test]
    async fn a_certificate_for_another_name_than_the_role_should_allow_is_a_contradiction() {
        let mut scenario = rehearsal();
        pki::turn_to_pki_mount(&mut scenario, "pki");
        pki::state::pki_mut(&mut scenario).unwrap().repair.allows = Some(NAME.to_owned());
        let wanted = Wanted {
            common_name: "other.example".to_owned(),
            ..Wanted::default()
        };
        let act = Act::issue(&scenario.path_of("pki"), "web", &wanted);
        pretend(&mut scenario, act);
        let expected = format!(
            "the step is about a certificate for \"other.example\", but the role should allow {NAME:?}"
        );
        let stop = let_agent_repair(&mut scenario).await;
        assert_eq!(stop, Err(StepEnd::blocked(expected)));
    }

    #[test]
    fn a_role_that_allows_more_or_less_than_it_should_is_noticed() {
        let asked = CertificateAsked {
            role: "inventory".to_owned(),
            names: vec![NAME.to_owned()],
            addresses: false,
            ttl: "72h".to_owned(),
            key: None,
        };
        for (setting, was, now, right) in [
            ("allowed_domains", json!(["a"]), json!(["a", NAME]), true),
            (
                "allowed_domains",
                json!(["a"]),
                json!(["a", "*.prod.inventory.internal"]),
                true,
            ),
            ("allowed_domains", json!(["a"]), json!([NAME]), false),
            ("allowed_domains", json!(["a"]), json!(["a", "b"]), false),
            ("allowed_domains", json!(null), json!(["internal"]), false),
            ("allow_any_name", json!(false), json!(true), false),
            ("allow_any_name", json!(true), json!(true), true),
            ("allow_ip_sans", json!(false), json!(true), false),
            ("allow_subdomains", json!(false), json!(true), true),
            ("allow_subdomains", json!(true), json!(false), false),
            ("key_type", json!("ec"), json!("rsa"), false),
            ("max_ttl", json!(2_592_000), json!(0), false),
            ("max_ttl", json!("720h"), json!(2_592_000), true),
        ] {
            let least = is_least(setting, (&was, &now), true, &asked);
            assert_eq!(least, right, "{setting} from {was} to {now}");
        }
        let unknown = is_least("max_ttl", (&json!(60), &json!(0)), false, &asked);
        assert!(unknown, "the agent could not know it");
    }
}
