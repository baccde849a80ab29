//! The blocks of VPCs and subnets, and what follows from them.

use expect_test::expect;
use sagegate_api::ec2 as api;
use sagegate_network::topology::{Destination, Target};

use super::acls::{association_of, entries};
use super::peering::{peered, requested};
use super::routes::{gateway, table};
use super::{default_group, filter, group, house, subnet, subnet_input, vpc};
use crate::ec2::route_table::routes::CreateRoute;
use crate::ec2::security_group::DescribeSecurityGroups;
use crate::ec2::security_group_rules::RevokeSecurityGroupEgress;
use crate::ec2::subnet::{CreateSubnet, DeleteSubnet, DescribeSubnets, ModifySubnetAttribute};
use crate::ec2::subnet_cidr::{AssociateSubnetCidrBlock, DisassociateSubnetCidrBlock};
use crate::ec2::topology;
use crate::ec2::vpc::{CreateVpc, DeleteVpc, DescribeVpcs};
use crate::ec2::vpc_cidr::{AssociateVpcCidrBlock, DisassociateVpcCidrBlock};
use crate::testing::House;

pub(super) fn v4(vpc: &str, block: &str) -> api::AssociateVpcCidrBlockRequest {
    api::AssociateVpcCidrBlockRequest {
        vpc_id: vpc.into(),
        cidr_block: Some(block.into()),
        ..Default::default()
    }
}

pub(super) fn v6(vpc: &str) -> api::AssociateVpcCidrBlockRequest {
    api::AssociateVpcCidrBlockRequest {
        vpc_id: vpc.into(),
        amazon_provided_ipv6_cidr_block: Some(true),
        ..Default::default()
    }
}

/// Adds an IPv4 block; its association.
pub(super) fn add_v4(house: &House, vpc: &str, block: &str) -> String {
    let answer = house.ok::<AssociateVpcCidrBlock>(v4(vpc, block));
    answer.cidr_block_association.unwrap().association_id.unwrap()
}

/// Adds an IPv6 block; its association, and the beginning of its subnets' blocks.
pub(super) fn add_v6(house: &House, vpc: &str) -> (String, String) {
    let made = house.ok::<AssociateVpcCidrBlock>(v6(vpc)).ipv6_cidr_block_association.unwrap();
    let block = made.ipv6_cidr_block.unwrap();
    (made.association_id.unwrap(), prefix(&block))
}

/// `2001:db8:1:2300::/56` to `2001:db8:1:23`, so that two digits and `::/64` make a subnet's.
fn prefix(block: &str) -> String {
    let network: ipnet::Ipv6Net = block.parse().unwrap();
    assert_eq!(network.prefix_len(), 56);
    let words = network.network().segments();
    assert_eq!(words[..2], [0x2001, 0xdb8]);
    format!("2001:db8:{:x}:{:x}", words[2], words[3] >> 8)
}

pub(super) fn disassociate(id: &str) -> api::DisassociateVpcCidrBlockRequest {
    api::DisassociateVpcCidrBlockRequest { association_id: id.into() }
}

pub(super) fn described(house: &House, vpc: &str) -> api::Vpc {
    let input = api::DescribeVpcsRequest { vpc_ids: Some(vec![vpc.into()]), ..Default::default() };
    house.ok::<DescribeVpcs>(input).vpcs.unwrap().remove(0)
}

fn subnet_with_v6(house: &House, vpc: &str, v4: &str, v6: &str) -> api::Subnet {
    let input =
        api::CreateSubnetRequest { ipv6_cidr_block: Some(v6.into()), ..subnet_input(vpc, v4, "a") };
    house.ok::<CreateSubnet>(input).subnet.unwrap()
}

/// The blocks that a VPC shows.
fn blocks(vpc: &api::Vpc) -> Vec<String> {
    let known = vpc.cidr_block_association_set.iter().flatten();
    known.filter_map(|it| it.cidr_block.clone()).collect()
}

