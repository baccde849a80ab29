use expect_test::expect;
use sagegate_api::ec2 as api;

use super::{default_group, filter, group, house, https_from, let_in, named, range, vpc};
use crate::ec2::security_group::{
    CreateSecurityGroup, DeleteSecurityGroup, DescribeSecurityGroups,
};
use crate::ec2::security_group_rules::{
    AuthorizeSecurityGroupEgress, AuthorizeSecurityGroupIngress, DescribeSecurityGroupRules,
    RevokeSecurityGroupEgress, RevokeSecurityGroupIngress,
};
use crate::testing::House;

fn rules(house: &House, group: &str) -> String {
    let input = api::DescribeSecurityGroupRulesRequest {
        filters: filter("group-id", &[group]),
        ..Default::default()
    };
    let rules = house.ok::<DescribeSecurityGroupRules>(input).security_group_rules.unwrap();
    let mut lines: Vec<String> = rules
        .into_iter()
        .map(|rule| {
            let referenced = rule.referenced_group_info.and_then(|info| info.group_id);
            format!(
                "{} {} {}-{} {}",
                if rule.is_egress == Some(true) { "out" } else { "in" },
                rule.ip_protocol.unwrap(),
                rule.from_port.unwrap(),
                rule.to_port.unwrap(),
                rule.cidr_ipv4.or(rule.cidr_ipv6).or(referenced).unwrap()
            )
        })
        .collect();
    lines.sort();
    lines.join("\n")
}

fn ingress(
    group: &str,
    permissions: Vec<api::IpPermission>,
) -> api::AuthorizeSecurityGroupIngressRequest {
    api::AuthorizeSecurityGroupIngressRequest {
        group_id: Some(group.into()),
        ip_permissions: Some(permissions),
        ..Default::default()
    }
}

#[test]
fn a_new_group_lets_everything_out_and_nothing_in() {
    let house = house();
    let vpc = vpc(&house, "10.0.0.0/16");
    let id = group(&house, &vpc, "web");
    assert_eq!(rules(&house, &id), "out -1 -1--1 0.0.0.0/0");
    let default = default_group(&house, &vpc);
    assert_eq!(rules(&house, &default), format!("in -1 -1--1 {default}\nout -1 -1--1 0.0.0.0/0"));
    let again = api::CreateSecurityGroupRequest {
        vpc_id: Some(vpc.clone()),
        group_name: "web".into(),
        description: "x".into(),
        ..Default::default()
    };
    assert_eq!(
        house.fails::<CreateSecurityGroup>(again.clone()),
        format!(
            "InvalidGroup.Duplicate (400): The security group 'web' already exists for VPC '{vpc}'"
        )
    );
    let reserved = api::CreateSecurityGroupRequest { group_name: "default".into(), ..again };
    expect!["InvalidParameterValue (400): Cannot use reserved security group name: default"]
        .assert_eq(&house.fails::<CreateSecurityGroup>(reserved));
}

