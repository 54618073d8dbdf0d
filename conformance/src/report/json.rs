//! `report.json`: the report for programs, and the JSON Schema that describes it.

use std::{fmt::Write as _, io, path::PathBuf};

use schemars::generate::SchemaSettings;

use super::{
    Report,
    file::{remove_old, write_atomically},
    text::is_inert,
};
use crate::event::{Event, Reporter};

/// Writes the report to a file at the end of the run.
#[derive(Debug)]
pub struct JsonFile {
    path: PathBuf,
}

impl JsonFile {
    /// A reporter that writes to `path`; missing parent folders are created.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

impl Reporter for JsonFile {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Finished(report) => write_atomically(&self.path, &to_text(report)?),
            Event::Started { .. } => remove_old(&self.path),
            Event::ScenarioStarted { .. } | Event::ScenarioFinished(_) => Ok(()),
        }
    }
}

/// The JSON Schema, draft 2020-12, to which every `report.json` of this version conforms.
#[must_use]
pub fn schema() -> serde_json::Value {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<Report>()
        .to_value()
}

/// The report as indented JSON with a final newline.
///
/// Characters that could control a terminal are written as `\uXXXX`. JSON requires that only for those below U+0020,
/// but U+009B starts a terminal sequence, too.
pub(super) fn to_text(report: &Report) -> io::Result<String> {
    let json = serde_json::to_string_pretty(report)?;
    let mut text = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        // Unescaped newlines are only between values; all other characters are only within strings.
        if c == '\n' || is_inert(c) {
            text.push(c);
        } else {
            write!(text, "\\u{:04x}", u32::from(c)).map_err(io::Error::other)?;
        }
    }
    text.push('\n');
    Ok(text)
}
