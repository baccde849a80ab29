use sagegate_network::dns::{A, AAAA};

use super::*;
use crate::route53::list_records::ListResourceRecordSets;

fn weighted(name: &str, id: &str, weight: i64, value: &str) -> api::ResourceRecordSet {
    api::ResourceRecordSet {
        set_identifier: Some(id.into()),
        weight: Some(weight),
        ..set(name, "A", &[value])
    }
}

fn listed(house: &House, input: api::ListResourceRecordSetsRequest) -> (Vec<String>, Vec<String>) {
    let page = house.ok::<ListResourceRecordSets>(input);
    let shown = |set: &api::ResourceRecordSet| {
        let id = set.set_identifier.as_ref().map_or(String::new(), |id| format!(" {id}"));
        format!("{} {}{id}", set.name, set.r#type)
    };
    let next = [
        page.next_record_name,
        page.next_record_type.map(|kind| kind.to_string()),
        page.next_record_identifier,
    ];
    (
        page.resource_record_sets.unwrap().iter().map(shown).collect(),
        next.into_iter().flatten().collect(),
    )
}

#[test]
fn sets_are_listed_by_name_type_and_identifier() {
    let house = house();
    let zone = zone(&house, "a.test", None);
    create(
        &house,
        &zone,
        vec![
            set("b.a.test", "TXT", &["\"x\""]),
            set("b.a.test", "A", &["10.0.0.1"]),
            set("z.b.a.test", "A", &["10.0.0.1"]),
            set("*.a.test", "A", &["10.0.0.1"]),
            weighted("w.a.test", "two", 1, "10.0.0.2"),
            weighted("w.a.test", "one", 1, "10.0.0.1"),
        ],
    );
    let from = |name: Option<&str>, kind: Option<api::RRType>, id: Option<&str>, most: &str| {
        let input = api::ListResourceRecordSetsRequest {
            hosted_zone_id: zone.clone(),
            start_record_name: name.map(str::to_owned),
            start_record_type: kind,
            start_record_identifier: id.map(str::to_owned),
            max_items: Some(most.into()),
        };
        listed(&house, input)
    };
    let all = [
        "a.test. NS",
        "a.test. SOA",
        "\\052.a.test. A",
        "b.a.test. A",
        "b.a.test. TXT",
        "z.b.a.test. A",
        "w.a.test. A one",
        "w.a.test. A two",
    ];
    assert_eq!(from(None, None, None, "100"), (all.map(str::to_owned).to_vec(), vec![]));
    let (page, next) = from(Some("B.a.test"), Some(api::RRType::Txt), None, "2");
    assert_eq!(page, ["b.a.test. TXT", "z.b.a.test. A"]);
    assert_eq!(next, ["w.a.test.", "A", "one"]);
    let (page, _) = from(Some("w.a.test"), Some(api::RRType::A), Some("two"), "9");
    assert_eq!(page, ["w.a.test. A two"]);
    assert!(from(Some("zz.test"), None, None, "9").0.is_empty());
}

#[test]
fn a_batch_is_carried_out_as_a_whole_or_not_at_all() {
    use api::ChangeAction::{Create, Delete, Upsert};
    let house = house();
    let zone = zone(&house, "a.test", None);
    create(&house, &zone, vec![set("b.a.test", "A", &["10.0.0.1"])]);
    let before = house.state();
    let bad = batch(
        &zone,
        vec![
            (Delete, set("b.a.test", "A", &["10.0.0.1"])),
            (Create, set("c.a.test", "A", &["10.0.0.1"])),
            (Delete, set("d.a.test", "A", &["10.0.0.1"])),
        ],
    );
    let fault = house.call::<ChangeResourceRecordSets>(&house.root(), bad).unwrap_err();
    assert_eq!(fault.code, "InvalidChangeBatch");
    let id = zone.replace("/hostedzone/", "");
    let sets =
        |state: &sagegate_store::Snapshot| crate::route53::records::sets(state, &id).unwrap();
    assert_eq!(sets(&before), sets(&house.state()));
    // A type that is in the way of another is replaced in one batch.
    let good = batch(
        &zone,
        vec![
            (Delete, set("b.a.test", "A", &["10.0.0.1"])),
            (Create, set("b.a.test", "CNAME", &["c.a.test"])),
            (Upsert, set("c.a.test", "A", &["10.0.0.1"])),
        ],
    );
    house.ok::<ChangeResourceRecordSets>(good);
    assert_eq!(sets(&house.state()).len(), 4);
}

#[test]
fn one_of_weighted_sets_answers() {
    let house = house();
    let own = vpc(&house, "10.1.0.0/16");
    let zone = zone(&house, "a.test", Some(&own));
    create(
        &house,
        &zone,
        vec![
            weighted("w.a.test", "1", 3, "10.0.0.1"),
            weighted("w.a.test", "2", 1, "10.0.0.2"),
            weighted("w.a.test", "3", 0, "10.0.0.3"),
            weighted("v.a.test", "1", 0, "10.0.0.1"),
            weighted("v.a.test", "2", 0, "10.0.0.2"),
        ],
    );
    let asked = |name: &str, draw| resolved(&house, &own, name, A, draw);
    let of = |name: &str, draws: u64| -> Vec<String> {
        (0..draws).map(|draw| asked(name, draw).replace("Found 10.0.0.", "")).collect()
    };
    assert_eq!(of("w.a.test", 4), ["1", "1", "1", "2"]);
    assert_eq!(of("v.a.test", 2), ["1", "2"]);
}

#[test]
fn all_sets_of_a_multivalue_answer_answer() {
    let house = house();
    let own = vpc(&house, "10.1.0.0/16");
    let zone = zone(&house, "a.test", Some(&own));
    let sets = (0..10).map(|number| api::ResourceRecordSet {
        set_identifier: Some(number.to_string()),
        multi_value_answer: Some(true),
        ..set("m.a.test", "A", &[&format!("10.0.0.{number}")])
    });
    create(&house, &zone, sets.collect());
    let answer = resolved(&house, &own, "m.a.test", A, 9);
    assert_eq!(
        answer,
        "Found 10.0.0.9 10.0.0.0 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6"
    );
}

#[test]
fn aliases_lead_to_the_zone_and_to_endpoints() {
    let house = house();
    let own = vpc(&house, "10.1.0.0/16");
    let id = own.vpc_id.clone().unwrap();
    let subnet = house
        .ok::<ec2::subnet::CreateSubnet>(ec2_api::CreateSubnetRequest {
            vpc_id: id.clone(),
            cidr_block: Some("10.1.1.0/24".into()),
            ..Default::default()
        })
        .subnet
        .unwrap();
    let endpoint = house
        .ok::<ec2::endpoint::create::CreateVpcEndpoint>(ec2_api::CreateVpcEndpointRequest {
            vpc_endpoint_type: Some(ec2_api::VpcEndpointType::Interface),
            vpc_id: id.clone(),
            service_name: Some("com.amazonaws.us-west-2.sagemaker.api".into()),
            subnet_ids: Some(vec![subnet.subnet_id.unwrap()]),
            private_dns_enabled: Some(false),
            ..Default::default()
        })
        .vpc_endpoint
        .unwrap();
    let entry = endpoint.dns_entries.unwrap().remove(0);
    let (target, of) = (entry.dns_name.unwrap(), entry.hosted_zone_id.unwrap());
    let api_name = "api.sagemaker.us-west-2.amazonaws.com";
    let zone = zone(&house, api_name, Some(&own));
    create(
        &house,
        &zone,
        vec![
            alias(api_name, "A", &of, &target),
            alias(&format!("other.{api_name}"), "A", &zone, api_name),
        ],
    );
    // Nothing listens at its address yet.
    assert_eq!(resolved(&house, &own, api_name, A, 0), "NoData ");
    let endpoint_id = endpoint.vpc_endpoint_id.unwrap();
    house.transact(|tx| {
        ec2::endpoint::settle(tx, &house.scope(), &endpoint_id, &|_| crate::binding::Binding::Bound)
    });
    let answer = resolved(&house, &own, api_name, A, 0);
    assert!(answer.starts_with("Found 10.1.1."), "{answer}");
    assert_eq!(resolved(&house, &own, &format!("other.{api_name}"), A, 0), answer);
    assert_eq!(resolved(&house, &own, api_name, AAAA, 0), "NoData ");
    // Another zone's id does not make the name its own.
    let wrong = batch(
        &zone,
        vec![(api::ChangeAction::Create, alias(&format!("b.{api_name}"), "A", "Z00", &target))],
    );
    let fault = house.call::<ChangeResourceRecordSets>(&house.root(), wrong).unwrap_err();
    assert!(fault.message.ends_with("but that target was not found]"), "{fault}");
}

#[test]
fn policies_can_limit_names_types_and_actions() {
    let house = house();
    let zone = zone(&house, "a.test", None);
    let policy = r#"{"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "route53:ChangeResourceRecordSets",
        "Resource": "arn:aws:route53:::hostedzone/*",
        "Condition": {
            "ForAllValues:StringEquals": {
                "route53:ChangeResourceRecordSetsNormalizedRecordNames": ["b.a.test", "\\052.a.test"],
                "route53:ChangeResourceRecordSetsRecordTypes": ["A"],
                "route53:ChangeResourceRecordSetsActions": ["CREATE", "UPSERT"]
            }
        }
    }]}"#;
    let caller = house.user_with_policy("jo", policy);
    let attempt = |action, name: &str, kind: &str, value: &str| {
        let input = batch(&zone, vec![(action, set(name, kind, &[value]))]);
        match house.call::<ChangeResourceRecordSets>(&caller, input) {
            Ok(_) => "done".to_owned(),
            Err(fault) => fault.code.into_owned(),
        }
    };
    use api::ChangeAction::{Create, Delete, Upsert};
    assert_eq!(attempt(Create, "B.a.test.", "A", "10.0.0.1"), "done");
    assert_eq!(attempt(Upsert, "*.a.test", "A", "10.0.0.1"), "done");
    assert_eq!(attempt(Delete, "b.a.test", "A", "10.0.0.1"), "AccessDenied");
    assert_eq!(attempt(Create, "b.a.test", "TXT", "\"x\""), "AccessDenied");
    assert_eq!(attempt(Create, "c.a.test", "A", "10.0.0.1"), "AccessDenied");
}
