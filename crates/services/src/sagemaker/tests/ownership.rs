//! Who may do what to whose spaces and apps: endpoint policies of the seed, and SageMaker's own
//! managed policy.

use sagegate_gate::Caller;

use super::remote::seed;
use super::*;
use crate::ec2::endpoint::modify::ModifyVpcEndpoint;
use crate::iam::role_policies::AttachRolePolicy;
use crate::sagemaker::delete_app::DeleteApp;
use crate::sagemaker::presigned::CreatePresignedDomainUrl;
use crate::sagemaker::write_space::{DeleteSpace, UpdateSpace};

fn gateway(domain: &str, profile: &str) -> api::CreateAppRequest {
    api::CreateAppRequest {
        domain_id: domain.into(),
        user_profile_name: Some(profile.into()),
        app_type: api::AppType::KernelGateway,
        app_name: "kernel".into(),
        ..Default::default()
    }
}

/// SPEC R1.9, R1.10, T2, T3.
#[test]
fn the_endpoint_policies_of_studio_let_one_domain_through() {
    let estate = Estate::new();
    let (id, other) = (estate.domain("team"), estate.domain("other"));
    for domain in [&id, &other] {
        estate.profile(domain, "Ann");
    }
    let listener = estate.endpoint("com.amazonaws.us-west-2.sagemaker.api");
    let set = |name: &str| {
        let text = seed(name).replace("111122223333", "123456789012").replace("domain-id", &id);
        estate.house.ok::<ModifyVpcEndpoint>(ec2_api::ModifyVpcEndpointRequest {
            vpc_endpoint_id: listener.vpc_endpoint_id.clone(),
            policy_document: Some(text),
            ..Default::default()
        });
    };
    let root = estate.house.root();
    set("001-endpoint-policy-create-app.json");
    let create = |request| estate.house.call_from::<CreateApp>(&root, through(&listener), request);
    assert_eq!(create(gateway(&id, "ann")).map(drop).map_err(|it| super::text(&it)), Ok(()));
    let fault = create(gateway(&other, "Ann")).unwrap_err();
    let ending = "because no VPC endpoint policy allows the sagemaker:CreateApp action";
    assert_eq!(fault.code, "AccessDeniedException");
    assert!(fault.message.ends_with(ending), "{}", fault.message);
    // So do the apps of spaces that a profile of the domain owns, and others do not.
    for domain in [&id, &other] {
        estate.house.ok::<CreateSpace>(private_space(domain, "lab", "Ann"));
        estate.house.ok::<CreateSpace>(space_request(domain, "nobodys"));
    }
    assert!(create(app_request(&id, "lab")).is_ok());
    assert!(create(app_request(&other, "lab")).is_err());
    assert!(create(app_request(&id, "nobodys")).is_err());
    // Not by the endpoint, not affected.
    estate.house.ok::<CreateApp>(gateway(&other, "Ann"));
    let url = |domain: &str| {
        let input = api::CreatePresignedDomainUrlRequest {
            domain_id: domain.into(),
            user_profile_name: "Ann".into(),
            ..Default::default()
        };
        estate.house.call_from::<CreatePresignedDomainUrl>(&root, through(&listener), input)
    };
    assert!(url(&id).is_err());
    set("001-endpoint-policy-presigned-url.json");
    assert!(url(&id).is_ok());
    assert!(url(&other).is_err());
    assert!(create(gateway(&id, "Ann")).is_err());
}

