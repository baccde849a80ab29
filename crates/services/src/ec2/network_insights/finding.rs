//! From a path to a finding: the search in the networks as they are, and what is kept of it.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use sagegate_gate::{Fault, Scope};
use sagegate_network::search::{self, Attempt, Filter, Wanted};
use sagegate_network::security_group::{Packet, Peer, Protocol};
use sagegate_network::topology::{self, Destination, Role as Belongs, Target, Topology};
use sagegate_network::walk::{
    Code, Component, Direction, Header, Hop, Matched, Payload, Ports, Walker,
};
use sagegate_store::{Read, StoreError};

use super::records::{
    AclRule, Finding, GroupRule, Head, InsightsAnalysis, InsightsPath, Named, PacketFilter, Route,
    Rule, Step,
};
use super::{ends, explain};
use crate::ec2::kind::Kind;
use crate::ec2::tags;

/// The component that an ARN is of, if it can be on a path.
pub(super) fn component(arn: &str) -> Option<Component> {
    let resource = arn.strip_prefix("arn:")?.splitn(5, ':').nth(4)?;
    let (name, id) = resource.split_once('/')?;
    let kind = Kind::of_id(id).filter(|kind| kind.name() == name && kind.check(id).is_ok())?;
    let id = id.to_owned();
    Some(match kind {
        Kind::Vpc => Component::Vpc(id),
        Kind::Subnet => Component::Subnet(id),
        Kind::SecurityGroup => Component::SecurityGroup(id),
        Kind::NetworkInterface => Component::NetworkInterface(id),
        Kind::VpcEndpoint => Component::VpcEndpoint(id),
        Kind::RouteTable => Component::RouteTable(id),
        Kind::InternetGateway => Component::InternetGateway(id),
        Kind::NatGateway => Component::NatGateway(id),
        Kind::NetworkAcl => Component::NetworkAcl(id),
        Kind::VpcPeeringConnection => Component::VpcPeeringConnection(id),
        _ => return None,
    })
}

/// Whether the networks have a component.
fn has(topology: &Topology, component: &Component) -> bool {
    match component {
        Component::Vpc(id) => topology.vpcs.contains_key(id),
        Component::Subnet(id) => topology.subnets.contains_key(id),
        Component::SecurityGroup(id) => topology.security_groups.contains_key(id),
        Component::NetworkInterface(id) => topology.interfaces.contains_key(id),
        Component::VpcEndpoint(id) => topology.endpoints.contains_key(id),
        Component::RouteTable(id) => topology.route_tables.contains_key(id),
        Component::InternetGateway(id) => {
            topology.vpcs.values().any(|vpc| vpc.internet_gateway.as_ref() == Some(id))
        }
        Component::NatGateway(id) => topology.nat_gateways.contains_key(id),
        Component::NetworkAcl(id) => topology.network_acls.contains_key(id),
        Component::VpcPeeringConnection(id) => topology.peerings.contains_key(id),
        Component::EgressOnlyInternetGateway(_)
        | Component::Resolver(_)
        | Component::Internet(_) => false,
    }
}

fn filter(of: &PacketFilter) -> Filter {
    let ports = |range: Option<(u16, u16)>| range.map(|(first, last)| Ports { first, last });
    Filter {
        source: of.source,
        source_ports: ports(of.source_ports),
        destination: of.destination,
        destination_ports: ports(of.destination_ports),
    }
}

/// What a path looks for. `None` where one of its ends is of no kind that can be an end.
fn wanted(path: &InsightsPath) -> Option<Wanted> {
    let destination = match &path.destination {
        Some(id) => Some(ends::of_id(id)?),
        None => None,
    };
    let at_source = path.at_source.as_ref().map_or_else(
        || Filter {
            source: path.source_ip,
            destination_ports: path.destination_port.map(Ports::one),
            ..Filter::default()
        },
        filter,
    );
    let at_destination = path
        .at_destination
        .as_ref()
        .map_or_else(|| Filter { destination: path.destination_ip, ..Filter::default() }, filter);
    Some(Wanted {
        source: ends::of_id(&path.source)?,
        destination,
        protocol: path.protocol,
        at_source,
        at_destination,
        through: Vec::new(),
        around: Vec::new(),
    })
}

