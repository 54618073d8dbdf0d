//! A dev Vault in a container, started as the tutorial does: dev mode, a root token, `IPC_LOCK`.

use std::future::Future;
use std::time::Duration;

use futures::StreamExt as _;
use rand::distr::{Alphanumeric, SampleString};
use secrecy::{ExposeSecret, SecretString};
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as DockerError;
use testcontainers::bollard::models::{HostConfig, HostConfigLogConfig, PortBinding};
use testcontainers::bollard::query_parameters::{
    LogsOptionsBuilder, RemoveContainerOptionsBuilder,
};
use testcontainers::core::IntoContainerPort;
use testcontainers::core::client::{ClientError, docker_client_instance};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt, TestcontainersError};
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};

use super::{
    api::{ApiError, RootApi},
    audit::Records,
    binary::{DEV_CONFIG, Output, PORT_ATTEMPTS},
    notes::{note_container, run_id},
};
use crate::{error_chain::error_chain, lines::each_line, progress::Progress};

/// The default image.
pub const DEFAULT_IMAGE: &str = "hashicorp/vault:1.21";
/// The path of Vault's configuration in the container.
const CONFIG_FILE: &str = "/vault-mcp-conformance.hcl";
/// The label of every container of the suite; its value is [`run_id`].
pub const LABEL: &str = "vault-mcp-conformance";

const PORT: u16 = 8200;
const CONNECT: Duration = Duration::from_secs(5);
const PULL: Duration = Duration::from_secs(5 * 60);
const READY: Duration = Duration::from_secs(30);
const REMOVE: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// How many lines of an ended container are searched, including those of the audit log.
const LAST_LOGS: usize = 1000;

/// Why no container of Vault is available.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// Docker is not available.
    #[error("docker does not answer at {host}: {reason}")]
    NoDocker {
        /// `DOCKER_HOST`, or the default socket.
        host: String,
        /// The cause.
        reason: String,
    },
    /// The image is not available.
    #[error("image {image} is missing and cannot be pulled: {reason}")]
    NoImage {
        /// The image.
        image: String,
        /// The cause.
        reason: String,
    },
    /// Docker cannot start it.
    #[error("cannot start a container of {image}: {reason}")]
    Start {
        /// The image.
        image: String,
        /// The cause.
        reason: String,
    },
    /// The container ended instead of serving.
    #[error("the container of {image} ended at once:\n{output}")]
    Ended {
        /// The image.
        image: String,
        /// Its last lines.
        output: String,
    },
    /// The container runs, but does not serve.
    #[error("Vault in the container of {image} does not answer at {address} after {} s:\n{output}", READY.as_secs())]
    NotReady {
        /// The image.
        image: String,
        /// The expected address.
        address: String,
        /// Its last lines.
        output: String,
    },
    /// Docker cannot remove it.
    #[error("cannot remove container {name}: {reason}")]
    Remove {
        /// The name of the container.
        name: String,
        /// The cause.
        reason: String,
    },
    /// The suite cannot send requests to it.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl ContainerError {
    pub(crate) fn fix(&self) -> String {
        match self {
            Self::NoDocker { .. } => "start docker, or set DOCKER_HOST to where it runs".to_owned(),
            Self::NoImage { image, .. } if image == DEFAULT_IMAGE => format!(
                "`docker pull {image}` where a registry can be reached, or `vault-mcp-conformance vault image` where one cannot"
            ),
            Self::NoImage { image, .. } => {
                format!("`docker pull {image}`, or name another with --vault-image or VAULT_IMAGE")
            }
            Self::Start { image, .. }
            | Self::Ended { image, .. }
            | Self::NotReady { image, .. } => {
                format!(
                    "see what `docker run --rm --cap-add IPC_LOCK -p 127.0.0.1::{PORT} {image}` says"
                )
            }
            Self::Remove { name, .. } => format!("`docker rm -f {name}`"),
            Self::Api(_) => "use another Vault: see --vault".to_owned(),
        }
    }
}

/// A connection to Docker, if it answers.
pub(crate) async fn docker() -> Result<Docker, ContainerError> {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    let no_docker = |reason| ContainerError::NoDocker {
        host: if host.is_empty() {
            "its default socket".to_owned()
        } else {
            host.clone()
        },
        reason,
    };
    // Without this check, testcontainers would panic.
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if (set("DOCKER_TLS_VERIFY") || host.starts_with("https://")) && !set("DOCKER_CERT_PATH") {
        return Err(no_docker(
            "TLS was requested, but DOCKER_CERT_PATH is not set".to_owned(),
        ));
    }
    let docker = docker_client_instance()
        .await
        .map_err(|error| no_docker(error_chain(&error)))?;
    match timeout(CONNECT, docker.ping()).await {
        Ok(Ok(_)) => Ok(docker),
        Ok(Err(error)) => Err(no_docker(error_chain(&error))),
        Err(_) => Err(no_docker(format!("no answer in {} s", CONNECT.as_secs()))),
    }
}

