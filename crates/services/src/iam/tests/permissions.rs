//! What each operation asks for: the action, the resource and the condition keys.

use expect_test::expect;
use sagegate_api::Unit;
use sagegate_api::iam as api;
use sagegate_gate::{Operation, SessionFacts};

use super::{create_group, create_user, managed_policy, tag};
use crate::iam::{
    access_keys, account, group_policies, groups, membership, user_policies, user_tags, users,
};
use crate::testing::House;

/// For each operation: who may do nothing is refused, and told this of action and resource; who may
/// do just this action on just this ARN is not.
macro_rules! asked {
    ($key:ident, $($operation:ty { $($field:ident: $value:expr),* } on $arn:expr;)*) => {{
        let mut lines = String::new();
        $({
            let (house, $key) = stage();
            let caller = house.user("nobody");
            let input = || {
                type Input = <$operation as Operation>::Input;
                #[allow(unused_mut, clippy::allow_attributes, reason = "some have no member to set")]
                let mut input = Input::default();
                $(input.$field = $value.into();)*
                input
            };
            let text = house.fails_for::<$operation>(&caller, input());
            let (_, asked) = text.split_once("perform: ").unwrap_or(("", &text));
            let (asked, _) = asked.split_once(" because ").unwrap_or((asked, ""));
            lines.push_str(&asked.replace(&$key, "AKIAKEYOFU"));
            lines.push('\n');
            allow(&house, <$operation>::NAME, $arn);
            if let Err(fault) = house.call::<$operation>(&caller, input()) {
                assert_ne!(fault.code, "AccessDenied", "{}: {}", <$operation>::NAME, fault.message);
            }
        })*
        lines
    }};
}

pub(super) use asked;

/// Lets `nobody` do one action on one resource.
pub(super) fn allow(house: &House, action: &str, resource: &str) {
    house.ok::<user_policies::PutUserPolicy>(api::PutUserPolicyRequest {
        user_name: "nobody".into(),
        policy_name: "one".into(),
        policy_document: format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"iam:{action}","Resource":"{resource}"}}}}"#
        ),
    });
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A user `nobody` with no permissions, a user `U` with a key, a group `G`, and the key's id.
fn stage() -> (House, String) {
    let house = House::new();
    create_user(&house, "nobody");
    let path = some("/p/");
    house.ok::<users::CreateUser>(api::CreateUserRequest {
        user_name: "U".into(),
        path: path.clone(),
        ..Default::default()
    });
    house.ok::<groups::CreateGroup>(api::CreateGroupRequest { group_name: "G".into(), path });
    let input = api::CreateAccessKeyRequest { user_name: some("U") };
    let key = house.ok::<access_keys::CreateAccessKey>(input).access_key.unwrap();
    (house, key.access_key_id.unwrap())
}

const U: &str = "arn:aws:iam::123456789012:user/p/U";
const G: &str = "arn:aws:iam::123456789012:group/p/G";

