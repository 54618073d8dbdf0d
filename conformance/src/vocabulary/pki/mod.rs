//! PKI in a scenario: what it starts with, what the agent must receive ([`answered`]), the expected effect on Vault
//! ([`effect`]), and how an agent corrects a role ([`repair`]).

pub(crate) mod answered;
pub(crate) mod effect;
pub(crate) mod repair;
pub(crate) mod state;

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};

pub(crate) use self::state::pki;
use self::state::{PkiMount, parsed, pki_mut};
use super::{
    about::{self, contradiction},
    kv::kv,
};
use crate::{
    act::{
        Act,
        pki::{Wanted, strict_role},
    },
    adapter::template,
    certificate::{Bundle, Request},
    engines::{Operation, Pki},
    instance::answer::Arguments,
    scenario::Scenario,
    verdict::{StepEnd, StepResult},
};

/// The maximum lifetime of certificates in the suite's mounts: longer than any scenario requests.
const LONG: &str = "87600h";
/// The name of the issuer that the suite creates.
pub(crate) const ROOT: &str = "root-ca";

/// Creates a PKI mount, with Vault's default maximum lifetime unless `tuned`.
///
/// # Errors
/// If Vault rejects a request. This applies to all functions below.
pub(crate) async fn make_pki_mount(scenario: &mut Scenario, name: &str, tuned: bool) -> StepResult {
    let path = scenario.path_of(name);
    let made = scenario
        .oracle
        .make_pki_mount(&path, tuned.then_some(LONG))
        .await;
    made.map_err(StepEnd::blocked)?;
    turn_to_pki_mount(scenario, name);
    Ok(())
}

/// Makes an existing PKI mount the scenario's mount.
fn turn_to_pki_mount(scenario: &mut Scenario, name: &str) {
    let path = scenario.path_of(name);
    scenario.mount = Some(path.clone());
    scenario.state_mut::<Vec<PkiMount>>().push(PkiMount {
        path,
        ..PkiMount::default()
    });
}

/// Makes the PKI mount with this name, which the agent has just created, the scenario's mount.
///
/// # Errors
/// Blocked if the agent's last act was another.
pub(crate) fn turn_to_agents_pki_mount(scenario: &mut Scenario, name: &str) -> StepResult {
    about::last_on_mount(scenario, name)?;
    about::expect_last_is(scenario, &[Operation::Pki(Pki::Enable)])?;
    turn_to_pki_mount(scenario, name);
    Ok(())
}

/// Creates a PKI mount with a root CA that is valid longer than any certificate.
///
/// # Errors
/// If Vault rejects a request.
pub(crate) async fn make_authority(scenario: &mut Scenario, name: &str) -> StepResult {
    make_pki_mount(scenario, name, true).await?;
    let path = &pki(scenario)?.path;
    let pem = scenario.oracle.make_root(path, ROOT, LONG).await;
    let root = parsed(&pem.map_err(StepEnd::blocked)?)?;
    pki_mut(scenario)?.root = Some(root);
    Ok(())
}

/// Creates a role with these settings, strict in all others. It becomes the scenario's role.
///
/// # Errors
/// If Vault rejects a request.
pub(crate) async fn make_role(
    scenario: &mut Scenario,
    role: &str,
    settings: Map<String, Value>,
) -> StepResult {
    let mut all = strict_role();
    all.extend(settings);
    let path = &pki(scenario)?.path;
    let made = scenario.oracle.make_role(path, role, &all).await;
    made.map_err(StepEnd::blocked)?;
    role.clone_into(&mut pki_mut(scenario)?.role);
    Ok(())
}

/// Issues a certificate with the suite's own token, for later steps of the scenario. Without a TTL, it has the role's.
///
/// # Errors
/// If Vault rejects a request.
pub(crate) async fn issue(
    scenario: &mut Scenario,
    common_name: &str,
    ttl: Option<&str>,
) -> StepResult {
    let pki = pki(scenario)?;
    let issued = scenario
        .oracle
        .issue(&pki.path, &pki.role, common_name, ttl)
        .await;
    let issued = issued.map_err(StepEnd::blocked)?;
    scenario.ledger.remember_keys(&issued.to_string(), false);
    let certificate = parsed(&issued["certificate"].to_string())?;
    pki_mut(scenario)?.earlier = Some(certificate);
    Ok(())
}

/// Lets the agent request a certificate.
///
/// # Errors
/// Not applicable if the target offers no argument for this.
pub(crate) async fn let_agent_ask_for(scenario: &mut Scenario, wanted: Wanted) -> StepResult {
    let (names, addresses) = (&wanted.alt_names, &wanted.ip_sans);
    for (parameter, needed) in [
        ("alt_names", !names.is_empty()),
        ("ip_sans", !addresses.is_empty()),
        ("ttl", !wanted.ttl.is_empty()),
    ] {
        if needed {
            requires(scenario, Operation::Pki(Pki::Issue), parameter)?;
        }
    }
    let pki = pki_mut(scenario)?;
    let act = Act::issue(&pki.path, &pki.role, &wanted);
    pki.wanted = wanted;
    scenario.let_agent(act).await
}

