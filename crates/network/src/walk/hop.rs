//! What a walk consists of: components, hops, and why one ended.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use super::header::Header;
use crate::topology::Route;

/// Something that a packet comes by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "Kind", content = "Id")]
pub enum Component {
    /// `eni-…`.
    NetworkInterface(String),
    /// `sg-…`.
    SecurityGroup(String),
    /// `acl-…`.
    NetworkAcl(String),
    /// `subnet-…`.
    Subnet(String),
    /// `rtb-…`.
    RouteTable(String),
    /// `igw-…`.
    InternetGateway(String),
    /// `eigw-…`.
    EgressOnlyInternetGateway(String),
    /// `nat-…`.
    NatGateway(String),
    /// `pcx-…`.
    VpcPeeringConnection(String),
    /// `vpce-…`.
    VpcEndpoint(String),
    /// `vpc-…`.
    Vpc(String),
    /// The resolver of a VPC.
    Resolver(String),
    /// An address on the internet.
    Internet(IpAddr),
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NetworkInterface(id)
            | Self::SecurityGroup(id)
            | Self::NetworkAcl(id)
            | Self::Subnet(id)
            | Self::RouteTable(id)
            | Self::InternetGateway(id)
            | Self::EgressOnlyInternetGateway(id)
            | Self::NatGateway(id)
            | Self::VpcPeeringConnection(id)
            | Self::VpcEndpoint(id)
            | Self::Vpc(id) => f.write_str(id),
            Self::Resolver(vpc) => write!(f, "the resolver of {vpc}"),
            Self::Internet(address) => write!(f, "{address} on the internet"),
        }
    }
}

/// What let a packet through, or sent it on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all_fields = "PascalCase")]
pub enum Matched {
    /// A rule of a security group.
    GroupRule {
        /// `sgr-…`.
        id: String,
        /// Whether it is one for what leaves.
        egress: bool,
    },
    /// No rule: the security groups had let the connection through before.
    Tracked,
    /// An entry of a network ACL.
    AclEntry {
        /// Its number.
        number: u16,
        /// Whether it is one for what leaves the subnet.
        egress: bool,
    },
    /// A route.
    Route(Route),
}

