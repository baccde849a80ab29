//! Reachability Analyzer: a site to ask about, and findings as text.

use std::fmt::Write as _;

use expect_test::Expect;
use sagegate_api::ec2 as api;

use super::nat::{nat, nat_input};
use super::routes::{gateway, interface, table};
use super::{group, house, subnet, vpc};
use crate::ec2::elastic_ip::AllocateAddress;
use crate::ec2::elastic_ip::association::AssociateAddress;
use crate::ec2::network_insights::analyses::{
    DescribeNetworkInsightsAnalyses, StartNetworkInsightsAnalysis,
};
use crate::ec2::network_insights::paths::CreateNetworkInsightsPath;
use crate::ec2::network_interface::CreateNetworkInterface;
use crate::ec2::route_table::associations::AssociateRouteTable;
use crate::ec2::route_table::routes::CreateRoute;
use crate::testing::House;

pub(super) fn path_input(
    source: &str,
    destination: &str,
    port: Option<i32>,
) -> api::CreateNetworkInsightsPathRequest {
    api::CreateNetworkInsightsPathRequest {
        source: source.into(),
        destination: Some(destination.into()),
        protocol: api::Protocol::Tcp,
        destination_port: port,
        client_token: format!("{source}-{destination}-{port:?}"),
        ..Default::default()
    }
}

pub(super) fn path(house: &House, input: api::CreateNetworkInsightsPathRequest) -> String {
    let made = house.ok::<CreateNetworkInsightsPath>(input).network_insights_path.unwrap();
    made.network_insights_path_id.unwrap()
}

pub(super) fn start_input(house: &House, path: &str) -> api::StartNetworkInsightsAnalysisRequest {
    api::StartNetworkInsightsAnalysisRequest {
        network_insights_path_id: path.into(),
        client_token: house.gate.env().uuid(),
        ..Default::default()
    }
}

pub(super) fn described(house: &House, id: &str) -> api::NetworkInsightsAnalysis {
    let input = api::DescribeNetworkInsightsAnalysesRequest {
        network_insights_analysis_ids: Some(vec![id.into()]),
        ..Default::default()
    };
    let found = house.ok::<DescribeNetworkInsightsAnalyses>(input);
    found.network_insights_analyses.unwrap().remove(0)
}

/// Starts an analysis, and reads what it found.
pub(super) fn analysis(
    house: &House,
    input: api::StartNetworkInsightsAnalysisRequest,
) -> api::NetworkInsightsAnalysis {
    let started = house.ok::<StartNetworkInsightsAnalysis>(input).network_insights_analysis;
    let started = started.unwrap();
    assert_eq!(started.status, Some(api::AnalysisStatus::Running));
    assert_eq!(started.network_path_found, None);
    described(house, &started.network_insights_analysis_id.unwrap())
}

/// A VPC with a public and a private subnet, an interface in each, and ways out.
pub(super) struct Site {
    pub(super) house: House,
    pub(super) vpc: String,
    pub(super) public: String,
    pub(super) private: String,
    pub(super) gateway: String,
    pub(super) public_table: String,
    pub(super) private_table: String,
    pub(super) nat: String,
    pub(super) web: String,
    pub(super) web_group: String,
    pub(super) app: String,
}

pub(super) fn route(
    table: &str,
    gateway: Option<&str>,
    nat: Option<&str>,
) -> api::CreateRouteRequest {
    api::CreateRouteRequest {
        route_table_id: table.into(),
        destination_cidr_block: Some("0.0.0.0/0".into()),
        gateway_id: gateway.map(Into::into),
        nat_gateway_id: nat.map(Into::into),
        ..Default::default()
    }
}

