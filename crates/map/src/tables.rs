//! The cards below the network: endpoints, route tables, network ACLs, security groups; and those of
//! the gateways above it.

use std::cmp::Reverse;

use sagegate_network::security_group::Peer;
use sagegate_network::topology::{
    AclEntry, Endpoint, EndpointKind, GroupRule, NetworkAcl, RouteTable, SecurityGroup, Target,
};

use crate::card::{Block, Card, Line};
use crate::exposure::{everybody, ports, said};
use crate::marks::{Key, destination};
use crate::scene::{Look, Tone};
use crate::sheet::{Sheet, count, more, service};
use crate::text::Face;

/// How many cards of a kind are drawn, and lines of a card.
const CARDS: usize = 12;
const GATEWAYS: usize = 8;
const LINES: usize = 10;

/// The first cards of a kind; the last says how many are left out. Those of the walk come first.
fn some(mut cards: Vec<(bool, Card)>, most: usize, (one, many): (&str, &str)) -> Vec<Card> {
    cards.sort_by_key(|(walked, _)| Reverse(*walked));
    let folded = cards.len().saturating_sub(most);
    let mut cards: Vec<Card> = cards.into_iter().take(most).map(|(_, card)| card).collect();
    if folded > 0 {
        let text = more(folded, one, many);
        let line = Line::new(Face::Head, Tone::Muted, text.clone());
        cards.push(Card::new(text, Look::Card, vec![Block::plain(vec![line])]));
    }
    cards
}

/// Name, id, and what it counts for.
fn head(sheet: &Sheet<'_>, id: &str, key: Key, counts_for: String) -> Block {
    let second = if sheet.names.contains_key(id) {
        Line::new(Face::Mono, Tone::Muted, id).right(Face::Body, Tone::Muted, counts_for)
    } else {
        Line::new(Face::Body, Tone::Muted, counts_for)
    };
    Block::plain(vec![Line::new(Face::Head, Tone::Ink, sheet.called(id)).at(key), second])
}

/// Lines up to a limit, those of the walk among them.
fn cut(sheet: &Sheet<'_>, mut lines: Vec<(Key, Line)>) -> Vec<Line> {
    let folded = lines.len().saturating_sub(LINES);
    if folded > 0 {
        lines.sort_by_key(|(key, _)| Reverse(sheet.marks.has(key)));
    }
    let mut lines: Vec<Line> =
        lines.into_iter().take(LINES).map(|(key, line)| line.at(key)).collect();
    if folded > 0 {
        lines.push(Line::new(Face::Body, Tone::Muted, format!("and {folded} more")));
    }
    lines
}

/// Gateways: the ways out of the VPC that are no interfaces.
pub(crate) fn gateways(sheet: &Sheet<'_>) -> Vec<Card> {
    let mut cards = Vec::new();
    let vpc = sheet.topology.vpcs.get(sheet.vpc);
    let mut add = |id: &str, what: &str, more: String, open: bool| {
        let key = Key::Gateway(id.to_owned());
        let walked = sheet.marks.has(&key);
        let (look, tone) =
            if open { (Look::OpenCard, Tone::Open) } else { (Look::Card, Tone::Ink) };
        let lines = vec![
            Line::new(Face::Head, tone, what).at(key),
            Line::new(Face::Mono, Tone::Muted, id),
            Line::new(Face::Body, Tone::Muted, more),
        ];
        cards.push((walked, Card::new(format!("{what} {id}"), look, vec![Block::plain(lines)])));
    };
    let called = |id: &str| sheet.names.get(id).cloned().unwrap_or_default();
    for id in vpc.iter().filter_map(|it| it.internet_gateway.as_ref()) {
        add(id, "Internet gateway", called(id), true);
    }
    for id in vpc.iter().flat_map(|it| &it.egress_only_gateways) {
        add(id, "Egress-only internet gateway", called(id), false);
    }
    for (id, peering) in &sheet.topology.peerings {
        let other = match () {
            () if peering.requester == sheet.vpc => &peering.accepter,
            () if peering.accepter == sheet.vpc => &peering.requester,
            () => continue,
        };
        let state = if peering.active { "" } else { ", not active" };
        add(id, "Peering connection", format!("to {}{state}", sheet.called(other)), false);
    }
    for (id, endpoint) in own_endpoints(sheet) {
        if let EndpointKind::Gateway { prefix_list } = &endpoint.kind {
            let what = format!("{} gateway endpoint", service(&endpoint.service));
            let state = if endpoint.available { "" } else { ", not available" };
            add(id, &what, format!("{prefix_list}{state}"), false);
        }
    }
    some(cards, GATEWAYS, ("gateway", "gateways"))
}

