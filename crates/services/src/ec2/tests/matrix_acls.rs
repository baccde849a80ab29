//! The part of the matrix that is about network ACLs.

use sagegate_api::ec2 as api;

use super::acls::{acl, association_of, entry};
use super::matrix::{Case, case, listing};
use super::permissions::ARN;
use super::{named, subnet};
use crate::ec2::network_acl::acls::{CreateNetworkAcl, DeleteNetworkAcl, DescribeNetworkAcls};
use crate::ec2::network_acl::associations::ReplaceNetworkAclAssociation;
use crate::ec2::network_acl::entries::{
    CreateNetworkAclEntry, DeleteNetworkAclEntry, ReplaceNetworkAclEntry,
};
use crate::testing::House;

/// Cases in the order in which they must be made, in a VPC of 10.0.0.0/16.
pub(super) fn cases<'a>(house: &'a House, vpc_id: &str) -> Vec<Case<'a>> {
    let on = |kind: &str, id: &str| format!("{ARN}:{kind}/{id}");
    let subnet_id = subnet(house, vpc_id, "10.0.40.0/24", "a");
    let (own, doomed) = (acl(house, vpc_id), acl(house, vpc_id));
    let (default, association) = association_of(house, &subnet_id);
    let with_keys = r#"{"ArnLike":{"ec2:Vpc":"arn:aws:ec2:*:*:vpc/*"},"StringLike":{"ec2:NetworkAclID":"acl-*"}}"#;
    vec![
        listing::<DescribeNetworkAcls>(house, "ec2:DescribeNetworkAcls"),
        case::<CreateNetworkAcl>(
            house,
            vec![
                ("ec2:CreateNetworkAcl", on("network-acl", "*"), ""),
                ("ec2:CreateNetworkAcl", on("vpc", vpc_id), ""),
                (
                    "ec2:CreateTags",
                    on("network-acl", "*"),
                    r#"{"StringEquals":{"ec2:CreateAction":"CreateNetworkAcl"}}"#,
                ),
            ],
            api::CreateNetworkAclRequest {
                vpc_id: vpc_id.into(),
                tag_specifications: named("network-acl", "k", "v"),
                ..Default::default()
            },
        ),
        case::<CreateNetworkAclEntry>(
            house,
            vec![("ec2:CreateNetworkAclEntry", on("network-acl", &own), with_keys)],
            entry(&own, 100, "-1", "0.0.0.0/0"),
        ),
        case::<ReplaceNetworkAclEntry>(
            house,
            vec![("ec2:ReplaceNetworkAclEntry", on("network-acl", &own), with_keys)],
            api::ReplaceNetworkAclEntryRequest {
                network_acl_id: own.clone(),
                rule_number: 100,
                protocol: "-1".into(),
                rule_action: api::RuleAction::Deny,
                cidr_block: Some("0.0.0.0/0".into()),
                ..Default::default()
            },
        ),
        case::<DeleteNetworkAclEntry>(
            house,
            vec![("ec2:DeleteNetworkAclEntry", on("network-acl", &own), with_keys)],
            api::DeleteNetworkAclEntryRequest {
                network_acl_id: own.clone(),
                rule_number: 100,
                ..Default::default()
            },
        ),
        case::<ReplaceNetworkAclAssociation>(
            house,
            vec![
                ("ec2:ReplaceNetworkAclAssociation", on("network-acl", &own), with_keys),
                ("ec2:ReplaceNetworkAclAssociation", on("network-acl", &default), with_keys),
                ("ec2:ReplaceNetworkAclAssociation", on("subnet", &subnet_id), ""),
            ],
            api::ReplaceNetworkAclAssociationRequest {
                association_id: association,
                network_acl_id: own.clone(),
                dry_run: None,
            },
        ),
        case::<DeleteNetworkAcl>(
            house,
            vec![("ec2:DeleteNetworkAcl", on("network-acl", &doomed), with_keys)],
            api::DeleteNetworkAclRequest { network_acl_id: doomed.clone(), dry_run: None },
        ),
    ]
}
