//! Whether a call reaches its service: from the name to the address, along the path, by the
//! endpoint's policy and the caller's permission, up to the first step that fails.
//!
//! Reachability Analyzer ends at the path. What stands before and behind it is judged here in the
//! same words: names by [`crate::dns`], permission by whoever asks.

use std::net::IpAddr;

use serde::Serialize;

use crate::arrival::Arrival;
use crate::dns::{self, Answer, Names, PassedOver, Reason, Status};
use crate::endpoint_name;
use crate::security_group::Packet;
use crate::topology::EndpointKind;
use crate::walk::{Code, Ports, Question, Receiver, Source, Walk, Walker};

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// A name, which is resolved first.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Who sends.
    pub source: Source,
    /// Where to.
    pub to: To,
    /// What.
    pub packet: Packet,
    /// From which ports, for TCP and UDP: from any of them it has to get there.
    pub source_ports: Ports,
}

/// What somebody else judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is allowed.
    pub allowed: bool,
    /// A word for what decided, such as `EndpointPolicy`.
    pub code: String,
    /// The same in a sentence.
    pub text: String,
}

/// What policies say about a call that arrives like this. `None` where there is nothing to ask: no
/// call was named, or the endpoint's service has no endpoint policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// The policy of the endpoint that it comes through.
    pub endpoint_policy: Option<Verdict>,
    /// The caller's permission.
    pub permission: Option<Verdict>,
}

/// On which layer a step is, in the order in which they count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Layer {
    /// From the name to an address.
    Dns,
    /// From the source to the address and back.
    Path,
    /// Whether who answers there has a certificate of that name.
    Tls,
    /// The policy of the endpoint.
    EndpointPolicy,
    /// The caller's permission.
    Iam,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Step {
    /// Where it is.
    pub layer: Layer,
    /// Whether it goes on from here.
    pub passed: bool,
    /// A code of Reachability Analyzer on the path, ours elsewhere; empty where it passed and there
    /// is nothing to tell.
    pub code: String,
    /// What was found, in words.
    pub text: String,
}

/// What became of one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Try {
    /// The address.
    pub address: IpAddr,
    /// The path there.
    pub walk: Walk,
    /// The ports from which a client gets there, where it does not from all that it may take.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub client_ports: Vec<Ports>,
    /// Steps from the path on, up to the first that fails.
    pub steps: Vec<Step>,
    /// The condition keys that a request has on its arrival there.
    pub condition_keys: Vec<(String, String)>,
}

impl Try {
    /// Whether no step fails.
    #[must_use]
    pub fn reached(&self) -> bool {
        self.steps.iter().all(|step| step.passed)
    }
}

/// What came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Outcome {
    /// By every address that the name has.
    Reached,
    /// By some addresses: clients get through or wait for a timeout, as the resolver turns the
    /// answer.
    Partly,
    /// By none from all ports that clients take, but by some address from some of these ports.
    FromSomePorts,
    /// By none.
    NotReached,
}

/// The whole finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Reach {
    /// What came out.
    pub outcome: Outcome,
    /// What the name led to, if a name was asked for and the VPC's resolver is the one to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// The step of the name, if a name was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Step>,
    /// Each address.
    pub tries: Vec<Try>,
}

impl Reach {
    /// The first step that fails, where one does.
    #[must_use]
    pub fn failure(&self) -> Option<&Step> {
        let tried = self.tries.iter().flat_map(|it| &it.steps);
        self.name.iter().chain(tried).find(|step| !step.passed)
    }
}

/// Finds out. `judge` is asked about each arrival at a service.
#[must_use]
pub fn reach(
    walker: &Walker,
    names: &Names<'_>,
    ask: &Ask,
    judge: &dyn Fn(&Arrival) -> Judgement,
) -> Reach {
    let (answer, name, addresses) = match &ask.to {
        To::Address(address) => (None, None, vec![*address]),
        To::Name(host) => {
            let (answer, step) = resolve(walker, names, ask, host);
            let addresses = if step.passed { answer.addresses() } else { Vec::new() };
            (Some(answer), Some(step), addresses)
        }
    };
    let hint = answer.as_ref().and_then(|answer| hint(&answer.reason));
    let public = answer.as_ref().is_some_and(|it| matches!(it.reason, Reason::Public { .. }));
    let tries: Vec<Try> = addresses
        .into_iter()
        .map(|address| {
            let walk = walk(walker, ask, address, public);
            one(walker, names.region, ask, walk, hint.as_deref(), judge)
        })
        .collect();
    let reached = tries.iter().filter(|it| it.reached()).count();
    let outcome = match reached {
        0 if tries.iter().any(|it| !it.client_ports.is_empty()) => Outcome::FromSomePorts,
        0 => Outcome::NotReached,
        all if all == tries.len() => Outcome::Reached,
        _ => Outcome::Partly,
    };
    Reach { outcome, answer, name, tries }
}

