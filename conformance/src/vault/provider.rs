//! Gets a real Vault on any machine: in a container, from a `vault` binary, or built with Go; or, if requested, one
//! that somebody else runs, or OpenBao. Each run reports which one it uses; nothing is chosen silently.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

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
    vault::api::{ApiError, OPENBAO, RootApi},
};

/// The variable with the default container image.
pub const IMAGE_VARIABLE: &str = "VAULT_IMAGE";

/// Where the Vault comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum VaultChoice {
    /// The first that works: container, binary, build
    #[default]
    Auto,
    /// A container image
    Container,
    /// The program that --vault-binary names, or the `vault` on PATH, or the `bao` (OpenBao) if there is no `vault`
    Binary,
    /// A Vault built with Go, once, into the user's cache
    Build,
    /// The Vault that --vault-addr names; never chosen by auto
    External,
}

/// The user's options.
#[derive(Clone, Debug, Default)]
pub struct VaultOptions {
    /// Where the Vault comes from.
    pub choice: VaultChoice,
    /// The container image. The default is `VAULT_IMAGE`, or else `hashicorp/vault:1.21`. If an image is given in
    /// either way, [`VaultChoice::Auto`] uses no other provider, because the user wants to test with this Vault.
    pub image: Option<String>,
    /// The program of [`VaultChoice::Binary`]. The default is the `vault` on PATH, or else the `bao`. If a program is
    /// given, [`VaultChoice::Auto`] uses no other provider.
    pub binary: Option<PathBuf>,
    /// The Vault of [`VaultChoice::External`]; unused for other choices.
    pub external: Option<ExternalOptions>,
}

impl VaultOptions {
    /// The evidence that is available about that Vault.
    pub(crate) fn evidence(&self) -> BTreeSet<Evidence> {
        let mut evidence = BTreeSet::from(Evidence::ALL);
        let missing: &[_] = match self.choice {
            VaultChoice::External => {
                &[Evidence::Audit, Evidence::DedicatedVault, Evidence::Cluster]
            }
            VaultChoice::Container => &[Evidence::Cluster],
            // What it becomes is not known yet.
            VaultChoice::Auto | VaultChoice::Binary | VaultChoice::Build => &[],
        };
        evidence.retain(|one| !missing.contains(one));
        evidence
    }
}

/// The origin of a Vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VaultProvider {
    /// A container.
    Container,
    /// A program on PATH, or one that the user named.
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

/// The identity of a Vault; shown by the console and the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultIdentity {
    /// `Vault` or `OpenBao`.
    pub product: String,
    /// The version that Vault reports: `1.21.1`.
    pub version: String,
    /// Its origin.
    pub provider: VaultProvider,
    /// The image's name, the binary's path, or the address.
    pub detail: String,
}

