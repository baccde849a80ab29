//! Whether any packet gets from one component to another: VPC Reachability Analyzer's question,
//! answered by packet walks.
//!
//! Addresses and ports that are not given may be any. The rules of a network tell addresses and
//! ports apart only at the ends of their ranges, so that one of each class between them ([`classes`])
//! stands for all. Rules: Reachability Analyzer guide, "How Reachability Analyzer works" and
//! "Explanation codes".

pub(crate) mod classes;
mod ends;

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

use crate::security_group::Packet;
use crate::walk::{
    Code, Component, Direction, Explanation, Header, Hop, Payload, Ports, Question, Receiver,
    Source, Stopped, Walk, Walker,
};
use classes::Address;
use ends::Ends;

/// How many walks one search makes at most. What is not found by then counts as not decided.
const MAX_WALKS: usize = 20_000;

/// One end of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// `eni-…`.
    Interface(String),
    /// `igw-…`: whatever the internet sends or takes there.
    InternetGateway(String),
    /// `vpce-…`.
    Endpoint(String),
}

/// What a packet must be like at one end. What is not given may be anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Its source address.
    pub source: Option<Ipv4Addr>,
    /// Its source port is one of these.
    pub source_ports: Option<Ports>,
    /// Its destination address.
    pub destination: Option<Ipv4Addr>,
    /// Its destination port is one of these.
    pub destination_ports: Option<Ports>,
}

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Who sends.
    pub source: End,
    /// Who takes it; without one, whoever has the destination address at the source.
    pub destination: Option<End>,
    /// TCP or UDP, by its number.
    pub protocol: u8,
    /// The packet as it leaves the source.
    pub at_source: Filter,
    /// The packet as it arrives.
    pub at_destination: Filter,
    /// By what it must come.
    pub through: Vec<Component>,
    /// By what it must not come.
    pub around: Vec<Component>,
}

impl Wanted {
    /// A way for one packet, to whoever takes it. `None` for what no path is about: other protocols
    /// than TCP and UDP, and IPv6. `gateway` is where a packet from the internet comes in.
    #[must_use]
    pub fn packet(question: &Question, gateway: &str) -> Option<Self> {
        let v4 = |address: IpAddr| match address {
            IpAddr::V4(it) => Some(it),
            IpAddr::V6(_) => None,
        };
        let Packet::Port { protocol, port } = question.packet else { return None };
        let source = match &question.source {
            Source::Interface { id, .. } => End::Interface(id.clone()),
            Source::Internet { .. } => End::InternetGateway(gateway.to_owned()),
        };
        let at_source = Filter {
            source: Some(v4(question.source.address())?),
            source_ports: Some(Ports::one(question.source_port)),
            destination: Some(v4(question.destination)?),
            destination_ports: Some(Ports::one(port)),
        };
        Some(Self {
            source,
            destination: None,
            protocol,
            at_source,
            at_destination: Filter::default(),
            through: Vec::new(),
            around: Vec::new(),
        })
    }
}

/// A packet that was walked, and all those for which it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The packet.
    pub question: Question,
    /// Its way.
    pub walk: Walk,
    /// The source addresses that go the same way.
    pub sources: Vec<Ipv4Net>,
    /// The destination addresses.
    pub destinations: Vec<Ipv4Net>,
    /// The source ports.
    pub source_ports: Vec<Ports>,
    /// The destination ports.
    pub destination_ports: Vec<Ports>,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// The shortest way, if one was found, or the way that came furthest.
    pub attempt: Option<Attempt>,
    /// Why there is none; nothing where one was found.
    pub explanation: Option<Explanation>,
    /// Other components through which there is a way as well: NAT gateways and peering connections.
    pub hints: Vec<Component>,
    /// Whether there were more classes of packets than could be tried.
    pub exhausted: bool,
}

impl Search {
    /// Whether there is a way.
    #[must_use]
    pub fn found(&self) -> bool {
        self.explanation.is_none()
    }

    fn ended(explanation: Explanation) -> Self {
        Self { attempt: None, explanation: Some(explanation), hints: Vec::new(), exhausted: false }
    }
}

