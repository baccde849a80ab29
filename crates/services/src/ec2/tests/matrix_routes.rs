//! The part of the matrix that is about route tables and gateways.

use sagegate_api::ec2 as api;

use super::matrix::{Case, case, listing};
use super::permissions::ARN;
use super::{named, subnet, vpc};
use crate::ec2::egress_only_gateway::{
    CreateEgressOnlyInternetGateway, DeleteEgressOnlyInternetGateway,
    DescribeEgressOnlyInternetGateways,
};
use crate::ec2::elastic_ip::association::{AssociateAddress, DisassociateAddress};
use crate::ec2::elastic_ip::{
    AllocateAddress, DescribeAddresses, DescribeAddressesAttribute, ReleaseAddress,
};
use crate::ec2::internet_gateway::{
    AttachInternetGateway, CreateInternetGateway, DeleteInternetGateway, DescribeInternetGateways,
    DetachInternetGateway,
};
use crate::ec2::nat_gateway::{CreateNatGateway, DeleteNatGateway, DescribeNatGateways};
use crate::ec2::network_interface::CreateNetworkInterface;
use crate::ec2::route_table::associations::{
    AssociateRouteTable, DisassociateRouteTable, ReplaceRouteTableAssociation,
};
use crate::ec2::route_table::routes::{CreateRoute, DeleteRoute, ReplaceRoute};
use crate::ec2::route_table::tables::{CreateRouteTable, DeleteRouteTable, DescribeRouteTables};
use crate::testing::House;

fn on(kind: &str, id: &str) -> String {
    format!("{ARN}:{kind}/{id}")
}

/// Cases in the order in which they must be made: later ones take away what earlier ones made.
pub(super) fn cases(house: &House) -> Vec<Case<'_>> {
    let vpc_id = vpc(house, "10.20.0.0/16");
    let subnet_id = subnet(house, &vpc_id, "10.20.0.0/24", "a");
    let second = subnet(house, &vpc_id, "10.20.1.0/24", "b");
    let make_table = || {
        let input = api::CreateRouteTableRequest { vpc_id: vpc_id.clone(), ..Default::default() };
        house.ok::<CreateRouteTable>(input).route_table.unwrap().route_table_id.unwrap()
    };
    let (table, other) = (make_table(), make_table());
    let associate = |subnet: &str| {
        let input = api::AssociateRouteTableRequest {
            route_table_id: table.clone(),
            subnet_id: Some(subnet.into()),
            ..Default::default()
        };
        house.ok::<AssociateRouteTable>(input).association_id.unwrap()
    };
    let association = associate(&subnet_id);
    let gateway = house.ok::<CreateInternetGateway>(Default::default()).internet_gateway.unwrap();
    let gateway = gateway.internet_gateway_id.unwrap();
    let route = |table: &str| api::CreateRouteRequest {
        route_table_id: table.into(),
        destination_cidr_block: Some("0.0.0.0/0".into()),
        gateway_id: Some(gateway.clone()),
        ..Default::default()
    };
    vec![
        listing::<DescribeRouteTables>(house, "ec2:DescribeRouteTables"),
        listing::<DescribeInternetGateways>(house, "ec2:DescribeInternetGateways"),
        case::<CreateRouteTable>(
            house,
            vec![
                ("ec2:CreateRouteTable", on("route-table", "*"), ""),
                (
                    "ec2:CreateRouteTable",
                    on("vpc", &vpc_id),
                    r#"{"StringEquals":{"ec2:Tenancy":"default"}}"#,
                ),
                (
                    "ec2:CreateTags",
                    on("route-table", "*"),
                    r#"{"StringEquals":{"ec2:CreateAction":"CreateRouteTable"}}"#,
                ),
            ],
            api::CreateRouteTableRequest {
                vpc_id: vpc_id.clone(),
                tag_specifications: named("route-table", "k", "v"),
                ..Default::default()
            },
        ),
        case::<CreateInternetGateway>(
            house,
            vec![
                ("ec2:CreateInternetGateway", on("internet-gateway", "*"), ""),
                (
                    "ec2:CreateTags",
                    on("internet-gateway", "*"),
                    r#"{"StringEquals":{"ec2:CreateAction":"CreateInternetGateway"}}"#,
                ),
            ],
            api::CreateInternetGatewayRequest {
                tag_specifications: named("internet-gateway", "k", "v"),
                dry_run: None,
            },
        ),
        case::<AttachInternetGateway>(
            house,
            vec![
                ("ec2:AttachInternetGateway", on("internet-gateway", &gateway), ""),
                ("ec2:AttachInternetGateway", on("vpc", &vpc_id), ""),
            ],
            api::AttachInternetGatewayRequest {
                internet_gateway_id: gateway.clone(),
                vpc_id: vpc_id.clone(),
                dry_run: None,
            },
        ),
        case::<AssociateRouteTable>(
            house,
            vec![
                ("ec2:AssociateRouteTable", on("route-table", &table), ""),
                ("ec2:AssociateRouteTable", on("subnet", &second), ""),
            ],
            api::AssociateRouteTableRequest {
                route_table_id: table.clone(),
                subnet_id: Some(second.clone()),
                ..Default::default()
            },
        ),
        case::<CreateRoute>(
            house,
            vec![(
                "ec2:CreateRoute",
                on("route-table", &table),
                r#"{"ArnLike":{"ec2:Vpc":"arn:aws:ec2:*:*:vpc/*"},"StringLike":{"ec2:RouteTableID":"rtb-*"}}"#,
            )],
            route(&table),
        ),
        case::<ReplaceRoute>(
            house,
            vec![("ec2:ReplaceRoute", on("route-table", &table), "")],
            api::ReplaceRouteRequest {
                route_table_id: table.clone(),
                destination_cidr_block: Some("0.0.0.0/0".into()),
                gateway_id: Some(gateway.clone()),
                ..Default::default()
            },
        ),
        case::<DeleteRoute>(
            house,
            vec![("ec2:DeleteRoute", on("route-table", &table), "")],
            api::DeleteRouteRequest {
                route_table_id: table.clone(),
                destination_cidr_block: Some("0.0.0.0/0".into()),
                ..Default::default()
            },
        ),
        case::<DetachInternetGateway>(
            house,
            vec![
                ("ec2:DetachInternetGateway", on("internet-gateway", &gateway), ""),
                ("ec2:DetachInternetGateway", on("vpc", &vpc_id), ""),
            ],
            api::DetachInternetGatewayRequest {
                internet_gateway_id: gateway.clone(),
                vpc_id: vpc_id.clone(),
                dry_run: None,
            },
        ),
        case::<DeleteInternetGateway>(
            house,
            vec![(
                "ec2:DeleteInternetGateway",
                on("internet-gateway", &gateway),
                r#"{"StringLike":{"ec2:InternetGatewayID":"igw-*"}}"#,
            )],
            api::DeleteInternetGatewayRequest {
                internet_gateway_id: gateway.clone(),
                dry_run: None,
            },
        ),
        // The new table has the same id as the old one here, so that the association stays.
        case::<ReplaceRouteTableAssociation>(
            house,
            vec![
                ("ec2:ReplaceRouteTableAssociation", on("route-table", &table), ""),
                ("ec2:ReplaceRouteTableAssociation", on("subnet", &subnet_id), ""),
            ],
            api::ReplaceRouteTableAssociationRequest {
                association_id: association.clone(),
                route_table_id: table.clone(),
                dry_run: None,
            },
        ),
        case::<DisassociateRouteTable>(
            house,
            vec![
                ("ec2:DisassociateRouteTable", on("route-table", &table), ""),
                ("ec2:DisassociateRouteTable", on("subnet", &subnet_id), ""),
            ],
            api::DisassociateRouteTableRequest { association_id: association, dry_run: None },
        ),
        case::<DeleteRouteTable>(
            house,
            vec![("ec2:DeleteRouteTable", on("route-table", &other), "")],
            api::DeleteRouteTableRequest { route_table_id: other.clone(), dry_run: None },
        ),
    ]
}

