//! Serializability, snapshots, revisions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sagegate_store::{Read, Store, StoreError, Table, TransactError, Tx};
use tokio::sync::Barrier;

use crate::bench::{Bench, Failure, runtime, set};

const COUNT: Table<String, u64> = Table::new("test.count");
const ON_CALL: Table<(String, String), bool> = Table::new("test.on-call");

async fn add(store: &Store, name: &str) -> Result<u64, Failure> {
    let committed = store
        .transact(|tx| {
            let next = COUNT.get(tx, name)?.unwrap_or(0) + 1;
            COUNT.put(tx, name, &next)?;
            Ok(next)
        })
        .await?;
    Ok(committed.value)
}

pub(crate) fn counters_lose_nothing(bench: Bench) {
    runtime().block_on(async {
        let tasks: Vec<_> = (0..32)
            .map(|task| {
                let store = bench.store.clone();
                tokio::spawn(async move {
                    let mut seen = Vec::new();
                    for _ in 0..20 {
                        seen.push(add(&store, "shared").await.unwrap());
                        add(&store, &format!("own-{task}")).await.unwrap();
                    }
                    seen
                })
            })
            .collect();
        let mut seen = Vec::new();
        for task in tasks {
            seen.extend(task.await.unwrap());
        }
        seen.sort_unstable();
        assert_eq!(seen, (1..=640).collect::<Vec<_>>(), "every number once");
        let snapshot = bench.store.snapshot().unwrap();
        assert_eq!(COUNT.get(&snapshot, "shared").unwrap(), Some(640));
        assert_eq!(COUNT.count(&snapshot, &()).unwrap(), 33);
        assert_eq!(bench.store.revision(), 1280);
    });
}

/// Two doctors on call; each may leave while the other stays. Whoever comes second must see the first gone.
pub(crate) fn write_skew_is_refused(bench: Bench) {
    let leave = async |store: Store, who: &'static str, other: &'static str, both: Arc<Barrier>| {
        let first = AtomicUsize::new(0);
        let run = |tx: &mut Tx| {
            let stays = ON_CALL.get(tx, &("ward", other))?.unwrap_or(false);
            // Both have read before either may go on.
            if first.fetch_add(1, Ordering::SeqCst) == 0 {
                tokio::task::block_in_place(|| {
                    tokio::runtime::Handle::current().block_on(both.wait());
                });
            }
            if !stays {
                return Err(StoreError::Closed);
            }
            ON_CALL.put(tx, &("ward", who), &false)
        };
        store.transact(run).await
    };
    runtime().block_on(async {
        for _ in 0..20 {
            let set_up = |tx: &mut Tx| {
                ON_CALL.put(tx, &("ward", "ann"), &true)?;
                ON_CALL.put(tx, &("ward", "bob"), &true)
            };
            bench.store.transact(set_up).await.unwrap();
            let both = Arc::new(Barrier::new(2));
            let one = tokio::spawn(leave(bench.store.clone(), "ann", "bob", Arc::clone(&both)));
            let two = tokio::spawn(leave(bench.store.clone(), "bob", "ann", both));
            let left = [one.await.unwrap(), two.await.unwrap()];
            assert_eq!(left.iter().filter(|result| result.is_ok()).count(), 1, "{left:?}");
        }
    });
}

/// Runs a transaction that scans, lets another one put `key` in between, and tells how often the first one ran.
async fn interfered(
    store: &Store,
    key: &'static str,
    scan: impl Fn(&Tx) -> Result<usize, StoreError>,
) -> (usize, usize) {
    let mut runs = 0;
    let committed = store
        .transact(|tx| {
            let found = scan(tx)?;
            runs += 1;
            if runs == 1 {
                let store = store.clone();
                let other = async move { set(&store, "test.rows", key, "new").await };
                tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(other));
            }
            tx.put("test.result", "found", found.to_string().into_bytes());
            Ok::<_, StoreError>(found)
        })
        .await;
    (committed.unwrap().value, runs)
}

