//! A target in a container: the `docker run` line of its adapter, the address at which the container reaches the host,
//! and the removal of the container.

use std::{
    ffi::OsString,
    io::Read as _,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use rand::distr::{Alphanumeric, SampleString as _};
use tokio::{process::Command, time::timeout};

use crate::{
    adapter::launch::Launch,
    vault::{
        container::LABEL,
        notes::{note_container, run_id},
    },
};

/// The host's name from within a container.
pub(crate) const HOST: &str = "host.docker.internal";

/// The time limit for one Docker command.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long after the end of a command Docker may still create its container.
const MADE_LATE: Duration = Duration::from_millis(500);

/// The variables that the Docker command receives from the environment.
pub(super) const INHERITED: [&str; 6] = [
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "DOCKER_API_VERSION",
];

/// The address of this machine that containers reach as [`HOST`]. The tap listens there.
///
/// # Errors
/// If Docker does not answer, or the adapter's command does not make the name resolvable.
pub(crate) async fn host_address(docker: &Path, launch: &Launch) -> Result<Ipv4Addr, String> {
    let system = ask(docker, &["info", "--format", "{{.OperatingSystem}}"]).await?;
    if system.contains("Docker Desktop") {
        return Ok(Ipv4Addr::LOCALHOST);
    }
    if !launch.command.iter().any(|word| word.contains(HOST)) {
        return Err(format!(
            "the container cannot resolve {HOST}, the name of Vault's host: put \"--add-host\", \"{HOST}:host-gateway\" after \"run\" in the adapter's command"
        ));
    }
    let format = "{{range .IPAM.Config}}{{.Gateway}} {{.Subnet}} {{end}}";
    let about = ask(
        docker,
        &["network", "inspect", "bridge", "--format", format],
    )
    .await?;
    gateway_in(&about)
        .ok_or_else(|| format!("Docker's default bridge has no IPv4 gateway but {about:?}"))
}

/// The IPv4 gateway in the gateways and subnets of a network. Some versions of Docker name the gateway only after a
/// restart of the daemon; it is then the first address of the subnet.
fn gateway_in(about: &str) -> Option<Ipv4Addr> {
    let mut words = about.split_whitespace();
    let named = words.clone().find_map(|word| word.parse().ok());
    named.or_else(|| {
        words.find_map(|word| {
            let network: Ipv4Addr = word.split_once('/')?.0.parse().ok()?;
            Some(Ipv4Addr::from(u32::from(network).checked_add(1)?))
        })
    })
}

async fn ask(docker: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(docker);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let what = format!("`docker {}`", arguments.join(" "));
    let output = timeout(PATIENCE, command.output())
        .await
        .map_err(|_| format!("{what} did not end within {} s", PATIENCE.as_secs()))?
        .map_err(|error| format!("{what} cannot be run: {error}"))?;
    // Without its daemon, some versions of `docker info` report the failure only in their output.
    let (out, said) = (
        String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    );
    match output.status.success() && !out.is_empty() {
        true => Ok(out),
        false => Err(format!("{what} failed ({}): {said}", output.status)),
    }
}

/// A container that may exist; removed on drop.
#[derive(Debug)]
pub(super) struct Container {
    docker: PathBuf,
    name: String,
    gone: bool,
}

impl Container {
    /// Names a container that Docker is about to create.
    pub(super) fn new(docker: &Path) -> Self {
        let name = format!(
            "{LABEL}-target-{}",
            Alphanumeric.sample_string(&mut rand::rng(), 12)
        );
        note_container(&name);
        Self {
            docker: docker.to_owned(),
            name,
            gone: false,
        }
    }

    /// The arguments after `docker run` that identify the container.
    pub(super) fn marks(&self) -> [String; 4] {
        [
            "--name".to_owned(),
            self.name.clone(),
            "--label".to_owned(),
            format!("{LABEL}={}", run_id()),
        ]
    }

    fn removal(&self) -> [OsString; 3] {
        ["rm", "--force", &self.name].map(OsString::from)
    }

    /// Removes the container, and waits until it is gone.
    ///
    /// # Errors
    /// If it may still exist.
    pub(super) async fn remove(mut self) -> Result<(), String> {
        let mut command = Command::new(&self.docker);
        command.args(self.removal()).stdin(Stdio::null());
        let problem = match timeout(PATIENCE, command.output()).await {
            Ok(Ok(output)) => {
                let said = String::from_utf8_lossy(&output.stderr);
                self.gone = output.status.success() || said.contains("No such container");
                said.trim().to_owned()
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("not within {} s", PATIENCE.as_secs()),
        };
        match self.gone {
            true => Ok(()),
            false => Err(format!(
                "the target's container cannot be removed: {problem}; `docker rm -f {}`",
                self.name
            )),
        }
    }
}

impl Drop for Container {
    /// The last resort, for an interrupt, a panic or a dropped run. It blocks, so that nothing is left when the suite
    /// ends.
    fn drop(&mut self) {
        // If a command was killed, Docker may still create its container afterwards.
        for _ in 0..2 {
            if self.gone || self.remove_now() {
                return;
            }
            std::thread::sleep(MADE_LATE);
        }
    }
}

impl Container {
    /// Whether a container existed and is gone now. A failure cannot be reported here: the container is noted, and the
    /// next run removes it.
    fn remove_now(&self) -> bool {
        let mut command = std::process::Command::new(&self.docker);
        command.args(self.removal());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let Ok(mut child) = command.spawn() else {
            return true;
        };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Ok(Some(_)) = child.try_wait() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // The process has already ended, or takes too long.
        let _ = child.kill();
        // Docker prints the name of what it removed.
        let mut said = String::new();
        let read = child
            .stdout
            .take()
            .map(|mut out| out.read_to_string(&mut said));
        read.is_none() || said.contains(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::gateway_in;

    #[test]
    fn the_gateway_is_the_named_one_or_else_the_first_address_of_the_subnet() {
        let gateway = Some(Ipv4Addr::new(172, 17, 0, 1));
        assert_eq!(gateway_in("172.17.0.1 172.17.0.0/16"), gateway);
        assert_eq!(gateway_in("172.17.0.0/16"), gateway);
        assert_eq!(gateway_in("fd00::1 fd00::/64 172.17.0.0/16"), gateway);
        assert_eq!(gateway_in("fd00::1 fd00::/64"), None);
    }
}
