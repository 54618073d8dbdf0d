//! A running target: its process, and one connection to it.

pub mod answer;
pub(crate) mod container;
pub mod locate;
pub(crate) mod process;
mod ready;
pub mod setup;
mod sockets;
pub mod token_file;

use std::{
    collections::BTreeMap,
    fmt,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    pin::pin,
    process::{ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use reqwest::{
    Certificate,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::{
    process::Command,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::{
    adapter::{
        Adapter,
        launch::{HttpLaunch, Launch, Remote, variables},
        template,
    },
    instance::{
        container::Container,
        process::Process,
        ready::{NotReady, Probe},
        setup::Setup,
        token_file::TokenFile,
    },
    mcp::{
        connection::{Connection, Patience, ServerInfo, Wire},
        http::HttpWire,
        inbox::AnswerFilter,
        pace::Pace,
        raw::RawHttp,
        stdio::{StdioWire, record_log},
        transcript::{IDS_OF_A_CONNECTION, Speaker, Transcript},
    },
    ports::free_port,
    redact::Secrets,
    transport::{Revision, TransportKind},
};

/// The variables of the suite's environment that a target receives. All others are left out, so that no `VAULT_*` or
/// `MCP_*` variable of the user changes how a target behaves.
const INHERITED: [&str; 16] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SHELL",
    "SystemRoot",
    "APPDATA",
    "LOCALAPPDATA",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
];

/// How the error of a server begins that does not start.
pub(crate) const NOT_STARTED: &str = "the server does not start";
/// How the error of a running server begins that the suite cannot use.
const NOT_USABLE: &str = "the server cannot be used";

/// How long a process may take to end after its connection has ended.
const END: Duration = Duration::from_secs(2);

/// How long an answer may be in transit after its sender has ended, and how long an unrelated end may stay unseen.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How long the suite waits for a process whose connection has ended.
const ENDING: Duration = Duration::from_secs(10);

/// How long the log of an ended process is read. It is read to its end, unless another process keeps it open.
const LOG_READ: Duration = Duration::from_secs(5);

/// What a target is started with.
#[derive(Clone)]
pub struct LaunchContext {
    /// The Vault address for the target: the address of the tap.
    pub vault_addr: String,
    /// The Vault token for the target.
    pub token: SecretString,
    /// How the target is set up.
    pub setup: Setup,
    /// The command that starts the target's command, if any.
    pub started_by: Vec<String>,
    /// Changes the target's answers on their way to the suite, if present.
    pub filter: Option<Arc<dyn AnswerFilter>>,
    /// The limit for the suite's requests, over all instances.
    pub pace: Option<Arc<Pace>>,
}

/// What belongs to a running target, and is removed with it.
#[derive(Debug, Default)]
struct OwnedResources {
    /// `None` for a target that the suite did not start.
    process: Option<Process>,
    container: Option<Container>,
    token_file: Option<TokenFile>,
}

impl OwnedResources {
    fn ended(&mut self) -> Option<ExitStatus> {
        self.process.as_mut()?.ended()
    }

    async fn ends_within(&mut self, time: Duration) -> Option<ExitStatus> {
        self.process.as_mut()?.ends_within(time).await
    }

    /// Ends the process and removes the rest: sends SIGTERM, waits a little, then kills.
    async fn end(&mut self) -> Result<(), String> {
        // A container does not always end with the command that runs it.
        let removed = match self.container.take() {
            Some(container) => container.remove().await,
            None => Ok(()),
        };
        if let Some(process) = &mut self.process {
            process.end().await?;
        }
        removed
    }
}

/// How to open another connection to the same target.
#[derive(Clone)]
struct Respawn {
    adapter: Adapter,
    program: Option<PathBuf>,
    surroundings: LaunchContext,
    transcript: Arc<Transcript>,
    /// How many further connections there were.
    others: Arc<AtomicU64>,
}

impl fmt::Debug for Respawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Again").finish_non_exhaustive()
    }
}

/// A connection without any message so far, and over stdio its process.
#[derive(Debug)]
pub struct RawConnection {
    belongings: OwnedResources,
    /// The connection.
    pub connection: Connection,
}

impl RawConnection {
    /// Closes the standard input of the process. Over HTTP it does nothing.
    pub async fn close_input(&self) {
        if let Wire::Stdio(wire) = self.connection.wire() {
            wire.close().await;
        }
    }

    /// Sends SIGTERM to the process, as a supervisor does.
    pub fn terminate(&self) {
        if let Some(process) = &self.belongings.process {
            process.terminate();
        }
    }

    /// The exit status of the process, if it ends within this time.
    pub async fn ends_within(&mut self, time: Duration) -> Option<ExitStatus> {
        self.belongings.ends_within(time).await
    }

    /// Ends and removes everything that belongs to the connection.
    ///
    /// # Errors
    /// If the process cannot be ended.
    pub async fn stop(mut self) -> Result<(), String> {
        self.belongings.end().await
    }
}

/// A running target that has answered `initialize` and `tools/list`.
#[derive(Debug)]
pub struct Instance {
    belongings: OwnedResources,
    again: Respawn,
    /// The connection to the target.
    pub connection: Connection,
    /// What the target reports about itself.
    pub server: ServerInfo,
    /// The tools that the target lists.
    pub tools: Vec<Value>,
    /// The names of the tools.
    pub tool_names: Vec<String>,
    /// The credentials that the suite sends to a target that already runs.
    pub credentials: Vec<SecretString>,
    /// The tasks that read its logs.
    logs: Vec<JoinHandle<()>>,
}

/// Why a target is not usable.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.describe())]
pub struct StartError {
    /// The command, or the address of a target that already runs.
    command: String,
    problem: String,
    /// Whether the process ended unexpectedly.
    pub(crate) ended: bool,
    /// Whether its output contains its Vault token, or a credential of the suite.
    pub(crate) said_secret: bool,
    stdout: Vec<String>,
    stderr: Vec<String>,
}

impl StartError {
    /// Whether the target runs, and was to use TLS, but does not.
    pub(crate) fn serves_without_tls(&self) -> bool {
        // rustls says so of a connection whose other end sends something else.
        [ready::NO_TLS, "InvalidContentType"]
            .iter()
            .any(|words| self.problem.contains(words))
    }

    fn describe(&self) -> String {
        let mut text = format!("{}\n  {}", self.problem, self.command);
        for (stream, lines) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            for line in lines {
                let line: String = line.chars().take(500).collect();
                text.push_str(&format!("\n  {stream}    {line}"));
            }
        }
        if !self.stdout.is_empty() {
            text.push_str(
                "\n  its standard output must carry nothing but MCP messages: send logs to standard error",
            );
        }
        text
    }
}

