//! A walk on the picture: which box has which number, where it ends, and the way between them.

use std::collections::{BTreeMap, BTreeSet};

use sagegate_network::reach::{Layer, Reach};
use sagegate_network::topology::{Destination, Topology};
use sagegate_network::walk::{Component, Direction, Hop, Matched, Receiver, Walk};

/// Something in the picture that a hop can be at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Internet,
    Resolver,
    /// A network interface, by its id.
    Interface(String),
    /// The route table's line of a subnet.
    SubnetTable(String),
    /// The network ACL's line of a subnet.
    SubnetAcl(String),
    /// An internet gateway, an egress-only one, a peering connection or an endpoint.
    Gateway(String),
    Group(String),
    Rule(String),
    Acl(String),
    Entry(String, u16, bool),
    Table(String),
    Route(String, String),
}

/// A walk to be drawn.
#[derive(Clone, Copy, Debug)]
pub struct Trip<'a> {
    /// From where, as it was asked.
    pub from: &'a str,
    /// Where to, as it was asked.
    pub to: &'a str,
    /// What was found.
    pub reach: &'a Reach,
}

/// What the walk puts on the picture.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    /// The numbers of the hops at each place.
    numbers: BTreeMap<Key, Vec<usize>>,
    /// Where it ends.
    failed: BTreeSet<Key>,
    /// The places in their order.
    pub(crate) way: Vec<Key>,
    /// Each hop in words.
    pub(crate) forward: Vec<String>,
    /// The way of the answer, likewise.
    pub(crate) back: Vec<String>,
}

/// The name of a route's destination, in its key.
pub(crate) fn destination(destination: &Destination) -> String {
    match destination {
        Destination::Block(block) => block.to_string(),
        Destination::PrefixList(id) => id.clone(),
    }
}

impl Marks {
    pub(crate) fn of(trip: Option<Trip<'_>>, topology: &Topology) -> Self {
        let mut marks = Self::default();
        let Some(trip) = trip else { return marks };
        // Of several addresses the one that is not reached tells more.
        let tries = &trip.reach.tries;
        let tried = tries.iter().find(|it| !it.reached()).or_else(|| tries.first());
        let Some(tried) = tried else {
            marks.failed.insert(Key::Resolver);
            return marks;
        };
        let walk = &tried.walk;
        for (at, hop) in walk.forward.iter().enumerate() {
            let place = place(topology, &walk.forward, at);
            for key in place.iter().cloned().chain(tables(hop)) {
                let numbers = marks.numbers.entry(key).or_default();
                if numbers.last() != Some(&(at + 1)) {
                    numbers.push(at + 1);
                }
            }
            marks.way.extend(place);
            marks.forward.push(words(hop));
        }
        marks.way.dedup();
        marks.back = walk.back.iter().map(words).collect();
        marks.fail(walk, topology);
        let later = tried.steps.iter().find(|step| !step.passed && step.layer != Layer::Path);
        if later.is_some() {
            marks.failed.extend(receiver(walk));
        }
        marks
    }

    fn fail(&mut self, walk: &Walk, topology: &Topology) {
        let Some(explanation) = &walk.explanation else { return };
        let hops = match explanation.direction {
            Direction::Forward => &walk.forward,
            Direction::Return => &walk.back,
        };
        let subnet = explanation.related.iter().find_map(|it| match it {
            Component::Subnet(id) => Some(id.clone()),
            _ => None,
        });
        let subnet = subnet.or_else(|| hops.iter().rev().find_map(|hop| hop.subnet.clone()));
        let key = match &explanation.component {
            Component::Subnet(id) => Some(Key::SubnetTable(id.clone())),
            // Nobody there has the address.
            Component::Vpc(_) => subnet.map(Key::SubnetTable),
            component => seat(topology, component, subnet.as_ref()),
        };
        if explanation.direction == Direction::Forward {
            self.way.extend(key.clone());
            self.way.dedup();
        }
        for related in explanation.related.iter().chain([&explanation.component]) {
            match related {
                Component::SecurityGroup(id) => self.failed.insert(Key::Group(id.clone())),
                Component::NetworkAcl(id) => self.failed.insert(Key::Acl(id.clone())),
                Component::RouteTable(id) => self.failed.insert(Key::Table(id.clone())),
                _ => continue,
            };
        }
        self.failed.extend(key);
    }

    /// What the badge of a place says; nothing where the walk does not come by.
    pub(crate) fn badge(&self, key: &Key) -> Option<String> {
        let numbers = self.numbers.get(key).map(Vec::as_slice).unwrap_or_default();
        let mut parts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        if self.failed.contains(key) {
            parts.push("✕".to_owned());
        }
        (!parts.is_empty()).then(|| parts.join(" "))
    }

