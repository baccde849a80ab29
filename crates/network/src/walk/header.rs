//! The header of a packet, as far as filters and translation look at it.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use crate::security_group::{ICMP, ICMPV6, Packet, Protocol, TCP, UDP};

/// A range of ports. More than one where a NAT gateway or a client chooses the port: which one it
/// takes is not known, so that all of them have to get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Ports {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl Ports {
    /// The source ports of a NAT gateway (Amazon VPC User Guide, "Custom network ACLs for your
    /// VPC", section "Ephemeral ports").
    pub const OF_NAT: Self = Self { first: 1024, last: 65_535 };

    /// The ports that clients open connections from: what Linux takes unless it is told otherwise
    /// (`net.ipv4.ip_local_port_range`). Which one it takes is not known either.
    pub const OF_CLIENTS: Self = Self { first: 32_768, last: 60_999 };

    /// One port.
    #[must_use]
    pub fn one(port: u16) -> Self {
        Self { first: port, last: port }
    }

    /// Whether `port` is among them.
    #[must_use]
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "port {}", self.first)
        } else {
            write!(f, "ports {}-{}", self.first, self.last)
        }
    }
}

/// What an IP packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase", rename_all_fields = "PascalCase")]
pub enum Payload {
    /// TCP or UDP.
    Ports {
        /// The protocol's number.
        protocol: u8,
        /// Where from.
        source: Ports,
        /// Where to.
        destination: Ports,
    },
    /// A message of ICMP or ICMPv6.
    Icmp {
        /// The protocol's number.
        protocol: u8,
        /// The type.
        kind: u8,
        /// The code.
        code: u8,
    },
    /// Any other protocol.
    Other {
        /// The protocol's number.
        protocol: u8,
    },
}

impl Payload {
    /// Reads what a question asks for. `None` where the form does not fit the protocol: ports of a
    /// protocol that has none, or TCP, UDP or ICMP without what their rules look at.
    #[must_use]
    pub(crate) fn of(packet: Packet, source: Ports) -> Option<Self> {
        match packet {
            Packet::Port { protocol: protocol @ (TCP | UDP), port } => {
                Some(Self::Ports { protocol, source, destination: Ports::one(port) })
            }
            Packet::Icmp { protocol: protocol @ (ICMP | ICMPV6), kind, code } => {
                Some(Self::Icmp { protocol, kind, code })
            }
            Packet::Other { protocol } if !matches!(protocol, TCP | UDP | ICMP | ICMPV6) => {
                Some(Self::Other { protocol })
            }
            _ => None,
        }
    }

    /// What answers it. `None` for ICMP messages that are not questions.
    #[must_use]
    pub(crate) fn answer(self) -> Option<Self> {
        match self {
            Self::Ports { protocol, source, destination } => {
                Some(Self::Ports { protocol, source: destination, destination: source })
            }
            Self::Icmp { protocol, kind, code } => {
                let kind = match (protocol, kind) {
                    (ICMP, 8) => 0,
                    (ICMP, 13) => 14,
                    (ICMPV6, 128) => 129,
                    _ => return None,
                };
                Some(Self::Icmp { protocol, kind, code })
            }
            Self::Other { protocol } => Some(Self::Other { protocol }),
        }
    }

    /// The protocol's number.
    #[must_use]
    pub fn protocol(self) -> u8 {
        match self {
            Self::Ports { protocol, .. }
            | Self::Icmp { protocol, .. }
            | Self::Other { protocol } => protocol,
        }
    }

    /// Its first and its last form as rules know them; they differ in the port at most.
    pub(crate) fn ends(self) -> (Packet, Packet) {
        match self {
            Self::Ports { protocol, destination, .. } => (
                Packet::Port { protocol, port: destination.first },
                Packet::Port { protocol, port: destination.last },
            ),
            Self::Icmp { protocol, kind, code } => {
                let packet = Packet::Icmp { protocol, kind, code };
                (packet, packet)
            }
            Self::Other { protocol } => (Packet::Other { protocol }, Packet::Other { protocol }),
        }
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ports { protocol, destination, .. } => {
                write!(f, "{} {destination}", Protocol::Number(*protocol))
            }
            Self::Icmp { .. } | Self::Other { .. } => self.ends().0.fmt(f),
        }
    }
}

/// A packet's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Header {
    /// Where from.
    pub source: IpAddr,
    /// Where to.
    pub destination: IpAddr,
    /// What it carries.
    pub payload: Payload,
}

impl Header {
    /// The header of what answers it.
    pub(crate) fn answer(self) -> Option<Self> {
        let payload = self.payload.answer()?;
        Some(Self { source: self.destination, destination: self.source, payload })
    }
}
