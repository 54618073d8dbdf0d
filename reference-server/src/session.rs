//! `session -- COMMAND`: runs a command with a Vault token, and revokes the token when the command ends.
//!
//! The launcher looks up the token, prints its facts, runs the command with the token in the environment, and
//! forwards signals. It revokes the token however the command ends: by itself, by a signal, or because it does not
//! start. Only SIGKILL prevents that.

mod signals;

use std::{
    ffi::{OsStr, OsString},
    fmt::Display,
    io::{self, Write},
    process::ExitStatus,
    time::Duration,
};

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use tokio::{process::Command, time::sleep};

use self::signals::Signals;
use crate::{
    config::{Config, ConfigError, TransportCommand},
    token::{Token, TokenSource, renewal},
    trace::Trace,
    vault::{
        access::Access,
        client::{VaultAddress, VaultClient},
        credential::Credential,
        error::VaultError,
        own_token::TokenFacts,
    },
};

/// Exit codes with the meaning that they have in `env`, `timeout` and shells: the launcher itself failed,
const FAILED: u8 = 125;
/// the command cannot be run,
const NOT_RUN: u8 = 126;
/// and there is no such command.
const NOT_FOUND: u8 = 127;
/// Added to the number of the signal that ended the command.
const SIGNALLED: u8 = 128;

/// Maximum number of attempts to revoke a token, and the first pause; each pause is twice as long as the last.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// What `session --help` says.
pub const LONG_ABOUT: &str = "\
Run a command with a Vault token, and revoke the token when it ends

Takes the token from VAULT_MCP_TOKEN and looks it up: its name, its policies and how long it lives
are shown on stderr, and a root token is refused. Runs COMMAND with VAULT_ADDR, VAULT_TOKEN and
VAULT_MCP_TOKEN set to that address and token, and without VAULT_TOKEN_FILE, so that all that it
starts, such as the MCP servers of an editor, acts with this token and no other. Passes SIGHUP,
SIGINT, SIGQUIT and SIGTERM on to it. When COMMAND ends, however it ends, or cannot be started, the
token is revoked.

A program that goes to the background at once ends the session: give editors their flag to wait,
as in `code --wait`.

VAULT_TOKEN is not taken in place of VAULT_MCP_TOKEN: it may be a token of your own, which you
still need. VAULT_NAMESPACE and VAULT_CACERT are as for the server. The log flags are the
server's: a session logs nothing.";

/// What `session --help` ends with.
pub const EXAMPLES: &str = "\
Exit codes:
  that of COMMAND; 128+n if signal n ended it
  127  there is no such command, 126 it cannot be run
  125  the token was refused, or could not be revoked
  2    the command line or the environment is wrong

Example:
  export VAULT_ADDR=https://vault.example.com:8200
  export VAULT_MCP_TOKEN=$(vault token create -policy=vault-mcp-developer -ttl=8h -field=token)
  vault-mcp-reference session -- code --wait .";

/// Arguments of `session`.
#[derive(Debug, Args)]
pub struct SessionArgs {
    /// Take a root token, too; it is revoked at the end like any other
    #[arg(long)]
    allow_root: bool,
    /// The command to run, and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Why no session starts.
#[derive(Debug, Error)]
enum SessionError {
    /// The environment is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no token for the command.
    #[error(
        "VAULT_MCP_TOKEN is not set: make a token for this session and export it, as `session --help` shows; VAULT_TOKEN is not \
         taken in its place, as the token of a session is revoked"
    )]
    NoToken,
    /// A file would outlive its token.
    #[error("--vault-token-file is for servers: a session takes its token from VAULT_MCP_TOKEN")]
    TokenFile,
    /// A setting is invalid.
    #[error("{0}")]
    Setup(String),
    /// The token has all rights.
    #[error(
        "VAULT_MCP_TOKEN is a root token, which may do everything: use a token with the least rights, or --allow-root; it was not revoked"
    )]
    Root,
    /// The lookup of the token failed.
    #[error(
        "the token could not be looked up, and nothing was started (check VAULT_ADDR and VAULT_MCP_TOKEN): {0}"
    )]
    LookUp(String),
    /// A signal arrived before the command started.
    #[error("ended by a signal before anything was started; the token was not revoked")]
    Interrupted(u8),
}

impl SessionError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::NoToken | Self::TokenFile | Self::Setup(_) => 2,
            Self::Root | Self::LookUp(_) => FAILED,
            Self::Interrupted(signal) => SIGNALLED.saturating_add(*signal),
        }
    }
}

/// Runs a session and returns its exit code. Writes all messages to stderr.
pub async fn run(
    args: SessionArgs,
    flag: impl Fn(&str) -> Option<String>,
    env: impl Fn(&str) -> Option<String>,
) -> u8 {
    let session = match Session::open(&args, flag, env).await {
        Ok(session) => session,
        Err(error) => {
            tell(&error);
            return error.exit_code();
        }
    };
    session.run(&args.command).await
}

fn tell(message: impl Display) {
    // If the terminal is gone, `eprintln` would panic; the token must still be revoked.
    let _ = writeln!(io::stderr(), "vault-mcp-reference: {message}");
}

struct Session {
    client: VaultClient,
    vault_addr: String,
    token: SecretString,
    facts: TokenFacts,
    signals: Signals,
}

