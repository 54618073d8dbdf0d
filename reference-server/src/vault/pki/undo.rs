//! Removes again what was made for something that did not come about.

use crate::vault::{client::VaultClient, path::ApiPath};

/// What was made so far. Dropped before [`Self::keep`], as when the call is cancelled or out of time, it
/// is removed in the background.
pub(super) struct Undo {
    client: VaultClient,
    made: Vec<ApiPath>,
}

impl Undo {
    pub(super) fn new(client: VaultClient) -> Self {
        Self {
            client,
            made: Vec::new(),
        }
    }

    /// Remembers what a request has made.
    pub(super) fn made(&mut self, path: ApiPath) {
        self.made.push(path);
    }

    /// All came about: nothing is to be removed.
    pub(super) fn keep(mut self) {
        self.made.clear();
    }

    /// Removes what was made, the latest first; returns how much it was, and the paths that could not be removed.
    pub(super) async fn run(mut self) -> (usize, Vec<String>) {
        let count = self.made.len();
        let mut left = Vec::new();
        // One by one, so that what is left is still removed if this is cancelled too.
        while let Some(path) = self.made.last() {
            if self.client.delete(path).await.is_err() {
                left.push(path.plain().to_owned());
            }
            self.made.pop();
        }
        (count, left)
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        if self.made.is_empty() {
            return;
        }
        let rest = Self {
            client: self.client.clone(),
            made: std::mem::take(&mut self.made),
        };
        // Without a runtime the process is ending, and no request goes out any more.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(rest.run());
        } else {
            rest.keep();
        }
    }
}
