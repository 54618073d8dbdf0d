//! Which argument of a tool takes which parameter of an operation, and how it is written in an adapter.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    name::words,
    tools::{Argument, Form, Kind},
    words::{
        CONFIRMATIONS, ENGINE_ARGUMENTS, ENGINE_TYPES, Names, PAGES, each, flags, has,
        of_parameter, position,
    },
};
use crate::{
    adapter::{
        mapping::{Mapping, Shapes},
        template,
    },
    engines::{Kv, Mounts, Operation, Pki},
};

/// How a tool takes the place of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placing {
    /// In an argument for the mount and one for the path.
    Apart,
    /// In one argument, the path behind the mount.
    Together,
    /// In one argument, as in Vault's own API for KV version 2: the mount, `data` or `metadata`, the path.
    AsInVault,
    /// The server works on one mount; only the path is given.
    PathAlone,
}

impl Placing {
    /// Whether the server works on one mount only.
    pub(crate) fn is_for_one_mount(self) -> bool {
        self == Self::PathAlone
    }
}

/// A tool call that may perform an operation.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) mapping: Mapping,
    pub(crate) placing: Placing,
    /// Parameters of the operation that no argument takes.
    pub(crate) left_over: Vec<&'static str>,
    /// How well the names of the arguments fit, from 0 to 1.
    pub(crate) fit: f64,
    /// Required arguments that nothing fills.
    pub(crate) open: Vec<Argument>,
    /// What was assumed, for readers.
    pub(crate) assumed: Vec<String>,
}

struct Builder<'f> {
    operation: Operation,
    form: &'f Form,
    arguments: Value,
    values: BTreeMap<String, BTreeMap<String, Value>>,
    omit_when_empty: Vec<String>,
    json_arguments: Vec<String>,
    comma_arguments: Vec<String>,
    text_arguments: Vec<String>,
    assumed: Vec<String>,
    /// The places of the arguments that are filled.
    filled: Vec<Vec<String>>,
}

/// The ways to call a tool for an operation, the likeliest first; none if it lacks what the operation needs.
pub(crate) fn drafts(operation: Operation, form: &Form, needs: Names) -> Vec<Draft> {
    let placings: &[Placing] = match operation {
        Operation::Kv(_) if form.envelope.is_none() && !has_mount(operation, form) => {
            &[Placing::Together, Placing::AsInVault, Placing::PathAlone]
        }
        _ => &[Placing::Apart],
    };
    let mut drafts = Vec::new();
    for &placing in placings {
        for with_defaults in [false, true] {
            let Some(draft) = draft(operation, form, needs, (placing, with_defaults)) else {
                continue;
            };
            let is_new = |other: &Draft| other.mapping.arguments != draft.mapping.arguments;
            if drafts.iter().all(is_new) {
                drafts.push(draft);
            }
        }
    }
    drafts
}

fn has_mount(operation: Operation, form: &Form) -> bool {
    assign(operation, form).contains_key("mount")
}

