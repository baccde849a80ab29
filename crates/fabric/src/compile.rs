//! From the networks of a region to what the kernel is to have of them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};
use sagegate_network::security_group::Peer;
use sagegate_network::topology::{
    Destination, EndpointKind, Interface, Role, RouteTable, Subnet, Target, Topology,
};

use crate::rules;
use crate::state::{Chain, Filter, Gateway, Hop, PeeringLink, Port, PortKind, Router, State};

/// The resolver's second address (Amazon VPC User Guide, "Amazon DNS server").
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 253);
/// The same for IPv6.
pub const RESOLVER_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253);

/// The numbers that objects have got, once and for all: links and chains are named by them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    known: BTreeMap<String, u32>,
}

impl Numbers {
    /// The number of what is called so.
    pub fn of(&mut self, name: &str) -> u32 {
        if let Some(number) = self.known.get(name) {
            return *number;
        }
        let number = u32::try_from(self.known.len()).unwrap_or(u32::MAX) + 1;
        self.known.insert(name.to_owned(), number);
        number
    }
}

/// The VPCs with somebody in them, and those that they are peered with: their endpoints answer whom a
/// peering connection brings.
#[must_use]
pub fn live<'a>(topology: &'a Topology, plugged: &BTreeSet<String>) -> BTreeSet<&'a str> {
    let own = plugged.iter().filter_map(|id| topology.interfaces.get(id));
    let own: BTreeSet<&str> = own.map(|interface| interface.vpc.as_str()).collect();
    let mut live = own.clone();
    for peering in topology.peerings.values().filter(|peering| peering.active) {
        let ends = [peering.requester.as_str(), peering.accepter.as_str()];
        if ends.iter().any(|vpc| own.contains(vpc)) {
            live.extend(ends.into_iter().filter(|vpc| topology.vpcs.contains_key(*vpc)));
        }
    }
    live
}

/// What the kernel is to have when these interfaces have somebody behind them. Endpoints and NAT
/// gateways of a VPC are there as soon as anybody is who could come to them.
pub fn compile(topology: &Topology, plugged: &BTreeSet<String>, numbers: &mut Numbers) -> State {
    let mut state = State::default();
    let live = live(topology, plugged);
    for (id, interface) in &topology.interfaces {
        if live.contains(interface.vpc.as_str())
            && let Some(port) = port(topology, id, interface, plugged, numbers)
        {
            state.ports.insert(id.clone(), port);
        }
    }
    for (id, endpoint) in &topology.endpoints {
        if let EndpointKind::Gateway { prefix_list } = &endpoint.kind
            && live.contains(endpoint.vpc.as_str())
            && endpoint.available
        {
            let link = format!("g{}", numbers.of(id));
            let blocks = rules::blocks(topology, prefix_list).into_iter().collect();
            state.gateways.insert(id.clone(), Gateway { vpc: endpoint.vpc.clone(), link, blocks });
        }
    }
    for (id, peering) in &topology.peerings {
        let ends = [peering.requester.as_str(), peering.accepter.as_str()];
        if peering.active && ends.iter().all(|vpc| live.contains(vpc)) {
            let link = format!("p{}", numbers.of(id));
            let vpcs = (peering.requester.clone(), peering.accepter.clone());
            state.peerings.insert(id.clone(), PeeringLink { link, vpcs });
        }
    }
    for vpc in live {
        let one = One { topology, state: &state, vpc };
        let router = one.router(numbers);
        let number = router.number;
        let public = one.public();
        state.routers.insert(vpc.to_owned(), router);
        state.public.extend(public.into_iter().map(|block| (block, number)));
    }
    state
}

