//! Route tables and internet gateways.

use expect_test::expect;
use sagegate_api::ec2 as api;

use super::{filter, house, subnet, vpc};
use crate::ec2::internet_gateway::{
    AttachInternetGateway, CreateInternetGateway, DeleteInternetGateway, DescribeInternetGateways,
    DetachInternetGateway,
};
use crate::ec2::network_interface::{CreateNetworkInterface, DeleteNetworkInterface};
use crate::ec2::records::{self, INTERNET_GATEWAYS, InternetGateway, ROUTE_TABLES, RouteTable};
use crate::ec2::route_table::associations::{
    AssociateRouteTable, DisassociateRouteTable, ReplaceRouteTableAssociation,
};
use crate::ec2::route_table::routes::{CreateRoute, DeleteRoute, ReplaceRoute};
use crate::ec2::route_table::tables::{CreateRouteTable, DeleteRouteTable, DescribeRouteTables};
use crate::ec2::subnet::DeleteSubnet;
use crate::ec2::vpc::{DeleteVpc, DescribeVpcs};
use crate::testing::House;

/// The table of this VPC that passes a filter.
pub(super) fn found(house: &House, name: &str, value: &str) -> api::RouteTable {
    let input =
        api::DescribeRouteTablesRequest { filters: filter(name, &[value]), ..Default::default() };
    let tables = house.ok::<DescribeRouteTables>(input).route_tables.unwrap();
    assert_eq!(tables.len(), 1, "{name} = {value}");
    tables.into_iter().next().unwrap()
}

fn main_table(house: &House, vpc: &str) -> api::RouteTable {
    let input = api::DescribeRouteTablesRequest {
        filters: Some(
            [filter("vpc-id", &[vpc]), filter("association.main", &["true"])]
                .into_iter()
                .flatten()
                .flatten()
                .collect(),
        ),
        ..Default::default()
    };
    house.ok::<DescribeRouteTables>(input).route_tables.unwrap().remove(0)
}

pub(super) fn table(house: &House, vpc: &str) -> String {
    let input = api::CreateRouteTableRequest { vpc_id: vpc.into(), ..Default::default() };
    house.ok::<CreateRouteTable>(input).route_table.unwrap().route_table_id.unwrap()
}

pub(super) fn gateway(house: &House, vpc: &str) -> String {
    let made = house.ok::<CreateInternetGateway>(Default::default()).internet_gateway.unwrap();
    let id = made.internet_gateway_id.unwrap();
    house.ok::<AttachInternetGateway>(api::AttachInternetGatewayRequest {
        internet_gateway_id: id.clone(),
        vpc_id: vpc.into(),
        dry_run: None,
    });
    id
}

pub(super) fn interface(house: &House, subnet: &str) -> String {
    let input =
        api::CreateNetworkInterfaceRequest { subnet_id: subnet.into(), ..Default::default() };
    let made = house.ok::<CreateNetworkInterface>(input).network_interface.unwrap();
    made.network_interface_id.unwrap()
}

fn to_gateway(table: &str, block: &str, gateway: &str) -> api::CreateRouteRequest {
    api::CreateRouteRequest {
        route_table_id: table.into(),
        destination_cidr_block: Some(block.into()),
        gateway_id: Some(gateway.into()),
        ..Default::default()
    }
}

fn to_interface(table: &str, block: &str, interface: &str) -> api::CreateRouteRequest {
    api::CreateRouteRequest {
        route_table_id: table.into(),
        destination_cidr_block: Some(block.into()),
        network_interface_id: Some(interface.into()),
        ..Default::default()
    }
}

