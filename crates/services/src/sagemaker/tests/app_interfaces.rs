//! The network interfaces of apps in domains that are VpcOnly.

use super::*;
use crate::ec2::interface_shape::DescribeNetworkInterfaces;
use crate::ec2::network_interface::{CreateNetworkInterface, DeleteNetworkInterface};
use crate::ec2::subnet::{CreateSubnet, DeleteSubnet, DescribeSubnets};
use crate::sagemaker::delete_app::DeleteApp;
use crate::sagemaker::read_app::DescribeApp;
use crate::sagemaker::workload::{self, Observed};
use crate::sagemaker::write_space::CreateSpace;

/// An estate with a domain that is VpcOnly, in these subnets or its own, with the space `lab` of ann.
fn vpc_only(subnets: Option<Vec<String>>, estate: &Estate) -> String {
    let mut request = estate.domain_request("team");
    request.app_network_access_type = Some(api::AppNetworkAccessType::VpcOnly);
    if subnets.is_some() {
        request.subnet_ids = subnets;
    }
    let id = estate.house.ok::<CreateDomain>(request).domain_id.unwrap();
    estate.profile(&id, "ann");
    estate.house.ok::<CreateSpace>(private_space(&id, "lab", "ann"));
    id
}

/// The interfaces that SageMaker has made for apps of Studio.
fn interfaces(estate: &Estate) -> Vec<ec2_api::NetworkInterface> {
    let input = ec2_api::DescribeNetworkInterfacesRequest::default();
    let all = estate.house.ok::<DescribeNetworkInterfaces>(input).network_interfaces.unwrap();
    let studio = "[DO NOT DELETE] ENI managed by SageMaker for Studio Domain(";
    all.into_iter().filter(|it| it.description.as_ref().unwrap().starts_with(studio)).collect()
}

fn described(estate: &Estate, of: &api::CreateAppRequest) -> api::DescribeAppResponse {
    estate.house.ok::<DescribeApp>(api::DescribeAppRequest {
        domain_id: of.domain_id.clone(),
        space_name: of.space_name.clone(),
        app_type: of.app_type,
        app_name: of.app_name.clone(),
        ..Default::default()
    })
}

fn free_addresses(estate: &Estate, subnet: &str) -> i32 {
    let input = ec2_api::DescribeSubnetsRequest {
        subnet_ids: Some(vec![subnet.to_owned()]),
        ..Default::default()
    };
    let subnets = estate.house.ok::<DescribeSubnets>(input).subnets.unwrap();
    subnets[0].available_ip_address_count.unwrap()
}

#[test]
fn an_app_of_a_vpc_only_domain_holds_an_interface_until_it_has_stopped() {
    let estate = Estate::new();
    let domain = vpc_only(None, &estate);
    let free = free_addresses(&estate, &estate.subnet);
    let app = app_request(&domain, "lab");
    estate.house.ok::<CreateApp>(app.clone());
    let [interface] = interfaces(&estate).try_into().unwrap();
    assert_eq!(free_addresses(&estate, &estate.subnet), free - 1);
    assert_eq!(interface.subnet_id, Some(estate.subnet.clone()));
    assert_eq!(interface.requester_managed, Some(true));
    assert_eq!(interface.interface_type, Some(ec2_api::NetworkInterfaceType::Interface));
    let description = interface.description.unwrap();
    let (about, word) = description.rsplit_once(" - ").unwrap();
    assert!(about.ends_with(&format!("Studio Domain({domain})")), "{description}");
    assert!(word.len() == 32 && word.bytes().all(|it| it.is_ascii_hexdigit()), "{word}");
    let groups: Vec<_> = interface.groups.unwrap().into_iter().map(|it| it.group_name).collect();
    assert_eq!(groups.len(), 2);
    assert_eq!(groups[1], Some(format!("security-group-for-outbound-nfs-{domain}")));
    let id = interface.network_interface_id.unwrap();
    let wanted = workload::desired(&estate.house.state()).unwrap();
    assert_eq!(wanted[0].interface.as_ref(), Some(&id));
    // Nobody but SageMaker can take it away.
    let delete =
        ec2_api::DeleteNetworkInterfaceRequest { network_interface_id: id, ..Default::default() };
    let text = estate.house.fails::<DeleteNetworkInterface>(delete);
    assert!(text.contains("is currently in use"), "{text}");
    estate.run_apps();
    estate.house.ok::<DeleteApp>(delete_app(&app));
    // It may still be at work.
    assert_eq!(interfaces(&estate).len(), 1);
    estate.run_apps();
    assert_eq!(interfaces(&estate), []);
    assert_eq!(free_addresses(&estate, &estate.subnet), free);
}