/// The statements of AmazonSageMakerFullAccess about spaces and apps (SPEC T15).
#[test]
fn full_access_lets_a_data_scientist_change_her_own_spaces_and_shared_ones_without_owner() {
    let estate = Estate::new();
    let id = estate.domain("team");
    for name in ["Ann", "Bob"] {
        estate.profile(&id, name);
    }
    estate.house.ok::<AttachRolePolicy>(iam_api::AttachRolePolicyRequest {
        role_name: "exec".into(),
        policy_arn: "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess".into(),
    });
    let ann = estate.in_studio(&estate.role, &id, Some("Ann"));
    let house = &estate.house;
    let shared_by = |owner: &str, name: &str| {
        let mut request = private_space(&id, name, owner);
        let sharing_type = api::SharingType::Shared;
        request.space_sharing_settings = Some(api::SpaceSharingSettings { sharing_type });
        request
    };
    let own = |name: &str, owner: &str| {
        let mut request = private_space(&id, name, owner);
        request.tags = Some(vec![tag("a", "b")]);
        house.call::<CreateSpace>(&ann, request)
    };
    assert!(own("anns", "ANN").is_ok());
    assert!(own("bobs-by-ann", "Bob").is_err());
    house.ok::<CreateSpace>(private_space(&id, "bobs", "Bob"));
    assert!(house.call::<CreateSpace>(&ann, shared_by("Ann", "anns-shared")).is_ok());
    assert!(house.call::<CreateSpace>(&ann, shared_by("Bob", "x")).is_err());
    house.ok::<CreateSpace>(shared_by("Bob", "bobs-shared"));
    assert!(house.call::<CreateSpace>(&ann, space_request(&id, "everybodys")).is_ok());

    let update = |name: &str| {
        let input = update_space(&id, name, api::SpaceSettings::default());
        house.call::<UpdateSpace>(&ann, input).is_ok()
    };
    let create = |caller: &Caller, name: &str| {
        house.call::<CreateApp>(caller, app_request(&id, name)).is_ok()
    };
    let mut seen = Vec::new();
    for name in ["anns", "bobs", "anns-shared", "bobs-shared", "everybodys"] {
        let created = create(&ann, name);
        house.call::<CreateApp>(&house.root(), app_request(&id, name)).ok();
        let deleted = house.call::<DeleteApp>(&ann, delete_app(&app_request(&id, name))).is_ok();
        seen.push((name, update(name), created, deleted));
    }
    assert_eq!(
        seen,
        [
            ("anns", true, true, true),
            ("bobs", false, false, false),
            ("anns-shared", true, true, true),
            ("bobs-shared", false, true, true),
            ("everybodys", true, true, true),
        ]
    );
    // Apps of user profiles are everybody's, in the policy as AWS has it.
    assert!(house.call::<CreateApp>(&ann, gateway(&id, "Bob")).is_ok());
    // In another domain nothing of it holds.
    let other = estate.domain("other");
    estate.profile(&other, "Ann");
    house.ok::<CreateSpace>(private_space(&other, "anns", "Ann"));
    assert!(house.call::<CreateApp>(&ann, app_request(&other, "anns")).is_err());
    estate.run_apps();
    let delete = |name: &str| {
        let input = api::DeleteSpaceRequest { domain_id: id.clone(), space_name: name.into() };
        house.call::<DeleteSpace>(&ann, input)
    };
    assert!(delete("anns").is_ok());
    let text = super::text(&delete("bobs").unwrap_err());
    assert!(text.starts_with("AccessDeniedException (400): "), "{text}");
}

/// What a condition on instance types is about is what the app gets, wherever that was chosen.
#[test]
fn an_instance_type_that_is_denied_cannot_be_had_by_a_default() {
    let estate = Estate::new();
    let id = estate.domain("team");
    estate.profile(&id, "Ann");
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"sagemaker:*","Resource":"*"},
        {"Effect":"Deny","Action":"sagemaker:CreateApp","Resource":"*","Condition":{
            "ForAnyValue:StringNotLike":{"sagemaker:InstanceTypes":["ml.t3.*"]}}}]}"#;
    let caller = estate.house.user_with_policy("ann", policy);
    let mut space = private_space(&id, "lab", "Ann");
    space.space_settings.as_mut().unwrap().jupyter_lab_app_settings =
        Some(api::SpaceJupyterLabAppSettings {
            default_resource_spec: Some(on("ml.p5.48xlarge")),
            ..Default::default()
        });
    estate.house.call::<CreateSpace>(&caller, space).unwrap();
    let mut request = app_request(&id, "lab");
    for (spec, right) in
        [(None, false), (Some(on("ml.p5.48xlarge")), false), (Some(on("ml.t3.large")), true)]
    {
        request.resource_spec = spec;
        assert_eq!(estate.house.call::<CreateApp>(&caller, request.clone()).is_ok(), right);
    }
}
