//! CreateHostedZone, GetHostedZone, UpdateHostedZoneComment, DeleteHostedZone.

use std::collections::BTreeMap;

use sagegate_api::route53::{
    CreateHostedZoneRequest, CreateHostedZoneResponse, DelegationSet, DeleteHostedZoneRequest,
    DeleteHostedZoneResponse, GetHostedZoneRequest, GetHostedZoneResponse, HostedZone,
    HostedZoneConfig, UpdateHostedZoneCommentRequest, UpdateHostedZoneCommentResponse,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation, Scope};
use sagegate_model::route53 as tables;
use sagegate_store::{Read, StoreError, Tx};

use super::fault::{invalid, modelled, no_delegation_set};
use super::name::Name;
use super::records::{self, Content, RecordSet, Routing, ZONES, Zone};
use super::{changes, vpc};

/// Hosted zones of an account (Route 53 Developer Guide, "Quotas on hosted zones").
const MAX_ZONES: usize = 500;

/// The name servers of every private zone of AWS's, which nobody can ask. Public zones have them here as
/// well: they have no name servers on the internet, and these say so.
const NAME_SERVERS: [&str; 4] = [
    "ns-1536.awsdns-00.co.uk",
    "ns-0.awsdns-00.com",
    "ns-1024.awsdns-00.org",
    "ns-512.awsdns-00.net",
];

/// A zone's ARN: neither a region nor an account (Service Authorization Reference, "Resource types
/// defined by Amazon Route 53").
pub(super) fn arn(scope: &Scope, id: &str) -> String {
    let id = records::bare(id, "/hostedzone/");
    format!("arn:{}:route53:::hostedzone/{id}", scope.region.partition())
}

/// A zone as answers show it.
pub(super) fn shape(state: &dyn Read, zone: &Zone) -> Result<HostedZone, StoreError> {
    let count = records::count_sets(state, &zone.id)?;
    Ok(HostedZone {
        id: Some(format!("/hostedzone/{}", zone.id)),
        name: Some(zone.name.clone()),
        caller_reference: Some(zone.caller_reference.clone()),
        config: Some(HostedZoneConfig {
            comment: zone.comment.clone(),
            private_zone: Some(zone.private),
        }),
        resource_record_set_count: Some(i64::try_from(count).unwrap_or(i64::MAX)),
        ..HostedZone::default()
    })
}

fn delegation() -> DelegationSet {
    let servers = NAME_SERVERS.iter().map(ToString::to_string).collect();
    DelegationSet { name_servers: Some(servers), ..DelegationSet::default() }
}

/// The records that every zone has.
fn required(name: &Name) -> [RecordSet; 2] {
    let set = |kind: &str, ttl, values| RecordSet {
        name: name.shown(),
        kind: kind.to_owned(),
        identifier: None,
        routing: Routing::Simple,
        content: Content::Values { ttl, values },
    };
    let [first, ..] = NAME_SERVERS;
    let servers = NAME_SERVERS.iter().map(|server| format!("{server}.")).collect();
    let start = format!("{first}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400");
    [set("NS", 172_800, servers), set("SOA", 900, vec![start])]
}

/// CreateHostedZone.
pub(super) struct CreateHostedZone;

