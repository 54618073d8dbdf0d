//! The command line and the environment, validated before the server starts.
//!
//! Flags, variables and defaults are those of HashiCorp's vault-mcp-server, so that this server can replace it. An
//! empty variable counts as unset.

mod credentials;
mod gates;
mod http;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use clap::{Args, Parser, Subcommand};
use reqwest::Url;
use thiserror::Error;

pub use self::credentials::{AuthoritySetting, CredentialsError, TokenOrigin};
pub use self::http::GuardError;
#[cfg(unix)]
use crate::session::{self, SessionArgs};
use crate::{
    http::{host::AllowedHosts, origin::AllowedOrigins, tls::Tls},
    limits::{RateError, Rates},
    log::LogArgs,
    vault::{
        access::Access,
        namespace::{Namespace, NamespaceError},
    },
};

const DEFAULT_VAULT_ADDR: &str = "http://127.0.0.1:8200";
const DEFAULT_HOST: &str = "127.0.0.1";
const DEFAULT_PORT: u16 = 8080;
const DEFAULT_ENDPOINT: &str = "/mcp";
/// The path of the health check of the HTTP transport.
pub const HEALTH_PATH: &str = "/health";

const ENVIRONMENT_HELP: &str = "\
Environment:
  VAULT_ADDR       where Vault listens [default: http://127.0.0.1:8200]
  VAULT_TOKEN      the server's token (no flag, because other users can see flags); optional over
                   HTTP: without it each request must bring its own token
  VAULT_TOKEN_FILE a file with the token in place of VAULT_TOKEN, as --vault-token-file; it is read
                   before each request to Vault, so a new token takes effect at once
  VAULT_TOKEN_RENEW
                   `true` renews that token after two thirds of its life [default: false]; it needs
                   `read` on auth/token/lookup-self and `update` on auth/token/renew-self, which
                   the policy `default` grants
  VAULT_CACERT     a PEM file with the CA certificates that verify Vault's certificate [default: those
                   of this machine]; verification cannot be disabled
  VAULT_NAMESPACE  the namespace to work in (Vault Enterprise)
  ENABLE_VAULT_OPERATIONS
                   `false` makes the server read-only: tools that change Vault are not listed and
                   return an error, and the server sends Vault only reads, and the renewals of
                   VAULT_TOKEN_RENEW [default: true]
  MCP_RATE_LIMIT_SESSION, MCP_RATE_LIMIT_GLOBAL
                   tool calls a second, and at once, of each session and of all clients
                   [default: 5:10 and 10:20]. A call beyond them returns an error that says when
                   to retry. In the era without sessions each token has the limit of a session,
                   over stdio the process. Only tool calls count
  MCP_LOG_FILE, MCP_LOG_FORMAT
                   as --log-file and --log-format
  TRANSPORT_MODE   `stdio`, `streamable-http` or `http`, if no subcommand is given
  TRANSPORT_HOST, TRANSPORT_PORT, MCP_ENDPOINT
                   as the flags of `streamable-http`; if no subcommand is given, any of them selects it
  MCP_SESSION_MODE `stateless`: clients of every revision are served without sessions, so that any of
                   several servers behind a balancer can answer; the limit of a session is then that of
                   a token [default: stateful]
  MCP_ALLOWED_ORIGINS
                   web pages that may call over HTTP: their origins, separated by commas, each
                   exactly as a browser sends it [default: none]
  MCP_CORS_MODE    `strict`: those alone; `development`: also pages that this machine serves to
                   itself (`localhost`, `127.0.0.1`, `[::1]`, any port) [default: strict].
                   There is no `disabled`, because any page in a browser could use the token.
  MCP_ALLOWED_HOSTS
                   host names of the server for clients, separated by commas, besides those of
                   loopback and the address to listen on; for 0.0.0.0, and behind a proxy
  MCP_TLS_CERT_FILE, MCP_TLS_KEY_FILE
                   PEM files of the certificate, with the chain to its CA, and of its key, not
                   encrypted; read at the start. Without TLS the server listens on loopback only.

Headers of a request over HTTP:
  X-Vault-Token      the token for this request, in place of the server's; a session belongs to the
                     token that opened it
  X-Vault-Namespace  the namespace to work in, in place of VAULT_NAMESPACE; with the server's token
                     it must be that one or one below it

