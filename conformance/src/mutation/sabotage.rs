//! Applies a mutant to messages and requests.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
};
use parking_lot::Mutex;
use regex::Regex;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::definition::{
    AnswerRule, CannedAnswer, HeaderRule, Mutation, RequestRule, ResponseRule, ValueChange, Whose,
};
use crate::{
    adapter::{Adapter, launch::LAUNCH_PLACEHOLDERS, template},
    certificate::private_keys_in,
    engines::Operation,
    instance::setup::Setup,
    mcp::{
        hello::Version,
        http::SESSION,
        http_message::{HttpAnswer, HttpAsk, NoHttp},
        inbox::{AnswerFilter, SentRequest},
    },
    tap::VaultFilter,
};

/// A mutation that is applied in every slot.
#[derive(Clone, Debug)]
pub struct Sabotage(Arc<Mutation>);

impl Sabotage {
    /// Applies this mutation.
    #[must_use]
    pub fn new(mutation: Mutation) -> Self {
        Self(Arc::new(mutation))
    }

    /// Whether it acts on a target with this setup.
    #[must_use]
    pub fn acts_on(&self, setup: &Setup) -> bool {
        self.0.mode.is_none_or(|mode| setup.modes.contains(&mode))
    }

    /// The command that is put before the target's command.
    #[must_use]
    pub fn started_by(&self) -> Vec<String> {
        self.0.started_by.clone()
    }

    /// The versions of the KV engine that the target claims with it, if they differ.
    #[must_use]
    pub fn kv_versions(&self) -> Option<&BTreeSet<u8>> {
        self.0.kv_versions.as_ref()
    }

