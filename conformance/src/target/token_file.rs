//! A file with a target's Vault token, which only the suite's user can read.

use std::io::Write as _;

use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;

use crate::vault::leftovers::{HOME_PREFIX, note_home};

/// The file; removed when it is dropped, or by the next run if this one is killed.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: String,
    _folder: TempDir,
}

impl TokenFile {
    /// Writes the token.
    ///
    /// # Errors
    /// When there is no room for it.
    pub(super) async fn write(token: SecretString) -> Result<Self, String> {
        let written = tokio::task::spawn_blocking(move || -> std::io::Result<Self> {
            let folder = tempfile::Builder::new().prefix(HOME_PREFIX).tempdir()?;
            note_home(folder.path());
            // Readable by its owner alone.
            let mut file = tempfile::Builder::new()
                .prefix("token")
                .disable_cleanup(true)
                .tempfile_in(folder.path())?;
            file.write_all(token.expose_secret().as_bytes())?;
            Ok(Self {
                path: file.path().display().to_string(),
                _folder: folder,
            })
        });
        let written = written.await.map_err(std::io::Error::other);
        written
            .and_then(|file| file)
            .map_err(|error| format!("its token file cannot be written: {error}"))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}
