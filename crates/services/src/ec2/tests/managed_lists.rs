//! Prefix lists of the account's own.

use expect_test::expect;
use sagegate_api::ec2 as api;
use sagegate_network::topology::{Destination, Target};

use super::routes::{found, gateway, interface, table};
use super::{filter, group, house, named, range, subnet, tag, vpc};
use crate::ec2::egress_only_gateway::CreateEgressOnlyInternetGateway;
use crate::ec2::managed_prefix_list::create::CreateManagedPrefixList;
use crate::ec2::managed_prefix_list::describe::{
    DescribeManagedPrefixLists, GetManagedPrefixListAssociations, GetManagedPrefixListEntries,
};
use crate::ec2::managed_prefix_list::modify::{
    ModifyManagedPrefixList, RestoreManagedPrefixListVersion,
};
use crate::ec2::managed_prefix_list::remove::DeleteManagedPrefixList;
use crate::ec2::managed_prefix_list::{PrefixList, VERSIONS};
use crate::ec2::records;
use crate::ec2::route_table::routes::{CreateRoute, DeleteRoute};
use crate::ec2::security_group_rules::{AuthorizeSecurityGroupIngress, RevokeSecurityGroupIngress};
use crate::ec2::topology;
use crate::testing::House;

const S3: &str = "pl-68a54001";

fn adding(blocks: &[&str]) -> Option<Vec<api::AddPrefixListEntry>> {
    let entry = |block: &&str| match block.split_once(' ') {
        Some((cidr, text)) => {
            api::AddPrefixListEntry { cidr: cidr.into(), description: Some(text.into()) }
        }
        None => api::AddPrefixListEntry { cidr: (*block).into(), description: None },
    };
    Some(blocks.iter().map(entry).collect())
}

fn removing(blocks: &[&str]) -> Option<Vec<api::RemovePrefixListEntry>> {
    Some(blocks.iter().map(|it| api::RemovePrefixListEntry { cidr: (*it).into() }).collect())
}

pub(super) fn list_input(size: i32, blocks: &[&str]) -> api::CreateManagedPrefixListRequest {
    api::CreateManagedPrefixListRequest {
        prefix_list_name: "offices".into(),
        address_family: "IPv4".into(),
        max_entries: size,
        entries: adding(blocks),
        ..Default::default()
    }
}

pub(super) fn list(house: &House, size: i32, blocks: &[&str]) -> String {
    let made = house.ok::<CreateManagedPrefixList>(list_input(size, blocks)).prefix_list.unwrap();
    made.prefix_list_id.unwrap()
}

fn described(house: &House, id: &str) -> api::ManagedPrefixList {
    let input = api::DescribeManagedPrefixListsRequest {
        prefix_list_ids: Some(vec![id.into()]),
        ..Default::default()
    };
    house.ok::<DescribeManagedPrefixLists>(input).prefix_lists.unwrap().remove(0)
}

/// State, version, size and entries.
fn shown(house: &House, id: &str) -> String {
    let list = described(house, id);
    format!(
        "{} v{} of {}: {}",
        list.state.unwrap(),
        list.version.unwrap(),
        list.max_entries.unwrap(),
        entries(house, id, None)
    )
}

fn entries(house: &House, id: &str, version: Option<i64>) -> String {
    let input = api::GetManagedPrefixListEntriesRequest {
        prefix_list_id: id.into(),
        target_version: version,
        ..Default::default()
    };
    let entries = house.ok::<GetManagedPrefixListEntries>(input).entries.unwrap();
    let entries = entries.into_iter().map(|entry| match entry.description {
        Some(text) => format!("{} {text}", entry.cidr.unwrap()),
        None => entry.cidr.unwrap(),
    });
    entries.collect::<Vec<_>>().join(", ")
}

fn change(id: &str, add: &[&str], remove: &[&str]) -> api::ModifyManagedPrefixListRequest {
    api::ModifyManagedPrefixListRequest {
        prefix_list_id: id.into(),
        add_entries: adding(add).filter(|list| !list.is_empty()),
        remove_entries: removing(remove).filter(|list| !list.is_empty()),
        ..Default::default()
    }
}

fn resized(id: &str, size: i32) -> api::ModifyManagedPrefixListRequest {
    api::ModifyManagedPrefixListRequest {
        prefix_list_id: id.into(),
        max_entries: Some(size),
        ..Default::default()
    }
}

fn deletion(id: &str) -> api::DeleteManagedPrefixListRequest {
    api::DeleteManagedPrefixListRequest { prefix_list_id: id.into(), dry_run: None }
}

