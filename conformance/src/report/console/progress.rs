//! The progress of a run: a bar on a terminal, and an occasional line elsewhere.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

use crate::{
    event::Event,
    report::text::{cut, visible},
    verdict::Verdict,
};

/// The number of scenarios after which a line is written, unless [`LINE_AFTER`] passes first.
const LINE_AFTER_SCENARIOS: usize = 25;
/// The time after which the next event writes a line.
const LINE_AFTER: Duration = Duration::from_secs(10);

/// Counts events and shows the counts.
pub(super) struct Progress {
    display: Display,
    total: usize,
    done: usize,
    failed: usize,
    /// Keys of the scenarios that are running, the latest last.
    running: Vec<String>,
}

enum Display {
    Bar(ProgressBar),
    Lines {
        stream: Box<dyn Write + Send>,
        /// When the last line was written, and how many scenarios had finished then.
        last: (Instant, usize),
    },
}

impl Progress {
    /// Progress on stderr, as a bar on a terminal and as lines elsewhere.
    pub(super) fn on_stderr() -> Self {
        let bar = ProgressBar::no_length().with_finish(ProgressFinish::AndClear);
        if bar.is_hidden() {
            Self::lines(Box::new(io::stderr()))
        } else {
            Self::new(Display::Bar(bar))
        }
    }

    /// Progress as lines.
    pub(super) fn lines(stream: Box<dyn Write + Send>) -> Self {
        let last = (Instant::now(), 0);
        Self::new(Display::Lines { stream, last })
    }

    fn new(display: Display) -> Self {
        Self {
            display,
            total: 0,
            done: 0,
            failed: 0,
            running: Vec::new(),
        }
    }

    /// Handles one event.
    pub(super) fn on(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Started { scenarios, .. } => self.total = *scenarios,
            Event::ScenarioStarted { key } => self.running.push(visible(key)),
            Event::ScenarioFinished(scenario) => {
                self.done += 1;
                let key = visible(&scenario.key);
                self.running.retain(|running| *running != key);
                if scenario.verdict == Verdict::Fail && scenario.known.is_none() {
                    self.failed += 1;
                    let failure = scenario.failure.as_ref();
                    let what = failure.map(|failure| visible(&cut(&failure.cause.what)));
                    self.say(&format!("FAIL  {key}  {}", what.unwrap_or_default()))?;
                }
            }
            Event::Finished(_) => {
                if let Display::Bar(bar) = &self.display {
                    bar.finish_and_clear();
                }
                return Ok(());
            }
        }
        self.show()
    }

    /// Writes a line that stays.
    fn say(&mut self, text: &str) -> io::Result<()> {
        match &mut self.display {
            Display::Bar(bar) => {
                bar.println(text);
                Ok(())
            }
            Display::Lines { stream, .. } => writeln!(stream, "{text}"),
        }
    }

    fn show(&mut self) -> io::Result<()> {
        let (total, done, failed) = (self.total, self.done, self.failed);
        let running = self.running.last().map_or("", String::as_str);
        match &mut self.display {
            Display::Bar(bar) => {
                if bar.length().is_none() {
                    start(bar, total);
                }
                bar.set_position(done as u64);
                bar.set_message(format!("{failed} failed  {running}"));
                Ok(())
            }
            Display::Lines { stream, last } => {
                let (at, before) = *last;
                if done - before < LINE_AFTER_SCENARIOS && at.elapsed() < LINE_AFTER {
                    return Ok(());
                }
                *last = (Instant::now(), done);
                let running = if running.is_empty() {
                    String::new()
                } else {
                    format!(", running {running}")
                };
                writeln!(
                    stream,
                    "{done} of {total} scenarios, {failed} failed{running}"
                )
            }
        }
    }
}

fn start(bar: &ProgressBar, total: usize) {
    // This comes first because setting the length draws the bar.
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len}  {elapsed}  {wide_msg}") {
        bar.set_style(style);
    }
    bar.set_length(total as u64);
    // Otherwise the clock would stand still during a long scenario.
    bar.enable_steady_tick(Duration::from_secs(1));
}
