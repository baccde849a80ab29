use expect_test::expect;
use sagegate_api::iam as api;

use super::{ALLOW_LIST, create_user, tag};
use crate::iam::policies::{CreatePolicy, DeletePolicy, GetPolicy, ListPolicies};
use crate::iam::policy_tags::{ListPolicyTags, TagPolicy, UntagPolicy};
use crate::iam::policy_versions::{
    CreatePolicyVersion, DeletePolicyVersion, GetPolicyVersion, ListPolicyVersions,
    SetDefaultPolicyVersion,
};
use crate::iam::user_policies::{AttachUserPolicy, DetachUserPolicy};
use crate::iam::user_tags::PutUserPermissionsBoundary;
use crate::iam::users::ListUsers;
use crate::testing::House;

const ARN: &str = "arn:aws:iam::123456789012:policy/p/P";
const DENY: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
const ADMIN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

fn request(document: &str) -> api::CreatePolicyRequest {
    api::CreatePolicyRequest {
        policy_name: "P".into(),
        path: Some("/p/".into()),
        policy_document: document.into(),
        ..Default::default()
    }
}

fn version(document: &str, default: bool) -> api::CreatePolicyVersionRequest {
    api::CreatePolicyVersionRequest {
        policy_arn: ARN.into(),
        policy_document: document.into(),
        set_as_default: Some(default),
    }
}

fn get(house: &House, arn: &str) -> api::Policy {
    house.ok::<GetPolicy>(api::GetPolicyRequest { policy_arn: arn.into() }).policy.unwrap()
}

fn versions(house: &House) -> Vec<(String, bool)> {
    let input = api::ListPolicyVersionsRequest { policy_arn: ARN.into(), ..Default::default() };
    let found = house.ok::<ListPolicyVersions>(input).versions.unwrap();
    found.into_iter().map(|it| (it.version_id.unwrap(), it.is_default_version.unwrap())).collect()
}

#[test]
fn a_policy_lives_and_goes() {
    let house = House::new();
    let input = api::CreatePolicyRequest {
        description: Some("what for".into()),
        tags: Some(vec![tag("k", "v")]),
        ..request(ALLOW_LIST)
    };
    let created = house.ok::<CreatePolicy>(input.clone()).policy.unwrap();
    assert_eq!(created.arn.as_deref(), Some(ARN));
    assert_eq!((created.description, created.tags), (None, Some(vec![tag("k", "v")])));
    assert_eq!(created.default_version_id.as_deref(), Some("v1"));
    assert!(created.policy_id.unwrap().starts_with("ANPA"));
    let got = get(&house, ARN);
    assert_eq!(got.description.as_deref(), Some("what for"));
    assert_eq!((got.attachment_count, got.permissions_boundary_usage_count), (Some(0), Some(0)));
    expect!["EntityAlreadyExists (409): A policy called P already exists. Duplicate names are not allowed."]
        .assert_eq(&house.fails::<CreatePolicy>(input));
    let long = ALLOW_LIST.replace("iam:ListUsers", &format!("iam:{}", "L".repeat(6_144)));
    expect!["LimitExceeded (409): Cannot exceed quota for PolicySize: 6144"]
        .assert_eq(&house.fails::<CreatePolicy>(request(&long)));
    expect![
        "MalformedPolicyDocument (400): Policy document must be version 2012-10-17 or greater."
    ]
    .assert_eq(
        &house.fails::<CreatePolicy>(request(&ALLOW_LIST.replace("2012-10-17", "2008-10-17"))),
    );
    expect!["MalformedPolicyDocument (400): Syntax errors in policy."]
        .assert_eq(&house.fails::<CreatePolicy>(request("{}")));

    create_user(&house, "u");
    let attach = || api::AttachUserPolicyRequest { user_name: "u".into(), policy_arn: ARN.into() };
    house.ok::<AttachUserPolicy>(attach());
    assert_eq!(get(&house, ARN).attachment_count, Some(1));
    let delete = || api::DeletePolicyRequest { policy_arn: ARN.into() };
    expect!["DeleteConflict (409): Cannot delete a policy attached to entities."]
        .assert_eq(&house.fails::<DeletePolicy>(delete()));
    house.ok::<DetachUserPolicy>(api::DetachUserPolicyRequest {
        user_name: "u".into(),
        policy_arn: ARN.into(),
    });
    house.ok::<PutUserPermissionsBoundary>(api::PutUserPermissionsBoundaryRequest {
        user_name: "u".into(),
        permissions_boundary: ARN.into(),
    });
    assert_eq!(get(&house, ARN).permissions_boundary_usage_count, Some(1));
    expect!["DeleteConflict (409): Cannot delete a policy attached to entities."]
        .assert_eq(&house.fails::<DeletePolicy>(delete()));
    house.ok::<crate::iam::user_tags::DeleteUserPermissionsBoundary>(
        api::DeleteUserPermissionsBoundaryRequest { user_name: "u".into() },
    );
    house.ok::<DeletePolicy>(delete());
    let missing = "NoSuchEntity (404): Policy arn:aws:iam::123456789012:policy/p/P was not found.";
    assert_eq!(house.fails::<DeletePolicy>(delete()), missing);
    let input = api::GetPolicyRequest { policy_arn: ARN.into() };
    assert_eq!(house.fails::<GetPolicy>(input), missing);
    // The spelling and the path belong to the ARN.
    house.ok::<CreatePolicy>(request(ALLOW_LIST));
    for other in ["policy/P", "policy/p/p", "policy/q/P"] {
        let arn = format!("arn:aws:iam::123456789012:{other}");
        let input = api::GetPolicyRequest { policy_arn: arn };
        assert!(house.fails::<GetPolicy>(input).starts_with("NoSuchEntity"), "{other}");
    }
}

