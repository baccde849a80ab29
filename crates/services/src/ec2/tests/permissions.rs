//! Each operation needs what the reference says: with it it runs, without any part it does not.

use sagegate_api::ec2 as api;

use super::{API, default_group, endpoint_input, group, house, named, subnet, tag, vpc};
use crate::ec2::endpoint::create::CreateVpcEndpoint;
use crate::ec2::network_interface::{CreateNetworkInterface, ModifyNetworkInterfaceAttribute};
use crate::ec2::subnet::CreateSubnet;
use crate::ec2::tags::{CreateTags, DeleteTags};
use crate::ec2::vpc::{CreateVpc, DescribeVpcs};

pub(super) const ARN: &str = "arn:aws:ec2:us-west-2:123456789012";

pub(super) fn policy(statements: &[(&str, String, &str)]) -> String {
    let statements: Vec<String> = statements
        .iter()
        .map(|(action, resource, condition)| {
            let condition = if condition.is_empty() { "{}" } else { condition };
            format!(
                r#"{{"Effect":"Allow","Action":"{action}","Resource":"{resource}","Condition":{condition}}}"#
            )
        })
        .collect();
    format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","))
}

#[test]
fn an_endpoint_needs_all_that_it_touches() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let subnet_id = subnet(&house, &vpc_id, "10.0.0.0/24", "a");
    let group_id = group(&house, &vpc_id, "endpoints");
    let action = "ec2:CreateVpcEndpoint";
    let statements = [
        (action, format!("{ARN}:vpc/{vpc_id}"), ""),
        (
            action,
            format!("{ARN}:vpc-endpoint/*"),
            r#"{"StringEquals":{"ec2:VpceServiceName":"com.amazonaws.us-west-2.sagemaker.api","ec2:VpceServiceOwner":"amazon","ec2:Region":"us-west-2"}}"#,
        ),
        (
            action,
            format!("{ARN}:subnet/{subnet_id}"),
            r#"{"StringLike":{"ec2:SubnetID":"subnet-*"},"Null":{"ec2:Vpc":"true"}}"#,
        ),
        (
            action,
            format!("{ARN}:security-group/{group_id}"),
            r#"{"StringLike":{"ec2:SecurityGroupID":"sg-*"},"Null":{"ec2:Vpc":"true"}}"#,
        ),
        (
            "ec2:CreateTags",
            format!("{ARN}:vpc-endpoint/*"),
            r#"{"StringEquals":{"ec2:CreateAction":"CreateVpcEndpoint","aws:RequestTag/Team":"ml"}}"#,
        ),
    ];
    let input = || api::CreateVpcEndpointRequest {
        security_group_ids: Some(vec![group_id.clone()]),
        tag_specifications: named("vpc-endpoint", "Team", "ml"),
        dry_run: Some(true),
        ..endpoint_input(&vpc_id, API, &[&subnet_id])
    };
    let allowed = house.user_with_policy("all", &policy(&statements));
    let text = house.fails_for::<CreateVpcEndpoint>(&allowed, input());
    assert!(text.starts_with("DryRunOperation (412)"), "{text}");
    for at in 0..statements.len() {
        let mut fewer = statements.to_vec();
        let (action, resource, _) = fewer.remove(at);
        let user = house.user_with_policy(&format!("without{at}"), &policy(&fewer));
        let text = house.fails_for::<CreateVpcEndpoint>(&user, input());
        assert!(text.starts_with("UnauthorizedOperation (403)"), "{text}");
        assert!(text.contains(action) && text.contains(&resource), "{text}");
    }
}

#[test]
fn making_in_a_vpc_needs_the_vpc() {
    let house = house();
    let input = api::CreateVpcRequest {
        cidr_block: Some("10.0.0.0/16".into()),
        tag_specifications: named("vpc", "Team", "ml"),
        ..Default::default()
    };
    let vpc_id = house.ok::<CreateVpc>(input).vpc.unwrap().vpc_id.unwrap();
    let tagged = r#"{"StringEquals":{"aws:ResourceTag/Team":"ml","ec2:ResourceTag/Team":"ml"}}"#;
    let statements = [
        ("ec2:CreateSubnet", format!("{ARN}:subnet/*"), ""),
        ("ec2:CreateSubnet", format!("{ARN}:vpc/*"), tagged),
    ];
    let input = || super::subnet_input(&vpc_id, "10.0.0.0/24", "a");
    let both = house.user_with_policy("both", &policy(&statements));
    assert!(house.call::<CreateSubnet>(&both, input()).is_ok());
    for at in 0..2 {
        let mut fewer = statements.to_vec();
        fewer.remove(at);
        let user = house.user_with_policy(&format!("without{at}"), &policy(&fewer));
        let text = house.fails_for::<CreateSubnet>(&user, input());
        assert!(text.starts_with("UnauthorizedOperation (403)"), "{text}");
    }
    // Who may not, does not learn whether the VPC exists.
    let nobody = house.user_with_policy("nobody", &policy(&statements[..1]));
    let text =
        house.fails_for::<CreateSubnet>(&nobody, super::subnet_input("vpc-1", "10.0.0.0/24", "a"));
    assert!(text.starts_with("UnauthorizedOperation (403)"), "{text}");
    let text = house.fails_for::<DescribeVpcs>(&nobody, Default::default());
    assert!(text.contains("ec2:DescribeVpcs"), "{text}");
}

