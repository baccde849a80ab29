//! IPv4 blocks of VPCs and subnets, and which of their addresses can be given out.
//!
//! Rules: Amazon VPC User Guide, "VPC CIDR blocks" and "Subnet CIDR blocks".

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// Why a block cannot be that of a VPC or subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The text is no IPv4 block in CIDR notation.
    #[error("not an IPv4 block in CIDR notation")]
    Malformed,
    /// It is smaller than /28, larger than /16, reserved, or not inside of the VPC.
    #[error("outside of the range that is allowed")]
    Range,
    /// It shares addresses with another block.
    #[error("overlaps another block")]
    Conflict,
}

/// How many addresses of a subnet are never given out.
pub const RESERVED_ADDRESSES: u32 = 5;

/// Blocks that no VPC may touch: this network, loopback, link-local, multicast and class E.
const FORBIDDEN: [(Ipv4Addr, u8); 4] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// Reads a block. Bits behind the prefix are cleared, as EC2 does (`100.68.0.18/18` is taken for
/// `100.68.0.0/18`).
///
/// # Errors
/// [`BlockError::Malformed`].
pub fn block(text: &str) -> Result<Ipv4Net, BlockError> {
    text.parse::<Ipv4Net>().map(|net| net.trunc()).map_err(|_| BlockError::Malformed)
}

/// Reads the block of a VPC: /16 to /28.
///
/// # Errors
/// [`BlockError::Malformed`], [`BlockError::Range`].
pub fn vpc_block(text: &str) -> Result<Ipv4Net, BlockError> {
    let block = sized(block(text)?)?;
    let forbidden = FORBIDDEN
        .iter()
        .filter_map(|(address, length)| Ipv4Net::new(*address, *length).ok())
        .any(|other| overlap(&block, &other));
    if forbidden { Err(BlockError::Range) } else { Ok(block) }
}

/// Reads the block of a new subnet: /16 to /28, inside of one of the VPC's blocks and apart from
/// the subnets that the VPC has.
///
/// # Errors
/// [`BlockError`].
pub fn subnet_block(
    text: &str,
    vpc: &Ipv4Net,
    siblings: impl IntoIterator<Item = Ipv4Net>,
) -> Result<Ipv4Net, BlockError> {
    let block = sized(block(text)?)?;
    if !vpc.contains(&block) {
        return Err(BlockError::Range);
    }
    if siblings.into_iter().any(|sibling| overlap(&block, &sibling)) {
        return Err(BlockError::Conflict);
    }
    Ok(block)
}

/// Whether two blocks share an address.
#[must_use]
pub fn overlap(a: &Ipv4Net, b: &Ipv4Net) -> bool {
    a.contains(b) || b.contains(a)
}

/// How many addresses of a subnet can be given out.
#[must_use]
pub fn usable(subnet: &Ipv4Net) -> u32 {
    let bits = 32_u32.saturating_sub(u32::from(subnet.prefix_len()));
    1_u32.checked_shl(bits).unwrap_or(u32::MAX).saturating_sub(RESERVED_ADDRESSES)
}

/// Whether AWS keeps this address of the subnet: the network's, the router's, the resolver's, one
/// for future use, and the broadcast address.
#[must_use]
pub fn is_reserved(subnet: &Ipv4Net, address: Ipv4Addr) -> bool {
    let offset = u32::from(address).wrapping_sub(u32::from(subnet.network()));
    offset < 4 || address == subnet.broadcast()
}

/// Whether the address can be given out in this subnet.
#[must_use]
pub fn is_usable(subnet: &Ipv4Net, address: Ipv4Addr) -> bool {
    subnet.contains(&address) && !is_reserved(subnet, address)
}

fn sized(block: Ipv4Net) -> Result<Ipv4Net, BlockError> {
    if (16..=28).contains(&block.prefix_len()) { Ok(block) } else { Err(BlockError::Range) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn a_vpc_has_16_to_65536_addresses() {
        assert_eq!(vpc_block("10.0.0.0/16"), Ok(net("10.0.0.0/16")));
        assert_eq!(vpc_block("10.0.7.9/28"), Ok(net("10.0.7.0/28")));
        for outside in
            ["10.0.0.0/15", "10.0.0.0/29", "127.0.0.0/16", "169.254.1.0/24", "240.0.0.0/16"]
        {
            assert_eq!(vpc_block(outside), Err(BlockError::Range), "{outside}");
        }
        for malformed in
            ["", "10.0.0.0", "10.0.0/16", "10.0.0.0/33", "::/16", "10.0.0.0/16 ", "é/16"]
        {
            assert_eq!(vpc_block(malformed), Err(BlockError::Malformed), "{malformed}");
        }
    }

    #[test]
    fn a_subnet_lies_in_its_vpc_and_beside_its_siblings() {
        let vpc = net("10.0.0.0/16");
        let siblings = || [net("10.0.0.0/24"), net("10.0.2.0/23")];
        assert_eq!(subnet_block("10.0.1.0/24", &vpc, siblings()), Ok(net("10.0.1.0/24")));
        for conflict in ["10.0.0.128/25", "10.0.0.0/16", "10.0.3.0/24"] {
            assert_eq!(
                subnet_block(conflict, &vpc, siblings()),
                Err(BlockError::Conflict),
                "{conflict}"
            );
        }
        assert_eq!(subnet_block("10.1.0.0/24", &vpc, siblings()), Err(BlockError::Range));
        assert_eq!(subnet_block("10.0.1.0/29", &vpc, siblings()), Err(BlockError::Range));
    }

    #[test]
    fn five_addresses_are_kept() {
        assert_eq!(usable(&net("10.0.0.0/28")), 11);
        assert_eq!(usable(&net("10.0.0.0/24")), 251);
        assert_eq!(usable(&net("10.0.0.0/16")), 65_531);
    }

    proptest! {
        #[test]
        fn usable_counts_what_is_usable(address: u32, length in 20_u8..=28) {
            let subnet = Ipv4Net::new(address.into(), length).unwrap().trunc();
            let from = u32::from(subnet.network());
            let to = u32::from(subnet.broadcast());
            let counted = (from..=to).filter(|a| is_usable(&subnet, (*a).into())).count();
            prop_assert_eq!(counted, usize::try_from(usable(&subnet)).unwrap());
        }

        #[test]
        fn overlap_is_sharing_an_address(a: u8, b: u8, la in 24_u8..=32, lb in 24_u8..=32) {
            let one = Ipv4Net::new(Ipv4Addr::new(10, 0, 0, a), la).unwrap().trunc();
            let other = Ipv4Net::new(Ipv4Addr::new(10, 0, 0, b), lb).unwrap().trunc();
            let shared = (0..=255_u8).map(|x| Ipv4Addr::new(10, 0, 0, x))
                .any(|x| one.contains(&x) && other.contains(&x));
            prop_assert_eq!(overlap(&one, &other), shared);
        }
    }
}
