use expect_test::expect;
use sagegate_api::iam as api;

use super::{ALLOW_LIST, create_group, create_user, tag};
use crate::iam::access_keys::{CreateAccessKey, DeleteAccessKey};
use crate::iam::membership::{AddUserToGroup, ListGroupsForUser, RemoveUserFromGroup};
use crate::iam::user_policies::{DeleteUserPolicy, ListUserPolicies, PutUserPolicy};
use crate::iam::user_tags::{ListUserTags, TagUser, UntagUser};
use crate::iam::users::{CreateUser, DeleteUser, GetUser, ListUsers, UpdateUser};
use crate::testing::House;

fn get(house: &House, name: &str) -> api::User {
    house.ok::<GetUser>(api::GetUserRequest { user_name: Some(name.into()) }).user.unwrap()
}

fn delete(name: &str) -> api::DeleteUserRequest {
    api::DeleteUserRequest { user_name: name.into() }
}

#[test]
fn a_user_is_made_shown_and_found_in_any_case() {
    let house = House::new();
    let made = house
        .ok::<CreateUser>(api::CreateUserRequest {
            user_name: "Alice".into(),
            path: Some("/team/a/".into()),
            tags: Some(vec![tag("Team", "a")]),
            ..Default::default()
        })
        .user
        .unwrap();
    assert_eq!(made.arn.as_deref(), Some("arn:aws:iam::123456789012:user/team/a/Alice"));
    let id = made.user_id.clone().unwrap();
    assert!(id.starts_with("AIDA") && id.len() == 21, "{id}");
    assert_eq!(made.create_date.unwrap().as_millis(), crate::testing::START.millis());
    assert_eq!(get(&house, "Alice"), made);
    assert_eq!(get(&house, "ALICE"), made);
    let again = api::CreateUserRequest { user_name: "aLICE".into(), ..Default::default() };
    expect!["EntityAlreadyExists (409): User with name aLICE already exists."]
        .assert_eq(&house.fails::<CreateUser>(again));
    expect!["NoSuchEntity (404): The user with name bob cannot be found."]
        .assert_eq(&house.fails::<GetUser>(api::GetUserRequest { user_name: Some("bob".into()) }));
}

#[test]
fn get_user_without_a_name_is_the_caller() {
    let house = House::new();
    let root = house.ok::<GetUser>(api::GetUserRequest::default()).user.unwrap();
    assert_eq!(root.arn.as_deref(), Some("arn:aws:iam::123456789012:root"));
    assert_eq!(root.user_id.as_deref(), Some("123456789012"));
    assert!(root.create_date.is_some());
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow",
        "Action":"iam:GetUser","Resource":"arn:aws:iam::*:user/${aws:username}"}}"#;
    let carol = house.user_with_policy("carol", policy);
    let shown = house.call::<GetUser>(&carol, api::GetUserRequest::default()).unwrap();
    assert_eq!(shown.user.unwrap().user_name.as_deref(), Some("carol"));
    create_user(&house, "dave");
    let dave = api::GetUserRequest { user_name: Some("dave".into()) };
    expect!["AccessDenied (403): User: arn:aws:iam::123456789012:user/carol is not authorized to perform: iam:GetUser on resource: user dave because no identity-based policy allows the iam:GetUser action"]
        .assert_eq(&house.fails_for::<GetUser>(&carol, dave));
}

#[test]
fn users_are_listed_by_path_in_pages() {
    let house = House::new();
    for number in 0..25 {
        let path = if number % 2 == 0 { "/even/" } else { "/odd/" };
        house.ok::<CreateUser>(api::CreateUserRequest {
            user_name: format!("u{number:02}"),
            path: Some(path.into()),
            ..Default::default()
        });
    }
    let mut names = Vec::new();
    let mut marker = None;
    loop {
        let page = house.ok::<ListUsers>(api::ListUsersRequest {
            path_prefix: Some("/even/".into()),
            max_items: Some(5),
            marker,
        });
        names.extend(page.users.unwrap().into_iter().filter_map(|user| user.user_name));
        marker = page.marker;
        assert_eq!(page.is_truncated, Some(marker.is_some()));
        if marker.is_none() {
            break;
        }
    }
    let expected: Vec<String> = (0..25).step_by(2).map(|number| format!("u{number:02}")).collect();
    assert_eq!(names, expected);
    let wrong = api::ListUsersRequest { marker: Some("x".into()), ..Default::default() };
    expect!["ValidationError (400): Invalid Marker."].assert_eq(&house.fails::<ListUsers>(wrong));
}

#[test]
fn a_rename_keeps_the_id_and_all_that_the_user_has() {
    let house = House::new();
    let caller = house.user_with_policy("old", ALLOW_LIST);
    let id = get(&house, "old").user_id;
    create_group(&house, "g");
    let add = api::AddUserToGroupRequest { group_name: "g".into(), user_name: "old".into() };
    house.ok::<AddUserToGroup>(add);
    create_user(&house, "taken");
    let rename = |new: &str, path: Option<&str>| api::UpdateUserRequest {
        user_name: "old".into(),
        new_user_name: Some(new.into()),
        new_path: path.map(Into::into),
    };
    expect!["EntityAlreadyExists (409): User with name Taken already exists."]
        .assert_eq(&house.fails::<UpdateUser>(rename("Taken", None)));
    house.ok::<UpdateUser>(rename("OLD", None));
    assert_eq!(get(&house, "old").user_name.as_deref(), Some("OLD"));
    house.ok::<UpdateUser>(rename("new", Some("/p/")));
    let renamed = get(&house, "new");
    assert_eq!(renamed.user_id, id);
    assert_eq!(renamed.arn.as_deref(), Some("arn:aws:iam::123456789012:user/p/new"));
    expect!["NoSuchEntity (404): The user with name old cannot be found."]
        .assert_eq(&house.fails::<UpdateUser>(rename("x", None)));
    let groups = house.ok::<ListGroupsForUser>(api::ListGroupsForUserRequest {
        user_name: "new".into(),
        ..Default::default()
    });
    assert_eq!(groups.groups.unwrap().len(), 1);
    let names = house.ok::<ListUserPolicies>(api::ListUserPoliciesRequest {
        user_name: "new".into(),
        ..Default::default()
    });
    assert_eq!(names.policy_names.unwrap(), ["inline"]);
    house.call::<ListUsers>(&caller, api::ListUsersRequest::default()).unwrap();
}

