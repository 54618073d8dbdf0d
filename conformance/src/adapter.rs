//! The adapter file: how to start a target, and which tool call performs which operation.

pub(crate) mod inline;
pub mod launch;
pub mod mapping;
mod reader;
pub mod template;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    time::Duration,
};

use serde::Deserialize;

use crate::{
    adapter::{
        launch::{HttpLaunch, Launch, Limits, Mode, ModeSettings, Remote},
        mapping::Mapping,
    },
    engines::Operation,
    mcp::connection::{Budget, Patience},
    transport::TransportKind,
};

/// The content of an adapter file.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// The target's name, as given on the command line.
    pub name: String,
    /// The target's title for readers.
    pub title: String,
    /// A page about the target.
    pub homepage: Option<String>,
    /// The shell command that builds the target; `{bin}` is the suite's folder of programs.
    pub build: Option<String>,
    /// Whether a checkout of the suite builds the target without being asked.
    pub build_automatically: bool,
    /// How to start the target with the stdio transport.
    pub stdio: Option<Launch>,
    /// How to start the target with the streamable HTTP transport.
    pub http: Option<HttpLaunch>,
    /// How to reach a target that already runs. The suite then does not start it.
    pub remote: Option<Remote>,
    /// How to switch on each mode that the adapter claims.
    pub modes: BTreeMap<Mode, ModeSettings>,
    /// The limits on calls that the target sets.
    pub limits: Limits,
    /// How long the target may take.
    pub budgets: Budgets,
    /// The tool call for each operation that the target offers.
    pub operations: BTreeMap<Operation, Mapping>,
    /// The versions of the KV engine that it supports.
    pub kv_versions: BTreeSet<u8>,
    /// The path of the only KV mount that it works on, if it is fixed to one.
    pub mount: Option<String>,
    /// Tools that no scenario calls.
    pub never_call: BTreeSet<String>,
}

/// How long the target may take. A target that takes longer fails.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budgets {
    /// From the start to the answer to `initialize`, in seconds.
    pub start_seconds: u32,
    /// For one call, in seconds.
    pub call_seconds: u32,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            start_seconds: 30,
            call_seconds: 30,
        }
    }
}

impl Budgets {
    /// From the start to the answer to `initialize`.
    #[must_use]
    pub fn start(&self) -> Duration {
        Duration::from_secs(u64::from(self.start_seconds))
    }

    /// For one call.
    #[must_use]
    pub fn call(&self) -> Duration {
        Duration::from_secs(u64::from(self.call_seconds))
    }

    /// How long to wait for answers on a connection for which the target still has to start.
    pub(super) fn of_start(&self) -> Patience {
        let first = Budget {
            time: self.start(),
            set_by: "start_seconds",
        };
        Patience {
            first,
            ..self.once_started()
        }
    }

    /// How long to wait if the target was started this long ago and listens now: the rest of its start, or the time for
    /// a call if that is longer.
    pub(super) fn of_start_begun(&self, before: Duration) -> Patience {
        let first = Budget {
            time: self.start().saturating_sub(before),
            set_by: "what was left of start_seconds",
        };
        let started = self.once_started();
        match first.time > started.call.time {
            true => Patience { first, ..started },
            false => started,
        }
    }

    /// How long to wait for a target that has started.
    pub(super) fn once_started(&self) -> Patience {
        let call = Budget {
            time: self.call(),
            set_by: "call_seconds",
        };
        Patience { first: call, call }
    }
}

/// Why an adapter is invalid.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// No target with this name comes with the suite.
    #[error(
        "unknown target {name:?}{hint}; known targets: {known}; for another server, give the path of its adapter file"
    )]
    NoSuchTarget {
        /// The requested name.
        name: String,
        /// A suggestion, if a known name is like it.
        hint: String,
        /// The names of the targets that exist.
        known: String,
    },
    /// The file cannot be read.
    #[error("the adapter file {} cannot be read: {source}", file.display())]
    Unreadable {
        /// The path of the adapter file.
        file: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The adapter that another extends extends a further one.
    #[error(
        "{name:?} itself extends {further:?}, and an adapter can only extend one that extends none: remove `extends` from one of them"
    )]
    ExtendsFurther {
        /// The adapter that was to be extended.
        name: String,
        /// The one that it extends.
        further: String,
    },
    /// The file says something that an adapter cannot say.
    #[error("{}", listed(mistakes, *left_out))]
    Wrong {
        /// What is wrong, in the order of the file.
        mistakes: Vec<Mistake>,
        /// How many further mistakes are not listed.
        left_out: usize,
    },
}

