//! The findings about an adapter: the tools that the server lists, compared with the arguments that the adapter sends,
//! and what calls of each operation showed.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
};

use serde::Serialize;
use serde_json::Value;

use crate::{
    adapter::{
        Adapter,
        mapping::{Mapping, ResultPart, ResultShape},
        template,
    },
    cause::tells_of_limit,
    engines::{Operation, mounts::Mounts},
    init::pages::asks_for_page,
    instance::Instance,
    mcp::transcript::Speaker,
    schema::problem,
    slot::Slot,
    suggest::closest,
    tap::Tap,
    transport::TransportKind,
};

/// The findings about an adapter.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Checked {
    /// The adapter's name for the server.
    pub target: String,
    /// Why the server cannot be used on a transport.
    pub unusable: Vec<String>,
    /// The transports on which the server was started or reached.
    pub transports: Vec<String>,
    /// The names of the tools that the server lists.
    pub tools: Vec<String>,
    /// What is wrong, the errors first.
    pub findings: Vec<Finding>,
    /// The result of each operation; each was performed once, on mounts of the suite's own.
    pub trials: Vec<Trial>,
    /// Defects of the server that the check came across.
    pub defects: Vec<String>,
    /// Operations that the adapter maps and that were not performed.
    pub untried: Vec<&'static str>,
    /// The operations that the adapter maps.
    pub mapped: Vec<&'static str>,
    /// The operations that the adapter does not map.
    pub unmapped: Vec<&'static str>,
    /// The modes that the adapter claims.
    pub modes: Vec<&'static str>,
    /// The limits on calls that the adapter declares.
    pub limits: Vec<String>,
}

/// How severe a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gravity {
    /// The adapter does not match the server.
    Error,
    /// It may be intended.
    Hint,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// How severe it is.
    pub gravity: Gravity,
    /// The operation that the finding is about.
    pub operation: Option<&'static str>,
    /// The finding, and a suggestion.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = self.operation {
            write!(f, "{operation}: ")?;
        }
        f.write_str(&self.text)
    }
}

/// What is to blame for a call that does not do what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The adapter does not match the server.
    Adapter,
    /// The server, as far as the check shows.
    Server,
}

/// One operation, performed once on a mount of the suite's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trial {
    /// The operation.
    pub operation: &'static str,
    /// The transport.
    pub transport: String,
    /// The version of the KV mount, if the operation is about one.
    pub kv_version: Option<u8>,
    /// Whether the adapter finds what Vault holds, or Vault has the effect.
    pub found: bool,
    /// What is to blame, if not.
    pub fault: Option<Fault>,
    /// Whether this proves that the adapter is wrong.
    pub is_proof: bool,
    /// What the server returned, with secrets redacted.
    pub text: String,
}

impl Trial {
    /// Whether both operations had the same result in the same circumstances, so that they share a line.
    fn shows_the_same_as(&self, other: &Self) -> bool {
        (&self.transport, self.kv_version, &self.text)
            == (&other.transport, other.kv_version, &other.text)
    }
}

impl Checked {
    /// The claims of an adapter, before they are compared with its server.
    #[must_use]
    pub fn of(adapter: &Adapter) -> Self {
        let (mapped, unmapped): (Vec<_>, Vec<_>) = Operation::ALL
            .into_iter()
            .partition(|operation| adapter.operations.contains_key(operation));
        let limits = [
            ("session", adapter.limits.session),
            ("global", adapter.limits.global),
        ];
        Self {
            target: adapter.name.clone(),
            untried: mapped.iter().map(|operation| operation.name()).collect(),
            mapped: mapped.into_iter().map(Operation::name).collect(),
            unmapped: unmapped.into_iter().map(Operation::name).collect(),
            modes: adapter.modes.keys().map(|mode| mode.name()).collect(),
            limits: limits
                .into_iter()
                .filter_map(|(name, limit)| Some(format!("{name} {}", limit?)))
                .collect(),
            ..Self::default()
        }
    }

