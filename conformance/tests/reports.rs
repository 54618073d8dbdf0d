//! What the reporters write, for one report that has a scenario of every kind.
//!
//! `UPDATE_SCHEMA=1 cargo test -p vault-mcp-conformance --test reports` rewrites the
//! committed schema.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use quick_junit::{Report as Junit, TestCase, TestCaseStatus};
use serde_json::json;
use vault_mcp_conformance::{
    cause::{Cause, CauseKind},
    coverage::{Coverage, Share},
    event::{Event, Reporter},
    exit::Exit,
    latency::Latency,
    policy_matrix::{Outcome, PolicyCell, Ruling, agrees},
    report::{
        BaselineResult, BaselineUpdate, CauseResult, Demands, Failure, ProfileResult, Report,
        SCHEMA_VERSION, ScenarioResult, StaleKey, SuiteInfo, Summary, TargetInfo, UnknownKey,
        VaultInfo,
        console::{Console, ConsoleFormat, Detail, render},
        github::GithubSummary,
        json::{self, JsonFile},
        junit::JunitFile,
    },
    source::Citation,
    verdict::{Level, Verdict},
};

const HEADLINE: &str =
    "Vault 1.21.1 (container)   target hashicorp 0.2.0   stdio + http   seed 4711";

/// The only redactor of the snapshots: only colours may differ.
fn redacted(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// The sources of all scenarios: one with an address for each revision, one without any, and one that is not listed.
const SOURCES: [&str; 3] = ["MCP:server/tools", "SEC:disclosure", "BLOG:gone"];

fn sources() -> BTreeMap<String, Citation> {
    let cited = json!({
        "MCP:server/tools": {
            "title": "The specification", "section": "Tools", "quote": "Servers MUST do so.", "address": null,
            "revisions": { "2025-11-25": "https://mcp.example/2025-11-25/server/tools" },
        },
        "SEC:disclosure": {
            "title": "Safety", "section": "a secret is disclosed", "quote": "It can be used.", "address": null,
            "revisions": {},
        },
    });
    serde_json::from_value(cited).expect("two citations")
}

fn scenario(id: &str, level: Level, verdict: Verdict) -> ScenarioResult {
    let (profile, _) = id.split_once('.').expect("an id starts with its profile");
    ScenarioResult {
        key: format!("{id}@stdio@2025-11-25"),
        id: id.to_owned(),
        demand: format!("The server {level} do what {id} demands"),
        title: "the case that a scenario of this id is about".to_owned(),
        profile: profile.to_owned(),
        level,
        transport: "stdio".to_owned(),
        revision: "2025-11-25".to_owned(),
        verdict,
        reason: None,
        sources: SOURCES.map(str::to_owned).into(),
        duration_ms: 250,
        vault_requests: 2,
        failure: None,
        known: None,
    }
}

fn unmet(id: &str, level: Level, verdict: Verdict, expected: &str, actual: &str) -> ScenarioResult {
    ScenarioResult {
        failure: Some(Failure {
            step: "Then nothing has changed".to_owned(),
            expected: expected.to_owned(),
            actual: actual.to_owned(),
            cause: Cause::of_requirement(&scenario(id, level, verdict).demand),
            caused_by: None,
            transcript: Some(format!("transcripts/{id}@stdio.jsonl")),
            reproduce: format!(
                "cargo conformance run --target hashicorp --scenario {id}@stdio@2025-11-25 --seed 4711"
            ),
        }),
        ..scenario(id, level, verdict)
    }
}

fn report_of(mut scenarios: Vec<ScenarioResult>) -> Report {
    scenarios.sort_by(|a, b| a.key.cmp(&b.key));
    let mut names: Vec<&str> = scenarios.iter().map(|s| s.profile.as_str()).collect();
    names.dedup();
    Report {
        schema_version: SCHEMA_VERSION,
        suite: SuiteInfo {
            version: "0.1.0".to_owned(),
            commit: None,
        },
        target: TargetInfo {
            name: "hashicorp".to_owned(),
            title: "HashiCorp vault-mcp-server".to_owned(),
            server_name: Some("vault-mcp-server".to_owned()),
            server_version: Some("0.2.0".to_owned()),
            program: None,
            transports: vec!["stdio".to_owned(), "http".to_owned()],
            revisions: vec!["2025-11-25".to_owned()],
            adapter_sha256: "0".repeat(64),
        },
        vault: VaultInfo {
            product: "Vault".to_owned(),
            version: "1.21.1".to_owned(),
            provider: "container".to_owned(),
            detail: "hashicorp/vault:1.21".to_owned(),
        },
        seed: 4711,
        started_at: "2026-01-02T03:04:05Z".to_owned(),
        duration_ms: 4_200,
        interrupted: false,
        stopped_early: false,
        not_run: 0,
        baseline: None,
        profiles: (names.iter())
            .map(|name| ProfileResult::of(name, &scenarios, &[]))
            .collect(),
        coverage: Coverage {
            operations: Share { tested: 9, of: 30 },
            requirements: Share {
                tested: 140,
                of: 262,
            },
        },
        demanded: Demands::default(),
        latency: Vec::new(),
        strict_latency: false,
        policy_matrix: Vec::new(),
        unmapped_tools: Vec::new(),
        cleanup_errors: Vec::new(),
        summary: Summary::of(&scenarios),
        causes: CauseResult::of(&scenarios),
        sources: sources(),
        scenarios,
    }
}

fn latency(operation: &str, samples: usize, p95_ms: f64, budget_ms: Option<f64>) -> Latency {
    Latency {
        operation: operation.to_owned(),
        transport: "stdio".to_owned(),
        samples,
        p50_ms: 1.353,
        p95_ms,
        p99_ms: p95_ms + 1.0,
        direct_p50_ms: budget_ms.map(|_| 0.291),
        direct_p95_ms: budget_ms.map(|_| 0.372),
        vault_requests_per_call: budget_ms.map(|_| 2.0),
        budget_ms,
    }
}

/// One scenario of every verdict, and an entry in every other list.
fn report_with_everything() -> Report {
    let outline = unmet(
        "kv.wrong-type",
        Level::Should,
        Verdict::Warn,
        "an error that names the argument `path`",
        "the error \"invalid input\", which names none of the arguments mount, path, key and value that the tool's own schema declares",
    );
    let mut report = report_of(vec![
        scenario("kv.read", Level::Must, Verdict::Pass),
        unmet(
            "kv.delete-missing-key",
            Level::Must,
            Verdict::Fail,
            "secret still at version 1, an error or a note",
            "the target's process ended (exit 2) 4 ms after the call",
        ),
        ScenarioResult {
            key: format!("{}#2", outline.key),
            ..outline
        },
        ScenarioResult {
            reason: Some("Vault did not answer within 30 s: see its log".to_owned()),
            ..scenario("mounts.create", Level::Must, Verdict::Blocked)
        },
        scenario("mounts.list", Level::Must, Verdict::Pass),
        ScenarioResult {
            reason: Some("not_claimed: the adapter maps no operation pki.issue".to_owned()),
            ..scenario("pki.issue", Level::Must, Verdict::NotApplicable)
        },
    ]);
    report.latency = vec![
        latency("mounts.list", 19, 71.5, Some(50.0)),
        latency("kv.list_all", 40, 3.5, None),
        latency("kv.read", 120, 1.894, Some(80.0)),
        latency("kv.write", 64, 104.25, Some(100.0)),
    ];
    report.unmapped_tools = vec!["read_lease".to_owned(), "rotate_root".to_owned()];
    report.policy_matrix = matrix();
    report.cleanup_errors =
        vec!["mount conformance-4711/kv: 503 Vault is sealed; remove it by hand".to_owned()];
    report
}

fn cell(
    (operation, policy, transport): (&str, &str, &str),
    vault: Ruling,
    target: Outcome,
    note: Option<&str>,
) -> PolicyCell {
    PolicyCell {
        operation: operation.to_owned(),
        policy: policy.to_owned(),
        transport: transport.to_owned(),
        vault,
        target,
        agrees: agrees(vault, target),
        note: note.map(str::to_owned),
    }
}

/// Two operations under two policies, with the same results on both transports.
fn matrix() -> Vec<PolicyCell> {
    let mut cells = Vec::new();
    for transport in ["stdio", "http"] {
        let of = |policy| ("kv.read", policy, transport);
        let needed = Some("GET sys/mounts");
        cells.extend([
            cell(of("blog"), Ruling::Allowed, Outcome::Allowed, None),
            cell(of("kagent"), Ruling::Allowed, Outcome::NeedsMore, needed),
            cell(of("none"), Ruling::Denied, Outcome::Denied, None),
        ]);
        let of = |policy| ("pki.read_issuer", policy, transport);
        let other = Some("GET pki/issuer/root-ca/json");
        let told = Some("the agent was told of an error: not found");
        cells.extend([
            cell(of("blog"), Ruling::Denied, Outcome::OtherWay, other),
            cell(of("none"), Ruling::Denied, Outcome::OtherError, told),
        ]);
    }
    cells
}

fn all_met() -> Report {
    report_of(vec![
        scenario("kv.list", Level::Should, Verdict::Pass),
        scenario("kv.read", Level::Must, Verdict::Pass),
    ])
}

fn finish(reporter: &mut dyn Reporter, report: &Report) {
    reporter
        .on(&Event::Finished(Box::new(report.clone())))
        .expect("the report can be written");
}

// ---- console ----

#[test]
fn the_console_shows_causes_then_profiles_then_what_to_fix_first() {
    let mut report = report_with_everything();
    let crash = Cause {
        kind: CauseKind::Crash,
        what: "`delete_secret` panics: index out of range".to_owned(),
    };
    for (index, scenario) in report.scenarios.iter_mut().enumerate() {
        if scenario.verdict == Verdict::Pass {
            let (id, level, step) = (&scenario.id, Level::Must, "Given the secret");
            let saw = "the connection ended before an answer: end of file\n".repeat(5);
            let mut failed = unmet(id, level, Verdict::Fail, "a success", &saw);
            let failure = failed.failure.as_mut().expect("it failed");
            failure.cause = crash.clone();
            failure.step = step.to_owned();
            failure.caused_by = (index == 0).then(|| "mounts.list@stdio@2025-11-25".to_owned());
            *scenario = failed;
        }
    }
    report.causes = CauseResult::of(&report.scenarios);
    let text = render(
        &report,
        HEADLINE,
        Path::new("target/conformance"),
        Detail::Causes,
    );
    insta::assert_snapshot!(redacted(&text));
}

#[test]
fn with_all_details_the_console_shows_findings_then_profiles_then_the_summary() {
    let text = render(
        &report_with_everything(),
        HEADLINE,
        Path::new("target/conformance"),
        Detail::All,
    );
    insta::assert_snapshot!(redacted(&text));
}

#[test]
fn a_run_without_findings_is_short() {
    let text = render(
        &all_met(),
        HEADLINE,
        Path::new("target/conformance"),
        Detail::Causes,
    );
    insta::assert_snapshot!(redacted(&text), @r"
    Vault 1.21.1 (container)   target hashicorp 0.2.0   stdio + http   seed 4711

    profile    MUST            SHOULD          result
    kv         1 of 1          1 of 1          conformant

    conformant: 2 passed, 0 failed, 0 warned, 0 not applicable, 0 blocked in 4.2 s
    tested: 9 of 30 operations, 140 of 262 requirements (53 %)
    ");
}

fn matrix_shown(cells: Vec<PolicyCell>) -> String {
    let report = Report {
        policy_matrix: cells,
        ..all_met()
    };
    let text = redacted(&render(&report, HEADLINE, Path::new("out"), Detail::Causes));
    let begin = text.find("policy matrix").expect("a matrix");
    let end = text.find("profile ").expect("the profiles");
    text[begin..end].to_owned()
}

#[test]
fn transports_that_do_not_differ_share_one_matrix() {
    insta::assert_snapshot!(matrix_shown(matrix()), @r"
    policy matrix (! = server and Vault disagree)
    operation        blog       kagent      none
    kv.read          allowed    needs more  denied
    pki.read_issuer  other way  -           ! other error
    ");
}

#[test]
fn transports_that_differ_have_a_matrix_each() {
    let mut cells = matrix();
    cells[2] = cell(
        ("kv.read", "none", "stdio"),
        Ruling::Denied,
        Outcome::Changed,
        None,
    );
    insta::assert_snapshot!(matrix_shown(cells), @r"
    policy matrix (! = server and Vault disagree)
    operation (stdio)  blog       kagent      none
    kv.read            allowed    needs more  ! changed
    pki.read_issuer    other way  -           ! other error

    operation (http)  blog       kagent      none
    kv.read           allowed    needs more  denied
    pki.read_issuer   other way  -           ! other error
    ");
}

#[test]
fn an_interrupted_run_is_not_called_conformant() {
    let report = Report {
        interrupted: true,
        ..all_met()
    };
    let text = redacted(&render(&report, HEADLINE, Path::new("out"), Detail::Causes));
    assert!(text.contains("\ninterrupted: 2 passed"), "{text}");
}

#[test]
fn a_target_cannot_send_escape_sequences_to_the_terminal() {
    let evil = "\u{1b}]0;owned\u{7}\u{9b}2J\r\u{202e}\u{8}";
    let mut report = report_of(vec![ScenarioResult {
        title: evil.to_owned(),
        reason: Some(evil.to_owned()),
        sources: vec![evil.to_owned()],
        transport: evil.to_owned(),
        key: format!("kv.read@stdio#{evil}"),
        ..unmet("kv.read", Level::Must, Verdict::Fail, evil, evil)
    }]);
    report.unmapped_tools = vec![evil.to_owned()];
    report.cleanup_errors = vec![evil.to_owned()];

    let text = render(&report, evil, Path::new(evil), Detail::All);
    // `render` itself adds only colours: ESC [ digits and semicolons m.
    for sequence in text.split('\u{1b}').skip(1) {
        let end = sequence.find('m').expect("a colour");
        assert!(
            sequence[..end]
                .strip_prefix('[')
                .is_some_and(|codes| codes.chars().all(|c| c.is_ascii_digit() || c == ';')),
            "{sequence:?}"
        );
    }
    let rest = text.replace(['\u{1b}', '\n'], "");
    assert!(
        !rest.contains(|c: char| c.is_control() || c == '\u{202e}'),
        "{rest:?}"
    );
    assert!(
        rest.contains(r"\u{1b}]0;owned\u{7}\u{9b}2J\r\u{202e}\u{8}"),
        "{rest}"
    );
}

#[test]
fn a_long_answer_is_cut_on_the_console_and_whole_in_the_file() {
    let long = "word ".repeat(2_000);
    let report = report_of(vec![unmet(
        "kv.read",
        Level::Must,
        Verdict::Fail,
        "less",
        &long,
    )]);
    let text = render(&report, HEADLINE, Path::new("out"), Detail::Causes);
    assert!(text.len() < 1_500, "{}", text.len());
    let text = render(&report, HEADLINE, Path::new("out"), Detail::All);
    assert!(text.len() < 4_000, "{}", text.len());
    assert!(text.contains("8000 more characters"), "{text}");

    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("report.json");
    finish(&mut JsonFile::new(&path), &report);
    let json = fs::read_to_string(path).expect("the report is there");
    assert!(json.contains(long.as_str()));
}

/// A stream that is still readable after it was passed on.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer panicked").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn text(&self) -> String {
        let bytes = self.0.lock().expect("no writer panicked").clone();
        String::from_utf8(bytes).expect("the output is UTF-8")
    }
}

/// The output of a whole run of `report` on stdout and stderr.
fn run(format: ConsoleFormat, report: &Report) -> (String, String) {
    let (out, err) = (Shared::default(), Shared::default());
    let mut console = Console::with_streams(
        format,
        "target/conformance",
        Box::new(out.clone()),
        Box::new(err.clone()),
    );
    let started = Event::Started {
        headline: HEADLINE.to_owned(),
        scenarios: report.scenarios.len(),
    };
    console.on(&started).expect("it is shown");
    for scenario in &report.scenarios {
        let key = scenario.key.clone();
        console
            .on(&Event::ScenarioStarted { key })
            .expect("it is shown");
        let finished = Event::ScenarioFinished(Box::new(scenario.clone()));
        console.on(&finished).expect("it is shown");
    }
    finish(&mut console, report);
    (out.text(), err.text())
}

#[test]
fn what_is_shown_during_a_run_adds_up_to_what_render_returns() {
    let report = report_with_everything();
    let (out, _) = run(ConsoleFormat::Console, &report);
    assert_eq!(
        out,
        render(
            &report,
            HEADLINE,
            Path::new("target/conformance"),
            Detail::Causes
        )
    );
}

#[test]
fn json_on_stdout_is_the_report_and_nothing_else() {
    let report = report_with_everything();
    let (out, _) = run(ConsoleFormat::Json, &report);
    let read: Report = serde_json::from_str(&out).expect("stdout is one JSON value");
    assert_eq!(read, report);
}

#[test]
fn quiet_says_nothing_of_a_conformant_run() {
    assert_eq!(run(ConsoleFormat::Quiet, &all_met()), Default::default());
}

#[test]
fn quiet_shows_findings_and_summary_when_the_run_is_not_conformant() {
    let (out, err) = run(ConsoleFormat::Quiet, &report_with_everything());
    assert!(
        out.contains("kv.delete-missing-key") && out.contains("2 passed, 1 failed"),
        "{out}"
    );
    assert!(!out.contains("profile "), "{out}");
    assert_eq!(err, "");
}

#[test]
fn quiet_never_leaves_an_exit_code_unexplained() {
    let mut report = all_met();
    report.cleanup_errors = vec!["token abc: still there".to_owned()];
    assert_eq!(report.exit(), Exit::Environment);
    let (out, _) = run(ConsoleFormat::Quiet, &report);
    assert!(out.contains("token abc: still there"), "{out}");
}

#[test]
fn without_a_terminal_there_is_a_line_of_progress_every_25_scenarios() {
    let scenarios = (0..60).map(|n| match n {
        7 => unmet("kv.n07", Level::Must, Verdict::Fail, "a", "b"),
        n => scenario(&format!("kv.n{n:02}"), Level::Must, Verdict::Pass),
    });
    let (out, err) = run(ConsoleFormat::Console, &report_of(scenarios.collect()));
    assert_eq!(
        err,
        "FAIL  kv.n07@stdio@2025-11-25  The server MUST do what kv.n07 demands\n\
         25 of 60 scenarios, 1 failed\n50 of 60 scenarios, 1 failed\n"
    );
    assert!(!out.contains("of 60 scenarios"), "{out}");
}

// ---- latency ----

/// A conformant report in which one budget is missed.
fn report_of_a_slow_target(strict_latency: bool) -> Report {
    Report {
        latency: vec![
            latency("kv.read", 120, 1.9, Some(80.0)),
            latency("kv.write", 20, 104.25, Some(100.0)),
        ],
        strict_latency,
        ..all_met()
    }
}

#[test]
fn a_missed_budget_is_shown_and_fails_the_run_only_where_that_is_asked_for() {
    let report = report_of_a_slow_target(false);
    assert_eq!(report.exit(), Exit::Conformant);
    assert_eq!(run(ConsoleFormat::Quiet, &report), Default::default());
    let text = redacted(&render(&report, HEADLINE, Path::new("out"), Detail::Causes));
    assert!(
        text.contains("missed") && text.contains("\nconformant: "),
        "{text}"
    );

    let strict = report_of_a_slow_target(true);
    assert_eq!(strict.exit(), Exit::Nonconformant);
    let text = redacted(&render(&strict, HEADLINE, Path::new("out"), Detail::Causes));
    insta::assert_snapshot!(text);
    let (quiet, _) = run(ConsoleFormat::Quiet, &strict);
    assert!(redacted(&quiet).contains("SLOW  kv.write"), "{quiet}");
}

#[test]
fn a_budget_is_not_missed_where_vault_itself_takes_as_long() {
    let mut read = latency("kv.read", 20, 144.1, Some(80.0));
    read.direct_p95_ms = Some(92.9);
    assert_eq!(read.keeps_budget(), None);
    read.direct_p95_ms = None;
    assert_eq!(read.keeps_budget(), Some(false));
}

#[test]
fn a_budget_is_not_missed_by_fewer_than_twenty_calls() {
    assert_eq!(
        latency("kv.read", 19, 900.0, Some(80.0)).keeps_budget(),
        None
    );
    assert_eq!(
        latency("kv.read", 1, 8.0, Some(80.0)).keeps_budget(),
        Some(true)
    );
    let judged = |p95_ms| latency("kv.read", 20, p95_ms, Some(80.0)).keeps_budget();
    assert_eq!(judged(80.0), Some(true));
    assert_eq!(judged(80.1), Some(false));
    assert_eq!(latency("kv.purge", 500, 900.0, None).keeps_budget(), None);
}

#[test]
fn a_missed_budget_that_counts_fails_in_the_junit_report_and_shows_in_the_job_summary() {
    let report = report_of_a_slow_target(true);
    let (xml, junit) = junit(&report);
    assert_eq!((junit.failures, junit.errors), (1, 0), "{xml}");
    assert!(
        xml.contains("the 95th percentile of kv.write on stdio is 104.25 ms, more than 100 ms"),
        "{xml}"
    );
    let text = github(&report);
    assert!(text.contains("| **missed** |"), "{text}");
}

// ---- known failures ----

/// A report with a known failure, and no other finding.
fn report_with_a_known_failure() -> Report {
    let mut known = unmet("kv.write", Level::Must, Verdict::Fail, "a", "b");
    known.known = Some("upstream: <b>1</b>".to_owned());
    let mut report = report_of(vec![scenario("kv.read", Level::Must, Verdict::Pass), known]);
    report.baseline = Some(BaselineResult {
        file: "known.toml".to_owned(),
        known: 1,
        not_judged: 0,
        stale: Vec::new(),
        unknown: Vec::new(),
        intermittent: Vec::new(),
        update: None,
    });
    report
}

/// The same with a baseline whose entries are stale.
fn report_with_a_stale_baseline() -> Report {
    let mut report = report_with_a_known_failure();
    if let Some(baseline) = &mut report.baseline {
        baseline.stale = vec![StaleKey {
            key: "kv.read@stdio@2025-11-25".to_owned(),
            reason: "slow".to_owned(),
            now: Verdict::Pass,
        }];
        baseline.unknown = vec![UnknownKey {
            key: "kv.raed@stdio@2025-11-25".to_owned(),
            closest: Some("kv.read@stdio@2025-11-25".to_owned()),
        }];
    }
    report
}

#[test]
fn a_known_failure_is_one_line_and_does_not_count_for_the_exit_code() {
    let report = report_with_a_known_failure();
    assert_eq!(report.exit(), Exit::Conformant);
    let text = redacted(&render(&report, HEADLINE, Path::new("out"), Detail::Causes));
    insta::assert_snapshot!(text, @"
    Vault 1.21.1 (container)   target hashicorp 0.2.0   stdio + http   seed 4711

    KNOWN  kv.write  upstream: <b>1</b>

    profile    MUST            SHOULD          result
    kv         1 of 2          -               nonconformant

    nonconformant, as known: 1 passed, 1 failed (1 known), 0 warned, 0 not applicable, 0 blocked in 4.2 s
    tested: 9 of 30 operations, 140 of 262 requirements (53 %)
    ");
}

#[test]
fn a_failure_beside_a_known_one_still_counts() {
    let mut report = report_with_a_known_failure();
    report
        .scenarios
        .push(unmet("kv.list", Level::Must, Verdict::Fail, "a", "b"));
    report.summary = Summary::of(&report.scenarios);
    assert_eq!(report.exit(), Exit::Nonconformant);
}

#[test]
fn what_the_baseline_lists_in_vain_is_told_with_what_to_do() {
    let report = report_with_a_stale_baseline();
    assert_eq!(report.exit(), Exit::StaleBaseline);
    let text = redacted(&render(&report, HEADLINE, Path::new("out"), Detail::Causes));
    for line in [
        "STALE  kv.read@stdio@2025-11-25  passes now; it was listed as: slow",
        "UNKNOWN  kv.raed@stdio@2025-11-25  no scenario has this key; did you mean kv.read@stdio@2025-11-25?",
        "remove these from known.toml, or let --update-baseline do it",
    ] {
        assert!(
            text.lines().any(|shown| shown == line),
            "{line:?} is not in:\n{text}"
        );
    }
}

#[test]
fn a_baseline_that_was_brought_up_to_date_is_not_stale() {
    let mut report = report_with_a_stale_baseline();
    let mut update = |refused: Option<&str>| {
        if let Some(baseline) = &mut report.baseline {
            baseline.update = Some(BaselineUpdate {
                added: vec!["kv.list@stdio@2025-11-25".to_owned()],
                removed: vec!["kv.read@stdio@2025-11-25".to_owned()],
                refused: refused.map(str::to_owned),
            });
        }
        let text = redacted(&render(&report, HEADLINE, Path::new("out"), Detail::Causes));
        (report.exit(), text)
    };
    let (exit, text) = update(None);
    assert_eq!(exit, Exit::Conformant);
    assert!(
        text.contains("known.toml was updated: 1 added, 1 removed; write the reason"),
        "{text}"
    );
    let (exit, text) = update(Some("2 scenarios were blocked"));
    assert_eq!(exit, Exit::StaleBaseline);
    assert!(
        text.contains("known.toml was not updated: 2 scenarios were blocked"),
        "{text}"
    );
}

#[test]
fn junit_skips_a_known_failure_and_fails_for_a_stale_baseline() {
    let (xml, junit) = junit(&report_with_a_stale_baseline());
    let counts = (junit.failures, junit.errors);
    assert_eq!(counts, (2, 0), "{xml}");
    assert!(
        xml.contains("<skipped message=\"known failure: upstream: &lt;b&gt;1&lt;/b&gt;\"/>"),
        "{xml}"
    );
    assert!(
        xml.contains("known.toml lists kv.read@stdio@2025-11-25, which no longer fails"),
        "{xml}"
    );
    assert!(
        xml.contains("expected  a"),
        "the details are still there: {xml}"
    );
}

// ---- runs that ended early ----

#[test]
fn junit_says_that_a_run_was_interrupted_and_what_could_not_be_removed() {
    let report = Report {
        interrupted: true,
        not_run: 3,
        cleanup_errors: vec!["mount a: still there".to_owned()],
        ..all_met()
    };
    let (xml, junit) = junit(&report);
    assert_eq!((junit.failures, junit.errors), (0, 2), "{xml}");
    assert!(
        xml.contains("the run was interrupted; 3 scenarios were not run"),
        "{xml}"
    );
    assert!(xml.contains("mount a: still there"), "{xml}");
}

#[test]
fn a_run_that_stopped_early_says_how_much_was_not_run() {
    let failed = unmet("kv.write", Level::Must, Verdict::Fail, "a", "b");
    let report = Report {
        stopped_early: true,
        not_run: 97,
        ..report_of(vec![failed])
    };
    let text = redacted(&render(&report, HEADLINE, Path::new("out"), Detail::Causes));
    assert!(
        text.contains("\nnonconformant, stopped early: 0 passed, 1 failed, "),
        "{text}"
    );
    assert!(text.contains(" 0 blocked, 97 not run in"), "{text}");
    let (xml, _) = junit(&report);
    assert!(
        xml.contains("<skipped message=\"97 scenarios were not run\"/>"),
        "{xml}"
    );
}

// ---- the summary of a GitHub job ----

/// The summary that the reporter appends for `report`.
fn github(report: &Report) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("summary.md");
    fs::write(&path, "of another step\n").expect("it can be written");
    finish(&mut GithubSummary::new(&path), report);
    let text = fs::read_to_string(&path).expect("the file is there");
    text.strip_prefix("of another step\n")
        .expect("it is appended")
        .to_owned()
}

#[test]
fn the_job_summary_has_profiles_failures_and_what_is_known() {
    let text = github(&report_with_everything());
    for part in [
        "## Vault MCP conformance: HashiCorp vault-mcp-server",
        "**1 failed**, 2 passed",
        "| kv | 1 of 2 | 0 of 1 | **nonconformant** |",
        "### Failed\n\n**The server MUST do what kv.delete-missing-key demands** (1)\n\n- **kv.delete-missing-key",
        "  - expected: secret still at version 1, an error or a note\n",
        "### Blocked",
        "### Not cleaned up",
        "### Warned",
        "### Policy matrix\n\n",
        "\n\n| operation | blog | kagent | none |\n| --- | --- | --- | --- |\n\
         | kv.read | allowed | needs more | denied |\n",
        "| pki.read&#95;issuer | other way | - | **&#33; other error** |\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    let text = github(&report_with_a_stale_baseline());
    assert!(text.contains("### Known failures\n\n- kv.write"), "{text}");
    assert!(
        text.contains("### The baseline has entries that do not apply\n\n- kv.read"),
        "{text}"
    );
    assert!(!text.contains("### Failed"), "{text}");
}

#[test]
fn what_a_target_says_is_no_markdown_and_no_html_in_the_job_summary() {
    let evil = "<img src=x> | `a` **b** [c](https://d) ![e](f)\n# g\n\u{1b}[2J www.h.i @j";
    let text = github(&report_of(vec![unmet(
        "kv.read",
        Level::Must,
        Verdict::Fail,
        evil,
        evil,
    )]));
    for part in [
        "<img",
        "`",
        "**b",
        "[c]",
        "https://d",
        "\n# g",
        "\u{1b}",
        "www.h",
        "@",
    ] {
        assert!(!text.contains(part), "{part:?} is in:\n{text}");
    }
}

#[test]
fn the_job_summary_is_bounded_and_says_what_it_leaves_out() {
    let long = "<".repeat(5_000);
    let many = (0..1_000).map(|n| {
        unmet(
            &format!("kv.n{n:04}"),
            Level::Must,
            Verdict::Fail,
            &long,
            &long,
        )
    });
    let text = github(&report_of(many.collect()));
    assert!(text.len() < 300_000, "{}", text.len());
    assert!(text.contains("more are in report.json"));
}

#[test]
fn a_job_summary_that_cannot_be_written_ends_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    finish(&mut GithubSummary::new(folder.path()), &all_met());
}

// ---- report.json ----

fn committed_schema() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/report.schema.json")
}

#[test]
fn the_committed_schema_is_current() {
    let path = committed_schema();
    let current = serde_json::to_string_pretty(&json::schema()).expect("a schema is JSON") + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, &current).expect("docs/ can be written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == current,
        "docs/report.schema.json is not what the types say: run \
         `UPDATE_SCHEMA=1 cargo test -p vault-mcp-conformance --test reports` and look at the diff"
    );
}

