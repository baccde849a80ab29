//! A topology in a few lines of text, for tables of test cases and examples.
//!
//! One object a line, with the ids in full; a later line about the same object replaces an earlier
//! one. `#` begins a comment.
//!
//! ```text
//! vpc vpc-a 10.0.0.0/16,2001:db8::/56 igw=igw-a eigw=eigw-a dns=off hostnames=off
//! subnet subnet-a vpc-a 10.0.1.0/24 rtb=rtb-a acl=acl-a az=us-west-2a
//! rtb rtb-a vpc-a 0.0.0.0/0>igw-a pl-s3>vpce-s3      (local routes come by themselves)
//! eni eni-a subnet-a 10.0.1.4 public=203.0.113.4 sg=sg-a,sg-b nocheck service
//! in sg-a tcp:443 10.0.0.0/8                          (a rule; `out` for the other way)
//! in acl-a 100 allow tcp:443 10.0.0.0/8               (an entry)
//! nat nat-a subnet-a 10.0.1.5 public=203.0.113.5 pending
//! pcx pcx-ab vpc-a vpc-b pending names=vpc-a,vpc-b   (public names that lead to private addresses)
//! endpoint vpce-1 vpc-a com.amazonaws.us-west-2.sts subnet-a=10.0.1.6 sg=sg-a private=NAME pending
//! gateway vpce-s3 vpc-a com.amazonaws.us-west-2.s3 pl-s3 pending
//! pl pl-s3 198.51.100.0/24
//! drop igw-a
//! ```
//!
//! A subnet without a table has one with the local routes alone, without an ACL one that allows
//! everything; an interface without groups has one that allows everything. Groups and ACLs that
//! only rules name are empty ones of the VPC that `sg` or `acl` lines give, or of the first VPC.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::endpoint_name;
use crate::security_group::{ICMP, ICMPV6, Packet, Peer, Protocol, Rule};
use crate::topology::{
    AclEntry, Address, Destination, Endpoint, EndpointKind, GroupRule, Interface, NatGateway,
    NetworkAcl, Peering, PrefixList, Role, Route, RouteTable, SecurityGroup, Subnet, Target,
    Topology, Vpc,
};
use crate::walk::{Question, Source};

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}: {line}")]
pub struct SketchError {
    /// The line.
    pub line: String,
    /// What is wrong with it.
    pub problem: String,
}

type Read<T> = Result<T, String>;

/// Reads a sketch.
///
/// # Errors
/// [`SketchError`] names the first line that cannot be read.
pub fn topology(text: &str) -> Result<Topology, SketchError> {
    let mut made = Topology::default();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            read(&mut made, line)
                .map_err(|problem| SketchError { line: line.to_owned(), problem })?;
        }
    }
    complete(&mut made);
    Ok(made)
}

/// Reads `eni-a > 10.0.1.4 tcp:443`. The source is an interface (`eni-a@10.0.9.9` for another
/// address than its own) or `internet@198.51.100.7`; the destination is an address, an interface
/// (its first address of the source's version) or `eni-a.public`. The source port is 40000.
///
/// # Errors
/// [`SketchError`].
pub fn question(topology: &Topology, text: &str) -> Result<Question, SketchError> {
    asked(topology, text).map_err(|problem| SketchError { line: text.to_owned(), problem })
}

