//! The baseline: a file that lists known failures of a target, each with its reason.
//!
//! The baseline changes the exit code and nothing else: a failure stays a failure in the report. An entry that no
//! longer applies is reported, so that the file hides no more than it says.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::Spanned;

use crate::{
    report::{
        BaselineResult, BaselineUpdate, IntermittentKey, Report, ScenarioResult, StaleKey,
        UnknownKey, file,
    },
    requirement::AMBIENT,
    suggest,
    verdict::{NotApplicable, Verdict},
};

mod edit;

/// A reason that begins with this has not been written yet.
const TODO: &str = "TODO";

/// A file of known failures.
#[derive(Clone, Debug)]
pub struct Baseline {
    file: PathBuf,
    text: String,
    target: Option<(String, usize)>,
    entries: Vec<Entry>,
    update: bool,
}

/// One known failure.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    key: String,
    reason: String,
    intermittent: bool,
}

/// Why a baseline is invalid.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The file cannot be read.
    #[error("the baseline {} cannot be read: {source}{hint}", file.display())]
    Unreadable {
        /// The path of the baseline.
        file: PathBuf,
        /// The cause.
        source: io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// The content of the file is invalid.
    #[error("{}:{line}: {problem}", file.display())]
    Wrong {
        /// The path of the baseline.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong, and what to do.
        problem: String,
    },
}

/// The format of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    target: Option<Spanned<String>>,
    #[serde(default)]
    known: Vec<Spanned<Known>>,
}

/// Known failures with one reason.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    key: Option<Spanned<String>>,
    keys: Option<Vec<Spanned<String>>>,
    reason: Option<Spanned<String>>,
    #[serde(default)]
    intermittent: bool,
}

impl Baseline {
    /// Reads a baseline, with which the report of a run is compared.
    ///
    /// ```toml
    /// target = "hashicorp"        # optional: the only target that it is for
    ///
    /// [[known]]
    /// key = "policy.denied@stdio@2025-06-18#1-delete-the-secret-team-databas-685821"        # or keys = ["...", "..."]
    /// reason = "a denied delete is reported as a missing secret"
    /// intermittent = true         # optional: it fails in some runs; neither outcome fails the run
    /// ```
    ///
    /// # Errors
    /// If the file cannot be read or is invalid. A failure without a reason is invalid.
    pub fn from_file(file: impl Into<PathBuf>) -> Result<Self, BaselineError> {
        let file = file.into();
        match fs::read_to_string(&file) {
            Ok(text) => Self::parse(file, text, false),
            Err(source) => Err(unreadable(file, source)),
        }
    }

    /// Reads a baseline, if it exists, and updates it at the end of the run. Entries that no longer fail are removed.
    /// New failures are added with a reason that a person still has to write.
    ///
    /// # Errors
    /// If the file exists and cannot be read or is invalid.
    pub fn to_update(file: impl Into<PathBuf>) -> Result<Self, BaselineError> {
        let file = file.into();
        match fs::read_to_string(&file) {
            Ok(text) => Self::parse(file, text, true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Self::parse(file, String::new(), true)
            }
            Err(source) => Err(unreadable(file, source)),
        }
    }

    fn parse(file: PathBuf, text: String, update: bool) -> Result<Self, BaselineError> {
        let wrong = |offset: usize, problem: String| BaselineError::Wrong {
            file: file.clone(),
            line: suggest::line_at(&text, offset),
            problem,
        };
        let read: File = toml::from_str(&text).map_err(|error| {
            wrong(
                error.span().map_or(0, |span| span.start),
                suggest::syntax(&error),
            )
        })?;
        let mut entries: Vec<Entry> = Vec::new();
        for table in read.known {
            let start = table.span().start;
            let Known {
                key,
                keys,
                reason,
                intermittent,
            } = table.into_inner();
            let keys = match (key, keys) {
                (Some(key), None) => vec![key],
                (None, Some(keys)) if !keys.is_empty() => keys,
                (Some(_), Some(_)) => {
                    return Err(wrong(
                        start,
                        "a [[known]] has either key or keys, not both".to_owned(),
                    ));
                }
                _ => {
                    return Err(wrong(
                        start,
                        "a [[known]] lacks its key, such as \"kv.read-exact@stdio@2025-11-25#1-6b86b2\""
                            .to_owned(),
                    ));
                }
            };
            let at = reason.as_ref().map_or(start, |reason| reason.span().start);
            let reason = reason.map(Spanned::into_inner).unwrap_or_default();
            let first = keys.first().map_or("", |key| key.get_ref().as_str());
            if reason.trim().is_empty() {
                let problem = format!("{first} has no reason; say why the failure is accepted");
                return Err(wrong(at, problem));
            }
            if !update && reason.trim_start().starts_with(TODO) {
                let problem = format!(
                    "{first} still has the placeholder TODO as its reason; say why the failure is accepted"
                );
                return Err(wrong(at, problem));
            }
            for key in keys {
                let at = key.span().start;
                let key = key.into_inner();
                if entries.iter().any(|entry| entry.key == key) {
                    return Err(wrong(at, format!("{key} is listed twice")));
                }
                let reason = reason.clone();
                entries.push(Entry {
                    key,
                    reason,
                    intermittent,
                });
            }
        }
        let target = read.target.map(|target| {
            let line = suggest::line_at(&text, target.span().start);
            (target.into_inner(), line)
        });
        Ok(Self {
            file,
            text,
            target,
            entries,
            update,
        })
    }

