//! What a step has to find without going through everything.

use std::collections::{BTreeMap, BTreeSet};

use sagegate_network::security_group::Peer;
use sagegate_network::topology::{Target, Topology};

use crate::compile::{DIRECTIONS, Numbers, profile_chain, share};
use crate::rules::word;
use crate::state::State;

/// By whom the pieces of a state are used.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// How many plugged interfaces each VPC has.
    pub(super) plugged: BTreeMap<String, usize>,
    /// How many ports of a router are in the subnet with this number.
    pub(super) subnets: BTreeMap<(String, u32), usize>,
    /// The groups behind a router's chains with this number, and how many ports use them.
    pub(super) profiles: BTreeMap<(String, u32), (Vec<String>, usize)>,
    /// How many chains of a router name a group or a prefix list.
    pub(super) named: BTreeMap<(String, Peer), usize>,
    /// The ports that hold a group.
    pub(super) holders: BTreeMap<String, BTreeSet<String>>,
    /// The VPCs that are peered with a VPC, and itself.
    pub(super) near: BTreeMap<String, BTreeSet<String>>,
    /// Interfaces that routes lead through.
    pub(super) through: BTreeSet<String>,
    /// Two ports have put the same into one set: taking one of them away must leave it there, which
    /// short steps do not know of.
    pub(super) entangled: bool,
}

impl Index {
    /// That of a state, and of the networks that it was compiled of.
    pub(super) fn of(
        topology: &Topology,
        plugged: &BTreeSet<String>,
        state: &State,
        numbers: &mut Numbers,
    ) -> Self {
        let mut index = Self::default();
        for interface in plugged.iter().filter_map(|id| topology.interfaces.get(id)) {
            *index.plugged.entry(interface.vpc.clone()).or_default() += 1;
        }
        for vpc in state.routers.keys() {
            index.near.entry(vpc.clone()).or_default().insert(vpc.clone());
        }
        for peering in state.peerings.values() {
            let (one, other) = &peering.vpcs;
            index.near.entry(one.clone()).or_default().insert(other.clone());
            index.near.entry(other.clone()).or_default().insert(one.clone());
        }
        let nats = topology.nat_gateways.values().map(|nat| nat.interface.clone());
        let routes = topology.route_tables.values().flat_map(|table| &table.routes);
        let targets = routes.filter_map(|route| match &route.target {
            Target::Interface(id) => Some(id.clone()),
            _ => None,
        });
        index.through = nats.chain(targets).collect();
        index.ports(topology, state, numbers);
        index.named(topology);
        index.members(state);
        index
    }

    fn ports(&mut self, topology: &Topology, state: &State, numbers: &mut Numbers) {
        let mut put: BTreeMap<(&str, String), usize> = BTreeMap::new();
        let mut public = 0;
        for (id, port) in &state.ports {
            let Some(interface) = topology.interfaces.get(id) else { continue };
            for group in &interface.groups {
                self.holders.entry(group.clone()).or_default().insert(id.clone());
            }
            let Some(subnet) = topology.subnets.get(&interface.subnet) else { continue };
            let share = share(topology, port, interface, subnet, numbers);
            for (set, ..) in share.elements {
                public += usize::from(set == "to_public");
                *put.entry((&port.vpc, set.into_owned())).or_default() += 1;
            }
            if let Some(number) = share.subnet {
                *self.subnets.entry((port.vpc.clone(), number)).or_default() += 1;
            }
            if let Some((profile, groups)) = share.profile {
                let known = self.profiles.entry((port.vpc.clone(), profile));
                known.or_insert_with(|| (groups, 0)).1 += 1;
            }
        }
        let held = |vpc: &str, set: &str| {
            let set = state.routers.get(vpc).and_then(|router| router.filter.sets.get(set));
            set.map_or(0, |set| set.elements.len())
        };
        self.entangled = put.iter().any(|((vpc, set), count)| held(vpc, set) != *count)
            || state.public.keys().filter(|block| block.addr().is_ipv4()).count() != public;
    }

    fn named(&mut self, topology: &Topology) {
        for ((vpc, _), (groups, _)) in &self.profiles {
            for peer in peers(topology, groups) {
                *self.named.entry((vpc.clone(), peer)).or_default() += 1;
            }
        }
    }

    /// Two members of a group with one address are one element.
    fn members(&mut self, state: &State) {
        for (vpc, peer) in self.named.keys() {
            let Peer::Group(group) = peer else { continue };
            let holders = self.holders.get(group).into_iter().flatten();
            let ports = holders.filter_map(|id| state.ports.get(id));
            let near = ports.filter(|port| self.is_near(vpc, &port.vpc));
            let count: usize = near.map(|port| port.addresses.len()).sum();
            let router = state.routers.get(vpc);
            let held = router.into_iter().flat_map(|router| {
                member_sets(group)
                    .map(|set| router.filter.sets.get(&set).map_or(0, |it| it.elements.len()))
            });
            if held.sum::<usize>() != count {
                self.entangled = true;
                return;
            }
        }
    }

    /// Whether members of groups in the VPC `other` are members for rules in `vpc`.
    pub(super) fn is_near(&self, vpc: &str, other: &str) -> bool {
        self.near.get(vpc).is_some_and(|near| near.contains(other))
    }
}

/// The names of the sets that have a group's members, of IPv4 and of IPv6.
pub(super) fn member_sets(group: &str) -> [String; 2] {
    ["m4_", "m6_"].map(|family| format!("{family}{}", word(group)))
}

/// Whom the rules of groups name, of both directions.
pub(super) fn peers(topology: &Topology, groups: &[String]) -> BTreeSet<Peer> {
    let mut named = BTreeSet::new();
    for (egress, _) in DIRECTIONS {
        profile_chain(topology, groups, egress, &mut named);
    }
    named
}
