//! TLS: versions, clients, and configurations with which the server does not start.

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::{Certificate, Client, Method, tls::Version};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::server::{PATIENCE, Server, hello, refusal};

/// The versions of TLS on the wire (RFC 8446, section 4.1.2).
const SSL_3: [u8; 2] = [3, 0];
const TLS_1_0: [u8; 2] = [3, 1];
const TLS_1_1: [u8; 2] = [3, 2];
const TLS_1_2: [u8; 2] = [3, 3];
/// Kinds of TLS records.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
/// The alert of a server that supports none of the client's versions.
const PROTOCOL_VERSION: u8 = 70;

/// A CA, and the files of a certificate that it issued for loopback.
struct Pki {
    folder: TempDir,
    ca: Certificate,
}

impl Pki {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let names = ["localhost", "127.0.0.1", "mcp.example.com"].map(String::from);
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(names).unwrap();
        let leaf = leaf.signed_by(&key, &ca).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cert.pem"), leaf.pem()).unwrap();
        fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
        Self {
            folder,
            ca: Certificate::from_pem(ca.pem().as_bytes()).unwrap(),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a server with the certificate, and a client that trusts its CA.
    async fn server(&self, arguments: &[&str], env: &[(&str, &str)]) -> Server {
        let (certificate, key) = (self.file("cert.pem"), self.file("key.pem"));
        let mut all = vec![
            ("MCP_TLS_CERT_FILE", certificate.to_str().unwrap()),
            ("MCP_TLS_KEY_FILE", key.to_str().unwrap()),
        ];
        all.extend(env);
        let mut server = Server::start_with(arguments, &all).await;
        assert!(server.base.starts_with("https://"), "{}", server.base);
        server.client = self.client(Version::TLS_1_2, Version::TLS_1_3);
        server
    }

    fn client(&self, lowest: Version, highest: Version) -> Client {
        Client::builder()
            .no_proxy()
            .tls_certs_only([self.ca.clone()])
            .tls_version_min(lowest)
            .tls_version_max(highest)
            .build()
            .unwrap()
    }
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken_with_the_certificate_that_was_given() {
    let pki = Pki::new();
    let mut server = pki.server(&[], &[]).await;
    for version in [Version::TLS_1_2, Version::TLS_1_3] {
        server.client = pki.client(version, version);
        server.session().await;
    }
    server.client = Pki::new().client(Version::TLS_1_2, Version::TLS_1_3);
    let error = server.post(&hello("2025-11-25")).send().await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
}

#[tokio::test]
async fn nothing_below_tls_1_2_is_spoken() {
    let pki = Pki::new();
    let server = pki.server(&[], &[]).await;
    // With TLS 1.2 the server accepts the same ClientHello.
    let answer = server.raw_until(&client_hello(TLS_1_2), 6).await;
    assert_eq!(answer[0], HANDSHAKE, "{answer:?}");
    assert_eq!(answer[5], 2, "a server hello: {answer:?}");
    for version in [SSL_3, TLS_1_0, TLS_1_1] {
        let answer = server.raw(&client_hello(version)).await;
        assert_eq!(answer.len(), 7, "{version:?}: {answer:?}");
        assert_eq!(answer[0], ALERT, "{version:?}");
        assert_eq!(answer[6], PROTOCOL_VERSION, "{version:?}");
    }
    server.session().await;
}

/// A ClientHello with this highest version.
fn client_hello(version: [u8; 2]) -> Vec<u8> {
    fn with_length(bytes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        [&length, bytes].concat()
    }
    let extension = |kind: u16, data: &[u8]| [&kind.to_be_bytes(), &with_length(data)[..]].concat();
    // ECDSA and RSA with AES-128, with GCM and, as before TLS 1.2, with CBC.
    let suites = [0xc02b_u16, 0xc02f, 0xc009, 0xc013, 0x002f].map(u16::to_be_bytes);
    let extensions = [
        extension(10, &with_length(&[0, 29, 0, 23])), // X25519, P-256
        extension(11, &[1, 0]),                       // uncompressed points
        extension(13, &with_length(&[4, 3, 8, 4, 4, 1])), // ECDSA, RSA-PSS, RSA with SHA-256
        extension(0xff01, &[0]),                      // no renegotiation
    ];
    let body = [
        &version[..],
        &[7; 32], // random
        &[0],     // no session
        &with_length(suites.as_flattened()),
        &[1, 0], // no compression
        &with_length(&extensions.concat()),
    ]
    .concat();
    let handshake = [&[1, 0][..], &with_length(&body)].concat();
    [&[HANDSHAKE, 3, 1][..], &with_length(&handshake)].concat()
}

impl Server {
    /// Sends raw bytes; returns at least this many received bytes.
    async fn raw_until(&self, sent: &[u8], length: usize) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let mut answer = vec![0; length];
        let reading = stream.read_exact(&mut answer);
        timeout(PATIENCE, reading).await.unwrap().unwrap();
        answer
    }
}

#[tokio::test]
async fn who_speaks_no_tls_gets_no_answer_and_harms_nobody() {
    let pki = Pki::new();
    let server = pki.server(&[], &[]).await;
    let plain = format!("GET /health HTTP/1.1\r\nhost: {}\r\n\r\n", server.address);
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
        let answer = server.raw(plain.as_bytes()).await;
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
        server.raw(&[0; 100]).await;
    }
    server.session().await;
    // The server does not wait for silent connections.
    for mut connection in silent {
        let read = timeout(Duration::from_secs(15), connection.read(&mut [0])).await;
        assert!(matches!(read.unwrap(), Ok(0) | Err(_)));
    }
}

