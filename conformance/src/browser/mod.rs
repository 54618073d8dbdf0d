//! A real browser, which opens a page of the suite, so that a scenario sees what browsers do for pages.
//!
//! The suite uses an installed browser, without a window and with a home folder of its own. The browser reaches only
//! this machine: the names of the suite's pages resolve to this machine, and all other names do not resolve.

mod page;

use std::{
    env,
    ffi::OsString,
    fs::File,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{process::Command, time::timeout};

pub use self::page::{Attempt, PageServer, Plan, Step};
use crate::{
    instance::process::Process,
    vault::{
        binary,
        notes::{HOME_PREFIX, note_home},
    },
};

/// The variable with the path of the browser, if it is not one of [`PROGRAMS`].
pub const VARIABLE: &str = "VAULT_MCP_CONFORMANCE_BROWSER";
/// The programs that are searched on PATH, in this order.
pub const PROGRAMS: [&str; 6] = [
    "google-chrome",
    "google-chrome-stable",
    "chromium",
    "chromium-browser",
    "firefox",
    "firefox-esr",
];
/// The host of the page that may call the server.
pub const LISTED: &str = "app.example";
/// The host of the page that may not call the server.
pub const FOREIGN: &str = "evil.example";

/// How long a browser may take to start and to run its page.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many of the last lines of a failed browser are shown.
const LAST_LINES: usize = 5;
/// The variables of the environment that the browser receives.
const INHERITED: [&str; 3] = ["PATH", "LANG", "LC_ALL"];

/// A browser on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Browser {
    program: PathBuf,
}

/// Why there is no browser.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoBrowser {
    /// None of the programs was found.
    #[error("none of {} on PATH", PROGRAMS.join(", "))]
    NotFound,
    /// The value of the variable is not a program.
    #[error("{VARIABLE} names {}, which is not a program", .0.display())]
    NoProgram(PathBuf),
}

/// A failure of the browser.
#[derive(Debug, thiserror::Error)]
#[error("the browser {} {problem}{}", .program.display(), shown(.said))]
pub struct BrowserError {
    program: PathBuf,
    problem: String,
    said: Vec<String>,
}

fn shown(said: &[String]) -> String {
    said.iter()
        .map(|line| format!("\n  stderr    {line}"))
        .collect()
}

impl Browser {
    /// The browser in [`VARIABLE`], or otherwise the first of [`PROGRAMS`] on PATH.
    ///
    /// # Errors
    /// If no browser was found.
    pub fn find() -> Result<Self, NoBrowser> {
        Self::choose(env::var_os(VARIABLE), binary::on_path)
    }

    fn choose(
        named: Option<OsString>,
        on_path: impl Fn(&str) -> Option<PathBuf>,
    ) -> Result<Self, NoBrowser> {
        let program = match named.filter(|name| !name.is_empty()) {
            Some(name) => {
                let path = PathBuf::from(&name);
                let found = match path.is_absolute() {
                    true => Some(path.clone()).filter(|path| binary::is_executable(path)),
                    false => path.to_str().and_then(&on_path),
                };
                found.ok_or(NoBrowser::NoProgram(path))?
            }
            None => {
                let mut programs = PROGRAMS.iter().filter_map(|program| on_path(program));
                programs.next().ok_or(NoBrowser::NotFound)?
            }
        };
        Ok(Self { program })
    }