/// Makes an analysis: what it finds, or the reason for which it fails. Reasons are of the guide,
/// "Troubleshooting Reachability Analyzer".
pub(super) fn of(
    state: &dyn Read,
    scope: &Scope,
    path: &InsightsPath,
    analysis: &InsightsAnalysis,
) -> Result<Result<Finding, String>, Fault> {
    let names = Names { state, scope };
    for end in [Some(&path.source), path.destination.as_ref()].into_iter().flatten() {
        if !ends::exists(state, scope, end)? {
            return Ok(Ok(explain::missing_end(&names, end)?));
        }
    }
    let walker = Walker::new(crate::ec2::topology(state, scope)?);
    let Some(mut wanted) = wanted(path) else {
        return Err(Fault::internal(format!("{} has an end that is none", path.id)));
    };
    for (arns, list) in
        [(&analysis.through, &mut wanted.through), (&analysis.around, &mut wanted.around)]
    {
        for arn in arns {
            let component = component(arn);
            let own = component
                .filter(|it| has(walker.topology(), it) && names.arn(&it.to_string()) == *arn);
            let Some(own) = own else {
                let reason = format!("The request failed due to missing component {arn}");
                return Ok(Err(reason));
            };
            list.push(own);
        }
    }
    let found = search::search(&walker, &wanted);
    if found.exhausted {
        return Ok(Err("The network configuration is not supported".to_owned()));
    }
    let shown = Shown { topology: walker.topology(), names: &names };
    let (mut forward, mut back) = (Vec::new(), Vec::new());
    if let Some(attempt) = &found.attempt {
        // A route that leads nowhere is the last thing that a lost packet comes by.
        let black_hole = found
            .explanation
            .as_ref()
            .is_some_and(|it| matches!(it.code, Code::BadStateRoute | Code::BadStateAttachment));
        let lost_forward = attempt.walk.receiver.is_none();
        forward = shown.steps(attempt, Direction::Forward, black_hole && lost_forward)?;
        back = shown.steps(attempt, Direction::Return, black_hole && !lost_forward)?;
    }
    let obstacle = found
        .explanation
        .as_ref()
        .map(|explanation| {
            let last = if back.is_empty() { forward.last() } else { back.last() };
            explain::obstacle(&shown, path, explanation, found.attempt.as_ref(), last)
        })
        .transpose()?;
    let hints = found.hints.iter().map(|it| names.of(&it.to_string()));
    Ok(Ok(Finding {
        found: obstacle.is_none(),
        hints: hints.collect::<Result<_, _>>()?,
        forward,
        back,
        obstacle,
    }))
}

/// Ids with what is said of them.
pub(super) struct Names<'a> {
    state: &'a dyn Read,
    scope: &'a Scope,
}

impl Names<'_> {
    pub(super) fn arn(&self, id: &str) -> String {
        Kind::of_id(id).map_or_else(String::new, |kind| kind.arn(self.scope, id))
    }

    pub(super) fn of(&self, id: &str) -> Result<Named, StoreError> {
        let name = tags::of(self.state, self.scope, id)?.remove("Name");
        Ok(Named { id: id.to_owned(), arn: self.arn(id), name })
    }
}

/// What is shown of the networks.
pub(super) struct Shown<'a> {
    pub(super) topology: &'a Topology,
    pub(super) names: &'a Names<'a>,
}

