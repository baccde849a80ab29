//! One state of the file, as of one engine transaction.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::mpsc::Sender;

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
    /// Told when this is given back.
    released: Sender<()>,
}

impl FileBase {
    pub(crate) fn new(
        opening: &Arc<Opening>,
        released: &Sender<()>,
    ) -> Result<FileBase, redb::Error> {
        let table = opening.database.begin_read()?.open_table(DATA)?;
        Ok(FileBase { table, opening: Arc::clone(opening), released: released.clone() })
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
        let found = self.table.get(place(table, key).as_slice());
        let found = found.map_err(|error| self.trouble(error))?;
        Ok(found.map(|value| Arc::from(value.value())))
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
