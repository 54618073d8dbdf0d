//! Rate limits: each client has its own, and the server rejects calls above the limit.

pub(crate) mod load;
mod steps;
