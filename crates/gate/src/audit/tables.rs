//! The records of writes, kept in the store by the writes themselves.

use sagegate_store::{Read, Record as StoreRecord, StoreError, Table, Tx};

use super::Record;

impl StoreRecord for Record {}

/// Where a record is, under its request's id.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Place(u64);

impl StoreRecord for Place {}

/// Records by time and request id.
const RECORDS: Table<(u64, String), Record> = Table::new("audit.record");
/// Times by request id.
const PLACES: Table<String, Place> = Table::new("audit.request");

/// What was done within a request: its id, then the time and id of each call.
const CALLS: Table<(String, u64, String), ()> = Table::new("audit.within");

/// Records of writes that are kept.
const KEPT: usize = 100_000;
/// Records that one transaction of [`trim`] removes at most.
const BATCH: usize = 1_000;

/// The tables of the audit, which a test reset empties too.
pub const NAMES: [&str; 3] = ["audit.record", "audit.request", "audit.within"];

pub(crate) fn put(tx: &mut Tx, record: &Record) -> Result<(), StoreError> {
    let at = u64::try_from(record.millis).unwrap_or_default();
    RECORDS.put(tx, &(at, record.request_id.clone()), record)?;
    if let Some(within) = &record.within {
        CALLS.put(tx, &(within.clone(), at, record.request_id.clone()), &())?;
    }
    PLACES.put(tx, &record.request_id, &Place(at))
}

/// The record of the write that this request did.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub fn find(state: &dyn Read, request_id: &str) -> Result<Option<Record>, StoreError> {
    let id = request_id.to_owned();
    match PLACES.get(state, &id)? {
        Some(Place(at)) => RECORDS.get(state, &(at, id)),
        None => Ok(None),
    }
}

/// The records of the writes that services did for this request in other services, oldest first;
/// those that were done for one of these are found by its own id.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub fn within(state: &dyn Read, request_id: &str) -> Result<Vec<Record>, StoreError> {
    let calls = CALLS.scan(state, &(request_id,), None, usize::MAX)?;
    let records = calls.into_iter().map(|((_, at, id), ())| RECORDS.get(state, &(at, id)));
    records.filter_map(Result::transpose).collect()
}

/// The newest records of writes, newest first.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub fn newest(state: &dyn Read, limit: usize) -> Result<Vec<Record>, StoreError> {
    Ok(RECORDS.scan_rev(state, &(), None, limit)?.into_iter().map(|(_, record)| record).collect())
}

/// How many records there are. Reads them all, a page at a time: for the start.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub(crate) fn count(state: &dyn Read) -> Result<usize, StoreError> {
    let (mut total, mut after) = (0, None);
    loop {
        let page = RECORDS.scan(state, &(), after.as_ref(), BATCH)?;
        total += page.len();
        match page.into_iter().next_back() {
            Some((last, _)) => after = Some(last),
            None => return Ok(total),
        }
    }
}

/// Removes up to [`BATCH`] of the oldest records, as long as more than [`KEPT`] are left of `total`;
/// how many.
///
/// # Errors
/// [`StoreError`] if the store cannot be read or written.
pub(crate) fn trim(tx: &mut Tx, total: usize) -> Result<usize, StoreError> {
    let excess = total.saturating_sub(KEPT).min(BATCH);
    let oldest = RECORDS.scan(tx, &(), None, excess)?;
    for (key, record) in &oldest {
        RECORDS.delete(tx, key);
        if let Some(within) = &record.within {
            CALLS.delete(tx, &(within.clone(), key.0, key.1.clone()));
        }
        PLACES.delete(tx, &key.1);
    }
    Ok(oldest.len())
}

#[cfg(test)]
mod tests {
    use sagegate_network::Arrival;
    use sagegate_store::Store;

    use super::super::Circumstances;
    use super::*;
    use crate::env::Time;

    #[test]
    fn a_record_that_is_trimmed_is_found_by_nothing() {
        let record = |id: &str, millis| {
            let about = Circumstances {
                service: "iam",
                operation: "CreateUser",
                region: "us-west-2",
                account: "123456789012",
                arrival: &Arrival::Service { service: "sagemaker.amazonaws.com".into() },
                user_agent: "test",
                request_id: id,
                now: Time::from_millis(millis),
                read_only: false,
            };
            let mut record = Record::of(about, format!("event-{id}"), None);
            record.within = Some("outer".into());
            record
        };
        let mut tx = Tx::read_only(Store::memory().snapshot().unwrap());
        // Of another request whose id begins alike.
        let mut other = record("c", 3);
        other.within = Some("outermost".into());
        for one in [&record("a", 1), &record("b", 2), &other] {
            put(&mut tx, one).unwrap();
        }
        let ids = |tx: &Tx| {
            let found = within(tx, "outer").unwrap();
            found.into_iter().map(|it| it.request_id).collect::<Vec<_>>()
        };
        assert_eq!(ids(&tx), ["a", "b"]);
        assert_eq!(trim(&mut tx, KEPT + 1).unwrap(), 1);
        assert_eq!(ids(&tx), ["b"]);
        assert_eq!(CALLS.count(&tx, &()).unwrap(), 2);
        assert!(find(&tx, "a").unwrap().is_none() && find(&tx, "b").unwrap().is_some());
    }
}
