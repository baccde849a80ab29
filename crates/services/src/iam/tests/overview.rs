use expect_test::expect;
use sagegate_api::iam as api;

use super::roles::create_role;
use super::{ALLOW_LIST, create_group, create_user, managed_policy, tag};
use crate::iam::authorization_details::GetAccountAuthorizationDetails;
use crate::iam::group_policies::AttachGroupPolicy;
use crate::iam::instance_profiles::{AddRoleToInstanceProfile, CreateInstanceProfile};
use crate::iam::membership::AddUserToGroup;
use crate::iam::policy_entities::ListEntitiesForPolicy;
use crate::iam::role_policies::{AttachRolePolicy, PutRolePolicy};
use crate::iam::role_tags::TagRole;
use crate::iam::user_policies::AttachUserPolicy;
use crate::iam::user_tags::PutUserPermissionsBoundary;
use crate::testing::House;

/// A user in a group, a role in an instance profile; all have the policy, the user twice.
fn stage() -> (House, String) {
    let house = House::new();
    let arn = managed_policy(&house, "P", ALLOW_LIST);
    create_user(&house, "u");
    create_group(&house, "g");
    create_role(&house, "R");
    house.ok::<AddUserToGroup>(api::AddUserToGroupRequest {
        group_name: "g".into(),
        user_name: "u".into(),
    });
    house.ok::<AttachUserPolicy>(api::AttachUserPolicyRequest {
        user_name: "u".into(),
        policy_arn: arn.clone(),
    });
    house.ok::<PutUserPermissionsBoundary>(api::PutUserPermissionsBoundaryRequest {
        user_name: "u".into(),
        permissions_boundary: arn.clone(),
    });
    house.ok::<AttachGroupPolicy>(api::AttachGroupPolicyRequest {
        group_name: "g".into(),
        policy_arn: arn.clone(),
    });
    house.ok::<AttachRolePolicy>(api::AttachRolePolicyRequest {
        role_name: "R".into(),
        policy_arn: arn.clone(),
    });
    (house, arn)
}

#[test]
fn entities_of_a_policy_are_listed_once_each() {
    let (house, arn) = stage();
    let list = |filter, usage, max_items, marker| {
        house.ok::<ListEntitiesForPolicy>(api::ListEntitiesForPolicyRequest {
            policy_arn: arn.clone(),
            entity_filter: filter,
            policy_usage_filter: usage,
            max_items,
            marker,
            path_prefix: None,
        })
    };
    let count = |it: &api::ListEntitiesForPolicyResponse| {
        let (users, groups) = (it.policy_users.as_ref(), it.policy_groups.as_ref());
        let roles = it.policy_roles.as_ref().unwrap().len();
        (users.unwrap().len(), groups.unwrap().len(), roles)
    };
    use api::PolicyUsageType::{PermissionsBoundary, PermissionsPolicy};
    assert_eq!(count(&list(None, None, None, None)), (1, 1, 1));
    assert_eq!(count(&list(Some(api::EntityType::Role), None, None, None)), (0, 0, 1));
    assert_eq!(count(&list(None, Some(PermissionsBoundary), None, None)), (1, 0, 0));
    assert_eq!(count(&list(None, Some(PermissionsPolicy), None, None)), (1, 1, 1));
    let first = list(None, None, Some(2), None);
    assert_eq!((count(&first), first.is_truncated), ((0, 1, 1), Some(true)));
    let second = list(None, None, Some(2), first.marker);
    assert_eq!((count(&second), second.is_truncated), ((1, 0, 0), Some(false)));
    assert_eq!(second.policy_users.unwrap()[0].user_name.as_deref(), Some("u"));
    expect!["NoSuchEntity (404): Policy arn:aws:iam::123456789012:policy/absent was not found."]
        .assert_eq(&house.fails::<ListEntitiesForPolicy>(api::ListEntitiesForPolicyRequest {
            policy_arn: "arn:aws:iam::123456789012:policy/absent".into(),
            ..Default::default()
        }));
}

#[test]
fn authorization_details_tell_everything_page_by_page() {
    let (house, arn) = stage();
    house.ok::<TagRole>(api::TagRoleRequest { role_name: "R".into(), tags: vec![tag("k", "v")] });
    house.ok::<PutRolePolicy>(api::PutRolePolicyRequest {
        role_name: "R".into(),
        policy_name: "inline".into(),
        policy_document: ALLOW_LIST.into(),
    });
    house.ok::<CreateInstanceProfile>(api::CreateInstanceProfileRequest {
        instance_profile_name: "I".into(),
        ..Default::default()
    });
    house.ok::<AddRoleToInstanceProfile>(api::AddRoleToInstanceProfileRequest {
        instance_profile_name: "I".into(),
        role_name: "R".into(),
    });
    let get = |filter: Option<Vec<api::EntityType>>, max_items, marker| {
        house.ok::<GetAccountAuthorizationDetails>(api::GetAccountAuthorizationDetailsRequest {
            filter,
            max_items,
            marker,
        })
    };
    let all = get(None, None, None);
    let user = &all.user_detail_list.unwrap()[0];
    assert_eq!(user.group_list, Some(vec!["g".to_owned()]));
    assert!(user.permissions_boundary.is_some());
    assert_eq!(all.group_detail_list.unwrap().len(), 1);
    let role = &all.role_detail_list.unwrap()[0];
    assert_eq!(role.tags, Some(vec![tag("k", "v")]));
    assert_eq!(role.role_policy_list.as_ref().unwrap()[0].policy_name.as_deref(), Some("inline"));
    let profiles = role.instance_profile_list.as_ref().unwrap();
    assert_eq!(profiles[0].roles.as_ref().unwrap().len(), 1);
    // AWS's own policies are told of where they are in use.
    let policies = all.policies.unwrap();
    assert_eq!(policies.len(), 1);
    assert_eq!(policies[0].arn.as_ref(), Some(&arn));
    assert_eq!((policies[0].attachment_count, all.is_truncated), (Some(3), Some(false)));
    let versions = policies[0].policy_version_list.as_ref().unwrap();
    assert!(versions[0].document.as_ref().unwrap().starts_with("%7B"));

    house.ok::<AttachUserPolicy>(api::AttachUserPolicyRequest {
        user_name: "u".into(),
        policy_arn: "arn:aws:iam::aws:policy/AdministratorAccess".into(),
    });
    let aws = get(Some(vec![api::EntityType::AwsManagedPolicy]), None, None);
    assert_eq!(aws.policies.unwrap().len(), 1);
    assert_eq!(aws.user_detail_list, Some(vec![]));

    let (mut seen, mut marker) = (0, None);
    loop {
        let page = get(None, Some(1), marker);
        seen += page.user_detail_list.unwrap().len() + page.group_detail_list.unwrap().len();
        seen += page.role_detail_list.unwrap().len() + page.policies.unwrap().len();
        marker = page.marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, 5);
}
