//! The connection protocol: what a client sends, and what the tasks of channels tell.

use std::collections::{HashMap, HashSet};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::{payload, steps};
use crate::channels::Kind;
use crate::cipher::Opener;
use crate::codec::Reader;
use crate::connection::Connection;
use crate::forward::{Accepted, Listening, Origin, Stream};
use crate::message::{self, Unopened};
use crate::pump::{Event, PIECE};
use crate::transport::Transport;
use crate::{Limits, SpaceHost, User};

/// Small, so that inputs reach them.
const LIMITS: Limits =
    Limits { channels: 10, listeners: 0, variables: (8, 512), window: 64 * 1024 };
/// What it may come to in the largest packets of answers to one message.
const ANSWERS: usize = 4 * 1024 * 1024;

std::thread_local! {
    /// Tasks are put into it and never run: they would connect to what an input names.
    static RUNTIME: Runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
}

/// A channel as the client has it, by its own number.
#[derive(Debug, Default)]
struct Told {
    /// Bytes that the server may still send.
    room: u64,
    closed: bool,
    /// Two channels have this number: what is said of one may be about the other.
    twice: bool,
}

/// A future's result, if it has one at once.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

struct Script {
    connection: Connection,
    /// Reads what the server sends.
    opener: Opener,
    told: HashMap<u32, Told>,
    /// Our numbers of the channels that are there, beside sessions.
    opened: HashSet<u32>,
    inbox: mpsc::Receiver<Event>,
}

/// Runs a script, after a login. Returns how many lines have been taken, and how many are left because the
/// server has ended the connection.
///
/// # Panics
/// Where a law is broken: that is the finding.
pub fn channels(script: &[u8]) -> (usize, usize) {
    let Ok(script) = std::str::from_utf8(script) else { return (0, 0) };
    RUNTIME.with(|runtime| {
        let entered = runtime.enter();
        let mut it = Script::new();
        let all: Vec<_> = steps(script).collect();
        let mut taken = 0;
        for (step, words) in &all {
            let done = it.step(step, words.clone());
            it.check();
            if done.is_none() {
                break;
            }
            taken += 1;
        }
        drop(entered);
        let Script { mut connection, .. } = it;
        connection.channels.clear();
        runtime.block_on(connection.tasks.shutdown());
        (taken, all.len() - taken)
    })
}

impl Script {
    fn new() -> Self {
        let user = User {
            name: "sagemaker-user".into(),
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            groups: Vec::new(),
            home: "/".into(),
            shell: "/bin/sh".into(),
        };
        let host = Arc::new(SpaceHost {
            host_key: [7; 32].into(),
            user: user.clone(),
            env: Vec::new(),
            // So that no process can be started.
            helper: Vec::new(),
            limits: LIMITS,
        });
        let transport = Transport::new(&[7; 32], b"SSH-2.0-OpenSSH_9.9".to_vec(), BytesMut::new());
        let (events, inbox) = mpsc::channel(64);
        let mut connection = Connection::new(host, transport, events);
        connection.channels.pretend(Origin::Agent, Listening::on_nothing(user));
        let opener = Opener::new(BytesMut::new());
        let mut script =
            Self { connection, opener, told: HashMap::new(), opened: HashSet::new(), inbox };
        for login in [
            "b5 \"ssh-userauth",
            "b50 \"anybody \"ssh-connection \"password f \"x",
            "b50 \"anybody \"ssh-connection \"none",
        ] {
            let login = payload(login.split(' ')).unwrap();
            assert!(script.connection.handle(&login.freeze()).is_ok());
        }
        script
    }

