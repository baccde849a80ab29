//! Going into a namespace of the fabric, for a program that is about to become another one.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::process::{DumpableBehavior, getegid, geteuid, set_dumpable_behavior};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use crate::host::Namespace;
use crate::keeper::unshare;

/// What a program in a namespace sees of the machine's files that is not the machine's.
#[derive(Debug)]
pub struct Files<'a> {
    /// Files, which have to be there, and what they say instead.
    pub instead: Vec<(&'a Path, String)>,
    /// Directories that are empty, where there are such.
    pub empty: Vec<&'a Path>,
    /// A directory that this user can write to.
    pub scratch: &'a Path,
}

/// Puts this process into a namespace, with files of its own. The process has to have one thread.
/// Without root it keeps its user, with no rights over the namespace.
///
/// # Errors
/// If the kernel refuses, with what was refused. The process must not go on then: it may be between
/// two networks.
pub fn join(namespace: &Namespace, files: &Files<'_>) -> io::Result<()> {
    let (uid, gid) = (geteuid(), getegid());
    let mut fresh = Vec::new();
    let done = write(files, &mut fresh).and_then(|()| {
        if let Some(user) = &namespace.user {
            enter("the user namespace", user, LinkNameSpaceType::User)?;
        }
        enter("the network namespace", &namespace.net, LinkNameSpaceType::Network)?;
        context("mounts of its own", unshare(UnshareFlags::NEWNS))?;
        let private = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
        context("mounts of its own", mount_change("/", private).map_err(Into::into))?;
        for ((path, _), fresh) in files.instead.iter().zip(&fresh) {
            let done = mount_bind(fresh, *path).map_err(Into::into);
            context(&path.display().to_string(), done)?;
        }
        for path in files.empty.iter().filter(|path| path.is_dir()) {
            let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
            let done = mount("tmpfs", *path, "tmpfs", flags, None).map_err(Into::into);
            context(&path.display().to_string(), done)?;
        }
        Ok(())
    });
    for path in &fresh {
        // What is mounted stays.
        let _ = fs::remove_file(path);
    }
    done?;
    if namespace.user.is_some() {
        // Back to the own user, and away from the rights that the namespace's owner has.
        context("a user namespace", unshare(UnshareFlags::NEWUSER))?;
        set_dumpable_behavior(DumpableBehavior::Dumpable)?;
        let (uid, gid) = (uid.as_raw(), gid.as_raw());
        for (file, text) in [
            ("setgroups", "deny".to_owned()),
            ("uid_map", format!("{uid} 0 1")),
            ("gid_map", format!("{gid} 0 1")),
        ] {
            let path = format!("/proc/self/{file}");
            context(&path, fs::write(&path, text))?;
        }
    }
    Ok(())
}

/// Writes what files say instead, before their place is another.
fn write(files: &Files<'_>, fresh: &mut Vec<PathBuf>) -> io::Result<()> {
    for (number, (_, text)) in files.instead.iter().enumerate() {
        let name = format!("exec-{}-{number}", std::process::id());
        let path = files.scratch.join(name);
        // One of the same number was left by a process that is gone.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return context(&path.display().to_string(), Err(error));
            }
            _ => {}
        }
        let made = fs::OpenOptions::new().write(true).create_new(true).open(&path);
        let mut file = context(&path.display().to_string(), made)?;
        fresh.push(path);
        file.write_all(text.as_bytes())?;
    }
    Ok(())
}

fn enter(
    what: &str,
    namespace: &impl std::os::fd::AsFd,
    kind: LinkNameSpaceType,
) -> io::Result<()> {
    let done = move_into_link_name_space(namespace.as_fd(), Some(kind));
    context(what, done.map_err(Into::into))
}

fn context<T>(what: &str, done: io::Result<T>) -> io::Result<T> {
    done.map_err(|error| io::Error::new(error.kind(), format!("{what}: {error}")))
}
