use expect_test::expect;
use sagegate_api::ec2 as api;

use super::{default_group, filter, group, house, https_from, let_in, named, range, vpc};
use crate::ec2::security_group::{
    CreateSecurityGroup, DeleteSecurityGroup, DescribeSecurityGroups,
};
use crate::ec2::security_group_rule_changes::{
    ModifySecurityGroupRules, UpdateSecurityGroupRuleDescriptionsEgress,
    UpdateSecurityGroupRuleDescriptionsIngress,
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

/// The group's rules of one direction: id, block and description.
fn described(house: &House, group: &str, egress: bool) -> Vec<(String, String, Option<String>)> {
    let input = api::DescribeSecurityGroupRulesRequest {
        filters: filter("group-id", &[group]),
        ..Default::default()
    };
    let rules = house.ok::<DescribeSecurityGroupRules>(input).security_group_rules.unwrap();
    let own = rules.into_iter().filter(|rule| rule.is_egress == Some(egress));
    own.map(|rule| {
        let block = rule.cidr_ipv4.or(rule.cidr_ipv6).unwrap_or_default();
        (rule.security_group_rule_id.unwrap(), block, rule.description)
    })
    .collect()
}

fn tcp(port: i32, block: &str) -> api::SecurityGroupRuleRequest {
    api::SecurityGroupRuleRequest {
        ip_protocol: Some("tcp".into()),
        from_port: Some(port),
        to_port: Some(port),
        cidr_ipv4: Some(block.into()),
        ..Default::default()
    }
}

#[test]
fn a_rule_is_changed_and_keeps_its_id() {
    let house = house();
    let vpc = vpc(&house, "10.0.0.0/16");
    let (id, other) = (group(&house, &vpc, "web"), group(&house, &vpc, "clients"));
    let_in(&house, &id, range("tcp", 22, 22, "10.0.0.0/8"));
    let_in(&house, &id, range("tcp", 80, 80, "10.0.0.0/8"));
    let rule = described(&house, &id, false).swap_remove(0).0;
    let change = |rule: &str, to: api::SecurityGroupRuleRequest| {
        let security_group_rule_id = rule.to_owned();
        let update =
            api::SecurityGroupRuleUpdate { security_group_rule_id, security_group_rule: Some(to) };
        api::ModifySecurityGroupRulesRequest {
            group_id: id.clone(),
            security_group_rules: vec![update],
            ..Default::default()
        }
    };
    let to = api::SecurityGroupRuleRequest {
        description: Some("admins".into()),
        ..tcp(2222, "192.0.2.7/24")
    };
    house.ok::<ModifySecurityGroupRules>(change(&rule, to));
    let now = described(&house, &id, false);
    assert!(now.contains(&(rule.clone(), "192.0.2.0/24".into(), Some("admins".into()))));
    assert_eq!(now.len(), 2);
    // To another kind of peer.
    let to = api::SecurityGroupRuleRequest {
        cidr_ipv4: None,
        referenced_group_id: Some(other.clone()),
        ..tcp(443, "")
    };
    house.ok::<ModifySecurityGroupRules>(change(&rule, to.clone()));
    assert!(rules(&house, &id).contains(&format!("in tcp 443-443 {other}")));

    let fails = |to| house.fails::<ModifySecurityGroupRules>(change(&rule, to));
    let both = api::SecurityGroupRuleRequest { cidr_ipv4: Some("10.0.0.0/8".into()), ..to.clone() };
    expect!["InvalidParameterCombination (400): A rule has one of CidrIpv4, CidrIpv6, PrefixListId and ReferencedGroupId."]
        .assert_eq(&fails(both));
    expect!["InvalidPermission.Malformed (400): A permission must name an IP range, a security group or a prefix list."]
        .assert_eq(&fails(api::SecurityGroupRuleRequest { referenced_group_id: None, ..to }));
    // To what another rule is; a rule may be changed to what it is itself.
    let is_80 = described(&house, &id, false).into_iter().find(|it| it.0 != rule).unwrap().0;
    house.ok::<ModifySecurityGroupRules>(change(&is_80, tcp(80, "10.0.0.0/8")));
    assert!(fails(tcp(80, "10.0.0.0/8")).starts_with("InvalidPermission.Duplicate"));
    let foreign = described(&house, &other, true).swap_remove(0).0;
    assert_eq!(
        house.fails::<ModifySecurityGroupRules>(change(&foreign, tcp(1, "10.0.0.0/8"))),
        format!(
            "InvalidSecurityGroupRuleId.NotFound (400): The security group rule ID '{foreign}' does not exist"
        )
    );
}

#[test]
fn descriptions_are_set_and_taken_away() {
    let house = house();
    let vpc = vpc(&house, "10.0.0.0/16");
    let id = group(&house, &vpc, "web");
    let_in(&house, &id, range("tcp", 22, 22, "10.0.0.0/8"));
    let describe = |description: Option<&str>| {
        let mut permission = range("tcp", 22, 22, "10.0.0.0/8");
        for range in permission.ip_ranges.iter_mut().flatten() {
            range.description = description.map(str::to_owned);
        }
        api::UpdateSecurityGroupRuleDescriptionsIngressRequest {
            group_id: Some(id.clone()),
            ip_permissions: Some(vec![permission]),
            ..Default::default()
        }
    };
    let said = || described(&house, &id, false).swap_remove(0).2;
    house.ok::<UpdateSecurityGroupRuleDescriptionsIngress>(describe(Some("admins")));
    assert_eq!(said().as_deref(), Some("admins"));
    house.ok::<UpdateSecurityGroupRuleDescriptionsIngress>(describe(None));
    assert_eq!(said(), None);
    let long = "x".repeat(256);
    assert!(
        house
            .fails::<UpdateSecurityGroupRuleDescriptionsIngress>(describe(Some(&long)))
            .starts_with("InvalidParameterValue (400): Invalid rule description.")
    );

    let (way_in, way_out) = (
        described(&house, &id, false).swap_remove(0).0,
        described(&house, &id, true).swap_remove(0).0,
    );
    let by_id = |rule: &str| api::UpdateSecurityGroupRuleDescriptionsEgressRequest {
        group_id: Some(id.clone()),
        security_group_rule_descriptions: Some(vec![api::SecurityGroupRuleDescription {
            security_group_rule_id: Some(rule.into()),
            description: Some("all".into()),
        }]),
        ..Default::default()
    };
    house.ok::<UpdateSecurityGroupRuleDescriptionsEgress>(by_id(&way_out));
    assert_eq!(described(&house, &id, true).swap_remove(0).2.as_deref(), Some("all"));
    assert!(
        house
            .fails::<UpdateSecurityGroupRuleDescriptionsEgress>(by_id(&way_in))
            .starts_with("InvalidSecurityGroupRuleId.NotFound"),
        "a rule of the other direction"
    );
}
