//! The task of one session: socket and space, and the state machine between them.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes};
use sagegate_channel::{Body, End, Gateway as Machine, Gone, Phase, limits};
use tokio::io::AsyncWrite as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::socket::{Incoming, Socket};
use crate::runtime::Stream;

/// Bytes of a client that wait for the space before its socket is not read any more.
const PENDING: usize = 64 * 1024;
/// The same while the space waits for the client's acknowledgements, which are behind such bytes:
/// as much as a client of SSH sends without being told that it may.
const PENDING_MOST: usize = 4 * 1024 * 1024;
/// How long the last bytes have to get out, on either side.
const LAST: Duration = Duration::from_secs(5);

/// What a session is told from outside.
pub(super) enum Command {
    /// The client is back on another socket.
    Attach {
        socket: Box<Socket>,
        /// How many of our frames it has got.
        received: i64,
        /// Dropped when the socket is not needed any more.
        done: oneshot::Sender<()>,
        /// The socket comes back by this where it is not taken, with the reason.
        refused: oneshot::Sender<(Box<Socket>, &'static str)>,
    },
    /// Ends it; the text is for the user.
    End(String),
}

/// What it has carried.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) up: AtomicU64,
    pub(super) down: AtomicU64,
}

/// A socket, and whom to tell when it is not needed any more.
struct Attached {
    socket: Box<Socket>,
    _done: oneshot::Sender<()>,
}

/// The task's state.
pub(super) struct Session {
    machine: Machine,
    attached: Option<Attached>,
    space: Option<Stream>,
    /// What waits for the space.
    pending: VecDeque<Bytes>,
    pending_bytes: usize,
    /// The space's stream was written to and not flushed.
    unflushed: bool,
    commands: mpsc::Receiver<Command>,
    timer: Pin<Box<Sleep>>,
    start: Instant,
    /// When it has lasted long enough.
    longest: Instant,
    /// Bytes of the next read from the space.
    size: usize,
    counts: Arc<Counts>,
}

/// The smallest of those reads.
const SMALL: usize = 4 * 1024;

impl Session {
    pub(super) fn new(
        machine: Machine,
        socket: Box<Socket>,
        done: oneshot::Sender<()>,
        commands: mpsc::Receiver<Command>,
        start: Instant,
        longest: Duration,
        counts: Arc<Counts>,
    ) -> Self {
        Self {
            machine,
            attached: Some(Attached { socket, _done: done }),
            space: None,
            pending: VecDeque::new(),
            pending_bytes: 0,
            unflushed: false,
            commands,
            timer: Box::pin(sleep_until(start)),
            start,
            longest: start + longest,
            size: SMALL,
            counts,
        }
    }

    /// Runs the session to its end. `space` connects to the space meanwhile.
    pub(super) async fn run(
        mut self,
        space: impl Future<Output = Result<Stream, String>>,
    ) -> (End, u64, u64) {
        {
            let mut space = std::pin::pin!(space);
            let mut connected = false;
            std::future::poll_fn(|cx| {
                loop {
                    if !connected && let Poll::Ready(done) = space.as_mut().poll(cx) {
                        connected = true;
                        match done {
                            Ok(stream) => self.space = Some(stream),
                            Err(text) => self.machine.close(self.start.elapsed(), &text),
                        }
                    }
                    let progress = self.step(cx);
                    if self.machine.phase() == Phase::Ended {
                        return Poll::Ready(());
                    }
                    if !progress {
                        return Poll::Pending;
                    }
                }
            })
            .await;
        }
        self.last().await
    }

    /// Does what can be done now. False when there was nothing.
    fn step(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        while let Poll::Ready(Some(command)) = self.commands.poll_recv(cx) {
            self.command(command);
            progress = true;
        }
        let now = self.start.elapsed();
        progress |= self.time(cx, now);
        progress |= self.read_socket(cx, now);
        progress |= self.write_space(cx);
        progress |= self.read_space(cx, now);
        progress |= self.write_socket(cx, now);
        let (up, down) = self.machine.traffic();
        self.counts.up.store(up, Ordering::Relaxed);
        self.counts.down.store(down, Ordering::Relaxed);
        progress
    }

    fn command(&mut self, command: Command) {
        let now = self.start.elapsed();
        match command {
            Command::Attach { mut socket, received, done, refused } => {
                match self.machine.resumed(now, received) {
                    Ok(()) => {
                        while let Some(transmit) = self.machine.transmit() {
                            socket.give(transmit);
                        }
                        // One that is still there is of a connection that the client has given up.
                        self.attached = Some(Attached { socket, _done: done });
                    }
                    Err(reason) => {
                        // The socket's own task closes it, if it is still there.
                        let _ = refused.send((socket, reason));
                    }
                }
            }
            Command::End(output) => self.machine.close(now, &output),
        }
    }

    /// Has the machine look at the time, and the timer go off when it wants to again. True when that
    /// is now.
    fn time(&mut self, cx: &mut Context<'_>, now: Duration) -> bool {
        if self.start + now >= self.longest {
            self.machine.close(now, "The session has lasted as long as a session may.");
        }
        if !self.wants_socket() {
            // A client that is not listened to cannot be silent.
            self.machine.alive(now);
        }
        if self.machine.deadline().is_some_and(|at| at <= now) {
            self.machine.tick(now);
        }
        let next = self.machine.deadline().map_or(self.longest, |at| self.start + at);
        let next = next.min(self.longest);
        if self.timer.deadline() != next {
            self.timer.as_mut().reset(next);
        }
        self.timer.as_mut().poll(cx).is_ready()
    }

