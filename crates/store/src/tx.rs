//! Transactions: reads through a view, own writes on top, and what was read kept for the check at commit.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::view::{Pair, Read, Reads, Snapshot, View, is_empty, overlay};
use crate::{Memo, StoreError};

/// The writes of one transaction: the last word per key, `None` for a deletion.
pub(crate) type Writes = BTreeMap<&'static str, BTreeMap<Vec<u8>, Option<Arc<[u8]>>>>;

/// One transaction: a consistent view with its own writes on top. See [`crate::Store::transact`].
pub struct Tx {
    pub(crate) view: Arc<View>,
    pub(crate) reads: Option<Reads>,
    pub(crate) writes: Writes,
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx").field("revision", &self.view.revision).finish_non_exhaustive()
    }
}

impl Tx {
    pub(crate) fn tracked(view: Arc<View>) -> Tx {
        Tx { view, reads: Some(Reads::default()), writes: Writes::new() }
    }

    /// A transaction that can only look: the same code path for reads, without keeping track of them. What is
    /// put into it is seen by its own reads and goes no further.
    #[must_use]
    pub fn read_only(snapshot: Snapshot) -> Tx {
        Tx { view: snapshot.view, reads: None, writes: Writes::new() }
    }

    /// The revision on which this transaction stands.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.view.revision
    }

    /// The state on which this transaction stands, without its own writes. It may show commits that are not
    /// durable yet, so nothing of it may leave the transaction but by its outcome. What is read from it is not
    /// noticed: see [`Tx::depend_on`].
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { view: Arc::clone(&self.view) }
    }

    /// Counts the whole table as read: for answers that were worked out from it earlier and are kept by its
    /// revision.
    pub fn depend_on(&self, table: &'static str) {
        if let Some(reads) = &self.reads {
            reads.ranges.borrow_mut().push((table, Bound::Unbounded, Bound::Unbounded));
        }
    }

    /// Sets the value under `key`.
    pub fn put(
        &mut self,
        table: &'static str,
        key: impl Into<Vec<u8>>,
        value: impl Into<Arc<[u8]>>,
    ) {
        self.writes.entry(table).or_default().insert(key.into(), Some(value.into()));
    }

    /// Removes the value under `key`, if there is one.
    pub fn delete(&mut self, table: &'static str, key: impl Into<Vec<u8>>) {
        self.writes.entry(table).or_default().insert(key.into(), None);
    }

    /// Whether something has been put into this table, or deleted from it.
    #[must_use]
    pub fn has_written(&self, table: &str) -> bool {
        self.writes.get(table).is_some_and(|writes| !writes.is_empty())
    }

    /// Does a part of the transaction's work; where that fails, what the part has written is as if it had never
    /// been, and the transaction may go on. What the part has read counts as read all the same.
    ///
    /// # Errors
    /// Those of `part`.
    pub fn or_undo<T, E>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let before = self.writes.clone();
        let outcome = part(self);
        if outcome.is_err() {
            self.writes = before;
        }
        outcome
    }

    /// Whether anything has been put or deleted.
    #[must_use]
    pub fn has_writes(&self) -> bool {
        !self.writes.is_empty()
    }
}

impl Read for Tx {
    fn get(&self, table: &'static str, key: &[u8]) -> Result<Option<Arc<[u8]>>, StoreError> {
        if let Some(own) = self.writes.get(table).and_then(|writes| writes.get(key)) {
            return Ok(own.clone());
        }
        if let Some(reads) = &self.reads {
            reads.keys.borrow_mut().push((table, key.to_vec()));
        }
        self.view.get(table, key)
    }

    fn scan(
        &self,
        table: &'static str,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Pair>, StoreError> {
        if limit == 0 || is_empty((from, to)) {
            return Ok(Vec::new());
        }
        let found = match self.writes.get(table) {
            None => self.view.scan(table, (from, to), limit, reverse)?,
            Some(own) => {
                let below = self.view.range(table, (from, to), reverse)?;
                let above = own
                    .range::<[u8], _>((from, to))
                    .map(|(key, value)| (key.as_slice(), value.as_ref()));
                overlay(Some(below), above, reverse).take(limit).collect::<Result<_, _>>()?
            }
        };
        if let Some(reads) = &self.reads {
            // A scan that its limit ended has seen nothing beyond its last pair.
            let last = found.last().filter(|_| found.len() == limit).map(|(key, _)| key.clone());
            let (from, to) = (from.map(<[u8]>::to_vec), to.map(<[u8]>::to_vec));
            let seen = match last {
                None => (table, from, to),
                Some(last) if reverse => (table, Bound::Included(last), to),
                Some(last) => (table, from, Bound::Included(last)),
            };
            reads.ranges.borrow_mut().push(seen);
        }
        Ok(found)
    }

    fn memo(&self) -> &Memo {
        &self.view.memo
    }
}
