//! The tap forwards requests of a target unchanged, and records them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Response};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use vault_mcp_conformance::{
    certificate::{Authority, Flaw},
    tap::{
        Tap, TokenPrint,
        fault::{Fault, FaultAction},
        tls::TlsIdentity,
    },
    vault::endpoint::Endpoint,
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

fn endpoint(address: &str) -> Endpoint {
    Endpoint::new(address, None).unwrap()
}

/// Sends one request with this exact request target, and returns the whole answer.
async fn send(tap: &Tap, method: &str, target: &str) -> String {
    send_with(tap, method, target, "").await
}

/// The same with these header lines.
async fn send_with(tap: &Tap, method: &str, target: &str, headers: &str) -> String {
    let address = tap.address().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request =
        format!("{method} {target} HTTP/1.1\r\nHost: vault\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_path_reaches_vault_as_it_was_sent() {
    const PATH: &str = "/v1/team/data/..%2f%2E%2e//a%20b;c?version=%31&list=true";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let vault = format!("http://{}", listener.local_addr().unwrap());
    let seen = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        String::from_utf8(head).unwrap()
    });
    let tap = Tap::start(&endpoint(&vault), None).await.unwrap();

    let answer = send(&tap, "GET", PATH).await;

    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    let seen = seen.await.unwrap();
    assert!(
        seen.starts_with(&format!("GET {PATH} HTTP/1.1\r\n")),
        "{seen}"
    );
    assert_eq!(tap.exchanges()[0].path, PATH);
}

