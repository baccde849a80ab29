use expect_test::expect;
use sagegate_api::iam as api;
use sagegate_gate::Operation;

use super::roles::EC2;
use super::{ALLOW_LIST, tag};
use crate::iam::instance_profiles::{AddRoleToInstanceProfile, CreateInstanceProfile};
use crate::iam::role_policies::{
    AttachRolePolicy, DetachRolePolicy, ListAttachedRolePolicies, PutRolePolicy,
};
use crate::iam::role_tags::TagRole;
use crate::iam::role_update::{
    PutRolePermissionsBoundary, UpdateAssumeRolePolicy, UpdateRole, UpdateRoleDescription,
};
use crate::iam::roles::{DeleteRole, GetRole};
use crate::iam::service_linked::{
    CreateServiceLinkedRole, DeleteServiceLinkedRole, GetServiceLinkedRoleDeletionStatus,
};
use crate::testing::House;

const ROLE: &str = "AWSServiceRoleForAWSLicenseManagerRole";
const POLICY: &str = "arn:aws:iam::aws:policy/aws-service-role/AWSLicenseManagerServiceRolePolicy";

fn request(service: &str, suffix: Option<&str>) -> api::CreateServiceLinkedRoleRequest {
    api::CreateServiceLinkedRoleRequest {
        aws_service_name: service.into(),
        description: None,
        custom_suffix: suffix.map(Into::into),
    }
}

#[test]
fn a_service_linked_role_is_its_services_alone() {
    let house = House::new();
    let input = request("license-manager.amazonaws.com", None);
    let role = house.ok::<CreateServiceLinkedRole>(input.clone()).role.unwrap();
    assert_eq!(
        role.arn.as_deref(),
        Some(
            "arn:aws:iam::123456789012:role/aws-service-role/license-manager.amazonaws.com/\
             AWSServiceRoleForAWSLicenseManagerRole"
        )
    );
    let attached = house.ok::<ListAttachedRolePolicies>(api::ListAttachedRolePoliciesRequest {
        role_name: ROLE.into(),
        ..Default::default()
    });
    let attached = attached.attached_policies.unwrap();
    assert_eq!(attached[0].policy_arn.as_deref(), Some(POLICY));

    expect!["InvalidInput (400): Service role name AWSServiceRoleForAWSLicenseManagerRole has been taken in this account, please try a different suffix."]
        .assert_eq(&house.fails::<CreateServiceLinkedRole>(input));
    expect!["InvalidInput (400): Custom suffix is not allowed for sagemaker.amazonaws.com"]
        .assert_eq(
            &house.fails::<CreateServiceLinkedRole>(request("sagemaker.amazonaws.com", Some("x"))),
        );
    house.ok::<CreateServiceLinkedRole>(request("autoscaling.amazonaws.com", Some("one")));
    let suffixed = api::GetRoleRequest { role_name: "AWSServiceRoleForAutoScaling_one".into() };
    house.ok::<GetRole>(suffixed);
    assert!(
        house
            .fails::<CreateServiceLinkedRole>(request("example.amazonaws.com", None))
            .starts_with("InvalidInput (400)")
    );

    let protected = format!(
        "UnmodifiableEntity (400): Cannot perform the operation on the protected role '{ROLE}' - \
         this role is only modifiable by AWS"
    );
    fn refused<O: Operation>(house: &House, input: O::Input, text: &str) {
        assert_eq!(house.fails::<O>(input), text, "{}", O::NAME);
    }
    let name = || ROLE.to_owned();
    refused::<DeleteRole>(&house, api::DeleteRoleRequest { role_name: name() }, &protected);
    refused::<PutRolePolicy>(
        &house,
        api::PutRolePolicyRequest {
            role_name: name(),
            policy_name: "p".into(),
            policy_document: ALLOW_LIST.into(),
        },
        &protected,
    );
    refused::<AttachRolePolicy>(
        &house,
        api::AttachRolePolicyRequest {
            role_name: name(),
            policy_arn: "arn:aws:iam::aws:policy/AdministratorAccess".into(),
        },
        &protected,
    );
    refused::<DetachRolePolicy>(
        &house,
        api::DetachRolePolicyRequest { role_name: name(), policy_arn: POLICY.into() },
        &protected,
    );
    refused::<UpdateAssumeRolePolicy>(
        &house,
        api::UpdateAssumeRolePolicyRequest { role_name: name(), policy_document: EC2.into() },
        &protected,
    );
    refused::<PutRolePermissionsBoundary>(
        &house,
        api::PutRolePermissionsBoundaryRequest {
            role_name: name(),
            permissions_boundary: "arn:aws:iam::aws:policy/AdministratorAccess".into(),
        },
        &protected,
    );
    refused::<UpdateRole>(
        &house,
        api::UpdateRoleRequest {
            role_name: name(),
            max_session_duration: Some(7_200),
            ..Default::default()
        },
        &protected,
    );
    house.ok::<CreateInstanceProfile>(api::CreateInstanceProfileRequest {
        instance_profile_name: "P".into(),
        ..Default::default()
    });
    refused::<AddRoleToInstanceProfile>(
        &house,
        api::AddRoleToInstanceProfileRequest {
            instance_profile_name: "P".into(),
            role_name: name(),
        },
        &protected,
    );
    // Description and tags are its account's.
    house.ok::<UpdateRoleDescription>(api::UpdateRoleDescriptionRequest {
        role_name: name(),
        description: "ours".into(),
    });
    house.ok::<TagRole>(api::TagRoleRequest { role_name: name(), tags: vec![tag("k", "v")] });
}

