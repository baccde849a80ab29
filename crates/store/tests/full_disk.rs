//! A file system that really is full, again and again, while a store on it is written and read.
//!
//! The test mounts a small one in a mount namespace of its own; where the system allows no user namespaces it says
//! so and shows nothing. Failures at each single operation are tested beside the engine, everywhere.

#[cfg(test)]
mod full_disk {
    use std::io::Write;
    use std::ops::Bound::Unbounded;
    use std::path::Path;
    use std::process::Command;

    use sagegate_store::{Read, Store, StoreError, TransactError, Tx};

    const PLACE: &str = "SAGEGATE_STORE_SMALL_DISK";
    const ROWS: &str = "test.rows";

    #[test]
    fn a_full_disk_fails_writes_only() {
        let namespace = ["--user", "--map-root-user", "--mount", "--"];
        let allowed = Command::new("unshare")
            .args(namespace)
            .args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"])
            .output();
        if !allowed.is_ok_and(|output| output.status.success()) {
            eprintln!("not tested: no user namespaces here");
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let script = "mount -t tmpfs -o size=16m tmpfs \"$1\" && shift && exec \"$@\"";
        let status = Command::new("unshare")
            .args(namespace)
            .args(["sh", "-c", script, "sh"])
            .arg(place.path())
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "full_disk::inside", "--ignored", "--nocapture"])
            .env(PLACE, place.path())
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Fills the disk with a file that empties it again when it is removed.
    fn fill(file: &Path) {
        let mut filler = std::fs::File::create(file).unwrap();
        while filler.write_all(&[1; 4096]).is_ok() {}
    }

    fn put(store: &Store, number: usize) -> Result<u64, TransactError<StoreError>> {
        let put = |tx: &mut Tx| {
            tx.put(ROWS, format!("{number:05}"), vec![7; 3000]);
            if let Some(old) = number.checked_sub(100) {
                tx.delete(ROWS, format!("{old:05}"));
            }
            Ok::<_, StoreError>(())
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(store.transact(put)).map(|committed| committed.revision)
    }

    fn assert_rows(store: &Store, written: usize) {
        let expected: Vec<_> = (written.saturating_sub(100)..written)
            .map(|number| format!("{number:05}").into_bytes())
            .collect();
        assert_eq!(found(store), expected);
    }

    fn found(store: &Store) -> Vec<Vec<u8>> {
        let snapshot = store.snapshot().unwrap();
        let rows = snapshot.scan(ROWS, Unbounded, Unbounded, 99_999, false).unwrap();
        rows.into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    #[ignore = "started by the test above, on a small disk"]
    fn inside() {
        let Some(place) = std::env::var_os(PLACE) else { return };
        let place = Path::new(&place);
        let (data, filler) = (place.join("data"), place.join("filler"));
        fill(&filler);
        assert!(Store::open(&data).is_err(), "no room for a new store");
        std::fs::remove_file(&filler).unwrap();
        let mut store = Store::open(&data).unwrap();
        let mut written = 0;
        for round in 0..12 {
            for _ in 0..40 {
                put(&store, written).unwrap();
                written += 1;
            }
            fill(&filler);
            for _ in 0..10 {
                let refused = put(&store, written);
                assert!(
                    matches!(refused, Err(TransactError::Store(StoreError::Full { .. }))),
                    "{refused:?}"
                );
                assert_rows(&store, written);
            }
            if round % 3 == 2 {
                // Closing and opening need no room.
                store.close();
                store = Store::open(&data).unwrap();
                assert_rows(&store, written);
            }
            std::fs::remove_file(&filler).unwrap();
        }
        store.close();
        assert_rows(&Store::open(&data).unwrap(), written);
    }
}