#[test]
fn a_vpc_gets_more_ipv4_blocks() {
    let house = house();
    let vpc_id = vpc(&house, "10.5.0.0/24");
    let made = house.ok::<AssociateVpcCidrBlock>(v4(&vpc_id, "100.64.0.9/16"));
    assert_eq!(made.vpc_id.as_ref(), Some(&vpc_id));
    let made = made.cidr_block_association.unwrap();
    assert_eq!(made.cidr_block.as_deref(), Some("100.64.0.0/16"));
    let state = made.cidr_block_state.unwrap().state;
    assert_eq!(state, Some(api::VpcCidrBlockStateCode::Associated));
    let association = made.association_id.unwrap();
    let shown = described(&house, &vpc_id);
    assert_eq!(shown.cidr_block.as_deref(), Some("10.5.0.0/24"));
    assert_eq!(shown.ipv6_cidr_block_association_set, None);
    assert_eq!(blocks(&shown), ["10.5.0.0/24", "100.64.0.0/16"]);
    let find = |name: &str, value: &str| {
        let input =
            api::DescribeVpcsRequest { filters: filter(name, &[value]), ..Default::default() };
        house.ok::<DescribeVpcs>(input).vpcs.unwrap().len()
    };
    assert_eq!(find("cidr-block-association.cidr-block", "100.64.0.0/16"), 1);
    assert_eq!(find("cidr-block-association.association-id", &association), 1);
    assert_eq!(find("cidr", "100.64.0.0/16"), 0, "the first block alone");

    // A subnet in it, and a local route to it in every table.
    let subnet_id = subnet(&house, &vpc_id, "100.64.3.0/24", "a");
    let seen = topology(&house.state(), &house.scope()).unwrap();
    let main = &seen.route_tables[&seen.subnets[&subnet_id].route_table];
    let local: Vec<&Destination> = main
        .routes
        .iter()
        .filter(|route| route.target == Target::Local)
        .map(|route| &route.destination)
        .collect();
    let block = |text: &str| Destination::Block(text.parse().unwrap());
    assert_eq!(local, [&block("10.5.0.0/24"), &block("100.64.0.0/16")]);

    let text = house.fails::<DisassociateVpcCidrBlock>(disassociate(&association));
    let told = format!("The vpc {vpc_id} currently has a subnet within CIDR block 100.64.0.0/16");
    assert_eq!(text, format!("InvalidCidrBlock.InUse (400): {told}"));
    house.ok::<DeleteSubnet>(api::DeleteSubnetRequest { subnet_id, dry_run: None });
    let gone = house.ok::<DisassociateVpcCidrBlock>(disassociate(&association));
    let state = gone.cidr_block_association.unwrap().cidr_block_state.unwrap().state;
    assert_eq!(state, Some(api::VpcCidrBlockStateCode::Disassociated));
    assert_eq!(blocks(&described(&house, &vpc_id)), ["10.5.0.0/24"]);
    let text = house.fails::<DisassociateVpcCidrBlock>(disassociate(&association));
    let told = format!("The vpc CIDR block association ID '{association}' does not exist");
    assert_eq!(text, format!("InvalidVpcCidrBlockAssociationID.NotFound (400): {told}"));
    house.ok::<DeleteVpc>(api::DeleteVpcRequest { vpc_id, dry_run: None });
}

