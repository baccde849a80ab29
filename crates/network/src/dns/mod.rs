//! What a VPC's resolver answers: private names of endpoints, private hosted zones, the names of
//! network interfaces, the names that endpoints have everywhere, and public names.
//!
//! Rules: Amazon VPC User Guide, "DNS attributes for your VPC"; AWS PrivateLink Guide, "DNS
//! hostnames"; Route 53 Developer Guide, "Considerations when working with a private hosted zone":
//! the most specific zone answers alone, and what it does not have does not exist, even if the
//! public name does. Wildcards: RFC 4592.

mod routed;
mod text;
mod zone;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::endpoint_name;
use crate::topology::{Endpoint, EndpointKind, Topology};

pub use text::{labels_of, text_of};
pub use zone::{Content, HostedZone, RecordSet, Routing};

/// The type of IPv4 addresses (IANA, "DNS parameters").
pub const A: u16 = 1;
/// The type of other names.
pub const CNAME: u16 = 5;
/// The type of IPv6 addresses.
pub const AAAA: u16 = 28;

/// How many names may refer to each other until an answer is given up.
const LONGEST_CHAIN: usize = 8;

/// How long the names of endpoints and interfaces may be kept, in seconds; what AWS's have.
const TTL: u32 = 60;

/// One value of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Data {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// Another name.
    Cname(String),
    /// Any other type.
    Other {
        /// Its number.
        kind: u16,
        /// Its value in the form of a zone file.
        text: String,
        /// Its value as it is sent (RFC 1035, 3.2.1).
        #[serde(skip)]
        wire: Vec<u8>,
    },
}

impl Data {
    /// The number of its type.
    #[must_use]
    pub fn kind(&self) -> u16 {
        match self {
            Self::A(_) => A,
            Self::Aaaa(_) => AAAA,
            Self::Cname(_) => CNAME,
            Self::Other { kind, .. } => *kind,
        }
    }

    /// The address, if it is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::A(address) => Some(IpAddr::V4(*address)),
            Self::Aaaa(address) => Some(IpAddr::V6(*address)),
            Self::Cname(_) | Self::Other { .. } => None,
        }
    }
}

impl From<IpAddr> for Data {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::A(address),
            IpAddr::V6(address) => Self::Aaaa(address),
        }
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Record {
    /// Its name, lower case and without the last dot; `*.` at the beginning is a wildcard.
    pub name: String,
    /// How long it may be kept, in seconds.
    pub ttl: u32,
    /// Its value.
    pub data: Data,
}

/// Whether there is an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Status {
    /// There is.
    Found,
    /// The name exists, but nothing of this type.
    NoData,
    /// The name does not exist (NXDOMAIN).
    NameError,
    /// Names that refer to each other without an end (SERVFAIL).
    Failure,
    /// Nobody answers the question at all.
    NoResolver,
}

/// Why an endpoint does not answer for its service's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum PassedOver {
    /// Its private DNS is off.
    PrivateDnsOff,
    /// `enableDnsHostnames` of the VPC is off.
    DnsHostnamesOff,
    /// It is not available.
    NotAvailable,
}

/// Who gave the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "Kind", rename_all_fields = "PascalCase")]
pub enum Reason {
    /// The private DNS of an endpoint.
    PrivateName {
        /// `vpce-…`.
        endpoint: String,
    },
    /// An endpoint's own name, which leads to its private addresses from everywhere.
    EndpointName {
        /// `vpce-…`.
        endpoint: String,
    },
    /// A private hosted zone.
    HostedZone {
        /// `Z…`.
        id: String,
    },
    /// The name of an interface's address.
    InterfaceName,
    /// Names of interfaces are off, since one of `enableDnsSupport` and `enableDnsHostnames` is.
    InterfaceNamesOff,
    /// Public DNS.
    Public {
        /// Endpoints of this service in the VPC that do not answer for it.
        passed_over: Vec<(String, PassedOver)>,
    },
    /// `enableDnsSupport` is off, or there is no such VPC.
    ResolverOff,
    /// It is no name.
    Malformed,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    /// Whether there is one.
    pub status: Status,
    /// The records in their order, those of names on the way first. Whoever serves them may turn
    /// them round: AWS does.
    pub records: Vec<Record>,
    /// Who gave the last of it.
    pub reason: Reason,
}

