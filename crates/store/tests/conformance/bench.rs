//! What the tests stand on.

use std::path::Path;

use sagegate_store::{Store, StoreError, TransactError};
use tempfile::TempDir;

pub(crate) type Failure = TransactError<StoreError>;

/// A store under test and what keeps its files alive.
pub(crate) struct Bench {
    pub(crate) store: Store,
    _directory: Option<TempDir>,
}

pub(crate) fn memory() -> Bench {
    Bench { store: Store::memory(), _directory: None }
}

pub(crate) fn file() -> Bench {
    let directory = directory();
    Bench { store: Store::open(directory.path()).unwrap(), _directory: Some(directory) }
}

pub(crate) fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap()
}

/// Writes one pair and answers the revision.
pub(crate) async fn set(store: &Store, table: &'static str, key: &str, value: &str) -> u64 {
    let committed = store
        .transact(|tx| {
            tx.put(table, key, value.as_bytes());
            Ok::<_, StoreError>(())
        })
        .await;
    committed.unwrap().revision
}

/// The mode bits of a file.
pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
