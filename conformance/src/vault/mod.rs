//! A real Vault on any machine, and the suite's own privileged access to it.

pub(crate) mod api;
pub mod audit;
pub mod binary;
pub mod build;
pub mod cluster;
pub mod container;
pub mod dedicated;
pub mod endpoint;
pub mod external;
pub mod health;
pub mod image;
pub mod inventory;
pub mod leftovers;
pub mod namespaces;
pub mod notes;
pub mod oracle;
pub mod pki;
pub mod policy;
pub mod prefix;
pub mod provider;
pub mod token_form;
