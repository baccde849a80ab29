//! The message gateway: the server's side of the data channels of sessions.
//!
//! A socket says by its first message which session it is for. The token is taken once; from then on
//! the session has a task of its own, which outlives the socket where the client can resume.
//!
//! Invariants: nobody reaches a space but by a token that the store has taken; what a session holds is
//! bounded, whatever its client and its space do; each session that was opened leaves a record of its
//! beginning and of its end.

mod ledger;
mod session;
mod socket;
#[cfg(test)]
mod tests;
pub mod upgrade;
mod waiting;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use sagegate_channel::{Gateway as Machine, Gone, Ids, Offer, Open, Transmit, limits};
use sagegate_gate::{Env, Secret};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, timeout};

pub use ledger::{Accepted, Cutter, Ledger, Origin, StoreLedger};

use crate::runtime::{Doing, Failure, Runtime, Stream, open};
use session::{Command, Counts, Session};
use socket::{Incoming, Socket};
use waiting::Waiting;

/// The path of data channels; a session's id follows.
pub const PATH: &str = "/v1/data-channel/";
/// How long the space has to take a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a client has to take the reason why it is not let in.
const GOODBYE: Duration = Duration::from_secs(5);
/// Commands that may wait for a session.
const COMMANDS: usize = 8;

/// Leads to spaces.
pub trait Spaces: Send + Sync {
    /// A new SSH connection to a workload.
    fn ssh<'a>(&'a self, workload: &'a str) -> Doing<'a, Result<Stream, Failure>>;
}

impl Spaces for Arc<dyn Runtime> {
    fn ssh<'a>(&'a self, workload: &'a str) -> Doing<'a, Result<Stream, Failure>> {
        Box::pin(open(&**self, workload, &sagegate_agent::protocol::Open::Ssh))
    }
}

/// A session that is open, for the operator.
#[derive(Debug, Clone)]
pub struct Live {
    /// Its id.
    pub id: String,
    /// Bytes from the client.
    pub up: u64,
    /// Bytes to the client.
    pub down: u64,
}

/// A session's task, as others see it.
struct Task {
    commands: mpsc::Sender<Command>,
    counts: Arc<Counts>,
    /// What the client can resume with.
    ticket: Option<Secret>,
}

/// The gateway.
pub struct Gateway {
    env: Env,
    ledger: Arc<dyn Ledger>,
    spaces: Arc<dyn Spaces>,
    waiting: Waiting,
    tasks: Mutex<HashMap<String, Task>>,
    /// Told when one of them has ended.
    left: Notify,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gateway")
    }
}

/// The text for a user whose session ends because the server does.
pub const STOPPING: &str = "Sagegate is stopping. Connect again once it runs.";
/// The text for a user whose way in has been closed.
pub const WAY_CLOSED: &str = "The network does not let this connection in any more.";

impl Gateway {
    /// A gateway without sessions.
    #[must_use]
    pub fn new(env: Env, ledger: Arc<dyn Ledger>, spaces: Arc<dyn Spaces>) -> Self {
        let (waiting, tasks) = (Waiting::default(), Mutex::default());
        Self { env, ledger, spaces, waiting, tasks, left: Notify::new() }
    }

    /// The sessions that are open.
    #[must_use]
    pub fn live(&self) -> Vec<Live> {
        let live = |(id, task): (&String, &Task)| Live {
            id: id.clone(),
            up: task.counts.up.load(Ordering::Relaxed),
            down: task.counts.down.load(Ordering::Relaxed),
        };
        self.tasks().iter().map(live).collect()
    }

    /// Ends a session, if it is open. The text is for its user.
    pub fn end(&self, session_id: &str, output: &str) {
        let commands = self.tasks().get(session_id).map(|task| task.commands.clone());
        if let Some(commands) = commands {
            // If there are that many commands, one of them ends it; or it is at its end.
            let _ = commands.try_send(Command::End(output.to_owned()));
        }
    }

    /// Ends all that are open. The text is for their users.
    pub fn end_all(&self, output: &str) {
        for live in self.live() {
            self.end(&live.id, output);
        }
    }

    /// Comes back when no session is open, and all ends are kept.
    pub async fn idle(&self) {
        loop {
            let left = self.left.notified();
            if self.tasks().is_empty() {
                return;
            }
            left.await;
        }
    }

    fn tasks(&self) -> std::sync::MutexGuard<'_, HashMap<String, Task>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a socket after its opening handshake, until it is not needed any more.
    ///
    /// `early` are bytes that came before those of the stream; `closing` comes back when the
    /// connection should end, with the text for the user.
    pub async fn serve(
        self: Arc<Self>,
        stream: Stream,
        early: Bytes,
        session_id: &str,
        origin: Origin,
        closing: impl Future<Output = &'static str>,
    ) {
        let stream = if early.is_empty() { stream } else { Box::new(Early { early, stream }) };
        let mut socket = Box::new(Socket::new(stream));
        let mut place = self.waiting.enter(origin.address());
        let opening = timeout(limits::OPEN_TIME, open_message(&mut socket));
        let opened = tokio::select! {
            opened = opening => opened.unwrap_or(Err("the message with the token did not come in time")),
            _ = &mut place.pushed_out => Err("too many connections have not said what they are for"),
        };
        drop(place);
        match opened {
            Err("") => {}
            Err(reason) => goodbye(&mut socket, reason).await,
            Ok(open) => self.opened(socket, session_id, origin, open, closing).await,
        }
    }