impl Session {
    async fn open(
        args: &SessionArgs,
        flag: impl Fn(&str) -> Option<String>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SessionError> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let setup = |error: &dyn Display| SessionError::Setup(error.to_string());
        if flag("VAULT_TOKEN_FILE").is_some() {
            return Err(SessionError::TokenFile);
        }
        let Some(token) = set("VAULT_MCP_TOKEN") else {
            return Err(SessionError::NoToken);
        };
        let token = SecretString::from(token);
        let checked = Token::new(token.clone())
            .map_err(|error| setup(&format!("VAULT_MCP_TOKEN cannot be used: {error}")))?;
        // Of the server's settings only those that locate Vault apply here.
        let config = Config::new(Some(TransportCommand::Stdio), |name| match name {
            "VAULT_TOKEN" => Some(token.expose_secret().to_owned()),
            "VAULT_ADDR" | "VAULT_CACERT" | "VAULT_NAMESPACE" | "VAULT_SKIP_VERIFY" => env(name),
            _ => None,
        })?;
        let authorities = config.authorities.open().map_err(|error| setup(&error))?;
        // Revoking the token is a write.
        let address = VaultAddress::new(config.vault_addr.clone(), Access::ReadWrite, &authorities)
            .map_err(|error| setup(&error))?;
        let credential = Credential::new(TokenSource::fixed(checked), config.namespace.clone());
        let mut session = Self {
            client: VaultClient::new(address, credential),
            vault_addr: set("VAULT_ADDR").unwrap_or_else(|| config.shown_vault_addr()),
            token,
            facts: TokenFacts::default(),
            // From here on no signal can end this process before it revokes the token.
            signals: Signals::listen().map_err(|error| setup(&error))?,
        };
        if config.token_crosses_in_clear() {
            tell("warning: vault is reached over plain http: the token can be read on the way");
        }
        let looked_up = Trace::start();
        session.facts = tokio::select! {
            facts = looked_up.scope(session.client.look_up_own_token()) => {
                facts.map_err(|error| SessionError::LookUp(told(&error)))?
            }
            signal = session.signals.next() => {
                return Err(SessionError::Interrupted(signals::number(signal)));
            }
        };
        session.introduce(&config.shown_vault_addr());
        if session.facts.is_root() && !args.allow_root {
            return Err(SessionError::Root);
        }
        Ok(session)
    }

    fn introduce(&self, vault: &str) {
        let facts = &self.facts;
        let policies: Vec<_> = facts
            .all_policies()
            .map(|policy| policy.escape_debug().to_string())
            .collect();
        let life = match facts.expires() {
            true => format!("ends in {}", renewal::shown(facts.life.ttl)),
            false => "does not expire".to_owned(),
        };
        tell(format_args!(
            "token {:?} of {vault}, policies: {}, {life}; it is revoked when the command ends",
            facts.display_name,
            policies.join(", "),
        ));
    }

    async fn run(mut self, command: &[OsString]) -> u8 {
        let code = self.run_command(command).await;
        // Signals are still caught, and ignored: the token must be revoked first.
        match self.revoke().await {
            Ok(said) => {
                tell(said);
                code
            }
            Err(reason) => {
                tell(format_args!(
                    "THE TOKEN IS STILL VALID, it could not be revoked: {reason}\n  revoke it by hand: vault token revoke \"$VAULT_MCP_TOKEN\"\n  \
                     or, with another token: vault token revoke -accessor {}",
                    self.facts.accessor.escape_debug()
                ));
                FAILED
            }
        }
    }

    async fn run_command(&mut self, command: &[OsString]) -> u8 {
        let [program, arguments @ ..] = command else {
            return NOT_FOUND;
        };
        let mut child = match self.command(program, arguments).spawn() {
            Ok(child) => child,
            Err(error) => {
                tell(format_args!("cannot run {}: {error}", program.display()));
                return match error.kind() {
                    io::ErrorKind::NotFound => NOT_FOUND,
                    _ => NOT_RUN,
                };
            }
        };
        loop {
            tokio::select! {
                status = child.wait() => return match status {
                    Ok(status) => exit_code(status),
                    Err(error) => {
                        tell(format_args!("cannot wait for {}: {error}", program.display()));
                        FAILED
                    }
                },
                signal = self.signals.next() => signals::pass_on(&child, signal),
            }
        }
    }

    fn command(&self, program: &OsStr, arguments: &[OsString]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("VAULT_ADDR", &self.vault_addr)
            .env("VAULT_TOKEN", self.token.expose_secret())
            .env("VAULT_MCP_TOKEN", self.token.expose_secret())
            .env_remove("VAULT_TOKEN_FILE");
        command
    }

    /// Revokes the token. Returns a message: done, or why not.
    async fn revoke(&self) -> Result<&'static str, String> {
        let mut pause = PAUSE;
        let mut attempt = 1;
        loop {
            let trace = Trace::start();
            let error = match trace.scope(self.client.revoke_own_token()).await {
                Ok(()) => return Ok("the token is revoked"),
                Err(error) => error,
            };
            match &error {
                VaultError::Refused(refusal) if refusal.is_about_the_token() => {
                    return Ok("the token was not valid any more");
                }
                VaultError::Refused(refusal) if refusal.is_final() => {
                    return Err(told(&error));
                }
                _ if attempt == ATTEMPTS => return Err(told(&error)),
                _ => {}
            }
            sleep(pause).await;
            pause *= 2;
            attempt += 1;
        }
    }
}

/// The error with Vault's own messages, which do not quote the token.
fn told(error: &VaultError) -> String {
    match error {
        VaultError::Refused(refusal) => {
            let said = refusal.messages.join("; ");
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("{error}: {said}")
        }
        _ => error.to_string(),
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;

    let code = match (status.code(), status.signal()) {
        (Some(code), _) => u8::try_from(code).ok(),
        (None, Some(signal)) => u8::try_from(signal)
            .ok()
            .and_then(|signal| SIGNALLED.checked_add(signal)),
        (None, None) => None,
    };
    code.unwrap_or(FAILED)
}