#[test]
fn a_report_meets_the_schema() {
    let validator = jsonschema::draft202012::new(&json::schema()).expect("the schema is valid");
    for report in [
        report_with_everything(),
        all_met(),
        report_with_a_stale_baseline(),
    ] {
        let report = serde_json::to_value(report).expect("a report is JSON");
        if let Err(error) = validator.validate(&report) {
            panic!("{error} at {}", error.instance_path());
        }
    }
}

#[test]
fn something_that_is_no_report_does_not_meet_the_schema() {
    let validator = jsonschema::draft202012::new(&json::schema()).expect("the schema is valid");
    let mut report = serde_json::to_value(all_met()).expect("a report is JSON");
    report["scenarios"][0]["verdict"] = "skipped".into();
    assert!(!validator.is_valid(&report));
}

#[test]
fn the_report_file_replaces_the_last_one_and_leaves_nothing_beside_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("new/report.json");
    let mut reporter = JsonFile::new(&path);
    finish(&mut reporter, &report_with_everything());
    finish(&mut reporter, &all_met());

    let text = fs::read_to_string(&path).expect("the report is there");
    assert!(text.ends_with("}\n"));
    assert_eq!(
        serde_json::from_str::<Report>(&text).expect("it is a report"),
        all_met()
    );
    let files = fs::read_dir(folder.path().join("new")).expect("the folder is there");
    assert_eq!(files.count(), 1);
}

