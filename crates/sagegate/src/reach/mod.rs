//! `sagegate reach`: whether a packet, or a call, gets from here to there, and if not, where it ends.
//!
//! The walk is `sagegate_network`'s; what policies say is the gate's, at the same state.

mod judge;
mod place;
mod tell;

use std::net::IpAddr;
use std::sync::Arc;

use sagegate_gate::{Gate, Scope};
use sagegate_network::dns::{self, Names};
use sagegate_network::public;
use sagegate_network::reach::{Ask, Outcome, Reach, To, asked_elsewhere, reach};
use sagegate_network::security_group::{ICMP, ICMPV6, Packet, TCP, UDP};
use sagegate_network::topology::Topology;
use sagegate_network::walk::{Ports, Source, Walker};
use sagegate_server::OperatorFailure;
use sagegate_services::{ec2, route53};
use sagegate_store::Read;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::node::Node;
use crate::operator::failure;
use judge::Judge;
pub(crate) use judge::caller;
use place::Places;

/// The port of a question about TCP that names none: AWS's services are called by HTTPS.
const HTTPS: u16 = 443;

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    #[default]
    Tcp,
    Udp,
    Icmp,
}

/// A question.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) from: String,
    pub(crate) to: String,
    #[serde(default)]
    pub(crate) protocol: Protocol,
    /// The groups of a client that stands for a subnet.
    #[serde(default)]
    pub(crate) security_groups: Vec<String>,
    /// Who calls.
    #[serde(default)]
    pub(crate) principal: Option<String>,
    /// What.
    #[serde(default)]
    pub(crate) action: Option<String>,
    /// On which resource.
    #[serde(default)]
    pub(crate) resource: Option<String>,
    /// Condition keys that the call itself has.
    #[serde(default)]
    pub(crate) context: Vec<(String, String)>,
}

/// What was found, with what it was found of.
pub(crate) struct Found {
    pub(crate) ask: Ask,
    pub(crate) reach: Reach,
    /// The networks, with the clients that stand for subnets.
    pub(crate) topology: Arc<Topology>,
}

/// Finds out.
///
/// # Errors
/// `Invalid` and `NotFound` name the argument that is wrong.
pub(crate) fn find(node: &Node, asked: &Asked) -> Result<Found, OperatorFailure> {
    let gate: &Gate = &node.gate;
    let scope: &Scope = &node.scope;
    let state = gate.store().snapshot().map_err(|error| failure(error.into()))?;
    let topology =
        ec2::topology(&state, scope).map_err(|error| OperatorFailure::Failed(error.to_string()))?;
    let mut places = Places::new(&state, scope, topology, &asked.security_groups);
    let (to, port) = place::split_port(&asked.to)?;
    let sources = places.sources(&asked.from)?;
    let to = places.target(to, &sources)?;
    places.used_groups()?;
    let topology = Arc::new(places.topology);
    let zones = route53::zones_of(&state, scope).map_err(|error| failure(error.into()))?;
    let services = public::services(scope.region.as_str());
    let public = |name: &str| {
        public::resolve(&services, name).or_else(|| behind_gateway(&topology, scope, name))
    };
    let names = Names {
        topology: &topology,
        region: scope.region.as_str(),
        zones: &zones,
        public: &public,
        draw: &dns::first,
    };
    let has_name = |source: &Source| {
        let sender = interface(source).map(|id| topology.interfaces.get(id));
        let vpc = sender.map(|it| it.map_or("", |it| it.vpc.as_str()));
        let kind = if source.address().is_ipv4() { dns::A } else { dns::AAAA };
        matches!(&to, To::Name(host) if !names.resolve(vpc, host, kind).addresses().is_empty())
    };
    let source = place::to_ask_from(&asked.from, &sources, &to, &has_name)?;
    let packet = packet(asked.protocol, port, source.address())?;
    let ask = Ask { source, to, packet, source_ports: Ports::OF_CLIENTS };
    let judge = Judge::new(gate, &state, scope, asked, &ask.to, packet == Packet::HTTPS)?;
    let walker = Walker::new(Arc::clone(&topology));
    let judged = |arrival: &_| match &judge {
        Some(judge) => judge.of(arrival),
        None => Default::default(),
    };
    let reach = match elsewhere(&walker, &state, scope, &ask)? {
        Some(unknown) => unknown,
        None => reach(&walker, &names, &ask, &judged),
    };
    Ok(Found { ask, reach, topology })
}

