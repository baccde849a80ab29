//! The cards of subnets, by zones.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use sagegate_network::topology::{Interface, Role, Subnet};

use crate::card::{Block, Card, Line};
use crate::exposure::is_public;
use crate::marks::Key;
use crate::scene::{Look, Tone};
use crate::sheet::{Sheet, count, more, service};
use crate::text::Face;

/// How many zones, subnets of a zone, and interfaces are drawn; the rest is counted.
const ZONES: usize = 6;
const SUBNETS: usize = 9;
const INTERFACES: usize = 180;
const INTERFACES_OF_ONE: (usize, usize) = (2, 8);

/// A zone with the cards of its subnets.
pub(crate) struct Zone {
    pub(crate) name: String,
    pub(crate) cards: Vec<Card>,
}

/// The zones of the VPC; and what is not drawn, in words.
pub(crate) fn zones(sheet: &Sheet<'_>) -> (Vec<Zone>, Option<String>) {
    let mut by_zone: BTreeMap<&str, Vec<(&String, &Subnet)>> = BTreeMap::new();
    let own = sheet.topology.subnets.iter().filter(|(_, it)| it.vpc == sheet.vpc);
    for (id, subnet) in own {
        by_zone.entry(&subnet.zone).or_default().push((id, subnet));
    }
    let drawn: usize = by_zone.values().take(ZONES).map(|own| own.len().min(SUBNETS)).sum();
    let (least, most) = INTERFACES_OF_ONE;
    let each = (INTERFACES / drawn.max(1)).clamp(least, most);
    let mut held: BTreeMap<&str, Vec<(&String, &Interface)>> = BTreeMap::new();
    for (id, interface) in &sheet.topology.interfaces {
        held.entry(&interface.subnet).or_default().push((id, interface));
    }
    let total = by_zone.len();
    let left: usize = by_zone.values().skip(ZONES).map(Vec::len).sum();
    let zones = by_zone.into_iter().take(ZONES).map(|(name, mut own)| {
        // What the walk comes by and what is open is drawn first.
        own.sort_by_key(|(id, _)| Reverse((on_walk(sheet, id, &held), is_open(sheet, id, &held))));
        let folded = own.len().saturating_sub(SUBNETS);
        let cards = own.iter().take(SUBNETS);
        let mut cards: Vec<Card> = cards
            .map(|(id, subnet)| {
                let held = held.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
                subnet_card(sheet, id, subnet, held, each)
            })
            .collect();
        if folded > 0 {
            let rest = own.iter().skip(SUBNETS);
            let inside: usize = rest.map(|(id, _)| held.get(id.as_str()).map_or(0, Vec::len)).sum();
            let text = more(folded, "subnet", "subnets");
            let inside = format!("with {}", count(inside, "interface", "interfaces"));
            let lines = vec![
                Line::new(Face::Head, Tone::Muted, text.clone()),
                Line::new(Face::Body, Tone::Muted, inside),
            ];
            cards.push(Card::new(text, Look::Card, vec![Block::plain(lines)]));
        }
        Zone { name: name.to_owned(), cards }
    });
    let zones = zones.collect();
    let folded = total.saturating_sub(ZONES);
    let text =
        format!("{} with {}", more(folded, "zone", "zones"), count(left, "subnet", "subnets"));
    (zones, (folded > 0).then_some(text))
}

type Held<'a> = BTreeMap<&'a str, Vec<(&'a String, &'a Interface)>>;

fn on_walk(sheet: &Sheet<'_>, subnet: &str, held: &Held<'_>) -> bool {
    let keys = [Key::SubnetAcl(subnet.to_owned()), Key::SubnetTable(subnet.to_owned())];
    let mut inside = held.get(subnet).into_iter().flatten();
    keys.iter().any(|key| sheet.marks.has(key))
        || inside.any(|(id, _)| sheet.marks.has(&Key::Interface((*id).clone())))
}

fn is_open(sheet: &Sheet<'_>, subnet: &str, held: &Held<'_>) -> bool {
    let mut inside = held.get(subnet).into_iter().flatten();
    inside.any(|(id, _)| !sheet.exposure.at(id).is_empty())
}

