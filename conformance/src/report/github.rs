//! The job summary of GitHub Actions: the report as Markdown, appended to the file that the runner names.
//!
//! Much of the text comes from a target. Markdown and HTML in it are shown as text.

use std::{env, fmt::Write as _, fs::OpenOptions, io, io::Write as _, iter, path::PathBuf};

use super::{
    CauseResult, ProfileVerdict, Report, ScenarioResult, Tally,
    policy_matrix::{self, LEGEND},
    text::visible,
};
use crate::{
    event::{Event, Reporter},
    policy_matrix::PolicyCell,
    verdict::Verdict,
};

/// The maximum size of one summary, in bytes. The runner rejects a file of more than 1 MiB, and other steps of the job
/// write to the same file.
const LONGEST: usize = 256 * 1024;

/// The number of characters shown of one text; `report.json` has all of it.
const LONGEST_TEXT: usize = 300;

/// Appends a summary to a file at the end of the run.
#[derive(Debug)]
pub struct GithubSummary {
    file: PathBuf,
    headline: String,
}

impl GithubSummary {
    /// A reporter for the current job of GitHub Actions, if `GITHUB_ACTIONS` is `true` and `GITHUB_STEP_SUMMARY` names
    /// a file.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        let in_job = env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        let file = env::var_os("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty());
        file.filter(|_| in_job).map(Self::new)
    }

    /// A reporter that appends to this file.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self {
            file: file.into(),
            headline: String::new(),
        }
    }
}

impl Reporter for GithubSummary {
    /// Never fails, because the exit code must not depend on whether the summary can be written.
    fn on(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Started { headline, .. } => self.headline.clone_from(headline),
            Event::Finished(report) => {
                let text = markdown(report, &self.headline);
                let file = OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(&self.file);
                if let Err(error) = file.and_then(|mut file| file.write_all(text.as_bytes())) {
                    let file = self.file.display().to_string();
                    // If standard error is closed or full, nothing more can be done.
                    let _ = writeln!(
                        anstream::stderr(),
                        "warning: the job summary {} could not be written: {error}",
                        visible(&file)
                    );
                }
            }
            Event::ScenarioStarted { .. } | Event::ScenarioFinished(_) => {}
        }
        Ok(())
    }
}

/// The report as Markdown of at most [`LONGEST`] bytes.
fn markdown(report: &Report, headline: &str) -> String {
    let mut out = format!(
        "## Vault MCP conformance: {}\n\n",
        inline(&report.target.title)
    );
    if !headline.is_empty() {
        out += &format!("{}\n\n", inline(headline));
    }
    out += &counts(report);
    out += &format!("Tested: {}\n\n", report.coverage);
    for missed in report.missed_demands() {
        out += &format!("**Missed:** {}\n\n", inline(&missed));
    }
    if !report.profiles.is_empty() {
        out += "| profile | MUST | SHOULD | result |\n|---|---|---|---|\n";
        for profile in &report.profiles {
            out += &format!(
                "| {} | {} | {} | {} |\n",
                inline(&profile.name),
                passed(&profile.must),
                passed(&profile.should),
                outcome(profile.result)
            );
        }
        out += "\n";
    }
    out += &latencies(report);
    let mut lines = Lines::new(out);
    let of = |verdict| {
        let scenarios = report.scenarios.iter();
        scenarios.filter(move |s| s.verdict == verdict && s.known.is_none())
    };
    let finding = |scenario| finding(report, scenario);
    lines.section("Fix first", report.fix_first().map(cause));
    lines.section("Failed", failed_by_cause(report));
    lines.section(
        "The baseline has entries that do not apply",
        report
            .baseline
            .iter()
            .filter(|b| b.is_stale())
            .flat_map(|baseline| {
                let stale = baseline.stale.iter().map(|stale| &stale.key);
                let unknown = baseline.unknown.iter().map(|unknown| &unknown.key);
                (stale.map(|key| format!("- {} no longer fails\n", inline(key)))).chain(
                    unknown.map(|key| format!("- {} is not the key of a scenario\n", inline(key))),
                )
            }),
    );
    lines.section("Blocked", of(Verdict::Blocked).map(finding));
    lines.section(
        "Not cleaned up",
        report
            .cleanup_errors
            .iter()
            .map(|error| format!("- {}\n", inline(error))),
    );
    lines.section("Warned", of(Verdict::Warn).map(finding));
    lines.section("Policy matrix", matrix(&report.policy_matrix).into_iter());
    lines.section(
        "Known failures",
        report.scenarios.iter().filter_map(|scenario| {
            let reason = scenario.known.as_deref()?;
            Some(format!("- {}: {}\n", inline(&scenario.key), inline(reason)))
        }),
    );
    lines.end()
}

