//! A topology made ready for look-ups.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;

use crate::topology::{
    Destination, Endpoint, Interface, Role, Route, RouteTable, Subnet, Target, Topology, Vpc,
};

/// The addresses by which a VPC's resolver is asked, besides the one at the base of its block plus
/// two (Amazon VPC User Guide, "Amazon DNS server").
const RESOLVERS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 253)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253)),
];

/// Values by prefix, of both families.
#[derive(Debug)]
struct Prefixes<T> {
    v4: PrefixMap<Ipv4Net, T>,
    v6: PrefixMap<Ipv6Net, T>,
}

impl<T> Default for Prefixes<T> {
    fn default() -> Self {
        Self { v4: PrefixMap::new(), v6: PrefixMap::new() }
    }
}

impl<T> Prefixes<T> {
    /// The value of the longest prefix that has the address.
    fn longest(&self, address: IpAddr) -> Option<&T> {
        match address {
            IpAddr::V4(address) => self.v4.get_lpm(&Ipv4Net::from(address)).map(|(_, value)| value),
            IpAddr::V6(address) => self.v6.get_lpm(&Ipv6Net::from(address)).map(|(_, value)| value),
        }
    }

    /// Puts a value in unless the prefix has one.
    fn offer(&mut self, block: IpNet, value: T) {
        match block {
            IpNet::V4(block) => {
                self.v4.entry(block.trunc()).or_insert(value);
            }
            IpNet::V6(block) => {
                self.v6.entry(block.trunc()).or_insert(value);
            }
        }
    }
}

/// An interface that has an address.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    pub(crate) interface: String,
    pub(crate) private: IpAddr,
}

/// The topology with its indexes.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) topology: Arc<Topology>,
    /// By route table: which of its routes has a prefix.
    routes: HashMap<String, Prefixes<usize>>,
    /// By VPC: who has a private or IPv6 address.
    private: HashMap<String, HashMap<IpAddr, String>>,
    /// Who is reached by an address from the internet.
    public: HashMap<IpAddr, Holder>,
    /// By prefix list: its blocks.
    lists: HashMap<String, Prefixes<()>>,
    /// By VPC: the blocks that may have a route other than `local` inside of it.
    divertible: HashMap<String, BTreeSet<IpNet>>,
}

impl Tables {
    pub(crate) fn new(topology: Arc<Topology>) -> Self {
        let mut private: HashMap<String, HashMap<IpAddr, String>> = HashMap::new();
        let mut public = HashMap::new();
        for (id, interface) in &topology.interfaces {
            let held = private.entry(interface.vpc.clone()).or_default();
            for address in &interface.addresses {
                held.entry(address.private).or_insert_with(|| id.clone());
                let outside = match address.private {
                    IpAddr::V4(_) => address.public.map(IpAddr::V4),
                    IpAddr::V6(own) => Some(IpAddr::V6(own)),
                };
                if let Some(outside) = outside {
                    let holder = Holder { interface: id.clone(), private: address.private };
                    public.entry(outside).or_insert(holder);
                }
            }
        }
        let lists = topology.prefix_lists.iter().map(|(id, list)| {
            let mut blocks = Prefixes::default();
            list.blocks.iter().for_each(|block| blocks.offer(*block, ()));
            (id.clone(), blocks)
        });
        let mut divertible: HashMap<String, BTreeSet<IpNet>> = HashMap::new();
        for (id, vpc) in &topology.vpcs {
            divertible.entry(id.clone()).or_default().extend(&vpc.blocks);
        }
        for subnet in topology.subnets.values() {
            divertible.entry(subnet.vpc.clone()).or_default().extend(&subnet.blocks);
        }
        let routes = topology
            .route_tables
            .iter()
            .map(|(id, table)| (id.clone(), by_prefix(&topology, table)))
            .collect();
        Self { routes, private, public, lists: lists.collect(), divertible, topology }
    }

    /// The route of the table for an address.
    pub(crate) fn route(&self, table: &str, address: IpAddr) -> Option<&Route> {
        let index = *self.routes.get(table)?.longest(address)?;
        self.topology.route_tables.get(table)?.routes.get(index)
    }