#[tokio::test]
async fn with_tls_the_server_may_be_open_to_the_network_under_the_names_that_are_listed() {
    let pki = Pki::new();
    let hosts = [("MCP_ALLOWED_HOSTS", "mcp.example.com")];
    let anywhere = ["--transport-host", "0.0.0.0"];
    let mut server = pki.server(&anywhere, &hosts).await;
    let port = server.address.port();
    server.client = Client::builder()
        .no_proxy()
        .tls_certs_only([pki.ca.clone()])
        .resolve("mcp.example.com", SocketAddr::from(([127, 0, 0, 1], port)))
        .build()
        .unwrap();
    for host in ["mcp.example.com", "localhost", "127.0.0.1"] {
        server.base = format!("https://{host}:{port}");
        server.session().await;
    }
    let foreign = server
        .request(Method::GET, "/health")
        .header("host", "0.0.0.0");
    assert_eq!(foreign.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn without_tls_the_server_does_not_leave_loopback() {
    for address in ["0.0.0.0", "::", "192.0.2.1"] {
        let (code, said) = refusal(&["--transport-host", address], &[]).await;
        assert_eq!(code, Some(2), "{said}");
        for expected in [address, "loopback", "MCP_TLS_CERT_FILE", "MCP_TLS_KEY_FILE"] {
            assert!(said.contains(expected), "{said}");
        }
    }
}

#[tokio::test]
async fn half_of_tls_or_what_does_not_fit_together_does_not_start() {
    let (pki, other) = (Pki::new(), Pki::new());
    let own = |name: &str| pki.file(name).to_str().unwrap().to_owned();
    let (certificate, key) = (own("cert.pem"), own("key.pem"));
    let (empty, absent) = (own("empty.pem"), own("absent.pem"));
    fs::write(&empty, "").unwrap();
    let foreign = other.file("key.pem").to_str().unwrap().to_owned();
    for (certificate, key, expected) in [
        (certificate.as_str(), "", "MCP_TLS_KEY_FILE is not"),
        ("", key.as_str(), "MCP_TLS_CERT_FILE is not"),
        (&certificate, &foreign, "does not belong to"),
        (&absent, &key, "absent.pem"),
        (&certificate, &empty, "empty.pem is empty"),
        (&key, &key, "key.pem holds no certificate"),
        (&certificate, &certificate, "cert.pem holds no private key"),
    ] {
        let env = [
            ("MCP_TLS_CERT_FILE", certificate),
            ("MCP_TLS_KEY_FILE", key),
        ];
        let (code, said) = refusal(&[], &env).await;
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains("BEGIN PRIVATE KEY-----\n"), "{said}");
    }
}