pub(crate) fn phantoms_are_refused(bench: Bench) {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    runtime().block_on(bench_on(bench, async |store| {
        let all = |tx: &Tx| Ok(tx.scan("test.rows", Unbounded, Unbounded, 100, false)?.len());
        assert_eq!(interfered(&store, "b", all).await, (1, 2));
        let part =
            |tx: &Tx| Ok(tx.scan("test.rows", Excluded(b"b"), Included(b"d"), 9, true)?.len());
        assert_eq!(interfered(&store, "d", part).await, (1, 2));
        let absent = |tx: &Tx| Ok(usize::from(tx.get("test.rows", b"x")?.is_some()));
        assert_eq!(interfered(&store, "x", absent).await, (1, 2));
    }));
}

pub(crate) fn a_phantom_in_an_unread_part_is_none(bench: Bench) {
    use std::ops::Bound::{Excluded, Unbounded};
    runtime().block_on(bench_on(bench, async |store| {
        for key in ["b", "d", "f"] {
            set(&store, "test.rows", key, "old").await;
        }
        let beside = |tx: &Tx| Ok(tx.scan("test.rows", Unbounded, Excluded(b"c"), 9, false)?.len());
        assert_eq!(interfered(&store, "c", beside).await, (1, 1));
        let beyond = |tx: &Tx| Ok(tx.scan("test.rows", Unbounded, Unbounded, 2, false)?.len());
        assert_eq!(interfered(&store, "e", beyond).await, (2, 1), "the limit ended before e");
        let before = |tx: &Tx| Ok(tx.scan("test.rows", Unbounded, Unbounded, 2, true)?.len());
        assert_eq!(interfered(&store, "a", before).await, (2, 1), "the limit ended before a");
        assert_eq!(interfered(&store, "z", before).await, (2, 2));
    }));
}

pub(crate) fn what_is_depended_on_counts_as_read(bench: Bench) {
    runtime().block_on(bench_on(bench, async |store| {
        let kept = |tx: &Tx| {
            tx.depend_on("test.rows");
            let state = tx.snapshot();
            assert_eq!(state.revision(), tx.revision());
            Ok(usize::from(state.get("test.rows", b"a")?.is_some()))
        };
        assert_eq!(interfered(&store, "a", kept).await, (1, 2));
        let unnoticed = |tx: &Tx| Ok(usize::from(tx.snapshot().get("test.rows", b"b")?.is_some()));
        assert_eq!(interfered(&store, "b", unnoticed).await, (0, 1));
    }));
}

async fn bench_on(bench: Bench, test: impl AsyncFnOnce(Store)) {
    let store = bench.store.clone();
    // On a worker, so that block_in_place is allowed.
    test(store).await;
    drop(bench);
}

pub(crate) fn snapshots_stay(bench: Bench) {
    runtime().block_on(async {
        let store = &bench.store;
        set(store, "test.rows", "a", "1").await;
        let before = store.snapshot().unwrap();
        set(store, "test.rows", "a", "2").await;
        set(store, "test.rows", "b", "3").await;
        let after = store.snapshot().unwrap();
        let value = |read: &dyn Read, key: &str| {
            read.get("test.rows", key.as_bytes()).unwrap().map(|value| value.to_vec())
        };
        assert_eq!(value(&before, "a"), Some(b"1".to_vec()));
        assert_eq!(value(&before, "b"), None);
        assert_eq!(value(&after, "a"), Some(b"2".to_vec()));
        assert_eq!(value(&after, "b"), Some(b"3".to_vec()));
        assert!(before.revision() < after.revision());
        store.clear(&[]).await.unwrap();
        assert_eq!(value(&after, "b"), Some(b"3".to_vec()));
    });
}

