use expect_test::expect;
use proptest::prelude::*;
use sagegate_api::iam as api;

use super::roles::create_role;
use super::{create_group, create_user, managed_policy};
use crate::iam::group_policies::AttachGroupPolicy;
use crate::iam::membership::AddUserToGroup;
use crate::iam::role_policies::{AttachRolePolicy, PutRolePolicy};
use crate::iam::role_update::PutRolePermissionsBoundary;
use crate::iam::simulate::{SimulateCustomPolicy, SimulatePrincipalPolicy};
use crate::iam::user_policies::{AttachUserPolicy, PutUserPolicy};
use crate::iam::user_tags::PutUserPermissionsBoundary;
use crate::iam::users::GetUser;
use crate::testing::House;

/// As Python's `json.dumps` writes it.
const PUT: &str = r#"{"Version": "2012-10-17", "Statement": {"Sid": "", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}}"#;
const BUCKET: &str = "arn:aws:s3:::bucket";

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// A statement of a small world, in which policies meet often.
fn statement() -> impl Strategy<Value = String> {
    let effect = prop_oneof![3 => Just("Allow"), 1 => Just("Deny")];
    let action = prop_oneof![
        Just(r#""Action":"iam:GetUser""#),
        Just(r#""Action":"iam:Get*""#),
        Just(r#""Action":"*""#),
        Just(r#""Action":"iam:ListUsers""#),
        Just(r#""NotAction":"iam:GetUser""#),
    ];
    let resource = prop_oneof![
        Just(r#""Resource":"*""#),
        Just(r#""Resource":"arn:aws:iam::*:user/target""#),
        Just(r#""Resource":"arn:aws:iam::123456789012:user/t*""#),
        Just(r#""NotResource":"arn:aws:iam::123456789012:user/target""#),
        Just(r#""Resource":"arn:aws:iam::123456789012:user/${aws:username}""#),
    ];
    (effect, action, resource).prop_map(|(effect, action, resource)| {
        format!(r#"{{"Effect":"{effect}",{action},{resource}}}"#)
    })
}

fn policy() -> impl Strategy<Value = String> {
    proptest::collection::vec(statement(), 1..4).prop_map(|statements| {
        format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What a simulation says of a user is what becomes of the user's request.
    #[test]
    fn a_simulation_tells_what_would_be_decided(
        inline in policy(),
        group in policy(),
        boundary in proptest::option::of(policy()),
    ) {
        let house = House::new();
        create_user(&house, "target");
        create_group(&house, "g");
        let caller = house.user_with_policy("u", &inline);
        house.ok::<AddUserToGroup>(api::AddUserToGroupRequest {
            group_name: "g".into(),
            user_name: "u".into(),
        });
        house.ok::<AttachGroupPolicy>(api::AttachGroupPolicyRequest {
            group_name: "g".into(),
            policy_arn: managed_policy(&house, "G", &group),
        });
        if let Some(boundary) = &boundary {
            house.ok::<PutUserPermissionsBoundary>(api::PutUserPermissionsBoundaryRequest {
                user_name: "u".into(),
                permissions_boundary: managed_policy(&house, "B", boundary),
            });
        }
        let target = "arn:aws:iam::123456789012:user/target";
        let input = api::SimulatePrincipalPolicyRequest {
            context_entries: Some(vec![entry(
                "aws:username",
                api::ContextKeyTypeEnum::String,
                &["u"],
            )]),
            ..of("arn:aws:iam::123456789012:user/u", &["iam:GetUser"], &[target])
        };
        let answer = house.ok::<SimulatePrincipalPolicy>(input).evaluation_results.unwrap();
        let told = match answer[0].eval_decision.unwrap() {
            api::PolicyEvaluationDecisionType::Allowed => "",
            api::PolicyEvaluationDecisionType::ExplicitDeny => "with an explicit deny",
            api::PolicyEvaluationDecisionType::ImplicitDeny => "because no",
        };
        let request = api::GetUserRequest { user_name: Some("target".into()) };
        match house.call::<GetUser>(&caller, request) {
            Ok(_) => prop_assert_eq!(told, ""),
            Err(fault) => prop_assert!(!told.is_empty() && fault.message.contains(told), "{}", fault),
        }
    }
}

/// One line for a decision, one for each matched statement and missing key.
fn describe(results: Option<Vec<api::EvaluationResult>>) -> String {
    let mut lines = String::new();
    let line = |decision: Option<api::PolicyEvaluationDecisionType>, name: Option<String>| {
        format!("{} {}\n", decision.unwrap(), name.unwrap())
    };
    let details = |matched: Option<Vec<api::Statement>>, missing: Option<Vec<String>>| {
        let mut lines = String::new();
        for it in matched.unwrap() {
            let place = |it: Option<api::Position>| {
                it.map_or("?".into(), |it| format!("{}:{}", it.line.unwrap(), it.column.unwrap()))
            };
            let (id, kind) = (it.source_policy_id.unwrap(), it.source_policy_type.unwrap());
            let (start, end) = (place(it.start_position), place(it.end_position));
            lines.push_str(&format!("  {kind} {id} {start}-{end}\n"));
        }
        for key in missing.unwrap() {
            lines.push_str(&format!("  missing {key}\n"));
        }
        lines
    };
    for it in results.unwrap() {
        lines.push_str(&format!("{}: ", it.eval_action_name.unwrap()));
        lines.push_str(&line(it.eval_decision, it.eval_resource_name));
        lines.push_str(&details(it.matched_statements, it.missing_context_values));
        if let Some(boundary) = it.permissions_boundary_decision_detail {
            let allowed = boundary.allowed_by_permissions_boundary.unwrap();
            lines.push_str(&format!("  allowed by boundary: {allowed}\n"));
        }
        if let Some(organizations) = it.organizations_decision_detail {
            let allowed = organizations.allowed_by_organizations.unwrap();
            lines.push_str(&format!("  allowed by organizations: {allowed}\n"));
        }
        for (side, decision) in it.eval_decision_details.into_iter().flatten() {
            lines.push_str(&format!("  {side}: {decision}\n"));
        }
        for it in it.resource_specific_results.into_iter().flatten() {
            lines.push_str(&format!(
                "  = {}",
                line(it.eval_resource_decision, it.eval_resource_name)
            ));
            lines.push_str(&details(it.matched_statements, it.missing_context_values));
        }
    }
    lines
}

fn principal(house: &House, input: api::SimulatePrincipalPolicyRequest) -> String {
    describe(house.ok::<SimulatePrincipalPolicy>(input).evaluation_results)
}

fn custom(house: &House, input: api::SimulateCustomPolicyRequest) -> String {
    describe(house.ok::<SimulateCustomPolicy>(input).evaluation_results)
}

fn of(arn: &str, actions: &[&str], resources: &[&str]) -> api::SimulatePrincipalPolicyRequest {
    api::SimulatePrincipalPolicyRequest {
        policy_source_arn: arn.into(),
        action_names: strings(actions),
        resource_arns: (!resources.is_empty()).then(|| strings(resources)),
        ..Default::default()
    }
}

fn with(
    policies: &[&str],
    actions: &[&str],
    resources: &[&str],
) -> api::SimulateCustomPolicyRequest {
    api::SimulateCustomPolicyRequest {
        policy_input_list: strings(policies),
        action_names: strings(actions),
        resource_arns: (!resources.is_empty()).then(|| strings(resources)),
        ..Default::default()
    }
}

fn entry(key: &str, kind: api::ContextKeyTypeEnum, values: &[&str]) -> api::ContextEntry {
    api::ContextEntry {
        context_key_name: Some(key.into()),
        context_key_type: Some(kind),
        context_key_values: Some(strings(values)),
    }
}

/// The question and the answer are those of a test against the real service.
#[test]
fn a_principal_is_simulated_as_the_service_does() {
    let house = House::new();
    let arn = managed_policy(&house, "P", PUT);
    create_user(&house, "u");
    create_group(&house, "g");
    create_role(&house, "R");
    let policy_arn = || arn.clone();
    house.ok::<AttachUserPolicy>(api::AttachUserPolicyRequest {
        user_name: "u".into(),
        policy_arn: policy_arn(),
    });
    house.ok::<AttachGroupPolicy>(api::AttachGroupPolicyRequest {
        group_name: "g".into(),
        policy_arn: policy_arn(),
    });
    house.ok::<AttachRolePolicy>(api::AttachRolePolicyRequest {
        role_name: "R".into(),
        policy_arn: policy_arn(),
    });
    let expected = expect![[r#"
        s3:PutObject: allowed arn:aws:s3:::bucket
          user-managed P 1:41-1:113
          = allowed arn:aws:s3:::bucket
          user-managed P 1:41-1:113
        s3:GetObjectVersion: implicitDeny arn:aws:s3:::bucket
          = implicitDeny arn:aws:s3:::bucket
    "#]];
    for entity in ["user/u", "group/g", "role/R"] {
        let arn = format!("arn:aws:iam::123456789012:{entity}");
        let input = of(&arn, &["s3:PutObject", "s3:GetObjectVersion"], &[BUCKET]);
        let answer = house.ok::<SimulatePrincipalPolicy>(input.clone());
        let details = answer.evaluation_results.unwrap()[0].eval_decision_details.clone();
        assert_eq!(details, Some(Default::default()), "present but empty within an account");
        expected.assert_eq(&principal(&house, input));
    }
}

#[test]
fn policies_of_all_origins_count_and_are_named() {
    let house = House::new();
    create_user(&house, "u");
    create_group(&house, "g");
    house.ok::<AddUserToGroup>(api::AddUserToGroupRequest {
        group_name: "g".into(),
        user_name: "u".into(),
    });
    house.ok::<AttachGroupPolicy>(api::AttachGroupPolicyRequest {
        group_name: "g".into(),
        policy_arn: "arn:aws:iam::aws:policy/AdministratorAccess".into(),
    });
    house.ok::<PutUserPolicy>(api::PutUserPolicyRequest {
        user_name: "u".into(),
        policy_name: "mine".into(),
        policy_document: PUT.into(),
    });
    let arn = "arn:aws:iam::123456789012:user/u";
    let further = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:Delete*","Resource":"*"}}"#;
    let input = api::SimulatePrincipalPolicyRequest {
        policy_input_list: Some(strings(&[further])),
        ..of(arn, &["s3:PutObject", "s3:DeleteObject"], &[])
    };
    expect![[r#"
        s3:PutObject: allowed *
          user user_u_mine 1:41-1:113
          aws-managed AdministratorAccess 1:15-1:61
        s3:DeleteObject: explicitDeny *
          none PolicyInputList.1 1:38-1:91
    "#]]
    .assert_eq(&principal(&house, input.clone()));

    let exclude = |identifier: api::PolicyIdentifier| {
        principal(
            &house,
            api::SimulatePrincipalPolicyRequest {
                policy_exclusion_list: Some(vec![identifier]),
                ..of(arn, &["s3:PutObject"], &[])
            },
        )
    };
    use api::PolicyIdentifierPolicyType::AwsManaged;
    expect![[r#"
        s3:PutObject: allowed *
          user user_u_mine 1:41-1:113
    "#]]
    .assert_eq(&exclude(api::PolicyIdentifier {
        policy_type: Some(AwsManaged),
        ..Default::default()
    }));
    expect![[r#"
        s3:PutObject: allowed *
          user user_u_mine 1:41-1:113
    "#]]
    .assert_eq(&exclude(api::PolicyIdentifier {
        policy_arn: Some("arn:aws:iam::aws:policy/Admin*".into()),
        ..Default::default()
    }));
    expect![[r#"
        s3:PutObject: allowed *
          aws-managed AdministratorAccess 1:15-1:61
    "#]]
    .assert_eq(&exclude(api::PolicyIdentifier {
        inline_policy_identifier: Some(api::InlinePolicyIdentifierType {
            policy_name: "mine".into(),
            attachment_type: api::AttachmentType::User,
            attachment_name: "?".into(),
        }),
        ..Default::default()
    }));
}

#[test]
fn a_boundary_limits_and_is_told_of() {
    let house = House::new();
    let bound = managed_policy(&house, "B", PUT);
    create_role(&house, "R");
    house.ok::<PutRolePolicy>(api::PutRolePolicyRequest {
        role_name: "R".into(),
        policy_name: "all".into(),
        policy_document: PUT.replace("s3:PutObject", "s3:*"),
    });
    house.ok::<PutRolePermissionsBoundary>(api::PutRolePermissionsBoundaryRequest {
        role_name: "R".into(),
        permissions_boundary: bound,
    });
    let arn = "arn:aws:iam::123456789012:role/R";
    let input = of(arn, &["s3:PutObject", "s3:GetObject"], &[]);
    expect![[r#"
        s3:PutObject: allowed *
          role role_R_all 1:41-1:105
          allowed by boundary: true
        s3:GetObject: implicitDeny *
          allowed by boundary: false
    "#]]
    .assert_eq(&principal(&house, input.clone()));
    let other = PUT.replace("s3:PutObject", "s3:GetObject");
    let input = api::SimulatePrincipalPolicyRequest {
        permissions_boundary_policy_input_list: Some(vec![other.clone()]),
        ..input
    };
    expect![[r#"
        s3:PutObject: implicitDeny *
          allowed by boundary: false
        s3:GetObject: allowed *
          role role_R_all 1:41-1:105
          allowed by boundary: true
    "#]]
    .assert_eq(&principal(&house, input.clone()));
    let two = api::SimulatePrincipalPolicyRequest {
        permissions_boundary_policy_input_list: Some(vec![other.clone(), other]),
        ..input
    };
    expect!["InvalidInput (400): Only one permissions boundary policy can be given."]
        .assert_eq(&house.fails::<SimulatePrincipalPolicy>(two));
}

/// The boundary is one of the input policies.
#[test]
fn what_a_boundary_asks_for_in_vain_is_told() {
    let condition = r#""Resource": "*", "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}"#;
    let input = api::SimulateCustomPolicyRequest {
        permissions_boundary_policy_input_list: Some(vec![
            PUT.replace(r#""Resource": "*""#, condition),
        ]),
        ..with(&[PUT], &["s3:PutObject"], &[])
    };
    let answer = House::new().ok::<SimulateCustomPolicy>(input).evaluation_results.unwrap();
    assert_eq!(answer[0].missing_context_values, Some(strings(&["aws:SourceVpc"])));
}

/// The sixth policy of SPEC seed 1: only the keys that are given exist.
#[test]
fn keys_that_are_asked_for_in_vain_are_told() {
    let house = House::new();
    let policy = r#"{"Version":"2012-10-17","Statement":[
{"Effect":"Allow","Action":"sagemaker:CreatePresignedDomainUrl","Resource":"arn:aws:sagemaker:*:*:user-profile/*/${aws:username}","Condition":{"StringEquals":{"aws:SourceVpce":["vpce-1","vpce-2"]}}},
{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}]}"#;
    let resource = "arn:aws:sagemaker:us-west-2:123456789012:user-profile/d-1/jo";
    let input = with(&[policy], &["sagemaker:CreatePresignedDomainUrl"], &[resource]);
    expect![[r#"
        sagemaker:CreatePresignedDomainUrl: implicitDeny arn:aws:sagemaker:us-west-2:123456789012:user-profile/d-1/jo
          missing aws:SourceVpce
          missing aws:username
          = implicitDeny arn:aws:sagemaker:us-west-2:123456789012:user-profile/d-1/jo
          missing aws:SourceVpce
          missing aws:username
    "#]]
    .assert_eq(&custom(&house, input.clone()));
    use api::ContextKeyTypeEnum::{Ip, String as Text};
    let with_keys = |entries: Vec<api::ContextEntry>| api::SimulateCustomPolicyRequest {
        context_entries: Some(entries),
        ..input.clone()
    };
    let keys =
        vec![entry("aws:username", Text, &["jo"]), entry("AWS:sourcevpce", Text, &["vpce-2"])];
    expect![[r#"
        sagemaker:CreatePresignedDomainUrl: allowed arn:aws:sagemaker:us-west-2:123456789012:user-profile/d-1/jo
          none PolicyInputList.1 1:38-2:199
          = allowed arn:aws:sagemaker:us-west-2:123456789012:user-profile/d-1/jo
          none PolicyInputList.1 1:38-2:199
    "#]]
    .assert_eq(&custom(&house, with_keys(keys)));
    expect![[
        r#"InvalidInput (400): Value "10.0.0" of context key aws:SourceIp is not of type ip."#
    ]]
    .assert_eq(&house.fails::<SimulateCustomPolicy>(with_keys(vec![entry(
        "aws:SourceIp",
        Ip,
        &["10.0.0"],
    )])));
}

#[test]
fn several_resources_have_their_own_results_and_the_strictest_decides() {
    let house = House::new();
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::good/*"},{"Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::bad/*"}]}"#;
    let resources = ["arn:aws:s3:::good/x", "arn:aws:s3:::bad/x", "arn:aws:s3:::none/x"];
    expect![[r#"
        s3:GetObject: explicitDeny *
          none PolicyInputList.1 1:114-1:187
          = allowed arn:aws:s3:::good/x
          none PolicyInputList.1 1:38-1:113
          = explicitDeny arn:aws:s3:::bad/x
          none PolicyInputList.1 1:114-1:187
          = implicitDeny arn:aws:s3:::none/x
    "#]]
    .assert_eq(&custom(&house, with(&[policy], &["s3:GetObject"], &resources)));
}

#[test]
fn across_accounts_both_sides_must_allow() {
    let house = House::new();
    let resource = |principal: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"s3:PutObject","Resource":"{BUCKET}/*"}}}}"#
        )
    };
    let jo = "arn:aws:iam::123456789012:user/jo";
    let ask = |policy: &str, principal: &str, owner: Option<&str>| {
        custom(
            &house,
            api::SimulateCustomPolicyRequest {
                caller_arn: Some(jo.into()),
                resource_policy: Some(resource(principal)),
                resource_owner: owner.map(Into::into),
                ..with(&[policy], &["s3:PutObject"], &["arn:aws:s3:::bucket/x"])
            },
        )
    };
    let nothing = PUT.replace("s3:PutObject", "s3:GetObject");
    // Within an account either is enough.
    expect![[r#"
        s3:PutObject: allowed arn:aws:s3:::bucket/x
          resource ResourcePolicy 1:38-1:170
          = allowed arn:aws:s3:::bucket/x
          resource ResourcePolicy 1:38-1:170
    "#]]
    .assert_eq(&ask(&nothing, jo, None));
    let other = Some("arn:aws:iam::210987654321:root");
    expect![[r#"
        s3:PutObject: implicitDeny arn:aws:s3:::bucket/x
          IAM Policy: implicitDeny
          Resource Policy: allowed
          = implicitDeny arn:aws:s3:::bucket/x
    "#]]
    .assert_eq(&ask(&nothing, jo, other));
    expect![[r#"
        s3:PutObject: implicitDeny arn:aws:s3:::bucket/x
          IAM Policy: allowed
          Resource Policy: implicitDeny
          = implicitDeny arn:aws:s3:::bucket/x
    "#]]
    .assert_eq(&ask(PUT, "arn:aws:iam::123456789012:user/someone", other));
    expect![[r#"
        s3:PutObject: allowed arn:aws:s3:::bucket/x
          none PolicyInputList.1 1:41-1:113
          resource ResourcePolicy 1:38-1:170
          IAM Policy: allowed
          Resource Policy: allowed
          = allowed arn:aws:s3:::bucket/x
          none PolicyInputList.1 1:41-1:113
          resource ResourcePolicy 1:38-1:170
    "#]]
    .assert_eq(&ask(PUT, jo, other));
}

#[test]
fn service_control_policies_allow_on_every_level() {
    let house = House::new();
    let full =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let no_put = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:Put*","Resource":"*"}}"#;
    let level = |policies: &[&str]| api::OrderedOrganizationPolicyType {
        service_control_policy_input_list: Some(strings(policies)),
    };
    let ask = |levels: Vec<api::OrderedOrganizationPolicyType>| {
        custom(
            &house,
            api::SimulateCustomPolicyRequest {
                ordered_organization_policy_input_list: Some(levels),
                ..with(&[PUT], &["s3:PutObject"], &[])
            },
        )
    };
    expect![[r#"
        s3:PutObject: allowed *
          none PolicyInputList.1 1:41-1:113
          allowed by organizations: true
    "#]]
    .assert_eq(&ask(vec![level(&[full]), level(&[full])]));
    expect![[r#"
        s3:PutObject: explicitDeny *
          allowed by organizations: false
    "#]]
    .assert_eq(&ask(vec![level(&[full]), level(&[full, no_put])]));
}

#[test]
fn answers_come_page_by_page() {
    let house = House::new();
    let actions: Vec<String> = (0..5).map(|number| format!("s3:Action{number}")).collect();
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let page = house.ok::<SimulateCustomPolicy>(api::SimulateCustomPolicyRequest {
            policy_input_list: strings(&[PUT]),
            action_names: actions.clone(),
            max_items: Some(2),
            marker,
            ..Default::default()
        });
        assert_eq!(page.is_truncated, Some(page.marker.is_some()));
        seen.extend(
            page.evaluation_results.unwrap().into_iter().filter_map(|it| it.eval_action_name),
        );
        marker = page.marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, actions);
}

#[test]
fn what_cannot_be_simulated_is_refused_with_its_name() {
    let house = House::new();
    create_user(&house, "u");
    let arn = "arn:aws:iam::123456789012:user/u";
    let principal = |input| house.fails::<SimulatePrincipalPolicy>(input);
    expect!["InvalidInput (400): Invalid Action name: s3:*"].assert_eq(&principal(of(
        arn,
        &["s3:*"],
        &[],
    )));
    expect!["NoSuchEntity (404): The user with name absent cannot be found."]
        .assert_eq(&principal(of("arn:aws:iam::123456789012:user/absent", &["s3:GetObject"], &[])));
    expect!["NoSuchEntity (404): The user with name u cannot be found."].assert_eq(&principal(of(
        "arn:aws:iam::123456789012:user/path/u",
        &["s3:GetObject"],
        &[],
    )));
    expect!["InvalidInput (400): Invalid Entity Arn: arn:aws:iam::123456789012:policy/P does not clearly define entity type and name."]
        .assert_eq(&principal(of("arn:aws:iam::123456789012:policy/P", &["s3:GetObject"], &[])));
    let caller = api::SimulatePrincipalPolicyRequest {
        caller_arn: Some("arn:aws:sts::123456789012:assumed-role/R/s".into()),
        ..of(arn, &["s3:GetObject"], &[])
    };
    expect!["InvalidInput (400): Invalid CallerArn: arn:aws:sts::123456789012:assumed-role/R/s. It must be the ARN of an IAM user, group, or role."]
        .assert_eq(&principal(caller));
    let wildcard = api::SimulatePrincipalPolicyRequest {
        policy_exclusion_list: Some(vec![api::PolicyIdentifier {
            policy_arn: Some("arn:aws:iam::aws:policy/*/*".into()),
            ..Default::default()
        }]),
        ..of(arn, &["s3:GetObject"], &[])
    };
    expect!["InvalidInput (400): ARN arn:aws:iam::aws:policy/*/* is not valid."]
        .assert_eq(&principal(wildcard));

    let custom = |input| house.fails::<SimulateCustomPolicy>(input);
    expect![
        "InvalidInput (400): The policy in PolicyInputList.2 is malformed: Syntax errors in policy."
    ]
    .assert_eq(&custom(with(&[PUT, "{}"], &["s3:GetObject"], &[])));
    let without_caller = api::SimulateCustomPolicyRequest {
        resource_policy: Some(
            PUT.replace("\"Action\"", "\"Principal\": \"*\", \"Action\"")
                .replace("\"Sid\": \"\", ", ""),
        ),
        ..with(&[PUT], &["s3:GetObject"], &[])
    };
    assert!(custom(without_caller).starts_with("InvalidInput (400): CallerArn is required"));
    let option = api::SimulateCustomPolicyRequest {
        resource_handling_option: Some("EC2-VPC-EBS".into()),
        ..with(&[PUT], &["ec2:RunInstances"], &[])
    };
    expect!["InvalidInput (400): ResourceHandlingOption EC2-VPC-EBS requires a resource of type instance in ResourceArns."]
        .assert_eq(&custom(option));
    let owner = api::SimulateCustomPolicyRequest {
        resource_owner: Some("me".into()),
        ..with(&[PUT], &["s3:GetObject"], &[])
    };
    expect!["InvalidInput (400): Invalid ResourceOwner: me"].assert_eq(&custom(owner));
}
