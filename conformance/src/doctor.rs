//! Reports what this machine has, what is missing, and the shortest way to get it. The check takes seconds: it builds,
//! pulls and starts nothing.

use std::{
    env,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use tokio::{process::Command, time::timeout};

use crate::{
    browser::{self, Browser},
    cache::Cache,
    instance::locate::{self, Build},
    ports::free_port_pair,
    target::Target,
    vault::{
        binary, build,
        container::{self, DEFAULT_IMAGE, PACKED_IMAGE},
        leftovers,
        provider::{self, IMAGE_VARIABLE, VaultOptions},
    },
};

/// The target of a run with default options.
const DEFAULT_TARGET: &str = "reference";
/// The time limit of each check.
const LOOK: Duration = Duration::from_millis(2000);
/// With less free space than this, in GiB, a build of Vault is likely to fail.
const TIGHT: u64 = 4;
/// Variables with such names that the suite does use.
const USED: [&str; 4] = [
    IMAGE_VARIABLE,
    "VAULT_MCP_CONFORMANCE_CACHE",
    "VAULT_CONFORMANCE_TOKEN",
    browser::VARIABLE,
];

/// The results of all checks on this machine.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnosis {
    /// Whether a run with default options can work, if need be after a build.
    pub can_run: bool,
    /// How `--vault auto` would get Vault.
    pub auto: Option<String>,
    /// All checks.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// The result.
    pub state: State,
    /// What was found.
    pub detail: String,
    /// The shortest way to improve it.
    pub fix: Option<String>,
}

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It exists and is usable.
    Ok,
    /// For information; no action is needed.
    Note,
    /// It does not exist, and may not be needed.
    Missing,
    /// It prevents a run.
    Bad,
}

impl Check {
    fn new(name: &str, state: State, detail: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            state,
            detail: detail.into(),
            fix: None,
        }
    }

    fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    fn is_ok(&self) -> bool {
        self.state == State::Ok
    }
}

/// Checks this machine.
pub async fn examine() -> Diagnosis {
    let cache = Cache::locate();
    let (engine, vault, bao, go, cargo, browser, leftovers) = tokio::join!(
        container_engine(),
        program("vault on PATH", "vault", "version"),
        program("bao on PATH", "bao", "version"),
        go_toolchain(),
        program("cargo", "cargo", "--version"),
        browser(),
        leftovers(cache.as_ref().ok()),
    );
    let vault = vault.fix("install Vault: https://developer.hashicorp.com/vault/install");
    let bao = bao.fix("only for tests with OpenBao: https://openbao.org/docs/install");
    let cargo = cargo.fix("install Rust: https://rustup.rs");
    let Engine {
        check: engine,
        image,
        usable,
    } = engine;
    let built = built_vault(cache.as_ref().ok());
    let folder = cache_folder(&cache);
    let ports = ports();

    let auto = if let Some(image) = usable {
        Some(format!("container of {image}"))
    } else if provider::asked_image(&VaultOptions::default()).is_some() {
        None // no other will do
    } else if vault.is_ok() {
        Some("binary on PATH".to_owned())
    } else if built.is_ok() {
        Some("built before, in the cache".to_owned())
    } else if go.is_ok() && folder.is_ok() {
        Some("build with Go, once".to_owned())
    } else {
        None
    };
    let auto_check = match &auto {
        Some(auto) => Check::new("--vault auto", State::Ok, format!("would use: {auto}")),
        None => Check::new("--vault auto", State::Bad, "no provider is usable")
            .fix("start docker and pull the image, or install Vault or Go"),
    };
    let targets: Vec<_> = (Target::built_in_names().iter())
        .map(|name| target(name, &engine))
        .collect();
    let mut checks = vec![
        engine,
        image,
        vault,
        bao,
        built,
        go,
        cargo,
        browser,
        folder,
        ports,
        leftovers,
        variables(),
        auto_check,
    ];
    checks.extend(targets);
    let default = format!("target {DEFAULT_TARGET}");
    for check in checks.iter_mut().filter(|check| check.is_ok()) {
        check.fix = None;
    }
    let can_run = checks
        .iter()
        .all(|check| check.state != State::Bad && (check.name != default || check.is_ok()));
    Diagnosis {
        can_run,
        auto,
        checks,
    }
}

struct Engine {
    check: Check,
    image: Check,
    /// The image that a run would use.
    usable: Option<String>,
}

