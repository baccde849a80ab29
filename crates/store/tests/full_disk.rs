//! A file system that really is full, again and again, while a store on it is written and read.
//!
//! The test mounts a small one in a mount namespace of its own; where the system allows no user namespaces it says
//! so and shows nothing. Failures at each single operation are tested beside the engine, everywhere.

#[cfg(test)]
mod full_disk {
    use std::io::Write;
    use std::ops::Bound::Unbounded;
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

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

    /// Fills the disk and empties it, until told to stop.
    fn fill(file: PathBuf, stop: &AtomicBool) {
        while !stop.load(Ordering::SeqCst) {
            let mut filler = std::fs::File::create(&file).unwrap();
            while filler.write_all(&[1; 8192]).is_ok() {}
            // Full for a while: until somebody else has had a turn.
            for _ in 0..2000 {
                std::thread::yield_now();
            }
            drop(filler);
            std::fs::remove_file(&file).unwrap();
            for _ in 0..2000 {
                std::thread::yield_now();
            }
        }
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
        let data = place.join("data");
        let stop = Arc::new(AtomicBool::new(false));
        let filler = {
            let (stop, file) = (Arc::clone(&stop), place.join("filler"));
            std::thread::spawn(move || fill(file, &stop))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        // The disk may be full when the store is made, too: then it is made later.
        let store = (0..).find_map(|_| Store::open(&data).ok()).unwrap();
        let mut acknowledged = Vec::new();
        let (mut refused, mut tries) = (0, 0);
        while acknowledged.len() < 400 || refused < 100 {
            tries += 1;
            let key = format!("{:09}", acknowledged.len()).into_bytes();
            let put = |tx: &mut Tx| {
                tx.put(ROWS, key.as_slice(), vec![7; 3000]);
                tx.delete(ROWS, format!("{:09}", acknowledged.len().wrapping_sub(100)));
                Ok::<_, StoreError>(())
            };
            match runtime.block_on(store.transact(put)) {
                Ok(_) => acknowledged.push(key),
                Err(TransactError::Store(StoreError::Full { .. } | StoreError::Io { .. })) => {
                    refused += 1;
                }
                Err(other) => panic!("{other}"),
            }
            if tries % 50 == 0 {
                let last = acknowledged.len().saturating_sub(100);
                assert_eq!(found(&store), acknowledged[last..], "reads go on");
            }
        }
        stop.store(true, Ordering::SeqCst);
        filler.join().unwrap();
        let last = acknowledged.len() - 100;
        assert_eq!(found(&store), acknowledged[last..]);
        store.close();
        let store = Store::open(&data).unwrap();
        assert_eq!(found(&store), acknowledged[last..]);
        eprintln!("{} commits, {refused} refused", acknowledged.len());
    }
}
