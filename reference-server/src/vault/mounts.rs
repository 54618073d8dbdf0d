//! The table of mounts: listing, creating and removing mounts.
//!
//! Vault shows the whole table (`sys/mounts`) only to a token with that right. To other tokens it shows the mounts on
//! which they have some right (`sys/internal/ui/mounts`). The requests here work with either.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::{
    client::VaultClient,
    error::{Capability, VaultError},
    kv::KvVersion,
    path::{ApiPath, FolderPath, MountPath},
    pki::Ttl,
};

/// A secrets engine, as the table of mounts describes it.
#[derive(Debug, Clone, Deserialize)]
pub struct Engine {
    /// The type, such as `kv` or `pki`.
    pub r#type: String,
    /// The operator's description of the mount.
    #[serde(default)]
    pub description: String,
    options: Option<HashMap<String, String>>,
    config: Option<EngineConfig>,
}

#[derive(Debug, Clone, Deserialize)]
struct EngineConfig {
    max_lease_ttl: u64,
}

impl Engine {
    /// The longest lifetime that the mount grants, in seconds; `None` if Vault does not report it.
    pub fn max_lease_ttl(&self) -> Option<u64> {
        self.config.as_ref().map(|config| config.max_lease_ttl)
    }

    /// The version of a KV engine; `None` for every other type.
    pub fn kv_version(&self) -> Option<KvVersion> {
        let options = self.options.as_ref();
        let version = options.and_then(|options| options.get("version"));
        (self.r#type == "kv").then(|| match version {
            Some(version) if version == "2" => KvVersion::V2,
            _ => KvVersion::V1,
        })
    }
}

/// Mounts by path, which ends in a slash.
pub type Table = BTreeMap<String, Engine>;

/// A mount to create.
#[derive(Debug, Clone)]
pub struct NewMount {
    /// The engine.
    pub engine: NewEngine,
    /// The description of the mount.
    pub description: String,
}

/// The engine of a new mount.
#[derive(Debug, Clone)]
pub enum NewEngine {
    /// A KV engine of this version.
    Kv(KvVersion),
    /// A PKI engine.
    Pki {
        /// The longest lifetime of certificates.
        max_ttl: Ttl,
    },
}

/// Settings of a KV v2 engine; Vault keeps its value of those that are not given.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct KvSettings {
    /// How many versions of a secret are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_versions: Option<u64>,
    /// Whether every write must name the version that it replaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cas_required: Option<bool>,
}

/// The table of mounts of one Vault.
pub struct Mounts {
    client: VaultClient,
}

impl Mounts {
    /// The mounts that the client's token can see.
    pub fn new(client: VaultClient) -> Self {
        Self { client }
    }

    /// The mounts, and whether the list is complete: a token that may not read `sys/mounts` sees only the mounts on
    /// which it has some right.
    ///
    /// # Errors
    /// [`VaultError`] if Vault shows neither.
    pub async fn list(&self) -> Result<(Table, bool), VaultError> {
        #[derive(Deserialize)]
        struct Visible {
            secret: Table,
        }
        if let Some(table) = self.table().await? {
            return Ok((table, true));
        }
        let answer = self.client.read(&ApiPath::visible_mounts(), None).await?;
        Ok((answer.data::<Visible>()?.secret, false))
    }

    /// The mount at exactly this path.
    ///
    /// # Errors
    /// [`VaultError::NoSuchMount`]; a refusal with status 403 if the token has no right on the mount. Vault does not
    /// distinguish that from a missing mount.
    pub async fn find(&self, mount: &MountPath) -> Result<Engine, VaultError> {
        #[derive(Deserialize)]
        struct Found {
            path: String,
            #[serde(flatten)]
            engine: Engine,
        }
        let answer = self.client.read(&ApiPath::mount(mount), None).await?;
        if answer.is_not_found() {
            return Err(VaultError::NoSuchMount);
        }
        let found: Found = answer.data()?;
        // Vault returns the mount that contains the path.
        if found.path.trim_end_matches('/') == mount.as_str() {
            Ok(found.engine)
        } else {
            Err(VaultError::NoSuchMount)
        }
    }

    /// Creates a mount, with one request. A new KV v2 mount may reject requests for a moment, see [`Self::answers`].
    ///
    /// # Errors
    /// Vault's refusal, for example when the path is in use or reserved.
    pub async fn create(&self, mount: &MountPath, new: &NewMount) -> Result<(), VaultError> {
        let mut body = match &new.engine {
            NewEngine::Kv(version) => {
                serde_json::json!({ "type": "kv", "options": { "version": version.number().to_string() } })
            }
            NewEngine::Pki { max_ttl } => {
                serde_json::json!({ "type": "pki", "config": { "max_lease_ttl": max_ttl.for_vault() } })
            }
        };
        body["description"] = new.description.as_str().into();
        let path = ApiPath::mount_entry(mount).map_err(VaultError::MountName)?;
        self.client
            .write(&path, Capability::Update, body.to_string().into_bytes())
            .await?;
        Ok(())
    }

    /// Changes the settings of a KV v2 mount.
    ///
    /// # Errors
    /// As for every request, see [`VaultError`].
    pub async fn configure(
        &self,
        mount: &MountPath,
        settings: KvSettings,
    ) -> Result<(), VaultError> {
        let body = serde_json::json!(settings).to_string().into_bytes();
        let answer = self
            .client
            .write(&ApiPath::kv_config(mount), Capability::Update, body)
            .await?;
        if answer.is_not_found() {
            return Err(answer.unexpected("the mount was replaced while it was configured"));
        }
        Ok(())
    }

    /// Waits a moment until a new KV v2 mount accepts requests.
    ///
    /// # Errors
    /// Why that is not certain: Vault is still upgrading it, or the token may not read it.
    pub async fn answers(&self, mount: &MountPath) -> Result<(), VaultError> {
        let root = ApiPath::folder(mount, KvVersion::V2, &FolderPath::default());
        self.client.list(&root).await.map(drop)
    }

    /// Removes a mount with all its content. Returns whether the server saw that it existed; false if the token can
    /// see neither the mount nor the table. Vault returns 204 for a missing mount, too.
    ///
    /// # Errors
    /// [`VaultError::NoSuchMount`], or Vault's refusal.
    pub async fn delete(&self, mount: &MountPath) -> Result<bool, VaultError> {
        let path = ApiPath::mount_entry(mount).map_err(VaultError::MountName)?;
        let seen = self.exists(mount).await?;
        if seen == Some(false) {
            return Err(VaultError::NoSuchMount);
        }
        self.client.delete(&path).await?;
        Ok(seen.is_some())
    }

    /// Whether there is a mount at exactly this path, as far as the token can see.
    async fn exists(&self, mount: &MountPath) -> Result<Option<bool>, VaultError> {
        match self.find(mount).await {
            Ok(_) => Ok(Some(true)),
            Err(VaultError::NoSuchMount) => Ok(Some(false)),
            Err(error) if error.refused_with(403).is_some() => {
                let table = self.table().await?;
                Ok(table.map(|table| table.contains_key(&format!("{mount}/"))))
            }
            Err(error) => Err(error),
        }
    }

    /// The whole table, if the token may read it.
    async fn table(&self) -> Result<Option<Table>, VaultError> {
        match self.client.read(&ApiPath::mounts(), None).await {
            Ok(answer) => answer.data().map(Some),
            Err(error) if error.refused_with(403).is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
