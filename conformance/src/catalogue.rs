//! The requirements for readers: as a list, as a page, and one by one.

use std::fmt::Write as _;

use crate::{mutation::definition::Mutation, requirement::Requirement, suggest};

/// One requirement with all scenarios that check it.
struct Entry<'a> {
    first: &'a Requirement,
    scenarios: Vec<&'a Requirement>,
}

/// One entry for each requirement, in the order of the features.
fn entries(requirements: &[Requirement]) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for requirement in requirements {
        match entries
            .iter_mut()
            .find(|entry| entry.first.id == requirement.id)
        {
            Some(entry) => entry.scenarios.push(requirement),
            None => entries.push(Entry {
                first: requirement,
                scenarios: vec![requirement],
            }),
        }
    }
    entries
}

/// One line for each requirement: id, level, sources, number of scenarios, and the requirement itself.
#[must_use]
pub fn list(requirements: &[Requirement]) -> String {
    let mut text = String::new();
    for entry in entries(requirements) {
        let Requirement {
            id, level, demand, ..
        } = entry.first;
        let sources = entry.first.source_names().join(" ");
        let count = entry.scenarios.len();
        // Writing to a string cannot fail; this applies to all writes below.
        let _ = writeln!(
            text,
            "{id:<32} {level:<7} {sources:<12} {count:>3}  {demand}"
        );
    }
    text
}

/// A page with a table for each profile.
#[must_use]
pub fn markdown(requirements: &[Requirement]) -> String {
    let mut text = String::from(
        "# Requirements\n\nGenerated from `features/` by `cargo conformance requirements --markdown`.\n",
    );
    let mut profile = "";
    for entry in entries(requirements) {
        if entry.first.profile != profile {
            profile = &entry.first.profile;
            let _ = write!(
                text,
                "\n## {profile}\n\n| id | level | sources | scenarios | requirement |\n|---|---|---|---|---|\n"
            );
        }
        let Requirement {
            id, level, demand, ..
        } = entry.first;
        let sources = entry.first.source_names().join(", ");
        let count = entry.scenarios.len();
        let _ = writeln!(
            text,
            "| `{id}` | {level} | {sources} | {count} | {demand} |"
        );
    }
    text
}

/// Everything about one requirement: its sentence, its sources, its scenarios, and the mutants that must fail on it.
/// The key of a scenario shows only that scenario.
///
/// # Errors
/// If no requirement has this id, or no scenario this key. The error suggests one.
pub fn explain(
    requirements: &[Requirement],
    mutations: &[Mutation],
    id_or_key: &str,
) -> Result<String, UnknownRequirement> {
    let (id, row) = id_and_row(id_or_key);
    let unknown = || UnknownRequirement::new(id_or_key, requirements);
    let entries = entries(requirements);
    let entry = entries
        .iter()
        .find(|entry| entry.first.id == id)
        .ok_or_else(unknown)?;
    let is_meant = |scenario: &&Requirement| row.is_none() || scenario.row.as_deref() == row;
    let mut scenarios = (entry.scenarios.iter().copied())
        .filter(is_meant)
        .peekable();
    scenarios.peek().ok_or_else(unknown)?;
    let Requirement {
        level,
        demand,
        sources,
        ..
    } = entry.first;
    let mut text = format!("{id}   {level}\n{demand}\n");
    for (place, citation) in sources.iter().filter_map(|p| Some((p, p.citation()?))) {
        let _ = write!(
            text,
            "\n{}, {}\n  {}\n  \u{201c}{}\u{201d}\n",
            citation.title, citation.section, place, citation.quote
        );
        let addresses = citation.address.iter().chain(citation.revisions.values());
        for address in addresses {
            let _ = writeln!(text, "  {address}");
        }
    }
    for scenario in scenarios {
        let row = scenario.row.as_ref().map(|row| format!("#{row}"));
        let (row, title) = (row.unwrap_or_default(), &scenario.scenario.name);
        let _ = writeln!(text, "\nScenario{row}: {title}");
        for step in &scenario.scenario.steps {
            let _ = writeln!(text, "  {} {}", step.keyword.trim(), step.value);
        }
    }
    let killed = mutations
        .iter()
        .filter(|mutation| mutation.killed_by.iter().any(|by| by == id));
    let _ = writeln!(text, "\nIt fails a server that");
    for mutation in killed {
        let _ = writeln!(text, "  {} ({})", mutation.does, mutation.name);
    }
    Ok(text)
}

