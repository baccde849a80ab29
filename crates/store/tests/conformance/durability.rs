//! What only a store on disk can show.

use std::ops::Bound::Unbounded;

use sagegate_store::{OpenError, Read, Store, StoreError};

use crate::bench::{directory, mode, runtime, set};

#[test]
fn what_was_written_is_there_after_a_restart() {
    let directory = directory();
    runtime().block_on(async {
        let store = Store::open(directory.path()).unwrap();
        set(&store, "test.one", "a", "1").await;
        set(&store, "test.two", "b", "2").await;
        let delete = |tx: &mut sagegate_store::Tx| {
            tx.delete("test.one", "a");
            tx.put("test.one", "c", "3".as_bytes());
            Ok::<_, StoreError>(())
        };
        store.transact(delete).await.unwrap();
        store.close();

        let store = Store::open(directory.path()).unwrap();
        assert_eq!(store.revision(), 3);
        assert_eq!(store.table_revision("test.one"), 3);
        assert_eq!(store.table_revision("test.two"), 2);
        assert_eq!(store.table_revision("test.three"), 0);
        let snapshot = store.snapshot().unwrap();
        let rows = snapshot.scan("test.one", Unbounded, Unbounded, 9, false).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].0, b"c");
        assert_eq!(snapshot.get("test.two", b"b").unwrap().unwrap().as_ref(), b"2");
        store.clear(&["test.two"]).await.unwrap();
        drop(snapshot);
        assert_eq!(set(&store, "test.one", "d", "4").await, 5, "revisions go on");
        drop(store);

        let store = Store::open(directory.path()).unwrap();
        let snapshot = store.snapshot().unwrap();
        let rows = snapshot.scan("test.one", Unbounded, Unbounded, 9, false).unwrap();
        assert_eq!(rows.len(), 1, "cleared on disk, too");
        assert_eq!(rows[0].0, b"d");
        assert_eq!(snapshot.table_revision("test.two"), 2);
    });
}

#[test]
fn a_directory_belongs_to_one_store() {
    let directory = directory();
    let store = Store::open(directory.path()).unwrap();
    let refused = Store::open(directory.path()).unwrap_err();
    match &refused {
        OpenError::Locked { pid, .. } => assert_eq!(*pid, Some(std::process::id())),
        other => panic!("{other}"),
    }
    let text = refused.to_string();
    assert!(text.ends_with(&format!(" (process {})", std::process::id())), "{text}");
    store.close();
    Store::open(directory.path()).unwrap().close();
}

#[test]
fn a_snapshot_keeps_the_directory() {
    let directory = directory();
    let store = Store::open(directory.path()).unwrap();
    let snapshot = store.snapshot().unwrap();
    store.close();
    assert!(matches!(Store::open(directory.path()), Err(OpenError::Locked { .. })));
    assert_eq!(snapshot.get("test.one", b"a").unwrap(), None);
    drop(snapshot);
    Store::open(directory.path()).unwrap().close();
}

#[test]
fn only_the_owner_may_read() {
    let directory = directory();
    let data = directory.path().join("deep/data");
    let store = Store::open(&data).unwrap();
    assert_eq!(mode(&data), 0o700);
    for file in std::fs::read_dir(&data).unwrap() {
        let file = file.unwrap();
        assert_eq!(mode(&file.path()), 0o600, "{:?}", file.file_name());
    }
    store.close();
}

#[test]
fn state_of_a_later_release_is_refused() {
    const META: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("meta");
    let directory = directory();
    Store::open(directory.path()).unwrap().close();
    let database = redb::Database::open(directory.path().join("state.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert("schema", 2).unwrap();
    transaction.commit().unwrap();
    drop(database);
    match Store::open(directory.path()).unwrap_err() {
        OpenError::Newer { found: 2, supported: 1, .. } => {}
        other => panic!("{other}"),
    }
}

#[test]
fn a_file_of_another_kind_is_refused_and_kept() {
    for contents in [&b"not a database"[..], b"", &[0; 9000]] {
        let directory = directory();
        let file = directory.path().join("state.redb");
        std::fs::write(&file, contents).unwrap();
        match Store::open(directory.path()) {
            Err(OpenError::Damaged { .. } | OpenError::Io { .. }) => {}
            other => panic!("{} bytes: {other:?}", contents.len()),
        }
        assert!(std::fs::read(&file).unwrap() == contents, "{} bytes", contents.len());
    }
}

#[test]
fn a_half_made_database_is_made_again() {
    let directory = directory();
    std::fs::write(directory.path().join("state.redb.new"), b"half").unwrap();
    Store::open(directory.path()).unwrap().close();
}

#[test]
fn a_closing_store_finishes_what_is_under_way() {
    let directory = directory();
    let store = Store::open(directory.path()).unwrap();
    runtime().block_on(async {
        let writes: Vec<_> = (0..50)
            .map(|number| {
                let store = store.clone();
                tokio::spawn(async move {
                    let put = |tx: &mut sagegate_store::Tx| {
                        tx.put("test.one", format!("{number:02}"), b"x".as_slice());
                        Ok::<_, StoreError>(())
                    };
                    store.transact(put).await.is_ok()
                })
            })
            .collect();
        let closing = store.clone();
        tokio::task::spawn_blocking(move || closing.close()).await.unwrap();
        let mut acknowledged = Vec::new();
        for (number, write) in writes.into_iter().enumerate() {
            if write.await.unwrap() {
                acknowledged.push(format!("{number:02}").into_bytes());
            }
        }
        let store = Store::open(directory.path()).unwrap();
        let snapshot = store.snapshot().unwrap();
        let rows = snapshot.scan("test.one", Unbounded, Unbounded, 99, false).unwrap();
        let found: Vec<_> = rows.into_iter().map(|(key, _)| key).collect();
        assert_eq!(found, acknowledged, "all that was acknowledged, and nothing else");
    });
}
