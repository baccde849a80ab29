//! The data channel of a session: what `StartSession` gives the address of, and what the Session
//! Manager plugin speaks there; and what our own client and gateway agree to leave out of it.
//!
//! Frames ([`Frame`]) travel in the messages of a WebSocket. Each side numbers its frames, and the
//! other acknowledges each of them. There are two state machines, [`Gateway`] and [`Client`]; both
//! do no I/O and read no clock: they are told what has arrived and what time it is, and asked what is
//! to be sent, what is to be handed on, and when they want to be told the time again.
//!
//! Invariants: whatever arrives, nothing panics, and what a machine holds is bounded by the windows
//! of [`limits`]; bytes are handed on in order, once each, or the session ends with a reason.

mod client;
mod frame;
mod gateway;
pub mod limits;
mod message;
mod side;
#[cfg(test)]
mod tests;

pub use client::{Client, Manner};
pub use frame::{
    Body, Digests, Frame, FrameError, HEAD, Head, Ids, Kind, MessageId, Payload, flag,
};
pub use gateway::{Gateway, Phase};
pub use message::{
    AGENT_VERSION, Acknowledge, CLIENT_VERSION, ChannelClosed, HandshakeComplete, HandshakeRequest,
    HandshakeResponse, Offer, Open, ProcessedAction, RequestedAction, Resume, Resumed,
};
pub use side::{End, Gone, Transmit, Violation};
