//! IPv6 blocks of VPCs and subnets, and which of their addresses can be given out.
//!
//! Rules: Amazon VPC User Guide, "VPC CIDR blocks" and "Subnet CIDR blocks".

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use crate::cidr::BlockError;

/// The range that the blocks of VPCs are of: RFC 3849 keeps it for documentation, so that no address
/// of it is somebody's. AWS's own are of 2600:1f00::/24 and others.
const PROVIDED: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0);

/// The length of the blocks that VPCs get.
pub const VPC_LENGTH: u8 = 56;

/// The lengths that a subnet's block may have: in steps of four.
const SUBNET_LENGTHS: std::ops::RangeInclusive<u8> = 44..=64;

/// The block of a VPC that has this number among all; the first byte does not count.
#[must_use]
pub fn provided(number: u32) -> Ipv6Net {
    let place = u128::from(number & 0x00ff_ffff) << (128 - VPC_LENGTH);
    let bits = u128::from(PROVIDED) | place;
    Ipv6Net::new_assert(Ipv6Addr::from(bits), VPC_LENGTH)
}

/// Reads the block of a new subnet: inside of one of the VPC's blocks and apart from those of the
/// subnets that the VPC has.
///
/// # Errors
/// [`BlockError`]; a length that no subnet can have is [`BlockError::Malformed`], as for EC2.
pub fn subnet_block(
    text: &str,
    vpc: impl IntoIterator<Item = Ipv6Net>,
    siblings: impl IntoIterator<Item = Ipv6Net>,
) -> Result<Ipv6Net, BlockError> {
    let block = text.parse::<Ipv6Net>().map_err(|_| BlockError::Malformed)?.trunc();
    let length = block.prefix_len();
    if !SUBNET_LENGTHS.contains(&length) || length % 4 != 0 {
        return Err(BlockError::Malformed);
    }
    if !vpc.into_iter().any(|own| own.contains(&block)) {
        return Err(BlockError::Range);
    }
    if siblings.into_iter().any(|other| other.contains(&block) || block.contains(&other)) {
        return Err(BlockError::Conflict);
    }
    Ok(block)
}

/// Whether AWS keeps this address of the subnet: the first four and the last.
#[must_use]
pub fn is_reserved(subnet: &Ipv6Net, address: Ipv6Addr) -> bool {
    let offset = u128::from(address).wrapping_sub(u128::from(subnet.network()));
    offset < 4 || address == subnet.broadcast()
}

/// A free address of the subnet, beginning at a random one: EC2 gives them out in no order.
#[must_use]
pub fn allot(subnet: &Ipv6Net, taken: &BTreeSet<Ipv6Addr>, random: [u8; 16]) -> Option<Ipv6Addr> {
    let (base, mask) = (u128::from(subnet.network()), u128::from(subnet.hostmask()));
    let start = u128::from_be_bytes(random);
    // So many steps lead past everything that is taken or reserved.
    let most = u128::try_from(taken.len()).unwrap_or(u128::MAX).saturating_add(5);
    (0..=most.min(mask))
        .map(|step| Ipv6Addr::from(base | (start.wrapping_add(step) & mask)))
        .find(|address| !is_reserved(subnet, *address) && !taken.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn net(text: &str) -> Ipv6Net {
        text.parse().unwrap()
    }

    #[test]
    fn blocks_of_vpcs_are_of_the_range_for_documentation() {
        assert_eq!(provided(0), net("2001:db8::/56"));
        assert_eq!(provided(0x12_34_1a), net("2001:db8:1234:1a00::/56"));
        assert_eq!(provided(u32::MAX), net("2001:db8:ffff:ff00::/56"));
    }

    #[test]
    fn a_subnet_lies_in_its_vpc_and_beside_its_siblings() {
        let vpc = [net("2001:db8:0:100::/56")];
        let siblings = || [net("2001:db8:0:101::/64"), net("2001:db8:0:110::/60")];
        let read = |text| subnet_block(text, vpc, siblings());
        assert_eq!(read("2001:db8:0:100::/64"), Ok(net("2001:db8:0:100::/64")));
        assert_eq!(read("2001:db8:0:100::9/64"), Ok(net("2001:db8:0:100::/64")));
        assert_eq!(read("2001:db8:0:1f0::/60"), Ok(net("2001:db8:0:1f0::/60")));
        for conflict in ["2001:db8:0:101::/64", "2001:db8:0:11f::/64", "2001:db8:0:100::/60"] {
            assert_eq!(read(conflict), Err(BlockError::Conflict), "{conflict}");
        }
        for outside in ["2001:db8:0:200::/64", "2001:db8::/52"] {
            assert_eq!(read(outside), Err(BlockError::Range), "{outside}");
        }
        for wrong in ["", "10.0.0.0/24", "2001:db8:0:100::/63", "2001:db8:0:100::/68", "x/64"] {
            assert_eq!(read(wrong), Err(BlockError::Malformed), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn addresses_are_given_once_and_never_reserved_ones(
            starts in proptest::collection::vec((any::<bool>(), any::<u8>()), 1..40),
        ) {
            let subnet = net("2001:db8:0:100::/64");
            let mut taken = BTreeSet::new();
            for (last, start) in starts {
                // Near the two ends, where the reserved ones are.
                let mut random = [if last { 0xff } else { 0 }; 16];
                random[15] = start;
                let next = allot(&subnet, &taken, random).unwrap();
                prop_assert!(subnet.contains(&next) && !is_reserved(&subnet, next));
                prop_assert!(taken.insert(next), "{} twice", next);
            }
        }
    }

    #[test]
    fn a_full_block_has_none() {
        let tiny = net("2001:db8::/126");
        assert_eq!(allot(&tiny, &BTreeSet::new(), [0; 16]), None);
    }
}
