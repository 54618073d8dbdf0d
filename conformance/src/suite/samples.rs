//! What the suite makes in mounts of its own to try out the operations that read, and what their answers must contain.

use serde_json::{Value, json};

use crate::{
    engines::{Kv, Mounts, Operation, Parameters, Pki},
    init::pointers::{Expected, Fact, Facts},
    redact::Secrets,
    slot::Slot,
    vault::{
        oracle::{Oracle, OracleError},
        policy,
    },
};

/// The folder of the secret that is read.
const FOLDER: &str = "app";
const KEY: &str = "password";
/// The issuer and the role of the PKI mount that is read.
const ISSUER: &str = "check-ca";
const ROLE: &str = "check-role";

/// A secret with two versions in a KV mount, and beside it a PKI mount with an issuer, a role and a certificate.
pub(super) struct Samples {
    mount: String,
    /// The version of the KV mount.
    version: u8,
    /// The path of the secret, and its values in both versions.
    secret: String,
    first: String,
    latest: String,
    /// The id of the issuer.
    issuer: String,
    /// The serial number of the certificate.
    serial: String,
    /// The values.
    pub(super) secrets: Secrets,
}

/// One operation that reads, on what was made.
pub(super) struct Sample {
    pub(super) operation: Operation,
    pub(super) parameters: Parameters,
    /// What Vault holds.
    pub(super) expected: Expected,
    /// A random part of it; empty if it has none.
    pub(super) canary: String,
}

/// An operation, the path that it is about, the data, the canary, and the facts.
type Row<'s> = (Operation, &'s str, Value, &'s str, Facts);

/// Gives the target all rights to a mount and to the PKI mount beside it.
///
/// # Errors
/// If Vault rejects a request.
pub(super) async fn grant(oracle: &Oracle, slot: &Slot, mount: &str) -> Result<(), OracleError> {
    match &slot.token {
        Some(token) => {
            let hcl = policy::sufficient(mount);
            oracle.write_policy(&token.policy, &hcl).await
        }
        None => Ok(()),
    }
}

