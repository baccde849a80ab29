//! Security groups: what may leave one network interface and enter another.
//!
//! Rules: Amazon VPC User Guide, "Security groups". Groups only allow; all rules of all groups of
//! an interface count together; what is not allowed is dropped. They are stateful: the answer to
//! what was let through needs no rule, so that one direction decides.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

/// An IP protocol in a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// `-1`: every protocol.
    All,
    /// An IANA protocol number.
    Number(u8),
}

/// TCP.
pub const TCP: u8 = 6;
/// UDP.
pub const UDP: u8 = 17;
/// ICMP.
pub const ICMP: u8 = 1;
/// ICMP for IPv6.
pub const ICMPV6: u8 = 58;

impl Protocol {
    /// Reads `tcp`, `udp`, `icmp`, `icmpv6`, `-1`, `all` or a number from 0 to 255.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "-1" | "all" => Self::All,
            "tcp" => Self::Number(TCP),
            "udp" => Self::Number(UDP),
            "icmp" => Self::Number(ICMP),
            "icmpv6" => Self::Number(ICMPV6),
            number => Self::Number(number.parse().ok()?),
        })
    }

    /// Whether a rule of this protocol has a range of ports.
    #[must_use]
    pub fn has_ports(self) -> bool {
        matches!(self, Self::Number(TCP | UDP))
    }

    /// Whether a rule of this protocol has a type and a code.
    #[must_use]
    pub fn has_types(self) -> bool {
        matches!(self, Self::Number(ICMP | ICMPV6))
    }
}

/// As EC2 writes it: the name where it knows one.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("-1"),
            Self::Number(TCP) => f.write_str("tcp"),
            Self::Number(UDP) => f.write_str("udp"),
            Self::Number(ICMP) => f.write_str("icmp"),
            Self::Number(ICMPV6) => f.write_str("icmpv6"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// Who is on the other side of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Peer {
    /// An IPv4 block.
    V4(Ipv4Net),
    /// An IPv6 block.
    V6(Ipv6Net),
    /// The interfaces that hold a security group, by its id.
    Group(String),
    /// The blocks of a prefix list, by its id.
    PrefixList(String),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(net) => net.fmt(f),
            Self::V6(net) => net.fmt(f),
            Self::Group(id) | Self::PrefixList(id) => f.write_str(id),
        }
    }
}

/// What one rule allows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// The protocol.
    pub protocol: Protocol,
    /// The first port, or the ICMP type (-1: every type). Without meaning for other protocols.
    pub from: i32,
    /// The last port, or the ICMP code (-1: every code). Without meaning for other protocols.
    pub to: i32,
    /// The other side.
    pub peer: Peer,
}

/// What opens a connection or asks a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet {
    /// A protocol with ports, to this port.
    Port {
        /// The protocol's number.
        protocol: u8,
        /// The destination port.
        port: u16,
    },
    /// An ICMP or ICMPv6 message.
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

impl Packet {
    /// HTTPS: what interface endpoints serve.
    pub const HTTPS: Self = Self::Port { protocol: TCP, port: 443 };

    pub(crate) fn protocol(self) -> u8 {
        match self {
            Self::Port { protocol, .. }
            | Self::Icmp { protocol, .. }
            | Self::Other { protocol } => protocol,
        }
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Protocol::Number(self.protocol());
        match self {
            Self::Port { port, .. } => write!(f, "{name} port {port}"),
            Self::Icmp { kind, code, .. } => write!(f, "{name} type {kind} code {code}"),
            Self::Other { .. } => write!(f, "protocol {name}"),
        }
    }
}

/// A security group with the rules that count for the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `sg-…`.
    pub id: String,
    /// What may enter.
    pub ingress: Vec<Rule>,
    /// What may leave.
    pub egress: Vec<Rule>,
}

/// A network interface as security groups see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its private address.
    pub address: IpAddr,
    /// Its groups.
    pub groups: Vec<Group>,
}

/// Why a packet does not arrive. The text names the side, the groups and what was missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No rule lets it leave the client.
    #[error(
        "no outbound rule of the client's security groups ({groups}) allows {packet} to {address}"
    )]
    ClientEgress {
        /// The client's groups.
        groups: String,
        /// What was to be sent.
        packet: Packet,
        /// Where to.
        address: IpAddr,
    },
    /// No rule lets it enter the endpoint.
    #[error(
        "no inbound rule of the endpoint's security groups ({groups}) allows {packet} from {address}"
    )]
    EndpointIngress {
        /// The endpoint's groups.
        groups: String,
        /// What was to be received.
        packet: Packet,
        /// Where from.
        address: IpAddr,
    },
}

impl Refusal {
    /// The explanation code of VPC Reachability Analyzer.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "ENI_SG_RULES_MISMATCH"
    }
}

