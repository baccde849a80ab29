//! One WebSocket, as the session's task polls it.
//!
//! `dial::socket` has its like for clients, and says why the two share no code.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream as _;
use futures_sink::Sink as _;
use sagegate_channel::{Gone, Transmit, limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_websockets::{CloseCode, Config, Limits, Message, ServerBuilder, WebSocketStream};

use crate::runtime::Stream;

/// Messages that are read while the client takes nothing. Each may have been answered with an
/// acknowledgement, or a ping with its echo: what waits to be written stays bounded.
const UNHEARD: usize = 512;
/// Bytes that are given to the socket before they have to be on their way.
const FLUSH: usize = 64 * 1024;

/// What a socket has given.
#[derive(Debug)]
pub(crate) enum Incoming {
    Binary(Bytes),
    Text(Bytes),
    /// A ping, which has been answered, or the answer to one.
    Alive,
    Gone(Gone),
}

/// A socket after its opening handshake.
pub(crate) struct Socket {
    stream: WebSocketStream<Stream>,
    /// Something was given to it that is not on its way yet.
    full: bool,
    /// Messages that were read since then.
    unheard: usize,
    /// Nothing more is written or read.
    closed: bool,
}

impl Socket {
    pub(crate) fn new(stream: Stream) -> Self {
        let config = Config::default().frame_size(usize::MAX).flush_threshold(FLUSH);
        let most = Limits::default().max_payload_len(Some(limits::FRAME));
        let stream = ServerBuilder::new().config(config).limits(most).serve(stream);
        Self { stream, full: false, unheard: 0, closed: false }
    }

    /// Whether what was given to it is on its way.
    pub(crate) fn is_clear(&self) -> bool {
        !self.full
    }

    /// Gives it something to write.
    pub(crate) fn give(&mut self, what: Transmit) {
        if self.closed {
            return;
        }
        let message = match what {
            Transmit::Binary(bytes) => Message::binary(bytes),
            Transmit::Text(text) => Message::text(text),
            Transmit::Ping => Message::ping(Bytes::from_static(b"sagegate")),
            Transmit::Close { code, reason } => {
                let code = CloseCode::try_from(code).unwrap_or(CloseCode::NORMAL_CLOSURE);
                Message::close(Some(code), &reason)
            }
        };
        match Pin::new(&mut self.stream).start_send(message) {
            Ok(()) => self.full = true,
            // The other side has closed: reading tells.
            Err(_) => self.closed = true,
        }
    }

    /// Writes what it was given. Ready when all is on its way, or the socket is gone.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        if !self.full {
            return Poll::Ready(Ok(()));
        }
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        self.full = false;
        self.unheard = 0;
        Poll::Ready(flushed.map_err(|error| gone(&error)))
    }

    /// Reads a message.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        if self.full && self.unheard >= UNHEARD {
            return Poll::Pending;
        }
        let message = match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Poll::Ready(Incoming::Gone(gone(&error))),
            None => return Poll::Ready(Incoming::Gone(Gone::Eof)),
        };
        self.unheard = if self.full { self.unheard + 1 } else { 0 };
        Poll::Ready(if message.is_binary() {
            Incoming::Binary(message.into_payload().into())
        } else if message.is_text() {
            Incoming::Text(message.into_payload().into())
        } else if message.is_close() {
            Incoming::Gone(Gone::Closed)
        } else {
            // The library has queued the answer to a ping.
            self.full |= message.is_ping();
            Incoming::Alive
        })
    }

    /// Writes what is left, and closes once the client has: what it still sends must not have the
    /// system throw away what it has not read yet.
    pub(crate) async fn finish(&mut self) {
        let _ = std::future::poll_fn(|cx| self.poll_flush(cx)).await;
        self.closed = true;
        while let Some(Ok(_)) =
            std::future::poll_fn(|cx| Pin::new(&mut self.stream).poll_next(cx)).await
        {}
        let stream = self.stream.get_mut();
        if stream.shutdown().await.is_ok() {
            let mut rest = [0; 1024];
            while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
        }
    }
}

/// How a socket is gone that could not be read.
fn gone(error: &tokio_websockets::Error) -> Gone {
    match error {
        tokio_websockets::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Gone::Eof
        }
        tokio_websockets::Error::Protocol(_) | tokio_websockets::Error::PayloadTooLong { .. } => {
            Gone::Garbage
        }
        _ => Gone::Broken,
    }
}
