//! Reads a token file: one token, optionally surrounded by white space.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use secrecy::SecretString;
use thiserror::Error;

use super::Token;
use crate::private_file;

/// Maximum size of a token file, in bytes; far more than any token of Vault.
const MAX_BYTES: u64 = 64 * 1024;

/// Why a token file is unusable.
#[derive(Debug, Error)]
pub enum TokenFileError {
    /// The file does not exist, or is not readable.
    #[error("VAULT_TOKEN_FILE: {} cannot be read: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A folder, or a pipe, which cannot be read twice.
    #[error("VAULT_TOKEN_FILE: {} is not a file", .0.display())]
    NotAFile(PathBuf),
    /// The file is empty.
    #[error("VAULT_TOKEN_FILE: {} is empty", .0.display())]
    Empty(PathBuf),
    /// The file contains something else, or more than one token.
    #[error("VAULT_TOKEN_FILE: {} does not contain exactly one token", .0.display())]
    NotAToken(PathBuf),
}

/// The content of a token file.
pub(super) struct Found {
    pub(super) token: Token,
    exposed: bool,
}

impl Found {
    /// Warns the operator if other users can read the file.
    pub(super) fn warn_if_exposed(&self, path: &Path) {
        if self.exposed {
            tracing::warn!(
                "the token file {path} can be read by others than its owner: chmod 600 {path}",
                path = path.display()
            );
        }
    }
}

/// Reads the file; it may block.
pub(super) fn read(path: &Path) -> Result<Found, TokenFileError> {
    let unreadable = |source| TokenFileError::Unreadable {
        path: path.to_owned(),
        source,
    };
    // Before opening: opening a pipe blocks until another process writes to it.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(TokenFileError::NotAFile(path.to_owned()));
    }
    let file = File::open(path).map_err(unreadable)?;
    let exposed = private_file::is_exposed(&file.metadata().map_err(unreadable)?);
    let mut text = Vec::new();
    file.take(MAX_BYTES)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    let token = match text.trim_ascii() {
        [] => return Err(TokenFileError::Empty(path.to_owned())),
        text => str::from_utf8(text)
            .ok()
            .and_then(|text| Token::new(SecretString::from(text)).ok())
            .ok_or_else(|| TokenFileError::NotAToken(path.to_owned()))?,
    };
    Ok(Found { token, exposed })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn complaint(text: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, text).unwrap();
        read(&path).map(drop).unwrap_err().to_string()
    }

    #[test]
    fn a_file_without_a_token_is_refused_by_name_and_not_quoted() {
        for (text, expected) in [
            (&b""[..], "is empty"),
            (b" \n\t\n", "is empty"),
            (b"hvs.canary hvs.canary", "one token"),
            (b"VAULT_TOKEN=hvs.canary\nother", "one token"),
            (b"\xff\xfe\x00", "one token"),
        ] {
            let message = complaint(text);
            assert!(message.contains(expected), "{message}");
            assert!(message.starts_with("VAULT_TOKEN_FILE: "), "{message}");
            assert!(!message.contains("canary"), "{message}");
        }
    }

    #[test]
    fn what_is_no_file_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = |path: &Path| read(path).map(drop).unwrap_err().to_string();
        assert!(error(folder.path()).contains("is not a file"));
        let missing = folder.path().join("missing");
        let message = error(&missing);
        assert!(
            message.contains("missing cannot be read: No such file"),
            "{message}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_noticed() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "hvs.canary").unwrap();
        for (mode, exposed) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).unwrap().exposed, exposed, "{mode:o}");
        }
    }
}