impl Instance {
    /// Starts a target, unless it already runs. Connects to it and lists its tools.
    ///
    /// `program` is the target's program, or `docker` for a target in a container.
    ///
    /// # Errors
    /// If the target cannot be run, ends, is not ready or does not answer within its budget.
    pub async fn start(
        adapter: &Adapter,
        program: Option<PathBuf>,
        transport: TransportKind,
        revision: Option<Revision>,
        surroundings: &LaunchContext,
    ) -> Result<Self, StartError> {
        let transcript = Arc::new(Transcript::default());
        let again = Respawn {
            adapter: adapter.clone(),
            program: program.clone(),
            surroundings: surroundings.clone(),
            transcript: Arc::clone(&transcript),
            others: Arc::default(),
        };
        let mut starting = Starting {
            adapter,
            program,
            surroundings,
            transcript: Arc::clone(&transcript),
            command: String::new(),
            logs: Vec::new(),
            belongings: OwnedResources::default(),
            credentials: Vec::new(),
        };
        let begun = match (transport, &adapter.stdio, &adapter.http, &adapter.remote) {
            (TransportKind::Stdio, Some(launch), ..) => starting.stdio(launch).await,
            (TransportKind::Http, _, Some(launch), _) => starting.http(launch).await,
            (TransportKind::Http, .., Some(remote)) => starting.remote(remote),
            _ => Err(format!("the adapter has no [{transport}]")),
        };
        let ready = match begun {
            Ok(connection) => starting.begin(connection, revision).await,
            Err(problem) => Err(problem),
        };
        let (mut belongings, credentials) = (starting.belongings, starting.credentials);
        let ended = ready.is_err() && belongings.ended().is_some();
        if ready.is_err() {
            // What cannot be removed here is noted, and the next run removes it.
            let _ = belongings.end().await;
            read_out(&mut starting.logs).await;
        }
        let mut secrets = Secrets::default();
        secrets.add("server's Vault token", surroundings.token.clone());
        for credential in &credentials {
            secrets.add("client's credential", credential.clone());
        }
        let logs = starting.logs;
        let (server, tools, connection) = ready.map_err(|problem| {
            let said = |speaker, count| {
                let lines = transcript.last_words(speaker, count);
                lines
                    .iter()
                    .map(|line| secrets.redact(line))
                    .collect::<Vec<_>>()
            };
            let (stdout, stderr) = (said(Speaker::Noise, 5), said(Speaker::Log, 10));
            let what = match adapter.remote {
                Some(_) => NOT_USABLE,
                None => NOT_STARTED,
            };
            let hint = match hint_about_http(&problem) {
                Some(hint) if transport == TransportKind::Http => hint.to_owned(),
                _ => hint(adapter, &stderr),
            };
            let lines = transcript.lines();
            let mut of_target = lines.iter().filter(|line| line.speaker.is_target());
            StartError {
                said_secret: of_target.any(|line| secrets.found_in(&line.text).is_some()),
                problem: format!("{what}: {}{hint}", secrets.redact(&problem)),
                ended,
                stdout,
                stderr,
                command: starting.command,
            }
        })?;
        let names = tools.iter().filter_map(|tool| tool["name"].as_str());
        Ok(Self {
            belongings,
            again,
            tool_names: names.map(str::to_owned).collect(),
            connection,
            server,
            tools,
            credentials,
            logs,
        })
    }

