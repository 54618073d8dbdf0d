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
                Some(text) if is_log_line(text) => inbox.receive_noise(text),
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

/// Whether a line is JSON, but not meant as a message: a structured log line. An invalid message is one all the same.
fn is_log_line(text: &str) -> bool {
    let Ok(Value::Object(fields)) = serde_json::from_str(text) else {
        return false;
    };
    let of_messages = ["id", "method", "params", "result", "error"];
    let is_about_messages = |name: &String| of_messages.contains(&name.as_str());
    let has_answer = ["result", "error"].map(|name| fields.get(name).is_some_and(Value::is_object));
    let is_message = fields.contains_key("jsonrpc")
        || has_answer.contains(&true)
        || !fields.is_empty() && fields.keys().all(is_about_messages);
    !is_message
}

#[cfg(test)]
mod tests {
    use super::is_log_line;

    #[test]
    fn a_structured_log_line_is_no_message_and_an_invalid_message_is_one() {
        for line in [
            r#"{"level":"info","msg":"starting"}"#,
            r#"{"time":"now","level":"error","error":"permission denied","id":7}"#,
            r#"{"method":"GET","path":"/v1/sys/health","status":200}"#,
            "{}",
        ] {
            assert!(is_log_line(line), "{line}");
        }
        for message in [
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#"{"id":1,"result":{}}"#,
            r#"{"id":1,"error":{"code":1,"message":"x"},"level":"info"}"#,
            r#"{"jsonrpc":"1.0","time":"now"}"#,
            r#"{"method":"notifications/message","params":{}}"#,
            r#"[{"jsonrpc":"2.0"}]"#,
            "not JSON",
        ] {
            assert!(!is_log_line(message), "{message}");
        }
    }
}
