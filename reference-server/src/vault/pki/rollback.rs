//! Work that takes several requests: when one of them fails, what the others have made is removed again.

use serde::de::DeserializeOwned;

use super::{Told, told};
use crate::vault::{
    client::{Answer, VaultClient},
    error::VaultError,
    path::ApiPath,
};

/// Where making an issuer failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// In the mount of the new issuer.
    Mount,
    /// In the mount that was to sign.
    RootMount,
}

/// Why no issuer was made, and what became of what was made on the way.
#[derive(Debug)]
pub struct PartialFailure {
    /// Why.
    pub error: VaultError,
    /// Where.
    pub stage: Stage,
    /// How many things had been made.
    pub made: usize,
    /// Those of them that were not removed again, by their paths.
    pub left: Vec<String>,
    /// The serial number of a certificate that was signed, which no request unmakes.
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

/// What was made so far. Dropped before its end, as when the call is cancelled or out of time, it is
/// removed in the background.
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

    /// The data of an answer; its warnings are added to those of the others.
    pub(super) fn data<T: DeserializeOwned>(&mut self, answer: &Answer) -> Result<T, VaultError> {
        let Told { data, warnings } = told(answer)?;
        self.warnings.extend(warnings);
        Ok(data)
    }

    /// Remembers what a request has made.
    pub(super) fn made(&mut self, path: ApiPath) {
        self.made.push(path);
    }

    /// Remembers what was made and cannot be removed without harm to others.
    pub(super) fn left(&mut self, path: &ApiPath) {
        self.left.push(path.plain().to_owned());
    }

    /// All came about: nothing is to be removed.
    pub(super) fn finish<T>(mut self, data: T) -> Told<T> {
        self.made.clear();
        Told::new(data, std::mem::take(&mut self.warnings))
    }

    /// Removes what was made, the latest first.
    pub(super) async fn undo(mut self, error: VaultError, stage: Stage) -> PartialFailure {
        let made = self.made.len() + self.left.len();
        // One by one, so that what is left is still removed if this is cancelled too.
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
        // Without a runtime the process is ending, and no request goes out any more.
        if !made.is_empty()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                for path in made.iter().rev() {
                    // Nobody is there any more who could be told.
                    let _ = client.delete(path).await;
                }
            });
        }
    }
}
