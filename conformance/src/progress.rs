//! Shows the progress of long work on stderr: as a spinner on a terminal, and as plain lines elsewhere. So a user sees
//! that a Vault is being built, and the log of a CI job shows it too.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use parking_lot::Mutex;

/// A shorter step only prints its result.
const QUIET: Duration = Duration::from_secs(2);
/// The interval at which a longer step prints, without a terminal, that it continues.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The destination for the progress of long work. Cloning is cheap.
#[derive(Clone)]
pub struct Progress(Sink);

#[derive(Clone)]
enum Sink {
    Silent,
    Lines(Lines),
    Spinners(MultiProgress),
}

type Lines = Arc<Mutex<dyn Write + Send>>;

impl Progress {
    /// Spinners if stderr is a terminal; otherwise one line for each step, and one every 15 s.
    ///
    /// Writes to the handle itself, which `cargo test` does not capture.
    pub fn stderr() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if io::stderr().is_terminal() && !dumb {
            Self(Sink::Spinners(MultiProgress::new()))
        } else {
            Self::lines(io::stderr())
        }
    }

    /// No output.
    pub fn silent() -> Self {
        Self(Sink::Silent)
    }

    /// Plain lines, to any writer.
    pub fn lines(writer: impl Write + Send + 'static) -> Self {
        Self(Sink::Lines(Arc::new(Mutex::new(writer))))
    }

    /// Prints a line that is no step: a choice, and the reason for it.
    pub fn say(&self, line: impl fmt::Display) {
        // If stderr is closed, nothing can be done and nothing is lost.
        match &self.0 {
            Sink::Silent => {}
            Sink::Lines(lines) => write_line(lines, &line.to_string()),
            Sink::Spinners(spinners) => drop(spinners.println(line.to_string())),
        }
    }

    /// Begins a step; the title is the current work, such as `starting Vault`.
    pub fn step(&self, title: impl Into<String>) -> Step {
        let title = title.into();
        let display = match &self.0 {
            Sink::Silent => Display::None,
            Sink::Lines(lines) => Display::Lines(Heartbeat::start(lines.clone(), title.clone())),
            Sink::Spinners(spinners) => Display::Spinner(spinner(spinners, &title)),
        };
        Step {
            progress: self.clone(),
            title,
            display,
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Sink::Silent => "Progress(silent)",
            Sink::Lines(_) => "Progress(lines)",
            Sink::Spinners(_) => "Progress(spinners)",
        })
    }
}

/// A piece of work in progress. If it is dropped without [`Step::done`], it prints nothing, because its owner has an
/// error to show.
#[derive(Debug)]
pub struct Step {
    progress: Progress,
    title: String,
    display: Display,
}

#[derive(Debug)]
enum Display {
    None,
    Lines(Heartbeat),
    Spinner(ProgressBar),
}

impl Step {
    /// Shows how far the step is; replaces the previous note.
    pub fn note(&self, note: impl Into<String>) {
        match &self.display {
            Display::None => {}
            Display::Lines(heartbeat) => *heartbeat.note.lock() = note.into(),
            Display::Spinner(bar) => bar.set_message(note.into()),
        }
    }

    /// Ends the step with its result.
    pub fn done(self, result: impl fmt::Display) {
        if let Display::Spinner(bar) = &self.display {
            bar.finish_and_clear();
        }
        self.progress.say(format_args!("{}: {result}", self.title));
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Self::Spinner(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// Prints a line at intervals until it is dropped.
#[derive(Debug)]
struct Heartbeat {
    note: Arc<Mutex<String>>,
    /// Dropping this ends the thread.
    _alive: mpsc::Sender<()>,
}

impl Heartbeat {
    fn start(lines: Lines, title: String) -> Self {
        let note = Arc::new(Mutex::new(String::new()));
        let (alive, ended) = mpsc::channel();
        let shared = Arc::clone(&note);
        // Detached on purpose: the thread ends when the step ends.
        thread::spawn(move || {
            let started = Instant::now();
            let mut pause = QUIET;
            while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let line = heartbeat_line(&title, started.elapsed(), &shared.lock());
                write_line(&lines, &line);
                pause = HEARTBEAT;
            }
        });
        Self {
            note,
            _alive: alive,
        }
    }
}

fn spinner(spinners: &MultiProgress, title: &str) -> ProgressBar {
    let bar = spinners.add(ProgressBar::new_spinner());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} ({elapsed}) {wide_msg}") {
        bar.set_style(style);
    }
    bar.set_prefix(title.to_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn heartbeat_line(title: &str, elapsed: Duration, note: &str) -> String {
    let elapsed = elapsed_text(elapsed);
    if note.is_empty() {
        format!("{title} ... {elapsed}")
    } else {
        format!("{title} ... {elapsed}, {note}")
    }
}

/// `42s`, `3m15s`.
fn elapsed_text(elapsed: Duration) -> String {
    match (elapsed.as_secs() / 60, elapsed.as_secs() % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m{seconds:02}s"),
    }
}

fn write_line(lines: &Lines, line: &str) {
    let mut writer = lines.lock();
    // If stderr is closed, nothing can be done and nothing is lost.
    drop(writeln!(writer, "{line}").and_then(|()| writer.flush()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_step_says_how_long_it_takes_and_how_far_it_is() {
        let line = heartbeat_line(
            "building Vault 1.21.1",
            Duration::from_secs(195),
            "812 packages compiled",
        );
        assert_eq!(
            line,
            "building Vault 1.21.1 ... 3m15s, 812 packages compiled"
        );
    }

    #[test]
    fn a_step_without_a_note_says_how_long_it_takes() {
        assert_eq!(
            heartbeat_line("starting Vault", Duration::from_secs(2), ""),
            "starting Vault ... 2s"
        );
    }
}
