//! The context of one tool call: the correlation id of its requests in Vault's audit log, and its requests to Vault.
//!
//! The context is task-local. The Vault client reads it when it builds a request, so functions need not pass it on,
//! and no request lacks it.

use std::sync::Arc;

use parking_lot::Mutex;

tokio::task_local! {
    static CURRENT: Arc<Trace>;
}

/// One tool call, or a task of the server itself.
#[derive(Debug)]
pub struct Trace {
    correlation_id: String,
    asked: Mutex<Asked>,
}

/// The requests to Vault so far.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The number of requests.
    pub requests: u32,
    /// The path of the last request.
    pub path: Option<String>,
}

impl Trace {
    /// A new context, with its own id.
    pub fn start() -> Arc<Self> {
        Arc::new(Self {
            correlation_id: new_id(),
            asked: Mutex::default(),
        })
    }

    /// The `X-Correlation-Id` of every request in Vault's audit log: 32 hexadecimal digits.
    pub fn correlation_id(&self) -> &str {
        &self.correlation_id
    }

    /// The requests to Vault so far.
    pub fn asked(&self) -> Asked {
        self.asked.lock().clone()
    }

    /// Runs a future; its requests are recorded here.
    pub async fn scope<T>(self: &Arc<Self>, rollback: impl Future<Output = T>) -> T {
        CURRENT.scope(Arc::clone(self), rollback).await
    }

    fn note(&self, path: &str) -> String {
        let mut asked = self.asked.lock();
        asked.requests = asked.requests.saturating_add(1);
        asked.path = Some(path.to_owned());
        self.correlation_id.clone()
    }
}

/// Records a request; returns the correlation id to send.
pub(crate) fn note_request(path: &str) -> String {
    CURRENT
        .try_with(|trace| trace.note(path))
        .unwrap_or_else(|_| new_id())
}

fn new_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_belong_to_the_work_that_makes_them() {
        let (one, other) = (Trace::start(), Trace::start());
        let ask = |path: &'static str| async move {
            tokio::task::yield_now().await;
            note_request(path)
        };
        let ids = tokio::join!(
            one.scope(async { (ask("a").await, ask("b").await) }),
            other.scope(ask("c")),
        );
        assert_eq!(ids.0.0, one.correlation_id());
        assert_eq!(ids.0.1, one.correlation_id());
        assert_eq!(ids.1, other.correlation_id());
        assert_ne!(ids.1, ids.0.0);
        let asked = one.asked();
        assert_eq!((asked.requests, asked.path.as_deref()), (2, Some("b")));
    }

    #[test]
    fn a_request_of_nobody_has_an_id_of_its_own() {
        let id = note_request("sys/mounts");
        assert_eq!(id.len(), 32);
        assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(id, note_request("sys/mounts"));
    }
}
