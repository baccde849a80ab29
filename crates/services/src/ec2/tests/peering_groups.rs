//! Rules of security groups that name a group of a peered VPC.

use sagegate_api::ec2 as api;

use super::peering::{deletion, peered};
use super::routes::{found, interface};
use super::{default_group, filter, group, house, https_from, subnet, vpc};
use crate::ec2::peering::answers::DeleteVpcPeeringConnection;
use crate::ec2::peering::references::{
    DescribeSecurityGroupReferences, DescribeStaleSecurityGroups,
};
use crate::ec2::route_table::routes::CreateRoute;
use crate::ec2::security_group::{DeleteSecurityGroup, DescribeSecurityGroups};
use crate::ec2::security_group_rules::{
    AuthorizeSecurityGroupIngress, DescribeSecurityGroupRules, RevokeSecurityGroupIngress,
};
use crate::ec2::topology;
use crate::testing::House;

fn authorize(
    group: &str,
    permission: api::IpPermission,
) -> api::AuthorizeSecurityGroupIngressRequest {
    api::AuthorizeSecurityGroupIngressRequest {
        group_id: Some(group.into()),
        ip_permissions: Some(vec![permission]),
        ..Default::default()
    }
}

fn pair(house: &House, group: &str) -> api::UserIdGroupPair {
    let input = api::DescribeSecurityGroupsRequest {
        group_ids: Some(vec![group.into()]),
        ..Default::default()
    };
    let group = house.ok::<DescribeSecurityGroups>(input).security_groups.unwrap().remove(0);
    group.ip_permissions.unwrap().remove(0).user_id_group_pairs.unwrap().remove(0)
}

#[test]
fn a_rule_names_a_group_of_a_peered_vpc_until_it_is_stale() {
    let house = house();
    let (one, two) = (vpc(&house, "10.0.0.0/16"), vpc(&house, "10.1.0.0/16"));
    let (own, other) = (group(&house, &one, "own"), group(&house, &two, "other"));
    let fault = house.fails::<AuthorizeSecurityGroupIngress>(authorize(&own, https_from(&other)));
    assert_eq!(
        fault,
        "InvalidGroup.NotFound (400): You have specified two resources that belong to different networks."
    );
    let id = peered(&house, &one, &two);
    let mut by_another = https_from(&other);
    for pair in by_another.user_id_group_pairs.iter_mut().flatten() {
        pair.vpc_peering_connection_id = Some("pcx-0123456789abcdef0".into());
    }
    let fault = house.fails::<AuthorizeSecurityGroupIngress>(authorize(&own, by_another));
    assert!(fault.starts_with("InvalidVpcPeeringConnectionID.NotFound"), "{fault}");
    let made = house.ok::<AuthorizeSecurityGroupIngress>(authorize(&own, https_from(&other)));
    let made = made.security_group_rules.unwrap().remove(0).referenced_group_info.unwrap();
    assert_eq!(made.peering_status.as_deref(), Some("active"));
    assert_eq!(made.vpc_peering_connection_id.as_ref(), Some(&id));
    let seen = pair(&house, &own);
    assert_eq!(seen.vpc_id.as_ref(), Some(&two));
    assert_eq!(seen.user_id.as_deref(), Some("123456789012"));
    assert_eq!(seen.peering_status.as_deref(), Some("active"));

    let references = || {
        let input = api::DescribeSecurityGroupReferencesRequest {
            group_id: vec![other.clone()],
            dry_run: None,
        };
        house.ok::<DescribeSecurityGroupReferences>(input).security_group_reference_set.unwrap()
    };
    assert_eq!(
        references(),
        [api::SecurityGroupReference {
            group_id: Some(other.clone()),
            referencing_vpc_id: Some(one.clone()),
            vpc_peering_connection_id: Some(id.clone()),
            transit_gateway_id: None,
        }]
    );
    let stale = || {
        let input =
            api::DescribeStaleSecurityGroupsRequest { vpc_id: one.clone(), ..Default::default() };
        house.ok::<DescribeStaleSecurityGroups>(input).stale_security_group_set.unwrap()
    };
    assert_eq!(stale(), []);
    let rules =
        || topology(&house.state(), &house.scope()).unwrap().security_groups[&own].ingress.len();
    assert_eq!(rules(), 1);

    // Neither the other VPC's group nor the connection is held by it.
    house.ok::<DeleteSecurityGroup>(api::DeleteSecurityGroupRequest {
        group_id: Some(other.clone()),
        ..Default::default()
    });
    assert_eq!(rules(), 0);
    let seen = pair(&house, &own);
    assert_eq!((seen.user_id, seen.peering_status.as_deref()), (None, Some("active")));
    house.ok::<DeleteVpcPeeringConnection>(deletion(&id));
    let shown = stale();
    let permission = &shown[0].stale_ip_permissions.as_ref().unwrap()[0];
    assert_eq!(permission.from_port, Some(443));
    let seen = &permission.user_id_group_pairs.as_ref().unwrap()[0];
    assert_eq!(seen.group_id.as_ref(), Some(&other));
    assert_eq!(seen.peering_status.as_deref(), Some("deleted"));
    // It can be taken away by what it says, though nothing of that is there.
    house.ok::<RevokeSecurityGroupIngress>(api::RevokeSecurityGroupIngressRequest {
        group_id: Some(own.clone()),
        ip_permissions: Some(vec![https_from(&other)]),
        ..Default::default()
    });
    assert_eq!(stale(), []);
}

