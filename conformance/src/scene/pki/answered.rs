//! What the agent must have been told about issuers, roles and certificates.

use std::{collections::BTreeSet, sync::LazyLock};

use regex::Regex;
use serde_json::Value;
use time::macros::format_description;

use super::{Scene, effect::same};
use crate::{
    certificate::{Certificate, private_keys_in},
    mcp::transcript::Speaker,
    target::{
        answer::{Answer, Success},
        operation::Operation,
    },
    verdict::{StepResult, Stop},
};

/// A block of PEM, with its line breaks as they are or escaped.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static PEM: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?s)-----BEGIN [^-]+-----.*?-----END [^-]+-----").unwrap());

/// Words that tell a reader that something lasts less long than was asked.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static SHORTENED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)short|reduc|\bcapp?ed|\bcut\b|limit|truncat|longer than|exceed|clamp|instead of",
    )
    .unwrap()
});

impl Scene {
    /// What the answer has where the adapter points to a fact; all of it where it points to none.
    fn said_of(&self, fact: &str) -> StepResult<String> {
        let success = self.expect_success()?;
        Ok(match self.fact_if_pointed_to(success, fact)? {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => success.whole.clone(),
        })
    }

    /// The certificate in the answer.
    pub(super) fn certificate_given(&self) -> StepResult<Certificate> {
        let said = self.said_of("certificate")?;
        let none = || self.failed("a certificate in the answer", &format!("a success: {said}"));
        Certificate::first_in(&said).ok_or_else(none)
    }

    /// The answer's certificate must verify against the authority that the suite made.
    ///
    /// # Errors
    /// When it does not, or there is none.
    pub fn expect_certificate_verifies(&self) -> StepResult {
        let certificate = self.certificate_given()?;
        let pki = self.pki()?;
        let missing = || Stop::blocked("the scenario made no authority");
        let root = pki.root.as_ref().ok_or_else(missing)?;
        let name = self.last()?.act.text("common_name");
        let now = time::OffsetDateTime::now_utc();
        let verified = certificate.verify(&[], root, name, now);
        verified.map_err(|why| {
            let demanded = format!("a certificate for {name} that the mount's CA has signed");
            self.failed(demanded, &format!("{certificate}: {why}"))
        })
    }

    /// The answer's certificate must be for all names and addresses that were asked for.
    ///
    /// # Errors
    /// When one is missing.
    pub fn expect_names_on_certificate(&self) -> StepResult {
        let certificate = self.certificate_given()?;
        let wanted = &self.pki()?.wanted;
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
        Err(self.failed(demanded.trim_end(), &certificate.to_string()))
    }

    /// The answer's certificate must last as long as was asked, or the answer tell that it
    /// does not.
    ///
    /// # Errors
    /// When neither is so.
    pub fn expect_lifetime_as_asked(&self) -> StepResult {
        self.expect_lifetime(&self.certificate_given()?)
    }

    /// Whether the answer tells how long a certificate really lasts, or that it is shorter than
    /// was asked: in words, or by its end. A certificate itself tells nothing to a model.
    pub(super) fn tells_the_end_of(&self, certificate: &Certificate) -> StepResult<bool> {
        let whole = match &self.last()?.answer {
            Answer::Success(success) => PEM.replace_all(&success.whole, ""),
            Answer::Error(_) => return Ok(true),
            Answer::Nothing(_) => return Ok(false),
        };
        let end = certificate.not_after();
        let day = end.format(format_description!("[year]-[month]-[day]"));
        let ends = [day.unwrap_or_default(), end.unix_timestamp().to_string()];
        Ok(SHORTENED.is_match(&whole) || ends.iter().any(|end| whole.contains(end)))
    }

