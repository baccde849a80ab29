//! What a batch of changes is held to: the form of each change, the values of each set, and what the
//! zone would be afterwards. Texts are Route 53's where its users have reported them; those marked as
//! ours are not.

use std::collections::{BTreeMap, BTreeSet};

use sagegate_api::route53::{Change, ChangeAction, ResourceRecordSet};
use sagegate_gate::{Fault, Scope};
use sagegate_store::Read;

use super::fault::{invalid, no_health_check};
use super::name::Name;
use super::records::{self, Content, RecordSet, Routing, SetKey, Zone};
use super::value;
use super::zone::is_required;
use crate::ec2;

/// Values of a set (Route 53 Developer Guide, "Quotas on records").
const MAX_VALUES: usize = 400;

/// Refuses what a change alone shows to be wrong.
///
/// # Errors
/// `InvalidInput`, `NoSuchHealthCheck`.
pub(super) fn check_form(change: &Change) -> Result<(), Fault> {
    let set = &change.resource_record_set;
    let identifier = set.set_identifier.as_deref().unwrap_or("null");
    let at = format!(
        "Change with [Action={}, Name={}, Type={}, SetIdentifier={identifier}]",
        change.action, set.name, set.r#type
    );
    check_content(set, &at)?;
    check_routing(set, &at)?;
    if value::number(set.r#type.as_str()).is_none() {
        // Text is ours.
        let text = format!("Sagegate does not answer for records of type {}, in {at}", set.r#type);
        return Err(invalid(text));
    }
    match &set.health_check_id {
        Some(id) => Err(no_health_check(id)),
        None => Ok(()),
    }
}

fn check_content(set: &ResourceRecordSet, at: &str) -> Result<(), Fault> {
    let values = set.ttl.is_some() && set.resource_records.is_some();
    let half = set.ttl.is_some() != set.resource_records.is_some();
    let count = [set.alias_target.is_some(), values, set.traffic_policy_instance_id.is_some()]
        .iter()
        .filter(|given| **given)
        .count();
    let expected = "Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId]";
    match count {
        0 => Err(invalid(format!("Invalid request: {expected}, but found none in {at}"))),
        1 if !half && set.traffic_policy_instance_id.is_none() => Ok(()),
        1 if !half => {
            // Text is ours.
            let text = format!("Sagegate has no traffic policies, in {at}");
            Err(invalid(text))
        }
        _ => Err(invalid(format!("Invalid request: {expected}, but found more than one in {at}"))),
    }
}

fn check_routing(set: &ResourceRecordSet, at: &str) -> Result<(), Fault> {
    let multivalue = set.multi_value_answer == Some(true);
    let kinds = [
        (set.weight.is_some(), "weighted", true),
        (set.region.is_some(), "latency", false),
        (set.failover.is_some(), "failover", false),
        (set.geo_location.is_some(), "geolocation", false),
        (multivalue, "multivalue answer", true),
        (set.cidr_routing_config.is_some(), "IP-based", false),
        (set.geo_proximity_location.is_some(), "geoproximity", false),
    ];
    let given: Vec<_> = kinds.iter().filter(|(given, ..)| *given).collect();
    let expected = "Expected exactly one of [Weight, Region, Failover, GeoLocation, MultiValueAnswer, CidrRoutingConfig, or GeoProximityLocation]";
    match given.as_slice() {
        [] if set.set_identifier.is_none() => Ok(()),
        [] => Err(invalid(format!("Invalid request: {expected}, but found none in {at}"))),
        [_] if set.set_identifier.is_none() => {
            Err(invalid(format!("Invalid request: Missing field 'SetIdentifier' in {at}")))
        }
        [(_, _, true)] => Ok(()),
        [(_, kind, _)] => {
            // Text is ours.
            let text = format!(
                "Sagegate does not support {kind} routing; simple, weighted and multivalue answer routing are supported, in {at}"
            );
            Err(invalid(text))
        }
        _ => Err(invalid(format!("Invalid request: {expected}, but found more than one in {at}"))),
    }
}

/// The set that a change is about, and where it is stored.
///
/// # Errors
/// What is wrong with it, all of it.
pub(super) fn planned(zone: &Zone, change: &Change) -> Result<(SetKey, RecordSet), Vec<String>> {
    let given = &change.resource_record_set;
    let kind = given.r#type.as_str();
    let Some(name) = Name::parse(&given.name) else {
        // Text is ours.
        return Err(vec![format!("{} is not a valid domain name", given.name)]);
    };
    let shown = name.shown();
    let mut texts = Vec::new();
    if !Name::parse(&zone.name).is_some_and(|zone| name.is_in(&zone)) {
        texts.push(format!("RRSet with DNS name {shown} is not permitted in zone {}", zone.name));
    }
    let routing = match (given.weight, given.multi_value_answer) {
        (Some(weight), _) => Routing::Weighted(u8::try_from(weight).unwrap_or(u8::MAX)),
        (None, Some(true)) => Routing::Multivalue,
        (None, _) => Routing::Simple,
    };
    let content = match &given.alias_target {
        Some(target) => match Name::parse(&target.dns_name) {
            Some(name) => Some(Content::Alias {
                zone: records::bare(&target.hosted_zone_id, "/hostedzone/").to_owned(),
                name: name.shown(),
                evaluate_health: target.evaluate_target_health,
            }),
            None => {
                // Text is ours.
                texts.push(format!("{} is not a valid domain name", target.dns_name));
                None
            }
        },
        None => {
            let records = given.resource_records.iter().flatten();
            let values: Vec<String> = records.map(|it| it.value.clone()).collect();
            texts.extend(of_values(&shown, kind, &values));
            let ttl = given.ttl.and_then(|ttl| u32::try_from(ttl).ok()).unwrap_or_default();
            Some(Content::Values { ttl, values })
        }
    };
    let (Some(content), true) = (content, texts.is_empty()) else { return Err(texts) };
    let identifier = given.set_identifier.clone();
    let key = (name.order(), kind.to_owned(), identifier.clone().unwrap_or_default());
    Ok((key, RecordSet { name: shown, kind: kind.to_owned(), identifier, routing, content }))
}

fn of_values(name: &str, kind: &str, values: &[String]) -> Vec<String> {
    let mut texts: Vec<String> =
        values.iter().filter_map(|text| value::parse(kind, text).err()).collect();
    let mut seen = BTreeSet::new();
    for text in values {
        if !seen.insert(text) {
            texts.push(format!("Duplicate Resource Record: '{text}'"));
        }
    }
    // Both texts are ours.
    if matches!(kind, "CNAME" | "SOA") && values.len() > 1 {
        texts.push(format!("RRSet of type {kind} with DNS name {name} has more than one value"));
    }
    if values.len() > MAX_VALUES {
        texts.push(format!("RRSet with DNS name {name} has more than {MAX_VALUES} values"));
    }
    texts
}

/// Whether a set that is to be deleted is the one that there is; the order of values does not count.
pub(super) fn is_same(known: &RecordSet, given: &RecordSet) -> bool {
    let same = match (&known.content, &given.content) {
        (
            Content::Values { ttl, values },
            Content::Values { ttl: given_ttl, values: given_values },
        ) => {
            let set = |values: &Vec<String>| values.iter().cloned().collect::<BTreeSet<_>>();
            ttl == given_ttl && set(values) == set(given_values)
        }
        (known, given) => known == given,
    };
    same && known.routing == given.routing
}

/// What is wrong with the zone as a batch would leave it.
pub(super) fn problems(
    state: &dyn Read,
    scope: &Scope,
    zone: &Zone,
    after: &BTreeMap<SetKey, RecordSet>,
    touched: &BTreeMap<SetKey, Vec<ChangeAction>>,
) -> Result<Vec<String>, Fault> {
    let mut texts = Vec::new();
    for (key, actions) in touched {
        // One set may be replaced by a deletion and a creation; anything else is at odds with itself.
        let replaced = matches!(
            actions.as_slice(),
            [_] | [ChangeAction::Delete, ChangeAction::Create | ChangeAction::Upsert]
        );
        if !replaced {
            let name = after.get(key).map_or_else(|| key.0.clone(), |set| set.name.clone());
            texts.push(format!(
                "The request contains an invalid set of changes for a resource record set '{} {name}'",
                key.1
            ));
        }
        if let Some(set) = after.get(key) {
            texts.extend(beside(zone, after, key, set));
            texts.extend(of_alias(state, scope, zone, after, set)?);
        }
    }
    let has = |kind: &str| after.values().any(|set| is_required(zone, set) && set.kind == kind);
    if !has("SOA") {
        texts.push("A HostedZone must contain exactly one SOA record.".to_owned());
    }
    if !has("NS") {
        let text = "A HostedZone must contain at least one NS record for the zone itself.";
        texts.push(text.to_owned());
    }
    texts.dedup();
    Ok(texts)
}

/// What is wrong with a set beside the others of its name.
fn beside(
    zone: &Zone,
    after: &BTreeMap<SetKey, RecordSet>,
    key: &SetKey,
    set: &RecordSet,
) -> Vec<String> {
    let mut texts = Vec::new();
    let (name, kind) = (&set.name, &set.kind);
    if kind == "CNAME" && *name == zone.name {
        texts.push(format!(
            "RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {name}"
        ));
    }
    if kind == "SOA" && *name != zone.name {
        // Text is ours.
        texts.push(format!("RRSet of type SOA with DNS name {name} is permitted at apex alone"));
    }
    let from = (key.0.clone(), String::new(), String::new());
    let of_name = after.range(from..).take_while(|(other, _)| other.0 == key.0);
    let others: Vec<&RecordSet> =
        of_name.filter(|(other, _)| *other != key).map(|(_, set)| set).collect();
    let conflicting = others
        .iter()
        .find(|other| other.kind != *kind && (other.kind == "CNAME" || kind == "CNAME"));
    if let Some(other) = conflicting {
        // The two spaces are AWS's.
        texts.push(format!(
            "RRSet of type {kind} with DNS name {name} is not permitted because a conflicting RRSet of type  {} with the same DNS name already exists in zone {}",
            other.kind, zone.name
        ));
    }
    let mixed = others.iter().any(|other| {
        other.kind == *kind
            && std::mem::discriminant(&other.routing) != std::mem::discriminant(&set.routing)
    });
    if mixed {
        let identifier = set.identifier.as_deref().unwrap_or("null");
        let routing = match set.routing {
            Routing::Simple => "simple",
            Routing::Weighted(_) => "weighted",
            Routing::Multivalue => "multivalue answer",
        };
        texts.push(format!(
            "RRSet with DNS name {name}, type {kind}, SetIdentifier {identifier} cannot be created because a non {routing} rrset exists with the same name and type."
        ));
    }
    if matches!(kind.as_str(), "NS" | "SOA") && set.routing != Routing::Simple {
        // Text is ours.
        texts.push(format!("RRSet of type {kind} with DNS name {name} has simple routing alone"));
    }
    if set.routing == Routing::Multivalue
        && (kind == "CNAME" || matches!(set.content, Content::Alias { .. }))
    {
        // Text is ours.
        texts.push(format!(
            "RRSet with DNS name {name}, type {kind} cannot be a multivalue answer: neither a CNAME nor an alias can"
        ));
    }
    texts
}

/// What is wrong with an alias: it leads to a set of its own type in the same zone, or to a name of an
/// interface endpoint. Other services' names are not served.
fn of_alias(
    state: &dyn Read,
    scope: &Scope,
    zone: &Zone,
    after: &BTreeMap<SetKey, RecordSet>,
    set: &RecordSet,
) -> Result<Option<String>, Fault> {
    let Content::Alias { zone: target_zone, name, .. } = &set.content else { return Ok(None) };
    let kind = &set.kind;
    let tried =
        format!("Tried to create an alias that targets {name}, type {kind} in zone {target_zone}");
    let Some(target) = Name::parse(name) else { return Ok(Some(tried)) };
    if *target_zone == zone.id {
        if !target.is_in(&zone.parsed()?) {
            return Ok(Some(format!(
                "{tried}, but the alias target name does not lie within the target zone"
            )));
        }
        let order = target.order();
        let found = after.keys().any(|key| key.0 == order && key.1 == *kind);
        let itself = *name == set.name;
        let delegates = matches!(kind.as_str(), "NS" | "SOA");
        return Ok((!found || itself || delegates)
            .then(|| format!("{tried}, but that target was not found")));
    }
    let found = matches!(kind.as_str(), "A" | "AAAA")
        && ec2::endpoint::has_name(state, scope, target_zone, &target.asked())?;
    Ok((!found).then(|| format!("{tried}, but that target was not found")))
}