/// A mistake in an adapter file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mistake {
    /// The file.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong, and what was likely meant.
    pub problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.problem)
    }
}

fn listed(mistakes: &[Mistake], left_out: usize) -> String {
    let mut lines: Vec<_> = mistakes.iter().map(Mistake::to_string).collect();
    if left_out > 0 {
        lines.push(format!("and {left_out} more"));
    }
    lines.join("\n")
}

impl Adapter {
    /// Reads an adapter; `file` is its name in errors, and `base` finds the adapter that it extends.
    ///
    /// # Errors
    /// All mistakes, each with its line and what was likely meant.
    pub fn parse(
        file: &str,
        text: &str,
        base: impl FnOnce(&str) -> Result<Self, AdapterError>,
    ) -> Result<Self, AdapterError> {
        reader::read(file, text, base)
    }

    /// This adapter, with everything that it omits taken from `base`. A launch section or a build command replaces that
    /// of the base as a whole.
    fn over(mut self, base: Self) -> Self {
        for (operation, mapping) in base.operations {
            self.operations.entry(operation).or_insert(mapping);
        }
        for (mode, settings) in base.modes {
            self.modes.entry(mode).or_insert(settings);
        }
        self.homepage = self.homepage.or(base.homepage);
        self.mount = self.mount.or(base.mount);
        if self.stdio.is_none() && self.http.is_none() && self.remote.is_none() {
            self.stdio = base.stdio;
            self.http = base.http;
            self.remote = base.remote;
            self.build_automatically |= self.build.is_none() && base.build_automatically;
            self.build = self.build.or(base.build);
        }
        self
    }

    /// The adapter of the same target in these modes. Modes that the adapter does not claim change nothing.
    #[must_use]
    pub fn in_modes(&self, modes: &BTreeSet<Mode>) -> Self {
        let mut adapter = self.clone();
        // Scenarios about a limit have to exceed it, so the suite does not pace their calls.
        if modes.contains(&Mode::RateLimit) || modes.contains(&Mode::GlobalLimit) {
            adapter.limits.global = None;
        }
        if modes.contains(&Mode::RateLimit) {
            adapter.limits.session = None;
        }
        for settings in modes.iter().filter_map(|mode| self.modes.get(mode)) {
            if let Some(launch) = &mut adapter.stdio {
                settings.change(&mut launch.command, &mut launch.env);
            }
            if let Some(launch) = &mut adapter.http {
                settings.change(&mut launch.command, &mut launch.env);
                launch.headers.extend(settings.headers.clone());
                if let Some(url) = &settings.url {
                    launch.url.clone_from(url);
                }
                launch.ready = settings.ready.clone().or(launch.ready.take());
            }
        }
        adapter
    }

    /// Starts the target with these variables; they replace variables of the same name.
    pub(crate) fn extend_env(&mut self, env: &BTreeMap<String, String>) {
        if let Some(launch) = &mut self.stdio {
            launch.env.extend(env.clone());
        }
        if let Some(launch) = &mut self.http {
            launch.env.extend(env.clone());
        }
    }

    /// Removes the variable that makes Vault's own tools, and many servers, accept any certificate of Vault.
    pub(crate) fn verify_vault(&mut self) {
        const SKIPS: &str = "VAULT_SKIP_VERIFY";
        if let Some(launch) = &mut self.stdio {
            launch.env.remove(SKIPS);
        }
        if let Some(launch) = &mut self.http {
            launch.env.remove(SKIPS);
        }
    }

