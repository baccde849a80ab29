//! VPC endpoints: what is shown of them, where they listen, whom they let in, and which
//! policy they have.
//!
//! Each interface endpoint has, for each of its subnets, an address of this machine's loopback network.
//! Dialling that address is coming from that subnet: the client has the subnet's client address
//! and the VPC's default security group. Whether it gets in is decided by both sides' groups.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod gateway;
pub(crate) mod modify;
mod place;
mod policy;

use std::net::{IpAddr, Ipv4Addr};

use sagegate_gate::{AccountId, Fault, Region, Scope};
use sagegate_network::security_group::{self, Group, Interface, Packet, Refusal};
use sagegate_network::{Behind, EndpointArrival, behind, endpoint_name};
use sagegate_store::{Read, StoreError, Tx};
use sha2::{Digest, Sha256};

use super::managed_prefix_list::{Any, PREFIX_LISTS};
use super::records::{
    self, ENDPOINTS, Endpoint, EndpointState, GROUPS, Place, SUBNETS, SecurityGroup, Subnet, VPCS,
    Vpc,
};
use super::{endpoint_services, zones};

pub use policy::{Endpoints, policies_of_endpoints};

use crate::binding::Binding;

/// A loopback address that stands for an endpoint in one of its subnets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointListener {
    /// The address of this machine to listen on, at the public port.
    pub addr: Ipv4Addr,
    /// `vpce-…`.
    pub vpc_endpoint_id: String,
    /// The VPC that the endpoint is attached to.
    pub vpc_id: String,
    /// The subnet that a client of this address is in.
    pub subnet_id: String,
    /// The subnet's Availability Zone.
    pub availability_zone: String,
    /// `com.amazonaws.<region>.…`.
    pub service_name: String,
    /// What may be served here.
    pub behind: Behind,
    /// The private address of the endpoint's interface in the subnet.
    pub interface_address: Ipv4Addr,
    /// The private address of the client: `aws:VpcSourceIp`.
    pub vpc_source_ip: Ipv4Addr,
    /// The endpoint's owner.
    pub account: AccountId,
    /// The endpoint's region.
    pub region: Region,
    /// The names by which clients may call the endpoint here: the regional name, this zone's, and
    /// with private DNS the service's own; `*.` stands for one label.
    pub dns_names: Vec<String>,
    /// Whether security groups let the client in, by the rules as they are now.
    pub admitted: Result<(), Refusal>,
    /// Whether the address is listened on.
    pub binding: Binding,
}

impl EndpointListener {
    /// What a request through this address carries.
    #[must_use]
    pub fn arrival(&self) -> EndpointArrival {
        EndpointArrival {
            vpc_endpoint_id: self.vpc_endpoint_id.clone(),
            vpc_id: self.vpc_id.clone(),
            subnet_id: self.subnet_id.clone(),
            account: self.account.to_string(),
            region: self.region.to_string(),
            vpc_source_ip: IpAddr::V4(self.vpc_source_ip),
            service_name: self.service_name.clone(),
        }
    }

    /// All names by which clients may call the endpoint: those that DNS has for this address, those
    /// of its other zones and, also where private DNS is off, the service's own, since the certificate
    /// that all of its addresses have is for all of these; and the short form `<endpoint>.<service>`
    /// which old SDKs were told to use.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names = self.dns_names.clone();
        if let Some(service) = endpoint_services::find(&self.region, &self.service_name) {
            names.push(format!("{}.{}", self.vpc_endpoint_id, service.base_name));
            let regional = self.dns_names.first().and_then(|name| endpoint_name::parse(name));
            if let Some(hash) = regional.and_then(|name| name.hash) {
                let (id, base) = (&self.vpc_endpoint_id, &service.base_name);
                let zones = zones::zones(&self.region);
                names.extend(zones.iter().map(|zone| endpoint_name::zonal(id, hash, zone, base)));
            }
            names.push(service.private_name);
        }
        names
    }
}

