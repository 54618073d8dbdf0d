//! The stdio transport: one message a line, in both directions.
//!
//! rmcp's own transport drops lines that are not JSON. This one answers each of them with the JSON-RPC error, except
//! for notifications and responses.

use std::{future::poll_fn, io, sync::Arc};

use futures::SinkExt;
use rmcp::{
    RoleServer,
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::Transport,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader},
    sync::Mutex,
};
use tokio_util::{
    codec::{FramedWrite, LinesCodec, LinesCodecError},
    sync::CancellationToken,
};

use crate::protocol::message::{self, Unreadable};

/// Allowed at the beginning of a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One client on a pair of streams.
pub(super) struct Lines<R, W> {
    reader: BufReader<R>,
    /// The part of the current line that was read. All state is kept here, because a reading future is dropped
    /// whenever there is something else to do.
    line: Vec<u8>,
    too_long: bool,
    writer: Arc<Mutex<FramedWrite<W, LinesCodec>>>,
    refusal: Option<String>,
    unflushed: bool,
    closed: CancellationToken,
}

/// How a line ended.
enum End {
    Whole,
    TooLong,
    /// End of input.
    Closed,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Lines<R, W> {
    /// Cancels `closed` when the client has closed its side.
    pub(super) fn new(reader: R, writer: W, closed: CancellationToken) -> Self {
        Self {
            reader: BufReader::new(reader),
            line: Vec::new(),
            too_long: false,
            writer: Arc::new(Mutex::new(FramedWrite::new(writer, LinesCodec::new()))),
            refusal: None,
            unflushed: false,
            closed,
        }
    }

    async fn read_line(&mut self) -> io::Result<End> {
        loop {
            let read = self.reader.fill_buf().await?;
            if read.is_empty() {
                return Ok(match (self.too_long, self.line.is_empty()) {
                    (false, true) => End::Closed,
                    (false, false) => End::Whole,
                    (true, _) => {
                        self.too_long = false;
                        End::TooLong
                    }
                });
            }
            let end = read.iter().position(|byte| *byte == b'\n');
            let part = &read[..end.unwrap_or(read.len())];
            if !self.too_long && self.line.len() + part.len() <= message::MAX_BYTES {
                self.line.extend_from_slice(part);
            } else {
                self.too_long = true;
                self.line = Vec::new();
            }
            let used = end.map_or(read.len(), |end| end + 1);
            self.reader.consume(used);
            if end.is_some() {
                return Ok(if std::mem::take(&mut self.too_long) {
                    End::TooLong
                } else {
                    End::Whole
                });
            }
        }
    }

    /// The message in the line, unless the line is empty.
    fn parse_line(&mut self) -> Option<Result<ClientJsonRpcMessage, Unreadable>> {
        let text = self.line.trim_ascii();
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let message = (!text.is_empty()).then(|| message::read(text));
        self.line.clear();
        message
    }

    /// Writes the error for the last line if that was invalid.
    async fn refuse(&mut self) -> Result<(), LinesCodecError> {
        if self.refusal.is_none() && !self.unflushed {
            return Ok(());
        }
        let mut writer = self.writer.lock().await;
        poll_fn(|context| SinkExt::<String>::poll_ready_unpin(&mut *writer, context)).await?;
        if let Some(refusal) = self.refusal.take() {
            writer.start_send_unpin(refusal)?;
            self.unflushed = true;
        }
        SinkExt::<String>::flush(&mut *writer).await?;
        self.unflushed = false;
        Ok(())
    }
}

impl<R, W> Transport<RoleServer> for Lines<R, W>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = LinesCodecError;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let writer = Arc::clone(&self.writer);
        async move {
            let line = serde_json::to_string(&message).map_err(io::Error::from)?;
            writer.lock().await.send(line).await
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            // If the client does not read, the transport ends.
            self.refuse().await.ok()?;
            let read = match self.read_line().await {
                Ok(End::Whole) => self.parse_line(),
                Ok(End::TooLong) => Some(Err(Unreadable::too_long())),
                Ok(End::Closed) | Err(_) => {
                    self.closed.cancel();
                    return None;
                }
            };
            match read {
                Some(Ok(message)) => return Some(message),
                Some(Err(unreadable)) if !unreadable.unanswered => {
                    self.refusal = serde_json::to_string(&unreadable.error).ok();
                }
                Some(Err(_)) | None => {}
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        SinkExt::<String>::close(&mut *self.writer.lock().await).await
    }
}
