//! Tests that a step receives what its sentence names, and that a step that contradicts its scenario is blocked.

use std::{
    any::Any,
    collections::HashSet,
    fs,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use cucumber::{World as _, step::Collection};
use futures::FutureExt as _;
use gherkin::GherkinEnv;
use regex::Regex;

use crate::{
    act::{
        Act,
        pki::{PkiEffect, Wanted},
    },
    engines::{Operation, Pki},
    requirement,
    scenario::Scenario,
    verdict::{StepEnd, StepResult},
    vocabulary::rehearsal::{pretend, rehearsal},
    world::World,
};

/// All steps. They are shared because building their expressions takes a while.
static STEPS: LazyLock<Collection<World>> = LazyLock::new(World::collection);

/// Numbers that are fixed parts of the wording.
const FIXED: [&str; 1] = ["TLS 1.2"];

/// Parameters whose name begins with `_`, because the compiler does not report that these are unused.
fn ignored_parameters(source: &str) -> Vec<&str> {
    let function = Regex::new(r"(?s)\bfn \w+\(([^)]*)\)").unwrap();
    let ignored = Regex::new(r"(?:^|,)\s*(?:mut )?(_\w*)\s*:").unwrap();
    function
        .captures_iter(source)
        .filter_map(|function| function.get(1))
        .flat_map(|parameters| ignored.captures_iter(parameters.as_str()))
        .filter_map(|parameter| parameter.get(1))
        .map(|parameter| parameter.as_str())
        .collect()
}

/// The files in a folder and all below it.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let below = paths.flat_map(|path| match path.is_dir() {
        true => files_below(&path),
        false => vec![path],
    });
    below.collect()
}

#[test]
fn no_step_ignores_what_its_sentence_names() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut read = 0;
    let files = ["profiles", "vocabulary"].map(|folder| files_below(&sources.join(folder)));
    for path in files.iter().flatten() {
        let source = fs::read_to_string(path).unwrap();
        if path.ends_with("tests.rs") || !source.contains("use cucumber::") {
            continue;
        }
        let ignored = ignored_parameters(&source);
        assert!(ignored.is_empty(), "{}: {ignored:?}", path.display());
        read += 1;
    }
    assert!(read > 10, "{read} files");
}

#[test]
fn a_parameter_that_is_ignored_is_found() {
    for source in [
        "async fn a(world: &mut World, _path: String) -> StepResult {",
        "fn a(\n    world: &mut World,\n    _: String,\n) -> StepResult {",
    ] {
        assert_eq!(ignored_parameters(source).len(), 1, "{source}");
    }
    let used = "fn a(world: &mut World, the_path: String) -> StepResult {";
    assert!(ignored_parameters(used).is_empty());
}

