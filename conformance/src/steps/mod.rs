//! The step definitions: thin, one file a subject. What they mean is in the scene.

mod ambient;
mod browser;
mod kv;
mod mcp;
mod modes;
mod mounts;
mod outcome;
mod pki;
mod policy;
mod workflows;
