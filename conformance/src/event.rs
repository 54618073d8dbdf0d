//! The events of a run, in order. Reporters consume these and nothing else.

use crate::report::{Report, ScenarioResult};

/// An event of a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The plan is ready, and Vault and target are running. Scenarios follow.
    Started {
        /// A line with the Vault, the target, the transports and the seed.
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
    /// The run is over, and the report is complete.
    Finished(Box<Report>),
}

/// Shows or stores the events of a run.
pub trait Reporter: Send {
    /// Handles one event.
    ///
    /// # Errors
    /// If the output cannot be written.
    fn on(&mut self, event: &Event) -> std::io::Result<()>;
}

impl<R: Reporter + ?Sized> Reporter for Box<R> {
    fn on(&mut self, event: &Event) -> std::io::Result<()> {
        (**self).on(event)
    }
}
