//! How an adapter says that a target is started or reached: the launch sections, the modes in which the target can also
//! run, and the limits on calls that it sets.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use super::template;
use crate::rate::Rate;

/// The placeholders of a launch section.
pub(crate) const LAUNCH_PLACEHOLDERS: [&str; 4] =
    ["port", "vault_addr", "vault_token", "vault_token_file"];

/// The placeholders that only a mode gives a value to.
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

/// How to start a target that speaks over its standard streams.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The environment that it gets, besides the bare necessities.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Whether the command is a `docker run` line.
    #[serde(default)]
    pub container: bool,
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
    /// Whether the command is a `docker run` line.
    #[serde(default)]
    pub container: bool,
    /// The address of the MCP endpoint.
    pub url: String,
    /// An address that answers with 2xx once the target can be used; without one, the
    /// target counts as ready when its port accepts connections.
    pub ready: Option<String>,
    /// Headers of every request to the endpoint.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

impl HttpLaunch {
    /// The port that the target always listens on; none where the suite chooses one.
    #[must_use]
    pub fn fixed_port(&self) -> Option<u16> {
        match self.url.contains("{port}") {
            true => None,
            false => self.url.parse::<http::Uri>().ok()?.port_u16(),
        }
    }

    /// What is to run, however it is reached.
    #[must_use]
    pub fn launch(&self) -> Launch {
        Launch {
            command: self.command.clone(),
            env: self.env.clone(),
            container: self.container,
        }
    }
}

/// How to reach a target that runs already.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remote {
    /// The address of the MCP endpoint.
    pub url: String,
    /// Headers of every request; `{env:NAME}` is a variable of the suite's environment, whose
    /// value is never shown.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// A way to run a target, besides the plain one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Nothing can be changed through it.
    ReadOnly,
    /// Each client gets so many calls a second.
    RateLimit,
    /// All clients together get so many calls a second.
    GlobalLimit,
    /// Web pages of certain origins may call it.
    Cors,
    /// It listens with TLS.
    Tls,
    /// It listens on all addresses of the machine, and not on loopback alone.
    AllInterfaces,
    /// It trusts Vault's certificate by this CA.
    VaultCa,
    /// It works in a namespace of Vault.
    Namespace,
    /// Each request brings the Vault token to act with.
    PerRequestToken,
    /// It reads its Vault token from a file.
    TokenFile,
    /// It renews its Vault token.
    TokenRenewal,
    /// It logs to a file.
    LogFile,
    /// It keeps no sessions over HTTP.
    Stateless,
    /// It keeps sessions.
    Launcher,
}

impl Mode {
    /// All of them.
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

    /// Its name in adapters and reports.
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

    /// The mode of that name.
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

/// How a mode is switched on: what is added to the launch, or stands in the place of a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModeSettings {
    /// The program and its arguments, in place of those of the launch.
    pub command: Option<Vec<String>>,
    /// Variables, in place of those of the same name.
    pub env: BTreeMap<String, String>,
    /// Further arguments, after the others.
    pub args: Vec<String>,
    /// Headers, in place of those of the same name.
    pub headers: BTreeMap<String, String>,
    /// The address of the MCP endpoint, where it is another.
    pub url: Option<String>,
    /// The address that tells that the target can be used, where it is another.
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

    /// Whether the target is started with what a placeholder stands for.
    #[must_use]
    pub fn starts_with(&self, placeholder: &str) -> bool {
        let command = self.command.iter().flatten();
        let mut texts = command.chain(self.env.values()).chain(&self.args);
        texts.any(|text| names(text, placeholder))
    }

    /// The headers of a client that tell what a placeholder stands for, names and templates.
    pub fn headers_with(&self, placeholder: &str) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.headers.iter();
        headers
            .filter(move |(_, text)| names(text, placeholder))
            .map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// Changes how a target is started.
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

/// What a target limits by itself, so that the suite paces the scenarios that are not about limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// For one client.
    pub session: Option<Rate>,
    /// For all clients of one server together.
    pub global: Option<Rate>,
}

/// The variables of the suite's environment that a text names.
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
