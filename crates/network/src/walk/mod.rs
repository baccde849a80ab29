//! The packet walk: whether a packet gets from here to there and its answer back, by which
//! components, and if not, where and why it ends.
//!
//! Rules: Amazon VPC User Guide ("Route tables", "Internet gateways", "NAT gateways", "Network
//! ACLs", "Security groups", "DNS attributes"), VPC Peering Guide ("VPC peering limitations"), AWS
//! PrivateLink Guide ("Gateway endpoints"); reasons are the explanation codes of the Reachability
//! Analyzer guide. Where these are silent, nothing gets through.
//!
//! Security groups, NAT gateways and internet gateways remember the connection; network ACLs and
//! routes do not, so that the answer is walked as well.

mod explain;
mod filter;
mod gateway;
mod header;
mod hop;
mod tables;
mod trace;

use std::net::IpAddr;
use std::sync::Arc;

pub use header::{Header, Payload, Ports};
pub use hop::{Code, Component, Direction, Explanation, Hop, Matched, Receiver, Stopped, Walk};

use crate::arrival::{Arrival, EndpointArrival};
use crate::search::classes::{Seams, joined};
use crate::security_group::Packet;
use crate::topology::{EndpointKind, Role, Topology};
use hop::Code::{
    NoSourceOrDestination, ProtocolRestriction, UnknownResource, UnsupportedComponent,
};
use tables::Tables;
use trace::{Memory, Trace};

/// Who sends a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A network interface.
    Interface {
        /// `eni-…`.
        id: String,
        /// The address that it sends from.
        address: IpAddr,
    },
    /// A host on the internet.
    Internet {
        /// Its address.
        address: IpAddr,
    },
}

impl Source {
    /// The address that the packet is sent from.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        match self {
            Self::Interface { address, .. } | Self::Internet { address } => *address,
        }
    }
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who sends.
    pub source: Source,
    /// To which address.
    pub destination: IpAddr,
    /// What.
    pub packet: Packet,
    /// From which port, for TCP and UDP: network ACLs see it in the answer.
    pub source_port: u16,
}

/// Answers questions about one topology.
#[derive(Debug)]
pub struct Walker {
    tables: Tables,
}

impl Walker {
    /// Makes the topology ready.
    #[must_use]
    pub fn new(topology: impl Into<Arc<Topology>>) -> Self {
        Self { tables: Tables::new(topology.into()) }
    }