    /// Checks that the baseline is for the target with this name.
    pub(crate) fn check_target(&self, name: &str) -> Result<(), BaselineError> {
        match &self.target {
            Some((target, line)) if target != name => Err(BaselineError::Wrong {
                file: self.file.clone(),
                line: *line,
                problem: format!(
                    "this is the baseline of the target {target:?}; this run tests {name:?}"
                ),
            }),
            _ => Ok(()),
        }
    }

    /// The reason why the failure of a scenario is accepted, if the baseline lists it.
    pub(crate) fn reason(&self, key: &str) -> Option<&str> {
        let entry = self.entries.iter().find(|entry| entry.key == key);
        entry.map(|entry| entry.reason.as_str())
    }

    /// Compares a report with the baseline, and updates the baseline if that was requested.
    ///
    /// `catalogue` has the keys of all scenarios that can apply to the target. `narrowed` says whether this run
    /// selected only some of them.
    ///
    /// # Errors
    /// If the file must be written and cannot be.
    pub(crate) fn hold(
        &self,
        report: &Report,
        catalogue: &[String],
        narrowed: bool,
    ) -> io::Result<BaselineResult> {
        let mut result = BaselineResult {
            file: self.file.display().to_string(),
            known: 0,
            not_judged: 0,
            stale: Vec::new(),
            unknown: Vec::new(),
            intermittent: Vec::new(),
            update: None,
        };
        for Entry {
            key,
            reason,
            intermittent,
        } in &self.entries
        {
            if !catalogue.contains(key) {
                let known = catalogue.iter().map(String::as_str);
                let closest = suggest::closest(key, known).map(str::to_owned);
                let key = key.clone();
                result.unknown.push(UnknownKey { key, closest });
                continue;
            }
            let scenario = report.scenarios.iter().find(|s| s.key == *key);
            if let Some(scenario) = scenario.filter(|s| *intermittent && s.is_tested()) {
                result.intermittent.push(IntermittentKey {
                    key: key.clone(),
                    reason: reason.clone(),
                    now: scenario.verdict,
                });
            }
            match scenario {
                Some(scenario) if scenario.verdict == Verdict::Fail => result.known += 1,
                Some(scenario) if *intermittent && scenario.is_tested() => {}
                Some(scenario) if disproves(scenario, report, narrowed) => {
                    result.stale.push(StaleKey {
                        key: key.clone(),
                        reason: reason.clone(),
                        now: scenario.verdict,
                    });
                }
                _ => result.not_judged += 1,
            }
        }
        if self.update {
            result.update = Some(self.bring_up_to_date(report, &result)?);
        }
        Ok(result)
    }

    fn bring_up_to_date(
        &self,
        report: &Report,
        result: &BaselineResult,
    ) -> io::Result<BaselineUpdate> {
        let mut update = BaselineUpdate {
            added: Vec::new(),
            removed: Vec::new(),
            refused: match (report.is_cut_short(), report.summary.blocked) {
                (true, _) => Some("the run ended early".to_owned()),
                (false, 0) => None,
                (false, count) => Some(format!("{count} scenarios were blocked")),
            },
        };
        if update.refused.is_some() {
            return Ok(update);
        }
        let stale = result.stale.iter().map(|stale| &stale.key);
        let unknown = result.unknown.iter().map(|unknown| &unknown.key);
        update.removed = stale.chain(unknown).cloned().collect();
        let mut fresh: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for scenario in report.unlisted_failures() {
            update.added.push(scenario.key.clone());
            let keys = fresh.entry(scenario.id.as_str()).or_default();
            keys.push(scenario.key.as_str());
        }
        let is_new = !self.file.exists();
        if is_new || !update.added.is_empty() || !update.removed.is_empty() {
            let old = if is_new {
                edit::beginning(&report.target.name)
            } else {
                self.text.clone()
            };
            let text = edit::edited(&old, &update.removed, fresh.values())
                .map_err(|error| io::Error::other(format!("{}: {error}", self.file.display())))?;
            file::write_atomically(&self.file, &text)?;
        }
        Ok(update)
    }

    /// The path of the baseline.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether the file is updated at the end of the run.
    #[must_use]
    pub fn is_to_be_updated(&self) -> bool {
        self.update
    }
}

