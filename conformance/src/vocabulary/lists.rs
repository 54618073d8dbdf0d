//! What a list must contain: names of secrets, whole trees, mounts.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    answered::{self, number_in},
    kv::kv,
};
use crate::{
    instance::answer::{Answer, Data, Facts, Item},
    scenario::Scenario,
    verdict::{StepEnd, StepResult},
};

/// How many names a failure lists.
const SHOWN: usize = 12;

pub(super) async fn expect_listed(scenario: &Scenario, folder: &str) -> StepResult {
    let kv = kv(scenario)?;
    let folder = if folder.is_empty() {
        String::new()
    } else {
        format!("{folder}/")
    };
    let names = scenario.oracle.list(&kv.path, kv.version, &folder).await;
    let names: BTreeSet<_> = names.map_err(StepEnd::blocked)?.into_iter().collect();
    expect_names(scenario, &names, |name| name.to_owned())
}

/// Names may be relative to the folder or to the mount, or include the mount.
pub(super) fn expect_listed_all(scenario: &Scenario, folder: &str) -> StepResult {
    let mount = format!("{}/", kv(scenario)?.path);
    let folder = if folder.is_empty() {
        String::new()
    } else {
        format!("{folder}/")
    };
    let below = scenario
        .ledger
        .holds
        .keys()
        .filter_map(|path| path.strip_prefix(&folder));
    let names = below.map(str::to_owned).collect();
    expect_names(scenario, &names, |name| {
        let name = name.trim_start_matches('/');
        let name = name.strip_prefix(&mount).unwrap_or(name);
        name.strip_prefix(&folder).unwrap_or(name).to_owned()
    })
}

fn expect_names(
    scenario: &Scenario,
    expected: &BTreeSet<String>,
    as_expected: impl Fn(&str) -> String,
) -> StepResult {
    let answer = &scenario.last()?.answer;
    let given = match answer.data() {
        Some(Data::Json(Value::Array(items))) => {
            let names = items.iter().filter_map(Value::as_str).map(as_expected);
            let given: BTreeSet<_> = names.collect();
            if given == *expected && items.len() == expected.len() {
                return Ok(());
            }
            let shown = |names: Vec<&String>| match names.len() {
                0 => "none".to_owned(),
                count => {
                    let some: Vec<_> = names.into_iter().take(SHOWN).cloned().collect();
                    format!("{count} ({})", some.join(", "))
                }
            };
            let missing = expected.difference(&given).collect();
            let foreign = given.difference(expected).collect();
            let (count, missing, foreign) = (items.len(), shown(missing), shown(foreign));
            format!("{count} names; missing {missing}, not in Vault {foreign}")
        }
        Some(Data::Prose(text)) if expected.iter().all(|name| text.contains(name)) => {
            return Ok(());
        }
        _ => answer.describe(),
    };
    let some: Vec<_> = expected.iter().take(SHOWN).cloned().collect();
    let demanded = format!("exactly the {} names {}", expected.len(), some.join(", "));
    Err(scenario.failed(demanded, &given))
}

pub(crate) fn expect_mount_listed(scenario: &Scenario, mount: &str) -> StepResult {
    about_mount(scenario, mount).map(drop)
}

/// The part of the answer about a mount: its item of the list, or the lines that name it.
fn about_mount<'s>(scenario: &'s Scenario, mount: &str) -> StepResult<About<'s>> {
    let answer = &scenario.last()?.answer;
    let found = match answer {
        Answer::Success(success) => match &success.data {
            Data::Prose(text) => {
                let mut lines = text.lines().filter(|line| line.contains(mount));
                lines.next().map(About::Line)
            }
            _ => {
                let mut items = success.items.iter();
                items
                    .find(|item| item.name.trim_matches('/') == mount)
                    .map(About::Item)
            }
        },
        _ => None,
    };
    found.ok_or_else(|| {
        scenario.failed(format!("a list with the mount {mount}"), &answer.describe())
    })
}

async fn own_mounts(scenario: &Scenario) -> StepResult<Vec<(String, Value)>> {
    let mounts = scenario.oracle.mounts().await.map_err(StepEnd::blocked)?;
    let own = mounts
        .into_iter()
        .filter(|(path, _)| path.starts_with(&scenario.prefix));
    let own: Vec<_> = own.collect();
    match own.is_empty() {
        false => Ok(own),
        true => Err(StepEnd::blocked("the scenario gave no mount")),
    }
}

/// The answer must contain each of the scenario's mounts, with its type.
///
/// # Errors
/// If this is not the case.
pub(crate) async fn expect_mounts_with_type(scenario: &Scenario) -> StepResult {
    for (path, about) in own_mounts(scenario).await? {
        let kind = about["type"].as_str().unwrap_or_default();
        let told = match about_mount(scenario, &path)? {
            About::Line(line) => line.to_owned(),
            // If the adapter does not point to the type, it may be anywhere in the item.
            About::Item(item) if !answered::points_to(scenario, "type")? => item.whole.clone(),
            About::Item(item) => answered::fact(scenario, &item.facts, "type")?.to_string(),
        };
        // Some servers say kv-v2 or kv2 where Vault says kv with a version.
        if !told.contains(kind) {
            let demanded = format!("the mount {path} with its type {kind}");
            return Err(scenario.failed(demanded, &told));
        }
    }
    Ok(())
}

/// The answer must not contain this mount of the scenario.
///
/// # Errors
/// If it does.
pub(crate) fn expect_mount_not_listed(scenario: &Scenario, name: &str) -> StepResult {
    let path = scenario.path_of(name);
    match answered::expect_success(scenario)?.whole.contains(&path) {
        false => Ok(()),
        true => Err(scenario.failed(
            format!("a list without the mount {path}"),
            &scenario.last()?.answer.describe(),
        )),
    }
}

/// The answer must contain each of the scenario's mounts with this detail: its `KV version` or its `description`.
///
/// # Errors
/// If it does not; not applicable if the adapter does not point to the detail.
pub(crate) async fn expect_mount_detail(scenario: &Scenario, detail: &str) -> StepResult {
    for (path, about) in own_mounts(scenario).await? {
        let told = about_mount(scenario, &path)?;
        let right = match (detail, &told) {
            ("description", About::Line(line)) => {
                line.contains(about["description"].as_str().unwrap_or_default())
            }
            ("description", About::Item(item)) => {
                *answered::fact(scenario, &item.facts, "description")? == about["description"]
            }
            // Prose has too many numbers in it, so only the fact to which the adapter points counts.
            (_, About::Line(_)) => {
                answered::fact(scenario, &Facts::new(), "version")?;
                false
            }
            (_, About::Item(item)) => {
                let version = answered::fact(scenario, &item.facts, "version")?;
                number_in(version) == number_in(&about["options"]["version"])
            }
        };
        if !right {
            let demanded = format!("the {detail} of the mount {path}, as in Vault");
            return Err(scenario.failed(demanded, &format!("{told:?}")));
        }
    }
    Ok(())
}

/// The part of an answer about a mount.
#[derive(Debug)]
enum About<'a> {
    /// In prose.
    Line(&'a str),
    /// In an item.
    Item(&'a Item),
}
