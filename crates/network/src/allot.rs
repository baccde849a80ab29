//! Which address the next one gets: of a subnet, and of this machine's loopback network.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::cidr::is_reserved;

/// From which end of a subnet an address is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The lowest free address: network interfaces.
    Low,
    /// The highest free address: the client that stands for a subnet's users, which so stays clear
    /// of the addresses that people choose for interfaces.
    High,
}

/// A free address of the subnet, or none where all are taken. Never one that AWS reserves.
#[must_use]
pub fn allot(subnet: &Ipv4Net, taken: &BTreeSet<Ipv4Addr>, end: End) -> Option<Ipv4Addr> {
    let free = |address: &Ipv4Addr| !is_reserved(subnet, *address) && !taken.contains(address);
    let (from, to) = (u32::from(subnet.network()), u32::from(subnet.broadcast()));
    match end {
        End::Low => (from..=to).map(Ipv4Addr::from).find(free),
        End::High => (from..=to).rev().map(Ipv4Addr::from).find(free),
    }
}

/// The loopback network of the modelled VPC: each endpoint has one address of it for each of its
/// subnets.
pub const LOOPBACK: (Ipv4Addr, u8) = (Ipv4Addr::new(127, 65, 0, 0), 16);

/// The loopback network of the public doors of domains and notebook instances: each has one address.
pub const DOORS: (Ipv4Addr, u8) = (Ipv4Addr::new(127, 66, 0, 0), 16);

/// How many addresses a loopback network has to give.
pub const LOOPBACK_ADDRESSES: usize = 0xfffe;

/// The loopback network of apps: each app has one address of it for each way by which it is opened.
pub const APPS: (Ipv4Addr, u8) = (Ipv4Addr::new(127, 67, 0, 0), 16);

/// As [`next_loopback_of`], of [`LOOPBACK`].
#[must_use]
pub fn next_loopback(
    last: Option<Ipv4Addr>,
    taken: impl FnMut(Ipv4Addr) -> bool,
) -> Option<Ipv4Addr> {
    next_loopback_of(LOOPBACK, last, taken)
}

/// The address of a loopback network of sixteen bits after `last` (from the beginning, if none was
/// given out yet) that is not taken, or none where all are. Walking on instead of starting anew keeps an address that a
/// client may still hold, with its cookies, from meaning something else soon.
#[must_use]
pub fn next_loopback_of(
    network: (Ipv4Addr, u8),
    last: Option<Ipv4Addr>,
    mut taken: impl FnMut(Ipv4Addr) -> bool,
) -> Option<Ipv4Addr> {
    // The first and the last address of the network look like a network's and a broadcast address;
    // some tools refuse them.
    const FIRST: u32 = 1;
    const COUNT: u32 = 0xfffe;
    let base = u32::from(network.0);
    let start = last
        .map(|last| u32::from(last).wrapping_sub(base))
        .filter(|offset| (FIRST..=COUNT).contains(offset))
        .map_or(0, |offset| offset % COUNT);
    (0..COUNT)
        .map(|step| Ipv4Addr::from(base.wrapping_add(FIRST + (start + step) % COUNT)))
        .find(|address| !taken(*address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cidr::{is_usable, usable};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn allotment_gives_every_usable_address_once(
            address: u32, length in 24_u8..=28, ends in proptest::collection::vec(any::<bool>(), 260),
        ) {
            let subnet = Ipv4Net::new(address.into(), length).unwrap().trunc();
            let mut taken = BTreeSet::new();
            for low in ends {
                let end = if low { End::Low } else { End::High };
                let Some(next) = allot(&subnet, &taken, end) else { break };
                prop_assert!(is_usable(&subnet, next));
                prop_assert!(taken.insert(next), "{} twice", next);
            }
            prop_assert_eq!(taken.len(), usize::try_from(usable(&subnet)).unwrap());
            prop_assert_eq!(allot(&subnet, &taken, End::Low), None);
        }

        #[test]
        fn what_was_given_back_is_given_again_only_when_free(
            steps in proptest::collection::vec((any::<bool>(), 0_usize..16), 1..200),
        ) {
            let subnet: Ipv4Net = "10.0.0.0/28".parse().unwrap();
            let mut held: Vec<Ipv4Addr> = Vec::new();
            for (take, at) in steps {
                if take {
                    let taken: BTreeSet<_> = held.iter().copied().collect();
                    match allot(&subnet, &taken, End::Low) {
                        Some(address) => {
                            prop_assert!(!held.contains(&address));
                            held.push(address);
                        }
                        None => prop_assert_eq!(held.len(), 11),
                    }
                } else if at < held.len() {
                    held.swap_remove(at);
                }
            }
        }

        #[test]
        fn loopback_addresses_go_round(last in 0_u16..=u16::MAX, holes in proptest::collection::btree_set(1_u16..1000, 0..50)) {
            let base = u32::from(LOOPBACK.0);
            let last = Ipv4Addr::from(base + u32::from(last));
            let taken = |address: Ipv4Addr| {
                u16::try_from(u32::from(address) - base).is_ok_and(|offset| holes.contains(&offset))
            };
            let next = next_loopback(Some(last), taken).unwrap();
            prop_assert!(!taken(next));
            prop_assert_ne!(next, last);
            prop_assert!(Ipv4Net::new(LOOPBACK.0, LOOPBACK.1).unwrap().contains(&next));
            prop_assert!(!next.octets().ends_with(&[0, 0]) && !next.octets().ends_with(&[255, 255]));
        }
    }

    #[test]
    fn loopback_addresses_begin_at_one_and_end_when_all_are_taken() {
        assert_eq!(next_loopback(None, |_| false), Some(Ipv4Addr::new(127, 65, 0, 1)));
        assert_eq!(
            next_loopback(Some(Ipv4Addr::new(127, 65, 255, 254)), |_| false),
            Some(Ipv4Addr::new(127, 65, 0, 1))
        );
        assert_eq!(next_loopback(None, |_| true), None);
    }
}
