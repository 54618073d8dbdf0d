//! Mounts: what secrets engines there are.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Effect, Failure, route};
use crate::{
    server::VaultServer,
    vault::{Vault, path::ApiPath},
};

pub(super) fn routes() -> Vec<ToolRoute<VaultServer>> {
    vec![route(
        "list_mounts",
        "List mounts",
        Effect::Reads,
        "List the secrets engines that the server's token has some right on, with path, type and, for KV, \
         version. Use a `path` from it as the `mount` argument of the other tools.",
        list_mounts,
    )]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoArguments {}

#[derive(Serialize, JsonSchema)]
struct Mounts {
    /// In the order of their paths.
    mounts: Vec<Mount>,
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

async fn list_mounts(vault: Arc<Vault>, NoArguments {}: NoArguments) -> Result<Mounts, Failure> {
    #[derive(Deserialize)]
    struct Visible {
        secret: BTreeMap<String, Engine>,
    }
    #[derive(Deserialize)]
    struct Engine {
        r#type: String,
        #[serde(default)]
        description: String,
        options: Option<HashMap<String, String>>,
    }
    let answer = vault.client.read(&ApiPath::mounts(), None).await?;
    let visible: Visible = answer.data()?;
    let mounts = visible
        .secret
        .into_iter()
        .map(
            |(
                path,
                Engine {
                    r#type,
                    description,
                    options,
                },
            )| {
                let is_v2 = options.is_some_and(|options| {
                    options.get("version").is_some_and(|version| version == "2")
                });
                let version = (r#type == "kv").then_some(if is_v2 { 2 } else { 1 });
                Mount {
                    path,
                    r#type,
                    version,
                    description,
                }
            },
        )
        .collect();
    Ok(Mounts { mounts })
}