fn rule(group: &str, list: &str, port: i32) -> api::AuthorizeSecurityGroupIngressRequest {
    api::AuthorizeSecurityGroupIngressRequest {
        group_id: Some(group.into()),
        ip_permissions: Some(vec![named_list(list, port)]),
        ..Default::default()
    }
}

fn named_list(list: &str, port: i32) -> api::IpPermission {
    api::IpPermission {
        ip_ranges: None,
        prefix_list_ids: Some(vec![api::PrefixListId {
            prefix_list_id: Some(list.into()),
            description: None,
        }]),
        ..range("tcp", port, port, "0.0.0.0/0")
    }
}

fn route(table: &str, list: &str, gateway: &str) -> api::CreateRouteRequest {
    api::CreateRouteRequest {
        route_table_id: table.into(),
        destination_prefix_list_id: Some(list.into()),
        gateway_id: Some(gateway.into()),
        ..Default::default()
    }
}

#[test]
fn a_list_has_versions() {
    let house = house();
    let made = house.ok::<CreateManagedPrefixList>(api::CreateManagedPrefixListRequest {
        tag_specifications: named("prefix-list", "k", "v"),
        ..list_input(3, &["192.0.2.7/24 one", "10.0.0.0/8"])
    });
    let made = made.prefix_list.unwrap();
    assert_eq!(made.state, Some(api::PrefixListState::CreateInProgress));
    assert_eq!(made.tags, Some(vec![tag("k", "v")]));
    let id = made.prefix_list_id.unwrap();
    assert_eq!(
        made.prefix_list_arn,
        Some(format!("arn:aws:ec2:us-west-2:123456789012:prefix-list/{id}"))
    );
    expect!["create-complete v1 of 3: 10.0.0.0/8, 192.0.2.0/24 one"].assert_eq(&shown(&house, &id));

    let changed = house.ok::<ModifyManagedPrefixList>(api::ModifyManagedPrefixListRequest {
        current_version: Some(1),
        ..change(&id, &["198.51.100.0/24"], &["10.0.0.0/8"])
    });
    let changed = changed.prefix_list.unwrap();
    assert_eq!(changed.state, Some(api::PrefixListState::ModifyInProgress));
    assert_eq!(changed.version, Some(2));
    expect!["modify-complete v2 of 3: 192.0.2.0/24 one, 198.51.100.0/24"]
        .assert_eq(&shown(&house, &id));
    let stale = api::ModifyManagedPrefixListRequest {
        current_version: Some(1),
        ..change(&id, &["203.0.113.0/24"], &[])
    };
    expect!["PrefixListVersionMismatch (400): The prefix list has the incorrect version number."]
        .assert_eq(&house.fails::<ModifyManagedPrefixList>(stale));
    // Another name is no version.
    house.ok::<ModifyManagedPrefixList>(api::ModifyManagedPrefixListRequest {
        prefix_list_id: id.clone(),
        prefix_list_name: Some("branches".into()),
        ..Default::default()
    });
    assert_eq!(described(&house, &id).prefix_list_name.as_deref(), Some("branches"));
    assert_eq!(described(&house, &id).version, Some(2));

    expect!["10.0.0.0/8, 192.0.2.0/24 one"].assert_eq(&entries(&house, &id, Some(1)));
    let restore = |from, to| api::RestoreManagedPrefixListVersionRequest {
        prefix_list_id: id.clone(),
        previous_version: to,
        current_version: from,
        dry_run: None,
    };
    let restored = house.ok::<RestoreManagedPrefixListVersion>(restore(2, 1)).prefix_list.unwrap();
    assert_eq!(restored.state, Some(api::PrefixListState::RestoreInProgress));
    expect!["restore-complete v3 of 3: 10.0.0.0/8, 192.0.2.0/24 one"]
        .assert_eq(&shown(&house, &id));
    for (fault, code) in [
        (
            house.fails::<RestoreManagedPrefixListVersion>(restore(2, 1)),
            "PrefixListVersionMismatch",
        ),
        (house.fails::<RestoreManagedPrefixListVersion>(restore(3, 9)), "InvalidParameterValue"),
        (house.fails::<RestoreManagedPrefixListVersion>(restore(3, -1)), "InvalidParameterValue"),
    ] {
        assert!(fault.starts_with(code), "{fault}");
    }
    let gone = house.ok::<DeleteManagedPrefixList>(deletion(&id)).prefix_list.unwrap();
    assert_eq!(gone.state, Some(api::PrefixListState::DeleteInProgress));
    assert_eq!(VERSIONS.count(&house.state(), &()).unwrap(), 0);
    let fault = house.fails::<DeleteManagedPrefixList>(deletion(&id));
    assert_eq!(
        fault,
        format!("InvalidPrefixListID.NotFound (400): The prefix list ID '{id}' does not exist")
    );
}

