//! One session, from its first socket to its end.

use std::collections::VecDeque;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes};
use sagegate_channel::{Body, Client, End, Gone, Ids, limits};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};

use crate::socket::{Incoming, Socket};
use crate::{DialError, Gauge, Options, Target};

/// Bytes for standard output that may wait before the socket is not read any more.
const PENDING: usize = 256 * 1024;
/// The smallest read of the input.
const SMALL: usize = 4 * 1024;
/// How long the end may take.
const LAST: Duration = Duration::from_secs(5);
/// The first pause before an address is tried again, and the longest.
const AGAIN: Duration = Duration::from_millis(100);
const AGAIN_MOST: Duration = Duration::from_secs(2);

struct Task<'a, I, O> {
    client: Client,
    socket: Socket,
    options: Options,
    input: I,
    output: O,
    /// Standard input has ended.
    ended: bool,
    pending: VecDeque<Bytes>,
    pending_bytes: usize,
    unflushed: bool,
    start: Instant,
    timer: Pin<Box<Sleep>>,
    /// Bytes of the next read of the input.
    size: usize,
    /// When the next frame may be sent, and when data is taken.
    next: Instant,
    ready: Option<Instant>,
    gauge: &'a Gauge,
}

/// Why a socket is left.
enum Left {
    Over,
    Socket(Gone, String),
}

/// Holds a session until either side ends it, and gives what the gateway tells the user at the end.
///
/// `random` is of this session alone, `epoch` the present time in milliseconds since 1970.
///
/// # Errors
/// [`DialError`]. What has arrived was written to `output` before.
pub async fn run<I, O>(
    target: &Target,
    options: Options,
    (random, epoch): ([u8; 8], u64),
    input: I,
    output: O,
    gauge: &Gauge,
) -> Result<String, DialError>
where
    I: AsyncRead + Unpin,
    O: AsyncWrite + Unpin,
{
    let start = Instant::now();
    let ids = Ids::new(random);
    let (client, first) =
        Client::new(options.manner, &target.session_id, &target.token, ids, epoch, Duration::ZERO);
    let mut pause = AGAIN;
    let mut tries = 1;
    let socket = loop {
        match Socket::open(&target.url, first.clone()).await {
            Ok(socket) => break socket,
            Err(error) if tries >= options.tries => return Err(error),
            Err(_) => sleep(pause).await,
        }
        tries += 1;
        pause = (pause * 2).min(AGAIN_MOST);
    };
    let mut task = Task {
        client,
        socket,
        options,
        input,
        output,
        ended: false,
        pending: VecDeque::new(),
        pending_bytes: 0,
        unflushed: false,
        start,
        timer: Box::pin(sleep_until(start)),
        size: SMALL,
        next: start,
        ready: None,
        gauge,
    };
    loop {
        gauge.connected.store(1, Ordering::Relaxed);
        match task.until_left().await {
            Left::Over => return task.last().await,
            Left::Socket(gone, reason) => {
                gauge.connected.store(0, Ordering::Relaxed);
                task.mend(target, gone, reason).await?;
            }
        }
    }
}

