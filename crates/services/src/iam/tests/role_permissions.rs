//! What the operations on roles, managed policies and instance profiles ask for.

use expect_test::expect;
use sagegate_api::iam as api;
use sagegate_gate::Operation;

use super::permissions::{allow, asked};
use super::roles::EC2;
use super::{ALLOW_LIST, create_user, managed_policy, tag};
use crate::iam::authorization_details::GetAccountAuthorizationDetails;
use crate::iam::roles::CreateRole;
use crate::iam::{
    instance_profile_tags, instance_profiles, policies, policy_entities, policy_tags,
    policy_versions, role_policies, role_tags, role_update, roles, service_linked, simulate,
};
use crate::testing::House;

const R: &str = "arn:aws:iam::123456789012:role/p/R";
const P: &str = "arn:aws:iam::123456789012:policy/p/P";
const I: &str = "arn:aws:iam::123456789012:instance-profile/p/I";
const AWS: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
const LINKED: &str = "arn:aws:iam::123456789012:role/aws-service-role/sagemaker.amazonaws.com/AWSServiceRoleForAmazonSageMakerNotebooks";

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A user `nobody` with no permissions, a role, a policy and an instance profile under `/p/`.
fn stage() -> (House, String) {
    let house = House::new();
    create_user(&house, "nobody");
    house.ok::<CreateRole>(api::CreateRoleRequest {
        role_name: "R".into(),
        path: some("/p/"),
        assume_role_policy_document: EC2.into(),
        ..Default::default()
    });
    house.ok::<policies::CreatePolicy>(api::CreatePolicyRequest {
        policy_name: "P".into(),
        path: some("/p/"),
        policy_document: ALLOW_LIST.into(),
        ..Default::default()
    });
    house.ok::<instance_profiles::CreateInstanceProfile>(api::CreateInstanceProfileRequest {
        instance_profile_name: "I".into(),
        path: some("/p/"),
        ..Default::default()
    });
    (house, "no key".into())
}

