//! The bounds of what is accepted.

use std::time::Duration;

/// Bounds on size, number and time. The defaults suit the services that are served.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Most bytes of a request's line and headers.
    pub head_bytes: usize,
    /// Most header fields.
    pub headers: usize,
    /// Most bytes of a body sent to the path `/`, where the json and query services live.
    pub body_bytes: u64,
    /// Most bytes of a body sent to any other path.
    pub large_body_bytes: u64,
    /// Bytes of bodies, over 64 KiB each, that may be in memory at one time.
    pub bodies_bytes: usize,
    /// Bytes of a body that is too long which are read and dropped, so that a client which does
    /// not listen while it sends still sees the refusal.
    pub drain_bytes: u64,
    /// Longest time for a request's head, and for which a connection may idle between requests.
    pub head_time: Duration,
    /// Longest pause within a body.
    pub body_idle_time: Duration,
    /// Longest time for a whole body.
    pub body_time: Duration,
    /// Longest time for which a client may take nothing of an answer.
    pub write_time: Duration,
    /// Most connections at one time, over all listeners. One more takes the place of one that waits
    /// for its client: that never had a request, then that has waited longest; where none waits, it is
    /// refused.
    pub connections: usize,
    /// How long connections may go on after the server was told to stop.
    pub stop_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 64 * 1024,
            headers: 128,
            body_bytes: 1024 * 1024 + 64 * 1024,
            large_body_bytes: 6 * 1024 * 1024 + 64 * 1024,
            bodies_bytes: 128 * 1024 * 1024,
            drain_bytes: 16 * 1024 * 1024,
            head_time: Duration::from_secs(60),
            body_idle_time: Duration::from_secs(20),
            body_time: Duration::from_secs(60),
            write_time: Duration::from_secs(60),
            connections: 4096,
            stop_time: Duration::from_secs(10),
        }
    }
}
