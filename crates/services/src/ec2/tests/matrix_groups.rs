//! The part of the matrix that is about rules that change, and single attributes of interfaces.

use sagegate_api::ec2 as api;

use super::matrix::{Case, case};
use super::permissions::ARN;
use super::{filter, group, let_in, range, subnet};
use crate::ec2::network_interface::CreateNetworkInterface;
use crate::ec2::network_interface_attribute::{
    DescribeNetworkInterfaceAttribute, ResetNetworkInterfaceAttribute,
};
use crate::ec2::security_group_rule_changes::{
    ModifySecurityGroupRules, UpdateSecurityGroupRuleDescriptionsEgress,
    UpdateSecurityGroupRuleDescriptionsIngress,
};
use crate::ec2::security_group_rules::DescribeSecurityGroupRules;
use crate::testing::House;

/// Cases in a VPC of 10.0.0.0/16.
pub(super) fn cases<'a>(house: &'a House, vpc_id: &str) -> Vec<Case<'a>> {
    let on = |kind: &str, id: &str| format!("{ARN}:{kind}/{id}");
    let group_id = group(house, vpc_id, "changing");
    let_in(house, &group_id, range("tcp", 22, 22, "10.0.0.0/8"));
    let rules = house
        .ok::<DescribeSecurityGroupRules>(api::DescribeSecurityGroupRulesRequest {
            filters: filter("group-id", &[&group_id]),
            ..Default::default()
        })
        .security_group_rules
        .unwrap();
    let rule = |egress: bool| {
        let own = rules.iter().find(|rule| rule.is_egress == Some(egress));
        own.and_then(|rule| rule.security_group_rule_id.clone()).unwrap()
    };
    let described = |rule: String| {
        Some(vec![api::SecurityGroupRuleDescription {
            security_group_rule_id: Some(rule),
            description: Some("x".into()),
        }])
    };
    let interface = house
        .ok::<CreateNetworkInterface>(api::CreateNetworkInterfaceRequest {
            subnet_id: subnet(house, vpc_id, "10.0.50.0/24", "a"),
            ..Default::default()
        })
        .network_interface
        .and_then(|interface| interface.network_interface_id)
        .unwrap();
    let of_vpc = r#"{"ArnLike":{"ec2:Vpc":"arn:aws:ec2:*:*:vpc/*"}}"#;
    vec![
        case::<ModifySecurityGroupRules>(
            house,
            vec![
                ("ec2:ModifySecurityGroupRules", on("security-group", &group_id), of_vpc),
                ("ec2:ModifySecurityGroupRules", on("security-group-rule", &rule(false)), ""),
            ],
            api::ModifySecurityGroupRulesRequest {
                group_id: group_id.clone(),
                security_group_rules: vec![api::SecurityGroupRuleUpdate {
                    security_group_rule_id: rule(false),
                    security_group_rule: Some(api::SecurityGroupRuleRequest {
                        ip_protocol: Some("-1".into()),
                        cidr_ipv4: Some("10.0.0.0/8".into()),
                        ..Default::default()
                    }),
                }],
                ..Default::default()
            },
        ),
        case::<UpdateSecurityGroupRuleDescriptionsIngress>(
            house,
            vec![(
                "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
                on("security-group", &group_id),
                of_vpc,
            )],
            api::UpdateSecurityGroupRuleDescriptionsIngressRequest {
                group_id: Some(group_id.clone()),
                security_group_rule_descriptions: described(rule(false)),
                ..Default::default()
            },
        ),
        case::<UpdateSecurityGroupRuleDescriptionsEgress>(
            house,
            vec![(
                "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
                on("security-group", &group_id),
                of_vpc,
            )],
            api::UpdateSecurityGroupRuleDescriptionsEgressRequest {
                group_id: Some(group_id.clone()),
                security_group_rule_descriptions: described(rule(true)),
                ..Default::default()
            },
        ),
        case::<DescribeNetworkInterfaceAttribute>(
            house,
            vec![(
                "ec2:DescribeNetworkInterfaceAttribute",
                on("network-interface", &interface),
                of_vpc,
            )],
            api::DescribeNetworkInterfaceAttributeRequest {
                network_interface_id: interface.clone(),
                attribute: Some(api::NetworkInterfaceAttribute::GroupSet),
                ..Default::default()
            },
        ),
        case::<ResetNetworkInterfaceAttribute>(
            house,
            vec![(
                "ec2:ResetNetworkInterfaceAttribute",
                on("network-interface", &interface),
                of_vpc,
            )],
            api::ResetNetworkInterfaceAttributeRequest {
                network_interface_id: interface.clone(),
                source_dest_check: Some("true".into()),
                ..Default::default()
            },
        ),
    ]
}