impl Shown<'_> {
    /// The components of a way.
    fn steps(
        &self,
        attempt: &Attempt,
        way: Direction,
        black_hole: bool,
    ) -> Result<Vec<Step>, StoreError> {
        let hops = match way {
            Direction::Forward => &attempt.walk.forward,
            Direction::Return => &attempt.walk.back,
        };
        // What is on the internet is no component.
        let hops: Vec<&Hop> =
            hops.iter().filter(|hop| !matches!(hop.component, Component::Internet(_))).collect();
        let mut steps = Vec::with_capacity(hops.len());
        for (at, hop) in hops.iter().enumerate() {
            let (first, last) = (at == 0, at + 1 == hops.len());
            let mut step = self.step(attempt, hop, !(black_hole && last))?;
            // Headers are at the ends, and where one is translated.
            let outbound = hop.outbound.unwrap_or(hop.inbound);
            let translated = hop.outbound.is_some();
            step.inbound = (translated || last && !first).then(|| head(attempt, way, hop.inbound));
            step.outbound = (translated || first).then(|| head(attempt, way, outbound));
            steps.push(step);
        }
        Ok(steps)
    }

    fn step(&self, attempt: &Attempt, hop: &Hop, active: bool) -> Result<Step, StoreError> {
        let id = match (&hop.component, &hop.matched) {
            // A group that had let the connection through shows without a rule.
            (Component::NetworkInterface(id), Some(Matched::Tracked)) => {
                self.tracking(attempt, id).unwrap_or_else(|| id.clone())
            }
            (Component::Resolver(vpc), _) => vpc.clone(),
            (component, _) => component.to_string(),
        };
        let is_filter =
            matches!(hop.component, Component::SecurityGroup(_) | Component::NetworkAcl(_))
                || matches!(hop.matched, Some(Matched::Tracked | Matched::Route(_)));
        let subnet = hop.subnet.as_ref().filter(|_| !is_filter);
        let vpc = match &hop.component {
            Component::InternetGateway(id) => self
                .topology
                .vpcs
                .iter()
                .find_map(|(vpc, it)| (it.internet_gateway.as_ref() == Some(id)).then_some(vpc)),
            Component::VpcEndpoint(id) => self.topology.endpoints.get(id).map(|it| &it.vpc),
            _ => subnet.and_then(|id| self.topology.subnets.get(id)).map(|it| &it.vpc),
        };
        let attached_to = match &hop.component {
            Component::NetworkInterface(id) if !is_filter => {
                self.topology.interfaces.get(id).and_then(|it| match &it.role {
                    Belongs::Endpoint(holder) | Belongs::NatGateway(holder) => Some(holder),
                    Belongs::Host | Belongs::Service => None,
                })
            }
            _ => None,
        };
        let named = |id: Option<&String>| id.map(|id| self.names.of(id)).transpose();
        Ok(Step {
            component: self.names.of(&id)?,
            attached_to: named(attached_to)?,
            subnet: named(subnet)?,
            vpc: named(vpc)?,
            inbound: None,
            outbound: None,
            rule: self.rule(hop, active),
        })
    }

    /// The group of an interface that had let the connection through.
    fn tracking(&self, attempt: &Attempt, interface: &str) -> Option<String> {
        let groups = &self.topology.interfaces.get(interface)?.groups;
        let asked = attempt.walk.forward.iter().find_map(|hop| match &hop.component {
            Component::SecurityGroup(id) if groups.contains(id) => Some(id.clone()),
            _ => None,
        });
        asked.or_else(|| groups.first().cloned())
    }

    fn rule(&self, hop: &Hop, active: bool) -> Option<Rule> {
        match (hop.matched.as_ref()?, &hop.component) {
            (Matched::GroupRule { id, egress }, Component::SecurityGroup(group)) => {
                self.group_rule(group, id, *egress).map(Rule::Group)
            }
            (Matched::AclEntry { number, egress }, Component::NetworkAcl(acl)) => {
                self.acl_rule(acl, *number, *egress).map(Rule::Acl)
            }
            (Matched::Route(it), _) => Some(Rule::Route(route(it, active))),
            _ => None,
        }
    }

    fn group_rule(&self, group: &str, id: &str, egress: bool) -> Option<GroupRule> {
        let group = self.topology.security_groups.get(group)?;
        let rules = if egress { &group.egress } else { &group.ingress };
        let rule = &rules.iter().find(|it| it.id == id)?.rule;
        let (mut cidr, mut other, mut prefix_list) = (None, None, None);
        match &rule.peer {
            Peer::V4(block) => cidr = Some(block.to_string()),
            Peer::V6(block) => cidr = Some(block.to_string()),
            Peer::Group(id) => other = Some(id.clone()),
            Peer::PrefixList(id) => prefix_list = Some(id.clone()),
        }
        Some(GroupRule {
            egress,
            protocol: protocol(rule.protocol),
            ports: rule.protocol.has_ports().then_some((rule.from, rule.to)),
            cidr,
            group: other,
            prefix_list,
        })
    }

    /// An entry of a network ACL; the last one denies all.
    pub(super) fn acl_rule(&self, acl: &str, number: u16, egress: bool) -> Option<AclRule> {
        let acl = self.topology.network_acls.get(acl)?;
        let entries = if egress { &acl.egress } else { &acl.ingress };
        let Some(entry) = entries.iter().find(|it| it.number == number) else {
            return Some(AclRule {
                egress,
                number,
                allow: false,
                protocol: protocol(Protocol::All),
                ports: None,
                cidr: "0.0.0.0/0".to_owned(),
            });
        };
        Some(AclRule {
            egress,
            number,
            allow: entry.allow,
            protocol: protocol(entry.protocol),
            ports: entry.protocol.has_ports().then_some((entry.from, entry.to)),
            cidr: entry.block.to_string(),
        })
    }
}

