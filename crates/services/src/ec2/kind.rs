//! The kinds of resources that EC2 has here: their ids, ARNs and the errors about them.

use sagegate_gate::{Env, Fault, Scope};
use sha2::{Digest, Sha256};

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Vpc,
    Subnet,
    SecurityGroup,
    SecurityGroupRule,
    NetworkInterface,
    VpcEndpoint,
    RouteTable,
    InternetGateway,
    EgressOnlyInternetGateway,
    ElasticIp,
    NatGateway,
    NetworkAcl,
    VpcPeeringConnection,
    PrefixList,
    DhcpOptions,
    VpcFlowLog,
    NetworkInsightsPath,
    NetworkInsightsAnalysis,
}

impl Kind {
    pub(crate) const ALL: [Self; 18] = [
        Self::Vpc,
        Self::Subnet,
        Self::SecurityGroup,
        Self::SecurityGroupRule,
        Self::NetworkInterface,
        Self::VpcEndpoint,
        Self::RouteTable,
        Self::InternetGateway,
        Self::EgressOnlyInternetGateway,
        Self::ElasticIp,
        Self::NatGateway,
        Self::NetworkAcl,
        Self::VpcPeeringConnection,
        Self::PrefixList,
        Self::DhcpOptions,
        Self::VpcFlowLog,
        Self::NetworkInsightsPath,
        Self::NetworkInsightsAnalysis,
    ];

    /// What ids begin with, the dash included.
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::Vpc => "vpc-",
            Self::Subnet => "subnet-",
            Self::SecurityGroup => "sg-",
            Self::SecurityGroupRule => "sgr-",
            Self::NetworkInterface => "eni-",
            Self::VpcEndpoint => "vpce-",
            Self::RouteTable => "rtb-",
            Self::InternetGateway => "igw-",
            Self::EgressOnlyInternetGateway => "eigw-",
            Self::ElasticIp => "eipalloc-",
            Self::NatGateway => "nat-",
            Self::NetworkAcl => "acl-",
            Self::VpcPeeringConnection => "pcx-",
            Self::PrefixList => "pl-",
            Self::DhcpOptions => "dopt-",
            Self::VpcFlowLog => "fl-",
            Self::NetworkInsightsPath => "nip-",
            Self::NetworkInsightsAnalysis => "nia-",
        }
    }

    /// The name in ARNs, in tag specifications and in DescribeTags.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Vpc => "vpc",
            Self::Subnet => "subnet",
            Self::SecurityGroup => "security-group",
            Self::SecurityGroupRule => "security-group-rule",
            Self::NetworkInterface => "network-interface",
            Self::VpcEndpoint => "vpc-endpoint",
            Self::RouteTable => "route-table",
            Self::InternetGateway => "internet-gateway",
            Self::EgressOnlyInternetGateway => "egress-only-internet-gateway",
            Self::ElasticIp => "elastic-ip",
            Self::NatGateway => "natgateway",
            Self::NetworkAcl => "network-acl",
            Self::VpcPeeringConnection => "vpc-peering-connection",
            Self::PrefixList => "prefix-list",
            Self::DhcpOptions => "dhcp-options",
            Self::VpcFlowLog => "vpc-flow-log",
            Self::NetworkInsightsPath => "network-insights-path",
            Self::NetworkInsightsAnalysis => "network-insights-analysis",
        }
    }

    /// The kind that an id belongs to, by its prefix.
    pub(crate) fn of_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| id.starts_with(kind.prefix()))
    }

    /// A new random id in today's long form.
    pub(crate) fn new_id(self, env: &Env) -> String {
        format!("{}0{}", self.prefix(), env.hex(16))
    }

    /// An id that follows from what the resource is for, so that the defaults of an account have
    /// the same ids whenever they are made anew.
    pub(crate) fn derived_id(self, scope: &Scope, purpose: &str) -> String {
        derived(self.prefix(), scope, purpose)
    }

    pub(crate) fn arn(self, scope: &Scope, id: &str) -> String {
        scope.arn("ec2", &format!("{}/{id}", self.name()))
    }

    /// Checks the form of an id: the prefix and hexadecimal digits.
    ///
    /// # Errors
    /// The kind's `….Malformed` error.
    pub(crate) fn check(self, id: &str) -> Result<(), Fault> {
        let well_formed = id.strip_prefix(self.prefix()).is_some_and(|digits| {
            (1..=17).contains(&digits.len())
                && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        });
        if well_formed { Ok(()) } else { Err(self.malformed(id)) }
    }

    pub(crate) fn malformed(self, id: &str) -> Fault {
        let code = match self {
            Self::Vpc => "InvalidVpcID.Malformed",
            Self::Subnet => "InvalidSubnetID.Malformed",
            Self::SecurityGroup => "InvalidGroupId.Malformed",
            Self::SecurityGroupRule => "InvalidSecurityGroupRuleId.Malformed",
            Self::NetworkInterface => "InvalidNetworkInterfaceID.Malformed",
            Self::VpcEndpoint => "InvalidVpcEndpointId.Malformed",
            Self::RouteTable => "InvalidRouteTableId.Malformed",
            Self::InternetGateway => "InvalidInternetGatewayId.Malformed",
            Self::EgressOnlyInternetGateway => "InvalidEgressOnlyInternetGatewayId.Malformed",
            Self::ElasticIp => "InvalidAllocationID.Malformed",
            Self::NatGateway => "NatGatewayMalformed",
            Self::NetworkAcl => "InvalidNetworkAclId.Malformed",
            Self::VpcPeeringConnection => "InvalidVpcPeeringConnectionId.Malformed",
            Self::PrefixList => "InvalidPrefixListId.Malformed",
            Self::DhcpOptions => "InvalidDhcpOptionsId.Malformed",
            Self::VpcFlowLog => "InvalidFlowLogId.Malformed",
            Self::NetworkInsightsPath => "InvalidNetworkInsightsPathId.Malformed",
            Self::NetworkInsightsAnalysis => "InvalidNetworkInsightsAnalysisId.Malformed",
        };
        Fault::client(
            code,
            400,
            format!("Invalid id: \"{id}\" (expecting \"{}...\")", self.prefix()),
        )
    }

    pub(crate) fn not_found(self, id: &str) -> Fault {
        let (code, text) = match self {
            Self::Vpc => ("InvalidVpcID.NotFound", format!("The vpc ID '{id}' does not exist")),
            Self::Subnet => {
                ("InvalidSubnetID.NotFound", format!("The subnet ID '{id}' does not exist"))
            }
            Self::SecurityGroup => {
                ("InvalidGroup.NotFound", format!("The security group '{id}' does not exist"))
            }
            Self::SecurityGroupRule => (
                "InvalidSecurityGroupRuleId.NotFound",
                format!("The security group rule ID '{id}' does not exist"),
            ),
            Self::NetworkInterface => (
                "InvalidNetworkInterfaceID.NotFound",
                format!("The networkInterface ID '{id}' does not exist"),
            ),
            Self::VpcEndpoint => (
                "InvalidVpcEndpointId.NotFound",
                format!("The Vpc Endpoint Id '{id}' does not exist"),
            ),
            Self::RouteTable => {
                ("InvalidRouteTableID.NotFound", format!("The routeTable ID '{id}' does not exist"))
            }
            Self::InternetGateway => (
                "InvalidInternetGatewayID.NotFound",
                format!("The internetGateway ID '{id}' does not exist"),
            ),
            Self::EgressOnlyInternetGateway => (
                "InvalidEgressOnlyInternetGatewayId.NotFound",
                format!("The egressOnlyInternetGateway ID '{id}' does not exist"),
            ),
            Self::ElasticIp => {
                ("InvalidAllocationID.NotFound", format!("The allocation ID '{id}' does not exist"))
            }
            Self::NatGateway => ("NatGatewayNotFound", format!("NatGateway {id} was not found")),
            Self::NetworkAcl => {
                ("InvalidNetworkAclID.NotFound", format!("The networkAcl ID '{id}' does not exist"))
            }
            Self::VpcPeeringConnection => (
                "InvalidVpcPeeringConnectionID.NotFound",
                format!("The vpcPeeringConnection ID '{id}' does not exist"),
            ),
            Self::PrefixList => (
                "InvalidPrefixListID.NotFound",
                format!("The prefix list ID '{id}' does not exist"),
            ),
            Self::DhcpOptions => {
                ("InvalidDhcpOptionID.NotFound", format!("The dhcpOption ID '{id}' does not exist"))
            }
            Self::VpcFlowLog => return super::flow_logs::not_found(&[id]),
            Self::NetworkInsightsPath => (
                "InvalidNetworkInsightsPathId.NotFound",
                format!("The networkInsightsPath ID '{id}' does not exist"),
            ),
            Self::NetworkInsightsAnalysis => (
                "InvalidNetworkInsightsAnalysisId.NotFound",
                format!("The networkInsightsAnalysis ID '{id}' does not exist"),
            ),
        };
        Fault::client(code, 400, text)
    }
}

