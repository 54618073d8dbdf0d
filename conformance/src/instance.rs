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

/// What a target may take of the ambient environment. Everything else is left out, so that
/// no `VAULT_*` or `MCP_*` variable of whoever runs the suite decides how a target behaves.
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

/// How long a process may take to end once its connection has.
const END: Duration = Duration::from_secs(2);

/// How long an answer may be on its way when its sender has ended, and an end be unseen when it was not the
/// cause.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How long a process is waited for whose connection has ended.
const ENDING: Duration = Duration::from_secs(10);

/// How long the log of a process that has ended is read: to its end, unless somebody else holds it open.
const LOG_READ: Duration = Duration::from_secs(5);

/// What a target is started with.
#[derive(Clone)]
pub struct LaunchContext {
    /// The Vault that it is to use: the tap's address.
    pub vault_addr: String,
    /// The token that it is to use.
    pub token: SecretString,
    /// How it is set up.
    pub setup: Setup,
    /// What is put before its command.
    pub started_by: Vec<String>,
    /// What changes its answers on their way to the suite, if anything does.
    pub filter: Option<Arc<dyn AnswerFilter>>,
    /// What the suite's requests keep to, over all instances.
    pub pace: Option<Arc<Pace>>,
}

/// What belongs to a running target, and goes with it.
#[derive(Debug, Default)]
struct OwnedResources {
    /// None for a target that the suite did not start.
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

    /// Ends and removes all of it: asks, waits a little, then kills.
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

/// How another connection to the same target is made.
#[derive(Clone)]
struct Respawn {
    adapter: Adapter,
    program: Option<PathBuf>,
    surroundings: LaunchContext,
    transcript: Arc<Transcript>,
    /// How many others there were, besides the first.
    others: Arc<AtomicU64>,
}

impl fmt::Debug for Respawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Again").finish_non_exhaustive()
    }
}

/// A connection on which nothing was said yet, and over stdio the process behind it.
#[derive(Debug)]
pub struct RawConnection {
    belongings: OwnedResources,
    /// The connection.
    pub connection: Connection,
}

impl RawConnection {
    /// Closes the process's standard input; over HTTP there is none.
    pub async fn close_input(&self) {
        if let Wire::Stdio(wire) = self.connection.wire() {
            wire.close().await;
        }
    }

    /// Asks the process to end, as a supervisor does.
    pub fn terminate(&self) {
        if let Some(process) = &self.belongings.process {
            process.terminate();
        }
    }

    /// How the process ended, if it does within this time.
    pub async fn ends_within(&mut self, time: Duration) -> Option<ExitStatus> {
        self.belongings.ends_within(time).await
    }

    /// Ends and removes all that belongs to it.
    ///
    /// # Errors
    /// When the process cannot be ended.
    pub async fn stop(mut self) -> Result<(), String> {
        self.belongings.end().await
    }
}

/// A running target that has answered `initialize` and `tools/list`.
#[derive(Debug)]
pub struct Instance {
    belongings: OwnedResources,
    again: Respawn,
    /// The connection to it.
    pub connection: Connection,
    /// What it says of itself.
    pub server: ServerInfo,
    /// Its tools, as listed.
    pub tools: Vec<Value>,
    /// The names of its tools.
    pub tool_names: Vec<String>,
    /// What the suite shows to a target that runs already, and to nobody else.
    pub credentials: Vec<SecretString>,
    /// Who reads what it logs.
    logs: Vec<JoinHandle<()>>,
}

/// A target that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.describe())]
pub struct StartError {
    /// How it was started, or is reached.
    command: String,
    problem: String,
    /// Whether it has ended by itself.
    pub(crate) ended: bool,
    /// Whether what it said carries its Vault token, or a credential that the suite showed it.
    pub(crate) said_secret: bool,
    stdout: Vec<String>,
    stderr: Vec<String>,
}