    /// Opens another connection to the same target, without any message so far; over stdio with a process of its own.
    /// Its messages go to the same transcript.
    ///
    /// # Errors
    /// If the target does not start.
    pub async fn another(&self) -> Result<RawConnection, String> {
        self.another_with(&[]).await
    }

    /// Like [`Self::another`], with headers that replace those of the adapter or a mode with the same name. A header
    /// with an empty value is not sent.
    ///
    /// # Errors
    /// If the target does not start, a header cannot be sent, or there are headers and the transport is not HTTP.
    pub async fn another_with(
        &self,
        headers: &[(String, SecretString)],
    ) -> Result<RawConnection, String> {
        let adapter = &self.again.adapter;
        let mut starting = Starting {
            adapter,
            program: self.again.program.clone(),
            surroundings: &self.again.surroundings,
            transcript: Arc::clone(&self.again.transcript),
            command: String::new(),
            logs: Vec::new(),
            belongings: OwnedResources::default(),
            credentials: Vec::new(),
        };
        let connection = match (self.connection.wire(), &adapter.stdio) {
            (Wire::Stdio(_), _) if !headers.is_empty() => {
                return Err("there are no headers on a connection over stdio".to_owned());
            }
            (Wire::Stdio(_), Some(launch)) => starting.stdio(launch).await?,
            (Wire::Stdio(_), None) => return Err("the adapter has no [stdio]".to_owned()),
            (Wire::Http(wire), _) => starting.same_endpoint(wire, headers)?,
        };
        let others = self.again.others.fetch_add(1, Ordering::Relaxed) + 1;
        connection.count_from(others.saturating_mul(IDS_OF_A_CONNECTION));
        Ok(RawConnection {
            belongings: starting.belongings,
            connection,
        })
    }

    /// Writes another token into the target's token file.
    ///
    /// # Errors
    /// If the target has no token file, or the file cannot be written.
    pub async fn change_token_file(&self, token: &SecretString) -> Result<(), String> {
        let file = self.belongings.token_file.as_ref();
        let file = file.ok_or("the adapter does not name {vault_token_file}")?;
        file.change(token.clone()).await
    }

    /// The endpoint, for requests that no client makes; `None` over stdio.
    #[must_use]
    pub fn endpoint(&self) -> Option<RawHttp> {
        self.connection.http()
    }