#[test]
fn deletion_is_a_task_that_tells_its_status() {
    let house = House::new();
    house.ok::<CreateServiceLinkedRole>(request("sagemaker.amazonaws.com", None));
    let delete = || api::DeleteServiceLinkedRoleRequest {
        role_name: "AWSServiceRoleForAmazonSageMakerNotebooks".into(),
    };
    let task = house.ok::<DeleteServiceLinkedRole>(delete()).deletion_task_id.unwrap();
    let start = "task/aws-service-role/sagemaker.amazonaws.com/\
                 AWSServiceRoleForAmazonSageMakerNotebooks/";
    assert_eq!(task.strip_prefix(start).map(str::len), Some(36), "{task}");
    let status =
        |id: &str| api::GetServiceLinkedRoleDeletionStatusRequest { deletion_task_id: id.into() };
    let done = house.ok::<GetServiceLinkedRoleDeletionStatus>(status(&task));
    assert_eq!(done.status, Some(api::DeletionTaskStatusType::Succeeded));
    let unknown = house.fails::<GetServiceLinkedRoleDeletionStatus>(status("task/x/y/z"));
    assert!(unknown.starts_with("NoSuchEntity (404)"), "{unknown}");
    assert!(house.fails::<DeleteServiceLinkedRole>(delete()).starts_with("NoSuchEntity (404)"));
    super::roles::create_role(&house, "R");
    let ordinary = api::DeleteServiceLinkedRoleRequest { role_name: "R".into() };
    assert!(house.fails::<DeleteServiceLinkedRole>(ordinary).starts_with("NoSuchEntity (404)"));
    house.ok::<CreateServiceLinkedRole>(request("sagemaker.amazonaws.com", None));
}

/// SPEC R4.4: the action is limited by `iam:AWSServiceName` and by the role's ARN.
#[test]
fn the_service_is_a_condition_key() {
    let house = House::new();
    let caller = house.user_with_policy(
        "scaler",
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:CreateServiceLinkedRole",
         "Resource":"arn:aws:iam::*:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint",
         "Condition":{"StringLike":{"iam:AWSServiceName":"sagemaker.application-autoscaling.amazonaws.com"}}}}"#,
    );
    let create =
        |service: &str| house.call::<CreateServiceLinkedRole>(&caller, request(service, None));
    assert!(create("license-manager.amazonaws.com").is_err());
    assert_eq!(create("example.amazonaws.com").unwrap_err().code, "AccessDenied");
    create("sagemaker.application-autoscaling.amazonaws.com").unwrap();
}
