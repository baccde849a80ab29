//! Network ACLs: what may enter and leave a subnet.
//!
//! Rules: Amazon VPC User Guide, "Control subnet traffic with network access control lists". Every
//! VPC has a default ACL, and every subnet is associated with one ACL at any time: with the default
//! one, until another takes its place. The last entries, which deny what no other matches, are in no
//! record: nobody can change them.

pub(crate) mod acls;
pub(crate) mod associations;
pub(crate) mod entries;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use sagegate_gate::{Fault, Scope};
use sagegate_network::security_group::Protocol;
use sagegate_store::{Read, StoreError, Tx};

use super::kind::Kind;
use super::records::{self, AclAssociation, AclEntry, NetworkAcl};

/// What the ids of associations begin with.
const ASSOCIATION: &str = "aclassoc-";

/// The numbers of the entries that default ACLs begin with: for IPv4, and for IPv6 as soon as their
/// VPC has a block of it.
const FIRST_ENTRY: u16 = 100;
const FIRST_V6_ENTRY: u16 = 101;

/// The ACL that a VPC has from the beginning: it lets everything through. `id` gives an id with the
/// prefix that it is given.
pub(crate) fn default_acl(vpc: &str, id: impl Fn(&str) -> String) -> NetworkAcl {
    let everything = |egress| everything(egress, FIRST_ENTRY, IpNet::V4(Ipv4Net::default()));
    NetworkAcl {
        id: id(Kind::NetworkAcl.prefix()),
        vpc: vpc.to_owned(),
        is_default: true,
        entries: vec![everything(false), everything(true)],
        associations: Vec::new(),
        token: None,
    }
}

fn everything(egress: bool, number: u16, block: IpNet) -> AclEntry {
    AclEntry { egress, number, protocol: Protocol::All, from: -1, to: -1, block, allow: true }
}

/// Lets IPv6 through the default ACL of a VPC that got a block of it, in each direction whose entries
/// nobody has changed (Amazon VPC User Guide, "Default network ACL").
pub(crate) fn welcome_ipv6(tx: &mut Tx, scope: &Scope, vpc: &str) -> Result<(), StoreError> {
    let Some(mut acl) = default_of(tx, scope, vpc)? else { return Ok(()) };
    for egress in [false, true] {
        let made = everything(egress, FIRST_ENTRY, IpNet::V4(Ipv4Net::default()));
        let mut own = acl.entries.iter().filter(|entry| entry.egress == egress);
        if own.next() == Some(&made) && own.next().is_none() {
            let all = IpNet::V6(Ipv6Net::default());
            acl.entries.push(everything(egress, FIRST_V6_ENTRY, all));
        }
    }
    // Those for what enters first, each in the order of their numbers.
    acl.entries.sort_by_key(|entry| (entry.egress, entry.number));
    records::put(tx, scope, &acl)
}

/// The ACLs of a VPC.
pub(crate) fn of_vpc(
    state: &dyn Read,
    scope: &Scope,
    vpc: &str,
) -> Result<Vec<NetworkAcl>, StoreError> {
    let mut acls = records::all::<NetworkAcl>(state, scope)?;
    acls.retain(|acl| acl.vpc == vpc);
    Ok(acls)
}

/// The default ACL of a VPC.
pub(crate) fn default_of(
    state: &dyn Read,
    scope: &Scope,
    vpc: &str,
) -> Result<Option<NetworkAcl>, StoreError> {
    Ok(of_vpc(state, scope, vpc)?.into_iter().find(|acl| acl.is_default))
}

/// Associates a new subnet with the default ACL of its VPC.
///
/// # Errors
/// An internal fault where the VPC has none: it is made with the VPC and cannot be deleted.
pub(crate) fn welcome_subnet(
    tx: &mut Tx,
    scope: &Scope,
    vpc: &str,
    subnet: &str,
    id: impl Fn(&str) -> String,
) -> Result<(), Fault> {
    let mut acl = default_of(tx, scope, vpc)?
        .ok_or_else(|| Fault::internal(format!("{vpc} has no default network ACL")))?;
    acl.associations.push(AclAssociation { id: id(ASSOCIATION), subnet: subnet.to_owned() });
    Ok(records::put(tx, scope, &acl)?)
}

/// Ends the association of a subnet that goes away.
pub(crate) fn forget_subnet(tx: &mut Tx, scope: &Scope, subnet: &str) -> Result<(), StoreError> {
    for mut acl in records::all::<NetworkAcl>(tx, scope)? {
        let before = acl.associations.len();
        acl.associations.retain(|association| association.subnet != subnet);
        if acl.associations.len() != before {
            records::put(tx, scope, &acl)?;
        }
    }
    Ok(())
}
