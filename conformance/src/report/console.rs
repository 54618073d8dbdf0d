//! What a person reads: results on stdout, progress on stderr.
//!
//! Much of that text was said by a target. None of it may steer the terminal, so every
//! character that could is written out as its escape.

use std::{
    fmt::{self, Write as _},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

use super::{ProfileResult, ProfileVerdict, Report, ScenarioResult, Tally, json};
use crate::{
    event::{Event, Reporter},
    exit::Exit,
    verdict::Verdict,
};

const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const MAGENTA: Style = AnsiColor::Magenta.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// The column in which the lines below a block's first one start.
const INDENT: usize = 6;
/// Columns for a label such as `expected`.
const LABEL: usize = 10;
/// Columns for running text.
const TEXT: usize = 84;
/// Characters of one text that are shown; the files have all of it.
const LONGEST: usize = 2_000;

/// Scenarios between two lines of progress where there is no terminal, unless ...
const LINE_EVERY_SCENARIOS: usize = 25;
/// ... this much time passes first.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// What is written to stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ConsoleFormat {
    /// Failures, the table of profiles and a summary, for people.
    #[default]
    Console,
    /// The report as JSON and nothing else.
    Json,
    /// Nothing, unless the exit code is not 0.
    Quiet,
}

/// Shows a run on stdout and its progress on stderr.
pub struct Console {
    format: ConsoleFormat,
    output_dir: PathBuf,
    results: Box<dyn Write + Send>,
    progress: Progress,
}

impl Console {
    /// Writes to the process's own streams, in colour where they are terminals and
    /// `NO_COLOR`, `CLICOLOR` and `CLICOLOR_FORCE` agree.
    ///
    /// `output_dir` is the folder that the report's files are in.
    pub fn new(format: ConsoleFormat, output_dir: impl Into<PathBuf>) -> Self {
        let bar = ProgressBar::no_length().with_finish(ProgressFinish::AndClear);
        let progress = if format == ConsoleFormat::Quiet {
            Display::Lines(Box::new(io::sink()))
        } else if bar.is_hidden() {
            Display::Lines(Box::new(io::stderr()))
        } else {
            Display::Bar(bar)
        };
        Self {
            format,
            output_dir: output_dir.into(),
            results: Box::new(anstream::stdout()),
            progress: Progress::new(progress),
        }
    }

    /// Writes to the given streams, with colours in `results` and progress as lines.
    pub fn with_streams(
        format: ConsoleFormat,
        output_dir: impl Into<PathBuf>,
        results: Box<dyn Write + Send>,
        progress: Box<dyn Write + Send>,
    ) -> Self {
        Self {
            format,
            output_dir: output_dir.into(),
            results,
            progress: Progress::new(Display::Lines(progress)),
        }
    }

    fn finished(&mut self, report: &Report) -> io::Result<()> {
        let text = match self.format {
            ConsoleFormat::Console => results(report, &self.output_dir),
            ConsoleFormat::Json => json::to_text(report)?,
            ConsoleFormat::Quiet if report.exit() == Exit::Conformant => String::new(),
            ConsoleFormat::Quiet => blocks(report, &self.output_dir) + &summary(report),
        };
        self.write(&text)
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.results.write_all(text.as_bytes())?;
        self.results.flush()
    }
}