fn draft(
    operation: Operation,
    form: &Form,
    needs: Names,
    (placing, with_defaults): (Placing, bool),
) -> Option<Draft> {
    let mut builder = Builder {
        operation,
        form,
        arguments: json!({}),
        values: BTreeMap::new(),
        omit_when_empty: Vec::new(),
        json_arguments: Vec::new(),
        comma_arguments: Vec::new(),
        text_arguments: Vec::new(),
        assumed: Vec::new(),
        filled: Vec::new(),
    };
    for (place, value) in &form.constants {
        builder.set(place, value.clone());
    }
    let mut assigned = assign(operation, form);
    let mut left_over = Vec::new();
    let mut fit = 0.0;
    if operation == Operation::Kv(Kv::WriteKey)
        && form.envelope.is_none()
        && !(assigned.contains_key("key") && assigned.contains_key("value"))
    {
        builder.one_key_of_a_table(&mut assigned)?;
    }
    if operation == Operation::Kv(Kv::Write) {
        // A tool for one key cannot replace a secret.
        let sets_one_key = assign(Operation::Kv(Kv::WriteKey), form);
        if sets_one_key.contains_key("key") && sets_one_key.contains_key("value") {
            return None;
        }
    }
    for parameter in operation.parameters() {
        match assigned.get(parameter) {
            Some((argument, rank)) => {
                fit += rank;
                builder.fill(parameter, argument, placing);
            }
            None if form.envelope.is_some() => {
                let envelope = form.envelope.as_ref()?;
                let mut place = envelope.place.clone();
                place.push((*parameter).to_owned());
                builder.set(&place, json!(format!("{{{parameter}}}")));
            }
            None if is_filled(&builder.arguments, parameter) => {}
            None if has(needs, parameter) => return None,
            None if *parameter == "mount" && placing != Placing::Apart => {}
            None => left_over.push(*parameter),
        }
    }
    if let Some(envelope) = &form.envelope {
        let is_text = envelope.kind == Kind::Text;
        builder
            .json_arguments
            .extend(is_text.then(|| envelope.name().to_owned()));
        let about = "the schema does not say what the other arguments are called: these are the suite's own names";
        builder.assumed.push(about.to_owned());
    }
    builder.flags()?;
    builder.engine()?;
    let open = builder.rest(with_defaults);
    let mapping = Mapping {
        tools: vec![form.tool.clone()],
        hidden: false,
        arguments: builder.arguments,
        values: builder.values,
        omit_when_empty: builder.omit_when_empty,
        json_arguments: builder.json_arguments,
        comma_arguments: builder.comma_arguments,
        text_arguments: builder.text_arguments,
        result: Shapes::default(),
        next: None,
        create_only: false,
        existing_only: false,
    };
    let count = u32::try_from(operation.parameters().len().max(1)).unwrap_or(u32::MAX);
    Some(Draft {
        mapping,
        placing,
        left_over,
        fit: fit / f64::from(count),
        open,
        assumed: builder.assumed,
    })
}

/// Whether a parameter is in an argument.
fn is_filled(arguments: &Value, parameter: &str) -> bool {
    let wanted = format!("{{{parameter}}}");
    template::texts(arguments)
        .iter()
        .any(|text| text.contains(&wanted))
}

/// The argument for each parameter, with how well its name fits, from 0 to 1.
fn assign(operation: Operation, form: &Form) -> BTreeMap<&'static str, (Argument, f64)> {
    let mut pairs = Vec::new();
    for parameter in operation.parameters() {
        let names = of_parameter(operation, parameter);
        for argument in &form.arguments {
            if !takes(argument, operation, parameter) {
                continue;
            }
            if let Some(rank) = rank(argument, names) {
                pairs.push((rank, *parameter, argument));
            }
        }
    }
    pairs.sort_by(|(a, ..), (b, ..)| b.total_cmp(a));
    let mut assigned: BTreeMap<&'static str, (Argument, f64)> = BTreeMap::new();
    for (rank, parameter, argument) in pairs {
        let is_used = assigned
            .values()
            .any(|(used, _)| used.place == argument.place);
        if !is_used && !assigned.contains_key(parameter) {
            assigned.insert(parameter, (argument.clone(), rank));
        }
    }
    assigned
}

/// How well the name of an argument fits, from 0 to 1.
fn rank(argument: &Argument, names: Names) -> Option<f64> {
    let of_index = |index: usize| 1.0 - f64::from(u32::try_from(index).unwrap_or(u32::MAX)) / 50.0;
    if let Some(index) = position(names, &argument.named) {
        return Some(of_index(index));
    }
    // A longer name that ends with one of the names: target_path.
    let is_end = |name: &str| argument.named.ends_with(&format!(" {name}"));
    if let Some(index) = each(names).take(6).position(is_end) {
        return Some(of_index(index) / 2.0);
    }
    // A name that says nothing, and a description that does.
    let described = words(&argument.description);
    let is_described = |name: &str| described.iter().take(12).any(|word| word == name);
    let index = each(names).take(2).position(is_described)?;
    argument.is_required.then(|| of_index(index) / 5.0)
}

