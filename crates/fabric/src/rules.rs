//! Security groups and network ACLs as nftables rules.
//!
//! The order of a packet through a router: it has its interface's own source address, or it is
//! dropped; network ACLs are asked where it leaves a subnet and where it enters another, for every
//! packet, since they know no connections; then the answers of connections pass; then the security
//! groups of both sides are asked.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use sagegate_network::security_group::{ICMP, ICMPV6, Peer, Protocol, Rule, TCP, UDP};
use sagegate_network::topology::{AclEntry, Topology};

use crate::state::{Chain, Filter, Set};

/// The link of a router's egress-only internet gateway.
pub(crate) const EGRESS_ONLY: &str = "eigw";

/// One side of a rule.
#[derive(Clone, Copy)]
enum Side {
    Source,
    Destination,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Source => "saddr",
            Self::Destination => "daddr",
        }
    }
}

fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "ip" } else { "ip6" }
}

/// A set or map without elements.
pub(crate) fn set(definition: &str, map: bool) -> Set {
    Set { definition: definition.to_owned(), map, ..Set::default() }
}

/// What every router's filter has, before anything is plugged in.
pub(crate) fn base() -> Filter {
    let mut filter = Filter::default();
    let sets = [
        ("links", "type ifname;", false),
        ("unchecked", "type ifname;", false),
        ("own4", "type ifname . ipv4_addr;", false),
        ("own6", "type ifname . ipv6_addr;", false),
        ("endpoints", "type ifname;", false),
        ("gateways", "type ifname;", false),
        ("nats", "type ifname;", false),
        ("peerings", "type ifname;", false),
        ("with_public", "type ipv4_addr;", false),
        ("tables", "type ifname : mark;", true),
        ("acl_out", "type ifname : verdict;", true),
        ("acl_in", "type ifname : verdict;", true),
        ("group_out", "type ifname : verdict;", true),
        ("group_in", "type ifname : verdict;", true),
        ("to_public", "type ipv4_addr : ipv4_addr;", true),
        ("to_private", "type ipv4_addr : ipv4_addr;", true),
        ("asking", "type ifname; flags dynamic; timeout 5s;", false),
    ];
    for (name, definition, map) in sets {
        filter.sets.insert(name.to_owned(), set(definition, map));
    }
    let chains: [(&str, &str, &[&str]); 7] = [
        ("peered", "", &[]),
        (
            "tables_of",
            "type filter hook prerouting priority mangle; policy accept;",
            &["meta mark set iifname map @tables"],
        ),
        (
            "arriving",
            "type nat hook prerouting priority dstnat; policy accept;",
            &["iifname \"igw\" dnat ip to ip daddr map @to_private"],
        ),
        (
            "leaving",
            "type nat hook postrouting priority srcnat; policy accept;",
            &["oifname \"igw\" snat ip to ip saddr map @to_public"],
        ),
        // Amazon's resolver is no hop of a subnet: neither groups nor ACLs are asked for it. It takes
        // 1,024 packets a second from each interface (Amazon VPC User Guide, "DNS quotas"), also of
        // those that belong to a question of before.
        (
            "own",
            "type filter hook input priority filter; policy drop;",
            &[
                "iifname \"lo\" accept",
                "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
                "jump spoofed",
                "meta l4proto { tcp, udp } th dport 53 update @asking { iifname limit rate over 1024/second burst 64 packets } drop",
                "ct state established accept",
                "iifname @links meta l4proto { tcp, udp } th dport 53 accept",
            ],
        ),
        (
            "pass",
            "type filter hook forward priority filter; policy drop;",
            &[
                "jump spoofed",
                "oifname @links oifname != @unchecked meta nfproto ipv4 oifname . ip daddr != @own4 drop",
                "oifname @links oifname != @unchecked meta nfproto ipv6 oifname . ip6 daddr != @own6 drop",
                "jump peered",
                "iifname vmap @acl_out",
                "oifname vmap @acl_in",
                // Without a public address there is no way out by an internet gateway.
                "oifname \"igw\" meta nfproto ipv4 ip saddr != @with_public drop",
                // Nor do private (RFC 1918) and shared (RFC 6598) addresses exist out there.
                "oifname \"igw\" ip daddr { 10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16 } drop",
                "iifname \"igw\" ip saddr { 10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16 } drop",
                // Endpoints serve HTTPS; gateway endpoints TCP, and answer echoes.
                "oifname @endpoints tcp dport != 443 drop",
                "oifname @endpoints meta l4proto != tcp drop",
                "oifname @gateways meta l4proto != { tcp, icmp } drop",
                // A NAT gateway sends to no endpoint and over no peering (Amazon VPC User Guide, "NAT
                // gateway basics").
                "iifname @nats oifname @gateways drop",
                "iifname @nats oifname @peerings drop",
                // Nobody from outside begins a connection by an egress-only gateway.
                "oifname \"eigw\" ct direction reply drop",
                "ct state invalid drop",
                "ct state established,related accept",
                "iifname vmap @group_out",
                "oifname vmap @group_in",
                "accept",
            ],
        ),
        (
            "spoofed",
            "",
            &[
                "iifname @unchecked meta nfproto ipv4 iifname . ip saddr != @own4 meta mark set mark or 0x80000000",
                "iifname @unchecked meta nfproto ipv6 iifname . ip6 saddr != @own6 meta mark set mark or 0x80000000",
                "iifname @unchecked return",
                "iifname @links meta nfproto ipv4 iifname . ip saddr != @own4 drop",
                "iifname @links meta nfproto ipv6 iifname . ip6 saddr != @own6 drop",
            ],
        ),
    ];
    for (name, hook, rules) in chains {
        let rules = rules.iter().map(|rule| (*rule).to_owned()).collect();
        filter.chains.insert(name.to_owned(), Chain { hook: hook.to_owned(), rules });
    }
    filter
}

