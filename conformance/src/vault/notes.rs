//! Notes the Vaults, processes and folders that a run makes in a cache file, which the run keeps locked while it lives.
//! With these notes, a later run finds what a killed run left.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rand::distr::{Alphanumeric, SampleString};

use super::prefix::RunPrefix;
use crate::cache::Cache;

const FOLDER: &str = "runs";
pub(super) const CONTAINER: &str = "container ";
pub(super) const PROCESS: &str = "process ";
pub(super) const HOME: &str = "home ";
pub(super) const TARGET: &str = "target ";
pub(super) const EXTERNAL: &str = "external ";
pub(super) const REMOVED: &str = "removed ";
/// The variable that marks a target's process with its run, so that it is never mistaken for another process.
pub(crate) const RUN_VARIABLE: &str = "CONFORMANCE_RUN";
/// The prefix of the suite's temporary directories.
pub(crate) const HOME_PREFIX: &str = "vault-mcp-conformance-";

/// The id of this run, with which it marks what it makes.
pub fn run_id() -> &'static str {
    static RUN_ID: OnceLock<String> = OnceLock::new();
    RUN_ID.get_or_init(|| {
        let random = Alphanumeric.sample_string(&mut rand::rng(), 8);
        format!("{}-{random}", std::process::id())
    })
}

/// Notes a container before it is created.
pub(crate) fn note_container(name: &str) {
    note(CONTAINER, name);
}

/// Notes a process before it serves at this address, and its home.
pub(super) fn note_process(address: &str, home: &Path) {
    note(PROCESS, address);
    note_home(home);
}

/// Notes a temporary directory whose name begins with [`HOME_PREFIX`].
pub(crate) fn note_home(home: &Path) {
    note(HOME, &home.display().to_string());
}

/// Notes a target's process, which leads a group.
pub(crate) fn note_target(pid: i32) {
    note(TARGET, &format!("{pid} {}", run_id()));
}

/// Notes what the run makes in an external Vault, before it does so, and then the accessor of the run's token there.
pub(super) fn note_external(address: &str, prefix: &RunPrefix, accessor: Option<&str>) {
    let accessor = accessor.unwrap_or_default();
    note(EXTERNAL, &format!("{address} {prefix} {accessor}"));
}

/// Notes that everything there has been removed.
pub(super) fn note_removed(prefix: &RunPrefix) {
    note(REMOVED, prefix.as_str());
}

fn note(kind: &str, name: &str) {
    static FILE: OnceLock<Option<File>> = OnceLock::new();
    // Without a writable cache, a run still cleans up, except after kill -9.
    if let Some(mut file) = FILE
        .get_or_init(|| open_own(&Cache::locate().ok()?).ok())
        .as_ref()
    {
        // A single write, because slots write concurrently and a line must be complete.
        drop(file.write_all(format!("{kind}{name}\n").as_bytes()));
    }
}

fn open_own(cache: &Cache) -> io::Result<File> {
    let folder = folder(cache);
    std::fs::create_dir_all(&folder)?;
    let file = File::create(folder.join(run_id()))?;
    file.try_lock()?;
    Ok(file)
}

pub(super) fn folder(cache: &Cache) -> PathBuf {
    cache.root().join(FOLDER)
}
