//! A file with a target's Vault token. Only the suite's user can read it, unless the scenario needs other permissions.

use std::{
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;

use crate::vault::notes::{HOME_PREFIX, note_home};

/// The state of a token file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenFileState {
    /// It contains the token, and only its owner can read it.
    #[default]
    Private,
    /// It contains the token, and its mode lets everybody read it.
    Exposed,
    /// It is empty.
    Empty,
    /// It does not exist.
    Missing,
}

/// The file. It is removed on drop, or by the next run if this one is killed.
#[derive(Debug)]
pub(super) struct TokenFile {
    shown: String,
    path: PathBuf,
    _folder: TempDir,
}

impl TokenFile {
    /// Writes the token, if the state requires it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) async fn write(token: SecretString, state: TokenFileState) -> Result<Self, String> {
        blocking(move || {
            let folder = tempfile::Builder::new().prefix(HOME_PREFIX).tempdir()?;
            note_home(folder.path());
            let path = folder.path().join("token");
            match state {
                TokenFileState::Private | TokenFileState::Exposed => put(&path, &token)?,
                TokenFileState::Empty => put(&path, &SecretString::default())?,
                TokenFileState::Missing => {}
            }
            if state == TokenFileState::Exposed {
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644))?;
            }
            Ok(Self {
                shown: path.display().to_string(),
                path,
                _folder: folder,
            })
        })
        .await
    }

    /// Replaces the token atomically, as Vault Agent does, so that no reader sees half of it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) async fn change(&self, token: SecretString) -> Result<(), String> {
        let path = self.path.clone();
        blocking(move || {
            let next = path.with_extension("next");
            put(&next, &token)?;
            std::fs::rename(&next, &path)
        })
        .await
    }

    /// The path of the file.
    pub(super) fn path(&self) -> &str {
        &self.shown
    }
}

/// Creates a file that only its owner can read.
fn put(path: &Path, token: &SecretString) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;

    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(token.expose_secret().as_bytes())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other)
        .and_then(|done| done)
        .map_err(|error| format!("its token file cannot be written: {error}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{TokenFile, TokenFileState};

    #[tokio::test]
    async fn a_token_file_is_as_it_is_to_be_and_its_owners_alone_unless_asked_for() {
        for (state, text, mode) in [
            (TokenFileState::Private, "hvs.a", 0o600),
            (TokenFileState::Exposed, "hvs.a", 0o644),
            (TokenFileState::Empty, "", 0o600),
        ] {
            let file = TokenFile::write("hvs.a".into(), state).await.unwrap();
            assert_eq!(std::fs::read_to_string(&file.path).unwrap(), text);
            let found = file.path.metadata().unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode, "{state:?}");
        }
        let file = TokenFile::write("hvs.a".into(), TokenFileState::Missing).await;
        assert!(!file.unwrap().path.exists());
    }

    #[tokio::test]
    async fn another_token_comes_into_the_place_of_the_first() {
        let file = TokenFile::write("hvs.a".into(), TokenFileState::Private)
            .await
            .unwrap();
        file.change("hvs.b".into()).await.unwrap();
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "hvs.b");
        let mode = file.path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