fn asked(topology: &Topology, text: &str) -> Read<Question> {
    let (from, rest) = text.split_once('>').ok_or("no > between source and destination")?;
    let mut words = rest.split_whitespace();
    let to = words.next().ok_or("no destination")?;
    let packet = packet(words.next().ok_or("no packet")?)?;
    let (name, address) = match from.trim().split_once('@') {
        Some((name, address)) => (name, Some(parse::<IpAddr>(address)?)),
        None => (from.trim(), None),
    };
    let v6_wanted = to.parse::<IpAddr>().map_or(to.ends_with(".v6"), |it| it.is_ipv6());
    let own = |id: &str, v6: bool| {
        let interface = topology.interfaces.get(id).ok_or(format!("no interface {id}"))?;
        let found = interface.addresses.iter().find(|it| it.private.is_ipv6() == v6);
        found.copied().ok_or(format!("{id} has no such address"))
    };
    let source = match (name, address) {
        ("internet", Some(address)) => Source::Internet { address },
        ("internet", None) => return Err("the internet needs an address".into()),
        (id, Some(address)) => Source::Interface { id: id.into(), address },
        (id, None) => Source::Interface { id: id.into(), address: own(id, v6_wanted)?.private },
    };
    let destination = if let Ok(address) = to.parse() {
        address
    } else if let Some(id) = to.strip_suffix(".public") {
        own(id, false)?.public.map(IpAddr::V4).ok_or(format!("{id} has no public address"))?
    } else if let Some(id) = to.strip_suffix(".v6") {
        own(id, true)?.private
    } else {
        own(to, false)?.private
    };
    Ok(Question { source, destination, packet, source_port: 40_000 })
}

fn packet(text: &str) -> Read<Packet> {
    let (protocol, from, to) = protocol(text)?;
    let Protocol::Number(number) = protocol else { return Err("a packet has a protocol".into()) };
    let small = |number: i32| u8::try_from(number).unwrap_or(0);
    Ok(match number {
        ICMP | ICMPV6 => {
            let echo = if number == ICMP { 8 } else { 128 };
            let kind = if from < 0 { echo } else { small(from) };
            Packet::Icmp { protocol: number, kind, code: small(to) }
        }
        _ if protocol.has_ports() => {
            Packet::Port { protocol: number, port: u16::try_from(from).map_err(|e| e.to_string())? }
        }
        protocol => Packet::Other { protocol },
    })
}

/// `tcp:443`, `tcp:1-5`, `tcp` (all ports), `icmp:8:0`, `icmp` (all types), `47`, `all`.
fn protocol(text: &str) -> Read<(Protocol, i32, i32)> {
    let mut parts = text.split(':');
    let protocol = Protocol::parse(parts.next().unwrap_or_default()).ok_or("no such protocol")?;
    let (first, second) = (parts.next(), parts.next());
    if protocol.has_types() {
        let number = |part: Option<&str>| part.map_or(Ok(-1), parse::<i32>);
        return Ok((protocol, number(first)?, number(second)?));
    }
    if !protocol.has_ports() {
        return Ok((protocol, -1, -1));
    }
    let Some(ports) = first else { return Ok((protocol, 0, 65_535)) };
    let (from, to) = ports.split_once('-').unwrap_or((ports, ports));
    Ok((protocol, parse(from)?, parse(to)?))
}

fn parse<T: FromStr>(text: &str) -> Read<T> {
    text.parse().map_err(|_| format!("{text} cannot be read"))
}

fn blocks(text: &str) -> Read<Vec<IpNet>> {
    text.split(',').map(parse).collect()
}

/// The words of a line: those in order, and the options behind them.
struct Words<'a> {
    plain: Vec<&'a str>,
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    fn of(line: &'a str) -> Self {
        let (mut plain, mut options) = (Vec::new(), Vec::new());
        for word in line.split_whitespace().skip(1) {
            match word.split_once('=') {
                Some(option) => options.push(option),
                None => plain.push(word),
            }
        }
        Self { plain, options }
    }

    fn at(&self, index: usize) -> Read<&'a str> {
        self.plain.get(index).copied().ok_or_else(|| format!("word {} is missing", index + 1))
    }

    fn owned(&self, index: usize) -> Read<String> {
        self.at(index).map(str::to_owned)
    }

    fn option(&self, name: &str) -> Option<&'a str> {
        self.options.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    fn list(&self, name: &str) -> Vec<String> {
        self.option(name).map(|it| it.split(',').map(str::to_owned).collect()).unwrap_or_default()
    }

    fn has(&self, word: &str) -> bool {
        self.plain.contains(&word)
    }
}