fn own_endpoints<'a>(sheet: &Sheet<'a>) -> impl Iterator<Item = (&'a String, &'a Endpoint)> {
    let vpc = sheet.vpc;
    sheet.topology.endpoints.iter().filter(move |(_, it)| it.vpc == vpc)
}

/// Interface endpoints.
pub(crate) fn endpoints(sheet: &Sheet<'_>) -> Vec<Card> {
    let card = |(id, endpoint): (&String, &Endpoint)| {
        let EndpointKind::Interface { interfaces, private_dns, .. } = &endpoint.kind else {
            return None;
        };
        let key = Key::Gateway(id.clone());
        let walked = sheet.marks.has(&key);
        let name = service(&endpoint.service);
        let (state, tone) = match endpoint.available {
            true => ("available", Tone::Muted),
            false => ("not available", Tone::Bad),
        };
        let subnets: std::collections::BTreeSet<&str> = interfaces
            .iter()
            .filter_map(|id| sheet.topology.interfaces.get(id))
            .map(|it| it.subnet.as_str())
            .collect();
        let lines = vec![
            Line::new(Face::Head, Tone::Service, name).at(key),
            Line::new(Face::Mono, Tone::Muted, id).right(Face::Body, tone, state),
            Line::new(Face::Body, Tone::Muted, count(subnets.len(), "subnet", "subnets")).right(
                Face::Body,
                Tone::Muted,
                if *private_dns { "private DNS" } else { "no private DNS" },
            ),
        ];
        let label = format!("interface endpoint {name}, {id}");
        Some((walked, Card::new(label, Look::Card, vec![Block::plain(lines)])))
    };
    some(own_endpoints(sheet).filter_map(card).collect(), CARDS, ("endpoint", "endpoints"))
}

/// Route tables.
pub(crate) fn route_tables(sheet: &Sheet<'_>) -> Vec<Card> {
    let own = sheet.topology.route_tables.iter().filter(|(_, it)| it.vpc == sheet.vpc);
    let card = |(id, table): (&String, &RouteTable)| {
        let users = sheet.topology.subnets.values().filter(|it| it.route_table == *id).count();
        let routes = table.routes.iter().map(|route| {
            let to = destination(&route.destination);
            let lists = &sheet.topology.prefix_lists;
            let list = lists.get(&to).map(|list| service(&list.name).to_owned());
            let (by, tone) = match &route.target {
                Target::Local => ("local", Tone::Muted),
                Target::InternetGateway(id) => (id.as_str(), Tone::Open),
                Target::GatewayEndpoint(id) => (id.as_str(), Tone::Service),
                Target::EgressOnlyInternetGateway(id)
                | Target::NatGateway(id)
                | Target::Peering(id)
                | Target::Interface(id) => (id.as_str(), Tone::Ink),
            };
            let shown = list.unwrap_or_else(|| to.clone());
            let line = Line::new(Face::Mono, Tone::Ink, shown).right(Face::Mono, tone, by);
            (Key::Route(id.clone(), to), line)
        });
        let routes = Block::plain(cut(sheet, routes.collect()));
        let key = Key::Table(id.clone());
        let walked = table
            .routes
            .iter()
            .any(|it| sheet.marks.has(&Key::Route(id.clone(), destination(&it.destination))))
            || sheet.marks.has(&key);
        let blocks = vec![head(sheet, id, key, of_subnets(users)), routes];
        (walked, Card::new(format!("route table {}", sheet.called(id)), Look::Card, blocks))
    };
    some(own.map(card).collect(), CARDS, ("route table", "route tables"))
}

fn of_subnets(number: usize) -> String {
    if number == 0 {
        return "of no subnet".to_owned();
    }
    format!("of {}", count(number, "subnet", "subnets"))
}

