//! The addresses of network interfaces besides their primary ones: AssignPrivateIpAddresses,
//! UnassignPrivateIpAddresses, AssignIpv6Addresses, UnassignIpv6Addresses.
//!
//! Rules: Amazon EC2 User Guide, "IP addresses per network interface", and the API Reference of the
//! four.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use sagegate_api::Unit;
use sagegate_api::ec2::{
    AssignIpv6AddressesRequest, AssignIpv6AddressesResult, AssignPrivateIpAddressesRequest,
    AssignPrivateIpAddressesResult, AssignedPrivateIpAddress, UnassignIpv6AddressesRequest,
    UnassignIpv6AddressesResult, UnassignPrivateIpAddressesRequest,
};
use sagegate_gate::{Access, Authorized, Call, Env, Fault, Needs, Operation, Scope};
use sagegate_network::cidr_v6;
use sagegate_store::{Read, StoreError, Tx};

use super::addresses::{self, free_address, in_use, reserved, take_address, unreadable};
use super::fault::{bad, invalid_value, missing, refuse};
use super::kind::Kind;
use super::network_interface::check_own;
use super::records::{self, Interface, Subnet};
use super::{elastic_ip, needs};

/// Addresses of an interface in each family: what the largest instance types may have (Amazon EC2
/// User Guide, "Maximum IP addresses per network interface"). An interface that is attached to no
/// instance has no type that would set it lower.
const MAX_ADDRESSES: usize = 50;

/// The addresses that somebody wants for an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted<'a> {
    /// So many, whichever are free.
    Count(usize),
    These(Vec<&'a str>),
}

impl Default for Wanted<'_> {
    fn default() -> Self {
        Self::Count(0)
    }
}

impl<'a> Wanted<'a> {
    /// What a request names: addresses, or how many. `None` if it says nothing.
    ///
    /// # Errors
    /// `InvalidParameterCombination` for both, `InvalidParameterValue` for less than none.
    pub(crate) fn of(
        list: Vec<&'a str>,
        count: Option<i32>,
        (list_name, count_name): (&str, &str),
    ) -> Result<Option<Self>, Fault> {
        match (list.is_empty(), count) {
            (true, None) => Ok(None),
            (false, None) => Ok(Some(Self::These(list))),
            (true, Some(count)) => match usize::try_from(count) {
                Ok(count) => Ok(Some(Self::Count(count))),
                Err(_) => Err(invalid_value(format!(
                    "Value ({count}) for parameter {count_name} is invalid."
                ))),
            },
            (false, Some(_)) => Err(bad(
                "InvalidParameterCombination",
                format!("The parameter {list_name} cannot be used with the parameter {count_name}"),
            )),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Count(count) => *count,
            Self::These(list) => list.len(),
        }
    }
}

fn check_limit(interface: &Interface, has: usize, more: usize) -> Result<(), Fault> {
    if has.saturating_add(more) <= MAX_ADDRESSES {
        return Ok(());
    }
    let text = format!(
        "Number of private addresses will exceed limit. {} may have up to {MAX_ADDRESSES}.",
        interface.id
    );
    Err(bad("PrivateIpAddressLimitExceeded", text))
}

/// Gives an interface more private addresses, which stand behind those that it has. With `moved`,
/// what is another interface's secondary address leaves it.
///
/// # Errors
/// As `take_address`; `PrivateIpAddressLimitExceeded`.
pub(crate) fn add_v4(
    tx: &mut Tx,
    scope: &Scope,
    subnet: &Subnet,
    interface: &mut Interface,
    wanted: &Wanted<'_>,
    moved: bool,
) -> Result<Vec<Ipv4Addr>, Fault> {
    check_limit(interface, 1 + interface.secondary.len(), wanted.len())?;
    let mut added = Vec::new();
    match wanted {
        Wanted::Count(count) => {
            for _ in 0..*count {
                added.push(take_address(tx, scope, subnet, None, &interface.id)?);
            }
        }
        Wanted::These(list) => {
            for text in list {
                let address: Ipv4Addr = text.parse().map_err(|_| unreadable(text))?;
                if interface.secondary.contains(&address) {
                    // It is what was asked for already.
                    continue;
                }
                give_up(tx, scope, subnet, interface, address, moved)?;
                added.push(take_address(tx, scope, subnet, Some(text), &interface.id)?);
            }
        }
    }
    interface.secondary.extend(&added);
    records::put(tx, scope, interface)?;
    Ok(added)
}