fn read(made: &mut Topology, line: &str) -> Read<()> {
    let words = Words::of(line);
    let id = words.owned(0)?;
    let first_vpc = || made.vpcs.keys().next().cloned().unwrap_or_default();
    match line.split_whitespace().next().unwrap_or_default() {
        "vpc" => {
            let vpc = Vpc {
                account: "123456789012".into(),
                blocks: blocks(words.at(1)?)?,
                dns_support: words.option("dns") != Some("off"),
                dns_hostnames: words.option("hostnames") != Some("off"),
                internet_gateway: words.option("igw").map(str::to_owned),
                egress_only_gateways: words.list("eigw"),
            };
            made.vpcs.insert(id, vpc);
        }
        "subnet" => {
            let vpc = words.owned(1)?;
            let or = |name: &str, other: &str| {
                words.option(name).map_or_else(|| format!("{other}-{vpc}"), str::to_owned)
            };
            let subnet = Subnet {
                route_table: or("rtb", "rtb-main"),
                network_acl: or("acl", "acl-open"),
                blocks: blocks(words.at(2)?)?,
                zone: words.option("az").unwrap_or("us-west-2a").into(),
                vpc,
            };
            made.subnets.insert(id, subnet);
        }
        "rtb" => {
            let routes = words.plain.iter().skip(2).map(|it| route(it)).collect::<Read<_>>()?;
            made.route_tables.insert(id, RouteTable { vpc: words.owned(1)?, routes });
        }
        "eni" => {
            let role = if words.has("service") { Role::Service } else { Role::Host };
            let groups = words.list("sg");
            let mut interface = interface(made, words.at(1)?, words.at(2)?, groups, role)?;
            interface.source_dest_check = !words.has("nocheck");
            publish(&mut interface, &words)?;
            made.interfaces.insert(id, interface);
        }
        "sg" => {
            let group =
                SecurityGroup { vpc: words.owned(1)?, ingress: Vec::new(), egress: Vec::new() };
            made.security_groups.insert(id, group);
        }
        "acl" => {
            let acl = NetworkAcl { vpc: words.owned(1)?, ingress: Vec::new(), egress: Vec::new() };
            made.network_acls.insert(id, acl);
        }
        way @ ("in" | "out") if id.starts_with("sg-") => {
            let vpc = first_vpc();
            let (protocol, from, to) = protocol(words.at(1)?)?;
            let rule = Rule { protocol, from, to, peer: peer(words.at(2)?)? };
            let group = made.security_groups.entry(id.clone()).or_insert_with(|| SecurityGroup {
                vpc,
                ingress: Vec::new(),
                egress: Vec::new(),
            });
            let rules = if way == "in" { &mut group.ingress } else { &mut group.egress };
            let name = id.strip_prefix("sg-").unwrap_or_default();
            rules.push(GroupRule { id: format!("sgr-{name}-{way}{}", rules.len() + 1), rule });
        }
        way @ ("in" | "out") => {
            let vpc = first_vpc();
            let (protocol, from, to) = protocol(words.at(3)?)?;
            let allow = words.at(2)? == "allow";
            let entry = AclEntry {
                number: parse(words.at(1)?)?,
                protocol,
                from,
                to,
                block: parse(words.at(4)?)?,
                allow,
            };
            let empty = NetworkAcl { vpc, ingress: Vec::new(), egress: Vec::new() };
            let acl = made.network_acls.entry(id).or_insert(empty);
            let entries = if way == "in" { &mut acl.ingress } else { &mut acl.egress };
            entries.push(entry);
            entries.sort_by_key(|entry| entry.number);
        }
        "nat" => {
            let card = format!("eni-{id}");
            let role = Role::NatGateway(id.clone());
            let mut interface = interface(made, words.at(1)?, words.at(2)?, Vec::new(), role)?;
            publish(&mut interface, &words)?;
            let gateway = NatGateway {
                vpc: interface.vpc.clone(),
                subnet: interface.subnet.clone(),
                interface: card.clone(),
                available: !words.has("pending"),
                public: words.option("public").is_some(),
            };
            made.interfaces.insert(card, interface);
            made.nat_gateways.insert(id, gateway);
        }
        "pcx" => {
            let (requester, accepter) = (words.owned(1)?, words.owned(2)?);
            let active = !words.has("pending");
            let names = words.list("names");
            let named = |vpc: &String| names.contains(vpc);
            let (requester_names, accepter_names) = (named(&requester), named(&accepter));
            let peering = Peering { requester, accepter, active, requester_names, accepter_names };
            made.peerings.insert(id, peering);
        }
        "endpoint" => endpoint(made, id, &words)?,
        "gateway" => {
            let endpoint = Endpoint {
                vpc: words.owned(1)?,
                service: words.owned(2)?,
                available: !words.has("pending"),
                kind: EndpointKind::Gateway { prefix_list: words.owned(3)? },
            };
            made.endpoints.insert(id, endpoint);
        }
        "pl" => {
            let blocks = blocks(words.at(1)?)?;
            let max_entries = u32::try_from(blocks.len()).unwrap_or(u32::MAX);
            made.prefix_lists.insert(id.clone(), PrefixList { name: id, blocks, max_entries });
        }
        "drop" => drop_object(made, &id),
        other => return Err(format!("there is no {other}")),
    }
    Ok(())
}

