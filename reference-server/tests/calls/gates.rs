//! Calls that the server rejects: changes on a read-only server, and calls that exceed a limit. Neither reach Vault.

use std::sync::Arc;

use serde_json::{Value, json};
use vault_mcp_reference::vault::{
    Vault,
    access::Access,
    client::{VaultAddress, VaultClient},
    credential::Credential,
    error::VaultError,
    mounts::KvSettings,
    path::{MountPath, SecretPath},
    tls::Authorities,
};

use crate::{
    TOKEN,
    client::{Client, GENEROUS, fixed, rates},
    connect,
    harness::FakeVault,
};

/// So slow that no call becomes available while a test runs.
const THREE_CALLS: &str = "0.001:3";

fn address(vault_addr: &str, access: Access) -> VaultAddress {
    let authorities = Authorities::of_this_machine();
    VaultAddress::new(vault_addr.parse().unwrap(), access, &authorities).unwrap()
}

async fn gated(vault_addr: &str, access: Access, session: &str, global: &str) -> Client {
    let (address, rates) = (address(vault_addr, access), rates(session, global));
    Client::open_through(address, fixed(TOKEN), rates)
        .begun()
        .await
}

async fn read_only(vault_addr: &str) -> Client {
    gated(vault_addr, Access::ReadOnly, GENEROUS, GENEROUS).await
}

