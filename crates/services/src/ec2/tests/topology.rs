//! The networks of a region as the packet walk reads them.

use std::net::IpAddr;

use sagegate_api::ec2 as api;
use sagegate_network::topology::{Destination, EndpointKind, Role, Target};

use sagegate_network::security_group::Packet;
use sagegate_network::topology::{Address, Interface};
use sagegate_network::walk::{Question, Source, Walker};

use super::acls::{acl, association_of};
use super::nat::{nat, nat_input};
use super::routes::{gateway, interface, table};
use super::{
    API, default_group, endpoint_input, group, house, https_from, let_in, make_endpoint, range,
    subnet, vpc,
};
use crate::binding::Binding;
use crate::ec2::elastic_ip::AllocateAddress;
use crate::ec2::elastic_ip::association::AssociateAddress;
use crate::ec2::endpoint::settle;
use crate::ec2::network_acl::associations::ReplaceNetworkAclAssociation;
use crate::ec2::route_table::associations::AssociateRouteTable;
use crate::ec2::route_table::routes::CreateRoute;
use crate::ec2::security_group_rules::RevokeSecurityGroupEgress;
use crate::ec2::{listeners, subnet_client, topology};
use crate::testing::House;

#[test]
fn the_topology_is_what_was_made() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let public = subnet(&house, &vpc_id, "10.0.0.0/24", "a");
    let private = subnet(&house, &vpc_id, "10.0.1.0/24", "b");
    let gateway_id = gateway(&house, &vpc_id);
    let table_id = table(&house, &vpc_id);
    house.ok::<AssociateRouteTable>(api::AssociateRouteTableRequest {
        route_table_id: table_id.clone(),
        subnet_id: Some(public.clone()),
        ..Default::default()
    });
    house.ok::<CreateRoute>(api::CreateRouteRequest {
        route_table_id: table_id.clone(),
        destination_cidr_block: Some("0.0.0.0/0".into()),
        gateway_id: Some(gateway_id.clone()),
        ..Default::default()
    });
    let allocate = || house.ok::<AllocateAddress>(Default::default()).allocation_id.unwrap();
    let made = nat(&house, nat_input(&public, Some(&allocate())));
    let host = interface(&house, &public);
    house.ok::<AssociateAddress>(api::AssociateAddressRequest {
        allocation_id: Some(allocate()),
        network_interface_id: Some(host.clone()),
        ..Default::default()
    });
    let endpoint = make_endpoint(&house, endpoint_input(&vpc_id, API, &[&private]));
    let endpoint_id = endpoint.vpc_endpoint_id.unwrap();

    let seen = topology(&house.state(), &house.scope()).unwrap();
    let own = &seen.vpcs[&vpc_id];
    assert_eq!(own.internet_gateway, Some(gateway_id.clone()));
    assert_eq!(own.blocks, ["10.0.0.0/16".parse().unwrap()]);
    assert_eq!(own.account, "123456789012");
    assert_eq!(seen.subnets[&public].route_table, table_id);
    let main = seen.subnets[&private].route_table.clone();
    assert_ne!(main, table_id);
    assert!(seen.route_tables[&main].routes.iter().all(|route| route.target == Target::Local));
    let routes = &seen.route_tables[&table_id].routes;
    assert_eq!(routes[0].destination, Destination::Block("10.0.0.0/16".parse().unwrap()));
    assert_eq!(routes[0].target, Target::Local);
    assert_eq!(routes[1].target, Target::InternetGateway(gateway_id));

    let shown = &seen.interfaces[&host];
    assert_eq!(shown.role, Role::Host);
    assert_eq!(shown.groups, [default_group(&house, &vpc_id)]);
    assert!(shown.source_dest_check);
    assert!(shown.addresses[0].private.is_ipv4() && shown.addresses[0].public.is_some());
    let nat_id = made.nat_gateway_id.unwrap();
    let own = &seen.nat_gateways[&nat_id];
    assert!(own.available && own.public);
    let held = &seen.interfaces[&own.interface];
    assert_eq!(held.role, Role::NatGateway(nat_id));
    assert!(!held.source_dest_check);
    let address = &made.nat_gateway_addresses.unwrap()[0];
    assert_eq!(held.addresses[0].public.map(|it| it.to_string()), address.public_ip);

    let EndpointKind::Interface { interfaces, private_dns, names } =
        &seen.endpoints[&endpoint_id].kind
    else {
        panic!("it is an interface endpoint");
    };
    assert!(!private_dns);
    assert_eq!(seen.interfaces[&interfaces[0]].role, Role::Endpoint(endpoint_id));
    assert_eq!(names.len(), 2, "a regional and a zonal name: {names:?}");
    assert!(names.iter().all(|(_, leads_to)| leads_to == interfaces));

    let s3 = &seen.prefix_lists["pl-68a54001"];
    assert_eq!(s3.name, "com.amazonaws.us-west-2.s3");
    assert!(s3.blocks.contains(&"52.218.128.0/17".parse().unwrap()));

    // Every subnet has an ACL of its VPC that lets everything through.
    for subnet in seen.subnets.values() {
        let acl = &seen.network_acls[&subnet.network_acl];
        assert_eq!(acl.vpc, subnet.vpc);
        assert!(acl.ingress[0].allow && acl.egress[0].allow);
        assert!(acl.ingress[0].block.contains(&IpAddr::from([192, 0, 2, 1])));
    }
    assert_eq!(seen.subnets.len(), 5, "two, and three of the default VPC");
}

