//! The data directory: who may use it, and the file in it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::Disk;
use crate::OpenError;

/// A data directory that this process alone uses, until this is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// Locked as long as it is open; the kernel lets go of it however the process ends.
    _lock: File,
    #[cfg(test)]
    faults: Arc<super::faults::Faults>,
}

impl Directory {
    /// Creates the directory if needed (mode 0700) and takes its lock.
    pub(crate) fn open(path: &Path) -> Result<Directory, OpenError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, cause: source }
        };
        if !path.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed(path))?;
            if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                sync(parent).map_err(failed(parent))?;
            }
        }
        let lock_path = path.join("lock");
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(failed(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let read = (&lock).take(32).read_to_string(&mut holder);
                let pid = read.ok().and_then(|_| holder.trim().parse().ok());
                return Err(OpenError::Locked { directory: path.to_owned(), pid });
            }
            Err(TryLockError::Error(source)) => {
                return Err(OpenError::Io { path: lock_path, cause: source });
            }
        }
        let directory = Directory {
            path: path.to_owned(),
            _lock: lock,
            #[cfg(test)]
            faults: Arc::default(),
        };
        directory.sign().map_err(failed(&lock_path))?;
        Ok(directory)
    }

    /// Writes who holds the lock. A full disk must not keep the state from being read: the number is a courtesy.
    fn sign(&self) -> io::Result<()> {
        let mut lock = &self._lock;
        lock.set_len(0)?;
        lock.rewind()?;
        match writeln!(lock, "{}", std::process::id()) {
            Err(error) if error.kind() != io::ErrorKind::StorageFull => Err(error),
            _ => Ok(()),
        }
    }

    /// Opens the database file, or the unfinished one anew. Only its owner may read it.
    pub(crate) fn open_disk(&self, unfinished: bool) -> io::Result<Arc<Disk>> {
        let path = if unfinished { self.unfinished() } else { self.database() };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(unfinished).truncate(unfinished).mode(0o600);
        let disk = Disk::new(options.open(path)?)?;
        #[cfg(test)]
        let disk = disk.with_faults(self.faults());
        Ok(Arc::new(disk))
    }

    #[cfg(test)]
    pub(crate) fn faults(&self) -> Arc<super::faults::Faults> {
        Arc::clone(&self.faults)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("state.redb")
    }

    /// Where the database is while it is being made.
    pub(crate) fn unfinished(&self) -> PathBuf {
        self.path.join("state.redb.new")
    }

    /// Gives the finished database its name, durably.
    pub(crate) fn finish(&self) -> io::Result<()> {
        std::fs::rename(self.unfinished(), self.database())?;
        sync(&self.path)
    }

    /// Bytes left on the file system for this process.
    pub(crate) fn room(&self) -> io::Result<u64> {
        let figures = rustix::fs::statvfs(&self.path)?;
        Ok(figures.f_bavail.saturating_mul(figures.f_frsize))
    }
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