#[test]
fn every_operation_asks_for_its_action_on_its_resource() {
    let lines = asked! { key,
        roles::CreateRole { role_name: "new", path: some("/q/") } on "arn:aws:iam::123456789012:role/q/new";
        roles::GetRole { role_name: "r" } on R;
        roles::GetRole { role_name: "absent" } on "arn:aws:iam::123456789012:role/absent";
        roles::ListRoles { path_prefix: some("/p/") } on "arn:aws:iam::123456789012:role/*";
        roles::DeleteRole { role_name: "r" } on R;
        role_update::UpdateRole { role_name: "r" } on R;
        role_update::UpdateRoleDescription { role_name: "r" } on R;
        role_update::UpdateAssumeRolePolicy { role_name: "r" } on R;
        role_update::PutRolePermissionsBoundary { role_name: "r" } on R;
        role_update::DeleteRolePermissionsBoundary { role_name: "r" } on R;
        role_policies::PutRolePolicy { role_name: "r" } on R;
        role_policies::GetRolePolicy { role_name: "r" } on R;
        role_policies::DeleteRolePolicy { role_name: "r" } on R;
        role_policies::ListRolePolicies { role_name: "r" } on R;
        role_policies::AttachRolePolicy { role_name: "r" } on R;
        role_policies::DetachRolePolicy { role_name: "r" } on R;
        role_policies::ListAttachedRolePolicies { role_name: "r" } on R;
        role_tags::TagRole { role_name: "r" } on R;
        role_tags::UntagRole { role_name: "r" } on R;
        role_tags::ListRoleTags { role_name: "r" } on R;
        service_linked::CreateServiceLinkedRole { aws_service_name: "sagemaker.amazonaws.com" } on LINKED;
        service_linked::DeleteServiceLinkedRole { role_name: "r" } on R;
        service_linked::GetServiceLinkedRoleDeletionStatus { deletion_task_id: "task/aws-service-role/s/N/id" } on "arn:aws:iam::123456789012:role/aws-service-role/s/N";
        instance_profiles::CreateInstanceProfile { instance_profile_name: "new" } on "arn:aws:iam::123456789012:instance-profile/new";
        instance_profiles::GetInstanceProfile { instance_profile_name: "i" } on I;
        instance_profiles::ListInstanceProfiles { } on "arn:aws:iam::123456789012:instance-profile/*";
        instance_profiles::ListInstanceProfilesForRole { role_name: "r" } on R;
        instance_profiles::RemoveRoleFromInstanceProfile { instance_profile_name: "i" } on I;
        instance_profiles::DeleteInstanceProfile { instance_profile_name: "i" } on I;
        instance_profile_tags::TagInstanceProfile { instance_profile_name: "i" } on I;
        instance_profile_tags::UntagInstanceProfile { instance_profile_name: "i" } on I;
        instance_profile_tags::ListInstanceProfileTags { instance_profile_name: "i" } on I;
        policies::CreatePolicy { policy_name: "new" } on "arn:aws:iam::123456789012:policy/new";
        policies::GetPolicy { policy_arn: P } on P;
        policies::GetPolicy { policy_arn: AWS } on "arn:aws:iam::aws:policy/*";
        policies::ListPolicies { } on "*";
        policies::DeletePolicy { policy_arn: P } on P;
        policy_versions::CreatePolicyVersion { policy_arn: P } on P;
        policy_versions::GetPolicyVersion { policy_arn: P } on P;
        policy_versions::ListPolicyVersions { policy_arn: P } on P;
        policy_versions::SetDefaultPolicyVersion { policy_arn: P } on P;
        policy_versions::DeletePolicyVersion { policy_arn: P } on P;
        policy_tags::TagPolicy { policy_arn: P } on P;
        policy_tags::UntagPolicy { policy_arn: P } on P;
        policy_tags::ListPolicyTags { policy_arn: P } on P;
        policy_entities::ListEntitiesForPolicy { policy_arn: P } on P;
        GetAccountAuthorizationDetails { } on "*";
        simulate::SimulateCustomPolicy { } on "*";
        simulate::SimulatePrincipalPolicy { policy_source_arn: R } on R;
    };
    expect![[r#"
        iam:CreateRole on resource: arn:aws:iam::123456789012:role/q/new
        iam:GetRole on resource: role r
        iam:GetRole on resource: role absent
        iam:ListRoles on resource: arn:aws:iam::123456789012:role/p/
        iam:DeleteRole on resource: role r
        iam:UpdateRole on resource: role r
        iam:UpdateRoleDescription on resource: role r
        iam:UpdateAssumeRolePolicy on resource: role r
        iam:PutRolePermissionsBoundary on resource: role r
        iam:DeleteRolePermissionsBoundary on resource: role r
        iam:PutRolePolicy on resource: role r
        iam:GetRolePolicy on resource: role r
        iam:DeleteRolePolicy on resource: role r
        iam:ListRolePolicies on resource: role r
        iam:AttachRolePolicy on resource: role r
        iam:DetachRolePolicy on resource: role r
        iam:ListAttachedRolePolicies on resource: role r
        iam:TagRole on resource: role r
        iam:UntagRole on resource: role r
        iam:ListRoleTags on resource: role r
        iam:CreateServiceLinkedRole on resource: arn:aws:iam::123456789012:role/aws-service-role/sagemaker.amazonaws.com/AWSServiceRoleForAmazonSageMakerNotebooks
        iam:DeleteServiceLinkedRole on resource: role r
        iam:GetServiceLinkedRoleDeletionStatus on resource: arn:aws:iam::123456789012:role/aws-service-role/s/N
        iam:CreateInstanceProfile on resource: arn:aws:iam::123456789012:instance-profile/new
        iam:GetInstanceProfile on resource: instance profile i
        iam:ListInstanceProfiles on resource: arn:aws:iam::123456789012:instance-profile/
        iam:ListInstanceProfilesForRole on resource: role r
        iam:RemoveRoleFromInstanceProfile on resource: instance profile i
        iam:DeleteInstanceProfile on resource: instance profile i
        iam:TagInstanceProfile on resource: instance profile i
        iam:UntagInstanceProfile on resource: instance profile i
        iam:ListInstanceProfileTags on resource: instance profile i
        iam:CreatePolicy on resource: arn:aws:iam::123456789012:policy/new
        iam:GetPolicy on resource: policy arn:aws:iam::123456789012:policy/p/P
        iam:GetPolicy on resource: policy arn:aws:iam::aws:policy/AdministratorAccess
        iam:ListPolicies on resource: policy path /
        iam:DeletePolicy on resource: policy arn:aws:iam::123456789012:policy/p/P
        iam:CreatePolicyVersion on resource: policy arn:aws:iam::123456789012:policy/p/P
        iam:GetPolicyVersion on resource: policy arn:aws:iam::123456789012:policy/p/P
        iam:ListPolicyVersions on resource: policy arn:aws:iam::123456789012:policy/p/P
        iam:SetDefaultPolicyVersion on resource: policy arn:aws:iam::123456789012:policy/p/P
        iam:DeletePolicyVersion on resource: policy arn:aws:iam::123456789012:policy/p/P
        iam:TagPolicy on resource: policy arn:aws:iam::123456789012:policy/p/P
        iam:UntagPolicy on resource: policy arn:aws:iam::123456789012:policy/p/P
        iam:ListPolicyTags on resource: policy arn:aws:iam::123456789012:policy/p/P
        iam:ListEntitiesForPolicy on resource: policy arn:aws:iam::123456789012:policy/p/P
        iam:GetAccountAuthorizationDetails on resource: *
        iam:SimulateCustomPolicy on resource: *
        iam:SimulatePrincipalPolicy on resource: arn:aws:iam::123456789012:role/p/R
    "#]].assert_eq(&lines);
}

/// Who may make roles only under a boundary and only with certain tags.
#[test]
fn boundary_and_tags_of_a_new_role_are_condition_keys() {
    let house = House::new();
    let bound = managed_policy(&house, "Bound", ALLOW_LIST);
    let caller = house.user_with_policy(
        "delegate",
        &format!(
            r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Action":["iam:CreateRole","iam:PutRolePolicy","iam:AttachRolePolicy"],
              "Resource":"*","Condition":{{"StringEquals":{{"iam:PermissionsBoundary":"{bound}"}}}}}},
            {{"Effect":"Deny","Action":"iam:AttachRolePolicy","Resource":"*",
              "Condition":{{"ArnEquals":{{"iam:PolicyARN":"{AWS}"}}}}}},
            {{"Effect":"Allow","Action":"iam:TagRole","Resource":"*",
              "Condition":{{"StringEquals":{{"aws:RequestTag/Team":"a"}},
              "ForAllValues:StringEquals":{{"aws:TagKeys":"Team"}}}}}},
            {{"Effect":"Allow","Action":"iam:DeleteRole","Resource":"*",
              "Condition":{{"StringEquals":{{"iam:ResourceTag/Team":"a"}}}}}}]}}"#
        ),
    );
    let create = |name: &str, boundary: Option<&str>, tags: Option<Vec<api::Tag>>| {
        house.call::<CreateRole>(
            &caller,
            api::CreateRoleRequest {
                role_name: name.into(),
                assume_role_policy_document: EC2.into(),
                permissions_boundary: boundary.map(Into::into),
                tags,
                ..Default::default()
            },
        )
    };
    assert!(create("a", None, None).is_err());
    assert!(create("a", Some(AWS), None).is_err());
    let denied = create("a", Some(&bound), Some(vec![tag("Team", "b")])).unwrap_err();
    assert!(denied.message.contains("iam:TagRole"), "{}", denied.message);
    create("a", Some(&bound), Some(vec![tag("Team", "a")])).unwrap();
    create("untagged", Some(&bound), None).unwrap();
    super::roles::create_role(&house, "free");
    let attach = |role: &str, arn: &str| {
        house.call::<role_policies::AttachRolePolicy>(
            &caller,
            api::AttachRolePolicyRequest { role_name: role.into(), policy_arn: arn.into() },
        )
    };
    attach("a", &bound).unwrap();
    assert!(attach("a", AWS).is_err());
    assert!(attach("free", &bound).is_err());
    assert!(attach("absent", &bound).is_err());
    house.ok::<role_policies::DetachRolePolicy>(api::DetachRolePolicyRequest {
        role_name: "a".into(),
        policy_arn: bound.clone(),
    });
    let delete = |role: &str| {
        house.call::<roles::DeleteRole>(&caller, api::DeleteRoleRequest { role_name: role.into() })
    };
    assert!(delete("untagged").is_err());
    delete("a").unwrap();
}

