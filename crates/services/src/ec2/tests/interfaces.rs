//! The addresses of network interfaces.

use std::collections::BTreeSet;

use expect_test::expect;
use sagegate_api::ec2 as api;

use super::blocks::add_v6;
use super::routes::gateway;
use super::{filter, house, subnet, vpc};
use crate::ec2::elastic_ip::association::AssociateAddress;
use crate::ec2::elastic_ip::{AllocateAddress, DescribeAddresses};
use crate::ec2::interface_addresses::{
    AssignIpv6Addresses, AssignPrivateIpAddresses, UnassignIpv6Addresses,
    UnassignPrivateIpAddresses,
};
use crate::ec2::interface_shape::DescribeNetworkInterfaces;
use crate::ec2::network_interface::{CreateNetworkInterface, DeleteNetworkInterface};
use crate::ec2::subnet::{DescribeSubnets, ModifySubnetAttribute};
use crate::ec2::subnet_cidr::{AssociateSubnetCidrBlock, DisassociateSubnetCidrBlock};
use crate::ec2::topology;
use crate::testing::House;

fn input(subnet: &str) -> api::CreateNetworkInterfaceRequest {
    api::CreateNetworkInterfaceRequest { subnet_id: subnet.into(), ..Default::default() }
}

fn make(house: &House, input: api::CreateNetworkInterfaceRequest) -> api::NetworkInterface {
    house.ok::<CreateNetworkInterface>(input).network_interface.unwrap()
}

fn id(made: &api::NetworkInterface) -> String {
    made.network_interface_id.clone().unwrap()
}

fn described(house: &House, id: &str) -> api::NetworkInterface {
    let input = api::DescribeNetworkInterfacesRequest {
        network_interface_ids: Some(vec![id.into()]),
        ..Default::default()
    };
    house.ok::<DescribeNetworkInterfaces>(input).network_interfaces.unwrap().remove(0)
}

/// The private addresses that an interface shows, the primary one with a star.
fn private(made: &api::NetworkInterface) -> Vec<String> {
    let shown = made.private_ip_addresses.iter().flatten().map(|it| {
        let star = if it.primary == Some(true) { "*" } else { "" };
        format!("{}{star}", it.private_ip_address.as_deref().unwrap())
    });
    shown.collect()
}

fn ipv6(made: &api::NetworkInterface) -> Vec<String> {
    let shown = made.ipv6_addresses.iter().flatten();
    shown.filter_map(|it| it.ipv6_address.clone()).collect()
}

fn assign_v4(interface: &str, addresses: &[&str]) -> api::AssignPrivateIpAddressesRequest {
    api::AssignPrivateIpAddressesRequest {
        network_interface_id: interface.into(),
        private_ip_addresses: Some(addresses.iter().map(ToString::to_string).collect()),
        ..Default::default()
    }
}

fn unassign_v4(interface: &str, addresses: &[&str]) -> api::UnassignPrivateIpAddressesRequest {
    api::UnassignPrivateIpAddressesRequest {
        network_interface_id: interface.into(),
        private_ip_addresses: Some(addresses.iter().map(ToString::to_string).collect()),
        ..Default::default()
    }
}

fn free(house: &House, subnet: &str) -> i32 {
    let input =
        api::DescribeSubnetsRequest { subnet_ids: Some(vec![subnet.into()]), ..Default::default() };
    let shown = house.ok::<DescribeSubnets>(input).subnets.unwrap().remove(0);
    shown.available_ip_address_count.unwrap()
}

