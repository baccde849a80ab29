//! Network ACLs.

use std::net::IpAddr;

use expect_test::expect;
use sagegate_api::ec2 as api;

use super::{filter, house, subnet, vpc};
use crate::ec2::network_acl::acls::{CreateNetworkAcl, DeleteNetworkAcl, DescribeNetworkAcls};
use crate::ec2::network_acl::associations::ReplaceNetworkAclAssociation;
use crate::ec2::network_acl::entries::{
    CreateNetworkAclEntry, DeleteNetworkAclEntry, ReplaceNetworkAclEntry,
};
use crate::ec2::records::{self, NETWORK_ACLS, NetworkAcl};
use crate::ec2::subnet::DeleteSubnet;
use crate::ec2::topology;
use crate::ec2::vpc::DeleteVpc;
use crate::testing::House;

pub(super) fn acl(house: &House, vpc: &str) -> String {
    let input = api::CreateNetworkAclRequest { vpc_id: vpc.into(), ..Default::default() };
    house.ok::<CreateNetworkAcl>(input).network_acl.unwrap().network_acl_id.unwrap()
}

/// An entry that allows what enters.
pub(super) fn entry(
    acl: &str,
    number: i32,
    protocol: &str,
    block: &str,
) -> api::CreateNetworkAclEntryRequest {
    let (v4, v6) = if block.contains(':') { (None, Some(block)) } else { (Some(block), None) };
    api::CreateNetworkAclEntryRequest {
        network_acl_id: acl.into(),
        rule_number: number,
        protocol: protocol.into(),
        rule_action: api::RuleAction::Allow,
        cidr_block: v4.map(Into::into),
        ipv6_cidr_block: v6.map(Into::into),
        ..Default::default()
    }
}

fn ports(from: i32, to: i32) -> Option<api::PortRange> {
    Some(api::PortRange { from: Some(from), to: Some(to) })
}

