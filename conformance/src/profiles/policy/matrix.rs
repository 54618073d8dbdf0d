//! One row of the policy matrix: an operation under each policy. For each cell the suite prepares the stage, makes the
//! operation's requests on Vault with the agent's token, prepares the stage again if that changed it, and lets the
//! agent act.

use http::Method;
use percent_encoding::percent_decode_str;
use serde_json::Map;

use crate::{
    act::Act,
    engines::{Operation, mounts::Mounts},
    instance::answer::Answer,
    policy_matrix::{Outcome, PolicyCell, Ruling, Seen, Told, agrees, judge},
    scenario::Scenario,
    tap::{Exchange, Tap},
    vault::oracle::{VaultAnswer, VaultRequest},
    verdict::{StepEnd, StepResult},
    vocabulary::{allowed, answered, effect, given, kv::KvState, lists, stage, unchanged},
};

/// A policy, with the PKI mount that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PolicyOn {
    /// The policy's name; `none` grants nothing.
    pub name: String,
    /// The name of the PKI mount.
    pub pki: String,
}

/// Makes an operation's requests on Vault and then lets the agent perform it, under each of the policies.
///
/// # Errors
/// If Vault gives no clear answer; not applicable if the target offers no tool for it.
pub(crate) async fn ask_under_each(
    scenario: &mut Scenario,
    operation: Operation,
    policies: &[PolicyOn],
) -> StepResult {
    let prefix = scenario.prefix.clone();
    let mut outcome = Ok(());
    for (number, policy) in policies.iter().enumerate() {
        // Each cell has names of its own, so that what a target remembers of one cell does not affect another.
        scenario.prefix = format!("{prefix}{number}-");
        match ask_under(scenario, operation, policy).await {
            Ok(cell) => scenario.state_mut::<Vec<PolicyCell>>().push(cell),
            Err(stop) => outcome = Err(stop),
        }
        if scenario.calls.is_unanswered() || outcome.is_err() {
            break;
        }
    }
    scenario.prefix = prefix;
    outcome
}

/// The decided cells.
pub(crate) fn take_cells(scenario: &mut Scenario) -> Vec<PolicyCell> {
    std::mem::take(scenario.state_mut::<Vec<PolicyCell>>())
}

/// If Vault gave this answer, the agent must have received the same, and the effect on Vault must be as expected.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_as_ruled(scenario: &Scenario, ruling: Ruling) -> StepResult {
    if scenario.state::<Vec<PolicyCell>>().is_empty() {
        return Err(StepEnd::blocked("the scenario asked for nothing"));
    }
    let unmet = |cell: &&PolicyCell| cell.vault == ruling && !cell.is_met();
    let unmet: Vec<_> = scenario
        .state::<Vec<PolicyCell>>()
        .iter()
        .filter(unmet)
        .collect();
    let seen = unmet.iter().map(|cell| {
        let note = cell.note.as_deref().unwrap_or_default();
        format!("under {}: {}: {note}", cell.policy, cell.target.words())
    });
    let seen: Vec<_> = seen.collect();
    let names: Vec<_> = unmet.iter().map(|cell| cell.policy.as_str()).collect();
    let demanded = match ruling {
        _ if unmet.is_empty() => return Ok(()),
        Ruling::Allowed => "success with its effect",
        Ruling::Denied => "an error that says that permission was denied, and no change",
    };
    let demanded = format!("{demanded} under {}, as on Vault itself", names.join(", "));
    Err(scenario.failed(demanded, &seen.join("\n")))
}

async fn ask_under(
    scenario: &mut Scenario,
    operation: Operation,
    policy: &PolicyOn,
) -> StepResult<PolicyCell> {
    given::forget_mounts(scenario);
    let act = stage::set_stage(scenario, operation, &policy.pki).await?;
    given::use_policies(scenario, &[&policy.name]).await?;
    let asked = allowed::ask_vault(scenario, &act).await?;
    let act = match asked.touched {
        true => {
            given::remove_mounts(scenario).await?;
            stage::set_stage(scenario, operation, &policy.pki).await?
        }
        false => act,
    };
    let ruling = match asked.allowed {
        true => Ruling::Allowed,
        false => Ruling::Denied,
    };
    scenario.let_agent(act).await?;
    let (target, note) = judge_cell(scenario, ruling).await?;
    Ok(PolicyCell {
        operation: operation.name().to_owned(),
        policy: policy.name.clone(),
        transport: scenario.planned.transport.to_string(),
        vault: ruling,
        target,
        agrees: agrees(ruling, target),
        note,
    })
}

