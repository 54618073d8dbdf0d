//! What the agent must receive about issuers, roles and certificates.

use std::{collections::BTreeSet, sync::LazyLock};

use regex::Regex;
use serde_json::Value;
use time::OffsetDateTime;
use time::macros::format_description;

use super::{
    Scenario,
    state::{PkiMount, lasts, parsed, same},
};
use crate::{
    certificate::{Certificate, duration, private_keys_in},
    engines::{Operation, Pki},
    instance::answer::{Answer, Data, Success},
    mcp::transcript::Speaker,
    verdict::{StepEnd, StepResult},
    vocabulary::{answered, pki},
};

/// A block of PEM, with plain or escaped line breaks.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static PEM: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?s)-----BEGIN [^-]+-----.*?-----END [^-]+-----").unwrap());

/// Words that mean that a lifetime is shorter than requested.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static SHORTENED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)short|reduc|\bcapp?ed|\bcut\b|limit|truncat|longer than|exceed|clamp|instead of",
    )
    .unwrap()
});

/// The fact to which the adapter points, or the whole answer if the adapter does not point to it.
fn said_of(scenario: &Scenario, fact: &str) -> StepResult<String> {
    let success = answered::expect_success(scenario)?;
    Ok(
        match answered::fact_if_pointed_to(scenario, success, fact)? {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => success.whole.clone(),
        },
    )
}

/// The certificate in the answer.
pub(super) fn certificate_given(scenario: &Scenario) -> StepResult<Certificate> {
    let said = said_of(scenario, "certificate")?;
    let none = || scenario.failed("a certificate in the answer", &format!("a success: {said}"));
    Certificate::first_in(&said).ok_or_else(none)
}

/// The answer's certificate must verify against the CA that the suite made.
///
/// # Errors
/// If it does not, or there is none.
pub(crate) fn expect_certificate_verifies(scenario: &Scenario) -> StepResult {
    let certificate = certificate_given(scenario)?;
    let pki = pki::pki(scenario)?;
    let missing = || StepEnd::blocked("the scenario made no authority");
    let root = pki.root.as_ref().ok_or_else(missing)?;
    let name = scenario.last()?.act.text("common_name");
    let now = time::OffsetDateTime::now_utc();
    let verified = certificate.verify(&[], root, name, now);
    verified.map_err(|why| {
        let demanded = format!("a certificate for {name} that the mount's CA has signed");
        scenario.failed(demanded, &format!("{certificate}: {why}"))
    })
}

/// The answer's certificate must have all requested names and addresses.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_names_on_certificate(scenario: &Scenario) -> StepResult {
    let certificate = certificate_given(scenario)?;
    let wanted = &pki::pki(scenario)?.wanted;
    let names = certificate.dns_names();
    let addresses: BTreeSet<_> = certificate
        .ip_names()
        .iter()
        .map(ToString::to_string)
        .collect();
    let right = certificate.common_name() == Some(wanted.common_name.as_str())
        && wanted.alt_names.iter().all(|name| names.contains(name))
        && wanted.ip_sans.iter().all(|ip| addresses.contains(ip));
    if right {
        return Ok(());
    }
    let demanded = format!(
        "a certificate for {} {} {}",
        wanted.common_name,
        wanted.alt_names.join(" "),
        wanted.ip_sans.join(" ")
    );
    Err(scenario.failed(demanded.trim_end(), &certificate.to_string()))
}

/// The answer's certificate must be valid as long as requested, or the answer must say that it is not.
///
/// # Errors
/// If neither is the case.
pub(crate) fn expect_lifetime_as_asked(scenario: &Scenario) -> StepResult {
    expect_lifetime(scenario, &certificate_given(scenario)?)
}

/// Like [`expect_lifetime_as_asked`], but an error may say so, too.
///
/// # Errors
/// If neither is the case.
pub(crate) fn expect_lifetime_or_word(scenario: &Scenario) -> StepResult {
    match scenario.last()?.answer {
        Answer::Success(_) => expect_lifetime_as_asked(scenario),
        _ => answered::expect_error(scenario).map(drop),
    }
}

/// Whether the answer says how long a certificate is valid, or that this is shorter than requested: in words, or by its
/// end. The certificate itself does not count, since a model cannot read it.
pub(super) fn tells_the_end_of(scenario: &Scenario, certificate: &Certificate) -> StepResult<bool> {
    let whole = match &scenario.last()?.answer {
        Answer::Success(success) => PEM.replace_all(&success.whole, ""),
        Answer::Error(_) => return Ok(true),
        Answer::Nothing(_) => return Ok(false),
    };
    Ok(SHORTENED.is_match(&whole) || tells(&whole, certificate))
}

