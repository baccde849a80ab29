//! Unix sockets in directories whose names may be long.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use tokio::net::UnixStream;

/// A directory, held open: what is below it has a short name then, as addresses of unix sockets
/// must (108 bytes, unix(7)), however long the directory's own is.
pub(crate) struct Held(OwnedFd);

impl Held {
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(directory, flags, Mode::empty())?))
    }

    pub(crate) fn below(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.0.as_raw_fd()))
    }
}

/// Connects to the agent of a directory.
pub(crate) async fn connect(directory: &Path) -> io::Result<UnixStream> {
    let held = Held::open(directory)?;
    UnixStream::connect(held.below("agent.sock")).await
}
