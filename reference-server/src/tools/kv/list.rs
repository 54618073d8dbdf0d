//! Names of secrets: one level, or the whole tree below a folder.

use std::sync::Arc;

use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    server::VaultServer,
    tools::{Effect, Failure, mounts::mount, progress::Progress, route_with_progress},
    vault::{Vault, kv::Tree, path::FolderPath},
};

/// A progress notification is sent for the first folder, and then for each batch of this many folders.
const FOLDERS_A_NOTIFICATION: u64 = 16;

pub(super) fn route() -> ToolRoute<VaultServer> {
    route_with_progress(
        "list_secrets",
        "List secrets",
        Effect::Reads,
        "List the names of the secrets and folders at one level of a KV mount, or, with `recursive`, of all \
         secrets below it. No keys and no values are read. A folder that the token may not list is named in \
         `denied`; `truncated` is true if there are more names than one answer holds.",
        list_secrets,
    )
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListSecrets {
    /// The mount of the KV engine, such as `secret` or `team/a/kv`.
    #[schemars(length(min = 1))]
    mount: String,
    /// The folder to list, relative to the mount, such as `app`. Leave it out for the root of the mount.
    path: Option<String>,
    /// Whether to list everything below the folder, however deep, instead of one level.
    #[schemars(extend("default" = false))]
    recursive: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
struct SecretList {
    /// The mount that was listed.
    mount: String,
    /// The folder that was listed; empty for the root of the mount.
    path: String,
    /// What is there: in Vault's order, or, of a recursive listing, all secrets by name.
    entries: Vec<Entry>,
    /// Folders below this one that the token may not list, relative to it. What is in them is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    denied: Vec<String>,
    /// Whether the listing ended before all was listed.
    truncated: bool,
    /// What else there is to know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct Entry {
    /// The name, relative to the folder that was listed; that of a folder ends in a slash, as in Vault.
    name: String,
    /// A name can stand for both, in two entries.
    kind: EntryKind,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum EntryKind {
    Secret,
    Folder,
}

async fn list_secrets(
    vault: Arc<Vault>,
    progress: Progress,
    arguments: ListSecrets,
) -> Result<SecretList, Failure> {
    let mount = mount(&arguments.mount)?;
    let folder = FolderPath::parse(arguments.path.as_deref().unwrap_or_default())
        .map_err(|error| Failure::invalid("path", error))?;
    let tree = if arguments.recursive == Some(true) {
        let mut walk = vault.kv.walk(&mount, &folder);
        while walk.step().await? {
            let Tree {
                visited, secrets, ..
            } = walk.tree();
            if visited % FOLDERS_A_NOTIFICATION == 1 {
                let found = secrets.len();
                progress
                    .tell(
                        *visited,
                        format!("{visited} folders visited, {found} secrets found"),
                    )
                    .await;
            }
        }
        walk.finish()?
    } else {
        Tree {
            secrets: vault.kv.list(&mount, &folder).await?,
            ..Tree::default()
        }
    };
    let mut notes = Vec::new();
    if !tree.denied.is_empty() {
        notes.push(
            "folders in `denied` were not listed: the token lacks `list` on them; what is in them is not shown"
                .to_owned(),
        );
    }
    if !tree.unusual.is_empty() {
        notes.push(format!(
            "folders with a name that this server does not ask for were not listed: {:?}",
            tree.unusual
        ));
    }
    if tree.truncated {
        notes.push(
            "there is more than one answer holds, or than can be listed in time: list the folders one by one"
                .to_owned(),
        );
    }
    Ok(SecretList {
        mount: mount.to_string(),
        path: folder.to_string(),
        entries: tree.secrets.into_iter().map(entry).collect(),
        denied: tree.denied,
        truncated: tree.truncated,
        notes,
    })
}

fn entry(name: String) -> Entry {
    let kind = if name.ends_with('/') {
        EntryKind::Folder
    } else {
        EntryKind::Secret
    };
    Entry { name, kind }
}