Examples:
  VAULT_TOKEN=... vault-mcp-reference
      serve one client over stdin and stdout
  VAULT_TOKEN=... vault-mcp-reference streamable-http --transport-port 9000
      serve http://127.0.0.1:9000/mcp
  VAULT_TOKEN=... MCP_TLS_CERT_FILE=cert.pem MCP_TLS_KEY_FILE=key.pem \\
  MCP_ALLOWED_HOSTS=mcp.example.com vault-mcp-reference http --transport-host 0.0.0.0
      serve https://mcp.example.com:8080/mcp to every client that reaches it; requests without a
      token act with the server's token
  VAULT_MCP_TOKEN=... vault-mcp-reference session -- code --wait .
      run an editor with a token that is revoked when the editor ends; see `session --help`

The log has one line for each tool call, with the correlation id that is also in Vault's audit log
(X-Correlation-Id) and in the error of the call.

Give the server a token with the least rights that its tools need. Reading secrets below `secret/`:
  path \"secret/data/*\"     { capabilities = [\"read\"] }
  path \"secret/metadata/*\" { capabilities = [\"list\", \"read\"] }
Writing them, and deleting, restoring and destroying versions:
  path \"secret/data/*\"     { capabilities = [\"create\", \"read\", \"update\", \"delete\"] }
  path \"secret/metadata/*\" { capabilities = [\"list\", \"read\", \"delete\"] }
  path \"secret/undelete/*\" { capabilities = [\"update\"] }
  path \"secret/destroy/*\"  { capabilities = [\"update\"] }
Creating, removing and listing all mounts:
  path \"sys/mounts\"        { capabilities = [\"read\"] }
  path \"sys/mounts/*\"      { capabilities = [\"create\", \"update\", \"delete\"] }
Making a CA in the PKI engine at `pki/` and deciding on its roles:
  path \"sys/mounts/pki\"      { capabilities = [\"update\"] }
  path \"pki/root/generate/*\" { capabilities = [\"update\"] }
  path \"pki/roles/*\"         { capabilities = [\"list\", \"read\", \"update\", \"delete\"] }
Issuing, signing and revoking certificates, and looking at what there is (the list of issuers is public):
  path \"pki/issue/*\"         { capabilities = [\"update\"] }
  path \"pki/sign/*\"          { capabilities = [\"update\"] }
  path \"pki/revoke\"          { capabilities = [\"update\"] }
  path \"pki/certs\"           { capabilities = [\"list\"] }
  path \"pki/issuer/*\"        { capabilities = [\"read\"] }
No tool that works on secrets or certificates needs to read `sys/mounts`, and none needs `sys/capabilities-self`.";

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "vault-mcp-reference",
    version,
    about = "A minimal MCP server for HashiCorp Vault",
    long_about = "A minimal MCP server for HashiCorp Vault: list, create and delete mounts; list, read, write \
                  and delete secrets and their versions in KV engines of both versions. Serves over stdio by \
                  default.",
    after_long_help = ENVIRONMENT_HELP,
    after_help = "--help shows the environment variables and examples."
)]
pub struct Cli {
    /// What is logged, how and where.
    #[command(flatten)]
    pub log: LogArgs,

    /// A file with the token to act with, in place of VAULT_TOKEN [env: VAULT_TOKEN_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub vault_token_file: Option<String>,

    /// The subcommand; serve by default
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// The value of a flag, by the name of the variable that the flag replaces.
    pub fn flag(&self, variable: &str) -> Option<String> {
        match variable {
            "VAULT_TOKEN_FILE" => self.vault_token_file.clone(),
            _ => None,
        }
    }
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve MCP clients.
    #[command(flatten)]
    Serve(TransportCommand),
    /// Run a command with a Vault token, and revoke the token when it ends
    #[cfg(unix)]
    #[command(long_about = session::LONG_ABOUT, after_long_help = session::EXAMPLES)]
    Session(SessionArgs),
}

/// A transport, as the command line names it.
#[derive(Debug, Subcommand)]
pub enum TransportCommand {
    /// Serve one client over stdin and stdout (the default)
    Stdio,
    /// Serve many clients over HTTP
    #[command(visible_alias = "http")]
    StreamableHttp(HttpArgs),
}

