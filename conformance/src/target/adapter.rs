//! The adapter file: how to start a target, and which tool call carries which operation.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::Deserialize;

use super::{mapping::Mapping, operation::Operation, template, transport::TransportKind};
use crate::hint::{self, did_you_mean};

/// Placeholders that may stand in a command, an address or the environment.
const LAUNCH_PLACEHOLDERS: [&str; 3] = ["port", "vault_addr", "vault_token"];

/// What an adapter file says.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// The target's name, as given on the command line.
    pub name: String,
    /// Its title, as shown to people.
    pub title: String,
    /// Where to read about it.
    pub homepage: Option<String>,
    /// The shell command that builds it; `{bin}` is the suite's folder of programs.
    pub build: Option<String>,
    /// Whether a checkout of the suite builds it without being asked.
    pub build_automatically: bool,
    /// How to start it with the stdio transport.
    pub stdio: Option<Launch>,
    /// How to start it with the streamable HTTP transport.
    pub http: Option<HttpLaunch>,
    /// How long the target may take.
    pub budgets: Budgets,
    /// The tool call for each operation that the target offers.
    pub operations: BTreeMap<Operation, Mapping>,
}

/// How to start a target.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The environment that it gets, besides the bare necessities.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// How to start a target that listens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpLaunch {
    /// The program and its arguments; `{port}` is a free port.
    pub command: Vec<String>,
    /// The environment that it gets, besides the bare necessities.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The address of the MCP endpoint.
    pub url: String,
    /// An address that answers with 2xx once the target can be used; without one, the
    /// target counts as ready when its port accepts connections.
    pub ready: Option<String>,
}

/// How long the target may take; a target that takes longer has failed.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budgets {
    /// From its start to its answer to `initialize`, seconds.
    pub start_seconds: u32,
    /// For one call, seconds.
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
    /// From its start to its answer to `initialize`.
    #[must_use]
    pub fn start(&self) -> Duration {
        Duration::from_secs(u64::from(self.start_seconds))
    }

    /// For one call.
    #[must_use]
    pub fn call(&self) -> Duration {
        Duration::from_secs(u64::from(self.call_seconds))
    }
}

/// An adapter that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// No target of that name comes with the suite.
    #[error(
        "no target is called {name:?}; known are {known}; for a server of your own give the path of its adapter file"
    )]
    NoSuchTarget {
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// The file cannot be read.
    #[error("the adapter file {} cannot be read: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file says something that an adapter cannot say.
    #[error("{file}:{line}: {problem}")]
    Wrong {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong, and what was likely meant.
        problem: String,
    },
}

/// The file's own shape; names of operations are checked after it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    title: Option<String>,
    homepage: Option<String>,
    build: Option<String>,
    #[serde(default)]
    build_automatically: bool,
    stdio: Option<Launch>,
    http: Option<HttpLaunch>,
    #[serde(default)]
    budgets: Budgets,
    #[serde(default)]
    operations: BTreeMap<String, Mapping>,
}

impl Adapter {
    /// Reads an adapter; `file` is its name in errors.
    ///
    /// # Errors
    /// When it is wrong: with the line and what was likely meant.
    pub fn parse(file: &str, text: &str) -> Result<Self, AdapterError> {
        let checker = Checker { file, text };
        let read: File = toml::from_str(text).map_err(|error| checker.syntax(&error))?;
        if let Some(launch) = &read.stdio {
            checker.launch("stdio", &launch.command, &launch.env, [])?;
        }
        if let Some(launch) = &read.http {
            let addresses = [Some(&launch.url), launch.ready.as_ref()];
            checker.launch(
                "http",
                &launch.command,
                &launch.env,
                addresses.into_iter().flatten(),
            )?;
        }
        if read.stdio.is_none() && read.http.is_none() {
            return Err(checker.wrong(
                "name",
                "neither [stdio] nor [http] says how to start the target",
            ));
        }
        let mut operations = BTreeMap::new();
        for (name, mapping) in read.operations {
            let operation = checker.operation(&name)?;
            checker.mapping(operation, &mapping)?;
            operations.insert(operation, mapping);
        }
        Ok(Self {
            title: read.title.unwrap_or_else(|| read.name.clone()),
            name: read.name,
            homepage: read.homepage,
            build: read.build,
            build_automatically: read.build_automatically,
            stdio: read.stdio,
            http: read.http,
            budgets: read.budgets,
            operations,
        })
    }