#[test]
fn versions_are_numbered_once_and_the_default_one_is_in_force() {
    let house = House::new();
    house.ok::<CreatePolicy>(request(ALLOW_LIST));
    create_user(&house, "u");
    let caller = house.user("u");
    let list = || house.call::<ListUsers>(&caller, Default::default()).is_ok();
    house.ok::<AttachUserPolicy>(api::AttachUserPolicyRequest {
        user_name: "u".into(),
        policy_arn: ARN.into(),
    });
    assert!(list());
    let made = house.ok::<CreatePolicyVersion>(version(DENY, false)).policy_version.unwrap();
    assert_eq!((made.version_id.as_deref(), made.is_default_version), (Some("v2"), Some(false)));
    assert_eq!(made.document, None);
    assert!(list());
    let set = |id: &str| api::SetDefaultPolicyVersionRequest {
        policy_arn: ARN.into(),
        version_id: id.into(),
    };
    house.ok::<SetDefaultPolicyVersion>(set("v2"));
    assert!(!list());
    house.ok::<CreatePolicyVersion>(version(ALLOW_LIST, true));
    assert!(list());
    assert_eq!(versions(&house), [("v3".into(), true), ("v2".into(), false), ("v1".into(), false)]);
    house.ok::<CreatePolicyVersion>(version(DENY, false));
    house.ok::<CreatePolicyVersion>(version(DENY, false));
    expect!["LimitExceeded (409): A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version."]
        .assert_eq(&house.fails::<CreatePolicyVersion>(version(DENY, false)));
    let delete = |id: &str| api::DeletePolicyVersionRequest {
        policy_arn: ARN.into(),
        version_id: id.into(),
    };
    expect!["DeleteConflict (409): Cannot delete the default version of a policy."]
        .assert_eq(&house.fails::<DeletePolicyVersion>(delete("v3")));
    expect!["NoSuchEntity (404): Policy arn:aws:iam::123456789012:policy/p/P version v9 does not exist or is not attachable."]
        .assert_eq(&house.fails::<DeletePolicyVersion>(delete("v9")));
    expect!["NoSuchEntity (404): Policy arn:aws:iam::123456789012:policy/p/P version v9 does not exist or is not attachable."]
        .assert_eq(&house.fails::<SetDefaultPolicyVersion>(set("v9")));
    house.ok::<DeletePolicyVersion>(delete("v5"));
    let made = house.ok::<CreatePolicyVersion>(version(DENY, false)).policy_version.unwrap();
    assert_eq!(made.version_id.as_deref(), Some("v6"));
    let got = house.ok::<GetPolicyVersion>(api::GetPolicyVersionRequest {
        policy_arn: ARN.into(),
        version_id: "v6".into(),
    });
    assert!(got.policy_version.unwrap().document.unwrap().contains("Deny"));
    house.ok::<DetachUserPolicy>(api::DetachUserPolicyRequest {
        user_name: "u".into(),
        policy_arn: ARN.into(),
    });
    expect!["DeleteConflict (409): This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy."]
        .assert_eq(&house.fails::<DeletePolicy>(api::DeletePolicyRequest { policy_arn: ARN.into() }));
}

#[test]
fn aws_managed_policies_are_there_and_nobodys_to_change() {
    let house = House::new();
    let policy = get(&house, "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess");
    assert_eq!(policy.default_version_id.as_deref(), Some("v29"));
    assert_eq!(policy.tags, Some(vec![]));
    let got = house.ok::<GetPolicyVersion>(api::GetPolicyVersionRequest {
        policy_arn: ADMIN.into(),
        version_id: "v1".into(),
    });
    assert_eq!(got.policy_version.unwrap().is_default_version, Some(true));
    let missing = house.fails::<GetPolicyVersion>(api::GetPolicyVersionRequest {
        policy_arn: ADMIN.into(),
        version_id: "v2".into(),
    });
    expect!["NoSuchEntity (404): Policy arn:aws:iam::aws:policy/AdministratorAccess version v2 does not exist or is not attachable."]
        .assert_eq(&missing);
    let outside = "AccessDenied (403): Policy is outside your own account.";
    let input = api::DeletePolicyRequest { policy_arn: ADMIN.into() };
    assert_eq!(house.fails::<DeletePolicy>(input), outside);
    let input = api::CreatePolicyVersionRequest {
        policy_arn: ADMIN.into(),
        policy_document: DENY.into(),
        set_as_default: Some(true),
    };
    assert_eq!(house.fails::<CreatePolicyVersion>(input), outside);
    let input = api::TagPolicyRequest { policy_arn: ADMIN.into(), tags: vec![tag("k", "v")] };
    assert_eq!(house.fails::<TagPolicy>(input), outside);

    create_user(&house, "u");
    let caller = house.user("u");
    let list = || house.call::<ListUsers>(&caller, Default::default()).is_ok();
    assert!(!list());
    house.ok::<AttachUserPolicy>(api::AttachUserPolicyRequest {
        user_name: "u".into(),
        policy_arn: ADMIN.into(),
    });
    assert!(list());
}