#[test]
fn every_operation_asks_for_its_action_on_its_resource() {
    let lines = asked! { key,
        users::CreateUser { user_name: "new", path: some("/q/") } on "arn:aws:iam::123456789012:user/q/new";
        users::GetUser { user_name: some("u") } on U;
        users::GetUser { } on "arn:aws:iam::123456789012:user/nobody";
        users::GetUser { user_name: some("absent") } on "arn:aws:iam::123456789012:user/absent";
        users::ListUsers { path_prefix: some("/p/") } on "arn:aws:iam::123456789012:user/*";
        users::UpdateUser { user_name: "u", new_path: some("/q/") } on "arn:aws:iam::123456789012:user/?/U";
        users::DeleteUser { user_name: "u" } on U;
        user_tags::TagUser { user_name: "u" } on U;
        user_tags::UntagUser { user_name: "u" } on U;
        user_tags::ListUserTags { user_name: "u" } on U;
        user_tags::PutUserPermissionsBoundary { user_name: "u" } on U;
        user_tags::DeleteUserPermissionsBoundary { user_name: "u" } on U;
        user_policies::AttachUserPolicy { user_name: "u" } on U;
        user_policies::DetachUserPolicy { user_name: "u" } on U;
        user_policies::ListAttachedUserPolicies { user_name: "u" } on U;
        user_policies::PutUserPolicy { user_name: "u" } on U;
        user_policies::GetUserPolicy { user_name: "u" } on U;
        user_policies::ListUserPolicies { user_name: "u" } on U;
        user_policies::DeleteUserPolicy { user_name: "u" } on U;
        groups::CreateGroup { group_name: "new" } on "arn:aws:iam::123456789012:group/new";
        groups::GetGroup { group_name: "g" } on G;
        groups::ListGroups { } on "arn:aws:iam::123456789012:group/*";
        groups::UpdateGroup { group_name: "g", new_group_name: some("h") } on "arn:aws:iam::123456789012:group/p/?";
        groups::DeleteGroup { group_name: "g" } on G;
        membership::AddUserToGroup { group_name: "g", user_name: "u" } on G;
        membership::RemoveUserFromGroup { group_name: "g", user_name: "u" } on G;
        membership::ListGroupsForUser { user_name: "u" } on U;
        group_policies::AttachGroupPolicy { group_name: "g" } on G;
        group_policies::DetachGroupPolicy { group_name: "g" } on G;
        group_policies::ListAttachedGroupPolicies { group_name: "g" } on G;
        group_policies::PutGroupPolicy { group_name: "g" } on G;
        group_policies::GetGroupPolicy { group_name: "g" } on G;
        group_policies::ListGroupPolicies { group_name: "g" } on G;
        group_policies::DeleteGroupPolicy { group_name: "g" } on G;
        access_keys::CreateAccessKey { user_name: some("u") } on U;
        access_keys::CreateAccessKey { } on "arn:aws:iam::123456789012:user/nobody";
        access_keys::UpdateAccessKey { user_name: some("u") } on U;
        access_keys::DeleteAccessKey { user_name: some("u") } on U;
        access_keys::ListAccessKeys { user_name: some("u") } on U;
        access_keys::GetAccessKeyLastUsed { access_key_id: key.as_str() } on U;
        access_keys::GetAccessKeyLastUsed { access_key_id: "AKIAUNKNOWNUNKNOWN22" } on "*";
        account::CreateAccountAlias { account_alias: "a" } on "*";
        account::DeleteAccountAlias { account_alias: "a" } on "*";
        account::ListAccountAliases { } on "*";
    };
    expect![[r#"
        iam:CreateUser on resource: arn:aws:iam::123456789012:user/q/new
        iam:GetUser on resource: user u
        iam:GetUser on resource: user nobody
        iam:GetUser on resource: user absent
        iam:ListUsers on resource: arn:aws:iam::123456789012:user/p/
        iam:UpdateUser on resource: user u
        iam:DeleteUser on resource: user u
        iam:TagUser on resource: user u
        iam:UntagUser on resource: user u
        iam:ListUserTags on resource: user u
        iam:PutUserPermissionsBoundary on resource: user u
        iam:DeleteUserPermissionsBoundary on resource: user u
        iam:AttachUserPolicy on resource: user u
        iam:DetachUserPolicy on resource: user u
        iam:ListAttachedUserPolicies on resource: user u
        iam:PutUserPolicy on resource: user u
        iam:GetUserPolicy on resource: user u
        iam:ListUserPolicies on resource: user u
        iam:DeleteUserPolicy on resource: user u
        iam:CreateGroup on resource: arn:aws:iam::123456789012:group/new
        iam:GetGroup on resource: group g
        iam:ListGroups on resource: arn:aws:iam::123456789012:group/
        iam:UpdateGroup on resource: group g
        iam:DeleteGroup on resource: group g
        iam:AddUserToGroup on resource: group g
        iam:RemoveUserFromGroup on resource: group g
        iam:ListGroupsForUser on resource: user u
        iam:AttachGroupPolicy on resource: group g
        iam:DetachGroupPolicy on resource: group g
        iam:ListAttachedGroupPolicies on resource: group g
        iam:PutGroupPolicy on resource: group g
        iam:GetGroupPolicy on resource: group g
        iam:ListGroupPolicies on resource: group g
        iam:DeleteGroupPolicy on resource: group g
        iam:CreateAccessKey on resource: user u
        iam:CreateAccessKey on resource: user nobody
        iam:UpdateAccessKey on resource: user u
        iam:DeleteAccessKey on resource: user u
        iam:ListAccessKeys on resource: user u
        iam:GetAccessKeyLastUsed on resource: access key AKIAKEYOFU
        iam:GetAccessKeyLastUsed on resource: access key AKIAUNKNOWNUNKNOWN22
        iam:CreateAccountAlias on resource: *
        iam:DeleteAccountAlias on resource: *
        iam:ListAccountAliases on resource: *
    "#]]
    .assert_eq(&lines);
    let (house, _) = stage();
    let denied = house.fails_for::<account::GetAccountSummary>(&house.user("nobody"), Unit);
    expect!["AccessDenied (403): User: arn:aws:iam::123456789012:user/nobody is not authorized to perform: iam:GetAccountSummary on resource: * because no identity-based policy allows the iam:GetAccountSummary action"].assert_eq(&denied);
}

/// The delegation of the IAM User Guide ("Delegating responsibility to others using permissions
/// boundaries"): may make and change users, as long as they have the boundary.
#[test]
fn a_delegate_touches_bounded_users_only() {
    let house = House::new();
    let bound = managed_policy(&house, "Bound", super::ALLOW_LIST);
    let other = managed_policy(&house, "Other", super::ALLOW_LIST);
    let delegate = house.user_with_policy(
        "delegate",
        &format!(
            r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Action":["iam:CreateUser","iam:PutUserPolicy","iam:AttachUserPolicy",
             "iam:DetachUserPolicy","iam:DeleteUserPolicy","iam:PutUserPermissionsBoundary"],
             "Resource":"*","Condition":{{"StringEquals":{{"iam:PermissionsBoundary":"{bound}"}}}}}},
            {{"Effect":"Deny","Action":["iam:AttachUserPolicy","iam:DetachUserPolicy"],"Resource":"*",
             "Condition":{{"ArnEquals":{{"iam:PolicyARN":"{other}"}}}}}}]}}"#
        ),
    );
    let create = |name: &str, boundary: Option<&str>| api::CreateUserRequest {
        user_name: name.into(),
        permissions_boundary: boundary.map(Into::into),
        ..Default::default()
    };
    assert!(house.call::<users::CreateUser>(&delegate, create("a", None)).is_err());
    assert!(house.call::<users::CreateUser>(&delegate, create("a", Some(&other))).is_err());
    house.call::<users::CreateUser>(&delegate, create("a", Some(&bound))).unwrap();
    create_user(&house, "free");
    let put = |name: &str| api::PutUserPolicyRequest {
        user_name: name.into(),
        policy_name: "p".into(),
        policy_document: super::ALLOW_LIST.into(),
    };
    house.call::<user_policies::PutUserPolicy>(&delegate, put("a")).unwrap();
    assert!(house.call::<user_policies::PutUserPolicy>(&delegate, put("free")).is_err());
    assert!(house.call::<user_policies::PutUserPolicy>(&delegate, put("absent")).is_err());
    let attach = |name: &str, arn: &str| api::AttachUserPolicyRequest {
        user_name: name.into(),
        policy_arn: arn.into(),
    };
    house.call::<user_policies::AttachUserPolicy>(&delegate, attach("a", &bound)).unwrap();
    assert!(house.call::<user_policies::AttachUserPolicy>(&delegate, attach("a", &other)).is_err());
    assert!(
        house.call::<user_policies::AttachUserPolicy>(&delegate, attach("free", &bound)).is_err()
    );
    let drop = api::DeleteUserPermissionsBoundaryRequest { user_name: "a".into() };
    assert!(house.call::<user_tags::DeleteUserPermissionsBoundary>(&delegate, drop).is_err());
    let change = api::PutUserPermissionsBoundaryRequest {
        user_name: "a".into(),
        permissions_boundary: other,
    };
    assert!(house.call::<user_tags::PutUserPermissionsBoundary>(&delegate, change).is_err());
}

