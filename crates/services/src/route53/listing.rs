//! ListHostedZones, ListHostedZonesByName, ListHostedZonesByVPC, GetHostedZoneCount.

use sagegate_api::route53::{
    GetHostedZoneCountRequest, GetHostedZoneCountResponse, HostedZone, HostedZoneOwner,
    HostedZoneSummary, ListHostedZonesByNameRequest, ListHostedZonesByNameResponse,
    ListHostedZonesByVPCRequest, ListHostedZonesByVPCResponse, ListHostedZonesRequest,
    ListHostedZonesResponse,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation};
use sagegate_model::route53 as tables;
use sagegate_store::{Read, StoreError, Tx};

use super::fault::{invalid, modelled, no_delegation_set};
use super::name::Name;
use super::records::{self, Vpc, Zone};
use super::{vpc, zone};
use crate::{ec2, paging};

/// Zones of a page, at most and unless fewer are asked for (Route 53 API Reference, `maxitems`).
const PAGE: usize = 100;

/// How many items a page has. The parameter is a text on the wire.
///
/// # Errors
/// `InvalidInput` where it is no number, or none that a page can have (text is ours).
pub(super) fn page_size(asked: Option<&str>, most: usize) -> Result<usize, Fault> {
    let Some(text) = asked else { return Ok(most) };
    match text.parse::<usize>() {
        Ok(size) if size >= 1 => Ok(size.min(most)),
        _ => Err(invalid(format!("The value {text} of MaxItems is not a number from 1."))),
    }
}

/// The first `size` zones, and the one that the next page begins with.
fn page(zones: &[Zone], size: usize) -> (&[Zone], Option<&Zone>) {
    let (page, rest) = zones.split_at(size.min(zones.len()));
    (page, rest.first())
}

fn shapes(state: &dyn Read, zones: &[Zone]) -> Result<Vec<HostedZone>, StoreError> {
    zones.iter().map(|it| zone::shape(state, it)).collect()
}

/// ListHostedZones, in the order of their ids.
pub(super) struct ListHostedZones;

impl Operation for ListHostedZones {
    type Input = ListHostedZonesRequest;
    type Output = ListHostedZonesResponse;
    const SERVICE: &'static str = "route53";
    const NAME: &'static str = "ListHostedZones";
    const ACCESS: Access = Access::Read;

    fn needs(_: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(Need::any("route53:ListHostedZones").into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        if let Some(id) = &input.delegation_set_id {
            return Err(no_delegation_set(id));
        }
        let size = page_size(input.max_items.as_deref(), PAGE)?;
        let mut zones = records::all_own(tx, call.scope)?;
        if let Some(marker) = &input.marker {
            zones.retain(|zone| zone.id.as_str() >= marker.as_str());
        }
        if input.hosted_zone_type.is_some() {
            zones.retain(|zone| zone.private);
        }
        let (page, next) = page(&zones, size);
        Ok(ListHostedZonesResponse {
            hosted_zones: Some(shapes(tx, page)?),
            marker: input.marker.clone(),
            is_truncated: Some(next.is_some()),
            next_marker: next.map(|zone| zone.id.clone()),
            max_items: Some(size.to_string()),
        })
    }
}

/// ListHostedZonesByName, in the order of their names with the labels reversed.
pub(super) struct ListHostedZonesByName;

impl Operation for ListHostedZonesByName {
    type Input = ListHostedZonesByNameRequest;
    type Output = ListHostedZonesByNameResponse;
    const SERVICE: &'static str = "route53";
    const NAME: &'static str = "ListHostedZonesByName";
    const ACCESS: Access = Access::Read;

