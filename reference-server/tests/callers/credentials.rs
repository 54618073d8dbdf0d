//! Each request acts with the credential that it names, and a session belongs to one credential.

use serde_json::json;

use crate::{
    Noting, OWN,
    server::{Headers, Reply, Server, hello},
    start,
};

const A: Headers = &[("x-vault-token", "hvs.a-canary")];
const B: Headers = &[("x-vault-token", "hvs.b-canary")];
const NONE: Headers = &[];

async fn mounts(server: &Server, session: &str, headers: Headers<'_>) -> Reply {
    server
        .call(session, "list_mounts", json!({}), headers)
        .await
}

fn expect_one(vault: &Noting, asked: &str) {
    assert_eq!(vault.take(), [format!("{asked} sys/mounts")]);
}

#[tokio::test]
async fn each_session_acts_with_its_own_token() {
    let (_mock, vault, server) = start(&[("VAULT_TOKEN", OWN)]).await;
    let sessions = [(A, "hvs.a-canary"), (NONE, OWN), (B, "hvs.b-canary")];
    let mut begun = Vec::new();
    for (headers, token) in sessions {
        begun.push((server.session(headers).await, headers, token));
    }
    assert!(vault.take().is_empty());
    for _ in 0..2 {
        for (id, headers, token) in &begun {
            assert_eq!(mounts(&server, id, headers).await.kind(), "ok");
            expect_one(&vault, &format!("{token} -"));
        }
    }
}

#[tokio::test]
async fn a_session_does_not_serve_another_credential() {
    let (_mock, vault, server) = start(&[("VAULT_TOKEN", OWN)]).await;
    let own: Headers = &[("x-vault-token", OWN)];
    let elsewhere: Headers = &[
        ("x-vault-token", "hvs.a-canary"),
        ("x-vault-namespace", "team"),
    ];
    let session = server.session(A).await;
    let of_server = server.session(NONE).await;
    for (id, headers) in [
        (&session, B),
        (&session, NONE),
        (&session, own),
        (&session, elsewhere),
        (&of_server, A),
        (&of_server, own),
    ] {
        assert_eq!(
            mounts(&server, id, headers).await.status,
            404,
            "{headers:?}"
        );
        let of_session = [("mcp-session-id", id.as_str())];
        let all = [&of_session, headers].concat();
        for method in ["GET", "DELETE"] {
            let reply = server.request(method, "", "", &all).await;
            assert_eq!(reply.status, 404, "{method} {headers:?}");
        }
        assert_eq!(server.post(&hello(), &all).await.status, 404);
    }
    assert!(vault.take().is_empty());
    // The sessions are still open.
    assert_eq!(mounts(&server, &session, A).await.kind(), "ok");
    assert_eq!(mounts(&server, &of_server, NONE).await.kind(), "ok");
}

#[tokio::test]
async fn an_id_that_was_not_given_out_or_was_given_back_is_that_of_no_session() {
    let (_mock, vault, server) = start(&[("VAULT_TOKEN", OWN)]).await;
    let session = server.session(A).await;
    assert!(session.bytes().all(|byte| byte.is_ascii_graphic()));
    let bare = session.split_once('.').unwrap().0;
    let other = server.session(A).await;
    let mixed = format!("{bare}.{}", other.split_once('.').unwrap().1);
    for invented in ["1", "00000000-0000-0000-0000-000000000000", bare, &mixed] {
        assert_eq!(mounts(&server, invented, A).await.status, 404, "{invented}");
    }
    let of_session = [("mcp-session-id", session.as_str())];
    let ended = server
        .request("DELETE", "", "", &[&of_session, A].concat())
        .await;
    assert!(ended.status < 300, "{ended:?}");
    assert_eq!(mounts(&server, &session, A).await.status, 404);
    assert!(vault.take().is_empty());
    assert_eq!(mounts(&server, &other, A).await.kind(), "ok");
}

