//! Steps and checks that several profiles use.

pub(crate) mod about;
pub(crate) mod allowed;
pub(crate) mod answered;
pub(crate) mod at_once;
pub(crate) mod effect;
pub(crate) mod given;
pub(crate) mod kv;
pub(crate) mod kv_steps;
pub(crate) mod lists;
mod mounts_steps;
mod outcome_steps;
pub(crate) mod over_http;
pub(crate) mod own_vault;
pub(crate) mod pki;
mod pki_steps;
#[cfg(test)]
pub(crate) mod rehearsal;
pub(crate) mod stage;
pub(crate) mod start;
#[cfg(test)]
mod tests;
pub(crate) mod token_use;
pub(crate) mod unchanged;
pub(crate) mod wording;
