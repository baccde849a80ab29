//! A step by what changed alone: the pieces that it touches, as they were and as they will be.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use sagegate_network::security_group::Peer;
use sagegate_network::topology::{Interface, Subnet, Topology};

use super::Follower;
use super::index::{member_sets, peers};
use crate::compile::{DIRECTIONS, Numbers, Share, fence, port, profile_chain, share};
use crate::delta::Delta;
use crate::rules;
use crate::state::{Filter, Port, Router, Set, State};

/// What a step touches, and what it changes in the index.
#[derive(Debug, Default)]
pub(super) struct Step {
    before: State,
    after: State,
    /// How many plugged interfaces VPCs have then.
    plugged: BTreeMap<String, usize>,
    subnets: BTreeMap<(String, u32), isize>,
    profiles: BTreeMap<(String, u32), (Vec<String>, isize)>,
    named: BTreeMap<(String, Peer), isize>,
    /// Ports that come to hold a group, or hold it no more.
    holders: Vec<(String, String, bool)>,
}

/// A port with what it is made of.
struct Part<'a> {
    id: &'a str,
    port: Port,
    interface: &'a Interface,
    subnet: &'a Subnet,
    share: Share,
}

/// A count that a step changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Comes,
    Goes,
    Stays,
    Never,
}

fn turn(before: usize, change: isize) -> Turn {
    match (before > 0, before.saturating_add_signed(change) > 0) {
        (false, true) => Turn::Comes,
        (true, false) => Turn::Goes,
        (true, true) => Turn::Stays,
        (false, false) => Turn::Never,
    }
}

/// The keys under which two maps do not have the same.
fn differing<'a, V: PartialEq>(
    one: &'a BTreeMap<String, V>,
    other: &'a BTreeMap<String, V>,
) -> BTreeSet<&'a str> {
    let (mut left, mut right) = (one.iter().peekable(), other.iter().peekable());
    let mut found = BTreeSet::new();
    loop {
        let order = match (left.peek(), right.peek()) {
            (Some((a, _)), Some((b, _))) => a.cmp(b),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => return found,
        };
        let a = if order.is_le() { left.next() } else { None };
        let b = if order.is_ge() { right.next() } else { None };
        if a.map(|(_, value)| value) != b.map(|(_, value)| value) {
            found.extend(a.or(b).map(|(key, _)| key.as_str()));
        }
    }
}

/// Whether networks differ in nothing that a short step does not follow.
fn same_frame(one: &Topology, other: &Topology) -> bool {
    one.vpcs == other.vpcs
        && one.subnets == other.subnets
        && one.network_acls == other.network_acls
        && one.route_tables == other.route_tables
        && one.nat_gateways == other.nat_gateways
        && one.peerings == other.peerings
        && one.endpoints == other.endpoints
        && one.prefix_lists == other.prefix_lists
}

/// Without repetitions.
fn groups_of(interface: &Interface) -> BTreeSet<&String> {
    interface.groups.iter().collect()
}

impl Follower {
    /// The step to these networks, if it can be had by what changed alone.
    pub(super) fn short_step(
        &mut self,
        topology: &Arc<Topology>,
        plugged: &BTreeSet<String>,
    ) -> Option<Step> {
        let mut numbers = std::mem::take(&mut self.numbers);
        let step = self.find_step(topology, plugged, &mut numbers);
        self.numbers = numbers;
        step
    }

    fn find_step(
        &self,
        topology: &Arc<Topology>,
        plugged: &BTreeSet<String>,
        numbers: &mut Numbers,
    ) -> Option<Step> {
        let old = &self.topology;
        if self.index.entangled || !(Arc::ptr_eq(old, topology) || same_frame(old, topology)) {
            return None;
        }
        let mut changed = differing(&old.interfaces, &topology.interfaces);
        changed.extend(self.plugged.symmetric_difference(plugged).map(String::as_str));
        if changed.iter().any(|id| self.index.through.contains(*id)) {
            return None;
        }
        let mut step = Step::default();
        self.count_plugged(&mut step, &changed, topology, plugged)?;
        let was = self.parts_before(&changed, old, numbers)?;
        let is = self.parts_after(&changed, topology, plugged, numbers)?;
        for (parts, one) in [(&was, -1), (&is, 1)] {
            for part in parts {
                step.count(part, one);
            }
        }
        self.chains_of_subnets(&mut step, &is, topology);
        self.chains_of_groups(&mut step, old, topology);
        self.sets_of_members(&mut step, &was, &is, topology)?;
        self.elements(&mut step, &was, &is)?;
        for part in was {
            step.before.ports.insert(part.id.to_owned(), part.port);
        }
        for part in is {
            step.after.ports.insert(part.id.to_owned(), part.port);
        }
        Some(step)
    }

