//! Arguments that a call omits, and the defaults that a tool's schema declares for them.

use serde_json::{Value, json};

use super::tools::name_of;
use crate::{
    act::Act,
    engines::{Operation, Pki, mounts::Mounts},
    mcp::inbox::Reply,
    profiles::mcp::tools,
    scenario::Scenario,
    schema,
    vault::oracle::VaultRequest,
    verdict::{StepEnd, StepResult},
    vocabulary::stage,
};

/// The result of a call: the answer if it reads, and the state in Vault afterwards if it creates something.
#[derive(Debug, PartialEq)]
enum Outcome {
    Done(Value),
    Refused(String),
}

impl Outcome {
    fn describe(&self) -> String {
        match self {
            Self::Done(what) => what.to_string(),
            Self::Refused(why) => format!("an error: {why}"),
        }
    }
}

/// Calls tools without each argument for which the schema declares a default, and then with the default. Both calls
/// should have the same result, in the answer or in Vault.
///
/// Only two kinds of tools are tested: those that only read, and those that create something that looks the same in
/// Vault each time.
///
/// # Errors
/// If they do not; not applicable if no such tool declares a default.
pub(crate) async fn expect_defaults_applied(scenario: &mut Scenario) -> StepResult {
    stage::make_shared_stage(scenario).await?;
    scenario.ledger.disclose_all();
    let mut judged = 0;
    for operation in Operation::ALL {
        let makes = matches!(
            operation,
            Operation::Mounts(Mounts::Create) | Operation::Pki(Pki::Enable | Pki::CreateRole)
        );
        let Some(tool) = tools::tool_of(scenario, operation).cloned() else {
            continue;
        };
        if !makes && !operation.reads() {
            continue;
        }
        let act = stage::act_on_shared_stage(scenario, operation).await?;
        let mapping = scenario.target.adapter.operations.get(&operation);
        let whole = mapping.map_or(Value::Null, |mapping| mapping.arguments(&act.parameters));
        for (argument, default) in schema::defaults(&tool["inputSchema"]) {
            // An argument that names a place of this scenario is not tested, because the default would lead elsewhere.
            let leads = whole[&argument].to_string().contains(&scenario.prefix);
            if !leads && is_applied(scenario, &act, &tool, &whole, &argument, &default).await? {
                judged += 1;
            }
        }
    }
    match judged {
        0 => Err(StepEnd::not_claimed(
            "no tool that can be tested declares a default",
        )),
        _ => Ok(()),
    }
}

/// Whether the server applies this default. A tool that rejects the default shows nothing.
async fn is_applied(
    scenario: &mut Scenario,
    act: &Act,
    tool: &Value,
    whole: &Value,
    argument: &str,
    default: &Value,
) -> StepResult<bool> {
    let mut given = whole.clone();
    given[argument] = default.clone();
    let mut left_out = given.clone();
    if let Some(arguments) = left_out.as_object_mut() {
        arguments.remove(argument);
    }
    let without = outcome(scenario, act, tool, &left_out).await?;
    let with = outcome(scenario, act, tool, &given).await?;
    if with == without {
        return Ok(matches!(with, Outcome::Done(_)));
    }
    // An answer may contain something new each time.
    let is_stable = outcome(scenario, act, tool, &left_out).await? == without;
    match with {
        Outcome::Done(_) if is_stable => {
            let name = name_of(tool);
            let expected = format!(
                "{name} without {argument:?} has the same effect as with its default, {default}"
            );
            let seen = format!("without: {}; with: {}", without.describe(), with.describe());
            Err(scenario.failed(expected, &seen))
        }
        _ => Ok(false),
    }
}

/// The result of a call.
async fn outcome(
    scenario: &mut Scenario,
    act: &Act,
    tool: &Value,
    arguments: &Value,
) -> StepResult<Outcome> {
    let mut result = match scenario.call_tool(name_of(tool), arguments).await? {
        Ok(Reply::Result(result)) => result,
        Ok(Reply::Error { message, .. }) => return Ok(Outcome::Refused(message)),
        // Other requirements check this.
        Err(_) => return Err(StepEnd::no_evidence("a call was not answered")),
    };
    if result["isError"] == true {
        return Ok(Outcome::Refused(result["content"].to_string()));
    }
    if act.operation.reads() {
        result.as_object_mut().map(|result| result.remove("_meta"));
        return Ok(Outcome::Done(result));
    }
    made_by(scenario, act).await.map(Outcome::Done)
}

/// What an act has created in Vault. It is then removed.
async fn made_by(scenario: &Scenario, act: &Act) -> StepResult<Value> {
    if act.operation == Operation::Pki(Pki::CreateRole) {
        let (mount, name) = (act.text("mount"), act.text("role"));
        let role = scenario.oracle.role(mount, name).await;
        let role = role.map_err(StepEnd::blocked)?;
        let removal = VaultRequest::new("DELETE", format!("{mount}/roles/{name}"));
        let removed = scenario
            .oracle
            .ask(scenario.oracle.root_token(), &removal)
            .await;
        removed.map_err(StepEnd::blocked)?;
        return Ok(json!(role));
    }
    let path = act.text("mount");
    let mounts = scenario.oracle.mounts().await.map_err(StepEnd::blocked)?;
    let mount = mounts.get(path).cloned().unwrap_or_default();
    let removed = scenario.oracle.remove_mounts(path).await;
    removed.map_err(StepEnd::blocked)?;
    // The other fields differ between mounts.
    Ok(json!([
        mount["type"],
        mount["config"],
        mount["options"],
        mount["description"]
    ]))
}