/// Whether the listener lets its client in, and whether the walk from that client arrives.
fn entered_and_walked(house: &House) -> (bool, bool) {
    let (state, scope) = (house.state(), house.scope());
    let listener = listeners(&state).unwrap().remove(0);
    let client = subnet_client(&state, &scope, &listener.subnet_id).unwrap().unwrap();
    let address = IpAddr::V4(listener.vpc_source_ip);
    assert_eq!(IpAddr::V4(client.address), address);
    let mut seen = topology(&state, &scope).unwrap();
    let interface = Interface {
        vpc: client.vpc,
        subnet: listener.subnet_id.clone(),
        addresses: vec![Address { private: address, public: None }],
        groups: vec![client.group],
        source_dest_check: true,
        role: Role::Host,
    };
    seen.interfaces.insert("client".into(), interface);
    let walk = Walker::new(seen).walk(&Question {
        source: Source::Interface { id: "client".into(), address },
        destination: IpAddr::V4(listener.interface_address),
        packet: Packet::HTTPS,
        source_port: 40_000,
    });
    (listener.admitted.is_ok(), walk.reached())
}

/// The client of a loopback address is in the subnet of the endpoint's interface, where neither network
/// ACLs nor routes stand between the two: security groups are all that the walk meets, too.
#[test]
fn a_listener_lets_in_whom_the_walk_has_arrive() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let home = subnet(&house, &vpc_id, "10.0.0.0/24", "a");
    let own = group(&house, &vpc_id, "endpoints");
    let clients = default_group(&house, &vpc_id);
    let input = api::CreateVpcEndpointRequest {
        security_group_ids: Some(vec![own.clone()]),
        ..endpoint_input(&vpc_id, API, &[&home])
    };
    let id = make_endpoint(&house, input).vpc_endpoint_id.unwrap();
    house.transact(|tx| settle(tx, &house.scope(), &id, &|_| Binding::Bound));
    assert_eq!(entered_and_walked(&house), (false, false));
    let_in(&house, &own, range("tcp", 80, 442, "10.0.0.0/16"));
    assert_eq!(entered_and_walked(&house), (false, false));
    let_in(&house, &own, https_from(&clients));
    assert_eq!(entered_and_walked(&house), (true, true));

    // A network ACL without entries, and a route that sends the VPC's own block to an appliance.
    house.ok::<ReplaceNetworkAclAssociation>(api::ReplaceNetworkAclAssociationRequest {
        association_id: association_of(&house, &home).1,
        network_acl_id: acl(&house, &vpc_id),
        dry_run: None,
    });
    let table_id = table(&house, &vpc_id);
    house.ok::<AssociateRouteTable>(api::AssociateRouteTableRequest {
        route_table_id: table_id.clone(),
        subnet_id: Some(home.clone()),
        ..Default::default()
    });
    house.ok::<CreateRoute>(api::CreateRouteRequest {
        route_table_id: table_id,
        destination_cidr_block: Some("10.0.0.0/24".into()),
        network_interface_id: Some(interface(&house, &home)),
        ..Default::default()
    });
    assert_eq!(entered_and_walked(&house), (true, true));

    house.ok::<RevokeSecurityGroupEgress>(api::RevokeSecurityGroupEgressRequest {
        group_id: clients,
        ip_permissions: Some(vec![range("-1", -1, -1, "0.0.0.0/0")]),
        ..Default::default()
    });
    assert_eq!(entered_and_walked(&house), (false, false));
}