fn counts(report: &Report) -> String {
    let summary = &report.summary;
    let mut out = format!("**{} failed**", summary.fail);
    if summary.known > 0 {
        out += &format!(" ({} known)", summary.known);
    }
    out += &format!(
        ", {} passed, {} warned, {} not applicable, {} blocked",
        summary.pass, summary.warn, summary.not_applicable, summary.blocked
    );
    if report.not_run > 0 {
        out += &format!(", {} not run", report.not_run);
    }
    if report.is_cut_short() {
        out += "; the run ended early";
    }
    out + "\n\n"
}

/// The latencies of the operations for which the sources set a budget.
fn latencies(report: &Report) -> String {
    let mut rows = String::new();
    for latency in &report.latency {
        let Some(budget) = latency.budget_ms else {
            continue;
        };
        rows += &format!(
            "| {} | {} | {} | {:.2} | {:.2} | {} | {budget} | {} |\n",
            inline(&latency.operation),
            inline(&latency.transport),
            latency.samples,
            latency.p50_ms,
            latency.p95_ms,
            latency
                .direct_p50_ms
                .map_or("-".to_owned(), |direct| format!("{direct:.2}")),
            match latency.keeps_budget() {
                Some(true) => "kept",
                Some(false) => "**missed**",
                None => "not checked",
            }
        );
    }
    if rows.is_empty() {
        return rows;
    }
    let heading = "| latency in ms | | calls | p50 | p95 | direct p50 | budget | |\n|---|---|---|---|---|---|---|---|\n";
    format!("{heading}{rows}\n")
}

/// A cause, with the number of its failures.
fn cause(cause: &CauseResult) -> String {
    format!(
        "- {} failed: {}\n",
        cause.failures.len(),
        inline(&cause.cause.what)
    )
}

/// The failures that no baseline lists, after the cause that they have in common.
fn failed_by_cause(report: &Report) -> impl Iterator<Item = String> {
    let causes = report
        .causes
        .iter()
        .filter(|cause| !cause.failures.is_empty());
    causes.flat_map(move |cause| {
        let heading = format!(
            "**{}** ({})\n\n",
            inline(&cause.cause.what),
            cause.failures.len()
        );
        let failed = (report.scenarios.iter())
            .filter(|scenario| cause.failures.contains(&scenario.key))
            .map(|scenario| finding(report, scenario));
        let end = "\n".to_owned();
        (iter::once(heading).chain(failed).chain([end])).collect::<Vec<_>>()
    })
}

/// One scenario, with what was expected and seen.
fn finding(report: &Report, scenario: &ScenarioResult) -> String {
    let mut out = format!(
        "- **{}**: {}\n",
        inline(&scenario.key),
        inline(&scenario.demand)
    );
    out += &format!("  - case: {}\n", inline(&scenario.title));
    if let Some(failure) = &scenario.failure {
        for (label, text) in [("expected", &failure.expected), ("saw", &failure.actual)] {
            out += &format!("  - {label}: {}\n", inline(text));
        }
    }
    if let Some(reason) = &scenario.reason {
        out += &format!("  - {}\n", inline(reason));
    }
    for (source, address) in report.cited_by(scenario) {
        let address = address.map(|address| format!(" {}", link(address)));
        out += &format!(
            "  - source: {}{}\n",
            inline(&source),
            address.unwrap_or_default()
        );
    }
    out
}

