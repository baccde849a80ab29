//! One state of the file, as of one engine transaction.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::mpsc::Sender;
use std::sync::{Arc, PoisonError, RwLock};

use redb::{Database, ReadOnlyTable, ReadableDatabase, TableDefinition};

use super::directory::Directory;
use super::disk::Disk;
use super::engine::trouble;
use crate::StoreError;
use crate::view::{Base, Pairs, Range};

/// All tables in one tree: the table's name, 00, the key.
pub(crate) const DATA: TableDefinition<&[u8], &[u8]> = TableDefinition::new("data");

/// One opening of the file. After a failure the file is opened again; readers of the earlier opening go on there.
pub(crate) struct Opening {
    pub(crate) database: Database,
    pub(crate) disk: Arc<Disk>,
    /// The directory stays ours until the last reader is gone.
    pub(crate) _directory: Arc<Directory>,
}

type Guard = redb::AccessGuard<'static, &'static [u8]>;
type Row = Result<(Guard, Guard), redb::StorageError>;

/// One durable state, kept readable as long as this lives.
pub(crate) struct FileBase {
    table: ReadOnlyTable<&'static [u8], &'static [u8]>,
    opening: Arc<Opening>,
    /// What was read of it lately, which never changes.
    known: RwLock<Known>,
    /// Told when this is given back.
    released: Sender<()>,
}

/// Values of one state by their place in the tree.
#[derive(Default)]
struct Known {
    size: usize,
    values: HashMap<Box<[u8]>, Option<Arc<[u8]>>>,
}

/// The longest value that is kept, in bytes.
const LONGEST: usize = 16 * 1024;
/// All that is kept, in bytes; past it the collection starts anew.
const ROOM: usize = 1024 * 1024;
/// What an entry counts beside its key and value.
const ENTRY: usize = 96;

impl Known {
    fn put(&mut self, place: &[u8], value: &Option<Arc<[u8]>>) {
        let bytes = value.as_ref().map_or(0, |value| value.len());
        if bytes > LONGEST {
            return;
        }
        let size = place.len() + bytes + ENTRY;
        if self.size + size > ROOM {
            *self = Known::default();
        }
        // Two readers may come with the same: their values are the same too.
        if self.values.insert(place.into(), value.clone()).is_none() {
            self.size += size;
        }
    }
}

impl FileBase {
    pub(crate) fn new(
        opening: &Arc<Opening>,
        released: &Sender<()>,
    ) -> Result<FileBase, redb::Error> {
        let table = opening.database.begin_read()?.open_table(DATA)?;
        let (opening, released) = (Arc::clone(opening), released.clone());
        Ok(FileBase { table, opening, known: RwLock::default(), released })
    }

    fn trouble(&self, error: redb::StorageError) -> StoreError {
        trouble("read", error.into(), Some(&self.opening.disk))
    }
}

impl Drop for FileBase {
    fn drop(&mut self) {
        // Nobody listens when the engine is gone.
        let _ = self.released.send(());
    }
}

impl Base for FileBase {
    fn get(&self, table: &str, key: &[u8]) -> Result<Option<Arc<[u8]>>, StoreError> {
        let place = place(table, key);
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(value) = known.values.get(place.as_slice()) {
                return Ok(value.clone());
            }
        }
        let found = self.table.get(place.as_slice());
        let found = found.map_err(|error| self.trouble(error))?;
        let value = found.map(|value| Arc::from(value.value()));
        self.known.write().unwrap_or_else(PoisonError::into_inner).put(&place, &value);
        Ok(value)
    }

    fn range<'a>(
        &'a self,
        table: &str,
        range: Range<'_>,
        reverse: bool,
    ) -> Result<Pairs<'a>, StoreError> {
        let (from, to) = places(table, range);
        let range = (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
        let found = self.table.range::<&[u8]>(range).map_err(|error| self.trouble(error))?;
        let prefix = table.len() + 1;
        let pair = move |row: Row| {
            let (key, value) = row.map_err(|error| self.trouble(error))?;
            let key = key.value().get(prefix..).unwrap_or_default().to_vec();
            Ok((key, Arc::from(value.value())))
        };
        Ok(if reverse { Box::new(found.rev().map(pair)) } else { Box::new(found.map(pair)) })
    }
}

/// Where a key of a table lies in the tree.
pub(crate) fn place(table: &str, key: &[u8]) -> Vec<u8> {
    let mut place = Vec::with_capacity(table.len() + 1 + key.len());
    place.extend_from_slice(table.as_bytes());
    place.push(0);
    place.extend_from_slice(key);
    place
}

/// Where an interval of a table's keys lies in the tree.
pub(crate) fn places(table: &str, range: Range<'_>) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let from = match range.0 {
        Bound::Unbounded => Bound::Included(place(table, b"")),
        bound => bound.map(|key| place(table, key)),
    };
    let to = match range.1 {
        Bound::Unbounded => {
            let mut end = table.as_bytes().to_vec();
            end.push(1);
            Bound::Excluded(end)
        }
        bound => bound.map(|key| place(table, key)),
    };
    (from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_stays_within_its_room() {
        let mut known = Known::default();
        let counted = |known: &Known| {
            let bytes = |value: &Option<Arc<[u8]>>| value.as_ref().map_or(0, |value| value.len());
            let sizes = known.values.iter().map(|(at, value)| at.len() + bytes(value) + ENTRY);
            sizes.sum::<usize>()
        };
        let value: Option<Arc<[u8]>> = Some(Arc::from(vec![b' '; LONGEST]));
        for number in 0..1_000_u64 {
            for value in [&value, &None] {
                let place = [number.to_be_bytes(), [u8::from(value.is_none()); 8]].concat();
                known.put(&place, value);
                known.put(&place, value);
                assert_eq!(known.values.get(place.as_slice()), Some(value));
                assert_eq!(known.size, counted(&known));
                assert!(known.size <= ROOM);
            }
        }
        let size = known.size;
        known.put(b"long", &Some(Arc::from(vec![b' '; LONGEST + 1])));
        assert_eq!((known.values.get(b"long".as_slice()), known.size), (None, size));
    }
}