impl StartError {
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
    /// Starts a target that does not run already, connects to it and asks for its tools.
    ///
    /// `program` is its own, or the `docker` of a target in a container.
    ///
    /// # Errors
    /// When it cannot be run, ends, is not ready or does not answer within its budget.
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
            // What cannot be removed here is noted, and removed by the next run.
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
                Some(_) => "the target cannot be used",
                None => "the target does not start",
            };
            let hint = hint(adapter, &stderr);
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

    /// Another connection to the same target, on which nothing was said yet: over stdio to a
    /// process of its own. What is said on it is in the same transcript.
    ///
    /// # Errors
    /// When the target does not start.
    pub async fn another(&self) -> Result<RawConnection, String> {
        self.another_with(&[]).await
    }

    /// The same with headers of its own, in place of those of the same name that the adapter or a
    /// mode gives to every request; one whose value is empty is not sent at all.
    ///
    /// # Errors
    /// When the target does not start, a header cannot be sent, or there are headers and it does not
    /// speak HTTP.
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

    /// Puts another token into the file from which the target has its own.
    ///
    /// # Errors
    /// When it has none, or the file cannot be written.
    pub async fn change_token_file(&self, token: &SecretString) -> Result<(), String> {
        let file = self.belongings.token_file.as_ref();
        let file = file.ok_or("the adapter does not name {vault_token_file}")?;
        file.change(token.clone()).await
    }

    /// The endpoint, for requests that no client makes; none over stdio.
    #[must_use]
    pub fn endpoint(&self) -> Option<RawHttp> {
        self.connection.http()
    }

    /// The address of the endpoint; none over stdio.
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

    /// `HOST:PORT` of the endpoint; none over stdio.
    #[must_use]
    pub fn authority(&self) -> Option<String> {
        let uri: http::Uri = self.url()?.parse().ok()?;
        uri.authority().map(ToString::to_string)
    }

    /// The TCP ports on which the process listens, and all that it has started; none where
    /// that cannot be seen: in a container, or on a system without `/proc`.
    pub async fn listens_on(&self) -> Option<Vec<u16>> {
        let process = self.belongings.process.as_ref()?;
        match self.belongings.container {
            Some(_) => None,
            None => process.listens_on().await,
        }
    }

    /// How the process ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.belongings.ended()
    }

    /// How the process ended, if it does within a moment: a closed connection is seen before
    /// the end of the process behind it.
    pub async fn ends(&mut self) -> Option<ExitStatus> {
        self.belongings.ends_within(END).await
    }

    /// Ends the process, which is asked first and killed after a little while, and reads its log to the end.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn stop(&mut self) -> Result<(), String> {
        let ended = self.belongings.end().await;
        read_out(&mut self.logs).await;
        ended
    }
}

/// Reads the logs of a process that has ended to their end. One that does not end was read up to now.
async fn read_out(logs: &mut Vec<JoinHandle<()>>) {
    let logs = futures::future::join_all(std::mem::take(logs));
    let _ = timeout(LOG_READ, logs).await;
}

/// A command of the target that is no server, and ends by itself.
#[derive(Debug)]
pub struct Launched {
    belongings: OwnedResources,
    transcript: Arc<Transcript>,
    logs: Vec<JoinHandle<()>>,
}

impl Launched {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be run.
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

    /// Tells it to end; what it runs is not told.
    pub fn terminate(&self) {
        if let Some(process) = &self.belongings.process {
            process.terminate();
        }
    }

    /// Waits for its end; returns how it ended, if it does in time, and what it said.
    pub async fn ends_within(mut self, time: Duration) -> (Option<ExitStatus>, Vec<String>) {
        let status = self.belongings.ends_within(time).await;
        read_out(&mut self.logs).await;
        let lines = self.transcript.lines();
        (status, lines.into_iter().map(|line| line.text).collect())
    }
}

/// What to do about a container that did not start, where what was said tells it.
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

struct Starting<'a> {
    adapter: &'a Adapter,
    program: Option<PathBuf>,
    surroundings: &'a LaunchContext,
    transcript: Arc<Transcript>,
    command: String,
    /// What reads the target's logs.
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

    /// A new connection to the endpoint of another one, with these headers in place of its own.
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
        // A target that listens may say what it likes on either stream.
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
        let limits = self.adapter.limits;
        let own = limits.session.map(|limit| Arc::new(Pace::within(limit)));
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
        // Shown with its placeholders: the token is never part of a message.
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
            // Right after `run`.
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
        // In a group of its own a Ctrl-C at the terminal does not reach it: that is for the
        // suite, which then ends it in order.
        Process::spawn(&mut start).map_err(|error| format!("it cannot be run: {error}"))
    }

    /// The certificate authority that the target's own certificate is to be verified by.
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
        // Its first answer has a limit of its own; so has each page of its tools, and all of them together.
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
                // What it said before its end may still be on its way.
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

/// The headers of these names and values.
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

/// The headers with these in place of those of the same name, and without those that are to be empty.
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

/// The port, as soon as nobody listens on it: the instance before may just be ending.
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
