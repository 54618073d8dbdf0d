//! Acts in the words of the features.

use std::{collections::HashMap, sync::LazyLock};

use regex::Regex;

use crate::{
    act::Act,
    scenario::Scenario,
    verdict::{StepEnd, StepResult},
    vocabulary::kv::writing,
};

#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static QUOTED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"^([^"]+?)(?: "([^"]*)")?$"#).unwrap());

/// The acts that the scenario has named, by their text.
#[derive(Default)]
struct Named(HashMap<String, Act>);

/// The act for a text of the scenario. The same text gives the same act.
///
/// # Errors
/// If the text is unknown.
pub(crate) fn act(scenario: &mut Scenario, text: &str) -> StepResult<Act> {
    if let Some(act) = scenario.state::<Named>().0.get(text) {
        return Ok(act.clone());
    }
    let act = parse(scenario, text)?;
    let named = &mut scenario.state_mut::<Named>().0;
    named.insert(text.to_owned(), act.clone());
    Ok(act)
}

/// The act for a text of a feature.
///
/// # Errors
/// If the text is unknown.
fn parse(scenario: &mut Scenario, text: &str) -> StepResult<Act> {
    let unknown = || StepEnd::blocked(format!("the suite does not know the act {text:?}"));
    let parts = QUOTED.captures(text).ok_or_else(unknown)?;
    let Some(name) = parts.get(2).map(|name| name.as_str()) else {
        return match &parts[1] {
            "list the mounts" => Ok(Act::list_mounts()),
            _ => Err(unknown()),
        };
    };
    match &parts[1] {
        "enable PKI at" => Ok(Act::enable_pki(&scenario.path_of(name), "87600h")),
        "create a KV mount" => Ok(Act::create_mount(scenario.path_of(name), 2)),
        "delete the mount" => Ok(Act::delete_mount(scenario.path_of(name))),
        "read the secret" => Ok(Act::read(scenario.mount()?, name)),
        "list the folder" => Ok(Act::list(scenario.mount()?, name)),
        "delete the secret" => Ok(Act::delete(scenario.mount()?, name)),
        "write to the secret" => {
            let value = scenario.canary("value that the agent writes", true);
            writing(scenario, name, "token", &value)
        }
        _ => Err(unknown()),
    }
}
