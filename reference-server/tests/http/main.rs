//! The HTTP transport of the program, over real sockets: access, TLS, limits, sessions, and stopping.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod browser;
mod limits;
#[path = "../shared/program.rs"]
mod program;
mod server;
mod sessions;
mod stop;
mod tls;
