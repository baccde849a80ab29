//! The permissions that EC2 operations ask for: resources and condition keys as in the Service
//! Authorization Reference, "Actions, resources, and condition keys for Amazon EC2".

use sagegate_gate::{Fault, Need, Needs, Scope};
use sagegate_store::Read;

use super::kind::Kind;
use super::records::{self, Endpoint, Interface, SecurityGroup, Subnet, Vpc};
use super::tags::{self, Tags};
use super::zones;

/// A need of an action that lists: it has no resource.
pub(crate) fn listing(scope: &Scope, action: &'static str) -> Needs {
    Need::any(action).key("ec2:Region", scope.region.as_str()).into()
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
    let vpc_arn = |vpc: &str| Kind::Vpc.arn(scope, vpc);
    let zone_keys = |need: Need, zone: &str| {
        need.key("ec2:AvailabilityZone", zone)
            .key("ec2:AvailabilityZoneId", zones::zone_id(&scope.region, zone))
    };
    let mut need = Need::on(action, kind.arn(scope, id)).key("ec2:Region", scope.region.as_str());
    match kind {
        Kind::Vpc => {
            need = need.key("ec2:VpcID", id);
            if let Some(vpc) = records::get::<Vpc>(state, scope, id)? {
                need = need.key("ec2:Tenancy", vpc.tenancy);
            }
        }
        Kind::Subnet => {
            need = need.key("ec2:SubnetID", id);
            if let Some(subnet) = records::get::<Subnet>(state, scope, id)? {
                need = zone_keys(need, &subnet.zone).key("ec2:Vpc", vpc_arn(&subnet.vpc));
            }
        }
        Kind::SecurityGroup => {
            need = need.key("ec2:SecurityGroupID", id);
            if let Some(group) = records::get::<SecurityGroup>(state, scope, id)? {
                need = need.key("ec2:Vpc", vpc_arn(&group.vpc));
            }
        }
        Kind::NetworkInterface => {
            need = need.key("ec2:NetworkInterfaceID", id);
            if let Some(interface) = records::get::<Interface>(state, scope, id)? {
                need = need
                    .key("ec2:AvailabilityZone", interface.zone)
                    .key("ec2:Subnet", Kind::Subnet.arn(scope, &interface.subnet))
                    .key("ec2:Vpc", vpc_arn(&interface.vpc));
            }
        }
        Kind::VpcEndpoint => {
            if let Some(endpoint) = records::get::<Endpoint>(state, scope, id)? {
                need = need
                    .key("ec2:VpceServiceName", endpoint.service)
                    .key("ec2:VpceServiceRegion", scope.region.as_str());
            }
        }
        Kind::SecurityGroupRule => {}
    }
    let tags = tags::of(state, scope, id)?;
    Ok(need.resource_tags("ec2", tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))))
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

/// Adds `ec2:Attribute` and `ec2:Attribute/<name>` for an attribute that is to be set.
#[must_use]
pub(crate) fn attribute(need: Need, name: &str, value: impl Into<String>) -> Need {
    need.key("ec2:Attribute", name).key(format!("ec2:Attribute/{name}"), value.into())
}
