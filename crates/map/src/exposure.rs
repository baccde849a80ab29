//! What is open to the internet: asked of the packet walk, not of a rule.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sagegate_network::security_group::{ICMP, ICMPV6, Packet, Peer, Protocol, Rule, TCP, UDP};
use sagegate_network::topology::{Interface, Target, Topology};
use sagegate_network::walk::{Question, Source, Walker};

/// Who stands for everybody: addresses that RFC 5737 and RFC 3849 keep for documentation.
const SOMEBODY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const SOMEBODY_6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1);

/// From which port a client asks.
const CLIENT_PORT: u16 = 40_000;
/// What a rule for every protocol is tried with: what AWS's services and most others answer.
const HTTPS: u16 = 443;
/// How many rules of an interface are tried.
const MOST: usize = 12;

/// What of a VPC somebody on the internet reaches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exposure {
    /// What reaches each interface, as a rule says it: `tcp 443`.
    interfaces: BTreeMap<String, Vec<String>>,
}

impl Exposure {
    pub(crate) fn of(topology: &Topology, vpc: &str) -> Self {
        let walker = Walker::new(topology.clone());
        let mut interfaces = BTreeMap::new();
        for (id, interface) in topology.interfaces.iter().filter(|(_, it)| it.vpc == vpc) {
            let open = open(&walker, interface);
            if !open.is_empty() {
                interfaces.insert(id.clone(), open);
            }
        }
        Self { interfaces }
    }

    /// What gets to an interface; nothing where it is not open.
    pub(crate) fn at(&self, interface: &str) -> &[String] {
        self.interfaces.get(interface).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.interfaces.len()
    }
}

/// The rules of an interface by which somebody does get to it, both ways.
fn open(walker: &Walker, interface: &Interface) -> Vec<String> {
    let addresses: Vec<IpAddr> = interface
        .addresses
        .iter()
        .filter_map(|it| match it.private {
            IpAddr::V4(_) => it.public.map(IpAddr::V4),
            IpAddr::V6(_) => Some(it.private),
        })
        .collect();
    let groups = interface.groups.iter();
    let rules = groups.filter_map(|id| walker.topology().security_groups.get(id));
    let mut found: Vec<String> = Vec::new();
    for held in rules.flat_map(|group| &group.ingress).take(MOST) {
        let said = said(&held.rule);
        for address in &addresses {
            let Some(source) = sender(&held.rule.peer, *address) else { continue };
            let Some(packet) = packet(&held.rule) else { continue };
            let question = Question {
                source: Source::Internet { address: source },
                destination: *address,
                packet,
                source_port: CLIENT_PORT,
            };
            if !found.contains(&said) && walker.walk(&question).reached() {
                found.push(said.clone());
            }
        }
    }
    found
}

/// Who tries: somebody in the rule's block.
fn sender(peer: &Peer, to: IpAddr) -> Option<IpAddr> {
    match (peer, to) {
        (Peer::V4(block), IpAddr::V4(_)) if block.contains(&SOMEBODY) => Some(SOMEBODY.into()),
        (Peer::V4(block), IpAddr::V4(_)) => block.hosts().next().map(IpAddr::V4),
        (Peer::V6(block), IpAddr::V6(_)) if block.contains(&SOMEBODY_6) => Some(SOMEBODY_6.into()),
        (Peer::V6(block), IpAddr::V6(_)) => block.hosts().next().map(IpAddr::V6),
        _ => None,
    }
}

/// A packet that a rule is about.
fn packet(rule: &Rule) -> Option<Packet> {
    let small = |number: i32| u8::try_from(number.max(0)).ok();
    Some(match rule.protocol {
        Protocol::All => Packet::Port { protocol: TCP, port: HTTPS },
        Protocol::Number(protocol @ (TCP | UDP)) => {
            Packet::Port { protocol, port: u16::try_from(rule.from).ok()? }
        }
        Protocol::Number(ICMP) => Packet::Icmp { protocol: ICMP, kind: 8, code: 0 },
        Protocol::Number(ICMPV6) => Packet::Icmp { protocol: ICMPV6, kind: 128, code: 0 },
        Protocol::Number(protocol) => Packet::Other { protocol: small(i32::from(protocol))? },
    })
}

/// What a rule is about, in short: `tcp 443`, `tcp 8000-8100`, `all`.
pub(crate) fn said(rule: &Rule) -> String {
    ports(rule.protocol, rule.from, rule.to)
}

/// Likewise, of a network ACL's entry as well.
pub(crate) fn ports(protocol: Protocol, from: i32, to: i32) -> String {
    match protocol {
        Protocol::All => "all".to_owned(),
        it if it.has_ports() && (from, to) == (0, 65_535) => it.to_string(),
        it if it.has_ports() && from == to => format!("{it} {from}"),
        it if it.has_ports() => format!("{it} {from}-{to}"),
        it if it.has_types() && from >= 0 => format!("{it} type {from}"),
        it => it.to_string(),
    }
}

/// Whether a rule lets in everybody on the internet.
pub(crate) fn everybody(peer: &Peer) -> bool {
    match peer {
        Peer::V4(block) => block.prefix_len() == 0,
        Peer::V6(block) => block.prefix_len() == 0,
        Peer::Group(_) | Peer::PrefixList(_) => false,
    }
}

/// Whether a subnet is a public one: its table has a route to an internet gateway (Amazon VPC User
/// Guide, "Subnet types").
pub(crate) fn is_public(topology: &Topology, subnet: &str) -> bool {
    let table =
        topology.subnets.get(subnet).and_then(|it| topology.route_tables.get(&it.route_table));
    table.is_some_and(|table| {
        table.routes.iter().any(|route| matches!(route.target, Target::InternetGateway(_)))
    })
}
