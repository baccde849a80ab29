//! The security groups that SageMaker makes in a domain's VPC: those of its NFS traffic, and that of
//! RStudio's apps. It makes and removes them by EC2's own operations, as its service-linked role.

use sagegate_api::ec2::{
    AuthorizeSecurityGroupEgressRequest, AuthorizeSecurityGroupIngressRequest,
    CreateSecurityGroupRequest, DeleteSecurityGroupRequest, IpPermission, IpRange,
    RevokeSecurityGroupEgressRequest, RevokeSecurityGroupIngressRequest, Tag, TagSpecification,
    UserIdGroupPair,
};
use sagegate_gate::{Fault, Scope};
use sagegate_network::security_group::Peer;
use sagegate_store::Tx;

use super::ids::DomainId;
use super::own_calls::OwnCalls;
use crate::ec2::records::{SecurityGroup, get};
use crate::ec2::security_group::{CreateSecurityGroup, DeleteSecurityGroup};
use crate::ec2::security_group_rules::{
    AuthorizeSecurityGroupEgress, AuthorizeSecurityGroupIngress, RevokeSecurityGroupEgress,
    RevokeSecurityGroupIngress,
};

/// The tag of what SageMaker has made: its service-linked role may change and delete no security
/// group without it (`AmazonSageMakerNotebooksServiceRolePolicy`).
const MANAGED_BY: &str = "ManagedByAmazonSageMakerResource";

/// The port of NFS.
const NFS: i32 = 2_049;

/// Makes a group that lets nothing in or out yet; its id.
fn make(
    tx: &mut Tx,
    own: &mut OwnCalls<'_>,
    vpc: &str,
    name: String,
    description: &str,
) -> Result<String, Fault> {
    let made = own.call::<CreateSecurityGroup>(
        tx,
        &CreateSecurityGroupRequest {
            group_name: name,
            description: format!("[DO NOT DELETE] {description} of {}", own.domain_arn()),
            vpc_id: Some(vpc.to_owned()),
            tag_specifications: Some(vec![TagSpecification {
                resource_type: Some("security-group".to_owned()),
                tags: Some(vec![Tag {
                    key: Some(MANAGED_BY.to_owned()),
                    value: Some(own.domain_arn().to_owned()),
                }]),
            }]),
            ..CreateSecurityGroupRequest::default()
        },
    )?;
    let id = made.group_id.ok_or_else(|| Fault::internal("a security group without an id"))?;
    // EC2 lets a new group out to everywhere.
    own.call::<RevokeSecurityGroupEgress>(
        tx,
        &RevokeSecurityGroupEgressRequest {
            group_id: id.clone(),
            ip_permissions: Some(vec![IpPermission {
                ip_protocol: Some("-1".to_owned()),
                ip_ranges: Some(vec![IpRange {
                    cidr_ip: Some("0.0.0.0/0".to_owned()),
                    description: None,
                }]),
                ..IpPermission::default()
            }]),
            ..RevokeSecurityGroupEgressRequest::default()
        },
    )?;
    Ok(id)
}

/// TCP of these ports with another group.
fn tcp((from, to): (i32, i32), peer: &str) -> Option<Vec<IpPermission>> {
    Some(vec![IpPermission {
        ip_protocol: Some("tcp".to_owned()),
        from_port: Some(from),
        to_port: Some(to),
        user_id_group_pairs: Some(vec![UserIdGroupPair {
            group_id: Some(peer.to_owned()),
            ..UserIdGroupPair::default()
        }]),
        ..IpPermission::default()
    }])
}

