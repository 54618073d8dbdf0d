//! A client that speaks MCP to a server in the same process.

use rmcp::ServiceExt;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};
use vault_mcp_reference::{
    caller::Callers,
    limits::Rates,
    server::VaultServer,
    vault::{access::Access, client::VaultAddress, credential::Credential},
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
        let rate = "10000:10000".parse().unwrap();
        let rates = Rates {
            session: rate,
            global: rate,
        };
        Self::connect_gated(vault_addr, token, Access::ReadWrite, rates).await
    }

    /// A client whose server lets through no more than that.
    pub(crate) async fn connect_gated(
        vault_addr: &str,
        token: &str,
        access: Access,
        rates: Rates,
    ) -> Self {
        let callers = Callers::new(
            VaultAddress::new(vault_addr.parse().unwrap(), access).unwrap(),
            Some(Credential::new(SecretString::from(token), None).unwrap()),
            Some("team/a".parse().unwrap()),
            rates,
        )
        .unwrap();
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        tokio::spawn(async move {
            VaultServer::new(callers)
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