    /// The address of the endpoint; `None` over stdio.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        match self.connection.wire() {
            Wire::Stdio(_) => None,
            Wire::Http(wire) => Some(wire.endpoint().0),
        }
    }

    /// The headers of every request to the endpoint.
    #[must_use]
    pub fn headers(&self) -> HeaderMap {
        match self.connection.wire() {
            Wire::Stdio(_) => HeaderMap::new(),
            Wire::Http(wire) => wire.endpoint().1.clone(),
        }
    }

    /// `HOST:PORT` of the endpoint; `None` over stdio.
    #[must_use]
    pub fn authority(&self) -> Option<String> {
        let uri: http::Uri = self.url()?.parse().ok()?;
        uri.authority().map(ToString::to_string)
    }

    /// The path of the endpoint; `None` over stdio.
    #[must_use]
    pub fn path(&self) -> Option<String> {
        let uri: http::Uri = self.url()?.parse().ok()?;
        Some(uri.path().to_owned())
    }

    /// The TCP ports on which the process and its children listen. `None` if they cannot be seen: in a container, or on
    /// a system without `/proc`.
    pub async fn listens_on(&self) -> Option<Vec<u16>> {
        let process = self.belongings.process.as_ref()?;
        match self.belongings.container {
            Some(_) => None,
            None => process.listens_on().await,
        }
    }

    /// The exit status of the process, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.belongings.ended()
    }

    /// The exit status of the process, if it ends within a moment. A closed connection is seen before the process
    /// behind it ends.
    pub async fn ends(&mut self) -> Option<ExitStatus> {
        self.belongings.ends_within(END).await
    }

    /// Ends the process with SIGTERM, kills it after a little while, and reads its log to the end.
    ///
    /// # Errors
    /// If it cannot be ended.
    pub async fn stop(&mut self) -> Result<(), String> {
        let ended = self.belongings.end().await;
        read_out(&mut self.logs).await;
        ended
    }
}

/// Reads the logs of an ended process to their end. If the process does not end, its log so far has been read.
async fn read_out(logs: &mut Vec<JoinHandle<()>>) {
    let logs = futures::future::join_all(std::mem::take(logs));
    let _ = timeout(LOG_READ, logs).await;
}

/// A command of the target that is not a server, and that ends by itself.
#[derive(Debug)]
pub struct Launched {
    belongings: OwnedResources,
    transcript: Arc<Transcript>,
    logs: Vec<JoinHandle<()>>,
}

impl Launched {
    /// Starts the command.
    ///
    /// # Errors
    /// If it cannot be run.
    pub async fn start(
        adapter: &Adapter,
        program: Option<PathBuf>,
        surroundings: LaunchContext,
    ) -> Result<Self, String> {
        let http = adapter.http.as_ref().map(HttpLaunch::launch);
        let launch = adapter.stdio.clone().or(http);
        let launch = launch.ok_or("the adapter does not say how the target is started")?;
        let transcript = Arc::new(Transcript::default());
        let mut starting = Starting {
            adapter,
            program,
            surroundings: &surroundings,
            transcript: Arc::clone(&transcript),
            command: String::new(),
            logs: Vec::new(),
            belongings: OwnedResources::default(),
            credentials: Vec::new(),
        };
        let mut process = starting.spawn(&launch, &[], "", Stdio::null()).await?;
        let streams = (
            process.group.child.stdout.take(),
            process.group.child.stderr.take(),
        );
        let mut belongings = starting.belongings;
        belongings.process = Some(process);
        let mut logs = Vec::new();
        logs.extend(
            streams
                .0
                .map(|out| record_log(out, Arc::clone(&transcript))),
        );
        logs.extend(
            streams
                .1
                .map(|err| record_log(err, Arc::clone(&transcript))),
        );
        Ok(Self {
            belongings,
            transcript,
            logs,
        })
    }

    /// Sends SIGTERM to the process, but not to its children.
    pub fn terminate(&self) {
        if let Some(process) = &self.belongings.process {
            process.terminate();
        }
    }

    /// Waits for the end of the process. Returns its exit status, if it ends in time, and its output.
    pub async fn ends_within(mut self, time: Duration) -> (Option<ExitStatus>, Vec<String>) {
        let status = self.belongings.ends_within(time).await;
        read_out(&mut self.logs).await;
        let lines = self.transcript.lines();
        (status, lines.into_iter().map(|line| line.text).collect())
    }
}

/// A hint about a container that did not start, if its output shows the reason.
fn hint(adapter: &Adapter, said: &[String]) -> String {
    let missing = [
        "Unable to find image",
        "No such image",
        "pull access denied",
    ];
    let is_missing = |line: &String| missing.iter().any(|words| line.contains(words));
    if !said.iter().any(is_missing) {
        return String::new();
    }
    match &adapter.build {
        Some(_) => "; its image is missing: use --build to build it".to_owned(),
        None => "; its image is missing: pull or build it".to_owned(),
    }
}

