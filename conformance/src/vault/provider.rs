//! Gets a real Vault on any machine: in a container, from a `vault` binary, or built with Go; or, if requested, one
//! that somebody else runs. Each run reports which one it uses; nothing is chosen silently.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use clap::ValueEnum;
use rand::distr::{Alphanumeric, SampleString};
use secrecy::SecretString;

use super::{
    audit::{AuditError, AuditLog, Records},
    binary::{self, BinaryError, DevProcess},
    build::{self, BuildError},
    container::{self, ContainerError, DevContainer},
    endpoint::Endpoint,
    external::{ExternalError, ExternalOptions, ExternalVault},
    health::HealthMonitor,
    leftovers,
    prefix::RunPrefix,
};
use crate::{
    cache::{Cache, CacheError},
    evidence::Evidence,
    progress::Progress,
    vault::api::{ApiError, RootApi},
};

/// Names the container image where no option does.
pub const IMAGE_VARIABLE: &str = "VAULT_IMAGE";

/// Where the Vault comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum VaultChoice {
    /// The first that works: container, binary, build
    #[default]
    Auto,
    /// A container image
    Container,
    /// The `vault` on PATH
    Binary,
    /// A Vault built with Go, once, into the user's cache
    Build,
    /// The Vault that --vault-addr names; never chosen by auto
    External,
}

/// What the user asked for.
#[derive(Clone, Debug, Default)]
pub struct VaultOptions {
    /// Where the Vault comes from.
    pub choice: VaultChoice,
    /// The container image; else `VAULT_IMAGE`, else `hashicorp/vault:1.21`. An image that was
    /// asked for either way rules the other providers out under [`VaultChoice::Auto`]: whoever
    /// names an image must not be judged on another Vault.
    pub image: Option<String>,
    /// The Vault of [`VaultChoice::External`], and of no other choice.
    pub external: Option<ExternalOptions>,
}

impl VaultOptions {
    /// What will be seen of what happens in that Vault.
    pub(crate) fn evidence(&self) -> BTreeSet<Evidence> {
        let mut evidence = BTreeSet::from(Evidence::ALL);
        if self.choice == VaultChoice::External {
            evidence.remove(&Evidence::Audit);
            evidence.remove(&Evidence::DedicatedVault);
        }
        evidence
    }
}

/// What a Vault came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VaultProvider {
    /// A container.
    Container,
    /// The `vault` on PATH.
    Binary,
    /// A binary that the suite built.
    Build,
    /// A Vault that somebody else runs.
    External,
}

impl fmt::Display for VaultProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Container => "container",
            Self::Binary => "binary",
            Self::Build => "build",
            Self::External => "external",
        })
    }
}

/// Which Vault it is; shown by the console and the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultIdentity {
    /// `Vault`.
    pub product: String,
    /// As Vault itself says: `1.21.1`.
    pub version: String,
    /// What it came from.
    pub provider: VaultProvider,
    /// The image's name, the binary's path, or the address.
    pub detail: String,
}

impl VaultIdentity {
    fn new(provider: VaultProvider, version: String, detail: String) -> Self {
        Self {
            product: "Vault".to_owned(),
            version,
            provider,
            detail,
        }
    }
}

impl fmt::Display for VaultIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            product,
            version,
            provider,
            detail,
        } = self;
        write!(f, "{product} {version} ({provider} {detail})")
    }
}

/// A running Vault. One that the suite started is a dev Vault: in memory, unsealed, a random root token,
/// a KV v2 mount at `secret/`.
///
/// Dropped, it is killed or removed, or what was made in it is, as far as that can be done there and then;
/// [`Vault::stop`] does it in order and tells of failure.
#[derive(Debug)]
pub struct Vault {
    api: RootApi,
    identity: VaultIdentity,
    prefix: RunPrefix,
    audit: Option<AuditLog>,
    backend: Backend,
    /// What it was started from, if the suite did that.
    dev: Option<DevVault>,
}

#[derive(Debug)]
enum Backend {
    Process(Box<DevProcess>),
    Container(Box<DevContainer>),
    External(Box<ExternalVault>),
}

impl Vault {
    /// `http://127.0.0.1:PORT`, or where somebody else runs it.
    pub fn address(&self) -> &str {
        self.api.endpoint().address()
    }

    /// Where it is, and how its certificate is verified.
    pub fn endpoint(&self) -> &Endpoint {
        &self.api.endpoint
    }

