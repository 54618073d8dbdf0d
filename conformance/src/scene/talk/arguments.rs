//! Bad arguments: made after each tool's own schema, wrong in one way.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{no_evidence, tools::name_of};
use crate::{
    mcp::inbox::Reply,
    scene::{Scene, stage::NEW_MOUNTS, talk::Talk},
    schema::{self, Bad, Fault},
    target::operation::Operation,
    verdict::{StepResult, Stop},
};

/// What Vault lets any token do, and no call of a tool is about.
const HARMLESS: [&str; 2] = ["/v1/sys/capabilities", "/v1/auth/token/"];

/// The longest answer that a failure shows, bytes.
const LONG: usize = 16 << 10;
/// An argument that no tool has.
const UNKNOWN: &str = "no_such_argument";

/// A call with a bad argument, and what came of it.
pub(crate) struct Trial {
    tool: String,
    argument: String,
    /// Whether the tool's schema allows the arguments.
    fits: bool,
    seen: Seen,
}

/// What came of a call.
enum Seen {
    Success(String),
    Error(String),
    Nothing(String),
}

impl Trial {
    fn describe(&self) -> String {
        let cut = |text: &String| match text.len() {
            0..=LONG => text.clone(),
            long => format!("({long} bytes of text)"),
        };
        let seen = match &self.seen {
            Seen::Success(text) => format!("a success: {}", cut(text)),
            Seen::Error(text) => format!("an error: {}", cut(text)),
            Seen::Nothing(why) => why.clone(),
        };
        format!("{} with {} so: {seen}", self.tool, self.argument)
    }
}

/// Arguments with which each tool can be called: those of an operation that it carries, on
/// a stage where that can be done, or else made after its schema.
async fn right_arguments(scene: &mut Scene) -> StepResult<Vec<(Value, Value)>> {
    crate::scene::stage::make_shared_stage(scene).await?;
    scene.let_know_all();
    let name = scene.path_of("made-up");
    let mut calls = Vec::new();
    for tool in crate::scene::talk::instance(scene)?.tools.clone() {
        if tool["execution"]["taskSupport"] == "required" {
            continue;
        }
        let carries = |operation: &Operation| {
            let carrier = crate::scene::talk::tools::tool_of(scene, *operation);
            carrier.is_some_and(|carrier| name_of(carrier) == name_of(&tool))
        };
        let arguments = match Operation::ALL.into_iter().find(carries) {
            None => schema::required_arguments(&tool["inputSchema"], &name),
            Some(operation) => {
                let act = crate::scene::stage::act_on_shared_stage(scene, operation).await?;
                let mapping = scene.target.adapter.operations.get(&operation);
                mapping.map_or(Value::Null, |mapping| mapping.arguments(&act.parameters))
            }
        };
        calls.push((tool, arguments));
    }
    Ok(calls)
}

/// Calls a tool, and notes what came of it.
async fn call(scene: &mut Scene, tool: &Value, bad: Bad) -> StepResult {
    let Bad {
        argument,
        arguments,
        fits,
    } = bad;
    let params = json!({ "name": name_of(tool), "arguments": arguments });
    let seen = match crate::scene::talk::ask(scene, "tools/call", params).await? {
        Ok(Reply::Result(result)) => {
            crate::scene::pki::remember_keys(scene, &result.to_string(), true);
            match result["isError"] == true {
                true => Seen::Error(result["content"].to_string()),
                false => Seen::Success(result.to_string()),
            }
        }
        Ok(Reply::Error { code, message }) => Seen::Error(format!("{code} {message}")),
        Err(why) => Seen::Nothing(why.to_string()),
    };
    scene.state_mut::<Talk>().trials.push(Trial {
        tool: name_of(tool).to_owned(),
        argument,
        fits,
        seen,
    });
    Ok(())
}

/// Calls every tool with nothing but the arguments that its schema requires.
///
/// # Errors
/// When Vault fails.
pub(crate) async fn call_barely(scene: &mut Scene) -> StepResult {
    let name = scene.path_of("made-up");
    for tool in crate::scene::talk::instance(scene)?.tools.clone() {
        if tool["execution"]["taskSupport"] == "required" {
            continue;
        }
        let arguments = schema::required_arguments(&tool["inputSchema"], &name);
        let bare = Bad {
            argument: "what it requires".to_owned(),
            arguments,
            fits: true,
        };
        call(scene, &tool, bare).await?;
        if scene.unanswered {
            break;
        }
    }
    Ok(())
}