#[test]
fn policies_are_listed_by_scope_use_and_path() {
    let house = House::new();
    house.ok::<CreatePolicy>(request(ALLOW_LIST));
    create_user(&house, "u");
    house.ok::<AttachUserPolicy>(api::AttachUserPolicyRequest {
        user_name: "u".into(),
        policy_arn: ADMIN.into(),
    });
    house.ok::<PutUserPermissionsBoundary>(api::PutUserPermissionsBoundaryRequest {
        user_name: "u".into(),
        permissions_boundary: ARN.into(),
    });
    let names = |input: api::ListPoliciesRequest| -> Vec<String> {
        let (mut found, mut marker) = (Vec::new(), None);
        loop {
            let page =
                house.ok::<ListPolicies>(api::ListPoliciesRequest { marker, ..input.clone() });
            found.extend(page.policies.unwrap().into_iter().filter_map(|it| it.policy_name));
            marker = page.marker;
            if marker.is_none() {
                break found;
            }
        }
    };
    let all = names(Default::default());
    assert!(all.len() > 100 && all.contains(&"P".to_owned()));
    let mut sorted = all.clone();
    sorted.sort_by_key(|name| name.to_lowercase());
    assert_eq!(all, sorted);
    let few = names(api::ListPoliciesRequest { max_items: Some(7), ..Default::default() });
    assert_eq!(few, all);
    let of = |scope, usage, attached, prefix: Option<&str>| {
        names(api::ListPoliciesRequest {
            scope,
            policy_usage_filter: usage,
            only_attached: attached,
            path_prefix: prefix.map(Into::into),
            ..Default::default()
        })
    };
    use api::PolicyScopeType::{Aws, Local};
    use api::PolicyUsageType::{PermissionsBoundary, PermissionsPolicy};
    assert_eq!(of(Some(Local), None, None, None), ["P"]);
    assert!(!of(Some(Aws), None, None, None).contains(&"P".to_owned()));
    assert_eq!(of(None, None, Some(true), None), ["AdministratorAccess"]);
    assert_eq!(of(None, Some(PermissionsPolicy), None, None), ["AdministratorAccess"]);
    assert_eq!(of(None, Some(PermissionsBoundary), None, None), ["P"]);
    assert_eq!(of(None, None, None, Some("/p/")), ["P"]);
    assert!(of(None, None, None, Some("/job-function/")).contains(&"ViewOnlyAccess".to_owned()));
}

#[test]
fn tag_keys_of_policies_differ_by_case() {
    let house = House::new();
    house.ok::<CreatePolicy>(request(ALLOW_LIST));
    house.ok::<TagPolicy>(api::TagPolicyRequest {
        policy_arn: ARN.into(),
        tags: vec![tag("a", "low"), tag("A", "up")],
    });
    let tags = |max_items: Option<i32>| {
        let input =
            api::ListPolicyTagsRequest { policy_arn: ARN.into(), max_items, ..Default::default() };
        house.ok::<ListPolicyTags>(input)
    };
    assert_eq!(tags(None).tags.unwrap(), [tag("A", "up"), tag("a", "low")]);
    assert_eq!(tags(Some(1)).is_truncated, Some(true));
    house.ok::<UntagPolicy>(api::UntagPolicyRequest {
        policy_arn: ARN.into(),
        tag_keys: vec!["a".into()],
    });
    assert_eq!(tags(None).tags.unwrap(), [tag("A", "up")]);
    expect!["InvalidInput (400): Duplicate tag keys found."].assert_eq(&house.fails::<TagPolicy>(
        api::TagPolicyRequest { policy_arn: ARN.into(), tags: vec![tag("x", "1"), tag("x", "2")] },
    ));
    expect![
        "NoSuchEntity (404): Policy arn:aws:iam::123456789012:policy/NotAPolicy was not found."
    ]
    .assert_eq(&house.fails::<ListPolicyTags>(api::ListPolicyTagsRequest {
        policy_arn: "arn:aws:iam::123456789012:policy/NotAPolicy".into(),
        ..Default::default()
    }));
}
