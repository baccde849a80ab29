use expect_test::expect;
use sagegate_api::iam as api;

use super::{ALLOW_LIST, create_group, create_user, managed_policy};
use crate::iam::aws_managed;
use crate::iam::group_policies::{AttachGroupPolicy, DetachGroupPolicy, ListAttachedGroupPolicies};
use crate::iam::groups::DeleteGroup;
use crate::iam::membership::AddUserToGroup;
use crate::iam::records::{ATTACHED_TO, BOUNDARY_OF};
use crate::iam::user_policies::{
    AttachUserPolicy, DetachUserPolicy, GetUserPolicy, ListAttachedUserPolicies, PutUserPolicy,
};
use crate::iam::user_tags::{DeleteUserPermissionsBoundary, PutUserPermissionsBoundary};
use crate::iam::users::{CreateUser, DeleteUser, GetUser, ListUsers};
use crate::testing::House;

fn attach(arn: &str) -> api::AttachUserPolicyRequest {
    api::AttachUserPolicyRequest { user_name: "u".into(), policy_arn: arn.into() }
}

fn detach(arn: &str) -> api::DetachUserPolicyRequest {
    api::DetachUserPolicyRequest { user_name: "u".into(), policy_arn: arn.into() }
}

fn put(name: &str, document: &str) -> api::PutUserPolicyRequest {
    api::PutUserPolicyRequest {
        user_name: "u".into(),
        policy_name: name.into(),
        policy_document: document.into(),
    }
}

#[test]
fn an_attached_policy_binds_until_it_is_detached() {
    let house = House::new();
    create_user(&house, "u");
    let caller = house.user("u");
    let list = || house.call::<ListUsers>(&caller, Default::default());
    let arn = managed_policy(&house, "P", ALLOW_LIST);
    assert!(list().is_err());
    house.ok::<AttachUserPolicy>(attach(&arn));
    house.ok::<AttachUserPolicy>(attach(&arn));
    assert!(list().is_ok());
    let attached = house.ok::<ListAttachedUserPolicies>(api::ListAttachedUserPoliciesRequest {
        user_name: "u".into(),
        ..Default::default()
    });
    let attached = attached.attached_policies.unwrap();
    assert_eq!(attached.len(), 1);
    assert_eq!(attached[0].policy_name.as_deref(), Some("P"));
    let elsewhere = house.ok::<ListAttachedUserPolicies>(api::ListAttachedUserPoliciesRequest {
        user_name: "u".into(),
        path_prefix: Some("/x/".into()),
        ..Default::default()
    });
    assert_eq!(elsewhere.attached_policies.unwrap(), []);
    let conflict = house.fails::<DeleteUser>(api::DeleteUserRequest { user_name: "u".into() });
    expect!["DeleteConflict (409): Cannot delete entity, must detach all policies first."]
        .assert_eq(&conflict);
    house.ok::<DetachUserPolicy>(detach(&arn));
    assert!(list().is_err());
    expect!["NoSuchEntity (404): Policy arn:aws:iam::123456789012:policy/P was not found."]
        .assert_eq(&house.fails::<DetachUserPolicy>(detach(&arn)));
    let left = ATTACHED_TO.count(&house.state(), &("123456789012",)).unwrap();
    assert_eq!(left, 0);
    for unknown in [
        "arn:aws:iam::123456789012:policy/Q",
        "arn:aws:iam::123456789012:policy/p",
        "arn:aws:iam::123456789012:policy/x/P",
        "arn:aws:iam::999999999999:policy/P",
        "arn:aws:iam::aws:policy/NoSuchPolicy",
        "arn:aws-cn:iam::aws:policy/AdministratorAccess",
    ] {
        let text = house.fails::<AttachUserPolicy>(attach(unknown));
        let expected =
            format!("NoSuchEntity (404): Policy {unknown} does not exist or is not attachable.");
        assert_eq!(text, expected);
    }
    expect!["ValidationError (400): ARN not an ARN at all, yet long enough is not valid."]
        .assert_eq(&house.fails::<AttachUserPolicy>(attach("not an ARN at all, yet long enough")));
}

