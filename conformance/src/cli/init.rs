//! The command `init`: drafts an adapter.

use std::{
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::Args;
use vault_mcp_conformance::{
    Suite,
    exit::Exit,
    init::{client_config, draft, findings::Findings, launch::LaunchDraft},
    instance::locate::Build,
    progress::Progress,
    suite::SuiteError,
    target::Target,
    vault::provider::VaultOptions,
};

use super::{ExternalArgs, VaultArgs, note, on_interrupt, or_tell, show, tell};

/// Drafts an adapter, and tries out the server's tools on a Vault of the suite's own.
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The configuration file of an MCP client (.vscode/mcp.json, claude_desktop_config.json, .cursor/mcp.json), or the
    /// address of a server that already runs
    #[arg(
        long,
        value_name = "FILE|URL",
        conflicts_with = "command",
        required_unless_present = "command"
    )]
    from: Option<String>,
    /// The server in that file [default: the only one about Vault]
    #[arg(long, value_name = "NAME", requires = "from")]
    server: Option<String>,
    /// The file to write; - is standard output [default: NAME.toml in the current folder]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite the file
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    external: ExternalArgs,
    /// The command that starts the server, after --. It uses stdio; with {port} in it, it is HTTP at
    /// http://127.0.0.1:{port}/mcp
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Drafts an adapter and writes it.
///
/// # Errors
/// If standard output cannot be written.
pub(super) async fn run(args: InitArgs) -> anyhow::Result<Exit> {
    let Some(mut launch) = or_tell(launch(&args)) else {
        return Ok(Exit::Usage);
    };
    let file = args
        .output
        .unwrap_or_else(|| PathBuf::from(format!("{}.toml", launch.name)));
    let is_shown = file == Path::new("-");
    if file.exists() && !args.force && !is_shown {
        tell(&format_args!(
            "{} exists: name another file with -o, or overwrite it with --force",
            file.display()
        ));
        return Ok(Exit::Usage);
    }
    let Some(vault) = or_tell(args.external.options(args.vault)) else {
        return Ok(Exit::Usage);
    };
    if !is_shown {
        launch.written_to(&file);
    }
    let found = find_out(&launch, &file, vault).await;
    let (findings, error) = match found {
        Ok(found) => (Some(found), None),
        Err(SuiteError::Interrupted { .. }) => return Ok(Exit::Interrupted),
        Err(error) => (None, Some(error)),
    };
    let problem = error.as_ref().map(ToString::to_string);
    let text = draft::text(&launch, findings.as_ref(), problem.as_deref());
    if is_shown {
        show(&text)?;
    } else if or_tell(write(&file, &text, args.force)).is_none() {
        return Ok(Exit::Usage);
    }
    let name = file.display().to_string();
    match (findings, error) {
        (Some(found), _) => {
            let summary = draft::summary(&name, &found);
            match is_shown {
                true => note(&summary.trim_end()),
                false => show(&summary)?,
            }
            Ok(Exit::Conformant)
        }
        (None, Some(error)) => {
            tell(&error);
            if !is_shown {
                note(&format_args!(
                    "{name} has only how the server is started: the tools could not be listed"
                ));
            }
            Ok(error.exit())
        }
        (None, None) => Ok(Exit::Internal),
    }
}

/// How the server is started or reached.
fn launch(args: &InitArgs) -> Result<LaunchDraft, String> {
    let Some(from) = &args.from else {
        return Ok(LaunchDraft::command(&args.command));
    };
    if from.starts_with("http://") || from.starts_with("https://") {
        return Ok(LaunchDraft::at(from));
    }
    let path = Path::new(from);
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("{from} cannot be read: {error}"))?;
    let path = std::path::absolute(path).map_err(|error| format!("{from}: {error}"))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    // The folder of a workspace is that of the editor's own folder.
    let is_editors = folder
        .file_name()
        .is_some_and(|name| [".vscode", ".cursor"].iter().any(|own| name == *own));
    let workspace = folder.parent().filter(|_| is_editors).unwrap_or(folder);
    client_config::read(&text, args.server.as_deref(), workspace)
        .map_err(|error| format!("{from}: {error}"))
}

/// Starts the server as the draft says, and finds out what its tools do.
async fn find_out(
    launch: &LaunchDraft,
    file: &Path,
    vault: VaultOptions,
) -> Result<Findings, SuiteError> {
    let text = draft::text(launch, None, None);
    let name = file.display().to_string();
    let mut target = Target::parse(&name, &text)?;
    target.file = Some(file.to_owned());
    Suite::builder()
        .target(target)
        .vault(vault)
        .build(Build::Never)
        .progress(Progress::stderr())
        .interrupt(on_interrupt())
        .draft()
        .await
}

fn write(file: &Path, text: &str, force: bool) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{} cannot be written: {error}", file.display());
    let mut options = OpenOptions::new();
    options.write(true);
    match force {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    let mut file = options.open(file).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}
