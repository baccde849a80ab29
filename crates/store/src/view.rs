//! Immutable views of the whole state.
//!
//! A view is a base (the durable file as of one engine transaction, or nothing) under layers, one per table, that
//! hold what is newer than the base. The memory engine is the case without a base: its layers hold everything.

use std::cell::RefCell;
use std::ops::Bound;
use std::sync::{Arc, Weak};

use rpds::RedBlackTreeMapSync;

use crate::{Memo, StoreError};

/// A half-open or closed interval of keys within one table.
pub(crate) type Range<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);
/// A key and its value, as scans answer them.
pub type Pair = (Vec<u8>, Arc<[u8]>);

/// Reading, the same for a [`Snapshot`] and a [`crate::Tx`]. Object-safe.
pub trait Read {
    /// The value under `key`, if there is one.
    ///
    /// # Errors
    /// [`StoreError`] when the engine cannot read.
    fn get(&self, table: &'static str, key: &[u8]) -> Result<Option<Arc<[u8]>>, StoreError>;

    /// Up to `limit` pairs between `from` and `to` in key order, or from the end backwards with `reverse`. An
    /// empty or inverted interval answers nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the engine cannot read.
    fn scan(
        &self,
        table: &'static str,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Pair>, StoreError>;

    /// Where records are kept that were read lately.
    fn memo(&self) -> &Memo;
}

/// What a view stands on: the durable part of the state.
pub(crate) trait Base: Send + Sync {
    fn get(&self, table: &str, key: &[u8]) -> Result<Option<Arc<[u8]>>, StoreError>;
    fn range<'a>(
        &'a self,
        table: &str,
        range: Range<'_>,
        reverse: bool,
    ) -> Result<Pairs<'a>, StoreError>;
}

pub(crate) type Pairs<'a> = Box<dyn Iterator<Item = Result<Pair, StoreError>> + 'a>;

/// A value in a layer; `None` hides what the base has under that key.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) revision: u64,
    pub(crate) value: Option<Arc<[u8]>>,
}

/// What is newer than the base in one table.
#[derive(Clone, Default)]
pub(crate) struct Layer {
    /// The last commit that touched the table.
    pub(crate) revision: u64,
    /// Set by the commit that emptied the table: the base does not show through.
    pub(crate) emptied: Option<u64>,
    pub(crate) entries: RedBlackTreeMapSync<Arc<[u8]>, Entry>,
}

/// The whole state at one revision.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) revision: u64,
    /// Counts rollbacks: a view of an earlier epoch may show writes that never became durable.
    pub(crate) epoch: u64,
    pub(crate) base: Option<Arc<dyn Base>>,
    pub(crate) layers: RedBlackTreeMapSync<Arc<str>, Layer>,
    pub(crate) memo: Arc<Memo>,
}

impl View {
    pub(crate) fn table_revision(&self, table: &str) -> u64 {
        self.layers.get(table).map_or(0, |layer| layer.revision)
    }

    /// The base, unless the table has been emptied above it.
    fn base_of(&self, layer: Option<&Layer>) -> Option<&dyn Base> {
        match layer {
            Some(Layer { emptied: Some(_), .. }) => None,
            _ => self.base.as_deref(),
        }
    }

    pub(crate) fn get(&self, table: &str, key: &[u8]) -> Result<Option<Arc<[u8]>>, StoreError> {
        let layer = self.layers.get(table);
        if let Some(entry) = layer.and_then(|layer| layer.entries.get(key)) {
            return Ok(entry.value.clone());
        }
        self.base_of(layer).map_or(Ok(None), |base| base.get(table, key))
    }

    pub(crate) fn range<'a>(
        &'a self,
        table: &str,
        range: Range<'a>,
        reverse: bool,
    ) -> Result<Pairs<'a>, StoreError> {
        if is_empty(range) {
            return Ok(Box::new(std::iter::empty()));
        }
        let layer = self.layers.get(table);
        let below = match self.base_of(layer) {
            Some(base) => Some(base.range(table, range, reverse)?),
            None => None,
        };
        let Some(layer) = layer.filter(|layer| !layer.entries.is_empty()) else {
            return Ok(below.unwrap_or_else(|| Box::new(std::iter::empty())));
        };
        let above = layer
            .entries
            .range::<[u8], _>(range)
            .map(|(key, entry)| (key.as_ref(), entry.value.as_ref()));
        Ok(overlay(below, above, reverse))
    }

    pub(crate) fn scan(
        &self,
        table: &str,
        range: Range<'_>,
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Pair>, StoreError> {
        self.range(table, range, reverse)?.take(limit).collect()
    }
}

