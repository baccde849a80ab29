//! The client's side of a session over a socket: what `connect` does, and what stands in for the
//! Session Manager plugin in tests.
//!
//! Invariant: standard output gets the space's bytes and nothing else, unless the manner is the
//! plugin's.

mod socket;
mod task;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sagegate_channel::Manner;

pub use task::run;

/// What `StartSession` has given.
#[derive(Clone)]
pub struct Target {
    /// The socket's address, `ws://…`.
    pub url: String,
    /// The session's id.
    pub session_id: String,
    /// The token.
    pub token: String,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("session_id", &self.session_id).finish_non_exhaustive()
    }
}

/// How a session is held.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What the protocol leaves open.
    pub manner: Manner,
    /// The pause after each frame of data that is sent: the plugin's is a millisecond.
    pub pause: Duration,
    /// From the handshake's end to when data is taken, as it takes the plugin.
    pub ready_after: Duration,
    /// Whether the end of standard input ends the session at once, as the plugin does it; otherwise
    /// only after all that was sent has arrived.
    pub leaves_at_once: bool,
    /// How often an address that cannot be reached is tried, at first.
    pub tries: u32,
}

impl Options {
    /// The plugin's.
    pub const PLUGIN: Self = Self {
        manner: Manner::PLUGIN,
        pause: Duration::from_millis(1),
        ready_after: Duration::from_millis(1),
        leaves_at_once: true,
        tries: 5,
    };
    /// Those of `connect`.
    pub const OWN: Self = Self {
        manner: Manner::OWN,
        pause: Duration::ZERO,
        ready_after: Duration::ZERO,
        leaves_at_once: false,
        tries: 3,
    };
}

/// What a session is like while it runs.
#[derive(Debug, Default)]
pub struct Gauge {
    /// Bytes sent, bytes got.
    up: AtomicU64,
    down: AtomicU64,
    /// Microseconds from a frame to its acknowledgement, smoothed; 0 before the first.
    round_trip: AtomicU64,
    /// How often the socket was replaced.
    resumed: AtomicU64,
    /// Whether there is a socket now.
    connected: AtomicU64,
}

/// The readings of a [`Gauge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reading {
    /// Bytes sent.
    pub up: u64,
    /// Bytes got.
    pub down: u64,
    /// Microseconds from a frame to its acknowledgement, smoothed.
    pub round_trip_micros: u64,
    /// How often the socket was replaced.
    pub resumed: u64,
    /// Whether there is a socket now.
    pub connected: bool,
}

impl Gauge {
    /// Reads it.
    #[must_use]
    pub fn read(&self) -> Reading {
        Reading {
            up: self.up.load(Ordering::Relaxed),
            down: self.down.load(Ordering::Relaxed),
            round_trip_micros: self.round_trip.load(Ordering::Relaxed),
            resumed: self.resumed.load(Ordering::Relaxed),
            connected: self.connected.load(Ordering::Relaxed) != 0,
        }
    }
}

/// Why a session could not be held.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The address cannot be reached, or does not speak WebSocket.
    #[error("{url}: {text}")]
    Socket {
        /// The address without its query.
        url: String,
        /// What happened.
        text: String,
    },
    /// The gateway has closed the socket with this reason.
    #[error("the gateway has closed the session: {0}")]
    Closed(String),
    /// The connection broke and could not be mended.
    #[error("the connection was lost, and could not be resumed: {0}")]
    Lost(String),
    /// What the gateway has sent.
    #[error("the gateway does not keep to the protocol: {0}")]
    Protocol(String),
    /// Standard input or output.
    #[error("{0}")]
    Stdio(#[from] std::io::Error),
}