/// The group that an interface gets where none is named is asked for like one that is named.
#[test]
fn the_default_group_is_asked_for_where_no_group_is_named() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let subnet_id = subnet(&house, &vpc_id, "10.0.0.0/24", "a");
    let own = group(&house, &vpc_id, "own");
    let default = format!("{ARN}:security-group/{}", default_group(&house, &vpc_id));
    let denied = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"ec2:*","Resource":"*"}},
            {{"Effect":"Deny","Action":"ec2:*","Resource":"{default}"}}]}}"#
    );
    let user = house.user_with_policy("u", &denied);
    let endpoint = |groups: &[&String]| api::CreateVpcEndpointRequest {
        security_group_ids: Some(groups.iter().map(ToString::to_string).collect()),
        dry_run: Some(true),
        ..endpoint_input(&vpc_id, API, &[&subnet_id])
    };
    let interface = |groups: &[&String]| api::CreateNetworkInterfaceRequest {
        subnet_id: subnet_id.clone(),
        groups: Some(groups.iter().map(ToString::to_string).collect()),
        ..Default::default()
    };
    let made = house.call::<CreateNetworkInterface>(&user, interface(&[&own])).unwrap();
    let id = made.network_interface.unwrap().network_interface_id.unwrap();
    let text = house.fails_for::<CreateVpcEndpoint>(&user, endpoint(&[&own]));
    assert!(text.starts_with("DryRunOperation (412)"), "{text}");
    let unnamed = api::CreateNetworkInterfaceRequest { groups: None, ..interface(&[]) };
    let modify = api::ModifyNetworkInterfaceAttributeRequest {
        network_interface_id: id,
        groups: Some(Vec::new()),
        ..Default::default()
    };
    for text in [
        house.fails_for::<CreateVpcEndpoint>(&user, endpoint(&[])),
        house.fails_for::<CreateNetworkInterface>(&user, interface(&[])),
        house.fails_for::<CreateNetworkInterface>(&user, unnamed),
        house.fails_for::<ModifyNetworkInterfaceAttribute>(&user, modify),
    ] {
        assert!(text.starts_with("UnauthorizedOperation (403)"), "{text}");
        assert!(text.contains(&default), "{text}");
    }
    // Where there is no such VPC, it is any group that is asked for.
    let missing = api::CreateVpcEndpointRequest { vpc_id: "vpc-1".into(), ..endpoint(&[]) };
    let some =
        policy(&[("ec2:*", format!("{ARN}:vpc*"), ""), ("ec2:*", format!("{ARN}:subnet/*"), "")]);
    let some = house.user_with_policy("some", &some);
    let text = house.fails_for::<CreateVpcEndpoint>(&some, missing);
    assert!(text.contains(&format!("{ARN}:security-group/*")), "{text}");
}

#[test]
fn deleting_all_tags_is_deleting_each_of_them() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let with = |tags: Option<Vec<api::Tag>>| api::DeleteTagsRequest {
        resources: vec![vpc_id.clone()],
        tags,
        ..Default::default()
    };
    house.ok::<CreateTags>(api::CreateTagsRequest {
        resources: vec![vpc_id.clone()],
        tags: vec![tag("Owner", "a"), tag("Team", "b")],
        ..Default::default()
    });
    let but_owner = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:*","Resource":"*"},
        {"Effect":"Deny","Action":"ec2:DeleteTags","Resource":"*",
            "Condition":{"ForAnyValue:StringEquals":{"aws:TagKeys":"Owner"}}}]}"#;
    let user = house.user_with_policy("u", but_owner);
    let text = house.fails_for::<DeleteTags>(&user, with(None));
    assert!(text.starts_with("UnauthorizedOperation (403)"), "{text}");
    let team = api::Tag { key: Some("Team".into()), value: None };
    assert!(house.call::<DeleteTags>(&user, with(Some(vec![team]))).is_ok());
    assert!(house.call::<DeleteTags>(&user, with(None)).is_err());
    // The reference lists no key of the VPC itself for this action.
    let by_tenancy =
        policy(&[("ec2:DeleteTags", "*".into(), r#"{"StringEquals":{"ec2:Tenancy":"default"}}"#)]);
    let user = house.user_with_policy("tenancy", &by_tenancy);
    assert!(house.call::<DeleteTags>(&user, with(None)).is_err());
}

#[test]
fn what_cannot_be_read_of_an_endpoint_does_not_pass_for_absent() {
    use crate::ec2::endpoint::delete::DeleteVpcEndpoints;
    let house = super::house();
    let vpc = super::vpc(&house, "10.0.0.0/16");
    let made = super::make_endpoint(&house, super::endpoint_input(&vpc, super::API, &[]));
    let id = made.vpc_endpoint_id.unwrap();
    // A dry run asks for the permission and does nothing else.
    let input = |id: &str| api::DeleteVpcEndpointsRequest {
        vpc_endpoint_ids: vec![id.into()],
        dry_run: Some(true),
    };
    let scope = house.scope();
    let key = (scope.account.as_str(), scope.region.as_str(), id.as_str(), "keep");
    // A number where a text should be.
    const BROKEN: sagegate_store::Table<(String, String, String, String), u64> =
        sagegate_store::Table::new(crate::ec2::tags::TAGS.name());
    house.transact(|tx| Ok(BROKEN.put(tx, &key, &1)?));
    assert!(house.fails::<DeleteVpcEndpoints>(input(&id)).starts_with("InternalFailure (500)"));
    // A malformed id has nothing that could deny.
    let text = house.fails::<DeleteVpcEndpoints>(input("vpce-no"));
    assert!(text.starts_with("DryRunOperation (412)"), "{text}");
}