/// What is plugged in for an interface, if anything is.
pub(crate) fn port(
    topology: &Topology,
    id: &str,
    interface: &Interface,
    plugged: &BTreeSet<String>,
    numbers: &mut Numbers,
) -> Option<Port> {
    let subnet = topology.subnets.get(&interface.subnet)?;
    let kind = match &interface.role {
        Role::Host | Role::Service => plugged.contains(id).then_some(PortKind::Host)?,
        Role::Endpoint(endpoint) => {
            topology.endpoints.get(endpoint).filter(|endpoint| endpoint.available)?;
            PortKind::Endpoint
        }
        Role::NatGateway(nat) => {
            let vpc = topology.vpcs.get(&interface.vpc)?;
            topology.nat_gateways.get(nat).filter(|nat| nat.available)?;
            PortKind::Nat(vpc.blocks.clone())
        }
    };
    let block_of = |address: IpAddr| subnet.blocks.iter().find(|net| net.contains(&address));
    let addresses: Vec<(IpAddr, IpNet)> = interface
        .addresses
        .iter()
        .filter_map(|it| Some((it.private, *block_of(it.private)?)))
        .collect();
    let number = numbers.of(id);
    let [_, b, c, d] = number.to_be_bytes();
    // Locally administered, as EC2's are: 02 and 06.
    let mac = [0x02, 0x5a, 0x67, b, c, d];
    Some(Port { vpc: interface.vpc.clone(), link: format!("e{number}"), addresses, mac, kind })
}

/// One VPC.
struct One<'a> {
    topology: &'a Topology,
    state: &'a State,
    vpc: &'a str,
}

