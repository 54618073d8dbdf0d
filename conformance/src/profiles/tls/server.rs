//! Servers that were given a certificate: files right and wrong, and handshakes that no TLS library makes any more.

use std::{io, path::Path, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    certificate::ServerCertificate,
    mcp::hello::{HANDSHAKE, Version, client_hello},
    scenario::Scenario,
    tap::tls::TlsIdentity,
    target::{instance::StartError, launch::Mode, setup::Setup},
    vault::notes::{HOME_PREFIX, note_home},
    verdict::{StepEnd, StepResult},
};

/// How long a handshake is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was made for a server that was given a certificate.
#[derive(Default)]
pub(crate) struct Tls {
    /// Where its files are.
    folder: Option<TempDir>,
    /// Why a server did not start.
    refusal: Option<StartError>,
    /// What it meets at Vault.
    pub(super) front: Option<TlsIdentity>,
}

impl Tls {
    /// Keeps a file with this certificate for as long as the scenario lasts; returns its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) async fn keep_file(&mut self, certificate: String) -> StepResult<String> {
        let written = tokio::task::spawn_blocking(move || write(Some(&certificate), None)).await;
        let (folder, (path, _)) = unwritten(written.map_err(StepEnd::blocked)?)?;
        self.folder = Some(folder);
        Ok(path)
    }
}

/// Starts a server with a certificate that the suite trusts.
///
/// # Errors
/// When it does not start.
pub(crate) async fn start_with_certificate(scenario: &mut Scenario) -> StepResult {
    let setup = certified(scenario, "a certificate").await?;
    scenario.start_server(setup).await
}

/// The same for a server that listens on all addresses.
///
/// # Errors
/// When it does not start.
pub(crate) async fn start_exposed_with_certificate(scenario: &mut Scenario) -> StepResult {
    let setup = exposed_with_certificate(scenario).await?;
    scenario.start_server(setup).await
}

/// How a server with a certificate that listens on all addresses is set up.
///
/// # Errors
/// Blocked when the files cannot be written.
pub(crate) async fn exposed_with_certificate(scenario: &mut Scenario) -> StepResult<Setup> {
    let setup = certified(scenario, "a certificate").await?;
    Ok(setup.and(Mode::AllInterfaces))
}

/// Tries to start a server with what a feature words so.
///
/// # Errors
/// Blocked when nothing is worded so, or the files cannot be written.
pub(crate) async fn try_to_start_with(scenario: &mut Scenario, what: &str) -> StepResult {
    let setup = certified(scenario, what).await?;
    try_to_start(scenario, setup).await
}

/// Tries to start a server that listens on all addresses, without a certificate.
///
/// # Errors
/// Blocked when that cannot be tried.
pub(crate) async fn try_to_start_exposed(scenario: &mut Scenario) -> StepResult {
    try_to_start(scenario, Setup::of(Mode::AllInterfaces)).await
}

async fn try_to_start(scenario: &mut Scenario, setup: Setup) -> StepResult {
    scenario.state_mut::<Tls>().refusal = match scenario.lease(setup).await? {
        Ok(slot) => {
            scenario.end_server(slot).await?;
            None
        }
        Err(refusal) => Some(refusal),
    };
    Ok(())
}

