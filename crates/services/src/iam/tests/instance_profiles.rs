use expect_test::expect;
use sagegate_api::iam as api;

use super::roles::create_role;
use super::tag;
use crate::iam::instance_profile_tags::{
    ListInstanceProfileTags, TagInstanceProfile, UntagInstanceProfile,
};
use crate::iam::instance_profiles::{
    AddRoleToInstanceProfile, CreateInstanceProfile, DeleteInstanceProfile, GetInstanceProfile,
    ListInstanceProfiles, ListInstanceProfilesForRole, RemoveRoleFromInstanceProfile,
};
use crate::testing::House;

fn create(house: &House, name: &str) -> api::InstanceProfile {
    let input = api::CreateInstanceProfileRequest {
        instance_profile_name: name.into(),
        path: Some("/p/".into()),
        tags: None,
    };
    house.ok::<CreateInstanceProfile>(input).instance_profile.unwrap()
}

fn add(profile: &str, role: &str) -> api::AddRoleToInstanceProfileRequest {
    api::AddRoleToInstanceProfileRequest {
        instance_profile_name: profile.into(),
        role_name: role.into(),
    }
}

fn remove(profile: &str, role: &str) -> api::RemoveRoleFromInstanceProfileRequest {
    api::RemoveRoleFromInstanceProfileRequest {
        instance_profile_name: profile.into(),
        role_name: role.into(),
    }
}

#[test]
fn an_instance_profile_holds_one_role() {
    let house = House::new();
    let made = create(&house, "P");
    assert_eq!(made.arn.as_deref(), Some("arn:aws:iam::123456789012:instance-profile/p/P"));
    assert_eq!((made.roles, made.tags), (Some(vec![]), None));
    create_role(&house, "R");
    create_role(&house, "S");
    expect!["EntityAlreadyExists (409): Instance Profile p already exists."].assert_eq(
        &house.fails::<CreateInstanceProfile>(api::CreateInstanceProfileRequest {
            instance_profile_name: "p".into(),
            ..Default::default()
        }),
    );
    expect!["NoSuchEntity (404): Instance Profile absent cannot be found."]
        .assert_eq(&house.fails::<AddRoleToInstanceProfile>(add("absent", "R")));
    expect!["NoSuchEntity (404): The role with name absent cannot be found."]
        .assert_eq(&house.fails::<AddRoleToInstanceProfile>(add("P", "absent")));
    house.ok::<AddRoleToInstanceProfile>(add("P", "R"));
    expect!["LimitExceeded (409): Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"]
        .assert_eq(&house.fails::<AddRoleToInstanceProfile>(add("P", "S")));
    let got = house.ok::<GetInstanceProfile>(api::GetInstanceProfileRequest {
        instance_profile_name: "p".into(),
    });
    let got = got.instance_profile.unwrap();
    let roles = got.roles.unwrap();
    assert_eq!(roles[0].role_name.as_deref(), Some("R"));
    assert_eq!((&roles[0].max_session_duration, got.tags), (&None, Some(vec![])));
    let of = |role: &str| {
        let input = api::ListInstanceProfilesForRoleRequest {
            role_name: role.into(),
            ..Default::default()
        };
        house.ok::<ListInstanceProfilesForRole>(input).instance_profiles.unwrap().len()
    };
    assert_eq!((of("R"), of("S")), (1, 0));
    let delete = || api::DeleteInstanceProfileRequest { instance_profile_name: "P".into() };
    expect![
        "DeleteConflict (409): Cannot delete entity, must remove roles from instance profile first."
    ]
    .assert_eq(&house.fails::<DeleteInstanceProfile>(delete()));
    expect!["NoSuchEntity (404): Role S in Instance Profile P cannot be found."]
        .assert_eq(&house.fails::<RemoveRoleFromInstanceProfile>(remove("P", "S")));
    house.ok::<RemoveRoleFromInstanceProfile>(remove("P", "R"));
    assert_eq!(of("R"), 0);
    house.ok::<DeleteInstanceProfile>(delete());
    expect!["NoSuchEntity (404): Instance Profile P cannot be found."]
        .assert_eq(&house.fails::<DeleteInstanceProfile>(delete()));
}

#[test]
fn they_are_listed_and_tagged() {
    let house = House::new();
    create(&house, "b");
    create(&house, "A");
    let list = |prefix: &str| -> Vec<String> {
        let input = api::ListInstanceProfilesRequest {
            path_prefix: Some(prefix.into()),
            ..Default::default()
        };
        let found = house.ok::<ListInstanceProfiles>(input).instance_profiles.unwrap();
        found.into_iter().filter_map(|it| it.instance_profile_name).collect()
    };
    assert_eq!(list("/p/"), ["A", "b"]);
    assert!(list("/q/").is_empty());
    house.ok::<TagInstanceProfile>(api::TagInstanceProfileRequest {
        instance_profile_name: "A".into(),
        tags: vec![tag("k", "1"), tag("K", "2")],
    });
    house.ok::<UntagInstanceProfile>(api::UntagInstanceProfileRequest {
        instance_profile_name: "A".into(),
        tag_keys: vec!["k".into()],
    });
    let tags = house.ok::<ListInstanceProfileTags>(api::ListInstanceProfileTagsRequest {
        instance_profile_name: "A".into(),
        ..Default::default()
    });
    assert_eq!(tags.tags.unwrap(), [tag("K", "2")]);
}

/// An instance gets the role: adding it to a profile is passing it to EC2.
#[test]
fn adding_a_role_is_passing_it_to_ec2() {
    let house = House::new();
    create(&house, "P");
    create_role(&house, "R");
    let policy = |service: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Action":"iam:AddRoleToInstanceProfile","Resource":"arn:aws:iam::123456789012:instance-profile/p/P"}},
            {{"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::123456789012:role/R",
              "Condition":{{"StringEquals":{{"iam:PassedToService":"{service}"}}}}}}]}}"#
        )
    };
    let caller = house.user_with_policy("other", &policy("sagemaker.amazonaws.com"));
    expect!["AccessDenied (403): User: arn:aws:iam::123456789012:user/other is not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/R because no identity-based policy allows the iam:PassRole action"]
        .assert_eq(&house.fails_for::<AddRoleToInstanceProfile>(&caller, add("P", "R")));
    let caller = house.user_with_policy("right", &policy("ec2.amazonaws.com"));
    house.call::<AddRoleToInstanceProfile>(&caller, add("P", "R")).unwrap();
}