    fn wants_socket(&self) -> bool {
        let starved = self.machine.phase() == Phase::Running
            && self.space.is_some()
            && self.machine.room(self.start.elapsed()) == 0;
        self.pending_bytes < if starved { PENDING_MOST } else { PENDING }
    }

    fn read_socket(&mut self, cx: &mut Context<'_>, now: Duration) -> bool {
        let mut progress = false;
        while self.wants_socket() {
            let Some(attached) = &mut self.attached else { break };
            let Poll::Ready(incoming) = attached.socket.poll_next(cx) else { break };
            progress = true;
            match incoming {
                Incoming::Binary(bytes) => self.machine.binary(now, &bytes),
                Incoming::Text(_) => self.machine.text(),
                Incoming::Alive => self.machine.alive(now),
                Incoming::Gone(gone) => self.gone(now, gone),
            }
            while let Some(data) = self.machine.data() {
                self.pending_bytes += data.len();
                self.pending.push_back(data);
            }
            if let Some(attached) = &mut self.attached {
                // What can wait is given by `write_socket`.
                while let Some(transmit) = self.machine.transmit_urgent() {
                    attached.socket.give(transmit);
                }
            }
            if self.machine.end().is_some() {
                break;
            }
        }
        progress
    }

    fn gone(&mut self, now: Duration, gone: Gone) {
        if self.machine.detached(now, gone) {
            self.attached = None;
        }
    }

    /// Hands what the machine wants to send to the socket.
    fn give(&mut self) {
        if let Some(attached) = &mut self.attached {
            while let Some(transmit) = self.machine.transmit() {
                attached.socket.give(transmit);
            }
        }
    }

    fn write_socket(&mut self, cx: &mut Context<'_>, now: Duration) -> bool {
        self.give();
        let Some(attached) = &mut self.attached else { return false };
        let was_clear = attached.socket.is_clear();
        match attached.socket.poll_flush(cx) {
            Poll::Ready(Ok(())) => !was_clear,
            Poll::Ready(Err(gone)) => {
                self.gone(now, gone);
                true
            }
            Poll::Pending => false,
        }
    }

    /// Writes what has arrived. As the client does to its output, but that the space takes no more ends
    /// nothing: it may still have something to say.
    fn write_space(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(space) = &mut self.space else { return false };
        let mut progress = false;
        while let Some(first) = self.pending.front_mut() {
            match Pin::new(&mut *space).poll_write(cx, first) {
                Poll::Ready(Ok(written)) if written > 0 => {
                    progress = true;
                    self.unflushed = true;
                    first.advance(written);
                    self.pending_bytes -= written;
                    if first.is_empty() {
                        self.pending.pop_front();
                    }
                }
                // The space tells its end on the other side of the stream; this side is of no use.
                Poll::Ready(_) => {
                    self.pending.clear();
                    self.pending_bytes = 0;
                    return true;
                }
                Poll::Pending => return progress,
            }
        }
        if self.unflushed
            && let Poll::Ready(_) = Pin::new(&mut *space).poll_flush(cx)
        {
            self.unflushed = false;
        }
        progress
    }

    fn read_space(&mut self, cx: &mut Context<'_>, now: Duration) -> bool {
        let Some(space) = &mut self.space else { return false };
        // What was sent before is on its way: this is what holds the space back.
        if self.attached.as_ref().is_none_or(|attached| !attached.socket.is_clear()) {
            return false;
        }
        let room = self.machine.room(now);
        if room == 0 {
            return false;
        }
        // Made anew each time, so that a session that waits holds nothing.
        let most = room.min(self.size);
        let mut body = Body::with_capacity(most);
        let mut limited = body.buffer().limit(most);
        match tokio_util::io::poll_read_buf(Pin::new(space), cx, &mut limited) {
            Poll::Pending => {
                self.size = SMALL;
                return false;
            }
            Poll::Ready(Ok(read)) if read > 0 => {
                if read == most {
                    self.size = (self.size * 2).min(limits::LIGHT);
                }
                self.machine.send(now, body);
                self.give();
            }
            Poll::Ready(_) => {
                self.space = None;
                self.machine.space_ended(now);
            }
        }
        true
    }

    /// The last bytes, on both sides.
    async fn last(mut self) -> (End, u64, u64) {
        self.give();
        let (up, down) = self.machine.traffic();
        let end = self.machine.end().cloned().unwrap_or(End::Left);
        let space = async {
            if let Some(mut space) = self.space.take() {
                use tokio::io::AsyncWriteExt as _;
                for data in &self.pending {
                    if space.write_all(data).await.is_err() {
                        return;
                    }
                }
                // If it cannot be told, it sees the end.
                let _ = space.shutdown().await;
            }
        };
        let socket = async {
            if let Some(mut attached) = self.attached.take() {
                attached.socket.finish().await;
            }
        };
        let both = async { tokio::join!(space, socket) };
        // Whoever takes nothing is not waited for.
        let _ = timeout(LAST, both).await;
        (end, up, down)
    }
}
