//! A WebSocket between a client and its app, every frame of which must be permitted (SPEC T7).

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::frames::Frames;
use crate::runtime::Stream;

/// Bytes that are read at a time.
const PIECE: usize = 16 * 1024;
/// How long a client may take to take the last frame.
const LAST_WORD: Duration = Duration::from_secs(2);
/// How often an idle connection is judged anew, beside every change of the state: permissions may
/// depend on the time, and sessions end by it.
pub(super) const AGAIN: Duration = Duration::from_secs(30);

/// How long the state may change without being asked about again.
pub(super) const BREATH: Duration = Duration::from_millis(100);

/// The status of a connection that is closed because it is not permitted (RFC 6455, section 7.4.1).
const POLICY_VIOLATION: u16 = 1008;
/// The status of one whose end goes away.
const GOING_AWAY: u16 = 1001;

/// Says whether a frame may pass now, or why not, in a few words for the client.
pub trait Guard: Send {
    /// Asked at the beginning of every frame of either direction, when the state has changed, and
    /// from time to time.
    ///
    /// # Errors
    /// Why the connection must end.
    fn permit(&mut self) -> Result<(), String>;
}

impl<F: FnMut() -> Result<(), String> + Send> Guard for F {
    fn permit(&mut self) -> Result<(), String> {
        self()
    }
}

/// Why a relay has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// One of the two ends has closed.
    Closed,
    /// A frame was not permitted: why.
    Refused(String),
    /// The way by which the client came is closed, or the server stops.
    Leaving,
}

/// What a relay has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relayed {
    /// Bytes from the client.
    pub up: u64,
    /// Bytes to the client.
    pub down: u64,
    /// Why it has ended.
    pub end: End,
}

/// Hands frames on in both directions until one end closes, a frame is not permitted, or `leaving`
/// comes back. A client that is refused is told so by a close frame, unless it is in the middle of
/// another one.
///
/// `early` is what the client has sent already; `changes` tells when the state has changed.
pub async fn relay(
    client: Stream,
    early: Bytes,
    app: Stream,
    guard: impl Guard,
    mut changes: watch::Receiver<u64>,
    leaving: impl Future<Output = ()>,
) -> Relayed {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_app, mut to_app) = tokio::io::split(app);
    let guard = Mutex::new(guard);
    let (up, down) = (AtomicU64::new(0), AtomicU64::new(0));
    // What was taken for a frame may not be written whole when the other direction ends.
    let (up_midway, down_midway) = (AtomicBool::new(false), AtomicBool::new(false));
    let (mut client_frames, mut app_frames) = (Frames::default(), Frames::default());
    let upward = Direction { guard: &guard, carried: &up, midway: &up_midway };
    let downward = Direction { guard: &guard, carried: &down, midway: &down_midway };
    let judged = async {
        loop {
            // Whether it was a change or the time, the question is the same.
            let changed = timeout(AGAIN, changes.changed()).await;
            if let Err(why) = permit(&guard) {
                return End::Refused(why);
            }
            if let Ok(Err(_)) = changed {
                return End::Leaving;
            }
            // Many changes at once are one question.
            sleep(BREATH).await;
        }
    };
    let end = tokio::select! {
        end = upward.carry(&early, &mut from_client, &mut to_app, &mut client_frames) => end,
        end = downward.carry(&[], &mut from_app, &mut to_client, &mut app_frames) => end,
        end = judged => end,
        () = leaving => End::Leaving,
    };
    let word = match &end {
        End::Closed => None,
        End::Refused(why) => Some(close(POLICY_VIOLATION, why)),
        End::Leaving => Some(close(GOING_AWAY, "")),
    };
    if let Some(word) = word
        && app_frames.at_boundary()
        && !down_midway.into_inner()
    {
        // A client that does not take it is gone with its connection.
        let _ = timeout(LAST_WORD, to_client.write_all(&word)).await;
    }
    let _ = timeout(LAST_WORD, to_client.shutdown()).await;
    Relayed { up: up.into_inner(), down: down.into_inner(), end }
}

fn permit(guard: &Mutex<impl Guard>) -> Result<(), String> {
    match guard.lock() {
        Ok(mut guard) => guard.permit(),
        Err(_) => Err("The permission cannot be judged.".to_owned()),
    }
}

/// One of the two directions.
struct Direction<'a, G> {
    guard: &'a Mutex<G>,
    carried: &'a AtomicU64,
    /// Whether a write has begun and not ended.
    midway: &'a AtomicBool,
}

