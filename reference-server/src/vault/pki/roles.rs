//! Roles: which certificates may be issued for which names.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Endpoint, Name, Pki, Told, Ttl, told};
use crate::vault::{
    error::{Capability, VaultError},
    path::{ApiPath, MountPath},
};

/// The settings of a role in Vault.
#[derive(Debug, Clone, Deserialize)]
pub struct Role {
    /// The domains for which the role issues.
    #[serde(default)]
    pub allowed_domains: Option<Vec<String>>,
    /// Whether the role issues for names below the domains.
    pub allow_subdomains: bool,
    /// Whether the role issues for the domains themselves.
    pub allow_bare_domains: bool,
    /// Whether `*` in the domains matches anything.
    pub allow_glob_domains: bool,
    /// Whether the role issues for any name.
    pub allow_any_name: bool,
    /// Whether certificates may have IP addresses.
    pub allow_ip_sans: bool,
    /// The type of the keys: `rsa`, `ec`, `ed25519` or `any`.
    pub key_type: String,
    /// The length of the keys in bits; 0 if the type determines it, or if it does not matter.
    pub key_bits: u64,
    /// The default lifetime, in seconds; 0 for that of the mount.
    pub ttl: u64,
    /// The longest lifetime, in seconds; 0 for that of the mount.
    pub max_ttl: u64,
}

/// The settings of a role to create; Vault has a default for what is left out.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NewRole {
    /// As for [`Role`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_domains: Option<Vec<String>>,
    /// As for [`Role`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_subdomains: Option<bool>,
    /// As for [`Role`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_bare_domains: Option<bool>,
    /// As for [`Role`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_glob_domains: Option<bool>,
    /// As for [`Role`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_any_name: Option<bool>,
    /// As for [`Role`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_ip_sans: Option<bool>,
    /// As for [`Role`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_type: Option<String>,
    /// As for [`Role`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_bits: Option<u64>,
    /// As for [`Role`].
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "for_vault")]
    pub ttl: Option<Ttl>,
    /// As for [`Role`].
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "for_vault")]
    pub max_ttl: Option<Ttl>,
}

/// The result of writing a role.
#[derive(Debug, Clone)]
pub struct Written {
    /// The role in Vault afterwards. `None` if Vault did not return it, as versions before 1.13 do not, and the token
    /// may not read it.
    pub role: Option<Role>,
    /// Settings of the replaced role that [`NewRole`] does not have, and their values.
    pub reset: Vec<(String, Value)>,
}

type Settings = serde_json::Map<String, Value>;

/// Settings that [`NewRole`] has, or that follow from one of them.
const SET: [&str; 11] = [
    "allowed_domains",
    "allow_subdomains",
    "allow_bare_domains",
    "allow_glob_domains",
    "allow_any_name",
    "allow_ip_sans",
    "key_type",
    "key_bits",
    "signature_bits",
    "ttl",
    "max_ttl",
];

fn reset(before: &Settings, now: &Settings) -> Vec<(String, Value)> {
    let is_reset = |(key, value): &(&String, &Value)| {
        !SET.contains(&key.as_str()) && now.get(*key).is_some_and(|now| now != *value)
    };
    let reset = before.iter().filter(is_reset);
    reset
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn for_vault<S: serde::Serializer>(ttl: &Option<Ttl>, serializer: S) -> Result<S::Ok, S::Error> {
    ttl.as_ref().map(Ttl::for_vault).serialize(serializer)
}

impl Pki {
    /// The names of all roles.
    ///
    /// # Errors
    /// As for every request, see [`VaultError`].
    pub async fn list_roles(&self, mount: &MountPath) -> Result<Vec<String>, VaultError> {
        #[derive(Deserialize)]
        struct Listing {
            keys: Vec<String>,
        }
        let listing = self.ask::<Listing>(mount, Endpoint::Roles).await?;
        Ok(listing.map(|told| told.data.keys).unwrap_or_default())
    }

    /// Reads a role.
    ///
    /// # Errors
    /// [`VaultError::NotFound`] if there is no role of this name.
    pub async fn read_role(&self, mount: &MountPath, role: &Name) -> Result<Role, VaultError> {
        let told = self.ask(mount, Endpoint::Role(role)).await?;
        told.map(|told| told.data)
            .ok_or(VaultError::NotFound("role of this name in the mount"))
    }

    /// Creates a role, or replaces it completely.
    ///
    /// # Errors
    /// As for every request, see [`VaultError`].
    pub async fn write_role(
        &self,
        mount: &MountPath,
        role: &Name,
        new: &NewRole,
    ) -> Result<Told<Written>, VaultError> {
        let endpoint = Endpoint::Role(role);
        let path = ApiPath::pki(mount, &endpoint);
        self.verify(mount, &path, Capability::Update).await?;
        // Reports the previous settings if they are readable; if not, the write continues.
        let before = match self.client.read(&path, None).await {
            Ok(answer) => told::<Settings>(&answer).ok(),
            Err(_) => None,
        };
        let answer = self.post(mount, endpoint, new).await?;
        let (now, warnings) = match told::<Settings>(&answer) {
            Ok(now) => (Some(now.data), now.warnings),
            Err(_) => (self.settings(mount, role).await?, Vec::new()),
        };
        let reset = match (before, &now) {
            (Some(before), Some(now)) => reset(&before.data, now),
            _ => Vec::new(),
        };
        let role = now.map(|now| serde_json::from_value(Value::Object(now)));
        let role = role
            .transpose()
            .map_err(|_| answer.unexpected("it is not a role"))?;
        Ok(Told::new(Written { role, reset }, warnings))
    }

    /// All settings of a role; `None` if the token may not read it.
    async fn settings(
        &self,
        mount: &MountPath,
        role: &Name,
    ) -> Result<Option<Settings>, VaultError> {
        match self.ask::<Settings>(mount, Endpoint::Role(role)).await {
            Ok(told) => Ok(told.map(|told| told.data)),
            Err(error) if error.refused_with(403).is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes a role. Returns whether the server saw that it existed; false if the token may not read it. Vault
    /// returns 204 for a missing role, too.
    ///
    /// # Errors
    /// [`VaultError::NotFound`] if there is no role of this name.
    pub async fn delete_role(&self, mount: &MountPath, role: &Name) -> Result<bool, VaultError> {
        let path = ApiPath::pki(mount, &Endpoint::Role(role));
        // An answer of this shape also proves the mount.
        let seen = match self.read_role(mount, role).await {
            Ok(_) => true,
            Err(error) if error.refused_with(403).is_some() => {
                self.verify(mount, &path, Capability::Delete).await?;
                false
            }
            Err(error) => return Err(error),
        };
        self.client.delete(&path).await?;
        Ok(seen)
    }
}
