//! The requirements, shown to people: as a list, as a page, and one by one.

use std::fmt::Write as _;

use crate::{mutation::definition::Mutation, requirement::Requirement};

/// One requirement with all scenarios that check it.
struct Entry<'a> {
    first: &'a Requirement,
    scenarios: Vec<&'a Requirement>,
}

impl Entry<'_> {
    /// What it is about: its one scenario, or else the feature that its scenarios stand in.
    fn about(&self) -> &str {
        match self.scenarios.as_slice() {
            [only] => &only.scenario.name,
            _ => &self.first.feature.name,
        }
    }
}

/// One entry a requirement, in the order of the features.
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

/// One line a requirement: id, level, sources, how many scenarios check it, what it is about.
#[must_use]
pub fn list(requirements: &[Requirement]) -> String {
    let mut text = String::new();
    for entry in entries(requirements) {
        let Requirement { id, level, .. } = entry.first;
        let sources = entry.first.source_names().join(" ");
        let (count, about) = (entry.scenarios.len(), entry.about());
        // Writing to a string cannot fail; so below.
        let _ = writeln!(
            text,
            "{id:<32} {level:<7} {sources:<12} {count:>3}  {about}"
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
                "\n## {profile}\n\n| id | level | sources | scenarios | what it is about |\n|---|---|---|---|---|\n"
            );
        }
        let Requirement { id, level, .. } = entry.first;
        let sources = entry.first.source_names().join(", ");
        let (count, about) = (entry.scenarios.len(), entry.about());
        let _ = writeln!(text, "| `{id}` | {level} | {sources} | {count} | {about} |");
    }
    text
}

/// All about one requirement: its scenarios, and the mutants that prove that they bite.
#[must_use]
pub fn explain(requirements: &[Requirement], mutations: &[Mutation], id: &str) -> Option<String> {
    let entries = entries(requirements);
    let entry = entries.iter().find(|entry| entry.first.id == id)?;
    let first = entry.first;
    let mut text = format!(
        "{id}   {}   {}\n{}\n",
        first.level,
        first.source_names().join(" "),
        first.feature.name
    );
    for line in first
        .feature
        .description
        .iter()
        .flat_map(|text| text.lines())
    {
        let _ = writeln!(text, "  {}", line.trim());
    }
    for scenario in &entry.scenarios {
        let row = scenario
            .row
            .as_ref()
            .map(|row| format!("#{row}"))
            .unwrap_or_default();
        let _ = writeln!(text, "\nScenario{row}: {}", scenario.scenario.name);
        for step in &scenario.scenario.steps {
            let _ = writeln!(text, "  {} {}", step.keyword.trim(), step.value);
        }
    }
    let killed = mutations
        .iter()
        .filter(|mutation| mutation.killed_by.iter().any(|by| by == id));
    let _ = writeln!(text, "\nIt catches a server that");
    for mutation in killed {
        let _ = writeln!(text, "  {} ({})", mutation.does, mutation.name);
    }
    Some(text)
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
            "kv.write-merges   MUST   TUT",
            "Scenario#2-d4735e: writing one key keeps the others, in a KV version 2 mount",
            "  And nothing else in Vault has changed",
            "  loses a key when it writes another one (key-lost-in-merge)",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
        assert!(explain(&requirements, &mutations, "kv.no-such-thing").is_none());
    }
}
