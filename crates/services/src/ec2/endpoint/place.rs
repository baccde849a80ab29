//! Placing endpoints in subnets: the interface, its address, and the loopback address that stands
//! for it.

use std::net::Ipv4Addr;

use sagegate_gate::env::Time;
use sagegate_gate::{Env, Fault, Scope};
use sagegate_network::allot;
use sagegate_store::{StoreError, Tx};

use super::super::addresses::client_address;
use super::super::fault::{bad, invalid_parameter};
use super::super::network_interface::{self, Plan, Wanted};
use super::super::records::{
    self, Attachment, Holder, Interface, LAST_LOOPBACK, LOOPBACKS, Loopback, Place, Subnet,
};
use crate::binding::Binding;

/// The endpoint that is placed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placing<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) env: &'a Env,
    pub(crate) now: Time,
    pub(crate) endpoint: &'a str,
    pub(crate) groups: &'a [String],
}

/// A subnet that a request names, with the address it wishes for there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WantedSubnet {
    pub(crate) id: String,
    pub(crate) address: Option<String>,
}

/// Checks that an endpoint may stand in these subnets beside the places it has.
///
/// # Errors
/// `InvalidSubnetID.…`, `InvalidParameter`, `DuplicateSubnetsInSameZone`.
pub(crate) fn check(
    tx: &Tx,
    scope: &Scope,
    vpc: &str,
    wanted: &[WantedSubnet],
    places: &[Place],
) -> Result<Vec<(Subnet, Option<String>)>, Fault> {
    let mut zones: Vec<(String, String)> =
        places.iter().map(|place| (place.zone.clone(), place.subnet.clone())).collect();
    let mut subnets = Vec::new();
    for wanted in wanted {
        let subnet = records::find::<Subnet>(tx, scope, &wanted.id)?;
        if subnet.vpc != vpc {
            let text = format!("The subnet {} does not belong to the VPC {vpc}.", subnet.id);
            return Err(invalid_parameter(text));
        }
        if let Some((_, other)) = zones.iter().find(|(zone, _)| *zone == subnet.zone) {
            let text = format!(
                "Found another VPC endpoint subnet in the availability zone of {other}. VPC endpoint subnets should be in different availability zones supported by the VPC endpoint service."
            );
            return Err(bad("DuplicateSubnetsInSameZone", text));
        }
        zones.push((subnet.zone.clone(), subnet.id.clone()));
        subnets.push((subnet, wanted.address.clone()));
    }
    Ok(subnets)
}

/// The words that endpoint calls have for a malformed subnet id.
pub(crate) fn subnet_fault(fault: Fault, id: &str) -> Fault {
    if fault.code != "InvalidSubnetID.Malformed" {
        return fault;
    }
    let text = format!(
        "Invalid Subnet Id: '{id}' (expecting 'subnet-...; the Id may only contain lowercase alphanumeric characters and a single dash')"
    );
    bad("InvalidSubnetId.Malformed", text)
}

/// Places an endpoint in a subnet.
///
/// # Errors
/// `InsufficientFreeAddressesInSubnet`, `InvalidIPAddress.InUse`.
pub(crate) fn place(
    tx: &mut Tx,
    placing: Placing<'_>,
    mut subnet: Subnet,
    address: Option<&str>,
) -> Result<Place, Fault> {
    let scope = placing.scope;
    // The client's address first: where there is no room for both, there is none for either.
    client_address(tx, scope, &mut subnet)?;
    let plan = Plan {
        description: format!("VPC Endpoint Interface {}", placing.endpoint),
        groups: placing.groups.to_vec(),
        address,
        secondary: Wanted::default(),
        ipv6: Wanted::default(),
        attachment: Some(Attachment {
            kind: Holder::VpcEndpoint,
            holder: placing.endpoint.to_owned(),
            id: format!("ela-attach-0{}", placing.env.hex(16)),
            time: placing.now,
        }),
    };
    let interface = network_interface::make(tx, scope, placing.env, &subnet, plan)?;
    let loopback = take_loopback(tx, scope, placing.endpoint, &subnet.id)?;
    Ok(Place {
        subnet: subnet.id,
        zone: subnet.zone,
        interface: interface.id,
        address: interface.address,
        loopback,
        binding: Binding::Waiting,
    })
}

/// Takes an endpoint out of a subnet.
pub(crate) fn leave(tx: &mut Tx, scope: &Scope, place: &Place) -> Result<(), StoreError> {
    LOOPBACKS.delete(tx, &place.loopback.octets());
    match records::get::<Interface>(tx, scope, &place.interface)? {
        Some(interface) => network_interface::remove(tx, scope, &interface),
        None => Ok(()),
    }
}

fn take_loopback(
    tx: &mut Tx,
    scope: &Scope,
    endpoint: &str,
    subnet: &str,
) -> Result<Ipv4Addr, Fault> {
    let last = LAST_LOOPBACK.get(tx, "last")?.map(|last| last.address);
    let mut failed = None;
    let next = allot::next_loopback(last, |address| {
        LOOPBACKS.contains(tx, &address.octets()).unwrap_or_else(|error| {
            failed = Some(error);
            true
        })
    });
    if let Some(error) = failed {
        return Err(error.into());
    }
    let address = next.ok_or_else(|| {
        bad(
            "VpcEndpointLimitExceeded",
            "This machine's addresses for VPC endpoints are all in use.",
        )
    })?;
    let holder = Loopback {
        address,
        account: scope.account.to_string(),
        region: scope.region.to_string(),
        endpoint: endpoint.to_owned(),
        subnet: subnet.to_owned(),
    };
    LOOPBACKS.put(tx, &address.octets(), &holder)?;
    LAST_LOOPBACK.put(tx, "last", &holder)?;
    Ok(address)
}
