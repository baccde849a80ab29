//! What FROM and TO name: interfaces, subnets, addresses, endpoints, services, names, the internet.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sagegate_gate::Scope;
use sagegate_network::reach::To;
use sagegate_network::topology::{Address, EndpointKind, Interface, Role, Topology};
use sagegate_network::walk::Source;
use sagegate_server::OperatorFailure;
use sagegate_services::ec2;
use sagegate_services::ec2::endpoint_services;
use sagegate_store::Read;

use crate::operator::failure;

/// Who is meant by `internet`: addresses that RFC 5737 and RFC 3849 keep for documentation.
const SOMEBODY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const SOMEBODY_6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1);

/// The label that stands for any in a service's name that begins with `*.`.
const ANY_LABEL: &str = "any";

fn invalid(text: String) -> OperatorFailure {
    OperatorFailure::Invalid(text)
}

fn none(kind: &str, id: &str) -> OperatorFailure {
    OperatorFailure::NotFound(format!("there is no {kind} {id}"))
}

/// TO and its port: `HOST:PORT`, `[2001:db8::1]:PORT`, or without one.
pub(super) fn split_port(text: &str) -> Result<(&str, Option<u16>), OperatorFailure> {
    let port = |digits: &str| match digits.parse::<u16>() {
        Ok(port) if port > 0 => Ok(Some(port)),
        _ => Err(invalid(format!("{digits:?} in {text} is no port: 1 to 65535 is expected"))),
    };
    if let Some(rest) = text.strip_prefix('[') {
        let unclosed = || invalid(format!("{text} has no closing bracket"));
        let (host, rest) = rest.split_once(']').ok_or_else(unclosed)?;
        return match rest.strip_prefix(':') {
            Some(digits) => Ok((host, port(digits)?)),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(invalid(format!("{rest:?} stands behind the address in {text}"))),
        };
    }
    match text.split_once(':') {
        // More than one colon is an IPv6 address.
        Some((host, digits)) if !digits.contains(':') => Ok((host, port(digits)?)),
        _ => Ok((text, None)),
    }
}

/// The host name of an endpoint service: `com.amazonaws.us-west-2.s3` is
/// `s3.us-west-2.amazonaws.com`.
pub(super) fn host_of(service: &str, region: &str) -> Option<String> {
    let (suffix, short) = service.split_once(&format!(".{region}."))?;
    let suffix = suffix.split('.').rev().collect::<Vec<_>>().join(".");
    Some(format!("{short}.{region}.{suffix}"))
}

/// Finds what is named. Subnets add the client that stands for them to the topology.
pub(super) struct Places<'a> {
    state: &'a dyn Read,
    scope: &'a Scope,
    pub(super) topology: Topology,
    groups: &'a [String],
    used_groups: bool,
}

impl<'a> Places<'a> {
    pub(super) fn new(
        state: &'a dyn Read,
        scope: &'a Scope,
        topology: Topology,
        groups: &'a [String],
    ) -> Self {
        Self { state, scope, topology, groups, used_groups: false }
    }

    /// Groups that nobody was given are a mistake.
    pub(super) fn used_groups(&self) -> Result<(), OperatorFailure> {
        if self.groups.is_empty() || self.used_groups {
            return Ok(());
        }
        Err(invalid("--security-group is for a FROM that is a subnet".to_owned()))
    }

    /// Who sends: with an address of each version of IP that it has, the usual one first, of which
    /// TO leaves one ([`to_ask_from`]).
    pub(super) fn sources(&mut self, text: &str) -> Result<Vec<Source>, OperatorFailure> {
        if let Some(addresses) = internet(text)? {
            let source = |address| Source::Internet { address };
            return Ok(addresses.into_iter().map(source).collect());
        }
        if text.starts_with("eni-") {
            return self.sources_of(text);
        }
        if text.starts_with("subnet-") {
            let groups = self.groups;
            self.used_groups = true;
            let id = self.client(text, groups)?;
            return self.sources_of(&id);
        }
        self.source_at(text).map(|source| vec![source])
    }

    fn sources_of(&self, id: &str) -> Result<Vec<Source>, OperatorFailure> {
        let source = |address| Source::Interface { id: id.to_owned(), address };
        Ok(self.addresses(id)?.into_iter().map(source).collect())
    }

    /// Who has an address, which is asked from.
    fn source_at(&self, text: &str) -> Result<Source, OperatorFailure> {
        if text.starts_with("vpce-") {
            return Err(invalid(format!(
                "{text} opens no connections: an endpoint answers; ask from an interface or a subnet"
            )));
        }
        let Ok(address) = text.parse::<IpAddr>() else {
            return Err(invalid(format!(
                "FROM {text:?} is none of: eni-…, subnet-…, an address, internet, internet@ADDRESS"
            )));
        };
        let holders: Vec<&String> = self
            .topology
            .interfaces
            .iter()
            .filter(|(_, it)| it.addresses.iter().any(|own| own.private == address))
            .map(|(id, _)| id)
            .collect();
        match holders.as_slice() {
            [id] => Ok(Source::Interface { id: (*id).clone(), address }),
            [] if self.in_a_vpc(address) => Err(OperatorFailure::NotFound(format!(
                "no network interface has the address {address}"
            ))),
            [] => Ok(Source::Internet { address }),
            several => {
                let several: Vec<&str> = several.iter().map(|id| id.as_str()).collect();
                Err(invalid(format!(
                    "{address} is one of several interfaces: {}",
                    several.join(", ")
                )))
            }
        }
    }

