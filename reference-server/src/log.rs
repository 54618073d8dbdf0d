//! The log: text or JSON, on stderr or in a file. It never contains tokens or values.
//!
//! stdout is reserved for the protocol.

use std::{
    fs::{File, OpenOptions},
    io::{self, IsTerminal},
    panic,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use thiserror::Error;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer,
    filter::Targets,
    fmt::{self, writer::BoxMakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::private_file;

/// What is logged, how and where.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// How much is logged; never tokens or values
    #[arg(long, global = true, value_enum, default_value_t = LogLevel::Info)]
    pub log_level: LogLevel,
    /// How a line is written [env: MCP_LOG_FORMAT] [default: text]
    #[arg(long, global = true, value_enum)]
    pub log_format: Option<LogFormat>,
    /// The file that lines are appended to, in place of stderr [env: MCP_LOG_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Only what an operator has to act on.
    Error,
    /// What may need attention, too.
    Warn,
    /// One line a call, too.
    Info,
    /// Everything.
    Debug,
}

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// Why the log cannot be started.
#[derive(Debug, Error)]
pub enum LogError {
    /// The file is not writable.
    #[error("the log file {} cannot be written: {source} (--log-file, MCP_LOG_FILE)", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The format is unknown.
    #[error("the log format is {0:?}; it can be `text` or `json` (--log-format, MCP_LOG_FORMAT)")]
    Format(String),
}

/// Starts the log of this process. Libraries log only errors, whatever the level: at finer levels they log whole
/// messages.
///
/// # Errors
/// [`LogError`] if the file is not writable, or the environment names an unknown format.
pub fn start(args: &LogArgs, env: impl Fn(&str) -> Option<String>) -> Result<(), LogError> {
    let env = |name: &str| env(name).filter(|value| !value.is_empty());
    let format = match (args.log_format, env("MCP_LOG_FORMAT")) {
        (Some(format), _) => format,
        (None, Some(name)) => {
            LogFormat::from_str(&name, false).map_err(|_| LogError::Format(name))?
        }
        (None, None) => LogFormat::Text,
    };
    let path = args
        .log_file
        .clone()
        .or_else(|| env("MCP_LOG_FILE").map(PathBuf::from));
    let file = path.as_deref().map(open).transpose()?;
    let exposed = file.as_ref().is_some_and(is_exposed);
    let colours = file.is_none() && io::stderr().is_terminal();
    let writer = match file {
        Some(file) => BoxMakeWriter::new(file),
        None => BoxMakeWriter::new(io::stderr),
    };
    let lines = fmt::layer().with_writer(writer).with_ansi(colours);
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .boxed(),
    };
    let filter = Targets::new()
        .with_default(LevelFilter::ERROR)
        .with_target("vault_mcp_reference", args.log_level);
    tracing_subscriber::registry()
        .with(lines)
        .with(filter)
        .init();
    // A panic message may quote secrets; the location is enough to find the cause.
    panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(place, "panic");
    }));
    if let (Some(path), true) = (path, exposed) {
        tracing::warn!(
            "the log file {path} can be read by others than its owner, and names paths of secrets: chmod 600 {path}",
            path = path.display()
        );
    }
    Ok(())
}

/// Opens for appending. Each line is one write, so that several servers can share a file.
fn open(path: &Path) -> Result<File, LogError> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|source| LogError::File {
        path: path.to_owned(),
        source,
    })
}

/// Only a regular file can be exposed; a terminal, for example, stores nothing.
fn is_exposed(file: &File) -> bool {
    file.metadata()
        .is_ok_and(|metadata| metadata.is_file() && private_file::is_exposed(&metadata))
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
        }
    }
}