    /// Adds the results of operations that were performed.
    pub(crate) fn note_trials(&mut self, trials: Vec<Trial>) {
        for trial in &trials {
            self.untried.retain(|untried| *untried != trial.operation);
        }
        self.trials.extend(trials);
    }

    /// Records whether the server uses the token that it was given, and the mount that the adapter names. If not, all
    /// calls fail for that: their failures are left out. Returns whether it does.
    pub(crate) fn note_requests(&mut self, adapter: &Adapter, slot: &Slot) -> bool {
        let Some(exchanges) = slot.tap.as_ref().map(Tap::exchanges) else {
            return true;
        };
        let failed = self.trials.iter().filter(|trial| !trial.found).count();
        // A wrong adapter can be the reason, too.
        let is_right = self.findings_of(Gravity::Error).next().is_none();
        let is_unreached = exchanges.is_empty() && failed > 0 && failed == self.trials.len();
        let is_unreached = is_unreached && is_right;
        let other_mount = adapter.mount.as_ref().and_then(|fixed| {
            let requested = exchanges.iter().filter_map(|exchange| {
                let path = exchange.path.strip_prefix("/v1/")?;
                let path = path.strip_prefix("sys/internal/ui/mounts/").unwrap_or(path);
                path.split('/').next().filter(|first| *first != "sys")
            });
            let requested: BTreeSet<_> = requested.collect();
            let is_in_fixed = |mount: &&str| fixed.split('/').next() == Some(*mount);
            let other = !requested.is_empty() && !requested.iter().any(is_in_fixed);
            let requested: Vec<_> = requested.into_iter().collect();
            other.then(|| {
                format!(
                    "no request to Vault was about the mount {fixed:?} (mount = {fixed:?}), but about {}",
                    requested.join(", ")
                )
            })
        });
        let text = match other_mount {
            _ if is_unreached => {
                "the server sent no request to the suite's Vault: pass {vault_addr} in the variable or the argument that \
                 names Vault's address. It may have used another Vault"
                    .to_owned()
            }
            _ if slot.uses_its_token() == Some(false) => {
                "no request to Vault had the token that the suite made for the server: pass {vault_token} in `env`, \
                 or in `headers` if the server takes the token from each request"
                    .to_owned()
            }
            Some(text) => text,
            None => return true,
        };
        self.trials.retain(|trial| trial.found);
        self.findings.push(Finding {
            gravity: Gravity::Error,
            operation: None,
            text,
        });
        false
    }

    /// Leaves out the failures of calls that follow from an error in how the adapter maps the operation.
    pub(crate) fn leave_out_consequences(&mut self) {
        self.findings.sort();
        self.findings.dedup();
        let wrong = |operation: &str| {
            let mut findings = self.findings.iter();
            findings.any(|finding| {
                finding.gravity == Gravity::Error && finding.operation == Some(operation)
            })
        };
        (self.trials).retain(|trial| trial.fault != Some(Fault::Server) || !wrong(trial.operation));
    }

    /// Records a line on standard output that is no message.
    pub(crate) fn note_noise(&mut self, slot: &Slot) {
        let transcript = slot.instance.connection.transcript();
        if let Some(line) = transcript.last_words(Speaker::Noise, 1).first() {
            let line = slot.secrets().redact(line);
            let shown: String = line.chars().take(200).collect();
            self.defects.push(format!(
                "the server writes lines to standard output that are no messages, such as {shown:?}"
            ));
        }
    }

    /// Suggests `kv_versions` if no call in one version of the KV engine works, and all in the other do.
    pub(crate) fn note_kv_versions(&mut self) {
        let tried = |version: u8| {
            let trials = self.trials.iter();
            let of_version = trials.filter(move |trial| trial.kv_version == Some(version));
            of_version.map(|trial| trial.fault).collect::<Vec<_>>()
        };
        let fails = |faults: &[Option<Fault>]| {
            let is_servers = |fault: &Option<Fault>| *fault == Some(Fault::Server);
            !faults.is_empty() && faults.iter().all(is_servers)
        };
        let works = |faults: &[Option<Fault>]| faults.iter().any(Option::is_none);
        for (broken, other) in [(1, 2), (2, 1)] {
            if fails(&tried(broken)) && works(&tried(other)) {
                self.findings.push(Finding {
                    gravity: Gravity::Error,
                    operation: None,
                    text: format!(
                        "no call in a KV version {broken} mount works: write kv_versions = [{other}] at the top of the \
                         file, if the server supports version {other} alone"
                    ),
                });
            }
        }
    }