/// Lets the one group reach the other.
fn let_through(
    tx: &mut Tx,
    own: &mut OwnCalls<'_>,
    (source, target): (&str, &str),
    ports: (i32, i32),
) -> Result<(), Fault> {
    own.call::<AuthorizeSecurityGroupIngress>(
        tx,
        &AuthorizeSecurityGroupIngressRequest {
            group_id: Some(target.to_owned()),
            ip_permissions: tcp(ports, source),
            ..AuthorizeSecurityGroupIngressRequest::default()
        },
    )?;
    own.call::<AuthorizeSecurityGroupEgress>(
        tx,
        &AuthorizeSecurityGroupEgressRequest {
            group_id: source.to_owned(),
            ip_permissions: tcp(ports, target),
            ..AuthorizeSecurityGroupEgressRequest::default()
        },
    )?;
    Ok(())
}

/// Makes the two security groups of a domain's NFS traffic: that of the file system, which lets the
/// other in on port 2049, and that of the apps, which may go there.
///
/// # Errors
/// Those of EC2, such as a group of that name that is there already.
pub(super) fn make_nfs_groups(
    tx: &mut Tx,
    own: &mut OwnCalls<'_>,
    vpc: &str,
    domain: &DomainId,
) -> Result<(String, String), Fault> {
    let name = format!("security-group-for-inbound-nfs-{domain}");
    let inbound = make(tx, own, vpc, name, "Inbound NFS traffic to the file system")?;
    let name = format!("security-group-for-outbound-nfs-{domain}");
    let outbound = make(tx, own, vpc, name, "Outbound NFS traffic from the apps")?;
    let_through(tx, own, (&outbound, &inbound), (NFS, NFS))?;
    Ok((inbound, outbound))
}

/// Makes the security group that lets RStudio's server and its sessions reach each other.
///
/// # Errors
/// Those of EC2.
pub(super) fn make_boundary_group(
    tx: &mut Tx,
    own: &mut OwnCalls<'_>,
    vpc: &str,
    domain: &DomainId,
) -> Result<String, Fault> {
    let name = format!("security-group-for-domain-boundary-{domain}");
    let boundary = make(tx, own, vpc, name, "Traffic between the RStudio apps")?;
    let_through(tx, own, (&boundary, &boundary), (0, 65_535))?;
    Ok(boundary)
}

/// Removes groups that SageMaker made. First the rules by which they name each other, which would
/// keep both. One that something of the account's own still uses stays, as EC2 refuses to delete it.
///
/// # Errors
/// Those of EC2, but for a group that is in use or gone already.
pub(super) fn remove(
    tx: &mut Tx,
    own: &mut OwnCalls<'_>,
    scope: &Scope,
    ids: &[&String],
) -> Result<(), Fault> {
    for id in ids {
        let Some(group) = get::<SecurityGroup>(tx, scope, id)? else { continue };
        let rules = |egress| {
            let among = |peer: &Peer| matches!(peer, Peer::Group(peer) if ids.contains(&peer));
            let rules = group.rules.iter().filter(|it| it.egress == egress && among(&it.rule.peer));
            let rules: Vec<String> = rules.map(|it| it.id.clone()).collect();
            (!rules.is_empty()).then_some(rules)
        };
        if let Some(rules) = rules(false) {
            own.call::<RevokeSecurityGroupIngress>(
                tx,
                &RevokeSecurityGroupIngressRequest {
                    group_id: Some(group.id.clone()),
                    security_group_rule_ids: Some(rules),
                    ..RevokeSecurityGroupIngressRequest::default()
                },
            )?;
        }
        if let Some(rules) = rules(true) {
            own.call::<RevokeSecurityGroupEgress>(
                tx,
                &RevokeSecurityGroupEgressRequest {
                    group_id: group.id.clone(),
                    security_group_rule_ids: Some(rules),
                    ..RevokeSecurityGroupEgressRequest::default()
                },
            )?;
        }
    }
    for id in ids {
        if get::<SecurityGroup>(tx, scope, id)?.is_none() {
            continue;
        }
        let request = DeleteSecurityGroupRequest {
            group_id: Some((*id).clone()),
            ..DeleteSecurityGroupRequest::default()
        };
        match own.call::<DeleteSecurityGroup>(tx, &request) {
            Ok(_) => {}
            Err(fault) if fault.code == "DependencyViolation" => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(())
}
