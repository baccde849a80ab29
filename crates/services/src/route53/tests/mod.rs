//! Calls through a whole gate.

mod accounts;
mod records;

use std::sync::Arc;

use sagegate_api::ec2 as ec2_api;
use sagegate_api::route53 as api;
use sagegate_network::dns::{self, Names};

use super::association::{AssociateVPCWithHostedZone, DisassociateVPCFromHostedZone};
use super::authorization::{
    CreateVPCAssociationAuthorization, DeleteVPCAssociationAuthorization,
    ListVPCAssociationAuthorizations,
};
use super::change::ChangeResourceRecordSets;
use super::changes::GetChange;
use super::listing::{ListHostedZones, ListHostedZonesByName, ListHostedZonesByVPC};
use super::tags::{ChangeTagsForResource, ListTagsForResources};
use super::zone::{CreateHostedZone, DeleteHostedZone, GetHostedZone, UpdateHostedZoneComment};
use crate::ec2;
use crate::testing::House;

fn house() -> House {
    let house = House::with_endpoints(Arc::new(ec2::Endpoints::default()));
    house.transact(|tx| ec2::bootstrap(tx, &house.scope()));
    house
}

fn vpc(house: &House, block: &str) -> api::VPC {
    let input = ec2_api::CreateVpcRequest { cidr_block: Some(block.into()), ..Default::default() };
    let id = house.ok::<ec2::vpc::CreateVpc>(input).vpc.unwrap().vpc_id.unwrap();
    house.ok::<ec2::vpc_attribute::ModifyVpcAttribute>(ec2_api::ModifyVpcAttributeRequest {
        vpc_id: id.clone(),
        enable_dns_hostnames: Some(ec2_api::AttributeBooleanValue { value: Some(true) }),
        ..Default::default()
    });
    api::VPC { vpc_id: Some(id), vpc_region: Some("us-west-2".into()) }
}

/// The id of a new zone, as answers have it.
fn zone(house: &House, name: &str, vpc: Option<&api::VPC>) -> String {
    let input = api::CreateHostedZoneRequest {
        name: name.into(),
        caller_reference: house.gate.env().uuid(),
        vpc: vpc.cloned(),
        ..Default::default()
    };
    house.ok::<CreateHostedZone>(input).hosted_zone.unwrap().id.unwrap()
}

fn set(name: &str, kind: &str, values: &[&str]) -> api::ResourceRecordSet {
    let records = values.iter().map(|it| api::ResourceRecord { value: (*it).into() });
    api::ResourceRecordSet {
        name: name.into(),
        r#type: kind.parse().unwrap(),
        ttl: Some(60),
        resource_records: Some(records.collect()),
        ..Default::default()
    }
}

fn alias(name: &str, kind: &str, zone: &str, target: &str) -> api::ResourceRecordSet {
    api::ResourceRecordSet {
        ttl: None,
        resource_records: None,
        alias_target: Some(api::AliasTarget {
            hosted_zone_id: zone.into(),
            dns_name: target.into(),
            evaluate_target_health: true,
        }),
        ..set(name, kind, &[])
    }
}

fn batch(
    zone: &str,
    changes: Vec<(api::ChangeAction, api::ResourceRecordSet)>,
) -> api::ChangeResourceRecordSetsRequest {
    let change = |(action, resource_record_set)| api::Change { action, resource_record_set };
    api::ChangeResourceRecordSetsRequest {
        hosted_zone_id: zone.into(),
        change_batch: api::ChangeBatch {
            comment: None,
            changes: changes.into_iter().map(change).collect(),
        },
    }
}

fn create(house: &House, zone: &str, sets: Vec<api::ResourceRecordSet>) {
    let changes = sets.into_iter().map(|set| (api::ChangeAction::Create, set)).collect();
    house.ok::<ChangeResourceRecordSets>(batch(zone, changes));
}

/// What the resolver of a VPC answers, in words.
fn resolved(house: &House, vpc: &api::VPC, name: &str, kind: u16, draw: u64) -> String {
    let (state, scope) = (house.state(), house.scope());
    let topology = ec2::topology(&state, &scope).unwrap();
    let zones = super::zones_of(&state, &scope).unwrap();
    let names = Names {
        topology: &topology,
        region: "us-west-2",
        zones: &zones,
        public: &|_| None,
        draw: &move |_| draw,
    };
    let answer = names.resolve(vpc.vpc_id.as_deref(), name, kind);
    let shown = |record: &dns::Record| match &record.data {
        dns::Data::Cname(name) => format!("-> {name}"),
        dns::Data::Other { text, .. } => text.clone(),
        data => data.address().map(|it| it.to_string()).unwrap_or_default(),
    };
    let records: Vec<String> = answer.records.iter().map(shown).collect();
    format!("{:?} {}", answer.status, records.join(" "))
}

