//! A deterministic agent that corrects a PKI role from an error alone, as the model does in the published workflow of
//! the inventory service's certificate. It reads the error, changes the role, and requests the certificate again.
//!
//! The agent has no answer in advance. It knows only its request, the error, the role as far as the target shows it,
//! and the settings that the target accepts. It adds to the role the least that permits the certificate, never all
//! names, and keeps the other settings.
//!
//! The module is pure: the scenario sends the agent's calls to the target.

mod refusal;

use serde_json::{Value, json};

pub use refusal::Refusal;

use crate::{act::pki::strict_role, certificate::KeyKind, engines::Parameters};

/// The maximum number of calls until the agent has its certificate. It suffices for the request, a look at the role,
/// and two corrections with a new request each.
pub const MAX_CALLS: usize = 6;

/// A certificate that an agent requested and did not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateAsked {
    /// The role.
    pub role: String,
    /// The DNS names.
    pub names: Vec<String>,
    /// Whether IP addresses were requested, too.
    pub addresses: bool,
    /// The lifetime, in Vault's format.
    pub ttl: String,
    /// The type of the key, if the request has one.
    pub key: Option<KeyKind>,
}

/// Why a role cannot be corrected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// The error does not contain Vault's reason.
    #[error("the error does not contain Vault's own message, which says what was refused")]
    NoReason,
    /// The error is about something else.
    #[error("the error is about {0}, which the agent did not request")]
    NotAskedFor(String),
    /// The target offers no setting for what is needed.
    #[error("the tool that creates a role cannot allow {0}")]
    NotOffered(String),
}

/// The settings with which a role allows what it did not allow with this error: the `known` settings, with the least
/// necessary change.
///
/// `offered` are the settings that the target accepts. When a role is created again, the target or Vault decides about
/// all others.
///
/// # Errors
/// If the error, or what is offered, is not sufficient.
pub fn put_right(
    error: &str,
    known: Option<&Parameters>,
    asked: &CertificateAsked,
    offered: &[&str],
) -> Result<Parameters, Impossible> {
    let refusals = Refusal::all_in(error);
    if refusals.is_empty() {
        return Err(Impossible::NoReason);
    }
    for refusal in &refusals {
        asked.must_have_asked(refusal)?;
    }
    let missing = |refusal: &Refusal| matches!(refusal, Refusal::UnknownRole(_));
    let known = known.filter(|_| !refusals.iter().any(missing));
    let mut role = Role {
        settings: known.cloned().unwrap_or_else(strict_role),
        offered,
    };
    role.forget_what_cannot_be_kept();
    match known {
        Some(_) => {
            for refusal in &refusals {
                role.allow(refusal, asked)?;
            }
        }
        None => role.allow_all_of(asked)?,
    }
    Ok(role.settings)
}

/// The settings that a target shows of a role, in the format in which it accepts them.
#[must_use]
pub fn settings_told(told: &Parameters) -> Parameters {
    let mut settings = strict_role();
    for (name, value) in told {
        let text = value.as_str();
        let number = || value.as_u64().or_else(|| text?.parse().ok());
        let setting = match (name.as_str(), value, text) {
            ("allowed_domains", _, Some(list)) => json!(
                list.split(',')
                    .map(str::trim)
                    .filter(|domain| !domain.is_empty())
                    .collect::<Vec<_>>()
            ),
            ("allowed_domains", Value::Null, _) => json!([]),
            ("ttl" | "max_ttl", _, _) => match number() {
                Some(0) => json!(""),
                Some(seconds) => json!(format!("{seconds}s")),
                None => json!(text.unwrap_or_default()),
            },
            ("key_bits", _, _) => json!(number().unwrap_or_default()),
            ("key_type" | "allowed_domains", _, _) => value.clone(),
            _ => json!(value == true || text == Some("true")),
        };
        settings.insert(name.clone(), setting);
    }
    settings
}

impl CertificateAsked {
    /// An error is no reason to allow what the agent did not request.
    fn must_have_asked(&self, refusal: &Refusal) -> Result<(), Impossible> {
        let is_right = match refusal {
            Refusal::Name(name) => self.name(name).is_some(),
            Refusal::UnknownRole(role) => role.eq_ignore_ascii_case(&self.role),
            Refusal::Addresses => self.addresses,
            Refusal::KeyType | Refusal::KeyBits => self.key.is_some(),
        };
        let what = || match refusal {
            Refusal::Name(name) => format!("the name {name}"),
            Refusal::UnknownRole(role) => format!("the role {role}"),
            Refusal::Addresses => "addresses".to_owned(),
            Refusal::KeyType | Refusal::KeyBits => "a key of its own".to_owned(),
        };
        match is_right {
            true => Ok(()),
            false => Err(Impossible::NotAskedFor(what())),
        }
    }

    fn name(&self, refused: &str) -> Option<&String> {
        let mut names = self.names.iter();
        names.find(|name| name.eq_ignore_ascii_case(refused))
    }
}

/// A flag of a role that permits names, together with a domain in its list.
const BARE: &str = "allow_bare_domains";
const SUBDOMAINS: &str = "allow_subdomains";
const GLOBS: &str = "allow_glob_domains";

