//! From the ends of a path to the addresses and ports that are worth trying.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use super::classes::{Address, Seams};
use super::{End, Filter, Wanted, of_header};
use crate::security_group::{Peer, Rule};
use crate::topology::{Destination, EndpointKind, Interface, Topology};
use crate::walk::{Code, Component, Explanation, Header, Payload, Ports, Walker};

/// What the internet does not have, as first address and prefix length: this network, private,
/// shared, loopback and link-local addresses, and what is of many hosts or of none.
const NOT_PUBLIC: [(Ipv4Addr, u8); 8] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

const ALL_PORTS: Ports = Ports { first: 0, last: u16::MAX };

fn not_public() -> Vec<Ipv4Net> {
    NOT_PUBLIC.iter().filter_map(|(first, length)| Ipv4Net::new(*first, *length).ok()).collect()
}

fn is_public(address: Ipv4Addr) -> bool {
    !not_public().iter().any(|block| block.contains(&address))
}

/// What is worth trying.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) sources: Vec<Address>,
    pub(super) destinations: Vec<Address>,
    pub(super) source_ports: Vec<Ports>,
    pub(super) ports: Vec<Ports>,
    /// What stands for the source in an explanation.
    origin: Component,
    header: Header,
}

impl Ends {
    /// Reads what is wanted.
    ///
    /// # Errors
    /// Why nothing can be tried.
    pub(super) fn of(walker: &Walker, wanted: &Wanted) -> Result<Self, Explanation> {
        let topology = walker.topology();
        let reader = Reader { walker, topology, wanted, header: header(wanted) };
        if let End::Endpoint(id) = &wanted.source {
            let text = "an endpoint opens no connections in its VPC: ask for the way to it";
            let component = Component::VpcEndpoint(id.clone());
            let code = if topology.endpoints.contains_key(id) {
                Code::VpceIntraVpcTraffic
            } else {
                Code::NoSourceOrDestination
            };
            return Err(reader.ended(code, component, text));
        }
        let seams = reader.seams();
        let sources = reader.sources(&seams)?;
        let destinations = reader.destinations(&seams)?;
        let range = |one: Option<Ports>| one.unwrap_or(ALL_PORTS);
        let (leaving, arriving) = (
            range(wanted.at_source.destination_ports),
            range(wanted.at_destination.destination_ports),
        );
        let both = Ports {
            first: leaving.first.max(arriving.first),
            last: leaving.last.min(arriving.last),
        };
        // Nothing here puts another destination port in: with none in both, all that leave show why.
        let both = if both.first > both.last { leaving } else { both };
        Ok(Self {
            sources,
            destinations,
            source_ports: seams.of_ports(range(wanted.at_source.source_ports)),
            ports: seams.of_ports(both),
            origin: component(&wanted.source),
            header: reader.header,
        })
    }

    /// An explanation for what has no packet at all.
    pub(super) fn nothing(&self, code: Code, text: &str) -> Explanation {
        of_header(self.header, code, self.origin.clone(), text)
    }

    /// That the ends are in VPCs between which there is nothing, if that is so.
    pub(super) fn disconnected(&self, walker: &Walker, wanted: &Wanted) -> Option<Explanation> {
        let topology = walker.topology();
        let source = vpc_of(topology, &wanted.source)?;
        let destination = vpc_of(topology, wanted.destination.as_ref()?)?;
        let connected = topology.peerings.values().any(|peering| {
            let sides = [&peering.requester, &peering.accepter];
            peering.active && sides.contains(&&source) && sides.contains(&&destination)
        });
        if source == destination || connected || wanted.at_source.destination.is_some() {
            return None;
        }
        let text = format!("nothing connects {source} with {destination}: peer them");
        let mut explanation = self.nothing(Code::DisconnectedVpcs, &text);
        explanation.component = Component::Vpc(source);
        explanation.related = vec![Component::Vpc(destination)];
        Some(explanation)
    }
}

/// The component that an end is.
fn component(end: &End) -> Component {
    match end {
        End::Interface(id) => Component::NetworkInterface(id.clone()),
        End::InternetGateway(id) => Component::InternetGateway(id.clone()),
        End::Endpoint(id) => Component::VpcEndpoint(id.clone()),
    }
}

/// The VPC that an end is in.
fn vpc_of(topology: &Topology, end: &End) -> Option<String> {
    match end {
        End::Interface(id) => topology.interfaces.get(id).map(|it| it.vpc.clone()),
        End::Endpoint(id) => topology.endpoints.get(id).map(|it| it.vpc.clone()),
        End::InternetGateway(id) => {
            let attached = |vpc: &crate::topology::Vpc| vpc.internet_gateway.as_ref() == Some(id);
            topology.vpcs.iter().find(|(_, vpc)| attached(vpc)).map(|(vpc, _)| vpc.clone())
        }
    }
}