/// What is found of a name that the sender asks of another name server than the VPC's resolver, or of
/// none: nothing here knows what it would answer.
#[must_use]
pub fn asked_elsewhere(host: &str, vpc: &str, server: Option<IpAddr>) -> Reach {
    let (code, text) = match server {
        Some(server) => (
            "DNS_OTHER_SERVER",
            format!(
                "hosts of {vpc} ask {server} for {host}, as its DHCP options say, and what that answers is \
                 not known here: ask for the address that it gives, or name AmazonProvidedDNS first"
            ),
        ),
        None => (
            "DNS_NO_SERVER",
            format!(
                "the DHCP options of {vpc} name no server that could be asked for {host}: associate a set \
                 with the domain-name-servers AmazonProvidedDNS"
            ),
        ),
    };
    let name = Step { layer: Layer::Dns, passed: false, code: code.to_owned(), text };
    Reach { outcome: Outcome::NotReached, answer: None, name: Some(name), tries: Vec::new() }
}

fn resolve(walker: &Walker, names: &Names<'_>, ask: &Ask, host: &str) -> (Answer, Step) {
    let vpc = match &ask.source {
        // A sender that does not exist has no resolver either.
        Source::Interface { id, .. } => {
            Some(walker.topology().interfaces.get(id).map_or("", |it| it.vpc.as_str()))
        }
        Source::Internet { .. } => None,
    };
    let kind = if ask.source.address().is_ipv4() { dns::A } else { dns::AAAA };
    let answer = names.resolve(vpc, host, kind);
    let (code, text) = match answer.status {
        Status::Found if answer.addresses().is_empty() => {
            ("DNS_NO_DATA", format!("{host} has no address"))
        }
        Status::Found => {
            let found: Vec<String> = answer.addresses().iter().map(ToString::to_string).collect();
            ("", format!("{host} is {} ({})", found.join(", "), words(&answer.reason)))
        }
        Status::NoData => {
            let version = if kind == dns::A { "IPv4" } else { "IPv6" };
            let text = format!("{host} has no {version} address ({})", words(&answer.reason));
            ("DNS_NO_DATA", text)
        }
        Status::NameError => {
            ("DNS_NAME_ERROR", format!("{host} does not exist ({})", words(&answer.reason)))
        }
        Status::Failure => {
            ("DNS_FAILURE", format!("{host} leads from name to name without an end"))
        }
        Status::NoResolver => (
            "DNS_NO_RESOLVER",
            "the VPC has no resolver: turn enableDnsSupport on with ModifyVpcAttribute".to_owned(),
        ),
    };
    let step = Step { layer: Layer::Dns, passed: code.is_empty(), code: code.to_owned(), text };
    (answer, step)
}

/// The path to an address, which public DNS has answered or not.
fn walk(walker: &Walker, ask: &Ask, address: IpAddr, public: bool) -> (Question, Walk, Vec<Ports>) {
    let question = Question {
        source: ask.source.clone(),
        destination: address,
        packet: ask.packet,
        source_port: ask.source_ports.first,
    };
    let (mut walk, some) = walker.walk_of_client(&question, ask.source_ports);
    let comes_into_no_vpc = walk
        .explanation
        .as_ref()
        .is_some_and(|it| it.code == Code::IgwPrivateIpAssociationForIngress);
    if public && comes_into_no_vpc && matches!(ask.source, Source::Internet { .. }) {
        // Both are on the internet, between whose hosts nothing of a VPC stands.
        walk.explanation = None;
        walk.receiver = Some(Receiver::Internet { address });
    }
    (question, walk, some)
}