/// The tables that listeners and their admission depend on.
pub const LISTENER_TABLES: &[&str] =
    &[ENDPOINTS.name(), SUBNETS.name(), GROUPS.name(), PREFIX_LISTS.name(), VPCS.name()];

/// Every address that must be listened on, in the order of accounts, regions and endpoints.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub fn listeners(state: &dyn Read) -> Result<Vec<EndpointListener>, StoreError> {
    let mut listeners = Vec::new();
    for ((account, region, _), endpoint) in ENDPOINTS.scan(state, &(), None, usize::MAX)? {
        let (Ok(account), Ok(region)) = (AccountId::parse(&account), Region::parse(&region)) else {
            // Keys are written from these types only.
            continue;
        };
        listeners.extend(of_endpoint(state, &Scope { account, region }, &endpoint)?);
    }
    Ok(listeners)
}

/// The listeners of one endpoint; none where it does not exist.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub fn listeners_of(
    state: &dyn Read,
    scope: &Scope,
    vpc_endpoint_id: &str,
) -> Result<Vec<EndpointListener>, StoreError> {
    match records::get::<Endpoint>(state, scope, vpc_endpoint_id)? {
        Some(endpoint) => of_endpoint(state, scope, &endpoint),
        None => Ok(Vec::new()),
    }
}

/// The listeners of a VPC's endpoint for Studio, if it has one that is available: presigned URLs
/// name them, and a token must not be sent to an address that somebody else may hold.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub fn studio_listeners(
    state: &dyn Read,
    scope: &Scope,
    vpc_id: &str,
) -> Result<Vec<EndpointListener>, StoreError> {
    listeners_before(state, scope, vpc_id, Behind::Studio)
}

/// The listeners of a VPC's endpoint for data channels, likewise.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub fn channel_listeners(
    state: &dyn Read,
    scope: &Scope,
    vpc_id: &str,
) -> Result<Vec<EndpointListener>, StoreError> {
    listeners_before(state, scope, vpc_id, Behind::DataChannel)
}

fn listeners_before(
    state: &dyn Read,
    scope: &Scope,
    vpc_id: &str,
    wanted: Behind,
) -> Result<Vec<EndpointListener>, StoreError> {
    let endpoint = records::all::<Endpoint>(state, scope)?.into_iter().find(|endpoint| {
        endpoint.vpc == vpc_id
            && endpoint.state == EndpointState::Available
            && behind(&endpoint.service, scope.region.as_str()) == Some(wanted)
    });
    endpoint.map_or(Ok(Vec::new()), |endpoint| of_endpoint(state, scope, &endpoint))
}

fn of_endpoint(
    state: &dyn Read,
    scope: &Scope,
    endpoint: &Endpoint,
) -> Result<Vec<EndpointListener>, StoreError> {
    let Some(service) = endpoint_services::find(&scope.region, &endpoint.service) else {
        return Ok(Vec::new());
    };
    let group = |id: &String| records::get::<SecurityGroup>(state, scope, id);
    let default = match records::get::<Vpc>(state, scope, &endpoint.vpc)? {
        Some(vpc) => group(&vpc.default_group)?,
        None => None,
    };
    let client_groups: Vec<Group> = default.iter().map(as_group).collect();
    let mut endpoint_groups = Vec::new();
    for id in &endpoint.groups {
        endpoint_groups.extend(group(id)?.iter().map(as_group));
    }
    let lists = Any::all(state, scope)?;
    let blocks =
        |id: &str| lists.iter().find(|list| list.id() == id).map(Any::blocks).unwrap_or_default();
    let mut listeners = Vec::new();
    for place in &endpoint.places {
        let subnet = records::get::<Subnet>(state, scope, &place.subnet)?;
        let Some(vpc_source_ip) = subnet.and_then(|subnet| subnet.client_address) else { continue };
        let client =
            Interface { address: IpAddr::V4(vpc_source_ip), groups: client_groups.clone() };
        let own = Interface { address: IpAddr::V4(place.address), groups: endpoint_groups.clone() };
        let mut dns_names = vec![
            endpoint_name::regional(&endpoint.id, &endpoint.hash, &service.base_name),
            endpoint_name::zonal(&endpoint.id, &endpoint.hash, &place.zone, &service.base_name),
        ];
        if endpoint.private_dns {
            dns_names.push(service.private_name.clone());
        }
        listeners.push(EndpointListener {
            addr: place.loopback,
            vpc_endpoint_id: endpoint.id.clone(),
            vpc_id: endpoint.vpc.clone(),
            subnet_id: place.subnet.clone(),
            availability_zone: place.zone.clone(),
            service_name: endpoint.service.clone(),
            behind: service.behind,
            interface_address: place.address,
            vpc_source_ip,
            account: scope.account.clone(),
            region: scope.region.clone(),
            dns_names,
            admitted: security_group::admits(&client, &own, Packet::HTTPS, &blocks),
            binding: place.binding.clone(),
        });
    }
    Ok(listeners)
}

