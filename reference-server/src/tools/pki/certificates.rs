//! Certificates: issuing one with its key, signing a request, revoking, listing and reading.

use std::{net::IpAddr, sync::Arc};

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
        pki::{Certificate, Issued, Name, Request, Serial, Told, check_request},
    },
};

pub(super) fn routes() -> [ToolRoute<VaultServer>; 5] {
    [
        route(
            "issue_pki_certificate",
            "Issue a certificate with its private key",
            Effect::Makes,
            "Have a PKI mount make a private key and a certificate for it, as a role allows. Vault does not keep the \
             private key: it is in this answer alone, so hand it over where it belongs and do not repeat it. If the \
             key can be made where it is used, sign_pki_certificate is safer. `notes` tell if the certificate ends \
             earlier than `ttl` asked for.",
            issue_pki_certificate,
        ),
        route(
            "sign_pki_certificate",
            "Sign a certificate request",
            Effect::Makes,
            "Have a PKI mount sign a certificate request (CSR), as a role allows. The private key stays where the \
             request was made. Most roles take the names from the request and not from the arguments; `notes` tell \
             what was asked for and is not in the certificate.",
            sign_pki_certificate,
        ),
        route(
            "revoke_pki_certificate",
            "Revoke a certificate",
            Effect::Removes,
            "Revoke a certificate that a PKI mount has issued, as after its key has leaked: it is on the mount's \
             revocation list from then on. This cannot be undone. A certificate that is revoked already stays so.",
            revoke_pki_certificate,
        ),
        route(
            "list_pki_certificates",
            "List certificates",
            Effect::Reads,
            "List the serial numbers of the certificates that a PKI mount has on record: those that it issued, and \
             those of its issuers. A mount without certificates is an empty list.",
            list_pki_certificates,
        ),
        route(
            "read_pki_certificate",
            "Read a certificate",
            Effect::Reads,
            "Read a certificate that a PKI mount has on record, by its serial number: what it says, and whether it is \
             revoked. Its private key is not on record.",
            read_pki_certificate,
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct IssueCertificate {
    /// The mount of the PKI engine, such as `pki` or `team/a/pki`.
    #[schemars(length(min = 1))]
    mount: String,
    /// The role to issue by; list_pki_roles shows which there are.
    #[schemars(length(min = 1))]
    role: String,
    /// The name that the certificate is for, such as `app.example.com`.
    #[schemars(length(min = 1))]
    common_name: String,
    /// More names that it is for: hosts or mail addresses.
    #[schemars(inner(length(min = 1)))]
    alt_names: Option<Vec<String>>,
    /// IP addresses that it is for.
    #[schemars(inner(length(min = 1)))]
    ip_sans: Option<Vec<String>>,
    /// How long it shall last, such as `72h` or `30d`. Leave it out for what the role says.
    #[schemars(length(min = 1))]
    ttl: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SignCertificate {
    /// The mount of the PKI engine, such as `pki` or `team/a/pki`.
    #[schemars(length(min = 1))]
    mount: String,
    /// The role to sign by; list_pki_roles shows which there are.
    #[schemars(length(min = 1))]
    role: String,
    /// The request, PEM: from `-----BEGIN CERTIFICATE REQUEST-----` to its end.
    #[schemars(length(min = 1))]
    csr: String,
    /// The name that the certificate is for, where the role does not take it from the request.
    #[schemars(length(min = 1))]
    common_name: Option<String>,
    /// More names that it is for, where the role does not take them from the request.
    #[schemars(inner(length(min = 1)))]
    alt_names: Option<Vec<String>>,
    /// IP addresses that it is for, where the role does not take them from the request.
    #[schemars(inner(length(min = 1)))]
    ip_sans: Option<Vec<String>>,
    /// How long it shall last, such as `72h` or `30d`. Leave it out for what the role says.
    #[schemars(length(min = 1))]
    ttl: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct SignedCertificate {
    /// The certificate, PEM.
    certificate: String,
    /// The certificate of its issuer, PEM.
    issuing_ca: String,
    /// From its issuer on towards the root, PEM.
    ca_chain: Vec<String>,
    /// The serial number of the certificate.
    serial_number: String,
    /// When the certificate begins to be valid, RFC 3339.
    not_before: String,
    /// When it ends to be valid, RFC 3339.
    not_after: String,
    /// What else there is to know, such as that it ends earlier than asked for.
    notes: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct IssuedCertificate {
    #[serde(flatten)]
    signed: SignedCertificate,
    /// The private key, PEM. It is a secret, and shown here alone.
    private_key: String,
    /// The type of the private key, such as `rsa` or `ec`.
    private_key_type: String,
}

async fn issue_pki_certificate(
    vault: Arc<Vault>,
    arguments: IssueCertificate,
) -> Result<IssuedCertificate, Failure> {
    let (mount, role) = (
        mount_path(&arguments.mount)?,
        name("role", &arguments.role)?,
    );
    let request = request(
        Some(arguments.common_name),
        arguments.alt_names,
        arguments.ip_sans,
        arguments.ttl.as_deref(),
    )?;
    let issued = vault.pki.issue(&mount, &role, &request).await;
    let mut told = issued
        .map_err(|error| but_signing(refusal::explain(error, refusal::ISSUE), &mount, &role))?;
    let keys = (
        told.data.private_key.take(),
        told.data.private_key_type.take(),
    );
    let (Some(private_key), Some(private_key_type)) = keys else {
        return Err(Failure::new(
            Kind::UnexpectedAnswer,
            "vault issued a certificate without its private key",
            "ask the operator what answers at VAULT_ADDR",
        ));
    };
    Ok(IssuedCertificate {
        signed: signed(told, &request),
        private_key,
        private_key_type,
    })
}

async fn sign_pki_certificate(
    vault: Arc<Vault>,
    arguments: SignCertificate,
) -> Result<SignedCertificate, Failure> {
    let (mount, role) = (
        mount_path(&arguments.mount)?,
        name("role", &arguments.role)?,
    );
    check_request(&arguments.csr).map_err(|error| Failure::invalid("csr", error))?;
    let request = request(
        arguments.common_name,
        arguments.alt_names,
        arguments.ip_sans,
        arguments.ttl.as_deref(),
    )?;
    let told = vault
        .pki
        .sign(&mount, &role, &arguments.csr, &request)
        .await;
    let told =
        told.map_err(|error| refusal::explain(error, refusal::SIGN.iter().chain(refusal::ISSUE)))?;
    Ok(signed(told, &request))
}

/// Adds the alternative to a denial of issuing: policies often grant only signing.
fn but_signing(mut failure: Failure, mount: &MountPath, role: &Name) -> Failure {
    if failure.missing_capability.is_some() {
        let role = role.as_str();
        failure.next_step.push_str(&format!(
            "; or make a key and a request for it where the key is used, and call sign_pki_certificate, which needs \
             `update` on `{mount}/sign/{role}` instead"
        ));
    }
    failure
}

fn request(
    common_name: Option<String>,
    alt_names: Option<Vec<String>>,
    ip_sans: Option<Vec<String>>,
    ttl_text: Option<&str>,
) -> Result<Request, Failure> {
    let alt_names = alt_names.unwrap_or_default();
    // Vault expects the names as one text, separated by commas.
    if alt_names.iter().any(|name| name.contains(',')) {
        return Err(Failure::invalid_argument(
            "argument `alt_names` has an item with a comma in it: give each name as an item of its own",
        ));
    }
    let addresses: Result<Vec<IpAddr>, _> =
        ip_sans.iter().flatten().map(|text| text.parse()).collect();
    Ok(Request {
        common_name,
        alt_names,
        ip_sans: addresses
            .map_err(|_| Failure::invalid("ip_sans", "has an item that is not an IP address"))?,
        ttl: ttl("ttl", ttl_text)?,
    })
}

fn signed(told: Told<Issued>, request: &Request) -> SignedCertificate {
    let Told { data, warnings } = told;
    let mut notes: Vec<String> = shortened(request.ttl.as_ref(), &data.certificate)
        .into_iter()
        .collect();
    notes.extend(left_out(request, &data.certificate));
    notes.extend(warnings);
    SignedCertificate {
        certificate: data.certificate.pem,
        issuing_ca: data.issuing_ca,
        ca_chain: data.ca_chain,
        serial_number: data.certificate.serial_number,
        not_before: data.certificate.not_before,
        not_after: data.certificate.not_after,
        notes,
    }
}

/// The note for a certificate that lacks requested names. A role may take the names from the request; Vault then
/// silently ignores the others.
fn left_out(request: &Request, certificate: &Certificate) -> Option<String> {
    let is_in = |name: &&str| {
        let own = certificate.common_name.iter().chain(&certificate.alt_names);
        // A certificate encodes names in other scripts differently.
        !name.is_ascii()
            || own
                .into_iter()
                .any(|it| it.eq_ignore_ascii_case(name.trim()))
    };
    let addresses: Vec<String> = request.ip_sans.iter().map(IpAddr::to_string).collect();
    let asked = request
        .common_name
        .iter()
        .chain(&request.alt_names)
        .chain(&addresses);
    let missing: Vec<&str> = asked
        .map(String::as_str)
        .filter(|name| !is_in(name))
        .collect();
    (!missing.is_empty()).then(|| {
        format!(
            "the certificate is not for all that was asked for, as the role takes the names from the request; \
             missing: {}",
            missing.join(", ")
        )
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CertificateArguments {
    /// The mount of the PKI engine, such as `pki` or `team/a/pki`.
    #[schemars(length(min = 1))]
    mount: String,
    /// The serial number of the certificate in pairs of hex digits, such as `1f:b3:35:2b`.
    #[schemars(length(min = 1))]
    serial_number: String,
}

impl CertificateArguments {
    fn parse(&self) -> Result<(MountPath, Serial), Failure> {
        let serial = Serial::parse(&self.serial_number);
        let serial = serial.map_err(|error| Failure::invalid("serial_number", error))?;
        Ok((mount_path(&self.mount)?, serial))
    }
}

#[derive(Serialize, JsonSchema)]
struct CertificateRevoked {
    /// The serial number of the certificate.
    serial_number: String,
    /// When it was revoked, in seconds since 1970.
    revocation_time: u64,
    /// The same, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    revocation_time_rfc3339: Option<String>,
    /// What else there is to know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

async fn revoke_pki_certificate(
    vault: Arc<Vault>,
    arguments: CertificateArguments,
) -> Result<CertificateRevoked, Failure> {
    let (mount, serial) = arguments.parse()?;
    let revoked = vault.pki.revoke(&mount, &serial).await;
    let Told { data, warnings } =
        revoked.map_err(|error| refusal::explain(error, refusal::REVOKE))?;
    Ok(CertificateRevoked {
        serial_number: serial.as_str().to_owned(),
        revocation_time: data.time,
        revocation_time_rfc3339: data.rfc3339,
        notes: warnings,
    })
}

#[derive(Serialize, JsonSchema)]
struct CertificateList {
    /// The serial numbers, in Vault's order.
    serial_numbers: Vec<String>,
}

async fn list_pki_certificates(
    vault: Arc<Vault>,
    arguments: MountArguments,
) -> Result<CertificateList, Failure> {
    let mount = mount_path(&arguments.mount)?;
    let listed = vault.pki.list_certificates(&mount).await;
    let serial_numbers = listed.map_err(|error| refusal::explain(error, []))?;
    Ok(CertificateList { serial_numbers })
}

#[derive(Serialize, JsonSchema)]
struct CertificateRead {
    /// The certificate, PEM.
    certificate: String,
    /// The serial number of the certificate.
    serial_number: String,
    /// When the certificate begins to be valid, RFC 3339.
    not_before: String,
    /// When it ends to be valid, RFC 3339.
    not_after: String,
    /// When it was revoked, in seconds since 1970; left out if it is not revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    revocation_time: Option<u64>,
    /// The same, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    revocation_time_rfc3339: Option<String>,
}

async fn read_pki_certificate(
    vault: Arc<Vault>,
    arguments: CertificateArguments,
) -> Result<CertificateRead, Failure> {
    let (mount, serial) = arguments.parse()?;
    let read = vault.pki.read_certificate(&mount, &serial).await;
    let kept = read.map_err(|error| refusal::explain(error, []))?;
    Ok(CertificateRead {
        certificate: kept.certificate.pem,
        serial_number: kept.certificate.serial_number,
        not_before: kept.certificate.not_before,
        not_after: kept.certificate.not_after,
        revocation_time: kept.revocation.as_ref().map(|it| it.time),
        revocation_time_rfc3339: kept.revocation.and_then(|it| it.rfc3339),
    })
}
