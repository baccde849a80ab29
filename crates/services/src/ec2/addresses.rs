//! The IPv4 addresses of subnets: who holds which, and which one the next one gets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use sagegate_gate::{Fault, Scope};
use sagegate_network::allot::{self, End};
use sagegate_network::cidr;
use sagegate_store::{Read, StoreError, Tx};

use super::fault::{bad, invalid_value};
use super::records::{self, ADDRESSES, CLIENT, Subnet, Vpc};

/// The addresses of a subnet that somebody holds.
fn taken(state: &dyn Read, scope: &Scope, subnet: &str) -> Result<BTreeSet<Ipv4Addr>, StoreError> {
    let prefix = (scope.account.as_str(), scope.region.as_str(), subnet);
    let found = ADDRESSES.scan(state, &prefix, None, usize::MAX)?;
    Ok(found.into_iter().map(|((.., address), _)| Ipv4Addr::from(address)).collect())
}

fn hold(
    tx: &mut Tx,
    scope: &Scope,
    subnet: &Subnet,
    address: Ipv4Addr,
    holder: &str,
) -> Result<(), StoreError> {
    let (account, region) = (scope.account.as_str(), scope.region.as_str());
    let key = (account, region, subnet.id.as_str(), address.octets());
    ADDRESSES.put(tx, &key, &holder.to_owned())
}

/// Takes an address for `holder`: the wanted one, or the lowest that is free.
///
/// # Errors
/// `InsufficientFreeAddressesInSubnet`, `InvalidIPAddress.InUse`, `InvalidParameterValue`.
pub(crate) fn take_address(
    tx: &mut Tx,
    scope: &Scope,
    subnet: &Subnet,
    wanted: Option<&str>,
    holder: &str,
) -> Result<Ipv4Addr, Fault> {
    let address = chosen_address(tx, scope, subnet, wanted)?;
    hold(tx, scope, subnet, address, holder)?;
    Ok(address)
}

/// The address that [`take_address`] would take.
///
/// # Errors
/// As there.
pub(crate) fn chosen_address(
    state: &dyn Read,
    scope: &Scope,
    subnet: &Subnet,
    wanted: Option<&str>,
) -> Result<Ipv4Addr, Fault> {
    let taken = taken(state, scope, &subnet.id)?;
    match wanted {
        None => allot::allot(&subnet.cidr, &taken, End::Low).ok_or_else(|| full(subnet)),
        Some(text) => {
            let address: Ipv4Addr = text.parse().map_err(|_| unreadable(text))?;
            if !subnet.cidr.contains(&address) {
                return Err(outside());
            }
            if cidr::is_reserved(&subnet.cidr, address) {
                return Err(reserved());
            }
            if taken.contains(&address) {
                return Err(in_use(address.into()));
            }
            Ok(address)
        }
    }
}

/// The error for an address that is none.
pub(crate) fn unreadable(text: &str) -> Fault {
    invalid_value(format!("invalid value for parameter address: {text}"))
}

/// The error for an address of another block.
pub(crate) fn outside() -> Fault {
    invalid_value("Address does not fall within the subnet's address range")
}

/// The error for an address that AWS keeps.
pub(crate) fn reserved() -> Fault {
    invalid_value("Address is in subnet's reserved address range")
}

/// The error for an address that somebody holds.
pub(crate) fn in_use(address: IpAddr) -> Fault {
    bad("InvalidIPAddress.InUse", format!("Address {address} is in use."))
}

/// The error where none is left.
pub(crate) fn full(subnet: &Subnet) -> Fault {
    let text = format!(
        "The specified subnet does not have enough free addresses to satisfy the request: {}",
        subnet.id
    );
    bad("InsufficientFreeAddressesInSubnet", text)
}

/// Who holds an address: an interface's id, or [`CLIENT`].
pub(crate) fn holder(
    state: &dyn Read,
    scope: &Scope,
    subnet: &str,
    address: Ipv4Addr,
) -> Result<Option<String>, StoreError> {
    let (account, region) = (scope.account.as_str(), scope.region.as_str());
    ADDRESSES.get(state, &(account, region, subnet, address.octets()))
}

/// Gives an address back.
pub(crate) fn free_address(tx: &mut Tx, scope: &Scope, subnet: &str, address: Ipv4Addr) {
    let (account, region) = (scope.account.as_str(), scope.region.as_str());
    ADDRESSES.delete(tx, &(account, region, subnet, address.octets()));
}

/// The address of the client that stands for this subnet's users, taken now if it has none yet.
///
/// # Errors
/// `InsufficientFreeAddressesInSubnet`.
pub(crate) fn client_address(
    tx: &mut Tx,
    scope: &Scope,
    subnet: &mut Subnet,
) -> Result<Ipv4Addr, Fault> {
    if let Some(address) = subnet.client_address {
        return Ok(address);
    }
    let taken = taken(tx, scope, &subnet.id)?;
    let address = allot::allot(&subnet.cidr, &taken, End::High).ok_or_else(|| full(subnet))?;
    hold(tx, scope, subnet, address, CLIENT)?;
    subnet.client_address = Some(address);
    records::put(tx, scope, subnet)?;
    Ok(address)
}

/// How many addresses each subnet has left, as DescribeSubnets says it.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub fn free_addresses(
    state: &dyn Read,
    scope: &Scope,
) -> Result<BTreeMap<String, usize>, StoreError> {
    let mut free = BTreeMap::new();
    for subnet in records::all::<Subnet>(state, scope)? {
        let usable = usize::try_from(cidr::usable(&subnet.cidr)).unwrap_or(usize::MAX);
        let used = taken(state, scope, &subnet.id)?.len();
        free.insert(subnet.id, usable.saturating_sub(used));
    }
    Ok(free)
}

/// Who comes from a subnet where nobody in particular is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetClient {
    /// The subnet's VPC.
    pub vpc: String,
    /// Its address: the one that clients of endpoints in this subnet have, or would get.
    pub address: Ipv4Addr,
    /// The VPC's default security group.
    pub group: String,
}

/// The client that stands for a subnet; `None` where there is no such subnet.
///
/// # Errors
/// `InsufficientFreeAddressesInSubnet`; an internal [`Fault`] if the store cannot be read.
pub fn subnet_client(
    state: &dyn Read,
    scope: &Scope,
    subnet_id: &str,
) -> Result<Option<SubnetClient>, Fault> {
    let Some(subnet) = records::get::<Subnet>(state, scope, subnet_id)? else { return Ok(None) };
    let address = match subnet.client_address {
        Some(address) => address,
        None => allot::allot(&subnet.cidr, &taken(state, scope, subnet_id)?, End::High)
            .ok_or_else(|| full(&subnet))?,
    };
    let vpc = records::get::<Vpc>(state, scope, &subnet.vpc)?;
    let group = vpc.map(|vpc| vpc.default_group).unwrap_or_default();
    Ok(Some(SubnetClient { vpc: subnet.vpc, address, group }))
}