impl Site {
    pub(super) fn new() -> Self {
        let house = house();
        let vpc = vpc(&house, "10.0.0.0/16");
        let public = subnet(&house, &vpc, "10.0.0.0/24", "a");
        let private = subnet(&house, &vpc, "10.0.1.0/24", "b");
        let gateway = gateway(&house, &vpc);
        let (public_table, private_table) = (table(&house, &vpc), table(&house, &vpc));
        for (table, subnet) in [(&public_table, &public), (&private_table, &private)] {
            house.ok::<AssociateRouteTable>(api::AssociateRouteTableRequest {
                route_table_id: table.clone(),
                subnet_id: Some(subnet.clone()),
                ..Default::default()
            });
        }
        house.ok::<CreateRoute>(route(&public_table, Some(&gateway), None));
        let allocate = || house.ok::<AllocateAddress>(Default::default()).allocation_id.unwrap();
        let made = nat(&house, nat_input(&public, Some(&allocate())));
        let nat = made.nat_gateway_id.unwrap();
        house.ok::<CreateRoute>(route(&private_table, None, Some(&nat)));
        let web_group = group(&house, &vpc, "web");
        let web = house.ok::<CreateNetworkInterface>(api::CreateNetworkInterfaceRequest {
            subnet_id: public.clone(),
            groups: Some(vec![web_group.clone()]),
            ..Default::default()
        });
        let web = web.network_interface.unwrap().network_interface_id.unwrap();
        house.ok::<AssociateAddress>(api::AssociateAddressRequest {
            allocation_id: Some(allocate()),
            network_interface_id: Some(web.clone()),
            ..Default::default()
        });
        let app = interface(&house, &private);
        Self {
            house,
            vpc,
            public,
            private,
            gateway,
            public_table,
            private_table,
            nat,
            web,
            web_group,
            app,
        }
    }

    /// A finding as text, with names in the place of ids.
    pub(super) fn told(&self, analysis: &api::NetworkInsightsAnalysis) -> String {
        let mut text = tell(analysis);
        let names = [
            (&self.vpc, "VPC"),
            (&self.public, "PUBLIC"),
            (&self.private, "PRIVATE"),
            (&self.gateway, "IGW"),
            (&self.public_table, "PUBLIC-TABLE"),
            (&self.private_table, "PRIVATE-TABLE"),
            (&self.nat, "NAT"),
            (&self.web, "WEB"),
            (&self.web_group, "WEB-GROUP"),
            (&self.app, "APP"),
        ];
        for (id, name) in names {
            text = text.replace(id.as_str(), name);
        }
        // Public addresses are given out by dice.
        text = replaced(&text, "198.51.100.", '/', "PUBLIC-ADDRESS/");
        // The ACL and group that every VPC has, and what is made for a test.
        for prefix in ["acl", "sg", "eni", "vpce", "rtb"] {
            let name = prefix.to_uppercase();
            let begin = format!("{prefix}-0");
            let mut parts = text.split(&begin).map(str::to_owned);
            let first = parts.next().unwrap_or_default();
            let rest: String = parts
                .map(|part| format!("{name}{}", part.chars().skip(16).collect::<String>()))
                .collect();
            text = first + &rest;
        }
        text
    }

    pub(super) fn check(&self, input: api::CreateNetworkInsightsPathRequest, expected: Expect) {
        let path = path(&self.house, input);
        let found = analysis(&self.house, start_input(&self.house, &path));
        expected.assert_eq(&self.told(&found));
    }
}

/// A text with all that begins with `from` and goes on to `end` replaced.
fn replaced(text: &str, from: &str, end: char, by: &str) -> String {
    let mut parts = text.split(from);
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once(end).map_or("", |(_, rest)| rest));
    rest.fold(first, |text, rest| text + by + rest)
}

fn id(component: Option<&api::AnalysisComponent>) -> String {
    let component = component.unwrap();
    let id = component.id.clone().unwrap();
    assert!(component.arn.as_ref().unwrap().ends_with(&format!("/{id}")), "{component:?}");
    match &component.name {
        Some(name) => format!("{id} ({name})"),
        None => id,
    }
}

fn ports(list: Option<&Vec<api::PortRange>>) -> String {
    let range = |it: &api::PortRange| format!("{}-{}", it.from.unwrap(), it.to.unwrap());
    list.unwrap().iter().map(range).collect::<Vec<_>>().join(",")
}

fn header(of: &api::AnalysisPacketHeader) -> String {
    let some = |list: &Option<Vec<String>>| match list.as_ref().unwrap().as_slice() {
        [first, .., last] => format!("{first}…{last}"),
        one => one.concat(),
    };
    format!(
        "{} {}:{}>{}:{}",
        of.protocol.as_ref().unwrap(),
        some(&of.source_addresses),
        ports(of.source_port_ranges.as_ref()),
        some(&of.destination_addresses),
        ports(of.destination_port_ranges.as_ref())
    )
}