/// What keeps a peering to the two VPCs: what goes over it goes from an address of the one to an address
/// of the other (VPC Peering Guide, "VPC peering limitations").
pub(crate) fn peering(link: &str, own: &[IpNet], other: &[IpNet]) -> Vec<String> {
    let mut rules = Vec::new();
    for four in [true, false] {
        let list = |blocks: &[IpNet]| {
            let blocks = blocks.iter().filter(|it| it.addr().is_ipv4() == four);
            blocks.map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let (own, other) = (list(own), list(other));
        let (family, proto) = if four { ("ip", "ipv4") } else { ("ip6", "ipv6") };
        if own.is_empty() || other.is_empty() {
            rules.push(format!("oifname \"{link}\" meta nfproto {proto} drop"));
            rules.push(format!("iifname \"{link}\" meta nfproto {proto} drop"));
            continue;
        }
        for (way, from, to) in [("oifname", &own, &other), ("iifname", &other, &own)] {
            rules.push(format!("{way} \"{link}\" {family} saddr != {{ {from} }} drop"));
            rules.push(format!("{way} \"{link}\" {family} daddr != {{ {to} }} drop"));
        }
    }
    rules
}

/// An id as a part of a name: ids have a dash, and names do not.
pub(crate) fn word(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// The rules of one direction of a set of security groups: what one of them allows goes on to the
/// next question, and all else is dropped. `named` collects the groups and prefix lists that the
/// rules refer to.
pub(crate) fn groups<'a>(
    rules: impl Iterator<Item = &'a Rule>,
    egress: bool,
    named: &mut BTreeSet<Peer>,
) -> Chain {
    let side = if egress { Side::Destination } else { Side::Source };
    let mut lines = Vec::new();
    for rule in rules {
        let peers = match &rule.peer {
            Peer::V4(net) => vec![format!("ip {} {net}", side.name())],
            Peer::V6(net) => vec![format!("ip6 {} {net}", side.name())],
            Peer::Group(id) | Peer::PrefixList(id) => {
                named.insert(rule.peer.clone());
                let (side, id) = (side.name(), word(id));
                // Of what an appliance passes on, nobody can tell the group (Amazon VPC User Guide,
                // "Security group rules").
                let own = match (&rule.peer, egress) {
                    (Peer::Group(_), false) => "meta mark & 0x80000000 == 0 ",
                    _ => "",
                };
                vec![format!("{own}ip {side} @m4_{id}"), format!("{own}ip6 {side} @m6_{id}")]
            }
        };
        for peer in peers {
            for what in packets(rule.protocol, rule.from, rule.to) {
                lines.push(format!("{peer} {what}return"));
            }
        }
    }
    lines.sort();
    lines.dedup();
    lines.push("drop".to_owned());
    Chain { hook: String::new(), rules: lines }
}

/// The entries of one direction of a network ACL, for the subnet whose links are in the set
/// `siblings`: what stays in the subnet does not meet it.
pub(crate) fn acl(entries: &[AclEntry], egress: bool, siblings: &str) -> Chain {
    let (side, other) =
        if egress { (Side::Destination, "oifname") } else { (Side::Source, "iifname") };
    let mut lines = vec![format!("{other} @{siblings} return")];
    let mut entries: Vec<&AclEntry> = entries.iter().collect();
    entries.sort_by_key(|entry| entry.number);
    for entry in entries {
        let verdict = if entry.allow { "return" } else { "drop" };
        let address = entry.block.addr();
        let peer = if entry.block.prefix_len() == 0 {
            format!("meta nfproto {}", if address.is_ipv4() { "ipv4" } else { "ipv6" })
        } else {
            format!("{} {} {}", family(address), side.name(), entry.block)
        };
        for what in packets(entry.protocol, entry.from, entry.to) {
            lines.push(format!("{peer} {what}{verdict}"));
        }
    }
    lines.push("drop".to_owned());
    Chain { hook: String::new(), rules: lines }
}

/// Matches for a protocol with its ports or types, each with a space behind it unless it is empty.
fn packets(protocol: Protocol, from: i32, to: i32) -> Vec<String> {
    match protocol {
        Protocol::All => vec![String::new()],
        Protocol::Number(number @ (TCP | UDP)) => {
            let name = if number == TCP { "tcp" } else { "udp" };
            if (from, to) == (0, 65_535) || from < 0 {
                vec![format!("meta l4proto {name} ")]
            } else if from == to {
                vec![format!("{name} dport {from} ")]
            } else {
                vec![format!("{name} dport {from}-{to} ")]
            }
        }
        Protocol::Number(number @ (ICMP | ICMPV6)) => {
            let name = if number == ICMP { "icmp" } else { "icmpv6" };
            match (from, to) {
                (kind, _) if kind < 0 => vec![format!("meta l4proto {number} ")],
                (kind, code) if code < 0 => vec![format!("{name} type {kind} ")],
                (kind, code) => vec![format!("{name} type {kind} {name} code {code} ")],
            }
        }
        Protocol::Number(number) => vec![format!("meta l4proto {number} ")],
    }
}

/// The two sets of the addresses that a rule's other side has.
pub(crate) fn members(peer: &Peer, addresses: &[IpNet]) -> [(String, Set); 2] {
    let (id, kind) = match peer {
        Peer::Group(id) => (id.as_str(), ""),
        Peer::PrefixList(id) => (id.as_str(), " flags interval;"),
        Peer::V4(_) | Peer::V6(_) => ("", ""),
    };
    let of = |four: bool| {
        let (name, kind_of) = if four { ("m4_", "ipv4_addr") } else { ("m6_", "ipv6_addr") };
        let mut set = set(&format!("type {kind_of};{kind}"), false);
        for net in addresses.iter().filter(|net| net.addr().is_ipv4() == four) {
            let single = net.prefix_len() == net.max_prefix_len();
            let text = if single { net.addr().to_string() } else { net.to_string() };
            set.elements.insert(text, String::new());
        }
        (format!("{name}{}", word(id)), set)
    };
    [of(true), of(false)]
}

/// The blocks of a prefix list, none inside another: nft refuses sets whose intervals overlap.
pub(crate) fn blocks(topology: &Topology, list: &str) -> Vec<IpNet> {
    let list = topology.prefix_lists.get(list);
    IpNet::aggregate(&list.map_or_else(Vec::new, |list| list.blocks.clone()))
}
