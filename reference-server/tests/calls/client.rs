//! An MCP client for a server in the same process.

use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};
use tokio_util::sync::CancellationToken;
use vault_mcp_reference::{
    caller::Callers,
    limits::Rates,
    server::VaultServer,
    stdio,
    token::{Token, TokenSource},
    vault::{access::Access, client::VaultAddress, tls::Authorities},
};

/// A limit that no test here reaches.
pub(crate) const GENEROUS: &str = "10000:10000";

/// Rate limits in the form of the settings.
pub(crate) fn rates(session: &str, global: &str) -> Rates {
    Rates {
        session: session.parse().unwrap(),
        global: global.parse().unwrap(),
    }
}

/// A token that never changes.
pub(crate) fn fixed(token: &str) -> TokenSource {
    TokenSource::fixed(Token::new(token.into()).unwrap())
}

/// The Vault at this address.
pub(crate) fn address(vault_addr: &str) -> VaultAddress {
    let (url, authorities) = (vault_addr.parse().unwrap(), Authorities::of_this_machine());
    VaultAddress::new(url, Access::ReadWrite, &authorities).unwrap()
}

/// The callers of a server with this source of its token, and with a namespace.
pub(crate) fn callers(address: VaultAddress, tokens: TokenSource, rates: Rates) -> Callers {
    let namespace = "team/a".parse().unwrap();
    Callers::new(address, Some(tokens), Some(namespace), rates).unwrap()
}

/// A client that is connected to a server of its own.
pub(crate) struct Client {
    pub(crate) lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    pub(crate) writer: WriteHalf<DuplexStream>,
    next_id: u64,
}

impl Client {
    /// A client that has not sent anything; its server uses the Vault at this address, with this token.
    pub(crate) fn open(vault_addr: &str, token: &str) -> Self {
        Self::open_with(vault_addr, fixed(token))
    }

    /// The same; the server's token comes from this source.
    pub(crate) fn open_with(vault_addr: &str, tokens: TokenSource) -> Self {
        Self::open_through(address(vault_addr), tokens, rates(GENEROUS, GENEROUS))
    }

    /// The same; the server uses this Vault and these rate limits.
    pub(crate) fn open_through(address: VaultAddress, tokens: TokenSource, rates: Rates) -> Self {
        let callers = callers(address, tokens, rates);
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (requests, answers) = tokio::io::split(theirs);
        tokio::spawn(stdio::serve_on(
            VaultServer::new(callers),
            requests,
            answers,
            CancellationToken::new(),
        ));
        Self::on(ours)
    }

    /// A client on this stream that has not sent anything.
    pub(crate) fn on(ours: DuplexStream) -> Self {
        let (reader, writer) = tokio::io::split(ours);
        Self {
            lines: BufReader::new(reader).lines(),
            writer,
            next_id: 0,
        }
    }

    /// A client that has opened a session of 2025-11-25.
    pub(crate) async fn connect(vault_addr: &str, token: &str) -> Self {
        Self::open(vault_addr, token).begun().await
    }

    /// Opens a session of 2025-11-25.
    pub(crate) async fn begun(mut self) -> Self {
        let hello = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "test", "version": "0" },
        });
        assert!(
            self.request("initialize", hello)
                .await
                .get("result")
                .is_some()
        );
        self.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
            .await;
        self
    }

    /// Sends a message unchanged.
    pub(crate) async fn send(&mut self, message: Value) {
        self.send_line(message.to_string().as_bytes()).await;
    }

    /// Sends a line with any content.
    pub(crate) async fn send_line(&mut self, line: &[u8]) {
        self.writer.write_all(line).await.unwrap();
        self.writer.write_all(b"\n").await.unwrap();
    }

    /// Sends a request without waiting for its answer; returns its id.
    pub(crate) async fn start(&mut self, method: &str, params: Value) -> u64 {
        self.next_id += 1;
        self.send(
            json!({ "jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params }),
        )
        .await;
        self.next_id
    }

    /// Sends a request; returns its answer, which must be the next message.
    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.start(method, params).await;
        let answer = self.answer().await;
        assert_eq!(answer["id"], id);
        answer
    }

    /// The next message.
    pub(crate) async fn answer(&mut self) -> Value {
        serde_json::from_str(&self.lines.next_line().await.unwrap().unwrap()).unwrap()
    }

    /// Calls a tool: its result, or the JSON object of its error.
    pub(crate) async fn call(&mut self, tool: &str, arguments: Value) -> Result<Value, Value> {
        let answer = self
            .request(
                "tools/call",
                json!({ "name": tool, "arguments": arguments }),
            )
            .await;
        let result = &answer["result"];
        assert_eq!(result["content"].as_array().unwrap().len(), 1, "{answer}");
        let text: Value =
            serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        if result["isError"] == true {
            assert_eq!(result.get("structuredContent"), None);
            Err(text)
        } else {
            assert_eq!(result["structuredContent"], text);
            Ok(text)
        }
    }
}