/// Writes the files, and says where they are.
async fn certified(scenario: &mut Scenario, what: &str) -> StepResult<Setup> {
    let own = ServerCertificate::new().map_err(StepEnd::blocked)?;
    let other = ServerCertificate::new().map_err(StepEnd::blocked)?;
    let (mut certificate, mut key) = (Some(own.certificate.clone()), Some(own.key.clone()));
    let mut missing = false;
    match what {
        "a certificate" => {}
        "a certificate and no key" => key = None,
        "a key and no certificate" => certificate = None,
        "the key of another certificate" => key = Some(other.key),
        "a certificate file that there is not" => missing = true,
        "an empty certificate file" => certificate = Some(String::new()),
        "a key file that is no key" => key = Some(own.certificate.clone().into()),
        _ => {
            return Err(StepEnd::blocked(format!(
                "no server is started with {what:?}"
            )));
        }
    }
    let written = tokio::task::spawn_blocking(move || write(certificate.as_deref(), key.as_ref()));
    let (folder, paths) = unwritten(written.await.map_err(StepEnd::blocked)?)?;
    scenario.state_mut::<Tls>().folder = Some(folder);
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

async fn connect_raw(scenario: &Scenario) -> StepResult<TcpStream> {
    let address = scenario.instance()?.authority();
    let address = address.ok_or_else(|| StepEnd::blocked("the server does not listen"))?;
    TcpStream::connect(&address).await.map_err(StepEnd::blocked)
}

/// Sends bytes on a connection of its own, and reads the beginning of what comes back.
async fn answer_to(scenario: &Scenario, bytes: &[u8]) -> StepResult<Vec<u8>> {
    let mut stream = connect_raw(scenario).await?;
    let mut answer = vec![0; 512];
    let exchange = async {
        stream.write_all(bytes).await?;
        stream.read(&mut answer).await
    };
    // A server that waits for more, or hangs up, has said nothing.
    let read = timeout(PATIENCE, exchange).await;
    let length = read.ok().and_then(io::Result::ok).unwrap_or_default();
    answer.truncate(length);
    Ok(answer)
}

/// Who speaks no TLS must be told nothing of what is served.
///
/// # Errors
/// When the server answers in HTTP with more than a refusal.
pub(crate) async fn expect_nothing_without_tls(scenario: &Scenario) -> StepResult {
    let message = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let request = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\ncontent-length: {}\r\n\r\n{message}",
        message.len()
    );
    let answer = answer_to(scenario, request.as_bytes()).await?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5));
    // Some servers say in plain text that they want TLS: a 400.
    match status {
        Some(status) if status != "400" => {
            let seen = text.lines().next().unwrap_or_default().to_owned();
            Err(scenario.failed("no answer, or a refusal, without TLS", &seen))
        }
        _ => Ok(()),
    }
}

/// A handshake of an old version must be refused, as one of TLS 1.2 is not.
///
/// # Errors
/// When it is not, or the other one is.
pub(crate) async fn expect_handshake_refused(scenario: &Scenario, old: Version) -> StepResult {
    let agrees = |answer: &[u8]| answer.first() == Some(&HANDSHAKE);
    let control = hello(scenario, Version::Tls12).await?;
    if !agrees(&control) {
        let seen = format!("{control:02x?} in answer to a hello of TLS 1.2");
        return Err(scenario.failed("a handshake of TLS 1.2", &seen));
    }
    let answer = hello(scenario, old).await?;
    if agrees(&answer) {
        let expected = format!("a handshake of {old:?} is refused");
        return Err(scenario.failed(expected, "the server goes on with a ServerHello"));
    }
    Ok(())
}

async fn hello(scenario: &Scenario, version: Version) -> StepResult<Vec<u8>> {
    let answer = answer_to(scenario, &client_hello(version)).await?;
    let filtered = scenario.connection()?.hello(version, answer);
    Ok(filtered)
}

/// The server must have ended, and served nobody.
///
/// # Errors
/// When it runs.
pub(crate) fn expect_refused_to_start(scenario: &Scenario) -> StepResult {
    match &scenario.state::<Tls>().refusal {
        Some(refusal) if refusal.ended => Ok(()),
        Some(refusal) => Err(scenario.failed("the server ends", &refusal.to_string())),
        None => Err(scenario.failed("the server ends", "it starts, and serves")),
    }
}

/// What it said last must be about its certificate or its key.
///
/// # Errors
/// When it is not.
pub(crate) fn expect_certificate_blamed(scenario: &Scenario) -> StepResult {
    const WORDS: [&str; 5] = ["cert", "key", "tls", "pem", "x509"];
    let expected = "words about the certificate or the key";
    let Some(refusal) = &scenario.state::<Tls>().refusal else {
        return Err(scenario.failed(expected, "it starts, and serves"));
    };
    let why = refusal.to_string();
    let said = why.lines().filter(|line| {
        let line = line.trim_start();
        line.starts_with("stderr") || line.starts_with("stdout")
    });
    let said = said.collect::<Vec<_>>().join("\n").to_lowercase();
    match WORDS.iter().any(|word| said.contains(word)) {
        true => Ok(()),
        false => Err(scenario.failed(expected, &why)),
    }
}

fn unwritten<T>(written: io::Result<T>) -> StepResult<T> {
    written.map_err(|error| StepEnd::blocked(format!("no certificate can be written: {error}")))
}

/// Writes a certificate and a key into a folder of their own; returns it, and their paths: empty for what
/// there is none of.
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
        // The folder is readable by its owner alone.
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
