//! What requests do to files.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, Gid, Mode, OFlags, Stat, StatVfs, Timespec, Timestamps, Uid};

use super::attributes::{self, Attributes};
use super::{HANDLES, LONGEST, Refusal};
use crate::codec::Put as _;

/// Bits of SSH_FXP_OPEN.
const READ: u32 = 1;
const WRITE: u32 = 2;
const APPEND: u32 = 4;
const CREATE: u32 = 8;
const TRUNCATE: u32 = 16;
const EXCLUSIVE: u32 = 32;

/// What is left to say after a request was done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Nothing: the answer is written.
    Written,
    /// That it is done.
    Done,
}

#[derive(Debug)]
enum Open {
    /// A file, and whether writes go to its end.
    File(File, bool),
    /// A directory, and an entry that did not fit into the last answer.
    Directory(Dir, Option<Vec<u8>>),
}

/// What the client has open.
#[derive(Debug, Default)]
pub(crate) struct Files {
    open: HashMap<u32, Open>,
    next: u32,
}

impl Files {
    fn add(&mut self, open: Open) -> Result<u32, Refusal> {
        if self.open.len() >= HANDLES {
            return Err(io::Error::other(format!("{HANDLES} files are open already")).into());
        }
        while self.open.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let handle = self.next;
        self.next = self.next.wrapping_add(1);
        self.open.insert(handle, open);
        Ok(handle)
    }

    fn file(&self, handle: u32) -> Result<(&File, bool), Refusal> {
        match self.open.get(&handle) {
            Some(Open::File(file, append)) => Ok((file, *append)),
            _ => Err(Refusal::Handle),
        }
    }

    pub(crate) fn open(
        &mut self,
        path: &Path,
        flags: u32,
        attributes: &Attributes,
    ) -> Result<u32, Refusal> {
        let mut options = OpenOptions::new();
        options.read(flags & READ != 0).write(flags & WRITE != 0);
        // Appending is done at each write, so that offsets are not in the way of O_APPEND.
        let append = flags & APPEND != 0;
        if append {
            options.append(true);
        }
        let mut custom = 0;
        for (bit, flag) in
            [(CREATE, OFlags::CREATE), (TRUNCATE, OFlags::TRUNC), (EXCLUSIVE, OFlags::EXCL)]
        {
            if flags & bit != 0 {
                custom |= flag.bits();
            }
        }
        // A pipe without another side must not stop the session.
        custom |= OFlags::NONBLOCK.bits();
        options.custom_flags(i32::try_from(custom).unwrap_or(0));
        options.mode(attributes.mode.unwrap_or(0o666) & 0o7777);
        self.add(Open::File(options.open(path)?, append))
    }

    pub(crate) fn open_directory(&mut self, path: &Path) -> Result<u32, Refusal> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty())?;
        self.add(Open::Directory(Dir::new(directory)?, None))
    }

    pub(crate) fn close(&mut self, handle: u32) -> Result<Reply, Refusal> {
        self.open.remove(&handle).ok_or(Refusal::Handle)?;
        Ok(Reply::Done)
    }

    /// Appends a string with what was read.
    pub(crate) fn read(
        &self,
        handle: u32,
        offset: u64,
        length: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let (file, _) = self.file(handle)?;
        let start = out.len();
        out.resize(start + 4 + length as usize, 0);
        let place = out.get_mut(start + 4..).unwrap_or_default();
        let count = loop {
            match file.read_at(place, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        if count == 0 && length > 0 {
            return Err(Refusal::End);
        }
        out.truncate(start + 4 + count);
        if let Some(size) = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut::<4>) {
            *size = u32::try_from(count).unwrap_or(0).to_be_bytes();
        }
        Ok(())
    }

    pub(crate) fn write(&self, handle: u32, offset: u64, data: &[u8]) -> Result<Reply, Refusal> {
        let (mut file, append) = self.file(handle)?;
        if append {
            io::Write::write_all(&mut file, data)?;
        } else {
            file.write_all_at(data, offset)?;
        }
        Ok(Reply::Done)
    }

    /// Appends as many entries as an answer holds.
    pub(crate) fn read_directory(&mut self, handle: u32, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let Some(Open::Directory(directory, left)) = self.open.get_mut(&handle) else {
            return Err(Refusal::Handle);
        };
        let start = out.len();
        out.put_u32(0);
        let mut count = 0_u32;
        loop {
            let entry = match left.take() {
                Some(entry) => entry,
                None => {
                    let Some(entry) = directory.next() else { break };
                    let entry = entry?;
                    let name = entry.file_name().to_bytes();
                    // An entry may be gone by now; then it is not in the directory.
                    let fd = directory.fd()?;
                    let flags = AtFlags::SYMLINK_NOFOLLOW;
                    let Ok(stat) = rustix::fs::statat(fd, entry.file_name(), flags) else {
                        continue;
                    };
                    let mut written = Vec::new();
                    written.put_string(name);
                    written.put_string(&attributes::long(name, &stat));
                    attributes::write(&stat, &mut written);
                    written
                }
            };
            if out.len() + entry.len() > LONGEST / 4 {
                *left = Some(entry);
                break;
            }
            out.extend_from_slice(&entry);
            count += 1;
        }
        if count == 0 {
            return Err(Refusal::End);
        }
        if let Some(place) = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut::<4>) {
            *place = count.to_be_bytes();
        }
        Ok(())
    }

    pub(crate) fn stat(&self, handle: u32) -> Result<Stat, Refusal> {
        match self.open.get(&handle).ok_or(Refusal::Handle)? {
            Open::File(file, _) => Ok(rustix::fs::fstat(file)?),
            Open::Directory(directory, _) => Ok(directory.stat()?),
        }
    }

    pub(crate) fn room(&self, handle: u32) -> Result<StatVfs, Refusal> {
        Ok(rustix::fs::fstatvfs(self.file(handle)?.0)?)
    }

    pub(crate) fn sync(&self, handle: u32) -> Result<Reply, Refusal> {
        self.file(handle)?.0.sync_all()?;
        Ok(Reply::Done)
    }

    pub(crate) fn set(&self, handle: u32, wanted: &Attributes) -> Result<Reply, Refusal> {
        let (file, _) = self.file(handle)?;
        if let Some(size) = wanted.size {
            rustix::fs::ftruncate(file, size)?;
        }
        if let Some(mode) = wanted.mode {
            rustix::fs::fchmod(file, Mode::from_raw_mode(mode & 0o7777))?;
        }
        if let Some(times) = times(wanted) {
            rustix::fs::futimens(file, &times)?;
        }
        if let Some((user, group)) = wanted.owner {
            let (user, group) = owner(user, group);
            rustix::fs::fchown(file, user, group)?;
        }
        Ok(Reply::Done)
    }
}

