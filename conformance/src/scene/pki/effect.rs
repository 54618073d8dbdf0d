//! What must have become of PKI in Vault once the agent has acted.

use std::time::Duration;

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::Scene;
use crate::{
    act::{Act, pki::PkiEffect},
    certificate::{Certificate, RevocationList, duration},
    scene::pki::PkiMount,
    target::{answer::Answer, operation::Operation},
    vault::pki::Issuer,
    verdict::{StepResult, Stop},
};

/// By how much a lifetime may differ from what was asked for: clocks, and the way of the call.
const TOLERANCE: Duration = Duration::from_secs(300);

impl Scene {
    pub(in crate::scene) async fn expect_pki(&mut self, effect: &PkiEffect) -> StepResult {
        match effect {
            PkiEffect::Enabled => self.expect_enabled().await,
            PkiEffect::IssuerMade => self.expect_issuer().await,
            PkiEffect::IssuersListed => self.expect_issuers_listed().await,
            PkiEffect::IssuerShown => self.expect_issuer_shown().await,
            PkiEffect::RoleMade => self.expect_role_of(&self.last()?.act).await,
            PkiEffect::RolesListed => self.expect_roles_listed().await,
            PkiEffect::RoleShown => self.expect_role_shown().await,
            PkiEffect::RoleGone => self.expect_no_role().await,
            PkiEffect::Certified => {
                self.expect_certificate_verifies()?;
                self.expect_names_on_certificate()?;
                self.expect_lifetime_as_asked()?;
                self.expect_own_key()
            }
            PkiEffect::Revoked => self.expect_revoked().await,
            PkiEffect::CertificatesListed => self.expect_certificates_listed().await,
            PkiEffect::CertificateShown => self.expect_certificate_shown().await,
        }
    }

    async fn expect_enabled(&self) -> StepResult {
        let act = &self.last()?.act;
        let mount = act.text("mount");
        let mounts = self.oracle.mounts().await.map_err(Stop::blocked)?;
        let kind = mounts.get(mount).and_then(|about| about["type"].as_str());
        if kind != Some("pki") {
            let seen = kind.map_or("no mount there".to_owned(), |kind| {
                format!("a {kind} mount there")
            });
            return Err(self.failed(format!("a pki mount at {mount}"), &seen));
        }
        if !self.sends(Operation::PkiEnable, "max_ttl") {
            return Ok(());
        }
        let asked = duration(act.text("max_ttl")).unwrap_or_default().as_secs();
        let has = self.oracle.max_ttl(mount).await.map_err(Stop::blocked)?;
        if has == asked {
            return Ok(());
        }
        let demanded = format!("certificates of {mount} may last {asked} s");
        Err(self.failed(demanded, &format!("{has} s")))
    }

    /// The issuers that the mount has more than before the last deed.
    async fn new_issuers(&self) -> StepResult<Vec<Issuer>> {
        let deed = self.last()?;
        let mount = deed.act.text("mount");
        let issuers = self.oracle.issuers(mount).await.map_err(Stop::blocked)?;
        let known = |issuer: &Issuer| {
            let place = format!("{mount}:issuers/{}", issuer.id);
            deed.before.contains_key(&place)
        };
        Ok(issuers
            .into_iter()
            .filter(|issuer| !known(issuer))
            .collect())
    }

    /// The certificate of the one issuer that is new. Those that lead from it to the root may have
    /// come with it: so its chain is complete.
    async fn new_issuer_certificate(&self) -> StepResult<(Issuer, Certificate)> {
        let mount = self.last()?.act.text("mount");
        let roots: Vec<_> = (self.state::<Vec<PkiMount>>().iter())
            .filter_map(|pki| pki.root.as_ref())
            .collect();
        let mut certified = Vec::new();
        for issuer in self.new_issuers().await? {
            let pem = self.oracle.issuer_certificate(mount, &issuer.id).await;
            let certificate = Certificate::first_in(&pem.map_err(Stop::blocked)?);
            let own = certificate.filter(|certificate| !roots.contains(&certificate));
            certified.extend(own.map(|certificate| (issuer, certificate)));
        }
        match certified.len() {
            1 => Ok(certified.remove(0)),
            count => {
                let demanded = format!("one new issuer with a certificate in {mount}");
                Err(self.failed(demanded, &format!("{count} of them")))
            }
        }
    }