/// Flags of the HTTP transport.
#[derive(Debug, Default, Args)]
pub struct HttpArgs {
    /// The address to listen on; other than loopback only with TLS [env: TRANSPORT_HOST] [default: 127.0.0.1]
    #[arg(long)]
    pub transport_host: Option<String>,
    /// The port to listen on, 0 for any that is free [env: TRANSPORT_PORT] [default: 8080]
    #[arg(short = 'p', long)]
    pub transport_port: Option<String>,
    /// The path of the MCP endpoint [env: MCP_ENDPOINT] [default: /mcp]
    #[arg(long)]
    pub mcp_endpoint: Option<String>,
}

/// Why a configuration is invalid.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// There is no token. Over stdio requests cannot bring one, so the server needs its own.
    #[error(
        "neither VAULT_TOKEN nor VAULT_TOKEN_FILE is set: give the server a Vault token with the least rights that its tools need"
    )]
    NoToken,
    /// The token or the CA certificates are unusable.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The namespace is invalid.
    #[error("VAULT_NAMESPACE cannot be used: {0}")]
    Namespace(#[from] NamespaceError),
    /// `ENABLE_VAULT_OPERATIONS` is not a boolean.
    #[error("ENABLE_VAULT_OPERATIONS is {0:?}; it can be `true` or `1`, `false` or `0`")]
    Operations(String),
    /// A rate limit is invalid.
    #[error("{name} is {value:?}; {error}")]
    RateLimit {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// The valid values.
        error: RateError,
    },
    /// The address of Vault is invalid. It may contain credentials, so the message does not quote it.
    #[error(
        "VAULT_ADDR is not an address of Vault: {0}; it looks like https://vault.example.com:8200"
    )]
    VaultAddr(String),
    /// `TRANSPORT_MODE` names no transport.
    #[error("TRANSPORT_MODE is {0:?}; it can be `stdio`, `streamable-http` or `http`")]
    TransportMode(String),
    /// The host to listen on is not an address.
    #[error(
        "the host to listen on is {0:?}; it can be an IP address or `localhost` (--transport-host, TRANSPORT_HOST)"
    )]
    Host(String),
    /// The host to listen on is not a loopback address, and there is no TLS.
    #[error(
        "{0} is not a loopback address, and without TLS tokens and secrets would cross the network in clear: set MCP_TLS_CERT_FILE and MCP_TLS_KEY_FILE, or listen on 127.0.0.1 or ::1"
    )]
    NotLoopback(IpAddr),
    /// The port is invalid.
    #[error(
        "the port to listen on is {0:?}; it can be a number from 0 to 65535 (--transport-port, TRANSPORT_PORT)"
    )]
    Port(String),
    /// The endpoint is not a plain path.
    #[error(
        "the endpoint is {0:?}; it can be a path of letters, digits, `-`, `_`, `.` and `/`, other than {HEALTH_PATH} (--mcp-endpoint, MCP_ENDPOINT)"
    )]
    Endpoint(String),
    /// A setting that protects the HTTP transport is invalid.
    #[error(transparent)]
    Guard(#[from] GuardError),
}

/// Where the HTTP transport listens, and the settings that protect it.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// A loopback address unless TLS is configured; port 0 means any free port.
    pub address: SocketAddr,
    /// The path of the MCP endpoint, with a leading slash and no trailing slash.
    pub endpoint: String,
    /// Whether clients of revisions with sessions get sessions.
    pub has_sessions: bool,
    /// The origins of web pages that may call.
    pub origins: AllowedOrigins,
    /// The host names under which clients may call the server.
    pub hosts: AllowedHosts,
    /// TLS for client connections.
    pub tls: Option<Tls>,
}

/// How clients reach the server.
#[derive(Debug, Clone)]
pub enum Transport {
    /// One client, over stdin and stdout.
    Stdio,
    /// Many clients, over HTTP.
    Http(HttpOptions),
}

