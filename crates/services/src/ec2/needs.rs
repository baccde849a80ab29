//! The permissions that EC2 operations ask for: resources and condition keys as in the Service
//! Authorization Reference, "Actions, resources, and condition keys for Amazon EC2".

use sagegate_gate::{Fault, Need, Needs, Scope};
use sagegate_store::Read;

use super::kind::Kind;
use super::managed_prefix_list;
use super::peering::{Accepter, Peering};
use super::records::{
    self, ElasticIp, Endpoint, Interface, NetworkAcl, RouteTable, SecurityGroup, Subnet, Vpc,
};
use super::tags::{self, Tags};
use super::zones;

/// A need of an action that lists: it has no resource.
pub(crate) fn listing(scope: &Scope, action: &'static str) -> Needs {
    Need::any(action).key("ec2:Region", scope.region.as_str()).into()
}

/// Whether the Service Authorization Reference lists a key for this action on this kind. It lists
/// all that are made of what is stored, with these exceptions; a key that AWS does not have must not
/// be there for a condition to meet.
fn listed(action: &str, kind: Kind, key: &str) -> bool {
    match (action, kind) {
        ("ec2:CreateVpcEndpoint", Kind::Vpc) => key != "ec2:Tenancy",
        ("ec2:CreateVpcEndpoint", Kind::Subnet) => key == "ec2:SubnetID",
        ("ec2:CreateVpcEndpoint", Kind::SecurityGroup) => key == "ec2:SecurityGroupID",
        ("ec2:CreateVpcEndpoint" | "ec2:ModifyVpcEndpoint", Kind::RouteTable) => {
            key == "ec2:RouteTableID"
        }
        ("ec2:ModifyVpcEndpoint", Kind::VpcEndpoint) => key != "ec2:VpceServiceName",
        ("ec2:CreateNetworkInsightsPath", Kind::VpcEndpoint) => false,
        ("ec2:CreateTags", Kind::VpcEndpoint) | ("ec2:DeleteTags", _) => false,
        _ => true,
    }
}

/// The keys that are made of a resource's id and of what is stored of it.
fn stored_keys(
    state: &dyn Read,
    scope: &Scope,
    kind: Kind,
    id: &str,
) -> Result<Vec<(&'static str, String)>, Fault> {
    let vpc_key = |vpc: &str| ("ec2:Vpc", Kind::Vpc.arn(scope, vpc));
    let own = |key| vec![(key, id.to_owned())];
    Ok(match kind {
        Kind::Vpc => {
            let mut keys = own("ec2:VpcID");
            if let Some(vpc) = records::get::<Vpc>(state, scope, id)? {
                keys.push(("ec2:Tenancy", vpc.tenancy));
            }
            keys
        }
        Kind::Subnet => {
            let mut keys = own("ec2:SubnetID");
            if let Some(subnet) = records::get::<Subnet>(state, scope, id)? {
                let zone_id = zones::zone_id(&scope.region, &subnet.zone);
                keys.push(vpc_key(&subnet.vpc));
                keys.push(("ec2:AvailabilityZone", subnet.zone));
                keys.push(("ec2:AvailabilityZoneId", zone_id));
            }
            keys
        }
        Kind::SecurityGroup => {
            let mut keys = own("ec2:SecurityGroupID");
            let group = records::get::<SecurityGroup>(state, scope, id)?;
            keys.extend(group.map(|group| vpc_key(&group.vpc)));
            keys
        }
        Kind::NetworkInterface => {
            let mut keys = own("ec2:NetworkInterfaceID");
            if let Some(interface) = records::get::<Interface>(state, scope, id)? {
                keys.push(vpc_key(&interface.vpc));
                keys.push(("ec2:Subnet", Kind::Subnet.arn(scope, &interface.subnet)));
                keys.push(("ec2:AvailabilityZone", interface.zone));
            }
            keys
        }
        Kind::VpcEndpoint => match records::get::<Endpoint>(state, scope, id)? {
            Some(endpoint) => vec![
                ("ec2:VpceServiceName", endpoint.service),
                ("ec2:VpceServiceRegion", scope.region.to_string()),
            ],
            None => Vec::new(),
        },
        Kind::RouteTable => {
            let mut keys = own("ec2:RouteTableID");
            let table = records::get::<RouteTable>(state, scope, id)?;
            keys.extend(table.map(|table| vpc_key(&table.vpc)));
            keys
        }
        Kind::NetworkAcl => {
            let mut keys = own("ec2:NetworkAclID");
            let acl = records::get::<NetworkAcl>(state, scope, id)?;
            keys.extend(acl.map(|acl| vpc_key(&acl.vpc)));
            keys
        }
        Kind::VpcPeeringConnection => {
            let mut keys = own("ec2:VpcPeeringConnectionID");
            if let Some(peering) = records::get::<Peering>(state, scope, id)? {
                keys.push(("ec2:RequesterVpc", Kind::Vpc.arn(scope, &peering.requester)));
                keys.push(("ec2:AccepterVpc", accepter_arn(scope, &peering.accepter)));
            }
            keys
        }
        Kind::InternetGateway => own("ec2:InternetGatewayID"),
        Kind::DhcpOptions => own("ec2:DhcpOptionsID"),
        Kind::ElasticIp => {
            let mut keys = own("ec2:AllocationId");
            if let Some(own) = records::get::<ElasticIp>(state, scope, id)? {
                keys.push(("ec2:Domain", "vpc".to_owned()));
                keys.push(("ec2:PublicIpAddress", own.address.to_string()));
            }
            keys
        }
        Kind::SecurityGroupRule
        | Kind::EgressOnlyInternetGateway
        | Kind::NatGateway
        | Kind::PrefixList
        | Kind::VpcFlowLog
        | Kind::NetworkInsightsPath
        | Kind::NetworkInsightsAnalysis => Vec::new(),
    })
}