/// Calls every tool with each of its arguments bad in this way.
///
/// # Errors
/// When Vault fails.
pub(crate) async fn call_with(scene: &mut Scene, fault: Fault) -> StepResult {
    let calls = right_arguments(scene).await?;
    let before = scene.snapshot().await?;
    let mut tried = BTreeSet::new();
    // Where one call makes a mount, the next one must find none, and the other scenarios no such mount
    // for long: some servers read all that there are for each call.
    let made = NEW_MOUNTS.map(|name| scene.path_of(name));
    for (tool, arguments) in calls {
        let bad = fault.inflict(&arguments, &tool["inputSchema"], &mut scene.random);
        for bad in bad {
            // So much text is costly: one tool for each name of an argument will do.
            if fault == Fault::Long && !tried.insert(bad.argument.clone()) {
                continue;
            }
            call(scene, &tool, bad).await?;
            if scene.unanswered {
                return Ok(());
            }
            let text = arguments.to_string();
            for path in made.iter().filter(|path| text.contains(*path)) {
                remove_if_told_as_made(scene, path).await?;
            }
        }
    }
    let never_right = scene.state::<Talk>().trials.iter().all(|trial| !trial.fits);
    scene.state_mut::<Talk>().written = never_right && scene.snapshot().await? != before;
    Ok(())
}

async fn remove_if_told_as_made(scene: &Scene, path: &str) -> StepResult {
    let last = scene.state::<Talk>().trials.last();
    match last.is_some_and(|trial| matches!(trial.seen, Seen::Success(_))) {
        true => scene
            .oracle
            .remove_mounts(path)
            .await
            .map_err(Stop::blocked),
        false => Ok(()),
    }
}

/// Calls every tool that only reads with an argument that it does not have.
///
/// # Errors
/// When Vault fails.
pub(crate) async fn call_with_unknown_argument(scene: &mut Scene) -> StepResult {
    for (tool, arguments) in right_arguments(scene).await? {
        let reads = |operation: &Operation| {
            let carrier = crate::scene::talk::tools::tool_of(scene, *operation);
            operation.reads() && carrier.is_some_and(|carrier| name_of(carrier) == name_of(&tool))
        };
        if !Operation::ALL.iter().any(reads) {
            continue;
        }
        let mut arguments = arguments;
        arguments[UNKNOWN] = json!("x");
        let unknown = Bad {
            argument: UNKNOWN.to_owned(),
            arguments,
            fits: true,
        };
        call(scene, &tool, unknown).await?;
    }
    Ok(())
}

fn trials(scene: &Scene) -> StepResult<&[Trial]> {
    match scene.state::<Talk>().trials.is_empty() {
        true => Err(no_evidence("no tool can be called so")),
        false => Ok(&scene.state::<Talk>().trials),
    }
}

/// Every call must have been answered.
///
/// # Errors
/// When one was not.
pub(crate) fn expect_all_answered(scene: &Scene) -> StepResult {
    let silent = |trial: &&Trial| matches!(trial.seen, Seen::Nothing(_));
    match trials(scene)?.iter().find(silent) {
        None => Ok(()),
        Some(trial) => Err(scene.failed("an answer to every call", &trial.describe())),
    }
}

/// A call that its tool's schema does not allow must have been an error, and where all calls
/// were such nothing may have been written.
///
/// # Errors
/// When one was a success, or something was written.
pub(crate) fn expect_bad_refused(scene: &Scene) -> StepResult {
    let wrong = |trial: &&Trial| !trial.fits && matches!(trial.seen, Seen::Success(_));
    if let Some(trial) = trials(scene)?.iter().find(wrong) {
        let expected = "an error where the tool's own schema does not allow the arguments";
        return Err(scene.failed(expected, &trial.describe()));
    }
    match scene.state::<Talk>().written {
        false => Ok(()),
        true => {
            let expected = "nothing is written by calls with bad arguments";
            Err(scene.failed(
                expected,
                "Vault has changed, though all were told of errors",
            ))
        }
    }
}

/// An error about an argument should name it.
///
/// # Errors
/// When one does not.
pub(crate) fn expect_argument_named(scene: &Scene) -> StepResult {
    let nameless = |trial: &&Trial| match &trial.seen {
        Seen::Error(text) if !trial.fits => {
            !text.to_lowercase().contains(&trial.argument.to_lowercase())
        }
        _ => false,
    };
    match trials(scene)?.iter().find(nameless) {
        None => Ok(()),
        Some(trial) => Err(scene.failed("an error that names the argument", &trial.describe())),
    }
}

/// All calls should have been errors.
///
/// # Errors
/// When one was not.
pub(crate) fn expect_all_refused(scene: &Scene) -> StepResult {
    let accepted = |trial: &&Trial| !matches!(trial.seen, Seen::Error(_));
    match trials(scene)?.iter().find(accepted) {
        None => Ok(()),
        Some(trial) => Err(scene.failed("an error", &trial.describe())),
    }
}

/// Nothing outside of the scene may have been written.
///
/// # Errors
/// When something was.
pub(crate) fn expect_nothing_written_outside(scene: &Scene) -> StepResult {
    let exchanges = scene.tap()?.exchanges();
    let outside = exchanges.iter().find(|exchange| {
        let reads = matches!(exchange.method.as_str(), "GET" | "LIST" | "HEAD");
        let path = &exchange.path;
        let harmless = HARMLESS.iter().any(|part| path.starts_with(part));
        !reads && exchange.status.is_success() && !path.contains(&scene.prefix) && !harmless
    });
    outside.map_or(Ok(()), |write| {
        let seen = format!("{} {}", write.method, write.path);
        Err(scene.failed("nothing written outside of the agent's own mounts", &seen))
    })
}
