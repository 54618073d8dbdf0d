//! Faults: what the tap does, once, to a request on its way from target to Vault.

use std::fmt;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, Response};

/// A change to one request.
pub struct Fault {
    methods: Vec<Method>,
    part: String,
    pub(super) action: FaultAction,
}

/// The change.
pub enum FaultAction {
    /// The tap waits for this, and then forwards the request to Vault.
    First(BoxFuture<'static, ()>),
    /// The tap returns this answer, and does not forward the request.
    Answer(Box<Response<Bytes>>),
}

impl Fault {
    /// A fault for a request by one of these methods whose path, as sent, contains `part`.
    pub fn new(
        methods: impl IntoIterator<Item = Method>,
        part: impl Into<String>,
        action: FaultAction,
    ) -> Self {
        Self {
            methods: methods.into_iter().collect(),
            part: part.into(),
            action,
        }
    }

    /// A fault for a request that writes.
    pub fn for_write(part: impl Into<String>, action: FaultAction) -> Self {
        let writes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        Self::new(writes, part, action)
    }

    pub(super) fn catches(&self, method: &Method, path: &str) -> bool {
        self.methods.contains(method) && path.contains(&self.part)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("methods", &self.methods)
            .field("part", &self.part)
            .finish_non_exhaustive()
    }
}
