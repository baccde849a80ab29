//! Public addresses, NAT gateways and egress-only internet gateways.

use expect_test::expect;
use sagegate_api::ec2 as api;

use super::routes::{found, gateway, interface, routes, table};
use super::{filter, house, subnet, vpc};
use crate::ec2::egress_only_gateway::{
    CreateEgressOnlyInternetGateway, DeleteEgressOnlyInternetGateway,
    DescribeEgressOnlyInternetGateways,
};
use crate::ec2::elastic_ip::association::{AssociateAddress, DisassociateAddress};
use crate::ec2::elastic_ip::{
    AllocateAddress, DescribeAddresses, DescribeAddressesAttribute, ReleaseAddress,
};
use crate::ec2::interface_shape::DescribeNetworkInterfaces;
use crate::ec2::internet_gateway::{DeleteInternetGateway, DetachInternetGateway};
use crate::ec2::nat_gateway::{CreateNatGateway, DeleteNatGateway, DescribeNatGateways, settle};
use crate::ec2::network_interface::DeleteNetworkInterface;
use crate::ec2::route_table::routes::CreateRoute;
use crate::ec2::subnet::{DeleteSubnet, DescribeSubnets};
use crate::ec2::vpc::DeleteVpc;
use crate::testing::House;

fn allocate(house: &House) -> String {
    house.ok::<AllocateAddress>(Default::default()).allocation_id.unwrap()
}

fn address(house: &House, id: &str) -> api::Address {
    let input = api::DescribeAddressesRequest {
        allocation_ids: Some(vec![id.into()]),
        ..Default::default()
    };
    house.ok::<DescribeAddresses>(input).addresses.unwrap().remove(0)
}

fn associate(own: &str, interface: &str) -> api::AssociateAddressRequest {
    api::AssociateAddressRequest {
        allocation_id: Some(own.into()),
        network_interface_id: Some(interface.into()),
        ..Default::default()
    }
}

fn release(own: &str) -> api::ReleaseAddressRequest {
    api::ReleaseAddressRequest { allocation_id: Some(own.into()), ..Default::default() }
}

pub(super) fn nat_input(subnet: &str, own: Option<&str>) -> api::CreateNatGatewayRequest {
    api::CreateNatGatewayRequest {
        subnet_id: Some(subnet.into()),
        allocation_id: own.map(Into::into),
        connectivity_type: own.is_none().then_some(api::ConnectivityType::Private),
        ..Default::default()
    }
}

/// Makes a gateway, and lets what follows the state do its work.
pub(super) fn nat(house: &House, input: api::CreateNatGatewayRequest) -> api::NatGateway {
    let made = house.ok::<CreateNatGateway>(input).nat_gateway.unwrap();
    assert_eq!(made.state, Some(api::NatGatewayState::Pending));
    let id = made.nat_gateway_id.unwrap();
    let scope = house.scope();
    house.transact(|tx| settle(tx, &scope, house.gate.env(), house.gate.env().now(), &id));
    described(house, &id)
}

fn described(house: &House, id: &str) -> api::NatGateway {
    let input = api::DescribeNatGatewaysRequest {
        nat_gateway_ids: Some(vec![id.into()]),
        ..Default::default()
    };
    house.ok::<DescribeNatGateways>(input).nat_gateways.unwrap().remove(0)
}

fn delete_nat(id: &str) -> api::DeleteNatGatewayRequest {
    api::DeleteNatGatewayRequest { nat_gateway_id: id.into(), dry_run: None }
}

fn shown_interface(house: &House, id: &str) -> api::NetworkInterface {
    let input = api::DescribeNetworkInterfacesRequest {
        network_interface_ids: Some(vec![id.into()]),
        ..Default::default()
    };
    house.ok::<DescribeNetworkInterfaces>(input).network_interfaces.unwrap().remove(0)
}

