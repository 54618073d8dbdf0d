//! What a call leaves in the file that the server logs to, and in Vault's audit log.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use rand::Rng as _;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    act::{Act, Effect},
    engines::{Operation, Parameters, kv::Kv},
    instance::answer::carrier,
    log_line::{KnownCall, LogFact, LogLine, line_of},
    mcp::transcript::Speaker,
    redact::Secrets,
    scenario::{Scenario, calls::CallOptions},
    vault::oracle::CORRELATION_ID,
    verdict::{StepEnd, StepResult},
    vocabulary::{given, kv::writing, start::log_file::LogFile},
};

/// How long the suite waits for a line in the log file.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the suite waits for a line that may not exist.
const QUIET: Duration = Duration::from_secs(2);
/// The interval between two looks.
const GLANCE: Duration = Duration::from_millis(20);
/// How many characters of a line a failure shows.
const SHOWN: usize = 400;
/// The minimum length of a text that can be an id.
const SHORTEST_ID: usize = 8;

fn log_file(scenario: &Scenario) -> StepResult<&LogFile> {
    let missing = || StepEnd::blocked("the scenario gave no server that logs to a file");
    scenario
        .state::<Option<LogFile>>()
        .as_ref()
        .ok_or_else(missing)
}

/// The lines of the log, once they contain what is searched, or after this time.
async fn log_lines(
    scenario: &Scenario,
    patience: Duration,
    has: impl Fn(&[String]) -> bool,
) -> StepResult<Vec<String>> {
    let log = log_file(scenario)?;
    let deadline = Instant::now() + patience;
    loop {
        let lines = log.lines().await;
        if has(&lines) || Instant::now() > deadline {
            return Ok(lines);
        }
        sleep(GLANCE).await;
    }
}

/// The beginning of a line, with secrets redacted.
fn beginning_of(scenario: &Scenario, line: &str) -> String {
    let line = scenario.secrets().redact(line);
    line.chars().take(SHOWN).collect()
}

/// What is known about the last call without the log.
fn known_call(scenario: &Scenario) -> StepResult<KnownCall> {
    let deed = scenario.last()?;
    let (adapter, instance) = (&scenario.target.adapter, scenario.instance()?);
    let (_, tool) = carrier(adapter, instance, deed.act.operation)?;
    let exchanges = scenario.tap()?.exchanges().into_iter().skip(deed.passed);
    let (mut paths, mut correlation_ids) = (Vec::new(), Vec::new());
    for exchange in exchanges {
        let path = exchange.path.split('?').next().unwrap_or_default();
        let path = percent_decode_str(path).decode_utf8_lossy();
        let path = path.strip_prefix("/v1/").unwrap_or(&path);
        paths.push(path.trim_matches('/').to_owned());
        correlation_ids.extend(exchange.correlation_id);
    }
    let about = ["mount", "path"].into_iter();
    let about = about.filter_map(|name| deed.act.parameters.get(name)?.as_str());
    Ok(KnownCall {
        tool: tool.to_owned(),
        paths,
        about: about.map(str::to_owned).collect(),
        correlation_ids,
    })
}

/// One line of the log must contain this fact about the last call.
///
/// # Errors
/// If there is no line about it, or the fact is missing; not applicable for the session if the server issues none.
pub(crate) async fn expect_logged(scenario: &Scenario, fact: LogFact, words: &str) -> StepResult {
    if fact == LogFact::Session {
        scenario.need_session()?;
    }
    let call = known_call(scenario)?;
    let of_call = |lines: &[String]| {
        let lines: Vec<_> = lines
            .iter()
            .filter_map(|line| LogLine::parse(line))
            .collect();
        line_of(&lines, &call, fact)
    };
    let tells = |line: LogLine| line.tells(fact, &call);
    let lines = log_lines(scenario, PATIENCE, |lines| {
        of_call(lines).is_some_and(tells)
    })
    .await?;
    let expected = format!(
        "a structured log line for the call of {} with {words}",
        call.tool
    );
    match of_call(&lines) {
        Some(line) if line.tells(fact, &call) => Ok(()),
        Some(line) => Err(scenario.failed(expected, &beginning_of(scenario, line.text()))),
        None => {
            let last = lines.last().map_or("", String::as_str);
            let seen = format!(
                "{} lines, none of which is about it; the last one: {}",
                lines.len(),
                beginning_of(scenario, last)
            );
            Err(scenario.failed(expected, &seen))
        }
    }
}