#[test]
fn an_interface_has_more_private_addresses() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let subnet_id = subnet(&house, &vpc_id, "10.0.0.0/24", "a");
    let specification = |address: &str, primary| api::PrivateIpAddressSpecification {
        primary,
        private_ip_address: Some(address.into()),
    };
    let made = make(
        &house,
        api::CreateNetworkInterfaceRequest {
            private_ip_addresses: Some(vec![
                specification("10.0.0.20", None),
                specification("10.0.0.10", Some(true)),
            ]),
            ..input(&subnet_id)
        },
    );
    assert_eq!(made.private_ip_address.as_deref(), Some("10.0.0.10"));
    assert_eq!(private(&made), ["10.0.0.10*", "10.0.0.20"]);
    let counted = api::CreateNetworkInterfaceRequest {
        secondary_private_ip_address_count: Some(2),
        ..input(&subnet_id)
    };
    let other = make(&house, counted);
    assert_eq!(private(&other), ["10.0.0.4*", "10.0.0.5", "10.0.0.6"]);
    assert_eq!(free(&house, &subnet_id), 251 - 5);

    let (one, two) = (id(&made), id(&other));
    let answer = house.ok::<AssignPrivateIpAddresses>(assign_v4(&one, &["10.0.0.30"]));
    let assigned = answer.assigned_private_ip_addresses.unwrap();
    assert_eq!(assigned[0].private_ip_address.as_deref(), Some("10.0.0.30"));
    expect!["InvalidParameterValue (400): [10.0.0.5] assigned, but move is not allowed."]
        .assert_eq(&house.fails::<AssignPrivateIpAddresses>(assign_v4(&one, &["10.0.0.5"])));
    let moved = api::AssignPrivateIpAddressesRequest {
        allow_reassignment: Some(true),
        ..assign_v4(&one, &["10.0.0.5"])
    };
    house.ok::<AssignPrivateIpAddresses>(moved.clone());
    // Once more changes nothing.
    house.ok::<AssignPrivateIpAddresses>(moved);
    let shown = described(&house, &one);
    assert_eq!(private(&shown), ["10.0.0.10*", "10.0.0.20", "10.0.0.30", "10.0.0.5"]);
    assert_eq!(private(&described(&house, &two)), ["10.0.0.4*", "10.0.0.6"]);
    let primary = api::AssignPrivateIpAddressesRequest {
        allow_reassignment: Some(true),
        ..assign_v4(&one, &["10.0.0.4"])
    };
    expect!["InvalidIPAddress.InUse (400): Address 10.0.0.4 is in use."]
        .assert_eq(&house.fails::<AssignPrivateIpAddresses>(primary));
    let find = |name: &str, value: &str| {
        let input = api::DescribeNetworkInterfacesRequest {
            filters: filter(name, &[value]),
            ..Default::default()
        };
        house.ok::<DescribeNetworkInterfaces>(input).network_interfaces.unwrap().len()
    };
    assert_eq!(find("addresses.private-ip-address", "10.0.0.5"), 1);
    assert_eq!(find("private-ip-address", "10.0.0.5"), 0);

    for (addresses, told) in [
        (
            &["10.0.1.4"][..],
            "InvalidParameterValue (400): Address does not fall within the subnet's address range",
        ),
        (
            &["10.0.0.1"],
            "InvalidParameterValue (400): Address is in subnet's reserved address range",
        ),
        (&["10.0"], "InvalidParameterValue (400): invalid value for parameter address: 10.0"),
        (
            &[],
            "MissingParameter (400): The request must contain the parameter secondaryPrivateIpAddressCount",
        ),
    ] {
        assert_eq!(house.fails::<AssignPrivateIpAddresses>(assign_v4(&one, addresses)), told);
    }
    let many = api::AssignPrivateIpAddressesRequest {
        network_interface_id: two.clone(),
        secondary_private_ip_address_count: Some(49),
        ..Default::default()
    };
    let text = house.fails::<AssignPrivateIpAddresses>(many.clone());
    assert!(text.starts_with("PrivateIpAddressLimitExceeded (400)"), "{text}");
    house.ok::<AssignPrivateIpAddresses>(api::AssignPrivateIpAddressesRequest {
        secondary_private_ip_address_count: Some(48),
        ..many
    });
    house.ok::<UnassignPrivateIpAddresses>(unassign_v4(&one, &["10.0.0.5", "10.0.0.20"]));
    assert_eq!(private(&described(&house, &one)), ["10.0.0.10*", "10.0.0.30"]);
    let told = format!(
        "InvalidParameterValue (400): Some of the specified addresses are not assigned to interface {one}"
    );
    for other in ["10.0.0.20", "10.0.0.10"] {
        let text = house.fails::<UnassignPrivateIpAddresses>(unassign_v4(&one, &[other]));
        assert_eq!(text, told, "gone, and the primary one");
    }
    for network_interface_id in [one, two] {
        house.ok::<DeleteNetworkInterface>(api::DeleteNetworkInterfaceRequest {
            network_interface_id,
            dry_run: None,
        });
    }
    assert_eq!(free(&house, &subnet_id), 251, "all addresses are back");
}