fn header(wanted: &Wanted) -> Header {
    let Filter { source, source_ports, destination, destination_ports } = wanted.at_source;
    let address = |it: Option<Ipv4Addr>| IpAddr::V4(it.unwrap_or(Ipv4Addr::UNSPECIFIED));
    Header {
        source: address(source),
        destination: address(destination),
        payload: Payload::Ports {
            protocol: wanted.protocol,
            source: source_ports.unwrap_or(ALL_PORTS),
            destination: destination_ports.unwrap_or(ALL_PORTS),
        },
    }
}

/// Private IPv4 addresses, with the public one that belongs to each.
fn addresses(interface: &Interface) -> Vec<(Ipv4Addr, Option<Ipv4Addr>)> {
    let v4 = interface.addresses.iter().filter_map(|it| match it.private {
        IpAddr::V4(private) => Some((private, it.public)),
        IpAddr::V6(_) => None,
    });
    v4.collect()
}

struct Reader<'a> {
    walker: &'a Walker,
    topology: &'a Topology,
    wanted: &'a Wanted,
    header: Header,
}

impl Reader<'_> {
    fn ended(&self, code: Code, component: Component, text: &str) -> Explanation {
        of_header(self.header, code, component, text)
    }

    fn missing(&self, end: &End) -> Explanation {
        self.ended(Code::NoSourceOrDestination, component(end), "there is no such resource")
    }

    fn interface(&self, end: &End, id: &str) -> Result<&Interface, Explanation> {
        let interface = self.topology.interfaces.get(id).ok_or_else(|| self.missing(end))?;
        if addresses(interface).is_empty() {
            let text = "the network interface has no IPv4 address";
            return Err(self.ended(Code::UnassociatedComponent, component(end), text));
        }
        Ok(interface)
    }

    /// An internet gateway must be attached to a VPC.
    fn attached(&self, end: &End) -> Result<(), Explanation> {
        if vpc_of(self.topology, end).is_some() {
            return Ok(());
        }
        let text = "the internet gateway is not attached to a VPC: attach it";
        Err(self.ended(Code::UnassociatedComponent, component(end), text))
    }

    fn must_be_public(&self, end: &End, address: Ipv4Addr) -> Result<(), Explanation> {
        if is_public(address) {
            return Ok(());
        }
        let text =
            format!("{address} is not a public address, as those at an internet gateway are");
        Err(self.ended(Code::IgwExpectsPublicAddress, component(end), &text))
    }

    fn sources(&self, seams: &Seams) -> Result<Vec<Address>, Explanation> {
        let (end, given) = (&self.wanted.source, self.wanted.at_source.source);
        match end {
            End::Interface(id) => {
                let interface = self.interface(end, id)?;
                Ok(match given {
                    Some(address) => vec![Address::one(address)],
                    None => addresses(interface).iter().map(|it| Address::one(it.0)).collect(),
                })
            }
            End::InternetGateway(_) => {
                self.attached(end)?;
                match given {
                    Some(address) => {
                        self.must_be_public(end, address)?;
                        Ok(vec![Address::one(address)])
                    }
                    None => Ok(internet(seams)),
                }
            }
            End::Endpoint(_) => Ok(Vec::new()),
        }
    }

    fn destinations(&self, seams: &Seams) -> Result<Vec<Address>, Explanation> {
        let wanted = self.wanted;
        let from_internet = matches!(wanted.source, End::InternetGateway(_));
        if let Some(end) = &wanted.destination {
            match end {
                End::Interface(id) => drop(self.interface(end, id)?),
                End::InternetGateway(_) => self.attached(end)?,
                End::Endpoint(id) if self.topology.endpoints.contains_key(id) => {}
                End::Endpoint(_) => return Err(self.missing(end)),
            }
        }
        if let Some(address) = wanted.at_source.destination {
            if from_internet {
                self.must_be_public(&wanted.source, address)?;
            }
            return Ok(vec![Address::one(address)]);
        }
        let Some(end) = &wanted.destination else { return Ok(Vec::new()) };
        let arriving = wanted.at_destination.destination;
        match end {
            End::Interface(id) => {
                let own = addresses(self.interface(end, id)?);
                Ok(of_interface(&own, from_internet, arriving))
            }
            End::InternetGateway(_) => match arriving {
                Some(address) => {
                    self.must_be_public(end, address)?;
                    Ok(vec![Address::one(address)])
                }
                None => Ok(internet(seams)),
            },
            End::Endpoint(id) => Ok(self.of_endpoint(seams, id, from_internet, arriving)),
        }
    }

    fn of_endpoint(
        &self,
        seams: &Seams,
        id: &str,
        from_internet: bool,
        arriving: Option<Ipv4Addr>,
    ) -> Vec<Address> {
        match self.topology.endpoints.get(id).map(|endpoint| &endpoint.kind) {
            Some(EndpointKind::Interface { interfaces, .. }) => {
                let own: Vec<_> = interfaces
                    .iter()
                    .filter_map(|id| self.topology.interfaces.get(id))
                    .flat_map(addresses)
                    .collect();
                of_interface(&own, from_internet, arriving)
            }
            Some(EndpointKind::Gateway { prefix_list }) => match arriving {
                Some(address) => vec![Address::one(address)],
                None => {
                    let list = self.topology.prefix_lists.get(prefix_list);
                    let blocks = list.into_iter().flat_map(|list| &list.blocks);
                    let v4 = blocks.filter_map(|block| match block {
                        IpNet::V4(block) => Some(seams.addresses(*block, &[])),
                        IpNet::V6(_) => None,
                    });
                    v4.flatten().collect()
                }
            },
            None => Vec::new(),
        }
    }

    /// Where the rules that a packet between the ends may meet tell addresses and ports apart:
    /// those of the ends' security groups, and of what forwards; all network ACLs and routes.
    fn seams(&self) -> Seams {
        let mut seams = Seams::default();
        for block in not_public() {
            seams.block(block.into());
        }
        for filter in [self.wanted.at_source, self.wanted.at_destination] {
            for ports in [filter.source_ports, filter.destination_ports].into_iter().flatten() {
                seams.ports(i32::from(ports.first), i32::from(ports.last));
            }
        }
        // What endpoints and resolvers answer.
        seams.ports(443, 443);
        seams.ports(53, 53);
        for vpc in self.topology.vpcs.values() {
            vpc.blocks.iter().for_each(|block| seams.block(*block));
        }
        for acl in self.topology.network_acls.values() {
            for entry in acl.ingress.iter().chain(&acl.egress) {
                seams.block(entry.block);
                seams.ports(entry.from, entry.to);
            }
        }
        for table in self.topology.route_tables.values() {
            for route in &table.routes {
                match &route.destination {
                    Destination::Block(block) => seams.block(*block),
                    Destination::PrefixList(id) => self.list(&mut seams, id),
                }
            }
        }
        for (id, interface) in &self.topology.interfaces {
            let public = interface.addresses.iter().filter_map(|it| it.public);
            public.for_each(|it| seams.block(Ipv4Net::from(it).into()));
            if self.may_filter(id, interface) {
                for rule in self.rules(interface) {
                    seams.ports(rule.from, rule.to);
                    match &rule.peer {
                        Peer::V4(block) => seams.block((*block).into()),
                        Peer::PrefixList(id) => self.list(&mut seams, id),
                        Peer::V6(_) | Peer::Group(_) => {}
                    }
                }
            }
        }
        seams
    }

    fn list(&self, seams: &mut Seams, id: &str) {
        let list = self.topology.prefix_lists.get(id);
        list.into_iter().flat_map(|list| &list.blocks).for_each(|block| seams.block(*block));
    }

    /// Whether a packet between the ends may come by the interface's security groups.
    fn may_filter(&self, id: &str, interface: &Interface) -> bool {
        let is = |end: &End| match end {
            End::Interface(other) => other == id,
            End::Endpoint(endpoint) => {
                interface.role == crate::topology::Role::Endpoint(endpoint.clone())
            }
            End::InternetGateway(_) => false,
        };
        let at = self.wanted.at_source.destination.map(IpAddr::V4).is_some_and(|address| {
            self.walker.holder(&interface.vpc, address) == Some(id)
                || self.walker.public_holder(address).is_some_and(|(holder, _)| holder == id)
        });
        !interface.source_dest_check
            || at
            || is(&self.wanted.source)
            || self.wanted.destination.as_ref().is_some_and(is)
    }

    fn rules<'r>(&'r self, interface: &'r Interface) -> impl Iterator<Item = &'r Rule> {
        let groups = interface.groups.iter().filter_map(|id| self.topology.security_groups.get(id));
        groups.flat_map(|group| group.ingress.iter().chain(&group.egress)).map(|it| &it.rule)
    }
}

/// The addresses by which an interface is reached: from the internet its public ones.
fn of_interface(
    own: &[(Ipv4Addr, Option<Ipv4Addr>)],
    from_internet: bool,
    arriving: Option<Ipv4Addr>,
) -> Vec<Address> {
    let fits = own.iter().filter(|(private, _)| arriving.is_none_or(|it| it == *private));
    let mut fitting: Vec<_> = fits.copied().collect();
    if fitting.is_empty() {
        // It has no such address: that is found out where it arrives.
        fitting = own.to_vec();
    }
    let public: Vec<Ipv4Addr> =
        fitting.iter().filter_map(|(_, public)| *public).filter(|_| from_internet).collect();
    if public.is_empty() {
        return fitting.iter().map(|(private, _)| Address::one(*private)).collect();
    }
    public.into_iter().map(Address::one).collect()
}

/// The classes of all addresses that the internet has.
fn internet(seams: &Seams) -> Vec<Address> {
    let Ok(all) = Ipv4Net::new(Ipv4Addr::UNSPECIFIED, 0) else { return Vec::new() };
    seams.addresses(all, &not_public())
}
