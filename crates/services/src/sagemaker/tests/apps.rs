//! Apps: names and their incarnations, what they run with, and what is refused.

use super::*;
use crate::sagemaker::create_app::RUNNING_APPS as QUOTA;
use crate::sagemaker::delete_app::DeleteApp;
use crate::sagemaker::read_app::{DescribeApp, ListApps};
use crate::sagemaker::tags::{AddTags, ListTags};
use crate::sagemaker::update_domain::UpdateDomain;
use crate::sagemaker::workload::{self, Observed};
use crate::sagemaker::write_profile::UpdateUserProfile;
use crate::sagemaker::write_space::UpdateSpace;
use api::{AppStatus, AppType};

fn estate() -> (Estate, String) {
    let estate = Estate::new();
    let id = estate.domain("team");
    estate.profile(&id, "Ann");
    estate.house.ok::<CreateSpace>(private_space(&id, "Lab", "Ann"));
    (estate, id)
}

fn profile_app(domain: &str, app_type: AppType, name: &str) -> api::CreateAppRequest {
    api::CreateAppRequest {
        domain_id: domain.into(),
        user_profile_name: Some("Ann".into()),
        app_type,
        app_name: name.into(),
        ..Default::default()
    }
}

fn status(estate: &Estate, of: &api::CreateAppRequest) -> Option<AppStatus> {
    estate.house.ok::<DescribeApp>(describe_app(of)).status
}

fn list(estate: &Estate, filter: api::ListAppsRequest) -> Vec<(String, Option<AppStatus>)> {
    let apps = estate.house.ok::<ListApps>(filter).apps.unwrap();
    apps.into_iter().map(|it| (it.app_name.unwrap(), it.status)).collect()
}

#[test]
fn an_app_is_pending_until_it_serves_and_listed_for_a_day_after_its_end() {
    let (estate, id) = estate();
    let request = app_request(&id, "LAB");
    let arn = estate.house.ok::<CreateApp>(request.clone()).app_arn.unwrap();
    assert_eq!(
        arn,
        format!("arn:aws:sagemaker:us-west-2:123456789012:app/{id}/Lab/jupyterlab/default")
    );
    assert_eq!(status(&estate, &request), Some(AppStatus::Pending));
    estate.run_apps();
    let told = estate.house.ok::<DescribeApp>(describe_app(&request));
    assert_eq!(told.status, Some(AppStatus::InService));
    assert_eq!((told.space_name.as_deref(), told.user_profile_name), (Some("Lab"), None));
    assert!(told.last_health_check_timestamp.is_some());
    assert_eq!(told.resource_spec.unwrap().instance_type.as_deref(), Some("ml.t3.large"));
    let text = estate.house.fails::<CreateApp>(request.clone());
    assert!(text.starts_with("ResourceInUse (400): The App with AppName default"), "{text}");
    estate.house.ok::<DeleteApp>(delete_app(&request));
    assert_eq!(status(&estate, &request), Some(AppStatus::Deleting));
    let text = estate.house.fails::<DeleteApp>(delete_app(&request));
    assert!(text.starts_with("ResourceInUse (400): "), "{text}");
    estate.run_apps();
    assert_eq!(status(&estate, &request), Some(AppStatus::Deleted));
    let text = estate.house.fails::<DeleteApp>(delete_app(&request));
    assert_eq!(text, format!("ValidationException (400): App [{arn}] has already been deleted."));
    let all = api::ListAppsRequest::default;
    assert_eq!(list(&estate, all()), [("default".into(), Some(AppStatus::Deleted))]);
    estate.house.clock.advance_millis(86_400_000);
    assert!(list(&estate, all()).is_empty());
    let text = estate.house.fails::<DescribeApp>(describe_app(&request));
    assert_eq!(
        text,
        format!("ResourceNotFound (400): RecordNotFound: App [{arn}] does not exist.")
    );
}

