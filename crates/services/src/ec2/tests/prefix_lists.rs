//! The prefix lists of AWS's.

use expect_test::expect;
use sagegate_api::ec2 as api;

use super::routes::{found, interface, table};
use super::{filter, group, house, let_in, subnet, vpc};
use crate::ec2::prefix_lists::DescribePrefixLists;
use crate::ec2::route_table::routes::{CreateRoute, DeleteRoute};
use crate::ec2::security_group::DescribeSecurityGroups;

const S3: &str = "pl-68a54001";

#[test]
fn lists_of_the_region_are_described() {
    let house = house();
    let lists = |input| house.ok::<DescribePrefixLists>(input).prefix_lists.unwrap();
    let shown: Vec<String> = lists(Default::default())
        .into_iter()
        .map(|list| {
            let cidrs = list.cidrs.unwrap().join(" ");
            format!("{} {} {cidrs}", list.prefix_list_id.unwrap(), list.prefix_list_name.unwrap())
        })
        .collect();
    expect![[r#"
        pl-00a54069 com.amazonaws.us-west-2.dynamodb 52.94.10.0/24 52.94.28.0/23
        pl-68a54001 com.amazonaws.us-west-2.s3 52.92.32.0/22 52.218.128.0/17 54.231.160.0/19"#]]
    .assert_eq(&shown.join("\n"));
    // What Terraform asks of an endpoint.
    let by_name = |name: &str| {
        lists(api::DescribePrefixListsRequest {
            filters: filter("prefix-list-name", &[name]),
            ..Default::default()
        })
    };
    assert_eq!(by_name("com.amazonaws.us-west-2.s3")[0].prefix_list_id.as_deref(), Some(S3));
    assert!(by_name("com.amazonaws.us-west-2.sagemaker.api").is_empty());
    let by_id = |id: &str| api::DescribePrefixListsRequest {
        prefix_list_ids: Some(vec![id.into()]),
        ..Default::default()
    };
    assert_eq!(lists(by_id(S3)).len(), 1);
    expect!["InvalidPrefixListID.NotFound (400): The prefix list ID 'pl-63a5400a' does not exist"]
        .assert_eq(&house.fails::<DescribePrefixLists>(by_id("pl-63a5400a")));
}

#[test]
fn rules_and_routes_name_lists() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let subnet_id = subnet(&house, &vpc_id, "10.0.0.0/24", "a");
    let group_id = group(&house, &vpc_id, "one");
    let list = api::PrefixListId { prefix_list_id: Some(S3.into()), description: None };
    let permission = api::IpPermission {
        ip_protocol: Some("tcp".into()),
        from_port: Some(443),
        to_port: Some(443),
        prefix_list_ids: Some(vec![list.clone()]),
        ..Default::default()
    };
    let_in(&house, &group_id, permission);
    let by_list = api::DescribeSecurityGroupsRequest {
        filters: filter("ip-permission.prefix-list-id", &[S3]),
        ..Default::default()
    };
    let groups = house.ok::<DescribeSecurityGroups>(by_list).security_groups.unwrap();
    assert_eq!(groups.len(), 1);
    let shown = &groups[0].ip_permissions.as_ref().unwrap()[0];
    assert_eq!(shown.prefix_list_ids, Some(vec![list]));

    let table_id = table(&house, &vpc_id);
    let interface_id = interface(&house, &subnet_id);
    let route = |list: &str| api::CreateRouteRequest {
        route_table_id: table_id.clone(),
        destination_prefix_list_id: Some(list.into()),
        network_interface_id: Some(interface_id.clone()),
        ..Default::default()
    };
    house.ok::<CreateRoute>(route(S3));
    assert_eq!(
        found(&house, "route.destination-prefix-list-id", S3).route_table_id.as_deref(),
        Some(&*table_id)
    );
    expect!["RouteAlreadyExists (400): The route identified by pl-68a54001 already exists."]
        .assert_eq(&house.fails::<CreateRoute>(route(S3)));
    expect!["InvalidPrefixListID.NotFound (400): The prefix list ID 'pl-1' does not exist"]
        .assert_eq(&house.fails::<CreateRoute>(route("pl-1")));
    let delete = api::DeleteRouteRequest {
        route_table_id: table_id.clone(),
        destination_prefix_list_id: Some(S3.into()),
        ..Default::default()
    };
    house.ok::<DeleteRoute>(delete.clone());
    assert_eq!(
        house.fails::<DeleteRoute>(delete),
        format!(
            "InvalidRoute.NotFound (400): no route with destination-prefix-list-id {S3} in route table {table_id}"
        )
    );
}
