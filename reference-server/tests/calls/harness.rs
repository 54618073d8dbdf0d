//! A fake Vault that can misbehave.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

/// One KV mount, `secret`, that behaves like Vault 1.21, also for requests of the wrong shape.
#[derive(Default)]
pub(crate) struct KvState {
    /// 1 or 2.
    pub(crate) kv_version: u8,
    /// The type of the engine, if it is not `kv`.
    pub(crate) engine: Option<&'static str>,
    /// The stored data, by path below the mount; KV v2 keeps `(version, data)`.
    pub(crate) secrets: BTreeMap<String, (u64, Value)>,
    /// Answers for requests with this method, in this order, before any other answer.
    pub(crate) interruptions: Vec<(&'static str, ResponseTemplate)>,
    /// Number of writes by other clients, one after each read.
    pub(crate) writes_between: usize,
    /// `METHOD path` of every request.
    pub(crate) requests: Vec<String>,
}

/// A handle to the state of a fake Vault.
#[derive(Clone, Default)]
pub(crate) struct FakeVault(Arc<Mutex<KvState>>);

impl FakeVault {
    /// A Vault with an empty KV mount of this version.
    pub(crate) async fn start(kv_version: u8) -> (MockServer, Self) {
        let vault = Self::default();
        vault.with(|state| state.kv_version = kv_version);
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(vault.clone())
            .mount(&server)
            .await;
        (server, vault)
    }

    /// Reads or changes the state.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut KvState) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    /// Stores a secret, as if written earlier.
    pub(crate) fn store(&self, path: &str, version: u64, data: Value) {
        self.with(|state| state.secrets.insert(path.to_owned(), (version, data)));
    }

    /// Replaces the mount by an empty one of another version.
    pub(crate) fn recreate(&self, kv_version: u8) {
        self.with(|state| {
            state.kv_version = kv_version;
            state.secrets.clear();
        });
    }

    /// The requests since the last call.
    pub(crate) fn take_requests(&self) -> Vec<String> {
        self.with(|state| std::mem::take(&mut state.requests))
    }
}

impl Respond for FakeVault {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        self.with(|state| {
            let path = request.url.path().trim_start_matches("/v1/").to_owned();
            let method = request.method.as_str();
            state.requests.push(format!("{method} {path}"));
            if let Some(at) = state.interruptions.iter().position(|(on, _)| *on == method) {
                return state.interruptions.remove(at).1;
            }
            state.answer(method, &path, &request.body)
        })
    }
}

impl KvState {
    fn answer(&mut self, method: &str, path: &str, body: &[u8]) -> ResponseTemplate {
        if path.starts_with("sys/internal/ui/mounts/") {
            let options = json!({ "version": self.kv_version.to_string() });
            let engine = self.engine.unwrap_or("kv");
            return ok(
                json!({ "path": "secret/", "type": engine, "options": options }),
                "",
            );
        }
        let Some(path) = path.strip_prefix("secret/") else {
            return ResponseTemplate::new(403)
                .set_body_json(json!({ "errors": ["permission denied"] }));
        };
        if self.kv_version == 1 {
            return self.answer_v1(method, path, body);
        }
        match path.strip_prefix("data/") {
            Some(path) => self.answer_v2(method, path, body),
            None => not_found(),
        }
    }

    fn answer_v1(&mut self, method: &str, path: &str, body: &[u8]) -> ResponseTemplate {
        match method {
            "GET" => match self.secrets.get(path) {
                Some((_, data)) => ok(data.clone(), "kv"),
                None => not_found(),
            },
            "POST" => {
                let data = serde_json::from_slice(body).unwrap();
                self.secrets.insert(path.to_owned(), (0, data));
                ResponseTemplate::new(204)
            }
            _ => {
                self.secrets.remove(path);
                ResponseTemplate::new(204)
            }
        }
    }

    fn answer_v2(&mut self, method: &str, path: &str, body: &[u8]) -> ResponseTemplate {
        let stored = self.secrets.get(path).cloned();
        match (method, stored) {
            ("GET", None) => not_found(),
            ("GET", Some((version, data))) => {
                if self.writes_between > 0 {
                    self.writes_between -= 1;
                    self.secrets
                        .insert(path.to_owned(), (version + 1, data.clone()));
                }
                let deleted = data.is_null();
                let data = json!({ "data": data, "metadata": metadata(version, deleted) });
                let status = if deleted { 404 } else { 200 };
                ResponseTemplate::new(status)
                    .set_body_json(json!({ "data": data, "mount_type": "kv" }))
            }
            ("POST", stored) => {
                let body: Value = serde_json::from_slice(body).unwrap();
                let version = stored.map_or(0, |(version, _)| version);
                if body["options"]["cas"] != version {
                    let message = "check-and-set parameter did not match the current version";
                    return ResponseTemplate::new(400)
                        .set_body_json(json!({ "errors": [message] }));
                }
                self.secrets
                    .insert(path.to_owned(), (version + 1, body["data"].clone()));
                ok(metadata(version + 1, false), "kv")
            }
            (_, stored) => {
                if let Some((version, _)) = stored {
                    self.secrets.insert(path.to_owned(), (version, Value::Null));
                }
                ResponseTemplate::new(204)
            }
        }
    }
}

fn metadata(version: u64, deleted: bool) -> Value {
    json!({
        "version": version,
        "created_time": "2026-01-01T00:00:00Z",
        "deletion_time": if deleted { "2026-01-02T00:00:00Z" } else { "" },
        "destroyed": false,
        "custom_metadata": null,
    })
}

fn ok(data: Value, mount_type: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({ "data": data, "mount_type": mount_type }))
}

fn not_found() -> ResponseTemplate {
    ResponseTemplate::new(404).set_body_json(json!({ "errors": [] }))
}