#[test]
fn a_thousand_versions_are_kept() {
    let house = house();
    let id = list(&house, 2, &["10.0.0.0/8"]);
    let scope = house.scope();
    // The version before the one that takes the first one's place.
    let mut record = records::get::<PrefixList>(&house.state(), &scope, &id).unwrap().unwrap();
    record.version = 1000;
    house.transact(|tx| Ok(records::put(tx, &scope, &record)?));
    house.ok::<ModifyManagedPrefixList>(change(&id, &["192.0.2.0/24"], &[]));
    assert_eq!(described(&house, &id).version, Some(1001));
    let fault =
        house.fails::<GetManagedPrefixListEntries>(api::GetManagedPrefixListEntriesRequest {
            prefix_list_id: id.clone(),
            target_version: Some(1),
            ..Default::default()
        });
    assert!(fault.starts_with("InvalidParameterValue"), "{fault}");
    expect!["10.0.0.0/8, 192.0.2.0/24"].assert_eq(&entries(&house, &id, Some(1001)));
}

#[test]
fn entries_are_checked() {
    let house = house();
    let id = list(&house, 2, &["10.0.0.0/8 one"]);
    let fails = |add: &[&str], remove: &[&str]| {
        house.fails::<ModifyManagedPrefixList>(change(&id, add, remove))
    };
    expect!["InvalidPrefixListModification (400): An entry with the CIDR (10.0.0.0/8) and description (one) already exists."]
        .assert_eq(&fails(&["10.0.0.0/8 one"], &[]));
    expect!["InvalidRequest (400): The request received was invalid."]
        .assert_eq(&fails(&["10.0.0.0/8 two"], &[]));
    expect!["InvalidParameterValue (400): Request cannot contain Cidr 10.0.0.0/8 in both AddPrefixListEntries and RemovePrefixListEntries"]
        .assert_eq(&fails(&["10.0.0.0/8 two"], &["10.0.0.0/8"]));
    expect![
        "InvalidPrefixListModification (400): An entry with the CIDR (192.0.2.0/24) does not exist."
    ]
    .assert_eq(&fails(&[], &["192.0.2.0/24"]));
    expect![
        "InvalidParameterValue (400): The CIDR (2001:db8::/32) is not a valid IPv4 CIDR block."
    ]
    .assert_eq(&fails(&["2001:db8::/32"], &[]));
    expect![
        "InvalidParameterValue (400): The request contains the CIDR (192.0.2.0/24) more than once."
    ]
    .assert_eq(&fails(&["192.0.2.0/24", "192.0.2.1/24"], &[]));
    expect!["PrefixListMaxEntriesExceeded (400): The prefix list would have 3 entries, and its maximum number of entries is 2."]
        .assert_eq(&fails(&["192.0.2.0/24", "198.51.100.0/24"], &[]));
    let both = api::ModifyManagedPrefixListRequest {
        max_entries: Some(5),
        ..change(&id, &["192.0.2.0/24"], &[])
    };
    expect!["InvalidParameterCombination (400): You cannot modify the entries and the maximum entries for the prefix list in the same request."]
        .assert_eq(&house.fails::<ModifyManagedPrefixList>(both));
    expect!["InvalidRequest (400): The request received was invalid."].assert_eq(&fails(&[], &[]));
    let long = format!("192.0.2.0/24 {}", "x".repeat(256));
    assert!(fails(&[&long], &[]).starts_with("InvalidParameterValue"));
    expect!["InvalidParameterValue (400): Must specify a max size between 1 and 1000"]
        .assert_eq(&house.fails::<ModifyManagedPrefixList>(resized(&id, 1001)));
    expect!["create-complete v1 of 2: 10.0.0.0/8 one"].assert_eq(&shown(&house, &id));
    for (input, text) in [
        (list_input(0, &[]), "Must specify a max size between 1 and 1000"),
        (list_input(1, &["10.0.0.0/8", "192.0.2.0/24"]), "PrefixListMaxEntriesExceeded"),
        (
            api::CreateManagedPrefixListRequest {
                prefix_list_name: "com.amazonaws.mine".into(),
                ..list_input(1, &[])
            },
            "cannot start with com.amazonaws",
        ),
        (
            api::CreateManagedPrefixListRequest {
                address_family: "ipv4".into(),
                ..list_input(1, &[])
            },
            "Value (ipv4) for parameter addressFamily is invalid",
        ),
    ] {
        let fault = house.fails::<CreateManagedPrefixList>(input);
        assert!(fault.contains(text), "{fault}");
    }
}