    /// Variables for a target with this setup; they replace those of its adapter.
    #[must_use]
    pub fn env(&self, setup: &Setup) -> BTreeMap<String, String> {
        let has_value =
            |name: &str| LAUNCH_PLACEHOLDERS.contains(&name) || setup.values.contains_key(name);
        let env = self.0.env.iter();
        env.filter(|(_, value)| template::placeholders(value).all(has_value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Whether the target accepts any certificate of Vault.
    #[must_use]
    pub fn overlooks_certificates(&self) -> bool {
        self.0.any_vault_certificate
    }

    /// Whether the changed target conforms.
    #[must_use]
    pub fn is_variant(&self) -> bool {
        self.0.is_variant()
    }

    /// The requirements that must detect it.
    #[must_use]
    pub fn killed_by(&self) -> &[String] {
        &self.0.killed_by
    }

    /// The saboteur of one slot, for a target with this token; `root` is Vault's root token.
    #[must_use]
    pub fn for_slot(
        &self,
        adapter: &Adapter,
        token: &SecretString,
        root: &SecretString,
    ) -> Saboteur {
        let tools = |operation: Option<Operation>| {
            let mapping = operation.and_then(|operation| adapter.operations.get(&operation));
            mapping
                .map(|mapping| mapping.tools.clone())
                .unwrap_or_default()
        };
        let (answers, requests) = (self.0.answer.iter(), self.0.vault_request.iter());
        Saboteur {
            tools: answers.map(|rule| tools(rule.operation)).collect(),
            requesting_tools: requests.map(|rule| tools(rule.operation)).collect(),
            last_tool: Mutex::default(),
            mutation: Arc::clone(&self.0),
            token: token.clone(),
            root: root.clone(),
            last_value: Mutex::default(),
            last_key: Mutex::default(),
            last_result: Mutex::default(),
            last_header: Mutex::default(),
            first_answers: Mutex::default(),
            first_headers: Mutex::default(),
            changed: self.0.answer.iter().map(|_| AtomicUsize::new(0)).collect(),
        }
    }
}

/// Changes the messages and requests of one slot.
pub struct Saboteur {
    mutation: Arc<Mutation>,
    /// For each answer rule, the tools to which it applies.
    tools: Vec<Vec<String>>,
    /// For each rule about requests to Vault, the tools to which it applies.
    requesting_tools: Vec<Vec<String>>,
    /// The tool of the last tool call, if a rule about requests to Vault depends on it.
    last_tool: Mutex<String>,
    token: SecretString,
    root: SecretString,
    last_value: Mutex<String>,
    last_key: Mutex<SecretString>,
    last_result: Mutex<Option<Value>>,
    last_header: Mutex<Option<HeaderValue>>,
    first_answers: Mutex<HashMap<String, Response<Bytes>>>,
    /// By name, and by session if each session keeps its own.
    first_headers: Mutex<HashMap<(HeaderName, Option<HeaderValue>), HeaderValue>>,
    /// For each answer rule, the number of answers to which it applied.
    changed: Vec<AtomicUsize>,
}

impl AnswerFilter for Saboteur {
    fn hello(&self, _: Version, answer: Vec<u8>) -> Vec<u8> {
        /// The beginning of a ServerHello.
        const SERVER_HELLO: [u8; 6] = [22, 3, 1, 0, 74, 2];
        match self.mutation.any_tls {
            true => SERVER_HELLO.to_vec(),
            false => answer,
        }
    }

    fn sent(&self, text: &str) -> Option<String> {
        self.note_tool(text);
        let mut rules = self.mutation.message.iter();
        let rule = rules.find(|rule| text.contains(&rule.contains))?;
        let replaced = rule.replace.iter();
        Some(replaced.fold(text.to_owned(), |text, (from, to)| text.replace(from, to)))
    }

    fn head(&self, headers: &mut HeaderMap, query: &mut Option<String>) {
        for rule in &self.mutation.http_request {
            match &rule.value {
                Some(value) => replace_header(rule, value, headers),
                None => self.alter_header(rule, headers, query),
            }
        }
    }

    fn filter(&self, asked: &SentRequest, message: Value) -> Vec<String> {
        let mut message = message;
        let mut arriving = Vec::new();
        let last_result = self.last_result(asked, &message);
        let rules = self.mutation.answer.iter().zip(&self.tools);
        for ((rule, only), changed) in rules.zip(&self.changed) {
            let about_this = match (&rule.method, rule.operation) {
                (Some(method), _) => *method == asked.method,
                (None, None) => asked.method == "tools/call" || rule.text_only,
                (None, Some(_)) => {
                    asked.method == "tools/call" && only.iter().any(|name| asked.calls(name))
                }
            };
            let applies = about_this
                && rule.error.is_none_or(|wanted| wanted == is_error(&message))
                && (rule.contains.as_ref()).is_none_or(|part| message.to_string().contains(part))
                && (rule.asked.as_ref()).is_none_or(|part| asked.text.contains(part))
                && (rule.asked_without.as_ref()).is_none_or(|part| !asked.text.contains(part))
                && changed.fetch_add(1, Ordering::Relaxed) + 1 >= rule.from;
            if applies {
                if rule.lost {
                    return arriving;
                }
                arriving.extend(rule.noise.clone());
                self.alter(rule, &mut message);
                if rule.result_of_the_last
                    && let Some(result) = &last_result
                {
                    message["result"] = result.clone();
                }
            }
        }
        arriving.push(message.to_string());
        arriving
    }

    fn http(
        &self,
        asked: &HttpAsk,
        answer: Result<HttpAnswer, NoHttp>,
    ) -> Result<HttpAnswer, NoHttp> {
        let mut answer = answer?;
        for rule in &self.mutation.http_answer {
            let applies = (rule.method.as_ref()).is_none_or(|m| *m == asked.method.as_str())
                && (rule.asked.as_ref()).is_none_or(|part| asked.says(part))
                && rule.status.is_none_or(|status| status == answer.status);
            if !applies {
                continue;
            }
            if rule.hangs {
                return Err(NoHttp::Hung);
            }
            answer.status = rule.becomes.unwrap_or(answer.status);
            if let Some((name, value)) = &rule.header
                && let Ok(value) = HeaderValue::from_bytes(value.as_bytes())
                && let Some(header) = answer.headers.get_mut(name)
            {
                *header = value;
            }
            for name in &rule.leave_out {
                answer.headers.remove(name);
            }
            let origin = asked.headers.get(header::ORIGIN);
            let origin = origin.and_then(|origin| origin.to_str().ok());
            for (name, value) in &rule.add {
                let value = template::fill(value, |name| origin.filter(|_| name == "origin"));
                insert(&mut answer.headers, name, &value);
            }
        }
        Ok(answer)
    }
}

impl Saboteur {
    fn alter_header(&self, rule: &HeaderRule, headers: &mut HeaderMap, query: &mut Option<String>) {
        let Ok(name) = rule.header.parse::<HeaderName>() else {
            return;
        };
        if rule.from_query
            && let Some(query) = query.take()
            && let Some((_, value)) = query.split_once('=')
            && let Ok(value) = HeaderValue::from_str(value)
        {
            headers.insert(name.clone(), value);
        }
        let session = headers.get(SESSION).cloned();
        let kept_by = match rule.first_of {
            Some(Whose::Server) => None,
            Some(Whose::Session) if session.is_some() => session,
            Some(Whose::Session) | None => return,
        };
        let mut first = self.first_headers.lock();
        let key = (name.clone(), kept_by);
        match (first.get(&key), headers.get(&name)) {
            (Some(value), _) => drop(headers.insert(name, value.clone())),
            (None, Some(value)) => drop(first.insert(key, value.clone())),
            (None, None) => {}
        }
    }

    fn alter(&self, rule: &AnswerRule, message: &mut Value) {
        // The stateless era demands the type of a result.
        let result_type = message["result"]["resultType"].clone();
        let text_result = |text: &str, is_error: bool| {
            let mut result =
                json!({ "content": [{ "type": "text", "text": text }], "isError": is_error });
            if !result_type.is_null() {
                result["resultType"] = result_type.clone();
            }
            result
        };
        if rule.succeed_with.is_some() || rule.fail_with.is_some() {
            message
                .as_object_mut()
                .map(|message| message.remove("error"));
        }
        if let Some(text) = &rule.succeed_with {
            message["result"] = text_result(text, false);
        }
        if let Some(text) = &rule.fail_with {
            message["result"] = text_result(text, true);
        }
        if let Some(result) = message.get_mut("result") {
            replace_words(result, &rule.replace);
            leave_out(result, &rule.leave_out);
        }
        if let Some(result) = message.get_mut("result").and_then(Value::as_object_mut) {
            if rule.text_only {
                result.remove("structuredContent");
                for tool in result
                    .get_mut("tools")
                    .and_then(Value::as_array_mut)
                    .into_iter()
                    .flatten()
                {
                    tool.as_object_mut().map(|tool| tool.remove("outputSchema"));
                }
            }
            for item in result
                .get_mut("content")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                if let Some(Value::String(text)) = item.get_mut("text") {
                    self.alter_text(rule, text);
                }
            }
        }
        if let Some((parent, name)) = rule.remove.as_deref().and_then(|at| at.rsplit_once('/'))
            && let Some(Value::Object(fields)) = message.pointer_mut(parent)
        {
            fields.remove(name);
        }
        for (pointer, value) in &rule.set {
            let value = match value {
                Value::String(text) => json!(self.filled(text)),
                other => other.clone(),
            };
            set(message, pointer, &value);
        }
    }

    /// The result of the last tool call before this one that succeeded, if there was one.
    fn last_result(&self, asked: &SentRequest, message: &Value) -> Option<Value> {
        let mut last = self.last_result.lock();
        match asked.method == "tools/call" && !is_error(message) {
            true => last.replace(message["result"].clone()),
            false => last.clone(),
        }
    }

    fn note_tool(&self, text: &str) {
        let mut rules = self.mutation.vault_request.iter();
        if rules.any(|rule| rule.operation.is_some())
            && let SentRequest {
                method,
                tool: Some(tool),
                ..
            } = SentRequest::of(text)
            && method == "tools/call"
        {
            *self.last_tool.lock() = tool;
        }
    }

    fn note_key(&self, body: &Bytes) {
        let keys = private_keys_in(&String::from_utf8_lossy(body));
        if let Some(key) = keys.into_iter().next() {
            *self.last_key.lock() = key;
        }
    }

    fn alter_text(&self, rule: &AnswerRule, text: &mut String) {
        if let Some(addition) = &rule.append_text {
            text.push_str(&self.filled(addition));
        }
    }

    /// A text with its placeholders filled in.
    fn filled(&self, text: &str) -> String {
        let last_value = self.last_value.lock();
        let last_key = self.last_key.lock();
        template::fill(text, |name| match name {
            "vault_token" => Some(self.token.expose_secret()),
            "last_value" => Some(last_value.as_str()),
            "last_key" => Some(last_key.expose_secret()),
            _ => None,
        })
    }
}

fn is_error(message: &Value) -> bool {
    message["result"]["isError"] == true || !message["error"].is_null()
}

impl VaultFilter for Saboteur {
    fn request(&self, request: &mut Request<Bytes>) -> Option<Response<Bytes>> {
        self.note_key(request.body());
        let rules = self.mutation.vault_request.iter();
        for (rule, only) in rules.zip(&self.requesting_tools) {
            let path = request.uri().to_string();
            let about_this = rule.operation.is_none() || only.contains(&self.last_tool.lock());
            if about_this && matches(&rule.method, request.method()) && rule.path.is_match(&path) {
                if let Some(answer) = &rule.answer {
                    return Some(canned(answer));
                }
                if rule.as_root
                    && let Ok(root) = HeaderValue::from_str(self.root.expose_secret())
                {
                    request.headers_mut().insert("x-vault-token", root);
                }
                self.alter_headers(rule, request.headers_mut());
                alter_request(rule, request, path);
            }
        }
        None
    }

    fn repeats(&self, method: &Method, path: &str) -> bool {
        let mut rules = self.mutation.vault_request.iter();
        rules.any(|rule| rule.twice && matches(&rule.method, method) && rule.path.is_match(path))
    }

    fn response(&self, method: &Method, path: &str, response: &mut Response<Bytes>) {
        self.note_key(response.body());
        let secrets = !path.contains("/metadata/") && !path.starts_with("/v1/sys/");
        let data = secrets.then(|| secret_in(response.body())).flatten();
        if let Some(value) = data.and_then(|data| {
            data.as_object()?
                .values()
                .find_map(|value| Some(value.as_str()?.to_owned()))
        }) {
            *self.last_value.lock() = value;
        }
        for rule in &self.mutation.vault_response {
            let status = response.status().as_u16();
            if matches(&rule.method, method)
                && rule.path.is_match(path)
                && rule.status.is_none_or(|wanted| wanted == status)
            {
                self.alter_response(rule, path, response);
            }
        }
    }
}

impl Saboteur {
    fn alter_headers(&self, rule: &RequestRule, headers: &mut HeaderMap) {
        for (name, value) in &rule.headers {
            if value.is_empty() {
                headers.remove(name);
            } else if let Ok(value) = HeaderValue::from_str(value)
                && let Some(header) = headers.get_mut(name)
            {
                *header = value;
            }
        }
        if let Some(name) = &rule.header_of_the_last {
            let mut last = self.last_header.lock();
            let before = std::mem::replace(&mut *last, headers.get(name).cloned());
            if let Some(before) = before
                && let Some(header) = headers.get_mut(name)
            {
                *header = before;
            }
        }
    }

    fn alter_response(&self, rule: &ResponseRule, path: &str, response: &mut Response<Bytes>) {
        if let Some(answer) = &rule.answer {
            *response = canned(answer);
        }
        if rule.repeat_first {
            let mut first = self.first_answers.lock();
            *response = first
                .entry(path.to_owned())
                .or_insert_with(|| response.clone())
                .clone();
        }
        edit_json(response.body_mut(), |body| {
            if let Some(change) = rule.values {
                let at = if body.pointer("/data/data").is_some() {
                    "/data/data"
                } else {
                    "/data"
                };
                change_values(body.pointer_mut(at), change);
            }
            set_all(body, &rule.set);
            if let Some(Value::Array(names)) = body.pointer_mut("/data/keys") {
                names.truncate(rule.max_names.unwrap_or(names.len()));
                if rule.drop_name && names.len() > 1 {
                    names.pop();
                }
                if rule.unmark_folders {
                    for name in names {
                        *name = json!(name.as_str().unwrap_or_default().trim_end_matches('/'));
                    }
                }
            }
        });
    }
}

/// Sets a header, if name and value are valid.
fn insert(headers: &mut HeaderMap, name: &str, value: &str) {
    let header = name.parse::<HeaderName>().ok();
    if let Some((name, value)) = header.zip(HeaderValue::from_str(value).ok()) {
        headers.insert(name, value);
    }
}

fn matches(methods: &[String], method: &Method) -> bool {
    methods.iter().any(|one| one == method.as_str())
}

fn alter_request(rule: &RequestRule, request: &mut Request<Bytes>, path: String) {
    let mut path = path;
    if rule.strip_query {
        path.truncate(path.find('?').unwrap_or(path.len()));
    }
    path.extend(rule.append_to_path.clone());
    if let Some((from, to)) = &rule.replace_in_path {
        path = path.replace(from, to);
    }
    if let Ok(uri) = path.parse::<Uri>() {
        *request.uri_mut() = uri;
    }
    edit_json(request.body_mut(), |body| {
        // KV version 2 wraps the secret; in version 1, the body is the secret.
        let at = if body.get("data").is_some_and(Value::is_object) {
            "/data"
        } else {
            ""
        };
        if let Some(change) = rule.values {
            change_values(body.pointer_mut(at), change);
        }
        if let (Some(most), Some(Value::Object(data))) = (rule.max_keys, body.pointer_mut(at)) {
            *data = std::mem::take(data).into_iter().take(most).collect();
        }
        set_all(body, &rule.set);
        if let Some(Value::Object(data)) = body.pointer_mut(at)
            && rule.drop_key
            && data.len() > 1
            && let Some(first) = data
                .keys()
                .collect::<BTreeSet<_>>()
                .first()
                .map(|key| (*key).clone())
        {
            data.remove(&first);
        }
    });
}

fn change_values(data: Option<&mut Value>, change: ValueChange) {
    for value in data
        .and_then(Value::as_object_mut)
        .into_iter()
        .flat_map(serde_json::Map::values_mut)
    {
        match (change, &mut *value) {
            (ValueChange::Append, Value::String(text)) => text.push('~'),
            (ValueChange::CutLong, Value::String(text)) => {
                *text = text.chars().take(1_000).collect();
            }
            (ValueChange::Trim, Value::String(text)) => *text = text.trim().to_owned(),
            (ValueChange::AsciiOnly, Value::String(text)) => {
                *text = text.replace(|c: char| !c.is_ascii(), "?");
            }
            (ValueChange::ToText, other) if !other.is_string() => {
                *other = json!(other.to_string());
            }
            _ => {}
        }
    }
}

/// Replaces words in every string of a value.
fn replace_words(value: &mut Value, words: &[(String, String)]) {
    match value {
        Value::String(text) => {
            for (from, to) in words {
                *text = text.replace(from, to);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace_words(item, words)),
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|field| replace_words(field, words)),
        _ => {}
    }
}

/// Removes fields from a value at any depth, and from the JSON in its strings.
fn leave_out(value: &mut Value, names: &[String]) {
    if names.is_empty() {
        return;
    }
    match value {
        Value::String(text) => {
            if let Ok(mut inner @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str(text)
            {
                leave_out(&mut inner, names);
                *text = inner.to_string();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| leave_out(item, names)),
        Value::Object(fields) => {
            fields.retain(|name, _| !names.contains(name));
            fields
                .values_mut()
                .for_each(|field| leave_out(field, names));
        }
        _ => {}
    }
}

/// Sets parts of a body, in objects that exist.
fn set_all(body: &mut Value, parts: &BTreeMap<String, Value>) {
    for (pointer, value) in parts {
        set(body, pointer, value);
    }
}

/// Sets the part at a JSON pointer, in objects that exist; `*` is every item of a list.
fn set(value: &mut Value, pointer: &str, new: &Value) {
    fn set_at(value: &mut Value, path: &[&str], new: &Value) {
        match (path, value) {
            ([name], Value::Object(fields)) => {
                fields.insert((*name).to_owned(), new.clone());
            }
            ([name, rest @ ..], Value::Object(fields)) => {
                if let Some(field) = fields.get_mut(*name) {
                    set_at(field, rest, new);
                }
            }
            ([which, rest @ ..], Value::Array(items)) => {
                for (index, item) in items.iter_mut().enumerate() {
                    if *which == "*" || *which == index.to_string() {
                        set_at(item, rest, new);
                    }
                }
            }
            _ => {}
        }
    }
    let path: Vec<_> = pointer.split('/').skip(1).collect();
    set_at(value, &path, new);
}

/// The data of a secret in an answer of Vault.
fn secret_in(body: &Bytes) -> Option<Value> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.pointer("/data/data")
        .or_else(|| body.get("data"))
        .cloned()
}

fn edit_json(body: &mut Bytes, edit: impl FnOnce(&mut Value)) {
    if let Ok(mut value) = serde_json::from_slice::<Value>(body) {
        edit(&mut value);
        *body = Bytes::from(value.to_string());
    }
}

/// Replaces a header whose value matches, or removes it.
fn replace_header(rule: &HeaderRule, pattern: &Regex, headers: &mut HeaderMap) {
    let value = headers.get(&rule.header).and_then(|v| v.to_str().ok());
    if !value.is_some_and(|value| pattern.is_match(value)) {
        return;
    }
    headers.remove(&rule.header);
    if let Some(value) = &rule.becomes {
        insert(headers, &rule.header, value);
    }
}

fn canned(answer: &CannedAnswer) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(answer.body.clone()));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, Request, header};
    use secrecy::SecretString;
    use serde_json::{Value, json};