/// The Toolkit deletes an app and makes it anew without waiting (REMOTE-ACCESS 2.4).
#[test]
fn a_name_is_free_as_soon_as_its_app_is_deleting() {
    let (estate, id) = estate();
    let request = app_request(&id, "lab");
    estate.house.ok::<CreateApp>(request.clone());
    estate.run_apps();
    estate.house.ok::<DeleteApp>(delete_app(&request));
    estate.house.ok::<UpdateSpace>(update_space(&id, "lab", remote(api::FeatureStatus::Enabled)));
    estate.house.ok::<CreateApp>(request.clone());
    assert_eq!(status(&estate, &request), Some(AppStatus::Pending));
    let of_space = api::ListAppsRequest {
        domain_id_equals: Some(id.clone()),
        space_name_equals: Some("lab".into()),
        ..Default::default()
    };
    assert_eq!(list(&estate, of_space.clone()), [("default".into(), Some(AppStatus::Pending))]);
    // The old one stops; only then the new one is wanted.
    estate.run_apps();
    assert_eq!(status(&estate, &request), Some(AppStatus::Pending));
    estate.run_apps();
    assert_eq!(list(&estate, of_space), [("default".into(), Some(AppStatus::InService))]);
}

#[test]
fn a_failed_app_is_replaced_or_deleted_at_once() {
    let (estate, id) = estate();
    let request = app_request(&id, "lab");
    for delete in [false, true] {
        estate.house.ok::<CreateApp>(request.clone());
        let wanted = workload::desired(&estate.house.state()).unwrap();
        estate.report(&wanted[0].id, &Observed::Failed("no such program".into()));
        let told = estate.house.ok::<DescribeApp>(describe_app(&request));
        assert_eq!(told.status, Some(AppStatus::Failed));
        assert_eq!(told.failure_reason.as_deref(), Some("no such program"));
        if delete {
            estate.house.ok::<DeleteApp>(delete_app(&request));
            assert_eq!(status(&estate, &request), Some(AppStatus::Deleted));
        }
    }
}

#[test]
fn what_cannot_be_run_fails_with_a_reason() {
    let (estate, id) = estate();
    let request = profile_app(&id, AppType::TensorBoard, "default");
    estate.house.ok::<CreateApp>(request.clone());
    let told = estate.house.ok::<DescribeApp>(describe_app(&request));
    assert_eq!(told.status, Some(AppStatus::Failed));
    let reason = told.failure_reason.unwrap();
    assert!(reason.contains("TensorBoard cannot be run here"), "{reason}");
    assert!(workload::desired(&estate.house.state()).unwrap().is_empty());
}

#[test]
fn a_space_has_one_app_of_its_type_and_a_profile_several_kernel_gateways() {
    let (estate, id) = estate();
    estate.house.ok::<CreateApp>(app_request(&id, "lab"));
    let mut other = app_request(&id, "lab");
    other.app_name = "other".into();
    let text = estate.house.fails::<CreateApp>(other);
    assert!(text.contains("can have one App of AppType JupyterLab at a time"), "{text}");
    let mut editor = app_request(&id, "lab");
    editor.app_type = AppType::CodeEditor;
    let text = estate.house.fails::<CreateApp>(editor);
    assert!(text.contains("The AppType of Space [Lab] is JupyterLab"), "{text}");
    for name in ["one", "two"] {
        estate.house.ok::<CreateApp>(profile_app(&id, AppType::KernelGateway, name));
    }
    estate.house.ok::<CreateApp>(profile_app(&id, AppType::JupyterServer, "default"));
    let of_ann =
        api::ListAppsRequest { user_profile_name_equals: Some("ANN".into()), ..Default::default() };
    assert_eq!(list(&estate, of_ann).len(), 3);
    let wanted = workload::desired(&estate.house.state()).unwrap();
    let profiles: Vec<_> = wanted.iter().filter_map(|it| it.profile.as_deref()).collect();
    assert_eq!(profiles, ["Ann"; 4]);
}

