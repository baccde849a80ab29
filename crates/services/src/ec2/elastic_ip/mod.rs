//! Elastic IP addresses: AllocateAddress, ReleaseAddress, DescribeAddresses,
//! DescribeAddressesAttribute.
//!
//! Rules: Amazon VPC User Guide, "Associate Elastic IP addresses with resources in your VPC".

pub(crate) mod association;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use sagegate_api::Unit;
use sagegate_api::ec2::{
    Address as AddressShape, AddressAttribute, AllocateAddressRequest, AllocateAddressResult,
    DescribeAddressesAttributeRequest, DescribeAddressesAttributeResult, DescribeAddressesRequest,
    DescribeAddressesResult, DomainType, NetworkInterfaceAssociation, ReleaseAddressRequest,
};
use sagegate_gate::{Access, Authorized, Call, Env, Fault, Needs, Operation, Scope};
use sagegate_store::{Read, StoreError, Tx};

use super::fault::{bad, dry_run, invalid_value, refuse};
use super::kind::Kind;
use super::records::{self, ElasticIp, Interface, PUBLIC_ADDRESSES};
use super::select::{self, Filters};
use super::tags::{self, Tags};
use super::{named_or_all, needs};

/// Elastic IP addresses in a region (Amazon VPC User Guide, "Amazon VPC quotas").
const MAX_ADDRESSES: usize = 5;
/// The block that public addresses are of: RFC 5737 keeps it for documentation, so that no such
/// address is somebody's.
const PUBLIC: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 0);

/// The pool that AWS's own addresses are of.
const POOL: &str = "amazon";

/// Public addresses by what they stand for: an interface, and a private address of it.
pub(crate) type Associated = BTreeMap<(String, Ipv4Addr), ElasticIp>;

/// The public addresses that stand for something.
pub(crate) fn associated(state: &dyn Read, scope: &Scope) -> Result<Associated, StoreError> {
    let found = records::all::<ElasticIp>(state, scope)?;
    let with = found.into_iter().filter_map(|own| {
        let at = own.association.as_ref()?;
        Some(((at.interface.clone(), at.private), own))
    });
    Ok(with.collect())
}

