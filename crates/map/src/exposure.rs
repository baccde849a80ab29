//! What is open to the internet: asked of the network's model, not read off a rule.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use sagegate_network::security_group::{ICMP, ICMPV6, Packet, Peer, Protocol, Rule, TCP, UDP};
use sagegate_network::topology::{AclEntry, Destination, Interface, Target, Topology};
use sagegate_network::walk::{Question, Source, Walker};

/// Who stands for everybody: addresses that RFC 5737 and RFC 3849 keep for documentation.
const SOMEBODY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const SOMEBODY_6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1);

/// From which port a client asks.
const CLIENT_PORT: u16 = 40_000;
/// How many are named of what reaches an interface.
const NAMED: usize = 6;

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
    if addresses.is_empty() {
        return Vec::new();
    }
    let topology = walker.topology();
    let filters = Filters::of(topology, interface);
    let groups = interface.groups.iter();
    let groups = groups.filter_map(|id| topology.security_groups.get(id));
    let mut found: Vec<String> = Vec::new();
    for rule in groups.flat_map(|group| &group.ingress).map(|held| &held.rule) {
        let said = said(rule);
        if !found.contains(&said)
            && addresses.iter().any(|to| is_reached(walker, &filters, rule, *to))
        {
            found.push(said);
        }
    }
    if found.len() > NAMED {
        let more = found.len() - NAMED;
        found.truncate(NAMED);
        found.push(format!("{more} more"));
    }
    found
}

/// Where what decides about an interface, besides a rule, changes its mind.
struct Filters {
    /// The blocks of its network ACL and of its routes.
    blocks: Vec<IpNet>,
    /// The ports of entries for what enters, and for what leaves.
    entering: BTreeSet<u16>,
    leaving: BTreeSet<u16>,
}

impl Filters {
    fn of(topology: &Topology, interface: &Interface) -> Self {
        let subnet = topology.subnets.get(&interface.subnet);
        let acl = subnet.and_then(|it| topology.network_acls.get(&it.network_acl));
        let table = subnet.and_then(|it| topology.route_tables.get(&it.route_table));
        let (ingress, egress) =
            acl.map_or((&[][..], &[][..]), |it| (it.ingress.as_slice(), it.egress.as_slice()));
        let routed = table.into_iter().flat_map(|it| &it.routes);
        let routed = routed.flat_map(|route| match &route.destination {
            Destination::Block(block) => vec![*block],
            Destination::PrefixList(id) => {
                topology.prefix_lists.get(id).map(|it| it.blocks.clone()).unwrap_or_default()
            }
        });
        let ports = |entries: &[AclEntry]| {
            let ends = entries.iter().flat_map(|it| [it.from, it.to.saturating_add(1)]);
            ends.filter_map(|port| u16::try_from(port).ok()).collect()
        };
        Self {
            blocks: ingress.iter().chain(egress).map(|it| it.block).chain(routed).collect(),
            entering: ports(ingress),
            leaving: ports(egress),
        }
    }
}

/// Whether a packet that a rule is about gets to a public address and is answered. One is tried of each class
/// between which rule, network ACL and routes could tell.
fn is_reached(walker: &Walker, filters: &Filters, rule: &Rule, to: IpAddr) -> bool {
    let sources = sources(walker.topology(), filters, &rule.peer, to);
    let packets = packets(filters, rule);
    let clients: BTreeSet<u16> =
        filters.leaving.iter().copied().filter(|port| *port > 0).chain([CLIENT_PORT]).collect();
    // The usual port first: it mostly settles it.
    let clients: Vec<u16> = clients.into_iter().rev().collect();
    sources.iter().any(|source| {
        packets.iter().any(|packet| {
            clients.iter().any(|port| {
                let question = Question {
                    source: Source::Internet { address: *source },
                    destination: to,
                    packet: *packet,
                    source_port: *port,
                };
                walker.walk(&question).reached()
            })
        })
    })
}

