//! The command line: its commands and flags, and what each command runs.

mod init;

use std::{
    fs::{File, TryLockError},
    io::{self, Write as _},
    num::NonZeroUsize,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use clap::{Args, Parser, Subcommand};
use tokio_util::sync::CancellationToken;
use vault_mcp_conformance::{
    Suite,
    baseline::{Baseline, BaselineError},
    cache::Cache,
    catalogue, doctor,
    event::Reporter,
    exit::Exit,
    instance::locate::Build,
    interrupt,
    mutation::{
        definition,
        matrix::{self, MatrixError, Scope},
    },
    plan::tags::Tags,
    progress::Progress,
    report::{
        Demands,
        console::{Console, ConsoleFormat, Detail},
        github::GithubSummary,
        json::JsonFile,
        junit::JunitFile,
    },
    requirement,
    suite::SuiteError,
    target::Target,
    transport::{Revision, TransportKind},
    vault::{
        build,
        endpoint::{Endpoint, EndpointError},
        external::ExternalOptions,
        image, leftovers,
        provider::{self, VaultChoice, VaultOptions},
    },
};

/// Tests MCP servers that expose HashiCorp Vault, and checks in Vault what happened.
///
/// Starts a real Vault, starts the server with a least-privilege token, calls its tools through
/// MCP, and then checks in Vault what happened.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
    0  conformant (warnings are allowed)
    1  a MUST failed that the baseline does not list, or what --strict-latency, --require or --min-coverage demands
       was not met
    2  the command line, the adapter file or the baseline is wrong, or another run uses the folder of --output
    3  no Vault, the target does not start, or something was blocked, left behind or could not be written
    4  no scenario was selected, or none was applicable
    5  the baseline lists what no longer fails, or what does not exist
   70  a fault of the suite itself
  130  interrupted";

#[derive(Debug, Subcommand)]
enum Command {
    /// Test a server
    Run(Box<RunArgs>),
    /// List the servers that the suite can test by name
    Targets,
    /// Draft an adapter: from a client's configuration, an address, or a command
    Init(init::InitArgs),
    /// Validate an adapter against its running server: tools, arguments and results
    Check(CheckArgs),
    /// List all requirements
    Requirements {
        /// As the page `docs/requirements.md`
        #[arg(long)]
        markdown: bool,
    },
    /// Show one requirement: its sources, its scenarios, and the mutants that it detects
    Explain {
        /// Its id, such as kv.write-merges, or the key of a scenario
        id: String,
    },
    /// Show what this machine has, what is missing, and how to get it
    Doctor {
        /// What to print on standard output
        #[arg(long, value_enum, default_value_t = DoctorFormat::Console)]
        format: DoctorFormat,
    },
    /// Remove what runs that were killed have left on this machine: containers, processes and files
    Clean,
    /// Run mutation tests: the suite must detect each defect in a conforming server
    Mutants(MutantsArgs),
    /// Build, start or package the Vault that the suite uses
    #[command(subcommand)]
    Vault(VaultCommand),
}

#[derive(Debug, Args)]
struct RunArgs {
    /// The server to test: a name (see `targets`) or the path of an adapter file
    #[arg(long, default_value = "reference", value_name = "NAME|FILE")]
    target: String,
    /// Build the server first, with its adapter's build command
    #[arg(long)]
    build: bool,
    /// The transport to test
    #[arg(long, default_value = "all", value_name = "stdio|http|all", value_parser = transports)]
    transport: Transports,
    /// The one protocol revision to test [default: the newest with sessions that the server supports, and the
    /// others for requirements that may depend on the revision]
    #[arg(long, value_name = "R")]
    revision: Option<Revision>,
    /// Only these profiles
    #[arg(long, value_delimiter = ',', value_name = "P,...")]
    profile: Vec<String>,
    /// Only the scenarios of this requirement, or the one with this key; may be given again
    #[arg(long, value_name = "ID|KEY")]
    scenario: Vec<String>,
    /// Only the scenarios with such tags, e.g. "@must and not @source:BLOG"
    #[arg(long, value_name = "EXPR")]
    tags: Option<Tags>,
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    external: ExternalArgs,
    /// A file of failures that are known and accepted, each with its reason
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Update the baseline: remove what no longer fails, add new failures
    #[arg(long, requires = "baseline", conflicts_with = "fail_fast")]
    update_baseline: bool,
    /// Stop at the first MUST that fails and that the baseline does not list
    #[arg(long)]
    fail_fast: bool,
    /// Exit with 1 if an operation exceeds its budget (95th percentile of at least 20 calls)
    #[arg(long)]
    strict_latency: bool,
    /// Exit with 1 unless these profiles are conformant: neither partial nor not applicable
    #[arg(long, value_delimiter = ',', value_name = "P,...")]
    require: Vec<String>,
    /// Exit with 1 if less of the specification's requirements were tested
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    min_coverage: Option<u8>,
    /// With --vault external: also call tools that no operation maps
    #[arg(long)]
    call_unmapped_tools: bool,
    /// The folder for report.json, junit.xml and transcripts
    #[arg(long, default_value = "target/conformance", value_name = "DIR")]
    output: PathBuf,
    /// What to print on standard output
    #[arg(long, value_enum, default_value_t = ConsoleFormat::Console)]
    format: ConsoleFormat,
    /// Show each failure and each warning with its sources and its transcript, not only their causes
    #[arg(long)]
    verbose: bool,
    /// How many scenarios run at the same time [default: two a core, at most 8]
    #[arg(long, value_name = "N", value_parser = jobs)]
    jobs: Option<NonZeroUsize>,
    /// The seed of all random names and values [default: random]
    #[arg(long, value_name = "N", value_parser = seed)]
    seed: Option<u64>,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// A name (see `targets`) or the path of an adapter file
    #[arg(value_name = "ADAPTER")]
    target: String,
    /// Build the server first, with its adapter's build command
    #[arg(long)]
    build: bool,
    /// The transport to check
    #[arg(long, default_value = "all", value_name = "stdio|http|all", value_parser = transports)]
    transport: Transports,
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    external: ExternalArgs,
    /// What to print on standard output
    #[arg(long, value_enum, default_value_t = ConsoleFormat::Console)]
    format: ConsoleFormat,
}

#[derive(Debug, Args)]
struct MutantsArgs {
    /// The conforming server that the mutants are made from: a name or the path of an adapter file
    #[arg(long, default_value = "reference", value_name = "NAME|FILE")]
    target: String,
    /// Only these mutants and variants
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    only: Vec<String>,
    /// Run each mutant against all requirements; by default a mutant runs only against the requirements in
    /// its `killed_by`
    #[arg(long)]
    all: bool,
    /// What is the default now
    #[arg(long, hide = true)]
    quick: bool,
    /// The folder for mutants.json
    #[arg(long, default_value = "target/conformance", value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    vault: VaultArgs,
}

#[derive(Debug, Args)]
struct VaultArgs {
    /// Where the Vault comes from; auto tries them in this order
    #[arg(long = "vault", value_enum, default_value_t = VaultChoice::Auto)]
    choice: VaultChoice,
    /// The container image [default: $VAULT_IMAGE, else hashicorp/vault:1.21]
    #[arg(long = "vault-image", value_name = "I")]
    image: Option<String>,
    /// The program of --vault binary, Vault or OpenBao [default: `vault` on PATH, else `bao`]
    #[arg(long = "vault-binary", value_name = "FILE", conflicts_with = "image")]
    binary: Option<PathBuf>,
}

const NOT_EXTERNAL: &str =
    "only `run` can use an external Vault; this command needs one that the suite starts";

impl VaultArgs {
    /// A requested image or program is binding, so no provider may ignore it.
    fn source_is_used(&self) -> Result<(), String> {
        let ignores = |uses| ![VaultChoice::Auto, uses].contains(&self.choice);
        if self.image.is_some() && ignores(VaultChoice::Container) {
            return Err("--vault-image needs --vault auto or --vault container: other Vaults do not come from an image".to_owned());
        }
        if self.binary.is_some() && ignores(VaultChoice::Binary) {
            return Err("--vault-binary needs --vault auto or --vault binary: other Vaults do not come from a program of yours".to_owned());
        }
        Ok(())
    }

    /// The options, for a command that needs a Vault that the suite starts.
    fn own(self) -> Result<VaultOptions, String> {
        if self.choice == VaultChoice::External {
            return Err(NOT_EXTERNAL.to_owned());
        }
        self.source_is_used()?;
        Ok(VaultOptions {
            choice: self.choice,
            image: self.image,
            binary: self.binary,
            external: None,
        })
    }
}

/// How to enter the Vault of `--vault external`.
#[derive(Debug, Args)]
struct ExternalArgs {
    /// With --vault external: where that Vault is; VAULT_ADDR is ignored
    #[arg(long = "vault-addr", value_name = "A")]
    address: Option<String>,
    /// With --vault external: the file with the token to use [default: $VAULT_CONFORMANCE_TOKEN]
    #[arg(long = "vault-token-file", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// With --vault external: a PEM file with the authority of its certificate [default: the system's]
    #[arg(long = "vault-ca", value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// The variable with the token for `--vault external`.
const TOKEN_VARIABLE: &str = "VAULT_CONFORMANCE_TOKEN";

impl ExternalArgs {
    fn options(self, vault: VaultArgs) -> Result<VaultOptions, String> {
        if vault.choice != VaultChoice::External {
            let given = [
                ("--vault-addr", self.address.is_some()),
                ("--vault-token-file", self.token_file.is_some()),
                ("--vault-ca", self.ca.is_some()),
            ];
            return match given.iter().find(|(_, given)| *given) {
                Some((flag, _)) => Err(format!("{flag} needs --vault external")),
                None => vault.own(),
            };
        }
        vault.source_is_used()?;
        let address = self.address.ok_or(
            "--vault external needs --vault-addr, such as https://vault.example.org:8200; \
             VAULT_ADDR is ignored",
        )?;
        if let Err(error @ EndpointError::Address { .. }) = Endpoint::new(&address, None) {
            return Err(error.to_string());
        }
        let token = match &self.token_file {
            Some(file) => std::fs::read_to_string(file)
                .map_err(|error| format!("cannot read the token in {}: {error}", file.display()))?,
            None => std::env::var(TOKEN_VARIABLE).unwrap_or_default(),
        };
        let token = token.trim();
        if token.is_empty() {
            return Err(match self.token_file {
                Some(file) => format!("there is no token in {}", file.display()),
                None => format!(
                    "--vault external needs a token, from the file of --vault-token-file or from {TOKEN_VARIABLE}; VAULT_TOKEN is ignored"
                ),
            });
        }
        Ok(VaultOptions {
            choice: VaultChoice::External,
            image: None,
            binary: None,
            external: Some(ExternalOptions {
                address,
                token: token.into(),
                ca: self.ca,
            }),
        })
    }
}

#[derive(Debug, Subcommand)]
enum VaultCommand {
    /// Start a dev Vault, print how to reach it, and stop it on Ctrl-C
    Start(VaultArgs),
    /// Build the pinned Vault with Go into the suite's cache, unless it is there
    Build,
    /// Pack the built Vault as a local container image
    Image,
}

/// The transports of `--transport`; empty means all that the target offers.
#[derive(Clone, Debug)]
struct Transports(Vec<TransportKind>);

fn transports(text: &str) -> Result<Transports, String> {
    match (text, TransportKind::named(text)) {
        ("all", _) => Ok(Transports(Vec::new())),
        (_, Some(kind)) => Ok(Transports(vec![kind])),
        (_, None) => Err("it is stdio, http or all".to_owned()),
    }
}

fn jobs(text: &str) -> Result<NonZeroUsize, String> {
    let wrong = |_| "the number of jobs is a whole number from 1 on".to_owned();
    text.parse().map_err(wrong)
}

fn percent(text: &str) -> Result<u8, String> {
    let number = text.trim_end_matches('%').parse().ok();
    let number = number.filter(|number| *number <= 100);
    number.ok_or_else(|| "it is a percentage, a whole number from 0 to 100".to_owned())
}

fn seed(text: &str) -> Result<u64, String> {
    let wrong = |_| format!("a seed is a whole number from 0 to {}", u64::MAX);
    text.parse().map_err(wrong)
}

impl Cli {
    /// Runs the command; errors are printed on standard error.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub(crate) async fn execute(self) -> anyhow::Result<Exit> {
        match self.command {
            Command::Run(args) => run(*args).await,
            Command::Clean => clean().await,
            Command::Targets => targets(),
            Command::Init(args) => init::run(args).await,
            Command::Check(args) => check(args).await,
            Command::Requirements { markdown } => requirements(markdown),
            Command::Explain { id } => explain(&id),
            Command::Doctor { format } => doctor(format).await,
            Command::Mutants(args) => mutants(args).await,
            Command::Vault(command) => vault(command).await,
        }
    }
}

/// The value; an error is printed, and gives `None`.
fn or_tell<T>(result: Result<T, impl std::fmt::Display>) -> Option<T> {
    result.inspect_err(|error| tell(error)).ok()
}

fn tell(error: &dyn std::fmt::Display) {
    note(&format_args!("error: {error}"));
}

/// Prints a line on standard error. If that is closed or full, the exit code still says how the command ended.
fn note(line: &dyn std::fmt::Display) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// Prints a result on standard output.
///
/// # Errors
/// If it cannot be written. A reader that has seen enough, as in `| head -1`, is no error.
fn show(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("standard output cannot be written: {error}"),
        )),
        Ok(()) => Ok(()),
    }
}