#[test]
fn exactly_one_owner_is_named_and_it_exists() {
    let (estate, id) = estate();
    let mut both = app_request(&id, "lab");
    both.user_profile_name = Some("Ann".into());
    let mut neither = app_request(&id, "lab");
    neither.space_name = None;
    for request in [both, neither] {
        let text = estate.house.fails::<CreateApp>(request.clone());
        assert!(text.contains("Exactly one of UserProfileName and SpaceName"), "{text}");
        let text = estate.house.fails::<DeleteApp>(delete_app(&request));
        assert!(text.contains("Exactly one of UserProfileName and SpaceName"), "{text}");
    }
    let text = estate.house.fails::<CreateApp>(app_request(&id, "none"));
    assert!(text.starts_with("ResourceNotFound (400): RecordNotFound: Space"), "{text}");
    let text = estate.house.fails::<CreateApp>(app_request("d-none", "none"));
    assert!(text.starts_with("ResourceNotFound (400): RecordNotFound: Domain"), "{text}");
}

#[test]
fn a_space_and_a_profile_of_one_name_do_not_share_an_arn() {
    let (estate, id) = estate();
    estate.house.ok::<CreateSpace>(private_space(&id, "ann", "Ann"));
    let mut own = profile_app(&id, AppType::JupyterLab, "default");
    own.tags = Some(vec![tag("a", "b")]);
    let arn = estate.house.ok::<CreateApp>(own.clone()).app_arn.unwrap();
    let text = estate.house.fails::<CreateApp>(app_request(&id, "ann"));
    assert!(
        text.contains("The user profile of the same name has an App with the same ARN"),
        "{text}"
    );
    let other = arn.replace("/Ann/jupyterlab/", "/ANN/JupyterLab/");
    estate
        .house
        .ok::<AddTags>(api::AddTagsInput { resource_arn: other, tags: vec![tag("c", "d")] });
    let input = api::ListTagsInput { resource_arn: arn.clone(), ..Default::default() };
    let tags = || estate.house.call::<ListTags>(&estate.house.root(), input.clone());
    assert_eq!(tags().unwrap().tags.unwrap(), [tag("a", "b"), tag("c", "d")]);
    estate.house.ok::<DeleteApp>(delete_app(&own));
    estate.run_apps();
    assert!(tags().is_err());
}

#[test]
fn remote_access_takes_eight_gib() {
    let (estate, id) = estate();
    let mut request = app_request(&id, "lab");
    request.resource_spec = None;
    let text = "ValidationException (400): Unable to create app for [Lab] because instanceType \
                [ml.t3.medium] is not supported for remote access enabled spaces. Use instanceType \
                with at least 8 GiB memory.";
    assert_eq!(estate.house.fails::<CreateApp>(request.clone()), text);
    request.resource_spec = Some(on("ml.t3.medium"));
    assert_eq!(estate.house.fails::<CreateApp>(request.clone()), text);
    let off = remote(api::FeatureStatus::Disabled);
    estate.house.ok::<UpdateSpace>(update_space(&id, "lab", off));
    estate.house.ok::<CreateApp>(request);
}

#[test]
fn so_many_apps_of_a_kind_run_on_one_instance_type() {
    let (estate, id) = estate();
    let run = |number: usize, instance: &str| {
        let mut request = profile_app(&id, AppType::KernelGateway, &format!("kernel-{number}"));
        request.resource_spec = Some(on(instance));
        estate.house.call::<CreateApp>(&estate.house.root(), request)
    };
    for number in 0..QUOTA {
        run(number, "ml.m5.large").unwrap();
    }
    let fault = run(QUOTA, "ml.m5.large").unwrap_err();
    assert_eq!(
        super::text(&fault),
        "ResourceLimitExceeded (400): The account-level service limit 'Studio KernelGateway Apps running \
         on ml.m5.large instance' is 200 Apps, with current utilization of 200 Apps and a request delta \
         of 1 Apps. Please contact AWS support to request an increase for this limit."
    );
    // Each instance type has a number of its own, and an app that ends makes room.
    run(QUOTA, "ml.m5.xlarge").unwrap();
    let first = profile_app(&id, AppType::KernelGateway, "kernel-0");
    estate.house.ok::<DeleteApp>(delete_app(&first));
    estate.run_apps();
    run(QUOTA + 1, "ml.m5.large").unwrap();
}

