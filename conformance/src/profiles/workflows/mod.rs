//! The published workflows of agents.

pub(crate) mod leak;
mod steps;