#[test]
fn a_private_zone_answers_in_its_vpcs() {
    let house = house();
    let (own, other) = (vpc(&house, "10.1.0.0/16"), vpc(&house, "10.2.0.0/16"));
    let id = zone(&house, "Inner.Test", Some(&own));
    assert!(id.starts_with("/hostedzone/Z"));
    create(&house, &id, vec![set("a.inner.test", "A", &["10.1.0.9", "10.1.0.8"])]);
    let asked = |vpc, name| resolved(&house, vpc, name, dns::A, 0);
    assert_eq!(asked(&own, "A.inner.test."), "Found 10.1.0.9 10.1.0.8");
    assert_eq!(asked(&own, "b.inner.test"), "NameError ");
    assert_eq!(asked(&own, "inner.test"), "NoData ");
    assert_eq!(asked(&other, "a.inner.test"), "NameError ");

    let associate = |vpc: &api::VPC| api::AssociateVPCWithHostedZoneRequest {
        hosted_zone_id: id.clone(),
        vpc: vpc.clone(),
        comment: None,
    };
    let change = house.ok::<AssociateVPCWithHostedZone>(associate(&other)).change_info.unwrap();
    assert_eq!(change.status, Some(api::ChangeStatus::Pending));
    let found = house.ok::<GetChange>(api::GetChangeRequest { id: change.id.unwrap() });
    assert_eq!(found.change_info.unwrap().status, Some(api::ChangeStatus::Insync));
    assert_eq!(asked(&other, "a.inner.test"), "Found 10.1.0.9 10.1.0.8");

    let shown = house.ok::<GetHostedZone>(api::GetHostedZoneRequest { id: id.clone() });
    assert_eq!(shown.vpcs, Some(vec![own.clone(), other.clone()]));
    assert_eq!(shown.delegation_set, None);
    let shown = shown.hosted_zone.unwrap();
    assert_eq!(shown.name.as_deref(), Some("inner.test."));
    assert_eq!(shown.resource_record_set_count, Some(3));

    house.ok::<DisassociateVPCFromHostedZone>(api::DisassociateVPCFromHostedZoneRequest {
        hosted_zone_id: id.clone(),
        vpc: own.clone(),
        comment: None,
    });
    assert_eq!(asked(&own, "a.inner.test"), "NameError ");
    let listed = house.ok::<ListHostedZonesByVPC>(api::ListHostedZonesByVPCRequest {
        vpc_id: other.vpc_id.unwrap(),
        vpc_region: "us-west-2".into(),
        ..Default::default()
    });
    let summaries = listed.hosted_zone_summaries.unwrap();
    assert_eq!(summaries[0].hosted_zone_id.as_deref(), id.strip_prefix("/hostedzone/"));
    assert_eq!(summaries.len(), 1);

    create(&house, &id, vec![set("c.inner.test", "A", &["10.1.0.9"])]);
    let gone = batch(
        &id,
        vec![
            (api::ChangeAction::Delete, set("a.inner.test", "A", &["10.1.0.8", "10.1.0.9"])),
            (api::ChangeAction::Delete, set("c.inner.test", "A", &["10.1.0.9"])),
        ],
    );
    house.ok::<ChangeResourceRecordSets>(gone);
    house.ok::<DeleteHostedZone>(api::DeleteHostedZoneRequest { id: id.clone() });
    assert!(super::zones_of(&house.state(), &house.scope()).unwrap().is_empty());
}

#[test]
fn a_public_zone_is_answered_by_nobody() {
    let house = house();
    let own = vpc(&house, "10.1.0.0/16");
    let id = zone(&house, "example.com", None);
    create(&house, &id, vec![set("www.example.com", "A", &["192.0.2.1"])]);
    assert_eq!(resolved(&house, &own, "www.example.com", dns::A, 0), "NameError ");
    let shown = house.ok::<GetHostedZone>(api::GetHostedZoneRequest { id: id.clone() });
    assert_eq!(shown.delegation_set.unwrap().name_servers.unwrap().len(), 4);
    let comment = |comment: Option<&str>| api::UpdateHostedZoneCommentRequest {
        id: id.clone(),
        comment: comment.map(str::to_owned),
    };
    let shown = house.ok::<UpdateHostedZoneComment>(comment(Some("ours"))).hosted_zone.unwrap();
    assert_eq!(shown.config.unwrap().comment.as_deref(), Some("ours"));
    let shown = house.ok::<UpdateHostedZoneComment>(comment(None)).hosted_zone.unwrap();
    assert_eq!(shown.config.unwrap().comment, None);
}

