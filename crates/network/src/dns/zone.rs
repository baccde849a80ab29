//! Hosted zones, and looking a name up in one.

use super::{CNAME, Data, Record};

/// A private hosted zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostedZone {
    /// `Z…`.
    pub id: String,
    /// Its name, lower case and without the last dot.
    pub name: String,
    /// The VPCs that it is associated with.
    pub vpcs: Vec<String>,
    /// Its records.
    pub sets: Vec<RecordSet>,
}

/// Records of one name and type that answer together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSet {
    /// Its name, lower case and without the last dot; `*.` at the beginning is a wildcard.
    pub name: String,
    /// The number of its type.
    pub kind: u16,
    /// How it shares questions with other sets of its name and type.
    pub routing: Routing,
    /// What it answers.
    pub content: Content,
}

/// How sets of one name and type share its questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routing {
    /// There is no other.
    Simple,
    /// One of them answers, each in proportion to its weight; one of weight 0 never, unless all have it.
    Weighted(u8),
    /// All of them answer, or some where there are many.
    Multivalue,
}

/// What a set answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Values.
    Values {
        /// How long they may be kept, in seconds.
        ttl: u32,
        /// The values.
        values: Vec<Data>,
    },
    /// What another name has of the same type.
    Alias {
        /// The name, lower case and without the last dot.
        name: String,
        /// Whether it is a name of the same zone, rather than an endpoint's.
        of_zone: bool,
        /// Whether a set with nothing behind it leaves its questions to others.
        evaluate_health: bool,
    },
}

impl HostedZone {
    /// A zone with simple sets of these records.
    #[must_use]
    pub fn of_records(id: &str, name: &str, vpcs: Vec<String>, records: Vec<Record>) -> Self {
        let mut sets: Vec<RecordSet> = Vec::new();
        for Record { name, ttl, data } in records {
            let known = sets.iter_mut().find(|set| set.name == name && set.kind == data.kind());
            match known.map(|set| &mut set.content) {
                Some(Content::Values { values, .. }) => values.push(data),
                _ => sets.push(RecordSet {
                    name,
                    kind: data.kind(),
                    routing: Routing::Simple,
                    content: Content::Values { ttl, values: vec![data] },
                }),
            }
        }
        Self { id: id.to_owned(), name: name.to_owned(), vpcs, sets }
    }
}

/// What a zone has for a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// These, all of one name and type.
    Sets(Vec<&'a RecordSet>),
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
pub(super) fn find<'a>(zone: &'a HostedZone, name: &str, kind: u16) -> Found<'a> {
    if exists(zone, name) {
        return of(zone, name, kind);
    }
    // The closest ancestor that exists decides: only a wildcard right below it counts (RFC 4592,
    // 3.3.1).
    let mut ancestor = name;
    while let Some((_, parent)) = ancestor.split_once('.') {
        ancestor = parent;
        if exists(zone, ancestor) {
            let wildcard = format!("*.{ancestor}");
            let any = zone.sets.iter().any(|set| set.name == wildcard);
            return if any { of(zone, &wildcard, kind) } else { Found::NoName };
        }
    }
    Found::NoName
}

/// A name exists with records of its own or names below it; the zone's own always does.
fn exists(zone: &HostedZone, name: &str) -> bool {
    name == zone.name || zone.sets.iter().any(|set| is_in(&set.name, name))
}

fn of<'a>(zone: &'a HostedZone, owner: &str, kind: u16) -> Found<'a> {
    let with = |kind: u16| -> Vec<&RecordSet> {
        zone.sets.iter().filter(|set| set.name == owner && set.kind == kind).collect()
    };
    let sets = with(kind);
    let sets = if sets.is_empty() { with(CNAME) } else { sets };
    if sets.is_empty() { Found::Nothing } else { Found::Sets(sets) }
}