impl Operation for CreateHostedZone {
    type Input = CreateHostedZoneRequest;
    type Output = CreateHostedZoneResponse;
    const SERVICE: &'static str = "route53";
    const NAME: &'static str = "CreateHostedZone";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let need = Need::any("route53:CreateHostedZone");
        Ok(vpc::needs(need, call.scope, call.input.vpc.as_ref(), true))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let name = Name::parse(&input.name).ok_or_else(|| {
            let text = format!("The specified domain name is not valid: {}", input.name);
            modelled(&tables::ERROR_INVALID_DOMAIN_NAME, text)
        })?;
        if let Some(id) = &input.delegation_set_id {
            return Err(no_delegation_set(id));
        }
        let config = input.hosted_zone_config.clone().unwrap_or_default();
        if config.private_zone == Some(true) && input.vpc.is_none() {
            // Route 53 API Reference, CreateHostedZone, `HostedZoneConfig`.
            return Err(invalid(
                "When you're creating a private hosted zone (when you specify true for PrivateZone), you must also specify values for VPCId and VPCRegion.",
            ));
        }
        let zones = records::all_own(tx, scope)?;
        if zones.iter().any(|zone| zone.caller_reference == input.caller_reference) {
            return Err(modelled(
                &tables::ERROR_HOSTED_ZONE_ALREADY_EXISTS,
                "A hosted zone has already been created with the specified caller reference.",
            ));
        }
        if zones.len() >= MAX_ZONES {
            let text = "The maximum number of hosted zones of this account has been reached.";
            return Err(modelled(&tables::ERROR_TOO_MANY_HOSTED_ZONES, text));
        }
        let associated = input.vpc.as_ref().map(vpc::named).transpose()?;
        if let Some(own) = &associated {
            vpc::check(tx, scope, own)?;
            vpc::check_free(tx, scope, own, &name.shown())?;
        }
        let zone = Zone {
            id: format!("Z{}", call.env.base32_upper(20)),
            account: scope.account.to_string(),
            name: name.shown(),
            caller_reference: input.caller_reference.clone(),
            comment: config.comment,
            private: associated.is_some(),
            vpcs: associated.into_iter().collect(),
            authorized: Vec::new(),
            tags: BTreeMap::new(),
        };
        records::put(tx, &zone)?;
        for set in required(&name) {
            let key = (name.order(), set.kind.clone(), String::new());
            records::put_set(tx, &zone.id, &key, &set)?;
        }
        Ok(CreateHostedZoneResponse {
            hosted_zone: Some(shape(tx, &zone)?),
            change_info: Some(changes::note(call, tx, None)?),
            delegation_set: (!zone.private).then(delegation),
            vpc: zone.vpcs.first().map(vpc::shape),
            location: Some(format!(
                "https://route53.amazonaws.com/2013-04-01/hostedzone/{}",
                zone.id
            )),
        })
    }
}

/// GetHostedZone.
pub(super) struct GetHostedZone;

impl Operation for GetHostedZone {
    type Input = GetHostedZoneRequest;
    type Output = GetHostedZoneResponse;
    const SERVICE: &'static str = "route53";
    const NAME: &'static str = "GetHostedZone";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(Need::on("route53:GetHostedZone", arn(call.scope, &call.input.id)).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let zone = records::own(tx, call.scope, &call.input.id)?;
        Ok(GetHostedZoneResponse {
            hosted_zone: Some(shape(tx, &zone)?),
            delegation_set: (!zone.private).then(delegation),
            vpcs: zone.private.then(|| zone.vpcs.iter().map(vpc::shape).collect()),
        })
    }
}

/// UpdateHostedZoneComment. Without a comment, there is none afterwards.
pub(super) struct UpdateHostedZoneComment;

impl Operation for UpdateHostedZoneComment {
    type Input = UpdateHostedZoneCommentRequest;
    type Output = UpdateHostedZoneCommentResponse;
    const SERVICE: &'static str = "route53";
    const NAME: &'static str = "UpdateHostedZoneComment";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(Need::on("route53:UpdateHostedZoneComment", arn(call.scope, &call.input.id)).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let mut zone = records::own(tx, call.scope, &call.input.id)?;
        zone.comment.clone_from(&call.input.comment);
        records::put(tx, &zone)?;
        Ok(UpdateHostedZoneCommentResponse { hosted_zone: Some(shape(tx, &zone)?) })
    }
}

/// DeleteHostedZone. Its own NS and SOA records go with it; everything else must be gone before.
pub(super) struct DeleteHostedZone;

impl Operation for DeleteHostedZone {
    type Input = DeleteHostedZoneRequest;
    type Output = DeleteHostedZoneResponse;
    const SERVICE: &'static str = "route53";
    const NAME: &'static str = "DeleteHostedZone";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(Need::on("route53:DeleteHostedZone", arn(call.scope, &call.input.id)).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let zone = records::own(tx, call.scope, &call.input.id)?;
        let sets = records::sets(tx, &zone.id)?;
        if sets.values().any(|set| !is_required(&zone, set)) {
            // The two spaces are AWS's.
            return Err(modelled(
                &tables::ERROR_HOSTED_ZONE_NOT_EMPTY,
                "The specified hosted zone contains non-required resource record sets  and so cannot be deleted.",
            ));
        }
        for key in sets.keys() {
            records::delete_set(tx, &zone.id, key);
        }
        ZONES.delete(tx, zone.id.as_str());
        Ok(DeleteHostedZoneResponse { change_info: Some(changes::note(call, tx, None)?) })
    }
}

/// Whether a set is one of the two without which there is no zone.
pub(super) fn is_required(zone: &Zone, set: &RecordSet) -> bool {
    set.name == zone.name && matches!(set.kind.as_str(), "NS" | "SOA")
}
