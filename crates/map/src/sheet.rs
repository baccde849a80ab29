//! The sheet: from the top the VPC's name, the walk's verdict, the ways out, the network by zones, and the
//! tables that decide in it.

use std::collections::BTreeMap;

use sagegate_network::reach::Outcome;
use sagegate_network::topology::Topology;

use crate::card::{self, Card, LINE};
use crate::exposure::Exposure;
use crate::marks::{Key, Marks, Trip};
use crate::scene::{Anchor, Look, Rect, Scene, Tone, Wire};
use crate::subnets::{self, Zone};
use crate::text::{self, Face};
use crate::{Chart, tables};

/// The sheet's width. Nothing is set smaller than 11 pixels, so that it can be read at this width.
const WIDTH: i32 = 1_000;
/// Around everything.
const MARGIN: i32 = 24;
/// Between cards.
const GAP: i32 = 12;
/// Between parts.
const PART: i32 = 28;
/// The width of what stands on the sheet.
const ROOM: i32 = WIDTH - 2 * MARGIN;
/// Within the VPC's box, and within a zone's.
const INSIDE: i32 = 14;
/// How many zones stand side by side.
const ZONES_ABREAST: usize = 3;
/// A card is no narrower.
const NARROWEST: i32 = 260;
/// How many columns tables have.
const COLUMNS: usize = 3;

/// What is being drawn.
pub(crate) struct Sheet<'a> {
    pub(crate) topology: &'a Topology,
    pub(crate) names: &'a BTreeMap<String, String>,
    pub(crate) vpc: &'a str,
    region: &'a str,
    trip: Option<Trip<'a>>,
    pub(crate) marks: Marks,
    pub(crate) exposure: Exposure,
}

impl Sheet<'_> {
    /// The name of something, or its id.
    pub(crate) fn called(&self, id: &str) -> String {
        self.names.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }

    fn title(&self) -> String {
        match self.names.get(self.vpc) {
            Some(name) => format!("{name} ({})", self.vpc),
            None => self.vpc.to_owned(),
        }
    }

    /// What the picture shows, in a sentence or two.
    fn summary(&self) -> String {
        let topology = self.topology;
        let subnets = topology.subnets.values().filter(|it| it.vpc == self.vpc);
        let zones: std::collections::BTreeSet<&str> =
            subnets.clone().map(|it| it.zone.as_str()).collect();
        let interfaces = topology.interfaces.values().filter(|it| it.vpc == self.vpc).count();
        let open = match self.exposure.len() {
            0 => "nothing is open to the internet".to_owned(),
            1 => "1 interface is open to the internet".to_owned(),
            many => format!("{many} interfaces are open to the internet"),
        };
        format!(
            "{}, {}, {}; {open}",
            count(zones.len(), "zone", "zones"),
            count(subnets.count(), "subnet", "subnets"),
            count(interfaces, "interface", "interfaces")
        )
    }
}

/// `1 subnet`, `2 subnets`.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// `and 3 more subnets`: what is counted instead of drawn.
pub(crate) fn more(number: usize, one: &str, many: &str) -> String {
    format!("and {number} more {}", if number == 1 { one } else { many })
}

/// The short name of a service: `sagemaker.api` of `com.amazonaws.us-west-2.sagemaker.api`.
pub(crate) fn service(name: &str) -> &str {
    let own = name.strip_prefix("cn.").unwrap_or(name);
    own.splitn(4, '.').nth(3).unwrap_or(name)
}

/// Draws everything.
pub(crate) fn draw(chart: &Chart<'_>) -> Scene {
    let sheet = Sheet {
        topology: chart.topology,
        names: chart.names,
        vpc: chart.vpc,
        region: chart.region,
        trip: chart.trip,
        marks: Marks::of(chart.trip, chart.topology),
        exposure: Exposure::of(chart.topology, chart.vpc),
    };
    let mut scene = Scene {
        width: WIDTH,
        title: text::clean(&format!("Map of {}", sheet.title())),
        description: text::clean(&description(&sheet)),
        ..Scene::default()
    };
    let mut y = header(&sheet, &mut scene);
    y = verdict(&sheet, &mut scene, y);
    y = ways_out(&sheet, &mut scene, y);
    y = network(&sheet, &mut scene, y);
    let parts: [(&str, Vec<Card>); 4] = [
        ("Interface endpoints", tables::endpoints(&sheet)),
        ("Route tables", tables::route_tables(&sheet)),
        ("Security groups", tables::security_groups(&sheet)),
        ("Network ACLs", tables::network_acls(&sheet)),
    ];
    for (name, cards) in &parts {
        y = part(&sheet, &mut scene, y, name, cards);
    }
    walk(&sheet, &mut scene);
    scene.height = y - PART + MARGIN;
    scene
}

