//! Spaces: what they can have, what is told of them, and what they hold.

use super::*;
use crate::sagemaker::delete_app::DeleteApp;
use crate::sagemaker::delete_domain::DeleteDomain;
use crate::sagemaker::read_space::{DescribeSpace, ListSpaces};
use crate::sagemaker::tags::{AddTags, DeleteTags, ListTags};
use crate::sagemaker::update_domain::UpdateDomain;
use crate::sagemaker::write_profile::DeleteUserProfile;
use crate::sagemaker::write_space::{DeleteSpace, UpdateSpace};

fn estate() -> (Estate, String) {
    let estate = Estate::new();
    let id = estate.domain("team");
    estate.profile(&id, "Ann");
    estate.profile(&id, "Bob");
    (estate, id)
}

fn delete(domain: &str, name: &str) -> api::DeleteSpaceRequest {
    api::DeleteSpaceRequest { domain_id: domain.into(), space_name: name.into() }
}

fn volume(size: i32) -> api::SpaceSettings {
    api::SpaceSettings {
        space_storage_settings: Some(api::SpaceStorageSettings {
            ebs_storage_settings: Some(api::EbsStorageSettings { ebs_volume_size_in_gb: size }),
        }),
        ..Default::default()
    }
}

fn idle(minutes: i32) -> api::SpaceSettings {
    api::SpaceSettings {
        jupyter_lab_app_settings: Some(api::SpaceJupyterLabAppSettings {
            app_lifecycle_management: Some(api::SpaceAppLifecycleManagement {
                idle_settings: Some(api::SpaceIdleSettings {
                    idle_timeout_in_minutes: Some(minutes),
                }),
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[test]
fn a_space_is_told_as_it_was_made_whatever_the_case_of_its_name() {
    let (estate, id) = estate();
    let mut request = private_space(&id, "My-Lab", "ann");
    request.space_display_name = Some("My lab".into());
    let arn = estate.house.ok::<CreateSpace>(request).space_arn.unwrap();
    assert_eq!(arn, format!("arn:aws:sagemaker:us-west-2:123456789012:space/{id}/My-Lab"));
    let told = estate.house.ok::<DescribeSpace>(describe_space(&id, "MY-lab"));
    assert_eq!(told.status, Some(api::SpaceStatus::InService));
    assert_eq!(told.space_name.as_deref(), Some("My-Lab"));
    assert_eq!(told.space_arn, Some(arn));
    assert_eq!(told.ownership_settings.unwrap().owner_user_profile_name, "Ann");
    assert_eq!(told.space_display_name.as_deref(), Some("My lab"));
    assert!(told.home_efs_file_system_uid.is_some() && told.url.is_some());
    let list = estate.house.ok::<ListSpaces>(api::ListSpacesRequest {
        domain_id_equals: Some(id.clone()),
        space_name_contains: Some("my".into()),
        ..Default::default()
    });
    let [it] = &list.spaces.unwrap()[..] else { panic!("one space") };
    let summary = it.space_settings_summary.clone().unwrap();
    assert_eq!(summary.remote_access, Some(api::FeatureStatus::Enabled));
    assert_eq!(summary.app_type, Some(api::AppType::JupyterLab));
    let owner = it.ownership_settings_summary.clone().unwrap().owner_user_profile_name;
    assert_eq!(owner.as_deref(), Some("Ann"));
    let sharing = it.space_sharing_settings_summary.clone().unwrap().sharing_type;
    assert_eq!(sharing, Some(api::SharingType::Private));
    let text = estate.house.fails::<CreateSpace>(space_request(&id, "my-lab"));
    assert!(text.starts_with("ResourceInUse (400): The Space with SpaceName my-lab"), "{text}");
}

#[test]
fn lists_have_pages_and_an_order() {
    let (estate, id) = estate();
    for name in ["a", "b", "c"] {
        estate.house.ok::<CreateSpace>(space_request(&id, name));
        estate.house.clock.advance_millis(1);
    }
    let (mut seen, mut next_token) = (Vec::new(), None);
    loop {
        let page = estate.house.ok::<ListSpaces>(api::ListSpacesRequest {
            max_results: Some(2),
            sort_order: Some(api::SortOrder::Descending),
            next_token,
            ..Default::default()
        });
        seen.extend(page.spaces.unwrap().into_iter().filter_map(|it| it.space_name));
        next_token = page.next_token;
        if next_token.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["c", "b", "a"]);
    let wrong = api::ListSpacesRequest { next_token: Some("x".into()), ..Default::default() };
    assert!(estate.house.fails::<ListSpaces>(wrong).contains("NextToken"));
}

#[test]
fn ownership_and_sharing_come_together_and_the_owner_exists() {
    let (estate, id) = estate();
    let mut request = private_space(&id, "lab", "Ann");
    request.space_sharing_settings = None;
    let text = estate.house.fails::<CreateSpace>(request);
    assert!(text.contains("must be given together"), "{text}");
    let text = estate.house.fails::<CreateSpace>(private_space(&id, "lab", "nobody"));
    assert!(text.starts_with("ResourceNotFound (400): RecordNotFound: UserProfile"), "{text}");
    let text = estate.house.fails::<CreateSpace>(space_request("d-missing", "lab"));
    assert!(text.starts_with("ResourceNotFound (400): RecordNotFound: Domain"), "{text}");
}

#[test]
fn the_owners_tag_is_the_systems() {
    let (estate, id) = estate();
    let key = "sagemaker:user-profile-arn";
    let mut request = private_space(&id, "lab", "ann");
    request.tags = Some(vec![tag("Team", "red")]);
    let arn = estate.house.ok::<CreateSpace>(request.clone()).space_arn.unwrap();
    let list = || {
        let input = api::ListTagsInput {
            resource_arn: arn.clone(),
            max_results: Some(100),
            ..Default::default()
        };
        estate.house.ok::<ListTags>(input).tags.unwrap()
    };
    let owner = format!("arn:aws:sagemaker:us-west-2:123456789012:user-profile/{id}/Ann");
    assert_eq!(list(), [tag("Team", "red"), tag(key, &owner)]);
    for key in [key, "SageMaker:User-Profile-ARN"] {
        let text = estate.house.fails::<AddTags>(api::AddTagsInput {
            resource_arn: arn.clone(),
            tags: vec![tag(key, "arn:aws:sagemaker:us-west-2:123456789012:user-profile/x/Bob")],
        });
        assert!(text.starts_with("ValidationException (400): Tag key"), "{text}");
        let text = estate.house.fails::<DeleteTags>(api::DeleteTagsInput {
            resource_arn: arn.clone(),
            tag_keys: vec![key.into()],
        });
        assert!(text.starts_with("ValidationException (400): Tag key"), "{text}");
        request.space_name = "other".into();
        request.tags = Some(vec![tag(key, "x")]);
        let text = estate.house.fails::<CreateSpace>(request.clone());
        assert!(text.starts_with("ValidationException (400): Tag key"), "{text}");
    }
    // It takes no room from those of callers.
    let tags: Vec<_> = (0..49).map(|it| tag(&format!("k{it}"), "v")).collect();
    estate.house.ok::<AddTags>(api::AddTagsInput { resource_arn: arn.clone(), tags });
    assert_eq!(list().len(), 51);
    let shared = estate.house.ok::<CreateSpace>(space_request(&id, "shared")).space_arn.unwrap();
    let input = api::ListTagsInput { resource_arn: shared, ..Default::default() };
    assert!(estate.house.ok::<ListTags>(input).tags.unwrap().is_empty());
    // A new space of the name has nothing of the old one's.
    estate.house.ok::<DeleteSpace>(delete(&id, "LAB"));
    estate.house.ok::<CreateSpace>(space_request(&id, "lab"));
    assert!(list().is_empty());
}

#[test]
fn what_an_update_does_not_name_stays_and_the_app_type_for_ever() {
    let (estate, id) = estate();
    let mut request = private_space(&id, "lab", "Ann");
    request.space_settings.as_mut().unwrap().space_storage_settings =
        volume(9).space_storage_settings;
    estate.house.ok::<CreateSpace>(request);
    let change = api::SpaceSettings {
        jupyter_lab_app_settings: Some(api::SpaceJupyterLabAppSettings {
            default_resource_spec: Some(on("ml.t3.xlarge")),
            ..Default::default()
        }),
        ..Default::default()
    };
    estate.house.ok::<UpdateSpace>(update_space(&id, "lab", change));
    let now = estate.house.ok::<DescribeSpace>(describe_space(&id, "lab"));
    let settings = now.space_settings.unwrap();
    assert_eq!(now.status, Some(api::SpaceStatus::InService));
    assert_eq!(settings.remote_access, Some(api::FeatureStatus::Enabled));
    assert!(settings.space_storage_settings.is_some());
    let same = api::SpaceSettings { app_type: settings.app_type, ..Default::default() };
    estate.house.ok::<UpdateSpace>(update_space(&id, "lab", same));
    for (wrong, says) in [
        (
            api::SpaceSettings { app_type: Some(api::AppType::CodeEditor), ..Default::default() },
            "AppType cannot be changed",
        ),
        (volume(8), "cannot be decreased from 9 to 8"),
        (idle(60), "LifecycleManagement ENABLED"),
        (
            api::SpaceSettings {
                space_managed_resources: Some(api::FeatureStatus::Enabled),
                ..Default::default()
            },
            "SpaceManagedResources",
        ),
        (
            api::SpaceSettings {
                custom_file_systems: Some(vec![api::CustomFileSystem {
                    efs_file_system: Some(api::EFSFileSystem { file_system_id: "fs-1".into() }),
                    ..Default::default()
                }]),
                ..Default::default()
            },
            "[fs-1] of SpaceSettings.CustomFileSystems is not among",
        ),
        (
            api::SpaceSettings {
                jupyter_lab_app_settings: Some(api::SpaceJupyterLabAppSettings {
                    default_resource_spec: Some(api::ResourceSpec {
                        lifecycle_config_arn: Some(
                            "arn:aws:sagemaker:us-west-2:123456789012:studio-lifecycle-config/none"
                                .into(),
                        ),
                        ..Default::default()
                    }),
                    ..Default::default()
                }),
                ..Default::default()
            },
            "The StudioLifecycleConfig [",
        ),
    ] {
        let text = estate.house.fails::<UpdateSpace>(update_space(&id, "lab", wrong));
        assert!(text.starts_with("ValidationException (400): ") && text.contains(says), "{text}");
    }
    let mut gateway = space_request(&id, "gateway");
    gateway.space_settings = Some(api::SpaceSettings {
        app_type: Some(api::AppType::KernelGateway),
        ..remote(api::FeatureStatus::Enabled)
    });
    let text = estate.house.fails::<CreateSpace>(gateway);
    assert!(text.contains("JupyterLab or CodeEditor"), "{text}");
}

#[test]
fn the_administrators_bounds_hold_for_volumes_and_idle_times() {
    let (estate, id) = estate();
    estate.house.ok::<UpdateDomain>(api::UpdateDomainRequest {
        domain_id: id.clone(),
        default_user_settings: Some(api::UserSettings {
            space_storage_settings: Some(api::DefaultSpaceStorageSettings {
                default_ebs_storage_settings: Some(api::DefaultEbsStorageSettings {
                    default_ebs_volume_size_in_gb: 10,
                    maximum_ebs_volume_size_in_gb: 20,
                }),
            }),
            jupyter_lab_app_settings: Some(api::JupyterLabAppSettings {
                app_lifecycle_management: Some(api::AppLifecycleManagement {
                    idle_settings: Some(api::IdleSettings {
                        lifecycle_management: Some(api::LifecycleManagement::Enabled),
                        idle_timeout_in_minutes: Some(120),
                        min_idle_timeout_in_minutes: Some(90),
                        max_idle_timeout_in_minutes: Some(180),
                    }),
                }),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    });
    estate.house.ok::<CreateSpace>(private_space(&id, "lab", "Ann"));
    let wanted = || {
        let mut found = crate::sagemaker::workload::desired(&estate.house.state()).unwrap();
        let it = found.pop().unwrap();
        (it.volume_gb, it.idle_minutes)
    };
    estate.house.ok::<CreateApp>(app_request(&id, "lab"));
    assert_eq!(wanted(), (Some(10), Some(120)));
    for wrong in [volume(21), volume(9), idle(89), idle(181)] {
        let text = estate.house.fails::<UpdateSpace>(update_space(&id, "lab", wrong));
        assert!(text.starts_with("ValidationException (400): "), "{text}");
    }
    estate.house.ok::<UpdateSpace>(update_space(&id, "lab", volume(20)));
    estate.house.ok::<UpdateSpace>(update_space(&id, "lab", idle(90)));
    estate.house.ok::<DeleteApp>(delete_app(&app_request(&id, "lab")));
    estate.run_apps();
    estate.house.ok::<CreateApp>(app_request(&id, "lab"));
    assert_eq!(wanted(), (Some(20), Some(90)));
}

#[test]
fn apps_go_before_spaces_spaces_before_profiles_and_profiles_before_domains() {
    let (estate, id) = estate();
    let arn = estate.running_space(&id, "lab", "Ann");
    let house = &estate.house;
    let text = house.fails::<DeleteSpace>(delete(&id, "lab"));
    let says = |kind: &str, arn: &str, what: &str| {
        format!(
            "ResourceInUse (400): Unable to delete {kind} [{arn}] because {what}(s) are associated with it."
        )
    };
    assert_eq!(text, says("Space", &arn, "App"));
    let ann = format!("arn:aws:sagemaker:us-west-2:123456789012:user-profile/{id}/Ann");
    let profile = |name: &str| api::DeleteUserProfileRequest {
        domain_id: id.clone(),
        user_profile_name: name.into(),
    };
    assert_eq!(
        house.fails::<DeleteUserProfile>(profile("ann")),
        says("UserProfile", &ann, "Space")
    );
    let mut own = app_request(&id, "lab");
    (own.space_name, own.user_profile_name) = (None, Some("Ann".into()));
    house.ok::<CreateApp>(own.clone());
    assert_eq!(house.fails::<DeleteUserProfile>(profile("Ann")), says("UserProfile", &ann, "App"));
    for request in [own, app_request(&id, "lab")] {
        house.ok::<DeleteApp>(delete_app(&request));
    }
    // One that is still stopping is there.
    assert_eq!(house.fails::<DeleteSpace>(delete(&id, "lab")), says("Space", &arn, "App"));
    estate.run_apps();
    house.ok::<DeleteSpace>(delete(&id, "lab"));
    let text = house.fails::<DescribeSpace>(describe_space(&id, "lab"));
    assert_eq!(
        text,
        format!("ResourceNotFound (400): RecordNotFound: Space [{arn}] does not exist.")
    );
    house.ok::<CreateSpace>(space_request(&id, "shared"));
    house.ok::<DeleteUserProfile>(profile("Ann"));
    house.ok::<DeleteUserProfile>(profile("Bob"));
    let domain = api::DeleteDomainRequest { domain_id: id.clone(), retention_policy: None };
    let arn = format!("arn:aws:sagemaker:us-west-2:123456789012:domain/{id}");
    assert_eq!(house.fails::<DeleteDomain>(domain.clone()), says("Domain", &arn, "Space"));
    house.ok::<DeleteSpace>(delete(&id, "shared"));
    house.ok::<DeleteDomain>(domain);
}

#[test]
fn a_domain_with_running_apps_keeps_the_network_that_they_have() {
    let (estate, id) = estate();
    estate.running_space(&id, "lab", "Ann");
    let update = |change: fn(&mut api::UpdateDomainRequest)| {
        let mut request = api::UpdateDomainRequest { domain_id: id.clone(), ..Default::default() };
        change(&mut request);
        request
    };
    let vpc_only =
        update(|it| it.app_network_access_type = Some(api::AppNetworkAccessType::VpcOnly));
    let identity = update(|it| {
        it.domain_settings_for_update = Some(api::DomainSettingsForUpdate {
            execution_role_identity_config: Some(api::ExecutionRoleIdentityConfig::UserProfileName),
            ..Default::default()
        });
    });
    let harmless = update(|it| it.tag_propagation = Some(api::TagPropagation::Enabled));
    let text = format!(
        "ValidationException (400): Unable to update Domain \
         [arn:aws:sagemaker:us-west-2:123456789012:domain/{id}] with InService App. Delete all \
         InService apps in the domain including shared Apps for [domain-shared] User Profile, and try \
         again."
    );
    for request in [&vpc_only, &identity] {
        assert_eq!(estate.house.fails::<UpdateDomain>(request.clone()), text);
    }
    estate.house.ok::<UpdateDomain>(harmless);
    estate.house.ok::<DeleteApp>(delete_app(&app_request(&id, "lab")));
    assert_eq!(estate.house.fails::<UpdateDomain>(vpc_only.clone()), text);
    estate.run_apps();
    estate.house.ok::<UpdateDomain>(vpc_only);
    estate.house.ok::<UpdateDomain>(identity);
    estate.house.ok::<CreateApp>(app_request(&id, "lab"));
    let wanted = crate::sagemaker::workload::desired(&estate.house.state()).unwrap();
    assert_eq!(wanted[0].network, api::AppNetworkAccessType::VpcOnly);
}