/// Addresses and NAT gateways, likewise, in a VPC of 10.0.0.0/16.
pub(super) fn address_cases<'a>(house: &'a House, vpc_id: &str) -> Vec<Case<'a>> {
    let vpc_id = vpc_id.to_owned();
    let subnet_id = subnet(house, &vpc_id, "10.0.30.0/24", "a");
    super::routes::gateway(house, &vpc_id);
    let allocate = || house.ok::<AllocateAddress>(Default::default()).allocation_id.unwrap();
    let (own, held) = (allocate(), allocate());
    let interface = |_| {
        let input = api::CreateNetworkInterfaceRequest {
            subnet_id: subnet_id.clone(),
            ..Default::default()
        };
        let made = house.ok::<CreateNetworkInterface>(input).network_interface.unwrap();
        made.network_interface_id.unwrap()
    };
    let [one, two] = [0, 1].map(interface);
    let associate = |own: &str, interface: &str| api::AssociateAddressRequest {
        allocation_id: Some(own.into()),
        network_interface_id: Some(interface.into()),
        ..Default::default()
    };
    let association = house.ok::<AssociateAddress>(associate(&held, &two)).association_id;
    let nat = house
        .ok::<CreateNatGateway>(super::nat::nat_input(&subnet_id, None))
        .nat_gateway
        .and_then(|made| made.nat_gateway_id)
        .unwrap();
    let egress_only = house
        .ok::<CreateEgressOnlyInternetGateway>(api::CreateEgressOnlyInternetGatewayRequest {
            vpc_id: vpc_id.clone(),
            ..Default::default()
        })
        .egress_only_internet_gateway
        .and_then(|made| made.egress_only_internet_gateway_id)
        .unwrap();
    let domain = r#"{"StringEquals":{"ec2:Domain":"vpc"}}"#;
    vec![
        listing::<DescribeAddresses>(house, "ec2:DescribeAddresses"),
        listing::<DescribeAddressesAttribute>(house, "ec2:DescribeAddressesAttribute"),
        listing::<DescribeNatGateways>(house, "ec2:DescribeNatGateways"),
        listing::<DescribeEgressOnlyInternetGateways>(
            house,
            "ec2:DescribeEgressOnlyInternetGateways",
        ),
        case::<AllocateAddress>(
            house,
            vec![
                ("ec2:AllocateAddress", on("elastic-ip", "*"), ""),
                (
                    "ec2:CreateTags",
                    on("elastic-ip", "*"),
                    r#"{"StringEquals":{"ec2:CreateAction":"AllocateAddress"}}"#,
                ),
            ],
            api::AllocateAddressRequest {
                tag_specifications: named("elastic-ip", "k", "v"),
                ..Default::default()
            },
        ),
        case::<CreateNatGateway>(
            house,
            vec![
                ("ec2:CreateNatGateway", on("natgateway", "*"), ""),
                ("ec2:CreateNatGateway", on("subnet", &subnet_id), ""),
                ("ec2:CreateNatGateway", on("elastic-ip", &own), domain),
                (
                    "ec2:CreateTags",
                    on("natgateway", "*"),
                    r#"{"StringEquals":{"ec2:CreateAction":"CreateNatGateway"}}"#,
                ),
            ],
            api::CreateNatGatewayRequest {
                tag_specifications: named("natgateway", "k", "v"),
                ..super::nat::nat_input(&subnet_id, Some(&own))
            },
        ),
        case::<DeleteNatGateway>(
            house,
            vec![("ec2:DeleteNatGateway", on("natgateway", &nat), "")],
            api::DeleteNatGatewayRequest { nat_gateway_id: nat.clone(), dry_run: None },
        ),
        case::<CreateEgressOnlyInternetGateway>(
            house,
            vec![
                (
                    "ec2:CreateEgressOnlyInternetGateway",
                    on("egress-only-internet-gateway", "*"),
                    "",
                ),
                ("ec2:CreateEgressOnlyInternetGateway", on("vpc", &vpc_id), ""),
            ],
            api::CreateEgressOnlyInternetGatewayRequest { vpc_id, ..Default::default() },
        ),
        case::<DeleteEgressOnlyInternetGateway>(
            house,
            vec![(
                "ec2:DeleteEgressOnlyInternetGateway",
                on("egress-only-internet-gateway", &egress_only),
                "",
            )],
            api::DeleteEgressOnlyInternetGatewayRequest {
                egress_only_internet_gateway_id: egress_only.clone(),
                dry_run: None,
            },
        ),
        case::<AssociateAddress>(
            house,
            vec![
                ("ec2:AssociateAddress", on("elastic-ip", &own), domain),
                ("ec2:AssociateAddress", on("network-interface", &one), ""),
            ],
            associate(&own, &one),
        ),
        case::<DisassociateAddress>(
            house,
            vec![
                ("ec2:DisassociateAddress", on("elastic-ip", &held), ""),
                ("ec2:DisassociateAddress", on("network-interface", &two), ""),
            ],
            api::DisassociateAddressRequest { association_id: association, ..Default::default() },
        ),
        case::<ReleaseAddress>(
            house,
            vec![("ec2:ReleaseAddress", on("elastic-ip", &held), domain)],
            api::ReleaseAddressRequest { allocation_id: Some(held.clone()), ..Default::default() },
        ),
    ]
}

#[test]
fn a_replaced_association_asks_for_both_tables() {
    let house = super::house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let subnet_id = subnet(&house, &vpc_id, "10.0.0.0/24", "a");
    let make = || {
        let input = api::CreateRouteTableRequest { vpc_id: vpc_id.clone(), ..Default::default() };
        house.ok::<CreateRouteTable>(input).route_table.unwrap().route_table_id.unwrap()
    };
    let (old, new) = (make(), make());
    let association = house
        .ok::<AssociateRouteTable>(api::AssociateRouteTableRequest {
            route_table_id: old.clone(),
            subnet_id: Some(subnet_id.clone()),
            ..Default::default()
        })
        .association_id
        .unwrap();
    super::matrix::prove(
        &house,
        &case::<ReplaceRouteTableAssociation>(
            &house,
            vec![
                ("ec2:ReplaceRouteTableAssociation", on("route-table", &old), ""),
                ("ec2:ReplaceRouteTableAssociation", on("subnet", &subnet_id), ""),
                ("ec2:ReplaceRouteTableAssociation", on("route-table", &new), ""),
            ],
            api::ReplaceRouteTableAssociationRequest {
                association_id: association,
                route_table_id: new.clone(),
                dry_run: None,
            },
        ),
    );
}