    use super::{Sabotage, Saboteur, set};
    use crate::{
        instance::setup::Setup,
        mcp::{
            http::SESSION,
            http_message::{HttpAnswer, HttpAsk, NoHttp},
            inbox::{AnswerFilter as _, SentRequest},
        },
        tap::VaultFilter as _,
        target::Target,
    };

    fn saboteur(rules: &str) -> Saboteur {
        let mutation = toml::from_str(&format!("does = 'x'\n{rules}")).unwrap();
        let adapter = Target::find("reference").unwrap().adapter;
        let token = SecretString::from("t");
        Sabotage::new(mutation).for_slot(&adapter, &token, &token)
    }

    fn answers(saboteur: &Saboteur, asked: &str) -> Vec<Value> {
        let message = json!({ "id": 1, "result": { "tools": [{ "name": "a" }, { "name": "b" }] } });
        let arriving = saboteur.filter(&SentRequest::of(asked), message);
        arriving
            .iter()
            .map(|text| serde_json::from_str(text).unwrap())
            .collect()
    }

    #[test]
    fn a_star_in_a_pointer_is_every_item_of_a_list() {
        let mut value = json!({ "a": [{ "b": 1 }, { "b": 2 }], "c": {} });
        set(&mut value, "/a/*/b", &json!(0));
        set(&mut value, "/a/1/d", &json!("x"));
        set(&mut value, "/missing/e", &json!(1));
        assert_eq!(
            value,
            json!({ "a": [{ "b": 0 }, { "b": 0, "d": "x" }], "c": {} })
        );
    }

