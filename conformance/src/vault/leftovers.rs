//! What a run that was killed could not clean up. Each run notes the Vaults that it starts in a
//! file of the cache, which it holds locked as long as it lives: a file that can be locked is a
//! dead run's, and the next run removes what it names.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use rand::distr::{Alphanumeric, SampleString};
use secrecy::SecretString;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::container;
use super::provider::{ApiError, RootApi};
use crate::cache::Cache;
use crate::progress::Progress;

const FOLDER: &str = "runs";
const CONTAINER: &str = "container ";
const PROCESS: &str = "process ";
const HOME: &str = "home ";
/// Begins the name of a temporary directory of the suite.
pub(crate) const HOME_PREFIX: &str = "vault-mcp-conformance-";
const PROCESS_TIMEOUT: Duration = Duration::from_secs(2);

/// Names this run on what it makes, so that it can be told from what other runs made.
pub fn run_id() -> &'static str {
    static RUN_ID: OnceLock<String> = OnceLock::new();
    RUN_ID.get_or_init(|| {
        let random = Alphanumeric.sample_string(&mut rand::rng(), 8);
        format!("{}-{random}", std::process::id())
    })
}

/// Notes a container that is about to be made.
pub(crate) fn note_container(name: &str) {
    note(CONTAINER, name);
}

/// Notes a process that is about to serve at this address, and its home.
pub(super) fn note_process(address: &str, home: &Path) {
    note(PROCESS, address);
    note_home(home);
}

/// Notes a temporary directory whose name begins with [`HOME_PREFIX`].
pub(crate) fn note_home(home: &Path) {
    note(HOME, &home.display().to_string());
}

fn note(kind: &str, name: &str) {
    static FILE: OnceLock<Option<File>> = OnceLock::new();
    // Without a cache to write to, a run cleans up all the same; only not after kill -9.
    if let Some(mut file) = FILE
        .get_or_init(|| open_own(&Cache::locate().ok()?).ok())
        .as_ref()
    {
        drop(writeln!(file, "{kind}{name}"));
    }
}

fn open_own(cache: &Cache) -> io::Result<File> {
    let folder = folder(cache);
    std::fs::create_dir_all(&folder)?;
    let file = File::create(folder.join(run_id()))?;
    file.try_lock()?;
    Ok(file)
}

fn folder(cache: &Cache) -> PathBuf {
    cache.root().join(FOLDER)
}

/// Removes, once a process, what dead runs left. What cannot be removed is left to the next run.
pub(super) async fn sweep(progress: &Progress) {
    static SWEPT: OnceCell<()> = OnceCell::const_new();
    SWEPT
        .get_or_init(|| async {
            if let Ok(cache) = Cache::locate() {
                sweep_in(&cache, progress).await;
            }
        })
        .await;
}

async fn sweep_in(cache: &Cache, progress: &Progress) {
    let Ok(entries) = std::fs::read_dir(folder(cache)) else {
        return; // no run yet
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let Some(notes) = read_dead(&path) else {
            continue;
        };
        let mut all_gone = true;
        for line in notes.lines() {
            let removed = if let Some(name) = line.strip_prefix(CONTAINER) {
                container::remove_by_name(name).await.map_err(drop)
            } else if let Some(address) = line.strip_prefix(PROCESS) {
                Ok(end_process(address).await)
            } else if let Some(path) = line.strip_prefix(HOME) {
                remove_home(Path::new(path))
            } else {
                Ok(false)
            };
            match removed {
                Ok(true) => progress.say(format_args!("removed what a killed run left: {line}")),
                Ok(false) => {}
                Err(()) => all_gone = false,
            }
        }
        if all_gone {
            // Left behind, it is read once more by the next run.
            drop(std::fs::remove_file(&path));
        }
    }
}

/// The notes of a run that is dead.
fn read_dead(path: &Path) -> Option<String> {
    let mut file = OpenOptions::new().read(true).write(true).open(path).ok()?;
    file.try_lock().ok()?;
    let mut notes = String::new();
    file.read_to_string(&mut notes).ok()?;
    Some(notes)
}

/// Ends a dev Vault whose stdout nobody reads any more: it dies of the first request that it writes
/// to its audit log. Safer than its process id, which may be somebody else's by now; any other
/// server at this address merely answers.
async fn end_process(address: &str) -> bool {
    let Ok(api) = RootApi::new(address.to_owned(), SecretString::from("")) else {
        return false;
    };
    let answer = timeout(PROCESS_TIMEOUT, api.get("cubbyhole/left-behind")).await;
    let Ok(Err(ApiError::NoAnswer { source, .. })) = answer else {
        return false;
    };
    !source.is_connect()
}

fn remove_home(path: &Path) -> Result<bool, ()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if !name.starts_with(HOME_PREFIX) || !path.exists() {
        return Ok(false);
    }
    std::fs::remove_dir_all(path).map(|()| true).map_err(drop)
}
