//! The text of a draft: an adapter that people read and edit.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;

use super::{
    findings::{Entry, Findings, State},
    launch::{LaunchDraft, Section},
    tools::one_line,
};
use crate::{
    adapter::{
        inline,
        mapping::{Mapping, ResultShape},
        template,
    },
    engines::Operation,
};

/// How long a line may be before a table is written with one field a line.
const WIDTH: usize = 120;

/// How many lines of a problem are quoted.
const MOST_LINES: usize = 8;

/// The value of a variable that holds the token.
pub(crate) const TOKEN: &str = "{vault_token}";

/// The text of an adapter. Without findings it has no operation, and `problem` says why.
#[must_use]
pub fn text(launch: &LaunchDraft, found: Option<&Findings>, problem: Option<&str>) -> String {
    let mut text = String::new();
    line(&mut text, &format!("name = {}", inline::text(&launch.name)));
    if let Some(found) = found {
        if let Some(version) = found.kv_versions {
            let other = 3 - version;
            comment(
                &mut text,
                &format!("No call worked on a KV version {other} mount."),
            );
            line(&mut text, &format!("kv_versions = [{version}]"));
        }
        if let Some(mount) = &found.mount {
            comment(
                &mut text,
                "No tool has an argument for the mount, and the tools work on this one.",
            );
            line(&mut text, &format!("mount = {}", inline::text(mount)));
        }
    }
    section(&mut text, launch, found);
    if let Some(limit) = found.and_then(|found| found.limit) {
        line(&mut text, "");
        comment(
            &mut text,
            "The server rejects calls as too many. It keeps to this limit, and maybe to a higher one. Better: raise its limits in env, and remove this section.",
        );
        line(&mut text, "[limits]");
        line(
            &mut text,
            &format!("session = {}", inline::text(&limit.to_string())),
        );
    }
    for (mode, env) in &launch.modes {
        line(&mut text, "");
        line(&mut text, &format!("[modes.{mode}]"));
        line(&mut text, &format!("env = {}", texts(env)));
    }
    if let Some(problem) = problem {
        line(&mut text, "");
        comment(
            &mut text,
            "There are no operations: the tools could not be listed.",
        );
        // The first line says what failed, and the last ones why.
        let said: Vec<_> = problem.lines().collect();
        let cut = said.len().saturating_sub(MOST_LINES);
        let shown = said.iter().take(1).chain(said.iter().skip(1 + cut));
        for said in shown {
            comment(&mut text, &one_line(said));
        }
    }
    if let Some(found) = found {
        operations(&mut text, found);
    }
    text
}

fn operations(text: &mut String, found: &Findings) {
    if let Some(untried) = &found.untried {
        line(text, "");
        comment(
            text,
            &format!(
                "Not confirmed by calls: {untried}. Each operation is a guess from names and schemas."
            ),
        );
    }
    for entry in &found.entries {
        line(text, "");
        operation(text, entry);
    }
    let missing: Vec<_> = found.missing().into_iter().map(Operation::name).collect();
    let unused = found.unused();
    if !missing.is_empty() || !unused.is_empty() {
        line(text, "");
    }
    if !missing.is_empty() {
        comment(
            text,
            &format!("No tool was found for {}.", missing.join(", ")),
        );
    }
    if !unused.is_empty() {
        comment(
            text,
            &format!("No operation uses the tools {}.", unused.join(", ")),
        );
    }
}

fn section(text: &mut String, launch: &LaunchDraft, found: Option<&Findings>) {
    line(text, "");
    for note in &launch.notes {
        comment(text, note);
    }
    let no_headers = BTreeMap::new();
    let found_headers = found.map_or(&no_headers, |found| &found.headers);
    match &launch.section {
        Section::Stdio(stdio) => {
            line(text, "[stdio]");
            started(text, stdio.container, &stdio.command, &stdio.env);
        }
        Section::Http(http) => {
            line(text, "[http]");
            let mut env = http.env.clone();
            if !found_headers.is_empty() {
                // The server takes the token from each request, and not from its environment.
                env.retain(|_, value| value != TOKEN);
            }
            started(text, http.container, &http.command, &env);
            line(text, &format!("url = {}", inline::text(&http.url)));
            let mut headers = http.headers.clone();
            headers.extend(found_headers.clone());
            if !headers.is_empty() {
                line(text, &format!("headers = {}", texts(&headers)));
            }
        }
        Section::Remote(remote) => {
            comment(
                text,
                "The server already runs: `check` and `run` need its Vault, with --vault external.",
            );
            line(text, "[remote]");
            line(text, &format!("url = {}", inline::text(&remote.url)));
            if !remote.headers.is_empty() {
                line(text, &format!("headers = {}", texts(&remote.headers)));
            }
        }
    }
}

fn started(text: &mut String, container: bool, command: &[String], env: &BTreeMap<String, String>) {
    if container {
        line(text, "container = true");
    }
    let whole = format!("command = {}", inline::list(command));
    match whole.len() <= WIDTH {
        true => line(text, &whole),
        false => {
            line(text, "command = [");
            for words in in_lines(command) {
                let words: Vec<_> = words.iter().map(|word| inline::text(word)).collect();
                line(text, &format!("    {},", words.join(", ")));
            }
            line(text, "]");
        }
    }
    line(text, &format!("env = {}", texts(env)));
}

/// The words of a command in lines: the words before the first flag with a value, then each flag with its value.
fn in_lines(command: &[String]) -> Vec<&[String]> {
    let is_flag = |word: &String| word.starts_with('-');
    let takes_value = |rest: &[String]| match rest {
        [first, next, ..] => is_flag(first) && !first.contains('=') && !is_flag(next),
        _ => false,
    };
    let mut begin = 1.min(command.len());
    while begin < command.len() && !takes_value(&command[begin..]) {
        begin += 1;
    }
    let (first, mut rest) = command.split_at(begin);
    let mut lines = vec![first];
    while !rest.is_empty() {
        let (words, further) = rest.split_at(if takes_value(rest) { 2 } else { 1 });
        lines.push(words);
        rest = further;
    }
    lines
}

