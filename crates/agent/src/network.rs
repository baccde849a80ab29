//! Going into a network namespace that the host has made for a space.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use rustix::process::DumpableBehavior;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::trouble::{Done, Trouble, While};

/// The most descriptors beside one byte.
const DESCRIPTORS: usize = 2;

/// The descriptors that the host hands over with the next byte of a socket.
pub(crate) fn receive(socket: impl AsFd, what: &str) -> Done<Vec<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0_u8; 1];
    rustix::net::recvmsg(
        socket.as_fd(),
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )
    .doing(what)?;
    let descriptors = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    Ok(descriptors.flatten().collect())
}

/// Goes into the network namespace that comes over standard output, with every right over it if it is
/// one of a user namespace of the host's own: whoever calls this leaves that for one without.
pub(crate) fn join() -> Done {
    let what = "the network namespace";
    let mut handed = receive(rustix::stdio::stdout(), what)?.into_iter();
    let net = handed.next();
    let net =
        net.ok_or_else(|| Trouble::new(format!("{what}: the host has not handed it over")))?;
    if let Some(user) = handed.next() {
        move_into_link_name_space(user.as_fd(), Some(LinkNameSpaceType::User))
            .doing("the user namespace of the network")?;
    }
    move_into_link_name_space(net.as_fd(), Some(LinkNameSpaceType::Network)).doing(what)?;
    // The kernel has just made the process's own files root's; it has to write some of them still.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable).doing("its own files")
}