    /// The key in the answer, or that of the request, must be the certificate's.
    ///
    /// # Errors
    /// When it is another, or there is none.
    pub fn expect_own_key(&self) -> StepResult {
        let certificate = self.certificate_given()?;
        let own = match (&self.last()?.act.operation, &self.pki()?.request) {
            (Operation::PkiSign, Some(request)) => request.is_answered_by(&certificate),
            _ => {
                let said = self.said_of("private_key")?;
                let keys = private_keys_in(&said);
                let none = || self.failed("a private key in the answer", "none");
                let key = keys.first().ok_or_else(none)?;
                certificate.holds(key).map_err(Stop::blocked)?
            }
        };
        match own {
            true => Ok(()),
            false => Err(self.failed("a certificate for its own key", "it is for another key")),
        }
    }

    /// The answer must have certificate, chain, serial number and, where it was made, the key.
    ///
    /// # Errors
    /// When one is missing.
    pub fn expect_complete(&self) -> StepResult {
        let certificate = self.certificate_given()?;
        let root = self.pki()?.root.clone();
        let chain = Certificate::all_in(&self.said_of("chain")?);
        if !chain.iter().any(|link| Some(link) == root.as_ref()) {
            return Err(self.failed(
                "the chain up to the mount's CA",
                &format!("{} certificates", chain.len()),
            ));
        }
        let plain = |text: &str| {
            let mut text = text.replace([':', '-', ' '], "").to_lowercase();
            text.retain(|c| c != '\\');
            text
        };
        let serial = plain(&certificate.serial());
        if !plain(&self.said_of("serial")?).contains(&serial) {
            let demanded = format!("the serial number {}", certificate.serial());
            return Err(self.failed(demanded, "another, or none"));
        }
        Ok(())
    }

    /// Private keys must have been seen in the answers alone that made them, and in no log.
    ///
    /// # Errors
    /// When one was seen elsewhere.
    pub fn expect_keys_seen_once(&self) -> StepResult {
        let keys = self.values(|canary| canary.label == "private key");
        let lines = self.slot.instance.connection.transcript().lines();
        let seen = lines
            .iter()
            .filter(|line| keys.found_in(&line.text).is_some());
        let elsewhere = seen.clone().find(|line| line.speaker != Speaker::Target);
        match (elsewhere, seen.count()) {
            (Some(line), _) => {
                let seen = format!("it is in what the {} said", line.speaker.name());
                Err(self.failed("the private key in one answer alone", &seen))
            }
            (None, 1) => Ok(()),
            (None, count) => {
                let seen = format!("it is in {count} messages");
                Err(self.failed("the private key in one answer alone", &seen))
            }
        }
    }

    /// The error must carry the words in which Vault itself refuses the same.
    ///
    /// # Errors
    /// When it does not; blocked where Vault does not refuse.
    pub async fn expect_vaults_refusal(&mut self) -> StepResult {
        self.reason = Some(self.vaults_refusal().await?);
        self.expect_vaults_reason()
    }

    /// The words in which Vault itself refuses what the agent did last.
    ///
    /// # Errors
    /// Blocked where Vault does not refuse it.
    pub(super) async fn vaults_refusal(&self) -> StepResult<String> {
        let act = self.last()?.act.clone();
        let requests = crate::vault::direct::requests(act.operation, &act.parameters, 2);
        let mut refusal = None;
        for request in &requests {
            let answer = self.oracle.ask(&self.token()?.secret, request).await;
            let answer = answer.map_err(Stop::blocked)?;
            if !answer.allowed() {
                refusal = answer.body["errors"][0].as_str().map(str::to_owned);
            }
        }
        let none = || Stop::blocked("this Vault does not refuse the same");
        refusal.ok_or_else(none)
    }

    /// The error must name these: arguments of the call, or what they held.
    ///
    /// # Errors
    /// When it does not.
    pub fn expect_error_names(&self, words: &[String]) -> StepResult {
        let error = self.expect_error()?.to_lowercase();
        match words
            .iter()
            .find(|word| !error.contains(&word.to_lowercase()))
        {
            None => Ok(()),
            Some(word) => {
                let demanded = format!("an error that names {word}");
                Err(self.failed(demanded, &format!("an error: {error}")))
            }
        }
    }