impl One<'_> {
    fn ports(&self) -> impl Iterator<Item = (&str, &Port, &Interface, &Subnet)> {
        self.state.ports.iter().filter(|(_, port)| port.vpc == self.vpc).filter_map(|(id, port)| {
            let interface = self.topology.interfaces.get(id)?;
            let subnet = self.topology.subnets.get(&interface.subnet)?;
            Some((id.as_str(), port, interface, subnet))
        })
    }

    fn router(&self, numbers: &mut Numbers) -> Router {
        let mut addresses = BTreeSet::new();
        let mut tables = BTreeMap::new();
        for subnet in self.topology.subnets.values().filter(|subnet| subnet.vpc == self.vpc) {
            addresses.extend(subnet.blocks.iter().filter_map(|block| gateway_of(*block)));
            if let Some(table) = self.topology.route_tables.get(&subnet.route_table) {
                let number = table_number(&subnet.route_table, numbers);
                tables.entry(number).or_insert_with(|| self.table(table));
            }
        }
        if let Some(vpc) = self.topology.vpcs.get(self.vpc)
            && vpc.dns_support
        {
            addresses.insert(RESOLVER.into());
            addresses.insert(RESOLVER_V6.into());
            addresses.extend(vpc.blocks.iter().find_map(|block| resolver_of(*block)));
        }
        let number = numbers.of(self.vpc);
        Router { number, addresses, tables, filter: self.filter(numbers) }
    }

    /// A route table with all its destinations spelled out. Of several routes to one block, one of
    /// the table itself stands before those of a prefix list, and of those the one of the list with
    /// the smallest id, as the packet walk has it.
    fn table(&self, table: &RouteTable) -> BTreeMap<IpNet, Hop> {
        let mut hops = BTreeMap::new();
        let by_list = table.routes.iter().filter_map(|route| match &route.destination {
            Destination::PrefixList(list) => Some((list, &route.target)),
            Destination::Block(_) => None,
        });
        let mut by_list: Vec<(&String, &Target)> = by_list.collect();
        by_list.sort_by_key(|(list, _)| *list);
        for (list, target) in by_list {
            // Each block by itself: how long it is decides between it and other routes.
            for block in self.topology.prefix_lists.get(list).into_iter().flat_map(|it| &it.blocks)
            {
                hops.entry(block.trunc()).or_insert_with(|| match self.is_inside(*block) {
                    // A list leads nowhere within the VPC.
                    true => Hop::Blackhole,
                    false => self.hop(target),
                });
            }
        }
        for route in &table.routes {
            if let Destination::Block(block) = &route.destination {
                let hop = match self.is_inside(*block) {
                    // Within the VPC a route leads elsewhere for whole subnets alone.
                    true if route.target != Target::Local && !self.is_of_subnet(*block) => {
                        Hop::Blackhole
                    }
                    // A gateway endpoint carries what is for its prefix list alone.
                    _ if matches!(route.target, Target::GatewayEndpoint(_)) => Hop::Blackhole,
                    _ => self.hop(&route.target),
                };
                hops.insert(*block, hop);
            }
        }
        hops
    }

    fn is_inside(&self, block: IpNet) -> bool {
        let vpc = self.topology.vpcs.get(self.vpc);
        vpc.is_some_and(|vpc| vpc.blocks.iter().any(|own| own.contains(&block) && *own != block))
    }

    fn is_of_subnet(&self, block: IpNet) -> bool {
        let mut subnets = self.topology.subnets.values().filter(|subnet| subnet.vpc == self.vpc);
        subnets.any(|subnet| subnet.blocks.contains(&block))
    }

    fn hop(&self, target: &Target) -> Hop {
        let vpc = self.topology.vpcs.get(self.vpc);
        match target {
            Target::Local => Hop::Local,
            Target::InternetGateway(id) => {
                match vpc.is_some_and(|vpc| vpc.internet_gateway.as_ref() == Some(id)) {
                    true => Hop::Internet,
                    false => Hop::Blackhole,
                }
            }
            Target::EgressOnlyInternetGateway(id) => {
                match vpc.is_some_and(|vpc| vpc.egress_only_gateways.contains(id)) {
                    true => Hop::Link(rules::EGRESS_ONLY.to_owned()),
                    false => Hop::Blackhole,
                }
            }
            Target::NatGateway(id) => match self.topology.nat_gateways.get(id) {
                Some(nat) if nat.available => self.through(&nat.interface),
                _ => Hop::Blackhole,
            },
            Target::Interface(id) => self.through(id),
            Target::Peering(id) => match self.state.peerings.get(id) {
                Some(peering) => Hop::Link(peering.link.clone()),
                None => Hop::Blackhole,
            },
            Target::GatewayEndpoint(id) => match self.state.gateways.get(id) {
                Some(gateway) => Hop::Link(gateway.link.clone()),
                None => Hop::Blackhole,
            },
        }
    }

    fn through(&self, interface: &str) -> Hop {
        let port = self.state.ports.get(interface).filter(|port| port.vpc == self.vpc);
        match port.and_then(|port| Some((port, port.addresses.first()?))) {
            Some((port, (address, _))) => {
                Hop::Through { address: *address, link: port.link.clone() }
            }
            None => Hop::Blackhole,
        }
    }

    /// The public addresses that lead to this VPC. IPv6 blocks are public as they are.
    fn public(&self) -> Vec<IpNet> {
        let vpc = self.topology.vpcs.get(self.vpc);
        if vpc.is_none_or(|vpc| vpc.internet_gateway.is_none()) {
            return Vec::new();
        }
        let addresses = self.ports().flat_map(|(_, _, interface, _)| &interface.addresses);
        let four = addresses.filter_map(|it| it.public).map(|it| IpNet::V4(Ipv4Net::from(it)));
        let six = vpc.into_iter().flat_map(|vpc| &vpc.blocks).filter(|it| !it.addr().is_ipv4());
        four.chain(six.copied()).collect()
    }

    fn filter(&self, numbers: &mut Numbers) -> Filter {
        let mut filter = rules::base();
        let mut named = BTreeSet::new();
        for (_, port, interface, subnet) in self.ports() {
            let share = share(self.topology, port, interface, subnet, numbers);
            if let Some(number) = share.subnet {
                fence(&mut filter, self.topology, subnet, number);
            }
            if let Some((profile, groups)) = &share.profile {
                for (egress, direction) in DIRECTIONS {
                    let chain = || profile_chain(self.topology, groups, egress, &mut named);
                    let name = format!("group_{direction}_{profile}");
                    filter.chains.entry(name).or_insert_with(chain);
                }
            }
            for (set, key, value) in share.elements {
                element(&mut filter, &set, key, &value);
            }
        }
        for gateway in self.state.gateways.values().filter(|it| it.vpc == self.vpc) {
            put(&mut filter, "gateways", &gateway.link, "");
        }
        for peering in self.state.peerings.values() {
            let (one, other) = &peering.vpcs;
            let other = match self.vpc {
                vpc if vpc == one => other,
                vpc if vpc == other => one,
                _ => continue,
            };
            put(&mut filter, "peerings", &peering.link, "");
            let blocks = |vpc: &str| self.topology.vpcs.get(vpc).map_or(&[][..], |vpc| &vpc.blocks);
            let rules = rules::peering(&peering.link, blocks(self.vpc), blocks(other));
            filter.chains.entry("peered".to_owned()).or_default().rules.extend(rules);
        }
        for peer in &named {
            filter.sets.extend(rules::members(peer, &self.members(peer)));
        }
        filter
    }

    /// The addresses of the other side of a rule: of a group, those of its interfaces here and in
    /// VPCs that are peered with this one.
    fn members(&self, peer: &Peer) -> Vec<IpNet> {
        match peer {
            Peer::V4(_) | Peer::V6(_) => Vec::new(),
            Peer::PrefixList(list) => rules::blocks(self.topology, list),
            Peer::Group(group) => {
                let holders = self.state.ports.iter().filter(|(id, port)| {
                    self.is_near(&port.vpc)
                        && self
                            .topology
                            .interfaces
                            .get(*id)
                            .is_some_and(|interface| interface.groups.contains(group))
                });
                let addresses = holders.flat_map(|(_, port)| &port.addresses);
                addresses.map(|(address, _)| IpNet::from(*address)).collect()
            }
        }
    }

    fn is_near(&self, vpc: &str) -> bool {
        let peered = |link: &PeeringLink| {
            let (one, other) = &link.vpcs;
            (one == self.vpc && other == vpc) || (other == self.vpc && one == vpc)
        };
        vpc == self.vpc || self.state.peerings.values().any(peered)
    }
}