#[test]
fn a_public_address_stands_for_one_private_one() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let subnet_id = subnet(&house, &vpc_id, "10.0.0.0/24", "a");
    gateway(&house, &vpc_id);
    let counted = api::CreateNetworkInterfaceRequest {
        secondary_private_ip_address_count: Some(1),
        ..input(&subnet_id)
    };
    let own = id(&make(&house, counted));
    let associate = |private: Option<&str>| {
        let allocated = house.ok::<AllocateAddress>(Default::default());
        house.ok::<AssociateAddress>(api::AssociateAddressRequest {
            allocation_id: allocated.allocation_id,
            network_interface_id: Some(own.clone()),
            private_ip_address: private.map(Into::into),
            ..Default::default()
        });
        allocated.public_ip.unwrap()
    };
    let (first, second) = (associate(None), associate(Some("10.0.0.5")));
    let shown = described(&house, &own);
    assert_eq!(shown.association.unwrap().public_ip, Some(first.clone()));
    let public: Vec<_> = shown
        .private_ip_addresses
        .unwrap()
        .into_iter()
        .map(|it| it.association.unwrap().public_ip.unwrap())
        .collect();
    assert_eq!(public, [first.clone(), second.clone()]);
    let seen = topology(&house.state(), &house.scope()).unwrap();
    let known: Vec<String> =
        seen.interfaces[&own].addresses.iter().map(|it| it.public.unwrap().to_string()).collect();
    assert_eq!(known, [first, second.clone()]);
    house.ok::<UnassignPrivateIpAddresses>(unassign_v4(&own, &["10.0.0.5"]));
    let input =
        api::DescribeAddressesRequest { public_ips: Some(vec![second]), ..Default::default() };
    let shown = house.ok::<DescribeAddresses>(input).addresses.unwrap().remove(0);
    assert_eq!(shown.association_id, None);
}