/// The positions of names in a sentence: quoted texts and numbers.
fn names_in(sentence: &str) -> Vec<(usize, usize)> {
    let named = Regex::new(r#""([^"]*)"|(\d+(?:\.\d+)*)"#).unwrap();
    named
        .captures_iter(sentence)
        .filter_map(|found| found.get(1).or_else(|| found.get(2)))
        .map(|found| (found.start(), found.end()))
        .collect()
}

#[test]
fn every_name_and_number_in_a_sentence_is_handed_to_its_step() {
    // The same sentence can be in many scenarios.
    let mut seen = HashSet::new();
    for requirement in requirement::all().unwrap() {
        let background = requirement.feature.background.iter();
        let background = background.flat_map(|background| &background.steps);
        for step in background.chain(&requirement.scenario.steps) {
            let sentence = &step.value;
            if !seen.insert((step.ty, sentence.clone())) {
                continue;
            }
            let found = STEPS.find(step).unwrap();
            let (_, captures, ..) = found.unwrap_or_else(|| panic!("no step: {sentence}"));
            let groups: Vec<_> = (1..captures.len())
                .filter_map(|group| captures.get(group))
                .collect();
            let fixed: Vec<_> = FIXED
                .iter()
                .flat_map(|fixed| sentence.match_indices(fixed))
                .map(|(start, fixed)| (start, start + fixed.len()))
                .collect();
            for (start, end) in names_in(sentence) {
                let covers = |span: &(usize, usize)| span.0 <= start && end <= span.1;
                assert!(
                    groups.iter().chain(&fixed).any(covers),
                    "{}: nothing is made of {:?} in {sentence:?}",
                    requirement.id,
                    &sentence[start..end]
                );
            }
        }
    }
    assert!(seen.len() > 200, "{} sentences", seen.len());
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default()
}

/// Performs one step as cucumber does; returns why the scenario ends with it, if it does.
async fn take(world: &mut World, sentence: &str) -> Option<StepEnd> {
    let text = format!("Feature: f\n  Scenario: s\n    {sentence}\n");
    let feature = gherkin::Feature::parse(&text, GherkinEnv::default()).unwrap();
    let step = &feature.scenarios[0].steps[0];
    let (function, _, _, context) = STEPS
        .find(step)
        .unwrap()
        .unwrap_or_else(|| panic!("no step: {sentence}"));
    let taken = AssertUnwindSafe(function(world, context));
    let panic = taken.catch_unwind().await.err()?;
    Some(StepEnd::from_message(&text_of(panic.as_ref())))
}

type CallRecord = fn(&mut Scenario) -> StepResult<Act>;

fn read(scenario: &mut Scenario) -> StepResult<Act> {
    Ok(Act::read(scenario.mount()?, "app/database"))
}

fn read_first(scenario: &mut Scenario) -> StepResult<Act> {
    Ok(Act::read_version(scenario.mount()?, "app/database", 1))
}

fn write(scenario: &mut Scenario) -> StepResult<Act> {
    Ok(Act::write(
        scenario.mount()?,
        "app/database",
        "password",
        "value",
    ))
}

fn delete(scenario: &mut Scenario) -> StepResult<Act> {
    Ok(Act::delete(scenario.mount()?, "app/database"))
}

fn delete_key(scenario: &mut Scenario) -> StepResult<Act> {
    Ok(Act::delete_key(
        scenario.mount()?,
        "app/database",
        "username",
    ))
}

fn purge(scenario: &mut Scenario) -> StepResult<Act> {
    Ok(Act::purge(scenario.mount()?, "app/database"))
}

fn describe(scenario: &mut Scenario) -> StepResult<Act> {
    Ok(Act::describe(scenario.mount()?, "app/database"))
}

fn list(scenario: &mut Scenario) -> StepResult<Act> {
    Ok(Act::list(scenario.mount()?, "app"))
}

fn list_all(scenario: &mut Scenario) -> StepResult<Act> {
    Ok(Act::list_all(scenario.mount()?, "app"))
}

fn make_mount(scenario: &mut Scenario) -> StepResult<Act> {
    Ok(Act::create_mount(scenario.path_of("extra"), 2))
}

fn delete_mount(scenario: &mut Scenario) -> StepResult<Act> {
    Ok(Act::delete_mount(scenario.path_of("extra")))
}

fn enable_pki(scenario: &mut Scenario) -> StepResult<Act> {
    Ok(Act::enable_pki(&scenario.path_of("pki"), "72h"))
}

fn list_roles(scenario: &mut Scenario) -> StepResult<Act> {
    let (lists, effect) = (Operation::Pki(Pki::ListRoles), PkiEffect::RolesListed);
    Ok(Act::on_pki(lists, &scenario.path_of("pki"), effect))
}

fn issue(scenario: &mut Scenario) -> StepResult<Act> {
    Ok(Act::issue(
        &scenario.path_of("pki"),
        "web",
        &Wanted::default(),
    ))
}

fn sign(scenario: &mut Scenario) -> StepResult<Act> {
    let mount = scenario.path_of("pki");
    Ok(Act::sign(
        &mount,
        "web",
        "pay.shop.example",
        "request",
        "72h",
    ))
}

/// Performs a step after this act of the agent; returns why it is blocked, if it is.
async fn blocked_after(deed: CallRecord, sentence: &str) -> Option<String> {
    let mut scenario = rehearsal();
    let act = deed(&mut scenario).unwrap();
    pretend(&mut scenario, act);
    let mut world = World::default();
    world.set_scenario(Ok(scenario));
    match take(&mut world, sentence).await {
        Some(StepEnd::Blocked { why }) => Some(why),
        _ => None,
    }
}

/// An act of the agent, a step about it, and steps about something else.
const CASES: &[(CallRecord, &str, &[&str])] = &[
    (
        write,
        r#"Then Vault holds the secret "app/database" exactly as written"#,
        &[
            r#"Then Vault holds the secret "app/other" exactly as written"#,
            r#"Then Vault holds the secret "app/database" without the deleted key and with the other keys unchanged"#,
            r#"Then Vault no longer returns the secret "app/database""#,
        ],
    ),
    (
        write,
        r#"Then the server writes the secret "app/database" exactly as requested, or reports an error and changes nothing"#,
        &[
            r#"Then the server writes the secret "app/other" exactly as requested, or reports an error and changes nothing"#,
            r#"Then the server returns exactly the names that Vault lists, with folders marked"#,
        ],
    ),
    (
        write,
        r#"Then the server writes the secret "app/database" exactly as requested, or reports that permission was denied and changes nothing"#,
        &[
            r#"Then the server writes the secret "app/other" exactly as requested, or reports that permission was denied and changes nothing"#,
        ],
    ),
    (
        |scenario| {
            Ok(Act::write(
                scenario.mount()?,
                "app/other",
                "password",
                "value",
            ))
        },
        r#"Then Vault holds the secret "app/other" exactly as written"#,
        &[
            r#"Then Vault holds every key of the secret "app/database" that existed before or was reported as written"#,
        ],
    ),
    (
        delete,
        r#"Then Vault no longer returns the secret "app/database""#,
        &[
            r#"Then Vault no longer returns the secret "app/other""#,
            r#"Then Vault holds the secret "app/database" exactly as written"#,
        ],
    ),
    (
        delete_key,
        r#"Then Vault holds the secret "app/database" without the deleted key and with the other keys unchanged"#,
        &[
            r#"Then Vault holds the secret "app/other" without the deleted key and with the other keys unchanged"#,
            r#"Then Vault holds the secret "app/database" exactly as written"#,
        ],
    ),
    (
        purge,
        r#"Then Vault holds no data and no metadata of the secret "app/database""#,
        &[r#"Then Vault holds no data and no metadata of the secret "app/other""#],
    ),
    (
        read,
        r#"Then version 1 of the secret "app/database" is as it was"#,
        &[
            r#"Then version 2 of the secret "app/database" is as it was"#,
            r#"Then the server returns exactly the data that Vault held in version 1"#,
            r#"Then no request for the secret "app/other" has reached Vault"#,
            r#"Then no write of the server has reached the mount "other""#,
            r#"Then the server reports the key names of the secret"#,
            r#"Given the secret "app/database" that never existed"#,
        ],
    ),
    (
        read,
        r#"Given the mount "team" requires check-and-set"#,
        &[
            r#"Given the mount "other" requires check-and-set"#,
            r#"Given the mount "other" was deleted and recreated with KV version 1"#,
            r#"Given the agent's token may access the secrets of the mount "other" and nothing else"#,
            r#"Given the agent's token may create, update and patch the secrets of the mount "other" and nothing else"#,
            r#"Given the agent's token may read the metadata of the mount "other" and nothing else"#,
            r#"Given the mount "other" keeps 1 version of each secret"#,
            r#"Given versions in the mount "other" are deleted after 30 days"#,
            r#"Given versions in the mount "team" are deleted after 30 days"#,
            r#"Given versions of the secret "app/database" are deleted after 30 days"#,
        ],
    ),
    (
        read_first,
        r#"Then Vault holds the secret "app/database" as before"#,
        &[r#"Then the server returns exactly the data that Vault held in version 2"#],
    ),
    (
        describe,
        r#"Then the server reports the secret's latest version and a time that Vault has for the secret"#,
        &[
            r#"Then the server reports the secret's custom metadata"#,
            r#"Then the server does not misreport whether the secret "app/other" is deleted"#,
            r#"Then the server returns exactly the paths of the secrets that Vault holds there"#,
        ],
    ),
    (
        list,
        r#"Then the server returns exactly the names that Vault lists, with folders marked"#,
        &[r#"Then the server returns exactly the paths of the secrets that Vault holds there"#],
    ),
    (
        list_all,
        r#"Then the server returns exactly the paths of the secrets that Vault holds there"#,
        &[r#"Then the server returns exactly the names that Vault lists, with folders marked"#],
    ),
    (
        make_mount,
        r#"Then Vault has the mount "extra" of KV version 2"#,
        &[
            r#"Then Vault has the mount "other" of KV version 2"#,
            r#"Then Vault has the mount "extra" of KV version 1"#,
            r#"Then Vault has no mount "extra""#,
            r#"Then the server reports Vault's reason for refusing the mount"#,
            r#"Given the PKI mount "extra" that the agent created"#,
        ],
    ),
    (
        delete_mount,
        r#"Then Vault has no mount "extra""#,
        &[
            r#"Then Vault has no mount "other""#,
            r#"Then Vault has the mount "extra" of KV version 2"#,
        ],
    ),
    (
        enable_pki,
        r#"Given the PKI mount "pki" that the agent created"#,
        &[r#"Given the PKI mount "other" that the agent created"#],
    ),
    (
        list_roles,
        r#"Then nothing in Vault has changed"#,
        &[r#"Given the PKI mount "pki" that the agent created"#],
    ),
    (
        issue,
        r#"Then the certificate matches the returned private key"#,
        &[r#"Then the certificate matches the key of the signing request"#],
    ),
    (
        sign,
        r#"Then the certificate matches the key of the signing request"#,
        &[
            r#"Then the certificate matches the returned private key"#,
            r#"Then the server returns the certificate with its chain, its serial number and its private key"#,
        ],
    ),
    (
        read,
        r#"Given a secret scanner found the value of the key "username" of the secret "app/database" in a repository"#,
        &[
            r#"When three clients concurrently read one secret each 20 times, two with a namespace each and one without"#,
        ],
    ),
];

#[tokio::test]
async fn a_step_that_contradicts_its_scenario_is_blocked_and_says_so() {
    for (deed, right, wrong) in CASES {
        for wrong in *wrong {
            let why = blocked_after(*deed, wrong).await;
            let why = why.unwrap_or_else(|| panic!("{wrong}: is not blocked"));
            assert!(why.starts_with("the step is about "), "{wrong}: {why}");
        }
        // The Vault of a rehearsal does not answer, so a step that continues is blocked by that.
        let why = blocked_after(*deed, right).await.unwrap_or_default();
        assert!(!why.starts_with("the step is about "), "{right}: {why}");
    }
}

#[tokio::test]
async fn a_contradiction_names_what_the_step_and_what_the_scenario_is_about() {
    let wrong = r#"Then Vault no longer returns the secret "app/other""#;
    assert_eq!(
        blocked_after(delete, wrong).await.unwrap(),
        r#"the step is about the secret "app/other", but the agent's last act was kv.delete on the secret "app/database""#
    );
    let wrong = r#"Given the mount "other" requires check-and-set"#;
    assert_eq!(
        blocked_after(delete, wrong).await.unwrap(),
        r#"the step is about the mount "other", but the scenario's KV mount is "team""#
    );
}

#[tokio::test]
async fn an_error_about_a_secret_that_nobody_made_shows_nothing() {
    for wrong in [
        r#"Then the server does not start, or reports an error for the secret "app/other" and uses no token"#,
        r#"When a client requests the secret "app/other" without a token"#,
        r#"When a client requests the secret "app/other" in the agent's session with no token"#,
        r#"When the agent requests the secret "app/other" with its token also in the URL, as the parameter "VAULT_TOKEN""#,
        r#"Then version 1 of the secret "app/other" is destroyed"#,
        r#"Then Vault holds the secret "app/other" as before"#,
        r#"Given the latest version of the secret "app/other" was deleted"#,
    ] {
        let why = blocked_after(read, wrong).await;
        let expected = r#"the scenario made no secret "app/other""#;
        assert_eq!(why.as_deref(), Some(expected), "{wrong}");
    }
}

#[tokio::test]
async fn a_leak_is_looked_for_where_it_was() {
    let mut world = World::default();
    world.set_scenario(Ok(rehearsal()));
    let leak = r#"Given a secret scanner found the value of the key "username" of the secret "app/database" in a repository"#;
    assert_eq!(take(&mut world, leak).await, None);
    let wrong =
        r#"Then no readable version of the secret "app/other" in Vault contains the leaked value"#;
    let expected =
        r#"the step is about the secret "app/other", but the leaked value was of "app/database""#;
    assert_eq!(
        take(&mut world, wrong).await,
        Some(StepEnd::blocked(expected))
    );
}

#[tokio::test]
async fn words_that_mean_nothing_are_blocked() {
    for (wrong, expected) in [
        (
            "Given a server whose token is a root token",
            r#"the step does not support "a root token""#,
        ),
        (
            "When the agent tries to read the secret",
            r#"the suite does not know the act "read the secret""#,
        ),
        (
            r#"When the agent tries to list the mounts "team""#,
            r#"the suite does not know the act "list the mounts \"team\"""#,
        ),
        (
            r#"When the agent replaces the secret "app/database" with something else"#,
            r#"the step does not support "something else""#,
        ),
        (
            "When the client writes to a secret at night, and Vault changes only if the server reports success",
            r#"the step does not support "at night""#,
        ),
        (
            "When the suite requests kv.read from Vault under each of these policies, and then the agent performs it\n      | policy |\n      | none |",
            r#"no policy and its PKI mount: ["none"]"#,
        ),
        (
            "Then the server reports a different error message for each secret",
            "the agent did not make several calls in turn",
        ),
        (
            "Then the server returns for each read exactly the data that Vault holds",
            "the agent made no concurrent reads",
        ),
    ] {
        let why = blocked_after(read, wrong).await;
        assert_eq!(why.as_deref(), Some(expected), "{wrong}");
    }
}