/// The domain that contains the name. A domain directly below a top-level domain is not trusted.
fn parent(name: &str) -> Option<&str> {
    let (_, parent) = name.split_once('.')?;
    parent.contains('.').then_some(parent)
}

/// One way in which a role can permit a name.
struct Way {
    flag: &'static str,
    domain: String,
    /// How many other domains of the role the flag opens; then how much the domain opens.
    opens: (usize, u8),
}

/// A role that is being corrected.
struct Role<'o> {
    settings: Parameters,
    offered: &'o [&'o str],
}

impl Role<'_> {
    fn offers(&self, setting: &str) -> bool {
        self.offered.contains(&setting)
    }

    /// A role is created as a whole, so settings that the target does not accept are as in a new role.
    fn forget_what_cannot_be_kept(&mut self) {
        for (name, value) in strict_role() {
            if !self.offers(&name) {
                self.settings.insert(name, value);
            }
        }
    }

    fn set(&mut self, setting: &str, value: Value, what: &str) -> Result<(), Impossible> {
        if self.settings.get(setting) != Some(&value) && !self.offers(setting) {
            return Err(Impossible::NotOffered(what.to_owned()));
        }
        self.settings.insert(setting.to_owned(), value);
        Ok(())
    }

    fn allow(&mut self, refusal: &Refusal, asked: &CertificateAsked) -> Result<(), Impossible> {
        match refusal {
            Refusal::Name(name) => {
                let name = asked.name(name).unwrap_or(name);
                self.allow_name(&name.to_lowercase())
            }
            Refusal::Addresses => self.set("allow_ip_sans", json!(true), "addresses"),
            Refusal::KeyType | Refusal::KeyBits => self.allow_key(asked),
            Refusal::UnknownRole(_) => Ok(()),
        }
    }

    /// A role that is new or unknown permits only the request.
    fn allow_all_of(&mut self, asked: &CertificateAsked) -> Result<(), Impossible> {
        for name in &asked.names {
            self.allow_name(&name.to_lowercase())?;
        }
        if asked.addresses {
            self.allow(&Refusal::Addresses, asked)?;
        }
        if asked.key.is_some() && self.offers("key_type") {
            self.allow_key(asked)?;
        }
        self.settings.insert("max_ttl".to_owned(), json!(asked.ttl));
        Ok(())
    }

    fn allow_key(&mut self, asked: &CertificateAsked) -> Result<(), Impossible> {
        let (kind, bits) = match &asked.key {
            Some(KeyKind::Rsa(bits)) => ("rsa", *bits),
            Some(KeyKind::Ec(bits)) => ("ec", *bits),
            Some(KeyKind::Ed25519) => ("ed25519", 0),
            Some(KeyKind::Other(_)) | None => {
                return Err(Impossible::NotOffered("such a key".to_owned()));
            }
        };
        self.set("key_type", json!(kind), "keys of another type")?;
        self.set("key_bits", json!(bits), "keys with fewer bits")
    }

    fn domains(&self) -> Vec<String> {
        let domains = self.settings.get("allowed_domains");
        let domains = domains.and_then(Value::as_array).into_iter().flatten();
        let text = |domain: &Value| domain.as_str().map(str::to_lowercase);
        domains.filter_map(text).collect()
    }

    /// Permits a name in the way that opens the least.
    fn allow_name(&mut self, name: &str) -> Result<(), Impossible> {
        let mut domains = self.domains();
        let ways = self.ways_for(name, &domains);
        let best = ways.into_iter().min_by_key(|way| way.opens);
        let way = best.ok_or_else(|| Impossible::NotOffered(format!("the name {name}")))?;
        if !domains.contains(&way.domain) {
            domains.push(way.domain);
            self.set("allowed_domains", json!(domains), "a domain")?;
        }
        self.set(way.flag, json!(true), name)
    }

    fn ways_for(&self, name: &str, domains: &[String]) -> Vec<Way> {
        // The role already contains this domain.
        let own = domains.iter().filter(|domain| {
            let rest = name.strip_suffix(domain.as_str());
            rest.is_some_and(|rest| rest.ends_with('.')) && !domain.contains('*')
        });
        let own = own.max_by_key(|domain| domain.len()).cloned();
        let ways = [
            (BARE, (!name.contains('*')).then(|| name.to_owned()), 0),
            (SUBDOMAINS, own.or(parent(name).map(str::to_owned)), 1),
            (GLOBS, parent(name).map(|parent| format!("*.{parent}")), 2),
        ];
        ways.into_iter()
            .filter(|(flag, _, _)| self.offers(flag))
            .filter_map(|(flag, domain, breadth)| {
                let domain = domain?;
                let is_on = self.settings.get(flag) == Some(&Value::Bool(true));
                let others = domains
                    .iter()
                    .filter(|other| **other != domain && (flag == GLOBS) == other.contains('*'));
                let opened = if is_on { 0 } else { others.count() };
                Some(Way {
                    flag,
                    domain,
                    opens: (opened, breadth),
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
