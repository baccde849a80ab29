//! Network namespaces without names: they live as long as a descriptor or a process has them.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use super::netlink::{LO, Netlink};

/// The link's index in a namespace that has one link.
pub(crate) const ONLY: u32 = 2;

/// A network namespace, with a netlink socket in it.
pub(crate) struct Space {
    pub(crate) net: OwnedFd,
    pub(crate) netlink: Netlink,
}

/// The namespace of this thread.
pub(crate) fn current() -> io::Result<OwnedFd> {
    Ok(File::open("/proc/thread-self/ns/net")?.into())
}

/// Leaves namespaces.
pub(crate) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    #[expect(
        deprecated,
        reason = "the successor is unsafe for CLONE_FILES alone, which is never asked for here"
    )]
    Ok(rustix::thread::unshare(flags)?)
}

/// Goes into a network namespace.
pub(crate) fn enter(net: BorrowedFd<'_>) -> io::Result<()> {
    Ok(move_into_link_name_space(net, Some(LinkNameSpaceType::Network))?)
}

impl Space {
    /// Makes a namespace; the thread stays in it. Its loopback device is up, and what `settings` say
    /// is set.
    pub(crate) fn make(settings: &[(&str, &str)]) -> io::Result<Self> {
        unshare(UnshareFlags::NEWNET)?;
        let mut space = Self { net: current()?, netlink: Netlink::here()? };
        space.netlink.up(LO)?;
        space.netlink.settle()?;
        // Addresses are given out here, so that nobody else can have one, and nobody advertises routes.
        for (name, value) in [("accept_dad", "0"), ("dad_transmits", "0"), ("accept_ra", "0")] {
            setting(&format!("ipv6/conf/default/{name}"), value)?;
        }
        for (name, value) in settings {
            setting(name, value)?;
        }
        Ok(space)
    }

    /// One that somebody is in already; the thread stays in it. A link that it still has to a router
    /// that is gone goes first: the kernel takes such away in its own time.
    pub(crate) fn adopt(net: OwnedFd) -> io::Result<Self> {
        enter(net.as_fd())?;
        let mut space = Self { net, netlink: Netlink::here()? };
        match space.netlink.remove(ONLY) {
            Err(error) if error.raw_os_error() != Some(Errno::NODEV.raw_os_error()) => Err(error),
            _ => Ok(space),
        }
    }

    /// Does something in it; the thread stays in it.
    pub(crate) fn inside<T>(&self, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        enter(self.net.as_fd())?;
        act()
    }
}

/// A procfs of the keeper's own, mounted nowhere.
///
/// The kernel keeps what was looked up in a procfs, for every network namespace its own, and goes
/// through all of them at the next look: with thousands of namespaces that takes longer than making
/// one. What is kept goes with the procfs, and so it is made anew now and then.
struct Settings {
    /// None where the machine does not let the keeper make one, as in a user namespace: then the
    /// machine's has to do.
    own: Option<OwnedFd>,
    /// How often it may be used yet.
    left: u32,
}

/// How often one procfs is used.
const USES: u32 = 256;

thread_local! {
    static SETTINGS: RefCell<Settings> = const { RefCell::new(Settings { own: None, left: 0 }) };
}

impl Settings {
    fn directory(&mut self) -> String {
        if self.left == 0 {
            (self.own, self.left) = (procfs().ok(), USES);
        }
        self.left -= 1;
        match &self.own {
            Some(own) => format!("/proc/self/fd/{}/sys/net", own.as_raw_fd()),
            None => "/proc/sys/net".to_owned(),
        }
    }
}

fn procfs() -> io::Result<OwnedFd> {
    let context = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    Ok(fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// Sets what `/proc/sys/net` has for the namespace of this thread.
///
/// What a machine without IPv6 does not have needs no setting.
pub(crate) fn setting(name: &str, value: &str) -> io::Result<()> {
    let path = SETTINGS.with_borrow_mut(Settings::directory) + "/" + name;
    match std::fs::write(&path, value) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && name.starts_with("ipv6/") => {
            Ok(())
        }
        Err(error) => Err(io::Error::new(error.kind(), format!("{path}: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Runs nft with a script, in the namespace of this thread.
pub(crate) fn nft(script: &str) -> io::Result<()> {
    use io::Write;
    let mut child = Command::new("nft")
        .args(["-f", "-"])
        .env("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::new(
                error.kind(),
                "there is no nft: install the package nftables (Debian: apt install nftables)",
            ),
            _ => error,
        })?;
    if let Some(mut input) = child.stdin.take() {
        // If it ends early, its status and words tell why.
        let _ = input.write_all(script.as_bytes());
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("nft: {}", said.trim())))
}

/// The address that neighbours send through: each router, gateway endpoint and the internet has one,
/// by its number, and no VPC can have it (240.0.0.0/4 is reserved, RFC 1112).
pub(crate) fn node_v4(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0xf000_0000 | (number & 0x0fff_ffff)))
}

/// The same for IPv6, on each of its links.
pub(crate) fn node_v6(number: u32) -> IpAddr {
    let [high, low] = [(number >> 16) as u16, (number & 0xffff) as u16];
    IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0x5a67, 0, high, low))
}
