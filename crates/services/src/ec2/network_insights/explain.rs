//! What is in the way, as AWS's `Explanation` has it: the code, and the components that are concerned
//! under the members that are for their kinds.

use std::net::IpAddr;

use ipnet::Ipv4Net;
use sagegate_network::search::Attempt;
use sagegate_network::security_group::Protocol;
use sagegate_network::walk::{Code, Component, Direction, Explanation, Payload, Ports};
use sagegate_store::StoreError;

use super::finding::{Names, Shown};
use super::records::{Finding, InsightsPath, Obstacle, Role, Rule, Step};

/// The finding about a path of which an end is gone.
pub(super) fn missing_end(names: &Names<'_>, end: &str) -> Result<Finding, StoreError> {
    let obstacle = Obstacle {
        code: Code::NoSourceOrDestination.as_str().to_owned(),
        named: vec![(Role::Component, names.of(end)?)],
        egress: None,
        rule: None,
        address: None,
        port: None,
        protocol: None,
        missing: Some(end.to_owned()),
    };
    Ok(Finding {
        found: false,
        forward: Vec::new(),
        back: Vec::new(),
        obstacle: Some(obstacle),
        hints: Vec::new(),
    })
}

/// What stands in the way. `last` is what the packet came by last.
pub(super) fn obstacle(
    shown: &Shown<'_>,
    path: &InsightsPath,
    explanation: &Explanation,
    attempt: Option<&Attempt>,
    last: Option<&Step>,
) -> Result<Obstacle, StoreError> {
    let code = explanation.code;
    let mut roles = roles(shown, explanation);
    if let (Code::NoRouteToDestination, Some(destination)) = (code, &path.destination) {
        roles.push((Role::Destination, destination.clone()));
    }
    let named = roles.into_iter().map(|(role, id)| Ok((role, shown.names.of(&id)?)));
    let stopped = &explanation.stopped;
    let entry = match (&explanation.component, stopped.entry, stopped.egress) {
        (Component::NetworkAcl(id), Some(number), Some(egress)) => {
            shown.acl_rule(id, number, egress).map(Rule::Acl)
        }
        _ => None,
    };
    let routed = last.and_then(|step| step.rule.clone()).filter(|rule| {
        matches!(rule, Rule::Route(_)) && !matches!(code, Code::NoRouteToDestination)
    });
    let header = stopped.header;
    let of_source = match stopped.egress {
        Some(egress) => !egress,
        None => matches!(
            code,
            Code::IgwPublicIpAssociationForEgress
                | Code::IgwSourceAddressNotInRfc1918Ingress
                | Code::IgwSourceAddressNotInRfc6598Ingress
                | Code::GatewayRejectsSpoofedTraffic
                | Code::NgwRequiresSourceInVpc
                | Code::NgwSourceAddressReassign
                | Code::VpceGatewayEgressSourceAddressRestriction
        ),
    };
    let filters = matches!(
        code,
        Code::EniSgRulesMismatch
            | Code::SgHasNoRules
            | Code::SgReferencesNotPreserved
            | Code::SubnetAclRestriction
            | Code::ProtocolRestriction
            | Code::VpceGatewayProtocolRestriction
    );
    let port = match header.payload {
        Payload::Ports { destination, .. } if destination.first == destination.last => {
            Some(destination.first)
        }
        _ => None,
    };
    let address = if of_source { header.source } else { header.destination };
    Ok(Obstacle {
        code: code.as_str().to_owned(),
        named: named.collect::<Result<_, StoreError>>()?,
        egress: stopped.egress,
        rule: entry.or(routed),
        address: exact_address(attempt, address),
        port: port.filter(|port| filters && is_exact_port(attempt, explanation.direction, *port)),
        protocol: filters.then(|| Protocol::Number(header.payload.protocol()).to_string()),
        missing: None,
    })
}