fn subnet_card(
    sheet: &Sheet<'_>,
    id: &str,
    subnet: &Subnet,
    held: &[(&String, &Interface)],
    each: usize,
) -> Card {
    let public = is_public(sheet.topology, id);
    let blocks: Vec<String> = subnet.blocks.iter().map(ToString::to_string).collect();
    let (word, tone) = if public { ("public", Tone::Open) } else { ("private", Tone::Muted) };
    let head = vec![
        Line::new(Face::Head, Tone::Ink, sheet.called(id)).right(Face::Body, tone, word),
        Line::new(Face::Mono, Tone::Muted, if sheet.names.contains_key(id) { id } else { "" })
            .right(Face::Mono, Tone::Ink, blocks.join(" ")),
    ];
    let named = |id: &str| {
        let id = if id.is_empty() { "none" } else { id };
        sheet.names.get(id).cloned().unwrap_or_else(|| id.to_owned())
    };
    let by = vec![
        Line::new(Face::Body, Tone::Muted, "Routes")
            .right(Face::Mono, Tone::Muted, named(&subnet.route_table))
            .at(Key::SubnetTable(id.to_owned())),
        Line::new(Face::Body, Tone::Muted, "Network ACL")
            .right(Face::Mono, Tone::Muted, named(&subnet.network_acl))
            .at(Key::SubnetAcl(id.to_owned())),
    ];
    let mut blocks = vec![Block::plain(head), Block::plain(by)];
    let mut held = held.to_vec();
    held.sort_by_key(|(id, it)| {
        let walk = sheet.marks.order(&Key::Interface((*id).clone()));
        let open = !sheet.exposure.at(id).is_empty();
        let first = it.addresses.first().map(|own| own.private);
        (walk, Reverse(open), matches!(it.role, Role::Host), first)
    });
    // A walk comes by few, all of which are drawn.
    let walked = held.iter().filter(|(id, _)| sheet.marks.has(&Key::Interface((*id).clone())));
    let shown = each.max(walked.count());
    blocks.extend(held.iter().take(shown).map(|(id, it)| interface_block(sheet, id, it)));
    let rest: Vec<&Interface> = held.iter().skip(shown).map(|(_, it)| *it).collect();
    if !rest.is_empty() {
        blocks.push(Block::plain(vec![Line::new(Face::Body, Tone::Muted, folded(&rest))]));
    }
    let name = sheet.names.get(id).map(|name| format!("{name}, ")).unwrap_or_default();
    Card::new(format!("subnet {name}{id}, {word}"), Look::Card, blocks)
}

/// `and 12 more: 9 hosts, 3 endpoints`.
fn folded(rest: &[&Interface]) -> String {
    let of = |wanted: fn(&Role) -> bool| rest.iter().filter(|it| wanted(&it.role)).count();
    let kinds = [
        (of(|it| matches!(it, Role::Host)), "host", "hosts"),
        (of(|it| matches!(it, Role::Endpoint(_))), "endpoint", "endpoints"),
        (of(|it| matches!(it, Role::NatGateway(_))), "NAT gateway", "NAT gateways"),
        (of(|it| matches!(it, Role::Service)), "service", "services"),
    ];
    let kinds = kinds.iter().filter(|(number, ..)| *number > 0);
    let kinds: Vec<String> = kinds.map(|(number, one, many)| count(*number, one, many)).collect();
    format!("and {} more: {}", rest.len(), kinds.join(", "))
}

fn interface_block(sheet: &Sheet<'_>, id: &str, interface: &Interface) -> Block {
    let open = sheet.exposure.at(id);
    let addresses: Vec<String> = interface
        .addresses
        .iter()
        .map(|it| match it.public {
            Some(public) => format!("{} → {public}", it.private),
            None => it.private.to_string(),
        })
        .collect();
    let what = match &interface.role {
        Role::Endpoint(endpoint) => {
            let found = sheet.topology.endpoints.get(endpoint);
            found.map_or_else(|| endpoint.clone(), |it| service(&it.service).to_owned())
        }
        Role::NatGateway(nat) => {
            format!("NAT {}", sheet.names.get(nat).unwrap_or(nat))
        }
        Role::Service => sheet.names.get(id).cloned().unwrap_or_else(|| "service".to_owned()),
        Role::Host => sheet.names.get(id).cloned().unwrap_or_default(),
    };
    let (look, tone) = match interface.role {
        _ if !open.is_empty() => (Look::OpenInner, Tone::Open),
        Role::Endpoint(_) => (Look::ServiceInner, Tone::Service),
        _ => (Look::Inner, Tone::Ink),
    };
    let groups: Vec<&str> = interface
        .groups
        .iter()
        .map(|id| sheet.names.get(id).map_or(id.as_str(), String::as_str))
        .collect();
    let mut lines = vec![
        Line::new(Face::Mono, Tone::Ink, addresses.join(", "))
            .right(Face::Body, tone, what.clone())
            .at(Key::Interface(id.to_owned())),
        Line::new(Face::Mono, Tone::Muted, id).right(Face::Body, Tone::Muted, groups.join(", ")),
    ];
    let mut label = format!("network interface {id}");
    if !what.is_empty() {
        label = format!("{label}, {what}");
    }
    if !open.is_empty() {
        let text = format!("open to the internet: {}", open.join(", "));
        label = format!("{label}, {text}");
        lines.push(Line::new(Face::Body, Tone::Open, text));
    }
    Block::boxed(look, label, lines)
}