/// The two directions of groups and ACLs, as the names of their chains have them: whether it is egress.
pub(crate) const DIRECTIONS: [(bool, &str); 2] = [(true, "out"), (false, "in")];

/// What one port adds to its router's filter.
#[derive(Debug, Default)]
pub(crate) struct Share {
    /// Elements: a set's or map's name, the key and, in a map, the value.
    pub(crate) elements: Vec<(Cow<'static, str>, String, String)>,
    /// The number of its subnet, where a network ACL stands around that.
    pub(crate) subnet: Option<u32>,
    /// Its security groups in order, with the number of their chains.
    pub(crate) profile: Option<(u32, Vec<String>)>,
}

/// What a port adds to its router's filter, but for its addresses in the sets of its groups.
pub(crate) fn share(
    topology: &Topology,
    port: &Port,
    interface: &Interface,
    subnet: &Subnet,
    numbers: &mut Numbers,
) -> Share {
    let mut share = Share::default();
    let link = format!("\"{}\"", port.link);
    let mut add = |set: Cow<'static, str>, key: &str, value: String| {
        share.elements.push((set, key.to_owned(), value));
    };
    add("links".into(), &link, String::new());
    if !interface.source_dest_check || matches!(port.kind, PortKind::Nat(_)) {
        add("unchecked".into(), &link, String::new());
    }
    match port.kind {
        PortKind::Host => {}
        PortKind::Endpoint => add("endpoints".into(), &link, String::new()),
        PortKind::Nat(_) => add("nats".into(), &link, String::new()),
    }
    let table = format!("{:#010x}", table_number(&subnet.route_table, numbers));
    add("tables".into(), &link, table);
    for (address, _) in &port.addresses {
        let set = if address.is_ipv4() { "own4" } else { "own6" };
        add(set.into(), &format!("{link} . {address}"), String::new());
    }
    let attached = topology.vpcs.get(&port.vpc).is_some_and(|it| it.internet_gateway.is_some());
    for address in interface.addresses.iter().filter(|_| attached) {
        if let Some(public) = address.public {
            let private = address.private.to_string();
            add("with_public".into(), &private, String::new());
            add("to_public".into(), &private, public.to_string());
            add("to_private".into(), &public.to_string(), private);
        }
    }
    if topology.network_acls.contains_key(&subnet.network_acl) {
        let number = numbers.of(&interface.subnet);
        add(siblings(number).into(), &link, String::new());
        for (_, direction) in DIRECTIONS {
            let jump = format!("jump acl_{direction}_{number}");
            add(format!("acl_{direction}").into(), &link, jump);
        }
        share.subnet = Some(number);
    }
    // A NAT gateway has no groups.
    if !matches!(port.kind, PortKind::Nat(_)) {
        let mut groups = interface.groups.clone();
        groups.sort();
        let profile = numbers.of(&format!("groups {}", groups.join(" ")));
        for (_, direction) in DIRECTIONS {
            let jump = format!("jump group_{direction}_{profile}");
            share.elements.push((format!("group_{direction}").into(), link.clone(), jump));
        }
        share.profile = Some((profile, groups));
    }
    share
}

