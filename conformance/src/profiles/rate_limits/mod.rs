//! Rate limits: each client has its own, and what exceeds one is refused.

pub(crate) mod load;
mod steps;
