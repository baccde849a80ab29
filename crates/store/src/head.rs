//! The newest state, the order of commits, and the check that makes transactions serializable.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use rpds::RedBlackTreeMapSync;
use tokio::sync::oneshot;

use crate::StoreError;
use crate::tx::{Tx, Writes};
use crate::view::{Base, Entry, Layer, View};

/// How many written keys are remembered for the check. A transaction older than that runs again.
const REMEMBERED: usize = 16_384;

/// A commit on its way to the disk.
pub(crate) enum Change {
    /// The writes of one transaction.
    Write(Writes),
    /// All tables emptied but those named.
    Clear(Vec<String>),
}

/// Who waits until a revision is durable.
pub(crate) type Waiter = (u64, oneshot::Sender<Result<(), StoreError>>);

/// The newest state with everything that writers need; behind one lock.
pub(crate) struct Head {
    /// The newest state. With a file it may run ahead of `durable`.
    pub(crate) view: Arc<View>,
    /// What is on disk; with the memory engine always the same as `view`.
    pub(crate) durable: Arc<View>,
    /// Whether commits must go through the committing thread before they count.
    pub(crate) persistent: bool,
    pub(crate) closed: bool,
    /// Commits that the committing thread has not taken yet, in order.
    pub(crate) pending: Vec<(u64, Change)>,
    /// Who waits until which revision is durable.
    pub(crate) waiting: Vec<Waiter>,
    /// The file has failed, perhaps under a reader, and must be opened anew.
    pub(crate) alarm: bool,
    recent: Recent,
}

impl Head {
    pub(crate) fn new(view: View, persistent: bool) -> Head {
        let view = Arc::new(view);
        let recent = Recent { floor: view.revision, ..Recent::default() };
        Head {
            durable: Arc::clone(&view),
            view,
            persistent,
            closed: false,
            pending: Vec::new(),
            waiting: Vec::new(),
            alarm: false,
            recent,
        }
    }

    /// Whether something that `tx` has read was changed after the view it read from.
    pub(crate) fn conflicts(&self, tx: &Tx) -> bool {
        let seen = tx.view.revision;
        if tx.view.epoch != self.view.epoch {
            return true;
        }
        if seen == self.view.revision {
            return false;
        }
        if seen < self.recent.floor {
            return true;
        }
        let Some(reads) = &tx.reads else { return false };
        let changed = |table: &str| self.view.table_revision(table) > seen;
        reads.keys.borrow().iter().any(|(table, key)| {
            changed(table) && self.recent.written(table, key).is_some_and(|at| at > seen)
        }) || reads.ranges.borrow().iter().any(|(table, from, to)| {
            let range = (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
            changed(table)
                && self.recent.tables.get(table).is_some_and(|keys| {
                    keys.range::<[u8], _>(range).any(|(_, written)| *written > seen)
                })
        })
    }

    /// Makes the writes part of the newest state and answers their revision.
    pub(crate) fn apply(&mut self, writes: Writes) -> u64 {
        let mut view = View::clone(&self.view);
        let revision = view.revision + 1;
        view.revision = revision;
        for (table, keys) in &writes {
            let mut layer = view.layers.get(*table).cloned().unwrap_or_default();
            layer.revision = revision;
            for (key, value) in keys {
                let key: Arc<[u8]> = Arc::from(key.as_slice());
                self.recent.note(table, &key, revision);
                if value.is_none() && !self.persistent {
                    layer.entries.remove_mut(&key);
                } else {
                    layer.entries.insert_mut(key, Entry { revision, value: value.clone() });
                }
            }
            view.layers.insert_mut(Arc::from(*table), layer);
        }
        self.recent.forget();
        self.advance(view, Change::Write(writes));
        revision
    }

    /// Empties all tables but those named, and answers the revision.
    pub(crate) fn clear(&mut self, keep: &[&str]) -> u64 {
        let mut view = View::clone(&self.view);
        let revision = view.revision + 1;
        view.revision = revision;
        let mut layers = view.layers.clone();
        for (table, _) in view.layers.iter().filter(|(table, _)| !keep.contains(&table.as_ref())) {
            let emptied = self.persistent.then_some(revision);
            let layer = Layer { revision, emptied, entries: RedBlackTreeMapSync::new_sync() };
            layers.insert_mut(Arc::clone(table), layer);
        }
        view.layers = layers;
        // Every transaction under way has to look again.
        self.recent = Recent { floor: revision, ..Recent::default() };
        self.advance(view, Change::Clear(keep.iter().map(|table| (*table).to_owned()).collect()));
        revision
    }

    fn advance(&mut self, view: View, change: Change) {
        let view = Arc::new(view);
        if self.persistent {
            self.pending.push((view.revision, change));
        } else {
            self.durable = Arc::clone(&view);
        }
        self.view = view;
    }

    /// Takes the batch, which is in `base` now, out of the layers above it, and answers who waited for it.
    pub(crate) fn settle(&mut self, batch: &[(u64, Change)], base: &Arc<dyn Base>) -> Vec<Waiter> {
        let Some((settled, _)) = batch.last() else { return Vec::new() };
        let mut newest = View::clone(&self.view);
        let mut durable = View::clone(&self.durable);
        durable.revision = *settled;
        newest.base = Some(Arc::clone(base));
        durable.base = Some(Arc::clone(base));
        for (revision, change) in batch {
            match change {
                Change::Write(writes) => {
                    for (table, keys) in writes {
                        let touched = Layer { revision: *revision, ..Layer::default() };
                        durable.layers.insert_mut(Arc::from(*table), touched);
                        let Some(layer) = newest.layers.get_mut(*table) else { continue };
                        for key in keys.keys() {
                            let entry = layer.entries.get(key.as_slice());
                            if entry.is_some_and(|entry| entry.revision <= *settled) {
                                layer.entries.remove_mut(key.as_slice());
                            }
                        }
                    }
                }
                Change::Clear(keep) => {
                    let names: Vec<_> = newest.layers.keys().cloned().collect();
                    for name in
                        names.iter().filter(|name| !keep.iter().any(|kept| **kept == ***name))
                    {
                        let touched = Layer { revision: *revision, ..Layer::default() };
                        if durable.layers.contains_key(name) {
                            durable.layers.insert_mut(Arc::clone(name), touched);
                        }
                        if let Some(layer) = newest.layers.get_mut(name)
                            && layer.emptied.is_some_and(|emptied| emptied <= *settled)
                        {
                            layer.emptied = None;
                        }
                    }
                }
            }
        }
        self.view = Arc::new(newest);
        self.durable = Arc::new(durable);
        let done;
        (done, self.waiting) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(at, _)| at <= settled);
        done
    }