/// A valid configuration.
pub struct Config {
    /// The address of Vault. It may contain credentials: display [`Self::shown_vault_addr`] instead.
    pub vault_addr: Url,
    /// The source of the server's token; without a token each request must bring its own.
    pub token: Option<TokenOrigin>,
    /// Whether the server renews that token.
    pub renew_token: bool,
    /// The CA certificates that Vault's certificate is verified with.
    pub authorities: AuthoritySetting,
    /// The namespace that the server uses by default.
    pub namespace: Option<Namespace>,
    /// Whether the server may change Vault.
    pub access: Access,
    /// The rate limits for tool calls.
    pub rates: Rates,
    /// How clients reach the server.
    pub transport: Transport,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("vault_addr", &self.shown_vault_addr())
            .field("namespace", &self.namespace)
            .field("access", &self.access)
            .field("rates", &self.rates)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Combines the command line and the environment, and validates the result.
    ///
    /// # Errors
    /// [`ConfigError`] names the invalid setting and the valid values.
    pub fn new(
        transport: Option<TransportCommand>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        let transport = match transport {
            Some(TransportCommand::Stdio) => Transport::Stdio,
            Some(TransportCommand::StreamableHttp(args)) => {
                Transport::Http(http_options(args, env)?)
            }
            None if http_is_chosen(env)? => {
                Transport::Http(http_options(HttpArgs::default(), env)?)
            }
            None => Transport::Stdio,
        };
        let token = TokenOrigin::new(env)?;
        if token.is_none() && matches!(transport, Transport::Stdio) {
            return Err(ConfigError::NoToken);
        }
        let vault_addr =
            vault_addr(&env("VAULT_ADDR").unwrap_or_else(|| DEFAULT_VAULT_ADDR.to_owned()))?;
        Ok(Self {
            renew_token: credentials::renewal(env, token.as_ref())?,
            token,
            authorities: AuthoritySetting::new(env, &vault_addr)?,
            vault_addr,
            namespace: gates::namespace(env)?,
            access: gates::access(env)?,
            rates: gates::rates(env)?,
            transport,
        })
    }

    /// Whether the token and the secrets leave this machine without TLS.
    pub fn token_crosses_in_clear(&self) -> bool {
        let host = self.vault_addr.host_str().unwrap_or_default();
        let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
        self.vault_addr.scheme() == "http"
            && host != "localhost"
            && !ip.is_ok_and(|ip| ip.is_loopback())
    }

    /// Whether other machines can reach the server.
    pub fn is_open_to_the_network(&self) -> bool {
        match &self.transport {
            Transport::Http(options) => !options.address.ip().is_loopback(),
            Transport::Stdio => false,
        }
    }

    /// Vault's address without the credentials, the path and the query that it may contain.
    pub fn shown_vault_addr(&self) -> String {
        self.vault_addr.origin().ascii_serialization()
    }
}

fn vault_addr(text: &str) -> Result<Url, ConfigError> {
    let reject = |reason: &str| Err(ConfigError::VaultAddr(reason.to_owned()));
    let url = Url::parse(text).map_err(|error| ConfigError::VaultAddr(error.to_string()))?;
    match url.scheme() {
        "http" | "https" if url.query().is_some() || url.fragment().is_some() => {
            reject("it has a query or a fragment")
        }
        "http" | "https" => Ok(url),
        _ => reject("it is neither http nor https"),
    }
}

fn http_is_chosen(env: impl Fn(&str) -> Option<String>) -> Result<bool, ConfigError> {
    match env("TRANSPORT_MODE").as_deref() {
        Some("http" | "streamable-http") => Ok(true),
        Some("stdio") => Ok(false),
        Some(other) => Err(ConfigError::TransportMode(other.to_owned())),
        None => Ok(["TRANSPORT_HOST", "TRANSPORT_PORT", "MCP_ENDPOINT"]
            .into_iter()
            .any(|name| env(name).is_some())),
    }
}

fn http_options(
    args: HttpArgs,
    env: impl Fn(&str) -> Option<String>,
) -> Result<HttpOptions, ConfigError> {
    let host = args
        .transport_host
        .or_else(|| env("TRANSPORT_HOST"))
        .unwrap_or_else(|| DEFAULT_HOST.to_owned());
    let ip = match host.trim_start_matches('[').trim_end_matches(']') {
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        text => text.parse().map_err(|_| ConfigError::Host(host.clone()))?,
    };
    let tls = http::tls(&env)?;
    if !ip.is_loopback() && tls.is_none() {
        return Err(ConfigError::NotLoopback(ip));
    }
    let port = match args.transport_port.or_else(|| env("TRANSPORT_PORT")) {
        Some(text) => text.parse().map_err(|_| ConfigError::Port(text))?,
        None => DEFAULT_PORT,
    };
    let endpoint = args
        .mcp_endpoint
        .or_else(|| env("MCP_ENDPOINT"))
        .unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned());
    Ok(HttpOptions {
        address: SocketAddr::new(ip, port),
        endpoint: checked_endpoint(endpoint)?,
        has_sessions: http::has_sessions(&env)?,
        origins: http::origins(&env)?,
        hosts: http::hosts(&env, ip)?,
        tls,
    })
}

