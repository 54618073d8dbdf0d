//! A candidate: one way to perform an operation, by Vault itself or by a server on one transport.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use secrecy::SecretString;
use vault_mcp_conformance::{
    engines::Operation,
    instance::{
        Instance, LaunchContext,
        answer::{Answer, Arguments, ToolCall},
        setup::Setup,
    },
    latency::workload::Task,
    tap::Tap,
    target::Target,
    transport::TransportKind,
    vault::{
        oracle::{Oracle, VaultAnswer},
        provider::Vault,
    },
};

use crate::BenchError;

/// Number of calls over which the requests to Vault are counted.
const COUNTED: usize = 10;

/// One way to perform an operation. All candidates use the same Vault and the same token.
#[derive(Debug)]
pub struct Candidate {
    /// The name in the tables: `direct`, `reference stdio`, ...
    pub name: String,
    access: Access,
}

#[derive(Debug)]
enum Access {
    Direct(Box<Direct>),
    Server(Box<(Server, Instance)>),
}

/// Vault's own API, over a kept-alive connection.
#[derive(Debug)]
struct Direct {
    vault: Oracle,
    token: SecretString,
}

/// A server on one transport, and how to start it.
#[derive(Debug)]
pub struct Server {
    /// The adapter.
    pub target: Target,
    /// The program.
    pub program: PathBuf,
    /// The transport.
    pub transport: TransportKind,
    /// The token of the server.
    pub token: SecretString,
}

impl Candidate {
    /// Vault itself.
    ///
    /// # Errors
    /// If the HTTP client cannot be created.
    pub fn direct(vault: &Vault, token: &SecretString) -> Result<Self, BenchError> {
        Ok(Self {
            name: "direct".to_owned(),
            access: Access::Direct(Box::new(Direct {
                vault: oracle(vault)?,
                token: token.clone(),
            })),
        })
    }

    /// Starts a server.
    ///
    /// # Errors
    /// If the server does not start.
    pub async fn server(server: Server, vault: &Vault) -> Result<Self, BenchError> {
        let instance = server.start(vault.address()).await?;
        Ok(Self {
            name: server.name(),
            access: Access::Server(Box::new((server, instance))),
        })
    }

    /// Whether the candidate can perform an operation.
    #[must_use]
    pub fn offers(&self, operation: Operation) -> bool {
        match &self.access {
            Access::Direct(_) => true,
            Access::Server(running) => running.0.offers(operation),
        }
    }

