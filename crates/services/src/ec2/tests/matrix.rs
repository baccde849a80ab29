//! Every operation of the service: what it needs, each need proven by a real call in which its
//! statement is left out and put back.

use sagegate_api::ec2 as api;
use sagegate_gate::{Caller, Fault, Operation};

use super::permissions::{ARN, policy};
use super::{API, default_group, endpoint_input, group, house, named, range, subnet, tag, vpc};
use crate::ec2::account::DescribeAccountAttributes;
use crate::ec2::endpoint::create::CreateVpcEndpoint;
use crate::ec2::endpoint::delete::DeleteVpcEndpoints;
use crate::ec2::endpoint::describe::DescribeVpcEndpoints;
use crate::ec2::endpoint::modify::ModifyVpcEndpoint;
use crate::ec2::endpoint_services::DescribeVpcEndpointServices;
use crate::ec2::interface_shape::DescribeNetworkInterfaces;
use crate::ec2::network_interface::{
    CreateNetworkInterface, DeleteNetworkInterface, ModifyNetworkInterfaceAttribute,
};
use crate::ec2::prefix_lists::DescribePrefixLists;
use crate::ec2::security_group::{
    CreateSecurityGroup, DeleteSecurityGroup, DescribeSecurityGroups,
};
use crate::ec2::security_group_rules::{
    AuthorizeSecurityGroupEgress, AuthorizeSecurityGroupIngress, DescribeSecurityGroupRules,
    RevokeSecurityGroupEgress, RevokeSecurityGroupIngress,
};
use crate::ec2::subnet::{CreateSubnet, DeleteSubnet, DescribeSubnets, ModifySubnetAttribute};
use crate::ec2::tags::{CreateTags, DeleteTags, DescribeTags};
use crate::ec2::vpc::{CreateVpc, DeleteVpc, DescribeVpcs};
use crate::ec2::vpc_attribute::{DescribeVpcAttribute, ModifyVpcAttribute};
use crate::ec2::zones::{DescribeAvailabilityZones, DescribeRegions};
use crate::testing::House;

type Attempt<'a> = Box<dyn Fn(&Caller) -> Result<(), Fault> + 'a>;

/// An operation, the statements (action, resource, condition) that allow it, and the call.
pub(super) struct Case<'a> {
    name: &'static str,
    statements: Vec<(&'a str, String, &'a str)>,
    attempt: Attempt<'a>,
}

pub(super) fn case<'a, O: Operation>(
    house: &'a House,
    statements: Vec<(&'a str, String, &'a str)>,
    input: O::Input,
) -> Case<'a>
where
    O::Input: Clone,
{
    let attempt = move |caller: &Caller| house.call::<O>(caller, input.clone()).map(drop);
    Case { name: O::NAME, statements, attempt: Box::new(attempt) }
}

/// An operation that lists: its action on everything.
pub(super) fn listing<'a, O: Operation>(house: &'a House, action: &'a str) -> Case<'a>
where
    O::Input: Clone + Default,
{
    case::<O>(house, vec![(action, "*".into(), "")], O::Input::default())
}

/// Proves a case: refused without any one of its statements, done with all of them.
pub(super) fn prove(house: &House, case: &Case<'_>) {
    for at in 0..case.statements.len() {
        let mut fewer = case.statements.clone();
        let (action, ..) = fewer.remove(at);
        // A policy must have a statement.
        fewer.push(("sts:GetCallerIdentity", "*".into(), ""));
        let user = house.user_with_policy(&format!("{}-{at}", case.name), &policy(&fewer));
        let fault = (case.attempt)(&user).expect_err(case.name);
        assert_eq!(fault.code, "UnauthorizedOperation", "{} without {at}: {fault}", case.name);
        assert!(fault.message.contains(action), "{} without {at}: {fault}", case.name);
    }
    let user = house.user_with_policy(case.name, &policy(&case.statements));
    if let Err(fault) = (case.attempt)(&user) {
        panic!("{} with all: {fault}", case.name);
    }
}