async fn tools(client: &mut Client) -> Vec<Value> {
    let answer = client.request("tools/list", json!({})).await;
    answer["result"]["tools"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_read_only_server_lists_the_tools_that_change_nothing() {
    let (server, _vault) = FakeVault::start(2).await;
    let listed = tools(&mut read_only(&server.uri()).await).await;
    let mut all = tools(&mut connect(&server.uri()).await).await;
    assert!(listed.len() < all.len());
    all.retain(|tool| tool["annotations"]["readOnlyHint"] == true);
    assert_eq!(listed, all);
}

#[tokio::test]
async fn a_tool_that_is_not_listed_says_that_the_server_is_read_only_and_reaches_no_vault() {
    let (server, vault) = FakeVault::start(2).await;
    let mut client = read_only(&server.uri()).await;
    let all = tools(&mut connect(&server.uri()).await).await;
    let hidden = all
        .iter()
        .filter(|tool| tool["annotations"]["readOnlyHint"] != true);
    for tool in hidden {
        let name = tool["name"].as_str().unwrap();
        // With any arguments: the server does not look at them.
        for arguments in [
            json!({}),
            json!({ "mount": "secret", "path": "app", "key": "k", "value": "canary" }),
        ] {
            let error = client.call(name, arguments).await.unwrap_err();
            assert_eq!(
                (&error["kind"], &error["operation"]),
                (&json!("read_only"), &json!(name))
            );
            let next = error["next_step"].as_str().unwrap();
            assert!(next.contains("ENABLE_VAULT_OPERATIONS"), "{error}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }
    assert_eq!(vault.take_requests(), Vec::<String>::new());
}

#[tokio::test]
async fn another_spelling_of_a_tool_is_no_tool() {
    let (server, vault) = FakeVault::start(2).await;
    let mut client = read_only(&server.uri()).await;
    let arguments = json!({ "mount": "secret", "path": "app", "key": "k", "value": "v" });
    for name in [
        "Write_Secret",
        "WRITE_SECRET",
        " write_secret",
        "write_secret\0",
        "write-secret",
    ] {
        let call = json!({ "name": name, "arguments": arguments });
        let answer = client.request("tools/call", call).await;
        assert_eq!(answer["error"]["code"], -32602, "{name:?}");
    }
    assert_eq!(vault.take_requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_read_only_server_reads_and_says_what_it_is() {
    let (server, vault) = FakeVault::start(2).await;
    vault.store("app", 3, json!({ "k": "v" }));
    let mut client = read_only(&server.uri()).await;
    let app = json!({ "mount": "secret", "path": "app" });
    let read = client.call("read_secret", app).await.unwrap();
    assert_eq!(read["data"], json!({ "k": "v" }));
}

#[tokio::test]
async fn where_vault_must_not_be_changed_no_change_leaves_even_if_it_is_asked_for() {
    let (server, fake) = FakeVault::start(2).await;
    fake.store("app", 3, json!({ "k": "v" }));
    let address = address(&server.uri(), Access::ReadOnly);
    let credential = Credential::new(fixed(TOKEN), None);
    let vault = Vault::new(VaultClient::new(address, credential), Arc::default());
    let mount = MountPath::parse("secret").unwrap();
    let path = SecretPath::parse("app").unwrap();
    let value = serde_json::value::to_raw_value("new").unwrap();
    let refused = [
        vault.kv.write_key(&mount, &path, "k", &value).await.err(),
        vault.kv.put(&mount, &path, &[].into(), None).await.err(),
        vault.kv.delete(&mount, &path).await.err(),
        vault.mounts.delete(&mount).await.err(),
        vault
            .mounts
            .configure(&mount, KvSettings::default())
            .await
            .err(),
    ];
    for (at, refused) in refused.into_iter().enumerate() {
        assert!(
            matches!(refused, Some(VaultError::ReadOnly)),
            "{at}: {refused:?}"
        );
    }
    let requests = fake.take_requests();
    assert!(
        requests.iter().all(|request| request.starts_with("GET ")),
        "{requests:?}"
    );
    assert!(vault.kv.read(&mount, &path, None).await.is_ok());
}

#[tokio::test]
async fn a_call_beyond_the_limit_says_when_to_try_again_and_the_session_goes_on() {
    let (server, vault) = FakeVault::start(2).await;
    vault.store("app", 3, json!({ "k": "v" }));
    for (session, global, whose) in [
        (THREE_CALLS, GENEROUS, "session"),
        (GENEROUS, THREE_CALLS, "all its clients"),
    ] {
        let mut client = gated(&server.uri(), Access::ReadWrite, session, global).await;
        let app = json!({ "mount": "secret", "path": "app" });
        for _ in 0..3 {
            assert!(client.call("read_secret", app.clone()).await.is_ok());
        }
        vault.take_requests();
        for _ in 0..5 {
            let error = client.call("read_secret", app.clone()).await.unwrap_err();
            assert_eq!(
                (&error["kind"], &error["operation"], &error["path"]),
                (&json!("rate_limited"), &json!("read_secret"), &json!("app"))
            );
            assert!(
                error["message"].as_str().unwrap().contains(whose),
                "{error}"
            );
            assert!(error.get("status").is_none(), "{error}");
            let wait = error["retry_after_ms"].as_u64().unwrap();
            assert!((900_000..=1_000_001).contains(&wait), "{error}");
        }
        assert_eq!(vault.take_requests(), Vec::<String>::new());
        assert_eq!(client.request("ping", json!({})).await["result"], json!({}));
        assert!(!tools(&mut client).await.is_empty());
    }
}

#[tokio::test]
async fn calls_that_are_wrong_count_and_messages_that_are_no_calls_do_not() {
    let (server, vault) = FakeVault::start(2).await;
    vault.store("app", 3, json!({ "k": "v" }));
    let mut client = gated(&server.uri(), Access::ReadWrite, THREE_CALLS, GENEROUS).await;
    for _ in 0..20 {
        client.request("ping", json!({})).await;
        client.request("tools/list", json!({})).await;
    }
    for _ in 0..3 {
        let error = client.call("read_secret", json!({})).await.unwrap_err();
        assert_eq!(error["kind"], "invalid_argument");
    }
    let app = json!({ "mount": "secret", "path": "app" });
    let error = client.call("read_secret", app).await.unwrap_err();
    assert_eq!(error["kind"], "rate_limited");
}

#[tokio::test]
async fn a_call_can_be_made_again_after_the_time_that_was_told() {
    let (server, _vault) = FakeVault::start(2).await;
    let mut client = gated(&server.uri(), Access::ReadWrite, "20:1", GENEROUS).await;
    let mut refused = 0;
    for _ in 0..5 {
        while let Err(error) = client
            .call("list_secrets", json!({ "mount": "secret" }))
            .await
        {
            assert_eq!(error["kind"], "rate_limited", "{error}");
            refused += 1;
            let wait = error["retry_after_ms"].as_u64().unwrap();
            assert!(wait <= 51, "{error}");
            tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
        }
    }
    assert!(
        refused <= 5,
        "the time that was told was too short {refused} times"
    );
}
