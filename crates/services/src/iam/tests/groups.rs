use expect_test::expect;
use sagegate_api::iam as api;

use super::{ALLOW_LIST, create_group, create_user};
use crate::iam::group_policies::{
    DeleteGroupPolicy, GetGroupPolicy, ListGroupPolicies, PutGroupPolicy,
};
use crate::iam::groups::{CreateGroup, DeleteGroup, GetGroup, ListGroups, UpdateGroup};
use crate::iam::membership::{AddUserToGroup, ListGroupsForUser, RemoveUserFromGroup};
use crate::iam::users::ListUsers;
use crate::testing::House;

fn add(group: &str, user: &str) -> api::AddUserToGroupRequest {
    api::AddUserToGroupRequest { group_name: group.into(), user_name: user.into() }
}

fn remove(group: &str, user: &str) -> api::RemoveUserFromGroupRequest {
    api::RemoveUserFromGroupRequest { group_name: group.into(), user_name: user.into() }
}

fn put(group: &str, document: &str) -> api::PutGroupPolicyRequest {
    api::PutGroupPolicyRequest {
        group_name: group.into(),
        policy_name: "p".into(),
        policy_document: document.into(),
    }
}

#[test]
fn members_have_their_groups_policies_for_as_long_as_they_are_members() {
    let house = House::new();
    create_user(&house, "u");
    create_group(&house, "G");
    let caller = house.user("u");
    let list = || house.call::<ListUsers>(&caller, api::ListUsersRequest::default());
    house.ok::<PutGroupPolicy>(put("g", ALLOW_LIST));
    assert!(list().is_err());
    house.ok::<AddUserToGroup>(add("G", "u"));
    house.ok::<AddUserToGroup>(add("g", "U"));
    assert!(list().is_ok());
    house.ok::<RemoveUserFromGroup>(remove("G", "u"));
    assert!(list().is_err());
    expect!["NoSuchEntity (404): User u not in group G"]
        .assert_eq(&house.fails::<RemoveUserFromGroup>(remove("G", "u")));
    expect!["NoSuchEntity (404): The group with name x cannot be found."]
        .assert_eq(&house.fails::<AddUserToGroup>(add("x", "u")));
    expect!["NoSuchEntity (404): The user with name x cannot be found."]
        .assert_eq(&house.fails::<AddUserToGroup>(add("G", "x")));
}

#[test]
fn a_group_shows_its_users_in_pages() {
    let house = House::new();
    create_group(&house, "g");
    for name in ["carol", "Alice", "bob"] {
        create_user(&house, name);
        house.ok::<AddUserToGroup>(add("g", name));
    }
    let get = |marker| api::GetGroupRequest { group_name: "g".into(), max_items: Some(2), marker };
    let names = |users: Option<Vec<api::User>>| -> Vec<String> {
        users.unwrap().into_iter().filter_map(|user| user.user_name).collect()
    };
    let first = house.ok::<GetGroup>(get(None));
    assert_eq!(first.group.unwrap().group_name.as_deref(), Some("g"));
    assert_eq!(names(first.users), ["Alice", "bob"]);
    let second = house.ok::<GetGroup>(get(first.marker));
    assert_eq!(names(second.users), ["carol"]);
    assert_eq!(second.is_truncated, Some(false));
}

#[test]
fn a_user_is_in_ten_groups_at_most() {
    let house = House::new();
    create_user(&house, "u");
    for number in 0..11 {
        create_group(&house, &format!("g{number:02}"));
        let input = add(&format!("g{number:02}"), "u");
        if number < 10 {
            house.ok::<AddUserToGroup>(input);
        } else {
            expect!["LimitExceeded (409): Cannot exceed quota for GroupsPerUser: 10"]
                .assert_eq(&house.fails::<AddUserToGroup>(input));
        }
    }
    let groups = house.ok::<ListGroupsForUser>(api::ListGroupsForUserRequest {
        user_name: "u".into(),
        max_items: Some(9),
        marker: None,
    });
    assert_eq!(groups.groups.unwrap().len(), 9);
    assert_eq!(groups.is_truncated, Some(true));
}

