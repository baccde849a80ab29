//! Classes of addresses and ports: all of a class get the same verdict from every rule that was
//! asked for its ends.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net, Ipv4Subnets};

use crate::walk::Ports;

/// A class of addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// One of them, which stands for all.
    pub(super) any: Ipv4Addr,
    last: Ipv4Addr,
}

impl Address {
    /// The class of one address.
    pub(super) fn one(address: Ipv4Addr) -> Self {
        Self { any: address, last: address }
    }

    /// All of them, in CIDR notation.
    pub(super) fn blocks(&self) -> Vec<Ipv4Net> {
        Ipv4Subnets::new(self.any, self.last, 0).collect()
    }
}

/// The addresses of several classes in as few blocks as there can be.
pub(super) fn blocks(classes: &[&Address]) -> Vec<Ipv4Net> {
    let all: Vec<Ipv4Net> = classes.iter().flat_map(|class| class.blocks()).collect();
    Ipv4Net::aggregate(&all)
}

/// Ranges without seams between those that follow each other.
pub(crate) fn joined(mut ranges: Vec<Ports>) -> Vec<Ports> {
    ranges.sort_by_key(|range| range.first);
    let mut joined: Vec<Ports> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(before) if u32::from(before.last) + 1 >= u32::from(range.first) => {
                before.last = before.last.max(range.last);
            }
            _ => joined.push(range),
        }
    }
    joined
}

/// Where classes begin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seams {
    /// Of addresses, as numbers.
    addresses: BTreeSet<u32>,
    /// Of ports.
    ports: BTreeSet<u16>,
}

impl Seams {
    /// A rule is about this block.
    pub(super) fn block(&mut self, block: IpNet) {
        let IpNet::V4(block) = block else { return };
        self.addresses.insert(u32::from(block.network()));
        self.addresses.extend(u32::from(block.broadcast()).checked_add(1));
    }

    /// A rule is about these ports.
    pub(crate) fn ports(&mut self, from: i32, to: i32) {
        self.ports.extend(u16::try_from(from).ok());
        self.ports.extend(to.checked_add(1).and_then(|next| u16::try_from(next).ok()));
    }

    /// The classes of a block's addresses, the parts of `without` left out.
    pub(super) fn addresses(&self, of: Ipv4Net, without: &[Ipv4Net]) -> Vec<Address> {
        let (first, last) = (u32::from(of.network()), u32::from(of.broadcast()));
        let inner = self.addresses.range(first..=last).copied().filter(|at| *at > first);
        let mut from = first;
        let mut classes = Vec::new();
        for next in inner.map(Some).chain([None]) {
            let to = next.map_or(last, |next| next.saturating_sub(1));
            let any = Ipv4Addr::from(from);
            if !without.iter().any(|block| block.contains(&any)) {
                classes.push(Address { any, last: Ipv4Addr::from(to) });
            }
            from = next.unwrap_or(last);
        }
        classes
    }

    /// The classes of a range's ports.
    pub(crate) fn of_ports(&self, range: Ports) -> Vec<Ports> {
        let inner = self.ports.range(range.first..=range.last).copied();
        let inner = inner.filter(|at| *at > range.first);
        let mut first = range.first;
        let mut classes = Vec::new();
        for next in inner.map(Some).chain([None]) {
            let last = next.map_or(range.last, |next| next.saturating_sub(1));
            classes.push(Ports { first, last });
            first = next.unwrap_or(range.last);
        }
        classes
    }
}
