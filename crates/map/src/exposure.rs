//! What is open to the internet: asked of the network's model, not read off a rule.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sagegate_network::search::{End, Filter, Wanted, search};
use sagegate_network::security_group::{ICMP, ICMPV6, Packet, Peer, Protocol, Rule, TCP, UDP};
use sagegate_network::topology::{Interface, Target, Topology};
use sagegate_network::walk::{Ports, Question, Source, Walker};

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
        let gateway = topology.vpcs.get(vpc).and_then(|it| it.internet_gateway.as_deref());
        let mut interfaces = BTreeMap::new();
        for (id, interface) in topology.interfaces.iter().filter(|(_, it)| it.vpc == vpc) {
            let open = open(&walker, gateway, id, interface);
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
fn open(walker: &Walker, gateway: Option<&str>, id: &str, interface: &Interface) -> Vec<String> {
    let public = |v4: bool| {
        let own = interface.addresses.iter().filter(move |it| it.private.is_ipv4() == v4);
        own.filter_map(|it| match it.private {
            IpAddr::V4(_) => it.public.map(IpAddr::V4),
            IpAddr::V6(_) => Some(it.private),
        })
    };
    let groups = interface.groups.iter();
    let groups = groups.filter_map(|id| walker.topology().security_groups.get(id));
    let mut found: Vec<String> = Vec::new();
    let mut asked = BTreeSet::new();
    for rule in groups.flat_map(|group| &group.ingress).map(|held| &held.rule) {
        // Of a group only members of VPCs are let in, by their private addresses.
        if matches!(rule.peer, Peer::Group(_)) {
            continue;
        }
        let v4 = matches!(rule.peer, Peer::V4(_) | Peer::PrefixList(_));
        if !asked.insert((v4, rule.protocol, rule.from, rule.to, samples_from(rule))) {
            continue;
        }
        let said = said(rule);
        if found.contains(&said) {
            continue;
        }
        let reached = public(v4)
            .any(|to| by_port(walker, gateway, id, rule, to) || sampled(walker, rule, to));
        if reached {
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

/// The block from which a rule is tried, where it is not searched whole.
fn samples_from(rule: &Rule) -> Option<&Peer> {
    let ports = matches!(rule.protocol, Protocol::All | Protocol::Number(TCP | UDP));
    (!ports || matches!(rule.peer, Peer::V6(_))).then_some(&rule.peer)
}

/// Whether any TCP or UDP of IPv4 that the rule is about gets there, from wherever on the internet. What
/// could not be decided is taken for open.
fn by_port(walker: &Walker, gateway: Option<&str>, id: &str, rule: &Rule, to: IpAddr) -> bool {
    let (Some(gateway), IpAddr::V4(_)) = (gateway, to) else { return false };
    let (protocols, ports) = match rule.protocol {
        Protocol::All => (vec![TCP, UDP], Ports { first: 0, last: u16::MAX }),
        Protocol::Number(protocol @ (TCP | UDP)) => {
            let port = |number: i32| u16::try_from(number).ok();
            let (Some(first), Some(last)) = (port(rule.from), port(rule.to)) else { return true };
            (vec![protocol], Ports { first, last })
        }
        Protocol::Number(_) => return false,
    };
    protocols.into_iter().any(|protocol| {
        let at_source = Filter { destination_ports: Some(ports), ..Filter::default() };
        let found = search(
            walker,
            &Wanted {
                source: End::InternetGateway(gateway.to_owned()),
                destination: Some(End::Interface(id.to_owned())),
                protocol,
                at_source,
                at_destination: Filter::default(),
                through: Vec::new(),
                around: Vec::new(),
            },
        );
        found.found() || found.exhausted
    })
}

/// Whether a packet that stands for those of a rule gets there: of IPv6, whose ports are tried at both ends
/// and where network ACLs change their minds, and of protocols without ports.
fn sampled(walker: &Walker, rule: &Rule, to: IpAddr) -> bool {
    let Some(source) = sender(&rule.peer, to) else { return false };
    packets(walker.topology(), rule, to).into_iter().any(|packet| {
        let question = Question {
            source: Source::Internet { address: source },
            destination: to,
            packet,
            source_port: CLIENT_PORT,
        };
        walker.walk(&question).reached()
    })
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

/// Packets that a rule is about.
fn packets(topology: &Topology, rule: &Rule, to: IpAddr) -> Vec<Packet> {
    let (protocols, from, last) = match rule.protocol {
        Protocol::All => (vec![TCP, UDP], 0, i32::from(u16::MAX)),
        Protocol::Number(protocol @ (TCP | UDP)) => (vec![protocol], rule.from, rule.to),
        Protocol::Number(ICMP) => return vec![Packet::Icmp { protocol: ICMP, kind: 8, code: 0 }],
        Protocol::Number(ICMPV6) => {
            return vec![Packet::Icmp { protocol: ICMPV6, kind: 128, code: 0 }];
        }
        Protocol::Number(protocol) => return vec![Packet::Other { protocol }],
    };
    if to.is_ipv4() {
        return Vec::new();
    }
    let entries = topology.network_acls.values().flat_map(|it| &it.ingress);
    let ends = entries.flat_map(|it| [it.from, it.to.saturating_add(1)]);
    let ports: BTreeSet<u16> = ends
        .chain([from, last])
        .filter(|port| (from..=last).contains(port))
        .filter_map(|port| u16::try_from(port).ok())
        .collect();
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
