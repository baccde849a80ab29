//! The law of following: whatever changes in which order, the state is the one that is compiled from
//! scratch, and what is to be done is the difference between two such states.
#![expect(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, reason = "nothing is asked of the networks here")]
#[path = "../../network/tests/laws/networks.rs"]
mod networks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use networks::{Dice, network};
use proptest::prelude::*;
use sagegate_fabric::compile::compile;
use sagegate_fabric::delta::Delta;
use sagegate_fabric::follow::Follower;
use sagegate_network::sketch;
use sagegate_network::topology::{Interface, Topology};

/// A change, and which of the things that it could be made to.
type Change = (u8, usize, usize);

/// Networks that change.
struct World {
    topology: Topology,
    /// Those of the topology, and those that were taken out of it.
    interfaces: BTreeMap<String, Interface>,
    plugged: BTreeSet<String>,
}

fn nth<T: Clone>(all: impl Iterator<Item = T>, place: usize) -> Option<T> {
    let all: Vec<T> = all.collect();
    all.get(place.checked_rem(all.len())?).cloned()
}

impl World {
    fn new(bytes: &[u8]) -> Self {
        let topology = sketch::topology(&network(&mut Dice(bytes.iter()))).unwrap();
        let interfaces = topology.interfaces.clone();
        let plugged = interfaces.keys().cloned().collect();
        Self { topology, interfaces, plugged }
    }

    /// Makes a change; `None` where there is nothing that it could be made to.
    fn change(&mut self, (what, one, other): Change) -> Option<()> {
        let id = nth(self.interfaces.keys().cloned(), one)?;
        let now = &mut self.topology;
        match what {
            // Interfaces come and go, and who is behind them.
            0..=3 => {
                if now.interfaces.remove(&id).is_none() {
                    now.interfaces.insert(id.clone(), self.interfaces.get(&id)?.clone());
                }
            }
            4..=6 => {
                if !self.plugged.remove(&id) {
                    self.plugged.insert(id);
                }
            }
            7 => self.plugged.clear(),
            8..=10 => {
                let group = nth(now.security_groups.keys().cloned(), other)?;
                let groups = &mut now.interfaces.get_mut(&id)?.groups;
                match groups.iter().position(|it| *it == group) {
                    Some(place) => drop(groups.remove(place)),
                    None => groups.push(group),
                }
            }
            11 => {
                let interface = now.interfaces.get_mut(&id)?;
                interface.source_dest_check = !interface.source_dest_check;
            }
            // Addresses that others have as well are among these.
            12 => {
                let taken = nth(self.interfaces.values().cloned(), other)?;
                let interface = now.interfaces.get_mut(&id)?;
                (interface.vpc, interface.subnet) = (taken.vpc, taken.subnet);
                interface.addresses = taken.addresses;
            }
            13 => {
                let four = [Some("203.0.113.201"), Some("203.0.113.202"), None];
                let address = nth(four.into_iter(), other)?.map(|it| it.parse().unwrap());
                now.interfaces.get_mut(&id)?.addresses.first_mut()?.public = address;
            }
            // Rules come from other groups, or go.
            14..=17 => {
                let from = nth(now.security_groups.values().cloned(), other)?;
                let group = nth(now.security_groups.keys().cloned(), one)?;
                let group = now.security_groups.get_mut(&group)?;
                match what {
                    14 => group.ingress.extend(from.ingress),
                    15 => group.egress.extend(from.egress.into_iter().chain(from.ingress)),
                    16 => drop(group.ingress.pop()),
                    _ => group.egress.clear(),
                }
            }
            18 => drop(now.security_groups.remove(&nth(now.security_groups.keys().cloned(), one)?)),
            // What is compiled anew for.
            19 => {
                let peering = nth(now.peerings.keys().cloned(), one)?;
                let peering = now.peerings.get_mut(&peering)?;
                peering.active = !peering.active;
            }
            20 => {
                let endpoint = nth(now.endpoints.keys().cloned(), one)?;
                let endpoint = now.endpoints.get_mut(&endpoint)?;
                endpoint.available = !endpoint.available;
            }
            21 => {
                let table = nth(now.route_tables.keys().cloned(), one)?;
                drop(now.route_tables.get_mut(&table)?.routes.pop());
            }
            22 => {
                let acl = nth(now.network_acls.keys().cloned(), one)?;
                now.network_acls.get_mut(&acl)?.ingress.pop();
            }
            _ => {
                let vpc = nth(now.vpcs.keys().cloned(), one)?;
                now.vpcs.get_mut(&vpc)?.internet_gateway = None;
            }
        }
        Some(())
    }
}

/// Follows, and tells how many steps were taken by what changed alone.
fn follow(bytes: &[u8], changes: &[Change]) -> Result<u64, TestCaseError> {
    let mut world = World::new(bytes);
    let mut follower = Follower::default();
    follower.step(&Arc::new(world.topology.clone()), &world.plugged);
    for change in changes {
        world.change(*change);
        let before = follower.state().clone();
        let delta = follower.step(&Arc::new(world.topology.clone()), &world.plugged);
        let mut numbers = follower.numbers().clone();
        let anew = compile(&world.topology, &world.plugged, &mut numbers);
        prop_assert_eq!(follower.state(), &anew, "after {:?}", change);
        prop_assert_eq!(delta, Delta::between(&before, &anew), "after {:?}", change);
        prop_assert_eq!(follower.numbers(), &numbers);
    }
    Ok(follower.short_steps())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn following_is_compiling_anew(
        bytes in proptest::collection::vec(any::<u8>(), 400),
        changes in proptest::collection::vec((0..24_u8, 0..64_usize, 0..64_usize), 1..24),
    ) {
        follow(&bytes, &changes)?;
    }
}

#[test]
fn what_comes_and_goes_alone_is_not_compiled_anew() {
    let text = "vpc vpc-a 10.0.0.0/16\n\
                subnet subnet-1 vpc-a 10.0.1.0/24\n\
                subnet subnet-2 vpc-a 10.0.2.0/24\n\
                in sg-a tcp:443 sg-b\n\
                out sg-b all 0.0.0.0/0\n\
                eni eni-1 subnet-1 10.0.1.10 sg=sg-a\n\
                eni eni-2 subnet-2 10.0.2.10 sg=sg-b\n\
                eni eni-3 subnet-2 10.0.2.11 sg=sg-b,sg-a\n";
    let topology = sketch::topology(text).unwrap();
    let interfaces = topology.interfaces.clone();
    let plugged: BTreeSet<String> = interfaces.keys().cloned().collect();
    let mut world = World { topology, interfaces, plugged };
    let mut follower = Follower::default();
    follower.step(&Arc::new(world.topology.clone()), &world.plugged);
    assert_eq!(follower.short_steps(), 0);
    // An interface unplugged and plugged in, gone and back, its groups, and a group's rules.
    let changes = [(4, 2, 0), (4, 2, 0), (0, 1, 0), (0, 1, 0), (8, 0, 1), (15, 0, 0), (16, 0, 0)];
    for (place, change) in (1..).zip(changes) {
        world.change(change).unwrap();
        let delta = follower.step(&Arc::new(world.topology.clone()), &world.plugged);
        assert!(!delta.is_empty(), "{change:?}");
        assert_eq!(follower.short_steps(), place, "{change:?}");
    }
}