/// The private key in the answer, or that of the request, must belong to the certificate.
///
/// # Errors
/// If it does not, or there is none.
pub(crate) fn expect_own_key(scenario: &Scenario) -> StepResult {
    let certificate = certificate_given(scenario)?;
    let own = match (
        &scenario.last()?.act.operation,
        &pki::pki(scenario)?.request,
    ) {
        (Operation::Pki(Pki::Sign), Some(request)) => request.is_answered_by(&certificate),
        _ => {
            let said = said_of(scenario, "private_key")?;
            let keys = private_keys_in(&said);
            let none = || scenario.failed("a private key in the answer", "none");
            let key = keys.first().ok_or_else(none)?;
            certificate.holds(key).map_err(StepEnd::blocked)?
        }
    };
    match own {
        true => Ok(()),
        false => Err(scenario.failed("a certificate for its own key", "it is for another key")),
    }
}

/// The answer must contain the certificate, the chain, the serial number and, if it was generated, the key.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_complete(scenario: &Scenario) -> StepResult {
    let certificate = certificate_given(scenario)?;
    let root = pki::pki(scenario)?.root.clone();
    // A chain may end below its root. The signer is then checked elsewhere.
    let whole = &answered::expect_success(scenario)?.whole;
    let given = Certificate::all_in(whole);
    if !given.iter().any(|link| Some(link) == root.as_ref()) {
        return Err(scenario.failed(
            "the chain up to the mount's CA",
            &format!("{} certificates, its own among them", given.len()),
        ));
    }
    let serial = plain_serial(&certificate.serial());
    if !plain_serial(&said_of(scenario, "serial")?).contains(&serial) {
        let demanded = format!("the serial number {}", certificate.serial());
        return Err(scenario.failed(demanded, "another, or none"));
    }
    Ok(())
}

/// Private keys must appear only in the answers that generated them, and in no log.
///
/// # Errors
/// If one appeared elsewhere.
pub(crate) fn expect_keys_seen_once(scenario: &Scenario) -> StepResult {
    let keys = scenario.ledger.matching(|label, _| label == "private key");
    let lines = scenario.connection()?.transcript().lines();
    let seen = lines
        .iter()
        .filter(|line| keys.found_in(&line.text).is_some());
    let elsewhere = seen.clone().find(|line| line.speaker != Speaker::Target);
    match (elsewhere, seen.count()) {
        (Some(line), _) => {
            let seen = format!("it is in a line of the {}", line.speaker.name());
            Err(scenario.failed("the private key in only one answer", &seen))
        }
        (None, 1) => Ok(()),
        (None, count) => {
            let seen = format!("it is in {count} messages");
            Err(scenario.failed("the private key in only one answer", &seen))
        }
    }
}

/// The error must contain the reason for which Vault itself rejects the request.
///
/// # Errors
/// If it does not; blocked if Vault does not reject it.
pub(crate) async fn expect_vaults_refusal(scenario: &Scenario) -> StepResult {
    let reason = vaults_refusal(scenario).await?;
    answered::expect_told_reason(scenario, &reason)
}

/// The reason for which Vault itself rejects the agent's last act.
///
/// # Errors
/// Blocked if Vault does not reject it.
pub(super) async fn vaults_refusal(scenario: &Scenario) -> StepResult<String> {
    let act = scenario.last()?.act.clone();
    let requests = act.operation.requests(&act.parameters, 2);
    let mut refusal = None;
    for request in &requests {
        // If the suite does not know the target's token, it uses its own: PKI rejects both alike.
        let token = scenario.token().map(|token| &token.secret);
        let token = token.unwrap_or_else(|_| scenario.oracle.root_token());
        let answer = scenario.oracle.ask(token, request).await;
        let answer = answer.map_err(StepEnd::blocked)?;
        if !answer.allowed() {
            refusal = answer.body["errors"][0].as_str().map(str::to_owned);
        }
    }
    let none = || StepEnd::blocked("Vault does not reject the same request");
    refusal.ok_or_else(none)
}

/// The error must name these: arguments of the call, or their values.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_error_names(scenario: &Scenario, words: &[String]) -> StepResult {
    let error = answered::expect_error(scenario)?.to_lowercase();
    match words
        .iter()
        .find(|word| !error.contains(&word.to_lowercase()))
    {
        None => Ok(()),
        Some(word) => {
            let demanded = format!("an error that names {word}");
            Err(scenario.failed(demanded, &format!("an error: {error}")))
        }
    }
}

fn names_given(success: &Success) -> BTreeSet<String> {
    let trimmed = |name: &str| name.trim_matches('/').to_owned();
    success
        .items
        .iter()
        .map(|item| trimmed(&item.name))
        .collect()
}

fn expect_set(scenario: &Scenario, expected: &BTreeSet<String>) -> StepResult {
    let given = names_given(answered::expect_success(scenario)?);
    expect_given_set(scenario, &given, expected)
}