async fn clean() -> anyhow::Result<Exit> {
    let Some(cache) = or_tell(Cache::locate()) else {
        return Ok(Exit::Environment);
    };
    let (removed, left) = leftovers::clean(&cache, &Progress::stderr()).await;
    let mut out = match removed {
        0 if left.is_empty() => "nothing is left of killed runs\n".to_owned(),
        _ => format!("removed: {removed}\n"),
    };
    for what in &left {
        let hint = match what.starts_with("external") {
            true => ": the next run on that Vault removes it",
            false => "",
        };
        out += &format!("still there: {what}{hint}\n");
    }
    show(&out)?;
    Ok(match left.is_empty() {
        true => Exit::Conformant,
        false => Exit::Environment,
    })
}

async fn run(args: RunArgs) -> anyhow::Result<Exit> {
    let Some(target) = or_tell(Target::find(&args.target)) else {
        return Ok(Exit::Usage);
    };
    let Some(baseline) = or_tell(baseline(args.baseline, args.update_baseline)) else {
        return Ok(Exit::Usage);
    };
    let Some(vault) = or_tell(args.external.options(args.vault)) else {
        return Ok(Exit::Usage);
    };
    if args.call_unmapped_tools && vault.choice != VaultChoice::External {
        tell(
            &"--call-unmapped-tools needs --vault external: elsewhere such tools are called anyway",
        );
        return Ok(Exit::Usage);
    }
    let Some(_lock) = or_tell(prepare_output(&args.output)) else {
        return Ok(Exit::Usage);
    };
    for name in [REPORT, JUNIT] {
        // A run that ends without a report must not leave that of an earlier one. The reporter reports a file that
        // cannot be removed.
        let _ = std::fs::remove_file(args.output.join(name));
    }
    let mut builder = Suite::builder()
        .target(target)
        .transports(args.transport.0)
        .profiles(args.profile)
        .fail_fast(args.fail_fast)
        .strict_latency(args.strict_latency)
        .demanding(Demands {
            conformant: args.require,
            min_coverage: args.min_coverage,
        })
        .call_unmapped_tools(args.call_unmapped_tools)
        .vault(vault)
        .output(&args.output)
        .build(when_to_build(args.build))
        .progress(progress_beside(args.format))
        .interrupt(on_interrupt());
    if let Some(revision) = args.revision {
        builder = builder.revision(revision);
    }
    for scenario in args.scenario {
        builder = builder.scenario(scenario);
    }
    if let Some(tags) = args.tags {
        builder = builder.tags(tags);
    }
    if let Some(baseline) = baseline {
        builder = builder.baseline(baseline);
    }
    if let Some(jobs) = args.jobs {
        builder = builder.jobs(jobs.get());
    }
    if let Some(seed) = args.seed {
        builder = builder.seed(seed);
    }
    for file in report_files(&args.output) {
        builder = builder.reporter(file);
    }
    let detail = match args.verbose {
        true => Detail::All,
        false => Detail::Causes,
    };
    let ended = builder
        .reporter(Console::new(args.format, &args.output).detail(detail))
        .run()
        .await;
    match ended {
        Ok(report) => {
            for trouble in &report.cleanup_errors {
                tell(trouble);
            }
            Ok(report.exit())
        }
        Err(error) => {
            tell(&error);
            if args.update_baseline {
                note(&"the baseline was not updated: nothing was checked");
            }
            let report = error.report().into_iter();
            for trouble in report.flat_map(|report| &report.cleanup_errors) {
                tell(trouble);
            }
            Ok(error.exit())
        }
    }
}