/// One component that the packet came by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Hop {
    /// Which.
    pub component: Component,
    /// The subnet that it is in or judges for, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
    /// What of it decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched: Option<Matched>,
    /// The header as it came.
    pub inbound: Header,
    /// The header as it left, where it was translated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outbound: Option<Header>,
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Direction {
    /// From the one that asks.
    Forward,
    /// The answer.
    Return,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a packet does not arrive: codes of VPC Reachability Analyzer (Reachability Analyzer
        /// guide, "Explanation codes").
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Code {
            /// The code as AWS writes it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// No rule of the interface's security groups allows it.
    EniSgRulesMismatch = "ENI_SG_RULES_MISMATCH",
    /// The interface's security groups have no rule at all in this direction.
    SgHasNoRules = "SG_HAS_NO_RULES",
    /// A rule names a security group, but the packet no longer shows the private address of one of
    /// its interfaces.
    SgReferencesNotPreserved = "SG_REFERENCES_NOT_PRESERVED",
    /// The network ACL of the subnet denies it.
    SubnetAclRestriction = "SUBNET_ACL_RESTRICTION",
    /// No route of the table has the destination.
    NoRouteToDestination = "NO_ROUTE_TO_DESTINATION",
    /// The route's target cannot carry what its destination covers.
    CannotRoute = "CANNOT_ROUTE",
    /// The component does not work in the state that it is in.
    BadState = "BAD_STATE",
    /// The route's target is missing: a black hole.
    BadStateRoute = "BAD_STATE_ROUTE",
    /// The gateway is not attached to the VPC.
    BadStateAttachment = "BAD_STATE_ATTACHMENT",
    /// The interface takes only what is for itself.
    EniAddressRestriction = "ENI_ADDRESS_RESTRICTION",
    /// The source/destination check drops it.
    EniSourceDestCheckRestriction = "ENI_SOURCE_DEST_CHECK_RESTRICTION",
    /// The source address is not the sender's.
    GatewayRejectsSpoofedTraffic = "GATEWAY_REJECTS_SPOOFED_TRAFFIC",
    /// Without a public address nothing leaves by an internet gateway.
    IgwPublicIpAssociationForEgress = "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS",
    /// No interface has the public address that the packet is for.
    IgwPrivateIpAssociationForIngress = "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS",
    /// The destination is in the VPC itself.
    IgwDestinationAddressInVpcCidrs = "IGW_DESTINATION_ADDRESS_IN_VPC_CIDRS",
    /// Private addresses are not on the internet.
    IgwDestinationAddressNotInRfc1918Egress = "IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS",
    /// Shared addresses (100.64.0.0/10) are not on the internet.
    IgwDestinationAddressNotInRfc6598Egress = "IGW_DESTINATION_ADDRESS_NOT_IN_RFC6598_EGRESS",
    /// Nothing comes from a private address by an internet gateway.
    IgwSourceAddressNotInRfc1918Ingress = "IGW_SOURCE_ADDRESS_NOT_IN_RFC1918_INGRESS",
    /// Nothing comes from a shared address by an internet gateway.
    IgwSourceAddressNotInRfc6598Ingress = "IGW_SOURCE_ADDRESS_NOT_IN_RFC6598_INGRESS",
    /// A NAT gateway serves its own VPC.
    NgwRequiresSourceInVpc = "NGW_REQUIRES_SOURCE_IN_VPC",
    /// A NAT gateway put its own address in the place of the answer's.
    NgwSourceAddressReassign = "NGW_SOURCE_ADDRESS_REASSIGN",
    /// A NAT gateway put another port in the place of the answer's.
    RemapEphemeralPort = "REMAP_EPHEMERAL_PORT",
    /// A peering connection carries only what is between the two VPCs.
    PcxRequiresAddressInVpcCidr = "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR",
    /// The component does not carry or answer this protocol.
    ProtocolRestriction = "PROTOCOL_RESTRICTION",
    /// Inside of the VPC, only whole subnets can have another route than `local`.
    VpcLocalRouteCidrRestriction = "VPC_LOCAL_ROUTE_CIDR_RESTRICTION",
    /// A gateway endpoint carries TCP and ICMP echo.
    VpceGatewayProtocolRestriction = "VPCE_GATEWAY_PROTOCOL_RESTRICTION",
    /// A gateway endpoint serves its own VPC.
    VpceGatewayEgressSourceAddressRestriction = "VPCE_GATEWAY_EGRESS_SOURCE_ADDRESS_RESTRICTION",
    /// Nobody there takes it.
    NoPossibleDestination = "NO_POSSIBLE_DESTINATION",
    /// What the question or an object names does not exist.
    UnknownResource = "UNKNOWN_RESOURCE",
    /// The packet goes in a circle, or against the only way that a gateway opens.
    NoPath = "NO_PATH",
    /// The question has no source or destination between which a packet could go.
    NoSourceOrDestination = "NO_SOURCE_OR_DESTINATION",
    /// The documentation describes no such way.
    UnsupportedComponent = "UNSUPPORTED_COMPONENT",
    /// The way goes out by an internet gateway and in again: Reachability Analyzer has it end there.
    IgwNatReflection = "IGW_NAT_REFLECTION",
    /// What is at an internet gateway has public addresses.
    IgwExpectsPublicAddress = "IGW_EXPECTS_PUBLIC_ADDRESS",
    /// An endpoint opens no connections in its VPC.
    VpceIntraVpcTraffic = "VPCE_INTRA_VPC_TRAFFIC",
    /// The two VPCs are not connected.
    DisconnectedVpcs = "DISCONNECTED_VPCS",
    /// The component is in no VPC, or has no IPv4 address there.
    UnassociatedComponent = "UNASSOCIATED_COMPONENT",
    /// No path comes by the component that it must come by.
    ComponentFilterRestriction = "COMPONENT_FILTER_RESTRICTION",
    /// The path comes by a component that it must not come by.
    ComponentFilterRestrictionRemovedComponent = "COMPONENT_FILTER_RESTRICTION_REMOVED_COMPONENT",
    /// No path arrives with this source address.
    FilterAtDestinationSourceAddress = "FILTER_AT_DESTINATION_SOURCE_ADDRESS",
    /// No path arrives with one of these source ports.
    FilterAtDestinationSourcePortRange = "FILTER_AT_DESTINATION_SOURCE_PORT_RANGE",
    /// No path arrives with this destination address.
    FilterAtDestinationDestinationAddress = "FILTER_AT_DESTINATION_DESTINATION_ADDRESS",
    /// No path arrives with one of these destination ports.
    FilterAtDestinationDestinationPortRange = "FILTER_AT_DESTINATION_DESTINATION_PORT_RANGE",
    /// No path to the destination begins with this destination address.
    FilterAtSourceDestinationAddress = "FILTER_AT_SOURCE_DESTINATION_ADDRESS",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why and where a packet does not get on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Explanation {
    /// Of which kind the obstacle is.
    #[serde(rename = "ExplanationCode")]
    pub code: Code,
    /// Whether it stops the question or the answer.
    pub direction: Direction,
    /// What stops it.
    pub component: Component,
    /// What else is concerned, such as the route that led there.
    pub related: Vec<Component>,
    /// The same in words, with what to change.
    pub text: String,
    /// What is stopped.
    #[serde(skip)]
    pub stopped: Box<Stopped>,
}

/// What is stopped, and by which part of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The header with which it came there.
    pub header: Header,
    /// Of filters, whether they were asked about what leaves.
    pub egress: Option<bool>,
    /// The entry of a network ACL that denies it.
    pub entry: Option<u16>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

/// Who takes the packet in the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "Kind", rename_all_fields = "PascalCase")]
pub enum Receiver {
    /// Whoever uses this interface.
    NetworkInterface {
        /// `eni-…`.
        id: String,
    },
    /// The service behind an interface endpoint.
    InterfaceEndpoint {
        /// `vpce-…`.
        id: String,
        /// The endpoint's interface, `eni-…`.
        interface: String,
    },
    /// The service behind a gateway endpoint.
    GatewayEndpoint {
        /// `vpce-…`.
        id: String,
    },
    /// A VPC's resolver.
    Resolver {
        /// `vpc-…`.
        vpc: String,
    },
    /// A host on the internet.
    Internet {
        /// Its address.
        address: IpAddr,
    },
}

/// What became of a packet and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Walk {
    /// Where the packet came by.
    pub forward: Vec<Hop>,
    /// Where the answer came by; nothing where there is none.
    #[serde(rename = "Return")]
    pub back: Vec<Hop>,
    /// Who took the packet, even if its answer is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiver: Option<Receiver>,
    /// The header with which it arrived there, or with which it was lost.
    pub header: Header,
    /// Why it or its answer does not arrive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
}

impl Walk {
    /// Whether the packet arrives and its answer comes back.
    #[must_use]
    pub fn reached(&self) -> bool {
        self.explanation.is_none() && self.receiver.is_some()
    }
}
