//! Looking a name up in one zone.

use super::{CNAME, HostedZone, Record};

/// What a zone has for a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// These.
    Records(Vec<Record>),
    /// The name exists, but nothing of the type.
    Nothing,
    /// The name does not exist.
    NoName,
}

/// Whether a name is the zone's or below it.
pub(super) fn is_in(name: &str, zone: &str) -> bool {
    name.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Looks up a name that is in the zone.
pub(super) fn find(zone: &HostedZone, name: &str, kind: u16) -> Found {
    if exists(zone, name) {
        return of(zone, name, name, kind);
    }
    // The closest ancestor that exists decides: only a wildcard right below it counts (RFC 4592,
    // 3.3.1).
    let mut ancestor = name;
    while let Some((_, parent)) = ancestor.split_once('.') {
        ancestor = parent;
        if exists(zone, ancestor) {
            let wildcard = format!("*.{ancestor}");
            let any = zone.records.iter().any(|record| record.name == wildcard);
            return if any { of(zone, &wildcard, name, kind) } else { Found::NoName };
        }
    }
    Found::NoName
}

/// A name exists with records of its own or names below it; the zone's own always does.
fn exists(zone: &HostedZone, name: &str) -> bool {
    name == zone.name || zone.records.iter().any(|record| is_in(&record.name, name))
}

fn of(zone: &HostedZone, owner: &str, asked: &str, kind: u16) -> Found {
    let with = |kind: u16| -> Vec<Record> {
        let own = zone.records.iter().filter(|it| it.name == owner && it.data.kind() == kind);
        own.map(|it| Record { name: asked.to_owned(), ..it.clone() }).collect()
    };
    let records = with(kind);
    let records = if records.is_empty() { with(CNAME) } else { records };
    if records.is_empty() { Found::Nothing } else { Found::Records(records) }
}