fn icmp(kind: i32, code: i32) -> Option<api::IcmpTypeCode> {
    Some(api::IcmpTypeCode { r#type: Some(kind), code: Some(code) })
}

/// The one ACL that passes a filter.
fn found(house: &House, name: &str, value: &str) -> api::NetworkAcl {
    let input =
        api::DescribeNetworkAclsRequest { filters: filter(name, &[value]), ..Default::default() };
    let acls = house.ok::<DescribeNetworkAcls>(input).network_acls.unwrap();
    assert_eq!(acls.len(), 1, "{name} = {value}");
    acls.into_iter().next().unwrap()
}

/// The ACL of a subnet, and the association.
pub(super) fn association_of(house: &House, subnet: &str) -> (String, String) {
    let acl = found(house, "association.subnet-id", subnet);
    let mut own = acl.associations.unwrap();
    own.retain(|association| association.subnet_id.as_deref() == Some(subnet));
    (acl.network_acl_id.unwrap(), own.remove(0).network_acl_association_id.unwrap())
}

/// The entries that an ACL shows, a line each.
pub(super) fn entries(house: &House, acl: &str) -> String {
    let acl = found(house, "network-acl-id", acl);
    let lines = acl.entries.unwrap().into_iter().map(|it| {
        let side = if it.egress.unwrap() { "out" } else { "in" };
        let block = it.cidr_block.or(it.ipv6_cidr_block).unwrap();
        let ports = it.port_range.map(|it| (it.from.unwrap(), it.to.unwrap()));
        let types = it.icmp_type_code.map(|it| (it.r#type.unwrap(), it.code.unwrap()));
        let range = ports.or(types).map_or(String::new(), |(from, to)| format!(" {from}..{to}"));
        let (number, protocol) = (it.rule_number.unwrap(), it.protocol.unwrap());
        format!("{side} {number} {} {protocol}{range} {block}", it.rule_action.unwrap())
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn replace(house: &House, association: &str, acl: &str) -> String {
    let input = api::ReplaceNetworkAclAssociationRequest {
        association_id: association.into(),
        network_acl_id: acl.into(),
        dry_run: None,
    };
    house.ok::<ReplaceNetworkAclAssociation>(input).new_association_id.unwrap()
}

#[test]
fn a_subnet_always_has_one_acl() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let subnet_id = subnet(&house, &vpc_id, "10.0.0.0/24", "a");
    let (default, first) = association_of(&house, &subnet_id);
    assert_eq!(found(&house, "network-acl-id", &default).is_default, Some(true));
    expect![[r#"
        out 100 allow -1 0.0.0.0/0
        out 32767 deny -1 0.0.0.0/0
        in 100 allow -1 0.0.0.0/0
        in 32767 deny -1 0.0.0.0/0"#]]
    .assert_eq(&entries(&house, &default));
    assert_eq!(replace(&house, &first, &default), first, "it is what was asked for already");

    let own = acl(&house, &vpc_id);
    expect![[r#"
        out 32767 deny -1 0.0.0.0/0
        in 32767 deny -1 0.0.0.0/0"#]]
    .assert_eq(&entries(&house, &own));
    let second = replace(&house, &first, &own);
    assert_ne!(second, first);
    assert_eq!(association_of(&house, &subnet_id), (own.clone(), second.clone()));
    let input = |association: &str, acl: &str| api::ReplaceNetworkAclAssociationRequest {
        association_id: association.into(),
        network_acl_id: acl.into(),
        dry_run: None,
    };
    assert_eq!(
        house.fails::<ReplaceNetworkAclAssociation>(input(&first, &default)),
        format!("InvalidAssociationID.NotFound (400): The association ID '{first}' does not exist")
    );
    let elsewhere = acl(&house, &vpc(&house, "10.1.0.0/16"));
    assert_eq!(
        house.fails::<ReplaceNetworkAclAssociation>(input(&second, &elsewhere)),
        format!(
            "InvalidParameterValue (400): Network ACL {elsewhere} and subnet {subnet_id} belong to different networks"
        )
    );

    let delete =
        |id: &str| api::DeleteNetworkAclRequest { network_acl_id: id.into(), dry_run: None };
    assert_eq!(
        house.fails::<DeleteNetworkAcl>(delete(&own)),
        format!(
            "DependencyViolation (400): The networkAcl '{own}' has dependencies and cannot be deleted."
        )
    );
    assert_eq!(
        house.fails::<DeleteNetworkAcl>(delete(&default)),
        format!("InvalidParameterValue (400): cannot delete default network ACL {default}")
    );
    // The association ends with its subnet, and the ACL can go; the VPC cannot before it.
    house.ok::<DeleteSubnet>(api::DeleteSubnetRequest { subnet_id, dry_run: None });
    let delete_vpc = || api::DeleteVpcRequest { vpc_id: vpc_id.clone(), dry_run: None };
    let fault = house.fails::<DeleteVpc>(delete_vpc());
    assert!(fault.starts_with("DependencyViolation"), "{fault}");
    house.ok::<DeleteNetworkAcl>(delete(&own));
    house.ok::<DeleteVpc>(delete_vpc());
    assert_eq!(
        house.fails::<DeleteNetworkAcl>(delete(&default)),
        format!("InvalidNetworkAclID.NotFound (400): The networkAcl ID '{default}' does not exist")
    );
}

#[test]
fn entries_are_read_kept_in_order_and_replaced() {
    let house = house();
    let id = acl(&house, &vpc(&house, "10.0.0.0/16"));
    let allow = |number, protocol, block| entry(&id, number, protocol, block);
    let create = |input| house.ok::<CreateNetworkAclEntry>(input);
    create(allow(300, "-1", "10.0.0.9/8"));
    create(api::CreateNetworkAclEntryRequest {
        port_range: ports(443, 443),
        ..allow(100, "6", "0.0.0.0/0")
    });
    create(api::CreateNetworkAclEntryRequest {
        port_range: ports(443, 443),
        egress: true,
        rule_action: api::RuleAction::Deny,
        ..allow(100, "17", "::/0")
    });
    create(api::CreateNetworkAclEntryRequest {
        icmp_type_code: icmp(8, -1),
        ..allow(200, "1", "0.0.0.0/0")
    });
    create(api::CreateNetworkAclEntryRequest {
        icmp_type_code: icmp(-1, -1),
        ..allow(201, "58", "2001:db8::1/32")
    });
    // What means nothing for a protocol is dropped.
    create(api::CreateNetworkAclEntryRequest {
        port_range: ports(1, 2),
        ..allow(202, "50", "0.0.0.0/0")
    });
    create(allow(203, "58", "0.0.0.0/0"));
    expect![[r#"
        out 100 deny 17 443..443 ::/0
        out 32767 deny -1 0.0.0.0/0
        in 100 allow 6 443..443 0.0.0.0/0
        in 200 allow 1 8..-1 0.0.0.0/0
        in 201 allow 58 -1..-1 2001:db8::/32
        in 202 allow 50 0.0.0.0/0
        in 203 allow 58 -1..-1 0.0.0.0/0
        in 300 allow -1 10.0.0.0/8
        in 32767 deny -1 0.0.0.0/0"#]]
    .assert_eq(&entries(&house, &id));

    for (input, error) in [
        (
            allow(100, "-1", "0.0.0.0/0"),
            "NetworkAclEntryAlreadyExists (400): The network acl entry identified by 100 already exists.",
        ),
        (
            allow(0, "-1", "0.0.0.0/0"),
            "InvalidParameterValue (400): Value (0) for parameter ruleNumber is invalid. Expecting a value between 1 and 32766.",
        ),
        (
            allow(32_767, "-1", "0.0.0.0/0"),
            "InvalidParameterValue (400): Value (32767) for parameter ruleNumber is invalid. Expecting a value between 1 and 32766.",
        ),
        (
            allow(1, "tcp", "0.0.0.0/0"),
            "InvalidParameterValue (400): Invalid value 'tcp' for IP protocol. Unknown protocol.",
        ),
        (
            allow(1, "256", "0.0.0.0/0"),
            "InvalidParameterValue (400): Invalid value '256' for IP protocol. Unknown protocol.",
        ),
        (
            allow(1, "", "0.0.0.0/0"),
            "InvalidParameterValue (400): Invalid value '' for IP protocol. Unknown protocol.",
        ),
        (
            allow(1, "-1", "10.0.0.0"),
            "InvalidParameterValue (400): Value (10.0.0.0) for parameter cidrBlock is invalid. This is not a valid CIDR block.",
        ),
        (
            allow(1, "-1", "::/129"),
            "InvalidParameterValue (400): Value (::/129) for parameter ipv6CidrBlock is invalid. This is not a valid CIDR block.",
        ),
        (
            api::CreateNetworkAclEntryRequest { cidr_block: None, ..allow(1, "-1", "0.0.0.0/0") },
            "MissingParameter (400): The request must contain the parameter cidrBlock",
        ),
        (
            api::CreateNetworkAclEntryRequest {
                ipv6_cidr_block: Some("::/0".into()),
                ..allow(1, "-1", "0.0.0.0/0")
            },
            "InvalidParameterCombination (400): The parameter cidrBlock cannot be used with the parameter ipv6CidrBlock",
        ),
        (
            allow(1, "6", "0.0.0.0/0"),
            "InvalidParameterValue (400): Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.",
        ),
        (
            api::CreateNetworkAclEntryRequest {
                port_range: ports(2, 1),
                ..allow(1, "17", "0.0.0.0/0")
            },
            "InvalidParameterValue (400): Invalid TCP/UDP port range (from 2 to 1)",
        ),
        (
            allow(1, "1", "0.0.0.0/0"),
            "MissingParameter (400): The request must contain the parameter icmpTypeCode.type",
        ),
        (
            api::CreateNetworkAclEntryRequest {
                icmp_type_code: icmp(-1, 0),
                ..allow(1, "58", "::/0")
            },
            "InvalidParameterValue (400): ICMP type (-1) and code (0) do not go together",
        ),
    ] {
        assert_eq!(house.fails::<CreateNetworkAclEntry>(input), error);
    }

    let deny = |number: i32| api::ReplaceNetworkAclEntryRequest {
        network_acl_id: id.clone(),
        rule_number: number,
        protocol: "-1".into(),
        rule_action: api::RuleAction::Deny,
        cidr_block: Some("192.0.2.0/24".into()),
        ..Default::default()
    };
    house.ok::<ReplaceNetworkAclEntry>(deny(100));
    assert_eq!(
        house.fails::<ReplaceNetworkAclEntry>(deny(5)),
        format!(
            "InvalidNetworkAclEntry.NotFound (400): no ingress entry with number 5 in network ACL {id}"
        )
    );
    let delete = |number: i32, egress: bool| api::DeleteNetworkAclEntryRequest {
        network_acl_id: id.clone(),
        rule_number: number,
        egress,
        dry_run: None,
    };
    for number in [200, 201, 202, 203] {
        house.ok::<DeleteNetworkAclEntry>(delete(number, false));
    }
    assert_eq!(
        house.fails::<DeleteNetworkAclEntry>(delete(200, true)),
        format!(
            "InvalidNetworkAclEntry.NotFound (400): no egress entry with number 200 in network ACL {id}"
        )
    );
    expect![[r#"
        out 100 deny 17 443..443 ::/0
        out 32767 deny -1 0.0.0.0/0
        in 100 deny -1 192.0.2.0/24
        in 300 allow -1 10.0.0.0/8
        in 32767 deny -1 0.0.0.0/0"#]]
    .assert_eq(&entries(&house, &id));
    assert_eq!(found(&house, "entry.cidr", "192.0.2.0/24").network_acl_id, Some(id.clone()));
    // Each default ACL has entries of both directions as well: a filter that nothing has finds none.
    for (egress, expected) in [("true", true), ("false", true), ("yes", false)] {
        let filter = |name: &str, value: &str| api::Filter {
            name: Some(name.into()),
            values: Some(vec![value.into()]),
        };
        let answer = house.ok::<DescribeNetworkAcls>(api::DescribeNetworkAclsRequest {
            filters: Some(vec![filter("network-acl-id", &id), filter("entry.egress", egress)]),
            ..Default::default()
        });
        assert_eq!(answer.network_acls.unwrap().len(), usize::from(expected), "{egress}");
    }
}

#[test]
fn each_family_and_direction_has_its_quota() {
    let house = house();
    let id = acl(&house, &vpc(&house, "10.0.0.0/16"));
    let full = "NetworkAclEntryLimitExceeded (400): The maximum number of network acl entries has been reached.";
    for number in 1..20 {
        house.ok::<CreateNetworkAclEntry>(entry(&id, number, "-1", "0.0.0.0/0"));
        house.ok::<CreateNetworkAclEntry>(entry(&id, 100 + number, "-1", "::/0"));
    }
    // With the one that denies everything else it has twenty of each.
    for block in ["0.0.0.0/0", "::/0"] {
        assert_eq!(house.fails::<CreateNetworkAclEntry>(entry(&id, 50, "-1", block)), full);
    }
    let out =
        api::CreateNetworkAclEntryRequest { egress: true, ..entry(&id, 50, "-1", "0.0.0.0/0") };
    house.ok::<CreateNetworkAclEntry>(out);
    // A full list can have its entries replaced, but not by one of the other family.
    let by = |v4: Option<&str>, v6: Option<&str>| api::ReplaceNetworkAclEntryRequest {
        network_acl_id: id.clone(),
        rule_number: 1,
        protocol: "-1".into(),
        rule_action: api::RuleAction::Deny,
        cidr_block: v4.map(Into::into),
        ipv6_cidr_block: v6.map(Into::into),
        ..Default::default()
    };
    assert_eq!(house.fails::<ReplaceNetworkAclEntry>(by(None, Some("::/0"))), full);
    house.ok::<ReplaceNetworkAclEntry>(by(Some("10.0.0.0/8"), None));
}

#[test]
fn the_topology_has_what_counts_for_a_subnet() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let subnet_id = subnet(&house, &vpc_id, "10.0.0.0/24", "a");
    let (_, association) = association_of(&house, &subnet_id);
    let own = acl(&house, &vpc_id);
    house.ok::<CreateNetworkAclEntry>(api::CreateNetworkAclEntryRequest {
        port_range: ports(1024, 65_535),
        egress: true,
        ..entry(&own, 7, "6", "192.0.2.0/24")
    });
    replace(&house, &association, &own);
    let seen = topology(&house.state(), &house.scope()).unwrap();
    assert_eq!(seen.subnets[&subnet_id].network_acl, own);
    let shown = &seen.network_acls[&own];
    assert!(shown.ingress.is_empty());
    assert_eq!(shown.vpc, vpc_id);
    let [only] = &shown.egress[..] else { panic!("{shown:?}") };
    assert_eq!((only.number, only.from, only.to, only.allow), (7, 1024, 65_535, true));
    assert!(only.block.contains(&IpAddr::from([192, 0, 2, 1])));
}

#[test]
fn vpcs_from_before_acls_get_theirs_once() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let subnet_id = subnet(&house, &vpc_id, "10.0.0.0/24", "a");
    let scope = house.scope();
    // What an older data directory holds.
    house.transact(|tx| {
        for (key, _) in NETWORK_ACLS.scan(tx, &(), None, usize::MAX)? {
            NETWORK_ACLS.delete(tx, &key);
        }
        Ok(())
    });
    let all = || records::all::<NetworkAcl>(&house.state(), &scope).unwrap();
    house.transact(|tx| crate::ec2::bootstrap(tx, &scope));
    let first = all();
    assert_eq!(first.len(), 2);
    assert!(first.iter().all(|acl| acl.is_default && acl.entries.len() == 2));
    let mut counts: Vec<usize> = first.iter().map(|acl| acl.associations.len()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 3], "one subnet, and three of the default VPC");
    let (acl, _) = association_of(&house, &subnet_id);
    assert_eq!(found(&house, "network-acl-id", &acl).vpc_id, Some(vpc_id));
    house.transact(|tx| crate::ec2::bootstrap(tx, &scope));
    assert_eq!(all(), first);
}

#[test]
fn an_acl_is_made_once_for_a_token() {
    let house = house();
    let input = api::CreateNetworkAclRequest {
        vpc_id: vpc(&house, "10.0.0.0/16"),
        client_token: Some("once".into()),
        ..Default::default()
    };
    let id = |made: api::CreateNetworkAclResult| made.network_acl.unwrap().network_acl_id.unwrap();
    let first = id(house.ok::<CreateNetworkAcl>(input.clone()));
    assert_eq!(id(house.ok::<CreateNetworkAcl>(input.clone())), first);
    let delete = api::DeleteNetworkAclRequest { network_acl_id: first.clone(), dry_run: None };
    house.ok::<DeleteNetworkAcl>(delete);
    assert_ne!(id(house.ok::<CreateNetworkAcl>(input)), first);
}