fn description(sheet: &Sheet<'_>) -> String {
    let summary = sheet.summary();
    let Some(trip) = sheet.trip else { return format!("{summary}.") };
    let failure = trip.reach.failure().map(|step| format!(": {} {}", step.code, step.text));
    format!(
        "{summary}. From {} to {}: {}{}.",
        trip.from,
        trip.to,
        outcome(trip).0,
        failure.unwrap_or_default()
    )
}

fn outcome(trip: Trip<'_>) -> (&'static str, Look, Tone) {
    match trip.reach.outcome {
        Outcome::Reached => ("Reached", Look::Reached, Tone::Good),
        Outcome::Partly => ("Reached by some addresses only", Look::NotReached, Tone::Bad),
        Outcome::FromSomePorts => {
            ("Reached from some client ports only", Look::NotReached, Tone::Bad)
        }
        Outcome::NotReached => ("Not reached", Look::NotReached, Tone::Bad),
    }
}

/// The name and what there is; the y below it.
fn header(sheet: &Sheet<'_>, scene: &mut Scene) -> i32 {
    let name = sheet.called(sheet.vpc);
    let base = MARGIN + 20;
    let used = scene.text(None, (MARGIN, base), ROOM / 2, (Face::Title, Tone::Ink), &name);
    if name != sheet.vpc {
        let x = MARGIN + used + GAP;
        scene.text(None, (x, base), WIDTH - MARGIN - x, (Face::Mono, Tone::Muted), sheet.vpc);
    }
    let vpc = sheet.topology.vpcs.get(sheet.vpc);
    let mut facts: Vec<String> =
        vpc.iter().flat_map(|it| &it.blocks).map(ToString::to_string).collect();
    facts.push(sheet.region.to_owned());
    facts.push(sheet.summary());
    let line = (MARGIN, base + 22);
    scene.text(None, line, ROOM, (Face::Body, Tone::Muted), &facts.join("  ·  "));
    base + 22 + PART - GAP
}

/// What became of the walk: the verdict, the reason, and each hop.
fn verdict(sheet: &Sheet<'_>, scene: &mut Scene, y: i32) -> i32 {
    let Some(trip) = sheet.trip else { return y };
    let (word, look, tone) = outcome(trip);
    let (x, room) = (MARGIN + INSIDE, ROOM - 2 * INSIDE);
    let failure = trip.reach.failure();
    let reason =
        failure.map(|step| text::wrap(&step.text, Face::Body, room, 6)).unwrap_or_default();
    let forward = numbered(&sheet.marks.forward, "The packet");
    let back = numbered(&sheet.marks.back, "Its answer");
    let hops = rows(forward.len().max(back.len()));
    let lines = hops + rows(reason.len());
    let h = 2 * INSIDE + LINE + 4 + lines * LINE + if hops > 0 { GAP } else { 0 };
    let rect = Rect { x: MARGIN, y, w: ROOM, h };
    let label = format!("{word}: from {} to {}", trip.from, trip.to);
    let own = Some(scene.shape(rect, look, None, Some(label)));
    let mut base = y + INSIDE + 13;
    let code = failure.map(|step| step.code.as_str()).filter(|code| !code.is_empty());
    let head = match code {
        Some(code) => format!("{word}: {code}"),
        None => word.to_owned(),
    };
    let used = scene.text(own, (x, base), room / 2, (Face::Head, tone), &head) + 2 * GAP;
    let asked = format!("from {} to {}", trip.from, trip.to);
    let (end, face) = ((x + room, base), (Face::Mono, Tone::Muted));
    scene.text_to(own, end, room - used, face, &asked);
    base += LINE + 4;
    for line in &reason {
        scene.text(own, (x, base), room, (Face::Body, Tone::Ink), line);
        base += LINE;
    }
    base += GAP;
    let half = (room - GAP) / 2;
    for (column, list) in [(x, &forward), (x + half + GAP, &back)] {
        let mut base = base;
        for (at, line) in list.iter().enumerate() {
            let set = if at == 0 { (Face::Body, Tone::Muted) } else { (Face::Mono, Tone::Ink) };
            scene.text(own, (column, base), half, set, line);
            base += LINE;
        }
    }
    y + h + PART
}

fn rows(number: usize) -> i32 {
    i32::try_from(number).unwrap_or_default()
}

