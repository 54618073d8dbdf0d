//! How an adapter says that a target is started or reached: the launch sections, the modes in which the target can also
//! run, and the limits on calls that it sets.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor, value::SeqAccessDeserializer},
};

use super::template;
use crate::{
    mcp::pace::Pace,
    rate::{Counted, Rate},
};

/// The placeholders of a launch section.
pub(crate) const LAUNCH_PLACEHOLDERS: [&str; 4] =
    ["port", "vault_addr", "vault_token", "vault_token_file"];

/// The placeholders that have a value only in a mode.
pub(super) const MODE_PLACEHOLDERS: [&str; 9] = [
    "vault_ca",
    "namespace",
    "tls_cert",
    "tls_key",
    "origins",
    "rate",
    "burst",
    "log_file",
    "command",
];

/// How to start a target that uses its standard streams.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// The program and its arguments.
    #[serde(deserialize_with = "words")]
    pub command: Vec<String>,
    /// The environment of the program, besides the few variables that every program gets.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Whether the command is a `docker run` line.
    #[serde(default)]
    pub container: bool,
}

/// How to start a target that listens on a port.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpLaunch {
    /// The program and its arguments; `{port}` is a free port.
    #[serde(deserialize_with = "words")]
    pub command: Vec<String>,
    /// The environment of the program, besides the few variables that every program gets.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Whether the command is a `docker run` line.
    #[serde(default)]
    pub container: bool,
    /// The address of the MCP endpoint.
    pub url: String,
    /// An address that answers with 2xx once the target is ready. Without it, the target counts as ready when its port
    /// accepts connections.
    pub ready: Option<String>,
    /// Headers of every request to the endpoint.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

impl HttpLaunch {
    /// The port that the target always listens on; `None` if the suite chooses a port.
    #[must_use]
    pub fn fixed_port(&self) -> Option<u16> {
        match self.url.contains("{port}") {
            true => None,
            false => self.url.parse::<http::Uri>().ok()?.port_u16(),
        }
    }

    /// The command and environment, without what only HTTP needs.
    #[must_use]
    pub fn launch(&self) -> Launch {
        Launch {
            command: self.command.clone(),
            env: self.env.clone(),
            container: self.container,
        }
    }
}

/// How to reach a target that already runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remote {
    /// The address of the MCP endpoint.
    pub url: String,
    /// Headers of every request; `{env:NAME}` is a variable of the suite's environment, whose value is never printed.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// A way to run a target that some scenarios need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// The server changes nothing in Vault.
    ReadOnly,
    /// Each client has a limit of calls a second.
    RateLimit,
    /// All clients together have a limit of calls a second.
    GlobalLimit,
    /// Web pages of certain origins may call the server.
    Cors,
    /// The server listens with TLS.
    Tls,
    /// The server listens on all addresses of the machine, not only on loopback.
    AllInterfaces,
    /// The server trusts this CA for Vault's certificate.
    VaultCa,
    /// The server uses a namespace of Vault.
    Namespace,
    /// Each request brings the Vault token to use.
    PerRequestToken,
    /// The server reads its Vault token from a file.
    TokenFile,
    /// The server renews its Vault token.
    TokenRenewal,
    /// The server logs to a file.
    LogFile,
    /// The server keeps no sessions over HTTP.
    Stateless,
    /// The server runs a command with a token of its own, and revokes the token at the end.
    Launcher,
}

impl Mode {
    /// All modes.
    pub const ALL: [Self; 14] = [
        Self::ReadOnly,
        Self::RateLimit,
        Self::GlobalLimit,
        Self::Cors,
        Self::Tls,
        Self::AllInterfaces,
        Self::VaultCa,
        Self::Namespace,
        Self::PerRequestToken,
        Self::TokenFile,
        Self::TokenRenewal,
        Self::LogFile,
        Self::Stateless,
        Self::Launcher,
    ];