fn drop_object(made: &mut Topology, id: &str) {
    made.interfaces.remove(id);
    made.nat_gateways.remove(id);
    made.peerings.remove(id);
    made.endpoints.remove(id);
    made.route_tables.remove(id);
    made.network_acls.remove(id);
    made.security_groups.remove(id);
    for vpc in made.vpcs.values_mut() {
        vpc.internet_gateway.take_if(|it| it == id);
        vpc.egress_only_gateways.retain(|it| it != id);
    }
}

fn route(text: &str) -> Read<Route> {
    let (to, by) = text.split_once('>').ok_or("a route is written DESTINATION>TARGET")?;
    let destination = if to.starts_with("pl-") {
        Destination::PrefixList(to.into())
    } else {
        Destination::Block(parse(to)?)
    };
    let id = by.to_owned();
    let target = match by.split_once('-').map_or(by, |(kind, _)| kind) {
        "local" => Target::Local,
        "igw" => Target::InternetGateway(id),
        "eigw" => Target::EgressOnlyInternetGateway(id),
        "nat" => Target::NatGateway(id),
        "pcx" => Target::Peering(id),
        "vpce" => Target::GatewayEndpoint(id),
        "eni" => Target::Interface(id),
        other => return Err(format!("there is no target {other}")),
    };
    Ok(Route { destination, target })
}

fn peer(text: &str) -> Read<Peer> {
    if text.starts_with("sg-") {
        return Ok(Peer::Group(text.into()));
    }
    if text.starts_with("pl-") {
        return Ok(Peer::PrefixList(text.into()));
    }
    Ok(match parse::<IpNet>(text)? {
        IpNet::V4(net) => Peer::V4(net),
        IpNet::V6(net) => Peer::V6(net),
    })
}

fn interface(
    made: &Topology,
    subnet: &str,
    addresses: &str,
    groups: Vec<String>,
    role: Role,
) -> Read<Interface> {
    let vpc = made.subnets.get(subnet).ok_or(format!("there is no {subnet}"))?.vpc.clone();
    let groups = if groups.is_empty() && !matches!(role, Role::NatGateway(_)) {
        vec![format!("sg-open-{vpc}")]
    } else {
        groups
    };
    let addresses = addresses
        .split(',')
        .map(|it| Ok(Address { private: parse(it)?, public: None }))
        .collect::<Read<Vec<_>>>()?;
    Ok(Interface { vpc, subnet: subnet.into(), addresses, groups, source_dest_check: true, role })
}