    /// The topology.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.tables.topology
    }

    /// The interface of the VPC that has a private or IPv6 address.
    #[must_use]
    pub fn holder(&self, vpc: &str, address: IpAddr) -> Option<&str> {
        self.tables.holder(vpc, address)
    }

    /// Whether it is an address of the VPC's own resolver.
    #[must_use]
    pub fn is_resolver(&self, vpc: &str, address: IpAddr) -> bool {
        self.tables.is_resolver(vpc, address)
    }

    /// The interface, and the private address of it, that the internet reaches by an address.
    #[must_use]
    pub fn public_holder(&self, address: IpAddr) -> Option<(&str, IpAddr)> {
        let holder = self.tables.reached_by(address)?;
        Some((&holder.interface, holder.private))
    }

    /// Walks a packet and its answer.
    #[must_use]
    pub fn walk(&self, question: &Question) -> Walk {
        self.walk_from(question, Ports::one(question.source_port))
    }

    /// Walks what a client sends that takes any port of a range, whatever source port the question
    /// has: it gets through if it does from every one. Where it does from some only, these are in
    /// the list, and the walk tells what stops others.
    #[must_use]
    pub fn walk_of_client(&self, question: &Question, range: Ports) -> (Walk, Vec<Ports>) {
        let walk = self.walk_from(question, range);
        // On the way there nothing looks at the source port.
        let of_answer =
            walk.explanation.as_ref().is_some_and(|it| it.direction == Direction::Return);
        if !of_answer || !matches!(question.packet, Packet::Port { .. }) {
            return (walk, Vec::new());
        }
        let passing: Vec<Ports> = self
            .parts(range)
            .into_iter()
            .filter(|part| self.walk_from(question, *part).reached())
            .collect();
        match (joined(passing.clone()).as_slice(), passing.first()) {
            // No single rule lets all of them through, but several together do.
            ([all], Some(part)) if *all == range => (self.walk_from(question, *part), Vec::new()),
            (some, _) => (walk, some.to_vec()),
        }
    }

    /// The parts of a range of ports within which no rule tells one from another.
    fn parts(&self, range: Ports) -> Vec<Ports> {
        let mut seams = Seams::default();
        let topology = self.topology();
        for acl in topology.network_acls.values() {
            let entries = acl.ingress.iter().chain(&acl.egress);
            entries.for_each(|entry| seams.ports(entry.from, entry.to));
        }
        for group in topology.security_groups.values() {
            let rules = group.ingress.iter().chain(&group.egress);
            rules.for_each(|held| seams.ports(held.rule.from, held.rule.to));
        }
        seams.of_ports(range)
    }

    fn walk_from(&self, question: &Question, ports: Ports) -> Walk {
        let (header, wrong) = self.header(question, ports);
        let mut memory = Memory::default();
        let mut forward = Trace::new(&self.tables, &mut memory, Direction::Forward, header);
        if let Some((code, text)) = wrong {
            let component = self.origin(&question.source);
            let explanation = forward.explain(code, component, &[], text);
            return Walk {
                forward: Vec::new(),
                back: Vec::new(),
                receiver: None,
                header,
                explanation: Some(explanation),
            };
        }
        let outcome = forward.ask_from(&question.source);
        let (forward, header) = forward.finish();
        match outcome {
            Err(explanation) => Walk {
                forward,
                back: Vec::new(),
                receiver: None,
                header,
                explanation: Some(explanation),
            },
            Ok(receiver) => {
                let (back, explanation) = self.answer(question, &receiver, header, &mut memory);
                Walk { forward, back, receiver: Some(receiver), header, explanation }
            }
        }
    }

    fn answer<'w>(
        &'w self,
        question: &Question,
        receiver: &Receiver,
        header: Header,
        memory: &mut Memory<'w>,
    ) -> (Vec<Hop>, Option<Explanation>) {
        let Some(answer) = header.answer() else { return (Vec::new(), None) };
        let mut back = Trace::new(&self.tables, memory, Direction::Return, answer);
        let outcome = back.answer_from(question, receiver);
        let (hops, _) = back.finish();
        (hops, outcome.err())
    }

    fn origin(&self, source: &Source) -> Component {
        match source {
            Source::Interface { id, .. } => Component::NetworkInterface(id.clone()),
            Source::Internet { address } => Component::Internet(*address),
        }
    }

    /// The packet's first header, and what is wrong with the question, if something is.
    fn header(&self, question: &Question, ports: Ports) -> (Header, Option<(Code, String)>) {
        let source = question.source.address();
        let destination = question.destination;
        let read = Payload::of(question.packet, ports);
        let payload = read.unwrap_or(Payload::Other { protocol: question.packet.protocol() });
        let header = Header { source, destination, payload };
        let packet = question.packet;
        if read.is_none() {
            let text = format!(
                "{packet} is not a packet: ask for a port of TCP or UDP, a type and code of ICMP, or another protocol"
            );
            return (header, Some((ProtocolRestriction, text)));
        }
        if source.is_ipv4() != destination.is_ipv4() {
            let text = format!(
                "{source} and {destination} are of different versions of IP; give both in the same"
            );
            return (header, Some((NoSourceOrDestination, text)));
        }
        let v4_only = packet.protocol() == crate::security_group::ICMP && !source.is_ipv4();
        if v4_only || (packet.protocol() == crate::security_group::ICMPV6 && source.is_ipv4()) {
            let text = format!(
                "{packet} does not exist between {source} and {destination}: ICMP is of IPv4, ICMPv6 of IPv6"
            );
            return (header, Some((ProtocolRestriction, text)));
        }
        (header, self.wrong_source(&question.source))
    }

    fn wrong_source(&self, source: &Source) -> Option<(Code, String)> {
        let Source::Interface { id, .. } = source else { return None };
        let Some(interface) = self.tables.interface(id) else {
            return Some((UnknownResource, format!("there is no network interface {id}")));
        };
        match &interface.role {
            Role::Host | Role::Service => None,
            Role::Endpoint(endpoint) => Some((
                UnsupportedComponent,
                format!("{id} belongs to {endpoint}: an endpoint answers, it opens no connections"),
            )),
            Role::NatGateway(nat) => Some((
                UnsupportedComponent,
                format!(
                    "{id} belongs to {nat}: a NAT gateway sends nothing of its own; ask from an interface whose route leads to it"
                ),
            )),
        }
    }

    /// What the packet's arrival means for policies: through an endpoint with its VPC and the
    /// sender's private address, or from a public address. `None` where no request can arrive.
    ///
    /// A request through a gateway endpoint is of the subnet that it came from.
    #[must_use]
    pub fn arrival(&self, question: &Question, walk: &Walk, region: &str) -> Option<Arrival> {
        let id = match walk.receiver.as_ref()? {
            Receiver::Internet { .. } => {
                return Some(Arrival::Public { source_ip: walk.header.source });
            }
            Receiver::InterfaceEndpoint { id, .. } | Receiver::GatewayEndpoint { id } => id,
            Receiver::NetworkInterface { .. } | Receiver::Resolver { .. } => return None,
        };
        let endpoint = self.tables.endpoint(id)?;
        let interface = match (walk.receiver.as_ref()?, &endpoint.kind, &question.source) {
            (Receiver::InterfaceEndpoint { interface, .. }, EndpointKind::Interface { .. }, _) => {
                interface
            }
            (_, EndpointKind::Gateway { .. }, Source::Interface { id, .. }) => id,
            _ => return None,
        };
        Some(Arrival::Endpoint(EndpointArrival {
            vpc_endpoint_id: id.clone(),
            vpc_id: endpoint.vpc.clone(),
            subnet_id: self.tables.interface(interface)?.subnet.clone(),
            account: self.tables.vpc(&endpoint.vpc)?.account.clone(),
            region: region.to_owned(),
            vpc_source_ip: walk.header.source,
            service_name: endpoint.service.clone(),
        }))
    }
}