impl Answer {
    fn empty(status: Status, reason: Reason) -> Self {
        Self { status, records: Vec::new(), reason }
    }

    /// The addresses.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.records.iter().filter_map(|record| record.data.address()).collect()
    }
}

/// What is known of names in one region.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    /// Its networks.
    pub topology: &'a Topology,
    /// The region's name.
    pub region: &'a str,
    /// Private hosted zones.
    pub zones: &'a [HostedZone],
    /// The addresses of a public name (lower case, without the last dot); `None` if it does not
    /// exist.
    pub public: &'a dyn Fn(&str) -> Option<Vec<IpAddr>>,
    /// Which of so many answers is given, where it is drawn: [`first`], or a number at random.
    pub draw: &'a dyn Fn(u64) -> u64,
}

/// Always the first, for those who want the same answer every time.
#[must_use]
pub const fn first(_: u64) -> u64 {
    0
}

impl Names<'_> {
    /// What the resolver of `vpc` answers; without a VPC, what the internet does. `kind` is the
    /// number of the record type.
    #[must_use]
    pub fn resolve(&self, vpc: Option<&str>, name: &str, kind: u16) -> Answer {
        let mut name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if let Some(vpc) = vpc
            && !self.topology.vpcs.get(vpc).is_some_and(|it| it.dns_support)
        {
            return Answer::empty(Status::NoResolver, Reason::ResolverOff);
        }
        if !is_name(&name) {
            return Answer::empty(Status::NameError, Reason::Malformed);
        }
        let mut chain = Vec::new();
        let mut last = Reason::Malformed;
        for _ in 0..LONGEST_CHAIN {
            let mut answer = self.once(vpc, &name, kind);
            let next = match answer.records.first() {
                Some(Record { data: Data::Cname(next), .. }) if kind != CNAME => Some(next.clone()),
                _ => None,
            };
            chain.append(&mut answer.records);
            let Some(next) = next else { return Answer { records: chain, ..answer } };
            last = answer.reason;
            name = next.strip_suffix('.').unwrap_or(&next).to_ascii_lowercase();
            if !is_name(&name) {
                break;
            }
        }
        Answer::empty(Status::Failure, last)
    }

    fn once(&self, vpc: Option<&str>, name: &str, kind: u16) -> Answer {
        if let Some(answer) = vpc.and_then(|vpc| self.in_zones(vpc, name, kind)) {
            return answer;
        }
        if let Some(answer) = self.of_interface(vpc, name, kind) {
            return answer;
        }
        if let Some(answer) = self.of_endpoint(name, kind) {
            return answer;
        }
        let reason = Reason::Public { passed_over: self.passed_over(vpc, name) };
        match (self.public)(name) {
            None => Answer::empty(Status::NameError, reason),
            Some(addresses) => self.addresses(name, kind, addresses, reason),
        }
    }

    /// By a name that an endpoint has everywhere.
    fn of_endpoint(&self, name: &str, kind: u16) -> Option<Answer> {
        endpoint_name::parse(name)?;
        let (id, endpoint, interfaces) = self.endpoint_named(name)?;
        let reason = Reason::EndpointName { endpoint: id.to_owned() };
        if !endpoint.available {
            return Some(Answer::empty(Status::NameError, reason));
        }
        Some(self.addresses(name, kind, self.of_interfaces(interfaces), reason))
    }

    fn addresses(&self, name: &str, kind: u16, all: Vec<IpAddr>, reason: Reason) -> Answer {
        let records: Vec<Record> = all
            .into_iter()
            .map(Data::from)
            .filter(|data| data.kind() == kind)
            .map(|data| Record { name: name.to_owned(), ttl: TTL, data })
            .collect();
        let status = if records.is_empty() { Status::NoData } else { Status::Found };
        Answer { status, records, reason }
    }

    /// Private hosted zones, the hidden ones of endpoints among them. They need both attributes of
    /// the VPC.
    fn in_zones(&self, vpc: &str, name: &str, kind: u16) -> Option<Answer> {
        if !self.has_private_names(vpc) {
            return None;
        }
        let hosted = self.zones.iter().filter(|zone| zone.vpcs.iter().any(|it| it == vpc));
        let hosted = hosted.filter(|zone| zone::is_in(name, &zone.name));
        let hosted = hosted.max_by_key(|zone| zone.name.len());
        let hidden = self.hidden(vpc, name);
        // Two zones of the same name cannot be associated with a VPC.
        match (hosted, hidden) {
            (hosted, Some((id, zone)))
                if hosted.is_none_or(|it| it.name.len() < zone.name.len()) =>
            {
                let reason = Reason::PrivateName { endpoint: id.to_owned() };
                Some(self.in_zone(&zone, name, kind, reason))
            }
            (Some(zone), _) => {
                let reason = Reason::HostedZone { id: zone.id.clone() };
                Some(self.in_zone(zone, name, kind, reason))
            }
            (None, _) => None,
        }
    }

    fn has_private_names(&self, vpc: &str) -> bool {
        self.topology.vpcs.get(vpc).is_some_and(|it| it.dns_support && it.dns_hostnames)
    }

    /// The most specific of the zones that the endpoints' private names make.
    fn hidden(&self, vpc: &str, name: &str) -> Option<(&str, HostedZone)> {
        let mut best: Option<(&str, &str, Vec<IpAddr>)> = None;
        for (id, endpoint) in &self.topology.endpoints {
            let EndpointKind::Interface { private_dns: true, names, .. } = &endpoint.kind else {
                continue;
            };
            if endpoint.vpc != vpc || !endpoint.available {
                continue;
            }
            for (private, interfaces) in names {
                let zone = zone_of(private);
                let longer =
                    best.as_ref().is_none_or(|(_, best, _)| zone.len() > zone_of(best).len());
                if endpoint_name::parse(private).is_none() && zone::is_in(name, zone) && longer {
                    best = Some((id, private, self.of_interfaces(interfaces)));
                }
            }
        }
        let (id, private, addresses) = best?;
        let record =
            |address| Record { name: private.to_owned(), ttl: TTL, data: Data::from(address) };
        let records = addresses.into_iter().map(record).collect();
        Some((id, HostedZone::of_records(id, zone_of(private), Vec::new(), records)))
    }

    fn of_interfaces(&self, interfaces: &[String]) -> Vec<IpAddr> {
        let found = interfaces.iter().filter_map(|id| self.topology.interfaces.get(id));
        found.flat_map(|it| it.addresses.iter().map(|address| address.private)).collect()
    }

    fn endpoint_named(&self, name: &str) -> Option<(&str, &Endpoint, &[String])> {
        self.topology.endpoints.iter().find_map(|(id, endpoint)| {
            let EndpointKind::Interface { names, .. } = &endpoint.kind else { return None };
            let (_, interfaces) = names.iter().find(|(own, _)| own.eq_ignore_ascii_case(name))?;
            Some((id.as_str(), endpoint, interfaces.as_slice()))
        })
    }

    /// `ip-10-0-0-4.us-west-2.compute.internal` and `ec2-203-0-113-4.us-west-2.compute.amazonaws.com`;
    /// in us-east-1 they end on `.ec2.internal` and `.compute-1.amazonaws.com`.
    fn of_interface(&self, vpc: Option<&str>, name: &str, kind: u16) -> Option<Answer> {
        let (label, domain) = name.split_once('.')?;
        let first = self.region == "us-east-1";
        let inside =
            if first { "ec2.internal" } else { &format!("{}.compute.internal", self.region) };
        let outside = if first {
            "compute-1.amazonaws.com"
        } else {
            &format!("{}.compute.amazonaws.com", self.region)
        };
        if let (Some(label), Some(vpc)) =
            (label.strip_prefix("ip-").filter(|_| domain == inside), vpc)
        {
            let address = dashed(label)?;
            if !self.has_private_names(vpc) {
                return Some(Answer::empty(Status::NameError, Reason::InterfaceNamesOff));
            }
            // Of other VPCs, names of private addresses alone (RFC 1918).
            let held = self.topology.interfaces.values().any(|it| {
                let own = it.vpc == vpc || address.is_private();
                own && it.addresses.iter().any(|it| it.private == IpAddr::V4(address))
            });
            let reason = Reason::InterfaceName;
            return Some(if held {
                self.addresses(name, kind, vec![IpAddr::V4(address)], reason)
            } else {
                Answer::empty(Status::NameError, reason)
            });
        }
        let label = label.strip_prefix("ec2-").filter(|_| domain == outside)?;
        let public = dashed(label)?;
        let (holder, private) = self.topology.interfaces.values().find_map(|it| {
            let address = it.addresses.iter().find(|address| address.public == Some(public))?;
            Some((it, address.private))
        })?;
        if !self.has_private_names(&holder.vpc) {
            return Some(Answer::empty(Status::NameError, Reason::InterfaceNamesOff));
        }
        // Within its own VPC the name leads to the private address, and in a peered one if it may.
        let inside = vpc.is_some_and(|vpc| vpc == holder.vpc || self.reach(vpc, &holder.vpc));
        let address = if inside { private } else { IpAddr::V4(public) };
        Some(self.addresses(name, kind, vec![address], Reason::InterfaceName))
    }

    /// Whether a peering connection has public names of one VPC lead to private addresses in another.
    fn reach(&self, from: &str, at: &str) -> bool {
        self.topology.peerings.values().any(|peering| peering.names_reach(from, at))
    }

    /// Endpoints of the VPC whose service has this name, but that do not answer for it.
    fn passed_over(&self, vpc: Option<&str>, name: &str) -> Vec<(String, PassedOver)> {
        let Some(vpc) = vpc else { return Vec::new() };
        let mut found = Vec::new();
        for (id, endpoint) in self.topology.endpoints.iter().filter(|(_, it)| it.vpc == vpc) {
            let EndpointKind::Interface { private_dns, .. } = &endpoint.kind else { continue };
            let Some(own) = name_of_service(&endpoint.service) else { continue };
            if !endpoint_name::matches(&own, name) {
                continue;
            }
            let why = if !endpoint.available {
                PassedOver::NotAvailable
            } else if !private_dns {
                PassedOver::PrivateDnsOff
            } else {
                PassedOver::DnsHostnamesOff
            };
            found.push((id.clone(), why));
        }
        found
    }
}

