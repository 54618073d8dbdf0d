//! Removes what a killed run could not clean up. A run notes the Vaults that it starts in a cache file that it keeps
//! locked while it lives. If the file can be locked, the run is dead, and the next run removes what the file names.
//! What the dead run made in an external Vault is removed by the next run on that Vault, with the token given to it.
//! Tokens are never noted.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::{
    api::{ApiError, RootApi},
    container,
    prefix::RunPrefix,
};
use crate::{
    cache::Cache,
    progress::Progress,
    vault::notes::{
        CONTAINER, EXTERNAL, HOME, HOME_PREFIX, PROCESS, REMOVED, RUN_VARIABLE, TARGET, folder,
    },
};

const CLEAN_UP: Duration = Duration::from_secs(30);
const PROCESS_TIMEOUT: Duration = Duration::from_secs(2);

/// Removes what dead runs left, once per process. What cannot be removed is left to the next run.
pub(super) async fn sweep(progress: &Progress) {
    static SWEPT: OnceCell<()> = OnceCell::const_new();
    SWEPT
        .get_or_init(|| async {
            if let Ok(cache) = Cache::locate() {
                _ = sweep_in(&cache, progress).await;
            }
        })
        .await;
}

/// Removes what dead runs left on this machine. Returns how much was removed, and what is still there.
pub async fn clean(cache: &Cache, progress: &Progress) -> (usize, Vec<String>) {
    let removed = sweep_in(cache, progress).await;
    (removed, left(cache).await)
}

async fn sweep_in(cache: &Cache, progress: &Progress) -> usize {
    let mut count = 0;
    for mut dead in dead_runs(cache) {
        let mut kept = Vec::new();
        for line in dead.lines() {
            let removed = if let Some(name) = line.strip_prefix(CONTAINER) {
                container::remove_by_name(name).await.map_err(drop)
            } else if let Some(address) = line.strip_prefix(PROCESS) {
                Ok(end_process(address).await)
            } else if let Some(path) = line.strip_prefix(HOME) {
                remove_home(Path::new(path))
            } else if let Some(target) = line.strip_prefix(TARGET) {
                Ok(end_target(target).await)
            } else if line.starts_with(EXTERNAL) {
                // This needs a token: see `sweep_external`.
                Err(())
            } else {
                Ok(false) // cut off when the run was killed
            };
            match removed {
                Ok(true) => {
                    count += 1;
                    tell_removed(progress, &line);
                }
                Ok(false) => {}
                Err(()) => kept.push(line),
            }
        }
        dead.keep(&kept);
    }
    count
}

/// Removes what dead runs left in this Vault.
pub(super) async fn sweep_external(admin: &RootApi, address: &str, progress: &Progress) {
    let Ok(cache) = Cache::locate() else { return };
    for mut dead in dead_runs(&cache) {
        let mut kept = Vec::new();
        for line in dead.lines() {
            let noted = line.strip_prefix(EXTERNAL).and_then(noted_external);
            let removed = match noted {
                Some((at, prefix, accessor)) if at == address => {
                    remove(admin, &prefix, accessor).await
                }
                _ => {
                    kept.push(line);
                    continue;
                }
            };
            match removed {
                Ok(true) => tell_removed(progress, &line),
                Ok(false) => {}
                Err(error) => {
                    progress.say(format_args!(
                        "cannot remove what a killed run left: {line}: {error}"
                    ));
                    kept.push(line);
                }
            }
        }
        dead.keep(&kept);
    }
}

fn noted_external(note: &str) -> Option<(&str, RunPrefix, Option<&str>)> {
    let mut words = note.split_whitespace();
    let (address, prefix) = (words.next()?, RunPrefix::parse(words.next()?)?);
    Some((address, prefix, words.next()))
}

fn tell_removed(progress: &Progress, line: &str) {
    progress.say(format_args!("removed what a killed run left: {line}"));
}

/// What dead runs left and still exists, as far as a look shows.
pub(crate) async fn left(cache: &Cache) -> Vec<String> {
    let mut left = Vec::new();
    for dead in dead_runs(cache) {
        for line in dead.lines() {
            let is_there = if let Some(name) = line.strip_prefix(CONTAINER) {
                container::exists(name).await
            } else if let Some(path) = line.strip_prefix(HOME) {
                Path::new(path).exists()
            } else if let Some(target) = line.strip_prefix(TARGET) {
                target_runs(target).await.is_some()
            } else {
                // The home of a process is removed with the process.
                line.starts_with(EXTERNAL)
            };
            if is_there {
                left.push(line);
            }
        }
    }
    left
}

/// The notes of a dead run. They are locked, so that only one run cleans up.
struct Dead {
    path: PathBuf,
    file: File,
    notes: String,
}