#[tokio::test]
async fn without_a_token_of_the_server_a_request_without_one_gets_401_and_reaches_nothing() {
    let (_mock, vault, server) = start(&[("VAULT_TOKEN", "")]).await;
    let session = server.session(A).await;
    let of_session = [("mcp-session-id", session.as_str())];
    for reply in [
        server.post(&hello(), NONE).await,
        mounts(&server, &session, NONE).await,
        server.call_stateless("list_mounts", json!({}), NONE).await,
        server.request("GET", "", "", &of_session).await,
        server.request("DELETE", "", "", &of_session).await,
    ] {
        assert_eq!(reply.status, 401, "{reply:?}");
        assert!(reply.text.contains("X-Vault-Token"), "{reply:?}");
        assert_eq!(reply.headers["www-authenticate"], "X-Vault-Token");
        assert!(!reply.headers.contains_key("mcp-session-id"));
    }
    assert!(vault.take().is_empty());
    assert_eq!(mounts(&server, &session, A).await.kind(), "ok");
    expect_one(&vault, "hvs.a-canary -");
}

#[tokio::test]
async fn a_page_can_read_why_its_credential_is_refused_and_anybody_that_the_server_is_up() {
    const APP: (&str, &str) = ("origin", "https://app.example");
    let env = [("VAULT_TOKEN", ""), ("MCP_ALLOWED_ORIGINS", APP.1)];
    let (_mock, _vault, server) = start(&env).await;
    let session = server.session(A).await;
    let of_session = [("mcp-session-id", session.as_str()), APP];
    for (reply, status) in [
        (server.post(&hello(), &[APP]).await, 401),
        (
            server.post(&hello(), &[&of_session[..], B].concat()).await,
            404,
        ),
    ] {
        assert_eq!(reply.status, status, "{reply:?}");
        assert_eq!(reply.headers["access-control-allow-origin"], APP.1);
    }
    let beside = server.request("GET", "/../health", "", NONE).await;
    assert_eq!(beside.status, 200);
    assert!(beside.text.contains(r#""status":"ok""#), "{beside:?}");
    let foreign = [("origin", "https://evil.example")];
    assert_eq!(server.post(&hello(), &foreign).await.status, 403);
}

#[tokio::test]
async fn a_session_of_the_server_goes_on_with_what_its_token_file_holds() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "hvs.first-canary").unwrap();
    let (_mock, vault, server) = start(&[("VAULT_TOKEN_FILE", file.to_str().unwrap())]).await;
    let session = server.session(NONE).await;
    let brought = server.session(A).await;
    for token in ["hvs.first-canary", "hvs.later-canary"] {
        std::fs::write(&file, token).unwrap();
        assert_eq!(mounts(&server, &session, NONE).await.kind(), "ok");
        expect_one(&vault, &format!("{token} -"));
        assert_eq!(mounts(&server, &brought, A).await.kind(), "ok");
        expect_one(&vault, "hvs.a-canary -");
    }
    // No output shows either token.
    let secret = json!({ "mount": "hvs.first-canary", "path": "hvs.later-canary" });
    let reply = server.call(&brought, "read_secret", secret, A).await;
    let error = reply.outcome().unwrap_err();
    assert!(!error.to_string().contains("canary"), "{error}");
}

#[tokio::test]
async fn in_the_era_without_sessions_each_request_stands_alone() {
    let (_mock, vault, server) = start(&[("VAULT_TOKEN", OWN)]).await;
    let team: Headers = &[("x-vault-namespace", "team/")];
    // In the stateless era the id of a session means nothing.
    let session = server.session(A).await;
    let stray: &[_] = &[
        ("mcp-session-id", session.as_str()),
        ("x-vault-token", "hvs.b-canary"),
    ];
    for (headers, asked) in [
        (A, "hvs.a-canary -"),
        (NONE, "hvs.own-canary -"),
        (B, "hvs.b-canary -"),
        (team, "hvs.own-canary team"),
        (stray, "hvs.b-canary -"),
        (A, "hvs.a-canary -"),
    ] {
        let reply = server
            .call_stateless("list_mounts", json!({}), headers)
            .await;
        assert_eq!(reply.kind(), "ok");
        expect_one(&vault, asked);
    }
}