/// The image to use, pulled if necessary: the requested one, or else the default, or else the one that
/// [`super::image::pack`] made.
pub(super) async fn find_image(
    asked: Option<&str>,
    progress: &Progress,
) -> Result<String, ContainerError> {
    // A request to an unreachable registry can take long, so once per process is enough.
    static DEFAULT: OnceCell<String> = OnceCell::const_new();
    let docker = docker().await?;
    if let Some(image) = asked {
        ensure_local(&docker, image, progress).await?;
        return Ok(image.to_owned());
    }
    let default = DEFAULT.get_or_try_init(|| async {
        let missing = match ensure_local(&docker, DEFAULT_IMAGE, progress).await {
            Ok(()) => return Ok(DEFAULT_IMAGE.to_owned()),
            Err(missing) => missing,
        };
        if !is_local(&docker, PACKED_IMAGE).await? {
            return Err(missing);
        }
        progress.say(format_args!("{missing}; using {PACKED_IMAGE}, packed here"));
        Ok(PACKED_IMAGE.to_owned())
    });
    default.await.cloned()
}

async fn ensure_local(
    docker: &Docker,
    image: &str,
    progress: &Progress,
) -> Result<(), ContainerError> {
    if is_local(docker, image).await? {
        return Ok(());
    }
    let step = progress.step(format!("pulling {image}"));
    let reason = match timeout(PULL, reference(image).pull_image()).await {
        Ok(Ok(_)) => {
            step.done("pulled");
            return Ok(());
        }
        Ok(Err(TestcontainersError::Client(ClientError::PullImage { err, .. }))) => {
            error_chain(&err)
        }
        Ok(Err(error)) => error_chain(&error),
        Err(_) => format!("still pulling after {} min", PULL.as_secs() / 60),
    };
    Err(ContainerError::NoImage {
        image: image.to_owned(),
        reason,
    })
}

pub(crate) async fn is_local(docker: &Docker, image: &str) -> Result<bool, ContainerError> {
    match docker.inspect_image(image).await {
        Ok(_) => Ok(true),
        Err(DockerError::DockerResponseServerError {
            status_code: 404, ..
        }) => Ok(false),
        Err(error) => Err(ContainerError::NoImage {
            image: image.to_owned(),
            reason: error_chain(&error),
        }),
    }
}

/// Parses `name`, `name:tag`, `registry:5000/name` and `name@sha256:...`, as testcontainers does.
fn reference(image: &str) -> GenericImage {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => GenericImage::new(name, tag),
        _ => GenericImage::new(image, "latest"),
    }
}

/// The machine on which Docker publishes ports, and the interface there.
///
/// Loopback, unless Docker runs on another machine.
fn published_on(docker_host: &str) -> (String, &'static str) {
    let remote = ["tcp://", "http://", "https://"]
        .iter()
        .find_map(|scheme| docker_host.strip_prefix(scheme))
        .map(|rest| rest.split('/').next().unwrap_or(rest))
        .map(|authority| {
            authority
                .rsplit_once(':')
                .map_or(authority, |(host, _)| host)
        })
        .filter(|host| !["localhost", "127.0.0.1", "[::1]"].contains(host));
    match remote {
        Some(host) => (host.to_owned(), "0.0.0.0"),
        None => ("127.0.0.1".to_owned(), "127.0.0.1"),
    }
}

/// A dev Vault in a container.
#[derive(Debug)]
pub(super) struct DevContainer {
    /// Taken when the container is removed.
    container: Option<ContainerAsync<GenericImage>>,
}

impl DevContainer {
    /// Starts the container and waits until Vault serves; the audit log goes to `records`.
    pub(super) async fn start(
        image: &str,
        token: &SecretString,
        records: &Records,
    ) -> Result<(Self, RootApi), ContainerError> {
        let mut attempts = 1;
        loop {
            match Self::start_once(image, token, records).await {
                // Another program may take a port between Docker's check and its bind.
                Err(ContainerError::Start { reason, .. })
                    if attempts < PORT_ATTEMPTS
                        && ["already in use", "already allocated"]
                            .iter()
                            .any(|taken| reason.contains(taken)) =>
                {
                    attempts += 1;
                }
                result => return result,
            }
        }
    }

