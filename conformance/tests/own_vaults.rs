//! Vaults that one scenario has to itself, with real ones: how many there are at once, and that none stays.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures::future::join_all;
use serde_json::{Map, json};
use tokio::time::{sleep, timeout};
use vault_mcp_conformance::{
    progress::Progress,
    vault::{
        own::{AT_ONCE, OwnVault, OwnVaults},
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

fn address(own: &OwnVault) -> String {
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
async fn there_are_at_most_two_at_once_and_each_is_new_and_gone_when_it_is_ended() {
    let vault = a_vault(VaultChoice::Auto).await;
    let (own_vaults, running) = (OwnVaults::like(&vault), AtomicUsize::new(0));
    let story = async || {
        let own = own_vaults.lease().await.unwrap();
        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(now <= AT_ONCE, "{now} at once");
        let (oracle, address) = (&own.oracle, address(&own));
        assert_ne!(oracle.endpoint().address(), vault.address());
        assert_eq!(
            oracle.mounts().await.unwrap()["secret"]["options"]["version"],
            "2"
        );
        oracle.await_kv_mount("secret", 2).await.unwrap();
        assert_eq!(oracle.list("secret", 2, "").await.unwrap(), [""; 0]);
        let data = Map::from_iter([("key".to_owned(), json!("value"))]);
        oracle
            .write_secret("secret", 2, "app", &data)
            .await
            .unwrap();
        assert!(own.audit.is_some());
        own_vaults.end(own).await.unwrap();
        running.fetch_sub(1, Ordering::SeqCst);
        is_gone(&address).await;
    };
    join_all([story(), story(), story(), story()]).await;
    assert_eq!(own_vaults.close().await, Vec::<String>::new());
    vault.stop().await.unwrap();
}

#[tokio::test]
async fn one_whose_scenario_was_given_up_ends_with_the_run() {
    let vault = a_vault(VaultChoice::Auto).await;
    let own_vaults = OwnVaults::like(&vault);
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
    let own_vaults = OwnVaults::like(&vault);
    let address = address(&own_vaults.lease().await.unwrap());
    drop(own_vaults);
    is_gone(&address).await;
    vault.stop().await.unwrap();
}