    /// Suggests a declaration if the server limits calls and the adapter declares no limit.
    pub(crate) fn note_limits(&mut self, adapter: &Adapter) {
        let is_limited = |trial: &&Trial| tells_of_limit(&trial.text);
        let limited = self
            .trials
            .iter()
            .find(|trial| !trial.found && is_limited(trial));
        if let Some(trial) = limited.filter(|_| !adapter.limits.are_declared()) {
            let operation = trial.operation;
            self.findings.push(Finding {
                gravity: Gravity::Error,
                operation: Some(operation),
                text: "the server limits the rate of calls: declare the limit in [limits], so that the suite keeps to it"
                    .to_owned(),
            });
        }
    }

    /// Compares the adapter with a server's tools, and adds the findings.
    pub fn hold_against(&mut self, adapter: &Adapter, tools: &[Value]) {
        let names: Vec<String> = tools
            .iter()
            .filter_map(|tool| Some(tool["name"].as_str()?.to_owned()))
            .collect();
        for (operation, mapping) in &adapter.operations {
            let found = check(*operation, mapping, &names, tools, adapter.mount.is_some());
            self.findings
                .extend(found.into_iter().map(|(gravity, text)| Finding {
                    gravity,
                    operation: Some(operation.name()),
                    text,
                }));
        }
        let called: BTreeSet<_> = adapter
            .operations
            .values()
            .filter_map(|mapping| mapping.tool(&names))
            .collect();
        let hint = |text: String| Finding {
            gravity: Gravity::Hint,
            operation: None,
            text,
        };
        let idle = names.iter().map(String::as_str);
        let idle: Vec<_> = idle.filter(|name| !called.contains(name)).collect();
        let (forbidden, idle): (Vec<_>, Vec<_>) = idle
            .into_iter()
            .partition(|name| adapter.never_call.contains(*name));
        if !idle.is_empty() {
            self.findings.push(hint(format!(
                "no operation maps {}: {}; some scenarios call such tools with made-up arguments, except those in never_call",
                counted(idle.len(), "tool"),
                idle.join(", ")
            )));
        }
        if !forbidden.is_empty() {
            let forbidden = forbidden.join(", ");
            self.findings
                .push(hint(format!("never called: {forbidden}")));
        }
        let hidden = called
            .iter()
            .filter(|name| !names.iter().any(|n| n == *name));
        let hidden: Vec<_> = hidden.copied().collect();
        if !hidden.is_empty() {
            self.findings.push(hint(format!(
                "tools/list does not have {}: {}; called anyway (hidden = true)",
                counted(hidden.len(), "tool"),
                hidden.join(", ")
            )));
        }
        let is_missing = |tool: &&String| !names.contains(tool);
        for tool in adapter.never_call.iter().filter(is_missing) {
            let guess = closest(tool, names.iter().map(String::as_str));
            let guess = guess.map_or(String::new(), |name| format!("; did you mean {name:?}?"));
            self.findings.push(hint(format!(
                "never_call names {tool:?}, which the server does not list{guess}"
            )));
        }
        self.findings.sort();
        self.findings.dedup();
        self.tools.extend(names);
        self.tools.sort();
        self.tools.dedup();
    }

    /// Records that the server cannot be used on a transport.
    pub(crate) fn note_unusable(&mut self, transport: TransportKind, problem: &str) {
        self.unusable.push(format!("over {transport}: {problem}"));
    }

    /// Whether the adapter matches the server.
    #[must_use]
    pub fn fits(&self) -> bool {
        let wrong = |finding: &Finding| finding.gravity == Gravity::Error;
        self.unusable.is_empty()
            && !self.findings.iter().any(wrong)
            && !(self.trials.iter()).any(|trial| trial.fault == Some(Fault::Adapter))
    }