#[test]
fn added_blocks_are_checked() {
    let house = house();
    let vpc_id = vpc(&house, "10.5.0.0/16");
    let refused = |block: &str| house.fails::<AssociateVpcCidrBlock>(v4(&vpc_id, block));
    expect!["InvalidParameterValue (400): Value (10.6) for parameter cidrBlock is invalid. This is not a valid CIDR block."].assert_eq(&refused("10.6"));
    expect!["InvalidVpc.Range (400): The CIDR '10.6.0.0/15' is invalid."]
        .assert_eq(&refused("10.6.0.0/15"));
    expect![
        "CidrConflict (400): The CIDR '10.5.1.0/24' conflicts with another CIDR block of the VPC"
    ]
    .assert_eq(&refused("10.5.1.0/24"));
    let text = refused("172.16.0.0/16");
    assert!(text.starts_with("InvalidVpc.Range (400): The CIDR '172.16.0.0/16' is restricted."));

    // A route that leads to a part of it stands in the way; one to more than it does not.
    let (gateway_id, table_id) = (gateway(&house, &vpc_id), table(&house, &vpc_id));
    let lead = |block: &str| api::CreateRouteRequest {
        route_table_id: table_id.clone(),
        destination_cidr_block: Some(block.into()),
        gateway_id: Some(gateway_id.clone()),
        ..Default::default()
    };
    house.ok::<CreateRoute>(lead("10.6.0.0/24"));
    house.ok::<CreateRoute>(lead("0.0.0.0/0"));
    let told = format!(
        "CidrConflict (400): The CIDR '10.6.0.0/24' conflicts with the route to 10.6.0.0/24 in route table {table_id}"
    );
    assert_eq!(refused("10.6.0.0/24"), told);
    add_v4(&house, &vpc_id, "10.6.0.0/25");

    for block in ["10.7.0.0/16", "10.8.0.0/28", "52.0.0.0/16"] {
        add_v4(&house, &vpc_id, block);
    }
    let told = format!("This network '{vpc_id}' has met its maximum number of allowed CIDRs: 5");
    assert_eq!(refused("10.9.0.0/16"), format!("CidrLimitExceeded (400): {told}"));

    let primary = described(&house, &vpc_id).cidr_block_association_set.unwrap().remove(0);
    let id = primary.association_id.unwrap();
    let text = house.fails::<DisassociateVpcCidrBlock>(disassociate(&id));
    let told = format!(
        "OperationNotPermitted (400): The vpc CIDR block with association ID {id} may not be disassociated. It is the primary IPv4 CIDR block of the VPC"
    );
    assert_eq!(text, told);
    expect![[r#"InvalidVpcCidrBlockAssociationId.Malformed (400): Invalid id: "vpc-1" (expecting "vpc-cidr-assoc-...")"#]]
        .assert_eq(&house.fails::<DisassociateVpcCidrBlock>(disassociate("vpc-1")));
    let both = api::AssociateVpcCidrBlockRequest {
        amazon_provided_ipv6_cidr_block: Some(true),
        ..v4(&vpc_id, "10.9.0.0/16")
    };
    expect!["InvalidParameterCombination (400): The request must contain exactly one of cidrBlock, amazonProvidedIpv6CidrBlock"]
        .assert_eq(&house.fails::<AssociateVpcCidrBlock>(both));
    let none = api::AssociateVpcCidrBlockRequest { vpc_id, ..Default::default() };
    expect!["MissingParameter (400): The request must contain exactly one of cidrBlock, amazonProvidedIpv6CidrBlock"]
        .assert_eq(&house.fails::<AssociateVpcCidrBlock>(none));
}

#[test]
fn a_vpc_gets_an_ipv6_block() {
    let house = house();
    let input = api::CreateVpcRequest {
        cidr_block: Some("10.0.0.0/16".into()),
        amazon_provided_ipv6_cidr_block: Some(true),
        ..Default::default()
    };
    let made = house.ok::<CreateVpc>(input).vpc.unwrap();
    let vpc_id = made.vpc_id.unwrap();
    let own = made.ipv6_cidr_block_association_set.unwrap().remove(0);
    assert_eq!(own.ipv6_pool.as_deref(), Some("Amazon"));
    assert_eq!(own.network_border_group.as_deref(), Some("us-west-2"));
    let base = prefix(&own.ipv6_cidr_block.clone().unwrap());
    let told = format!("This network '{vpc_id}' has met its maximum number of allowed CIDRs: 1");
    let text = house.fails::<AssociateVpcCidrBlock>(v6(&vpc_id));
    assert_eq!(text, format!("CidrLimitExceeded (400): {told}"));
    let other = vpc(&house, "10.1.0.0/16");
    assert_ne!(add_v6(&house, &other).1, base, "no two VPCs have the same");

    // Subnets in it.
    let made = subnet_with_v6(&house, &vpc_id, "10.0.0.0/24", &format!("{base}01::/64"));
    let subnet_id = made.subnet_id.unwrap();
    let shown = made.ipv6_cidr_block_association_set.unwrap().remove(0);
    let block: ipnet::Ipv6Net = shown.ipv6_cidr_block.unwrap().parse().unwrap();
    assert_eq!(block, format!("{base}01::/64").parse().unwrap());
    let refused = |block: String| {
        let input = api::CreateSubnetRequest {
            ipv6_cidr_block: Some(block),
            ..subnet_input(&vpc_id, "10.0.1.0/24", "a")
        };
        house.fails::<CreateSubnet>(input)
    };
    let text = refused(format!("{base}01::/64"));
    assert!(text.starts_with("InvalidSubnet.Conflict (400): The IPv6 CIDR '"), "{text}");
    expect!["InvalidSubnet.Range (400): The IPv6 CIDR '2001:db9::/64' is invalid."]
        .assert_eq(&refused("2001:db9::/64".into()));
    expect![
        "InvalidParameterValue (400): invalid value for parameter ipv6-cidr-block: 2001:db8::/65"
    ]
    .assert_eq(&refused("2001:db8::/65".into()));

    let seen = topology(&house.state(), &house.scope()).unwrap();
    assert_eq!(seen.vpcs[&vpc_id].blocks.len(), 2);
    assert_eq!(seen.subnets[&subnet_id].blocks.len(), 2);
    let main = &seen.route_tables[&seen.subnets[&subnet_id].route_table];
    assert_eq!(main.routes.iter().filter(|it| it.target == Target::Local).count(), 2);

    let id = own.association_id.unwrap();
    let text = house.fails::<DisassociateVpcCidrBlock>(disassociate(&id));
    assert!(text.starts_with("InvalidCidrBlock.InUse (400): The vpc "), "{text}");
    house.ok::<DisassociateSubnetCidrBlock>(api::DisassociateSubnetCidrBlockRequest {
        association_id: shown.association_id.unwrap(),
    });
    house.ok::<DisassociateVpcCidrBlock>(disassociate(&id));
    assert_eq!(described(&house, &vpc_id).ipv6_cidr_block_association_set, None);
}

#[test]
fn a_subnets_ipv6_block_comes_and_goes() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let subnet_id = subnet(&house, &vpc_id, "10.0.0.0/24", "a");
    let (_, base) = add_v6(&house, &vpc_id);
    let value = |value| Some(api::AttributeBooleanValue { value: Some(value) });
    let assign = |on| api::ModifySubnetAttributeRequest {
        subnet_id: subnet_id.clone(),
        assign_ipv6_address_on_creation: value(on),
        ..Default::default()
    };
    let told = format!(
        "InvalidParameterValue (400): Invalid value 'true' for assign-ipv6-address-on-creation. Cannot set assign-ipv6-address-on-creation to true unless the subnet ({subnet_id}) has an IPv6 CIDR block associated with it."
    );
    assert_eq!(house.fails::<ModifySubnetAttribute>(assign(true)), told);
    let associate = |block: String| api::AssociateSubnetCidrBlockRequest {
        subnet_id: subnet_id.clone(),
        ipv6_cidr_block: Some(block),
        ..Default::default()
    };
    let made = house.ok::<AssociateSubnetCidrBlock>(associate(format!("{base}07::/64")));
    let id = made.ipv6_cidr_block_association.unwrap().association_id.unwrap();
    let told = format!(
        "CidrLimitExceeded (400): This network '{subnet_id}' has met its maximum number of allowed CIDRs: 1"
    );
    let text = house.fails::<AssociateSubnetCidrBlock>(associate(format!("{base}08::/64")));
    assert_eq!(text, told);
    house.ok::<ModifySubnetAttribute>(assign(true));
    let find = |name: &str, value: &str| {
        let input =
            api::DescribeSubnetsRequest { filters: filter(name, &[value]), ..Default::default() };
        house.ok::<DescribeSubnets>(input).subnets.unwrap()
    };
    let found = find("ipv6-cidr-block-association.association-id", &id);
    assert_eq!(found[0].subnet_id.as_ref(), Some(&subnet_id));
    assert_eq!(found[0].assign_ipv6_address_on_creation, Some(true));
    assert_eq!(find("ipv6-cidr-block-association.state", "associated").len(), 1);
    let end = || api::DisassociateSubnetCidrBlockRequest { association_id: id.clone() };
    let told = format!(
        "InvalidCidrBlock.InUse (400): The subnet IPv6 CIDR block with association ID {id} may not be disassociated, because its subnet has assign-ipv6-address-on-creation set to true."
    );
    assert_eq!(house.fails::<DisassociateSubnetCidrBlock>(end()), told);
    house.ok::<ModifySubnetAttribute>(assign(false));
    house.ok::<DisassociateSubnetCidrBlock>(end());
    let told = format!(
        "InvalidSubnetCidrBlockAssociationID.NotFound (400): The subnet CIDR block with association ID '{id}' does not exist"
    );
    assert_eq!(house.fails::<DisassociateSubnetCidrBlock>(end()), told);
}

/// Where a group lets its members out to.
fn out_of(house: &House, group: &str) -> Vec<String> {
    let input = api::DescribeSecurityGroupsRequest {
        group_ids: Some(vec![group.into()]),
        ..Default::default()
    };
    let shown = house.ok::<DescribeSecurityGroups>(input).security_groups.unwrap().remove(0);
    let mut found = Vec::new();
    for permission in shown.ip_permissions_egress.unwrap() {
        found.extend(permission.ip_ranges.into_iter().flatten().filter_map(|it| it.cidr_ip));
        found.extend(permission.ipv6_ranges.into_iter().flatten().filter_map(|it| it.cidr_ipv6));
    }
    found
}

#[test]
fn default_acls_and_groups_let_ipv6_through_unless_they_were_changed() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let subnet_id = subnet(&house, &vpc_id, "10.0.0.0/24", "a");
    let (acl, _) = association_of(&house, &subnet_id);
    let (own, other) = (group(&house, &vpc_id, "own"), group(&house, &vpc_id, "other"));
    house.ok::<RevokeSecurityGroupEgress>(api::RevokeSecurityGroupEgressRequest {
        group_id: other.clone(),
        ip_permissions: Some(vec![super::range("-1", -1, -1, "0.0.0.0/0")]),
        ..Default::default()
    });
    let (association, _) = add_v6(&house, &vpc_id);
    let both = ["0.0.0.0/0", "::/0"];
    assert_eq!(out_of(&house, &own), both);
    assert_eq!(out_of(&house, &default_group(&house, &vpc_id)), both);
    assert!(out_of(&house, &other).is_empty(), "what was changed stays");
    assert_eq!(out_of(&house, &group(&house, &vpc_id, "new")), both);
    expect![[r#"
        out 100 allow -1 0.0.0.0/0
        out 101 allow -1 ::/0
        out 32767 deny -1 0.0.0.0/0
        out 32768 deny -1 ::/0
        in 100 allow -1 0.0.0.0/0
        in 101 allow -1 ::/0
        in 32767 deny -1 0.0.0.0/0
        in 32768 deny -1 ::/0"#]]
    .assert_eq(&entries(&house, &acl));
    // They stay when the block goes, and do not come twice.
    house.ok::<DisassociateVpcCidrBlock>(disassociate(&association));
    add_v6(&house, &vpc_id);
    assert_eq!(out_of(&house, &own), both);
    assert_eq!(entries(&house, &acl).lines().count(), 8);
}

#[test]
fn a_vpc_that_asked_for_a_peering_connection_waits_with_its_blocks() {
    let house = house();
    let (one, other) = (vpc(&house, "10.5.0.0/16"), vpc(&house, "10.6.0.0/16"));
    let request = requested(&house, &one, &other);
    let told = format!(
        "OperationNotPermitted (400): {one} waits for the acceptance of its request {request}"
    );
    assert_eq!(house.fails::<AssociateVpcCidrBlock>(v4(&one, "10.7.0.0/16")), told);
    add_v6(&house, &one);
    add_v4(&house, &other, "10.8.0.0/16");

    let third = vpc(&house, "10.9.0.0/16");
    peered(&house, &third, &other);
    add_v4(&house, &third, "10.10.0.0/16");
    let text = house.fails::<AssociateVpcCidrBlock>(v4(&third, "10.8.0.0/24"));
    assert!(text.starts_with("CidrConflict (400): The CIDR '10.8.0.0/24' conflicts"), "{text}");
}