    /// The name of the mode in adapters and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::RateLimit => "rate_limit",
            Self::GlobalLimit => "global_limit",
            Self::Cors => "cors",
            Self::Tls => "tls",
            Self::AllInterfaces => "all_interfaces",
            Self::VaultCa => "vault_ca",
            Self::Namespace => "namespace",
            Self::PerRequestToken => "per_request_token",
            Self::TokenFile => "token_file",
            Self::TokenRenewal => "token_renewal",
            Self::LogFile => "log_file",
            Self::Stateless => "stateless",
            Self::Launcher => "launcher",
        }
    }

    /// The mode with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How to switch on a mode: what is added to the launch, or replaces a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModeSettings {
    /// The program and its arguments, in place of those of the launch.
    #[serde(deserialize_with = "some_words")]
    pub command: Option<Vec<String>>,
    /// Variables; they replace those of the same name.
    pub env: BTreeMap<String, String>,
    /// Further arguments, after the others.
    #[serde(deserialize_with = "words")]
    pub args: Vec<String>,
    /// Headers; they replace those of the same name.
    pub headers: BTreeMap<String, String>,
    /// The address of the MCP endpoint, if it differs.
    pub url: Option<String>,
    /// The address that shows that the target is ready, if it differs.
    pub ready: Option<String>,
}

impl ModeSettings {
    /// All texts that may have placeholders.
    pub(super) fn texts(&self) -> impl Iterator<Item = &String> {
        let command = self.command.iter().flatten();
        command
            .chain(self.env.values())
            .chain(&self.args)
            .chain(self.headers.values())
            .chain(&self.url)
            .chain(&self.ready)
    }

    /// Whether the command or the environment uses a placeholder.
    #[must_use]
    pub fn starts_with(&self, placeholder: &str) -> bool {
        let command = self.command.iter().flatten();
        let mut texts = command.chain(self.env.values()).chain(&self.args);
        texts.any(|text| names(text, placeholder))
    }

    /// The headers of a client that use a placeholder: names and templates.
    pub fn headers_with(&self, placeholder: &str) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.headers.iter();
        headers
            .filter(move |(_, text)| names(text, placeholder))
            .map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// Applies the mode to the command and the environment.
    pub(super) fn change(&self, command: &mut Vec<String>, env: &mut BTreeMap<String, String>) {
        if let Some(own) = &self.command {
            command.clone_from(own);
        }
        command.extend(self.args.clone());
        env.extend(self.env.clone());
    }
}

fn names(text: &str, placeholder: &str) -> bool {
    template::placeholders(text).any(|name| name == placeholder)
}

/// The limits on calls that the target sets. The suite paces scenarios that are not about limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// For one client.
    pub session: Option<Rate>,
    /// For all clients of one server together.
    pub global: Option<Rate>,
    /// What they count.
    pub counts: Counted,
}

impl Limits {
    /// Whether there is a limit.
    #[must_use]
    pub const fn are_declared(&self) -> bool {
        self.session.is_some() || self.global.is_some()
    }

    /// Keeps one client within its limit.
    #[must_use]
    pub fn session_pace(&self) -> Option<Arc<Pace>> {
        self.pace(self.session)
    }

    /// Keeps all clients together within theirs.
    #[must_use]
    pub fn global_pace(&self) -> Option<Arc<Pace>> {
        self.pace(self.global)
    }

    fn pace(&self, limit: Option<Rate>) -> Option<Arc<Pace>> {
        limit.map(|limit| Arc::new(Pace::within(limit, self.counts)))
    }
}

/// A list of words. Its error says how one word after the other is written.
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Words;

    impl<'de> Visitor<'de> for Words {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of words")
        }

        fn visit_str<E: Error>(self, line: &str) -> Result<Self::Value, E> {
            let words: Vec<_> = line.split_whitespace().collect();
            Err(E::custom(format!(
                "{line:?} is one text, and a list of words is needed: {words:?}"
            )))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, words: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(words))
        }
    }

    deserializer.deserialize_any(Words)
}

fn some_words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    words(deserializer).map(Some)
}

/// The variables of the suite's environment that a text uses.
pub(crate) fn variables(text: &str) -> impl Iterator<Item = &str> {
    template::placeholders(text).filter_map(|name| name.strip_prefix("env:"))
}

#[cfg(test)]
mod tests {
    use super::ModeSettings;

    fn mode(toml: &str) -> ModeSettings {
        toml::from_str(toml).unwrap()
    }

    #[test]
    fn a_mode_tells_whether_the_server_or_its_clients_name_the_namespace() {
        let server = mode("env = { VAULT_NAMESPACE = '{namespace}' }\nargs = ['{log_file}']");
        assert!(server.starts_with("namespace") && server.starts_with("log_file"));
        assert_eq!(server.headers_with("namespace").count(), 0);
        let clients =
            mode("headers = { X-Vault-Namespace = '{namespace}/', X-Other = 'namespace' }");
        assert!(!clients.starts_with("namespace"));
        let headers: Vec<_> = clients.headers_with("namespace").collect();
        assert_eq!(headers, [("X-Vault-Namespace", "{namespace}/")]);
    }
}