#[test]
fn the_interface_of_an_app_that_fails_goes() {
    let estate = Estate::new();
    let domain = vpc_only(None, &estate);
    estate.house.ok::<CreateApp>(app_request(&domain, "lab"));
    let id = workload::desired(&estate.house.state()).unwrap().remove(0).id;
    let failed = Observed::Failed("it fell over".into());
    estate.house.within(|tx, within| workload::report(tx, within, &id, &failed));
    assert_eq!(interfaces(&estate), []);
    // Another takes its place, and its own interface.
    estate.house.ok::<CreateApp>(app_request(&domain, "lab"));
    assert_eq!(interfaces(&estate).len(), 1);
}

#[test]
fn an_app_without_an_address_fails_and_says_so() {
    let estate = Estate::new();
    let small = estate
        .house
        .ok::<CreateSubnet>(ec2_api::CreateSubnetRequest {
            vpc_id: estate.vpc.clone(),
            cidr_block: Some("10.0.200.0/28".into()),
            ..Default::default()
        })
        .subnet
        .unwrap()
        .subnet_id
        .unwrap();
    let domain = vpc_only(Some(vec![small.clone()]), &estate);
    while free_addresses(&estate, &small) > 0 {
        let input = ec2_api::CreateNetworkInterfaceRequest {
            subnet_id: small.clone(),
            ..Default::default()
        };
        estate.house.ok::<CreateNetworkInterface>(input);
    }
    let app = app_request(&domain, "lab");
    estate.house.ok::<CreateApp>(app.clone());
    let seen = described(&estate, &app);
    assert_eq!(seen.status, Some(api::AppStatus::Failed));
    let reason = seen.failure_reason.unwrap();
    assert!(reason.contains("free addresses") && reason.contains(&small), "{reason}");
    assert_eq!(interfaces(&estate), []);
    assert_eq!(workload::desired(&estate.house.state()).unwrap(), []);
}

#[test]
fn the_next_subnet_is_taken_where_the_first_is_full_and_held() {
    let estate = Estate::new();
    let two =
        ["10.0.200.0/28", "10.0.201.0/28"].map(|block| subnet(&estate.house, &estate.vpc, block));
    let domain = vpc_only(Some(two.to_vec()), &estate);
    while free_addresses(&estate, &two[0]) > 0 {
        let input = ec2_api::CreateNetworkInterfaceRequest {
            subnet_id: two[0].clone(),
            ..Default::default()
        };
        estate.house.ok::<CreateNetworkInterface>(input);
    }
    estate.house.ok::<CreateApp>(app_request(&domain, "lab"));
    let [interface] = interfaces(&estate).try_into().unwrap();
    assert_eq!(interface.subnet_id.as_ref(), Some(&two[1]));
    let delete = ec2_api::DeleteSubnetRequest { subnet_id: two[1].clone(), ..Default::default() };
    let text = estate.house.fails::<DeleteSubnet>(delete);
    assert!(text.starts_with("DependencyViolation (400): "), "{text}");
}

#[test]
fn a_domain_with_the_internet_has_no_interfaces_for_apps() {
    let estate = Estate::new();
    let domain = estate.domain("team");
    estate.profile(&domain, "ann");
    estate.running_space(&domain, "lab", "ann");
    assert_eq!(interfaces(&estate), []);
    assert_eq!(workload::desired(&estate.house.state()).unwrap()[0].interface, None);
}