/// Whether an argument can take a parameter, by their types.
fn takes(argument: &Argument, operation: Operation, parameter: &str) -> bool {
    let kinds: &[Kind] = match parameter {
        "data" => &[Kind::Table, Kind::Text],
        "allowed_domains" | "alt_names" | "ip_sans" => &[Kind::Texts, Kind::Text],
        name if name.starts_with("allow_") => &[Kind::Boolean],
        "version" if matches!(operation, Operation::Kv(_)) => {
            &[Kind::Number, Kind::Numbers, Kind::Text, Kind::Texts]
        }
        "version" => &[Kind::Number, Kind::Text],
        "key_bits" => &[Kind::Number, Kind::Text],
        _ => &[Kind::Text],
    };
    let fits_engine = || {
        let known = |value: &Value| {
            ENGINE_TYPES
                .iter()
                .any(|(name, _)| Some(*name) == value.as_str())
        };
        let is_version =
            |value: &Value| ["1", "2", "v1", "v2"].contains(&value.to_string().trim_matches('"'));
        let is_engine = has(ENGINE_ARGUMENTS, &argument.named);
        match argument.allowed.as_slice() {
            [] => argument.kind == Kind::Number || !is_engine,
            allowed => {
                allowed.iter().any(|value| known(value) && is_kv_2(value))
                    || allowed.iter().all(is_version)
            }
        }
    };
    let is_of_engine = operation == Operation::Mounts(Mounts::Create) && parameter == "version";
    (kinds.contains(&argument.kind) || argument.kind == Kind::Any) && (!is_of_engine || fits_engine())
        // A text out of a list of words is no name.
        && (argument.allowed.is_empty() || ["version", "key_type", "key_bits"].contains(&parameter))
}

fn is_kv_2(value: &Value) -> bool {
    ENGINE_TYPES
        .iter()
        .any(|(name, version)| Some(*name) == value.as_str() && *version == 2)
}

