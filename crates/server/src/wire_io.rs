//! A stream that gives up on clients which take nothing, and that gives the answers which hyper
//! makes by itself a request id.
//!
//! To a head that it cannot read, hyper answers with a bare status line. This stream sees that a
//! response begins although no request was handed on, and writes one that names a request id and
//! says what was wrong.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::refusal::REQUEST_ID;

/// Counts the requests of a connection that were handed on.
#[derive(Debug, Default)]
pub(crate) struct Served(AtomicU64);

impl Served {
    /// A request is handed on.
    pub(crate) fn begin(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Makes the id of a request that is answered here, and writes its record by code and text.
pub(crate) type Note = Arc<dyn Fn((String, String)) -> String + Send + Sync>;

/// The stream.
pub(crate) struct ReplyIo<I> {
    io: I,
    served: Arc<Served>,
    note: Note,
    /// The requests whose answers have begun to be written.
    answered: u64,
    /// Whether something was read since the last answer began.
    has_read: bool,
    /// Our own answer, as far as it is not written.
    own: Vec<u8>,
    write_time: Duration,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<I> ReplyIo<I> {
    pub(crate) fn new(io: I, served: Arc<Served>, note: Note, write_time: Duration) -> Self {
        let own = Vec::new();
        let (answered, has_read, stalled) = (0, false, None);
        Self { io, served, note, answered, has_read, own, write_time, stalled }
    }

    /// The stream itself, for another protocol. hyper has written its answer.
    pub(crate) fn into_inner(self) -> I {
        self.io
    }

    /// Passes the outcome of a write on, unless the client has taken nothing for too long.
    fn watched<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            return outcome;
        }
        let time = self.write_time;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(time)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Whether `bytes` are an answer that hyper made by itself.
    fn is_automatic(&mut self, bytes: &[u8]) -> bool {
        let served = self.served.0.load(Ordering::Relaxed);
        if served != self.answered {
            self.answered = served;
            self.has_read = false;
            return false;
        }
        // Every other answer has an id, also one that is written after a `100 Continue`.
        let name = REQUEST_ID;
        let id = name.as_str().as_bytes();
        self.has_read
            && bytes.starts_with(b"HTTP/1.1 4")
            && !bytes.windows(id.len()).any(|window| window.eq_ignore_ascii_case(id))
    }

    fn own_answer(&self, bytes: &[u8]) -> Vec<u8> {
        let line_end = bytes.iter().position(|byte| *byte == b'\r').unwrap_or(bytes.len());
        let line = String::from_utf8_lossy(bytes.get(..line_end).unwrap_or_default());
        let date = std::str::from_utf8(bytes).ok().and_then(|head| {
            head.split("\r\n").find(|field| field.starts_with("date: ")).map(str::to_owned)
        });
        let date = date.map_or_else(String::new, |date| date + "\r\n");
        let text = match line.split(' ').nth(1) {
            Some("431") => "The request line and headers are too long or too many.",
            Some("414") => "The request URI is too long.",
            _ => "The request is not well-formed HTTP/1.1.",
        };
        let id = (self.note)(("MalformedHttpRequest".to_owned(), text.to_owned()));
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ErrorResponse><Error>\
             <Type>Sender</Type><Code>MalformedHttpRequest</Code><Message>{text}</Message></Error>\
             <RequestId>{id}</RequestId></ErrorResponse>"
        );
        format!(
            "{line}\r\n{REQUEST_ID}: {id}\r\n{date}connection: close\r\ncontent-type: text/xml\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

impl<I: AsyncWrite + Unpin> ReplyIo<I> {
    fn poll_own(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.own.is_empty() {
            let outcome = Pin::new(&mut self.io).poll_write(cx, &self.own);
            match self.watched(cx, outcome) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => drop(self.own.drain(..count)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for ReplyIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.has_read = true;
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

/// Answers up to this size, in bytes, are copied together: the kernel takes one piece sooner than it looks
/// through two.
const SMALL: usize = 2048;

/// All pieces behind each other, where they fit.
fn gathered<'b>(pieces: &[io::IoSlice<'_>], room: &'b mut [u8; SMALL]) -> Option<&'b [u8]> {
    let mut length = 0;
    for piece in pieces {
        let end = length + piece.len();
        room.get_mut(length..end)?.copy_from_slice(piece);
        length = end;
    }
    room.get(..length)
}

impl<I: AsyncWrite + Unpin> AsyncWrite for ReplyIo<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.own.is_empty() {
            // hyper writes nothing after an answer of its own.
            std::task::ready!(self.poll_own(cx))?;
        }
        if self.is_automatic(bytes) {
            self.own = self.own_answer(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        let outcome = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.watched(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = pieces.iter().find(|piece| !piece.is_empty());
        if self.own.is_empty()
            && let Some(first) = first
            && !self.is_automatic(first)
        {
            let mut small = [0_u8; SMALL];
            let outcome = match gathered(pieces, &mut small) {
                Some(all) => Pin::new(&mut self.io).poll_write(cx, all),
                None => Pin::new(&mut self.io).poll_write_vectored(cx, pieces),
            };
            return self.watched(cx, outcome);
        }
        let Some(first) = first else { return Poll::Ready(Ok(0)) };
        self.poll_write(cx, first)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_own(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_own(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use super::*;

    #[test]
    fn pieces_are_gathered_in_order_as_far_as_there_is_room() {
        let gathered = |pieces: &[&[u8]]| {
            let pieces: Vec<IoSlice<'_>> = pieces.iter().map(|it| IoSlice::new(it)).collect();
            super::gathered(&pieces, &mut [0; SMALL]).map(<[u8]>::to_vec)
        };
        assert_eq!(gathered(&[b"head", b"", b"body"]).unwrap(), b"headbody");
        let (all, rest) = ([b'x'; SMALL], [b'x'; SMALL - 4]);
        assert_eq!(gathered(&[&all]).unwrap(), all);
        assert_eq!(gathered(&[b"head", &rest]).unwrap().len(), SMALL);
        assert_eq!(gathered(&[b"heads", &rest]), None);
        assert_eq!(gathered(&[&all, b"x"]), None);
    }
}
