//! Real Vaults for single scenarios: how many exist at once, and that none is left.
#![cfg(unix)]
#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    net::TcpStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use serde_json::{Map, json};
use tokio::time::{sleep, timeout};
use vault_mcp_conformance::{
    progress::Progress,
    vault::{
        dedicated::{AT_ONCE, DedicatedVault, DedicatedVaults},
        oracle::{Oracle, VaultRequest},
        policy,
        provider::{self, Vault, VaultChoice, VaultOptions},
    },
};

const GONE: Duration = Duration::from_secs(10);

async fn a_vault(choice: VaultChoice) -> Vault {
    let options = VaultOptions {
        choice,
        ..VaultOptions::default()
    };
    provider::start(&options, &Progress::silent())
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

fn address(own: &DedicatedVault) -> String {
    let address = own.oracle.endpoint().address();
    address.trim_start_matches("http://").to_owned()
}

async fn is_gone(address: &str) {
    let going = async {
        while TcpStream::connect(address).is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(GONE, going)
        .await
        .unwrap_or_else(|_| panic!("{address} is still served"));
}

#[tokio::test]
async fn there_are_at_most_two_and_each_is_as_new_for_the_next_scenario() {
    let vault = a_vault(VaultChoice::Auto).await;
    let (own_vaults, leased) = (DedicatedVaults::like(&vault), AtomicUsize::new(0));
    let addresses = Mutex::new(BTreeSet::new());
    let story = async || {
        let own = own_vaults.lease().await.unwrap();
        let now = leased.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(now <= AT_ONCE, "{now} at once");
        let oracle = &own.oracle;
        assert_ne!(oracle.endpoint().address(), vault.address());
        addresses.lock().unwrap().insert(address(&own));
        let mounts = oracle.mounts().await.unwrap();
        assert_eq!(mounts["secret"]["options"]["version"], "2");
        assert!(!mounts.contains_key("kv"), "{mounts:?}");
        oracle.await_kv_mount("secret", 2).await.unwrap();
        assert_eq!(oracle.list("secret", 2, "").await.unwrap(), [""; 0]);
        let at_first = oracle.inventory().await.unwrap();
        assert!(!at_first.contains_key("sys/policies/acl/mcp-server"));

        let data = Map::from_iter([("key".to_owned(), json!("value"))]);
        let mount = oracle.make_kv_mount("kv", 2).await;
        mount.unwrap();
        for mount in ["secret", "kv"] {
            let written = oracle.write_secret(mount, 2, "app", &data).await;
            written.unwrap();
        }
        let written = oracle.write_policy("mcp-server", policy::NONE).await;
        written.unwrap();
        let token = oracle.make_token("mcp-server").await.unwrap();
        assert_eq!(oracle.inventory().await.unwrap().len(), at_first.len() + 3);

        assert!(own.audit.is_some());
        let oracle = Arc::clone(&own.oracle);
        leased.fetch_sub(1, Ordering::SeqCst);
        own_vaults.give_back(own).await.unwrap();
        let request = VaultRequest::new("GET", "auth/token/lookup-self");
        assert!(oracle.ask(&token.secret, &request).await.unwrap().denied());
    };
    join_all([story(), story(), story(), story(), story()]).await;

    let addresses = addresses.into_inner().unwrap();
    assert!(addresses.len() <= AT_ONCE, "used again: {addresses:?}");
    assert_eq!(own_vaults.close().await, Vec::<String>::new());
    for address in &addresses {
        is_gone(address).await;
    }
    vault.stop().await.unwrap();
}

#[tokio::test]
async fn one_that_cannot_be_made_as_new_is_ended() {
    let vault = a_vault(VaultChoice::Auto).await;
    let own_vaults = DedicatedVaults::like(&vault);
    let own = own_vaults.lease().await.unwrap();
    let (address, oracle) = (address(&own), Arc::clone(&own.oracle));
    let at_first = oracle.inventory().await.unwrap();
    oracle.write_policy("default", policy::NONE).await.unwrap();
    own_vaults.give_back(own).await.unwrap();
    is_gone(&address).await;
    let next = own_vaults.lease().await.unwrap();
    let default = "sys/policies/acl/default";
    let inventory = next.oracle.inventory().await.unwrap();
    assert_eq!(inventory[default], at_first[default]);
    own_vaults.give_back(next).await.unwrap();
    assert_eq!(own_vaults.close().await, Vec::<String>::new());
    vault.stop().await.unwrap();
}

#[tokio::test]
async fn one_whose_scenario_was_given_up_ends_with_the_run() {
    let vault = a_vault(VaultChoice::Auto).await;
    let own_vaults = DedicatedVaults::like(&vault);
    let addresses = [
        address(&own_vaults.lease().await.unwrap()),
        address(&own_vaults.lease().await.unwrap()),
    ];
    for address in &addresses {
        assert!(TcpStream::connect(address).is_ok(), "it runs on");
    }
    assert_eq!(own_vaults.close().await, Vec::<String>::new());
    for address in &addresses {
        is_gone(address).await;
    }
    vault.stop().await.unwrap();
}

#[tokio::test]
async fn none_outlives_a_run_that_panics() {
    let vault = a_vault(VaultChoice::Build).await;
    let own_vaults = DedicatedVaults::like(&vault);
    let address = address(&own_vaults.lease().await.unwrap());
    drop(own_vaults);
    is_gone(&address).await;
    vault.stop().await.unwrap();
}

#[tokio::test]
async fn the_other_node_of_a_cluster_takes_over_with_all_data_and_none_is_left_after_stop() {
    let vault = a_vault(VaultChoice::Build).await;
    let cluster = DedicatedVaults::like(&vault).cluster().await;
    let mut cluster = cluster
        .unwrap_or_else(|error| panic!("{error}"))
        .unwrap_or_else(|| panic!("a built Vault is a program"));
    let first = cluster.active().clone();
    let mount = format!("{}team", vault.prefix());
    let data = Map::from_iter([("key".to_owned(), json!("value"))]);
    let before = Oracle::new(&first, cluster.root_token(), vault.prefix());
    let before = before.unwrap_or_else(|error| panic!("{error}"));
    let made = before.make_kv_mount(&mount, 2).await;
    made.unwrap_or_else(|error| panic!("{error}"));
    let written = before.write_secret(&mount, 2, "a", &data).await;
    written.unwrap_or_else(|error| panic!("{error}"));

    let stepped = cluster.step_down().await;
    stepped.unwrap_or_else(|error| panic!("{error}"));
    let taken_over = cluster.await_takeover().await;
    taken_over.unwrap_or_else(|error| panic!("{error}"));
    let second = cluster.active().clone();
    assert_ne!(first.address(), second.address());
    let after = Oracle::new(&second, cluster.root_token(), vault.prefix());
    let after = after.unwrap_or_else(|error| panic!("{error}"));
    let held = after.read_secret(&mount, 2, "a").await;
    assert_eq!(held.unwrap_or_else(|error| panic!("{error}")), Some(data));

    assert_eq!(cluster.stop().await, Ok(()));
    for node in [first, second] {
        is_gone(node.authority().as_str()).await;
    }
    vault.stop().await.unwrap_or_else(|error| panic!("{error}"));
}
