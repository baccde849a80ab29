//! The root that a space sees, and how its first process comes to be there with nothing else.

mod loopback;
pub(crate) mod mounts;
pub(crate) mod rights;
pub(crate) mod syscalls;

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use crate::identity;
use crate::plan::{EXECUTABLE, GID, HOME, Launch, METADATA, PLAN, UID};
use crate::trouble::{Done, While};
use mounts::Inside;

/// Directories of the host that every space sees, unwritable.
const SYSTEM: &[&str] = &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// What of the host's `/etc` a space sees: what programs need and what tells nothing about the host.
const ETC: &[&str] = &[
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "debian_version",
    "fonts",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "magic",
    "mime.types",
    "os-release",
    "pki/ca-trust/extracted",
    "pki/tls/certs",
    "profile",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
];

/// Devices that a space has.
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];

/// What of `/proc` is about the machine and no business of a space's, as container engines have it.
const HIDDEN: &[&str] = &[
    "acpi",
    "asound",
    "kcore",
    "keys",
    "latency_stats",
    "sched_debug",
    "scsi",
    "timer_list",
    "timer_stats",
];

/// What of `/proc` a space may read and nobody inside may write.
const READ_ONLY: &[&str] = &["bus", "fs", "irq", "sys", "sysrq-trigger"];

/// Builds the root, makes it the root, and leaves no way back to the host's. The process stands in
/// the new root then, with the rights that it had. `owner` is the user of the host whom temporary
/// directories are for.
pub(crate) fn build(launch: &Launch, root: &Path, owner: Option<(u32, u32)>) -> Done {
    // Before all else: nothing that is mounted from here on shows on the host.
    rustix::mount::mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)
        .doing("mounts of its own")?;
    let inside = Inside::new(root)?;
    for directory in SYSTEM {
        inside.system(Path::new(directory))?;
    }
    inside.directory("/etc")?;
    for name in ETC {
        let path = Path::new("/etc").join(name);
        if path.exists() {
            inside.show(&path, &path)?;
        }
    }
    for (name, text) in identity::etc(&launch.hostname, UID, GID) {
        let path = format!("/etc/{name}");
        if !launch.files.contains_key(&path) {
            inside.file(path, text.as_bytes())?;
        }
    }
    for (path, text) in &launch.files {
        inside.file(path, text.as_bytes())?;
    }
    // Before what may lie below it on the host.
    inside.temporary("/tmp", launch.scratch, owner)?;
    inside.directory("/var/tmp")?;
    inside.bind_inside("/tmp", "/var/tmp")?;
    devices(&inside, launch, owner)?;
    process_files(&inside)?;
    for directory in &launch.needs {
        if SYSTEM.iter().any(|it| directory.starts_with(it)) {
            continue;
        }
        inside.show(directory, directory)?;
    }
    inside.show(&launch.executable, Path::new(EXECUTABLE))?;
    inside.file(METADATA, launch.metadata.as_bytes())?;
    inside.directory("/run/sagegate")?;
    crate::launch::write_plan(&inside.at(PLAN), launch)?;
    inside.home(&launch.home, HOME)?;
    if let Some(path) = &launch.home_too {
        inside.home(&launch.home, path)?;
    }
    rustix::system::sethostname(launch.hostname.as_bytes()).doing("the host name")?;
    if !launch.joins {
        loopback::up()?;
    }
    pivot(root)
}

/// `/dev`: the harmless devices, terminals of its own, shared memory.
fn devices(inside: &Inside, launch: &Launch, owner: Option<(u32, u32)>) -> Done {
    inside.tmpfs("/dev", "mode=0755,size=64k")?;
    for name in DEVICES {
        let path = Path::new("/dev").join(name);
        inside.device(&path)?;
    }
    inside.directory("/dev/pts")?;
    rustix::mount::mount(
        "devpts",
        inside.at("/dev/pts"),
        "devpts",
        MountFlags::NOSUID | MountFlags::NOEXEC,
        Some(c"newinstance,ptmxmode=0666,mode=0620"),
    )
    .doing("/dev/pts")?;
    for (link, target) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        let path = inside.at("/dev").join(link);
        std::os::unix::fs::symlink(target, &path).doing(path.display())?;
    }
    inside.temporary("/dev/shm", launch.scratch, owner)?;
    inside.seal("/dev")
}

/// `/proc` of the space's own processes. The calling process must be the first of them.
fn process_files(inside: &Inside) -> Done {
    inside.directory("/proc")?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount("proc", inside.at("/proc"), "proc", flags, None).doing("/proc")?;
    for name in HIDDEN {
        inside.hide(&Path::new("/proc").join(name))?;
    }
    Ok(())
}

/// Opens the switches of `/proc/sys`, and then makes what must not be written unwritable.
pub(crate) fn close_process_files() -> Done<OwnedFd> {
    let switches = rustix::fs::open(
        "/proc/sys",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .doing("/proc/sys")?;
    for name in READ_ONLY {
        mounts::read_only_in_place(&Path::new("/proc").join(name))?;
    }
    Ok(switches)
}

/// Makes the directory the root and lets the host's go.
fn pivot(root: &Path) -> Done {
    rustix::process::chdir(root).doing(root.display())?;
    // The old root is put over the new one and taken away from there: pivot_root(2).
    rustix::process::pivot_root(".", ".").doing("a root of its own")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).doing("letting the host's root go")?;
    rustix::process::chdir("/").doing("/")?;
    mounts::read_only(Path::new("/"))
}