fn one(
    walker: &Walker,
    region: &str,
    ask: &Ask,
    (question, walk, client_ports): (Question, Walk, Vec<Ports>),
    hint: Option<&str>,
    judge: &dyn Fn(&Arrival) -> Judgement,
) -> Try {
    let address = question.destination;
    let mut tried =
        Try { address, walk, client_ports, steps: Vec::new(), condition_keys: Vec::new() };
    if let Some(explanation) = &tried.walk.explanation {
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        let only = match tried.client_ports.as_slice() {
            [] => String::new(),
            some => format!("reached only from client {}: ", listed(some)),
        };
        let text = format!("{only}{}{hint}", explanation.text);
        tried.fail(Layer::Path, explanation.code.as_str(), text);
        return tried;
    }
    tried.pass(Layer::Path, format!("{address} is reached"));
    if let Some(text) = wrong_name(walker, ask, &tried.walk) {
        tried.fail(Layer::Tls, "TLS_NAME_MISMATCH", text);
        return tried;
    }
    let Some(arrival) = walker.arrival(&question, &tried.walk, region) else { return tried };
    tried.condition_keys =
        arrival.keys().into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let judged = judge(&arrival);
    let verdicts =
        [(Layer::EndpointPolicy, judged.endpoint_policy), (Layer::Iam, judged.permission)];
    for (layer, verdict) in verdicts {
        let Some(verdict) = verdict else { continue };
        let passed = verdict.allowed;
        tried.steps.push(Step { layer, passed, code: verdict.code, text: verdict.text });
        if !passed {
            break;
        }
    }
    tried
}

impl Try {
    fn pass(&mut self, layer: Layer, text: String) {
        self.steps.push(Step { layer, passed: true, code: String::new(), text });
    }

    fn fail(&mut self, layer: Layer, code: &str, text: String) {
        self.steps.push(Step { layer, passed: false, code: code.to_owned(), text });
    }
}

/// The name that was called, where the endpoint that answers has no certificate of it.
fn wrong_name(walker: &Walker, ask: &Ask, walk: &Walk) -> Option<String> {
    let To::Name(host) = &ask.to else { return None };
    let Some(Receiver::InterfaceEndpoint { id, .. }) = &walk.receiver else { return None };
    let EndpointKind::Interface { names, .. } = &walker.topology().endpoints.get(id)?.kind else {
        return None;
    };
    let own: Vec<String> = names.iter().map(|(name, _)| name.clone()).collect();
    endpoint_name::is_misdirected(host, &own).then(|| {
        format!(
            "{id} has no certificate of {host}: call it by one of its names, {}",
            own.join(", ")
        )
    })
}

/// Ports as people list them: `ports 40000, 50000-50999`.
fn listed(ports: &[Ports]) -> String {
    if let [one] = ports {
        return one.to_string();
    }
    let each = ports.iter().map(|it| match (it.first, it.last) {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}-{last}"),
    });
    format!("ports {}", each.collect::<Vec<_>>().join(", "))
}

/// Who gave an answer, in words.
fn words(reason: &Reason) -> String {
    match reason {
        Reason::PrivateName { endpoint } => format!("the private DNS of {endpoint}"),
        Reason::EndpointName { endpoint } => format!("a name of {endpoint}"),
        Reason::HostedZone { id } => format!("the private hosted zone {id}"),
        Reason::InterfaceName => "a name of a network interface".to_owned(),
        Reason::InterfaceNamesOff => {
            "names of network interfaces need enableDnsSupport and enableDnsHostnames".to_owned()
        }
        Reason::Public { .. } => match hint(reason) {
            Some(hint) => format!("public DNS; {hint}"),
            None => "public DNS".to_owned(),
        },
        Reason::ResolverOff => "enableDnsSupport is off".to_owned(),
        Reason::Malformed => "it is no name of DNS".to_owned(),
    }
}

/// Why an endpoint that somebody may have had in mind was not led to.
fn hint(reason: &Reason) -> Option<String> {
    let Reason::Public { passed_over } = reason else { return None };
    let (endpoint, why) = passed_over.first()?;
    Some(match why {
        PassedOver::PrivateDnsOff => {
            format!("{endpoint} does not answer for this name: turn its private DNS on")
        }
        PassedOver::DnsHostnamesOff => format!(
            "{endpoint} does not answer for this name: turn enableDnsHostnames of its VPC on"
        ),
        PassedOver::NotAvailable => {
            format!("{endpoint} does not answer for this name until it is available")
        }
    })
}

#[cfg(test)]
mod tests;