#[tokio::test]
async fn vaults_answer_is_passed_on_and_its_status_kept() {
    let vault = MockServer::start().await;
    let denied = ResponseTemplate::new(403).set_body_string(r#"{"errors":["permission denied"]}"#);
    Mock::given(any()).respond_with(denied).mount(&vault).await;
    let tap = Tap::start(&endpoint(&vault.uri()), None).await.unwrap();

    let answer = send(&tap, "LIST", "/v1/team/metadata/").await;

    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(
        answer.ends_with(r#"{"errors":["permission denied"]}"#),
        "{answer}"
    );
    let exchanges = tap.exchanges();
    assert_eq!(exchanges.len(), 1);
    assert_eq!(exchanges[0].method.as_str(), "LIST");
    assert_eq!(exchanges[0].status, 403);
    tap.forget();
    assert!(tap.exchanges().is_empty());
}

#[tokio::test]
async fn the_namespace_and_the_correlation_id_of_a_request_are_kept_and_no_token_is() {
    let vault = MockServer::start().await;
    let there = ResponseTemplate::new(204);
    Mock::given(any()).respond_with(there).mount(&vault).await;
    let tap = Tap::start(&endpoint(&vault.uri()), None).await.unwrap();

    send(&tap, "GET", "/v1/a").await;
    let headers = format!(
        "X-Vault-Namespace: team/a\r\nX-Correlation-Id: {}\r\nX-Vault-Token: hvs.token\r\n",
        "7".repeat(1000)
    );
    send_with(&tap, "GET", "/v1/b", &headers).await;
    let twice = "X-Vault-Namespace: a\r\nX-Vault-Namespace: b\r\n";
    send_with(&tap, "GET", "/v1/c", twice).await;

    let exchanges = tap.exchanges();
    assert_eq!(exchanges[0].namespace, None);
    assert_eq!(exchanges[0].correlation_id, None);
    assert_eq!(exchanges[1].namespace.as_deref(), Some("team/a"));
    assert_eq!(exchanges[1].correlation_id, Some("7".repeat(256)));
    assert_eq!(exchanges[2].namespace.as_deref(), Some("a, b"));
    assert!(!format!("{exchanges:?}").contains("hvs.token"));
}

#[tokio::test]
async fn a_vault_that_is_gone_is_told_as_a_bad_gateway() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let tap = Tap::start(&endpoint(&nobody), None).await.unwrap();

    let answer = send(&tap, "GET", "/v1/sys/health").await;

    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert!(
        answer.contains("conformance tap: Vault did not answer"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_trap_springs_once_and_for_its_own_request_alone() {
    let vault = MockServer::start().await;
    let there = ResponseTemplate::new(200).set_body_string("vault");
    Mock::given(any()).respond_with(there).mount(&vault).await;
    let tap = Tap::start(&endpoint(&vault.uri()), None).await.unwrap();
    let canned = FaultAction::Answer(Box::new(Response::new(Bytes::from("trap"))));
    tap.set(Fault::new([Method::GET], "team/data/", canned));

    for (method, path, from) in [
        ("GET", "/v1/other/data/app", "vault"),
        ("POST", "/v1/team/data/app", "vault"),
        ("GET", "/v1/team/data/app", "trap"),
        ("GET", "/v1/team/data/app", "vault"),
    ] {
        let answer = send(&tap, method, path).await;
        assert!(answer.ends_with(from), "{method} {path}: {answer}");
    }
    assert_eq!(tap.exchanges().len(), 4);
}

#[tokio::test]
async fn what_a_trap_does_first_is_done_before_vault_is_asked() {
    let vault = MockServer::start().await;
    let done = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&done);
    let answer = move |_: &wiremock::Request| {
        ResponseTemplate::new(200).set_body_string(seen.load(Ordering::SeqCst).to_string())
    };
    Mock::given(any()).respond_with(answer).mount(&vault).await;
    let tap = Tap::start(&endpoint(&vault.uri()), None).await.unwrap();
    let first = async move { done.store(1, Ordering::SeqCst) };
    tap.set(Fault::for_write(
        "team/",
        FaultAction::First(Box::pin(first)),
    ));

    assert!(send(&tap, "GET", "/v1/team/app").await.ends_with('0'));
    assert!(send(&tap, "PUT", "/v1/team/app").await.ends_with('1'));
}

#[tokio::test]
async fn the_longest_wait_is_vaults_and_not_a_traps() {
    const DELAY: Duration = Duration::from_millis(200);
    let vault = MockServer::start().await;
    let late = ResponseTemplate::new(200).set_delay(DELAY);
    Mock::given(any()).respond_with(late).mount(&vault).await;
    let tap = Tap::start(&endpoint(&vault.uri()), None).await.unwrap();
    let canned = FaultAction::Answer(Box::new(Response::new(Bytes::from("trap"))));
    tap.set(Fault::new([Method::GET], "team/", canned));

    send(&tap, "GET", "/v1/team/app").await;
    assert_eq!(tap.longest_wait(), Duration::ZERO);
    send(&tap, "GET", "/v1/team/app").await;
    assert!(tap.longest_wait() >= DELAY);
    tap.forget();
    assert_eq!(tap.longest_wait(), Duration::ZERO);
}

#[tokio::test]
async fn a_request_counts_while_it_waits_and_when_the_server_gives_it_up() {
    let vault = MockServer::start().await;
    let (arrived, mut arrives) = tokio::sync::mpsc::unbounded_channel();
    let never = move |_: &wiremock::Request| {
        arrived.send(()).unwrap();
        ResponseTemplate::new(200).set_delay(Duration::from_secs(60))
    };
    Mock::given(any()).respond_with(never).mount(&vault).await;
    let tap = Tap::start(&endpoint(&vault.uri()), None).await.unwrap();

    let mut request = Box::pin(send(&tap, "GET", "/v1/team/app"));
    tokio::select! {
        _ = &mut request => panic!("Vault does not answer"),
        _ = arrives.recv() => {}
    }
    let waiting = tap.longest_wait();
    assert!(waiting > Duration::ZERO);
    drop(request);
    assert!(tap.longest_wait() >= waiting);
}

#[tokio::test]
async fn only_who_accepts_its_certificate_comes_through_a_tap_that_speaks_tls() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let vault = MockServer::start().await;
    let answer = ResponseTemplate::new(204);
    Mock::given(any()).respond_with(answer).mount(&vault).await;
    let (authority, another) = (Authority::new().unwrap(), Authority::new().unwrap());
    let trusted = reqwest::Certificate::from_pem(authority.certificate().as_bytes()).unwrap();
    let client = || {
        let client = reqwest::Client::builder().tls_certs_only([trusted.clone()]);
        client.no_proxy().build().unwrap()
    };
    for (shown, comes) in [
        (authority.sign(None), true),
        (authority.sign(Some(Flaw::OtherName)), false),
        (authority.sign(Some(Flaw::Expired)), false),
        (another.sign(None), false),
    ] {
        let front = TlsIdentity::new(shown.unwrap(), authority.sign(None).unwrap());
        for (front, comes) in [(front.clone(), comes), (front.overlooked(), true)] {
            let before = front.asked();
            let vault = endpoint(&vault.uri());
            let tap = Tap::start_at(Ipv4Addr::LOCALHOST, &vault, None, Some(&front));
            let tap = tap.await.unwrap();
            let asked = client().get(format!("{}/v1/x", tap.address()));
            let sent = asked.header("x-vault-token", "hvs.a").send().await;
            assert_eq!(sent.is_ok(), comes, "{sent:?}");
            assert_eq!(front.asked() - before, usize::from(comes));
            let tokens: Vec<_> = tap.exchanges().into_iter().map(|e| e.token).collect();
            let print = Some(TokenPrint::of(&"hvs.a".into()));
            assert_eq!(tokens, vec![print; usize::from(comes)]);
        }
    }
}
