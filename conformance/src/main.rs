//! The program: parses the command line and ends with its exit code.

mod cli;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use vault_mcp_conformance::exit::Exit;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(cli.execute()));
    match done {
        Ok(exit) => exit.into(),
        Err(error) => {
            // If standard error is closed or full, the exit code still says it.
            let _ = writeln!(anstream::stderr(), "error: {error:#}");
            match error.is::<io::Error>() {
                true => Exit::Environment.into(),
                false => Exit::Internal.into(),
            }
        }
    }
}
