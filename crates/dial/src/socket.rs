//! A WebSocket as a client has it.
//!
//! The gateway has its like (`workloads::gateway::socket`) and no code of it: that one tells its machine
//! in which of three ways a client is gone and lingers so that its last word arrives, this one tells
//! its user why in words and dials again whatever the way, and the crate that both know, `channel`,
//! knows no sockets. What bounds the messages that are read while nothing can be written has to be
//! the same in both.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream as _;
use futures_sink::Sink as _;
use http::Uri;
use sagegate_channel::{Gone, Transmit, limits};
use tokio::net::TcpStream;
use tokio_websockets::{ClientBuilder, CloseCode, Config, Limits, Message, WebSocketStream};

use crate::DialError;

/// Messages that are read while nothing can be written: see the gateway's.
const UNHEARD: usize = 512;

/// What a socket has given.
pub(crate) enum Incoming {
    Binary(Bytes),
    Text(Bytes),
    Alive,
    /// With the reason, if one was given.
    Gone(Gone, String),
}

pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    full: bool,
    unheard: usize,
    closed: bool,
}

impl Socket {
    /// Connects, and gives the first message.
    pub(crate) async fn open(url: &str, first: String) -> Result<Self, DialError> {
        let shown = url.split('?').next().unwrap_or_default().to_owned();
        let failed = |text: String| DialError::Socket { url: shown.clone(), text };
        let uri: Uri =
            url.parse().map_err(|error: http::uri::InvalidUri| failed(error.to_string()))?;
        if uri.scheme_str() != Some("ws") {
            return Err(failed("only ws:// is spoken here; TLS is for a tunnel".to_owned()));
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80)))
            .await
            .map_err(|error| failed(error.to_string()))?;
        // Without it keys would wait for acknowledgements; if it cannot be set, they do.
        let _ = stream.set_nodelay(true);
        let config = Config::default().frame_size(usize::MAX).flush_threshold(256 * 1024);
        let most = Limits::default().max_payload_len(Some(limits::FRAME));
        let builder = ClientBuilder::from_uri(uri).config(config).limits(most);
        let (stream, _) =
            builder.connect_on(stream).await.map_err(|error| failed(error.to_string()))?;
        let mut socket = Self { stream, full: false, unheard: 0, closed: false };
        socket.give(Transmit::Text(first));
        Ok(socket)
    }

    pub(crate) fn is_clear(&self) -> bool {
        !self.full
    }

    pub(crate) fn give(&mut self, what: Transmit) {
        if self.closed {
            return;
        }
        let message = match what {
            Transmit::Binary(bytes) => Message::binary(bytes),
            Transmit::Text(text) => Message::text(text),
            Transmit::Ping => Message::ping(Bytes::from_static(b"keepalive")),
            Transmit::Close { code, reason } => {
                let code = CloseCode::try_from(code).unwrap_or(CloseCode::NORMAL_CLOSURE);
                Message::close(Some(code), &reason)
            }
        };
        match Pin::new(&mut self.stream).start_send(message) {
            Ok(()) => self.full = true,
            Err(_) => self.closed = true,
        }
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        if !self.full {
            return Poll::Ready(Ok(()));
        }
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        self.full = false;
        self.unheard = 0;
        Poll::Ready(flushed.map_err(|_| Gone::Broken))
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        if self.full && self.unheard >= UNHEARD {
            return Poll::Pending;
        }
        let message = match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
            Some(Ok(message)) => message,
            Some(Err(error)) => {
                return Poll::Ready(Incoming::Gone(Gone::Broken, error.to_string()));
            }
            None => return Poll::Ready(Incoming::Gone(Gone::Eof, "it was closed".to_owned())),
        };
        self.unheard = if self.full { self.unheard + 1 } else { 0 };
        Poll::Ready(if message.is_binary() {
            Incoming::Binary(message.into_payload().into())
        } else if message.is_text() {
            Incoming::Text(message.into_payload().into())
        } else if let Some((_, reason)) = message.as_close() {
            Incoming::Gone(Gone::Closed, reason.to_owned())
        } else {
            self.full |= message.is_ping();
            Incoming::Alive
        })
    }

    /// Writes what it was given, and waits for the other side to close.
    pub(crate) async fn finish(&mut self) {
        let _ = std::future::poll_fn(|cx| self.poll_flush(cx)).await;
        while let Some(Ok(_)) =
            std::future::poll_fn(|cx| Pin::new(&mut self.stream).poll_next(cx)).await
        {}
    }
}
