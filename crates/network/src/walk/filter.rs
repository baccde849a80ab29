//! Security groups and network ACLs, judged for one packet.

use std::net::IpAddr;

use super::header::{Payload, Ports};
use super::tables::Tables;
use crate::security_group::{Peer, Protocol, covers};
use crate::topology::{AclEntry, GroupRule, Interface};

/// The number of the entry `*` of a network ACL.
pub(crate) const LAST_ENTRY: u16 = 32_767;

/// The other side of a packet, as security groups see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Other<'a> {
    pub(crate) address: IpAddr,
    /// Whose private address that is, if it still shows.
    pub(crate) interface: Option<&'a Interface>,
}

/// What the security groups of an interface say.
#[derive(Debug)]
pub(crate) enum Groups<'a> {
    /// This rule allows it.
    Allowed { group: &'a str, rule: &'a GroupRule },
    /// None does.
    Refused {
        /// Whether there is any rule in this direction.
        any_rule: bool,
        /// Rules that name a group and would allow it if it came from or went to one of its
        /// members.
        by_reference: Vec<(&'a str, &'a str)>,
    },
}

/// Judges a packet by all rules of all groups of an interface.
pub(crate) fn groups<'a>(
    tables: &'a Tables,
    interface: &'a Interface,
    egress: bool,
    payload: Payload,
    other: Other<'_>,
) -> Groups<'a> {
    let (first, last) = payload.ends();
    let mut any_rule = false;
    let mut by_reference = Vec::new();
    for id in &interface.groups {
        let Some((id, group)) = tables.topology.security_groups.get_key_value(id) else { continue };
        let rules = if egress { &group.egress } else { &group.ingress };
        any_rule |= !rules.is_empty();
        for held in rules {
            let rule = &held.rule;
            if !rule.covers(first) || (first != last && !rule.covers(last)) {
                continue;
            }
            let with = match (&rule.peer, other.address) {
                (Peer::V4(net), IpAddr::V4(address)) => net.contains(&address),
                (Peer::V6(net), IpAddr::V6(address)) => net.contains(&address),
                (Peer::V4(_) | Peer::V6(_), _) => false,
                (Peer::PrefixList(list), address) => tables.listed(list, address),
                (Peer::Group(named), _) => {
                    let member = other.interface.is_some_and(|it| it.groups.contains(named));
                    if !member {
                        by_reference.push((held.id.as_str(), named.as_str()));
                    }
                    member
                }
            };
            if with {
                return Groups::Allowed { group: id, rule: held };
            }
        }
    }
    Groups::Refused { any_rule, by_reference }
}

/// What a network ACL says: by which entry it allows or denies. Entries are read in the order of
/// their numbers, and the first that is about the packet decides. Of a range of ports, every one
/// must get through.
pub(crate) fn acl(entries: &[AclEntry], payload: Payload, other: IpAddr) -> (bool, u16) {
    let about = |entry: &&AclEntry| entry.block.contains(&other);
    let Payload::Ports { protocol, destination, .. } = payload else {
        let (packet, _) = payload.ends();
        return entries
            .iter()
            .filter(about)
            .find(|entry| covers(entry.protocol, entry.from, entry.to, packet))
            .map_or((false, LAST_ENTRY), |entry| (entry.allow, entry.number));
    };
    let mut open = vec![destination];
    for entry in entries.iter().filter(about) {
        let (from, to) = match entry.protocol {
            Protocol::All => (0, i32::from(u16::MAX)),
            Protocol::Number(number) if number == protocol => (entry.from, entry.to),
            Protocol::Number(_) => continue,
        };
        let before = size(&open);
        open = open.iter().flat_map(|it| without(*it, from, to)).collect();
        if size(&open) < before && (!entry.allow || open.is_empty()) {
            return (entry.allow, entry.number);
        }
    }
    (false, LAST_ENTRY)
}

fn size(ranges: &[Ports]) -> u32 {
    ranges.iter().map(|it| u32::from(it.last.saturating_sub(it.first)) + 1).sum()
}

/// What of a range is outside of `from` to `to`.
fn without(range: Ports, from: i32, to: i32) -> impl Iterator<Item = Ports> {
    let (first, last) = (i32::from(range.first), i32::from(range.last));
    let piece = |first: i32, last: i32| {
        let (first, last) = (u16::try_from(first).ok()?, u16::try_from(last).ok()?);
        (first <= last).then_some(Ports { first, last })
    };
    let apart = from > to || last < from || to < first;
    let pieces = if apart {
        [Some(range), None]
    } else {
        [
            (first < from).then(|| piece(first, from - 1)).flatten(),
            (to < last).then(|| piece(to + 1, last)).flatten(),
        ]
    };
    pieces.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security_group::{Packet, TCP};
    use proptest::prelude::*;

    fn payload(first: u16, last: u16) -> Payload {
        Payload::Ports {
            protocol: TCP,
            source: Ports::one(40_000),
            destination: Ports { first, last },
        }
    }

    fn entry() -> impl Strategy<Value = AclEntry> {
        let protocol = prop_oneof![
            Just(Protocol::All),
            Just(Protocol::Number(TCP)),
            Just(Protocol::Number(17))
        ];
        let block = prop_oneof![Just("0.0.0.0/0"), Just("10.0.0.0/8"), Just("192.0.2.0/24")];
        (protocol, 0_i32..40, 0_i32..20, block, any::<bool>(), 1_u16..100).prop_map(
            |(protocol, from, more, block, allow, number)| AclEntry {
                number,
                protocol,
                from,
                to: from + more,
                block: block.parse().unwrap(),
                allow,
            },
        )
    }

    /// One port, entry by entry.
    fn one(entries: &[AclEntry], port: u16, other: IpAddr) -> bool {
        let packet = Packet::Port { protocol: TCP, port };
        for entry in entries {
            if entry.block.contains(&other) && covers(entry.protocol, entry.from, entry.to, packet)
            {
                return entry.allow;
            }
        }
        false
    }

    proptest! {
        #[test]
        fn a_range_passes_if_every_port_does(
            mut entries in proptest::collection::vec(entry(), 0..8), first in 0_u16..50, more in 0_u16..20,
        ) {
            entries.sort_by_key(|entry| entry.number);
            for other in ["10.1.2.3", "192.0.2.9"] {
                let other: IpAddr = other.parse().unwrap();
                let last = first + more;
                let each = (first..=last).all(|port| one(&entries, port, other));
                prop_assert_eq!(acl(&entries, payload(first, last), other).0, each);
                let (allowed, number) = acl(&entries, payload(first, first), other);
                prop_assert_eq!(allowed, one(&entries, first, other));
                if number == LAST_ENTRY {
                    prop_assert!(!allowed);
                }
            }
        }
    }
}