#[test]
fn a_report_that_cannot_be_written_is_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("report.json");
    fs::create_dir(&path).expect("a folder in its place");
    let error = JsonFile::new(&path)
        .on(&Event::Finished(Box::new(all_met())))
        .expect_err("a folder cannot be replaced by a file");
    assert!(error.to_string().contains("report.json"), "{error}");
    assert!(!path.with_added_extension("tmp").exists());
}

#[test]
fn json_holds_no_character_that_a_terminal_could_obey() {
    let evil = "\u{1b}[2J \u{9b}2J \u{7f} \u{202e} \u{ffff} ü 🦀";
    let report = report_of(vec![unmet(
        "kv.read",
        Level::Must,
        Verdict::Fail,
        evil,
        evil,
    )]);
    let (out, _) = run(ConsoleFormat::Json, &report);
    assert!(
        !out.contains(|c: char| c.is_control() && c != '\n'),
        "{out:?}"
    );
    assert!(!out.contains('\u{202e}') && out.contains("ü 🦀"), "{out:?}");
    assert_eq!(
        serde_json::from_str::<Report>(&out).expect("it is JSON"),
        report
    );
}

// ---- junit.xml ----

/// The file that the reporter writes for `report`, as text and parsed.
fn junit(report: &Report) -> (String, Junit) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("junit.xml");
    finish(&mut JunitFile::new(&path), report);
    let xml = fs::read_to_string(path).expect("the file is there");
    let read = Junit::deserialize_from_str(&xml).expect("the file is JUnit XML");
    (xml, read)
}

