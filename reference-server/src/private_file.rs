//! Files that only their owner should be able to read: the token, the log.

use std::fs::Metadata;

/// Whether other users can read or write the file. Known only on Unix.
#[cfg(unix)]
pub fn is_exposed(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;

    metadata.permissions().mode() & 0o077 != 0
}

/// Whether other users can read or write the file. Known only on Unix.
#[cfg(not(unix))]
pub fn is_exposed(_metadata: &Metadata) -> bool {
    false
}
