//! The second evaluator: for each shape that a way can have, the conditions that the documentation
//! has for it, all of them at once. IPv4, without appliances.

use std::net::IpAddr;

use ipnet::IpNet;
use sagegate_network::security_group::{ICMP, Packet, Peer, Protocol, Rule, TCP, UDP};
use sagegate_network::topology::{
    AclEntry, Destination, EndpointKind, Interface, Role, Subnet, Target, Topology,
};
use sagegate_network::walk::{Question, Source};

/// A packet's ports as a filter sees them: every one of these.
#[derive(Clone, Copy)]
struct Seen {
    protocol: u8,
    first: u16,
    last: u16,
}

struct World<'t> {
    t: &'t Topology,
    /// What goes there, what comes back, and what comes back to a NAT gateway.
    there: Seen,
    back: Seen,
    back_to_nat: Seen,
    port: u16,
}

pub(crate) fn reaches(t: &Topology, question: &Question) -> bool {
    let (protocol, port) = match question.packet {
        Packet::Port { protocol, port } => (protocol, port),
        Packet::Icmp { protocol, kind, .. } => (protocol, u16::from(kind)),
        Packet::Other { protocol } => (protocol, 0),
    };
    let one = |port: u16| Seen { protocol, first: port, last: port };
    let icmp = protocol == ICMP;
    let world = World {
        t,
        there: one(port),
        back: one(if icmp { 0 } else { question.source_port }),
        back_to_nat: if icmp { one(0) } else { Seen { protocol, first: 1024, last: 65_535 } },
        port,
    };
    world.reaches(question).unwrap_or(false)
}

impl<'t> World<'t> {
    fn reaches(&self, question: &Question) -> Option<bool> {
        let d = question.destination;
        let s = match &question.source {
            Source::Internet { address } => return Some(self.internet_reaches(*address, d, None)),
            Source::Interface { id, .. } => self.t.interfaces.get(id)?,
        };
        let own = s.addresses.first()?;
        let from = own.private;
        let subnet = self.t.subnets.get(&s.subnet)?;
        if s.addresses.iter().any(|it| it.private == d) {
            return Some(true);
        }
        if self.is_resolver(&s.vpc, d) {
            return Some(self.port == 53 && matches!(self.there.protocol, TCP | UDP));
        }
        let holder = self.holder(&s.vpc, d);
        if subnet.blocks.iter().any(|it| it.contains(&d)) {
            let h = holder?;
            return Some(self.let_out(s, d, Some(h)) && self.takes(h, from, Some(s)));
        }
        match self.route(subnet, d)? {
            (Target::Local, _) => {
                let h = holder?;
                Some(self.let_out(s, d, Some(h)) && self.between(s, from, h, d, &Target::Local))
            }
            (Target::Peering(pcx), _) => {
                let peering = self.t.peerings.get(pcx).filter(|it| it.active)?;
                let other =
                    if peering.requester == s.vpc { &peering.accepter } else { &peering.requester };
                let h = self.holder(other, d)?;
                let target = Target::Peering(pcx.clone());
                Some(self.let_out(s, d, Some(h)) && self.between(s, from, h, d, &target))
            }
            (Target::InternetGateway(igw), _) => {
                let public = IpAddr::V4(own.public?);
                let out = self.is_attached(&s.vpc, igw)
                    && is_public(d)
                    && self.let_out(s, d, None)
                    && self.acl(subnet, true, self.there, d)
                    && self.acl(subnet, false, self.back, d);
                Some(out && self.on_internet(public, d, self.back))
            }
            (Target::GatewayEndpoint(vpce), list) => {
                let endpoint =
                    self.t.endpoints.get(vpce).filter(|it| it.available && it.vpc == s.vpc)?;
                let EndpointKind::Gateway { prefix_list } = &endpoint.kind else { return None };
                let carried = self.there.protocol == TCP || self.there.protocol == ICMP;
                Some(
                    list == Some(prefix_list.as_str())
                        && carried
                        && self.let_out(s, d, None)
                        && self.acl(subnet, true, self.there, d)
                        && self.acl(subnet, false, self.back, d),
                )
            }
            (Target::NatGateway(nat), _) => {
                let nat =
                    self.t.nat_gateways.get(nat).filter(|it| it.available && it.vpc == s.vpc)?;
                let card = self.t.interfaces.get(&nat.interface)?;
                let public = IpAddr::V4(card.addresses.first()?.public?);
                let beyond = self.t.subnets.get(&card.subnet)?;
                let (Target::InternetGateway(igw), _) = self.route(beyond, d)? else { return None };
                let inside = self.let_out(s, d, None)
                    && card.subnet != s.subnet
                    && self.acl(subnet, true, self.there, d)
                    && self.acl(beyond, false, self.there, from)
                    && self.acl(beyond, true, self.back, from)
                    && self.acl(subnet, false, self.back, d);
                let outside = self.is_attached(&s.vpc, igw)
                    && is_public(d)
                    && self.acl(beyond, true, self.there, d)
                    && self.acl(beyond, false, self.back_to_nat, d);
                Some(inside && outside && self.on_internet(public, d, self.back_to_nat))
            }
            _ => Some(false),
        }
    }

