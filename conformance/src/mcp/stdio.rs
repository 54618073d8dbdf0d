//! The stdio transport: one message a line.

use std::sync::Arc;

use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWriteExt as _, BufReader},
    process::ChildStdin,
    sync::Mutex,
    task::JoinHandle,
};

use super::{
    inbox::Inbox,
    transcript::{Speaker, Transcript},
};
use crate::lines::{Line, each_line};

/// The writing half: a process's standard input.
#[derive(Debug)]
pub struct StdioWire {
    /// `None` after it was closed.
    stdin: Mutex<Option<ChildStdin>>,
}

impl StdioWire {
    /// Writes to `stdin`, and passes what arrives on `stdout` to `inbox`.
    pub fn start(
        stdin: ChildStdin,
        stdout: impl AsyncRead + Send + Unpin + 'static,
        inbox: Arc<Inbox>,
    ) -> Self {
        tokio::spawn(async move {
            let end = read_lines(stdout, |line| match line.exact() {
                Some(text) => inbox.receive(text),
                // Not a message: JSON-RPC on stdio is UTF-8.
                None => inbox.receive_noise(&line.text()),
            })
            .await;
            inbox.close(&end);
        });
        Self {
            stdin: Mutex::new(Some(stdin)),
        }
    }

    /// Writes one message.
    ///
    /// # Errors
    /// If the target no longer reads.
    pub async fn send(&self, message: &Value) -> Result<(), String> {
        self.send_line(&message.to_string()).await
    }

    /// Writes one line, with any content.
    ///
    /// # Errors
    /// If the target no longer reads.
    pub async fn send_line(&self, line: &str) -> Result<(), String> {
        let mut stdin = self.stdin.lock().await;
        let stdin = stdin.as_mut().ok_or("the suite has closed it")?;
        let written = async {
            stdin.write_all(line.as_bytes()).await?;
            stdin.write_all(b"\n").await?;
            stdin.flush().await
        };
        written
            .await
            .map_err(|error| format!("the target's standard input: {error}"))
    }

    /// Closes the target's standard input.
    pub async fn close(&self) {
        self.stdin.lock().await.take();
    }
}

/// Records the log of a target, to its end.
pub fn record_log(
    stream: impl AsyncRead + Send + Unpin + 'static,
    transcript: Arc<Transcript>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        read_lines(stream, |line| transcript.record(Speaker::Log, line.text())).await;
    })
}

/// Passes on each line that is not blank; returns why there are no more.
async fn read_lines(from: impl AsyncRead + Unpin, mut take: impl FnMut(Line<'_>)) -> String {
    let handed_on = |line: Line<'_>| {
        if !line.text().trim().is_empty() {
            take(line);
        }
    };
    match each_line(BufReader::new(from), handed_on).await {
        Ok(()) => "the target closed its output".to_owned(),
        Err(error) => format!("its output: {error}"),
    }
}