    /// Which VPCs are there depends on whether anybody is in them.
    fn count_plugged(
        &self,
        step: &mut Step,
        changed: &BTreeSet<&str>,
        topology: &Topology,
        plugged: &BTreeSet<String>,
    ) -> Option<()> {
        let sides = [(&*self.topology, &self.plugged, -1), (topology, plugged, 1)];
        for (networks, there, one) in sides {
            for id in changed.iter().filter(|id| there.contains(**id)) {
                let Some(interface) = networks.interfaces.get(*id) else { continue };
                let vpc = &interface.vpc;
                let known = || self.index.plugged.get(vpc).copied().unwrap_or_default();
                let count = step.plugged.entry(vpc.clone()).or_insert_with(known);
                *count = count.checked_add_signed(one)?;
            }
        }
        let same = |vpc: &String, count: usize| {
            (count > 0) == (self.index.plugged.get(vpc).copied().unwrap_or_default() > 0)
        };
        step.plugged.iter().all(|(vpc, count)| same(vpc, *count)).then_some(())
    }

    fn parts_before<'a>(
        &self,
        changed: &BTreeSet<&'a str>,
        old: &'a Topology,
        numbers: &mut Numbers,
    ) -> Option<Vec<Part<'a>>> {
        let mut parts = Vec::new();
        for id in changed {
            let Some(port) = self.state.ports.get(*id).cloned() else { continue };
            let interface = old.interfaces.get(*id)?;
            let subnet = old.subnets.get(&interface.subnet)?;
            let share = share(old, &port, interface, subnet, numbers);
            parts.push(Part { id, port, interface, subnet, share });
        }
        Some(parts)
    }

    fn parts_after<'a>(
        &self,
        changed: &BTreeSet<&'a str>,
        topology: &'a Topology,
        plugged: &BTreeSet<String>,
        numbers: &mut Numbers,
    ) -> Option<Vec<Part<'a>>> {
        let mut parts = Vec::new();
        for id in changed {
            let Some(interface) = topology.interfaces.get(*id) else { continue };
            if !self.state.routers.contains_key(&interface.vpc) {
                continue;
            }
            let Some(port) = port(topology, id, interface, plugged, numbers) else {
                continue;
            };
            let subnet = topology.subnets.get(&interface.subnet)?;
            let share = share(topology, &port, interface, subnet, numbers);
            parts.push(Part { id, port, interface, subnet, share });
        }
        Some(parts)
    }

    /// A subnet's ACL is there as long as somebody is in the subnet.
    fn chains_of_subnets(&self, step: &mut Step, is: &[Part<'_>], topology: &Topology) {
        for ((vpc, number), change) in step.subnets.clone() {
            let place = (vpc, number);
            let before = self.index.subnets.get(&place).copied().unwrap_or_default();
            match turn(before, change) {
                Turn::Comes => {
                    let first = is
                        .iter()
                        .find(|part| part.port.vpc == place.0 && part.share.subnet == Some(number));
                    if let Some(part) = first {
                        let filter = self.slice(&mut step.after, &place.0);
                        fence(filter, topology, part.subnet, number);
                    }
                }
                Turn::Goes => {
                    for (_, direction) in DIRECTIONS {
                        self.chain_was(step, &place.0, &format!("acl_{direction}_{number}"));
                    }
                    self.set_goes(step, &place.0, &format!("subnet_{number}"));
                }
                Turn::Stays | Turn::Never => {}
            }
        }
    }

    /// The chains of groups that are used together, and how often whom they name is named.
    fn chains_of_groups(&self, step: &mut Step, old: &Topology, topology: &Topology) {
        let changed = differing(&old.security_groups, &topology.security_groups);
        if !changed.is_empty() {
            for (place, (groups, _)) in &self.index.profiles {
                if groups.iter().any(|group| changed.contains(group.as_str())) {
                    step.profiles.entry(place.clone()).or_insert_with(|| (groups.clone(), 0));
                }
            }
        }
        for ((vpc, profile), (groups, change)) in step.profiles.clone() {
            let known = self.index.profiles.get(&(vpc.clone(), profile));
            let turn = turn(known.map_or(0, |(_, count)| *count), change);
            let touched = groups.iter().any(|group| changed.contains(group.as_str()));
            let (goes, comes) = match turn {
                Turn::Comes => (false, true),
                Turn::Goes => (true, false),
                Turn::Stays => (touched, touched),
                Turn::Never => (false, false),
            };
            for (is, networks, one) in [(goes, old, -1), (comes, topology, 1)] {
                for peer in peers(networks, &groups).into_iter().filter(|_| is) {
                    *step.named.entry((vpc.clone(), peer)).or_default() += one;
                }
            }
            for (egress, direction) in DIRECTIONS {
                let name = format!("group_{direction}_{profile}");
                if goes {
                    self.chain_was(step, &vpc, &name);
                }
                if comes {
                    let chain = profile_chain(topology, &groups, egress, &mut BTreeSet::new());
                    self.slice(&mut step.after, &vpc).chains.insert(name, chain);
                }
            }
        }
    }

    /// The sets of members that come and go as a whole. `None` if two members have one address.
    fn sets_of_members(
        &self,
        step: &mut Step,
        was: &[Part<'_>],
        is: &[Part<'_>],
        topology: &Topology,
    ) -> Option<()> {
        for ((vpc, peer), change) in step.named.clone() {
            let place = (vpc, peer);
            let before = self.index.named.get(&place).copied().unwrap_or_default();
            let (vpc, peer) = &place;
            match turn(before, change) {
                Turn::Comes => {
                    let addresses = match peer {
                        Peer::PrefixList(list) => rules::blocks(topology, list),
                        Peer::Group(group) => self.members(vpc, group, was, is),
                        Peer::V4(_) | Peer::V6(_) => Vec::new(),
                    };
                    let sets = rules::members(peer, &addresses);
                    let held: usize = sets.iter().map(|(_, set)| set.elements.len()).sum();
                    (held == addresses.len()).then_some(())?;
                    self.slice(&mut step.after, vpc).sets.extend(sets);
                }
                Turn::Goes => {
                    for (name, _) in rules::members(peer, &[]) {
                        self.set_goes(step, vpc, &name);
                    }
                }
                Turn::Stays | Turn::Never => {}
            }
        }
        Some(())
    }

    /// The addresses of who holds a group after the step.
    fn members(&self, vpc: &str, group: &str, was: &[Part<'_>], is: &[Part<'_>]) -> Vec<IpNet> {
        let stayed = self.index.holders.get(group).into_iter().flatten();
        let stayed = stayed.filter(|id| was.iter().all(|part| part.id != id.as_str()));
        let stayed = stayed.filter_map(|id| self.state.ports.get(id));
        let new = is.iter().filter(|part| part.interface.groups.iter().any(|it| it == group));
        let ports = stayed.chain(new.map(|part| &part.port));
        let near = ports.filter(|port| self.index.is_near(vpc, &port.vpc));
        near.flat_map(|port| &port.addresses).map(|(address, _)| IpNet::from(*address)).collect()
    }

    /// What ports have in sets, and their public addresses. `None` if two have the same there.
    fn elements(&self, step: &mut Step, was: &[Part<'_>], is: &[Part<'_>]) -> Option<()> {
        for part in was {
            let vpc = &part.port.vpc;
            for (set, key, value) in &part.share.elements {
                self.element_goes(step, vpc, set, key, value)?;
            }
            for (vpc, set, address) in self.memberships(step, part) {
                self.element_goes(step, &vpc, &set, &address.to_string(), "")?;
            }
            for block in public(&part.share) {
                let number = self.state.public.get(&block).copied()?;
                step.before.public.insert(block, number);
            }
        }
        for part in is {
            let vpc = &part.port.vpc;
            for (set, key, value) in &part.share.elements {
                self.element_comes(step, vpc, set, key, value)?;
            }
            for (vpc, set, address) in self.memberships(step, part) {
                self.element_comes(step, &vpc, &set, &address.to_string(), "")?;
            }
            for block in public(&part.share) {
                let held = self.state.public.contains_key(&block)
                    && !step.before.public.contains_key(&block);
                let number = self.state.routers.get(vpc)?.number;
                let known = step.after.public.insert(block, number).is_some();
                (!held && !known).then_some(())?;
            }
        }
        Some(())
    }

    /// The sets of members that are there before and after the step, and have this port's addresses.
    fn memberships(&self, step: &Step, part: &Part<'_>) -> Vec<(String, String, IpAddr)> {
        let mut found = Vec::new();
        for vpc in self.index.near.get(&part.port.vpc).into_iter().flatten() {
            for group in groups_of(part.interface) {
                let place = (vpc.clone(), Peer::Group(group.clone()));
                let before = self.index.named.get(&place).copied().unwrap_or_default();
                let change = step.named.get(&place).copied().unwrap_or_default();
                if turn(before, change) != Turn::Stays {
                    continue;
                }
                let [four, six] = member_sets(group);
                for (address, _) in &part.port.addresses {
                    let set = if address.is_ipv4() { &four } else { &six };
                    found.push((vpc.clone(), set.clone(), *address));
                }
            }
        }
        found
    }

    fn element_goes(
        &self,
        step: &mut Step,
        vpc: &str,
        set: &str,
        key: &str,
        value: &str,
    ) -> Option<()> {
        let known = self.state.routers.get(vpc)?.filter.sets.get(set)?;
        (known.elements.get(key).map(String::as_str) == Some(value)).then_some(())?;
        let goes_whole = step.is_without(vpc, set);
        let before = slice_of(self.slice(&mut step.before, vpc), set, known);
        before.elements.insert(key.to_owned(), value.to_owned());
        if !goes_whole {
            slice_of(self.slice(&mut step.after, vpc), set, known);
        }
        Some(())
    }

    fn element_comes(
        &self,
        step: &mut Step,
        vpc: &str,
        set: &str,
        key: &str,
        value: &str,
    ) -> Option<()> {
        let known = self.state.routers.get(vpc)?.filter.sets.get(set);
        if let Some(known) = known {
            let before = slice_of(self.slice(&mut step.before, vpc), set, known);
            let leaves = before.elements.contains_key(key);
            (leaves || !known.elements.contains_key(key)).then_some(())?;
        }
        let after = self.slice(&mut step.after, vpc);
        if let Some(known) = known {
            slice_of(after, set, known);
        }
        let after = after.sets.get_mut(set)?;
        after.elements.insert(key.to_owned(), value.to_owned()).is_none().then_some(())
    }

    /// The part of a router's filter that a step touches.
    fn slice<'a>(&self, side: &'a mut State, vpc: &str) -> &'a mut Filter {
        let number = self.state.routers.get(vpc).map_or(0, |router| router.number);
        let router = side.routers.entry(vpc.to_owned()).or_insert_with(|| Router {
            number,
            addresses: BTreeSet::new(),
            tables: BTreeMap::new(),
            filter: Filter::default(),
        });
        &mut router.filter
    }

    fn chain_was(&self, step: &mut Step, vpc: &str, name: &str) {
        let known = self.state.routers.get(vpc).and_then(|it| it.filter.chains.get(name));
        if let Some(chain) = known.cloned() {
            self.slice(&mut step.before, vpc).chains.insert(name.to_owned(), chain);
        }
    }

    fn set_goes(&self, step: &mut Step, vpc: &str, name: &str) {
        let known = self.state.routers.get(vpc).and_then(|it| it.filter.sets.get(name));
        if let Some(known) = known {
            slice_of(self.slice(&mut step.before, vpc), name, known);
        }
    }

    /// Takes a step, and tells what is to be done for it.
    pub(super) fn take(&mut self, step: Step) -> Delta {
        let Step { mut before, mut after, plugged, subnets, profiles, named, holders } = step;
        // Both sides have all routers that the step touches.
        for vpc in after.routers.keys().chain(before.routers.keys()).cloned().collect::<Vec<_>>() {
            self.slice(&mut before, &vpc);
            self.slice(&mut after, &vpc);
        }
        let delta = Delta::between(&before, &after);
        self.state.ports.retain_without(&before.ports);
        self.state.public.retain_without(&before.public);
        for (vpc, slice) in before.routers {
            let Some(router) = self.state.routers.get_mut(&vpc) else { continue };
            let stays = |set: &String| {
                after.routers.get(&vpc).is_some_and(|it| it.filter.sets.contains_key(set))
            };
            router.filter.chains.retain_without(&slice.filter.chains);
            for (name, set) in slice.filter.sets {
                if !stays(&name) {
                    router.filter.sets.remove(&name);
                } else if let Some(known) = router.filter.sets.get_mut(&name) {
                    known.elements.retain_without(&set.elements);
                }
            }
        }
        self.state.ports.extend(after.ports);
        self.state.public.extend(after.public);
        for (vpc, slice) in after.routers {
            let Some(router) = self.state.routers.get_mut(&vpc) else { continue };
            router.filter.chains.extend(slice.filter.chains);
            for (name, set) in slice.filter.sets {
                let empty = || Set { elements: BTreeMap::new(), ..set.clone() };
                let known = router.filter.sets.entry(name).or_insert_with(empty);
                known.elements.extend(set.elements);
            }
        }
        self.index.plugged.extend(plugged);
        shift(&mut self.index.subnets, subnets);
        shift(&mut self.index.named, named);
        for (place, (groups, change)) in profiles {
            let known = self.index.profiles.entry(place.clone()).or_insert((groups, 0));
            known.1 = known.1.saturating_add_signed(change);
            if known.1 == 0 {
                self.index.profiles.remove(&place);
            }
        }
        for (group, id, holds) in holders {
            let ports = self.index.holders.entry(group).or_default();
            if holds {
                ports.insert(id);
            } else {
                ports.remove(&id);
            }
        }
        delta
    }
}

