//! Opening, committing batches, and coming back after a failure.

use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};
use std::time::Duration;

use redb::{Builder, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use rpds::RedBlackTreeMapSync;

use super::base::{DATA, FileBase, Opening, place, places};
use super::directory::Directory;
use super::disk::{Backend, Disk};
use crate::head::Change;
use crate::view::{Base, Layer, View};
use crate::{OpenError, StoreError};

/// The layout of the file as written by this release.
const SCHEMA: u64 = 1;
/// `schema` and `revision`.
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
/// The revision of the last commit that touched each table.
const REVISIONS: TableDefinition<&str, u64> = TableDefinition::new("revisions");

/// What the engine keeps in memory of the file; the rest is the operating system's page cache.
const CACHE_BYTES: usize = 8 << 20;
/// Room on the disk without which no commit is begun, so that the engine never meets the very end of it.
const SPARE_BYTES: u64 = 4 << 20;
/// What a written key may cost beside its own bytes: the pages on its way in the tree are written anew.
const BYTES_PER_KEY: u64 = 16 << 10;
/// How long a commit waits for readers of a state from before a failure.
const PATIENCE: Duration = Duration::from_secs(2);

/// The file engine; used by the committing thread alone.
pub(crate) struct Engine {
    directory: Arc<Directory>,
    opening: Arc<Opening>,
    /// The states handed out of this opening that still live, the newest last.
    issued: Vec<Weak<FileBase>>,
    /// Those of earlier openings of the file.
    earlier: Vec<Weak<FileBase>>,
    release: Sender<()>,
    released: Receiver<()>,
    alarm: Arc<dyn Fn() + Send + Sync>,
}

impl Engine {
    /// Opens the state in `path`, makes it if there is none, and answers it as a view. `alarm` is called, from any
    /// thread, when the file fails.
    pub(crate) fn open(
        path: &Path,
        alarm: impl Fn() + Send + Sync + 'static,
    ) -> Result<(Engine, View), OpenError> {
        let directory = Arc::new(Directory::open(path)?);
        let file = directory.database();
        let failed = |error| match error {
            redb::Error::Io(source) => OpenError::Io { path: file.clone(), cause: source },
            error => OpenError::Damaged { file: file.clone(), cause: error.to_string() },
        };
        if !file.exists() {
            guarded(|| create(&directory)).map_err(failed)?;
        }
        let opening = guarded(|| open(&directory)).map_err(failed)?;
        let schema = guarded(|| schema(&opening)).map_err(failed)?;
        match schema {
            SCHEMA => {}
            0 => {
                let cause = "it has no schema version".to_owned();
                return Err(OpenError::Damaged { file, cause });
            }
            found => {
                let directory = path.to_owned();
                return Err(OpenError::Newer { directory, found, supported: SCHEMA });
            }
        }
        let (release, released) = channel();
        let mut engine = Engine {
            directory,
            opening,
            issued: Vec::new(),
            earlier: Vec::new(),
            release,
            released,
            alarm: Arc::new(alarm),
        };
        engine.listen();
        let view = guarded(|| engine.view()).map_err(failed)?;
        Ok((engine, view))
    }

    #[cfg(test)]
    pub(crate) fn faults(&self) -> Arc<super::faults::Faults> {
        self.directory.faults()
    }

    fn listen(&self) {
        let alarm = Arc::clone(&self.alarm);
        self.opening.disk.set_alarm(move || alarm());
    }

    /// The durable state as it is in the file.
    fn view(&mut self) -> Result<View, redb::Error> {
        let read = self.opening.database.begin_read()?;
        let revision = read.open_table(META)?.get("revision")?.map_or(0, |value| value.value());
        let mut layers = RedBlackTreeMapSync::new_sync();
        for row in read.open_table(REVISIONS)?.iter()? {
            let (table, revision) = row?;
            let layer = Layer { revision: revision.value(), ..Layer::default() };
            layers.insert_mut(Arc::from(table.value()), layer);
        }
        let base: Option<Arc<dyn Base>> = Some(self.base()?);
        Ok(View { revision, epoch: 0, base, layers, memo: Arc::default() })
    }

    fn base(&mut self) -> Result<Arc<FileBase>, redb::Error> {
        let base = Arc::new(FileBase::new(&self.opening, &self.release)?);
        self.issued.retain(|base| base.strong_count() > 0);
        self.issued.push(Arc::downgrade(&base));
        // What has been given back needs no waiting for.
        while self.released.try_recv().is_ok() {}
        Ok(base)
    }

    /// Whether the file has failed and must be opened again before the next commit.
    pub(crate) fn has_failed(&self) -> bool {
        self.opening.disk.failure().is_some()
    }

    /// Opens the file anew after a failure and answers its state. Readers of the earlier opening go on.
    pub(crate) fn recover(&mut self) -> Result<View, StoreError> {
        // The new opening knows nothing of older readers and may reuse the space of what they see. The newest
        // state is what the file holds; all older ones must have been given back.
        let newest = self.issued.last().map_or(0, Weak::strong_count);
        let keep = usize::from(newest > 0);
        wait_until_gone(&self.released, &mut self.issued, keep)?;
        let failed = Arc::clone(&self.opening.disk);
        failed.restore().map_err(|error| io_trouble("recover", &error))?;
        let failed = |error| trouble("recover", error, None);
        let opening = guarded(|| open(&self.directory)).map_err(failed)?;
        self.earlier.append(&mut self.issued);
        self.opening = opening;
        self.listen();
        guarded(|| self.view()).map_err(failed)
    }

    /// Makes the changes durable as one, and answers the state with them.
    pub(crate) fn persist(&mut self, batch: &[(u64, Change)]) -> Result<Arc<FileBase>, StoreError> {
        wait_until_gone(&self.released, &mut self.earlier, 0)?;
        let opening = Arc::clone(&self.opening);
        let written = catch_unwind(AssertUnwindSafe(|| write(&opening, batch)));
        let written = written.unwrap_or_else(|_| {
            opening.disk.fail(io::Error::other("the engine panicked"));
            Ok(())
        });
        // A failure that the engine was not told of comes first.
        if let Some(error) = opening.disk.failure() {
            // So that a crash before the recovery finds nothing of it. What goes wrong here the recovery tries again.
            let _ = opening.disk.restore();
            return Err(io_trouble("commit", &error));
        }
        let base = written.and_then(|()| self.base());
        base.map_err(|error| {
            let error = trouble("commit", error, None);
            opening.disk.fail(io::Error::other(error.to_string()));
            error
        })
    }

    /// Refuses a batch that the disk may have no room for, before anything is touched.
    pub(crate) fn check_room(&self, batch: &[(u64, Change)]) -> Result<(), StoreError> {
        let mut needed = SPARE_BYTES;
        for (_, change) in batch {
            let Change::Write(writes) = change else { continue };
            for (key, value) in writes.values().flatten() {
                let bytes = key.len() + value.as_ref().map_or(0, |value| value.len());
                needed = needed.saturating_add(BYTES_PER_KEY).saturating_add(4 * bytes as u64);
            }
        }
        let room = self.directory.room().map_err(|error| io_trouble("commit", &error))?;
        if room < needed {
            let cause = format!("{room} bytes are free, {needed} are needed");
            return Err(StoreError::Full { cause: Arc::from(cause.as_str()) });
        }
        Ok(())
    }
}

/// Waits until all but the last `keep` of the states have been given back.
fn wait_until_gone(
    released: &Receiver<()>,
    states: &mut Vec<Weak<FileBase>>,
    keep: usize,
) -> Result<(), StoreError> {
    loop {
        let all = states.len();
        let mut place = 0;
        states.retain(|state| {
            place += 1;
            place + keep > all || state.strong_count() > 0
        });
        if states.len() <= keep {
            return Ok(());
        }
        if released.recv_timeout(PATIENCE).is_err() {
            return Err(StoreError::Io {
                action: "commit",
                cause: Arc::from("readers from before an earlier failure are still at work"),
            });
        }
    }
}

/// Keeps a panic of the engine over a damaged file from going on.
fn guarded<T>(work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, redb::Error> {
    let refused = |_| Err(redb::Error::Corrupted("the engine panicked over it".to_owned()));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(refused)
}

/// Makes an empty database under another name first, so that a half-made one is never taken for one.
fn create(directory: &Directory) -> Result<(), redb::Error> {
    let disk = directory.open_disk(true).map_err(redb::Error::Io)?;
    let database = Builder::new()
        .set_cache_size(CACHE_BYTES)
        .create_with_backend(Backend(Arc::clone(&disk)))?;
    let transaction = database.begin_write()?;
    transaction.open_table(META)?.insert("schema", SCHEMA)?;
    transaction.open_table(META)?.insert("revision", 0)?;
    transaction.open_table(REVISIONS)?;
    transaction.open_table(DATA)?;
    transaction.commit()?;
    database.close()?;
    if let Some(error) = disk.failure() {
        return Err(redb::Error::Io(io::Error::new(error.kind(), error.to_string())));
    }
    directory.finish().map_err(redb::Error::Io)
}

fn open(directory: &Arc<Directory>) -> Result<Arc<Opening>, redb::Error> {
    let disk = directory.open_disk(false).map_err(redb::Error::Io)?;
    if !disk.looks_right() {
        return Err(redb::Error::Corrupted("it does not begin as one".to_owned()));
    }
    let database = Builder::new()
        .set_cache_size(CACHE_BYTES)
        .create_with_backend(Backend(Arc::clone(&disk)))?;
    if let Some(error) = disk.failure() {
        return Err(redb::Error::Io(io::Error::new(error.kind(), error.to_string())));
    }
    Ok(Arc::new(Opening { database, disk, _directory: Arc::clone(directory) }))
}

fn schema(opening: &Opening) -> Result<u64, redb::Error> {
    let read = opening.database.begin_read()?;
    let table = match read.open_table(META) {
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(0),
        table => table?,
    };
    Ok(table.get("schema")?.map_or(0, |value| value.value()))
}

fn write(opening: &Opening, batch: &[(u64, Change)]) -> Result<(), redb::Error> {
    let Some((revision, _)) = batch.last() else { return Ok(()) };
    let mut transaction = opening.database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    {
        let mut data = transaction.open_table(DATA)?;
        let mut revisions = transaction.open_table(REVISIONS)?;
        for (revision, change) in batch {
            match change {
                Change::Write(writes) => {
                    for (table, keys) in writes {
                        revisions.insert(*table, revision)?;
                        for (key, value) in keys {
                            let place = place(table, key);
                            match value {
                                Some(value) => data.insert(place.as_slice(), value.as_ref())?,
                                None => data.remove(place.as_slice())?,
                            };
                        }
                    }
                }
                Change::Clear(keep) => {
                    let mut emptied = Vec::new();
                    for row in revisions.iter()? {
                        let table = row?.0.value().to_owned();
                        if !keep.contains(&table) {
                            emptied.push(table);
                        }
                    }
                    for table in emptied {
                        let (from, to) = places(&table, (Bound::Unbounded, Bound::Unbounded));
                        let range =
                            (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
                        data.retain_in::<&[u8], _>(range, |_, _| false)?;
                        revisions.insert(table.as_str(), revision)?;
                    }
                }
            }
        }
        transaction.open_table(META)?.insert("revision", revision)?;
    }
    transaction.commit()?;
    Ok(())
}

/// The engine's error as ours; where the disk has failed, that is what is told.
pub(crate) fn trouble(action: &'static str, error: redb::Error, disk: Option<&Disk>) -> StoreError {
    if let Some(error) = disk.and_then(Disk::failure) {
        return io_trouble(action, &error);
    }
    match error {
        redb::Error::Io(error) => io_trouble(action, &error),
        redb::Error::DatabaseClosed => StoreError::Closed,
        error => StoreError::Io { action, cause: Arc::from(error.to_string().as_str()) },
    }
}

fn io_trouble(action: &'static str, error: &io::Error) -> StoreError {
    let cause = Arc::from(error.to_string().as_str());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            StoreError::Full { cause }
        }
        _ => StoreError::Io { action, cause },
    }
}
