//! Failures of the disk: writes fail, reads go on, and all is well once the disk is.

use std::ops::Bound::Unbounded;
use std::sync::{Arc, OnceLock};

use tempfile::TempDir;

use super::disk::Operation;
use super::engine::Engine;
use super::faults::Faults;
use crate::{Read, Snapshot, Store, StoreError, TransactError, Tx};

const ENOSPC: i32 = 28;
const EIO: i32 = 5;
const ROWS: &str = "test.rows";

struct Bench {
    store: Store,
    faults: Arc<Faults>,
    directory: TempDir,
}

fn bench() -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let (store, faults) = open(&directory);
    Bench { store, faults, directory }
}

fn open(directory: &TempDir) -> (Store, Arc<Faults>) {
    let owner = Arc::new(OnceLock::new());
    let (engine, view) = Engine::open(directory.path(), Store::alarm(&owner)).unwrap();
    let faults = engine.faults();
    (Store::over(engine, view, &owner).unwrap(), faults)
}

impl Bench {
    /// The directory as a crash at this moment would leave it, opened by another store.
    fn after_a_crash(&self) -> (Store, TempDir) {
        let copy = tempfile::tempdir().unwrap();
        let file = "state.redb";
        std::fs::copy(self.directory.path().join(file), copy.path().join(file)).unwrap();
        (open(&copy).0, copy)
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn put(store: &Store, key: &str, bytes: usize) -> Result<u64, StoreError> {
    let value = vec![b'x'; bytes];
    let put = |tx: &mut Tx| {
        tx.put(ROWS, key, value.as_slice());
        Ok::<_, StoreError>(())
    };
    match run(store.transact(put)) {
        Ok(committed) => Ok(committed.revision),
        Err(TransactError::Store(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

fn keys(snapshot: &Snapshot) -> Result<Vec<String>, StoreError> {
    let rows = snapshot.scan(ROWS, Unbounded, Unbounded, 9999, false)?;
    Ok(rows.into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect())
}

/// Whatever operation of a commit fails, and however often: nothing of it is found, all before it is.
#[test]
fn a_failed_commit_leaves_no_trace() {
    for operation in [Operation::Write, Operation::Sync] {
        for after in 0..8 {
            let bench = bench();
            for number in 0..20 {
                put(&bench.store, &format!("old-{number:02}"), 3000).unwrap();
            }
            let old = keys(&bench.store.snapshot().unwrap()).unwrap();
            bench.faults.plan(operation, after, ENOSPC);
            let mut made = Vec::new();
            for number in 0..9 {
                let key = format!("new-{number}");
                let before = bench.store.snapshot().unwrap();
                let expected = keys(&before).unwrap();
                match put(&bench.store, &key, 50_000) {
                    Ok(_) => made.push(key),
                    Err(StoreError::Full { .. }) => {}
                    Err(other) => panic!("{operation:?} {after}: {other}"),
                }
                // Reads go on, of this state and of the one before.
                let now = bench.store.snapshot().unwrap();
                let mut all = made.clone();
                all.extend(old.iter().cloned());
                assert_eq!(keys(&now).unwrap(), all, "{operation:?} {after}");
                assert_eq!(keys(&before).unwrap(), expected);
                assert_eq!(before.get(ROWS, b"old-07").unwrap().unwrap().len(), 3000);
            }
            assert!(made.len() < 9, "something failed");
            let mut all = made.clone();
            all.extend(old.iter().cloned());
            // A crash now finds the same.
            let (other, _copy) = bench.after_a_crash();
            assert_eq!(keys(&other.snapshot().unwrap()).unwrap(), all, "{operation:?} {after}");
            other.close();
            // There is space again.
            bench.faults.end();
            put(&bench.store, "newer", 50_000).unwrap();
            all.push("newer".to_owned());
            all.sort();
            assert_eq!(keys(&bench.store.snapshot().unwrap()).unwrap(), all);
            bench.store.close();
            let (store, _) = open(&bench.directory);
            assert_eq!(keys(&store.snapshot().unwrap()).unwrap(), all, "{operation:?} {after}");
        }
    }
}

/// A reader of an old state holds up the recovery, since the space of what it sees must not be used again.
#[test]
fn an_old_reader_is_never_shown_anything_else() {
    let bench = bench();
    for number in 0..50 {
        put(&bench.store, &format!("row-{number:02}"), 2000).unwrap();
    }
    let old = bench.store.snapshot().unwrap();
    let expected = keys(&old).unwrap();
    run(bench.store.clear(&[])).unwrap();
    bench.faults.plan(Operation::Write, 0, EIO);
    assert!(matches!(put(&bench.store, "a", 2000), Err(StoreError::Io { .. })));
    bench.faults.end();
    let refused = put(&bench.store, "a", 2000);
    assert!(matches!(refused, Err(StoreError::Io { .. })), "{refused:?}");
    assert_eq!(keys(&old).unwrap(), expected);
    drop(old);
    put(&bench.store, "a", 2000).unwrap();
    assert_eq!(keys(&bench.store.snapshot().unwrap()).unwrap(), ["a"]);
}

/// Commits that waited behind the failed one fail with it, and what had read from them decides anew.
#[test]
fn those_who_build_on_a_failed_commit_fail_with_it() {
    let bench = bench();
    put(&bench.store, "a", 1).unwrap();
    bench.faults.plan(Operation::Sync, 0, EIO);
    run(async {
        let add = |tx: &mut Tx| {
            let rows = tx.scan(ROWS, Unbounded, Unbounded, 99, false)?.len();
            tx.put(ROWS, format!("row-{rows}"), b"x".as_slice());
            Ok::<_, StoreError>(())
        };
        let count = |tx: &mut Tx| {
            Ok::<_, StoreError>(tx.scan(ROWS, Unbounded, Unbounded, 99, false)?.len())
        };
        let (one, two, read) = tokio::join!(
            bench.store.transact(add),
            bench.store.transact(add),
            bench.store.transact(count)
        );
        assert!(one.is_err() && two.is_err(), "{one:?} {two:?}");
        assert_eq!(read.unwrap().value, 1, "only what is durable was answered");
    });
    bench.faults.end();
    put(&bench.store, "b", 1).unwrap();
    assert_eq!(keys(&bench.store.snapshot().unwrap()).unwrap(), ["a", "b"]);
}

/// A read error does not stay: the file is opened anew without any writer asking for it.
#[test]
fn a_read_error_is_got_over() {
    let bench = bench();
    // More than the engine keeps in memory.
    for number in 0..40 {
        put(&bench.store, &format!("row-{number:02}"), 500_000).unwrap();
    }
    let before = bench.store.subscribe();
    bench.faults.plan(Operation::Read, 0, EIO);
    let failed = keys(&bench.store.snapshot().unwrap());
    assert!(matches!(failed, Err(StoreError::Io { .. })), "{failed:?}");
    bench.faults.end();
    // The alarm and the recovery run beside us; each look is a new snapshot.
    let found = (0..).find_map(|_| {
        std::thread::yield_now();
        keys(&bench.store.snapshot().unwrap()).ok()
    });
    assert_eq!(found.unwrap().len(), 40);
    assert!(!before.has_changed().unwrap());
}
