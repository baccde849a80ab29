//! One packet on its way through subnets: out of an interface, by filters and a route, into the
//! next one.

use std::net::IpAddr;

use super::explain;
use super::filter::{self, Groups, Other};
use super::header::Header;
use super::hop::{Code, Component, Direction, Explanation, Hop, Matched, Receiver, Stopped};
use super::tables::Tables;
use super::{Question, Source};
use crate::security_group::{Packet, TCP, UDP};
use crate::topology::{EndpointKind, Interface, Role, Route, Subnet, Target};

/// How many steps a packet may take; more is a circle of appliances that send to each other.
const LONGEST_WAY: usize = 32;

/// A connection through a NAT gateway.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session<'w> {
    /// The gateway's interface.
    pub(super) interface: &'w str,
    /// The header before the translation.
    pub(super) inside: Header,
    /// The header after it.
    pub(super) outside: Header,
}

/// What stateful components remember of the packet when its answer comes.
#[derive(Debug, Default)]
pub(super) struct Memory<'w> {
    /// Interfaces whose security groups let it through.
    pub(super) tracked: Vec<&'w str>,
    pub(super) sessions: Vec<Session<'w>>,
    /// Egress-only internet gateways that it left by.
    pub(super) opened: Vec<&'w str>,
}

/// Where the packet is next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'w> {
    /// It leaves this interface.
    Leaving(&'w str),
    /// It comes to this interface, from outside of its subnet or from within.
    Entering { interface: &'w str, crossing: bool },
    /// It is on the internet.
    Internet,
}

/// What a step leads to.
pub(super) enum Step<'w> {
    On(Place<'w>),
    Done(Receiver),
}

pub(super) type Outcome<T> = Result<T, Explanation>;

/// The walk of one packet, in one direction.
pub(super) struct Trace<'a, 'w> {
    pub(super) tables: &'w Tables,
    pub(super) memory: &'a mut Memory<'w>,
    pub(super) direction: Direction,
    pub(super) header: Header,
    pub(super) hops: Vec<Hop>,
    /// Who sent it first.
    sender: Option<&'w str>,
    /// Whether its source still is the sender's private address, come straight from it.
    pub(super) preserved: bool,
    /// Whether the sender does not have the address that it sends from.
    pub(super) spoofed: bool,
}

impl<'a, 'w> Trace<'a, 'w> {
    pub(super) fn new(
        tables: &'w Tables,
        memory: &'a mut Memory<'w>,
        direction: Direction,
        header: Header,
    ) -> Self {
        Self {
            tables,
            memory,
            direction,
            header,
            hops: Vec::new(),
            sender: None,
            preserved: true,
            spoofed: false,
        }
    }

    pub(super) fn finish(self) -> (Vec<Hop>, Header) {
        (self.hops, self.header)
    }

    /// The way of the question.
    pub(super) fn ask_from(&mut self, source: &Source) -> Outcome<Receiver> {
        match source {
            Source::Internet { address } => {
                self.hop(Component::Internet(*address), None, None);
                self.preserved = false;
                self.run(Place::Internet)
            }
            Source::Interface { id, .. } => {
                let (id, interface) = self.interface(id)?;
                self.hop_of_interface(id, interface);
                let own =
                    |address: IpAddr| interface.addresses.iter().any(|it| it.private == address);
                if !own(self.header.source) {
                    if interface.source_dest_check {
                        let text = format!(
                            "{id} does not have the address {}: send from one of its own, or turn its source/destination check off",
                            self.header.source
                        );
                        return Err(self.at_interface(
                            Code::EniSourceDestCheckRestriction,
                            id,
                            text,
                        ));
                    }
                    self.spoofed = true;
                    self.preserved = false;
                } else if own(self.header.destination) {
                    // What a host sends to itself never leaves it.
                    return Ok(Receiver::NetworkInterface { id: id.to_owned() });
                }
                self.sender = Some(id);
                self.run(Place::Leaving(id))
            }
        }
    }

    /// The way of the answer, which must come back to the source as it expects it.
    pub(super) fn answer_from(&mut self, question: &Question, from: &Receiver) -> Outcome<()> {
        let Some(start) = self.start_of_answer(from)? else { return Ok(()) };
        let receiver = self.run(start)?;
        match (&question.source, receiver) {
            (Source::Interface { id, .. }, Receiver::NetworkInterface { id: at }) if *id == at => {}
            (Source::Internet { .. }, Receiver::Internet { address })
                if address == question.source.address() => {}
            (source, _) => {
                let text = format!(
                    "the answer does not come back to {}, from where the packet was sent",
                    source.address()
                );
                let component = self.last_component();
                return Err(self.explain(Code::NoPath, component, &[], text));
            }
        }
        self.answers(question)
    }

    fn start_of_answer(&mut self, from: &Receiver) -> Outcome<Option<Place<'w>>> {
        match from {
            Receiver::Resolver { .. } => Ok(None),
            Receiver::Internet { address } => {
                self.hop(Component::Internet(*address), None, None);
                self.preserved = false;
                Ok(Some(Place::Internet))
            }
            Receiver::GatewayEndpoint { id } => {
                self.hop(Component::VpcEndpoint(id.clone()), None, None);
                self.preserved = false;
                let vpc = self.tables.endpoint(id).map_or("", |endpoint| endpoint.vpc.as_str());
                let Some(interface) = self.tables.holder(vpc, self.header.destination) else {
                    return Err(self.nobody(Component::Vpc(vpc.to_owned())));
                };
                Ok(Some(Place::Entering { interface, crossing: true }))
            }
            Receiver::NetworkInterface { id }
            | Receiver::InterfaceEndpoint { interface: id, .. } => {
                let (id, interface) = self.interface(id)?;
                let own =
                    |address: IpAddr| interface.addresses.iter().any(|it| it.private == address);
                if own(self.header.source) && own(self.header.destination) {
                    return Ok(None);
                }
                self.hop_of_interface(id, interface);
                self.sender = Some(id);
                Ok(Some(Place::Leaving(id)))
            }
        }
    }

    /// Whether the answer, as it came back, answers what was asked.
    fn answers(&self, question: &Question) -> Outcome<()> {
        let component = || {
            let nat = |hop: &&Hop| matches!(hop.component, Component::NatGateway(_));
            let hop = self.hops.iter().rev().find(nat);
            hop.map_or_else(|| self.last_component(), |hop| hop.component.clone())
        };
        let expected = question.destination;
        if self.header.source != expected {
            let text = format!(
                "the answer comes from {}, not from {expected}, to which the packet was sent: route the answer by the way on which the packet came",
                self.header.source
            );
            return Err(self.explain(Code::NgwSourceAddressReassign, component(), &[], text));
        }
        if let (super::Payload::Ports { source, .. }, Packet::Port { port, .. }) =
            (self.header.payload, question.packet)
            && source != super::Ports::one(port)
        {
            let text = format!(
                "the answer comes from another port than {port}: route it by the way on which the packet came"
            );
            return Err(self.explain(Code::RemapEphemeralPort, component(), &[], text));
        }
        Ok(())
    }

    fn run(&mut self, start: Place<'w>) -> Outcome<Receiver> {
        let mut place = start;
        for _ in 0..LONGEST_WAY {
            let step = match place {
                Place::Leaving(id) => self.leave(id)?,
                Place::Entering { interface, crossing } => self.enter(interface, crossing)?,
                Place::Internet => self.on_internet()?,
            };
            match step {
                Step::On(next) => place = next,
                Step::Done(receiver) => return Ok(receiver),
            }
        }
        let text = format!(
            "the packet for {} goes in a circle: look at the routes of the subnets that it comes by",
            self.header.destination
        );
        Err(self.explain(Code::NoPath, self.last_component(), &[], text))
    }

    /// Out of an interface: security groups, network ACL, route.
    fn leave(&mut self, id: &'w str) -> Outcome<Step<'w>> {
        let (id, interface) = self.interface(id)?;
        let subnet = self.subnet(&interface.subnet)?;
        let destination = self.header.destination;
        if self.tables.is_resolver(&interface.vpc, destination) {
            return self.at_resolver(&interface.vpc);
        }
        if let Some(text) = nowhere(destination) {
            let component = Component::NetworkInterface(id.to_owned());
            return Err(self.explain(Code::NoPossibleDestination, component, &[], text));
        }
        let direct = subnet.blocks.iter().any(|block| block.contains(&destination));
        let route =
            (!direct).then(|| self.tables.route(&subnet.route_table, destination)).flatten();
        let next = if direct {
            self.tables.holder(&interface.vpc, destination)
        } else {
            route.and_then(|route| self.next_interface(&interface.vpc, route))
        };
        if Tables::is_filtered(interface) {
            // A group is a destination only for what goes straight to a member's private address.
            let straight = next.and_then(|next| self.tables.interface(next)).filter(|next| {
                self.preserved && next.addresses.iter().any(|it| it.private == destination)
            });
            self.groups(id, interface, true, straight)?;
        }
        let next_subnet = next.and_then(|next| self.tables.interface(next)).map(|it| &it.subnet);
        if !direct && next_subnet != Some(&interface.subnet) {
            self.acl(&interface.subnet, subnet, true)?;
        }
        if direct {
            let Some(next) = next else {
                return Err(self.nobody(Component::Subnet(interface.subnet.clone())));
            };
            return Ok(Step::On(Place::Entering { interface: next, crossing: false }));
        }
        let Some(route) = route else { return Err(self.no_route(&interface.subnet, subnet)) };
        self.hop(
            Component::RouteTable(subnet.route_table.clone()),
            Some(&interface.subnet),
            Some(Matched::Route(route.clone())),
        );
        if self.tables.is_forbidden(&interface.vpc, route, destination) {
            let component = Component::RouteTable(subnet.route_table.clone());
            if let Target::InternetGateway(_) = route.target {
                let text = format!(
                    "{} leads to the internet with {destination}, which is an address of {} itself: delete the route",
                    subnet.route_table, interface.vpc
                );
                return Err(self.explain(
                    Code::IgwDestinationAddressInVpcCidrs,
                    component,
                    &[],
                    text,
                ));
            }
            let text = format!(
                "{} has a route for {destination}, which is an address of {} itself: only the block of a whole subnet can be routed inside of it, to a network interface or a NAT gateway; delete the route",
                subnet.route_table, interface.vpc
            );
            return Err(self.explain(Code::VpcLocalRouteCidrRestriction, component, &[], text));
        }
        self.follow(id, interface, &subnet.route_table, route, next)
    }

    /// The interface that a route leads to next, where it leads to one.
    fn next_interface(&self, vpc: &str, route: &'w Route) -> Option<&'w str> {
        let destination = self.header.destination;
        match &route.target {
            Target::Local => self.tables.holder(vpc, destination),
            Target::NatGateway(id) => {
                Some(self.tables.topology.nat_gateways.get(id)?.interface.as_str())
            }
            Target::Interface(id) => self.tables.interface_key(id),
            Target::Peering(id) => {
                let peering = self.tables.topology.peerings.get(id)?;
                self.tables.holder(super::gateway::peer_of(peering, vpc)?, destination)
            }
            Target::InternetGateway(_)
            | Target::EgressOnlyInternetGateway(_)
            | Target::GatewayEndpoint(_) => None,
        }
    }

    /// Into an interface: network ACL, security groups, and whoever has it.
    fn enter(&mut self, id: &'w str, crossing: bool) -> Outcome<Step<'w>> {
        let (id, interface) = self.interface(id)?;
        if crossing {
            let subnet = self.subnet(&interface.subnet)?;
            self.acl(&interface.subnet, subnet, false)?;
        }
        if let Role::NatGateway(nat) = &interface.role {
            return self.at_nat(id, interface, nat);
        }
        let sender = self.sender.filter(|_| self.preserved);
        self.groups(id, interface, false, sender.and_then(|sender| self.tables.interface(sender)))?;
        self.hop_of_interface(id, interface);
        let own = interface.addresses.iter().any(|it| it.private == self.header.destination);
        if own {
            return self.receive(id, interface).map(Step::Done);
        }
        let address = self.header.destination;
        if interface.role != Role::Host {
            let text = format!(
                "{id} takes only what is for itself, and {address} is not its address: give the route another target"
            );
            return Err(self.at_interface(Code::EniAddressRestriction, id, text));
        }
        if interface.source_dest_check {
            let text = format!(
                "the source/destination check of {id} drops what is for {address}: turn it off, if {id} is to forward packets"
            );
            return Err(self.at_interface(Code::EniSourceDestCheckRestriction, id, text));
        }
        // It is taken for an appliance that forwards what it gets. Rules that name groups do not
        // count behind it (Amazon VPC User Guide, "Security group rules").
        self.preserved = false;
        Ok(Step::On(Place::Leaving(id)))
    }

    fn receive(&mut self, id: &'w str, interface: &'w Interface) -> Outcome<Receiver> {
        let Role::Endpoint(endpoint_id) = &interface.role else {
            return Ok(Receiver::NetworkInterface { id: id.to_owned() });
        };
        if self.direction == Direction::Return {
            return Ok(Receiver::NetworkInterface { id: id.to_owned() });
        }
        let component = Component::VpcEndpoint(endpoint_id.clone());
        let Some(endpoint) = self.tables.endpoint(endpoint_id) else {
            let text = format!("{id} belongs to {endpoint_id}, which does not exist");
            return Err(self.explain(Code::UnknownResource, component, &[], text));
        };
        if !endpoint.available || !matches!(endpoint.kind, EndpointKind::Interface { .. }) {
            let text = format!(
                "{endpoint_id} is not available: wait until it is, or have its connection accepted"
            );
            return Err(self.explain(Code::BadState, component, &[], text));
        }
        // Services behind endpoints serve HTTPS; endpoints do not answer ping (AWS PrivateLink
        // Guide, "Access an AWS service using an interface VPC endpoint").
        if self.header.payload.ends().0 != Packet::HTTPS {
            let text = format!(
                "{endpoint_id} answers TCP port 443 alone, not {}: interface endpoints take no other protocol or port, and no ping",
                self.header.payload
            );
            return Err(self.explain(Code::ProtocolRestriction, component, &[], text));
        }
        self.hop(component, Some(&interface.subnet), None);
        Ok(Receiver::InterfaceEndpoint { id: endpoint_id.clone(), interface: id.to_owned() })
    }

    /// The resolver of the sender's VPC: no security group and no network ACL filters it (Amazon VPC
    /// User Guide, "Amazon DNS server").
    fn at_resolver(&mut self, vpc: &str) -> Outcome<Step<'w>> {
        let component = Component::Resolver(vpc.to_owned());
        if !matches!(self.header.payload.ends().0, Packet::Port { protocol: TCP | UDP, port: 53 }) {
            let text = format!(
                "the resolver of {vpc} answers port 53 of UDP and TCP, not {}",
                self.header.payload
            );
            return Err(self.explain(Code::ProtocolRestriction, component, &[], text));
        }
        if self.spoofed {
            let text = format!("{} is not an address of the sender", self.header.source);
            return Err(self.explain(Code::GatewayRejectsSpoofedTraffic, component, &[], text));
        }
        if !self.tables.vpc(vpc).is_some_and(|it| it.dns_support) {
            let text = format!(
                "{vpc} has no resolver, since enableDnsSupport is off: turn it on with ModifyVpcAttribute"
            );
            return Err(self.explain(Code::BadState, component, &[], text));
        }
        self.hop(component, None, None);
        Ok(Step::Done(Receiver::Resolver { vpc: vpc.to_owned() }))
    }

    fn groups(
        &mut self,
        id: &'w str,
        interface: &'w Interface,
        egress: bool,
        peer: Option<&Interface>,
    ) -> Outcome<()> {
        if self.direction == Direction::Return && self.memory.tracked.contains(&id) {
            let component = Component::NetworkInterface(id.to_owned());
            self.hop(component, Some(&interface.subnet), Some(Matched::Tracked));
            return Ok(());
        }
        let header = self.header;
        let address = if egress { header.destination } else { header.source };
        let other = Other { address, interface: peer };
        match filter::groups(self.tables, interface, egress, header.payload, other) {
            Groups::Allowed { group, rule } => {
                let matched = Matched::GroupRule { id: rule.id.clone(), egress };
                let component = Component::SecurityGroup(group.to_owned());
                self.hop(component, Some(&interface.subnet), Some(matched));
                self.memory.tracked.push(id);
                Ok(())
            }
            Groups::Refused { any_rule, by_reference } => {
                let hidden = if egress {
                    self.tables
                        .reached_by(header.destination)
                        .map(|it| it.interface.as_str())
                        .or_else(|| self.tables.holder(&interface.vpc, header.destination))
                } else {
                    self.sender
                };
                let hidden = hidden.and_then(|id| self.tables.interface(id));
                let (code, related, text) =
                    explain::groups(id, interface, egress, header, any_rule, &by_reference, hidden);
                let component = Component::NetworkInterface(id.to_owned());
                let mut explanation = self.explain(code, component, &related, text);
                explanation.stopped.egress = Some(egress);
                Err(explanation)
            }
        }
    }

    fn acl(&mut self, subnet_id: &str, subnet: &Subnet, egress: bool) -> Outcome<()> {
        let id = &subnet.network_acl;
        let header = self.header;
        let component = Component::NetworkAcl(id.clone());
        let Some(acl) = self.tables.topology.network_acls.get(id) else {
            let text = format!("{subnet_id} has no network ACL: associate one with it");
            return Err(self.explain(Code::SubnetAclRestriction, component, &[], text));
        };
        let (entries, other) =
            if egress { (&acl.egress, header.destination) } else { (&acl.ingress, header.source) };
        let (allowed, number) = filter::acl(entries, header.payload, other);
        if allowed {
            self.hop(component, Some(subnet_id), Some(Matched::AclEntry { number, egress }));
            return Ok(());
        }
        let text = explain::acl(id, subnet_id, egress, header, number);
        let related = [Component::Subnet(subnet_id.to_owned())];
        let mut explanation = self.explain(Code::SubnetAclRestriction, component, &related, text);
        *explanation.stopped = Stopped { header, egress: Some(egress), entry: Some(number) };
        Err(explanation)
    }

    fn no_route(&self, subnet_id: &str, subnet: &Subnet) -> Explanation {
        let table = &subnet.route_table;
        let text = if self.tables.topology.route_tables.contains_key(table) {
            format!(
                "{table}, the route table of {subnet_id}, has no route for {}: add one, or an endpoint for the service",
                self.header.destination
            )
        } else {
            format!("{subnet_id} has no route table: associate one with it")
        };
        let related = [Component::Subnet(subnet_id.to_owned())];
        self.explain(
            Code::NoRouteToDestination,
            Component::RouteTable(table.clone()),
            &related,
            text,
        )
    }

    pub(super) fn nobody(&self, component: Component) -> Explanation {
        let text = format!(
            "no network interface in {component} has the address {}",
            self.header.destination
        );
        self.explain(Code::NoPossibleDestination, component, &[], text)
    }

    fn interface(&self, id: &str) -> Outcome<(&'w str, &'w Interface)> {
        let found = self.tables.topology.interfaces.get_key_value(id);
        found.map(|(id, interface)| (id.as_str(), interface)).ok_or_else(|| {
            let text = format!("there is no network interface {id}");
            self.explain(Code::UnknownResource, Component::NetworkInterface(id.into()), &[], text)
        })
    }

    fn subnet(&self, id: &str) -> Outcome<&'w Subnet> {
        self.tables.subnet(id).ok_or_else(|| {
            let text = format!("there is no subnet {id}");
            self.explain(Code::UnknownResource, Component::Subnet(id.to_owned()), &[], text)
        })
    }

    fn hop_of_interface(&mut self, id: &str, interface: &Interface) {
        self.hop(Component::NetworkInterface(id.to_owned()), Some(&interface.subnet), None);
    }

    pub(super) fn hop(
        &mut self,
        component: Component,
        subnet: Option<&str>,
        matched: Option<Matched>,
    ) {
        let subnet = subnet.map(str::to_owned);
        self.hops.push(Hop { component, subnet, matched, inbound: self.header, outbound: None });
    }

    /// A hop that translates: what comes after has the new header.
    pub(super) fn translate(&mut self, component: Component, subnet: Option<&str>, to: Header) {
        self.hop(component, subnet, None);
        if let Some(hop) = self.hops.last_mut().filter(|_| to != self.header) {
            hop.outbound = Some(to);
        }
        self.header = to;
    }

    fn last_component(&self) -> Component {
        self.hops
            .last()
            .map_or(Component::Internet(self.header.source), |hop| hop.component.clone())
    }

    fn at_interface(&self, code: Code, id: &str, text: String) -> Explanation {
        self.explain(code, Component::NetworkInterface(id.to_owned()), &[], text)
    }

    pub(super) fn explain(
        &self,
        code: Code,
        component: Component,
        related: &[Component],
        text: String,
    ) -> Explanation {
        let direction = self.direction;
        let text = match direction {
            Direction::Forward => text,
            Direction::Return => format!("the answer is lost: {text}"),
        };
        let stopped = Box::new(Stopped { header: self.header, egress: None, entry: None });
        Explanation { code, direction, component, related: related.to_vec(), text, stopped }
    }
}

/// Why nothing can be sent to an address from a VPC, whatever the routes say: addresses of the host
/// itself, of its link, and of many hosts. A VPC carries no broadcast and no multicast (Amazon VPC
/// FAQs); what AWS serves at link-local addresses besides the resolver is not there.
fn nowhere(address: IpAddr) -> Option<String> {
    let what = match address {
        IpAddr::V4(it) if it.is_loopback() => "an address of the host itself",
        IpAddr::V4(it) if it.is_link_local() => "a link-local address, and not the resolver's",
        IpAddr::V4(it) if it.is_multicast() || it.octets()[0] >= 240 => {
            "not an address of one host"
        }
        IpAddr::V4(it) if it.octets()[0] == 0 => "not an address of a host",
        IpAddr::V6(it) if it.is_loopback() => "an address of the host itself",
        IpAddr::V6(it) if it.is_unicast_link_local() => {
            "a link-local address, and not the resolver's"
        }
        IpAddr::V6(it) if it.is_multicast() => "not an address of one host",
        IpAddr::V6(it) if it.is_unspecified() || it.to_ipv4_mapped().is_some() => {
            "not an address of a host"
        }
        _ => return None,
    };
    Some(format!("{address} is {what}: a VPC carries nothing there"))
}
