//! Servers that are started with certificate files, valid and invalid.

use std::{io, path::Path};

use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;

use crate::{
    adapter::launch::Mode,
    certificate::ServerCertificate,
    instance::setup::Setup,
    scenario::Scenario,
    vault::notes::{HOME_PREFIX, note_home},
    verdict::{StepEnd, StepResult},
};

/// The folder with the files for the server; removed with the scenario.
#[derive(Default)]
struct Files(Option<TempDir>);

/// Starts a server with a certificate that the suite trusts.
///
/// # Errors
/// When it does not start.
pub(crate) async fn start_with_certificate(scenario: &mut Scenario) -> StepResult {
    let setup = certified(scenario, "a certificate").await?;
    scenario.start_server(setup).await
}

/// Like [`start_with_certificate`], for what can be seen only if the server uses TLS.
///
/// # Errors
/// When it does not start; not applicable if it starts without TLS.
pub(crate) async fn start_using_certificate(scenario: &mut Scenario) -> StepResult {
    let setup = certified(scenario, "a certificate").await?;
    let demanded = format!("the server starts {setup}");
    match scenario.try_to_start_server(setup).await? {
        None => Ok(()),
        Some(refusal) if refusal.serves_without_tls() => Err(StepEnd::precondition(
            "the server does not use TLS (tls.spoken is about that)",
        )),
        Some(refusal) => Err(scenario.failed(demanded, &refusal.to_string())),
    }
}

/// Like [`start_with_certificate`], for a server that listens on all addresses.
///
/// # Errors
/// When it does not start.
pub(crate) async fn start_exposed_with_certificate(scenario: &mut Scenario) -> StepResult {
    let setup = exposed_with_certificate(scenario).await?;
    scenario.start_server(setup).await
}

/// The setup of a server with a certificate that listens on all addresses.
///
/// # Errors
/// Blocked if the files cannot be written.
pub(crate) async fn exposed_with_certificate(scenario: &mut Scenario) -> StepResult<Setup> {
    let setup = certified(scenario, "a certificate").await?;
    Ok(setup.and(Mode::AllInterfaces))
}

/// Writes the files, and returns a setup with their paths.
pub(crate) async fn certified(scenario: &mut Scenario, what: &str) -> StepResult<Setup> {
    let own = ServerCertificate::new().map_err(StepEnd::blocked)?;
    let other = ServerCertificate::new().map_err(StepEnd::blocked)?;
    let (mut certificate, mut key) = (Some(own.certificate.clone()), Some(own.key.clone()));
    let mut missing = false;
    match what {
        "a certificate" => {}
        "a certificate and no key" => key = None,
        "a key and no certificate" => certificate = None,
        "the key of another certificate" => key = Some(other.key),
        "a missing certificate file" => missing = true,
        "an empty certificate file" => certificate = Some(String::new()),
        "a key file that is no key" => key = Some(own.certificate.clone().into()),
        _ => {
            return Err(StepEnd::blocked(format!(
                "the step does not support {what:?}"
            )));
        }
    }
    let written = tokio::task::spawn_blocking(move || write(certificate.as_deref(), key.as_ref()));
    let (folder, paths) = unwritten(written.await.map_err(StepEnd::blocked)?)?;
    scenario.state_mut::<Files>().0 = Some(folder);
    let (mut certificate, key) = paths;
    if missing {
        certificate.push_str(".missing");
    }
    let mut setup = Setup::of(Mode::Tls)
        .with("tls_cert", certificate)
        .with("tls_key", key);
    setup.trusted_ca = Some(own.authority);
    Ok(setup)
}

fn unwritten<T>(written: io::Result<T>) -> StepResult<T> {
    written.map_err(|error| StepEnd::blocked(format!("no certificate can be written: {error}")))
}

/// Writes a certificate and a key into a new folder. Returns the folder and their paths; a path is empty if there is no
/// file.
fn write(
    certificate: Option<&str>,
    key: Option<&SecretString>,
) -> io::Result<(TempDir, (String, String))> {
    let folder = tempfile::Builder::new().prefix(HOME_PREFIX).tempdir()?;
    note_home(folder.path());
    let file = |name: &str, text: Option<&str>| -> io::Result<String> {
        let Some(text) = text else {
            return Ok(String::new());
        };
        let path = folder.path().join(name);
        // Only the owner can read the folder.
        std::fs::write(&path, text)?;
        Ok(shown(&path))
    };
    let certificate = file("certificate.pem", certificate)?;
    let key = file("key.pem", key.map(|key| key.expose_secret()))?;
    Ok((folder, (certificate, key)))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Keeps a file with this certificate until the scenario ends; returns its path.
///
/// # Errors
/// If it cannot be written.
pub(super) async fn keep_file(scenario: &mut Scenario, certificate: String) -> StepResult<String> {
    let written = tokio::task::spawn_blocking(move || write(Some(&certificate), None)).await;
    let (folder, (path, _)) = unwritten(written.map_err(StepEnd::blocked)?)?;
    scenario.state_mut::<Files>().0 = Some(folder);
    Ok(path)
}