impl Step {
    fn count(&mut self, part: &Part<'_>, one: isize) {
        let vpc = &part.port.vpc;
        if let Some(number) = part.share.subnet {
            *self.subnets.entry((vpc.clone(), number)).or_default() += one;
        }
        if let Some((profile, groups)) = &part.share.profile {
            let known = self.profiles.entry((vpc.clone(), *profile));
            known.or_insert_with(|| (groups.clone(), 0)).1 += one;
        }
        for group in groups_of(part.interface) {
            self.holders.push((group.clone(), part.id.to_owned(), one > 0));
        }
    }

    /// Whether the step takes a set away as a whole.
    fn is_without(&self, vpc: &str, set: &str) -> bool {
        let has = |side: &State| {
            side.routers.get(vpc).is_some_and(|router| router.filter.sets.contains_key(set))
        };
        has(&self.before) && !has(&self.after)
    }
}

/// A set of a slice: as it is, without elements.
fn slice_of<'a>(filter: &'a mut Filter, name: &str, known: &Set) -> &'a mut Set {
    let empty =
        || Set { definition: known.definition.clone(), map: known.map, elements: BTreeMap::new() };
    filter.sets.entry(name.to_owned()).or_insert_with(empty)
}

/// The public addresses that a port has.
fn public(share: &Share) -> impl Iterator<Item = IpNet> {
    let elements = share.elements.iter().filter(|(set, ..)| set == "to_public");
    elements.filter_map(|(_, _, public)| {
        Some(IpNet::V4(Ipv4Net::from(public.parse::<std::net::Ipv4Addr>().ok()?)))
    })
}

fn shift<K: Ord + Clone>(counts: &mut BTreeMap<K, usize>, changes: BTreeMap<K, isize>) {
    for (key, change) in changes {
        let count = counts.get(&key).copied().unwrap_or_default().saturating_add_signed(change);
        if count == 0 {
            counts.remove(&key);
        } else {
            counts.insert(key, count);
        }
    }
}

/// Takes the keys of one map out of another.
trait Without {
    fn retain_without(&mut self, gone: &Self);
}

impl<K: Ord, V> Without for BTreeMap<K, V> {
    fn retain_without(&mut self, gone: &Self) {
        for key in gone.keys() {
            self.remove(key);
        }
    }
}
