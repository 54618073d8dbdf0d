//! Issuers: creating or importing a CA, and reading the existing ones.

use std::sync::Arc;

use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MountArguments, mount_path, name, refusal, shortened, ttl};
use crate::{
    server::VaultServer,
    tools::{Effect, Failure, failure::Kind, route},
    vault::{
        Vault,
        path::MountPath,
        pki::{Bundle, Name, NewIssuer, NewIssuers, PartialFailure, Signer, Stage, Told, Ttl},
    },
};

pub(super) fn routes() -> [ToolRoute<VaultServer>; 3] {
    [
        route(
            "create_pki_issuer",
            "Create an issuer (CA)",
            Effect::Adds,
            "Give a PKI mount an issuer, that is a CA. `kind` `root` makes a self-signed one (needs `issuer` and \
             `common_name`); `intermediate` makes one that an issuer in `root_mount` signs (needs `issuer`, \
             `common_name` and `root_mount`); `import` takes an existing CA from `bundle`. The private key of a new \
             issuer does not leave Vault. If any part fails, what was made is removed again. `notes` tell if Vault \
             gave less time than `ttl` asked for: no issuer outlasts the `max_ttl` of its mount or its own issuer.",
            create_pki_issuer,
        ),
        route(
            "list_pki_issuers",
            "List issuers (CAs)",
            Effect::Reads,
            "List the issuers of a PKI mount, with ids and names. A mount without issuers is an empty list.",
            list_pki_issuers,
        ),
        route(
            "read_pki_issuer",
            "Read an issuer (CA)",
            Effect::Reads,
            "Read an issuer of a PKI mount: its certificate, the chain to its root, and its lifetime. Private keys \
             are never shown.",
            read_pki_issuer,
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum IssuerKind {
    Root,
    Intermediate,
    Import,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CreateIssuer {
    /// The mount of the PKI engine, such as `pki` or `team/a/pki`.
    #[schemars(length(min = 1))]
    mount: String,
    /// Whether to make a root, to make an intermediate, or to import.
    kind: IssuerKind,
    /// The name that the issuer shall have in the mount, such as `root-2026`: letters, digits, `_`, `-`, `.`.
    #[schemars(length(min = 1))]
    issuer: Option<String>,
    /// The common name of a new CA, such as `Example Root CA`.
    #[schemars(length(min = 1))]
    common_name: Option<String>,
    /// How long a new CA shall last, such as `8760h` or `365d`.
    #[schemars(length(min = 1))]
    ttl: Option<String>,
    /// For `intermediate`: the PKI mount of the issuer that signs.
    #[schemars(length(min = 1))]
    root_mount: Option<String>,
    /// For `intermediate`: the name or id of the issuer that signs. Leave it out for the default one of `root_mount`.
    #[schemars(length(min = 1))]
    root_issuer: Option<String>,
    /// For `import`: PEM certificates of CAs, with the private key if the mount is to sign with it.
    #[schemars(length(min = 1))]
    bundle: Option<String>,
}

impl CreateIssuer {
    /// The optional arguments, checked against those that this kind requires and allows.
    fn check(&self) -> Result<(), Failure> {
        let (kind, needed, allowed): (_, &[&str], &[&str]) = match self.kind {
            IssuerKind::Root => ("root", &["issuer", "common_name"], &["ttl"]),
            IssuerKind::Intermediate => (
                "intermediate",
                &["issuer", "common_name", "root_mount"],
                &["ttl", "root_issuer"],
            ),
            IssuerKind::Import => ("import", &["bundle"], &["issuer"]),
        };
        for (argument, value) in [
            ("issuer", &self.issuer),
            ("common_name", &self.common_name),
            ("ttl", &self.ttl),
            ("root_mount", &self.root_mount),
            ("root_issuer", &self.root_issuer),
            ("bundle", &self.bundle),
        ] {
            let complaint = match value {
                None if needed.contains(&argument) => {
                    format!("missing argument `{argument}`, which kind `{kind}` needs")
                }
                Some(_) if !needed.contains(&argument) && !allowed.contains(&argument) => {
                    format!("argument `{argument}` is not for kind `{kind}`")
                }
                _ => continue,
            };
            return Err(Failure::invalid_argument(complaint));
        }
        Ok(())
    }
}

#[derive(Serialize, JsonSchema)]
struct IssuersCreated {
    /// The new issuer, and after it those that came with it: the other certificates of its chain or of the bundle.
    issuers: Vec<IssuerName>,
    /// The certificate of the new issuer, PEM.
    certificate: String,
    /// From that certificate on towards the root, PEM.
    ca_chain: Vec<String>,
    /// The serial number of the certificate.
    serial_number: String,
    /// When the certificate begins to be valid, RFC 3339.
    not_before: String,
    /// When it ends to be valid, RFC 3339.
    not_after: String,
    /// What else there is to know, such as that the lifetime is shorter than asked for.
    notes: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct IssuerName {
    /// The id that Vault gave the issuer.
    issuer_id: String,
    /// The name of the issuer; empty if it has none.
    issuer: String,
}

async fn create_pki_issuer(
    vault: Arc<Vault>,
    arguments: CreateIssuer,
) -> Result<IssuersCreated, Failure> {
    let mount = mount_path(&arguments.mount)?;
    arguments.check()?;
    let issuer = arguments.issuer.as_deref().map(new_name).transpose()?;
    let ttl = ttl("ttl", arguments.ttl.as_deref())?;
    let told = match (arguments.kind, issuer, arguments.common_name) {
        (IssuerKind::Import, issuer, _) => {
            let bundle = arguments.bundle.unwrap_or_default();
            return import(&vault, &mount, &bundle, issuer.as_ref()).await;
        }
        (kind, Some(name), Some(common_name)) => {
            let new = NewIssuer {
                name,
                common_name,
                ttl: ttl.clone(),
            };
            match kind {
                IssuerKind::Intermediate => {
                    let root_mount = arguments.root_mount.unwrap_or_default();
                    let root_issuer = arguments.root_issuer.as_deref();
                    let signer = Signer {
                        mount: MountPath::parse(&root_mount)
                            .map_err(|error| Failure::invalid("root_mount", error))?,
                        issuer: root_issuer
                            .map(|text| self::name("root_issuer", text))
                            .transpose()?,
                    };
                    let created = vault.pki.create_intermediate(&mount, &new, &signer).await;
                    created.map_err(partial_failure)?
                }
                _ => {
                    let created = vault.pki.create_root(&mount, &new).await;
                    created.map_err(|error| refusal::explain(error, refusal::ISSUER))?
                }
            }
        }
        // The check has excluded this.
        _ => return Err(Failure::internal()),
    };
    Ok(created(told, ttl.as_ref()))
}

async fn import(
    vault: &Vault,
    mount: &MountPath,
    text: &str,
    issuer: Option<&Name>,
) -> Result<IssuersCreated, Failure> {
    let bundle = Bundle::parse(text).map_err(|error| Failure::invalid("bundle", error))?;
    let imported = vault.pki.import_issuers(mount, &bundle, issuer).await;
    Ok(created(imported.map_err(partial_failure)?, None))
}

/// The name for a new issuer. Vault reserves `default` and the like.
fn new_name(text: &str) -> Result<Name, Failure> {
    if text == Name::DEFAULT_ISSUER {
        return Err(Failure::invalid_argument(
            "argument `issuer` is `default`, by which Vault means whichever issuer is the default one: give another name",
        ));
    }
    name("issuer", text)
}

fn created(told: Told<NewIssuers>, asked: Option<&Ttl>) -> IssuersCreated {
    let Told { data, warnings } = told;
    let mut notes: Vec<String> = shortened(asked, &data.certificate).into_iter().collect();
    if !data.existing.is_empty() {
        notes.push(format!(
            "the mount had these issuers already, and nothing was changed about them: {}",
            data.existing.join(", ")
        ));
    }
    if !data.without_key.is_empty() {
        notes.push(format!(
            "the mount has no private keys of these issuers: they complete chains and cannot sign: {}",
            data.without_key.join(", ")
        ));
    }
    notes.extend(warnings);
    IssuersCreated {
        issuers: data
            .issuers
            .into_iter()
            .map(|(issuer_id, issuer)| IssuerName { issuer_id, issuer })
            .collect(),
        certificate: data.certificate.pem,
        ca_chain: data.ca_chain,
        serial_number: data.certificate.serial_number,
        not_before: data.certificate.not_before,
        not_after: data.certificate.not_after,
        notes,
    }
}

fn partial_failure(partial_failure: PartialFailure) -> Failure {
    let PartialFailure {
        error,
        stage,
        made,
        left,
        signed,
    } = partial_failure;
    let mut failure = match stage {
        Stage::RootMount => refusal::explain(error, refusal::SIGNER),
        Stage::Mount => refusal::explain(error, refusal::ISSUER),
    };
    if stage == Stage::RootMount && failure.kind == Kind::PermissionDenied {
        failure.message = format!("argument `root_mount`: {}", failure.message);
    }
    if made > 0 {
        failure = match left.as_slice() {
            [] => failure.and("what was made before was removed again"),
            left => failure.and(&format!(
                "of what was made before, this was not removed again, so look at it and delete what is not wanted: {}",
                left.join(", ")
            )),
        };
    }
    if let Some(serial) = signed {
        failure = failure.and(&format!(
            "the certificate {serial} was signed in `root_mount` and stays on record there, without use as its key is gone"
        ));
    }
    failure
}

#[derive(Serialize, JsonSchema)]
struct IssuerList {
    /// In Vault's order.
    issuers: Vec<ListedIssuer>,
}

#[derive(Serialize, JsonSchema)]
struct ListedIssuer {
    /// The id that Vault gave the issuer.
    issuer_id: String,
    /// The name of the issuer; empty if it has none.
    issuer: String,
    /// Whether roles use it that name no issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_default: Option<bool>,
    /// Whether the mount has its private key; without it the issuer cannot sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    has_private_key: Option<bool>,
}

async fn list_pki_issuers(
    vault: Arc<Vault>,
    arguments: MountArguments,
) -> Result<IssuerList, Failure> {
    let mount = mount_path(&arguments.mount)?;
    let listed = vault.pki.list_issuers(&mount).await;
    let issuers = listed.map_err(|error| refusal::explain(error, []))?;
    let issuers = issuers.into_iter().map(|issuer| ListedIssuer {
        issuer_id: issuer.id,
        issuer: issuer.name,
        is_default: issuer.is_default,
        has_private_key: issuer.has_private_key,
    });
    Ok(IssuerList {
        issuers: issuers.collect(),
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReadIssuer {
    /// The mount of the PKI engine, such as `pki` or `team/a/pki`.
    #[schemars(length(min = 1))]
    mount: String,
    /// The name or the id of the issuer, as list_pki_issuers shows them; `default` for the default one.
    #[schemars(length(min = 1))]
    issuer: String,
}

#[derive(Serialize, JsonSchema)]
struct IssuerRead {
    /// The id that Vault gave the issuer.
    issuer_id: String,
    /// The name of the issuer; empty if it has none.
    issuer: String,
    /// The certificate of the issuer, PEM.
    certificate: String,
    /// From that certificate on towards the root, PEM.
    ca_chain: Vec<String>,
    /// The serial number of the certificate.
    serial_number: String,
    /// When the certificate begins to be valid, RFC 3339.
    not_before: String,
    /// When it ends to be valid, RFC 3339.
    not_after: String,
    /// Whether the mount has its private key; without it the issuer cannot sign.
    has_private_key: bool,
    /// Whether the certificate is revoked.
    revoked: bool,
}

async fn read_pki_issuer(vault: Arc<Vault>, arguments: ReadIssuer) -> Result<IssuerRead, Failure> {
    let mount = mount_path(&arguments.mount)?;
    let issuer = name("issuer", &arguments.issuer)?;
    let read = vault.pki.read_issuer(&mount, &issuer).await;
    let issuer = read.map_err(|error| refusal::explain(error, []))?;
    Ok(IssuerRead {
        issuer_id: issuer.id,
        issuer: issuer.name,
        certificate: issuer.certificate.pem,
        ca_chain: issuer.ca_chain,
        serial_number: issuer.certificate.serial_number,
        not_before: issuer.certificate.not_before,
        not_after: issuer.certificate.not_after,
        has_private_key: issuer.has_private_key,
        revoked: issuer.revoked,
    })
}