/// Whether an interface of this VPC has a public address.
pub(crate) fn any_in(state: &dyn Read, scope: &Scope, vpc: &str) -> Result<bool, StoreError> {
    for (id, _) in associated(state, scope)?.keys() {
        if records::get::<Interface>(state, scope, id)?.is_some_and(|it| it.vpc == vpc) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Ends the associations of an interface that goes away.
pub(crate) fn forget_interface(
    tx: &mut Tx,
    scope: &Scope,
    interface: &str,
) -> Result<(), StoreError> {
    for ((id, private), _) in associated(tx, scope)? {
        if id == interface {
            forget_address(tx, scope, interface, private)?;
        }
    }
    Ok(())
}

/// Ends the association of a private address that leaves its interface.
pub(crate) fn forget_address(
    tx: &mut Tx,
    scope: &Scope,
    interface: &str,
    private: Ipv4Addr,
) -> Result<(), StoreError> {
    if let Some(mut own) = associated(tx, scope)?.remove(&(interface.to_owned(), private)) {
        own.association = None;
        records::put(tx, scope, &own)?;
    }
    Ok(())
}

/// What DescribeNetworkInterfaces shows of a public address. `named` says whether the VPC gives
/// host names (Amazon VPC User Guide, "DNS attributes for your VPC").
pub(crate) fn interface_association(
    scope: &Scope,
    own: &ElasticIp,
    named: bool,
) -> NetworkInterfaceAssociation {
    let dashed = own.address.to_string().replace('.', "-");
    let name = match scope.region.as_str() {
        "us-east-1" => format!("ec2-{dashed}.compute-1.amazonaws.com"),
        region => {
            let suffix = super::zones::dns_suffix(&scope.region);
            format!("ec2-{dashed}.{region}.compute.{suffix}")
        }
    };
    NetworkInterfaceAssociation {
        allocation_id: Some(own.id.clone()),
        association_id: own.association.as_ref().map(|it| it.id.clone()),
        ip_owner_id: Some(scope.account.to_string()),
        public_dns_name: named.then_some(name),
        public_ip: Some(own.address.to_string()),
        ..NetworkInterfaceAssociation::default()
    }
}

/// A public address that nobody has, beginning at a random one: an address that was given back
/// should not soon be somebody else's.
fn free_address(tx: &Tx, env: &Env) -> Result<Ipv4Addr, Fault> {
    let [first]: [u8; 1] = env.bytes();
    let [a, b, c, _] = PUBLIC.octets();
    for step in 0..=u8::MAX {
        let last = first.wrapping_add(step);
        let octets = [a, b, c, last];
        if !matches!(last, 0 | u8::MAX) && !PUBLIC_ADDRESSES.contains(tx, &octets)? {
            return Ok(Ipv4Addr::from(octets));
        }
    }
    Err(bad("InsufficientAddressCapacity", "There are not enough free addresses."))
}

/// AllocateAddress.
pub(crate) struct AllocateAddress;

impl Operation for AllocateAddress {
    type Input = AllocateAddressRequest;
    type Output = AllocateAddressResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "AllocateAddress";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let kind = Kind::ElasticIp;
        let tags = tags::requested(call.input.tag_specifications.as_ref(), kind)?;
        let needs = needs::new("ec2:AllocateAddress", call.scope, kind, &tags).into();
        Ok(needs::with_tags(needs, call.scope, kind, &tags, Self::NAME))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope, kind) = (call.input, call.scope, Kind::ElasticIp);
        dry_run(input.dry_run)?;
        let border = input.network_border_group.as_deref();
        refuse(&[
            ("Domain", input.domain == Some(DomainType::Standard)),
            ("Address", input.address.is_some()),
            ("PublicIpv4Pool", input.public_ipv4_pool.as_deref().is_some_and(|it| it != POOL)),
            ("NetworkBorderGroup", border.is_some_and(|it| it != scope.region.as_str())),
            ("CustomerOwnedIpv4Pool", input.customer_owned_ipv4_pool.is_some()),
            ("IpamPoolId", input.ipam_pool_id.is_some()),
        ])?;
        let tags = tags::requested(input.tag_specifications.as_ref(), kind)?;
        if records::count::<ElasticIp>(tx, scope)? >= MAX_ADDRESSES {
            let text = "The maximum number of addresses has been reached.";
            return Err(bad("AddressLimitExceeded", text));
        }
        let address = free_address(tx, call.env)?;
        let own = ElasticIp { id: kind.new_id(call.env), address, association: None };
        PUBLIC_ADDRESSES.put(tx, &address.octets(), &own.id)?;
        records::put(tx, scope, &own)?;
        tags::put(tx, scope, &own.id, &tags)?;
        Ok(Self::Output {
            allocation_id: Some(own.id),
            public_ipv4_pool: Some(POOL.to_owned()),
            network_border_group: Some(scope.region.to_string()),
            domain: Some(DomainType::Vpc),
            public_ip: Some(address.to_string()),
            ..Self::Output::default()
        })
    }
}

/// ReleaseAddress.
pub(crate) struct ReleaseAddress;

/// The allocation that a release means: addresses of VPCs are released by it.
fn released(input: &ReleaseAddressRequest) -> Result<&String, Fault> {
    input.allocation_id.as_ref().ok_or_else(|| {
        let text = "You must specify an allocation id when releasing a VPC elastic IP address";
        invalid_value(text)
    })
}