#[test]
fn a_user_who_has_something_is_not_deleted_and_leaves_nothing_behind() {
    let house = House::new();
    let caller = house.user_with_policy("eve", ALLOW_LIST);
    create_group(&house, "g");
    let key = house
        .ok::<CreateAccessKey>(api::CreateAccessKeyRequest { user_name: Some("eve".into()) })
        .access_key
        .unwrap();
    let pair = || ("g".to_owned(), "eve".to_owned());
    let (group_name, user_name) = pair();
    house.ok::<AddUserToGroup>(api::AddUserToGroupRequest { group_name, user_name });
    expect!["DeleteConflict (409): Cannot delete entity, must delete access keys first."]
        .assert_eq(&house.fails::<DeleteUser>(delete("eve")));
    house.ok::<DeleteAccessKey>(api::DeleteAccessKeyRequest {
        user_name: Some("eve".into()),
        access_key_id: key.access_key_id.unwrap(),
    });
    expect!["DeleteConflict (409): Cannot delete entity, must delete policies first."]
        .assert_eq(&house.fails::<DeleteUser>(delete("eve")));
    let policy =
        api::DeleteUserPolicyRequest { user_name: "eve".into(), policy_name: "inline".into() };
    house.ok::<DeleteUserPolicy>(policy);
    expect!["DeleteConflict (409): Cannot delete entity, must remove users from group first."]
        .assert_eq(&house.fails::<DeleteUser>(delete("eve")));
    let (group_name, user_name) = pair();
    house.ok::<RemoveUserFromGroup>(api::RemoveUserFromGroupRequest { group_name, user_name });
    let id = get(&house, "eve").user_id;
    house.ok::<DeleteUser>(delete("eve"));
    expect!["NoSuchEntity (404): The user with name eve cannot be found."]
        .assert_eq(&house.fails::<DeleteUser>(delete("eve")));
    // The same name again is somebody else.
    let again = create_user(&house, "eve");
    assert_ne!(again.user_id, id);
    house.ok::<PutUserPolicy>(api::PutUserPolicyRequest {
        user_name: "eve".into(),
        policy_name: "p".into(),
        policy_document: ALLOW_LIST.into(),
    });
    assert!(house.call::<ListUsers>(&caller, api::ListUsersRequest::default()).is_err());
    let now = house.user("eve");
    house.call::<ListUsers>(&now, api::ListUsersRequest::default()).unwrap();
}

#[test]
fn tags_are_set_listed_and_removed() {
    let house = House::new();
    create_user(&house, "u");
    let set = |tags: Vec<api::Tag>| api::TagUserRequest { user_name: "u".into(), tags };
    house.ok::<TagUser>(set(vec![tag("B", "1"), tag("a", "2"), tag("c", "3")]));
    house.ok::<TagUser>(set(vec![tag("b", "4")]));
    expect!["InvalidInput (400): Duplicate tag keys found. Please note that Tag keys are case insensitive."]
        .assert_eq(&house.fails::<TagUser>(set(vec![tag("x", ""), tag("X", "")])));
    let list =
        |marker| api::ListUserTagsRequest { user_name: "u".into(), max_items: Some(2), marker };
    let first = house.ok::<ListUserTags>(list(None));
    assert_eq!(first.tags.unwrap(), [tag("a", "2"), tag("b", "4")]);
    let second = house.ok::<ListUserTags>(list(first.marker));
    assert_eq!(second.tags.unwrap(), [tag("c", "3")]);
    assert_eq!(second.is_truncated, Some(false));
    house.ok::<UntagUser>(api::UntagUserRequest {
        user_name: "u".into(),
        tag_keys: vec!["A".into(), "C".into(), "absent".into()],
    });
    assert_eq!(get(&house, "u").tags.unwrap(), [tag("b", "4")]);
}

#[test]
fn an_account_has_no_more_groups_than_its_quota() {
    use crate::iam::quota;
    use crate::iam::records::EntityKind;
    let house = House::new();
    let account = house.scope().account;
    let env = house.gate.env();
    house.transact(|tx| {
        (0..300).try_for_each(|_| {
            let id = crate::iam::entities::new_id(env, EntityKind::Group);
            quota::count_in(tx, &account, EntityKind::Group, &id)
        })
    });
    let input = api::CreateGroupRequest { group_name: "one-more".into(), path: None };
    expect!["LimitExceeded (409): Cannot exceed quota for GroupsPerAccount: 300"]
        .assert_eq(&house.fails::<crate::iam::groups::CreateGroup>(input));
    assert_eq!(quota::count(&house.state(), &account, EntityKind::Group).unwrap(), 300);
}