    /// The path of the program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    fn is_firefox(&self) -> bool {
        let name = self.program.file_name().unwrap_or_default();
        name.to_string_lossy().to_lowercase().contains("firefox")
    }

    /// Opens the page of this host, which runs a plan; returns what the page saw. The browser and its files are then
    /// removed.
    ///
    /// # Errors
    /// If the browser cannot be run or ends unexpectedly, or if its page reports nothing in time.
    pub async fn visit(
        &self,
        server: &mut PageServer,
        host: &str,
        plan: &Plan,
    ) -> Result<Vec<Attempt>, BrowserError> {
        let failed = |problem: String, said: Vec<String>| BrowserError {
            program: self.program.clone(),
            problem,
            said,
        };
        let is_firefox = self.is_firefox();
        let made = tokio::task::spawn_blocking(move || make_home(is_firefox)).await;
        let made = made.map_err(io::Error::other).and_then(|made| made);
        let (home, log) =
            made.map_err(|error| failed(format!("cannot get a home folder: {error}"), Vec::new()))?;
        server.give(plan);
        let url = format!("{}/", server.origin(host));
        let mut process = self
            .spawn(home.path(), log, &url)
            .map_err(|error| failed(format!("cannot be run: {error}"), Vec::new()))?;
        let seen = timeout(PATIENCE, async {
            tokio::select! {
                seen = server.report() => Ok(seen),
                status = process.group.wait() => Err(match status {
                    Ok(status) => format!("ended by itself ({status})"),
                    Err(error) => format!("cannot be waited for: {error}"),
                }),
            }
        });
        let late = || {
            let seconds = PATIENCE.as_secs();
            Err(format!("did not run the page within {seconds} s"))
        };
        let seen = seen.await.unwrap_or_else(|_| late());
        let ended = process.end().await;
        let said = tokio::task::spawn_blocking(move || remove_home(home)).await;
        let said = said.unwrap_or_default();
        let seen = seen.map_err(|problem| failed(problem, said))?;
        ended.map_err(|problem| failed(format!("stays: {problem}"), Vec::new()))?;
        match seen.kept {
            None => Ok(seen.seen),
            Some(why) => {
                let problem = format!("does not let its page reach this machine: {why}");
                Err(failed(problem, Vec::new()))
            }
        }
    }

    fn spawn(&self, home: &Path, log: File, url: &str) -> io::Result<Process> {
        let mut command = Command::new(&self.program);
        match self.is_firefox() {
            true => command
                .args(["--headless", "--no-remote", "--new-instance", "--profile"])
                .arg(home),
            false => command.args(chromium_arguments(home)),
        };
        command
            .arg(url)
            .env_clear()
            .envs(
                INHERITED
                    .into_iter()
                    .filter_map(|name| Some((name, env::var_os(name)?))),
            )
            .env("HOME", home)
            .env("TMPDIR", home)
            .current_dir(home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        Process::spawn(&mut command)
    }
}

fn chromium_arguments(home: &Path) -> Vec<String> {
    let mut arguments: Vec<_> = [
        "--headless",
        "--disable-gpu",
        "--no-first-run",
        "--no-default-browser-check",
        // Only requests of the page are wanted.
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-extensions",
        "--no-proxy-server",
        "--disable-breakpad",
        // Containers have little shared memory.
        "--disable-dev-shm-usage",
        "--password-store=basic",
        "--use-mock-keychain",
    ]
    .map(str::to_owned)
    .into();
    let leads_here = |host: &str| format!("MAP {host} 127.0.0.1");
    let rules = [
        leads_here(LISTED),
        leads_here(FOREIGN),
        "MAP * ~NOTFOUND".to_owned(),
        "EXCLUDE 127.0.0.1".to_owned(),
        "EXCLUDE localhost".to_owned(),
    ];
    arguments.push(format!("--host-resolver-rules={}", rules.join(",")));
    arguments.push(format!(
        "--user-data-dir={}",
        home.join("profile").display()
    ));
    // Root cannot use the sandbox. The only page that the browser opens is the suite's own.
    if rustix::process::geteuid().is_root() {
        arguments.push("--no-sandbox".to_owned());
    }
    arguments
}

/// A home folder, with a file for the browser's output.
fn make_home(is_firefox: bool) -> io::Result<(TempDir, File)> {
    let home = tempfile::Builder::new().prefix(HOME_PREFIX).tempdir()?;
    note_home(home.path());
    let log = File::create(log_of(home.path()))?;
    if is_firefox {
        std::fs::write(home.path().join("user.js"), firefox_preferences())?;
    }
    Ok((home, log))
}

