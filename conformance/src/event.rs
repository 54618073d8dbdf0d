//! The events of a run, in order. Reporters consume these and nothing else.

use crate::report::{Report, ScenarioResult};

/// One thing that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The plan is made, Vault and target are up; scenarios follow.
    Started {
        /// The line that names Vault, target, transports and seed.
        headline: String,
        /// How many scenarios will run.
        scenarios: usize,
    },
    /// A scenario began.
    ScenarioStarted {
        /// Its key.
        key: String,
    },
    /// A scenario ended.
    ScenarioFinished(Box<ScenarioResult>),
    /// The run is over and the report is made.
    Finished(Box<Report>),
}

/// Something that shows or stores what happens.
pub trait Reporter: Send {
    /// Takes note of one event.
    ///
    /// # Errors
    /// When what it writes to cannot be written.
    fn on(&mut self, event: &Event) -> std::io::Result<()>;
}

impl<R: Reporter + ?Sized> Reporter for Box<R> {
    fn on(&mut self, event: &Event) -> std::io::Result<()> {
        (**self).on(event)
    }
}