    /// Whether it is Vault itself.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        matches!(self.access, Access::Direct(_))
    }

    /// Performs a task on a connection that is already in use; returns the duration.
    ///
    /// # Errors
    /// If the call does not succeed.
    pub async fn call(&self, task: &Task) -> Result<Duration, BenchError> {
        match &self.access {
            Access::Direct(direct) => self.ask(&direct.vault, &direct.token, task).await,
            Access::Server(running) => {
                let (server, instance) = &**running;
                self.call_tool(server, instance, task).await
            }
        }
    }

    /// Performs a task on a new connection; returns the duration of the call. For Vault itself that includes
    /// connecting; for a server it does not include the start.
    ///
    /// # Errors
    /// If the call does not succeed, or the server does not start.
    pub async fn first_call(&self, task: &Task, vault: &Vault) -> Result<Duration, BenchError> {
        match &self.access {
            Access::Direct(direct) => self.ask(&oracle(vault)?, &direct.token, task).await,
            Access::Server(running) => {
                let server = &running.0;
                let instance = server.start(vault.address()).await?;
                let took = self.call_tool(server, &instance, task).await;
                server.stop(instance).await?;
                took
            }
        }
    }

    /// The average number of requests to Vault per call of each task, once the server knows the mount; none for a
    /// task that the candidate does not offer. A tap counts them, on an instance that is not timed.
    ///
    /// # Errors
    /// If a call does not succeed.
    pub async fn requests_per_call(
        &self,
        tasks: &[&Task],
        vault: &Vault,
    ) -> Result<Vec<Option<f64>>, BenchError> {
        let server = match &self.access {
            Access::Direct(_) => return Ok(vec![Some(1.0); tasks.len()]),
            Access::Server(running) => &running.0,
        };
        let tap = Tap::start(vault.endpoint(), None)
            .await
            .map_err(BenchError::Tap)?;
        let instance = server.start(tap.address()).await?;
        let mut counts = Vec::with_capacity(tasks.len());
        for task in tasks {
            if !server.offers(task.operation) {
                counts.push(None);
                continue;
            }
            self.call_tool(server, &instance, task).await?;
            tap.forget();
            for _ in 0..COUNTED {
                self.call_tool(server, &instance, task).await?;
            }
            counts.push(Some(tap.passed() as f64 / COUNTED as f64));
        }
        server.stop(instance).await?;
        Ok(counts)
    }

    /// Stops the candidate.
    ///
    /// # Errors
    /// If the candidate does not stop.
    pub async fn stop(self) -> Result<(), BenchError> {
        match self.access {
            Access::Direct(_) => Ok(()),
            Access::Server(running) => {
                let (server, instance) = *running;
                server.stop(instance).await
            }
        }
    }

    async fn ask(
        &self,
        vault: &Oracle,
        token: &SecretString,
        task: &Task,
    ) -> Result<Duration, BenchError> {
        let begun = Instant::now();
        let VaultAnswer { status, body } = vault.ask(token, &task.direct).await?;
        let took = begun.elapsed();
        match status {
            200..300 => Ok(took),
            _ => Err(self.failed(task, format!("Vault answered {status}: {body}"))),
        }
    }

    async fn call_tool(
        &self,
        server: &Server,
        instance: &Instance,
        task: &Task,
    ) -> Result<Duration, BenchError> {
        // Nothing reads the earlier messages.
        instance.connection.transcript().begin_scenario();
        let call = ToolCall::new(
            &server.target.adapter,
            instance,
            task.operation,
            &task.parameters,
            2,
            Arguments::All,
        );
        let call = call.map_err(|stop| self.failed(task, stop.to_string()))?;
        match call.make(&instance.connection).await {
            (Answer::Success(_), took) => Ok(took),
            (answer, _) => Err(self.failed(task, answer.describe())),
        }
    }

    fn failed(&self, task: &Task, what: String) -> BenchError {
        BenchError::Failed {
            candidate: self.name.clone(),
            operation: task.operation.to_string(),
            what,
        }
    }
}

impl Server {
    fn name(&self) -> String {
        format!("{} {}", self.target.adapter.name, self.transport)
    }

    fn offers(&self, operation: Operation) -> bool {
        self.target.adapter.operations.contains_key(&operation)
    }

    async fn start(&self, vault_addr: &str) -> Result<Instance, BenchError> {
        let surroundings = LaunchContext {
            setup: Setup::default(),
            vault_addr: vault_addr.to_owned(),
            token: self.token.clone(),
            started_by: Vec::new(),
            filter: None,
            pace: None,
        };
        let (adapter, program) = (&self.target.adapter, Some(self.program.clone()));
        let instance = Instance::start(adapter, program, self.transport, None, &surroundings);
        instance.await.map_err(|source| BenchError::Start {
            candidate: self.name(),
            source: Box::new(source),
        })
    }

    async fn stop(&self, mut instance: Instance) -> Result<(), BenchError> {
        instance.stop().await.map_err(|why| BenchError::End {
            candidate: self.name(),
            why,
        })
    }
}

/// An oracle with its own connection.
pub(crate) fn oracle(vault: &Vault) -> Result<Oracle, BenchError> {
    Oracle::new(vault.endpoint(), vault.root_token(), vault.prefix())
        .map_err(|error| BenchError::Client(error.to_string()))
}