/// Prose must contain all of them; an empty list may be described in any words.
fn expect_given_set(
    scenario: &Scenario,
    given: &BTreeSet<String>,
    expected: &BTreeSet<String>,
) -> StepResult {
    let success = answered::expect_success(scenario)?;
    let prose = |text: &str| expected.iter().all(|name| text.contains(name.as_str()));
    let right = match &success.data {
        Data::Prose(text) => prose(text),
        Data::Json(_) => given == expected,
        Data::Unusable(_) => expected.is_empty(),
    };
    if right {
        return Ok(());
    }
    let list = |names: &BTreeSet<String>| match names.len() {
        0 => "none".to_owned(),
        _ => names.iter().cloned().collect::<Vec<_>>().join(", "),
    };
    let answer = &scenario.last()?.answer;
    Err(scenario.failed(format!("exactly {}", list(expected)), &answer.describe()))
}

pub(super) async fn expect_roles_listed(scenario: &Scenario) -> StepResult {
    let mount = scenario.last()?.act.text("mount");
    let roles = scenario.oracle.list(mount, 1, "roles/").await;
    expect_set(
        scenario,
        &roles.map_err(StepEnd::blocked)?.into_iter().collect(),
    )
}

pub(super) async fn expect_certificates_listed(scenario: &Scenario) -> StepResult {
    let mount = scenario.last()?.act.text("mount");
    let serials = scenario.oracle.list(mount, 1, "certs/").await;
    let serials = serials.map_err(StepEnd::blocked)?;
    let given = names_given(answered::expect_success(scenario)?);
    let given: BTreeSet<_> = given.iter().map(|serial| vaults_serial(serial)).collect();
    // The server decides whether the list contains the certificates of the CAs themselves.
    let roots = scenario
        .state::<Vec<PkiMount>>()
        .iter()
        .filter_map(|pki| pki.root.as_ref());
    let roots: BTreeSet<_> = roots.map(Certificate::serial).collect();
    let wanted = |serial: &String| given.contains(serial) || !roots.contains(serial);
    expect_given_set(
        scenario,
        &given,
        &serials.into_iter().filter(wanted).collect(),
    )
}

/// The list must contain each issuer once, by its id or by its name.
pub(super) async fn expect_issuers_listed(scenario: &Scenario) -> StepResult {
    let success = answered::expect_success(scenario)?;
    let mount = scenario.last()?.act.text("mount");
    let issuers = scenario
        .oracle
        .issuers(mount)
        .await
        .map_err(StepEnd::blocked)?;
    let listed = |id: &str, name: &str| match &success.data {
        Data::Prose(text) => text.contains(id) || text.contains(name),
        _ => success.items.iter().any(|item| {
            item.name == id
                || item.name == name
                || item.facts.get("name") == Some(&Value::from(name))
        }),
    };
    let missing = issuers
        .iter()
        .find(|issuer| !listed(&issuer.id, &issuer.name));
    let too_many = success.items.len() > issuers.len();
    match missing {
        None if !too_many => Ok(()),
        _ => {
            let names: Vec<_> = issuers.iter().map(|issuer| issuer.name.as_str()).collect();
            let demanded = format!("exactly the issuers {}", names.join(", "));
            Err(scenario.failed(demanded, &scenario.last()?.answer.describe()))
        }
    }
}

pub(super) async fn expect_issuer_shown(scenario: &Scenario) -> StepResult {
    let act = &scenario.last()?.act;
    let pem = scenario
        .oracle
        .issuer_certificate(act.text("mount"), act.text("issuer"))
        .await;
    expect_shown(scenario, &super::parsed(&pem.map_err(StepEnd::blocked)?)?)
}

pub(super) async fn expect_certificate_shown(scenario: &Scenario) -> StepResult {
    expect_shown(scenario, &subject(scenario).await?)
}

fn expect_shown(scenario: &Scenario, expected: &Certificate) -> StepResult {
    let given = certificate_given(scenario)?;
    if given == *expected {
        return Ok(());
    }
    Err(scenario.failed(expected.to_string(), &given.to_string()))
}

/// The settings to which the adapter points must equal those of the role in Vault.
pub(super) async fn expect_role_shown(scenario: &Scenario) -> StepResult {
    let success = answered::expect_success(scenario)?;
    let act = &scenario.last()?.act;
    let role = scenario
        .oracle
        .role(act.text("mount"), act.text("role"))
        .await;
    let role = role.map_err(StepEnd::blocked)?.unwrap_or_default();
    let mut points = false;
    for name in Operation::Pki(Pki::ReadRole).facts() {
        if answered::points_to(scenario, name)? {
            points = true;
            // Servers omit what is false, zero or empty.
            let told = success.facts.get(*name).unwrap_or(&Value::Null);
            if !same(told, &role[*name]) {
                let demanded = format!("{name} is {}", role[*name]);
                return Err(scenario.failed(demanded, &told.to_string()));
            }
        }
    }
    let domains = role["allowed_domains"].as_array().into_iter().flatten();
    let mut domains = domains.filter_map(Value::as_str);
    if points || domains.all(|domain| success.whole.contains(domain)) {
        return Ok(());
    }
    Err(scenario.failed(
        "the domains of the role",
        &scenario.last()?.answer.describe(),
    ))
}

