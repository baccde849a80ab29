//! The mount targets of home file systems: a network interface in a subnet of each Availability Zone
//! of the domain, made and held by Amazon EFS. While it is there, neither the subnet nor the file
//! system's security group can be deleted (Amazon EFS User Guide, "Managing mount targets").
//!
//! EFS makes and removes the interface by EC2's operations, in the name of the one who asks it for
//! the mount target. That a mount target is plugged into it, and nobody but EFS can unplug it, is
//! between EFS and EC2, and no operation.

use sagegate_api::ec2::{CreateNetworkInterfaceRequest, DeleteNetworkInterfaceRequest};
use sagegate_gate::env::{Env, Time};
use sagegate_gate::{Fault, Scope};
use sagegate_store::Tx;

use super::own_calls::OwnCalls;

use super::records::{DomainRecord, HOME_FILE_SYSTEMS, HomeFileSystemRecord, MountTarget};
use crate::ec2::network_interface::{self, CreateNetworkInterface, DeleteNetworkInterface};
use crate::ec2::records::{Attachment, Holder, Subnet, get};

/// Makes the mount targets that the domain's subnets lack and removes those of subnets that it no
/// longer has. Without a file system, or without a VPC, there is nothing to do.
///
/// # Errors
/// That of a subnet that has no address left, or of a mount target that cannot be removed. What was
/// done before is noted; of the one that failed nothing is.
pub(super) fn settle(
    tx: &mut Tx,
    own: &mut OwnCalls<'_>,
    (env, now): (&Env, Time),
    scope: &Scope,
    domain: &DomainRecord,
) -> Result<(), Fault> {
    let (Some(id), Some((group, _))) = (&domain.home_efs_id, &domain.nfs_groups) else {
        return Ok(());
    };
    let key = (scope.account.as_str(), scope.region.as_str(), id.as_str());
    let Some(mut file_system) = HOME_FILE_SYSTEMS.get(tx, &key)? else { return Ok(()) };
    let targets = std::mem::take(&mut file_system.mount_targets);
    let (mut targets, left): (Vec<_>, Vec<_>) =
        targets.into_iter().partition(|it| domain.subnet_ids.contains(&it.subnet));
    let mut done = Ok(());
    for target in left {
        if done.is_ok() {
            done = own.or_undo(tx, |own, tx| unmount(tx, own, scope, &target));
        }
        if done.is_err() {
            targets.push(target);
        }
    }
    if done.is_ok() {
        done = make_missing(tx, own, (env, now), scope, (domain, id, group), &mut targets);
    }
    file_system.mount_targets = targets;
    HOME_FILE_SYSTEMS.put(tx, &key, &file_system)?;
    done
}

/// EFS takes one mount target for an Availability Zone (Amazon EFS API, CreateMountTarget): that of
/// the first subnet there. The others are held by nobody, so one of them may be gone.
fn make_missing(
    tx: &mut Tx,
    own: &mut OwnCalls<'_>,
    (env, now): (&Env, Time),
    scope: &Scope,
    (domain, file_system, group): (&DomainRecord, &str, &str),
    targets: &mut Vec<MountTarget>,
) -> Result<(), Fault> {
    let mut zones = Vec::new();
    for target in targets.iter() {
        zones.extend(get::<Subnet>(tx, scope, &target.subnet)?.map(|subnet| subnet.zone));
    }
    for subnet in &domain.subnet_ids {
        let Some(subnet) = get::<Subnet>(tx, scope, subnet)? else { continue };
        if zones.contains(&subnet.zone) {
            continue;
        }
        let target = own.or_undo(tx, |own, tx| {
            mount(tx, own, (env, now), scope, (file_system, group), &subnet.id)
        })?;
        zones.push(subnet.zone);
        targets.push(target);
    }
    Ok(())
}

/// Makes an interface in a subnet and plugs a new mount target into it.
fn mount(
    tx: &mut Tx,
    own: &mut OwnCalls<'_>,
    (env, now): (&Env, Time),
    scope: &Scope,
    (file_system, group): (&str, &str),
    subnet: &str,
) -> Result<MountTarget, Fault> {
    let id = format!("fsmt-0{}", env.hex(16));
    let request = CreateNetworkInterfaceRequest {
        description: Some(format!("EFS mount target for {file_system} ({id})")),
        groups: Some(vec![group.to_owned()]),
        subnet_id: subnet.to_owned(),
        ..CreateNetworkInterfaceRequest::default()
    };
    let made = own.call_by_efs::<CreateNetworkInterface>(tx, &request)?;
    let interface = made.network_interface.and_then(|it| it.network_interface_id);
    let interface = interface.ok_or_else(|| Fault::internal("an interface without an id"))?;
    let attachment = Attachment {
        kind: Holder::MountTarget,
        holder: id.clone(),
        id: format!("ela-attach-0{}", env.hex(16)),
        time: now,
    };
    network_interface::plug(tx, scope, &interface, Some(attachment))?;
    Ok(MountTarget { id, subnet: subnet.to_owned(), interface })
}

/// Removes all mount targets of a file system whose domain goes. So it is too where the data are
/// kept: EFS would leave them to the account, but without EFS's own API nobody could ever remove
/// them, nor the VPC that they are in.
pub(super) fn remove(
    tx: &mut Tx,
    own: &mut OwnCalls<'_>,
    scope: &Scope,
    file_system: &mut HomeFileSystemRecord,
) -> Result<(), Fault> {
    for target in std::mem::take(&mut file_system.mount_targets) {
        unmount(tx, own, scope, &target)?;
    }
    Ok(())
}

/// Unplugs a mount target and deletes its interface. Both or neither have to be done: an interface
/// that nothing is plugged into is anybody's to delete, and EFS would lose sight of it.
fn unmount(
    tx: &mut Tx,
    own: &mut OwnCalls<'_>,
    scope: &Scope,
    target: &MountTarget,
) -> Result<(), Fault> {
    if !network_interface::plug(tx, scope, &target.interface, None)? {
        return Ok(());
    }
    let request = DeleteNetworkInterfaceRequest {
        network_interface_id: target.interface.clone(),
        ..DeleteNetworkInterfaceRequest::default()
    };
    own.call_by_efs::<DeleteNetworkInterface>(tx, &request)?;
    Ok(())
}