/// An id with this prefix that follows from what it is for.
pub(crate) fn derived(prefix: &str, scope: &Scope, purpose: &str) -> String {
    let text = format!("{}/{}/{purpose}", scope.account, scope.region);
    let digits = hex::encode(Sha256::digest(text.as_bytes()));
    format!("{prefix}0{}", digits.get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sagegate_gate::{AccountId, Region};

    #[test]
    fn ids_are_checked_by_form() {
        let env = Env::system();
        for kind in Kind::ALL {
            let id = kind.new_id(&env);
            assert_eq!(id.len(), kind.prefix().len() + 17);
            assert_eq!(kind.check(&id), Ok(()));
            assert_eq!(Kind::of_id(&id), Some(kind), "{id}");
        }
        assert_eq!(Kind::Vpc.check("vpc-1"), Ok(()));
        for wrong in
            ["vpc-", "vpc", "", "vpc-XYZ", "vpc-1/*", "vpc-*", "vpc-012345678901234567", "vpc-é"]
        {
            assert_eq!(Kind::Vpc.check(wrong), Err(Kind::Vpc.malformed(wrong)), "{wrong}");
        }
    }

    #[test]
    fn derived_ids_stay() {
        let scope = Scope {
            account: AccountId::parse("123456789012").unwrap(),
            region: Region::parse("us-west-2").unwrap(),
        };
        let id = Kind::Vpc.derived_id(&scope, "default");
        assert_eq!(id, Kind::Vpc.derived_id(&scope, "default"));
        assert_ne!(id, Kind::Vpc.derived_id(&scope, "other"));
        assert_eq!(Kind::Vpc.check(&id), Ok(()));
    }
}