#[test]
fn every_operation_needs_what_the_reference_says() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let doomed_vpc = vpc(&house, "10.1.0.0/16");
    let subnet_id = subnet(&house, &vpc_id, "10.0.0.0/24", "a");
    let doomed_subnet = subnet(&house, &vpc_id, "10.0.1.0/24", "b");
    let group_id = group(&house, &vpc_id, "one");
    let doomed_group = group(&house, &vpc_id, "two");
    let default = default_group(&house, &vpc_id);
    let interface = house
        .ok::<CreateNetworkInterface>(api::CreateNetworkInterfaceRequest {
            subnet_id: subnet_id.clone(),
            ..Default::default()
        })
        .network_interface
        .and_then(|interface| interface.network_interface_id)
        .unwrap();
    let endpoint = super::make_endpoint(&house, endpoint_input(&vpc_id, API, &[&subnet_id]))
        .vpc_endpoint_id
        .unwrap();
    let on = |kind: &str, id: &str| format!("{ARN}:{kind}/{id}");
    let made_by = |action: &str| {
        format!(r#"{{"StringEquals":{{"ec2:CreateAction":"{action}","aws:RequestTag/k":"v"}}}}"#)
    };
    let (by_vpc, by_subnet, by_group) =
        (made_by("CreateVpc"), made_by("CreateSubnet"), made_by("CreateSecurityGroup"));
    let (by_interface, by_endpoint) =
        (made_by("CreateNetworkInterface"), made_by("CreateVpcEndpoint"));
    let (by_ingress, by_egress) =
        (made_by("AuthorizeSecurityGroupIngress"), made_by("AuthorizeSecurityGroupEgress"));
    let permission = |port| Some(vec![range("tcp", port, port, "10.0.0.0/8")]);
    let value = |value| Some(api::AttributeBooleanValue { value: Some(value) });
    let mut cases = vec![
        listing::<DescribeAccountAttributes>(&house, "ec2:DescribeAccountAttributes"),
        listing::<DescribeAvailabilityZones>(&house, "ec2:DescribeAvailabilityZones"),
        listing::<DescribeNetworkInterfaces>(&house, "ec2:DescribeNetworkInterfaces"),
        listing::<DescribePrefixLists>(&house, "ec2:DescribePrefixLists"),
        listing::<DescribeRegions>(&house, "ec2:DescribeRegions"),
        listing::<DescribeSecurityGroupRules>(&house, "ec2:DescribeSecurityGroupRules"),
        listing::<DescribeSecurityGroups>(&house, "ec2:DescribeSecurityGroups"),
        listing::<DescribeSubnets>(&house, "ec2:DescribeSubnets"),
        listing::<DescribeTags>(&house, "ec2:DescribeTags"),
        listing::<DescribeVpcEndpointServices>(&house, "ec2:DescribeVpcEndpointServices"),
        listing::<DescribeVpcEndpoints>(&house, "ec2:DescribeVpcEndpoints"),
        listing::<DescribeVpcs>(&house, "ec2:DescribeVpcs"),
        case::<DescribeVpcAttribute>(
            &house,
            vec![("ec2:DescribeVpcAttribute", on("vpc", &vpc_id), "")],
            api::DescribeVpcAttributeRequest { vpc_id: vpc_id.clone(), ..Default::default() },
        ),
        case::<CreateVpc>(
            &house,
            vec![
                ("ec2:CreateVpc", on("vpc", "*"), ""),
                ("ec2:CreateTags", on("vpc", "*"), &by_vpc),
            ],
            api::CreateVpcRequest {
                cidr_block: Some("10.2.0.0/16".into()),
                tag_specifications: named("vpc", "k", "v"),
                ..Default::default()
            },
        ),
        case::<CreateSubnet>(
            &house,
            vec![
                ("ec2:CreateSubnet", on("subnet", "*"), ""),
                ("ec2:CreateSubnet", on("vpc", &vpc_id), ""),
                ("ec2:CreateTags", on("subnet", "*"), &by_subnet),
            ],
            api::CreateSubnetRequest {
                tag_specifications: named("subnet", "k", "v"),
                ..super::subnet_input(&vpc_id, "10.0.2.0/24", "c")
            },
        ),
        case::<CreateSecurityGroup>(
            &house,
            vec![
                ("ec2:CreateSecurityGroup", on("security-group", "*"), ""),
                ("ec2:CreateSecurityGroup", on("vpc", &vpc_id), ""),
                ("ec2:CreateTags", on("security-group", "*"), &by_group),
            ],
            api::CreateSecurityGroupRequest {
                vpc_id: Some(vpc_id.clone()),
                group_name: "three".into(),
                description: "x".into(),
                tag_specifications: named("security-group", "k", "v"),
                dry_run: None,
            },
        ),
        case::<CreateNetworkInterface>(
            &house,
            vec![
                ("ec2:CreateNetworkInterface", on("network-interface", "*"), ""),
                ("ec2:CreateNetworkInterface", on("subnet", &subnet_id), ""),
                ("ec2:CreateNetworkInterface", on("security-group", &group_id), ""),
                ("ec2:CreateTags", on("network-interface", "*"), &by_interface),
            ],
            api::CreateNetworkInterfaceRequest {
                subnet_id: subnet_id.clone(),
                groups: Some(vec![group_id.clone()]),
                tag_specifications: named("network-interface", "k", "v"),
                ..Default::default()
            },
        ),
        case::<CreateVpcEndpoint>(
            &house,
            vec![
                ("ec2:CreateVpcEndpoint", on("vpc", &vpc_id), ""),
                ("ec2:CreateVpcEndpoint", on("vpc-endpoint", "*"), ""),
                ("ec2:CreateVpcEndpoint", on("subnet", &subnet_id), ""),
                ("ec2:CreateVpcEndpoint", on("security-group", &group_id), ""),
                ("ec2:CreateTags", on("vpc-endpoint", "*"), &by_endpoint),
            ],
            api::CreateVpcEndpointRequest {
                security_group_ids: Some(vec![group_id.clone()]),
                tag_specifications: named("vpc-endpoint", "k", "v"),
                ..endpoint_input(&vpc_id, API, &[&subnet_id])
            },
        ),
        case::<AuthorizeSecurityGroupIngress>(
            &house,
            vec![
                ("ec2:AuthorizeSecurityGroupIngress", on("security-group", &group_id), ""),
                ("ec2:AuthorizeSecurityGroupIngress", on("security-group-rule", "*"), ""),
                ("ec2:CreateTags", on("security-group-rule", "*"), &by_ingress),
            ],
            api::AuthorizeSecurityGroupIngressRequest {
                group_id: Some(group_id.clone()),
                ip_permissions: permission(1),
                tag_specifications: named("security-group-rule", "k", "v"),
                ..Default::default()
            },
        ),
        case::<AuthorizeSecurityGroupEgress>(
            &house,
            vec![
                ("ec2:AuthorizeSecurityGroupEgress", on("security-group", &group_id), ""),
                ("ec2:AuthorizeSecurityGroupEgress", on("security-group-rule", "*"), ""),
                ("ec2:CreateTags", on("security-group-rule", "*"), &by_egress),
            ],
            api::AuthorizeSecurityGroupEgressRequest {
                group_id: group_id.clone(),
                ip_permissions: permission(1),
                tag_specifications: named("security-group-rule", "k", "v"),
                ..Default::default()
            },
        ),
        case::<RevokeSecurityGroupIngress>(
            &house,
            vec![("ec2:RevokeSecurityGroupIngress", on("security-group", &group_id), "")],
            api::RevokeSecurityGroupIngressRequest {
                group_id: Some(group_id.clone()),
                ip_permissions: permission(1),
                ..Default::default()
            },
        ),
        case::<RevokeSecurityGroupEgress>(
            &house,
            vec![("ec2:RevokeSecurityGroupEgress", on("security-group", &group_id), "")],
            api::RevokeSecurityGroupEgressRequest {
                group_id: group_id.clone(),
                ip_permissions: permission(1),
                ..Default::default()
            },
        ),
        case::<ModifyVpcAttribute>(
            &house,
            vec![(
                "ec2:ModifyVpcAttribute",
                on("vpc", &vpc_id),
                r#"{"StringEquals":{"ec2:Attribute":"EnableDnsHostnames"}}"#,
            )],
            api::ModifyVpcAttributeRequest {
                vpc_id: vpc_id.clone(),
                enable_dns_hostnames: value(true),
                ..Default::default()
            },
        ),
        case::<ModifySubnetAttribute>(
            &house,
            vec![("ec2:ModifySubnetAttribute", on("subnet", &subnet_id), "")],
            api::ModifySubnetAttributeRequest {
                subnet_id: subnet_id.clone(),
                map_public_ip_on_launch: value(true),
                ..Default::default()
            },
        ),
        case::<ModifyNetworkInterfaceAttribute>(
            &house,
            vec![
                ("ec2:ModifyNetworkInterfaceAttribute", on("network-interface", &interface), ""),
                ("ec2:ModifyNetworkInterfaceAttribute", on("security-group", &group_id), ""),
            ],
            api::ModifyNetworkInterfaceAttributeRequest {
                network_interface_id: interface.clone(),
                groups: Some(vec![group_id.clone()]),
                ..Default::default()
            },
        ),
        case::<ModifyVpcEndpoint>(
            &house,
            vec![
                ("ec2:ModifyVpcEndpoint", on("vpc-endpoint", &endpoint), ""),
                ("ec2:ModifyVpcEndpoint", on("subnet", &subnet_id), ""),
                ("ec2:ModifyVpcEndpoint", on("security-group", &group_id), ""),
                ("ec2:ModifyVpcEndpoint", on("security-group", &default), ""),
            ],
            api::ModifyVpcEndpointRequest {
                vpc_endpoint_id: endpoint.clone(),
                remove_subnet_ids: Some(vec![subnet_id.clone()]),
                add_security_group_ids: Some(vec![group_id.clone()]),
                remove_security_group_ids: Some(vec![default.clone()]),
                ..Default::default()
            },
        ),
        case::<CreateTags>(
            &house,
            vec![
                ("ec2:CreateTags", on("vpc", &vpc_id), r#"{"Null":{"ec2:CreateAction":"true"}}"#),
                ("ec2:CreateTags", on("subnet", &subnet_id), ""),
            ],
            api::CreateTagsRequest {
                resources: vec![vpc_id.clone(), subnet_id.clone()],
                tags: vec![tag("k", "v")],
                dry_run: None,
            },
        ),
        case::<DeleteTags>(
            &house,
            vec![(
                "ec2:DeleteTags",
                on("vpc", &vpc_id),
                r#"{"StringEquals":{"aws:ResourceTag/k":"v"},"ForAllValues:StringEquals":{"aws:TagKeys":"k"}}"#,
            )],
            api::DeleteTagsRequest {
                resources: vec![vpc_id.clone()],
                tags: Some(vec![api::Tag { key: Some("k".into()), value: None }]),
                dry_run: None,
            },
        ),
        case::<DeleteVpcEndpoints>(
            &house,
            vec![("ec2:DeleteVpcEndpoints", on("vpc-endpoint", &endpoint), "")],
            api::DeleteVpcEndpointsRequest {
                vpc_endpoint_ids: vec![endpoint.clone()],
                dry_run: None,
            },
        ),
        case::<DeleteNetworkInterface>(
            &house,
            vec![("ec2:DeleteNetworkInterface", on("network-interface", &interface), "")],
            api::DeleteNetworkInterfaceRequest {
                network_interface_id: interface.clone(),
                dry_run: None,
            },
        ),
        case::<DeleteSecurityGroup>(
            &house,
            vec![("ec2:DeleteSecurityGroup", on("security-group", &doomed_group), "")],
            api::DeleteSecurityGroupRequest {
                group_id: Some(doomed_group.clone()),
                ..Default::default()
            },
        ),
        case::<DeleteSubnet>(
            &house,
            vec![("ec2:DeleteSubnet", on("subnet", &doomed_subnet), "")],
            api::DeleteSubnetRequest { subnet_id: doomed_subnet.clone(), dry_run: None },
        ),
        case::<DeleteVpc>(
            &house,
            vec![("ec2:DeleteVpc", on("vpc", &doomed_vpc), "")],
            api::DeleteVpcRequest { vpc_id: doomed_vpc.clone(), dry_run: None },
        ),
    ];
    cases.extend(super::matrix_routes::cases(&house));
    cases.extend(super::matrix_routes::address_cases(&house, &vpc_id));
    cases.extend(super::matrix_acls::cases(&house, &vpc_id));
    cases.extend(super::matrix_blocks::cases(&house, &vpc_id));
    cases.extend(super::matrix_settings::cases(&house, &vpc_id));
    cases.extend(super::matrix_groups::cases(&house, &vpc_id));
    cases.extend(super::matrix_lists::cases(&house));
    // An account has few VPCs.
    let other = super::house();
    let peering = super::matrix_peering::cases(&other);
    cases.extend(super::matrix_insights::cases(&house, &vpc_id));
    let registry = crate::registry();
    for (_, name) in registry.operations().into_iter().filter(|(service, _)| *service == "ec2") {
        assert!(cases.iter().chain(&peering).any(|case| case.name == name), "{name} has no entry");
    }
    for case in &cases {
        prove(&house, case);
    }
    for case in &peering {
        prove(&other, case);
    }
}
