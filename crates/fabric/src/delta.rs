//! What is to be done to come from one state to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::nft;
use crate::order::At;
use crate::state::{Gateway, Hop, PeeringLink, Port, Router, State};

/// The steps, in the order of the fields: what goes makes room for what comes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// Public addresses that lead nowhere any more.
    pub public_gone: BTreeSet<IpNet>,
    /// Ports that are unplugged.
    pub ports_gone: BTreeSet<String>,
    /// Gateway endpoints that go.
    pub gateways_gone: BTreeSet<String>,
    /// Links between routers that go.
    pub peerings_gone: BTreeSet<String>,
    /// Routers that go.
    pub routers_gone: BTreeSet<String>,
    /// Routers that come, with their numbers.
    pub routers: BTreeMap<String, u32>,
    /// Links between routers that come.
    pub peerings: BTreeMap<String, PeeringLink>,
    /// Gateway endpoints that come.
    pub gateways: BTreeMap<String, Gateway>,
    /// What changes of routers' filters: nft's scripts. Before ports come, so that nothing passes
    /// that has no rules yet.
    pub scripts: BTreeMap<String, String>,
    /// Ports that are plugged in.
    pub ports: BTreeMap<String, Port>,
    /// What changes of routers' addresses and routes.
    pub ways: BTreeMap<String, Ways>,
    /// Public addresses, and the number of the router that each leads to now.
    pub public: BTreeMap<IpNet, u32>,
}

/// What changes of a router's addresses and routes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ways {
    /// Its own addresses that go.
    pub addresses_gone: BTreeSet<IpAddr>,
    /// Those that come.
    pub addresses: BTreeSet<IpAddr>,
    /// Tables that nobody looks into any more.
    pub tables_gone: BTreeSet<u32>,
    /// New tables.
    pub tables: BTreeSet<u32>,
    /// Routes that go, by their tables.
    pub routes_gone: Vec<(u32, IpNet)>,
    /// Routes that come or change.
    pub routes: Vec<(u32, IpNet, Hop)>,
}

impl Delta {
    /// From `before` to `after`.
    #[must_use]
    pub fn between(before: &State, after: &State) -> Self {
        // A router that was taken down took everything with it that was linked to it, and one that
        // has another number is another router.
        let same_router = |vpc: &str| {
            let number = |state: &State| state.routers.get(vpc).map(|router| router.number);
            number(before).is_some() && number(before) == number(after)
        };
        let mut delta = Self {
            public_gone: lost(&before.public, &after.public),
            ports_gone: lost(&before.ports, &after.ports),
            gateways_gone: lost(&before.gateways, &after.gateways),
            peerings_gone: lost(&before.peerings, &after.peerings),
            ports: new(&before.ports, &after.ports),
            gateways: new(&before.gateways, &after.gateways),
            peerings: new(&before.peerings, &after.peerings),
            public: new(&before.public, &after.public),
            ..Self::default()
        };
        delta.routers_gone =
            before.routers.keys().filter(|vpc| !same_router(vpc)).cloned().collect();
        for (vpc, router) in &after.routers {
            let known = before.routers.get(vpc).filter(|_| same_router(vpc));
            if known.is_none() {
                delta.routers.insert(vpc.clone(), router.number);
            }
            let script = match known {
                Some(known) => nft::difference(&known.filter, &router.filter),
                None => nft::whole(&router.filter),
            };
            if !script.is_empty() {
                delta.scripts.insert(vpc.clone(), script);
            }
            let relinked: BTreeSet<&str> = delta
                .ports
                .values()
                .map(|port| port.link.as_str())
                .chain(delta.gateways.values().map(|gateway| gateway.link.as_str()))
                .chain(delta.peerings.values().map(|peering| peering.link.as_str()))
                .collect();
            let ways = Ways::between(known, router, &relinked);
            if ways != Ways::default() {
                delta.ways.insert(vpc.clone(), ways);
            }
        }
        delta
    }

    /// What takes everything away, after a change to `state` that was made in part: what it was to
    /// take away may be there still.
    pub(crate) fn undone(&self, state: &State) -> Self {
        let mut all = Self::between(state, &State::default());
        all.public_gone.extend(self.public_gone.iter().copied());
        all.ports_gone.extend(self.ports_gone.iter().cloned());
        all.gateways_gone.extend(self.gateways_gone.iter().cloned());
        all.peerings_gone.extend(self.peerings_gone.iter().cloned());
        all.routers_gone.extend(self.routers_gone.iter().cloned());
        all
    }

    /// The namespaces that go, those that are made anew among them.
    pub fn gone(&self) -> impl Iterator<Item = At> {
        let routers = self.routers_gone.iter().map(|id| At::Router(id.clone()));
        let ports = self.ports_gone.iter().map(|id| At::Port(id.clone()));
        let gateways = self.gateways_gone.iter().map(|id| At::Gateway(id.clone()));
        routers.chain(ports).chain(gateways)
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Ways {
    /// Routes over links that are new were lost with the links before them.
    fn between(before: Option<&Router>, after: &Router, relinked: &BTreeSet<&str>) -> Self {
        let (none, no_addresses) = (BTreeMap::new(), BTreeSet::new());
        let tables = before.map_or(&none, |router| &router.tables);
        let addresses = before.map_or(&no_addresses, |router| &router.addresses);
        let mut ways = Self {
            addresses_gone: addresses.difference(&after.addresses).copied().collect(),
            addresses: after.addresses.difference(addresses).copied().collect(),
            tables_gone: tables
                .keys()
                .filter(|it| !after.tables.contains_key(it))
                .copied()
                .collect(),
            tables: after.tables.keys().filter(|it| !tables.contains_key(it)).copied().collect(),
            ..Self::default()
        };
        let empty = BTreeMap::new();
        for (number, old) in tables {
            let new = after.tables.get(number).unwrap_or(&empty);
            let gone = old.keys().filter(|block| !new.contains_key(*block));
            ways.routes_gone.extend(gone.map(|block| (*number, *block)));
        }
        let is_relinked = |hop: &Hop| match hop {
            Hop::Link(link) | Hop::Through { link, .. } => relinked.contains(link.as_str()),
            Hop::Local | Hop::Internet | Hop::Blackhole => false,
        };
        for (number, new) in &after.tables {
            let old = tables.get(number).unwrap_or(&empty);
            let come =
                new.iter().filter(|(block, hop)| old.get(block) != Some(hop) || is_relinked(hop));
            ways.routes.extend(come.map(|(block, hop)| (*number, *block, hop.clone())));
        }
        ways
    }
}

/// The keys of what is not in `after`, or is something else there.
fn lost<K: Ord + Clone, V: PartialEq>(
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
) -> BTreeSet<K> {
    before
        .iter()
        .filter(|(key, old)| after.get(key) != Some(old))
        .map(|(key, _)| key.clone())
        .collect()
}

fn new<K: Ord + Clone, V: PartialEq + Clone>(
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
) -> BTreeMap<K, V> {
    let new = after.iter().filter(|(key, new)| before.get(key) != Some(new));
    new.map(|(key, new)| (key.clone(), new.clone())).collect()
}