    fn names_given(&self, success: &Success) -> BTreeSet<String> {
        let trimmed = |name: &str| name.trim_matches('/').to_owned();
        success
            .items
            .iter()
            .map(|item| trimmed(&item.name))
            .collect()
    }

    fn expect_set(&self, expected: &BTreeSet<String>) -> StepResult {
        let success = self.expect_success()?;
        let given = self.names_given(success);
        let prose = |text: &str| expected.iter().all(|name| text.contains(name.as_str()));
        let right = match &success.data {
            crate::target::answer::Data::Prose(text) => prose(text),
            crate::target::answer::Data::Json(_) => given == *expected,
            crate::target::answer::Data::Unusable(_) => false,
        };
        if right {
            return Ok(());
        }
        let list = |names: &BTreeSet<String>| match names.len() {
            0 => "none".to_owned(),
            _ => names.iter().cloned().collect::<Vec<_>>().join(", "),
        };
        let answer = &self.last()?.answer;
        Err(self.failed(format!("exactly {}", list(expected)), &answer.describe()))
    }

    pub(super) async fn expect_roles_listed(&self) -> StepResult {
        let mount = self.last()?.act.text("mount");
        let roles = self.oracle.list(mount, 1, "roles/").await;
        self.expect_set(&roles.map_err(Stop::blocked)?.into_iter().collect())
    }

    pub(super) async fn expect_certificates_listed(&self) -> StepResult {
        let mount = self.last()?.act.text("mount");
        let serials = self.oracle.list(mount, 1, "certs/").await;
        self.expect_set(&serials.map_err(Stop::blocked)?.into_iter().collect())
    }

    /// Each issuer must be in the list once, by its id or by its name.
    pub(super) async fn expect_issuers_listed(&self) -> StepResult {
        let success = self.expect_success()?;
        let mount = self.last()?.act.text("mount");
        let issuers = self.oracle.issuers(mount).await.map_err(Stop::blocked)?;
        let listed = |id: &str, name: &str| match &success.data {
            crate::target::answer::Data::Prose(text) => text.contains(id) || text.contains(name),
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
                Err(self.failed(demanded, &self.last()?.answer.describe()))
            }
        }
    }

    pub(super) async fn expect_issuer_shown(&self) -> StepResult {
        let act = &self.last()?.act;
        let pem = self
            .oracle
            .issuer_certificate(act.text("mount"), act.text("issuer"))
            .await;
        self.expect_shown(&super::parsed(&pem.map_err(Stop::blocked)?)?)
    }

    pub(super) async fn expect_certificate_shown(&self) -> StepResult {
        self.expect_shown(&self.subject().await?)
    }

    fn expect_shown(&self, expected: &Certificate) -> StepResult {
        let given = self.certificate_given()?;
        if given == *expected {
            return Ok(());
        }
        Err(self.failed(expected.to_string(), &given.to_string()))
    }

    /// The settings that the adapter points to must be those of the role in Vault.
    pub(super) async fn expect_role_shown(&self) -> StepResult {
        let success = self.expect_success()?;
        let act = &self.last()?.act;
        let role = self.oracle.role(act.text("mount"), act.text("role")).await;
        let role = role.map_err(Stop::blocked)?.unwrap_or_default();
        let mut points = false;
        for name in Operation::PkiReadRole.facts() {
            if let Some(told) = self.fact_if_pointed_to(success, name)? {
                points = true;
                if !same(told, &role[*name]) {
                    let demanded = format!("{name} is {}", role[*name]);
                    return Err(self.failed(demanded, &told.to_string()));
                }
            }
        }
        let domains = role["allowed_domains"].as_array().into_iter().flatten();
        let mut domains = domains.filter_map(Value::as_str);
        if points || domains.all(|domain| success.whole.contains(domain)) {
            return Ok(());
        }
        Err(self.failed("the domains of the role", &self.last()?.answer.describe()))
    }
}