#[test]
fn tags_of_request_and_resource_are_condition_keys() {
    let house = House::new();
    let caller = house.user_with_policy(
        "tagger",
        r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":["iam:CreateUser","iam:TagUser"],"Resource":"*","Condition":{
         "StringEquals":{"aws:RequestTag/Team":"a"},
         "ForAllValues:StringEquals":{"aws:TagKeys":["Team"]}}},
        {"Effect":"Allow","Action":"iam:DeleteUser","Resource":"*","Condition":{
         "StringEquals":{"iam:ResourceTag/Team":"a","aws:ResourceTag/Team":"a"}}},
        {"Effect":"Allow","Action":"iam:UntagUser","Resource":"*","Condition":{
         "ForAllValues:StringEquals":{"aws:TagKeys":["Team"]}}}]}"#,
    );
    let create = |name: &str, tags: Vec<api::Tag>| {
        let input = api::CreateUserRequest {
            user_name: name.into(),
            tags: Some(tags),
            ..Default::default()
        };
        house.call::<users::CreateUser>(&caller, input)
    };
    assert!(create("x", vec![]).is_err());
    assert!(create("x", vec![tag("Team", "b")]).is_err());
    assert!(create("x", vec![tag("Team", "a"), tag("More", "1")]).is_err());
    create("x", vec![tag("Team", "a")]).unwrap();
    create_user(&house, "y");
    let untag = |key: &str| {
        let input = api::UntagUserRequest { user_name: "x".into(), tag_keys: vec![key.to_owned()] };
        house.call::<user_tags::UntagUser>(&caller, input)
    };
    assert!(untag("Other").is_err());
    let delete = |name: &str| {
        let input = api::DeleteUserRequest { user_name: name.into() };
        house.call::<users::DeleteUser>(&caller, input)
    };
    assert!(delete("y").is_err());
    delete("x").unwrap();
}