#[test]
fn an_interface_has_ipv6_addresses() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let subnet_id = subnet(&house, &vpc_id, "10.0.0.0/24", "a");
    let counted = |count| api::CreateNetworkInterfaceRequest {
        ipv6_address_count: Some(count),
        ..input(&subnet_id)
    };
    let told = format!(
        "InvalidParameterValue (400): The subnet {subnet_id} has no IPv6 CIDR block associated with it."
    );
    assert_eq!(house.fails::<CreateNetworkInterface>(counted(1)), told);
    let (_, base) = add_v6(&house, &vpc_id);
    let associated = house.ok::<AssociateSubnetCidrBlock>(api::AssociateSubnetCidrBlockRequest {
        subnet_id: subnet_id.clone(),
        ipv6_cidr_block: Some(format!("{base}00::/64")),
        ..Default::default()
    });
    let own = associated.ipv6_cidr_block_association.unwrap();
    let block: ipnet::Ipv6Net = own.ipv6_cidr_block.unwrap().parse().unwrap();
    let address =
        |last: u128| std::net::Ipv6Addr::from(u128::from(block.network()) + last).to_string();

    // As the subnet says, unless the request says otherwise.
    assert!(ipv6(&make(&house, input(&subnet_id))).is_empty());
    house.ok::<ModifySubnetAttribute>(api::ModifySubnetAttributeRequest {
        subnet_id: subnet_id.clone(),
        assign_ipv6_address_on_creation: Some(api::AttributeBooleanValue { value: Some(true) }),
        ..Default::default()
    });
    let usual = make(&house, input(&subnet_id));
    assert_eq!(ipv6(&usual).len(), 1);
    assert!(block.contains(&ipv6(&usual)[0].parse::<std::net::Ipv6Addr>().unwrap()));
    assert!(ipv6(&make(&house, counted(0))).is_empty());
    let named = |addresses: &[String]| api::CreateNetworkInterfaceRequest {
        ipv6_addresses: Some(
            addresses
                .iter()
                .map(|it| api::InstanceIpv6Address {
                    ipv6_address: Some(it.clone()),
                    ..Default::default()
                })
                .collect(),
        ),
        ..input(&subnet_id)
    };
    let made = make(&house, named(&[address(0x10), address(0x11)]));
    assert_eq!(ipv6(&made), [address(0x10), address(0x11)]);
    let outside = "2001:db9::1".to_owned();
    for (wrong, told) in [
        (
            address(3),
            "InvalidParameterValue (400): Address is in subnet's reserved address range".to_owned(),
        ),
        (
            outside,
            "InvalidParameterValue (400): Address does not fall within the subnet's address range"
                .to_owned(),
        ),
        (
            "x".to_owned(),
            "InvalidParameterValue (400): invalid value for parameter address: x".to_owned(),
        ),
        (
            address(0x10),
            format!("InvalidIPAddress.InUse (400): Address {} is in use.", address(0x10)),
        ),
    ] {
        assert_eq!(house.fails::<CreateNetworkInterface>(named(&[wrong])), told);
    }
    let both = api::CreateNetworkInterfaceRequest {
        ipv6_address_count: Some(1),
        ..named(&[address(0x20)])
    };
    expect!["InvalidParameterCombination (400): The parameter ipv6Addresses cannot be used with the parameter ipv6AddressCount"]
        .assert_eq(&house.fails::<CreateNetworkInterface>(both));

    let interface = id(&made);
    let answer = house.ok::<AssignIpv6Addresses>(api::AssignIpv6AddressesRequest {
        network_interface_id: interface.clone(),
        ipv6_address_count: Some(3),
        ..Default::default()
    });
    let assigned = answer.assigned_ipv6_addresses.unwrap();
    assert_eq!(assigned.iter().collect::<BTreeSet<_>>().len(), 3);
    let seen = topology(&house.state(), &house.scope()).unwrap();
    assert_eq!(seen.interfaces[&interface].addresses.len(), 6);
    let find = api::DescribeNetworkInterfacesRequest {
        filters: filter("ipv6-addresses.ipv6-address", &[&assigned[2]]),
        ..Default::default()
    };
    assert_eq!(house.ok::<DescribeNetworkInterfaces>(find).network_interfaces.unwrap().len(), 1);
    let unassign = |addresses: Vec<String>| api::UnassignIpv6AddressesRequest {
        network_interface_id: interface.clone(),
        ipv6_addresses: Some(addresses),
        ..Default::default()
    };
    let gone = house.ok::<UnassignIpv6Addresses>(unassign(assigned.clone()));
    assert_eq!(gone.unassigned_ipv6_addresses, Some(assigned.clone()));
    assert_eq!(ipv6(&described(&house, &interface)), [address(0x10), address(0x11)]);
    let told = format!(
        "InvalidParameterValue (400): Some of the specified addresses are not assigned to interface {interface}"
    );
    assert_eq!(house.fails::<UnassignIpv6Addresses>(unassign(assigned)), told);

    // The subnet's block stays as long as somebody has an address of it.
    house.ok::<ModifySubnetAttribute>(api::ModifySubnetAttributeRequest {
        subnet_id,
        assign_ipv6_address_on_creation: Some(api::AttributeBooleanValue { value: Some(false) }),
        ..Default::default()
    });
    let end =
        api::DisassociateSubnetCidrBlockRequest { association_id: own.association_id.unwrap() };
    let text = house.fails::<DisassociateSubnetCidrBlock>(end);
    assert!(
        text.ends_with("because addresses of it are assigned to network interfaces."),
        "{text}"
    );
}
