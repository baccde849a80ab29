//! What domains hold in their VPC.

use super::*;
use crate::ec2::interface_shape::DescribeNetworkInterfaces;
use crate::ec2::network_interface::DeleteNetworkInterface;
use crate::ec2::security_group::DeleteSecurityGroup;
use crate::ec2::subnet::{CreateSubnet, DeleteSubnet};
use crate::sagemaker::delete_domain::DeleteDomain;
use crate::sagemaker::update_domain::UpdateDomain;
use crate::sagemaker::write_profile::UpdateUserProfile;

fn subnet_in(estate: &Estate, block: &str, zone: &str) -> String {
    let input = ec2_api::CreateSubnetRequest {
        vpc_id: estate.vpc.clone(),
        cidr_block: Some(block.into()),
        availability_zone: Some(zone.into()),
        ..Default::default()
    };
    estate.house.ok::<CreateSubnet>(input).subnet.unwrap().subnet_id.unwrap()
}

fn interfaces(estate: &Estate) -> Vec<ec2_api::NetworkInterface> {
    let input = ec2_api::DescribeNetworkInterfacesRequest::default();
    estate.house.ok::<DescribeNetworkInterfaces>(input).network_interfaces.unwrap()
}

/// The subnets with mount targets, sorted.
fn mounted(estate: &Estate) -> Vec<String> {
    let mut found: Vec<String> =
        interfaces(estate).into_iter().filter_map(|it| it.subnet_id).collect();
    found.sort();
    found
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

fn delete_subnet(id: &str) -> ec2_api::DeleteSubnetRequest {
    ec2_api::DeleteSubnetRequest { subnet_id: id.into(), ..Default::default() }
}

fn delete_group(id: &str) -> ec2_api::DeleteSecurityGroupRequest {
    ec2_api::DeleteSecurityGroupRequest { group_id: Some(id.into()), ..Default::default() }
}

fn update_domain(id: &str, subnets: Option<Vec<String>>) -> api::UpdateDomainRequest {
    api::UpdateDomainRequest {
        domain_id: id.into(),
        subnet_ids: subnets,
        tag_propagation: Some(api::TagPropagation::Enabled),
        ..Default::default()
    }
}

#[test]
fn a_domain_holds_its_subnets_by_mount_targets() {
    let estate = Estate::new();
    let id = estate.domain("team");
    let file_system = estate.describe(&id).home_efs_file_system_id.unwrap();
    let held = interfaces(&estate);
    let [target] = held.as_slice() else { panic!("{held:?}") };
    let description = target.description.clone().unwrap();
    assert!(
        description.starts_with(&format!("EFS mount target for {file_system} (fsmt-0")),
        "{description}"
    );
    assert_eq!(target.subnet_id.as_ref(), Some(&estate.subnet));
    assert_eq!(target.requester_managed, Some(true));
    assert_eq!(target.interface_type, Some(ec2_api::NetworkInterfaceType::Interface));
    let group = target.groups.as_ref().unwrap()[0].clone();
    assert_eq!(group.group_name, Some(format!("security-group-for-inbound-nfs-{id}")));

    let house = &estate.house;
    let text = house.fails::<DeleteSubnet>(delete_subnet(&estate.subnet));
    assert!(text.starts_with("DependencyViolation (400): "), "{text}");
    let text = house.fails::<DeleteSecurityGroup>(delete_group(&group.group_id.unwrap()));
    assert!(text.starts_with("DependencyViolation (400): "), "{text}");
    let own = ec2_api::DeleteNetworkInterfaceRequest {
        network_interface_id: target.network_interface_id.clone().unwrap(),
        ..Default::default()
    };
    let text = house.fails::<DeleteNetworkInterface>(own);
    assert!(text.contains("is currently in use"), "{text}");
}

#[test]
fn mount_targets_go_with_the_domain_whether_its_data_are_kept_or_not() {
    for retention in [api::RetentionType::Delete, api::RetentionType::Retain] {
        let estate = Estate::new();
        let id = estate.domain("team");
        estate.house.ok::<DeleteDomain>(api::DeleteDomainRequest {
            domain_id: id,
            retention_policy: Some(api::RetentionPolicy { home_efs_file_system: Some(retention) }),
        });
        assert_eq!(mounted(&estate), [""; 0]);
        estate.house.ok::<DeleteSubnet>(delete_subnet(&estate.subnet));
    }
}

#[test]
fn each_zone_has_one_mount_target_and_updates_move_them() {
    let estate = Estate::new();
    let a = subnet_in(&estate, "10.0.10.0/24", "us-west-2a");
    let also_a = subnet_in(&estate, "10.0.11.0/24", "us-west-2a");
    let b = subnet_in(&estate, "10.0.12.0/24", "us-west-2b");
    let mut request = estate.domain_request("team");
    request.subnet_ids = Some(vec![a.clone(), also_a.clone(), b.clone()]);
    let id = estate.house.ok::<CreateDomain>(request).domain_id.unwrap();
    assert_eq!(mounted(&estate), sorted(vec![a.clone(), b.clone()]));
    let subnets = vec![also_a.clone(), b.clone()];
    estate.house.ok::<UpdateDomain>(update_domain(&id, Some(subnets.clone())));
    assert_eq!(estate.describe(&id).status, Some(api::DomainStatus::InService));
    assert_eq!(mounted(&estate), sorted(subnets));
    estate.house.ok::<DeleteSubnet>(delete_subnet(&a));
    // Nothing changes where nothing is named.
    let before = interfaces(&estate);
    estate.house.ok::<UpdateDomain>(update_domain(&id, None));
    assert_eq!(interfaces(&estate), before);
}

#[test]
fn what_an_update_does_not_name_may_be_gone() {
    let estate = Estate::new();
    let mut request = estate.domain_request("team");
    request.home_efs_file_system_creation = Some(api::HomeEfsFileSystemCreation::Disabled);
    let id = estate.house.ok::<CreateDomain>(request).domain_id.unwrap();
    let settings = |groups: Option<Vec<String>>| api::UserSettings {
        default_landing_uri: Some("studio::".into()),
        security_groups: groups,
        ..Default::default()
    };
    let named = || settings(Some(vec![estate.group.clone()]));
    let mut profile = profile_request(&id, "ann");
    profile.user_settings = Some(named());
    estate.house.ok::<CreateUserProfile>(profile);
    estate.house.ok::<DeleteSubnet>(delete_subnet(&estate.subnet));
    estate.house.ok::<DeleteSecurityGroup>(delete_group(&estate.group));
    estate.house.ok::<UpdateDomain>(update_domain(&id, None));
    assert_eq!(estate.describe(&id).status, Some(api::DomainStatus::InService));
    let update = |settings: api::UserSettings| api::UpdateUserProfileRequest {
        domain_id: id.clone(),
        user_profile_name: "ann".into(),
        user_settings: Some(settings),
    };
    estate.house.ok::<UpdateUserProfile>(update(settings(None)));
    let text = estate.house.fails::<UpdateUserProfile>(update(named()));
    assert!(text.contains("does not exist"), "{text}");
    let text =
        estate.house.fails::<UpdateDomain>(update_domain(&id, Some(vec![estate.subnet.clone()])));
    assert!(text.contains("does not exist"), "{text}");
}