    /// Whether the check came across no defect of the server.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let is_servers = |trial: &Trial| trial.fault == Some(Fault::Server);
        self.defects.is_empty() && !self.trials.iter().any(is_servers)
    }

    /// The findings as text for readers.
    #[must_use]
    pub fn text(&self) -> String {
        let list = |names: &[&str]| match names {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        let mut text = String::new();
        let mut line = |label: &str, rest: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{label:<9} {rest}");
        };
        line(
            "server",
            &format!("{}   {}", self.target, self.transports.join(" + ")),
        );
        line("mapped", &list(&self.mapped));
        line("unmapped", &list(&self.unmapped));
        line("modes", &list(&self.modes));
        line(
            "limits",
            &list(&self.limits.iter().map(String::as_str).collect::<Vec<_>>()),
        );
        line("", "");
        for problem in &self.unusable {
            line("unusable", problem);
        }
        for finding in self.findings_of(Gravity::Error) {
            line("error", &finding.to_string());
        }
        let mut trials: Vec<(&Trial, Vec<&str>)> = Vec::new();
        for trial in &self.trials {
            match trials.last_mut() {
                Some((last, operations)) if last.shows_the_same_as(trial) => {
                    operations.push(trial.operation);
                }
                _ => trials.push((trial, vec![trial.operation])),
            }
        }
        for (trial, operations) in trials {
            let label = match trial.fault {
                None => "ok",
                Some(Fault::Adapter) => "error",
                Some(Fault::Server) => "server",
            };
            let version = trial
                .kv_version
                .map(|version| format!(", KV version {version}"));
            let (operations, transport) = (operations.join(", "), &trial.transport);
            let version = version.unwrap_or_default();
            line(
                label,
                &format!("{operations} ({transport}{version}): {}", trial.text),
            );
        }
        for defect in &self.defects {
            line("server", defect);
        }
        for finding in self.findings_of(Gravity::Hint) {
            line("hint", &finding.to_string());
        }
        if !self.untried.is_empty() {
            let untried = self.untried.join(", ");
            let why = "not performed, only their arguments were compared with the schema";
            line("untried", &format!("{untried}: {why}"));
        }
        let (wrong, defects, hints) = self.count();
        line("", "");
        let defects = match defects {
            0 => String::new(),
            _ => format!(", {} of the server", counted(defects, "defect")),
        };
        line(
            if self.fits() { "fits" } else { "wrong" },
            &format!(
                "{}, {}{defects}",
                counted(wrong, "error"),
                counted(hints, "hint")
            ),
        );
        let lines: Vec<_> = text.lines().map(str::trim_end).collect();
        lines.join("\n") + "\n"
    }

    fn findings_of(&self, gravity: Gravity) -> impl Iterator<Item = &Finding> {
        let findings = self.findings.iter();
        findings.filter(move |finding| finding.gravity == gravity)
    }

    /// The numbers of errors in the adapter, defects of the server, and hints.
    fn count(&self) -> (usize, usize, usize) {
        let errors = self.findings_of(Gravity::Error).count();
        let of = |fault| {
            let trials = self.trials.iter();
            trials.filter(|trial| trial.fault == Some(fault)).count()
        };
        let wrong = errors + of(Fault::Adapter) + self.unusable.len();
        let defects = of(Fault::Server) + self.defects.len();
        (wrong, defects, self.findings.len() - errors)
    }
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// What the arguments of an adapter contradict in the schemas of a server's tools, one sentence each. A schema that is
/// invalid proves nothing.
pub(crate) fn mismatches(adapter: &Adapter, instance: &Instance) -> Vec<String> {
    let mut all = Vec::new();
    for (operation, mapping) in &adapter.operations {
        let Some(name) = mapping.tool(&instance.tool_names) else {
            continue;
        };
        let tool = instance.tools.iter().find(|tool| tool["name"] == name);
        let schema = tool.map(|tool| &tool["inputSchema"]);
        let is_valid = |schema: &&Value| problem(schema, instance.server.revision, true).is_none();
        if let Some(schema) = schema.filter(is_valid) {
            let mut found = Vec::new();
            arguments(*operation, mapping, name, schema, &mut found);
            let errors = found
                .into_iter()
                .filter(|(gravity, _)| *gravity == Gravity::Error);
            all.extend(errors.map(|(_, text)| format!("{}: {text}", operation.name())));
        }
    }
    all
}

