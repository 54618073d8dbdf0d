//! Reads what a program prints, line by line and to the end.
//!
//! The suite never stops reading a program's output: that would close the pipe, and the next line that the program
//! prints would end it. So a line that is too long or not UTF-8 is reported as such, and reading continues.

use std::{borrow::Cow, io};

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// How many bytes of one line are kept. Longer than the audit entry of any request that Vault
/// accepts by default (32 MiB).
pub(crate) const MAX_LINE: usize = 40 << 20;

/// One line, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'l> {
    bytes: &'l [u8],
    is_cut: bool,
}

impl<'l> Line<'l> {
    /// The exact line; `None` if it was cut or is not UTF-8.
    pub(crate) fn exact(self) -> Option<&'l str> {
        let whole = (!self.is_cut).then_some(self.bytes)?;
        str::from_utf8(whole).ok()
    }

    /// The line for readers and for searches: it says what is missing, and has U+FFFD for bytes that are not UTF-8.
    pub(crate) fn text(self) -> Cow<'l, str> {
        let text = String::from_utf8_lossy(self.bytes);
        match self.is_cut {
            true => format!("{text} (cut: the line has more than {MAX_LINE} bytes)").into(),
            false => text,
        }
    }
}

/// Passes each line of a stream to `take` until the stream ends. Memory is limited: at most [`MAX_LINE`] bytes of a
/// line are kept.
///
/// # Errors
/// If the stream cannot be read any more. All lines so far, including the last one, were passed on.
pub(crate) async fn each_line(
    stream: impl AsyncBufRead + Unpin,
    take: impl FnMut(Line<'_>),
) -> io::Result<()> {
    each_line_of(MAX_LINE, stream, take).await
}

async fn each_line_of(
    max: usize,
    mut stream: impl AsyncBufRead + Unpin,
    mut take: impl FnMut(Line<'_>),
) -> io::Result<()> {
    let (mut line, mut is_cut, mut has_begun) = (Vec::new(), false, false);
    let end = loop {
        let chunk = match stream.fill_buf().await {
            Ok([]) => break Ok(()),
            Ok(chunk) => chunk,
            Err(error) => break Err(error),
        };
        let newline = chunk.iter().position(|byte| *byte == b'\n');
        let part = &chunk[..newline.unwrap_or(chunk.len())];
        let kept = part.len().min(max - line.len());
        line.extend_from_slice(&part[..kept]);
        is_cut |= kept < part.len();
        has_begun = newline.is_none();
        let used = newline.map_or(chunk.len(), |newline| newline + 1);
        stream.consume(used);
        if newline.is_some() {
            take(without_return(&line, is_cut));
            line.clear();
            is_cut = false;
        }
    };
    if has_begun {
        take(without_return(&line, is_cut));
    }
    end
}

/// A line that may end with CR LF.
fn without_return(line: &[u8], is_cut: bool) -> Line<'_> {
    let bytes = match is_cut {
        true => line,
        false => line.strip_suffix(b"\r").unwrap_or(line),
    };
    Line { bytes, is_cut }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        task::{Context, Poll},
    };

    use proptest::prelude::*;
    use tokio::io::{AsyncRead, AsyncReadExt as _, BufReader, ReadBuf};

    use super::*;

    /// A stream that cannot be read.
    struct Gone;

    impl AsyncRead for Gone {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::Error::other("gone")))
        }
    }

    /// The lines of a stream that arrives in chunks of this size: exact text, or `None`.
    async fn exact_lines(bytes: &[u8], max: usize, chunk: usize) -> Vec<Option<String>> {
        let stream = BufReader::with_capacity(chunk, bytes);
        let mut lines = Vec::new();
        let take = |line: Line<'_>| lines.push(line.exact().map(str::to_owned));
        each_line_of(max, stream, take).await.unwrap();
        lines
    }

    fn now<T>(future: impl Future<Output = T>) -> T {
        futures::executor::block_on(future)
    }

    #[test]
    fn lines_are_put_together_however_the_stream_is_cut() {
        let lines = now(exact_lines(b"{\"a\":1}\r\n\n{}\nlast", 100, 3));
        let expected = ["{\"a\":1}", "", "{}", "last"].map(|line| Some(line.to_owned()));
        assert_eq!(lines, expected);
    }

    #[test]
    fn reading_goes_on_after_a_line_that_is_too_long_or_not_utf_8() {
        let lines = now(exact_lines(b"123456\n\xff\xfe\n12345\nok\n", 5, 2));
        let expected = [None, None, Some("12345".to_owned()), Some("ok".to_owned())];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_line_that_was_cut_says_so_and_one_that_is_not_utf_8_is_shown() {
        let mut texts = Vec::new();
        let take = |line: Line<'_>| texts.push(line.text().into_owned());
        now(each_line_of(3, &b"abcdef\na\xffb"[..], take)).unwrap();
        assert!(texts[0].starts_with("abc (cut: "), "{texts:?}");
        assert_eq!(texts[1], "a\u{fffd}b");
    }

    #[test]
    fn what_was_read_before_an_error_is_handed_on() {
        let stream = BufReader::new((&b"one\ntw"[..]).chain(Gone));
        let mut lines = Vec::new();
        let take = |line: Line<'_>| lines.push(line.text().into_owned());
        let end = now(each_line(stream, take));
        assert_eq!(end.unwrap_err().to_string(), "gone");
        assert_eq!(lines, ["one", "tw"]);
    }

    proptest! {
        #[test]
        fn every_line_is_handed_on_in_order_whatever_its_bytes(
            lines in proptest::collection::vec(
                proptest::collection::vec(any::<u8>().prop_filter("no line end", |b| !b"\r\n".contains(b)), 0..12),
                1..8,
            ),
            max in 1_usize..12,
            chunk in 1_usize..9,
        ) {
            let mut bytes = lines.join(&b"\n"[..]);
            bytes.push(b'\n');
            let expected: Vec<_> = (lines.iter())
                .map(|line| String::from_utf8(line.clone()).ok().filter(|_| line.len() <= max))
                .collect();
            prop_assert_eq!(now(exact_lines(&bytes, max, chunk)), expected);
        }
    }
}
