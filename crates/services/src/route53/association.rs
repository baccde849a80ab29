//! AssociateVPCWithHostedZone, DisassociateVPCFromHostedZone.

use sagegate_api::route53::{
    AssociateVPCWithHostedZoneRequest, AssociateVPCWithHostedZoneResponse,
    DisassociateVPCFromHostedZoneRequest, DisassociateVPCFromHostedZoneResponse,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation, Scope};
use sagegate_model::route53 as tables;
use sagegate_store::{Read, Tx};

use super::fault::{modelled, no_zone};
use super::records::{self, Vpc, ZONES, Zone};
use super::zone::arn;
use super::{changes, vpc};
use crate::ec2;

/// A zone, whoever's it is: a VPC may be associated with one of another account.
fn any(state: &dyn Read, id: &str) -> Result<Zone, Fault> {
    let id = records::bare(id, "/hostedzone/");
    ZONES.get(state, id)?.ok_or_else(|| no_zone(id))
}

/// That the zone is private.
pub(super) fn check_private(zone: &Zone) -> Result<(), Fault> {
    if zone.private {
        return Ok(());
    }
    Err(modelled(
        &tables::ERROR_PUBLIC_ZONE_VPC_ASSOCIATION,
        "You're trying to associate a VPC with a public hosted zone. Amazon Route 53 doesn't support associating a VPC with a public hosted zone.",
    ))
}

/// That the caller may associate a zone with a VPC of theirs: it is theirs as well, or its owner has
/// authorized it.
fn check_authorized(scope: &Scope, zone: &Zone, own: &Vpc) -> Result<(), Fault> {
    if zone.account == scope.account.as_str() || zone.authorized.contains(own) {
        return Ok(());
    }
    let text =
        format!("The VPC: {} has not authorized to associate with your hosted zone.", own.id);
    Err(modelled(&tables::ERROR_NOT_AUTHORIZED_EXCEPTION, text))
}

/// AssociateVPCWithHostedZone.
pub(super) struct AssociateVPCWithHostedZone;

impl Operation for AssociateVPCWithHostedZone {
    type Input = AssociateVPCWithHostedZoneRequest;
    type Output = AssociateVPCWithHostedZoneResponse;
    const SERVICE: &'static str = "route53";
    const NAME: &'static str = "AssociateVPCWithHostedZone";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let arn = arn(call.scope, &call.input.hosted_zone_id);
        let need = Need::on("route53:AssociateVPCWithHostedZone", arn);
        Ok(vpc::needs(need, call.scope, Some(&call.input.vpc), true))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let own = vpc::named(&input.vpc)?;
        let mut zone = any(tx, &input.hosted_zone_id)?;
        check_authorized(scope, &zone, &own)?;
        check_private(&zone)?;
        vpc::check(tx, scope, &own)?;
        vpc::check_free(tx, scope, &own, &zone.name)?;
        zone.vpcs.push(own);
        records::put(tx, &zone)?;
        let change = changes::note(call, tx, input.comment.clone())?;
        Ok(AssociateVPCWithHostedZoneResponse { change_info: Some(change) })
    }
}

/// DisassociateVPCFromHostedZone. The owner of either may.
pub(super) struct DisassociateVPCFromHostedZone;

impl Operation for DisassociateVPCFromHostedZone {
    type Input = DisassociateVPCFromHostedZoneRequest;
    type Output = DisassociateVPCFromHostedZoneResponse;
    const SERVICE: &'static str = "route53";
    const NAME: &'static str = "DisassociateVPCFromHostedZone";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let arn = arn(call.scope, &call.input.hosted_zone_id);
        let need = Need::on("route53:DisassociateVPCFromHostedZone", arn);
        Ok(vpc::needs(need, call.scope, Some(&call.input.vpc), true))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let own = vpc::named(&input.vpc)?;
        let mut zone = any(tx, &input.hosted_zone_id)?;
        if zone.account != scope.account.as_str() && !ec2::vpc_exists(tx, scope, &own.id)? {
            return Err(no_zone(&zone.id));
        }
        let Some(at) = zone.vpcs.iter().position(|vpc| *vpc == own) else {
            return Err(modelled(
                &tables::ERROR_VPC_ASSOCIATION_NOT_FOUND,
                "The specified VPC and hosted zone are not currently associated.",
            ));
        };
        if zone.vpcs.len() == 1 {
            return Err(modelled(
                &tables::ERROR_LAST_VPC_ASSOCIATION,
                "The VPC that you're trying to disassociate from the private hosted zone is the last VPC that is associated with the hosted zone. Amazon Route 53 doesn't support disassociating the last VPC from a hosted zone.",
            ));
        }
        zone.vpcs.remove(at);
        records::put(tx, &zone)?;
        let change = changes::note(call, tx, input.comment.clone())?;
        Ok(DisassociateVPCFromHostedZoneResponse { change_info: Some(change) })
    }
}