/// The findings about one mapping.
fn check(
    operation: Operation,
    mapping: &Mapping,
    names: &[String],
    tools: &[Value],
    is_fixed: bool,
) -> Vec<(Gravity, String)> {
    let Some(name) = mapping.tool(names) else {
        let wanted: Vec<_> = mapping
            .tools
            .iter()
            .map(|tool| format!("{tool:?}"))
            .collect();
        let first = mapping.tools.first().map_or("", String::as_str);
        let listed: Vec<_> = names.iter().map(String::as_str).collect();
        let guess = closest(first, listed.iter().copied()).map_or_else(
            || format!("; it lists {}", listed.join(", ")),
            |name| format!("; did you mean {name:?}?"),
        );
        let problem = format!("the server has no tool {}{guess}", wanted.join(" or "));
        return vec![(Gravity::Error, problem)];
    };
    let mut found = left_out(operation, mapping, is_fixed);
    // A hidden tool has no schema to compare with.
    let Some(tool) = tools.iter().find(|tool| tool["name"] == name) else {
        return found;
    };
    if mapping.hidden {
        let listed = format!("the tool {name:?} is listed: hidden = true is not needed");
        found.push((Gravity::Hint, listed));
    }
    arguments(operation, mapping, name, &tool["inputSchema"], &mut found);
    found
}

/// What an operation offers and its mapping does not use.
fn left_out(operation: Operation, mapping: &Mapping, is_fixed: bool) -> Vec<(Gravity, String)> {
    let mut found = Vec::new();
    let sent: BTreeSet<_> = template::texts(&mapping.arguments)
        .into_iter()
        .flat_map(template::placeholders)
        .collect();
    for parameter in operation.parameters() {
        // The description of a mount is not needed.
        let needless = operation == Operation::Mounts(Mounts::Create)
            && *parameter == "description"
            || is_fixed && matches!(operation, Operation::Kv(_)) && *parameter == "mount";
        if !needless && !sent.contains(parameter) {
            let problem = format!("its parameter {{{parameter}}} is used in no argument");
            found.push((Gravity::Hint, problem));
        }
    }
    // Prose has no place to point to.
    let is_prose =
        |shape: &ResultShape| matches!(shape.from, ResultPart::Text | ResultPart::TextLines);
    let prose = mapping.result.all().any(is_prose);
    let facts = operation.facts().iter();
    let missing: Vec<_> = facts
        .filter(|fact| !prose && !mapping.result.point_to(fact))
        .map(|fact| format!("{fact:?}"))
        .collect();
    if !missing.is_empty() {
        let problem = format!(
            "it points to no fact {}: requirements about it are checked less strictly, or not at all",
            missing.join(", ")
        );
        found.push((Gravity::Hint, problem));
    }
    found
}