#[test]
fn aws_own_policies_are_attached_but_not_those_of_service_linked_roles() {
    let house = House::new();
    create_user(&house, "u");
    let caller = house.user("u");
    house.ok::<AttachUserPolicy>(attach("arn:aws:iam::aws:policy/IAMReadOnlyAccess"));
    house.call::<ListUsers>(&caller, Default::default()).unwrap();
    let service_roles = aws_managed::all().filter_map(|it| aws_managed::find(&it.arn("aws")));
    let arn = service_roles.into_iter().find(|it| it.for_service_roles_only()).unwrap().arn;
    expect!["PolicyNotAttachable (400): Cannot attach a Service Role Policy to a Customer Role."]
        .assert_eq(&house.fails::<AttachUserPolicy>(attach(&arn)));
}

#[test]
fn ten_policies_are_attached_at_most() {
    let house = House::new();
    create_user(&house, "u");
    create_group(&house, "g");
    for number in 0..11 {
        let arn = managed_policy(&house, &format!("P{number}"), ALLOW_LIST);
        let group =
            api::AttachGroupPolicyRequest { group_name: "g".into(), policy_arn: arn.clone() };
        if number < 10 {
            house.ok::<AttachUserPolicy>(attach(&arn));
            house.ok::<AttachGroupPolicy>(group);
        } else {
            expect!["LimitExceeded (409): Cannot exceed quota for PoliciesPerUser: 10"]
                .assert_eq(&house.fails::<AttachUserPolicy>(attach(&arn)));
            expect!["LimitExceeded (409): Cannot exceed quota for PoliciesPerGroup: 10"]
                .assert_eq(&house.fails::<AttachGroupPolicy>(group));
        }
    }
}

#[test]
fn a_groups_managed_policy_reaches_its_users() {
    let house = House::new();
    create_user(&house, "u");
    create_group(&house, "g");
    let caller = house.user("u");
    house.ok::<AddUserToGroup>(api::AddUserToGroupRequest {
        group_name: "g".into(),
        user_name: "u".into(),
    });
    let arn = managed_policy(&house, "P", ALLOW_LIST);
    let pair = api::AttachGroupPolicyRequest { group_name: "g".into(), policy_arn: arn.clone() };
    house.ok::<AttachGroupPolicy>(pair);
    // The same policy by two ways is one.
    house.ok::<AttachUserPolicy>(attach(&arn));
    house.call::<ListUsers>(&caller, Default::default()).unwrap();
    house.ok::<DetachUserPolicy>(detach(&arn));
    house.call::<ListUsers>(&caller, Default::default()).unwrap();
    let attached = house.ok::<ListAttachedGroupPolicies>(api::ListAttachedGroupPoliciesRequest {
        group_name: "g".into(),
        ..Default::default()
    });
    assert_eq!(attached.attached_policies.unwrap().len(), 1);
    house.ok::<DetachGroupPolicy>(api::DetachGroupPolicyRequest {
        group_name: "g".into(),
        policy_arn: arn,
    });
    assert!(house.call::<ListUsers>(&caller, Default::default()).is_err());
    let in_use = house.fails::<DeleteGroup>(api::DeleteGroupRequest { group_name: "g".into() });
    expect!["DeleteConflict (409): Cannot delete entity, must remove users from group first."]
        .assert_eq(&in_use);
}