/// Looks for a way.
#[must_use]
pub fn search(walker: &Walker, wanted: &Wanted) -> Search {
    let ends = match Ends::of(walker, wanted) {
        Ok(ends) => ends,
        Err(explanation) => return Search::ended(explanation),
    };
    let mut seeker = Seeker { walker, wanted, walks: 0 };
    let mut found: Vec<Tried> = Vec::new();
    let mut lost: Option<Tried> = None;
    for (from, source) in ends.sources.iter().enumerate() {
        for (to, destination) in ends.destinations.iter().enumerate() {
            let Some(tried) = seeker.any_port(&ends, (from, source), (to, destination)) else {
                continue;
            };
            if tried.explanation.is_none() {
                found.push(tried);
            } else if lost.as_ref().is_none_or(|other| tried.progress() > other.progress()) {
                lost = Some(tried);
            }
        }
    }
    let hops = |it: &Tried| it.walk.forward.len() + it.walk.back.len();
    let Some(best) = found.iter().min_by_key(|it| (hops(it), it.from, it.to)) else {
        let exhausted = seeker.is_spent();
        let Some(lost) = lost else {
            let text = "there is no packet that fits the addresses and ports";
            let ended = Search::ended(ends.nothing(Code::NoPath, text));
            return Search { exhausted, ..ended };
        };
        if let Some(explanation) = ends.disconnected(walker, wanted) {
            return Search { exhausted, ..Search::ended(explanation) };
        }
        let attempt = Some(seeker.widened(&ends, &lost));
        return Search { attempt, explanation: lost.explanation, hints: Vec::new(), exhausted };
    };
    let attempt = seeker.widened(&ends, best);
    let hints = hints(&attempt.walk, &found);
    Search { attempt: Some(attempt), explanation: None, hints, exhausted: false }
}

/// Components of other ways that the shortest one does not have.
fn hints(walk: &Walk, found: &[Tried]) -> Vec<Component> {
    let mut hints = Vec::new();
    for hop in found.iter().flat_map(|it| &it.walk.forward) {
        let between =
            matches!(hop.component, Component::NatGateway(_) | Component::VpcPeeringConnection(_));
        let own = walk.forward.iter().any(|it| it.component == hop.component);
        if between && !own && !hints.contains(&hop.component) {
            hints.push(hop.component.clone());
        }
    }
    hints
}

/// A walk of one packet.
struct Tried {
    /// Which of the sources, destinations, source ports and destination ports.
    from: usize,
    to: usize,
    source_port: usize,
    port: usize,
    question: Question,
    walk: Walk,
    explanation: Option<Explanation>,
}

impl Tried {
    /// How far it came.
    fn progress(&self) -> (bool, usize, usize) {
        (self.walk.receiver.is_some(), self.walk.forward.len(), self.walk.back.len())
    }
}

struct Seeker<'a> {
    walker: &'a Walker,
    wanted: &'a Wanted,
    walks: usize,
}

