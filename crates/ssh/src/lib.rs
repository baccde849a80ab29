//! The SSH server of a space, over any stream of bytes.
//!
//! [`serve`] speaks SSH 2 (RFC 4250 to 4254) with one client: terminals, commands, file transfer,
//! forwarded ports and sockets, and the client's agent. It runs inside the space, and everything that
//! it does for the client it does with the rights of the space's user, in the space's network.
//!
//! # Who may connect
//! Everybody who holds the stream. The method `none` is accepted for any user name, as the documented
//! configuration of clients wants it, which names neither a user nor a key. That is sound only where
//! the one way to the stream is a channel that somebody was let into with a single-use token: **never
//! give [`serve`] a stream from a socket that others can reach.** The encryption still guards what
//! crosses the gateways in between, and the host key tells a client that it is the same space again.
//!
//! # Limits
//! [`Limits`] bounds what one connection can hold. What a client sends is kept up to the channel's
//! window and no further, and is granted again only when its receiver has taken it.

mod channels;
mod cipher;
mod codec;
mod connection;
mod flow;
mod forward;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod helper;
#[cfg(test)]
mod hostile;
mod kex;
mod message;
mod pipe;
mod process;
mod pump;
mod session;
mod sftp;
mod terminal;
mod transport;
mod user;

use std::ffi::OsString;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use zeroize::Zeroizing;

pub use user::User;

/// What the sessions of a space have in common.
pub struct SpaceHost {
    /// Seed of the Ed25519 host key (RFC 8032, section 5.1.5). Must stay the same for as long as the
    /// space exists: clients pin the key under the space's ARN at the first connection.
    pub host_key: Zeroizing<[u8; 32]>,
    /// Who the sessions are.
    pub user: User,
    /// Variables for every process, beside those that follow from `user`; these win over the default
    /// `PATH` and over what a client sends.
    pub env: Vec<(String, String)>,
    /// The program, and its first arguments, that passes what follows to [`helper::run`].
    pub helper: Vec<OsString>,
    /// What one connection may hold.
    pub limits: Limits,
}

impl std::fmt::Debug for SpaceHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values of the environment may be credentials.
        f.debug_struct("SpaceHost").field("user", &self.user).finish_non_exhaustive()
    }
}

/// What one connection may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Channels that are open at the same time.
    pub channels: usize,
    /// Forwarded ports and sockets.
    pub listeners: usize,
    /// Variables of one session, and the bytes of their names and values.
    pub variables: (usize, usize),
    /// Bytes that the client may send on one of the first channels before they are read. Later
    /// channels get a sixteenth: the sum is what a client can make the server keep.
    pub window: u32,
}

impl Default for Limits {
    fn default() -> Self {
        // 8 windows of 4 MiB and 248 of 256 KiB: at most 94 MiB, and nothing while all is read. 4 MiB
        // carry 40 MiB/s over a line with a round trip of 100 ms.
        Self { channels: 256, listeners: 64, variables: (64, 32 * 1024), window: 4 * 1024 * 1024 }
    }
}

/// What a connection was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// What the client calls itself: its identification line without `SSH-2.0-`.
    pub client: String,
    /// The user name that it sent, at most 256 bytes of it. It decides nothing.
    pub user: String,
    /// Channels that were opened, by either side.
    pub channels: u64,
    /// Bytes received from the stream.
    pub received: u64,
    /// Bytes sent to it.
    pub sent: u64,
}

/// How a connection ends if not by the client's wish.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stream broke.
    #[error("the stream failed: {0}")]
    Stream(#[from] std::io::Error),
    /// The client did not keep to the protocol. It was told so where it can be told anything.
    #[error("{0}")]
    Protocol(String),
    /// The client did not log in within the time that is given for it, two minutes.
    #[error("the client did not log in in time")]
    TimedOut,
}

/// Serves one client until it leaves or the stream ends.
///
/// When this returns, or its future is dropped, the processes of the connection's sessions have
/// got SIGHUP, its forwarded ports are closed and its sockets removed. Needs a tokio runtime with
/// I/O and time.
///
/// # Errors
/// [`Error`]; the end of the stream at any point after the login is none.
pub async fn serve<S>(stream: S, host: Arc<SpaceHost>) -> Result<Summary, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    connection::serve(stream, host).await
}
