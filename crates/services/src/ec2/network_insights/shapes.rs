//! Paths and analyses as answers show them.

use sagegate_api::ec2::{
    AlternatePathHint, AnalysisAclRule, AnalysisComponent, AnalysisPacketHeader,
    AnalysisRouteTableRoute, AnalysisSecurityGroupRule, AnalysisStatus, Explanation,
    FilterPortRange, NetworkInsightsAnalysis, NetworkInsightsPath, PathComponent, PathFilter,
    PortRange, Protocol,
};
use sagegate_gate::Scope;
use sagegate_network::security_group::UDP;

use super::records::{
    AclRule, Finding, GroupRule, Head, InsightsAnalysis, InsightsPath, Named, Obstacle, Outcome,
    PacketFilter, Role, Route, Rule, Step,
};
use crate::ec2::kind::Kind;
use crate::ec2::tags::{self, Tags};

pub(super) fn protocol(path: &InsightsPath) -> Protocol {
    if path.protocol == UDP { Protocol::Udp } else { Protocol::Tcp }
}

pub(super) fn path(scope: &Scope, path: &InsightsPath, tags: &Tags) -> NetworkInsightsPath {
    let arn = |id: &String| Kind::of_id(id).map(|kind| kind.arn(scope, id));
    NetworkInsightsPath {
        network_insights_path_id: Some(path.id.clone()),
        network_insights_path_arn: Some(Kind::NetworkInsightsPath.arn(scope, &path.id)),
        created_date: Some(path.created.into()),
        source: Some(path.source.clone()),
        destination: path.destination.clone(),
        source_arn: arn(&path.source),
        destination_arn: path.destination.as_ref().and_then(arn),
        source_ip: path.source_ip.map(|it| it.to_string()),
        destination_ip: path.destination_ip.map(|it| it.to_string()),
        protocol: Some(protocol(path)),
        destination_port: path.destination_port.map(Into::into),
        tags: Some(tags::shape(tags)),
        filter_at_source: path.at_source.as_ref().map(filter),
        filter_at_destination: path.at_destination.as_ref().map(filter),
    }
}

fn filter(of: &PacketFilter) -> PathFilter {
    let ports = |range: Option<(u16, u16)>| {
        range.map(|(from, to)| FilterPortRange {
            from_port: Some(from.into()),
            to_port: Some(to.into()),
        })
    };
    PathFilter {
        source_address: of.source.map(|it| it.to_string()),
        source_port_range: ports(of.source_ports),
        destination_address: of.destination.map(|it| it.to_string()),
        destination_port_range: ports(of.destination_ports),
    }
}

/// An analysis when it is started.
pub(super) fn started(
    scope: &Scope,
    analysis: &InsightsAnalysis,
    tags: &Tags,
) -> NetworkInsightsAnalysis {
    let arns = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    let arn = Kind::NetworkInsightsAnalysis.arn(scope, &analysis.id);
    NetworkInsightsAnalysis {
        network_insights_analysis_id: Some(analysis.id.clone()),
        network_insights_analysis_arn: Some(arn),
        network_insights_path_id: Some(analysis.path.clone()),
        filter_in_arns: arns(&analysis.through),
        filter_out_arns: arns(&analysis.around),
        start_date: Some(analysis.started.into()),
        status: Some(AnalysisStatus::Running),
        tags: Some(tags::shape(tags)),
        ..NetworkInsightsAnalysis::default()
    }
}

/// An analysis with what it found.
pub(super) fn analysis(
    scope: &Scope,
    analysis: &InsightsAnalysis,
    tags: &Tags,
) -> NetworkInsightsAnalysis {
    let mut shown = started(scope, analysis, tags);
    match &analysis.outcome {
        Outcome::Failed(reason) => {
            shown.status = Some(AnalysisStatus::Failed);
            shown.status_message = Some(reason.clone());
        }
        Outcome::Succeeded(finding) => {
            let Finding { found, forward, back, obstacle, hints } = &**finding;
            shown.status = Some(AnalysisStatus::Succeeded);
            shown.network_path_found = Some(*found);
            let steps = |steps: &[Step]| (!steps.is_empty()).then(|| path_components(steps));
            shown.forward_path_components = steps(forward);
            shown.return_path_components = steps(back);
            shown.explanations = obstacle.as_ref().map(|it| vec![explanation(it)]);
            let hints: Vec<AlternatePathHint> = hints
                .iter()
                .map(|it| AlternatePathHint {
                    component_id: Some(it.id.clone()),
                    component_arn: Some(it.arn.clone()),
                })
                .collect();
            shown.alternate_path_hints = (!hints.is_empty()).then_some(hints);
        }
    }
    shown
}

fn component(of: &Named) -> AnalysisComponent {
    AnalysisComponent { id: Some(of.id.clone()), arn: Some(of.arn.clone()), name: of.name.clone() }
}

