//! The console reporter: results on stdout, progress on stderr.
//!
//! Much of the text comes from a target. It must not control the terminal, so control characters are written as
//! escapes.

mod findings;
mod progress;

use std::{
    io::{self, Write},
    iter,
    path::{Path, PathBuf},
    time::Duration,
};

use anstyle::{AnsiColor, Style};

use self::{
    findings::{findings, fix_first, paragraph, paragraphed},
    progress::Progress,
};
use super::{
    ProfileResult, ProfileVerdict, Report, Summary, Tally, json,
    policy_matrix::{self, LEGEND},
    text::visible,
};
use crate::{
    event::{Event, Reporter},
    exit::Exit,
    policy_matrix::{Outcome, PolicyCell},
};

const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const MAGENTA: Style = AnsiColor::Magenta.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default();
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// The format of stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ConsoleFormat {
    /// Failures, a table of the profiles and a summary, for people.
    #[default]
    Console,
    /// The report as JSON and nothing else.
    Json,
    /// Nothing as long as the exit code is 0.
    Quiet,
}

/// How much of the failures and warnings is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// A block for each cause of failures, and a line for each requirement that warns.
    #[default]
    Causes,
    /// A block for each failure and for each warning, with its sources and its transcript.
    All,
}

/// Shows the results of a run on stdout and its progress on stderr.
pub struct Console {
    format: ConsoleFormat,
    detail: Detail,
    output_dir: PathBuf,
    results: Box<dyn Write + Send>,
    progress: Option<Progress>,
    /// Whether the plan is ready.
    has_begun: bool,
}

impl Console {
    /// Writes to the streams of this process. Colours are used on terminals only; `NO_COLOR` and `CLICOLOR_FORCE` are
    /// respected.
    ///
    /// `output_dir` is the folder of `report.json` and the transcripts.
    pub fn new(format: ConsoleFormat, output_dir: impl Into<PathBuf>) -> Self {
        Self {
            format,
            detail: Detail::default(),
            output_dir: output_dir.into(),
            results: Box::new(anstream::stdout()),
            progress: (format != ConsoleFormat::Quiet).then(Progress::on_stderr),
            has_begun: false,
        }
    }

    /// Like [`Console::new`], but writes to the given streams: results with colours to `results`, and progress as lines
    /// to the other.
    pub fn with_streams(
        format: ConsoleFormat,
        output_dir: impl Into<PathBuf>,
        results: Box<dyn Write + Send>,
        progress: Box<dyn Write + Send>,
    ) -> Self {
        Self {
            format,
            detail: Detail::default(),
            output_dir: output_dir.into(),
            results,
            progress: (format != ConsoleFormat::Quiet).then(|| Progress::lines(progress)),
            has_begun: false,
        }
    }

    /// Shows this much of the failures and warnings.
    #[must_use]
    pub fn detail(mut self, detail: Detail) -> Self {
        self.detail = detail;
        self
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        let written = self.results.write_all(text.as_bytes());
        match written.and_then(|()| self.results.flush()) {
            // Its reader has seen enough, as in `| head -1`.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(io::Error::new(
                error.kind(),
                format!("cannot write to standard output: {error}"),
            )),
            Ok(()) => Ok(()),
        }
    }
}

impl Reporter for Console {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        // The headline is written before the progress, because a bar must not be drawn above it.
        if let Event::Started { headline, .. } = event {
            self.has_begun = true;
            if self.format == ConsoleFormat::Console {
                self.write(&heading(headline))?;
            }
        }
        if let Some(progress) = &mut self.progress {
            // If stderr is closed or full, nothing is lost: the results are elsewhere.
            let _ = progress.on(event);
        }
        let Event::Finished(report) = event else {
            return Ok(());
        };
        match self.format {
            // If a run did not begin, its error says everything.
            ConsoleFormat::Console | ConsoleFormat::Quiet if !self.has_begun => Ok(()),
            ConsoleFormat::Console => self.write(&results(report, &self.output_dir, self.detail)),
            ConsoleFormat::Json => self.write(&json::to_text(report)?),
            ConsoleFormat::Quiet if report.exit() == Exit::Conformant => Ok(()),
            ConsoleFormat::Quiet => {
                let found = findings(report, &self.output_dir, self.detail);
                self.write(&(found + &summary(report)))
            }
        }
    }
}