/// An address, unless it only stands for many.
fn exact_address(attempt: Option<&Attempt>, address: IpAddr) -> Option<std::net::Ipv4Addr> {
    let IpAddr::V4(own) = address else { return None };
    let attempt = attempt?;
    let alone = |blocks: &[Ipv4Net]| blocks == [Ipv4Net::from(own)];
    let is_class = address == attempt.question.source.address() && !alone(&attempt.sources)
        || address == attempt.question.destination && !alone(&attempt.destinations);
    (!is_class).then_some(own)
}

/// Whether the destination port of what goes this way does not only stand for many.
fn is_exact_port(attempt: Option<&Attempt>, way: Direction, port: u16) -> bool {
    let class = attempt.map(|it| match way {
        Direction::Forward => &it.destination_ports,
        Direction::Return => &it.source_ports,
    });
    class.is_some_and(|class| *class == [Ports::one(port)])
}

/// Which components are concerned, and as what.
fn roles(shown: &Shown<'_>, explanation: &Explanation) -> Vec<(Role, String)> {
    let code = explanation.code;
    let id = explanation.component.to_string();
    let mut roles = Vec::new();
    if code == Code::DisconnectedVpcs {
        roles.push((Role::SourceVpc, id));
        roles.extend(explanation.related.iter().map(|it| (Role::DestinationVpc, it.to_string())));
        return roles;
    }
    // What has a member of its own for these codes is there alone.
    let own_member = matches!(
        code,
        Code::EniSgRulesMismatch
            | Code::SgHasNoRules
            | Code::SgReferencesNotPreserved
            | Code::SubnetAclRestriction
            | Code::NoRouteToDestination
    );
    if !own_member
        && !matches!(explanation.component, Component::Internet(_) | Component::Resolver(_))
    {
        roles.push((Role::Component, id));
    }
    for component in std::iter::once(&explanation.component).chain(&explanation.related) {
        let (role, id) = match component {
            Component::NetworkInterface(id) => (Role::NetworkInterface, id),
            Component::SecurityGroup(id) => (Role::SecurityGroup, id),
            Component::NetworkAcl(id) => (Role::Acl, id),
            Component::Subnet(id) => (Role::Subnet, id),
            Component::RouteTable(id) => (Role::RouteTable, id),
            Component::InternetGateway(id) => (Role::InternetGateway, id),
            Component::NatGateway(id) => (Role::NatGateway, id),
            Component::VpcPeeringConnection(id) => (Role::Peering, id),
            Component::VpcEndpoint(id) => (Role::VpcEndpoint, id),
            Component::Vpc(id) | Component::Resolver(id) => (Role::Vpc, id),
            Component::EgressOnlyInternetGateway(_) | Component::Internet(_) => continue,
        };
        roles.push((role, id.clone()));
    }
    if !roles.iter().any(|(role, _)| *role == Role::Vpc)
        && let Some(vpc) = vpc_of(shown, &explanation.component)
    {
        roles.push((Role::Vpc, vpc));
    }
    roles
}

/// The VPC that a component is in.
fn vpc_of(shown: &Shown<'_>, component: &Component) -> Option<String> {
    let topology = shown.topology;
    let vpc = match component {
        Component::NetworkInterface(id) => &topology.interfaces.get(id)?.vpc,
        Component::NetworkAcl(id) => &topology.network_acls.get(id)?.vpc,
        Component::RouteTable(id) => &topology.route_tables.get(id)?.vpc,
        Component::Subnet(id) => &topology.subnets.get(id)?.vpc,
        Component::NatGateway(id) => &topology.nat_gateways.get(id)?.vpc,
        Component::VpcEndpoint(id) => &topology.endpoints.get(id)?.vpc,
        Component::InternetGateway(id) => {
            let attached =
                |it: &sagegate_network::topology::Vpc| it.internet_gateway.as_ref() == Some(id);
            topology.vpcs.iter().find(|(_, it)| attached(it))?.0
        }
        _ => return None,
    };
    Some(vpc.clone())
}