    /// The program that starts the target, with its arguments.
    #[must_use]
    pub fn command(&self, transport: TransportKind) -> Option<&[String]> {
        match transport {
            TransportKind::Stdio => self.stdio.as_ref().map(|launch| launch.command.as_slice()),
            TransportKind::Http => self.http.as_ref().map(|launch| launch.command.as_slice()),
        }
    }

    /// The transports that the target offers.
    #[must_use]
    pub fn transports(&self) -> Vec<TransportKind> {
        let offered = |kind: &TransportKind| match kind {
            TransportKind::Stdio => self.stdio.is_some(),
            TransportKind::Http => self.http.is_some() || self.remote.is_some(),
        };
        TransportKind::ALL.into_iter().filter(offered).collect()
    }

    /// The port of the target over HTTP, if it is always the same: then only one instance can run at a time.
    #[must_use]
    pub fn fixed_port(&self) -> Option<u16> {
        self.http.as_ref().and_then(HttpLaunch::fixed_port)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        adapter::launch::{LAUNCH_PLACEHOLDERS, MODE_PLACEHOLDERS},
        engines::kv::Kv,
    };
    use proptest::prelude::*;

    use super::{Adapter, AdapterError, Budgets, Duration, Mode, Operation, Patience};

    const RIGHT: &str = r#"name = "mine"

[stdio]
command = ["my-server", "--stdio"]
env = { VAULT_ADDR = "{vault_addr}", VAULT_TOKEN = "{vault_token}" }

[operations."kv.read"]
tool = "read"
arguments = { where = "{mount}/{path}" }
result = { at = "/data" }
"#;

    fn parse(text: &str) -> Result<Adapter, AdapterError> {
        Adapter::parse("mine.toml", text, |_| {
            Adapter::parse("base.toml", RIGHT, |_| panic!())
        })
    }

    fn error(from: &str, to: &str) -> String {
        assert!(RIGHT.contains(from));
        parse(&RIGHT.replace(from, to)).unwrap_err().to_string()
    }