/// All that [`ConsoleFormat::Console`] writes to stdout, with ANSI colours.
///
/// `headline` has the Vault, the target, the transports and the seed; `output_dir` is the folder of the report's files.
#[must_use]
pub fn render(report: &Report, headline: &str, output_dir: &Path, detail: Detail) -> String {
    heading(headline) + &results(report, output_dir, detail)
}

fn heading(headline: &str) -> String {
    format!("{}\n\n", visible(headline))
}

fn results(report: &Report, output_dir: &Path, detail: Detail) -> String {
    let mut out = findings(report, output_dir, detail);
    out += &matrix(&report.policy_matrix);
    out += &table(&report.profiles);
    out += &latencies(report);
    if !report.unmapped_tools.is_empty() {
        out += "tools that no operation of the adapter maps\n";
        out += &paragraph(&report.unmapped_tools.join(", "));
        out += "\n";
    }
    out += &fix_first(report);
    out += &summary(report);
    // A run removes the report of an earlier one when it starts.
    let path = output_dir.join("report.json");
    if path.is_file() {
        out += &format!("report: {}\n", visible(&path.display().to_string()));
    }
    out
}

fn table(profiles: &[ProfileResult]) -> String {
    if profiles.is_empty() {
        return String::new();
    }
    let names = profiles.iter().map(|profile| profile.name.chars().count());
    let name_width = names.max().unwrap_or(0).max(9) + 2;
    let mut out = format!(
        "{BOLD}{:<name_width$}{:<16}{:<16}{}{BOLD:#}\n",
        "profile", "MUST", "SHOULD", "result"
    );
    for ProfileResult {
        name,
        result,
        must,
        should,
        missing_operations,
    } in profiles
    {
        let (must, should) = match result {
            ProfileVerdict::NotApplicable => ("not claimed".to_owned(), String::new()),
            _ => (passed(must), passed(should)),
        };
        let (word, style) = outcome(*result);
        let name = visible(name);
        let missing = match missing_operations.as_slice() {
            [] => String::new(),
            _ if *result == ProfileVerdict::NotApplicable => String::new(),
            missing => format!(" (not mapped: {})", missing.join(", ")),
        };
        out +=
            &format!("{name:<name_width$}{must:<16}{should:<16}{style}{word}{style:#}{missing}\n");
    }
    out + "\n"
}

/// The latencies of the operations for which the sources set a budget.
fn latencies(report: &Report) -> String {
    let missed = if report.strict_latency { RED } else { YELLOW };
    let number = |number: Option<f64>| number.map_or("-".to_owned(), |n| format!("{n:.2}"));
    let mut rows = String::new();
    for latency in &report.latency {
        let Some(budget) = latency.budget_ms else {
            continue;
        };
        let (word, style) = match latency.keeps_budget() {
            Some(true) => ("kept", GREEN),
            Some(false) => ("missed", missed),
            None => ("not checked", DIM),
        };
        rows += &format!(
            "{:<16}{:<9}{:>6}{:>9.2}{:>9.2}{:>12}{:>10}{:>9}  {style}{word}{style:#}\n",
            visible(&latency.operation),
            visible(&latency.transport),
            latency.samples,
            latency.p50_ms,
            latency.p95_ms,
            number(latency.direct_p50_ms),
            number(latency.vault_requests_per_call),
            budget,
        );
    }
    if rows.is_empty() {
        return rows;
    }
    let heading = format!(
        "{BOLD}{:<25}{:>6}{:>9}{:>9}{:>12}{:>10}{:>9}{BOLD:#}\n",
        "latency in ms", "calls", "p50", "p95", "direct p50", "requests", "budget"
    );
    paragraphed(heading + &rows)
}