    /// From one subnet to another, of the same VPC or of a peer, and back by the same target.
    fn between(&self, s: &Interface, from: IpAddr, h: &Interface, to: IpAddr, by: &Target) -> bool {
        let (Some(here), Some(there)) =
            (self.t.subnets.get(&s.subnet), self.t.subnets.get(&h.subnet))
        else {
            return false;
        };
        let returns = self.route(there, from).is_some_and(|(target, _)| target == by);
        returns
            && self.acl(here, true, self.there, to)
            && self.acl(there, false, self.there, from)
            && self.takes(h, from, Some(s))
            && self.acl(there, true, self.back, from)
            && self.acl(here, false, self.back, to)
    }

    /// A public source to a public destination: somewhere else, or one of our own interfaces.
    fn on_internet(&self, from: IpAddr, to: IpAddr, back: Seen) -> bool {
        match self.public_holder(to) {
            None => true,
            Some(_) => self.internet_reaches(from, to, Some(back)),
        }
    }

    fn internet_reaches(&self, from: IpAddr, to: IpAddr, back: Option<Seen>) -> bool {
        let back = back.unwrap_or(self.back);
        let Some(h) = self.public_holder(to) else { return false };
        let Some(subnet) = self.t.subnets.get(&h.subnet) else { return false };
        let attached = self.t.vpcs.get(&h.vpc).and_then(|vpc| vpc.internet_gateway.as_ref());
        let returns = match self.route(subnet, from) {
            Some((Target::InternetGateway(igw), _)) => self.is_attached(&h.vpc, igw),
            _ => false,
        };
        attached.is_some()
            && returns
            && self.acl(subnet, false, self.there, from)
            && self.takes(h, from, None)
            && self.acl(subnet, true, back, from)
    }

