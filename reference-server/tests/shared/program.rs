//! The program, as the tests that start it do.

use std::process::Stdio;

use tokio::process::Command;

/// The program with these variables alone, and nothing of this process's environment.
pub(crate) fn program(arguments: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vault-mcp-reference"));
    command
        .args(arguments)
        .env_clear()
        .envs(env.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}
