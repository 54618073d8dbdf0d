//! `junit.xml`: the report for CI systems, which show it with the results of other tests.

use std::{io, path::PathBuf, time::Duration};

use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite};

use super::{
    Report, ScenarioResult,
    file::{remove_old, write_atomically},
    text::{cut, visible, visible_lines},
};
use crate::{
    event::{Event, Reporter},
    verdict::Verdict,
};

/// Writes the report as JUnit XML at the end of the run.
#[derive(Debug)]
pub struct JunitFile {
    path: PathBuf,
}

impl JunitFile {
    /// A reporter that writes to `path`; missing parent folders are created.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

impl Reporter for JunitFile {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Finished(report) => write_atomically(&self.path, &to_xml(report)?),
            Event::Started { .. } => remove_old(&self.path),
            Event::ScenarioStarted { .. } | Event::ScenarioFinished(_) => Ok(()),
        }
    }
}

/// One test suite for each profile, in the order of the report.
fn to_xml(report: &Report) -> io::Result<String> {
    let mut junit = quick_junit::Report::new("vault-mcp-conformance");
    junit.timestamp = report.started_at.parse().ok();
    junit.set_time(Duration::from_millis(report.duration_ms));
    // Without a Vault or a target all scenarios are blocked for one reason, which one test case says.
    let common = report.blocked_as_a_whole();
    for profile in report.profiles.iter().filter(|_| common.is_none()) {
        let scenarios = report
            .scenarios
            .iter()
            .filter(|scenario| scenario.profile == profile.name);
        let mut suite = TestSuite::new(visible(&profile.name));
        suite.set_time(scenarios.clone().map(duration).sum());
        for (name, value) in [
            ("target", visible(&report.target.name)),
            ("vault", visible(&report.vault.name())),
            ("seed", report.seed.to_string()),
            ("coverage", report.coverage.to_string()),
        ] {
            suite.add_property(Property::new(name, value));
        }
        suite.add_test_cases(scenarios.map(|scenario| test_case(report, scenario)));
        junit.add_test_suite(suite);
    }
    let run = run_cases(report);
    if !run.is_empty() {
        let mut suite = TestSuite::new("the run itself");
        suite.add_test_cases(run);
        junit.add_test_suite(suite);
    }
    junit.to_string().map_err(io::Error::other)
}

/// Test cases about the run as a whole, so that no run with an exit code other than 0 looks like a success.
fn run_cases(report: &Report) -> Vec<TestCase> {
    let case = |name: &str, mut status: TestCaseStatus, message: &str| {
        status.set_message(visible(&cut(message)));
        TestCase::new(visible(name), status)
    };
    let error = || TestCaseStatus::non_success(NonSuccessKind::Error);
    let not_run = format!("{} scenarios were not run", report.not_run);
    let mut cases = Vec::new();
    if let Some(reason) = report.blocked_as_a_whole() {
        cases.push(case("environment", error(), reason));
    }
    if report.interrupted {
        let message = format!("the run was interrupted; {not_run}");
        cases.push(case("interrupted", error(), &message));
    } else if report.not_run > 0 {
        cases.push(case("stopped early", TestCaseStatus::skipped(), &not_run));
    }
    for trouble in &report.cleanup_errors {
        cases.push(case("clean-up", error(), trouble));
    }
    let failure = || TestCaseStatus::non_success(NonSuccessKind::Failure);
    for missed in report.missed_demands() {
        cases.push(case("demanded", failure(), &missed));
    }
    for latency in report.missed_budgets() {
        let message = format!(
            "the 95th percentile of {} on {} is {} ms, more than {} ms",
            latency.operation,
            latency.transport,
            latency.p95_ms,
            latency.budget_ms.unwrap_or_default()
        );
        cases.push(case("latency", failure(), &message));
    }
    if let Some(baseline) = report.baseline.as_ref().filter(|b| b.is_stale()) {
        let file = &baseline.file;
        for stale in &baseline.stale {
            let message = format!("{file} lists {}, which no longer fails", stale.key);
            cases.push(case("stale baseline", failure(), &message));
        }
        for unknown in &baseline.unknown {
            let message = format!(
                "{file} lists {}, which is not the key of a scenario",
                unknown.key
            );
            cases.push(case("stale baseline", failure(), &message));
        }
    }
    cases
}

