//! The fixture: one Vault, the tasks to measure on it, and the candidates.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;
use vault_mcp_conformance::{
    engines::{Kv, Operation},
    instance::locate::{self, Build, LocateError},
    latency::workload::{Task, Workload},
    progress::Progress,
    target::Target,
    transport::TransportKind,
    vault::{
        audit::AUDIT_DEVICE,
        oracle::VaultRequest,
        provider::{self, Vault, VaultOptions},
    },
};

use crate::{
    BenchError,
    candidate::{Candidate, Server, oracle},
};

/// The measured tasks: the name in KAG's table, and the operation.
const MEASURED: [(&str, &str); 5] = [
    ("list_mounts", "mounts.list"),
    ("read", "kv.read"),
    ("write", "kv.write_key"),
    ("list", "kv.list"),
    ("issue", "pki.issue"),
];

/// The required server; it is rebuilt if the sources are newer.
const REFERENCE: &str = "reference";
/// The official server, which is measured if its program is on this machine.
const OFFICIAL: &str = "hashicorp";

/// A Vault that is prepared for the tasks.
#[derive(Debug)]
pub struct Fixture {
    vault: Vault,
    /// The tasks, with their names in the tables.
    pub tasks: Vec<(&'static str, Task)>,
    /// The candidates; Vault itself comes first.
    pub candidates: Vec<Candidate>,
    /// What is not measured, with reasons.
    pub left_out: Vec<String>,
}

impl Fixture {
    /// Starts a Vault and all servers.
    ///
    /// # Errors
    /// If there is no usable Vault, or the reference server cannot be built or started.
    pub async fn open(progress: &Progress) -> Result<Self, BenchError> {
        let reference = Target::find(REFERENCE)?;
        let official = Target::find(OFFICIAL)?;
        locate::build(&reference, Build::Automatically, progress).await?;
        let reference = programs(&reference)?;
        let mut left_out = Vec::new();
        let official = programs(&official).unwrap_or_else(|_| {
            left_out.push(format!(
                "{}: its program is not on this machine; `cargo conformance run --target {OFFICIAL} --build` \
                 builds it, with Go, into the cache",
                official.adapter.title
            ));
            Vec::new()
        });
        let servers: Vec<_> = reference.into_iter().chain(official).collect();

        let operations: Vec<_> = MEASURED
            .iter()
            .filter_map(|(name, operation)| Some((*name, Operation::named(operation)?)))
            .filter(|(_, operation)| {
                let maps = |(target, ..): &Found| target.adapter.operations.contains_key(operation);
                servers.iter().any(maps)
            })
            .collect();
        for (name, operation) in MEASURED {
            if !operations.iter().any(|(measured, _)| *measured == name) {
                left_out.push(format!("{name}: no adapter maps {operation}"));
            }
        }

        let vault = provider::start(&VaultOptions::default(), progress).await?;
        let (token, tasks) = furnish(&vault, &operations).await?;
        let mut candidates = vec![Candidate::direct(&vault, &token)?];
        for (target, program, transport) in servers {
            let server = Server {
                target,
                program,
                transport,
                token: token.clone(),
            };
            candidates.push(Candidate::server(server, &vault).await?);
        }
        Ok(Self {
            vault,
            tasks,
            candidates,
            left_out,
        })
    }

    /// A description of the Vault.
    #[must_use]
    pub fn vault(&self) -> String {
        self.vault.identity().to_string()
    }

    /// The first call of a candidate on a new connection: a read.
    ///
    /// # Errors
    /// If the call does not succeed.
    pub async fn first_call(&self, candidate: &Candidate) -> Result<Duration, BenchError> {
        match self.read() {
            Some(task) => candidate.first_call(task, &self.vault).await,
            None => Ok(Duration::ZERO),
        }
    }

    /// The number of requests to Vault per call of each task by a candidate.
    ///
    /// # Errors
    /// If a call does not succeed, or if the reference server makes more than one request for a read.
    pub async fn requests_per_call(
        &self,
        candidate: &Candidate,
    ) -> Result<Vec<Option<f64>>, BenchError> {
        let tasks: Vec<_> = self.tasks.iter().map(|(_, task)| task).collect();
        let counts = candidate.requests_per_call(&tasks, &self.vault).await?;
        let read = tasks
            .iter()
            .zip(&counts)
            .find(|(task, _)| task.operation == Operation::Kv(Kv::Read));
        if let Some((task, Some(seen))) = read
            && candidate.name.starts_with(REFERENCE)
            && *seen != 1.0
        {
            return Err(BenchError::Requests {
                candidate: candidate.name.clone(),
                operation: task.operation.to_string(),
                seen: *seen,
                wanted: 1.0,
            });
        }
        Ok(counts)
    }

    fn read(&self) -> Option<&Task> {
        let mut tasks = self.tasks.iter().map(|(_, task)| task);
        tasks.find(|task| task.operation == Operation::Kv(Kv::Read))
    }

    /// Stops everything that the fixture started.
    ///
    /// # Errors
    /// If something does not stop.
    pub async fn close(self) -> Result<(), BenchError> {
        let mut ended = Ok(());
        for candidate in self.candidates {
            ended = ended.and(candidate.stop().await);
        }
        self.vault.stop().await?;
        ended
    }
}

/// An available server.
type Found = (Target, PathBuf, TransportKind);

/// The programs of a target, by transport.
fn programs(target: &Target) -> Result<Vec<Found>, LocateError> {
    let adapter = &target.adapter;
    let commands = [
        (
            TransportKind::Stdio,
            adapter.stdio.as_ref().map(|launch| &launch.command),
        ),
        (
            TransportKind::Http,
            adapter.http.as_ref().map(|launch| &launch.command),
        ),
    ];
    let commands = commands.into_iter().filter_map(|(transport, command)| {
        let program = command?.first()?;
        Some((transport, program))
    });
    commands
        .map(|(transport, command)| {
            let program = locate::locate(target, command, Build::Automatically)?;
            Ok((target.clone(), program, transport))
        })
        .collect()
}

/// Creates the objects of the tasks, and a token with rights on these only.
async fn furnish(
    vault: &Vault,
    operations: &[(&'static str, Operation)],
) -> Result<(SecretString, Vec<(&'static str, Task)>), BenchError> {
    let oracle = oracle(vault)?;
    // This process reads the audit log, which would slow down the measured calls.
    let audit = VaultRequest::new("DELETE", format!("sys/audit/{AUDIT_DEVICE}"));
    oracle.ask(oracle.root_token(), &audit).await?;
    let wanted: Vec<_> = operations.iter().map(|(_, operation)| *operation).collect();
    let workload = Workload::make(&oracle, "latency", &wanted).await?;
    let policy = format!("{}latency", oracle.prefix());
    oracle.write_policy(&policy, &workload.policy()).await?;
    let token = oracle.make_token(&policy).await?.secret;
    let tasks = operations
        .iter()
        .filter_map(|(name, operation)| Some((*name, workload.task(*operation)?)))
        .collect();
    Ok((token, tasks))
}
