//! Starts the server: command line, log, signals, exit code.
//!
//! Exit codes: 0 after a client or a signal ended the service, 1 when serving
//! failed, 2 when the command line or the environment is wrong.

use std::{
    io::{self, IsTerminal},
    panic,
    process::ExitCode,
};

use clap::Parser;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};
use vault_mcp_reference::{
    caller::Callers,
    config::{Cli, Config, LogLevel, Transport},
    http,
    server::VaultServer,
    stdio,
    vault::{
        access::Access,
        client::{VaultAddress, install_crypto_provider},
    },
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.log_level);
    install_crypto_provider();
    let (config, server) = match configure(cli) {
        Ok(configured) => configured,
        Err(error) => {
            eprintln!("vault-mcp-reference: {error}");
            return ExitCode::from(2);
        }
    };
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let served = runtime.block_on(serve(server, &config));
    // A read of stdin that cannot be interrupted must not hold the exit up.
    runtime.shutdown_background();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn configure(cli: Cli) -> Result<(Config, VaultServer), Box<dyn std::error::Error>> {
    let config = Config::new(cli.transport, |name| std::env::var(name).ok())?;
    let callers = Callers::new(
        VaultAddress::new(config.vault_addr.clone(), config.access)?,
        config.credential.clone(),
        config.namespace.clone(),
        config.rates,
    )?;
    Ok((config, VaultServer::new(callers)))
}

fn failed(error: &io::Error) -> ExitCode {
    eprintln!("vault-mcp-reference: {error}");
    ExitCode::FAILURE
}

async fn serve(server: VaultServer, config: &Config) -> io::Result<()> {
    let shutdown = CancellationToken::new();
    cancel_on_signal(&shutdown)?;
    tracing::info!("vault is {}", config.shown_vault_addr());
    if config.access == Access::ReadOnly {
        tracing::info!("read-only: nothing in vault can be changed through this server");
    }
    if config.credential.is_none() {
        tracing::info!("there is no VAULT_TOKEN: each request has to bring a token of its own");
    }
    if config.token_crosses_in_clear() {
        tracing::warn!(
            "vault is reached over plain http: the token and all secrets can be read on the way"
        );
    }
    match &config.transport {
        Transport::Stdio => stdio::serve(server, shutdown).await,
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

/// Logs to stderr; stdout belongs to the protocol. The libraries are held to
/// errors whatever the level: at finer ones they print whole messages.
fn start_log(level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let filter = Targets::new()
        .with_default(LevelFilter::ERROR)
        .with_target("vault_mcp_reference", level);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(lines)
        .with(filter)
        .init();
    // The message of a panic may quote what it should not; the place suffices to find it.
    panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(place, "panic");
    }));
}
