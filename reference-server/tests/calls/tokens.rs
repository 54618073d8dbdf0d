//! The token of a request, and the requests that belong to one call.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio_util::sync::CancellationToken;
use vault_mcp_reference::{
    token::{TokenSource, renewal},
    vault::{
        access::Access,
        client::{VaultAddress, VaultClient},
        credential::Credential,
        tls::Authorities,
    },
};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use crate::{
    TOKEN,
    client::{Client, fixed},
};

/// A Vault that accepts one token, and writes another one to the file when it refuses a request.
#[derive(Clone)]
struct Replacing {
    accepted: &'static str,
    file: PathBuf,
    then: &'static str,
    /// Method, token and correlation id of each request.
    seen: Arc<Mutex<Vec<[String; 3]>>>,
}

impl Respond for Replacing {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let header = |name: &str| request.headers[name].to_str().unwrap().to_owned();
        let token = header("x-vault-token");
        self.seen.lock().unwrap().push([
            request.method.to_string(),
            token.clone(),
            header("x-correlation-id"),
        ]);
        if token != self.accepted {
            fs::write(&self.file, self.then).unwrap();
            let errors = ["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"];
            return ResponseTemplate::new(403).set_body_json(json!({ "errors": errors }));
        }
        let mount = json!({ "path": "secret/", "type": "kv", "options": { "version": "1" } });
        match request.url.path().starts_with("/v1/sys/") {
            true => ResponseTemplate::new(200).set_body_json(json!({ "data": mount })),
            false => ResponseTemplate::new(204),
        }
    }
}

/// The outcome of a write; the token file contains `old` until Vault refuses that token.
async fn write(then: &'static str) -> (Result<Value, Value>, Vec<[String; 3]>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "old").unwrap();
    let vault = Replacing {
        accepted: "new",
        file: file.clone(),
        then,
        seen: Arc::default(),
    };
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(vault.clone())
        .mount(&server)
        .await;
    let tokens = TokenSource::file(file).unwrap();
    let mut client = Client::open_with(&server.uri(), tokens).begun().await;
    let arguments = json!({ "mount": "secret", "path": "app", "data": { "k": "v" } });
    let answer = client.call("put_secret", arguments).await;
    let seen = vault.seen.lock().unwrap().clone();
    (answer, seen)
}

#[tokio::test]
async fn a_token_that_vault_does_not_know_is_read_from_its_file_again() {
    let (answer, seen) = write("new").await;
    answer.unwrap();
    let tokens: Vec<_> = seen.iter().map(|[_, token, _]| token.as_str()).collect();
    assert_eq!(tokens, ["old", "new", "new"]);
}

#[tokio::test]
async fn a_token_that_is_refused_again_is_an_error_and_not_tried_for_ever() {
    for (then, requests) in [("old", 1), ("wrong", 2)] {
        let (answer, seen) = write(then).await;
        let error = answer.unwrap_err();
        assert_eq!(error["kind"], "permission_denied");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("does not accept the token"), "{message}");
        assert_eq!(seen.len(), requests, "{seen:?}");
    }
}

#[tokio::test]
async fn all_requests_of_a_call_and_its_error_have_one_correlation_id() {
    let (answer, seen) = write("wrong").await;
    let id = answer.unwrap_err()["correlation_id"].clone();
    assert_eq!(id.as_str().unwrap().len(), 32);
    assert!(seen.iter().all(|[_, _, sent]| *sent == id), "{seen:?}");
    let (_, others) = write("wrong").await;
    assert!(others.iter().all(|[_, _, sent]| *sent != id));
}

/// An answer that reports each request that it answers.
struct Told(UnboundedSender<String>, ResponseTemplate);

impl Respond for Told {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let path = request.url.path().trim_start_matches("/v1/auth/token/");
        self.0.send(path.to_owned()).unwrap();
        self.1.clone()
    }
}

#[tokio::test]
async fn a_vault_that_does_not_answer_is_asked_again_for_a_renewal() {
    let server = MockServer::start().await;
    let (told, mut requests) = mpsc::unbounded_channel();
    let json = |data: Value| ResponseTemplate::new(200).set_body_json(data);
    let facts = json!({ "ttl": 6, "renewable": true, "expire_time": "2026-01-01T00:00:00Z" });
    let renewed = json!({ "lease_duration": 3600, "renewable": true });
    for answer in [
        ResponseTemplate::new(503),
        json(json!({ "data": facts })),
        ResponseTemplate::new(500),
        json(json!({ "auth": renewed })),
    ] {
        Mock::given(any())
            .respond_with(Told(told.clone(), answer))
            .up_to_n_times(1)
            .mount(&server)
            .await;
    }
    let (url, authorities) = (
        server.uri().parse().unwrap(),
        Authorities::of_this_machine(),
    );
    let address = VaultAddress::new(url, Access::ReadWrite, &authorities).unwrap();
    let client = VaultClient::new(address, Credential::new(fixed(TOKEN), None));
    let shutdown = CancellationToken::new();
    let keeper = tokio::spawn(renewal::keep_alive(client, shutdown.clone()));
    for path in ["lookup-self", "lookup-self", "renew-self", "renew-self"] {
        assert_eq!(requests.recv().await.unwrap(), path);
    }
    shutdown.cancel();
    keeper.await.unwrap();
}