/// Whether `packet` gets from `client` to `endpoint`: it must be let out there and in here.
///
/// `prefix_list` gives the blocks of a prefix list; of one that does not exist, none.
///
/// # Errors
/// [`Refusal`], which names the side that does not let it through.
pub fn admits(
    client: &Interface,
    endpoint: &Interface,
    packet: Packet,
    prefix_list: &dyn Fn(&str) -> Vec<IpNet>,
) -> Result<(), Refusal> {
    let allows = |rules: &[Rule], peer: &Interface| {
        rules.iter().any(|rule| rule.allows(peer, packet, prefix_list))
    };
    if !client.groups.iter().any(|group| allows(&group.egress, endpoint)) {
        let (groups, address) = (client.group_names(), endpoint.address);
        return Err(Refusal::ClientEgress { groups, packet, address });
    }
    if !endpoint.groups.iter().any(|group| allows(&group.ingress, client)) {
        let (groups, address) = (endpoint.group_names(), client.address);
        return Err(Refusal::EndpointIngress { groups, packet, address });
    }
    Ok(())
}

impl Interface {
    fn group_names(&self) -> String {
        let names: Vec<&str> = self.groups.iter().map(|group| group.id.as_str()).collect();
        names.join(", ")
    }
}

impl Rule {
    /// Whether the rule allows this packet from or to this peer.
    #[must_use]
    pub fn allows(
        &self,
        peer: &Interface,
        packet: Packet,
        prefix_list: &dyn Fn(&str) -> Vec<IpNet>,
    ) -> bool {
        self.covers(packet) && self.is_with(peer, prefix_list)
    }

    pub(crate) fn covers(&self, packet: Packet) -> bool {
        covers(self.protocol, self.from, self.to, packet)
    }

    fn is_with(&self, peer: &Interface, prefix_list: &dyn Fn(&str) -> Vec<IpNet>) -> bool {
        match (&self.peer, peer.address) {
            (Peer::V4(net), IpAddr::V4(address)) => net.contains(&address),
            (Peer::V6(net), IpAddr::V6(address)) => net.contains(&address),
            (Peer::V4(_) | Peer::V6(_), _) => false,
            (Peer::Group(id), _) => peer.groups.iter().any(|group| group.id == *id),
            (Peer::PrefixList(id), address) => {
                prefix_list(id).iter().any(|net| net.contains(&address))
            }
        }
    }
}