/// Who tries: of the rule's blocks, an address of each part that another block makes.
fn sources(topology: &Topology, filters: &Filters, peer: &Peer, to: IpAddr) -> Vec<IpAddr> {
    let own = match peer {
        Peer::V4(block) => vec![IpNet::V4(*block)],
        Peer::V6(block) => vec![IpNet::V6(*block)],
        Peer::PrefixList(id) => {
            topology.prefix_lists.get(id).map(|it| it.blocks.clone()).unwrap_or_default()
        }
        // Members of VPCs, by their private addresses.
        Peer::Group(_) => Vec::new(),
    };
    let own: Vec<IpNet> =
        own.into_iter().filter(|it| it.addr().is_ipv4() == to.is_ipv4()).collect();
    let ends = filters.blocks.iter().chain(&own).flat_map(|it| [Some(it.network()), after(it)]);
    let somebody = [Some(IpAddr::V4(SOMEBODY)), Some(IpAddr::V6(SOMEBODY_6))];
    let mut all: Vec<IpAddr> = Vec::new();
    for address in somebody.into_iter().chain(ends).flatten() {
        if own.iter().any(|block| block.contains(&address)) && !all.contains(&address) {
            all.push(address);
        }
    }
    all
}

/// The address behind a block.
fn after(block: &IpNet) -> Option<IpAddr> {
    match block.broadcast() {
        IpAddr::V4(last) => u32::from(last).checked_add(1).map(|it| Ipv4Addr::from(it).into()),
        IpAddr::V6(last) => u128::from(last).checked_add(1).map(|it| Ipv6Addr::from(it).into()),
    }
}

/// Packets that a rule is about: of each part that a network ACL makes of its ports.
fn packets(filters: &Filters, rule: &Rule) -> Vec<Packet> {
    let (protocols, from, to) = match rule.protocol {
        Protocol::All => (vec![TCP, UDP], 0, i32::from(u16::MAX)),
        Protocol::Number(protocol @ (TCP | UDP)) => (vec![protocol], rule.from, rule.to),
        // A question, which is answered.
        Protocol::Number(ICMP) => return vec![Packet::Icmp { protocol: ICMP, kind: 8, code: 0 }],
        Protocol::Number(ICMPV6) => {
            return vec![Packet::Icmp { protocol: ICMPV6, kind: 128, code: 0 }];
        }
        Protocol::Number(protocol) => return vec![Packet::Other { protocol }],
    };
    let first = u16::try_from(from).ok();
    let ports = filters.entering.iter().copied().filter(|it| (from..=to).contains(&i32::from(*it)));
    let ports: BTreeSet<u16> = first.into_iter().chain(ports).collect();
    let of = |protocol| ports.iter().map(move |port| Packet::Port { protocol, port: *port });
    protocols.into_iter().flat_map(of).collect()
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

#[cfg(test)]
mod tests {
    use sagegate_network::sketch;

    use super::*;

    /// Rules of a range, where network ACLs leave a part of it, from a part of the internet.
    #[test]
    fn what_is_open_is_searched_for() {
        let open = |lines: &str| {
            let text = format!(
                "vpc vpc-a 10.0.0.0/16,2001:db8::/56 igw=igw-a
            rtb rtb-p vpc-a 0.0.0.0/0>igw-a ::/0>igw-a
            subnet subnet-p vpc-a 10.0.9.0/24,2001:db8::/64 rtb=rtb-p acl=acl-p az=us-west-2a
            eni eni-a subnet-p 10.0.9.4,2001:db8::4 public=203.0.113.4 sg=sg-a
            out acl-p 100 allow all 0.0.0.0/0
            out acl-p 101 allow all ::/0
            {lines}"
            );
            let topology = sketch::topology(&text).unwrap();
            Exposure::of(&topology, "vpc-a").at("eni-a").join("; ")
        };
        let all = "in sg-a tcp:0-65535 0.0.0.0/0";
        assert_eq!(open(all), "", "the network ACL lets nothing in");
        let some = format!(
            "{all}\nin acl-p 90 deny tcp:0-8079 0.0.0.0/0\nin acl-p 100 allow tcp:0-9000 0.0.0.0/0"
        );
        assert_eq!(open(&some), "tcp");
        let part = format!("{all}\nin acl-p 100 allow tcp:22 192.0.2.0/24");
        assert_eq!(open(&part), "tcp");
        let private = format!("{all}\nin acl-p 100 allow tcp:22 10.0.0.0/8");
        assert_eq!(open(&private), "");
        let six =
            "in sg-a tcp:20-25 ::/0\nin acl-p 100 deny tcp:20-21 ::/0\nin acl-p 101 allow all ::/0";
        assert_eq!(open(six), "tcp 20-25");
        let ping = "in sg-a icmp:8 0.0.0.0/0\nin acl-p 100 allow all 0.0.0.0/0";
        assert!(open(ping).starts_with("icmp"), "{}", open(ping));
    }
}
