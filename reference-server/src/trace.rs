//! What belongs to one tool call wherever its work goes: the id under which Vault's audit log has
//! its requests, and what it asked of Vault.
//!
//! It is local to the task that does the work. The client for Vault looks it up where a request is
//! built, so that no function has to hand it on and no request goes without.

use std::sync::Arc;

use parking_lot::Mutex;

tokio::task_local! {
    static CURRENT: Arc<Trace>;
}

/// One tool call, or something that the server does by itself.
#[derive(Debug)]
pub struct Trace {
    correlation_id: String,
    asked: Mutex<Asked>,
}

/// What was asked of Vault so far.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// How many requests were made.
    pub requests: u32,
    /// The path of the last one.
    pub path: Option<String>,
}

impl Trace {
    /// A new one, with an id of its own.
    pub fn start() -> Arc<Self> {
        Arc::new(Self {
            correlation_id: new_id(),
            asked: Mutex::default(),
        })
    }

    /// What Vault's audit log has as `X-Correlation-Id` of every request: 32 hexadecimal digits.
    pub fn correlation_id(&self) -> &str {
        &self.correlation_id
    }

    /// What was asked of Vault so far.
    pub fn asked(&self) -> Asked {
        self.asked.lock().clone()
    }

    /// Does work whose requests belong here.
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

/// Notes that a path is asked for; returns the correlation id to send.
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