impl Seeker<'_> {
    fn is_spent(&self) -> bool {
        self.walks >= MAX_WALKS
    }

    /// Tries ports between two addresses: the first that gets through, or the one that came
    /// furthest. `None` where there are no ports to try, or no walks left.
    fn any_port(
        &mut self,
        ends: &Ends,
        (from, source): (usize, &Address),
        (to, destination): (usize, &Address),
    ) -> Option<Tried> {
        let mut best: Option<Tried> = None;
        for (port, ports) in ends.ports.iter().enumerate() {
            let mut other_port = false;
            for (source_port, source_ports) in ends.source_ports.iter().enumerate() {
                if self.is_spent() {
                    return best;
                }
                self.walks += 1;
                let at = (source.any, destination.any);
                let question = self.question(at, source_ports.first, ports.first);
                let (walk, explanation) = self.walk(&question);
                let ended = explanation.as_ref().map(|it| (it.code, it.direction));
                let tried = Tried { from, to, source_port, port, question, walk, explanation };
                let Some((code, direction)) = ended else { return Some(tried) };
                if best.as_ref().is_none_or(|other| tried.progress() > other.progress()) {
                    best = Some(tried);
                }
                // On the way there nothing looks at the source port.
                let of_arrival = code == Code::FilterAtDestinationSourcePortRange;
                other_port = direction == Direction::Forward && tells_ports_apart(code);
                let other_source_port =
                    direction == Direction::Return && tells_ports_apart(code) || of_arrival;
                if !other_source_port {
                    break;
                }
            }
            if !other_port {
                break;
            }
        }
        best
    }

    fn question(&self, at: (Ipv4Addr, Ipv4Addr), source_port: u16, port: u16) -> Question {
        let address = IpAddr::V4(at.0);
        Question {
            source: match &self.wanted.source {
                End::Interface(id) => Source::Interface { id: id.clone(), address },
                End::InternetGateway(_) | End::Endpoint(_) => Source::Internet { address },
            },
            destination: IpAddr::V4(at.1),
            packet: Packet::Port { protocol: self.wanted.protocol, port },
            source_port,
        }
    }

    /// Walks a packet, and says why it does not count, if it does not.
    fn walk(&self, question: &Question) -> (Walk, Option<Explanation>) {
        let walk = self.walker.walk(question);
        let mut explanation = walk.explanation.clone().or_else(|| self.misses(question, &walk));
        if let Some(it) = &mut explanation
            && let Component::Internet(_) = it.component
            && let Some(gateway) = self.gateway()
        {
            // What the walk has on the internet, a path has at its gateway.
            it.component = Component::InternetGateway(gateway.to_owned());
        }
        (walk, explanation)
    }

    /// The internet gateway at one of the ends.
    fn gateway(&self) -> Option<&str> {
        let ends = [Some(&self.wanted.source), self.wanted.destination.as_ref()];
        ends.into_iter().flatten().find_map(|end| match end {
            End::InternetGateway(id) => Some(id.as_str()),
            End::Interface(_) | End::Endpoint(_) => None,
        })
    }

    /// Why a packet that arrives somewhere is not what was looked for.
    fn misses(&self, question: &Question, walk: &Walk) -> Option<Explanation> {
        let wanted = self.wanted;
        let receiver = walk.receiver.as_ref()?;
        let last = || walk.forward.last().map(|hop| hop.component.clone());
        let explain = |code, component: Option<Component>, text: &str| {
            let component =
                component.or_else(last).unwrap_or(Component::Internet(question.destination));
            Some(of_header(walk.header, code, component, text))
        };
        let by_gateway = walk.forward.iter().find_map(|hop| match &hop.component {
            Component::InternetGateway(id) => Some(id),
            _ => None,
        });
        if let End::InternetGateway(id) = &wanted.source {
            if by_gateway != Some(id) {
                let text = "what the internet sends there comes in by another internet gateway";
                return explain(Code::NoPath, Some(Component::InternetGateway(id.clone())), text);
            }
        } else if let (Some(id), false) =
            (by_gateway, matches!(receiver, Receiver::Internet { .. }))
        {
            let text = "the way leads out by the internet gateway and in again: look for a way to the gateway, and for one from there";
            return explain(
                Code::IgwNatReflection,
                Some(Component::InternetGateway(id.clone())),
                text,
            );
        }
        let arrived = match (&wanted.destination, receiver) {
            (None, _) => true,
            (Some(End::Interface(id)), Receiver::NetworkInterface { id: at }) => id == at,
            (Some(End::Interface(id)), Receiver::InterfaceEndpoint { interface, .. }) => {
                id == interface
            }
            (
                Some(End::Endpoint(id)),
                Receiver::InterfaceEndpoint { id: at, .. } | Receiver::GatewayEndpoint { id: at },
            ) => id == at,
            (Some(End::InternetGateway(id)), Receiver::Internet { .. }) => by_gateway == Some(id),
            _ => false,
        };
        if !arrived {
            let code = if wanted.at_source.destination.is_some() {
                Code::FilterAtSourceDestinationAddress
            } else {
                Code::NoPath
            };
            let text = "what is sent there arrives at somebody else than the destination";
            return explain(code, None, text);
        }
        let vpc_of = |hop: &Hop| {
            let subnet = self.walker.topology().subnets.get(hop.subnet.as_ref()?)?;
            Some(subnet.vpc.clone())
        };
        let by = |component: &Component| {
            walk.forward.iter().chain(&walk.back).any(|hop| match component {
                Component::Subnet(id) => hop.subnet.as_ref() == Some(id),
                Component::Vpc(id) => vpc_of(hop).as_ref() == Some(id),
                other => hop.component == *other,
            })
        };
        if let Some(component) = wanted.around.iter().find(|it| by(it)) {
            let code = Code::ComponentFilterRestrictionRemovedComponent;
            return explain(code, Some(component.clone()), "the way comes by what is left out");
        }
        if let Some(component) = wanted.through.iter().find(|it| !by(it)) {
            let code = Code::ComponentFilterRestriction;
            return explain(code, Some(component.clone()), "the way does not come by it");
        }
        let code = filtered(wanted.at_destination, walk.header)?;
        explain(code, None, "the packet arrives with another header")
    }

    /// The attempt with all addresses and ports that go the same way, or are lost in the same place.
    fn widened(&self, ends: &Ends, best: &Tried) -> Attempt {
        let at = |list: &[Address], index: usize| list.get(index).map(|it| it.any);
        let here = (
            at(&ends.sources, best.from).unwrap_or(Ipv4Addr::UNSPECIFIED),
            at(&ends.destinations, best.to).unwrap_or(Ipv4Addr::UNSPECIFIED),
        );
        let first = |list: &[Ports], index: usize| list.get(index).map_or(0, |it| it.first);
        let (source_port, port) =
            (first(&ends.source_ports, best.source_port), first(&ends.ports, best.port));
        let ended =
            |it: &Option<Explanation>| it.as_ref().map(|it| (it.code, it.component.clone()));
        let how = ended(&best.explanation);
        let same = |addresses, source_port, port| {
            let question = self.question(addresses, source_port, port);
            let (walk, explanation) = self.walk(&question);
            ended(&explanation) == how && same_way(&walk, &best.walk)
        };
        let sources: Vec<&Address> =
            ends.sources.iter().filter(|it| same((it.any, here.1), source_port, port)).collect();
        let destinations: Vec<&Address> = ends
            .destinations
            .iter()
            .filter(|it| same((here.0, it.any), source_port, port))
            .collect();
        let source_ports =
            ends.source_ports.iter().copied().filter(|it| same(here, it.first, port)).collect();
        let ports =
            ends.ports.iter().copied().filter(|it| same(here, source_port, it.first)).collect();
        Attempt {
            question: best.question.clone(),
            walk: best.walk.clone(),
            sources: classes::blocks(&sources),
            destinations: classes::blocks(&destinations),
            source_ports: classes::joined(source_ports),
            destination_ports: classes::joined(ports),
        }
    }
}