fn test_case(report: &Report, scenario: &ScenarioResult) -> TestCase {
    let mut case = TestCase::new(visible(&scenario.key), status(report, scenario));
    case.set_classname(visible(&scenario.id));
    case.set_time(duration(scenario));
    if scenario.verdict == Verdict::Warn {
        let (level, headline, details) = (
            scenario.level,
            headline(scenario),
            details(report, scenario),
        );
        case.set_system_out(format!("{level} not met: {headline}\n{details}"));
    }
    if scenario.known.is_some() {
        case.set_system_out(details(report, scenario));
    }
    case
}

fn status(report: &Report, scenario: &ScenarioResult) -> TestCaseStatus {
    match scenario.verdict {
        // A SHOULD must not break a build.
        Verdict::Pass | Verdict::Warn => TestCaseStatus::success(),
        Verdict::NotApplicable => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason(scenario));
            status
        }
        Verdict::Fail if let Some(known) = &scenario.known => {
            // A known failure must not break a build either.
            let mut status = TestCaseStatus::skipped();
            status.set_message(format!("known failure: {}", visible(&cut(known))));
            status
        }
        Verdict::Fail => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status
                .set_type(scenario.level.to_string())
                .set_message(headline(scenario))
                .set_description(details(report, scenario));
            status
        }
        Verdict::Blocked => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status
                .set_type("blocked")
                .set_message(reason(scenario))
                .set_description(details(report, scenario));
            status
        }
    }
}

fn reason(scenario: &ScenarioResult) -> String {
    scenario.reason.as_deref().map(visible).unwrap_or_default()
}

/// `expected X, saw Y` on one line, short enough for an attribute.
fn headline(scenario: &ScenarioResult) -> String {
    scenario.failure.as_ref().map_or_else(
        || visible(&scenario.demand),
        |failure| {
            format!(
                "expected {}, saw {}",
                visible(&cut(&failure.expected)),
                visible(&cut(&failure.actual))
            )
        },
    )
}

/// All details of a scenario, not cut.
fn details(report: &Report, scenario: &ScenarioResult) -> String {
    let cited = report.cited_by(scenario).into_iter();
    let sources = cited.map(|(source, address)| [&source, address.unwrap_or_default()].join(" "));
    let sources: Vec<_> = sources.collect();
    let mut fields = vec![
        ("demand", Some(scenario.demand.as_str())),
        ("case", Some(scenario.title.as_str())),
    ];
    fields.push(("reason", scenario.reason.as_deref()));
    if let Some(failure) = &scenario.failure {
        fields.extend([
            ("step", Some(failure.step.as_str())),
            ("expected", Some(failure.expected.as_str())),
            ("saw", Some(failure.actual.as_str())),
            ("cause", failure.cause.beside_the_demand()),
            ("follows", failure.caused_by.as_deref()),
        ]);
    }
    fields.extend(
        sources
            .iter()
            .map(|source| ("source", Some(source.trim_end()))),
    );
    if let Some(failure) = &scenario.failure {
        fields.extend([
            ("look", failure.transcript.as_deref()),
            ("rerun", Some(failure.reproduce.as_str())),
        ]);
    }
    fields
        .into_iter()
        .filter_map(|(label, text)| {
            text.map(|text| format!("{label:<10}{}\n", visible_lines(text)))
        })
        .collect()
}

fn duration(scenario: &ScenarioResult) -> Duration {
    Duration::from_millis(scenario.duration_ms)
}
