//! What SageMaker does in IAM and EC2 for a domain: in whose name, by whose permission, and what is
//! written down of it.

use expect_test::expect;
use sagegate_gate::Caller;
use sagegate_gate::audit::{Record, tables};

use super::*;
use crate::ec2::interface_shape::DescribeNetworkInterfaces;
use crate::ec2::security_group::{CreateSecurityGroup, DescribeSecurityGroups};
use crate::ec2::security_group_rules::AuthorizeSecurityGroupIngress;
use crate::iam::roles::GetRole;
use crate::iam::service_linked::{DeleteServiceLinkedRole, GetServiceLinkedRoleDeletionStatus};
use crate::sagemaker::delete_domain::DeleteDomain;
use crate::sagemaker::update_domain::UpdateDomain;
use crate::testing::ACCOUNT;

const LINKED: &str = "AWSServiceRoleForAmazonSageMakerNotebooks";

/// An account in which SageMaker has never been used, and where resources are brought forward as
/// soon as work is noted.
fn fresh() -> Estate {
    let estate = Estate::standing_still();
    estate.house.gate.follow(vec![Arc::new(Bind), Arc::new(Lifecycle)]);
    estate
}

/// A user who may make domains, and what the statement says beside that.
fn user(estate: &Estate, name: &str, statement: &str) -> Caller {
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Action":["sagemaker:*","iam:PassRole"],"Resource":"*"}}{statement}]}}"#
    );
    estate.house.user_with_policy(name, &policy)
}

fn linked_if(condition: &str) -> String {
    format!(
        r#",{{"Effect":"Allow","Action":"iam:CreateServiceLinkedRole","Resource":"*",
            "Condition":{condition}}}"#
    )
}

fn linked_role_is_there(estate: &Estate) -> bool {
    let input = iam_api::GetRoleRequest { role_name: LINKED.into() };
    estate.house.call::<GetRole>(&estate.house.root(), input).is_ok()
}

/// Nothing of AWS's takes the role away while a domain needs it; an older state may lack it.
fn erase_linked_role(house: &crate::testing::House) {
    house.transact(|tx| {
        let account = &house.scope().account;
        let role =
            crate::iam::entities::require::<crate::iam::records::RoleRecord>(tx, account, LINKED)?;
        crate::iam::roles::erase(tx, &house.scope(), &role)
    });
}

/// The newest record of this operation that came from outside.
fn record_of(estate: &Estate, event: &str) -> Record {
    let wanted = |it: &Record| it.event_name == event && it.within.is_none();
    let found = tables::newest(&estate.house.state(), 1_000).unwrap();
    found.into_iter().find(wanted).unwrap()
}

/// The calls within a request: what, by whom, for whom.
fn calls_within(estate: &Estate, request: &Record) -> Vec<String> {
    let mut calls = tables::within(&estate.house.state(), &request.request_id).unwrap();
    // The clock stands still.
    calls.sort_by_key(|it| {
        (it.event_source.clone(), it.event_name.clone(), it.request_parameters.to_string())
    });
    calls.iter().map(line).collect()
}

fn line(record: &Record) -> String {
    let identity = &record.user_identity;
    let text = |name: &str| identity[name].as_str().unwrap_or("-").to_owned();
    let who = text("arn");
    let who = who.rsplit(':').next().unwrap_or_default();
    let service = record.event_source.trim_end_matches(".amazonaws.com");
    format!(
        "{service}:{} {} {who} by {} from {}",
        record.event_name,
        text("type"),
        text("invokedBy"),
        record.source_ip_address
    )
}

