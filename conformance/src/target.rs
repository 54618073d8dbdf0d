//! The target: the MCP server under test, as its adapter file describes it.

use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use sha2::{Digest as _, Sha256};

use crate::{
    adapter::{Adapter, AdapterError},
    suggest::closest,
};

static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../fixtures/targets");

/// A server that the suite can test.
#[derive(Clone, Debug)]
pub struct Target {
    /// The adapter.
    pub adapter: Adapter,
    /// SHA-256 of the adapter file, lower-case hex.
    pub adapter_sha256: String,
    /// The path of the adapter file; `None` for a target that comes with the suite.
    pub file: Option<PathBuf>,
    /// The program to start instead of the one that the adapter names.
    pub program: Option<PathBuf>,
    /// Whether scenarios call tools that no operation maps, too.
    pub(crate) calls_unmapped_tools: bool,
}

impl Target {
    /// Finds the target with this name that comes with the suite, or reads an adapter file.
    ///
    /// A text with a path separator or the suffix `.toml` is a file; so is one with `.json`, and the error says how an
    /// adapter begins for the server in it.
    ///
    /// # Errors
    /// If the target does not exist, or its adapter is invalid.
    pub fn find(name_or_file: &str) -> Result<Self, AdapterError> {
        if is_file(Path::new(name_or_file)) {
            return Self::from_file(Path::new(name_or_file));
        }
        let (file, text) = Self::text_of(name_or_file, None)?;
        Self::parse(&file, &text)
    }

    /// Reads the target from an adapter file.
    ///
    /// # Errors
    /// If the file cannot be read or is invalid.
    pub fn from_file(path: &Path) -> Result<Self, AdapterError> {
        let (file, text) = read(path)?;
        let mut target = Self::parse_in(&file, &text, path.parent())?;
        target.file = Some(path.to_owned());
        Ok(target)
    }

    /// Parses the text of an adapter file; `file` is its name in errors.
    ///
    /// # Errors
    /// If the adapter is invalid.
    pub fn parse(file: &str, text: &str) -> Result<Self, AdapterError> {
        Self::parse_in(file, text, None)
    }

    /// Like [`Self::parse`]; the `base` of the adapter, if it is a file, is relative to this folder.
    fn parse_in(file: &str, text: &str, folder: Option<&Path>) -> Result<Self, AdapterError> {
        let mut digest = Sha256::new_with_prefix(text.as_bytes());
        let adapter = Adapter::parse(file, text, |name| {
            let base = Self::text_of(name, folder)?;
            digest.update(base.1.as_bytes());
            let no_further = |further: &str| {
                Err(AdapterError::ExtendsFurther {
                    name: name.to_owned(),
                    further: further.to_owned(),
                })
            };
            Adapter::parse(&base.0, &base.1, no_further)
        })?;
        Ok(Self {
            adapter,
            adapter_sha256: digest
                .finalize()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            file: None,
            program: None,
            calls_unmapped_tools: true,
        })
    }

    /// The name and text of the adapter file for a name or path.
    fn text_of(
        name_or_file: &str,
        folder: Option<&Path>,
    ) -> Result<(String, String), AdapterError> {
        let path = Path::new(name_or_file);
        if is_file(path) {
            return read(&folder.map_or_else(|| path.to_owned(), |folder| folder.join(path)));
        }
        let file = BUILT_IN
            .get_file(format!("{name_or_file}.toml"))
            .ok_or_else(|| {
                let names = Self::built_in_names();
                let meant = closest(name_or_file, names.iter().map(String::as_str));
                let meant = meant.map(|name| format!("; did you mean {name:?}?"));
                AdapterError::NoSuchTarget {
                    name: name_or_file.to_owned(),
                    hint: meant.unwrap_or_default(),
                    known: names.join(", "),
                }
            })?;
        let text = file.contents_utf8().unwrap_or_default();
        Ok((file.path().display().to_string(), text.to_owned()))
    }

    /// The same target, started from this program instead of the one that its adapter names.
    #[must_use]
    pub fn with_program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Whether a scenario that tries all tools may call this one.
    pub(crate) fn may_call(&self, tool: &str) -> bool {
        let mut mappings = self.adapter.operations.values();
        let is_mapped = mappings.any(|mapping| mapping.tools.iter().any(|name| name == tool));
        !self.adapter.never_call.contains(tool) && (is_mapped || self.calls_unmapped_tools)
    }

    /// The names of the targets that come with the suite, sorted.
    #[must_use]
    pub fn built_in_names() -> Vec<String> {
        let mut names: Vec<_> = BUILT_IN
            .files()
            .filter_map(|file| Some(file.path().file_stem()?.to_string_lossy().into_owned()))
            .collect();
        names.sort();
        names
    }
}

fn read(path: &Path) -> Result<(String, String), AdapterError> {
    let text = std::fs::read_to_string(path).map_err(|source| AdapterError::Unreadable {
        file: path.to_owned(),
        source,
    })?;
    Ok((path.display().to_string(), text))
}

/// Whether the name is a file, not a target that comes with the suite.
fn is_file(name: &Path) -> bool {
    name.components().count() > 1 || name.extension().is_some_and(|e| e == "toml" || e == "json")
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn every_target_that_comes_with_the_suite_has_a_right_adapter() {
        for name in Target::built_in_names() {
            let target = Target::find(&name).unwrap();
            assert_eq!(target.adapter.name, name);
        }
    }

    #[test]
    fn an_unknown_target_is_answered_with_the_known_ones() {
        let error = Target::find("hashicrop").unwrap_err().to_string();
        assert!(error.contains("hashicorp"), "{error}");
    }
}