/// The set of the links of a subnet with this number.
fn siblings(number: u32) -> String {
    format!("subnet_{number}")
}

/// Puts the network ACL of a subnet with this number into a filter that does not have it yet.
pub(crate) fn fence(filter: &mut Filter, topology: &Topology, subnet: &Subnet, number: u32) {
    let Some(acl) = topology.network_acls.get(&subnet.network_acl) else { return };
    let siblings = siblings(number);
    for (egress, direction) in DIRECTIONS {
        let entries = if egress { &acl.egress } else { &acl.ingress };
        let chain = || rules::acl(entries, egress, &siblings);
        filter.chains.entry(format!("acl_{direction}_{number}")).or_insert_with(chain);
    }
    filter.sets.entry(siblings).or_insert_with(|| rules::set("type ifname;", false));
}

/// One direction of what these groups allow together. `named` collects whom their rules name.
pub(crate) fn profile_chain(
    topology: &Topology,
    groups: &[String],
    egress: bool,
    named: &mut BTreeSet<Peer>,
) -> Chain {
    let groups = groups.iter().filter_map(|id| topology.security_groups.get(id));
    let all = groups.flat_map(|it| if egress { &it.egress } else { &it.ingress });
    rules::groups(all.map(|rule| &rule.rule), egress, named)
}

fn put(filter: &mut Filter, set: &str, link: &str, value: &str) {
    element(filter, set, format!("\"{link}\""), value);
}

fn element(filter: &mut Filter, set: &str, key: String, value: &str) {
    if let Some(set) = filter.sets.get_mut(set) {
        set.elements.insert(key, value.to_owned());
    }
}

/// The number of a route table, and of the mark of packets that look into it. The kernel has tables
/// of its own below 256.
fn table_number(table: &str, numbers: &mut Numbers) -> u32 {
    1000 + numbers.of(table)
}

/// The first address of a subnet: its router's.
pub(crate) fn gateway_of(block: IpNet) -> Option<IpAddr> {
    nth(block, 1)
}

/// The resolver's address of a VPC, by its primary block.
#[must_use]
pub fn resolver_of(block: IpNet) -> Option<IpAddr> {
    matches!(block, IpNet::V4(_)).then(|| nth(block, 2)).flatten()
}

fn nth(block: IpNet, place: u8) -> Option<IpAddr> {
    Some(match block {
        IpNet::V4(net) => {
            Ipv4Addr::from(u32::from(net.network()).checked_add(u32::from(place))?).into()
        }
        IpNet::V6(net) => {
            Ipv6Addr::from(u128::from(net.network()).checked_add(u128::from(place))?).into()
        }
    })
}
