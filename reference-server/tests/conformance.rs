//! The conformance suite run on this server, as the author of a server in Rust would do it.
//!
//! It has its own `main` so that what takes long shows its progress: the first run on a
//! machine may have to build a Vault.

use std::{
    io,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use libtest_mimic::{Arguments, Trial};
use tokio_util::sync::CancellationToken;
use vault_mcp_conformance::{
    Suite,
    event::{Event, Reporter},
    exit::Exit,
    mutation::matrix,
    progress::Progress,
    report::{Report, console, json::JsonFile},
    target::{Target, transport::TransportKind},
    vault::provider::VaultOptions,
    verdict::Verdict,
};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each test uses all cores, and their progress would mix.
    arguments.test_threads = Some(1);
    let tests = vec![
        trial(
            "the_reference_server_is_conformant_on_both_transports",
            conformant,
        ),
        trial("the_same_seed_gives_the_same_verdicts", repeatable),
        trial("an_interrupted_run_reports_what_it_had_judged", interrupted),
        trial("every_mutant_is_killed_and_every_variant_passes", mutants),
    ];
    libtest_mimic::run(&arguments, tests).exit_code()
}

fn trial<F>(name: &str, test: fn() -> F) -> Trial
where
    F: Future<Output = Result<(), String>> + 'static,
{
    Trial::test(name, move || {
        let runtime = tokio::runtime::Runtime::new()?;
        Ok(runtime.block_on(test())?)
    })
}

fn this_server() -> Result<Target, String> {
    let target = Target::find("reference").map_err(|error| error.to_string())?;
    Ok(target.with_program(env!("CARGO_BIN_EXE_vault-mcp-reference")))
}

async fn judged(seed: u64, transports: &[TransportKind]) -> Result<Report, String> {
    Suite::builder()
        .target(this_server()?)
        .transports(transports.iter().copied())
        .seed(seed)
        .progress(Progress::stderr())
        .run()
        .await
        .map_err(|error| error.to_string())
}

fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

async fn conformant() -> Result<(), String> {
    let output = tempfile::tempdir().map_err(|error| error.to_string())?;
    let report_file = output.path().join("report.json");
    let report = Suite::builder()
        .target(this_server()?)
        .output(output.path())
        .reporter(JsonFile::new(&report_file))
        .progress(Progress::stderr())
        .run()
        .await
        .map_err(|error| error.to_string())?;
    let shown = || console::render(&report, "", output.path());
    expect(report.exit() == Exit::Conformant, shown)?;
    expect(
        report.summary.pass > 90 && report.target.transports == ["stdio", "http"],
        shown,
    )?;
    expect(report.unmapped_tools.is_empty(), shown)?;
    let written = std::fs::read_to_string(&report_file).map_err(|error| error.to_string())?;
    let written: Report = serde_json::from_str(&written).map_err(|error| error.to_string())?;
    expect(written == report, || {
        "report.json is not the report".to_owned()
    })
}

async fn repeatable() -> Result<(), String> {
    let only = [TransportKind::Stdio];
    let (one, other) = (judged(7, &only).await?, judged(7, &only).await?);
    let verdicts = |report: &Report| -> Vec<(String, Verdict)> {
        report
            .scenarios
            .iter()
            .map(|s| (s.key.clone(), s.verdict))
            .collect()
    };
    expect(verdicts(&one) == verdicts(&other), || {
        "two runs differ".to_owned()
    })
}

/// Cancels the run as soon as the first scenario has ended.
struct Impatient(CancellationToken, Arc<AtomicUsize>);

impl Reporter for Impatient {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        if let Event::ScenarioFinished(result) = event
            && result.verdict == Verdict::Pass
        {
            self.0.cancel();
        }
        if matches!(event, Event::Finished(_)) {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

async fn interrupted() -> Result<(), String> {
    let (token, told) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
    let report = Suite::builder()
        .target(this_server()?)
        .interrupt(token.clone())
        .reporter(Impatient(token, Arc::clone(&told)))
        .run()
        .await
        .map_err(|error| error.to_string())?;
    expect(
        report.interrupted && report.exit() == Exit::Interrupted,
        || "not interrupted".to_owned(),
    )?;
    expect(report.summary.pass > 0, || {
        "what was judged is lost".to_owned()
    })?;
    expect(report.cleanup_errors.is_empty(), || {
        report.cleanup_errors.join("; ")
    })?;
    let told = told.load(Ordering::Relaxed);
    expect(told == 1, || format!("the end was told {told} times"))
}

async fn mutants() -> Result<(), String> {
    let matrix = matrix::run(
        &this_server()?,
        &VaultOptions::default(),
        &Progress::stderr(),
    )
    .await
    .map_err(|error| error.to_string())?;
    let wrong: Vec<_> = matrix
        .mutations
        .iter()
        .filter(|row| !row.wrong.is_empty())
        .map(|row| format!("{}: {}", row.name, row.wrong.join("; ")))
        .collect();
    expect(matrix.holds() && wrong.is_empty(), || wrong.join("\n"))
}
