//! DHCP option sets.

use expect_test::expect;
use sagegate_api::ec2 as api;

use super::routes::interface;
use super::{filter, house, named, subnet, vpc};
use crate::ec2::dhcp_options::{
    AssociateDhcpOptions, CreateDhcpOptions, DeleteDhcpOptions, DescribeDhcpOptions, DhcpChoice,
};
use crate::ec2::records::{self, Vpc};
use crate::ec2::vpc::DescribeVpcs;
use crate::ec2::{NameService, name_service};
use crate::testing::House;

pub(super) fn input(options: &[(&str, &[&str])]) -> api::CreateDhcpOptionsRequest {
    let one = |(name, values): &(&str, &[&str])| api::NewDhcpConfiguration {
        key: Some((*name).into()),
        values: Some(values.iter().map(ToString::to_string).collect()),
    };
    api::CreateDhcpOptionsRequest {
        dhcp_configurations: options.iter().map(one).collect(),
        ..Default::default()
    }
}

pub(super) fn make(house: &House, options: &[(&str, &[&str])]) -> String {
    let made = house.ok::<CreateDhcpOptions>(input(options)).dhcp_options.unwrap();
    made.dhcp_options_id.unwrap()
}

pub(super) fn choose(set: &str, vpc: &str) -> api::AssociateDhcpOptionsRequest {
    api::AssociateDhcpOptionsRequest {
        dhcp_options_id: set.into(),
        vpc_id: vpc.into(),
        dry_run: None,
    }
}

pub(super) fn delete(set: &str) -> api::DeleteDhcpOptionsRequest {
    api::DeleteDhcpOptionsRequest { dhcp_options_id: set.into(), dry_run: None }
}

/// The set of a VPC, as it shows it.
fn chosen(house: &House, vpc: &str) -> String {
    let input = api::DescribeVpcsRequest { vpc_ids: Some(vec![vpc.into()]), ..Default::default() };
    let shown = house.ok::<DescribeVpcs>(input).vpcs.unwrap().remove(0);
    shown.dhcp_options_id.unwrap()
}

fn names(house: &House, interface: &str) -> NameService {
    name_service(&house.state(), &house.scope(), interface).unwrap()
}

