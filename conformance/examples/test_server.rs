//! Tests the server that an adapter file describes, and prints the results.
//!
//! `cargo run -p vault-mcp-conformance --example test_server -- my-server.toml [known.toml]`

use std::{error::Error, path::Path, process::ExitCode};

use vault_mcp_conformance::{
    Suite, baseline::Baseline, progress::Progress, target::Target, verdict::Verdict,
};

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let adapter = arguments
        .next()
        .ok_or("usage: test_server ADAPTER.toml [BASELINE.toml]")?;

    let mut suite = Suite::builder()
        .target(Target::from_file(Path::new(&adapter))?)
        .progress(Progress::stderr());
    if let Some(known) = arguments.next() {
        suite = suite.baseline(Baseline::from_file(known)?);
    }
    let report = suite.run().await?;

    for scenario in &report.scenarios {
        let word = match scenario.verdict {
            Verdict::Pass => "pass",
            Verdict::Fail if scenario.known.is_some() => "known",
            Verdict::Fail => "FAIL",
            Verdict::Warn => "warn",
            Verdict::NotApplicable => "-",
            Verdict::Blocked => "blocked",
        };
        println!("{word:<8}{:<50}{}", scenario.key, scenario.title);
        if let Some(failure) = &scenario.failure {
            println!("        expected {}", failure.expected);
            println!("        saw      {}", failure.actual);
        }
    }
    for profile in &report.profiles {
        println!("{:<12}{:?}", profile.name, profile.result);
    }
    Ok(report.exit().into())
}