/// Lets the agent request a certificate for a new key of its own.
///
/// # Errors
/// If the request cannot be made.
pub(crate) async fn let_agent_sign_new(
    scenario: &mut Scenario,
    common_name: &str,
    ttl: &str,
) -> StepResult {
    let request = Request::ec(common_name, &[common_name]).map_err(StepEnd::blocked)?;
    let_agent_sign(scenario, request, common_name, ttl).await
}

/// Lets the agent request a certificate for the key of a CSR.
///
/// # Errors
/// If the scenario has no PKI mount.
pub(crate) async fn let_agent_sign(
    scenario: &mut Scenario,
    request: Request,
    common_name: &str,
    ttl: &str,
) -> StepResult {
    let pki = pki_mut(scenario)?;
    let act = Act::sign(&pki.path, &pki.role, common_name, &request.to_pem(), ttl);
    pki.request = Some(request);
    pki.wanted = Wanted {
        common_name: common_name.to_owned(),
        ttl: ttl.to_owned(),
        ..Wanted::default()
    };
    scenario.let_agent(act).await
}

/// Lets the agent request a signature on a CSR that Vault must not sign.
///
/// # Errors
/// If the CSR cannot be made.
pub(crate) async fn let_agent_sign_rubbish(scenario: &mut Scenario, what: &str) -> StepResult {
    const NAME: &str = "weak.example.com";
    let pem = match what {
        "a broken request" => Request::ec(NAME, &[NAME]).map(|request| request.damaged()),
        _ => Request::weak().map(|request| request.to_pem()),
    };
    let pki = pki(scenario)?;
    let act = Act::sign(
        &pki.path,
        &pki.role,
        NAME,
        &pem.map_err(StepEnd::blocked)?,
        "72h",
    );
    scenario.let_agent(act).await
}

/// Lets the agent import a CA that was made elsewhere, complete or incomplete (`half of a CA`).
///
/// # Errors
/// If the CA cannot be made.
pub(crate) async fn let_agent_import(scenario: &mut Scenario, what: &str) -> StepResult {
    let act = importing(scenario, what)?;
    scenario.let_agent(act).await
}

/// The act of importing a CA that was made elsewhere, complete or incomplete.
pub(super) fn importing(scenario: &mut Scenario, what: &str) -> StepResult<Act> {
    let bundle = Bundle::new("Old Root").map_err(StepEnd::blocked)?;
    let mut pem = format!("{}{}", bundle.certificate, bundle.key.expose_secret());
    scenario.ledger.remember_keys(&pem, false);
    if what == "half of a CA" {
        pem.truncate(bundle.certificate.len() / 2);
        pem += bundle.key.expose_secret();
    }
    Ok(Act::import_bundle(&pki(scenario)?.path, &pem))
}

/// Lets the agent create a role with these settings, strict in all others.
///
/// # Errors
/// Not applicable if the adapter has no argument for one of these settings.
pub(crate) async fn let_agent_make_role(
    scenario: &mut Scenario,
    role: &str,
    settings: Map<String, Value>,
) -> StepResult {
    for name in settings.keys() {
        requires(scenario, Operation::Pki(Pki::CreateRole), name)?;
    }
    let mut all = strict_role();
    all.extend(settings);
    let act = Act::create_role(&pki(scenario)?.path, role, all);
    scenario.let_agent(act).await
}

/// Makes an existing role the scenario's role.
///
/// # Errors
/// Blocked if Vault has no such role.
pub(crate) async fn turn_to_role(scenario: &mut Scenario, role: &str) -> StepResult {
    let found = scenario.oracle.role(&pki(scenario)?.path, role).await;
    if found.map_err(StepEnd::blocked)?.is_none() {
        let scenario = "Vault has none in the scenario's PKI mount";
        return Err(contradiction(format!("the role {role:?}"), scenario));
    }
    speak_of_role(scenario, role)
}

/// Makes another role the scenario's role, whether or not it exists.
///
/// # Errors
/// If there is no PKI mount.
pub(crate) fn speak_of_role(scenario: &mut Scenario, role: &str) -> StepResult {
    role.clone_into(&mut pki_mut(scenario)?.role);
    Ok(())
}