fn zone_of(private_name: &str) -> &str {
    private_name.strip_prefix("*.").unwrap_or(private_name)
}

/// The name by which a service is called, after the name of its endpoint service:
/// `com.amazonaws.us-west-2.sagemaker.api` is `api.sagemaker.us-west-2.amazonaws.com`, and
/// `aws.sagemaker.us-west-2.studio` is `*.studio.us-west-2.sagemaker.aws`.
fn name_of_service(service: &str) -> Option<String> {
    if let Some(rest) = service.strip_prefix("com.amazonaws.") {
        let (region, parts) = rest.split_once('.')?;
        let reversed: Vec<&str> = parts.rsplit('.').collect();
        return Some(format!("{}.{region}.amazonaws.com", reversed.join(".")));
    }
    let mut parts = service.strip_prefix("aws.sagemaker.")?.split('.');
    let (region, door) = (parts.next()?, parts.next()?);
    Some(format!("*.{door}.{region}.sagemaker.aws"))
}

/// `10-0-0-4` as an address.
fn dashed(text: &str) -> Option<Ipv4Addr> {
    if text.contains('.') { None } else { text.replace('-', ".").parse().ok() }
}

/// Whether a question can be asked for it (RFC 1035, 2.3.4).
fn is_name(name: &str) -> bool {
    let label = |label: &str| (1..=63).contains(&label.len()) && label.is_ascii();
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests;