fn rules(
    group: Option<&api::AnalysisSecurityGroupRule>,
    acl: Option<&api::AnalysisAclRule>,
    route: Option<&api::AnalysisRouteTableRoute>,
) -> String {
    let mut text = String::new();
    if let Some(it) = group {
        let peers = [&it.cidr, &it.security_group_id, &it.prefix_list_id];
        let peer = peers.into_iter().flatten().next().unwrap();
        let port = it.port_range.as_ref().map(|it| ports(Some(&vec![it.clone()])));
        let _ = write!(
            text,
            " [{} {} {} {peer}]",
            it.direction.as_ref().unwrap(),
            it.protocol.as_ref().unwrap(),
            port.unwrap_or_default()
        );
    }
    if let Some(it) = acl {
        let way = if it.egress.unwrap() { "egress" } else { "ingress" };
        let (number, action) = (it.rule_number.unwrap(), it.rule_action.as_ref().unwrap());
        let (protocol, cidr) = (it.protocol.as_ref().unwrap(), it.cidr.as_ref().unwrap());
        let _ = write!(text, " [{way} {number} {action} {protocol} {cidr}]");
    }
    if let Some(it) = route {
        let to = it.destination_cidr.as_ref().or(it.destination_prefix_list_id.as_ref()).unwrap();
        let by = [&it.gateway_id, &it.nat_gateway_id, &it.network_interface_id];
        let by = by.into_iter().flatten().next().unwrap();
        let (origin, state) = (it.origin.as_ref().unwrap(), it.state.as_ref().unwrap());
        let _ = write!(text, " [{to} > {by} {origin} {state}]");
    }
    text
}

pub(super) fn tell(analysis: &api::NetworkInsightsAnalysis) -> String {
    let mut text = format!("{}", analysis.status.unwrap());
    if let Some(message) = &analysis.status_message {
        let _ = write!(text, ": {message}");
    }
    if let Some(found) = analysis.network_path_found {
        let _ = write!(text, ", found: {found}");
    }
    for (name, steps) in [
        ("forward", &analysis.forward_path_components),
        ("return", &analysis.return_path_components),
    ] {
        let Some(steps) = steps else { continue };
        let _ = write!(text, "\n{name}");
        for (at, step) in steps.iter().enumerate() {
            assert_eq!(step.sequence_number, Some(i32::try_from(at + 1).unwrap()));
            let _ = write!(text, "\n  {}", id(step.component.as_ref()));
            let (group, acl) = (step.security_group_rule.as_ref(), step.acl_rule.as_ref());
            text += &rules(group, acl, step.route_table_route.as_ref());
            for (name, component) in
                [("of", &step.attached_to), ("in", &step.subnet), ("in", &step.vpc)]
            {
                if component.is_some() {
                    let _ = write!(text, " {name} {}", id(component.as_ref()));
                }
            }
            for (name, of) in [("<", &step.inbound_header), (">", &step.outbound_header)] {
                if let Some(of) = of {
                    let _ = write!(text, "\n      {name} {}", header(of));
                }
            }
        }
    }
    for it in analysis.explanations.iter().flatten() {
        let _ = write!(text, "\n{}", it.explanation_code.as_ref().unwrap());
        for (name, text_of) in
            [("", &it.direction), ("address ", &it.address), ("missing ", &it.missing_component)]
        {
            if let Some(of) = text_of {
                let _ = write!(text, " {name}{of}");
            }
        }
        for protocol in it.protocols.iter().flatten() {
            let _ = write!(text, " {protocol}");
        }
        if let Some(port) = it.port {
            let _ = write!(text, " port {port}");
        }
        let (group, acl) = (it.security_group_rule.as_ref(), it.acl_rule.as_ref());
        text += &rules(group, acl, it.route_table_route.as_ref());
        for (name, component) in [
            ("component", &it.component),
            ("acl", &it.acl),
            ("destination", &it.destination),
            ("internet gateway", &it.internet_gateway),
            ("NAT gateway", &it.nat_gateway),
            ("interface", &it.network_interface),
            ("route table", &it.route_table),
            ("endpoint", &it.vpc_endpoint),
            ("subnet", &it.subnet),
            ("source VPC", &it.source_vpc),
            ("destination VPC", &it.destination_vpc),
            ("VPC", &it.vpc),
        ] {
            if component.is_some() {
                let _ = write!(text, "\n  {name} {}", id(component.as_ref()));
            }
        }
        for group in it.security_groups.iter().flatten() {
            let _ = write!(text, "\n  group {}", id(Some(group)));
        }
    }
    text
}
