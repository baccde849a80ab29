//! The part of the matrix that is about the blocks of VPCs and subnets.

use sagegate_api::ec2 as api;

use super::blocks::{self, add_v4, add_v6, disassociate};
use super::matrix::{Case, case};
use super::permissions::ARN;
use super::subnet;
use crate::ec2::interface_addresses::{
    AssignIpv6Addresses, AssignPrivateIpAddresses, UnassignIpv6Addresses,
    UnassignPrivateIpAddresses,
};
use crate::ec2::network_interface::CreateNetworkInterface;
use crate::ec2::subnet_cidr::{AssociateSubnetCidrBlock, DisassociateSubnetCidrBlock};
use crate::ec2::vpc_cidr::{AssociateVpcCidrBlock, DisassociateVpcCidrBlock};
use crate::testing::House;

/// Cases in the order in which they must be made, in a VPC of 10.0.0.0/16.
pub(super) fn cases<'a>(house: &'a House, vpc_id: &str) -> Vec<Case<'a>> {
    const OF_VPC: &str = r#"{"StringLike":{"ec2:VpcID":"vpc-*","ec2:Tenancy":"default"}}"#;
    const OF_SUBNET: &str = r#"{"ArnLike":{"ec2:Vpc":"arn:aws:ec2:*:*:vpc/*"},"StringLike":{"ec2:SubnetID":"subnet-*"}}"#;
    const OF_INTERFACE: &str = r#"{"ArnLike":{"ec2:Subnet":"arn:aws:ec2:*:*:subnet/*"},"StringLike":{"ec2:NetworkInterfaceID":"eni-*"}}"#;
    let on = |kind: &str, id: &str| format!("{ARN}:{kind}/{id}");
    let doomed = add_v4(house, vpc_id, "100.64.0.0/24");
    let (_, base) = add_v6(house, vpc_id);
    let [first, second] =
        ["10.0.200.0/24", "10.0.201.0/24"].map(|it| subnet(house, vpc_id, it, "a"));
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
    let made = house.ok::<CreateNetworkInterface>(api::CreateNetworkInterfaceRequest {
        subnet_id: second.clone(),
        secondary_private_ip_address_count: Some(1),
        ipv6_address_count: Some(1),
        ..Default::default()
    });
    let mut made = made.network_interface.unwrap();
    let own = made.network_interface_id.unwrap();
    let v4 = made.private_ip_addresses.as_mut().unwrap().remove(1).private_ip_address.unwrap();
    let v6 = made.ipv6_addresses.as_mut().unwrap().remove(0).ipv6_address.unwrap();
    let on_interface = |action| vec![(action, on("network-interface", &own), OF_INTERFACE)];
    vec![
        case::<AssignPrivateIpAddresses>(
            house,
            on_interface("ec2:AssignPrivateIpAddresses"),
            api::AssignPrivateIpAddressesRequest {
                network_interface_id: own.clone(),
                secondary_private_ip_address_count: Some(1),
                ..Default::default()
            },
        ),
        case::<UnassignPrivateIpAddresses>(
            house,
            on_interface("ec2:UnassignPrivateIpAddresses"),
            api::UnassignPrivateIpAddressesRequest {
                network_interface_id: own.clone(),
                private_ip_addresses: Some(vec![v4]),
                ..Default::default()
            },
        ),
        case::<AssignIpv6Addresses>(
            house,
            on_interface("ec2:AssignIpv6Addresses"),
            api::AssignIpv6AddressesRequest {
                network_interface_id: own.clone(),
                ipv6_addresses: Some(vec![format!("{base}02::77")]),
                ..Default::default()
            },
        ),
        case::<UnassignIpv6Addresses>(
            house,
            on_interface("ec2:UnassignIpv6Addresses"),
            api::UnassignIpv6AddressesRequest {
                network_interface_id: own.clone(),
                ipv6_addresses: Some(vec![v6, format!("{base}02::77")]),
                ..Default::default()
            },
        ),
        case::<AssociateVpcCidrBlock>(
            house,
            vec![("ec2:AssociateVpcCidrBlock", on("vpc", vpc_id), OF_VPC)],
            blocks::v4(vpc_id, "100.65.0.0/24"),
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