/// Whether a text contains the day on which a certificate ends, or how long it is valid, in one of the common formats
/// of dates and durations.
fn tells(text: &str, certificate: &Certificate) -> bool {
    let end = certificate.not_after();
    let days = [
        end.format(format_description!("[year]-[month]-[day]")),
        end.format(format_description!(
            "[month repr:short] [day padding:space]"
        )),
        end.format(format_description!("[month repr:short] [day]")),
        end.format(format_description!("[day] [month repr:short]")),
        end.format(format_description!("[month repr:long] [day padding:none]")),
        end.format(format_description!("[day padding:none] [month repr:long]")),
    ];
    // Vault dates the beginning 30 seconds back.
    let lasts = certificate.lifetime() - time::Duration::seconds(30);
    let (hours, seconds) = (lasts.whole_hours(), lasts.whole_seconds());
    let others = [
        end.unix_timestamp().to_string(),
        seconds.to_string(),
        format!("{hours}h"),
        format!("{hours} h"),
    ];
    // The text is not part of a longer number.
    let alone = |found: &str| {
        let digit = |c: char| c.is_ascii_digit();
        text.match_indices(found).any(|(at, _)| {
            let goes_on = found.ends_with(digit) && text[at + found.len()..].starts_with(digit);
            !goes_on && !text[..at].ends_with(digit)
        })
    };
    days.into_iter()
        .flatten()
        .chain(others)
        .any(|it| alone(&it))
}

/// A serial number without separators, which servers write differently.
fn plain_serial(text: &str) -> String {
    text.replace([':', '-', ' ', '\\'], "").to_lowercase()
}

/// A serial number in Vault's format: `75:65:8f:...`.
fn vaults_serial(text: &str) -> String {
    let digits: Vec<char> = plain_serial(text).chars().collect();
    let pairs: Vec<String> = digits.chunks(2).map(|pair| pair.iter().collect()).collect();
    pairs.join(":")
}

/// A certificate must be valid as long as the agent requested, or the agent must have been informed that it is not.
pub(super) fn expect_lifetime(scenario: &Scenario, certificate: &Certificate) -> StepResult {
    let act = &scenario.last()?.act;
    let asked = duration(act.text("ttl")).filter(|_| pki::sends(scenario, act.operation, "ttl"));
    let Some(asked) = asked else {
        return Ok(());
    };
    if lasts(certificate, asked) || tells_the_end_of(scenario, certificate)? {
        return Ok(());
    }
    let lasts = certificate.not_after() - OffsetDateTime::now_utc();
    let demanded = format!(
        "a certificate that is valid for {} h, or a note that it is not",
        asked.as_secs() / 3600
    );
    let seen = format!(
        "it is valid for {} h, and the answer does not say so",
        lasts.whole_hours()
    );
    Err(scenario.failed(demanded, &seen))
}

/// The certificate that the last act was about, from Vault.
pub(super) async fn subject(scenario: &Scenario) -> StepResult<Certificate> {
    let act = &scenario.last()?.act;
    let pem = scenario
        .oracle
        .certificate(act.text("mount"), act.text("serial"))
        .await;
    parsed(&pem.map_err(StepEnd::blocked)?)
}

#[cfg(test)]
mod tests {
    use super::{tells, vaults_serial};
    use crate::certificate::{Bundle, Certificate};

    #[test]
    fn an_end_is_told_by_its_day_or_by_how_long_it_is() {
        let bundle = Bundle::new("Old Root").unwrap();
        // From 1975-01-01 to 4096-01-01, which is rcgen's default.
        let certificate = Certificate::first_in(&bundle.certificate).unwrap();
        for text in [
            "4096-01-01T00:00:00Z",
            "Fri, 01 Jan 4096",
            "until Jan  1 00:00:00 4096 GMT",
            "January 1, 4096",
            "1 January 4096",
            r#"{"expiration":67090118400}"#,
            "18592319h59m30s",
        ] {
            assert!(tells(text, &certificate), "{text}");
        }
        for text in ["until Jan 11", "14096-01-01", "670901184001", "24h", ""] {
            assert!(!tells(text, &certificate), "{text}");
        }
    }

    #[test]
    fn a_serial_number_is_the_same_however_it_is_written() {
        for text in ["0a:1b:c2", "0A-1B-C2", "0a1bc2", "0a 1b c2"] {
            assert_eq!(vaults_serial(text), "0a:1b:c2", "{text}");
        }
    }
}