    async fn opened(
        self: Arc<Self>,
        socket: Box<Socket>,
        session_id: &str,
        origin: Origin,
        open: Open,
        closing: impl Future<Output = &'static str>,
    ) {
        let (done, ended) = oneshot::channel();
        let resume = open.sagegate_resume.as_ref();
        if let Some(resume) = resume.filter(|resume| !resume.ticket.is_empty()) {
            self.resume(socket, session_id, &resume.ticket, resume.received, done).await;
        } else {
            self.begin(socket, session_id, origin, &open, done).await;
        }
        // A sender that is dropped tells as well.
        let mut ended = ended;
        tokio::select! {
            _ = &mut ended => return,
            text = closing => self.end(session_id, text),
        }
        // The client is told within bounds.
        let _ = ended.await;
    }

    /// Takes the token, and starts the session's task.
    async fn begin(
        self: &Arc<Self>,
        mut socket: Box<Socket>,
        session_id: &str,
        origin: Origin,
        open: &Open,
        done: oneshot::Sender<()>,
    ) {
        let accepted = match self.ledger.accept(session_id, &open.token_value, &origin).await {
            Ok(accepted) => accepted,
            Err(reason) => return goodbye(&mut socket, &reason).await,
        };
        let start = Instant::now();
        let epoch = u64::try_from(self.env.now().millis()).unwrap_or(0);
        let ids = Ids::new(self.env.bytes());
        let mut machine = Machine::new(session_id, ids, epoch, Duration::ZERO);
        let ticket = open.sagegate_resume.as_ref().map(|_| Secret::new(self.env.hex(64)));
        let offer = ticket.as_ref().map(|ticket| Offer {
            ticket: ticket.reveal().to_owned(),
            seconds: limits::RESUME_TIME.as_secs(),
            window: limits::RESUME_WINDOW,
            light: open.sagegate_resume.as_ref().is_some_and(|resume| resume.light),
        });
        machine.opened(Duration::ZERO, offer);
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let counts = Arc::<Counts>::default();
        let task = Task { commands, counts: Arc::clone(&counts), ticket };
        self.tasks().insert(session_id.to_owned(), task);
        let session =
            Session::new(machine, socket, done, receiver, start, accepted.longest, counts);
        let gateway = Arc::clone(self);
        let id = session_id.to_owned();
        tokio::spawn(async move {
            let spaces = Arc::clone(&gateway.spaces);
            let space = async {
                match timeout(CONNECT, spaces.ssh(&accepted.workload)).await {
                    Ok(Ok(stream)) => Ok(stream),
                    Ok(Err(failure)) => Err(format!("The space cannot be reached: {failure}.")),
                    Err(_) => Err("The space does not answer.".to_owned()),
                }
            };
            let (end, up, down) = session.run(space).await;
            gateway.ledger.ended(&id, &end.to_string(), up, down, &origin).await;
            gateway.tasks().remove(&id);
            gateway.left.notify_waiters();
        });
        // It may have been ended between its opening and its being found.
        if let Some(reason) = self.ledger.ending(session_id) {
            self.end(session_id, &reason);
        }
    }

    /// Hands a socket to the session that it resumes.
    async fn resume(
        &self,
        mut socket: Box<Socket>,
        session_id: &str,
        ticket: &str,
        received: i64,
        done: oneshot::Sender<()>,
    ) {
        let commands = {
            let tasks = self.tasks();
            let task = tasks.get(session_id);
            task.filter(|task| task.ticket.as_ref().is_some_and(|known| known.is(ticket)))
                .map(|task| task.commands.clone())
        };
        let Some(commands) = commands else {
            return goodbye(&mut socket, "the session has ended").await;
        };
        let (refused, answer) = oneshot::channel();
        let attach = Command::Attach { socket, received, done, refused };
        let refused = match commands.send(attach).await {
            Ok(()) => answer.await.ok(),
            Err(mpsc::error::SendError(Command::Attach { socket, .. })) => {
                Some((socket, "the session has ended"))
            }
            Err(_) => None,
        };
        if let Some((mut socket, reason)) = refused {
            goodbye(&mut socket, reason).await;
        }
    }
}

/// The first message of a socket; an error without a text where nobody is there to read one.
async fn open_message(socket: &mut Socket) -> Result<Open, &'static str> {
    loop {
        let flushed = std::future::poll_fn(|cx| {
            if matches!(socket.poll_flush(cx), Poll::Ready(Err(_))) {
                return Poll::Ready(Incoming::Gone(Gone::Broken));
            }
            socket.poll_next(cx)
        });
        match flushed.await {
            Incoming::Text(text) => {
                return Machine::read_open(&text)
                    .map_err(|_| "the message with the token cannot be read");
            }
            Incoming::Binary(_) => return Err("a frame before the message with the token"),
            Incoming::Alive => {}
            Incoming::Gone(_) => return Err(""),
        }
    }
}

/// Tells a client why it is not let in (RFC 6455: 1008, policy violation), and closes.
async fn goodbye(socket: &mut Socket, reason: &str) {
    let mut reason = reason.to_owned();
    reason.truncate(reason.floor_char_boundary(123));
    socket.give(Transmit::Close { code: 1008, reason });
    // Whoever does not take it is not waited for.
    let _ = timeout(GOODBYE, socket.finish()).await;
}

/// A stream with bytes that were read before.
struct Early {
    early: Bytes,
    stream: Stream,
}

impl AsyncRead for Early {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let count = self.early.len().min(buf.remaining());
        buf.put_slice(&self.early.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Early {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
