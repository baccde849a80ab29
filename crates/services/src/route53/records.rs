//! What is stored of zones, records and changes. Zones belong to an account and to no region.

use std::collections::BTreeMap;

use sagegate_gate::env::Time;
use sagegate_gate::{Fault, Scope};
use sagegate_store::{Read, Record, StoreError, Table, Tx};
use serde::{Deserialize, Serialize};

use super::fault;
use super::name::Name;

/// By id: ids are given out once in all accounts.
pub(super) const ZONES: Table<String, Zone> = Table::new("route53.hosted-zone");
/// By zone, then as [`SetKey`].
pub(super) const RECORD_SETS: Table<(String, String, String, String), RecordSet> =
    Table::new("route53.record-set");
/// By id.
pub(super) const CHANGES: Table<String, Change> = Table::new("route53.change");

/// The order of a name, a type, and the identifier or nothing: the order in which sets are listed.
pub(super) type SetKey = (String, String, String);

/// A hosted zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Zone {
    pub(super) id: String,
    pub(super) account: String,
    /// With the dot at the end.
    pub(super) name: String,
    pub(super) caller_reference: String,
    pub(super) comment: Option<String>,
    /// Whether VPCs are associated with it; it was made with one, and keeps one.
    pub(super) private: bool,
    pub(super) vpcs: Vec<Vpc>,
    /// VPCs of other accounts that those accounts may associate with it.
    pub(super) authorized: Vec<Vpc>,
    pub(super) tags: BTreeMap<String, String>,
}

/// A VPC as Route 53 names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Vpc {
    pub(super) region: String,
    pub(super) id: String,
}

/// A resource record set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RecordSet {
    /// With the dot at the end.
    pub(super) name: String,
    /// `A`, `TXT`, …
    pub(super) kind: String,
    pub(super) identifier: Option<String>,
    pub(super) routing: Routing,
    pub(super) content: Content,
}

/// How sets of one name and type share its questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Routing {
    Simple,
    Weighted(u8),
    Multivalue,
}

/// What a set answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Content {
    Values {
        ttl: u32,
        /// As they were given.
        values: Vec<String>,
    },
    Alias {
        zone: String,
        /// With the dot at the end.
        name: String,
        evaluate_health: bool,
    },
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    pub(super) id: String,
    pub(super) account: String,
    pub(super) submitted: Time,
    pub(super) comment: Option<String>,
}

impl Record for Zone {}
impl Record for RecordSet {}
impl Record for Change {}

impl Zone {
    /// Its name, which was read when it was made.
    pub(super) fn parsed(&self) -> Result<Name, Fault> {
        Name::parse(&self.name).ok_or_else(|| Fault::internal(format!("the name of {}", self.id)))
    }
}

/// The id in what a request names: clients write it with the path that answers have before it, too.
pub(super) fn bare<'a>(id: &'a str, path: &str) -> &'a str {
    id.strip_prefix(path).unwrap_or(id)
}

/// A zone of the caller's account.
///
/// # Errors
/// `NoSuchHostedZone`.
pub(super) fn own(state: &dyn Read, scope: &Scope, id: &str) -> Result<Zone, Fault> {
    let id = bare(id, "/hostedzone/");
    let zone = ZONES.get(state, id)?.filter(|zone| zone.account == scope.account.as_str());
    zone.ok_or_else(|| fault::no_zone(id))
}

/// All zones, in the order of their ids.
pub(super) fn all(state: &dyn Read) -> Result<Vec<Zone>, StoreError> {
    let found = ZONES.scan(state, &(), None, usize::MAX)?;
    Ok(found.into_iter().map(|(_, zone)| zone).collect())
}

/// Those of the caller's account.
pub(super) fn all_own(state: &dyn Read, scope: &Scope) -> Result<Vec<Zone>, StoreError> {
    let mut zones = all(state)?;
    zones.retain(|zone| zone.account == scope.account.as_str());
    Ok(zones)
}

pub(super) fn put(tx: &mut Tx, zone: &Zone) -> Result<(), StoreError> {
    ZONES.put(tx, zone.id.as_str(), zone)
}

/// The records of a zone, in the order in which they are listed.
pub(super) fn sets(
    state: &dyn Read,
    zone: &str,
) -> Result<BTreeMap<SetKey, RecordSet>, StoreError> {
    let found = RECORD_SETS.scan(state, &(zone,), None, usize::MAX)?;
    Ok(found.into_iter().map(|((_, name, kind, set), it)| ((name, kind, set), it)).collect())
}

pub(super) fn put_set(
    tx: &mut Tx,
    zone: &str,
    key: &SetKey,
    set: &RecordSet,
) -> Result<(), StoreError> {
    RECORD_SETS.put(tx, &(zone, key.0.as_str(), key.1.as_str(), key.2.as_str()), set)
}

pub(super) fn delete_set(tx: &mut Tx, zone: &str, key: &SetKey) {
    RECORD_SETS.delete(tx, &(zone, key.0.as_str(), key.1.as_str(), key.2.as_str()));
}

pub(super) fn count_sets(state: &dyn Read, zone: &str) -> Result<usize, StoreError> {
    RECORD_SETS.count(state, &(zone,))
}
