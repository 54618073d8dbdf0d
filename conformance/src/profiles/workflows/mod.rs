//! What the sources tell of agents at work.

pub(crate) mod leak;
mod steps;