#[test]
fn a_public_address_stands_for_one_interface() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let subnet_id = subnet(&house, &vpc_id, "10.0.0.0/24", "a");
    let (one, two) = (interface(&house, &subnet_id), interface(&house, &subnet_id));
    let own = allocate(&house);
    assert_eq!(
        house.fails::<AssociateAddress>(associate(&own, &one)),
        format!(
            "Gateway.NotAttached (400): Network {vpc_id} is not attached to any internet gateway"
        )
    );
    let gateway_id = gateway(&house, &vpc_id);
    let id = house.ok::<AssociateAddress>(associate(&own, &one)).association_id.unwrap();
    let again = house.ok::<AssociateAddress>(associate(&own, &one)).association_id.unwrap();
    assert_eq!(again, id);
    let shown = address(&house, &own);
    assert_eq!(shown.network_interface_id.as_deref(), Some(&*one));
    assert_eq!(shown.private_ip_address.as_deref(), Some("10.0.0.4"));
    let seen = shown_interface(&house, &one).association.unwrap();
    assert_eq!((seen.public_ip, seen.association_id), (shown.public_ip, Some(id.clone())));
    assert_eq!(
        house.fails::<AssociateAddress>(associate(&own, &two)),
        format!(
            "Resource.AlreadyAssociated (400): resource {own} is already associated with associate-id {id}"
        )
    );
    let other = allocate(&house);
    let fault = house.fails::<AssociateAddress>(associate(&other, &one));
    assert!(fault.starts_with("Resource.AlreadyAssociated"), "{fault}");
    assert!(house.fails::<ReleaseAddress>(release(&own)).starts_with("InvalidIPAddress.InUse"));
    let fault = house.fails::<DetachInternetGateway>(api::DetachInternetGatewayRequest {
        internet_gateway_id: gateway_id.clone(),
        vpc_id: vpc_id.clone(),
        dry_run: None,
    });
    assert_eq!(
        fault,
        format!(
            "DependencyViolation (400): Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway."
        )
    );
    // It moves where that is asked for.
    let input =
        api::AssociateAddressRequest { allow_reassociation: Some(true), ..associate(&own, &two) };
    let moved = house.ok::<AssociateAddress>(input).association_id.unwrap();
    assert!(shown_interface(&house, &one).association.is_none());
    let away = api::DisassociateAddressRequest {
        association_id: Some(moved.clone()),
        ..Default::default()
    };
    house.ok::<DisassociateAddress>(away.clone());
    assert_eq!(
        house.fails::<DisassociateAddress>(away),
        format!("InvalidAssociationID.NotFound (400): The association ID '{moved}' does not exist")
    );
    // An interface that goes leaves its address free.
    house.ok::<AssociateAddress>(associate(&own, &two));
    house.ok::<DeleteNetworkInterface>(api::DeleteNetworkInterfaceRequest {
        network_interface_id: two,
        dry_run: None,
    });
    house.ok::<ReleaseAddress>(release(&own));
    assert_eq!(
        house.fails::<ReleaseAddress>(release(&own)),
        format!("InvalidAllocationID.NotFound (400): The allocation ID '{own}' does not exist")
    );
    expect!["InvalidParameterValue (400): You must specify an allocation id when releasing a VPC elastic IP address"]
        .assert_eq(&house.fails::<ReleaseAddress>(Default::default()));
    let input = api::DescribeAddressesAttributeRequest {
        allocation_ids: Some(vec![other.clone()]),
        attribute: Some(api::AddressAttributeName::DomainName),
        ..Default::default()
    };
    let shown = house.ok::<DescribeAddressesAttribute>(input).addresses.unwrap();
    assert_eq!(shown[0].allocation_id.as_deref(), Some(&*other));
    assert_eq!(shown[0].ptr_record, None);
}

#[test]
fn an_account_has_five_addresses_and_no_two_are_the_same() {
    let house = house();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let made = house.ok::<AllocateAddress>(Default::default());
        assert!(seen.insert(made.public_ip.unwrap()));
    }
    expect!["AddressLimitExceeded (400): The maximum number of addresses has been reached."]
        .assert_eq(&house.fails::<AllocateAddress>(Default::default()));
}