/// A hint about an endpoint that refuses the first request, if the status shows a likely reason.
fn hint_about_http(problem: &str) -> Option<&'static str> {
    let returned = |status: u16| problem.contains(&format!("returned the error {status} HTTP"));
    if returned(401) || returned(403) {
        return Some(
            "; a server that takes the token from each request needs {vault_token} in `headers` of [http]",
        );
    }
    (returned(404) || returned(405)).then_some(
        "; the address may be wrong, or one of the transport HTTP+SSE of 2024-11-05, which is not supported",
    )
}

struct Starting<'a> {
    adapter: &'a Adapter,
    program: Option<PathBuf>,
    surroundings: &'a LaunchContext,
    transcript: Arc<Transcript>,
    command: String,
    /// The tasks that read the target's logs.
    logs: Vec<JoinHandle<()>>,
    belongings: OwnedResources,
    credentials: Vec<SecretString>,
}

impl Starting<'_> {
    async fn stdio(&mut self, launch: &Launch) -> Result<Connection, String> {
        let mut process = self.spawn(launch, &[], "", Stdio::piped()).await?;
        let (stdin, stdout) = (
            process.group.child.stdin.take(),
            process.group.child.stdout.take(),
        );
        let stderr = process.group.child.stderr.take();
        self.belongings.process = Some(process);
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else {
            return Err("its standard streams could not be opened".to_owned());
        };
        let transcript = Arc::clone(&self.transcript);
        self.logs
            .extend(stderr.map(|stderr| record_log(stderr, transcript)));
        let patience = self.adapter.budgets.of_start();
        Ok(self.connection(patience, |inbox| {
            Wire::Stdio(StdioWire::start(stdin, stdout, inbox))
        }))
    }

    /// Opens a new connection to the endpoint of another one; these headers replace its own.
    fn same_endpoint(
        &self,
        wire: &HttpWire,
        own: &[(String, SecretString)],
    ) -> Result<Connection, String> {
        let (url, headers) = wire.endpoint();
        let wire = HttpWire::new(url.to_owned(), replaced(headers, own)?, self.trusted_ca()?)
            .map_err(|error| format!("no HTTP client: {error}"))?;
        let patience = self.adapter.budgets.once_started();
        Ok(self.connection(patience, |_| Wire::Http(wire)))
    }

    async fn http(&mut self, launch: &HttpLaunch) -> Result<Connection, String> {
        let port = match launch.fixed_port() {
            Some(port) => when_free(port).await?,
            None => free_port().map_err(|error| format!("no free port: {error}"))?,
        };
        let text = port.to_string();
        let headers: Vec<_> = launch.headers.values().collect();
        let begun = Instant::now();
        let mut process = self
            .spawn(&launch.launch(), &headers, &text, Stdio::null())
            .await?;
        let (stdout, stderr) = (
            process.group.child.stdout.take(),
            process.group.child.stderr.take(),
        );
        self.belongings.process = Some(process);
        let filled = launch.headers.iter();
        let headers = headers_of(filled.map(|(name, value)| (name, self.fill(value, &text))))?;
        let ca = self.trusted_ca()?;
        let wire = HttpWire::new(self.fill(&launch.url, &text), headers, ca)
            .map_err(|error| format!("no HTTP client: {error}"))?;
        let transcript = || Arc::clone(&self.transcript);
        // A target that listens may print anything on both streams.
        let logs = [
            stdout.map(|stdout| record_log(stdout, transcript())),
            stderr.map(|stderr| record_log(stderr, transcript())),
        ];
        self.logs.extend(logs.into_iter().flatten());
        let ready = launch.ready.as_ref().map(|url| self.fill(url, &text));
        let probe = Probe::new(port, ready, self.trusted_ca()?)?;
        self.wait_until_ready(&probe).await?;
        let patience = self.adapter.budgets.of_start_begun(begun.elapsed());
        Ok(self.connection(patience, |_| Wire::Http(wire)))
    }

    fn remote(&mut self, remote: &Remote) -> Result<Connection, String> {
        self.command = format!("url       {}", remote.url);
        let mut variable_values = BTreeMap::new();
        for name in remote.headers.values().flat_map(|value| variables(value)) {
            let value = std::env::var(name).map_err(|_| {
                format!("the variable {name}, which a header of the adapter names, is not set")
            })?;
            self.credentials.push(value.clone().into());
            variable_values.insert(format!("env:{name}"), value);
        }
        let fill = |text: &String| {
            template::fill(text, |name| variable_values.get(name).map(String::as_str))
        };
        let filled = remote.headers.iter();
        let headers = headers_of(filled.map(|(name, value)| (name, fill(value))))?;
        let wire = HttpWire::new(remote.url.clone(), headers, None)
            .map_err(|error| format!("no HTTP client: {error}"))?;
        let patience = self.adapter.budgets.of_start_begun(Duration::ZERO);
        Ok(self.connection(patience, |_| Wire::Http(wire)))
    }

    fn connection(
        &self,
        patience: Patience,
        connect: impl FnOnce(Arc<crate::mcp::inbox::Inbox>) -> Wire,
    ) -> Connection {
        Connection::open(
            Arc::clone(&self.transcript),
            self.surroundings.filter.clone(),
            patience,
            self.paces(),
            connect,
        )
    }

    fn paces(&self) -> Vec<Arc<Pace>> {
        let own = self.adapter.limits.session_pace();
        own.into_iter()
            .chain(self.surroundings.pace.clone())
            .collect()
    }

    fn fill(&self, text: &str, port: &str) -> String {
        let file = self.belongings.token_file.as_ref();
        template::fill(text, |name| match name {
            "vault_addr" => Some(&self.surroundings.vault_addr),
            "vault_token" => Some(self.surroundings.token.expose_secret()),
            "vault_token_file" => file.map(TokenFile::path),
            "port" => Some(port),
            other => self
                .surroundings
                .setup
                .values
                .get(other)
                .map(String::as_str),
        })
    }

    async fn spawn(
        &mut self,
        launch: &Launch,
        other_texts: &[&String],
        port: &str,
        stdin: Stdio,
    ) -> Result<Process, String> {
        let program = self.program.clone().ok_or_else(|| {
            let word = launch.command.first();
            format!(
                "its program {:?} was not found",
                word.map_or("", String::as_str)
            )
        })?;
        let arguments = launch.command.get(1..).unwrap_or_default();
        let mut texts = arguments
            .iter()
            .chain(launch.env.values())
            .chain(other_texts.iter().copied());
        if texts.any(|text| text.contains("{vault_token_file}")) {
            let surroundings = self.surroundings;
            let state = surroundings.setup.token_file;
            let file = TokenFile::write(surroundings.token.clone(), state).await?;
            self.belongings.token_file = Some(file);
        }
        // The command is shown with its placeholders, so that the token is never part of a message.
        self.command = std::iter::once(program.display().to_string())
            .chain(arguments.iter().cloned())
            .collect::<Vec<_>>()
            .join(" ");
        self.command.insert_str(0, "command   ");
        let mut start = match self.surroundings.started_by.split_first() {
            Some((starter, arguments)) => {
                let mut start = Command::new(starter);
                start.args(arguments).arg(&program);
                start
            }
            None => Command::new(&program),
        };
        let mut arguments: Vec<_> = arguments.iter().map(|word| self.fill(word, port)).collect();
        let mut inherited = INHERITED.to_vec();
        if launch.container {
            let container = Container::new(&program);
            // Directly after `run`.
            arguments.splice(1..1, container.marks());
            self.belongings.container = Some(container);
            inherited.extend(container::INHERITED);
        }
        start
            .args(arguments)
            .env_clear()
            .envs(
                inherited
                    .into_iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .envs(
                launch
                    .env
                    .iter()
                    .map(|(name, value)| (name, self.fill(value, port))),
            )
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // In a group of its own, the process does not receive a Ctrl-C at the terminal. The suite receives it and ends
        // the process in order.
        Process::spawn(&mut start).map_err(|error| format!("it cannot be run: {error}"))
    }

    /// The CA that has to verify the target's own certificate.
    fn trusted_ca(&self) -> Result<Option<Certificate>, String> {
        let ca = self.surroundings.setup.trusted_ca.as_ref();
        let ca = ca.map(|pem| Certificate::from_pem(pem.as_bytes()));
        ca.transpose()
            .map_err(|error| format!("the certificate authority is not usable: {error}"))
    }

    async fn wait_until_ready(&mut self, probe: &Probe) -> Result<(), String> {
        let deadline = Instant::now() + self.adapter.budgets.start();
        loop {
            if let Some(status) = self.belongings.ended() {
                return Err(format!("it ended at once ({status})"));
            }
            match probe.ask().await {
                Ok(()) => return Ok(()),
                Err(NotReady::Ever(why)) => return Err(why),
                Err(NotReady::Yet(why)) if Instant::now() > deadline => {
                    let seconds = self.adapter.budgets.start_seconds;
                    let place = probe.place();
                    return Err(format!("{place} did not answer within {seconds} s: {why}"));
                }
                Err(NotReady::Yet(_)) => sleep(Duration::from_millis(5)).await,
            }
        }
    }

    async fn begin(
        &mut self,
        connection: Connection,
        revision: Option<Revision>,
    ) -> Result<(ServerInfo, Vec<Value>, Connection), String> {
        // The first answer has a limit of its own, and so have each page of the tools and all pages together.
        let budgets = self.adapter.budgets;
        let longest = budgets.start().max(budgets.call());
        let greeted = {
            let greeting = async {
                let server = connection.begin(revision).await?;
                let listed = timeout(longest, connection.list_tools()).await;
                let seconds = longest.as_secs();
                let endless = |_| format!("it did not list all its tools within {seconds} s");
                Ok((server, listed.map_err(endless)??))
            };
            let mut greeting = pin!(greeting);
            tokio::select! {
                greeted = &mut greeting => greeted,
                // Its last output may still be in transit.
                Some(_) = self.belongings.ends_within(longest) => {
                    let silent = "it did not answer initialize".to_owned();
                    timeout(LAST_WORDS, greeting).await.unwrap_or(Err(silent))
                }
            }
        };
        match greeted {
            Ok((server, tools)) => {
                connection.transcript().end_prelude();
                Ok((server, tools, connection))
            }
            Err(problem) => {
                let time = if connection.is_closed() {
                    ENDING
                } else {
                    LAST_WORDS
                };
                match self.belongings.ends_within(time).await {
                    Some(status) => Err(format!("it ended at once ({status}); {problem}")),
                    None => Err(problem),
                }
            }
        }
    }
}