async fn check(args: CheckArgs) -> anyhow::Result<Exit> {
    let Some(target) = or_tell(Target::find(&args.target)) else {
        return Ok(Exit::Usage);
    };
    let Some(vault) = or_tell(args.external.options(args.vault)) else {
        return Ok(Exit::Usage);
    };
    let checked = Suite::builder()
        .target(target)
        .transports(args.transport.0)
        .vault(vault)
        .build(when_to_build(args.build))
        .progress(progress_beside(args.format))
        .interrupt(on_interrupt())
        .check()
        .await;
    let checked = match checked {
        Ok(checked) => checked,
        Err(error) => {
            tell(&error);
            return Ok(error.exit());
        }
    };
    let text = match args.format {
        ConsoleFormat::Json => serde_json::to_string_pretty(&checked)? + "\n",
        ConsoleFormat::Quiet if checked.fits() && checked.is_sound() => String::new(),
        ConsoleFormat::Console | ConsoleFormat::Quiet => checked.text(),
    };
    show(&text)?;
    Ok(match checked.fits() {
        true if checked.is_sound() => Exit::Conformant,
        true => Exit::Nonconformant,
        // Whether the adapter is to blame is not known.
        false if !checked.unusable.is_empty() => Exit::Environment,
        false => Exit::Usage,
    })
}