#[test]
fn every_vpc_begins_with_the_default_set() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let host = interface(&house, &subnet(&house, &vpc_id, "10.0.0.0/24", "a"));
    let sets = house.ok::<DescribeDhcpOptions>(Default::default()).dhcp_options.unwrap();
    assert_eq!(sets.len(), 1);
    let default = sets[0].dhcp_options_id.clone().unwrap();
    assert_eq!(chosen(&house, &vpc_id), default);
    let shown = sets[0].dhcp_configurations.iter().flatten().map(|it| {
        let values = it.values.iter().flatten().filter_map(|value| value.value.clone());
        format!("{}: {}", it.key.as_deref().unwrap(), values.collect::<Vec<_>>().join(" "))
    });
    expect![[r#"
        domain-name: us-west-2.compute.internal
        domain-name-servers: AmazonProvidedDNS"#]]
    .assert_eq(&shown.collect::<Vec<_>>().join("\n"));
    let told =
        NameService { servers: vec![None], search: vec!["us-west-2.compute.internal".to_owned()] };
    assert_eq!(names(&house, &host), told);
    let text = house.fails::<DeleteDhcpOptions>(delete(&default));
    assert!(text.starts_with("DependencyViolation (400): The dhcpOptions 'dopt-"), "{text}");

    // What was made before there were sets gets it at the next start.
    house.transact(|tx| {
        let mut vpc: Vpc = records::find(tx, &house.scope(), &vpc_id)?;
        vpc.dhcp_options = DhcpChoice::Unset;
        Ok(records::put(tx, &house.scope(), &vpc)?)
    });
    assert_eq!(chosen(&house, &vpc_id), "default");
    house.transact(|tx| crate::ec2::bootstrap(tx, &house.scope()));
    assert_eq!(chosen(&house, &vpc_id), default);
}

#[test]
fn a_vpc_follows_its_set() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let host = interface(&house, &subnet(&house, &vpc_id, "10.0.0.0/24", "a"));
    let made = house.ok::<CreateDhcpOptions>(api::CreateDhcpOptionsRequest {
        tag_specifications: named("dhcp-options", "Name", "own"),
        ..input(&[
            ("domain-name", &["example.com corp.example.com"]),
            ("domain-name-servers", &["10.0.0.9,AmazonProvidedDNS", "2001:db8::9"]),
            ("ntp-servers", &["169.254.169.123"]),
            ("netbios-name-servers", &["10.0.0.8"]),
            ("netbios-node-type", &["2"]),
            ("ipv6-address-preferred-lease-time", &["140"]),
        ])
    });
    let set = made.dhcp_options.unwrap().dhcp_options_id.unwrap();
    house.ok::<AssociateDhcpOptions>(choose(&set, &vpc_id));
    let told = NameService {
        servers: vec![Some([10, 0, 0, 9].into()), None, Some("2001:db8::9".parse().unwrap())],
        search: vec!["example.com".to_owned(), "corp.example.com".to_owned()],
    };
    assert_eq!(names(&house, &host), told);
    let find = |name: &str, value: &str| {
        let input = api::DescribeDhcpOptionsRequest {
            filters: filter(name, &[value]),
            ..Default::default()
        };
        house.ok::<DescribeDhcpOptions>(input).dhcp_options.unwrap().len()
    };
    assert_eq!(find("key", "ntp-servers"), 1);
    assert_eq!(find("value", "10.0.0.9"), 1);
    assert_eq!(find("tag:Name", "own"), 1);
    assert_eq!(find("owner-id", "123456789012"), 2);
    house.ok::<AssociateDhcpOptions>(choose("default", &vpc_id));
    assert_eq!(chosen(&house, &vpc_id), "default");
    assert_eq!(names(&house, &host), NameService::default());
    house.ok::<DeleteDhcpOptions>(delete(&set));
    let told =
        format!("InvalidDhcpOptionID.NotFound (400): The dhcpOption ID '{set}' does not exist");
    assert_eq!(house.fails::<DeleteDhcpOptions>(delete(&set)), told);
    assert_eq!(house.fails::<AssociateDhcpOptions>(choose(&set, &vpc_id)), told);
}

#[test]
fn options_are_checked() {
    let house = house();
    for (name, values) in [
        ("domain-name-servers", &["x"][..]),
        ("domain-name-servers", &["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"]),
        ("ntp-servers", &["AmazonProvidedDNS"]),
        ("netbios-name-servers", &["2001:db8::1"]),
        ("netbios-node-type", &["3"]),
        ("netbios-node-type", &["1", "2"]),
        ("domain-name", &["a b", "c"]),
        ("domain-name", &["a..b"]),
        ("domain-name", &["a\nb"]),
        ("ipv6-address-preferred-lease-time", &["139"]),
        ("ipv6-address-preferred-lease-time", &["x"]),
    ] {
        let result = house.fails::<CreateDhcpOptions>(input(&[(name, values)]));
        let told = format!("Value ({}) for parameter value is invalid.", values.join(", "));
        assert!(result.starts_with("InvalidParameterValue (400)"), "{name}: {result}");
        assert!(result.contains(&told), "{name}: {result}");
    }
    let many = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "::1", "::2", "::3", "::4"];
    make(&house, &[("domain-name-servers", &many)]);
    expect!["InvalidParameterValue (400): Value (colour) for parameter key is invalid. Unknown DHCP option."]
        .assert_eq(&house.fails::<CreateDhcpOptions>(input(&[("colour", &["red"])])));
    expect!["MissingParameter (400): The request must contain the parameter value"]
        .assert_eq(&house.fails::<CreateDhcpOptions>(input(&[("domain-name", &[])])));
    let twice = input(&[("netbios-node-type", &["1"]), ("netbios-node-type", &["2"])]);
    expect!["InvalidParameterValue (400): The DHCP option netbios-node-type is there twice."]
        .assert_eq(&house.fails::<CreateDhcpOptions>(twice));
}
