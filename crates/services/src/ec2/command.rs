//! Network interfaces of commands that the operator runs in a subnet (`sagegate exec`).
//!
//! They are the operator's tool, so nobody's permission is asked; they are EC2's own from then on,
//! as those of other services are: shown to everybody who may describe interfaces, held until the
//! command ends, and then gone.

use std::net::Ipv4Addr;

use sagegate_gate::{Env, Fault, Scope};
use sagegate_store::{Read, StoreError, Tx};

use super::managed_prefix_list::PREFIX_LISTS;
use super::network_interface::{self, Plan, Wanted};
use super::records::{self, Attachment, Holder, Interface, Subnet};

/// The description by which people know them.
const DESCRIPTION: &str = "sagegate exec";

/// The tables that decide what [`topology`](super::topology()) is.
pub const NETWORK_TABLES: &[&str] = &[
    records::VPCS.name(),
    records::SUBNETS.name(),
    records::GROUPS.name(),
    records::NETWORK_ACLS.name(),
    records::INTERFACES.name(),
    records::ENDPOINTS.name(),
    records::ROUTE_TABLES.name(),
    records::INTERNET_GATEWAYS.name(),
    records::EGRESS_ONLY_GATEWAYS.name(),
    records::ELASTIC_IPS.name(),
    records::NAT_GATEWAYS.name(),
    records::PEERINGS.name(),
    PREFIX_LISTS.name(),
];

/// A command's interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandInterface {
    /// `eni-…`.
    pub id: String,
    /// Its private address.
    pub address: Ipv4Addr,
    /// The VPC that it is in.
    pub vpc: String,
}

/// Makes a command's interface in a subnet, with these groups or the VPC's default one.
///
/// # Errors
/// Those of CreateNetworkInterface: there is no such subnet or group, they are not of one VPC, no
/// address is left.
pub fn make_for_command(
    tx: &mut Tx,
    scope: &Scope,
    env: &Env,
    subnet: &str,
    groups: &[String],
) -> Result<CommandInterface, Fault> {
    let subnet = records::find::<Subnet>(tx, scope, subnet)?;
    let groups = network_interface::groups(tx, scope, &subnet.vpc, Some(&groups.to_vec()))?;
    let attachment = Attachment {
        kind: Holder::Command,
        holder: format!("exec-{}", env.hex(16)),
        id: format!("ela-attach-0{}", env.hex(16)),
        time: env.now(),
    };
    let plan = Plan {
        description: DESCRIPTION.to_owned(),
        groups,
        address: None,
        secondary: Wanted::default(),
        ipv6: network_interface::usual_ipv6(&subnet),
        attachment: Some(attachment),
    };
    let made = network_interface::make(tx, scope, env, &subnet, plan)?;
    Ok(CommandInterface { id: made.id, address: made.address, vpc: made.vpc })
}

/// Removes a command's interface; nothing if it is gone, or not a command's.
///
/// # Errors
/// [`StoreError`].
pub fn remove_of_command(tx: &mut Tx, scope: &Scope, id: &str) -> Result<(), StoreError> {
    match records::get::<Interface>(tx, scope, id)? {
        Some(interface) if is_of_command(&interface) => {
            network_interface::remove(tx, scope, &interface)
        }
        _ => Ok(()),
    }
}

/// The interfaces of all commands: at a start, those whose server was killed.
///
/// # Errors
/// [`StoreError`].
pub fn of_commands(state: &dyn Read, scope: &Scope) -> Result<Vec<String>, StoreError> {
    let all = records::all::<Interface>(state, scope)?.into_iter();
    Ok(all.filter(is_of_command).map(|interface| interface.id).collect())
}

fn is_of_command(interface: &Interface) -> bool {
    interface.attachment.as_ref().is_some_and(|it| it.kind == Holder::Command)
}
