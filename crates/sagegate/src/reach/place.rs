//! What FROM and TO name: interfaces, subnets, addresses, endpoints, services, names, the internet.

use std::net::{IpAddr, Ipv4Addr};

use sagegate_gate::Scope;
use sagegate_network::reach::To;
use sagegate_network::topology::{Address, EndpointKind, Interface, Role, Topology};
use sagegate_network::walk::Source;
use sagegate_server::OperatorFailure;
use sagegate_services::ec2;
use sagegate_services::ec2::endpoint_services;
use sagegate_store::Read;

use crate::operator::failure;

/// Who is meant by `internet`: an address that RFC 5737 keeps for documentation.
const SOMEBODY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

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

    /// Who sends.
    pub(super) fn source(&mut self, text: &str) -> Result<Source, OperatorFailure> {
        if let Some(address) = internet(text)? {
            return Ok(Source::Internet { address });
        }
        if text.starts_with("eni-") {
            let address = self.first_address(text)?;
            return Ok(Source::Interface { id: text.to_owned(), address });
        }
        if text.starts_with("subnet-") {
            let groups = self.groups;
            self.used_groups = true;
            let (id, address) = self.client(text, groups)?;
            return Ok(Source::Interface { id, address });
        }
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

    /// Where to, in the version of IP that is asked from where both are there.
    pub(super) fn target(&mut self, text: &str, v4: bool) -> Result<To, OperatorFailure> {
        if let Some(address) = internet(text)? {
            return Ok(To::Address(address));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(To::Address(address));
        }
        if text.starts_with("eni-") {
            let interface = self
                .topology
                .interfaces
                .get(text)
                .ok_or_else(|| none("network interface", text))?;
            let mut own = interface.addresses.iter().map(|it| it.private);
            let same = own.find(|address| address.is_ipv4() == v4);
            return Ok(To::Address(match same {
                Some(address) => address,
                None => self.first_address(text)?,
            }));
        }
        if text.starts_with("subnet-") {
            return Ok(To::Address(self.client(text, &[])?.1));
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

    fn first_address(&self, id: &str) -> Result<IpAddr, OperatorFailure> {
        let interface =
            self.topology.interfaces.get(id).ok_or_else(|| none("network interface", id))?;
        let first = interface.addresses.first().map(|it| it.private);
        first.ok_or_else(|| invalid(format!("{id} has no address")))
    }

    fn in_a_vpc(&self, address: IpAddr) -> bool {
        self.topology.vpcs.values().any(|vpc| vpc.blocks.iter().any(|it| it.contains(&address)))
    }

    /// The client that stands for a subnet, with these groups or the VPC's default group.
    fn client(
        &mut self,
        subnet: &str,
        groups: &[String],
    ) -> Result<(String, IpAddr), OperatorFailure> {
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
        let address = IpAddr::V4(client.address);
        // The words that explanations say of it.
        let id = format!("the client of {subnet}");
        // FROM comes first, and its groups stay where TO is the same subnet.
        self.topology.interfaces.entry(id.clone()).or_insert_with(|| Interface {
            vpc: client.vpc,
            subnet: subnet.to_owned(),
            addresses: vec![Address { private: address, public: None }],
            groups: if groups.is_empty() { vec![client.group] } else { groups.to_vec() },
            source_dest_check: true,
            role: Role::Host,
        });
        Ok((id, address))
    }
}

fn internet(text: &str) -> Result<Option<IpAddr>, OperatorFailure> {
    if text == "internet" {
        return Ok(Some(IpAddr::V4(SOMEBODY)));
    }
    let Some(address) = text.strip_prefix("internet@") else { return Ok(None) };
    let read = address.parse();
    read.map(Some).map_err(|_| invalid(format!("{address:?} in {text} is no address")))
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
    fn hosts_are_service_names_backwards() {
        let host = |service| host_of(service, "us-west-2");
        assert_eq!(
            host("com.amazonaws.us-west-2.s3").as_deref(),
            Some("s3.us-west-2.amazonaws.com")
        );
        assert_eq!(host("com.amazonaws.eu-west-1.s3"), None);
    }
}