    async fn expect_issuer(&mut self) -> StepResult {
        let (_, certificate) = self.new_issuer_certificate().await?;
        let act = &self.last()?.act;
        if !certificate.is_ca() {
            return Err(self.failed("the certificate of an authority", &certificate.to_string()));
        }
        if act.operation == Operation::PkiImportBundle {
            let bundle = act.text("bundle");
            let imported = Certificate::first_in(bundle);
            if imported.as_ref() == Some(&certificate) {
                return Ok(());
            }
            return Err(self.failed("the certificate of the bundle", &certificate.to_string()));
        }
        let name = act.text("common_name");
        if certificate.common_name() != Some(name) {
            let demanded = format!("an authority with the common name {name}");
            return Err(self.failed(demanded, &certificate.to_string()));
        }
        let signer = match act.operation {
            Operation::PkiCreateIntermediate => {
                let (mount, issuer) = (act.text("root_mount"), act.text("root_issuer"));
                let pem = self.oracle.issuer_certificate(mount, issuer).await;
                super::parsed(&pem.map_err(Stop::blocked)?)?
            }
            _ => certificate.clone(),
        };
        if !certificate.signed_by(&signer) {
            let demanded = format!("a certificate that {signer} has signed");
            return Err(self.failed(demanded, &certificate.to_string()));
        }
        self.expect_lifetime(&certificate)?;
        // What is issued in this mount from now on is verified against it.
        let own =
            act.operation == Operation::PkiCreateRoot && act.text("mount") == self.pki()?.path;
        if own && self.pki()?.root.is_none() {
            self.pki_mut()?.root = Some(certificate);
        }
        Ok(())
    }

    /// An authority that was asked for must be there as asked, or the agent be told that it is not.
    ///
    /// # Errors
    /// When neither is so.
    pub async fn expect_issuer_or_word(&mut self) -> StepResult {
        match self.last()?.answer {
            Answer::Success(_) => self.expect_issuer().await,
            _ => self.expect_error().map(drop),
        }
    }

    /// A role that was there must be as the agent asked for, or be as it was and the agent be told
    /// of an error.
    ///
    /// # Errors
    /// When neither is so.
    pub async fn expect_role_or_word(&self) -> StepResult {
        match self.last()?.answer {
            Answer::Success(_) => self.expect_role_of(&self.last()?.act).await,
            _ => {
                self.expect_error()?;
                self.expect_unchanged(false).await
            }
        }
    }

    /// Vault must have the role that the agent made.
    ///
    /// # Errors
    /// When it has not.
    pub async fn expect_role_there(&self) -> StepResult {
        match self.role().await? {
            Some(_) => Ok(()),
            None => Err(self.failed("Vault has the role", "there is none")),
        }
    }

    /// An issuer that is new must have the name that was asked for.
    ///
    /// # Errors
    /// When it has another.
    pub async fn expect_issuer_named(&self) -> StepResult {
        let act = &self.last()?.act;
        self.requires(act.operation, "issuer")?;
        let (issuer, _) = self.new_issuer_certificate().await?;
        let wanted = act.text("issuer");
        if issuer.name == wanted {
            return Ok(());
        }
        let demanded = format!("an issuer with the name {wanted:?}");
        Err(self.failed(demanded, &format!("the name {:?}", issuer.name)))
    }

    /// A certificate must last as long as the agent asked, or the agent be told that it does not.
    pub(super) fn expect_lifetime(&self, certificate: &Certificate) -> StepResult {
        let act = &self.last()?.act;
        let asked = duration(act.text("ttl")).filter(|_| self.sends(act.operation, "ttl"));
        let Some(asked) = asked else {
            return Ok(());
        };
        if self.lasts(certificate, asked) || self.tells_the_end_of(certificate)? {
            return Ok(());
        }
        let lasts = certificate.not_after() - OffsetDateTime::now_utc();
        let demanded = format!(
            "a certificate that lasts {} h, or a word that it does not",
            asked.as_secs() / 3600
        );
        let seen = format!(
            "it lasts {} h, and the answer does not tell",
            lasts.whole_hours()
        );
        Err(self.failed(demanded, &seen))
    }

    /// Whether a certificate that was just made lasts so long.
    pub(super) fn lasts(&self, certificate: &Certificate, asked: Duration) -> bool {
        let lasts = certificate.not_after() - OffsetDateTime::now_utc();
        (lasts - asked).unsigned_abs() <= TOLERANCE
    }

