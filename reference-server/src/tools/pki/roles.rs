//! Roles: which certificates may be issued for which names.

use std::sync::Arc;

use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MountArguments, mount_path, name, refusal, ttl};
use crate::{
    server::VaultServer,
    tools::{Effect, Failure, route},
    vault::{
        Vault,
        path::MountPath,
        pki::{Name, NewRole, Role, Told},
    },
};

pub(super) fn routes() -> [ToolRoute<VaultServer>; 4] {
    [
        route(
            "create_pki_role",
            "Create or replace a role",
            Effect::Sets,
            "Make a role in a PKI mount, which decides for which names certificates are issued and for how long. A \
             role of this name is replaced wholly: what is left out gets Vault's default, so give all that the role \
             shall allow. `notes` tell which other settings the old role had. A role without `allowed_domains` \
             allows no name but `localhost`.",
            create_pki_role,
        ),
        route(
            "list_pki_roles",
            "List roles",
            Effect::Reads,
            "List the names of the roles of a PKI mount. A mount without roles is an empty list.",
            list_pki_roles,
        ),
        route(
            "read_pki_role",
            "Read a role",
            Effect::Reads,
            "Read what a role of a PKI mount allows: names, IP addresses, keys and lifetimes.",
            read_pki_role,
        ),
        route(
            "delete_pki_role",
            "Delete a role",
            Effect::Removes,
            "Delete a role of a PKI mount. Certificates that were issued by it stay valid. A role that does not \
             exist is an error.",
            delete_pki_role,
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RoleArguments {
    /// The mount of the PKI engine, such as `pki` or `team/a/pki`.
    #[schemars(length(min = 1))]
    mount: String,
    /// The name of the role, such as `web`.
    #[schemars(length(min = 1))]
    role: String,
}

impl RoleArguments {
    fn parse(&self) -> Result<(MountPath, Name), Failure> {
        Ok((mount_path(&self.mount)?, name("role", &self.role)?))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum KeyType {
    Rsa,
    Ec,
    Ed25519,
    Any,
}

impl KeyType {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ec => "ec",
            Self::Ed25519 => "ed25519",
            Self::Any => "any",
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CreateRole {
    /// The mount of the PKI engine, such as `pki` or `team/a/pki`.
    #[schemars(length(min = 1))]
    mount: String,
    /// The name of the role, such as `web`: letters, digits, `_`, `-`, `.`.
    #[schemars(length(min = 1))]
    role: String,
    /// The domains for which it issues, such as `example.com`. How is decided by the arguments that follow.
    allowed_domains: Option<Vec<String>>,
    /// Whether it issues for names below the domains, however deep, wildcards included.
    #[schemars(extend("default" = false))]
    allow_subdomains: Option<bool>,
    /// Whether it issues for the domains themselves.
    #[schemars(extend("default" = false))]
    allow_bare_domains: Option<bool>,
    /// Whether `*` in a domain stands for anything.
    #[schemars(extend("default" = false))]
    allow_glob_domains: Option<bool>,
    /// Whether it issues for any name at all. Whoever may use the role can then pose as anybody.
    #[schemars(extend("default" = false))]
    allow_any_name: Option<bool>,
    /// Whether certificates may have IP addresses.
    #[schemars(extend("default" = true))]
    allow_ip_sans: Option<bool>,
    /// The type of the keys; `any` is for signing requests alone.
    #[schemars(extend("default" = "rsa"))]
    key_type: Option<KeyType>,
    /// The length of the keys in bits: 2048, 3072, 4096 or 8192 for `rsa`, 224, 256, 384 or 521 for `ec`.
    #[schemars(range(min = 0))]
    key_bits: Option<u64>,
    /// The lifetime of a certificate for which none is asked for, such as `72h`. Leave it out for that of the mount.
    #[schemars(length(min = 1))]
    ttl: Option<String>,
    /// The longest lifetime of a certificate, such as `720h`. Leave it out for that of the mount.
    #[schemars(length(min = 1))]
    max_ttl: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct RoleRead {
    /// The name of the role.
    role: String,
    #[serde(flatten)]
    settings: RoleSettings,
}

#[derive(Serialize, JsonSchema)]
struct RoleCreated {
    /// The name of the role.
    role: String,
    /// The role as Vault has it now; all of it is left out if the token may not read it.
    #[serde(flatten)]
    settings: Option<RoleSettings>,
    /// What else there is to know.
    notes: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct RoleSettings {
    /// The domains for which it issues.
    allowed_domains: Vec<String>,
    /// Whether it issues for names below the domains.
    allow_subdomains: bool,
    /// Whether it issues for the domains themselves.
    allow_bare_domains: bool,
    /// Whether `*` in a domain stands for anything.
    allow_glob_domains: bool,
    /// Whether it issues for any name at all.
    allow_any_name: bool,
    /// Whether certificates may have IP addresses.
    allow_ip_sans: bool,
    /// The type of the keys: `rsa`, `ec`, `ed25519` or `any`.
    key_type: String,
    /// The length of the keys in bits; 0 if the type leaves no choice, or does not matter.
    key_bits: u64,
    /// The lifetime if none is asked for, in seconds; 0 for that of the mount.
    ttl: u64,
    /// The longest lifetime, in seconds; 0 for that of the mount.
    max_ttl: u64,
}

impl From<Role> for RoleSettings {
    fn from(role: Role) -> Self {
        Self {
            allowed_domains: role.allowed_domains.unwrap_or_default(),
            allow_subdomains: role.allow_subdomains,
            allow_bare_domains: role.allow_bare_domains,
            allow_glob_domains: role.allow_glob_domains,
            allow_any_name: role.allow_any_name,
            allow_ip_sans: role.allow_ip_sans,
            key_type: role.key_type,
            key_bits: role.key_bits,
            ttl: role.ttl,
            max_ttl: role.max_ttl,
        }
    }
}

async fn create_pki_role(vault: Arc<Vault>, arguments: CreateRole) -> Result<RoleCreated, Failure> {
    let mount = mount_path(&arguments.mount)?;
    let role = name("role", &arguments.role)?;
    let is_domain = |domain: &String| !domain.is_empty() && !domain.contains([',', ' ']);
    if !arguments.allowed_domains.iter().flatten().all(is_domain) {
        return Err(Failure::invalid_argument(
            "argument `allowed_domains` has an item that is empty, or has a comma or a space in it: give each domain \
             as an item of its own",
        ));
    }
    let new = NewRole {
        allowed_domains: arguments.allowed_domains,
        allow_subdomains: arguments.allow_subdomains,
        allow_bare_domains: arguments.allow_bare_domains,
        allow_glob_domains: arguments.allow_glob_domains,
        allow_any_name: arguments.allow_any_name,
        allow_ip_sans: arguments.allow_ip_sans,
        key_type: arguments
            .key_type
            .map(|key_type| key_type.as_str().to_owned()),
        key_bits: arguments.key_bits,
        ttl: ttl("ttl", arguments.ttl.as_deref())?,
        max_ttl: ttl("max_ttl", arguments.max_ttl.as_deref())?,
    };
    let written = vault.pki.write_role(&mount, &role, &new).await;
    let Told { data, warnings } =
        written.map_err(|error| refusal::explain(error, refusal::ROLE))?;
    let mut notes = Vec::new();
    if data.role.is_none() {
        notes.push(
            "the role was made, but the token may not read it: what it is now is not shown"
                .to_owned(),
        );
    }
    if !data.reset.is_empty() {
        let was: Vec<_> = data
            .reset
            .iter()
            .map(|(setting, value)| format!("`{setting}` was {value}"))
            .collect();
        notes.push(format!(
            "the role that was replaced had settings for which there is no argument here, and which have Vault's \
             defaults now: {}; tell the operator if that matters",
            was.join(", ")
        ));
    }
    notes.extend(warnings);
    Ok(RoleCreated {
        role: role.as_str().to_owned(),
        settings: data.role.map(RoleSettings::from),
        notes,
    })
}

#[derive(Serialize, JsonSchema)]
struct RoleList {
    /// The names of the roles, in Vault's order.
    roles: Vec<String>,
}

async fn list_pki_roles(vault: Arc<Vault>, arguments: MountArguments) -> Result<RoleList, Failure> {
    let mount = mount_path(&arguments.mount)?;
    let listed = vault.pki.list_roles(&mount).await;
    let roles = listed.map_err(|error| refusal::explain(error, []))?;
    Ok(RoleList { roles })
}

async fn read_pki_role(vault: Arc<Vault>, arguments: RoleArguments) -> Result<RoleRead, Failure> {
    let (mount, role) = arguments.parse()?;
    let read = vault.pki.read_role(&mount, &role).await;
    Ok(RoleRead {
        role: role.as_str().to_owned(),
        settings: read.map_err(|error| refusal::explain(error, []))?.into(),
    })
}

#[derive(Serialize, JsonSchema)]
struct RoleDeleted {
    /// The mount in which the role was.
    mount: String,
    /// The name of the role, which is not there any more.
    role: String,
    /// What else there is to know.
    notes: Vec<String>,
}

async fn delete_pki_role(
    vault: Arc<Vault>,
    arguments: RoleArguments,
) -> Result<RoleDeleted, Failure> {
    let (mount, role) = arguments.parse()?;
    let deleted = vault.pki.delete_role(&mount, &role).await;
    let seen = deleted.map_err(|error| refusal::explain(error, []))?;
    let note = "the token may not read the role, so the server could not check whether it existed";
    Ok(RoleDeleted {
        mount: mount.to_string(),
        role: role.as_str().to_owned(),
        notes: (!seen).then(|| note.to_owned()).into_iter().collect(),
    })
}
