//! Reads an adapter file. It collects all mistakes, so that one attempt shows them all.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};

use serde::Deserialize;
use serde_json::Value;
use toml::{
    Spanned,
    de::{DeTable, DeValue, ValueDeserializer},
};

use super::{
    Adapter, AdapterError, Mistake,
    launch::{
        HttpLaunch, LAUNCH_PLACEHOLDERS, Launch, MODE_PLACEHOLDERS, Mode, ModeSettings, Remote,
    },
    mapping::{Mapping, Problem},
    template,
};
use crate::{
    engines::{Kv, Operation},
    suggest::{self, did_you_mean},
};

/// The keys of an adapter file.
const KEYS: [&str; 16] = [
    "name",
    "extends",
    "title",
    "homepage",
    "build",
    "build_automatically",
    "stdio",
    "http",
    "remote",
    "modes",
    "limits",
    "budgets",
    "operations",
    "kv_versions",
    "mount",
    "never_call",
];

const NO_SSE: &str = "the transport HTTP+SSE of 2024-11-05 is not supported: the suite tests stdio and streamable HTTP";

/// How many mistakes are shown.
const ENOUGH: usize = 20;

/// A table of which an entry can be `false`: it takes back what `extends` brings.
struct Entries<K, V> {
    described: BTreeMap<K, V>,
    taken_back: BTreeSet<K>,
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    /// What is wrong, by where in the text.
    mistakes: Vec<(usize, String)>,
}

/// Reads an adapter; `file` is its name in errors, and `base` finds the adapter that it extends.
///
/// # Errors
/// All mistakes, each with its line and what was likely meant.
pub(super) fn read(
    file: &str,
    text: &str,
    base: impl FnOnce(&str) -> Result<Adapter, AdapterError>,
) -> Result<Adapter, AdapterError> {
    let mut reader = Reader {
        file,
        text,
        mistakes: Vec::new(),
    };
    let adapter = reader.adapter(base);
    match adapter {
        Some(adapter) if reader.mistakes.is_empty() => Ok(adapter),
        _ => Err(reader.error()),
    }
}