#[test]
fn a_token_makes_one_list() {
    let house = house();
    let input = |size| api::CreateManagedPrefixListRequest {
        client_token: Some("once".into()),
        ..list_input(size, &[])
    };
    let make = || house.ok::<CreateManagedPrefixList>(input(1)).prefix_list.unwrap();
    let first = make();
    let again = make();
    assert_eq!(first.prefix_list_id, again.prefix_list_id);
    assert_eq!(again.state, Some(api::PrefixListState::CreateComplete));
    let fault = house.fails::<CreateManagedPrefixList>(input(2));
    assert!(fault.starts_with("IdempotentParameterMismatch"), "{fault}");
}

#[test]
fn what_refers_to_a_list_holds_it_and_its_size() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let (group_id, table_id) = (group(&house, &vpc_id, "one"), table(&house, &vpc_id));
    let gateway_id = gateway(&house, &vpc_id);
    let id = list(&house, 40, &["192.0.2.0/24"]);
    house.ok::<AuthorizeSecurityGroupIngress>(rule(&group_id, &id, 443));
    house.ok::<CreateRoute>(route(&table_id, &id, &gateway_id));
    let associations = || {
        let input = api::GetManagedPrefixListAssociationsRequest {
            prefix_list_id: id.clone(),
            ..Default::default()
        };
        let found = house.ok::<GetManagedPrefixListAssociations>(input).prefix_list_associations;
        let found = found.unwrap().into_iter().filter_map(|it| it.resource_id);
        found.collect::<Vec<_>>()
    };
    assert_eq!(associations(), [table_id.clone(), group_id.clone()]);
    // It counts for 40 rules of 60, so that it cannot be there twice.
    let fault = house.fails::<AuthorizeSecurityGroupIngress>(rule(&group_id, &id, 80));
    assert!(fault.starts_with("RulesPerSecurityGroupLimitExceeded"), "{fault}");

    house.ok::<ModifyManagedPrefixList>(resized(&id, 60));
    let failed = house.ok::<ModifyManagedPrefixList>(resized(&id, 61)).prefix_list.unwrap();
    assert_eq!(failed.state, Some(api::PrefixListState::ModifyInProgress));
    let seen = described(&house, &id);
    assert_eq!(seen.state, Some(api::PrefixListState::ModifyFailed));
    assert_eq!(seen.max_entries, Some(60));
    assert_eq!(
        seen.state_message,
        Some(format!("These resources do not support the new maximum size 61: {group_id}"))
    );
    house.ok::<RevokeSecurityGroupIngress>(api::RevokeSecurityGroupIngressRequest {
        group_id: Some(group_id.clone()),
        ip_permissions: Some(vec![named_list(&id, 443)]),
        ..Default::default()
    });
    // A table has room for 500.
    house.ok::<ModifyManagedPrefixList>(resized(&id, 500));
    assert_eq!(described(&house, &id).state_message, None);
    house.ok::<ModifyManagedPrefixList>(resized(&id, 501));
    assert_eq!(described(&house, &id).state, Some(api::PrefixListState::ModifyFailed));
    let block = api::CreateRouteRequest {
        destination_prefix_list_id: None,
        destination_cidr_block: Some("0.0.0.0/0".into()),
        ..route(&table_id, "", &gateway_id)
    };
    let fault = house.fails::<CreateRoute>(block);
    assert!(fault.starts_with("RouteLimitExceeded"), "{fault}");

    house.ok::<DeleteManagedPrefixList>(deletion(&id));
    let seen = described(&house, &id);
    assert_eq!(seen.state, Some(api::PrefixListState::DeleteFailed));
    assert_eq!(
        seen.state_message,
        Some(format!("These resources refer to the prefix list: {table_id}"))
    );
    house.ok::<DeleteRoute>(api::DeleteRouteRequest {
        route_table_id: table_id.clone(),
        destination_prefix_list_id: Some(id.clone()),
        ..Default::default()
    });
    house.ok::<DeleteManagedPrefixList>(deletion(&id));
    assert!(house.fails::<DeleteManagedPrefixList>(deletion(&id)).contains("does not exist"));
}