impl Builder<'_> {
    fn set(&mut self, place: &[String], value: Value) {
        let mut at = &mut self.arguments;
        for name in place {
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            at = &mut at[name.as_str()];
        }
        *at = value;
        self.filled.push(place.to_vec());
    }

    fn fill(&mut self, parameter: &str, argument: &Argument, placing: Placing) {
        let name = argument.name().to_owned();
        let whole = json!(format!("{{{parameter}}}"));
        let value = match (parameter, argument.kind) {
            ("path", _) => json!(self.path(placing)),
            ("data", Kind::Text) => {
                self.json_arguments.push(name.clone());
                whole
            }
            ("allowed_domains" | "alt_names" | "ip_sans", Kind::Text) => {
                self.comma_arguments.push(name.clone());
                whole
            }
            ("version", Kind::Numbers | Kind::Texts) => json!([whole]),
            ("version", Kind::Text) if !argument.allowed.is_empty() => {
                self.engine_words(&argument.allowed);
                whole
            }
            ("version" | "key_bits", Kind::Text) => {
                self.text_arguments.push(name.clone());
                whole
            }
            _ => whole,
        };
        let can_be_empty = match parameter {
            "path" => {
                matches!(self.operation, Operation::Kv(Kv::List | Kv::ListAll))
                    && placing == Placing::Apart
            }
            "ttl" | "max_ttl" | "alt_names" | "ip_sans" => true,
            "common_name" => self.operation == Operation::Pki(Pki::Sign),
            _ => false,
        };
        let must_not = argument.not_empty || argument.is_nullable && parameter != "path";
        if can_be_empty && must_not && !argument.is_required {
            self.omit_when_empty.push(name);
        }
        self.set(&argument.place, value);
    }

    /// What the argument for the path holds.
    fn path(&self, placing: Placing) -> &'static str {
        let is_about_metadata = matches!(
            self.operation,
            Operation::Kv(Kv::List | Kv::ListAll | Kv::Metadata | Kv::Purge)
        );
        match placing {
            Placing::Apart | Placing::PathAlone => "{path}",
            Placing::Together => "{mount}/{path}",
            Placing::AsInVault if is_about_metadata => "{mount}/metadata/{path}",
            Placing::AsInVault => match self.operation {
                Operation::Kv(Kv::Undelete) => "{mount}/undelete/{path}",
                Operation::Kv(Kv::Destroy) => "{mount}/destroy/{path}",
                _ => "{mount}/data/{path}",
            },
        }
    }

    /// The words of a tool for the versions of the KV engine.
    fn engine_words(&mut self, allowed: &[Value]) {
        let mut own = BTreeMap::new();
        for value in allowed.iter().filter_map(Value::as_str) {
            let known = ENGINE_TYPES
                .iter()
                .find(|(name, _)| *name == value)
                .map(|(_, version)| *version);
            let version = known.or_else(|| value.trim_start_matches('v').parse().ok());
            if let Some(version) = version.filter(|version| [1, 2].contains(version)) {
                own.entry(version.to_string())
                    .or_insert_with(|| json!(value));
            }
        }
        self.values.insert("version".to_owned(), own);
    }

    /// Sets one key by an argument for several keys.
    fn one_key_of_a_table(
        &mut self,
        assigned: &mut BTreeMap<&'static str, (Argument, f64)>,
    ) -> Option<()> {
        let replaced = assign(Operation::Kv(Kv::Write), self.form);
        let (argument, _) = replaced.get("data")?.clone();
        assigned.retain(|parameter, (used, _)| {
            used.place != argument.place && !["key", "value"].contains(parameter)
        });
        if argument.kind == Kind::Text {
            self.json_arguments.push(argument.name().to_owned());
        }
        self.set(&argument.place.clone(), json!({ "{key}": "{value}" }));
        Some(())
    }

    /// Sets the booleans that make the tool perform this operation instead of a similar one.
    fn flags(&mut self) -> Option<()> {
        for argument in self.form.arguments.clone() {
            if argument.kind != Kind::Boolean || self.filled.contains(&argument.place) {
                continue;
            }
            let flag = flags(self.operation)
                .iter()
                .find(|(name, _)| *name == argument.named);
            let default = argument
                .default
                .as_ref()
                .and_then(Value::as_bool)
                .unwrap_or(false);
            if let Some((_, value)) =
                flag.filter(|(_, value)| *value != default || argument.is_required)
            {
                self.set(&argument.place, json!(value));
            } else if argument.is_required && has(CONFIRMATIONS, &argument.named) {
                self.set(&argument.place, json!(true));
            }
        }
        Some(())
    }

    /// Says which engine a new mount has, where the tool mounts several; `None` if it cannot mount this one.
    fn engine(&mut self) -> Option<()> {
        let engine = match self.operation {
            Operation::Mounts(Mounts::Create) => None,
            Operation::Pki(Pki::Enable) => Some("pki"),
            _ => return Some(()),
        };
        let by_name = |argument: &&Argument| {
            has(ENGINE_ARGUMENTS, &argument.named) && argument.kind == Kind::Text
        };
        let argument = self.form.arguments.iter().find(by_name).cloned();
        let Some(argument) = argument.filter(|argument| !self.filled.contains(&argument.place))
        else {
            // A tool that never says PKI mounts another engine.
            let says = |engine: &str| {
                self.form.named.contains(engine) || self.form.described.contains(engine)
            };
            return engine.is_none_or(says).then_some(());
        };
        let allows = |word: &str| {
            argument.allowed.is_empty() || argument.allowed.iter().any(|value| value == word)
        };
        let has_version = is_filled(&self.arguments, "version");
        match engine {
            Some(engine) => {
                if !allows(engine) {
                    return None;
                }
                self.set(&argument.place, json!(engine));
            }
            None if has_version && allows("kv") => self.set(&argument.place, json!("kv")),
            None if argument.allowed.is_empty() => {
                let own = [("1", "kv"), ("2", "kv-v2")];
                let own = own.map(|(version, word)| (version.to_owned(), json!(word)));
                self.values.insert("version".to_owned(), own.into());
                self.set(&argument.place, json!("{version}"));
            }
            None => {}
        }
        Some(())
    }

    /// Fills what else is required, and with `with_defaults` also what has a default; returns what stays open.
    fn rest(&mut self, with_defaults: bool) -> Vec<Argument> {
        let mut open = Vec::new();
        for argument in self.form.arguments.clone() {
            if self.filled.contains(&argument.place) || has(PAGES, &argument.named) {
                continue;
            }
            let default = argument
                .default
                .clone()
                .filter(|default| !default.is_null());
            let only = match argument.allowed.as_slice() {
                [only] => Some(only.clone()),
                _ => None,
            };
            match (default.or(only), argument.is_required) {
                (Some(value), true) => self.set(&argument.place, value),
                (Some(value), false) if with_defaults => self.set(&argument.place, value),
                (None, true) => match argument.allowed.first() {
                    Some(first) => {
                        let about =
                            format!("{}; the first value is only a guess", argument.about());
                        self.assumed.push(about);
                        self.set(&argument.place, first.clone());
                    }
                    None if argument.kind == Kind::Boolean => {
                        self.set(&argument.place, json!(false))
                    }
                    None => open.push(argument),
                },
                _ => {}
            }
        }
        open
    }
}
