//! What a hosted zone answers: which of several sets of a name, and what is behind an alias (Route 53
//! Developer Guide, "Choosing a routing policy" and "Choosing between alias and non-alias records").

use super::zone::{self, Content, Found, HostedZone, RecordSet, Routing};
use super::{Answer, LONGEST_CHAIN, Names, Reason, Record, Status};

/// How many sets of a multivalue answer there are at most in an answer.
const MOST_MULTIVALUE: usize = 8;

impl Names<'_> {
    /// What a zone answers to the question for a name in it.
    pub(super) fn in_zone(
        &self,
        zone: &HostedZone,
        name: &str,
        kind: u16,
        reason: Reason,
    ) -> Answer {
        let (status, records) = self.of_zone(zone, name, kind, 0);
        let records = records.into_iter().map(|it| Record { name: name.to_owned(), ..it });
        Answer { status, records: records.collect(), reason }
    }

    fn of_zone(
        &self,
        zone: &HostedZone,
        name: &str,
        kind: u16,
        depth: usize,
    ) -> (Status, Vec<Record>) {
        if depth > LONGEST_CHAIN {
            return (Status::Failure, Vec::new());
        }
        let sets = match zone::find(zone, name, kind) {
            Found::Sets(sets) => sets,
            Found::Nothing => return (Status::NoData, Vec::new()),
            Found::NoName => return (Status::NameError, Vec::new()),
        };
        let records = match sets.first().map(|set| set.routing) {
            Some(Routing::Weighted(_)) => self.weighted(zone, sets, depth),
            Some(Routing::Multivalue) => self.several(zone, &sets, depth),
            _ => sets.iter().flat_map(|set| self.of_set(zone, set, depth)).collect(),
        };
        let status = if records.is_empty() { Status::NoData } else { Status::Found };
        (status, records)
    }

    /// One of the sets. What leads to nothing although its health counts is left out.
    fn weighted(&self, zone: &HostedZone, mut sets: Vec<&RecordSet>, depth: usize) -> Vec<Record> {
        let weight = |set: &RecordSet| match set.routing {
            Routing::Weighted(weight) => u64::from(weight),
            _ => 0,
        };
        loop {
            let sum: u64 = sets.iter().map(|set| weight(set)).sum();
            // Where all have none, all have the same.
            let share = |set: &RecordSet| if sum == 0 { 1 } else { weight(set) };
            let total = if sum == 0 { sets.len() as u64 } else { sum };
            if total == 0 {
                return Vec::new();
            }
            let mut drawn = (self.draw)(total) % total;
            let at = sets.iter().position(|set| {
                let own = share(set);
                let here = drawn < own;
                drawn = drawn.saturating_sub(own);
                here
            });
            let Some(at) = at else { return Vec::new() };
            let chosen = sets.swap_remove(at);
            let records = self.of_set(zone, chosen, depth);
            let counts = matches!(chosen.content, Content::Alias { evaluate_health: true, .. });
            if !records.is_empty() || !counts || sets.is_empty() {
                return records;
            }
        }
    }

    fn several(&self, zone: &HostedZone, sets: &[&RecordSet], depth: usize) -> Vec<Record> {
        let count = sets.len().max(1);
        let first = usize::try_from((self.draw)(count as u64)).unwrap_or_default() % count;
        let turned = sets.iter().cycle().skip(first).take(sets.len().min(MOST_MULTIVALUE));
        turned.flat_map(|set| self.of_set(zone, set, depth)).collect()
    }

    fn of_set(&self, zone: &HostedZone, set: &RecordSet, depth: usize) -> Vec<Record> {
        match &set.content {
            Content::Values { ttl, values } => {
                let record = |data| Record { name: set.name.clone(), ttl: *ttl, data };
                values.iter().cloned().map(record).collect()
            }
            Content::Alias { name, of_zone: true, .. } => {
                self.of_zone(zone, name, set.kind, depth + 1).1
            }
            Content::Alias { name, of_zone: false, .. } => {
                self.of_endpoint(name, set.kind).map(|answer| answer.records).unwrap_or_default()
            }
        }
    }
}