    /// `None` when the connection is over.
    fn step(&mut self, step: &str, mut words: std::str::SplitAsciiWhitespace<'_>) -> Option<()> {
        if step == "m" {
            let Some(payload) = payload(words) else { return Some(()) };
            self.sends(&payload);
            return self.connection.handle(&payload.freeze()).ok();
        }
        if step == "F" {
            if self.connection.channels.all().len() < LIMITS.channels {
                let (stream, _) = tokio::net::UnixStream::pair().unwrap();
                let stream = Stream::Unix(stream);
                let accepted = Accepted { origin: Origin::Agent, stream, peer: None };
                return self.connection.happened(Event::Accepted(accepted)).ok();
            }
            return Some(());
        }
        let mut number = || words.next().and_then(|word| word.parse::<u32>().ok());
        let (Some(channel), count) = (number(), number().unwrap_or(1)) else { return Some(()) };
        let Some(it) = self.connection.channels.get(channel) else { return Some(()) };
        // Tasks are of channels that are there; only these tell of what was opened.
        let (flow, link) = (Arc::clone(&it.flow), matches!(it.kind, Kind::Link));
        if matches!(it.kind, Kind::Offered(_)) {
            return Some(());
        }
        if link && self.opened.contains(&channel) == matches!(step, "O" | "U") {
            return Some(());
        }
        let event = match step {
            "T" => {
                let Some(data) = now(flow.next()).flatten() else { return Some(()) };
                if !flow.took(data.len()) {
                    return Some(());
                }
                Event::Taken(channel)
            }
            "D" | "E" => {
                let Some(room) = now(flow.room(PIECE.min(count as usize))) else {
                    return Some(());
                };
                let data = Bytes::from(vec![b'd'; room]);
                Event::Data { channel, extended: step == "E", data }
            }
            "Z" => Event::Eof(channel),
            "Q" => Event::Deaf(channel),
            "X" => Event::Exit(channel, ExitStatus::from_raw(i32::try_from(count).unwrap_or(0))),
            "C" => Event::Close(channel),
            "O" if link => {
                self.opened.insert(channel);
                Event::Opened(channel)
            }
            "U" if link => Event::Unopened(channel, Unopened::ConnectFailed, "refused".into()),
            _ => return Some(()),
        };
        self.connection.happened(event).ok()
    }

    /// Notes what a message of the client says of its channels.
    fn sends(&mut self, payload: &[u8]) {
        let mut reader = Reader::new(payload);
        let mut note = || {
            match reader.byte()? {
                message::CHANNEL_OPEN => {
                    reader.string()?;
                    let (number, room) = (reader.u32()?, reader.u32()?);
                    let known = self.told.contains_key(&number);
                    let told = self.told.entry(number).or_default();
                    *told = Told { room: room.into(), closed: false, twice: known };
                }
                message::CHANNEL_OPEN_CONFIRMATION => {
                    reader.u32()?;
                    let (number, room) = (reader.u32()?, reader.u32()?);
                    let known = self.told.contains_key(&number);
                    let told = self.told.entry(number).or_default();
                    *told = Told { room: room.into(), closed: false, twice: known };
                }
                message::CHANNEL_WINDOW_ADJUST => {
                    let id = reader.u32()?;
                    let by = reader.u32()?;
                    let peer = self.connection.channels.all().get(&id).map(|it| it.peer);
                    if let Some(told) = peer.and_then(|peer| self.told.get_mut(&peer)) {
                        told.room += u64::from(by);
                    }
                }
                _ => {}
            }
            Ok::<(), crate::codec::Malformed>(())
        };
        let _ = note();
    }

    /// Reads what the server has sent, and holds it against what it may send.
    fn check(&mut self) {
        let out = self.connection.transport.out().split();
        assert!(out.len() <= ANSWERS, "{} bytes of answers to one message", out.len());
        self.opener.received.extend_from_slice(&out);
        while let Some(packet) = self.opener.packet().unwrap() {
            let mut reader = Reader::new(&packet);
            let kind = reader.byte().unwrap();
            if !(message::CHANNEL_OPEN..=message::CHANNEL_FAILURE).contains(&kind) {
                continue;
            }
            if kind == message::CHANNEL_OPEN {
                assert_eq!(reader.text(), Ok("auth-agent@openssh.com"));
                self.opened.insert(reader.u32().unwrap());
                continue;
            }
            let peer = reader.u32().unwrap();
            let Some(told) = self.told.get_mut(&peer) else {
                // A channel without a number of the client's: only one that it has answered wrongly.
                continue;
            };
            if told.twice {
                continue;
            }
            assert!(!told.closed, "message {kind} after the end of channel {peer}");
            match kind {
                message::CHANNEL_DATA | message::CHANNEL_EXTENDED_DATA => {
                    if kind == message::CHANNEL_EXTENDED_DATA {
                        assert_eq!(reader.u32(), Ok(1));
                    }
                    let length = reader.string().unwrap().len() as u64;
                    told.room = told.room.checked_sub(length).unwrap();
                }
                message::CHANNEL_CLOSE | message::CHANNEL_OPEN_FAILURE => told.closed = true,
                _ => {}
            }
        }
        let channels = self.connection.channels.all();
        assert!(channels.len() <= LIMITS.channels);
        for (id, channel) in channels {
            let (held, window) = (channel.flow.outstanding(), channel.flow.window());
            assert!(held <= u64::from(window), "channel {id} holds {held} of {window} bytes");
        }
        // Tasks do not run, so that nothing is told by them.
        assert!(self.inbox.try_recv().is_err());
    }
}