/// A heading and the hops; nothing where there are none.
fn numbered(hops: &[String], heading: &str) -> Vec<String> {
    let heading = hops.first().map(|_| heading.to_owned());
    let hops = hops.iter().enumerate().map(|(at, hop)| format!("{:>2}  {hop}", at + 1));
    heading.into_iter().chain(hops).collect()
}

/// The internet, and below it the gateways of the VPC.
fn ways_out(sheet: &Sheet<'_>, scene: &mut Scene, y: i32) -> i32 {
    const PILL: i32 = 30;
    let vpc = sheet.topology.vpcs.get(sheet.vpc);
    let attached = vpc.is_some_and(|it| it.internet_gateway.is_some());
    let outward = attached || vpc.is_some_and(|it| !it.egress_only_gateways.is_empty());
    let (look, tone, name) = match outward {
        true => (Look::Internet, Tone::Open, "The internet"),
        false => {
            (Look::NoInternet, Tone::Muted, "The internet: no gateway of this VPC leads there")
        }
    };
    let rect = Rect { x: MARGIN, y, w: ROOM, h: PILL };
    let own = scene.shape(rect, look, None, Some(name.to_owned()));
    let card = card::badge_line(Face::Head, tone, name, Key::Internet);
    let inside = Rect { x: rect.x + INSIDE + 2, y: y + 6, w: ROOM - 2 * INSIDE - 4, h: LINE };
    scene.strip = y + PILL + 8;
    card::draw_line(scene, &sheet.marks, (own, rect), inside, &card);
    let cards = tables::gateways(sheet);
    if cards.is_empty() {
        return y + PILL + GAP;
    }
    let columns = cards.len().min(4);
    let top = y + PILL + GAP + 6;
    let at = Rect { x: MARGIN, y: top, w: ROOM, h: 0 };
    let first = scene.shapes.len();
    let h = card::draw_grid(scene, &sheet.marks, at, (columns, GAP), None, &cards);
    let tops: Vec<(Rect, Look)> = scene
        .shapes
        .iter()
        .skip(first)
        .filter(|shape| shape.parent.is_none() && shape.rect.y == top)
        .map(|shape| (shape.rect, shape.look))
        .collect();
    for (card, look) in tops {
        let middle = card.x + card.w / 2;
        let open = look == Look::OpenCard;
        if open {
            let points = vec![(middle, y + PILL), (middle, card.y)];
            scene.wires.push(Wire { points, walk: false, open });
        }
        if cards.len() <= 4 {
            let points = vec![(middle, card.bottom()), (middle, top + h + GAP + 6)];
            scene.wires.push(Wire { points, walk: false, open });
        }
    }
    top + h + GAP + 6
}

/// The VPC with its zones and subnets.
fn network(sheet: &Sheet<'_>, scene: &mut Scene, y: i32) -> i32 {
    let (zones, folded) = subnets::zones(sheet);
    let abreast = zones.len().clamp(1, ZONES_ABREAST);
    let count = rows(abreast);
    let inner = ROOM - 2 * INSIDE;
    let zone_w = (inner - (count - 1) * GAP) / count;
    let columns =
        usize::try_from((zone_w - 2 * INSIDE + GAP) / (NARROWEST + GAP)).unwrap_or(1).max(1);
    let frame = scene.shape(
        Rect { x: MARGIN, y, w: ROOM, h: 0 },
        Look::Vpc,
        None,
        Some(format!("VPC {}", sheet.called(sheet.vpc))),
    );
    let vpc = sheet.topology.vpcs.get(sheet.vpc);
    let on = |it: bool| if it { "on" } else { "off" };
    let dns = vpc.map(|it| {
        format!("DNS support {}, DNS host names {}", on(it.dns_support), on(it.dns_hostnames))
    });
    let line = card::badge_line(Face::Head, Tone::Ink, "VPC", Key::Resolver).right(
        Face::Body,
        Tone::Muted,
        dns.unwrap_or_default(),
    );
    let mut top = y + INSIDE;
    let head = Rect { x: MARGIN + INSIDE, y: top, w: inner, h: LINE };
    scene.strip = y - 9;
    card::draw_line(scene, &sheet.marks, (frame, head), head, &line);
    top += LINE + 6;
    if zones.is_empty() {
        let none = (MARGIN + INSIDE, top + 13);
        scene.text(Some(frame), none, inner, (Face::Body, Tone::Muted), "It has no subnets.");
        top += LINE;
    }
    for band in zones.chunks(abreast) {
        let tallest = band.iter().map(|zone| rows_of(zone, columns)).max().unwrap_or_default();
        let height = |row: usize| {
            let cards = band.iter().flat_map(|zone| zone.cards.chunks(columns).nth(row));
            cards.flatten().map(Card::height).max().unwrap_or_default()
        };
        let heights: Vec<i32> = (0..tallest).map(height).collect();
        let gaps = (rows(heights.len()) - 1).max(0) * GAP;
        let h = 2 * INSIDE + LINE + 4 + heights.iter().sum::<i32>() + gaps;
        let mut x = MARGIN + INSIDE;
        for zone in band {
            let rect = Rect { x, y: top, w: zone_w, h };
            draw_zone(sheet, scene, zone, rect, (columns, &heights), frame);
            x += zone_w + GAP;
        }
        top += h + GAP;
    }
    if let Some(folded) = folded {
        let at = (MARGIN + INSIDE, top + 13);
        scene.text(Some(frame), at, inner, (Face::Body, Tone::Muted), &folded);
        top += LINE + GAP;
    }
    let bottom = top - GAP + INSIDE;
    if let Some(shape) = scene.shapes.get_mut(frame) {
        shape.rect.h = bottom - y;
    }
    bottom + PART
}