async fn container_engine() -> Engine {
    const NAME: &str = "container engine";
    let asked = provider::asked_image(&VaultOptions::default());
    let image = asked.clone().unwrap_or_else(|| DEFAULT_IMAGE.to_owned());
    let unknown = |check| Engine {
        check,
        image: Check::new(
            "image",
            State::Missing,
            format!("{image}: unknown, because docker does not answer"),
        ),
        usable: None,
    };
    let docker = match timeout(LOOK, container::docker()).await {
        Ok(Ok(docker)) => docker,
        Ok(Err(error)) => {
            let check = Check::new(NAME, State::Missing, error.to_string());
            return unknown(check.fix(error.fix()));
        }
        Err(_) => return unknown(Check::new(NAME, State::Missing, "docker does not answer")),
    };
    let version = timeout(LOOK, docker.version()).await.ok();
    let version = version.and_then(Result::ok).and_then(|told| told.version);
    let check = Check::new(
        NAME,
        State::Ok,
        format!("Docker {}", version.unwrap_or_default()),
    );
    let is_here = async |image: &str| {
        let look = timeout(LOOK, container::is_local(&docker, image)).await;
        matches!(look, Ok(Ok(true)))
    };
    let (image, usable) = if is_here(&image).await {
        (
            Check::new("image", State::Ok, format!("{image} is here")),
            image,
        )
    } else if asked.is_none() && is_here(PACKED_IMAGE).await {
        let detail = format!("{image} is not here; {PACKED_IMAGE} is, packed here");
        (
            Check::new("image", State::Ok, detail),
            PACKED_IMAGE.to_owned(),
        )
    } else {
        let detail = format!("{image} is not here; a run tries to pull it");
        let check = Check::new("image", State::Missing, detail).fix(match asked {
            Some(_) => format!("docker pull {image}"),
            None => format!(
                "`docker pull {image}`, or `vault-mcp-conformance vault image` where no registry can be reached"
            ),
        });
        (check, format!("{image}, if it can be pulled"))
    };
    Engine {
        check,
        image,
        usable: Some(usable),
    }
}

/// The version that a program on PATH reports.
async fn program(name: &str, program: &str, argument: &str) -> Check {
    match binary::on_path(program) {
        Some(path) => version(name, &path, argument).await,
        None => Check::new(name, State::Missing, format!("no `{program}` on PATH")),
    }
}

/// The browser that the suite would use.
async fn browser() -> Check {
    const NAME: &str = "browser";
    let fix = format!(
        "install chromium, or name a browser in {}; without one no page is opened",
        browser::VARIABLE
    );
    match Browser::find() {
        Ok(browser) => version(NAME, browser.program(), "--version").await,
        Err(why) => Check::new(NAME, State::Missing, why.to_string()),
    }
    .fix(fix)
}

/// The version that the program at this path reports.
async fn version(name: &str, path: &Path, argument: &str) -> Check {
    let said = Command::new(path)
        .arg(argument)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    match timeout(LOOK, said).await {
        Ok(Ok(said)) if said.status.success() => {
            let said = String::from_utf8_lossy(&said.stdout);
            let first = said.lines().next().unwrap_or_default().trim().to_owned();
            Check::new(name, State::Ok, format!("{first} ({})", path.display()))
        }
        Ok(Ok(said)) => broken(name, path, &said.status.to_string()),
        Ok(Err(error)) => broken(name, path, &error.to_string()),
        Err(_) => broken(name, path, "no answer"),
    }
}

fn broken(name: &str, path: &Path, how: &str) -> Check {
    let detail = format!("{} does not print its version: {how}", path.display());
    Check::new(name, State::Missing, detail)
}

async fn go_toolchain() -> Check {
    let needed = build::needed_go();
    let check = program("Go toolchain", "go", "version").await;
    let check = check.fix(format!("install Go {needed} or later: https://go.dev/dl"));
    let number = |text: &str| -> Vec<u32> {
        text.split('.')
            .map_while(|part| part.parse().ok())
            .collect()
    };
    let has = check
        .detail
        .split_whitespace()
        .find_map(|word| word.strip_prefix("go1."));
    match has.map(|minor| number(&format!("1.{minor}"))) {
        Some(has) if has < vec![1, 21] => Check {
            state: State::Missing,
            detail: format!("too old: {}", check.detail),
            ..check
        },
        Some(has) if has < number(needed) => Check {
            detail: format!("{}; it fetches {needed}, which Vault needs", check.detail),
            ..check
        },
        _ => check,
    }
}

fn built_vault(cache: Option<&Cache>) -> Check {
    const NAME: &str = "Vault in the cache";
    match cache.and_then(build::cached) {
        Some(path) => Check::new(NAME, State::Ok, path.display().to_string()),
        None => Check::new(NAME, State::Missing, "none was built yet")
            .fix("`vault-mcp-conformance vault build`, with Go: about 5 minutes"),
    }
}

fn cache_folder(cache: &Result<Cache, crate::cache::CacheError>) -> Check {
    const NAME: &str = "cache folder";
    const FIX: &str = "set VAULT_MCP_CONFORMANCE_CACHE to a folder to write to";
    let cache = match cache {
        Ok(cache) => cache,
        Err(error) => return Check::new(NAME, State::Missing, error.to_string()).fix(FIX),
    };
    let root = std::path::absolute(cache.root()).unwrap_or_else(|_| cache.root().to_owned());
    let shown = root.display();
    let Some(there) = root.ancestors().find(|folder| folder.exists()) else {
        return Check::new(NAME, State::Missing, format!("{shown} cannot be made")).fix(FIX);
    };
    if tempfile::tempfile_in(there).is_err() {
        return Check::new(NAME, State::Missing, format!("{shown} cannot be written")).fix(FIX);
    }
    match free_gib(there) {
        Some(free) if free < TIGHT => {
            let detail = format!("{shown}, {free} GiB free: tight for building Vault");
            Check::new(NAME, State::Ok, detail)
        }
        Some(free) => Check::new(NAME, State::Ok, format!("{shown}, {free} GiB free")),
        None => Check::new(NAME, State::Ok, shown.to_string()),
    }
}

