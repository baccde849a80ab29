//! What each operation asks for: the action, the resource and the condition keys.

use expect_test::expect;

use super::*;
use crate::sagemaker::app_image_config::CreateAppImageConfig;
use crate::sagemaker::delete_app::DeleteApp;
use crate::sagemaker::delete_domain::DeleteDomain;
use crate::sagemaker::image::CreateImage;
use crate::sagemaker::presigned::CreatePresignedDomainUrl;
use crate::sagemaker::read_app::{DescribeApp, ListApps};
use crate::sagemaker::read_domain::ListDomains;
use crate::sagemaker::read_profile::ListUserProfiles;
use crate::sagemaker::read_space::{DescribeSpace, ListSpaces};
use crate::sagemaker::start_session::StartSession;
use crate::sagemaker::tags::{AddTags, DeleteTags, ListTags};
use crate::sagemaker::update_domain::UpdateDomain;
use crate::sagemaker::write_profile::{DeleteUserProfile, UpdateUserProfile};
use crate::sagemaker::write_space::{DeleteSpace, UpdateSpace};

fn policy(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

fn allow(action: &str) -> String {
    format!(r#"{{"Effect":"Allow","Action":"{action}","Resource":"*"}}"#)
}

/// The action and resource that a caller without permissions is told of.
macro_rules! asked {
    ($house:expr, $id:expr, $($operation:ty: $input:expr;)*) => {{
        let caller = $house.user_with_policy("nobody", &policy(&allow("s3:GetObject")));
        let mut lines = String::new();
        $({
            let text = $house.fails_for::<$operation>(&caller, $input);
            let (_, asked) = text.split_once("perform: ").unwrap_or(("", &text));
            let (asked, _) = asked.split_once(" because ").unwrap_or((asked, ""));
            lines.push_str(&asked.replace($id, "ID"));
            lines.push('\n');
        })*
        lines
    }};
}

#[test]
fn every_operation_asks_for_its_action_on_its_resource() {
    let estate = Estate::new();
    let id = estate.domain("team");
    let ann = estate.profile(&id, "Ann");
    let arn = estate.describe(&id).domain_arn.unwrap();
    let profile = |name: &str| (id.clone(), name.to_owned());
    let (domain_id, user_profile_name) = profile("ann");
    let lines = asked! { estate.house, id.as_str(),
        DescribeDomain: describe(&id);
        DescribeDomain: describe("d-missing");
        ListDomains: api::ListDomainsRequest::default();
        UpdateDomain: api::UpdateDomainRequest { domain_id: id.clone(), ..Default::default() };
        DeleteDomain: api::DeleteDomainRequest { domain_id: id.clone(), retention_policy: None };
        CreateUserProfile: profile_request(&id, "Bob");
        DescribeUserProfile: describe_profile(&id, "ann");
        DescribeUserProfile: describe_profile(&id, "Missing");
        ListUserProfiles: api::ListUserProfilesRequest {
            domain_id_equals: Some(id.clone()), ..Default::default()
        };
        UpdateUserProfile: api::UpdateUserProfileRequest {
            domain_id: id.clone(), user_profile_name: "Ann".into(), user_settings: None,
        };
        DeleteUserProfile: api::DeleteUserProfileRequest {
            domain_id: id.clone(), user_profile_name: "Ann".into(),
        };
        AddTags: api::AddTagsInput { resource_arn: arn.clone(), tags: vec![tag("a", "b")] };
        ListTags: api::ListTagsInput { resource_arn: ann.clone(), ..Default::default() };
        DeleteTags: api::DeleteTagsInput { resource_arn: ann.clone(), tag_keys: vec!["a".into()] };
        CreatePresignedDomainUrl: api::CreatePresignedDomainUrlRequest {
            domain_id, user_profile_name, ..Default::default()
        };
    };
    expect![[r#"
        sagemaker:DescribeDomain on resource: arn:aws:sagemaker:us-west-2:123456789012:domain/ID
        sagemaker:DescribeDomain on resource: arn:aws:sagemaker:us-west-2:123456789012:domain/d-missing
        sagemaker:ListDomains on resource: arn:aws:sagemaker:us-west-2:123456789012:domain/*
        sagemaker:UpdateDomain on resource: arn:aws:sagemaker:us-west-2:123456789012:domain/ID
        sagemaker:DeleteDomain on resource: arn:aws:sagemaker:us-west-2:123456789012:domain/ID
        sagemaker:CreateUserProfile on resource: arn:aws:sagemaker:us-west-2:123456789012:user-profile/ID/Bob
        sagemaker:DescribeUserProfile on resource: arn:aws:sagemaker:us-west-2:123456789012:user-profile/ID/Ann
        sagemaker:DescribeUserProfile on resource: arn:aws:sagemaker:us-west-2:123456789012:user-profile/ID/Missing
        sagemaker:ListUserProfiles on resource: arn:aws:sagemaker:us-west-2:123456789012:user-profile/*
        sagemaker:UpdateUserProfile on resource: arn:aws:sagemaker:us-west-2:123456789012:user-profile/ID/Ann
        sagemaker:DeleteUserProfile on resource: arn:aws:sagemaker:us-west-2:123456789012:user-profile/ID/Ann
        sagemaker:AddTags on resource: arn:aws:sagemaker:us-west-2:123456789012:domain/ID
        sagemaker:ListTags on resource: arn:aws:sagemaker:us-west-2:123456789012:user-profile/ID/Ann
        sagemaker:DeleteTags on resource: arn:aws:sagemaker:us-west-2:123456789012:user-profile/ID/Ann
        sagemaker:CreatePresignedDomainUrl on resource: arn:aws:sagemaker:us-west-2:123456789012:user-profile/ID/Ann
    "#]]
    .assert_eq(&lines);
}

#[test]
fn operations_on_spaces_and_apps_ask_for_their_actions_under_the_names_as_they_were_made() {
    let estate = Estate::new();
    let id = estate.domain("team");
    estate.profile(&id, "Ann");
    let arn = estate.running_space(&id, "Lab", "Ann");
    let app = app_request(&id, "LAB");
    let own = api::CreateAppRequest {
        user_profile_name: Some("ANN".into()),
        space_name: None,
        app_name: "New".into(),
        ..app.clone()
    };
    let lines = asked! { estate.house, id.as_str(),
        CreateSpace: space_request(&id, "New");
        DescribeSpace: describe_space(&id, "lab");
        DescribeSpace: describe_space(&id, "Missing");
        ListSpaces: api::ListSpacesRequest::default();
        UpdateSpace: update_space(&id, "LAB", api::SpaceSettings::default());
        DeleteSpace: api::DeleteSpaceRequest { domain_id: id.clone(), space_name: "lab".into() };
        CreateApp: app.clone();
        CreateApp: own;
        DescribeApp: describe_app(&api::CreateAppRequest { app_name: "DEFAULT".into(), ..app.clone() });
        ListApps: api::ListAppsRequest { domain_id_equals: Some(id.clone()), ..Default::default() };
        DeleteApp: delete_app(&app);
        StartSession: api::StartSessionRequest { resource_identifier: arn.to_lowercase() };
        AddTags: api::AddTagsInput {
            resource_arn: arn.replace("/Lab", "/LAB"), tags: vec![tag("a", "b")],
        };
        ListTags: api::ListTagsInput {
            resource_arn: arn.replace(":space/", ":app/") + "/JUPYTERLAB/Default",
            ..Default::default()
        };
    };
    expect![[r#"
        sagemaker:CreateSpace on resource: arn:aws:sagemaker:us-west-2:123456789012:space/ID/New
        sagemaker:DescribeSpace on resource: arn:aws:sagemaker:us-west-2:123456789012:space/ID/Lab
        sagemaker:DescribeSpace on resource: arn:aws:sagemaker:us-west-2:123456789012:space/ID/Missing
        sagemaker:ListSpaces on resource: arn:aws:sagemaker:us-west-2:123456789012:space/*
        sagemaker:UpdateSpace on resource: arn:aws:sagemaker:us-west-2:123456789012:space/ID/Lab
        sagemaker:DeleteSpace on resource: arn:aws:sagemaker:us-west-2:123456789012:space/ID/Lab
        sagemaker:CreateApp on resource: arn:aws:sagemaker:us-west-2:123456789012:app/ID/Lab/jupyterlab/default
        sagemaker:CreateApp on resource: arn:aws:sagemaker:us-west-2:123456789012:app/ID/Ann/jupyterlab/New
        sagemaker:DescribeApp on resource: arn:aws:sagemaker:us-west-2:123456789012:app/ID/Lab/jupyterlab/default
        sagemaker:ListApps on resource: arn:aws:sagemaker:us-west-2:123456789012:app/*
        sagemaker:DeleteApp on resource: arn:aws:sagemaker:us-west-2:123456789012:app/ID/Lab/jupyterlab/default
        sagemaker:StartSession on resource: arn:aws:sagemaker:us-west-2:123456789012:space/ID/Lab
        sagemaker:AddTags on resource: arn:aws:sagemaker:us-west-2:123456789012:space/ID/Lab
        sagemaker:ListTags on resource: arn:aws:sagemaker:us-west-2:123456789012:app/ID/Lab/jupyterlab/default
    "#]]
    .assert_eq(&lines);
}

#[test]
fn every_role_handed_over_must_be_allowed_to_be_passed_to_sagemaker() {
    let estate = Estate::new();
    let emr = role(&estate.house, "emr", TRUST);
    let mut request = estate.domain_request("team");
    request.default_user_settings.jupyter_lab_app_settings = Some(api::JupyterLabAppSettings {
        emr_settings: Some(api::EmrSettings {
            execution_role_arns: Some(vec![emr]),
            ..Default::default()
        }),
        ..Default::default()
    });
    let pass = |resource: &str, service: &str| {
        format!(
            r#"{{"Effect":"Allow","Action":"iam:PassRole","Resource":"{resource}",
                "Condition":{{"StringEquals":{{"iam:PassedToService":"{service}"}}}}}}"#
        )
    };
    let create = allow("sagemaker:CreateDomain");
    let one = pass(&estate.role, "sagemaker.amazonaws.com");
    let cases = [
        ("none", policy(&create), "exec"),
        ("one", policy(&format!("{create},{one}")), "emr"),
        ("ec2", policy(&format!("{create},{}", pass("*", "ec2.amazonaws.com"))), ""),
    ];
    for (name, text, lacks) in cases {
        let caller = estate.house.user_with_policy(name, &text);
        let text = estate.house.fails_for::<CreateDomain>(&caller, request.clone());
        assert!(text.starts_with("AccessDeniedException (400): "), "{text}");
        assert!(
            text.contains(&format!(
                "iam:PassRole on resource: arn:aws:iam::123456789012:role/{lacks}"
            )),
            "{name}: {text}"
        );
    }
    let all = pass("*", "sagemaker.amazonaws.com");
    let caller = estate.house.user_with_policy("all", &policy(&format!("{create},{all}")));
    assert!(estate.house.call::<CreateDomain>(&caller, request).is_ok());
}

#[test]
fn the_first_domain_of_an_account_makes_the_service_linked_role() {
    let estate = Estate::standing_still();
    let most = format!("{},{}", allow("sagemaker:CreateDomain"), allow("iam:PassRole"));
    let caller = estate.house.user_with_policy("most", &policy(&most));
    let request = estate.domain_request("team");
    let text = estate.house.fails_for::<CreateDomain>(&caller, request.clone());
    assert!(
        text.contains(
            "iam:CreateServiceLinkedRole on resource: arn:aws:iam::123456789012:role/\
             aws-service-role/sagemaker.amazonaws.com/AWSServiceRoleForAmazonSageMakerNotebooks"
        ),
        "{text}"
    );
    let linked = r#"{"Effect":"Allow","Action":"iam:CreateServiceLinkedRole","Resource":"*",
        "Condition":{"StringEquals":{"iam:AWSServiceName":"sagemaker.amazonaws.com"}}}"#;
    let all = estate.house.user_with_policy("all", &policy(&format!("{most},{linked}")));
    assert!(estate.house.call::<CreateDomain>(&all, request).is_ok());
    // From now on it is there.
    let request = estate.domain_request("second");
    assert!(estate.house.call::<CreateDomain>(&caller, request).is_ok());
}

#[test]
fn a_role_of_another_account_cannot_be_passed() {
    let estate = Estate::new();
    let caller = estate.house.user_with_policy("ann", &policy(&allow("*")));
    let mut request = estate.domain_request("team");
    request.default_user_settings.execution_role =
        Some("arn:aws:iam::999999999999:role/theirs".into());
    let text = estate.house.fails_for::<CreateDomain>(&caller, request);
    assert!(text.contains("iam:PassRole"), "{text}");
}

#[test]
fn tags_of_a_creation_need_add_tags_under_its_name() {
    let estate = Estate::new();
    let base = format!("{},{}", allow("sagemaker:CreateDomain"), allow("iam:PassRole"));
    let tagging = |operation: &str| {
        format!(
            r#"{{"Effect":"Allow","Action":"sagemaker:AddTags","Resource":"*",
                "Condition":{{"StringEquals":{{"sagemaker:TaggingAction":"{operation}"}}}}}}"#
        )
    };
    let mut request = estate.domain_request("team");
    request.tags = Some(vec![tag("Team", "red")]);
    let cases =
        [("none", policy(&base)), ("other", policy(&format!("{base},{}", tagging("CreateSpace"))))];
    for (name, text) in cases {
        let caller = estate.house.user_with_policy(name, &text);
        let text = estate.house.fails_for::<CreateDomain>(&caller, request.clone());
        assert!(
            text.contains(
                "sagemaker:AddTags on resource: arn:aws:sagemaker:us-west-2:123456789012:domain/d-"
            ),
            "{text}"
        );
    }
    let text = policy(&format!("{base},{}", tagging("CreateDomain")));
    let caller = estate.house.user_with_policy("right", &text);
    assert!(estate.house.call::<CreateDomain>(&caller, request).is_ok());
}

#[test]
fn conditions_see_what_the_request_and_the_resource_are() {
    let estate = Estate::new();
    let pass = allow("iam:PassRole");
    let only = |condition: &str| {
        policy(&format!(
            r#"{pass},{{"Effect":"Allow","Action":"sagemaker:*","Resource":"*","Condition":{condition}}}"#
        ))
    };
    let vpc_only = only(r#"{"StringEquals":{"sagemaker:AppNetworkAccessType":"VpcOnly"}}"#);
    let caller = estate.house.user_with_policy("vpc", &vpc_only);
    let mut request = estate.domain_request("a");
    assert!(estate.house.call::<CreateDomain>(&caller, request.clone()).is_err());
    request.app_network_access_type = Some(api::AppNetworkAccessType::VpcOnly);
    assert!(estate.house.call::<CreateDomain>(&caller, request).is_ok());

    let subnets = format!(
        r#"{{"ForAllValues:StringEquals":{{"sagemaker:VpcSubnets":["{}"]}},
            "ForAnyValue:StringEquals":{{"sagemaker:VpcSecurityGroupIds":["{}"]}},
            "StringEquals":{{"sagemaker:AuthMode":"IAM"}}}}"#,
        estate.subnet, estate.group
    );
    let caller = estate.house.user_with_policy("subnets", &only(&subnets));
    let other = subnet(&estate.house, &estate.vpc, "10.0.2.0/24");
    let mut request = estate.domain_request("b");
    request.subnet_ids = Some(vec![estate.subnet.clone(), other]);
    assert!(estate.house.call::<CreateDomain>(&caller, request).is_err());
    assert!(estate.house.call::<CreateDomain>(&caller, estate.domain_request("b")).is_ok());

    let id = estate.domain("c");
    let mut request = profile_request(&id, "ann");
    request.tags = Some(vec![tag("Team", "red")]);
    estate.house.ok::<CreateUserProfile>(request);
    estate.profile(&id, "bob");
    for key in ["sagemaker:ResourceTag/Team", "aws:ResourceTag/Team"] {
        let text = only(&format!(r#"{{"StringEquals":{{"{key}":"red"}}}}"#));
        let caller = estate.house.user_with_policy(&key.replace([':', '/'], "-"), &text);
        let ann = describe_profile(&id, "ann");
        assert!(estate.house.call::<DescribeUserProfile>(&caller, ann).is_ok(), "{key}");
        let bob = describe_profile(&id, "bob");
        assert!(estate.house.call::<DescribeUserProfile>(&caller, bob).is_err(), "{key}");
    }
}

#[test]
fn a_deny_of_an_image_holds_for_custom_images() {
    let estate = Estate::new();
    let text = policy(&format!(
        r#"{},{{"Effect":"Deny","Action":"sagemaker:*","Resource":"*","Condition":{{"ForAnyValue:ArnLike":
        {{"sagemaker:ImageArns":"arn:aws:sagemaker:us-west-2:123456789012:image/bad"}}}}}}"#,
        allow("*")
    ));
    let caller = estate.house.user_with_policy("ann", &text);
    estate.house.ok::<CreateAppImageConfig>(api::CreateAppImageConfigRequest {
        app_image_config_name: "c".into(),
        ..Default::default()
    });
    for (name, right) in [("Bad", false), ("good", true)] {
        estate.house.ok::<CreateImage>(api::CreateImageRequest {
            image_name: name.into(),
            role_arn: estate.role.clone(),
            ..Default::default()
        });
        let mut request = estate.domain_request(name);
        request.default_user_settings.jupyter_lab_app_settings = Some(api::JupyterLabAppSettings {
            custom_images: Some(vec![api::CustomImage {
                image_name: name.into(),
                app_image_config_name: "c".into(),
                ..Default::default()
            }]),
            ..Default::default()
        });
        assert_eq!(estate.house.call::<CreateDomain>(&caller, request).is_ok(), right, "{name}");
    }
}

#[test]
fn a_deny_by_name_holds_in_every_case_of_the_name() {
    let estate = Estate::new();
    let id = estate.domain("team");
    estate.profile(&id, "Ann");
    let text = policy(&format!(
        r#"{},{{"Effect":"Deny","Action":"*","Resource":"arn:aws:sagemaker:*:*:user-profile/*/Ann"}}"#,
        allow("sagemaker:*")
    ));
    let caller = estate.house.user_with_policy("bob", &text);
    for name in ["Ann", "ann", "ANN"] {
        let input = describe_profile(&id, name);
        let fault = estate.house.call::<DescribeUserProfile>(&caller, input).unwrap_err();
        assert!(fault.message.contains("with an explicit deny"), "{}", fault.message);
    }
}
