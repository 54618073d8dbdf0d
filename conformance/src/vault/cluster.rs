//! A cluster of two Vaults with raft storage, which one scenario has to itself. One node is active, and the other one takes
//! over when the active one steps down. In a deployment a load balancer sends requests to the active node; here the
//! server's tap does that.
//!
//! Two nodes are enough, because none ends: without one of two, the other could not be active.

use std::{io, path::Path, process::ExitStatus, time::Duration};

use futures::future::join_all;
use reqwest::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    api::{ApiError, RootApi},
    binary::{
        BinaryError, Output, PORT_ATTEMPTS, finish, new_home, read, server_command, status_text,
    },
    endpoint::Endpoint,
    notes::{RUN_VARIABLE, note_home, note_target, run_id},
};
use crate::{ports::free_port_pair, process_group::ProcessGroup};

/// It takes 7 s on two busy cores.
const READY: Duration = Duration::from_secs(60);
/// How long the other node may take until it is active; it takes a second.
const TAKEOVER: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// The intervals in which the active node checks whether a new node may vote. By default it takes 10 s until then.
const AUTOPILOT: &str = "500ms";
const STABLE: &str = "1s";

/// Why there is no cluster, or why its other node is not active.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A node cannot be started, or it rejects a request.
    #[error("a node of the cluster: {0}")]
    Node(#[from] BinaryError),
    /// A node ended.
    #[error("a node of the cluster ended ({status}):\n{output}")]
    Ended {
        /// The exit status.
        status: String,
        /// Its last lines.
        output: String,
    },
    /// The nodes run, but are no cluster.
    #[error("the cluster is not complete after {} s:\n{output}", READY.as_secs())]
    NotReady {
        /// The last lines of its nodes.
        output: String,
    },
    /// The other node did not become active.
    #[error("the other node of the cluster is not active after {} s:\n{output}", TAKEOVER.as_secs())]
    NoTakeover {
        /// The last lines of its nodes.
        output: String,
    },
}

impl From<ApiError> for ClusterError {
    fn from(error: ApiError) -> Self {
        Self::Node(error.into())
    }
}

/// A running cluster. On drop, its nodes are killed and their folders removed.
#[derive(Debug)]
pub struct Cluster {
    nodes: [Node; 2],
    root: SecretString,
    /// The position of the active node.
    active: usize,
}

/// One node: a process, and its storage.
#[derive(Debug)]
struct Node {
    group: ProcessGroup,
    output: Output,
    readers: Vec<JoinHandle<()>>,
    api: RootApi,
    /// Has the storage, and is removed with the process.
    home: TempDir,
}

/// Vault's answer to its initialization.
#[derive(Deserialize)]
struct Initialized {
    keys_base64: [String; 1],
    root_token: String,
}

impl Cluster {
    /// Starts two nodes with this program, and waits until either could be active.
    ///
    /// # Errors
    /// [`ClusterError`], except that no node took over.
    pub async fn start(program: &Path) -> Result<Self, ClusterError> {
        let mut attempts = 1;
        loop {
            match Self::start_once(program).await {
                Err(ClusterError::Ended { output, .. })
                    if output.contains("address already in use") && attempts < PORT_ATTEMPTS =>
                {
                    attempts += 1;
                }
                result => return result,
            }
        }
    }

    async fn start_once(program: &Path) -> Result<Self, ClusterError> {
        let mut nodes = [Node::start(program).await?, Node::start(program).await?];
        let [first, second] = nodes.each_ref().map(|node| node.api.clone());
        let [one, other] = &mut nodes;
        let root = tokio::select! {
            joined = timeout(READY, join(&first, &second)) => match joined {
                Ok(root) => root?,
                Err(_) => return Err(ClusterError::NotReady { output: output(&nodes) }),
            },
            status = one.group.wait() => return Err(one.ended(status).await),
            status = other.group.wait() => return Err(other.ended(status).await),
        };
        Ok(Self {
            nodes,
            root,
            active: 0,
        })
    }

    /// The active node.
    pub fn active(&self) -> &Endpoint {
        self.nodes[self.active].api.endpoint()
    }

    /// The token with all rights.
    pub fn root_token(&self) -> &SecretString {
        &self.root
    }

    /// Makes the active node step down.
    ///
    /// # Errors
    /// If Vault rejects the request.
    pub fn step_down(&self) -> impl Future<Output = Result<(), ApiError>> + Send + use<> {
        let api = self.nodes[self.active].api.with(self.root.clone());
        async move { api.put("sys/step-down", &json!({})).await }
    }

    /// Waits until the other node is active, which is then [`Self::active`].
    ///
    /// # Errors
    /// [`ClusterError::NoTakeover`], [`ClusterError::Ended`]
    pub async fn await_takeover(&mut self) -> Result<(), ClusterError> {
        let other = 1 - self.active;
        let api = self.nodes[other].api.clone();
        if timeout(TAKEOVER, until_active(&api)).await.is_err() {
            self.is_whole().await?;
            let output = output(&self.nodes);
            return Err(ClusterError::NoTakeover { output });
        }
        self.active = other;
        Ok(())
    }

    /// Checks that both nodes run.
    ///
    /// # Errors
    /// [`ClusterError::Ended`]
    pub async fn is_whole(&mut self) -> Result<(), ClusterError> {
        for node in &mut self.nodes {
            if let Some(status) = node.group.ended() {
                return Err(node.ended(Ok(status)).await);
            }
        }
        Ok(())
    }

