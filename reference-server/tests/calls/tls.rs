//! Which certificates of Vault the server accepts, and the errors for others.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
};
use serde_json::json;
use tempfile::TempDir;
use vault_mcp_reference::vault::{
    access::Access,
    client::{VaultAddress, VaultClient, install_crypto_provider},
    credential::Credential,
    error::VaultError,
    path::ApiPath,
    tls::Authorities,
};

use crate::{
    TOKEN,
    client::{Client, GENEROUS, fixed, rates},
};

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Issuer {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A Vault without mounts, with a certificate for this name.
struct TlsVault {
    address: String,
    /// The heads of the received requests.
    requests: Arc<Mutex<Vec<String>>>,
}

impl TlsVault {
    fn start(issuer: &Issuer, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, issuer).unwrap();
        Self::serve(vec![certificate.der().clone()], &key)
    }

    fn serve(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Self {
        install_crypto_provider();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, key.into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("https://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (config, seen) = (Arc::new(config), Arc::clone(&requests));
        // The thread ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = StreamOwned::new(connection, stream.unwrap());
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                    head.extend(byte);
                }
                if head.is_empty() {
                    continue;
                }
                seen.lock().unwrap().push(String::from_utf8(head).unwrap());
                let body = r#"{"data":{"secret":{}}}"#;
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        Self { address, requests }
    }

    fn address(&self, authorities: &Authorities) -> VaultAddress {
        let url = self.address.parse().unwrap();
        VaultAddress::new(url, Access::ReadWrite, authorities).unwrap()
    }

    /// The outcome of a request.
    async fn outcome(&self, authorities: &Authorities) -> Result<(), VaultError> {
        let credential = Credential::new(fixed(TOKEN), None);
        let client = VaultClient::new(self.address(authorities), credential);
        client.read(&ApiPath::mounts(), None).await.map(drop)
    }

    fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

fn in_file(issuers: &[&Issuer]) -> (TempDir, Authorities) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let pem: String = issuers.iter().map(|issuer| issuer.pem()).collect();
    std::fs::write(&path, pem).unwrap();
    let authorities = Authorities::in_file(&path).unwrap();
    (folder, authorities)
}

#[tokio::test]
async fn a_certificate_of_an_authority_in_the_file_is_accepted() {
    let (one, other) = (authority(), authority());
    let vault = TlsVault::start(&other, "127.0.0.1", |_| {});
    for issuers in [&[&other][..], &[&one, &other]] {
        let (_folder, authorities) = in_file(issuers);
        vault.outcome(&authorities).await.unwrap();
    }
    assert_eq!(vault.requests(), 2);
}

#[tokio::test]
async fn a_certificate_that_signed_itself_is_accepted_if_it_is_in_the_file() {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let itself = CertifiedIssuer::self_signed(params, key).unwrap();
    let chain = vec![itself.der().clone()];
    let vault = TlsVault::serve(chain, itself.key());
    let (_folder, authorities) = in_file(&[&itself]);
    vault.outcome(&authorities).await.unwrap();
    let (_folder, others) = in_file(&[&authority()]);
    vault.outcome(&others).await.unwrap_err();
    assert_eq!(vault.requests(), 1);
}

#[tokio::test]
async fn a_certificate_of_anyone_else_is_refused_and_gets_no_token() {
    let (one, other) = (authority(), authority());
    let vault = TlsVault::start(&other, "127.0.0.1", |_| {});
    let (_folder, wrong) = in_file(&[&one]);
    for authorities in [wrong, Authorities::of_this_machine()] {
        let error = vault.outcome(&authorities).await.unwrap_err();
        assert!(matches!(error, VaultError::Certificate(_)), "{error:?}");
    }
    assert_eq!(vault.requests(), 0);
}

#[tokio::test]
async fn a_certificate_for_another_name_or_another_time_is_refused() {
    let issuer = authority();
    let (_folder, authorities) = in_file(&[&issuer]);
    let elsewhere = TlsVault::start(&issuer, "vault.test", |_| {});
    let expired = TlsVault::start(&issuer, "127.0.0.1", |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    for vault in [elsewhere, expired] {
        let error = vault.outcome(&authorities).await.unwrap_err();
        assert!(matches!(error, VaultError::Certificate(_)), "{error:?}");
        assert_eq!(vault.requests(), 0);
    }
}

#[tokio::test]
async fn a_model_is_told_which_setting_the_operator_has_to_look_at() {
    let vault = TlsVault::start(&authority(), "127.0.0.1", |_| {});
    let (_folder, authorities) = in_file(&[&authority()]);
    let address = vault.address(&authorities);
    let mut client = Client::open_through(address, fixed(TOKEN), rates(GENEROUS, GENEROUS))
        .begun()
        .await;
    let error = client.call("list_mounts", json!({})).await.unwrap_err();
    assert_eq!(error["kind"], "vault_unavailable");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("certificate is not accepted"), "{message}");
    assert!(
        error["next_step"]
            .as_str()
            .unwrap()
            .contains("VAULT_CACERT")
    );
}
