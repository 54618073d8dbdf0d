//! Runs the conformance suite on this server, as the author of a server in Rust would.
//!
//! It has its own `main` so that long steps show their progress: the first run on a machine may build a Vault.

use std::{
    env, io,
    net::TcpStream,
    process::{Command, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use libtest_mimic::{Arguments, Trial};
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use vault_mcp_conformance::{
    Suite,
    browser::Browser,
    cache::Cache,
    event::{Event, Reporter},
    evidence::Evidence,
    exit::Exit,
    mutation::{
        definition::{self, Mutation},
        matrix::{self, Scope},
    },
    progress::Progress,
    report::{
        Report,
        console::{self, Detail},
        json::JsonFile,
    },
    requirement::{self, Requirement},
    target::Target,
    transport::{Revision, TransportKind},
    vault::{
        build,
        external::{ExternalOptions, POLICY},
        notes::run_id,
        provider::{self, IMAGE_VARIABLE, Vault, VaultChoice, VaultOptions, VaultProvider},
    },
    verdict::Verdict,
};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each test uses all cores, and their progress output would mix.
    arguments.test_threads = Some(1);
    let tests = vec![
        trial(
            "the_reference_server_is_conformant_on_both_transports",
            conformant,
        ),
        trial("the_same_seed_gives_the_same_verdicts", repeatable),
        trial("an_interrupted_run_reports_what_it_had_judged", interrupted),
        trial(
            "an_external_vault_is_judged_by_with_a_token_of_few_rights",
            external,
        ),
        trial("every_mutant_is_killed_and_every_variant_passes", mutants),
    ];
    libtest_mimic::run(&arguments, tests).exit_code()
}

fn trial<F>(name: &str, test: fn() -> F) -> Trial
where
    F: Future<Output = Result<(), String>> + 'static,
{
    Trial::test(name, move || {
        let runtime = tokio::runtime::Runtime::new()?;
        Ok(runtime.block_on(test())?)
    })
}

fn this_server() -> Result<Target, String> {
    let target = Target::find("reference").map_err(|error| error.to_string())?;
    Ok(target.with_program(env!("CARGO_BIN_EXE_vault-mcp-reference")))
}

/// The report of a run with this seed.
async fn judged(seed: u64) -> Result<Report, String> {
    Suite::builder()
        .target(this_server()?)
        .profiles(["kv", "mcp", "pki"])
        .transports([TransportKind::Stdio])
        .revision(Revision::NEWEST_OF_SESSIONS)
        .seed(seed)
        .progress(Progress::stderr())
        .run()
        .await
        .map_err(|error| error.to_string())
}

fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

async fn conformant() -> Result<(), String> {
    let output = tempfile::tempdir().map_err(|error| error.to_string())?;
    let report_file = output.path().join("report.json");
    let report = Suite::builder()
        .target(this_server()?)
        .output(output.path())
        .reporter(JsonFile::new(&report_file))
        .progress(Progress::stderr())
        .run()
        .await
        .map_err(|error| error.to_string())?;
    let shown = || console::render(&report, "", output.path(), Detail::All);
    expect(report.exit() == Exit::Conformant, shown)?;
    let is_container = report.vault.provider == VaultProvider::Container.to_string();
    tested_everywhere(&report, &Revision::ALL, |requirement| {
        is_container && requirement.has_cluster()
    })?;
    expect(report.unmapped_tools.is_empty(), shown)?;
    let reads = report.latency.iter().filter(|l| l.operation == "kv.read");
    let measured = reads.filter(|l| {
        l.samples >= 20 && l.direct_p50_ms.is_some() && l.vault_requests_per_call >= Some(1.0)
    });
    expect(measured.count() == 2, shown)?;
    let left = vaults_left()?;
    expect(left.is_empty(), || left.join("; "))?;
    let written = std::fs::read_to_string(&report_file).map_err(|error| error.to_string())?;
    let written: Report = serde_json::from_str(&written).map_err(|error| error.to_string())?;
    expect(written == report, || {
        "report.json is not the report".to_owned()
    })
}

/// The requirements that do not apply to this server: it supports both versions of the KV engine, and all its tools fit
/// one page.
const NOT_APPLICABLE: [&str; 2] = ["kv.unsupported-version", "mcp.pages-end"];

/// Checks that each requirement passed on each transport, and in each revision that it applies to. Only the known
/// requirements and those of `lacks_evidence` may be not applicable.
fn tested_everywhere(
    report: &Report,
    revisions: &[Revision],
    lacks_evidence: impl Fn(&Requirement) -> bool,
) -> Result<(), String> {
    let requirements = requirement::all().map_err(|error| error.to_string())?;
    let mut wrong = Vec::new();
    for requirement in &requirements {
        let id = &requirement.id;
        for transport in TransportKind::ALL {
            if requirement.transport.is_some_and(|only| only != transport) {
                continue;
            }
            for &revision in revisions {
                let is_about = match (requirement.every_revision, requirement.era) {
                    (_, Some(era)) => era == revision.era(),
                    (true, None) => true,
                    (false, None) => revision == Revision::NEWEST_OF_SESSIONS,
                };
                let rows: Vec<_> = (report.scenarios.iter())
                    .filter(|s| s.id == *id && s.transport == transport.name())
                    .filter(|s| s.revision == revision.name())
                    .collect();
                let wanted =
                    match NOT_APPLICABLE.contains(&id.as_str()) || lacks_evidence(requirement) {
                        true => Verdict::NotApplicable,
                        false => Verdict::Pass,
                    };
                if is_about && rows.is_empty() {
                    wrong.push(format!("{id} was not tested on {transport} in {revision}"));
                }
                let others = rows.iter().filter(|row| row.verdict != wanted);
                wrong.extend(others.map(|row| format!("{}: {:?}", row.key, row.verdict)));
            }
        }
    }
    expect(wrong.is_empty(), || wrong.join("\n"))
}

/// The Vaults of this process that are still running, according to the suite's notes.
fn vaults_left() -> Result<Vec<String>, String> {
    let cache = Cache::locate().map_err(|error| error.to_string())?;
    let notes = std::fs::read_to_string(cache.root().join("runs").join(run_id()));
    let notes = notes.map_err(|error| error.to_string())?;
    let is_left = |note: &&str| match note.split_once(' ') {
        Some(("process", address)) => {
            TcpStream::connect(address.trim_start_matches("http://")).is_ok()
        }
        Some(("container", name)) => {
            let mut docker = Command::new("docker");
            let shown = docker.args(["container", "inspect", name]);
            shown.output().is_ok_and(|shown| shown.status.success())
        }
        _ => false,
    };
    Ok(notes.lines().filter(is_left).map(str::to_owned).collect())
}

async fn repeatable() -> Result<(), String> {
    let (one, other) = (judged(7).await?, judged(7).await?);
    let verdicts = |report: &Report| -> Vec<(String, Verdict)> {
        report
            .scenarios
            .iter()
            .map(|s| (s.key.clone(), s.verdict))
            .collect()
    };
    let (one, other) = (verdicts(&one), verdicts(&other));
    expect(one == other, || {
        let differ = one.iter().filter(|verdict| !other.contains(verdict));
        format!("two runs differ: {:?}", differ.collect::<Vec<_>>())
    })
}

/// Cancels the run as soon as the first scenario ends.
struct Impatient(CancellationToken, Arc<AtomicUsize>);

impl Reporter for Impatient {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        if let Event::ScenarioFinished(result) = event
            && result.verdict == Verdict::Pass
        {
            self.0.cancel();
        }
        if matches!(event, Event::Finished(_)) {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

async fn interrupted() -> Result<(), String> {
    let (token, told) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
    let report = Suite::builder()
        .target(this_server()?)
        .interrupt(token.clone())
        .reporter(Impatient(token, Arc::clone(&told)))
        .run()
        .await
        .map_err(|error| error.to_string())?;
    expect(
        report.interrupted && report.exit() == Exit::Interrupted,
        || "not interrupted".to_owned(),
    )?;
    expect(report.summary.pass > 0, || {
        "what was judged is lost".to_owned()
    })?;
    expect(report.cleanup_errors.is_empty(), || {
        report.cleanup_errors.join("; ")
    })?;
    let told = told.load(Ordering::Relaxed);
    expect(told == 1, || format!("the end was told {told} times"))
}

/// The whole suite, on an external Vault.
async fn external() -> Result<(), String> {
    let vault = provider::start(&VaultOptions::default(), &Progress::stderr())
        .await
        .map_err(|error| error.to_string())?;
    let judged = judged_by_external(&vault).await;
    vault.stop().await.map_err(|error| error.to_string())?;
    judged
}

async fn judged_by_external(vault: &Vault) -> Result<(), String> {
    let root = vault.root_token();
    let policy = json!({ "policy": POLICY });
    ask(vault, Method::PUT, "sys/policies/acl/suite", &policy).await?;
    let wanted = json!({ "policies": ["suite"], "no_default_policy": true });
    let made = ask(vault, Method::PUT, "auth/token/create", &wanted).await?;
    let token = made["auth"]["client_token"].as_str().unwrap_or_default();
    assert_ne!(token, root.expose_secret());
    let before = picture(vault).await?;
    let report = Suite::builder()
        .target(this_server()?)
        .vault(VaultOptions {
            choice: VaultChoice::External,
            image: None,
            binary: None,
            external: Some(ExternalOptions {
                address: vault.address().to_owned(),
                token: token.into(),
                ca: None,
            }),
        })
        // For Vault the revision makes no difference.
        .revision(Revision::NEWEST_OF_SESSIONS)
        .progress(Progress::stderr())
        .run()
        .await
        .map_err(|error| error.to_string())?;
    let shown = || console::render(&report, "", ".".as_ref(), Detail::All);
    expect(report.exit() == Exit::Conformant, shown)?;
    // In an external Vault the suite cannot read the audit log, no scenario has its own Vault or cluster, and only a root token
    // can create a root token.
    let lacks_evidence = |requirement: &Requirement| {
        let unseen = [Evidence::Audit, Evidence::DedicatedVault, Evidence::Cluster];
        let needs_unseen = requirement.evidence.iter().any(|e| unseen.contains(e));
        needs_unseen || requirement.id == "launcher.root"
    };
    tested_everywhere(&report, &[Revision::NEWEST_OF_SESSIONS], lacks_evidence)?;
    let mut not_applicable = (report.scenarios.iter()).filter(|s| {
        s.verdict == Verdict::NotApplicable && !NOT_APPLICABLE.contains(&s.id.as_str())
    });
    let otherwise = not_applicable.find(|s| {
        let reason = s.reason.as_deref().unwrap_or_default();
        !reason.starts_with("no_evidence: ")
    });
    expect(otherwise.is_none(), || {
        format!("{otherwise:#?}\n{}", shown())
    })?;
    let after = picture(vault).await?;
    expect(after == before, || format!("{before:#}\nis now\n{after:#}"))
}

/// Mounts, policies and tokens.
async fn picture(vault: &Vault) -> Result<Value, String> {
    let list = Method::from_bytes(b"LIST").map_err(|error| error.to_string())?;
    let mounts = ask(vault, Method::GET, "sys/mounts", &Value::Null).await?;
    let policies = ask(vault, list.clone(), "sys/policies/acl", &Value::Null).await?;
    let tokens = ask(vault, list, "auth/token/accessors", &Value::Null).await?;
    let mut tokens: Vec<_> = tokens["data"]["keys"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    tokens.sort_by_key(Value::to_string);
    Ok(json!([mounts["data"], policies["data"], tokens]))
}

async fn ask(vault: &Vault, method: Method, path: &str, body: &Value) -> Result<Value, String> {
    let url = format!("{}/v1/{path}", vault.address());
    let asked = reqwest::Client::new()
        .request(method, url)
        .header("X-Vault-Token", vault.root_token().expose_secret())
        .json(body)
        .send()
        .await
        .map_err(|error| error.to_string())?;
    let answer = asked.bytes().await.map_err(|error| error.to_string())?;
    Ok(serde_json::from_slice(&answer).unwrap_or_default())
}

/// All mutations that can be tested here: without a browser not those that show only in one.
fn mutations() -> Result<Vec<Mutation>, String> {
    let mut mutations = definition::all().map_err(|error| error.to_string())?;
    if let Err(missing) = Browser::find() {
        let requirements = requirement::all().map_err(|error| error.to_string())?;
        let needs_browser = |id: &String| {
            let mut of_id = requirements.iter().filter(|r| r.id == *id);
            of_id.any(|r| r.evidence.contains(&Evidence::Browser))
        };
        let shows_there = |mutation: &Mutation| mutation.killed_by.iter().any(needs_browser);
        for mutation in mutations.iter().filter(|mutation| shows_there(mutation)) {
            println!(
                "NOT RUN, for want of a browser: {}: {missing}",
                mutation.name
            );
        }
        mutations.retain(|mutation| !shows_there(mutation));
    }
    Ok(mutations)
}

/// The fastest available Vault. A built one is a process, which answers sooner than a container.
fn quickest_vault() -> Result<VaultOptions, String> {
    let cache = Cache::locate().map_err(|error| error.to_string())?;
    let mut vault = VaultOptions::default();
    // A named image rules out other providers.
    if env::var_os(IMAGE_VARIABLE).is_none() && build::cached(&cache).is_some() {
        vault.choice = VaultChoice::Build;
    }
    Ok(vault)
}

async fn mutants() -> Result<(), String> {
    let matrix = matrix::run(
        &this_server()?,
        &quickest_vault()?,
        mutations()?,
        Scope::WhatMustCatch,
        &Progress::stderr(),
    )
    .await
    .map_err(|error| error.to_string())?;
    let wrong: Vec<_> = matrix
        .mutations
        .iter()
        .filter(|row| !row.wrong.is_empty())
        .map(|row| format!("{}: {}", row.name, row.wrong.join("; ")))
        .collect();
    expect(matrix.holds() && wrong.is_empty(), || wrong.join("\n"))
}