/// A protocol as paths show it: `all` for every one (Reachability Analyzer guide, "Getting started
/// with Reachability Analyzer using the AWS CLI").
fn protocol(of: Protocol) -> String {
    match of {
        Protocol::All => "all".to_owned(),
        one @ Protocol::Number(_) => one.to_string(),
    }
}

fn route(of: &topology::Route, active: bool) -> Route {
    let (cidr, prefix_list) = match &of.destination {
        Destination::Block(block) => (Some(block.to_string()), None),
        Destination::PrefixList(id) => (None, Some(id.clone())),
    };
    let target = match &of.target {
        Target::Local => "local".to_owned(),
        Target::InternetGateway(id)
        | Target::EgressOnlyInternetGateway(id)
        | Target::NatGateway(id)
        | Target::Peering(id)
        | Target::GatewayEndpoint(id)
        | Target::Interface(id) => id.clone(),
    };
    Route { cidr, prefix_list, target, active }
}

/// A header, with all that the tried packet stands for in the place of what it has.
fn head(attempt: &Attempt, way: Direction, header: Header) -> Head {
    let question = &attempt.question;
    let port = match question.packet {
        Packet::Port { port, .. } => port,
        Packet::Icmp { .. } | Packet::Other { .. } => 0,
    };
    let asker =
        (question.source.address(), &attempt.sources, question.source_port, &attempt.source_ports);
    let asked = (question.destination, &attempt.destinations, port, &attempt.destination_ports);
    let (from, to) = match way {
        Direction::Forward => (asker, asked),
        Direction::Return => (asked, asker),
    };
    let addresses = |is: IpAddr, (address, blocks, ..): (IpAddr, &Vec<Ipv4Net>, _, _)| {
        if is == address {
            blocks.iter().map(ToString::to_string).collect()
        } else {
            vec![IpNet::from(is).to_string()]
        }
    };
    let ports = |is: Ports, (_, _, port, class): (_, _, u16, &Vec<Ports>)| {
        let all = if is == Ports::one(port) { class.as_slice() } else { std::slice::from_ref(&is) };
        all.iter().map(|it| (it.first, it.last)).collect()
    };
    let (source_ports, destination_ports) = match header.payload {
        Payload::Ports { source, destination, .. } => (ports(source, from), ports(destination, to)),
        Payload::Icmp { .. } | Payload::Other { .. } => (Vec::new(), Vec::new()),
    };
    Head {
        protocol: header.payload.protocol(),
        sources: addresses(header.source, from),
        source_ports,
        destinations: addresses(header.destination, to),
        destination_ports,
    }
}