fn publish(interface: &mut Interface, words: &Words<'_>) -> Read<()> {
    if let Some(public) = words.option("public") {
        let first = interface.addresses.iter_mut().find(|it| it.private.is_ipv4());
        first.ok_or("a public address needs a private one")?.public = Some(parse(public)?);
    }
    Ok(())
}

fn endpoint(made: &mut Topology, id: String, words: &Words<'_>) -> Read<()> {
    const HASH: &str = "a1b2c3d4";
    let service = words.owned(2)?;
    let region = "us-west-2";
    // `com.amazonaws.us-west-2.sagemaker.api` has names below `api.sagemaker.us-west-2…`.
    let mut parts: Vec<&str> = service.split('.').skip(3).collect();
    parts.reverse();
    let short = parts.join(".");
    let base = format!("{short}.{region}.vpce.amazonaws.com");
    let (mut interfaces, mut zonal) = (Vec::new(), Vec::new());
    for (subnet, address) in words.options.iter().filter(|(key, _)| key.starts_with("subnet-")) {
        let card = format!("eni-{id}-{subnet}");
        let role = Role::Endpoint(id.clone());
        let interface = interface(made, subnet, address, words.list("sg"), role)?;
        made.interfaces.insert(card.clone(), interface);
        let zone = made.subnets.get(*subnet).map_or("", |it| it.zone.as_str());
        zonal.push((endpoint_name::zonal(&id, HASH, zone, &base), vec![card.clone()]));
        interfaces.push(card);
    }
    let mut names = vec![(endpoint_name::regional(&id, HASH, &base), interfaces.clone())];
    names.extend(zonal);
    names.extend(words.option("private").map(|name| (name.to_owned(), interfaces.clone())));
    let private_dns = words.option("private").is_some();
    let endpoint = Endpoint {
        vpc: words.owned(1)?,
        service,
        available: !words.has("pending"),
        kind: EndpointKind::Interface { interfaces, private_dns, names },
    };
    made.endpoints.insert(id, endpoint);
    Ok(())
}

/// Local routes, and what allows everything where nothing was said.
fn complete(made: &mut Topology) {
    for (id, vpc) in &made.vpcs {
        let table = RouteTable { vpc: id.clone(), routes: Vec::new() };
        made.route_tables.entry(format!("rtb-main-{id}")).or_insert(table);
        let allow = |text: &str| {
            Some(AclEntry {
                number: 100,
                protocol: Protocol::All,
                from: -1,
                to: -1,
                block: text.parse().ok()?,
                allow: true,
            })
        };
        let entries: Vec<_> = ["0.0.0.0/0", "::/0"].into_iter().filter_map(allow).collect();
        let acl = NetworkAcl { vpc: id.clone(), ingress: entries.clone(), egress: entries };
        made.network_acls.entry(format!("acl-open-{id}")).or_insert(acl);
        let any = |way: &str| {
            let peers = ["0.0.0.0/0", "::/0"].into_iter().filter_map(|text| peer(text).ok());
            peers
                .enumerate()
                .map(|(at, peer)| GroupRule {
                    id: format!("sgr-open-{way}{}", at + 1),
                    rule: Rule { protocol: Protocol::All, from: -1, to: -1, peer },
                })
                .collect::<Vec<_>>()
        };
        let group = SecurityGroup { vpc: id.clone(), ingress: any("in"), egress: any("out") };
        made.security_groups.entry(format!("sg-open-{id}")).or_insert(group);
        for table in made.route_tables.values_mut().filter(|table| table.vpc == *id) {
            for block in vpc.blocks.iter().rev() {
                let destination = Destination::Block(*block);
                if !table.routes.iter().any(|route| route.destination == destination) {
                    table.routes.insert(0, Route { destination, target: Target::Local });
                }
            }
        }
    }
}