/// Vault's audit log must have the last call under an id that the log or the answer contains, too.
///
/// # Errors
/// If this is not the case.
pub(crate) async fn expect_audited(scenario: &Scenario) -> StepResult {
    let missing = || StepEnd::no_evidence("there is no audit log");
    let audit = scenario.audit.as_ref().ok_or_else(missing)?;
    audit.settle().await.map_err(StepEnd::blocked)?;
    let (token, paths) = (scenario.token()?, known_call(scenario)?.paths);
    let asked = audit.entries(|entry| {
        entry.accessor.as_ref() == Some(&token.accessor)
            && paths
                .iter()
                .any(|path| path == entry.path.trim_matches('/'))
            && entry.correlation_id.as_deref() != Some(CORRELATION_ID)
    });
    if asked.is_empty() {
        return Err(scenario.failed(
            "an entry of Vault's audit log for the call",
            "there is none",
        ));
    }
    let sent = asked
        .iter()
        .filter_map(|entry| entry.correlation_id.clone());
    // Vault answers with its own id, which leads to the entry as well.
    let ids: Vec<_> = sent
        .chain(asked.iter().map(|entry| entry.request_id.clone()))
        .filter(|id| id.len() >= SHORTEST_ID)
        .collect();
    let expected = "an id of the call's entry in Vault's audit log (X-Correlation-Id or Vault's request id) is in the \
                    server's log or in its answer";
    let told = scenario.last()?.answer.describe_whole();
    if ids.iter().any(|id| told.contains(id)) {
        return Ok(());
    }
    let has = |lines: &[String]| {
        lines
            .iter()
            .any(|line| ids.iter().any(|id| line.contains(id)))
    };
    let lines = log_lines(scenario, PATIENCE, has).await?;
    match has(&lines) {
        true => Ok(()),
        false => {
            let seen = format!("{} is in none of its {} lines", ids.join(", "), lines.len());
            Err(scenario.failed(expected, &seen))
        }
    }
}

/// Lets the agent send a value in a call that cannot succeed, for the reason that a feature names.
///
/// # Errors
/// If the reason is unknown.
pub(crate) async fn let_agent_fail_to_write(
    scenario: &mut Scenario,
    path: &str,
    why: &str,
) -> StepResult {
    let value = scenario.canary("value that the agent sends", true);
    let act = writing(scenario, path, "password", &value)?;
    if why == "Vault denies" {
        given::use_no_policy(scenario).await?;
        return scenario.let_agent(act).await;
    }
    let call = scenario.tool_call(&act)?;
    let mut arguments = call.params["arguments"].clone();
    let tool = call.params["name"].as_str().unwrap_or_default();
    let template = &call.mapping.arguments;
    let carries = |name: &String| {
        let argument = template[name].to_string();
        argument.contains("{value}") || argument.contains("{data}")
    };
    let fields = arguments
        .as_object_mut()
        .ok_or_else(|| StepEnd::blocked("a call has no arguments"))?;
    let tool = match why {
        "lacks an argument" => {
            let other = fields.keys().find(|name| !carries(name)).cloned();
            other.map(|other| fields.remove(&other));
            tool
        }
        "has an argument of another kind" => {
            let name = fields.keys().find(|name| carries(name)).cloned();
            if let Some(argument) = name.and_then(|name| fields.get_mut(&name)) {
                *argument = json!([argument.take()]);
            }
            tool
        }
        "names no tool" => "no_such_tool",
        _ => {
            return Err(StepEnd::blocked(format!(
                "the step does not support {why:?}"
            )));
        }
    };
    scenario.call_tool(tool, &arguments).await.map(drop)
}

/// All lines of the server's log so far, from the file and from its standard streams. To know when the log is complete,
/// the agent makes a call with a unique name, and the suite waits for its line.
async fn settled_log(scenario: &mut Scenario) -> StepResult<Vec<String>> {
    let mark = format!("mark-{:08x}", scenario.random.next_u32());
    let parameters = [
        ("mount", scenario.path_of("marked")),
        ("path", mark.clone()),
    ];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), Value::from(value)));
    let marking = Act {
        operation: Operation::Kv(Kv::Read),
        parameters: Parameters::from_iter(parameters),
        effect: Effect::Read,
    };
    let begun = Instant::now();
    scenario.call(marking, CallOptions::default()).await?;
    // Not every server logs the path, and a server that is slow to answer may be slow to log.
    let patience = QUIET.max(begun.elapsed() * 10).min(PATIENCE);
    let marked = |lines: &[String]| lines.iter().any(|line| line.contains(&mark));
    let mut lines = log_lines(scenario, patience, marked).await?;
    let transcript = scenario.connection()?.transcript();
    let said = transcript.lines().into_iter();
    let said = said.filter(|line| matches!(line.speaker, Speaker::Log | Speaker::Noise));
    lines.extend(said.map(|line| line.text));
    Ok(lines)
}

/// No line of the log may contain a value or a key.
///
/// # Errors
/// If this is not the case.
pub(crate) async fn expect_no_values_logged(scenario: &mut Scenario) -> StepResult {
    let values = scenario.ledger.all();
    expect_unlogged(scenario, &values, "no value and no key in the log").await
}

/// No line of the log may contain the server's token.
///
/// # Errors
/// If this is not the case.
pub(crate) async fn expect_no_token_logged(scenario: &mut Scenario) -> StepResult {
    let tokens = scenario.agents.tokens();
    expect_unlogged(scenario, &tokens, "the server's token is not in the log").await
}

async fn expect_unlogged(scenario: &mut Scenario, secrets: &Secrets, expected: &str) -> StepResult {
    let lines = settled_log(scenario).await?;
    let told = |line: &String| Some((secrets.found_in(line)?.to_owned(), line.clone()));
    match lines.iter().find_map(told) {
        None => Ok(()),
        Some((label, line)) => Err(scenario.failed(
            expected,
            &format!(
                "a line contains the {label}: {}",
                beginning_of(scenario, &line)
            ),
        )),
    }
}