/// Whether no key can lie in the interval. The ordered maps below would panic on such bounds.
pub(crate) fn is_empty(range: Range<'_>) -> bool {
    match range {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Included(to) | Bound::Excluded(to),
        ) => from >= to,
    }
}

/// Lays `above` over `below`: of equal keys the upper one counts, an upper `None` hides the lower pair. Both come
/// in the direction given.
pub(crate) fn overlay<'a>(
    below: Option<Pairs<'a>>,
    above: impl DoubleEndedIterator<Item = (&'a [u8], Option<&'a Arc<[u8]>>)> + 'a,
    reverse: bool,
) -> Pairs<'a> {
    let above: Box<dyn Iterator<Item = _>> =
        if reverse { Box::new(above.rev()) } else { Box::new(above) };
    let Some(below) = below else {
        return Box::new(
            above.filter_map(|(key, value)| Some(Ok((key.to_vec(), Arc::clone(value?))))),
        );
    };
    Box::new(Overlay { below: below.peekable(), above: above.peekable(), reverse })
}

struct Overlay<'a, A: Iterator> {
    below: std::iter::Peekable<Pairs<'a>>,
    above: std::iter::Peekable<A>,
    reverse: bool,
}

impl<'a, A> Iterator for Overlay<'a, A>
where
    A: Iterator<Item = (&'a [u8], Option<&'a Arc<[u8]>>)>,
{
    type Item = Result<Pair, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        use std::cmp::Ordering::{Equal, Greater, Less};
        loop {
            let order = match (self.below.peek(), self.above.peek()) {
                (None, None) => return None,
                (Some(Err(_)) | Some(Ok(_)), None) | (Some(Err(_)), Some(_)) => Less,
                (None, Some(_)) => Greater,
                (Some(Ok((lower, _))), Some((upper, _))) => {
                    let order = lower.as_slice().cmp(upper);
                    if self.reverse { order.reverse() } else { order }
                }
            };
            match order {
                Less => return self.below.next(),
                Equal => drop(self.below.next()),
                Greater => {}
            }
            if let Some((key, Some(value))) = self.above.next() {
                return Some(Ok((key.to_vec(), Arc::clone(value))));
            }
        }
    }
}

/// A consistent view of everything acknowledged when it was taken. Cheap to take and to clone; while it lives,
/// the space of what is overwritten meanwhile is not reused, so do not keep it for long.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) view: Arc<View>,
}

impl Snapshot {
    /// The revision that this snapshot shows.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.view.revision
    }

    /// The revision of the last commit up to this snapshot that touched `table`; 0 if none did.
    #[must_use]
    pub fn table_revision(&self, table: &str) -> u64 {
        self.view.table_revision(table)
    }

    /// What tells this snapshot's state from others.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(Arc::downgrade(&self.view))
    }
}

/// Stands for the state of one snapshot without holding on to it: for what was worked out of that state and is kept
/// for as long as snapshots show it. The default stands for none.
#[derive(Clone, Default)]
pub struct Mark(Weak<View>);

impl Mark {
    /// Whether `snapshot` shows the state that this stands for. States of equal contents may have different marks.
    #[must_use]
    pub fn is_of(&self, snapshot: &Snapshot) -> bool {
        // While this holds the place of its view in memory, even after the view is gone, no other view gets it.
        std::ptr::eq(self.0.as_ptr(), Arc::as_ptr(&snapshot.view))
    }
}

impl std::fmt::Debug for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mark")
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("revision", &self.view.revision).finish_non_exhaustive()
    }
}

impl Read for Snapshot {
    fn get(&self, table: &'static str, key: &[u8]) -> Result<Option<Arc<[u8]>>, StoreError> {
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
        self.view.scan(table, (from, to), limit, reverse)
    }

    fn memo(&self) -> &Memo {
        &self.view.memo
    }
}

/// A table, and from where to where it was read.
pub(crate) type ReadRange = (&'static str, Bound<Vec<u8>>, Bound<Vec<u8>>);

/// What a transaction has read, for the check at commit.
#[derive(Default)]
pub(crate) struct Reads {
    pub(crate) keys: RefCell<Vec<(&'static str, Vec<u8>)>>,
    pub(crate) ranges: RefCell<Vec<ReadRange>>,
}
