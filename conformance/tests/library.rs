//! The suite as a library: errors of runs that cannot begin, and of reports that are not conformant.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io,
    panic::catch_unwind,
    sync::{Arc, Mutex},
};

use vault_mcp_conformance::{
    Suite,
    baseline::Baseline,
    event::{Event, Reporter},
    progress::Progress,
    report::Report,
    suite::{Builder, SuiteError},
    target::Target,
    transport::TransportKind,
    vault::provider::{self, VaultOptions},
};

/// Keeps the report of each finished run.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Report>>>);

impl Reporter for Heard {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        if let Event::Finished(report) = event {
            self.0.lock().unwrap().push((**report).clone());
        }
        Ok(())
    }
}

/// A target whose program does not exist.
fn missing() -> Target {
    let text = "name = 'missing'\nextends = 'reference'\nbuild = ''\n[stdio]\ncommand = ['/no/such/program']\n";
    Target::parse("missing.toml", text).unwrap()
}

fn judging(target: Target) -> Builder {
    Suite::builder()
        .target(target)
        .transports([TransportKind::Stdio])
        .scenario("kv.read-exact")
}

async fn ended(heard: &Heard) -> SuiteError {
    judging(missing())
        .reporter(heard.clone())
        .run()
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a_reporter_hears_the_end_of_a_run_that_cannot_begin() {
    let heard = Heard::default();
    let error = ended(&heard).await;
    let reports = heard.0.lock().unwrap();
    assert_eq!(*reports, [error.report().unwrap().clone()]);
    assert!(reports[0].summary.blocked > 0);
}

#[tokio::test]
async fn an_error_is_one_short_line_in_a_test_that_ends_with_it() {
    let told = format!("{:?}", ended(&Heard::default()).await);
    assert!(told.contains("/no/such/program"), "{told}");
    assert!(!told.contains('\n') && told.len() < 1000, "{told}");
}

#[tokio::test]
async fn a_report_that_is_not_conformant_says_why_when_that_is_asserted() {
    let error = ended(&Heard::default()).await;
    let report = error.report().unwrap();
    let panic = catch_unwind(|| report.assert_conformant()).unwrap_err();
    let told = panic.downcast_ref::<String>().unwrap();
    for part in [
        "missing is not conformant",
        "kv: partial",
        "BLOCKED",
        "/no/such/program",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
}

#[tokio::test]
async fn a_run_on_a_vault_that_is_up_is_held_against_the_baseline_too() {
    let vault = provider::start(&VaultOptions::default(), &Progress::silent())
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known.toml");
    let known = "[[known]]\nkey = 'kv.no-such@stdio@2025-11-25'\nreason = 'it is not there'\n";
    std::fs::write(&file, known).unwrap();
    let heard = Heard::default();
    let report = judging(Target::find("reference").unwrap())
        .baseline(Baseline::from_file(&file).unwrap())
        .reporter(heard.clone())
        .run_on(&vault)
        .await
        .unwrap();
    assert_eq!(report.baseline.as_ref().unwrap().unknown.len(), 1);
    assert_eq!(*heard.0.lock().unwrap(), [report]);
    vault.stop().await.unwrap();
}
