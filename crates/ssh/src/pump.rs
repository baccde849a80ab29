//! The tasks of a channel: they carry bytes between the channel and whatever is behind it.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::flow::Flow;
use crate::forward::Accepted;
use crate::message::Unopened;

/// Bytes that are read at once.
pub(crate) const PIECE: usize = 128 * 1024;

/// What tasks tell their connection.
#[derive(Debug)]
pub(crate) enum Event {
    /// Bytes for the client; standard error if `extended`.
    Data { channel: u32, extended: bool, data: Bytes },
    /// There is something to be granted to the client.
    Taken(u32),
    /// No more bytes will come.
    Eof(u32),
    /// What the client sends is no longer read.
    Deaf(u32),
    /// The process is over.
    Exit(u32, std::process::ExitStatus),
    /// All is said.
    Close(u32),
    /// A channel that the client asked for is there.
    Opened(u32),
    /// It is not, and why.
    Unopened(u32, Unopened, String),
    /// Somebody came to a forwarded port or socket.
    Accepted(Accepted),
}

/// A channel as its task sees it.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) channel: u32,
    pub(crate) flow: Arc<Flow>,
    pub(crate) events: mpsc::Sender<Event>,
}

impl Line {
    /// The connection is gone if it does not listen, and this task is about to be ended.
    pub(crate) async fn tell(&self, event: Event) {
        let _ = self.events.send(event).await;
    }

    /// From `source` to the client, until its end or an error, which is an end as well. What is not
    /// extended data ends also when the client wants no more of it; the source is then dropped, so
    /// that who writes into it learns of it.
    pub(crate) async fn outward(&self, mut source: impl AsyncRead + Unpin, extended: bool) {
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(PIECE);
            let read = tokio::select! {
                read = source.read_buf(&mut buffer) => read,
                () = self.flow.unwanted(), if !extended => return,
            };
            if matches!(read, Ok(0) | Err(_)) {
                return;
            }
            while !buffer.is_empty() {
                let room = tokio::select! {
                    room = self.flow.room(buffer.len()) => room,
                    () = self.flow.unwanted(), if !extended => return,
                };
                let data = buffer.split_to(room).freeze();
                self.tell(Event::Data { channel: self.channel, extended, data }).await;
            }
        }
    }

    /// From the client to `sink`, until the client's end or an error.
    pub(crate) async fn inward(&self, mut sink: impl AsyncWrite + Unpin) {
        while let Some(mut data) = self.flow.next().await {
            while !data.is_empty() {
                match sink.write_buf(&mut data).await {
                    Ok(count) if count > 0 => {
                        if self.flow.took(count) {
                            self.tell(Event::Taken(self.channel)).await;
                        }
                    }
                    _ => {
                        self.flow.deafen();
                        self.tell(Event::Deaf(self.channel)).await;
                        return;
                    }
                }
            }
        }
        let _ = sink.shutdown().await;
    }

    /// Both ways between the client and a socket. Each direction ends by itself; when the client closes
    /// the channel, what it has sent before is still delivered.
    pub(crate) async fn join(&self, source: impl AsyncRead + Unpin, sink: impl AsyncWrite + Unpin) {
        let out = async {
            tokio::select! {
                () = self.outward(source, false) => self.tell(Event::Eof(self.channel)).await,
                () = self.flow.closed() => {}
            }
        };
        tokio::join!(out, self.inward(sink));
        self.tell(Event::Close(self.channel)).await;
    }
}
