//! Mounts below a root that is being built.

use std::ffi::CString;
use std::fs::{DirBuilder, File, Permissions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, StatVfsMountFlags};
use rustix::mount::{MountFlags, MountPropagationFlags};

use crate::trouble::{Done, Trouble, While};

/// A root that is being built.
pub(crate) struct Inside<'a> {
    root: &'a Path,
}

impl<'a> Inside<'a> {
    /// Mounts an empty root over the directory.
    pub(crate) fn new(root: &'a Path) -> Done<Self> {
        let inside = Self { root };
        tmpfs(root, "mode=0755,size=4m")?;
        Ok(inside)
    }

    /// Where on the host an absolute path inside is, while the root is being built.
    pub(crate) fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path.as_ref().strip_prefix("/").unwrap_or(path.as_ref()))
    }

    /// Makes a directory and those above it.
    pub(crate) fn directory(&self, path: impl AsRef<Path>) -> Done {
        let path = self.at(path);
        DirBuilder::new().recursive(true).mode(0o755).create(&path).doing(path.display())
    }

    /// Writes a file that everybody may read.
    pub(crate) fn file(&self, path: impl AsRef<Path>, text: &[u8]) -> Done {
        self.parent(path.as_ref())?;
        let path = self.at(path);
        let mut file = File::create_new(&path).doing(path.display())?;
        file.write_all(text).doing(path.display())?;
        file.set_permissions(Permissions::from_mode(0o644)).doing(path.display())
    }

    fn parent(&self, path: &Path) -> Done {
        path.parent().map_or(Ok(()), |parent| self.directory(parent))
    }

    /// Shows a system directory: a link stays one, as where `/bin` is part of `/usr`.
    pub(crate) fn system(&self, path: &Path) -> Done {
        let Ok(found) = std::fs::symlink_metadata(path) else { return Ok(()) };
        if found.is_symlink() {
            let target = std::fs::read_link(path).doing(path.display())?;
            let link = self.at(path);
            return std::os::unix::fs::symlink(target, &link).doing(link.display());
        }
        self.show(path, path)
    }

    /// Shows a file or directory of the host inside, unwritable, without what is mounted below it.
    pub(crate) fn show(&self, host: &Path, path: &Path) -> Done {
        let found = std::fs::metadata(host).doing(host.display())?;
        self.place(path, found.is_dir())?;
        let target = self.at(path);
        rustix::mount::mount_bind(host, &target).doing(host.display())?;
        read_only(&target)
    }

    /// An empty place to mount on.
    fn place(&self, path: &Path, directory: bool) -> Done {
        if directory {
            return self.directory(path);
        }
        let place = self.at(path);
        if place.exists() { Ok(()) } else { self.file(path, b"") }
    }

    /// Shows a device of the host.
    pub(crate) fn device(&self, path: &Path) -> Done {
        let Ok(found) = std::fs::symlink_metadata(path) else { return Ok(()) };
        if !found.file_type().is_char_device() {
            return Err(Trouble::new(format!("{} is no device on the host", path.display())));
        }
        self.file(path, b"")?;
        rustix::mount::mount_bind(path, self.at(path)).doing(path.display())
    }

    /// An empty file system in memory, not a user's.
    pub(crate) fn tmpfs(&self, path: &str, options: &str) -> Done {
        self.directory(path)?;
        tmpfs(&self.at(path), options)
    }

    /// An empty file system in memory for everybody inside, of at most this many bytes.
    pub(crate) fn temporary(&self, path: &str, bytes: u64, owner: Option<(u32, u32)>) -> Done {
        let owner = owner.map_or(String::new(), |(uid, gid)| format!(",uid={uid},gid={gid}"));
        self.tmpfs(path, &format!("mode=1777,size={bytes},nr_inodes=262144{owner}"))
    }

    /// Shows a directory inside at a second place inside.
    pub(crate) fn bind_inside(&self, path: &str, second: &str) -> Done {
        rustix::mount::mount_bind(self.at(path), self.at(second)).doing(second)
    }

    /// Shows the home directory, writable. It is opened without following a link, and what is opened
    /// is what is mounted.
    pub(crate) fn home(&self, host: &Path, path: &str) -> Done {
        self.directory(path)?;
        let home = rustix::fs::open(
            host,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .doing(host.display())?;
        let opened = format!("/proc/self/fd/{}", home.as_raw_fd());
        let target = self.at(path);
        rustix::mount::mount_bind(opened.as_str(), &target).doing(host.display())?;
        remount(&target, MountFlags::NOSUID | MountFlags::NODEV)
    }

    /// Makes a file system inside unwritable.
    pub(crate) fn seal(&self, path: &str) -> Done {
        remount(&self.at(path), MountFlags::RDONLY | MountFlags::NOSUID)
    }

    /// Covers something with nothing.
    pub(crate) fn hide(&self, path: &Path) -> Done {
        let target = self.at(path);
        match std::fs::metadata(&target) {
            Ok(found) if found.is_dir() => {
                tmpfs(&target, "mode=0555,size=4k")?;
                read_only(&target)
            }
            Ok(_) => rustix::mount::mount_bind("/dev/null", &target).doing(path.display()),
            Err(_) => Ok(()),
        }
    }
}

/// Makes a mount unwritable, and no place for devices or changes of user.
pub(crate) fn read_only(target: &Path) -> Done {
    remount(target, MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV)
}

/// Makes a part of a file system unwritable where it is.
pub(crate) fn read_only_in_place(path: &Path) -> Done {
    if !path.exists() {
        return Ok(());
    }
    rustix::mount::mount_bind(path, path).doing(path.display())?;
    remount(path, MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC)
}

/// Adds flags to a mount. Those that it has stay: in a user namespace none may be taken away.
fn remount(target: &Path, add: MountFlags) -> Done {
    let has = rustix::fs::statvfs(target).doing(target.display())?.f_flag;
    let mut flags = add | MountFlags::BIND;
    for (flag, mount) in [
        (StatVfsMountFlags::RDONLY, MountFlags::RDONLY),
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ] {
        if has.contains(flag) {
            flags |= mount;
        }
    }
    rustix::mount::mount_remount(target, flags, "").doing(target.display())
}

fn tmpfs(target: &Path, options: &str) -> Done {
    let options = CString::new(options).doing("mount options")?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount("tmpfs", target, "tmpfs", flags, Some(options.as_c_str()))
        .doing(target.display())?;
    rustix::mount::mount_change(target, MountPropagationFlags::PRIVATE).doing(target.display())
}