/// Whether a rule of this protocol, from these ports or this type to these ports or this code, is
/// about the packet.
pub(crate) fn covers(protocol: Protocol, from: i32, to: i32, packet: Packet) -> bool {
    let Protocol::Number(number) = protocol else { return true };
    if number != packet.protocol() {
        return false;
    }
    match packet {
        Packet::Port { port, .. } => (from..=to).contains(&i32::from(port)),
        Packet::Icmp { kind, code, .. } => {
            (from == -1 || from == i32::from(kind)) && (to == -1 || to == i32::from(code))
        }
        Packet::Other { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use proptest::prelude::*;

    fn rule(protocol: &str, from: i32, to: i32, peer: Peer) -> Rule {
        Rule { protocol: Protocol::parse(protocol).unwrap(), from, to, peer }
    }

    fn v4(text: &str) -> Peer {
        Peer::V4(text.parse().unwrap())
    }

    fn everything() -> Rule {
        rule("-1", -1, -1, v4("0.0.0.0/0"))
    }

    fn group(id: &str, ingress: Vec<Rule>, egress: Vec<Rule>) -> Group {
        Group { id: id.into(), ingress, egress }
    }

    fn interface(address: &str, groups: Vec<Group>) -> Interface {
        Interface { address: address.parse().unwrap(), groups }
    }

    fn ask(client: &Interface, endpoint: &Interface) -> Result<(), String> {
        admits(client, endpoint, Packet::HTTPS, &|_| Vec::new()).map_err(|error| error.to_string())
    }

    #[test]
    fn both_sides_must_let_it_through() {
        let default = group("sg-default", vec![], vec![everything()]);
        let client = interface("10.0.0.250", vec![default]);
        let closed = interface("10.0.0.4", vec![group("sg-endpoint", vec![], vec![])]);
        expect![[r#"
            Err(
                "no inbound rule of the endpoint's security groups (sg-endpoint) allows tcp port 443 from 10.0.0.250",
            )
        "#]]
        .assert_debug_eq(&ask(&client, &closed));

        let https = rule("tcp", 443, 443, Peer::Group("sg-default".into()));
        let open = interface("10.0.0.4", vec![group("sg-endpoint", vec![https], vec![])]);
        assert_eq!(ask(&client, &open), Ok(()));

        let mute = interface("10.0.0.250", vec![group("sg-default", vec![], vec![])]);
        expect![[r#"
            Err(
                "no outbound rule of the client's security groups (sg-default) allows tcp port 443 to 10.0.0.4",
            )
        "#]]
        .assert_debug_eq(&ask(&mute, &open));
    }

    #[test]
    fn protocols_are_read_as_ec2_writes_them() {
        for (text, written) in [
            ("TCP", "tcp"),
            ("6", "tcp"),
            ("17", "udp"),
            ("all", "-1"),
            ("58", "icmpv6"),
            ("47", "47"),
        ] {
            assert_eq!(Protocol::parse(text).unwrap().to_string(), written);
        }
        for wrong in ["", "256", "-2", "tcpx", "1.5"] {
            assert_eq!(Protocol::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn icmp_has_types_and_codes() {
        let echo = Packet::Icmp { protocol: ICMP, kind: 8, code: 0 };
        let from = interface("10.0.0.1", vec![]);
        let lists = |_: &str| Vec::new();
        assert!(rule("icmp", -1, -1, v4("10.0.0.0/8")).allows(&from, echo, &lists));
        assert!(rule("icmp", 8, -1, v4("10.0.0.0/8")).allows(&from, echo, &lists));
        assert!(!rule("icmp", 0, -1, v4("10.0.0.0/8")).allows(&from, echo, &lists));
        assert!(!rule("icmp", 8, 1, v4("10.0.0.0/8")).allows(&from, echo, &lists));
    }

    /// A second evaluator, from the documentation's words: list everything that a group allows,
    /// one line for each peer, protocol and port, then look whether the packet is in the list.
    fn listed(
        rules: &[Rule],
        peer: &Interface,
        port: u16,
        lists: &dyn Fn(&str) -> Vec<IpNet>,
    ) -> bool {
        let IpAddr::V4(address) = peer.address else { return false };
        let mut allowed = std::collections::BTreeSet::new();
        for rule in rules {
            let addresses: Vec<u8> = (0..=255_u8)
                .filter(|last| {
                    let candidate = IpAddr::from([10, 0, 0, *last]);
                    match &rule.peer {
                        Peer::V4(net) => IpNet::V4(*net).contains(&candidate),
                        Peer::V6(_) => false,
                        Peer::Group(id) => {
                            candidate == peer.address && peer.groups.iter().any(|g| g.id == *id)
                        }
                        Peer::PrefixList(id) => {
                            lists(id).iter().any(|net| net.contains(&candidate))
                        }
                    }
                })
                .collect();
            let protocols: Vec<u8> = match rule.protocol {
                Protocol::All => vec![TCP, UDP],
                Protocol::Number(number) => vec![number],
            };
            for protocol in protocols {
                let (from, to) =
                    if rule.protocol == Protocol::All { (0, 65_535) } else { (rule.from, rule.to) };
                for port in from.max(440)..=to.min(446) {
                    allowed.extend(addresses.iter().map(|address| (*address, protocol, port)));
                }
            }
        }
        allowed.contains(&(address.octets()[3], TCP, i32::from(port)))
    }

    fn any_rule() -> impl Strategy<Value = Rule> {
        let peer = prop_oneof![
            (any::<u8>(), 24_u8..=32).prop_map(|(last, length)| {
                Peer::V4(Ipv4Net::new([10, 0, 0, last].into(), length).unwrap().trunc())
            }),
            Just(v4("0.0.0.0/0")),
            Just(Peer::V6("::/0".parse().unwrap())),
            "sg-[ab]".prop_map(Peer::Group),
            "pl-[ab]".prop_map(Peer::PrefixList),
        ];
        let ports = prop_oneof![
            Just(("-1", -1, -1)),
            (440_i32..446, 0_i32..4).prop_map(|(from, more)| ("tcp", from, from + more)),
            Just(("udp", 0, 65_535)),
            Just(("tcp", 0, 65_535)),
        ];
        (ports, peer).prop_map(|((protocol, from, to), peer)| rule(protocol, from, to, peer))
    }

    fn any_interface() -> impl Strategy<Value = Interface> {
        let rules = || proptest::collection::vec(any_rule(), 0..3);
        let group = ("sg-[ab]", rules(), rules()).prop_map(|(id, ingress, egress)| Group {
            id,
            ingress,
            egress,
        });
        (any::<u8>(), proptest::collection::vec(group, 0..3)).prop_map(|(last, groups)| Interface {
            address: IpAddr::from([10, 0, 0, last]),
            groups,
        })
    }

    proptest! {
        #[test]
        fn admits_what_the_lists_of_both_sides_hold(
            client in any_interface(), endpoint in any_interface(), port in 440_u16..446,
        ) {
            let lists = |id: &str| -> Vec<IpNet> {
                if id == "pl-a" { vec!["10.0.0.128/25".parse().unwrap()] } else { Vec::new() }
            };
            let out = client.groups.iter().any(|g| listed(&g.egress, &endpoint, port, &lists));
            let into = endpoint.groups.iter().any(|g| listed(&g.ingress, &client, port, &lists));
            let packet = Packet::Port { protocol: TCP, port };
            let verdict = admits(&client, &endpoint, packet, &lists);
            prop_assert_eq!(verdict.is_ok(), out && into);
            if let Err(refusal) = verdict {
                prop_assert_eq!(matches!(refusal, Refusal::ClientEgress { .. }), !out);
            }
        }
    }
}
