//! The handle: snapshots, transactions, the feed of revisions.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};
use std::thread::JoinHandle;

use rpds::RedBlackTreeMapSync;
use tokio::sync::{oneshot, watch};

use crate::committer;
use crate::file::Engine;
use crate::head::Head;
use crate::tx::Tx;
use crate::view::{Snapshot, View};
use crate::{OpenError, StoreError, TransactError};

/// Attempts that run beside other writers before one runs with all others held off.
const OPTIMISTIC_ATTEMPTS: usize = 12;
/// All attempts. One with the others held off can only fail when the disk takes back what it has read.
const ATTEMPTS: usize = OPTIMISTIC_ATTEMPTS + 4;

/// The state: a cheap handle on an ordered, transactional key-value store.
///
/// Transactions are serializable. They may read what other transactions have committed but the disk has not
/// confirmed yet; whatever they answer is held back until all they have read is durable, so nobody outside ever
/// sees a state that a crash could undo. Snapshots show durable state only.
#[derive(Clone)]
pub struct Store {
    handle: Arc<Handle>,
}

/// A transaction that came through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed<T> {
    /// What the closure answered.
    pub value: T,
    /// The revision of this commit; without writes, the revision that was read.
    pub revision: u64,
    /// The tables written, in order of their names.
    pub tables: Vec<&'static str>,
}

/// Shared between the handles and the committing thread.
pub(crate) struct Shared {
    pub(crate) head: Mutex<Head>,
    /// Tells the committing thread that there is work, or that the store is being closed.
    work: Condvar,
    /// What readers take without touching the head's lock.
    views: RwLock<Views>,
    feed: watch::Sender<u64>,
    /// The head's `closed`, for readers.
    closed: AtomicBool,
}

struct Views {
    newest: Arc<View>,
    durable: Arc<View>,
}

impl Shared {
    pub(crate) fn new(head: Head) -> Shared {
        let views = Views { newest: Arc::clone(&head.view), durable: Arc::clone(&head.durable) };
        let feed = watch::Sender::new(head.durable.revision);
        Shared {
            head: Mutex::new(head),
            work: Condvar::new(),
            views: RwLock::new(views),
            feed,
            closed: AtomicBool::new(false),
        }
    }

    /// The head's lock. A closure that panicked under it has not touched the head.
    pub(crate) fn head(&self) -> MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the head's views to readers and tells of what became durable.
    pub(crate) fn publish(&self, head: &Head) {
        let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
        views.newest = Arc::clone(&head.view);
        views.durable = Arc::clone(&head.durable);
        drop(views);
        self.feed.send_if_modified(|revision| {
            let changed = *revision != head.durable.revision;
            *revision = head.durable.revision;
            changed
        });
    }

    /// Gives the head back until there may be work.
    pub(crate) fn wait<'a>(&self, head: MutexGuard<'a, Head>) -> MutexGuard<'a, Head> {
        self.work.wait(head).unwrap_or_else(PoisonError::into_inner)
    }

    fn newest(&self) -> Arc<View> {
        Arc::clone(&self.views.read().unwrap_or_else(PoisonError::into_inner).newest)
    }

    fn durable(&self) -> Arc<View> {
        Arc::clone(&self.views.read().unwrap_or_else(PoisonError::into_inner).durable)
    }
}

/// The store that an engine belongs to, known once there is one.
pub(crate) type Owner = Arc<OnceLock<Weak<Shared>>>;

/// Closes the store when the last handle goes.
struct Handle {
    shared: Arc<Shared>,
    committer: Mutex<Option<JoinHandle<()>>>,
}

/// What one run of the closure came to.
enum Attempt<T, E> {
    Conflict,
    Done {
        outcome: Result<Committed<T>, E>,
        wrote: bool,
        /// Told once everything that the outcome rests on is durable.
        durable: Option<oneshot::Receiver<Result<(), StoreError>>>,
    },
}