fn operation(text: &mut String, entry: &Entry) {
    match &entry.state {
        State::Confirmed | State::Untried => {}
        State::Failed(why) => comment(text, &format!("Not confirmed: {}", one_line(why))),
    }
    for note in &entry.notes {
        comment(text, note);
    }
    let (operation, mapping) = (entry.operation, &entry.mapping);
    line(text, &format!("[operations.{:?}]", operation.name()));
    line(
        text,
        &format!(
            "tool = {}",
            inline::text(mapping.tools.first().map_or("", String::as_str))
        ),
    );
    if mapping
        .arguments
        .as_object()
        .is_some_and(|arguments| !arguments.is_empty())
    {
        let arguments = inline::value(&mapping.arguments, &|_, field| rank(operation, field));
        line(text, &format!("arguments = {arguments}"));
    }
    for (parameter, words) in &mapping.values {
        let words = words
            .iter()
            .map(|(value, word)| (value.as_str(), inline::value(word, &|_, _| 0)));
        line(
            text,
            &format!(
                "values.{} = {}",
                inline::key(parameter),
                inline::table(words)
            ),
        );
    }
    lists(text, mapping);
    results(text, entry);
    for (name, holds) in [
        ("create_only", mapping.create_only),
        ("existing_only", mapping.existing_only),
    ] {
        if holds {
            line(text, &format!("{name} = true"));
        }
    }
    if let Some(next) = &mapping.next {
        let fields = [
            ("argument", inline::text(&next.argument)),
            ("at", inline::text(&next.at)),
        ];
        line(text, &format!("next = {}", inline::table(fields)));
    }
}

fn lists(text: &mut String, mapping: &Mapping) {
    for (name, list) in [
        ("omit_when_empty", &mapping.omit_when_empty),
        ("json_arguments", &mapping.json_arguments),
        ("comma_arguments", &mapping.comma_arguments),
        ("text_arguments", &mapping.text_arguments),
    ] {
        if !list.is_empty() {
            line(text, &format!("{name} = {}", inline::list(list)));
        }
    }
}

fn results(text: &mut String, entry: &Entry) {
    let facts = entry.operation.facts();
    let shapes = &entry.mapping.result;
    let written =
        |name: &str, shape: &ResultShape| format!("{name} = {}", inline::shape(shape, facts));
    if shapes.differ() {
        line(text, &written("result.v1", shapes.of(1)));
        line(text, &written("result.v2", shapes.of(2)));
        return;
    }
    let shape = shapes.of(2);
    if *shape == ResultShape::default() {
        return;
    }
    let whole = written("result", shape);
    if whole.len() <= WIDTH || shape.facts.len() < 7 {
        line(text, &whole);
        return;
    }
    for (name, field) in inline::fields(shape) {
        line(text, &format!("result.{name} = {field}"));
    }
    for fact in facts {
        if let Some(pointer) = shape.facts.get(*fact) {
            line(
                text,
                &format!("result.facts.{fact} = {}", inline::text(pointer)),
            );
        }
    }
}

/// The order of arguments: what is fixed, then the parameters in their order.
fn rank(operation: Operation, field: &Value) -> usize {
    let used = template::texts(field)
        .into_iter()
        .flat_map(template::placeholders);
    let at = |name: &str| {
        operation
            .parameters()
            .iter()
            .position(|parameter| *parameter == name)
    };
    used.filter_map(at).min().map_or(0, |at| at + 1)
}

fn texts(table: &BTreeMap<String, String>) -> String {
    inline::table(
        table
            .iter()
            .map(|(name, value)| (name.as_str(), inline::text(value))),
    )
}

fn line(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

/// A comment, broken into lines.
fn comment(text: &mut String, words: &str) {
    let mut line = String::from("#");
    for word in words.split_whitespace() {
        if line.len() + word.len() >= WIDTH && line.len() > 1 {
            self::line(text, &line);
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    self::line(text, &line);
}

/// What was found, for the end of the command.
#[must_use]
pub fn summary(file: &str, found: &Findings) -> String {
    let mut text = String::new();
    let (all, confirmed) = (found.entries.len(), found.confirmed());
    let tools = found.tools.len();
    line(
        &mut text,
        &format!(
            "found      {all} operations in {tools} tools, {confirmed} of them confirmed by calls"
        ),
    );
    if let Some(untried) = &found.untried {
        line(&mut text, &format!("untried    {untried}"));
    }
    for entry in &found.entries {
        let tool = entry.mapping.tools.first().map_or("", String::as_str);
        match &entry.state {
            State::Failed(why) => {
                line(
                    &mut text,
                    &format!("uncertain  {} ({tool}): {}", entry.operation, one_line(why)),
                );
            }
            State::Untried if found.untried.is_none() => {
                line(
                    &mut text,
                    &format!("uncertain  {} ({tool}): not called", entry.operation),
                );
            }
            State::Confirmed | State::Untried => {}
        }
    }
    let missing: Vec<_> = found.missing().into_iter().map(Operation::name).collect();
    if !missing.is_empty() {
        line(&mut text, &format!("no tool    {}", missing.join(", ")));
    }
    if found.uses_token == Some(false) {
        line(
            &mut text,
            "token      no request to Vault had the token of the suite: see how the server gets its token",
        );
    }
    line(&mut text, &format!("written    {file}"));
    line(
        &mut text,
        &format!("next       vault-mcp-conformance check {file}"),
    );
    text
}
