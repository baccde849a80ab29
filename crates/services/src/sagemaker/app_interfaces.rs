//! The network interfaces of apps in domains that are VpcOnly: one for each app, in a subnet of the
//! domain, held by SageMaker for as long as the app runs ("Amazon SageMaker AI Developer Guide",
//! "Connect Studio notebooks in a VPC to external resources": so each takes an address).
//!
//! SageMaker makes and removes them by EC2's operations, as its service-linked role. That an app is
//! plugged into one is between the two services, and no operation.

use sagegate_api::ec2::{CreateNetworkInterfaceRequest, DeleteNetworkInterfaceRequest};
use sagegate_gate::env::{Env, Time};
use sagegate_gate::{Fault, Scope, Within};
use sagegate_store::Tx;

use super::own_calls::OwnCalls;
use super::records::DomainRecord;
use super::space_records::AppRecord;
use crate::ec2::network_interface::{self, CreateNetworkInterface, DeleteNetworkInterface};
use crate::ec2::records::{Attachment, Holder};

/// The code of EC2's refusal for a subnet without an address that is free.
const FULL: &str = "InsufficientFreeAddressesInSubnet";

/// Makes an app's interface in the first of the domain's subnets that has an address left; its id. AWS
/// does not say which it takes. Its security groups are the app's, and that by which apps reach the
/// home file system (SageMaker API, `UserSettings`, `SecurityGroups`). Where there are none at all it
/// is EC2 that gives an interface the default group of its VPC.
///
/// # Errors
/// That of EC2 for the last subnet.
pub(super) fn make(
    tx: &mut Tx,
    own: &mut OwnCalls<'_>,
    (env, now): (&Env, Time),
    scope: &Scope,
    domain: &DomainRecord,
    (app_arn, groups): (&str, &[String]),
) -> Result<String, Fault> {
    let mut groups = groups.to_vec();
    groups.extend(domain.nfs_groups.iter().map(|(_, apps)| apps.clone()));
    let mut full = Fault::internal("a domain that is VpcOnly has no subnet");
    for subnet in &domain.subnet_ids {
        let request = CreateNetworkInterfaceRequest {
            description: Some(format!(
                "[DO NOT DELETE] ENI managed by SageMaker for Studio Domain({}) - {}",
                domain.id,
                env.hex(32)
            )),
            groups: Some(groups.clone()),
            subnet_id: subnet.clone(),
            ..CreateNetworkInterfaceRequest::default()
        };
        let made = match own.call::<CreateNetworkInterface>(tx, &request) {
            Err(fault) if fault.code == FULL => {
                full = fault;
                continue;
            }
            made => made?,
        };
        let interface = made.network_interface.and_then(|it| it.network_interface_id);
        let interface = interface.ok_or_else(|| Fault::internal("an interface without an id"))?;
        let attachment = Attachment {
            kind: Holder::App,
            holder: app_arn.to_owned(),
            id: format!("ela-attach-0{}", env.hex(16)),
            time: now,
        };
        network_interface::plug(tx, scope, &interface, Some(attachment))?;
        return Ok(interface);
    }
    Err(full)
}

/// Removes the interface of an app of which nothing runs any more, if it has one, and gives its
/// address back.
///
/// # Errors
/// That of EC2; then nothing is done.
pub(super) fn remove(
    tx: &mut Tx,
    within: Within<'_>,
    scope: &Scope,
    app: &mut AppRecord,
) -> Result<(), Fault> {
    let Some(interface) = app.interface.take() else { return Ok(()) };
    let mut own = OwnCalls::new(within, scope, &app.domain);
    own.or_undo(tx, |own, tx| {
        if network_interface::plug(tx, scope, &interface, None)? {
            let request = DeleteNetworkInterfaceRequest {
                network_interface_id: interface,
                ..DeleteNetworkInterfaceRequest::default()
            };
            own.call::<DeleteNetworkInterface>(tx, &request)?;
        }
        Ok(())
    })
}
