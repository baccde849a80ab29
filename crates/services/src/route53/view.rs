//! Private zones as resolvers read them.

use sagegate_gate::Scope;
use sagegate_network::dns;
use sagegate_store::{Read, StoreError};

use super::name::Name;
use super::records::{self, Content, RECORD_SETS, RecordSet, Routing, ZONES, Zone};
use super::value;

/// The tables that decide what [`zones_of`] is.
pub const ZONE_TABLES: &[&str] = &[ZONES.name(), RECORD_SETS.name()];

/// The zones that resolvers in a region answer from: those with a VPC there.
///
/// # Errors
/// [`StoreError`].
pub fn zones_of(state: &dyn Read, scope: &Scope) -> Result<Vec<dns::HostedZone>, StoreError> {
    let mut found = Vec::new();
    for zone in records::all(state)? {
        let here = zone.vpcs.iter().filter(|vpc| vpc.region == scope.region.as_str());
        let vpcs: Vec<String> = here.map(|vpc| vpc.id.clone()).collect();
        let Some(name) = Name::parse(&zone.name) else { continue };
        if vpcs.is_empty() {
            continue;
        }
        let sets = records::sets(state, &zone.id)?;
        let sets = sets.values().filter_map(|set| answered(&zone, set)).collect();
        found.push(dns::HostedZone { id: zone.id, name: name.asked(), vpcs, sets });
    }
    Ok(found)
}

fn answered(zone: &Zone, set: &RecordSet) -> Option<dns::RecordSet> {
    let asked = |name: &str| Name::parse(name).map(|name| name.asked());
    let content = match &set.content {
        Content::Values { ttl, values } => dns::Content::Values {
            ttl: *ttl,
            values: values.iter().filter_map(|text| value::parse(&set.kind, text).ok()).collect(),
        },
        Content::Alias { zone: target, name, evaluate_health } => dns::Content::Alias {
            name: asked(name)?,
            of_zone: *target == zone.id,
            evaluate_health: *evaluate_health,
        },
    };
    let routing = match set.routing {
        Routing::Simple => dns::Routing::Simple,
        Routing::Weighted(weight) => dns::Routing::Weighted(weight),
        Routing::Multivalue => dns::Routing::Multivalue,
    };
    Some(dns::RecordSet {
        name: asked(&set.name)?,
        kind: value::number(&set.kind)?,
        routing,
        content,
    })
}
