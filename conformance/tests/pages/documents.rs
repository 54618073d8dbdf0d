//! The documents for users show existing commands and current results.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use super::{page, root};

/// The documents for users and contributors, with their texts.
pub(super) fn documents() -> Vec<(String, String)> {
    let docs = fs::read_dir(root().join("docs")).unwrap();
    let docs = docs.map(|entry| format!("docs/{}", entry.unwrap().file_name().to_string_lossy()));
    let pages = docs.filter(|name| name.ends_with(".md"));
    let others = ["README.md", "CONTRIBUTING.md", "reference-server/README.md"];
    let all = others.map(str::to_owned).into_iter().chain(pages);
    all.map(|name| (name.clone(), page(&name))).collect()
}

/// The text after `cargo conformance` in a document, up to the end of the line or of the code span.
fn commands(text: &str) -> BTreeSet<&str> {
    let all = text.split("cargo conformance ").skip(1);
    let ends = |rest: &'static str| move |c: char| rest.contains(c);
    all.filter_map(|rest| rest.split(ends("`\n|#>")).next())
        .map(str::trim)
        .filter(|command| command.starts_with(|c: char| c.is_ascii_lowercase()))
        .collect()
}

pub(super) fn help_of(words: &[&str]) -> Option<String> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_vault-mcp-conformance"));
    let said = program.args(words).arg("--help").output().unwrap();
    (said.status.success()).then(|| String::from_utf8_lossy(&said.stdout).into_owned())
}

#[test]
fn the_commands_in_the_documents_have_the_flags_that_they_show() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (name, text) in documents() {
        for command in commands(&text) {
            seen += 1;
            // What follows `--` is the command of a server.
            let own = command.split(" -- ").next().unwrap_or_default();
            let words: Vec<_> = own.split_whitespace().collect();
            let nested = ["vault"].contains(&words[0]) && words.len() > 1;
            let help = help_of(&words[..if nested { 2 } else { 1 }]);
            let flags = words.iter().filter_map(|word| word.split('=').next());
            let mut flags = flags.filter(|word| word.starts_with("--"));
            match help {
                None => wrong.push(format!("{name}: there is no `{command}`")),
                Some(help) => {
                    let unknown = flags.find(|flag| !help.contains(*flag));
                    wrong.extend(unknown.map(|flag| format!("{name}: `{command}`: {flag}")));
                }
            }
        }
    }
    assert!(seen > 20, "{seen}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_readme_is_short() {
    let lines = page("README.md").lines().count();
    assert!(lines <= 200, "{lines} lines: move something to docs/");
}

/// The columns of a target's row that depend on its baseline: failures, requirements, failures by profile.
fn known(target: &str) -> [String; 3] {
    let baseline = page(&format!("fixtures/baselines/{target}.toml"));
    let baseline: toml::Table = baseline.parse().unwrap();
    let entries = baseline["known"].as_array().unwrap();
    let keys = entries.iter().flat_map(|entry| {
        let many = entry.get("keys").and_then(toml::Value::as_array);
        let many = many.into_iter().flatten();
        entry
            .get("key")
            .into_iter()
            .chain(many)
            .map(|key| key.as_str().unwrap())
    });
    let ids: Vec<_> = keys.map(|key| key.split('@').next().unwrap()).collect();
    let mut profiles = BTreeMap::new();
    for id in &ids {
        *profiles.entry(id.split('.').next().unwrap()).or_insert(0) += 1;
    }
    let by_profile = profiles
        .iter()
        .map(|(profile, count)| format!("{profile} {count}"));
    [
        ids.len().to_string(),
        ids.iter().collect::<BTreeSet<_>>().len().to_string(),
        by_profile.collect::<Vec<_>>().join(", "),
    ]
}

#[test]
fn the_results_in_the_readme_are_those_of_the_baselines() {
    let readme = page("README.md");
    let (_, results) = readme.split_once("<!-- results:begin -->").unwrap();
    let (results, _) = results.split_once("<!-- results:end -->").unwrap();
    let shown: BTreeMap<_, _> = results
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            (
                cells[0].trim_matches('`').to_owned(),
                cells[2..5].join(" | "),
            )
        })
        .collect();
    let baselines = fs::read_dir(root().join("fixtures/baselines")).unwrap();
    for entry in baselines {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let target = name.trim_end_matches(".toml");
        assert_eq!(
            shown.get(target),
            Some(&known(target).join(" | ")),
            "{target}"
        );
    }
}

#[test]
fn each_policy_says_which_source_it_is_from_and_whether_it_is_verbatim() {
    for entry in fs::read_dir(root().join("fixtures/policies")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap();
        let origin = [
            "; verbatim.",
            "; written for the suite.",
            "; written for the suite from its diagram.",
        ];
        let said = first.starts_with("# Source: ") && origin.iter().any(|end| first.ends_with(end));
        assert!(said, "{}: {first}", path.display());
    }
}
