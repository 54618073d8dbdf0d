//! The documents name only existing files, modules and commands, and all texts use plain words.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod documents;
mod imports;
mod words;

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The code spans of a line.
fn spans(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// Whether a name matches a pattern, in which `*` and `<what it is>` match anything.
fn fits(name: &str, pattern: &str) -> bool {
    let Some(begin) = pattern.find(['*', '<']) else {
        return name == pattern;
    };
    let rest = match pattern[begin..].strip_prefix('*') {
        Some(rest) => rest,
        None => pattern[begin..].split_once('>').unwrap().1,
    };
    let anything = name.strip_prefix(&pattern[..begin]);
    anything.is_some_and(|name| {
        let ends = (0..=name.len()).filter(|end| name.is_char_boundary(*end));
        ends.into_iter().any(|end| fits(&name[end..], rest))
    })
}

/// Whether this path, relative to the root of the repository, exists.
fn is_there(path: &str) -> bool {
    let mut found = vec![root()];
    for pattern in path.trim_end_matches('/').split('/') {
        let entries = found.iter().filter_map(|folder| fs::read_dir(folder).ok());
        found = entries
            .flatten()
            .map(|entry| entry.unwrap())
            .filter(|entry| fits(&entry.file_name().to_string_lossy(), pattern))
            .map(|entry| entry.path())
            .collect();
    }
    !found.is_empty()
}

/// The paths in CONTRIBUTING.md: words with a slash or with a file's extension, in the table of folders, in code
/// spans and in links. Examples are skipped.
fn paths(page: &str) -> Vec<String> {
    let is_path = |word: &&str| {
        let endings = [".rs", ".md", ".toml", ".feature", ".hcl", ".json"];
        let begins = word.starts_with(|letter: char| letter == '.' || letter.is_alphanumeric());
        begins && word.contains('/') || endings.iter().any(|ending| word.ends_with(ending))
    };
    let mut paths = Vec::new();
    // A fence without a language is the table of folders.
    let (mut in_table, mut in_example) = (false, false);
    for line in page.lines() {
        if let Some(language) = line.strip_prefix("```") {
            (in_table, in_example) = match in_table || in_example {
                true => (false, false),
                false => (language.is_empty(), !language.is_empty()),
            };
            continue;
        }
        let words: Vec<&str> = match (in_table, in_example) {
            (_, true) => continue,
            (true, _) => line.split([' ', ',', ';']).collect(),
            _ => {
                let links = line.split("](").skip(1);
                let links = links.filter_map(|link| Some(link.split_once(')')?.0));
                spans(line).into_iter().chain(links).collect()
            }
        };
        let found = words.into_iter().filter(is_path);
        paths.extend(found.map(str::to_owned));
    }
    paths
}

#[test]
fn every_path_in_contributing_is_there() {
    let paths = paths(&page("CONTRIBUTING.md"));
    assert!(paths.len() > 20, "{paths:?}");
    let missing: Vec<_> = paths.iter().filter(|path| !is_there(path)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_path_is_there_only_if_all_of_it_is() {
    for path in [
        "docs/decisions/",
        "features/<profile>/*.feature",
        "Cargo.toml",
    ] {
        assert!(is_there(path), "{path}");
    }
    for path in [
        "docs/missing.md",
        "features/*.rs",
        "scene.rs",
        "docs/<x>/*.rs",
    ] {
        assert!(!is_there(path), "{path}");
    }
}

/// A row of a table of modules.
#[derive(Debug)]
struct Row {
    /// The folder of the crate's sources.
    sources: &'static str,
    /// The described modules, by their paths in the crate.
    modules: Vec<String>,
    /// The described paths, from the root of the repository.
    paths: Vec<String>,
    /// The names in the description.
    named: Vec<String>,
}

impl Row {
    fn of(sources: &'static str, line: &str) -> Option<Self> {
        let (cell, description) = line.strip_prefix("| ")?.split_once(" | ")?;
        let (paths, names): (Vec<_>, Vec<_>) =
            spans(cell).into_iter().partition(|name| name.contains('/'));
        // A name without `::` is a sibling of the one before it.
        let mut above = String::new();
        let mut modules = Vec::new();
        for name in names {
            let own = match name.rsplit_once("::") {
                Some((parent, own)) => {
                    above = format!("{parent}::");
                    own
                }
                None => name,
            };
            modules.push(format!("{above}{own}"));
        }
        let named = spans(description).into_iter();
        Some(Self {
            sources,
            modules,
            paths: paths.into_iter().map(str::to_owned).collect(),
            // Commands are not modules.
            named: named
                .filter(|name| !name.contains(' '))
                .map(str::to_owned)
                .collect(),
        })
    }

    fn has(&self, module: &str) -> bool {
        let path = format!("{}/{}", self.sources, module.replace("::", "/"));
        is_there(&format!("{path}.rs")) || is_there(&format!("{path}/mod.rs"))
    }

    /// Whether a module of this name exists in a module of the row, beside one, or at the root.
    fn has_near(&self, name: &str) -> bool {
        let beside = |module: &String| match module.rsplit_once("::") {
            Some((parent, _)) => format!("{parent}::{name}"),
            None => name.to_owned(),
        };
        let within = |module: &String| format!("{module}::{name}");
        let mut near = self
            .modules
            .iter()
            .flat_map(|module| [within(module), beside(module)]);
        self.has(name) || near.any(|module| self.has(&module))
    }

    /// The names that do not exist.
    fn missing(&self) -> Vec<&String> {
        let modules = self.modules.iter().filter(|module| !self.has(module));
        let paths = self.paths.iter().filter(|path| !is_there(path));
        let named = self.named.iter().filter(|name| !self.has_near(name));
        modules.chain(paths).chain(named).collect()
    }
}

/// The rows of the tables of modules in docs/architecture.md.
fn rows(page: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut sources = None;
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            sources = match title {
                "Modules of the suite" => Some("conformance/src"),
                "Modules of the benchmarks" => Some("benches/src"),
                "Modules of the reference server" => Some("reference-server/src"),
                _ => None,
            };
        }
        rows.extend(sources.and_then(|sources| Row::of(sources, line)));
    }
    rows
}

#[test]
fn every_module_in_the_architecture_is_there() {
    let rows = rows(&page("docs/architecture.md"));
    assert!(rows.len() > 100, "{}", rows.len());
    let missing: Vec<_> = rows.iter().flat_map(Row::missing).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_row_is_held_against_the_modules_that_it_names() {
    let missing = |line: &str| {
        let row = Row::of("conformance/src", line).unwrap();
        row.missing().into_iter().cloned().collect::<Vec<_>>()
    };
    let right = "| `mcp::stdio`, `http` | `raw`, `mcp::pace`, `scenario`, `cargo bench` |";
    assert_eq!(missing(right), [""; 0]);
    let wrong = "| `mcp::stdio`, `scenario`, `docs/none.md` | `matrix` |";
    assert_eq!(missing(wrong), ["mcp::scenario", "docs/none.md", "matrix"]);
}