pub(crate) fn a_part_that_is_undone_writes_nothing(bench: Bench) {
    runtime().block_on(async {
        add(&bench.store, "before").await.unwrap();
        let work = |tx: &mut Tx| {
            COUNT.put(tx, "own", &1)?;
            let part = |tx: &mut Tx| {
                assert_eq!(COUNT.get(tx, "own")?, Some(1));
                COUNT.put(tx, "own", &2)?;
                COUNT.put(tx, "part", &2)?;
                COUNT.delete(tx, "before");
                ON_CALL.put(tx, &("ward", "part"), &true)?;
                Err::<(), _>(StoreError::Closed)
            };
            tx.or_undo(part).unwrap_err();
            assert!(tx.has_written(COUNT.name()) && !tx.has_written(ON_CALL.name()));
            assert_eq!(COUNT.get(tx, "own")?, Some(1));
            tx.or_undo(|tx| COUNT.put(tx, "kept", &3))
        };
        let done = bench.store.transact(work).await.unwrap();
        assert_eq!(done.tables, [COUNT.name()]);
        let snapshot = bench.store.snapshot().unwrap();
        let count = |name: &str| COUNT.get(&snapshot, name).unwrap();
        assert_eq!((count("own"), count("part")), (Some(1), None));
        assert_eq!((count("before"), count("kept")), (Some(1), Some(3)));
    });
}

pub(crate) fn an_error_writes_nothing(bench: Bench) {
    runtime().block_on(async {
        let failed = bench
            .store
            .transact(|tx| {
                tx.put("test.rows", "a", b"1".as_slice());
                Err::<(), _>("no")
            })
            .await;
        assert_eq!(failed.unwrap_err(), TransactError::Aborted("no"));
        assert_eq!(bench.store.snapshot().unwrap().get("test.rows", b"a").unwrap(), None);
        assert_eq!(bench.store.revision(), 0);
    });
}

pub(crate) fn a_run_without_writes_is_no_commit(bench: Bench) {
    runtime().block_on(async {
        set(&bench.store, "test.rows", "a", "1").await;
        let read = bench.store.transact(|tx| tx.get("test.rows", b"a")).await.unwrap();
        assert_eq!((read.revision, read.tables), (1, vec![]));
        assert_eq!(read.value.as_deref(), Some(b"1".as_slice()));
        assert_eq!(bench.store.revision(), 1);
    });
}