    /// The interface of the VPC that has a private or IPv6 address.
    pub(crate) fn holder(&self, vpc: &str, address: IpAddr) -> Option<&str> {
        self.private.get(vpc)?.get(&address).map(String::as_str)
    }

    /// Who is reached by an address from the internet.
    pub(crate) fn reached_by(&self, address: IpAddr) -> Option<&Holder> {
        self.public.get(&address)
    }

    /// Whether a prefix list has the address.
    pub(crate) fn listed(&self, list: &str, address: IpAddr) -> bool {
        self.lists.get(list).is_some_and(|blocks| blocks.longest(address).is_some())
    }

    /// Whether the route leaves the VPC's own addresses to somebody else in a way that AWS does not
    /// have: only the block of a whole subnet, or all of `local`, can be given to an interface or a
    /// NAT gateway (Amazon VPC User Guide, "Route tables", section "Example routing options").
    pub(crate) fn is_forbidden(&self, vpc: &str, route: &Route, address: IpAddr) -> bool {
        if route.target == Target::Local || !self.is_inside(vpc, address) {
            return false;
        }
        let diverts = matches!(route.target, Target::Interface(_) | Target::NatGateway(_));
        let Destination::Block(block) = &route.destination else { return true };
        let whole = self.divertible.get(vpc).is_some_and(|blocks| blocks.contains(block));
        !(diverts && whole)
    }

    /// Whether the address is in the VPC's blocks.
    pub(crate) fn is_inside(&self, vpc: &str, address: IpAddr) -> bool {
        self.vpc(vpc).is_some_and(|vpc| vpc.blocks.iter().any(|block| block.contains(&address)))
    }

    /// Whether it is an address of the VPC's own resolver.
    pub(crate) fn is_resolver(&self, vpc: &str, address: IpAddr) -> bool {
        RESOLVERS.contains(&address) || self.base_resolver(vpc) == Some(address)
    }

    fn base_resolver(&self, vpc: &str) -> Option<IpAddr> {
        let base = self.vpc(vpc)?.blocks.iter().find_map(|block| match block {
            IpNet::V4(block) => Some(block.network()),
            IpNet::V6(_) => None,
        })?;
        Some(IpAddr::V4(Ipv4Addr::from(u32::from(base).checked_add(2)?)))
    }

    pub(crate) fn vpc(&self, id: &str) -> Option<&Vpc> {
        self.topology.vpcs.get(id)
    }

    pub(crate) fn subnet(&self, id: &str) -> Option<&Subnet> {
        self.topology.subnets.get(id)
    }

    pub(crate) fn interface(&self, id: &str) -> Option<&Interface> {
        self.topology.interfaces.get(id)
    }

    pub(crate) fn endpoint(&self, id: &str) -> Option<&Endpoint> {
        self.topology.endpoints.get(id)
    }

    /// The id as it is stored, to live as long as the topology.
    pub(crate) fn interface_key(&self, id: &str) -> Option<&str> {
        self.topology.interfaces.get_key_value(id).map(|(key, _)| key.as_str())
    }

    /// Whether anybody's security groups apply to the interface: a NAT gateway has none (Amazon VPC
    /// User Guide, "NAT gateway basics").
    pub(crate) fn is_filtered(interface: &Interface) -> bool {
        !matches!(interface.role, Role::NatGateway(_))
    }
}

/// Which route has which prefix: the longest one counts; of two of the same length, a block goes
/// before a prefix list (Amazon VPC User Guide, "Route priority"). Which of two prefix lists with
/// the same block goes first is AWS's secret; here it is the one of the smaller id.
fn by_prefix(topology: &Topology, table: &RouteTable) -> Prefixes<usize> {
    let mut prefixes = Prefixes::default();
    let mut lists = Vec::new();
    for (index, route) in table.routes.iter().enumerate() {
        match &route.destination {
            Destination::Block(block) => prefixes.offer(*block, index),
            Destination::PrefixList(id) => lists.push((id, index)),
        }
    }
    lists.sort();
    for (id, index) in lists {
        for block in topology.prefix_lists.get(id).into_iter().flat_map(|list| &list.blocks) {
            prefixes.offer(*block, index);
        }
    }
    prefixes
}