    /// Ends the nodes and removes their folders.
    ///
    /// # Errors
    /// What may be left behind.
    pub async fn stop(self) -> Result<(), String> {
        let stopped = join_all(self.nodes.map(Node::stop)).await;
        let left: Vec<_> = stopped.into_iter().filter_map(Result::err).collect();
        match left.is_empty() {
            true => Ok(()),
            false => Err(left.join("; ")),
        }
    }
}

impl Node {
    async fn start(program: &Path) -> Result<Self, BinaryError> {
        // Requests come to port P, those of the other node to P+1.
        let port = free_port_pair().map_err(BinaryError::Ports)?;
        let home = new_home()?;
        note_home(home.path());
        let config = home.path().join("node.json");
        let text = configuration(port).to_string();
        let written = tokio::fs::write(&config, text).await;
        written.map_err(BinaryError::Home)?;
        tokio::fs::create_dir(home.path().join(STORAGE))
            .await
            .map_err(BinaryError::Home)?;
        let mut command = server_command(program, home.path());
        command
            .arg(format!("-config={}", config.display()))
            // By this a later run finds it if this one is killed.
            .env(RUN_VARIABLE, run_id());
        let mut group = ProcessGroup::spawn(&mut command).map_err(|source| BinaryError::Spawn {
            program: program.to_owned(),
            source,
        })?;
        if let Some(id) = group.id() {
            note_target(id.as_raw_nonzero().get());
        }
        let output = Output::default();
        let readers = vec![
            read(group.child.stdout.take(), output.taker()),
            read(group.child.stderr.take(), output.taker()),
        ];
        let api = RootApi::new(&address(port), SecretString::from(""))?;
        Ok(Self {
            group,
            output,
            readers,
            api,
            home,
        })
    }

    async fn ended(&mut self, status: io::Result<ExitStatus>) -> ClusterError {
        finish(self.readers.drain(..)).await;
        ClusterError::Ended {
            status: status_text(status),
            output: self.output.text(),
        }
    }

    async fn stop(mut self) -> Result<(), String> {
        self.group.kill();
        if timeout(STOP, self.group.child.wait()).await.is_err() {
            let id = self.group.child.id().unwrap_or_default();
            return Err(format!(
                "process {id} of a cluster still runs after it was killed"
            ));
        }
        let home = self.home.path().display().to_string();
        let removed = self.home.close();
        removed.map_err(|error| format!("{home} cannot be removed: {error}"))
    }
}

/// The folder of a node's storage, in its home.
const STORAGE: &str = "storage";

fn address(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn configuration(port: u16) -> Value {
    let for_nodes = format!("127.0.0.1:{}", port + 1);
    json!({
        "storage": { "raft": {
            "path": STORAGE,
            "node_id": format!("node-{port}"),
            // An election takes one second and not five.
            "performance_multiplier": 1,
            "autopilot_reconcile_interval": AUTOPILOT,
            "autopilot_update_interval": AUTOPILOT,
        } },
        "listener": { "tcp": {
            "address": format!("127.0.0.1:{port}"),
            "cluster_address": for_nodes,
            "tls_disable": true,
        } },
        "api_addr": address(port),
        "cluster_addr": format!("https://{for_nodes}"),
        // Locked memory needs a right that a user does not have.
        "disable_mlock": true,
    })
}

/// Makes a cluster of two new nodes, of which the first one is active; returns its root token.
async fn join(first: &RootApi, second: &RootApi) -> Result<SecretString, ApiError> {
    for api in [first, second] {
        while api.get("sys/seal-status").await.is_err() {
            sleep(POLL_INTERVAL).await;
        }
    }
    let shares = json!({ "secret_shares": 1, "secret_threshold": 1 });
    let made: Initialized = first.ask(Method::PUT, "sys/init", Some(&shares)).await?;
    let [key] = made.keys_base64;
    let key = json!({ "key": key });
    first.put("sys/unseal", &key).await?;
    until_active(first).await;
    let root = SecretString::from(made.root_token);
    let admin = first.with(root.clone());
    let autopilot = json!({ "server_stabilization_time": STABLE });
    let path = "sys/storage/raft/autopilot/configuration";
    admin.put(path, &autopilot).await?;

    let leader = json!({ "leader_api_addr": first.endpoint().address() });
    second.put("sys/storage/raft/join", &leader).await?;
    // It joins in the background, and needs the key once it has.
    while second.version().await.is_err() {
        drop(second.put("sys/unseal", &key).await);
        sleep(POLL_INTERVAL).await;
    }
    // Only a node that votes can take over.
    loop {
        let path = "sys/storage/raft/configuration";
        let told: Value = admin.ask(Method::GET, path, None).await?;
        let servers = told["data"]["config"]["servers"].as_array();
        let servers = servers.into_iter().flatten();
        if servers.filter(|server| server["voter"] == true).count() == 2 {
            return Ok(root);
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// Waits until a node is active. A node that is not answers with another status than 200.
async fn until_active(api: &RootApi) {
    while api.get("sys/health").await.is_err() {
        sleep(POLL_INTERVAL).await;
    }
}

fn output(nodes: &[Node]) -> String {
    let outputs: Vec<_> = nodes.iter().map(|node| node.output.text()).collect();
    outputs.join("\n")
}
