use expect_test::expect;
use sagegate_api::iam as api;

use super::{ALLOW_LIST, create_user, managed_policy, tag};
use crate::iam::instance_profiles::{
    AddRoleToInstanceProfile, CreateInstanceProfile, RemoveRoleFromInstanceProfile,
};
use crate::iam::role_policies::{
    AttachRolePolicy, DeleteRolePolicy, DetachRolePolicy, GetRolePolicy, ListAttachedRolePolicies,
    ListRolePolicies, PutRolePolicy,
};
use crate::iam::role_tags::{ListRoleTags, TagRole, UntagRole};
use crate::iam::role_update::{
    DeleteRolePermissionsBoundary, PutRolePermissionsBoundary, UpdateAssumeRolePolicy, UpdateRole,
    UpdateRoleDescription,
};
use crate::iam::roles::{CreateRole, DeleteRole, GetRole, ListRoles};
use crate::iam::trust::in_force;
use crate::iam::users::{DeleteUser, UpdateUser};
use crate::testing::{House, START};

pub(super) const EC2: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

fn trusting(principals: &str) -> String {
    EC2.replace(r#"{"Service":"ec2.amazonaws.com"}"#, &format!(r#"{{"AWS":{principals}}}"#))
}

fn request(name: &str) -> api::CreateRoleRequest {
    api::CreateRoleRequest {
        role_name: name.into(),
        assume_role_policy_document: EC2.into(),
        ..Default::default()
    }
}

pub(super) fn create_role(house: &House, name: &str) -> api::Role {
    house.ok::<CreateRole>(request(name)).role.unwrap()
}

fn get(house: &House, name: &str) -> api::Role {
    house.ok::<GetRole>(api::GetRoleRequest { role_name: name.into() }).role.unwrap()
}

/// The trust policy as GetRole shows it.
fn trust(house: &House, name: &str) -> String {
    let document = get(house, name).assume_role_policy_document.unwrap();
    percent_encoding::percent_decode_str(&document).decode_utf8().unwrap().into_owned()
}

#[test]
fn a_role_is_answered_with_the_members_that_aws_answers() {
    let house = House::new();
    let boundary = managed_policy(&house, "B", ALLOW_LIST);
    let input = api::CreateRoleRequest {
        path: Some("/p/".into()),
        description: Some("what for".into()),
        max_session_duration: Some(7_200),
        permissions_boundary: Some(boundary.clone()),
        tags: Some(vec![tag("k", "v")]),
        ..request("R")
    };
    let created = house.ok::<CreateRole>(input).role.unwrap();
    assert_eq!(created.arn.as_deref(), Some("arn:aws:iam::123456789012:role/p/R"));
    assert!(created.role_id.as_deref().unwrap().starts_with("AROA"));
    assert_eq!((&created.description, created.max_session_duration), (&None, None));
    assert_eq!(created.tags, Some(vec![tag("k", "v")]));

    let got = get(&house, "r");
    assert_eq!(got.role_name.as_deref(), Some("R"));
    assert_eq!(got.description.as_deref(), Some("what for"));
    assert_eq!(got.max_session_duration, Some(7_200));
    assert_eq!(got.role_last_used, Some(api::RoleLastUsed::default()));
    let bound = got.permissions_boundary.unwrap();
    assert_eq!(bound.permissions_boundary_arn.as_deref(), Some(boundary.as_str()));
    assert!(got.assume_role_policy_document.unwrap().starts_with("%7B%22Version%22%3A%222012"));

    let listed = house.ok::<ListRoles>(Default::default()).roles.unwrap();
    assert_eq!(listed[0].max_session_duration, Some(7_200));
    assert_eq!((&listed[0].tags, &listed[0].permissions_boundary), (&None, &None));
    let elsewhere = api::ListRolesRequest { path_prefix: Some("/q/".into()), ..Default::default() };
    assert_eq!(house.ok::<ListRoles>(elsewhere).roles.unwrap(), []);

    expect!["EntityAlreadyExists (409): Role with name r already exists."]
        .assert_eq(&house.fails::<CreateRole>(request("r")));
    let reserved =
        api::CreateRoleRequest { path: Some("/aws-service-role/x/".into()), ..request("S") };
    expect!["InvalidInput (400): Path prefix '/aws-service-role/' can only be used for AWS Service linked Roles"]
        .assert_eq(&house.fails::<CreateRole>(reserved));
    let long = api::CreateRoleRequest { max_session_duration: Some(43_201), ..request("S") };
    assert!(house.fails::<CreateRole>(long).starts_with("ValidationError (400)"));
    let absent = api::CreateRoleRequest {
        permissions_boundary: Some("arn:aws:iam::123456789012:policy/absent".into()),
        ..request("S")
    };
    expect!["NoSuchEntity (404): Scope ARN: arn:aws:iam::123456789012:policy/absent does not exist or is not attachable."]
        .assert_eq(&house.fails::<CreateRole>(absent));
    expect!["NoSuchEntity (404): The role with name S cannot be found."]
        .assert_eq(&house.fails::<GetRole>(api::GetRoleRequest { role_name: "S".into() }));
}

#[test]
fn lists_go_on_where_they_ended() {
    let house = House::new();
    for name in ["a", "B", "c"] {
        create_role(&house, name);
    }
    let page = |marker: Option<String>| {
        let input = api::ListRolesRequest { max_items: Some(2), marker, ..Default::default() };
        house.ok::<ListRoles>(input)
    };
    let first = page(None);
    let names = |roles: Option<Vec<api::Role>>| -> Vec<String> {
        roles.unwrap().into_iter().filter_map(|role| role.role_name).collect()
    };
    assert_eq!(
        (names(first.roles), first.is_truncated),
        (vec!["a".into(), "B".into()], Some(true))
    );
    let second = page(first.marker);
    assert_eq!((names(second.roles), second.is_truncated), (vec!["c".into()], Some(false)));
    assert_eq!(second.marker, None);
}

#[test]
fn a_trust_policy_is_checked_as_iam_checks_it() {
    let house = House::new();
    create_role(&house, "R");
    let refused = |document: &str| {
        house.fails::<UpdateAssumeRolePolicy>(api::UpdateAssumeRolePolicyRequest {
            role_name: "R".into(),
            policy_document: document.into(),
        })
    };
    expect!["MalformedPolicyDocument (400): This policy contains invalid Json"]
        .assert_eq(&refused("{"));
    expect![
        "MalformedPolicyDocument (400): AssumeRole policy may only specify STS AssumeRole actions."
    ]
    .assert_eq(&refused(&EC2.replace("sts:AssumeRole", "s3:GetObject")));
    expect!["MalformedPolicyDocument (400): Has prohibited field Resource"]
        .assert_eq(&refused(&EC2.replace(r#""Action""#, r#""Resource":"*","Action""#)));
    for principal in [
        "arn:aws:iam::123456789012:user/absent",
        "arn:aws:iam::123456789012:role/absent",
        "arn:aws:iam::123456789012:group/g",
        "arn:aws:iam::123456789012:user/",
        "AIDAABSENTABSENTABSEN",
    ] {
        assert_eq!(
            refused(&trusting(&format!("\"{principal}\""))),
            format!(
                "MalformedPolicyDocument (400): Invalid principal in policy: \"AWS\":\"{principal}\""
            )
        );
    }
    let pad = |length: usize| EC2.replace("ec2.", &format!("{}.", "e".repeat(length)));
    assert!(pad(2_000).len() > 2_048);
    expect!["LimitExceeded (409): Cannot exceed quota for ACLSizePerRole: 2048"]
        .assert_eq(&refused(&pad(2_000)));
    assert_eq!(trust(&house, "R"), EC2);
}

#[test]
fn a_principal_made_again_under_an_old_name_inherits_no_trust() {
    let house = House::new();
    let user = create_user(&house, "jo").user_id.unwrap();
    create_role(&house, "Other");
    let document = trusting(
        r#"["arn:aws:iam::123456789012:user/jo", "arn:aws:iam::123456789012:role/Other", "210987654321", "arn:aws:iam::210987654321:role/elsewhere"]"#,
    );
    let input =
        api::CreateRoleRequest { assume_role_policy_document: document.clone(), ..request("R") };
    house.ok::<CreateRole>(input);
    assert_eq!(trust(&house, "R"), document);

    // A rename does not break the trust, and is shown.
    house.ok::<UpdateUser>(api::UpdateUserRequest {
        user_name: "jo".into(),
        new_user_name: Some("joan".into()),
        new_path: None,
    });
    assert_eq!(trust(&house, "R"), document.replace("user/jo", "user/joan"));

    house.ok::<DeleteUser>(api::DeleteUserRequest { user_name: "joan".into() });
    let gone = document.replace("arn:aws:iam::123456789012:user/jo", &user);
    assert_eq!(trust(&house, "R"), gone);
    create_user(&house, "jo");
    assert_eq!(trust(&house, "R"), gone);

    // Nobody in an account that is not served can be meant by anything but its id.
    let state = house.state();
    let account = house.scope().account;
    let role = crate::iam::entities::find::<crate::iam::records::RoleRecord>(&state, &account, "R");
    let in_force = in_force(&state, &role.unwrap().unwrap().trust).unwrap();
    assert!(in_force.contains(&user) && in_force.contains("\"210987654321\""));
    assert!(!in_force.contains("arn:aws:iam::"), "{in_force}");
}

#[test]
fn a_session_of_a_role_is_trusted_as_long_as_it_is_that_role() {
    let house = House::new();
    let other = create_role(&house, "Other").role_id.unwrap();
    let session = "arn:aws:sts::123456789012:assumed-role/Other/jo";
    let document = trusting(&format!("\"{session}\""));
    let input =
        api::CreateRoleRequest { assume_role_policy_document: document.clone(), ..request("R") };
    house.ok::<CreateRole>(input);
    let force = || {
        let (state, account) = (house.state(), house.scope().account);
        let role: crate::iam::records::RoleRecord =
            crate::iam::entities::find(&state, &account, "R").unwrap().unwrap();
        in_force(&state, &role.trust).unwrap()
    };
    assert_eq!((trust(&house, "R"), force()), (document.clone(), document.clone()));
    house.ok::<DeleteRole>(api::DeleteRoleRequest { role_name: "Other".into() });
    create_role(&house, "Other");
    assert_eq!(trust(&house, "R"), document.replace(session, &format!("{other}:jo")));
    assert!(!force().contains("Other"), "{}", force());
    let absent = trusting("\"arn:aws:sts::123456789012:assumed-role/absent/jo\"");
    let input = api::CreateRoleRequest { assume_role_policy_document: absent, ..request("S") };
    assert!(house.fails::<CreateRole>(input).contains("Invalid principal in policy"));
}

#[test]
fn what_is_absent_from_an_update_stays() {
    let house = House::new();
    create_role(&house, "R");
    let update = |description: Option<&str>, seconds: Option<i32>| {
        house.ok::<UpdateRole>(api::UpdateRoleRequest {
            role_name: "R".into(),
            description: description.map(Into::into),
            max_session_duration: seconds,
        });
        let role = get(&house, "R");
        (role.description, role.max_session_duration)
    };
    assert_eq!(update(Some("one"), Some(3_600)), (Some("one".into()), Some(3_600)));
    assert_eq!(update(None, Some(43_200)), (Some("one".into()), Some(43_200)));
    assert_eq!(update(None, None), (Some("one".into()), Some(43_200)));
    let described = house.ok::<UpdateRoleDescription>(api::UpdateRoleDescriptionRequest {
        role_name: "R".into(),
        description: "two".into(),
    });
    let described = described.role.unwrap();
    assert_eq!(described.description.as_deref(), Some("two"));
    assert_eq!(described.max_session_duration, None);
}

#[test]
fn a_role_in_use_cannot_be_deleted() {
    let house = House::new();
    create_role(&house, "R");
    let delete = || api::DeleteRoleRequest { role_name: "R".into() };
    let arn = "arn:aws:iam::aws:policy/AdministratorAccess";
    let attach = || api::AttachRolePolicyRequest { role_name: "R".into(), policy_arn: arn.into() };
    house.ok::<AttachRolePolicy>(attach());
    house.ok::<AttachRolePolicy>(attach());
    expect!["DeleteConflict (409): Cannot delete entity, must detach all policies first."]
        .assert_eq(&house.fails::<DeleteRole>(delete()));
    let detach = || api::DetachRolePolicyRequest { role_name: "R".into(), policy_arn: arn.into() };
    house.ok::<DetachRolePolicy>(detach());
    expect![
        "NoSuchEntity (404): Policy arn:aws:iam::aws:policy/AdministratorAccess was not found."
    ]
    .assert_eq(&house.fails::<DetachRolePolicy>(detach()));

    house.ok::<PutRolePolicy>(api::PutRolePolicyRequest {
        role_name: "R".into(),
        policy_name: "inline".into(),
        policy_document: ALLOW_LIST.into(),
    });
    expect!["DeleteConflict (409): Cannot delete entity, must delete policies first."]
        .assert_eq(&house.fails::<DeleteRole>(delete()));
    let inline =
        || api::DeleteRolePolicyRequest { role_name: "R".into(), policy_name: "inline".into() };
    house.ok::<DeleteRolePolicy>(inline());
    expect!["NoSuchEntity (404): The role policy with name inline cannot be found."]
        .assert_eq(&house.fails::<DeleteRolePolicy>(inline()));

    house.ok::<CreateInstanceProfile>(api::CreateInstanceProfileRequest {
        instance_profile_name: "P".into(),
        ..Default::default()
    });
    house.ok::<AddRoleToInstanceProfile>(api::AddRoleToInstanceProfileRequest {
        instance_profile_name: "P".into(),
        role_name: "R".into(),
    });
    expect![
        "DeleteConflict (409): Cannot delete entity, must remove roles from instance profile first."
    ]
    .assert_eq(&house.fails::<DeleteRole>(delete()));
    house.ok::<RemoveRoleFromInstanceProfile>(api::RemoveRoleFromInstanceProfileRequest {
        instance_profile_name: "P".into(),
        role_name: "R".into(),
    });
    house.ok::<DeleteRole>(delete());
    expect!["NoSuchEntity (404): The role with name R cannot be found."]
        .assert_eq(&house.fails::<DeleteRole>(delete()));
    create_role(&house, "R");
}

#[test]
fn policies_of_a_role_are_listed_and_bounded_in_number() {
    let house = House::new();
    create_role(&house, "R");
    let attach =
        |arn: &str| api::AttachRolePolicyRequest { role_name: "R".into(), policy_arn: arn.into() };
    for number in 0..10 {
        let arn = managed_policy(&house, &format!("P{number}"), ALLOW_LIST);
        house.ok::<AttachRolePolicy>(attach(&arn));
    }
    expect!["LimitExceeded (409): Cannot exceed quota for PoliciesPerRole: 10"].assert_eq(
        &house.fails::<AttachRolePolicy>(attach("arn:aws:iam::aws:policy/AdministratorAccess")),
    );
    expect!["ValidationError (400): ARN longpolicynamebutnoarn is not valid."]
        .assert_eq(&house.fails::<AttachRolePolicy>(attach("longpolicynamebutnoarn")));
    expect!["InvalidInput (400): ARN arn:aws:iam::123456789012:role/something is not valid."]
        .assert_eq(
            &house.fails::<AttachRolePolicy>(attach("arn:aws:iam::123456789012:role/something")),
        );
    expect!["NoSuchEntity (404): Policy arn:aws:iam::123456789012:policy/absent does not exist or is not attachable."]
        .assert_eq(&house.fails::<AttachRolePolicy>(attach("arn:aws:iam::123456789012:policy/absent")));
    expect!["PolicyNotAttachable (400): Cannot attach a Service Role Policy to a Customer Role."]
        .assert_eq(&house.fails::<AttachRolePolicy>(attach(
            "arn:aws:iam::aws:policy/aws-service-role/AmazonECSServiceRolePolicy",
        )));
    let attached = house.ok::<ListAttachedRolePolicies>(api::ListAttachedRolePoliciesRequest {
        role_name: "R".into(),
        max_items: Some(3),
        ..Default::default()
    });
    assert_eq!((attached.attached_policies.unwrap().len(), attached.is_truncated), (3, Some(true)));

    let put = |name: &str, document: &str| api::PutRolePolicyRequest {
        role_name: "R".into(),
        policy_name: name.into(),
        policy_document: document.into(),
    };
    house.ok::<PutRolePolicy>(put("one", ALLOW_LIST));
    let names = house.ok::<ListRolePolicies>(api::ListRolePoliciesRequest {
        role_name: "R".into(),
        ..Default::default()
    });
    assert_eq!(names.policy_names.unwrap(), ["one"]);
    let got = house.ok::<GetRolePolicy>(api::GetRolePolicyRequest {
        role_name: "R".into(),
        policy_name: "one".into(),
    });
    assert!(got.policy_document.unwrap().contains("iam%3AListUsers"));
    let big = ALLOW_LIST.replace("iam:ListUsers", &format!("iam:{}", "L".repeat(10_200)));
    expect!["LimitExceeded (409): Maximum policy size of 10240 bytes exceeded for role R"]
        .assert_eq(&house.fails::<PutRolePolicy>(put("two", &big)));
}

#[test]
fn tags_and_boundary_of_a_role_change() {
    let house = House::new();
    create_role(&house, "R");
    house.ok::<TagRole>(api::TagRoleRequest {
        role_name: "R".into(),
        tags: vec![tag("Team", "a"), tag("other", "")],
    });
    house
        .ok::<TagRole>(api::TagRoleRequest { role_name: "R".into(), tags: vec![tag("team", "b")] });
    house.ok::<UntagRole>(api::UntagRoleRequest {
        role_name: "R".into(),
        tag_keys: vec!["OTHER".into(), "absent".into()],
    });
    let listed = house.ok::<ListRoleTags>(api::ListRoleTagsRequest {
        role_name: "R".into(),
        ..Default::default()
    });
    assert_eq!(listed.tags.unwrap(), [tag("team", "b")]);
    expect!["InvalidInput (400): Duplicate tag keys found. Please note that Tag keys are case insensitive."]
        .assert_eq(&house.fails::<TagRole>(api::TagRoleRequest {
            role_name: "R".into(),
            tags: vec![tag("a", "1"), tag("A", "2")],
        }));

    let arn = managed_policy(&house, "B", ALLOW_LIST);
    let put = |arn: &str| api::PutRolePermissionsBoundaryRequest {
        role_name: "R".into(),
        permissions_boundary: arn.into(),
    };
    house.ok::<PutRolePermissionsBoundary>(put(&arn));
    assert!(get(&house, "R").permissions_boundary.is_some());
    expect!["InvalidInput (400): ARN arn:aws:iam::123456789012:not_a_policy/invalid is not valid."]
        .assert_eq(&house.fails::<PutRolePermissionsBoundary>(put(
            "arn:aws:iam::123456789012:not_a_policy/invalid",
        )));
    let drop = || api::DeleteRolePermissionsBoundaryRequest { role_name: "R".into() };
    house.ok::<DeleteRolePermissionsBoundary>(drop());
    assert!(get(&house, "R").permissions_boundary.is_none());
    assert!(house.fails::<DeleteRolePermissionsBoundary>(drop()).starts_with("NoSuchEntity"));
}

#[test]
fn the_last_use_of_a_role_is_told() {
    let house = House::new();
    let id = create_role(&house, "R").role_id.unwrap();
    let last = |seconds| sagegate_gate::last_use::Use {
        at: START.plus_seconds(seconds),
        service: "sagemaker".into(),
        region: "us-west-2".into(),
    };
    let told = || get(&house, "R").role_last_used.unwrap();
    let store = |uses: Vec<(String, sagegate_gate::last_use::Use)>| {
        house.transact(|tx| {
            let uses = uses.clone().into_iter().collect();
            Ok(crate::iam::credentials::store_uses(tx, &uses)?)
        });
    };
    assert_eq!(told(), api::RoleLastUsed::default());
    store(vec![(id.clone(), last(60)), ("AROAUNKNOWNUNKNOWNUNK".into(), last(60))]);
    store(vec![(id.clone(), last(30))]);
    let used = told();
    assert_eq!(used.last_used_date.unwrap().as_millis(), START.plus_seconds(60).millis());
    assert_eq!(used.region.as_deref(), Some("us-west-2"));
    // What is not in the store yet counts as well.
    house.gate.last_use().note(&id, START.plus_seconds(90), "sts", "eu-west-1");
    assert_eq!(told().region.as_deref(), Some("eu-west-1"));
    house.ok::<DeleteRole>(api::DeleteRoleRequest { role_name: "R".into() });
    store(vec![(id, last(120))]);
    create_role(&house, "R");
    assert_eq!(told(), api::RoleLastUsed::default());
}