fn only_case(report: &Report) -> TestCase {
    let (_, junit) = junit(report);
    junit.test_suites[0].test_cases[0].clone()
}

#[test]
fn junit_has_one_suite_a_profile_and_one_case_a_scenario() {
    let (xml, _) = junit(&report_with_everything());
    insta::assert_snapshot!(redacted(&xml));
}

#[test]
fn one_failing_scenario_is_one_failure_in_the_counts() {
    let report = report_of(vec![
        scenario("kv.read", Level::Must, Verdict::Pass),
        unmet("kv.write", Level::Must, Verdict::Fail, "a", "b"),
    ]);
    let (xml, junit) = junit(&report);
    assert_eq!(xml.matches(r#"failures="1""#).count(), 2, "{xml}");
    let suite = &junit.test_suites[0];
    assert_eq!(
        (suite.tests, suite.failures, suite.errors, suite.skipped),
        (2, 1, 0, 0)
    );
}

#[test]
fn a_warning_does_not_break_a_build_and_is_still_told() {
    let report = report_of(vec![unmet(
        "kv.read",
        Level::Should,
        Verdict::Warn,
        "a",
        "b",
    )]);
    let case = only_case(&report);
    assert!(matches!(case.status, TestCaseStatus::Success { .. }));
    let said = case.system_out.expect("it says so");
    assert!(
        said.starts_with("SHOULD not met: expected a, saw b"),
        "{said:?}"
    );
}

#[test]
fn what_is_blocked_is_an_error_and_what_does_not_apply_is_skipped() {
    let (_, junit) = junit(&report_with_everything());
    let counts: Vec<_> = (junit.test_suites.iter())
        .map(|suite| {
            (
                suite.name.as_str(),
                suite.failures,
                suite.errors,
                suite.skipped,
            )
        })
        .collect();
    assert_eq!(
        counts,
        [
            ("kv", 1, 0, 0),
            ("mounts", 0, 1, 0),
            ("pki", 0, 0, 1),
            ("the run itself", 0, 1, 0)
        ]
    );
}

mod any_text {
    use proptest::prelude::*;

    use super::{Level, TestCaseStatus, Verdict, junit, report_of, unmet};

    /// The production `Char` of XML 1.0.
    fn is_xml(c: char) -> bool {
        matches!(
            c,
            '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..
        )
    }

    /// Text with many characters that XML forbids or that have a meaning in XML.
    fn text() -> impl Strategy<Value = String> {
        let special = "[\u{0}-\u{1f}\u{7f}-\u{9f}\u{fffe}\u{ffff}<>&\"']{0,9}|]]>|<!--|&#0;";
        prop::collection::vec(prop_oneof![special, any::<String>()], 0..4)
            .prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn stays_valid_xml(text in text(), verdict in prop_oneof![
            Just(Verdict::Fail), Just(Verdict::Warn), Just(Verdict::Blocked), Just(Verdict::NotApplicable),
        ]) {
            let mut scenario = unmet("kv.read", Level::Must, verdict, &text, &text);
            scenario.title.clone_from(&text);
            scenario.key.clone_from(&text);
            scenario.reason = Some(text);
            let (xml, junit) = junit(&report_of(vec![scenario]));
            prop_assert!(xml.chars().all(is_xml), "{xml:?}");
            let failed = verdict == Verdict::Fail;
            prop_assert_eq!(junit.failures, usize::from(failed));
            if let TestCaseStatus::NonSuccess { message, description, .. } =
                &junit.test_suites[0].test_cases[0].status
            {
                prop_assert!(message.is_some() && description.is_some());
            }
        }
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    struct Closed;
    impl io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let streams = (Box::new(Closed), Box::new(io::sink()));
    let mut console = Console::with_streams(ConsoleFormat::Json, "out", streams.0, streams.1);
    let finished = Event::Finished(Box::new(all_met()));
    assert!(console.on(&finished).is_ok());
}
