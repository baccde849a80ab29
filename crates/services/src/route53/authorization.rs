//! CreateVPCAssociationAuthorization, DeleteVPCAssociationAuthorization,
//! ListVPCAssociationAuthorizations: which VPCs of other accounts may be associated with a zone.

use sagegate_api::route53::{
    CreateVPCAssociationAuthorizationRequest, CreateVPCAssociationAuthorizationResponse,
    DeleteVPCAssociationAuthorizationRequest, DeleteVPCAssociationAuthorizationResponse,
    ListVPCAssociationAuthorizationsRequest, ListVPCAssociationAuthorizationsResponse,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation};
use sagegate_model::route53 as tables;
use sagegate_store::{Read, Tx};

use super::association::check_private;
use super::fault::modelled;
use super::listing::page_size;
use super::records::{self, Vpc};
use super::vpc;
use super::zone::arn;
use crate::paging;

/// Authorizations of a zone (Route 53 Developer Guide, "Quotas on hosted zones").
const MAX_AUTHORIZATIONS: usize = 1000;
/// Authorizations of a page (Route 53 API Reference, ListVPCAssociationAuthorizations).
const PAGE: usize = 50;

/// CreateVPCAssociationAuthorization. The VPC is another account's, so all that is asked of it is that
/// it could be one.
pub(super) struct CreateVPCAssociationAuthorization;

impl Operation for CreateVPCAssociationAuthorization {
    type Input = CreateVPCAssociationAuthorizationRequest;
    type Output = CreateVPCAssociationAuthorizationResponse;
    const SERVICE: &'static str = "route53";
    const NAME: &'static str = "CreateVPCAssociationAuthorization";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let arn = arn(call.scope, &call.input.hosted_zone_id);
        let need = Need::on("route53:CreateVPCAssociationAuthorization", arn);
        Ok(vpc::needs(need, call.scope, Some(&call.input.vpc), false))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let mut zone = records::own(tx, call.scope, &call.input.hosted_zone_id)?;
        check_private(&zone)?;
        let other = vpc::named(&call.input.vpc)?;
        let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !other.id.strip_prefix("vpc-").is_some_and(|rest| !rest.is_empty() && hex(rest)) {
            return Err(modelled(&tables::ERROR_INVALID_VPC_ID, "The VPC ID is invalid."));
        }
        if !zone.authorized.contains(&other) {
            if zone.authorized.len() >= MAX_AUTHORIZATIONS {
                // Text is ours.
                let text = "The hosted zone has as many authorizations as it can have.";
                return Err(modelled(&tables::ERROR_TOO_MANY_VPC_ASSOCIATION_AUTHORIZATIONS, text));
            }
            zone.authorized.push(other.clone());
            zone.authorized.sort();
            records::put(tx, &zone)?;
        }
        Ok(CreateVPCAssociationAuthorizationResponse {
            hosted_zone_id: Some(zone.id),
            vpc: Some(vpc::shape(&other)),
        })
    }
}

/// DeleteVPCAssociationAuthorization. What was associated by it stays so.
pub(super) struct DeleteVPCAssociationAuthorization;

impl Operation for DeleteVPCAssociationAuthorization {
    type Input = DeleteVPCAssociationAuthorizationRequest;
    type Output = DeleteVPCAssociationAuthorizationResponse;
    const SERVICE: &'static str = "route53";
    const NAME: &'static str = "DeleteVPCAssociationAuthorization";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let arn = arn(call.scope, &call.input.hosted_zone_id);
        let need = Need::on("route53:DeleteVPCAssociationAuthorization", arn);
        Ok(vpc::needs(need, call.scope, Some(&call.input.vpc), false))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let mut zone = records::own(tx, call.scope, &call.input.hosted_zone_id)?;
        let other = vpc::named(&call.input.vpc)?;
        let Some(at) = zone.authorized.iter().position(|vpc| *vpc == other) else {
            return Err(modelled(
                &tables::ERROR_VPC_ASSOCIATION_AUTHORIZATION_NOT_FOUND,
                "The VPC that you specified is not authorized to be associated with the hosted zone.",
            ));
        };
        zone.authorized.remove(at);
        records::put(tx, &zone)?;
        Ok(DeleteVPCAssociationAuthorizationResponse {})
    }
}

/// ListVPCAssociationAuthorizations.
pub(super) struct ListVPCAssociationAuthorizations;

impl Operation for ListVPCAssociationAuthorizations {
    type Input = ListVPCAssociationAuthorizationsRequest;
    type Output = ListVPCAssociationAuthorizationsResponse;
    const SERVICE: &'static str = "route53";
    const NAME: &'static str = "ListVPCAssociationAuthorizations";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let arn = arn(call.scope, &call.input.hosted_zone_id);
        Ok(Need::on("route53:ListVPCAssociationAuthorizations", arn).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let zone = records::own(tx, call.scope, &call.input.hosted_zone_id)?;
        let size = page_size(call.input.max_results.as_deref(), PAGE)?;
        let mut all = zone.authorized;
        if let Some(token) = &call.input.next_token {
            let last: (String, String) = paging::key_of(token).ok_or_else(|| {
                let text = "The value that you specified for NextToken is not valid.";
                modelled(&tables::ERROR_INVALID_PAGINATION_TOKEN, text)
            })?;
            all.retain(|vpc| (&vpc.region, &vpc.id) > (&last.0, &last.1));
        }
        let (page, rest) = all.split_at(size.min(all.len()));
        let last = page.last().filter(|_| !rest.is_empty());
        let token = |vpc: &Vpc| paging::token_after(&(&vpc.region, &vpc.id));
        Ok(ListVPCAssociationAuthorizationsResponse {
            hosted_zone_id: Some(zone.id),
            next_token: last.map(token),
            vpcs: Some(page.iter().map(vpc::shape).collect()),
        })
    }
}
