//! Servers that are started with valid or invalid certificate files, and handshakes that no TLS library offers any
//! more.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    adapter::launch::Mode,
    instance::{StartError, setup::Setup},
    mcp::{
        hello::{HANDSHAKE, Version, client_hello},
        request::initialize,
    },
    scenario::Scenario,
    verdict::{StepEnd, StepResult},
    vocabulary::start::certificate::certified,
};

/// The time limit for a handshake.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was made for a server with a certificate.
#[derive(Default)]
pub(crate) struct Tls {
    /// Why a server did not start.
    refusal: Option<StartError>,
}

/// Tries to start a server with the files that a feature names.
///
/// # Errors
/// Blocked if the feature's words are unknown, or the files cannot be written.
pub(crate) async fn try_to_start_with(scenario: &mut Scenario, what: &str) -> StepResult {
    let setup = certified(scenario, what).await?;
    try_to_start(scenario, setup).await
}

/// Tries to start a server that listens on all addresses, without a certificate.
///
/// # Errors
/// Blocked if this is not possible.
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

async fn connect_raw(scenario: &Scenario) -> StepResult<TcpStream> {
    let address = scenario.instance()?.authority();
    let address = address.ok_or_else(|| StepEnd::blocked("the server does not listen"))?;
    TcpStream::connect(&address).await.map_err(StepEnd::blocked)
}

/// Sends bytes on a connection of its own, and reads the beginning of the answer.
async fn answer_to(scenario: &Scenario, bytes: &[u8]) -> StepResult<Vec<u8>> {
    let mut stream = connect_raw(scenario).await?;
    let mut answer = vec![0; 512];
    let exchange = async {
        stream.write_all(bytes).await?;
        stream.read(&mut answer).await
    };
    // A server that waits for more, or closes the connection, has sent nothing.
    let read = timeout(PATIENCE, exchange).await;
    let length = read.ok().and_then(io::Result::ok).unwrap_or_default();
    answer.truncate(length);
    Ok(answer)
}

/// A client without TLS must learn nothing about what the server offers.
///
/// # Errors
/// If the server answers over plain HTTP with a success.
pub(crate) async fn expect_nothing_without_tls(scenario: &Scenario) -> StepResult {
    let path = scenario.instance()?.path().unwrap_or("/mcp".to_owned());
    let message = initialize("plain-1", scenario.planned.revision.name());
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\ncontent-length: {}\r\n\r\n{message}",
        message.len()
    );
    let answer = answer_to(scenario, request.as_bytes()).await?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    // Some servers answer in plain HTTP that they need TLS, or redirect to https.
    match text.split_whitespace().nth(1) {
        Some(status) if text.starts_with("HTTP/1.") && status.starts_with('2') => {
            let seen = text.lines().next().unwrap_or_default().to_owned();
            Err(scenario.failed("no answer, or a refusal, without TLS", &seen))
        }
        _ => Ok(()),
    }
}

/// The server must reject a handshake of an old version, and accept one of TLS 1.2.
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
        return Err(scenario.failed(expected, "the server continues with a ServerHello"));
    }
    Ok(())
}

async fn hello(scenario: &Scenario, version: Version) -> StepResult<Vec<u8>> {
    let answer = answer_to(scenario, &client_hello(version)).await?;
    let filtered = scenario.connection()?.hello(version, answer);
    Ok(filtered)
}

/// The server must have ended without serving any client.
///
/// # Errors
/// If it runs.
pub(crate) fn expect_refused_to_start(scenario: &Scenario) -> StepResult {
    match &scenario.state::<Tls>().refusal {
        Some(refusal) if refusal.ended => Ok(()),
        Some(refusal) => Err(scenario.failed("the server ends", &refusal.to_string())),
        None => Err(scenario.failed("the server ends", "it starts, and serves")),
    }
}

/// Its last output must be about its certificate or its key.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_certificate_blamed(scenario: &Scenario) -> StepResult {
    const WORDS: [&str; 5] = ["cert", "key", "tls", "pem", "x509"];
    let expected = "a message about the certificate or the key";
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