/// Compares the arguments that the adapter sends with the tool's schema.
fn arguments(
    operation: Operation,
    mapping: &Mapping,
    tool: &str,
    schema: &Value,
    found: &mut Vec<(Gravity, String)>,
) {
    let Some(known) = schema["properties"].as_object() else {
        return;
    };
    let nothing = serde_json::Map::new();
    let sent = mapping.arguments.as_object().unwrap_or(&nothing);
    let required = schema["required"].as_array().into_iter().flatten();
    for name in required.filter_map(Value::as_str) {
        if !sent.contains_key(name) {
            let problem = format!("{tool} requires the argument {name:?}, which is never sent");
            found.push((Gravity::Error, problem));
        } else if mapping
            .omit_when_empty
            .iter()
            .any(|omitted| omitted == name)
        {
            let problem =
                format!("{tool} requires the argument {name:?}, which is omitted if empty");
            found.push((Gravity::Hint, problem));
        }
    }
    let names: Vec<_> = known.keys().map(String::as_str).collect();
    pages(operation, mapping, tool, &names, found);
    let open = schema["additionalProperties"] == true || schema["additionalProperties"].is_object();
    for (name, value) in sent {
        match known.get(name) {
            None if open => {}
            None => {
                let guess = match value.as_str() {
                    Some("{mount}") => "; for a server that works on one KV mount, remove it and write mount = \"PATH\" at the \
                                        top of the file"
                        .to_owned(),
                    _ => meant(name, &names),
                };
                let problem = format!("{tool} does not know the argument {name:?}{guess}");
                found.push((Gravity::Error, problem));
            }
            Some(expected) => {
                for sample in samples(operation, mapping, name, value) {
                    if let Some(problem) = contradicts(expected, &sample) {
                        let text = expected["type"] == "string";
                        let advice = match &sample {
                            Value::Object(_) if text => {
                                format!("; add json_arguments = [{name:?}]")
                            }
                            Value::Array(_) if text => {
                                format!("; add comma_arguments = [{name:?}], or json_arguments")
                            }
                            _ => String::new(),
                        };
                        let problem = format!("the argument {name:?} of {tool} {problem}{advice}");
                        found.push((Gravity::Error, problem));
                        break;
                    }
                }
            }
        }
    }
}

/// The argument that was likely meant, or all arguments of the tool.
fn meant(name: &str, known: &[&str]) -> String {
    closest(name, known.iter().copied()).map_or_else(
        || format!("; it knows {}", known.join(", ")),
        |name| format!("; did you mean {name:?}?"),
    )
}

/// The argument that asks for the next page, against those that the tool knows.
fn pages(
    operation: Operation,
    mapping: &Mapping,
    tool: &str,
    names: &[&str],
    found: &mut Vec<(Gravity, String)>,
) {
    match &mapping.next {
        Some(next) if !names.contains(&next.argument.as_str()) => {
            let guess = meant(&next.argument, names);
            let argument = &next.argument;
            let problem =
                format!("{tool} does not know the argument {argument:?} of `next`{guess}");
            found.push((Gravity::Error, problem));
        }
        None if operation.lists() => {
            let sent = mapping.arguments.as_object();
            let is_sent = |name: &&str| sent.is_some_and(|sent| sent.contains_key(*name));
            let page = names
                .iter()
                .find(|name| asks_for_page(name) && !is_sent(name));
            let hint = page.map(|page| {
                format!("{tool} has the argument {page:?}: if it lists in pages, describe that with `next`")
            });
            found.extend(hint.map(|hint| (Gravity::Hint, hint)));
        }
        _ => {}
    }
}

/// Values that an argument has when the operation is performed.
fn samples(operation: Operation, mapping: &Mapping, name: &str, value: &Value) -> Vec<Value> {
    let versions = [1, 2].map(|version| {
        let sample = |parameter: &&str| match *parameter {
            "version" => ((*parameter).to_owned(), Value::from(version)),
            "data" => (
                (*parameter).to_owned(),
                serde_json::json!({ "key": "value" }),
            ),
            "key_type" => ((*parameter).to_owned(), Value::from("ec")),
            "key_bits" => ((*parameter).to_owned(), Value::from(256)),
            "allowed_domains" | "alt_names" | "ip_sans" => {
                ((*parameter).to_owned(), serde_json::json!(["text"]))
            }
            flag if flag.starts_with("allow_") => (flag.to_owned(), Value::from(version == 1)),
            other => (other.to_owned(), Value::from("text")),
        };
        operation.parameters().iter().map(sample).collect()
    });
    let constant = template::texts(value)
        .into_iter()
        .all(|text| template::placeholders(text).next().is_none());
    versions
        .iter()
        .take(if constant { 1 } else { 2 })
        .filter_map(|parameters| mapping.arguments(parameters).get(name).cloned())
        .collect()
}

