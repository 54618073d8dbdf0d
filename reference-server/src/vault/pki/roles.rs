//! Roles: what certificates may be issued for whom.

use serde::{Deserialize, Serialize};

use super::{Endpoint, Name, Pki, Told, Ttl, told};
use crate::vault::{
    error::{Capability, VaultError},
    path::{ApiPath, MountPath},
};

/// What a role allows, as Vault has it.
#[derive(Debug, Clone, Deserialize)]
pub struct Role {
    /// The domains for which it issues.
    #[serde(default)]
    pub allowed_domains: Option<Vec<String>>,
    /// Whether it issues for names below the domains.
    pub allow_subdomains: bool,
    /// Whether it issues for the domains themselves.
    pub allow_bare_domains: bool,
    /// Whether `*` in the domains stands for anything.
    pub allow_glob_domains: bool,
    /// Whether it issues for any name.
    pub allow_any_name: bool,
    /// Whether certificates may have IP addresses.
    pub allow_ip_sans: bool,
    /// The type of the keys: `rsa`, `ec`, `ed25519` or `any`.
    pub key_type: String,
    /// The length of the keys in bits; 0 if the type leaves no choice, or does not matter.
    pub key_bits: u64,
    /// The lifetime if none is asked for, in seconds; 0 for that of the mount.
    pub ttl: u64,
    /// The longest lifetime, in seconds; 0 for that of the mount.
    pub max_ttl: u64,
}

/// What a role is to allow; Vault has a default for what is left out.
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
    /// [`VaultError::NotFound`] if there is none of this name.
    pub async fn read_role(&self, mount: &MountPath, role: &Name) -> Result<Role, VaultError> {
        let told = self.ask(mount, Endpoint::Role(role)).await?;
        told.map(|told| told.data)
            .ok_or(VaultError::NotFound("role of this name in the mount"))
    }

    /// Makes a role, or replaces it wholly. Returns the role as Vault has it now; `None` if Vault did not
    /// tell, as versions before 1.13 do not, and the token may not read it.
    ///
    /// # Errors
    /// As for every request, see [`VaultError`].
    pub async fn write_role(
        &self,
        mount: &MountPath,
        role: &Name,
        new: &NewRole,
    ) -> Result<Told<Option<Role>>, VaultError> {
        let endpoint = Endpoint::Role(role);
        self.verify(mount, &ApiPath::pki(mount, &endpoint), Capability::Update)
            .await?;
        let answer = self.post(mount, endpoint, new).await?;
        if let Ok(Told { data, warnings }) = told(&answer) {
            return Ok(Told::new(Some(data), warnings));
        }
        let role = match self.read_role(mount, role).await {
            Ok(role) => Some(role),
            Err(error) if error.refused_with(403).is_some() => None,
            Err(error) => return Err(error),
        };
        Ok(Told::new(role, Vec::new()))
    }

    /// Deletes a role; returns whether it was seen to exist before. It was not if the token may
    /// not read it; Vault says nothing of it either: it answers 204 for a role that is not there.
    ///
    /// # Errors
    /// [`VaultError::NotFound`] if there is none of this name.
    pub async fn delete_role(&self, mount: &MountPath, role: &Name) -> Result<bool, VaultError> {
        let path = ApiPath::pki(mount, &Endpoint::Role(role));
        // An answer of this shape proves the mount as well.
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