impl Samples {
    /// Makes them in a KV mount of this version, which is made, too.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub(super) async fn make(
        oracle: &Oracle,
        mount: &str,
        version: u8,
    ) -> Result<Self, OracleError> {
        oracle.make_kv_mount(mount, version).await?;
        let mut secrets = Secrets::default();
        // There are two versions, so that a target that reads the latest instead of the first is detected.
        let random = || format!("{:016x}", rand::random::<u64>());
        let secret = format!("{FOLDER}/check-{}", random());
        let first = random();
        let latest = random();
        for (value, label) in [
            (&first, format!("value of {KEY} in version 1")),
            (&latest, format!("value of {KEY}")),
        ] {
            let data = Parameters::from_iter([(KEY.to_owned(), json!(value))]);
            oracle.write_secret(mount, version, &secret, &data).await?;
            secrets.add(label, value.clone().into());
        }
        if version == 2 {
            oracle
                .set_custom_metadata(mount, &secret, &custom())
                .await?;
        }
        let pki = pki_beside(mount);
        let (issuer, serial) = make_certificate(oracle, &pki, &mut secrets).await?;
        Ok(Self {
            mount: mount.to_owned(),
            version,
            secret,
            first,
            latest,
            issuer,
            serial,
            secrets,
        })
    }

    /// Each operation that reads. The name of a mount that is fixed is not random.
    pub(super) fn all(&self, is_fixed: bool) -> Vec<Sample> {
        let (mount, secret) = (&self.mount, self.secret.as_str());
        let name = secret.trim_start_matches(FOLDER).trim_start_matches('/');
        let (first, latest) = (self.first.as_str(), self.latest.as_str());
        let (issuer, serial) = (&self.issuer, self.serial.as_str());
        let kv_type = [("type", Fact::Named), ("description", Fact::Named)];
        let of_mount = [("version", Fact::Is(json!(self.version)))];
        let pem = |fact| (fact, Fact::Pem("CERTIFICATE"));
        let versions = |number: u8| vec![("version", Fact::Is(json!(number)))];
        let settings = Operation::Pki(Pki::ReadRole).facts();
        // A name that is not random can stand anywhere.
        let mount_canary = if is_fixed { "" } else { mount };
        let rows: [Row<'_>; 12] = [
            (
                Operation::Mounts(Mounts::List),
                "",
                json!([format!("{mount}/")]),
                mount_canary,
                kv_type.into_iter().chain(of_mount).collect(),
            ),
            (Operation::Kv(Kv::List), FOLDER, json!([name]), name, vec![]),
            (
                Operation::Kv(Kv::ListAll),
                "",
                json!([secret]),
                name,
                vec![],
            ),
            (
                Operation::Kv(Kv::Read),
                secret,
                json!({ KEY: latest }),
                latest,
                versions(2),
            ),
            (
                Operation::Kv(Kv::ReadVersion),
                secret,
                json!({ KEY: first }),
                first,
                versions(1),
            ),
            (
                Operation::Kv(Kv::Metadata),
                secret,
                Value::Null,
                "",
                vec![
                    ("keys", Fact::Has(KEY)),
                    ("version", Fact::Is(json!(2))),
                    ("created", Fact::Time),
                    ("updated", Fact::Time),
                    ("custom", Fact::Is(custom())),
                    ("deleted", Fact::State),
                ],
            ),
            (
                Operation::Pki(Pki::ListIssuers),
                "",
                json!([issuer, ISSUER]),
                "",
                vec![("name", Fact::Is(json!(ISSUER)))],
            ),
            (
                Operation::Pki(Pki::ReadIssuer),
                "",
                Value::Null,
                "",
                vec![pem("certificate"), ("name", Fact::Is(json!(ISSUER)))],
            ),
            (
                Operation::Pki(Pki::ListRoles),
                "",
                json!([ROLE]),
                "",
                vec![],
            ),
            (
                Operation::Pki(Pki::ReadRole),
                "",
                Value::Null,
                "",
                settings.iter().map(|fact| (*fact, Fact::Named)).collect(),
            ),
            (
                Operation::Pki(Pki::ListCerts),
                "",
                json!([serial]),
                serial,
                vec![],
            ),
            (
                Operation::Pki(Pki::ReadCert),
                "",
                Value::Null,
                "",
                vec![pem("certificate")],
            ),
        ];
        let samples = rows
            .into_iter()
            .map(|(operation, path, data, canary, facts)| Sample {
                operation,
                parameters: self.parameters(operation, path),
                expected: Expected { data, facts },
                canary: canary.to_owned(),
            });
        samples.collect()
    }

    fn parameters(&self, operation: Operation, path: &str) -> Parameters {
        let values = operation.parameters().iter().map(|name| {
            let parameter = match *name {
                "mount" if matches!(operation, Operation::Pki(_)) => json!(pki_beside(&self.mount)),
                "mount" => json!(self.mount),
                "path" => json!(path),
                "issuer" => json!(ISSUER),
                "role" => json!(ROLE),
                "serial" => json!(self.serial),
                _ => json!(1),
            };
            ((*name).to_owned(), parameter)
        });
        values.collect()
    }
}

fn custom() -> Value {
    json!({ "made-by": "vault-mcp-conformance" })
}

/// The PKI mount that is made beside a KV mount.
fn pki_beside(mount: &str) -> String {
    format!("{mount}-pki")
}

/// Removes the KV mount with this path and the PKI mount beside it, where they are.
///
/// # Errors
/// If Vault rejects a request.
pub(super) async fn remove_own_mounts(oracle: &Oracle, mount: &str) -> Result<(), OracleError> {
    let mounts = oracle.mounts().await?;
    for path in [mount.to_owned(), pki_beside(mount)] {
        if mounts.contains_key(&path) {
            oracle.remove_mount(&path).await?;
        }
    }
    Ok(())
}

/// Makes a PKI mount with an issuer, a role and a certificate; returns the issuer's id and the
/// certificate's serial number.
async fn make_certificate(
    oracle: &Oracle,
    mount: &str,
    secrets: &mut Secrets,
) -> Result<(String, String), OracleError> {
    oracle.make_pki_mount(mount, Some("87600h")).await?;
    oracle.make_root(mount, ISSUER, "87600h").await?;
    let settings = Parameters::from_iter([
        ("allow_any_name".to_owned(), json!(true)),
        ("key_type".to_owned(), json!("ec")),
    ]);
    oracle.make_role(mount, ROLE, &settings).await?;
    let issued = oracle.issue(mount, ROLE, "check.example", None).await?;
    let text = |name: &str| issued[name].as_str().unwrap_or_default().to_owned();
    secrets.add("private key".to_owned(), text("private_key").into());
    let issuers = oracle.issuers(mount).await?;
    let issuer = issuers.first().map(|issuer| issuer.id.clone());
    Ok((issuer.unwrap_or_default(), text("serial_number")))
}
