//! What can go wrong in the store.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A read or a write that the store could not do. Its text never contains stored values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The file system refused: an I/O error of the disk. Nothing of the write is kept.
    #[error("the store could not {action}: {cause}")]
    Io {
        /// What was being done, as a verb phrase.
        action: &'static str,
        /// The operating system's or the engine's words.
        cause: Arc<str>,
    },
    /// There is no room left for the write. Reads go on; writes work again once there is space.
    #[error("the disk that holds the store is full: {cause}")]
    Full {
        /// How it was noticed.
        cause: Arc<str>,
    },
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
    /// A stored record or key does not read back as its type.
    #[error("table {table}: the record under key {key} does not read as its type: {cause}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The key, in hexadecimal.
        key: String,
        /// Where and how it fails, without the contents.
        cause: String,
    },
    /// A record was written by a later release of this program.
    #[error(
        "table {table}: the record under key {key} has version {found}, this release reads up to {supported}"
    )]
    Newer {
        /// The table.
        table: &'static str,
        /// The key, in hexadecimal.
        key: String,
        /// The version in the record.
        found: u32,
        /// The newest version known here.
        supported: u32,
    },
    /// A value cannot be written as JSON (a map whose keys are not strings, for example).
    #[error("table {table}: a record cannot be encoded: {cause}")]
    Encode {
        /// The table.
        table: &'static str,
        /// Why.
        cause: String,
    },
}

/// Why a data directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the directory.
    #[error("{} is in use by another sagegate{}", .directory.display(), Holder(*.pid))]
    Locked {
        /// The data directory.
        directory: PathBuf,
        /// The process that holds it, where its lock file tells.
        pid: Option<u32>,
    },
    /// The state was written by a later release, which this one must not touch.
    #[error(
        "{} holds state of schema version {found}; this release knows versions up to {supported}",
        .directory.display()
    )]
    Newer {
        /// The data directory.
        directory: PathBuf,
        /// The schema version found.
        found: u64,
        /// The newest schema version known here.
        supported: u64,
    },
    /// The file is not a store or is damaged beyond what the engine repairs.
    #[error("{} cannot be read as a store: {cause}", .file.display())]
    Damaged {
        /// The database file.
        file: PathBuf,
        /// The engine's words.
        cause: String,
    },
    /// The file system refused.
    #[error("{}: {cause}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's error.
        cause: std::io::Error,
    },
}

struct Holder(Option<u32>);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, " (process {pid})"),
            None => Ok(()),
        }
    }
}

/// Why [`crate::Store::transact`] did not commit. In every case nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactError<E> {
    /// The closure decided so.
    #[error("the transaction was given up")]
    Aborted(E),
    /// Other writers got in between every time.
    #[error("the transaction met other writers too many times")]
    Contention,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub(crate) fn hex(key: &[u8]) -> String {
    key.iter().fold(String::with_capacity(key.len() * 2), |mut text, byte| {
        for nibble in [byte >> 4, byte & 0xf] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('?'));
        }
        text
    })
}