    /// The transports that the target offers.
    #[must_use]
    pub fn transports(&self) -> Vec<TransportKind> {
        let offered = |kind: &TransportKind| match kind {
            TransportKind::Stdio => self.stdio.is_some(),
            TransportKind::Http => self.http.is_some(),
        };
        TransportKind::ALL.into_iter().filter(offered).collect()
    }
}

/// Turns what is wrong into an error with its place in the file.
struct Checker<'a> {
    file: &'a str,
    text: &'a str,
}

impl Checker<'_> {
    fn launch<'s>(
        &self,
        section: &str,
        command: &'s [String],
        env: &'s BTreeMap<String, String>,
        addresses: impl IntoIterator<Item = &'s String>,
    ) -> Result<(), AdapterError> {
        if command.first().is_none_or(String::is_empty) {
            let problem = format!("the command of [{section}] names no program");
            return Err(self.wrong(&format!("[{section}]"), &problem));
        }
        let texts = command.iter().chain(env.values()).chain(addresses);
        for text in texts {
            self.placeholders(text, &LAUNCH_PLACEHOLDERS)?;
        }
        Ok(())
    }

    fn operation(&self, name: &str) -> Result<Operation, AdapterError> {
        Operation::named(name).ok_or_else(|| {
            let known = Operation::ALL.map(Operation::name);
            let problem = format!(
                "there is no operation {name:?}{}",
                did_you_mean(name, &known)
            );
            self.wrong(name, &problem)
        })
    }

    fn mapping(&self, operation: Operation, mapping: &Mapping) -> Result<(), AdapterError> {
        if let Some((place, problem)) = mapping.problem(operation) {
            return Err(self.wrong(&place, &problem));
        }
        for text in template::strings(&mapping.arguments) {
            self.placeholders(text, operation.parameters())?;
        }
        Ok(())
    }

    fn placeholders(&self, text: &str, known: &[&str]) -> Result<(), AdapterError> {
        let unknown = template::placeholders(text).find(|name| !known.contains(name));
        unknown.map_or(Ok(()), |name| {
            let problem = if known.is_empty() {
                format!("the placeholder {{{name}}} has no meaning here: the operation has no parameters")
            } else {
                format!(
                    "the placeholder {{{name}}} has no meaning here{}",
                    did_you_mean(name, known)
                )
            };
            Err(self.wrong(&format!("{{{name}}}"), &problem))
        })
    }

    fn syntax(&self, error: &toml::de::Error) -> AdapterError {
        let at = error.span().map_or(0, |span| span.start);
        self.at(at, hint::syntax(error))
    }

    /// An error at the first place where the file says `needle`.
    fn wrong(&self, needle: &str, problem: &str) -> AdapterError {
        self.at(self.text.find(needle).unwrap_or(0), problem.to_owned())
    }

    fn at(&self, offset: usize, problem: String) -> AdapterError {
        AdapterError::Wrong {
            file: self.file.to_owned(),
            line: hint::line_at(self.text, offset),
            problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Adapter, Operation};

    const RIGHT: &str = r#"name = "mine"

[stdio]
command = ["my-server", "--stdio"]
env = { VAULT_ADDR = "{vault_addr}", VAULT_TOKEN = "{vault_token}" }

[operations."kv.read"]
tool = "read"
arguments = { where = "{mount}/{path}" }
result = { at = "/data" }
"#;

    fn error(from: &str, to: &str) -> String {
        assert!(RIGHT.contains(from));
        Adapter::parse("mine.toml", &RIGHT.replace(from, to))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn an_adapter_says_how_to_start_and_what_to_call() {
        let adapter = Adapter::parse("mine.toml", RIGHT).unwrap();
        assert_eq!(adapter.operations[&Operation::KvRead].tools, ["read"]);
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
        let error = Adapter::parse("mine.toml", "name = 'mine'").unwrap_err();
        assert!(error.to_string().contains("neither [stdio] nor [http]"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,200}", at in 0..RIGHT.len()) {
            let _ = Adapter::parse("any.toml", &text);
            let _ = Adapter::parse("any.toml", &format!("{}{text}{}", &RIGHT[..at], &RIGHT[at..]));
        }
    }
}