/// Network ACLs.
pub(crate) fn network_acls(sheet: &Sheet<'_>) -> Vec<Card> {
    let own = sheet.topology.network_acls.iter().filter(|(_, it)| it.vpc == sheet.vpc);
    let card = |(id, acl): (&String, &NetworkAcl)| {
        let users = sheet.topology.subnets.values().filter(|it| it.network_acl == *id).count();
        let side = |entries: &[AclEntry], egress: bool| {
            let lines = entries.iter().map(|entry| {
                let way = if egress { "to" } else { "from" };
                let (word, tone) =
                    if entry.allow { ("allow", Tone::Ink) } else { ("deny", Tone::Bad) };
                let what = ports(entry.protocol, entry.from, entry.to);
                let text = format!("{} {word} {what}", entry.number);
                let line = Line::new(Face::Mono, tone, text).right(
                    Face::Mono,
                    Tone::Muted,
                    format!("{way} {}", entry.block),
                );
                (Key::Entry(id.clone(), entry.number, egress), line)
            });
            let mut lines = cut(sheet, lines.collect());
            if lines.is_empty() {
                let none = if egress { "nothing goes out" } else { "nothing comes in" };
                lines.push(Line::new(Face::Body, Tone::Bad, none));
            }
            Block::plain(lines)
        };
        let key = Key::Acl(id.clone());
        let walked = sheet.marks.has(&key)
            || [(&acl.ingress, false), (&acl.egress, true)].iter().any(|(entries, egress)| {
                entries
                    .iter()
                    .any(|it| sheet.marks.has(&Key::Entry(id.clone(), it.number, *egress)))
            });
        let blocks = vec![
            head(sheet, id, key, of_subnets(users)),
            side(&acl.ingress, false),
            side(&acl.egress, true),
        ];
        (walked, Card::new(format!("network ACL {}", sheet.called(id)), Look::Card, blocks))
    };
    some(own.map(card).collect(), CARDS, ("network ACL", "network ACLs"))
}

/// Security groups.
pub(crate) fn security_groups(sheet: &Sheet<'_>) -> Vec<Card> {
    let own = sheet.topology.security_groups.iter().filter(|(_, it)| it.vpc == sheet.vpc);
    let card = |(id, group): (&String, &SecurityGroup)| {
        let holders = sheet.topology.interfaces.values().filter(|it| it.groups.contains(id));
        let holders = match holders.count() {
            0 => "no interface".to_owned(),
            number => count(number, "interface", "interfaces"),
        };
        let side = |rules: &[GroupRule], egress: bool| {
            let lines = rules.iter().map(|held| {
                let (bound, way) = if egress { ("out", "to") } else { ("in", "from") };
                let peer = match &held.rule.peer {
                    Peer::Group(id) => sheet.called(id),
                    Peer::PrefixList(id) => id.clone(),
                    Peer::V4(block) => block.to_string(),
                    Peer::V6(block) => block.to_string(),
                };
                let open = !egress && everybody(&held.rule.peer);
                let tone = if open { Tone::Open } else { Tone::Ink };
                let line = Line::new(Face::Mono, tone, format!("{bound} {}", said(&held.rule)))
                    .right(
                        Face::Mono,
                        if open { tone } else { Tone::Muted },
                        format!("{way} {peer}"),
                    );
                (Key::Rule(held.id.clone()), line)
            });
            let mut lines = cut(sheet, lines.collect());
            if lines.is_empty() {
                let none = if egress { "nothing goes out" } else { "nothing comes in" };
                lines.push(Line::new(Face::Body, Tone::Muted, none));
            }
            Block::plain(lines)
        };
        let key = Key::Group(id.clone());
        let rules = group.ingress.iter().chain(&group.egress);
        let walked = sheet.marks.has(&key)
            || rules.clone().any(|it| sheet.marks.has(&Key::Rule(it.id.clone())));
        let blocks = vec![
            head(sheet, id, key, holders),
            side(&group.ingress, false),
            side(&group.egress, true),
        ];
        (walked, Card::new(format!("security group {}", sheet.called(id)), Look::Card, blocks))
    };
    some(own.map(card).collect(), CARDS, ("security group", "security groups"))
}
