//! The HTTP server: listeners, connections, bounds, and the operator's Unix socket.
//!
//! Invariant: where a request came from ([`Arrival`](sagegate_network::Arrival)) is known from the
//! socket that accepted its connection, and from nothing else. What arrives is bounded in size,
//! number and time before anybody looks at it ([`Limits`]).

mod authority;
mod connection;
mod exchange;
mod follow;
#[cfg(target_os = "linux")]
mod inside;
mod limits;
mod listeners;
mod operator;
mod refusal;
mod route;
mod waiting;
mod wire_io;

pub use authority::{Authority, AuthorityError};
pub use exchange::{
    Answer, BoxFuture, Cause, Closing, Duplex, Handler, HttpResponse, Reply, StreamBody, Taken,
    Takeover,
};
pub use follow::{Follower, places_here};
#[cfg(target_os = "linux")]
pub use inside::{Inside, InsideError, Place};
pub use limits::Limits;
pub use listeners::{
    Adopted, Convergence, ListenAddress, Server, ServerParts, Via, has_loopback_range,
};
pub use operator::{
    CallError, Operator, OperatorFailure, OperatorSocket, SOCKET_NAME, SocketError, call, connect,
};
pub use route::Control;