#[tokio::test]
async fn a_token_in_the_address_is_not_used_and_the_request_is_refused() {
    let (_mock, vault, server) = start(&[("VAULT_TOKEN", OWN)]).await;
    let hello = hello().to_string();
    for query in [
        "?X-Vault-Token=hvs.a-canary",
        "?x-vault-token=hvs.a-canary",
        "?VAULT_TOKEN=hvs.a-canary",
        "?vault%5Ftoken=hvs.a-canary",
        "?token=hvs.a-canary",
        "?X-Vault-Namespace=team",
        "?VAULT_ADDR=http://127.0.0.1:1",
    ] {
        for headers in [NONE, A] {
            let reply = server.request("POST", query, &hello, headers).await;
            assert_eq!(reply.status, 400, "{query}");
            assert!(!reply.text.contains("canary"), "{reply:?}");
            assert!(!reply.headers.contains_key("mcp-session-id"));
        }
    }
    assert!(vault.take().is_empty());
}

#[tokio::test]
async fn headers_that_cannot_be_used_are_refused_and_not_taken_for_none() {
    let (_mock, vault, server) = start(&[("VAULT_TOKEN", OWN)]).await;
    let long = "x".repeat(5000);
    let cases: &[Headers] = &[
        &[("x-vault-token", "")],
        &[("x-vault-token", "hvs.a canary")],
        &[("x-vault-token", &long)],
        &[
            ("x-vault-token", "hvs.a-canary"),
            ("x-vault-token", "hvs.b-canary"),
        ],
        &[("x-vault-namespace", "")],
        &[("x-vault-namespace", "team/../canary")],
        &[("x-vault-namespace", "team, canary")],
        &[("x-vault-namespace", "a"), ("x-vault-namespace", "b")],
    ];
    for headers in cases {
        let reply = server.post(&hello(), headers).await;
        assert_eq!(reply.status, 400, "{headers:?}");
        assert!(!reply.text.contains("canary"), "{reply:?}");
        let reply = server
            .call_stateless("list_mounts", json!({}), headers)
            .await;
        assert_eq!(reply.status, 400, "{headers:?}");
    }
    assert!(vault.take().is_empty());
}

#[tokio::test]
async fn the_namespace_goes_out_with_every_request_and_stays_with_its_session() {
    let (_mock, vault, server) =
        start(&[("VAULT_TOKEN", OWN), ("VAULT_NAMESPACE", "/team/")]).await;
    let below: Headers = &[("x-vault-namespace", "team/a")];
    let brought: Headers = &[
        ("x-vault-token", "hvs.a-canary"),
        ("x-vault-namespace", "other"),
    ];
    let secret = json!({ "mount": "secret", "path": "app" });
    let mut sessions = Vec::new();
    for (headers, asked) in [
        (NONE, "hvs.own-canary team"),
        (below, "hvs.own-canary team/a"),
        (brought, "hvs.a-canary other"),
        (A, "hvs.a-canary team"),
    ] {
        sessions.push((server.session(headers).await, headers, asked));
    }
    for round in 0..2 {
        for (id, headers, asked) in &sessions {
            let reply = server
                .call(id, "read_secret", secret.clone(), headers)
                .await;
            assert_eq!(reply.kind(), "ok");
            // What the server caches of the mount for one caller is not used for another.
            let mut expected = vec![format!("{asked} secret/data/app")];
            if round == 0 {
                expected.insert(0, format!("{asked} sys/internal/ui/mounts/secret"));
            }
            assert_eq!(vault.take(), expected);
        }
    }
    for beside in ["other", "teams", "root"] {
        let reply = server
            .post(&hello(), &[("x-vault-namespace", beside)])
            .await;
        assert_eq!(reply.status, 403, "{beside}");
    }
    assert!(vault.take().is_empty());
}

#[tokio::test]
async fn no_token_is_in_an_answer_or_in_the_log() {
    let (_mock, _vault, server) = start(&[("VAULT_TOKEN", OWN)]).await;
    let session = server.session(A).await;
    let denied = json!({ "mount": "hvs.own-canary", "path": "hvs.a-canary" });
    let reply = server.call(&session, "read_secret", denied, A).await;
    let error = reply.outcome().unwrap_err();
    assert_eq!(error["kind"], "permission_denied");
    assert!(error.to_string().contains("[redacted]"), "{error}");
    let reply_to_stranger = mounts(&server, &session, B).await;
    assert_eq!(reply_to_stranger.status, 404);
    // The log arrives through a pipe.
    while !server.log().contains("request refused") {
        tokio::task::yield_now().await;
    }
    for text in [reply.text, reply_to_stranger.text, server.log()] {
        assert!(!text.contains("canary"), "{text}");
    }
}