/// The policy matrix: the cell of each operation and policy.
fn matrix(cells: &[PolicyCell]) -> String {
    let tables = policy_matrix::tables(cells);
    let mut out = String::new();
    for table in &tables {
        let title = match table.transport {
            Some(transport) if tables.len() > 1 => format!("operation ({transport})"),
            _ => "operation".to_owned(),
        };
        let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0) + 2;
        let mut names = table.rows.iter().map(|(name, _)| name.chars().count());
        let first = width(&mut names).max(title.chars().count() + 2);
        let columns: Vec<usize> = (table.policies.iter().enumerate())
            .map(|(index, policy)| {
                let cells = table.rows.iter().map(|(_, cells)| cells[index]);
                let cells = cells.map(|cell| policy_matrix::words(cell).chars().count());
                width(&mut iter::once(policy.chars().count()).chain(cells))
            })
            .collect();
        let mut header = format!("{title:<first$}");
        for (policy, width) in table.policies.iter().zip(&columns) {
            header += &format!("{:<width$}", visible(policy));
        }
        out += &format!("{BOLD}{}{BOLD:#}\n", header.trim_end());
        for (operation, cells) in &table.rows {
            out += &format!("{:<first$}", visible(operation));
            for (index, cell) in cells.iter().enumerate() {
                let style = cell.map_or(DIM, cell_style);
                let words = policy_matrix::words(*cell);
                let last = index + 1 == cells.len();
                let padding = if last {
                    0
                } else {
                    columns[index] - words.chars().count()
                };
                out += &format!("{style}{words}{style:#}{:padding$}", "");
            }
            out += "\n";
        }
        out += "\n";
    }
    if !out.is_empty() {
        out.insert_str(0, &format!("{DIM}{LEGEND}{DIM:#}\n"));
    }
    out
}

fn cell_style(cell: &PolicyCell) -> Style {
    match cell.target {
        _ if !cell.is_met() => RED,
        Outcome::NeedsMore => YELLOW,
        Outcome::Denied => DIM,
        _ => GREEN,
    }
}

/// The number of passed scenarios out of those that apply.
fn passed(tally: &Tally) -> String {
    match tally.pass + tally.fail + tally.blocked {
        0 => "-".to_owned(),
        applicable => format!("{} of {applicable}", tally.pass),
    }
}

fn outcome(result: ProfileVerdict) -> (&'static str, Style) {
    match result {
        ProfileVerdict::Conformant => ("conformant", GREEN),
        ProfileVerdict::Partial => ("partial", YELLOW),
        ProfileVerdict::Nonconformant => ("nonconformant", RED),
        ProfileVerdict::NotApplicable => ("not applicable", DIM),
    }
}

/// The whole run on one line: the result of all profiles together, and the counts.
fn summary(report: &Report) -> String {
    let has = |result| {
        report
            .profiles
            .iter()
            .any(|profile| profile.result == result)
    };
    let result = [
        ProfileVerdict::Nonconformant,
        ProfileVerdict::Partial,
        ProfileVerdict::Conformant,
    ]
    .into_iter()
    .find(|result| has(*result))
    .unwrap_or(ProfileVerdict::NotApplicable);
    let (word, style) = match (result, report.interrupted) {
        (ProfileVerdict::Nonconformant, true) => ("nonconformant, interrupted", RED),
        // A scenario that did not run might have failed.
        (_, true) => ("interrupted", YELLOW),
        (ProfileVerdict::Nonconformant, false) if report.stopped_early => {
            ("nonconformant, stopped early", RED)
        }
        (ProfileVerdict::Nonconformant, false) if report.unlisted_failures().next().is_none() => {
            ("nonconformant, as known", YELLOW)
        }
        (ProfileVerdict::Conformant, false) if report.missed_budgets().next().is_some() => {
            ("conformant, but too slow", RED)
        }
        (ProfileVerdict::Conformant, false) if !report.missed_demands().is_empty() => {
            ("conformant, but less than demanded", RED)
        }
        (ProfileVerdict::Partial, false) if !report.missed_demands().is_empty() => {
            ("partial, and less than demanded", RED)
        }
        (result, false) => outcome(result),
    };
    let Summary {
        pass,
        fail,
        known,
        warn,
        not_applicable,
        blocked,
    } = report.summary;
    let seconds = Duration::from_millis(report.duration_ms).as_secs_f64();
    let known = match known {
        0 => String::new(),
        known => format!(" ({known} known)"),
    };
    let not_run = match report.not_run {
        0 => String::new(),
        not_run => format!(", {not_run} not run"),
    };
    let missed = report.missed_demands().into_iter();
    let missed: String = missed
        .map(|missed| format!("{RED}missed{RED:#}: {}\n", visible(&missed)))
        .collect();
    let coverage = report.coverage;
    format!(
        "{missed}{style}{word}{style:#}: {pass} passed, {fail} failed{known}, {warn} warned, \
         {not_applicable} not applicable, {blocked} blocked{not_run} in {seconds:.1} s\n\
         tested: {coverage}\n"
    )
}