/// Lets the agent perform a PKI operation in the KV mount.
///
/// # Errors
/// If there is none.
pub(crate) async fn let_agent_misplace(scenario: &mut Scenario, what: &str) -> StepResult {
    let mount = &kv(scenario)?.path;
    let act = match what {
        "creates a role" => {
            let mut settings = strict_role();
            settings.insert("allowed_domains".to_owned(), json!(["shop.example"]));
            Act::create_role(mount, "web", settings)
        }
        "creates a root CA" => Act::create_root(mount, "root-ca", "Misplaced Root", "2400h"),
        _ => {
            let wanted = Wanted {
                common_name: "pay.shop.example".to_owned(),
                ttl: "72h".to_owned(),
                ..Wanted::default()
            };
            Act::issue(mount, "web", &wanted)
        }
    };
    scenario.let_agent(act).await
}

/// Whether the adapter has an argument for a parameter.
#[must_use]
pub(crate) fn sends(scenario: &Scenario, operation: Operation, parameter: &str) -> bool {
    let mapping = scenario.target.adapter.operations.get(&operation);
    mapping.is_some_and(|mapping| {
        template::texts(&mapping.arguments)
            .into_iter()
            .flat_map(template::placeholders)
            .any(|sent| sent == parameter)
    })
}

/// Checks that the adapter has an argument for a parameter that the scenario needs.
///
/// # Errors
/// Not applicable if it has none.
pub(crate) fn requires(scenario: &Scenario, operation: Operation, parameter: &str) -> StepResult {
    if sends(scenario, operation, parameter) {
        return Ok(());
    }
    Err(StepEnd::not_claimed(format!(
        "the adapter has no argument for the {parameter} of {operation}"
    )))
}

/// Lets the agent create a role with only the arguments that the tool's schema requires.
///
/// # Errors
/// Not applicable if the schema does not list them.
pub(crate) async fn let_agent_make_bare_role(scenario: &mut Scenario, role: &str) -> StepResult {
    let mut settings = strict_role();
    // Some servers require domains.
    settings.insert("allowed_domains".to_owned(), json!(["shop.example"]));
    let act = Act::create_role(&pki(scenario)?.path, role, settings);
    role.clone_into(&mut pki_mut(scenario)?.role);
    scenario.let_agent_with(act, Arguments::RequiredOnly).await
}

/// The settings of a role from the words of a scenario.
///
/// # Errors
/// If the words are unknown.
pub(crate) fn role_settings(text: &str) -> StepResult<Map<String, Value>> {
    let mut settings = Map::new();
    for part in text.split(" and ") {
        let quoted = part.split('"').nth(1).unwrap_or_default();
        let domains: Vec<_> = quoted.split(", ").filter(|name| !name.is_empty()).collect();
        let number = || {
            let digits: String = part.chars().filter(char::is_ascii_digit).collect();
            digits.parse::<u64>().unwrap_or_default()
        };
        let words = part.split('"').next().unwrap_or_default().trim();
        let flag = match words {
            "the domains" => None,
            "subdomains of" => Some("allow_subdomains"),
            "the bare domain" => Some("allow_bare_domains"),
            "the glob" => Some("allow_glob_domains"),
            "any name" => Some("allow_any_name"),
            "IP addresses" => Some("allow_ip_sans"),
            _ => {
                let (name, value) = match part.split(' ').next() {
                    Some("RSA") => ("key_type", json!("rsa")),
                    Some("EC") => ("key_type", json!("ec")),
                    Some("at") => ("max_ttl", json!(format!("{}h", number()))),
                    Some("usually") => ("ttl", json!(format!("{}h", number()))),
                    _ => return Err(StepEnd::blocked(format!("no role allows {part:?}"))),
                };
                settings.insert(name.to_owned(), value);
                if name == "key_type" {
                    settings.insert("key_bits".to_owned(), json!(number()));
                }
                continue;
            }
        };
        if !domains.is_empty() {
            settings.insert("allowed_domains".to_owned(), json!(domains));
        }
        if let Some(flag) = flag {
            settings.insert(flag.to_owned(), json!(true));
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::role_settings;

    #[test]
    fn settings_are_read_from_the_words_of_a_scenario() {
        for (text, settings) in [
            (
                r#"the domains "a.example, b.example""#,
                json!({ "allowed_domains": ["a.example", "b.example"] }),
            ),
            (
                r#"subdomains of "a.example" and IP addresses"#,
                json!({ "allowed_domains": ["a.example"], "allow_subdomains": true, "allow_ip_sans": true }),
            ),
            (
                "any name and RSA keys of 3072 bits and at most 720 hours and usually 72 hours",
                json!({ "allow_any_name": true, "key_type": "rsa", "key_bits": 3072, "max_ttl": "720h", "ttl": "72h" }),
            ),
        ] {
            assert_eq!(json!(role_settings(text).unwrap()), settings, "{text}");
        }
        assert!(role_settings("everything").is_err());
    }
}
