//! Home directories, and the users of the host behind them.
//!
//! What is in a home is the tenant's: nothing here opens anything below one but to remove it, and
//! then without following a link and without going deeper than two directories at a time.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::runtime::{Failure, Spec, is_name};

/// The first user id that is given. Below are those of people, services and, by the usual
/// settings, of container engines and directories.
const FIRST: u32 = 1_000_000_000;
/// User ids of one instance.
const COUNT: u32 = 65_536;
/// How many instances there can be with ids of their own.
const INSTANCES: u32 = 16_000;

/// What an instance remembers about its homes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Instance {
    /// Its name among instances on this machine.
    pub(crate) name: String,
    /// The user id of the next home.
    next: u32,
}

/// Whose a home is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The user's who runs Sagegate.
    ThisUsers,
    /// A user's of its own, whom nothing else on the machine has.
    ItsOwn,
    /// This user's and group's.
    Of(u32, u32),
}

impl Whose {
    /// Refuses a home that is somebody else's: it was made by another runtime or without root.
    fn check(self, home: &str, path: &Path, owner: u32) -> Result<(), Failure> {
        match self {
            Self::ItsOwn if owner < FIRST => Err(Failure::new(format!(
                "the home {home} belongs to user {owner} of this machine, as it was made without \
                 root or by the runtime docker; here it would have to belong to nobody else"
            ))),
            Self::Of(uid, gid) if owner != uid => Err(Failure::new(format!(
                "the home {home} belongs to user {owner} of this machine, as it was made by another \
                 runtime; here it has to be user {uid}'s: chown -hR {uid}:{gid} {}",
                path.display()
            ))),
            _ => Ok(()),
        }
    }
}

/// The homes of an instance.
pub(crate) struct Homes {
    directory: PathBuf,
    notes: PathBuf,
    instance: Mutex<Instance>,
}