    async fn start_once(
        image: &str,
        token: &SecretString,
        records: &Records,
    ) -> Result<(Self, RootApi), ContainerError> {
        let (host, interface) = published_on(&std::env::var("DOCKER_HOST").unwrap_or_default());
        let name = format!(
            "{LABEL}-{}",
            Alphanumeric.sample_string(&mut rand::rng(), 12)
        );
        note_container(&name);
        // testcontainers leaves a container behind if it created the container but could not start it, or if the start
        // was dropped.
        let halfway = Halfway(Some(name.clone()));
        let container = reference(image)
            .with_exposed_port(PORT.tcp())
            .with_container_name(name)
            .with_label(LABEL, run_id())
            .with_env_var("VAULT_DEV_ROOT_TOKEN_ID", token.expose_secret())
            .with_env_var("VAULT_DEV_LISTEN_ADDRESS", format!("0.0.0.0:{PORT}"))
            .with_cap_add("IPC_LOCK")
            .with_host_config_modifier(move |config| publish(config, interface))
            .with_startup_timeout(READY)
            .with_copy_to(CONFIG_FILE, DEV_CONFIG.as_bytes().to_vec())
            .with_cmd(["server", "-dev", &format!("-config={CONFIG_FILE}")])
            .start()
            .await
            .map_err(|error| start_error(image, &error))?;
        let mut this = Self { container: None };
        let container = this.container.insert(container);
        halfway.disarm();
        let api = serving(container, image, &host, token, records).await?;
        Ok((this, api))
    }

    /// Docker's id of the container.
    pub(super) fn id(&self) -> String {
        let container = self.container.as_ref();
        container.map_or_else(String::new, |container| container.id().to_owned())
    }

    /// Removes the container, and waits until it is gone.
    pub(super) async fn stop(mut self) -> Result<(), String> {
        let Some(container) = self.container.take() else {
            return Ok(());
        };
        let id = container.id().to_owned();
        match timeout(REMOVE, container.rm()).await {
            Ok(Ok(())) => Ok(()),
            // The container was already removed by somebody else.
            Ok(Err(TestcontainersError::Client(ClientError::RemoveContainer(
                DockerError::DockerResponseServerError {
                    status_code: 404, ..
                },
            )))) => Ok(()),
            Ok(Err(error)) => Err(format!(
                "cannot remove container {id}: {}; `docker rm -f {id}`",
                error_chain(&error)
            )),
            Err(_) => Err(format!(
                "container {id} is still there after {} s; `docker rm -f {id}`",
                REMOVE.as_secs()
            )),
        }
    }
}

impl Drop for DevContainer {
    fn drop(&mut self) {
        if let Some(container) = self.container.take() {
            block_on_elsewhere(async move {
                // A failure cannot be reported here; `stop` reports it.
                drop(container.rm().await);
            });
        }
    }
}

/// The name of a container that may exist. It is removed on drop, unless it was handed over.
struct Halfway(Option<String>);

impl Halfway {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Halfway {
    fn drop(&mut self) {
        if let Some(name) = self.0.take() {
            block_on_elsewhere(async move {
                // A failure cannot be reported here.
                drop(remove_by_name(&name).await);
            });
        }
    }
}

/// Runs clean-up work from a `drop`. The runtime of the caller may be single-threaded, shutting down or gone.
pub(super) fn block_on_elsewhere(work: impl Future<Output = ()> + Send + 'static) {
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        if let Ok(runtime) = runtime {
            // If the time limit passes, the container stays, but has the label.
            drop(runtime.block_on(async { timeout(REMOVE, work).await }));
        }
    });
    // Fails only if the clean-up panicked, which `drop` must not propagate.
    drop(thread.join());
}

/// Removes a container if it exists; returns whether it did.
pub(super) async fn remove_by_name(name: &str) -> Result<bool, ContainerError> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true);
    match docker()
        .await?
        .remove_container(name, Some(options.build()))
        .await
    {
        Ok(()) => Ok(true),
        Err(DockerError::DockerResponseServerError {
            status_code: 404, ..
        }) => Ok(false),
        Err(error) => Err(ContainerError::Remove {
            name: name.to_owned(),
            reason: error_chain(&error),
        }),
    }
}

/// Whether a container with this name exists.
pub(super) async fn exists(name: &str) -> bool {
    match docker().await {
        Ok(docker) => docker.inspect_container(name, None).await.is_ok(),
        Err(_) => false,
    }
}

