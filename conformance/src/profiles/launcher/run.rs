//! The launcher: a command that receives a token, and the end of that token when the command ends.

use std::{
    io, os::unix::fs::PermissionsExt as _, path::PathBuf, process::ExitStatus, time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::{
    adapter::launch::Mode,
    instance::setup::Setup,
    redact::Secrets,
    scenario::Scenario,
    slot::SlotError,
    tap::fault::{Fault, FaultAction},
    vault::{
        notes::{HOME_PREFIX, note_home},
        oracle::{OracleError, Token},
        policy,
    },
    verdict::{StepEnd, StepResult},
};

/// How long a session may take to end after its command has ended.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a waiting command waits.
const LONG: Duration = Duration::from_secs(60);
/// The interval between two checks whether the command has begun.
const GLANCE: Duration = Duration::from_millis(20);
/// How many times Vault refuses to revoke the token.
const REFUSALS: usize = 20;

/// The result of a session.
pub(super) struct Session {
    token: Token,
    /// Whether Vault still had the token after the session had ended.
    has_token: bool,
    /// The exit status, if it ended.
    status: Option<ExitStatus>,
    /// Its output.
    said: Vec<String>,
    /// The environment of its command, if the command was run.
    environment: Option<String>,
}

/// A command that writes its environment to a file.
struct Command {
    folder: TempDir,
    program: PathBuf,
}

impl Command {
    /// A command that does `then` once it has begun.
    fn write(then: &str) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(HOME_PREFIX).tempdir()?;
        note_home(folder.path());
        let program = folder.path().join("command");
        let noted = folder.path().join("environment");
        // The file has another name until it is complete.
        let noted = noted.display();
        let script = format!("#!/bin/sh\nenv > {noted}.part\nmv {noted}.part {noted}\n{then}\n");
        std::fs::write(&program, script)?;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700))?;
        Ok(Self { folder, program })
    }

    fn environment(&self) -> Option<String> {
        std::fs::read_to_string(self.folder.path().join("environment")).ok()
    }
}

/// Runs a command in a session that ends in the way that a feature names.
///
/// # Errors
/// If the session cannot be run.
pub(crate) async fn run_session(
    scenario: &mut Scenario,
    end: &str,
    is_refused: bool,
) -> StepResult {
    let policy = scenario.path_of("session");
    let written = scenario.oracle.write_policy(&policy, policy::NONE).await;
    written.map_err(StepEnd::blocked)?;
    let token = scenario.oracle.make_token(&policy).await;
    run_session_with(scenario, token.map_err(StepEnd::blocked)?, end, is_refused).await
}

/// Runs a command in a session with a root token.
///
/// # Errors
/// If the session cannot be run.
pub(crate) async fn run_root_session(scenario: &mut Scenario) -> StepResult {
    // The suite still needs its own token, and only a root token can create another one.
    let token = match scenario.oracle.make_token_with(&["root"]).await {
        Err(OracleError::Refused { status: 400, .. }) => {
            return Err(StepEnd::no_evidence(
                "the suite's own token is not a root token and cannot create one",
            ));
        }
        made => made.map_err(StepEnd::blocked)?,
    };
    run_session_with(scenario, token, "it ends", false).await
}

async fn run_session_with(
    scenario: &mut Scenario,
    token: Token,
    end: &str,
    is_refused: bool,
) -> StepResult {
    let waits = format!("exec sleep {}", LONG.as_secs());
    let then = match end {
        "it ends" => "exit 0",
        "it fails" => "exit 3",
        "it is killed" => "kill -9 $$",
        "the launcher is terminated" => waits.as_str(),
        _ => {
            return Err(StepEnd::blocked(format!(
                "the step does not support {end:?}"
            )));
        }
    };
    let then = then.to_owned();
    let command = tokio::task::spawn_blocking(move || Command::write(&then)).await;
    let command = command
        .map_err(StepEnd::blocked)?
        .map_err(|error| StepEnd::blocked(format!("no command can be written: {error}")))?;
    let program = command.program.display().to_string();
    let setup = Setup::of(Mode::Launcher).with("command", program);
    let (tap, launched) = match scenario.slots.run_with(&setup, &token).await {
        Ok(run) => run,
        Err(problem @ SlotError::NoProgram(_)) => return Err(StepEnd::blocked(problem)),
        Err(problem) => return Err(scenario.failed("the session begins", &problem.to_string())),
    };
    if is_refused {
        for _ in 0..REFUSALS {
            let mut answer = Response::new(Bytes::from_static(b"{\"errors\":[\"on purpose\"]}"));
            *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            tap.set(Fault::for_write(
                "revoke",
                FaultAction::Answer(Box::new(answer)),
            ));
        }
    }
    if end == "the launcher is terminated" {
        let deadline = Instant::now() + PATIENCE;
        while command.environment().is_none() && Instant::now() < deadline {
            sleep(GLANCE).await;
        }
        launched.terminate();
    }
    let (status, said) = launched.ends_within(PATIENCE).await;
    let has_token = scenario
        .oracle
        .has_token(&token)
        .await
        .map_err(StepEnd::blocked)?;
    *scenario.state_mut::<Option<Session>>() = Some(Session {
        token,
        has_token,
        status,
        said,
        environment: command.environment(),
    });
    Ok(())
}