impl Homes {
    /// Opens the homes below a directory. `name` is that of a new instance: 8 or more of `[0-9a-f]`.
    pub(crate) fn open(directory: &Path, name: &str) -> Result<Self, Failure> {
        let notes = directory.join("instance.json");
        let instance = match fs::read(&notes) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|error| Failure::new(format!("{}: {error}", notes.display())))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let number = name.get(..8).and_then(|it| u32::from_str_radix(it, 16).ok());
                let number = number.ok_or_else(|| Failure::new("no name for an instance"))?;
                let next = FIRST + (number % INSTANCES) * COUNT;
                Instance { name: name.to_owned(), next }
            }
            Err(error) => return Err(Failure::of(&notes.display().to_string(), &error)),
        };
        let homes = directory.join("homes");
        private(&homes)?;
        let homes = Self { directory: homes, notes, instance: Mutex::new(instance) };
        homes.note(&homes.instance())?;
        Ok(homes)
    }

    /// The instance as it is now.
    pub(crate) fn instance(&self) -> Instance {
        self.instance.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, instance: &Instance) -> Result<(), Failure> {
        let wrong = |error: io::Error| Failure::of(&self.notes.display().to_string(), &error);
        let text = serde_json::to_vec(instance).map_err(io::Error::from).map_err(wrong)?;
        write_private(&self.notes, &text).map_err(wrong)
    }

    /// Where a home is.
    pub(crate) fn path(&self, home: &str) -> PathBuf {
        self.directory.join(home)
    }

    /// Makes a home if it is not there, and tells the user and group it belongs to.
    pub(crate) fn ready(&self, home: &str, whose: Whose) -> Result<(u32, u32), Failure> {
        let path = self.path(home);
        let wrong = |error: io::Error| Failure::of(&path.display().to_string(), &error);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => {
                whose.check(home, &path, found.uid())?;
                return Ok((found.uid(), found.gid()));
            }
            Ok(_) => return Err(Failure::new(format!("{} is no directory", path.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(wrong(error)),
        }
        // Made under another name, so that a home that is there has its owner.
        let fresh = self.directory.join(format!(".new-{home}"));
        let _ = fs::remove_dir(&fresh);
        DirBuilder::new().mode(0o700).create(&fresh).map_err(wrong)?;
        let owner = match whose {
            Whose::ThisUsers => None,
            Whose::ItsOwn => {
                let id = self.allot()?;
                Some((id, id))
            }
            Whose::Of(uid, gid) => Some((uid, gid)),
        };
        if let Some((uid, gid)) = owner {
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            rustix::fs::chownat(rustix::fs::CWD, &fresh, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| wrong(error.into()))?;
        }
        fs::rename(&fresh, &path).map_err(wrong)?;
        let made = fs::symlink_metadata(&path).map_err(wrong)?;
        Ok((made.uid(), made.gid()))
    }

    /// A user id that no home has had.
    fn allot(&self) -> Result<u32, Failure> {
        let mut instance = self.instance.lock().unwrap_or_else(PoisonError::into_inner);
        let id = instance.next;
        let after = Instance { name: instance.name.clone(), next: id + 1 };
        if (after.next - FIRST).is_multiple_of(COUNT) {
            return Err(Failure::new("all user ids of this installation have been given to homes"));
        }
        // On disk before it is used: an id is lost rather than given twice.
        self.note(&after)?;
        *instance = after;
        Ok(id)
    }

    /// The names of the homes.
    pub(crate) fn names(&self) -> Result<Vec<String>, Failure> {
        let wrong = |error: io::Error| Failure::of(&self.directory.display().to_string(), &error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(wrong)? {
            let name = entry.map_err(wrong)?.file_name();
            names.extend(name.to_str().filter(|it| is_name(it)).map(str::to_owned));
        }
        Ok(names)
    }

    /// Removes a home that none of these is in.
    pub(crate) fn forget(&self, home: &str, running: &[Spec]) -> Result<(), Failure> {
        if !is_name(home) {
            return Ok(());
        }
        if let Some(user) = running.iter().find(|it| it.home == home) {
            return Err(Failure::new(format!("the home {home} is in use by {}", user.id)));
        }
        tokio::task::block_in_place(|| self.remove(home))
    }

    /// Removes a home.
    fn remove(&self, home: &str) -> Result<(), Failure> {
        let path = self.path(home);
        match empty(&path).and_then(|()| fs::remove_dir(&path)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Failure::of(&path.display().to_string(), &error)),
        }
    }
}

/// Makes a directory that is for its owner only.
pub(crate) fn private(path: &Path) -> Result<(), Failure> {
    let mut builder = DirBuilder::new();
    match builder.recursive(true).mode(0o700).create(path) {
        Ok(()) => Ok(()),
        Err(error) => Err(Failure::of(&path.display().to_string(), &error)),
    }
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, text: &[u8]) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let fresh = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

/// Empties a directory, however deep it is: what is in a directory of it is moved up before that
/// one is removed, so that two are open at a time. No link is followed, whoever makes one meanwhile.
fn empty(path: &Path) -> io::Result<()> {
    let top = open_directory(rustix::fs::CWD, path)?;
    let mut moved = 0_u64;
    loop {
        let names = entries(&top)?;
        if names.is_empty() {
            return Ok(());
        }
        for (name, directory) in names {
            if !directory {
                unlink(&top, &name)?;
                continue;
            }
            // An owner without rights could not go on. Root needs none, and must not be led to change
            // what a link leads to.
            if !rustix::process::geteuid().is_root() {
                let _ = rustix::fs::chmodat(&top, &name, Mode::RWXU, AtFlags::empty());
            }
            let below = open_directory(&top, &name)?;
            for (inner, directory) in entries(&below)? {
                if !directory {
                    unlink(&below, &inner)?;
                    continue;
                }
                loop {
                    moved += 1;
                    let to = format!(".moved-{moved}");
                    match rustix::fs::renameat(&below, &inner, &top, to) {
                        Ok(()) => break,
                        // A file or a full directory of the tenant's has that name.
                        Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            rustix::fs::unlinkat(&top, &name, AtFlags::REMOVEDIR)?;
        }
    }
}

fn unlink(directory: &OwnedFd, name: &std::ffi::CStr) -> io::Result<()> {
    Ok(rustix::fs::unlinkat(directory, name, AtFlags::empty())?)
}

fn open_directory(at: impl std::os::fd::AsFd, path: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(at, path, flags, Mode::empty())?)
}

/// The names in a directory, and whether each is a directory.
fn entries(directory: &OwnedFd) -> io::Result<Vec<(std::ffi::CString, bool)>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let directory = match entry.file_type() {
            FileType::Directory => true,
            FileType::Unknown => {
                let found = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(found.st_mode) == FileType::Directory
            }
            _ => false,
        };
        names.push((name.to_owned(), directory));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_however_deep_is_removed_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let outside = directory.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "x").unwrap();
        let homes = Homes::open(directory.path(), "00000001").unwrap();
        homes.ready("h", Whose::ThisUsers).unwrap();
        let top = homes.path("h");
        std::os::unix::fs::symlink(&outside, top.join("link")).unwrap();
        std::os::unix::fs::symlink("loop", top.join("loop")).unwrap();
        fs::create_dir(top.join("locked")).unwrap();
        fs::write(top.join("locked/file"), "x").unwrap();
        fs::write(top.join(".moved-1"), "in the way").unwrap();
        fs::set_permissions(top.join("locked"), std::os::unix::fs::PermissionsExt::from_mode(0o0))
            .unwrap();
        // Deeper than a path can say.
        let name = "d".repeat(200);
        let mut at = open_directory(rustix::fs::CWD, &top).unwrap();
        for _ in 0..60 {
            rustix::fs::mkdirat(&at, &name, Mode::RWXU).unwrap();
            at = open_directory(&at, &name).unwrap();
        }
        drop(at);
        homes.remove("h").unwrap();
        assert!(!top.exists());
        assert!(outside.join("kept").exists());
        homes.remove("h").unwrap();
    }

    #[test]
    fn a_home_of_somebody_else_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let homes = Homes::open(directory.path(), "00000003").unwrap();
        let (uid, _) = homes.ready("h", Whose::ThisUsers).unwrap();
        let other = Whose::Of(uid + 1, 100);
        let refused = homes.ready("h", other).unwrap_err().message;
        let path = homes.path("h");
        assert!(
            refused.ends_with(&format!("chown -hR {}:100 {}", uid + 1, path.display())),
            "{refused}"
        );
        assert!(homes.ready("h", Whose::ItsOwn).is_err());
        homes.ready("h", Whose::Of(uid, 0)).unwrap();
    }

    #[test]
    fn ids_are_never_given_twice() {
        let directory = tempfile::tempdir().unwrap();
        let homes = Homes::open(directory.path(), "00000002").unwrap();
        let first = homes.allot().unwrap();
        assert_eq!(first, FIRST + 2 * COUNT);
        assert_eq!(homes.allot().unwrap(), first + 1);
        drop(homes);
        // Another name now is not this instance's.
        let homes = Homes::open(directory.path(), "00000009").unwrap();
        assert_eq!(homes.instance().name, "00000002");
        assert_eq!(homes.allot().unwrap(), first + 2);
    }
}
