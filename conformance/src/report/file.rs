//! Writes files atomically.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

/// Replaces the file at `path` as a whole, so that no reader ever sees half of it.
pub(crate) fn write_atomically(path: &Path, text: &str) -> io::Result<()> {
    let temporary = path.with_added_extension("tmp");
    let written = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::File::create(&temporary))
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, path));
    written.map_err(|error| {
        // The file exists only if the disk is full or `path` is a folder.
        let _ = fs::remove_file(&temporary);
        io::Error::new(
            error.kind(),
            format!("cannot write {}: {error}", path.display()),
        )
    })
}