fn unreadable(file: PathBuf, source: io::Error) -> BaselineError {
    let hint = match source.kind() {
        io::ErrorKind::NotFound => "; --update-baseline creates one",
        _ => "",
    };
    BaselineError::Unreadable { file, source, hint }
}

/// Whether a scenario that did not fail shows that the known failure is gone.
fn disproves(scenario: &ScenarioResult, report: &Report, narrowed: bool) -> bool {
    let judged = match scenario.verdict {
        Verdict::Pass | Verdict::Warn => true,
        Verdict::NotApplicable => !scenario.lacks(NotApplicable::NoEvidence),
        Verdict::Fail | Verdict::Blocked => false,
    };
    // An ambient requirement was checked only in the scenarios that ran.
    judged && !report.is_cut_short() && !(narrowed && scenario.profile == AMBIENT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Baseline;

    const RIGHT: &str = r#"target = "mine"

[[known]]
key = "kv.a@stdio@2025-11-25"
reason = "slow upstream"

[[known]]
keys = ["kv.b@stdio@2025-11-25#1", "kv.b@stdio@2025-11-25#2"]
reason = "a bug: https://example.com/1"
"#;

    fn read(text: &str, update: bool) -> Result<Baseline, String> {
        Baseline::parse("known.toml".into(), text.to_owned(), update)
            .map_err(|error| error.to_string())
    }

    fn error(from: &str, to: &str) -> String {
        assert!(RIGHT.contains(from));
        read(&RIGHT.replace(from, to), false).unwrap_err()
    }

    #[test]
    fn each_key_has_the_reason_of_its_entry() {
        let baseline = read(RIGHT, false).unwrap();
        assert_eq!(
            baseline.reason("kv.a@stdio@2025-11-25"),
            Some("slow upstream")
        );
        assert_eq!(
            baseline.reason("kv.b@stdio@2025-11-25#2"),
            Some("a bug: https://example.com/1")
        );
        assert_eq!(baseline.reason("kv.b@stdio@2025-11-25"), None);
    }

    #[test]
    fn a_file_without_entries_is_a_baseline() {
        assert!(read("", false).is_ok());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (from, to, told) in [
            (
                "reason = \"slow upstream\"",
                "",
                "known.toml:3: kv.a@stdio@2025-11-25 has no reason",
            ),
            (
                "slow upstream",
                "  ",
                "known.toml:5: kv.a@stdio@2025-11-25 has no reason",
            ),
            (
                "a bug: ",
                "TODO: ",
                "known.toml:9: kv.b@stdio@2025-11-25#1 still has the placeholder TODO as its reason",
            ),
            (
                "key = \"kv.a@stdio@2025-11-25\"",
                "",
                "known.toml:3: a [[known]] lacks its key",
            ),
            (
                "[\"kv.b@stdio@2025-11-25#1\", \"kv.b@stdio@2025-11-25#2\"]",
                "[]",
                "known.toml:7: a [[known]] lacks its key",
            ),
            (
                "keys =",
                "key = \"kv.c\"\nkeys =",
                "known.toml:7: a [[known]] has either key or keys",
            ),
            (
                "kv.b@stdio@2025-11-25#2",
                "kv.a@stdio@2025-11-25",
                "known.toml:8: kv.a@stdio@2025-11-25 is listed twice",
            ),
            (
                "reason = \"slow",
                "raeson = \"slow",
                "known.toml:5: there is no key \"raeson\" here; did you mean \"reason\"?",
            ),
            ("\"slow", "slow", "known.toml:5: "),
            ("[[known]]\nkey", "[known]\nkey", "known.toml:"),
        ] {
            let error = error(from, to);
            assert!(error.starts_with(told), "{error}");
        }
    }

    #[test]
    fn a_reason_that_is_still_to_be_written_may_stand_in_a_file_that_is_updated() {
        assert!(read(&RIGHT.replace("a bug: ", "TODO: "), true).is_ok());
    }

    #[test]
    fn the_baseline_of_another_target_is_refused_with_its_line() {
        let baseline = read(RIGHT, false).unwrap();
        assert!(baseline.check_target("mine").is_ok());
        let error = baseline.check_target("other").unwrap_err().to_string();
        assert!(
            error.starts_with("known.toml:1: ") && error.contains("\"other\""),
            "{error}"
        );
        assert!(read("", false).unwrap().check_target("any").is_ok());
    }

    #[test]
    fn a_missing_file_is_told_with_how_to_make_one() {
        let error = Baseline::from_file("no/such.toml").unwrap_err().to_string();
        assert!(
            error.contains("no/such.toml") && error.contains("--update-baseline"),
            "{error}"
        );
        assert!(Baseline::to_update("no/such.toml").is_ok());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,80}", at in 0..RIGHT.len()) {
            for update in [false, true] {
                let _ = read(&text, update);
                let _ = read(&format!("{}{text}{}", &RIGHT[..at], &RIGHT[at..]), update);
            }
        }
    }
}