    #[test]
    fn an_adapter_says_how_to_start_and_what_to_call() {
        let adapter = parse(RIGHT).unwrap();
        assert_eq!(adapter.operations[&Operation::Kv(Kv::Read)].tools, ["read"]);
        assert!(adapter.http.is_none());
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_what_was_meant() {
        let error = error("command =", "comand =");
        assert!(error.starts_with("mine.toml:4: "), "{error}");
        assert!(error.contains("did you mean \"command\"?"), "{error}");
    }

    #[test]
    fn an_unknown_operation_is_named_with_its_line_and_what_was_meant() {
        let error = error("kv.read", "kv.raed");
        assert!(error.starts_with("mine.toml:7: "), "{error}");
        assert!(error.contains("did you mean \"kv.read\"?"), "{error}");
    }

    #[test]
    fn a_placeholder_of_another_operation_is_refused() {
        let error = error("{path}", "{value}");
        assert!(error.starts_with("mine.toml:9: "), "{error}");
        assert!(error.contains("{value}"), "{error}");
    }

    #[test]
    fn a_mistake_is_told_where_its_own_operation_makes_it() {
        let text = |wrong: &str| {
            format!(
                r#"name = "mine"
stdio.command = ["my-server"]

[operations."kv.read_version"] # {{version}}
tool = "read"
arguments = {{ path = "{{path}}", version = "{{version}}" }}
result = {{ at = "/data", facts = {{ version = "/version" }} }}

{wrong}"#
            )
        };
        for (wrong, told) in [
            (
                "[operations.'kv.read']\ntool = 'read'\narguments = { path = '{path}',\n version = '{version}' }",
                "mine.toml:12: kv.read: the placeholder {version} has no meaning here; known are mount, path",
            ),
            (
                "[operations]\n'kv.read'.tool = 'read'\n'kv.read'.arguments.version = '{version}'",
                "mine.toml:11: kv.read: the placeholder {version}",
            ),
            (
                "[operations]\n'kv.read' = { tool = 'read', arguments = { v = '{version}' } }",
                "mine.toml:10: kv.read: the placeholder {version}",
            ),
            (
                "[operations.'kv.purge']\ntool = 'purge'\narguments = { version = 1 }\nresult.facts.version = '/version'",
                "mine.toml:12: kv.purge has no facts: remove `facts`",
            ),
            (
                "[operations.'kv.write']\ntool = 'write'\nresult.facts = { version = 'version' }",
                "mine.toml:11: kv.write: \"version\" is not a JSON pointer",
            ),
            (
                "[operations.'kv.write']\ntool = []",
                "mine.toml:10: kv.write names no tool",
            ),
            (
                "[operations.'kv.write']\ntool = 'write'\nomit_when_empty = ['path']",
                "mine.toml:11: the arguments of kv.write have no \"path\"",
            ),
        ] {
            let error = parse(&text(wrong)).unwrap_err().to_string();
            assert!(error.starts_with(told), "{error}");
        }
    }

    #[test]
    fn an_unknown_launch_placeholder_is_refused() {
        let error = error("{vault_addr}", "{vault_address}");
        assert!(error.contains("did you mean \"vault_addr\"?"), "{error}");
    }

    #[test]
    fn a_pointer_without_its_slash_is_refused() {
        let error = error("\"/data\"", "\"data\"");
        assert!(error.contains("did you mean \"/data\"?"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_toml_is_refused_with_its_line() {
        let error = error("[stdio]", "[stdio");
        assert!(error.starts_with("mine.toml:3: "), "{error}");
    }

    #[test]
    fn a_target_that_cannot_be_started_is_refused() {
        assert!(error("\"my-server\", \"--stdio\"", "").contains("names no program"));
        let error = parse("name = 'mine'").unwrap_err();
        assert!(error.to_string().contains("neither [stdio], [http]"));
    }

    #[test]
    fn an_adapter_that_extends_another_has_its_operations_and_a_launch_of_its_own() {
        let adapter = parse(
            "name = 'other'\nextends = 'base'\n[http]\ncommand = ['s']\nurl = 'http://127.0.0.1:8084/mcp'\n\
             [operations.'kv.list']\ntool = 'list'\n",
        )
        .unwrap();
        assert!(adapter.stdio.is_none());
        assert_eq!(adapter.fixed_port(), Some(8084));
        let offered: Vec<_> = adapter.operations.into_keys().collect();
        assert_eq!(offered, [Operation::Kv(Kv::List), Operation::Kv(Kv::Read)]);
        let same = parse("name = 'same'\nextends = 'base'").unwrap();
        assert_eq!(same.stdio.unwrap().command, ["my-server", "--stdio"]);
    }

    #[test]
    fn a_base_that_cannot_be_read_is_told_with_the_line_that_names_it() {
        let base = |_: &str| Adapter::parse("base.toml", "nme = 'x'", |_| panic!());
        let error = Adapter::parse("mine.toml", "name = 'x'\nextends = 'base'", base).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("mine.toml:2: base.toml:1: "), "{error}");
        assert!(error.contains("did you mean \"name\"?"), "{error}");
    }

    #[test]
    fn a_mode_adds_to_the_launch() {
        let text = format!(
            "{RIGHT}\n[modes.read_only]\nenv = {{ VAULT_TOKEN = 'x', LIMIT = '{{rate}}:{{burst}}' }}\nargs = ['--read-only']\n"
        );
        let adapter = parse(&text).unwrap();
        let launch = adapter.in_modes(&[Mode::Tls].into()).stdio.unwrap();
        assert_eq!(launch.command, ["my-server", "--stdio"]);
        let launch = adapter.in_modes(&[Mode::ReadOnly].into()).stdio.unwrap();
        assert_eq!(launch.command, ["my-server", "--stdio", "--read-only"]);
        assert_eq!(launch.env["VAULT_TOKEN"], "x");
        assert_eq!(launch.env["VAULT_ADDR"], "{vault_addr}");
    }

    #[test]
    fn a_mode_may_have_a_command_and_an_address_of_its_own() {
        let adapter = parse(
            "name = 'mine'\n[http]\ncommand = ['s']\nurl = 'http://127.0.0.1:{port}/mcp'\n\
             [modes.tls]\nurl = 'https://127.0.0.1:{port}/mcp'\nready = 'https://127.0.0.1:{port}/up'\n\
             [modes.launcher]\ncommand = ['launch', '--', '{command}']\n",
        )
        .unwrap();
        let http = adapter.in_modes(&[Mode::Tls].into()).http.unwrap();
        assert_eq!(http.url, "https://127.0.0.1:{port}/mcp");
        assert_eq!(http.ready.as_deref(), Some("https://127.0.0.1:{port}/up"));
        let http = adapter.in_modes(&[Mode::Launcher].into()).http.unwrap();
        assert_eq!(http.command, ["launch", "--", "{command}"]);
        for wrong in ["url = 'here'", "command = []"] {
            let text = format!("{RIGHT}\n[modes.tls]\n{wrong}\n");
            assert!(parse(&text).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_mode_that_there_is_not_is_named_with_what_was_meant() {
        let text = format!("{RIGHT}\n[modes.readonly]\n");
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.starts_with("mine.toml:12: "), "{error}");
        assert!(error.contains("did you mean \"read_only\"?"), "{error}");
    }

    #[test]
    fn a_placeholder_of_a_mode_is_refused_in_a_launch() {
        let error = error("{vault_addr}", "{tls_cert}");
        assert!(error.contains("only be used within [modes.*]"), "{error}");
    }

    #[test]
    fn what_makes_no_launch_is_refused_with_what_would() {
        for (text, part) in [
            (
                "[http]\ncommand = ['s']\nurl = 'localhost'",
                "is not a valid address",
            ),
            (
                "[http]\ncommand = ['s']\nurl = 'http://h/'\nheaders = { 'a b' = '' }",
                "not a valid header name",
            ),
            (
                "[stdio]\ncommand = ['podman']\ncontainer = true",
                "`docker run` line",
            ),
            (
                "[remote]\nurl = 'http://h/'\nheaders = { A = '{vault_token}' }",
                "{env:NAME}",
            ),
            (
                "[remote]\nurl = 'http://h/'\n[stdio]\ncommand = ['s']",
                "does not start a target",
            ),
            (
                "[stdio]\ncommand = ['s']\n[limits]\nsession = '5'",
                "\"5:10\"",
            ),
            (
                "[stdio]\ncommand = ['s']\n[limits]\nsession = '0:1'",
                "\"5:10\"",
            ),
        ] {
            let error = parse(&format!("name = 'mine'\n{text}"))
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_first_answer_of_a_target_may_take_what_its_start_leaves_and_at_least_a_call() {
        let budgets = Budgets {
            start_seconds: 60,
            call_seconds: 10,
        };
        let first = |patience: Patience| patience.first.to_string();
        assert_eq!(first(budgets.of_start()), "60 s (start_seconds)");
        for (before, told) in [
            (0, "60 s (what was left of start_seconds)"),
            (49_900, "10.1 s (what was left of start_seconds)"),
            (50_000, "10 s (call_seconds)"),
            (70_000, "10 s (call_seconds)"),
        ] {
            let before = Duration::from_millis(before);
            assert_eq!(first(budgets.of_start_begun(before)), told);
        }
        assert_eq!(first(budgets.once_started()), "10 s (call_seconds)");
        assert_eq!(budgets.of_start().call, budgets.once_started().call);
    }

    #[test]
    fn the_page_on_adapters_names_every_mode_and_placeholder() {
        let page = include_str!("../../docs/writing-an-adapter.md");
        let placeholders = LAUNCH_PLACEHOLDERS.iter().chain(&MODE_PLACEHOLDERS);
        let wrapped = placeholders.map(|name| format!("`{{{name}}}`"));
        for name in Mode::ALL
            .map(|mode| format!("`{mode}`"))
            .into_iter()
            .chain(wrapped)
        {
            assert!(page.contains(&name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,200}", at in 0..RIGHT.len()) {
            let _ = parse(&text);
            let _ = parse(&format!("{}{text}{}", &RIGHT[..at], &RIGHT[at..]));
        }
    }
}