/// Who may not touch what a boundary limits: the boundary is a key of all that changes a role.
#[test]
fn a_deny_by_boundary_holds_for_all_that_changes_a_role() {
    let house = House::new();
    let bound = managed_policy(&house, "Bound", ALLOW_LIST);
    let caller = house.user_with_policy(
        "u",
        &format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"*","Resource":"*"}},
            {{"Effect":"Deny","Action":"*","Resource":"*",
              "Condition":{{"ArnEquals":{{"iam:PermissionsBoundary":"{bound}"}}}}}}]}}"#
        ),
    );
    for (name, boundary, right) in [("bounded", Some(bound.clone()), false), ("free", None, true)] {
        let role_name = || name.to_owned();
        house.ok::<CreateRole>(api::CreateRoleRequest {
            role_name: role_name(),
            assume_role_policy_document: EC2.into(),
            permissions_boundary: boundary,
            ..Default::default()
        });
        let get = api::GetRoleRequest { role_name: role_name() };
        let update = api::UpdateRoleRequest { role_name: role_name(), ..Default::default() };
        let describe =
            api::UpdateRoleDescriptionRequest { role_name: role_name(), description: "d".into() };
        let trust = api::UpdateAssumeRolePolicyRequest {
            role_name: role_name(),
            policy_document: EC2.into(),
        };
        let delete = api::DeleteRoleRequest { role_name: role_name() };
        let passed = [
            house.call::<roles::GetRole>(&caller, get).is_ok(),
            house.call::<role_update::UpdateRole>(&caller, update).is_ok(),
            house.call::<role_update::UpdateRoleDescription>(&caller, describe).is_ok(),
            house.call::<role_update::UpdateAssumeRolePolicy>(&caller, trust).is_ok(),
            house.call::<roles::DeleteRole>(&caller, delete).is_ok(),
        ];
        assert_eq!(passed, [right; 5], "{name}");
    }
}