/// Whether two packets come by the same rules of the same components.
fn same_way(one: &Walk, other: &Walk) -> bool {
    let same = |one: &[Hop], other: &[Hop]| {
        one.len() == other.len()
            && one.iter().zip(other).all(|(one, other)| {
                let on_internet = |hop: &Hop| matches!(hop.component, Component::Internet(_));
                one.matched == other.matched
                    && (one.component == other.component || on_internet(one) && on_internet(other))
            })
    };
    same(&one.forward, &other.forward) && same(&one.back, &other.back)
}

/// Whether what a code is about looks at ports, so that another port may get through.
fn tells_ports_apart(code: Code) -> bool {
    matches!(
        code,
        Code::EniSgRulesMismatch
            | Code::SgReferencesNotPreserved
            | Code::SubnetAclRestriction
            | Code::ProtocolRestriction
            // By ports alone one is told from another receiver: the resolver takes port 53.
            | Code::FilterAtDestinationDestinationPortRange
            | Code::FilterAtDestinationSourcePortRange
    )
}

/// Why a header is not what a filter at the destination lets through.
fn filtered(filter: Filter, header: Header) -> Option<Code> {
    let other =
        |wanted: Option<Ipv4Addr>, is: IpAddr| wanted.is_some_and(|it| IpAddr::V4(it) != is);
    if other(filter.source, header.source) {
        return Some(Code::FilterAtDestinationSourceAddress);
    }
    if other(filter.destination, header.destination) {
        return Some(Code::FilterAtDestinationDestinationAddress);
    }
    let Payload::Ports { source, destination, .. } = header.payload else { return None };
    let apart = |wanted: Option<Ports>, is: Ports| {
        wanted.is_some_and(|it| it.last < is.first || is.last < it.first)
    };
    if apart(filter.source_ports, source) {
        return Some(Code::FilterAtDestinationSourcePortRange);
    }
    apart(filter.destination_ports, destination)
        .then_some(Code::FilterAtDestinationDestinationPortRange)
}

fn of_header(header: Header, code: Code, component: Component, text: &str) -> Explanation {
    Explanation {
        code,
        direction: Direction::Forward,
        component,
        related: Vec::new(),
        text: text.to_owned(),
        stopped: Box::new(Stopped { header, egress: None, entry: None }),
    }
}

#[cfg(test)]
mod tests;