/// Makes Firefox behave as [`chromium_arguments`] does; requests to other names go to a proxy that does not exist.
fn firefox_preferences() -> String {
    let local = format!("\"{LISTED},{FOREIGN}\"");
    let here = format!("\"{LISTED},{FOREIGN},127.0.0.1,localhost\"");
    let preferences = [
        ("network.dns.localDomains", local.as_str()),
        ("network.proxy.type", "1"),
        ("network.proxy.http", "\"127.0.0.1\""),
        ("network.proxy.http_port", "1"),
        ("network.proxy.ssl", "\"127.0.0.1\""),
        ("network.proxy.ssl_port", "1"),
        ("network.proxy.no_proxies_on", here.as_str()),
        ("network.captive-portal-service.enabled", "false"),
        ("network.connectivity-service.enabled", "false"),
        ("app.update.enabled", "false"),
        ("datareporting.policy.dataSubmissionEnabled", "false"),
        (
            "datareporting.policy.dataSubmissionPolicyBypassNotification",
            "true",
        ),
        ("toolkit.telemetry.enabled", "false"),
        ("browser.shell.checkDefaultBrowser", "false"),
        ("browser.aboutwelcome.enabled", "false"),
        ("dom.security.https_first", "false"),
    ];
    let line = |(name, value)| format!("user_pref(\"{name}\", {value});\n");
    preferences.into_iter().map(line).collect()
}

fn log_of(home: &Path) -> PathBuf {
    home.join("stderr")
}

/// Removes a home folder, and returns the browser's last lines. What cannot be removed yet, because helper processes
/// are still ending, is noted, and the next run removes it.
fn remove_home(home: TempDir) -> Vec<String> {
    let said = std::fs::read(log_of(home.path())).unwrap_or_default();
    let said = String::from_utf8_lossy(&said).into_owned();
    let lines = said.lines().rev().take(LAST_LINES);
    let mut lines: Vec<_> = lines.map(|line| line.chars().take(300).collect()).collect();
    lines.reverse();
    drop(home.close());
    lines
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, path::PathBuf};

    use super::{Browser, NoBrowser, VARIABLE, chromium_arguments};

    fn chosen(named: Option<&str>, there: &[&str]) -> Result<PathBuf, NoBrowser> {
        let on_path = |name: &str| {
            let is_there = there.contains(&name);
            is_there.then(|| PathBuf::from("/bin").join(name))
        };
        let named = named.map(OsString::from);
        Browser::choose(named, on_path).map(|browser| browser.program)
    }

    #[test]
    fn the_browser_is_the_one_that_is_named_or_else_the_first_on_the_path() {
        let there = ["firefox", "chromium"];
        assert_eq!(
            chosen(None, &there).unwrap(),
            PathBuf::from("/bin/chromium")
        );
        assert_eq!(
            chosen(Some("firefox"), &there).unwrap(),
            PathBuf::from("/bin/firefox")
        );
        assert_eq!(
            chosen(Some("/bin/sh"), &[]).unwrap(),
            PathBuf::from("/bin/sh")
        );
        // An empty variable counts as unset.
        assert!(chosen(Some(""), &there).is_ok());
    }

    #[test]
    fn a_browser_that_is_not_there_is_told_with_what_was_looked_for() {
        let why = chosen(None, &["netscape"]).unwrap_err().to_string();
        assert!(why.contains("chromium") && why.contains("firefox"), "{why}");
        // A browser that was named is not replaced by another.
        let why = chosen(Some("/no/such/browser"), &["chromium"]).unwrap_err();
        let why = why.to_string();
        assert!(why.contains(VARIABLE) && why.contains("/no/such"), "{why}");
    }

    #[test]
    fn names_that_are_not_the_suites_lead_nowhere() {
        let arguments = chromium_arguments("/home".as_ref());
        let rules = arguments.iter().find(|one| one.contains("resolver"));
        assert!(rules.unwrap().contains("MAP * ~NOTFOUND"), "{rules:?}");
    }
}