fn free_gib(folder: &Path) -> Option<u64> {
    let told = rustix::fs::statvfs(folder).ok()?;
    Some(told.f_bavail.saturating_mul(told.f_frsize) >> 30)
}

fn ports() -> Check {
    const NAME: &str = "loopback ports";
    match free_port_pair() {
        Ok(_) => Check::new(NAME, State::Ok, "free ones on 127.0.0.1"),
        Err(error) => Check::new(NAME, State::Bad, format!("none free on 127.0.0.1: {error}"))
            .fix("stop the programs that use them"),
    }
}

async fn leftovers(cache: Option<&Cache>) -> Check {
    const NAME: &str = "leftovers";
    let left = match cache {
        Some(cache) => timeout(LOOK, leftovers::left(cache))
            .await
            .unwrap_or_default(),
        None => Vec::new(),
    };
    if left.is_empty() {
        return Check::new(NAME, State::Ok, "none of dead runs");
    }
    Check::new(
        NAME,
        State::Note,
        format!("left by killed runs: {}", left.join("; ")),
    )
    .fix("the next run removes them; in an external Vault, the next run there")
}

fn variables() -> Check {
    const NAME: &str = "variables";
    let is_one = |name: &String| {
        ["VAULT_", "MCP_"].iter().any(|own| name.starts_with(own)) && !USED.contains(&name.as_str())
    };
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut unused: Vec<_> = names.filter(is_one).collect();
    unused.sort();
    match unused.is_empty() {
        true => Check::new(
            NAME,
            State::Ok,
            "no VAULT_* or MCP_* variable that the suite ignores",
        ),
        false => Check::new(
            NAME,
            State::Note,
            format!("set, but ignored: {}", unused.join(", ")),
        ),
    }
}

/// Whether a run finds the program of this target, with the container engine that there is.
fn target(name: &str, engine: &Check) -> Check {
    let title = format!("target {name}");
    let target = match Target::find(name) {
        Ok(target) => target,
        Err(error) => return Check::new(&title, State::Bad, error.to_string()),
    };
    let adapter = &target.adapter;
    let launches = [
        (adapter.stdio.as_ref()).map(|launch| (&launch.command, launch.container)),
        (adapter.http.as_ref()).map(|launch| (&launch.command, launch.container)),
    ];
    let mut commands = launches.into_iter().flatten();
    let command = commands.find_map(|(command, container)| Some((command.first()?, container)));
    let Some((command, in_container)) = command else {
        return Check::new(&title, State::Note, "is not started by the suite");
    };
    if in_container && !engine.is_ok() {
        let detail = format!("it runs in a container: {}", engine.detail);
        let check = Check::new(&title, State::Missing, detail);
        return match &engine.fix {
            Some(fix) => check.fix(fix),
            None => check,
        };
    }
    let found: Result<PathBuf, _> = locate::locate(&target, command, Build::Automatically);
    match (found, &adapter.build) {
        (Ok(path), _) => Check::new(&title, State::Ok, path.display().to_string()),
        (Err(_), Some(_))
            if adapter.build_automatically
                && locate::checkout().is_some()
                && binary::on_path("cargo").is_some() =>
        {
            Check::new(&title, State::Ok, "is built by the first run")
        }
        (Err(_), _) if in_container => {
            Check::new(&title, State::Missing, format!("no `{command}` on PATH"))
                .fix(format!("install `{command}`, the command"))
        }
        (Err(_), Some(_)) => Check::new(&title, State::Missing, format!("no `{command}`"))
            .fix(format!("run --target {name} --build")),
        (Err(_), None) => {
            Check::new(&title, State::Missing, format!("no `{command}`")).fix(format!(
                "install it: {}",
                adapter.homepage.as_deref().unwrap_or(name)
            ))
        }
    }
}

const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// The diagnosis as a table, with colours for terminals.
#[must_use]
pub fn table(diagnosis: &Diagnosis) -> String {
    let names = diagnosis.checks.iter().map(|check| check.name.len());
    let width = names.max().unwrap_or_default();
    let mut out = format!(
        "{BOLD}{:<width$}  {:<7}  detail{BOLD:#}\n",
        "check", "state"
    );
    for check in &diagnosis.checks {
        let (style, word) = match check.state {
            State::Ok => (GREEN, "ok"),
            State::Note => (YELLOW, "note"),
            State::Missing => (DIM, "missing"),
            State::Bad => (RED, "bad"),
        };
        let Check { name, detail, .. } = check;
        out += &format!("{name:<width$}  {style}{word:<7}{style:#}  {detail}\n");
        if let Some(fix) = &check.fix {
            out += &format!("{:<width$}           {DIM}fix:{DIM:#} {fix}\n", "");
        }
    }
    out += match diagnosis.can_run {
        true => "\na run with default options can work\n",
        false => "\na run with default options cannot work\n",
    };
    out
}
