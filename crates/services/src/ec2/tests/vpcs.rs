use expect_test::expect;
use sagegate_api::ec2 as api;

use super::{default_group, filter, house, named, subnet, subnet_input, tag, vpc};
use crate::ec2::interface_shape::DescribeNetworkInterfaces;
use crate::ec2::internet_gateway::{DescribeInternetGateways, DetachInternetGateway};
use crate::ec2::network_interface::{CreateNetworkInterface, DeleteNetworkInterface};
use crate::ec2::subnet::{CreateSubnet, DeleteSubnet, DescribeSubnets, ModifySubnetAttribute};
use crate::ec2::tags::{CreateTags, DeleteTags, DescribeTags};
use crate::ec2::vpc::{CreateVpc, DeleteVpc, DescribeVpcs};
use crate::ec2::vpc_attribute::{DescribeVpcAttribute, ModifyVpcAttribute};
use crate::ec2::zones::{DescribeAvailabilityZones, DescribeRegions};

#[test]
fn an_account_starts_with_the_default_vpc() {
    let house = house();
    let vpcs = house.ok::<DescribeVpcs>(Default::default()).vpcs.unwrap();
    assert_eq!(vpcs.len(), 1);
    assert_eq!(vpcs[0].is_default, Some(true));
    assert_eq!(vpcs[0].cidr_block.as_deref(), Some("172.31.0.0/16"));
    let subnets = house.ok::<DescribeSubnets>(Default::default()).subnets.unwrap();
    let mut shown: Vec<String> = subnets
        .iter()
        .map(|subnet| {
            format!(
                "{} {} {} {}",
                subnet.availability_zone.as_deref().unwrap(),
                subnet.cidr_block.as_deref().unwrap(),
                subnet.default_for_az.unwrap(),
                subnet.available_ip_address_count.unwrap()
            )
        })
        .collect();
    shown.sort();
    expect![[r#"
        us-west-2a 172.31.0.0/20 true 4091
        us-west-2b 172.31.16.0/20 true 4091
        us-west-2c 172.31.32.0/20 true 4091"#]]
    .assert_eq(&shown.join("\n"));
    default_group(&house, vpcs[0].vpc_id.as_deref().unwrap());
    // Again does nothing, also after the VPC was deleted.
    for subnet in subnets {
        house.ok::<DeleteSubnet>(api::DeleteSubnetRequest {
            subnet_id: subnet.subnet_id.unwrap(),
            ..Default::default()
        });
    }
    let vpc_id = vpcs[0].vpc_id.clone().unwrap();
    let gateways = house.ok::<DescribeInternetGateways>(Default::default());
    let gateway = gateways.internet_gateways.unwrap().remove(0).internet_gateway_id.unwrap();
    house.ok::<DetachInternetGateway>(api::DetachInternetGatewayRequest {
        internet_gateway_id: gateway,
        vpc_id: vpc_id.clone(),
        dry_run: None,
    });
    house.ok::<DeleteVpc>(api::DeleteVpcRequest { vpc_id, ..Default::default() });
    house.transact(|tx| crate::ec2::bootstrap(tx, &house.scope()));
    assert!(house.ok::<DescribeVpcs>(Default::default()).vpcs.unwrap().is_empty());
}

#[test]
fn blocks_are_checked() {
    let house = house();
    let create = |block: &str| api::CreateVpcRequest {
        cidr_block: Some(block.into()),
        ..Default::default()
    };
    expect!["InvalidVpc.Range (400): The CIDR '10.0.0.0/8' is invalid."]
        .assert_eq(&house.fails::<CreateVpc>(create("10.0.0.0/8")));
    expect!["InvalidParameterValue (400): Value (10.0) for parameter cidrBlock is invalid. This is not a valid CIDR block."]
        .assert_eq(&house.fails::<CreateVpc>(create("10.0")));
    expect!["MissingParameter (400): The request must contain the parameter cidrBlock"]
        .assert_eq(&house.fails::<CreateVpc>(Default::default()));
    let vpc = vpc(&house, "10.0.0.0/16");
    subnet(&house, &vpc, "10.0.0.0/24", "a");
    expect!["InvalidSubnet.Conflict (400): The CIDR '10.0.0.128/25' conflicts with another subnet"]
        .assert_eq(&house.fails::<CreateSubnet>(subnet_input(&vpc, "10.0.0.128/25", "b")));
    expect!["InvalidSubnet.Range (400): The CIDR '10.1.0.0/24' is invalid."]
        .assert_eq(&house.fails::<CreateSubnet>(subnet_input(&vpc, "10.1.0.0/24", "b")));
    expect!["InvalidParameterValue (400): Value (us-west-2x) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: us-west-2a, us-west-2b, us-west-2c."]
        .assert_eq(&house.fails::<CreateSubnet>(subnet_input(&vpc, "10.0.1.0/24", "x")));
    expect!["InvalidVpcID.NotFound (400): The vpc ID 'vpc-1' does not exist"]
        .assert_eq(&house.fails::<CreateSubnet>(subnet_input("vpc-1", "10.0.1.0/24", "a")));
    expect![[r#"InvalidVpcID.Malformed (400): Invalid id: "vpc-*" (expecting "vpc-...")"#]]
        .assert_eq(&house.fails::<CreateSubnet>(subnet_input("vpc-*", "10.0.1.0/24", "a")));
    for block in ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"] {
        super::vpc(&house, block);
    }
    expect!["VpcLimitExceeded (400): The maximum number of VPCs has been reached."]
        .assert_eq(&house.fails::<CreateVpc>(create("10.4.0.0/16")));
    let unsupported = api::CreateVpcRequest {
        ipv6_cidr_block: Some("2001:db8::/56".into()),
        ..create("10.5.0.0/16")
    };
    expect!["UnsupportedOperation (400): The parameter Ipv6CidrBlock is not supported by Sagegate with this value."]
        .assert_eq(&house.fails::<CreateVpc>(unsupported));
}

#[test]
fn attributes_are_kept_one_at_a_time() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let value = |value| Some(api::AttributeBooleanValue { value: Some(value) });
    let shown = |attribute| {
        let input =
            api::DescribeVpcAttributeRequest { attribute, vpc_id: vpc_id.clone(), dry_run: None };
        let answer = house.ok::<DescribeVpcAttribute>(input);
        let values = [answer.enable_dns_support, answer.enable_dns_hostnames];
        values.into_iter().flatten().map(|value| value.value.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(shown(api::VpcAttributeName::EnableDnsSupport), [true]);
    assert_eq!(shown(api::VpcAttributeName::EnableDnsHostnames), [false]);
    let modify = |support, hostnames| api::ModifyVpcAttributeRequest {
        vpc_id: vpc_id.clone(),
        enable_dns_support: support,
        enable_dns_hostnames: hostnames,
        enable_network_address_usage_metrics: None,
    };
    house.ok::<ModifyVpcAttribute>(modify(None, value(true)));
    assert_eq!(shown(api::VpcAttributeName::EnableDnsHostnames), [true]);
    expect!["InvalidParameterCombination (400): A request may change one attribute of a VPC; send one request for each."]
        .assert_eq(&house.fails::<ModifyVpcAttribute>(modify(value(true), value(true))));
    let subnet_id = subnet(&house, &vpc_id, "10.0.0.0/24", "a");
    house.ok::<ModifySubnetAttribute>(api::ModifySubnetAttributeRequest {
        subnet_id,
        map_public_ip_on_launch: value(true),
        ..Default::default()
    });
    let input = api::DescribeSubnetsRequest {
        filters: filter("map-public-ip-on-launch", &["true"]),
        ..Default::default()
    };
    assert_eq!(house.ok::<DescribeSubnets>(input).subnets.unwrap().len(), 4);
}

#[test]
fn what_is_in_use_stays() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let subnet_id = subnet(&house, &vpc_id, "10.0.0.0/28", "a");
    let interface = |address: &str| api::CreateNetworkInterfaceRequest {
        subnet_id: subnet_id.clone(),
        private_ip_address: (!address.is_empty()).then(|| address.into()),
        ..Default::default()
    };
    let made = house.ok::<CreateNetworkInterface>(interface("")).network_interface.unwrap();
    assert_eq!(made.private_ip_address.as_deref(), Some("10.0.0.4"));
    expect!["InvalidIPAddress.InUse (400): Address 10.0.0.4 is in use."]
        .assert_eq(&house.fails::<CreateNetworkInterface>(interface("10.0.0.4")));
    expect!["InvalidParameterValue (400): Address is in subnet's reserved address range"]
        .assert_eq(&house.fails::<CreateNetworkInterface>(interface("10.0.0.1")));
    expect!["InvalidParameterValue (400): Address does not fall within the subnet's address range"]
        .assert_eq(&house.fails::<CreateNetworkInterface>(interface("10.0.1.4")));
    for _ in 0..10 {
        house.ok::<CreateNetworkInterface>(interface(""));
    }
    let text = house.fails::<CreateNetworkInterface>(interface(""));
    assert!(text.starts_with("InsufficientFreeAddressesInSubnet (400)"), "{text}");

    let delete_vpc = || api::DeleteVpcRequest { vpc_id: vpc_id.clone(), dry_run: None };
    let delete_subnet = || api::DeleteSubnetRequest { subnet_id: subnet_id.clone(), dry_run: None };
    let text = house.fails::<DeleteVpc>(delete_vpc());
    let told = format!("The vpc '{vpc_id}' has dependencies and cannot be deleted.");
    assert_eq!(text, format!("DependencyViolation (400): {told}"));
    let text = house.fails::<DeleteSubnet>(delete_subnet());
    let told = format!("The subnet '{subnet_id}' has dependencies and cannot be deleted.");
    assert_eq!(text, format!("DependencyViolation (400): {told}"));

    let input = api::DescribeNetworkInterfacesRequest {
        filters: filter("subnet-id", &[&subnet_id]),
        ..Default::default()
    };
    for interface in house.ok::<DescribeNetworkInterfaces>(input).network_interfaces.unwrap() {
        house.ok::<DeleteNetworkInterface>(api::DeleteNetworkInterfaceRequest {
            network_interface_id: interface.network_interface_id.unwrap(),
            dry_run: None,
        });
    }
    house.ok::<DeleteSubnet>(delete_subnet());
    house.ok::<DeleteVpc>(delete_vpc());
    let text = house.fails::<DeleteVpc>(delete_vpc());
    assert_eq!(text, format!("InvalidVpcID.NotFound (400): The vpc ID '{vpc_id}' does not exist"));
}

#[test]
fn tags_come_and_go() {
    let house = house();
    let input = api::CreateVpcRequest {
        cidr_block: Some("10.0.0.0/16".into()),
        tag_specifications: named("vpc", "Name", "studio"),
        ..Default::default()
    };
    let made = house.ok::<CreateVpc>(input).vpc.unwrap();
    assert_eq!(made.tags, Some(vec![tag("Name", "studio")]));
    let id = made.vpc_id.unwrap();
    let find = |name: &str, values: &[&str]| {
        let input =
            api::DescribeVpcsRequest { filters: filter(name, values), ..Default::default() };
        house.ok::<DescribeVpcs>(input).vpcs.unwrap().len()
    };
    assert_eq!(find("tag:Name", &["stu*"]), 1);
    assert_eq!(find("tag:Name", &["stu"]), 0);
    assert_eq!(find("tag-key", &["Name"]), 1);
    house.ok::<CreateTags>(api::CreateTagsRequest {
        resources: vec![id.clone()],
        tags: vec![tag("Team", "ml"), tag("Name", "other")],
        dry_run: None,
    });
    let shown = house.ok::<DescribeTags>(Default::default()).tags.unwrap();
    assert_eq!(shown.len(), 2);
    assert_eq!(shown[0].resource_type.as_deref(), Some("vpc"));
    let delete = |tags| api::DeleteTagsRequest { resources: vec![id.clone()], tags, dry_run: None };
    // Another value is another tag.
    house.ok::<DeleteTags>(delete(Some(vec![tag("Team", "web")])));
    assert_eq!(find("tag:Team", &["ml"]), 1);
    house.ok::<DeleteTags>(delete(Some(vec![api::Tag { key: Some("Team".into()), value: None }])));
    assert_eq!(find("tag:Team", &["ml"]), 0);
    house.ok::<DeleteVpc>(api::DeleteVpcRequest { vpc_id: id.clone(), dry_run: None });
    assert!(house.ok::<DescribeTags>(Default::default()).tags.unwrap().is_empty());

    let create = |id: &str, key: &str| api::CreateTagsRequest {
        resources: vec![id.into()],
        tags: vec![tag(key, "")],
        dry_run: None,
    };
    expect!["InvalidID (400): The ID 'x-1' is not valid"]
        .assert_eq(&house.fails::<CreateTags>(create("x-1", "a")));
    expect!["InvalidSubnetID.NotFound (400): The subnet ID 'subnet-1' does not exist"]
        .assert_eq(&house.fails::<CreateTags>(create("subnet-1", "a")));
    expect![
        "InvalidParameterValue (400): Tag keys starting with 'aws:' are reserved for internal use"
    ]
    .assert_eq(&house.fails::<CreateTags>(create("vpc-1", "aws:x")));
    let input = api::CreateVpcRequest {
        cidr_block: Some("10.0.0.0/16".into()),
        tag_specifications: named("subnet", "Name", "x"),
        ..Default::default()
    };
    expect!["InvalidParameterValue (400): 'subnet' is not a valid taggable resource type for this operation."]
        .assert_eq(&house.fails::<CreateVpc>(input));
}

#[test]
fn zones_regions_pages_and_dry_runs() {
    let house = house();
    let zones = house.ok::<DescribeAvailabilityZones>(Default::default());
    let ids: Vec<_> =
        zones.availability_zones.unwrap().into_iter().filter_map(|zone| zone.zone_id).collect();
    assert_eq!(ids, ["usw2-az1", "usw2-az2", "usw2-az3"]);
    let regions = house.ok::<DescribeRegions>(Default::default()).regions.unwrap();
    assert!(regions.iter().any(|region| region.region_name.as_deref() == Some("us-west-2")));

    let vpc_id = vpc(&house, "10.0.0.0/16");
    for third in 0..7 {
        subnet(&house, &vpc_id, &format!("10.0.{third}.0/24"), "a");
    }
    let page = |token| api::DescribeSubnetsRequest {
        max_results: Some(6),
        next_token: token,
        ..Default::default()
    };
    let first = house.ok::<DescribeSubnets>(page(None));
    let second = house.ok::<DescribeSubnets>(page(first.next_token.clone()));
    assert_eq!(first.subnets.as_ref().unwrap().len(), 6);
    assert_eq!(second.subnets.as_ref().unwrap().len(), 4);
    assert_eq!(second.next_token, None);
    expect!["InvalidNextToken (400): The specified NextToken is not valid."]
        .assert_eq(&house.fails::<DescribeSubnets>(page(Some("x".into()))));
    let unknown =
        api::DescribeVpcsRequest { filters: filter("vpcid", &["x"]), ..Default::default() };
    expect!["InvalidParameterValue (400): The filter 'vpcid' is invalid"]
        .assert_eq(&house.fails::<DescribeVpcs>(unknown));
    let dry = api::DeleteVpcRequest { vpc_id, dry_run: Some(true) };
    expect!["DryRunOperation (412): Request would have succeeded, but DryRun flag is set."]
        .assert_eq(&house.fails::<DeleteVpc>(dry));
}
