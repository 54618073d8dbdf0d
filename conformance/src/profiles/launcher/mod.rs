//! The launcher: a command that the server runs in a session with a token of its own.

pub(crate) mod run;
mod steps;