fn session_run(scenario: &Scenario) -> StepResult<&Session> {
    let missing = || StepEnd::blocked("the scenario ran no session");
    scenario
        .state::<Option<Session>>()
        .as_ref()
        .ok_or_else(missing)
}

/// The output of the session, with its token redacted.
fn session_said(scenario: &Scenario) -> StepResult<String> {
    let session = session_run(scenario)?;
    let mut secrets = Secrets::default();
    secrets.add("token of the session", session.token.secret.clone());
    Ok(secrets.redact(&session.said.join("\n")))
}

/// Vault must no longer have the token.
///
/// # Errors
/// If it has, or the session has not ended.
pub(crate) fn expect_token_gone(scenario: &Scenario) -> StepResult {
    let session = session_run(scenario)?;
    if session.environment.is_none() {
        let seen = session_said(scenario)?;
        return Err(scenario.failed("the command is run", &seen));
    }
    if session.status.is_none() {
        let expected = format!("the session ends within {} s", PATIENCE.as_secs());
        return Err(scenario.failed(expected, "it goes on"));
    }
    match session.has_token {
        false => Ok(()),
        true => {
            let seen = format!("it is there; the session said: {}", session_said(scenario)?);
            Err(scenario.failed("the token of the session is revoked", &seen))
        }
    }
}

/// The command must have received the token.
///
/// # Errors
/// If no variable contains it.
pub(crate) fn expect_token_given(scenario: &Scenario) -> StepResult {
    let session = session_run(scenario)?;
    let environment = session.environment.as_deref().unwrap_or_default();
    let token = session.token.secret.expose_secret();
    let mut values = environment.lines().filter_map(|line| line.split_once('='));
    match values.any(|(_, value)| value == token) {
        true => Ok(()),
        false => {
            let expected = "the token in a variable of the command";
            Err(scenario.failed(expected, "no variable contains it"))
        }
    }
}

/// The output of the session must not contain its token.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_token_unsaid(scenario: &Scenario) -> StepResult {
    let session = session_run(scenario)?;
    let token = session.token.secret.expose_secret();
    match session.said.iter().any(|line| line.contains(token)) {
        false => Ok(()),
        true => Err(scenario.failed("no output with the token", &session_said(scenario)?)),
    }
}

/// The output of the session must say that its token still exists.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_failed_revocation_told(scenario: &Scenario) -> StepResult {
    let said = session_said(scenario)?;
    let told = said.to_lowercase();
    let failed = ["fail", "not", "could", "error", "unable"];
    if told.contains("revo") && failed.iter().any(|word| told.contains(word)) {
        return Ok(());
    }
    Err(scenario.failed("a message that the token was not revoked", &said))
}

/// The session must have failed, because its command has.
///
/// # Errors
/// If it reported success, or did not end.
pub(crate) fn expect_session_failed(scenario: &Scenario) -> StepResult {
    match session_run(scenario)?.status {
        Some(status) if !status.success() => Ok(()),
        Some(status) => Err(scenario.failed("an exit code other than 0", &status.to_string())),
        None => Err(scenario.failed("the session ends", "it goes on")),
    }
}

/// The command must not have been run.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_command_not_run(scenario: &Scenario) -> StepResult {
    match session_run(scenario)?.environment {
        None => Ok(()),
        Some(_) => Err(scenario.failed("no command is run with a root token", "it was run")),
    }
}

/// The output of the session must list the policies of its token.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_policies_told(scenario: &Scenario) -> StepResult {
    let policy = scenario.path_of("session");
    let said = session_said(scenario)?;
    match said.contains(&policy) {
        true => Ok(()),
        false => Err(scenario.failed(format!("the policy {policy}"), &said)),
    }
}
