//! Creating a PKI mount.

use std::sync::Arc;

use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{mount_path, refusal, ttl};
use crate::{
    server::VaultServer,
    tools::{Effect, Failure, route},
    vault::{
        Vault,
        mounts::{NewEngine, NewMount},
    },
};

/// Ten years. A shorter maximum would shorten the lifetime of a root.
const DEFAULT_MAX_TTL: &str = "87600h";

pub(super) fn routes() -> [ToolRoute<VaultServer>; 1] {
    [route(
        "enable_pki",
        "Enable a PKI engine",
        Effect::Adds,
        "Mount a new PKI secrets engine at a path that is free. `max_ttl` bounds the lifetime of everything that it \
         issues, its root included. A path that is in use is an error; nothing is changed then. Next: \
         create_pki_issuer, create_pki_role, issue_pki_certificate.",
        enable_pki,
    )]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EnablePki {
    /// Where to mount the engine, such as `pki` or `team/a/pki`.
    #[schemars(length(min = 1))]
    mount: String,
    /// The longest lifetime that the mount grants, such as `87600h` or `3650d`.
    #[schemars(length(min = 1), extend("default" = DEFAULT_MAX_TTL))]
    max_ttl: Option<String>,
    /// What people shall read about the mount.
    description: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct PkiEnabled {
    /// The mount, without a slash at the end.
    path: String,
    /// The longest lifetime that the mount grants, in seconds, as Vault has it.
    max_ttl: u64,
    /// What else there is to know.
    notes: Vec<String>,
}

async fn enable_pki(vault: Arc<Vault>, arguments: EnablePki) -> Result<PkiEnabled, Failure> {
    let mount = mount_path(&arguments.mount)?;
    let max_ttl = arguments.max_ttl.as_deref().unwrap_or(DEFAULT_MAX_TTL);
    let max_ttl = ttl("max_ttl", Some(max_ttl))?.ok_or_else(Failure::internal)?;
    let asked = max_ttl.seconds();
    let new = NewMount {
        engine: NewEngine::Pki { max_ttl },
        description: arguments.description.unwrap_or_default(),
    };
    let created = vault.mounts.create(&mount, &new).await;
    created.map_err(|error| refusal::explain(error, refusal::MOUNT))?;
    let found = vault.mounts.find(&mount).await.ok();
    let in_effect = found.and_then(|engine| engine.max_lease_ttl());
    let note = match in_effect {
        None => Some(
            "the mount was made, but the token may not look at it: `max_ttl` is what was asked for"
                .to_owned(),
        ),
        Some(seconds) if seconds < asked => Some(format!(
            "`max_ttl` is shorter than asked for: asked for {asked} s, vault gave {seconds} s"
        )),
        Some(_) => None,
    };
    Ok(PkiEnabled {
        path: mount.to_string(),
        max_ttl: in_effect.unwrap_or(asked),
        notes: note.into_iter().collect(),
    })
}
