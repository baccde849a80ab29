//! The part of the matrix that is about the blocks of VPCs and subnets.

use sagegate_api::ec2 as api;

use super::blocks::{add_v4, add_v6, disassociate, v4};
use super::matrix::{Case, case};
use super::permissions::ARN;
use super::subnet;
use crate::ec2::subnet_cidr::{AssociateSubnetCidrBlock, DisassociateSubnetCidrBlock};
use crate::ec2::vpc_cidr::{AssociateVpcCidrBlock, DisassociateVpcCidrBlock};
use crate::testing::House;

/// Cases in the order in which they must be made, in a VPC of 10.0.0.0/16.
pub(super) fn cases<'a>(house: &'a House, vpc_id: &str) -> Vec<Case<'a>> {
    const OF_VPC: &str = r#"{"StringLike":{"ec2:VpcID":"vpc-*","ec2:Tenancy":"default"}}"#;
    const OF_SUBNET: &str = r#"{"ArnLike":{"ec2:Vpc":"arn:aws:ec2:*:*:vpc/*"},"StringLike":{"ec2:SubnetID":"subnet-*"}}"#;
    let on = |kind: &str, id: &str| format!("{ARN}:{kind}/{id}");
    let doomed = add_v4(house, vpc_id, "100.64.0.0/24");
    let (_, base) = add_v6(house, vpc_id);
    let [first, second] = ["10.0.50.0/24", "10.0.51.0/24"].map(|it| subnet(house, vpc_id, it, "a"));
    let associate = |subnet: &str, number: &str| api::AssociateSubnetCidrBlockRequest {
        subnet_id: subnet.into(),
        ipv6_cidr_block: Some(format!("{base}{number}::/64")),
        ..Default::default()
    };
    let held = house
        .ok::<AssociateSubnetCidrBlock>(associate(&second, "02"))
        .ipv6_cidr_block_association
        .and_then(|own| own.association_id)
        .unwrap();
    vec![
        case::<AssociateVpcCidrBlock>(
            house,
            vec![("ec2:AssociateVpcCidrBlock", on("vpc", vpc_id), OF_VPC)],
            v4(vpc_id, "100.65.0.0/24"),
        ),
        case::<DisassociateVpcCidrBlock>(
            house,
            vec![("ec2:DisassociateVpcCidrBlock", on("vpc", vpc_id), OF_VPC)],
            disassociate(&doomed),
        ),
        case::<AssociateSubnetCidrBlock>(
            house,
            vec![("ec2:AssociateSubnetCidrBlock", on("subnet", &first), OF_SUBNET)],
            associate(&first, "01"),
        ),
        case::<DisassociateSubnetCidrBlock>(
            house,
            vec![("ec2:DisassociateSubnetCidrBlock", on("subnet", &second), OF_SUBNET)],
            api::DisassociateSubnetCidrBlockRequest { association_id: held },
        ),
    ]
}