fn when_to_build(asked: bool) -> Build {
    match asked {
        true => Build::Always,
        false => Build::Automatically,
    }
}

fn progress_beside(format: ConsoleFormat) -> Progress {
    match format {
        ConsoleFormat::Console => Progress::stderr(),
        ConsoleFormat::Json | ConsoleFormat::Quiet => Progress::silent(),
    }
}

fn baseline(file: Option<PathBuf>, update: bool) -> Result<Option<Baseline>, BaselineError> {
    file.map(|file| match update {
        true => Baseline::to_update(file),
        false => Baseline::from_file(file),
    })
    .transpose()
}

/// The files of the reports.
const REPORT: &str = "report.json";
const JUNIT: &str = "junit.xml";

/// The file that a run keeps locked in the folder of its reports.
const LOCK: &str = ".lock";

/// Keeps a second run out of the folder of the reports.
struct OutputLock {
    path: PathBuf,
    /// Locked for as long as it is open.
    _file: File,
}

impl Drop for OutputLock {
    fn drop(&mut self) {
        // A process that opened it meanwhile did not get the lock.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The reporters that write files.
fn report_files(output: &Path) -> Vec<Box<dyn Reporter>> {
    let mut files: Vec<Box<dyn Reporter>> = vec![
        Box::new(JsonFile::new(output.join(REPORT))),
        Box::new(JunitFile::new(output.join(JUNIT))),
    ];
    if let Some(summary) = GithubSummary::from_environment() {
        files.push(Box::new(summary));
    }
    files
}

/// Creates the folder of the reports before the run, so that no run ends without a place for its report. Removes
/// transcripts of an earlier run, which could be mistaken for new ones.
fn prepare_output(output: &Path) -> Result<OutputLock, String> {
    let wrong =
        |problem: &dyn std::fmt::Display| format!("--output {}: {problem}", output.display());
    let unwritable = |error: io::Error| {
        let problem =
            format!("the reports cannot be written there ({error}); choose another folder");
        wrong(&problem)
    };
    if output.is_file() {
        return Err(wrong(
            &"the reports need a folder, and this is a file; choose another folder",
        ));
    }
    std::fs::create_dir_all(output).map_err(unwritable)?;
    let path = output.join(LOCK);
    let file = loop {
        let file = File::create(&path).map_err(unwritable)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                wrong(&"another run writes its reports there; choose another folder")
            }
            TryLockError::Error(error) => unwritable(error),
        })?;
        // A run that has just ended may have removed the file that was opened here.
        let locked = file.metadata().map_err(unwritable)?.ino();
        if std::fs::metadata(&path).is_ok_and(|there| there.ino() == locked) {
            break file;
        }
    };
    let entries = std::fs::read_dir(output.join("transcripts"))
        .into_iter()
        .flatten();
    for path in entries.flatten().map(|entry| entry.path()) {
        if path
            .extension()
            .is_some_and(|extension| extension == "jsonl")
        {
            // A file that cannot be removed is overwritten or has another name.
            let _ = std::fs::remove_file(path);
        }
    }
    Ok(OutputLock { path, _file: file })
}