async fn judge_cell(
    scenario: &mut Scenario,
    ruling: Ruling,
) -> StepResult<(Outcome, Option<String>)> {
    let deed = scenario.last()?.clone();
    let told = match &deed.answer {
        Answer::Success(_) => Told::Success,
        answer if answer.is_denial() => Told::Denial,
        Answer::Error(_) => Told::OtherError,
        Answer::Nothing(_) => Told::Nothing,
    };
    let allowed = ruling == Ruling::Allowed;
    let mut wrong = None;
    let effect = match told {
        Told::Success => noted(expect_effect_of_cell(scenario, ruling).await, &mut wrong)?,
        _ => false,
    };
    let unchanged = match (told, allowed) {
        // What may have changed was checked.
        (Told::Success, true) => true,
        _ => noted(
            unchanged::expect_unchanged(scenario, allowed).await,
            &mut wrong,
        )?,
    };
    let silent = match told {
        Told::Success => true,
        _ => noted(answered::expect_no_value(scenario), &mut wrong)?,
    };
    let requests = requests_of(scenario, &deed.act, deed.passed);
    let further = requests.iter().find(|passed| !passed.own && passed.denied);
    let own_denied = requests.iter().any(|passed| passed.own && passed.denied);
    let reads = deed.act.operation.reads();
    let outcome = judge(&Seen {
        ruling,
        told,
        effect,
        changed: !unchanged,
        value_shown: !silent,
        further_request_denied: further.is_some() && !own_denied,
        other_way: !allowed && reads && may_all(scenario, &requests).await?,
    });
    let note = match outcome {
        _ if agrees(ruling, outcome) && outcome != Outcome::OtherWay => None,
        Outcome::NeedsMore => further.map(|passed| passed.name.clone()),
        Outcome::OtherWay => {
            let mut served = requests.iter().filter(|passed| !passed.denied);
            served.next().map(|passed| passed.name.clone())
        }
        _ => Some(match wrong {
            Some(wrong) => format!("{wrong}; the server returned {}", deed.answer.describe()),
            None => format!("the server returned {}", deed.answer.describe()),
        }),
    };
    let note = note.map(|note| {
        scenario
            .secrets()
            .redact(&note.replace(&scenario.prefix, ""))
    });
    Ok((outcome, note))
}

async fn expect_effect_of_cell(scenario: &mut Scenario, ruling: Ruling) -> StepResult {
    let operation = scenario.last()?.act.operation;
    if (operation, ruling) == (Operation::Mounts(Mounts::List), Ruling::Denied) {
        return expect_visible_mounts(scenario).await;
    }
    effect::expect_whole_effect(scenario).await
}

/// The requests that passed the tap since an act began; empty without a tap.
fn requests_of(scenario: &Scenario, act: &Act, passed: usize) -> Vec<Passed> {
    let version = scenario
        .state::<KvState>()
        .mount
        .as_ref()
        .map_or(2, |kv| kv.version);
    let own: Vec<_> = act
        .operation
        .requests(&act.parameters, version)
        .iter()
        .map(|request| name(&request.method, &request.path))
        .collect();
    let tap = scenario.slot().ok().and_then(|slot| slot.tap.as_ref());
    let exchanges = tap.map(Tap::exchanges);
    let exchanges = exchanges.unwrap_or_default();
    let passed = exchanges.iter().skip(passed).map(|exchange| {
        let name = asked_for(exchange);
        Passed {
            own: own.contains(&name),
            denied: exchange.status == 403,
            answered: exchange.status.is_success() || exchange.status == 404,
            repeatable: name.starts_with("GET ") || name.starts_with("LIST "),
            name,
        }
    });
    passed.collect()
}