/// The routes of a table, a line each, with kinds instead of ids.
pub(super) fn routes(house: &House, table: &str) -> String {
    let table = found(house, "route-table-id", table);
    let lines = table.routes.unwrap().into_iter().map(|route| {
        let destination = route.destination_cidr_block.or(route.destination_ipv6_cidr_block);
        let target = [
            route.gateway_id,
            route.network_interface_id,
            route.nat_gateway_id,
            route.egress_only_internet_gateway_id,
        ]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .concat();
        let kind = target.split('-').next().unwrap().to_owned();
        let (state, origin) = (route.state.unwrap(), route.origin.unwrap());
        format!("{} {kind} {state} {origin}", destination.unwrap())
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn associate(house: &House, table: &str, subnet: &str) -> String {
    let input = api::AssociateRouteTableRequest {
        route_table_id: table.into(),
        subnet_id: Some(subnet.into()),
        ..Default::default()
    };
    house.ok::<AssociateRouteTable>(input).association_id.unwrap()
}

#[test]
fn every_vpc_has_a_main_table_and_the_default_one_leads_out() {
    let house = house();
    let default = house.ok::<DescribeVpcs>(Default::default()).vpcs.unwrap().remove(0);
    let main = main_table(&house, default.vpc_id.as_deref().unwrap());
    expect![[r#"
        172.31.0.0/16 local active CreateRouteTable
        0.0.0.0/0 igw active CreateRoute"#]]
    .assert_eq(&routes(&house, main.route_table_id.as_deref().unwrap()));
    let vpc = vpc(&house, "10.0.0.0/16");
    let main = main_table(&house, &vpc);
    let id = main.route_table_id.unwrap();
    expect!["10.0.0.0/16 local active CreateRouteTable"].assert_eq(&routes(&house, &id));
    let fault = house.fails::<DeleteRouteTable>(api::DeleteRouteTableRequest {
        route_table_id: id.clone(),
        dry_run: None,
    });
    assert_eq!(
        fault,
        format!(
            "DependencyViolation (400): The routeTable '{id}' has dependencies and cannot be deleted."
        )
    );
    // The main table goes with its VPC.
    house.ok::<DeleteVpc>(api::DeleteVpcRequest { vpc_id: vpc, dry_run: None });
    let fault = house.fails::<DescribeRouteTables>(api::DescribeRouteTablesRequest {
        route_table_ids: Some(vec![id.clone()]),
        ..Default::default()
    });
    assert_eq!(
        fault,
        format!("InvalidRouteTableID.NotFound (400): The routeTable ID '{id}' does not exist")
    );
}

#[test]
fn vpcs_from_before_route_tables_get_theirs_once() {
    let house = house();
    let vpc = vpc(&house, "10.0.0.0/16");
    let scope = house.scope();
    // What an older data directory holds.
    house.transact(|tx| {
        for (key, _) in ROUTE_TABLES.scan(tx, &(), None, usize::MAX)? {
            ROUTE_TABLES.delete(tx, &key);
        }
        for (key, _) in INTERNET_GATEWAYS.scan(tx, &(), None, usize::MAX)? {
            INTERNET_GATEWAYS.delete(tx, &key);
        }
        Ok(())
    });
    let all = || {
        let state = house.state();
        (
            records::all::<RouteTable>(&state, &scope).unwrap(),
            records::all::<InternetGateway>(&state, &scope).unwrap(),
        )
    };
    house.transact(|tx| crate::ec2::bootstrap(tx, &scope));
    let first = all();
    assert_eq!((first.0.len(), first.1.len()), (2, 1));
    let main = main_table(&house, &vpc);
    expect!["10.0.0.0/16 local active CreateRouteTable"]
        .assert_eq(&routes(&house, main.route_table_id.as_deref().unwrap()));
    house.transact(|tx| crate::ec2::bootstrap(tx, &scope));
    assert_eq!(all(), first);
}

#[test]
fn a_subnet_has_one_table_of_its_own() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let subnet_id = subnet(&house, &vpc_id, "10.0.0.0/24", "a");
    let (one, two) = (table(&house, &vpc_id), table(&house, &vpc_id));
    let id = associate(&house, &one, &subnet_id);
    assert_eq!(associate(&house, &one, &subnet_id), id, "asked for twice");
    let input = |table: &str, subnet: &str| api::AssociateRouteTableRequest {
        route_table_id: table.into(),
        subnet_id: Some(subnet.into()),
        ..Default::default()
    };
    let fault = house.fails::<AssociateRouteTable>(input(&two, &subnet_id));
    assert_eq!(
        fault,
        format!(
            "Resource.AlreadyAssociated (400): the specified association for route table {two} conflicts with an existing association"
        )
    );
    let elsewhere = vpc(&house, "10.1.0.0/16");
    let foreign = subnet(&house, &elsewhere, "10.1.0.0/24", "a");
    let fault = house.fails::<AssociateRouteTable>(input(&two, &foreign));
    assert_eq!(
        fault,
        format!(
            "InvalidParameterValue (400): Route table {two} and subnet {foreign} belong to different networks"
        )
    );
    let replace = |association: &str, table: &str| api::ReplaceRouteTableAssociationRequest {
        association_id: association.into(),
        route_table_id: table.into(),
        dry_run: None,
    };
    let new = house.ok::<ReplaceRouteTableAssociation>(replace(&id, &two));
    let new = new.new_association_id.unwrap();
    assert_ne!(new, id);
    assert_eq!(found(&house, "association.subnet-id", &subnet_id).route_table_id.unwrap(), two);
    expect!["InvalidAssociationID.NotFound (400): The association ID 'rtbassoc-1' does not exist"]
        .assert_eq(&house.fails::<ReplaceRouteTableAssociation>(replace("rtbassoc-1", &two)));
    let away =
        |id: &str| api::DisassociateRouteTableRequest { association_id: id.into(), dry_run: None };
    house.ok::<DisassociateRouteTable>(away(&new));
    let fault = house.fails::<DisassociateRouteTable>(away(&new));
    assert!(fault.starts_with("InvalidAssociationID.NotFound"), "{fault}");

    // Another table becomes the main one; the first one can then be deleted.
    let main = main_table(&house, &vpc_id);
    let association = main.associations.unwrap().remove(0).route_table_association_id.unwrap();
    let fault = house.fails::<DisassociateRouteTable>(away(&association));
    assert_eq!(
        fault,
        format!(
            "InvalidParameterValue (400): cannot disassociate the main route table association {association}"
        )
    );
    house.ok::<ReplaceRouteTableAssociation>(replace(&association, &two));
    assert_eq!(main_table(&house, &vpc_id).route_table_id.unwrap(), two);
    for id in [main.route_table_id.unwrap(), one] {
        let input = api::DeleteRouteTableRequest { route_table_id: id, dry_run: None };
        house.ok::<DeleteRouteTable>(input);
    }
    // A subnet that goes takes its association along.
    let three = table(&house, &vpc_id);
    associate(&house, &three, &subnet_id);
    house.ok::<DeleteSubnet>(api::DeleteSubnetRequest { subnet_id, dry_run: None });
    let fault =
        house.fails::<DeleteVpc>(api::DeleteVpcRequest { vpc_id: vpc_id.clone(), dry_run: None });
    assert!(fault.starts_with("DependencyViolation"), "{fault}");
    let input = api::DeleteRouteTableRequest { route_table_id: three, dry_run: None };
    house.ok::<DeleteRouteTable>(input);
    house.ok::<DeleteVpc>(api::DeleteVpcRequest { vpc_id, dry_run: None });
}

#[test]
fn routes_lead_to_what_is_there() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let subnet_id = subnet(&house, &vpc_id, "10.0.1.0/24", "a");
    let table_id = table(&house, &vpc_id);
    let gateway_id = gateway(&house, &vpc_id);
    let interface_id = interface(&house, &subnet_id);
    house.ok::<CreateRoute>(to_gateway(&table_id, "0.0.0.0/0", &gateway_id));
    house.ok::<CreateRoute>(to_interface(&table_id, "192.168.7.9/16", &interface_id));
    house.ok::<CreateRoute>(to_interface(&table_id, "10.0.1.0/24", &interface_id));
    expect![[r#"
        10.0.0.0/16 local active CreateRouteTable
        0.0.0.0/0 igw active CreateRoute
        192.168.0.0/16 eni active CreateRoute
        10.0.1.0/24 eni active CreateRoute"#]]
    .assert_eq(&routes(&house, &table_id));
    for (input, error) in [
        (
            to_gateway(&table_id, "0.0.0.0/0", &gateway_id),
            "RouteAlreadyExists (400): The route identified by 0.0.0.0/0 already exists.",
        ),
        (
            to_interface(&table_id, "10.0.0.0/16", &interface_id),
            "RouteAlreadyExists (400): The route identified by 10.0.0.0/16 already exists.",
        ),
        (
            to_gateway(&table_id, "10.0.2.0/24", &gateway_id),
            "InvalidParameterValue (400): The destination CIDR block 10.0.2.0/24 is equal to or more specific than one of this VPC's CIDR blocks. This route can target only an interface or an instance.",
        ),
        (
            to_interface(&table_id, "10.0.2.0/25", &interface_id),
            "InvalidParameterValue (400): The destination CIDR block 10.0.2.0/25 does not match any subnet CIDR blocks.",
        ),
        (
            to_gateway(&table_id, "1.2.3.4", &gateway_id),
            "InvalidParameterValue (400): Value (1.2.3.4) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block.",
        ),
        (
            to_gateway(&table_id, "1.0.0.0/8", "igw-0123456789abcdef0"),
            "InvalidGatewayID.NotFound (400): The gateway ID 'igw-0123456789abcdef0' does not exist",
        ),
        (
            api::CreateRouteRequest { route_table_id: table_id.clone(), ..Default::default() },
            "MissingParameter (400): The request must contain exactly one of destinationCidrBlock, destinationIpv6CidrBlock, destinationPrefixListId",
        ),
        (
            api::CreateRouteRequest {
                network_interface_id: Some(interface_id.clone()),
                ..to_gateway(&table_id, "1.0.0.0/8", &gateway_id)
            },
            "InvalidParameterCombination (400): The request must contain exactly one of gatewayId, networkInterfaceId, natGatewayId, egressOnlyInternetGatewayId, vpcPeeringConnectionId, instanceId, vpcEndpointId, transitGatewayId, localGatewayId, carrierGatewayId, coreNetworkArn",
        ),
        (
            to_gateway(&table_id, "1.0.0.0/8", "local"),
            "InvalidParameterValue (400): Value (local) for parameter gatewayId is invalid. Only the VPC's own CIDR blocks are local.",
        ),
    ] {
        assert_eq!(house.fails::<CreateRoute>(input), error);
    }
    let foreign = vpc(&house, "10.1.0.0/16");
    let there = table(&house, &foreign);
    let fault = house.fails::<CreateRoute>(to_gateway(&there, "0.0.0.0/0", &gateway_id));
    assert_eq!(
        fault,
        format!(
            "InvalidParameterValue (400): route table {there} and network gateway {gateway_id} belong to different networks"
        )
    );

    // The way to the VPC itself can be led elsewhere and back, and not be removed.
    let replace = |block: &str| api::ReplaceRouteRequest {
        route_table_id: table_id.clone(),
        destination_cidr_block: Some(block.into()),
        ..Default::default()
    };
    let by_interface = |block: &str| api::ReplaceRouteRequest {
        network_interface_id: Some(interface_id.clone()),
        ..replace(block)
    };
    house.ok::<ReplaceRoute>(by_interface("10.0.0.0/16"));
    house.ok::<ReplaceRoute>(by_interface("0.0.0.0/0"));
    expect![[r#"
        0.0.0.0/0 eni active CreateRoute
        192.168.0.0/16 eni active CreateRoute
        10.0.1.0/24 eni active CreateRoute
        10.0.0.0/16 eni active CreateRoute"#]]
    .assert_eq(&routes(&house, &table_id));
    let delete = |block: &str| api::DeleteRouteRequest {
        route_table_id: table_id.clone(),
        destination_cidr_block: Some(block.into()),
        ..Default::default()
    };
    let fault = house.fails::<DeleteRoute>(delete("10.0.0.0/16"));
    assert_eq!(
        fault,
        format!(
            "InvalidParameterValue (400): cannot remove local route 10.0.0.0/16 in route table {table_id}"
        )
    );
    let local =
        |block: &str| api::ReplaceRouteRequest { local_target: Some(true), ..replace(block) };
    house.ok::<ReplaceRoute>(local("10.0.0.0/16"));
    expect!["InvalidParameterValue (400): Value (local) for parameter localTarget is invalid. Only the VPC's own CIDR blocks are local."]
        .assert_eq(&house.fails::<ReplaceRoute>(local("0.0.0.0/0")));
    expect!["InvalidParameterValue (400): There is no route defined for '9.0.0.0/8' in the route table. Use CreateRoute instead."]
        .assert_eq(&house.fails::<ReplaceRoute>(by_interface("9.0.0.0/8")));
    house.ok::<DeleteRoute>(delete("10.0.1.0/24"));
    let fault = house.fails::<DeleteRoute>(delete("10.0.1.0/24"));
    assert_eq!(
        fault,
        format!(
            "InvalidRoute.NotFound (400): no route with destination-cidr-block 10.0.1.0/24 in route table {table_id}"
        )
    );

    // What a route led to goes away.
    house.ok::<DeleteNetworkInterface>(api::DeleteNetworkInterfaceRequest {
        network_interface_id: interface_id,
        dry_run: None,
    });
    expect![[r#"
        10.0.0.0/16 local active CreateRouteTable
        0.0.0.0/0 eni blackhole CreateRoute
        192.168.0.0/16 eni blackhole CreateRoute"#]]
    .assert_eq(&routes(&house, &table_id));
    assert_eq!(found(&house, "route.state", "blackhole").route_table_id, Some(table_id));
}

#[test]
fn a_vpc_has_one_internet_gateway() {
    let house = house();
    let (one, two) = (vpc(&house, "10.0.0.0/16"), vpc(&house, "10.1.0.0/16"));
    let id = gateway(&house, &one);
    let attach = |id: &str, vpc: &str| api::AttachInternetGatewayRequest {
        internet_gateway_id: id.into(),
        vpc_id: vpc.into(),
        dry_run: None,
    };
    let detach = |vpc: &str| api::DetachInternetGatewayRequest {
        internet_gateway_id: id.clone(),
        vpc_id: vpc.into(),
        dry_run: None,
    };
    let delete =
        || api::DeleteInternetGatewayRequest { internet_gateway_id: id.clone(), dry_run: None };
    assert_eq!(
        house.fails::<AttachInternetGateway>(attach(&id, &two)),
        format!(
            "Resource.AlreadyAssociated (400): resource {id} is already attached to network {one}"
        )
    );
    let other = house.ok::<CreateInternetGateway>(Default::default()).internet_gateway.unwrap();
    let other = other.internet_gateway_id.unwrap();
    assert_eq!(
        house.fails::<AttachInternetGateway>(attach(&other, &one)),
        format!(
            "InvalidParameterValue (400): Network {one} already has an internet gateway attached"
        )
    );
    assert_eq!(
        house.fails::<DetachInternetGateway>(detach(&two)),
        format!("Gateway.NotAttached (400): resource {id} is not attached to network {two}")
    );
    assert_eq!(
        house.fails::<DeleteInternetGateway>(delete()),
        format!(
            "DependencyViolation (400): The internetGateway '{id}' has dependencies and cannot be deleted."
        )
    );
    let fault =
        house.fails::<DeleteVpc>(api::DeleteVpcRequest { vpc_id: one.clone(), dry_run: None });
    assert!(fault.starts_with("DependencyViolation"), "{fault}");
    let table_id = table(&house, &one);
    house.ok::<CreateRoute>(to_gateway(&table_id, "0.0.0.0/0", &id));
    house.ok::<DetachInternetGateway>(detach(&one));
    expect![[r#"
        10.0.0.0/16 local active CreateRouteTable
        0.0.0.0/0 igw blackhole CreateRoute"#]]
    .assert_eq(&routes(&house, &table_id));
    house.ok::<DeleteInternetGateway>(delete());
    let input = api::DescribeInternetGatewaysRequest {
        filters: filter("attachment.state", &["available"]),
        ..Default::default()
    };
    let left = house.ok::<DescribeInternetGateways>(input).internet_gateways.unwrap();
    assert_eq!(left.len(), 1, "that of the default VPC");
}

#[test]
fn a_table_is_made_once_for_a_token() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let input = api::CreateRouteTableRequest {
        vpc_id,
        client_token: Some("once".into()),
        ..Default::default()
    };
    let id = |made: api::CreateRouteTableResult| made.route_table.unwrap().route_table_id.unwrap();
    let first = id(house.ok::<CreateRouteTable>(input.clone()));
    assert_eq!(id(house.ok::<CreateRouteTable>(input.clone())), first);
    let delete = api::DeleteRouteTableRequest { route_table_id: first.clone(), dry_run: None };
    house.ok::<DeleteRouteTable>(delete);
    assert_ne!(id(house.ok::<CreateRouteTable>(input)), first);
}
