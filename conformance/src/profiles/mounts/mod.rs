//! Mounts.

mod steps;
