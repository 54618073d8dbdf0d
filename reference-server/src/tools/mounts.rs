//! Mounts: listing secrets engines, creating a KV engine, removing an engine.

use std::sync::Arc;

use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Effect, Failure, route};
use crate::{
    server::VaultServer,
    vault::{
        Vault,
        kv::KvVersion,
        mounts::{KvSettings, NewEngine, NewMount},
        path::MountPath,
    },
};

pub(super) fn routes() -> [ToolRoute<VaultServer>; 3] {
    [
        route(
            "list_mounts",
            "List mounts",
            Effect::Reads,
            "List the secrets engines that the server's token may see, with path, type and, for KV, version. Use a \
             `path` from it as the `mount` argument of the other tools.",
            list_mounts,
        ),
        route(
            "create_mount",
            "Create a KV mount",
            Effect::Adds,
            "Mount a new KV secrets engine, version 2 unless told otherwise, at a path that is free. A path that is \
             in use, lies in another mount or around one is an error, and so are paths that Vault keeps for itself; \
             nothing is changed then.",
            create_mount,
        ),
        route(
            "delete_mount",
            "Delete a mount with all its secrets",
            Effect::Removes,
            "Remove a secrets engine of any type, with everything that is in it, for good. Only the mount at exactly \
             this path is removed. A mount that does not exist is an error.",
            delete_mount,
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoArguments {}

#[derive(Serialize, JsonSchema)]
struct MountList {
    /// In the order of their paths.
    mounts: Vec<Mount>,
    /// What else there is to know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct Mount {
    /// Where the engine is mounted, with a slash at the end.
    path: String,
    /// The type of the engine, such as `kv` or `pki`.
    r#type: String,
    /// The version of a KV engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u8>,
    /// What the operator wrote about the mount.
    description: String,
}

async fn list_mounts(vault: Arc<Vault>, NoArguments {}: NoArguments) -> Result<MountList, Failure> {
    let (table, all) = vault.mounts.list().await?;
    let note =
        "the token may not read `sys/mounts`: only mounts on which it has some right are shown";
    let mounts = table
        .into_iter()
        .map(|(path, engine)| Mount {
            path,
            version: engine.kv_version().map(KvVersion::number),
            r#type: engine.r#type,
            description: engine.description,
        })
        .collect();
    Ok(MountList {
        mounts,
        notes: (!all).then(|| note.to_owned()).into_iter().collect(),
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CreateMount {
    /// Where to mount the engine, such as `team` or `team/a/kv`.
    #[schemars(length(min = 1))]
    mount: String,
    /// The version of the KV engine: 2 keeps versions of each secret, 1 does not.
    #[schemars(range(min = 1, max = 2), extend("default" = 2))]
    version: Option<u8>,
    /// What people shall read about the mount.
    description: Option<String>,
    /// In KV v2: how many versions of a secret are kept; 0 for Vault's default, which is 10.
    #[schemars(range(min = 0))]
    max_versions: Option<u64>,
    /// In KV v2: whether every write has to name the version that it replaces.
    cas_required: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
struct MountCreated {
    /// The mount, without a slash at the end.
    mount: String,
    /// The version of the KV engine.
    version: u8,
    /// Whether the mount was seen to take requests.
    ready: bool,
    /// What else there is to know.
    notes: Vec<String>,
}

async fn create_mount(vault: Arc<Vault>, arguments: CreateMount) -> Result<MountCreated, Failure> {
    let mount = mount(&arguments.mount)?;
    let settings = KvSettings {
        max_versions: arguments.max_versions,
        cas_required: arguments.cas_required,
    };
    let has_settings = settings.max_versions.is_some() || settings.cas_required.is_some();
    let version = match arguments.version {
        Some(1) if has_settings => {
            return Err(Failure::invalid_argument(
                "arguments `max_versions` and `cas_required` are for version 2",
            ));
        }
        Some(1) => KvVersion::V1,
        _ => KvVersion::V2,
    };
    let new = NewMount {
        engine: NewEngine::Kv(version),
        description: arguments.description.unwrap_or_default(),
    };
    vault.mounts.create(&mount, &new).await?;
    if has_settings && let Err(error) = vault.mounts.configure(&mount, settings).await {
        // A mount without the requested settings is removed again.
        let outcome = match vault.mounts.delete(&mount).await {
            Ok(_) => "the settings could not be changed, so the new mount was removed again",
            Err(_) => {
                "the settings could not be changed, and the new mount is still there without them"
            }
        };
        return Err(Failure::from(error).and(outcome));
    }
    let ready = match version {
        KvVersion::V1 => Ok(()),
        KvVersion::V2 => vault.mounts.answers(&mount).await,
    };
    let notes = ready.as_ref().err().map(|error| {
        format!("the mount was created, but the server could not confirm that it accepts requests: {error}")
    });
    Ok(MountCreated {
        mount: mount.to_string(),
        version: version.number(),
        ready: ready.is_ok(),
        notes: notes.into_iter().collect(),
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeleteMount {
    /// The mount to remove, such as `team/a/kv`.
    #[schemars(length(min = 1))]
    mount: String,
}

#[derive(Serialize, JsonSchema)]
struct MountDeleted {
    /// The mount, which is not there any more.
    mount: String,
    /// What else there is to know.
    notes: Vec<String>,
}

async fn delete_mount(vault: Arc<Vault>, arguments: DeleteMount) -> Result<MountDeleted, Failure> {
    let mount = mount(&arguments.mount)?;
    let seen = vault.mounts.delete(&mount).await?;
    let note = "the token may see neither this mount nor the table of mounts, so the server could not check whether \
                the mount existed";
    Ok(MountDeleted {
        mount: mount.to_string(),
        notes: (!seen).then(|| note.to_owned()).into_iter().collect(),
    })
}

pub(super) fn mount(text: &str) -> Result<MountPath, Failure> {
    MountPath::parse(text).map_err(|error| Failure::invalid("mount", error))
}
