//! The launcher: a session with a token of its own.

pub(crate) mod run;
mod steps;
