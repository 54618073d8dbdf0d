//! Traps: what the suite lets happen, once, to a request on its way from target to Vault.

use std::fmt;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, Response};

/// Waits for one request, and then springs.
pub struct Trap {
    methods: Vec<Method>,
    part: String,
    pub(super) springs: Springs,
}

/// What happens when a trap springs.
pub enum Springs {
    /// This happens first; then the request goes on to Vault.
    First(BoxFuture<'static, ()>),
    /// This is the answer, in Vault's place.
    Answer(Box<Response<Bytes>>),
}

impl Trap {
    /// A trap for a request by one of these methods whose path, as sent, contains `part`.
    pub fn new(
        methods: impl IntoIterator<Item = Method>,
        part: impl Into<String>,
        springs: Springs,
    ) -> Self {
        Self {
            methods: methods.into_iter().collect(),
            part: part.into(),
            springs,
        }
    }

    /// A trap for a request that changes something.
    pub fn for_write(part: impl Into<String>, springs: Springs) -> Self {
        let writes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        Self::new(writes, part, springs)
    }

    pub(super) fn catches(&self, method: &Method, path: &str) -> bool {
        self.methods.contains(method) && path.contains(&self.part)
    }
}

impl fmt::Debug for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trap")
            .field("methods", &self.methods)
            .field("part", &self.part)
            .finish_non_exhaustive()
    }
}
