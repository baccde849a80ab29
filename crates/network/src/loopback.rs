//! Which socket of this machine stands for a loopback address of the state.

use std::net::{Ipv4Addr, SocketAddr};

/// From which address of this machine code in spaces comes to the public listener: it is none of the
/// operator's own programs.
pub const SPACES: Ipv4Addr = Ipv4Addr::new(127, 69, 0, 1);

/// Where the addresses of endpoints and doors are listened on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// The port of the public listener.
    pub port: u16,
    /// Whether the whole of 127.0.0.0/8 is this machine's, as on Linux. Elsewhere there is 127.0.0.1
    /// alone.
    pub range: bool,
}

impl Places {
    /// The address itself at the public port; where only 127.0.0.1 exists, a port of that which
    /// follows from the address, so that it stays the same over restarts.
    #[must_use]
    pub fn socket(self, address: Ipv4Addr) -> SocketAddr {
        if self.range {
            return SocketAddr::from((address, self.port));
        }
        // Ports 16384 to 49151: above the usual services, and below IANA's range for outgoing connections
        // (RFC 6335, section 6), which macOS keeps to. Where a system gives out lower ones, one of them
        // can be in use when it is to be bound: that is told as any address that is taken, and tried again.
        let [_, second, third, fourth] = address.octets();
        // Endpoints, doors and apps have neighbouring networks, told apart by the last two bits of
        // their number.
        let low = u16::from_be_bytes([third, fourth]) % 8_192;
        let port = 16_384 + 8_192 * u16::from(second % 4) + low;
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_range_each_address_has_a_port() {
        let there = Places { port: 4566, range: true };
        let address = Ipv4Addr::new(127, 65, 3, 4);
        assert_eq!(there.socket(address).to_string(), "127.65.3.4:4566");
        let places = Places { range: false, ..there };
        let mut ports = std::collections::HashSet::new();
        for network in [65, 66, 67] {
            for third in 0..20 {
                for fourth in 1..255 {
                    let socket = places.socket(Ipv4Addr::new(127, network, third, fourth));
                    assert!(socket.ip() == Ipv4Addr::LOCALHOST && socket.port() >= 16_384);
                    ports.insert(socket.port());
                }
            }
        }
        assert_eq!(ports.len(), 3 * 20 * 254);
    }
}
