//! The configuration file of an MCP client: which servers it has, and how it starts or reaches them. It is read as VS
//! Code (`servers`), Claude Desktop and Cursor (`mcpServers`) read it, with comments and commas at the end of lists.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Map, Value};

use super::launch::{LaunchDraft, Started};
use crate::suggest::did_you_mean;

/// Why no server can be taken from a file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// The file is no JSON.
    #[error("this is not valid JSON: {0}")]
    Syntax(String),
    /// The file names no server.
    #[error(
        "there is no server in it: neither \"servers\" (VS Code) nor \"mcpServers\" (Claude Desktop, Cursor) names one"
    )]
    NoServer,
    /// The file names several, and none or several of them seem to be about Vault.
    #[error("it has several servers: {0}; choose one with --server NAME")]
    Several(String),
    /// The file does not have this server.
    #[error("there is no server {0:?} in it{1}")]
    Unknown(String, String),
    /// The server cannot be tested, or its entry is not understood.
    #[error("the server {0:?}: {1}")]
    Entry(String, String),
}

/// The launch part of an adapter for a server of a client's configuration; `folder` is where `${workspaceFolder}` is.
///
/// # Errors
/// If the file is not understood, or does not say which server is meant.
pub fn read(text: &str, wanted: Option<&str>, folder: &Path) -> Result<LaunchDraft, ConfigError> {
    let plain = plain_json(text);
    let file: Value =
        serde_json::from_str(&plain).map_err(|error| ConfigError::Syntax(position(&error)))?;
    let inner = [
        &file["mcpServers"],
        &file["servers"],
        &file["mcp"]["servers"],
    ];
    let servers = inner
        .into_iter()
        .find_map(Value::as_object)
        .filter(|servers| !servers.is_empty());
    let servers = servers.ok_or(ConfigError::NoServer)?;
    let (name, server) = choose(servers, wanted)?;
    let entry = |problem: &str| ConfigError::Entry(name.clone(), problem.to_owned());
    let kind = ["type", "transport"]
        .into_iter()
        .find_map(|key| server[key].as_str());
    if kind == Some("sse") {
        return Err(entry(
            "the transport HTTP+SSE of 2024-11-05 is not supported: the suite tests stdio and streamable HTTP",
        ));
    }
    if let Some(url) = ["url", "serverUrl", "httpUrl"]
        .into_iter()
        .find_map(|key| server[key].as_str())
    {
        return Ok(LaunchDraft::remote(name, url, &texts(&server["headers"])));
    }
    let here = folder.display().to_string();
    let in_place = |text: &str| text.replace("${workspaceFolder}", &here);
    let command = server["command"]
        .as_str()
        .filter(|command| !command.is_empty());
    let command = command.ok_or_else(|| entry("it has neither a \"command\" nor a \"url\""))?;
    let arguments = server["args"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    Ok(LaunchDraft::started(
        name,
        Started {
            command: std::iter::once(command)
                .chain(arguments)
                .map(in_place)
                .collect(),
            env: texts(&server["env"]),
        },
    ))
}

/// Where JSON is wrong, without its text, which may have secrets.
fn position(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

/// The server that is meant: the named one, the only one, or the only one about Vault.
fn choose<'s>(
    servers: &'s Map<String, Value>,
    wanted: Option<&str>,
) -> Result<(&'s String, &'s Value), ConfigError> {
    let names: Vec<_> = servers.keys().map(String::as_str).collect();
    if let Some(wanted) = wanted {
        let unknown = || ConfigError::Unknown(wanted.to_owned(), did_you_mean(wanted, &names));
        return servers
            .iter()
            .find(|(name, _)| *name == wanted)
            .ok_or_else(unknown);
    }
    let is_about_vault = |(name, server): &(&String, &Value)| {
        let words = [&server["command"], &server["url"]]
            .into_iter()
            .chain(server["args"].as_array().into_iter().flatten());
        let mut texts = words.filter_map(Value::as_str).chain([name.as_str()]);
        texts.any(|text| text.to_lowercase().contains("vault"))
    };
    let about: Vec<_> = servers.iter().filter(is_about_vault).collect();
    let mut all = servers.iter();
    match (about.as_slice(), all.next(), all.next()) {
        ([only], ..) => Ok(*only),
        (_, Some(only), None) => Ok(only),
        _ => Err(ConfigError::Several(names.join(", "))),
    }
}

/// The texts of a table; numbers and booleans are written out.
fn texts(table: &Value) -> BTreeMap<String, String> {
    let fields = table.as_object().into_iter().flatten();
    let fields = fields.filter_map(|(name, value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return None,
        };
        Some((name.clone(), text))
    });
    fields.collect()
}

/// JSON without comments and without commas before a closing bracket. Lines and columns stay as they are.
fn plain_json(text: &str) -> String {
    let text = text.trim_start_matches('\u{feff}');
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    // Where a comma stands that nothing has followed so far.
    let mut comma = None;
    while let Some(letter) = letters.next() {
        match (letter, letters.peek()) {
            ('"', _) => {
                comma = None;
                plain.push(letter);
                while let Some(inner) = letters.next() {
                    plain.push(inner);
                    match inner {
                        '\\' => plain.extend(letters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            ('/', Some('/')) => {
                plain.push(' ');
                while let Some(inner) = letters.next_if(|inner| *inner != '\n') {
                    plain.push(blank(inner));
                }
            }
            ('/', Some('*')) => {
                plain.push(' ');
                let mut before = ' ';
                letters.next();
                plain.push(' ');
                for inner in letters.by_ref() {
                    plain.push(blank(inner));
                    if before == '*' && inner == '/' {
                        break;
                    }
                    before = inner;
                }
            }
            (',', _) => {
                comma = Some(plain.len());
                plain.push(letter);
            }
            ('}' | ']', _) => {
                if let Some(at) = comma.take() {
                    plain.replace_range(at..=at, " ");
                }
                plain.push(letter);
            }
            _ => {
                if !letter.is_whitespace() {
                    comma = None;
                }
                plain.push(letter);
            }
        }
    }
    plain
}

fn blank(letter: char) -> char {
    match letter {
        '\n' => '\n',
        _ => ' ',
    }
}

#[cfg(test)]
mod tests;
