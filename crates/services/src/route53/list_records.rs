//! ListResourceRecordSets.

use std::collections::BTreeMap;
use std::ops::Bound;

use sagegate_api::route53::{
    AliasTarget, ListResourceRecordSetsRequest, ListResourceRecordSetsResponse, ResourceRecord,
    ResourceRecordSet,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation};
use sagegate_store::{Read, Tx};

use super::fault::invalid;
use super::listing::page_size;
use super::name::Name;
use super::records::{self, Content, RecordSet, Routing, SetKey};
use super::zone::arn;

/// Sets of a page (Route 53 API Reference, ListResourceRecordSets, `maxitems`).
const PAGE: usize = 300;

fn shape(set: &RecordSet) -> ResourceRecordSet {
    let mut shape = ResourceRecordSet {
        name: set.name.clone(),
        r#type: set.kind.parse().unwrap_or_default(),
        set_identifier: set.identifier.clone(),
        ..ResourceRecordSet::default()
    };
    match set.routing {
        Routing::Simple => {}
        Routing::Weighted(weight) => shape.weight = Some(weight.into()),
        Routing::Multivalue => shape.multi_value_answer = Some(true),
    }
    match &set.content {
        Content::Values { ttl, values } => {
            let record = |value: &String| ResourceRecord { value: value.clone() };
            shape.ttl = Some((*ttl).into());
            shape.resource_records = Some(values.iter().map(record).collect());
        }
        Content::Alias { zone, name, evaluate_health } => {
            shape.alias_target = Some(AliasTarget {
                hosted_zone_id: zone.clone(),
                dns_name: name.clone(),
                evaluate_target_health: *evaluate_health,
            });
        }
    }
    shape
}

/// Where the list begins: with the first set that does not come before what is asked for.
fn start(input: &ListResourceRecordSetsRequest) -> Result<Option<SetKey>, Fault> {
    let Some(name) = &input.start_record_name else {
        if input.start_record_type.is_some() {
            // Route 53 API Reference, ListResourceRecordSets, `type`: an error; text is ours.
            return Err(invalid(
                "StartRecordType may be given together with StartRecordName only.",
            ));
        }
        return match input.start_record_identifier {
            None => Ok(None),
            Some(_) => Err(needs_type()),
        };
    };
    if input.start_record_identifier.is_some() && input.start_record_type.is_none() {
        return Err(needs_type());
    }
    let parsed = Name::parse(name)
        .ok_or_else(|| invalid(format!("The specified domain name is not valid: {name}")))?;
    let kind = input.start_record_type.map_or("", |kind| kind.as_str());
    let set = input.start_record_identifier.clone().unwrap_or_default();
    Ok(Some((parsed.order(), kind.to_owned(), set)))
}

fn needs_type() -> Fault {
    invalid(
        "StartRecordIdentifier may be given together with StartRecordName and StartRecordType only.",
    )
}

/// ListResourceRecordSets: in the order of names with their labels reversed, then types, then
/// identifiers.
pub(super) struct ListResourceRecordSets;

impl Operation for ListResourceRecordSets {
    type Input = ListResourceRecordSetsRequest;
    type Output = ListResourceRecordSetsResponse;
    const SERVICE: &'static str = "route53";
    const NAME: &'static str = "ListResourceRecordSets";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let arn = arn(call.scope, &call.input.hosted_zone_id);
        Ok(Need::on("route53:ListResourceRecordSets", arn).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        let zone = records::own(tx, call.scope, &input.hosted_zone_id)?;
        let size = page_size(input.max_items.as_deref(), PAGE)?;
        let sets: BTreeMap<SetKey, RecordSet> = records::sets(tx, &zone.id)?;
        let from = start(input)?.map_or(Bound::Unbounded, Bound::Included);
        let mut rest = sets.range((from, Bound::Unbounded)).map(|(_, set)| set);
        let page: Vec<_> = rest.by_ref().take(size).map(shape).collect();
        let next = rest.next();
        Ok(ListResourceRecordSetsResponse {
            resource_record_sets: Some(page),
            is_truncated: Some(next.is_some()),
            next_record_name: next.map(|set| set.name.clone()),
            next_record_type: next.and_then(|set| set.kind.parse().ok()),
            next_record_identifier: next.and_then(|set| set.identifier.clone()),
            max_items: Some(size.to_string()),
        })
    }
}