/// Whether the answer came from requests that Vault also answers to the token when the suite repeats them. None of them
/// is the operation's own, and all of them only read. Requests that Vault denied do not count.
async fn may_all(scenario: &Scenario, requests: &[Passed]) -> StepResult<bool> {
    let served: Vec<_> = requests.iter().filter(|passed| !passed.denied).collect();
    let honest = |passed: &&Passed| !passed.own && passed.answered && passed.repeatable;
    if served.is_empty() || !served.iter().all(honest) {
        return Ok(false);
    }
    for passed in served {
        let (method, path) = passed.name.split_once(' ').unwrap_or_default();
        let answer = ask_as_agent(scenario, &VaultRequest::new(method, path)).await?;
        if !answer.allowed() {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn ask_as_agent(scenario: &Scenario, request: &VaultRequest) -> StepResult<VaultAnswer> {
    let answer = scenario
        .oracle
        .ask(&scenario.token()?.secret, request)
        .await;
    answer.map_err(StepEnd::blocked)
}

/// A list that is not the whole table of mounts must contain all mounts that the token may see.
async fn expect_visible_mounts(scenario: &Scenario) -> StepResult {
    let request = VaultRequest::new("GET", "sys/internal/ui/mounts");
    let answer = ask_as_agent(scenario, &request).await?;
    let visible = answer.body["data"]["secret"].as_object();
    let visible: Vec<_> = visible.into_iter().flat_map(Map::keys).collect();
    if visible.is_empty() {
        return Err(scenario.failed("a denial, as the token sees no mount", "a success"));
    }
    for mount in visible {
        lists::expect_mount_listed(scenario, mount.trim_end_matches('/'))?;
    }
    Ok(())
}

/// A request of the target that passed the tap.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Passed {
    /// The method and the path below `/v1/`, not escaped, without the query.
    name: String,
    /// Whether it is one of the operation's own requests.
    own: bool,
    /// Whether Vault denied it.
    denied: bool,
    /// Whether Vault allowed it: "not found" is also an answer.
    answered: bool,
    /// Whether it only reads, so that it can be repeated.
    repeatable: bool,
}

/// The object of a request, in either of Vault's two ways to list or to write.
fn asked_for(exchange: &Exchange) -> String {
    let (path, query) = exchange
        .path
        .split_once('?')
        .unwrap_or((&exchange.path, ""));
    let lists = query.split('&').any(|part| part == "list=true");
    let path = percent_decode_str(path).decode_utf8_lossy();
    let path = path.strip_prefix("/v1/").unwrap_or(&path);
    match lists {
        true => name(&list(), path),
        false => name(&exchange.method, path),
    }
}

fn list() -> Method {
    VaultRequest::new("LIST", "").method
}

fn name(method: &Method, path: &str) -> String {
    let method = match method.as_str() {
        "PUT" => "POST",
        other => other,
    };
    format!("{method} {}", path.trim_end_matches('/'))
}

/// Whether a check passed. If it failed, records what was seen; any other end of the step is returned.
fn noted(result: StepResult, seen: &mut Option<String>) -> StepResult<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(StepEnd::Failed { expected, actual }) => {
            seen.get_or_insert(format!("expected {expected}, saw {actual}"));
            Ok(false)
        }
        Err(other) => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use http::{Method, StatusCode};

    use super::{asked_for, name};
    use crate::{tap::Exchange, vault::oracle::VaultRequest};

    fn asked(method: &str, path: &str) -> String {
        asked_for(&Exchange {
            at: Instant::now(),
            method: Method::from_bytes(method.as_bytes()).unwrap(),
            path: path.to_owned(),
            status: StatusCode::OK,
            token: None,
            namespace: None,
            correlation_id: None,
        })
    }

    #[test]
    fn a_request_is_the_same_in_whichever_way_it_is_made() {
        for (method, path, same) in [
            ("GET", "/v1/pki/roles?list=true", "LIST pki/roles"),
            ("GET", "/v1/pki/roles/?x=y&list=true", "LIST pki/roles"),
            ("LIST", "/v1/kv/metadata/", "LIST kv/metadata"),
            ("GET", "/v1/kv/data/a?version=1", "GET kv/data/a"),
            ("PUT", "/v1/pki/roles/a", "POST pki/roles/a"),
            ("GET", "/v1/pki/cert/0a%3A0b", "GET pki/cert/0a:0b"),
            ("DELETE", "/v1/kv/data/a", "DELETE kv/data/a"),
        ] {
            assert_eq!(asked(method, path), same);
        }
    }

    #[test]
    fn a_request_of_the_suite_has_the_name_that_the_tap_gives_it() {
        let request = VaultRequest::new("LIST", "kv/metadata/");
        let seen = asked("GET", "/v1/kv/metadata?list=true");
        assert_eq!(name(&request.method, &request.path), seen);
    }
}