    fn public_holder(&self, address: IpAddr) -> Option<&'t Interface> {
        self.t
            .interfaces
            .values()
            .find(|it| it.addresses.iter().any(|it| it.public.map(IpAddr::V4) == Some(address)))
    }

    fn holder(&self, vpc: &str, address: IpAddr) -> Option<&'t Interface> {
        let of_vpc = self.t.interfaces.values().filter(|it| it.vpc == vpc);
        of_vpc.into_iter().find(|it| it.addresses.iter().any(|it| it.private == address))
    }

    fn is_attached(&self, vpc: &str, igw: &str) -> bool {
        self.t.vpcs.get(vpc).is_some_and(|it| it.internet_gateway.as_deref() == Some(igw))
    }

    fn is_resolver(&self, vpc: &str, address: IpAddr) -> bool {
        let second = vpc.strip_prefix("vpc-").map_or(9, |name| u8::from(name == "b"));
        address == IpAddr::from([10, second, 0, 2])
    }

    /// All routes that have the address; the longest, and of those a block before a list.
    fn route(&self, subnet: &Subnet, address: IpAddr) -> Option<(&'t Target, Option<&'t str>)> {
        let table = self.t.route_tables.get(&subnet.route_table)?;
        let mut all = Vec::new();
        for route in &table.routes {
            let (blocks, list): (Vec<IpNet>, _) = match &route.destination {
                Destination::Block(block) => (vec![*block], None),
                Destination::PrefixList(id) => {
                    (self.t.prefix_lists.get(id)?.blocks.clone(), Some(id.as_str()))
                }
            };
            let matching = blocks.into_iter().filter(|it| it.contains(&address));
            all.extend(matching.map(|it| (it.prefix_len(), list.is_none(), &route.target, list)));
        }
        let best = all.into_iter().max_by_key(|(length, block, ..)| (*length, *block))?;
        Some((best.2, best.3))
    }

    /// Whether the interface's groups let it in, and whoever has the interface answers.
    fn takes(&self, h: &Interface, from: IpAddr, sender: Option<&Interface>) -> bool {
        let answers = match &h.role {
            Role::Host | Role::Service => true,
            Role::NatGateway(_) => false,
            Role::Endpoint(id) => {
                self.there.protocol == TCP
                    && self.port == 443
                    && self.t.endpoints.get(id).is_some_and(|it| it.available)
            }
        };
        let rules = self.groups(h).flat_map(|it| &it.ingress);
        answers && rules.map(|it| &it.rule).any(|it| self.allows(it, from, sender))
    }

    fn let_out(&self, s: &Interface, to: IpAddr, receiver: Option<&Interface>) -> bool {
        let rules = self.groups(s).flat_map(|it| &it.egress);
        rules.map(|it| &it.rule).any(|it| self.allows(it, to, receiver))
    }

    fn groups(
        &self,
        interface: &Interface,
    ) -> impl Iterator<Item = &'t sagegate_network::topology::SecurityGroup> {
        let ids = interface.groups.clone();
        ids.into_iter().filter_map(|id| self.t.security_groups.get(&id))
    }

    fn allows(&self, rule: &Rule, address: IpAddr, other: Option<&Interface>) -> bool {
        let about = match (rule.protocol, self.there.protocol) {
            (Protocol::All, _) => true,
            (Protocol::Number(ICMP), ICMP) => rule.from == -1 || rule.from == i32::from(self.port),
            (Protocol::Number(number), asked) => {
                number == asked
                    && rule.from <= i32::from(self.port)
                    && i32::from(self.port) <= rule.to
            }
        };
        let lists = |id: &String| self.t.prefix_lists.get(id).map(|it| it.blocks.clone());
        about
            && match &rule.peer {
                Peer::V4(net) => IpNet::V4(*net).contains(&address),
                Peer::V6(_) => false,
                Peer::PrefixList(id) => {
                    lists(id).unwrap_or_default().iter().any(|it| it.contains(&address))
                }
                Peer::Group(id) => other.is_some_and(|it| it.groups.contains(id)),
            }
    }

    /// Each port that could make a difference, one after the other.
    fn acl(&self, subnet: &Subnet, egress: bool, seen: Seen, other: IpAddr) -> bool {
        let Some(acl) = self.t.network_acls.get(&subnet.network_acl) else { return false };
        let entries = if egress { &acl.egress } else { &acl.ingress };
        let mut ports = vec![i32::from(seen.first), i32::from(seen.last)];
        for entry in entries {
            ports.extend([entry.from - 1, entry.from, entry.to, entry.to + 1]);
        }
        ports.retain(|it| (i32::from(seen.first)..=i32::from(seen.last)).contains(it));
        ports.into_iter().all(|port| {
            let about = |entry: &&AclEntry| {
                entry.block.contains(&other)
                    && match entry.protocol {
                        Protocol::All => true,
                        Protocol::Number(ICMP) => {
                            seen.protocol == ICMP && (entry.from == -1 || entry.from == port)
                        }
                        Protocol::Number(number) => {
                            number == seen.protocol && entry.from <= port && port <= entry.to
                        }
                    }
            };
            entries.iter().filter(about).min_by_key(|it| it.number).is_some_and(|it| it.allow)
        })
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => !it.is_private(),
        IpAddr::V6(_) => false,
    }
}
