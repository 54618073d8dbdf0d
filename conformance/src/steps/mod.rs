//! The step definitions: thin, one file a subject. What they mean is in the scene.

mod ambient;
mod browser;
mod custody;
mod kv;
mod mcp;
mod modes;
mod mounts;
mod namespace;
mod outcome;
mod pki;
mod policy;
#[cfg(test)]
mod tests;
mod traces;
mod workflows;
