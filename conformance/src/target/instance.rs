//! A running target: its process, and one connection to it.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::{
    net::TcpStream,
    process::Command,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{
    adapter::{Adapter, HttpLaunch, Launch},
    process::Process,
    template,
    transport::{Revision, TransportKind},
};
use crate::mcp::{
    connection::{AnswerFilter, Connection, ServerInfo, Wire},
    http::HttpWire,
    stdio::{StdioWire, record_log},
    transcript::{Speaker, Transcript},
};
use crate::redact::Secrets;

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

/// How long the last words of a target that did not start are waited for.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What a target is started with.
#[derive(Clone)]
pub struct Surroundings {
    /// The Vault that it is to use: the tap's address.
    pub vault_addr: String,
    /// The token that it is to use.
    pub token: SecretString,
    /// What is put before its command.
    pub started_by: Vec<String>,
    /// What changes its answers on their way to the suite, if anything does.
    pub filter: Option<Arc<dyn AnswerFilter>>,
}

/// A running target that has answered `initialize` and `tools/list`.
#[derive(Debug)]
pub struct Instance {
    process: Process,
    /// The connection to it.
    pub connection: Connection,
    /// What it says of itself.
    pub server: ServerInfo,
    /// Its tools, as listed.
    pub tools: Vec<Value>,
    /// The names of its tools.
    pub tool_names: Vec<String>,
}

/// A target that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.describe())]
pub struct StartError {
    command: String,
    problem: String,
    stdout: Vec<String>,
    stderr: Vec<String>,
}

impl StartError {
    fn describe(&self) -> String {
        let mut text = format!(
            "the target does not start: {}\n  command   {}",
            self.problem, self.command
        );
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
    /// Starts a target, connects to it and asks for its tools.
    ///
    /// # Errors
    /// When it cannot be run, ends, is not ready or does not answer within its budget.
    pub async fn start(
        adapter: &Adapter,
        program: PathBuf,
        transport: TransportKind,
        revision: Option<Revision>,
        surroundings: &Surroundings,
    ) -> Result<Self, StartError> {
        let transcript = Arc::new(Transcript::default());
        let mut starting = Starting {
            adapter,
            program,
            surroundings,
            transcript: Arc::clone(&transcript),
            command: String::new(),
            logs: Vec::new(),
        };
        let begun = match (transport, &adapter.stdio, &adapter.http) {
            (TransportKind::Stdio, Some(launch), _) => starting.stdio(launch),
            (TransportKind::Http, _, Some(launch)) => starting.http(launch).await,
            _ => Err(format!("the adapter has no [{transport}]")),
        };
        let ready = match begun {
            Ok((process, connection)) => starting.begin(process, connection, revision).await,
            Err(problem) => Err(problem),
        };
        if ready.is_err() {
            let logs = futures::future::join_all(std::mem::take(&mut starting.logs));
            // A log that does not end was read up to now.
            let _ = timeout(LAST_WORDS, logs).await;
        }
        ready.map_err(|problem| {
            let mut secrets = Secrets::default();
            secrets.add("server's Vault token", surroundings.token.clone());
            let said = |speaker, count| {
                let lines = transcript.last_words(speaker, count);
                lines.iter().map(|line| secrets.redact(line)).collect()
            };
            StartError {
                stdout: said(Speaker::Noise, 5),
                stderr: said(Speaker::Log, 10),
                problem: secrets.redact(&problem),
                command: starting.command,
            }
        })
    }

    /// How the process ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.ended()
    }

    /// How the process ended, if it does within a moment: a closed connection is seen before
    /// the end of the process behind it.
    pub async fn ends(&mut self) -> Option<ExitStatus> {
        self.process.ends_within(END).await
    }

    /// Ends the process: asks, waits a little, then kills.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn stop(mut self) -> Result<(), String> {
        self.process.end().await
    }
}

struct Starting<'a> {
    adapter: &'a Adapter,
    program: PathBuf,
    surroundings: &'a Surroundings,
    transcript: Arc<Transcript>,
    command: String,
    /// What reads the target's logs.
    logs: Vec<JoinHandle<()>>,
}