fn as_group(group: &SecurityGroup) -> Group {
    let rules = |egress: bool| {
        let rules = group.rules.iter().filter(|rule| rule.egress == egress);
        rules.map(|rule| rule.rule.clone()).collect()
    };
    Group { id: group.id.clone(), ingress: rules(false), egress: rules(true) }
}

/// Writes what became of an endpoint's addresses, and what that makes of the endpoint: `available`
/// with all of them bound; `failed`, with the reason as its last error, where one could not be;
/// `pending` as long as one waits. An endpoint that was available fails, too, when a start cannot
/// bind it, and one that failed is available again once it is bound.
///
/// Where nothing has changed, or the endpoint is gone, nothing is written.
///
/// # Errors
/// An internal [`Fault`] if the store cannot be read or written.
pub fn settle(
    tx: &mut Tx,
    scope: &Scope,
    vpc_endpoint_id: &str,
    binding: &dyn Fn(Ipv4Addr) -> Binding,
) -> Result<(), Fault> {
    let Some(mut endpoint) = records::get::<Endpoint>(tx, scope, vpc_endpoint_id)? else {
        return Ok(());
    };
    if bring_up_to_date(&mut endpoint, binding) {
        records::put(tx, scope, &endpoint)?;
    }
    Ok(())
}

/// Whether that changed anything.
fn bring_up_to_date(endpoint: &mut Endpoint, binding: &dyn Fn(Ipv4Addr) -> Binding) -> bool {
    let before = endpoint.clone();
    for place in &mut endpoint.places {
        place.binding = binding(place.loopback);
    }
    let failure = endpoint.places.iter().find_map(|place| match &place.binding {
        Binding::Failed(reason) => Some(reason.clone()),
        Binding::Waiting | Binding::Bound => None,
    });
    let all_bound = endpoint.places.iter().all(|place| place.binding == Binding::Bound);
    endpoint.state = match &failure {
        Some(_) => EndpointState::Failed,
        None if all_bound => EndpointState::Available,
        None => EndpointState::Pending,
    };
    endpoint.last_error = failure.map(|reason| ("AddressNotBound".to_owned(), reason));
    *endpoint != before
}

/// The endpoints whose records say otherwise than this of their addresses, to be settled.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub fn unsettled(
    state: &dyn Read,
    binding: &dyn Fn(Ipv4Addr) -> Binding,
) -> Result<Vec<(Scope, String)>, StoreError> {
    let mut found = Vec::new();
    for ((account, region, id), mut endpoint) in ENDPOINTS.scan(state, &(), None, usize::MAX)? {
        if !bring_up_to_date(&mut endpoint, binding) {
            continue;
        }
        if let (Ok(account), Ok(region)) = (AccountId::parse(&account), Region::parse(&region)) {
            found.push((Scope { account, region }, id));
        }
    }
    Ok(found)
}