/// With one leading slash and no trailing slash.
fn checked_endpoint(text: String) -> Result<String, ConfigError> {
    let path = format!("/{}", text.trim_matches('/'));
    let plain = |segment: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !matches!(segment, "" | "." | "..") && segment.bytes().all(allowed)
    };
    if path == HEALTH_PATH || !path.split('/').skip(1).all(plain) {
        return Err(ConfigError::Endpoint(text));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(line: &[&str], env: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let cli = Cli::try_parse_from(["vault-mcp-reference"].iter().chain(line)).unwrap();
        let transport = cli.command.map(|command| match command {
            Command::Serve(transport) => transport,
            #[cfg(unix)]
            Command::Session(_) => unreachable!("no test of the configuration starts one"),
        });
        Config::new(transport, |name| {
            let default = (name == "VAULT_TOKEN").then(|| "hvs.canary".to_owned());
            env.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
                .or(default)
        })
    }

    fn http(line: &[&str], env: &[(&str, &str)]) -> String {
        match config(line, env).unwrap().transport {
            Transport::Http(options) => format!("{}{}", options.address, options.endpoint),
            Transport::Stdio => "stdio".to_owned(),
        }
    }

    #[test]
    fn stdio_is_the_default_and_http_has_the_defaults_of_the_official_server() {
        assert_eq!(http(&[], &[]), "stdio");
        assert_eq!(http(&["stdio"], &[("TRANSPORT_PORT", "9")]), "stdio");
        assert_eq!(http(&["streamable-http"], &[]), "127.0.0.1:8080/mcp");
        assert_eq!(http(&["http"], &[]), "127.0.0.1:8080/mcp");
    }

    #[test]
    fn the_environment_chooses_http_where_no_subcommand_does() {
        assert_eq!(
            http(&[], &[("TRANSPORT_MODE", "http")]),
            "127.0.0.1:8080/mcp"
        );
        assert_eq!(
            http(&[], &[("TRANSPORT_PORT", "9000")]),
            "127.0.0.1:9000/mcp"
        );
        assert_eq!(http(&[], &[("TRANSPORT_HOST", "::1")]), "[::1]:8080/mcp");
        assert_eq!(
            http(&[], &[("MCP_ENDPOINT", "vault/mcp/")]),
            "127.0.0.1:8080/vault/mcp"
        );
        assert_eq!(
            http(
                &[],
                &[("TRANSPORT_MODE", "stdio"), ("TRANSPORT_PORT", "9000")]
            ),
            "stdio"
        );
        assert_eq!(http(&[], &[("TRANSPORT_MODE", "")]), "stdio");
    }

    #[test]
    fn a_flag_wins_over_the_environment() {
        assert_eq!(
            http(
                &["http", "-p", "1", "--transport-host", "localhost"],
                &[("TRANSPORT_PORT", "9000")]
            ),
            "127.0.0.1:1/mcp"
        );
    }

    #[test]
    fn a_bad_setting_is_refused_by_name() {
        for (env, expected) in [
            (("VAULT_TOKEN", ""), "VAULT_TOKEN"),
            (("VAULT_ADDR", "vault:8200"), "VAULT_ADDR"),
            (("VAULT_ADDR", "127.0.0.1:8200"), "VAULT_ADDR"),
            (("VAULT_ADDR", "http://vault/?a=b"), "VAULT_ADDR"),
            (("TRANSPORT_MODE", "sse"), "TRANSPORT_MODE"),
            (("TRANSPORT_HOST", "vault.example.com"), "TRANSPORT_HOST"),
            (("TRANSPORT_HOST", "0.0.0.0"), "loopback"),
            (("TRANSPORT_HOST", "192.0.2.1"), "loopback"),
            (("TRANSPORT_PORT", "65536"), "TRANSPORT_PORT"),
            (("MCP_ENDPOINT", "/{*any}"), "MCP_ENDPOINT"),
            (("MCP_ENDPOINT", "/health"), "MCP_ENDPOINT"),
            (("MCP_ENDPOINT", "/"), "MCP_ENDPOINT"),
            (("VAULT_NAMESPACE", "team/../a"), "VAULT_NAMESPACE"),
        ] {
            let message = config(&[], &[env]).unwrap_err().to_string();
            assert!(message.contains(expected), "{env:?}: {message}");
        }
    }

    #[test]
    fn a_token_can_be_left_out_where_a_request_can_bring_one() {
        let none = ("VAULT_TOKEN", "");
        assert!(config(&["http"], &[none]).unwrap().token.is_none());
        assert!(config(&["http"], &[]).unwrap().token.is_some());
        assert!(matches!(
            config(&["stdio"], &[none]),
            Err(ConfigError::NoToken)
        ));
    }

    #[test]
    fn a_bad_guard_of_the_http_transport_is_refused_by_name() {
        for (env, expected) in [
            (("MCP_SESSION_MODE", "none"), "MCP_SESSION_MODE is \"none\""),
            (("MCP_CORS_MODE", "open"), "MCP_CORS_MODE is \"open\""),
            (("MCP_CORS_MODE", "Strict"), "MCP_CORS_MODE"),
            (("MCP_CORS_MODE", "disabled"), "MCP_ALLOWED_ORIGINS"),
            (
                ("MCP_ALLOWED_ORIGINS", "null"),
                "MCP_ALLOWED_ORIGINS: \"null\"",
            ),
            (("MCP_ALLOWED_HOSTS", "*"), "MCP_ALLOWED_HOSTS: \"*\""),
            (("MCP_TLS_CERT_FILE", "a"), "MCP_TLS_KEY_FILE is not"),
            (("MCP_TLS_KEY_FILE", "a"), "MCP_TLS_CERT_FILE is not"),
        ] {
            let message = config(&["http"], &[env]).unwrap_err().to_string();
            assert!(message.contains(expected), "{env:?}: {message}");
            assert!(config(&["stdio"], &[env]).is_ok(), "{env:?}");
        }
        let both = [
            ("MCP_TLS_CERT_FILE", "/absent/cert"),
            ("MCP_TLS_KEY_FILE", "/absent/key"),
        ];
        let message = config(&["http"], &both).unwrap_err().to_string();
        assert!(message.contains("MCP_TLS_CERT_FILE"), "{message}");
        assert!(message.contains("/absent/cert"), "{message}");
    }

    #[test]
    fn pages_of_this_machine_may_call_in_development_alone() {
        let origins = |env: &[(&str, &str)]| match config(&["http"], env).unwrap().transport {
            Transport::Http(options) => options.origins,
            Transport::Stdio => unreachable!(),
        };
        let listed = ("MCP_ALLOWED_ORIGINS", "https://app.example");
        let development = ("MCP_CORS_MODE", "development");
        for (env, app, local) in [
            (&[][..], false, false),
            (&[("MCP_CORS_MODE", "strict")], false, false),
            (&[listed], true, false),
            (&[development], false, true),
            (&[listed, development], true, true),
        ] {
            let origins = origins(env);
            assert_eq!(origins.contains("https://app.example"), app, "{env:?}");
            assert_eq!(origins.contains("http://localhost:6274"), local, "{env:?}");
            assert!(!origins.contains("https://evil.example"), "{env:?}");
        }
    }

    #[test]
    fn neither_the_token_nor_credentials_in_the_address_are_shown() {
        let addr = ("VAULT_ADDR", "https://user:pa55@vault.test:8200/prefix");
        let config = config(&[], &[addr]).unwrap();
        assert_eq!(config.shown_vault_addr(), "https://vault.test:8200");
        let shown = format!("{config:?}");
        assert!(
            !shown.contains("pa55") && !shown.contains("hvs.canary"),
            "{shown}"
        );
        let refused = ("VAULT_ADDR", "https://user:pa55@vault.test:82000");
        let message = self::config(&[], &[refused]).unwrap_err().to_string();
        assert!(!message.contains("pa55"), "{message}");
    }

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