impl<'a> Reader<'a> {
    fn adapter(
        &mut self,
        base: impl FnOnce(&str) -> Result<Adapter, AdapterError>,
    ) -> Option<Adapter> {
        if let Some(advice) = client_configuration(self.text) {
            self.note(0, advice);
            return None;
        }
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            self.note(
                at,
                format!("this is not valid TOML: {}", suggest::syntax(error)),
            );
        }
        if !errors.is_empty() {
            return None;
        }
        let mut table = document.into_inner();
        self.unknown_keys(&table);
        let has = |key: &str| table.contains_key(key);
        let (started, is_remote) = (has("stdio") || has("http"), has("remote"));
        let (extends, is_named) = (has("extends"), has("name"));
        if !is_named {
            let advice =
                "the key \"name\" is missing; reports and baselines use it: name = \"my-server\"";
            self.note(0, advice);
        }
        if !(started || is_remote || extends) {
            let problem =
                "neither [stdio], [http] nor [remote] says how to start or reach the target";
            self.note_at(&["name"], "", problem);
        }
        if started && is_remote {
            let problem = "the suite does not start a target that already runs ([remote]): remove [stdio] and [http]";
            self.note_at(&["remote"], "", problem);
        }
        let base = self.take::<String>(&mut table, "extends").and_then(|name| {
            let found = base(&name);
            found
                .map_err(|error| self.note_at(&["extends"], "", &error))
                .ok()
        });
        let name: Option<String> = self.take(&mut table, "name");
        let title = self.take(&mut table, "title");
        let (stdio, http, remote) = self.launches(&mut table);
        let modes = self.entries(&mut table, "modes", Self::mode);
        let operations = self.entries(&mut table, "operations", Self::operation);
        let limits = self.take(&mut table, "limits");
        let budgets = self.take(&mut table, "budgets");
        let kv_versions = self.kv_versions(&mut table);
        let never_call = self.take(&mut table, "never_call").unwrap_or_default();
        let name = name.unwrap_or_default();
        let own = Adapter {
            title: title.unwrap_or_else(|| name.clone()),
            name,
            homepage: self.take(&mut table, "homepage"),
            build: self.take(&mut table, "build"),
            build_automatically: self
                .take(&mut table, "build_automatically")
                .unwrap_or_default(),
            stdio,
            http,
            remote,
            modes: modes.described,
            limits: limits.unwrap_or_default(),
            budgets: budgets.unwrap_or_default(),
            operations: operations.described,
            kv_versions: kv_versions.clone().unwrap_or_else(|| [1, 2].into()),
            mount: self.mount(&mut table),
            never_call,
        };
        let Some(mut base) = base else {
            if !extends {
                self.nothing_to_take_back(&modes.taken_back, &operations.taken_back);
            }
            self.check_never_call(&own);
            self.check_what_is_written(&own);
            return Some(own);
        };
        let modes = modes.taken_back.into_iter();
        let unknown = modes.filter(|mode| base.modes.remove(mode).is_none());
        let unknown_modes: BTreeSet<_> = unknown.collect();
        let operations = operations.taken_back.into_iter();
        let unknown = operations.filter(|operation| base.operations.remove(operation).is_none());
        let unknown_operations: BTreeSet<_> = unknown.collect();
        self.nothing_to_take_back(&unknown_modes, &unknown_operations);
        let whole = Adapter {
            limits: limits.unwrap_or(base.limits),
            budgets: budgets.unwrap_or(base.budgets),
            kv_versions: kv_versions.unwrap_or_else(|| base.kv_versions.clone()),
            never_call: &own.never_call | &base.never_call,
            ..own.over(base)
        };
        self.check_never_call(&whole);
        self.check_what_is_written(&whole);
        Some(whole)
    }

    /// Only a tool that writes secrets can create them, or change those that exist.
    fn check_what_is_written(&mut self, adapter: &Adapter) {
        let writes = [Operation::Kv(Kv::Write), Operation::Kv(Kv::WriteKey)];
        for (operation, mapping) in &adapter.operations {
            let problem = match (mapping.create_only, mapping.existing_only) {
                (true, true) => "a tool cannot be both create_only and existing_only",
                (true, false) | (false, true) if !writes.contains(operation) => {
                    "create_only and existing_only are for kv.write and kv.write_key"
                }
                _ => continue,
            };
            let name = operation.name();
            self.note_at(&["operations", name], "", format!("{name}: {problem}"));
        }
    }

    /// A tool that carries an operation out is called, whatever `never_call` says.
    fn check_never_call(&mut self, adapter: &Adapter) {
        let forbidden = |tool: &&String| adapter.never_call.contains(*tool);
        for (operation, mapping) in &adapter.operations {
            if let Some(tool) = mapping.tools.iter().find(forbidden) {
                let problem = format!(
                    "{operation} calls {tool:?}, which never_call forbids: remove one of them"
                );
                self.note_at(&["never_call"], tool, problem);
            }
        }
    }

    fn unknown_keys(&mut self, table: &DeTable<'_>) {
        for (key, value) in table.iter() {
            let (name, at) = (key.get_ref().as_ref(), key.span().start);
            let problem = match name {
                _ if KEYS.contains(&name) => continue,
                "command" | "env" | "url" | "headers" => {
                    format!("{name:?} belongs into a section: [stdio] or [http]")
                }
                "sse" => NO_SSE.to_owned(),
                "transport" | "type" if value.get_ref().as_str() == Some("sse") => {
                    NO_SSE.to_owned()
                }
                "transport" | "type" => {
                    format!("there is no key {name:?}: the sections [stdio] and [http] say it")
                }
                _ => format!("there is no key {name:?} here{}", did_you_mean(name, &KEYS)),
            };
            self.note(at, problem);
        }
    }

    /// What is `false` though nothing is there to be taken back.
    fn nothing_to_take_back(&mut self, modes: &BTreeSet<Mode>, operations: &BTreeSet<Operation>) {
        let modes = modes.iter().map(|mode| ("modes", mode.name()));
        let operations = operations
            .iter()
            .map(|operation| ("operations", operation.name()));
        for (table, name) in modes.chain(operations) {
            let problem = format!(
                "{name} = false takes back what `extends` brings, and it brings no {name}: leave it out"
            );
            self.note_at(&[table, name], "", problem);
        }
    }

    fn mount(&mut self, table: &mut DeTable<'a>) -> Option<String> {
        let mount: String = self.take(table, "mount")?;
        let is_path = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        let has_gap = mount.split('/').any(str::is_empty);
        if has_gap || !mount.chars().all(is_path) {
            let problem = "mount is the path of the only KV mount that the server works on, without a slash at its \
                           end: mount = \"secret\"";
            self.note_at(&["mount"], "", problem);
        }
        Some(mount)
    }

    fn kv_versions(&mut self, table: &mut DeTable<'a>) -> Option<BTreeSet<u8>> {
        let versions: BTreeSet<u8> = self.take(table, "kv_versions")?;
        if versions.is_empty() || versions.iter().any(|version| ![1, 2].contains(version)) {
            let problem = "kv_versions lists the versions of the KV engine that the server supports: [1], [2] or [1, 2]";
            self.note_at(&["kv_versions"], "", problem);
        }
        Some(versions)
    }

    /// The entries of a table, each with its key understood by `describe`.
    fn entries<K: Ord, V>(
        &mut self,
        table: &mut DeTable<'a>,
        key: &str,
        mut describe: impl FnMut(&mut Self, &str, Spanned<DeValue<'a>>) -> Option<(K, Option<V>)>,
    ) -> Entries<K, V> {
        let mut entries = Entries {
            described: BTreeMap::new(),
            taken_back: BTreeSet::new(),
        };
        let Some(value) = table.remove(key) else {
            return entries;
        };
        let at = value.span().start;
        let DeValue::Table(found) = value.into_inner() else {
            self.note(at, format!("{key} is a table: [{key}.NAME]"));
            return entries;
        };
        for (name, value) in found {
            match describe(self, name.get_ref(), value) {
                Some((key, Some(value))) => _ = entries.described.insert(key, value),
                Some((key, None)) => _ = entries.taken_back.insert(key),
                None => {}
            }
        }
        entries
    }

    /// A value that can be `false` in place of a description; none where it is wrong.
    fn description<T: Deserialize<'a>>(
        &mut self,
        name: &str,
        value: Spanned<DeValue<'a>>,
    ) -> Option<Option<T>> {
        let at = value.span().start;
        match value.get_ref() {
            DeValue::Boolean(false) => return Some(None),
            DeValue::Boolean(true) => {
                let problem = "`true` says nothing; describe it in a table, or take back with `false` what `extends` brings";
                self.note(at, format!("{name}: {problem}"));
                return None;
            }
            _ => {}
        }
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(described) => Some(Some(described)),
            Err(error) => {
                let at = error.span().map_or(at, |span| span.start);
                self.note(at, format!("{name}: {}", suggest::syntax(&error)));
                None
            }
        }
    }

    fn take<T: Deserialize<'a>>(&mut self, table: &mut DeTable<'a>, key: &str) -> Option<T> {
        let value = table.remove(key)?;
        let at = value.span().start;
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(value) => Some(value),
            Err(error) => {
                let at = error.span().map_or(at, |span| span.start);
                self.note(at, format!("{key}: {}", suggest::syntax(&error)));
                None
            }
        }
    }

    fn launches(
        &mut self,
        table: &mut DeTable<'a>,
    ) -> (Option<Launch>, Option<HttpLaunch>, Option<Remote>) {
        let stdio: Option<Launch> = self.take(table, "stdio");
        if let Some(launch) = &stdio {
            self.launch("stdio", launch, &[]);
        }
        let http: Option<HttpLaunch> = self.take(table, "http");
        if let Some(launch) = &http {
            let texts = [&launch.url].into_iter().chain(&launch.ready);
            let texts: Vec<_> = texts.chain(launch.headers.values()).collect();
            self.launch("http", &launch.launch(), &texts);
            self.url(&["http", "url"], &launch.url);
            self.headers(&["http", "headers"], &launch.headers);
        }
        let remote: Option<Remote> = self.take(table, "remote");
        if let Some(remote) = &remote {
            self.url(&["remote", "url"], &remote.url);
            self.headers(&["remote", "headers"], &remote.headers);
            self.placeholders(&["remote", "url"], &remote.url, &[]);
            for text in remote.headers.values() {
                let well_formed: Vec<_> = template::placeholders(text).collect();
                let is_variable =
                    |name: &&str| name.starts_with("env:") && well_formed.contains(name);
                let unknown = template::alike(text).find(|name| !is_variable(name));
                if let Some(name) = unknown {
                    let problem = format!(
                        "the placeholder {{{name}}} has no meaning here; {{env:NAME}} is the variable NAME of the suite's environment"
                    );
                    self.note_at(&["remote", "headers"], text, problem);
                }
            }
        }
        (stdio, http, remote)
    }

    fn launch(&mut self, section: &str, launch: &Launch, texts: &[&String]) {
        if launch.command.first().is_none_or(String::is_empty) {
            let problem = format!("the command of [{section}] names no program");
            self.note_at(&[section, "command"], "", problem);
        }
        if launch.container && launch.command.get(1).is_none_or(|word| word != "run") {
            let problem = format!(
                "with container = true the command of [{section}] is a `docker run` line: [\"docker\", \"run\", ...]"
            );
            self.note_at(&[section, "container"], "", problem);
        }
        let texts = launch
            .command
            .iter()
            .chain(launch.env.values())
            .chain(texts.iter().copied());
        for text in texts {
            let later = template::placeholders(text).find(|name| MODE_PLACEHOLDERS.contains(name));
            match later {
                Some(name) => {
                    let problem =
                        format!("the placeholder {{{name}}} can only be used within [modes.*]");
                    self.note_at(&[section], text, problem);
                }
                None => self.placeholders(&[section], text, &LAUNCH_PLACEHOLDERS),
            }
        }
    }

    fn url(&mut self, path: &[&str], url: &str) {
        let plausible = url.replace("{port}", "1").parse::<http::Uri>();
        if !plausible.is_ok_and(|uri| uri.scheme().is_some() && uri.host().is_some()) {
            let problem = format!(
                "{url:?} is not a valid address; an example is \"http://127.0.0.1:{{port}}/mcp\""
            );
            self.note_at(path, "", problem);
        }
    }

    fn headers(&mut self, path: &[&str], headers: &BTreeMap<String, String>) {
        for name in headers.keys() {
            if name.parse::<http::HeaderName>().is_err() {
                self.note_at(path, name, format!("{name:?} is not a valid header name"));
            }
        }
    }

    fn mode(
        &mut self,
        name: &str,
        value: Spanned<DeValue<'a>>,
    ) -> Option<(Mode, Option<ModeSettings>)> {
        let path = ["modes", name];
        let Some(mode) = Mode::named(name) else {
            let known = Mode::ALL.map(Mode::name);
            let problem = format!("there is no mode {name:?}{}", did_you_mean(name, &known));
            self.note_at(&path, "", problem);
            return None;
        };
        let settings: Option<ModeSettings> = self.description(name, value)?;
        let Some(settings) = settings else {
            return Some((mode, None));
        };
        let known: Vec<_> = LAUNCH_PLACEHOLDERS
            .into_iter()
            .chain(MODE_PLACEHOLDERS)
            .collect();
        for text in settings.texts() {
            self.placeholders(&path, text, &known);
        }
        self.headers(&path, &settings.headers);
        for url in settings.url.iter().chain(&settings.ready) {
            self.url(&path, url);
        }
        let mut command = settings.command.iter();
        if command.any(|command| command.first().is_none_or(String::is_empty)) {
            self.note_at(
                &path,
                "",
                format!("the command of [modes.{name}] names no program"),
            );
        }
        Some((mode, Some(settings)))
    }

    fn operation(
        &mut self,
        name: &str,
        value: Spanned<DeValue<'a>>,
    ) -> Option<(Operation, Option<Mapping>)> {
        let Some(operation) = Operation::named(name) else {
            self.no_operation(name, &value);
            return None;
        };
        let mapping: Option<Mapping> = self.description(name, value)?;
        if let Some(mapping) = &mapping {
            let problems = mapping.problems(operation);
            for Problem { field, text, what } in problems {
                self.note_at(&["operations", name, field], &text, what);
            }
            for text in template::texts(&mapping.arguments) {
                if let Some(what) = unknown_placeholder(text, operation.parameters()) {
                    let what = format!("{operation}: {what}");
                    self.note_at(&["operations", name, "arguments"], text, what);
                }
            }
        }
        Some((operation, mapping))
    }

    /// Notes an unknown operation, or names of operations that were written without quotes.
    fn no_operation(&mut self, name: &str, value: &Spanned<DeValue<'a>>) {
        let known = Operation::ALL.map(Operation::name);
        let names: Vec<_> = match value.get_ref() {
            DeValue::Table(parts) => parts
                .keys()
                .map(|part| format!("{name}.{}", part.get_ref()))
                .filter(|name| Operation::named(name).is_some())
                .collect(),
            _ => Vec::new(),
        };
        let problem = match names.first() {
            Some(name) => format!(
                "the name of an operation needs quotes, because a dot begins a table within a table: [operations.\"{name}\"]"
            ),
            None => format!(
                "there is no operation {name:?}{}",
                did_you_mean(name, &known)
            ),
        };
        self.note_at(&["operations", name], "", problem);
    }

    fn placeholders(&mut self, path: &[&str], text: &str, known: &[&str]) {
        if let Some(problem) = unknown_placeholder(text, known) {
            self.note_at(path, text, problem);
        }
    }

    /// Where the value on a path says `text`, or else where the last key of the path that is there stands.
    fn place(&self, path: &[&str], text: &str) -> usize {
        let Ok(document) = DeTable::parse(self.text) else {
            return 0;
        };
        let (mut at, mut value) = (0, None);
        let mut table = Some(document.get_ref());
        for key in path {
            let Some((key, found)) = table.and_then(|table| table.get_key_value(*key)) else {
                break;
            };
            (at, value) = (key.span().start, Some(found));
            table = found.get_ref().as_table();
        }
        let mut said = Vec::new();
        if let Some(value) = value {
            texts(value, &mut said);
        }
        said.sort_by_key(|(said, at)| (*said != text, *at));
        let mut found = said.iter().filter(|(said, _)| said.contains(text));
        let place = found.next().filter(|_| !text.is_empty());
        place.map_or(at, |(_, at)| *at)
    }

    fn note_at(&mut self, path: &[&str], text: &str, problem: impl Display) {
        self.note(self.place(path, text), problem);
    }

    fn note(&mut self, at: usize, problem: impl Display) {
        self.mistakes.push((at, problem.to_string()));
    }

    fn error(mut self) -> AdapterError {
        self.mistakes.sort_by_key(|(at, _)| *at);
        self.mistakes.dedup();
        let left_out = self.mistakes.len().saturating_sub(ENOUGH);
        let mistakes = self.mistakes.into_iter().take(ENOUGH);
        let mistakes = mistakes.map(|(at, problem)| Mistake {
            file: self.file.to_owned(),
            line: suggest::line_at(self.text, at),
            problem,
        });
        AdapterError::Wrong {
            mistakes: mistakes.collect(),
            left_out,
        }
    }
}

