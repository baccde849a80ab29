//! What is stored of paths and analyses. A finding holds all that is shown of it, names and rules
//! included: what it is about may change or go.

use std::net::Ipv4Addr;

use sagegate_gate::env::Time;
use sagegate_store::{Record, Table};
use serde::{Deserialize, Serialize};

use crate::ec2::kind::Kind;
use crate::ec2::records::{Key, Resource};

impl Record for InsightsPath {}

impl Resource for InsightsPath {
    const KIND: Kind = Kind::NetworkInsightsPath;
    const TABLE: Table<Key, Self> = Table::new("ec2.network-insights-path");

    fn id(&self) -> &str {
        &self.id
    }
}

impl Record for InsightsAnalysis {}

impl Resource for InsightsAnalysis {
    const KIND: Kind = Kind::NetworkInsightsAnalysis;
    const TABLE: Table<Key, Self> = Table::new("ec2.network-insights-analysis");

    fn id(&self) -> &str {
        &self.id
    }
}

/// A path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InsightsPath {
    /// `nip-…`.
    pub(crate) id: String,
    /// The source's id.
    pub(crate) source: String,
    /// The destination's id; without one, whoever has the address at the source.
    pub(crate) destination: Option<String>,
    /// TCP or UDP, by its number.
    pub(crate) protocol: u8,
    pub(crate) source_ip: Option<Ipv4Addr>,
    pub(crate) destination_ip: Option<Ipv4Addr>,
    pub(crate) destination_port: Option<u16>,
    pub(crate) at_source: Option<PacketFilter>,
    pub(crate) at_destination: Option<PacketFilter>,
    pub(crate) created: Time,
    /// The key of its row in `TOKENS`.
    pub(crate) token: Option<String>,
}

/// What a packet must be like at one end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PacketFilter {
    pub(crate) source: Option<Ipv4Addr>,
    pub(crate) source_ports: Option<(u16, u16)>,
    pub(crate) destination: Option<Ipv4Addr>,
    pub(crate) destination_ports: Option<(u16, u16)>,
}

/// An analysis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InsightsAnalysis {
    /// `nia-…`.
    pub(crate) id: String,
    /// The path's id.
    pub(crate) path: String,
    /// The ARNs of what the way must come by.
    pub(crate) through: Vec<String>,
    /// The ARNs of what it must not come by.
    pub(crate) around: Vec<String>,
    pub(crate) started: Time,
    pub(crate) outcome: Outcome,
    /// The key of its row in `TOKENS`.
    pub(crate) token: Option<String>,
}

/// What became of an analysis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// It could not be made, for this reason.
    Failed(String),
    Succeeded(Box<Finding>),
}

/// What an analysis found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub(crate) found: bool,
    /// The way there, as far as it goes.
    pub(crate) forward: Vec<Step>,
    /// The way back, as far as it goes.
    pub(crate) back: Vec<Step>,
    /// What is in the way.
    pub(crate) obstacle: Option<Obstacle>,
    /// What else there is a way through.
    pub(crate) hints: Vec<Named>,
}

/// A component as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Named {
    pub(crate) id: String,
    pub(crate) arn: String,
    /// Its tag `Name`.
    pub(crate) name: Option<String>,
}

/// A component on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) component: Named,
    pub(crate) attached_to: Option<Named>,
    pub(crate) subnet: Option<Named>,
    pub(crate) vpc: Option<Named>,
    pub(crate) inbound: Option<Head>,
    pub(crate) outbound: Option<Head>,
    pub(crate) rule: Option<Rule>,
}

/// What of a component decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Rule {
    Group(GroupRule),
    Acl(AclRule),
    Route(Route),
}

/// A rule of a security group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupRule {
    pub(crate) egress: bool,
    /// As AWS writes it here, `all` among them.
    pub(crate) protocol: String,
    pub(crate) ports: Option<(i32, i32)>,
    pub(crate) cidr: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) prefix_list: Option<String>,
}

/// An entry of a network ACL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AclRule {
    pub(crate) egress: bool,
    pub(crate) number: u16,
    pub(crate) allow: bool,
    pub(crate) protocol: String,
    pub(crate) ports: Option<(i32, i32)>,
    pub(crate) cidr: String,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Route {
    pub(crate) cidr: Option<String>,
    pub(crate) prefix_list: Option<String>,
    /// `local` for the VPC itself.
    pub(crate) target: String,
    /// Whether its target is there.
    pub(crate) active: bool,
}

/// A packet's header. Of what may be anything, all that goes the same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) protocol: u8,
    pub(crate) sources: Vec<String>,
    pub(crate) source_ports: Vec<(u16, u16)>,
    pub(crate) destinations: Vec<String>,
    pub(crate) destination_ports: Vec<(u16, u16)>,
}

/// Why a path is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Obstacle {
    /// An explanation code.
    pub(crate) code: String,
    /// Each component that it names, under the member of AWS's `Explanation` that it is in.
    pub(crate) named: Vec<(Role, Named)>,
    /// Of filters, whether it is about what leaves.
    pub(crate) egress: Option<bool>,
    pub(crate) rule: Option<Rule>,
    /// The other side's address.
    pub(crate) address: Option<Ipv4Addr>,
    pub(crate) port: Option<u16>,
    pub(crate) protocol: Option<String>,
    /// What is not there.
    pub(crate) missing: Option<String>,
}

/// What a component is to an obstacle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    Component,
    Acl,
    Destination,
    DestinationVpc,
    InternetGateway,
    NatGateway,
    NetworkInterface,
    Peering,
    RouteTable,
    SecurityGroup,
    SourceVpc,
    Subnet,
    Vpc,
    VpcEndpoint,
}
