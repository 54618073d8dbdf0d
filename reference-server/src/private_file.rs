//! Files that are their owner's business alone: the token, the log.

use std::fs::Metadata;

/// Whether others than the owner may read or write the file. Only Unix tells.
#[cfg(unix)]
pub fn is_exposed(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;

    metadata.permissions().mode() & 0o077 != 0
}

/// Whether others than the owner may read or write the file. Only Unix tells.
#[cfg(not(unix))]
pub fn is_exposed(_metadata: &Metadata) -> bool {
    false
}
