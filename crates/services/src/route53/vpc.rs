//! VPCs as Route 53 names them, and what may be associated with them.

use sagegate_api::route53::VPC;
use sagegate_gate::{Fault, Need, Needs, Scope};
use sagegate_model::route53 as tables;
use sagegate_store::{Read, StoreError};

use super::fault::{invalid, modelled};
use super::name::Name;
use super::records::{self, Vpc, Zone};
use crate::ec2;

pub(super) fn shape(vpc: &Vpc) -> VPC {
    VPC { vpc_region: Some(vpc.region.clone()), vpc_id: Some(vpc.id.clone()) }
}

/// The VPC that a request names.
///
/// # Errors
/// `InvalidInput` where its id or region is missing (text is ours).
pub(super) fn named(vpc: &VPC) -> Result<Vpc, Fault> {
    match (&vpc.vpc_id, &vpc.vpc_region) {
        (Some(id), Some(region)) if !id.is_empty() => {
            Ok(Vpc { region: region.clone(), id: id.clone() })
        }
        _ => Err(invalid("A VPC is named by both VPCId and VPCRegion.")),
    }
}

/// That the VPC exists and is the caller's.
///
/// # Errors
/// `InvalidVPCId`. VPCs are in one region here: those of others do not exist.
pub(super) fn check(state: &dyn Read, scope: &Scope, vpc: &Vpc) -> Result<(), Fault> {
    let here = vpc.region == scope.region.as_str();
    if here && ec2::vpc_exists(state, scope, &vpc.id)? {
        return Ok(());
    }
    Err(modelled(&tables::ERROR_INVALID_VPC_ID, "The VPC ID is invalid."))
}

/// Adds what the VPC of a request asks beside the action itself: the action's key `route53:VPCs`, and
/// that the caller may describe VPCs (Service Authorization Reference, "Actions defined by Amazon Route
/// 53", dependent actions).
pub(super) fn needs(need: Need, scope: &Scope, vpc: Option<&VPC>, describes: bool) -> Needs {
    let Some(vpc) = vpc else { return need.into() };
    let named = |part: &Option<String>| part.clone().unwrap_or_default();
    let (id, region) = (named(&vpc.vpc_id), named(&vpc.vpc_region));
    let needs = Needs::from(with_key(need, &id, &region));
    if !describes {
        return needs;
    }
    needs.and(Need::any("ec2:DescribeVpcs").key("ec2:Region", scope.region.as_str()))
}

/// Adds `route53:VPCs`, which holds one text for each VPC (Route 53 Developer Guide, "Using IAM policy
/// conditions for fine-grained access control").
pub(super) fn with_key(need: Need, id: &str, region: &str) -> Need {
    need.key("route53:VPCs", vec![format!("VPCId={id},VPCRegion={region}")])
}

/// That no other zone of this name answers in the VPC: neither another hosted zone nor the private
/// names of an endpoint.
///
/// # Errors
/// `ConflictingDomainExists`.
pub(super) fn check_free(
    state: &dyn Read,
    scope: &Scope,
    vpc: &Vpc,
    zone: &str,
) -> Result<(), Fault> {
    let other = zone_named(state, vpc, zone)?.map(|other| other.id);
    let other = match other {
        Some(id) => Some(id),
        None => ec2::endpoint::private_zones(state, scope, &vpc.id)?
            .into_iter()
            .find(|(_, name)| Some(name.as_str()) == zone.strip_suffix('.'))
            .map(|(id, _)| id),
    };
    let Some(other) = other else { return Ok(()) };
    let text = format!(
        "The VPC {} in region {} has already been associated with the hosted zone {other} with the same domain name.",
        vpc.id, vpc.region
    );
    Err(modelled(&tables::ERROR_CONFLICTING_DOMAIN_EXISTS, text))
}

/// The hosted zone of this name that is associated with a VPC; there is one at most.
fn zone_named(state: &dyn Read, vpc: &Vpc, name: &str) -> Result<Option<Zone>, StoreError> {
    let zones = records::all(state)?;
    Ok(zones.into_iter().find(|zone| zone.name == name && zone.vpcs.contains(vpc)))
}

/// Whether a hosted zone of this name, without the dot at the end, is associated with a VPC.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn is_associated(
    state: &dyn Read,
    scope: &Scope,
    vpc: &str,
    name: &str,
) -> Result<bool, StoreError> {
    let vpc = Vpc { region: scope.region.to_string(), id: vpc.to_owned() };
    let name = Name::parse(name).map(|name| name.shown());
    match name {
        Some(name) => Ok(zone_named(state, &vpc, &name)?.is_some()),
        None => Ok(false),
    }
}