#[test]
fn rules_are_added_shown_and_taken_away() {
    let house = house();
    let vpc = vpc(&house, "10.0.0.0/16");
    let (id, other) = (group(&house, &vpc, "web"), group(&house, &vpc, "clients"));
    let_in(&house, &id, range("tcp", 22, 22, "10.0.0.1/8"));
    let_in(&house, &id, https_from(&other));
    let_in(&house, &id, range("-1", 5, 6, "192.0.2.0/24"));
    let_in(&house, &id, range("icmp", 8, -1, "0.0.0.0/0"));
    assert_eq!(
        rules(&house, &id),
        format!(
            "in -1 -1--1 192.0.2.0/24\nin icmp 8--1 0.0.0.0/0\nin tcp 22-22 10.0.0.0/8\nin tcp 443-443 {other}\nout -1 -1--1 0.0.0.0/0"
        )
    );
    let twice = ingress(&id, vec![range("6", 22, 22, "10.0.0.0/8")]);
    expect![[r#"InvalidPermission.Duplicate (400): the specified rule "peer: 10.0.0.0/8, TCP, from port: 22, to port: 22, ALLOW" already exists"#]]
        .assert_eq(&house.fails::<AuthorizeSecurityGroupIngress>(twice));
    let all = ingress(&id, vec![range("-1", -1, -1, "192.0.2.0/24")]);
    expect![[r#"InvalidPermission.Duplicate (400): the specified rule "peer: 192.0.2.0/24, ALL, ALLOW" already exists"#]]
        .assert_eq(&house.fails::<AuthorizeSecurityGroupIngress>(all));

    let revoke = |permission| api::RevokeSecurityGroupIngressRequest {
        group_id: Some(id.clone()),
        ip_permissions: Some(vec![permission]),
        ..Default::default()
    };
    let gone = house.ok::<RevokeSecurityGroupIngress>(revoke(https_from(&other)));
    assert_eq!(gone.revoked_security_group_rules.unwrap().len(), 1);
    expect!["InvalidPermission.NotFound (400): The specified rule does not exist in this security group."]
        .assert_eq(&house.fails::<RevokeSecurityGroupIngress>(revoke(https_from(&other))));
    let egress = house.ok::<DescribeSecurityGroupRules>(api::DescribeSecurityGroupRulesRequest {
        filters: filter("group-id", &[&id]),
        ..Default::default()
    });
    let egress =
        egress.security_group_rules.unwrap().into_iter().find(|r| r.is_egress == Some(true));
    house.ok::<RevokeSecurityGroupEgress>(api::RevokeSecurityGroupEgressRequest {
        group_id: id.clone(),
        security_group_rule_ids: Some(vec![egress.unwrap().security_group_rule_id.unwrap()]),
        ..Default::default()
    });
    assert!(!rules(&house, &id).contains("out"));
    house.ok::<AuthorizeSecurityGroupEgress>(api::AuthorizeSecurityGroupEgressRequest {
        group_id: id.clone(),
        ip_permissions: Some(vec![range("udp", 53, 53, "10.0.0.2/32")]),
        tag_specifications: named("security-group-rule", "Name", "dns"),
        ..Default::default()
    });
    assert!(rules(&house, &id).contains("out udp 53-53 10.0.0.2/32"));
    let tagged = api::DescribeSecurityGroupRulesRequest {
        filters: filter("tag:Name", &["dns"]),
        ..Default::default()
    };
    let tagged = house.ok::<DescribeSecurityGroupRules>(tagged).security_group_rules.unwrap();
    assert_eq!(tagged.len(), 1);
}

#[test]
fn groups_are_found_by_their_rules() {
    let house = house();
    let vpc = vpc(&house, "10.0.0.0/16");
    let (id, other) = (group(&house, &vpc, "web"), group(&house, &vpc, "clients"));
    let_in(&house, &id, https_from(&other));
    let find = |name: &str, value: &str| {
        let input = api::DescribeSecurityGroupsRequest {
            filters: filter(name, &[value]),
            ..Default::default()
        };
        let found = house.ok::<DescribeSecurityGroups>(input).security_groups.unwrap();
        found.into_iter().filter_map(|group| group.group_id).collect::<Vec<_>>()
    };
    assert_eq!(find("ip-permission.group-name", "clients"), std::slice::from_ref(&id));
    assert_eq!(find("ip-permission.group-id", &other), std::slice::from_ref(&id));
    assert_eq!(find("ip-permission.from-port", "443"), [id]);
    assert!(find("egress.ip-permission.from-port", "443").is_empty());
    assert_eq!(find("egress.ip-permission.cidr", "0.0.0.0/0").len(), 4);
    assert_eq!(find("group-name", "web*").len(), 1);
}

#[test]
fn the_default_vpcs_groups_answer_unknown_rules_back() {
    let house = house();
    let input = api::CreateSecurityGroupRequest {
        group_name: "web".into(),
        description: "x".into(),
        ..Default::default()
    };
    house.ok::<CreateSecurityGroup>(input);
    let revoke = api::RevokeSecurityGroupIngressRequest {
        group_name: Some("web".into()),
        ip_protocol: Some("tcp".into()),
        from_port: Some(1),
        to_port: Some(1),
        cidr_ip: Some("10.0.0.0/8".into()),
        ..Default::default()
    };
    let answer = house.ok::<RevokeSecurityGroupIngress>(revoke);
    assert_eq!(answer.unknown_ip_permissions.unwrap().len(), 1);
}

#[test]
fn bad_rules_are_refused() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let id = group(&house, &vpc_id, "web");
    let elsewhere = group(&house, &vpc(&house, "10.1.0.0/16"), "web");
    let fails =
        |permission| house.fails::<AuthorizeSecurityGroupIngress>(ingress(&id, vec![permission]));
    expect!["InvalidParameterValue (400): Invalid value 'tpc' for IP protocol. Unknown protocol."]
        .assert_eq(&fails(range("tpc", 1, 1, "0.0.0.0/0")));
    expect!["InvalidParameterValue (400): CIDR block 10.0/8 is malformed"]
        .assert_eq(&fails(range("tcp", 1, 1, "10.0/8")));
    expect!["InvalidPermission.Malformed (400): Invalid tcp port range (from 2 to 1)"]
        .assert_eq(&fails(range("tcp", 2, 1, "0.0.0.0/0")));
    expect!["InvalidGroup.NotFound (400): You have specified two resources that belong to different networks."]
        .assert_eq(&fails(https_from(&elsewhere)));
    expect!["InvalidGroup.NotFound (400): The security group 'sg-1' does not exist"]
        .assert_eq(&fails(https_from("sg-1")));
    let list = api::PrefixListId { prefix_list_id: Some("pl-1".into()), description: None };
    let by_list = api::IpPermission {
        ip_protocol: Some("-1".into()),
        prefix_list_ids: Some(vec![list]),
        ..Default::default()
    };
    expect!["InvalidPrefixListID.NotFound (400): The prefix list ID 'pl-1' does not exist"]
        .assert_eq(&fails(by_list));
    expect!["MissingParameter (400): The request must contain the parameter ipPermissions"]
        .assert_eq(&house.fails::<AuthorizeSecurityGroupIngress>(ingress(&id, vec![])));
    let many = (0..61).map(|port| range("tcp", port, port, "0.0.0.0/0")).collect();
    expect!["RulesPerSecurityGroupLimitExceeded (400): The maximum number of rules per security group has been reached."]
        .assert_eq(&house.fails::<AuthorizeSecurityGroupIngress>(ingress(&id, many)));
    assert_eq!(rules(&house, &id), "out -1 -1--1 0.0.0.0/0");
}

#[test]
fn groups_that_others_need_stay() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let (id, other) = (group(&house, &vpc_id, "web"), group(&house, &vpc_id, "clients"));
    let_in(&house, &id, https_from(&other));
    let delete = |id: &str| api::DeleteSecurityGroupRequest {
        group_id: Some(id.into()),
        ..Default::default()
    };
    assert_eq!(
        house.fails::<DeleteSecurityGroup>(delete(&other)),
        format!("DependencyViolation (400): resource {other} has a dependent object")
    );
    let default = default_group(&house, &vpc_id);
    assert_eq!(
        house.fails::<DeleteSecurityGroup>(delete(&default)),
        format!(
            "CannotDelete (400): the specified group: \"{default}\" name: \"default\" cannot be deleted by a user"
        )
    );
    house.ok::<DeleteSecurityGroup>(delete(&id));
    house.ok::<DeleteSecurityGroup>(delete(&other));
    let input = api::DescribeSecurityGroupsRequest {
        filters: filter("vpc-id", &[&vpc_id]),
        ..Default::default()
    };
    assert_eq!(house.ok::<DescribeSecurityGroups>(input).security_groups.unwrap().len(), 1);
}