#[test]
fn lists_go_on_where_they_stopped() {
    let house = house();
    let mut ids: Vec<String> =
        ["b.test", "a.test", "z.a.test"].iter().map(|name| zone(&house, name, None)).collect();
    let input = |marker: Option<String>| api::ListHostedZonesRequest {
        max_items: Some("2".into()),
        marker,
        ..Default::default()
    };
    let first = house.ok::<ListHostedZones>(input(None));
    assert_eq!(first.is_truncated, Some(true));
    let second = house.ok::<ListHostedZones>(input(first.next_marker.clone()));
    assert_eq!((second.is_truncated, second.next_marker), (Some(false), None));
    let all = first.hosted_zones.into_iter().chain(second.hosted_zones).flatten();
    let found: Vec<String> = all.filter_map(|zone| zone.id).collect();
    ids.sort();
    assert_eq!(found, ids);

    let by_name = |dns_name: Option<&str>| {
        let input = api::ListHostedZonesByNameRequest {
            dns_name: dns_name.map(str::to_owned),
            max_items: Some("2".into()),
            ..Default::default()
        };
        let page = house.ok::<ListHostedZonesByName>(input);
        let names = page.hosted_zones.unwrap().into_iter().filter_map(|zone| zone.name);
        (names.collect::<Vec<_>>(), page.next_dns_name)
    };
    let (names, next) = by_name(None);
    assert_eq!(names, ["a.test.", "z.a.test."]);
    assert_eq!(next.as_deref(), Some("b.test."));
    assert_eq!(by_name(Some("aa.test")), (vec!["b.test.".to_owned()], None));
}

#[test]
fn authorizations_are_kept_until_they_are_taken_back() {
    let house = house();
    let own = vpc(&house, "10.1.0.0/16");
    let id = zone(&house, "a.test", Some(&own));
    let other = |number: u32| api::VPC {
        vpc_id: Some(format!("vpc-{number:017x}")),
        vpc_region: Some("us-west-2".into()),
    };
    for number in [2, 1, 1] {
        house.ok::<CreateVPCAssociationAuthorization>(
            api::CreateVPCAssociationAuthorizationRequest {
                hosted_zone_id: id.clone(),
                vpc: other(number),
            },
        );
    }
    let list = |next_token: Option<String>| {
        house.ok::<ListVPCAssociationAuthorizations>(api::ListVPCAssociationAuthorizationsRequest {
            hosted_zone_id: id.clone(),
            next_token,
            max_results: Some("1".into()),
        })
    };
    let first = list(None);
    assert_eq!(first.vpcs, Some(vec![other(1)]));
    let second = list(first.next_token);
    assert_eq!((second.vpcs, second.next_token), (Some(vec![other(2)]), None));
    house.ok::<DeleteVPCAssociationAuthorization>(api::DeleteVPCAssociationAuthorizationRequest {
        hosted_zone_id: id.clone(),
        vpc: other(1),
    });
    assert_eq!(list(None).vpcs, Some(vec![other(2)]));
}

#[test]
fn zones_have_tags() {
    let house = house();
    let id = zone(&house, "a.test", None).replace("/hostedzone/", "");
    let tag =
        |key: &str, value: &str| api::Tag { key: Some(key.into()), value: Some(value.into()) };
    let change = |add: &[api::Tag], remove: &[&str]| api::ChangeTagsForResourceRequest {
        resource_type: api::TagResourceType::Hostedzone,
        resource_id: id.clone(),
        add_tags: (!add.is_empty()).then(|| add.to_vec()),
        remove_tag_keys: (!remove.is_empty())
            .then(|| remove.iter().map(ToString::to_string).collect()),
    };
    house.ok::<ChangeTagsForResource>(change(&[tag("b", "2"), tag("a", "1")], &[]));
    house.ok::<ChangeTagsForResource>(change(&[tag("c", "3")], &["b", "absent"]));
    let listed = house.ok::<ListTagsForResources>(api::ListTagsForResourcesRequest {
        resource_type: api::TagResourceType::Hostedzone,
        resource_ids: vec![id.clone()],
    });
    let sets = listed.resource_tag_sets.unwrap();
    assert_eq!(sets[0].tags, Some(vec![tag("a", "1"), tag("c", "3")]));
    let reserved = change(&[tag("AWS:x", "")], &[]);
    let fault = house.call::<ChangeTagsForResource>(&house.root(), reserved).unwrap_err();
    assert_eq!(fault.code, "InvalidInput");
}