/// A token that Ctrl-C, SIGTERM or SIGHUP cancels; a second signal ends the program at once.
fn on_interrupt() -> CancellationToken {
    let token = CancellationToken::new();
    let interrupted = token.clone();
    tokio::spawn(async move {
        interrupt::signalled().await;
        interrupted.cancel();
        note(&"interrupted: cleaning up (interrupt again to end without cleaning up)");
        interrupt::signalled().await;
        std::process::exit(Exit::Interrupted.code().into());
    });
    token
}

fn targets() -> anyhow::Result<Exit> {
    let mut out = String::new();
    for name in Target::built_in_names() {
        let adapter = Target::find(&name)?.adapter;
        let transports: Vec<_> = adapter
            .transports()
            .iter()
            .map(|kind| kind.name())
            .collect();
        let homepage = adapter.homepage.unwrap_or_default();
        let modes: Vec<_> = adapter.modes.keys().map(|mode| mode.name()).collect();
        let row = format!(
            "{name:<17} {:<46} {:<12} {homepage} {}",
            adapter.title,
            transports.join(" "),
            modes.join(" ")
        );
        out += row.trim_end();
        out += "\n";
    }
    show(&out)?;
    Ok(Exit::Conformant)
}

fn requirements(markdown: bool) -> anyhow::Result<Exit> {
    let requirements = requirement::all()?;
    let text = if markdown {
        catalogue::markdown(&requirements)
    } else {
        catalogue::list(&requirements)
    };
    show(&text)?;
    Ok(Exit::Conformant)
}

