//! Order, limits, directions; random histories against a plain map.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sagegate_store::{Pair, Read, StoreError, Table, Tx};

use crate::bench::{Bench, runtime};

const ROWS: &str = "test.rows";

pub(crate) fn order_limits_and_both_directions(bench: Bench) {
    use Bound::{Excluded, Included, Unbounded};
    runtime().block_on(async {
        let fill = |tx: &mut Tx| {
            for key in [&b"b"[..], b"", b"a\0", b"a", b"\xff\xff", b"ab"] {
                tx.put(ROWS, key, key);
            }
            tx.put("test.row", "before", b"x".as_slice());
            tx.put("test.rows2", "behind", b"x".as_slice());
            Ok::<_, StoreError>(())
        };
        bench.store.transact(fill).await.unwrap();
        let snapshot = bench.store.snapshot().unwrap();
        let keys = |from, to, limit, reverse| {
            let pairs = snapshot.scan(ROWS, from, to, limit, reverse).unwrap();
            pairs.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        let all: [&[u8]; 6] = [b"", b"a", b"a\0", b"ab", b"b", b"\xff\xff"];
        assert_eq!(keys(Unbounded, Unbounded, 9, false), all);
        let mut back = all;
        back.reverse();
        assert_eq!(keys(Unbounded, Unbounded, 9, true), back);
        assert_eq!(keys(Unbounded, Unbounded, 2, false), all[..2]);
        assert_eq!(keys(Unbounded, Unbounded, 2, true), back[..2]);
        assert_eq!(keys(Excluded(b"a"), Included(b"b"), 9, false), all[2..5]);
        assert_eq!(keys(Included(b"a"), Excluded(b"b"), 2, true), [all[3], all[2]]);
        assert!(keys(Included(b"b"), Included(b"a"), 9, false).is_empty());
        assert!(keys(Excluded(b"a"), Excluded(b"a"), 9, true).is_empty());
        assert!(keys(Unbounded, Unbounded, 0, false).is_empty());
    });
}

#[derive(Debug, Clone)]
enum Step {
    /// One transaction: puts and deletes.
    Commit(Vec<(Vec<u8>, Option<u8>)>),
    Scan(Bound<Vec<u8>>, Bound<Vec<u8>>, usize, bool),
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![Just(0), Just(1), Just(0x61), Just(0xff)], 0..4)
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![
        Just(Bound::Unbounded),
        key().prop_map(Bound::Included),
        key().prop_map(Bound::Excluded)
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        proptest::collection::vec((key(), proptest::option::of(any::<u8>())), 1..6)
            .prop_map(Step::Commit),
        (bound(), bound(), 0..12_usize, any::<bool>())
            .prop_map(|(from, to, limit, reverse)| Step::Scan(from, to, limit, reverse)),
    ]
}