/// No requirement has this id, or no scenario this key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no requirement {asked:?}; {hint}")]
pub struct UnknownRequirement {
    asked: String,
    hint: String,
}

impl UnknownRequirement {
    fn new(asked: &str, requirements: &[Requirement]) -> Self {
        let (id, row) = id_and_row(asked);
        let of_id = requirements.iter().filter(|r| r.id == id);
        let keys = of_id.filter_map(|r| Some(format!("{id}#{}", r.row.as_ref()?)));
        let keys: Vec<_> = keys.filter(|_| row.is_some()).collect();
        let ids = requirements.iter().map(|r| r.id.as_str());
        let hint = match suggest::closest(asked, keys.iter().map(String::as_str).chain(ids)) {
            Some(closest) => format!("did you mean {closest:?}?"),
            None => "`requirements` lists them".to_owned(),
        };
        Self {
            asked: asked.to_owned(),
            hint,
        }
    }
}

/// The id and the row of a key `id@transport@revision#row`, or of a part of it.
fn id_and_row(id_or_key: &str) -> (&str, Option<&str>) {
    let (named, row) = match id_or_key.split_once('#') {
        Some((named, row)) => (named, Some(row)),
        None => (id_or_key, None),
    };
    (named.split('@').next().unwrap_or_default(), row)
}

#[cfg(test)]
mod tests {
    use super::{explain, list, markdown};
    use crate::{mutation::definition, requirement};

    #[test]
    fn every_requirement_stands_once_in_the_list_and_on_the_page() {
        let requirements = requirement::all().unwrap();
        let (list, page) = (list(&requirements), markdown(&requirements));
        for requirement in &requirements {
            let lines = list
                .lines()
                .filter(|line| line.split(' ').next() == Some(&requirement.id));
            assert_eq!(lines.count(), 1, "{}", requirement.id);
            assert_eq!(
                page.matches(&format!("| `{}` |", requirement.id)).count(),
                1
            );
        }
    }

    #[test]
    fn the_page_in_docs_is_current() {
        let committed = include_str!("../../docs/requirements.md");
        assert!(
            committed == markdown(&requirement::all().unwrap()),
            "run: cargo conformance requirements --markdown > docs/requirements.md"
        );
    }

    #[test]
    fn a_requirement_is_explained_with_its_scenarios_and_its_mutants() {
        let (requirements, mutations) = (requirement::all().unwrap(), definition::all().unwrap());
        let text = explain(&requirements, &mutations, "kv.write-merges").unwrap();
        for part in [
            "kv.write-merges   MUST\n",
            "Scenario#1-6b86b2: ",
            "Scenario#2-d4735e: ",
            "  And nothing else in Vault has changed",
            "  https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#patch-secret",
            "  loses a key when it writes another one (key-lost-in-merge)",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
        let merges = requirements
            .iter()
            .find(|r| r.id == "kv.write-merges")
            .unwrap();
        assert!(text.contains(&merges.demand), "{text}");
        for key in [
            "kv.write-merges#2-d4735e",
            "kv.write-merges@stdio@2025-11-25#2-d4735e",
        ] {
            let text = explain(&requirements, &mutations, key).unwrap();
            assert!(
                text.contains("Scenario#2-d4735e") && !text.contains("Scenario#1-"),
                "{text}"
            );
        }
        for (unknown, hint) in [
            ("kv.write-mergs", "did you mean \"kv.write-merges\"?"),
            (
                "kv.write-merges#2-d4735f",
                "did you mean \"kv.write-merges#2-d4735e\"?",
            ),
            ("zzz", "`requirements` lists them"),
        ] {
            let error = explain(&requirements, &mutations, unknown).unwrap_err();
            assert!(error.to_string().ends_with(hint), "{error}");
        }
    }
}