#[test]
fn a_nat_gateway_gets_its_interface_and_gives_it_back() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let subnet_id = subnet(&house, &vpc_id, "10.0.0.0/24", "a");
    let own = allocate(&house);
    let table_id = table(&house, &vpc_id);

    // Without an internet gateway it fails, and can only be deleted.
    let failed = nat(&house, nat_input(&subnet_id, Some(&own)));
    assert_eq!(failed.state, Some(api::NatGatewayState::Failed));
    assert_eq!(failed.failure_code.as_deref(), Some("Gateway.NotAttached"));
    assert_eq!(
        failed.failure_message.as_deref(),
        Some(&*format!("Network {vpc_id} has no Internet gateway attached"))
    );
    house.ok::<DeleteNatGateway>(delete_nat(failed.nat_gateway_id.as_deref().unwrap()));

    let gateway_id = gateway(&house, &vpc_id);
    let made = nat(&house, nat_input(&subnet_id, Some(&own)));
    assert_eq!(made.state, Some(api::NatGatewayState::Available), "{made:?}");
    let id = made.nat_gateway_id.unwrap();
    let shown = made.nat_gateway_addresses.unwrap().remove(0);
    assert_eq!(shown.public_ip, address(&house, &own).public_ip);
    assert_eq!(shown.private_ip.as_deref(), Some("10.0.0.4"));
    let interface_id = shown.network_interface_id.unwrap();
    let seen = shown_interface(&house, &interface_id);
    assert_eq!(seen.interface_type, Some(api::NetworkInterfaceType::NatGateway));
    assert_eq!(seen.requester_managed, Some(true));
    assert_eq!(seen.source_dest_check, Some(false));
    assert_eq!(seen.association.unwrap().public_ip, shown.public_ip);
    // What it holds is not the caller's to take.
    let away = api::DisassociateAddressRequest {
        association_id: shown.association_id,
        ..Default::default()
    };
    expect!["AuthFailure (400): You do not have permission to access the specified resource."]
        .assert_eq(&house.fails::<DisassociateAddress>(away));
    let delete =
        api::DeleteNetworkInterfaceRequest { network_interface_id: interface_id, dry_run: None };
    let fault = house.fails::<DeleteNetworkInterface>(delete);
    assert!(fault.starts_with("InvalidParameterValue"), "{fault}");
    let taken = nat(&house, nat_input(&subnet_id, Some(&own)));
    assert_eq!(taken.failure_code.as_deref(), Some("Resource.AlreadyAssociated"));
    let input = api::CreateRouteRequest {
        route_table_id: table_id.clone(),
        destination_cidr_block: Some("0.0.0.0/0".into()),
        nat_gateway_id: Some(id.clone()),
        ..Default::default()
    };
    house.ok::<CreateRoute>(input.clone());
    expect![[r#"
        10.0.0.0/16 local active CreateRouteTable
        0.0.0.0/0 nat active CreateRoute"#]]
    .assert_eq(&routes(&house, &table_id));
    let fault = house.fails::<DeleteSubnet>(api::DeleteSubnetRequest {
        subnet_id: subnet_id.clone(),
        dry_run: None,
    });
    assert!(fault.starts_with("DependencyViolation"), "{fault}");

    house.ok::<DeleteNatGateway>(delete_nat(&id));
    let gone = described(&house, &id);
    assert_eq!(gone.state, Some(api::NatGatewayState::Deleted));
    assert!(gone.delete_time.is_some());
    assert_eq!(
        house.fails::<DeleteNatGateway>(delete_nat(&id)),
        format!("NatGatewayNotFound (400): NatGateway {id} was not found")
    );
    expect![[r#"
        10.0.0.0/16 local active CreateRouteTable
        0.0.0.0/0 nat blackhole CreateRoute"#]]
    .assert_eq(&routes(&house, &table_id));
    let fault = house.fails::<CreateRoute>(api::CreateRouteRequest {
        destination_cidr_block: Some("9.0.0.0/8".into()),
        ..input
    });
    assert!(fault.starts_with("InvalidNatGatewayID.NotFound"), "{fault}");
    // All that it had is free again.
    house.ok::<ReleaseAddress>(release(&own));
    let free = house.ok::<DescribeSubnets>(api::DescribeSubnetsRequest {
        subnet_ids: Some(vec![subnet_id.clone()]),
        ..Default::default()
    });
    assert_eq!(free.subnets.unwrap()[0].available_ip_address_count, Some(251));
    house.ok::<DetachInternetGateway>(api::DetachInternetGatewayRequest {
        internet_gateway_id: gateway_id.clone(),
        vpc_id,
        dry_run: None,
    });
    house.ok::<DeleteInternetGateway>(api::DeleteInternetGatewayRequest {
        internet_gateway_id: gateway_id,
        dry_run: None,
    });
    house.ok::<DeleteSubnet>(api::DeleteSubnetRequest { subnet_id, dry_run: None });
    // It is shown for an hour.
    house.clock.advance_millis(3_599_000);
    described(&house, &id);
    house.clock.advance_millis(1_000);
    let fault = house.fails::<DescribeNatGateways>(api::DescribeNatGatewaysRequest {
        nat_gateway_ids: Some(vec![id.clone()]),
        ..Default::default()
    });
    assert_eq!(fault, format!("NatGatewayNotFound (400): NatGateway {id} was not found"));
}

#[test]
fn a_private_nat_gateway_has_the_address_that_was_asked_for() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let subnet_id = subnet(&house, &vpc_id, "10.0.0.0/28", "a");
    let input = |address: &str| api::CreateNatGatewayRequest {
        private_ip_address: Some(address.into()),
        client_token: Some("once".into()),
        ..nat_input(&subnet_id, None)
    };
    let made = nat(&house, input("10.0.0.9"));
    assert_eq!(made.connectivity_type, Some(api::ConnectivityType::Private));
    let shown = &made.nat_gateway_addresses.as_ref().unwrap()[0];
    assert_eq!((shown.private_ip.as_deref(), &shown.public_ip), (Some("10.0.0.9"), &None));
    let again = house.ok::<CreateNatGateway>(input("10.0.0.9")).nat_gateway.unwrap();
    assert_eq!(again.nat_gateway_id, made.nat_gateway_id);
    let other =
        |address: &str| api::CreateNatGatewayRequest { client_token: None, ..input(address) };
    for (address, error) in [
        ("10.0.0.9", "InvalidIPAddress.InUse (400): Address 10.0.0.9 is in use."),
        ("10.0.0.1", "InvalidParameterValue (400): Address is in subnet's reserved address range"),
        (
            "10.1.0.9",
            "InvalidParameterValue (400): Address does not fall within the subnet's address range",
        ),
    ] {
        assert_eq!(house.fails::<CreateNatGateway>(other(address)), error);
    }
    while interface_count(&house) < 11 {
        interface(&house, &subnet_id);
    }
    let full = nat(&house, nat_input(&subnet_id, None));
    assert_eq!(full.failure_code.as_deref(), Some("InsufficientFreeAddressesInSubnet"));
    expect!["MissingParameter (400): The request must include the AllocationId parameter. Add the required parameter and retry the request."]
        .assert_eq(&house.fails::<CreateNatGateway>(api::CreateNatGatewayRequest {
            subnet_id: Some(subnet_id),
            ..Default::default()
        }));
}

fn interface_count(house: &House) -> usize {
    house.ok::<DescribeNetworkInterfaces>(Default::default()).network_interfaces.unwrap().len()
}

#[test]
fn egress_only_gateways_are_for_ipv6() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let table_id = table(&house, &vpc_id);
    let input = api::CreateEgressOnlyInternetGatewayRequest {
        vpc_id: vpc_id.clone(),
        client_token: Some("once".into()),
        ..Default::default()
    };
    let id = |made: api::CreateEgressOnlyInternetGatewayResult| {
        made.egress_only_internet_gateway.unwrap().egress_only_internet_gateway_id.unwrap()
    };
    let first = id(house.ok::<CreateEgressOnlyInternetGateway>(input.clone()));
    assert_eq!(id(house.ok::<CreateEgressOnlyInternetGateway>(input)), first);
    let route = api::CreateRouteRequest {
        route_table_id: table_id.clone(),
        egress_only_internet_gateway_id: Some(first.clone()),
        ..Default::default()
    };
    let v4 = api::CreateRouteRequest {
        destination_cidr_block: Some("0.0.0.0/0".into()),
        ..route.clone()
    };
    assert_eq!(
        house.fails::<CreateRoute>(v4),
        format!(
            "InvalidParameterValue (400): The route 0.0.0.0/0 cannot lead to {first}: an egress-only internet gateway is for IPv6 only."
        )
    );
    house.ok::<CreateRoute>(api::CreateRouteRequest {
        destination_ipv6_cidr_block: Some("::/0".into()),
        ..route
    });
    expect![[r#"
        10.0.0.0/16 local active CreateRouteTable
        ::/0 eigw active CreateRoute"#]]
    .assert_eq(&routes(&house, &table_id));
    let fault =
        house.fails::<DeleteVpc>(api::DeleteVpcRequest { vpc_id: vpc_id.clone(), dry_run: None });
    assert!(fault.starts_with("DependencyViolation"), "{fault}");
    let delete = || api::DeleteEgressOnlyInternetGatewayRequest {
        egress_only_internet_gateway_id: first.clone(),
        dry_run: None,
    };
    house.ok::<DeleteEgressOnlyInternetGateway>(delete());
    assert_eq!(
        house.fails::<DeleteEgressOnlyInternetGateway>(delete()),
        format!(
            "InvalidEgressOnlyInternetGatewayId.NotFound (400): The egressOnlyInternetGateway ID '{first}' does not exist"
        )
    );
    assert_eq!(found(&house, "route.state", "blackhole").route_table_id, Some(table_id));
    let left = house.ok::<DescribeEgressOnlyInternetGateways>(Default::default());
    assert!(left.egress_only_internet_gateways.unwrap().is_empty());
    let none = api::DescribeNatGatewaysRequest {
        filter: filter("state", &["available"]),
        ..Default::default()
    };
    assert!(house.ok::<DescribeNatGateways>(none).nat_gateways.unwrap().is_empty());
}
