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
    /// It is of a range that a VPC of the first block's range cannot have.
    #[error("of a range that this VPC cannot have")]
    Restricted,
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

/// Reads a block that is to be added to a VPC with these blocks, the primary one first: as
/// [`vpc_block`], apart from them, and of a range that goes together with the primary one's.
///
/// # Errors
/// [`BlockError`].
pub fn added_block(text: &str, known: &[Ipv4Net]) -> Result<Ipv4Net, BlockError> {
    let block = vpc_block(text)?;
    if known.iter().any(|other| overlap(&block, other)) {
        return Err(BlockError::Conflict);
    }
    if is_restricted(&block, known) { Err(BlockError::Restricted) } else { Ok(block) }
}

/// The ranges that the rules for added blocks tell apart. A VPC's block, /16 or smaller, is of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    /// 10.0.0.0/8.
    Ten,
    /// 172.16.0.0/12.
    Twelve,
    /// 192.168.0.0/16.
    Sixteen,
    /// 198.19.0.0/16.
    Benchmark,
    /// What is publicly routable, and 100.64.0.0/10.
    Other,
}

impl Range {
    fn of(block: &Ipv4Net) -> Self {
        match block.network().octets() {
            [10, ..] => Self::Ten,
            [172, 16..=31, ..] => Self::Twelve,
            [192, 168, ..] => Self::Sixteen,
            [198, 19, ..] => Self::Benchmark,
            _ => Self::Other,
        }
    }

    /// Whether it is one of RFC 1918.
    fn is_private(self) -> bool {
        matches!(self, Self::Ten | Self::Twelve | Self::Sixteen)
    }
}

/// The table of the guide's section "IPv4 CIDR block association restrictions". Its rows are read by
/// the VPC's primary block: a VPC that began in a private range and has a public block besides may
/// still have more of its private range.
fn is_restricted(block: &Ipv4Net, known: &[Ipv4Net]) -> bool {
    let Some(primary) = known.first().map(Range::of) else { return false };
    let range = Range::of(block);
    if range == Range::Benchmark || range.is_private() {
        if range != primary {
            return true;
        }
        let [_, second, ..] = block.network().octets();
        let first_two = |other: &Ipv4Net| matches!(other.network().octets(), [10, 0 | 1, ..]);
        return match range {
            Range::Ten => second == 0 && known.iter().any(first_two),
            Range::Twelve => second == 31,
            _ => false,
        };
    }
    false
}

/// Reads the block of a new subnet: /16 to /28, inside of one of the VPC's blocks and apart from
/// the subnets that the VPC has.
///
/// # Errors
/// [`BlockError`].
pub fn subnet_block(
    text: &str,
    vpc: impl IntoIterator<Item = Ipv4Net>,
    siblings: impl IntoIterator<Item = Ipv4Net>,
) -> Result<Ipv4Net, BlockError> {
    let block = sized(block(text)?)?;
    if !vpc.into_iter().any(|own| own.contains(&block)) {
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
        assert_eq!(subnet_block("10.0.1.0/24", [vpc], siblings()), Ok(net("10.0.1.0/24")));
        for conflict in ["10.0.0.128/25", "10.0.0.0/16", "10.0.3.0/24"] {
            assert_eq!(
                subnet_block(conflict, [vpc], siblings()),
                Err(BlockError::Conflict),
                "{conflict}"
            );
        }
        assert_eq!(subnet_block("10.1.0.0/24", [vpc], siblings()), Err(BlockError::Range));
        assert_eq!(subnet_block("10.0.1.0/29", [vpc], siblings()), Err(BlockError::Range));
        let both = [vpc, net("100.64.0.0/16")];
        assert_eq!(subnet_block("100.64.1.0/24", both, siblings()), Ok(net("100.64.1.0/24")));
        assert_eq!(subnet_block("100.65.1.0/24", both, siblings()), Err(BlockError::Range));
    }

    #[test]
    fn added_blocks_go_together_with_the_first() {
        let restricted = Err(BlockError::Restricted);
        for (known, allowed, refused) in [
            (
                "10.5.0.0/16",
                &["10.0.0.0/16", "10.6.0.0/28", "100.64.0.0/16", "198.18.0.0/16", "52.0.0.0/16"][..],
                &["172.16.0.0/16", "192.168.0.0/16", "198.19.0.0/16"][..],
            ),
            ("10.1.0.0/24", &["10.1.1.0/24", "10.2.0.0/16"], &["10.0.0.0/16", "10.0.255.0/24"]),
            (
                "172.17.0.0/16",
                &["172.16.0.0/16", "172.30.0.0/16", "100.127.0.0/16"],
                &["172.31.0.0/20", "10.0.0.0/16", "192.168.1.0/24", "198.19.1.0/24"],
            ),
            (
                "192.168.0.0/24",
                &["192.168.1.0/24", "172.32.0.0/16"],
                &["10.0.0.0/16", "172.16.0.0/16", "198.19.0.0/16"],
            ),
            (
                "198.19.0.0/24",
                &["198.19.1.0/24", "100.64.0.0/16"],
                &["10.0.0.0/16", "172.31.0.0/16"],
            ),
            ("100.64.0.0/16", &["100.65.0.0/16", "52.0.0.0/16"], &["10.0.0.0/16", "198.19.0.0/16"]),
            ("52.0.0.0/16", &["100.64.0.0/16", "198.18.0.0/16"], &["192.168.0.0/16"]),
        ] {
            let known = [net(known)];
            for block in allowed {
                assert_eq!(added_block(block, &known), Ok(net(block)), "{known:?} {block}");
            }
            for block in refused {
                assert_eq!(added_block(block, &known), restricted, "{known:?} {block}");
            }
        }
        // The row is that of the primary block; every block counts for 10.0.0.0/15.
        let known = [net("10.5.0.0/16"), net("100.64.0.0/16")];
        assert_eq!(added_block("10.6.0.0/16", &known), Ok(net("10.6.0.0/16")));
        let known = [net("10.5.0.0/16"), net("10.0.0.0/24")];
        assert_eq!(added_block("10.0.1.0/24", &known), restricted);
        assert_eq!(added_block("10.5.1.0/24", &known), Err(BlockError::Conflict));
        assert_eq!(added_block("10.7.0.0/15", &known), Err(BlockError::Range));
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
