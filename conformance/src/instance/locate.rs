//! Finds the program of a target on this machine, or builds it.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::io::AsyncReadExt as _;

use super::process::Process;
use crate::{
    adapter::template,
    cache::{Cache, create},
    progress::Progress,
    target::Target,
};

/// How many bytes of the output of a build are kept.
const MAX_SAID: u64 = 16 << 20;

/// Why the program of a target is not available.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    /// The program was not found.
    #[error(
        "the program {program:?} of target {target:?} was not found in {looked_in}; {}",
        how_to_build(build.as_deref())
    )]
    NotFound {
        /// The target's name.
        target: String,
        /// The program's name.
        program: String,
        /// The places that were searched.
        looked_in: String,
        /// The command that builds it.
        build: Option<String>,
    },
    /// Its build command failed.
    #[error("building target {target:?} failed ({how}); the command was: {command}")]
    BuildFailed {
        /// The target's name.
        target: String,
        /// The command.
        command: String,
        /// How it ended.
        how: String,
    },
}

fn how_to_build(build: Option<&str>) -> String {
    build.map_or_else(
        || "install it, or name its path in the adapter's command".to_owned(),
        |command| format!("use --build to build it with: {command}"),
    )
}

/// When the suite runs a target's build command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Build {
    /// Never.
    Never,
    /// In a checkout of the suite, if the adapter says so. The reference server is always rebuilt, so that the tests
    /// run on the current sources.
    #[default]
    Automatically,
    /// Always. A program built this way takes precedence over one on PATH.
    Always,
}

/// Runs the target's build command, if it is needed.
///
/// # Errors
/// If the build fails.
pub async fn build(target: &Target, when: Build, progress: &Progress) -> Result<(), LocateError> {
    let checkout = checkout();
    let wanted = match when {
        Build::Never => false,
        Build::Automatically => target.adapter.build_automatically && checkout.is_some(),
        Build::Always => true,
    };
    match &target.adapter.build {
        Some(line) if wanted && target.program.is_none() => {
            let bin = bin_folder();
            let line = template::fill(line, |name| match name {
                "bin" => bin.as_deref()?.to_str(),
                _ => None,
            });
            run_build(target, &line, checkout.as_deref(), bin.as_deref(), progress).await
        }
        _ => Ok(()),
    }
}

fn bin_folder() -> Option<PathBuf> {
    Some(Cache::locate().ok()?.bin_dir())
}

/// The program to start for `command`.
///
/// A name without a path is searched in the folder of a build, if there was one, beside the suite's own program, on
/// PATH, and in the suite's folder of programs.
///
/// # Errors
/// If the program is not found.
pub fn locate(target: &Target, command: &str, built: Build) -> Result<PathBuf, LocateError> {
    if let Some(program) = &target.program {
        return Ok(program.clone());
    }
    let mut places = Vec::new();
    if target.adapter.build_automatically {
        places.extend(checkout().as_deref().map(release_folder));
    }
    if built == Build::Always {
        places.extend(bin_folder());
    }
    let named = Path::new(command);
    if named.components().count() > 1 {
        // A relative path is relative to the adapter file, wherever the suite is started.
        let folder = target.file.as_deref().and_then(Path::parent);
        let path = folder.map_or_else(|| named.to_owned(), |folder| folder.join(named));
        let path = std::path::absolute(&path).unwrap_or(path);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(not_found(target, command, &[path]))
        };
    }
    places.extend(
        std::env::current_exe()
            .ok()
            .and_then(|exe| Some(exe.parent()?.to_owned())),
    );
    let path = std::env::var_os("PATH").unwrap_or_default();
    places.extend(std::env::split_paths(&path));
    places.extend(bin_folder());
    let file_name = format!("{command}{}", std::env::consts::EXE_SUFFIX);
    places
        .iter()
        .map(|place| place.join(&file_name))
        .find(|program| program.is_file())
        .ok_or_else(|| not_found(target, command, &places))
}

fn not_found(target: &Target, program: &str, places: &[PathBuf]) -> LocateError {
    let places: Vec<_> = places.iter().map(|p| p.display().to_string()).collect();
    LocateError::NotFound {
        target: target.adapter.name.clone(),
        program: program.to_owned(),
        looked_in: places.join(", "),
        build: target.adapter.build.clone(),
    }
}

/// The checkout of the suite that contains the working folder.
pub(crate) fn checkout() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors()
        .find(|folder| folder.join("reference-server/Cargo.toml").is_file())
        .map(Path::to_owned)
}

fn release_folder(checkout: &Path) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR");
    target
        .map_or_else(|| checkout.join("target"), |dir| checkout.join(dir))
        .join("release")
}

async fn run_build(
    target: &Target,
    line: &str,
    checkout: Option<&Path>,
    bin: Option<&Path>,
    progress: &Progress,
) -> Result<(), LocateError> {
    let step = progress.step(format!("building {}", target.adapter.title));
    let failed = |how: String| LocateError::BuildFailed {
        target: target.adapter.name.clone(),
        command: line.to_owned(),
        how,
    };
    if let Some(bin) = bin.filter(|bin| line.contains(&*bin.to_string_lossy())) {
        create(bin).map_err(|error| failed(error.to_string()))?;
    }
    let mut shell = tokio::process::Command::new("sh");
    shell
        .arg("-c")
        .arg(line)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    // These variables from an outer cargo would make an inner cargo rebuild everything.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_"]
            .iter()
            .any(|own| text.starts_with(own))
        {
            shell.env_remove(&name);
        }
    }
    if let Some(folder) = target.file.as_deref().and_then(Path::parent).or(checkout) {
        shell.current_dir(folder);
    }
    let (status, said) = async {
        let mut process = Process::spawn(&mut shell)?;
        let mut said = Vec::new();
        if let Some(mut stderr) = process.group.child.stderr.take() {
            (&mut stderr).take(MAX_SAID).read_to_end(&mut said).await?;
            tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await?;
        }
        Ok((process.group.wait().await?, said))
    }
    .await
    .map_err(|error: std::io::Error| failed(error.to_string()))?;
    if status.success() {
        step.done("up to date");
        return Ok(());
    }
    let said = String::from_utf8_lossy(&said);
    let last: Vec<_> = said.lines().rev().take(20).collect();
    let last: Vec<_> = last.into_iter().rev().collect();
    Err(failed(format!("{status}:\n{}", last.join("\n"))))
}
