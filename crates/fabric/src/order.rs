//! What the server asks of the keeper.

use std::net::SocketAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::delta::Delta;

/// A namespace of the fabric.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum At {
    /// The internet, outside of all VPCs.
    Internet,
    /// The router of a VPC, where its resolver listens.
    Router(String),
    /// A network interface that is plugged in.
    Port(String),
    /// A gateway endpoint.
    Gateway(String),
}

/// What a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// TCP, listening.
    Tcp,
    /// UDP.
    Udp,
}

/// An order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Brings the kernel from one state to the next.
    Change(Box<Delta>),
    /// Opens a socket in a namespace; the answer brings it.
    Listen { at: At, protocol: Protocol, address: SocketAddr },
    /// Begins a TCP connection in a namespace; the answer brings the socket, which does not block and
    /// may not be connected yet.
    Dial { at: At, from: Option<SocketAddr>, to: SocketAddr },
    /// The answer brings the namespace, and the user namespace that it belongs to if that is not the
    /// machine's.
    Namespace { at: At },
    /// The namespace that comes beside it, in which somebody is already, is that of this interface when
    /// it is plugged in next.
    Adopt { port: String },
    /// All addresses of a block are the internet's own: servers there can listen on them.
    Own { block: IpNet },
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// It is done.
    Done,
    /// It is not, and why.
    Refused(String),
}