fn rows_of(zone: &Zone, columns: usize) -> usize {
    zone.cards.len().div_ceil(columns)
}

fn draw_zone(
    sheet: &Sheet<'_>,
    scene: &mut Scene,
    zone: &Zone,
    rect: Rect,
    (columns, heights): (usize, &[i32]),
    frame: usize,
) {
    let name = format!("zone {}", zone.name);
    let own = scene.shape(rect, Look::Zone, Some(frame), Some(name));
    let room = rect.w - 2 * INSIDE;
    let at = (rect.x + INSIDE, rect.y + INSIDE + 11);
    scene.text(Some(own), at, room, (Face::Head, Tone::Muted), &zone.name);
    let count = rows(columns);
    let w = (room - (count - 1) * GAP) / count;
    let mut y = rect.y + INSIDE + LINE + 4;
    for (row, h) in zone.cards.chunks(columns).zip(heights) {
        let mut x = rect.x + INSIDE;
        for card in row {
            card.draw(scene, &sheet.marks, Rect { x, y, w, h: *h }, Some(own));
            x += w + GAP;
        }
        y += h + GAP;
    }
}

/// A heading with cards.
fn part(sheet: &Sheet<'_>, scene: &mut Scene, y: i32, name: &str, cards: &[Card]) -> i32 {
    if cards.is_empty() {
        return y;
    }
    scene.text(None, (MARGIN, y + 11), ROOM, (Face::Head, Tone::Muted), name);
    let at = Rect { x: MARGIN, y: y + LINE + 4, w: ROOM, h: 0 };
    let h = card::draw_grid(scene, &sheet.marks, at, (COLUMNS, GAP), None, cards);
    at.y + h + PART
}

/// The way of the packet, from badge to badge, between the cards.
fn walk(sheet: &Sheet<'_>, scene: &mut Scene) {
    let way = sheet.marks.way.iter().filter_map(|key| scene.anchors.get(key).copied());
    let way: Vec<Anchor> = way.collect();
    let mut points: Vec<(i32, i32)> = way.iter().take(1).map(|it| (it.x, it.y)).collect();
    for (from, to) in way.iter().zip(way.iter().skip(1)) {
        points.extend(between(from, to));
        points.push((to.x, to.y));
    }
    points.dedup();
    if points.len() > 1 {
        scene.wires.push(Wire { points, walk: true, open: false });
    }
}

/// The corners of a line between two badges: out of the card to its right, along free lanes, and in
/// again from the right.
fn between(from: &Anchor, to: &Anchor) -> Vec<(i32, i32)> {
    if from.card == to.card {
        // Along the card's edge, where nothing is written; to the next line straight.
        if (from.y - to.y).abs() <= 2 * LINE {
            return Vec::new();
        }
        let edge = from.card.right() - card::PAD / 2;
        return vec![(edge, from.y), (edge, to.y)];
    }
    let side = |it: &Anchor| it.card.right() + GAP / 2;
    let (out, into) = (side(from), side(to));
    let lane = match from.strip == to.strip {
        true => from.lane.max(to.lane),
        false => from.strip.max(to.strip),
    };
    // The internet is a bar above everything: one goes straight up to it.
    if to.card.w == ROOM {
        return vec![(out, from.y), (out, to.y)];
    }
    if from.card.w == ROOM {
        return vec![(into, from.y), (into, to.y)];
    }
    if out == into {
        return vec![(out, from.y), (out, to.y)];
    }
    vec![(out, from.y), (out, lane), (into, lane), (into, to.y)]
}