    /// Where to, in the first version of IP that one of the senders has where both are there.
    pub(super) fn target(&mut self, text: &str, from: &[Source]) -> Result<To, OperatorFailure> {
        if let Some(addresses) = internet(text)? {
            return self.common(text, &addresses, from);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(To::Address(address));
        }
        if text.starts_with("eni-") {
            return self.common(text, &self.addresses(text)?, from);
        }
        if text.starts_with("subnet-") {
            let id = self.client(text, &[])?;
            return self.common(text, &self.addresses(&id)?, from);
        }
        // Names of endpoints begin like their ids.
        if text.starts_with("vpce-") && !text.contains('.') {
            let endpoint =
                self.topology.endpoints.get(text).ok_or_else(|| none("VPC endpoint", text))?;
            let name = match &endpoint.kind {
                EndpointKind::Interface { names, .. } => {
                    names.first().map(|(name, _)| name.clone())
                }
                EndpointKind::Gateway { .. } => {
                    host_of(&endpoint.service, self.scope.region.as_str())
                }
            };
            return name.map(To::Name).ok_or_else(|| {
                invalid(format!(
                    "{text} has no address: add a subnet to it with modify-vpc-endpoint"
                ))
            });
        }
        self.service(text).map(To::Name).ok_or_else(|| {
            invalid(format!(
                "TO {text:?} is none of: eni-…, subnet-…, vpce-…, an address, a service such as \
                 sagemaker.api, a host name, internet, internet@ADDRESS"
            ))
        })
    }

    /// The name of a service, in full or without `com.amazonaws.REGION.`; host names are their own.
    fn service(&self, text: &str) -> Option<String> {
        let region = &self.scope.region;
        let short = format!(".{region}.{text}");
        let served = endpoint_services::services(region);
        let found = served.iter().find(|it| it.name == text || it.name.ends_with(&short));
        if let Some(service) = found {
            return Some(match service.private_name.strip_prefix("*.") {
                Some(rest) => format!("{ANY_LABEL}.{rest}"),
                None => service.private_name.clone(),
            });
        }
        let lists = self.topology.prefix_lists.values();
        let list = lists.map(|it| &it.name).find(|name| *name == text || name.ends_with(&short));
        match list {
            Some(list) => host_of(list, region.as_str()),
            None => text.contains('.').then(|| text.to_owned()),
        }
    }

    /// The first address of each version that an interface has, in its order.
    fn addresses(&self, id: &str) -> Result<Vec<IpAddr>, OperatorFailure> {
        let interface =
            self.topology.interfaces.get(id).ok_or_else(|| none("network interface", id))?;
        let mut found: Vec<IpAddr> = Vec::new();
        for address in interface.addresses.iter().map(|it| it.private) {
            if !found.iter().any(|it| it.is_ipv4() == address.is_ipv4()) {
                found.push(address);
            }
        }
        if found.is_empty() {
            return Err(invalid(format!("{id} has no address")));
        }
        Ok(found)
    }

    /// The address of TO in the first version that both have.
    fn common(&self, text: &str, of: &[IpAddr], from: &[Source]) -> Result<To, OperatorFailure> {
        let same = |source: &Source| {
            of.iter().find(|address| address.is_ipv4() == source.address().is_ipv4())
        };
        match from.iter().find_map(same) {
            Some(address) => Ok(To::Address(*address)),
            None => Err(invalid(format!("FROM and {text} have no version of IP in common"))),
        }
    }

    /// An IPv6 address of a subnet that nobody has, from its end, if it has such addresses.
    fn free_v6(&self, subnet: &str) -> Option<IpAddr> {
        let blocks = &self.topology.subnets.get(subnet)?.blocks;
        let block = blocks.iter().find(|block| block.addr().is_ipv6())?;
        let (IpAddr::V6(first), IpAddr::V6(last)) = (block.network(), block.broadcast()) else {
            return None;
        };
        let held: BTreeSet<IpAddr> = self
            .topology
            .interfaces
            .values()
            .filter(|it| it.subnet == subnet)
            .flat_map(|it| it.addresses.iter().map(|address| address.private))
            .collect();
        // The very last is AWS's own, as of IPv4.
        let all = (u128::from(first)..u128::from(last)).rev();
        all.map(|it| IpAddr::V6(it.into())).find(|it| !held.contains(it))
    }

    fn in_a_vpc(&self, address: IpAddr) -> bool {
        self.topology.vpcs.values().any(|vpc| vpc.blocks.iter().any(|it| it.contains(&address)))
    }