#[test]
fn the_first_use_makes_the_role_in_the_name_of_the_caller() {
    let estate = fresh();
    let house = &estate.house;
    let request = || estate.domain_request("team");
    let direct = || iam_api::CreateServiceLinkedRoleRequest {
        aws_service_name: "sagemaker.amazonaws.com".into(),
        ..Default::default()
    };
    // Not at all, only from her own network, only by another service.
    for (name, condition) in [
        ("without", None),
        ("network", Some(r#"{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}"#)),
        ("herself", Some(r#"{"Bool":{"aws:ViaAWSService":"false"}}"#)),
        ("other", Some(r#"{"ForAnyValue:StringEquals":{"aws:CalledVia":"athena.amazonaws.com"}}"#)),
    ] {
        let statement = condition.map(linked_if).unwrap_or_default();
        let caller = user(&estate, name, &statement);
        let text = house.fails_for::<CreateDomain>(&caller, request());
        let expected = format!(
            "AccessDeniedException (400): User: arn:aws:iam::{ACCOUNT}:user/{name} is not authorized \
             to perform: iam:CreateServiceLinkedRole on resource: arn:aws:iam::{ACCOUNT}:role/\
             aws-service-role/sagemaker.amazonaws.com/{LINKED} because no identity-based policy \
             allows the iam:CreateServiceLinkedRole action"
        );
        assert_eq!(text, expected);
        assert!(!linked_role_is_there(&estate), "{name}");
        assert_eq!(crate::sagemaker::records::DOMAINS.count(&house.state(), &()).unwrap(), 0);
    }
    let by_service = r#"{"Bool":{"aws:ViaAWSService":"true"},
        "StringEquals":{"aws:CalledViaFirst":"sagemaker.amazonaws.com",
                        "aws:CalledViaLast":"sagemaker.amazonaws.com"},
        "ForAllValues:StringEquals":{"aws:CalledVia":"sagemaker.amazonaws.com"},
        "Null":{"aws:SourceIp":"true","aws:CalledVia":"false"}}"#;
    let caller = user(&estate, "right", &linked_if(by_service));
    let text = house.fails_for::<CreateServiceLinkedRole>(&caller, direct());
    assert!(text.starts_with("AccessDenied (403): "), "{text}");
    house.call::<CreateDomain>(&caller, request()).unwrap();
    assert!(linked_role_is_there(&estate));

    // The refusal is told with the request that it made fail.
    let denied = house
        .gate
        .journal()
        .find(1, &mut |it| it.event_name == "CreateServiceLinkedRole" && it.within.is_some())
        .unwrap()
        .remove(0);
    assert_eq!(denied.error_code.as_deref(), Some("AccessDenied"));
    assert_eq!(denied.user_identity["invokedBy"], "sagemaker.amazonaws.com");
    assert_eq!(denied.sagegate["decision"], "denied");
    let failed = house
        .gate
        .journal()
        .find(1, &mut |it| Some(&it.request_id) == denied.within.as_ref())
        .unwrap()
        .remove(0);
    assert_eq!(failed.event_name, "CreateDomain");
    assert_eq!(failed.sagegate["calls"][0]["requestID"], denied.request_id.as_str());
    assert_eq!(failed.sagegate["calls"][0]["errorCode"], "AccessDenied");
    assert_eq!(failed.sagegate["calls"][0]["decision"], "denied");
    assert_eq!(failed.sagegate["decision"], "denied: in a call that the operation made");
}

#[test]
fn what_is_done_for_a_domain_is_recorded_within_its_request() {
    let estate = fresh();
    let caller = user(&estate, "ann", &linked_if(r#"{"Bool":{"aws:ViaAWSService":"true"}}"#));
    let house = &estate.house;
    // No permission in EC2 is hers, and none is asked of her.
    let made = house.call::<CreateDomain>(&caller, estate.domain_request("team")).unwrap();
    let id = made.domain_id.unwrap();
    assert_eq!(estate.describe(&id).status, Some(api::DomainStatus::InService));
    let request = record_of(&estate, "CreateDomain");
    expect![[r#"
        ec2:AuthorizeSecurityGroupEgress AssumedRole assumed-role/AWSServiceRoleForAmazonSageMakerNotebooks/SageMaker by sagemaker.amazonaws.com from sagemaker.amazonaws.com
        ec2:AuthorizeSecurityGroupIngress AssumedRole assumed-role/AWSServiceRoleForAmazonSageMakerNotebooks/SageMaker by sagemaker.amazonaws.com from sagemaker.amazonaws.com
        ec2:CreateNetworkInterface AssumedRole assumed-role/AWSServiceRoleForAmazonSageMakerNotebooks/SageMaker by elasticfilesystem.amazonaws.com from elasticfilesystem.amazonaws.com
        ec2:CreateSecurityGroup AssumedRole assumed-role/AWSServiceRoleForAmazonSageMakerNotebooks/SageMaker by sagemaker.amazonaws.com from sagemaker.amazonaws.com
        ec2:CreateSecurityGroup AssumedRole assumed-role/AWSServiceRoleForAmazonSageMakerNotebooks/SageMaker by sagemaker.amazonaws.com from sagemaker.amazonaws.com
        ec2:RevokeSecurityGroupEgress AssumedRole assumed-role/AWSServiceRoleForAmazonSageMakerNotebooks/SageMaker by sagemaker.amazonaws.com from sagemaker.amazonaws.com
        ec2:RevokeSecurityGroupEgress AssumedRole assumed-role/AWSServiceRoleForAmazonSageMakerNotebooks/SageMaker by sagemaker.amazonaws.com from sagemaker.amazonaws.com
        iam:CreateServiceLinkedRole IAMUser user/ann by sagemaker.amazonaws.com from sagemaker.amazonaws.com
        sts:AssumeRole AWSService - by sagemaker.amazonaws.com from sagemaker.amazonaws.com"#]].assert_eq(&calls_within(&estate, &request).join("\n"));
    // What the transaction itself held is named in its record.
    assert_eq!(request.sagegate["calls"][0]["eventName"], "CreateServiceLinkedRole");

    let subnet = subnet(house, &estate.vpc, "10.0.9.0/24");
    let update = api::UpdateDomainRequest {
        domain_id: id.clone(),
        subnet_ids: Some(vec![subnet]),
        ..Default::default()
    };
    house.call::<UpdateDomain>(&caller, update).unwrap();
    let request = record_of(&estate, "UpdateDomain");
    expect![[r#"
        ec2:CreateNetworkInterface AssumedRole assumed-role/AWSServiceRoleForAmazonSageMakerNotebooks/SageMaker by elasticfilesystem.amazonaws.com from elasticfilesystem.amazonaws.com
        ec2:DeleteNetworkInterface AssumedRole assumed-role/AWSServiceRoleForAmazonSageMakerNotebooks/SageMaker by elasticfilesystem.amazonaws.com from elasticfilesystem.amazonaws.com
        sts:AssumeRole AWSService - by sagemaker.amazonaws.com from sagemaker.amazonaws.com"#]].assert_eq(&calls_within(&estate, &request).join("\n"));

    let delete = api::DeleteDomainRequest {
        domain_id: id.clone(),
        retention_policy: Some(api::RetentionPolicy {
            home_efs_file_system: Some(api::RetentionType::Delete),
        }),
    };
    house.call::<DeleteDomain>(&caller, delete).unwrap();
    let request = record_of(&estate, "DeleteDomain");
    expect![[r#"
        ec2:DeleteNetworkInterface AssumedRole assumed-role/AWSServiceRoleForAmazonSageMakerNotebooks/SageMaker by elasticfilesystem.amazonaws.com from elasticfilesystem.amazonaws.com
        ec2:DeleteSecurityGroup AssumedRole assumed-role/AWSServiceRoleForAmazonSageMakerNotebooks/SageMaker by sagemaker.amazonaws.com from sagemaker.amazonaws.com
        ec2:DeleteSecurityGroup AssumedRole assumed-role/AWSServiceRoleForAmazonSageMakerNotebooks/SageMaker by sagemaker.amazonaws.com from sagemaker.amazonaws.com
        ec2:RevokeSecurityGroupEgress AssumedRole assumed-role/AWSServiceRoleForAmazonSageMakerNotebooks/SageMaker by sagemaker.amazonaws.com from sagemaker.amazonaws.com
        ec2:RevokeSecurityGroupIngress AssumedRole assumed-role/AWSServiceRoleForAmazonSageMakerNotebooks/SageMaker by sagemaker.amazonaws.com from sagemaker.amazonaws.com
        sts:AssumeRole AWSService - by sagemaker.amazonaws.com from sagemaker.amazonaws.com"#]].assert_eq(&calls_within(&estate, &request).join("\n"));
}

#[test]
fn the_groups_are_tagged_as_sagemakers_and_let_nothing_else_through() {
    let estate = Estate::new();
    let id = estate.domain("team");
    let arn = estate.describe(&id).domain_arn.unwrap();
    let found = estate
        .house
        .ok::<DescribeSecurityGroups>(ec2_api::DescribeSecurityGroupsRequest::default())
        .security_groups
        .unwrap();
    let nfs = |name: &str| {
        let name = format!("security-group-for-{name}-nfs-{id}");
        found.iter().find(|it| it.group_name.as_deref() == Some(&name)).unwrap()
    };
    let (inbound, outbound) = (nfs("inbound"), nfs("outbound"));
    for group in [inbound, outbound] {
        let tags = group.tags.clone().unwrap();
        assert_eq!(tags[0].key.as_deref(), Some("ManagedByAmazonSageMakerResource"));
        assert_eq!(tags[0].value.as_ref(), Some(&arn));
    }
    let peers = |rules: &Option<Vec<ec2_api::IpPermission>>| -> Vec<String> {
        let rules = rules.iter().flatten();
        let pairs = rules.flat_map(|it| {
            assert_eq!(
                (it.from_port, it.to_port, it.ip_protocol.as_deref()),
                (Some(2049), Some(2049), Some("tcp"))
            );
            assert!(it.ip_ranges.as_ref().is_none_or(Vec::is_empty));
            it.user_id_group_pairs.clone().unwrap()
        });
        pairs.filter_map(|it| it.group_id).collect()
    };
    assert_eq!(peers(&inbound.ip_permissions), [outbound.group_id.clone().unwrap()]);
    assert_eq!(peers(&outbound.ip_permissions_egress), [inbound.group_id.clone().unwrap()]);
    assert!(peers(&inbound.ip_permissions_egress).is_empty());
    assert!(peers(&outbound.ip_permissions).is_empty());
}

#[test]
fn a_group_that_something_else_uses_stays() {
    let estate = Estate::new();
    let id = estate.domain("team");
    let house = &estate.house;
    let groups = || {
        let input = ec2_api::DescribeSecurityGroupsRequest::default();
        let mut names: Vec<String> = house
            .ok::<DescribeSecurityGroups>(input)
            .security_groups
            .unwrap()
            .into_iter()
            .filter(|it| it.vpc_id.as_ref() == Some(&estate.vpc))
            .filter_map(|it| it.group_name)
            .collect();
        names.sort();
        names
    };
    let outbound = format!("security-group-for-outbound-nfs-{id}");
    let peer = house
        .ok::<DescribeSecurityGroups>(ec2_api::DescribeSecurityGroupsRequest::default())
        .security_groups
        .unwrap()
        .into_iter()
        .find(|it| it.group_name.as_ref() == Some(&outbound))
        .unwrap()
        .group_id;
    house.ok::<AuthorizeSecurityGroupIngress>(ec2_api::AuthorizeSecurityGroupIngressRequest {
        group_id: Some(estate.group.clone()),
        ip_permissions: Some(vec![ec2_api::IpPermission {
            ip_protocol: Some("-1".into()),
            user_id_group_pairs: Some(vec![ec2_api::UserIdGroupPair {
                group_id: peer,
                ..Default::default()
            }]),
            ..Default::default()
        }]),
        ..Default::default()
    });
    house.ok::<DeleteDomain>(api::DeleteDomainRequest {
        domain_id: id,
        retention_policy: Some(api::RetentionPolicy {
            home_efs_file_system: Some(api::RetentionType::Delete),
        }),
    });
    assert_eq!(groups(), ["default".to_owned(), outbound, "studio".to_owned()]);
}

#[test]
fn the_role_stays_for_as_long_as_a_domain_needs_it() {
    let estate = fresh();
    let house = &estate.house;
    let id = estate.domain("team");
    let delete = || {
        let input = iam_api::DeleteServiceLinkedRoleRequest { role_name: LINKED.into() };
        let task = house.ok::<DeleteServiceLinkedRole>(input).deletion_task_id.unwrap();
        let input = iam_api::GetServiceLinkedRoleDeletionStatusRequest { deletion_task_id: task };
        house.ok::<GetServiceLinkedRoleDeletionStatus>(input)
    };
    let told = delete();
    assert_eq!(told.status, Some(iam_api::DeletionTaskStatusType::Failed));
    let usage = told.reason.unwrap().role_usage_list.unwrap().remove(0);
    assert_eq!(usage.resources, Some(vec![estate.describe(&id).domain_arn.unwrap()]));
    assert_eq!(usage.region.as_deref(), Some("us-west-2"));
    assert!(linked_role_is_there(&estate));
    house.ok::<DeleteDomain>(api::DeleteDomainRequest { domain_id: id, retention_policy: None });
    assert_eq!(delete().status, Some(iam_api::DeletionTaskStatusType::Succeeded));
    assert!(!linked_role_is_there(&estate));
}

#[test]
fn without_its_role_sagemaker_does_nothing_in_the_account() {
    let estate = Estate::standing_still();
    let house = &estate.house;
    let id = estate.domain("team");
    let erase = || erase_linked_role(house);
    erase();
    estate.advance();
    let told = estate.describe(&id);
    assert_eq!(told.status, Some(api::DomainStatus::Failed));
    let reason = told.failure_reason.unwrap();
    assert!(
        reason
            .starts_with("Could not assume role arn:aws:iam::123456789012:role/aws-service-role/"),
        "{reason}"
    );
    let none =
        house.ok::<DescribeNetworkInterfaces>(ec2_api::DescribeNetworkInterfacesRequest::default());
    assert_eq!(none.network_interfaces.unwrap(), []);
    let make = || {
        house.ok::<CreateServiceLinkedRole>(iam_api::CreateServiceLinkedRoleRequest {
            aws_service_name: "sagemaker.amazonaws.com".into(),
            ..Default::default()
        })
    };
    make();
    house.ok::<DeleteDomain>(api::DeleteDomainRequest { domain_id: id, retention_policy: None });
    estate.advance();

    // What was made as the role is removed as the role, or not at all.
    let id = estate.domain("again");
    estate.advance();
    erase();
    let delete = || api::DeleteDomainRequest { domain_id: id.clone(), retention_policy: None };
    house.ok::<DeleteDomain>(delete());
    estate.advance();
    let told = estate.describe(&id);
    assert_eq!(told.status, Some(api::DomainStatus::DeleteFailed));
    assert!(told.failure_reason.unwrap().starts_with("Could not assume role"));
    let held =
        house.ok::<DescribeNetworkInterfaces>(ec2_api::DescribeNetworkInterfacesRequest::default());
    assert_eq!(held.network_interfaces.unwrap().len(), 1);
    make();
    house.ok::<DeleteDomain>(delete());
    estate.advance();
    assert!(house.fails::<DescribeDomain>(describe(&id)).starts_with("ResourceNotFound"));
    let none =
        house.ok::<DescribeNetworkInterfaces>(ec2_api::DescribeNetworkInterfacesRequest::default());
    assert_eq!(none.network_interfaces.unwrap(), []);
}

#[test]
fn what_fails_in_ec2_is_the_domains_failure_and_is_told_with_it() {
    let estate = Estate::standing_still();
    let house = &estate.house;
    let id = estate.domain("team");
    // Somebody has taken the name.
    house.ok::<CreateSecurityGroup>(ec2_api::CreateSecurityGroupRequest {
        description: "d".into(),
        group_name: format!("security-group-for-outbound-nfs-{id}"),
        vpc_id: Some(estate.vpc.clone()),
        ..Default::default()
    });
    estate.advance();
    let told = estate.describe(&id);
    assert_eq!(told.status, Some(api::DomainStatus::Failed));
    assert!(told.failure_reason.unwrap().contains("already exists for VPC"));
    let request = record_of(&estate, "CreateDomain");
    let refused = house
        .gate
        .journal()
        .find(9, &mut |it| it.within.as_ref() == Some(&request.request_id))
        .unwrap();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].error_code.as_deref(), Some("InvalidGroup.Duplicate"));
    // The first of the two groups is not left over, for nobody would know of it.
    let input = ec2_api::DescribeSecurityGroupsRequest::default();
    let names = house.ok::<DescribeSecurityGroups>(input).security_groups.unwrap();
    assert!(
        !names
            .iter()
            .any(|it| it.group_name.as_deref().is_some_and(|it| it.contains("inbound-nfs")))
    );
}

/// EFS unplugs a mount target and then deletes its interface: where it may not, it has done neither.
#[test]
fn an_update_that_fails_leaves_the_mount_target_plugged_in() {
    let estate = Estate::standing_still();
    let house = &estate.house;
    let id = estate.domain("team");
    estate.advance();
    let interfaces = || {
        let input = ec2_api::DescribeNetworkInterfacesRequest::default();
        house.ok::<DescribeNetworkInterfaces>(input).network_interfaces.unwrap()
    };
    let before = interfaces();
    assert_eq!(before.len(), 1);
    erase_linked_role(house);
    let subnets = vec![subnet(house, &estate.vpc, "10.0.9.0/24")];
    house.ok::<UpdateDomain>(api::UpdateDomainRequest {
        domain_id: id.clone(),
        subnet_ids: Some(subnets),
        ..Default::default()
    });
    estate.advance();
    let told = estate.describe(&id);
    assert_eq!(told.status, Some(api::DomainStatus::UpdateFailed));
    assert!(told.failure_reason.unwrap().starts_with("Could not assume role"));
    assert_eq!(interfaces(), before, "still there, in use, and EFS's alone to remove");

    // Nothing of it is forgotten: what failed is done when it can be.
    house.ok::<CreateServiceLinkedRole>(iam_api::CreateServiceLinkedRoleRequest {
        aws_service_name: "sagemaker.amazonaws.com".into(),
        ..Default::default()
    });
    house.ok::<UpdateDomain>(api::UpdateDomainRequest {
        domain_id: id.clone(),
        ..Default::default()
    });
    estate.advance();
    assert_eq!(estate.describe(&id).status, Some(api::DomainStatus::InService));
    let after = interfaces();
    assert_eq!(after.len(), 1);
    assert_ne!(after[0].network_interface_id, before[0].network_interface_id);
}