#[test]
fn images_of_other_accounts_are_taken_and_those_of_this_one_must_exist() {
    let (estate, id) = estate();
    let mut request = app_request(&id, "lab");
    let distribution = "arn:aws:sagemaker:us-west-2:542918446943:image/sagemaker-distribution-cpu";
    request.resource_spec = Some(api::ResourceSpec {
        sage_maker_image_arn: Some(distribution.into()),
        sage_maker_image_version_alias: Some("3.2.0".into()),
        ..on("ml.t3.large")
    });
    estate.house.ok::<CreateApp>(request.clone());
    let spec = estate.house.ok::<DescribeApp>(describe_app(&request)).resource_spec.unwrap();
    assert_eq!(Some(spec), request.resource_spec);
    let mut own = profile_app(&id, AppType::KernelGateway, "k");
    for wrong in [
        api::ResourceSpec {
            sage_maker_image_arn: Some(distribution.replace("542918446943", "123456789012")),
            ..Default::default()
        },
        api::ResourceSpec {
            lifecycle_config_arn: Some(
                "arn:aws:sagemaker:us-west-2:123456789012:studio-lifecycle-config/none".into(),
            ),
            ..Default::default()
        },
        api::ResourceSpec {
            training_plan_arn: Some(
                "arn:aws:sagemaker:us-west-2:123456789012:training-plan/none".into(),
            ),
            ..Default::default()
        },
    ] {
        own.resource_spec = Some(wrong);
        let text = estate.house.fails::<CreateApp>(own.clone());
        assert!(
            text.starts_with("ValidationException") && text.contains("does not exist"),
            "{text}"
        );
    }
    own.resource_spec =
        Some(api::ResourceSpec { lifecycle_config_arn: Some("None".into()), ..Default::default() });
    estate.house.ok::<CreateApp>(own);
}

/// SPEC R0.2.
#[test]
fn the_execution_role_is_that_of_the_owner_or_of_the_domain() {
    let (estate, id) = estate();
    let (own, shared) = (role(&estate.house, "own", TRUST), role(&estate.house, "shared", TRUST));
    estate.house.ok::<CreateSpace>(space_request(&id, "everybody"));
    let roles = |requests: &[api::CreateAppRequest]| {
        let mut roles = Vec::new();
        for request in requests {
            estate.house.ok::<CreateApp>(request.clone());
            roles.push(workload::desired(&estate.house.state()).unwrap()[0].execution_role.clone());
            estate.house.ok::<DeleteApp>(delete_app(request));
            estate.run_apps();
        }
        roles
    };
    let requests = [
        app_request(&id, "lab"),
        app_request(&id, "everybody"),
        profile_app(&id, AppType::JupyterServer, "default"),
    ];
    let domain = &estate.role;
    assert_eq!(roles(&requests), [domain.clone(), domain.clone(), domain.clone()]);
    estate.house.ok::<UpdateUserProfile>(api::UpdateUserProfileRequest {
        domain_id: id.clone(),
        user_profile_name: "Ann".into(),
        user_settings: Some(api::UserSettings {
            execution_role: Some(own.clone()),
            ..Default::default()
        }),
    });
    assert_eq!(roles(&requests), [own.clone(), domain.clone(), own.clone()]);
    estate.house.ok::<UpdateDomain>(api::UpdateDomainRequest {
        domain_id: id.clone(),
        default_space_settings: Some(api::DefaultSpaceSettings {
            execution_role: Some(shared.clone()),
            ..Default::default()
        }),
        ..Default::default()
    });
    assert_eq!(roles(&requests), [own.clone(), shared, own]);
}

