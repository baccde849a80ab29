//! Brings up the loopback device of a fresh network namespace.

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::trouble::{Done, Trouble, While};

/// RTM_NEWLINK with the flag IFF_UP for device 1, which is loopback in every network namespace
/// (rtnetlink(7)): header of length, type, flags, sequence, port; then family, device type, index,
/// flags, which flags change.
fn request() -> Vec<u8> {
    const RTM_NEWLINK: u16 = 16;
    const REQUEST_AND_ACK: u16 = 1 | 4;
    const IFF_UP: u32 = 1;
    let mut message = Vec::with_capacity(32);
    message.extend(32_u32.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(REQUEST_AND_ACK.to_ne_bytes());
    message.extend(1_u32.to_ne_bytes());
    message.extend(0_u32.to_ne_bytes());
    message.extend([0, 0]);
    message.extend(0_u16.to_ne_bytes());
    message.extend(1_i32.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message
}

/// Brings it up.
pub(super) fn up() -> Done {
    let what = "the loopback device";
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )
    .doing(what)?;
    let kernel = SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(&socket, &request(), SendFlags::empty(), &kernel).doing(what)?;
    let mut answer = [0_u8; 256];
    let (_, length) = rustix::net::recv(&socket, &mut answer, RecvFlags::empty()).doing(what)?;
    // An error message: the header, and then the negated number of the error, zero for none.
    let code = answer
        .get(16..20)
        .filter(|_| length >= 20)
        .and_then(|bytes| bytes.try_into().ok())
        .map(i32::from_ne_bytes);
    match code {
        Some(0) => Ok(()),
        Some(code) => {
            Err(Trouble::new(format!("{what}: {}", std::io::Error::from_raw_os_error(-code))))
        }
        None => Err(Trouble::new(format!("{what}: the kernel's answer is too short"))),
    }
}