/// Takes an address from the interface that has it besides its primary one.
fn give_up(
    tx: &mut Tx,
    scope: &Scope,
    subnet: &Subnet,
    interface: &Interface,
    address: Ipv4Addr,
    moved: bool,
) -> Result<(), Fault> {
    let Some(holder) = addresses::holder(tx, scope, &subnet.id, address)? else { return Ok(()) };
    let other = records::get::<Interface>(tx, scope, &holder)?;
    let other = other.filter(|it| it.id != interface.id && it.secondary.contains(&address));
    // What is nobody's secondary address is refused with what else is taken.
    let Some(mut other) = other else { return Ok(()) };
    if !moved {
        let text = format!("[{address}] assigned, but move is not allowed.");
        return Err(invalid_value(text));
    }
    check_own(&other)?;
    remove_v4(tx, scope, &mut other, address)?;
    Ok(())
}

/// Takes a secondary address from an interface; a public one stands for nothing then.
fn remove_v4(
    tx: &mut Tx,
    scope: &Scope,
    interface: &mut Interface,
    address: Ipv4Addr,
) -> Result<(), StoreError> {
    elastic_ip::forget_address(tx, scope, &interface.id, address)?;
    free_address(tx, scope, &interface.subnet, address);
    interface.secondary.retain(|own| *own != address);
    records::put(tx, scope, interface)
}

/// The IPv6 addresses of a subnet that somebody has.
fn taken_v6(
    state: &dyn Read,
    scope: &Scope,
    subnet: &str,
) -> Result<BTreeSet<Ipv6Addr>, StoreError> {
    let all = records::all::<Interface>(state, scope)?.into_iter();
    Ok(all.filter(|it| it.subnet == subnet).flat_map(|it| it.ipv6).collect())
}

/// Gives an interface more IPv6 addresses.
///
/// # Errors
/// `InvalidParameterValue`, `InvalidIPAddress.InUse`, `PrivateIpAddressLimitExceeded`.
pub(crate) fn add_v6(
    tx: &mut Tx,
    scope: &Scope,
    env: &Env,
    subnet: &Subnet,
    interface: &mut Interface,
    wanted: &Wanted<'_>,
) -> Result<Vec<Ipv6Addr>, Fault> {
    if wanted.len() == 0 {
        return Ok(Vec::new());
    }
    check_limit(interface, interface.ipv6.len(), wanted.len())?;
    let Some(own) = &subnet.ipv6 else {
        // How AWS words it is not known.
        let text = format!("The subnet {} has no IPv6 CIDR block associated with it.", subnet.id);
        return Err(invalid_value(text));
    };
    let mut taken = taken_v6(tx, scope, &subnet.id)?;
    let mut added = Vec::new();
    match wanted {
        Wanted::Count(count) => {
            for _ in 0..*count {
                let address = cidr_v6::allot(&own.block, &taken, env.bytes())
                    .ok_or_else(|| addresses::full(subnet))?;
                taken.insert(address);
                added.push(address);
            }
        }
        Wanted::These(list) => {
            for text in list {
                let address: Ipv6Addr = text.parse().map_err(|_| unreadable(text))?;
                if interface.ipv6.contains(&address) {
                    continue;
                }
                if !own.block.contains(&address) {
                    return Err(addresses::outside());
                }
                if cidr_v6::is_reserved(&own.block, address) {
                    return Err(reserved());
                }
                if !taken.insert(address) {
                    return Err(in_use(address.into()));
                }
                added.push(address);
            }
        }
    }
    interface.ipv6.extend(&added);
    records::put(tx, scope, interface)?;
    Ok(added)
}

/// The interface that a request is about, and its subnet.
fn meant(state: &dyn Read, scope: &Scope, id: &str) -> Result<(Interface, Subnet), Fault> {
    let interface = records::find::<Interface>(state, scope, id)?;
    check_own(&interface)?;
    let subnet = records::find::<Subnet>(state, scope, &interface.subnet)?;
    Ok((interface, subnet))
}

fn on(
    action: &'static str,
    state: &dyn Read,
    scope: &Scope,
    interface: &str,
) -> Result<Needs, Fault> {
    Ok(needs::on(action, state, scope, Kind::NetworkInterface, interface)?.into())
}

fn texts(list: Option<&Vec<String>>) -> Vec<&str> {
    list.into_iter().flatten().map(String::as_str).collect()
}

fn any(list: Option<&Vec<String>>) -> bool {
    list.is_some_and(|list| !list.is_empty())
}

/// Addresses that are to go, each of which the interface must have.
fn going<A: std::str::FromStr + PartialEq>(
    interface: &Interface,
    list: &[&str],
    has: &[A],
) -> Result<Vec<A>, Fault> {
    let read = |text: &&str| {
        let address: A = text.parse().map_err(|_| unreadable(text))?;
        if has.contains(&address) {
            return Ok(address);
        }
        Err(invalid_value(format!(
            "Some of the specified addresses are not assigned to interface {}",
            interface.id
        )))
    };
    list.iter().map(read).collect()
}

/// AssignPrivateIpAddresses.
pub(crate) struct AssignPrivateIpAddresses;