impl Starting<'_> {
    fn stdio(&mut self, launch: &Launch) -> Result<(Process, Connection), String> {
        let mut process = self.spawn(&launch.command, &launch.env, "", Stdio::piped())?;
        let (stdin, stdout) = (process.child.stdin.take(), process.child.stdout.take());
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else {
            return Err("its standard streams could not be opened".to_owned());
        };
        let stderr = process.child.stderr.take();
        let mut log = None;
        let connection = self.connection(|inbox| {
            log = stderr.map(|stderr| record_log(stderr, Arc::clone(&inbox)));
            Wire::Stdio(StdioWire::start(stdin, stdout, inbox))
        });
        self.logs.extend(log);
        Ok((process, connection))
    }

    async fn http(&mut self, launch: &HttpLaunch) -> Result<(Process, Connection), String> {
        let port = free_port().map_err(|error| format!("no free port: {error}"))?;
        let text = port.to_string();
        let mut process = self.spawn(&launch.command, &launch.env, &text, Stdio::null())?;
        let wire = HttpWire::new(self.fill(&launch.url, &text))
            .map_err(|error| format!("no HTTP client: {error}"))?;
        let (stdout, stderr) = (process.child.stdout.take(), process.child.stderr.take());
        let mut logs = Vec::new();
        let connection = self.connection(|inbox| {
            // A target that listens may say what it likes on either stream.
            logs.extend(stdout.map(|stdout| record_log(stdout, Arc::clone(&inbox))));
            logs.extend(stderr.map(|stderr| record_log(stderr, inbox)));
            Wire::Http(wire)
        });
        self.logs.append(&mut logs);
        let ready = launch.ready.as_ref().map(|url| self.fill(url, &text));
        match self
            .wait_until_ready(&mut process, port, ready.as_deref())
            .await
        {
            Ok(()) => Ok((process, connection)),
            Err(problem) => {
                process.end().await?;
                Err(problem)
            }
        }
    }

    fn connection(
        &self,
        connect: impl FnOnce(Arc<crate::mcp::connection::Inbox>) -> Wire,
    ) -> Connection {
        Connection::open(
            Arc::clone(&self.transcript),
            self.surroundings.filter.clone(),
            self.adapter.budgets.call(),
            connect,
        )
    }

    fn fill(&self, text: &str, port: &str) -> String {
        template::fill(text, |name| match name {
            "vault_addr" => Some(&self.surroundings.vault_addr),
            "vault_token" => Some(self.surroundings.token.expose_secret()),
            "port" => Some(port),
            _ => None,
        })
    }

    fn spawn(
        &mut self,
        command: &[String],
        env: &std::collections::BTreeMap<String, String>,
        port: &str,
        stdin: Stdio,
    ) -> Result<Process, String> {
        let arguments = command.get(1..).unwrap_or_default();
        // Shown with its placeholders: the token is never part of a message.
        self.command = std::iter::once(self.program.display().to_string())
            .chain(arguments.iter().cloned())
            .collect::<Vec<_>>()
            .join(" ");
        let mut start = match self.surroundings.started_by.split_first() {
            Some((starter, arguments)) => {
                let mut start = Command::new(starter);
                start.args(arguments).arg(&self.program);
                start
            }
            None => Command::new(&self.program),
        };
        start
            .args(arguments.iter().map(|argument| self.fill(argument, port)))
            .env_clear()
            .envs(
                INHERITED
                    .iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .envs(
                env.iter()
                    .map(|(name, value)| (name, self.fill(value, port))),
            )
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // In a group of its own a Ctrl-C at the terminal does not reach it: that is for the
        // suite, which then ends it in order.
        Process::spawn(&mut start).map_err(|error| format!("it cannot be run: {error}"))
    }

    async fn wait_until_ready(
        &self,
        process: &mut Process,
        port: u16,
        ready: Option<&str>,
    ) -> Result<(), String> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(1))
            .build()
            .map_err(|error| format!("no HTTP client: {error}"))?;
        let deadline = Instant::now() + self.adapter.budgets.start();
        loop {
            if let Some(status) = process.ended() {
                return Err(format!("it ended at once ({status})"));
            }
            let answers = match ready {
                Some(url) => {
                    let answer = client.get(url).send().await;
                    answer.is_ok_and(|answer| answer.status().is_success())
                }
                None => TcpStream::connect((Ipv4Addr::LOCALHOST, port))
                    .await
                    .is_ok(),
            };
            if answers {
                return Ok(());
            }
            if Instant::now() > deadline {
                let what = ready.map_or_else(|| format!("port {port}"), str::to_owned);
                let seconds = self.adapter.budgets.start_seconds;
                return Err(format!("{what} did not answer within {seconds} s"));
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn begin(
        &self,
        mut process: Process,
        connection: Connection,
        revision: Option<Revision>,
    ) -> Result<Instance, String> {
        let greeting = async {
            let server = connection.initialize(revision).await?;
            let tools = connection.list_tools().await?;
            Ok((server, tools))
        };
        let seconds = self.adapter.budgets.start_seconds;
        let greeted = timeout(self.adapter.budgets.start(), greeting)
            .await
            .unwrap_or_else(|_| Err(format!("it did not answer initialize within {seconds} s")));
        let (server, tools) = match greeted {
            Ok(greeted) => greeted,
            Err(problem) => {
                let ended = process.ends_within(LAST_WORDS).await;
                process.end().await?;
                return Err(match ended {
                    Some(status) => format!("it ended at once ({status}); {problem}"),
                    None => problem,
                });
            }
        };
        connection.transcript().end_prelude();
        let names = tools.iter().filter_map(|tool| tool["name"].as_str());
        Ok(Instance {
            process,
            tool_names: names.map(str::to_owned).collect(),
            connection,
            server,
            tools,
        })
    }
}

/// A port that was free a moment ago.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}