impl Operation for ReleaseAddress {
    type Input = ReleaseAddressRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "ReleaseAddress";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let id = released(call.input)?;
        Ok(needs::on("ec2:ReleaseAddress", state, call.scope, Kind::ElasticIp, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        if input.public_ip.is_some() {
            return Err(bad(
                "InvalidParameterCombination",
                "You may specify public IP or allocation id, but not both in the same call",
            ));
        }
        let border = input.network_border_group.as_deref();
        refuse(&[("NetworkBorderGroup", border.is_some_and(|it| it != scope.region.as_str()))])?;
        let own = records::find::<ElasticIp>(tx, scope, released(input)?)?;
        if own.association.is_some() {
            let text = format!("Address {} is in use.", own.address);
            return Err(bad("InvalidIPAddress.InUse", text));
        }
        PUBLIC_ADDRESSES.delete(tx, &own.address.octets());
        records::delete::<ElasticIp>(tx, scope, &own.id)?;
        Ok(Unit)
    }
}

fn shape(
    state: &dyn Read,
    scope: &Scope,
    own: &ElasticIp,
    tags: &Tags,
) -> Result<AddressShape, StoreError> {
    let association = own.association.as_ref();
    let interface = match association {
        Some(association) => records::get::<Interface>(state, scope, &association.interface)?,
        None => None,
    };
    Ok(AddressShape {
        allocation_id: Some(own.id.clone()),
        association_id: association.map(|it| it.id.clone()),
        domain: Some(DomainType::Vpc),
        network_interface_id: association.map(|it| it.interface.clone()),
        network_interface_owner_id: association.map(|_| scope.account.to_string()),
        private_ip_address: association.map(|it| it.private.to_string()),
        tags: tags::shape_if_any(tags),
        public_ipv4_pool: Some(POOL.to_owned()),
        network_border_group: Some(scope.region.to_string()),
        subnet_id: interface.map(|it| it.subnet),
        public_ip: Some(own.address.to_string()),
        ..AddressShape::default()
    })
}

/// DescribeAddresses.
pub(crate) struct DescribeAddresses;

impl Operation for DescribeAddresses {
    type Input = DescribeAddressesRequest;
    type Output = DescribeAddressesResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeAddresses";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeAddresses"))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let names = [
            "allocation-id",
            "association-id",
            "domain",
            "instance-id",
            "network-border-group",
            "network-interface-id",
            "network-interface-owner-id",
            "private-ip-address",
            "public-ip",
        ];
        let filters = Filters::of(input.filters.as_ref(), &names, true)?;
        let mut owns = named_or_all::<ElasticIp>(tx, scope, input.allocation_ids.as_ref())?;
        if let Some(wanted) = input.public_ips.as_ref().filter(|list| !list.is_empty()) {
            let has = |text: &String| owns.iter().any(|own| own.address.to_string() == *text);
            if let Some(missing) = wanted.iter().find(|text| !has(text)) {
                let text = format!("Address '{missing}' not found.");
                return Err(bad("InvalidAddress.NotFound", text));
            }
            owns.retain(|own| wanted.contains(&own.address.to_string()));
        }
        let mut found = Vec::new();
        for own in owns {
            let tags = tags::of(tx, scope, &own.id)?;
            let shape = shape(tx, scope, &own, &tags)?;
            let some = |value: &Option<String>| value.iter().cloned().collect();
            let pass = filters.pass(&tags, |name| match name {
                "allocation-id" => some(&shape.allocation_id),
                "association-id" => some(&shape.association_id),
                "domain" => vec!["vpc".to_owned()],
                "network-border-group" => some(&shape.network_border_group),
                "network-interface-id" => some(&shape.network_interface_id),
                "network-interface-owner-id" => some(&shape.network_interface_owner_id),
                "private-ip-address" => some(&shape.private_ip_address),
                "public-ip" => some(&shape.public_ip),
                // No address stands for an instance.
                _ => Vec::new(),
            });
            if pass {
                found.push(shape);
            }
        }
        Ok(Self::Output { addresses: Some(found) })
    }
}

/// DescribeAddressesAttribute. The one attribute is the name of the reverse DNS record; no address
/// has one.
pub(crate) struct DescribeAddressesAttribute;

impl Operation for DescribeAddressesAttribute {
    type Input = DescribeAddressesAttributeRequest;
    type Output = DescribeAddressesAttributeResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeAddressesAttribute";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeAddressesAttribute"))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        dry_run(input.dry_run)?;
        let ids = input.allocation_ids.as_ref();
        let found = named_or_all::<ElasticIp>(tx, call.scope, ids)?;
        let (found, next_token) = select::page(
            found,
            |own| own.id.clone(),
            ids.is_some_and(|ids| !ids.is_empty()),
            input.max_results,
            input.next_token.as_deref(),
        )?;
        let addresses = found.into_iter().map(|own| AddressAttribute {
            public_ip: Some(own.address.to_string()),
            allocation_id: Some(own.id),
            ..AddressAttribute::default()
        });
        Ok(Self::Output { addresses: Some(addresses.collect()), next_token })
    }
}