#[test]
fn a_stale_rule_does_not_come_back_with_another_connection() {
    let house = house();
    let (one, two) = (vpc(&house, "10.0.0.0/16"), vpc(&house, "10.1.0.0/16"));
    let (own, other) = (group(&house, &one, "own"), default_group(&house, &two));
    let id = peered(&house, &one, &two);
    house.ok::<AuthorizeSecurityGroupIngress>(authorize(&own, https_from(&other)));
    house.ok::<DeleteVpcPeeringConnection>(deletion(&id));
    let again = peered(&house, &one, &two);
    assert_ne!(id, again);
    let rule = house.ok::<DescribeSecurityGroupRules>(api::DescribeSecurityGroupRulesRequest {
        filters: filter("group-id", &[&own]),
        ..Default::default()
    });
    let named = rule.security_group_rules.unwrap();
    let named = named.iter().find_map(|rule| rule.referenced_group_info.as_ref()).unwrap();
    assert_eq!(named.peering_status.as_deref(), Some("deleted"));
    let seen = topology(&house.state(), &house.scope()).unwrap();
    assert!(seen.security_groups[&own].ingress.is_empty());
}

#[test]
fn the_walk_goes_over_what_was_made() {
    use sagegate_network::security_group::Packet;
    use sagegate_network::walk::{Question, Source, Walker};

    let house = house();
    let (one, two) = (vpc(&house, "10.0.0.0/16"), vpc(&house, "10.1.0.0/16"));
    let here = subnet(&house, &one, "10.0.0.0/24", "a");
    let there = subnet(&house, &two, "10.1.0.0/24", "a");
    let (from, to) = (interface(&house, &here), interface(&house, &there));
    let id = peered(&house, &one, &two);
    for (vpc, block) in [(&one, "10.1.0.0/16"), (&two, "10.0.0.0/16")] {
        let main = found(&house, "vpc-id", vpc).route_table_id.unwrap();
        house.ok::<CreateRoute>(api::CreateRouteRequest {
            route_table_id: main,
            destination_cidr_block: Some(block.into()),
            vpc_peering_connection_id: Some(id.clone()),
            ..Default::default()
        });
    }
    let reached = || {
        let seen = topology(&house.state(), &house.scope()).unwrap();
        let address = |id: &str| seen.interfaces[id].addresses[0].private;
        let question = Question {
            source: Source::Interface { id: from.clone(), address: address(&from) },
            destination: address(&to),
            packet: Packet::HTTPS,
            source_port: 40_000,
        };
        Walker::new(seen).walk(&question).reached()
    };
    assert!(!reached());
    let target = default_group(&house, &two);
    let source = default_group(&house, &one);
    house.ok::<AuthorizeSecurityGroupIngress>(authorize(&target, https_from(&source)));
    assert!(reached());
    house.ok::<DeleteVpcPeeringConnection>(deletion(&id));
    assert!(!reached());
}
