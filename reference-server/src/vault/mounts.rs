//! The table of mounts: what is mounted, making a mount, removing one.
//!
//! Vault shows the whole table (`sys/mounts`) only to a token with that right,
//! and to every other token the mounts on which it has some right
//! (`sys/internal/ui/mounts`). The requests here make do with either.

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
    /// What the operator wrote about the mount.
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
    /// The longest lifetime that the mount grants, in seconds; `None` if Vault does not tell.
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

/// What to make.
#[derive(Debug, Clone)]
pub struct NewMount {
    /// The engine.
    pub engine: NewEngine,
    /// What the operator will read about the mount.
    pub description: String,
}

/// The engine of a new mount.
#[derive(Debug, Clone)]
pub enum NewEngine {
    /// A KV engine of this version.
    Kv(KvVersion),
    /// A PKI engine.
    Pki {
        /// The longest lifetime of what it issues.
        max_ttl: Ttl,
    },
}

/// Settings of a KV v2 engine; what is not given stays as Vault has it.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct KvSettings {
    /// How many versions of a secret are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_versions: Option<u64>,
    /// Whether every write has to name the version that it replaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cas_required: Option<bool>,
}

/// The table of mounts of one Vault.
pub struct Mounts {
    client: VaultClient,
}

impl Mounts {
    /// The table that the client's token reaches.
    pub fn new(client: VaultClient) -> Self {
        Self { client }
    }

    /// All mounts, and whether they are all there are: a token that may not read
    /// `sys/mounts` is shown those on which it has some right.
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
    /// [`VaultError::NoSuchMount`]; a refusal with status 403 if the token has no right on
    /// the mount, which Vault does not tell from a mount that is not there.
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
        // Vault answers for the mount that the path lies in.
        if found.path.trim_end_matches('/') == mount.as_str() {
            Ok(found.engine)
        } else {
            Err(VaultError::NoSuchMount)
        }
    }

    /// Makes a mount, with one request. In KV v2 it may refuse requests for a moment after, see
    /// [`Self::answers`].
    ///
    /// # Errors
    /// Vault's refusal, as when the path is in use or reserved.
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

    /// Waits a moment until a new KV v2 mount takes requests.
    ///
    /// # Errors
    /// Why it was not seen to: it is still being upgraded, or the token may not look.
    pub async fn answers(&self, mount: &MountPath) -> Result<(), VaultError> {
        let root = ApiPath::folder(mount, KvVersion::V2, &FolderPath::default());
        self.client.list(&root).await.map(drop)
    }

    /// Removes a mount with all that is in it; returns whether it was seen to exist before.
    /// It was not if the token may neither see the mount nor the table; Vault says nothing
    /// of it either: it answers 204 for a mount that is not there.
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

    /// Whether there is a mount at exactly this path, as far as the token may know.
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
