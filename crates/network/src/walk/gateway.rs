//! What a route leads to: the VPC itself, gateways, peering connections, endpoints; and the way in
//! from the internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::header::{Header, Payload, Ports};
use super::hop::{Code, Component, Direction, Explanation, Receiver};
use super::trace::{Outcome, Place, Session, Step, Trace};
use crate::security_group::{ICMP, ICMPV6, TCP, UDP};
use crate::topology::{Destination, EndpointKind, Interface, Peering, Role, Route, Target};

/// The VPC on the other side of a peering connection.
pub(super) fn peer_of<'p>(peering: &'p Peering, vpc: &str) -> Option<&'p str> {
    if peering.requester == vpc {
        Some(&peering.accepter)
    } else if peering.accepter == vpc {
        Some(&peering.requester)
    } else {
        None
    }
}

impl<'w> Trace<'_, 'w> {
    /// From an interface along a route; `next` is the interface that it leads to, if one.
    pub(super) fn follow(
        &mut self,
        id: &'w str,
        interface: &'w Interface,
        table: &str,
        route: &'w Route,
        next: Option<&'w str>,
    ) -> Outcome<Step<'w>> {
        self.is_carried(id, interface, &route.target)?;
        match &route.target {
            Target::Local => match next {
                Some(next) => Ok(entering(next, true)),
                None => Err(self.nobody(Component::Vpc(interface.vpc.clone()))),
            },
            Target::Interface(target) => {
                let found = next.and_then(|next| Some((next, self.tables.interface(next)?)));
                match found.filter(|(_, it)| it.vpc == interface.vpc) {
                    Some((next, it)) => Ok(entering(next, it.subnet != interface.subnet)),
                    None => Err(self.black_hole(table, target)),
                }
            }
            Target::NatGateway(target) => {
                let gateway = self.tables.topology.nat_gateways.get(target);
                let Some(gateway) = gateway.filter(|it| it.vpc == interface.vpc) else {
                    return Err(self.black_hole(table, target));
                };
                let Some((next, it)) =
                    next.and_then(|next| Some((next, self.tables.interface(next)?)))
                else {
                    return Err(self.black_hole(table, target));
                };
                if !gateway.available {
                    let text = format!(
                        "{target} is not available: wait until it is, or route to another one"
                    );
                    return Err(self.explain(
                        Code::BadState,
                        Component::NatGateway(target.clone()),
                        &[],
                        text,
                    ));
                }
                Ok(entering(next, it.subnet != interface.subnet))
            }
            Target::Peering(target) => self.over_peering(interface, table, target, next),
            Target::GatewayEndpoint(target) => {
                self.by_gateway_endpoint(interface, table, route, target)
            }
            Target::InternetGateway(target) => {
                self.out_by_internet_gateway(interface, table, target)
            }
            Target::EgressOnlyInternetGateway(target) => {
                self.out_by_egress_only_gateway(interface, table, target)
            }
        }
    }

    /// Whether gateways take a packet with this source at all.
    fn is_carried(&self, id: &str, interface: &Interface, target: &Target) -> Outcome<()> {
        let component = match target {
            Target::Local | Target::Interface(_) => return Ok(()),
            Target::NatGateway(id) => Component::NatGateway(id.clone()),
            Target::Peering(id) => Component::VpcPeeringConnection(id.clone()),
            Target::GatewayEndpoint(id) => Component::VpcEndpoint(id.clone()),
            Target::InternetGateway(id) => Component::InternetGateway(id.clone()),
            Target::EgressOnlyInternetGateway(id) => {
                Component::EgressOnlyInternetGateway(id.clone())
            }
        };
        if self.spoofed {
            let text = format!(
                "{component} drops what {id} sends from {}, which is not its address",
                self.header.source
            );
            return Err(self.explain(Code::GatewayRejectsSpoofedTraffic, component, &[], text));
        }
        // The documentation has NAT gateways send to internet, transit and virtual private gateways
        // (Amazon VPC User Guide, "NAT gateways"), and said of the others that they cannot.
        let onward = matches!(
            target,
            Target::NatGateway(_) | Target::Peering(_) | Target::GatewayEndpoint(_)
        );
        if let (Role::NatGateway(nat), true) = (&interface.role, onward) {
            let text = format!(
                "{nat} sends nothing on to {component}: give the sender's own subnet the route to it"
            );
            return Err(self.explain(Code::UnsupportedComponent, component, &[], text));
        }
        Ok(())
    }

    fn black_hole(&self, table: &str, target: &str) -> Explanation {
        let text = format!(
            "the route of {table} for {} leads to {target}, which does not exist in this VPC (a black hole): replace the route",
            self.header.destination
        );
        self.explain(Code::BadStateRoute, Component::RouteTable(table.to_owned()), &[], text)
    }

    fn detached(&self, component: Component, table: &str, vpc: &str) -> Explanation {
        let text = format!(
            "the route of {table} for {} leads to {component}, which is not attached to {vpc}: attach it, or replace the route",
            self.header.destination
        );
        let related = [Component::RouteTable(table.to_owned())];
        self.explain(Code::BadStateAttachment, component, &related, text)
    }

    fn over_peering(
        &mut self,
        interface: &'w Interface,
        table: &str,
        id: &'w str,
        next: Option<&'w str>,
    ) -> Outcome<Step<'w>> {
        let component = Component::VpcPeeringConnection(id.to_owned());
        let found = self.tables.topology.peerings.get(id);
        let Some((peering, peer)) = found.and_then(|it| Some((it, peer_of(it, &interface.vpc)?)))
        else {
            return Err(self.black_hole(table, id));
        };
        if !peering.active {
            let text = format!("{id} is not active: have the owner of the other VPC accept it");
            return Err(self.explain(Code::BadState, component, &[], text));
        }
        let (source, destination) = (self.header.source, self.header.destination);
        if !self.tables.is_inside(&interface.vpc, source)
            || !self.tables.is_inside(peer, destination)
        {
            let text = format!(
                "{id} carries only what goes from an address of {} to one of {peer}, not what goes from {source} to {destination}: the other VPC's gateways, endpoints and peers cannot be used through it",
                interface.vpc
            );
            return Err(self.explain(Code::PcxRequiresAddressInVpcCidr, component, &[], text));
        }
        self.hop(component, None, None);
        match next {
            Some(next) => Ok(entering(next, true)),
            None => Err(self.nobody(Component::Vpc(peer.to_owned()))),
        }
    }

    fn by_gateway_endpoint(
        &mut self,
        interface: &Interface,
        table: &str,
        route: &Route,
        id: &str,
    ) -> Outcome<Step<'w>> {
        let component = Component::VpcEndpoint(id.to_owned());
        let found = self.tables.endpoint(id).filter(|it| it.vpc == interface.vpc);
        let Some((endpoint, EndpointKind::Gateway { prefix_list })) =
            found.map(|it| (it, &it.kind))
        else {
            return Err(self.black_hole(table, id));
        };
        if !endpoint.available {
            let text = format!("{id} is not available: wait until it is");
            return Err(self.explain(Code::BadState, component, &[], text));
        }
        if route.destination != Destination::PrefixList(prefix_list.clone()) {
            let text = format!(
                "{id} carries what is for {prefix_list} alone: route that prefix list to it"
            );
            return Err(self.explain(Code::CannotRoute, component, &[], text));
        }
        if !self.tables.is_inside(&interface.vpc, self.header.source) {
            let text = format!(
                "{id} takes only what comes from an address of {}, not from {}",
                interface.vpc, self.header.source
            );
            let code = Code::VpceGatewayEgressSourceAddressRestriction;
            return Err(self.explain(code, component, &[], text));
        }
        let carried = match self.header.payload {
            Payload::Ports { protocol, .. } => protocol == TCP,
            Payload::Icmp { protocol, kind, .. } => {
                matches!((protocol, kind), (ICMP, 8) | (ICMPV6, 128))
            }
            Payload::Other { .. } => false,
        };
        if !carried {
            let text =
                format!("{id} carries TCP and ICMP echo requests, not {}", self.header.payload);
            return Err(self.explain(Code::VpceGatewayProtocolRestriction, component, &[], text));
        }
        self.hop(component, None, None);
        Ok(Step::Done(Receiver::GatewayEndpoint { id: id.to_owned() }))
    }

    fn out_by_internet_gateway(
        &mut self,
        interface: &Interface,
        table: &str,
        id: &str,
    ) -> Outcome<Step<'w>> {
        let component = Component::InternetGateway(id.to_owned());
        let vpc = self.tables.vpc(&interface.vpc);
        if vpc.and_then(|vpc| vpc.internet_gateway.as_deref()) != Some(id) {
            return Err(self.detached(component, table, &interface.vpc));
        }
        self.is_on_internet(&component)?;
        let source = self.header.source;
        let outside = match source {
            IpAddr::V4(_) => self.public_of(&interface.vpc, source).map(IpAddr::V4),
            IpAddr::V6(it) => {
                let held = self.tables.holder(&interface.vpc, source).is_some();
                (held && is_global(it)).then_some(source)
            }
        };
        let Some(outside) = outside else {
            let text = match source {
                IpAddr::V4(_) => format!(
                    "{id} drops what {source} sends to the internet, since it has no public address: associate an Elastic IP address with it, or route through a public NAT gateway"
                ),
                IpAddr::V6(_) => format!(
                    "{id} drops what {source} sends: it is no public IPv6 address of the VPC"
                ),
            };
            return Err(self.explain(Code::IgwPublicIpAssociationForEgress, component, &[], text));
        };
        let header = Header { source: outside, ..self.header };
        self.translate(component, None, header);
        self.preserved = false;
        Ok(Step::On(Place::Internet))
    }

    /// The public address that belongs to a private one. That of a NAT gateway counts if its
    /// connectivity is public.
    fn public_of(&self, vpc: &str, private: IpAddr) -> Option<Ipv4Addr> {
        let interface = self.tables.interface(self.tables.holder(vpc, private)?)?;
        if let Role::NatGateway(nat) = &interface.role
            && !self.tables.topology.nat_gateways.get(nat)?.public
        {
            return None;
        }
        interface.addresses.iter().find(|it| it.private == private)?.public
    }

    /// Whether the destination is an address that the internet has.
    fn is_on_internet(&self, component: &Component) -> Outcome<()> {
        let destination = self.header.destination;
        let (code, what) = match destination {
            IpAddr::V4(it) if it.is_private() => {
                (Code::IgwDestinationAddressNotInRfc1918Egress, "a private address")
            }
            IpAddr::V4(it) if is_shared(it) => {
                (Code::IgwDestinationAddressNotInRfc6598Egress, "a shared address")
            }
            IpAddr::V6(it) if !is_global(it) => (Code::NoPossibleDestination, "no global address"),
            _ => return Ok(()),
        };
        let text = format!(
            "{destination} is {what}, which the internet does not have: add a route for it to whatever leads there, such as a peering connection"
        );
        Err(self.explain(code, component.clone(), &[], text))
    }

    fn out_by_egress_only_gateway(
        &mut self,
        interface: &Interface,
        table: &str,
        id: &'w str,
    ) -> Outcome<Step<'w>> {
        let component = Component::EgressOnlyInternetGateway(id.to_owned());
        let vpc = self.tables.vpc(&interface.vpc);
        if !vpc.is_some_and(|vpc| vpc.egress_only_gateways.iter().any(|it| it == id)) {
            return Err(self.detached(component, table, &interface.vpc));
        }
        let source = self.header.source;
        let IpAddr::V6(address) = source else {
            let text =
                format!("{id} carries IPv6 alone, not what is for {}", self.header.destination);
            return Err(self.explain(Code::CannotRoute, component, &[], text));
        };
        self.is_on_internet(&component)?;
        if !is_global(address) || self.tables.holder(&interface.vpc, source).is_none() {
            let text =
                format!("{id} drops what {source} sends: it is no public IPv6 address of the VPC");
            return Err(self.explain(Code::IgwPublicIpAssociationForEgress, component, &[], text));
        }
        if self.direction == Direction::Return {
            let text = format!(
                "{id} lets nobody on the internet open a connection to {source}: route ::/0 to an internet gateway"
            );
            return Err(self.explain(Code::NoPath, component, &[], text));
        }
        self.hop(component, None, None);
        self.memory.opened.push(id);
        self.preserved = false;
        Ok(Step::On(Place::Internet))
    }

    /// On the internet: to a host there, or in again by the internet gateway of the VPC in which an
    /// interface has the address.
    pub(super) fn on_internet(&mut self) -> Outcome<Step<'w>> {
        let Header { source, destination, .. } = self.header;
        let Some(holder) = self.tables.reached_by(destination) else {
            if self.is_from_inside() {
                self.hop(Component::Internet(destination), None, None);
                return Ok(Step::Done(Receiver::Internet { address: destination }));
            }
            let text = format!(
                "no network interface has the public address {destination}: associate it with one, and send to the public address, not to a private one"
            );
            let component = Component::Internet(source);
            return Err(self.explain(
                Code::IgwPrivateIpAssociationForIngress,
                component,
                &[],
                text,
            ));
        };
        let interface_id = holder.interface.as_str();
        let Some(interface) = self.tables.interface(interface_id) else {
            return Err(self.nobody(Component::Internet(destination)));
        };
        let entered = entering(interface_id, true);
        let vpc = self.tables.vpc(&interface.vpc);
        let opened = vpc.and_then(|vpc| {
            vpc.egress_only_gateways.iter().find(|it| self.memory.opened.contains(&it.as_str()))
        });
        if let (Some(gateway), Direction::Return) = (opened, self.direction) {
            self.hop(Component::EgressOnlyInternetGateway(gateway.clone()), None, None);
            return Ok(entered);
        }
        let Some(gateway) = vpc.and_then(|vpc| vpc.internet_gateway.clone()) else {
            let text = format!(
                "{destination} is of {interface_id} in {}, to which no internet gateway is attached: attach one",
                interface.vpc
            );
            let component = Component::Vpc(interface.vpc.clone());
            return Err(self.explain(Code::BadStateAttachment, component, &[], text));
        };
        let component = Component::InternetGateway(gateway);
        let wrong = match source {
            IpAddr::V4(it) if it.is_private() => Some(Code::IgwSourceAddressNotInRfc1918Ingress),
            IpAddr::V4(it) if is_shared(it) => Some(Code::IgwSourceAddressNotInRfc6598Ingress),
            _ if self.tables.is_inside(&interface.vpc, source) => {
                Some(Code::GatewayRejectsSpoofedTraffic)
            }
            IpAddr::V6(it) if !is_global(it) => Some(Code::GatewayRejectsSpoofedTraffic),
            _ => None,
        };
        if let Some(code) = wrong {
            let text = format!(
                "{component} takes nothing from {source}: it is no address of the internet"
            );
            return Err(self.explain(code, component, &[], text));
        }
        self.preserved = false;
        let header = Header { destination: holder.private, ..self.header };
        self.translate(component, None, header);
        Ok(entered)
    }

    /// Whether what is on the internet now left a VPC before.
    fn is_from_inside(&self) -> bool {
        self.hops.iter().any(|hop| {
            matches!(
                hop.component,
                Component::InternetGateway(_) | Component::EgressOnlyInternetGateway(_)
            )
        })
    }

    /// At a NAT gateway's interface: the answer to what it sent on goes back to the sender, anything
    /// that is routed through it gets its address.
    pub(super) fn at_nat(
        &mut self,
        id: &'w str,
        interface: &'w Interface,
        nat: &'w str,
    ) -> Outcome<Step<'w>> {
        let component = Component::NatGateway(nat.to_owned());
        let header = self.header;
        let session =
            self.memory.sessions.iter().rev().find(|session| {
                session.interface == id && session.outside.answer() == Some(header)
            });
        if let Some(inside) = session.and_then(|session| session.inside.answer()) {
            self.translate(component, Some(&interface.subnet), inside);
            return Ok(Step::On(Place::Leaving(id)));
        }
        if interface.addresses.iter().any(|it| it.private == header.destination) {
            let text = format!(
                "{nat} takes nothing for itself, only answers to what it sent on: nobody can open a connection through it from outside"
            );
            return Err(self.explain(Code::NoPossibleDestination, component, &[], text));
        }
        if !matches!(header.payload.protocol(), TCP | UDP | ICMP) {
            let text = format!("{nat} carries TCP, UDP and ICMP, not {}", header.payload);
            return Err(self.explain(Code::ProtocolRestriction, component, &[], text));
        }
        let own = interface.addresses.iter().find(|it| it.private.is_ipv4());
        let Some(own) = own.filter(|_| header.source.is_ipv4()) else {
            let text = format!("{nat} translates IPv4 addresses, not {}", header.source);
            return Err(self.explain(Code::UnsupportedComponent, component, &[], text));
        };
        if !self.tables.is_inside(&interface.vpc, header.source) {
            let text =
                format!("{nat} serves senders in {} alone, not {}", interface.vpc, header.source);
            return Err(self.explain(Code::NgwRequiresSourceInVpc, component, &[], text));
        }
        let payload = match header.payload {
            Payload::Ports { protocol, destination, .. } => {
                Payload::Ports { protocol, source: Ports::OF_NAT, destination }
            }
            other => other,
        };
        let outside = Header { source: own.private, destination: header.destination, payload };
        self.translate(component, Some(&interface.subnet), outside);
        self.preserved = false;
        self.memory.sessions.push(Session { interface: id, inside: header, outside });
        Ok(Step::On(Place::Leaving(id)))
    }
}

fn entering(interface: &str, crossing: bool) -> Step<'_> {
    Step::On(Place::Entering { interface, crossing })
}

/// 100.64.0.0/10 (RFC 6598).
fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && (64..128).contains(&second)
}

/// 2000::/3, from which all global unicast addresses are (RFC 4291).
fn is_global(address: Ipv6Addr) -> bool {
    address.segments().first().is_some_and(|first| first & 0xe000 == 0x2000)
}
