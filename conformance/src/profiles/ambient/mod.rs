//! What holds in every scenario.

mod steps;