    fn needs(_: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(Need::any("route53:ListHostedZonesByName").into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        let size = page_size(input.max_items.as_deref(), PAGE)?;
        let start = input.dns_name.as_deref().map(|text| {
            Name::parse(text).ok_or_else(|| {
                let text = format!("The specified domain name is not valid: {text}");
                modelled(&tables::ERROR_INVALID_DOMAIN_NAME, text)
            })
        });
        let start = start.transpose()?.map(|name| name.order());
        let from = input.hosted_zone_id.as_deref().map(|id| records::bare(id, "/hostedzone/"));
        if from.is_some() && start.is_none() {
            // Text is ours.
            return Err(invalid("HostedZoneId may be given together with DNSName only."));
        }
        let order = |zone: &Zone| Name::parse(&zone.name).map(|name| name.order());
        let mut zones = records::all_own(tx, call.scope)?;
        zones.sort_by_cached_key(|zone| (order(zone), zone.id.clone()));
        if let Some(start) = start {
            zones.retain(|zone| {
                let own = order(zone).unwrap_or_default();
                own > start || (own == start && from.is_none_or(|from| zone.id.as_str() >= from))
            });
        }
        let (page, next) = page(&zones, size);
        Ok(ListHostedZonesByNameResponse {
            hosted_zones: Some(shapes(tx, page)?),
            dns_name: input.dns_name.clone(),
            hosted_zone_id: input.hosted_zone_id.clone(),
            is_truncated: Some(next.is_some()),
            next_dns_name: next.map(|zone| zone.name.clone()),
            next_hosted_zone_id: next.map(|zone| zone.id.clone()),
            max_items: Some(size.to_string()),
        })
    }
}

/// The service that owns the zones of endpoints' private names.
const ENDPOINTS: &str = "vpce.amazonaws.com";

/// ListHostedZonesByVPC: zones of all accounts that are associated with a VPC, and those that PrivateLink
/// has made for endpoints in it.
pub(super) struct ListHostedZonesByVPC;

impl Operation for ListHostedZonesByVPC {
    type Input = ListHostedZonesByVPCRequest;
    type Output = ListHostedZonesByVPCResponse;
    const SERVICE: &'static str = "route53";
    const NAME: &'static str = "ListHostedZonesByVPC";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let need = Need::any("route53:ListHostedZonesByVPC");
        let need = vpc::with_key(need, &call.input.vpc_id, &call.input.vpc_region);
        let describe = Need::any("ec2:DescribeVpcs");
        Ok(Needs::from(need).and(describe.key("ec2:Region", call.scope.region.as_str())))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        let size = page_size(input.max_items.as_deref(), PAGE)?;
        let own = Vpc { region: input.vpc_region.clone(), id: input.vpc_id.clone() };
        // The errors of the operation have none for VPCs; text is ours.
        vpc::check(tx, call.scope, &own)
            .map_err(|_| invalid(format!("The VPC {} is not yours.", own.id)))?;
        let hidden = ec2::endpoint::private_zones(tx, call.scope, &own.id)?.into_iter();
        let hidden = hidden.map(|(id, name)| (id, format!("{name}."), None));
        let zones = records::all(tx)?.into_iter().filter(|zone| zone.vpcs.contains(&own));
        let zones = zones.map(|zone| (zone.id, zone.name, Some(zone.account)));
        let mut zones: Vec<_> = zones.chain(hidden).collect();
        zones.sort();
        if let Some(token) = &input.next_token {
            let last: String = paging::key_of(token).ok_or_else(|| {
                let text = "The value that you specified for NextToken is not valid.";
                modelled(&tables::ERROR_INVALID_PAGINATION_TOKEN, text)
            })?;
            zones.retain(|(id, ..)| *id > last);
        }
        let (page, rest) = zones.split_at(size.min(zones.len()));
        let summary = |(id, name, account): &(String, String, Option<String>)| HostedZoneSummary {
            hosted_zone_id: Some(id.clone()),
            name: Some(name.clone()),
            owner: Some(HostedZoneOwner {
                owning_account: account.clone(),
                owning_service: account.is_none().then(|| ENDPOINTS.to_owned()),
            }),
        };
        let last = page.last().filter(|_| !rest.is_empty());
        Ok(ListHostedZonesByVPCResponse {
            hosted_zone_summaries: Some(page.iter().map(summary).collect()),
            max_items: Some(size.to_string()),
            next_token: last.map(|(id, ..)| paging::token_after(id)),
        })
    }
}

/// GetHostedZoneCount.
pub(super) struct GetHostedZoneCount;

impl Operation for GetHostedZoneCount {
    type Input = GetHostedZoneCountRequest;
    type Output = GetHostedZoneCountResponse;
    const SERVICE: &'static str = "route53";
    const NAME: &'static str = "GetHostedZoneCount";
    const ACCESS: Access = Access::Read;

    fn needs(_: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(Need::any("route53:GetHostedZoneCount").into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let count = records::all_own(tx, call.scope)?.len();
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        Ok(GetHostedZoneCountResponse { hosted_zone_count: Some(count) })
    }
}