impl Store {
    /// An empty store in memory, gone with its last handle.
    #[must_use]
    pub fn memory() -> Store {
        let layers = RedBlackTreeMapSync::new_sync();
        let view = View { revision: 0, epoch: 0, base: None, layers, memo: Arc::default() };
        let shared = Arc::new(Shared::new(Head::new(view, false)));
        Store { handle: Arc::new(Handle { shared, committer: Mutex::new(None) }) }
    }

    /// Opens the state in a directory, which this process holds alone until the store is closed and its last
    /// snapshot gone. Creates the directory (mode 0700) and the files in it (mode 0600) if needed.
    ///
    /// # Errors
    /// [`OpenError`]: held by another process, of a newer release, damaged, or not accessible.
    pub fn open(directory: &Path) -> Result<Store, OpenError> {
        // The engine is opened before there is a head to tell of its failures.
        let owner = Arc::default();
        let (engine, view) = Engine::open(directory, Store::alarm(&owner))?;
        Store::over(engine, view, &owner)
            .map_err(|source| OpenError::Io { path: directory.to_owned(), cause: source })
    }

    /// What the engine calls when its file fails.
    pub(crate) fn alarm(owner: &Owner) -> impl Fn() + Send + Sync + 'static {
        let owner = Arc::clone(owner);
        move || {
            if let Some(shared) = owner.get().and_then(Weak::upgrade) {
                sound_alarm(shared);
            }
        }
    }

    pub(crate) fn over(engine: Engine, view: View, owner: &Owner) -> std::io::Result<Store> {
        let shared = Arc::new(Shared::new(Head::new(view, true)));
        drop(owner.set(Arc::downgrade(&shared)));
        let committer = {
            let shared = Arc::clone(&shared);
            let work = move || committer::run(&shared, engine);
            std::thread::Builder::new().name("store".to_owned()).spawn(work)?
        };
        let committer = Mutex::new(Some(committer));
        Ok(Store { handle: Arc::new(Handle { shared, committer }) })
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    /// A consistent read view of everything acknowledged so far.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        if self.shared().closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        Ok(Snapshot { view: self.shared().durable() })
    }

    /// Runs `f` as one serializable transaction, durable when this returns.
    ///
    /// `f` runs again when another writer changed what it has read; it must therefore have no effect but through
    /// its `Tx`, and it must not use the store itself. An error from `f` writes nothing; so does a run without
    /// writes, which is no commit. When the future is dropped before it answers, the commit may or may not happen.
    ///
    /// # Errors
    /// [`TransactError::Aborted`] with what `f` answered, [`TransactError::Store`] when the state could not be read
    /// or made durable, [`TransactError::Contention`] when `f` ran too often in vain.
    pub async fn transact<T, E>(
        &self,
        mut f: impl FnMut(&mut Tx) -> Result<T, E>,
    ) -> Result<Committed<T>, TransactError<E>> {
        for attempt in 0..ATTEMPTS {
            let run = if attempt < OPTIMISTIC_ATTEMPTS {
                self.attempt(&mut f)?
            } else {
                self.attempt_alone(&mut f)?
            };
            let Attempt::Done { outcome, wrote, durable } = run else {
                tokio::task::yield_now().await;
                continue;
            };
            match durable {
                None => {}
                Some(durable) => match durable.await.unwrap_or(Err(StoreError::Closed)) {
                    Ok(()) => {}
                    Err(error) if wrote => return Err(TransactError::Store(error)),
                    // It only read, but from commits that the disk has refused since.
                    Err(_) => continue,
                },
            }
            return outcome.map_err(TransactError::Aborted);
        }
        Err(TransactError::Contention)
    }

    /// One run beside other writers.
    fn attempt<T, E>(
        &self,
        f: &mut impl FnMut(&mut Tx) -> Result<T, E>,
    ) -> Result<Attempt<T, E>, StoreError> {
        let mut tx = Tx::tracked(self.shared().newest());
        let outcome = f(&mut tx);
        self.finish(&mut self.shared().head(), tx, outcome)
    }

    /// One run with all other writers held off.
    fn attempt_alone<T, E>(
        &self,
        f: &mut impl FnMut(&mut Tx) -> Result<T, E>,
    ) -> Result<Attempt<T, E>, StoreError> {
        let mut head = self.shared().head();
        let mut tx = Tx::tracked(Arc::clone(&head.view));
        let outcome = f(&mut tx);
        self.finish(&mut head, tx, outcome)
    }

    fn finish<T, E>(
        &self,
        head: &mut Head,
        mut tx: Tx,
        outcome: Result<T, E>,
    ) -> Result<Attempt<T, E>, StoreError> {
        if head.closed {
            return Err(StoreError::Closed);
        }
        let wrote = outcome.is_ok() && tx.has_writes();
        if !wrote {
            let read = head.newest_read(&tx);
            if read > 0 && tx.view.epoch != head.view.epoch {
                return Ok(Attempt::Conflict);
            }
            let durable = head.durable_at(read);
            let revision = tx.view.revision;
            let outcome = outcome.map(|value| Committed { value, revision, tables: Vec::new() });
            return Ok(Attempt::Done { outcome, wrote, durable });
        }
        if head.conflicts(&tx) {
            return Ok(Attempt::Conflict);
        }
        let tables = tx.writes.keys().copied().collect();
        let revision = head.apply(std::mem::take(&mut tx.writes));
        let durable = head.durable_at(revision);
        self.shared().publish(head);
        self.shared().work.notify_one();
        let outcome = outcome.map(|value| Committed { value, revision, tables });
        Ok(Attempt::Done { outcome, wrote, durable })
    }

    /// The revision of the newest durable commit; it only grows, also across restarts.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.shared().durable().revision
    }

    /// The revision of the last durable commit that touched `table`; 0 if none did.
    #[must_use]
    pub fn table_revision(&self, table: &str) -> u64 {
        self.shared().durable().table_revision(table)
    }

    /// The feed of durable revisions. It tells the newest one only.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.shared().feed.subscribe()
    }

    /// Empties all tables but those named, as one commit; its revision.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be made durable.
    pub async fn clear(&self, keep: &[&str]) -> Result<u64, StoreError> {
        let (revision, durable) = {
            let mut head = self.shared().head();
            if head.closed {
                return Err(StoreError::Closed);
            }
            let revision = head.clear(keep);
            let durable = head.durable_at(revision);
            self.shared().publish(&head);
            self.shared().work.notify_one();
            (revision, durable)
        };
        if let Some(durable) = durable {
            durable.await.unwrap_or(Err(StoreError::Closed))?;
        }
        Ok(revision)
    }

    /// Closes the store for all its handles, after everything under way has been committed.
    pub fn close(self) {
        self.handle.close();
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("revision", &self.revision()).finish_non_exhaustive()
    }
}

impl Handle {
    fn close(&self) {
        self.shared.head().closed = true;
        self.shared.closed.store(true, Ordering::Release);
        self.shared.work.notify_all();
        let committer = self.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(committer) = committer {
            // It cannot panic: what could is caught around the engine.
            drop(committer.join());
        }
        // Let go of the file even if other handles linger.
        let mut head = self.shared.head();
        let empty = View { base: None, ..View::clone(&head.durable) };
        head.view = Arc::new(empty);
        head.durable = Arc::clone(&head.view);
        self.shared.publish(&head);
    }
}

/// Has the committing thread open the file anew. On a thread of its own: the caller may be a reader that holds the
/// head already.
fn sound_alarm(shared: Arc<Shared>) {
    let sound = move || {
        shared.head().alarm = true;
        shared.work.notify_all();
    };
    // Without a thread to spare the next commit notices.
    drop(std::thread::Builder::new().name("store-alarm".to_owned()).spawn(sound));
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}