impl<I: AsyncRead + Unpin, O: AsyncWrite + Unpin> Task<'_, I, O> {
    /// Until the session is over, or the socket gone.
    async fn until_left(&mut self) -> Left {
        poll_fn(|cx| {
            loop {
                match self.step(cx) {
                    Ok(true) => {}
                    Ok(false) => return Poll::Pending,
                    Err(left) => return Poll::Ready(left),
                }
                if self.client.end().is_some() {
                    return Poll::Ready(Left::Over);
                }
            }
        })
        .await
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Result<bool, Left> {
        let now = self.start.elapsed();
        let mut progress = self.time(cx, now)?;
        progress |= self.read_socket(cx, now)?;
        progress |= self.write_output(cx);
        progress |= self.read_input(cx, now);
        progress |= self.write_socket(cx)?;
        let (up, down) = self.client.traffic();
        self.gauge.up.store(up, Ordering::Relaxed);
        self.gauge.down.store(down, Ordering::Relaxed);
        let micros = u64::try_from(self.client.round_trip().as_micros()).unwrap_or(u64::MAX);
        self.gauge.round_trip.store(micros, Ordering::Relaxed);
        Ok(progress)
    }

    fn time(&mut self, cx: &mut Context<'_>, now: Duration) -> Result<bool, Left> {
        let present = self.start + now;
        if self.ready.is_none() && self.client.is_running() {
            self.ready = Some(present + self.options.ready_after);
        }
        if self.ready.is_some_and(|at| at <= present) {
            self.client.ready();
        }
        if self.client.deadline().is_some_and(|at| at <= now) && !self.client.tick(now) {
            return Err(Left::Socket(Gone::Broken, "the gateway does not answer".to_owned()));
        }
        let deadline = self.client.deadline().map(|at| self.start + at);
        let others = [self.ready, Some(self.next)];
        let others = others.into_iter().flatten().filter(|at| *at > present);
        let Some(next) = deadline.into_iter().chain(others).min() else { return Ok(false) };
        if self.timer.deadline() != next {
            self.timer.as_mut().reset(next);
        }
        Ok(self.timer.as_mut().poll(cx).is_ready())
    }

    fn read_socket(&mut self, cx: &mut Context<'_>, now: Duration) -> Result<bool, Left> {
        let mut progress = false;
        while self.pending_bytes < PENDING && self.client.end().is_none() {
            let Poll::Ready(incoming) = self.socket.poll_next(cx) else { break };
            progress = true;
            match incoming {
                Incoming::Binary(bytes) => self.client.binary(now, &bytes),
                Incoming::Text(text) => self.client.text(now, &text),
                Incoming::Alive => self.client.alive(now),
                Incoming::Gone(gone, reason) => return Err(Left::Socket(gone, reason)),
            }
            while let Some(data) = self.client.data() {
                self.pending_bytes += data.len();
                self.pending.push_back(data);
            }
            // What can wait is given by `write_socket`.
            while let Some(transmit) = self.client.transmit_urgent() {
                self.socket.give(transmit);
            }
        }
        Ok(progress)
    }

    fn give(&mut self) {
        while let Some(transmit) = self.client.transmit() {
            self.socket.give(transmit);
        }
    }

    fn write_socket(&mut self, cx: &mut Context<'_>) -> Result<bool, Left> {
        self.give();
        let was_clear = self.socket.is_clear();
        match self.socket.poll_flush(cx) {
            Poll::Ready(Ok(())) => Ok(!was_clear),
            Poll::Ready(Err(gone)) => Err(Left::Socket(gone, "it broke".to_owned())),
            Poll::Pending => Ok(false),
        }
    }

    /// Writes what has arrived. As the gateway does into a space, but that nobody reads it ends the
    /// session here, where there the space itself tells its end.
    fn write_output(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        while let Some(first) = self.pending.front_mut() {
            match Pin::new(&mut self.output).poll_write(cx, first) {
                Poll::Ready(Ok(written)) if written > 0 => {
                    progress = true;
                    self.unflushed = true;
                    first.advance(written);
                    self.pending_bytes -= written;
                    if first.is_empty() {
                        self.pending.pop_front();
                    }
                }
                Poll::Ready(_) => {
                    // Nobody reads any more.
                    self.client.leave();
                    return true;
                }
                Poll::Pending => return progress,
            }
        }
        if self.unflushed && Pin::new(&mut self.output).poll_flush(cx).is_ready() {
            self.unflushed = false;
        }
        progress
    }

    fn read_input(&mut self, cx: &mut Context<'_>, now: Duration) -> bool {
        let ready = self.ready.is_some_and(|at| at <= self.start + now);
        if !ready || !self.socket.is_clear() || self.next > self.start + now {
            return false;
        }
        if self.ended {
            if self.options.leaves_at_once || self.client.is_flushed() {
                self.client.leave();
                return true;
            }
            return false;
        }
        // A frame is kept until it is acknowledged: one with little in it should not hold much.
        let most = self.client.room().min(self.size);
        if most == 0 {
            return false;
        }
        let mut body = Body::with_capacity(most);
        let mut limited = body.buffer().limit(most);
        match tokio_util::io::poll_read_buf(Pin::new(&mut self.input), cx, &mut limited) {
            Poll::Pending => {
                self.size = SMALL;
                return false;
            }
            Poll::Ready(Ok(read)) if read > 0 => {
                if read == most {
                    self.size = (self.size * 2).min(limits::LIGHT);
                }
                self.client.send(now, body);
                if !self.options.pause.is_zero() {
                    self.next = Instant::now() + self.options.pause;
                }
                self.give();
            }
            Poll::Ready(_) => self.ended = true,
        }
        true
    }

    /// Opens another socket after one is gone.
    async fn mend(&mut self, target: &Target, gone: Gone, reason: String) -> Result<(), DialError> {
        if gone == Gone::Closed && !reason.is_empty() {
            return Err(DialError::Closed(reason));
        }
        if !self.client.detached(gone) {
            return Err(if gone == Gone::Broken {
                DialError::Lost(reason)
            } else {
                DialError::Closed(reason)
            });
        }
        let trying = async {
            let mut pause = AGAIN;
            loop {
                let first = self.client.resume(self.start.elapsed())?;
                match Socket::open(&target.url, first).await {
                    Ok(socket) => return Some(socket),
                    Err(_) => sleep(pause).await,
                }
                pause = (pause * 2).min(AGAIN_MOST);
            }
        };
        match timeout(limits::RESUME_TIME, trying).await {
            Ok(Some(socket)) => {
                self.socket = socket;
                self.gauge.resumed.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Ok(None) | Err(_) => Err(DialError::Lost(reason)),
        }
    }

    /// Writes out what has arrived, and closes.
    async fn last(mut self) -> Result<String, DialError> {
        self.give();
        let written = self.rest().await;
        let end = self.client.end().cloned();
        // Also where nobody reads what has arrived: a session that is not closed is held for a client
        // that comes back.
        if !self.options.leaves_at_once {
            let _ = timeout(LAST, self.socket.finish()).await;
        }
        written?;
        match end {
            Some(End::Violated(violation)) => Err(DialError::Protocol(violation.to_string())),
            Some(End::Closed(output)) => Ok(output),
            _ => Ok(String::new()),
        }
    }
    async fn rest(&mut self) -> std::io::Result<()> {
        while let Some(data) = self.pending.pop_front() {
            self.output.write_all(&data).await?;
        }
        self.output.flush().await
    }
}
