//! A client that speaks MCP to a server in the same process.

use rmcp::ServiceExt;
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};
use vault_mcp_reference::{
    server::VaultServer,
    token::{Token, TokenSource},
    vault::{client::VaultClient, tls::Authorities},
};

/// A client that is connected to a server of its own.
pub(crate) struct Client {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    writer: WriteHalf<DuplexStream>,
    next_id: u64,
}

impl Client {
    /// A client whose server speaks to the Vault at this address, with this token.
    pub(crate) async fn connect(vault_addr: &str, token: &str) -> Self {
        let tokens = TokenSource::fixed(Token::new(token.into()).unwrap());
        Self::connect_with(vault_addr, tokens).await
    }

    /// A client whose server sends what comes from a source of tokens.
    pub(crate) async fn connect_with(vault_addr: &str, tokens: TokenSource) -> Self {
        let vault_addr = vault_addr.parse().unwrap();
        let authorities = Authorities::of_this_machine();
        let vault = VaultClient::new(vault_addr, tokens, Some("team/a"), &authorities);
        Self::connect_through(vault.unwrap()).await
    }

    /// A client whose server speaks to Vault like this.
    pub(crate) async fn connect_through(vault: VaultClient) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        tokio::spawn(async move {
            VaultServer::new(vault)
                .serve(theirs)
                .await
                .unwrap()
                .waiting()
                .await
                .unwrap()
        });
        let (reader, writer) = tokio::io::split(ours);
        let mut client = Self {
            lines: BufReader::new(reader).lines(),
            writer,
            next_id: 0,
        };
        let hello = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "test", "version": "0" },
        });
        assert!(
            client
                .request("initialize", hello)
                .await
                .get("result")
                .is_some()
        );
        client
            .send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
            .await;
        client
    }

    /// Sends a message as it stands.
    pub(crate) async fn send(&mut self, message: Value) {
        self.writer
            .write_all(format!("{message}\n").as_bytes())
            .await
            .unwrap();
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
