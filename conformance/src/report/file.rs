//! Writes files atomically.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

/// Removes the file of an earlier run: a reader must not take it for that of the present one.
pub(crate) fn remove_old(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io::Error::new(
            error.kind(),
            format!("cannot remove the old {}: {error}", path.display()),
        )),
        _ => Ok(()),
    }
}

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