    /// The client that stands for a subnet, with these groups or the VPC's default group.
    fn client(&mut self, subnet: &str, groups: &[String]) -> Result<String, OperatorFailure> {
        let client = ec2::subnet_client(self.state, self.scope, subnet).map_err(failure)?;
        let client = client.ok_or_else(|| none("subnet", subnet))?;
        for id in groups {
            let group = self.topology.security_groups.get(id);
            let group = group.ok_or_else(|| none("security group", id))?;
            if group.vpc != client.vpc {
                return Err(invalid(format!(
                    "{id} is of {}, and {subnet} of {}",
                    group.vpc, client.vpc
                )));
            }
        }
        let own = [Some(IpAddr::V4(client.address)), self.free_v6(subnet)];
        let address = |private| Address { private, public: None };
        // The words that explanations say of it.
        let id = format!("the client of {subnet}");
        // FROM comes first, and its groups stay where TO is the same subnet.
        self.topology.interfaces.entry(id.clone()).or_insert_with(|| Interface {
            vpc: client.vpc,
            subnet: subnet.to_owned(),
            addresses: own.into_iter().flatten().map(address).collect(),
            groups: if groups.is_empty() { vec![client.group] } else { groups.to_vec() },
            source_dest_check: true,
            role: Role::Host,
        });
        Ok(id)
    }
}

/// The sender that TO is asked from. A name is of the first version that `has` finds it in; where it
/// is in none, the usual sender finds out.
///
/// # Errors
/// `Invalid` where FROM has no address of the version that TO is of.
pub(super) fn to_ask_from(
    from: &str,
    sources: &[Source],
    to: &To,
    has: &dyn Fn(&Source) -> bool,
) -> Result<Source, OperatorFailure> {
    let fits = |source: &&Source| match to {
        To::Address(address) => source.address().is_ipv4() == address.is_ipv4(),
        To::Name(_) => has(source),
    };
    let usual = sources.first().filter(|_| matches!(to, To::Name(_)));
    let found = sources.iter().find(fits).or(usual);
    found.cloned().ok_or_else(|| {
        let version = match to {
            To::Address(IpAddr::V6(_)) => "IPv6",
            To::Address(IpAddr::V4(_)) | To::Name(_) => "IPv4",
        };
        invalid(format!("FROM {from} has no {version} address, as TO is one"))
    })
}

fn internet(text: &str) -> Result<Option<Vec<IpAddr>>, OperatorFailure> {
    if text == "internet" {
        return Ok(Some(vec![IpAddr::V4(SOMEBODY), IpAddr::V6(SOMEBODY_6)]));
    }
    let Some(address) = text.strip_prefix("internet@") else { return Ok(None) };
    let read = address.parse();
    read.map(|it| Some(vec![it]))
        .map_err(|_| invalid(format!("{address:?} in {text} is no address")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_stand_behind_hosts() {
        let read = |text| split_port(text).ok();
        assert_eq!(read("sagemaker.api"), Some(("sagemaker.api", None)));
        assert_eq!(read("10.0.0.4:8080"), Some(("10.0.0.4", Some(8080))));
        assert_eq!(read("2001:db8::1"), Some(("2001:db8::1", None)));
        assert_eq!(read("[2001:db8::1]:22"), Some(("2001:db8::1", Some(22))));
        assert_eq!(read("[2001:db8::1]"), Some(("2001:db8::1", None)));
        for wrong in ["a:0", "a:65536", "a:", "a:b", "[::1", "[::1]x"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_sender_asks_from_the_address_of_the_version_of_its_target() {
        let source = |address: &str| Source::Interface {
            id: "eni-a".into(),
            address: address.parse().unwrap(),
        };
        let both = [source("10.0.0.4"), source("2001:db8::4")];
        let address = |text: &str| To::Address(text.parse().unwrap());
        let no_name = |_: &Source| false;
        let ask = |from: &[Source], to: &To| to_ask_from("eni-a", from, to, &no_name).ok();
        assert_eq!(ask(&both, &address("10.0.0.5")), Some(both[0].clone()));
        assert_eq!(ask(&both, &address("2001:db8::5")), Some(both[1].clone()));
        assert_eq!(ask(&both[..1], &address("2001:db8::5")), None);
        assert_eq!(ask(&both[1..], &address("10.0.0.5")), None);
        let name = To::Name("six.test".into());
        let has_six = |source: &Source| source.address().is_ipv6();
        let asked = to_ask_from("eni-a", &both, &name, &has_six).ok();
        assert_eq!(asked, Some(both[1].clone()));
        assert_eq!(ask(&both, &name), Some(both[0].clone()), "the usual one finds out");
    }

    #[test]
    fn hosts_are_service_names_backwards() {
        let host = |service| host_of(service, "us-west-2");
        assert_eq!(
            host("com.amazonaws.us-west-2.s3").as_deref(),
            Some("s3.us-west-2.amazonaws.com")
        );
        assert_eq!(host("com.amazonaws.eu-west-1.s3"), None);
    }
}