/// The ARN of the VPC that a peering connection asks for.
pub(crate) fn accepter_arn(scope: &Scope, accepter: &Accepter) -> String {
    let Accepter { account, region, vpc } = accepter;
    format!("arn:{}:ec2:{region}:{account}:vpc/{vpc}", scope.region.partition())
}

/// A need on a resource that there may or may not be, with what is stored of it as keys.
///
/// # Errors
/// The kind's `….Malformed`: such an id has no ARN.
pub(crate) fn on(
    action: &'static str,
    state: &dyn Read,
    scope: &Scope,
    kind: Kind,
    id: &str,
) -> Result<Need, Fault> {
    kind.check(id)?;
    let arn = match kind {
        Kind::PrefixList => managed_prefix_list::arn(scope, id),
        _ => kind.arn(scope, id),
    };
    let mut need = Need::on(action, arn).key("ec2:Region", scope.region.as_str());
    for (key, value) in stored_keys(state, scope, kind, id)? {
        if listed(action, kind, key) {
            need = need.key(key, value);
        }
    }
    let tags = tags::of(state, scope, id)?;
    Ok(need.resource_tags("ec2", tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))))
}

/// A need on the VPC's default group, which an interface gets where the request names no group. If
/// there is no such VPC, it is on any group: what is asked must not tell.
pub(crate) fn on_default_group(
    action: &'static str,
    state: &dyn Read,
    scope: &Scope,
    vpc: Option<&str>,
) -> Result<Need, Fault> {
    let vpc = vpc.map(|vpc| records::get::<Vpc>(state, scope, vpc)).transpose()?.flatten();
    match vpc {
        Some(vpc) => on(action, state, scope, Kind::SecurityGroup, &vpc.default_group),
        None => Ok(new(action, scope, Kind::SecurityGroup, &Tags::new())),
    }
}

/// A need on a resource that is to be made: its id is not known yet, so the ARN ends in `/*`.
pub(crate) fn new(action: &'static str, scope: &Scope, kind: Kind, tags: &Tags) -> Need {
    Need::on(action, kind.arn(scope, "*"))
        .key("ec2:Region", scope.region.as_str())
        .request_tags(tags.iter().map(|(key, value)| (key.as_str(), value.as_str())))
}

/// Adds what making a resource with tags asks: `ec2:CreateTags` with `ec2:CreateAction`.
#[must_use]
pub(crate) fn with_tags(
    needs: Needs,
    scope: &Scope,
    kind: Kind,
    tags: &Tags,
    create_action: &'static str,
) -> Needs {
    if tags.is_empty() {
        return needs;
    }
    needs.and(new("ec2:CreateTags", scope, kind, tags).key("ec2:CreateAction", create_action))
}

/// What making a resource with tags in a VPC asks: on what is made, on the VPC, and for its tags.
pub(crate) fn new_in_vpc(
    action: &'static str,
    state: &dyn Read,
    scope: &Scope,
    kind: Kind,
    tags: &Tags,
    vpc: &str,
) -> Result<Needs, Fault> {
    let needs =
        Needs::from(new(action, scope, kind, tags)).and(on(action, state, scope, Kind::Vpc, vpc)?);
    let operation = action.strip_prefix("ec2:").unwrap_or(action);
    Ok(with_tags(needs, scope, kind, tags, operation))
}

/// Adds `ec2:Attribute` and `ec2:Attribute/<name>` for an attribute that is to be set.
#[must_use]
pub(crate) fn attribute(need: Need, name: &str, value: impl Into<String>) -> Need {
    need.key("ec2:Attribute", name).key(format!("ec2:Attribute/{name}"), value.into())
}