    pub(crate) fn is_failed(&self, key: &Key) -> bool {
        self.failed.contains(key)
    }

    /// When the walk comes by; last of all where it does not.
    pub(crate) fn order(&self, key: &Key) -> usize {
        let at = self.way.iter().position(|own| own == key);
        at.unwrap_or(if self.has(key) { self.way.len() } else { usize::MAX })
    }

    /// Whether the walk comes by.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.numbers.contains_key(key) || self.failed.contains(key)
    }
}

/// The place of a hop. A security group judges at the interface that the packet leaves or enters.
fn place(topology: &Topology, hops: &[Hop], at: usize) -> Option<Key> {
    let hop = hops.get(at)?;
    let interface = |hop: &Hop| match &hop.component {
        Component::NetworkInterface(id) => Some(Key::Interface(id.clone())),
        _ => None,
    };
    let before = at.checked_sub(1).and_then(|at| hops.get(at));
    match (&hop.component, &hop.matched) {
        // An interface endpoint answers where its interface is.
        (Component::VpcEndpoint(_), _) if before.and_then(interface).is_some() => {
            before.and_then(interface)
        }
        (Component::SecurityGroup(_), Some(Matched::GroupRule { egress, .. })) => {
            if *egress {
                hops.get(..at)?.iter().rev().find_map(interface)
            } else {
                hops.get(at..)?.iter().find_map(interface)
            }
        }
        (component, _) => seat(topology, component, hop.subnet.as_ref()),
    }
}

fn seat(topology: &Topology, component: &Component, subnet: Option<&String>) -> Option<Key> {
    Some(match component {
        Component::NetworkInterface(id) => Key::Interface(id.clone()),
        Component::NetworkAcl(_) => Key::SubnetAcl(subnet?.clone()),
        Component::RouteTable(_) => Key::SubnetTable(subnet?.clone()),
        Component::InternetGateway(id)
        | Component::EgressOnlyInternetGateway(id)
        | Component::VpcPeeringConnection(id)
        | Component::VpcEndpoint(id) => Key::Gateway(id.clone()),
        Component::NatGateway(id) => {
            Key::Interface(topology.nat_gateways.get(id)?.interface.clone())
        }
        Component::Resolver(_) => Key::Resolver,
        Component::Internet(_) => Key::Internet,
        Component::SecurityGroup(_) | Component::Subnet(_) | Component::Vpc(_) => return None,
    })
}

/// The lines of tables that decided at a hop.
fn tables(hop: &Hop) -> Vec<Key> {
    match (&hop.component, &hop.matched) {
        (_, Some(Matched::GroupRule { id, .. })) => vec![Key::Rule(id.clone())],
        (Component::NetworkAcl(acl), Some(Matched::AclEntry { number, egress })) => {
            vec![Key::Entry(acl.clone(), *number, *egress)]
        }
        (Component::RouteTable(id), Some(Matched::Route(route))) => {
            vec![Key::Route(id.clone(), destination(&route.destination))]
        }
        (Component::VpcEndpoint(id), _) => vec![Key::Gateway(id.clone())],
        _ => Vec::new(),
    }
}

fn receiver(walk: &Walk) -> Option<Key> {
    Some(match walk.receiver.as_ref()? {
        Receiver::NetworkInterface { id } => Key::Interface(id.clone()),
        Receiver::InterfaceEndpoint { id, .. } | Receiver::GatewayEndpoint { id } => {
            Key::Gateway(id.clone())
        }
        Receiver::Resolver { .. } => Key::Resolver,
        Receiver::Internet { .. } => Key::Internet,
    })
}

/// `sg-…  outbound rule sgr-…`.
fn words(hop: &Hop) -> String {
    let component = hop.component.to_string();
    let bound = |egress: &bool| if *egress { "outbound" } else { "inbound" };
    let mut text = match &hop.matched {
        None => component,
        Some(Matched::GroupRule { id, egress }) => {
            format!("{component}  {} rule {id}", bound(egress))
        }
        Some(Matched::Tracked) => format!("{component}  answer of a connection let through"),
        Some(Matched::AclEntry { number, egress }) => {
            format!("{component}  {} entry {number}", bound(egress))
        }
        Some(Matched::Route(route)) => {
            format!("{component}  route {}", destination(&route.destination))
        }
    };
    if let Some(outbound) = &hop.outbound {
        text.push_str(&format!("  becomes {} to {}", outbound.source, outbound.destination));
    }
    text
}
