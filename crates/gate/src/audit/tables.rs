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

/// Records of writes that are kept.
const KEPT: usize = 100_000;
/// Records that one transaction of [`trim`] removes at most.
const BATCH: usize = 1_000;

/// The tables of the audit, which a test reset empties too.
pub const NAMES: [&str; 2] = ["audit.record", "audit.request"];

pub(crate) fn put(tx: &mut Tx, record: &Record) -> Result<(), StoreError> {
    let at = u64::try_from(record.millis).unwrap_or_default();
    RECORDS.put(tx, &(at, record.request_id.clone()), record)?;
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
    for (key, _) in &oldest {
        RECORDS.delete(tx, key);
        PLACES.delete(tx, &key.1);
    }
    Ok(oldest.len())
}