    /// What all names that the suite makes in it begin with.
    pub fn prefix(&self) -> &RunPrefix {
        &self.prefix
    }

    /// The token that may do everything, or in somebody else's Vault all that the suite has to do there;
    /// never given to a target.
    pub fn root_token(&self) -> &SecretString {
        self.api.token()
    }

    /// Which Vault it is.
    pub fn identity(&self) -> &VaultIdentity {
        &self.identity
    }

    /// What Vault says it was asked since it started; none of somebody else's Vault.
    pub fn audit(&self) -> Option<&AuditLog> {
        self.audit.as_ref()
    }

    /// How to start another one like it; none like somebody else's.
    pub(crate) fn another(&self) -> Option<Another> {
        Some(Another {
            provider: self.identity.provider,
            dev: self.dev.clone()?,
        })
    }

    /// Whether Vault answers, unsealed.
    pub async fn is_alive(&self) -> bool {
        self.api.is_alive().await
    }

    /// What tells whether it is still there.
    pub fn pulse(&self) -> HealthMonitor {
        let api = self.api.clone();
        match &self.backend {
            Backend::Process(process) => HealthMonitor::of_process(api, process.remains()),
            Backend::Container(container) => HealthMonitor::of_container(api, container.id()),
            Backend::External(_) => HealthMonitor::of_stranger(api),
        }
    }

    /// Ends the process, removes the container or what was made in somebody else's Vault, and waits until
    /// it is gone.
    ///
    /// # Errors
    /// [`VaultError::StepEnd`] with what may be left behind.
    pub async fn stop(self) -> Result<(), VaultError> {
        match self.backend {
            Backend::Process(process) => process.stop().await,
            Backend::Container(container) => container.stop().await,
            Backend::External(external) => external.stop().await,
        }
        .map_err(|reason| VaultError::StepEnd {
            identity: Box::new(self.identity),
            reason,
        })
    }
}

/// No Vault, or one that did not go away.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The provider that was asked for has no Vault.
    #[error("cannot get a Vault\n{0}")]
    Unavailable(#[source] Attempt),
    /// No provider has one.
    #[error("no usable Vault found; tried in this order:\n{}", lines(.0))]
    NoVault(Vec<Attempt>),
    /// Cleaning up failed.
    #[error("cannot clean up {identity}: {reason}")]
    StepEnd {
        /// Which one.
        identity: Box<VaultIdentity>,
        /// Why, and what to look for.
        reason: String,
    },
}

fn lines(attempts: &[Attempt]) -> String {
    let lines: Vec<_> = attempts.iter().map(Attempt::to_string).collect();
    lines.join("\n")
}

/// One provider that was tried, why it has no Vault, and how to change that.
#[derive(Debug, thiserror::Error)]
#[error("  {provider}: {problem}\n    fix: {}", .problem.fix())]
pub struct Attempt {
    /// What was tried.
    pub provider: VaultProvider,
    /// Why it failed.
    #[source]
    pub problem: Problem,
}