pub(crate) fn a_transaction_sees_its_own_writes(bench: Bench) {
    use std::ops::Bound::Unbounded;
    runtime().block_on(async {
        for key in ["a", "b", "c"] {
            set(&bench.store, "test.rows", key, "old").await;
        }
        let work = |tx: &mut Tx| {
            tx.put("test.rows", "b", b"new".as_slice());
            tx.put("test.rows", "d", b"new".as_slice());
            tx.delete("test.rows", "a");
            assert_eq!(tx.get("test.rows", b"a")?, None);
            assert_eq!(tx.get("test.rows", b"d")?.as_deref(), Some(b"new".as_slice()));
            let forth = tx.scan("test.rows", Unbounded, Unbounded, 2, false)?;
            let back = tx.scan("test.rows", Unbounded, Unbounded, 9, true)?;
            Ok::<_, StoreError>((forth, back))
        };
        let committed = bench.store.transact(work).await.unwrap();
        let names = |pairs: &[(Vec<u8>, Arc<[u8]>)]| {
            pairs
                .iter()
                .map(|(key, value)| {
                    format!("{}={}", String::from_utf8_lossy(key), String::from_utf8_lossy(value))
                })
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(names(&committed.value.0), "b=new c=old");
        assert_eq!(names(&committed.value.1), "d=new c=old b=new");
        assert_eq!(committed.tables, ["test.rows"]);
    });
}

pub(crate) fn revisions_tell_what_was_touched(bench: Bench) {
    runtime().block_on(async {
        let store = &bench.store;
        assert_eq!((store.revision(), store.table_revision("test.one")), (0, 0));
        set(store, "test.one", "a", "1").await;
        set(store, "test.two", "a", "1").await;
        let snapshot = store.snapshot().unwrap();
        set(store, "test.one", "a", "2").await;
        assert_eq!(store.revision(), 3);
        assert_eq!(store.table_revision("test.one"), 3);
        assert_eq!(store.table_revision("test.two"), 2);
        assert_eq!(store.table_revision("test.three"), 0);
        assert_eq!((snapshot.revision(), snapshot.table_revision("test.one")), (2, 1));
    });
}

pub(crate) fn the_feed_tells_the_newest_revision(bench: Bench) {
    runtime().block_on(async {
        let mut feed = bench.store.subscribe();
        assert_eq!(*feed.borrow_and_update(), 0);
        for _ in 0..3 {
            add(&bench.store, "a").await.unwrap();
        }
        feed.changed().await.unwrap();
        assert_eq!(*feed.borrow_and_update(), 3);
        assert!(!feed.has_changed().unwrap());
    });
}

pub(crate) fn clear_empties_all_but_the_kept(bench: Bench) {
    use std::ops::Bound::Unbounded;
    runtime().block_on(async {
        let store = &bench.store;
        for table in ["test.kept", "test.one", "test.two"] {
            set(store, table, "a", "1").await;
        }
        store.clear(&["test.kept"]).await.unwrap();
        let snapshot = store.snapshot().unwrap();
        let rows = |table| snapshot.scan(table, Unbounded, Unbounded, 9, false).unwrap().len();
        assert_eq!((rows("test.kept"), rows("test.one"), rows("test.two")), (1, 0, 0));
        assert_eq!(snapshot.get("test.one", b"a").unwrap(), None);
        assert_eq!((store.revision(), store.table_revision("test.kept")), (4, 1));
        assert_eq!(store.table_revision("test.one"), 4);
        set(store, "test.one", "b", "2").await;
        let snapshot = store.snapshot().unwrap();
        assert_eq!(snapshot.scan("test.one", Unbounded, Unbounded, 9, true).unwrap().len(), 1);
    });
}

pub(crate) fn a_read_only_transaction_reads_as_others_do(bench: Bench) {
    runtime().block_on(async {
        add(&bench.store, "a").await.unwrap();
        let mut tx = Tx::read_only(bench.store.snapshot().unwrap());
        assert_eq!(COUNT.get(&tx, "a").unwrap(), Some(1));
        COUNT.put(&mut tx, "a", &7).unwrap();
        assert_eq!(COUNT.get(&tx, "a").unwrap(), Some(7), "a rehearsal");
        let snapshot = bench.store.snapshot().unwrap();
        assert_eq!(COUNT.get(&snapshot, "a").unwrap(), Some(1));
    });
}

/// A transaction that another writer disturbs each time still gets through: at last the others are held off.
pub(crate) fn an_everlasting_conflict_is_settled(bench: Bench) {
    runtime().block_on(async {
        let store = bench.store.clone();
        let stop = Arc::new(AtomicUsize::new(0));
        let others: Vec<_> = (0..4)
            .map(|_| {
                let (store, stop) = (store.clone(), Arc::clone(&stop));
                tokio::spawn(async move {
                    while stop.load(Ordering::SeqCst) == 0 {
                        add(&store, "hot").await.unwrap();
                    }
                })
            })
            .collect();
        for _ in 0..20 {
            let slow = |tx: &mut Tx| {
                let before = COUNT.get(tx, "hot")?.unwrap_or(0);
                // Work enough for the others to get in between.
                for name in 0..200 {
                    COUNT.get(tx, &format!("cold-{name}"))?;
                }
                COUNT.put(tx, "hot", &(before + 1))
            };
            store.transact(slow).await.unwrap();
        }
        stop.store(1, Ordering::SeqCst);
        for other in others {
            other.await.unwrap();
        }
        let count = COUNT.get(&store.snapshot().unwrap(), "hot").unwrap();
        assert_eq!(count, Some(store.revision()), "every commit counted once");
    });
}

pub(crate) fn a_closed_store_says_so(bench: Bench) {
    runtime().block_on(async {
        let other = bench.store.clone();
        add(&other, "a").await.unwrap();
        bench.store.clone().close();
        assert_eq!(add(&other, "a").await, Err(TransactError::Store(StoreError::Closed)));
        assert_eq!(other.clear(&[]).await, Err(StoreError::Closed));
        assert_eq!(other.snapshot().unwrap_err(), StoreError::Closed);
    });
}