/// How a value contradicts a schema, if that is certain.
fn contradicts(schema: &Value, value: &Value) -> Option<String> {
    let kinds: Vec<_> = match &schema["type"] {
        Value::String(kind) => vec![kind.as_str()],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is = |kind: &&str| match *kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        _ => true,
    };
    if !kinds.is_empty() && !kinds.iter().any(is) {
        let sent = match value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        return Some(format!(
            "is {sent}, and should be of type {}",
            kinds.join(" or ")
        ));
    }
    let allowed = schema["enum"].as_array()?;
    (!allowed.contains(value)).then(|| {
        let allowed: Vec<_> = allowed.iter().map(Value::to_string).collect();
        format!("is {value}, and should be one of {}", allowed.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Adapter, Checked, Fault, Gravity, Trial};

    fn findings(operations: &str) -> Vec<(Gravity, String)> {
        let text = format!("name = 'x'\n[stdio]\ncommand = ['x']\n{operations}");
        let adapter = Adapter::parse("x.toml", &text, |_| panic!()).unwrap();
        let tools = [
            json!({ "name": "read_secret", "inputSchema": {
                "properties": {
                    "mount": { "type": "string" },
                    "path": { "type": "string" },
                    "version": { "type": "integer" },
                    "kind": { "type": "string", "enum": ["kv", "kv2"] },
                },
                "required": ["mount", "path"],
            } }),
            json!({ "name": "spare", "inputSchema": {} }),
        ];
        let mut checked = Checked::of(&adapter);
        checked.hold_against(&adapter, &tools);
        let spare = "no operation maps 1 tool: spare; ";
        let rest = (checked.findings.into_iter()).filter(|f| !f.text.starts_with(spare));
        rest.map(|finding| (finding.gravity, finding.text))
            .collect()
    }

    fn about(arguments: &str) -> Vec<(Gravity, String)> {
        findings(&format!(
            "[operations.'kv.read_version']\ntool = 'read_secret'\narguments = {{ mount = '{{mount}}', {arguments} }}\nresult.facts.version = '/v'"
        ))
    }

    fn only(found: &[(Gravity, String)], gravity: Gravity, part: &str) {
        let mut of_that = found.iter().filter(|(other, _)| *other == gravity);
        let (first, second) = (of_that.next(), of_that.next());
        assert!(
            first.is_some_and(|(_, text)| text.contains(part)) && second.is_none(),
            "{found:?}"
        );
    }

    #[test]
    fn an_adapter_that_fits_has_nothing_to_be_told() {
        assert_eq!(
            about("path = '{path}', version = '{version}', kind = 'kv'"),
            []
        );
    }

    #[test]
    fn a_tool_that_is_missing_is_told_with_the_closest() {
        let found = findings("[operations.'kv.read']\ntool = 'read_secrets'\n");
        assert!(found.contains(&(
            Gravity::Error,
            "the server has no tool \"read_secrets\"; did you mean \"read_secret\"?".to_owned()
        )));
    }

    #[test]
    fn a_required_argument_that_is_never_sent_is_an_error() {
        only(
            &about("version = 1"),
            Gravity::Error,
            "requires the argument \"path\"",
        );
    }

    #[test]
    fn an_argument_that_the_tool_does_not_know_is_told_with_the_closest() {
        let found = about("path = '{path}', verison = 1");
        only(&found, Gravity::Error, "did you mean \"version\"?");
    }

    #[test]
    fn a_value_of_another_type_or_out_of_the_list_is_an_error() {
        let found = about("path = '{path}', version = 'v{version}'");
        only(
            &found,
            Gravity::Error,
            "is a string, and should be of type integer",
        );
        let found = about("path = '{path}', kind = 'kv3'");
        only(&found, Gravity::Error, "should be one of \"kv\", \"kv2\"");
    }

    #[test]
    fn an_object_for_an_argument_that_is_text_is_told_how_to_be_sent_as_text() {
        let found = about("path = { p = '{path}', v = '{version}' }");
        only(
            &found,
            Gravity::Error,
            "is an object, and should be of type string; add json_arguments = [\"path\"]",
        );
    }

    #[test]
    fn a_parameter_that_is_not_sent_and_a_fact_that_is_not_pointed_to_are_hints() {
        only(
            &about("path = '{path}'"),
            Gravity::Hint,
            "its parameter {version} is used in no argument",
        );
        let found = findings(
            "[operations.'kv.read']\ntool = 'read_secret'\narguments = { mount = '{mount}', path = '{path}' }",
        );
        only(&found, Gravity::Hint, "it points to no fact \"version\": ");
    }

    fn trial(operation: &'static str, text: &str, fault: Option<Fault>) -> Trial {
        Trial {
            operation,
            transport: "stdio".to_owned(),
            kv_version: Some(2),
            found: fault.is_none(),
            fault,
            is_proof: false,
            text: text.to_owned(),
        }
    }

    #[test]
    fn what_was_not_performed_is_told_and_what_had_the_same_result_shares_a_line() {
        let text = "name = 'x'\n[stdio]\ncommand = ['x']\n[operations]\n'kv.read'.tool = 'r'\n'kv.purge'.tool = 'p'\n'kv.write'.tool = 'w'\n'kv.delete'.tool = 'd'";
        let adapter = Adapter::parse("x.toml", text, |_| panic!()).unwrap();
        let mut checked = Checked::of(&adapter);
        checked.note_trials(vec![
            trial("kv.write", "it works", None),
            trial("kv.delete", "it works", None),
            trial("kv.read", "an error: no", Some(Fault::Server)),
        ]);
        assert_eq!(checked.untried, ["kv.purge"]);
        for line in [
            "untried   kv.purge: not performed, only their arguments were compared with the schema\n",
            "ok        kv.write, kv.delete (stdio, KV version 2): it works\n",
            "server    kv.read (stdio, KV version 2): an error: no\n",
            "fits      0 errors, 0 hints, 1 defect of the server\n",
        ] {
            assert!(checked.text().contains(line), "{}", checked.text());
        }
        assert!(checked.fits() && !checked.is_sound());
    }

    #[test]
    fn a_version_in_which_nothing_works_is_told_with_the_setting() {
        let text = "name = 'x'\n[stdio]\ncommand = ['x']\n[operations]\n'kv.read'.tool = 'r'";
        let mut checked = Checked::of(&Adapter::parse("x.toml", text, |_| panic!()).unwrap());
        let first = Trial {
            kv_version: Some(1),
            ..trial("kv.read", "an error: no", Some(Fault::Server))
        };
        checked.note_trials(vec![first, trial("kv.read", "it works", None)]);
        checked.note_kv_versions();
        assert!(
            checked.text().contains("kv_versions = [2]"),
            "{}",
            checked.text()
        );
    }

    #[test]
    fn a_limit_that_is_not_declared_is_an_error_of_the_adapter() {
        let text = "name = 'x'\n[stdio]\ncommand = ['x']\n[operations]\n'kv.read'.tool = 'r'";
        let mut checked = Checked::of(&Adapter::parse("x.toml", text, |_| panic!()).unwrap());
        let limited = "the server returned an error: rate limit exceeded";
        checked.note_trials(vec![trial("kv.read", limited, Some(Fault::Server))]);
        let declared = format!("{text}\n[limits]\nsession = '10:10'");
        checked.note_limits(&Adapter::parse("x.toml", &declared, |_| panic!()).unwrap());
        assert!(checked.fits());
        checked.note_limits(&Adapter::parse("x.toml", text, |_| panic!()).unwrap());
        assert!(!checked.fits() && checked.text().contains("[limits]"));
    }

    #[test]
    fn a_tool_that_is_hidden_is_a_hint() {
        let found = findings("[operations.'kv.read']\ntool = 'secret'\nhidden = true\n");
        assert!(
            found.iter().all(|(gravity, _)| *gravity == Gravity::Hint),
            "{found:?}"
        );
        assert!(
            found.iter().any(|(_, text)| text
                == "tools/list does not have 1 tool: secret; called anyway (hidden = true)"),
            "{found:?}"
        );
    }
}