/// The state that an endpoint begins in: with nothing to bind, there is nothing to wait for.
fn state_of(places: &[Place]) -> EndpointState {
    if places.is_empty() { EndpointState::Available } else { EndpointState::Pending }
}

/// An id in the form of Route 53's hosted zones that follows from what the zone is for.
fn hosted_zone_id(purpose: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    let digest = Sha256::digest(purpose.as_bytes());
    let letters = digest.iter().take(20).filter_map(|byte| LETTERS.get(usize::from(byte % 32)));
    std::iter::once('Z').chain(letters.map(|letter| char::from(*letter))).collect()
}

/// The hidden zones by which endpoints' private names answer in a VPC: their ids and names.
pub(crate) fn private_zones(
    state: &dyn Read,
    scope: &Scope,
    vpc: &str,
) -> Result<Vec<(String, String)>, StoreError> {
    let endpoints = records::all::<Endpoint>(state, scope)?;
    let private = endpoints.iter().filter(|it| it.private_dns && it.vpc == vpc);
    let services = private.filter_map(|it| endpoint_services::find(&scope.region, &it.service));
    let names = services.map(|service| service.private_name);
    let zone = |name: String| {
        (hosted_zone_id(&format!("{vpc}/{name}")), name.trim_start_matches("*.").to_owned())
    };
    Ok(names.map(zone).collect())
}

/// Whether an endpoint has this name in this zone, as DescribeVpcEndpoints shows them. Private names are
/// not meant: they lie in zones that nobody can name.
pub(crate) fn has_name(
    state: &dyn Read,
    scope: &Scope,
    zone: &str,
    name: &str,
) -> Result<bool, StoreError> {
    let endpoints = records::all::<Endpoint>(state, scope)?;
    Ok(endpoints.iter().any(|endpoint| {
        let mut entries = dns_entries(scope, endpoint).into_iter();
        entries.any(|(own, of)| {
            of == zone && endpoint_name::parse(&own).is_some() && own.eq_ignore_ascii_case(name)
        })
    }))
}

/// The names of an endpoint with their hosted zones: regional, zonal, private.
fn dns_entries(scope: &Scope, endpoint: &Endpoint) -> Vec<(String, String)> {
    let Some(service) = endpoint_services::find(&scope.region, &endpoint.service) else {
        return Vec::new();
    };
    if endpoint.places.is_empty() {
        return Vec::new();
    }
    let public = hosted_zone_id(&service.base_name);
    let regional = endpoint_name::regional(&endpoint.id, &endpoint.hash, &service.base_name);
    let mut entries = vec![(regional, public.clone())];
    for place in &endpoint.places {
        let name =
            endpoint_name::zonal(&endpoint.id, &endpoint.hash, &place.zone, &service.base_name);
        entries.push((name, public.clone()));
    }
    if endpoint.private_dns {
        let zone = hosted_zone_id(&format!("{}/{}", endpoint.vpc, service.private_name));
        entries.push((service.private_name, zone));
    }
    entries
}

/// The names that DNS has for an endpoint, each with the interfaces that it leads to: regional, zonal,
/// and with private DNS the service's own.
pub(crate) fn names(scope: &Scope, endpoint: &Endpoint) -> Vec<(String, Vec<String>)> {
    let all: Vec<String> = endpoint.places.iter().map(|place| place.interface.clone()).collect();
    let of_name = |(at, (name, _)): (usize, (String, String))| {
        // The regional name is followed by one name for each place.
        let place = at.checked_sub(1).and_then(|at| endpoint.places.get(at));
        (name, place.map_or_else(|| all.clone(), |place| vec![place.interface.clone()]))
    };
    dns_entries(scope, endpoint).into_iter().enumerate().map(of_name).collect()
}