fn path_components(steps: &[Step]) -> Vec<PathComponent> {
    let shown = (1..).zip(steps).map(|(number, step)| {
        let mut shown = PathComponent {
            sequence_number: Some(number),
            attached_to: step.attached_to.as_ref().map(component),
            component: Some(component(&step.component)),
            inbound_header: step.inbound.as_ref().map(header),
            outbound_header: step.outbound.as_ref().map(header),
            subnet: step.subnet.as_ref().map(component),
            vpc: step.vpc.as_ref().map(component),
            ..PathComponent::default()
        };
        match &step.rule {
            Some(Rule::Group(rule)) => shown.security_group_rule = Some(group_rule(rule)),
            Some(Rule::Acl(rule)) => shown.acl_rule = Some(acl_rule(rule)),
            Some(Rule::Route(it)) => shown.route_table_route = Some(route(it)),
            None => {}
        }
        shown
    });
    shown.collect()
}

fn range(from: i32, to: i32) -> PortRange {
    PortRange { from: Some(from), to: Some(to) }
}

fn header(of: &Head) -> AnalysisPacketHeader {
    let ports = |list: &[(u16, u16)]| {
        list.iter().map(|(from, to)| range(i32::from(*from), i32::from(*to))).collect()
    };
    AnalysisPacketHeader {
        destination_addresses: Some(of.destinations.clone()),
        destination_port_ranges: Some(ports(&of.destination_ports)),
        protocol: Some(of.protocol.to_string()),
        source_addresses: Some(of.sources.clone()),
        source_port_ranges: Some(ports(&of.source_ports)),
    }
}

fn group_rule(of: &GroupRule) -> AnalysisSecurityGroupRule {
    AnalysisSecurityGroupRule {
        cidr: of.cidr.clone(),
        direction: Some(direction(of.egress)),
        security_group_id: of.group.clone(),
        port_range: of.ports.map(|(from, to)| range(from, to)),
        prefix_list_id: of.prefix_list.clone(),
        protocol: Some(of.protocol.clone()),
    }
}

fn direction(egress: bool) -> String {
    if egress { "egress" } else { "ingress" }.to_owned()
}

fn acl_rule(of: &AclRule) -> AnalysisAclRule {
    AnalysisAclRule {
        cidr: Some(of.cidr.clone()),
        egress: Some(of.egress),
        port_range: of.ports.map(|(from, to)| range(from, to)),
        protocol: Some(of.protocol.clone()),
        rule_action: Some(if of.allow { "allow" } else { "deny" }.to_owned()),
        rule_number: Some(of.number.into()),
    }
}

/// Origin and state are written as the guide's examples have them.
fn route(of: &Route) -> AnalysisRouteTableRoute {
    let mut shown = AnalysisRouteTableRoute {
        destination_cidr: of.cidr.clone(),
        destination_prefix_list_id: of.prefix_list.clone(),
        origin: Some(
            if of.target == "local" { "createroutetable" } else { "createroute" }.to_owned(),
        ),
        state: Some(if of.active { "active" } else { "blackhole" }.to_owned()),
        ..AnalysisRouteTableRoute::default()
    };
    let target = Some(of.target.clone());
    match of.target.split('-').next() {
        Some("eigw") => shown.egress_only_internet_gateway_id = target,
        Some("nat") => shown.nat_gateway_id = target,
        Some("eni") => shown.network_interface_id = target,
        Some("pcx") => shown.vpc_peering_connection_id = target,
        _ => shown.gateway_id = target,
    }
    shown
}

fn explanation(of: &Obstacle) -> Explanation {
    let mut shown = Explanation {
        explanation_code: Some(of.code.clone()),
        direction: of.egress.map(direction),
        address: of.address.map(|it| it.to_string()),
        port: of.port.map(Into::into),
        protocols: of.protocol.clone().map(|it| vec![it]),
        missing_component: of.missing.clone(),
        ..Explanation::default()
    };
    match &of.rule {
        Some(Rule::Group(rule)) => shown.security_group_rule = Some(group_rule(rule)),
        Some(Rule::Acl(rule)) => shown.acl_rule = Some(acl_rule(rule)),
        Some(Rule::Route(it)) => shown.route_table_route = Some(route(it)),
        None => {}
    }
    for (role, named) in &of.named {
        let one = component(named);
        let member = match role {
            Role::Component => &mut shown.component,
            Role::Acl => &mut shown.acl,
            Role::Destination => &mut shown.destination,
            Role::DestinationVpc => &mut shown.destination_vpc,
            Role::InternetGateway => &mut shown.internet_gateway,
            Role::NatGateway => &mut shown.nat_gateway,
            Role::NetworkInterface => &mut shown.network_interface,
            Role::Peering => &mut shown.vpc_peering_connection,
            Role::RouteTable => &mut shown.route_table,
            Role::SecurityGroup => {
                shown.security_groups.get_or_insert_default().push(one);
                continue;
            }
            Role::SourceVpc => &mut shown.source_vpc,
            Role::Subnet => &mut shown.subnet,
            Role::Vpc => &mut shown.vpc,
            Role::VpcEndpoint => &mut shown.vpc_endpoint,
        };
        *member = Some(one);
    }
    shown
}