impl<G: Guard> Direction<'_, G> {
    async fn carry(
        &self,
        early: &[u8],
        from: &mut ReadHalf<impl AsyncRead>,
        to: &mut WriteHalf<impl AsyncWrite>,
        frames: &mut Frames,
    ) -> End {
        if let Err(end) = self.pass(early, to, frames).await {
            return end;
        }
        let mut buffer = vec![0; PIECE];
        loop {
            let read = match from.read(&mut buffer).await {
                Ok(0) | Err(_) => return End::Closed,
                Ok(read) => read,
            };
            let bytes = buffer.get(..read).unwrap_or_default();
            if let Err(end) = self.pass(bytes, to, frames).await {
                return end;
            }
        }
    }

    /// Hands on what is permitted of some bytes.
    async fn pass(
        &self,
        bytes: &[u8],
        to: &mut WriteHalf<impl AsyncWrite>,
        frames: &mut Frames,
    ) -> Result<(), End> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if frames.at_boundary() {
                permit(self.guard).map_err(End::Refused)?;
            }
            let (frame, behind) = rest.split_at(frames.take(rest).min(rest.len()));
            self.midway.store(true, Ordering::Relaxed);
            to.write_all(frame).await.map_err(|_| End::Closed)?;
            self.midway.store(false, Ordering::Relaxed);
            self.carried
                .fetch_add(u64::try_from(frame.len()).unwrap_or_default(), Ordering::Relaxed);
            rest = behind;
        }
        to.flush().await.map_err(|_| End::Closed)
    }
}

/// A close frame of a server, its reason cut to what fits.
fn close(status: u16, reason: &str) -> Vec<u8> {
    // A control frame has 125 bytes of payload at most.
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let reason = reason.get(..end).unwrap_or_default();
    let length = u8::try_from(2 + reason.len()).unwrap_or(2);
    let mut frame = vec![0x88, length];
    frame.extend(status.to_be_bytes());
    frame.extend(reason.as_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use tokio::io::duplex;

    use super::*;

    struct Ends {
        client: tokio::io::DuplexStream,
        app: tokio::io::DuplexStream,
        allowed: Arc<AtomicBool>,
        changes: watch::Sender<u64>,
        leave: tokio::sync::oneshot::Sender<()>,
        relay: tokio::task::JoinHandle<Relayed>,
    }

    fn begin(early: &'static [u8]) -> Ends {
        let (client, ours) = duplex(1 << 16);
        let (app, apps) = duplex(1 << 16);
        let allowed = Arc::new(AtomicBool::new(true));
        let changes = watch::Sender::new(0);
        let (leave, left) = tokio::sync::oneshot::channel();
        let may = Arc::clone(&allowed);
        let guard = move || {
            if may.load(Ordering::SeqCst) { Ok(()) } else { Err("no longer permitted".to_owned()) }
        };
        let seen = changes.subscribe();
        let relay = tokio::spawn(relay(
            Box::new(ours),
            Bytes::from_static(early),
            Box::new(apps),
            guard,
            seen,
            async {
                let _ = left.await;
            },
        ));
        Ends { client, app, allowed, changes, leave, relay }
    }

    const HELLO: &[u8] = &[0x81, 0x85, 0, 0, 0, 0, b'h', b'e', b'l', b'l', b'o'];

    async fn read(stream: &mut tokio::io::DuplexStream, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        stream.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    #[tokio::test]
    async fn frames_pass_in_both_directions() {
        let mut ends = begin(HELLO);
        assert_eq!(read(&mut ends.app, HELLO.len()).await, HELLO);
        ends.client.write_all(HELLO).await.unwrap();
        assert_eq!(read(&mut ends.app, HELLO.len()).await, HELLO);
        ends.app.write_all(&[0x81, 2, b'h', b'i']).await.unwrap();
        assert_eq!(read(&mut ends.client, 4).await, [0x81, 2, b'h', b'i']);
        drop(ends.app);
        let done = ends.relay.await.unwrap();
        assert_eq!(done, Relayed { up: 22, down: 4, end: End::Closed });
    }

    #[tokio::test]
    async fn the_next_frame_after_a_permission_is_gone_closes_the_socket() {
        let mut ends = begin(b"");
        ends.client.write_all(HELLO).await.unwrap();
        read(&mut ends.app, HELLO.len()).await;
        ends.allowed.store(false, Ordering::SeqCst);
        ends.client.write_all(HELLO).await.unwrap();
        let mut told = Vec::new();
        ends.client.read_to_end(&mut told).await.unwrap();
        assert_eq!(told, close(POLICY_VIOLATION, "no longer permitted"));
        assert_eq!(ends.relay.await.unwrap().end, End::Refused("no longer permitted".to_owned()));
        let mut rest = Vec::new();
        ends.app.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"");
    }

    #[tokio::test]
    async fn a_change_of_the_state_closes_an_idle_socket() {
        let mut ends = begin(b"");
        ends.allowed.store(false, Ordering::SeqCst);
        ends.changes.send_replace(1);
        let mut told = Vec::new();
        ends.client.read_to_end(&mut told).await.unwrap();
        assert_eq!(told, close(POLICY_VIOLATION, "no longer permitted"));
    }

    #[tokio::test]
    async fn nothing_is_put_into_the_middle_of_a_frame() {
        let mut ends = begin(b"");
        // Half of a frame from the app.
        ends.app.write_all(&[0x82, 10, 1, 2, 3]).await.unwrap();
        assert_eq!(read(&mut ends.client, 5).await, [0x82, 10, 1, 2, 3]);
        ends.leave.send(()).unwrap();
        let mut told = Vec::new();
        ends.client.read_to_end(&mut told).await.unwrap();
        assert_eq!(told, b"");
        assert_eq!(ends.relay.await.unwrap().end, End::Leaving);
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        let frame = close(POLICY_VIOLATION, &"é".repeat(100));
        assert_eq!(frame.len(), 2 + 2 + 122);
        assert_eq!(frame[1], 124);
    }
}