fn times(wanted: &Attributes) -> Option<Timestamps> {
    let time = |seconds: u32| Timespec { tv_sec: seconds.into(), tv_nsec: 0 };
    let (used, changed) = wanted.times?;
    Some(Timestamps { last_access: time(used), last_modification: time(changed) })
}

/// All ones are nobody's number, and leave what is (chown(2)).
fn owner(user: u32, group: u32) -> (Option<Uid>, Option<Gid>) {
    let given = |number: u32| (number != u32::MAX).then_some(number);
    (given(user).map(Uid::from_raw), given(group).map(Gid::from_raw))
}

/// Changes what a path names; a link itself if `follow` is false.
pub(crate) fn set_path(path: &Path, wanted: &Attributes, follow: bool) -> Result<Reply, Refusal> {
    let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
    if let Some(size) = wanted.size {
        if !follow {
            return Err(io::Error::from(io::ErrorKind::InvalidInput).into());
        }
        OpenOptions::new().write(true).open(path)?.set_len(size)?;
    }
    if let Some(mode) = wanted.mode {
        rustix::fs::chmodat(CWD, path, Mode::from_raw_mode(mode & 0o7777), flags)?;
    }
    if let Some(times) = times(wanted) {
        rustix::fs::utimensat(CWD, path, &times, flags)?;
    }
    if let Some((user, group)) = wanted.owner {
        let (user, group) = owner(user, group);
        rustix::fs::chownat(CWD, path, user, group, flags)?;
    }
    Ok(Reply::Done)
}

/// Renames where nothing is yet (the draft's section 6.5; `posix-rename@openssh.com` replaces).
pub(crate) fn rename_new(from: &Path, to: &Path) -> Result<Reply, Refusal> {
    let flags = rustix::fs::RenameFlags::NOREPLACE;
    match rustix::fs::renameat_with(CWD, from, CWD, to, flags) {
        // A file system that cannot do it in one step.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            if rustix::fs::lstat(to).is_ok() {
                return Err(io::Error::from(io::ErrorKind::AlreadyExists).into());
            }
            rustix::fs::rename(from, to)?;
        }
        result => result?,
    }
    Ok(Reply::Done)
}

/// The full path without links. The last part need not exist, so that a client can ask where
/// something would be.
pub(crate) fn canonical(path: &Path) -> Result<PathBuf, Refusal> {
    match std::fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                return Err(error.into());
            };
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            Ok(std::fs::canonicalize(parent)?.join(name))
        }
        result => Ok(result?),
    }
}

/// A leading `~` is the user's home. Nobody else's home has a name here.
pub(crate) fn expand(path: &Path) -> Result<PathBuf, Refusal> {
    let bytes = path.as_os_str().as_bytes();
    let Some(rest) = bytes.strip_prefix(b"~") else { return Ok(path.to_owned()) };
    let home = std::env::var_os("HOME").unwrap_or_else(|| "/".into());
    match rest {
        [] => Ok(home.into()),
        [b'/', rest @ ..] => Ok(Path::new(&home).join(std::ffi::OsStr::from_bytes(rest))),
        _ => Err(io::Error::from(io::ErrorKind::NotFound).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_of_all_ones_changes_nothing() {
        assert_eq!(owner(u32::MAX, u32::MAX), (None, None));
        assert_eq!(owner(7, u32::MAX), (Some(Uid::from_raw(7)), None));
        assert_eq!(owner(0, 8), (Some(Uid::ROOT), Some(Gid::from_raw(8))));
    }
}