fn explain(id: &str) -> anyhow::Result<Exit> {
    let (requirements, mutations) = (requirement::all()?, definition::all()?);
    let text = match catalogue::explain(&requirements, &mutations, id) {
        Ok(text) => text,
        Err(unknown) => {
            tell(&unknown);
            return Ok(Exit::Usage);
        }
    };
    show(&text)?;
    Ok(Exit::Conformant)
}

/// The format of the output of `doctor`.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum DoctorFormat {
    /// A table, for people.
    Console,
    /// JSON, for programs.
    Json,
}

async fn doctor(format: DoctorFormat) -> anyhow::Result<Exit> {
    let diagnosis = doctor::examine().await;
    let text = match format {
        DoctorFormat::Console => doctor::table(&diagnosis),
        DoctorFormat::Json => serde_json::to_string_pretty(&diagnosis)? + "\n",
    };
    show(&text)?;
    Ok(match diagnosis.can_run {
        true => Exit::Conformant,
        false => Exit::Environment,
    })
}

async fn mutants(args: MutantsArgs) -> anyhow::Result<Exit> {
    if args.quick {
        tell(
            &"--quick is now the default, remove it; --all runs each mutant against the whole specification",
        );
        return Ok(Exit::Usage);
    }
    let Some(target) = or_tell(Target::find(&args.target)) else {
        return Ok(Exit::Usage);
    };
    let Some(options) = or_tell(args.vault.own()) else {
        return Ok(Exit::Usage);
    };
    let Some(_lock) = or_tell(prepare_output(&args.output)) else {
        return Ok(Exit::Usage);
    };
    let Some(mutations) = or_tell(definition::named(&args.only)) else {
        return Ok(Exit::Usage);
    };
    let scope = match args.all {
        true => Scope::Everything,
        false => Scope::WhatMustCatch,
    };
    let interrupt = on_interrupt();
    let progress = Progress::stderr();
    let made = tokio::select! {
        made = matrix::run(&target, &options, mutations, scope, &progress) => made,
        () = interrupt.cancelled() => return Ok(Exit::Interrupted),
    };
    let matrix = match made {
        Ok(matrix) => matrix,
        Err(error) => {
            tell(&error);
            return Ok(match error {
                MatrixError::Suite(error) => SuiteError::exit(&error),
                MatrixError::Target(_) | MatrixError::Vault(_) => Exit::Environment,
            });
        }
    };
    let file = args.output.join("mutants.json");
    std::fs::write(&file, serde_json::to_string_pretty(&matrix)? + "\n")?;
    let mut out = String::new();
    for row in &matrix.mutations {
        out += &format!("{:<34} {}\n", row.name, matrix::verdict_of(row));
    }
    let never_failed = matrix.never_failed();
    if args.all && !never_failed.is_empty() {
        let count = never_failed.len();
        out += &format!("\n{count} scenarios were tested, and no mutant failed them:\n");
        for case in never_failed {
            out += &format!("  {case}\n");
        }
    }
    let run = (matrix.mutations.iter()).filter(|row| row.not_run.is_none());
    let (variants, mutants): (Vec<_>, Vec<_>) = run.partition(|row| row.variant);
    let not_run = (matrix.mutations.iter()).filter(|row| row.not_run.is_some());
    let not_run = match not_run.count() {
        0 => String::new(),
        count => format!(", {count} not run"),
    };
    let right = |rows: &[&matrix::Row]| rows.iter().filter(|row| row.wrong.is_empty()).count();
    out += &format!(
        "\n{} of {} mutants killed, {} of {} variants pass{not_run}; {}\n",
        right(&mutants),
        mutants.len(),
        right(&variants),
        variants.len(),
        file.display()
    );
    show(&out)?;
    Ok(if matrix.holds() {
        Exit::Conformant
    } else {
        Exit::Nonconformant
    })
}