/// A link to an address, or its text if the address is not a plain one.
fn link(address: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-./#_".contains(c);
    let rest = address.strip_prefix("https://");
    match rest.filter(|rest| rest.chars().all(is_plain)) {
        Some(_) => format!("<{address}>"),
        None => inline(address),
    }
}

/// The policy matrix. Each table is one text, because a part of a table is useless.
fn matrix(cells: &[PolicyCell]) -> Vec<String> {
    let tables = policy_matrix::tables(cells);
    let table = |(number, table): (usize, &policy_matrix::Table<'_>)| {
        let mut out = match number {
            0 => format!("{}\n", inline(LEGEND)),
            _ => String::new(),
        };
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let title = format!("operation {}", table.transport.unwrap_or_default());
        let policies = table.policies.iter().copied();
        let header = iter::once(title.trim_end()).chain(policies).map(inline);
        out += &format!("\n{}", line(header.collect()));
        out += &line(vec!["---".to_owned(); table.policies.len() + 1]);
        for (operation, cells) in &table.rows {
            let cells = cells.iter().map(|cell| {
                let words = inline(&policy_matrix::words(*cell));
                match cell {
                    Some(cell) if !cell.is_met() => format!("**{words}**"),
                    _ => words,
                }
            });
            out += &line(iter::once(inline(operation)).chain(cells).collect());
        }
        out
    };
    tables.iter().enumerate().map(table).collect()
}

fn passed(tally: &Tally) -> String {
    match tally.pass + tally.fail + tally.blocked {
        0 => "-".to_owned(),
        applicable => format!("{} of {applicable}", tally.pass),
    }
}

const fn outcome(result: ProfileVerdict) -> &'static str {
    match result {
        ProfileVerdict::Conformant => "conformant",
        ProfileVerdict::Partial => "partial",
        ProfileVerdict::Nonconformant => "**nonconformant**",
        ProfileVerdict::NotApplicable => "not applicable",
    }
}

/// The text on one line, cut if it is long, with all Markdown and HTML escaped.
fn inline(text: &str) -> String {
    let mut out = String::new();
    let text = visible(text);
    let mut chars = text.chars();
    for c in chars.by_ref().take(LONGEST_TEXT) {
        let is_plain = match c {
            '.' => !out.to_ascii_lowercase().ends_with("www"),
            '-' | ',' | '/' | '(' | ')' | ' ' => true,
            _ => !c.is_ascii() || c.is_ascii_alphanumeric(),
        };
        if is_plain {
            out.push(c);
        } else {
            // A character reference has no meaning in Markdown or HTML.
            let _ = write!(out, "&#{};", u32::from(c));
        }
    }
    if chars.next().is_some() {
        out += "…";
    }
    out
}

/// A text that grows up to a limit, and that says how much was left out.
struct Lines {
    text: String,
    left_out: usize,
}

impl Lines {
    fn new(text: String) -> Self {
        Self { text, left_out: 0 }
    }

    fn section(&mut self, heading: &str, items: impl Iterator<Item = String>) {
        let mut heading = format!("### {heading}\n\n");
        for item in items {
            if self.text.len() + heading.len() + item.len() > LONGEST {
                self.left_out += 1;
            } else {
                self.text += &std::mem::take(&mut heading);
                self.text += &item;
            }
        }
        if heading.is_empty() {
            self.text += "\n";
        }
    }

    fn end(mut self) -> String {
        if self.left_out > 0 {
            let left_out = self.left_out;
            self.text += &format!("{left_out} more are in report.json\n\n");
        }
        self.text
    }
}
