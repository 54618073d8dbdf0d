//! The HTTP transport of the program as it is started, over real sockets: who may
//! call, TLS, limits, sessions, and how it stops.
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