async fn vault(command: VaultCommand) -> anyhow::Result<Exit> {
    if let VaultCommand::Start(VaultArgs {
        choice: VaultChoice::External,
        ..
    }) = command
    {
        tell(&NOT_EXTERNAL);
        return Ok(Exit::Usage);
    }
    let progress = Progress::stderr();
    let interrupt = on_interrupt();
    let work = async {
        match command {
            VaultCommand::Start(args) => start_vault(args, &progress, &interrupt).await,
            VaultCommand::Build => {
                let cache = Cache::locate()?;
                let built = interrupt.run_until_cancelled(build::get(&cache, &progress));
                let built = built.await.transpose()?;
                Ok(built.map(|path| path.display().to_string()))
            }
            VaultCommand::Image => {
                let cache = Cache::locate()?;
                let packed = interrupt.run_until_cancelled(image::pack(&cache, &progress));
                Ok(packed.await.transpose()?.map(str::to_owned))
            }
        }
    };
    let ended: anyhow::Result<Option<String>> = work.await;
    match ended {
        Ok(Some(result)) => {
            show(&format!("{result}\n"))?;
            Ok(Exit::Conformant)
        }
        Ok(None) => Ok(Exit::Interrupted),
        Err(error) => {
            tell(&error);
            Ok(Exit::Environment)
        }
    }
}

/// Runs a Vault until it is interrupted, which is its normal end.
async fn start_vault(
    args: VaultArgs,
    progress: &Progress,
    interrupt: &CancellationToken,
) -> anyhow::Result<Option<String>> {
    use secrecy::ExposeSecret as _;

    let options = args.own().map_err(anyhow::Error::msg)?;
    let started = interrupt.run_until_cancelled(provider::start(&options, progress));
    let Some(vault) = started.await.transpose()? else {
        return Ok(None);
    };
    // The token only gives access to this temporary Vault, and the user asked for it.
    show(&format!(
        "export VAULT_ADDR={}\nexport VAULT_TOKEN={}\n",
        vault.address(),
        vault.root_token().expose_secret()
    ))?;
    interrupt.cancelled().await;
    vault.stop().await?;
    Ok(None)
}