    /// Goes back to the durable state, since what came after it cannot be made durable; answers all who waited.
    pub(crate) fn roll_back(&mut self) -> Vec<Waiter> {
        let mut view = View::clone(&self.durable);
        // Revisions are not used twice, and what was read of the lost commits is known by its epoch.
        view.revision = self.view.revision;
        view.epoch = self.view.epoch + 1;
        self.recent = Recent { floor: view.revision, ..Recent::default() };
        self.view = Arc::new(view);
        self.pending.clear();
        std::mem::take(&mut self.waiting)
    }

    /// Puts the state of the file, opened anew, under the layers. Answers whether it is the state that was to be
    /// expected; otherwise the caller must roll back.
    pub(crate) fn rebase(&mut self, file: View) -> bool {
        if file.revision != self.durable.revision {
            self.durable = Arc::new(file);
            return false;
        }
        let onto = |view: &View| Arc::new(View { base: file.base.clone(), ..View::clone(view) });
        self.view = onto(&self.view);
        self.durable = onto(&self.durable);
        true
    }

    /// A receiver that is told once `revision` is durable; none if it is already.
    pub(crate) fn durable_at(
        &mut self,
        revision: u64,
    ) -> Option<oneshot::Receiver<Result<(), StoreError>>> {
        if revision <= self.durable.revision {
            return None;
        }
        let (tell, told) = oneshot::channel();
        self.waiting.push((revision, tell));
        Some(told)
    }

    /// The newest revision not yet durable that `tx` may have read from, or 0.
    pub(crate) fn newest_read(&self, tx: &Tx) -> u64 {
        if tx.view.epoch == self.view.epoch && tx.view.revision <= self.durable.revision {
            return 0;
        }
        let Some(reads) = &tx.reads else { return 0 };
        let keys = reads.keys.borrow();
        let ranges = reads.ranges.borrow();
        let tables = keys.iter().map(|read| read.0).chain(ranges.iter().map(|read| read.0));
        tables.map(|table| tx.view.table_revision(table)).max().unwrap_or(0)
    }
}

/// Which keys were written lately, and when.
#[derive(Default)]
struct Recent {
    /// Nothing is known of changes at or below this revision.
    floor: u64,
    tables: HashMap<&'static str, BTreeMap<Arc<[u8]>, u64>>,
    order: VecDeque<(u64, &'static str, Arc<[u8]>)>,
}

impl Recent {
    fn written(&self, table: &str, key: &[u8]) -> Option<u64> {
        self.tables.get(table)?.get(key).copied()
    }

    fn note(&mut self, table: &'static str, key: &Arc<[u8]>, revision: u64) {
        self.tables.entry(table).or_default().insert(Arc::clone(key), revision);
        self.order.push_back((revision, table, Arc::clone(key)));
    }

    fn forget(&mut self) {
        while self.order.len() > REMEMBERED {
            let Some((revision, table, key)) = self.order.pop_front() else { return };
            self.floor = self.floor.max(revision);
            if let Some(keys) = self.tables.get_mut(table)
                && keys.get(&key) == Some(&revision)
            {
                keys.remove(&key);
            }
        }
    }
}
