//! Operations of several requests: if one request fails, the rollback removes what the others created.

use serde::de::DeserializeOwned;

use super::{Told, told};
use crate::vault::{
    client::{Answer, VaultClient},
    error::VaultError,
    path::ApiPath,
};

/// The stage at which creating an issuer failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// In the mount of the new issuer.
    Mount,
    /// In the mount that signs.
    RootMount,
}

/// Why an operation failed, and the result of the rollback.
#[derive(Debug)]
pub struct PartialFailure {
    /// The cause.
    pub error: VaultError,
    /// The stage.
    pub stage: Stage,
    /// The number of created objects.
    pub made: usize,
    /// The paths of the created objects that were not removed.
    pub left: Vec<String>,
    /// The serial number of a signed certificate, which cannot be unsigned.
    pub signed: Option<String>,
}

impl From<VaultError> for PartialFailure {
    fn from(error: VaultError) -> Self {
        Self::before_anything(error, Stage::Mount)
    }
}

impl PartialFailure {
    pub(super) fn before_anything(error: VaultError, stage: Stage) -> Self {
        Self {
            error,
            stage,
            made: 0,
            left: Vec::new(),
            signed: None,
        }
    }
}

/// The created objects. If dropped before the operation ends, for example when the call is cancelled or times out, it
/// removes them in the background.
pub(super) struct Rollback {
    client: VaultClient,
    made: Vec<ApiPath>,
    left: Vec<String>,
    warnings: Vec<String>,
    /// See [`PartialFailure::signed`].
    pub(super) signed: Option<String>,
}

impl Rollback {
    pub(super) fn new(client: VaultClient) -> Self {
        Self {
            client,
            made: Vec::new(),
            left: Vec::new(),
            warnings: Vec::new(),
            signed: None,
        }
    }

    /// The data of an answer; collects its warnings.
    pub(super) fn data<T: DeserializeOwned>(&mut self, answer: &Answer) -> Result<T, VaultError> {
        let Told { data, warnings } = told(answer)?;
        self.warnings.extend(warnings);
        Ok(data)
    }

    /// Records a created object.
    pub(super) fn made(&mut self, path: ApiPath) {
        self.made.push(path);
    }

    /// Records a created object that cannot be removed without harm to others.
    pub(super) fn left(&mut self, path: &ApiPath) {
        self.left.push(path.plain().to_owned());
    }

    /// The operation succeeded: nothing is removed.
    pub(super) fn finish<T>(mut self, data: T) -> Told<T> {
        self.made.clear();
        Told::new(data, std::mem::take(&mut self.warnings))
    }

    /// Removes the created objects, the latest first.
    pub(super) async fn undo(mut self, error: VaultError, stage: Stage) -> PartialFailure {
        let made = self.made.len() + self.left.len();
        // One by one: if this is cancelled, too, the remaining ones are still removed.
        while let Some(path) = self.made.last() {
            if self.client.delete(path).await.is_err() {
                self.left.push(path.plain().to_owned());
            }
            self.made.pop();
        }
        PartialFailure {
            made,
            left: std::mem::take(&mut self.left),
            signed: self.signed.take(),
            ..PartialFailure::before_anything(error, stage)
        }
    }
}

impl Drop for Rollback {
    fn drop(&mut self) {
        let (client, made) = (self.client.clone(), std::mem::take(&mut self.made));
        // Without a runtime the process is ending, and no request can be sent.
        if !made.is_empty()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                for path in made.iter().rev() {
                    // There is no client left to report an error to.
                    let _ = client.delete(path).await;
                }
            });
        }
    }
}