#[test]
fn a_list_is_of_one_family() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let (group_id, table_id) = (group(&house, &vpc_id, "one"), table(&house, &vpc_id));
    let six = house.ok::<CreateManagedPrefixList>(api::CreateManagedPrefixListRequest {
        address_family: "IPv6".into(),
        ..list_input(50, &["2001:DB8:0::/48"])
    });
    let six = six.prefix_list.unwrap().prefix_list_id.unwrap();
    let four = list(&house, 50, &[]);
    expect!["2001:db8::/48"].assert_eq(&entries(&house, &six, None));
    // Rules of either family are counted by themselves.
    house.ok::<AuthorizeSecurityGroupIngress>(rule(&group_id, &six, 443));
    house.ok::<AuthorizeSecurityGroupIngress>(rule(&group_id, &four, 443));
    let made =
        house.ok::<CreateEgressOnlyInternetGateway>(api::CreateEgressOnlyInternetGatewayRequest {
            vpc_id,
            ..Default::default()
        });
    let gateway = made.egress_only_internet_gateway.unwrap();
    let out = |list: &str| api::CreateRouteRequest {
        gateway_id: None,
        egress_only_internet_gateway_id: gateway.egress_only_internet_gateway_id.clone(),
        ..route(&table_id, list, "")
    };
    let fault = house.fails::<CreateRoute>(out(&four));
    assert!(fault.contains("an egress-only internet gateway is for IPv6 only"), "{fault}");
    house.ok::<CreateRoute>(out(&six));
}

#[test]
fn lists_of_aws_are_shown_and_stay_as_they_are() {
    let house = house();
    let own = list(&house, 1, &[]);
    let all = house.ok::<DescribeManagedPrefixLists>(Default::default()).prefix_lists.unwrap();
    assert_eq!(all.len(), 3);
    let seen = described(&house, S3);
    assert_eq!(seen.owner_id.as_deref(), Some("AWS"));
    assert_eq!(
        seen.prefix_list_arn.as_deref(),
        Some("arn:aws:ec2:us-west-2:aws:prefix-list/pl-68a54001")
    );
    assert_eq!((seen.version, seen.max_entries), (None, None));
    expect!["52.218.128.0/17, 52.92.32.0/22, 54.231.160.0/19"]
        .assert_eq(&entries(&house, S3, None));
    let by = |name: &str, value: &str| {
        let input = api::DescribeManagedPrefixListsRequest {
            filters: filter(name, &[value]),
            ..Default::default()
        };
        house.ok::<DescribeManagedPrefixLists>(input).prefix_lists.unwrap().len()
    };
    assert_eq!(by("owner-id", "AWS"), 2);
    assert_eq!(by("owner-id", "123456789012"), 1);
    assert_eq!(by("prefix-list-name", "com.amazonaws.us-west-2.s3"), 1);
    assert_eq!(by("prefix-list-id", &own), 1);
    for fault in [
        house.fails::<DeleteManagedPrefixList>(deletion(S3)),
        house.fails::<ModifyManagedPrefixList>(resized(S3, 5)),
    ] {
        assert_eq!(
            fault,
            "OperationNotPermitted (400): The prefix list pl-68a54001 is managed by AWS and cannot be changed."
        );
    }
}

#[test]
fn pages_are_of_one_to_a_hundred() {
    let house = house();
    let id = list(&house, 5, &["10.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24"]);
    let page = |token: Option<String>| {
        let answer =
            house.ok::<GetManagedPrefixListEntries>(api::GetManagedPrefixListEntriesRequest {
                prefix_list_id: id.clone(),
                max_results: Some(2),
                next_token: token,
                ..Default::default()
            });
        (answer.entries.unwrap().len(), answer.next_token)
    };
    let (count, token) = page(None);
    assert_eq!((count, page(token)), (2, (1, None)));
}

#[test]
fn the_topology_has_lists_as_they_are_now() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let subnet_id = subnet(&house, &vpc_id, "10.0.0.0/24", "a");
    let host = interface(&house, &subnet_id);
    let gateway_id = gateway(&house, &vpc_id);
    let id = list(&house, 7, &["192.0.2.0/24"]);
    let main = found(&house, "vpc-id", &vpc_id).route_table_id.unwrap();
    house.ok::<CreateRoute>(route(&main, &id, &gateway_id));
    house.ok::<ModifyManagedPrefixList>(change(&id, &["198.51.100.0/24"], &["192.0.2.0/24"]));
    let seen = topology(&house.state(), &house.scope()).unwrap();
    let own = &seen.prefix_lists[&id];
    assert_eq!(own.blocks, ["198.51.100.0/24".parse().unwrap()]);
    assert_eq!((own.name.as_str(), own.max_entries), ("offices", 7));
    let route = &seen.route_tables[&main].routes[1];
    assert_eq!(route.destination, Destination::PrefixList(id));
    assert_eq!(route.target, Target::InternetGateway(gateway_id));
    assert!(seen.interfaces.contains_key(&host));
}