/// The finding where hosts of the sender's VPC do not ask its resolver first. Others are asked only
/// where the first is silent, so that what the first answers counts.
fn elsewhere(
    walker: &Walker,
    state: &dyn Read,
    scope: &Scope,
    ask: &Ask,
) -> Result<Option<Reach>, OperatorFailure> {
    let (To::Name(host), Some(id)) = (&ask.to, interface(&ask.source)) else { return Ok(None) };
    let Some(sender) = walker.topology().interfaces.get(id) else { return Ok(None) };
    let vpc = &sender.vpc;
    let told = ec2::name_service_of_vpc(state, scope, vpc)
        .map_err(|error| OperatorFailure::Failed(error.to_string()))?;
    Ok(match told.servers.first() {
        Some(None) => None,
        Some(Some(server)) if walker.is_resolver(vpc, *server) => None,
        first => Some(asked_elsewhere(host, vpc, first.copied().flatten())),
    })
}

/// Answers the command.
pub(crate) fn answer(node: &Node, asked: &Asked) -> Result<Value, OperatorFailure> {
    let found = find(node, asked)?;
    Ok(json!({
        "Reached": found.reach.outcome == Outcome::Reached,
        "Text": tell::text(&found),
        "Finding": found.reach,
    }))
}

fn packet(
    protocol: Protocol,
    port: Option<u16>,
    source: IpAddr,
) -> Result<Packet, OperatorFailure> {
    let invalid = |text: &str| Err(OperatorFailure::Invalid(text.to_owned()));
    match (protocol, port) {
        (Protocol::Tcp, port) => Ok(Packet::Port { protocol: TCP, port: port.unwrap_or(HTTPS) }),
        (Protocol::Udp, Some(port)) => Ok(Packet::Port { protocol: UDP, port }),
        (Protocol::Udp, None) => invalid("UDP needs a port: write TO:PORT"),
        (Protocol::Icmp, Some(_)) => invalid("ICMP has no ports: write TO alone"),
        // An echo request.
        (Protocol::Icmp, None) => Ok(match source {
            IpAddr::V4(_) => Packet::Icmp { protocol: ICMP, kind: 8, code: 0 },
            IpAddr::V6(_) => Packet::Icmp { protocol: ICMPV6, kind: 128, code: 0 },
        }),
    }
}

/// The public address of a service that gateway endpoints are for: one of its prefix list.
fn behind_gateway(topology: &Topology, scope: &Scope, name: &str) -> Option<Vec<IpAddr>> {
    let region = scope.region.as_str();
    topology.prefix_lists.values().find_map(|list| {
        let service = list.name.rsplit('.').next().filter(|it| matches!(*it, "s3" | "dynamodb"))?;
        let host = place::host_of(&list.name, region)?;
        // Buckets of S3 are names below the service's.
        let own = name == host || (service == "s3" && name.ends_with(&format!(".{host}")));
        let block = list.blocks.iter().find(|block| block.addr().is_ipv4())?;
        own.then(|| block.hosts().take(1).collect())
    })
}

/// The interface of a source, if it is one.
pub(crate) fn interface(source: &Source) -> Option<&str> {
    match source {
        Source::Interface { id, .. } => Some(id),
        Source::Internet { .. } => None,
    }
}

/// A target as people write it.
fn target_text(to: &To) -> String {
    match to {
        To::Name(name) => name.clone(),
        To::Address(address) => address.to_string(),
    }
}
