//! Giving up what the first process of a space may do.

use std::io::Write;
use std::os::fd::OwnedFd;

use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};

use crate::launch::unshare;
use crate::plan::{GID, Launch, UID};
use crate::trouble::{Done, While};

/// Namespaces of which nobody inside may make more: whoever makes a user namespace has every right
/// in it, and so reaches parts of the kernel that are nobody's business here.
const NO_MORE: &[&str] = &["user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"];

/// Says which user of the outer namespace one inside is. Must be said by the process that has just
/// made the namespace.
pub(crate) fn map_user(uid: u32, outer_uid: u32, gid: u32, outer_gid: u32) -> Done {
    for (file, text) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{uid} {outer_uid} 1")),
        ("gid_map", format!("{gid} {outer_gid} 1")),
    ] {
        let path = format!("/proc/self/{file}");
        std::fs::write(&path, text).doing(path)?;
    }
    Ok(())
}

/// From the rights with which the root was built to none: the tenant's user, in a user namespace
/// in which nobody else is.
pub(crate) fn leave(launch: &Launch, owner: Option<(u32, u32)>) -> Done {
    let switches = super::close_process_files()?;
    limit(owner.map(|_| launch.processes))?;
    let (outer_uid, outer_gid) = match owner {
        Some((uid, gid)) => {
            become_user(uid, gid)?;
            (uid, gid)
        }
        None => (0, 0),
    };
    unshare(UnshareFlags::NEWUSER)?;
    map_user(UID, outer_uid, GID, outer_gid)?;
    for kind in NO_MORE {
        forbid(&switches, &format!("user/max_{kind}_namespaces"))?;
    }
    drop(switches);
    give_up()
}

/// Becomes another user of the host, with its group and no other.
fn become_user(uid: u32, gid: u32) -> Done {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::thread::set_thread_groups(&[]).doing("giving up groups")?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).doing("the space's group")?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).doing("the space's user")?;
    // The kernel has just made the process's own files root's; it has to write some of them still.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable).doing("its own files")
}

fn forbid(switches: &OwnedFd, name: &str) -> Done {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::openat(switches, name, flags, Mode::empty()) {
        Ok(file) => std::fs::File::from(file).write_all(b"0").doing(name),
        // A kernel without this kind of namespace.
        Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error).doing(name),
    }
}

/// Limits that hold without control groups. Processes are counted over all of the user's, so they are
/// limited only where the user is the space's own.
pub(crate) fn limit(processes: Option<u64>) -> Done {
    let no_more_than = |resource, most: u64| -> Done {
        let now = rustix::process::getrlimit(resource);
        let most = now.maximum.map_or(most, |maximum| maximum.min(most));
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        rustix::process::setrlimit(resource, limit).doing("limits")
    };
    no_more_than(Resource::Core, 0)?;
    no_more_than(Resource::Nofile, 65_536)?;
    no_more_than(Resource::Memlock, 64 << 20)?;
    no_more_than(Resource::Msgqueue, 1 << 20)?;
    processes.map_or(Ok(()), |most| no_more_than(Resource::Nproc, most))
}

/// Gives up every capability for good, and what set-user-id programs would give.
pub(crate) fn give_up() -> Done {
    let none = CapabilitySet::empty();
    let has = rustix::thread::capabilities(None).doing("capabilities")?;
    if has.effective.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().iter() {
            // Of those that this kernel does not know there is nothing to give up.
            match rustix::thread::remove_capability_from_bounding_set(capability) {
                Ok(()) | Err(rustix::io::Errno::INVAL) => {}
                Err(error) => return Err(error).doing("capabilities"),
            }
        }
    }
    rustix::thread::clear_ambient_capability_set().doing("capabilities")?;
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).doing("capabilities")?;
    rustix::thread::set_no_new_privs(true).doing("no new privileges")?;
    super::syscalls::refuse()
}