fn publish(config: &mut HostConfig, interface: &str) {
    let binding = PortBinding {
        host_ip: Some(interface.to_owned()),
        host_port: None,
    };
    config.publish_all_ports = Some(false);
    config.port_bindings = Some([(format!("{PORT}/tcp"), Some(vec![binding]))].into());
    // The audit log is read back from Docker, which not every log driver supports.
    config.log_config = Some(HostConfigLogConfig {
        typ: Some("json-file".to_owned()),
        config: None,
    });
}

/// Waits until the Vault in the container serves, and reads its audit log.
async fn serving(
    container: &ContainerAsync<GenericImage>,
    image: &str,
    host: &str,
    token: &SecretString,
    records: &Records,
) -> Result<RootApi, ContainerError> {
    let records = records.clone();
    // Ends with the container.
    let stdout = container.stdout(true);
    tokio::spawn(async move {
        // A caller that waits for an entry that could not be read has a time limit of its own.
        let _ = each_line(stdout, |line| records.line(&line.text())).await;
    });
    let port = container
        .get_host_port_ipv4(PORT.tcp())
        .await
        .map_err(|error| start_error(image, &error))?;
    let address = format!("http://{host}:{port}");
    let api = RootApi::new(&address, token.clone())?;
    tokio::select! {
        () = api.ready() => Ok(api),
        () = ended(container) => Err(ContainerError::Ended {
            image: image.to_owned(),
            output: last_lines(container).await,
        }),
        () = sleep(READY) => Err(ContainerError::NotReady {
            image: image.to_owned(),
            address,
            output: last_lines(container).await,
        }),
    }
}

fn start_error(image: &str, error: &TestcontainersError) -> ContainerError {
    ContainerError::Start {
        image: image.to_owned(),
        reason: error_chain(error),
    }
}

async fn ended(container: &ContainerAsync<GenericImage>) {
    while container.is_running().await.unwrap_or(true) {
        sleep(POLL_INTERVAL).await;
    }
}

/// How a container ended, and its last output, if it has ended.
pub(super) async fn examine(id: &str) -> Option<(String, String)> {
    let docker = docker().await.ok()?;
    let state = match docker.inspect_container(id, None).await {
        Ok(found) => found.state?,
        Err(DockerError::DockerResponseServerError {
            status_code: 404, ..
        }) => return Some(("its container was removed".to_owned(), String::new())),
        Err(_) => return None,
    };
    if state.running? {
        return None;
    }
    let how = match state.oom_killed {
        Some(true) => "it ran out of memory".to_owned(),
        _ => format!("exit status: {}", state.exit_code.unwrap_or_default()),
    };
    let options = LogsOptionsBuilder::new()
        .stdout(true)
        .stderr(true)
        .tail(&LAST_LOGS.to_string())
        .build();
    let output = Output::default();
    let mut logs = docker.logs(id, Some(options));
    while let Ok(Some(Ok(chunk))) = timeout(CONNECT, logs.next()).await {
        for line in String::from_utf8_lossy(&chunk.into_bytes()).lines() {
            // The audit log is not part of the last output.
            if !line.starts_with('{') {
                output.push(line);
            }
        }
    }
    Some((how, output.text()))
}

async fn last_lines(container: &ContainerAsync<GenericImage>) -> String {
    let output = Output::default();
    for stream in [container.stdout(false), container.stderr(false)] {
        // Only what could be read can be shown.
        let _ = each_line(stream, |line| output.push(&line.text())).await;
    }
    output.text()
}

/// The name of the image that [`pack`] makes. It differs from the official image's name, because it is another image.
pub const PACKED_IMAGE: &str = "vault-mcp-conformance/vault:1.21.1";

#[cfg(test)]
mod tests {
    use super::*;
    use testcontainers::Image;

    #[test]
    fn an_image_reference_is_taken_apart_where_docker_would() {
        for (image, name, tag) in [
            ("hashicorp/vault:1.21", "hashicorp/vault", "1.21"),
            ("vault", "vault", "latest"),
            ("registry:5000/vault", "registry:5000/vault", "latest"),
            ("registry:5000/vault:1", "registry:5000/vault", "1"),
            ("vault@sha256:abc", "vault@sha256", "abc"),
        ] {
            let reference = reference(image);
            assert_eq!((reference.name(), reference.tag()), (name, tag), "{image}");
        }
    }

    #[test]
    fn ports_are_published_beyond_loopback_only_where_docker_is_on_another_machine() {
        for local in ["", "unix:///run/docker.sock", "tcp://127.0.0.1:2375"] {
            assert_eq!(published_on(local), ("127.0.0.1".to_owned(), "127.0.0.1"));
        }
        assert_eq!(
            published_on("tcp://docker:2375"),
            ("docker".to_owned(), "0.0.0.0")
        );
    }
}
