//! The networks of a region at one moment: what a packet walk and the kernel's back end read.
//!
//! Plain data, made of what is stored by the EC2 service. Objects refer to each other by their ids;
//! what an id leads to may be missing (a route to a gateway that was deleted), and is then no way.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde::Serialize;

use crate::security_group::{Protocol, Rule};

/// Everything that decides whether a packet arrives. All maps are by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// `vpc-…`.
    pub vpcs: BTreeMap<String, Vpc>,
    /// `subnet-…`.
    pub subnets: BTreeMap<String, Subnet>,
    /// `eni-…`.
    pub interfaces: BTreeMap<String, Interface>,
    /// `sg-…`.
    pub security_groups: BTreeMap<String, SecurityGroup>,
    /// `acl-…`.
    pub network_acls: BTreeMap<String, NetworkAcl>,
    /// `rtb-…`.
    pub route_tables: BTreeMap<String, RouteTable>,
    /// `nat-…`.
    pub nat_gateways: BTreeMap<String, NatGateway>,
    /// `pcx-…`.
    pub peerings: BTreeMap<String, Peering>,
    /// `vpce-…`.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// `pl-…`.
    pub prefix_lists: BTreeMap<String, PrefixList>,
}

/// A VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vpc {
    /// The owner, twelve digits.
    pub account: String,
    /// Its associated blocks, IPv4 (the primary one first) and IPv6.
    pub blocks: Vec<IpNet>,
    /// `enableDnsSupport`.
    pub dns_support: bool,
    /// `enableDnsHostnames`.
    pub dns_hostnames: bool,
    /// The internet gateway that is attached, `igw-…`.
    pub internet_gateway: Option<String>,
    /// The egress-only internet gateways, `eigw-…`.
    pub egress_only_gateways: Vec<String>,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Its VPC.
    pub vpc: String,
    /// Its blocks: one of IPv4, and of IPv6 if it has one.
    pub blocks: Vec<IpNet>,
    /// The Availability Zone's name.
    pub zone: String,
    /// The route table that it is associated with, or the VPC's main one.
    pub route_table: String,
    /// Its network ACL.
    pub network_acl: String,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its VPC.
    pub vpc: String,
    /// Its subnet.
    pub subnet: String,
    /// Its private addresses, the primary one first.
    pub addresses: Vec<Address>,
    /// Its security groups.
    pub groups: Vec<String>,
    /// Whether it takes and sends only what is for or from itself.
    pub source_dest_check: bool,
    /// What it belongs to.
    pub role: Role,
}

/// A private address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address itself. IPv6 addresses are public themselves.
    pub private: IpAddr,
    /// The public IPv4 address that internet gateways put in its place.
    pub public: Option<Ipv4Addr>,
}

/// What a network interface belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Whoever uses it: code in a space, a notebook, a model, `sagegate exec`.
    Host,
    /// An interface endpoint, `vpce-…`.
    Endpoint(String),
    /// A NAT gateway, `nat-…`.
    NatGateway(String),
    /// A service that AWS runs behind it, such as a mount target of EFS.
    Service,
}

/// A security group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityGroup {
    /// Its VPC.
    pub vpc: String,
    /// What may enter.
    pub ingress: Vec<GroupRule>,
    /// What may leave.
    pub egress: Vec<GroupRule>,
}

/// A rule of a security group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRule {
    /// `sgr-…`.
    pub id: String,
    /// What it allows.
    pub rule: Rule,
}

/// A network ACL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkAcl {
    /// Its VPC.
    pub vpc: String,
    /// For what enters a subnet, in the order of their numbers.
    pub ingress: Vec<AclEntry>,
    /// For what leaves it, likewise.
    pub egress: Vec<AclEntry>,
}

/// An entry of a network ACL. What none matches is denied (entry `*`, 32767).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclEntry {
    /// 1 to 32766.
    pub number: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// The first destination port, or the ICMP type (-1: every type).
    pub from: i32,
    /// The last destination port, or the ICMP code (-1: every code).
    pub to: i32,
    /// The other side's block.
    pub block: IpNet,
    /// Whether it allows.
    pub allow: bool,
}

/// A route table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteTable {
    /// Its VPC.
    pub vpc: String,
    /// The routes, those to the VPC itself (`local`) among them.
    pub routes: Vec<Route>,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Route {
    /// Where to.
    pub destination: Destination,
    /// By which way.
    pub target: Target,
}

/// The destination of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Destination {
    /// A block of addresses.
    Block(IpNet),
    /// A prefix list's blocks, by its id.
    PrefixList(String),
}

/// The target of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Target {
    /// The VPC itself.
    Local,
    /// `igw-…`.
    InternetGateway(String),
    /// `eigw-…`.
    EgressOnlyInternetGateway(String),
    /// `nat-…`.
    NatGateway(String),
    /// `pcx-…`.
    Peering(String),
    /// A gateway endpoint, `vpce-…`.
    GatewayEndpoint(String),
    /// `eni-…`.
    Interface(String),
}

/// A NAT gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatGateway {
    /// Its VPC.
    pub vpc: String,
    /// Its subnet, whose route table and network ACL count for what it sends on.
    pub subnet: String,
    /// Its network interface.
    pub interface: String,
    /// Whether it is `available`.
    pub available: bool,
    /// Whether its connectivity is public; a private one translates to its private address.
    pub public: bool,
}

/// A VPC peering connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peering {
    /// The VPC that asked.
    pub requester: String,
    /// The VPC that accepted.
    pub accepter: String,
    /// Whether it is `active`.
    pub active: bool,
    /// Whether public names in the VPC that asked lead to private addresses from the other one
    /// (`AllowDnsResolutionFromRemoteVpc`).
    pub requester_names: bool,
    /// The same for names in the VPC that accepted.
    pub accepter_names: bool,
}

impl Peering {
    /// Whether a public name in the VPC `at` leads to a private address from the VPC `from`.
    #[must_use]
    pub fn names_reach(&self, from: &str, at: &str) -> bool {
        self.active
            && ((self.requester == at && self.accepter == from && self.requester_names)
                || (self.accepter == at && self.requester == from && self.accepter_names))
    }
}

/// A VPC endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its VPC.
    pub vpc: String,
    /// `com.amazonaws.<region>.…`.
    pub service: String,
    /// Whether it is `available`.
    pub available: bool,
    /// Of which type it is.
    pub kind: EndpointKind,
}

/// The type of a VPC endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointKind {
    /// With network interfaces in subnets.
    Interface {
        /// `eni-…`, one for each subnet.
        interfaces: Vec<String>,
        /// Whether the service's own name leads to it.
        private_dns: bool,
        /// All names that DNS has for it, with the interfaces that each leads to.
        names: Vec<(String, Vec<String>)>,
    },
    /// With routes to the service's prefix list.
    Gateway {
        /// `pl-…`.
        prefix_list: String,
    },
}

/// A prefix list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixList {
    /// `com.amazonaws.<region>.s3`, or what its owner called it.
    pub name: String,
    /// Its blocks.
    pub blocks: Vec<IpNet>,
    /// How many entries count in a security group's quota.
    pub max_entries: u32,
}
