//! Starts the server: command line, log, signals, exit code.
//!
//! Exit codes: 0 after a client or a signal ended the service, 1 if serving failed, 2 if the command line or the
//! environment is invalid. For the further exit codes of a session see [`vault_mcp_reference::session`].

use std::{io, process::ExitCode};

use clap::Parser;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use vault_mcp_reference::{
    caller::Callers,
    config::{Cli, Command, Config, TokenOrigin, Transport, TransportCommand},
    http, log,
    server::VaultServer,
    stdio,
    token::renewal,
    vault::{
        access::Access,
        client::{VaultAddress, VaultClient, install_crypto_provider},
        credential::Credential,
    },
};

fn main() -> ExitCode {
    let mut cli = Cli::parse();
    install_crypto_provider();
    let transport = match cli.command.take() {
        Some(Command::Serve(transport)) => Some(transport),
        #[cfg(unix)]
        Some(Command::Session(session)) => return run_session(session, &cli),
        None => None,
    };
    let configured = log::start(&cli.log, variable)
        .map_err(Into::into)
        .and_then(|()| configure(transport, &cli));
    let service = match configured {
        Ok(service) => service,
        Err(error) => {
            eprintln!("vault-mcp-reference: {error}");
            return ExitCode::from(2);
        }
    };
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let served = runtime.block_on(serve(service));
    // An uninterruptible read of stdin must not delay the exit.
    runtime.shutdown_background();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// All that the server needs to serve.
struct Service {
    config: Config,
    server: VaultServer,
    /// The client whose token is renewed, if any.
    renewing: Option<VaultClient>,
}

fn configure(
    transport: Option<TransportCommand>,
    cli: &Cli,
) -> Result<Service, Box<dyn std::error::Error>> {
    let config = Config::new(transport, |name| cli.flag(name).or_else(|| variable(name)))?;
    let authorities = config.authorities.open()?;
    let tokens = config.token.as_ref().map(TokenOrigin::open).transpose()?;
    let address = |access| VaultAddress::new(config.vault_addr.clone(), access, &authorities);
    let renewing = match &tokens {
        Some(tokens) if config.renew_token => {
            // A separate client: renewal is a write, and in read-only mode all other clients only read.
            let credential = Credential::new(tokens.clone(), config.namespace.clone());
            Some(VaultClient::new(address(Access::ReadWrite)?, credential))
        }
        _ => None,
    };
    let callers = Callers::new(
        address(config.access)?,
        tokens,
        config.namespace.clone(),
        config.rates,
    )?;
    Ok(Service {
        server: VaultServer::new(callers),
        renewing,
        config,
    })
}

#[cfg(unix)]
fn run_session(args: vault_mcp_reference::session::SessionArgs, cli: &Cli) -> ExitCode {
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let session = vault_mcp_reference::session::run(args, |name| cli.flag(name), variable);
    ExitCode::from(runtime.block_on(session))
}

fn failed(error: &io::Error) -> ExitCode {
    eprintln!("vault-mcp-reference: {error}");
    ExitCode::FAILURE
}

async fn serve(service: Service) -> io::Result<()> {
    let Service {
        config,
        server,
        renewing,
    } = service;
    let shutdown = CancellationToken::new();
    cancel_on_signal(&shutdown)?;
    tracing::info!("vault is {}", config.shown_vault_addr());
    if config.access == Access::ReadOnly {
        tracing::info!("read-only: nothing in vault can be changed through this server");
    }
    if config.token.is_none() {
        tracing::info!(
            "there is neither VAULT_TOKEN nor VAULT_TOKEN_FILE: each request has to bring a token of its own"
        );
    }
    if config.token_crosses_in_clear() {
        tracing::warn!(
            "vault is reached over plain http: the token and all secrets can be read on the way"
        );
    }
    if config.token.is_some() && config.is_open_to_the_network() {
        tracing::warn!(
            "other machines can reach this address: a client without a token of its own acts with the server's token"
        );
    }
    if let Some(client) = renewing {
        tokio::spawn(renewal::keep_alive(client, shutdown.clone()));
    }
    match &config.transport {
        Transport::Stdio => {
            stdio::serve(server, shutdown).await;
            Ok(())
        }
        Transport::Http(options) => http::serve(server, options, shutdown)
            .await
            .map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("cannot serve on {}: {error}", options.address),
                )
            }),
    }
}

#[cfg(unix)]
fn cancel_on_signal(shutdown: &CancellationToken) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        shutdown.cancel();
    });
    Ok(())
}

#[cfg(not(unix))]
fn cancel_on_signal(shutdown: &CancellationToken) -> io::Result<()> {
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            shutdown.cancel();
        }
    });
    Ok(())
}