/// A policy names an entity in one spelling; asking in another must not pass it by.
#[test]
fn a_deny_holds_whatever_case_the_name_is_given_in() {
    let house = House::new();
    create_user(&house, "Admin");
    create_group(&house, "Admins");
    let caller = house.user_with_policy(
        "sly",
        r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"iam:*","Resource":"*"},
        {"Effect":"Deny","Action":"iam:*","Resource":["arn:aws:iam::123456789012:user/Admin",
         "arn:aws:iam::123456789012:group/Admins"]}]}"#,
    );
    for name in ["Admin", "admin", "ADMIN"] {
        let text = house.fails_for::<users::DeleteUser>(
            &caller,
            api::DeleteUserRequest { user_name: name.into() },
        );
        assert!(text.ends_with("with an explicit deny in an identity-based policy"), "{text}");
    }
    let add = api::AddUserToGroupRequest { group_name: "ADMINS".into(), user_name: "sly".into() };
    assert!(house.call::<membership::AddUserToGroup>(&caller, add).is_err());
    let take = api::UpdateUserRequest {
        user_name: "sly".into(),
        new_user_name: some("Admin"),
        new_path: None,
    };
    assert!(
        house
            .fails_for::<users::UpdateUser>(&caller, take)
            .contains("resource: arn:aws:iam::123456789012:user/Admin with an explicit deny")
    );
}

/// STS API Reference, GetSessionToken and GetFederationToken: no IAM with these, whatever policies
/// say.
#[test]
fn credentials_of_get_session_token_do_not_reach_iam() {
    let house = House::new();
    for (issuer, mfa, reaches) in [
        ("GetSessionToken", false, false),
        ("GetSessionToken", true, true),
        ("GetFederationToken", true, false),
        ("AssumeRole", false, true),
    ] {
        let mut caller = house.root();
        let issuer = issuer.to_owned();
        caller.session = Some(SessionFacts { mfa, issuer, ..SessionFacts::default() });
        let outcome = house.call::<users::ListUsers>(&caller, Default::default());
        assert_eq!(outcome.is_ok(), reaches, "{:?}", caller.session);
        if let Err(fault) = outcome {
            assert_eq!((fault.code.as_ref(), fault.status), ("InvalidClientTokenId", 403));
        }
    }
}
