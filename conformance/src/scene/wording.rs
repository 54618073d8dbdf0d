//! Acts in the words of the features.

use std::sync::LazyLock;

use regex::Regex;

use super::Scene;
use crate::{
    act::Act,
    verdict::{StepResult, Stop},
};

#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static QUOTED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"^([^"]+?)(?: "([^"]*)")?$"#).unwrap());

/// The act that a scenario names by this text; the same text is the same act.
///
/// # Errors
/// When the text names none.
pub(crate) fn act(scene: &mut Scene, text: &str) -> StepResult<Act> {
    if let Some(act) = scene.acts.get(text) {
        return Ok(act.clone());
    }
    let act = parse(scene, text)?;
    scene.acts.insert(text.to_owned(), act.clone());
    Ok(act)
}

/// The act that a feature words so.
///
/// # Errors
/// When no act is worded so.
fn parse(scene: &mut Scene, text: &str) -> StepResult<Act> {
    let unknown = || Stop::blocked(format!("no act is worded {text:?}"));
    let parts = QUOTED.captures(text).ok_or_else(unknown)?;
    let Some(name) = parts.get(2).map(|name| name.as_str()) else {
        return match &parts[1] {
            "list the mounts" => Ok(Act::list_mounts()),
            _ => Err(unknown()),
        };
    };
    match &parts[1] {
        "enable PKI at" => Ok(Act::enable_pki(&scene.path_of(name), "87600h")),
        "create a KV mount" => Ok(Act::create_mount(scene.path_of(name), 2)),
        "delete the mount" => Ok(Act::delete_mount(scene.path_of(name))),
        "read the secret" => Ok(Act::read(scene.mount()?, name)),
        "list the folder" => Ok(Act::list(scene.mount()?, name)),
        "delete the secret" => Ok(Act::delete(scene.mount()?, name)),
        "write to the secret" => {
            let value = scene.canary("value that the agent writes", true);
            Ok(Act::write(scene.mount()?, name, "token", &value))
        }
        _ => Err(unknown()),
    }
}