#[test]
fn inline_policies_share_one_quota_and_are_checked() {
    let house = House::new();
    create_user(&house, "u");
    let of_size = |size: usize| {
        let empty = ALLOW_LIST.replace("iam:ListUsers", "iam:");
        let fill = "x".repeat(size - empty.len());
        ALLOW_LIST.replace("iam:ListUsers", &format!("iam:{fill}"))
    };
    house.ok::<PutUserPolicy>(put("a", &of_size(1_024)));
    house.ok::<PutUserPolicy>(put("b", &of_size(1_024)));
    house.ok::<PutUserPolicy>(put("b", &format!("  {}\n\n", of_size(1_024))));
    expect!["LimitExceeded (409): Maximum policy size of 2048 bytes exceeded for user u"]
        .assert_eq(&house.fails::<PutUserPolicy>(put("b", &of_size(1_025))));
    expect!["LimitExceeded (409): Maximum policy size of 2048 bytes exceeded for user u"]
        .assert_eq(&house.fails::<PutUserPolicy>(put("c", &of_size(100))));
    let principal = ALLOW_LIST.replace("\"Effect\"", "\"Principal\":\"*\",\"Effect\"");
    expect!["MalformedPolicyDocument (400): Policy document should not specify a principal."]
        .assert_eq(&house.fails::<PutUserPolicy>(put("d", &principal)));
    let get = api::GetUserPolicyRequest { user_name: "u".into(), policy_name: "d".into() };
    expect!["NoSuchEntity (404): The user policy with name d cannot be found."]
        .assert_eq(&house.fails::<GetUserPolicy>(get));
}

#[test]
fn the_seed_policies_are_stored_as_they_are() {
    let house = House::new();
    create_user(&house, "u");
    // SPEC T1: blanks in a Sid, and an Id.
    let seed = r#"{"Id":"sagemaker-studio-example-1","Version":"2012-10-17","Statement":[{"Sid":
        "Enable SageMaker Studio Access","Effect":"Allow","Action":[
        "sagemaker:CreatePresignedDomainUrl","sagemaker:DescribeUserProfile"],"Resource":"*",
        "Condition":{"StringEquals":{"aws:sourceVpc":"vpc-111bbaaa"}}}]}"#;
    house.ok::<PutUserPolicy>(put("seed", seed));
    let got = house.ok::<GetUserPolicy>(api::GetUserPolicyRequest {
        user_name: "U".into(),
        policy_name: "seed".into(),
    });
    assert_eq!(got.user_name.as_deref(), Some("u"));
    let decoded = percent_encoding::percent_decode_str(got.policy_document.as_deref().unwrap());
    assert_eq!(decoded.decode_utf8().unwrap(), seed);
}

#[test]
fn a_boundary_bounds() {
    let house = House::new();
    let bound = managed_policy(&house, "Bound", &ALLOW_LIST.replace("ListUsers", "ListGroups"));
    house.ok::<CreateUser>(api::CreateUserRequest {
        user_name: "u".into(),
        permissions_boundary: Some(bound.clone()),
        ..Default::default()
    });
    house.ok::<PutUserPolicy>(put("p", ALLOW_LIST));
    let caller = house.user("u");
    let shown = house.ok::<GetUser>(api::GetUserRequest { user_name: Some("u".into()) });
    let boundary = shown.user.unwrap().permissions_boundary.unwrap();
    assert_eq!(boundary.permissions_boundary_arn.as_deref(), Some(bound.as_str()));
    expect!["AccessDenied (403): User: arn:aws:iam::123456789012:user/u is not authorized to perform: iam:ListUsers on resource: arn:aws:iam::123456789012:user/ because no permissions boundary allows the iam:ListUsers action"]
        .assert_eq(&house.fails_for::<ListUsers>(&caller, Default::default()));
    let name = || "u".to_owned();
    house.ok::<DeleteUserPermissionsBoundary>(api::DeleteUserPermissionsBoundaryRequest {
        user_name: name(),
    });
    house.call::<ListUsers>(&caller, Default::default()).unwrap();
    let put = |arn: &str| api::PutUserPermissionsBoundaryRequest {
        user_name: name(),
        permissions_boundary: arn.to_owned(),
    };
    house.ok::<PutUserPermissionsBoundary>(put(&bound));
    assert!(house.call::<ListUsers>(&caller, Default::default()).is_err());
    let unknown = "arn:aws:iam::123456789012:policy/Unknown";
    expect!["NoSuchEntity (404): Scope ARN: arn:aws:iam::123456789012:policy/Unknown does not exist or is not attachable."]
        .assert_eq(&house.fails::<PutUserPermissionsBoundary>(put(unknown)));
    let keys = BOUNDARY_OF.count(&house.state(), &("123456789012", bound.as_str())).unwrap();
    assert_eq!(keys, 1);
}