#[test]
fn tags_of_domain_and_profile_go_on_to_apps_and_those_of_spaces_where_that_is_switched_on() {
    let (estate, id) = estate();
    let add = |arn: String, key: &str| {
        let tags = vec![tag(key, "v"), tag("who", key)];
        estate.house.ok::<AddTags>(api::AddTagsInput { resource_arn: arn, tags });
    };
    let arn = |rest: String| format!("arn:aws:sagemaker:us-west-2:123456789012:{rest}");
    add(arn(format!("domain/{id}")), "domain");
    add(arn(format!("user-profile/{id}/Ann")), "profile");
    add(arn(format!("space/{id}/Lab")), "space");
    let mut request = app_request(&id, "lab");
    let mut keys = |own: bool| {
        request.tags = own.then(|| vec![tag("who", "me")]);
        let arn = estate.house.ok::<CreateApp>(request.clone()).app_arn.unwrap();
        let input = api::ListTagsInput { resource_arn: arn, ..Default::default() };
        let tags = estate.house.ok::<ListTags>(input).tags.unwrap();
        estate.house.ok::<DeleteApp>(delete_app(&request));
        estate.run_apps();
        tags.into_iter().map(|it| format!("{}={}", it.key, it.value)).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(keys(false), "domain=v profile=v who=profile");
    assert_eq!(keys(true), "domain=v profile=v who=me");
    estate.house.ok::<UpdateDomain>(api::UpdateDomainRequest {
        domain_id: id.clone(),
        tag_propagation: Some(api::TagPropagation::Enabled),
        ..Default::default()
    });
    assert_eq!(keys(false), "domain=v profile=v space=v who=space");
}

#[test]
fn an_app_runs_the_lifecycle_configurations_of_its_kind_unless_it_is_to_be_repaired() {
    use crate::sagemaker::studio_lifecycle::CreateStudioLifecycleConfig;
    let (estate, id) = estate();
    let config = |name: &str, script: &str, app_type| {
        use base64::Engine as _;
        let content = base64::engine::general_purpose::STANDARD.encode(script);
        let input = api::CreateStudioLifecycleConfigRequest {
            studio_lifecycle_config_name: name.into(),
            studio_lifecycle_config_content: content,
            studio_lifecycle_config_app_type: app_type,
            ..Default::default()
        };
        let made = estate.house.ok::<CreateStudioLifecycleConfig>(input);
        made.studio_lifecycle_config_arn.unwrap()
    };
    let lab = api::StudioLifecycleConfigAppType::JupyterLab;
    let (first, second) = (config("first", "echo 1", lab), config("second", "echo 2", lab));
    let other = config("other", "echo 3", api::StudioLifecycleConfigAppType::CodeEditor);
    estate.house.ok::<UpdateDomain>(api::UpdateDomainRequest {
        domain_id: id.clone(),
        default_user_settings: Some(api::UserSettings {
            jupyter_lab_app_settings: Some(api::JupyterLabAppSettings {
                built_in_lifecycle_config_arn: Some(first.clone()),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    });
    let mut request = app_request(&id, "lab");
    let with = |arn: &str| api::ResourceSpec {
        lifecycle_config_arn: Some(arn.into()),
        ..on("ml.t3.large")
    };
    request.resource_spec = Some(with(&other));
    let text = estate.house.fails::<CreateApp>(request.clone());
    assert!(text.contains("cannot be used by apps of type JupyterLab"), "{text}");
    for recovery in [false, true] {
        request.resource_spec = Some(with(&second));
        request.recovery_mode = Some(recovery);
        estate.house.ok::<CreateApp>(request.clone());
        let it = workload::desired(&estate.house.state()).unwrap().pop().unwrap();
        let scripts = (it.built_in_lifecycle_script.as_deref(), it.lifecycle_script.as_deref());
        let none = (None, None);
        assert_eq!(
            scripts,
            if recovery { none } else { (Some(&b"echo 1"[..]), Some(&b"echo 2"[..])) }
        );
        let told = estate.house.ok::<DescribeApp>(describe_app(&request));
        assert_eq!(told.built_in_lifecycle_config_arn.as_ref(), Some(&first));
        estate.house.ok::<DeleteApp>(delete_app(&request));
        estate.run_apps();
    }
    request.app_type = AppType::KernelGateway;
    (request.space_name, request.user_profile_name) = (None, Some("Ann".into()));
    request.resource_spec = None;
    let text = estate.house.fails::<CreateApp>(request);
    assert!(text.contains("RecoveryMode is for apps of type"), "{text}");
}
