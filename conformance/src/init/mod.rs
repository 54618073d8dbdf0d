//! Drafts an adapter: reads how a client starts a server, guesses which tool performs which operation, and writes the
//! file. The calls that find out more are made by `suite::drafting`.

mod arguments;
pub mod client_config;
pub mod draft;
pub mod findings;
pub(crate) mod guess;
mod held;
pub mod launch;
pub(crate) mod name;
pub(crate) mod pages;
pub(crate) mod pointers;
pub(crate) mod tools;
mod words;