/// Why a provider has no Vault.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The container provider.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// A binary, found or built.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// Building one.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The folder to build into.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// Somebody else's Vault.
    #[error(transparent)]
    External(#[from] ExternalError),
    /// It runs, and does not answer.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// It runs, and its audit log cannot be had.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

impl Problem {
    /// The shortest way to make it work, as a command or a sentence.
    pub fn fix(&self) -> String {
        match self {
            Self::Container(error) => error.fix(),
            Self::Binary(error) => error.fix(),
            Self::Build(error) => error.fix(),
            Self::External(error) => error.fix(),
            Self::Cache(_) => "set VAULT_MCP_CONFORMANCE_CACHE to a folder to write to".to_owned(),
            Self::Api(_) | Self::Audit(_) => "use another Vault: see --vault".to_owned(),
        }
    }
}

/// Starts a Vault as asked for, with its audit log on; or enters somebody else's.
///
/// # Errors
/// [`VaultError::Unavailable`] if the one that was asked for cannot be had,
/// [`VaultError::NoVault`] if none can.
pub async fn start(options: &VaultOptions, progress: &Progress) -> Result<Vault, VaultError> {
    leftovers::sweep(progress).await;
    let image = asked_image(options);
    let providers: &[_] = match options.choice {
        VaultChoice::Auto if image.is_some() => &[VaultProvider::Container],
        VaultChoice::Auto => &[
            VaultProvider::Container,
            VaultProvider::Binary,
            VaultProvider::Build,
        ],
        VaultChoice::Container => &[VaultProvider::Container],
        VaultChoice::Binary => &[VaultProvider::Binary],
        VaultChoice::Build => &[VaultProvider::Build],
        VaultChoice::External => &[VaultProvider::External],
    };

    let mut attempts = Vec::new();
    for &provider in providers {
        let problem = match start_with(provider, options, progress).await {
            Ok(vault) => return Ok(vault),
            Err(problem) => problem,
        };
        if providers.len() > 1 {
            progress.say(format_args!("no Vault with {provider}: {problem}"));
        }
        attempts.push(Attempt { provider, problem });
    }
    Err(match <[Attempt; 1]>::try_from(attempts) {
        Ok([attempt]) => VaultError::Unavailable(attempt),
        Err(attempts) => VaultError::NoVault(attempts),
    })
}

pub(crate) fn asked_image(options: &VaultOptions) -> Option<String> {
    let from_environment = || std::env::var(IMAGE_VARIABLE).ok();
    options
        .image
        .clone()
        .or_else(from_environment)
        .filter(|image| !image.is_empty())
}

async fn start_with(
    provider: VaultProvider,
    options: &VaultOptions,
    progress: &Progress,
) -> Result<Vault, Problem> {
    let (vault, step) = match provider {
        VaultProvider::Container => {
            let image = asked_image(options);
            let image = container::find_image(image.as_deref(), progress).await?;
            let step = progress.step("starting Vault");
            step.note(format!("container of {image}"));
            (DevVault::Image(image).start(provider).await?, step)
        }
        VaultProvider::Binary | VaultProvider::Build => {
            let program = if provider == VaultProvider::Binary {
                binary::on_path("vault").ok_or(BinaryError::NotFound)?
            } else {
                build::get(&Cache::locate()?, progress).await?
            };
            let step = progress.step("starting Vault");
            step.note(program.display().to_string());
            (DevVault::Program(program).start(provider).await?, step)
        }
        VaultProvider::External => {
            let options = options.external.as_ref().ok_or(ExternalError::NotNamed)?;
            let step = progress.step("entering Vault");
            let prefix = RunPrefix::draw();
            let (vault, api) = ExternalVault::enter(options, &prefix, progress).await?;
            let version = api.version().await?;
            let vault = Vault {
                api,
                identity: VaultIdentity::new(provider, version, options.address.clone()),
                prefix,
                // An audit device is a change that others see, and its log is on a disk of theirs.
                audit: None,
                backend: Backend::External(Box::new(vault)),
                dev: None,
            };
            (vault, step)
        }
    };
    step.done(format_args!("{} at {}", vault.identity, vault.address()));
    Ok(vault)
}

/// What a dev Vault is started from.
#[derive(Clone, Debug)]
enum DevVault {
    Image(String),
    Program(PathBuf),
}

impl DevVault {
    async fn start(&self, provider: VaultProvider) -> Result<Vault, Problem> {
        let token = SecretString::from(Alphanumeric.sample_string(&mut rand::rng(), 32));
        let records = Records::default();
        let (detail, api, backend) = match self {
            Self::Image(image) => {
                let (container, api) = DevContainer::start(image, &token, &records).await?;
                (image.clone(), api, Backend::Container(Box::new(container)))
            }
            Self::Program(program) => {
                let (process, api) = DevProcess::start(program, &token, &records).await?;
                let detail = program.display().to_string();
                (detail, api, Backend::Process(Box::new(process)))
            }
        };
        let version = api.version().await?;
        Ok(Vault {
            audit: Some(AuditLog::enable(api.clone(), records).await?),
            api,
            identity: VaultIdentity::new(provider, version, detail),
            prefix: RunPrefix::draw(),
            backend,
            dev: Some(self.clone()),
        })
    }
}

/// How to start another Vault like one that the suite started.
#[derive(Clone, Debug)]
pub(crate) struct Another {
    provider: VaultProvider,
    dev: DevVault,
}

impl Another {
    /// Starts it, with its audit log on.
    ///
    /// # Errors
    /// [`VaultError::Unavailable`].
    pub(crate) async fn start(&self) -> Result<Vault, VaultError> {
        let provider = self.provider;
        let started = self.dev.start(provider).await;
        started.map_err(|problem| VaultError::Unavailable(Attempt { provider, problem }))
    }
}