fn dead_runs(cache: &Cache) -> impl Iterator<Item = Dead> {
    // If there is no folder, there was no run yet.
    let entries = std::fs::read_dir(folder(cache)).into_iter().flatten();
    entries.flatten().filter_map(|entry| {
        let path = entry.path();
        let mut file = OpenOptions::new().read(true).write(true).open(&path).ok()?;
        file.try_lock().ok()?;
        let mut notes = String::new();
        file.read_to_string(&mut notes).ok()?;
        Some(Dead { path, file, notes })
    })
}

impl Dead {
    /// The noted lines, without what the run itself removed.
    fn lines(&self) -> Vec<String> {
        let lines = || self.notes.lines();
        let removed: Vec<_> = lines()
            .filter_map(|line| line.strip_prefix(REMOVED))
            .collect();
        let is_gone = |line: &str| {
            let noted = line.strip_prefix(EXTERNAL).and_then(noted_external);
            noted.is_some_and(|(_, prefix, _)| removed.contains(&prefix.as_str()))
        };
        lines()
            .filter(|line| !line.starts_with(REMOVED) && !is_gone(line))
            .map(str::to_owned)
            .collect()
    }

    /// Keeps these lines for the next run, or removes the file if there are none.
    fn keep(&mut self, lines: &[String]) {
        if lines.is_empty() {
            // If the file stays, the next run reads it again.
            drop(std::fs::remove_file(&self.path));
            return;
        }
        let text = lines.join("\n") + "\n";
        // If the file stays unchanged, the next run checks again.
        if self.file.set_len(0).is_ok() && self.file.rewind().is_ok() {
            drop(self.file.write_all(text.as_bytes()));
        }
    }
}

/// Ends a dev Vault whose stdout is not read any more. The first request that it writes to its audit log ends it. This
/// is safer than its process id, which may belong to another process by now; any other server at this address only
/// answers.
async fn end_process(address: &str) -> bool {
    let Ok(api) = RootApi::new(address, SecretString::from("")) else {
        return false;
    };
    let answer = timeout(PROCESS_TIMEOUT, api.get("cubbyhole/left-behind")).await;
    let Ok(Err(ApiError::NoAnswer { source, .. })) = answer else {
        return false;
    };
    !source.is_connect()
}

/// The process of a dead run's target, if it still runs: the process with that id that the run started.
async fn target_runs(noted: &str) -> Option<Pid> {
    let (pid, run) = noted.split_once(' ')?;
    let shown = Command::new("ps")
        .args(["eww", "-o", "command=", "-p", pid])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let shown = timeout(PROCESS_TIMEOUT, shown).await.ok()?.ok()?;
    let mark = format!("{RUN_VARIABLE}={run}");
    let is_one = String::from_utf8_lossy(&shown.stdout)
        .split_whitespace()
        .any(|word| word == mark);
    Pid::from_raw(pid.parse().ok()?).filter(|_| is_one)
}

async fn end_target(noted: &str) -> bool {
    let Some(group) = target_runs(noted).await else {
        return false;
    };
    kill_process_group(group, Signal::KILL).is_ok()
}

fn remove_home(path: &Path) -> Result<bool, ()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if !name.starts_with(HOME_PREFIX) || !path.exists() {
        return Ok(false);
    }
    std::fs::remove_dir_all(path).map(|()| true).map_err(drop)
}
/// Removes everything with a run's prefix; returns whether there was anything.
///
/// The run's token comes first, with all tokens made from it, so that nothing can be added afterwards.
pub(super) async fn remove(
    admin: &RootApi,
    prefix: &RunPrefix,
    accessor: Option<&str>,
) -> Result<bool, ApiError> {
    let work = async {
        if let Some(accessor) = accessor {
            // For an unknown accessor, Vault returns a warning.
            let body = json!({ "accessor": accessor });
            admin.put("auth/token/revoke-accessor", &body).await?;
        }
        let table: Value = admin.ask(Method::GET, "sys/mounts", None).await?;
        let mounts = table["data"].as_object().into_iter().flatten();
        let mounts: Vec<_> = mounts.map(|(path, _)| path.trim_end_matches('/')).collect();
        let list = Method::from_bytes(b"LIST").unwrap_or(Method::GET);
        let listed: Value = admin.ask(list, "sys/policies/acl", None).await?;
        let policies = listed["data"]["keys"].as_array().into_iter().flatten();
        let policies: Vec<_> = policies.filter_map(Value::as_str).collect();
        let mounts = mounts.iter().map(|name| ("sys/mounts", *name));
        let policies = policies.iter().map(|name| ("sys/policies/acl", *name));
        let mut any = false;
        for (place, name) in mounts.chain(policies).filter(|(_, name)| prefix.owns(name)) {
            admin.delete(&format!("{place}/{name}")).await?;
            any = true;
        }
        Ok(any)
    };
    match tokio::time::timeout(CLEAN_UP, work).await {
        Ok(done) => done,
        Err(_) => Err(ApiError::Slow {
            seconds: CLEAN_UP.as_secs(),
        }),
    }
}