#[test]
fn iam_resource_tag_is_about_users_and_roles_only() {
    let house = House::new();
    house.ok::<policies::CreatePolicy>(api::CreatePolicyRequest {
        policy_name: "P".into(),
        policy_document: ALLOW_LIST.into(),
        tags: Some(vec![tag("Team", "a")]),
        ..Default::default()
    });
    house.ok::<instance_profiles::CreateInstanceProfile>(api::CreateInstanceProfileRequest {
        instance_profile_name: "I".into(),
        tags: Some(vec![tag("Team", "a")]),
        ..Default::default()
    });
    for (prefix, right) in [("aws", true), ("iam", false)] {
        let caller = house.user_with_policy(
            prefix,
            &format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"*",
                "Condition":{{"StringEquals":{{"{prefix}:ResourceTag/Team":"a"}}}}}}}}"#
            ),
        );
        let get = api::GetPolicyRequest { policy_arn: "arn:aws:iam::123456789012:policy/P".into() };
        assert_eq!(house.call::<policies::GetPolicy>(&caller, get).is_ok(), right, "{prefix}");
        let get = api::GetInstanceProfileRequest { instance_profile_name: "I".into() };
        let answer = house.call::<instance_profiles::GetInstanceProfile>(&caller, get);
        assert_eq!(answer.is_ok(), right, "{prefix}");
    }
}

/// A policy of another account is another account's to show.
#[test]
fn another_accounts_policy_is_out_of_reach() {
    let house = House::new();
    let caller = house.user_with_policy(
        "all",
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
    );
    let input = api::GetPolicyRequest { policy_arn: "arn:aws:iam::210987654321:policy/P".into() };
    expect!["NoSuchEntity (404): Policy arn:aws:iam::210987654321:policy/P was not found."]
        .assert_eq(&house.fails_for::<policies::GetPolicy>(&caller, input));
}