    #[test]
    fn a_rule_acts_on_answers_to_its_method_from_the_one_that_it_names_on() {
        let rules =
            "[[answer]]\nmethod = 'tools/list'\nfrom = 2\nset = { '/result/tools/*/name' = 'z' }";
        let saboteur = saboteur(rules);
        let list = r#"{"id":1,"method":"tools/list"}"#;
        let name = |asked| answers(&saboteur, asked)[0]["result"]["tools"][1]["name"].clone();
        assert_eq!(name(list), "b");
        assert_eq!(name(r#"{"id":1,"method":"ping"}"#), "b");
        assert_eq!(name(list), "z");
    }

    #[test]
    fn an_answer_is_lost_where_what_was_asked_says_so() {
        let saboteur = saboteur("[[answer]]\nasked = 'this'\nasked_without = 'that'\nlost = true");
        let call = |words: &str| format!(r#"{{"method":"tools/call","params":"{words}"}}"#);
        assert!(answers(&saboteur, &call("this")).is_empty());
        assert_eq!(answers(&saboteur, &call("this and that")).len(), 1);
        assert_eq!(answers(&saboteur, &call("nothing")).len(), 1);
    }

    fn namespaces_at_vault(saboteur: &Saboteur, sent: &[Option<&str>]) -> Vec<Option<String>> {
        let arriving = sent.iter().map(|namespace| {
            let mut request = Request::get("/v1/kv/data/a").header("x-vault-token", "t");
            if let Some(namespace) = namespace {
                request = request.header("X-Vault-Namespace", *namespace);
            }
            let mut request = request.body(Bytes::new()).unwrap();
            assert!(saboteur.request(&mut request).is_none());
            assert_eq!(request.headers()["x-vault-token"], "t");
            let namespace = request.headers().get("x-vault-namespace");
            namespace.map(|namespace| namespace.to_str().unwrap().to_owned())
        });
        arriving.collect()
    }

    #[test]
    fn a_header_towards_vault_is_taken_away_replaced_or_that_of_the_request_before() {
        let rule = |what: &str| {
            let at = "[[vault_request]]\nmethod = ['GET']\npath = '^/v1/'\n";
            saboteur(&format!("{at}{what}"))
        };
        let sent = [Some("a"), None, Some("b"), Some("c")];
        let arriving = |what| {
            let arriving = namespaces_at_vault(&rule(what), &sent);
            arriving
                .into_iter()
                .map(Option::unwrap_or_default)
                .collect::<Vec<_>>()
        };
        assert_eq!(arriving("headers = { X-Vault-Namespace = '' }"), [""; 4]);
        assert_eq!(
            arriving("headers = { X-Vault-Namespace = 'z' }"),
            ["z", "", "z", "z"]
        );
        assert_eq!(
            arriving("header_of_the_last = 'X-Vault-Namespace'"),
            ["a", "", "b", "b"]
        );
    }

    #[test]
    fn a_rule_about_requests_to_vault_can_act_on_those_of_one_tool() {
        let saboteur = saboteur(
            "[[vault_request]]\nmethod = ['GET']\npath = '/data/'\noperation = 'kv.write_key'\n\
             answer = { status = 403 }",
        );
        let is_answered = |tool: &str| {
            let call = json!({ "method": "tools/call", "params": { "name": tool } });
            assert_eq!(saboteur.sent(&call.to_string()), None);
            let request = Request::get("/v1/kv/data/a").body(Bytes::new());
            saboteur.request(&mut request.unwrap()).is_some()
        };
        assert!(!is_answered("read_secret"));
        assert!(is_answered("write_secret"));
        assert!(!is_answered("put_secret"));
    }

    #[test]
    fn what_the_suite_says_is_changed_only_where_a_rule_finds_its_text() {
        let saboteur = saboteur("[[message]]\ncontains = '}} x'\nreplace = [['}} x', '}}']]");
        assert_eq!(saboteur.sent("{{}} x").as_deref(), Some("{{}}"));
        assert_eq!(saboteur.sent("{{}}"), None);
    }

    #[test]
    fn a_header_goes_out_as_it_was_first_in_its_session_or_as_the_query_says() {
        let name = "x-vault-token";
        let sent = |saboteur: &Saboteur, lines: &[(&'static str, &str)], query: Option<&str>| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.insert(*name, value.parse().unwrap());
            }
            let mut query = query.map(str::to_owned);
            saboteur.head(&mut headers, &mut query);
            assert_eq!(query, None);
            let value = headers.get(name);
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        let of_session =
            saboteur("[[http_request]]\nheader = 'X-Vault-Token'\nfirst_of = 'session'");
        for (session, token, expected) in [
            ("1", Some("a"), Some("a")),
            ("1", Some("b"), Some("a")),
            ("1", None, Some("a")),
            ("2", Some("b"), Some("b")),
            ("3", None, None),
        ] {
            let token = token.map(|token| (name, token));
            let lines: Vec<_> = token.into_iter().chain([(SESSION, session)]).collect();
            assert_eq!(sent(&of_session, &lines, None).as_deref(), expected);
        }
        assert_eq!(sent(&of_session, &[(name, "c")], None).unwrap(), "c");
        let of_server = saboteur("[[http_request]]\nheader = 'X-Vault-Token'\nfirst_of = 'server'");
        assert_eq!(sent(&of_server, &[(name, "a")], None).unwrap(), "a");
        assert_eq!(sent(&of_server, &[(SESSION, "1")], None).unwrap(), "a");
        let of_query = saboteur("[[http_request]]\nheader = 'X-Vault-Token'\nfrom_query = true");
        assert_eq!(sent(&of_query, &[], Some("token=a")).unwrap(), "a");
        assert_eq!(sent(&of_query, &[(name, "b")], None).unwrap(), "b");
    }

    #[test]
    fn a_variable_is_left_out_where_its_placeholder_has_no_value() {
        let mutation =
            toml::from_str("does = 'x'\nenv = { A = '{vault_token}', B = '{vault_ca}', C = '' }");
        let sabotage = Sabotage::new(mutation.unwrap());
        let names = |setup: &Setup| sabotage.env(setup).into_keys().collect::<Vec<_>>();
        assert_eq!(names(&Setup::default()), ["A", "C"]);
        let told = Setup::default().with("vault_ca", "/ca.pem");
        assert_eq!(names(&told), ["A", "B", "C"]);
    }

    #[test]
    fn an_answer_over_http_gets_another_status_or_never_comes() {
        let rules = "[[http_answer]]\nmethod = 'POST'\nasked = '1999'\nbecomes = 200\n\
                     [[http_answer]]\nmethod = 'PUT'\nhangs = true";
        let saboteur = saboteur(rules);
        let answer = || {
            Ok(HttpAnswer {
                status: 400,
                ..HttpAnswer::default()
            })
        };
        let status = |asked: HttpAsk| saboteur.http(&asked, answer()).map(|answer| answer.status);
        let post = HttpAsk::post("{}");
        assert_eq!(status(post.clone()), Ok(400));
        assert_eq!(
            status(post.with("mcp-protocol-version", "1999-01-01")),
            Ok(200)
        );
        assert_eq!(
            status(HttpAsk::new(reqwest::Method::PUT)),
            Err(NoHttp::Hung)
        );
    }

    #[test]
    fn an_answer_over_http_loses_headers_and_gets_others_that_name_the_origin() {
        let saboteur = saboteur(
            "[[http_answer]]\nleave_out = ['vary']\nadd = { access-control-allow-origin = '{origin}' }",
        );
        let mut answer = HttpAnswer::default();
        answer.headers.insert("vary", "origin".parse().unwrap());
        let asked = HttpAsk::post("{}").with("origin", "https://a.example");
        let answer = saboteur.http(&asked, Ok(answer)).unwrap();
        let expected = [("access-control-allow-origin", "https://a.example")];
        let headers: Vec<_> = (answer.headers.iter())
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        assert_eq!(headers, expected);
    }

    #[test]
    fn a_header_of_a_request_becomes_another_or_is_left_out_where_its_value_is_meant() {
        let saboteur = saboteur(
            "[[http_request]]\nheader = 'origin'\nvalue = '^null$'\nbecomes = 'https://a.example'\n\
             [[http_request]]\nheader = 'host'\nvalue = 'evil'",
        );
        let asked = |origin: &'static str, host: &'static str| {
            let headers = [(header::ORIGIN, origin), (header::HOST, host)];
            let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
            let mut headers = HeaderMap::from_iter(headers);
            saboteur.head(&mut headers, &mut None);
            let text = |name| headers.get(name).map(|v| v.to_str().unwrap().to_owned());
            (text(header::ORIGIN), text(header::HOST))
        };
        let (origin, host) = asked("null", "evil.example:1");
        assert_eq!((origin.as_deref(), host), (Some("https://a.example"), None));
        let (origin, host) = asked("https://null.example", "127.0.0.1:1");
        assert_eq!(origin.as_deref(), Some("https://null.example"));
        assert_eq!(host.as_deref(), Some("127.0.0.1:1"));
    }
}