impl Operation for AssignPrivateIpAddresses {
    type Input = AssignPrivateIpAddressesRequest;
    type Output = AssignPrivateIpAddressesResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "AssignPrivateIpAddresses";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        on("ec2:AssignPrivateIpAddresses", state, call.scope, &call.input.network_interface_id)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        const NAMES: (&str, &str) = ("privateIpAddresses", "secondaryPrivateIpAddressCount");
        let (input, scope) = (call.input, call.scope);
        refuse(&[
            ("Ipv4Prefix", any(input.ipv4_prefixes.as_ref())),
            ("Ipv4PrefixCount", input.ipv4_prefix_count.is_some()),
        ])?;
        let list = texts(input.private_ip_addresses.as_ref());
        let wanted = Wanted::of(list, input.secondary_private_ip_address_count, NAMES)?;
        let wanted = wanted.ok_or_else(|| missing(NAMES.1))?;
        let (mut interface, subnet) = meant(tx, scope, &input.network_interface_id)?;
        let moved = input.allow_reassignment == Some(true);
        let added = add_v4(tx, scope, &subnet, &mut interface, &wanted, moved)?;
        let shown = added.into_iter().map(|address| AssignedPrivateIpAddress {
            private_ip_address: Some(address.to_string()),
        });
        Ok(Self::Output {
            network_interface_id: Some(interface.id),
            assigned_private_ip_addresses: Some(shown.collect()),
            ..Self::Output::default()
        })
    }
}

/// UnassignPrivateIpAddresses. The primary address stays as long as its interface.
pub(crate) struct UnassignPrivateIpAddresses;

impl Operation for UnassignPrivateIpAddresses {
    type Input = UnassignPrivateIpAddressesRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "UnassignPrivateIpAddresses";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        on("ec2:UnassignPrivateIpAddresses", state, call.scope, &call.input.network_interface_id)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, scope) = (call.input, call.scope);
        refuse(&[("Ipv4Prefix", any(input.ipv4_prefixes.as_ref()))])?;
        let list = texts(input.private_ip_addresses.as_ref());
        if list.is_empty() {
            return Err(missing("privateIpAddresses"));
        }
        let (mut interface, _) = meant(tx, scope, &input.network_interface_id)?;
        for address in going(&interface, &list, &interface.secondary)? {
            remove_v4(tx, scope, &mut interface, address)?;
        }
        Ok(Unit)
    }
}

/// AssignIpv6Addresses.
pub(crate) struct AssignIpv6Addresses;

impl Operation for AssignIpv6Addresses {
    type Input = AssignIpv6AddressesRequest;
    type Output = AssignIpv6AddressesResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "AssignIpv6Addresses";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        on("ec2:AssignIpv6Addresses", state, call.scope, &call.input.network_interface_id)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        const NAMES: (&str, &str) = ("ipv6Addresses", "ipv6AddressCount");
        let (input, scope) = (call.input, call.scope);
        refuse(&[
            ("Ipv6Prefix", any(input.ipv6_prefixes.as_ref())),
            ("Ipv6PrefixCount", input.ipv6_prefix_count.is_some()),
        ])?;
        let list = texts(input.ipv6_addresses.as_ref());
        let wanted = Wanted::of(list, input.ipv6_address_count, NAMES)?;
        let wanted = wanted.ok_or_else(|| missing(NAMES.1))?;
        let (mut interface, subnet) = meant(tx, scope, &input.network_interface_id)?;
        let added = add_v6(tx, scope, call.env, &subnet, &mut interface, &wanted)?;
        Ok(Self::Output {
            assigned_ipv6_addresses: Some(added.iter().map(ToString::to_string).collect()),
            network_interface_id: Some(interface.id),
            ..Self::Output::default()
        })
    }
}

/// UnassignIpv6Addresses.
pub(crate) struct UnassignIpv6Addresses;

impl Operation for UnassignIpv6Addresses {
    type Input = UnassignIpv6AddressesRequest;
    type Output = UnassignIpv6AddressesResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "UnassignIpv6Addresses";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        on("ec2:UnassignIpv6Addresses", state, call.scope, &call.input.network_interface_id)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        refuse(&[("Ipv6Prefix", any(input.ipv6_prefixes.as_ref()))])?;
        let list = texts(input.ipv6_addresses.as_ref());
        if list.is_empty() {
            return Err(missing("ipv6Addresses"));
        }
        let (mut interface, _) = meant(tx, scope, &input.network_interface_id)?;
        let gone = going(&interface, &list, &interface.ipv6)?;
        interface.ipv6.retain(|address| !gone.contains(address));
        records::put(tx, scope, &interface)?;
        Ok(Self::Output {
            unassigned_ipv6_addresses: Some(gone.iter().map(ToString::to_string).collect()),
            network_interface_id: Some(interface.id),
            ..Self::Output::default()
        })
    }
}
