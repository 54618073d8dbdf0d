//! The suite on servers that share no code with the reference server: one on each of the official SDKs for Python,
//! TypeScript and Go. As they are, they have no failure. With a fault, the report names that fault first.
//!
//! It has its own `main`: the first run installs the SDKs, and a server whose toolchain is missing is reported as ignored.

use std::{
    collections::BTreeSet,
    process::{Command, ExitCode, Stdio},
};

use libtest_mimic::{Arguments, Trial};
use vault_mcp_conformance::{
    Suite, instance::locate::Build, progress::Progress, report::Report, target::Target,
    verdict::Verdict,
};

/// A server, and the programs that build and run it.
const SERVERS: [(&str, &[&str]); 3] = [
    ("python-sdk", &["python3"]),
    ("typescript-sdk", &["node", "npm"]),
    ("go-sdk", &["go"]),
];

/// A server that is wrong in one way.
struct Fault {
    server: &'static str,
    /// The name for its option `--fault`.
    name: &'static str,
    /// What is run: profiles, or scenarios by the id of their requirement.
    run: &'static [&'static str],
    /// The beginning of the first cause in the report.
    first: &'static str,
    /// The requirements that can fail as a consequence, with a cause of their own.
    also: &'static [&'static str],
}

const FAULTS: [Fault; 9] = [
    Fault {
        server: "python-sdk",
        name: "cached-results",
        run: &["kv", "mounts", "policy"],
        first: "calls succeed without a request to Vault",
        also: &["kv.recreated"],
    },
    Fault {
        server: "python-sdk",
        name: "json-log-on-stdout",
        run: &["kv.read-exact"],
        first: "Over the stdio transport, the server MUST NOT write anything but protocol messages",
        also: &[],
    },
    Fault {
        server: "python-sdk",
        name: "some-tokens-only",
        run: &["vault_token"],
        first: "the server does not start: it ended at once (exit status: 1): VAULT_TOKEN has an invalid format",
        also: &[],
    },
    Fault {
        server: "typescript-sdk",
        name: "errors-unmarked",
        run: &["kv", "policy"],
        first: "errors are not marked with `isError`",
        // Which request belongs to which of several calls at once is unknown.
        also: &["kv.write-at-once"],
    },
    Fault {
        server: "typescript-sdk",
        name: "elicits-unasked",
        run: &["kv.delete-gone"],
        first: "To a client without capabilities, the server MUST NOT send",
        also: &[],
    },
    Fault {
        server: "typescript-sdk",
        name: "v2-shape-into-v1",
        run: &["kv"],
        first: "the request body of KV version 2 is written to a mount of version 1",
        also: &[],
    },
    Fault {
        server: "typescript-sdk",
        name: "decodes-twice",
        run: &["kv", "mounts"],
        first: "arguments are not percent-encoded in paths, or are decoded twice",
        // It returns another secret than the requested one.
        also: &["ambient.values-unseen"],
    },
    Fault {
        server: "go-sdk",
        name: "lossy-arguments",
        run: &["mcp.bad-arguments"],
        first: "Whatever the arguments, the server MUST",
        also: &[],
    },
    Fault {
        server: "go-sdk",
        name: "revoked-though-expired",
        run: &["pki"],
        first: "When asked to revoke a certificate that has expired",
        also: &[],
    },
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each test uses all cores, and their progress output would mix.
    arguments.test_threads = Some(1);
    let mut trials = Vec::new();
    for (server, programs) in SERVERS {
        let missing = programs.iter().find(|program| !is_there(program));
        if let Some(program) = missing {
            eprintln!("{server} is not tested: there is no {program} on this machine");
        }
        let name = format!("{server}_has_no_failure");
        let trial = Trial::test(name, move || run(conforming(server)));
        trials.push(trial.with_ignored_flag(missing.is_some()));
        for fault in FAULTS.iter().filter(|fault| fault.server == server) {
            let name = format!("{server}_with_{}_is_named_first", fault.name);
            let trial = Trial::test(name, move || run(faulty(fault)));
            trials.push(trial.with_ignored_flag(missing.is_some()));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn is_there(program: &str) -> bool {
    let version = if program == "go" {
        "version"
    } else {
        "--version"
    };
    let mut command = Command::new(program);
    let command = command.arg(version).stdin(Stdio::null());
    let output = command.output();
    output.is_ok_and(|output| output.status.success())
}

fn run(test: impl Future<Output = Result<(), String>>) -> Result<(), libtest_mimic::Failed> {
    Ok(tokio::runtime::Runtime::new()?.block_on(test)?)
}

/// The target, with a fault.
fn target(server: &str, fault: Option<&str>) -> Result<Target, String> {
    let mut target = Target::find(server).map_err(|error| error.to_string())?;
    let stdio = target
        .adapter
        .stdio
        .as_mut()
        .map(|stdio| &mut stdio.command);
    let http = target.adapter.http.as_mut().map(|http| &mut http.command);
    for command in stdio.into_iter().chain(http) {
        let option = fault.map(|fault| ["--fault".to_owned(), fault.to_owned()]);
        command.extend(option.into_iter().flatten());
    }
    Ok(target)
}

async fn judged(target: Target, run: &[&str]) -> Result<Report, String> {
    let mut suite = Suite::builder()
        .target(target)
        .build(Build::Always)
        .progress(Progress::stderr());
    let (scenarios, profiles): (Vec<&str>, Vec<&str>) =
        run.iter().copied().partition(|name| name.contains('.'));
    suite = suite.profiles(profiles);
    for scenario in scenarios {
        suite = suite.scenario(scenario);
    }
    suite.run().await.map_err(|error| error.to_string())
}

fn failures(report: &Report) -> impl Iterator<Item = String> {
    let failed = report
        .scenarios
        .iter()
        .filter(|s| s.verdict == Verdict::Fail);
    failed.map(|scenario| {
        let failure = scenario.failure.as_ref();
        let actual = failure.map_or("", |failure| failure.actual.as_str());
        format!("{}: {actual}", scenario.key)
    })
}

async fn conforming(server: &str) -> Result<(), String> {
    let report = judged(target(server, None)?, &[]).await?;
    let failed: Vec<_> = failures(&report).collect();
    match failed.is_empty() && report.summary.pass > 0 {
        true => Ok(()),
        false => Err(failed.join("\n")),
    }
}

async fn faulty(fault: &Fault) -> Result<(), String> {
    let report = judged(target(fault.server, Some(fault.name))?, fault.run).await?;
    let first = report
        .causes
        .first()
        .map_or("", |cause| cause.cause.what.as_str());
    let shown = || failures(&report).collect::<Vec<_>>().join("\n");
    if !first.starts_with(fault.first) {
        return Err(format!("the first cause is {first:?}:\n{}", shown()));
    }
    let of_first = &report.causes[0].failures;
    let failed = report
        .scenarios
        .iter()
        .filter(|s| s.verdict == Verdict::Fail);
    let other =
        failed.filter(|s| !of_first.contains(&s.key) && !fault.also.contains(&s.id.as_str()));
    let other: BTreeSet<_> = other.map(|scenario| scenario.id.as_str()).collect();
    match other.is_empty() {
        true => Ok(()),
        false => Err(format!("{other:?} fail as well:\n{}", shown())),
    }
}
