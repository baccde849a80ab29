//! A finding for people: hops one per line, and the first step that fails.

use std::fmt::Write as _;

use sagegate_network::reach::{Layer, Outcome, Step, Try};
use sagegate_network::topology::{Destination, Route, Target};
use sagegate_network::walk::{Hop, Matched, Walk};

use super::{Found, interface, target_text};

/// The whole finding.
pub(super) fn text(found: &Found) -> String {
    let mut out = String::new();
    let (ask, reach) = (&found.ask, &found.reach);
    let address = ask.source.address();
    let from = match interface(&ask.source) {
        Some(id) => format!("{id} ({address})"),
        None => format!("{address} on the internet"),
    };
    // Writing to a string does not fail.
    let _ = writeln!(out, "from {from}\nto   {}, {}", target_text(&ask.to), ask.packet);
    if let Some(step) = &reach.name {
        write_step(&mut out, step);
    }
    for tried in &reach.tries {
        write_try(&mut out, tried);
    }
    let _ = match (reach.outcome, reach.failure()) {
        (Outcome::Reached, _) => writeln!(out, "\nREACHED"),
        (outcome, failure) => {
            let what = match outcome {
                Outcome::Partly => "REACHED BY SOME ADDRESSES ONLY",
                Outcome::FromSomePorts => "REACHED FROM SOME CLIENT PORTS ONLY",
                Outcome::Reached | Outcome::NotReached => "NOT REACHED",
            };
            let why = failure.map(|step| format!(": {}\n  {}", step.code, step.text));
            writeln!(out, "\n{what}{}", why.unwrap_or_default())
        }
    };
    out
}

fn layer(layer: Layer) -> &'static str {
    match layer {
        Layer::Dns => "name",
        Layer::Path => "path",
        Layer::Tls => "certificate",
        Layer::EndpointPolicy => "endpoint policy",
        Layer::Iam => "permission",
    }
}

fn write_step(out: &mut String, step: &Step) {
    let mark = if step.passed { "ok  " } else { "FAIL" };
    let code = if step.code.is_empty() { String::new() } else { format!("{}: ", step.code) };
    let _ = writeln!(out, "{mark} {:<15} {code}{}", layer(step.layer), step.text);
}

fn write_try(out: &mut String, tried: &Try) {
    let _ = writeln!(out, "\n{}", tried.address);
    write_hops(out, &tried.walk);
    for step in &tried.steps {
        write_step(out, step);
    }
    if !tried.condition_keys.is_empty() {
        let keys = tried.condition_keys.iter().map(|(key, value)| format!("{key} = {value}"));
        let _ = writeln!(out, "     arrives with    {}", keys.collect::<Vec<_>>().join(", "));
    }
}

fn write_hops(out: &mut String, walk: &Walk) {
    let stopped_back = walk.receiver.is_some();
    for (arrow, hops) in [("->", &walk.forward), ("<-", &walk.back)] {
        for hop in hops {
            let _ = writeln!(out, "  {arrow} {}", hop_text(hop));
        }
        let here = (arrow == "<-") == stopped_back;
        if let Some(explanation) = walk.explanation.as_ref().filter(|_| here) {
            let _ = writeln!(out, "  xx {}  {}", explanation.component, explanation.code);
        }
    }
}

fn hop_text(hop: &Hop) -> String {
    let mut text = hop.component.to_string();
    // The client that stands for a subnet is called by it.
    if let Some(subnet) = hop.subnet.as_ref().filter(|subnet| !text.ends_with(subnet.as_str())) {
        let _ = write!(text, " in {subnet}");
    }
    match &hop.matched {
        None => {}
        Some(Matched::GroupRule { id, egress }) => {
            let _ = write!(text, "  {} rule {id}", bound(*egress));
        }
        Some(Matched::Tracked) => text.push_str("  answer of a connection that was let through"),
        Some(Matched::AclEntry { number, egress }) => {
            let _ = write!(text, "  {} entry {number}", bound(*egress));
        }
        Some(Matched::Route(route)) => {
            let _ = write!(text, "  route {}", route_text(route));
        }
    }
    if let Some(outbound) = &hop.outbound {
        let _ = write!(text, "  becomes {} to {}", outbound.source, outbound.destination);
    }
    text
}

fn bound(egress: bool) -> &'static str {
    if egress { "outbound" } else { "inbound" }
}

/// `0.0.0.0/0 by igw-…`.
fn route_text(route: &Route) -> String {
    let destination = match &route.destination {
        Destination::Block(block) => block.to_string(),
        Destination::PrefixList(id) => id.clone(),
    };
    format!("{destination} by {}", target_id(&route.target))
}

/// The id of a route's target.
fn target_id(target: &Target) -> &str {
    match target {
        Target::Local => "local",
        Target::InternetGateway(id)
        | Target::EgressOnlyInternetGateway(id)
        | Target::NatGateway(id)
        | Target::Peering(id)
        | Target::GatewayEndpoint(id)
        | Target::Interface(id) => id,
    }
}