#[test]
fn a_group_is_renamed_with_its_members_and_deleted_when_empty() {
    let house = House::new();
    create_user(&house, "u");
    let made = create_group(&house, "old");
    assert!(made.group_id.as_ref().unwrap().starts_with("AGPA"));
    house.ok::<PutGroupPolicy>(put("old", ALLOW_LIST));
    house.ok::<AddUserToGroup>(add("old", "u"));
    house.ok::<UpdateGroup>(api::UpdateGroupRequest {
        group_name: "old".into(),
        new_path: Some("/p/".into()),
        new_group_name: Some("new".into()),
    });
    let listed = house.ok::<ListGroups>(api::ListGroupsRequest {
        path_prefix: Some("/p/".into()),
        ..Default::default()
    });
    let group = listed.groups.unwrap().remove(0);
    assert_eq!(group.group_id, made.group_id);
    assert_eq!(group.arn.as_deref(), Some("arn:aws:iam::123456789012:group/p/new"));
    house.call::<ListUsers>(&house.user("u"), api::ListUsersRequest::default()).unwrap();
    let delete = || api::DeleteGroupRequest { group_name: "new".into() };
    expect!["DeleteConflict (409): Cannot delete entity, must remove users from group first."]
        .assert_eq(&house.fails::<DeleteGroup>(delete()));
    house.ok::<RemoveUserFromGroup>(remove("new", "u"));
    expect!["DeleteConflict (409): Cannot delete entity, must delete policies first."]
        .assert_eq(&house.fails::<DeleteGroup>(delete()));
    house.ok::<DeleteGroupPolicy>(api::DeleteGroupPolicyRequest {
        group_name: "new".into(),
        policy_name: "p".into(),
    });
    house.ok::<DeleteGroup>(delete());
    let again =
        house.ok::<CreateGroup>(api::CreateGroupRequest { group_name: "new".into(), path: None });
    assert_ne!(again.group.unwrap().group_id, made.group_id);
    let users = house
        .ok::<GetGroup>(api::GetGroupRequest { group_name: "new".into(), ..Default::default() });
    assert_eq!(users.users.unwrap(), []);
}

#[test]
fn inline_policies_are_kept_listed_and_measured() {
    let house = House::new();
    create_group(&house, "g");
    house.ok::<PutGroupPolicy>(put("g", ALLOW_LIST));
    let get = || api::GetGroupPolicyRequest { group_name: "g".into(), policy_name: "p".into() };
    let got = house.ok::<GetGroupPolicy>(get());
    let document = got.policy_document.unwrap();
    assert!(document.starts_with("%7B%22Version%22%3A%222012-10-17%22"), "{document}");
    let names = house.ok::<ListGroupPolicies>(api::ListGroupPoliciesRequest {
        group_name: "g".into(),
        ..Default::default()
    });
    assert_eq!(names.policy_names.unwrap(), ["p"]);
    let long = ALLOW_LIST.replace("iam:ListUsers", &format!("iam:{}", "x".repeat(5_120)));
    expect!["LimitExceeded (409): Maximum policy size of 5120 bytes exceeded for group g"]
        .assert_eq(&house.fails::<PutGroupPolicy>(put("g", &long)));
    expect!["MalformedPolicyDocument (400): Syntax errors in policy."]
        .assert_eq(&house.fails::<PutGroupPolicy>(put("g", "{\"Version\":")));
    house.ok::<DeleteGroupPolicy>(api::DeleteGroupPolicyRequest {
        group_name: "g".into(),
        policy_name: "p".into(),
    });
    expect!["NoSuchEntity (404): The group policy with name p cannot be found."]
        .assert_eq(&house.fails::<GetGroupPolicy>(get()));
}