impl VaultIdentity {
    async fn find_out(
        api: &RootApi,
        provider: VaultProvider,
        detail: String,
    ) -> Result<Self, ApiError> {
        Ok(Self {
            product: api.product().await?.to_owned(),
            version: api.version().await?,
            provider,
            detail,
        })
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

/// A running Vault. A Vault that the suite started is a dev Vault: in memory, unsealed, with a random root token and a
/// KV v2 mount at `secret/`.
///
/// On drop, it is killed or removed, or what was made in it is removed, as far as possible at once. [`Vault::stop`]
/// does this in order and reports failures.
#[derive(Debug)]
pub struct Vault {
    api: RootApi,
    identity: VaultIdentity,
    prefix: RunPrefix,
    audit: Option<AuditLog>,
    backend: Backend,
    /// The dev Vault, if the suite started it.
    dev: Option<DevVault>,
}

#[derive(Debug)]
enum Backend {
    Process(Box<DevProcess>),
    Container(Box<DevContainer>),
    External(Box<ExternalVault>),
}

impl Vault {
    /// `http://127.0.0.1:PORT`, or the address of the external Vault.
    pub fn address(&self) -> &str {
        self.api.endpoint().address()
    }

    /// The address, and how the certificate is verified.
    pub fn endpoint(&self) -> &Endpoint {
        &self.api.endpoint
    }

    /// The prefix of all names that the suite makes in it.
    pub fn prefix(&self) -> &RunPrefix {
        &self.prefix
    }

    /// The token with all rights, or in an external Vault with all rights that the suite needs there. A target never
    /// receives it.
    pub fn root_token(&self) -> &SecretString {
        self.api.token()
    }

    /// The identity of the Vault.
    pub fn identity(&self) -> &VaultIdentity {
        &self.identity
    }

    /// The audit log since Vault started; `None` for an external Vault.
    pub fn audit(&self) -> Option<&AuditLog> {
        self.audit.as_ref()
    }

    /// How to start another Vault like this one; `None` for an external Vault.
    pub(crate) fn another(&self) -> Option<Another> {
        Some(Another {
            provider: self.identity.provider,
            dev: self.dev.clone()?,
        })
    }

    /// Whether Vault answers and is unsealed.
    pub async fn is_alive(&self) -> bool {
        self.api.is_alive().await
    }

    /// A monitor of whether it still answers.
    pub fn pulse(&self) -> HealthMonitor {
        let api = self.api.clone();
        match &self.backend {
            Backend::Process(process) => HealthMonitor::of_process(api, process.remains()),
            Backend::Container(container) => HealthMonitor::of_container(api, container.id()),
            Backend::External(_) => HealthMonitor::of_stranger(api),
        }
    }

    /// Ends the process, or removes the container or what was made in the external Vault, and waits until it is gone.
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

/// Why there is no Vault, or why it could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The requested provider has no Vault.
    #[error("cannot get a Vault\n{0}")]
    Unavailable(#[source] Attempt),
    /// No provider has one.
    #[error("no usable Vault found; tried in this order:\n{}", lines(.0))]
    NoVault(Vec<Attempt>),
    /// The clean-up failed.
    #[error("cannot clean up {identity}: {reason}")]
    StepEnd {
        /// The Vault.
        identity: Box<VaultIdentity>,
        /// The cause, and what may be left.
        reason: String,
    },
}

fn lines(attempts: &[Attempt]) -> String {
    let lines: Vec<_> = attempts.iter().map(Attempt::to_string).collect();
    lines.join("\n")
}

/// One provider that was tried, why it has no Vault, and how to fix that.
#[derive(Debug, thiserror::Error)]
#[error("  {provider}: {problem}\n    fix: {}", .problem.fix())]
pub struct Attempt {
    /// The provider.
    pub provider: VaultProvider,
    /// Why it failed.
    #[source]
    pub problem: Problem,
}

/// Why a provider has no Vault.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A problem with the container.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// A problem with a binary, found or built.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// A problem with the build.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A problem with the folder for the build.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A problem with the external Vault.
    #[error(transparent)]
    External(#[from] ExternalError),
    /// Vault runs, but does not answer.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Vault runs, but its audit log is not available.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

impl Problem {
    /// The shortest way to fix it, as a command or a sentence.
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

/// Starts the requested Vault with its audit log enabled, or connects to an external Vault.
///
/// # Errors
/// [`VaultError::Unavailable`] if the requested provider has no Vault, [`VaultError::NoVault`] if no provider has one.
pub async fn start(options: &VaultOptions, progress: &Progress) -> Result<Vault, VaultError> {
    leftovers::sweep(progress).await;
    let image = asked_image(options);
    let providers: &[_] = match options.choice {
        VaultChoice::Auto if options.binary.is_some() => &[VaultProvider::Binary],
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
            let program = match provider {
                VaultProvider::Binary => binary_of(options)?,
                _ => build::get(&Cache::locate()?, progress).await?,
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
            let address = options.address.clone();
            let vault = Vault {
                identity: VaultIdentity::find_out(&api, provider, address).await?,
                api,
                prefix,
                // An audit device is a change that others see, and its log is on their disk.
                audit: None,
                backend: Backend::External(Box::new(vault)),
                dev: None,
            };
            (vault, step)
        }
    };
    step.done(format_args!("{} at {}", vault.identity, vault.address()));
    if vault.identity.product == OPENBAO {
        progress.say(format_args!("this is OpenBao: {}", vault.identity));
    }
    Ok(vault)
}

/// The program of [`VaultProvider::Binary`]. OpenBao is another product, so it is used only if the user asks for the
/// provider or for the program, and not in the course of [`VaultChoice::Auto`].
fn binary_of(options: &VaultOptions) -> Result<PathBuf, BinaryError> {
    if let Some(program) = &options.binary {
        // It is started in a folder of its own.
        let program = std::path::absolute(program).unwrap_or_else(|_| program.clone());
        return match binary::is_executable(&program) {
            true => Ok(program),
            false => Err(BinaryError::NoProgram { program }),
        };
    }
    match (binary::on_path("vault"), binary::on_path("bao")) {
        (Some(vault), _) => Ok(vault),
        (None, Some(bao)) if options.choice == VaultChoice::Binary => Ok(bao),
        (None, Some(bao)) => Err(BinaryError::OnlyOpenBao { bao }),
        (None, None) => Err(BinaryError::NotFound),
    }
}

/// The kinds of dev Vaults.
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
        Ok(Vault {
            audit: Some(AuditLog::enable(api.clone(), records).await?),
            identity: VaultIdentity::find_out(&api, provider, detail).await?,
            api,
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
    /// The program of such a Vault, if it is a process.
    pub(crate) fn program(&self) -> Option<&Path> {
        match &self.dev {
            DevVault::Program(program) => Some(program),
            DevVault::Image(_) => None,
        }
    }

    /// Starts it, with its audit log enabled.
    ///
    /// # Errors
    /// [`VaultError::Unavailable`].
    pub(crate) async fn start(&self) -> Result<Vault, VaultError> {
        let provider = self.provider;
        let started = self.dev.start(provider).await;
        started.map_err(|problem| VaultError::Unavailable(Attempt { provider, problem }))
    }
}