/// Headers with these names and values.
fn headers_of<'a>(filled: impl Iterator<Item = (&'a String, String)>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in filled {
        let unusable = || format!("the header {name} has a name or value that cannot be sent");
        let mut value = HeaderValue::from_str(&value).map_err(|_| unusable())?;
        value.set_sensitive(true);
        headers.insert(name.parse::<HeaderName>().map_err(|_| unusable())?, value);
    }
    Ok(headers)
}

/// Replaces headers by those of the same name, and removes those that are empty.
fn replaced(headers: &HeaderMap, own: &[(String, SecretString)]) -> Result<HeaderMap, String> {
    let own = own
        .iter()
        .map(|(name, value)| (name, value.expose_secret().to_owned()));
    let own = headers_of(own)?;
    let kept = headers.iter().filter(|(name, _)| !own.contains_key(*name));
    let given = own.iter().filter(|(_, value)| !value.is_empty());
    Ok(kept
        .chain(given)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect())
}

/// The port, as soon as nothing listens on it: the previous instance may still be ending.
async fn when_free(port: u16) -> Result<u16, String> {
    let deadline = Instant::now() + END;
    loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(_) if Instant::now() < deadline => sleep(Duration::from_millis(20)).await,
            Err(error) => {
                return Err(format!(
                    "port {port}, which its adapter names, cannot be used ({error}): stop the program that listens there, or write the port as {{port}} to have a free one"
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::{headers_of, replaced};

    #[test]
    fn a_header_of_the_same_name_is_replaced_and_an_empty_one_is_left_out() {
        let names = ["X-Vault-Token", "X-Vault-Namespace", "X-Other"];
        let names = names.map(str::to_owned);
        let adapters = headers_of(names.iter().map(|name| (name, "old".to_owned()))).unwrap();
        let own = [
            ("x-vault-token".to_owned(), "new".into()),
            ("X-VAULT-NAMESPACE".to_owned(), "".into()),
            ("x-more".to_owned(), "more".into()),
        ];
        let mut expected = HeaderMap::new();
        for (name, value) in [
            ("x-vault-token", "new"),
            ("x-other", "old"),
            ("x-more", "more"),
        ] {
            expected.insert(name, value.parse().unwrap());
        }
        assert_eq!(replaced(&adapters, &own).unwrap(), expected);
    }
}