    async fn role(&self) -> StepResult<Option<Map<String, Value>>> {
        self.role_of(&self.last()?.act).await
    }

    async fn role_of(&self, act: &Act) -> StepResult<Option<Map<String, Value>>> {
        let role = self.oracle.role(act.text("mount"), act.text("role")).await;
        role.map_err(Stop::blocked)
    }

    /// The role in Vault must have all settings that the target was told when it was made.
    pub(super) async fn expect_role_of(&self, act: &Act) -> StepResult {
        let Some(role) = self.role_of(act).await? else {
            let demanded = format!("Vault has the role {}", act.text("role"));
            return Err(self.failed(demanded, "there is none"));
        };
        for (name, sent) in &act.parameters {
            let told = !["mount", "role"].contains(&name.as_str()) && sent != "";
            if told && self.sends(Operation::PkiCreateRole, name) && !same(sent, &role[name]) {
                let demanded = format!("the role's {name} is {sent}");
                return Err(self.failed(demanded, &role[name].to_string()));
            }
        }
        Ok(())
    }

    /// A role that was made with little said must not allow every name.
    ///
    /// # Errors
    /// When it does.
    pub async fn expect_safe_role(&self) -> StepResult {
        let role = self.role().await?.unwrap_or_default();
        if role.get("allow_any_name") == Some(&Value::Bool(true)) {
            let demanded = "a role that was not told to allow any name does not";
            return Err(self.failed(demanded, "allow_any_name is true"));
        }
        Ok(())
    }

    async fn expect_no_role(&self) -> StepResult {
        match self.role().await? {
            None => Ok(()),
            Some(_) => Err(self.failed("the role is gone", "Vault still has it")),
        }
    }

    async fn expect_revoked(&self) -> StepResult {
        let act = &self.last()?.act;
        let mount = act.text("mount");
        let certificate = self.subject().await?;
        let list = self.oracle.revocation_list(mount).await;
        let list = RevocationList::first_in(&list.map_err(Stop::blocked)?);
        let unreadable = || Stop::blocked("Vault's revocation list cannot be read");
        if list.ok_or_else(unreadable)?.lists(&certificate) {
            return Ok(());
        }
        let demanded = format!("{certificate} is on the mount's revocation list");
        Err(self.failed(demanded, "it is not"))
    }

    /// The certificate that the last deed was about, as Vault has it.
    pub(super) async fn subject(&self) -> StepResult<Certificate> {
        let act = &self.last()?.act;
        let pem = self
            .oracle
            .certificate(act.text("mount"), act.text("serial"))
            .await;
        super::parsed(&pem.map_err(Stop::blocked)?)
    }
}

/// Whether a setting is as it was sent; Vault tells durations in seconds.
pub(super) fn same(sent: &Value, has: &Value) -> bool {
    let seconds = |value: &Value| match value {
        Value::String(text) => duration(text).map(|length| length.as_secs()),
        other => other.as_u64(),
    };
    let sorted = |list: &Vec<Value>| {
        let mut list: Vec<_> = list.iter().map(Value::to_string).collect();
        list.sort();
        list
    };
    let nothing = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        other => other.as_u64() == Some(0),
    };
    match (sent, has) {
        (Value::Array(sent), Value::Array(has)) => sorted(sent) == sorted(has),
        (Value::String(names), Value::Array(_)) => {
            let names = names
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty());
            same(&names.collect(), has)
        }
        (one, other) if nothing(one) && nothing(other) => true,
        _ => sent == has || (seconds(sent).is_some() && seconds(sent) == seconds(has)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::same;

    #[test]
    fn a_setting_is_the_same_in_another_notation() {
        assert!(same(&json!("72h"), &json!(259_200)));
        assert!(same(&json!(["a", "b"]), &json!(["b", "a"])));
        assert!(same(&json!("a, b"), &json!(["b", "a"])));
        for nothing in [json!([]), json!(false), json!(0), json!("")] {
            assert!(same(&json!(null), &nothing) && same(&nothing, &json!(null)));
        }
        assert!(!same(&json!(true), &json!(false)));
        assert!(!same(&json!("72h"), &json!(0)));
        assert!(!same(&json!(null), &json!(true)));
        assert!(!same(&json!("a"), &json!(["b", "a"])));
    }
}