/// What to say of a placeholder in a text that is not known, or is misspelt.
fn unknown_placeholder(text: &str, known: &[&str]) -> Option<String> {
    if let Some(name) = template::shell_variables(text).find(|name| known.contains(name)) {
        return Some(format!(
            "write {{{name}}}: the dollar sign of ${{{name}}} would be sent as well"
        ));
    }
    let name = template::alike(text).find(|name| !known.contains(name))?;
    let hint = match known {
        [] => ": there are none".to_owned(),
        known => did_you_mean(&name.trim().to_lowercase().replace(['-', ' '], "_"), known),
    };
    Some(format!(
        "the placeholder {{{name}}} has no meaning here{hint}"
    ))
}

/// The keys and strings within a value, each with the place where it begins.
fn texts<'v>(value: &'v Spanned<DeValue<'_>>, into: &mut Vec<(&'v str, usize)>) {
    match value.get_ref() {
        DeValue::String(text) => into.push((text, value.span().start)),
        DeValue::Array(items) => items.iter().for_each(|item| texts(item, into)),
        DeValue::Table(fields) => {
            for (key, field) in fields {
                into.push((key.get_ref(), key.span().start));
                texts(field, into);
            }
        }
        _ => {}
    }
}

/// How an adapter begins for a server in an MCP client's configuration, where the text is one.
fn client_configuration(text: &str) -> Option<String> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let file: Value = serde_json::from_str(text).unwrap_or_default();
    let servers = ["mcpServers", "servers"].map(|key| file[key].as_object());
    let server = servers.into_iter().flatten().flatten().next();
    let begins = server.map(|(name, server)| {
        let words = server["command"].as_str().into_iter();
        let words = words.chain(server["args"].as_array().into_iter().flatten().filter_map(Value::as_str));
        let is_sse = ["type", "transport"].iter().any(|key| server[key] == "sse");
        match server["url"].as_str() {
            _ if is_sse => format!("; the server {name:?} cannot be tested: {NO_SSE}"),
            Some(url) => format!("; for the server {name:?} it begins with name = {name:?}, and [remote] with url = {url:?}"),
            None => format!(
                "; for the server {name:?} it begins with name = {name:?}, and [stdio] with command = {:?}",
                words.collect::<Vec<_>>()
            ),
        }
    });
    let what = match &begins {
        Some(_) => "this is the configuration of an MCP client",
        None => "this is JSON",
    };
    Some(format!(
        "{what}; an adapter is a TOML file (docs/writing-an-adapter.md){}",
        begins.unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests {
    use super::{Adapter, AdapterError};

    const BASE: &str = r#"name = "base"
[stdio]
command = ["server"]
[modes.read_only]
args = ["--read-only"]
[operations."kv.read"]
tool = "read"
[operations."pki.issue"]
tool = "issue"
"#;

    fn parse(text: &str) -> Result<Adapter, AdapterError> {
        Adapter::parse("mine.toml", text, |_| {
            Adapter::parse("base.toml", BASE, |_| panic!())
        })
    }

    fn mistakes(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn what_extends_brings_can_be_taken_back() {
        let adapter = parse(
            "name = 'fork'\nextends = 'base'\n[modes]\nread_only = false\n[operations]\n'pki.issue' = false",
        );
        let adapter = adapter.unwrap();
        assert!(adapter.modes.is_empty());
        let names: Vec<_> = adapter.operations.keys().map(|o| o.name()).collect();
        assert_eq!(names, ["kv.read"]);
    }

    #[test]
    fn only_what_extends_brings_can_be_taken_back() {
        let errors = mistakes(
            "name = 'fork'\nextends = 'base'\n[modes]\ntls = false\nread_only = true\n[operations]\n'kv.list' = false",
        );
        assert_eq!(
            errors,
            "mine.toml:4: tls = false takes back what `extends` brings, and it brings no tls: leave it out\n\
             mine.toml:5: read_only: `true` says nothing; describe it in a table, or take back with `false` what `extends` brings\n\
             mine.toml:7: kv.list = false takes back what `extends` brings, and it brings no kv.list: leave it out"
        );
        let alone = "name = 'x'\nstdio.command = ['x']\n[operations]\n'kv.read' = false";
        assert!(mistakes(alone).starts_with("mine.toml:4: kv.read = false"));
    }

    #[test]
    fn all_mistakes_are_listed_in_the_order_of_the_file() {
        let errors = mistakes(
            r#"nmae = "mine"
[stdio]
command = "server stdio --log {vault_adr}"
[http]
command = ["server"]
url = "localhost"
[operations.kv.read]
tool = "read"
[operations."kv.write"]
arguments = { mount = "{Mount}" }
[operations."kv.list"]
tool = "list"
arguments = { "{pth}" = "{ path }" }
result = { at = "keys", facts = { version = "/v" } }
"#,
        );
        let expected = [
            "mine.toml:1: there is no key \"nmae\" here; did you mean \"name\"?",
            "mine.toml:1: the key \"name\" is missing",
            "mine.toml:3: stdio: \"server stdio --log {vault_adr}\" is one text, and a list of words is needed: [\"server\", \"stdio\", \"--log\", \"{vault_adr}\"]",
            "mine.toml:6: \"localhost\" is not a valid address",
            "mine.toml:7: the name of an operation needs quotes, because a dot begins a table within a table: [operations.\"kv.read\"]",
            "mine.toml:9: kv.write: the key \"tool\" is missing",
            "mine.toml:13: kv.list: the placeholder {pth} has no meaning here; did you mean \"path\"?",
            "mine.toml:13: kv.list: the placeholder { path } has no meaning here; did you mean \"path\"?",
            "mine.toml:14: kv.list: \"keys\" is not a JSON pointer; did you mean \"/keys\"?",
            "mine.toml:14: kv.list has no fact",
        ];
        let lines: Vec<_> = errors.lines().collect();
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.starts_with(expected), "{line}\n{errors}");
        }
        assert_eq!(lines.len(), expected.len(), "{errors}");
    }

    #[test]
    fn a_clients_configuration_is_no_adapter_and_shows_how_one_begins() {
        let vs_code = r#"{ "servers": { "vault": { "command": "docker", "args": ["run", "-i", "vault-mcp"] } } }"#;
        let error = mistakes(vs_code);
        assert!(error.starts_with(
            "mine.toml:1: this is the configuration of an MCP client; an adapter is a TOML file"
        ));
        assert!(
            error.contains(r#"command = ["docker", "run", "-i", "vault-mcp"]"#),
            "{error}"
        );
        let remote = r#"{ "mcpServers": { "v": { "url": "http://127.0.0.1:8080/mcp" } } }"#;
        assert!(mistakes(remote).contains(r#"url = "http://127.0.0.1:8080/mcp""#));
        assert!(
            mistakes("{ /* a comment */ }").contains("this is JSON; an adapter is a TOML file")
        );
    }

    #[test]
    fn versions_of_kv_are_one_or_two() {
        let versions = |text: &str| {
            let text = format!("name = 'x'\nkv_versions = {text}\nstdio.command = ['x']");
            parse(&text).map(|adapter| adapter.kv_versions)
        };
        assert_eq!(versions("[2]").unwrap(), [2].into());
        for wrong in ["[]", "[3]", "2", "['2']"] {
            let error = versions(wrong).unwrap_err().to_string();
            assert!(error.starts_with("mine.toml:2: kv_versions"), "{error}");
        }
        let both = parse("name = 'x'\nstdio.command = ['x']").unwrap();
        assert_eq!(both.kv_versions, [1, 2].into());
    }

    #[test]
    fn what_is_never_called_carries_no_operation() {
        let text = "name = 'x'\nextends = 'base'\nnever_call = ['wipe', 'read']";
        let error = mistakes(text);
        assert_eq!(
            error,
            "mine.toml:3: kv.read calls \"read\", which never_call forbids: remove one of them"
        );
        let fine = parse("name = 'x'\nextends = 'base'\nnever_call = ['wipe']").unwrap();
        assert_eq!(fine.never_call, ["wipe".to_owned()].into());
    }

    #[test]
    fn words_of_a_parser_are_not_shown() {
        for (text, said) in [
            (
                "name = 5",
                "name: a text in quotes is needed, not the number 5",
            ),
            (
                "budgets = { call_seconds = '5' }",
                "budgets: a whole number is needed, not the text \"5\"",
            ),
            ("stdio = 5", "stdio: a table is needed, not the number 5"),
            (
                "limits.counts = 'call'",
                "limits: \"call\" is not valid here; did you mean \"calls\"?",
            ),
            ("sse.url = 'http://h/'", "HTTP+SSE"),
            ("command = ['x']", "\"command\" belongs into a section"),
        ] {
            let error = mistakes(text);
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn only_a_tool_that_writes_secrets_can_create_or_change_them_alone() {
        let adapter = |operation: &str, fields: &str| {
            parse(&format!(
                "name = 'x'\nstdio.command = ['x']\n[operations.'{operation}']\ntool = 't'\n{fields}"
            ))
        };
        for (operation, fields, told) in [
            (
                "kv.read",
                "create_only = true",
                "are for kv.write and kv.write_key",
            ),
            (
                "kv.write",
                "create_only = true\nexisting_only = true",
                "cannot be both",
            ),
        ] {
            let error = adapter(operation, fields).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
        assert!(adapter("kv.write", "existing_only = true").is_ok());
    }

    #[test]
    fn a_fixed_mount_is_a_path_without_gaps() {
        let adapter = |mount: &str| {
            parse(&format!(
                "name = 'x'\nmount = '{mount}'\nstdio.command = ['x']"
            ))
        };
        for wrong in ["", "secret/", "/secret", "a//b", "a b"] {
            let error = adapter(wrong).unwrap_err().to_string();
            assert!(error.contains("mine.toml:2: mount is the path"), "{error}");
        }
        assert_eq!(
            adapter("team/kv").unwrap().mount.as_deref(),
            Some("team/kv")
        );
    }

    #[test]
    fn results_can_differ_by_the_version_of_the_kv_engine() {
        let parse = |result: &str| {
            parse(&format!(
                "name = 'x'\nstdio.command = ['x']\n[operations.'kv.read']\ntool = 'r'\n{result}"
            ))
        };
        let adapter =
            parse("result.v1 = {}\nresult.v2 = { at = '/data', facts = { version = '/v' } }");
        let adapter = adapter.unwrap();
        let result = &adapter.operations.values().next().unwrap().result;
        assert_eq!(
            (result.of(1).at.as_str(), result.of(2).at.as_str()),
            ("", "/data")
        );
        assert!(!result.point_to("version"));
        for (wrong, said) in [
            ("result.v1 = {}", "needs both `v1` and `v2`"),
            (
                "result = { v1 = {}, v2 = {}, at = '/x' }",
                "what else it has belongs into one of these",
            ),
            (
                "result = { v1 = {}, v2 = { at = 'x' } }",
                "did you mean \"/x\"?",
            ),
            ("result.form = 'text'", "did you mean \"from\"?"),
        ] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(
                error.starts_with("mine.toml:5: ") && error.contains(said),
                "{error}"
            );
        }
    }
}