pub(crate) fn random_histories_match_a_map(bench: Bench) {
    let runtime = runtime();
    let mut runner = TestRunner::new(Config { cases: 24, ..Config::default() });
    let history = proptest::collection::vec(step(), 1..40);
    let run = |steps: Vec<Step>| {
        runtime.block_on(bench.store.clear(&[])).unwrap();
        let mut model: BTreeMap<Vec<u8>, u8> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Commit(changes) => {
                    let commit = |tx: &mut Tx| {
                        for (key, value) in &changes {
                            match value {
                                Some(value) => tx.put(ROWS, key.as_slice(), vec![*value]),
                                None => tx.delete(ROWS, key.as_slice()),
                            }
                        }
                        // What the transaction sees is what the next one will find.
                        tx.scan(ROWS, Bound::Unbounded, Bound::Unbounded, 999, false)
                    };
                    let seen = runtime.block_on(bench.store.transact(commit)).unwrap().value;
                    for (key, value) in changes {
                        match value {
                            Some(value) => model.insert(key, value),
                            None => model.remove(&key),
                        };
                    }
                    prop_assert_eq!(plain(seen), model.clone().into_iter().collect::<Vec<_>>());
                }
                Step::Scan(from, to, limit, reverse) => {
                    let inside = |key: &Vec<u8>| {
                        let after = match &from {
                            Bound::Included(from) => key >= from,
                            Bound::Excluded(from) => key > from,
                            Bound::Unbounded => true,
                        };
                        let before = match &to {
                            Bound::Included(to) => key <= to,
                            Bound::Excluded(to) => key < to,
                            Bound::Unbounded => true,
                        };
                        after && before
                    };
                    let mut expected: Vec<_> =
                        model.clone().into_iter().filter(|(key, _)| inside(key)).collect();
                    if reverse {
                        expected.reverse();
                    }
                    expected.truncate(limit);
                    let (from, to) =
                        (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
                    let snapshot = bench.store.snapshot().unwrap();
                    let found = snapshot.scan(ROWS, from, to, limit, reverse).unwrap();
                    prop_assert_eq!(plain(found), expected.clone());
                    let tx = Tx::read_only(snapshot);
                    let found = tx.scan(ROWS, from, to, limit, reverse).unwrap();
                    prop_assert_eq!(plain(found), expected);
                }
            }
        }
        Ok(())
    };
    runner.run(&history, run).unwrap();
}

fn plain(pairs: Vec<(Vec<u8>, Arc<[u8]>)>) -> Vec<(Vec<u8>, u8)> {
    pairs.into_iter().map(|(key, value): Pair| (key, value[0])).collect()
}

pub(crate) fn typed_scans_page_through(bench: Bench) {
    const USERS: Table<(String, String), u64> = Table::new("test.user");
    runtime().block_on(async {
        let fill = |tx: &mut Tx| {
            for (account, name) in
                [("1", "ann"), ("1", "bob"), ("1", "eve"), ("10", "ann"), ("2", "zoe")]
            {
                USERS.put(tx, &(account, name), &(name.len() as u64))?;
            }
            Ok::<_, StoreError>(())
        };
        bench.store.transact(fill).await.unwrap();
        let snapshot = bench.store.snapshot().unwrap();
        let names = |rows: Vec<((String, String), u64)>| {
            rows.into_iter().map(|((_, name), _)| name).collect::<Vec<_>>()
        };
        let key = |account: &str, name: &str| (account.to_owned(), name.to_owned());
        let scan = |after: Option<(String, String)>, limit| {
            names(USERS.scan(&snapshot, &("1",), after.as_ref(), limit).unwrap())
        };
        assert_eq!(scan(None, 9), ["ann", "bob", "eve"]);
        assert_eq!(scan(None, 2), ["ann", "bob"]);
        assert_eq!(scan(Some(key("1", "bob")), 2), ["eve"]);
        assert_eq!(scan(Some(key("1", "bo")), 1), ["bob"], "the key need not exist");
        assert_eq!(scan(Some(key("0", "x")), 9).len(), 3, "before the prefix: from its start");
        assert!(scan(Some(key("2", "x")), 9).is_empty(), "behind the prefix: nothing");
        let back = |after: Option<(String, String)>, limit| {
            names(USERS.scan_rev(&snapshot, &("1",), after.as_ref(), limit).unwrap())
        };
        assert_eq!(back(None, 2), ["eve", "bob"]);
        assert_eq!(back(Some(key("1", "bob")), 9), ["ann"]);
        assert_eq!(back(Some(key("2", "x")), 9).len(), 3);
        assert!(back(Some(key("0", "x")), 9).is_empty());
        assert_eq!(USERS.count(&snapshot, &("1",)).unwrap(), 3);
        assert_eq!(USERS.count(&snapshot, &()).unwrap(), 5);
        assert_eq!(USERS.scan(&snapshot, &("2", "zoe"), None, 9).unwrap().len(), 1);
        assert_eq!(USERS.get(&snapshot, &key("10", "ann")).unwrap(), Some(3));
        assert!(!USERS.contains(&snapshot, &("10", "bob")).unwrap());
    });
}
